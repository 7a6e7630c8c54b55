//! PCI functions and the order in which they are added and removed.

use std::collections::BTreeSet;

use fwspec::acpi::iort::Iort;
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap, Segment};

use super::words::Words;
use super::{generate, show};

/// A PCI Express port's or device's type, as in the capability.
const ENDPOINT: u8 = 0;
/// Root ports are on a root bus, and say so; the others are anywhere.
const ROOT_PORT: u8 = 4;
const PORTS: [u8; 4] = [5, 6, 7, 8];
/// Vendor and device: an ordinary one, functions with isolation or alias quirks, a bridge with one.
const IDS: [[u8; 4]; 5] = [
    [0x36, 0x1b, 0x0c, 0x00],
    [0x86, 0x80, 0xc9, 0x10],
    [0x4b, 0x1b, 0x30, 0x92],
    [0x86, 0x80, 0x4e, 0x24],
    [0xff, 0xff, 0xff, 0xff],
];
/// How much of its config space was read.
const READ: [usize; 4] = [4096, 4096, 256, 64];

/// Whatever the order of the adds, the partition is the same; and after removals it is that of those who are left.
pub fn group_order(bytes: &[u8]) {
    let mut words = Words(bytes);
    let table = words.one_in(2).then(|| generate::iort(&mut words));
    let start = || match &table {
        None => Groups::without_firmware(),
        Some(table) => {
            let platform = Iort::parse(table).expect("the builder writes tables that can be read").platform();
            Groups::new(IdMap::build(&platform, Dialect::LINUX))
        }
    };
    let devices = devices(&mut words);
    let mut shuffled = devices.clone();
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, words.below(at + 1));
    }

    let (mut one, mut other) = (start(), start());
    add(&mut one, &devices);
    add(&mut other, &shuffled);
    assert_eq!(classes(&one), classes(&other), "{devices:?} and {shuffled:?}");
    one.settle();
    other.settle();
    assert_eq!((one.check(), other.check()), (Ok(()), Ok(())), "settled");
    assert_eq!(classes(&one), classes(&other), "{devices:?} and {shuffled:?}, settled");
    assert_eq!(groups(&one), groups(&other), "{devices:?} and {shuffled:?}, settled");
    for group in one.groups() {
        let members: Vec<DeviceKey> = group.members().collect();
        for pair in members.windows(2) {
            assert!(one.why(pair[0], pair[1]).next().is_some(), "nothing ties {pair:?} together");
        }
        group.ties().for_each(|reason| show::debug(&reason));
    }

    let (stay, leave): (Vec<Device>, Vec<Device>) = shuffled.iter().partition(|_| words.one_in(2));
    let (mut one, mut other) = (start(), start());
    add(&mut one, &devices);
    for device in &leave {
        show::debug(&one.remove(device.key()));
        assert_eq!(one.check(), Ok(()), "{device:?} of {leave:?}");
    }
    one.recompute();
    assert_eq!(one.check(), Ok(()), "recomputed");
    add(&mut other, &stay);
    assert_eq!(classes(&one), classes(&other), "{devices:?} without {leave:?}");
    assert_eq!(groups(&one), groups(&other), "{devices:?} without {leave:?}");
}

fn add(groups: &mut Groups, devices: &[Device]) {
    for device in devices {
        show::debug(&groups.add(*device));
        assert_eq!(groups.check(), Ok(()), "{device:?} of {devices:?}");
    }
}

fn classes(groups: &Groups) -> BTreeSet<Vec<DeviceKey>> {
    groups.classes().map(sorted).filter(|class| !class.is_empty()).collect()
}

fn groups(groups: &Groups) -> BTreeSet<Vec<DeviceKey>> {
    groups.groups().map(|group| sorted(group.members().collect())).collect()
}

fn sorted(mut devices: Vec<DeviceKey>) -> Vec<DeviceKey> {
    devices.sort_unstable();
    devices
}

/// A tree of bridges and functions, no address twice.
fn devices(words: &mut Words<'_>) -> Vec<Device> {
    let mut found: Vec<Device> = Vec::new();
    let mut taken = BTreeSet::new();
    let mut buses: Vec<u8> = vec![0];
    for _ in 0..2 + words.below(14) {
        let bus = words.one_of(&buses);
        let bdf = Bdf::new(Segment(0), bus, words.byte() % 4, words.byte() % 3);
        if !taken.insert(bdf) {
            continue;
        }
        let below = u8::try_from(buses.len()).unwrap_or(u8::MAX);
        let bridge = words.one_in(3);
        let Ok(mut device) = Device::pci(bdf, &config(words, bus == 0, bridge.then_some(below))) else {
            continue;
        };
        if bridge {
            buses.push(below);
        } else if words.one_in(8)
            && let Some(DeviceKey::Pci(physical)) = found.last().map(Device::key)
            && physical.rid.bus() == bus
        {
            // On another bus it would contradict the bridge that has that bus below.
            device = device.virtual_function_of(physical);
        }
        found.push(device);
    }
    found
}

/// Config space of an endpoint, or of a bridge with a bus below.
fn config(words: &mut Words<'_>, on_root_bus: bool, below: Option<u8>) -> Vec<u8> {
    let mut space = vec![0; words.one_of(&READ)];
    space[..4].copy_from_slice(&words.one_of(&IDS));
    space[0x0e] = if words.one_in(2) { 0x80 } else { 0 };
    if let Some(bus) = below {
        space[0x0a..0x0c].copy_from_slice(&[0x04, 0x06]);
        space[0x0e] |= 1;
        space[0x18..0x1b].copy_from_slice(&[0, bus, bus]);
    }
    if words.one_in(4) {
        return space;
    }
    space[0x06] = 0x10;
    space[0x34] = 0x40;
    if let Some(capability) = space.get_mut(0x40..0x44) {
        let port = match below {
            None => ENDPOINT,
            Some(_) if on_root_bus && words.one_in(2) => ROOT_PORT,
            Some(_) => words.one_of(&PORTS),
        };
        capability.copy_from_slice(&[0x10, 0, 0x02 | port << 4, 0]);
    }
    if words.one_in(2)
        && let Some(acs) = space.get_mut(0x100..0x108)
    {
        acs.copy_from_slice(&[0x0d, 0, 1, 0, 0x1d, 0, words.byte() & 0x1d, 0]);
    }
    space
}
