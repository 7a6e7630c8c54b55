//! MADT (signature `APIC`): which GIC ITS units there are (ACPI 6.5 §5.2.12).
#![deny(clippy::arithmetic_side_effects)]

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Sdt;
use crate::bytes::{index, saturate};
use crate::{At, Error, ErrorKind, Source};

/// A GIC ITS structure (ACPI 6.5 §5.2.12.18).
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Its {
    structure_type: u8,
    length: u8,
    reserved: U16,
    id: U32,
    base: U64,
    reserved_too: U32,
}
const _: () = assert!(size_of::<Its>() == 20);

/// The type of a GIC ITS structure.
const ITS: u8 = 0x0f;
/// Bytes that every structure begins with: its type and length.
const STRUCTURE: u8 = 2;

/// A MADT table.
///
/// ```
/// use fwspec::acpi::Madt;
/// let mut bytes = b"APIC\x40\0\0\0\x05".to_vec();
/// bytes.resize(44, 0); // the header, the local interrupt controller and flags
/// bytes.extend([0x0f, 20, 0, 0, 3, 0, 0, 0]); // a GIC ITS with identifier 3
/// bytes.extend(0x0808_0000_u64.to_le_bytes());
/// bytes.extend([0; 4]);
/// let madt = Madt::parse(&bytes)?;
/// assert_eq!(madt.its_units().map(|unit| unit.unwrap().id).collect::<Vec<_>>(), [3]);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Madt<'a> {
    sdt: Sdt<'a>,
    structures: &'a [u8],
}

/// A GIC ITS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItsUnit {
    /// Where the structure stands.
    pub at: At,
    /// Its identifier, by which an IORT names it.
    pub id: u32,
    /// Physical address of its registers.
    pub base: u64,
}

impl<'a> Madt<'a> {
    /// Bytes before the first structure.
    pub const HEADER_LENGTH: u32 = 44;

    /// Reads the header.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 44-byte header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::MADT)
    }

    /// [`parse`](Madt::parse) for one of several tables: errors call it `source`, whose name has to be `APIC`.
    ///
    /// # Errors
    /// As [`parse`](Madt::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let structures = sdt.bytes().get(index(Self::HEADER_LENGTH)..);
        Ok(Madt { sdt, structures: structures.ok_or(Error { kind, at: sdt.source().at(0) })? })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// The GIC ITS units, in table order. Ends after a structure that cannot be framed, which is told.
    pub fn its_units(&self) -> ItsUnits<'a> {
        ItsUnits { rest: self.structures, next: self.sdt.source().at(Self::HEADER_LENGTH) }
    }
}

/// The GIC ITS units of a MADT, see [`Madt::its_units`].
#[derive(Clone, Debug)]
pub struct ItsUnits<'a> {
    rest: &'a [u8],
    next: At,
}

impl Iterator for ItsUnits<'_> {
    type Item = Result<ItsUnit, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (at, rest) = (self.next, self.rest);
            let length = rest.get(1).copied().unwrap_or(0);
            let Some((structure, behind)) =
                rest.split_at_checked(length.into()).filter(|_| length >= STRUCTURE)
            else {
                self.rest = &[];
                let kind = if length < STRUCTURE {
                    ErrorKind::NodeTooShort { length: length.into(), need: STRUCTURE.into() }
                } else {
                    ErrorKind::NodeOverrun { length: length.into(), left: saturate(rest.len()) }
                };
                return Some(Err(Error { kind, at }));
            };
            self.rest = behind;
            self.next.offset = at.offset.saturating_add(length.into());
            if structure.first() != Some(&ITS) {
                continue;
            }
            return Some(match Its::ref_from_prefix(structure) {
                Ok((its, _)) => Ok(ItsUnit { at, id: its.id.get(), base: its.base.get() }),
                Err(_) => {
                    let kind = ErrorKind::NodeTooShort { length: length.into(), need: 20 };
                    Err(Error { kind, at })
                }
            });
        }
        None
    }
}

#[cfg(feature = "alloc")]
mod lower {
    use super::Madt;
    use crate::Platform;

    impl Madt<'_> {
        /// Adds the ITS units to what an IORT said: [`Platform::its_units`]. Structures that cannot be read are in
        /// [`Platform::skipped`].
        pub fn lower_into(&self, platform: &mut Platform) {
            platform.skipped.extend(self.sdt().checksum_error());
            let known = platform.its_units.get_or_insert_default();
            for unit in self.its_units() {
                match unit {
                    Ok(unit) => known.push(unit.id),
                    Err(error) => platform.skipped.push(error),
                }
            }
        }
    }
}
