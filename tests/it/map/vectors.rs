//! The eleven worked vectors: answers that were computed by hand, one test each.

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::dt::Tree;
use fwspec::model::{BusKind, IdBus, IdMapping, Iommu, Origin, Output, Platform, Requester, RequesterKind};
use fwspec::pci::PortType;
use fwspec::{
    AcsFlags, Bdf, Device, Dialect, Format, Groups, IdMap, InputIds, IommuIndex, IommuKind, NoStream,
    RequesterId, Segment, dialect::CountRule, error::Source, group::Policy,
};
use vm_fdt::FdtWriter;

/// The IOMMU (by its place in the firmware) and StreamID of a requester ID.
fn stream(map: &IdMap, segment: u32, rid: u16) -> Option<(u32, u32)> {
    let stream = map.resolve(Bdf { segment: Segment(segment), rid: RequesterId(rid) }).ok()?;
    Some((stream.iommu.0, stream.id?.0))
}

fn table(build: impl FnOnce(&mut Builder)) -> Platform {
    let mut builder = Builder::new(0);
    build(&mut builder);
    Iort::parse(&builder.finish()).unwrap().platform()
}

fn linux(platform: &Platform) -> IdMap {
    IdMap::build(platform, Dialect::LINUX)
}

/// A host bridge with this map, and IOMMUs with phandles from 1 on, of so many cells each (`None`: not said).
fn host(map: &[u32], mask: Option<u32>, iommus: &[(&str, Option<u32>)]) -> Platform {
    let mut tree = FdtWriter::new().unwrap();
    let root = tree.begin_node("").unwrap();
    let bridge = tree.begin_node("pcie").unwrap();
    tree.property_string("device_type", "pci").unwrap();
    tree.property_array_u32("iommu-map", map).unwrap();
    if let Some(mask) = mask {
        tree.property_u32("iommu-map-mask", mask).unwrap();
    }
    tree.end_node(bridge).unwrap();
    for (phandle, (compatible, cells)) in (1..).zip(iommus) {
        let node = tree.begin_node(&format!("iommu@{phandle}")).unwrap();
        tree.property_string("compatible", compatible).unwrap();
        if let Some(cells) = cells {
            tree.property_u32("#iommu-cells", *cells).unwrap();
        }
        tree.property_phandle(phandle).unwrap();
        tree.end_node(node).unwrap();
    }
    tree.end_node(root).unwrap();
    Tree::parse(&tree.finish().unwrap()).unwrap().platform().unwrap()
}

const V3: (&str, Option<u32>) = ("arm,smmu-v3", Some(1));

#[test]
fn vector_1_the_last_id_of_the_only_range_is_taken() {
    let platform = table(|t| {
        let smmu = t.smmu_v3(0x1000_0000).id();
        t.root_complex(1).maps(0..=0xffff, 0x1_0000, smmu);
    });
    let map = linux(&platform);
    assert_eq!(stream(&map, 1, 0x0108), Some((0, 0x1_0108)));
    assert_eq!(stream(&map, 1, 0xffff), Some((0, 0x1_ffff)));
}

#[test]
fn vector_2_counts_that_are_n_still_work() {
    let platform = table(|t| {
        let a = t.smmu_v3(0x1000_0000).id();
        let b = t.smmu_v3(0x2000_0000).id();
        t.root_complex(0).maps(0..=0x100, 0x1000, a).maps(0x100..=0x200, 0x2000, b);
    });
    let map = linux(&platform);
    assert_eq!(stream(&map, 0, 0x0ff), Some((0, 0x10ff)));
    assert_eq!(stream(&map, 0, 0x100), Some((1, 0x2000)));
    assert_eq!(stream(&map, 0, 0x200), Some((1, 0x2100)));
}

#[test]
fn vector_3_a_true_overlap_belongs_to_the_first() {
    let platform = table(|t| {
        let a = t.smmu_v3(0x1000_0000).id();
        let b = t.smmu_v3(0x2000_0000).id();
        t.root_complex(0).maps(0..=0x1ff, 0, a).maps(0x100..=0x2ff, 0, b);
    });
    let map = linux(&platform);
    assert_eq!(stream(&map, 0, 0x180), Some((0, 0x180)));
    assert_eq!(stream(&map, 0, 0x1ff), Some((0, 0x1ff)));
    assert_eq!(stream(&map, 0, 0x200), Some((1, 0x100)));
}

#[test]
fn vector_4_freebsd_loses_the_last_id() {
    let platform = table(|t| {
        let smmu = t.smmu_v3(0x1000_0000).id();
        t.root_complex(1).maps(0..=0xffff, 0x1_0000, smmu);
    });
    let map = IdMap::build(&platform, Dialect::FREEBSD);
    assert_eq!(stream(&map, 1, 0xffff), None);
    assert_eq!(stream(&map, 1, 0xfffe), Some((0, 0x1_fffe)));
}

#[test]
fn vector_5_a_pci_iommu_leaves_itself_out() {
    let map = linux(&host(&[0, 1, 0, 8, 9, 1, 9, 0xfff7], None, &[("riscv,pci-iommu", Some(1))]));
    assert_eq!(stream(&map, 0, 0x8), None);
    assert_eq!(stream(&map, 0, 0x9), Some((0, 9)));
    assert_eq!(stream(&map, 0, 0xffff), Some((0, 0xffff)));
}

#[test]
fn vector_6_a_mask_makes_one_id_of_a_slot() {
    let map = linux(&host(&[0, 1, 0, 0x1_0000], Some(0xfff8), &[V3]));
    for rid in 0x100..=0x107 {
        assert_eq!(stream(&map, 0, rid), Some((0, 0x100)));
    }
    // One StreamID is one group where the hardware is asked; Linux refuses the second function instead.
    let mut groups = Groups::builder().map(map).policy(Policy::Strict).build();
    let port = Device::root_port(Bdf::new(Segment(0), 0, 1, 0), 1..=1).acs(AcsFlags::ISOLATED);
    groups.add(port).unwrap();
    let [a, b] = [0, 1].map(|f| groups.add(Device::endpoint(Bdf::new(Segment(0), 1, 0, f))).unwrap().group);
    assert_eq!((a.is_some(), a), (true, b));
}

#[test]
fn vector_7_entries_are_as_long_as_their_target_says() {
    let two = [("arm,smmu-v2", Some(2))];
    let id = |map: &IdMap, rid| map.resolve(Bdf { segment: Segment(0), rid: RequesterId(rid) });
    // Four cells an entry for a target of two: one target, length 1 throughout, so one cell is meant.
    let map = linux(&host(&[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 1], None, &two));
    assert_eq!(stream(&map, 0, 0x100), Some((0, 0x1c01)));
    // Five cells, as it should be: the second is the mask.
    let map = linux(&host(&[0x100, 1, 0x1c01, 0, 1], None, &two));
    let found = id(&map, 0x100).unwrap();
    assert_eq!((found.id.unwrap().0, found.mask), (0x1c01, 0));
    // The same eight cells with lengths 1 and 2: an entry of five, <0 1 0x1c00 1 0x100>, and rubbish after it.
    let map = linux(&host(&[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 2], None, &two));
    assert!(matches!(id(&map, 0x0), Err(NoStream::Errno { errno: fwspec::model::Errno::Invalid, .. })));
    assert!(matches!(id(&map, 0xff), Err(NoStream::Errno { errno: fwspec::model::Errno::Invalid, .. })));
    assert!(matches!(id(&map, 0x100), Err(NoStream::Errno { errno: fwspec::model::Errno::NoDevice, .. })));
    // One range of four cells for two: too short for every id.
    let map = linux(&host(&[0, 1, 0, 0x1_0000], None, &two));
    assert!(matches!(id(&map, 0x8000), Err(NoStream::Errno { errno: fwspec::model::Errno::Invalid, .. })));
    let map = linux(&host(&[0, 1, 5, 1], None, &two));
    assert_eq!(stream(&map, 0, 0), Some((0, 5)));
    // No cells at all, and a target that does not say how many.
    let map = linux(&host(&[0, 1, 0x1_0000], None, &[("rockchip,iommu", Some(0))]));
    assert_eq!(id(&map, 0x1234).unwrap().id, None);
    let map = linux(&host(&[0, 1, 0x40, 0x10], None, &[("arm,smmu-v3", None)]));
    assert_eq!(stream(&map, 0, 3), Some((0, 0x43)));
}

/// A platform written by hand: one PCI host of this segment with one range, over one IOMMU.
fn by_hand(segment: u32, first: u32, last: u32, output: u32) -> Platform {
    let origin = Origin::acpi(Format::Iort, Source::IORT.at(0));
    let mapping = IdMapping::new(InputIds { first, last }, Output::Linear(output), IommuIndex(0));
    let bus = IdBus::new(BusKind::pci(Segment(segment)), Some([mapping].into_iter().collect()));
    let mut platform = Platform::default();
    platform.iommus = vec![Iommu::new(origin, IommuKind::Virtio, None)];
    platform.requesters = vec![Requester::new(origin, RequesterKind::Bus(bus))];
    platform
}

/// In the model; from bytes in `tables.rs`, as `every_segment_of_a_range_has_65536_endpoints`.
#[test]
fn vector_8_a_viot_range_counts_segments_in_the_high_half() {
    let platform = by_hand(1, 0x0100, 0x01ff, 0x1_0000 + 0x500);
    assert_eq!(stream(&linux(&platform), 1, 0x0102), Some((0, 0x1_0502)));
}

#[test]
fn vector_9_smr_masks_cover_or_clash() {
    let map = linux(&host(&[0, 1, 0x400, 0x7f, 1, 8, 1, 0x410, 0, 1], None, &[("arm,smmu-v2", Some(2))]));
    let id = |rid| map.resolve(Bdf { segment: Segment(0), rid: RequesterId(rid) }).unwrap();
    assert_eq!(id(0).fwspec_id(), Some(0x007f_0400));
    assert_eq!(id(8).fwspec_id(), Some(0x0410));
    // Covered by the other's mask: one stream mapping, one group, under either policy.
    let mut groups = Groups::new(map);
    let [a, b] = [0, 1].map(|slot| groups.add(Device::endpoint(Bdf::new(Segment(0), 0, slot, 0))).unwrap());
    groups.settle();
    let group_of = |slot| groups.group_of(Bdf::new(Segment(0), 0, slot, 0).into());
    assert!(group_of(0).is_some(), "{a:?} {b:?}");
    assert_eq!(group_of(0), group_of(1));
}

#[test]
fn vector_10_a_bridge_lends_its_id_to_those_behind() {
    let platform = table(|t| {
        let smmu = t.smmu_v3(0x1000_0000).id();
        t.root_complex(0).maps(0..=0xffff, 0, smmu);
    });
    let mut groups = Groups::new(linux(&platform));
    let at = |bus, slot| Bdf::new(Segment(0), bus, slot, 0);
    groups.add(Device::root_port(at(0, 1), 4..=5).acs(AcsFlags::ISOLATED)).unwrap();
    groups.add(Device::port(at(4, 0), PortType::PcieToPci, 5..=5)).unwrap();
    let [one, two] = [1, 2].map(|slot| groups.add(Device::endpoint(at(5, slot))).unwrap());
    let ids = |p: &fwspec::Placement| -> Vec<u32> {
        p.fwspec.iter().flat_map(|f| &f.ids).filter_map(|s| Some(s.id?.0)).collect()
    };
    assert_eq!((ids(&one), ids(&two)), (vec![0x508, 0x500], vec![0x510, 0x500]));
    assert_eq!((one.group.is_some(), one.group), (true, two.group));
    let refused: Vec<_> =
        groups.kernel_answers(None).into_iter().filter(|(_, a)| a.word() == "refused-alias").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, at(5, 2).into());
}

/// In the model: the count of IDs is that of IORT's two readings, N or N - 1. From bytes in `tables.rs`, as
/// `linux_maps_one_id_more_than_the_count_says`.
#[test]
fn vector_11_a_rimt_count_is_n_by_its_specification_and_one_more_on_linux() {
    let platform = by_hand(0, 0, 0x10, 0);
    let mut spec = Dialect::SPEC;
    spec.count = CountRule::CountIsN;
    assert_eq!(stream(&IdMap::build(&platform, spec), 0, 0x10), None);
    assert_eq!(stream(&IdMap::build(&platform, spec), 0, 0x0f), Some((0, 0x0f)));
    assert_eq!(stream(&linux(&platform), 0, 0x10), Some((0, 0x10)));
}
