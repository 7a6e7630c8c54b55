//! The RISC-V IO Mapping Table (RISC-V ACPI RIMT specification 1.0): the device IDs by which a RISC-V IOMMU knows devices.
//!
//! [`Rimt`] is a view; the meaning of its nodes is given by [`Rimt::platform`].

#[cfg(feature = "alloc")]
mod lower;
mod node;
mod raw;

use crate::acpi::Sdt;
use crate::acpi::walk::Walk;
use crate::bytes;
use crate::{Error, ErrorKind, error::Source};

pub use node::{Body, Mapping, Mappings, Node, Wire, Wires};

/// Bytes of the header at the start of every node.
const NODE_HEADER: u16 = 8;

/// A RIMT table.
///
/// ```
/// use fwspec::acpi::rimt::{Body, Rimt};
/// let mut bytes = b"RIMT\x58\0\0\0\x01\0".to_vec();
/// bytes.resize(36, 0);
/// bytes.extend([1, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0]); // one node, at byte 48
/// bytes.extend([0, 1, 40, 0, 0, 0, 0, 0]); // an IOMMU
/// bytes.extend(*b"RSCV0004");
/// bytes.extend(0x301_0000_u64.to_le_bytes());
/// bytes.resize(88, 0);
/// let node = Rimt::parse(&bytes)?.nodes().next().expect("one node")?;
/// assert!(matches!(node.body()?, Body::Iommu { base: Some(0x301_0000), function: None, .. }));
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rimt<'a> {
    sdt: Sdt<'a>,
    node_count: u32,
    node_offset: u32,
}

impl<'a> Rimt<'a> {
    /// Size of the header; the first node is at this offset or later.
    pub const HEADER_LENGTH: u32 = 48;

    /// Reads the header. The nodes are read when they are asked for.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 48-byte header;
    /// [`NodeOffset`](ErrorKind::NodeOffset) when the first node is outside the table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::RIMT)
    }

    /// [`parse`](Rimt::parse) for one of several tables: `source` is its name in errors, which has to be `RIMT`.
    ///
    /// # Errors
    /// As [`parse`](Rimt::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let kind = ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() };
        let tail: &raw::TableTail =
            bytes::at(sdt.bytes(), Sdt::HEADER_LENGTH).ok_or(Error { kind, at: source.at(0) })?;
        let offset = tail.node_offset.get();
        if !(Self::HEADER_LENGTH..=sdt.length()).contains(&offset) {
            let kind = ErrorKind::NodeOffset { offset, length: sdt.length() };
            return Err(Error { kind, at: source.at(40) });
        }
        Ok(Rimt { sdt, node_count: tail.node_count.get(), node_offset: offset })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// The number of nodes in the header.
    pub fn node_count(&self) -> u32 {
        self.node_count
    }

    /// The bytes after the last node that the header counts; empty in a well-formed table.
    pub fn after_nodes(&self) -> &'a [u8] {
        let mut nodes = self.nodes();
        while let Some(Ok(_)) = nodes.next() {}
        nodes.0.rest()
    }

    /// The nodes, in table order: as many as the header counts and the table holds.
    ///
    /// An error ends the iteration, because it is not known where the next node starts. Fields of a node are read by [`Node::body`],
    /// whose errors cost that node only.
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes(Walk::new(self.sdt, self.node_offset, self.node_count))
    }
}

/// The nodes of a table, see [`Rimt::nodes`].
#[derive(Clone, Debug)]
pub struct Nodes<'a>(Walk<'a>);

impl<'a> Iterator for Nodes<'a> {
    type Item = Result<Node<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = |rest: &[u8]| bytes::at::<raw::NodeHeader>(rest, 0).map(|header| header.length.get());
        match self.0.next(NODE_HEADER, length)? {
            Ok((at, bytes)) => Node::new(bytes, at).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Nodes<'_> {}
