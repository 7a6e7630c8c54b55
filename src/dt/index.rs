//! An index of a tree, made in one pass: where its nodes are, their parents, and the properties that matter here.

use alloc::vec;
use alloc::vec::Vec;

use super::known::{Known, Names};
use super::{Cells, Node, Place, Token, Tree};
use crate::bytes::{index, saturate};
use crate::{Error, ErrorKind, Phandle, error::Source};

/// A node of an [`Index`]: its number in the order of the blob; the root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// Nodes, parents, phandles and the properties of interest of a tree, in memory linear in the tree.
///
/// ```no_run
/// use fwspec::{Phandle, dt::Tree};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blob = std::fs::read("board.dtb")?;
/// let index = Tree::parse(&blob)?.index()?;
/// if let Some(node) = index.by_phandle(Phandle(1)) {
///     println!("{}", index.place(index.offset(node)));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Index<'a> {
    tree: Tree<'a>,
    nodes: Vec<Entry>,
    values: Vec<Value>,
    /// Nodes by phandle, for phandles as small as those of real trees.
    dense: Vec<u32>,
    /// Larger phandles, sorted, so that one phandle of `0xffff_fffe` costs 8 bytes and not 16 GiB.
    sparse: Vec<(u32, u32)>,
    /// What could not be read.
    pub(super) skipped: Vec<Error>,
    /// Whether the tree is an overlay.
    pub(super) overlay: bool,
}

/// 16 bytes for a node that takes at least 12 in the blob.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Byte offset of the begin token.
    offset: u32,
    /// Number of the parent; the root's is its own.
    parent: u32,
    /// Position of the first of its `values`; they reach up to the first of the next node.
    first: u32,
    /// The set of its properties: most questions are about properties that a node does not have.
    known: u32,
}

/// 12 bytes for a property that takes at least 12 in the blob.
#[derive(Clone, Copy, Debug)]
struct Value {
    offset: u32,
    length: u32,
    known: Known,
}

/// The phandle of a node, as read.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    phandle: u32,
    node: u32,
    /// Byte offset of the phandle.
    offset: u32,
}

const NO_NODE: u32 = u32::MAX;
/// Most real trees have at least so many words of structure block for each node, and for each property of interest: memory is
/// reserved accordingly. In a denser tree the lists grow.
const WORDS_PER_NODE: usize = 32;
const WORDS_PER_VALUE: usize = 12;
/// Phandles below this times their number are looked up in a table, larger ones by a search. dtc numbers phandles from 1 without
/// gaps; the largest in 1,023 device trees of Debian is 567.
const DENSE_FACTOR: u32 = 4;

impl<'a> Tree<'a> {
    /// Indexes the tree in one pass. Counting in a pass of its own, to reserve memory exactly, would cost more than growing the
    /// lists does: walking the tokens is most of the work.
    ///
    /// # Errors
    /// Those of the structure block: [`ErrorKind::Token`], [`ErrorKind::Truncated`], [`ErrorKind::TreeEnd`] and so on.
    pub fn index(&self) -> Result<Index<'a>, Error> {
        let mut names = Names::new(*self);
        let words = self.structure.len();
        let mut index = Index {
            tree: *self,
            nodes: Vec::with_capacity(words.checked_div(WORDS_PER_NODE).unwrap_or(0)),
            values: Vec::with_capacity(words.checked_div(WORDS_PER_VALUE).unwrap_or(0)),
            dense: Vec::new(),
            sparse: Vec::new(),
            skipped: Vec::new(),
            overlay: false,
        };
        let numbered = index.fill(&mut names)?;
        drop(names);
        index.nodes.shrink_to_fit();
        index.values.shrink_to_fit();
        index.number(numbered);
        Ok(index)
    }
}

impl<'a> Index<'a> {
    /// Reads nodes, parents and values. Returns the phandles, in the order of their nodes.
    fn fill(&mut self, names: &mut Names<'a>) -> Result<Vec<Numbered>, Error> {
        let mut current = 0;
        let mut numbered = Vec::new();
        let mut tokens = self.tree.tokens();
        while let Some(token) = tokens.advance() {
            match token? {
                Token::BeginNode { name, offset } => {
                    self.overlay |= is_overlay(name, tokens.depth());
                    let entry =
                        Entry { offset, parent: current, first: saturate(self.values.len()), known: 0 };
                    current = saturate(self.nodes.len());
                    self.nodes.push(entry);
                }
                Token::Property { name, value, offset } => {
                    let known = names.get(name);
                    if let Ok(None) = known {
                        continue;
                    }
                    let last = index(current).saturating_add(1) == self.nodes.len();
                    // The offset of the token, or of the word that names the property.
                    let (kind, before) = match (known, self.nodes.last_mut().filter(|_| last)) {
                        // The first property of a name counts (linux `of_find_property`); this also bounds the cost of a look-up.
                        (Ok(Some(known)), Some(node)) => {
                            // Of all phandles, in either spelling, the first that is not 0 counts (linux `populate_properties`).
                            if known == Known::Phandle
                                && let Some(phandle) = Cells::of(value).get(0).filter(|phandle| *phandle != 0)
                                && numbered.last().is_none_or(|last: &Numbered| last.node != current)
                            {
                                numbered.push(Numbered { phandle, node: current, offset });
                            }
                            if node.known & known.bit() == 0 {
                                node.known |= known.bit();
                                self.values.push(Value { offset, length: saturate(value.len()), known });
                            }
                            continue;
                        }
                        (Ok(_), _) => (ErrorKind::PropertyAfterChild, 12),
                        (Err(()), _) => (ErrorKind::PropertyName(name), 4),
                    };
                    self.skipped.push(Error { kind, at: Source::DTB.at(offset.saturating_sub(before)) });
                }
                Token::EndNode => current = self.nodes.get(index(current)).map_or(0, |node| node.parent),
            }
        }
        Ok(numbered)
    }

    /// Enters the phandles. Of two nodes with one phandle the first has it (linux `of_find_node_by_phandle`).
    fn number(&mut self, numbered: Vec<Numbered>) {
        let cap = saturate(numbered.len()).saturating_mul(DENSE_FACTOR);
        let below = |one: &&Numbered| one.phandle < cap;
        let largest = numbered.iter().filter(below).map(|one| one.phandle).max();
        self.dense = vec![NO_NODE; largest.map_or(0, |largest| index(largest).saturating_add(1))];
        let beyond = numbered.iter().filter(|one| !below(one)).count();
        let mut sparse: Vec<(u32, u32, u32)> = Vec::with_capacity(beyond);
        for Numbered { phandle, node, offset } in numbered {
            match self.dense.get_mut(index(phandle)) {
                Some(slot) if *slot == NO_NODE => *slot = node,
                Some(_) => self.skipped.push(twice(phandle, offset)),
                None => sparse.push((phandle, node, offset)),
            }
        }
        sparse.sort_unstable();
        self.sparse.reserve_exact(sparse.len());
        for (phandle, node, offset) in sparse {
            match self.sparse.last() {
                Some((last, _)) if *last == phandle => self.skipped.push(twice(phandle, offset)),
                _ => self.sparse.push((phandle, node)),
            }
        }
    }

    /// The tree.
    pub fn tree(&self) -> Tree<'a> {
        self.tree
    }

    /// All nodes, in the order of the blob: parents before their children.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..saturate(self.nodes.len())).map(NodeId)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the tree has no node at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node with this phandle; of two the first. No node has phandle 0.
    pub fn by_phandle(&self, phandle: Phandle) -> Option<NodeId> {
        if let Some(node) = self.dense.get(index(phandle.0)) {
            return Some(*node).filter(|node| *node != NO_NODE).map(NodeId);
        }
        let at = self.sparse.binary_search_by_key(&phandle.0, |(known, _)| *known).ok()?;
        self.sparse.get(at).map(|(_, node)| NodeId(*node))
    }

    /// The node at a path or alias: [`Tree::find`] for an index.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        self.at(self.tree.find(path)?.offset())
    }

    /// The node at a byte offset of the blob.
    pub(crate) fn at(&self, offset: u32) -> Option<NodeId> {
        self.nodes.binary_search_by_key(&offset, |node| node.offset).ok().map(|node| NodeId(saturate(node)))
    }

    /// The parent of a node; `None` for the root.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        let parent = self.nodes.get(index(node.0))?.parent;
        (node.0 != 0).then_some(NodeId(parent))
    }

    /// Whether a node and all nodes above it are available: Linux makes no devices below a node that is not (linux
    /// `of_platform_bus_create`).
    pub(crate) fn reachable(&self, node: NodeId) -> bool {
        let mut next = Some(node);
        while let Some(node) = next {
            if !self.available(node) {
                return false;
            }
            next = self.parent(node);
        }
        true
    }

    /// The children of a node, in the order of the blob.
    pub(crate) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let children = self.sets().filter(move |(child, parent, _)| *parent == node && *child != node);
        children.map(|(child, ..)| child)
    }

    /// The nodes that are wired by `iommus`, `iommu-map`, `msi-map` or `mmu-masters`, in the order of the blob: few of a tree.
    pub(crate) fn wired(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.having([Known::Iommus, Known::IommuMap, Known::MsiMap, Known::MmuMasters])
    }

    /// The strings of a node's `compatible`.
    pub(crate) fn compatible(&self, node: NodeId) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.strings(node, Known::Compatible)
    }

    /// Byte offset of a node in the blob.
    pub fn offset(&self, node: NodeId) -> u32 {
        self.nodes.get(index(node.0)).map_or(0, |node| node.offset)
    }

    /// The name of a node with its unit address; empty for the root.
    pub fn name(&self, node: NodeId) -> &'a [u8] {
        self.node(node).map_or(&[], |node| node.name())
    }

    /// The node as a view.
    pub fn node(&self, node: NodeId) -> Option<Node<'a>> {
        self.tree.node_at(self.offset(node))
    }

    /// What is at a byte offset of the blob, in words: the node's path, the property, the cell.
    pub fn place(&self, offset: u32) -> Place<'a> {
        self.tree.place(offset)
    }

    fn values(&self, node: NodeId) -> &[Value] {
        let first = |node: u32| self.nodes.get(index(node)).map(|node| index(node.first));
        let end = first(node.0.saturating_add(1)).unwrap_or(self.values.len());
        first(node.0).and_then(|start| self.values.get(start..end)).unwrap_or_default()
    }

    fn bytes_of(&self, value: &Value) -> &'a [u8] {
        let rest = self.tree.bytes.get(index(value.offset)..).unwrap_or_default();
        rest.get(..index(value.length)).unwrap_or_default()
    }

    /// A property: its bytes, and their offset in the blob.
    pub(super) fn value(&self, node: NodeId, known: Known) -> Option<(&'a [u8], u32)> {
        if !self.has(node, known) {
            return None;
        }
        let value = self.values(node).iter().find(|value| value.known == known)?;
        Some((self.bytes_of(value), value.offset))
    }

    /// The nodes that have any of these properties, in the order of the blob. For most properties they are few.
    pub(super) fn having<const N: usize>(&self, any: [Known; N]) -> impl Iterator<Item = NodeId> + '_ {
        let wanted = any.into_iter().fold(0, |bits, known| bits | known.bit());
        self.sets().filter(move |(_, _, set)| set & wanted != 0).map(|(node, ..)| node)
    }

    /// All nodes, each with its parent (the root's is the root) and the set of its properties, as [`Known::bit`]s.
    pub(super) fn sets(&self) -> impl Iterator<Item = (NodeId, NodeId, u32)> + '_ {
        (0..).zip(&self.nodes).map(|(number, node)| (NodeId(number), NodeId(node.parent), node.known))
    }

    /// Whether a node has a property.
    pub(super) fn has(&self, node: NodeId, known: Known) -> bool {
        self.nodes.get(index(node.0)).is_some_and(|node| node.known & known.bit() != 0)
    }

    /// The cells of a property; `None` where the node has no such property.
    pub(super) fn cells(&self, node: NodeId, known: Known) -> Option<Cells<'a>> {
        self.value(node, known).map(|(bytes, _)| Cells::of(bytes))
    }

    /// The first cell of a property.
    pub(super) fn cell(&self, node: NodeId, known: Known) -> Option<u32> {
        self.cells(node, known)?.get(0)
    }

    /// The strings of a property.
    pub(super) fn strings(&self, node: NodeId, known: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        super::node::strings(self.value(node, known).map_or(&[], |(bytes, _)| bytes))
    }

    /// Whether `status` says that a node is available (linux `of_device_is_available`).
    pub(super) fn available(&self, node: NodeId) -> bool {
        !self.has(node, Known::Status)
            || self.value(node, Known::Status).is_some_and(|(value, _)| {
                value.ends_with(&[0]) && (value.starts_with(b"okay\0") || value.starts_with(b"ok\0"))
            })
    }
}

fn twice(phandle: u32, offset: u32) -> Error {
    Error { kind: ErrorKind::PhandleTwice(phandle), at: Source::DTB.at(offset) }
}

/// An overlay has its content in `__overlay__` nodes of fragments, and lists in `/__fixups__` what it needs.
fn is_overlay(name: &[u8], depth: u32) -> bool {
    matches!((name, depth), (b"__overlay__", 3) | (b"__fixups__", 2))
}
