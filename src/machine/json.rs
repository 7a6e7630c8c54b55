//! Texts whose lines are JSON strings (RFC 8259): `journalctl -o json`, a list of lines, an object with the output of a command.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The strings that are lines of such a text, each with a `\n` after it; `None` for a text that is not JSON. Keys of objects are
/// left out, and of a journal's entries everything except the message.
pub(super) fn lines(text: &[u8]) -> Option<Vec<u8>> {
    let start = text.trim_ascii_start();
    let (first, behind) = start.split_first()?;
    let second = behind.trim_ascii_start().first()?;
    let is_json = match first {
        b'{' => *second == b'"',
        // `[    0.000000] …` and `[8086:1901]` are not JSON.
        b'[' => matches!(second, b'"' | b'{' | b'['),
        _ => false,
    };
    if !is_json {
        return None;
    }
    let mut lines = Vec::with_capacity(start.len());
    let mut strings = Strings { rest: start };
    let mut key: Option<Cow<'_, [u8]>> = None;
    let mut is_journal = None;
    while let Some(Found { string, is_key }) = strings.next() {
        if is_key {
            // An entry of a journal starts with a field of the journal (systemd.journal-fields).
            is_journal = is_journal.or_else(|| Some(is_field(&string)));
            key = Some(string);
            continue;
        }
        let of_message = key.take().is_none_or(|key| *key == *b"MESSAGE");
        if is_journal != Some(true) || of_message {
            lines.extend(string.iter());
            if !string.ends_with(b"\n") {
                lines.push(b'\n');
            }
        }
    }
    Some(lines)
}

/// `__CURSOR`, `_HOSTNAME`, `MESSAGE`, `PRIORITY`, `SYSLOG_IDENTIFIER`
fn is_field(key: &[u8]) -> bool {
    key.len() > 3 && key.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'))
}

/// The strings of a text, in order.
struct Strings<'a> {
    rest: &'a [u8],
}

struct Found<'a> {
    string: Cow<'a, [u8]>,
    /// The string is a key: a colon follows it.
    is_key: bool,
}

impl<'a> Strings<'a> {
    fn next(&mut self) -> Option<Found<'a>> {
        let start = self.rest.iter().position(|byte| *byte == b'"')?;
        let inside = self.rest.get(start..)?.get(1..)?;
        let (mut end, mut is_plain) = (0_usize, true);
        loop {
            match inside.get(end) {
                Some(b'\\') => {
                    is_plain = false;
                    end = end.saturating_add(2);
                }
                // The end of the text cuts a string short.
                None => break,
                Some(b'"') => break,
                Some(_) => end = end.saturating_add(1),
            }
        }
        let (string, behind) = inside.split_at(end.min(inside.len()));
        self.rest = behind.get(1..).unwrap_or_default();
        let is_key = self.rest.trim_ascii_start().first() == Some(&b':');
        let string = if is_plain { Cow::Borrowed(string) } else { Cow::Owned(plain(string)) };
        Some(Found { string, is_key })
    }
}

/// A string with its escapes resolved.
fn plain(string: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(string.len());
    let mut rest = string;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            plain.push(*first);
            continue;
        }
        let Some((escaped, behind)) = after.split_first() else { break };
        rest = behind;
        match escaped {
            b'n' => plain.push(b'\n'),
            b't' => plain.push(b'\t'),
            b'r' => plain.push(b'\r'),
            b'b' => plain.push(0x08),
            b'f' => plain.push(0x0c),
            b'u' => {
                let mut units = [0_u16; 2];
                let mut count = 0_usize;
                for unit in &mut units {
                    let digits = if count == 0 { Some(rest) } else { rest.strip_prefix(b"\\u") };
                    let Some((code, behind)) = digits.and_then(unit_of) else { break };
                    // The second is the other half of a surrogate pair, or a character of its own.
                    if count == 1 && !(0xdc00..0xe000).contains(&code) {
                        break;
                    }
                    (*unit, rest) = (code, behind);
                    count = count.saturating_add(1);
                    if !(0xd800..0xdc00).contains(&code) {
                        break;
                    }
                }
                let units = units.get(..count).unwrap_or_default();
                plain.extend(String::from_utf16_lossy(units).into_bytes());
            }
            other => plain.push(*other),
        }
    }
    plain
}

fn unit_of(digits: &[u8]) -> Option<(u16, &[u8])> {
    let (four, behind) = digits.split_at_checked(4)?;
    let four = core::str::from_utf8(four).ok().filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u16::from_str_radix(four, 16).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        lines(text.as_bytes()).map(|lines| String::from_utf8(lines).unwrap())
    }

    #[test]
    fn the_strings_of_json_are_lines() {
        for text in [
            r#"["a", "\tb \"c\"", "d"]"#,
            "[\n  \"a\",\n  \"\\tb \\\"c\\\"\",\n  \"d\"\n]\n",
            r#"{"output": ["a", "\tb \"c\"", "d"]}"#,
            r#"{"out": "a\n\tb \"c\"\nd\n", "n": 3}"#,
            r#"[["a"], ["\tb \u0022c\u0022", "d"]]"#,
        ] {
            assert_eq!(read(text).unwrap(), "a\n\tb \"c\"\nd\n", "{text}");
        }
        let journal = "{\"__CURSOR\":\"s=1\",\"PRIORITY\":\"6\",\"MESSAGE\":\"a\",\"_HOSTNAME\":\"h\"}\n{\"MESSAGE\":\"b\",\"PRIORITY\":\"6\"}\n";
        assert_eq!(read(journal).unwrap(), "a\nb\n");
        assert_eq!(read(r#"["\ud83d\ude00 \u00e9 \ud83d"]"#).unwrap(), "\u{1f600} \u{e9} \u{fffd}\n");
        assert_eq!(read(r#"["cut \"sh"#).unwrap(), "cut \"sh\n");
    }

    #[test]
    fn what_only_starts_like_json_is_none() {
        for text in ["", "[", "[    0.000000] Linux", "[8086:1901]", "{ a }", "[code]\"a\"", "text \"a\""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
