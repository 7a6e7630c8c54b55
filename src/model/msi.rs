//! MSI controllers: where DeviceIDs end.

use alloc::vec::Vec;

use super::Origin;
use crate::error::At;

/// An MSI controller: an IORT ITS group, or a device-tree node that `msi-map` or `msi-parent` names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MsiController {
    /// Its place in the firmware.
    pub origin: Origin,
    /// What it is.
    pub kind: MsiKind,
}

impl MsiController {
    /// A controller.
    pub const fn new(origin: Origin, kind: MsiKind) -> Self {
        MsiController { origin, kind }
    }
}

/// What an MSI controller is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MsiKind {
    /// An IORT ITS group: the identifiers of its members, see [`ItsUnit`], in table order. Operating systems use the
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

/// What an ITS group can name, as a MADT has it: a GIC ITS, or a translate frame of a GICv5 ITS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ItsUnit {
    /// The place of its structure.
    pub at: At,
    /// Its identifier.
    pub id: u32,
    /// The GICv5 ITS that the frame belongs to, where the MADT does not have it: Linux does not know the frame then
    /// (drivers/irqchip/irq-gic-v5-its.c `gic_acpi_parse_madt_its_translate`).
    pub missing: Option<u32>,
}
