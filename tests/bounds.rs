//! Hostile bytes cost a bounded amount of memory and never a panic: reading, lowering and building the map of an input takes at
//! most 16 times its size and 64 KiB, at the peak.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::acpi::{Mcfg, container, rimt::Rimt, viot::Viot};
use fwspec::dt::Tree;
use fwspec::input::{Kind, lspci, recognise};
use fwspec::{Dialect, IdMap, Platform};
use vm_fdt::FdtWriter;

#[path = "tables/write.rs"]
mod write;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

impl Counting {
    fn grow(bytes: usize) {
        let live = LIVE.get().wrapping_add(bytes);
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
    }

    fn shrink(bytes: usize) {
        LIVE.set(LIVE.get().wrapping_sub(bytes));
    }
}

// SAFETY: every call is handed to the system's allocator unchanged; the counters are plain cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::grow(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Counting::shrink(layout.size());
        // SAFETY: as above; the memory came from there.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        Counting::grow(size);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, size) };
        Counting::shrink(layout.size());
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Samples below this size are damaged everywhere, larger ones at about so many places.
const SMALL: usize = 2048;

/// The most that reading may have held at once.
fn bound(input: &[u8]) -> usize {
    16 * input.len() + 64 * 1024
}

/// Reads an input to its end, as its content says what it is.
fn read(input: &[u8]) {
    let platform = match recognise(input) {
        Kind::DeviceTree => Tree::parse(input).and_then(|tree| tree.platform()).ok(),
        Kind::AcpiTable(signature) if &signature == b"MCFG" => Mcfg::parse(input).ok().map(|table| {
            let mut platform = Platform::default();
            table.lower_into(&mut platform);
            platform
        }),
        Kind::AcpiTable(signature) if &signature == b"IORT" => {
            Iort::parse(input).ok().map(|table| table.platform())
        }
        Kind::AcpiTable(signature) if &signature == b"RIMT" => {
            Rimt::parse(input).ok().map(|table| table.platform())
        }
        Kind::AcpiTable(signature) if &signature == b"VIOT" => {
            Viot::parse(input).ok().map(|table| table.platform())
        }
        Kind::LspciText => {
            drop(lspci::parse(input));
            None
        }
        _ => {
            drop(container::tables(input));
            None
        }
    };
    if let Some(platform) = platform {
        drop(IdMap::build(&platform, Dialect::LINUX));
    }
}

/// The most that this thread held during a reading, beyond what it held before.
fn peak(input: &[u8]) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    read(input);
    assert_eq!(LIVE.get(), before, "something leaked");
    PEAK.get() - before
}

fn check(what: &str, input: &[u8]) {
    let (peak, bound) = (peak(input), bound(input));
    assert!(peak <= bound, "{what}: {peak} bytes for {} of input, more than {bound}", input.len());
}

/// The samples' firmware and topologies.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples");
    let mut found = Vec::new();
    for machine in fs::read_dir(folder).unwrap() {
        for file in ["iort.bin", "mcfg.bin", "viot.bin", "fdt.dtb", "lspci.txt"] {
            let path = machine.as_ref().unwrap().path().join(file);
            if let Ok(bytes) = fs::read(&path) {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    found
}

/// A VIOT range of 24 bytes can name all 65,536 segments; mappings of a RIMT are 20 bytes and never the same.
#[test]
fn rimt_and_viot_of_the_worst_shapes_stay_in_bounds() {
    for count in [1, 100, 2_000] {
        let mut viot = write::Viot::default();
        let iommu = viot.pci_iommu(0, 8);
        for at in 0..count {
            viot.pci_range(at..=0xffff, 0..=0xffff - at, 0, iommu);
        }
        check(&format!("VIOT of {count} ranges over all segments"), &viot.bytes());
        let mut rimt = write::Rimt::default();
        let iommu = rimt.iommu(0x1000);
        for at in 0..count {
            rimt.platform_device(r"\_SB_", &[]);
            let dense: Vec<write::Mapping> =
                (0..u32::from(count)).map(|n| (n, 0x10000 - n, n, iommu)).collect();
            rimt.root_complex(at, 0, &dense[..dense.len().min(3_000 / usize::from(count))]);
        }
        check(&format!("RIMT of {count} root complexes"), &rimt.bytes());
        let mut rimt = write::Rimt::default();
        let iommu = rimt.iommu(0x1000);
        let dense: Vec<write::Mapping> = (0..u32::from(count)).map(|n| (n, 0x10000 - n, n, iommu)).collect();
        rimt.root_complex(0, 0, &dense);
        check(&format!("RIMT of {count} overlapping mappings"), &rimt.bytes());
    }
}

#[test]
fn samples_cut_anywhere_stay_in_bounds() {
    let mut cuts = 0;
    for (name, sample) in samples() {
        for length in (0..=sample.len()).step_by(1 + sample.len() / SMALL) {
            check(&format!("{name} cut to {length}"), &sample[..length]);
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 0);
}

#[test]
fn samples_with_any_bit_flipped_stay_in_bounds() {
    let mut flips = 0;
    for (name, mut sample) in samples() {
        for at in (0..sample.len()).step_by(1 + sample.len() / SMALL) {
            // Of larger samples, one bit of a byte now and then.
            let bits = if sample.len() < SMALL { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                sample[at] ^= 1 << bit;
                check(&format!("{name} with bit {bit} of byte {at:#x} flipped"), &sample);
                sample[at] ^= 1 << bit;
                flips += 1;
            }
        }
    }
    println!("{flips} flips");
    assert!(flips > 0);
}

#[test]
fn root_complexes_full_of_overlapping_ranges_stay_in_bounds() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x1000_0000).maps(0..=0xffff_ffff, 0, its).id();
    for segment in 0..20 {
        let mut root = table.root_complex(segment);
        for position in 0..3000_u32 {
            // Each lies inside the one before it.
            root.maps(position..=0xffff_0000 - position, position * 7, smmu);
        }
    }
    check("nested ranges", &table.finish());
}

#[test]
fn many_small_nodes_stay_in_bounds() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    for segment in 0..2_000 {
        table.root_complex(segment).maps(0..=0xffff, 0, its);
        table.named_component("X").single(segment, its);
    }
    check("small nodes", &table.finish());
}

#[test]
fn a_node_that_claims_more_than_there_is_stays_in_bounds() {
    let mut table = Builder::new(6);
    table.its_group([0]).put_u32(16, u32::MAX);
    table.root_complex(0).claim_mapping_count(u32::MAX);
    table.claim_node_count(u32::MAX);
    check("claims", &table.finish());
}

/// A tree whose root holds what `fill` writes.
fn tree(fill: impl FnOnce(&mut FdtWriter)) -> Vec<u8> {
    let mut writer = FdtWriter::new().unwrap();
    let root = writer.begin_node("").unwrap();
    fill(&mut writer);
    writer.end_node(root).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_map_of_a_hundred_thousand_entries_stays_in_bounds() {
    let blob = tree(|tree| {
        let iommu = tree.begin_node("iommu@0").unwrap();
        tree.property_u32("#iommu-cells", 1).unwrap();
        tree.property_string("compatible", "arm,smmu-v3").unwrap();
        tree.property_phandle(1).unwrap();
        tree.end_node(iommu).unwrap();
        let host = tree.begin_node("pcie@1").unwrap();
        tree.property_string("device_type", "pci").unwrap();
        let entries: Vec<u32> = (0..100_000).flat_map(|at| [at / 2, 1, at * 3, 2]).collect();
        tree.property_array_u32("iommu-map", &entries).unwrap();
        tree.end_node(host).unwrap();
    });
    check("iommu-map", &blob);
}

#[test]
fn a_master_with_a_hundred_thousand_specifiers_stays_in_bounds() {
    let blob = tree(|tree| {
        let iommu = tree.begin_node("iommu@0").unwrap();
        tree.property_u32("#iommu-cells", 0).unwrap();
        tree.property_string("compatible", "rockchip,iommu").unwrap();
        tree.property_phandle(1).unwrap();
        tree.end_node(iommu).unwrap();
        let master = tree.begin_node("gpu@1").unwrap();
        tree.property_array_u32("iommus", &vec![1; 100_000]).unwrap();
        tree.end_node(master).unwrap();
    });
    check("iommus", &blob);
}

/// A tree in which each node is the only child of the one before, and a master of the root. By hand, since the
/// writer used elsewhere stops at a depth that this library does not stop at.
fn deep_tree(levels: usize) -> Vec<u8> {
    let strings = b"iommus\0#iommu-cells\0phandle\0";
    let property = |name: u32, value: u32| [3, 4, name, value];
    let mut words: Vec<u32> = vec![1, 0];
    words.extend(property(7, 0));
    words.extend(property(20, 1));
    for _ in 0..levels {
        words.extend([1, u32::from_be_bytes(*b"n\0\0\0")]);
        words.extend(property(0, 1));
    }
    words.extend(std::iter::repeat_n(2, levels + 1));
    words.push(9);
    let structure = u32::try_from(4 * words.len()).unwrap();
    let text = u32::try_from(strings.len()).unwrap();
    let header = [0xd00d_feed, 56 + structure + text, 56, 56 + structure, 40, 17, 16, 0, text, structure];
    let end_of_reservations = [0; 4];
    let words = header.into_iter().chain(end_of_reservations).chain(words);
    words.flat_map(u32::to_be_bytes).chain(*strings).collect()
}

#[test]
fn masters_deep_down_stay_in_bounds() {
    // Names and parents must not be kept again for each of them.
    let blob = deep_tree(20_000);
    assert_eq!(Tree::parse(&blob).unwrap().platform().unwrap().requesters.len(), 20_000);
    check("deep masters", &blob);
}

#[test]
fn text_full_of_functions_stays_in_bounds() {
    let mut tiny = String::new();
    for rid in 0..=0xffff_u16 {
        let [bus, devfn] = rid.to_be_bytes();
        writeln!(tiny, "{bus:02x}:{:02x}.{}\n00: 00", devfn >> 3, devfn & 7).unwrap();
    }
    check("one byte each", tiny.as_bytes());
    let bare = "00:00.0\n".repeat(50_000);
    check("one function, again and again", bare.as_bytes());
    let longest = format!("00:00.0\n{}", "00: ".to_owned() + &"00 ".repeat(256) + "\nff0: 00\n\n");
    check("a gap to the end of config space", longest.as_bytes());
}

#[test]
fn acpidump_text_stays_in_bounds() {
    let mut text = String::new();
    for _ in 0..5_000 {
        text.push_str("IORT @ 0x0\n    0000: 49 4F 52 54 30 00\n");
    }
    check("many blocks", text.as_bytes());
}
