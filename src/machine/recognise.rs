//! Tells formats apart by what is in them, never by a file's name.
#![deny(clippy::arithmetic_side_effects)]

use super::lspci;
use crate::bytes;

/// What some bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A flattened device tree: a blob, an overlay too.
    DeviceTree,
    /// One ACPI table, with this signature.
    AcpiTable([u8; 4]),
    /// ACPI tables one behind the other; the first has this signature.
    AcpiTables([u8; 4]),
    /// The text of `acpidump`.
    AcpidumpText,
    /// The text of `lspci`.
    LspciText,
    /// Nothing that is read here.
    Unknown,
}

/// The signatures of the ACPI tables that are read here. Such a table is taken for what it says it is, however damaged the rest of its
/// header is.
pub const READ_HERE: [&[u8; 4]; 4] = [b"IORT", b"MCFG", b"RIMT", b"VIOT"];

/// Bytes in the header of an ACPI table (ACPI 6.5 §5.2.6).
const HEADER: usize = 36;

/// A longer table is not believed: four characters of text make a length of at least 150 MB.
const LONGEST_TABLE: u32 = 0x0900_0000;

/// Tells what `bytes` are. Nothing is checked that a parser would check: damaged firmware is still recognised, so that its
/// parser can say what is wrong with it.
///
/// ```
/// use fwspec::machine::{Kind, recognise};
/// assert_eq!(recognise(b"\xd0\x0d\xfe\xed\0\0\0\x48"), Kind::DeviceTree);
/// assert_eq!(recognise(b"IORT\x34\0\0\0"), Kind::AcpiTable(*b"IORT"));
/// assert_eq!(recognise(b"IORT @ 0x0000000000000000\n"), Kind::AcpidumpText);
/// assert_eq!(recognise(b"00:1f.0 ISA bridge: Example\n"), Kind::LspciText);
/// assert_eq!(recognise(b"#!/bin/sh\n"), Kind::Unknown);
/// ```
pub fn recognise(bytes: &[u8]) -> Kind {
    if bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) {
        return Kind::DeviceTree;
    }
    if !starts_acpidump_table(bytes)
        && let Some(signature) = table(bytes)
    {
        let second = length(bytes).and_then(|first| bytes.get(bytes::index(first)..)).and_then(table);
        return if second.is_some() { Kind::AcpiTables(signature) } else { Kind::AcpiTable(signature) };
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        if starts_acpidump_table(line) {
            return Kind::AcpidumpText;
        }
        if lspci::starts_function(line) {
            return Kind::LspciText;
        }
    }
    Kind::Unknown
}

/// `IORT @ 0x0000000000000000`, the line above the bytes of a table (ACPICA `ap_dump_table_buffer`).
fn starts_acpidump_table(line: &[u8]) -> bool {
    line.get(..4).is_some_and(is_signature) && line.get(4..).is_some_and(|rest| rest.starts_with(b" @ 0x"))
}

/// The signature of the table that seems to start here.
fn table(bytes: &[u8]) -> Option<[u8; 4]> {
    let signature: &[u8; 4] = bytes.first_chunk()?;
    (READ_HERE.contains(&signature) || has_header(bytes)).then_some(*signature)
}

/// Whether these bytes look like the header of an ACPI table.
fn has_header(bytes: &[u8]) -> bool {
    let names = |byte: &u8| matches!(byte, 0 | b' '..=b'~');
    bytes.get(..4).is_some_and(is_signature)
        && length(bytes).is_some_and(|length| (bytes::saturate(HEADER)..LONGEST_TABLE).contains(&length))
        && bytes.get(10..24).is_some_and(|oem| oem.iter().all(names))
}

fn is_signature(four: &[u8]) -> bool {
    four.first().is_some_and(u8::is_ascii_uppercase)
        && four.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// The length that the header tells.
fn length(bytes: &[u8]) -> Option<u32> {
    bytes.get(4..8)?.try_into().ok().map(u32::from_le_bytes)
}
