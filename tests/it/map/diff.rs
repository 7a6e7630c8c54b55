//! A changed cell of a device tree is reported as exactly the requester IDs that it changes.

use crate::support::cases::{cases_of_three, random};
use crate::support::dt;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use dt::Blob;
use fwspec::acpi::iort::{Builder, Iort};
use fwspec::diff::{Difference, Side, diff};
use fwspec::dt::Tree;
use fwspec::{Bdf, Dialect, IdMap, Platform, RequesterId, RequesterIndex, Segment};
use proptest::prelude::*;

fn sample(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-samples").join(name)).unwrap()
}

fn platform(blob: &[u8]) -> Option<Platform> {
    Tree::parse(blob).ok()?.platform().ok()
}

/// All cells of a tree that no string is made of, and no node name: their byte offsets.
fn cells(blob: &[u8]) -> Vec<u32> {
    let tree = Tree::parse(blob).unwrap();
    let text = [
        "compatible",
        "model",
        "device_type",
        "status",
        "bootargs",
        "stdout-path",
        "method",
        "enable-method",
    ];
    let mut all = Vec::new();
    for node in tree.nodes().map(Result::unwrap) {
        for property in node.properties().map(Result::unwrap) {
            let name = String::from_utf8_lossy(property.name().unwrap()).into_owned();
            if !text.contains(&name.as_str()) && property.value().len() % 4 == 0 {
                all.extend(
                    (0..).step_by(4).take(property.cells().len()).map(|byte: u32| property.offset() + byte),
                );
            }
        }
    }
    all
}

/// One firmware, with what its IOMMUs and MSI controllers are known by.
struct Known {
    platform: Platform,
    map: IdMap,
    iommus: Vec<String>,
    controllers: Vec<String>,
}

impl Known {
    fn new(blob: &[u8]) -> Option<Self> {
        let platform = platform(blob)?;
        let map = IdMap::build(&platform, Dialect::LINUX);
        let iommus = platform.iommus.iter();
        let iommus = iommus.map(|iommu| match iommu.base {
            Some(base) => format!("{base:#x}"),
            None => platform.label(iommu.origin).to_string(),
        });
        let controllers = platform.msi_controllers.iter();
        let controllers = controllers.map(|controller| platform.label(controller.origin).to_string());
        Some(Known { iommus: iommus.collect(), controllers: controllers.collect(), map, platform })
    }

    /// What one requester ID becomes, asked by itself.
    fn answer(&self, bdf: Bdf) -> impl PartialEq + use<'_> {
        let stream = self.map.resolve(bdf).ok();
        let device = self.map.device_id_of(bdf);
        (
            stream.map(|s| (self.iommus[s.iommu.position()].as_str(), s.id, s.mask)),
            device.map(|d| (self.controllers[d.controller.position()].as_str(), d.id)),
        )
    }
}

fn segments(platform: &Platform) -> BTreeSet<Segment> {
    (0..u32::try_from(platform.requesters.len()).unwrap())
        .filter_map(|at| platform.segment_of(RequesterIndex(at)))
        .collect()
}

/// The requester IDs that are reported, and those that are changed, one by one.
fn reported_and_changed(before: &[u8], after: &[u8]) -> Option<[BTreeSet<(Segment, u16)>; 2]> {
    let (a, b) = (Known::new(before)?, Known::new(after)?);
    let [ours, theirs] = [&a, &b].map(|Known { platform, map, .. }| Side { platform, map });
    let changes = diff(ours, theirs, |_| true);
    let reported = changes.iter().filter_map(|change| match change {
        Difference::Requesters { segment, first, last, .. } => Some((*segment, first.0..=last.0)),
        _ => None,
    });
    let reported = reported.flat_map(|(segment, rids)| rids.map(move |rid| (segment, rid))).collect();
    let all = &segments(&a.platform) | &segments(&b.platform);
    let all = all.into_iter().flat_map(|segment| (0..=u16::MAX).map(move |rid| (segment, rid)));
    let changed = all.filter(|(segment, rid)| {
        let bdf = Bdf { segment: *segment, rid: RequesterId(*rid) };
        a.answer(bdf) != b.answer(bdf)
    });
    Some([reported, changed.collect()])
}

fn blobs() -> Vec<Vec<u8>> {
    ["d05-2020/fdt.dtb", "qemu-virt-dt/fdt.dtb", "qemu-switch-bridge/fdt.dtb"].map(sample).to_vec()
}

fn edited(blob: &[u8], at: u32, value: u32) -> Vec<u8> {
    let mut after = blob.to_vec();
    after[at as usize..at as usize + 4].copy_from_slice(&value.to_be_bytes());
    after
}

proptest! {
    #![proptest_config(random(8, 200))]
    #[test]
    fn a_changed_cell_is_exactly_the_requesters_it_changes(
        which in 0_usize..3,
        cell: prop::sample::Index,
        value in prop_oneof![0_u32..0x2_0000, any::<u32>(), Just(1), Just(0x100)],
    ) {
        let before = blobs()[which].clone();
        let after = edited(&before, *cell.get(&cells(&before)), value);
        if let Some([reported, changed]) = reported_and_changed(&before, &after) {
            prop_assert_eq!(reported, changed);
        }
    }
}

fn smmus(blob: &mut Blob) {
    for (name, phandle) in [("iommu@1000", 1), ("iommu@2000", 2)] {
        blob.begin(name).text("compatible", "arm,smmu-v3");
        blob.cells("#iommu-cells", &[1]).cells("phandle", &[phandle]).end();
    }
}

/// A small board with everything that an edit can hit: two SMMUs, two ITSs, two hosts with maps, masks and domains.
fn board() -> Vec<u8> {
    let mut blob = Blob::new();
    smmus(&mut blob);
    for (name, phandle) in [("msi@3000", 3), ("msi@4000", 4)] {
        blob.begin(name).text("compatible", "arm,gic-v3-its").flag("msi-controller");
        blob.cells("#msi-cells", &[1]).cells("phandle", &[phandle]).end();
    }
    blob.host(
        "pcie@5000",
        &[
            ("iommu-map", &[0, 1, 0x1000, 0x100, 0x100, 2, 0, 0x100]),
            ("iommu-map-mask", &[0xffff]),
            ("msi-map", &[0, 3, 0, 0x10000]),
            ("linux,pci-domain", &[0]),
            ("bus-range", &[0, 0xff]),
        ],
    );
    blob.host(
        "pcie@6000",
        &[
            ("iommu-map", &[0, 2, 0x2000, 0x200]),
            ("msi-map", &[0, 4, 0x8000, 0x200]),
            ("linux,pci-domain", &[1]),
        ],
    );
    blob.finish()
}

#[test]
fn every_cell_of_a_small_board_is_exactly_the_requesters_it_changes() {
    let before = board();
    let (mut considered, mut edits, mut telling) = (0, 0, 0);
    for at in cells(&before) {
        let old = u32::from_be_bytes(before[at as usize..at as usize + 4].try_into().unwrap());
        // Another controller of the kind, one less, and a bit that no id has.
        for value in [old ^ 3, old ^ 7, old.wrapping_sub(1), old ^ 0x8000_0000] {
            considered += 1;
            if considered % cases_of_three(13, 4, 1) != 0 {
                continue;
            }
            let after = edited(&before, at, value);
            let Some([reported, changed]) = reported_and_changed(&before, &after) else { continue };
            assert_eq!(reported.len(), changed.len(), "byte {at:#x}: {old:#x} -> {value:#x}");
            assert!(reported == changed, "byte {at:#x}: {old:#x} -> {value:#x}");
            edits += 1;
            telling += usize::from(!changed.is_empty());
        }
    }
    println!("{edits} edits, {telling} of which change something");
    assert!(telling > cases_of_three(4, 15, 60), "{telling} of {edits}");
}

#[test]
fn all_msis_to_another_controller_are_a_difference() {
    let mut blob = Blob::new();
    for (name, phandle) in [("msi@3000", 3), ("msi@4000", 4)] {
        blob.begin(name).text("compatible", "arm,gic-v3-its").flag("msi-controller");
        blob.cells("#msi-cells", &[1]).cells("phandle", &[phandle]).end();
    }
    let with = |its: u32| blob.clone().host("pcie@5000", &[("msi-map", &[0, its, 0, 0x10000])]).finish();
    let [reported, changed] = reported_and_changed(&with(3), &with(4)).unwrap();
    assert_eq!((reported.len(), changed.len()), (0x10000, 0x10000));
}

#[test]
fn ids_on_other_buses_and_reserved_memory_are_compared() {
    let with = |first: u32, smmu: u32| {
        let mut blob = Blob::new();
        smmus(&mut blob);
        blob.begin("fsl-mc@5000").text("compatible", "fsl,qoriq-mc");
        blob.cells("iommu-map", &[0x10, smmu, first, 0x20]).end();
        blob.finish()
    };
    let changes = |before: &[u8], after: &[u8]| {
        let (a, b) = (platform(before).unwrap(), platform(after).unwrap());
        let [old, new] = [&a, &b].map(|platform| IdMap::build(platform, Dialect::LINUX));
        diff(Side { platform: &a, map: &old }, Side { platform: &b, map: &new }, |_| true)
    };
    assert!(changes(&with(0x100, 1), &with(0x100, 1)).is_empty());
    for other in [with(0x101, 1), with(0x100, 2)] {
        let found = changes(&with(0x100, 1), &other);
        let [Difference::OnBus { bus, ids, .. }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((bus.as_str(), ids.first, ids.last), ("/fsl-mc@5000", 0x10, 0x2f));
    }
    let rmr = |stream: u32| {
        let mut table = Builder::new(6);
        let smmu = table.smmu_v3(0x2b40_0000).id();
        table.root_complex(0).maps(0..=0xffff, 0, smmu);
        table.rmr().single(stream, smmu).range(0x8000_0000, 0x1_0000);
        Iort::parse(&table.finish()).unwrap().platform()
    };
    let (a, b) = (rmr(0x100), rmr(0x108));
    let [old, new] = [&a, &b].map(|platform| IdMap::build(platform, Dialect::LINUX));
    let found = diff(Side { platform: &a, map: &old }, Side { platform: &b, map: &new }, |_| true);
    assert_eq!(found.len(), 2, "the region for one StreamID goes, for another it comes: {found:?}");
}

/// Two ITS groups may begin with one ITS: which of them a mapping names makes no difference.
#[test]
fn groups_of_one_its_are_one_controller() {
    let platform = |swap: bool| {
        let mut table = Builder::new(6);
        let groups = [table.its_group([4]).id(), table.its_group([4, 5]).id()];
        for segment in 0..2 {
            let group = groups[usize::from(swap ^ (segment == 1))];
            table.root_complex(segment).maps(0..=0xffff, 0, group);
        }
        Iort::parse(&table.finish()).unwrap().platform()
    };
    let (one, other) = (platform(false), platform(true));
    let maps = [&one, &other].map(|platform| IdMap::build(platform, Dialect::LINUX));
    let sides = [Side { platform: &one, map: &maps[0] }, Side { platform: &other, map: &maps[1] }];
    for (before, after) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
        assert_eq!(diff(sides[before], sides[after], |_| true), []);
    }
}
