//! Evidence comes in piece by piece, in any order, and becomes one machine.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::container::{self, Table, Tables};
use crate::dt::Tree;
use crate::pci::Function;
use crate::{Bdf, Error, ErrorKind, Format, Source};

use super::devices::{Links, of_functions};
use super::error::MachineError;
use super::{ConfigDump, Evidence, Firmware, Hidden, Kernel, Kind, Machine, Unread, forms, lspci, recognise};

/// Whether a table says what IOMMUs translate. A kernel that starts by ACPI reads these, and no device tree.
fn speaks(table: &Table<'_>) -> bool {
    table.source.format().is_some()
}

/// Whether a table is kept: one that speaks of IOMMUs, or says which buses and ITS units there are.
fn is_kept(table: &Table<'_>) -> bool {
    speaks(table) || [Source::MCFG, Source::MADT].contains(&table.source.first())
}

/// Takes evidence in. What there is of one machine goes into one collector, whatever files, folders or pipes it comes in.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::machine::Collector;
/// let mut collector = Collector::new();
/// collector.add("iort.bin", Builder::new(6).finish())?;
/// assert!(collector.add("notes.txt", b"neither firmware nor functions".to_vec()).is_err());
/// let machine = collector.finish()?;
/// assert!(machine.firmware.is_some());
/// # Ok::<(), fwspec::machine::MachineError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Collector {
    evidence: Vec<Evidence>,
    trees: Vec<(usize, Vec<u8>)>,
    tables: Vec<(usize, Table<'static>)>,
    /// What of the files around the tables could not be read.
    skipped: Vec<Error>,
    functions: BTreeMap<Bdf, Listed>,
    listings: Vec<(usize, Vec<Listed>)>,
    unread: Vec<Unread>,
    kernel: Kernel,
    hidden: Hidden,
    model: Option<String>,
    has_ivrs: bool,
    /// A listing says in which groups a kernel has functions.
    lists_groups: bool,
}

/// Bytes that somebody calls something.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Its place in the evidence.
    pub(super) at: usize,
}

/// A function as one piece of evidence shows it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    config: ConfigDump,
    function: Function,
    links: Links,
}

impl Listed {
    /// # Errors
    /// As those of [`Function::read`].
    pub(super) fn new(config: ConfigDump, links: Links) -> Result<Self, Error> {
        let function = Function::read(&config.bytes).map_err(|error| Error { at: config.at, ..error })?;
        Ok(Listed { config, function, links })
    }

    /// Adds what another piece of evidence shows of the same function.
    fn join(&mut self, other: Listed) {
        let links = Links {
            real_dma: self.links.real_dma.or(other.links.real_dma),
            physical: self.links.physical.or(other.links.physical),
        };
        if other.config.bytes.len() > self.config.bytes.len() {
            *self = other;
        }
        self.links = links;
    }
}

impl Collector {
    /// Without evidence.
    pub fn new() -> Self {
        Collector::default()
    }

    /// Takes a file's bytes in, whatever they are; `name` is what the user calls them.
    ///
    /// # Errors
    /// [`MachineError::Bytes`] for bytes that are nothing which is read here, or cannot be read, [`Empty`](MachineError::Empty) for none. The
    /// collector stays as it was.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        self.take(name, bytes, false)
    }

    /// As [`add`](Collector::add), for firmware that counts where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`add`](Collector::add), and [`ErrorKind::TopologyNotFirmware`] for a listing of functions.
    pub fn pick_firmware(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        if recognise(&bytes) == Kind::LspciText {
            return Err(MachineError::bytes(name, whole(ErrorKind::TopologyNotFirmware)));
        }
        self.take(name, bytes, true)
    }

    /// Takes in a listing of functions, that counts where other listings contradict it.
    ///
    /// # Errors
    /// As [`lspci::parse`], whatever else the bytes are.
    pub fn pick_topology(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        match recognise(&bytes) {
            Kind::LspciText | Kind::Empty => self.take(name, bytes, true),
            _ => Err(MachineError::bytes(name, whole(ErrorKind::NoFunctions))),
        }
    }

    fn take(&mut self, name: &str, bytes: Vec<u8>, picked: bool) -> Result<(), MachineError> {
        let Some((form, kind)) = forms::form(&bytes) else {
            let start = bytes.first_chunk().copied().unwrap_or_default();
            return Err(MachineError::bytes(name, whole(ErrorKind::Unrecognised(start))));
        };
        let at = self.evidence.len();
        self.evidence.push(Evidence { name: name.to_owned(), kind, used: true, note: None, picked });
        let read = (form.read)(self, Piece { bytes, at });
        if read.is_err() {
            self.evidence.pop();
        }
        read
    }

    /// Lists evidence that is not used, and why.
    #[cfg(feature = "std")]
    pub(super) fn note_unused(&mut self, name: &str, kind: Kind, note: &str) {
        let note = Some(note.to_owned());
        self.evidence.push(Evidence { name: name.to_owned(), kind, used: false, note, picked: false });
    }

    pub(super) fn read_nothing(&mut self, piece: Piece) -> Result<(), MachineError> {
        Err(MachineError::Empty { name: self.name(piece.at).to_owned() })
    }

    pub(super) fn read_tree(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        // What a whole tree cannot be read for is found when it is lowered.
        Tree::parse(&bytes).map_err(|error| MachineError::tree(self.name(at), error, &bytes))?;
        self.trees.push((at, bytes));
        Ok(())
    }

    pub(super) fn read_tables(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let fails = |collector: &Self, error| Err(MachineError::bytes(collector.name(at), error));
        let found = match container::tables(&bytes) {
            Ok(found) => found,
            Err(error) => return fails(self, error),
        };
        let first = found.tables.first().map(|table| table.source.name);
        if !found.tables.iter().any(is_kept) {
            let none = whole(ErrorKind::NoFirmwareTable(first.unwrap_or_default()));
            return fails(self, found.skipped.first().copied().unwrap_or(none));
        }
        self.has_ivrs |= found.tables.iter().any(|table| table.source.format() == Some(Format::Ivrs));
        self.skipped.extend(found.skipped);
        let kept = found.tables.into_iter().filter(|table| is_kept(table));
        self.tables
            .extend(kept.map(|table| (at, Table { bytes: Cow::Owned(table.bytes.into_owned()), ..table })));
        Ok(())
    }

    pub(super) fn read_listing(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let dumps = lspci::parse(&bytes).map_err(|error| MachineError::bytes(self.name(at), error))?;
        let name = self.name(at).to_owned();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        self.lists_groups |= lines.any(|line| line.trim_ascii_start().starts_with(b"IOMMU group:"));
        let mut errors = dumps.skipped;
        let mut listed = Vec::with_capacity(dumps.functions.len());
        for config in dumps.functions {
            match Listed::new(config, Links::default()) {
                Ok(function) => listed.push(function),
                Err(error) => errors.push(error),
            }
        }
        self.unread.extend(Unread::of_listing(&name, &bytes, errors));
        self.listings.push((at, listed));
        Ok(())
    }

    /// Takes in the functions that a running system shows.
    #[cfg(feature = "std")]
    pub(super) fn running(&mut self, name: &str, listed: Vec<Listed>) {
        let at = self.evidence.len();
        let (name, note) = (name.to_owned(), None);
        self.evidence.push(Evidence { name, kind: Kind::Sysfs, used: true, note, picked: false });
        self.listings.push((at, listed));
    }

    /// Adds what a kernel said.
    #[cfg(feature = "std")]
    pub(super) fn say(&mut self, kernel: Kernel) {
        self.kernel.join(kernel);
    }

    /// Notes what the machine's maker calls it.
    #[cfg(feature = "std")]
    pub(super) fn call(&mut self, model: Option<String>) {
        self.model = self.model.take().or(model);
    }

    /// Notes a table or tree that only root may read.
    #[cfg(feature = "std")]
    pub(super) fn hide_firmware(&mut self, name: &str) {
        self.hidden.firmware.push(name.to_owned());
    }

    /// Notes functions of which only root may read more.
    #[cfg(feature = "std")]
    pub(super) fn hide_functions(&mut self, count: usize) {
        self.hidden.functions = self.hidden.functions.saturating_add(count);
    }

    /// Lists a record that could not be read.
    #[cfg(feature = "std")]
    pub(super) fn leave(&mut self, unread: Unread) {
        self.unread.push(unread);
    }

    /// An IVRS table is there, though it was not read.
    #[cfg(feature = "std")]
    pub(super) fn has_ivrs(&mut self) {
        self.has_ivrs = true;
    }

    /// The machine that all of the evidence is of.
    ///
    /// # Errors
    /// [`MachineError::TwoMachines`], [`TwoKinds`](MachineError::TwoKinds) and [`TwoTopologies`](MachineError::TwoTopologies) where it is
    /// of more than one; [`Bytes`](MachineError::Bytes) where no table that was given can be read.
    pub fn finish(mut self) -> Result<Machine, MachineError> {
        let firmware = self.firmware()?;
        let has_topology = !self.listings.is_empty();
        self.join_listings()?;
        let functions: Vec<(Bdf, Function)> =
            self.functions.iter().map(|(bdf, listed)| (*bdf, listed.function)).collect();
        let links = |bdf| self.functions.get(&bdf).map_or_else(Links::default, |listed| listed.links);
        let devices = of_functions(&functions, links);
        let mut machine = Machine {
            firmware,
            devices,
            kernel: self.kernel,
            model: self.model,
            evidence: self.evidence,
            unread: self.unread,
            hidden: self.hidden,
            has_ivrs: self.has_ivrs,
            has_intel_pch_acs: false,
            has_topology,
            lists_groups: self.lists_groups,
        };
        machine.note_unknown_vmd();
        Ok(machine)
    }

    fn name(&self, at: usize) -> &str {
        self.evidence.get(at).map_or("", |evidence| &evidence.name)
    }

    fn is_picked(&self, at: usize) -> bool {
        self.evidence.get(at).is_some_and(|evidence| evidence.picked)
    }

    /// Says that a piece of evidence does not count.
    fn leave_out(&mut self, at: usize, note: String) {
        if let Some(evidence) = self.evidence.get_mut(at) {
            evidence.used = false;
            evidence.note = Some(note);
        }
    }

    /// Which of two contradicting pieces counts: the one that the user picked, and none where that does not decide.
    fn decide(&mut self, one: usize, other: usize) -> Option<usize> {
        let (kept, out) = match (self.is_picked(one), self.is_picked(other)) {
            (true, false) => (one, other),
            (false, true) => (other, one),
            _ => return None,
        };
        let note = format!("not used: {} was named to count", self.name(kept));
        self.leave_out(out, note);
        Some(out)
    }

    fn firmware(&mut self) -> Result<Option<Firmware>, MachineError> {
        let tree = self.one_tree()?;
        self.one_set_of_tables()?;
        let speaking = self.tables.iter().find(|(_, table)| speaks(table));
        let speaking = speaking.map(|(at, _)| *at);
        let Some((at, blob)) = tree else { return self.of_tables() };
        if let Some(tables) = speaking {
            let out = if is_stub(&blob) {
                self.leave_out(
                    at,
                    format!("not used: it says nothing of the machine, {} does", self.name(tables)),
                );
                Some(at)
            } else {
                self.decide(at, tables)
            };
            match out {
                Some(out) if out == at => return self.of_tables(),
                Some(_) => {}
                None => {
                    let (tree, tables) = (self.name(at).to_owned(), self.name(tables).to_owned());
                    return Err(MachineError::TwoKinds { tree, tables });
                }
            }
        }
        let name = self.name(at).to_owned();
        for (tables, _) in core::mem::take(&mut self.tables) {
            self.leave_out(tables, format!("not used: the firmware is the device tree {name}"));
        }
        let opened = Firmware::open_or_return(&name, blob);
        opened.map(Some).map_err(|(error, blob)| MachineError::tree(&name, error, &blob.unwrap_or_default()))
    }

    /// The tree that counts.
    fn one_tree(&mut self) -> Result<Option<(usize, Vec<u8>)>, MachineError> {
        let mut trees = core::mem::take(&mut self.trees).into_iter();
        let Some(mut kept) = trees.next() else { return Ok(None) };
        for other in trees {
            if other.1 == kept.1 {
                self.leave_out(other.0, format!("not used: the same as {}", self.name(kept.0)));
            } else {
                match self.decide(kept.0, other.0) {
                    Some(out) if out == kept.0 => kept = other,
                    Some(_) => {}
                    None => return Err(self.two_machines("device tree", kept.0, other.0)),
                }
            }
        }
        Ok(Some(kept))
    }

    /// Leaves one table of each name, and more where one file has more: then it is for their reader to say so.
    fn one_set_of_tables(&mut self) -> Result<(), MachineError> {
        let tables = core::mem::take(&mut self.tables);
        let mut out = BTreeSet::new();
        // The first of each name, and of those that are one of several in their file, by where it is.
        let mut first: BTreeMap<Source, usize> = BTreeMap::new();
        let mut same = BTreeSet::new();
        for (place, (at, table)) in tables.iter().enumerate() {
            let name = table.source;
            let there = first.get(&name).and_then(|place| tables.get(*place));
            let Some((other, rival)) = there.filter(|(other, _)| !out.contains(other)) else {
                first.insert(name, place);
                continue;
            };
            if other == at || out.contains(at) {
                continue;
            }
            if rival.bytes == table.bytes {
                let note = format!("not used: its {name} is that of {}", self.name(*other));
                self.leave_out(*at, note);
                same.insert(place);
                continue;
            }
            let Some(lost) = self.decide(*other, *at) else {
                return Err(self.two_machines(&name.to_string(), *other, *at));
            };
            if lost == *other {
                first.insert(name, place);
            }
            out.insert(lost);
        }
        let kept = tables.into_iter().enumerate();
        let kept = kept.filter(|(place, (at, _))| !same.contains(place) && !out.contains(at));
        self.tables = kept.map(|(_, table)| table).collect();
        // A piece whose one table another piece has too, and which gives others, is used.
        for (at, _) in &self.tables {
            if let Some(evidence) = self.evidence.get_mut(*at).filter(|evidence| !evidence.used) {
                evidence.used = true;
                evidence.note = None;
            }
        }
        Ok(())
    }

    fn of_tables(&mut self) -> Result<Option<Firmware>, MachineError> {
        let main = self.tables.iter().find(|(_, table)| speaks(table));
        let Some(at) = main.or(self.tables.first()).map(|(at, _)| *at) else { return Ok(None) };
        let pieces: Vec<usize> = self.tables.iter().map(|(at, _)| *at).collect();
        let mut tables: Vec<Table<'static>> =
            core::mem::take(&mut self.tables).into_iter().map(|(_, table)| table).collect();
        let mut seen: BTreeMap<[u8; 4], u16> = BTreeMap::new();
        for Table { source, .. } in &mut tables {
            let next = seen.entry(source.name).or_default();
            source.index = *next;
            *next = next.saturating_add(1);
        }
        let skipped = core::mem::take(&mut self.skipped);
        match Firmware::of_tables(self.name(at), Tables { tables, skipped }) {
            Ok(firmware) => Ok(Some(firmware)),
            // A MADT by itself: it only says something beside an IORT.
            Err(Error { kind: ErrorKind::NoFirmwareTable(_), .. }) => {
                for at in pieces {
                    self.leave_out(at, "not used: it says nothing without an IORT".to_owned());
                }
                Ok(None)
            }
            Err(error) => Err(MachineError::bytes(self.name(at), error)),
        }
    }

    fn two_machines(&self, what: &str, first: usize, second: usize) -> MachineError {
        let [first, second] = [first, second].map(|at| self.name(at).to_owned());
        MachineError::TwoMachines { what: what.to_owned(), first, second }
    }

    /// One entry for each function: of two that agree, the one of which more was read.
    fn join_listings(&mut self) -> Result<(), MachineError> {
        let mut listings = core::mem::take(&mut self.listings);
        // What the user picked is there first, and what contradicts it is left out as a whole.
        listings.sort_by_key(|(at, _)| !self.is_picked(*at));
        let mut from: BTreeMap<Bdf, usize> = BTreeMap::new();
        for (at, listed) in listings {
            let clash = listed.iter().find_map(|new| {
                let there = self.functions.get(&new.config.bdf)?;
                let other = from.get(&new.config.bdf)?;
                (identity(&there.config) != identity(&new.config)).then_some((new.config.bdf, *other))
            });
            if let Some((function, other)) = clash {
                if self.decide(other, at).is_some() {
                    continue;
                }
                let [first, second] = [other, at].map(|at| self.name(at).to_owned());
                return Err(MachineError::TwoTopologies { function, first, second });
            }
            for new in listed {
                let bdf = new.config.bdf;
                from.entry(bdf).or_insert(at);
                match self.functions.get_mut(&bdf) {
                    Some(there) => there.join(new),
                    None => {
                        self.functions.insert(bdf, new);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What tells two functions apart wherever they are read: vendor, device, class. That of a virtual function is not in its own config
/// space alone, but read twice it is the same.
fn identity(config: &ConfigDump) -> (Option<&[u8]>, Option<&[u8]>) {
    (config.bytes.get(..4), config.bytes.get(8..12))
}

/// Whether Linux takes a device tree for a stub beside ACPI tables (linux arch/arm64/kernel/acpi.c `dt_is_stub`): below the root it has
/// `chosen`, or a `hypervisor` for Xen, and nothing else.
pub(super) fn is_stub(blob: &[u8]) -> bool {
    let root = Tree::parse(blob).ok().and_then(|tree| tree.find("/"));
    root.is_some_and(|root| {
        root.children()
            .all(|child| child.is_ok_and(|child| matches!(child.name(), b"chosen" | b"hypervisor")))
    })
}

fn whole(kind: ErrorKind) -> Error {
    Error { kind, at: Source::FILE.at(0) }
}
