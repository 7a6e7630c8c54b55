//! Compressed sections of UEFI volumes (UEFI PI 1.8 volume 3, 3.2.5), including those without a header of their own.

#[cfg(feature = "archives")]
use super::damaged;
#[cfg(feature = "archives")]
use super::decoder::decoder;
#[cfg(feature = "archives")]
use super::tiano::{self, Variant};
use super::{ContainerError, Contents};
use crate::machine::Kind;

/// How a section of a UEFI volume is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// LZMA, whose header identifies it.
    Lzma,
    /// LZMA of x86 code in which the addresses of calls and jumps were made absolute.
    LzmaX86,
    /// Gzip, whose header identifies it.
    Gzip,
    /// Brotli.
    Brotli,
    /// Tiano.
    Tiano,
    /// The compression of the UEFI specification, or Tiano: the section does not say which.
    Efi,
}

impl Packing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Packing::Lzma => "lzma",
            Packing::LzmaX86 => "lzma-x86",
            Packing::Gzip => "gzip",
            Packing::Brotli => "brotli",
            Packing::Tiano => "tiano",
            Packing::Efi => "efi",
        }
    }
}

#[cfg(not(feature = "archives"))]
pub(super) fn open(_: Packing, name: &str, _: &[u8], contents: &mut Contents<'_>) {
    contents.unused(name, Kind::Unknown, Some(alloc::format!("not used: {}", ContainerError::NotBuilt)));
}

/// Unpacks a section of a UEFI volume that has no header of its own. An error in it does not cost the others.
#[cfg(feature = "archives")]
pub(super) fn open(packing: Packing, name: &str, data: &[u8], contents: &mut Contents<'_>) {
    let mut take = |variant| {
        // As many bytes are kept as it says that it unpacks to.
        let size = tiano::sizes(data)
            .map(|(_, size)| size)
            .filter(|_| matches!(packing, Packing::Tiano | Packing::Efi));
        if size.is_some_and(|size| size > contents.room()) {
            return Err(ContainerError::TooLarge);
        }
        let reader = self::reader(packing, data, variant);
        reader.map_err(damaged).and_then(|mut reader| contents.stream(name, &mut reader))
    };
    // Data that one of the two variants packed has codes that are not valid in the other.
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

/// The decoder for a section.
#[cfg(feature = "archives")]
fn reader<'a>(
    packing: Packing,
    data: &'a [u8],
    variant: Variant,
) -> std::io::Result<std::boxed::Box<dyn std::io::Read + 'a>> {
    use std::boxed::Box;
    /// Bytes before the Brotli data: the size of the unpacked data, and of the buffer that a decoder needs (EDK II
    /// `BROTLI_SCRATCH_MAX`).
    const BROTLI_HEADER: usize = 16;
    /// Bytes that the Brotli decoder takes at once.
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
            // Windows of up to 1 GiB are not part of RFC 7932 (section 9.1: this sequence is invalid).
            if data.first().is_some_and(|first| first & 0x7f == 0x11) {
                return Err(wrong("its window is larger than 16 MiB"));
            }
            Box::new(brotli_decompressor::Decompressor::new(data, BROTLI_INPUT))
        }
        Packing::Tiano | Packing::Efi => Box::new(tiano::unpack(data, variant)?),
    })
}
