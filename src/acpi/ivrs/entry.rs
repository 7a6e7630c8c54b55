//! The device entries of an IVHD block.

use core::fmt;

use super::raw;
use crate::bytes::{self, saturate};
use crate::{Error, ErrorKind, RequesterId, error::At};

/// A device entry (§5.2.2.2).
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    header: &'a raw::EntryHeader,
    bytes: &'a [u8],
    at: At,
    kind: EntryKind<'a>,
}

/// The content of a device entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// 0x01: every device of the segment.
    All,
    /// 0x02: one device.
    Select,
    /// 0x03: the first device of a range.
    RangeStart,
    /// 0x04: the last device of the range that began before.
    RangeEnd,
    /// 0x42: one device, which sends as another one.
    Alias {
        /// The ID that it sends with.
        alias: RequesterId,
    },
    /// 0x43: the first device of a range whose devices all send as one.
    AliasRangeStart {
        /// The ID that they send with.
        alias: RequesterId,
    },
    /// 0x46: one device, with extended data: bit 31 ATS disabled.
    Extended {
        /// The extended data.
        data: u32,
    },
    /// 0x47: the first device of a range with extended data.
    ExtendedRangeStart {
        /// The extended data.
        data: u32,
    },
    /// 0x48: an I/O APIC or HPET.
    Special {
        /// The I/O APIC's ID, the HPET's number.
        handle: u8,
        /// The ID that it sends with.
        device: RequesterId,
        /// 1 I/O APIC, 2 HPET.
        variety: u8,
    },
    /// 0xf0: a device of the ACPI namespace, in blocks of type 0x40.
    Acpi {
        /// Hardware ID, padded with NUL.
        hardware_id: &'a [u8; 8],
        /// Compatible ID, padded with NUL.
        compatible_id: &'a [u8; 8],
        /// 0 none, 1 an integer, 2 a string.
        unique_id_format: u8,
        /// The unique ID.
        unique_id: &'a [u8],
    },
    /// Any other entry whose length is known: padding (0x00, 0x40), and types that no known specification defines. Linux skips it.
    Other,
}

impl<'a> Entry<'a> {
    /// Its place in the firmware.
    pub fn at(&self) -> At {
        self.at
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Entry type.
    pub fn entry_type(&self) -> u8 {
        self.header.entry_type
    }

    /// The device that it is about; without meaning in entries for all devices and for I/O APICs and HPETs.
    pub fn device_id(&self) -> RequesterId {
        RequesterId(self.header.device_id.get())
    }

    /// Data setting: bit 0 INIT, 1 external interrupts, 2 NMI, 4 and 5 system management, 6 LINT0, 7 LINT1.
    pub fn data(&self) -> u8 {
        self.header.data
    }

    /// Its content.
    pub fn kind(&self) -> EntryKind<'a> {
        self.kind
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entry_type, device, data) = (self.entry_type(), self.device_id(), self.data());
        write!(f, "Entry({}: {entry_type:#04x} {device} data {data:#04x}, {:?})", self.at, self.kind)
    }
}

/// The device entries of a block. An error ends them, because it is not known where the next one starts.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    at: At,
}

/// Bytes of an entry of each type without a unique ID (drivers/iommu/amd/init.c `ivhd_entry_length`): two bits of the type give the
/// length.
fn fixed_length(entry_type: u8) -> Option<u16> {
    match entry_type {
        0..=0x3f => Some(4),
        0x40..=0x7f => Some(8),
        0xf0 => Some(22),
        _ => None,
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(rest: &'a [u8], at: At) -> Self {
        Entries { rest, at }
    }

    /// The place of the next entry.
    pub(super) fn at(&self) -> At {
        self.at
    }

    /// The largest number of entries that can follow.
    #[cfg(feature = "alloc")]
    pub(super) fn most(&self) -> usize {
        self.rest.len().checked_div(size_of::<raw::EntryHeader>()).unwrap_or(0)
    }

    /// The next entry that can be read. Apart from its fault, so that neither is copied.
    #[inline(always)]
    pub(super) fn whole(&mut self) -> Option<Entry<'a>> {
        let entry_type = *self.rest.first()?;
        let (bytes, rest) = self.rest.split_at_checked(usize::from(self.length(entry_type)?))?;
        let (header, kind, at) = (bytes::at(bytes, 0)?, kind(entry_type, bytes)?, self.at);
        self.rest = rest;
        self.at.offset = at.offset.saturating_add(saturate(bytes.len()));
        Some(Entry { header, bytes, at, kind })
    }

    /// Bytes of the next entry, which has this type; `None` where they are not known.
    #[inline]
    fn length(&self, entry_type: u8) -> Option<u16> {
        let fixed = fixed_length(entry_type)?;
        match entry_type {
            0xf0 => {
                let acpi: &raw::Acpi = bytes::at(self.rest, 4)?;
                Some(fixed.saturating_add(u16::from(acpi.unique_id_length)))
            }
            _ => Some(fixed),
        }
    }

    /// Why no entry can be read from what is left; `None` where nothing is. It ends the entries.
    #[cold]
    pub(super) fn fault(&mut self) -> Option<Error> {
        let (entry_type, left) = (*self.rest.first()?, saturate(self.rest.len()));
        let kind = match fixed_length(entry_type) {
            None => ErrorKind::EntryType(entry_type),
            Some(fixed) => ErrorKind::EntryOverrun { length: self.length(entry_type).unwrap_or(fixed), left },
        };
        self.rest = &[];
        Some(Error { kind, at: self.at })
    }
}

/// The content of an entry; `None` where it is too short.
#[inline(always)]
fn kind(entry_type: u8, entry: &[u8]) -> Option<EntryKind<'_>> {
    let alias = || bytes::at::<raw::Alias>(entry, 4).map(|alias| RequesterId(alias.device_id.get()));
    let data = || bytes::at::<zerocopy::little_endian::U32>(entry, 4).map(|data| data.get());
    Some(match entry_type {
        0x01 => EntryKind::All,
        0x02 => EntryKind::Select,
        0x03 => EntryKind::RangeStart,
        0x04 => EntryKind::RangeEnd,
        0x42 => EntryKind::Alias { alias: alias()? },
        0x43 => EntryKind::AliasRangeStart { alias: alias()? },
        0x46 => EntryKind::Extended { data: data()? },
        0x47 => EntryKind::ExtendedRangeStart { data: data()? },
        0x48 => {
            let raw::Special { handle, device_id, variety } = *bytes::at(entry, 4)?;
            EntryKind::Special { handle, device: RequesterId(device_id.get()), variety }
        }
        0xf0 => {
            let acpi: &raw::Acpi = bytes::at(entry, 4)?;
            EntryKind::Acpi {
                hardware_id: &acpi.hardware_id,
                compatible_id: &acpi.compatible_id,
                unique_id_format: acpi.unique_id_format,
                unique_id: entry.get(22..)?,
            }
        }
        _ => EntryKind::Other,
    })
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.whole() {
            Some(entry) => Some(Ok(entry)),
            None => self.fault().map(Err),
        }
    }
}

impl core::iter::FusedIterator for Entries<'_> {}
