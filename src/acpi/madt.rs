//! MADT (signature `APIC`): the GIC ITS units of a machine (ACPI 6.5 §5.2.12, for GICv5 ACPI 6.7).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Sdt;
use crate::bytes::{index, saturate};
use crate::{
    Error, ErrorKind,
    error::{At, Source},
};

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

/// A GICv5 ITS structure: the configuration frame of a unit (ACPI 6.7, ACPICA actbl2.h `acpi_madt_gicv5_translator`).
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ItsV5 {
    structure_type: u8,
    length: u8,
    flags: u8,
    reserved: u8,
    id: U32,
    base: U64,
}
const _: () = assert!(size_of::<ItsV5>() == 16);

/// A GICv5 ITS translate frame structure: where MSIs are written to (`acpi_madt_gicv5_translate_frame`).
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct TranslateFrame {
    structure_type: u8,
    length: u8,
    reserved: U16,
    its: U32,
    id: U32,
    reserved_too: U32,
    base: U64,
}
const _: () = assert!(size_of::<TranslateFrame>() == 24);

/// The type of a GIC ITS structure.
const ITS: u8 = 15;
/// The type of a GICv5 ITS structure. Type 28, before it, is an interrupt routing service, which says nothing about MSIs.
const ITS_V5: u8 = 29;
/// The type of a GICv5 ITS translate frame structure.
const TRANSLATE_FRAME: u8 = 30;
/// Bytes at the start of every structure: its type and length.
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

/// A GIC ITS, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ItsUnit {
    /// The place of the structure.
    pub at: At,
    /// What it is.
    pub kind: ItsKind,
    /// Its identifier among those of its kind.
    pub id: u32,
    /// Physical address of its registers.
    pub base: u64,
}

/// What a GIC ITS structure describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItsKind {
    /// A GIC ITS up to GICv4. An ITS group of an IORT names it.
    Its,
    /// A GICv5 ITS; an IORT names its translate frames.
    ItsV5,
    /// A translate frame of a GICv5 ITS. An ITS group of an IORT names it.
    TranslateFrame {
        /// The identifier of the ITS.
        its: u32,
    },
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

    /// [`parse`](Madt::parse) for one of several tables: `source` is its name in errors, which has to be `APIC`.
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

    /// The GIC ITS units, for GICv5 with their translate frames, in table order. A structure whose end is unknown is the last item,
    /// as an error.
    pub fn its_units(&self) -> ItsUnits<'a> {
        ItsUnits(self.structures())
    }

    fn structures(&self) -> Structures<'a> {
        Structures { rest: self.structures, next: self.sdt.source().at(Self::HEADER_LENGTH) }
    }
}

/// All structures of a MADT.
#[derive(Clone, Debug)]
struct Structures<'a> {
    rest: &'a [u8],
    next: At,
}

/// The bytes of one structure.
struct Structure<'a> {
    at: At,
    bytes: &'a [u8],
}

impl<'a> Iterator for Structures<'a> {
    type Item = Result<Structure<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (at, rest) = (self.next, self.rest);
        if rest.is_empty() {
            return None;
        }
        let length = rest.get(1).copied().unwrap_or(0);
        let Some((bytes, after)) = rest.split_at_checked(length.into()).filter(|_| length >= STRUCTURE)
        else {
            self.rest = &[];
            let kind = if length < STRUCTURE {
                ErrorKind::NodeTooShort { length: length.into(), need: STRUCTURE.into() }
            } else {
                ErrorKind::NodeOverrun { length: length.into(), left: saturate(rest.len()) }
            };
            return Some(Err(Error { kind, at }));
        };
        self.rest = after;
        self.next.offset = at.offset.saturating_add(length.into());
        Some(Ok(Structure { at, bytes }))
    }
}

impl<'a> Structure<'a> {
    /// Its fields.
    fn fields<T: FromBytes + KnownLayout + Immutable + Unaligned>(&self) -> Result<&'a T, Error> {
        T::ref_from_prefix(self.bytes).map(|(fields, _)| fields).map_err(|_| {
            let [length, need] =
                [self.bytes.len(), size_of::<T>()].map(|bytes| u16::try_from(bytes).unwrap_or(u16::MAX));
            Error { kind: ErrorKind::NodeTooShort { length, need }, at: self.at }
        })
    }

    fn unit(&self) -> Option<Result<ItsUnit, Error>> {
        let unit = |kind, id: U32, base: U64| ItsUnit { at: self.at, kind, id: id.get(), base: base.get() };
        Some(match *self.bytes.first()? {
            ITS => self.fields().map(|its: &Its| unit(ItsKind::Its, its.id, its.base)),
            ITS_V5 => self.fields().map(|its: &ItsV5| unit(ItsKind::ItsV5, its.id, its.base)),
            TRANSLATE_FRAME => self.fields().map(|frame: &TranslateFrame| {
                unit(ItsKind::TranslateFrame { its: frame.its.get() }, frame.id, frame.base)
            }),
            _ => return None,
        })
    }
}

/// The GIC ITS units of a MADT, see [`Madt::its_units`].
#[derive(Clone, Debug)]
pub struct ItsUnits<'a>(Structures<'a>);

impl Iterator for ItsUnits<'_> {
    type Item = Result<ItsUnit, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|structure| match structure {
            Ok(structure) => structure.unit(),
            Err(error) => Some(Err(error)),
        })
    }
}

#[cfg(feature = "alloc")]
mod lower {
    use alloc::collections::BTreeSet;

    use super::{ItsKind, Madt};
    use crate::Platform;
    use crate::model::ItsUnit;

    impl Madt<'_> {
        /// Adds the ITS units to a platform, usually that of an IORT: [`Platform::its_units`]. Structures that cannot be read are
        /// in [`Platform::skipped`].
        pub fn lower_into(&self, platform: &mut Platform) {
            platform.skipped.extend(self.sdt().checksum_error());
            let v5 = |unit: super::ItsUnit| (unit.kind == ItsKind::ItsV5).then_some(unit.id);
            let v5: BTreeSet<u32> = self.its_units().filter_map(|unit| v5(unit.ok()?)).collect();
            let known = platform.its_units.get_or_insert_default();
            for unit in self.its_units() {
                match unit {
                    Ok(super::ItsUnit { at, kind, id, .. }) => match kind {
                        ItsKind::ItsV5 => {}
                        ItsKind::Its => known.push(ItsUnit { at, id, missing: None }),
                        ItsKind::TranslateFrame { its } => {
                            let missing = (!v5.contains(&its)).then_some(its);
                            known.push(ItsUnit { at, id, missing });
                        }
                    },
                    Err(error) => platform.skipped.push(error),
                }
            }
        }
    }
}
