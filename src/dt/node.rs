//! Nodes and properties as borrowed views: found by walking, without heap.

use core::iter::FusedIterator;
use core::slice;

use super::{Token, Tokens, Tree};
use crate::{Error, Phandle};

/// A node of a tree. `Copy`; everything in it is read on demand.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: Tree<'a>,
    name: &'a [u8],
    offset: u32,
    /// The structure block after the node's begin token, and the offset of its end.
    inner: (&'a [[u8; 4]], u32),
}

/// A property of a node: a name and bytes.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    /// The strings block.
    names: &'a [u8],
    name: u32,
    value: &'a [u8],
    offset: u32,
}

/// The 32-bit big-endian cells of a property value. Bytes after the last whole cell are left out.
///
/// ```
/// use fwspec::dt::Cells;
/// let cells = Cells::of(&[0, 0, 0, 1, 0, 0, 1, 0, 0xff]);
/// assert_eq!(cells.iter().collect::<Vec<_>>(), [1, 0x100]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cells<'a>(&'a [[u8; 4]]);

impl<'a> Tree<'a> {
    /// All nodes in the order of the blob, parents before their children; ends after the first error.
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes { tree: *self, tokens: self.tokens() }
    }

    /// The node at this byte offset, as [`Node::offset`] gives it.
    pub fn node_at(&self, offset: u32) -> Option<Node<'a>> {
        Nodes { tree: *self, tokens: Tokens::from(self, offset)? }
            .next()?
            .ok()
            .filter(|node| node.offset == offset)
    }

    /// The first node with this phandle, in `phandle` or `linux,phandle`; no node has phandle 0 (linux drivers/of/base.c
    /// `of_find_node_by_phandle`). It walks the tree; an [`Index`](super::Index) is faster.
    pub fn node_by_phandle(&self, phandle: Phandle) -> Option<Node<'a>> {
        let phandle = Some(phandle.0).filter(|value| *value != 0)?;
        self.nodes().map_while(Result::ok).find(|node| node.phandle() == Some(Phandle(phandle)))
    }

    /// The node at a path (`/soc/pcie@10000000`), or at the path that `/aliases` has for a name (`pcie0`).
    ///
    /// A component may leave out its unit address where that is unambiguous.
    pub fn find(&self, path: &str) -> Option<Node<'a>> {
        let root = self.nodes().next()?.ok()?;
        if path.starts_with('/') {
            return root.descend(path.as_bytes());
        }
        // Bytes are split, not text: the search for a character in text has a panic that no optimiser can rule out.
        let alias = path.as_bytes().split(|byte| *byte == b'/').next()?;
        let rest = path.as_bytes().get(alias.len()..)?;
        let target = root.child(b"aliases")?.property(core::str::from_utf8(alias).ok()?)?.strings().next()?;
        root.descend(target.starts_with(b"/").then_some(target)?)?.descend(rest)
    }
}

impl<'a> Node<'a> {
    /// The tree that the node belongs to.
    pub fn tree(&self) -> Tree<'a> {
        self.tree
    }

    /// Its name with unit address; empty for the root. Names should be ASCII, but need not be.
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Byte offset of the node in the blob.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// Its properties, in the order of the blob; one that comes after a child node does not count (linux `populate_properties`).
    #[inline]
    pub fn properties(&self) -> Properties<'a> {
        Properties { names: self.tree.strings, tokens: Tokens::resume(self.inner.0, self.inner.1) }
    }

    /// The first property of this name.
    pub fn property(&self, name: &str) -> Option<Property<'a>> {
        self.properties().map_while(Result::ok).find(|property| property.is(name))
    }

    /// The first cell of a property, if it has one.
    pub fn cell(&self, name: &str) -> Option<u32> {
        self.property(name)?.cells().get(0)
    }

    /// Its phandle; `None` where it has none, or 0.
    pub fn phandle(&self) -> Option<Phandle> {
        let mut properties = self.properties().map_while(Result::ok);
        let property = properties.find(|property| property.is("phandle") || property.is("linux,phandle"))?;
        property.cells().get(0).filter(|value| *value != 0).map(Phandle)
    }

    /// Its children, in the order of the blob; ends after the first error.
    pub fn children(&self) -> Children<'a> {
        Children { tree: self.tree, tokens: Some(Tokens::resume(self.inner.0, self.inner.1)) }
    }

    /// The child of this name; without one, the child that has this name before its `@`, if it is the only one.
    pub fn child(&self, name: &[u8]) -> Option<Node<'a>> {
        let children = || self.children().map_while(Result::ok);
        children().find(|child| child.name == name).or_else(|| {
            let mut named =
                children().filter(|child| child.name.split(|byte| *byte == b'@').next() == Some(name));
            named.next().filter(|_| named.next().is_none())
        })
    }

    fn descend(self, path: &[u8]) -> Option<Node<'a>> {
        path.split(|byte| *byte == b'/')
            .filter(|step| !step.is_empty())
            .try_fold(self, |node, step| node.child(step))
    }
}

impl<'a> Property<'a> {
    /// Its name; `None` where its offset leads out of the strings block.
    pub fn name(&self) -> Option<&'a [u8]> {
        super::string_at(self.names, self.name)
    }

    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        let string = self.names.get(crate::bytes::index(self.name)..);
        string
            .and_then(|string| string.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Its value.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Byte offset of the value in the blob.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// Its value as cells.
    pub fn cells(&self) -> Cells<'a> {
        Cells::of(self.value)
    }

    /// Its value as a list of strings, without their NULs.
    pub fn strings(&self) -> Strings<'a> {
        strings(self.value)
    }
}

/// The NUL-terminated strings of a property value.
pub(super) fn strings(value: &[u8]) -> Strings<'_> {
    Strings { rest: value.strip_suffix(&[0]) }
}

/// Iterator over the strings of a property, see [`Property::strings`].
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    /// The strings that are left, without the NUL of the last one.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let Some(end) = rest.iter().position(|byte| *byte == 0) else { return Some(rest) };
        let (string, after) = rest.split_at_checked(end)?;
        self.rest = after.get(1..);
        Some(string)
    }
}

impl FusedIterator for Strings<'_> {}

impl<'a> Cells<'a> {
    /// The cells of these bytes.
    pub fn of(value: &'a [u8]) -> Self {
        Cells(value.as_chunks().0)
    }

    /// The cell at an index.
    pub fn get(&self, index: usize) -> Option<u32> {
        self.0.get(index).map(|cell| u32::from_be_bytes(*cell))
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `count` cells, and the others; `None` where there are fewer than `count`.
    pub fn split(&self, count: usize) -> Option<(Cells<'a>, Cells<'a>)> {
        self.0.split_at_checked(count).map(|(front, rest)| (Cells(front), Cells(rest)))
    }

    /// The cells in groups of four, and the rest.
    pub(super) fn groups(&self) -> (&'a [[[u8; 4]; 4]], &'a [[u8; 4]]) {
        self.0.as_chunks()
    }

    /// All of them in order.
    pub fn iter(&self) -> CellsIter<'a> {
        CellsIter(self.0.iter())
    }
}

impl<'a> IntoIterator for Cells<'a> {
    type Item = u32;
    type IntoIter = CellsIter<'a>;

    fn into_iter(self) -> CellsIter<'a> {
        self.iter()
    }
}

/// Iterator over cells, see [`Cells::iter`].
#[derive(Clone, Debug)]
pub struct CellsIter<'a>(slice::Iter<'a, [u8; 4]>);

impl Iterator for CellsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.next().map(|cell| u32::from_be_bytes(*cell))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for CellsIter<'_> {
    fn next_back(&mut self) -> Option<u32> {
        self.0.next_back().map(|cell| u32::from_be_bytes(*cell))
    }
}

impl ExactSizeIterator for CellsIter<'_> {}

impl FusedIterator for CellsIter<'_> {}

/// Iterator over the children of a node, see [`Node::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    tree: Tree<'a>,
    /// `None` after the last one.
    tokens: Option<Tokens<'a>>,
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Node<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let tokens = self.tokens.as_mut()?;
        let found = loop {
            match tokens.next() {
                Some(Ok(Token::BeginNode { name, offset })) if tokens.depth() == 2 => {
                    let inner = tokens.remaining();
                    break Some(Ok(Node { tree: self.tree, name, offset, inner }));
                }
                Some(Ok(Token::EndNode)) if tokens.depth() == 0 => break None,
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(Err(error)),
                None => break None,
            }
        };
        if found.is_none() {
            self.tokens = None;
        }
        found
    }
}

impl FusedIterator for Children<'_> {}

/// Iterator over nodes, see [`Tree::nodes`].
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    tree: Tree<'a>,
    tokens: Tokens<'a>,
}

impl Nodes<'_> {
    /// Number of ancestors of the last node; 0 for the root.
    pub fn depth(&self) -> u32 {
        self.tokens.depth().saturating_sub(1)
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Result<Node<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.tokens.next()? {
                Ok(Token::BeginNode { name, offset }) => {
                    return Some(Ok(Node { tree: self.tree, name, offset, inner: self.tokens.remaining() }));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl core::iter::FusedIterator for Nodes<'_> {}

/// Iterator over the properties of a node, see [`Node::properties`].
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    names: &'a [u8],
    tokens: Tokens<'a>,
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<Property<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.tokens.next()? {
            Ok(Token::Property { name, value, offset }) => {
                Some(Ok(Property { names: self.names, name, value, offset }))
            }
            Ok(_) => {
                self.tokens.finish();
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Properties<'_> {}
