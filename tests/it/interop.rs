//! Hand-overs from other crates lead to the same table and the same node.
#![cfg(all(feature = "acpi", feature = "fdt"))]
// The tests play the part of firmware and of the code that maps it.

use core::ptr::NonNull;

use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use fwspec::acpi::iort::Builder;
use fwspec::dt::{MapKind, Tree, resolve};
use fwspec::interop::{self, acpi::IortTable};
use fwspec::{Dialect, ErrorKind, IdMap};

/// Physical memory is this process's own, and every mapping is of what was asked for.
#[derive(Clone)]
struct Identity;

impl AcpiHandler for Identity {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> PhysicalMapping<Self, T> {
        let start = NonNull::new(address as *mut T).unwrap();
        // SAFETY: the test keeps the tables where their addresses say.
        unsafe { PhysicalMapping::new(address, start, size, size, Identity) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

/// An XSDT that names one table.
fn xsdt(table: &[u8]) -> Vec<u8> {
    let mut bytes = b"XSDT\x2c\0\0\0\x01\0FWSPECFWSPEC  \x01\0\0\0FWSP\x01\0\0\0".to_vec();
    bytes.extend((table.as_ptr() as u64).to_le_bytes());
    let sum = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    bytes[9] = sum.wrapping_neg();
    bytes
}

fn table() -> Builder {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x0905_0000).maps(0..=0xffff, 0, its).id();
    table.root_complex(0).maps(0..=0xffff, 0, smmu);
    table
}

#[test]
fn a_table_that_acpi_found_is_read_as_its_bytes_are() {
    let bytes = table().finish();
    let root = xsdt(&bytes);
    // SAFETY: both tables live as long as what is made of them.
    let tables = unsafe { AcpiTables::from_rsdt(Identity, 2, root.as_ptr() as usize) }.unwrap();
    let mapping = tables.find_table::<IortTable>().unwrap();
    let iort = interop::acpi::iort(&mapping).unwrap();
    assert_eq!(iort.sdt().bytes(), bytes);
    assert_eq!(iort.nodes().map(Result::unwrap).count(), 3);
}

#[test]
fn a_table_longer_than_its_mapping_is_refused() {
    let bytes = table().finish();
    let start = NonNull::new(bytes.as_ptr() as *mut IortTable).unwrap();
    for mapped in [0, 35, 36, bytes.len() - 1] {
        // SAFETY: that many bytes are there, and nobody unmaps them.
        let mapping =
            unsafe { PhysicalMapping::new(start.as_ptr() as usize, start, bytes.len(), mapped, Identity) };
        let error = interop::acpi::iort(&mapping).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Truncated { .. }), "{error}");
    }
}

#[test]
fn every_node_that_fdt_walks_to_is_found_in_our_tree() {
    let mut found = 0;
    for sample in ["d05-2020", "qemu-virt-dt", "qemu-switch-bridge"] {
        let blob = std::fs::read(format!("{}/firmware-samples/{sample}/fdt.dtb", env!("CARGO_MANIFEST_DIR")));
        let blob = blob.unwrap();
        let theirs = fdt::Fdt::new(&blob).unwrap();
        let tree = Tree::parse(&blob).unwrap();
        let ours: Vec<u32> = tree.nodes().map(|node| node.unwrap().offset()).collect();
        let handed: Vec<u32> =
            theirs.all_nodes().map(|node| interop::fdt::node(&tree, node).unwrap().offset()).collect();
        assert_eq!(handed, ours, "{sample}");
        found += ours.len();
    }
    println!("{found} nodes");
    assert!(found > 50);
}

#[test]
fn a_node_of_other_bytes_is_none_of_ours() {
    let blob =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-samples/d05-2020/fdt.dtb")).unwrap();
    let copy = blob.clone();
    let theirs = fdt::Fdt::new(&copy).unwrap();
    let tree = Tree::parse(&blob).unwrap();
    assert!(interop::fdt::node(&tree, theirs.find_node("/pcie@b0000000").unwrap()).is_none());
}

#[test]
fn streams_of_a_node_that_fdt_walked_to_are_resolved_with_and_without_heap() {
    let blob =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-samples/d05-2020/fdt.dtb")).unwrap();
    let theirs = fdt::Fdt::new(&blob).unwrap();
    let tree = Tree::parse(&blob).unwrap();
    let platform = tree.platform().unwrap();
    let map = IdMap::build(&platform, Dialect::LINUX);
    let host = interop::fdt::node(&tree, theirs.find_node("/pcie@aa000000").unwrap()).unwrap();
    let dull = resolve(&host, MapKind::Iommu, Dialect::LINUX, 0x2108).unwrap().unwrap();
    assert_eq!(dull.cells(), [0x2108]);
    let requester = interop::fdt::requesters(&platform, &host).next().unwrap();
    assert_eq!(map.stream_from(requester, 0x2108).unwrap().fwspec_id(), Some(0x2108));
    let masters = theirs.all_nodes().filter(|node| node.property("iommus").is_some());
    let mut own = masters.flat_map(|master| {
        let master = interop::fdt::node(&tree, master).unwrap();
        let requesters: Vec<fwspec::model::RequesterIndex> =
            interop::fdt::requesters(&platform, &master).collect();
        requesters.into_iter().map(|requester| map.own_streams(requester).len())
    });
    assert_eq!(own.next(), Some(1), "the storage controller has one StreamID of its own");
}
