//! Builds DMAR tables: for tests, examples and makers of firmware. Tables can also be broken on request.
// It writes and reads nothing: sizes here come from the caller, not from bytes.
#![allow(clippy::arithmetic_side_effects)]

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::acpi::sdt;

/// Writes a DMAR table. Lengths and the checksum are right, unless a method says otherwise.
///
/// ```
/// use fwspec::acpi::dmar::{Builder, Dmar};
/// let mut table = Builder::new(46);
/// table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]);
/// table.unit(0, 0xfed9_1000).include_all();
/// table.memory(0, 0x7b80_0000..=0x7fff_ffff).endpoint(0, [(2, 0)]);
/// assert_eq!(Dmar::parse(&table.finish())?.structures().count(), 3);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    width_minus_one: u8,
    flags: u8,
    /// By their order.
    structures: BTreeMap<usize, Draft>,
}

/// A structure of a [`Builder`].
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    length: Option<u16>,
}

impl Builder {
    /// A table without structures. Physical addresses have one bit more than the argument.
    pub fn new(width_minus_one: u8) -> Self {
        Builder { width_minus_one, flags: 1, structures: BTreeMap::new() }
    }

    /// Sets the flags of the header; the default is interrupt remapping.
    pub fn flags(&mut self, flags: u8) -> &mut Self {
        self.flags = flags;
        self
    }

    /// Adds a structure of any type; `fields` follow its header.
    pub fn structure(&mut self, structure_type: u16, fields: &[u8]) -> &mut Draft {
        let mut bytes = structure_type.to_le_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(fields);
        self.structures.entry(self.structures.len()).or_insert(Draft { bytes, length: None })
    }

    /// A unit (DRHD) of a segment, with its registers at `base`.
    pub fn unit(&mut self, segment: u16, base: u64) -> &mut Draft {
        let [low, high] = segment.to_le_bytes();
        let mut fields = Vec::from([0, 0, low, high]);
        fields.extend(base.to_le_bytes());
        self.structure(0, &fields)
    }

    /// Memory that devices must keep (RMRR).
    pub fn memory(&mut self, segment: u16, addresses: core::ops::RangeInclusive<u64>) -> &mut Draft {
        let [low, high] = segment.to_le_bytes();
        let mut fields = Vec::from([0, 0, low, high]);
        fields.extend(addresses.start().to_le_bytes());
        fields.extend(addresses.end().to_le_bytes());
        self.structure(1, &fields)
    }

    /// Root ports that support ATS (ATSR).
    pub fn ats_ports(&mut self, segment: u16) -> &mut Draft {
        let [low, high] = segment.to_le_bytes();
        self.structure(2, &[0, 0, low, high])
    }

    /// The proximity domain of the unit with these registers (RHSA).
    pub fn affinity(&mut self, base: u64, proximity_domain: u32) -> &mut Draft {
        let mut fields = Vec::from([0; 4]);
        fields.extend(base.to_le_bytes());
        fields.extend(proximity_domain.to_le_bytes());
        self.structure(3, &fields)
    }

    /// A device of the namespace (ANDD), for scopes with this number.
    pub fn namespace_device(&mut self, device_number: u8, path: &str) -> &mut Draft {
        let mut fields = Vec::from([0, 0, 0, device_number]);
        fields.extend(path.bytes());
        fields.push(0);
        self.structure(4, &fields)
    }

    /// Integrated devices with a translation cache (SATC).
    pub fn translation_caches(&mut self, segment: u16) -> &mut Draft {
        let [low, high] = segment.to_le_bytes();
        self.structure(5, &[0, 0, low, high])
    }

    /// The table's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut body = Vec::from([self.width_minus_one, self.flags]);
        body.extend([0; 10]);
        body.extend(self.structures.values().flat_map(Draft::finish));
        sdt::finish(*b"DMAR", 1, &body)
    }
}

impl Draft {
    /// Sets flag bit 0: all devices of the segment (DRHD), all root ports (ATSR), the cache is required (SATC).
    pub fn include_all(&mut self) -> &mut Self {
        self.bytes.iter_mut().skip(4).take(1).for_each(|flags| *flags |= 1);
        self
    }

    /// Adds an endpoint: the start bus, then device and function hop by hop.
    pub fn endpoint(&mut self, bus: u8, path: impl IntoIterator<Item = (u8, u8)>) -> &mut Self {
        self.scope(1, 0, bus, path)
    }

    /// Adds a bridge, and with it everything below the bridge.
    pub fn bridge(&mut self, bus: u8, path: impl IntoIterator<Item = (u8, u8)>) -> &mut Self {
        self.scope(2, 0, bus, path)
    }

    /// Adds a device scope of any type.
    pub fn scope(
        &mut self,
        scope_type: u8,
        enumeration_id: u8,
        bus: u8,
        path: impl IntoIterator<Item = (u8, u8)>,
    ) -> &mut Self {
        let path: Vec<u8> = path.into_iter().flat_map(<[u8; 2]>::from).collect();
        let length = u8::try_from(path.len() + 6).unwrap_or(u8::MAX);
        self.bytes.extend([scope_type, length, 0, 0, enumeration_id, bus]);
        self.bytes.extend(path);
        self
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
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
