//! The targets that hold two things against each other: index and scan, our walk and that of another parser.

use std::collections::{BTreeMap, BTreeSet};

use fdt::Fdt;
use fwspec::acpi::iort::{self, Iort, Wanted};
use fwspec::dt::Tree;
use fwspec::{Bdf, Device, Dialect, Groups, IdMap, IommuIndex, RequesterId, Segment, assert};

use super::scan::{EDGES, edges, iort_index_is_scan, tree_index_is_scan};
use super::words::Words;
use super::{built, generate, kernel, parse, show, text, verdict};

/// The index answers as the scan of the mappings does, under every dialect.
pub fn map_index(bytes: &[u8]) {
    let mut words = Words(bytes);
    if words.one_in(2) {
        let table = generate::iort(&mut words);
        iort_index_is_scan(&Iort::parse(&table).expect("the builder writes tables that can be read"));
    } else if let Some(blob) = generate::tree(&mut words) {
        let tree = Tree::parse(&blob).expect("the writer writes trees that can be read");
        let platform = tree.platform().expect("and whose structure is sound");
        tree_index_is_scan(&tree, &platform);
    }
}

/// Where a table is said to isolate the functions of a bus, every look-up there is answered, and with different ids.
pub fn assert_iort(bytes: &[u8]) {
    let told = assert::iort_isolates(bytes, Segment(0), 0..=0);
    if let Err(violation) = told {
        return show::display(&violation);
    }
    let platform = Iort::parse(bytes).expect("a table that isolates can be read").platform();
    let map = IdMap::build(&platform, Dialect::LINUX);
    let ids: BTreeSet<(IommuIndex, u32)> = (0..=0xff)
        .map(|devfn| Bdf { segment: Segment(0), rid: RequesterId(devfn) })
        .map(|function| map.resolve(function).expect("a StreamID for each"))
        .map(|stream| (stream.iommu, stream.fwspec_id().expect("of one cell")))
        .collect();
    assert_eq!(ids.len(), 256, "some functions share a StreamID");
}

/// Our walk finds the nodes and properties that the `fdt` crate finds, on what both accept: bytes that start as a tree does are
/// taken as they are, others make one that is written well.
pub fn dt_vs_fdt(bytes: &[u8]) {
    if bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) {
        if let (Some(theirs), Some(ours)) = (fdt_nodes(bytes), our_nodes(bytes)) {
            assert_eq!(ours, theirs);
        }
    } else if let Some(blob) = generate::tree(&mut Words(bytes)) {
        assert_eq!(
            our_nodes(&blob).expect("we read it"),
            fdt_nodes(&blob).expect("fdt reads what the writer writes")
        );
    }
}

/// Every node's name, with its properties.
type Nodes = Vec<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)>;

/// How deep and how large a tree `fdt` is asked about: it recurses, and it is slow.
const DEEPEST: u32 = 32;
const LARGEST: usize = 1 << 16;

/// Nothing where `fdt` refuses the tree, or panics as it does on two of three that are damaged, or stops early.
fn fdt_nodes(blob: &[u8]) -> Option<Nodes> {
    if ends_early(blob)? {
        return None;
    }
    let read = || {
        let theirs = Fdt::new(blob).ok()?;
        let nodes = theirs.all_nodes().map(|node| {
            let name = if node.name == "/" { "" } else { node.name };
            let properties = node.properties().map(|p| (p.name.as_bytes().to_vec(), p.value.to_vec()));
            (name.as_bytes().to_vec(), properties.collect())
        });
        Some(nodes.collect())
    };
    // libFuzzer's hook ends the process at a panic, caught or not.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let nodes = std::panic::catch_unwind(read);
    std::panic::set_hook(hook);
    nodes.ok().flatten()
}

/// Whether `fdt` takes something for the end of the tree: a NOP, or a property after a child. Nothing where the tree is cut.
fn ends_early(blob: &[u8]) -> Option<bool> {
    let word = |at: usize| Some(u32::from_be_bytes(*blob.get(at..)?.first_chunk()?));
    let (mut at, mut before) = (usize::try_from(word(8)?).ok()?, 0);
    loop {
        let token = word(at)?;
        at += match token {
            1 => 4 + (blob.get(at + 4..)?.iter().position(|byte| *byte == 0)? + 1).next_multiple_of(4),
            2 => 4,
            3 if before != 2 => 12 + usize::try_from(word(at + 4)?).ok()?.next_multiple_of(4),
            3 | 4 => return Some(true),
            _ => return Some(false),
        };
        before = token;
    }
}

/// Nothing where some of the tree cannot be read, or has what `fdt` has no words for.
fn our_nodes(blob: &[u8]) -> Option<Nodes> {
    let tree = Tree::parse(blob).ok()?;
    if tree.bytes().len() > LARGEST {
        return None;
    }
    let mut nodes = tree.nodes();
    let mut found = Nodes::new();
    while let Some(node) = nodes.next() {
        let node = node.ok().filter(|_| nodes.depth() < DEEPEST)?;
        let properties: Option<Vec<_>> = node
            .properties()
            .map(|p| p.ok().and_then(|p| Some((p.name()?.to_vec(), p.value().to_vec()))))
            .collect();
        found.push((node.name().to_vec(), properties?));
    }
    Some(found)
}

/// Every look-up in a table that is built as the bytes say, or is those bytes, ends where the kernel's code ends.
pub fn iort_reference(bytes: &[u8]) {
    if bytes.starts_with(b"IORT") {
        return iort_ends_where_linux_does(bytes);
    }
    if let Some(table) = built::from::<built::Table>(bytes) {
        iort_ends_where_linux_does(&table.bytes());
    }
}

pub fn iort_ends_where_linux_does(bytes: &[u8]) {
    let (Ok(table), Some(theirs)) = (Iort::parse(bytes), kernel::Table::of(bytes)) else { return };
    // The kernel reads fields of nodes that are too short for them; the library leaves such nodes out.
    if !table.nodes().all(|node| node.is_ok_and(|node| node.is_usable() && node.mappings_error().is_none())) {
        return;
    }
    for requester in theirs.requesters().take(EDGES) {
        for id in edges(theirs.edges(requester).into_iter()) {
            for (wanted, msi) in [(Wanted::Iommu, false), (Wanted::Msi, true)] {
                let wanted = iort::resolve(&table, Dialect::LINUX, requester, id, wanted);
                let ours = match wanted {
                    Ok(Some(found)) => kernel::End::At(found.node, found.id),
                    Ok(None) => kernel::End::Nowhere,
                    Err(_) => kernel::End::Strange,
                };
                match theirs.map_id(requester, id, msi) {
                    kernel::End::Strange => {}
                    linux => assert_eq!(ours, linux, "{id:#x} of IORT+{requester:#x}, msi {msi}"),
                }
            }
        }
    }
}

/// A table that is built and then damaged, through everything that reads a table.
pub fn iort_built(bytes: &[u8]) {
    let Some(table) = built::from::<built::Table>(bytes) else { return };
    let blob = table.bytes();
    assert!(!table.is_whole() || Iort::parse(&blob).is_ok(), "the builder writes tables that can be read");
    parse::acpi_iort(&blob);
    verdict::lint_decode(&blob);
    iort_ends_where_linux_does(&blob);
}

/// A tree that is built and then damaged, through everything that reads a tree.
pub fn dt_built(bytes: &[u8]) {
    let Some(tree) = built::from::<built::Tree>(bytes) else { return };
    let Some(blob) = tree.bytes() else { return };
    assert!(!tree.is_whole() || Tree::parse(&blob).is_ok(), "the writer writes trees that can be read");
    parse::dt_tree(&blob);
    verdict::lint_decode(&blob);
    dt_vs_fdt(&blob);
}

/// Config spaces that are built and then damaged: read, listed as lspci lists them, and put into groups.
pub fn pci_built(bytes: &[u8]) {
    let Some(spaces) = built::from::<Vec<(u16, built::Space)>>(bytes) else { return };
    let mut functions: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for (rid, space) in spaces.iter().take(12) {
        // Few buses, or nothing would ever be below anything.
        functions.entry(rid & 0x03ff).or_insert_with(|| space.bytes());
    }
    let at = |rid: &u16| Bdf { segment: Segment(0), rid: RequesterId(*rid) };
    let mut groups = Groups::without_firmware();
    for (rid, space) in &functions {
        parse::pci_config(space);
        if let Ok(device) = Device::pci(at(rid), space) {
            show::debug(&groups.add(device));
        }
    }
    groups.settle();
    groups.groups().for_each(|group| group.ties().for_each(|tie| show::debug(&tie)));
    let listed: Vec<(Bdf, Vec<u8>)> = functions.iter().map(|(rid, space)| (at(rid), space.clone())).collect();
    text::lspci_rendered(&listed);
}
