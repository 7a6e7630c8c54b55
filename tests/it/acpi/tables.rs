//! RIMT and VIOT: the tables of RISC-V and of virtio-iommu, as Linux and their specifications read them.

use crate::support::outside::shared;
use crate::support::write;

use fwspec::acpi::rimt::Rimt;
use fwspec::acpi::viot::Viot;
use fwspec::machine::Firmware;
use fwspec::map::NoStream;
use fwspec::model::{Errno, HostedFunction};
use fwspec::{
    Bdf, DeviceId, Dialect, ErrorKind, IdMap, IommuIndex, Platform, RequesterId, RequesterIndex, Segment,
};

use write::{Rimt as RimtTable, Viot as ViotTable};

fn map(platform: &Platform, dialect: Dialect) -> IdMap {
    IdMap::build(platform, dialect)
}

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn id(map: &IdMap, function: &str) -> Option<u32> {
    map.resolve(bdf(function)).ok()?.fwspec_id()
}

fn kinds(platform: &Platform) -> Vec<ErrorKind> {
    platform.skipped.iter().map(|error| error.kind).collect()
}

fn viot(table: &ViotTable) -> Platform {
    Viot::parse(&table.bytes()).unwrap().platform()
}

fn rimt(table: &RimtTable) -> Platform {
    Rimt::parse(&table.bytes()).unwrap().platform()
}

// -- VIOT: linux drivers/acpi/viot.c --

/// Worked vector 8, from bytes.
#[test]
fn every_segment_of_a_range_has_65536_endpoints() {
    let mut table = ViotTable::default();
    let iommu = table.mmio_iommu(0x1000_0000);
    table.pci_range(0..=1, 0x100..=0x1ff, 0x500, iommu);
    let map = map(&viot(&table), Dialect::LINUX);
    assert_eq!(id(&map, "0000:01:00.2"), Some(0x502));
    assert_eq!(id(&map, "0001:01:00.2"), Some(0x10502));
    assert_eq!(id(&map, "0001:02:00.0"), None);
    assert_eq!(map.resolve(bdf("0002:01:00.0")), Err(NoStream::NoHost { segment: Segment(2) }));
}

/// `viot_parse_node` puts each endpoint in front of the list.
#[test]
fn the_last_of_overlapping_ranges_counts() {
    let mut table = ViotTable::default();
    let iommus = [table.mmio_iommu(0x1000), table.mmio_iommu(0x2000)];
    table.pci_range(0..=0, 0..=0xffff, 0, iommus[0]);
    table.pci_range(0..=0, 0x100..=0x1ff, 0x8000, iommus[1]);
    let map = map(&viot(&table), Dialect::LINUX);
    assert_eq!(id(&map, "01:00.0"), Some(0x8000));
    assert_eq!(id(&map, "02:00.0"), Some(0x200));
    assert_eq!(map.resolve(bdf("01:00.0")).unwrap().iommu, IommuIndex(1));
}

/// `viot_dev_iommu_init` answers EINVAL for the function that the IOMMU is, on its own segment only.
#[test]
fn an_iommu_does_not_translate_itself() {
    let mut table = ViotTable::default();
    let iommu = table.pci_iommu(0, 0x8);
    table.pci_range(0..=1, 0..=0xffff, 0, iommu);
    let map = map(&viot(&table), Dialect::LINUX);
    assert_eq!(map.resolve(bdf("00:01.0")), Err(NoStream::Errno { input: 8, errno: Errno::Invalid }));
    assert_eq!(id(&map, "00:01.1"), Some(9));
    assert_eq!(id(&map, "0001:00:01.0"), Some(0x1_0008));
}

#[test]
fn another_iommu_may_translate_an_iommu() {
    let mut table = ViotTable::default();
    table.pci_iommu(0, 0x8);
    let second = table.mmio_iommu(0x1000);
    table.pci_range(0..=0, 0..=0xffff, 0, second);
    assert_eq!(id(&map(&viot(&table), Dialect::LINUX), "00:01.0"), Some(8));
}

/// `viot_mmio_dev_iommu_init` finds the device by the start of its first memory resource.
#[test]
fn a_platform_endpoint_is_named_by_its_address() {
    let mut table = ViotTable::default();
    let iommu = table.mmio_iommu(0x1000);
    table.mmio_endpoint(0x77, 0x1c00_0000, iommu);
    let platform = viot(&table);
    let fwspec::model::RequesterKind::Master(master) = &platform.requesters[0].kind else {
        panic!("a master")
    };
    assert_eq!(master.base, Some(0x1c00_0000));
    let outcome = map(&platform, Dialect::LINUX).fwspec(RequesterIndex(0).into());
    assert_eq!(outcome.fwspec.unwrap().ids[0].fwspec_id(), Some(0x77));
}

#[test]
fn one_broken_viot_record_costs_one_record() {
    let mut table = ViotTable::default();
    let iommu = table.mmio_iommu(0x1000);
    table.raw(9, 8); // a type that nobody defines
    table.raw(1, 8); // a range without its fields
    table.pci_range(0..=0, std::ops::RangeInclusive::new(0x200, 0x100), 0, iommu);
    table.pci_range(0..=0, 0..=0xff, 0, 0x7777);
    table.pci_range(0..=0, 0x300..=0x3ff, 0, iommu);
    let platform = viot(&table);
    assert_eq!(id(&map(&platform, Dialect::SPEC), "03:00.0"), Some(0));
    let mut found = kinds(&platform);
    found.sort_by_key(|kind| format!("{kind:?}"));
    assert_eq!(
        found,
        [
            ErrorKind::EndpointRange {
                segment_start: 0,
                segment_end: 0,
                first: RequesterId(0x200),
                last: RequesterId(0x100)
            },
            ErrorKind::NodeTooShort { length: 8, need: 24 },
            ErrorKind::NodeType(9),
            ErrorKind::OutputNode(0x7777),
        ]
    );
}

#[test]
fn viot_walks_end() {
    let mut table = ViotTable::default();
    table.mmio_iommu(0x1000);
    let whole = table.bytes();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        kinds(&Viot::parse(&bytes).unwrap().platform())
    };
    let sum = |kinds: Vec<ErrorKind>| {
        kinds.into_iter().filter(|k| !matches!(k, ErrorKind::Checksum(_))).collect::<Vec<_>>()
    };
    assert_eq!(sum(with(&|b| b[50..52].fill(0))), [ErrorKind::NodeLengthZero]);
    assert_eq!(sum(with(&|b| b[50] = 3)), [ErrorKind::NodeTooShort { length: 3, need: 4 }]);
    assert_eq!(sum(with(&|b| b[50] = 17)), [ErrorKind::NodeOverrun { length: 17, left: 16 }]);
    assert_eq!(sum(with(&|b| b[36] = 9)), [ErrorKind::NodeCount { count: 9, found: 1 }]);
    let mut outside = whole.clone();
    outside[38] = 47;
    assert_eq!(Viot::parse(&outside).unwrap_err().kind, ErrorKind::NodeOffset { offset: 47, length: 64 });
    assert_eq!(Viot::parse(&whole[..44]).unwrap_err().kind, ErrorKind::Truncated { need: 64, have: 44 });
}

/// A 24-byte record that names all 65,536 segments must not become as many hosts.
#[test]
fn ranges_of_very_many_segments_are_cut_and_reported() {
    let mut table = ViotTable::default();
    let iommu = table.mmio_iommu(0x1000);
    for _ in 0..100 {
        table.pci_range(0..=0xffff, 0..=0xffff, 0, iommu);
    }
    let platform = viot(&table);
    assert!(platform.requesters.len() <= 64);
    assert!(kinds(&platform).iter().all(|kind| matches!(kind, ErrorKind::SegmentsMany { .. })));
    assert_eq!(id(&map(&platform, Dialect::LINUX), "0003:00:01.0"), Some(0x3_0008));
}

// -- RIMT: linux drivers/acpi/riscv/rimt.c, RISC-V IO Mapping Table specification 1.0 --

/// Worked vector 11, from bytes: `rimt_id_map` takes `source <= id <= source + count`.
#[test]
fn linux_maps_one_id_more_than_the_count_says() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x301_0000);
    table.root_complex(0, 0, &[(0, 0x10, 0x4000, iommu)]);
    let platform = rimt(&table);
    for (dialect, last) in [(Dialect::SPEC, None), (Dialect::LINUX, Some(0x4010))] {
        assert_eq!(id(&map(&platform, dialect), "00:01.7"), Some(0x400f));
        assert_eq!(id(&map(&platform, dialect), "00:02.0"), last, "{}", dialect.name);
    }
}

/// There is no rule for the last ID here: the first entry that contains an ID answers.
#[test]
fn the_extra_id_of_an_earlier_range_hides_the_next_one() {
    let mut table = RimtTable::default();
    let iommus = [table.iommu(0x1000), table.iommu(0x2000)];
    table.root_complex(0, 0, &[(0, 0x100, 0, iommus[0]), (0x100, 0x100, 0x8000, iommus[1])]);
    let platform = rimt(&table);
    assert_eq!(id(&map(&platform, Dialect::SPEC), "01:00.0"), Some(0x8000));
    assert_eq!(id(&map(&platform, Dialect::LINUX), "01:00.0"), Some(0x100));
}

#[test]
fn a_count_of_zero_maps_nothing_and_on_linux_one_id() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.root_complex(0, 0, &[(8, 0, 0x40, iommu)]);
    let platform = rimt(&table);
    assert_eq!(id(&map(&platform, Dialect::SPEC), "00:01.0"), None);
    assert_eq!(id(&map(&platform, Dialect::LINUX), "00:01.0"), Some(0x40));
    assert_eq!(id(&map(&platform, Dialect::LINUX), "00:01.1"), None);
}

/// `rimt_plat_iommu_map`: the first output of every mapping, whatever it counts, as long as each leads to an IOMMU.
#[test]
fn a_platform_device_has_an_id_for_every_mapping() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.platform_device(
        r"\_SB_.DMA0",
        &[(0, 1, 0x20, iommu), (0, 4, 0x30, iommu), (0, 1, 0x40, 0x333), (0, 1, 0x50, iommu)],
    );
    let platform = rimt(&table);
    let record = map(&platform, Dialect::LINUX).fwspec(RequesterIndex(0).into()).fwspec.unwrap();
    let ids: Vec<_> = record.ids.iter().filter_map(|stream| stream.fwspec_id()).collect();
    assert_eq!(ids, [0x20, 0x30]);
    assert_eq!(kinds(&platform), [ErrorKind::MappingTarget(0x333)]);
}

/// ATS comes from the root complex (`rimt_pcie_iommu_map`).
#[test]
fn ats_of_the_root_complex_is_in_the_record() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.root_complex(3, 0b11, &[(0, 0x10000, 0, iommu)]);
    let platform = rimt(&table);
    let outcome = map(&platform, Dialect::LINUX).fwspec(bdf("0003:01:00.0").into());
    assert!(outcome.fwspec.unwrap().flags.ats);
}

#[test]
fn a_pci_iommu_is_a_function_of_its_segment() {
    let mut table = RimtTable::default();
    let iommu = table.pci_iommu(3, 0x18);
    table.root_complex(1, 0, &[(0, 0x10000, 0, iommu)]);
    table.root_complex(3, 0, &[(0, 0x10000, 0, iommu)]);
    let platform = rimt(&table);
    assert_eq!(
        platform.iommus[0].function,
        Some(HostedFunction { host: RequesterIndex(1), rid: RequesterId(0x18) })
    );
    assert_eq!(platform.iommus[0].base, None);
}

/// `rimt_node_map_id` gives up when the first mapping has no destination.
#[test]
fn a_first_mapping_without_destination_turns_off_all_on_linux() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.root_complex(0, 0, &[(0, 1, 0, 0), (0, 0x10000, 0, iommu)]);
    let platform = rimt(&table);
    assert_eq!(map(&platform, Dialect::LINUX).resolve(bdf("01:00.0")), Err(NoStream::FirstNull));
    assert_eq!(id(&map(&platform, Dialect::SPEC), "01:00.0"), Some(0x100));
    assert_eq!(kinds(&platform), [ErrorKind::MappingNull]);
    // Whatever its range.
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.root_complex(0, 0, &[(2, u32::MAX, 0, 0), (0, 0x10000, 0, iommu)]);
    let platform = rimt(&table);
    assert_eq!(map(&platform, Dialect::LINUX).resolve(bdf("01:00.0")), Err(NoStream::FirstNull));
    assert_eq!(id(&map(&platform, Dialect::SPEC), "01:00.0"), Some(0x100));
    assert_eq!(kinds(&platform), [ErrorKind::MappingNull]);
}

/// Linux follows a reference to a root complex with that node's own mappings, for ever where it leads in a circle.
#[test]
fn a_circle_of_root_complexes_ends() {
    let mut table = RimtTable::default();
    let first = 48;
    table.root_complex(0, 0, &[(0, 0x10000, 0, first)]);
    let platform = rimt(&table);
    assert_eq!(map(&platform, Dialect::LINUX).resolve(bdf("01:00.0")), Err(NoStream::Cycle { input: 0x100 }));
}

#[test]
fn one_broken_rimt_record_costs_one_record() {
    let mut table = RimtTable::default();
    let iommu = table.iommu(0x1000);
    table.raw(7, 8);
    table.raw(1, 12);
    table.root_complex(0, 0, &[(0, 0x10000, 0, iommu)]);
    table.claim_mappings(9);
    let platform = rimt(&table);
    assert_eq!(id(&map(&platform, Dialect::LINUX), "01:00.0"), Some(0x100));
    assert_eq!(
        kinds(&platform),
        [
            ErrorKind::NodeType(7),
            ErrorKind::NodeTooShort { length: 12, need: 20 },
            ErrorKind::MappingsOutside { count: 9, offset: 20, fit: 1 },
        ]
    );
}

#[test]
fn wires_and_names_of_an_iommu_are_read() {
    let mut table = RimtTable::default();
    table.iommu(0x1000);
    let bytes = table.bytes();
    let node = Rimt::parse(&bytes).unwrap().nodes().next().unwrap().unwrap();
    let fwspec::acpi::rimt::Body::Iommu { hardware_id, wires, proximity_domain, .. } = node.body().unwrap()
    else {
        panic!("an IOMMU")
    };
    assert_eq!(&hardware_id, b"RSCV0004");
    assert_eq!(proximity_domain, None);
    let wires: Vec<_> = wires.map(|wire| (wire.gsi, wire.level, wire.active_high)).collect();
    assert_eq!(wires, [(36, true, true), (37, false, true)]);
}

// -- both beside an IORT --

/// `acpi_iommu_configure_id` asks the IORT first and the VIOT when that fails.
#[test]
fn a_viot_answers_where_the_iort_knows_no_iommu() {
    let mut iort = fwspec::acpi::iort::Builder::new(3);
    let its = iort.its_group([0]).id();
    iort.root_complex(0).maps(0..=0xffff, 0, its);
    let mut table = ViotTable::default();
    let iommu = table.pci_iommu(0, 0x8);
    table.pci_range(0..=0, 0..=0xffff, 0x100, iommu);
    let together = [iort.clone().finish(), table.bytes()].concat();
    let mut joined = Firmware::open("VIOT", table.bytes()).unwrap();
    joined.join(Firmware::open("IORT", iort.finish()).unwrap());
    for firmware in [Firmware::open("both", together).unwrap(), joined] {
        assert_eq!(firmware.platform.skipped, []);
        let map = map(&firmware.platform, Dialect::LINUX);
        assert_eq!(id(&map, "01:00.0"), Some(0x200));
        assert_eq!(map.device_id_of(bdf("01:00.0")).unwrap().id, DeviceId(0x100));
        assert!(map.resolve(bdf("00:01.0")).is_err());
    }
}

#[test]
fn of_two_tables_of_one_name_the_first_counts() {
    let mut first = ViotTable::default();
    let iommu = first.mmio_iommu(0x1000);
    first.pci_range(0..=0, 0..=0xffff, 0x100, iommu);
    let mut second = ViotTable::default();
    let iommu = second.mmio_iommu(0x2000);
    second.pci_range(0..=0, 0..=0xffff, 0x200, iommu);
    let firmware = Firmware::open("two", [first.bytes(), second.bytes()].concat()).unwrap();
    assert_eq!(kinds(&firmware.platform), [ErrorKind::TableTwice]);
    assert_eq!(id(&map(&firmware.platform, Dialect::LINUX), "00:00.0"), Some(0x100));
}

/// A table beside the others must not hide what is wrong with them, with their file, or with a second one of its name.
#[test]
fn lint_tells_of_every_table_of_a_machine() {
    let mut iort = fwspec::acpi::iort::Builder::new(3);
    let its = iort.its_group([0]).id();
    iort.root_complex(0).maps(0..=0xffff, 0, its);
    let mut table = ViotTable::default();
    let iommu = table.mmio_iommu(0x1000);
    table.pci_range(0..=0, 0..=0xffff, 0, iommu);
    let viot = table.bytes();
    let mut outside = viot.clone();
    outside[38] = 47;
    let codes = |tables: &[&[u8]]| -> Vec<String> {
        let findings = fwspec::answer::findings(&Firmware::open("machine", tables.concat()).unwrap());
        findings.iter().map(|finding| format!("{} {}", finding.code, finding.at)).collect()
    };
    let iort = iort.finish();
    let said = codes(&[&iort, &viot, &viot, b"no table"]);
    assert!(said.contains(&"IORT066 VIOT#1+0x0".to_owned()), "{said:?}");
    assert!(said.iter().any(|code| code.starts_with("IORT064 file+")), "{said:?}");
    let said = codes(&[&viot, b"no table"]);
    assert!(said.iter().any(|code| code.starts_with("IORT064 file+")), "{said:?}");
    let said = codes(&[&iort, &outside]);
    assert!(said.contains(&"VIOT001 VIOT+0x26".to_owned()), "{said:?}");
}

// -- bytes that others wrote --

/// QEMU's tables of both kinds: every function but the IOMMU has its requester ID for an ID.
#[test]
fn the_tables_of_qemu_map_every_function() {
    let Some(folder) = shared("corpus/qemu") else { return };
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().to_string();
        if !name.ends_with(".VIOT.bin") && !name.ends_with(".RIMT.bin") {
            continue;
        }
        let firmware = Firmware::open(&name, std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(firmware.platform.skipped, [], "{name}");
        assert_eq!(firmware.platform.iommus.len(), 1, "{name}");
        assert_eq!(id(&map(&firmware.platform, Dialect::LINUX), "00:00.3"), Some(3), "{name}");
        read += 1;
    }
    println!("{read} tables of QEMU");
    assert!(read >= 4);
}
