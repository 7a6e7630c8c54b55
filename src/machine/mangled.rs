//! Firmware that was processed as text on its way. Nothing in it can be trusted, and the error says why.

use super::kind::READ_HERE;
use crate::bytes::{index, saturate};
use crate::error::Mangling;

/// UTF-8 for a byte that is not text (U+FFFD).
const REPLACEMENT: &[u8] = &[0xef, 0xbf, 0xbd];
/// The magic number of a device tree after a conversion to UTF-8: only its second byte is ASCII.
const TREE_AS_UTF8: &[u8] = &[0xef, 0xbf, 0xbd, 0x0d, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd];
/// The magic number of a device tree without its 0x0d.
const TREE_WITHOUT_0D: &[u8] = &[0xd0, 0xfe, 0xed, 0x00];
/// Bytes of the header of an ACPI table.
const HEADER: usize = 36;

/// How a device tree or ACPI table was mangled; `None` for anything else, and where nothing shows it.
pub(super) fn mangled(bytes: &[u8]) -> Option<Mangling> {
    let is_table = READ_HERE.iter().any(|name| bytes.starts_with(*name)) || bytes.starts_with(b"APIC");
    if !is_table {
        return match bytes {
            _ if bytes.starts_with(TREE_AS_UTF8) => Some(Mangling::Utf8),
            _ if bytes.starts_with(TREE_WITHOUT_0D) => Some(Mangling::ReturnsLost { bytes: None }),
            _ => None,
        };
    }
    // A table that has this sequence by chance is not text to its end.
    let replaced = bytes.windows(REPLACEMENT.len()).any(|window| window == REPLACEMENT);
    if replaced && core::str::from_utf8(bytes).is_ok() {
        return Some(Mangling::Utf8);
    }
    returns_lost(bytes).or_else(|| returns_added(bytes))
}

/// A table that is shorter than its header says, because bytes of 0x0d are missing: with them its sum would be zero.
fn returns_lost(bytes: &[u8]) -> Option<Mangling> {
    if bytes.len() < HEADER || bytes.windows(2).any(|pair| pair == b"\r\n") {
        return None;
    }
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    let none_left = !bytes.contains(&b'\r');
    lengths(bytes).into_iter().flatten().find_map(|length| {
        let missing = length.checked_sub(saturate(bytes.len())).filter(|missing| *missing > 0)?;
        // Either a 0x0d was lost before each line end, or all of them were lost; a table that was cut short lacks more.
        let plausible = index(missing) <= ends || none_left && missing <= saturate(bytes.len()) / 16;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let returns = missing.to_le_bytes()[0].wrapping_mul(b'\r');
        (plausible && sum.wrapping_add(returns) == 0)
            .then_some(Mangling::ReturnsLost { bytes: Some(missing) })
    })
}

/// The length field as it may have been: as it is, or with a 0x0d of its own that was lost.
fn lengths(bytes: &[u8]) -> [Option<u32>; 3] {
    let field = bytes.get(4..8).and_then(|field| <[u8; 4]>::try_from(field).ok());
    let Some([a, b, c, d]) = field else { return [None; 3] };
    let whole = |field: [u8; 4]| Some(u32::from_le_bytes(field));
    [whole([a, b, c, d]), whole([b'\r', a, b, c]), whole([a, b'\r', b, c])]
}

/// A table with a 0x0d added before every 0x0a: it is longer than its header says by their number.
fn returns_added(bytes: &[u8]) -> Option<Mangling> {
    let length = bytes.get(4..8).and_then(|field| Some(u32::from_le_bytes(field.try_into().ok()?)))?;
    let more = saturate(bytes.len()).checked_sub(length).filter(|more| *more > 0)?;
    let ends = saturate(bytes.iter().filter(|byte| **byte == b'\n').count());
    let pairs = saturate(bytes.windows(2).filter(|pair| pair == b"\r\n").count());
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let returns = more.to_le_bytes()[0].wrapping_mul(b'\r');
    (ends == more && pairs == more && sum == returns).then_some(Mangling::ReturnsAdded { bytes: more })
}
