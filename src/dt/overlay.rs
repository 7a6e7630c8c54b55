//! Overlays: a tree of fragments that changes another tree, as libfdt applies it (linux scripts/dtc/libfdt/fdt_overlay.c
//! `fdt_overlay_apply`).

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{
    Tree,
    arena::{Arena, NodeKey},
    write::Writer,
};
use crate::Error;
use crate::limits::MAX_SYMBOL_BYTES;

/// Why an overlay cannot be applied to a base.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OverlayError {
    /// The base cannot be read to its end.
    #[error("the base cannot be read: {0}")]
    Base(Error),
    /// The overlay cannot be read to its end.
    #[error("the overlay cannot be read: {0}")]
    Overlay(Error),
    /// The tree is not an overlay: it has no fragment and no fixups.
    #[error("it is not an overlay: nothing in it has an __overlay__ node")]
    NotAnOverlay,
    /// The overlay refers to a label, and the base has none.
    #[error("it needs the label {0:?}, but the base has no __symbols__: compile the base with `dtc -@`")]
    NoSymbols(String),
    /// The overlay refers to a label that the base does not have.
    #[error(
        "it needs the label {0:?}, which __symbols__ of the base does not have: it is for another base, or needs another overlay first"
    )]
    NoSymbol(String),
    /// The node that a label of the base leads to is not there, or has no phandle.
    #[error("the label {label:?} of the base stands for {path:?}, which does not exist or has no phandle")]
    NoPhandle {
        /// The label.
        label: String,
        /// The path that the base has for it.
        path: String,
    },
    /// An entry of `__fixups__` is not `path:property:offset`, or its path leads to no cell of the overlay.
    #[error("__fixups__ {label:?}: {entry:?} leads to nothing in the overlay")]
    Fixup {
        /// The label.
        label: String,
        /// The entry.
        entry: String,
    },
    /// An entry of `__local_fixups__` leads to no cell of the overlay.
    #[error("__local_fixups__ leads to nothing in the overlay at node {node:?}, property {property:?}")]
    LocalFixup {
        /// The name of the node.
        node: String,
        /// The property; empty where the node is missing.
        property: String,
    },
    /// The base does not have the node that a fragment changes.
    #[error("fragment {fragment:?} is for {target}, which the base does not have")]
    Target {
        /// The name of the fragment.
        fragment: String,
        /// The fragment's target: a path, a phandle, or nothing.
        target: String,
    },
    /// The phandles of base and overlay together exceed 32 bits.
    #[error("phandle {0:#x} of the overlay is out of range after those of the base")]
    Phandle(u32),
    /// A symbol of the overlay is not a path into one of its fragments.
    #[error("__symbols__ {0:?} of the overlay is not a path into one of its fragments")]
    Symbol(String),
    /// The result is too large.
    #[error("base and overlay together are too large")]
    TooLarge,
}

impl Tree<'_> {
    /// Whether this is an overlay: a node below the root has an `__overlay__` in it. Only the structure block is walked.
    pub fn is_overlay(&self) -> bool {
        // Most trees do not have the name anywhere, and a search for it costs less than a walk.
        if memchr::memmem::find(self.bytes(), b"\0\0\0\x01__overlay__\0").is_none() {
            return false;
        }
        let Some(Ok(root)) = self.nodes().next() else { return false };
        root.children()
            .map_while(Result::ok)
            .any(|child| child.children().map_while(Result::ok).any(|inner| inner.name() == b"__overlay__"))
    }

    /// This tree with an overlay applied, as a blob of its own.
    ///
    /// The labels that the overlay needs are looked up in `__symbols__` of this tree. The overlay's own phandles are moved after
    /// those of this tree, but a node of this tree keeps its phandle. The overlay's symbols are added, so that a further overlay
    /// may use them.
    ///
    /// ```no_run
    /// use fwspec::dt::Tree;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (base, overlay) = (std::fs::read("board.dtb")?, std::fs::read("camera.dtbo")?);
    /// let merged = Tree::parse(&base)?.with_overlay(&Tree::parse(&overlay)?)?;
    /// assert!(!Tree::parse(&merged)?.is_overlay());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OverlayError`]: a tree that cannot be read to its end, a label or target that the base lacks, fixups that lead to nothing.
    pub fn with_overlay(&self, overlay: &Tree<'_>) -> Result<Vec<u8>, OverlayError> {
        if !overlay.is_overlay() {
            return Err(OverlayError::NotAnOverlay);
        }
        let base = Arena::read(self).map_err(OverlayError::Base)?;
        let over = Arena::read(overlay).map_err(OverlayError::Overlay)?;
        let mut merge = Merge { base, over };
        let greatest = merge.base.phandles().map(|(phandle, _)| phandle).max().unwrap_or(0);
        merge.shift(greatest)?;
        merge.resolve()?;
        let mut known = BTreeMap::new();
        merge.base.phandles().for_each(|(phandle, node)| {
            known.entry(phandle).or_insert(node);
        });
        merge.keep(&known);
        merge.apply(&mut known)?;
        merge.symbols(&known)?;
        let reservations = self.reservations().map_while(Result::ok);
        let mut writer = Writer::default();
        merge.base.write(&mut writer);
        writer.finish(reservations).ok_or(OverlayError::TooLarge)
    }
}

/// A node, a property of it, and the offset of a cell there that holds one of the overlay's own phandles.
type LocalReference<'a> = (NodeKey, &'a [u8], u32);

/// A base and the overlay that is being applied to it.
struct Merge<'a> {
    base: Arena<'a>,
    over: Arena<'a>,
}

/// The properties that hold a node's phandle.
const PHANDLES: [&[u8]; 2] = [b"phandle", b"linux,phandle"];

impl<'a> Merge<'a> {
    /// Moves the overlay's phandles, and the references to them, after those of the base (`overlay_adjust_local_phandles`,
    /// `overlay_update_local_references`).
    fn shift(&mut self, by: u32) -> Result<(), OverlayError> {
        let moved = |phandle: u32| {
            phandle.checked_add(by).filter(|moved| *moved != u32::MAX).ok_or(OverlayError::Phandle(phandle))
        };
        for node in self.over.keys() {
            for name in PHANDLES {
                if let Some(phandle) = self.over.whole_cell(node, name) {
                    self.over.set_cell(node, name, 0, moved(phandle)?);
                }
            }
        }
        for (node, name, offset) in self.local_references()? {
            let cell = self.over.cell(node, name, offset).unwrap_or_default();
            self.over.set_cell(node, name, offset, moved(cell)?);
        }
        Ok(())
    }

    /// The cells of the overlay that hold one of its own phandles: `__local_fixups__` has the shape of the tree, with offsets as
    /// values.
    fn local_references(&self) -> Result<Vec<LocalReference<'a>>, OverlayError> {
        let mut found = Vec::new();
        let Some((root, fixups)) = self.over.root().zip(self.over.find(b"/__local_fixups__")) else {
            return Ok(found);
        };
        let mut open = alloc::vec![(root, fixups)];
        while let Some((node, fixups)) = open.pop() {
            let lost = |name: &[u8], property: &[u8]| OverlayError::LocalFixup {
                node: text(name),
                property: text(property),
            };
            for (name, offsets) in self.over.properties(fixups) {
                let (offsets, rest) = offsets.as_chunks::<4>();
                for offset in offsets.iter().map(|offset| u32::from_be_bytes(*offset)) {
                    if self.over.cell(node, name, offset).is_none() || !rest.is_empty() {
                        return Err(lost(self.over.name(node), name));
                    }
                    found.push((node, name, offset));
                }
            }
            for child in self.over.children(fixups) {
                let name = self.over.name(child);
                let target = self.over.child(node, name).ok_or_else(|| lost(name, b""))?;
                open.push((target, child));
            }
        }
        Ok(found)
    }

    /// Replaces the overlay's references to labels by phandles of the base (`overlay_fixup_phandles`): each property of
    /// `__fixups__` is a label, with a list of `path:property:offset`.
    fn resolve(&mut self) -> Result<(), OverlayError> {
        let Some(fixups) = self.over.find(b"/__fixups__") else { return Ok(()) };
        let symbols = self.base.find(b"/__symbols__");
        let wanted: Vec<(&[u8], Cow<'a, [u8]>)> =
            self.over.properties(fixups).map(|(name, value)| (name, value.clone())).collect();
        for (label, entries) in wanted {
            let symbols = symbols.ok_or_else(|| OverlayError::NoSymbols(text(label)))?;
            let path =
                self.base.property(symbols, label).ok_or_else(|| OverlayError::NoSymbol(text(label)))?;
            let path = path.strip_suffix(&[0]).unwrap_or(path);
            let node = self.base.find(path).and_then(|node| self.base.phandle(node));
            let phandle =
                node.ok_or_else(|| OverlayError::NoPhandle { label: text(label), path: text(path) })?;
            let terminated = entries.strip_suffix(&[0]);
            for entry in terminated.unwrap_or(&entries).split(|byte| *byte == 0) {
                let place = terminated.and_then(|_| self.place(entry));
                let lost = || OverlayError::Fixup { label: text(label), entry: text(entry) };
                let (node, name, offset) = place.ok_or_else(lost)?;
                self.over.set_cell(node, name, offset, phandle);
            }
        }
        Ok(())
    }

    /// The cell of the overlay that `path:property:offset` names.
    fn place(&self, entry: &[u8]) -> Option<(NodeKey, &'a [u8], u32)> {
        let mut parts = entry.split(|byte| *byte == b':');
        let (path, property, offset) = (parts.next()?, parts.next()?, parts.next()?);
        let offset = core::str::from_utf8(offset).ok()?.parse().ok()?;
        let node = self.over.find(path)?;
        let (name, _) = self.over.named(node, property)?;
        self.over.cell(node, name, offset)?;
        parts.next().is_none().then_some((node, name, offset))
    }

    /// Gives the overlay's nodes that are in the base, too, the phandles that they have there
    /// (`overlay_prevent_phandle_overwrite`).
    fn keep(&mut self, known: &BTreeMap<u32, NodeKey>) {
        let mut renamed: BTreeMap<u32, u32> = BTreeMap::new();
        let mut open: Vec<(NodeKey, NodeKey)> = Vec::new();
        for fragment in self.fragments() {
            open.extend(self.target(fragment.node, known).map(|target| (target, fragment.overlay)));
        }
        while let Some((there, node)) = open.pop() {
            if let (Some(phandle), Some(old)) = (self.base.phandle(there), self.over.phandle(node)) {
                renamed.entry(old).or_insert(phandle);
                for name in PHANDLES {
                    if self.over.whole_cell(node, name).is_some() {
                        self.over.set_cell(node, name, 0, phandle);
                    }
                }
            }
            let children: Vec<NodeKey> = self.over.children(node).collect();
            let pairs = children.into_iter();
            open.extend(
                pairs.filter_map(|child| Some((self.base.child(there, self.over.name(child))?, child))),
            );
        }
        if renamed.is_empty() {
            return;
        }
        for (node, name, offset) in self.local_references().unwrap_or_default() {
            let new = self.over.cell(node, name, offset).and_then(|cell| renamed.get(&cell)).copied();
            if let Some(new) = new {
                self.over.set_cell(node, name, offset, new);
            }
        }
    }

    /// The nodes right below the root that have an `__overlay__`, in their order.
    fn fragments(&self) -> Vec<Fragment> {
        let below = self.over.root().into_iter().flat_map(|root| self.over.children(root));
        let fragment = |node| Some(Fragment { node, overlay: self.over.child(node, b"__overlay__")? });
        below.filter_map(fragment).collect()
    }

    /// The node of the base that a fragment changes (`fdt_overlay_target_offset`).
    fn target(&self, fragment: NodeKey, known: &BTreeMap<u32, NodeKey>) -> Option<NodeKey> {
        match self.over.property(fragment, b"target") {
            Some(_) => known.get(&self.over.whole_cell(fragment, b"target")?).copied(),
            None => self.base.find(string(self.over.property(fragment, b"target-path")?)?),
        }
    }

    /// Merges every fragment into its target (`overlay_merge`).
    fn apply(&mut self, known: &mut BTreeMap<u32, NodeKey>) -> Result<(), OverlayError> {
        for fragment in self.fragments() {
            let target = self.target(fragment.node, known).ok_or_else(|| self.no_target(fragment.node))?;
            let mut open = alloc::vec![(target, fragment.overlay)];
            while let Some((target, node)) = open.pop() {
                for (name, value) in self.over.properties(node) {
                    self.base.set(target, name, value.clone());
                }
                if let Some(phandle) = self.base.phandle(target) {
                    known.entry(phandle).or_insert(target);
                }
                // The one that is pushed last is merged first: the order stays that of the overlay.
                let mut children: Vec<NodeKey> = self.over.children(node).collect();
                let mut targets = Vec::with_capacity(children.len());
                for child in children.drain(..) {
                    let name = self.over.name(child);
                    let there = self.base.child(target, name);
                    let there = match there {
                        Some(there) => there,
                        None => self.base.add(target, name).ok_or(OverlayError::TooLarge)?,
                    };
                    targets.push((there, child));
                }
                open.extend(targets.into_iter().rev());
            }
        }
        Ok(())
    }

    fn no_target(&self, fragment: NodeKey) -> OverlayError {
        let target =
            match (self.over.property(fragment, b"target"), self.over.property(fragment, b"target-path")) {
                (Some(_), _) => match self.over.whole_cell(fragment, b"target") {
                    Some(phandle) => alloc::format!("phandle {phandle:#x}"),
                    None => "a target that is not one cell".to_string(),
                },
                (None, Some(path)) => text(path.strip_suffix(&[0]).unwrap_or(path)),
                (None, None) => "no target at all".to_string(),
            };
        OverlayError::Target { fragment: text(self.over.name(fragment)), target }
    }

    /// Adds the labels of the overlay to those of the base (`overlay_symbol_update`).
    fn symbols(&mut self, known: &BTreeMap<u32, NodeKey>) -> Result<(), OverlayError> {
        let Some(symbols) = self.over.find(b"/__symbols__") else { return Ok(()) };
        let wanted: Vec<(&'a [u8], Cow<'a, [u8]>)> =
            self.over.properties(symbols).map(|(name, value)| (name, value.clone())).collect();
        let root = self.base.root().ok_or(OverlayError::TooLarge)?;
        let there = match self.base.child(root, b"__symbols__") {
            Some(there) => there,
            None => self.base.add(root, b"__symbols__").ok_or(OverlayError::TooLarge)?,
        };
        let mut left = MAX_SYMBOL_BYTES;
        let mut targets: BTreeMap<NodeKey, Vec<u8>> = BTreeMap::new();
        for (label, path) in wanted {
            let bad = || OverlayError::Symbol(text(label));
            let path = string(&path).ok_or_else(bad)?;
            let below = path.strip_prefix(b"/").ok_or_else(bad)?;
            let Some(end) = below.iter().position(|byte| *byte == b'/') else { continue };
            let (name, inner) = below.split_at_checked(end).ok_or_else(bad)?;
            let inner = match inner.strip_prefix(b"/__overlay__") {
                Some(b"") => &[][..],
                Some([b'/', inner @ ..]) => inner,
                // The label is outside of `__overlay__`, and does not come into the base.
                _ => continue,
            };
            let fragment = self.over.root().and_then(|root| self.over.child(root, name)).ok_or_else(bad)?;
            self.over.child(fragment, b"__overlay__").ok_or_else(bad)?;
            let of_target = match targets.get(&fragment) {
                Some(path) => path,
                None => {
                    let path = self.target_path(fragment, known).ok_or_else(|| self.no_target(fragment))?;
                    targets.entry(fragment).or_insert(path)
                }
            };
            // libfdt leaves a slash after the path if the label is that of the target itself.
            let root = of_target.as_slice() == b"/";
            let mut value = if root { Vec::new() } else { of_target.clone() };
            value.push(b'/');
            value.extend(inner);
            value.push(0);
            left = left.checked_sub(value.len()).ok_or(OverlayError::TooLarge)?;
            self.base.set(there, label, Cow::Owned(value));
        }
        Ok(())
    }

    fn target_path(&self, fragment: NodeKey, known: &BTreeMap<u32, NodeKey>) -> Option<Vec<u8>> {
        let target = self.target(fragment, known)?;
        if self.over.property(fragment, b"target").is_some() {
            return Some(self.base.path(target));
        }
        string(self.over.property(fragment, b"target-path")?).map(<[u8]>::to_vec)
    }
}

/// A part of an overlay that has a target of its own.
#[derive(Clone, Copy)]
struct Fragment {
    node: NodeKey,
    /// Its `__overlay__`.
    overlay: NodeKey,
}

/// A value that is one string.
fn string(value: &[u8]) -> Option<&[u8]> {
    let (last, text) = value.split_last()?;
    (*last == 0 && !text.contains(&0)).then_some(text)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
