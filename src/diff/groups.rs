//! The differences between two assignments of the same devices to groups.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::{Bdf, DeviceKey, Groups};

use super::map::{Destination, Difference, Side, append};

/// A set of functions that is a group in one of two assignments only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Regrouped {
    /// The functions, ascending.
    pub members: Vec<Bdf>,
    /// They have a group; otherwise no IOMMU translates them, and they are in none.
    pub grouped: bool,
    /// Whether the second assignment has it.
    pub added: bool,
}

/// The groups of PCI functions that only one of two assignments has, and the functions that only one leaves without a group.
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

/// The functions of both assignments which another unit translates on the second side, where that depends on what is above a function
/// (DMAR): for these, [`diff`](super::diff) says nothing about requester IDs, and this compares the functions that exist.
///
/// ```
/// use fwspec::acpi::dmar::{Builder, Dmar};
/// use fwspec::diff::{Difference, Side, placed};
/// use fwspec::{Device, Dialect, Groups, IdMap};
/// let groups = |port: u8| {
///     let mut table = Builder::new(46);
///     table.unit(0, 0xfed9_0000).bridge(0, [(port, 0)]);
///     table.unit(0, 0xfed9_1000).include_all();
///     let bytes = table.finish();
///     let platform = Dmar::parse(&bytes).unwrap().platform();
///     let map = IdMap::build(&platform, Dialect::LINUX);
///     let mut groups = Groups::new(map.clone());
///     groups.add(Device::root_port("00:01.0".parse().unwrap(), 1..=1)).unwrap();
///     groups.add(Device::endpoint("01:00.0".parse().unwrap())).unwrap();
///     (platform, map, groups)
/// };
/// let (before, after) = (groups(1), groups(2));
/// let sides = [&before, &after].map(|(platform, map, _)| Side { platform, map });
/// let changes = placed(sides, [&before.2, &after.2]);
/// assert!(matches!(changes[1], Difference::Requesters { first, .. } if first.to_string() == "01:00.0"));
/// ```
pub fn placed([before, after]: [Side<'_>; 2], [ours, theirs]: [&Groups; 2]) -> Vec<Difference> {
    let functions = |groups: &Groups| -> BTreeSet<Bdf> {
        let function = |device: DeviceKey| match device {
            DeviceKey::Pci(bdf) => Some(bdf),
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
        };
        groups.devices().filter_map(function).collect()
    };
    let destination = |side: Side<'_>, groups: &Groups, function: Bdf| {
        let fwspec = groups.placement(function.into()).ok().and_then(|placement| placement.fwspec);
        let stream = fwspec.and_then(|fwspec| {
            let own = Some(u32::from(function.rid.0));
            let own = fwspec.streams().find(|stream| stream.id.map(|id| id.0) == own);
            own.or_else(|| fwspec.streams().next())
        });
        Destination { stream: stream.map(|stream| side.stream(stream)), ..Destination::default() }
    };
    let mut changes = Vec::new();
    for function in functions(ours).intersection(&functions(theirs)) {
        let (before, after) = (destination(before, ours, *function), destination(after, theirs, *function));
        if before != after {
            append(&mut changes, (function.segment, function.rid, function.rid), [before, after]);
        }
    }
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
