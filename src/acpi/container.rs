//! Files of ACPI tables: one table, or several in a row.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Sdt;
use crate::bytes::saturate;
use crate::{
    Error, ErrorKind,
    error::{At, Source},
};

/// The tables of a file, and what could not be read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tables<'a> {
    /// The tables, in the order of the file. Each passes [`Sdt::parse`].
    pub tables: Vec<Table<'a>>,
    /// Tables that could not be read, and bytes that are not a table.
    pub skipped: Vec<Error>,
}

/// A table of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table<'a> {
    /// Its signature, and its number among the tables with this signature.
    pub source: Source,
    /// Where it starts in the file; in text, where its block starts.
    pub at: At,
    /// Its bytes: the file's own, or those that a text spells out. In a text, bytes after the length that the table gives may
    /// follow.
    pub bytes: Cow<'a, [u8]>,
}

/// Takes a file apart: tables in a row, with or without zeros between them. A broken table also costs those after it, because their
/// place is unknown.
///
/// ```
/// use fwspec::acpi::{container, iort::{Builder, Iort}};
/// let file = [Builder::new(6).finish(), Builder::new(5).finish()].concat();
/// let found = container::tables(&file)?;
/// assert_eq!((found.tables.len(), found.skipped.len()), (2, 0));
/// let second = &found.tables[1];
/// assert_eq!(Iort::parse_as(&second.bytes, second.source)?.revision(), 5);
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// [`Unrecognised`](ErrorKind::Unrecognised) when no table starts the file;
/// [`TooLarge`](ErrorKind::TooLarge) past 4 GiB.
pub fn tables(file: &[u8]) -> Result<Tables<'_>, Error> {
    let error = |kind| Error { kind, at: Source::FILE.at(0) };
    if u32::try_from(file.len()).is_err() {
        return Err(error(ErrorKind::TooLarge));
    }
    // The length of a table below 16 MiB has a zero byte, which a text does not have.
    let is_text = file.first_chunk::<8>().is_some_and(|start| !start.contains(&0));
    if !starts_with_signature(file) || is_text && Sdt::parse(file).is_err() {
        let start: Vec<u8> = file.iter().copied().chain([0; 4]).take(4).collect();
        return Err(error(ErrorKind::Unrecognised(start.first_chunk().copied().unwrap_or_default())));
    }
    let mut reader = Reader::default();
    reader.binary(file);
    Ok(reader.found)
}

/// Signatures are four printable characters (ACPI 6.5 §5.2.6).
fn starts_with_signature(bytes: &[u8]) -> bool {
    bytes.first_chunk::<4>().is_some_and(|signature| signature.iter().all(u8::is_ascii_graphic))
}

#[derive(Default)]
struct Reader<'a> {
    found: Tables<'a>,
    seen: BTreeMap<[u8; 4], u16>,
}

impl<'a> Reader<'a> {
    /// Tables in a row, with or without zeros between them.
    fn binary(&mut self, file: &'a [u8]) {
        let mut rest = file;
        loop {
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            rest = rest.get(zeros..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            let at = Source::FILE.at(saturate(file.len().saturating_sub(rest.len())));
            if !starts_with_signature(rest) {
                let kind = ErrorKind::NoTable { left: saturate(rest.len()) };
                return self.found.skipped.push(Error { kind, at });
            }
            match Sdt::parse(rest) {
                Ok(table) => {
                    self.table(table.signature(), at, Cow::Borrowed(table.bytes()));
                    rest = table.trailing();
                }
                Err(Error { kind, .. }) => return self.found.skipped.push(Error { kind, at }),
            }
        }
    }

    fn table(&mut self, signature: [u8; 4], at: At, bytes: Cow<'a, [u8]>) {
        let next = self.seen.entry(signature).or_default();
        let source = Source { name: signature, index: *next };
        *next = next.saturating_add(1);
        self.found.tables.push(Table { source, at, bytes });
    }
}
