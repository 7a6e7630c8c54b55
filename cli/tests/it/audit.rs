//! What an audit says is what every single id says: nothing is left out, nothing is added.

use crate::cases::random;
use crate::dt;
use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use dt::Blob;
use fwspec::acpi::iort::{Builder, Iort};
use fwspec::dt::Tree;
use fwspec::lint::audit::{Audit, IdsAt, Sender, audit};
use fwspec::{
    Bdf, Dialect, IdMap, InputIds, IommuIndex, MsiControllerIndex, NoStream, Platform, RequesterId,
    RequesterIndex, Segment,
};
use proptest::prelude::*;

fn audited(platform: &Platform) -> (Audit, IdMap) {
    let map = IdMap::build(platform, Dialect::LINUX);
    (audit(platform, &map, None), map)
}

/// Requester IDs of a segment that the map by itself says are not translated.
fn refused(map: &IdMap, segment: Segment) -> BTreeSet<u16> {
    let refused = |rid: &u16| map.resolve(Bdf { segment, rid: RequesterId(*rid) }).is_err();
    (0..=u16::MAX).filter(refused).collect()
}

fn told(audit: &Audit, segment: Segment) -> BTreeSet<u16> {
    let ranges = audit.ranges.iter().filter(|range| range.segment == segment);
    ranges.flat_map(|range| range.first.0..=range.last.0).collect()
}

proptest! {
    #![proptest_config(random(30, 200))]
    #[test]
    fn exactly_what_no_mapping_translates_is_open(
        mappings in prop::collection::vec((0_u32..0x1_0000, 0_u32..0x4000, 0_u32..0x1000, 0_u8..4), 0..12),
    ) {
        let mut table = Builder::new(6);
        let its = table.its_group([0]).id();
        let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
        let unusable = table.smmu_v3(0x2b50_0000).model(9).id();
        let root = table.root_complex(3).id();
        for (first, more, output, to) in mappings {
            let last = (first + more).min(0xffff);
            let mut root = table.edit(root);
            match to {
                0 => root.maps(first..=last, output, its),
                1 => root.maps(first..=last, output, unusable),
                _ => root.maps(first..=last, output, smmu),
            };
        }
        let platform = Iort::parse(&table.finish()).unwrap().platform();
        let (audit, map) = audited(&platform);
        prop_assert_eq!(told(&audit, Segment(3)), refused(&map, Segment(3)));
        for range in &audit.ranges {
            for rid in [range.first, range.last] {
                let why = map.resolve(Bdf { segment: Segment(3), rid }).unwrap_err();
                prop_assert!(range.why.is_like(why.into()), "{why:?} is not {:?}", range.why);
            }
        }
        // Maximal: two neighbours have different reasons.
        for pair in audit.ranges.windows(2) {
            prop_assert!(pair[0].last.0 + 1 < pair[1].first.0 || !pair[0].why.is_like(pair[1].why));
        }
    }

    #[test]
    fn masks_of_maps_open_what_they_open(
        entries in prop::collection::vec((0_u32..0x1_0000, 1_u32..0x3000), 0..5),
        mask in prop_oneof![Just(0xffff_u32), Just(0xfff8), Just(0xff00), Just(0), Just(0xff), 0_u32..0x1_0000],
    ) {
        let cells: Vec<u32> = entries.iter().flat_map(|(first, length)| [first & mask, 1, *first, *length]).collect();
        let blob = Blob::new()
            .iommu("iommu@1000", 1, 1)
            .host("pcie@2000", &[("iommu-map", &cells), ("iommu-map-mask", &[mask])])
            .finish();
        let platform = Tree::parse(&blob).unwrap().platform().unwrap();
        let (audit, map) = audited(&platform);
        let segment = platform.segment_of(RequesterIndex(0)).unwrap();
        prop_assert_eq!(told(&audit, segment), refused(&map, segment), "mask {:#x}", mask);
        prop_assert_eq!(audit.masks.is_empty(), mask == 0xffff || map.stream_records(RequesterIndex(0)).next().is_none());
    }

    #[test]
    fn exactly_the_stream_ids_of_several_sources_are_shared(
        ranges in prop::collection::vec((0_u32..4, 0_u32..0x800, 0_u32..0x300, 0_u32..0x1000), 0..10),
        singles in prop::collection::vec(0_u32..0x1000, 0..6),
    ) {
        let mut table = Builder::new(6);
        let smmu = table.smmu_v3(0x2b40_0000).id();
        let roots: Vec<_> = (0..4).map(|segment| table.root_complex(segment).id()).collect();
        for (root, first, more, output) in &ranges {
            table.edit(roots[*root as usize]).maps(*first..=first + more, *output, smmu);
        }
        for (at, id) in singles.iter().enumerate() {
            table.named_component(&format!("\\_SB_.D{at:03}")).single(*id, smmu);
        }
        let platform = Iort::parse(&table.finish()).unwrap().platform();
        let (audit, map) = audited(&platform);
        let mut owners: BTreeMap<u32, BTreeSet<(u32, Option<u32>)>> = BTreeMap::new();
        for at in 0..u32::try_from(platform.requesters.len()).unwrap() {
            if let Some(segment) = platform.segment_of(RequesterIndex(at)) {
                for rid in 0..=u16::MAX {
                    if let Ok(stream) = map.resolve(Bdf { segment, rid: RequesterId(rid) }) {
                        owners.entry(stream.id.unwrap().0).or_default().insert((at, Some(rid.into())));
                    }
                }
            }
            for stream in map.own_streams(RequesterIndex(at)) {
                owners.entry(stream.id.unwrap().0).or_default().insert((at, None));
            }
        }
        let mut told: BTreeMap<u32, BTreeSet<(u32, Option<u32>)>> = BTreeMap::new();
        for shared in audit.shared_ids.iter().filter(|shared| matches!(shared.at, IdsAt::Iommu(_))) {
            prop_assert!(shared.sources_in_all as usize >= shared.sources.len() && shared.sources.len() > 1);
            for id in shared.first..=shared.last {
                prop_assert!(!told.contains_key(&id), "{id:#x} is told twice");
                let sources = shared.sources.iter().map(|source| {
                    let Sender::Requester(at) = source.from else { panic!("an SMMU has no StreamID") };
                    (at.0, source.inputs.map(|inputs| inputs.first + (id - shared.first)))
                });
                told.insert(id, sources.collect());
            }
        }
        owners.retain(|_, owners| owners.len() > 1);
        // Eight sources are named; here there are fourteen at most, seldom at one id.
        let few = owners.values().all(|owners| owners.len() <= 8);
        prop_assume!(few);
        prop_assert_eq!(told, owners);
    }
}

#[test]
fn a_segment_that_only_mcfg_knows_is_open() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    table.root_complex(0).maps(0..=0xffff, 0, smmu);
    let mut platform = Iort::parse(&table.finish()).unwrap().platform();
    let at = fwspec::error::Source::MCFG.at(44);
    let buses = |segment| fwspec::model::SegmentBuses {
        at,
        segment: Segment(segment),
        first: 0x20,
        last: 0x2f,
        ecam: 0,
    };
    platform.buses = vec![buses(0), buses(7)];
    let ranges = audited(&platform).0.ranges;
    assert_eq!(ranges.len(), 1);
    assert_eq!(
        (ranges[0].segment, ranges[0].first, ranges[0].last),
        (Segment(7), RequesterId(0x2000), RequesterId(0x2fff))
    );
    assert_eq!((ranges[0].why, ranges[0].host), (NoStream::NoHost { segment: Segment(7) }.into(), None));
}

#[test]
fn device_ids_of_several_sources_are_told_with_the_way_they_come() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
    table.root_complex(0).maps(0..=0xffff, 0, smmu);
    table.root_complex(1).maps(0x100..=0x1ff, 0x8100, its);
    let platform = Iort::parse(&table.finish()).unwrap().platform();
    let shared = audited(&platform).0.shared_ids;
    assert_eq!(shared.len(), 1);
    assert_eq!(
        (shared[0].at, shared[0].first, shared[0].last),
        (IdsAt::Controller(MsiControllerIndex(0)), 0x8100, 0x81ff)
    );
    let sources: Vec<_> = shared[0].sources.iter().map(|source| (source.from, source.inputs)).collect();
    assert_eq!(
        sources,
        [
            (Sender::Requester(RequesterIndex(1)), Some(InputIds { first: 0x100, last: 0x1ff })),
            (Sender::Iommu(IommuIndex(0)), Some(InputIds { first: 0x8100, last: 0x81ff }))
        ]
    );
}

#[test]
fn a_table_made_to_overlap_gives_a_page_and_no_flood() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    for segment in 0..40 {
        let root = table.root_complex(segment).id();
        for id in 0..1000 {
            table.edit(root).maps(2 * id..=2 * id, id * 3, smmu);
        }
    }
    let platform = Iort::parse(&table.finish()).unwrap().platform();
    let audit = audited(&platform).0;
    assert_eq!(audit.shared_ids.len(), 1_000);
    assert!(audit.shared_ids.iter().all(|shared| shared.sources.len() == 8 && shared.sources_in_all == 40));
}

fn fwspec(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("firmware-samples"))
        .output()
        .unwrap()
}

fn snapshot(name: &str, arguments: &[&str]) {
    support::snapshot(name, arguments, fwspec(arguments));
}

#[test]
fn the_page_of_a_machine() {
    let [iort, mcfg, lspci] =
        ["iort.bin", "mcfg.bin", "lspci.txt"].map(|f| format!("qemu-switch-bridge/{f}"));
    snapshot("audit-firmware", &["audit", &iort, &mcfg]);
    snapshot("audit-machine", &["audit", "--pci", &lspci, &iort, &mcfg]);
    snapshot(
        "audit-switch",
        &[
            "audit",
            "--pci",
            "broken/GRP005-switch-not-isolated/lspci.txt",
            "broken/GRP005-switch-not-isolated/iort.bin",
        ],
    );
    snapshot(
        "audit-alias",
        &[
            "audit",
            "--json",
            "--pci",
            "broken/GRP002-alias-split/lspci.txt",
            "broken/GRP002-alias-split/iort.bin",
        ],
    );
}

/// A virtio-iommu is a function of the bus that it translates, and no device that escapes it.
#[test]
fn an_iommu_on_the_bus_is_called_by_its_name() {
    let [iort, viot, lspci] = ["iort.bin", "viot.bin", "lspci.txt"].map(|f| format!("qemu-virtio-iommu/{f}"));
    let audited = fwspec(&["audit", "--fail-on", "untranslated", "--pci", &lspci, &iort, &viot]);
    let page = String::from_utf8(audited.stdout).unwrap();
    assert!(page.contains("segment 0000 00:1d.0") && page.contains("VIOT+0x30 itself"), "{page}");
    assert_eq!(audited.status.code(), Some(0), "nothing else that is there is open");
    let linted = fwspec(&["lint", "--pci", &lspci, &iort, &viot]);
    assert!(!String::from_utf8(linted.stdout).unwrap().contains("[GRP001]"));
}

#[test]
fn the_exit_code_says_whether_there_is_what_must_not_be() {
    let code = |arguments: &[&str]| fwspec(arguments).status.code();
    let iort = "qemu-switch-bridge/iort.bin";
    let machine = ["--pci", "qemu-switch-bridge/lspci.txt", iort];
    let with = |more: &[&str]| code(&[&["audit"], more, &machine[..]].concat());
    assert_eq!(code(&["audit", iort]), Some(0));
    // Buses that go past the SMMU are open; with --pci nobody is on them.
    assert_eq!(code(&["audit", "--fail-on", "untranslated", iort]), Some(1));
    assert_eq!(with(&["--fail-on", "untranslated"]), Some(0));
    assert_eq!(with(&["--fail-on", "ids"]), Some(1));
    assert_eq!(with(&["--fail-on", "untranslated,groups"]), Some(1));
    assert_eq!(code(&["audit", "--fail-on", "ids", iort]), Some(0));
    // A gate that has nothing to look at does not pass.
    assert_eq!(code(&["audit", "--fail-on", "ids,groups", iort]), Some(2));
    assert_eq!(code(&["audit", "nothing.bin"]), Some(2));
    assert_eq!(code(&["audit", "--fail-on", "everything", iort]), Some(64));
}

#[test]
fn a_map_that_repeats_behind_its_mask_fits_a_page() {
    let tree = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/field/dt/14-mask-audit-long.dtb");
    let output = Command::new(env!("CARGO_BIN_EXE_fwspec")).arg("audit").arg(tree).output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("segment 0000 ids 0x1 - 0xff, 0x107 - 0x1ff after the mask 0x1ff"), "{page}");
    assert!(page.lines().count() < 30, "{page}");
}
