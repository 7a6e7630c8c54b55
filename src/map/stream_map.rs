//! The stream mapping registers of an SMMUv1/v2, assigned as Linux assigns them: master by master, in the order of their probe.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{IdMap, Stream};
use crate::Platform;
use crate::model::{IommuIndex, IommuKind, Requester, RequesterIndex};

/// The largest number of registers that an SMMU can have (`SMMU_IDR0.NUMSMRG`, Arm IHI 0062 §9.6.1). Firmware does not give the
/// number of an SMMU.
const MAX_ENTRIES: usize = 128;

/// The stream map of one SMMU (linux drivers/iommu/arm/arm-smmu/arm-smmu.c `struct arm_smmu_smr`, `struct arm_smmu_s2cr`).
///
/// `O` identifies masters, `G` groups.
///
/// ```
/// use fwspec::map::{StreamMap, StreamRefusal, StreamVerdict};
/// let mut map = StreamMap::default();
/// // A narrow entry first: a wider one that meets it is refused, the same wide one alone is not.
/// assert!(map.admit("narrow", [(0xc2e, 0)], || 0).is_ok());
/// let refused = map.admit("wide", [(0xc0e, 0x20)], || 1);
/// assert!(matches!(refused, Err(StreamRefusal::Overlap { with: "narrow", .. })));
/// assert_eq!(map.admit("inside", [(0xc2e, 0)], || 1), Ok(StreamVerdict { group: 0, lost: None }));
/// ```
#[derive(Clone, Debug)]
pub struct StreamMap<O, G> {
    entries: Vec<Option<Entry<O, G>>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<O, G> {
    id: u16,
    mask: u16,
    users: u32,
    group: Option<G>,
    owner: O,
}

/// Why Linux refuses a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamRefusal<O> {
    /// One of its ids overlaps an entry and is not inside it (`arm_smmu_find_sme`: EINVAL).
    Overlap {
        /// The id and mask.
        id: (u16, u16),
        /// The id and mask of the entry.
        entry: (u16, u16),
        /// The master that has the entry.
        with: O,
    },
    /// Entries that its ids share belong to different groups (`arm_smmu_device_group`: EINVAL).
    TwoGroups {
        /// A master of one of the groups.
        one: O,
        /// A master of the other.
        other: O,
    },
    /// No SMMU has that many entries (ENOSPC).
    Full,
}

/// What an accepted master gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamVerdict<O, G> {
    /// Its group.
    pub group: G,
    /// A master that it shares an entry with, and whose group Linux found and then lost: a later entry without a group replaced it
    /// (`arm_smmu_device_group` keeps the result for the last id).
    pub lost: Option<O>,
}

/// An entry of the stream map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StreamEntry<O> {
    /// The number of its registers.
    pub number: usize,
    /// The StreamID that it matches.
    pub id: u16,
    /// StreamID bits that it ignores.
    pub mask: u16,
    /// The master that it was made for; others may share it.
    pub owner: O,
}

impl<O, G> Default for StreamMap<O, G> {
    fn default() -> Self {
        StreamMap { entries: Vec::new() }
    }
}

impl<O: Copy, G: Copy + PartialEq> StreamMap<O, G> {
    /// Adds a master with its ids and masks, in their order. `fresh` makes a group where no entry has one; entries that only this
    /// master uses then belong to that group.
    ///
    /// # Errors
    /// [`StreamRefusal`]; nothing is changed then.
    pub fn admit(
        &mut self,
        owner: O,
        ids: impl IntoIterator<Item = (u16, u16)>,
        fresh: impl FnOnce() -> G,
    ) -> Result<StreamVerdict<O, G>, StreamRefusal<O>> {
        let mut taken = Vec::new();
        for (id, mask) in ids {
            match self.find(id, mask) {
                Ok(at) => {
                    self.take(at, id, mask, owner);
                    taken.push(at);
                }
                Err(refusal) => {
                    self.release(&taken);
                    return Err(refusal);
                }
            }
        }
        let mut last: Option<(G, O)> = None;
        let mut found: Option<(G, O)> = None;
        for entry in taken.iter().filter_map(|at| self.entries.get(*at)?.as_ref()) {
            let here = entry.group.map(|group| (group, entry.owner));
            if let (Some((group, one)), Some((next, other))) = (last, here)
                && group != next
            {
                self.release(&taken);
                return Err(StreamRefusal::TwoGroups { one, other });
            }
            found = found.or(here);
            last = here;
        }
        if let Some((group, _)) = last {
            return Ok(StreamVerdict { group, lost: None });
        }
        let group = fresh();
        for at in taken {
            if let Some(Some(entry)) = self.entries.get_mut(at) {
                entry.group = Some(group);
            }
        }
        Ok(StreamVerdict { group, lost: found.map(|(_, owner)| owner) })
    }

    /// The entry that an id is inside of: its number, its id and mask, and the master that it was made for.
    pub fn entry(&self, id: u16, mask: u16) -> Option<StreamEntry<O>> {
        let number = self.find(id, mask).ok()?;
        let entry = self.entries.get(number)?.as_ref()?;
        Some(StreamEntry { number, id: entry.id, mask: entry.mask, owner: entry.owner })
    }

    /// The entry for an id: one that the id is inside of, otherwise the first free one.
    fn find(&self, id: u16, mask: u16) -> Result<usize, StreamRefusal<O>> {
        let mut free = None;
        for (at, entry) in self.entries.iter().enumerate() {
            let Some(entry) = entry else {
                free = free.or(Some(at));
                continue;
            };
            let differ = id ^ entry.id;
            if mask & entry.mask == mask && differ & !entry.mask == 0 {
                return Ok(at);
            }
            if differ & !(entry.mask | mask) == 0 {
                let with = entry.owner;
                return Err(StreamRefusal::Overlap { id: (id, mask), entry: (entry.id, entry.mask), with });
            }
        }
        let next = Some(self.entries.len()).filter(|next| *next < MAX_ENTRIES);
        free.or(next).ok_or(StreamRefusal::Full)
    }

    fn take(&mut self, at: usize, id: u16, mask: u16, owner: O) {
        if at == self.entries.len() {
            self.entries.push(None);
        }
        let Some(slot) = self.entries.get_mut(at) else { return };
        let entry = slot.get_or_insert(Entry { id, mask, users: 0, group: None, owner });
        entry.users = entry.users.saturating_add(1);
    }

    fn release(&mut self, taken: &[usize]) {
        for at in taken {
            let Some(slot) = self.entries.get_mut(*at) else { continue };
            if let Some(entry) = slot {
                entry.users = entry.users.saturating_sub(1);
                if entry.users == 0 {
                    *slot = None;
                }
            }
        }
    }
}

/// The turn of one master of an SMMUv1/v2.
pub(crate) struct Turn<'a> {
    /// The master.
    pub(crate) at: RequesterIndex,
    /// The firmware's record of it.
    pub(crate) requester: &'a Requester,
    /// Its SMMU.
    pub(crate) iommu: IommuIndex,
    /// The stream map of the SMMU after this turn.
    pub(crate) entries: &'a StreamMap<RequesterIndex, RequesterIndex>,
    /// The result.
    pub(crate) verdict: Result<StreamVerdict<RequesterIndex, RequesterIndex>, StreamRefusal<RequesterIndex>>,
}

/// Plays what Linux does with the masters of SMMUv1/v2s in the order in which it makes their devices: those made at boot in the
/// order of the firmware, then those that drivers make (linux `arm_smmu_master_alloc_smes`, `arm_smmu_device_group`). Functions on
/// a bus are left out, because only the machine shows them.
pub(crate) fn play(platform: &Platform, map: &IdMap, mut each: impl FnMut(Turn<'_>)) {
    let mut maps: BTreeMap<IommuIndex, StreamMap<RequesterIndex, RequesterIndex>> = BTreeMap::new();
    let is_v2 = |iommu| map.iommu(iommu).is_some_and(|iommu| matches!(iommu.kind, IommuKind::SmmuV2(_)));
    for late in [false, true] {
        let all = RequesterIndex::number(&platform.requesters);
        for (at, requester) in all.filter(|(_, one)| one.available && one.made_by_driver == late) {
            let Some(record) = map.fwspec_of(at).fwspec.filter(|record| is_v2(record.iommu)) else {
                continue;
            };
            let entries = maps.entry(record.iommu).or_default();
            let verdict = entries.admit(at, entries_of(&record.ids), || at);
            each(Turn { at, requester, iommu: record.iommu, entries, verdict });
        }
    }
}

/// The ids and masks of a record as the driver reads them: 16 bits each.
pub(crate) fn entries_of(streams: &[Stream]) -> impl Iterator<Item = (u16, u16)> + '_ {
    streams.iter().filter_map(|stream| Some((u16::try_from(stream.id?.0).ok()?, stream.mask)))
}
