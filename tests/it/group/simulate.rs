//! The probe-order world on the board of 2020: how each idea of that thread fails, and what an order can say.

use crate::support::cases::random;

use proptest::prelude::*;

use fwspec::machine::{Firmware, devices, lspci, schedule};
use fwspec::simulate::{Algorithm, Event, Outcome, Play, Wait, What, World};
use fwspec::{Bdf, Device, Dialect, Groups, IdMap, IommuIndex};

const PORT: &str = "000a:10:00.0";
const FUNCTIONS: [&str; 4] = ["000a:11:00.0", "000a:11:00.1", "000a:11:00.2", "000a:11:00.3"];

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn sample(file: &str) -> Vec<u8> {
    std::fs::read(format!("{}/firmware-samples/d05-2020/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn board() -> Groups {
    let firmware = Firmware::open("iort.bin", sample("iort.bin")).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    for device in devices(&lspci::parse(&sample("lspci.txt")).unwrap()).0 {
        groups.add(device).unwrap();
    }
    groups.settle();
    groups
}

/// Plays an order on the board.
fn play(algorithm: Algorithm, order: &str) -> Play {
    let groups = board();
    let events = schedule::parse(order, &groups).unwrap();
    World::of(&groups).play(algorithm, &events)
}

/// The boot of 2020, as the sample tells it.
fn boot() -> String {
    String::from_utf8(sample("boot.txt")).unwrap()
}

/// The groups of the network controller and its port.
fn of_the_nic(play: &Play) -> Vec<Vec<Bdf>> {
    play.groups.iter().filter(|group| group[0].segment == bdf(PORT).segment).cloned().collect()
}

fn one_group() -> Vec<Vec<Bdf>> {
    vec![[PORT].into_iter().chain(FUNCTIONS).map(bdf).collect()]
}

fn all_apart() -> Vec<Vec<Bdf>> {
    [PORT].into_iter().chain(FUNCTIONS).map(|at| vec![bdf(at)]).collect()
}

/// What came of the steps of a kind that a function went through.
fn came(play: &Play, what: What, device: &str) -> Vec<Outcome> {
    let steps = play.steps.iter().filter(|step| step.what == what && step.device == Some(bdf(device)));
    steps.map(|step| step.outcome).collect()
}

#[test]
fn the_boot_of_2020_tore_the_controller_apart_and_would_not_today() {
    let then = play(Algorithm::DriverProbe, &boot());
    assert_eq!(of_the_nic(&then), all_apart());
    assert_eq!(came(&then, What::Probe, PORT), [Outcome::Waits(Wait::Iommu(IommuIndex(1)))]);
    assert!(matches!(came(&then, What::Retry, PORT)[..], [Outcome::New(_)]));
    for algorithm in [Algorithm::DeviceAdd, Algorithm::Closure] {
        assert_eq!(of_the_nic(&play(algorithm, &boot())), one_group(), "{algorithm:?}");
    }
    // With the network driver as a module, loaded when all is up, it was right then, too.
    let module = format!("add all\nready\nprobe {PORT}\nprobe {}\n", FUNCTIONS.join(" "));
    assert_eq!(of_the_nic(&play(Algorithm::DriverProbe, &module)), one_group());
}

/// linux drivers/base/core.c `device_links_check_suppliers`: a consumer is deferred until its supplier's driver is bound.
#[test]
fn device_links_leave_everything_below_a_port_without_a_driver() {
    // They mend that boot …
    assert_eq!(of_the_nic(&play(Algorithm::DeviceLinks, &boot())), one_group());
    // … and cost the controller where the port's driver fails, or does not exist.
    let functions = FUNCTIONS.join(" ");
    for port in [format!("fail {PORT}"), String::new()] {
        let result = play(Algorithm::DeviceLinks, &format!("{port}\nprobe {functions}\n"));
        assert_eq!(result.starved, FUNCTIONS.map(bdf), "{port}");
        assert!(of_the_nic(&result).iter().flatten().all(|member| *member == bdf(PORT)), "{port}");
        let waits = [Outcome::Waits(Wait::Driver(bdf(PORT)))];
        assert_eq!(came(&result, What::Probe, FUNCTIONS[0]), waits);
    }
    // A port whose driver fails has its group all the same: DMA is configured before the driver's probe (`really_probe`).
    let failed = play(Algorithm::DriverProbe, &format!("fail {PORT}\nprobe {functions}\n"));
    assert_eq!(of_the_nic(&failed), one_group());
}

/// linux v5.4 drivers/iommu/arm-smmu-v3.c `arm_smmu_add_device`: no fwspec, no such device.
#[test]
fn replay_on_each_smmu_finds_no_fwspec() {
    let result = play(Algorithm::Replay, &boot());
    assert_eq!(of_the_nic(&result), all_apart());
    for device in [PORT].iter().chain(&FUNCTIONS) {
        assert_eq!(came(&result, What::Walk, device), [Outcome::NoFwspec], "{device}");
    }
    // Each SMMU by itself: the walk at the first does not meet what belongs to the second.
    let apart = boot().replace("ready ", "ready IORT+0x60\nready IORT+0xb8 ");
    let result = play(Algorithm::Replay, &apart);
    assert_eq!(came(&result, What::Walk, PORT), [Outcome::NoFwspec]);
    assert_eq!(of_the_nic(&result), all_apart());
}

#[test]
fn deferring_to_the_port_waits_for_ever_where_the_port_has_no_driver() {
    assert_eq!(of_the_nic(&play(Algorithm::DeferToPort, &boot())), one_group());
    let functions = FUNCTIONS.join(" ");
    let failed = play(Algorithm::DeferToPort, &format!("fail {PORT}\nprobe {functions}\n"));
    assert_eq!((of_the_nic(&failed), failed.starved.len()), (one_group(), 0));
    let without = play(Algorithm::DeferToPort, &format!("probe {functions}\n"));
    assert_eq!(without.starved, FUNCTIONS.map(bdf));
    assert_eq!(came(&without, What::Probe, FUNCTIONS[3]), [Outcome::Waits(Wait::Group(bdf(PORT)))]);
}

/// Groups that are made are never merged: the port can only join one of them.
#[test]
fn looking_down_comes_too_late_for_the_second_function() {
    let result = play(Algorithm::LookDown, &boot());
    let [port, f0, f1, f2, f3] = [PORT, FUNCTIONS[0], FUNCTIONS[1], FUNCTIONS[2], FUNCTIONS[3]].map(bdf);
    assert_eq!(of_the_nic(&result), [vec![port, f0], vec![f1], vec![f2], vec![f3]]);
    // For the single function of the other segment it would do.
    assert!(result.groups.contains(&vec![bdf("0002:20:00.0"), bdf("0002:21:00.0")]));
}

#[test]
fn recursion_asks_for_a_group_for_a_port_whose_firmware_nobody_has_read() {
    let result = play(Algorithm::Recurse, &boot());
    assert_eq!(of_the_nic(&result), all_apart());
    assert_eq!(came(&result, What::Recurse, PORT), [Outcome::NoFwspec; 4]);
}

#[test]
fn every_algorithm_but_the_closure_is_broken_on_some_machine_and_says_why() {
    let board = board();
    // A controller whose second function does not say that it is one of several.
    let mut late = Groups::without_firmware();
    late.add(Device::endpoint(bdf("00:01.0")).multifunction()).unwrap();
    late.add(Device::endpoint(bdf("00:01.1"))).unwrap();
    for algorithm in Algorithm::ALL {
        let found = [&board, &late].map(|groups| World::of(groups).breaking(algorithm));
        let broken = found.iter().any(|search| search.schedule.is_some());
        assert_eq!(broken, algorithm != Algorithm::Closure, "{algorithm:?}");
        assert_eq!(algorithm.flaw().is_some(), algorithm.is_rejected());
        assert_eq!(Algorithm::by_name(algorithm.word()), Some(algorithm));
        for (groups, search) in [&board, &late].into_iter().zip(&found) {
            let Some(events) = &search.schedule else { continue };
            let world = World::of(groups);
            assert!(world.is_broken(&world.play(algorithm, events)));
            assert!(events.len() <= 2, "{algorithm:?} is not cut down: {events:?}");
        }
    }
}

/// `firmware-samples/qemu-hot-add` is the boot that shows it.
#[test]
fn a_function_that_is_taken_away_and_brought_back_is_judged_by_its_own_header() {
    let mut groups = Groups::without_firmware();
    groups.add(Device::endpoint(bdf("00:01.0")).multifunction()).unwrap();
    groups.add(Device::endpoint(bdf("00:01.1"))).unwrap();
    let world = World::of(&groups);
    let play = |order: &str| world.play(Algorithm::DeviceAdd, &schedule::parse(order, &groups).unwrap());
    let [f0, f1] = ["00:01.0", "00:01.1"].map(bdf);
    assert_eq!(play("").groups, [vec![f0, f1]]);
    assert_eq!(play("remove 00:01.1").groups, [vec![f0]]);
    let back = play("remove 00:01.1\nadd 00:01.1");
    assert_eq!(back.groups, [vec![f0], vec![f1]]);
    assert_eq!(came(&back, What::Walk, "00:01.1"), [Outcome::Joins(0)]);
    assert_eq!(came(&back, What::Add, "00:01.1"), [Outcome::New(1)]);
    // Function 0 says that it is one of several, and finds the others.
    assert_eq!(play("remove 00:01.0\nadd 00:01.0").groups, [vec![f0, f1]]);
    let events = schedule::parse("remove 00:01.1\nadd 00:01.1", &groups).unwrap();
    assert_eq!(world.play(Algorithm::Closure, &events).groups, [vec![f0, f1]]);
}

#[test]
fn an_iommu_that_registers_late_changes_nothing_today() {
    for late in ["IORT+0x60", "IORT+0xb8"] {
        let early = if late == "IORT+0x60" { "IORT+0xb8" } else { "IORT+0x60" };
        let order = format!("add all\nready {early}\nprobe all\nready {late}\n");
        let [then, now, ours] = [Algorithm::DriverProbe, Algorithm::DeviceAdd, Algorithm::Closure]
            .map(|algorithm| play(algorithm, &order));
        assert_eq!(now.groups, ours.groups);
        assert_eq!(now.groups.len(), 4);
        // Deferred in bus order, they are probed in bus order.
        assert_eq!(then.groups, ours.groups);
        assert!(then.steps.iter().any(|step| step.what == What::Retry));
    }
    let never = play(Algorithm::DeviceAdd, "add all\nready IORT+0x60\nready IORT+0xb8\nremove 000a:10:00.0");
    assert!(!never.groups.iter().flatten().any(|member| *member == bdf(PORT)));
}

/// A machine of many functions: what is found among them is small.
#[test]
fn a_large_machine_is_searched_and_cut_down() {
    let mut groups = Groups::without_firmware();
    for bus in 1..=128_u8 {
        let port = Bdf::new(fwspec::Segment(0), 0, bus >> 3, bus & 7);
        groups.add(Device::root_port(port, bus..=bus).acs(fwspec::AcsFlags::ISOLATED)).unwrap();
        for function in 0..8 {
            let nic = Device::endpoint(Bdf::new(fwspec::Segment(0), bus, 0, function));
            groups.add(if function == 0 { nic.multifunction() } else { nic }).unwrap();
        }
    }
    let world = World::of(&groups);
    assert_eq!(world.functions().len(), 1152);
    let found = world.breaking(Algorithm::DeviceAdd).schedule.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn an_order_is_understood_or_refused_with_its_line() {
    let groups = board();
    let parse = |text: &str| schedule::parse(text, &groups);
    let log = "[    0.61] pci 000a:11:00.0: Adding to iommu group 3\n\
               [    0.62] arm-smmu-v3 b0040000.iommu: Adding to iommu group 9\n\
               unrelated lines are no orders: # but comments are\n";
    assert_eq!(parse(log).unwrap().len(), 1, "a log has lines about other things");
    let order = "probe all\nunrelated lines are no orders: # but comments are\n";
    assert_eq!(parse(order).unwrap_err().to_string().split(':').next(), Some("line 2"));
    let turns = parse(&log.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(turns, [Event::Turn { device: bdf(FUNCTIONS[0]), scanned_late: false }]);
    assert_eq!(parse("# nothing\n\n").unwrap(), []);
    assert_eq!(parse("probe all").unwrap().len(), 9);
    assert_eq!(
        parse("ready IORT+0xb8 IORT+0x60").unwrap(),
        [Event::Ready(Some(IommuIndex(1))), Event::Ready(Some(IommuIndex(0)))]
    );
    for (wrong, says) in [
        ("frobnicate", "line 1: \"frobnicate\" is neither an event"),
        ("retry\nadd", "line 2: add needs a PCI function"),
        ("probe eth0", "line 1: \"eth0\" is not a PCI function"),
        ("0000:1f:00.0", "line 1: 0000:1f:00.0 is not in the topology"),
        ("ready smmu9", "line 1: \"smmu9\" is not an IOMMU of this machine; it has IORT+0x60, IORT+0xb8"),
    ] {
        let error = parse(wrong).unwrap_err().to_string();
        assert!(error.starts_with(says), "{wrong:?}: {error}");
    }
}

/// Boots in which Linux's groups hung on the order: from what its log says of the order, the groups that it says.
#[test]
fn what_the_log_of_a_kernel_says_is_reproduced() {
    let race = "qemu-riscv-race";
    for (machine, firmware, order, algorithm, late) in [
        ("qemu-no-port-driver", "iort.bin", "order.txt", Algorithm::DriverProbe, false),
        ("qemu-rescan", "fdt.dtb", "order.txt", Algorithm::DeviceAdd, true),
        (race, "rimt.bin", "order-1.txt", Algorithm::DeviceAdd, false),
        (race, "rimt.bin", "order-2.txt", Algorithm::DeviceAdd, false),
        (race, "rimt.bin", "order-3.txt", Algorithm::DeviceAdd, false),
        (race, "rimt.bin", "order-4.txt", Algorithm::DeviceAdd, false),
        (race, "rimt.bin", "order-5.txt", Algorithm::DeviceAdd, false),
    ] {
        let file = |name: &str| {
            std::fs::read(format!("{}/firmware-samples/{machine}/{name}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
        };
        let firmware = Firmware::open(firmware, file(firmware)).unwrap();
        let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
        devices(&lspci::parse(&file("lspci.txt")).unwrap()).0.into_iter().for_each(|device| {
            groups.add(device).unwrap();
        });
        groups.settle();
        let log = String::from_utf8(file(order)).unwrap();
        let mut events = schedule::parse(&log, &groups).unwrap();
        for event in &mut events {
            if let Event::Turn { scanned_late, .. } = event {
                *scanned_late = late;
            }
        }
        let world = World::of(&groups);
        let play = world.play(algorithm, &events);
        assert_eq!(world.is_broken(&play), order != "order-1.txt", "{machine}, {order}");
        // Of several lines about a device the last counts.
        let mut said = std::collections::BTreeMap::new();
        for line in log.lines() {
            let (device, group) = line.split_once(": Adding to iommu group ").unwrap();
            said.insert(bdf(device.split_whitespace().last().unwrap()), group.parse::<usize>().unwrap());
        }
        let of = |group: &Vec<Bdf>| group.iter().map(|device| said[device]).collect::<Vec<_>>();
        let numbers: Vec<Vec<usize>> = play.groups.iter().map(of).collect();
        assert_eq!(play.groups.iter().flatten().count(), said.len());
        assert!(
            numbers.iter().all(|group| group.iter().all(|number| *number == group[0])),
            "{machine}: {numbers:?}"
        );
        let mut all: Vec<usize> = numbers.iter().map(|group| group[0]).collect();
        all.dedup();
        assert_eq!(all.len(), numbers.len(), "{machine}: one group, said by two numbers");
        assert_eq!(world.play(Algorithm::Closure, &events).groups, world.closure(said.keys().copied()));
    }
}

/// The machine of the sample, by its RIMT.
fn racing() -> Groups {
    let file = |name: &str| {
        std::fs::read(format!("{}/firmware-samples/qemu-riscv-race/{name}", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
    };
    let firmware = Firmware::open("rimt.bin", file("rimt.bin")).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    for device in devices(&lspci::parse(&file("lspci.txt")).unwrap()).0 {
        groups.add(device).unwrap();
    }
    groups.settle();
    groups
}

/// linux drivers/iommu/iommu.c: what the scan adds while `bus_iommu_probe` goes on is grouped by `iommu_bus_notifier`, at once.
#[test]
fn an_iommu_that_registers_during_the_scan_tears_groups_apart() {
    let groups = racing();
    let world = World::of(&groups);
    let play = |order: &str| {
        let events = schedule::parse(order, &groups).unwrap();
        world.play(Algorithm::DeviceAddRace, &events)
    };
    let scan = "add 00:00.0 00:01.0 01:00.0 02:00.0 02:01.0 03:00.0 04:00.0 04:00.1\n";
    let names = |play: &Play| -> Vec<String> {
        let group =
            |group: &Vec<Bdf>| group.iter().map(|bdf| bdf.rid.to_string()).collect::<Vec<_>>().join(" ");
        play.groups.iter().map(group).collect()
    };
    let together = ["00:00.0", "00:01.0 01:00.0 02:00.0 02:01.0 03:00.0 04:00.0 04:00.1"];
    // The walk before the scan goes on, or the scan at its end before the walk begins.
    for order in [
        scan.to_string() + "ready\n",
        format!("ready\n{scan}"),
        scan.replace("02:01.0", "\nready\nwalk 02:00.0\nadd 02:01.0"),
    ] {
        let play = play(&order);
        assert_eq!(names(&play), together, "{order}");
        assert!(!world.is_broken(&play), "{order}");
    }
    // The boots that were recorded, by what the two threads did.
    for (order, torn) in [
        (scan.replace("02:00.0", "\nready\nadd 02:00.0\nwalk 01:00.0\nadd"), "02:00.0 03:00.0"),
        (scan.replace("02:01.0", "\nready\nadd 02:01.0\nwalk 02:00.0\nadd"), "02:01.0 04:00.0 04:00.1"),
        (scan.replace("04:00.0", "\nready\nadd 04:00.0"), "04:00.0"),
        (scan.replace("04:00.1", "\nready\nadd 04:00.1"), "04:00.1"),
    ] {
        let play = play(&order);
        assert!(names(&play).contains(&torn.to_string()), "{order}: {:?}", names(&play));
        assert!(world.is_broken(&play), "{order}");
        assert_eq!(
            world.play(Algorithm::Closure, &schedule::parse(&order, &groups).unwrap()).groups,
            world.closure(world.functions().iter().copied())
        );
    }
    let found = world.breaking(Algorithm::DeviceAddRace);
    let events = found.schedule.unwrap();
    assert!(events.len() == 2 && events[0] == Event::Ready(None), "{events:?}");
}

/// linux `iommu_init_device`, `acpi_iommu_configure_id`, `of_iommu_configure`
#[test]
fn a_device_whose_driver_is_matched_when_the_walk_comes_is_lost_by_acpi_alone() {
    let by_table = racing();
    let order = "add all\nready\nprobe 00:01.0\nwalk 00:01.0\n";
    let play = |groups: &Groups, algorithm, order: &str| {
        World::of(groups).play(algorithm, &schedule::parse(order, groups).unwrap())
    };
    let port = bdf("00:01.0");
    let lost = play(&by_table, Algorithm::DeviceAddRace, order);
    assert_eq!(lost.lost, [port]);
    assert_eq!(came(&lost, What::Walk, "00:01.0"), [Outcome::Lost]);
    assert!(
        World::of(&by_table).is_broken(&lost) && !lost.groups.iter().flatten().any(|other| *other == port)
    );
    // Matched a moment earlier or later, or under another algorithm, it is not.
    for other in [
        "add all\nprobe 00:01.0\nready\n",
        "add all\nready\nprobe 00:01.0\nretry\nwalk 00:01.0\n",
        "add all\nready\nwalk all\nprobe all",
    ] {
        assert_eq!(play(&by_table, Algorithm::DeviceAddRace, other).lost, [], "{other}");
    }
    assert_eq!(play(&by_table, Algorithm::DeviceAdd, order).lost, []);
    let mut by_tree = Groups::without_firmware();
    by_table
        .topology()
        .iter()
        .for_each(|(bdf, function)| _ = by_tree.add(Device::function(bdf, function)).unwrap());
    assert_eq!(play(&by_tree, Algorithm::DeviceAddRace, order).lost, []);
    // It leaves, and comes back.
    assert_eq!(
        play(&by_table, Algorithm::DeviceAddRace, &format!("{order}remove 00:01.0\nadd 00:01.0")).lost,
        []
    );
}

proptest! {
    #![proptest_config(random(120, 2_000))]

    /// Words of orders in any order, and any other text.
    #[test]
    fn any_text_is_an_order_or_is_refused(
        words in prop::collection::vec(
            prop_oneof![
                Just("add".to_string()), Just("probe".to_string()), Just("fail".to_string()), Just("ready".to_string()),
                Just("remove".to_string()), Just("retry\n".to_string()), Just("all\n".to_string()), Just("\n".to_string()),
                Just("IORT+0x60".to_string()), Just("000a:10:00.0".to_string()), Just("000a:11:00.1\n".to_string()),
                Just(": Adding to iommu group ".to_string()), any::<String>(),
            ],
            0..24,
        ),
    ) {
        thread_local! {
            static BOARD: Groups = board();
        }
        BOARD.with(|groups| {
            let Ok(events) = schedule::parse(&words.join(" "), groups) else { return };
            let world = World::of(groups);
            for algorithm in Algorithm::ALL {
                let play = world.play(algorithm, &events);
                // Nobody is in two groups, and who is given one is translated.
                let mut members: Vec<Bdf> = play.groups.iter().flatten().copied().collect();
                members.sort();
                members.dedup();
                assert_eq!(members.len(), play.groups.iter().flatten().count());
            }
        });
    }
}
