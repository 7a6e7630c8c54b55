//! Decoders for each kind of compressed bytes, as streams.

use crate::machine::Kind;

/// Memory of a dictionary or window at most, in KiB: `xz -9` needs 64 MiB.
const DICTIONARY_KIB: u32 = 128 * 1024;

/// The decoder for bytes of a kind.
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

/// Gzip members in a row. Bytes after them that are not a member are padding, as for `gzip -d`.
struct Gzip<'a> {
    member: Option<flate2::bufread::GzDecoder<&'a [u8]>>,
}

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

/// Zstandard frames in a row, without the skippable ones (RFC 8878 section 3).
struct Zstd<'a> {
    rest: &'a [u8],
    frame:
        Option<std::boxed::Box<ruzstd::decoding::StreamingDecoder<&'a [u8], ruzstd::decoding::FrameDecoder>>>,
}

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
