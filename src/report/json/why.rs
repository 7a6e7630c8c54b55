//! `fwspec.why/1`: why devices share a group, and what would have to change.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use schemars::JsonSchema;
use serde::Serialize;

use crate::pci::{AcsFlags, AcsReason};
use crate::{Bdf, DeviceKey, Groups};

use super::groups::{GroupsDocument, TieRecord};

/// What `fwspec groups --why --json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WhyDocument {
    schema: &'static str,
    /// The devices asked about: one or two.
    pub asked: Vec<String>,
    /// The group of the first.
    pub group: Option<u64>,
    /// All members of that group.
    pub members: Vec<String>,
    /// For two devices the chain of reasons from the one to the other; for one the reasons that touch it.
    pub ties: Vec<TieRecord>,
    /// For one device: what would have to be otherwise for it to stand alone.
    pub obstacles: Vec<Obstacle>,
}

/// A function that keeps a device from standing alone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Obstacle {
    /// The function.
    pub device: String,
    /// What it is to the device asked about: `path`, `slot`, `alias`.
    pub kind: &'static str,
    /// What is wrong with it, and what would help.
    pub detail: String,
}

impl WhyDocument {
    /// Why `a` and `b` share a group: no reasons where nothing ties them. `document` is that of `groups`.
    pub fn between(groups: &Groups, document: &GroupsDocument, a: DeviceKey, b: DeviceKey) -> Self {
        let name = |key| document.name_of(groups, key);
        let ties = groups.why(a, b).map(|reason| TieRecord {
            a: name(reason.a),
            b: name(reason.b),
            kind: reason.tie.kind(),
            detail: reason.tie.to_string(),
        });
        WhyDocument {
            ties: ties.collect(),
            asked: alloc::vec![name(a), name(b)],
            ..Self::of(groups, document, a)
        }
    }

    /// What holds `device` in its group, and what would have to change for it to stand alone.
    pub fn alone(groups: &Groups, document: &GroupsDocument, device: DeviceKey) -> Self {
        let mut why = Self::of(groups, document, device);
        let group = why.group.and_then(|id| document.groups.iter().find(|group| group.id == id));
        let touches = |tie: &&TieRecord| why.asked.contains(&tie.a) || why.asked.contains(&tie.b);
        why.ties = group.into_iter().flat_map(|group| &group.ties).filter(touches).cloned().collect();
        if let DeviceKey::Pci(bdf) = device {
            why.obstacles = obstacles(groups, bdf);
        }
        why
    }

    fn of(groups: &Groups, document: &GroupsDocument, device: DeviceKey) -> Self {
        let group = groups.group_of(device).map(|group| group.0);
        let members = group.and_then(|id| document.groups.iter().find(|group| group.id == id));
        WhyDocument {
            schema: "fwspec.why/1",
            asked: alloc::vec![document.name_of(groups, device)],
            group,
            members: members.map(|group| group.members.clone()).unwrap_or_default(),
            ties: Vec::new(),
            obstacles: Vec::new(),
        }
    }
}

fn obstacles(groups: &Groups, bdf: Bdf) -> Vec<Obstacle> {
    let topology = groups.topology();
    let verdict = |other: Bdf| topology.acs(other, AcsFlags::ISOLATED).filter(|verdict| !verdict.isolates);
    let obstacle = |other: Bdf, kind| {
        let reason = verdict(other)?.reason;
        Some(Obstacle { device: other.to_string(), kind, detail: remedy(reason) })
    };
    let slot =
        |other: &Bdf| *other != bdf && (other.segment, other.rid.0 >> 3) == (bdf.segment, bdf.rid.0 >> 3);
    let path = topology.bridges(bdf).filter_map(|(port, _)| obstacle(port, "path"));
    // Functions of a slot are tied only where both of two let peers through.
    let open = verdict(bdf).is_some() && topology.in_multifunction_slot(bdf);
    let siblings = topology.iter().map(|(other, _)| other).filter(|other| open && slot(other));
    let siblings = siblings.filter_map(|other| obstacle(other, "slot"));
    let aliases = topology.aliases(bdf).skip(1).map(|alias| Obstacle {
        device: alias.by.to_string(),
        kind: "alias",
        detail: alloc::format!(
            "the device also sends as {}: nothing that can be set changes that",
            alias.rid
        ),
    });
    path.chain(siblings).chain(aliases).collect()
}

fn remedy(reason: AcsReason) -> String {
    match reason {
        AcsReason::Missing(bits) => alloc::format!("switching on ACS {bits} would do"),
        AcsReason::NoCapability => "it has no ACS: nothing that can be set changes that".to_string(),
        AcsReason::Conventional => "conventional PCI: peers on one bus always reach each other".to_string(),
        AcsReason::Unknown => "its ACS was not read: lspci -xxxx as root would show it".to_string(),
        other => other.to_string(),
    }
}
