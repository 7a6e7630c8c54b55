//! Why two devices cannot be isolated from each other: symmetric reasons, functions of the two alone.

use core::fmt;

use super::DeviceKey;
use crate::model::{GroupRule, IommuIndex};
use crate::pci::AliasMask;
use crate::pci::quirk::{AliasEffect, Row};
use crate::{Bdf, RequesterId, StreamId, error::At};

/// A reason. It depends on the two devices, on what is above them and on what firmware says, never on drivers nor on which of
/// the two was added first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tie {
    /// The DMA of both can carry this requester ID: a bridge takes the other's ownership, or both pose as a third.
    SharedAlias(Bdf),
    /// One is below the other, and this port above it does not isolate.
    AcsPath {
        /// The nearest port that lets peers through.
        port: Bdf,
    },
    /// Functions of one slot that do not isolate.
    Multifunction,
    /// One poses as the other.
    DmaAliasQuirk {
        /// The row that says so.
        row: &'static Row<AliasEffect>,
    },
    /// One sends as the other, as firmware says (IVRS).
    FirmwareAlias {
        /// The record that says so.
        at: At,
    },
    /// They have this id in common at one IOMMU.
    SharedStreamId {
        /// The IOMMU.
        iommu: IommuIndex,
        /// The id that either has.
        id: StreamId,
    },
    /// The IOMMU's driver puts all its masters into one group.
    Driver {
        /// Its rule.
        rule: GroupRule,
    },
    /// The DMA of one, or of both, carries the requester IDs of this function (linux `pci_real_dma_dev`).
    RealDma(Bdf),
    /// They are in this DPRC container, or it is one of them (linux `fsl_mc_device_group`).
    Container(DeviceKey),
    /// They are on the bus inside a switch of which a port does not isolate, or below it ([`Policy::Strict`](super::Policy) only).
    BusIsolation {
        /// The switch's upstream port.
        switch: Bdf,
    },
    /// Both were tied to a device that has left; a live group is not split.
    Departed(DeviceKey),
}

/// Two devices and the reason between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    /// One.
    pub a: DeviceKey,
    /// The other.
    pub b: DeviceKey,
    /// Why.
    pub tie: Tie,
}

impl Tie {
    /// The word for it in every output.
    pub fn word(&self) -> &'static str {
        match self {
            Tie::SharedAlias(_) => "shared-alias",
            Tie::AcsPath { .. } => "acs-path",
            Tie::Multifunction => "multifunction",
            Tie::DmaAliasQuirk { .. } => "dma-alias-quirk",
            Tie::FirmwareAlias { .. } => "firmware-alias",
            Tie::SharedStreamId { .. } => "shared-stream-id",
            Tie::RealDma(_) => "real-dma",
            Tie::Driver { .. } | Tie::Container(_) => "driver",
            Tie::BusIsolation { .. } => "bus-isolation",
            Tie::Departed(_) => "departed",
        }
    }
}

impl fmt::Display for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tie::SharedAlias(bdf) => write!(f, "both can send as {bdf}"),
            Tie::AcsPath { port } => write!(f, "{port} on the path to the root does not isolate"),
            Tie::Multifunction => f.write_str("functions of one slot that do not isolate"),
            Tie::DmaAliasQuirk { row } => write!(f, "one sends as the other: {}", row.citation),
            Tie::FirmwareAlias { at } => write!(f, "one sends as the other, according to {at}"),
            Tie::SharedStreamId { iommu, id } => write!(f, "IOMMU {} sees both as {id}", iommu.0),
            Tie::Driver { rule } => f.write_str(match rule {
                GroupRule::Instance => "the IOMMU's driver has one group for all of its masters",
                GroupRule::Indistinct => "the IOMMU does not tell its masters apart",
                GroupRule::Regions(_) => {
                    "the IOMMU's driver has one group for all masters of a region or bank"
                }
                GroupRule::FirstIdSet(_) => "the IOMMU's driver treats their ids as one",
                _ => "the IOMMU's driver groups them",
            }),
            Tie::RealDma(bdf) => write!(f, "their DMA is sent as that of {bdf}"),
            Tie::Container(container) => write!(f, "all in the container {container} are one group"),
            Tie::BusIsolation { switch } => write!(f, "ports of the switch {switch} do not isolate"),
            Tie::Departed(device) => write!(f, "both were tied to {device}, which has left"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}: {}", self.a, self.b, self.tie)
    }
}

/// What [`multifunction`] looks at in a PCI function.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotFunction {
    pub(super) bdf: Bdf,
    pub(super) virtual_function: bool,
    pub(super) multifunction: bool,
    pub(super) isolates: bool,
}

/// A PCI function, and the functions as which it poses.
#[derive(Clone, Copy, Debug)]
pub(super) struct DmaAliases {
    pub(super) bdf: Bdf,
    pub(super) poses: Option<(AliasMask, &'static Row<AliasEffect>)>,
}

/// Linux drivers/iommu/iommu.c `get_pci_function_alias_group`, made symmetric.
pub(super) fn multifunction(a: &SlotFunction, b: &SlotFunction) -> Option<Tie> {
    let slot = |function: &SlotFunction| (function.bdf.segment, function.bdf.rid.0 >> 3);
    let physical = !a.virtual_function && !b.virtual_function;
    let open = !a.isolates && !b.isolates;
    (slot(a) == slot(b) && physical && (a.multifunction || b.multifunction) && open)
        .then_some(Tie::Multifunction)
}

/// Linux drivers/pci/pci.c `pci_devs_are_dma_aliases`; stricter than it in that two functions may also pose as one third
/// that no scan finds.
pub(super) fn dma_alias(a: &DmaAliases, b: &DmaAliases) -> Option<Tie> {
    if (a.bdf.segment, a.bdf.rid.bus()) != (b.bdf.segment, b.bdf.rid.bus()) {
        return None;
    }
    let poses_as = |from: &DmaAliases, to: &DmaAliases| {
        from.poses.filter(|(mask, _)| mask.contains(to.bdf.rid.devfn())).map(|(_, row)| row)
    };
    if let Some(row) = poses_as(a, b).or_else(|| poses_as(b, a)) {
        return Some(Tie::DmaAliasQuirk { row });
    }
    let ((mine, _), (theirs, _)) = a.poses.zip(b.poses)?;
    let ghost = mine.devfns().find(|devfn| theirs.contains(*devfn))?;
    let rid: RequesterId = a.bdf.rid.with_devfn(ghost);
    Some(Tie::SharedAlias(Bdf { rid, ..a.bdf }))
}
