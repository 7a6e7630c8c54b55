//! `fwspec.simulate/1`: what groups an algorithm gives when devices come one after the other.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

use crate::Bdf;
use crate::group::simulate::{Algorithm, Turn};

/// What `fwspec simulate --json` prints of an algorithm.
#[derive(Clone, Debug, Serialize)]
pub struct SimulateDocument {
    schema: &'static str,
    /// `driver-probe`, `device-add`, `closure`.
    pub algorithm: &'static str,
    /// The groups, by lowest member.
    pub groups: Vec<MemberList>,
    /// The order in which devices were given their group.
    pub schedule: Vec<ScheduleEntry>,
    /// The groups are those of the closure: who came first made no difference.
    pub as_closure: bool,
    /// For `--find`, how many schedules were tried until this one, or in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<usize>,
    /// What the closure gives, where that is something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closure: Vec<MemberList>,
}

/// The members of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberList {
    /// Ascending.
    pub members: Vec<String>,
}

/// A device that is given its group.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleEntry {
    /// Which.
    pub device: String,
    /// It was enumerated after its IOMMU was registered.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub late: bool,
}

impl SimulateDocument {
    /// The document of one run: its turns, what it gave, and what the closure gives.
    pub fn new(
        algorithm: Algorithm,
        turns: &[Turn],
        given: &[Vec<Bdf>],
        closure: &[Vec<Bdf>],
        tried: Option<usize>,
    ) -> Self {
        let lists = |groups: &[Vec<Bdf>]| {
            let list = |group: &Vec<Bdf>| MemberList { members: group.iter().map(Bdf::to_string).collect() };
            groups.iter().map(list).collect::<Vec<_>>()
        };
        let as_closure = given == closure;
        let entry = |turn: &Turn| ScheduleEntry { device: turn.device.to_string(), late: turn.scanned_late };
        SimulateDocument {
            schema: "fwspec.simulate/1",
            algorithm: algorithm.as_str(),
            groups: lists(given),
            schedule: turns.iter().map(entry).collect(),
            as_closure,
            tried,
            closure: if as_closure { Vec::new() } else { lists(closure) },
        }
    }
}
