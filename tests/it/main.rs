//! The tests of the library, by room. `cargo test --test it ROOM::` runs those of one room.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod acpi;
mod dt;
mod group;
#[cfg(all(feature = "acpi", feature = "fdt"))]
#[allow(unsafe_code)]
mod interop;
mod lint;
mod machine;
mod map;
mod pci;
mod support;
