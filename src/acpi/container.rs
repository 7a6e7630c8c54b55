//! What ACPI tables come in: one table, several one after the other, or the text of `acpidump`.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::combinator::map_opt;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::Sdt;
use crate::bytes::saturate;
use crate::{At, Error, ErrorKind, Source};

/// The tables of a file, and what of it could not be read.
#[derive(Clone, Debug, Default)]
pub struct Tables<'a> {
    /// The tables, in the order of the file. Each passes [`Sdt::parse`].
    pub tables: Vec<Table<'a>>,
    /// Tables that could not be read, and bytes that are no table.
    pub skipped: Vec<Error>,
}

/// A table of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<'a> {
    /// Its signature, and which of the tables with this signature it is.
    pub source: Source,
    /// Where it starts in the file; in text, where its block starts.
    pub at: At,
    /// Its bytes: the file's own, or what its hexadecimal text says. In text more than the table claims may follow.
    pub bytes: Cow<'a, [u8]>,
}

/// Takes a file apart. What it is shows in its content: an `acpidump` text has lines such as `IORT @ 0x00000000FEDC0000`
/// with hexadecimal lines below (acpica `acpixtract`), anything else is binary tables.
///
/// One broken table costs one table. Of binary tables it also costs those behind it, because their place is lost.
///
/// ```
/// use fwspec::acpi::{container, iort::{Builder, Iort}};
/// let file = [Builder::new(6).finish(), Builder::new(5).finish()].concat();
/// let found = container::tables(&file)?;
/// assert_eq!((found.tables.len(), found.skipped.len()), (2, 0));
/// let second = &found.tables[1];
/// assert_eq!(Iort::parse_as(&second.bytes, second.source)?.revision(), 5);
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// [`Unrecognised`](ErrorKind::Unrecognised) when no table starts the file and it is no `acpidump` text;
/// [`TooLarge`](ErrorKind::TooLarge) past 4 GiB.
pub fn tables(file: &[u8]) -> Result<Tables<'_>, Error> {
    let error = |kind| Error { kind, at: Source::FILE.at(0) };
    if u32::try_from(file.len()).is_err() {
        return Err(error(ErrorKind::TooLarge));
    }
    // The length of a table below 16 MiB has a zero byte, and a text has none.
    let is_text = file.first_chunk::<8>().is_some_and(|start| !start.contains(&0));
    let mut reader = Reader::default();
    if is_text {
        reader.text(file);
    }
    if reader.found.tables.is_empty() && reader.found.skipped.is_empty() {
        if !starts_with_signature(file) || is_text && Sdt::parse(file).is_err() {
            let start: Vec<u8> = file.iter().copied().chain([0; 4]).take(4).collect();
            return Err(error(ErrorKind::Unrecognised(start.first_chunk().copied().unwrap_or_default())));
        }
        reader.binary(file);
    }
    Ok(reader.found)
}

/// Signatures are four printable characters (ACPI 6.5 §5.2.6).
fn starts_with_signature(bytes: &[u8]) -> bool {
    bytes.first_chunk::<4>().is_some_and(|signature| signature.iter().all(u8::is_ascii_graphic))
}

#[derive(Default)]
struct Reader<'a> {
    found: Tables<'a>,
    seen: BTreeMap<[u8; 4], u16>,
}

impl<'a> Reader<'a> {
    /// Tables one after the other, with or without zeros between them.
    fn binary(&mut self, file: &'a [u8]) {
        let mut rest = file;
        loop {
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            rest = rest.get(zeros..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            let at = Source::FILE.at(saturate(file.len().saturating_sub(rest.len())));
            if !starts_with_signature(rest) {
                let kind = ErrorKind::NoTable { left: saturate(rest.len()) };
                return self.found.skipped.push(Error { kind, at });
            }
            match Sdt::parse(rest) {
                Ok(table) => {
                    self.table(table.signature(), at, Cow::Borrowed(table.bytes()));
                    rest = table.trailing();
                }
                Err(Error { kind, .. }) => return self.found.skipped.push(Error { kind, at }),
            }
        }
    }

    /// Blocks of text: a line `SIGNATURE @ ADDRESS`, then lines that start with a space, up to any other line.
    fn text(&mut self, file: &'a [u8]) {
        let mut lines = lines(file).peekable();
        while let Some((offset, line)) = lines.next() {
            let has_data = lines.peek().is_some_and(|(_, next)| hex_line(next).is_ok());
            if !is_block_header(line) || !has_data {
                continue;
            }
            let mut bytes = Vec::new();
            let mut fault = None;
            while let Some((offset, line)) = lines.next_if(|(_, line)| line.starts_with(b" ")) {
                fault = fault.or(append(&mut bytes, line).err().map(|kind| (kind, offset)));
            }
            self.block(Source::FILE.at(offset), bytes, fault);
        }
    }

    fn block(&mut self, at: At, mut bytes: Vec<u8>, fault: Option<(ErrorKind, u32)>) {
        // The root pointer is no table: it has another header.
        if bytes.starts_with(b"RSD PTR ") {
            return;
        }
        let table = match (fault, Sdt::parse(&bytes)) {
            (Some((kind, offset)), _) => Err(Error { kind, at: Source::FILE.at(offset) }),
            (None, Err(Error { kind, .. })) => Err(Error { kind, at }),
            (None, Ok(table)) => Ok(table.signature()),
        };
        match table {
            Ok(signature) => {
                bytes.shrink_to_fit();
                self.table(signature, at, Cow::Owned(bytes));
            }
            Err(error) => self.found.skipped.push(error),
        }
    }

    fn table(&mut self, signature: [u8; 4], at: At, bytes: Cow<'a, [u8]>) {
        let next = self.seen.entry(signature).or_default();
        let source = Source { name: signature, index: *next };
        *next = next.saturating_add(1);
        self.found.tables.push(Table { source, at, bytes });
    }
}

/// The lines of a text with their offsets, without line ends of either kind.
fn lines(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    text.split_inclusive(|byte| *byte == b'\n').scan(0_usize, |next, line| {
        let offset = saturate(*next);
        *next = next.saturating_add(line.len());
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some((offset, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

/// `DSDT @ 0x737e4000`, `RSD PTR @ 0xf6cd0`, `SSDT @ (nil)` (acpica `AxIsDataBlockHeader`).
fn is_block_header(line: &[u8]) -> bool {
    !line.starts_with(b" ") && line.windows(3).any(|window| window == b" @ ")
}

/// `    02C0: 5F 53 42 5F 4C 4E 4B 44 00 12 13 04 0C FF FF 08  _SB_LNKD........`: the offset, and what follows it.
fn hex_line(line: &[u8]) -> IResult<&[u8], u32> {
    let digits = map_opt(take_while_m_n(1, 8, |byte: u8| byte.is_ascii_hexdigit()), number);
    delimited(take_while1(|byte| byte == b' '), digits, tag(":")).parse(line)
}

/// One byte of such a line. Two spaces end the bytes.
fn hex_byte(input: &[u8]) -> IResult<&[u8], u8> {
    let digits = take_while_m_n(2, 2, |byte: u8| byte.is_ascii_hexdigit());
    preceded(tag(" "), map_opt(digits, |text| number(text).and_then(|byte| u8::try_from(byte).ok())))
        .parse(input)
}

fn number(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Adds the bytes of a line, which says where they belong.
fn append(bytes: &mut Vec<u8>, line: &[u8]) -> Result<(), ErrorKind> {
    let (mut rest, offset) = hex_line(line).map_err(|_| ErrorKind::DumpLine)?;
    let have = saturate(bytes.len());
    if offset != have {
        return Err(ErrorKind::DumpGap { offset, have });
    }
    let before = bytes.len();
    while let (true, Ok((after, byte))) = (bytes.len().saturating_sub(before) < 16, hex_byte(rest)) {
        bytes.push(byte);
        rest = after;
    }
    // Behind the bytes come two spaces and the characters, or nothing.
    let end = take_while::<_, _, nom::error::Error<&[u8]>>(|byte| byte == b' ').parse(rest);
    let spaces = end.map_or(0, |(_, spaces)| spaces.len());
    let ended = rest.is_empty() || spaces >= 2 || spaces == rest.len();
    if bytes.len() == before || !ended { Err(ErrorKind::DumpLine) } else { Ok(()) }
}
