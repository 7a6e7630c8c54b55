//! Bytes that a text spells out without offsets: base64 (RFC 4648) in a mail or a pasted file, and plain hexadecimal digits (`xxd
//! -p`).

use alloc::format;
use alloc::vec::Vec;

use memchr::memchr;

use super::{ContainerError, Contents, compressed};
use crate::machine::{Kind, recognise};

/// Characters of the shortest text that is read: the header of a table has 36 bytes.
const SHORTEST: usize = 48;
/// Characters of the longest line, unless the text is a single line: MIME has 76, PEM 64, `base64 -w 100` others.
const LONGEST_LINE: usize = 1024;

/// How bytes are spelled out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Hex,
    Base64,
}

/// Consecutive lines that spell bytes out, and the number of the first.
struct Block {
    line: usize,
    bytes: Vec<u8>,
}

pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    // The first lines distinguish it from binary data and from prose.
    let start = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    if start.contains(&0) || bytes.len() < SHORTEST {
        return None;
    }
    blocks(bytes).next().map(|_| Kind::Spelled)
}

pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    for Block { line, bytes } in blocks(bytes) {
        contents.piece(&format!("line-{line}"), &bytes)?;
    }
    Ok(())
}

/// The blocks that spell out evidence: firmware, compressed bytes, or text.
fn blocks(text: &[u8]) -> impl Iterator<Item = Block> {
    let mut lines = lines(text).zip(1_usize..).peekable();
    core::iter::from_fn(move || {
        loop {
            let (first, number) = lines.next()?;
            let first = plain(first);
            let Some(alphabet) = alphabet(first) else { continue };
            let mut digits = first.to_vec();
            let mut length = first.len();
            // All lines of a block except the last have the same length.
            while length == first.len() && !digits.ends_with(b"=") {
                let next = lines.next_if(|(line, _)| {
                    let line = plain(line);
                    !line.is_empty()
                        && line.len() <= first.len()
                        && line.iter().all(|byte| is_of(*byte, alphabet))
                });
                let Some((line, _)) = next else { break };
                let line = plain(line);
                length = line.len();
                digits.extend(line);
            }
            let Some(bytes) = decoded(&digits, alphabet).filter(|bytes| is_evidence(bytes)) else { continue };
            return Some(Block { line: number, bytes });
        }
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let end = memchr(b'\n', text);
        rest = end.and_then(|end| text.get(end.checked_add(1)?..));
        text.get(..end.unwrap_or(text.len()))
    })
}

/// A line without white space and quotation marks.
fn plain(line: &[u8]) -> &[u8] {
    let mut line = line.trim_ascii();
    while let [b'>' | b'"' | b'\'', rest @ ..] = line {
        line = rest.trim_ascii_start();
    }
    line.strip_suffix(b"\"").unwrap_or(line)
}

/// The alphabet of a block that may start with this line.
fn alphabet(line: &[u8]) -> Option<Alphabet> {
    if line.len() < 16 {
        return None;
    }
    [Alphabet::Hex, Alphabet::Base64].into_iter().find(|alphabet| {
        let whole = match alphabet {
            Alphabet::Hex => line.len().is_multiple_of(2),
            Alphabet::Base64 => line.len().is_multiple_of(4),
        };
        whole && line.iter().all(|byte| is_of(*byte, *alphabet))
    })
}

fn is_of(byte: u8, alphabet: Alphabet) -> bool {
    match alphabet {
        Alphabet::Hex => byte.is_ascii_hexdigit(),
        Alphabet::Base64 => six_bits(byte).is_some() || byte == b'=',
    }
}

fn six_bits(byte: u8) -> Option<u32> {
    let place = match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A')?,
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52)?,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(place))
}

fn decoded(digits: &[u8], alphabet: Alphabet) -> Option<Vec<u8>> {
    if digits.len() < SHORTEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len());
    match alphabet {
        Alphabet::Hex => {
            for pair in digits.chunks_exact(2) {
                bytes.push(u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?);
            }
        }
        Alphabet::Base64 => return base64(digits),
    }
    Some(bytes)
}

/// The bytes of a line of base64.
pub(super) fn base64(line: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len());
    let end = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
    for four in line.get(..end)?.chunks(4) {
        let value = four.iter().try_fold(0_u32, |value, byte| Some(value << 6 | six_bits(*byte)?))?;
        let missing = u32::try_from(4_usize.checked_sub(four.len())?).ok()?;
        let [_, three @ ..] = (value << missing.saturating_mul(6)).to_be_bytes();
        bytes.extend(three.get(..four.len().saturating_sub(1))?);
    }
    Some(bytes)
}

/// Whether the bytes may be evidence. Others are checksums or keys, which a text has by chance.
fn is_evidence(bytes: &[u8]) -> bool {
    let start = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let is_text =
        || start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b | b' '..=b'~' | 0xa0..));
    recognise::device_tree(bytes).is_some()
        || recognise::tables(bytes).is_some()
        || compressed::shows(bytes).is_some()
        || compressed::shows_tar(bytes).is_some()
        || compressed::shows_zip(bytes).is_some()
        || start.contains(&b'\n') && is_text()
}
