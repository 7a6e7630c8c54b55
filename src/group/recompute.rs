//! Recomputes all ties, on request.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::assignment::Assignment;
use super::engine::Heirs;
use super::entry::DeviceRef;
use super::event::Change;
use super::groups::Groups;
use super::{DeviceKey, GroupId, Policy};

impl Groups {
    /// As [`Groups::recompute`], by the ties of another policy from now on.
    ///
    /// ```
    /// use fwspec::{Groups, group::Policy};
    /// let mut groups = Groups::without_firmware();
    /// assert!(groups.recompute_under(Policy::Strict).is_empty());
    /// assert_eq!(groups.policy(), Policy::Strict);
    /// ```
    pub fn recompute_under(&mut self, policy: Policy) -> &[Change] {
        self.policy = policy;
        self.recompute()
    }

    /// Recomputes all ties: groups that only history held together are split, changed ACS control bits take effect. Groups
    /// with an owner stay as they are, and what would widen them now is refused. A group's name stays with the part that
    /// its lowest member is in.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// groups.update(Device::root_port(port, 1..=1).acs(AcsFlags::ISOLATED))?;
    /// assert_eq!(groups.recompute().len(), 1); // one of the two has moved to a group of its own
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn recompute(&mut self) -> &[Change] {
        self.changes.clear();
        let mut all: Vec<(DeviceKey, DeviceRef)> =
            self.devices.iter().filter_map(|(device, _)| Some((self.key(device)?, device))).collect();
        all.sort_unstable();
        let group_of = |assignment: &Assignment, device: &DeviceRef| assignment.group_of(*device);
        let before: BTreeMap<DeviceRef, GroupId> = all
            .iter()
            .filter_map(|(_, device)| Some((*device, group_of(&self.assignment, device)?)))
            .collect();
        let (kept, anew): (Vec<DeviceRef>, Vec<DeviceRef>) = all
            .iter()
            .map(|(_, device)| *device)
            .partition(|device| self.assignment.owned_group(*device).is_some());
        let mut heirs: Heirs = BTreeMap::new();
        for device in &anew {
            if let Some(group) = before.get(device) {
                heirs.entry(*group).or_insert(*device);
            }
        }
        self.assignment.restart(&kept, &anew, heirs.keys());
        for device in &anew {
            self.forget_fwspec(*device);
            self.devices.set_assumed(*device, false);
        }
        self.scratch.batch.clear();
        self.scratch.batch.extend(anew);
        self.tie_batch(None, &heirs);
        self.changes.clear();
        for (key, device) in all {
            let change = match (before.get(&device).copied(), group_of(&self.assignment, &device)) {
                (Some(from), Some(to)) if from != to => Change::Moved { device: key, from, to },
                (Some(from), None) => Change::Unplaced { device: key, from },
                (None, Some(group)) => Change::Placed { device: key, group },
                (Some(_), Some(_)) | (None, None) => continue,
            };
            self.changes.push(change);
        }
        self.check_in_debug();
        &self.changes
    }
}
