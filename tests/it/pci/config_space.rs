//! What configuration space says of a function, and what a short dump leaves unknown.

use crate::support::pci;

use fwspec::pci::{Acs, Ari, Ats, Fact, Function, Header, Ids, PortType, SrIov, Topology};
use fwspec::{AcsFlags, Device, ErrorKind, Groups, RequesterId, Segment};
use pci::{Config, DOWNSTREAM, ENDPOINT, PCIE_TO_PCI, ROOT_PORT, bdf};

#[test]
fn a_root_port_is_read_whole() {
    let config = Config::new(0x1b36, 0x000c).class(0x060400).bridge(1, 3).multifunction();
    let config = config.capability(0x05).express(ROOT_PORT).acs(0x5f, 0x1d);
    let port = Function::read(config.read(4096)).unwrap();
    assert_eq!((port.vendor, port.device, port.class), (0x1b36, 0x000c, 0x060400));
    assert_eq!(port.header, Header::Bridge { secondary: 1, subordinate: 3 });
    assert!(port.multifunction && !port.virtual_function);
    assert_eq!(port.pcie, Fact::Present(PortType::RootPort));
    let acs = Acs::new(AcsFlags(0x5f), AcsFlags::ISOLATED);
    assert_eq!(port.acs, Fact::Present(acs));
    assert_eq!((port.sriov, port.ari, port.ats), (Fact::Absent, Fact::Absent, Fact::Absent));
    assert_eq!(port.subsystem, None);
}

#[test]
fn extended_capabilities_are_found_behind_others() {
    let (config, _) = Config::new(0x8086, 0x10c9).subsystem(0x8086, 0xa03c).express(ENDPOINT).extended(0x01);
    let (config, ari) = config.extended(0x0e);
    let (config, ats) = config.byte(ari + 5, 1).extended(0x0f);
    let config = config.word(ats + 6, 0x8000).sriov(7, 0x80, 2, 0x10ca).acs(0, 0);
    let nic = Function::read(config.read(4096)).unwrap();
    assert_eq!(nic.subsystem, Some(Ids { vendor: 0x8086, device: 0xa03c }));
    assert_eq!(nic.ari, Fact::Present(Ari { next_function: 1 }));
    assert_eq!(nic.ats, Fact::Present(Ats { enabled: true }));
    assert_eq!(nic.acs, Fact::Present(Acs::new(AcsFlags::NONE, AcsFlags::NONE)));
    let sriov = SrIov {
        enabled: true,
        total_vfs: 64,
        num_vfs: 7,
        first_vf_offset: 0x80,
        vf_stride: 2,
        vf_device: 0x10ca,
    };
    assert_eq!(nic.sriov, Fact::Present(sriov));
}

#[test]
fn what_a_short_dump_leaves_out_is_unknown() {
    let config = Config::new(0x1b36, 0x000c).bridge(1, 1).express(ROOT_PORT).acs(0x1d, 0x1d);
    let header_only = Function::read(config.read(64)).unwrap();
    assert_eq!((header_only.pcie, header_only.acs), (Fact::Unknown, Fact::Unknown));
    let without_extended = Function::read(config.read(256)).unwrap();
    assert_eq!(without_extended.pcie, Fact::Present(PortType::RootPort));
    assert_eq!((without_extended.acs, without_extended.ats), (Fact::Unknown, Fact::Unknown));
    let cut = Function::read(config.read(0x106)).unwrap();
    assert_eq!(cut.acs, Fact::Unknown);
}

#[test]
fn a_function_without_a_list_has_no_capability() {
    let device = Function::read(Config::new(0x1234, 0x11e8).read(64)).unwrap();
    assert_eq!((device.pcie, device.acs), (Fact::Absent, Fact::Absent));
}

#[test]
fn lists_that_go_in_circles_end() {
    let circle = Config::new(1, 2).capability(0x05).byte(0x41, 0x40);
    assert_eq!(Function::read(circle.read(256)).unwrap().pcie, Fact::Absent);
    let (config, at) = Config::new(1, 2).express(ENDPOINT).extended(0x01);
    let circle = config.word(at + 2, 0x1001);
    assert_eq!(Function::read(circle.read(4096)).unwrap().acs, Fact::Absent);
}

#[test]
fn all_ones_is_absent_but_a_virtual_function_is_not() {
    let unanswered = Function::read(&[0xff; 256]).unwrap_err();
    assert_eq!(unanswered.kind, ErrorKind::NoAnswer);
    let vf = Config::new(0xffff, 0xffff).multifunction().express(ENDPOINT);
    let vf = Function::read(vf.read(4096)).unwrap();
    assert!(vf.virtual_function && !vf.multifunction);
    let short = Function::read(&[0; 63]).unwrap_err();
    assert_eq!(short.kind, ErrorKind::Truncated { need: 64, have: 63 });
}

#[test]
fn every_length_and_every_byte_can_be_read() {
    let (config, at) = Config::new(0xffff, 0).bridge(1, 1).express(DOWNSTREAM).acs(1, 1).extended(0x10);
    for length in 0..4096 {
        _ = Function::read(config.read(length));
    }
    for byte in (0..256).chain(at..at + 64) {
        for value in 0..=u8::MAX {
            _ = Function::read(config.clone().byte(byte, value).read(4096));
        }
    }
}

#[test]
fn a_port_whose_acs_nobody_read_does_not_isolate_and_the_group_says_so() {
    let port = Config::new(0x1b36, 0x000c).bridge(1, 1).express(ROOT_PORT).acs(0x1d, 0x1d);
    let groups_of = |bytes| {
        let mut groups = Groups::without_firmware();
        groups.add(Device::pci(bdf("00:01.0"), port.read(bytes)).unwrap()).unwrap();
        groups.add(Device::endpoint(bdf("01:00.0"))).unwrap();
        groups
    };
    let known = groups_of(4096);
    assert_eq!(known.groups().map(|group| group.assumed()).collect::<Vec<bool>>(), [false, false]);
    let unknown = groups_of(256);
    assert_eq!(unknown.groups().map(|group| group.assumed()).collect::<Vec<bool>>(), [true]);
}

#[test]
fn virtual_functions_spill_over_to_the_next_bus() {
    let sriov = SrIov {
        enabled: true,
        total_vfs: 256,
        num_vfs: 3,
        first_vf_offset: 0xfe,
        vf_stride: 1,
        vf_device: 0,
    };
    let pf = RequesterId::new(1, 0, 1);
    let vfs: Vec<RequesterId> = sriov.virtual_functions(pf).collect();
    assert_eq!(vfs, [RequesterId(0x1ff), RequesterId(0x200), RequesterId(0x201)]);
    assert_eq!(sriov.virtual_buses(pf).collect::<Vec<u8>>(), [2]);
    let off = SrIov { enabled: false, ..sriov };
    assert_eq!(off.virtual_functions(pf).count(), 0);
    let past_the_end = SrIov { first_vf_offset: 0xfffe, ..sriov };
    assert_eq!(past_the_end.virtual_functions(pf).count(), 0);
}

#[test]
fn a_bus_of_virtual_functions_is_no_root_bus() {
    let mut tree = Topology::default();
    let pf = Config::new(0x8086, 0x10c9).express(ENDPOINT).sriov(2, 0x100, 1, 0x10ca);
    let port = Config::new(0x1b36, 0x000c).bridge(1, 2).express(ROOT_PORT);
    let vf = Function::read(Config::new(0xffff, 0xffff).express(ENDPOINT).read(4096)).unwrap();
    tree.insert(bdf("02:00.0"), vf, None).unwrap();
    assert!(tree.attached(bdf("02:00.0")).is_err());
    assert!(tree.orphan_buses().eq([(Segment(0), 2)]));
    tree.insert(bdf("00:01.0"), Function::read(port.read(4096)).unwrap(), None).unwrap();
    tree.insert(bdf("01:00.0"), Function::read(pf.read(4096)).unwrap(), None).unwrap();
    assert_eq!(tree.attached(bdf("02:00.0")), Ok(()));
    let above: Vec<_> = tree.bridges(bdf("02:00.0")).map(|(bridge, _)| bridge).collect();
    assert_eq!(above, [bdf("00:01.0")]);
}

#[test]
fn bridges_that_contradict_each_other_are_refused_and_change_nothing() {
    let bridge = |secondary| {
        Function::read(Config::new(1, 2).bridge(secondary, 9).express(PCIE_TO_PCI).read(4096)).unwrap()
    };
    let mut tree = Topology::default();
    tree.insert(bdf("00:01.0"), bridge(2), None).unwrap();
    let taken = tree.insert(bdf("00:02.0"), bridge(2), None).unwrap_err();
    assert_eq!(taken.to_string(), "0000:00:02.0 claims bus 02, which is below 0000:00:01.0 already");
    let circle = tree.insert(bdf("02:00.0"), bridge(2), None).unwrap_err();
    assert_eq!(
        circle.to_string(),
        "0000:02:00.0 claims bus 02: a bus below a bridge has a higher number than the bridge's own bus"
    );
    assert_eq!(tree.iter().count(), 1);
    // A bridge that nobody has numbered yet has no bus.
    tree.insert(bdf("00:03.0"), bridge(0), None).unwrap();
}
