//! Reports of `apport` (`.crash` files, and the output of `apport-cli --save`): `Key: value` as in RFC 822. A longer value is in
//! the following lines, each after a blank; a binary value is compressed, in base64 (apport `problem_report.py`).

use alloc::string::String;
use alloc::vec::Vec;

use super::{ContainerError, Contents, spelled};
use crate::machine::Kind;

/// What follows the key of a value in base64.
const BASE64: &[u8] = b": base64";
/// Lines in which a report is recognised: by its first key, or by a value in base64.
const LOOKED_AT: usize = 64;
/// Bytes of the shortest value that is read: a shorter one says nothing about a machine.
const SHORTEST: usize = 48;
/// Bytes of the longest key.
const LONGEST_KEY: usize = 80;

pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    let start = bytes.get(..LONGEST_KEY).unwrap_or(bytes);
    let is_report =
        start.starts_with(b"ProblemType: ") || key(first_line(start)).is_some() && has_spelled(bytes);
    is_report.then_some(Kind::Report)
}

/// Whether one of the first values is in base64.
fn has_spelled(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').take(LOOKED_AT).peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_ascii_end();
        let is_indented = lines.peek().is_some_and(|next| next.starts_with(b" "));
        if is_indented && line.ends_with(BASE64) && key(line).is_some() {
            return true;
        }
    }
    false
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// The key of a line, `Lspci-vvnn: …`.
fn key(line: &[u8]) -> Option<&str> {
    let end = line.iter().take(LONGEST_KEY).position(|byte| *byte == b':')?;
    let key = core::str::from_utf8(line.get(..end)?).ok()?;
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (is_word && key.starts_with(|c: char| c.is_ascii_uppercase())).then_some(key)
}

/// A value of several lines: its key, whether it is in base64, and its bytes.
type Value = (String, bool, Vec<u8>);

/// Passes a complete value on, if it is long enough.
fn hand_over(value: Option<Value>, contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    match value.filter(|(_, _, value)| value.len() >= SHORTEST) {
        Some((key, _, value)) => contents.piece(&key, &value),
        None => Ok(()),
    }
}

pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let mut value: Option<Value> = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b" ") {
            Some(line) => {
                let Some((_, is_spelled, value)) = &mut value else { continue };
                if *is_spelled {
                    // Each line is encoded by itself.
                    value.extend(spelled::base64(line.trim_ascii()).unwrap_or_default());
                } else {
                    value.extend(line);
                }
            }
            None => {
                hand_over(value.take(), contents)?;
                let line = line.trim_ascii_end();
                let Some(key) = key(line) else { continue };
                // Values of one line say nothing about IOMMUs.
                let rest = line.get(key.len()..).unwrap_or_default();
                value = matches!(rest, BASE64 | b":").then(|| (key.into(), rest == BASE64, Vec::new()));
            }
        }
    }
    hand_over(value, contents)
}
