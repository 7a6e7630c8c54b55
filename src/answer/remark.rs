//! Assumptions about a machine that its groups rest on.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::diff::regrouped;
use crate::group::{AcsSettings, Policy};
use crate::limits::MAX_MEMBERS_NAMED;
use crate::machine::{Evidence, Firmware, Machine};
use crate::pci::quirk::AcsEffect;
use crate::{Bdf, Dialect, Groups};

/// An assumption that the groups rest on and that the inputs do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RemarkRecord {
    /// `boot-refused`: Linux does not start with this device tree. `not-whole`: something of a listing is missing. `no-iommu`: nothing shows an IOMMU. `acs-off`: no port has ACS enabled, as it would be if Linux used an IOMMU. `acs-not-requested`: with this
    /// firmware Linux uses an IOMMU and does not request ACS; these devices have it off. `taken-as-linux-sets-it`: these devices are assumed to
    /// isolate as Linux configures them.
    pub kind: &'static str,
    /// The devices that it is about.
    pub devices: Vec<String>,
    /// For `acs-off` and `acs-not-requested`, the number of groups with ACS on.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub groups: Option<usize>,
    /// In words.
    pub text: String,
}

/// The assumptions that these groups of a machine rest on, made under these rules; the most important first.
///
/// ```
/// use fwspec::answer::remarks;
/// use fwspec::machine::Machine;
/// use fwspec::{AcsFlags, Device, Dialect, group::Policy};
/// let rules = (Dialect::LINUX, Policy::Linux);
/// let mut machine = Machine::default();
/// machine.devices.push(Device::root_port("00:01.0".parse()?, 1..=1).acs_control(AcsFlags::ISOLATED, AcsFlags::NONE));
/// let (groups, _) = machine.groups(rules.0, rules.1);
/// let kinds: Vec<&str> = remarks(&machine, rules, &groups).iter().map(|remark| remark.kind).collect();
/// assert_eq!(kinds, ["acs-off", "no-iommu"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remarks(machine: &Machine, rules: (Dialect, Policy), groups: &Groups) -> Vec<RemarkRecord> {
    let mut remarks: Vec<RemarkRecord> = RemarkRecord::of_boot(machine, rules.0).into_iter().collect();
    remarks.extend(machine.evidence.iter().filter_map(RemarkRecord::of_gaps));
    remarks.extend(RemarkRecord::of_acs_off(machine, rules, groups));
    remarks.extend(of_groups(groups));
    // Who asks for what Linux sets supposes an IOMMU.
    if !machine.has_iommu() && machine.acs == AcsSettings::Dumped && groups.devices().next().is_some() {
        remarks.push(RemarkRecord::of_no_iommu());
    }
    remarks
}

/// What the groups themselves show.
pub(super) fn of_groups(groups: &Groups) -> Vec<RemarkRecord> {
    RemarkRecord::of_acs(groups).into_iter().chain(RemarkRecord::of_chipset(groups)).collect()
}

impl RemarkRecord {
    /// That the kernel does not start with this firmware.
    fn of_boot(machine: &Machine, dialect: Dialect) -> Option<Self> {
        let firmware = machine.firmware.as_ref().filter(|_| dialect == Dialect::LINUX)?;
        let error = firmware.boot_refusal()?;
        let text = alloc::format!(
            "{}: {} ({}). The answers are those of the tree all the same",
            firmware.file,
            error.kind,
            error.at
        );
        Some(RemarkRecord { kind: "boot-refused", devices: Vec::new(), groups: None, text })
    }

    /// That a listing is incomplete.
    fn of_gaps(evidence: &Evidence) -> Option<Self> {
        let first = evidence.gaps.first().filter(|_| evidence.used)?;
        let more = match evidence.gaps.len().saturating_sub(1) {
            0 => String::new(),
            more => alloc::format!(" (and {more} more such places)"),
        };
        let text = alloc::format!(
            "{} is incomplete: {first}{more}. These are the groups of what it lists; take the complete listing again",
            evidence.name
        );
        Some(RemarkRecord { kind: "not-whole", devices: Vec::new(), groups: None, text })
    }

    /// That ACS is off where Linux would have it on, and how many groups there would be with it.
    fn of_acs_off(machine: &Machine, (dialect, policy): (Dialect, Policy), groups: &Groups) -> Option<Self> {
        let speaking = machine.firmware.as_ref().filter(|firmware| firmware.speaks_of_iommus());
        let is_asked_for = speaking.is_none_or(|firmware: &Firmware| firmware.requests_acs().is_some());
        if machine.kernel_used_iommu() || !is_asked_for || !groups.acs_is_off() {
            return None;
        }
        let mut requested = machine.clone();
        requested.acs = AcsSettings::Requested;
        let count = requested.groups(dialect, policy).0.groups().count();
        let are = if count == 1 { "is 1 group" } else { &alloc::format!("are {count} groups") };
        let text = alloc::format!(
            "ACS is off at every port that has it, and the evidence does not show that an IOMMU was in use. Linux enables ACS when it uses an \
             IOMMU (pci_request_acs); then there {are}, see --acs requested"
        );
        Some(RemarkRecord { kind: "acs-off", devices: Vec::new(), groups: Some(count), text })
    }

    /// That nothing shows an IOMMU: the groups are those that there would be with one.
    fn of_no_iommu() -> Self {
        let text = "the evidence shows no IOMMU: no firmware describes one, none is among the functions, and there are no groups of the machine's kernel. \
                    These would be the groups if there were an IOMMU";
        RemarkRecord { kind: "no-iommu", devices: Vec::new(), groups: None, text: text.to_owned() }
    }

    /// That nothing requests ACS, where that makes a difference to the groups.
    fn of_acs(groups: &Groups) -> Option<Self> {
        let off = groups.acs_not_requested();
        if off.is_empty() {
            return None;
        }
        let then = groups.with_acs(off.iter().copied());
        if regrouped(groups, &then).is_empty() {
            return None;
        }
        let (count, now) = (then.groups().count(), groups.groups().count());
        let devices: Vec<String> = off.iter().map(Bdf::to_string).collect();
        let mut named = devices.iter().take(MAX_MEMBERS_NAMED).cloned().collect::<Vec<_>>().join(", ");
        if let more @ 1.. = devices.len().saturating_sub(MAX_MEMBERS_NAMED) {
            named.push_str(&alloc::format!(" and {more} more"));
        }
        let text = alloc::format!(
            "ACS is off at {named}: with a RIMT, Linux uses the IOMMU and does not request ACS (drivers/acpi/riscv/rimt.c does not call \
             pci_request_acs()). With a device tree it does, and there are {count} groups instead of {now}: see --acs requested"
        );
        Some(RemarkRecord { kind: "acs-not-requested", devices, groups: Some(count), text })
    }

    /// What Linux sets in places that configuration space does not show.
    fn of_chipset(groups: &Groups) -> Vec<Self> {
        let kinds = [
            (
                AcsEffect::IntelPch,
                "root ports of an Intel chipset, assumed to isolate as Linux configures them (pci_quirk_enable_intel_pch_acs); config space does not show it",
            ),
            (
                AcsEffect::AmdSouthbridge,
                "functions of an AMD southbridge, assumed to isolate because the machine has an AMD IOMMU (pci_quirk_amd_sb_acs); config space does not show it",
            ),
            (
                AcsEffect::IntelSunrisePoint,
                "root ports of an Intel chipset, assumed to isolate as Linux configures them (pci_quirk_enable_intel_spt_pch_acs); their control bits are not in the listing",
            ),
        ];
        let of = |(effect, words): (AcsEffect, &str)| {
            let decided = |bdf: &Bdf| groups.acs_as_linux_sets_it(*bdf) == Some(effect);
            let bdfs = groups.topology().iter().map(|(bdf, _)| bdf).filter(decided);
            let devices: Vec<String> = bdfs.map(|bdf| bdf.to_string()).collect();
            let text = alloc::format!("{}: {words}", devices.join(", "));
            (!devices.is_empty()).then_some(RemarkRecord {
                kind: "taken-as-linux-sets-it",
                devices,
                groups: None,
                text,
            })
        };
        kinds.into_iter().filter_map(of).collect()
    }
}
