//! A range of input IDs and what becomes of it: the record that `iommu-map` and IORT share.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::{IommuIndex, MsiControllerIndex, RequesterIndex};
use crate::InputIds;

/// One entry of a map: input IDs `first..=last` become `output` at `target`.
///
/// The bounds are inclusive, so that all 2^32 IDs are a legal range. `Copy`, 28 bytes, the same with and without alloc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IdMapping {
    /// First input ID.
    pub first: u32,
    /// Last input ID, inclusive; never below `first`.
    pub last: u32,
    /// What the inputs become.
    pub output: Output,
    /// Where they go.
    pub target: Target,
    /// Byte offset of the record in its blob.
    pub offset: u32,
}

/// What the input IDs of a mapping become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// `first` becomes this ID, the next input the next ID, and so on.
    Linear(u32),
    /// Every input becomes this one ID (IORT single mapping).
    Constant(u32),
    /// A specifier that has not exactly one cell: `count` cells from `index` on in [`IdTable::cells`]; input
    /// `first + n` adds `n` to each cell. `count` may be 0.
    Cells {
        /// Position of the first cell in [`IdTable::cells`].
        index: u32,
        /// Number of cells, 0 to 16.
        count: u8,
    },
    /// The kernel's map look-up fails with this errno for these inputs.
    Errno(Errno),
    /// Which IOMMU it is depends on the bridges above the function (DMAR); the record is the first scope that may hold it.
    NeedsTopology,
}

/// Where a mapping sends its IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Target {
    /// An IOMMU.
    Iommu(IommuIndex),
    /// An MSI controller.
    Msi(MsiControllerIndex),
    /// Another requester, whose own table goes on. No specification allows it; Linux follows it.
    Requester(RequesterIndex),
    /// Nothing: the output reference is 0.
    Null,
    /// Nothing: the reference names no node that could be a target. The value is the reference as found (IORT offset,
    /// phandle).
    Dangling(u32),
}

impl From<IommuIndex> for Target {
    fn from(iommu: IommuIndex) -> Self {
        Target::Iommu(iommu)
    }
}

impl From<MsiControllerIndex> for Target {
    fn from(controller: MsiControllerIndex) -> Self {
        Target::Msi(controller)
    }
}

impl From<RequesterIndex> for Target {
    fn from(requester: RequesterIndex) -> Self {
        Target::Requester(requester)
    }
}

/// A map with all its entries, in the order of the firmware. The first entry that contains an ID answers, but for what a
/// [`Dialect`](crate::Dialect) says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdTable {
    /// Which bits of an ID take part (`iommu-map-mask`); `None` where the firmware gives no mask (all do).
    pub mask: Option<u32>,
    /// The entries.
    pub mappings: Vec<IdMapping>,
    /// Whether the first entry has no output reference, in the firmware: one that can match nothing is not among `mappings`. See
    /// [`Dialect::null_first_disables`](crate::Dialect::null_first_disables).
    pub null_first: bool,
    /// The entries as kernels before 7.3 read them, four cells each, where that differs from `mappings`.
    pub classic: Option<Box<[IdMapping]>>,
    /// The cells that [`Output::Cells`] points into.
    pub cells: Vec<u32>,
    /// How many of the first entries are of VIOT nodes that come after one that is too short for its type, where some readers stop: the
    /// last node of a VIOT is the first entry here. See [`Dialect::stops_at_short_node`](crate::Dialect::stops_at_short_node).
    pub past_short_node: u32,
}

impl FromIterator<IdMapping> for IdTable {
    /// A table without mask.
    fn from_iter<I: IntoIterator<Item = IdMapping>>(mappings: I) -> Self {
        IdTable { mappings: mappings.into_iter().collect(), ..IdTable::default() }
    }
}

impl Extend<IdMapping> for IdTable {
    fn extend<I: IntoIterator<Item = IdMapping>>(&mut self, mappings: I) {
        self.mappings.extend(mappings);
    }
}

/// The error numbers that Linux's map look-up ends with (include/uapi/asm-generic/errno-base.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errno {
    /// An entry's base has bits outside the mask.
    Fault,
    /// An entry names a node that does not exist.
    NoDevice,
    /// An entry is cut short, or has several cells and more than one ID.
    Invalid,
}

impl Errno {
    /// The positive number that Linux has for it (linux include/uapi/asm-generic/errno-base.h).
    ///
    /// ```
    /// assert_eq!(fwspec::model::Errno::Invalid.number(), 22);
    /// ```
    pub const fn number(self) -> u32 {
        match self {
            Errno::Fault => 14,
            Errno::NoDevice => 19,
            Errno::Invalid => 22,
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Errno::Fault => "EFAULT",
            Errno::NoDevice => "ENODEV",
            Errno::Invalid => "EINVAL",
        })
    }
}

impl IdMapping {
    /// An entry about which nothing else is known: it is at offset 0.
    ///
    /// ```
    /// use fwspec::model::{IdMapping, Output, Target};
    /// use fwspec::{InputIds, IommuIndex};
    /// let bus = InputIds { first: 0x100, last: 0x1ff };
    /// let mapping = IdMapping::new(bus, Output::Linear(0x500), IommuIndex(0));
    /// assert_eq!(mapping.output_of(0x108), Some(0x508));
    /// ```
    pub fn new(inputs: InputIds, output: Output, target: impl Into<Target>) -> Self {
        let InputIds { first, last } = inputs;
        IdMapping { first, last, output, target: target.into(), offset: 0 }
    }

    /// The output ID of `input` in a linear or constant mapping, with 32-bit wrapping, as C computes it; `None` outside the
    /// range and for outputs that are not a single ID.
    pub fn output_of(&self, input: u32) -> Option<u32> {
        if !(self.first..=self.last).contains(&input) {
            return None;
        }
        match self.output {
            Output::Linear(base) => Some(base.wrapping_add(input.wrapping_sub(self.first))),
            Output::Constant(id) => Some(id),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<IdMapping>() == 28);
