//! The I/O Virtualization Reporting Structure (AMD IOMMU specification 48882, revision 3.10 chapter 5): the AMD IOMMU that
//! translates each device, the ids that devices send with, and the memory that devices must keep.
//!
//! [`Ivrs`] is a view; [`unit_of`] asks it about one function without a heap.

mod block;
#[cfg(feature = "alloc")]
mod build;
mod claim;
mod entry;
#[cfg(feature = "alloc")]
mod lower;
mod raw;
mod resolve;

use crate::acpi::Sdt;
use crate::acpi::walk::Walk;
use crate::bytes;
use crate::{Error, ErrorKind, error::Source};

pub use block::{Block, Body, Devices, Ivhd, Ivmd};
#[cfg(feature = "alloc")]
pub use build::{Builder, Draft};
pub use claim::{Claim, Claims};
pub use entry::{Entries, Entry, EntryKind};
pub use resolve::{Translation, unit_of};

/// Bytes of the header at the start of every block, and so of the shortest block.
const BLOCK_HEADER: u16 = 6;

/// The highest block type that Linux accepts in its search for the type to use (`ACPI_IVHD_TYPE_MAX_SUPPORTED`).
const MAX_BLOCK_TYPE: u8 = 0x40;

/// An IVRS table.
///
/// ```
/// use fwspec::acpi::ivrs::{Body, EntryKind, Ivrs};
/// let mut bytes = b"IVRS\x4c\0\0\0\x02\0".to_vec();
/// bytes.resize(48, 0);
/// bytes.extend([0x10, 0, 28, 0, 2, 0, 0x40, 0]); // the IOMMU is 00:00.2, its capability at 0x40
/// bytes.extend(0xfeb8_0000_u64.to_le_bytes());
/// bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // segment 0
/// bytes.extend([1, 0, 0, 0]); // for every device
/// let block = Ivrs::parse(&bytes)?.blocks().next().expect("one block")?;
/// let Body::Ivhd(unit) = block.body()? else { panic!("a unit") };
/// assert_eq!(unit.base, 0xfeb8_0000);
/// assert_eq!(unit.entries.map_while(Result::ok).next().unwrap().kind(), EntryKind::All);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ivrs<'a> {
    sdt: Sdt<'a>,
    tail: &'a raw::TableTail,
}

impl<'a> Ivrs<'a> {
    /// Bytes that the header takes; the first block follows it.
    pub const HEADER_LENGTH: u32 = 48;

    /// Reads the header. The blocks are read when they are asked for.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 48-byte header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::IVRS)
    }

    /// [`parse`](Ivrs::parse) for one of several tables: `source` is its name in errors, which has to be `IVRS`.
    ///
    /// # Errors
    /// As [`parse`](Ivrs::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let tail = bytes::at(sdt.bytes(), Sdt::HEADER_LENGTH).ok_or(Error { kind, at: source.at(0) })?;
        Ok(Ivrs { sdt, tail })
    }

    /// The header that all ACPI tables share. Linux refuses a table whose checksum is wrong (drivers/iommu/amd/init.c
    /// `check_ivrs_checksum`).
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// `IVinfo`: bit 0 EFR support, bit 1 DMA remapping, bits 5 to 7 guest address size, bits 8 to 14 physical and 15 to 21 virtual
    /// address size, bit 22 the HyperTransport range is reserved for ATS.
    pub fn info(&self) -> u32 {
        self.tail.info.get()
    }

    /// The reserved field of the header.
    pub fn reserved(&self) -> u64 {
        self.tail.reserved.get()
    }

    /// The blocks, in table order.
    ///
    /// An error ends the iteration: past it it is not known where a block starts. Fields of a block are read by [`Block::body`], whose
    /// errors cost that block only.
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks(Walk::to_the_end(self.sdt, Self::HEADER_LENGTH))
    }

    /// The one type of IVHD block that Linux reads: that of the last block with the first block's device ID, before any block of a
    /// type above 0x40 (drivers/iommu/amd/init.c `get_highest_supported_ivhd_type`). `None` where there is no block.
    pub fn unit_type(&self) -> Option<u8> {
        let mut blocks = self.blocks().map_while(Result::ok);
        let first = blocks.next()?;
        let known = blocks.take_while(|block| block.block_type() <= MAX_BLOCK_TYPE);
        let last = known.filter(|block| block.device_id() == first.device_id()).last();
        Some(last.filter(|_| first.block_type() <= MAX_BLOCK_TYPE).unwrap_or(first).block_type())
    }
}

/// The blocks of a table, see [`Ivrs::blocks`].
#[derive(Clone, Debug)]
pub struct Blocks<'a>(Walk<'a>);

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = |rest: &[u8]| bytes::at::<raw::BlockHeader>(rest, 0).map(|h| h.length.get());
        match self.0.next(BLOCK_HEADER, length)? {
            Ok((at, bytes)) => Block::new(bytes, at).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Blocks<'_> {}
