//! Hand-overs from the crates that people already use: a table found by `acpi`, a node walked to with `fdt`.

#[cfg(feature = "acpi")]
#[allow(unsafe_code)]
pub mod acpi;
#[cfg(feature = "fdt")]
pub mod fdt;
