//! A changed cell of a device tree is reported as exactly the requester IDs that it changes.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fwspec::dt::Tree;
use fwspec::map::{Change, Side, diff};
use fwspec::{Bdf, Dialect, IdMap, Platform, RequesterId, Segment};
use proptest::prelude::*;

fn sample(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-samples").join(name)).unwrap()
}

fn platform(blob: &[u8]) -> Option<Platform> {
    Tree::parse(blob).ok()?.platform().ok()
}

/// The cells of all maps and masks: their byte offsets.
fn cells(blob: &[u8]) -> Vec<u32> {
    let tree = Tree::parse(blob).unwrap();
    let mut all = Vec::new();
    for node in tree.nodes().map(Result::unwrap) {
        for name in ["iommu-map", "msi-map"] {
            let property = node.property(name);
            all.extend(property.into_iter().flat_map(|p| {
                (0..).step_by(4).take(p.cells().len()).map(move |byte: u32| p.offset() + byte)
            }));
        }
    }
    all
}

/// What one requester ID becomes, asked by itself. The trees have one controller a host, so its number is the same.
fn answer(platform: &Platform, map: &IdMap, bdf: Bdf) -> impl PartialEq + use<> {
    let stream = map.resolve(bdf).ok().map(|s| (platform.iommus[s.iommu as usize].base, s.id, s.mask));
    let device = map.device_id_of(bdf).map(|request| (request.controller, request.id));
    (stream, device)
}

fn blobs() -> Vec<Vec<u8>> {
    ["d05-2020/fdt.dtb", "qemu-virt-dt/fdt.dtb", "qemu-switch-bridge/fdt.dtb"].map(sample).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]
    #[test]
    fn a_changed_cell_is_exactly_the_requesters_it_changes(
        which in 0_usize..3,
        cell: prop::sample::Index,
        value in prop_oneof![0_u32..0x2_0000, any::<u32>(), Just(1), Just(0x100)],
    ) {
        let before = blobs()[which].clone();
        let at = *cell.get(&cells(&before)) as usize;
        let mut after = before.clone();
        after[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let (a, b) = (platform(&before).unwrap(), platform(&after).unwrap());
        let [old, new] = [&a, &b].map(|platform| IdMap::build(platform, Dialect::LINUX).unwrap());
        // A phandle that becomes another may renumber the controllers, which by themselves mean nothing.
        prop_assume!(a.msi_controllers.len() == b.msi_controllers.len());
        let changes = diff(Side { platform: &a, map: &old }, Side { platform: &b, map: &new }, |_| true);
        let reported: BTreeSet<(u32, u16)> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Requesters { segment, first, last, .. } => Some((segment.0, *first..=*last)),
                _ => None,
            })
            .flat_map(|(segment, rids)| rids.map(move |rid| (segment, rid)))
            .collect();
        let changed: BTreeSet<(u32, u16)> = [0, 2, 10]
            .into_iter()
            .flat_map(|segment| (0..=u16::MAX).map(move |rid| (segment, rid)))
            .filter(|(segment, rid)| {
                let bdf = Bdf { segment: Segment(*segment), rid: RequesterId(*rid) };
                answer(&a, &old, bdf) != answer(&b, &new, bdf)
            })
            .collect();
        prop_assert_eq!(reported, changed);
    }
}
