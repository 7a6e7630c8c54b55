//! From one node of a table to the next: IORT, RIMT, VIOT, DMAR and IVRS are lists of nodes, each of which has its own length.

use super::Sdt;
use crate::bytes::{index, saturate};
use crate::{Error, ErrorKind, error::At};

/// A walk over the nodes of a table. An error ends it, because it is not known where the next node starts.
///
/// It does not use nom, whose slicing leaves a panic that the optimiser cannot rule out.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    table: Sdt<'a>,
    offset: u32,
    /// The number of nodes in the header; `None` where nodes continue to the end of the table.
    count: Option<u32>,
    left: u32,
}

impl<'a> Walk<'a> {
    /// Over the `count` nodes from `offset` on.
    pub(super) fn new(table: Sdt<'a>, offset: u32, count: u32) -> Self {
        Walk { table, offset, count: Some(count), left: count }
    }

    /// Over all nodes from `offset` on, up to the end of the table.
    pub(super) fn to_the_end(table: Sdt<'a>, offset: u32) -> Self {
        Walk { table, offset, count: None, left: u32::MAX }
    }

    /// The bytes after the nodes that were walked over.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.table.bytes().get(index(self.offset)..).unwrap_or_default()
    }

    /// The next node and its place. `length` reads the number of bytes in the node's header, which is `header` bytes long; fewer
    /// bytes than that are an error.
    pub(super) fn next(
        &mut self,
        header: u16,
        length: impl Fn(&[u8]) -> Option<u16>,
    ) -> Option<Result<(At, &'a [u8]), Error>> {
        if self.left == 0 || (self.count.is_none() && self.rest().is_empty()) {
            return None;
        }
        let at = self.table.source().at(self.offset);
        let node = self.frame(header, length).map_err(|kind| match kind {
            // The error is about the field of the header, not about the end of the table.
            ErrorKind::NodeCount { .. } => Error { kind, at: at.source.at(Sdt::HEADER_LENGTH) },
            _ => Error { kind, at },
        });
        match &node {
            Ok(node) => {
                self.offset = self.offset.saturating_add(saturate(node.len()));
                self.left = self.left.saturating_sub(1);
            }
            Err(_) => self.left = 0,
        }
        Some(node.map(|node| (at, node)))
    }

    fn frame(&self, header: u16, length: impl Fn(&[u8]) -> Option<u16>) -> Result<&'a [u8], ErrorKind> {
        let rest = self.rest();
        let (have, need) = (saturate(rest.len()), u32::from(header));
        if let (Some(count), true) = (self.count, rest.is_empty()) {
            return Err(ErrorKind::NodeCount { count, found: count.saturating_sub(self.left) });
        }
        let length = length(rest).filter(|_| have >= need).ok_or(ErrorKind::Truncated { need, have })?;
        match rest.get(..usize::from(length)) {
            _ if length == 0 => Err(ErrorKind::NodeLengthZero),
            None => Err(ErrorKind::NodeOverrun { length, left: have }),
            // The node is too short for its own length: nothing says where the next one starts.
            Some(_) if length < header => Err(ErrorKind::NodeTooShort { length, need: header }),
            Some(node) => Ok(node),
        }
    }
}
