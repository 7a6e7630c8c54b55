//! What each fuzz target does with its bytes: read, walk to the end, show everything, and hold what must always hold.
//!
//! `fuzz_targets/` hands these functions to libFuzzer; the project's `tests/fuzz.rs` includes this file and replays seeds and
//! regressions through them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::panic,
    clippy::unreachable,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod bus;
mod dt_map;
mod generate;
mod parse;
mod relate;
mod show;
mod words;

pub use bus::*;
pub use dt_map::dt_map;
pub use parse::*;
pub use relate::*;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name that its file in `fuzz_targets/` has.
pub const TARGETS: &[Target] = &[
    ("acpi_container", acpi_container),
    ("acpi_iort", acpi_iort),
    ("acpi_madt", acpi_madt),
    ("acpi_mcfg", acpi_mcfg),
    ("acpi_rimt", acpi_rimt),
    ("acpi_sdt", acpi_sdt),
    ("acpi_viot", acpi_viot),
    ("assert_iort", assert_iort),
    ("dt_map", dt_map),
    ("dt_tree", dt_tree),
    ("dt_vs_fdt", dt_vs_fdt),
    ("group_order", group_order),
    ("input_firmware", input_firmware),
    ("lspci_text", lspci_text),
    ("map_index", map_index),
    ("pci_config", pci_config),
];
