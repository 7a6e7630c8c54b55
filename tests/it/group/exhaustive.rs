//! Every machine of up to five functions, added in every order in which parents come first.
//!
//! A function is an endpoint, a port or a bridge to conventional PCI; endpoints in a slot of several and ports come with and
//! without ACS, an upstream port alone in its slot with and without the multifunction bit: elsewhere these differences change
//! nothing. Which port it is follows from its place. Slots of a bus, and functions of a slot, are taken as sets: two machines
//! that differ in numbering only are one.

use crate::support::cases::cases_of_three;

use fwspec::pci::PortType;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{AcsFlags, Bdf, Device, DeviceKey, Groups, Segment, group::Policy};

/// What is above a bus.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    /// A root or downstream port: one slot.
    Port,
    /// An upstream port.
    Switch,
    /// A bridge to conventional PCI.
    Pci,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Endpoint { acs: bool },
    Port { acs: bool },
    Bridge,
}

#[derive(Clone)]
struct Node {
    kind: Kind,
    below: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    multifunction: bool,
    functions: Vec<Node>,
}

/// All functions of a kind of slot with this many functions in and below them.
fn functions(count: usize, level: Level, several: bool) -> Vec<Node> {
    let mut kinds = vec![Kind::Endpoint { acs: false }, Kind::Bridge];
    if level != Level::Pci {
        kinds.extend([Kind::Port { acs: false }, Kind::Port { acs: true }]);
        kinds.extend(several.then_some(Kind::Endpoint { acs: true }));
    }
    let with_below = |kind: Kind| -> Vec<Node> {
        let below = match kind {
            _ if count == 1 => return vec![Node { kind, below: Vec::new() }],
            Kind::Endpoint { .. } => return Vec::new(),
            Kind::Bridge => Level::Pci,
            Kind::Port { .. } if level == Level::Port => Level::Switch,
            Kind::Port { .. } => Level::Port,
        };
        buses(count - 1, below).into_iter().map(|below| Node { kind, below }).collect()
    };
    kinds.into_iter().flat_map(with_below).collect()
}

/// All multisets of the things that `of` makes, with this many functions in all.
fn sets<T: Clone>(count: usize, of: &impl Fn(usize) -> Vec<T>) -> Vec<Vec<T>> {
    // Sizes fall, and of one size positions grow: each set once.
    fn extend<T: Clone>(
        left: usize,
        last: (usize, usize),
        of: &impl Fn(usize) -> Vec<T>,
        set: &mut Vec<T>,
        found: &mut Vec<Vec<T>>,
    ) {
        if left == 0 {
            found.push(set.clone());
        }
        for size in (1..=left.min(last.0)).rev() {
            let first = if size == last.0 { last.1 } else { 0 };
            for (at, thing) in of(size).into_iter().enumerate().skip(first) {
                set.push(thing);
                extend(left - size, (size, at), of, set, found);
                set.pop();
            }
        }
    }
    let mut found = Vec::new();
    extend(count, (count, 0), of, &mut Vec::new(), &mut found);
    found
}

fn slots(count: usize, level: Level) -> Vec<Slot> {
    let mut all = Vec::new();
    for function in functions(count, level, false) {
        let upstream = level == Level::Port && matches!(function.kind, Kind::Port { .. });
        let alone = |multifunction| Slot { multifunction, functions: vec![function.clone()] };
        all.extend(upstream.then(|| alone(true)).into_iter().chain([alone(false)]));
    }
    let several = sets(count, &|size| functions(size, level, true));
    let several = several.into_iter().filter(|set| set.len() > 1);
    all.extend(several.map(|functions| Slot { multifunction: true, functions }));
    all
}

fn buses(count: usize, level: Level) -> Vec<Vec<Slot>> {
    match level {
        Level::Port => slots(count, level).into_iter().map(|slot| vec![slot]).collect(),
        _ => sets(count, &|size| slots(size, level)),
    }
}

/// The devices of a bus and below, parents first; `last` is the highest bus number in use.
fn devices(slots: &[Slot], level: Level, bus: u8, last: &mut u8, found: &mut Vec<Device>) {
    for (slot, number) in slots.iter().zip(0..) {
        for (node, function) in slot.functions.iter().zip(0..) {
            let bdf = Bdf::new(Segment(0), bus, number, function);
            let at = found.len();
            found.push(Device::endpoint(bdf));
            let below = match node.kind {
                Kind::Bridge => Level::Pci,
                _ if level == Level::Port => Level::Switch,
                _ => Level::Port,
            };
            let secondary = *last + 1;
            if !matches!(node.kind, Kind::Endpoint { .. }) {
                *last += 1;
                devices(&node.below, below, secondary, last, found);
            }
            let port = match level {
                Level::Root => PortType::RootPort,
                Level::Port => PortType::UpstreamPort,
                Level::Switch | Level::Pci => PortType::DownstreamPort,
            };
            let mut device = match node.kind {
                Kind::Endpoint { .. } => Device::endpoint(bdf),
                Kind::Port { .. } => Device::port(bdf, port, secondary..=*last),
                Kind::Bridge => Device::port(bdf, PortType::PcieToPci, secondary..=*last),
            };
            if level == Level::Pci {
                device = Device::function(bdf, device.facts().conventional());
            }
            if matches!(node.kind, Kind::Endpoint { acs: true } | Kind::Port { acs: true }) {
                device = device.acs(AcsFlags::ISOLATED);
            }
            found[at] = if slot.multifunction && function == 0 { device.multifunction() } else { device };
        }
    }
}

/// Calls back with every order in which parents come before children.
fn parents_first(all: &[Device], order: &mut Vec<usize>, then: &mut impl FnMut(&[usize])) {
    if order.len() == all.len() {
        return then(order);
    }
    for next in 0..all.len() {
        let bus = bdf(&all[next]).rid.bus();
        let above = |device: &Device| device.facts().secondary() == Some(bus);
        let ready = all.iter().position(above).is_none_or(|parent| order.contains(&parent));
        if ready && !order.contains(&next) {
            order.push(next);
            parents_first(all, order, then);
            order.pop();
        }
    }
}

fn bdf(device: &Device) -> Bdf {
    match device.key() {
        DeviceKey::Pci(bdf) => bdf,
        other => panic!("{other}"),
    }
}

/// The groups, each sorted, by lowest member.
fn partition(policy: Policy, devices: impl Iterator<Item = Device>) -> Vec<Vec<DeviceKey>> {
    let mut groups = Groups::builder().policy(policy).build();
    devices
        .for_each(|device| assert!(groups.add(device).unwrap().group.is_some(), "{device:?} has no group"));
    let mut all: Vec<Vec<DeviceKey>> = groups.groups().map(|group| group.members().collect()).collect();
    all.iter_mut().for_each(|group| group.sort_unstable());
    all.sort_unstable();
    all
}

/// Every order gives one partition, and Linux's search from the root down finds it. Looks at one machine of `step`.
fn every_order_of_every_machine(count: usize, step: usize) {
    let (mut orders, mut machines) = (0, 0);
    for root in buses(count, Level::Root).into_iter().step_by(step) {
        let mut all = Vec::new();
        devices(&root, Level::Root, 0, &mut 0, &mut all);
        assert_eq!(all.len(), count);
        // Strict takes as long again, and goes one function less far.
        let policies = [Policy::Linux, Policy::Strict].into_iter().take(if count < 5 { 2 } else { 1 });
        for policy in policies {
            let expected = partition(policy, all.iter().copied());
            parents_first(&all, &mut Vec::new(), &mut |order| {
                orders += 1;
                let found = partition(policy, order.iter().map(|at| all[*at]));
                assert_eq!(found, expected, "{policy:?}, {order:?} of {all:#?}");
            });
        }
        let mut groups = Groups::without_firmware();
        all.iter().for_each(|device| assert!(groups.add(*device).is_ok()));
        let mut bus_order: Vec<Bdf> = all.iter().map(bdf).collect();
        bus_order.sort_unstable();
        let turn = |device: &Bdf| Event::Turn { device: *device, scanned_late: false };
        let turns: Vec<Event> = bus_order.iter().map(turn).collect();
        let world = World::of(&groups);
        let play = world.play(Algorithm::DeviceAdd, &turns);
        assert!(!world.is_broken(&play), "Linux gives {:?} of {all:#?}", play.groups);
        machines += 1;
    }
    println!("{machines} machines of {count} functions, {orders} orders");
}

#[test]
fn every_machine_of_up_to_four_functions_in_every_order() {
    (1..=3).for_each(|count| every_order_of_every_machine(count, 1));
    // Of which an ordinary run takes each eleventh.
    every_order_of_every_machine(4, cases_of_three(11, 1, 1));
}

#[test]
fn every_machine_of_five_functions_in_every_order() {
    // Of which an ordinary run takes each 127th.
    every_order_of_every_machine(5, cases_of_three(127, 8, 1));
}
