//! Which devices an owned group refuses.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::GroupId;
use super::assignment::Assignment;
use super::devices::Devices;
use super::entry::{DeviceRef, State, Withheld};
use super::find::Found;

/// Which arriving devices would widen an owned group, directly or through each other, and which group.
pub(super) fn refused(
    devices: &Devices,
    assignment: &Assignment,
    found: &[Found],
) -> BTreeMap<DeviceRef, GroupId> {
    let mut refused = BTreeMap::new();
    let state = |device: DeviceRef| devices.entry(device).map(|entry| entry.state);
    let arriving = |device: DeviceRef| state(device) == Some(State::Arriving);
    let owner_of = |device: DeviceRef| match (state(device)?, devices.obstacle(device)) {
        (_, Some(Withheld::Owned(owner))) => Some(owner),
        (State::Tied, _) => assignment.owned_group(device),
        (State::Arriving | State::Apart, _) => None,
    };
    let mut edge: Vec<(DeviceRef, GroupId)> = Vec::new();
    for (a, b, _) in found {
        for (from, to) in [(*a, *b), (*b, *a)] {
            edge.extend(owner_of(from).filter(|_| arriving(to)).map(|owner| (to, owner)));
        }
    }
    if edge.is_empty() {
        return refused;
    }
    let mut between: BTreeMap<DeviceRef, Vec<DeviceRef>> = BTreeMap::new();
    for (a, b, _) in found.iter().filter(|(a, b, _)| arriving(*a) && arriving(*b)) {
        between.entry(*a).or_default().push(*b);
        between.entry(*b).or_default().push(*a);
    }
    while let Some((device, owner)) = edge.pop() {
        if refused.insert(device, owner).is_none() {
            edge.extend(between.get(&device).into_iter().flatten().map(|other| (*other, owner)));
        }
    }
    refused
}
