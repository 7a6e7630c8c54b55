//! Mostly valid firmware from a supply of decisions.

use fwspec::acpi::iort::{Builder, NodeId, Reference};
use vm_fdt::FdtWriter;

use super::words::Words;

/// An IORT of ITS groups, SMMUs, root complexes and named components, whose mappings overlap, chain, dangle and go in circles.
pub fn iort(words: &mut Words<'_>) -> Vec<u8> {
    let mut table = Builder::new(words.one_of(&[0, 3, 5, 6, 7]));
    let mut nodes: Vec<NodeId> = Vec::new();
    for segment in 0..2 + words.below(6) {
        nodes.push(match words.below(6) {
            0 => table.its_group([0]).id(),
            1 => table.smmu_v3(0x1000_0000).id(),
            2 => table.smmu_v2(0x2000_0000).model(u32::from(words.byte() % 8)).id(),
            3 => table.named_component("\\_SB_.DEV0").id(),
            _ => table.root_complex(u32::try_from(segment % 2).unwrap()).id(),
        });
    }
    for node in nodes.clone() {
        for _ in 0..words.below(6) {
            let to = match words.below(8) {
                0 => Reference::Offset(0),
                1 => Reference::Offset(words.id()),
                _ => Reference::Node(words.one_of(&nodes)),
            };
            let (ids, output) = (words.ids(), words.id());
            let flags = u32::from(words.one_in(4));
            let count = ids.end() - ids.start();
            table.edit(node).mapping(*ids.start(), count, output, to, flags);
        }
    }
    table.finish()
}

/// A device tree with IOMMUs, PCI hosts with maps, and masters, a few levels deep.
pub fn tree(words: &mut Words<'_>) -> Option<Vec<u8>> {
    let mut tree = FdtWriter::new().ok()?;
    let root = tree.begin_node("").ok()?;
    tree.property_u32("#address-cells", 2).ok()?;
    tree.property_u32("#size-cells", 2).ok()?;
    let mut open = Vec::new();
    for number in 1..=2 + u32::try_from(words.below(12)).unwrap() {
        open.push(
            tree.begin_node(&format!("{}@{number:x}", words.one_of(&["pcie", "iommu", "gpu", "soc"])))
                .ok()?,
        );
        for _ in 0..words.below(6) {
            property(&mut tree, words)?;
        }
        if words.one_in(2) {
            tree.property_phandle(number).ok()?;
        }
        // Properties come before child nodes, so a node is left open to nest, or closed at once.
        while open.len() > 12 || (!open.is_empty() && !words.one_in(3)) {
            tree.end_node(open.pop()?).ok()?;
        }
    }
    while let Some(node) = open.pop() {
        tree.end_node(node).ok()?;
    }
    tree.end_node(root).ok()?;
    tree.finish().ok()
}

/// One property. `None` where the writer refuses it, as it does a name that the node has already.
fn property(tree: &mut FdtWriter, words: &mut Words<'_>) -> Option<()> {
    let cells = |words: &mut Words<'_>, most: usize| -> Vec<u32> {
        (0..words.below(most)).map(|_| words.id()).collect()
    };
    match words.below(10) {
        0 => tree.property_u32("#iommu-cells", u32::from(words.byte() % 3)),
        1 => tree.property_u32("#msi-cells", u32::from(words.byte() % 2)),
        2 => tree.property_string(
            "compatible",
            words.one_of(&["pci-host-ecam-generic", "arm,smmu-v3", "arm,gic-v3-its", "example,gpu"]),
        ),
        3 => tree.property_string("device_type", "pci"),
        4 => {
            let phandle = u32::from(words.byte() % 12);
            tree.property_array_u32("iommus", &[&[phandle][..], &cells(words, 4)].concat())
        }
        5 | 6 => {
            let mut entries = Vec::new();
            for _ in 0..words.below(4) {
                let ids = words.ids();
                entries.extend([*ids.start(), u32::from(words.byte() % 12)]);
                entries.extend(cells(words, 3));
                entries.push((ids.end() - ids.start()).saturating_add(1));
            }
            tree.property_array_u32(words.one_of(&["iommu-map", "msi-map"]), &entries)
        }
        7 => tree.property_u32("iommu-map-mask", words.id()),
        8 => tree.property_array_u32("bus-range", &[0, u32::from(words.byte())]),
        _ => tree.property(
            "payload",
            &cells(words, 8).iter().flat_map(|cell| cell.to_ne_bytes()).collect::<Vec<u8>>(),
        ),
    }
    .ok()
}
