//! MCFG: the buses of each PCI segment, and the address of their configuration space (PCI Firmware Specification 3.3 §4.1.2).

use core::slice;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Sdt;
use crate::bytes::{index, saturate};
use crate::{
    Error, ErrorKind, Segment,
    error::{At, Source},
};

/// One entry of the table.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    base: U64,
    segment: U16,
    first_bus: u8,
    last_bus: u8,
    reserved: U32,
}
const _: () = assert!(size_of::<Entry>() == 16);

/// An MCFG table.
///
/// ```
/// use fwspec::acpi::Mcfg;
/// let mut bytes = b"MCFG\x3c\0\0\0\x01".to_vec();
/// bytes.resize(44, 0); // the header, and 8 reserved bytes
/// bytes.extend(0x4000_0000_u64.to_le_bytes()); // configuration space of bus 0
/// bytes.extend([0, 0, 0, 0xff, 0, 0, 0, 0]); // segment 0, buses 0 to 0xff
/// let mcfg = Mcfg::parse(&bytes)?;
/// assert_eq!(mcfg.allocations().map(|buses| buses.last_bus).collect::<Vec<_>>(), [0xff]);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mcfg<'a> {
    sdt: Sdt<'a>,
    entries: &'a [u8],
}

/// Buses of a segment and their configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Allocation {
    /// The place of the entry.
    pub at: At,
    /// Physical address of the configuration space of bus 0, whatever the first bus is.
    pub base: u64,
    /// PCI segment.
    pub segment: Segment,
    /// First bus number.
    pub first_bus: u8,
    /// Last bus number, inclusive; below `first_bus` only in broken firmware.
    pub last_bus: u8,
}

impl<'a> Mcfg<'a> {
    /// Bytes before the first entry.
    pub const HEADER_LENGTH: u32 = 44;

    /// Reads the header.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 44-byte header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::MCFG)
    }

    /// [`parse`](Mcfg::parse) for one of several tables: `source` is its name in errors, which has to be `MCFG`.
    ///
    /// # Errors
    /// As [`parse`](Mcfg::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let entries = sdt.bytes().get(index(Self::HEADER_LENGTH)..);
        Ok(Mcfg { sdt, entries: entries.ok_or(Error { kind, at: source.at(0) })? })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// The entries, in table order.
    pub fn allocations(&self) -> Allocations<'a> {
        let start = self.sdt.source().at(Self::HEADER_LENGTH);
        Allocations { records: self.whole_entries().0.iter(), next: start }
    }

    /// An entry that the table's end cuts short.
    pub fn error(&self) -> Option<Error> {
        let (entries, rest) = self.whole_entries();
        let kind = ErrorKind::Truncated { need: 16, have: saturate(rest.len()) };
        let offset = Self::HEADER_LENGTH.saturating_add(saturate(entries.len()).saturating_mul(16));
        (!rest.is_empty()).then_some(Error { kind, at: self.sdt.source().at(offset) })
    }

    fn whole_entries(&self) -> (&'a [Entry], &'a [u8]) {
        let count = self.entries.len().checked_div(size_of::<Entry>()).unwrap_or(0);
        <[Entry]>::ref_from_prefix_with_elems(self.entries, count).unwrap_or((&[], self.entries))
    }
}

/// The entries of an MCFG table, see [`Mcfg::allocations`].
#[derive(Clone, Debug)]
pub struct Allocations<'a> {
    records: slice::Iter<'a, Entry>,
    next: At,
}

impl Iterator for Allocations<'_> {
    type Item = Allocation;

    fn next(&mut self) -> Option<Allocation> {
        let record = self.records.next()?;
        let at = self.next;
        self.next.offset = at.offset.saturating_add(16);
        Some(Allocation {
            at,
            base: record.base.get(),
            segment: Segment(u32::from(record.segment.get())),
            first_bus: record.first_bus,
            last_bus: record.last_bus,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Allocations<'_> {}

#[cfg(feature = "alloc")]
mod lower {
    use super::Mcfg;
    use crate::model::SegmentBuses;
    use crate::{Error, ErrorKind, Platform};

    impl Mcfg<'_> {
        /// Adds the buses to a platform, usually that of an IORT: [`Platform::buses`]. Entries that cannot be used are in
        /// [`Platform::skipped`].
        pub fn lower_into(&self, platform: &mut Platform) {
            platform.skipped.extend(self.sdt().checksum_error().into_iter().chain(self.error()));
            platform.buses.reserve_exact(self.allocations().len());
            for entry in self.allocations() {
                let (first, last) = (entry.first_bus, entry.last_bus);
                if first > last {
                    let kind = ErrorKind::BusRange { first, last };
                    platform.skipped.push(Error { kind, at: entry.at });
                    continue;
                }
                let (at, segment, ecam) = (entry.at, entry.segment, entry.base);
                platform.buses.push(SegmentBuses { at, segment, first, last, ecam });
            }
        }
    }
}
