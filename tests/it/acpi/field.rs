//! Tables that people have: `tests/field`, small ones that were re-created from public reports and shipped firmware, each with the
//! right value.

use std::fs;

use fwspec::acpi::iort::Builder;
use fwspec::answer::{Answer, Explained, LookupResult, PlatformDocument};
use fwspec::diff::{Difference, Side, diff};
use fwspec::lint::audit::audit;
use fwspec::lint::{Code, Finding, Severity};
use fwspec::machine::Firmware;
use fwspec::{DeviceId, Dialect, ErrorKind, IdMap, IommuIndex, RequesterIndex, error::Mangling};

use crate::support::write::Viot;

fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/field/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn firmware(name: &str) -> Firmware {
    Firmware::open(name, bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The tables of a folder, one after the other.
fn joined(folder: &str, tables: [&str; 2]) -> Firmware {
    let all = tables.map(|table| bytes(&format!("{folder}/{table}"))).concat();
    Firmware::open(folder, all).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

fn linux(firmware: &Firmware) -> IdMap {
    IdMap::build(&firmware.platform, Dialect::LINUX)
}

fn findings(firmware: &Firmware) -> Vec<Finding> {
    fwspec::answer::findings(firmware)
}

/// `warn IORT021` and its like, in the order of the bytes.
fn said(firmware: &Firmware) -> Vec<String> {
    findings(firmware).iter().map(|one| format!("{} {}", one.severity, one.code)).collect()
}

fn finding(firmware: &Firmware, code: &str) -> Finding {
    let found = findings(firmware).into_iter().find(|one| one.code.rule().id == code);
    found.unwrap_or_else(|| panic!("{code} is not among {:?}", said(firmware)))
}

fn lookup(firmware: &Firmware, query: &str) -> LookupResult {
    LookupResult::new(query, &query.parse().unwrap(), firmware, &linux(firmware))
}

/// Whose DeviceID or StreamID it is, by name.
fn sources(firmware: &Firmware, query: &str) -> Vec<String> {
    match lookup(firmware, query).answer {
        Answer::Sources { sources, .. } => sources.into_iter().map(|source| source.requester).collect(),
        other => panic!("{other:?}"),
    }
}

fn explained(firmware: &Firmware, query: &str) -> Vec<Explained> {
    Explained::all(query, firmware, &[linux(firmware)], None).unwrap()
}

// -- an SMMU's and a PMCG's own MSIs --

/// Node flag bit 4, which makes the index valid, is of node revision 5.
#[test]
fn an_index_without_its_valid_flag_is_what_is_wrong_and_not_the_mapping() {
    let unset = firmware("iort/own-msi-flag-not-set.bin");
    assert_eq!(said(&unset), ["warn IORT068"]);
    assert_eq!(sources(&unset, "did:0x10000"), [""; 0]);
    // Its twin has the flag.
    let mut twin = bytes("iort/own-msi-flag-not-set.bin");
    twin[0x60] |= 1 << 4;
    twin[9] = twin[9].wrapping_sub(1 << 4);
    let twin = Firmware::open("twin", twin).unwrap();
    assert_eq!(said(&twin), [""; 0]);
    let side = |firmware: &Firmware| (firmware.platform.clone(), linux(firmware));
    let ((ours, our_map), (theirs, their_map)) = (side(&twin), side(&unset));
    let ours = Side { platform: &ours, map: &our_map };
    let theirs = Side { platform: &theirs, map: &their_map };
    let changes = diff(ours, theirs, |_| true);
    let lost = |added| {
        let name = "smmu-v3 IORT+0x48 at 0x9050000".to_string();
        vec![Difference::OwnMsi { name, id: DeviceId(0x1_0000), added }]
    };
    assert_eq!((changes, diff(theirs, ours, |_| true)), (lost(false), lost(true)));
}

#[test]
fn the_way_back_from_a_device_id_leads_to_the_smmu_and_pmcg_that_have_it_themselves() {
    let shared = firmware("iort/own-msi-is-rid0.bin");
    assert_eq!(sources(&shared, "did:0"), ["IORT+0xb4", "IORT+0x48"]);
    let own = firmware("kernel/ownmsi.bin");
    assert_eq!(sources(&own, "did:0x20000"), ["IORT+0x48"]);
    assert!(
        matches!(lookup(&own, "IORT+0x48").answer, Answer::Node { devices, .. } if devices[0].id == 0x2_0000)
    );
    for query in ["did:0x20000", "IORT+0x48"] {
        let answers = explained(&own, query);
        let way = answers[0].ways.last().unwrap();
        let step = way.hops[0].record.as_ref().unwrap();
        assert_eq!((step.place.as_str(), step.output), ("IORT+0x8c", Some(0x2_0000)), "{query}");
    }
    assert_eq!(linux(&own).own_msi_sources(DeviceId(0x2_0000)).next().unwrap().0, IommuIndex(0));
}

#[test]
fn a_single_mapping_costs_nothing_where_every_interrupt_is_wired() {
    assert_eq!(said(&firmware("iort/single-unused-wired.bin")), ["info IORT022", "info IORT021"]);
}

#[test]
fn an_smmu_and_a_pmcg_without_any_interrupt_are_told_of() {
    assert_eq!(said(&firmware("iort/smmu-pmcg-no-irq.bin")), ["warn IORT069", "warn IORT070"]);
}

/// Linux lets the two share what the ITS knows of the DeviceID, and no driver of a host bridge asks for MSIs.
#[test]
fn an_smmus_own_device_id_may_be_the_host_bridges() {
    let shared = firmware("iort/own-msi-is-rid0.bin");
    let one = finding(&shared, "MAP004");
    assert_eq!(one.severity, Severity::Warn);
    let message =
        "DeviceID 0x0 at IORT+0x30 has two sources: the own MSIs of IORT+0x48 and StreamID 0x0 of IORT+0x48";
    assert_eq!(one.message, message);
}

// -- buses that are not PCI --

/// fsl-mc's devices have ids of their bus, 16 bits wide.
#[test]
fn a_component_whose_bus_gives_ids_is_no_device_without_them() {
    let bus = firmware("iort/rmr-bus-range.bin");
    assert_eq!(said(&bus), ["info IORT074"]);
    assert_eq!(sources(&bus, "sid:0x4000"), ["IORT+0xc4"]);
    let map = linux(&bus);
    let document = PlatformDocument::new(&bus, &map);
    let ranges = document.requesters[0].stream_ranges.as_ref().unwrap();
    let ranges: Vec<_> = ranges.iter().map(|range| (range.first, range.last, range.output)).collect();
    assert_eq!(ranges, [(0x17, 0x36, Some(0x17)), (0x4000, 0x4000, Some(0x4000))]);
    assert_eq!(document.requesters[0].device_ranges.as_ref().unwrap().len(), 2);
    assert!(!audit(&bus.platform, &map, None).has_untranslated());
}

// -- reserved memory and revisions --

#[test]
fn revisions_and_reserved_values_of_nodes_are_judged_by_those_of_the_table() {
    let odd = firmware("iort/node-revisions.bin");
    let all = said(&odd);
    let revisions: Vec<_> = findings(&odd).into_iter().filter(|one| one.code == Code::NodeRevision).collect();
    assert_eq!(
        revisions.iter().map(|one| one.severity).collect::<Vec<_>>(),
        [Severity::Info, Severity::Warn]
    );
    assert!(
        revisions[1].message.starts_with("RMR node revision 2 was withdrawn"),
        "{}",
        revisions[1].message
    );
    let values = findings(&odd).into_iter().filter(|one| one.code == Code::ReservedValue);
    let values: Vec<_> = values.map(|one| one.message).collect();
    assert!(values[0].starts_with("HTTU override 3"), "{all:?}");
    assert!(values[1].starts_with("memory access attribute 7"), "{all:?}");
}

// -- more than one IOMMU --

#[test]
fn one_component_behind_two_smmus_is_programmed_on_the_first() {
    let two = firmware("iort/nc-two-smmus.bin");
    let one = finding(&two, "MAP012");
    assert_eq!(
        one.message,
        "IORT+0xd8 names IORT+0x30 and IORT+0x84: Linux programs all of its StreamIDs on the first"
    );
}

// -- platform tables beside an IORT --

#[test]
fn an_its_group_is_held_against_the_madt_whatever_it_has() {
    let above_info = |firmware: &Firmware| {
        said(firmware).into_iter().filter(|one| !one.starts_with("info")).collect::<Vec<_>>()
    };
    for folder in ["iort/madt-no-its", "suites/no-its"] {
        assert_eq!(above_info(&joined(folder, ["IORT", "APIC"])), ["error IORT067"], "{folder}");
    }
    assert_eq!(above_info(&firmware("suites/both-in-one.bin")), ["error IORT067"]);
    assert_eq!(said(&joined("iort/madt-gicv5", ["IORT", "APIC"])), [""; 0]);
    for both in ["iort/madt-gicv5.bin", "kernel/gicv5.bin"] {
        assert!(findings(&firmware(both)).iter().all(|one| one.code != Code::ItsUnknown), "{both}");
    }
}

#[test]
fn an_mcfg_is_held_against_the_root_complexes() {
    let without = joined("iort/mcfg-segment-without-host", ["IORT", "MCFG"]);
    assert_eq!(said(&without), ["warn MCFG001"]);
    let reversed = finding(&firmware("iort/iort-then-mcfg-reversed-bus-range.bin"), "MCFG002");
    assert_eq!(reversed.message, "buses 0x20 to 0x10: the last one is before the first");
}

// -- RIMT and VIOT --

/// The layout of a draft has the fields of a root complex at other places.
#[test]
fn a_rimt_of_the_drafts_layout_is_not_read_to_nonsense_in_silence() {
    for draft in ["iort/rimt-draft-layout.bin", "suites/rimt-draft.bin"] {
        let firmware = firmware(draft);
        let errors = findings(&firmware).into_iter().filter(|one| one.severity == Severity::Error);
        let codes: Vec<_> = errors.map(|one| one.code).collect();
        assert!(
            !codes.is_empty() && codes.iter().all(|code| *code == Code::RimtLayout),
            "{draft}: {codes:?}"
        );
    }
    assert_eq!(said(&firmware("suites/rimt-right.bin")), [""; 0]);
}

/// Linux's `viot_parse_node` gives up at a PCI range or endpoint that is too short, and keeps what came before.
#[test]
fn linux_reads_a_viot_up_to_an_endpoint_that_is_too_short() {
    let short = firmware("kernel/viot_short.bin");
    let stream = |dialect, bdf: &str| {
        IdMap::build(&short.platform, dialect).resolve(bdf.parse().unwrap()).ok().and_then(|stream| stream.id)
    };
    assert_eq!(stream(Dialect::LINUX, "01:00.0"), None);
    assert_eq!(stream(Dialect::SPEC, "01:00.0").unwrap().0, 0x100);
    let mut viot = Viot::default();
    let iommu = viot.mmio_iommu(0x1000_0000);
    viot.pci_range(0..=0, 0..=0xff, 0x7000, iommu);
    viot.mmio_endpoint(8, 0x2000_0000, iommu);
    viot.raw(4, 12);
    viot.pci_range(0..=0, 0x100..=0x1ff, 0x100, iommu);
    viot.raw(1, 20);
    viot.pci_range(0..=0, 0..=0xff, 0x9000, iommu);
    viot.mmio_endpoint(7, 0x3000_0000, iommu);
    let firmware = Firmware::open("viot.bin", viot.bytes()).unwrap();
    let map = linux(&firmware);
    let stream =
        |bdf: &str| map.resolve(bdf.parse().unwrap()).ok().and_then(|stream| stream.id).map(|id| id.0);
    // An IOMMU that is too short is looked at only when an endpoint names it.
    assert_eq!((stream("00:01.0"), stream("01:00.0")), (Some(0x7008), Some(0x100)));
    let masters = RequesterIndex::number(&firmware.platform.requesters);
    let own: Vec<usize> = masters.map(|(at, _)| map.own_streams(at).len()).collect();
    assert_eq!(own, [1, 0, 0]);
}

#[test]
fn a_virtio_iommu_that_is_a_function_says_which() {
    let elsewhere = firmware("suites/viot-segment.bin");
    let document = PlatformDocument::new(&elsewhere, &linux(&elsewhere));
    assert_eq!(document.iommus[0].bdf.as_deref(), Some("0001:01:01.0"));
}

// -- how OpenBSD reads --

#[test]
fn openbsd_takes_a_components_first_single_mapping_and_sets_none_of_an_smmu_aside() {
    let component = firmware("kernel/nc2.bin");
    let ids = |firmware: &Firmware, dialect| {
        let map = IdMap::build(&firmware.platform, dialect);
        map.own_streams(RequesterIndex(0))
            .iter()
            .filter_map(|stream| stream.id)
            .map(|id| id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&component, Dialect::OPENBSD), [0x10]);
    assert_eq!(ids(&component, Dialect::LINUX), [0x10, 0x11]);
    let own = IdMap::build(&component.platform, Dialect::OPENBSD);
    let own: Vec<u32> = own.device_ids_of(RequesterIndex(0)).iter().map(|request| request.id.0).collect();
    assert_eq!(own, [0x10]);
    let own = firmware("kernel/ownmsi.bin");
    let msi = |dialect| {
        let map = IdMap::build(&own.platform, dialect);
        map.device_id_of("01:00.0".parse().unwrap()).map(|request| request.id.0)
    };
    assert_eq!((msi(Dialect::OPENBSD), msi(Dialect::LINUX)), (Some(0x2_0000), Some(0x100)));
}

// -- what all share --

/// Both root complexes have a single mapping, so that every function of either has the one DeviceID.
#[test]
fn every_function_of_a_root_complex_of_one_single_mapping_shares() {
    let single = firmware("iort/rc-single-its.bin");
    assert!(!said(&single).iter().any(|one| one.starts_with("error")), "{:?}", said(&single));
    let sources = |firmware: &Firmware| {
        let all = audit(&firmware.platform, &linux(firmware), None).shared_ids;
        let each = all.into_iter().map(|shared| {
            let inputs = shared.sources.iter().filter_map(|source| source.inputs);
            ((shared.first, shared.last), inputs.map(|ids| (ids.first, ids.last)).collect::<Vec<_>>())
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(sources(&single), [((0, 0), vec![(0, 0xffff); 2])]);
    // One alone is enough, and a range beside it is cut where it meets the id.
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    table.root_complex(0).single(0x107, its);
    let alone = Firmware::open("alone", table.finish()).unwrap();
    assert_eq!(sources(&alone), [((0x107, 0x107), vec![(0, 0xffff)])]);
    table.root_complex(1).maps(0x100..=0x1ff, 0x100, its);
    let beside = Firmware::open("beside", table.finish()).unwrap();
    assert_eq!(sources(&beside), [((0x107, 0x107), vec![(0, 0xffff), (0x107, 0x107)])]);
}

/// What follows from a count of N for N - 1 is told at the count.
#[test]
fn a_count_of_ids_is_one_finding_with_what_follows_from_it() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0x3_0000, 0, its).id();
    table.root_complex(0).maps(0..=0x1_0000, 0, smmu);
    table.root_complex(1).maps(0..=0xffff, 0x1_0000, smmu);
    table.root_complex(2).maps(0..=0x8000, 0x2_0000, smmu).maps(0x8000..=0xffff, 0x2_8000, smmu);
    table.named_component(r"\_SB_.GPU0").single(0x3_0000, smmu);
    let counts = Firmware::open("counts", table.finish()).unwrap();
    let all = findings(&counts);
    let codes: Vec<_> = all.iter().map(|one| one.code).collect();
    assert!(codes.iter().all(|code| *code == Code::CountIsN), "{:?}", said(&counts));
    assert_eq!(codes.len(), 2, "{:?}", said(&counts));
    // Narrow StreamIDs have 16 bits: an id too many is none of the table's.
    let mut table = Builder::new(5);
    let old = table.smmu_v2(0x2c00_0000).id();
    table.root_complex(0).maps(0..=0x1_0000, 0, old);
    let narrow = Firmware::open("narrow", table.finish()).unwrap();
    assert_eq!(said(&narrow), ["error IORT006"]);
}

// -- dumps that were taken for text --

#[test]
fn a_dump_that_was_taken_for_text_is_told_of_as_such() {
    let mangling = |bytes: &[u8]| match Firmware::open("dump", bytes.to_vec()).map_err(|error| error.kind) {
        Err(ErrorKind::Mangled(mangling)) => Some(mangling),
        _ => None,
    };
    let with = |text: &[u8]| {
        let mut table = Builder::new(6);
        table.oem(*b"ACME  ", *b"TABLE   ", 1);
        let smmu = table.smmu_v3(0x2b40_0d0a).id();
        table.root_complex(0).maps(0..=0xffff, 0, smmu);
        // A table of 0x10d bytes: 0x0d is in its length, too.
        let length = table.finish().len();
        table.node(9, 0x10d - length).put(16, text);
        table.finish()
    };
    let without = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != 0x0d).collect::<Vec<u8>>();
    let line_ends = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let mut out = Vec::new();
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            match rest.strip_prefix(from) {
                Some(behind) => (rest, _) = (behind, out.extend(to)),
                None => (rest, _) = (behind, out.push(*first)),
            }
        }
        out
    };
    let table = with(b"one\r\ntwo\r\nthree\r\n\xff\xfe");
    assert_eq!(mangling(&table), None);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
    assert_eq!(mangling(&lossy(&table)), Some(Mangling::Utf8));
    let lost = table.len() - without(&table).len();
    let lost = Some(u32::try_from(lost).unwrap());
    assert_eq!(mangling(&without(&table)), Some(Mangling::ReturnsLost { bytes: lost }));
    assert_eq!(mangling(&line_ends(&table, b"\r\n", b"\n")), Some(Mangling::ReturnsLost { bytes: Some(3) }));
    assert_eq!(
        mangling(&line_ends(&with(b"one\ntwo\n"), b"\n", b"\r\n")),
        Some(Mangling::ReturnsAdded { bytes: 3 })
    );
    // One that was cut short is not.
    assert_eq!(mangling(table.get(..table.len() - 4).unwrap()), None);
    let tree = bytes("dt/01-tegra234-smmu.dtb");
    assert_eq!(mangling(&tree), None);
    assert_eq!(mangling(&lossy(&tree)), Some(Mangling::Utf8));
    assert_eq!(mangling(&without(&tree)), Some(Mangling::ReturnsLost { bytes: None }));
}
