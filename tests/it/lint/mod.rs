//! What is wrong, risky or odd.

mod acpi;
mod beside;
mod devices;
pub(crate) mod dtb;
mod fix;
mod samples;
mod shipped;
mod tables;
mod x86;
