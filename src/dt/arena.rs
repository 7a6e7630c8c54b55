//! A tree that can be changed: nodes and properties in lists, found by name.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::write::Writer;
use super::{Token, Tree};
use crate::Error;
use crate::bytes::{index, saturate};

/// The place of a node in an [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeKey(u32);

/// The place of a property in an [`Arena`].
#[derive(Clone, Copy, Debug)]
struct ValueKey(u32);

#[derive(Debug)]
struct Vertex<'a> {
    name: &'a [u8],
    parent: Option<NodeKey>,
    /// The first and the last child.
    children: Option<(NodeKey, NodeKey)>,
    next: Option<NodeKey>,
    /// Grows along the list of children.
    rank: i64,
    /// The first and the last property.
    values: Option<(ValueKey, ValueKey)>,
}

#[derive(Debug)]
struct Value<'a> {
    name: &'a [u8],
    bytes: Cow<'a, [u8]>,
    next: Option<ValueKey>,
}

/// A tree whose nodes and properties can be changed and added.
///
/// The first node is the root. Each other node is in the list of one parent, each property in the list of one node. Of several with
/// one name, a look-up finds the first of the list, as libfdt does.
#[derive(Debug, Default)]
pub(super) struct Arena<'a> {
    nodes: Vec<Vertex<'a>>,
    values: Vec<Value<'a>>,
    /// By parent and whole name.
    by_name: BTreeMap<(NodeKey, &'a [u8]), NodeKey>,
    /// By parent and the name up to the `@`, for names that have one.
    by_stem: BTreeMap<(NodeKey, &'a [u8]), NodeKey>,
    by_property: BTreeMap<(NodeKey, &'a [u8]), ValueKey>,
}

impl<'a> Arena<'a> {
    /// Reads a whole tree. A property that comes after a child node belongs to its node all the same.
    pub(super) fn read(tree: &Tree<'a>) -> Result<Self, Error> {
        let mut arena = Arena::default();
        let mut open: Option<NodeKey> = None;
        for token in tree.tokens() {
            match token? {
                Token::BeginNode { name, .. } => open = arena.append(open, name),
                Token::Property { name, value, .. } => {
                    let name = tree.string(name).unwrap_or_default();
                    if let Some(node) = open {
                        arena.append_value(node, name, Cow::Borrowed(value));
                    }
                }
                Token::EndNode => open = open.and_then(|node| arena.node(node)?.parent),
            }
        }
        Ok(arena)
    }

    fn node(&self, key: NodeKey) -> Option<&Vertex<'a>> {
        self.nodes.get(index(key.0))
    }

    fn node_mut(&mut self, key: NodeKey) -> Option<&mut Vertex<'a>> {
        self.nodes.get_mut(index(key.0))
    }

    fn value(&self, key: ValueKey) -> Option<&Value<'a>> {
        self.values.get(index(key.0))
    }

    /// The key that the next node has, and its rank if it becomes a last child.
    fn next_node(&self) -> (NodeKey, i64) {
        let place = saturate(self.nodes.len());
        (NodeKey(place), i64::from(place))
    }

    /// The part of a name before its unit address; `None` where it has no unit address.
    fn stem(name: &'a [u8]) -> Option<&'a [u8]> {
        name.get(..name.iter().position(|byte| *byte == b'@')?)
    }

    /// Adds a node as the last child of `parent`.
    fn append(&mut self, parent: Option<NodeKey>, name: &'a [u8]) -> Option<NodeKey> {
        let (key, rank) = self.next_node();
        self.nodes.push(Vertex { name, parent, children: None, next: None, rank, values: None });
        let Some(parent) = parent else { return Some(key) };
        let last = self.node(parent)?.children.map(|(_, last)| last);
        if let Some(last) = last {
            self.node_mut(last)?.next = Some(key);
        }
        let above = self.node_mut(parent)?;
        above.children = Some((above.children.map_or(key, |(first, _)| first), key));
        self.by_name.entry((parent, name)).or_insert(key);
        if let Some(stem) = Self::stem(name) {
            self.by_stem.entry((parent, stem)).or_insert(key);
        }
        Some(key)
    }

    /// Adds a node as the first child of `parent`, as libfdt does (`fdt_add_subnode`).
    pub(super) fn add(&mut self, parent: NodeKey, name: &'a [u8]) -> Option<NodeKey> {
        let (key, rank) = self.next_node();
        let above = self.node_mut(parent)?;
        let next = above.children.map(|(first, _)| first);
        above.children = Some((key, above.children.map_or(key, |(_, last)| last)));
        let rank = rank.saturating_neg();
        self.nodes.push(Vertex { name, parent: Some(parent), children: None, next, rank, values: None });
        self.by_name.insert((parent, name), key);
        if let Some(stem) = Self::stem(name) {
            self.by_stem.insert((parent, stem), key);
        }
        Some(key)
    }

    fn append_value(&mut self, node: NodeKey, name: &'a [u8], bytes: Cow<'a, [u8]>) {
        let key = ValueKey(saturate(self.values.len()));
        self.values.push(Value { name, bytes, next: None });
        let Some(owner) = self.nodes.get_mut(index(node.0)) else { return };
        let last = owner.values.map(|(_, last)| last);
        owner.values = Some((owner.values.map_or(key, |(first, _)| first), key));
        if let Some(last) = last.and_then(|last| self.values.get_mut(index(last.0))) {
            last.next = Some(key);
        }
        self.by_property.entry((node, name)).or_insert(key);
    }

    /// Sets a property of a node; a new one becomes the first, as in libfdt (`fdt_setprop`).
    pub(super) fn set(&mut self, node: NodeKey, name: &'a [u8], bytes: Cow<'a, [u8]>) {
        if let Some(value) = self.by_property.get(&(node, name)) {
            if let Some(value) = self.values.get_mut(index(value.0)) {
                value.bytes = bytes;
            }
            return;
        }
        let key = ValueKey(saturate(self.values.len()));
        let Some(owner) = self.nodes.get_mut(index(node.0)) else { return };
        let next = owner.values.map(|(first, _)| first);
        owner.values = Some((key, owner.values.map_or(key, |(_, last)| last)));
        self.values.push(Value { name, bytes, next });
        self.by_property.insert((node, name), key);
    }

    /// All nodes, parents before their children.
    pub(super) fn keys(&self) -> impl Iterator<Item = NodeKey> + use<> {
        (0..saturate(self.nodes.len())).map(NodeKey)
    }

    pub(super) fn root(&self) -> Option<NodeKey> {
        self.nodes.first().map(|_| NodeKey(0))
    }

    pub(super) fn name(&self, node: NodeKey) -> &'a [u8] {
        self.node(node).map_or(&[], |node| node.name)
    }

    pub(super) fn children(&self, node: NodeKey) -> impl Iterator<Item = NodeKey> + '_ {
        let first = self.node(node).and_then(|node| node.children).map(|(first, _)| first);
        core::iter::successors(first, |child| self.node(*child)?.next)
    }

    pub(super) fn properties(&self, node: NodeKey) -> impl Iterator<Item = (&'a [u8], &Cow<'a, [u8]>)> + '_ {
        let first = self.node(node).and_then(|node| node.values).map(|(first, _)| first);
        let values = core::iter::successors(first, |value| self.value(*value)?.next);
        values.filter_map(|value| self.value(value)).map(|value| (value.name, &value.bytes))
    }

    /// The first child of this name. A name without a unit address also finds a child that has one (`fdt_subnode_offset`).
    pub(super) fn child(&self, node: NodeKey, name: &[u8]) -> Option<NodeKey> {
        let exact = self.by_name.get(&(node, name)).copied();
        if name.contains(&b'@') {
            return exact;
        }
        let stem = self.by_stem.get(&(node, name)).copied();
        let found = exact.into_iter().chain(stem);
        found.min_by_key(|child| self.node(*child).map(|child| child.rank))
    }

    /// The node at a path, or at a path that starts with an alias (`fdt_path_offset`).
    pub(super) fn find(&self, path: &[u8]) -> Option<NodeKey> {
        let root = self.root()?;
        let mut node = root;
        let mut rest = path;
        if !path.starts_with(b"/") {
            let alias = path.split(|byte| *byte == b'/').next()?;
            let aliases = self.child(root, b"aliases")?;
            let target = self.property(aliases, alias)?;
            let target = target.split(|byte| *byte == 0).next()?;
            // An alias of an alias is not resolved.
            node = target.starts_with(b"/").then(|| self.descend(root, target))??;
            rest = path.get(alias.len()..)?;
        }
        self.descend(node, rest)
    }

    fn descend(&self, from: NodeKey, path: &[u8]) -> Option<NodeKey> {
        let steps = path.split(|byte| *byte == b'/').filter(|step| !step.is_empty());
        let mut node = from;
        for step in steps {
            node = self.child(node, step)?;
        }
        Some(node)
    }

    /// The value of a node's property.
    pub(super) fn property(&self, node: NodeKey, name: &[u8]) -> Option<&[u8]> {
        self.named(node, name).map(|(_, value)| value)
    }

    /// The same, with the property's name in the tree's own bytes.
    pub(super) fn named(&self, node: NodeKey, name: &[u8]) -> Option<(&'a [u8], &[u8])> {
        let value = self.value(*self.by_property.get(&(node, name))?)?;
        Some((value.name, &value.bytes))
    }

    /// The cell at a byte offset of a property.
    pub(super) fn cell(&self, node: NodeKey, name: &[u8], offset: u32) -> Option<u32> {
        let rest = self.property(node, name)?.get(index(offset)..)?;
        rest.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// The only cell of a property.
    pub(super) fn whole_cell(&self, node: NodeKey, name: &[u8]) -> Option<u32> {
        self.property(node, name).filter(|value| value.len() == 4).and_then(|_| self.cell(node, name, 0))
    }

    /// Writes a cell at a byte offset into a property; nothing happens where the property does not reach that far.
    pub(super) fn set_cell(&mut self, node: NodeKey, name: &[u8], offset: u32, cell: u32) {
        let Some(key) = self.by_property.get(&(node, name)) else { return };
        let value = self.values.get_mut(index(key.0)).map(|value| value.bytes.to_mut());
        let place = value.and_then(|value| value.get_mut(index(offset)..)?.first_chunk_mut());
        if let Some(place) = place {
            *place = cell.to_be_bytes();
        }
    }

    /// The phandle of a node (`fdt_get_phandle`); `None` for 0.
    pub(super) fn phandle(&self, node: NodeKey) -> Option<u32> {
        let phandle = self.whole_cell(node, b"phandle").or_else(|| self.whole_cell(node, b"linux,phandle"));
        phandle.filter(|phandle| *phandle != 0)
    }

    /// All phandles, with their nodes, in the order of the nodes.
    pub(super) fn phandles(&self) -> impl Iterator<Item = (u32, NodeKey)> + '_ {
        self.keys().filter_map(|node| Some((self.phandle(node)?, node)))
    }

    /// The path of a node.
    pub(super) fn path(&self, node: NodeKey) -> Vec<u8> {
        let above = core::iter::successors(Some(node), |node| self.node(*node)?.parent);
        let mut names: Vec<&[u8]> =
            above.map(|node| self.name(node)).filter(|name| !name.is_empty()).collect();
        names.reverse();
        let mut path = Vec::new();
        for name in &names {
            path.push(b'/');
            path.extend(*name);
        }
        if names.is_empty() {
            path.push(b'/');
        }
        path
    }

    /// Writes the whole tree.
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut at = self.root();
        while let Some(node) = at {
            writer.begin(self.name(node));
            for (name, value) in self.properties(node) {
                writer.property(name, value);
            }
            let Some(vertex) = self.node(node) else { return };
            if let Some((first, _)) = vertex.children {
                at = Some(first);
                continue;
            }
            // The next node that is not below this one.
            let mut done = Some(node);
            at = loop {
                let Some(vertex) = done.and_then(|node| self.node(node)) else { break None };
                writer.end();
                if vertex.next.is_some() {
                    break vertex.next;
                }
                done = vertex.parent;
            };
        }
    }
}
