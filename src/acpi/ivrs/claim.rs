//! What the entries of a block mean together: the functions that the unit claims.

use super::{Entries, Entry, EntryKind, Ivhd};
use crate::{Error, RequesterId, error::At};

/// Extended data, bit 31: the devices must not use ATS. Linux does not read it.
const ATS_DISABLED: u32 = 1 << 31;

/// Functions that a unit claims by one entry, or by the two entries that begin and end a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Claim {
    /// The entry; for a range, the one that ends it.
    pub at: At,
    /// First function.
    pub first: RequesterId,
    /// Last function, inclusive; below `first` only in broken firmware, where Linux claims nothing.
    pub last: RequesterId,
    /// The ID that all of them send with, if it is not their own.
    pub alias: Option<RequesterId>,
    /// The data setting.
    pub data: u8,
    /// Whether the extended data says that the devices must not use ATS.
    pub ats_disabled: bool,
}

/// The claims of a unit's entries, in order (drivers/iommu/amd/init.c `init_iommu_from_acpi`), see [`Ivhd::claims`].
#[derive(Clone, Debug)]
pub struct Claims<'a> {
    entries: Entries<'a>,
    /// Entries of type 0xf0 are read in blocks of type 0x40 only.
    has_acpi: bool,
    /// The range that an entry began. A range end without a beginning continues the one before, or starts at 0, as in Linux.
    range: Claim,
    /// The function that an alias names is claimed, too.
    alias_target: Option<Claim>,
    /// What [`Ivhd::last_function`] finds in the entries that were read.
    last_function: LastFunction,
    /// Whether one of the entries that were read is an I/O APIC, HPET or ACPI device.
    has_others: bool,
}

/// The last function for which Linux makes room, as far as entries were read.
#[derive(Clone, Copy, Debug, Default)]
struct LastFunction {
    last: Option<RequesterId>,
    /// All functions have room, whatever follows.
    is_sure: bool,
}

impl LastFunction {
    fn read(&mut self, entry: &Entry<'_>) {
        let named = match entry.kind() {
            EntryKind::All => {
                self.is_sure = true;
                RequesterId(u16::MAX)
            }
            EntryKind::Select
            | EntryKind::RangeEnd
            | EntryKind::Alias { .. }
            | EntryKind::Extended { .. } => entry.device_id(),
            _ => return,
        };
        self.last = self.last.max(Some(named));
    }
}

impl<'a> Ivhd<'a> {
    /// The claims of the entries; `block_type` is that of the block. A function with several claims belongs to the last one in all
    /// blocks of the table, with the exception that [`unit_of`](super::unit_of) explains.
    ///
    /// I/O APICs, HPETs and ACPI devices claim the ID that they send with.
    pub fn claims(&self, block_type: u8) -> Claims<'a> {
        let zero = RequesterId(0);
        let at = self.entries.at();
        let range = Claim { at, first: zero, last: zero, alias: None, data: 0, ats_disabled: false };
        Claims {
            entries: self.entries.clone(),
            has_acpi: block_type == 0x40,
            range,
            alias_target: None,
            last_function: LastFunction::default(),
            has_others: false,
        }
    }

    /// The last function for which Linux makes room because of this block (`find_last_devid_from_ivhd`): functions above the last
    /// one of all blocks are not translated. `None` where no entry has a function: Linux then gives up all units of the table.
    ///
    /// # Errors
    /// An entry that cannot be read.
    pub fn last_function(&self) -> Result<Option<RequesterId>, Error> {
        let mut found = LastFunction::default();
        for entry in self.entries.clone() {
            found.read(&entry?);
            if found.is_sure {
                break;
            }
        }
        Ok(found.last)
    }
}

impl Claims<'_> {
    /// The next claim by entries that can be read.
    #[inline]
    pub(super) fn whole(&mut self) -> Option<Claim> {
        if let Some(target) = self.alias_target.take() {
            return Some(target);
        }
        while let Some(entry) = self.entries.whole() {
            if let Some(claim) = self.read(&entry) {
                return Some(claim);
            }
        }
        None
    }

    /// The error of the entry that ends the claims; `None` where all were read.
    #[cold]
    pub(super) fn fault(&mut self) -> Option<Error> {
        self.entries.fault()
    }

    /// What [`Ivhd::last_function`] returns, once all entries were read or `error` ended them.
    #[cfg(feature = "alloc")]
    pub(super) fn last_function(&self, error: Option<Error>) -> Result<Option<RequesterId>, Error> {
        match error {
            Some(error) if !self.last_function.is_sure => Err(error),
            _ => Ok(self.last_function.last),
        }
    }

    /// Whether one of the entries that were read is an I/O APIC, HPET or ACPI device.
    #[cfg(feature = "alloc")]
    pub(super) fn has_others(&self) -> bool {
        self.has_others
    }

    #[inline]
    fn read(&mut self, entry: &Entry<'_>) -> Option<Claim> {
        self.last_function.read(entry);
        let (device, data, at) = (entry.device_id(), entry.data(), entry.at());
        let one = |device| Claim { at, first: device, last: device, alias: None, data, ats_disabled: false };
        let kind = entry.kind();
        self.has_others |= matches!(kind, EntryKind::Special { .. } | EntryKind::Acpi { .. });
        match kind {
            EntryKind::All => Some(Claim { last: RequesterId(u16::MAX), ..one(RequesterId(0)) }),
            EntryKind::Select => Some(one(device)),
            EntryKind::Alias { alias } => {
                self.alias_target = Some(one(alias));
                // Linux then keeps this target for a range that was begun before: both are in one variable (`devid_to`).
                self.range.alias = self.range.alias.map(|_| alias);
                Some(Claim { alias: Some(alias), ..one(device) })
            }
            EntryKind::Extended { data } => {
                Some(Claim { ats_disabled: data & ATS_DISABLED != 0, ..one(device) })
            }
            EntryKind::Special { device, variety: 1 | 2, .. } => Some(one(device)),
            EntryKind::Acpi { hardware_id, .. } if self.has_acpi && hardware_id.first() != Some(&0) => {
                self.range.data = data;
                Some(one(device))
            }
            EntryKind::RangeStart => {
                self.range = one(device);
                None
            }
            EntryKind::AliasRangeStart { alias } => {
                self.range = Claim { alias: Some(alias), ..one(device) };
                None
            }
            EntryKind::ExtendedRangeStart { data } => {
                self.range = Claim { ats_disabled: data & ATS_DISABLED != 0, ..one(device) };
                None
            }
            EntryKind::RangeEnd => {
                let range = Claim { at, last: device, ..self.range };
                self.alias_target = range.alias.map(|alias| Claim { data: range.data, ..one(alias) });
                Some(range)
            }
            EntryKind::Special { .. } | EntryKind::Acpi { .. } | EntryKind::Other => None,
        }
    }
}

impl Iterator for Claims<'_> {
    type Item = Result<Claim, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.whole() {
            Some(claim) => Some(Ok(claim)),
            None => self.fault().map(Err),
        }
    }
}

impl core::iter::FusedIterator for Claims<'_> {}
