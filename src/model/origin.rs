//! The place of a fact in the firmware, and its name.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use crate::{Format, error::At};

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// What the firmware is written in.
    pub format: Format,
    /// The place of the node or record.
    pub at: At,
    /// The device-tree path of the node; `None` for ACPI.
    pub path: Option<PathId>,
}

impl Origin {
    /// A record of an ACPI table.
    pub const fn acpi(format: Format, at: At) -> Self {
        Origin { format, at, path: None }
    }

    /// A device-tree node; `None` for a path that is not known.
    pub const fn node(at: At, path: Option<PathId>) -> Self {
        Origin { format: Format::DeviceTree, at, path }
    }
}

/// A node's name in [`Paths`], counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(NonZeroU32);

/// The device-tree names that a platform needs, each stored once with its parent: the size of the whole stays linear
/// in the blob however deep the tree is.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    names: Vec<Name>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    parent: Option<PathId>,
    start: u32,
    end: u32,
}

impl Paths {
    /// Adds a node below `parent` (`None`: the root itself, whose name is empty) and returns its id.
    /// A parent is added before its children.
    pub fn push(&mut self, parent: Option<PathId>, name: &str) -> PathId {
        let start = crate::bytes::saturate(self.text.len());
        self.text.push_str(name);
        self.names.push(Name { parent, start, end: crate::bytes::saturate(self.text.len()) });
        PathId(NonZeroU32::new(crate::bytes::saturate(self.names.len())).unwrap_or(NonZeroU32::MAX))
    }

    /// Gives back the memory that was reserved for more names.
    pub(crate) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    /// The last component of the path, `pcie@10000000`; empty for the root.
    pub fn name(&self, id: PathId) -> &str {
        self.entry(id)
            .and_then(|n| self.text.get(crate::bytes::index(n.start)..crate::bytes::index(n.end)))
            .unwrap_or("")
    }

    /// The name of the object at `origin`: `IORT+0x48`, or its device-tree path.
    pub fn label(&self, origin: Origin) -> Label<'_> {
        Label { paths: self, origin }
    }

    /// As [`Platform::device_name`](crate::Platform::device_name).
    pub(crate) fn device_name(&self, origin: Origin, address: Option<u64>) -> Option<String> {
        let name = self.name(origin.path?);
        let (kind, _) = name.split_once('@').unwrap_or((name, ""));
        Some(alloc::format!("{:x}.{kind}", address?))
    }

    /// The parent of a node.
    pub fn parent(&self, id: PathId) -> Option<PathId> {
        self.entry(id)?.parent
    }

    fn entry(&self, id: PathId) -> Option<&Name> {
        self.names.get(crate::bytes::index(id.0.get().wrapping_sub(1)))
    }
}

/// Displays an origin as it is usually written: `IORT+0x48`, `/soc@0/iommu@5040000`.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    paths: &'a Paths,
    origin: Origin,
}

impl<'a> Label<'a> {
    /// The short form: the last component of a path (`iommu@5040000`), or `IORT+0x48`.
    pub fn short(self) -> ShortLabel<'a> {
        ShortLabel(self)
    }
}

/// Displays the last component of a path only, see [`Label::short`].
#[derive(Clone, Copy, Debug)]
pub struct ShortLabel<'a>(Label<'a>);

impl fmt::Display for ShortLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.origin.path {
            Some(id) if self.0.paths.parent(id).is_some() => f.write_str(self.0.paths.name(id)),
            _ => self.0.fmt(f),
        }
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(leaf) = self.origin.path else { return self.origin.at.fmt(f) };
        let mut chain = Vec::new();
        let mut next = Some(leaf);
        while let Some(id) = next {
            chain.push(id);
            // Parents are pushed before their children, so ids fall and the walk ends.
            next = self.paths.parent(id).filter(|parent| *parent < id);
        }
        if chain.len() == 1 {
            return f.write_str("/");
        }
        chain.iter().rev().skip(1).try_for_each(|id| write!(f, "/{}", self.paths.name(*id)))
    }
}
