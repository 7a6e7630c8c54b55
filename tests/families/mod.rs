//! The worst inputs of each kind, of about any size: what `tests/bounds.rs` measures the memory of, and `benches/families.rs` the
//! time.

use std::fmt::Write;

use fwspec::acpi::iort::{Builder, Reference};

/// A family: its name, and its member of about so many bytes.
pub type Family = (&'static str, fn(usize) -> Vec<u8>);

pub const FAMILIES: &[Family] = &[
    ("iort: nested ranges", nested_ranges),
    ("iort: ranges of all 2^32 ids", full_ranges),
    ("iort: every id twice", doubled_ranges),
    ("iort: small nodes", small_nodes),
    ("iort: references to itself", self_references),
    ("iort: one circle of all SMMUs", circle),
    ("iort: a chain of all components", chain),
    ("iort: references to nowhere", dangling),
    ("iort: single mappings", single_mappings),
    ("iort: reserved ranges that overlap", overlapping_rmrs),
    ("dt: each the child of the one before", deep_tree),
    ("dt: masters side by side", wide_tree),
    ("dt: one map", one_map),
    ("dt: one map, nested", nested_map),
    ("dt: one master, cells of none", cells_of_none),
    ("dt: a map in every node", many_maps),
    ("dt: one phandle for all", one_phandle),
    ("lspci: one byte each", bytes_each),
    ("lspci: bridges below bridges", bridges),
    ("lspci: one bus, no isolation", one_bus),
    ("acpidump: small blocks", small_blocks),
    ("acpidump: one table", one_dump),
];

/// Mappings that fit into a node, whose length is 16 bits wide.
const PER_NODE: usize = 3_000;

/// Root complexes full of mappings, written by `map` from the position in the node, over one SMMU.
fn roots(size: usize, map: impl Fn(u32) -> (u32, u32, u32)) -> Vec<u8> {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x1000_0000).maps(0..=0xffff_ffff, 0, its).id();
    let mut left = (size / 20).max(1);
    for segment in 0.. {
        let count = left.min(PER_NODE);
        let mut root = table.root_complex(segment);
        for position in 0..u32::try_from(count).unwrap() {
            let (first, more, output) = map(position);
            root.mapping(first, more, output, smmu, 0);
        }
        left -= count;
        if left == 0 {
            break;
        }
    }
    table.finish()
}

fn nested_ranges(size: usize) -> Vec<u8> {
    roots(size, |position| (position, 0xffff_0000 - 2 * position, position * 7))
}

fn full_ranges(size: usize) -> Vec<u8> {
    roots(size, |position| (0, u32::MAX, position))
}

fn doubled_ranges(size: usize) -> Vec<u8> {
    roots(size, |position| (position / 2 * 16, 16, position * 16))
}

fn small_nodes(size: usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    for segment in 0..u32::try_from(size / 112).unwrap().max(1) {
        table.root_complex(segment).maps(0..=0xffff, 0, its);
        table.named_component("X").single(segment, its);
    }
    table.finish()
}

/// SMMUs, each with a mapping to the one that `to` names by its position.
fn smmus(size: usize, to: impl Fn(usize, usize) -> usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    let all: Vec<_> = (0..(size / 88).max(2)).map(|_| table.smmu_v3(0x1000_0000).id()).collect();
    for (at, smmu) in all.iter().enumerate() {
        table.edit(*smmu).maps(0..=0xffff_ffff, 0, all[to(at, all.len())]);
    }
    table.root_complex(0).maps(0..=0xffff, 0, all[0]);
    table.finish()
}

fn self_references(size: usize) -> Vec<u8> {
    smmus(size, |at, _| at)
}

fn circle(size: usize) -> Vec<u8> {
    smmus(size, |at, count| (at + 1) % count)
}

fn chain(size: usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    let mut next = table.its_group([0]).id();
    for _ in 0..(size / 52).max(1) {
        next = table.named_component("X").single(1, next).id();
    }
    table.finish()
}

fn dangling(size: usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    for segment in 0..u32::try_from(size / 60).unwrap().max(1) {
        table.root_complex(segment).maps(0..=0xffff, 0, Reference::Offset(segment * 4 + 1));
    }
    table.finish()
}

fn single_mappings(size: usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x1000_0000).id();
    let mut left = (size / 20).max(1);
    while left > 0 {
        let count = left.min(PER_NODE);
        let mut component = table.named_component("\\_SB_.DEV0");
        for id in 0..u32::try_from(count).unwrap() {
            component.single(id, smmu);
        }
        left -= count;
    }
    table.finish()
}

fn overlapping_rmrs(size: usize) -> Vec<u8> {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x1000_0000).id();
    for _ in 0..(size / 1_060).max(1) {
        let mut rmr = table.rmr();
        for at in 0..50_u64 {
            rmr.range(at << 16, 0x10_0000);
        }
        rmr.single(0, smmu);
    }
    table.finish()
}

/// A blob from the words of its structure block and its strings. By hand, since the writer used elsewhere stops at a depth that
/// this library does not stop at.
fn blob(structure: &[u32], strings: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 * structure.len()).unwrap();
    let text = u32::try_from(strings.len()).unwrap();
    let header = [0xd00d_feed, 56 + length + text, 56, 56 + length, 40, 17, 16, 0, text, length];
    let end_of_reservations = [0; 4];
    let words = header.into_iter().chain(end_of_reservations).chain(structure.iter().copied());
    words.flat_map(u32::to_be_bytes).chain(strings.iter().copied()).collect()
}

const BEGIN: u32 = 1;
const END: u32 = 2;
const PROPERTY: u32 = 3;
const LAST: u32 = 9;

/// The strings block of all trees here, and where each name stands in it.
const NAMES: [&str; 7] =
    ["iommus", "#iommu-cells", "phandle", "iommu-map", "device_type", "compatible", "msi-map"];
const IOMMUS: u32 = 0;
const IOMMU_CELLS: u32 = 1;
const PHANDLE: u32 = 2;
const IOMMU_MAP: u32 = 3;
const DEVICE_TYPE: u32 = 4;
const MSI_MAP: u32 = 6;

fn strings() -> Vec<u8> {
    NAMES.iter().flat_map(|name| name.bytes().chain([0])).collect()
}

/// The tokens of a property whose value is words.
fn property(name: u32, value: &[u32]) -> Vec<u32> {
    let before = NAMES.iter().take(name as usize).map(|name| name.len() + 1).sum::<usize>();
    let length = u32::try_from(4 * value.len()).unwrap();
    [&[PROPERTY, length, u32::try_from(before).unwrap()], value].concat()
}

/// A node called `n`, which ends where the caller says.
fn begin() -> [u32; 2] {
    [BEGIN, u32::from_be_bytes(*b"n\0\0\0")]
}

/// Root, with an IOMMU of one cell whose phandle is 1, and what `inner` adds.
fn tree(cells: u32, inner: impl FnOnce(&mut Vec<u32>)) -> Vec<u8> {
    let mut words = vec![BEGIN, 0];
    words.extend(begin());
    words.extend(property(IOMMU_CELLS, &[cells]));
    words.extend(property(PHANDLE, &[1]));
    words.push(END);
    inner(&mut words);
    words.extend([END, LAST]);
    blob(&words, &strings())
}

fn deep_tree(size: usize) -> Vec<u8> {
    let levels = (size / 32).max(1);
    tree(0, |words| {
        for _ in 0..levels {
            words.extend(begin());
            words.extend(property(IOMMUS, &[1]));
        }
        words.extend(std::iter::repeat_n(END, levels));
    })
}

fn wide_tree(size: usize) -> Vec<u8> {
    tree(1, |words| {
        for id in 0..u32::try_from(size / 32).unwrap().max(1) {
            words.extend(begin());
            words.extend(property(IOMMUS, &[1, id]));
            words.push(END);
        }
    })
}

/// A PCI host with a map of these entries.
fn host(words: &mut Vec<u32>, name: u32, entries: &[u32]) {
    words.extend(begin());
    words.extend(property(DEVICE_TYPE, &[u32::from_be_bytes(*b"pci\0")]));
    words.extend(property(name, entries));
    words.push(END);
}

fn entries(size: usize, entry: impl Fn(u32) -> [u32; 4]) -> Vec<u32> {
    (0..u32::try_from(size / 16).unwrap().max(1)).flat_map(entry).collect()
}

fn one_map(size: usize) -> Vec<u8> {
    tree(1, |words| host(words, IOMMU_MAP, &entries(size, |at| [at / 2, 1, at.wrapping_mul(3), 2])))
}

fn nested_map(size: usize) -> Vec<u8> {
    tree(1, |words| host(words, IOMMU_MAP, &entries(size, |at| [at, 1, at, 0xffff_ffff - 2 * at])))
}

fn cells_of_none(size: usize) -> Vec<u8> {
    tree(0, |words| {
        words.extend(begin());
        words.extend(property(IOMMUS, &vec![1; size / 4]));
        words.push(END);
    })
}

fn many_maps(size: usize) -> Vec<u8> {
    tree(1, |words| {
        for _ in 0..(size / 96).max(1) {
            host(words, IOMMU_MAP, &[0, 1, 0, 0x1_0000]);
            host(words, MSI_MAP, &[0, 1, 0, 0x1_0000]);
        }
    })
}

fn one_phandle(size: usize) -> Vec<u8> {
    tree(1, |words| {
        for _ in 0..(size / 28).max(1) {
            words.extend(begin());
            words.extend(property(PHANDLE, &[1]));
            words.push(END);
        }
    })
}

/// So many functions, one after the other through all buses and segments, each with the lines that `lines` writes.
fn functions(count: usize, lines: impl Fn(&mut String, usize)) -> Vec<u8> {
    let mut text = String::new();
    for at in 0..count.max(1) {
        let (segment, bus, devfn) = (at >> 16, at >> 8 & 0xff, at & 0xff);
        writeln!(text, "{segment:04x}:{bus:02x}:{:02x}.{} x", devfn >> 3, devfn & 7).unwrap();
        lines(&mut text, at);
        text.push('\n');
    }
    text.into_bytes()
}

fn bytes_each(size: usize) -> Vec<u8> {
    functions(size / 23, |text, _| text.push_str("00: 00\n"))
}

/// 64 bytes of config space: a function of several without ACS, or a bridge with these buses below.
fn header(text: &mut String, below: Option<u8>) {
    let mut space = [0_u8; 64];
    space[..4].copy_from_slice(&[0x36, 0x1b, 0x0c, 0x00]);
    space[0x0e] = 0x80;
    if let Some(bus) = below {
        space[0x0e] = 1;
        space[0x18..0x1b].copy_from_slice(&[0, bus, 0xff]);
    }
    for (at, line) in space.chunks(16).enumerate() {
        write!(text, "{:02x}:", 16 * at).unwrap();
        line.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap());
        text.push('\n');
    }
}

/// In each segment a chain of 255 bridges, one below the other.
fn bridges(size: usize) -> Vec<u8> {
    let mut text = String::new();
    for at in 0..(size / 228).max(1) {
        let (segment, bus) = (at / 255, u8::try_from(at % 255).unwrap());
        writeln!(text, "{segment:04x}:{bus:02x}:00.0 x").unwrap();
        header(&mut text, Some(bus + 1));
        text.push('\n');
    }
    text.into_bytes()
}

fn one_bus(size: usize) -> Vec<u8> {
    functions(size / 228, |text, _| header(text, None))
}

fn small_blocks(size: usize) -> Vec<u8> {
    "IORT @ 0x0\n    0000: 49 4F 52 54 30 00\n".repeat((size / 39).max(1)).into_bytes()
}

fn one_dump(size: usize) -> Vec<u8> {
    let table = small_nodes(size / 4);
    let mut text = String::from("IORT @ 0x0000000000000000\n");
    for (at, line) in table.chunks(16).enumerate() {
        write!(text, "    {:04X}:", 16 * at).unwrap();
        line.iter().for_each(|byte| write!(text, " {byte:02X}").unwrap());
        text.push_str("  ................\n");
    }
    text.into_bytes()
}
