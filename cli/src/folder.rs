//! What the paths of a command line stand for: files, the tables of a machine, whatever is below a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use fwspec::dt::Tree;
use fwspec::machine::{self, Firmware, Kind, READ_HERE, recognise};
use fwspec::{Error, ErrorKind, Source};

use super::machine::name;

/// So many bytes tell a table by its header and a tree by its magic.
const HEADER: u64 = 64;

/// One firmware to be opened.
#[derive(Debug)]
pub(super) enum Input {
    /// A file that the user named: it must be firmware.
    Named(PathBuf),
    /// Standard input or a pipe, which can be read once only.
    Read(PathBuf, Vec<u8>),
    /// The ACPI tables that stand in a folder, which are those of one machine.
    Machine { folder: PathBuf, tables: Vec<PathBuf>, below: Option<usize> },
    /// A file that nobody named: it may be anything.
    Found { file: PathBuf, below: usize },
}

/// Why an input gave no firmware.
#[derive(Debug)]
pub(super) enum Closed {
    /// The bytes of this file cannot be had.
    Bytes(PathBuf, io::Error),
    /// The bytes are firmware that cannot be read, or should be firmware and are not.
    Firmware(Error),
    /// A device tree whose walk ends with this error, in the node of this path.
    Tree(Error, String),
    /// Nobody said that it was firmware, and it is none.
    PassedOver(Reason),
}

/// What the user is told beside the output.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) lines: Vec<String>,
    /// Something could not be read.
    pub(super) unreadable: bool,
}

/// Why something below a folder was not read, in the order in which that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    NotFirmware,
    Topology,
    OtherTables,
    Link,
    Special,
}

/// What was passed over: how many for each reason, and the first.
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
    /// Several ACPI tables that stand in one folder are those of one machine if none that is read here is there twice; anything else
    /// is a file by itself. Links below a folder are not followed: what they lead to is met where it stands, or is outside.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut inputs = Inputs::default();
        for path in paths {
            let kind = fs::metadata(path).map(|data| data.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                inputs.folder(path);
                inputs.folders.push(path.clone());
            } else if path == Path::new("-") || kind.is_ok_and(|kind| !kind.is_file()) {
                match machine::read(path) {
                    Ok(bytes) => inputs.all.push(Input::Read(path.clone(), bytes)),
                    Err(error) => inputs.notes.unreadable(format!("{}: {error}", name(path))),
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
                    self.notes.unreadable(error.to_string());
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

/// Why an entry that is no folder is not opened.
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
    /// What a path stands for where one firmware is wanted: a file, or all tables in a folder.
    pub(super) fn one(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            return Ok(Input::Named(path.to_owned()));
        }
        let tables = tables_in(path)?.into_iter().map(|(_, file)| file).collect();
        Ok(Input::Machine { folder: path.to_owned(), tables, below: None })
    }

    /// What the input is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Input::Named(path) | Input::Read(path, _) | Input::Found { file: path, .. } => name(path),
            Input::Machine { folder, .. } => name(folder),
        }
    }

    /// Which of the folders that the user named it is below.
    pub(super) fn below(&self) -> Option<usize> {
        match self {
            Input::Named(_) | Input::Read(..) => None,
            Input::Machine { below, .. } => *below,
            Input::Found { below, .. } => Some(*below),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Input::Named(path) | Input::Read(path, _) | Input::Found { file: path, .. } => path,
            Input::Machine { folder, .. } => folder,
        }
    }

    /// Whether it is a file that the user named and may hold ACPI tables.
    pub(super) fn holds_tables(&self) -> bool {
        match self {
            Input::Named(path) => kind(path).is_ok_and(|kind| kind != Kind::DeviceTree),
            Input::Read(_, bytes) => recognise(bytes) != Kind::DeviceTree,
            Input::Machine { .. } | Input::Found { .. } => false,
        }
    }

    /// Opens it. What keeps single tables of a machine from being read is noted.
    pub(super) fn open(&self, notes: &mut Notes) -> Result<Firmware, Closed> {
        let opened =
            |path: &Path, bytes| Firmware::open_or_return(&name(path), bytes).map_err(Closed::firmware);
        match self {
            Input::Named(path) => opened(path, read(path)?),
            Input::Read(path, bytes) => opened(path, bytes.clone()),
            Input::Machine { folder, tables, .. } => open_machine(folder, tables, notes),
            Input::Found { file: path, .. } => match machine::read_recognised(path) {
                Ok(Ok(bytes)) => opened(path, bytes).map_err(Closed::if_found),
                Ok(Err(kind)) => Err(other(path, kind)),
                Err(error) => Err(Closed::Bytes(path.clone(), error)),
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Closed> {
    machine::read(path).map_err(|error| Closed::Bytes(path.to_owned(), error))
}

fn open_machine(folder: &Path, tables: &[PathBuf], notes: &mut Notes) -> Result<Firmware, Closed> {
    let folder_name = name(folder);
    let mut all: Option<Firmware> = None;
    for table in tables {
        let bytes = read(table)?;
        let counts =
            READ_HERE.iter().any(|signature| bytes.starts_with(*signature)) && !bytes.starts_with(b"MCFG");
        match (Firmware::open(&folder_name, bytes), &mut all) {
            (Ok(firmware), Some(all)) => all.join(firmware),
            (Ok(firmware), None) => all = Some(firmware),
            // Most tables of a machine are none of ours.
            (Err(error), _) if matches!(error.kind, ErrorKind::NoFirmwareTable(_)) => {}
            // Without the table that tells of its IOMMUs there is nothing to say of the machine.
            (Err(error), _) if counts => return Err(Closed::Firmware(error)),
            (Err(error), _) => notes.unreadable(format!("{}: {error}", table.display())),
        }
    }
    all.ok_or(Closed::PassedOver(Reason::OtherTables))
}

/// What a file is that nobody named and that is no firmware. A name can be a promise.
fn other(path: &Path, kind: Kind) -> Closed {
    let promised = path.extension().is_some_and(|extension| extension == "dtb" || extension == "dtbo");
    match kind {
        Kind::LspciText => Closed::PassedOver(Reason::Topology),
        _ if promised => {
            let mut start = [0; 4];
            // What is too short for a magic number keeps the zeros.
            let _ = File::open(path).and_then(|mut file| file.read(&mut start));
            Closed::Firmware(Error { kind: ErrorKind::Unrecognised(start), at: Source::FILE.at(0) })
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
    /// Bytes that are no firmware that can be read.
    fn firmware((error, bytes): (Error, Option<Vec<u8>>)) -> Self {
        let tree = bytes.as_deref().and_then(|bytes| Tree::parse(bytes).ok());
        match tree.filter(|_| error.at.offset > 0) {
            Some(tree) => Closed::Tree(error, tree.place(error.at.offset).to_string()),
            None => Closed::Firmware(error),
        }
    }

    /// The same, of a file that nobody named.
    fn if_found(self) -> Self {
        match self {
            Closed::Firmware(Error { kind: ErrorKind::NoFirmwareTable(_), .. }) => {
                Closed::PassedOver(Reason::OtherTables)
            }
            other => other,
        }
    }

    /// What the user is told of it; `name` is what the input is called.
    pub(super) fn message(&self, of: &str) -> String {
        match self {
            Closed::Bytes(path, error) => format!("{}: {error}", name(path)),
            Closed::Firmware(error) => format!("{of}: {error}"),
            Closed::Tree(error, place) => format!("{of}: {}: {place}: {}", error.at, error.kind),
            Closed::PassedOver(Reason::OtherTables) => {
                format!("{of}: no IORT, RIMT, VIOT or MCFG in this folder")
            }
            Closed::PassedOver(reason) => format!("{of}: {}", reason.of(1)),
        }
    }
}

impl Reason {
    /// So many things that were passed over for this reason, in words.
    fn of(self, count: usize) -> String {
        let (one, several) = match self {
            Reason::NotFirmware => ("file that is no firmware", "files that are no firmware"),
            Reason::Topology => ("topology, which is no firmware", "topologies, which are no firmware"),
            Reason::OtherTables => (
                "ACPI table or set of tables without IORT, RIMT, VIOT and MCFG",
                "ACPI tables or sets of tables without IORT, RIMT, VIOT and MCFG",
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
                1 => format!("passed over {}: {first}", reason.of(1)),
                count => format!("passed over {}, the first: {first}", reason.of(*count)),
            }
        })
    }
}
