//! Tables field by field: one row below the other, each with its offset and size, to be read beside `iasl -d`.

use core::fmt::{self, Write};

use fwspec::Error;
use fwspec::acpi::Sdt;

/// Bits of a field, by position, and their names.
pub(crate) type Bits = &'static [(u8, &'static str)];

/// Writes rows one below the other, and counts the offset.
pub(crate) struct Rows<'w, W> {
    pub(crate) out: &'w mut W,
    /// Where the next row is.
    pub(crate) at: u32,
}

impl<W: Write> Rows<'_, W> {
    /// A field of `size` bytes: offset, size, name, value in hexadecimal, and what it means.
    pub(crate) fn field(
        &mut self,
        size: u8,
        name: &str,
        value: impl Into<u64>,
        meaning: impl fmt::Display,
    ) -> fmt::Result {
        let (value, width) = (value.into(), usize::from(size) * 2);
        let line = format_args!("{value:0width$x}  {meaning}").to_string();
        self.row(usize::from(size), name, line.trim_end())
    }

    pub(crate) fn row(&mut self, size: usize, name: &str, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.out, "{:04x} {size:3}  {name:<26}  {value}", self.at)?;
        self.at = self.at.saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
        Ok(())
    }

    pub(crate) fn error(&mut self, error: &Error) -> fmt::Result {
        writeln!(self.out, "! {error}")
    }

    /// The bytes from here up to `end`, an offset into `bytes`, which start at `start`.
    pub(crate) fn padding(&mut self, bytes: &[u8], start: u32, end: u32) -> fmt::Result {
        self.rest(bytes, start, end as usize, "Padding")
    }

    /// The same bytes, which no known specification gives a meaning to.
    pub(crate) fn unread(&mut self, bytes: &[u8], start: u32) -> fmt::Result {
        self.rest(bytes, start, bytes.len(), "Not read")
    }

    fn rest(&mut self, bytes: &[u8], start: u32, end: usize, name: &str) -> fmt::Result {
        let from = self.at.saturating_sub(start);
        let Some(unused) = bytes.get(from as usize..end) else {
            return Ok(());
        };
        if unused.is_empty() {
            return Ok(());
        }
        let value = if unused.iter().all(|byte| *byte == 0) { "zeros" } else { "other than zeros" };
        self.row(unused.len(), name, value)
    }

    /// The header that all tables share; `revision` says what the table's revision means.
    pub(crate) fn sdt(&mut self, sdt: Sdt<'_>, revision: &str) -> fmt::Result {
        self.row(4, "Signature", Quoted(&sdt.signature()))?;
        self.field(4, "Length", sdt.length(), format_args!("{} bytes", sdt.length()))?;
        self.field(1, "Revision", sdt.revision(), revision)?;
        let sum = sdt.checksum_sum();
        let verdict =
            if sum == 0 { "right".to_string() } else { format!("wrong: bytes add up to {sum:#04x}") };
        self.field(1, "Checksum", sdt.checksum(), verdict)?;
        self.row(6, "OEM ID", Quoted(&sdt.oem_id()))?;
        self.row(8, "OEM table ID", Quoted(&sdt.oem_table_id()))?;
        self.field(4, "OEM revision", sdt.oem_revision(), "")?;
        self.row(4, "Creator ID", Quoted(&sdt.creator_id()))?;
        self.field(4, "Creator revision", sdt.creator_revision(), "")
    }

    /// What of the table follows the rows, and what follows the table.
    pub(crate) fn end(&mut self, sdt: Sdt<'_>) -> fmt::Result {
        let (rest, trailing) = (sdt.length().saturating_sub(self.at), sdt.trailing().len());
        if rest > 0 {
            writeln!(self.out, "\n! {rest} bytes of the table cannot be read")?;
            self.unread(sdt.bytes(), 0)?;
        }
        if trailing > 0 {
            writeln!(self.out, "\n! {trailing} bytes follow the table")?;
        }
        Ok(())
    }
}

/// The name of a number.
pub(crate) fn name<'a>(names: &[&'a str], value: u32) -> &'a str {
    names.get(value as usize).copied().unwrap_or("unknown")
}

/// Characters between quotation marks, escaped where they are not ASCII.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// The names of the bits that are set, then what else the field says, then reserved bits.
pub(crate) struct Flags<'a>(pub(crate) u32, pub(crate) Bits, pub(crate) &'a str);

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flags(value, bits, more) = self;
        let known = bits.iter().fold(0, |mask, (bit, _)| mask | 1_u32 << bit);
        let reserved = value & !known;
        let names = bits.iter().filter(|(bit, _)| value & 1 << bit != 0).map(|(_, name)| *name);
        let mut first = true;
        for name in names.chain(Some(*more).filter(|more| !more.is_empty())) {
            write!(f, "{}{name}", if first { "" } else { ", " })?;
            first = false;
        }
        if reserved != 0 {
            write!(f, "{}reserved bits {reserved:#x}", if first { "" } else { ", " })?;
        }
        Ok(())
    }
}
