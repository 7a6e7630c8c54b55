//! Devices come and go: memory is bounded by what is there, a live group is never split, names are never used again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use fwspec::group::{Change, Reason};
use fwspec::pci::{Fact, Function, PortType, SrIov};
use fwspec::{AcsFlags, Bdf, BusError, Device, DeviceKey, GroupId, Groups, How, Placement, Segment, Tie};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

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
fn a_million_hot_plug_cycles_leave_no_trace() {
    let mut groups = Groups::without_firmware();
    groups.add(open_port("00:01.0", 1..=2)).unwrap();
    groups.add(Device::port(bdf("01:00.0"), PortType::PcieToPci, 2..=2)).unwrap();
    let cycle = |groups: &mut Groups, n: u32| {
        let at = ["02:01.0", "02:02.0"][n as usize % 2];
        groups.add(endpoint(at)).unwrap();
        if n % 3 == 0 {
            groups.remove(key("01:00.0")).unwrap();
            groups.add(Device::port(bdf("01:00.0"), PortType::PcieToPci, 2..=2)).unwrap();
        }
        groups.remove(key(at)).unwrap();
    };
    (0..1000).for_each(|n| cycle(&mut groups, n));
    let before = live();
    let cycles = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    (0..cycles).for_each(|n| cycle(&mut groups, n));
    println!("{cycles} cycles");
    assert!(live() <= before + 4096, "{} bytes more than before", live() - before);
    assert_eq!(groups.groups().count(), 1);
    assert_eq!(groups.devices().count(), 2);
}

#[test]
fn a_million_functions_are_added_in_linear_time() {
    let add = |segments: std::ops::Range<u32>| {
        let mut groups = Groups::without_firmware();
        let start = Instant::now();
        let mut count = 0u32;
        for segment in segments.map(Segment) {
            for bus in 0..=255u8 {
                groups.declare_root(segment, bus);
                for devfn in 0..=255u8 {
                    let device = Device::endpoint(Bdf::new(segment, bus, devfn >> 3, devfn & 7));
                    groups.add(device.multifunction()).unwrap();
                    count += 1;
                }
            }
        }
        assert_eq!(groups.groups().count(), 32 * 256 * usize::try_from(count / 65536).unwrap());
        (count, start.elapsed() / count)
    };
    let full = if cfg!(debug_assertions) { 2 } else { 16 };
    let (few, each_of_few) = add(0..1);
    let (many, each_of_many) = add(0..full);
    println!("{few} functions: {each_of_few:?} each; {many}: {each_of_many:?} each");
    assert!(each_of_many < each_of_few * 4, "{each_of_few:?}, then {each_of_many:?}");
}
