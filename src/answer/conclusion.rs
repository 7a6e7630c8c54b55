//! What follows for a device's group: the smallest that it can have, the settings for that, and which devices are assigned along
//! with it.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{Policy, Relation, Remedy};
use crate::machine::Machine;
use crate::pci::quirk::AcsEffect;
use crate::pci::{AcsFlags, AcsReason};
use crate::{Bdf, DeviceKey, Dialect, Groups};

use super::GroupsDocument;

/// With at most this many settings, each is left out in turn to see whether it is needed; with more, all are listed.
const MAX_TRIED: usize = 32;

const HINT: &str = "Some firmware shows the ACS of ports only with a setting of that name switched on. pcie_acs_override makes a patched kernel \
                    believe in isolation that is not there.";

/// What follows for a device's group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Conclusion {
    /// The members of the smallest group that it can have, whatever is set.
    pub smallest: Vec<String>,
    /// The settings for that group; empty where the device has it now, or where no setting helps.
    pub settings: Vec<SettingRecord>,
    /// The kernel parameter that sets all of it at boot (linux Documentation/admin-guide/kernel-parameters.txt `config_acs`, since 6.11).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub parameter: Option<String>,
    /// Linux makes these settings itself when it uses an IOMMU, and the evidence does not show that it does.
    pub linux_sets_it: bool,
    /// What the machine may have that would make the group smaller, as a value of `--machine`: `ivrs`, which the evidence does not show.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub unless: Option<&'static str>,
    /// Why nothing can make the group smaller, where it has other members.
    pub fixed_by: Vec<String>,
    /// The functions whose ACS was not read: knowing it may make the group smaller.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub unread: Vec<String>,
    /// A hint for ports that seem to have no ACS.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hint: Option<&'static str>,
    /// The devices that can only be assigned together with it.
    pub along: Vec<String>,
}

/// ACS bits of a function that have to be enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SettingRecord {
    /// The function.
    pub device: String,
    /// The bits, `RR+CR+UF`.
    pub acs: String,
    /// The line to type.
    pub line: String,
}

impl Conclusion {
    /// What follows for the group of `device`. `groups` and `document` are those of the machine under these rules. Nothing for a device
    /// without group.
    ///
    /// ```
    /// use fwspec::answer::{Conclusion, GroupsDocument};
    /// use fwspec::machine::Machine;
    /// use fwspec::{AcsFlags, Bdf, Device, Dialect, group::Policy};
    /// let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut machine = Machine::default();
    /// machine.devices.push(Device::root_port(port, 1..=1).acs_control(AcsFlags::ISOLATED, AcsFlags::SV));
    /// machine.devices.push(Device::endpoint(nic));
    /// let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// let found = Conclusion::new(&machine, (Dialect::LINUX, Policy::Linux), (&groups, &document), nic.into()).unwrap();
    /// assert_eq!(found.smallest, ["0000:01:00.0"]);
    /// assert_eq!(found.settings[0].line, "setpci -s 0000:00:01.0 ECAP_ACS+6.w=001c:001c");
    /// assert_eq!(found.parameter.as_deref(), Some("pci=config_acs=111xx@0000:00:01.0"));
    /// ```
    pub fn new(
        machine: &Machine,
        (dialect, policy): (Dialect, Policy),
        (groups, document): (&Groups, &GroupsDocument),
        device: DeviceKey,
    ) -> Option<Self> {
        let group = groups.group_of(device)?;
        let members: BTreeSet<DeviceKey> = groups.members(group).collect();
        let name = |key: DeviceKey| document.name_of(groups, key);
        let wanted = settable(groups, &members, device, policy);
        let with = |set: &[(Bdf, AcsFlags)]| -> BTreeSet<DeviceKey> {
            let mut supposed = machine.clone();
            for function in &mut supposed.devices {
                let bits = set.iter().find(|(bdf, _)| function.key() == DeviceKey::Pci(*bdf));
                if let Some((_, bits)) = bits {
                    *function = function.acs_enabled(*bits);
                }
            }
            let (groups, _) = supposed.groups(dialect, policy);
            groups.group_of(device).map(|group| groups.members(group).collect()).unwrap_or_default()
        };
        let smallest = if wanted.is_empty() { members.clone() } else { with(&wanted) };
        let mut needed = if smallest.len() < members.len() { wanted } else { Vec::new() };
        if needed.len() <= MAX_TRIED {
            for (bdf, _) in needed.clone() {
                let without: Vec<_> = needed.iter().copied().filter(|(other, _)| *other != bdf).collect();
                if with(&without) == smallest {
                    needed = without;
                }
            }
        }
        let fixed = |blocker: &crate::group::IsolationBlocker| {
            let is_left = smallest.contains(&blocker.by) || blocker.by == device;
            is_left && !matches!(blocker.remedy, Remedy::Enable(_))
        };
        let blockers = groups.isolation_blockers(device);
        // Linux takes these for isolating where it finds an IVRS, whatever is set (linux drivers/pci/quirks.c `pci_quirk_amd_sb_acs`).
        let is_southbridge = |blocker: &crate::group::IsolationBlocker| matches!(blocker.remedy, Remedy::Nothing(AcsReason::Quirk(row)) if row.effect == AcsEffect::AmdSouthbridge);
        let with_ivrs = || {
            let mut supposed = machine.clone();
            supposed.has_ivrs = true;
            let (groups, _) = supposed.groups(dialect, policy);
            groups.group_of(device).is_some_and(|group| groups.members(group).count() < smallest.len())
        };
        let unless = (blockers.iter().any(is_southbridge) && with_ivrs()).then_some("ivrs");
        let is_unread =
            |blocker: &&crate::group::IsolationBlocker| blocker.remedy == Remedy::Nothing(AcsReason::Unknown);
        let unread: BTreeSet<DeviceKey> =
            blockers.iter().filter(is_unread).map(|blocker| blocker.by).collect();
        let mut fixed_by: Vec<String> = Vec::new();
        let mut may_be_hidden = false;
        for blocker in blockers.iter().filter(|blocker| smallest.len() > 1 && fixed(blocker)) {
            let lacks_acs = blocker.remedy == Remedy::Nothing(AcsReason::NoCapability);
            may_be_hidden |= lacks_acs && blocker.relation == Relation::Above;
            fixed_by.push(alloc::format!("{}: {}", name(blocker.by), blocker.remedy));
        }
        if fixed_by.is_empty() && smallest.len() > 1 {
            let others = smallest.iter().filter(|other| **other != device).take(3).map(|other| name(*other));
            let others: Vec<String> = others.collect();
            fixed_by.push(alloc::format!("what ties it to {} cannot be set", others.join(", ")));
        }
        let is_bridge = |key: &DeviceKey| match key {
            DeviceKey::Pci(bdf) => groups.topology().get(*bdf).is_some_and(|f| f.secondary().is_some()),
            _ => false,
        };
        let along = members.iter().filter(|other| **other != device && !is_bridge(other));
        Some(Conclusion {
            parameter: parameter(groups, &needed),
            linux_sets_it: !needed.is_empty()
                && is_left_to_linux(machine, groups)
                && needed.iter().all(|(_, bits)| AcsFlags::ISOLATED.contains(*bits)),
            settings: needed.iter().filter_map(|(bdf, bits)| setting(groups, *bdf, *bits)).collect(),
            unless,
            smallest: smallest.into_iter().map(name).collect(),
            fixed_by,
            unread: unread.into_iter().map(name).collect(),
            hint: may_be_hidden.then_some(HINT),
            along: along.map(|other| name(*other)).collect(),
        })
    }
}

/// Whether nothing shows that Linux used an IOMMU, and so requested ACS, before the registers were read.
fn is_left_to_linux(machine: &Machine, groups: &Groups) -> bool {
    let asks = machine.firmware.as_ref().is_some_and(|firmware| firmware.requests_acs().is_some());
    !machine.kernel_used_iommu() && (!machine.uses_iommu() || asks && groups.acs_is_off())
}

/// The functions around a group whose ACS could be switched on further, with the bits that isolation lacks.
fn settable(
    groups: &Groups,
    members: &BTreeSet<DeviceKey>,
    device: DeviceKey,
    policy: Policy,
) -> Vec<(Bdf, AcsFlags)> {
    let topology = groups.topology();
    let mut around: BTreeSet<Bdf> = BTreeSet::new();
    for key in members {
        if let DeviceKey::Pci(bdf) = key {
            around.insert(*bdf);
            around.extend(topology.bridges(*bdf).map(|(bridge, _)| bridge));
        }
    }
    let mut found: Vec<(Bdf, AcsFlags)> =
        around.into_iter().filter_map(|bdf| Some((bdf, topology.get(bdf)?.acs_to_enable()?))).collect();
    // By the strict rules there are more bits, which the blockers name.
    if policy == Policy::Strict {
        for blocker in groups.isolation_blockers(device) {
            if let (DeviceKey::Pci(bdf), Remedy::Enable(bits)) = (blocker.by, blocker.remedy) {
                match found.iter_mut().find(|(known, _)| *known == bdf) {
                    Some((_, known)) => *known = *known | bits,
                    None => found.push((bdf, bits)),
                }
            }
        }
    }
    found
}

/// The line that switches bits on in the ACS control register, which is at +6 of the capability, at +8 where an Intel chipset has
/// registers of 32 bits (linux drivers/pci/quirks.c `INTEL_SPT_ACS_CTRL`).
fn setting(groups: &Groups, bdf: Bdf, bits: AcsFlags) -> Option<SettingRecord> {
    let function = groups.topology().get(bdf)?;
    let line = if function.has_wide_acs() {
        alloc::format!("setpci -s {bdf} ECAP_ACS+8.l={:08x}:{:08x}", bits.0, bits.0)
    } else {
        alloc::format!("setpci -s {bdf} ECAP_ACS+6.w={:04x}:{:04x}", bits.0, bits.0)
    };
    Some(SettingRecord { device: bdf.to_string(), acs: bits.to_string(), line })
}

/// Functions with the same bits follow one flag each: from the highest bit on `1` to switch it on, `x` to leave it.
fn parameter(groups: &Groups, needed: &[(Bdf, AcsFlags)]) -> Option<String> {
    // The parameter knows the seven bits of the first edition, and where an Intel chipset's registers are 32 bits wide it writes into the wrong
    // one (linux drivers/pci/pci.c `__pci_config_acs`, `pci_enable_acs`).
    let is_out_of_reach = |(bdf, bits): &(Bdf, AcsFlags)| {
        bits.0 > 0x7f || groups.topology().get(*bdf).is_some_and(|function| function.has_wide_acs())
    };
    if needed.is_empty() || needed.iter().any(is_out_of_reach) {
        return None;
    }
    let one = |(bdf, bits): &(Bdf, AcsFlags)| {
        let highest = u16::BITS.saturating_sub(bits.0.leading_zeros());
        let flags: String =
            (0..highest).rev().map(|bit| if bits.0 & 1 << bit != 0 { '1' } else { 'x' }).collect();
        alloc::format!("{flags}@{bdf}")
    };
    let all: Vec<String> = needed.iter().map(one).collect();
    Some(alloc::format!("pci=config_acs={}", all.join(";")))
}
