//! A node of the table: its header, and where its mappings are.

use core::fmt;

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Mappings, raw};
use crate::bytes::{self, index};
use crate::{Error, ErrorKind, error::At};

/// Bytes of the header of every node.
pub(super) const HEADER_LENGTH: u16 = 16;

/// What a node describes (DEN0049 §3.1, table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NodeType {
    /// 0: a group of GIC ITS units, which are the targets of DeviceIDs.
    ItsGroup,
    /// 1: a platform device, identified by its namespace path.
    NamedComponent,
    /// 2: a PCI segment.
    RootComplex,
    /// 3: an SMMUv1 or SMMUv2.
    SmmuV2,
    /// 4: an SMMUv3.
    SmmuV3,
    /// 5: a performance monitor counter group.
    Pmcg,
    /// 6: reserved memory ranges.
    Rmr,
    /// 7: a GICv5 interrupt wire bridge.
    Iwb,
    /// A number that no known revision defines.
    Unknown(u8),
}

impl From<u8> for NodeType {
    fn from(number: u8) -> Self {
        match number {
            0 => NodeType::ItsGroup,
            1 => NodeType::NamedComponent,
            2 => NodeType::RootComplex,
            3 => NodeType::SmmuV2,
            4 => NodeType::SmmuV3,
            5 => NodeType::Pmcg,
            6 => NodeType::Rmr,
            7 => NodeType::Iwb,
            other => NodeType::Unknown(other),
        }
    }
}

impl From<NodeType> for u8 {
    fn from(kind: NodeType) -> Self {
        match kind {
            NodeType::ItsGroup => 0,
            NodeType::NamedComponent => 1,
            NodeType::RootComplex => 2,
            NodeType::SmmuV2 => 3,
            NodeType::SmmuV3 => 4,
            NodeType::Pmcg => 5,
            NodeType::Rmr => 6,
            NodeType::Iwb => 7,
            NodeType::Unknown(other) => other,
        }
    }
}

impl NodeType {
    /// The smallest length with which a node of this type, in its oldest revision, can be read: header and fields, and the NUL of a
    /// path.
    pub fn minimum_length(self) -> u16 {
        match self {
            NodeType::ItsGroup => 20,
            NodeType::NamedComponent => 30,
            NodeType::RootComplex | NodeType::Pmcg => 32,
            NodeType::SmmuV2 | NodeType::SmmuV3 => 60,
            NodeType::Rmr => 28,
            NodeType::Iwb => 27,
            NodeType::Unknown(_) => 16,
        }
    }

    /// Whether it is an SMMU, of whichever version.
    pub fn is_smmu(self) -> bool {
        matches!(self, NodeType::SmmuV2 | NodeType::SmmuV3)
    }
}

impl fmt::Display for NodeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeType::ItsGroup => "ITS group",
            NodeType::NamedComponent => "named component",
            NodeType::RootComplex => "root complex",
            NodeType::SmmuV2 => "SMMUv1/v2",
            NodeType::SmmuV3 => "SMMUv3",
            NodeType::Pmcg => "PMCG",
            NodeType::Rmr => "RMR",
            NodeType::Iwb => "IWB",
            NodeType::Unknown(number) => return write!(f, "node of type {number}"),
        })
    }
}

/// A node: its bytes are inside the table, and as many as its header says.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    header: &'a raw::NodeHeader,
    bytes: &'a [u8],
    at: At,
    table_revision: u8,
}

impl<'a> Node<'a> {
    pub(super) fn new(bytes: &'a [u8], at: At, table_revision: u8) -> Option<Self> {
        bytes::at(bytes, 0).map(|header| Node { header, bytes, at, table_revision })
    }

    /// Where it starts.
    pub fn at(&self) -> At {
        self.at
    }

    /// Offset from the start of the table, which output references use.
    pub fn offset(&self) -> u32 {
        self.at.offset
    }

    /// All its bytes, mappings included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What it describes.
    pub fn node_type(&self) -> NodeType {
        self.header.node_type.into()
    }

    /// Length in bytes, mappings and padding included.
    pub fn length(&self) -> u16 {
        self.header.length.get()
    }

    /// Revision of the node.
    pub fn revision(&self) -> u8 {
        self.header.revision
    }

    /// Identifier, unique in the table; `None` in tables of revision 0, which reserve the field.
    pub fn identifier(&self) -> Option<u32> {
        (self.table_revision > 0).then(|| self.identifier_field())
    }

    /// The bytes in the place of the identifier, whatever the revision.
    pub fn identifier_field(&self) -> u32 {
        self.header.identifier.get()
    }

    /// The number of ID mappings in the header.
    pub fn mapping_count(&self) -> u32 {
        self.header.mapping_count.get()
    }

    /// Offset of the ID mappings from the start of the node, by the header.
    pub fn mapping_offset(&self) -> u32 {
        self.header.mapping_offset.get()
    }

    /// The ID mappings that lie inside the node, in their order. Without an offset there are none
    /// (linux drivers/acpi/arm64/iort.c `iort_node_map_id`).
    pub fn mappings(&self) -> Mappings<'a> {
        let count = if self.mapping_offset() == 0 { 0 } else { self.mapping_count() };
        Mappings::new(self.array(self.mapping_offset(), count), self.at_byte(self.mapping_offset()))
    }

    /// Why [`mappings`](Node::mappings) has fewer than the header's count, or overlaps the node's own fields.
    pub fn mappings_error(&self) -> Option<Error> {
        let (count, offset) = (self.mapping_count(), self.mapping_offset());
        let fit = self.mappings().len();
        let fixed = self.node_type().minimum_length();
        let kind = if count == 0 {
            return None;
        } else if offset == 0 {
            ErrorKind::MappingsNowhere(count)
        } else if bytes::saturate(fit) < count {
            ErrorKind::MappingsOutside { count, offset, fit: u16::try_from(fit).unwrap_or(u16::MAX) }
        } else if offset < u32::from(fixed) {
            ErrorKind::MappingsOverlap { offset, fixed }
        } else {
            return None;
        };
        Some(Error { kind, at: self.at_byte(8) })
    }

    /// The place of a byte of the node.
    pub(super) fn at_byte(&self, offset: u32) -> At {
        At { source: self.at.source, offset: self.at.offset.saturating_add(offset) }
    }

    /// The fields at the start of the node.
    pub(super) fn fields<T>(&self) -> Result<&'a T, Error>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let need = self.node_type().minimum_length();
        let kind = ErrorKind::NodeTooShort { length: self.length(), need };
        let whole = (self.length() >= need).then(|| bytes::at(self.bytes, 0)).flatten();
        whole.ok_or(Error { kind, at: self.at })
    }

    /// A field that a later revision added at `offset`, if it is inside the node and before the mappings: iasl writes the mappings
    /// of a root complex of revision 4 where its flags would be.
    pub(super) fn later<T>(&self, since_revision: u8, offset: u32) -> Option<&'a T>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let end = offset.saturating_add(bytes::saturate(size_of::<T>()));
        // An array that overlaps the oldest fields is broken, and does not hide any field.
        let fixed = u32::from(self.node_type().minimum_length());
        let in_front = self.mappings().len() == 0 || !(fixed..end).contains(&self.mapping_offset());
        (in_front && self.revision() >= since_revision).then(|| bytes::at(self.bytes, offset)).flatten()
    }

    /// The records of an array `offset` bytes into the node, as far as they lie inside it.
    pub(super) fn array<T>(&self, offset: u32, count: u32) -> &'a [T]
    where
        T: FromBytes + Immutable + Unaligned,
    {
        let rest = self.bytes.get(index(offset)..).unwrap_or_default();
        let fit = rest.len().checked_div(size_of::<T>()).unwrap_or(0);
        <[T]>::ref_from_prefix_with_elems(rest, fit.min(index(count))).map_or(&[], |(records, _)| records)
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("at", &self.at).field("header", &self.header).finish_non_exhaustive()
    }
}

impl PartialEq for Node<'_> {
    /// Two nodes are equal if they are the same bytes at the same place.
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.bytes == other.bytes
    }
}
