//! The blocks of an IVRS table and their fields.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Entries, raw};
use crate::bytes;
use crate::{Error, ErrorKind, RequesterId, Segment, error::At};

/// A block of the table, framed.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    header: &'a raw::BlockHeader,
    bytes: &'a [u8],
    at: At,
}

/// The fields of a block, by its type.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Types 0x10, 0x11 and 0x40: an IOMMU.
    Ivhd(Ivhd<'a>),
    /// Types 0x20, 0x21 and 0x22: memory that devices must keep.
    Ivmd(Ivmd),
    /// Any other type.
    Unknown(u8),
}

/// I/O virtualization hardware definition block (§5.2.2).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ivhd<'a> {
    /// Offset of the IOMMU's capability in its configuration space.
    pub capability_offset: u16,
    /// Physical address of its registers.
    pub base: u64,
    /// PCI segment.
    pub segment: Segment,
    /// Bits 0 to 4 MSI number, bits 8 to 12 unit ID.
    pub info: u16,
    /// Feature reporting (type 0x10), attributes (types 0x11 and 0x40).
    pub features: u32,
    /// Images of the extended feature registers; type 0x10 has none.
    pub feature_registers: Option<[u64; 2]>,
    /// The devices that it translates.
    pub entries: Entries<'a>,
}

/// I/O virtualization memory definition block (§5.2.3).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ivmd {
    /// The devices that need the memory.
    pub devices: Devices,
    /// Auxiliary data: the last device of type 0x22.
    pub aux: u16,
    /// PCI segment as Linux reads it (`ivmd_header`); reserved in the specification.
    pub segment: Segment,
    /// Reserved.
    pub reserved: [u8; 6],
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Flags of the block: bit 0 unity, bit 1 read, bit 2 write, bit 3 exclusion range.
    pub flags: u8,
}

/// The devices that need a block of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Devices {
    /// Type 0x20: all.
    All,
    /// Type 0x21: one.
    One(RequesterId),
    /// Type 0x22: from the first to the last, inclusive.
    Range(RequesterId, RequesterId),
}

impl Ivmd {
    /// Whether Linux maps it one to one: if the unity flag is set, or if it is an exclusion range (`init_memory_definitions`).
    pub fn is_mapped(&self) -> bool {
        self.flags & 0b1001 != 0
    }

    /// Whether Linux lets devices read and write it (`init_unity_map_range`): an exclusion range always, others by their flags.
    pub fn access(&self) -> (bool, bool) {
        let exclusion = self.flags & 8 != 0;
        (exclusion || self.flags & 2 != 0, exclusion || self.flags & 4 != 0)
    }
}

impl<'a> Block<'a> {
    pub(super) fn new(bytes: &'a [u8], at: At) -> Option<Self> {
        bytes::at(bytes, 0).map(|header| Block { header, bytes, at })
    }

    /// Its place in the firmware.
    pub fn at(&self) -> At {
        self.at
    }

    /// Its bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Block type: 0x10, 0x11 and 0x40 IVHD, 0x20, 0x21 and 0x22 IVMD.
    pub fn block_type(&self) -> u8 {
        self.header.block_type
    }

    /// Flags. Those of an IVHD are in the AMD specification, those of an IVMD in [`Ivmd::flags`].
    pub fn flags(&self) -> u8 {
        self.header.flags
    }

    /// Length in bytes, entries included.
    pub fn length(&self) -> u16 {
        self.header.length.get()
    }

    /// IVHD: the IOMMU's own function; IVMD: the first device.
    pub fn device_id(&self) -> RequesterId {
        RequesterId(self.header.device_id.get())
    }

    /// Its fields.
    ///
    /// # Errors
    /// [`NodeTooShort`](ErrorKind::NodeTooShort) where the length does not hold the fields of its type.
    pub fn body(&self) -> Result<Body<'a>, Error> {
        Ok(match self.block_type() {
            0x10 => Body::Ivhd(self.unit(None, 24)?),
            0x11 | 0x40 => {
                let registers: &raw::FeatureRegisters = self.fields(24)?;
                let registers = [registers.efr.get(), registers.efr2.get()];
                Body::Ivhd(self.unit(Some(registers), 40)?)
            }
            0x20..=0x22 => {
                let raw: &raw::Ivmd = self.fields(0)?;
                let (first, aux) = (self.device_id(), raw.aux.get());
                Body::Ivmd(Ivmd {
                    devices: match self.block_type() {
                        0x20 => Devices::All,
                        0x21 => Devices::One(first),
                        _ => Devices::Range(first, RequesterId(aux)),
                    },
                    aux,
                    segment: Segment(u32::from(raw.segment.get())),
                    reserved: raw.reserved,
                    start: raw.start.get(),
                    length: raw.length.get(),
                    flags: self.flags(),
                })
            }
            other => Body::Unknown(other),
        })
    }

    fn unit(&self, feature_registers: Option<[u64; 2]>, entries: u16) -> Result<Ivhd<'a>, Error> {
        let raw: &raw::Ivhd = self.fields(0)?;
        let rest = self.bytes.get(usize::from(entries)..).unwrap_or_default();
        let at = self.at.source.at(self.at.offset.saturating_add(u32::from(entries)));
        Ok(Ivhd {
            capability_offset: raw.capability_offset.get(),
            base: raw.base.get(),
            segment: Segment(u32::from(raw.segment.get())),
            info: raw.info.get(),
            features: raw.features.get(),
            feature_registers,
            entries: Entries::new(rest, at),
        })
    }

    fn fields<T>(&self, offset: u16) -> Result<&'a T, Error>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let need = u16::try_from(size_of::<T>()).unwrap_or(u16::MAX).saturating_add(offset);
        let kind = ErrorKind::NodeTooShort { length: self.length(), need };
        bytes::at(self.bytes, u32::from(offset)).ok_or(Error { kind, at: self.at })
    }
}
