//! An IVRS table field by field, each with its offset: to be read beside `iasl -d`.

use core::fmt::{self, Write};

use fwspec::acpi::Sdt;
use fwspec::acpi::ivrs::{Block, Body, Entry, EntryKind, Ivhd, Ivmd, Ivrs};
use fwspec::{RequesterId, error::At};

use crate::rows::{Bits, Flags, Quoted, Rows, name};

/// Writes the table: its header, then block after block. What cannot be read has a line that starts with `!`.
///
/// ```
/// use fwspec::RequesterId;
/// use fwspec::acpi::ivrs::{Builder, Ivrs};
/// let mut table = Builder::new();
/// table.unit(0x10, 0, RequesterId(2), 0xfeb8_0000).alias(0x300, 0x2a0);
/// let mut text = String::new();
/// fwspec_report::ivrs::fields(&Ivrs::parse(&table.finish())?, &mut text)?;
/// assert!(text.contains("004d   2    sends as                  02a0  02:14.0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Only those of `out`.
pub fn fields(ivrs: &Ivrs<'_>, out: &mut impl Write) -> fmt::Result {
    const INFO: Bits = &[(0, "EFR"), (1, "DMA remapping"), (22, "HyperTransport range reserved for ATS")];
    let mut rows = Rows { out, at: 0 };
    rows.sdt(ivrs.sdt(), "")?;
    rows.at = Sdt::HEADER_LENGTH;
    let info = ivrs.info();
    let sizes = format!(
        "guest {:#x}, physical {} bits, virtual {} bits",
        info >> 5 & 7,
        info >> 8 & 0x7f,
        info >> 15 & 0x7f
    );
    rows.field(4, "Virtualization info", info, Flags(info & !0x003f_ffe0, INFO, &sizes))?;
    rows.field(8, "Reserved", ivrs.reserved(), "")?;
    let wanted = ivrs.unit_type();
    for block in ivrs.blocks() {
        rows.out.write_char('\n')?;
        match block {
            Ok(block) => rows.block(&block, wanted)?,
            Err(error) => rows.error(&error)?,
        }
    }
    rows.end(ivrs.sdt())
}

impl<W: Write> Rows<'_, W> {
    /// `wanted` is the type of IVHD block that Linux reads.
    fn block(&mut self, block: &Block<'_>, wanted: Option<u8>) -> fmt::Result {
        let At { offset, .. } = block.at();
        let body = block.body();
        let number = block.block_type();
        let what = match &body {
            Ok(Body::Ivhd(_)) if wanted == Some(number) => "IVHD, an IOMMU",
            Ok(Body::Ivhd(_)) => "IVHD, not used: Linux uses another type",
            Ok(Body::Ivmd(_)) => "IVMD, memory",
            Ok(Body::Unknown(_)) => "unknown",
            Err(_) => "",
        };
        self.at = offset;
        self.field(1, "Type", number, what)?;
        match &body {
            Ok(Body::Ivhd(unit)) => self.unit(block, unit)?,
            Ok(Body::Ivmd(memory)) => self.memory(block, memory)?,
            Ok(Body::Unknown(_)) => {
                self.start(block, &[], "Device ID")?;
                writeln!(self.out, "! the fields of this structure are not known")?;
            }
            Err(error) => {
                self.start(block, &[], "Device ID")?;
                self.error(error)?;
            }
        }
        self.unread(block.bytes(), offset)
    }

    /// What all blocks have after their type.
    fn start(&mut self, block: &Block<'_>, flags: Bits, device: &str) -> fmt::Result {
        self.field(1, "Flags", block.flags(), Flags(block.flags().into(), flags, ""))?;
        self.field(2, "Length", block.length(), format_args!("{} bytes", block.length()))?;
        self.function(device, block.device_id())
    }

    fn function(&mut self, name: &str, function: RequesterId) -> fmt::Result {
        self.field(2, name, function.0, function)
    }

    fn unit(&mut self, block: &Block<'_>, unit: &Ivhd<'_>) -> fmt::Result {
        const FLAGS: Bits = &[
            (0, "HyperTransport tunnel"),
            (1, "PassPW"),
            (2, "ResPassPW"),
            (3, "isochronous"),
            (4, "IOTLB"),
            (5, "coherent"),
            (6, "prefetch"),
            (7, "PPR"),
        ];
        self.start(block, FLAGS, "IOMMU's own function")?;
        self.field(2, "Capability offset", unit.capability_offset, "")?;
        self.field(8, "Register base address", unit.base, "")?;
        self.field(2, "PCI segment number", unit.segment.0, "")?;
        let numbers = format!("MSI {}, unit {}", unit.info & 0x1f, unit.info >> 8 & 0x1f);
        self.field(2, "IOMMU info", unit.info, numbers)?;
        let features = if unit.feature_registers.is_some() { "Attributes" } else { "Feature reporting" };
        self.field(4, features, unit.features, "")?;
        for (register, name) in unit.feature_registers.into_iter().flatten().zip(["EFR image", "EFR2 image"])
        {
            self.field(8, name, register, "")?;
        }
        unit.entries.clone().try_for_each(|entry| match entry {
            Ok(entry) => self.entry(&entry),
            Err(error) => self.error(&error),
        })
    }

    fn memory(&mut self, block: &Block<'_>, memory: &Ivmd) -> fmt::Result {
        const FLAGS: Bits = &[(0, "unity"), (1, "read"), (2, "write"), (3, "exclusion range")];
        self.start(block, FLAGS, "First device")?;
        self.function("Auxiliary data", RequesterId(memory.aux))?;
        // One field of eight bytes in the specification.
        let [a, b, c, d, e, f] = memory.reserved;
        let [low, high] = u16::try_from(memory.segment.0).unwrap_or(u16::MAX).to_le_bytes();
        let reserved = u64::from_le_bytes([low, high, a, b, c, d, e, f]);
        let segment =
            if memory.segment.0 == 0 { String::new() } else { format!("segment {}", memory.segment) };
        self.field(8, "Reserved", reserved, segment)?;
        self.field(8, "Start address", memory.start, "")?;
        self.field(8, "Memory length", memory.length, "")
    }

    fn entry(&mut self, entry: &Entry<'_>) -> fmt::Result {
        const DATA: Bits = &[
            (0, "INIT"),
            (1, "external interrupts"),
            (2, "NMI"),
            (4, "system management 1"),
            (5, "system management 2"),
            (6, "LINT0"),
            (7, "LINT1"),
        ];
        let length = u32::try_from(entry.bytes().len()).unwrap_or(u32::MAX);
        let end = self.at.saturating_add(length);
        let start = self.at;
        self.field(1, "Device entry", entry.entry_type(), entry_name(entry))?;
        self.function("  device", entry.device_id())?;
        self.field(1, "  data setting", entry.data(), Flags(entry.data().into(), DATA, ""))?;
        match entry.kind() {
            EntryKind::Alias { alias } | EntryKind::AliasRangeStart { alias } => {
                self.padding(entry.bytes(), start, 5)?;
                self.function("  sends as", alias)?;
            }
            EntryKind::Extended { data } | EntryKind::ExtendedRangeStart { data } => {
                const EXTENDED: Bits = &[(31, "ATS disabled")];
                self.field(4, "  extended data", data, Flags(data, EXTENDED, ""))?;
            }
            EntryKind::Special { handle, device, variety } => {
                self.field(1, "  handle", handle, "")?;
                self.function("  sends as", device)?;
                let varieties = ["unknown", "I/O APIC", "HPET"];
                self.field(1, "  variety", variety, name(&varieties, variety.into()))?;
            }
            EntryKind::Acpi { hardware_id, compatible_id, unique_id_format, unique_id } => {
                self.row(8, "  hardware ID", Quoted(hardware_id))?;
                self.row(8, "  compatible ID", Quoted(compatible_id))?;
                let formats = ["none", "integer", "string"];
                self.field(
                    1,
                    "  unique ID format",
                    unique_id_format,
                    name(&formats, unique_id_format.into()),
                )?;
                let length = unique_id.len();
                self.row(1, "  unique ID length", format_args!("{length:02x}  {length} bytes"))?;
                if length > 0 {
                    self.row(length, "  unique ID", Quoted(unique_id))?;
                }
            }
            EntryKind::All
            | EntryKind::Select
            | EntryKind::RangeStart
            | EntryKind::RangeEnd
            | EntryKind::Other => {}
        }
        self.padding(entry.bytes(), start, end.saturating_sub(start))
    }
}

fn entry_name(entry: &Entry<'_>) -> &'static str {
    match entry.kind() {
        EntryKind::All => "all",
        EntryKind::Select => "one",
        EntryKind::RangeStart => "range start",
        EntryKind::RangeEnd => "range end",
        EntryKind::Alias { .. } => "alias",
        EntryKind::AliasRangeStart { .. } => "alias range start",
        EntryKind::Extended { .. } => "extended",
        EntryKind::ExtendedRangeStart { .. } => "extended range start",
        EntryKind::Special { .. } => "special",
        EntryKind::Acpi { .. } => "ACPI device",
        EntryKind::Other if matches!(entry.entry_type(), 0 | 0x40) => "padding",
        EntryKind::Other => "unknown",
    }
}
