//! Which ties count: those of Linux, or also those that Linux does not see.

use crate::Bdf;
use crate::bytes::index;
use crate::map::IdMap;
use crate::model::GroupRule;
use crate::pci::{AcsFlags, Fact, Function, PortType, Topology};

/// Which ties count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
    pub(super) fn of(self, iommu: u32) -> Option<GroupRule> {
        Some(self.map?.iommus().get(index(iommu))?.group_rule)
    }

    /// Whether devices that share an id at an IOMMU are tied.
    pub(super) fn ties_by_id(self, iommu: u32) -> bool {
        shared_id_ties(self.policy, self.of(iommu))
    }

    /// Whether all masters of an IOMMU are one group.
    pub(super) fn is_one_group(self, iommu: u32) -> bool {
        matches!(self.of(iommu), Some(GroupRule::Instance | GroupRule::Bank))
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
/// registers (`arm_smmu_device_group`) and swgroups (`tegra_smmu_device_group`); the others refuse the second or leave them apart.
pub(super) fn shared_id_ties(policy: Policy, rule: Option<GroupRule>) -> bool {
    policy == Policy::Strict
        || matches!(
            rule,
            Some(GroupRule::SharedStreamMapping | GroupRule::SharedId | GroupRule::SharedIdSet(_))
        )
}

/// Whether a function on the bus inside a switch lets peers through: it is not a downstream port, or its ACS is not all on.
pub(super) fn opens_switch(topology: &Topology, bdf: Bdf) -> bool {
    let Some(function) = topology.get(bdf) else { return false };
    if function.virtual_function {
        return false;
    }
    let isolates = topology.acs(bdf, AcsFlags::ISOLATED).is_some_and(|verdict| verdict.isolates);
    !(function.is(PortType::DownstreamPort) && isolates && missing_enhanced(function).is_empty())
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
