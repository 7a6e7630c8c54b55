//! Compressed files, recognised by their magic. In a compressed kernel with an appended tree, the tree is found first.

use crate::machine::Kind;

#[cfg(feature = "archives")]
use super::decoder::decoder;
use super::{ContainerError, Contents};
#[cfg(feature = "archives")]
use super::{archive, damaged};

/// Magic numbers (RFC 1952, the .xz file format 2.1.1.1, RFC 8878, the LZ4 frame format and its legacy form, bzip2).
const MAGICS: [(&[u8], Kind); 6] = [
    (&[0x1f, 0x8b, 0x08], Kind::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Kind::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd),
    (&[0x04, 0x22, 0x4d, 0x18], Kind::Lz4),
    (&[0x02, 0x21, 0x4c, 0x18], Kind::Lz4),
    (b"BZh", Kind::Bzip2),
];

pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    let magic = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic));
    magic
        .map(|(_, kind)| *kind)
        .filter(|kind| *kind != Kind::Bzip2 || is_bzip2(bytes))
        .or_else(|| lzma(bytes))
}

/// `BZh` can also be text: in a bzip2 file a digit and the start of a block follow.
fn is_bzip2(bytes: &[u8]) -> bool {
    bytes.get(3).is_some_and(u8::is_ascii_digit)
        && bytes.get(4..10).is_some_and(|block| *block == [0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
}

/// LZMA has no magic. It is recognised as xz does (src/liblzma/common/alone_decoder.c `alone_decode`): by the properties that every
/// writer uses, a dictionary of 2^n or 2^n + 2^(n-1) bytes, and a size that is unknown or has at most 40 bits.
fn lzma(bytes: &[u8]) -> Option<Kind> {
    let dictionary = u32::from_le_bytes(*bytes.get(1..5)?.first_chunk()?);
    let size = u64::from_le_bytes(*bytes.get(5..13)?.first_chunk()?);
    let round = dictionary.is_power_of_two()
        || dictionary
            .checked_div(3)
            .is_some_and(|third| third.is_power_of_two() && third.checked_mul(3) == Some(dictionary));
    let shows =
        bytes.first() == Some(&0x5d) && dictionary >= 4096 && round && (size == u64::MAX || size >> 40 == 0);
    // The first byte of the range coder is 0.
    (shows && bytes.get(13) == Some(&0)).then_some(Kind::Lzma)
}

/// Every tar has `ustar` at this offset (POSIX.1-2001 pax, GNU tar).
pub(super) fn shows_tar(bytes: &[u8]) -> Option<Kind> {
    (bytes.get(257..262)? == b"ustar").then_some(Kind::Tar)
}

/// The header of a first entry, or the end record of an archive without entries.
pub(super) fn shows_zip(bytes: &[u8]) -> Option<Kind> {
    let start = bytes.first_chunk::<4>()?;
    matches!(start, b"PK\x03\x04" | b"PK\x05\x06").then_some(Kind::Zip)
}

#[cfg(feature = "archives")]
pub(super) use super::archive::{open_tar, open_zip};

#[cfg(not(feature = "archives"))]
pub(super) fn open(_: &[u8], _: &mut Contents<'_>) -> Result<(), ContainerError> {
    Err(ContainerError::NotBuilt)
}

#[cfg(not(feature = "archives"))]
pub(super) use {open as open_tar, open as open_zip};

#[cfg(feature = "archives")]
pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    use std::io::Read;

    let mut end = bytes.len();
    for (at, tree) in super::blob::trees(bytes) {
        end = end.min(at);
        contents.piece(&std::format!("dtb@{at:#x}"), tree)?;
    }
    let compressed = bytes.get(..end).unwrap_or(bytes);
    let kind = shows(bytes).unwrap_or(Kind::Unknown);
    let mut reader = decoder(kind, compressed).map_err(damaged)?;
    let mut start = std::vec::Vec::new();
    reader.by_ref().take(archive::TAR_BLOCK).read_to_end(&mut start).map_err(damaged)?;
    let mut whole = start.chain(reader);
    if shows_tar(whole.get_ref().0).is_some() {
        return archive::open_tar_from(&mut whole, contents);
    }
    contents.unpacked(&mut whole)
}
