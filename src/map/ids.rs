//! An id on an IOMMU, and the ids of a record: up to three are stored in the record, more in a list.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::slice;

use crate::StreamId;
use crate::model::IommuIndex;

/// An id on an IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// The StreamID; `None` where the IOMMU does not tell its masters apart (`#iommu-cells = <0>`).
    pub id: Option<StreamId>,
    /// StreamID bits to ignore (SMMUv1/v2 stream mapping registers; 0 elsewhere).
    pub mask: u16,
}

impl fmt::Display for Stream {
    /// `IOMMU 0 0x100`, with a mask `IOMMU 0 0x100/0x7f`; [`NamedStream`](super::NamedStream) has the IOMMU's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iommu.fmt(f)?;
        self.id.map_or(Ok(()), |id| write!(f, " {id}"))?;
        if self.mask == 0 { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

/// The number of ids that a record stores itself. A function has its own id, one for each bridge above it that adds an alias, and
/// one of a quirk.
const FEW: usize = 3;

/// The ids of a [`Fwspec`](super::Fwspec) in their order: a slice, which allocates no memory for up to three ids.
///
/// ```
/// use fwspec::map::{Stream, StreamIds};
/// use fwspec::{IommuIndex, StreamId};
/// let stream = |id| Stream { iommu: IommuIndex(0), id: Some(StreamId(id)), mask: 0 };
/// let mut ids: StreamIds = [0x200, 0x100].map(stream).into_iter().collect();
/// ids.push(stream(0x200));
/// assert!(ids.iter().filter_map(|stream| stream.id).eq([0x200, 0x100, 0x200].map(StreamId)));
/// ```
#[derive(Clone)]
pub struct StreamIds(Kept);

#[derive(Clone)]
enum Kept {
    Few { ids: [Stream; FEW], count: u8 },
    Many(Vec<Stream>),
}

impl StreamIds {
    /// No ids.
    pub const fn new() -> Self {
        let none = Stream { iommu: IommuIndex(0), id: None, mask: 0 };
        StreamIds(Kept::Few { ids: [none; FEW], count: 0 })
    }

    /// Adds an id after the others.
    pub fn push(&mut self, stream: Stream) {
        match &mut self.0 {
            Kept::Few { ids, count } => match ids.get_mut(usize::from(*count)) {
                Some(place) => {
                    *place = stream;
                    *count = count.saturating_add(1);
                }
                None => {
                    let mut many = Vec::with_capacity(ids.len().saturating_mul(2));
                    many.extend_from_slice(ids);
                    many.push(stream);
                    self.0 = Kept::Many(many);
                }
            },
            Kept::Many(ids) => ids.push(stream),
        }
    }
}

impl Deref for StreamIds {
    type Target = [Stream];

    fn deref(&self) -> &[Stream] {
        match &self.0 {
            Kept::Few { ids, count } => ids.get(..usize::from(*count)).unwrap_or_default(),
            Kept::Many(ids) => ids,
        }
    }
}

impl Default for StreamIds {
    fn default() -> Self {
        StreamIds::new()
    }
}

impl fmt::Debug for StreamIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for StreamIds {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for StreamIds {}

impl Hash for StreamIds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Extend<Stream> for StreamIds {
    fn extend<I: IntoIterator<Item = Stream>>(&mut self, streams: I) {
        streams.into_iter().for_each(|stream| self.push(stream));
    }
}

impl FromIterator<Stream> for StreamIds {
    fn from_iter<I: IntoIterator<Item = Stream>>(streams: I) -> Self {
        let mut ids = StreamIds::new();
        ids.extend(streams);
        ids
    }
}

impl<'a> IntoIterator for &'a StreamIds {
    type Item = &'a Stream;
    type IntoIter = slice::Iter<'a, Stream>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_ids_is_kept_in_its_order() {
        let stream = |id| Stream { iommu: IommuIndex(1), id: Some(StreamId(id)), mask: 0 };
        for count in 0..20 {
            let wanted: Vec<Stream> = (0..count).rev().map(stream).collect();
            let ids: StreamIds = wanted.iter().copied().collect();
            assert_eq!(*ids, *wanted);
            assert_eq!((ids.clone(), alloc::format!("{ids:?}")), (ids, alloc::format!("{wanted:?}")));
        }
    }
}
