//! `iommu-map` and `msi-map`, entry by entry, as kernels before 7.3 and since then read them; and the simple look-up.

use super::{Cells, Node};
use crate::bytes::{index, saturate};
use crate::limits::MAX_SPECIFIER_CELLS;
use crate::{Dialect, Error, ErrorKind, Phandle, dialect::MapCells, error::Source};

/// Which of the two maps; they differ only in names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapKind {
    /// `iommu-map`, `iommu-map-mask`, `#iommu-cells`.
    Iommu,
    /// `msi-map`, `msi-map-mask`, `#msi-cells`.
    Msi,
}

impl MapKind {
    /// The names of the map, its mask, and the number of cells of a target.
    fn names(self) -> [&'static str; 3] {
        match self {
            MapKind::Iommu => ["iommu-map", "iommu-map-mask", "#iommu-cells"],
            MapKind::Msi => ["msi-map", "msi-map-mask", "#msi-cells"],
        }
    }
}

/// One entry of a map: it sends `length` ids from `first` on to the node with this phandle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapEntry<'a> {
    /// First id, after the mask.
    pub first: u32,
    /// Number of ids; 0 is legal and matches no id.
    pub length: u32,
    /// The target.
    pub phandle: Phandle,
    /// The output for `first`; for each following id every cell is one higher.
    pub cells: Cells<'a>,
    /// Index of the entry in the map.
    pub entry: u32,
    /// Byte offset of the entry in the blob.
    pub offset: u32,
}

impl MapEntry<'_> {
    /// Whether an entry has several ids and several cells: such an entry fails for each of its ids (linux v7.3 `of_map_id`).
    pub fn is_ambiguous(&self) -> bool {
        self.length > 1 && self.cells.len() > 1
    }

    /// The error for an [ambiguous](Self::is_ambiguous) entry.
    pub(super) fn ambiguity(&self) -> Error {
        let kind =
            ErrorKind::MapRange { entry: self.entry, cells: saturate(self.cells.len()), length: self.length };
        Error { kind, at: Source::DTB.at(self.offset) }
    }

    /// The error for an entry whose phandle no node has.
    pub(super) fn dangling(&self) -> Error {
        let kind = ErrorKind::PhandleUnknown { entry: self.entry, phandle: self.phandle.0 };
        Error { kind, at: Source::DTB.at(place_of(&kind, self.offset)) }
    }

    /// Whether a masked id is in the entry. As kernels before 7.3 read it, an entry that reaches 2^32 wraps and has no id.
    fn contains(&self, id: u32, reading: MapCells) -> bool {
        id.checked_sub(self.first).is_some_and(|into| into < self.length)
            && (reading == MapCells::FromTarget || self.first.checked_add(self.length).is_some())
    }

    /// Whether the output of some of its ids exceeds `0xffff_ffff`. Only an entry of one cell can count up.
    fn wraps(&self) -> bool {
        let span = self.length.saturating_sub(1).min(u32::MAX.saturating_sub(self.first));
        self.cells.len() == 1 && self.cells.get(0).is_some_and(|cell| cell.checked_add(span).is_none())
    }
}

/// The entries of a map in one reading. An error is the last item: the look-up fails there for every id that no entry before has.
#[derive(Clone, Debug)]
pub(super) struct MapEntries<'a, F> {
    cells: Cells<'a>,
    value: &'a [u8],
    offset: u32,
    entry: u32,
    mask: u32,
    reading: MapCells,
    /// All entries have four cells although the target needs two.
    four_anyway: bool,
    done: bool,
    cells_of: F,
}

impl<'a, F> MapEntries<'a, F>
where
    F: FnMut(Phandle) -> Option<Option<u32>>,
{
    /// The entries of the map with the bytes `value` at `offset`. `cells_of` gives the `#iommu-cells` of the node with a phandle:
    /// `None` where no node has the phandle, `Some(None)` where the node does not have the property.
    pub(super) fn new(value: &'a [u8], offset: u32, mask: u32, reading: MapCells, cells_of: F) -> Self {
        let cells = Cells::of(value);
        MapEntries {
            cells,
            value,
            offset,
            entry: 0,
            mask,
            reading,
            four_anyway: false,
            done: false,
            cells_of,
        }
    }

    /// The checks before the first entry.
    fn check_length(&self) -> Result<(), ErrorKind> {
        if !self.value.len().is_multiple_of(4) {
            return Err(ErrorKind::CellsLength(saturate(self.value.len())));
        }
        let whole = !self.cells.is_empty() && self.cells.len().is_multiple_of(4);
        if self.reading == MapCells::AlwaysFour && !whole {
            let have = saturate(self.cells.len());
            return Err(ErrorKind::EntryCut {
                entry: have.checked_div(4).unwrap_or(0),
                need: 4,
                have: have & 3,
            });
        }
        Ok(())
    }

    /// Number of output cells of the next entry: steps 4 to 6 of linux v7.3 `of_map_id`.
    fn output_cells(&mut self, phandle: u32) -> Result<u32, ErrorKind> {
        let entry = self.entry;
        if self.reading == MapCells::AlwaysFour {
            return Ok(1);
        }
        let said = (self.cells_of)(Phandle(phandle)).ok_or(ErrorKind::PhandleUnknown { entry, phandle })?;
        if self.four_anyway {
            return Ok(1);
        }
        match said {
            // Controllers that are older than the property, such as GICv2m frames.
            None => Ok(1),
            Some(2) if entry == 0 && self.is_four_cell_map(phandle) => {
                self.four_anyway = true;
                Ok(1)
            }
            Some(cells) if cells > MAX_SPECIFIER_CELLS => Err(ErrorKind::CellsTooMany { entry, cells }),
            Some(cells) => Ok(cells),
        }
    }

    /// Whether a map has four cells an entry although the target needs two (linux v7.3 `of_check_bad_map`): one target, one id an
    /// entry.
    fn is_four_cell_map(&self, phandle: u32) -> bool {
        let (entries, rest) = self.cells.groups();
        rest.is_empty()
            && entries.iter().all(|[_, target, _, length]| {
                u32::from_be_bytes(*target) == phandle && u32::from_be_bytes(*length) == 1
            })
    }

    fn step(&mut self) -> Result<MapEntry<'a>, ErrorKind> {
        let (entry, have) = (self.entry, saturate(self.cells.len()));
        let (Some(first), Some(phandle)) = (self.cells.get(0), self.cells.get(1)) else {
            return Err(ErrorKind::EntryCut { entry, need: 4, have });
        };
        if first & !self.mask != 0 {
            return Err(ErrorKind::MapBase { entry, base: first, mask: self.mask });
        }
        let count = self.output_cells(phandle)?;
        let need = count.saturating_add(3);
        let Some((this, rest)) = self.cells.split(index(need)) else {
            return Err(ErrorKind::EntryCut { entry, need, have });
        };
        let (_, output) = this.split(2).unwrap_or_default();
        let (cells, length) = output.split(index(count)).unwrap_or_default();
        let length = length.get(0).unwrap_or(0);
        let found = MapEntry { first, length, phandle: Phandle(phandle), cells, entry, offset: self.offset };
        self.cells = rest;
        self.entry = entry.saturating_add(1);
        self.offset = self.offset.saturating_add(need.saturating_mul(4));
        Ok(found)
    }
}

impl<'a, F> Iterator for MapEntries<'a, F>
where
    F: FnMut(Phandle) -> Option<Option<u32>>,
{
    type Item = Result<MapEntry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let length = if self.entry == 0 { self.check_length() } else { Ok(()) };
        if length.is_ok() && self.cells.is_empty() {
            self.done = true;
            return None;
        }
        let found = length.and_then(|()| self.step());
        self.done = found.is_err();
        Some(found.map_err(|kind| Error { kind, at: Source::DTB.at(place_of(&kind, self.offset)) }))
    }
}

/// The offset of the word that an error is about, in an entry or property at `offset`.
fn place_of(kind: &ErrorKind, offset: u32) -> u32 {
    match kind {
        ErrorKind::PhandleUnknown { .. } | ErrorKind::CellsTooMany { .. } => offset.saturating_add(4),
        // The length of a property is two words before its value.
        ErrorKind::CellsLength(_) => offset.saturating_sub(8),
        _ => offset,
    }
}

impl<'a> Node<'a> {
    /// The entries of this node's map in one reading; `None` where it has no such map. The first error is the last item.
    /// Each phandle is looked up by a walk over the tree.
    ///
    /// ```no_run
    /// use fwspec::{dt::{MapKind, Tree}, dialect::MapCells};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// let tree = Tree::parse(&blob)?;
    /// let host = tree.find("/pcie@10000000").ok_or("no such node")?;
    /// for entry in host.map(MapKind::Iommu, MapCells::FromTarget).into_iter().flatten() {
    ///     let entry = entry?;
    ///     println!("{} ids from {:#x} go to {}", entry.length, entry.first, entry.phandle);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn map(
        &self,
        kind: MapKind,
        reading: MapCells,
    ) -> Option<impl Iterator<Item = Result<MapEntry<'a>, Error>> + use<'a>> {
        let [map, mask, cells] = kind.names();
        let property = self.property(map)?;
        let mask = self.cell(mask).unwrap_or(u32::MAX);
        let tree = self.tree();
        // The entries of a map mostly name one target.
        let mut last = None;
        let cells_of = move |phandle| {
            let (_, known) = last
                .filter(|(asked, _)| *asked == phandle)
                .unwrap_or_else(|| (phandle, tree.node_by_phandle(phandle).map(|node| node.cell(cells))));
            last = Some((phandle, known));
            known
        };
        Some(MapEntries::new(property.value(), property.offset(), mask, reading, cells_of))
    }
}

/// What a map makes of an id: a target, and the specifier for it.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The IOMMU or MSI controller, whatever its `status`.
    pub target: Node<'a>,
    cells: [u32; 16],
    count: usize,
}

impl Resolved<'_> {
    /// The specifier cells; the first is the StreamID or DeviceID.
    pub fn cells(&self) -> &[u32] {
        self.cells.get(..self.count).unwrap_or_default()
    }
}

/// Where a map of `node` sends `id`: a scan of its entries, without heap. `None` where the node has no such map, or no entry has
/// the id.
///
/// [`Platform`](crate::Platform) and its index are checked against this simple answer.
///
/// # Errors
/// The errors with which the kernel fails for this id: a map that cannot be read up to the entry with the id, an entry without a
/// target ([`ErrorKind::PhandleUnknown`]), several cells for several ids ([`ErrorKind::MapRange`]).
pub fn resolve<'a>(
    node: &Node<'a>,
    kind: MapKind,
    dialect: Dialect,
    id: u32,
) -> Result<Option<Resolved<'a>>, Error> {
    let reading = dialect.map_cells;
    let Some(entries) = node.map(kind, reading) else { return Ok(None) };
    let [_, mask, _] = kind.names();
    let id = id & node.cell(mask).unwrap_or(u32::MAX);
    for entry in entries {
        let entry = entry?;
        if !entry.contains(id, reading) || !dialect.output_wraps && entry.wraps() {
            continue;
        }
        if entry.is_ambiguous() {
            return Err(entry.ambiguity());
        }
        let target = node.tree().node_by_phandle(entry.phandle).ok_or(entry.dangling())?;
        let into = id.wrapping_sub(entry.first);
        let mut cells = [0; 16];
        for (slot, cell) in cells.iter_mut().zip(entry.cells.iter()) {
            *slot = cell.wrapping_add(into);
        }
        return Ok(Some(Resolved { target, cells, count: entry.cells.len() }));
    }
    Ok(None)
}
