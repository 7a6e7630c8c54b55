//! Config space from the text of `lspci -x`, `-xxx` or `-xxxx`, decorated by `-v` or not.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::char;
use nom::combinator::{eof, map_opt, opt};
use nom::sequence::terminated;
use nom::{AsChar, IResult, Parser};

use super::{ConfigDump, ConfigDumps};
use crate::{At, Bdf, Error, ErrorKind, Segment, Source, bytes};

/// Bytes in the config space of a conventional PCI function.
const CONVENTIONAL: usize = 0x100;
/// Bytes in the config space of a PCI Express function.
const EXTENDED: usize = 0x1000;
/// Bytes in a line.
const LINE: usize = 16;

/// Reads the text: for each function a line that starts with its address, then lines `10: 01 02 …`, up to an empty line or
/// the next function (pciutils `lib/dump.c`). Everything else in between is decoration, and passed over.
///
/// Two things differ from pciutils. Lines may be left out only behind the first 256 bytes, and then mean zeros: a function
/// with any line there has all its 4,096 bytes. (Elsewhere a missing line is an error, and pciutils fills it with `ff`.)
/// And a line that cannot be read costs the function that it belongs to, not the whole text.
///
/// ```
/// let text = b"0000:00:01.0 PCI bridge: Example\n\
///              00: 36 1b 0c 00 07 04 10 00 00 00 04 06 00 00 01 00\n\
///              10: 00 00 70 10 00 00 00 00 00 01 0d 00 10 70 00 00\n";
/// let dumps = fwspec::machine::lspci::parse(text)?;
/// let bridge = &dumps.functions[0];
/// assert_eq!(bridge.bdf.to_string(), "0000:00:01.0");
/// assert_eq!((bridge.bytes.len(), bridge.bytes[0x19]), (32, 1));
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::TooLarge`] beyond 4 GiB and [`ErrorKind::NoFunctions`] when no line starts with a PCI address. What costs
/// only one function is in [`ConfigDumps::skipped`].
pub fn parse(text: &[u8]) -> Result<ConfigDumps, Error> {
    let fails = |kind| Err(Error { kind, at: Source::FILE.at(0) });
    if u32::try_from(text.len()).is_err() {
        return fails(ErrorKind::TooLarge);
    }
    let mut reader = Reader::default();
    let mut offset: usize = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        reader.line(line.trim_ascii_end(), Source::FILE.at(bytes::saturate(offset)));
        offset = offset.saturating_add(line.len());
    }
    reader.close();
    match reader.dumps {
        ConfigDumps { functions, skipped } if functions.is_empty() && skipped.is_empty() => {
            fails(ErrorKind::NoFunctions)
        }
        dumps => Ok(dumps),
    }
}

/// Whether this line starts a function, as far as one line tells.
pub(super) fn starts_function(line: &[u8]) -> bool {
    address(line).is_ok()
}

/// For a line that starts a function, which: `None` inside for an address that no function can have.
pub(super) fn function_of_line(line: &[u8]) -> Option<Option<Bdf>> {
    address(line).ok().map(|(_, address)| address.bdf())
}

#[derive(Default)]
struct Reader {
    dumps: ConfigDumps,
    /// Where each function was listed.
    listed: BTreeMap<Bdf, u32>,
    current: Current,
}

/// The function whose lines are being read.
#[derive(Default)]
enum Current {
    /// Before the first, or behind an empty line.
    #[default]
    None,
    /// This one.
    Open(ConfigDump),
    /// One that is left out already.
    Skipped,
}

impl Reader {
    fn line(&mut self, line: &[u8], at: At) {
        if line.is_empty() {
            self.close();
        } else if let Ok((_, address)) = address(line) {
            self.close();
            self.open(address, at);
        } else if let Ok((digits, offset)) = line_offset(line) {
            self.config_line(offset, digits, at);
        }
    }

    fn open(&mut self, address: Address, at: At) {
        let kind = match address.bdf() {
            None => ErrorKind::PciAddress { device: address.device, function: address.function },
            Some(bdf) => match self.listed.get(&bdf) {
                Some(first) => ErrorKind::ListedTwice { first: *first },
                None => {
                    self.listed.insert(bdf, at.offset);
                    self.current = Current::Open(ConfigDump { bdf, bytes: Vec::new(), at });
                    return;
                }
            },
        };
        self.skip(Error { kind, at });
    }

    fn config_line(&mut self, offset: u32, digits: &[u8], at: At) {
        let read = match &mut self.current {
            Current::Open(dump) => append_line(&mut dump.bytes, bytes::index(offset), digits),
            Current::Skipped => Ok(()),
            Current::None => Err(ErrorKind::StrayBytes),
        };
        if let Err(kind) = read {
            self.skip(Error { kind, at });
        }
    }

    /// Leaves the function out, and what follows up to the next one.
    fn skip(&mut self, error: Error) {
        self.dumps.skipped.push(error);
        self.current = Current::Skipped;
    }

    fn close(&mut self) {
        let Current::Open(mut dump) = core::mem::take(&mut self.current) else { return };
        match dump.bytes.len() {
            0 => return self.dumps.skipped.push(Error { kind: ErrorKind::NoConfigBytes, at: dump.at }),
            length if may_leave_out(length) => dump.bytes.resize(EXTENDED, 0),
            _ => {}
        }
        self.dumps.functions.push(dump);
    }
}

/// Whether the lines that follow `length` bytes may be missing because they are all zero.
fn may_leave_out(length: usize) -> bool {
    length > CONVENTIONAL && length.is_multiple_of(LINE)
}

/// Takes the bytes of a line that starts at `offset` in config space.
fn append_line(config: &mut Vec<u8>, offset: usize, mut digits: &[u8]) -> Result<(), ErrorKind> {
    let next = config.len();
    if offset > next && (next == CONVENTIONAL || may_leave_out(next)) && offset < EXTENDED {
        config.resize(offset, 0);
    } else if offset != next {
        return Err(ErrorKind::ConfigOffset { next: bytes::saturate(next), found: bytes::saturate(offset) });
    }
    while !digits.is_empty() {
        let found = || [0, 1].map(|n| digits.get(n).copied().unwrap_or(b' '));
        let (rest, byte) = config_byte(digits).map_err(|_| ErrorKind::ConfigDigits(found()))?;
        if config.len() >= EXTENDED {
            return Err(ErrorKind::ConfigEnd);
        }
        config.push(byte);
        digits = rest;
    }
    Ok(())
}

/// A PCI address as written, its parts not yet checked against what they may be.
struct Address {
    segment: Option<u32>,
    bus: u8,
    device: u8,
    function: u8,
}

impl Address {
    fn bdf(&self) -> Option<Bdf> {
        let exists = self.device < 32 && self.function < 8;
        let segment = Segment(self.segment.unwrap_or(0));
        exists.then(|| Bdf::new(segment, self.bus, self.device, self.function))
    }
}

/// `0000:01:00.0` or `01:00.0`, followed by a space or the end of the line.
fn address(line: &[u8]) -> IResult<&[u8], Address> {
    let segment = opt(terminated(hex::<u32>(4, 8), char(':')));
    let bus = terminated(hex(2, 2), char(':'));
    let device = terminated(hex(2, 2), char('.'));
    let function = terminated(hex(1, 1), alt((tag(" "), eof)));
    (segment, bus, device, function)
        .map(|(segment, bus, device, function)| Address { segment, bus, device, function })
        .parse(line)
}

/// `1f0: `, and no more.
fn line_offset(line: &[u8]) -> IResult<&[u8], u32> {
    terminated(hex(2, 4), tag(": ")).parse(line)
}

/// Two digits and the space that divides them from the next two.
fn config_byte(digits: &[u8]) -> IResult<&[u8], u8> {
    terminated(hex(2, 2), alt((tag(" "), eof))).parse(digits)
}

/// A hexadecimal number of `min` to `max` digits.
fn hex<'a, T: TryFrom<u32>>(
    min: usize,
    max: usize,
) -> impl Parser<&'a [u8], Output = T, Error = nom::error::Error<&'a [u8]>> {
    map_opt(take_while_m_n(min, max, AsChar::is_hex_digit), |digits: &[u8]| {
        let text = core::str::from_utf8(digits).ok()?;
        T::try_from(u32::from_str_radix(text, 16).ok()?).ok()
    })
}
