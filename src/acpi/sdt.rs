//! The gate that every ACPI table passes: signature, length and checksum of its header.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::bytes::{self, index, saturate};
use crate::{Error, ErrorKind, error::Source};

/// System description table header (ACPI 6.5 §5.2.6).
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 4],
    length: U32,
    revision: u8,
    checksum: u8,
    oem_id: [u8; 6],
    oem_table_id: [u8; 8],
    oem_revision: U32,
    creator_id: [u8; 4],
    creator_revision: U32,
}
const _: () = assert!(size_of::<Header>() == 36);

/// An ACPI table: its header, and exactly the bytes that the header claims (ACPI 6.5 §5.2.6).
///
/// ```
/// use fwspec::acpi::{Sdt, iort};
/// let bytes = iort::Builder::new(6).finish();
/// let table = Sdt::parse(&bytes)?;
/// assert_eq!((&table.signature(), table.revision(), table.checksum_sum()), (b"IORT", 6, 0));
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Sdt<'a> {
    header: &'a Header,
    bytes: &'a [u8],
    trailing: &'a [u8],
    source: Source,
}

impl<'a> Sdt<'a> {
    /// Bytes that a header takes.
    pub const HEADER_LENGTH: u32 = 36;

    /// Reads any table. Bytes past its length are not an error: see [`trailing`](Sdt::trailing).
    ///
    /// # Errors
    /// [`Truncated`](ErrorKind::Truncated) for fewer bytes than the header, or than the header's length;
    /// [`TableLength`](ErrorKind::TableLength) where that length is less than the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let source = bytes.first_chunk().map_or(Source::FILE, |signature| Source::table(*signature));
        Self::read(bytes, source)
    }

    /// Reads the table of this name.
    ///
    /// # Errors
    /// As [`parse`](Sdt::parse), and [`Signature`](ErrorKind::Signature) for another table.
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        match bytes.first_chunk() {
            Some(found) if *found != source.name => {
                let kind = ErrorKind::Signature { found: *found, wanted: source.name };
                Err(Error { kind, at: source.at(0) })
            }
            _ => Self::read(bytes, source),
        }
    }

    fn read(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let have = saturate(bytes.len());
        let error = |kind| Error { kind, at: source.at(0) };
        let header: &Header =
            bytes::at(bytes, 0).ok_or(error(ErrorKind::Truncated { need: Self::HEADER_LENGTH, have }))?;
        let length = header.length.get();
        if length < Self::HEADER_LENGTH {
            return Err(Error { kind: ErrorKind::TableLength(length), at: source.at(4) });
        }
        let (table, trailing) = bytes
            .split_at_checked(index(length))
            .ok_or(error(ErrorKind::Truncated { need: length, have }))?;
        Ok(Sdt { header, bytes: table, trailing, source })
    }

    /// The table's bytes, header included, and nothing after its length.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes after the table in its blob: the next table, padding, or junk.
    pub fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// Its name in errors.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Signature, `IORT`.
    pub fn signature(&self) -> [u8; 4] {
        self.header.signature
    }

    /// Length in bytes, header included.
    pub fn length(&self) -> u32 {
        self.header.length.get()
    }

    /// Revision of the table.
    pub fn revision(&self) -> u8 {
        self.header.revision
    }

    /// The checksum byte, as found.
    pub fn checksum(&self) -> u8 {
        self.header.checksum
    }

    /// Sum of all bytes modulo 256: 0 in an undamaged table.
    pub fn checksum_sum(&self) -> u8 {
        self.bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
    }

    /// The checksum as an error; `None` where it is right. Some firmware in use has a wrong checksum, so the table is read anyway.
    pub fn checksum_error(&self) -> Option<Error> {
        let sum = self.checksum_sum();
        (sum != 0).then(|| Error { kind: ErrorKind::Checksum(sum), at: self.source.at(9) })
    }

    /// OEM ID, space-padded or not.
    pub fn oem_id(&self) -> [u8; 6] {
        self.header.oem_id
    }

    /// OEM table ID.
    pub fn oem_table_id(&self) -> [u8; 8] {
        self.header.oem_table_id
    }

    /// OEM revision.
    pub fn oem_revision(&self) -> u32 {
        self.header.oem_revision.get()
    }

    /// Vendor ID of the tool that made the table.
    pub fn creator_id(&self) -> [u8; 4] {
        self.header.creator_id
    }

    /// Revision of that tool.
    pub fn creator_revision(&self) -> u32 {
        self.header.creator_revision.get()
    }
}

impl fmt::Debug for Sdt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdt")
            .field("source", &self.source)
            .field("header", &self.header)
            .field("checksum_sum", &self.checksum_sum())
            .field("trailing", &self.trailing.len())
            .finish()
    }
}

/// A structure with its length in bytes 2 and 3: the right one, or another that is given.
#[cfg(feature = "alloc")]
pub(super) fn with_length(structure: &[u8], length: Option<u16>) -> alloc::vec::Vec<u8> {
    let mut bytes = structure.to_vec();
    let length = length.unwrap_or(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    bytes.iter_mut().skip(2).zip(length.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    bytes
}

/// A whole table: the header, with its length and checksum, and the body.
#[cfg(feature = "alloc")]
pub(super) fn finish(signature: [u8; 4], revision: u8, body: &[u8]) -> alloc::vec::Vec<u8> {
    let mut bytes = signature.to_vec();
    let length = saturate(body.len()).saturating_add(Sdt::HEADER_LENGTH);
    bytes.extend(length.to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend(*b"FWSPECFWSPEC  ");
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(*b"FWSP");
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(body);
    let sum = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    if let Some(checksum) = bytes.get_mut(9) {
        *checksum = sum.wrapping_neg();
    }
    bytes
}
