//! Port types that cannot be where they are, and what Linux makes of them (linux drivers/pci/probe.c `set_pcie_port_type`).

use fwspec::pci::{Fact, Function, PortType, Topology};
use fwspec::{AcsFlags, Bdf, Device, Groups};
use proptest::prelude::*;

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// A root port, and below it a switch of which every port says that it is a downstream port, with two endpoints.
fn switch_of_downstream_ports() -> [Device; 6] {
    use PortType::DownstreamPort;
    [
        Device::root_port(bdf("00:01.0"), 1..=4).acs(AcsFlags::ISOLATED),
        Device::port(bdf("01:00.0"), DownstreamPort, 2..=4),
        Device::port(bdf("02:00.0"), DownstreamPort, 3..=3).acs(AcsFlags::ISOLATED),
        Device::port(bdf("02:01.0"), DownstreamPort, 4..=4).acs(AcsFlags::ISOLATED),
        Device::endpoint(bdf("03:00.0")),
        Device::endpoint(bdf("04:00.0")),
    ]
}

fn type_of(tree: &Topology, function: &str) -> PortType {
    *tree.get(bdf(function)).unwrap().pcie.present().unwrap()
}

proptest! {
    #![proptest_config(crate::support::cases::random(200, 720))]

    #[test]
    fn a_downstream_port_right_below_a_root_port_is_an_upstream_port_in_any_order(
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        leaver in 0_usize..6,
    ) {
        let devices = switch_of_downstream_ports();
        let mut groups = Groups::without_firmware();
        for at in &order {
            groups.add(devices[*at]).unwrap();
        }
        prop_assert_eq!(groups.groups().count(), 6);
        groups.remove(devices[leaver].key()).unwrap();
        groups.add(devices[leaver]).unwrap();
        groups.recompute();
        prop_assert_eq!(groups.groups().count(), 6);
        let ports = ["01:00.0", "02:00.0", "02:01.0"].map(|port| type_of(groups.topology(), port));
        use PortType::{DownstreamPort, UpstreamPort};
        prop_assert_eq!(ports, [UpstreamPort, DownstreamPort, DownstreamPort]);
    }
}

#[test]
fn an_upstream_port_right_below_an_upstream_port_is_a_downstream_port() {
    let mut tree = Topology::default();
    let upstream = |secondary| Function::port(PortType::UpstreamPort, secondary, 9);
    tree.insert(bdf("00:01.0"), Function::port(PortType::RootPort, 1, 9), None).unwrap();
    for (function, secondary) in [("01:00.0", 2), ("02:00.0", 3), ("03:00.0", 4)] {
        tree.insert(bdf(function), upstream(secondary), None).unwrap();
    }
    let types = ["01:00.0", "02:00.0", "03:00.0"].map(|port| type_of(&tree, port));
    assert_eq!(types, [PortType::UpstreamPort, PortType::DownstreamPort, PortType::UpstreamPort]);
    // The type that it said comes back with it, and what it was corrected for is gone from below.
    assert!(tree.remove(bdf("02:00.0")).unwrap().is(PortType::UpstreamPort));
}

#[test]
fn a_port_below_a_bridge_from_conventional_pci_counts_as_below_a_downstream_port() {
    for (above, corrected) in [
        (PortType::RootPort, PortType::UpstreamPort),
        (PortType::DownstreamPort, PortType::UpstreamPort),
        (PortType::PciToPcie, PortType::UpstreamPort),
        (PortType::UpstreamPort, PortType::DownstreamPort),
        (PortType::PcieToPci, PortType::DownstreamPort),
    ] {
        let mut tree = Topology::default();
        tree.insert(bdf("01:00.0"), Function::port(PortType::DownstreamPort, 2, 2), None).unwrap();
        tree.insert(bdf("00:01.0"), Function::port(above, 1, 2), None).unwrap();
        assert_eq!(type_of(&tree, "01:00.0"), corrected, "{above:?}");
    }
    // What else it is has no type to correct.
    let mut tree = Topology::default();
    tree.insert(bdf("00:01.0"), Function::port(PortType::RootPort, 1, 1), None).unwrap();
    let conventional = Function::endpoint().conventional();
    tree.insert(bdf("01:00.0"), conventional, None).unwrap();
    assert_eq!(tree.get(bdf("01:00.0")).unwrap().pcie, Fact::Absent);
}
