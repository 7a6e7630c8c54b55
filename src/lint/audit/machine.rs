//! Facts that only the existing devices show: which of them are together, and which have an alias that no map covers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::run::{FunctionRun, functions};
use super::{Audit, Untranslated};
use crate::group::{DeviceKey, Policy, Reason, Tie};
use crate::model::{IommuIndex, MsiControllerIndex};
use crate::{Bdf, DeviceId, GroupId, Groups, StreamId};

/// A device, or a run of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    /// Functions of one bus.
    Functions(FunctionRun),
    /// A device that is not on a PCI bus.
    Device(DeviceKey),
}

/// Existing devices whose DMA no IOMMU translates, or only a part of it, although their own requester ID is mapped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UntranslatedDevices {
    /// The devices.
    pub members: Vec<Member>,
    /// The alias that is not mapped: a bridge, or the device because of a quirk, also sends with this requester ID.
    pub alias: Option<Bdf>,
    /// Whether the device has no IOMMU at all; otherwise only DMA with the alias is not translated.
    pub entirely: bool,
    /// Why.
    pub why: Untranslated,
}

/// Ids of one IOMMU that the DMA of several devices carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DevicesAlike {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// First StreamID.
    pub first: StreamId,
    /// Last StreamID, inclusive.
    pub last: StreamId,
    /// The devices.
    pub members: Vec<Member>,
}

/// Devices whose MSIs carry one DeviceID: an interrupt controller cannot tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MsisAlike {
    /// The MSI controller.
    pub controller: MsiControllerIndex,
    /// The DeviceID.
    pub id: DeviceId,
    /// The devices.
    pub members: Vec<Member>,
}

/// A group of more than one device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SharedGroup {
    /// The group.
    pub group: GroupId,
    /// Its members.
    pub members: Vec<Member>,
    /// A spanning set of the reasons.
    pub ties: Vec<Reason>,
    /// Devices without an IOMMU that the members are not isolated from.
    pub tainted_by: Vec<Member>,
    /// Whether a reason is assumed, because something was not read.
    pub assumed: bool,
}

/// Groups that Linux keeps apart although they can reach each other without passing the IOMMU ([`Policy::Strict`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JoinedGroups {
    /// The groups.
    pub groups: Vec<GroupId>,
    /// A spanning set of the reasons between devices of different groups.
    pub ties: Vec<Reason>,
}

/// Names devices as briefly as their neighbours allow.
struct Runs {
    /// The position of each function in the machine.
    positions: BTreeMap<Bdf, usize>,
}

impl Runs {
    fn of(&self, devices: impl IntoIterator<Item = DeviceKey>) -> Vec<Member> {
        let (mut functions, mut others) = (Vec::new(), Vec::new());
        for device in devices {
            match device {
                DeviceKey::Pci(bdf) => functions.push(bdf),
                other => others.push(other),
            }
        }
        functions.sort_unstable();
        others.sort_unstable();
        let at = |bdf: &Bdf| self.positions.get(bdf).copied().unwrap_or(usize::MAX);
        let runs = functions.chunk_by(|a, b| {
            (a.segment, a.rid.bus()) == (b.segment, b.rid.bus()) && at(a).checked_add(1) == Some(at(b))
        });
        let runs = runs.filter_map(FunctionRun::of).map(Member::Functions);
        runs.chain(others.into_iter().map(Member::Device)).collect()
    }
}

pub(super) fn check(groups: &Groups, audit: &mut Audit) {
    let positions = functions(groups).into_iter().enumerate().map(|(at, bdf)| (bdf, at)).collect();
    let runs = Runs { positions };
    untranslated(groups, &runs, audit);
    alike(groups, &runs, audit);
    alike_msis(groups, &runs, audit);
    let mut all: Vec<SharedGroup> = Vec::new();
    for group in groups.groups() {
        let members: Vec<DeviceKey> = group.members().collect();
        let tainted_by: Vec<DeviceKey> = group.tainted_by().collect();
        if members.len() < 2 && tainted_by.is_empty() {
            continue;
        }
        let mut ties: Vec<Reason> = group.ties().collect();
        ties.sort_unstable_by_key(|reason| (reason.a.max(reason.b), reason.a.min(reason.b)));
        all.push(SharedGroup {
            group: group.id(),
            members: runs.of(members),
            ties,
            tainted_by: runs.of(tainted_by),
            assumed: group.assumed(),
        });
    }
    audit.groups = all;
    audit.joined = joined(groups);
}

/// Devices whose own requester ID is mapped, but which have no IOMMU, or an alias without one.
fn untranslated(groups: &Groups, runs: &Runs, audit: &mut Audit) {
    let Some(map) = groups.map() else { return };
    let mut found: BTreeMap<(Option<Bdf>, bool), (Untranslated, Vec<DeviceKey>)> = BTreeMap::new();
    for device in groups.devices() {
        let DeviceKey::Pci(bdf) = device else { continue };
        if map.resolve(bdf).is_err() {
            continue;
        }
        let refused = groups.why_none(device);
        let aliases = groups.topology().aliases(bdf).map(|alias| Bdf { rid: alias.rid, ..bdf });
        let failing = aliases.filter_map(|alias| Some((alias, map.resolve(alias).err()?))).next();
        let (alias, why) = match (failing, refused) {
            (Some((alias, why)), _) => (Some(alias), why),
            (None, Some(why)) => (None, why),
            (None, None) => continue,
        };
        let entry = found.entry((alias, refused.is_some()));
        entry.or_insert_with(|| (why.into(), Vec::new())).1.push(device);
    }
    let each = found.into_iter();
    let devices = each.map(|((alias, entirely), (why, devices))| UntranslatedDevices {
        members: runs.of(devices),
        alias,
        entirely,
        why,
    });
    audit.devices = devices.collect();
}

/// Ids that are in the records of several devices.
fn alike(groups: &Groups, runs: &Runs, audit: &mut Audit) {
    let mut holders: BTreeMap<(IommuIndex, StreamId), BTreeSet<DeviceKey>> = BTreeMap::new();
    for device in groups.devices() {
        let placed = groups.placement(device).ok().and_then(|placement| placement.fwspec);
        for stream in placed.iter().flat_map(|fwspec| &fwspec.ids) {
            if let Some(id) = stream.id {
                holders.entry((stream.iommu, id)).or_default().insert(device);
            }
        }
    }
    let mut before: Option<BTreeSet<DeviceKey>> = None;
    for ((iommu, id), devices) in holders {
        if devices.len() < 2 {
            before = None;
            continue;
        }
        match audit.alike.last_mut() {
            Some(last)
                if last.iommu == iommu
                    && last.last.0.checked_add(1) == Some(id.0)
                    && before.as_ref() == Some(&devices) =>
            {
                last.last = id;
            }
            _ => {
                let members = runs.of(devices.iter().copied());
                audit.alike.push(DevicesAlike { iommu, first: id, last: id, members });
            }
        }
        before = Some(devices);
    }
}

/// DeviceIDs that the MSIs of several devices carry ([`Groups::msi_of`]).
fn alike_msis(groups: &Groups, runs: &Runs, audit: &mut Audit) {
    let mut senders: BTreeMap<(MsiControllerIndex, DeviceId), Vec<DeviceKey>> = BTreeMap::new();
    for device in groups.devices() {
        if let Some(request) = groups.msi_of(device) {
            senders.entry((request.controller, request.id)).or_default().push(device);
        }
    }
    let shared = senders.into_iter().filter(|(_, devices)| devices.len() > 1);
    audit.alike_msis = shared
        .map(|((controller, id), devices)| MsisAlike { controller, id, members: runs.of(devices) })
        .collect();
}

fn joined(groups: &Groups) -> Vec<JoinedGroups> {
    if matches!(groups.policy(), Policy::Strict) {
        return Vec::new();
    }
    let mut strict = groups.clone();
    strict.recompute_under(Policy::Strict);
    let mut joined = Vec::new();
    for class in strict.groups() {
        let of = |device: DeviceKey| groups.group_of(device);
        let apart: BTreeSet<GroupId> = class.members().filter_map(of).collect();
        if apart.len() < 2 {
            continue;
        }
        let between = |reason: &Reason| {
            let strictly = matches!(reason.tie, Tie::BusIsolation { .. } | Tie::SharedStreamId { .. });
            strictly || of(reason.a) != of(reason.b)
        };
        let ties = class.ties().filter(between).collect();
        joined.push(JoinedGroups { groups: apart.into_iter().collect(), ties });
    }
    joined
}
