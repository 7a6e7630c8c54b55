//! What mail programs, web pages and terminals add to a text: line ends, entities, tags, forum codes, colours without their escape
//! character.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use memchr::{memchr_iter, memchr2_iter, memchr3, memmem};

use super::json;

/// The text with lines that end in `\n`: quoted-printable (RFC 2045 section 6.7), `<br>`, a JSON string, lone carriage returns and
/// U+2028 are converted.
pub(super) fn lines(text: &[u8]) -> Cow<'_, [u8]> {
    if let Some(lines) = json::lines(text) {
        return Cow::Owned(lines);
    }
    let signs = Signs::of(text);
    let mut text = Cow::Borrowed(text);
    if signs.quoted_printable > 0 && is_quoted_printable(&text) {
        text = Cow::Owned(printable(&text));
    }
    // A string literal of a program: it has more escaped line ends than real ones.
    let is_escaped = signs.escapes > signs.ends.saturating_mul(4) || signs.escapes > 1 && signs.ends <= 1;
    // A terminal uses them to go back in the line, which a reader of lines does not do.
    let returns_end = signs.ends == 0 && signs.returns > 0 && signs.played == 0;
    if is_escaped || returns_end || signs.breaks > 0 || signs.separators > 0 {
        text = Cow::Owned(broken(&text, is_escaped, returns_end));
    }
    text
}

/// How often something that may end a line is in a text.
#[derive(Default)]
struct Signs {
    ends: usize,
    returns: usize,
    played: usize,
    escapes: usize,
    breaks: usize,
    separators: usize,
    quoted_printable: usize,
}

impl Signs {
    fn of(text: &[u8]) -> Self {
        let count = |byte| memchr_iter(byte, text).count();
        let followed = |byte, by: fn(&[u8]) -> bool| {
            memchr_iter(byte, text).filter(|at| text.get(*at..).is_some_and(by)).count()
        };
        Signs {
            ends: count(b'\n'),
            returns: count(b'\r'),
            played: memchr2_iter(0x08, 0x1b, text).count(),
            escapes: memmem::find_iter(text, b"\\n").count(),
            breaks: followed(b'<', |rest| {
                matches!(rest, [_, b'b' | b'B', b'r' | b'R', b'>' | b' ' | b'/', ..])
            }),
            separators: followed(0xe2, |rest| matches!(rest, [_, 0x80, 0xa8 | 0xa9, ..])),
            quoted_printable: memmem::find_iter(text, b"=3D").count(),
        }
    }
}

/// Whether every `=` belongs to quoted-printable: two upper-case digits or the end of the line follow it.
fn is_quoted_printable(text: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let mut parts = text.split(|byte| *byte == b'=');
    parts.next();
    parts.all(|after| match after {
        [] | [b'\n', ..] | [b'\r', b'\n', ..] => true,
        [first, second, ..] => digit(first) && digit(second),
        [_] => false,
    })
}

fn printable(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'=', [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..]) => rest = behind,
            (b'=', [high, low, behind @ ..]) => match digit(*high).zip(digit(*low)) {
                Some((high, low)) => {
                    plain.push(high << 4 | low);
                    rest = behind;
                }
                None => plain.push(b'='),
            },
            (byte, _) => plain.push(*byte),
        }
    }
    plain
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn broken(text: &[u8], is_escaped: bool, returns_end: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let (byte, behind) = match (first, after) {
            (b'\\', [b'n', behind @ ..]) if is_escaped => (b'\n', behind),
            (b'\\', [b't', behind @ ..]) if is_escaped => (b'\t', behind),
            (b'\\', [b'r', behind @ ..]) if is_escaped => (b'\r', behind),
            (b'\\', [b'"', behind @ ..]) if is_escaped => (b'"', behind),
            (b'\\', [b'\\', behind @ ..]) if is_escaped => (b'\\', behind),
            (b'\r', behind) if returns_end => (b'\n', behind),
            (0xe2, [0x80, 0xa8 | 0xa9, behind @ ..]) => (b'\n', behind),
            (b'<', [b'b' | b'B', b'r' | b'R', behind @ ..]) => match tag_end(behind) {
                Some(behind) => {
                    // A tag at the end of a line ends that line.
                    let at_end = behind.strip_prefix(b"\r").unwrap_or(behind).strip_prefix(b"\n");
                    (b'\n', at_end.unwrap_or(behind))
                }
                None => (b'<', after),
            },
            (byte, behind) => (*byte, behind),
        };
        plain.push(byte);
        rest = behind;
    }
    plain
}

/// The text after the `>` that ends a tag.
fn tag_end(inside: &[u8]) -> Option<&[u8]> {
    let near = inside.get(..MAX_TAG).unwrap_or(inside);
    let end = near.iter().position(|byte| matches!(byte, b'>' | b'\n' | b'<'))?;
    inside.get(end..)?.strip_prefix(b">")
}

/// Length of the longest tag, entity or code.
const MAX_TAG: usize = 200;

/// Tags of web pages and forum codes that surround or colour a posted text.
const TAGS: [&str; 27] = [
    "html",
    "head",
    "body",
    "pre",
    "code",
    "p",
    "br",
    "div",
    "span",
    "td",
    "tr",
    "table",
    "tbody",
    "blockquote",
    "samp",
    "tt",
    "font",
    "li",
    "ol",
    "ul",
    "b",
    "i",
    "em",
    "strong",
    "details",
    "summary",
    "textarea",
];
const CODES: [&str; 11] =
    ["code", "quote", "pre", "spoiler", "font", "color", "tt", "noparse", "hide", "mono", "collapse"];

/// The entities that web pages use for a listing.
const ENTITIES: [(&str, u8); 7] =
    [("gt", b'>'), ("lt", b'<'), ("amp", b'&'), ("quot", b'"'), ("apos", b'\''), ("nbsp", b' '), ("shy", 0)];

/// Whether a line may have any markup.
pub(super) fn shows(line: &[u8]) -> bool {
    line.first() == Some(&b'[')
        || matches!(line, [.., b']'] | [.., b'[', b'K'] | [.., b'[', b'm'] | [.., b'[', b'0', b'm'])
        || memchr3(b'&', b'<', b'^', line).is_some()
}

/// Whether a line has any markup.
pub(super) fn changes(line: &[u8]) -> bool {
    let mut rest = if shows(line) { line } else { &[] };
    loop {
        let Some(at) = rest.iter().position(|byte| matches!(byte, b'&' | b'<' | b'[' | b'^')) else {
            return false;
        };
        let Some([first, after @ ..]) = rest.get(at..) else { return false };
        if found(*first, after).is_some() {
            return true;
        }
        rest = after;
    }
}

/// The byte of the text that the markup stands for, 0 for none, and the rest of the line.
fn found(first: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    match first {
        b'&' => entity(after),
        b'<' => named(after, b'>', &TAGS).map(|behind| (0, behind)),
        b'[' => named(after, b']', &CODES).or_else(|| colour(after)).map(|behind| (0, behind)),
        b'^' => after.strip_prefix(b"[[").and_then(colour).map(|behind| (0, behind)),
        _ => None,
    }
}

/// Undoes the markup in a line.
pub(super) fn undo(line: &mut Vec<u8>) {
    if !shows(line) {
        return;
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line.as_slice();
    while let [first, after @ ..] = rest {
        let (byte, behind) = found(*first, after).unwrap_or((*first, after));
        if byte != 0 {
            plain.push(byte);
        }
        rest = behind;
    }
    *line = plain;
}

/// `gt;`, `#62;`, `#x3e;`: the character, and the rest of the line. Characters other than ASCII stay as they are.
fn entity(after: &[u8]) -> Option<(u8, &[u8])> {
    let end = after.get(..10).unwrap_or(after).iter().position(|byte| *byte == b';')?;
    let (name, behind) = after.split_at_checked(end)?;
    let name = core::str::from_utf8(name).ok()?;
    let byte = match name.strip_prefix('#') {
        Some(number) => {
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
            if code == 0xa0 { b' ' } else { u8::try_from(code).ok().filter(u8::is_ascii_graphic)? }
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((byte, behind.get(1..)?))
}

/// The text after a tag or a code with one of these names, opening or closing.
fn named<'a>(after: &'a [u8], close: u8, names: &[&str]) -> Option<&'a [u8]> {
    let inside = after.strip_prefix(b"/").unwrap_or(after);
    let length = inside.iter().take(12).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = inside.get(..length)?;
    let behind = inside.get(length..)?;
    let ends = matches!(behind.first(), Some(b' ' | b'=' | b'/' | b'>' | b']'));
    if !ends || !names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return None;
    }
    let end = behind.get(..MAX_TAG).unwrap_or(behind).iter().position(|byte| *byte == close)?;
    behind.get(end..)?.get(1..)
}

/// The text after `01;31m` or `K`: a colour without its escape character.
fn colour(after: &[u8]) -> Option<&[u8]> {
    let digits = after.iter().take(16).take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    match after.get(digits..)? {
        [b'm', behind @ ..] => Some(behind),
        [b'K', behind @ ..] if digits <= 1 => Some(behind),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(line: &str) -> alloc::string::String {
        let mut line = line.as_bytes().to_vec();
        undo(&mut line);
        alloc::string::String::from_utf8(line).unwrap()
    }

    #[test]
    fn what_a_web_page_needs_is_undone_and_what_lspci_writes_is_not() {
        assert_eq!(
            undone("<pre><code class=\"x\">&gt;TAbort- &lt;MAbort- &#60;&#x3e; AT&amp;T"),
            ">TAbort- <MAbort- <> AT&T"
        );
        assert_eq!(undone("[CODE=text]00:01.0[/code]"), "00:01.0");
        assert_eq!(undone("[01;31m00:01.0[0m[K ^[[1mx^[[m"), "00:01.0 x");
        for kept in [
            "Status: Cap+ >TAbort- <TAbort- <MAbort- >SERR-",
            "Memory at f000 (64-bit) [size=16M]",
            "Capabilities: <access denied>",
            "Capabilities: [b0] AT&T; R&D",
            "[8086:1901]",
            "[    0.000000] Linux version",
            "L1 <8us",
        ] {
            assert_eq!(undone(kept), kept);
        }
    }

    #[test]
    fn lines_end_where_somebody_saw_them_end() {
        let plain =
            |text: &str| alloc::string::String::from_utf8(lines(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(plain("a<br>b<br />\nc<BR/>d"), "a\nb\nc\nd");
        assert_eq!(plain("a\rb\rc"), "a\nb\nc");
        assert_eq!(plain("a\u{2028}b"), "a\nb");
        assert_eq!(plain("primary=3D00, se=\ncondary=3D01\n"), "primary=00, secondary=01\n");
        assert_eq!(plain("primary=00, secondary=3D\nx=1\n"), "primary=00, secondary=3D\nx=1\n");
        assert_eq!(plain(r#"{"out": "a\n\tb\nc\nd\n"}"#), "a\n\tb\nc\nd\n");
        assert_eq!(plain(r#"out = "a\n\tb\nc\nd\n""#), "out = \"a\n\tb\nc\nd\n\"");
        assert_eq!(plain("C:\\new\nb\n"), "C:\\new\nb\n");
        assert!(matches!(lines(b"a\nb < c = d\r\n"), Cow::Borrowed(_)));
    }
}
