//! The Virtual I/O Translation table (ACPI 6.5 §5.2.36): the endpoint ID by which a virtio-iommu knows each device.
//!
//! [`Viot`] is a view; the meaning of its nodes is given by [`Viot::platform`].

#[cfg(feature = "alloc")]
mod lower;
mod raw;

use crate::acpi::Sdt;
use crate::acpi::walk::Walk;
use crate::bytes;
use crate::{
    Bdf, Error, ErrorKind, RequesterId, Segment,
    error::{At, Source},
};

/// Bytes of the header at the start of every node.
const NODE_HEADER: u16 = 4;

/// A VIOT table.
///
/// ```
/// use fwspec::acpi::viot::{Node, Viot};
/// let mut bytes = b"VIOT\x40\0\0\0\0".to_vec();
/// bytes.resize(36, 0);
/// bytes.extend([1, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // one node, at byte 48
/// bytes.extend([3, 0, 16, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // a virtio-iommu at 0000:00:01.0
/// let (at, node) = Viot::parse(&bytes)?.nodes().next().expect("one node")?;
/// assert_eq!(at.to_string(), "VIOT+0x30");
/// assert!(matches!(node, Node::PciIommu(function) if function.to_string() == "0000:00:01.0"));
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Viot<'a> {
    sdt: Sdt<'a>,
    node_count: u16,
    node_offset: u16,
}

/// A node of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Node {
    /// Type 1: PCI functions.
    PciRange(PciRange),
    /// Type 2: a platform device.
    MmioEndpoint {
        /// Its endpoint ID.
        endpoint: u32,
        /// Physical address of its registers, by which the device is found (linux `viot_mmio_dev_iommu_init`).
        base: u64,
        /// Offset of the IOMMU's node from the start of the table.
        output_node: u16,
    },
    /// Type 3: a virtio-iommu that is a PCI function.
    PciIommu(Bdf),
    /// Type 4: a virtio-iommu at this physical address.
    MmioIommu(u64),
    /// Any other type; Linux skips it with a warning.
    Unknown(u8),
}

/// Bytes of a node that have no meaning in the specification, and are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// The node.
    pub node: At,
    /// The first byte that is not zero.
    pub at: At,
    /// Number of bytes, up to the last that is not zero.
    pub len: u32,
    /// Whether it is a reserved field; otherwise it is after the fields.
    pub is_reserved: bool,
}

/// The layout of a node, for its bytes without a meaning.
struct Layout {
    node_type: u8,
    /// Offset and length of reserved fields.
    reserved: [(u32, u32); 2],
    /// Total length of the fields.
    length: u32,
}

const LAYOUTS: [Layout; 4] = [
    Layout { node_type: 1, reserved: [(1, 1), (18, 6)], length: 24 },
    Layout { node_type: 2, reserved: [(1, 1), (18, 6)], length: 24 },
    Layout { node_type: 3, reserved: [(1, 1), (8, 8)], length: 16 },
    Layout { node_type: 4, reserved: [(1, 1), (4, 4)], length: 16 },
];

/// PCI functions of some segments, the same requester IDs in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PciRange {
    /// Endpoint ID of the first function of the first segment; every segment has 65,536 IDs of its own.
    pub endpoint_start: u32,
    /// First segment.
    pub segment_start: u16,
    /// Last segment, inclusive.
    pub segment_end: u16,
    /// First requester ID.
    pub first: RequesterId,
    /// Last requester ID, inclusive.
    pub last: RequesterId,
    /// Offset of the IOMMU's node from the start of the table.
    pub output_node: u16,
}

impl PciRange {
    /// The endpoint ID of a function, wrapped to 32 bits as the kernel computes it (linux drivers/acpi/viot.c
    /// `viot_pci_dev_iommu_init`); `None` outside the range.
    pub fn endpoint_of(&self, function: Bdf) -> Option<u32> {
        let segment = u16::try_from(function.segment.0).ok()?;
        if !(self.segment_start..=self.segment_end).contains(&segment)
            || !(self.first..=self.last).contains(&function.rid)
        {
            return None;
        }
        let segments = u32::from(segment.wrapping_sub(self.segment_start)).wrapping_shl(16);
        let functions = u32::from(function.rid.0.wrapping_sub(self.first.0));
        Some(self.endpoint_start.wrapping_add(segments).wrapping_add(functions))
    }
}

impl<'a> Viot<'a> {
    /// Size of the header; the first node is at this offset or later.
    pub const HEADER_LENGTH: u32 = 48;

    /// Reads the header. The nodes are read when they are asked for.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 48-byte header;
    /// [`NodeOffset`](ErrorKind::NodeOffset) when the first node is outside the table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::VIOT)
    }

    /// [`parse`](Viot::parse) for one of several tables: `source` is its name in errors, which has to be `VIOT`.
    ///
    /// # Errors
    /// As [`parse`](Viot::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let tail: &raw::TableTail =
            bytes::at(sdt.bytes(), Sdt::HEADER_LENGTH).ok_or(Error { kind, at: source.at(0) })?;
        let offset = u32::from(tail.node_offset.get());
        if !(Self::HEADER_LENGTH..=sdt.length()).contains(&offset) {
            let kind = ErrorKind::NodeOffset { offset, length: sdt.length() };
            return Err(Error { kind, at: source.at(38) });
        }
        Ok(Viot { sdt, node_count: tail.node_count.get(), node_offset: tail.node_offset.get() })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// The number of nodes in the header.
    pub fn node_count(&self) -> u16 {
        self.node_count
    }

    /// The bytes after the last node that the header counts; empty in a well-formed table.
    pub fn after_nodes(&self) -> &'a [u8] {
        let mut nodes = self.nodes();
        while nodes.next().is_some() {}
        nodes.0.rest()
    }

    /// Bytes of nodes that have no meaning and are not zero: reserved fields, and bytes after the fields.
    pub fn unread(&self) -> impl Iterator<Item = Unread> + 'a {
        let Nodes(mut walk) = self.nodes();
        let length = |rest: &[u8]| bytes::at::<raw::NodeHeader>(rest, 0).map(|header| header.length.get());
        let nodes = core::iter::from_fn(move || walk.next(NODE_HEADER, length)).map_while(Result::ok);
        nodes.flat_map(|(node, bytes)| {
            let layout = LAYOUTS.iter().find(|layout| Some(&layout.node_type) == bytes.first());
            let parts = layout.map(|layout| {
                let reserved = layout.reserved.into_iter().map(|(offset, len)| (offset, len, true));
                reserved.chain([(layout.length, u32::MAX, false)])
            });
            parts.into_iter().flatten().filter_map(move |(offset, len, is_reserved)| {
                let rest = bytes.get(bytes::index(offset)..)?;
                let part = rest.get(..bytes::index(len)).unwrap_or(rest);
                let first = bytes::saturate(part.iter().position(|byte| *byte != 0)?);
                let last = bytes::saturate(part.iter().rposition(|byte| *byte != 0)?);
                let at = At {
                    source: node.source,
                    offset: node.offset.saturating_add(offset).saturating_add(first),
                };
                Some(Unread { node, at, len: last.saturating_sub(first).saturating_add(1), is_reserved })
            })
        })
    }

    /// The nodes and their places, in table order: as many as the header counts and the table holds.
    ///
    /// A node that is too short for its type is one error. An error after which the start of the next node is unknown ends the
    /// iteration.
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes(Walk::new(self.sdt, u32::from(self.node_offset), u32::from(self.node_count)))
    }
}

/// The nodes of a table, see [`Viot::nodes`].
#[derive(Clone, Debug)]
pub struct Nodes<'a>(Walk<'a>);

impl Iterator for Nodes<'_> {
    type Item = Result<(At, Node), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = |rest: &[u8]| bytes::at::<raw::NodeHeader>(rest, 0).map(|header| header.length.get());
        let framed = self.0.next(NODE_HEADER, length)?;
        Some(framed.and_then(|(at, node)| read(node, at).map(|node| (at, node))))
    }
}

impl core::iter::FusedIterator for Nodes<'_> {}

fn read(node: &[u8], at: At) -> Result<Node, Error> {
    let short = |need: usize| {
        let [length, need] = [node.len(), need].map(|bytes| u16::try_from(bytes).unwrap_or(u16::MAX));
        Error { kind: ErrorKind::NodeTooShort { length, need }, at }
    };
    Ok(match node.first().copied().unwrap_or_default() {
        1 => {
            let range: &raw::PciRange = bytes::at(node, 0).ok_or(short(24))?;
            Node::PciRange(PciRange {
                endpoint_start: range.endpoint_start.get(),
                segment_start: range.segment_start.get(),
                segment_end: range.segment_end.get(),
                first: RequesterId(range.bdf_start.get()),
                last: RequesterId(range.bdf_end.get()),
                output_node: range.output_node.get(),
            })
        }
        2 => {
            let device: &raw::MmioEndpoint = bytes::at(node, 0).ok_or(short(24))?;
            Node::MmioEndpoint {
                endpoint: device.endpoint.get(),
                base: device.base.get(),
                output_node: device.output_node.get(),
            }
        }
        3 => {
            let iommu: &raw::PciIommu = bytes::at(node, 0).ok_or(short(16))?;
            let (segment, rid) = (u32::from(iommu.segment.get()), iommu.bdf.get());
            Node::PciIommu(Bdf { segment: Segment(segment), rid: RequesterId(rid) })
        }
        4 => {
            let iommu: &raw::MmioIommu = bytes::at(node, 0).ok_or(short(16))?;
            Node::MmioIommu(iommu.base.get())
        }
        other => Node::Unknown(other),
    })
}
