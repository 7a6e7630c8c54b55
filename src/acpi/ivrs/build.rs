//! Builds IVRS tables: for tests, examples and makers of firmware. Tables can also be broken on request.
// It writes and reads nothing: sizes here come from the caller, not from bytes.
#![allow(clippy::arithmetic_side_effects)]

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::Devices;
use crate::RequesterId;
use crate::acpi::sdt;

/// Writes an IVRS table. Lengths and the checksum are right, unless a method says otherwise.
///
/// ```
/// use fwspec::RequesterId;
/// use fwspec::acpi::ivrs::{Builder, Devices, Ivrs};
/// let mut table = Builder::new();
/// table.unit(0x11, 0, RequesterId(2), 0xfeb8_0000).range(8..=0xfffe).alias_range(0x300..=0x3ff, 0x2a0);
/// table.memory(Devices::All, 0b111, 0x1000_0000, 0x1000);
/// assert_eq!(Ivrs::parse(&table.finish())?.blocks().count(), 2);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    info: u32,
    /// By their order.
    blocks: BTreeMap<usize, Draft>,
}

/// A block of a [`Builder`].
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    length: Option<u16>,
}

impl Builder {
    /// A table without blocks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `IVinfo`.
    pub fn info(&mut self, info: u32) -> &mut Self {
        self.info = info;
        self
    }

    /// Adds a block of any type; `fields` follow its type, flags and length.
    pub fn block(&mut self, block_type: u8, flags: u8, fields: &[u8]) -> &mut Draft {
        let mut bytes = Vec::from([block_type, flags, 0, 0]);
        bytes.extend(fields);
        self.blocks.entry(self.blocks.len()).or_insert(Draft { bytes, length: None })
    }

    /// A unit (IVHD): its block type, segment, its own function and registers.
    pub fn unit(&mut self, block_type: u8, segment: u16, own: RequesterId, base: u64) -> &mut Draft {
        let mut fields = own.0.to_le_bytes().to_vec();
        fields.extend([0x40, 0]);
        fields.extend(base.to_le_bytes());
        fields.extend(segment.to_le_bytes());
        fields.resize(if block_type == 0x10 { 20 } else { 36 }, 0);
        self.block(block_type, 0, &fields)
    }

    /// Memory that devices must keep (IVMD). Flags: bit 0 unity, bit 1 read, bit 2 write, bit 3 exclusion range.
    pub fn memory(&mut self, devices: Devices, flags: u8, start: u64, length: u64) -> &mut Draft {
        let (block_type, first, last) = match devices {
            Devices::All => (0x20, 0, 0),
            Devices::One(RequesterId(one)) => (0x21, one, 0),
            Devices::Range(RequesterId(first), RequesterId(last)) => (0x22, first, last),
        };
        let mut fields = [first.to_le_bytes(), last.to_le_bytes()].concat();
        fields.extend([0; 8]);
        fields.extend(start.to_le_bytes());
        fields.extend(length.to_le_bytes());
        self.block(block_type, flags, &fields)
    }

    /// The table's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut body = self.info.to_le_bytes().to_vec();
        body.extend([0; 8]);
        body.extend(self.blocks.values().flat_map(Draft::finish));
        sdt::finish(*b"IVRS", 2, &body)
    }
}

impl Draft {
    /// Claims every function of the segment.
    pub fn all(&mut self) -> &mut Self {
        self.entry(1, 0, 0, &[])
    }

    /// Claims one function.
    pub fn select(&mut self, function: u16) -> &mut Self {
        self.entry(2, function, 0, &[])
    }

    /// Claims functions.
    pub fn range(&mut self, functions: RangeInclusive<u16>) -> &mut Self {
        self.entry(3, *functions.start(), 0, &[]).entry(4, *functions.end(), 0, &[])
    }

    /// Claims one function, which sends as another.
    pub fn alias(&mut self, function: u16, alias: u16) -> &mut Self {
        let [low, high] = alias.to_le_bytes();
        self.entry(0x42, function, 0, &[0, low, high, 0])
    }

    /// Claims functions that all send as one.
    pub fn alias_range(&mut self, functions: RangeInclusive<u16>, alias: u16) -> &mut Self {
        let [low, high] = alias.to_le_bytes();
        self.entry(0x43, *functions.start(), 0, &[0, low, high, 0]).entry(4, *functions.end(), 0, &[])
    }

    /// Claims one function, with extended data: bit 31 ATS disabled.
    pub fn extended(&mut self, function: u16, data: u32) -> &mut Self {
        self.entry(0x46, function, 0, &data.to_le_bytes())
    }

    /// Claims functions, with extended data: bit 31 ATS disabled.
    pub fn extended_range(&mut self, functions: RangeInclusive<u16>, data: u32) -> &mut Self {
        self.entry(0x47, *functions.start(), 0, &data.to_le_bytes()).entry(4, *functions.end(), 0, &[])
    }

    /// Adds an I/O APIC (variety 1) or HPET (2), with the ID that it sends with.
    pub fn special(&mut self, variety: u8, handle: u8, function: u16) -> &mut Self {
        let [low, high] = function.to_le_bytes();
        self.entry(0x48, 0, 0, &[handle, low, high, variety])
    }

    /// Adds a device of the namespace by its hardware and unique ID, with the ID that it sends with. A hardware ID of more than
    /// eight characters is cut.
    pub fn acpi(&mut self, function: u16, hardware_id: &str, unique_id: &str) -> &mut Self {
        let mut rest: Vec<u8> = hardware_id.bytes().chain([0; 8]).take(8).collect();
        rest.extend([0; 8]);
        let length = u8::try_from(unique_id.len()).unwrap_or(u8::MAX);
        rest.extend([if length == 0 { 0 } else { 2 }, length]);
        rest.extend(unique_id.bytes().take(usize::from(length)));
        self.entry(0xf0, function, 0, &rest)
    }

    /// Adds an entry of any type: the function, the data setting, and the bytes after them.
    pub fn entry(&mut self, entry_type: u8, function: u16, data: u8, rest: &[u8]) -> &mut Self {
        let [low, high] = function.to_le_bytes();
        self.bytes.extend([entry_type, low, high, data]);
        self.bytes.extend(rest);
        self
    }

    /// Sets another length than the right one.
    pub fn length(&mut self, length: u16) -> &mut Self {
        self.length = Some(length);
        self
    }

    fn finish(&self) -> Vec<u8> {
        sdt::with_length(&self.bytes, self.length)
    }
}
