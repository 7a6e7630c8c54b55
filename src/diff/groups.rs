//! What two assignments of the same devices have in common, and what not.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::{Bdf, DeviceKey, Groups};

/// A set of functions that is a group in one of two assignments only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Regrouped {
    /// The functions, ascending.
    pub members: Vec<Bdf>,
    /// They have a group; otherwise no IOMMU translates them, and they are in none.
    pub grouped: bool,
    /// Whether it is the second assignment that has it so.
    pub added: bool,
}

/// The groups of PCI functions that one of two assignments has only, and the functions that only one leaves without a group.
/// Devices on other buses have no common name in two firmwares and are left out.
///
/// ```
/// use fwspec::diff::regrouped;
/// use fwspec::{Bdf, Device, Groups, Segment};
/// let nic = Bdf::new(Segment(0), 1, 0, 0);
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(Bdf::new(Segment(0), 0, 1, 0), 1..=1))?;
/// groups.add(Device::endpoint(nic))?;
/// assert!(regrouped(&groups, &groups.clone()).is_empty());
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn regrouped(before: &Groups, after: &Groups) -> Vec<Regrouped> {
    let (ours, theirs) = (sets(before), sets(after));
    let gone = ours.difference(&theirs).map(|set| (set, false));
    let come = theirs.difference(&ours).map(|set| (set, true));
    let mut changes: Vec<Regrouped> = gone
        .chain(come)
        .map(|((members, grouped), added)| Regrouped { members: members.clone(), grouped: *grouped, added })
        .collect();
    changes.sort();
    changes
}

/// The functions of each group; and each function in none, by itself.
fn sets(groups: &Groups) -> BTreeSet<(Vec<Bdf>, bool)> {
    let function = |device: DeviceKey| match device {
        DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    };
    let grouped = groups.groups().filter_map(|group| {
        let mut members: Vec<Bdf> = group.members().filter_map(function).collect();
        members.sort_unstable();
        (!members.is_empty()).then_some((members, true))
    });
    let alone = groups.devices().filter(|device| groups.group_of(*device).is_none());
    let alone = alone.filter_map(function).map(|bdf| (alloc::vec![bdf], false));
    grouped.chain(alone).collect()
}
