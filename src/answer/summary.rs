//! What a firmware is, before anything of what it says.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::dt::Property;
use crate::machine::Firmware;

/// What a firmware is. Texts are as the firmware has them: they may hold control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// A device tree: `model` and the first `compatible` of its root, those of them that it has.
    DeviceTree {
        /// The names.
        names: Vec<String>,
    },
    /// ACPI tables.
    Tables {
        /// The IORT, where there is one.
        iort: Option<IortSummary>,
        /// The tables beside it, or in place of it, which speak of IOMMUs: `RIMT`, `VIOT`.
        others: Vec<String>,
    },
}

/// What the header of an IORT says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IortSummary {
    /// Its revision.
    pub revision: u8,
    /// How many nodes it announces.
    pub nodes: u32,
    /// The OEM's name, with what is not printable escaped.
    pub oem_id: String,
    /// The OEM's name of the table, with what is not printable escaped.
    pub oem_table_id: String,
}

impl Summary {
    /// What this firmware is.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::Summary;
    /// use fwspec::machine::Firmware;
    /// let firmware = Firmware::open("iort.bin", Builder::new(6).finish())?;
    /// assert!(matches!(Summary::new(&firmware), Summary::Tables { iort: Some(iort), .. } if iort.revision == 6));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(firmware: &Firmware) -> Self {
        if let Some(tree) = firmware.tree() {
            let root = tree.find("/");
            let names = root.iter().flat_map(|root| ["model", "compatible"].map(|name| root.property(name)));
            let first = |property: Property<'_>| {
                property.strings().next().map(|text| String::from_utf8_lossy(text).to_string())
            };
            let mut names: Vec<String> = names.flatten().filter_map(first).collect();
            names.dedup();
            return Summary::DeviceTree { names };
        }
        let iort = firmware.iort().map(|iort| IortSummary {
            revision: iort.revision(),
            nodes: iort.node_count(),
            oem_id: iort.sdt().oem_id().escape_ascii().to_string(),
            oem_table_id: iort.sdt().oem_table_id().escape_ascii().to_string(),
        });
        let others = firmware.companions().map(|source| source.to_string()).collect();
        Summary::Tables { iort, others }
    }
}
