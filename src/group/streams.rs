//! Who has which id at which IOMMU, stream-mapping masks included.

use alloc::collections::{BTreeMap, BTreeSet};

use super::partition::Slot;
use crate::map::{Fwspec, Stream};

/// Ids by IOMMU. Looking up an id costs one search for each mask that the IOMMU's masters use.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    /// (IOMMU, mask, id without the masked bits, who).
    ids: BTreeSet<(u32, u16, u32, Slot)>,
    /// How many entries of `ids` have this mask.
    masks: BTreeMap<(u32, u16), u32>,
    /// Masters by IOMMU, for IOMMUs that make one group of them.
    masters: BTreeSet<(u32, Slot)>,
}

impl Streams {
    /// Adds a master: `together` says which IOMMUs make one group of all theirs, `by_id` which tie those that share an id.
    /// Nobody asks about the others, so nothing is kept of them.
    pub(super) fn insert(
        &mut self,
        slot: Slot,
        fwspec: &Fwspec,
        together: impl Fn(u32) -> bool,
        by_id: impl Fn(u32) -> bool,
    ) {
        if together(fwspec.iommu) {
            self.masters.insert((fwspec.iommu, slot));
        }
        for stream in fwspec.ids.iter().filter(|stream| by_id(stream.iommu)) {
            let Some(key) = key(stream, slot) else { continue };
            if self.ids.insert(key) {
                let count = self.masks.entry((key.0, key.1)).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot, fwspec: &Fwspec) {
        self.masters.remove(&(fwspec.iommu, slot));
        for key in fwspec.ids.iter().filter_map(|stream| key(stream, slot)) {
            if !self.ids.remove(&key) {
                continue;
            }
            if let Some(count) = self.masks.get_mut(&(key.0, key.1)) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.masks.remove(&(key.0, key.1));
                }
            }
        }
    }

    /// One other master for each id that meets this one: those with the very same id and mask are tied to each other.
    pub(super) fn meeting(&self, slot: Slot, stream: Stream) -> impl Iterator<Item = Slot> + '_ {
        let Stream { iommu, mask, .. } = stream;
        let id = stream.id.map(|id| id.0);
        let masks = self.masks.range((iommu, 0)..=(iommu, u16::MAX)).map(|((_, mask), _)| *mask);
        id.into_iter().flat_map(move |id| {
            masks.clone().flat_map(move |other| {
                let [mine, theirs] = [u32::from(mask), u32::from(other)];
                let first = (iommu, other, id & !mine & !theirs, Slot::MIN);
                let last = (iommu, other, (id | mine) & !theirs, Slot::MAX);
                let mut previous = None;
                self.ids
                    .range(first..=last)
                    .filter(move |(.., found, _)| (found ^ id) & !(mine | theirs) == 0)
                    .filter(move |(.., who)| *who != slot)
                    .filter(move |(_, _, found, _)| previous.replace(*found) != Some(*found))
                    .map(|(.., who)| *who)
            })
        })
    }

    /// Another master of this IOMMU.
    pub(super) fn other_master(&self, slot: Slot, iommu: u32) -> Option<Slot> {
        let mut masters = self.masters.range((iommu, Slot::MIN)..=(iommu, Slot::MAX)).map(|(_, who)| *who);
        masters.find(|who| *who != slot)
    }
}

fn key(stream: &Stream, slot: Slot) -> Option<(u32, u16, u32, Slot)> {
    stream.id.map(|id| (stream.iommu, stream.mask, id.0 & !u32::from(stream.mask), slot))
}
