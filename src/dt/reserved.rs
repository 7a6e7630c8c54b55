//! Reserved memory of masters: `memory-region` on one side, `iommu-addresses` on the other
//! (linux `of_iommu_get_resv_regions`).

use alloc::vec::Vec;

use super::address::{Translator, bus_number, number};
use super::inherit::Inherited;
use super::known::Known;
use super::{Cells, Index, NodeId};
use crate::bytes::saturate;
use crate::model::{Region, RegionKind};
use crate::{Error, ErrorKind, Phandle, error::Source};

/// A reserved range, with its region and its master.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) region: NodeId,
    pub(super) master: NodeId,
    pub(super) direct: bool,
    pub(super) stretch: Region,
}

/// All reservations that region and master agree on, in the order of the regions. For each region, those of one master and kind are
/// neighbours.
pub(super) fn reservations(
    index: &Index<'_>,
    inherited: &Inherited,
    translator: &mut Translator,
    skipped: &mut Vec<Error>,
) -> Vec<Reservation> {
    let wanted = wanted(index);
    let regions = || index.having([Known::IommuAddresses]);
    let agreed = |region, master| wanted.binary_search(&(region, master)).is_ok();
    let count = |region| {
        let entries = Addresses::of(index, inherited, region).filter_map(Result::ok);
        entries.filter(|(master, _)| agreed(region, *master)).count()
    };
    let mut all: Vec<Reservation> = Vec::with_capacity(regions().map(count).sum());
    for region in regions() {
        let physical = inherited.first_reg(index, translator, region);
        for (entry, found) in Addresses::of(index, inherited, region).enumerate() {
            let (master, stretch) = match found {
                Ok(found) => found,
                Err(error) => {
                    skipped.push(error);
                    continue;
                }
            };
            if !agreed(region, master) {
                continue;
            }
            // The address in the device's own view is translated like its DMA (linux `of_translate_dma_region`).
            let bus = inherited.dma_parent(index, master).unwrap_or(master);
            let Some(base) = inherited.dma(index, translator, bus, stretch.base) else {
                let kind = ErrorKind::RegionUnreachable { entry: saturate(entry), iova: stretch.base };
                skipped.push(Error { kind, at: Source::DTB.at(stretch.offset) });
                continue;
            };
            let stretch = Region { base, ..stretch };
            let direct = physical == Some((stretch.base, stretch.length));
            if physical.is_some() && !direct {
                let kind = ErrorKind::RegionMoved { entry: saturate(entry), iova: stretch.base };
                skipped.push(Error { kind, at: Source::DTB.at(stretch.offset) });
            }
            all.push(Reservation { region, master, direct, stretch });
        }
    }
    all.sort_unstable_by_key(|found| (found.region, found.master, !found.direct, found.stretch.offset));
    all
}

impl Reservation {
    /// The kind of its region.
    pub(super) fn kind(&self) -> RegionKind {
        if self.direct { RegionKind::Direct } else { RegionKind::Reserved }
    }
}

/// The pairs of region and master in the `memory-region` of all nodes, sorted, each once.
fn wanted(index: &Index<'_>) -> Vec<(NodeId, NodeId)> {
    let pairs = || {
        index.having([Known::MemoryRegion]).flat_map(|master| {
            let regions = index.cells(master, Known::MemoryRegion).unwrap_or_default().iter();
            let regions = regions.filter_map(|phandle| index.by_phandle(Phandle(phandle)));
            regions
                .filter(|region| index.has(*region, Known::IommuAddresses))
                .map(move |region| (region, master))
        })
    };
    let mut wanted = Vec::with_capacity(pairs().count());
    wanted.extend(pairs());
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The entries of one `iommu-addresses`: a master, with an address and size in the cells of the bus that its DMA is on (linux
/// `of_translate_dma_region`).
struct Addresses<'a, 'i> {
    index: &'i Index<'a>,
    inherited: &'i Inherited,
    cells: Cells<'a>,
    offset: u32,
    entry: u32,
}

impl<'a, 'i> Addresses<'a, 'i> {
    fn of(index: &'i Index<'a>, inherited: &'i Inherited, region: NodeId) -> Self {
        let (value, offset) = index.value(region, Known::IommuAddresses).unwrap_or_default();
        Addresses { index, inherited, cells: Cells::of(value), offset, entry: 0 }
    }

    fn step(&mut self) -> Result<(NodeId, u64, u64), ErrorKind> {
        let entry = self.entry;
        let phandle = self.cells.get(0).unwrap_or(0);
        let master =
            self.index.by_phandle(Phandle(phandle)).ok_or(ErrorKind::PhandleUnknown { entry, phandle })?;
        let bus = self.inherited.dma_parent(self.index, master).unwrap_or(master);
        let (address, size) = self.inherited.cell_counts(bus);
        // PCI addresses have three cells, the first of which holds flags.
        let most = if self.inherited.pci_host(bus).is_some() { 3 } else { 2 };
        if !(1..=most).contains(&address) || !(1..=2).contains(&size) {
            return Err(ErrorKind::AddressCells { entry, address: saturate(address), size: saturate(size) });
        }
        let need = address.saturating_add(size).saturating_add(1);
        let have = saturate(self.cells.len());
        let cut = ErrorKind::EntryCut { entry, need: saturate(need), have };
        let (this, rest) = self.cells.split(need).ok_or(cut)?;
        let (_, this) = this.split(1).ok_or(cut)?;
        let (base, length) = this.split(address).ok_or(cut)?;
        self.cells = rest;
        self.entry = entry.saturating_add(1);
        self.offset = self.offset.saturating_add(saturate(need).saturating_mul(4));
        Ok((master, bus_number(base).ok_or(cut)?, number(length).ok_or(cut)?))
    }
}

impl Iterator for Addresses<'_, '_> {
    type Item = Result<(NodeId, Region), Error>;

    /// The next entry. Entries continue after an error about an empty one; any other error is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        if self.cells.is_empty() {
            return None;
        }
        let (offset, entry) = (self.offset, self.entry);
        let found = self.step().and_then(|(master, base, length)| match length {
            0 => Err(ErrorKind::RegionEmpty(entry)),
            _ => Ok((master, Region { base, length, offset })),
        });
        if !matches!(found, Ok(_) | Err(ErrorKind::RegionEmpty(_))) {
            self.cells = Cells::default();
        }
        Some(found.map_err(|kind| Error { kind, at: Source::DTB.at(offset) }))
    }
}

/// Whether two reservations are one record: one region, one master, one kind.
pub(super) fn same_record(one: &Reservation, other: &Reservation) -> bool {
    (one.region, one.master, one.direct) == (other.region, other.master, other.direct)
}
