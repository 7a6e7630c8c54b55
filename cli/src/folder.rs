//! What the paths of a command line stand for: files, the tables of a machine, whatever is below a folder.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use fwspec::dt::Tree;
use fwspec::machine::{self, Collector, Firmware, Kind, Machine, MachineError, READ_HERE, recognise};
use fwspec::{Error, ErrorKind, error::Source};

use super::{Failure, name};

/// Whether the table of this name says what IOMMUs translate.
fn speaks(name: &[u8; 4]) -> bool {
    Source::table(*name).format().is_some()
}

/// So many bytes tell a table by its header and a tree by its magic.
const HEADER: u64 = 64;

/// One machine's firmware to be opened.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A file that the user named: it must be firmware.
    Named(PathBuf),
    /// Standard input or a pipe, which can be read once only.
    Read(PathBuf, Vec<u8>),
    /// Files that the user named, with tables of one machine; the first of those that describe IOMMUs first.
    Several(Vec<Input>),
    /// The ACPI tables that are in a folder, which are those of one machine.
    Machine { folder: PathBuf, tables: Vec<PathBuf>, below: Option<usize> },
    /// A file that the user did not name: it may be anything.
    Found { file: PathBuf, below: usize },
    /// A running system, or the root folder of one.
    System(PathBuf),
}

/// Why an input gave no firmware.
#[derive(Debug)]
pub(super) enum Closed {
    /// The bytes cannot be read, or are firmware that cannot be read, or should be firmware and are not.
    Machine(MachineError),
    /// There is a machine, and nothing that its firmware says.
    NoFirmware(String),
    /// A file that is not firmware, and that was not named as firmware.
    PassedOver(Reason),
}

/// Messages to the user beside the output.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) lines: Vec<String>,
    /// Something could not be read.
    pub(super) unreadable: bool,
}

/// Why something below a folder was not read, in the order in which that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    NotFirmware,
    Topology,
    OtherTables,
    Archive,
    Link,
    Special,
}

/// What was skipped: how many for each reason, and the first.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeMap<Reason, (usize, PathBuf)>);

/// All that the paths stand for, in their order; what is below a folder in the order of the names.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) all: Vec<Input>,
    /// What could not be looked at.
    pub(super) notes: Notes,
    pub(super) passed_over: PassedOver,
    /// The folders that the user named.
    pub(super) folders: Vec<PathBuf>,
}

impl Inputs {
    /// Looks at the paths, and below those that are folders.
    ///
    /// Several ACPI tables that are in one folder are those of one machine if none that is read here is there twice; anything else
    /// is a file by itself. Links below a folder are not followed: what they lead to is read at its own place, or is outside.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut inputs = Inputs::default();
        for path in paths {
            let kind = fs::metadata(path).map(|data| data.file_type());
            if machine::is_device_tree_folder(path) {
                inputs.all.push(Input::Named(path.clone()));
            } else if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                inputs.folder(path);
                inputs.folders.push(path.clone());
            } else if path == Path::new("-") || kind.is_ok_and(|kind| !kind.is_file()) {
                match machine::read(path) {
                    Ok(bytes) => inputs.all.push(Input::Read(path.clone(), bytes)),
                    Err(error) => {
                        let why = super::meant::why(path, &error);
                        inputs.notes.unreadable(format!("{}: {why}", name(path)));
                    }
                }
            } else {
                inputs.all.push(Input::Named(path.clone()));
            }
        }
        inputs
    }

    fn folder(&mut self, folder: &Path) {
        let (below, mut of_machines) = (self.folders.len(), BTreeSet::new());
        let mut entries = WalkDir::new(folder).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let why = error.io_error().map_or_else(|| error.to_string(), machine::why_unreadable);
                    let place = error.path().unwrap_or(folder).display();
                    self.notes.unreadable(format!("{place}: {why}"));
                    continue;
                }
            };
            if entry.depth() > 0 && !entry.file_type().is_dir() {
                match unusual(&entry) {
                    Some(reason) => self.passed_over.add(reason, entry.path()),
                    None if of_machines.contains(entry.path()) => {}
                    None => self.all.push(Input::Found { file: entry.into_path(), below }),
                }
                continue;
            }
            let tables = tables_of_a_machine(entry.path());
            // Beside the tables that the kernel was given it shows their data and those that were loaded later (linux
            // Documentation/ABI/testing/sysfs-firmware-acpi).
            let shown_twice = ["data", "dynamic"].iter().any(|sub| entry.file_name() == *sub);
            if shown_twice && entry.path().parent().is_some_and(|above| of_machines.contains(above)) {
                entries.skip_current_dir();
            } else if let Some(tables) = tables.filter(|tables| tables.len() > 1) {
                of_machines.insert(entry.path().to_owned());
                of_machines.extend(tables.iter().cloned());
                self.all.push(Input::Machine { folder: entry.into_path(), tables, below: Some(below) });
            }
        }
    }
}

/// Why an entry that is not a folder is not opened.
fn unusual(entry: &DirEntry) -> Option<Reason> {
    if entry.file_type().is_symlink() {
        return Some(Reason::Link);
    }
    (!entry.file_type().is_file()).then_some(Reason::Special)
}

/// The files in a folder that hold ACPI tables, if they may be those of one machine: none that is read here is there twice.
fn tables_of_a_machine(folder: &Path) -> Option<Vec<PathBuf>> {
    let mut tables = tables_in(folder).ok()?;
    tables.retain(|(_, file)| !file.is_symlink());
    let several = |wanted: &[u8; 4]| tables.iter().filter(|(signature, _)| signature == wanted).count() > 1;
    (!READ_HERE.into_iter().any(several)).then(|| tables.into_iter().map(|(_, file)| file).collect())
}

/// The files in a folder that hold ACPI tables, by name, each with the signature of its first.
fn tables_in(folder: &Path) -> io::Result<Vec<([u8; 4], PathBuf)>> {
    let mut tables = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file()
            && let Some(signature) = signature(&path)
        {
            tables.push((signature, path));
        }
    }
    tables.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
    Ok(tables)
}

/// What the beginning of a file is recognised as.
fn kind(file: &Path) -> io::Result<Kind> {
    let mut header = Vec::new();
    File::open(file)?.take(HEADER).read_to_end(&mut header)?;
    Ok(recognise(&header))
}

/// The signature of the table that a file starts with. That of a file which may not be read is its name: without root the kernel
/// lists its tables and keeps them to itself.
fn signature(file: &Path) -> Option<[u8; 4]> {
    match kind(file) {
        Ok(Kind::AcpiTable(signature) | Kind::AcpiTables(signature)) => Some(signature),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let name = file.file_name()?.as_encoded_bytes();
            READ_HERE.into_iter().find(|signature| signature.as_slice() == name).copied()
        }
        Err(_) => None,
    }
}

impl Input {
    /// What the input is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Input::System(root) if root == Path::new("/") => "this machine".to_owned(),
            _ => name(self.path()),
        }
    }

    /// Which of the folders that the user named it is below.
    pub(super) fn below(&self) -> Option<usize> {
        match self {
            Input::Named(_) | Input::Read(..) | Input::Several(_) | Input::System(_) => None,
            Input::Machine { below, .. } => *below,
            Input::Found { below, .. } => Some(*below),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Input::Named(path)
            | Input::Read(path, _)
            | Input::Found { file: path, .. }
            | Input::System(path)
            | Input::Machine { folder: path, .. } => path,
            Input::Several(files) => files.first().map_or(Path::new(""), Input::path),
        }
    }

    /// What a file is that the user named.
    fn kind(&self) -> Option<Kind> {
        match self {
            Input::Named(path) => kind(path).ok(),
            Input::Read(_, bytes) => Some(recognise(bytes)),
            Input::Several(_) | Input::Machine { .. } | Input::Found { .. } | Input::System(_) => None,
        }
    }

    /// Whether it is an overlay that the user named.
    fn is_overlay(&self) -> bool {
        let bytes = match (self, self.kind()) {
            (Input::Named(path), Some(Kind::DeviceTree)) => machine::read(path).map(Cow::Owned),
            (Input::Read(_, bytes), Some(Kind::DeviceTree)) => Ok(Cow::Borrowed(bytes.as_slice())),
            _ => return false,
        };
        bytes.is_ok_and(|bytes| Tree::parse(&bytes).is_ok_and(|tree| tree.is_overlay()))
    }

    /// The names of the tables in it that are read here, if it is a file of tables that the user named.
    fn tables(&self) -> Option<BTreeSet<[u8; 4]>> {
        let bytes = match (self, self.kind()?) {
            (_, kind) if !kind.is_firmware() || kind == Kind::DeviceTree => return None,
            (Input::Named(path), _) => Cow::Owned(machine::read(path).ok()?),
            (Input::Read(_, bytes), _) => Cow::Borrowed(bytes.as_slice()),
            _ => return None,
        };
        let tables = machine::tables_in(&bytes)?.tables;
        let read_here = |name: &[u8; 4]| READ_HERE.contains(&name) || name == b"APIC";
        Some(tables.into_iter().map(|table| table.source.name).filter(read_here).collect())
    }

    /// Opens it. What keeps single tables of a machine from being read is noted.
    pub(super) fn open(&self, mut collector: Collector, notes: &mut Notes) -> Result<Machine, Closed> {
        match self {
            Input::Named(_) | Input::Read(..) => self.collect(&mut collector)?,
            Input::Several(files) => files.iter().try_for_each(|file| file.collect(&mut collector))?,
            Input::Machine { tables, .. } => collect_tables(tables, &mut collector, notes)?,
            Input::Found { file: path, .. } => match machine::read_recognised(path) {
                Ok(Ok(bytes)) => collector.add(&name(path), bytes).map_err(Closed::if_found)?,
                Ok(Err(kind)) => return Err(other(path, kind)),
                Err(error) => return Err(Closed::bytes(path, &error)),
            },
            Input::System(root) => {
                let machine = Machine::of_root(root).map_err(Closed::Machine)?;
                if !machine.hidden.is_empty() {
                    notes.say(machine.hidden.to_string());
                }
                let speaks = machine.firmware.as_ref().is_some_and(Firmware::speaks_of_iommus);
                return if speaks { Ok(machine) } else { Err(Closed::NoFirmware(lacks(&machine))) };
            }
        }
        let mut machine = collector.finish().map_err(|error| match self {
            Input::Found { .. } => Closed::if_found(error),
            _ => Closed::Machine(error),
        })?;
        machine.unread.iter().for_each(|unread| notes.say(unread.to_string()));
        if !matches!(self, Input::Machine { .. } | Input::Found { .. }) {
            let noted =
                machine.evidence.iter().filter_map(|evidence| Some((evidence, evidence.note.as_ref()?)));
            noted.for_each(|(evidence, note)| notes.say(format!("{}: {note}", evidence.name)));
        }
        match (&mut machine.firmware, self) {
            (Some(firmware), Input::Machine { folder, .. }) => firmware.file = name(folder),
            (Some(_), _) => {}
            (None, Input::Named(_) | Input::Read(..) | Input::Several(_)) => {
                return Err(Closed::NoFirmware(lacks(&machine)));
            }
            (None, _) => return Err(Closed::PassedOver(Reason::OtherTables)),
        }
        Ok(machine)
    }

    /// Takes it in as a listing of functions.
    pub(super) fn list(self, collector: &mut Collector) -> Result<(), MachineError> {
        match self {
            Input::Read(path, bytes) => collector.add(&name(&path), bytes),
            other => collector.open(other.path()),
        }
    }

    fn collect(&self, collector: &mut Collector) -> Result<(), Closed> {
        match self {
            // A snapshot has the functions of its machine as well.
            Input::Named(path) if self.kind().is_some_and(Kind::is_archive) => {
                collector.open(path).map_err(Closed::Machine)
            }
            Input::Named(path) => collector.open_firmware(path).map_err(Closed::Machine),
            Input::Read(path, bytes) => {
                collector.pick_firmware(&name(path), bytes.clone()).map_err(Closed::Machine)
            }
            Input::Several(_) | Input::Machine { .. } | Input::Found { .. } | Input::System(_) => Ok(()),
        }
    }
}

fn lacks(machine: &Machine) -> String {
    if machine.hidden.speaks_of_iommus() {
        return format!("only root can read the firmware: {}", machine.hidden.firmware.join(", "));
    }
    Failure::lacks(machine, "no device tree (DTB), no IORT, RIMT, VIOT, DMAR, IVRS or MCFG").to_string()
}

impl Inputs {
    /// The firmware of a running system, or of the root folder of one.
    pub(super) fn of_system(root: &Path) -> Self {
        Inputs { all: vec![Input::System(root.to_owned())], ..Inputs::default() }
    }

    /// The firmware of one machine or of many, from what the user named.
    pub(super) fn of_files(files: &[PathBuf]) -> Self {
        let mut inputs = Inputs::of(files);
        inputs.join_tables();
        inputs.join_overlays();
        inputs
    }

    /// Files of tables that the user named are those of one machine if no table is there twice. Otherwise those that describe IOMMUs are of a
    /// machine each, and the others go with each of them: an MCFG, a MADT.
    fn join_tables(&mut self) {
        let tables: Vec<Option<BTreeSet<[u8; 4]>>> =
            match self.all.iter().filter(|i| i.below().is_none()).count() {
                0 | 1 => return,
                _ => self.all.iter().map(Input::tables).collect(),
            };
        let any_speaks = |names: &BTreeSet<[u8; 4]>| names.iter().any(speaks);
        if !tables.iter().flatten().any(any_speaks) {
            return;
        }
        let count: usize = tables.iter().flatten().map(BTreeSet::len).sum();
        let is_one = tables.iter().flatten().flatten().collect::<BTreeSet<_>>().len() == count;
        let (mut speaking, mut others, mut place) = (Vec::new(), Vec::new(), None);
        let mut all: Vec<Input> = Vec::with_capacity(self.all.len());
        for (input, names) in std::mem::take(&mut self.all).into_iter().zip(tables) {
            let Some(names) = names else {
                all.push(input);
                continue;
            };
            place.get_or_insert(all.len());
            match (any_speaks(&names), is_one) {
                (false, _) => others.push(input),
                (true, true) => speaking.push(input),
                (true, false) => all.push(Input::Several(vec![input])),
            }
        }
        if is_one {
            all.insert(place.unwrap_or_default(), Input::Several(speaking));
        }
        for input in &mut all {
            if let Input::Several(files) = input {
                files.extend(others.iter().cloned());
            }
        }
        self.all = all;
    }

    /// Overlays that the user named are applied to the one tree that is named. Beside several, each is by itself: nothing says which is its
    /// base.
    fn join_overlays(&mut self) {
        let is_tree = |input: &Input| input.kind() == Some(Kind::DeviceTree);
        let of: Vec<Option<bool>> =
            self.all.iter().map(|input| is_tree(input).then(|| input.is_overlay())).collect();
        let count = |overlay: bool| of.iter().filter(|is_overlay| **is_overlay == Some(overlay)).count();
        if count(false) != 1 || count(true) == 0 {
            return;
        }
        let (mut base, mut overlays, mut place) = (Vec::new(), Vec::new(), None);
        let mut all: Vec<Input> = Vec::with_capacity(self.all.len());
        for (input, is_overlay) in std::mem::take(&mut self.all).into_iter().zip(of) {
            match is_overlay {
                None => all.push(input),
                Some(true) => overlays.push(input),
                Some(false) => {
                    place = Some(all.len());
                    base.push(input);
                }
            }
        }
        base.append(&mut overlays);
        all.insert(place.unwrap_or_default(), Input::Several(base));
        self.all = all;
    }

    /// Whether nothing is left to open, and nothing is to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.folders.is_empty() && self.notes.lines.is_empty()
    }

    /// Whether a listing of functions is among the files that the user named.
    pub(super) fn has_listing(&self) -> bool {
        self.all.iter().any(|input| input.kind().is_some_and(Kind::is_listing))
    }

    /// Takes the listings of functions out that the user named.
    pub(super) fn take_listings(&mut self) -> Vec<Input> {
        let is_listing = |input: &Input| input.kind().is_some_and(Kind::is_listing);
        let (listings, others) = std::mem::take(&mut self.all).into_iter().partition(is_listing);
        self.all = others;
        listings
    }
}

fn collect_tables(tables: &[PathBuf], collector: &mut Collector, notes: &mut Notes) -> Result<(), Closed> {
    for table in tables {
        let bytes = machine::read(table).map_err(|error| Closed::bytes(table, &error))?;
        let counts = bytes.first_chunk().is_some_and(speaks);
        match collector.add(&name(table), bytes) {
            Ok(()) => {}
            // Most tables of a machine say nothing of its IOMMUs.
            Err(error) if is_of_other_tables(&error) => {}
            // Without the table that describes its IOMMUs nothing can be said about the machine.
            Err(error) if counts => return Err(Closed::Machine(error)),
            Err(error) => notes.unreadable(error.to_string()),
        }
    }
    Ok(())
}

fn is_of_other_tables(error: &MachineError) -> bool {
    matches!(error, MachineError::Bytes { error, .. } if matches!(error.kind, ErrorKind::NoFirmwareTable(_)))
}

/// What a file is that the user did not name and that is not firmware. A name can be a promise.
fn other(path: &Path, kind: Kind) -> Closed {
    let promised = path.extension().is_some_and(|extension| extension == "dtb" || extension == "dtbo");
    match kind {
        kind if kind.is_listing() => Closed::PassedOver(Reason::Topology),
        archive if archive.is_archive() => Closed::PassedOver(Reason::Archive),
        Kind::Empty if promised => Closed::Machine(MachineError::Empty { name: name(path) }),
        _ if promised => {
            let mut start = [0; 4];
            // What is too short for a magic number keeps the zeros.
            let _ = File::open(path).and_then(|mut file| file.read(&mut start));
            let error = Error { kind: ErrorKind::Unrecognised(start), at: Source::FILE.at(0) };
            Closed::Machine(MachineError::Bytes { name: name(path), error, place: None })
        }
        _ => Closed::PassedOver(Reason::NotFirmware),
    }
}

impl Notes {
    pub(super) fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(super) fn unreadable(&mut self, line: String) {
        self.say(line);
        self.unreadable = true;
    }
}

impl Closed {
    fn bytes(path: &Path, error: &io::Error) -> Self {
        Closed::Machine(MachineError::Unreadable { name: name(path), why: machine::why_unreadable(error) })
    }

    /// Why a file that the user did not name has no firmware.
    fn if_found(error: MachineError) -> Self {
        if is_of_other_tables(&error) {
            Closed::PassedOver(Reason::OtherTables)
        } else {
            Closed::Machine(error)
        }
    }

    /// The message to the user; `name` is the name of the input.
    pub(super) fn message(&self, of: &str) -> String {
        match self {
            Closed::Machine(error) => super::meant::with_meant(error, &[std::path::Path::new(of)]),
            Closed::NoFirmware(lacks) => format!("{of}: {lacks}"),
            Closed::PassedOver(Reason::OtherTables) => {
                format!("{of}: no IORT, RIMT, VIOT, DMAR, IVRS or MCFG in this folder")
            }
            Closed::PassedOver(reason) => format!("{of}: {}", reason.of(1)),
        }
    }
}

impl Reason {
    /// A number of things that were skipped for this reason, in words.
    fn of(self, count: usize) -> String {
        let (one, several) = match self {
            Reason::NotFirmware => ("file that is not firmware", "files that are not firmware"),
            Reason::Topology => (
                "listing of functions, which is not firmware",
                "listings of functions, which are not firmware",
            ),
            Reason::OtherTables => (
                "ACPI table or set of tables without IORT, RIMT, VIOT and MCFG",
                "ACPI tables or sets of tables without IORT, RIMT, VIOT and MCFG",
            ),
            Reason::Archive => (
                "compressed file or archive, which is opened only if it is named",
                "compressed files or archives, which are opened only if they are named",
            ),
            Reason::Link => ("symbolic link", "symbolic links"),
            Reason::Special => ("device, socket or pipe", "devices, sockets or pipes"),
        };
        if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
    }
}

impl PassedOver {
    pub(super) fn add(&mut self, reason: Reason, path: &Path) {
        let (count, _) = self.0.entry(reason).or_insert_with(|| (0, path.to_owned()));
        *count = count.saturating_add(1);
    }

    /// A line for each reason.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(reason, (count, first))| {
            let first = first.display();
            match count {
                1 => format!("skipped {}: {first}", reason.of(1)),
                count => format!("skipped {}, the first: {first}", reason.of(*count)),
            }
        })
    }
}
