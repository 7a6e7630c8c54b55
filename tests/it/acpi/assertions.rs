//! Assertions hold for tables as virtual machine monitors lay them out, and name what is wrong with those that are not.

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::assert::{self, Violation};
use fwspec::{Bdf, Dialect, ErrorKind, IdMap, Segment};

fn map(table: &Builder) -> IdMap {
    IdMap::build(&Iort::parse(&table.finish()).unwrap().platform(), Dialect::LINUX)
}

fn function(bus: u8, device: u8, function: u8) -> Bdf {
    Bdf::new(Segment(0), bus, device, function)
}

/// QEMU's virt machine (hw/arm/virt-acpi-build.c `build_iort`): the buses in use go to the SMMU, the others past it.
fn qemu() -> Builder {
    let mut table = Builder::new(5);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x0905_0000).maps(0..=0xffff, 0, its).id();
    table.root_complex(0).maps(0..=0x7ff, 0, smmu).maps(0x800..=0xffff, 0x800, its);
    table
}

/// In the manner of cloud-hypervisor (vmm/src/acpi.rs `create_iort_table`): no SMMU, a root complex for each segment, 256 IDs each.
fn cloud_hypervisor(segments: u32) -> Builder {
    let mut table = Builder::new(2);
    let its = table.its_group([0]).id();
    for segment in 0..segments {
        table.root_complex(segment).maps(0..=0xff, segment << 8, its);
    }
    table
}

#[test]
fn buses_that_qemu_sends_to_the_smmu_are_isolated_and_the_others_are_not() {
    let table = qemu().finish();
    assert::iort_isolates(&table, Segment(0), 0..=7).unwrap();
    let violation = assert::iort_isolates(&table, Segment(0), 0..=8).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "0000:08:00.0 has no StreamID as spec reads the table: \
         0x800 goes straight to the MSI controller, without passing an IOMMU"
    );
    assert::distinct_msis(&map(&qemu()), Segment(0), 0..=255).unwrap();
}

#[test]
fn samples_that_qemu_made_isolate_the_buses_in_use() {
    for (sample, buses) in [("qemu-virt-acpi", 0..=2), ("qemu-switch-bridge", 0..=7)] {
        let path = format!("{}/firmware-samples/{sample}/iort.bin", env!("CARGO_MANIFEST_DIR"));
        assert::iort_isolates(&std::fs::read(path).unwrap(), Segment(0), buses).unwrap();
    }
}

#[test]
fn segments_of_cloud_hypervisor_have_msi_routes_of_their_own() {
    let map = map(&cloud_hypervisor(4));
    for segment in 0..4 {
        assert::distinct_msis(&map, Segment(segment), 0..=0).unwrap();
    }
    let violation = assert::distinct_streams(&map, Segment(0), 0..=0).unwrap_err();
    assert!(matches!(violation, Violation::NoStream { .. }), "{violation}");
    let beyond = assert::distinct_msis(&map, Segment(0), 0..=1).unwrap_err();
    assert_eq!(beyond, Violation::NoMsiRoute { function: function(1, 0, 0), dialect: "linux" });
    assert!(assert::distinct_msis(&map, Segment(4), 0..=0).is_err());
}

#[test]
fn two_functions_with_one_stream_are_named() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0).maps(0..=0xffff, 0, its).id();
    table.root_complex(0).maps(0..=0xff, 0, smmu).maps(0x100..=0x1ff, 0x80, smmu);
    let violation = assert::iort_isolates(&table.finish(), Segment(0), 0..=1).unwrap_err();
    let (a, b) = (function(0, 0x10, 0), function(1, 0, 0));
    assert_eq!(violation, Violation::SharedStream { a, b, id: 0x80, dialect: "spec" });
    assert_eq!(format!("{violation:?}"), violation.to_string());
}

#[test]
fn an_smmu_without_an_its_behind_it_has_no_msi_route() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0).id();
    table.root_complex(0).maps(0..=0xffff, 0, smmu);
    let violation = assert::iort_isolates(&table.finish(), Segment(0), 0..=0).unwrap_err();
    assert_eq!(violation, Violation::NoMsiRoute { function: function(0, 0, 0), dialect: "spec" });
}

#[test]
fn a_record_that_leads_nowhere_is_named_with_its_offset() {
    let mut table = qemu();
    table.root_complex(1).maps(0..=0xffff, 0, fwspec::acpi::iort::Reference::Offset(0x31));
    let violation = assert::iort_isolates(&table.finish(), Segment(0), 0..=7).unwrap_err();
    let Violation::Unreadable(error) = violation else { panic!("{violation}") };
    assert_eq!(error.kind, ErrorKind::MappingTarget(0x31));
    assert!(assert::iort_isolates(b"IORT", Segment(0), 0..=0).is_err());
}
