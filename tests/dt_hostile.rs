//! Device trees made to cost memory or time: lowering stays below 16 times the input, however it is shaped.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "it/support/cases.rs"]
mod cases;
#[path = "it/support/dt.rs"]
mod dt_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use cases::cases_of_three;
use dt_support::Blob;
use fwspec::dt::Tree;
use fwspec::{Dialect, IdMap, Phandle};

/// Counts what is allocated, and remembers the most.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The bound on memory, in bytes for an input of this size.
fn bound(input: usize) -> usize {
    16 * input + 64 * 1024
}

/// Lowers, and indexes what came of it; prints what both cost, and reports what is above the bound.
fn cost(shape: &str, blob: &[u8]) -> Result<(), String> {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = Instant::now();
    let platform = Tree::parse(blob).unwrap().platform().unwrap();
    let lowered = PEAK.load(Relaxed) - before;
    let map = IdMap::build(&platform, Dialect::LINUX);
    let peak = PEAK.load(Relaxed) - before;
    let times = |bytes: usize| bytes as f64 / blob.len() as f64;
    let line = format!(
        "{shape}: {} bytes, lowered at {:.1}x, indexed at {:.1}x, {} ms, {} skipped",
        blob.len(),
        times(lowered),
        times(peak),
        start.elapsed().as_millis(),
        platform.skipped.len(),
    );
    println!("{line}");
    drop((map, platform));
    if peak <= bound(blob.len()) { Ok(()) } else { Err(line) }
}

/// Nodes of these properties, `count` of them one below the other.
fn nested(count: u32, properties: &[(&str, &[u32])]) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.iommu("i", 1, 1).node("m", &[("phandle", &[2])]);
    for _ in 0..count {
        blob.begin("n");
        for (name, cells) in properties {
            blob.cells(name, cells);
        }
    }
    (0..count).for_each(|_| {
        blob.end();
    });
    blob.finish()
}

/// The same side by side.
fn siblings(count: u32, properties: &[(&str, &[u32])]) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.iommu("i", 1, 1).node("m", &[("phandle", &[2])]);
    (0..count).for_each(|_| {
        blob.node("n", properties);
    });
    blob.finish()
}

/// A host with a map of these entries, for an IOMMU of so many cells.
fn map(cells: u32, entries: impl Iterator<Item = Vec<u32>>) -> Vec<u8> {
    let entries: Vec<u32> = entries.flatten().collect();
    Blob::new().iommu("i", 1, cells).host("pcie", &[("iommu-map", &entries)]).finish()
}

fn shapes(n: u32) -> Vec<(&'static str, Vec<u8>)> {
    let none: &[u32] = &[];
    let wired: &[(&str, &[u32])] = &[
        ("iommus", &[1, 5]),
        ("iommu-map", &[0, 1, 0, 8]),
        ("msi-map", &[0, 2, 0, 8]),
        ("dma-ranges", none),
        ("msi-parent", &[2]),
    ];
    let pci = u32::from_be_bytes(*b"pci\0");
    let mut shapes = vec![
        ("nested", nested(n, &[])),
        ("nested and wired", nested(n / 4, wired)),
        ("siblings", siblings(n, &[])),
        ("siblings and wired", siblings(n / 4, wired)),
        ("masters and buses of nothing", siblings(n, &[("iommus", none), ("iommu-map", none)])),
        ("all maps of nothing", siblings(n, &[("iommus", none), ("iommu-map", none), ("msi-map", none)])),
        ("masters of nothing", siblings(n, &[("iommus", none)])),
        ("iommus of nothing", siblings(n, &[("#iommu-cells", none)])),
        ("hosts", siblings(n, &[("device_type", &[pci])])),
        ("hosts of one domain", siblings(n, &[("device_type", &[pci]), ("linux,pci-domain", &[7])])),
        ("hosts below hosts", nested(n / 4, &[("device_type", &[pci])])),
        ("one phandle for all", siblings(n, &[("phandle", &[0xffff_fffe])])),
        ("map of no cells", map(0, (0..n).map(|id| vec![id, 1, 1]))),
        ("map of one cell", map(1, (0..n).map(|id| vec![id, 1, id, 1]))),
        ("map of two cells", map(2, (0..n).map(|id| vec![id, 1, id, 0, 1]))),
        ("map of clashing cells", map(2, (0..n).map(|id| vec![id, 1, id, 0, 2]))),
        ("map of overlaps", map(1, (0..n).map(|id| vec![id, 1, id * 7, n]))),
        ("map of unknown targets", map(1, (0..n).map(|id| vec![id, 9, id, 1]))),
        ("map that only kernels of old can read", map(2, (0..n).map(|id| vec![id, 1, id, 3]))),
    ];

    let mut blob = Blob::new();
    (0..n).for_each(|node| {
        blob.node("n", &[("phandle", &[0xffff_fffe - node * 3])]);
    });
    shapes.push(("phandles beyond any table", blob.finish()));

    let mut blob = Blob::new();
    blob.iommu("i", 1, 0).node("master", &[("iommus", &vec![1; n as usize])]);
    shapes.push(("one master of many", blob.finish()));

    let mut blob = Blob::new();
    let named: Vec<u32> = (0..n).flat_map(|id| [2, id]).collect();
    blob.node("smmu", &[("mmu-masters", &named)])
        .node("master", &[("phandle", &[2]), ("#stream-id-cells", &[1])]);
    shapes.push(("one master of old", blob.finish()));

    let mut blob = Blob::new();
    blob.begin("n");
    (0..n).for_each(|_| {
        blob.word(3).word(0).word(0xffff);
    });
    shapes.push(("properties without names", blob.end().finish()));

    let mut blob = Blob::new();
    blob.node("m", &[("phandle", &[2])]).begin("bus");
    blob.cells("msi-map", &(0..n).flat_map(|id| [id, 2, id, 1]).collect::<Vec<_>>());
    (0..n / 4).for_each(|_| {
        blob.node("pcie", &[("device_type", &[pci])]);
    });
    shapes.push(("hosts below one map", blob.end().finish()));

    // Every master names every region, every region every master.
    let side = n.isqrt();
    let regions: Vec<u32> = (0..side).map(|region| 0x10_0000 + region).collect();
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    (0..side).for_each(|master| {
        blob.node("m", &[("phandle", &[1 + master]), ("iommus", none), ("memory-region", &regions)]);
    });
    for region in &regions {
        let entries: Vec<u32> = (0..side).flat_map(|master| [1 + master, master << 12, 0x1000]).collect();
        blob.node("r", &[("phandle", &[*region]), ("iommu-addresses", &entries)]);
    }
    shapes.push(("everybody reserves everything", blob.finish()));

    let ranges: Vec<u32> = (0..n).flat_map(|range| [range * 16, range * 16, 16]).collect();
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).begin("soc");
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("ranges", &ranges);
    (0..n / 4).for_each(|_| {
        blob.node("i", &[("#iommu-cells", none), ("reg", &[0xffff_0000, 1])]);
    });
    shapes.push(("registers behind a million ranges", blob.end().finish()));
    // DMA that goes round in a circle, and buses that ask how far it reaches.
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).begin("soc").cells("phandle", &[1]);
    blob.cells("interconnects", &[2]).text("interconnect-names", "dma-mem");
    blob.node("mc", &[("phandle", &[2]), ("#interconnect-cells", &[0])]);
    (0..n).for_each(|_| {
        blob.node("bus", &[("dma-ranges", &[0, 0, 1])]);
    });
    shapes.push(("dma in a circle", blob.end().finish()));

    // Each map fails at its second entry and goes on to the parent.
    let mut blob = Blob::new();
    blob.node("v2m", &[("phandle", &[2])]).begin("soc").cells("msi-parent", &[2]);
    (0..n / 4).for_each(|_| {
        blob.node("bus", &[("msi-map", &[0, 2, 0, 8, 9, 9])]);
    });
    shapes.push(("maps that fail half-way", blob.end().finish()));
    shapes
}

/// One test, because the peak is one for all threads.
#[test]
fn no_shape_costs_more_than_the_bound() {
    let size = std::env::var("FWSPEC_HOSTILE").ok().and_then(|size| size.parse().ok()).unwrap_or(20_000);
    let mut shapes = shapes(size);
    let many = cases_of_three(150_000, 1_000_000, 1_000_000);
    shapes.push(("very many nested", nested(many / 5, &[])));
    shapes.push(("very many siblings", siblings(many, &[])));
    let mut blob = Blob::new();
    (0..many).for_each(|node| {
        blob.node("n", &[("phandle", &[0xffff_fffe - node])]);
    });
    shapes.push(("very many phandles from 0xfffffffe down", blob.finish()));
    shapes.push(("very many times one phandle", siblings(many, &[("phandle", &[0xffff_fffe])])));
    let over: Vec<String> = shapes.iter().filter_map(|(shape, blob)| cost(shape, blob).err()).collect();
    assert_eq!(over, Vec::<String>::new());

    // A property that claims 1 GiB.
    let mut blob = Blob::new();
    blob.word(3).word(1 << 30);
    let name = blob.string("reg");
    let blob = blob.word(name).word(0).finish();
    PEAK.store(NOW.load(Relaxed), Relaxed);
    let before = NOW.load(Relaxed);
    let error = Tree::parse(&blob).unwrap().platform().unwrap_err();
    assert!(matches!(error.kind, fwspec::ErrorKind::Truncated { need: 0x4000_0000, .. }), "{error}");
    assert!(PEAK.load(Relaxed) - before <= bound(blob.len()));

    let blob = Blob::new().node("n", &[("phandle", &[0xffff_fffe])]).finish();
    let index = Tree::parse(&blob).unwrap().index().unwrap();
    assert!(index.by_phandle(Phandle(0xffff_fffe)).is_some());
}
