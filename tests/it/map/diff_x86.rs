//! What changes between two tables of an x86 machine: units, scopes, ATS, aliases, memory, and the unit of each function.

use fwspec::acpi::dmar::{self, Dmar};
use fwspec::acpi::ivrs::{self, Devices, Ivrs};
use fwspec::answer::DiffDocument;
use fwspec::diff::{Side, diff, placed};
use fwspec::{Device, Dialect, Groups, IdMap, Platform, RequesterId};

fn dmar(say: impl Fn(&mut dmar::Builder)) -> Platform {
    let mut table = dmar::Builder::new(46);
    say(&mut table);
    Dmar::parse(&table.finish()).unwrap().platform()
}

fn ivrs(say: impl Fn(&mut ivrs::Draft)) -> Platform {
    let mut table = ivrs::Builder::new();
    say(table.unit(0x11, 0, RequesterId(2), 0xfeb8_0000));
    Ivrs::parse(&table.finish()).unwrap().platform()
}

/// The changes in words.
fn changes(before: &Platform, after: &Platform) -> Vec<String> {
    let maps = [before, after].map(|platform| IdMap::build(platform, Dialect::LINUX));
    let [ours, theirs] =
        [(before, &maps[0]), (after, &maps[1])].map(|(platform, map)| Side { platform, map });
    lines(&DiffDocument::new(["a", "b"], "linux", &diff(ours, theirs, |_| true), &[]))
}

fn lines(document: &DiffDocument) -> Vec<String> {
    document.changes.iter().map(|change| format!("{change:?}")).collect()
}

#[track_caller]
fn told(changes: &[String], parts: &[&str]) {
    let told = |line: &&String| parts.iter().all(|part| line.contains(part));
    assert_eq!(changes.iter().filter(told).count(), 1, "{parts:?} in {changes:#?}");
}

#[test]
fn scopes_that_come_and_go_are_told_unit_by_unit() {
    let before = dmar(|table| {
        table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]).bridge(0, [(0x1c, 0)]);
        table.unit(0, 0xfed9_1000).include_all().scope(3, 8, 0xf0, [(0x1f, 0)]);
    });
    let after = dmar(|table| {
        table.unit(0, 0xfed9_0000).include_all().endpoint(0, [(2, 0)]);
        table.unit(0, 0xfed9_1000).bridge(0, [(0x1c, 0), (0, 0)]).scope(3, 9, 0xf0, [(0x1f, 0)]);
        table.unit(1, 0xfed9_2000).endpoint(0, [(3, 0)]);
    });
    let changes = changes(&before, &after);
    told(&changes, &["Iommu {", "0xfed92000", "added: true"]);
    let scope = |unit: &str, scope: &str, added: &str| {
        told(&changes, &["Scope {", &format!("\"{unit}\""), &format!("\"{scope}\""), added]);
    };
    let [gone, come] = ["added: false", "added: true"];
    scope("0xfed90000", "endpoint 0000:00:02.0", gone);
    scope("0xfed90000", "bridge 0000:00:1c.0", gone);
    scope("0xfed90000", "all of segment 0000 that no other unit is for", come);
    scope("0xfed91000", "all of segment 0000 that no other unit is for", gone);
    scope("0xfed91000", "bridge 0000:00:1c.0/00.0", come);
    scope("0xfed91000", "I/O APIC 8 as f0:1f.0 of segment 0000", gone);
    scope("0xfed91000", "I/O APIC 9 as f0:1f.0 of segment 0000", come);
    scope("0xfed92000", "endpoint 0001:00:03.0", come);
    // Below a bridge both depend on the bridges: the scopes have told what changed.
    assert!(!changes.iter().any(|line| line.contains("first: 256")), "{changes:#?}");
}

#[test]
fn a_range_is_told_by_its_first_and_its_last_id() {
    let one = |base| move |table: &mut dmar::Builder| _ = table.unit(0, base).include_all();
    let changes = changes(&dmar(one(0x1000)), &dmar(one(0x2000)));
    told(&changes, &["Requesters {", "first: 0,", "last: 65535", "last_stream_id: Some(65535)"]);
}

#[test]
fn what_is_said_of_ats_is_told() {
    let unit = |table: &mut dmar::Builder| _ = table.unit(0, 0xfed9_0000).include_all();
    let before = dmar(|table| {
        unit(table);
        table.ats_ports(0).bridge(0, [(1, 0)]);
        table.translation_caches(0).endpoint(0, [(2, 0)]);
    });
    let after = dmar(|table| {
        unit(table);
        table.ats_ports(0).include_all();
        table.translation_caches(0).include_all().endpoint(0, [(2, 0)]);
    });
    let found = changes(&before, &after);
    told(&found, &["ATS through root port 0000:00:01.0", "added: false"]);
    told(&found, &["ATS through all root ports of segment 0000", "added: true"]);
    told(&found, &["ATS of integrated function 0000:00:02.0", "added: false"]);
    told(&found, &["integrated function 0000:00:02.0 needs ATS", "added: true"]);
    assert_eq!(found.len(), 4, "{found:#?}");
    let before = ivrs(|unit| _ = unit.range(8..=0xffff));
    let after = ivrs(|unit| _ = unit.range(8..=0xffff).extended_range(0x10..=0x1f, 1 << 31));
    let found = changes(&before, &after);
    told(&found, &["no ATS for 0000:00:02.0 - 00:03.7", "added: true"]);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn aliases_and_interrupt_sources_of_an_ivrs_are_told() {
    let before = ivrs(|unit| _ = unit.range(8..=0xffff).alias(0x300, 0x2a0).special(1, 33, 0xa0));
    let after = ivrs(|unit| {
        unit.range(8..=0xffff).alias_range(0x300..=0x3ff, 0x2a0).alias(0x310, 0x2a8).special(2, 0, 0xa0);
    });
    let changes = changes(&before, &after);
    let alias = |first: u16, last: u16, after: u16| {
        let [first, last] = [format!("first: {first},"), format!("last: {last},")];
        let after = format!("after: Some({after})");
        told(&changes, &["Alias {", &after, "before: None", &first, &last]);
    };
    alias(0x301, 0x30f, 0x2a0);
    alias(0x310, 0x310, 0x2a8);
    alias(0x311, 0x3ff, 0x2a0);
    told(&changes, &["I/O APIC 33 as 00:14.0", "added: false"]);
    told(&changes, &["HPET 0 as 00:14.0", "added: true"]);
}

#[test]
fn memory_is_told_with_its_devices() {
    let with = |bridge: u8| {
        dmar(move |table| {
            table.unit(0, 0xfed9_0000).include_all();
            table.memory(0, 0x7b80_0000..=0x7b80_0fff).endpoint(0, [(2, 0)]).bridge(0, [(bridge, 0)]);
        })
    };
    let found = changes(&with(3), &with(4));
    told(&found, &["\"bridge 0000:00:03.0\", \"endpoint 0000:00:02.0\"", "added: false"]);
    told(&found, &["\"bridge 0000:00:04.0\", \"endpoint 0000:00:02.0\"", "added: true"]);
    let with = |flags: u8, devices: Devices| {
        let mut table = ivrs::Builder::new();
        table.unit(0x11, 0, RequesterId(2), 0xfeb8_0000).all();
        table.memory(devices, flags, 0x1000_0000, 0x1000);
        Ivrs::parse(&table.finish()).unwrap().platform()
    };
    let found = changes(&with(0b111, Devices::All), &with(0b011, Devices::One(RequesterId(8))));
    told(&found, &["\"0000:00:00.0 - ff:1f.7\"", "added: false"]);
    told(&found, &["\"0000:00:01.0, not to be written\"", "added: true"]);
}

/// A machine with a root port at 00:01.0, a NIC behind it, and an integrated function.
fn machine(platform: &Platform) -> (IdMap, Groups) {
    let map = IdMap::build(platform, Dialect::LINUX);
    let mut groups = Groups::new(map.clone());
    groups.add(Device::root_port("00:01.0".parse().unwrap(), 1..=1)).unwrap();
    groups.add(Device::endpoint("01:00.0".parse().unwrap())).unwrap();
    groups.add(Device::endpoint("00:1f.0".parse().unwrap())).unwrap();
    (map, groups)
}

#[test]
fn with_the_functions_each_is_told_its_unit_and_what_may_be_done_with_it() {
    let table = |port: u8, memory: bool| {
        dmar(move |table| {
            table.unit(0, 0xfed9_0000).bridge(0, [(port, 0)]);
            table.unit(0, 0xfed9_1000).include_all();
            if memory {
                table.memory(0, 0x7b80_0000..=0x7b80_0fff).bridge(0, [(1, 0)]);
            }
            table.ats_ports(0).bridge(0, [(port, 0)]);
        })
    };
    let (before, after) = (table(1, false), table(2, true));
    let [(first, ours), (second, theirs)] = [&before, &after].map(machine);
    let sides = [(&before, &first), (&after, &second)].map(|(platform, map)| Side { platform, map });
    let mut document = DiffDocument::new(["a", "b"], "linux", &placed(sides, [&ours, &theirs]), &[]);
    document.note_functions([(&before, &ours), (&after, &theirs)]);
    let found = lines(&document);
    told(&found, &["first: 8,", "iommu: Some(\"0xfed90000\")", "iommu: Some(\"0xfed91000\")"]);
    told(&found, &["first: 256,", "iommu: Some(\"0xfed90000\")", "iommu: Some(\"0xfed91000\")"]);
    told(&found, &["0000:01:00.0", "assignable", "DMAR+", "require_direct"]);
    told(
        &found,
        &["0000:01:00.0", "fact: \"ats\"", "an ATSR has its root port", "no ATSR has its root port"],
    );
    assert!(!found.iter().any(|line| line.contains("0000:00:1f.0")), "{found:#?}");
}
