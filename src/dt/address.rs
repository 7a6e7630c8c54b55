//! Translates addresses of a bus into those of the bus above: one step through `ranges` or `dma-ranges`.

use super::{Cells, Index};
use crate::limits::MAX_RANGES_CELLS_PER_NODE;

/// How many cells each number in an entry of `ranges` has.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellCounts {
    /// Of an address on the bus.
    pub(super) address: usize,
    /// Of an address on the bus above.
    pub(super) address_above: usize,
    /// Of a length.
    pub(super) size: usize,
}

/// Translates addresses, with one bound on the work of all translations together.
#[derive(Debug)]
pub(super) struct Translator {
    cells_left: usize,
}

impl Translator {
    pub(super) fn new(index: &Index<'_>) -> Self {
        Translator { cells_left: index.len().saturating_mul(MAX_RANGES_CELLS_PER_NODE) }
    }

    /// The address on the bus above that the ranges of a bus give for one of its addresses; `None` where no range has it.
    pub(super) fn pass(&mut self, mut ranges: Cells<'_>, counts: CellCounts, address: u64) -> Option<u64> {
        // A path of DMA that is a loop ends here, too.
        self.cells_left = self.cells_left.checked_sub(1)?;
        if ranges.is_empty() {
            return Some(address);
        }
        loop {
            let (from, rest) = ranges.split(counts.address)?;
            let (to, rest) = rest.split(counts.address_above)?;
            let (length, rest) = rest.split(counts.size)?;
            self.cells_left = self.cells_left.checked_sub(ranges.len().saturating_sub(rest.len()).max(1))?;
            let into = bus_number(from).and_then(|from| address.checked_sub(from));
            let into = into.filter(|into| number(length).is_some_and(|length| *into < length));
            if let Some(into) = into {
                return number(to)?.checked_add(into);
            }
            ranges = rest;
        }
    }
}

/// The number that all cells make, the most significant first; `None` where it needs more than 64 bits.
pub(super) fn number(cells: Cells<'_>) -> Option<u64> {
    (cells.len() <= 2).then(|| cells.iter().fold(0, |number, cell| number << 32 | u64::from(cell)))
}

/// An address on a bus. Of three cells the first holds PCI's flags (IEEE 1275 PCI binding §2.2.1).
pub(super) fn bus_number(cells: Cells<'_>) -> Option<u64> {
    number(if cells.len() == 3 { cells.split(1)?.1 } else { cells })
}
