//! Look-ups and the summary of machines whose DMAR or IVRS names functions.

use fwspec::acpi::dmar::Builder as Dmar;
use fwspec::acpi::ivrs::{Builder as Ivrs, Devices};
use fwspec::answer::{Answer, CheckDocument, LookupResult};
use fwspec::group::Policy;
use fwspec::machine::{Collector, Machine};
use fwspec::{Device, Dialect, IdMap, RequesterId};

/// A root port at 00:01.0, a function behind it, and two functions on the root bus.
fn machine(name: &str, table: Vec<u8>) -> Machine {
    let mut collector = Collector::new();
    collector.add(name, table).unwrap();
    let mut machine = collector.finish().unwrap();
    machine.devices.push(Device::root_port("00:01.0".parse().unwrap(), 1..=1));
    machine
        .devices
        .extend(["00:02.0", "00:03.0", "01:00.0"].map(|bdf| Device::endpoint(bdf.parse().unwrap())));
    machine
}

fn lookup(machine: &Machine, question: &str) -> LookupResult {
    let firmware = machine.firmware.as_ref().unwrap();
    let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    let groups = machine.groups(Dialect::LINUX, Policy::Linux).0;
    LookupResult::among(question, &question.parse().unwrap(), firmware, &map, Some(&groups))
}

/// The functions that send an id, each as whom.
fn senders(result: &LookupResult) -> Vec<(String, Option<String>)> {
    let Answer::Sources { functions: Some(functions), .. } = &result.answer else { panic!("{result:?}") };
    functions.iter().map(|sender| (sender.function.clone(), sender.sends_as.clone())).collect()
}

#[test]
fn a_function_below_a_bridge_in_scope_is_found_where_the_functions_are_known() {
    let mut table = Dmar::new(46);
    table.unit(0, 0xfed9_0000).bridge(0, [(1, 0)]);
    let machine = machine("dmar.bin", table.finish());
    let found = lookup(&machine, "01:00.0");
    assert!(matches!(found.answer, Answer::OnBus { stream_id: Some(0x100), .. }), "{found:?}");
    assert_eq!(found.reason, None);
    let untranslated = lookup(&machine, "00:02.0");
    assert!(!untranslated.found());
    let sent = lookup(&machine, "sid:0x100");
    assert!(sent.found() && sent.reason.is_none(), "{sent:?}");
    assert_eq!(senders(&sent), [("0000:01:00.0".to_string(), None)]);
    // The table alone cannot tell.
    let firmware = machine.firmware.as_ref().unwrap();
    let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    let alone = LookupResult::new("sid:0x100", &"sid:0x100".parse().unwrap(), firmware, &map);
    assert!(alone.reason.unwrap().contains("depends on the bridges"));
}

/// linux drivers/iommu/amd/iommu.c `setup_aliases`: both ids of a function with an alias are its own.
#[test]
fn what_an_alias_of_an_ivrs_sends_names_both_functions() {
    let mut table = Ivrs::new();
    table.unit(0x10, 0, RequesterId(0xf0), 0xfeb8_0000).all().alias(0x10, 0x18);
    let machine = machine("ivrs.bin", table.finish());
    let sent = senders(&lookup(&machine, "sid:0x18"));
    let wanted = [("0000:00:02.0", Some("0000:00:03.0")), ("0000:00:03.0", None)];
    assert_eq!(sent, wanted.map(|(function, alias)| (function.to_string(), alias.map(str::to_string))));
    let asked = lookup(&machine, "00:02.0");
    assert!(asked.reason.unwrap().starts_with("it also sends as 00:03.0, says IVRS+0x"));
}

/// The host is no record of the table: it is called by its segment, a device of the namespace by its name.
#[test]
fn a_host_without_a_record_is_called_by_its_segment() {
    let mut table = Dmar::new(46);
    table.unit(0, 0xfed9_0000).include_all().scope(5, 1, 0, [(0x15, 0)]);
    table.namespace_device(1, r"\_SB.PCI0.I2C0");
    let machine = machine("dmar.bin", table.finish());
    let Answer::Sources { sources, .. } = lookup(&machine, "sid:0xa8").answer else { panic!() };
    let names: Vec<_> = sources.iter().map(|source| source.requester.as_str()).collect();
    assert_eq!(names, ["segment 0000", r"\_SB.PCI0.I2C0"]);
}

/// linux drivers/iommu/intel/iommu.c `probe_acpi_namespace_devices`: a device of the namespace that is a PCI function is that function.
#[test]
fn a_device_of_the_namespace_that_the_listing_has_is_not_another_one() {
    for (slot, devices) in [(2, 4), (0x15, 5)] {
        let mut table = Dmar::new(46);
        table.unit(0, 0xfed9_0000).include_all().scope(5, 1, 0, [(slot, 0)]);
        table.namespace_device(1, r"\_SB.PCI0.I2C0");
        let machine = machine("dmar.bin", table.finish());
        assert_eq!(machine.groups(Dialect::LINUX, Policy::Linux).0.devices().count(), devices);
    }
}

/// linux drivers/iommu/iommu.c `iommu_device_register`: where a mapping fails the groups are taken back.
#[test]
fn groups_that_the_kernel_took_back_are_no_difference() {
    let mut table = Ivrs::new();
    table.unit(0x10, 0, RequesterId(0xf0), 0xfeb8_0000).all();
    table.memory(Devices::One(RequesterId(0x10)), 1, 0x3000_0000, 0x1000);
    let mut machine = machine("ivrs.bin", table.finish());
    for (number, function) in (0..).zip(["0000:00:01.0", "0000:00:02.0", "0000:00:03.0", "0000:01:00.0"]) {
        machine.kernel.groups.insert(function.to_string(), number);
    }
    let check = CheckDocument::new(&machine, "ivrs.bin");
    assert_eq!((check.kernel.known, check.kernel.differ.len(), check.iommu.state), (0, 0, "off"));
    assert!(check.iommu.why.contains("put 4 devices into groups and took that back"), "{}", check.iommu.why);
    // What `/sys` has, stands.
    machine.kernel.groups_from = Some("/sys".to_string());
    assert_eq!(CheckDocument::new(&machine, "ivrs.bin").kernel.differ.len(), 4);
}

#[test]
fn reasons_that_differ_in_the_id_alone_are_one() {
    let mut table = Dmar::new(46);
    table.unit(0, 0xfed9_0000).endpoint(0, [(1, 0), (0, 0)]);
    let check = CheckDocument::new(&machine("dmar.bin", table.finish()), "dmar.bin");
    assert_eq!((check.untranslated.len(), check.untranslated_because.len()), (3, 1));
}
