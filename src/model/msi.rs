//! MSI controllers: where DeviceIDs end.

use alloc::vec::Vec;

use super::Origin;

/// An MSI controller: an IORT ITS group, or a device-tree node that `msi-map` or `msi-parent` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsiController {
    /// Where it stands.
    pub origin: Origin,
    /// What it is.
    pub kind: MsiKind,
}

/// What an MSI controller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MsiKind {
    /// An IORT ITS group: the GIC ITS IDs of its members (as in the MADT), in table order. Operating systems use the
    /// first only.
    ItsGroup(Vec<u32>),
    /// A device-tree node.
    Controller {
        /// `#msi-cells`; `None` where absent (one cell in maps, none in `msi-parent`; linux `of_map_id`).
        cells: Option<u32>,
        /// Whether `status` lets it be used.
        available: bool,
    },
}
