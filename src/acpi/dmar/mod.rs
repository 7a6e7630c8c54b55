//! The DMA Remapping table (Intel Virtualization Technology for Directed I/O, revision 4.1 chapter 8): which VT-d unit translates which
//! device, and which memory a device must keep.
//!
//! [`Dmar`] is a view; [`unit_of`] asks it about one function without a heap.

#[cfg(feature = "alloc")]
mod build;
#[cfg(feature = "alloc")]
mod lower;
mod raw;
mod resolve;
mod scope;
mod structure;

use crate::acpi::Sdt;
use crate::acpi::walk::Walk;
use crate::bytes;
use crate::{Error, ErrorKind, error::Source};

#[cfg(feature = "alloc")]
pub use build::{Builder, Draft};
pub use resolve::{UnitAnswer, unit_of};
pub use scope::{Hop, Hops, Scope, ScopeType, Scopes};
pub use structure::{Andd, Atsr, Body, Drhd, Rhsa, Rmrr, Satc, Sidp, Structure};

/// Bytes of the header at the start of every structure.
const STRUCTURE_HEADER: u16 = 4;

/// A DMAR table.
///
/// ```
/// use fwspec::acpi::dmar::{Body, Dmar};
/// let mut bytes = b"DMAR\x48\0\0\0\x01\0".to_vec();
/// bytes.resize(36, 0);
/// bytes.extend([46, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // 47 address bits, interrupt remapping
/// bytes.extend([0, 0, 24, 0, 0, 0, 0, 0]); // a unit of segment 0
/// bytes.extend(0xfed9_0000_u64.to_le_bytes());
/// bytes.extend([1, 8, 0, 0, 0, 0, 2, 0]); // for the endpoint 00:02.0
/// let unit = Dmar::parse(&bytes)?.structures().next().expect("one structure")?;
/// let Body::Drhd(unit) = unit.body()? else { panic!("a unit") };
/// assert_eq!((unit.base, unit.include_all()), (0xfed9_0000, false));
/// assert_eq!(unit.scopes.map_while(Result::ok).next().unwrap().to_string(), "00:02.0");
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dmar<'a> {
    sdt: Sdt<'a>,
    tail: &'a raw::TableTail,
}

impl<'a> Dmar<'a> {
    /// Bytes that the header takes; the first structure follows it.
    pub const HEADER_LENGTH: u32 = 48;

    /// Reads the header. The structures are read when they are asked for.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 48-byte header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::DMAR)
    }

    /// [`parse`](Dmar::parse) for one of several tables: `source` is its name in errors, which has to be `DMAR`.
    ///
    /// # Errors
    /// As [`parse`](Dmar::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let tail = bytes::at(sdt.bytes(), Sdt::HEADER_LENGTH).ok_or(Error { kind, at: source.at(0) })?;
        Ok(Dmar { sdt, tail })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// Host address width, as found: the number of bits of a physical address that DMA can reach, minus one. Linux refuses a table
    /// where it is below 11 (drivers/iommu/intel/dmar.c `parse_dmar_table`).
    pub fn host_address_width(&self) -> u8 {
        self.tail.host_address_width
    }

    /// Flags: bit 0 interrupt remapping, bit 1 x2APIC opt-out, bit 2 DMA control opt-in.
    pub fn flags(&self) -> u8 {
        self.tail.flags
    }

    /// The reserved bytes of the header.
    pub fn reserved(&self) -> [u8; 10] {
        self.tail.reserved
    }

    /// The structures, in table order.
    ///
    /// An error ends the iteration: past it it is not known where a structure starts. Fields of a structure are read by
    /// [`Structure::body`], whose errors cost that structure only.
    pub fn structures(&self) -> Structures<'a> {
        Structures(Walk::to_the_end(self.sdt, Self::HEADER_LENGTH))
    }
}

/// The structures of a table, see [`Dmar::structures`].
#[derive(Clone, Debug)]
pub struct Structures<'a>(Walk<'a>);

impl<'a> Iterator for Structures<'a> {
    type Item = Result<Structure<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = |rest: &[u8]| bytes::at::<raw::StructureHeader>(rest, 0).map(|h| h.length.get());
        match self.0.next(STRUCTURE_HEADER, length)? {
            Ok((at, bytes)) => Structure::new(bytes, at).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Structures<'_> {}
