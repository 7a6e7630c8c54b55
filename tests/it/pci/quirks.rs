//! Every row of the quirk tables by itself (linux drivers/pci/quirks.c).

use fwspec::pci::quirk::{self, AliasEffect};
use fwspec::pci::{Acs, AcsReason, Fact, Function, Ids, PortType, Surroundings, Topology, acs};
use fwspec::{AcsFlags, Bdf, RequesterId, Segment};
use std::collections::BTreeSet;

fn ids(text: &str) -> Vec<u16> {
    text.split_whitespace()
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let hex = |digits| u16::from_str_radix(digits, 16).unwrap();
            hex(first)..=hex(last)
        })
        .collect()
}

fn named(vendor: u16, device: u16, port: PortType) -> Function {
    Function::endpoint().ids(vendor, device).port_type(port)
}

/// Whether a function of a multifunction slot without ACS capability isolates, and whether a row said so.
fn verdict(function: &Function, around: Surroundings) -> (bool, bool) {
    let verdict = acs::enabled(function, AcsFlags::ISOLATED, around);
    (verdict.isolates, matches!(verdict.reason, AcsReason::Quirk(_)))
}

const MULTIFUNCTION: Surroundings =
    Surroundings { multifunction: true, root_bus: false, ivrs: false, intel_pch: false };

/// Rows that take any function of the named devices for isolating, whatever its type.
const ISOLATED: &[(u16, &str)] = &[
    (0x1924, "0903 0923 0a03"),
    (
        0x8086,
        "10c6 10db 10dd 10e1 10f1 10f7 10f8 10f9 10fa 10fb 10fc 1507 1514 151c 1529 152a 154d 154f 1551 1558",
    ),
    (0x8086, "1509 150e 150f 1510 1511 1516 1527"),
    (0x8086, "10c9 10e6 10e7 10e8 150a 150d 1518 1526"),
    (0x8086, "10a7 10a9 10d6 1521 1522 1523 1524 105e 105f 1060 10d9 15b7 15b8"),
    (0x17cb, "0400 0401 0115 0111 0120"),
    (0x1dbf, "0401"),
    (0x19a2, "0710"),
    (0x10df, "0720"),
    (0x177d, "a026 a059 a060"),
    (0x10e8, "e004"),
    (0x1def, "e005-e00c"),
    (0x14e4, "16d7 1750 1751 1752 1760 1761 1762 1763 d714"),
    (0x0014, "3c09 3c19 3c29 7a09 7a19 7a29 7a39 7a49 7a59 7a69"),
    (0x1d17, "3038 3104 9083"),
    (0x1957, "8d80-8d83 8d88-8d8b 8d90-8d93 8d98-8d9b 8da0 8da1 8da8 8da9 8db0 8db1 8db8 8db9"),
    (0x8088, "0100-010f 1001 2001 5010 5025 5040 5110 5125 5140"),
];

#[test]
fn rows_without_a_condition_isolate() {
    let mut count = 0;
    for (vendor, devices) in ISOLATED {
        for device in ids(devices) {
            let function = named(*vendor, device, PortType::Endpoint);
            assert_eq!(verdict(&function, MULTIFUNCTION), (true, true), "{vendor:04x}:{device:04x}");
            count += 1;
        }
    }
    println!("{count} devices");
}

/// `pci_quirk_mf_endpoint_acs` takes more for enabled than the quirks of root ports do; neither takes egress control.
#[test]
fn each_row_takes_its_own_bits_for_enabled() {
    use fwspec::pci::quirk::AcsEffect;
    let (mut several, mut ports) = (0, 0);
    for row in quirk::ACS {
        let extra = match row.effect {
            AcsEffect::Multifunction => (AcsFlags::TB | AcsFlags::DT, true),
            AcsEffect::RootPort | AcsEffect::RootPortOnly | AcsEffect::RcEndpoint => (AcsFlags::NONE, false),
            _ => continue,
        };
        let port = match row.effect {
            AcsEffect::RcEndpoint => PortType::RcEndpoint,
            AcsEffect::Multifunction => PortType::Endpoint,
            _ => PortType::RootPort,
        };
        // A device of the row for which no row before it speaks.
        let mut devices = row.devices.iter().flat_map(|(first, last)| *first..=*last);
        let function = devices.find_map(|device| {
            let function = named(row.vendor, device, port);
            let verdict = acs::enabled(&function, AcsFlags::RR, MULTIFUNCTION);
            (verdict.reason == AcsReason::Quirk(row)).then_some(function)
        });
        let function = function.unwrap_or_else(|| panic!("{}: nobody gets here", row.citation));
        for bit in (0..7).map(|bit| AcsFlags(1 << bit)) {
            let expected = (AcsFlags::ISOLATED | extra.0).contains(bit);
            let verdict = acs::enabled(&function, bit, MULTIFUNCTION);
            assert_eq!(
                (verdict.isolates, verdict.reason),
                (expected, AcsReason::Quirk(row)),
                "{bit}: {}",
                row.citation
            );
        }
        if extra.1 { several += 1 } else { ports += 1 }
    }
    println!("{several} rows of multifunction endpoints, {ports} of ports");
    assert!(several >= 11 && ports >= 9);
}

#[test]
fn no_device_outside_the_table_is_named() {
    // Vendors of which the table names single devices, and neighbours of those that it does not name.
    for (vendor, devices) in [
        (0x1924, "0902 0a04"),
        (0x8086, "10c5 1559 1525 150b"),
        (0x17cb, "0402 0110"),
        (0x1def, "e004 e00d"),
        (0x1957, "8d84 8d87 8d8c 8da2 8dba"),
        (0x177d, "9fff a800"),
        (0x1957, "8d7f"),
    ] {
        for device in ids(devices) {
            let function = named(vendor, device, PortType::RootPort);
            assert_eq!(verdict(&function, MULTIFUNCTION), (false, false), "{vendor:04x}:{device:04x}");
        }
    }
}

#[test]
fn intel_integrated_endpoints_isolate_and_other_intel_functions_are_judged_by_their_bits() {
    let device = 0x1234;
    assert_eq!(verdict(&named(0x8086, device, PortType::RcEndpoint), MULTIFUNCTION), (true, true));
    assert_eq!(verdict(&named(0x8086, device, PortType::Endpoint), MULTIFUNCTION), (false, false));
}

#[test]
fn intel_chipset_ports_isolate_where_the_chipset_is_switched_to_it() {
    let list = "3b42-3b51 1c10-1c1f 1e10-1e1f 8c10-8c1f 9c10-9c1b 9c90-9c9b 1d10 1d12 1d14 1d16 1d18 1d1a 1d1c 1d1e \
        8d10-8d1e 8c90 8c92 8c94 8c96 8c98 8c9a 8c9c 8c9e";
    for device in ids(list) {
        let port = named(0x8086, device, PortType::RootPort);
        assert_eq!(verdict(&port, MULTIFUNCTION), (false, true), "{device:04x}");
        let on = Surroundings { intel_pch: true, ..MULTIFUNCTION };
        assert_eq!(verdict(&port, on), (true, true), "{device:04x}");
        assert_eq!(verdict(&named(0x8086, device, PortType::Endpoint), on), (false, false));
    }
}

#[test]
fn sunrise_point_ports_have_their_control_bits_in_the_next_dword() {
    for device in ids("a110-a11f a167-a16a a290-a29f a2e7-a2ee 9d10-9d1b") {
        let mut port = named(0x8086, device, PortType::RootPort);
        assert_eq!(verdict(&port, MULTIFUNCTION), (false, false), "no capability, no opinion");
        let mut acs = Acs::new(AcsFlags(0x1d), AcsFlags::NONE);
        acs.next_dword = Some(0x1d);
        port.acs = Fact::Present(acs);
        assert_eq!(verdict(&port, MULTIFUNCTION), (true, true), "{device:04x}");
        port.acs = Fact::Present(Acs::new(AcsFlags(0x1d), AcsFlags::ISOLATED));
        assert_eq!(verdict(&port, MULTIFUNCTION), (false, true), "{device:04x}");
    }
}

#[test]
fn cavium_and_annapurna_speak_for_root_ports_only() {
    for (vendor, devices) in [(0x177d, "a000 a7ff af84 b884"), (0x1c36, "0031")] {
        for device in ids(devices) {
            assert_eq!(verdict(&named(vendor, device, PortType::RootPort), MULTIFUNCTION), (true, true));
            assert_eq!(verdict(&named(vendor, device, PortType::Endpoint), MULTIFUNCTION), (false, false));
        }
    }
}

#[test]
fn zhaoxin_ports_that_are_not_listed_do_not_isolate() {
    for port in [PortType::RootPort, PortType::DownstreamPort] {
        for device in ids("0710-071e 0721 0723-0752") {
            assert_eq!(verdict(&named(0x1d17, device, port), MULTIFUNCTION), (true, true));
        }
        let mut other = named(0x1d17, 0x0720, port);
        other.acs = Fact::Present(Acs::new(AcsFlags::ISOLATED, AcsFlags::ISOLATED));
        assert_eq!(verdict(&other, MULTIFUNCTION), (false, true), "whatever its bits say");
    }
    assert_eq!(verdict(&named(0x1d17, 0x0710, PortType::Endpoint), MULTIFUNCTION), (false, false));
}

#[test]
fn wangxun_adapters_that_are_not_listed_do_not_isolate() {
    let single = Surroundings::default();
    assert_eq!(verdict(&named(0x8088, 0x0110, PortType::Endpoint), single), (false, true));
}

#[test]
fn amd_southbridges_isolate_on_the_root_bus_of_a_machine_with_ivrs() {
    for (vendor, devices) in [(0x1002, "4385 439c 4383 439d 4384 4399"), (0x1022, "780f 7809")] {
        for device in ids(devices) {
            let mut function = named(vendor, device, PortType::Endpoint);
            function.pcie = Fact::Absent;
            let here = Surroundings { multifunction: true, root_bus: true, ivrs: true, intel_pch: false };
            assert_eq!(verdict(&function, here), (true, true));
            for other in [
                Surroundings { multifunction: false, ..here },
                Surroundings { root_bus: false, ..here },
                Surroundings { ivrs: false, ..here },
            ] {
                assert_eq!(verdict(&function, other), (false, false));
            }
        }
    }
}

#[test]
fn idt_switches_need_no_source_validation() {
    for device in [0x80b5, 0x8090] {
        let mut port = named(0x111d, device, PortType::DownstreamPort);
        let without = AcsFlags::RR | AcsFlags::CR | AcsFlags::UF;
        port.acs = Fact::Present(Acs::new(AcsFlags::ISOLATED, without));
        assert!(acs::enabled(&port, AcsFlags::ISOLATED, MULTIFUNCTION).isolates);
        port.device = 0x80b6;
        let verdict = acs::enabled(&port, AcsFlags::ISOLATED, MULTIFUNCTION);
        assert_eq!(verdict.reason, AcsReason::Missing(AcsFlags::SV));
    }
}

#[test]
fn the_first_row_with_an_opinion_decides() {
    // 8086:10c9 as an integrated endpoint: its own row comes before that for all Intel.
    let function = named(0x8086, 0x10c9, PortType::RcEndpoint);
    let AcsReason::Quirk(row) = acs::enabled(&function, AcsFlags::ISOLATED, MULTIFUNCTION).reason else {
        panic!("no row");
    };
    assert!(row.citation.contains("82576"));
    assert!(quirk::ACS.iter().filter(|row| row.names(&function)).count() > 1);
}

fn at(bus: u8, slot: u8, function: u8) -> Bdf {
    Bdf::new(Segment(0), bus, slot, function)
}

/// The aliases of a function on a root bus, its own requester ID included.
fn aliases(bdf: Bdf, function: Function) -> Vec<RequesterId> {
    let mut tree = Topology::default();
    tree.insert(bdf, function, None).unwrap();
    tree.aliases(bdf).map(|alias| alias.rid).collect()
}

#[test]
fn functions_that_pose_as_function_0_or_1_of_their_slot() {
    let rows = [
        (0u8, 0x1180, "e832 e476"),
        (0, 0x6766, "3d40 3d41"),
        (1, 0x1b4b, "9120 9123 9125 9128 9130 9170 9172 917a 9182 9183 91a0 9215 9220 9230 9235"),
        (1, 0x1103, "0642 0645"),
        (1, 0x197b, "2392"),
        (1, 0x1c28, "0122"),
    ];
    for (posed, vendor, devices) in rows {
        for device in ids(devices) {
            let function = named(vendor, device, PortType::Endpoint);
            assert_eq!(aliases(at(0, 3, 2), function), [at(0, 3, 2).rid, at(0, 3, posed).rid]);
            assert_eq!(aliases(at(0, 3, posed), function), [at(0, 3, posed).rid]);
        }
    }
}

#[test]
fn the_adaptec_alias_is_for_two_subsystems() {
    let mut raid = named(0x9005, 0x0285, PortType::Endpoint);
    for device in [0x02bb, 0x02bc] {
        raid.subsystem = Some(Ids { vendor: 0x9005, device });
        assert_eq!(aliases(at(0, 0xe, 0), raid), [at(0, 0xe, 0).rid, at(0, 1, 0).rid]);
    }
    raid.subsystem = Some(Ids { vendor: 0x9005, device: 0x02bd });
    assert_eq!(aliases(at(0, 0xe, 0), raid), [at(0, 0xe, 0).rid]);
}

#[test]
fn functions_with_many_aliases() {
    for device in [0x2260, 0x2264] {
        let posed = [at(0, 0, 0), at(0, 0x10, 0), at(0, 0x11, 0), at(0, 0x12, 3)].map(|bdf| bdf.rid);
        assert_eq!(aliases(at(0, 0, 0), named(0x8086, device, PortType::Endpoint)), posed);
    }
    for device in ids("2954 2955 2956 2958 2959 295a") {
        let found = aliases(at(0, 0, 0), named(0x8086, device, PortType::Endpoint));
        let expected = (0..32).flat_map(|slot| (0..5).map(move |function| at(0, slot, function).rid));
        let expected: Vec<RequesterId> = [at(0, 0, 0).rid].into_iter().chain(expected).collect();
        assert_eq!(found, expected);
    }
    for device in [0x87b0, 0x87b1] {
        let found: BTreeSet<RequesterId> =
            aliases(at(0, 0, 0), named(0x10b5, device, PortType::Endpoint)).into_iter().collect();
        assert_eq!(found.len(), 256);
    }
}

#[test]
fn switchtec_aliases_are_known_at_run_time_only() {
    let list = "8531-8536 8541-8546 8551-8556 8561-8566 8571-8576 4000 4084 4068 4052 4036 4028 4100 4184 4168 4152 4136 \
        4128 4200 4284 4268 4252 4236 4228 4352 4336 4328 4452 4436 4428 4552 4536 4528 5000 5084 5068 5052 5036 5028 \
        5100 5184 5168 5152 5136 5128 5200 5284 5268 5252 5236 5228 5300 5384 5368 5352 5336 5328 5400 5484 5468 5452 \
        5436 5428 5500 5584 5568 5552 5536 5528";
    for (vendor, device) in ids(list)
        .into_iter()
        .map(|id| (0x11f8, id))
        .chain(ids("1001-1006 1008").into_iter().map(|id| (0x1055, id)))
    {
        let mut ntb = named(vendor, device, PortType::Endpoint);
        assert_eq!(quirk::alias(&ntb), None, "class 0680 only");
        ntb.class = 0x06_80_00;
        assert_eq!(quirk::alias(&ntb).unwrap().effect, AliasEffect::Dynamic, "{vendor:04x}:{device:04x}");
        assert_eq!(aliases(at(0, 1, 0), ntb), [at(0, 1, 0).rid]);
    }
}

/// A card at 05:03.0 below a bridge at 04:00.0, which is below a port at 00:01.0 or on the root bus.
fn behind(bridge: Function, below: Option<PortType>) -> Vec<RequesterId> {
    let mut tree = Topology::default();
    if let Some(port) = below {
        tree.insert(at(0, 1, 0), Function::port(port, 4, 5), None).unwrap();
    } else {
        tree.declare_root(Segment(0), 4);
    }
    tree.insert(at(4, 0, 0), bridge, None).unwrap();
    tree.insert(at(5, 3, 0), Function::endpoint().conventional(), None).unwrap();
    tree.aliases(at(5, 3, 0)).map(|alias| alias.rid).collect()
}

const CARD: RequesterId = RequesterId::new(5, 3, 0);
const SECONDARY: RequesterId = RequesterId::new(5, 0, 0);
const BRIDGE: RequesterId = RequesterId::new(4, 0, 0);

#[test]
fn what_bridges_add() {
    let port = Some(PortType::RootPort);
    let bridge = |kind| Function::port(kind, 5, 5);
    assert_eq!(behind(bridge(PortType::PcieToPci), port), [CARD, SECONDARY]);
    assert_eq!(behind(bridge(PortType::PciToPcie), port), [CARD, BRIDGE]);
    assert_eq!(behind(bridge(PortType::DownstreamPort), port), [CARD]);
    let conventional = bridge(PortType::RootPort).conventional();
    assert_eq!(behind(conventional, port), [CARD, BRIDGE]);
}

#[test]
fn conventional_bridges_that_tag_like_pcie_bridges_do_so_below_ports_only() {
    for (vendor, devices) in [(0x1b21, "1080"), (0x10e3, "8113"), (0x1283, "8892 8893"), (0x8086, "244e")] {
        for device in ids(devices) {
            let port = Function::port(PortType::RootPort, 5, 5);
            let bridge = port.ids(vendor, device).conventional();
            assert_eq!(behind(bridge, Some(PortType::RootPort)), [CARD, SECONDARY]);
            assert_eq!(behind(bridge, None), [CARD, BRIDGE], "on a root bus");
            let below_bridge = behind(bridge, Some(PortType::PcieToPci));
            assert_eq!(below_bridge, [CARD, BRIDGE, RequesterId::new(4, 0, 0)], "below a PCIe-to-PCI bridge");
        }
    }
}

#[test]
fn the_walk_ends_below_a_translation_root() {
    for device in [0x9000, 0x9084] {
        let bridge = Function::port(PortType::PcieToPci, 5, 5).ids(0x14e4, device);
        assert_eq!(behind(bridge, Some(PortType::PcieToPci)), [CARD]);
    }
}

#[test]
fn the_aspeed_bridge_adds_nothing_but_isolates_nothing_either() {
    let bridge = Function::port(PortType::PcieToPci, 5, 5).ids(0x1a03, 0x1150);
    assert_eq!(behind(bridge, Some(PortType::RootPort)), [CARD]);
    assert!(!acs::enabled(&bridge, AcsFlags::ISOLATED, Surroundings::default()).isolates);
    assert_eq!(quirk::alias(&bridge).unwrap().since, Some("7.2"));
}
