//! Compressed files, recognised by their magic. A tree appended to a compressed kernel is found in front of them.

use crate::machine::Kind;

use super::blob::Packing;
#[cfg(feature = "archives")]
use super::tiano::{self, Variant};
use super::{ContainerError, Contents};
#[cfg(feature = "archives")]
use super::{archive, damaged};

/// Magics (RFC 1952, the .xz file format 2.1.1.1, RFC 8878, the LZ4 frame format and its legacy form, bzip2).
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

/// `BZh` is text, too: a digit and the start of a block follow it.
fn is_bzip2(bytes: &[u8]) -> bool {
    bytes.get(3).is_some_and(u8::is_ascii_digit)
        && bytes.get(4..10).is_some_and(|block| *block == [0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
}

/// LZMA has no magic: the properties that every writer uses, a dictionary of a power of two (or one and a half), and a size that is unknown or
/// has no more than 40 bits (as xz recognises it, src/liblzma/common/alone_decoder.c `alone_decode`).
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

/// A tar of any writer has `ustar` here (POSIX.1-2001 pax, GNU tar).
pub(super) fn shows_tar(bytes: &[u8]) -> Option<Kind> {
    (bytes.get(257..262)? == b"ustar").then_some(Kind::Tar)
}

/// The header of a first entry, or the end of an archive without any.
pub(super) fn shows_zip(bytes: &[u8]) -> Option<Kind> {
    let start = bytes.first_chunk::<4>()?;
    matches!(start, b"PK\x03\x04" | b"PK\x05\x06").then_some(Kind::Zip)
}

#[cfg(feature = "archives")]
pub(super) use super::archive::{open_tar, open_zip};

#[cfg(not(feature = "archives"))]
pub(super) fn open_section(_: Packing, name: &str, _: &[u8], contents: &mut Contents<'_>) {
    contents.unused(name, Kind::Unknown, Some(alloc::format!("not used: {}", ContainerError::NotBuilt)));
}

/// Unpacks a section of a UEFI volume that has no header of its own. What is wrong with it does not cost the others.
#[cfg(feature = "archives")]
pub(super) fn open_section(packing: Packing, name: &str, data: &[u8], contents: &mut Contents<'_>) {
    let mut take = |variant| {
        // What it says that it unpacks to is what is held.
        let size = tiano::sizes(data)
            .map(|(_, size)| size)
            .filter(|_| matches!(packing, Packing::Tiano | Packing::Efi));
        if size.is_some_and(|size| size > contents.room()) {
            return Err(ContainerError::TooLarge);
        }
        let reader = section(packing, data, variant);
        reader.map_err(damaged).and_then(|mut reader| contents.stream(name, &mut reader))
    };
    // What one of the two packed has no codes that make sense to the other.
    let taken = match packing {
        Packing::Efi => match take(Variant::Efi) {
            Err(ContainerError::Damaged(_)) => take(Variant::Tiano),
            taken => taken,
        },
        _ => take(Variant::Tiano),
    };
    if let Err(error) = taken {
        contents.unused(name, Kind::Unknown, Some(std::format!("not used: {error}")));
    }
}

/// What unpacks a section.
#[cfg(feature = "archives")]
fn section<'a>(
    packing: Packing,
    data: &'a [u8],
    variant: Variant,
) -> std::io::Result<std::boxed::Box<dyn std::io::Read + 'a>> {
    use std::boxed::Box;
    /// Bytes in front of the Brotli data: how many it unpacks to, and how many its reader needs (EDK II `BROTLI_SCRATCH_MAX`).
    const BROTLI_HEADER: usize = 16;
    /// Bytes that the Brotli reader takes at once.
    const BROTLI_INPUT: usize = 4096;
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    Ok(match packing {
        Packing::Gzip => decoder(Kind::Gzip, data)?,
        Packing::Lzma => decoder(Kind::Lzma, data)?,
        Packing::LzmaX86 => {
            Box::new(lzma_rust2::filter::bcj::BcjReader::new_x86(decoder(Kind::Lzma, data)?, 0))
        }
        Packing::Brotli => {
            let data = data.get(BROTLI_HEADER..).filter(|data| !data.is_empty());
            let data = data.ok_or_else(|| wrong("its header is cut off"))?;
            // Windows of up to 1 GiB are no part of RFC 7932 (section 9.1: this sequence is invalid).
            if data.first().is_some_and(|first| first & 0x7f == 0x11) {
                return Err(wrong("its window is larger than 16 MiB"));
            }
            Box::new(brotli_decompressor::Decompressor::new(data, BROTLI_INPUT))
        }
        Packing::Tiano | Packing::Efi => Box::new(tiano::unpack(data, variant)?),
    })
}

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

/// Memory that a dictionary or window may have, in KiB: `xz -9` needs 64 MiB.
#[cfg(feature = "archives")]
const DICTIONARY_KIB: u32 = 128 * 1024;

/// What unpacks bytes of a kind.
#[cfg(feature = "archives")]
pub(super) fn decoder<'a>(
    kind: Kind,
    bytes: &'a [u8],
) -> std::io::Result<std::boxed::Box<dyn std::io::Read + 'a>> {
    use std::boxed::Box;
    use std::io::{Error, ErrorKind};
    let other = |error: std::string::String| Error::new(ErrorKind::InvalidData, error);
    Ok(match kind {
        Kind::Gzip => Box::new(Gzip { member: Some(flate2::bufread::GzDecoder::new(bytes)) }),
        Kind::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(bytes, true, DICTIONARY_KIB)),
        Kind::Lzma => Box::new(lzma_rust2::LzmaReader::new_mem_limit(bytes, DICTIONARY_KIB, None)?),
        Kind::Zstd => Box::new(Zstd { rest: bytes, frame: None }),
        Kind::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
        Kind::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)),
        other_kind => return Err(other(std::format!("{other_kind} is not compressed"))),
    })
}

/// Gzip members one after the other. What follows and is not a member is padding, as `gzip -d` has it.
#[cfg(feature = "archives")]
struct Gzip<'a> {
    member: Option<flate2::bufread::GzDecoder<&'a [u8]>>,
}

#[cfg(feature = "archives")]
impl std::io::Read for Gzip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.member = Some(member);
                return Ok(read);
            }
            let rest = member.into_inner();
            if rest.starts_with(&[0x1f, 0x8b, 0x08]) {
                self.member = Some(flate2::bufread::GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Zstandard frames one after the other; those to be skipped are (RFC 8878 section 3).
#[cfg(feature = "archives")]
struct Zstd<'a> {
    rest: &'a [u8],
    frame:
        Option<std::boxed::Box<ruzstd::decoding::StreamingDecoder<&'a [u8], ruzstd::decoding::FrameDecoder>>>,
}

#[cfg(feature = "archives")]
impl std::io::Read for Zstd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.rest = frame.get_ref();
                self.frame = None;
            }
            match self.rest {
                [] => return Ok(0),
                [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, rest @ ..] => {
                    let length = crate::bytes::index(u32::from_le_bytes([*a, *b, *c, *d]));
                    self.rest = rest.get(length..).unwrap_or_default();
                }
                frame => {
                    let opened = ruzstd::decoding::StreamingDecoder::new(frame);
                    let opened = opened
                        .map_err(|error| std::io::Error::other(std::string::ToString::to_string(&error)))?;
                    self.frame = Some(std::boxed::Box::new(opened));
                }
            }
        }
    }
}
