//! Which device has which id at which IOMMU, stream-mapping masks included.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::entry::DeviceRef;
use crate::map::{Fwspec, Stream};
use crate::model::IommuIndex;

/// Ids by IOMMU. Looking up an id costs one search for each mask that the IOMMU's masters use; `masks` counts the ids that have it,
/// and has no mask without ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    /// (IOMMU, mask, id without the masked bits, device).
    ids: BTreeSet<(IommuIndex, u16, u32, DeviceRef)>,
    /// How many entries of `ids` have this mask.
    masks: BTreeMap<(IommuIndex, u16), u32>,
    /// Masters by what their IOMMU's driver puts them into ([`Rules::units`](super::policy::Rules::units)).
    masters: BTreeSet<(IommuIndex, u32, DeviceRef)>,
    /// The same by master, for those that are in any.
    units: BTreeMap<DeviceRef, Vec<(IommuIndex, u32)>>,
}

impl Streams {
    /// Adds a master: `units` is what drivers put it into, `by_id` says which IOMMUs tie masters that share an id.
    /// The others are never asked about, so nothing is kept of them.
    pub(super) fn insert(
        &mut self,
        device: DeviceRef,
        fwspec: &Fwspec,
        units: impl Iterator<Item = (IommuIndex, u32)>,
        by_id: impl Fn(IommuIndex) -> bool,
    ) {
        let units: Vec<(IommuIndex, u32)> = units.collect();
        self.masters.extend(units.iter().map(|(iommu, unit)| (*iommu, *unit, device)));
        if !units.is_empty() {
            self.units.insert(device, units);
        }
        for stream in fwspec.ids.iter().filter(|stream| by_id(stream.iommu)) {
            let Some(key) = key(stream, device) else { continue };
            if self.ids.insert(key) {
                let count = self.masks.entry((key.0, key.1)).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    pub(super) fn remove(&mut self, device: DeviceRef, fwspec: &Fwspec) {
        for (iommu, unit) in self.units.remove(&device).unwrap_or_default() {
            self.masters.remove(&(iommu, unit, device));
        }
        for key in fwspec.ids.iter().filter_map(|stream| key(stream, device)) {
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
    pub(super) fn meeting(&self, device: DeviceRef, stream: Stream) -> impl Iterator<Item = DeviceRef> + '_ {
        let Stream { iommu, mask, .. } = stream;
        let id = stream.id.map(|id| id.0);
        let masks = self.masks.range((iommu, 0)..=(iommu, u16::MAX)).map(|((_, mask), _)| *mask);
        id.into_iter().flat_map(move |id| {
            masks.clone().flat_map(move |other| {
                let [mine, theirs] = [u32::from(mask), u32::from(other)];
                let first = (iommu, other, id & !mine & !theirs, DeviceRef::MIN);
                let last = (iommu, other, (id | mine) & !theirs, DeviceRef::MAX);
                let mut previous = None;
                self.ids
                    .range(first..=last)
                    .filter(move |(.., found, _)| (found ^ id) & !(mine | theirs) == 0)
                    .filter(move |(.., other)| *other != device)
                    .filter(move |(_, _, found, _)| previous.replace(*found) != Some(*found))
                    .map(|(.., other)| *other)
            })
        })
    }

    /// The devices that are listed, some more than once.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceRef> + '_ {
        let by_id = self.ids.iter().map(|(.., device)| *device);
        by_id.chain(self.masters.iter().map(|(.., device)| *device))
    }

    /// Another master of each unit that this one is in, with the IOMMU.
    pub(super) fn other_masters(
        &self,
        device: DeviceRef,
    ) -> impl Iterator<Item = (IommuIndex, DeviceRef)> + '_ {
        self.units.get(&device).into_iter().flatten().filter_map(move |(iommu, unit)| {
            let all = (*iommu, *unit, DeviceRef::MIN)..=(*iommu, *unit, DeviceRef::MAX);
            let mut masters = self.masters.range(all).map(|(.., other)| *other);
            masters.find(|other| *other != device).map(|other| (*iommu, other))
        })
    }

    /// Whether drivers put both into one unit.
    pub(super) fn share_unit(&self, one: DeviceRef, other: DeviceRef) -> bool {
        let of = |device: DeviceRef| self.units.get(&device).map_or(&[][..], Vec::as_slice);
        of(one).iter().any(|unit| of(other).contains(unit))
    }
}

fn key(stream: &Stream, device: DeviceRef) -> Option<(IommuIndex, u16, u32, DeviceRef)> {
    stream.id.map(|id| (stream.iommu, stream.mask, id.0 & !u32::from(stream.mask), device))
}
