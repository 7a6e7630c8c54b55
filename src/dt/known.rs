//! The property names that lowering asks for, recognised by their place in the strings block.
#![deny(clippy::arithmetic_side_effects)]

use alloc::vec;
use alloc::vec::Vec;

use super::Tree;
use crate::bytes::index;

macro_rules! known {
    ($($variant:ident = $name:literal,)*) => {
        /// A property that the index keeps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Known { $($variant,)* }

        const ALL: &[(Known, &[u8])] = &[$((Known::$variant, $name.as_bytes()),)*];

        impl Known {
            fn by_name(name: &[u8]) -> Option<Known> {
                // The name from before there was a standard; the first of the two counts (linux `populate_properties`).
                let name = if name == b"linux,phandle" { b"phandle" } else { name };
                ALL.iter().find(|(_, known)| *known == name).map(|(known, _)| *known)
            }
        }
    };
}

known! {
    AddressCells = "#address-cells",
    AtsSupported = "ats-supported",
    BusRange = "bus-range",
    Compatible = "compatible",
    DeviceType = "device_type",
    DmaCanStall = "dma-can-stall",
    DmaCoherent = "dma-coherent",
    DmaNoncoherent = "dma-noncoherent",
    DmaRanges = "dma-ranges",
    InterconnectCells = "#interconnect-cells",
    InterconnectNames = "interconnect-names",
    Interconnects = "interconnects",
    IommuAddresses = "iommu-addresses",
    IommuCells = "#iommu-cells",
    IommuMap = "iommu-map",
    IommuMapMask = "iommu-map-mask",
    Iommus = "iommus",
    MemoryRegion = "memory-region",
    MmuMasters = "mmu-masters",
    MsiCells = "#msi-cells",
    MsiMap = "msi-map",
    MsiMapMask = "msi-map-mask",
    MsiParent = "msi-parent",
    PasidNumBits = "pasid-num-bits",
    PciDomain = "linux,pci-domain",
    Phandle = "phandle",
    Ranges = "ranges",
    Reg = "reg",
    SizeCells = "#size-cells",
    Status = "status",
    StreamIdCells = "#stream-id-cells",
    StreamMatchMask = "stream-match-mask",
}

const _: () = assert!(ALL.len() <= 32, "the sets of Known are 32 bits wide");
/// No known name is longer, so no more of a string is read.
const LONGEST: usize = 19;

impl Known {
    /// The bit of this property in a set.
    pub(super) fn bit(self) -> u32 {
        1_u32.checked_shl(u32::from(self as u8)).unwrap_or(0)
    }
}

/// Recognises property names by their offset in the strings block, each offset looked up at most once.
///
/// A byte for each byte of the block, because a name may be the tail of another.
#[derive(Debug)]
pub(super) struct Names<'a> {
    tree: Tree<'a>,
    seen: Vec<Seen>,
}

/// What is known of an offset, in one byte.
#[derive(Clone, Copy, Debug)]
enum Seen {
    NotYet,
    As(Option<Known>),
}
const _: () = assert!(size_of::<Seen>() == 1);

impl<'a> Names<'a> {
    pub(super) fn new(tree: Tree<'a>) -> Self {
        Names { tree, seen: vec![Seen::NotYet; tree.strings.len()] }
    }

    /// What the name at this offset is; `Err` where no string can be there.
    #[inline]
    pub(super) fn get(&mut self, offset: u32) -> Result<Option<Known>, ()> {
        match self.seen.get(index(offset)) {
            Some(Seen::As(known)) => Ok(*known),
            Some(Seen::NotYet) => Ok(self.look(offset)),
            None => Err(()),
        }
    }

    #[cold]
    fn look(&mut self, offset: u32) -> Option<Known> {
        let string = self.tree.strings.get(index(offset)..).unwrap_or_default();
        let head = string.get(..=LONGEST).unwrap_or(string);
        let name = head.iter().position(|byte| *byte == 0).and_then(|end| head.get(..end));
        let known = name.and_then(Known::by_name);
        self.seen.get_mut(index(offset)).into_iter().for_each(|seen| *seen = Seen::As(known));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_is_as_long_as_it_says() {
        assert_eq!(ALL.iter().map(|(_, name)| name.len()).max(), Some(LONGEST));
    }

    #[test]
    fn a_known_property_is_found_by_its_own_number() {
        for (at, (known, name)) in ALL.iter().enumerate() {
            assert_eq!(*known as usize, at);
            assert_eq!(Known::by_name(name), Some(*known));
        }
    }
}
