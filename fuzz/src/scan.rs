//! The index of a map against the dull scan of what it was built from.

use fwspec::acpi::iort::{self, Iort, Wanted};
use fwspec::dt::{self, MapKind, Tree};
use fwspec::map::{MsiRequest, RangeOutput};
use fwspec::model::RequesterKind;
use fwspec::{DeviceId, Dialect, IdMap, NoStream, Platform, RequesterIndex, StreamId, map::Stream};

/// Ids around the edges of the first so many mappings are compared.
pub const EDGES: usize = 6;
/// So many ranges are asked for what they say, up to the highest requester ID.
const RANGES: usize = 64;
const LAST_RID: u32 = 0xffff;

/// The ids at and beside the ends of some ranges.
pub fn edges(ranges: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut ids = vec![0, 0xffff, u32::MAX];
    for (first, last) in ranges.take(EDGES) {
        ids.extend([first.wrapping_sub(1), first, last, last.wrapping_add(1)]);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Where the index and the scan of a table end, under every dialect, is one place.
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
        let map = IdMap::build(&platform, dialect);
        for (requester, facts) in (0..).zip(&platform.requesters).take(EDGES) {
            let offset = facts.origin.at.offset;
            for &id in &ids {
                let at = || format!("{} {id:#x} from IORT+{offset:#x}", dialect.name);
                let scanned = iort::resolve(table, dialect, offset, id, Wanted::Iommu).ok().flatten();
                let indexed = match map.stream_from(RequesterIndex(requester), id) {
                    // The scan does not know which models nobody drives.
                    Err(NoStream::IommuUnavailable { .. }) => continue,
                    found => found.ok(),
                };
                assert_eq!(
                    indexed.map(|stream| (
                        platform.iommus[stream.iommu.position()].origin.at.offset,
                        stream.fwspec_id()
                    )),
                    scanned.map(|found| (found.node, Some(found.id))),
                    "StreamID under {}",
                    at()
                );
                let scanned = iort::resolve(table, dialect, offset, id, Wanted::Msi).ok().flatten();
                assert_eq!(
                    map.msi_from(RequesterIndex(requester), id).map(|msi| {
                        (platform.msi_controllers[msi.controller.position()].origin.at.offset, msi.id.0)
                    }),
                    scanned.map(|found| (found.node, found.id)),
                    "DeviceID under {}",
                    at()
                );
            }
            stream_ranges_are_answers(&map, requester, u32::MAX);
            device_ranges_are_answers(&map, requester);
            let scanned: Result<Vec<_>, _> =
                iort::component_ids(table, dialect, offset, Wanted::Iommu).collect();
            // A scan ends where mappings go in a circle.
            if let (RequesterKind::Component(_), Ok(scanned)) = (&facts.kind, scanned) {
                let place = |own: &Stream| platform.iommus[own.iommu.position()].origin.at.offset;
                let own: Vec<_> = map
                    .own_streams(RequesterIndex(requester))
                    .iter()
                    .map(|own| (place(own), own.fwspec_id()))
                    .collect();
                let scanned: Vec<_> = scanned.iter().map(|found| (found.node, Some(found.id))).collect();
                assert_eq!(own, scanned, "ids of IORT+{offset:#x} under {}", dialect.name);
            }
        }
    }
}

/// What ranges say about their ends, the look-up answers there.
fn stream_ranges_are_answers(map: &IdMap, requester: u32, mask: u32) {
    for range in map.stream_ranges(RequesterIndex(requester), LAST_RID).take(RANGES) {
        for id in [range.first, range.last].into_iter().filter(|id| id & !mask == 0) {
            let found = map.stream_from(RequesterIndex(requester), id);
            match range.output {
                RangeOutput::Stream { first, constant, .. } => {
                    let moved = if constant { 0 } else { id - range.first };
                    let wanted = Stream { id: first.id.map(|first| StreamId(first.0 + moved)), ..first };
                    assert_eq!(found, Ok(wanted), "{id:#x} in {range:x?}");
                    let Some(id) = first.id.filter(|_| !constant) else { continue };
                    let mut back = map.stream_sources(id);
                    let here = |inputs: fwspec::InputIds| inputs.contains(range.first);
                    assert!(
                        back.any(|source| source.requester == RequesterIndex(requester)
                            && source.inputs.is_some_and(here)),
                        "{range:x?} is not found from its first StreamID"
                    );
                }
                RangeOutput::NeedsTopology => {
                    assert!(matches!(found, Err(NoStream::NeedsTopology { .. })), "{found:?}");
                }
                RangeOutput::Errno(wanted) => {
                    assert!(
                        matches!(found, Err(NoStream::Errno { errno, .. }) if errno == wanted),
                        "{found:?}"
                    );
                }
                _ => panic!("no StreamID: {range:?}"),
            }
        }
    }
}

fn device_ranges_are_answers(map: &IdMap, requester: u32) {
    for range in map.device_ranges(RequesterIndex(requester), LAST_RID).take(RANGES) {
        let RangeOutput::Msi { first, constant } = range.output else { continue };
        for id in [range.first, range.last] {
            let moved = if constant { 0 } else { id - range.first };
            let wanted = MsiRequest { id: DeviceId(first.id.0 + moved), ..first };
            assert_eq!(map.msi_from(RequesterIndex(requester), id), Some(wanted), "{id:#x} in {range:x?}");
        }
    }
}

/// Where the index has a StreamID, the scan has the same; where it has none, the scan may only have what nobody may use.
pub fn tree_index_is_scan(tree: &Tree<'_>, platform: &Platform) {
    for dialect in Dialect::ALL {
        let map = IdMap::build(platform, dialect);
        for (requester, facts) in (0..).zip(&platform.requesters).take(EDGES) {
            let Some(node) = tree.node_at(facts.origin.at.offset) else { continue };
            let Some(entries) = node.map(MapKind::Iommu, dialect.map_cells) else { continue };
            let ranges = entries
                .map_while(Result::ok)
                .map(|entry| (entry.first, entry.first.saturating_add(entry.length.saturating_sub(1))));
            for id in edges(ranges) {
                let Ok(indexed) = map.stream_from(RequesterIndex(requester), id) else { continue };
                let scanned = dt::resolve(&node, MapKind::Iommu, dialect, id).ok().flatten();
                let scanned =
                    scanned.as_ref().map(|found| (found.target.offset(), found.cells().first().copied()));
                let iommu = &platform.iommus[indexed.iommu.position()];
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
            if let RequesterKind::Bus(bus) = &facts.kind {
                let mask = bus.streams.as_ref().and_then(|table| table.mask).unwrap_or(u32::MAX);
                stream_ranges_are_answers(&map, requester, mask);
            }
        }
    }
}
