//! Checks that need the existing devices: which are in a hole of the map, which have an alias outside of it, which share what.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::Code;
use super::collect::{Bytes, Findings};
use crate::group::{DeviceKey, GroupId, KernelAnswer, Policy, Tie};
use crate::limits::MAX_MEMBERS_NAMED;
use crate::{Bdf, Groups, IdMap, IommuKind, Platform};

pub(super) fn check(groups: &Groups, platform: &Platform, sid_bits: Option<u8>, findings: &mut Findings) {
    let Some(map) = groups.map().filter(|map| !map.iommus().is_empty()) else { return };
    let iommus = platform.iommu_functions().map(|(bdf, _)| bdf).collect();
    let machine = Machine { groups, platform, map, iommus };
    for (bdf, _) in groups.topology().iter() {
        machine.aliases(bdf, findings);
    }
    super::x86::machine(groups, platform, findings);
    machine.streams(sid_bits, findings);
    machine.ports(findings);
    machine.switches(findings);
    machine.acs(findings);
}

struct Machine<'a> {
    /// IOMMUs that are functions: nothing translates them, and nothing needs to.
    iommus: BTreeSet<Bdf>,
    groups: &'a Groups,
    platform: &'a Platform,
    map: &'a IdMap,
}

impl Machine<'_> {
    fn add(&self, findings: &mut Findings, code: Code, device: DeviceKey, message: fmt::Arguments<'_>) {
        let requester = match device {
            DeviceKey::Pci(bdf) => self.map.hosts_of(bdf.segment).next(),
            DeviceKey::Node(node) | DeviceKey::OnBus { bus: node, .. } => Some(node),
        };
        let origin = requester.and_then(|requester| self.map.requester_origin(requester));
        let offset = origin.map_or(0, |origin| origin.at.offset);
        if let Some(finding) = findings.add(code, Bytes { subject: offset, offset, len: 0 }, message) {
            finding.device = Some(device);
        }
    }

    fn name(&self, device: DeviceKey) -> String {
        match device {
            DeviceKey::Node(node) => {
                self.platform.name(node).map_or_else(|| device.to_string(), |label| label.to_string())
            }
            DeviceKey::Pci(_) | DeviceKey::OnBus { .. } => device.to_string(),
        }
    }

    /// Checks a function of a host that translates others, and the requester IDs that it sends with besides its own.
    fn aliases(&self, bdf: Bdf, findings: &mut Findings) {
        let translates = |host| self.map.stream_records(host).next().is_some();
        if self.iommus.contains(&bdf) || !self.map.hosts_of(bdf.segment).any(translates) {
            return;
        }
        let is_x86 =
            |iommu: &crate::map::MappedIommu| matches!(iommu.kind, IommuKind::VtD | IommuKind::AmdVi);
        if self.map.iommus().iter().any(is_x86) {
            // The unit of a function may depend on the bridges above it; its aliases are on the same unit.
            let why = self.groups.why_none(bdf.into()).filter(|_| self.groups.given_up().is_none());
            if let Some(why) = why {
                let message = format_args!("{bdf} reaches memory without an IOMMU: {why}");
                self.add(findings, Code::DeviceUnmapped, bdf.into(), message);
            }
            return;
        }
        let own = match self.map.resolve(bdf) {
            Ok(stream) => stream,
            Err(why) => {
                let message = format_args!("{bdf} reaches memory without an IOMMU: {why}");
                return self.add(findings, Code::DeviceUnmapped, bdf.into(), message);
            }
        };
        let mut seen = BTreeSet::from([bdf.rid]);
        for alias in self.groups.topology().aliases(bdf).filter(|alias| seen.insert(alias.rid)) {
            let other = Bdf { rid: alias.rid, ..bdf };
            let (code, by) = match alias.by == bdf {
                true => (Code::GhostAlias, String::from("a quirk of it")),
                false => (Code::AliasSplit, alloc::format!("through the bridge {}", alias.by)),
            };
            match self.map.resolve(other) {
                Ok(stream) if stream.iommu == own.iommu => {}
                Ok(_) => self.add(
                    findings,
                    code,
                    bdf.into(),
                    format_args!("{bdf} also sends as {other} ({by}), which is on another IOMMU"),
                ),
                Err(why) => self.add(
                    findings,
                    code,
                    bdf.into(),
                    format_args!("{bdf} also sends as {other} ({by}), which has no StreamID: {why}"),
                ),
            }
        }
    }

    /// The StreamID that two devices have, with its IOMMU: `StreamID 0x200 on IORT+0x48`.
    fn shared(&self, a: DeviceKey, b: DeviceKey) -> String {
        let record = |device: DeviceKey| match device {
            DeviceKey::Pci(bdf) => {
                let aliases = self.groups.topology().aliases(bdf).map(|alias| Bdf { rid: alias.rid, ..bdf });
                self.map.fwspec_of_aliases(core::iter::once(bdf).chain(aliases)).fwspec
            }
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => self.map.fwspec(device).fwspec,
        };
        let [a, b] = [a, b].map(record);
        let of_both = a.iter().flat_map(|record| record.streams()).find(|stream| {
            b.iter()
                .flat_map(|record| record.streams())
                .any(|other| (other.iommu, other.id) == (stream.iommu, stream.id))
        });
        let worded = of_both.and_then(|stream| {
            Some(alloc::format!("StreamID {:#x} on {}", stream.id?.0, self.map.name(stream.iommu)?))
        });
        worded.unwrap_or_else(|| "the same StreamID".into())
    }

    fn streams(&self, sid_bits: Option<u8>, findings: &mut Findings) {
        for (device, answer) in self.groups.kernel_answers(sid_bits) {
            if let KernelAnswer::RefusedAlias { owner } = answer {
                let message = format_args!(
                    "{} and {} both use {}: Linux refuses the first of these",
                    self.name(device),
                    self.name(owner),
                    self.shared(device, owner)
                );
                self.add(findings, Code::DevicesShareStream, device, message);
            }
            self.stream_map(device, answer, findings);
            let Some((bits, fwspec)) =
                sid_bits.zip(self.groups.placement(device).ok().and_then(|placement| placement.fwspec))
            else {
                continue;
            };
            let beyond = fwspec.ids.iter().find(|stream| {
                let kind = self.map.iommu(stream.iommu).map(|iommu| iommu.kind);
                matches!(kind, Some(IommuKind::SmmuV3 { .. }))
                    && stream.id.is_some_and(|id| id.0.checked_shr(bits.into()).unwrap_or(0) != 0)
            });
            if let Some(id) = beyond.and_then(|stream| stream.id) {
                let message =
                    format_args!("{} has StreamID {id}, which does not fit {bits} bits", self.name(device));
                self.add(findings, Code::StreamBeyondTable, device, message);
            }
        }
    }

    /// What an SMMUv1/v2 refuses where a PCI function is involved; conflicts of masters alone show in the firmware, see
    /// `streams::conflicts`.
    fn stream_map(&self, device: DeviceKey, answer: KernelAnswer, findings: &mut Findings) {
        let is_pci = |others: &[DeviceKey]| others.iter().any(|key| !matches!(key, DeviceKey::Node(_)));
        let name = self.name(device);
        match answer {
            KernelAnswer::RefusedOverlap { owner } if is_pci(&[device, owner]) => {
                let message = format_args!(
                    "StreamID and mask of {name} overlap those of {} without being contained in them: Linux refuses the device (EINVAL)",
                    self.name(owner)
                );
                self.add(findings, Code::StreamMaskConflict, device, message);
            }
            KernelAnswer::RefusedTwoGroups { one, other } if is_pci(&[device, one, other]) => {
                let message = format_args!(
                    "{name} shares StreamIDs with {} and with {}, which are in two groups: Linux refuses the device (EINVAL)",
                    self.name(one),
                    self.name(other)
                );
                self.add(findings, Code::StreamTwoGroups, device, message);
            }
            KernelAnswer::GroupLost { with } if is_pci(&[device, with]) => {
                let message = format_args!(
                    "{name} shares a StreamID with {}, yet Linux gives it a group of its own, because its last StreamID decides",
                    self.name(with)
                );
                self.add(findings, Code::StreamGroupLost, device, message);
            }
            KernelAnswer::RefusedOverlap { .. }
            | KernelAnswer::RefusedTwoGroups { .. }
            | KernelAnswer::GroupLost { .. }
            | KernelAnswer::Grouped
            | KernelAnswer::Untranslated
            | KernelAnswer::RefusedAlias { .. }
            | KernelAnswer::RefusedMap
            | KernelAnswer::SmmuFails => {}
        }
    }

    /// Ports that let peers through, each with the group that the first of them causes.
    fn ports(&self, findings: &mut Findings) {
        let mut open: BTreeMap<Bdf, GroupId> = BTreeMap::new();
        for group in self.groups.groups() {
            for reason in group.ties() {
                if let Tie::AcsPath { port } = reason.tie {
                    open.entry(port).or_insert(group.id());
                }
            }
        }
        // One list for each group, because many ports can be in one.
        let mut lists: BTreeMap<GroupId, Option<String>> = BTreeMap::new();
        for (port, group) in open {
            if let Some(list) = lists.entry(group).or_insert_with(|| self.sharers(group)) {
                let message = format_args!("{port} does not isolate, so these share a group: {list}");
                self.add(findings, Code::PortWithoutAcs, port.into(), message);
            }
        }
    }

    /// Switches inside which peers reach each other, though Linux has them in several groups.
    fn switches(&self, findings: &mut Findings) {
        // All ties are computed under both policies, whichever the caller has.
        let [linux, strict] = [Policy::Linux, Policy::Strict].map(|policy| {
            let mut groups = self.groups.clone();
            groups.recompute_under(policy);
            groups
        });
        let mut met = BTreeSet::new();
        for group in strict.groups() {
            let apart: BTreeSet<GroupId> =
                group.members().filter_map(|member| linux.group_of(member)).collect();
            for reason in group.ties() {
                let Tie::BusIsolation { switch } = reason.tie else { continue };
                if apart.len() > 1 && met.insert(switch) {
                    let message = format_args!(
                        "devices below {switch} can reach each other without passing the IOMMU, yet Linux makes {} groups of them",
                        apart.len()
                    );
                    self.add(findings, Code::SwitchNotIsolated, switch.into(), message);
                }
            }
        }
    }

    /// Ports and functions that could isolate, but which nothing asks to.
    fn acs(&self, findings: &mut Findings) {
        let off = self.groups.acs_not_requested();
        let Some(first) = off.first().copied() else { return };
        let then = self.groups.with_acs(off.iter().copied());
        let (now, count) = (self.groups.groups().count(), then.groups().count());
        if now != count {
            let names: Vec<String> = off.iter().take(MAX_MEMBERS_NAMED).map(Bdf::to_string).collect();
            let more = match off.len().saturating_sub(MAX_MEMBERS_NAMED) {
                0 => String::new(),
                more => alloc::format!(" and {more} more"),
            };
            let message = format_args!(
                "ACS is off at {}{more}, and Linux does not request it on a machine with a RIMT; number of groups: {now}, and {count} with ACS on",
                names.join(", ")
            );
            self.add(findings, Code::AcsNotRequested, first.into(), message);
        }
    }

    /// Names of the members of a group; `None` where there is only one.
    fn sharers(&self, group: GroupId) -> Option<String> {
        let mut members: Vec<DeviceKey> = self.groups.members(group).collect();
        members.sort_unstable();
        let names: Vec<String> =
            members.iter().take(MAX_MEMBERS_NAMED).map(|member| self.name(*member)).collect();
        let names = names.join(", ");
        match members.len().saturating_sub(MAX_MEMBERS_NAMED) {
            _ if members.len() < 2 => None,
            0 => Some(names),
            more => Some(alloc::format!("{names} and {more} more")),
        }
    }
}
