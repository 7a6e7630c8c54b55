//! The order of events does not matter: random machines, added in random orders.

use crate::support::cases::random;
use crate::support::machine;

use fwspec::group::Remedy;
use fwspec::pci::Fact;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{
    AcsFlags, Bdf, Device, DeviceKey, GroupId, Groups, IommuIndex,
    group::{How, Policy},
};
use machine::{Machine, honest_machines, machines, map};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Partition = BTreeSet<Vec<DeviceKey>>;

/// The classes, translated or not.
fn classes(groups: &Groups) -> Partition {
    groups
        .classes()
        .map(|mut class| {
            class.sort();
            class
        })
        .collect()
}

/// The groups, by what is in them.
fn partition(groups: &Groups) -> Partition {
    let sorted = |group: fwspec::IommuGroup<'_>| {
        let mut members: Vec<DeviceKey> = group.members().collect();
        members.sort();
        assert_eq!(group.leader(), members.first().copied());
        members
    };
    groups.groups().map(sorted).collect()
}

fn bare(policy: Policy) -> Groups {
    Groups::builder().policy(policy).build()
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Linux), Just(Policy::Strict)]
}

fn add_all(mut groups: Groups, devices: &[Device]) -> Groups {
    for device in devices {
        groups.add(*device).unwrap();
    }
    assert_eq!(groups.check(), Ok(()));
    groups
}

fn shuffled(machine: Machine) -> impl Strategy<Value = (Machine, Vec<usize>)> {
    let order = Just((0..machine.devices.len()).collect::<Vec<usize>>()).prop_shuffle();
    (Just(machine), order)
}

/// Every member of every set lies in one set of the other.
fn is_coarsening(finer: &Partition, coarser: &Partition) -> bool {
    finer.iter().all(|set| coarser.iter().any(|other| set.iter().all(|device| other.contains(device))))
}

fn all_orders(devices: &[Device]) -> Vec<Vec<Device>> {
    let Some((first, rest)) = devices.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<Device>| {
        (0..=order.len()).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, *first);
            longer
        })
    };
    all_orders(rest).into_iter().flat_map(insert).collect()
}

proptest! {
    #![proptest_config(random(400, 10_000))]

    #[test]
    fn any_order_gives_one_partition(
        (machine, order) in machines(24).prop_flat_map(shuffled), policy in policies(), seed in any::<u8>(),
    ) {
        let order = machine.in_order(&order);
        let forwards = add_all(bare(policy), &machine.devices);
        let other = add_all(bare(policy), &order);
        prop_assert_eq!(partition(&forwards), partition(&other));
        prop_assert_eq!(partition(&forwards).iter().flatten().count(), machine.devices.len());

        let forwards = add_all(Groups::builder().map(map(seed)).policy(policy).build(), &machine.devices);
        let other = add_all(Groups::builder().map(map(seed)).policy(policy).build(), &order);
        prop_assert_eq!(partition(&forwards), partition(&other));
        prop_assert_eq!(classes(&forwards), classes(&other));
    }

    #[test]
    fn any_order_gives_one_partition_where_devices_send_as_others(
        (machine, order) in machines(12).prop_flat_map(shuffled), as_first in any::<u16>(), seed in any::<u8>(),
    ) {
        // The first, which is no virtual function, stands for some of the others.
        let real = machine::bdf_of(&machine.devices[0]);
        let sends = |(at, device): (usize, &Device)| match as_first >> at & 1 {
            1 if at > 0 => device.real_dma(real),
            _ => *device,
        };
        let devices: Vec<Device> = machine.devices.iter().enumerate().map(sends).collect();
        let shuffled: Vec<Device> = order.iter().map(|at| devices[*at]).collect();
        for policy in [Policy::Linux, Policy::Strict] {
            let empty = || Groups::builder().map(map(seed)).policy(policy).build();
            let mut forwards = add_all(empty(), &devices);
            let other = add_all(empty(), &shuffled);
            prop_assert_eq!(partition(&forwards), partition(&other));
            prop_assert_eq!(classes(&forwards), classes(&other));
            for device in &devices {
                let ids = |groups: &Groups| groups.placement(device.key()).unwrap().fwspec;
                prop_assert_eq!(ids(&forwards), ids(&other));
            }
            for device in devices.iter().filter(|device| device.real_dma_device().is_some()) {
                let class = classes(&forwards).into_iter().find(|class| class.contains(&device.key())).unwrap();
                prop_assert!(class.contains(&real.into()));
            }
            let before = partition(&forwards);
            forwards.recompute();
            prop_assert_eq!(forwards.check(), Ok(()));
            prop_assert_eq!(before, partition(&forwards));
        }
    }

    #[test]
    fn what_the_kernel_does_with_a_device_is_said_of_one_as_of_all(
        (machine, order) in machines(16).prop_flat_map(shuffled), asked in any::<u64>(), seed in any::<u8>(),
    ) {
        fn ask(groups: &mut Groups) -> Result<(), TestCaseError> {
            for (device, answer) in groups.kernel_answers(None) {
                prop_assert_eq!(groups.kernel_answer(device), Some(answer), "{}", device);
            }
            Ok(())
        }
        let mut groups = Groups::builder().map(map(seed)).awaiting_iommus(asked & 1 == 0).build();
        let is_asked = |at: usize| asked >> (at & 63) & 1 == 1;
        for (at, device) in machine.in_order(&order).into_iter().enumerate() {
            groups.add(device).unwrap();
            if is_asked(at) {
                ask(&mut groups)?;
            }
        }
        groups.iommu_ready(IommuIndex(1));
        ask(&mut groups)?;
        for (at, device) in machine.devices.iter().enumerate().filter(|(at, _)| is_asked(at + 32)) {
            groups.remove(device.key()).unwrap();
            prop_assert_eq!(groups.kernel_answer(device.key()), None);
            if is_asked(at) {
                ask(&mut groups)?;
            }
        }
        for device in machine.devices.iter().filter(|device| groups.group_of(device.key()).is_none()).copied().collect::<Vec<_>>() {
            _ = groups.add(device);
            ask(&mut groups)?;
        }
    }

    #[test]
    fn groups_only_merge_and_the_older_name_stays(
        (machine, order) in machines(16).prop_flat_map(shuffled), policy in policies(), seed in any::<u8>(),
    ) {
        let order = machine.in_order(&order);
        let mut groups = Groups::builder().map(map(seed)).policy(policy).build();
        let mut before: BTreeMap<GroupId, BTreeSet<DeviceKey>> = BTreeMap::new();
        for device in &order {
            let placement = groups.add(*device).unwrap();
            let now: BTreeMap<GroupId, BTreeSet<DeviceKey>> =
                groups.groups().map(|group| (group.id(), group.members().collect())).collect();
            for (id, members) in &before {
                let (new_id, new_members) = now.iter().find(|(_, set)| set.is_superset(members)).unwrap();
                prop_assert!(new_id <= id);
                let _ = new_members;
            }
            match placement.how {
                How::Merged { absorbed } => {
                    prop_assert!(absorbed.iter().all(|id| before.contains_key(id) && !now.contains_key(id)));
                    prop_assert!(absorbed.iter().all(|id| *id > placement.group.unwrap()));
                }
                How::Created => prop_assert!(!before.contains_key(&placement.group.unwrap())),
                How::Joined => prop_assert!(before.contains_key(&placement.group.unwrap())),
                _ => prop_assert_eq!(placement.group, None),
            }
            before = now;
        }
    }

    #[test]
    fn removal_never_makes_a_group_finer_and_recompute_makes_it_exact(
        (machine, order) in machines(16).prop_flat_map(shuffled), leave in 1..8usize, seed in any::<u8>(),
    ) {
        let order = machine.in_order(&order);
        let mut groups = add_all(Groups::new(map(seed)), &machine.devices);
        // Children leave before their parents, as on a bus.
        let mut leaving: Vec<Device> = order.iter().take(leave.min(order.len() - 1)).copied().collect();
        leaving.sort_by_key(|device| std::cmp::Reverse(device.key()));
        loop {
            let all = leaving.clone();
            leaving.retain(|device| machine.childless(device, &all));
            if leaving.len() == all.len() {
                break;
            }
        }
        for device in &leaving {
            let before = classes(&groups);
            groups.remove(device.key()).unwrap();
            prop_assert_eq!(groups.check(), Ok(()));
            let without: Partition = before
                .iter()
                .map(|set| set.iter().filter(|other| **other != device.key()).copied().collect::<Vec<_>>())
                .filter(|set| !set.is_empty())
                .collect();
            prop_assert_eq!(classes(&groups), without);
            for class in classes(&groups) {
                for other in &class {
                    let expected = usize::from(*other != class[0]);
                    prop_assert!(groups.why(class[0], *other).count() >= expected);
                }
            }
        }
        let mut left = machine.devices.clone();
        left.retain(|device| leaving.iter().all(|gone| gone.key() != device.key()));
        let fresh = add_all(Groups::new(map(seed)), &left);
        prop_assert!(is_coarsening(&partition(&fresh), &partition(&groups)));
        groups.recompute();
        prop_assert_eq!(groups.check(), Ok(()));
        prop_assert_eq!(partition(&fresh), partition(&groups));
        prop_assert_eq!(classes(&fresh), classes(&groups));
    }

    #[test]
    fn no_driver_is_asked_and_bridges_are_members_like_others(
        machine in machines(16), drivers in prop::collection::vec(0..4u8, 16), seed in any::<u8>(),
    ) {
        let groups = add_all(Groups::new(map(seed)), &machine.devices);
        let world = World::of(&groups);
        let driver = |(device, driver): (&Bdf, u8)| match driver {
            0 => None,
            1 => Some(Event::Fail(*device)),
            _ => Some(Event::Probe(*device)),
        };
        let add = world.functions().iter().copied().map(Event::Add);
        let probes = world.functions().iter().zip(drivers).rev().filter_map(driver);
        let events: Vec<Event> = add.chain([Event::Ready(None)]).chain(probes).collect();
        let play = world.play(Algorithm::Closure, &events);
        prop_assert!(!world.is_broken(&play));
        let translated = |bdf: &&Bdf| groups.placement((**bdf).into()).unwrap().fwspec.is_some();
        prop_assert_eq!(
            play.groups.iter().flatten().count(),
            world.functions().iter().filter(translated).count()
        );
    }

    #[test]
    fn names_come_from_members_and_children_may_come_first(
        machine in machines(16), policy in policies(), seed in any::<u8>(),
    ) {
        let forwards = add_all(Groups::builder().map(map(seed)).policy(policy).build(), &machine.devices);
        let mut backwards = Groups::builder().map(map(seed)).policy(policy).build();
        for device in machine.devices.iter().rev() {
            backwards.add(*device).unwrap();
        }
        prop_assert_eq!(partition(&forwards), partition(&backwards));
        let leaders = |groups: &Groups| -> BTreeMap<DeviceKey, Option<DeviceKey>> {
            let leader = |device| groups.group(groups.group_of(device)?)?.leader();
            groups.devices().map(|device| (device, leader(device))).collect()
        };
        prop_assert_eq!(leaders(&forwards), leaders(&backwards));
        for (device, leader) in leaders(&forwards) {
            prop_assert!(leader.is_none_or(|leader| leader <= device));
        }
    }

    #[test]
    fn readiness_delays_groups_and_changes_none(
        (machine, order) in machines(16).prop_flat_map(shuffled), at in 0..16usize, seed in any::<u8>(),
    ) {
        let order = machine.in_order(&order);
        let ready = add_all(Groups::new(map(seed)), &machine.devices);
        let mut late = Groups::builder().map(map(seed)).awaiting_iommus(true).build();
        for (n, device) in order.iter().enumerate() {
            if n == at {
                late.iommu_ready(IommuIndex(0));
                prop_assert_eq!(late.check(), Ok(()));
            }
            late.add(*device).unwrap();
        }
        late.iommu_ready(IommuIndex(0));
        prop_assert_eq!(late.check(), Ok(()));
        late.iommu_ready(IommuIndex(1));
        prop_assert_eq!(late.check(), Ok(()));
        prop_assert_eq!(partition(&ready), partition(&late));
    }

    #[test]
    fn what_an_owned_group_refuses_is_placed_when_it_is_released(
        (machine, order) in machines(16).prop_flat_map(shuffled), own_at in 1..10usize,
    ) {
        let order = machine.in_order(&order);
        let mut groups = Groups::without_firmware();
        let mut owned: Vec<(GroupId, BTreeSet<DeviceKey>)> = Vec::new();
        for (n, device) in order.iter().enumerate() {
            if n == own_at {
                owned = groups.groups().map(|group| (group.id(), group.members().collect())).collect();
                for (id, _) in &owned {
                    groups.own(*id).unwrap();
                    prop_assert_eq!(groups.check(), Ok(()));
                }
            }
            groups.add(*device).unwrap();
            for (id, members) in &owned {
                let now: BTreeSet<DeviceKey> = groups.members(*id).collect();
                prop_assert_eq!(&now, members);
            }
        }
        for (id, _) in &owned {
            // Releasing one can let it merge into an older one.
            if groups.group(*id).is_some() {
                groups.release(*id).unwrap();
                prop_assert_eq!(groups.check(), Ok(()));
            }
        }
        let never_owned = add_all(Groups::without_firmware(), &machine.devices);
        prop_assert_eq!(partition(&never_owned), partition(&groups));
    }

    #[test]
    fn changed_acs_takes_effect_in_recompute_only(
        machine in machines(16), which in any::<prop::sample::Index>(), seed in any::<u8>(),
    ) {
        let mut groups = add_all(Groups::new(map(seed)), &machine.devices);
        let before = partition(&groups);
        let mut devices = machine.devices.clone();
        let at = which.index(devices.len());
        devices[at] = devices[at].acs(AcsFlags::ISOLATED);
        groups.update(devices[at]).unwrap();
        prop_assert_eq!(&before, &partition(&groups));
        groups.recompute();
        prop_assert_eq!(groups.check(), Ok(()));
        prop_assert_eq!(partition(&add_all(Groups::new(map(seed)), &devices)), partition(&groups));
        let ids: BTreeSet<GroupId> = groups.groups().map(|group| group.id()).collect();
        groups.recompute();
        prop_assert_eq!(groups.check(), Ok(()));
        prop_assert_eq!(ids, groups.groups().map(|group| group.id()).collect::<BTreeSet<GroupId>>());
    }

    #[test]
    fn what_keeps_a_device_from_standing_alone_is_all_that_does(
        machine in machines(16), policy in policies(), which in any::<prop::sample::Index>(),
    ) {
        // Everybody could isolate, and many do not.
        let could = |device: &Device| match device.facts().acs {
            Fact::Present(acs) => device.acs_control(acs.capability | AcsFlags::ISOLATED, acs.control),
            _ => device.acs_control(AcsFlags::ISOLATED, AcsFlags::NONE),
        };
        let devices: Vec<Device> = machine.devices.iter().map(could).collect();
        let mut groups = add_all(bare(policy), &devices);
        let key = devices[which.index(devices.len())].key();
        let alone = |groups: &Groups| groups.members(groups.group_of(key).unwrap()).count() == 1;
        let found = groups.isolation_blockers(key);
        prop_assert_eq!(alone(&groups), found.is_empty(), "{:?}", found);
        let mut curable = true;
        for hindrance in &found {
            let device = devices.iter().find(|device| device.key() == hindrance.by).unwrap();
            let acs = *device.facts().acs.present().unwrap();
            match hindrance.remedy {
                Remedy::Enable(bits) => {
                    let cured = device.acs_control(acs.capability | bits, acs.control | bits | AcsFlags::ISOLATED);
                    groups.update(cured).unwrap();
                }
                _ => curable = false,
            }
        }
        groups.recompute();
        prop_assert_eq!(groups.check(), Ok(()));
        prop_assert!(!curable || alone(&groups), "{:?}", groups.isolation_blockers(key));
    }

    #[test]
    fn strict_is_never_finer_than_linux(machine in machines(24)) {
        let linux = add_all(bare(Policy::Linux), &machine.devices);
        let strict = add_all(bare(Policy::Strict), &machine.devices);
        prop_assert!(is_coarsening(&partition(&linux), &partition(&strict)));
    }

    #[test]
    fn linux_search_from_the_root_down_finds_the_closure(machine in honest_machines(24)) {
        let groups = add_all(bare(Policy::Linux), &machine.devices);
        let mut order: Vec<Bdf> = machine.devices.iter().map(machine::bdf_of).collect();
        order.sort();
        let turn = |device| Event::Turn { device, scanned_late: false };
        let turns: Vec<Event> = order.into_iter().map(turn).collect();
        let world = World::of(&groups);
        let searched = world.play(Algorithm::DeviceAdd, &turns).groups;
        let closed = world.play(Algorithm::Closure, &turns).groups;
        prop_assert_eq!(&searched, &closed);
        let ours: Vec<Vec<DeviceKey>> = partition(&groups).into_iter().collect();
        let theirs: Vec<Vec<DeviceKey>> =
            searched.into_iter().map(|set| set.into_iter().map(DeviceKey::from).collect()).collect();
        prop_assert_eq!(ours, theirs);
    }
}

proptest! {
    #![proptest_config(random(20, 60))]

    #[test]
    fn every_order_of_up_to_five_functions_gives_one_partition(machine in machines(5), seed in any::<u8>()) {
        let orders = all_orders(&machine.devices);
        let expected = partition(&add_all(Groups::new(map(seed)), &machine.devices));
        for order in orders {
            prop_assert_eq!(&expected, &partition(&add_all(Groups::new(map(seed)), &order)));
        }
    }
}
