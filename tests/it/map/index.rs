//! The index against the dull scan: tables of overlapping, chained, dangling and circular mappings, under every dialect.

use crate::support::cases::random;

use fwspec::acpi::iort::{self, Builder, Iort, NodeId, Reference, Wanted};
use fwspec::map::{InputRange, MsiRequest, RangeOutput};
use fwspec::model::RequesterKind;
use fwspec::{DeviceId, Dialect, IdMap, NoStream, Platform, RequesterIndex, Segment, StreamId, map::Stream};
use proptest::prelude::*;

/// What a mapping leads to: a node of the table, or an offset.
#[derive(Clone, Copy, Debug)]
enum To {
    Node(usize),
    Offset(u32),
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    base: u32,
    count: u32,
    output: u32,
    to: To,
    single: bool,
}

#[derive(Clone, Debug)]
struct Node {
    kind: u8,
    own_msi: Option<u32>,
    mappings: Vec<Mapping>,
}

fn mapping() -> impl Strategy<Value = Mapping> {
    // Few different ends, so that ranges touch and overlap.
    let id = prop_oneof![8 => 0..24_u32, 1 => 0xfff0..=0xffff_u32, 1 => Just(u32::MAX - 2)];
    let to = prop_oneof![
        12 => (0..8_usize).prop_map(To::Node),
        1 => prop_oneof![Just(0), Just(48), Just(0x60), Just(u32::MAX)].prop_map(To::Offset)
    ];
    (id.clone(), prop_oneof![6 => 0..9_u32, 1 => Just(u32::MAX)], id, to, prop::bool::weighted(0.2))
        .prop_map(|(base, count, output, to, single)| Mapping { base, count, output, to, single })
}

fn node() -> impl Strategy<Value = Node> {
    let own_msi = prop::option::weighted(0.3, 0..3_u32);
    (0..10_u8, own_msi, prop::collection::vec(mapping(), 0..6)).prop_map(|(kind, own_msi, mappings)| Node {
        kind,
        own_msi,
        mappings,
    })
}

fn build(revision: u8, nodes: &[Node]) -> Builder {
    let mut table = Builder::new(revision);
    let ids: Vec<NodeId> = nodes
        .iter()
        .enumerate()
        .map(|(position, node)| match node.kind {
            0 | 7 => table.its_group([0]).id(),
            1 => table.named_component(r"\_SB_.DEV0").id(),
            3 => table.smmu_v2(0x1000_0000).id(),
            4 | 5 => match node.own_msi {
                Some(index) => table.smmu_v3(0x2000_0000).own_msi(index).id(),
                None => table.smmu_v3(0x2000_0000).id(),
            },
            8 => table.rmr().id(),
            9 => table.node(77, 16).id(),
            6 => table.pmcg(0x3000_0000, Reference::Offset(48)).id(),
            _ => table.root_complex(u32::try_from(position).unwrap()).id(),
        })
        .collect();
    for (id, node) in ids.iter().zip(nodes) {
        for mapping in &node.mappings {
            let to = match mapping.to {
                To::Node(position) => Reference::Node(ids[position % ids.len()]),
                To::Offset(offset) => Reference::Offset(offset),
            };
            table.edit(*id).mapping(mapping.base, mapping.count, mapping.output, to, mapping.single.into());
        }
    }
    table
}

fn index_is_scan(bytes: &[u8]) {
    let iort = Iort::parse(bytes).unwrap();
    let platform = iort.platform();
    let inputs = (0..36).chain([0xffee, 0xfff0, 0xffff, 0x1_0000, u32::MAX - 3, u32::MAX - 1, u32::MAX]);
    for dialect in Dialect::ALL {
        let map = IdMap::build(&platform, dialect);
        for (requester, facts) in (0..).zip(&platform.requesters) {
            if !matches!(facts.kind, RequesterKind::Bus(_) | RequesterKind::Component(_)) {
                continue;
            }
            let offset = facts.origin.at.offset;
            for id in inputs.clone() {
                let place = format!("{} {id:#x} from IORT+{offset:#x}", dialect.name);
                let scan = |wanted| iort::resolve(&iort, dialect, offset, id, wanted).ok().flatten();
                match map.stream_from(RequesterIndex(requester), id) {
                    Err(NoStream::IommuUnavailable { .. }) => {}
                    found => {
                        let found = found.ok().map(|stream| {
                            let iommu = &platform.iommus[stream.iommu.position()];
                            (iommu.origin.at.offset, stream.fwspec_id().unwrap())
                        });
                        let scanned = scan(Wanted::Iommu).map(|found| (found.node, found.id));
                        assert_eq!(found, scanned, "StreamID, {place}");
                    }
                }
                let found = map.msi_from(RequesterIndex(requester), id).map(|msi| {
                    (platform.msi_controllers[msi.controller.position()].origin.at.offset, msi.id.0)
                });
                let scanned = scan(Wanted::Msi).map(|found| (found.node, found.id));
                assert_eq!(found, scanned, "DeviceID, {place}");
            }
            ranges_are_the_answers(&map, requester);
        }
    }
}

/// What a range says of each of its ends, the look-up answers there.
fn ranges_are_the_answers(map: &IdMap, requester: u32) {
    let moved = |range: &InputRange, constant, id| if constant { 0 } else { id - range.first };
    for range in map.stream_ranges(RequesterIndex(requester), 0x2_ffff) {
        let RangeOutput::Stream { first, constant, .. } = range.output else { continue };
        for id in [range.first, range.last] {
            let stream = first.id.map(|first| StreamId(first.0 + moved(&range, constant, id)));
            let wanted = Stream { id: stream, ..first };
            assert_eq!(map.stream_from(RequesterIndex(requester), id), Ok(wanted), "{id:#x} in {range:x?}");
            let Some(stream) = stream.filter(|_| !constant && id <= 0xffff) else { continue };
            let there = |inputs: fwspec::InputIds| inputs.contains(id);
            let back = map.stream_sources(stream).any(|source| {
                source.requester == RequesterIndex(requester) && source.inputs.is_some_and(there)
            });
            assert!(back, "{id:#x} in {range:x?} is not found from its StreamID");
        }
    }
    for range in map.device_ranges(RequesterIndex(requester), 0x2_ffff).take(1_000) {
        let RangeOutput::Msi { first, constant } = range.output else { continue };
        for id in [range.first, range.last] {
            let wanted = MsiRequest { id: DeviceId(first.id.0 + moved(&range, constant, id)), ..first };
            assert_eq!(map.msi_from(RequesterIndex(requester), id), Some(wanted), "{id:#x} in {range:x?}");
        }
    }
}

proptest! {
    #![proptest_config(random(100, 1_000))]

    #[test]
    fn index_answers_as_the_scan_does(
        revision in prop_oneof![Just(0_u8), Just(5), Just(6)],
        nodes in prop::collection::vec(node(), 1..8),
    ) {
        index_is_scan(&build(revision, &nodes).finish());
    }
}

/// No firmware has a mask on a chain of requesters; a platform may that somebody made.
#[test]
fn ranges_are_the_answers_where_a_second_requester_masks() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2000_0000).id();
    let second = table.root_complex(1).mapping(0, 0x1f, 0, smmu, 0).id();
    table.root_complex(0).mapping(0, 0x1f, 0, second, 0);
    let mut platform = Iort::parse(&table.finish()).unwrap().platform();
    let of = |platform: &Platform, segment| {
        (0..9)
            .find(|requester| platform.segment_of(RequesterIndex(*requester)) == Some(Segment(segment)))
            .unwrap()
    };
    let (first, second) = (of(&platform, 0), of(&platform, 1));
    let RequesterKind::Bus(bus) = &mut platform.requesters[second as usize].kind else { panic!("no bus") };
    bus.streams.as_mut().unwrap().mask = Some(0xf);
    let map = IdMap::build(&platform, Dialect::LINUX);
    assert_eq!(map.stream_from(RequesterIndex(first), 0x11).unwrap().id, Some(StreamId(1)));
    ranges_are_the_answers(&map, first);
}
