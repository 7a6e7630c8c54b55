//! Devices come and go: memory is bounded by what is there, a live group is never split, names are never used again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs
)]

use fwspec::group::Change;
use fwspec::pci::{Fact, Function, Missing, PortType, SrIov};
use fwspec::{
    AcsFlags, Bdf, BusError, Device, DeviceKey, GroupId, Groups, Segment,
    group::{How, Tie},
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

#[path = "it/support/cases.rs"]
mod cases;
use cases::cases_of_three;

/// Counts what this thread has allocated at the moment.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.with(|live| live.set(live.get() + isize::try_from(layout.size()).unwrap()));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get() - isize::try_from(layout.size()).unwrap()));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE.with(Cell::get)
}

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn open_port(at: &str, buses: std::ops::RangeInclusive<u8>) -> Device {
    Device::root_port(bdf(at), buses)
}

fn endpoint(at: &str) -> Device {
    Device::endpoint(bdf(at))
}

fn key(text: &str) -> DeviceKey {
    bdf(text).into()
}

#[test]
fn hot_plug_cycles_leave_no_trace() {
    let mut groups = Groups::without_firmware();
    groups.add(open_port("00:01.0", 1..=2)).unwrap();
    groups.add(Device::port(bdf("01:00.0"), PortType::PcieToPci, 2..=2)).unwrap();
    let cycle = |groups: &mut Groups, n: u32| {
        let at = ["02:01.0", "02:02.0"][n as usize % 2];
        groups.add(endpoint(at)).unwrap();
        if n.is_multiple_of(3) {
            groups.remove(key("01:00.0")).unwrap();
            groups.add(Device::port(bdf("01:00.0"), PortType::PcieToPci, 2..=2)).unwrap();
        }
        groups.remove(key(at)).unwrap();
    };
    (0..1000).for_each(|n| cycle(&mut groups, n));
    let before = live();
    let cycles = cases_of_three(20_000, 100_000, 1_000_000);
    (0..cycles).for_each(|n| cycle(&mut groups, n));
    println!("{cycles} cycles");
    assert!(live() <= before + 4096, "{} bytes more than before", live() - before);
    assert_eq!(groups.groups().count(), 1);
    assert_eq!(groups.devices().count(), 2);
}

#[test]
fn functions_are_added_in_linear_time() {
    // 65,536 to a segment. The shortest of a few runs: others want the processor too.
    let each = |functions: u32| {
        let run = |_| {
            let mut groups = Groups::without_firmware();
            let start = Instant::now();
            for n in 0..functions {
                let [_, bus, devfn] = [n >> 16, n >> 8 & 0xff, n & 0xff].map(|part| part as u8);
                let segment = Segment(n >> 16);
                if devfn == 0 {
                    groups.declare_root(segment, bus);
                }
                let function = Device::endpoint(Bdf::new(segment, bus, devfn >> 3, devfn & 7));
                groups.add(function.multifunction()).unwrap();
            }
            assert_eq!(groups.groups().count(), functions as usize / 8);
            start.elapsed() / functions
        };
        (0..3).map(run).min().unwrap()
    };
    let [few, many] = if cfg!(debug_assertions) { [1 << 11, 1 << 15] } else { [1 << 16, 1 << 20] };
    let [each_of_few, each_of_many] = [each(few), each(many)];
    println!("{few} functions: {each_of_few:?} each; {many}: {each_of_many:?} each");
    assert!(each_of_many < each_of_few * 6, "{each_of_few:?}, then {each_of_many:?}");
}

#[test]
fn a_tree_of_a_hundred_bridges_below_each_other_comes_and_goes() {
    let mut groups = Groups::without_firmware();
    groups.add(endpoint("00:00.0")).unwrap();
    groups.add(open_port("00:01.0", 1..=255)).unwrap();
    let start = Instant::now();
    for bus in 1..=100u8 {
        if bus < 100 {
            let at = Bdf::new(Segment(0), bus, 31, 7);
            groups.add(Device::port(at, PortType::PcieToPci, bus + 1..=bus + 1)).unwrap();
        }
        for devfn in 0..40u8 {
            groups.add(Device::endpoint(Bdf::new(Segment(0), bus, devfn >> 3, devfn & 7))).unwrap();
        }
    }
    assert_eq!(groups.groups().count(), 2);
    let mut all: Vec<DeviceKey> = groups.devices().collect();
    all.sort_by_key(|device| std::cmp::Reverse(*device));
    for device in all {
        groups.remove(device).unwrap();
    }
    assert_eq!((groups.groups().count(), groups.devices().count()), (0, 0));
    println!("{:?}", start.elapsed());
}

#[test]
fn a_child_before_its_parent_is_held_and_placed_when_it_comes() {
    let mut groups = Groups::without_firmware();
    let held = groups.add(endpoint("02:00.0")).unwrap();
    assert_eq!(held.how, How::Held { missing: Missing { segment: Segment(0), bus: 2 } });
    assert_eq!(groups.group_of(key("02:00.0")), None);
    let below = Device::port(bdf("01:00.0"), PortType::PcieToPci, 2..=2);
    assert!(matches!(groups.add(below).unwrap().how, How::Held { .. }));
    let placed = groups.add(open_port("00:01.0", 1..=2)).unwrap();
    assert_eq!(placed.how, How::Created);
    let group = placed.group.unwrap();
    let changes: Vec<Change> = groups.changes().to_vec();
    for device in [key("01:00.0"), key("02:00.0")] {
        assert!(changes.contains(&Change::Placed { device, group }), "{changes:?}");
    }
    assert_eq!(groups.members(group).count(), 3);
}

#[test]
fn nothing_is_held_once_every_bridge_is_there() {
    let mut groups = Groups::without_firmware();
    groups.add(endpoint("40:00.0")).unwrap();
    assert_eq!(groups.settle(), [Change::Placed { device: key("40:00.0"), group: GroupId(0) }]);
    // A root port can be on a root bus only.
    groups.add(endpoint("80:02.0")).unwrap();
    groups.add(open_port("80:01.0", 0x81..=0x81)).unwrap();
    assert!(groups.group_of(key("80:02.0")).is_some());
}

#[test]
fn a_newcomer_that_ties_two_groups_merges_them_into_the_older() {
    let mut groups = Groups::without_firmware();
    let lone = |at| endpoint(at).multifunction().acs(AcsFlags::ISOLATED);
    let [first, second] = ["00:03.0", "00:03.2"].map(|at| groups.add(lone(at)).unwrap().group.unwrap());
    let posing = Function::endpoint().ids(0x10b5, 0x87b0);
    let placed = groups.add(Device::function(bdf("00:04.0"), posing)).unwrap();
    assert_eq!(placed.group, Some(first));
    assert_eq!(placed.how, How::Merged { absorbed: vec![second] });
    assert_eq!(groups.changes(), [Change::Merged { absorbed: second, into: first }]);
    assert!(groups.group(second).is_none());

    // Without the one that held them together they stay, until somebody asks for it.
    groups.remove(key("00:04.0")).unwrap();
    assert_eq!(groups.members(first).count(), 2);
    let why: Vec<Tie> = groups.why(key("00:03.0"), key("00:03.2")).map(|reason| reason.tie).collect();
    assert_eq!(why, [Tie::Departed(key("00:04.0"))]);
    groups.recompute();
    assert_eq!(groups.group_of(key("00:03.0")), Some(first), "the lowest member keeps the name");
    let third = groups.group_of(key("00:03.2")).unwrap();
    assert!(third > second, "a name is never used again");
}

#[test]
fn a_group_is_dissolved_with_its_last_member() {
    let mut groups = Groups::without_firmware();
    let first = groups.add(endpoint("00:02.0")).unwrap().group.unwrap();
    let departure = groups.remove(key("00:02.0")).unwrap();
    assert_eq!((departure.group, departure.dissolved), (Some(first), true));
    assert_ne!(groups.add(endpoint("00:02.0")).unwrap().group, Some(first));
}

#[test]
fn an_owned_group_refuses_a_newcomer_and_takes_it_when_it_is_released() {
    let mut groups = Groups::without_firmware();
    let group = groups.add(open_port("00:01.0", 1..=1)).unwrap().group.unwrap();
    groups.own(group).unwrap();
    assert_eq!(groups.own(group), Err(BusError::Owned(group)));
    let refused = groups.add(endpoint("01:00.0")).unwrap();
    assert_eq!((refused.group, refused.how), (None, How::Refused { owner: group }));
    assert_eq!(groups.members(group).count(), 1);
    let device = key("01:00.0");
    assert_eq!(groups.release(group).unwrap(), [Change::Placed { device, group }]);
}

#[test]
fn events_that_cannot_be_change_nothing() {
    let mut groups = Groups::without_firmware();
    groups.add(open_port("00:01.0", 1..=1)).unwrap();
    assert_eq!(groups.add(endpoint("00:01.0")), Err(BusError::Duplicate(key("00:01.0"))));
    assert!(matches!(groups.add(open_port("00:02.0", 1..=1)), Err(BusError::Pci(_))));
    assert_eq!(groups.remove(key("00:02.0")), Err(BusError::Unknown(key("00:02.0"))));
    assert_eq!(groups.own(GroupId(7)), Err(BusError::NoGroup(GroupId(7))));
    assert_eq!(groups.devices().count(), 1);
}

#[test]
fn virtual_functions_are_switched_on_and_off() {
    let mut pf = Function::endpoint();
    pf.sriov = Fact::Present(SrIov {
        enabled: false,
        total_vfs: 8,
        num_vfs: 0,
        first_vf_offset: 0x100,
        vf_stride: 1,
        vf_device: 0x10ca,
    });
    let on = |mut function: Function| {
        let Fact::Present(sriov) = &mut function.sriov else { panic!() };
        (sriov.enabled, sriov.num_vfs) = (true, 2);
        Device::function(bdf("01:00.0"), function)
    };
    let mut unnamed = Function::endpoint().ids(0xffff, 0xffff);
    unnamed.virtual_function = true;
    let vf = |at| Device::function(bdf(at), unnamed);
    let mut groups = Groups::without_firmware();
    groups.add(open_port("00:01.0", 1..=2).acs(AcsFlags::ISOLATED)).unwrap();
    groups.add(Device::function(bdf("01:00.0"), pf)).unwrap();
    // Nobody knows yet that bus 2 is for virtual functions.
    assert!(matches!(groups.add(vf("02:00.0")).unwrap().how, How::Held { .. }));
    let changes = groups.update(on(pf)).unwrap().to_vec();
    assert!(matches!(changes[..], [Change::Placed { device, .. }] if device == key("02:00.0")));
    for _ in 0..3 {
        groups.add(vf("02:00.1")).unwrap();
        assert_eq!(groups.groups().count(), 4, "each apart");
        groups.remove(key("02:00.1")).unwrap();
    }
    groups.remove(key("02:00.0")).unwrap();
    groups.update(Device::function(bdf("01:00.0"), pf)).unwrap();
    assert!(matches!(groups.add(vf("02:00.0")).unwrap().how, How::Held { .. }));
}

#[test]
fn changed_acs_takes_effect_when_asked_for() {
    let mut groups = Groups::without_firmware();
    groups.add(open_port("00:01.0", 1..=1)).unwrap();
    groups.add(endpoint("01:00.0")).unwrap();
    groups.update(open_port("00:01.0", 1..=1).acs(AcsFlags::ISOLATED)).unwrap();
    assert_eq!(groups.groups().count(), 1);
    let changes = groups.recompute().to_vec();
    let moved = Change::Moved { device: key("01:00.0"), from: GroupId(0), to: GroupId(1) };
    assert_eq!(changes, [moved]);
}
