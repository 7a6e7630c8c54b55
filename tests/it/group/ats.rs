//! Who may use ATS, by each kind of table, and who may be given to a user.

use fwspec::acpi::dmar::{Builder as DmarBuilder, Dmar};
use fwspec::acpi::ivrs::{Builder as IvrsBuilder, Ivrs};
use fwspec::answer::{Assignable, Explained, GroupsDocument};
use fwspec::group::AtsReason;
use fwspec::machine::Firmware;
use fwspec::pci::{Function, PortType};
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Device, Dialect, Groups, IdMap, NoStream, Platform, RequesterId};

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// Two root ports, a function below the first, a bridge to conventional PCI with a card below the second, and two functions on the root bus.
fn machine(platform: &Platform) -> Groups {
    let mut groups = Groups::new(IdMap::build(platform, Dialect::LINUX));
    let bridge = Function::port(PortType::PcieToPci, 3, 3);
    for device in [
        Device::root_port(bdf("00:01.0"), 1..=1),
        Device::root_port(bdf("00:02.0"), 2..=3),
        Device::endpoint(bdf("00:14.0")),
        Device::endpoint(bdf("00:15.0")),
        Device::endpoint(bdf("01:00.0")),
        Device::function(bdf("02:00.0"), bridge),
        Device::endpoint(bdf("03:01.0")),
    ] {
        groups.add(device).unwrap();
    }
    groups.settle();
    groups
}

/// linux drivers/iommu/intel/iommu.c `dmar_ats_supported`
#[test]
fn a_dmar_lets_functions_use_ats_by_their_root_port_or_by_themselves() {
    let mut table = DmarBuilder::new(46);
    table.unit(0, 0xfed9_0000).include_all();
    table.ats_ports(0).bridge(0, [(1, 0)]).bridge(0, [(2, 0)]);
    table.ats_ports(1);
    let bytes = table.finish();
    let platform = Dmar::parse(&bytes).unwrap().platform();
    let groups = machine(&platform);
    let ats = |function: &str| groups.ats_of(&platform, bdf(function)).map(|ats| (ats.allowed, ats.reason));
    assert_eq!(ats("01:00.0"), Some((true, AtsReason::Port)));
    assert_eq!(ats("00:14.0"), Some((true, AtsReason::Integrated)));
    assert_eq!(ats("03:01.0"), Some((false, AtsReason::Conventional)));
    assert_eq!(ats("02:00.0"), Some((true, AtsReason::Port)));
    // A SATC that names the function decides before all else; one that requires the cache leaves it to the hardware.
    let flags = |required: u8| {
        let mut table = DmarBuilder::new(46);
        table.unit(0, 0xfed9_0000).include_all();
        table.structure(5, &[required, 0, 0, 0]).endpoint(0, [(0x14, 0)]);
        let bytes = table.finish();
        let platform = Dmar::parse(&bytes).unwrap().platform();
        machine(&platform).ats_of(&platform, bdf("00:14.0")).map(|ats| (ats.allowed, ats.reason))
    };
    assert_eq!([flags(0), flags(1)], [Some((true, AtsReason::Listed)), Some((false, AtsReason::Required))]);
    // Of another segment's ports, nothing.
    let mut table = DmarBuilder::new(46);
    table.unit(0, 0xfed9_0000).include_all();
    table.ats_ports(1).bridge(0, [(1, 0)]);
    let bytes = table.finish();
    let platform = Dmar::parse(&bytes).unwrap().platform();
    let ats = machine(&platform).ats_of(&platform, bdf("01:00.0")).unwrap();
    assert_eq!((ats.allowed, ats.reason, ats.by), (false, AtsReason::NoPort, None));
    assert_eq!(machine(&platform).ats_of(&platform, bdf("0f:00.0")), None);
}

/// linux drivers/iommu/intel/iommu.c `dmar_parse_one_satc` puts a SATC before those listed earlier, `dmar_iommu_notify_scope_dev` gives a
/// function to the first that names it; `dmar_ats_supported` allows ATS where it meets the root bus without a root port.
#[test]
fn the_satc_listed_last_decides_and_a_root_bus_without_a_root_port_allows_ats() {
    for (first, last, allowed) in [(0, 1, false), (1, 0, true)] {
        let mut table = DmarBuilder::new(46);
        table.unit(0, 0xfed9_0000).include_all();
        table.structure(5, &[first, 0, 0, 0]).endpoint(0, [(0x14, 0)]);
        table.structure(5, &[last, 0, 0, 0]).endpoint(0, [(0x14, 0)]);
        let bytes = table.finish();
        let platform = Dmar::parse(&bytes).unwrap().platform();
        assert_eq!(machine(&platform).ats_of(&platform, bdf("00:14.0")).unwrap().allowed, allowed);
    }
    let mut table = DmarBuilder::new(46);
    table.unit(0, 0xfed9_0000).include_all();
    let bytes = table.finish();
    let platform = Dmar::parse(&bytes).unwrap().platform();
    let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
    groups.add(Device::port(bdf("00:03.0"), PortType::UpstreamPort, 1..=2)).unwrap();
    groups.add(Device::port(bdf("01:00.0"), PortType::DownstreamPort, 2..=2)).unwrap();
    groups.add(Device::endpoint(bdf("02:00.0"))).unwrap();
    groups.settle();
    let ats = groups.ats_of(&platform, bdf("02:00.0")).unwrap();
    assert_eq!((ats.allowed, ats.reason), (true, AtsReason::Integrated));
}

/// linux drivers/iommu/intel/dmar.c `dmar_insert_dev_scope` takes a function by the first scope of a record that names it, and looks at its
/// type only then; `dmar_iommu_notify_scope_dev` asks every RMRR, ATSRs until one has the function, and no ATSR for all ports.
#[test]
fn a_scope_of_the_wrong_type_counts_where_linux_looks_at_it() {
    let given_up = |say: fn(&mut DmarBuilder)| {
        let mut table = DmarBuilder::new(46);
        table.unit(0, 0xfed9_0000).include_all();
        say(&mut table);
        let bytes = table.finish();
        let platform = Dmar::parse(&bytes).unwrap().platform();
        machine(&platform).group_of(bdf("00:14.0").into()).is_none()
    };
    assert!(given_up(|t| _ = t.memory(0, 0x1000_0000..=0x1000_0fff).endpoint(0, [(1, 0)])));
    assert!(!given_up(
        |t| _ = t.memory(0, 0x1000_0000..=0x1000_0fff).bridge(0, [(1, 0)]).endpoint(0, [(1, 0)])
    ));
    assert!(given_up(
        |t| _ = t.memory(0, 0x1000_0000..=0x1000_0fff).endpoint(0, [(1, 0)]).bridge(0, [(1, 0)])
    ));
    assert!(given_up(|t| {
        t.memory(0, 0x1000_0000..=0x1000_0fff).bridge(0, [(1, 0)]);
        t.memory(0, 0x1000_0000..=0x1000_0fff).endpoint(0, [(1, 0)]);
    }));
    // The ATSR listed last is asked first.
    assert!(given_up(|t| {
        t.ats_ports(0).bridge(0, [(1, 0)]);
        t.ats_ports(0).endpoint(0, [(1, 0)]);
    }));
    assert!(!given_up(|t| {
        t.ats_ports(0).endpoint(0, [(1, 0)]);
        t.ats_ports(0).bridge(0, [(1, 0)]);
    }));
    assert!(!given_up(|t| _ = t.ats_ports(0).include_all().endpoint(0, [(1, 0)])));
    // A SATC is asked whatever the ATSRs have.
    assert!(given_up(|t| {
        t.ats_ports(0).bridge(0, [(1, 0)]);
        t.translation_caches(0).endpoint(0, [(1, 0)]);
    }));
}

/// Bit 31 of the extended data, of the entry that decides.
#[test]
fn an_ivrs_entry_forbids_ats_and_a_later_one_lifts_it() {
    let mut table = IvrsBuilder::new();
    table
        .unit(0x10, 0, RequesterId(0x10), 0xfeb8_0000)
        .range(0x8..=0x3ff)
        .extended(0x100, 1 << 31)
        .extended(0xa0, 1 << 31)
        .select(0xa0);
    let bytes = table.finish();
    let platform = Ivrs::parse(&bytes).unwrap().platform();
    let groups = machine(&platform);
    let ats = |function: &str| groups.ats_of(&platform, bdf(function)).map(|ats| (ats.allowed, ats.reason));
    assert_eq!(ats("01:00.0"), Some((false, AtsReason::Denied)));
    assert_eq!(ats("00:14.0"), Some((true, AtsReason::NotDenied)));
    assert_eq!(ats("00:15.0"), Some((true, AtsReason::NotDenied)));
    assert_eq!(ats("00:02.0"), None, "the unit itself");
    let document = GroupsDocument::new(&groups, Some(&platform), None, Vec::new());
    let of = |name: &str| document.devices.iter().find(|device| device.device == name).unwrap();
    assert!(!of("0000:01:00.0").ats.as_ref().unwrap().allowed);
    assert_eq!(of("0000:01:00.0").assignable, Assignable::Yes(true));
    assert!(of("0000:00:02.0").assignable.why_not().unwrap().contains("IOMMU"));
    assert!(of("0000:00:01.0").assignable.why_not().unwrap().contains("bridge"));
}

/// linux drivers/iommu/amd/iommu.c `setup_aliases`: an alias on the function's own bus joins its alias mask.
#[test]
fn functions_that_an_ivrs_ties_are_torn_by_no_order() {
    let mut table = IvrsBuilder::new();
    table.unit(0x10, 0, RequesterId(0xf0), 0xfeb8_0000).range(0x8..=0x3ff).alias(0xa0, 0xa8);
    let bytes = table.finish();
    let platform = Ivrs::parse(&bytes).unwrap().platform();
    let groups = machine(&platform);
    let pair = vec![bdf("00:14.0"), bdf("00:15.0")];
    assert_eq!(groups.group_of(pair[0].into()), groups.group_of(pair[1].into()));
    let world = World::of(&groups);
    assert!(world.closure(pair.iter().copied()) == [pair.clone()]);
    let turn = |device: &Bdf| Event::Turn { device: *device, scanned_late: false };
    for order in [vec![0, 1], vec![1, 0]] {
        let turns: Vec<Event> = order.into_iter().map(|at: usize| turn(&pair[at])).collect();
        for algorithm in [Algorithm::DeviceAdd, Algorithm::DeviceAddRace, Algorithm::Closure] {
            assert_eq!(world.play(algorithm, &turns).groups, std::slice::from_ref(&pair), "{algorithm:?}");
        }
    }
    assert_eq!(world.breaking(Algorithm::Closure).schedule, None);
    let firmware = Firmware::open("ivrs.bin", bytes.clone()).unwrap();
    let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
    let answer = Explained::all("00:14.0", &firmware, &maps, Some(&groups)).unwrap().remove(0);
    assert!(answer.found());
    let of: Vec<&str> = answer.ways.iter().filter_map(|way| way.of.as_deref()).collect();
    assert!(of[0].starts_with("sends as 0xa8 (0000:00:15.0), according to the entry at IVRS+0x"), "{of:?}");
    let says = &answer.ways[0].hops.last().unwrap().record.as_ref().unwrap().says;
    assert!(says.starts_with("entry with an alias: "), "{says}");
}

/// Every hop: the bridges, the scope with its offset and path, the unit.
#[test]
fn a_function_is_explained_by_the_scopes_of_a_dmar() {
    let mut table = DmarBuilder::new(46);
    table.unit(0, 0xfed9_0000).endpoint(0, [(1, 0), (0, 0)]).bridge(0, [(2, 0)]);
    table.unit(0, 0xfed9_1000).include_all();
    let firmware = Firmware::open("dmar.bin", table.finish()).unwrap();
    let groups = machine(&firmware.platform);
    let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
    let told = |query: &str| {
        let answer = Explained::all(query, &firmware, &maps, Some(&groups)).unwrap().remove(0);
        assert!(answer.found(), "{query}");
        answer.ways
    };
    let record =
        |ways: &[fwspec::answer::WayRecord]| ways[0].hops.iter().find_map(|hop| hop.record.clone()).unwrap();
    let ways = told("01:00.0");
    let scope = record(&ways);
    assert_eq!((scope.place.as_str(), scope.offset), ("DMAR+0x40", 0x40));
    assert_eq!(scope.says, "start bus 0x00, path 00:01.0/00.0: that function");
    assert_eq!(scope.arithmetic, "01.0 is 0000:00:01.0, then 00.0 is 0000:01:00.0");
    let hops: Vec<&str> = ways[0].hops.iter().map(|hop| hop.at.as_str()).collect();
    assert_eq!(
        hops[1..],
        [
            "below the bridge 0000:00:01.0",
            "device scope endpoint of the unit DMAR+0x30",
            "vt-d DMAR+0x30 at 0xfed90000"
        ]
    );
    // Below a bridge that a scope names; its aliases go along.
    let ways = told("03:01.0");
    assert_eq!(
        (record(&ways).place.as_str(), record(&ways).says.as_str()),
        ("DMAR+0x4a", "start bus 0x00, path 00:02.0: that bridge and everything below it")
    );
    assert!(
        ways[1].of.as_deref().unwrap().starts_with("also sends as 0x300, an alias because of 0000:02:00.0"),
        "{ways:?}"
    );
    // The rest.
    let rest = record(&told("00:14.0"));
    assert!(rest.place == "DMAR+0x52" && rest.says.starts_with("INCLUDE_PCI_ALL"), "{rest:?}");
    // Nothing is for it.
    let mut table = DmarBuilder::new(46);
    table.unit(0, 0xfed9_0000).endpoint(0, [(0x14, 0)]);
    let firmware = Firmware::open("dmar.bin", table.finish()).unwrap();
    let groups = machine(&firmware.platform);
    let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
    let answer = Explained::all("01:00.0", &firmware, &maps, Some(&groups)).unwrap().remove(0);
    assert!(!answer.found());
    assert!(answer.ways[0].reason.as_deref().unwrap().starts_with("untranslated: no device scope names it"));
}

/// linux drivers/iommu/amd/init.c `init_iommu_one`: an IOMMU does not translate itself. What no record calls an IOMMU is a function as any
/// other, whatever its class is.
#[test]
fn without_firmware_a_function_of_the_class_of_iommus_has_no_group() {
    let class = |class| {
        let mut function = Function::endpoint();
        function.class = class;
        function
    };
    let [iommu, nic] = ["00:00.2", "00:03.0"].map(bdf);
    let machine = |groups: &mut Groups| {
        groups.add(Device::function(iommu, class(0x08_06_00))).unwrap();
        groups.add(Device::function(nic, class(0x02_00_00))).unwrap();
    };
    let mut groups = Groups::without_firmware();
    machine(&mut groups);
    assert_eq!(
        (groups.group_of(iommu.into()), groups.why_none(iommu.into())),
        (None, Some(NoStream::Itself))
    );
    assert!(groups.group_of(nic.into()).is_some());
    groups.recompute();
    assert!(groups.group_of(iommu.into()).is_none() && groups.group_of(nic.into()).is_some());
    groups.remove(iommu.into()).unwrap();
    for (own, translated) in [(2, false), (0x400, true)] {
        let mut table = IvrsBuilder::new();
        table.unit(0x10, 0, RequesterId(own), 0xfeb8_0000).all();
        let bytes = table.finish();
        let platform = Ivrs::parse(&bytes).unwrap().platform();
        let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
        machine(&mut groups);
        assert_eq!(groups.group_of(iommu.into()).is_some(), translated);
    }
}
