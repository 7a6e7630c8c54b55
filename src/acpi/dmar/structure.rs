//! The structures of a DMAR table and their fields.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Scopes, raw};
use crate::acpi::iort::Path;
use crate::bytes;
use crate::{Error, ErrorKind, Segment, error::At};

/// A structure of the table, framed.
#[derive(Clone, Copy, Debug)]
pub struct Structure<'a> {
    header: &'a raw::StructureHeader,
    bytes: &'a [u8],
    at: At,
}

/// The fields of a structure, by its type.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Type 0: a remapping hardware unit.
    Drhd(Drhd<'a>),
    /// Type 1: memory that devices must keep.
    Rmrr(Rmrr<'a>),
    /// Type 2: root ports that support ATS.
    Atsr(Atsr<'a>),
    /// Type 3: the proximity domain of a unit.
    Rhsa(Rhsa),
    /// Type 4: a device of the ACPI namespace.
    Andd(Andd<'a>),
    /// Type 5: integrated devices with an address translation cache.
    Satc(Satc<'a>),
    /// Type 6: properties of integrated devices.
    Sidp(Sidp<'a>),
    /// Any other type.
    Unknown(u16),
}

/// DMA remapping hardware unit definition (§8.3).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Drhd<'a> {
    /// Flags: bit 0 `INCLUDE_PCI_ALL`.
    pub flags: u8,
    /// Size of the register set: 2 to the power of bits 0 to 3, in pages of 4 KiB.
    pub size: u8,
    /// PCI segment.
    pub segment: Segment,
    /// Physical address of its registers.
    pub base: u64,
    /// The devices of the unit.
    pub scopes: Scopes<'a>,
}

/// Reserved memory region reporting structure (§8.4).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rmrr<'a> {
    /// Reserved.
    pub reserved: u16,
    /// PCI segment.
    pub segment: Segment,
    /// First address.
    pub base: u64,
    /// Last address, inclusive; below `base` only in broken firmware.
    pub limit: u64,
    /// Devices that use the memory.
    pub scopes: Scopes<'a>,
}

/// Root port ATS capability reporting structure (§8.5).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Atsr<'a> {
    /// Flags: bit 0 `ALL_PORTS`.
    pub flags: u8,
    /// Reserved.
    pub reserved: u8,
    /// PCI segment.
    pub segment: Segment,
    /// Root ports.
    pub scopes: Scopes<'a>,
}

/// Remapping hardware static affinity structure (§8.6).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rhsa {
    /// Reserved.
    pub reserved: u32,
    /// Physical address of a unit's registers.
    pub base: u64,
    /// Proximity domain.
    pub proximity_domain: u32,
}

/// ACPI name-space device declaration structure (§8.7).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Andd<'a> {
    /// Reserved.
    pub reserved: [u8; 3],
    /// The enumeration ID of the scopes that mean this device.
    pub device_number: u8,
    /// Its namespace path.
    pub path: Path<'a>,
    /// Bytes after the NUL that ends the path, up to the end of the structure.
    pub after_path: &'a [u8],
}

/// SoC integrated address translation cache reporting structure (§8.8).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Satc<'a> {
    /// Flags: bit 0 `ATC_REQUIRED`.
    pub flags: u8,
    /// Reserved.
    pub reserved: u8,
    /// PCI segment.
    pub segment: Segment,
    /// Integrated devices.
    pub scopes: Scopes<'a>,
}

/// SoC integrated device property reporting structure (§8.9). Linux ignores it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sidp<'a> {
    /// Reserved.
    pub reserved: u16,
    /// PCI segment.
    pub segment: Segment,
    /// Integrated devices.
    pub scopes: Scopes<'a>,
}

impl Drhd<'_> {
    /// Flag bit 0: every device of the segment that is not listed by another unit.
    pub fn include_all(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Size of its registers in bytes.
    pub fn register_bytes(&self) -> u64 {
        0x1000_u64.wrapping_shl(u32::from(self.size & 0xf))
    }
}

impl Atsr<'_> {
    /// Flag bit 0: every root port of the segment.
    pub fn all_ports(&self) -> bool {
        self.flags & 1 != 0
    }
}

impl Satc<'_> {
    /// Flag bit 0: the devices need their translation cache to work as specified.
    pub fn atc_required(&self) -> bool {
        self.flags & 1 != 0
    }
}

impl<'a> Body<'a> {
    /// The device scopes; `None` for a structure that has none.
    pub fn scopes(&self) -> Option<Scopes<'a>> {
        match self {
            Body::Drhd(unit) => Some(unit.scopes.clone()),
            Body::Rmrr(memory) => Some(memory.scopes.clone()),
            Body::Atsr(ports) => Some(ports.scopes.clone()),
            Body::Satc(caches) => Some(caches.scopes.clone()),
            Body::Sidp(properties) => Some(properties.scopes.clone()),
            Body::Rhsa(_) | Body::Andd(_) | Body::Unknown(_) => None,
        }
    }
}

impl<'a> Structure<'a> {
    pub(super) fn new(bytes: &'a [u8], at: At) -> Option<Self> {
        bytes::at(bytes, 0).map(|header| Structure { header, bytes, at })
    }

    /// Its place in the firmware.
    pub fn at(&self) -> At {
        self.at
    }

    /// Its bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Structure type: 0 DRHD, 1 RMRR, 2 ATSR, 3 RHSA, 4 ANDD, 5 SATC, 6 SIDP.
    pub fn structure_type(&self) -> u16 {
        self.header.structure_type.get()
    }

    /// Length in bytes, device scopes included.
    pub fn length(&self) -> u16 {
        self.header.length.get()
    }

    /// Its fields.
    ///
    /// # Errors
    /// [`NodeTooShort`](ErrorKind::NodeTooShort) where the length does not hold the fields of its type.
    pub fn body(&self) -> Result<Body<'a>, Error> {
        Ok(match self.structure_type() {
            0 => {
                let raw: &raw::Drhd = self.fields()?;
                Body::Drhd(Drhd {
                    flags: raw.flags,
                    size: raw.size,
                    segment: segment(raw.segment),
                    base: raw.base.get(),
                    scopes: self.scopes(16),
                })
            }
            1 => {
                let raw: &raw::Rmrr = self.fields()?;
                Body::Rmrr(Rmrr {
                    reserved: raw.reserved.get(),
                    segment: segment(raw.segment),
                    base: raw.base.get(),
                    limit: raw.limit.get(),
                    scopes: self.scopes(24),
                })
            }
            2 => {
                let raw::Ats { flags, reserved, segment: number, .. } = *self.fields()?;
                let segment = segment(number);
                Body::Atsr(Atsr { flags, reserved, segment, scopes: self.scopes(8) })
            }
            3 => {
                let raw: &raw::Rhsa = self.fields()?;
                let proximity_domain = raw.proximity_domain.get();
                Body::Rhsa(Rhsa { reserved: raw.reserved.get(), base: raw.base.get(), proximity_domain })
            }
            4 => {
                let raw: &raw::Andd = self.fields()?;
                let rest = self.bytes.get(8..).unwrap_or_default();
                let path = Path::new(rest);
                let end = path.bytes().len().saturating_add(1);
                let after_path = rest.get(end..).unwrap_or_default();
                Body::Andd(Andd {
                    reserved: raw.reserved,
                    device_number: raw.device_number,
                    path,
                    after_path,
                })
            }
            5 => {
                let raw::Ats { flags, reserved, segment: number, .. } = *self.fields()?;
                let segment = segment(number);
                Body::Satc(Satc { flags, reserved, segment, scopes: self.scopes(8) })
            }
            6 => {
                let raw: &raw::Sidp = self.fields()?;
                let segment = segment(raw.segment);
                Body::Sidp(Sidp { reserved: raw.reserved.get(), segment, scopes: self.scopes(8) })
            }
            other => Body::Unknown(other),
        })
    }

    fn scopes(&self, start: u16) -> Scopes<'a> {
        let rest = self.bytes.get(usize::from(start)..).unwrap_or_default();
        Scopes::new(rest, self.at.source.at(self.at.offset.saturating_add(u32::from(start))))
    }

    fn fields<T>(&self) -> Result<&'a T, Error>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let need = u16::try_from(size_of::<T>()).unwrap_or(u16::MAX);
        let kind = ErrorKind::NodeTooShort { length: self.length(), need };
        bytes::at(self.bytes, 0).ok_or(Error { kind, at: self.at })
    }
}

fn segment(number: zerocopy::little_endian::U16) -> Segment {
    Segment(u32::from(number.get()))
}
