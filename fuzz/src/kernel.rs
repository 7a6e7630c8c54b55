//! The IORT look-up again, as Linux does it (drivers/acpi/arm64/iort.c `iort_node_map_id`), straight from the bytes and with
//! nothing of the library: what `iort::resolve` and the index are held against.

use std::collections::{BTreeMap, BTreeSet};

const ITS_GROUP: u8 = 0;
const NAMED_COMPONENT: u8 = 1;
const ROOT_COMPLEX: u8 = 2;
const SMMU_V2: u8 = 3;
const SMMU_V3: u8 = 4;

/// Where the walk for an id ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a node of the wanted type, by its offset, as this id.
    At(u32, u32),
    /// Nowhere: no mapping has the id.
    Nowhere,
    /// The kernel reads outside of a node, goes in circles, or takes something for a node that is none: nothing to compare.
    Strange,
}

/// The nodes of a table by their offsets, as the header counts them.
pub struct Table<'a> {
    nodes: BTreeMap<u32, &'a [u8]>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl<'a> Table<'a> {
    /// Frames the nodes; `None` where one does not fit.
    pub fn of(table: &'a [u8]) -> Option<Self> {
        let table = table.get(..u32_at(table, 4)? as usize)?;
        let (count, mut offset) = (u32_at(table, 36)?, u32_at(table, 40)?);
        let mut nodes = BTreeMap::new();
        for _ in 0..count {
            let rest = table.get(offset as usize..)?;
            let length = usize::from(u16::from_le_bytes([*rest.get(1)?, *rest.get(2)?]));
            let node = rest.get(..length).filter(|node| node.len() >= 16)?;
            nodes.insert(offset, node);
            offset += u32::try_from(length).ok()?;
        }
        Some(Table { nodes })
    }

    /// The offsets of root complexes and named components.
    pub fn requesters(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().filter(|(_, n)| matches!(n[0], NAMED_COMPONENT | ROOT_COMPLEX)).map(|(at, _)| *at)
    }

    /// First and last input of every mapping of a node.
    pub fn edges(&self, node: u32) -> Vec<(u32, u32)> {
        let all = self.nodes.get(&node).and_then(|node| mappings(node)).unwrap_or_default();
        all.iter().map(|[first, count, ..]| (*first, first.wrapping_add(*count))).collect()
    }

    /// `iort_node_map_id`. With `msi` the walk goes on to an ITS group, else it ends at the first SMMU.
    pub fn map_id(&self, start: u32, id: u32, msi: bool) -> End {
        let (mut offset, mut id) = (start, id);
        let mut left_requesters = false;
        let mut been_at = BTreeSet::new();
        // An id may change on each round, so the kernel gets out of some circles; the library calls all of them circles.
        // And a walk past very many nodes.
        while been_at.len() < 64 && been_at.insert(offset) {
            // The kernel takes whatever is there for a node; the library knows that it is none.
            let Some(node) = self.nodes.get(&offset) else { return End::Nowhere };
            match node[0] {
                ITS_GROUP if msi => return End::At(offset, id),
                SMMU_V2 | SMMU_V3 if !msi => return End::At(offset, id),
                // Linux would follow an SMMU back to a requester, and through nodes that only send MSIs of their own.
                NAMED_COMPONENT | ROOT_COMPLEX if left_requesters => return End::Strange,
                NAMED_COMPONENT | ROOT_COMPLEX => {}
                SMMU_V2 | SMMU_V3 => left_requesters = true,
                ITS_GROUP => return End::Nowhere,
                _ => return End::Strange,
            }
            let Some(all) = mappings(node) else { return End::Strange };
            match step(node, &all, id) {
                Some((next, mapped)) => (offset, id) = (next, mapped),
                None => return End::Nowhere,
            }
        }
        End::Strange
    }
}

/// Base, count, output, reference and flags of each mapping; `None` where the array leaves the node.
fn mappings(node: &[u8]) -> Option<Vec<[u32; 5]>> {
    let (count, offset) = (u32_at(node, 8)? as usize, u32_at(node, 12)? as usize);
    if count == 0 || offset == 0 {
        return Some(Vec::new());
    }
    let array = node.get(offset..offset.checked_add(count.checked_mul(20)?)?)?;
    let word = |mapping: &[u8], at: usize| u32_at(mapping, 4 * at).unwrap();
    Some(array.chunks(20).map(|mapping| [0, 1, 2, 3, 4].map(|at| word(mapping, at))).collect())
}

/// `iort_get_id_mapping_index`.
fn special(node: &[u8], count: usize) -> Option<usize> {
    if node[0] != SMMU_V3 || node[3] < 1 {
        return None;
    }
    let interrupts = [44, 48, 52, 56].map(|at| u32_at(node, at));
    let has_one = match node[3] {
        1..5 => interrupts.contains(&Some(0)),
        _ => u32_at(node, 24)? & 1 << 4 != 0,
    };
    u32_at(node, 64).map(|index| index as usize).filter(|index| has_one && *index < count)
}

/// The loop of `iort_node_map_id` over the mappings of one node, and `iort_id_map`.
fn step(node: &[u8], all: &[[u32; 5]], id: u32) -> Option<(u32, u32)> {
    if all.first()?[3] == 0 {
        return None;
    }
    let skipped = special(node, all.len());
    let mut overlapping: Option<(u32, u32)> = None;
    for (at, [first, count, output, reference, flags]) in all.iter().copied().enumerate() {
        if Some(at) == skipped {
            continue;
        }
        if flags & 1 != 0 {
            if matches!(node[0], NAMED_COMPONENT | ROOT_COMPLEX) {
                return Some((reference, output));
            }
            continue;
        }
        let last = first.wrapping_add(count);
        if id < first || id > last || overlapping.is_some() && id != first {
            continue;
        }
        let mapped = output.wrapping_add(id - first);
        if count > 0 && id == last {
            overlapping = Some((reference, mapped));
            continue;
        }
        return Some((reference, mapped));
    }
    // A null reference found at the end of a range is as good as none found.
    overlapping.filter(|(reference, _)| *reference != 0)
}
