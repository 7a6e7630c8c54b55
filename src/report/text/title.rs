//! What a firmware is, in one line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::input::Firmware;

/// `IORT revision 6, 5 nodes, OEM "BOCHS " "BXPC    "`, or `device tree, linux,dummy-virt`.
pub fn title(firmware: &Firmware) -> String {
    if let Some(iort) = firmware.iort() {
        let sdt = iort.sdt();
        return format!(
            "IORT revision {}, {} nodes, OEM \"{}\" \"{}\"",
            iort.revision(),
            iort.node_count(),
            sdt.oem_id().escape_ascii(),
            sdt.oem_table_id().escape_ascii()
        );
    }
    let Some(tree) = firmware.tree() else { return "ACPI tables without an IORT".to_string() };
    let root = tree.find("/");
    let names = root.iter().flat_map(|root| ["model", "compatible"].map(|name| root.property(name)));
    let first = |property: crate::dt::Property<'_>| {
        property.strings().next().map(|s| String::from_utf8_lossy(s).to_string())
    };
    let names: Vec<String> = names.flatten().filter_map(first).collect();
    format!("device tree, {}", if names.is_empty() { "nameless".to_string() } else { names.join(", ") })
}
