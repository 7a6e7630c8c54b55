//! Typed nodes and their mappings.

use core::slice;

use zerocopy::FromBytes;

use super::raw;
use crate::acpi::iort::Path;
use crate::bytes;
use crate::{Bdf, Error, ErrorKind, RequesterId, Segment, error::At};

/// A node of the table, framed.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    header: &'a raw::NodeHeader,
    bytes: &'a [u8],
    at: At,
}

/// The fields of a node, by its type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Body<'a> {
    /// Type 0: an IOMMU, a PCIe function or a platform device.
    Iommu {
        /// Its own function; `None` for a platform device.
        function: Option<Bdf>,
        /// Physical address of its registers; `None` for a PCIe function.
        base: Option<u64>,
        /// ACPI hardware ID of a platform device, `RSCV0004`.
        hardware_id: [u8; 8],
        /// Proximity domain, if the flags say that it is valid.
        proximity_domain: Option<u32>,
        /// Its wired interrupts.
        wires: Wires<'a>,
    },
    /// Type 1: a PCI segment.
    RootComplex {
        /// PCI segment.
        segment: Segment,
        /// Flag bit 0: ATS.
        ats: bool,
        /// Flag bit 1: PRI.
        pri: bool,
        /// Requester ID to device ID.
        mappings: Mappings<'a>,
    },
    /// Type 2: a platform device that masters memory.
    PlatformDevice {
        /// Its full namespace path.
        path: Path<'a>,
        /// Its device IDs.
        mappings: Mappings<'a>,
    },
    /// Any other type.
    Unknown(u8),
}

/// Reserved bits: the type of node (`None` for any), the offset of the field, and the bits in the 32 from there on.
const RESERVED: [(Option<u8>, u32, u32); 4] =
    [(None, 4, 0xffff), (Some(0), 24, !3), (Some(1), 8, !3), (Some(1), 12, 0xffff)];

/// A wired interrupt of an IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Wire {
    /// Global system interrupt.
    pub gsi: u32,
    /// Level-triggered; otherwise edge-triggered.
    pub level: bool,
    /// Active high; otherwise active low.
    pub active_high: bool,
}

/// The wired interrupts of an IOMMU.
#[derive(Clone, Debug)]
pub struct Wires<'a>(slice::Iter<'a, raw::Wire>);

impl Iterator for Wires<'_> {
    type Item = Wire;

    fn next(&mut self) -> Option<Wire> {
        let raw = self.0.next()?;
        let flags = raw.flags.get();
        Some(Wire { gsi: raw.gsi.get(), level: flags & 1 != 0, active_high: flags & 2 != 0 })
    }
}

/// A mapping: source IDs from `source_base` on become device IDs from `destination_base` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mapping {
    /// Its place in the firmware.
    pub at: At,
    /// First source ID: a requester ID on a root complex.
    pub source_base: u32,
    /// Number of IDs. Linux maps one more (linux drivers/acpi/riscv/rimt.c `rimt_id_map`).
    pub id_count: u32,
    /// First device ID.
    pub destination_base: u32,
    /// Offset of the IOMMU's node from the start of the table.
    pub destination_offset: u32,
    /// Bit 0: ATS required; bit 1: PRI required.
    pub flags: u32,
}

/// The mappings of a node that lie inside it.
#[derive(Clone, Debug)]
pub struct Mappings<'a> {
    records: slice::Iter<'a, raw::IdMapping>,
    next: At,
    error: Option<Error>,
}

impl Mappings<'_> {
    /// What is wrong with the array, if a part of it cannot be read.
    pub fn error(&self) -> Option<Error> {
        self.error
    }
}

impl Iterator for Mappings<'_> {
    type Item = Mapping;

    fn next(&mut self) -> Option<Mapping> {
        let raw = self.records.next()?;
        let at = self.next;
        self.next.offset = at.offset.saturating_add(20);
        Some(Mapping {
            at,
            source_base: raw.source_base.get(),
            id_count: raw.id_count.get(),
            destination_base: raw.destination_base.get(),
            destination_offset: raw.destination_offset.get(),
            flags: raw.flags.get(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Mappings<'_> {}

impl<'a> Node<'a> {
    pub(super) fn new(bytes: &'a [u8], at: At) -> Option<Self> {
        bytes::at(bytes, 0).map(|header| Node { header, bytes, at })
    }

    /// Its place in the firmware.
    pub fn at(&self) -> At {
        self.at
    }

    /// Length in bytes, mappings included.
    pub fn length(&self) -> u16 {
        self.header.length.get()
    }

    /// Node type: 0 IOMMU, 1 root complex, 2 platform device.
    pub fn node_type(&self) -> u8 {
        self.header.node_type
    }

    /// Revision of the node, 1.
    pub fn revision(&self) -> u8 {
        self.header.revision
    }

    /// Identifier, unique in the table.
    pub fn id(&self) -> u16 {
        self.header.id.get()
    }

    /// Its fields.
    ///
    /// # Errors
    /// [`NodeTooShort`](ErrorKind::NodeTooShort) where the length does not hold the fields of its type.
    pub fn body(&self) -> Result<Body<'a>, Error> {
        Ok(match self.node_type() {
            0 => {
                let iommu: &raw::Iommu = self.fields()?;
                let flags = iommu.flags.get();
                let is_function = flags & 1 != 0;
                let (segment, rid) = (u32::from(iommu.segment.get()), iommu.bdf.get());
                let function = Bdf { segment: Segment(segment), rid: RequesterId(rid) };
                Body::Iommu {
                    function: is_function.then_some(function),
                    base: (!is_function).then_some(iommu.base.get()),
                    hardware_id: iommu.hardware_id,
                    proximity_domain: (flags & 2 != 0).then_some(iommu.proximity_domain.get()),
                    wires: Wires(self.array(iommu.wire_offset.get(), iommu.wire_count.get()).iter()),
                }
            }
            1 => {
                let root: &raw::RootComplex = self.fields()?;
                Body::RootComplex {
                    segment: Segment(u32::from(root.segment.get())),
                    ats: root.flags.get() & 1 != 0,
                    pri: root.flags.get() & 2 != 0,
                    mappings: self.mappings(root.mapping_offset.get(), root.mapping_count.get(), 20),
                }
            }
            2 => {
                let device: &raw::PlatformDevice = self.fields()?;
                let (offset, count) = (device.mapping_offset.get(), device.mapping_count.get());
                let end = if count > 0 { usize::from(offset) } else { self.bytes.len() };
                let path = self.bytes.get(12..end).or(self.bytes.get(12..)).unwrap_or_default();
                Body::PlatformDevice { path: Path::new(path), mappings: self.mappings(offset, count, 12) }
            }
            other => Body::Unknown(other),
        })
    }

    /// All its bytes, mappings included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reserved fields, and fields with reserved bits, that are not zero: their offsets in the node and their lengths in bytes.
    pub fn reserved_set(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        let (bytes, kind) = (self.bytes, self.node_type());
        let set = move |offset: u32, mask: u32| {
            let field: Option<&zerocopy::little_endian::U32> = bytes::at(bytes, offset);
            field.is_some_and(|field| field.get() & mask != 0)
        };
        RESERVED
            .iter()
            .filter(move |(of, offset, mask)| of.is_none_or(|of| of == kind) && set(*offset, *mask))
            .map(|(_, offset, mask)| (*offset, if *mask > 0xffff { 4 } else { 2 }))
    }

    /// The reserved bits of a field of [`reserved_set`](Node::reserved_set), by its offset.
    #[cfg(feature = "alloc")]
    pub(crate) fn reserved_bits(&self, offset: u32) -> Option<u32> {
        let kind = self.node_type();
        let row = RESERVED.iter().find(|(of, at, _)| of.is_none_or(|of| of == kind) && *at == offset);
        row.map(|(.., mask)| *mask)
    }

    /// Offset and length of the parts of the node that have a meaning: its fields, and the array that they describe.
    pub fn parts(&self) -> [(u32, u32); 3] {
        let at = |offset: u32| -> u32 {
            let field: Option<&zerocopy::little_endian::U16> = bytes::at(self.bytes, offset);
            field.map_or(0, |field| field.get().into())
        };
        let whole = bytes::saturate(self.bytes.len());
        match self.body() {
            Ok(Body::Iommu { wires, .. }) => {
                [(0, 40), (at(38), bytes::saturate(wires.0.len()).saturating_mul(8)), (0, 0)]
            }
            Ok(Body::RootComplex { mappings, .. }) => {
                [(0, 20), (at(16), bytes::saturate(mappings.len()).saturating_mul(20)), (0, 0)]
            }
            Ok(Body::PlatformDevice { path, mappings }) => {
                let text = bytes::saturate(path.bytes().len()).saturating_add(1);
                [(0, 12), (at(8), bytes::saturate(mappings.len()).saturating_mul(20)), (12, text)]
            }
            Ok(Body::Unknown(_)) | Err(_) => [(0, whole), (0, 0), (0, 0)],
        }
    }

    /// Why the fields of an IOMMU cannot be right; `None` for other nodes, and where nothing is wrong.
    pub fn iommu_fault(&self) -> Option<&'static str> {
        let Ok(Body::Iommu { function, hardware_id, .. }) = self.body() else { return None };
        let raw: &raw::Iommu = self.fields().ok()?;
        // Text, then zeros.
        let mut text = hardware_id.iter().skip_while(|byte| byte.is_ascii_graphic());
        let is_text = text.all(|byte| *byte == 0);
        let (count, offset) = (usize::from(raw.wire_count.get()), usize::from(raw.wire_offset.get()));
        let end = count.saturating_mul(size_of::<raw::Wire>()).saturating_add(offset);
        match function {
            None if !is_text => Some("its hardware ID is not text"),
            _ if count > 0 && offset < size_of::<raw::Iommu>() => Some("its wires overlap its own fields"),
            _ if count > 0 && end > self.bytes.len() => Some("its wires reach past its end"),
            _ => None,
        }
    }

    fn fields<T>(&self) -> Result<&'a T, Error>
    where
        T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
    {
        let need = u16::try_from(size_of::<T>()).unwrap_or(u16::MAX);
        let kind = ErrorKind::NodeTooShort { length: self.length(), need };
        bytes::at(self.bytes, 0).ok_or(Error { kind, at: self.at })
    }

    /// The records inside the node, at most `count`.
    fn array<T>(&self, offset: u16, count: u16) -> &'a [T]
    where
        T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
    {
        let rest = self.bytes.get(usize::from(offset)..).unwrap_or_default();
        let fit = rest.len().checked_div(size_of::<T>()).unwrap_or(0).min(usize::from(count));
        <[T]>::ref_from_prefix_with_elems(rest, fit).map(|(records, _)| records).unwrap_or_default()
    }

    /// The mappings; none where their array overlaps the node's own fields.
    fn mappings(&self, offset: u16, count: u16, fixed: u16) -> Mappings<'a> {
        let records: &[raw::IdMapping] = match offset {
            offset if offset < fixed => &[],
            _ => self.array(offset, count),
        };
        let at = |kind| Some(Error { kind, at: self.at });
        let fit = u16::try_from(records.len()).unwrap_or(u16::MAX);
        let (offset, count) = (u32::from(offset), u32::from(count));
        let error = match (count, offset) {
            (0, _) => None,
            (count, 0) => at(ErrorKind::MappingsNowhere(count)),
            (_, offset) if offset < u32::from(fixed) => at(ErrorKind::MappingsOverlap { offset, fixed }),
            _ if u32::from(fit) < count => at(ErrorKind::MappingsOutside { count, offset, fit }),
            _ => None,
        };
        let mut next = self.at;
        next.offset = next.offset.saturating_add(offset);
        Mappings { records: records.iter(), next, error }
    }
}
