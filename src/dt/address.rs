//! Where the registers of a node are in physical memory: its `reg`, through the `ranges` of the buses above.
#![deny(clippy::arithmetic_side_effects)]

use super::known::Known;
use super::{Cells, Index, NodeId};

/// Cells of `ranges` that translations may look at, in all, for each node of the tree. A hostile tree of a million IOMMUs
/// behind a million ranges then costs a few bases, not hours; real trees use a hundredth.
const CELLS_PER_NODE: usize = 256;

/// Translates addresses, with a bound on all of its work together.
#[derive(Debug)]
pub(super) struct Translator {
    cells_left: usize,
}

impl Translator {
    pub(super) fn new(index: &Index<'_>) -> Self {
        Translator { cells_left: index.len().saturating_mul(CELLS_PER_NODE) }
    }

    /// The physical address and length of the first `reg` entry; `None` where a bus above does not pass it on, and for
    /// PCI functions, whose `reg` is no address.
    pub(super) fn first_reg(&mut self, index: &Index<'_>, node: NodeId) -> Option<(u64, u64)> {
        let bus = index.parent(node)?;
        let (address, size) = cell_counts(index, bus);
        let (base, rest) = index.cells(node, Known::Reg)?.split(address)?;
        let length = number(rest.split(size)?.0)?;
        Some((self.translate(index, bus, number(base)?)?, length))
    }

    fn translate(&mut self, index: &Index<'_>, mut bus: NodeId, mut address: u64) -> Option<u64> {
        while let Some(above) = index.parent(bus) {
            let (child, size) = cell_counts(index, bus);
            let (parent, _) = cell_counts(index, above);
            let mut ranges = index.cells(bus, Known::Ranges)?;
            self.cells_left = self.cells_left.checked_sub(1)?;
            // Empty ranges pass everything on as it is (Devicetree Specification v0.4 §2.3.8).
            let mut found = ranges.is_empty().then_some(address);
            while found.is_none() {
                let (from, rest) = ranges.split(child)?;
                let (to, rest) = rest.split(parent)?;
                let (length, rest) = rest.split(size)?;
                self.cells_left =
                    self.cells_left.checked_sub(ranges.len().saturating_sub(rest.len()).max(1))?;
                let into = number(from).and_then(|from| address.checked_sub(from));
                let into = into.filter(|into| number(length).is_some_and(|length| *into < length));
                if let Some(into) = into {
                    found = Some(number(to)?.checked_add(into)?);
                }
                ranges = rest;
            }
            address = found?;
            bus = above;
        }
        Some(address)
    }
}

/// `#address-cells` and `#size-cells` of a bus (Devicetree Specification v0.4 §2.3.5).
pub(super) fn cell_counts(index: &Index<'_>, bus: NodeId) -> (usize, usize) {
    let count = |known, default| crate::bytes::index(index.cell(bus, known).unwrap_or(default));
    (count(Known::AddressCells, 2), count(Known::SizeCells, 1))
}

/// One number of all cells, the most significant first; `None` where it would need more than 64 bits.
pub(super) fn number(cells: Cells<'_>) -> Option<u64> {
    (cells.len() <= 2).then(|| cells.iter().fold(0, |number, cell| number << 32 | u64::from(cell)))
}
