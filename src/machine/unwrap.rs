//! What mails, pastes, terminals and pagers add around the lines of a text: one step before every reader of text.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use memchr::memchr;

use super::front::Front;
use super::markup;
use crate::bytes;

/// The place of a line in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinePlace {
    /// Its number, from 1.
    pub line: u32,
    /// Number of bytes before it, in the text as it is read: UTF-16 counts as UTF-8.
    pub offset: u32,
}

/// Number of columns in which terminal codes of a line are applied; a longer line stays as it is.
const MAX_PLAYED: usize = 4096;

/// The text as UTF-8 with lines that end in `\n`: UTF-16 of either order is converted, by its byte order mark or its zero bytes; a
/// mark of UTF-8 is left out; the line ends of mail programs and web pages are restored ([`markup`]).
pub(super) fn as_utf8(text: &[u8]) -> Cow<'_, [u8]> {
    match encoded(text) {
        Cow::Borrowed(text) => markup::lines(text),
        Cow::Owned(text) => Cow::Owned(markup::lines(&text).into_owned()),
    }
}

fn encoded(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(of_units(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(of_units(rest, u16::from_be_bytes)),
        // Four consecutive ASCII characters.
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

/// The lines of a text, each without what surrounds it.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    next: LinePlace,
    /// What precedes every line.
    front: Option<Front>,
    /// The content of a line that had to be changed.
    changed: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// The lines of a text in UTF-8, or in another encoding that includes ASCII: see [`as_utf8`].
    pub(super) fn of(text: &'a [u8]) -> Self {
        Lines {
            rest: text,
            next: LinePlace { line: 1, offset: 0 },
            front: Front::of(text),
            changed: Vec::new(),
        }
    }

    /// The next line without white space, quotation marks and colours around it. Lines of a pager are skipped; all others are
    /// returned, including empty ones.
    pub(super) fn next(&mut self) -> Option<(LinePlace, &[u8])> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = memchr(b'\n', self.rest);
            let length = end.map_or(self.rest.len(), |end| end.saturating_add(1));
            let (line, rest) = self.rest.split_at_checked(length)?;
            let place = self.next;
            self.rest = rest;
            self.next.line = place.line.saturating_add(1);
            self.next.offset = place.offset.saturating_add(bytes::saturate(length));
            let plain = line.trim_ascii_end();
            let plain = self.front.as_ref().and_then(|front| front.strip(plain)).unwrap_or(plain);
            if !is_played_in(plain) && !markup::changes(plain) {
                let line = inside(plain);
                if is_of_pager(line) {
                    continue;
                }
                return Some((place, line));
            }
            self.changed.clear();
            play(plain, &mut self.changed);
            markup::undo(&mut self.changed);
            if is_of_pager(inside(&self.changed)) {
                continue;
            }
            return Some((place, inside(&self.changed)));
        }
    }
}

/// Whether a line has any such byte.
fn is_played_in(line: &[u8]) -> bool {
    // The loop does not end early, so that the compiler can make it look at many bytes at once.
    let may_be = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 128..);
    line.iter().fold(false, |any, byte| any | may_be(byte)) && line.iter().any(|byte| is_played(*byte))
}

/// Whether a byte is, or starts, something that a terminal or a reader of text does not show literally.
fn is_played(byte: u8) -> bool {
    matches!(byte, 0x1b | 0x08 | b'\r' | 0x0c | 0xc2 | 0xe2 | 0xe3 | 0xef | 0xa0)
}

/// A line that a pager leaves.
pub(super) fn is_of_pager(line: &[u8]) -> bool {
    line.starts_with(b"--More--")
        || line.starts_with(b"-- More --")
        || line.starts_with(b"lines ") && line.get(6).is_some_and(u8::is_ascii_digit)
        || matches!(line, b"(END)" | b"~" | b"lines" | b":")
}

/// A line without the white space and the marks of quotations, lists and code around it.
fn inside(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    // The end of a row of a table.
    let mut line = line.strip_suffix(b" |").unwrap_or(line).trim_ascii_end();
    loop {
        let rest = match line {
            // Marks of quotation precede the quoted text, often several of them.
            [b'>' | b'|' | b'`' | b'"', rest @ ..] => rest,
            // An entry of a list, or a line that a patch adds; `+-` and a lone `*` are something else.
            [b'-' | b'*' | b'+', b' ' | b'\t', rest @ ..] => rest,
            [b'+', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
            _ => return line,
        };
        line = rest.trim_ascii_start();
    }
}

/// Applies the codes of a line as a terminal does: carriage returns, backspaces, overstrikes and escape sequences (ECMA-48 §5.4,
/// §8.3.41).
fn play(line: &[u8], shown: &mut Vec<u8>) {
    let mut at = 0_usize;
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let from = rest;
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
            // A command to the terminal, up to BEL or ESC \.
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
            (0x80.., _) => {
                let (character, length) = character(from);
                character.iter().for_each(|byte| put(*byte, &mut at, shown));
                rest = from.get(length..).unwrap_or_default();
            }
            (byte, _) => put(*byte, &mut at, shown),
        }
    }
}

/// The character that starts here, as people read it, and its length. Spaces of other widths and no-break spaces are spaces,
/// characters without width are nothing, and the dashes of word processors are minus signs. A byte that is not UTF-8 is from a
/// Windows code page.
fn character(bytes: &[u8]) -> (&[u8], usize) {
    let near = bytes.get(..4).unwrap_or(bytes);
    let valid = near.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    let Some(character) = valid else {
        return (if bytes.first() == Some(&0xa0) { b" " } else { bytes.get(..1).unwrap_or_default() }, 1);
    };
    let length = character.len_utf8();
    let shown: &[u8] = match character {
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => b" ",
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => b"",
        '\u{2010}'..='\u{2014}' | '\u{2212}' => b"-",
        _ => bytes.get(..length).unwrap_or_default(),
    };
    (shown, length)
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
            "<div><pre class=\"x\"><code>00:01.0 Bridge</code></pre>",
            "[code]00:01.0 Bridge[/code]",
            "- > 00:01.0 Bridge",
            "* 00:01.0 Bridge",
            "+00:01.0 Bridge",
            "&gt; 00:01.0&nbsp;Bridge",
            "\u{200b}00:01.0\u{202f}Bridge\u{200b}",
            "^[[1m00:01.0[0m Bridge",
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
        let windows: Vec<u8> = lines(b"00:01.0\xa0Caf\xe9\xa0")[0].1.bytes().collect();
        assert_eq!(windows, "00:01.0 Caf\u{fffd}".as_bytes());
        assert_eq!(lines("Caf\u{e0}\u{a0}x".as_bytes()), [(1, "Caf\u{e0} x".into())]);
        assert_eq!(lines(b"a\nlines 1-23/99 25%\n:\n\nb").len(), 3);
        assert_eq!(lines(b"a\n--More--(42%)\n\nb"), [(1, "a".into()), (3, "".into()), (4, "b".into())]);
    }
}
