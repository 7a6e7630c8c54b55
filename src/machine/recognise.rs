//! Recognises formats by their content, never by a file's name.

use super::kind::{Kind, READ_HERE};
use super::log::Log;
use super::refused::{self, Refused};
use super::{dumps, header, names, words};
use crate::bytes;
use crate::limits::MAX_TABLE_BYTES;

/// Bytes in the header of an ACPI table (ACPI 6.5 §5.2.6).
const HEADER: usize = 36;

pub(super) fn empty(bytes: &[u8]) -> Option<Kind> {
    // The empty output of a command may still be white space.
    bytes.trim_ascii_start().is_empty().then_some(Kind::Empty)
}

pub(super) fn device_tree(bytes: &[u8]) -> Option<Kind> {
    bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]).then_some(Kind::DeviceTree)
}

/// One binary table, or several.
pub(super) fn tables(bytes: &[u8]) -> Option<Kind> {
    if starts_text(bytes) || starts_acpidump_table(bytes) {
        return None;
    }
    let signature = table(bytes)?;
    let second = length(bytes).and_then(|first| bytes.get(crate::bytes::index(first)..)).and_then(table);
    Some(if second.is_some() { Kind::AcpiTables(signature) } else { Kind::AcpiTable(signature) })
}

pub(super) fn acpidump_line(line: &[u8]) -> Option<Kind> {
    (starts_acpidump_table(line) || line.starts_with(b"Raw Table Data")).then_some(Kind::AcpidumpText)
}

/// The first line of a dump without a title.
pub(super) fn hexdump_line(line: &[u8]) -> Option<Kind> {
    dumps::starts_dump(line).then_some(Kind::Hexdump)
}

pub(super) fn lspci_line(line: &[u8]) -> Option<Kind> {
    header::is_header(line).then_some(Kind::LspciText)
}

pub(super) fn config_line(line: &[u8]) -> Option<Kind> {
    header::starts_config(line).then_some(Kind::LspciText)
}

pub(super) fn log_line(line: &[u8]) -> Option<Kind> {
    core::str::from_utf8(line).is_ok_and(words::is_log).then_some(Kind::KernelLog)
}

pub(super) fn groups_line(line: &[u8]) -> Option<Kind> {
    core::str::from_utf8(line).is_ok_and(words::lists_groups).then_some(Kind::GroupList)
}

pub(super) fn database_line(line: &[u8]) -> Option<Kind> {
    names::is_database(line).then_some(Kind::PciIds)
}

pub(super) fn refused_line(line: &[u8]) -> Option<Kind> {
    refused::of_line(line).map(Kind::Refused)
}

/// The first lines of `iasl -d`'s output for a table: `[000h 0000 004h]`. The bytes, if any, come at the end.
pub(super) fn disassembly_line(line: &[u8]) -> Option<Kind> {
    let is_field = line.starts_with(b"[000h 0000") || line.starts_with(b"DefinitionBlock (");
    is_field.then_some(Kind::Refused(Refused::Disassembly))
}

/// `IORT @ 0x0000000000000000`, the line before the bytes of a table (ACPICA `ap_dump_table_buffer`).
fn starts_acpidump_table(line: &[u8]) -> bool {
    line.get(..4).is_some_and(is_signature) && line.get(4..).is_some_and(|rest| rest.starts_with(b" @ "))
}

/// Whether this is the start of a text, not of a table with a damaged header: `DMAR: DRHD base …` in a log.
fn starts_text(bytes: &[u8]) -> bool {
    let letters = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    bytes.get(4..16).is_some_and(|rest| rest.iter().all(letters) && matches!(rest.first(), Some(b':' | b' ')))
}

/// Whether most lines are from a log, although no single line shows it.
pub(super) fn log(bytes: &[u8]) -> Option<Kind> {
    Log::is_log(bytes).then_some(Kind::KernelLog)
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
        && length(bytes).is_some_and(|length| (bytes::saturate(HEADER)..=MAX_TABLE_BYTES).contains(&length))
        && bytes.get(10..24).is_some_and(|oem| oem.iter().all(names))
}

/// The table with one of these names that seems to start here: its name, and its length if it is complete.
pub(super) fn header_of(bytes: &[u8], names: &[&[u8; 4]]) -> Option<([u8; 4], usize)> {
    let signature: &[u8; 4] = bytes.first_chunk()?;
    if !names.contains(&signature) || !has_header(bytes) {
        return None;
    }
    let length = bytes::index(length(bytes)?);
    (length <= bytes.len()).then_some((*signature, length))
}

fn is_signature(four: &[u8]) -> bool {
    four.first().is_some_and(u8::is_ascii_uppercase)
        && four.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// The length in the header.
fn length(bytes: &[u8]) -> Option<u32> {
    bytes.get(4..8)?.try_into().ok().map(u32::from_le_bytes)
}
