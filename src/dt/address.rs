//! Where the registers of a node are in physical memory, and which addresses of DMA get there: through the `ranges` or
//! `dma-ranges` of the buses above.
#![deny(clippy::arithmetic_side_effects)]

use super::inherit::Inherited;
use super::known::Known;
use super::{Cells, Index, NodeId};
use crate::limits::MAX_RANGES_CELLS_PER_NODE;

/// Translates addresses, with a bound on all of its work together.
#[derive(Debug)]
pub(super) struct Translator {
    cells_left: usize,
}

impl Translator {
    pub(super) fn new(index: &Index<'_>) -> Self {
        Translator { cells_left: index.len().saturating_mul(MAX_RANGES_CELLS_PER_NODE) }
    }

    /// The physical address and length of the first `reg` entry; `None` where a bus above does not pass it on, and for
    /// PCI functions, whose `reg` is no address.
    pub(super) fn first_reg(
        &mut self,
        index: &Index<'_>,
        inherited: &Inherited,
        node: NodeId,
    ) -> Option<(u64, u64)> {
        let bus = index.parent(node)?;
        let (address, size) = inherited.cell_counts(bus);
        let (base, rest) = index.cells(node, Known::Reg)?.split(address)?;
        let length = number(rest.split(size)?.0)?;
        let (mut bus, mut base) = (bus, number(base)?);
        while let Some(above) = index.parent(bus) {
            // Only ranges pass anything on, empty ones as it is (Devicetree Specification v0.4 §2.3.8).
            let ranges = index.cells(bus, Known::Ranges)?;
            base = self.pass(ranges, inherited, bus, above, base)?;
            bus = above;
        }
        Some((base, length))
    }

    /// Where DMA to `address` on `bus` ends, without `dma-ranges` as it is (linux `of_translate_dma_address`).
    pub(super) fn dma(
        &mut self,
        index: &Index<'_>,
        inherited: &Inherited,
        mut bus: NodeId,
        mut address: u64,
    ) -> Option<u64> {
        while let Some(above) = inherited.dma_parent(index, bus) {
            let ranges = index.cells(bus, Known::DmaRanges).unwrap_or_default();
            address = self.pass(ranges, inherited, bus, above, address)?;
            bus = above;
        }
        Some(address)
    }

    /// An address of `bus` as one of the bus above.
    fn pass(
        &mut self,
        mut ranges: Cells<'_>,
        inherited: &Inherited,
        bus: NodeId,
        above: NodeId,
        address: u64,
    ) -> Option<u64> {
        // A way of DMA that leads in a circle ends here too.
        self.cells_left = self.cells_left.checked_sub(1)?;
        if ranges.is_empty() {
            return Some(address);
        }
        let (child, size) = inherited.cell_counts(bus);
        let (parent, _) = inherited.cell_counts(above);
        loop {
            let (from, rest) = ranges.split(child)?;
            let (to, rest) = rest.split(parent)?;
            let (length, rest) = rest.split(size)?;
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

/// One number of all cells, the most significant first; `None` where it would need more than 64 bits.
pub(super) fn number(cells: Cells<'_>) -> Option<u64> {
    (cells.len() <= 2).then(|| cells.iter().fold(0, |number, cell| number << 32 | u64::from(cell)))
}

/// An address on a bus: the first of three cells is PCI's flags (IEEE 1275 PCI binding §2.2.1).
pub(super) fn bus_number(cells: Cells<'_>) -> Option<u64> {
    number(if cells.len() == 3 { cells.split(1)?.1 } else { cells })
}
