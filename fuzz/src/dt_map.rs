//! `iommu-map` against a transcription of the kernel's look-up, id by id.

use fwspec::dt::Tree;
use fwspec::{Dialect, IdMap, NoStream, RequesterIndex, dialect::DriverRule};
use vm_fdt::FdtWriter;

use super::words::Words;

/// Phandle of the first target; the others count on.
const FIRST_TARGET: u32 = 1;

/// What the kernel's look-up answers: a target and its cells, nothing, or an errno.
type Answer = Result<Option<(u32, Vec<u32>)>, &'static str>;

/// A host bridge with any cells for a map, over IOMMUs of 0 to 3 cells: each id gets what the kernel's code gives it, as
/// current kernels and as those before 7.3 read the map.
pub fn dt_map(bytes: &[u8]) {
    let mut words = Words(bytes);
    // 17 cells are more than any kernel takes; `None` is a target that does not say.
    let sizes: Vec<Option<u32>> = (0..3)
        .map(|_| words.one_of(&[Some(1), Some(1), Some(0), Some(2), Some(3), None, Some(17)]))
        .collect();
    let mask = words.one_in(3).then(|| words.id());
    let map: Vec<u32> = (0..words.below(24))
        .map(|at| if at % 4 == 1 && !words.one_in(4) { u32::from(words.byte() % 5) } else { words.id() })
        .collect();
    let Some(blob) = tree(&sizes, mask, &map) else { return };
    let platform = Tree::parse(&blob).unwrap().platform().unwrap();
    let current = |id| look_up(&map, mask, &sizes, id);
    let classic = |id| look_up_classic(&map, mask, &sizes, id);
    let ids: Vec<u32> = map
        .iter()
        .flat_map(|cell| [cell.wrapping_sub(1), *cell, cell.wrapping_add(1)])
        .chain([0, 1, 0xffff, u32::MAX])
        .flat_map(|id| [id, id & mask.unwrap_or(u32::MAX)])
        .collect();
    for (mut dialect, kernel) in
        [(Dialect::LINUX, &current as &dyn Fn(u32) -> Answer), (Dialect::LINUX_CLASSIC, &classic)]
    {
        let is_classic = dialect == Dialect::LINUX_CLASSIC;
        // The targets have no `compatible`, so that no driver would bind to them: that is asked after the look-up.
        dialect.drivers = DriverRule::Any;
        let index = IdMap::build(&platform, dialect);
        for id in &ids {
            let ours = match index.stream_from(RequesterIndex(0), *id) {
                Ok(stream) => {
                    Ok(Some((index.iommus()[stream.iommu.position()].origin.at, stream.id.map(|id| id.0))))
                }
                Err(NoStream::Errno { errno, .. }) => Err(errno.to_string()),
                // Only the reading of old finds a target here that is no IOMMU.
                Err(NoStream::Dangling { .. }) if is_classic => continue,
                Err(_) => Ok(None),
            };
            let theirs = match kernel(*id) {
                Ok(Some((target, cells))) => {
                    let place = |node: &fwspec::dt::Node<'_>| fwspec::error::Source::DTB.at(node.offset());
                    let tree = Tree::parse(&blob).unwrap();
                    let node = tree.node_by_phandle(fwspec::Phandle(target)).unwrap();
                    Ok(Some((place(&node), cells.first().copied())))
                }
                Ok(None) => Ok(None),
                Err(errno) => Err(errno.to_string()),
            };
            assert_eq!(ours, theirs, "{} {id:#x}: map {map:x?} mask {mask:x?} cells {sizes:?}", dialect.name);
        }
    }
}

fn tree(sizes: &[Option<u32>], mask: Option<u32>, map: &[u32]) -> Option<Vec<u8>> {
    let mut tree = FdtWriter::new().ok()?;
    let root = tree.begin_node("").ok()?;
    let host = tree.begin_node("pcie").ok()?;
    tree.property_string("device_type", "pci").ok()?;
    tree.property_array_u32("iommu-map", map).ok()?;
    if let Some(mask) = mask {
        tree.property_u32("iommu-map-mask", mask).ok()?;
    }
    tree.end_node(host).ok()?;
    for (phandle, size) in (FIRST_TARGET..).zip(sizes) {
        let node = tree.begin_node(&format!("iommu{phandle}")).ok()?;
        if let Some(size) = size {
            tree.property_u32("#iommu-cells", *size).ok()?;
        }
        tree.property_phandle(phandle).ok()?;
        tree.end_node(node).ok()?;
    }
    tree.end_node(root).ok()?;
    tree.finish().ok()
}

fn target(phandle: u32, sizes: &[Option<u32>]) -> Option<Option<u32>> {
    sizes.get(phandle.checked_sub(FIRST_TARGET)? as usize).copied()
}

/// Linux 7.3 drivers/of/base.c `of_map_id` and `of_check_bad_map`.
fn look_up(map: &[u32], mask: Option<u32>, sizes: &[Option<u32>], id: u32) -> Answer {
    let mask = mask.unwrap_or(u32::MAX);
    let masked = id & mask;
    let (mut rest, mut bad) = (map, false);
    while !rest.is_empty() {
        let [base, phandle, ..] = rest else { return Err("EINVAL") };
        if base & !mask != 0 {
            return Err("EFAULT");
        }
        let Some(size) = target(*phandle, sizes) else { return Err("ENODEV") };
        let mut cells = if bad { 1 } else { size.unwrap_or(1) };
        if cells > 16 {
            return Err("EINVAL");
        }
        if rest.len() == map.len() && cells == 2 {
            bad =
                map.len().is_multiple_of(4) && map.chunks(4).all(|entry| entry[1] == map[1] && entry[3] == 1);
            cells = if bad { 1 } else { cells };
        }
        let length_at = 2 + cells as usize;
        let Some(length) = rest.get(length_at) else { return Err("EINVAL") };
        let output = &rest[2..length_at];
        rest = &rest[length_at + 1..];
        if masked < *base || masked - base >= *length {
            continue;
        }
        if *length > 1 && cells > 1 {
            return Err("EINVAL");
        }
        return Ok(Some((*phandle, output.iter().map(|cell| cell.wrapping_add(masked - base)).collect())));
    }
    Ok(None)
}

/// Linux up to 7.2.
fn look_up_classic(map: &[u32], mask: Option<u32>, sizes: &[Option<u32>], id: u32) -> Answer {
    if map.is_empty() || !map.len().is_multiple_of(4) {
        return Err("EINVAL");
    }
    let mask = mask.unwrap_or(u32::MAX);
    let masked = id & mask;
    for entry in map.chunks(4) {
        let &[base, phandle, output, length] = entry else { unreachable!() };
        if base & !mask != 0 {
            return Err("EFAULT");
        }
        if masked < base || masked >= base.wrapping_add(length) {
            continue;
        }
        if target(phandle, sizes).is_none() {
            return Err("ENODEV");
        }
        return Ok(Some((phandle, vec![output.wrapping_add(masked - base)])));
    }
    Ok(None)
}
