//! Texts that are recognised and not read, each with what to type instead.

use core::fmt;

use super::header;

/// A text of a known kind that does not have the needed facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// `lspci -vmm`, `-vm`: records of names.
    LspciRecords,
    /// `lspci -mm`, `-m`: lines of names.
    LspciMachine,
    /// `lspci -t`: a tree.
    LspciTree,
    /// `lspci -P`, `-PP`: paths in place of addresses.
    LspciPath,
    /// The source of a device tree.
    TreeSource,
    /// `hexdump` or `od` without options: words in the byte order of the machine that printed them.
    Words,
    /// `xxd -e`: words with their bytes reversed.
    Turned,
    /// `iasl -d` of a table without its bytes, or of AML.
    Disassembly,
}

impl Refused {
    /// One word, as in `fwspec check`.
    pub fn word(self) -> &'static str {
        match self {
            Refused::LspciRecords => "lspci-vmm",
            Refused::LspciMachine => "lspci-mm",
            Refused::LspciTree => "lspci-t",
            Refused::LspciPath => "lspci-P",
            Refused::TreeSource => "dts",
            Refused::Words | Refused::Turned => "hexdump",
            Refused::Disassembly => "dsl",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIST: &str = "run lspci -nnvvv or, as root, lspci -xxxx";
        match self {
            Refused::LspciRecords => write!(f, "this is lspci -vmm, which lists names only: leave out -m; {LIST}"),
            Refused::LspciMachine => write!(f, "this is lspci -mm, which lists names only: leave out -m; {LIST}"),
            Refused::LspciTree => write!(f, "this is lspci -t, which draws a tree only: leave out -t; {LIST}"),
            Refused::LspciPath => write!(f, "this is lspci -P, which writes paths for addresses: leave out -P; {LIST}"),
            Refused::TreeSource => f.write_str(
                "this is the source of a device tree: compile it first, dtc -I dts -O dtb -o board.dtb board.dts (with cpp before that where it \
                 has #include)",
            ),
            Refused::Words => f.write_str(
                "this is hexdump or od without options, whose byte order depends on the machine that printed it: use hexdump -C or xxd",
            ),
            Refused::Turned => f.write_str("this is xxd -e, which reverses the bytes of each word: leave out -e"),
            Refused::Disassembly => f.write_str(
                "this is ASL source, or a disassembly without the table's bytes: compile it (iasl), or give the table itself, from /sys/firmware/acpi/tables, or the output of acpidump",
            ),
        }
    }
}

/// How each kind is recognised in a line.
type Sign = (Refused, fn(&str) -> bool);

const SIGNS: [Sign; 7] = [
    (Refused::LspciRecords, |line| line.strip_prefix("Slot:").is_some_and(|slot| is_address(slot.trim()))),
    (Refused::LspciMachine, |line| line.split_once(" \"").is_some_and(|(address, _)| is_address(address))),
    (Refused::LspciTree, |line| {
        let bus = line
            .strip_prefix("-[")
            .or_else(|| line.strip_prefix("+-["))
            .or_else(|| line.strip_prefix("\\-["));
        bus.and_then(|bus| bus.split_once(']')).is_some_and(|(bus, rest)| {
            rest.starts_with('-')
                && bus.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'-'))
        })
    }),
    (Refused::LspciPath, is_path),
    (Refused::TreeSource, |line| line.starts_with("/dts-v1/") || line.starts_with("/plugin/;")),
    (Refused::Words, is_words),
    (Refused::Turned, is_turned),
];

/// The kind that a line shows, if any.
pub(super) fn of_line(line: &[u8]) -> Option<Refused> {
    // Most lines start with another character than these kinds.
    if !matches!(line.first()?, b'S' | b'-' | b'+' | b'\\' | b'/' | b'0'..=b'9' | b'a'..=b'f') {
        return None;
    }
    let line = core::str::from_utf8(line).ok()?;
    SIGNS.iter().find(|(_, shows)| shows(line)).map(|(refused, _)| *refused)
}

/// `00:1c.0/00.0 Network controller`, `00:1c.0/02:00.0 …`
pub(super) fn is_path(line: &str) -> bool {
    // Most lines start with a word that is not a number. White space that is not ASCII may precede it.
    let is_word = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_hexdigit();
    if line.as_bytes().iter().take(2).any(is_word) {
        return false;
    }
    let address = line.split_whitespace().next().unwrap_or_default();
    address.split_once('/').is_some_and(|(first, rest)| {
        let last = rest.rsplit('/').next().unwrap_or_default();
        let (slot, function) =
            last.rsplit_once(':').map_or(last, |(_, last)| last).split_once('.').unwrap_or_default();
        let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_address(first) && slot.len() == 2 && is_hex(slot) && function.len() == 1 && is_hex(function)
    })
}

fn is_address(text: &str) -> bool {
    !text.contains(' ') && header::starts_function(text.as_bytes())
}

/// `0000000 4f49 5452 0080 0000`, `0000000 047511 052122`: the first line has seven or six digits, then words.
fn is_words(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let offset = words.next().unwrap_or_default();
    let mut words = words.take(8).peekable();
    let is_zero = matches!(offset.len(), 6 | 7) && offset.bytes().all(|byte| byte == b'0');
    let lengths = [3, 4, 6, 8, 11];
    is_zero
        && words.peek().is_some()
        && words
            .all(|word| lengths.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The first bytes of firmware that is read.
const SIGNATURES: [&[u8; 4]; 8] =
    [b"IORT", b"MCFG", b"RIMT", b"VIOT", b"DMAR", b"IVRS", b"APIC", &[0xd0, 0x0d, 0xfe, 0xed]];

/// `00000000: 54524f49 00000080 …`: the first word is a reversed signature.
fn is_turned(line: &str) -> bool {
    let word = line.split_once(": ").filter(|(offset, _)| offset.bytes().all(|byte| byte == b'0'));
    let word = word.and_then(|(_, words)| words.split_whitespace().next()).filter(|word| word.len() == 8);
    let Some(Ok(word)) = word.map(|word| u32::from_str_radix(word, 16)) else { return false };
    let turned = word.to_le_bytes();
    SIGNATURES.contains(&&turned)
}
