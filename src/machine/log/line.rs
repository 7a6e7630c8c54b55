//! A line of a log as it comes: stamps, levels, quoting, what terminals and serial lines add.

use alloc::string::String;

use memchr::{memchr, memmem};

/// Writes a line without what terminals and serial lines add: white space is one blank, colours and other control characters are
/// gone, and what is not ASCII is `?`.
pub(super) fn clean(raw: &[u8], cleaned: &mut String) {
    cleaned.clear();
    let inside = raw.trim_ascii();
    // No loop that ends early: of such the compiler makes one that looks at many bytes at once.
    let is_plain = inside.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~' | b'\t'));
    match core::str::from_utf8(inside) {
        Ok(text) if is_plain => squeeze(text, cleaned),
        _ => play(raw, cleaned),
    }
}

/// Writes a line of words and blanks, each of these once.
fn squeeze(mut text: &str, cleaned: &mut String) {
    // Nearly all lines of a kernel have several blanks in a row only here: `[    1.234567]`.
    if let Some(stamp) = text.strip_prefix("[ ") {
        cleaned.push_str("[ ");
        text = stamp.trim_ascii_start();
    }
    for _ in 0..MAX_PIECES {
        let bytes = text.as_bytes();
        let is_done = !bytes.windows(2).fold(false, |any, pair| any | (pair == b"  "))
            && !bytes.iter().fold(false, |any, byte| any | (*byte == b'\t'));
        if is_done {
            return cleaned.push_str(text);
        }
        let tab = memchr(b'\t', bytes).unwrap_or(text.len());
        let before = text.get(..tab).unwrap_or(text);
        let end = memmem::find(before.as_bytes(), b"  ").unwrap_or(tab);
        let Some((word, rest)) = text.split_at_checked(end) else { return };
        cleaned.push_str(word.trim_ascii_end());
        cleaned.push(' ');
        text = rest.trim_ascii_start();
    }
    play(text.as_bytes(), cleaned);
}

/// Pieces that a line is cleaned in, each of which looks at all that follows; what is left is cleaned letter by letter.
const MAX_PIECES: usize = 8;

/// Writes any line.
fn play(raw: &[u8], cleaned: &mut String) {
    let mut bytes = raw.iter();
    let mut blank = true;
    while let Some(&byte) = bytes.next() {
        match byte {
            // Select graphic rendition and the like: ESC [ … letter.
            0x1b if bytes.next() == Some(&b'[') => {
                let _ = bytes.by_ref().find(|byte| (0x40..=0x7e).contains(*byte));
            }
            0x1b => {}
            b'!'..=b'~' => {
                cleaned.push(char::from(byte));
                blank = false;
            }
            0 | 0x7f | 8 => {}
            0x80.. => {
                let sign = SIGNS.iter().find(|(sign, _)| {
                    sign.split_first()
                        .is_some_and(|(first, rest)| *first == byte && bytes.as_slice().starts_with(rest))
                });
                match sign {
                    Some((sign, plain)) => {
                        bytes =
                            bytes.as_slice().get(sign.len().saturating_sub(1)..).unwrap_or_default().iter();
                        if *plain != " " || !blank {
                            cleaned.push_str(plain);
                        }
                        blank = *plain == " " || blank && plain.is_empty();
                    }
                    // One mark for a character of several bytes.
                    None => {
                        if byte >= 0xc0 || !cleaned.ends_with('?') {
                            cleaned.push('?');
                        }
                        blank = false;
                    }
                }
            }
            _ if !blank => {
                cleaned.push(' ');
                blank = true;
            }
            _ => {}
        }
    }
    if cleaned.ends_with(' ') {
        cleaned.pop();
    }
}

/// Signs that web pages and word processors write in place of plain ones, and those.
const SIGNS: [(&[u8], &str); 16] = [
    (b"\xc2\xa0", " "),
    (b"\xc2\xad", ""),
    (b"\xe2\x80\x89", " "),
    (b"\xe2\x80\x8a", " "),
    (b"\xe2\x80\x8b", ""),
    (b"\xe2\x80\x8c", ""),
    (b"\xe2\x80\x8d", ""),
    (b"\xe2\x80\x93", "-"),
    (b"\xe2\x80\x94", "-"),
    (b"\xe2\x80\x98", "'"),
    (b"\xe2\x80\x99", "'"),
    (b"\xe2\x80\x9c", "\""),
    (b"\xe2\x80\x9d", "\""),
    (b"\xe2\x80\xa6", "..."),
    (b"\xe2\x80\xaf", " "),
    (b"\xef\xbb\xbf", ""),
];

/// Signs as mail (RFC 2045 §6.7) and HTML write them, and the signs. Quoted-printable has more, which a log has for itself: `cb=20`.
const WRITTEN: [(&str, &str); 9] = [
    ("=3D", "="),
    ("=C2=A0", " "),
    ("=2E", "."),
    ("&gt;", ">"),
    ("&lt;", "<"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&nbsp;", " "),
    ("&amp;", "&"),
];

/// A cleaned line with the signs that are written in the way of mail or HTML; nothing where it has none.
pub(super) fn decoded(line: &str) -> Option<String> {
    let mut written = WRITTEN.iter().filter(|(written, _)| line.contains(written)).peekable();
    written.peek()?;
    let mut decoded = String::from(line);
    for (written, sign) in written {
        decoded = decoded.replace(written, sign);
    }
    let mut cleaned = String::new();
    clean(decoded.as_bytes(), &mut cleaned);
    Some(cleaned)
}

/// Two cleaned lines that were one: a mail program or a terminal broke it.
pub(super) fn joined(line: &str, rest: &str) -> String {
    let rest = rest.trim_start_matches(['>', '|', ' ']);
    let mut joined = String::from(line);
    // A soft line break of quoted-printable text.
    if joined.ends_with('=') {
        joined.pop();
    } else {
        joined.push(' ');
    }
    joined.push_str(rest);
    // What follows the next soft line break may be the rest of a sign.
    let is_broken_again = joined.ends_with('=');
    if is_broken_again {
        joined.pop();
    }
    joined = decoded(&joined).unwrap_or(joined);
    if is_broken_again {
        joined.push('=');
    }
    joined
}

/// The seconds since the boot that a line has, in microseconds, and where they end: `[   12.345678]` wherever it is near the
/// start, also with a processor (`[12.345678@3]`, `[12.345678,0]`).
pub(super) fn seconds(line: &str) -> Option<(u64, usize)> {
    let mut from = 0_usize;
    let near = line.as_bytes().get(..160).unwrap_or(line.as_bytes());
    while let Some(open) = memchr(b'[', near.get(from..)?).and_then(|at| at.checked_add(from)) {
        from = open.saturating_add(1);
        let inside = line.as_bytes().get(from..)?;
        let Some(close) = memchr(b']', inside) else { continue };
        if let Some(microseconds) = inside.get(..close).and_then(microseconds) {
            return Some((microseconds, from.saturating_add(close).saturating_add(1)));
        }
    }
    None
}

/// A number of seconds with six decimals, as microseconds. Nothing but a processor may follow.
fn microseconds(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let mut rest = text.iter();
    let mut number = 0_u64;
    let mut decimals = None;
    while let Some(byte) = rest.next() {
        match (byte, decimals) {
            (b'0'..=b'9', _) => {
                number = number.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0')))?;
                decimals = decimals.map(|decimals: u8| decimals.saturating_add(1));
            }
            (b'.', None) => decimals = Some(0),
            (b'@' | b',' | b'(', Some(6)) => return Some(number),
            (b' ', Some(6)) => {
                let next = rest.find(|byte| **byte != b' ');
                return matches!(next, Some(b'@' | b',' | b'(')).then_some(number);
            }
            _ => return None,
        }
    }
    (decimals == Some(6)).then_some(number)
}

/// When a line was written, as it says itself: seconds since the boot, or a date.
pub(super) fn stamp(line: &str) -> Option<String> {
    if let Some((microseconds, _)) = seconds(line) {
        let (whole, part) = (microseconds / 1_000_000, microseconds % 1_000_000);
        return Some(alloc::format!("{whole}.{part:06}"));
    }
    date(line).map(String::from)
}

/// Whether a line has a date and a time of day where stamps are: what [`stamp`] finds, without a look at every word.
pub(super) fn is_dated(line: &str) -> bool {
    let start = line.trim_start_matches(['>', '|', ' ']);
    if let Some((inside, _)) = start.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && has_time(inside)
    {
        return true;
    }
    let near = start.as_bytes().get(..MAX_DATE).unwrap_or(start.as_bytes());
    let third = memchr::memchr_iter(b' ', near).nth(2);
    let end = third.or(if start.len() <= MAX_DATE { Some(start.len()) } else { memchr::memrchr(b' ', near) });
    end.and_then(|end| start.get(..end)).is_some_and(has_time)
}

fn date(line: &str) -> Option<&str> {
    let start = line.trim_start_matches(['>', '|', ' ']);
    // [Mon Jan  1 00:00:00 2024]
    if let Some((inside, _)) = start.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && has_time(inside)
    {
        return Some(inside.trim());
    }
    // Nov 28 12:00:00 host kernel: …, 2024-11-28T12:00:00.123456+01:00 host kernel: …
    let words = start.match_indices(' ').map(|(at, _)| at).chain([start.len()]).take(3);
    words.filter_map(|end| start.get(..end)).find(|front| has_time(front))
}

/// Bytes that a date takes at most.
const MAX_DATE: usize = 40;

/// Whether a text has a time of day: `12:00:00` with what belongs to a date, and nothing else.
fn has_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let time = |at: usize| {
        let time = bytes.get(at..at.saturating_add(8)).unwrap_or_default();
        let digits = [0, 1, 3, 4, 6, 7].iter().all(|at| time.get(*at).is_some_and(u8::is_ascii_digit));
        let ends =
            bytes.get(at.saturating_add(8)).is_none_or(|byte| !byte.is_ascii_hexdigit() && *byte != b':');
        digits && [2, 5].iter().all(|at| time.get(*at) == Some(&b':')) && ends
    };
    text.len() <= MAX_DATE
        && memchr::memchr_iter(b':', bytes).any(|colon| colon.checked_sub(2).is_some_and(time))
}

/// Whether a line is of a kernel log, by how it starts.
pub(super) fn is_of_a_log(line: &str) -> bool {
    let start = line.get(..80).unwrap_or(line);
    seconds(line).is_some_and(|(_, end)| end < 100)
        || start.contains(" kernel: ") && stamp(line).is_some()
        || line.starts_with('[') && stamp(line).is_some()
        || line.starts_with("kern :")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_seen_where_it_is_read() {
        let long = "x".repeat(60);
        let lines = [
            "Nov 28 12:00:00 host kernel: x",
            "2024-11-28T12:00:00.123456+01:00 host kernel: x",
            "> [Mon Jan  1 00:00:00 2024] x",
            "12:00:00",
            "a b c 12:00:00 d",
            "pci 0000:00:01.0: Adding to iommu group 1",
            "Request device [00:16.7] PASID ffffffff fault addr 9cdff000",
            "",
            " ",
            &long,
            &alloc::format!("12:00:00 {long}"),
            &alloc::format!("12:00:00 a {long}"),
            &alloc::format!("{long} 12:00:00"),
        ];
        for line in lines {
            assert_eq!(is_dated(line), date(line).is_some(), "{line:?}");
        }
    }

    #[test]
    fn a_line_of_words_and_blanks_is_cleaned_as_any_other() {
        let many = "c\td  ".repeat(9);
        let parts =
            ["", " ", "  ", "\t", " \t ", "a", "[    1.000000]", &many, "\r", "x y", "\u{1b}[1m", "\u{e9}"];
        for one in parts {
            for two in parts {
                for three in parts {
                    let line = alloc::format!("{one}{two}b{three}{one}");
                    let (mut cleaned, mut played) = (String::new(), String::new());
                    clean(line.as_bytes(), &mut cleaned);
                    play(line.as_bytes(), &mut played);
                    assert_eq!(cleaned, played, "{line:?}");
                }
            }
        }
    }

    #[test]
    fn seconds_have_six_decimals_and_nothing_but_a_processor_after_them() {
        let rows = [
            ("[   12.345678] x", Some((12_345_678, 14))),
            ("kernel: [12.345678@3] x", Some((12_345_678, 21))),
            ("[12.345678,0]", Some((12_345_678, 13))),
            ("[ 12.345678 (3)]", Some((12_345_678, 16))),
            ("[T3356] [    0.000001] x", Some((1, 22))),
            ("[12.345678 x]", None),
            ("[12.34567]", None),
            ("[.345678]", None),
            ("[1.2.345678]", None),
            ("[99999999999999999999.345678]", None),
            ("[12.345678", None),
        ];
        for (line, expected) in rows {
            assert_eq!(seconds(line), expected, "{line}");
        }
    }
}
