//! Nodes of a tree that a program walks with the `fdt` crate (0.1.5).
//!
//! For code that has such a walk already, over a tree that it trusts. Other code passes the bytes to [`Tree::parse`]: `fdt`
//! panics on two thirds of randomly damaged blobs, overflows the stack on deeply nested ones, and finds a phandle by
//! walking the whole tree. That is why it is a referee in this library's tests and not its parser.
//!
//! ```no_run
//! use fwspec::dt::{MapKind, Tree, resolve};
//! use fwspec::{Dialect, interop};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let blob = std::fs::read("board.dtb")?;
//! let theirs = fdt::Fdt::new(&blob).map_err(|error| format!("{error:?}"))?;
//! let tree = Tree::parse(&blob)?;
//! let host = theirs.find_compatible(&["pci-host-ecam-generic"]).ok_or("no PCI host")?;
//! let host = interop::fdt::node(&tree, host).ok_or("a node of another blob")?;
//! let stream = resolve(&host, MapKind::Iommu, Dialect::LINUX, 0x108)?;
//! # Ok(())
//! # }
//! ```

use fdt::node::FdtNode;

use crate::dt::{Node, Tree};
#[cfg(feature = "alloc")]
use crate::model::RequesterIndex;

/// The node of `tree` that `theirs` is; `None` where it is one of other bytes than those that `tree` was made of.
pub fn node<'a>(tree: &Tree<'a>, theirs: FdtNode<'_, '_>) -> Option<Node<'a>> {
    /// Bytes of the token in front of a node's name.
    const TOKEN: usize = 4;
    if theirs.name == "/" {
        // The crate's own word for the root, whose name is empty: it has no place in the blob.
        return tree.nodes().next()?.ok();
    }
    let offset = theirs.name.as_ptr().addr().checked_sub(tree.bytes().as_ptr().addr())?.checked_sub(TOKEN)?;
    tree.node_at(u32::try_from(offset).ok()?)
}

/// What a node is in [`Platform::requesters`](crate::Platform::requesters), for [`IdMap`](crate::IdMap): two where it
/// has both `iommus` and `iommu-map`, none where it has neither.
#[cfg(feature = "alloc")]
pub fn requesters<'p>(
    platform: &'p crate::Platform,
    node: &Node<'_>,
) -> impl Iterator<Item = RequesterIndex> + use<'p> {
    let offset = node.offset();
    let found = RequesterIndex::number(&platform.requesters);
    found.filter(move |(_, requester)| requester.origin.at.offset == offset).map(|(index, _)| index)
}
