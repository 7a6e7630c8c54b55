//! The IO Remapping Table (Arm DEN0049): the StreamIDs and DeviceIDs of devices.
//!
//! [`Iort`] is a view: it frames nodes and types their fields, lazily and without allocating. What the nodes mean together
//! is said by [`Iort::platform`], or without a heap by [`resolve`].

mod body;
#[cfg(feature = "alloc")]
mod build;
#[cfg(feature = "alloc")]
mod lower;
mod mapping;
mod node;
mod path;
mod quirk;
mod raw;
mod resolve;

use crate::acpi::Sdt;
use crate::acpi::walk::Walk;
use crate::bytes;
use crate::{Error, ErrorKind, error::Source};

pub use body::{
    Body, Descriptor, Descriptors, Interrupt, Interrupts, ItsGroup, ItsIds, Iwb, MemoryAccess,
    NamedComponent, Pmcg, Rmr, RootComplex, SmmuV2, SmmuV3,
};
#[cfg(feature = "alloc")]
pub use build::{Builder, NodeBuilder, NodeId, Reference};
pub use mapping::{Mapping, Mappings};
pub use node::{Node, NodeType};
pub use path::{Path, PathFault, same_path};
pub use quirk::{OemEffect, OemQuirk, PmcgModel, SmmuV3Effect, SmmuV3Quirk, smmu_v3_quirks};
pub use resolve::{Resolved, Wanted, component_ids, own_device_id, resolve, resolve_function};

/// An IORT table (DEN0049 §3).
#[derive(Clone, Copy, Debug)]
pub struct Iort<'a> {
    sdt: Sdt<'a>,
    node_count: u32,
    node_offset: u32,
    reserved: u32,
}

impl<'a> Iort<'a> {
    /// Size of the header; the first node is at this offset or later.
    pub const HEADER_LENGTH: u32 = 48;

    /// Reads the header. The nodes are read when they are asked for.
    ///
    /// # Errors
    /// As [`Sdt::parse_as`]; [`Truncated`](ErrorKind::Truncated) when the table is shorter than its 48-byte header;
    /// [`NodeOffset`](ErrorKind::NodeOffset) when the first node is outside the table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_as(bytes, Source::IORT)
    }

    /// [`parse`](Iort::parse) for one of several tables: `source` is its name in errors, which has to be `IORT`.
    ///
    /// # Errors
    /// As [`parse`](Iort::parse).
    pub fn parse_as(bytes: &'a [u8], source: Source) -> Result<Self, Error> {
        let sdt = Sdt::parse_as(bytes, source)?;
        let tail: &raw::TableTail = bytes::at(sdt.bytes(), Sdt::HEADER_LENGTH).ok_or_else(|| Error {
            kind: ErrorKind::Truncated { need: Self::HEADER_LENGTH, have: sdt.length() },
            at: source.at(0),
        })?;
        let offset = tail.node_offset.get();
        if !(Self::HEADER_LENGTH..=sdt.length()).contains(&offset) {
            let kind = ErrorKind::NodeOffset { offset, length: sdt.length() };
            return Err(Error { kind, at: source.at(40) });
        }
        Ok(Iort {
            sdt,
            node_count: tail.node_count.get(),
            node_offset: offset,
            reserved: tail.reserved.get(),
        })
    }

    /// The header that all ACPI tables share.
    pub fn sdt(&self) -> Sdt<'a> {
        self.sdt
    }

    /// Table revision: 0 (DEN0049 A to D), 3 (E.b), 5 (E.d), 6 (E.e, E.f), 7 (E.g). Revisions 1, 2 and 4 are withdrawn, but
    /// operating systems read them.
    pub fn revision(&self) -> u8 {
        self.sdt.revision()
    }

    /// The number of nodes in the header.
    pub fn node_count(&self) -> u32 {
        self.node_count
    }

    /// Offset of the first node from the start of the table.
    pub fn node_offset(&self) -> u32 {
        self.node_offset
    }

    /// The reserved field of the header.
    pub fn reserved(&self) -> u32 {
        self.reserved
    }

    /// The nodes, in table order: as many as the header counts and the table holds.
    ///
    /// An error ends the iteration, because it is not known where the next node starts. Fields of a node are read by [`Node::body`],
    /// whose errors cost that node only.
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort, NodeType};
    /// let mut table = Builder::new(6);
    /// table.its_group([0]);
    /// let bytes = table.finish();
    /// let node = Iort::parse(&bytes)?.nodes().next().expect("one node")?;
    /// assert_eq!((node.offset(), node.node_type()), (48, NodeType::ItsGroup));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes {
            walk: Walk::new(self.sdt, self.node_offset, self.node_count),
            table_revision: self.revision(),
        }
    }

    /// The node that starts at this offset; `None` where no node starts there.
    pub fn node_at(&self, offset: u32) -> Option<Node<'a>> {
        self.nodes()
            .map_while(Result::ok)
            .take_while(|node| node.offset() <= offset)
            .find(|n| n.offset() == offset)
    }

    /// The bytes after the last node that the header counts; empty in a well-formed table.
    pub fn after_nodes(&self) -> &'a [u8] {
        let mut nodes = self.nodes();
        while let Some(Ok(_)) = nodes.next() {}
        nodes.walk.rest()
    }
}

/// The nodes of a table, see [`Iort::nodes`].
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    walk: Walk<'a>,
    table_revision: u8,
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Result<Node<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = |rest: &[u8]| bytes::at::<raw::NodeHeader>(rest, 0).map(|header| header.length.get());
        let framed = self.walk.next(node::HEADER_LENGTH, length)?;
        match framed {
            Ok((at, bytes)) => Node::new(bytes, at, self.table_revision).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Nodes<'_> {}
