//! The compression of UEFI firmware (UEFI 2.10 section 19, "Compression Algorithm Specification"; EDK II calls its variant with
//! longer distances Tiano): blocks of Huffman codes for bytes and for repeated strings.

use std::borrow::ToOwned;
use std::format;
use std::io::{self, Read};
use std::string::String;
use std::vec::Vec;

use crate::bytes::index;

/// Symbols of one code: bytes, and lengths of strings (`NC`).
const CHARACTERS: usize = 510;
/// Symbols of the code for the lengths of those codes (`NT`), and the width of their number in bits.
const LENGTHS: (usize, u32) = (19, 5);
/// Symbols of the code for distances (`MAXNP`).
const DISTANCES: usize = 31;
/// Width of the number of symbols for bytes and strings, in bits (`CBIT`).
const CHARACTER_BITS: u32 = 9;
/// Length of the longest code, in bits.
const LONGEST: usize = 16;
/// The first symbol for a string, which is three bytes long.
const FIRST_STRING: u16 = 256;
const SHORTEST_STRING: u16 = 3;
/// Bytes that an encoder may write after the last code.
const MOST_LEFT: usize = 4;
/// Bytes of the header: the size of the compressed data, and of the unpacked data.
const HEADER: usize = 8;

/// The two variants, which differ in the number of distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The specification's (`EFI_STANDARD_COMPRESSION`).
    Efi,
    /// The one with EDK II's GUID.
    Tiano,
}

impl Variant {
    fn distance_bits(self) -> u32 {
        match self {
            Variant::Efi => 4,
            Variant::Tiano => 5,
        }
    }
}

/// The sizes in the header: of the data after it, and of the unpacked data.
pub(super) fn sizes(data: &[u8]) -> Option<(usize, usize)> {
    let size = |at: usize| data.get(at..)?.first_chunk().copied().map(u32::from_le_bytes).map(index);
    Some((size(0)?, size(4)?))
}

/// Unpacks the data to the size that its header gives.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] with what is wrong with the data.
pub(super) fn unpack(data: &[u8], variant: Variant) -> io::Result<impl Read + use<>> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let (packed, size) = sizes(data).ok_or_else(|| wrong("its header is cut off".to_owned()))?;
    let packed = data.get(HEADER..).and_then(|data| data.get(..packed));
    let packed = packed.ok_or_else(|| wrong("it ends before its header says".to_owned()))?;
    let mut decoder = Decoder { bits: Bits { bytes: packed, taken: 0 }, variant, block: None };
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < size {
        let at = bytes.len();
        decoder
            .step(&mut bytes, size)
            .ok_or_else(|| wrong(format!("its code is invalid after {at:#x} bytes")))?;
    }
    // Data of the other variant may have valid codes, but they do not end where the data ends.
    let left = packed.len().saturating_sub(decoder.bits.taken / 8);
    if variant == Variant::Efi && left > MOST_LEFT {
        return Err(wrong(format!("{left} bytes of it are left over")));
    }
    Ok(io::Cursor::new(bytes))
}

/// Bits; the highest of each byte comes first.
struct Bits<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl Bits<'_> {
    fn one(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.taken / 8)?;
        let bit = u32::from(*byte) >> (7_usize.saturating_sub(self.taken % 8)) & 1;
        self.taken = self.taken.saturating_add(1);
        Some(bit)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |value, _| Some(value << 1 | self.one()?))
    }
}

/// A Huffman code.
enum Code {
    /// One symbol, which takes no bits.
    Only(u16),
    /// The number of codes of each length, and the symbols in the order of the codes.
    Lengths { counts: [u16; LONGEST + 1], symbols: Vec<u16> },
}

impl Code {
    /// The code whose symbols have these lengths; `None` where the lengths make more codes or fewer codes than there are.
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; LONGEST + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            let count = counts.get_mut(usize::from(*length))?;
            *count = count.saturating_add(1);
        }
        let used = counts
            .iter()
            .zip(0_u32..)
            .map(|(count, length)| u32::from(*count).checked_shl(16_u32.saturating_sub(length)));
        let used = used.skip(1).try_fold(0_u32, |all, used| all.checked_add(used?))?;
        if used != 1 << LONGEST {
            return None;
        }
        let of_length = |wanted: u8| {
            let symbols = (0_u16..).zip(lengths);
            symbols.filter(move |(_, length)| **length == wanted).map(|(symbol, _)| symbol)
        };
        let symbols = (1..=16).flat_map(of_length).collect();
        Some(Code::Lengths { counts, symbols })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (counts, symbols) = match self {
            Code::Only(symbol) => return Some(*symbol),
            Code::Lengths { counts, symbols } => (counts, symbols),
        };
        let (mut code, mut first, mut before) = (0_u32, 0_u32, 0_u32);
        for count in counts.iter().skip(1).map(|count| u32::from(*count)) {
            code |= bits.one()?;
            let place = code.checked_sub(first)?;
            if place < count {
                return symbols.get(index(before.saturating_add(place))).copied();
            }
            before = before.saturating_add(count);
            first = first.saturating_add(count) << 1;
            code <<= 1;
        }
        None
    }
}

/// The codes of a block, and the number of its symbols that are left.
struct Block {
    left: u32,
    characters: Code,
    distances: Code,
}

struct Decoder<'a> {
    bits: Bits<'a>,
    variant: Variant,
    block: Option<Block>,
}

impl Decoder<'_> {
    /// Unpacks one byte, or one string. `None` where the data is not valid.
    fn step(&mut self, bytes: &mut Vec<u8>, wanted: usize) -> Option<()> {
        let block = match self.block.take().filter(|block| block.left > 0) {
            Some(block) => block,
            None => self.next_block()?,
        };
        let block = self.block.insert(Block { left: block.left.saturating_sub(1), ..block });
        let symbol = block.characters.read(&mut self.bits)?;
        if let Ok(byte) = u8::try_from(symbol) {
            bytes.push(byte);
            return Some(());
        }
        let length = symbol.checked_sub(FIRST_STRING)?.saturating_add(SHORTEST_STRING);
        let class = u32::from(block.distances.read(&mut self.bits)?);
        let distance = match class.checked_sub(1) {
            None | Some(0) => class,
            Some(more) => 1_u32.checked_shl(more)?.checked_add(self.bits.take(more)?)?,
        };
        let mut from = bytes.len().checked_sub(index(distance))?.checked_sub(1)?;
        for _ in 0..length {
            if bytes.len() < wanted {
                bytes.push(*bytes.get(from)?);
            }
            from = from.saturating_add(1);
        }
        Some(())
    }

    fn next_block(&mut self) -> Option<Block> {
        let size = self.bits.take(16)?;
        let (count, bits) = LENGTHS;
        let lengths = self.lengths(count, bits, Some(3))?;
        let characters = self.characters(&lengths)?;
        let distances = self.lengths(DISTANCES, self.variant.distance_bits(), None)?;
        // A block of size 0 has as many symbols as the counter can count.
        let left = if size == 0 { 1 << 16 } else { size };
        Some(Block { left, characters, distances })
    }

    /// A code whose lengths are stored as numbers. Two bits after the first `zeros_after` lengths say how many unused symbols
    /// follow.
    fn lengths(&mut self, most: usize, bits: u32, zeros_after: Option<usize>) -> Option<Code> {
        let number = index(self.bits.take(bits)?);
        if number == 0 {
            return Some(Code::Only(u16::try_from(self.bits.take(bits)?).ok()?));
        }
        let mut lengths: Vec<u8> = Vec::with_capacity(most);
        while lengths.len() < number {
            let mut length = u8::try_from(self.bits.take(3)?).ok()?;
            while length >= 7 && self.bits.one()? == 1 {
                length = length.checked_add(1).filter(|length| usize::from(*length) <= LONGEST)?;
            }
            lengths.push(length);
            if Some(lengths.len()) == zeros_after {
                let zeros = index(self.bits.take(2)?);
                lengths.resize(lengths.len().saturating_add(zeros), 0);
            }
        }
        Code::of(&lengths).filter(|_| lengths.len() <= most.saturating_add(3))
    }

    /// The code for bytes and strings, whose lengths are themselves encoded.
    fn characters(&mut self, code: &Code) -> Option<Code> {
        let number = index(self.bits.take(CHARACTER_BITS)?);
        if number == 0 {
            return Some(Code::Only(u16::try_from(self.bits.take(CHARACTER_BITS)?).ok()?));
        }
        let mut lengths: Vec<u8> = Vec::with_capacity(CHARACTERS);
        while lengths.len() < number {
            let zeros = match code.read(&mut self.bits)? {
                0 => 1,
                1 => self.bits.take(4)?.saturating_add(3),
                2 => self.bits.take(CHARACTER_BITS)?.saturating_add(20),
                length => {
                    lengths.push(u8::try_from(length.checked_sub(2)?).ok()?);
                    continue;
                }
            };
            lengths.resize(lengths.len().saturating_add(index(zeros)), 0);
            if lengths.len() > CHARACTERS {
                return None;
            }
        }
        Code::of(&lengths)
    }
}
