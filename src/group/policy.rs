//! Which ties count: those of Linux, or also those that Linux does not see.

use alloc::vec::Vec;

use super::DeviceKey;
use crate::Bdf;
use crate::map::{Fwspec, IdMap};
use crate::model::{GroupRule, IommuIndex, Regions};
use crate::pci::{AcsFlags, Fact, Function, PortType, Topology};

/// Which ties count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Those of linux drivers/iommu/iommu.c `pci_device_group`, closed: what the kernel finds when parents come before
    /// children. A StreamID that two devices of an SMMUv3 have makes no group here: Linux refuses the second device, as
    /// [`KernelAnswer`](super::KernelAnswer) says.
    #[default]
    Linux,
    /// Those of `Linux`; devices with one StreamID, whatever the IOMMU, for it cannot tell them apart; and the bus inside a
    /// switch: where one of its ports does not isolate, peers below the others can be reached past the IOMMU. Never finer
    /// than `Linux`.
    Strict,
}

/// How the drivers of a machine's IOMMUs group their masters, under a policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) policy: Policy,
    /// `None` without firmware: there are no ids then.
    pub(super) map: Option<&'a IdMap>,
}

impl Rules<'_> {
    /// The rule of an IOMMU's driver.
    pub(super) fn of(self, iommu: IommuIndex) -> Option<GroupRule> {
        Some(self.map?.iommu(iommu)?.group_rule)
    }

    /// Whether devices that share an id at an IOMMU are tied.
    pub(super) fn ties_by_id(self, iommu: IommuIndex) -> bool {
        shared_id_ties(self.policy, self.of(iommu))
    }

    /// What the drivers of its IOMMUs put a master with this record into, as an IOMMU that stands for all that share groups and a number
    /// there: masters with one of these in common are one group. Nothing where ids or PCI decide.
    pub(super) fn units(self, fwspec: &Fwspec) -> impl Iterator<Item = (IommuIndex, u32)> + '_ {
        let first = fwspec.ids.first().and_then(|stream| stream.id).map(|id| id.0);
        let own = match self.of(fwspec.iommu) {
            Some(GroupRule::Instance | GroupRule::Indistinct) => Some((fwspec.iommu, 0)),
            // A set goes by its first member.
            Some(GroupRule::FirstIdSet(set)) => {
                let known = first.filter(|id| set.contains(id)).and_then(|_| set.first().copied());
                known.or(first).map(|unit| (fwspec.iommu, unit))
            }
            Some(GroupRule::Regions(regions)) => {
                let ids = fwspec.ids.iter().filter_map(|stream| Some(stream.id?.0));
                regions.group(ids).map(|unit| (self.representative(fwspec.iommu, regions), unit.into()))
            }
            _ => None,
        };
        // Where there are no ids, every IOMMU on the way sees the master as any other of its masters.
        let others: Vec<IommuIndex> = fwspec.others.clone();
        own.into_iter().chain(others.into_iter().map(|iommu| (iommu, 0)))
    }

    /// The first unit of the list that one is in.
    fn representative(self, iommu: IommuIndex, regions: &Regions) -> IommuIndex {
        let listed = |other: &GroupRule| matches!(other, GroupRule::Regions(other) if regions.list.is_some() && other.list == regions.list);
        let mut all = self.map.into_iter().flat_map(|map| map.iommus());
        all.position(|other| listed(&other.group_rule)).map_or(iommu, IommuIndex::at)
    }

    /// Whether this device is tied to others that share an id at an IOMMU.
    pub(super) fn ties_by_id_of(self, device: DeviceKey, iommu: IommuIndex) -> bool {
        let is_node = !matches!(device, DeviceKey::Pci(_));
        self.ties_by_id(iommu) || is_node && self.of(iommu) == Some(GroupRule::SharedIdOfNodes)
    }
}

impl Policy {
    /// The word for it in every output.
    ///
    /// ```
    /// assert_eq!(fwspec::group::Policy::Strict.word(), "strict");
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            Policy::Linux => "linux",
            Policy::Strict => "strict",
        }
    }
}

/// Whether devices that share an id at an IOMMU of this rule are tied. Linux's drivers group them for stream mapping
/// registers (`arm_smmu_device_group`) and DART streams (`apple_dart_device_group`); the others refuse the second or leave them apart.
pub(super) fn shared_id_ties(policy: Policy, rule: Option<GroupRule>) -> bool {
    policy == Policy::Strict || matches!(rule, Some(GroupRule::SharedStreamMapping | GroupRule::SharedId))
}

/// Whether a function on the bus inside a switch lets peers through: it is not a downstream port, or its ACS is not all on.
pub(super) fn opens_switch(topology: &Topology, bdf: Bdf) -> bool {
    let Some(function) = topology.get(bdf) else { return false };
    if function.virtual_function {
        return false;
    }
    let isolates = topology.acs(bdf, AcsFlags::ISOLATED).is_some_and(|verdict| verdict.isolates);
    !(function.is(PortType::DownstreamPort) && isolates && missing_enhanced(&function).is_empty())
}

/// The enhanced bits that a downstream port lacks: they count where the capability has them (its bit 7).
pub(super) fn missing_enhanced(function: &Function) -> AcsFlags {
    const HAS_ENHANCED: AcsFlags = AcsFlags::IB;
    const REDIRECT: AcsFlags = AcsFlags(AcsFlags::DSP_MT_RR.0 | AcsFlags::USP_MT_RR.0);
    match function.acs {
        Fact::Present(acs) if acs.capability.contains(HAS_ENHANCED) => REDIRECT & !acs.control,
        _ => AcsFlags::NONE,
    }
}

/// The upstream port of the switch whose inner bus this function is on.
pub(super) fn switch_of(topology: &Topology, bdf: Bdf) -> Option<Bdf> {
    let (port, function) = topology.bridges(bdf).next()?;
    function.is(PortType::UpstreamPort).then_some(port)
}

/// A function of the bus inside this switch that lets peers through.
pub(super) fn open_in_switch(topology: &Topology, switch: Bdf) -> Option<Bdf> {
    let bus = topology.get(switch)?.secondary()?;
    topology.on_bus(switch.segment, bus).map(|(bdf, _)| bdf).find(|bdf| opens_switch(topology, *bdf))
}

/// The nearest switch above (or around) a function whose inner bus is open.
pub(super) fn open_switch_above(topology: &Topology, bdf: Bdf) -> Option<Bdf> {
    topology
        .bridges(bdf)
        .filter(|(_, bridge)| bridge.is(PortType::UpstreamPort))
        .find_map(|(switch, _)| open_in_switch(topology, switch).map(|_| switch))
}

crate::word::displayed_by_word!(Policy);
