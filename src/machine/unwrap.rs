//! What stands around a text that went through mails, pastes, terminals and pagers: one step before every reader of text.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes;

/// Where a line of a text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its number, from 1.
    pub line: u32,
    /// Bytes before it, in the text as its lines are read: of UTF-16 in UTF-8.
    pub offset: u32,
}

/// Columns of a line that a terminal's marks are played on; more of such a line is left as it is.
const MAX_PLAYED: usize = 4096;

/// The text as UTF-8: UTF-16 of either order is turned, by its byte order mark or its zero bytes, and a mark of UTF-8 is left out.
pub(super) fn as_utf8(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(of_units(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(of_units(rest, u16::from_be_bytes)),
        // Four characters of ASCII in a row.
        [a, 0, b, 0, c, 0, d, 0, ..] if [a, b, c, d].into_iter().all(is_text) => {
            Cow::Owned(of_units(text, u16::from_le_bytes))
        }
        [0, a, 0, b, 0, c, 0, d, ..] if [a, b, c, d].into_iter().all(is_text) => {
            Cow::Owned(of_units(text, u16::from_be_bytes))
        }
        _ => Cow::Borrowed(text),
    }
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

fn of_units(text: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units = text.chunks_exact(2).map(|pair| unit(pair.try_into().unwrap_or_default()));
    let characters = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    characters.collect::<String>().into_bytes()
}

/// The lines of a text, each without what stands around it.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    next: Place,
    /// What a line was that had to be changed.
    changed: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Of a text in UTF-8, or in anything that has ASCII in it: see [`as_utf8`].
    pub(super) fn of(text: &'a [u8]) -> Self {
        Lines { rest: text, next: Place { line: 1, offset: 0 }, changed: Vec::new() }
    }

    /// The next line without white space, quotation marks and colours around it. Lines that a pager wrote are passed over; all others
    /// come, the empty ones too.
    pub(super) fn next(&mut self) -> Option<(Place, &[u8])> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(self.rest.len(), |end| end.saturating_add(1));
            let (line, rest) = self.rest.split_at_checked(length)?;
            let place = self.next;
            self.rest = rest;
            self.next.line = place.line.saturating_add(1);
            self.next.offset = place.offset.saturating_add(bytes::saturate(length));
            let plain = line.trim_ascii_end();
            if !plain.iter().any(|byte| matches!(byte, 0x1b | 0x08 | b'\r' | 0xc2 | 0x0c)) {
                let line = inside(plain);
                if is_of_pager(line) {
                    continue;
                }
                return Some((place, line));
            }
            self.changed.clear();
            play(plain, &mut self.changed);
            if is_of_pager(inside(&self.changed)) {
                continue;
            }
            return Some((place, inside(&self.changed)));
        }
    }
}

/// What a pager leaves in a line of its own.
fn is_of_pager(line: &[u8]) -> bool {
    line.starts_with(b"--More--")
        || line.starts_with(b"-- More --")
        || matches!(line, b"(END)" | b"~" | b"lines")
}

/// A line without white space, marks of quotation and of code around it.
fn inside(line: &[u8]) -> &[u8] {
    let mut line = line.trim_ascii();
    loop {
        let rest = match line {
            // Marks of quotation stand in front of the text that they quote, in rows.
            [b'>' | b'|' | b'`', rest @ ..] => rest,
            [b'<', b'p', b'r', b'e', b'>', rest @ ..] => rest,
            [b'<', b'c', b'o', b'd', b'e', b'>', rest @ ..] => rest,
            _ => return line,
        };
        line = rest.trim_ascii_start();
    }
}

/// Plays what a terminal would show of a line: carriage returns, backspaces, overstrikes and escape sequences (ECMA-48 §5.4, §8.3.41).
fn play(line: &[u8], shown: &mut Vec<u8>) {
    let mut at = 0_usize;
    let mut rest = line;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (0x1b, [b'[', sequence @ ..]) => {
                let end = sequence.iter().position(|byte| matches!(byte, 0x40..=0x7e));
                let (parameters, behind) = sequence.split_at(end.unwrap_or(sequence.len()));
                // Erase to the end of the line.
                if behind.first() == Some(&b'K') && matches!(parameters, b"" | b"0") {
                    shown.truncate(at);
                }
                rest = behind.get(1..).unwrap_or_default();
            }
            // A command to the system, up to BEL or ESC \.
            (0x1b, [b']', sequence @ ..]) => {
                let end = sequence.iter().position(|byte| matches!(byte, 0x07 | 0x1b));
                let behind = end.and_then(|end| sequence.get(end..)).unwrap_or_default();
                rest = behind.strip_prefix(b"\x1b\\").or(behind.get(1..)).unwrap_or_default();
            }
            (0x1b, [b'(' | b')', _, behind @ ..] | [_, behind @ ..]) => rest = behind,
            (0x1b, []) => {}
            (b'\r', _) => at = 0,
            (0x0c, _) => {}
            (0x08, _) => at = at.saturating_sub(1),
            // A space that does not break.
            (0xc2, [0xa0, behind @ ..]) => {
                put(b' ', &mut at, shown);
                rest = behind;
            }
            (byte, _) => put(*byte, &mut at, shown),
        }
    }
}

fn put(byte: u8, at: &mut usize, shown: &mut Vec<u8>) {
    match shown.get_mut(*at) {
        Some(there) if *at < MAX_PLAYED => *there = byte,
        _ => shown.push(byte),
    }
    *at = at.saturating_add(1).min(shown.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn lines(text: &[u8]) -> Vec<(u32, String)> {
        let text = as_utf8(text);
        let mut lines = Lines::of(&text);
        let mut found = vec![];
        while let Some((place, line)) = lines.next() {
            found.push((place.line, String::from_utf8_lossy(line).into_owned()));
        }
        found
    }

    #[test]
    fn a_line_is_what_a_reader_sees() {
        for text in [
            "00:01.0 Bridge",
            "> > 00:01.0 Bridge  ",
            "\t    00:01.0 Bridge\r",
            "\x1b[1m00:01.0\x1b[0m \x1b[32mBridge\x1b[K",
            "0\x0800\x080:01.0 B\x08Bridge\x08e",
            "_\x080_\x080:01.0 Bridge",
            "--More--\x08\x08\x08\x08\x08\x08\x08\x08        \x08\x08\x08\x08\x08\x08\x08\x0800:01.0 Bridge",
            "--More--\r\x1b[K00:01.0 Bridge",
            "\u{feff}00:01.0\u{a0}Bridge",
            "\x1b]0;title\x0700:01.0 Bridge",
            "<pre>00:01.0 Bridge",
        ] {
            assert_eq!(lines(text.as_bytes()), [(1, "00:01.0 Bridge".into())], "{text:?}");
        }
    }

    #[test]
    fn utf16_is_read_in_either_order_with_or_without_its_mark() {
        let units: Vec<u16> = "00:01.0\r\nB\u{e9}".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for text in [
            [vec![0xff, 0xfe], little.clone()].concat(),
            [vec![0xfe, 0xff], big.clone()].concat(),
            little,
            big,
        ] {
            assert_eq!(lines(&text), [(1, "00:01.0".into()), (2, "B\u{e9}".into())]);
        }
    }

    #[test]
    fn what_a_pager_wrote_takes_no_line_away() {
        assert_eq!(lines(b"a\n--More--(42%)\n\nb"), [(1, "a".into()), (3, "".into()), (4, "b".into())]);
    }
}
