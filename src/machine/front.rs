//! Fronts: what precedes every line of a listing, such as a line number from a pager, the time stamp of a journal, the file name
//! from `grep`, the mark of a patch or of a list.

use alloc::vec::Vec;

use super::{header, words};
use crate::limits::{MAX_FRONT_BYTES, MAX_FRONTS_TRIED};

/// Lines after the one that shows a front which must have it, too.
const LINES: usize = 64;

/// Length of the longest front in bytes: a date, the name of a host and that of a program.
const MAX_SHAPE: usize = 256;

/// What precedes every line, except for numbers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// Consecutive digits are one `0`, consecutive white space is one blank.
    shape: Vec<u8>,
}

impl Front {
    /// The front of a text: a line that starts a function has it, and so do nearly all lines after it. `None` where there is none.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let mut rest = text.get(..MAX_FRONT_BYTES).unwrap_or(text);
        let mut tried = 0_usize;
        while !rest.is_empty() && tried < MAX_FRONTS_TRIED {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            // Each line of a log is complete, whatever precedes it.
            if core::str::from_utf8(line).is_ok_and(words::is_log) {
                return None;
            }
            if let Some(at) = title_in(line).or_else(|| header::header_in(line)).or_else(|| config_in(line)) {
                if line.get(..at).is_none_or(|front| front.trim_ascii().is_empty()) {
                    return None;
                }
                let front = Front { shape: shape(line.get(..at).unwrap_or_default()) };
                if (1..=MAX_SHAPE).contains(&front.shape.len()) && front.is_everywhere(rest) {
                    return Some(front);
                }
                tried = tried.saturating_add(1);
            }
            rest = rest.get(line.len()..).and_then(|rest| rest.get(1..)).unwrap_or_default();
        }
        None
    }

    /// Whether nine of ten lines have the front.
    fn is_everywhere(&self, text: &[u8]) -> bool {
        let lines =
            text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES);
        let (mut all, mut with) = (0_usize, 0_usize);
        for line in lines {
            all = all.saturating_add(1);
            with = with.saturating_add(usize::from(self.strip(line).is_some()));
        }
        all >= 2 && with.saturating_mul(10) >= all.saturating_mul(9)
    }

    /// The rest of a line after the front; `None` for a line without it.
    pub(super) fn strip<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = line;
        for byte in &self.shape {
            let run = |is: fn(&u8) -> bool| rest.iter().take_while(|byte| is(byte)).count();
            let length = match byte {
                b' ' => run(is_blank),
                b'0' => Some(run(u8::is_ascii_digit)).filter(|length| *length > 0)?,
                byte => usize::from(rest.first() == Some(byte)).checked_sub(1)?.saturating_add(1),
            };
            rest = rest.get(length..)?;
        }
        Some(rest)
    }
}

/// The offset of a group's title in a line.
fn title_in(line: &[u8]) -> Option<usize> {
    const TITLE: &[u8] = b"iommu group";
    let at = line.windows(TITLE.len()).position(|word| word.eq_ignore_ascii_case(TITLE))?;
    let title = core::str::from_utf8(line.get(at..)?).ok()?;
    words::lists_groups(title.trim_end()).then_some(at)
}

/// The offset of a function's first bytes in a line.
fn config_in(line: &[u8]) -> Option<usize> {
    let at = line.windows(4).position(|word| word == b"00: ")?;
    // The offsets of another dump have more digits.
    let before = at.checked_sub(1).and_then(|before| line.get(before));
    if before.is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    line.get(at..).is_some_and(header::starts_config).then_some(at)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn shape(front: &[u8]) -> Vec<u8> {
    let mut shape = Vec::with_capacity(front.len());
    for byte in front {
        let byte = match byte {
            byte if is_blank(byte) => b' ',
            byte if byte.is_ascii_digit() => b'0',
            byte => *byte,
        };
        if !matches!(byte, b' ' | b'0') || shape.last() != Some(&byte) {
            shape.push(byte);
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const LISTING: &str = "00:01.0 PCI bridge: A\n\tControl: I/O+\n\tBus: primary=00\n\n01:00.0 VGA compatible controller: B\n\tControl: I/O+\n";

    #[test]
    fn a_front_of_every_line_is_found() {
        type Form = fn(usize, &str) -> String;
        let forms: [Form; 9] = [
            |at, line| format!("{:7} {line}", at + 1),
            |at, line| format!("{}:{line}", at + 8),
            |at, line| format!("{}.\t{line}", at + 98),
            |at, line| format!("lspci.txt:{at}:{line}"),
            |at, line| format!("Nov {:2} 12:00:0{at} host sh[123]: {line}", at + 8),
            |at, line| format!("2026-11-28T12:00:0{at}.12Z {line}"),
            |at, line| format!("[   12.00{at}] {line}"),
            |_, line| format!("<user> {line}"),
            |_, line| format!("+{line}"),
        ];
        for form in forms {
            let text: String = LISTING.lines().enumerate().map(|(at, line)| form(at, line) + "\n").collect();
            let front = Front::of(text.as_bytes()).expect(&text);
            let plain: Vec<&str> = text
                .lines()
                .map(|line| core::str::from_utf8(front.strip(line.as_bytes()).unwrap()).unwrap().trim())
                .collect();
            assert_eq!(plain, LISTING.lines().map(str::trim).collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn a_listing_as_it_is_has_none() {
        let script: String =
            (0..9).map(|at| format!("IOMMU Group {at} 00:0{at}.0 PCI bridge: A\n")).collect();
        let numbers: String = (0..9).map(|at| format!("0000:00:0{at}.0 PCI bridge: A\n")).collect();
        for text in [
            LISTING,
            &script,
            &numbers,
            "see 00:01.0 PCI bridge: A\nand\nmore\nof\nthis\n",
            "IOMMU Group 1:\n\t00:01.0 PCI bridge: A\n",
        ] {
            assert_eq!(Front::of(text.as_bytes()), None, "{text}");
        }
    }
}
