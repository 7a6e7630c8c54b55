//! The questions of a security review: what can reach memory untranslated, and what cannot be distinguished. Sets of ids are
//! intervals.
//!
//! Unlike a [`Finding`](super::Finding), nothing here is judged: a bus that no IOMMU translates may be meant that way.

mod exposure;
mod identity;
mod machine;
mod run;

use alloc::vec::Vec;

pub use super::msi::Sender;
pub use exposure::{Untranslated, UntranslatedNode, UntranslatedRange};
pub use identity::{ConstantHost, IdKind, IdSource, IdsAt, MaskedHost, SharedId};
pub use machine::{DevicesAlike, JoinedGroups, Member, MsisAlike, SharedGroup, UntranslatedDevices};
pub use run::FunctionRun;

use crate::group::{DeviceKey, KernelAnswer};
use crate::model::{RegionKind, RequesterIndex, RequesterKind, ReservedIndex};
use crate::{Groups, IdMap, Platform, dialect::DriverRule};

/// Everything that one firmware leaves open, together with the devices of the machine where they are known.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Audit {
    /// Requester IDs of PCI buses that no IOMMU translates, by segment, ascending.
    pub ranges: Vec<UntranslatedRange>,
    /// Named components, device-tree masters and other buses that no IOMMU translates.
    pub nodes: Vec<UntranslatedNode>,
    /// Existing devices that have no IOMMU, or an alias without one, although their own requester ID is mapped.
    pub devices: Vec<UntranslatedDevices>,
    /// PCI hosts that translate, and whose devices may send addresses that they have translated themselves (ATS).
    pub ats: Vec<RequesterIndex>,
    /// Memory that stays mapped for some device whatever its driver does.
    pub always_mapped: Vec<ReservedIndex>,
    /// StreamIDs and DeviceIDs that several sources produce, by IOMMU and MSI controller, ascending.
    pub shared_ids: Vec<SharedId>,
    /// Maps whose mask gives several functions the same id.
    pub masks: Vec<MaskedHost>,
    /// PCI hosts whose functions all have the same id.
    pub constants: Vec<ConstantHost>,
    /// Devices of the machine that share ids.
    pub alike: Vec<DevicesAlike>,
    /// Devices of the machine whose MSIs carry the same DeviceID.
    pub alike_msis: Vec<MsisAlike>,
    /// Groups of several devices, and those that are not isolated from an untranslated device.
    pub groups: Vec<SharedGroup>,
    /// Groups that Linux keeps apart although the hardware does not.
    pub joined: Vec<JoinedGroups>,
    /// Devices that Linux refuses, or puts into another group than they belong to, by key.
    pub refused: Vec<(DeviceKey, KernelAnswer)>,
    /// Whether the PCI functions are known: facts about devices then cover the whole machine.
    pub functions_known: bool,
}

/// What these facts leave open; `map` was built from `platform`, and `groups`, where there are any, from the same map.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// use fwspec::lint::audit::audit;
/// use fwspec::{Dialect, IdMap, RequesterId};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0x7ff, 0, smmu);
/// let platform = Iort::parse(&table.finish())?.platform();
/// let open = audit(&platform, &IdMap::build(&platform, Dialect::LINUX), None);
/// let [range] = open.ranges.as_slice() else { panic!("one range") };
/// assert_eq!((range.first, range.last), (RequesterId(0x800), RequesterId::MAX));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn audit(platform: &Platform, map: &IdMap, groups: Option<&Groups>) -> Audit {
    let mut audit = Audit::default();
    exposure::check(platform, map, groups, &mut audit);
    for (at, requester) in
        RequesterIndex::number(&platform.requesters).filter(|(_, requester)| requester.available)
    {
        let RequesterKind::Bus(bus) = &requester.kind else { continue };
        if bus.ats && map.stream_records(at).next().is_some() {
            audit.ats.push(at);
        }
    }
    let opens = |kind| matches!(kind, RegionKind::Direct | RegionKind::DirectRelaxable);
    let reserved = ReservedIndex::number(&platform.reserved);
    let mapped = reserved.filter(|(_, one)| opens(one.kind) && platform.ignores_region(one).is_none());
    audit.always_mapped = mapped.map(|(at, _)| at).collect();
    identity::check(platform, map, &mut audit);
    if let Some(groups) = groups {
        machine::check(groups, &mut audit);
        let otherwise = |(_, answer): &(DeviceKey, KernelAnswer)| {
            !matches!(answer, KernelAnswer::Grouped | KernelAnswer::Untranslated)
        };
        // What Linux does is only reported for its own reading.
        if map.dialect().drivers == DriverRule::Linux {
            audit.refused = groups.kernel_answers(None).into_iter().filter(otherwise).collect();
        }
    }
    audit
}

impl Audit {
    /// Whether something reaches memory untranslated. Where the functions are known, only those count, not requester IDs that no
    /// function has. An IOMMU that is itself a function on the bus does not count.
    pub fn has_untranslated(&self) -> bool {
        let there = |range: &UntranslatedRange| {
            !matches!(range.why, Untranslated::Itself(_))
                && (!self.functions_known || !range.functions.is_empty())
        };
        self.ranges.iter().any(there) || !self.nodes.is_empty() || !self.devices.is_empty()
    }

    /// Whether two sources, or two existing devices, share a StreamID or DeviceID.
    pub fn has_shared_ids(&self) -> bool {
        !self.shared_ids.is_empty()
            || !self.constants.is_empty()
            || !self.alike.is_empty()
            || !self.alike_msis.is_empty()
    }

    /// Whether devices share a group, or are not isolated from others.
    pub fn has_shared_groups(&self) -> bool {
        !self.groups.is_empty() || !self.joined.is_empty()
    }
}
