//! The start of a function in a listing: its address, its class, and the first bytes of its configuration space.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::char;
use nom::combinator::{eof, map_opt, opt};
use nom::error::{Error, ErrorKind};
use nom::sequence::terminated;
use nom::{AsChar, IResult, Parser};

use super::decoded;
use crate::{Bdf, Segment};

/// Bytes in a line.
pub(super) const LINE: usize = 16;

/// Whether this line starts a function, as far as one line shows.
pub(super) fn starts_function(line: &[u8]) -> bool {
    address(line).is_ok()
}

/// Whether configuration space of a function may follow this line: it starts a function, or a record of `lspci -vmm`.
pub(super) fn starts_function_or_record(line: &[u8]) -> bool {
    starts_function(line.strip_prefix(b"Slot:").map_or(line, <[u8]>::trim_ascii_start))
}

/// Whether this line certainly starts a function, unlike prose that mentions one: the name of a class follows the address, and a
/// colon or nothing follows the class.
pub(super) fn is_header(line: &[u8]) -> bool {
    address(line).is_ok_and(|(rest, _)| decoded::is_class(rest))
}

/// The offset in a line at which a function certainly starts, after anything that precedes it.
pub(super) fn header_in(line: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'.', line).find_map(|dot| {
        let short = dot.checked_sub(5)?;
        // Of bus and device.
        if line.get(short.checked_add(2)?) != Some(&b':') {
            return None;
        }
        // A segment has at least four digits.
        let digits = |from: &&[u8]| from.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let segment = line.get(..short)?.strip_suffix(b":").map(|before| (digits(&before), before.len()));
        let long = segment.filter(|(digits, _)| (4..=8).contains(digits));
        let long = long.and_then(|(digits, end)| end.checked_sub(digits));
        long.into_iter().chain([short]).find(|at| line.get(*at..).is_some_and(is_header))
    })
}

/// Whether this is a line of 16 bytes of configuration space, the first of a function.
pub(super) fn starts_config(line: &[u8]) -> bool {
    line_offset(line).is_ok_and(|(digits, offset)| offset == 0 && is_line_of_bytes(digits))
}

/// Whether there are 16 bytes.
fn is_line_of_bytes(mut digits: &[u8]) -> bool {
    for _ in 0..LINE {
        let Ok((rest, _)) = config_byte(digits) else { return false };
        digits = rest;
    }
    true
}

/// A PCI address as written; its parts may be out of range.
pub(super) struct Address {
    segment: Option<u32>,
    bus: u8,
    pub(super) device: u8,
    pub(super) function: u8,
}

impl Address {
    pub(super) fn bdf(&self) -> Option<Bdf> {
        let exists = self.device < 32 && self.function < 8;
        let segment = Segment(self.segment.unwrap_or(0));
        exists.then(|| Bdf::new(segment, self.bus, self.device, self.function))
    }
}

/// `0000:01:00.0` or `01:00.0`, followed by white space or the end of the line.
pub(super) fn address(line: &[u8]) -> IResult<&[u8], Address> {
    two_digits(line)?;
    let segment = opt(terminated(hex::<u32>(4, 8), char(':')));
    let bus = terminated(hex(2, 2), char(':'));
    let device = terminated(hex(2, 2), char('.'));
    let function = terminated(hex(1, 1), alt((tag(" "), tag("\t"), eof)));
    (segment, bus, device, function)
        .map(|(segment, bus, device, function)| Address { segment, bus, device, function })
        .parse(line)
}

/// `1f0: ` and nothing else.
pub(super) fn line_offset(line: &[u8]) -> IResult<&[u8], u32> {
    two_digits(line)?;
    terminated(hex(2, 4), alt((tag(": "), tag(":\t")))).parse(line)
}

/// Most lines start in another way, which two bytes show.
fn two_digits(line: &[u8]) -> Result<(), nom::Err<Error<&[u8]>>> {
    let is_number = matches!(line, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    is_number.then_some(()).ok_or_else(|| nom::Err::Error(Error::new(line, ErrorKind::HexDigit)))
}

/// Two digits, and the space between them and the next two.
pub(super) fn config_byte(digits: &[u8]) -> IResult<&[u8], u8> {
    terminated(hex(2, 2), alt((tag(" "), tag("\t"), eof))).parse(digits)
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
