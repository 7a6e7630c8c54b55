//! Bytes that a text spells out: tables as `acpidump` and `iasl -d` print them, any blob as `hexdump -C` and `xxd` print it.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::text::{TextError, TextErrorKind};
use super::unwrap::{self, LinePlace, Lines};
use crate::acpi::Sdt;
use crate::acpi::container::{Table, Tables};
use crate::{bytes, error::Source};

/// Bytes in a line: usually 16, and up to 256 with `xxd -c`.
const LONGEST: usize = 256;

/// Consecutive bytes that a text spells out.
#[derive(Debug)]
pub(super) struct Block {
    /// The line where they start.
    pub(super) place: LinePlace,
    /// The bytes before the first line that cannot be read.
    pub(super) bytes: Vec<u8>,
    /// Number of bytes in the last line.
    line: usize,
    /// The first line that cannot be read.
    pub(super) fault: Option<TextError>,
}

/// A line of a dump.
struct DumpLine {
    offset: u32,
    bytes: [u8; LONGEST],
    length: usize,
}

/// The tables that a text spells out, and the errors in it. One broken block costs one table.
pub(super) fn tables(text: &[u8]) -> (Tables<'static>, Vec<TextError>) {
    let mut found = Tables::default();
    let mut seen: BTreeMap<[u8; 4], u16> = BTreeMap::new();
    let mut errors = Vec::new();
    for Block { place, mut bytes, fault, .. } in blocks(text) {
        // The root pointer is not a table: its header is another one.
        if bytes.starts_with(b"RSD PTR ") {
            continue;
        }
        match (fault, Sdt::parse(&bytes)) {
            (Some(fault), _) => errors.push(fault),
            (None, Err(error)) => errors.push(TextError::at(TextErrorKind::Table(error.kind), place)),
            (None, Ok(table)) => {
                let name = table.signature();
                let next = seen.entry(name).or_default();
                let source = Source { name, index: *next };
                *next = next.saturating_add(1);
                bytes.shrink_to_fit();
                found.tables.push(Table {
                    source,
                    at: Source::FILE.at(place.offset),
                    bytes: Cow::Owned(bytes),
                });
            }
        }
    }
    (found, errors)
}

/// All blocks that a text spells out. A block starts with a line of offset 0. It ends with an empty line, with a line of offset 0
/// or, after a whole table, with any line that does not continue it.
pub(super) fn blocks(text: &[u8]) -> Vec<Block> {
    let text = unwrap::as_utf8(text);
    let mut lines = Lines::of(&text);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    // The line before announced a block.
    let mut announced = false;
    let mut repeat = false;
    while let Some((place, line)) = lines.next() {
        let is_title = is_title(line);
        if line.is_empty() || is_title {
            blocks.extend(open.take());
            announced = is_title || announced && line.is_empty();
            continue;
        }
        let row = row(line);
        let starts = row
            .as_ref()
            .is_some_and(|row| row.offset == 0 && row.length > 0 && (announced || starts_dump(line)));
        if starts && open.as_ref().is_none_or(|block| !block.bytes.is_empty()) {
            blocks.extend(open.take());
            open = Some(Block { place, bytes: Vec::new(), line: 0, fault: None });
        } else if announced && open.is_none() {
            open = Some(Block { place, bytes: Vec::new(), line: 0, fault: None });
        }
        announced = false;
        let Some(block) = &mut open else { continue };
        if block.fault.is_some() {
            continue;
        }
        let have = bytes::saturate(block.bytes.len());
        let kind = match row {
            // `hexdump` and `xxd -a` leave out lines that repeat the one before.
            None if line == b"*" && !block.bytes.is_empty() => {
                repeat = true;
                continue;
            }
            None if is_whole(&block.bytes) => {
                blocks.extend(open.take());
                continue;
            }
            None => TextErrorKind::DumpLine,
            Some(row)
                if core::mem::take(&mut repeat)
                    && row.offset > have
                    && fill(&mut block.bytes, block.line, row.offset, text.len()) =>
            {
                block.bytes.extend(row.bytes.get(..row.length).unwrap_or_default());
                continue;
            }
            Some(row) if row.offset == have => {
                block.bytes.extend(row.bytes.get(..row.length).unwrap_or_default());
                block.line = row.length;
                continue;
            }
            Some(row) => TextErrorKind::DumpGap { offset: row.offset, have },
        };
        block.fault = Some(TextError::at(kind, place));
    }
    blocks.extend(open);
    blocks
}

/// Repeats the last line up to an offset. The total size stays within a multiple of the text's size.
fn fill(bytes: &mut Vec<u8>, line: usize, offset: u32, text: usize) -> bool {
    let wanted = bytes::index(offset);
    let most = text.saturating_mul(8).saturating_add(1 << 16);
    let start = bytes.len().checked_sub(line).filter(|_| line > 0 && wanted <= most);
    let Some(last) = start.and_then(|start| bytes.get(start..)).map(<[u8]>::to_vec) else { return false };
    while bytes.len() < wanted {
        bytes.extend(&last);
    }
    bytes.truncate(wanted);
    true
}

/// Whether a table is complete.
fn is_whole(bytes: &[u8]) -> bool {
    Sdt::parse(bytes).is_ok()
}

/// `DSDT @ 0x737e4000`, `RSD PTR @ 0xf6cd0`, `SSDT @ (nil)` (acpica `AxIsDataBlockHeader`), and the line of `iasl -d` before the
/// bytes: `Raw Table Data: Length 128 (0x80)`.
pub(super) fn is_title(line: &[u8]) -> bool {
    let address = line.windows(3).position(|window| window == b" @ ");
    let names = address.and_then(|at| line.get(..at)).is_some_and(|name| name.len() <= 8 && name.is_ascii());
    names || line.starts_with(b"Raw Table Data")
}

/// Whether a line is the first of a dump without a title: its offset has eight digits, or its bytes are those of a table.
pub(super) fn starts_dump(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    row(line).is_some_and(|row| {
        let table = row.bytes.first_chunk::<4>().is_some_and(|name| {
            name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
        });
        row.offset == 0 && row.length > 0 && (digits >= 6 || digits >= 4 && table)
    })
}

/// `    02C0: 5F 53 42 5F 4C 4E 4B 44 00 12 13 04 0C FF FF 08  _SB_LNKD........`, `00000000  49 4f 52 54 80 00 00 00  03 ea … |IORT…|`,
/// `00000000: 494f 5254 8000 0000 …  IORT…`: two spaces end the bytes, but for those in the middle of a line of `hexdump -C`. `od -A x -t x1z`
/// has offsets of six digits, `od -t x1` of seven octal ones.
fn row(line: &[u8]) -> Option<DumpLine> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (offset, rest) = line.split_at_checked(digits)?;
    if !(1..=8).contains(&digits) {
        return None;
    }
    let has_colon = rest.first() == Some(&b':');
    let mut rest = if has_colon { rest.get(1..)? } else { rest };
    let radix = if !has_colon && digits == 7 { 8 } else { 16 };
    let offset = u32::from_str_radix(core::str::from_utf8(offset).ok()?, radix).ok()?;
    let mut row = DumpLine { offset, bytes: [0; LONGEST], length: 0 };
    // The last line of `hexdump -C` has only the length.
    if rest.is_empty() {
        return (!has_colon && digits >= 6).then_some(row);
    }
    if !has_colon && digits < 6 {
        return None;
    }
    while row.length < LONGEST {
        let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let middle = !has_colon && (row.length == 0 || row.length == 8);
        let Some(after) = rest.get(spaces..).filter(|after| !after.is_empty() && spaces > 0) else { break };
        if spaces > 1 && !middle && row.length > 0 {
            break;
        }
        let digits = after.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let ended = after.get(digits).is_none_or(|byte| matches!(byte, b' ' | b'\t'));
        // Bytes stand alone, or in the pairs and fours of `xxd`.
        if !ended || !matches!(digits, 2 | 4 | 8) || !has_colon && digits != 2 {
            if spaces == 1 && row.length > 0 && after.first() != Some(&b'|') && has_colon {
                return None;
            }
            break;
        }
        let (word, behind) = after.split_at_checked(digits)?;
        for pair in word.chunks_exact(2) {
            *row.bytes.get_mut(row.length)? = u8::try_from(number(pair)?).ok()?;
            row.length = row.length.saturating_add(1);
        }
        rest = behind;
    }
    (row.length > 0).then_some(row)
}

fn number(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}
