//! Takes evidence in, piece by piece and in any order, and makes one machine of it.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use crate::acpi::container::{self, Table, Tables};
use crate::dt::Tree;
use crate::group::AcsSettings;
use crate::limits::{MAX_GAPS, MAX_GAPS_TOLD};
use crate::pci::Function;
use crate::{Bdf, Device, Error, ErrorKind, Format, error::Source};

use super::changed::{differences, only};
use super::container::{self as unpack, Choice, Item, Unpacked};
use super::devices::{Links, Placed, of_functions};
use super::error::MachineError;
use super::forms::{self, Reading, recognise};
use super::gaps::{self, Gap};
use super::log::{Log, LogKind};
use super::lspci::{ListedFunction, Listing};
use super::mangled::mangled;
use super::names::{self, Name, PciIds};
use super::textual::Textual;
use super::unwrap::LinePlace;
use super::words::Words;
use super::{
    ContainerError, Evidence, Firmware, Hidden, Kernel, Kind, Machine, TextErrorKind, Unread, dumps,
};

/// Whether a table describes IOMMUs. A kernel that boots with ACPI reads these tables, and no device tree.
fn speaks(table: &Table<'_>) -> bool {
    table.source.format().is_some()
}

/// Whether a table is used: it describes IOMMUs, or lists buses or ITS units.
fn is_kept(table: &Table<'_>) -> bool {
    speaks(table) || [Source::MCFG, Source::MADT].contains(&table.source.first())
}

/// Takes evidence in. All evidence of one machine goes into one collector, whatever files, folders or pipes it comes from.
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
    /// In the order in which they are applied.
    overlays: Vec<(usize, Vec<u8>)>,
    choice: Choice,
    /// The containers; for each, the range of the evidence that came out of it.
    opened: Vec<Range<usize>>,
    tables: Vec<(usize, Table<'static>)>,
    /// What could not be read in the files that hold the tables.
    skipped: Vec<Error>,
    functions: BTreeMap<Bdf, Listed>,
    listings: Vec<(usize, Vec<Listed>)>,
    unread: Vec<Unread>,
    kernel: Kernel,
    hidden: Hidden,
    model: Option<String>,
    /// The PCI ID database of the system that has the functions.
    database: Option<String>,
    /// The kernel's decisions, as texts tell them.
    words: Vec<(usize, Words)>,
    has_ivrs: bool,
}

/// A function that takes a piece of evidence in.
type Reader = fn(&mut Collector, Piece) -> Result<(), MachineError>;

/// Bytes, with the name that the caller gave them.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Its index in the evidence.
    pub(super) at: usize,
}

/// The role of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Anything,
    /// Firmware that is used where other evidence contradicts it.
    Firmware,
    /// Functions that are used where other evidence contradicts them.
    Functions,
}

impl Wanted {
    fn is_picked(self) -> bool {
        self != Wanted::Anything
    }
}

/// A function as one piece of evidence shows it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    listed: ListedFunction,
    facts: Function,
    links: Links,
}

impl Listed {
    /// # Errors
    /// As those of [`ListedFunction::facts`].
    pub(super) fn new(listed: ListedFunction, links: Links) -> Result<Self, Error> {
        let facts = listed.facts()?;
        Ok(Listed { listed, facts, links })
    }

    /// Adds what another piece of evidence shows of the same function.
    fn join(&mut self, other: Listed) {
        self.links = Links {
            real_dma: self.links.real_dma.or(other.links.real_dma),
            physical: self.links.physical.or(other.links.physical),
        };
        self.listed.join(other.listed);
        self.facts = self.listed.facts().unwrap_or(self.facts);
    }
}

impl Collector {
    /// A collector without evidence.
    pub fn new() -> Self {
        Collector::default()
    }

    /// Takes a file's bytes in, of whatever kind; `name` is the user's name for them.
    ///
    /// # Errors
    /// [`MachineError::Bytes`] for bytes of no kind that is read, or that cannot be read; [`Empty`](MachineError::Empty) for no
    /// bytes. The collector stays as it was.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        self.take(name, bytes, Wanted::Anything)
    }

    /// As [`add`](Collector::add), for firmware that is used where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`add`](Collector::add), and [`TextErrorKind::NotFirmware`] for a listing of functions.
    pub fn pick_firmware(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        self.take(name, bytes, Wanted::Firmware)
    }

    /// Takes in a listing of functions that is used where other listings contradict it.
    ///
    /// # Errors
    /// [`TextErrorKind::NotListing`] for firmware, [`TextErrorKind::NoFunctions`] for other bytes that are not a listing, and those
    /// of [`add`](Collector::add).
    pub fn pick_topology(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), MachineError> {
        self.take(name, bytes, Wanted::Functions)
    }

    /// Picks the configuration of FIT images; without a pick, the default one of each is used.
    pub fn pick_configuration(&mut self, name: &str) {
        self.choice.configuration = Some(name.to_owned());
    }

    /// Takes in one piece of a container, by this library's name for it: `boot.img!dtb`.
    ///
    /// # Errors
    /// Those of `add`, and [`MachineError::Container`] where the container does not have the piece.
    #[cfg(feature = "std")]
    pub(super) fn take_piece_of(
        &mut self,
        piece: &str,
        add: impl FnOnce(&mut Self) -> Result<(), MachineError>,
    ) -> Result<(), MachineError> {
        self.choice.piece = Some(piece.to_owned());
        let taken = add(self);
        self.choice.piece = None;
        taken
    }

    pub(super) fn take(&mut self, name: &str, bytes: Vec<u8>, wanted: Wanted) -> Result<(), MachineError> {
        let failed = |error| MachineError::Container { name: name.to_owned(), error };
        match unpack::unpack(name, bytes, &self.choice).map_err(failed)? {
            Unpacked::Plain(bytes) => self.read(name, bytes, wanted),
            Unpacked::Items(items) => self.read_items(name, items, wanted),
        }
    }

    /// Reads the pieces of a container. A piece that cannot be read does not cost the others.
    fn read_items(&mut self, name: &str, items: Vec<Item>, wanted: Wanted) -> Result<(), MachineError> {
        let before = self.evidence.len();
        let (mut kept, mut failed, mut looked_at) = (0_usize, None, Vec::new());
        let picked = wanted.is_picked();
        for item in items {
            match item {
                Item::Opened { name, kind, note } => {
                    looked_at.extend(note.clone());
                    self.evidence.push(Evidence { note, picked, ..Evidence::new(name, kind) });
                }
                Item::Unused { name, kind, note } => {
                    looked_at.extend(note.as_ref().map(|note| format!("{name}: {note}")));
                    self.pass_over(name, kind, note);
                }
                #[cfg(feature = "archives")]
                Item::System { system, files } => {
                    let there = self.evidence.len();
                    self.system_or_words(&files, system, wanted)?;
                    kept = kept.saturating_add(usize::from(self.has_used_since(there)));
                }
                Item::Piece { name, bytes } => match self.read(&name, bytes, wanted) {
                    Ok(()) => kept = kept.saturating_add(1),
                    Err(error) => {
                        // Most tables of a machine say nothing about its IOMMUs.
                        let says = error.is_about_content() && !error.is_other_table();
                        let note = says.then(|| format!("not used: {}", error.without_name()));
                        if note.is_some() {
                            failed.get_or_insert(error);
                        } else {
                            looked_at.push(format!("{name} is not a kind of file that is read"));
                        }
                        self.pass_over(name, Kind::Unknown, note);
                    }
                },
            }
        }
        if kept > 0 {
            self.opened.push(before..self.evidence.len());
            return Ok(());
        }
        self.evidence.truncate(before);
        let nothing = || MachineError::Container {
            name: name.to_owned(),
            error: ContainerError::NothingInside(looked_at.join("; ")),
        };
        Err(failed.unwrap_or_else(nothing))
    }

    fn read(&mut self, name: &str, bytes: Vec<u8>, wanted: Wanted) -> Result<(), MachineError> {
        if let Some(mangling) = mangled(&bytes) {
            return Err(MachineError::bytes(name, whole(ErrorKind::Mangled(mangling))));
        }
        let Some((form, kind)) = forms::form(&bytes) else {
            if wanted == Wanted::Functions {
                return Err(MachineError::wrong_text(name, TextErrorKind::NoFunctions));
            }
            let start = bytes.first_chunk().copied().unwrap_or_default();
            return Err(MachineError::bytes(name, whole(ErrorKind::Unrecognised(start))));
        };
        match wanted {
            Wanted::Firmware if matches!(kind, Kind::KernelLog | Kind::GroupList) => {
                return Err(MachineError::wrong_text(name, TextErrorKind::NotFirmwareButLog));
            }
            Wanted::Firmware if kind.is_listing() => {
                return Err(MachineError::wrong_text(name, TextErrorKind::NotFirmware));
            }
            Wanted::Functions if kind.is_firmware() => {
                return Err(MachineError::wrong_text(name, TextErrorKind::NotListing));
            }
            Wanted::Functions if kind == Kind::PciIds => {
                return Err(MachineError::wrong_text(name, TextErrorKind::NoFunctions));
            }
            Wanted::Anything | Wanted::Firmware | Wanted::Functions => {}
        }
        let at = self.evidence.len();
        let picked = wanted.is_picked();
        self.evidence.push(Evidence { picked, ..Evidence::new(name, kind) });
        let piece = Piece { bytes, at };
        let read = match form.reading {
            Reading::Nothing => self.read_nothing(piece),
            Reading::Tree => self.read_tree(piece),
            Reading::Tables => self.read_tables(piece),
            Reading::Acpidump => self.read_dump(piece),
            Reading::Text => self.read_text(piece),
            Reading::Hexdump => self.read_hexdump(piece),
            Reading::Database => self.read_database(piece),
            Reading::Log => self.read_log(piece),
            Reading::Refused => self.refuse(piece),
        };
        if read.is_err() {
            self.evidence.pop();
        }
        read
    }

    /// How many pieces of evidence are listed.
    #[cfg(feature = "std")]
    pub(super) fn listed(&self) -> usize {
        self.evidence.len()
    }

    /// Whether anything listed since is used.
    #[cfg(feature = "std")]
    pub(super) fn has_used_since(&self, since: usize) -> bool {
        self.evidence.get(since..).is_some_and(|new| new.iter().any(|piece| piece.used))
    }

    /// Marks what was listed since as picked by the user.
    #[cfg(feature = "std")]
    pub(super) fn mark(&mut self, since: usize, wanted: Wanted) {
        let new = self.evidence.get_mut(since..).unwrap_or_default();
        new.iter_mut().for_each(|evidence| evidence.picked |= wanted.is_picked());
    }

    /// Lists evidence that is not used, with the reason.
    #[cfg(feature = "std")]
    pub(super) fn note_unused(&mut self, name: &str, kind: Kind, note: &str) {
        self.pass_over(name.to_owned(), kind, Some(note.to_owned()));
    }

    /// Lists evidence that is not used.
    fn pass_over(&mut self, name: String, kind: Kind, note: Option<String>) {
        self.evidence.push(Evidence { used: false, note, ..Evidence::new(name, kind) });
    }

    fn read_nothing(&mut self, piece: Piece) -> Result<(), MachineError> {
        Err(MachineError::Empty { name: self.name(piece.at).to_owned() })
    }

    fn read_tree(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        // Whatever else keeps a tree from being read is found when it is lowered.
        let tree = Tree::parse(&bytes).map_err(|error| MachineError::tree(self.name(at), error, &bytes))?;
        if tree.is_overlay() {
            if let Some(evidence) = self.evidence.get_mut(at) {
                evidence.kind = Kind::Overlay;
            }
            self.overlays.push((at, bytes));
        } else {
            self.trees.push((at, bytes));
        }
        Ok(())
    }

    fn read_tables(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        match container::tables(&bytes) {
            Ok(found) => {
                let tables = found.tables.into_iter();
                let tables = tables
                    .map(|table| Table { bytes: Cow::Owned(table.bytes.into_owned()), ..table })
                    .collect();
                self.keep_tables(at, Tables { tables, skipped: found.skipped })
            }
            Err(error) => Err(MachineError::bytes(self.name(at), error)),
        }
    }

    /// Keeps the tables that are used.
    fn keep_tables(&mut self, at: usize, found: Tables<'static>) -> Result<(), MachineError> {
        let first = found.tables.first().map(|table| table.source.name);
        if !found.tables.iter().any(is_kept) {
            let none = whole(ErrorKind::NoFirmwareTable(first.unwrap_or_default()));
            return Err(MachineError::bytes(self.name(at), found.skipped.first().copied().unwrap_or(none)));
        }
        self.has_ivrs |= found.tables.iter().any(|table| table.source.format() == Some(Format::Ivrs));
        self.skipped.extend(found.skipped);
        let kept = found.tables.into_iter().filter(|table| is_kept(table));
        self.tables.extend(kept.map(|table| (at, table)));
        Ok(())
    }

    /// Reads the tables that a text spells out.
    fn read_dump(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let (found, errors) = dumps::tables(&bytes);
        let name = self.name(at).to_owned();
        let read = self.keep_tables(at, found);
        match (read, errors.first()) {
            // Whatever other tables there are, an error in the tables that cannot be read comes first.
            (Err(_), Some(error)) => return Err(MachineError::text(&name, *error)),
            (read, _) => read?,
        }
        self.unread.extend(errors.into_iter().map(|error| Unread::of_text(&name, error)));
        Ok(())
    }

    /// Reads any blob that a text spells out.
    fn read_hexdump(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let name = self.name(at).to_owned();
        let blocks = dumps::blocks(&bytes);
        let mut readers: Vec<Reader> = Vec::with_capacity(blocks.len());
        for dumps::Block { bytes, fault, place, .. } in &blocks {
            if let Some(fault) = fault {
                return Err(MachineError::text(&name, *fault));
            }
            match recognise(bytes) {
                Kind::DeviceTree => readers.push(Self::read_tree),
                Kind::AcpiTable(_) | Kind::AcpiTables(_) => readers.push(Self::read_tables),
                _ => {
                    let start = bytes.first_chunk().copied().unwrap_or_default();
                    let kind = TextErrorKind::Table(ErrorKind::Unrecognised(start));
                    return Err(MachineError::text(&name, super::TextError::at(kind, *place)));
                }
            }
        }
        if blocks.is_empty() {
            return Err(MachineError::Empty { name });
        }
        for (read, dumps::Block { bytes, .. }) in readers.into_iter().zip(blocks) {
            read(self, Piece { bytes, at })?;
        }
        Ok(())
    }

    /// Refuses a text of a kind that is recognised and not read.
    fn refuse(&mut self, piece: Piece) -> Result<(), MachineError> {
        let name = self.name(piece.at).to_owned();
        let refused = match recognise(&piece.bytes) {
            Kind::Refused(refused) => refused,
            _ => super::Refused::Disassembly,
        };
        Err(MachineError::Refused { name, refused })
    }

    /// Reads a text that lists functions, or the kernel's decisions, or both.
    fn read_text(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let name = self.name(at).to_owned();
        if u32::try_from(bytes.len()).is_err() {
            return Err(MachineError::wrong_text(&name, TextErrorKind::TooLarge));
        }
        let log = Log::read(&bytes);
        let text = Textual::read(&bytes);
        if let Some(refused) = text.refused {
            return Err(MachineError::Refused { name, refused });
        }
        if let Some((function, first, second)) = two_listings(&text.listing) {
            return Err(MachineError::TwoListings { name, function, first, second });
        }
        let (kind, is_empty, boots) = (text.kind(), text.is_empty(), text.words.earlier_boots);
        let Textual { listing, words, beside, gaps, .. } = text;
        let mut listed = Vec::with_capacity(listing.functions.len());
        for function in listing.functions {
            let (bdf, place) = (function.bdf, function.place);
            match Listed::new(function, Links::default()) {
                Ok(function) => listed.push(function),
                Err(error) => self.unread.push(Unread::of_config(&name, place, bdf, error.kind)),
            }
        }
        self.unread.extend(listing.skipped.into_iter().map(|error| Unread::of_text(&name, error)));
        // A text of a line or two about the kernel alone: it says how firmware is read.
        let tells_kernel = words.boot.release.is_some() && log.lines_read <= 3;
        let has_listing = !listed.is_empty() || kind == Kind::LspciText;
        let is_log = log.entries.iter().any(|entry| entry.form.kind != LogKind::Other);
        if kind == Kind::KernelLog || is_log {
            self.kernel.logs.push(Log { name: name.clone(), ..log });
        }
        if has_listing {
            self.listings.push((at, listed));
        }
        if words != Words::default() {
            self.words.push((at, words));
        }
        if let Some(evidence) = self.evidence.get_mut(at) {
            evidence.kind = kind;
            if is_empty && !has_listing && !is_log && !tells_kernel {
                evidence.note = Some("it says nothing about IOMMU groups".to_owned());
            } else if boots > 0 {
                let all = boots.saturating_add(1);
                evidence.note = Some(format!("the log has {all} boots: the last one is used"));
            }
        }
        gaps.iter().for_each(|gap| self.miss(at, gap.to_string()));
        if let Some(changed) = listing.changed {
            self.miss(at, changed.to_string());
        }
        if let Some(refused) = beside {
            self.note(at, &format!("part of it is not read: {refused}"));
        }
        Ok(())
    }

    /// Reads a log in which no line names a group.
    fn read_log(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let name = self.name(at).to_owned();
        self.kernel.logs.push(Log { name, ..Log::read(&bytes) });
        Ok(())
    }

    /// Takes in a log that was read line by line as it arrived.
    #[cfg(feature = "std")]
    pub(super) fn take_log(&mut self, name: &str, log: Log) {
        self.evidence.push(Evidence::new(name, Kind::KernelLog));
        self.kernel.logs.push(Log { name: name.to_owned(), ..log });
    }

    /// Reads a PCI ID database: the names in the listings that were taken in before get their ids from it.
    fn read_database(&mut self, Piece { bytes, at }: Piece) -> Result<(), MachineError> {
        let text = String::from_utf8_lossy(&bytes);
        let known = PciIds::parse(&text);
        if known.is_empty() {
            let name = self.name(at).to_owned();
            return Err(MachineError::wrong_text(&name, TextErrorKind::NoIds));
        }
        for (_, listed) in &mut self.listings {
            for function in listed {
                let Some(told) = function.listed.told.as_mut().filter(|told| told.lacks_ids()) else {
                    continue;
                };
                let (vendor, device) = known.ids(&told.name);
                (told.vendor, told.device) = (vendor.or(told.vendor), device.or(told.device));
                function.facts = function.listed.facts().unwrap_or(function.facts);
            }
        }
        Ok(())
    }

    /// Whether a listing has names without ids. The PCI ID database of a machine (`/usr/share/misc/pci.ids`) has these ids, if it
    /// is given to [`add`](Collector::add) after the listing.
    ///
    /// ```
    /// use fwspec::machine::Collector;
    /// let mut collector = Collector::new();
    /// collector.add("lspci.txt", b"00:01.0 PCI bridge: Example Inc. Port\n".to_vec())?;
    /// assert!(collector.lacks_ids());
    /// collector.add("pci.ids", b"# Syntax:\n1af4  Example Inc.\n\t0001  Port\n".to_vec())?;
    /// assert!(!collector.lacks_ids());
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn lacks_ids(&self) -> bool {
        let mut all = self.listings.iter().flat_map(|(_, listed)| listed);
        all.any(|function| {
            function.listed.bytes.is_empty()
                && function.listed.told.as_ref().is_some_and(|told| told.lacks_ids())
        })
    }

    /// Has the functions of a system named by its PCI ID database.
    #[cfg(feature = "std")]
    pub(super) fn name_by(&mut self, database: &[u8]) {
        self.database = Some(String::from_utf8_lossy(database).into_owned());
    }

    /// Takes in the functions that a running system shows.
    #[cfg(feature = "std")]
    pub(super) fn running(&mut self, name: &str, listed: Vec<Listed>) {
        let at = self.evidence.len();
        self.evidence.push(Evidence::new(name, Kind::Sysfs));
        self.listings.push((at, listed));
    }

    /// Lists what a system says about its kernel only.
    #[cfg(feature = "std")]
    pub(super) fn speaking(&mut self, name: &str) {
        self.evidence.push(Evidence::new(name, Kind::Sysfs));
    }

    /// Adds the kernel's decisions from one source.
    #[cfg(feature = "std")]
    pub(super) fn say(&mut self, kernel: Kernel) {
        self.kernel.join(kernel);
    }

    /// Notes the maker's name for the machine.
    #[cfg(feature = "std")]
    pub(super) fn call(&mut self, model: Option<String>) {
        self.model = self.model.take().or(model);
    }

    /// Notes a table or tree that only root may read.
    #[cfg(feature = "std")]
    pub(super) fn hide_firmware(&mut self, name: &str) {
        self.hidden.firmware.push(name.to_owned());
    }

    /// Notes the number of functions of which only root may read more.
    #[cfg(feature = "std")]
    pub(super) fn hide_functions(&mut self, count: usize) {
        self.hidden.functions = self.hidden.functions.saturating_add(count);
    }

    /// Lists a record that could not be read.
    #[cfg(feature = "std")]
    pub(super) fn leave(&mut self, unread: Unread) {
        self.unread.push(unread);
    }

    /// Notes that the machine has an IVRS table, though it was not read.
    #[cfg(feature = "std")]
    pub(super) fn has_ivrs(&mut self) {
        self.has_ivrs = true;
    }

    /// The machine that all the evidence is of.
    ///
    /// # Errors
    /// [`MachineError::TwoMachines`], [`TwoKinds`](MachineError::TwoKinds) and [`TwoTopologies`](MachineError::TwoTopologies) where
    /// the evidence is of more than one; [`Bytes`](MachineError::Bytes) where none of the tables can be read.
    pub fn finish(mut self) -> Result<Machine, MachineError> {
        let firmware = self.firmware()?;
        let has_topology = !self.listings.is_empty();
        let from = self.join_listings()?;
        self.join_words();
        self.close();
        let place = |listed: &Listed| Placed::of(&listed.listed, listed.facts, listed.links);
        let devices = of_functions(self.functions.values().map(place).collect());
        self.miss_functions(&devices, &from);
        self.note_gaps();
        let ids = |listed: &Listed| (listed.facts.vendor, listed.facts.device);
        let known = self.database.as_ref().map(|text| {
            let wanted = self.functions.values().map(ids).collect();
            names::of_ids(text, &wanted)
        });
        let told = |(bdf, listed): (&Bdf, &Listed)| {
            let mut name = Name::default();
            if let Some(told) = &listed.listed.told {
                name = Name { device: told.name.clone(), class: told.class_name.clone() };
            }
            if let (true, Some(known)) = (name.device.is_empty(), known.as_ref()) {
                name.device = known.get(&ids(listed)).cloned().unwrap_or_default();
            }
            (name != Name::default()).then_some((*bdf, name))
        };
        let names = self.functions.iter().filter_map(told).collect();
        let mut machine = Machine {
            firmware,
            devices,
            kernel: self.kernel,
            model: self.model,
            names,
            evidence: self.evidence,
            unread: Unread::gathered(self.unread),
            hidden: self.hidden,
            has_ivrs: self.has_ivrs,
            has_intel_pch_acs: false,
            acs: AcsSettings::Dumped,
            has_topology,
        };
        machine.note_unknown_vmd();
        Ok(machine)
    }

    /// Marks a container as unused where none of its pieces is used.
    fn close(&mut self) {
        for range in core::mem::take(&mut self.opened) {
            let is_container = |evidence: &Evidence| evidence.kind.is_container();
            let Some(all) = self.evidence.get_mut(range) else { continue };
            let used = all.iter().any(|evidence| evidence.used && !is_container(evidence));
            all.iter_mut()
                .filter(|evidence| is_container(evidence))
                .for_each(|evidence| evidence.used &= used);
        }
    }

    fn name(&self, at: usize) -> &str {
        self.evidence.get(at).map_or("", |evidence| &evidence.name)
    }

    fn is_picked(&self, at: usize) -> bool {
        self.evidence.get(at).is_some_and(|evidence| evidence.picked)
    }

    /// Marks a piece of evidence as unused.
    fn leave_out(&mut self, at: usize, note: String) {
        if let Some(evidence) = self.evidence.get_mut(at) {
            evidence.used = false;
            evidence.note = Some(note);
        }
    }

    /// Which of two contradicting pieces is used: the one that the user picked; `None` where that decides nothing.
    fn decide(&mut self, one: usize, other: usize) -> Option<usize> {
        let (kept, out) = match (self.is_picked(one), self.is_picked(other)) {
            (true, false) => (one, other),
            (false, true) => (other, one),
            _ => return None,
        };
        let note = format!("not used: {} was chosen", self.name(kept));
        self.leave_out(out, note);
        Some(out)
    }

    fn firmware(&mut self) -> Result<Option<Firmware>, MachineError> {
        let tree = self.one_tree()?;
        let overlays = core::mem::take(&mut self.overlays);
        self.one_set_of_tables()?;
        let speaking = self.tables.iter().find(|(_, table)| speaks(table));
        let speaking = speaking.map(|(at, _)| *at);
        let tree = match (tree, overlays.first(), speaking) {
            (Some(tree), ..) => Some(tree),
            (None, Some((alone, _)), None) => {
                let error = Error { kind: ErrorKind::Overlay, at: Source::DTB.at(0) };
                return Err(MachineError::bytes(self.name(*alone), error));
            }
            (None, _, _) => None,
        };
        let no_tree = |collector: &mut Self| {
            for (overlay, _) in &overlays {
                collector.leave_out(*overlay, "not used: the firmware is ACPI tables".to_owned());
            }
            collector.of_tables()
        };
        let Some((at, blob)) = tree else { return no_tree(self) };
        if let Some(tables) = speaking {
            let out = if is_stub(&blob) {
                self.leave_out(
                    at,
                    format!("not used: it does not describe the machine, {} does", self.name(tables)),
                );
                Some(at)
            } else {
                self.decide(at, tables)
            };
            match out {
                Some(out) if out == at => return no_tree(self),
                Some(_) => {}
                None => {
                    let (tree, tables) = (self.name(at).to_owned(), self.name(tables).to_owned());
                    return Err(MachineError::TwoKinds { tree, tables });
                }
            }
        }
        let name = self.name(at).to_owned();
        let blob =
            overlays.into_iter().try_fold(blob, |blob, overlay| self.overlaid(&name, blob, overlay))?;
        for (tables, _) in core::mem::take(&mut self.tables) {
            self.leave_out(tables, format!("not used: the firmware is the device tree {name}"));
        }
        let opened = Firmware::open_or_return(&name, blob);
        opened.map(Some).map_err(|(error, blob)| MachineError::tree(&name, error, &blob.unwrap_or_default()))
    }

    /// The tree that results from a base and its overlays.
    fn overlaid(
        &self,
        base: &str,
        blob: Vec<u8>,
        (at, overlay): (usize, Vec<u8>),
    ) -> Result<Vec<u8>, MachineError> {
        let name = self.name(at);
        let tree = Tree::parse(&blob).map_err(|error| MachineError::tree(base, error, &blob))?;
        let over = Tree::parse(&overlay).map_err(|error| MachineError::tree(name, error, &overlay))?;
        let merged = tree.with_overlay(&over);
        merged.map_err(|error| MachineError::Overlay { name: name.to_owned(), base: base.to_owned(), error })
    }

    /// The tree that is used.
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

    /// Keeps one table of each name, or more where one file has more: it is up to their reader to refuse those.
    fn one_set_of_tables(&mut self) -> Result<(), MachineError> {
        let tables = core::mem::take(&mut self.tables);
        let mut out = BTreeSet::new();
        // The first table of each name; of several in one file, each by its place there.
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
        self.one_vendor()?;
        // A piece is used if it shares one table with another piece and has others besides.
        for (at, _) in &self.tables {
            if let Some(evidence) = self.evidence.get_mut(*at).filter(|evidence| !evidence.used) {
                evidence.used = true;
                evidence.note = None;
            }
        }
        Ok(())
    }

    /// Keeps the table of one kind of IOMMUs: each kind describes a whole machine.
    fn one_vendor(&mut self) -> Result<(), MachineError> {
        const KINDS: [&[u8; 4]; 4] = [b"IORT", b"RIMT", b"DMAR", b"IVRS"];
        let mut kept: Option<(usize, Source)> = None;
        let mut out = BTreeSet::new();
        for (at, source) in self.tables.iter().map(|(at, table)| (*at, table.source)).collect::<Vec<_>>() {
            if !KINDS.contains(&&source.name) {
                continue;
            }
            let Some((other, rival)) = kept else {
                kept = Some((at, source));
                continue;
            };
            // If one file holds both, it is up to its reader to judge.
            if rival.name == source.name || other == at {
                continue;
            }
            let Some(lost) = self.decide(other, at) else {
                let [first, second] = [other, at].map(|at| self.name(at).to_owned());
                let [one, other] = [rival, source].map(|table| Source { index: 0, ..table }.to_string());
                return Err(MachineError::TwoVendors { one, first, other, second });
            };
            if lost == other {
                kept = Some((at, source));
            }
            out.insert(lost);
        }
        self.tables.retain(|(at, _)| !out.contains(at));
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
            // A MADT alone: it adds facts to an IORT only.
            Err(Error { kind: ErrorKind::NoFirmwareTable(_), .. }) => {
                for at in pieces {
                    self.leave_out(at, "not used: it is of no use without an IORT".to_owned());
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

    /// Joins the kernel's decisions from all sources, the best one first: `/sys`, then listings of groups, then logs. A source that
    /// contradicts the ones before it is of another boot or another machine, and is left out.
    fn join_words(&mut self) {
        let words = core::mem::take(&mut self.words);
        for of_log in [false, true] {
            for (at, words) in &words {
                let groups = if of_log { &words.boot.groups } else { &words.listed };
                let known = &mut self.kernel.groups;
                let clash = groups.iter().find_map(|(device, group)| {
                    let there = known.get(device).filter(|there| *there != group)?;
                    Some(format!(
                        "not all of it is used: it has {device} in group {group}, other evidence has it in {there}"
                    ))
                });
                match clash {
                    Some(note) => self.note(*at, &note),
                    None => known.extend(groups.iter().map(|(device, group)| (device.clone(), *group))),
                }
            }
        }
        for (_, Words { boot, .. }) in words {
            self.kernel.command_line = self.kernel.command_line.take().or(boot.command_line);
            self.kernel.release = self.kernel.release.take().or(boot.release);
        }
    }

    /// Notes at the listings where their text differs from their bytes, and what they lack.
    fn note_what_texts_lack(&mut self, from: &BTreeMap<Bdf, usize>) {
        let mut lacks: BTreeMap<usize, Lacks> = BTreeMap::new();
        for (bdf, listed) in &self.functions {
            let Some(at) = from.get(bdf) else { continue };
            let lacks = lacks.entry(*at).or_default();
            lacks.functions = lacks.functions.saturating_add(1);
            let is_silent = listed.listed.is_silent();
            lacks.silent.extend(is_silent.then_some((*bdf, listed.listed.place)));
            let Some(told) = &listed.listed.told else { continue };
            match Function::read(&listed.listed.bytes) {
                Ok(read) => {
                    lacks.contradictions.extend(told.contradicts(&read).into_iter().map(|what| (*bdf, what)))
                }
                // That it does not answer says all.
                Err(_) if is_silent => lacks.ids = lacks.ids.saturating_add(usize::from(told.lacks_ids())),
                Err(_) => {
                    lacks.names_only = lacks.names_only.saturating_add(usize::from(told.is_name_only()));
                    lacks.acs = lacks.acs.saturating_add(usize::from(told.lacks_acs()));
                    lacks.ids = lacks.ids.saturating_add(usize::from(told.lacks_ids()));
                    let unread = listed.facts.pcie.is_unknown() && !told.is_name_only();
                    lacks.capabilities = lacks.capabilities.saturating_add(usize::from(unread));
                }
            }
        }
        for (at, lacks) in lacks {
            lacks.notes().iter().for_each(|note| self.note(at, note));
        }
    }

    /// Notes that a part of a piece of evidence is missing.
    fn miss(&mut self, at: usize, gap: String) {
        if let Some(evidence) = self.evidence.get_mut(at) {
            evidence.gaps.push(gap);
        }
    }

    /// Notes at the texts which functions they refer to and do not list.
    fn miss_functions(&mut self, devices: &[Device], from: &BTreeMap<Bdf, usize>) {
        let listed = |bdf: Bdf| self.functions.get(&bdf).map(|function| &function.listed);
        let is_occupied = |bdf| listed(bdf).is_some_and(ListedFunction::has_device_below);
        let may_be_virtual = |bdf| {
            let told = listed(bdf).and_then(|listed| listed.told.as_ref());
            told.is_some_and(|told| told.name.contains("Virtual Function") || told.name.contains("VF"))
        };
        for gap in gaps::of_devices(devices, is_occupied, may_be_virtual) {
            let Some(bdf) = gap.function() else { continue };
            let line = listed(bdf).and_then(|listed| listed.place).map(|place| place.line);
            let Some(at) = from.get(&bdf).filter(|_| line.is_some()) else { continue };
            let gap = Gap { line, ..gap }.to_string();
            if let Some(evidence) = self.evidence.get_mut(*at) {
                evidence.gaps.push(gap);
            }
        }
    }

    /// Notes what the pieces of evidence lack.
    fn note_gaps(&mut self) {
        for at in 0..self.evidence.len() {
            let Some(evidence) = self.evidence.get_mut(at) else { continue };
            let more = evidence.gaps.len().saturating_sub(MAX_GAPS_TOLD);
            evidence.gaps.truncate(MAX_GAPS);
            let Some(told) = evidence.gaps.get(..evidence.gaps.len().min(MAX_GAPS_TOLD)) else { continue };
            if told.is_empty() {
                continue;
            }
            let mut note = format!("it is incomplete: {}", told.join("; "));
            if more > 0 {
                note.push_str(&format!("; and {more} more such places"));
            }
            self.note(at, &note);
        }
    }

    /// Adds to what there is to know about a piece of evidence.
    fn note(&mut self, at: usize, note: &str) {
        if let Some(evidence) = self.evidence.get_mut(at) {
            evidence.note = Some(match evidence.note.take() {
                Some(there) => format!("{there}; {note}"),
                None => note.to_owned(),
            });
        }
    }

    /// Notes that a listing lacks functions of another that starts at the same address.
    fn note_what_changed(&mut self, at: usize, all: &BTreeSet<Bdf>, others: &[(usize, BTreeSet<Bdf>)]) {
        let alike = others.iter().find(|(_, other)| other.first() == all.first());
        let Some((other, differ)) = alike.and_then(|(at, one)| Some((*at, differences(one, all)?))) else {
            return;
        };
        let [first, second] = [other, at].map(|at| self.name(at).to_owned());
        let only = only(&differ, [first.as_str(), second.as_str()]);
        self.note(at, &format!("it and {first} list different functions: {only}"));
    }

    /// One entry for each function: of two that agree, the one of which more was read.
    fn join_listings(&mut self) -> Result<BTreeMap<Bdf, usize>, MachineError> {
        let mut listings = core::mem::take(&mut self.listings);
        // What the user picked is there first, and what contradicts it is left out as a whole.
        listings.sort_by_key(|(at, _)| !self.is_picked(*at));
        let mut from: BTreeMap<Bdf, usize> = BTreeMap::new();
        let mut whole: Vec<(usize, BTreeSet<Bdf>)> = Vec::with_capacity(listings.len());
        for (at, listed) in listings {
            let clash = listed.iter().find_map(|new| {
                let there = self.functions.get(&new.listed.bdf)?;
                let other = from.get(&new.listed.bdf)?;
                there.listed.is_other_than(&new.listed).then_some((new.listed.bdf, *other))
            });
            if let Some((function, other)) = clash {
                if self.decide(other, at).is_some() {
                    continue;
                }
                let [first, second] = [other, at].map(|at| self.name(at).to_owned());
                return Err(MachineError::TwoTopologies { function, first, second });
            }
            let all: BTreeSet<Bdf> = listed.iter().map(|new| new.listed.bdf).collect();
            self.note_what_changed(at, &all, &whole);
            whole.push((at, all));
            let mut differ = None;
            for new in listed {
                let bdf = new.listed.bdf;
                let other = *from.entry(bdf).or_insert(at);
                match self.functions.get_mut(&bdf) {
                    Some(there) => {
                        let what = there.listed.differs_from(&new.listed);
                        let count = differ.map_or(0_usize, |(_, _, _, count)| count);
                        if let Some(what) = what {
                            let (bdf, what, other, _) = differ.unwrap_or((bdf, what, other, 0));
                            differ = Some((bdf, what, other, count.saturating_add(1)));
                        }
                        there.join(new);
                    }
                    None => {
                        self.functions.insert(bdf, new);
                    }
                }
            }
            if let Some((bdf, what, other, count)) = differ {
                let more = count.saturating_sub(1);
                let more = if more > 0 { format!(", and {more} more such") } else { String::new() };
                let note = format!(
                    "{what} of {bdf} differs from that in {}{more}: the listing that shows more of a function is used, otherwise the first",
                    self.name(other)
                );
                self.note(at, &note);
            }
        }
        self.note_what_texts_lack(&from);
        Ok(from)
    }
}

/// Where a text lists different functions at one address: the address and the two lines.
fn two_listings(listing: &Listing) -> Option<(Bdf, u32, u32)> {
    listing.skipped.iter().find_map(|error| match error.kind {
        TextErrorKind::ListedTwice { first } => Some((error.function?, first, error.place?.line)),
        _ => None,
    })
}

/// What a listing in words does not say, in numbers of functions.
#[derive(Default)]
struct Lacks {
    functions: usize,
    names_only: usize,
    ids: usize,
    capabilities: usize,
    acs: usize,
    silent: Vec<(Bdf, Option<LinePlace>)>,
    contradictions: Vec<(Bdf, &'static str)>,
}

impl Lacks {
    /// One sentence each.
    fn notes(&self) -> Vec<String> {
        let of = |count: usize| match self.functions {
            1 => "of the function".to_owned(),
            functions if count == functions => format!("of all {functions} functions"),
            functions => format!("of {count} of {functions} functions"),
        };
        let mut notes = Vec::new();
        if self.names_only > 0 {
            notes.push(format!(
                "it has only the names {}: it does not say which bridge a bus is behind, nor what isolates; lspci -nnvvv as root shows both",
                of(self.names_only)
            ));
        }
        if self.capabilities > 0 {
            notes.push(format!("it lacks the capabilities {}: run lspci as root", of(self.capabilities)));
        }
        if self.acs > 0 {
            notes.push(format!(
                "it lacks the ACS registers {}, so that they count as not isolating: lspci -vvv as root shows them",
                of(self.acs)
            ));
        }
        if self.ids > 0 {
            notes.push(format!(
                "the ids {} are not in it, only names: rules about single devices that need ids are not applied; lspci -nn, or the machine's \
                 pci.ids given beside it, tells them",
                of(self.ids)
            ));
        }
        if let Some((bdf, place)) = self.silent.first() {
            let line = place.map(|place| format!(" (line {})", place.line)).unwrap_or_default();
            let stands = "(powered down), so the listing and the bridge above are used for";
            notes.push(match self.silent.len().saturating_sub(1) {
                0 => format!("{bdf}{line} does not answer {stands} it"),
                more => format!(
                    "{bdf}{line} and {more} more of {} functions do not answer {stands} them",
                    self.functions
                ),
            });
        }
        if let Some((bdf, what)) = self.contradictions.first() {
            let more = self.contradictions.len().saturating_sub(1);
            let more = if more > 0 { format!(", and {more} more such") } else { String::new() };
            notes.push(format!("its text and its bytes differ: {what} of {bdf}{more}; the bytes are used"));
        }
        notes
    }
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
