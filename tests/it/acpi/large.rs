//! Tables as large as they come: many nodes, many mappings.

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::{Bdf, Dialect, IdMap, IommuIndex, RequesterId, RequesterIndex, Segment};

/// One real server's table has 1,476 nodes, more than a well-known test suite has room for.
#[test]
fn a_table_of_1476_nodes_answers_for_every_one() {
    let mut table = Builder::new(0);
    let its = table.its_group([0]).id();
    let smmus: Vec<_> =
        (0..8).map(|n| table.smmu_v3(0x1000_0000 * (n + 1)).maps(0..=0xffff, 0, its).id()).collect();
    for segment in 0..8 {
        let smmu = smmus[segment as usize];
        table.root_complex(segment).maps(0..=0xffff, segment << 16, smmu);
    }
    for component in 0..1476 - 17 {
        let smmu = smmus[component as usize % 8];
        table.named_component(&format!(r"\_SB_.C{component:03X}")).single(0x8_0000 + component, smmu);
    }
    let bytes = table.finish();
    let platform = Iort::parse(&bytes).unwrap().platform();
    assert_eq!(platform.skipped, []);
    assert_eq!(1 + platform.iommus.len() + platform.requesters.len(), 1476);
    let map = IdMap::build(&platform, Dialect::LINUX);
    for (at, component) in (8..).zip(0..1476 - 17) {
        let record = map.fwspec(RequesterIndex(at).into()).fwspec.unwrap();
        assert_eq!(
            (record.iommu, record.ids[0].id.unwrap().0),
            (IommuIndex(component % 8), 0x8_0000 + component)
        );
    }
}

/// A node's length is 16 bits, so a million mappings need hundreds of nodes.
#[test]
fn a_million_mappings_are_found_one_by_one() {
    const PER_NODE: u32 = 3270;
    const NODES: u32 = 306;
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x1000_0000).id();
    for segment in 0..NODES {
        let mut node = table.root_complex(segment);
        // Descending, so that nothing is sorted already; every second ID is a hole.
        for n in (0..PER_NODE).rev() {
            node.maps(2 * n..=2 * n, (segment << 13) + n, smmu);
        }
    }
    let bytes = table.finish();
    let platform = Iort::parse(&bytes).unwrap().platform();
    assert_eq!(platform.skipped, []);
    let map = IdMap::build(&platform, Dialect::LINUX);
    for segment in 0..NODES {
        for n in (0..PER_NODE).step_by(37).chain([PER_NODE - 1]) {
            let rid = |id| Bdf { segment: Segment(segment), rid: RequesterId(u16::try_from(id).unwrap()) };
            assert_eq!(map.resolve(rid(2 * n)).unwrap().id.unwrap().0, (segment << 13) + n);
            assert!(map.resolve(rid(2 * n + 1)).is_err());
        }
    }
}
