//! The property names that lowering asks for, recognised by their offset in the strings block.

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

        const ALL: &[(Known, &[u8])] = &[$((Known::$variant, $name),)*];

        impl Known {
            fn by_name(name: &[u8]) -> Option<Known> {
                // `linux,phandle` is older than the standard's name; the first of both that is not 0 counts (linux
                // `populate_properties`).
                let name = if name == b"linux,phandle" { b"phandle" } else { name };
                match name {
                    $($name => Some(Known::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

known! {
    AddressCells = b"#address-cells",
    AtsSupported = b"ats-supported",
    BusRange = b"bus-range",
    Compatible = b"compatible",
    DeviceType = b"device_type",
    DmaCanStall = b"dma-can-stall",
    DmaCoherent = b"dma-coherent",
    DmaNoncoherent = b"dma-noncoherent",
    DmaRanges = b"dma-ranges",
    InterconnectCells = b"#interconnect-cells",
    InterconnectNames = b"interconnect-names",
    Interconnects = b"interconnects",
    IommuAddresses = b"iommu-addresses",
    IommuCells = b"#iommu-cells",
    IommuMap = b"iommu-map",
    IommuMapMask = b"iommu-map-mask",
    Iommus = b"iommus",
    MemoryRegion = b"memory-region",
    MmuMasters = b"mmu-masters",
    MsiCells = b"#msi-cells",
    MsiMap = b"msi-map",
    MsiMapMask = b"msi-map-mask",
    MsiParent = b"msi-parent",
    PasidNumBits = b"pasid-num-bits",
    PciDomain = b"linux,pci-domain",
    Phandle = b"phandle",
    Ranges = b"ranges",
    Reg = b"reg",
    SizeCells = b"#size-cells",
    Status = b"status",
    StreamIdCells = b"#stream-id-cells",
    StreamMatchMask = b"stream-match-mask",
}

const _: () = assert!(ALL.len() <= 32, "the sets of Known are 32 bits wide");
/// No known name is longer, so no more of a string is read.
const LONGEST: usize = 19;

impl Known {
    /// The bit of this property in a set.
    pub(super) const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

/// Recognises property names by their offset in the strings block, each offset looked up at most once.
///
/// It takes a byte for each byte of the block, because a name may be the tail of another one.
#[derive(Debug)]
pub(super) struct Names<'a> {
    tree: Tree<'a>,
    /// The last NUL of the strings block: a name that starts after it has no end.
    last_nul: Option<usize>,
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
        let last_nul = tree.strings.iter().rposition(|byte| *byte == 0);
        Names { tree, last_nul, seen: vec![Seen::NotYet; tree.strings.len()] }
    }

    /// The known name at this offset; `Err` where no string can start.
    #[inline]
    pub(super) fn get(&mut self, offset: u32) -> Result<Option<Known>, ()> {
        match self.seen.get(index(offset)) {
            Some(Seen::As(known)) => Ok(*known),
            Some(Seen::NotYet) if self.last_nul >= Some(index(offset)) => Ok(self.look(offset)),
            Some(Seen::NotYet) => Err(()),
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
