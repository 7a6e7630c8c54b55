//! Android's sparse images (platform/system/core libsparse/sparse_format.h): the blocks of a partition, without those that are
//! empty.

#[cfg(feature = "archives")]
use std::{borrow::ToOwned, format, string::String, vec::Vec};

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

#[cfg(feature = "archives")]
use super::part;
use super::{ContainerError, Contents};
#[cfg(feature = "archives")]
use crate::bytes::at;
use crate::machine::Kind;

/// `sparse_header`.
#[cfg_attr(not(feature = "archives"), allow(dead_code))]
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 4],
    major_version: U16,
    minor_version: U16,
    file_hdr_sz: U16,
    chunk_hdr_sz: U16,
    blk_sz: U32,
    total_blks: U32,
    total_chunks: U32,
    image_checksum: U32,
}
const _: () = assert!(size_of::<Header>() == 28);

/// `chunk_header`.
#[cfg_attr(not(feature = "archives"), allow(dead_code))]
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Chunk {
    chunk_type: U16,
    reserved1: U16,
    chunk_sz: U32,
    total_sz: U32,
}
const _: () = assert!(size_of::<Chunk>() == 12);

/// Types of chunks: the bytes of blocks, four bytes that fill blocks, blocks without content, a checksum.
#[cfg(feature = "archives")]
const RAW: u16 = 0xcac1;
#[cfg(feature = "archives")]
const FILL: u16 = 0xcac2;
#[cfg(feature = "archives")]
const DONT_CARE: u16 = 0xcac3;
#[cfg(feature = "archives")]
const CRC: u16 = 0xcac4;

pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    bytes.starts_with(&0xed26_ff3a_u32.to_le_bytes()).then_some(Kind::AndroidSparse)
}

#[cfg(not(feature = "archives"))]
pub(super) fn open(_: &[u8], _: &mut Contents<'_>) -> Result<(), ContainerError> {
    Err(ContainerError::NotBuilt)
}

/// The whole partition, in which missing blocks are zero.
#[cfg(feature = "archives")]
pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let damaged = |what: String| ContainerError::Damaged(what);
    let short = || damaged("the header of the sparse image is cut off".to_owned());
    let header = at::<Header>(bytes, 0).ok_or_else(short)?;
    let (block, chunk_header) = (u64::from(header.blk_sz.get()), u64::from(header.chunk_hdr_sz.get()));
    if block == 0 || !block.is_multiple_of(4) || chunk_header < 12 {
        return Err(damaged(format!(
            "blocks of {block} bytes and chunks with headers of {chunk_header} are not known"
        )));
    }
    let whole = u64::from(header.total_blks.get()).saturating_mul(block);
    let whole = usize::try_from(whole).map_err(|_| ContainerError::TooLarge)?;
    contents.keep(whole)?;
    let mut image: Vec<u8> = Vec::new();
    let mut next = u64::from(header.file_hdr_sz.get());
    for number in 0..header.total_chunks.get() {
        let place = part(bytes, next, chunk_header, "the header of a chunk")?;
        let chunk = at::<Chunk>(place, 0).ok_or_else(short)?;
        let total = u64::from(chunk.total_sz.get()).max(chunk_header);
        let data =
            part(bytes, next.saturating_add(chunk_header), total.saturating_sub(chunk_header), "a chunk")?;
        next = next.saturating_add(total);
        let size = u64::from(chunk.chunk_sz.get()).saturating_mul(block);
        let end = usize::try_from(size).ok().and_then(|size| image.len().checked_add(size));
        let end = end.filter(|end| *end <= whole);
        match (chunk.chunk_type.get(), end) {
            (CRC, _) => {}
            (RAW | FILL | DONT_CARE, None) => {
                return Err(damaged(format!("chunk {number} goes past the end of the partition")));
            }
            (RAW, Some(end)) if image.len().checked_add(data.len()) == Some(end) => image.extend(data),
            // Blocks that a pattern fills are not firmware.
            (FILL | DONT_CARE, Some(end)) => image.resize(end, 0),
            (kind, _) => {
                return Err(damaged(format!("chunk {number} of type {kind:#x} has {} bytes", data.len())));
            }
        }
    }
    contents.held("image", image);
    Ok(())
}
