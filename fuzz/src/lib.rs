//! What each fuzz target does with its bytes: read, walk to the end, show everything, and hold what must always hold.
//!
//! `fuzz_targets/` hands these functions to libFuzzer; the command's `cli/tests/it/fuzz.rs` includes this file and replays seeds and
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

mod built;
mod bus;
mod c;
mod damage;
mod document;
mod dt_map;
mod generate;
mod kernel;
mod parse;
mod relate;
pub mod scan;
mod show;
mod text;
mod verdict;
mod words;

pub use bus::*;
pub use c::capi_open;
pub use document::report_json;
pub use dt_map::dt_map;
pub use parse::*;
pub use relate::*;
pub use text::*;
pub use verdict::lint_decode;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name that its file in `fuzz_targets/` has.
pub const TARGETS: &[Target] = &[
    ("acpi_container", acpi_container),
    ("acpi_dmar", acpi_dmar),
    ("acpi_iort", acpi_iort),
    ("acpi_ivrs", acpi_ivrs),
    ("acpi_madt", acpi_madt),
    ("acpi_mcfg", acpi_mcfg),
    ("acpi_rimt", acpi_rimt),
    ("acpi_sdt", acpi_sdt),
    ("acpi_viot", acpi_viot),
    ("assert_iort", assert_iort),
    ("capi_open", capi_open),
    ("cli_text", cli_text),
    ("dt_built", dt_built),
    ("dt_map", dt_map),
    ("dt_overlay", dt_overlay),
    ("dt_tree", dt_tree),
    ("dt_vs_fdt", dt_vs_fdt),
    ("group_order", group_order),
    ("input_firmware", input_firmware),
    ("input_log", input_log),
    ("input_named", input_named),
    ("input_query", input_query),
    ("input_schedule", input_schedule),
    ("input_sysfs", input_sysfs),
    ("iort_built", iort_built),
    ("iort_reference", iort_reference),
    ("lint_decode", lint_decode),
    ("lspci_text", lspci_text),
    ("machine_container", machine_container),
    ("map_index", map_index),
    ("pci_built", pci_built),
    ("pci_config", pci_config),
    ("report_json", report_json),
];
