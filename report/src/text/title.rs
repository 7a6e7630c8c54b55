//! What a firmware is, in one line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::machine::Firmware;

/// `IORT revision 6, 5 nodes, OEM "BOCHS " "BXPC    "`, with `, VIOT` where there is one beside it; `RIMT`; or
/// `device tree, linux,dummy-virt`.
pub fn title(firmware: &Firmware) -> String {
    let Some(tree) = firmware.tree() else { return tables(firmware) };
    let root = tree.find("/");
    let names = root.iter().flat_map(|root| ["model", "compatible"].map(|name| root.property(name)));
    let first = |property: fwspec::dt::Property<'_>| {
        property.strings().next().map(|s| String::from_utf8_lossy(s).to_string())
    };
    let names: Vec<String> = names.flatten().filter_map(first).collect();
    format!("device tree, {}", if names.is_empty() { "nameless".to_string() } else { names.join(", ") })
}

fn tables(firmware: &Firmware) -> String {
    let iort = firmware.iort().map(|iort| {
        let sdt = iort.sdt();
        format!(
            "IORT revision {}, {} nodes, OEM \"{}\" \"{}\"",
            iort.revision(),
            iort.node_count(),
            sdt.oem_id().escape_ascii(),
            sdt.oem_table_id().escape_ascii()
        )
    });
    let names: Vec<String> =
        iort.into_iter().chain(firmware.companions().map(|source| source.to_string())).collect();
    if names.is_empty() { "ACPI tables that name no IOMMU".to_string() } else { names.join(", ") }
}
