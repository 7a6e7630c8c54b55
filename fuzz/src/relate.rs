//! The targets that hold two things against each other: index and scan, our walk and that of another parser.

use std::collections::BTreeSet;

use fdt::Fdt;
use fwspec::acpi::iort::{self, Iort, Wanted};
use fwspec::dt::{self, MapKind, Tree};
use fwspec::{Bdf, Dialect, IdMap, NoStream, Platform, RequesterId, Segment, assert};

use super::words::Words;
use super::{generate, show};

/// Ids around the edges of the first so many mappings are compared.
const EDGES: usize = 6;

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
    let map = IdMap::build(&platform, Dialect::LINUX).expect("a platform that was read can be indexed");
    let ids: BTreeSet<(u32, u32)> = (0..=0xff)
        .map(|devfn| Bdf { segment: Segment(0), rid: RequesterId(devfn) })
        .map(|function| map.resolve(function).expect("a StreamID for each"))
        .map(|stream| (stream.iommu, stream.fwspec_id().expect("of one cell")))
        .collect();
    assert_eq!(ids.len(), 256, "some functions share a StreamID");
}

/// Our walk finds the nodes and properties that the `fdt` crate finds. Only in trees that were written well: that crate panics
/// on others.
pub fn dt_vs_fdt(bytes: &[u8]) {
    let Some(blob) = generate::tree(&mut Words(bytes)) else { return };
    let theirs = Fdt::new(&blob).expect("fdt reads what the writer writes");
    let tree = Tree::parse(&blob).expect("so do we");
    let mut ours = tree.nodes();
    for node in theirs.all_nodes() {
        let mine = ours.next().expect("a node that fdt has").expect("every node can be read");
        let name = if node.name == "/" { "" } else { node.name };
        assert_eq!(mine.name(), name.as_bytes());
        let mut properties = mine.properties();
        for property in node.properties() {
            let mine =
                properties.next().expect("a property that fdt has").expect("every property can be read");
            assert_eq!((mine.name(), mine.value()), (Some(property.name.as_bytes()), property.value));
        }
        assert!(properties.next().is_none(), "a property that fdt has not");
    }
    assert!(ours.next().is_none(), "a node that fdt has not");
}

/// The ids at and beside the ends of some ranges.
fn edges(ranges: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut ids = vec![0, 0xffff, u32::MAX];
    for (first, last) in ranges.take(EDGES) {
        ids.extend([first.wrapping_sub(1), first, last, last.wrapping_add(1)]);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub fn iort_index_is_scan(table: &Iort<'_>) {
    let platform = table.platform();
    let ids = edges(
        table
            .nodes()
            .map_while(Result::ok)
            .flat_map(|node| node.mappings())
            .map(|mapping| (mapping.input_base, mapping.input_last().unwrap_or(u32::MAX))),
    );
    for dialect in Dialect::ALL {
        let map = IdMap::build(&platform, dialect).expect("a platform that was read can be indexed");
        for (requester, facts) in (0..).zip(&platform.requesters).take(EDGES) {
            let offset = facts.origin.at.offset;
            for &id in &ids {
                let at = || format!("{} {id:#x} from IORT+{offset:#x}", dialect.name);
                let scanned = iort::resolve(table, dialect, offset, id, Wanted::Iommu).ok().flatten();
                let indexed = match map.stream_from(requester, id) {
                    // The scan does not know which models nobody drives.
                    Err(NoStream::IommuUnavailable { .. }) => continue,
                    found => found.ok(),
                };
                assert_eq!(
                    indexed.map(|stream| (
                        platform.iommus[at_index(stream.iommu)].origin.at.offset,
                        stream.fwspec_id()
                    )),
                    scanned.map(|found| (found.node, Some(found.id))),
                    "StreamID under {}",
                    at()
                );
                let scanned = iort::resolve(table, dialect, offset, id, Wanted::Msi).ok().flatten();
                assert_eq!(
                    map.msi_from(requester, id).map(|msi| {
                        (platform.msi_controllers[at_index(msi.controller)].origin.at.offset, msi.id)
                    }),
                    scanned.map(|found| (found.node, found.id)),
                    "DeviceID under {}",
                    at()
                );
            }
        }
    }
}

/// Where the index has a StreamID, the scan has the same; where it has none, the scan may only have what nobody may use.
pub fn tree_index_is_scan(tree: &Tree<'_>, platform: &Platform) {
    for dialect in Dialect::ALL {
        let map = IdMap::build(platform, dialect).expect("a platform that was read can be indexed");
        for (requester, facts) in (0..).zip(&platform.requesters).take(EDGES) {
            let Some(node) = tree.node_at(facts.origin.at.offset) else { continue };
            let Some(entries) = node.map(MapKind::Iommu, dialect.map_cells) else { continue };
            let ranges = entries
                .map_while(Result::ok)
                .map(|entry| (entry.first, entry.first.saturating_add(entry.length.saturating_sub(1))));
            for id in edges(ranges) {
                let Ok(indexed) = map.stream_from(requester, id) else { continue };
                let scanned = dt::resolve(&node, MapKind::Iommu, dialect, id).ok().flatten();
                let scanned =
                    scanned.as_ref().map(|found| (found.target.offset(), found.cells().first().copied()));
                let iommu = &platform.iommus[at_index(indexed.iommu)];
                let wide = indexed.id.map(|id| id.0);
                let same_id = |cell: Option<u32>| match iommu.kind {
                    fwspec::IommuKind::SmmuV2(_) => cell.map(|cell| cell & 0xffff) == wide,
                    _ => cell == wide,
                };
                assert!(
                    scanned.is_some_and(|(target, cell)| target == iommu.origin.at.offset && same_id(cell)),
                    "{} {id:#x}: the index has {indexed:x?}, the scan has {scanned:x?}",
                    dialect.name
                );
            }
        }
    }
}

fn at_index(number: u32) -> usize {
    usize::try_from(number).expect("hosts have 32 bits at least")
}
