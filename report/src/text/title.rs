//! What a firmware is, in one line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::Summary;

use crate::name::printable;

/// `IORT revision 6, 5 nodes, OEM "BOCHS " "BXPC    "`, with `, VIOT` where there is one beside it; `RIMT`; or
/// `device tree, linux,dummy-virt`. Control characters of the firmware become `?`.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::Summary;
/// use fwspec::machine::Firmware;
/// let firmware = Firmware::open("iort.bin", Builder::new(6).finish())?;
/// assert!(fwspec_report::text::title(&Summary::new(&firmware)).starts_with("IORT revision 6, 0 nodes"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn title(summary: &Summary) -> String {
    match summary {
        Summary::DeviceTree { names } if names.is_empty() => "device tree without a name".to_string(),
        Summary::DeviceTree { names } => format!("device tree, {}", printable(&names.join(", "))),
        Summary::Tables { iort: None, others } if others.is_empty() => {
            "ACPI tables that name no IOMMU".to_string()
        }
        Summary::Tables { iort, others } => {
            let iort = iort.iter().map(|iort| {
                format!(
                    "IORT revision {}, {} nodes, OEM \"{}\" \"{}\"",
                    iort.revision, iort.nodes, iort.oem_id, iort.oem_table_id
                )
            });
            iort.chain(others.iter().cloned()).collect::<Vec<_>>().join(", ")
        }
    }
}
