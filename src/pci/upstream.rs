//! What is above a bus, as far as grouping asks.

use crate::slab::Key;
use crate::{RequesterId, Segment};

/// What the functions on a bus wait for: the bridge above it, or a declaration that it is a root bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// Segment of the bus.
    pub segment: Segment,
    /// The bus.
    pub bus: u8,
}

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the bridge above bus {}:{:02x}", self.segment, self.bus)
    }
}

/// What a [`Tag`] names: only the owner of the topology knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tagged {}

/// The key by which the owner of a topology finds its own entry for a function; `None` where it has none.
pub(crate) type Tag = Option<Key<Tagged>>;

/// What the walk from a bus up to the root bus finds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UpstreamPath {
    /// The bus of its segment the bridge above which is not there yet.
    pub(crate) missing: Option<u8>,
    /// Tag of the bridge that the bus is below.
    pub(crate) parent: Tag,
    /// The nearest bridge that does not isolate, and whether that is only assumed, because its ACS was not read.
    pub(crate) open: Option<(RequesterId, bool)>,
    /// Tag of the nearest bridge that adds an alias, and that alias.
    pub(crate) alias: Option<(Tag, RequesterId)>,
}
