//! `fwspec.why/1`: why devices share a group, and what would have to change.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{IsolationBlocker, Relation};
use crate::{DeviceKey, Groups};

use super::conclusion::Conclusion;
use super::groups::{GroupRecord, GroupsDocument, TieRecord};
use super::remark::RemarkRecord;

/// What `fwspec groups --why --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WhyDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// The devices asked about: one or two.
    pub asked: Vec<String>,
    /// The group of the first.
    pub group: Option<u64>,
    /// Those of the devices asked about that have no group.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub ungrouped: Vec<Ungrouped>,
    /// All members of that group.
    pub members: Vec<String>,
    /// The members that cannot be assigned, so that none of the group can: memory must stay mapped for them.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub kept: Vec<KeptRecord>,
    /// For two devices the chain of reasons from the one to the other; for one the reasons that touch it.
    pub ties: Vec<TieRecord>,
    /// For one device: every other member, and the device through which it is tied to this one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub reached: Vec<Reached>,
    /// For one device: what would have to change for it to be alone in its group.
    pub obstacles: Vec<Obstacle>,
    /// That nothing requests the ACS settings that would remove these reasons.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// For one device: what follows for its group, where that was asked for.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub conclusion: Option<Conclusion>,
}

/// A device without group.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Ungrouped {
    /// The device.
    pub device: String,
    /// Why it has none.
    pub why: String,
}

/// A member of a group that cannot be assigned.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct KeptRecord {
    /// The member.
    pub device: String,
    /// The record that says so, and the memory.
    pub why: String,
}

/// A member of the group of the device asked about.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Reached {
    /// The member.
    pub device: String,
    /// The device asked about, or a member that comes before this one.
    pub via: String,
    /// The kind of the tie between the two.
    pub kind: &'static str,
    /// In words.
    pub detail: String,
}

/// A function that keeps a device from being alone in its group.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Obstacle {
    /// The function.
    pub device: String,
    /// What it is to the device asked about: `path`, `itself`, `slot`, `switch`, `alias`, `stream`, `driver`.
    pub kind: &'static str,
    /// What is wrong with it, and what would help.
    pub detail: String,
}

impl WhyDocument {
    /// Why `a` and `b` share a group: no reasons where nothing ties them. `document` is that of `groups`.
    ///
    /// ```
    /// use fwspec::answer::{GroupsDocument, WhyDocument};
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let nic = Bdf::new(Segment(0), 1, 0, 0);
    /// let port = Bdf::new(Segment(0), 0, 1, 0);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// let why = WhyDocument::between(&groups, &document, port.into(), nic.into());
    /// assert_eq!(why.ties[0].kind, "acs-path");
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn between(groups: &Groups, document: &GroupsDocument, a: DeviceKey, b: DeviceKey) -> Self {
        let name = |key| document.name_of(groups, key);
        let ties = groups.why(a, b).map(|reason| TieRecord {
            a: name(reason.a),
            b: name(reason.b),
            kind: reason.tie.word(),
            detail: reason.tie.to_string(),
        });
        let ties: Vec<TieRecord> = ties.collect();
        let of_a = Self::of(groups, document, a);
        let other = groups.group_of(b).map(|group| group.0).filter(|group| Some(*group) != of_a.group);
        let theirs = other.map(|group| kept(document, group)).unwrap_or_default();
        WhyDocument {
            remarks: remarks(document, &ties),
            ties,
            asked: alloc::vec![name(a), name(b)],
            ungrouped: [a, b].into_iter().filter_map(|key| ungrouped(document, name(key))).collect(),
            kept: of_a.kept.iter().cloned().chain(theirs).collect(),
            ..of_a
        }
    }

    /// What holds `device` in its group, and what would have to change for it to be alone.
    ///
    /// ```
    /// use fwspec::answer::{GroupsDocument, WhyDocument};
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let nic = Bdf::new(Segment(0), 1, 0, 0);
    /// let port = Bdf::new(Segment(0), 0, 1, 0);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// let why = WhyDocument::alone(&groups, &document, nic.into());
    /// assert_eq!(why.reached[0].device, "0000:00:01.0");
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn alone(groups: &Groups, document: &GroupsDocument, device: DeviceKey) -> Self {
        let mut why = Self::of(groups, document, device);
        let group = why.group.and_then(|id| document.groups.iter().find(|group| group.id == id));
        let touches = |tie: &&TieRecord| why.asked.contains(&tie.a) || why.asked.contains(&tie.b);
        why.ties = group.into_iter().flat_map(|group| &group.ties).filter(touches).cloned().collect();
        why.remarks = remarks(document, &why.ties);
        why.reached =
            group.map(|group| reached(&document.name_of(groups, device), group)).unwrap_or_default();
        let isolation_blockers = groups.isolation_blockers(device).into_iter();
        why.obstacles = isolation_blockers.map(|found| obstacle(groups, document, device, found)).collect();
        why
    }

    fn of(groups: &Groups, document: &GroupsDocument, device: DeviceKey) -> Self {
        let group = groups.group_of(device).map(|group| group.0);
        let members = group.and_then(|id| document.groups.iter().find(|group| group.id == id));
        WhyDocument {
            schema: "fwspec.why/1",
            asked: alloc::vec![document.name_of(groups, device)],
            group,
            ungrouped: ungrouped(document, document.name_of(groups, device)).into_iter().collect(),
            members: members.map(|group| group.members.clone()).unwrap_or_default(),
            kept: group.map(|group| kept(document, group)).unwrap_or_default(),
            ties: Vec::new(),
            reached: Vec::new(),
            obstacles: Vec::new(),
            remarks: Vec::new(),
            conclusion: None,
        }
    }
}

/// Remarks about reasons that ACS would remove.
fn remarks(document: &GroupsDocument, ties: &[TieRecord]) -> Vec<RemarkRecord> {
    let by_acs = ties.iter().any(|tie| matches!(tie.kind, "acs-path" | "multifunction"));
    let remarks = document.remarks.iter().filter(|remark| by_acs && remark.kind == "acs-not-requested");
    remarks.cloned().collect()
}

fn ungrouped(document: &GroupsDocument, device: String) -> Option<Ungrouped> {
    let record = document.devices.iter().find(|record| record.device == device)?;
    Some(Ungrouped { device, why: record.why_none.clone()? })
}

/// The members of a group that cannot be assigned because of memory that must stay mapped.
fn kept(document: &GroupsDocument, group: u64) -> Vec<KeptRecord> {
    let members = document.devices.iter().filter(|device| device.group == Some(group));
    let kept = members.filter_map(|device| {
        let why = device.assignable.kept()?.to_string();
        Some(KeptRecord { device: device.device.clone(), why })
    });
    kept.collect()
}

/// Every other member, by the shortest path through the reasons, nearest first.
fn reached(device: &str, group: &GroupRecord) -> Vec<Reached> {
    let mut ties: BTreeMap<&str, Vec<&TieRecord>> = BTreeMap::new();
    for tie in &group.ties {
        ties.entry(&tie.a).or_default().push(tie);
        ties.entry(&tie.b).or_default().push(tie);
    }
    let mut seen = BTreeSet::from([device]);
    let mut reached = Vec::new();
    let mut next = VecDeque::from([device]);
    while let Some(via) = next.pop_front() {
        for tie in ties.get(via).into_iter().flatten() {
            let other = if tie.a == via { tie.b.as_str() } else { tie.a.as_str() };
            if seen.insert(other) {
                next.push_back(other);
                let [device, via] = [other, via].map(ToString::to_string);
                reached.push(Reached { device, via, kind: tie.kind, detail: tie.detail.clone() });
            }
        }
    }
    reached
}

fn obstacle(
    groups: &Groups,
    document: &GroupsDocument,
    device: DeviceKey,
    found: IsolationBlocker,
) -> Obstacle {
    let by = document.name_of(groups, found.by);
    let sends = match (found.relation, device) {
        (Relation::Alias, DeviceKey::Pci(bdf)) => {
            let mut aliases = groups.aliases(bdf);
            let also = aliases.find(|alias| found.by == alias.by.into() && alias.rid != bdf.rid);
            also.map(|alias| alloc::format!("the device also sends as {}: ", alias.rid)).unwrap_or_default()
        }
        _ => String::new(),
    };
    Obstacle { device: by, kind: found.relation.word(), detail: alloc::format!("{sends}{}", found.remedy) }
}
