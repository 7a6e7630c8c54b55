//! Evidence from files, folders and running systems.

use std::borrow::ToOwned;
use std::format;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use super::collect::{Listed, Wanted, is_stub};
use super::devices::Links;
use super::file::{Taken, read_evidence, read_or_follow};
use super::files::{self, Files, Folder, WRITTEN_LOG, join};
use super::kernel::release_in;
use super::log::Log;
use super::own_log::kernel_log;
use super::{Collector, Kernel, Kind, Machine, MachineError, Unread, read, sysfs, why_unreadable};
use crate::dt::Tree;
use crate::limits::MAX_FOLDERS;
use crate::{Format, error::Source};

impl Machine {
    /// The machine of these files and folders; `-` is standard input.
    ///
    /// ```no_run
    /// let machine = fwspec::machine::Machine::open(["iort.bin", "lspci.txt"])?;
    /// println!("{} functions", machine.devices.len());
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Collector::open`] and [`Collector::finish`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, MachineError> {
        let mut collector = Collector::new();
        for path in paths {
            collector.open(path.as_ref())?;
        }
        collector.finish()
    }

    /// The machine whose root folder this is: `/` for a running one, or a copy that has at least `sys`.
    ///
    /// ```no_run
    /// let machine = fwspec::machine::Machine::of_root("/mnt/board".as_ref())?;
    /// println!("{} functions", machine.devices.len());
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Collector::open`] and [`Collector::finish`].
    pub fn of_root(root: &Path) -> Result<Self, MachineError> {
        if root.is_file() {
            let why = "this is a file, not the root folder of a system (which has sys in it): name it without --root";
            return Err(MachineError::Unreadable { name: name(root), why: why.to_owned() });
        }
        let mut collector = Collector::new();
        collector.system(&Folder(root), "sys", Wanted::Anything)?;
        collector.finish()
    }

    /// The machine that this runs on, as Linux shows it.
    ///
    /// ```no_run
    /// let machine = fwspec::machine::Machine::of_this_machine()?;
    /// println!("{}", machine.model.as_deref().unwrap_or("of no name"));
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    ///
    /// # Errors
    /// As [`of_root`](Machine::of_root).
    pub fn of_this_machine() -> Result<Self, MachineError> {
        Machine::of_root(Path::new("/"))
    }
}

impl Collector {
    /// Takes in a file, a piece of a container (`boot.img!dtb`), all evidence in a folder, or standard input (`-`). A folder that
    /// has `sys`, or is a copy of one, is a running system.
    ///
    /// # Errors
    /// [`MachineError::Unreadable`] where the operating system does not give the bytes; those of [`Collector::add`] for a file. A
    /// file of a folder that is not evidence is only counted.
    pub fn open(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Wanted::Anything)
    }

    /// As [`open`](Collector::open), where a log is expected: a log is read in constant memory, whatever its length, and text that
    /// is not other evidence counts as a log. The groups in it are not taken in.
    ///
    /// # Errors
    /// As those of [`open`](Collector::open).
    pub fn open_or_log(&mut self, path: &Path) -> Result<(), MachineError> {
        let is_input = path == Path::new("-");
        // A path that is not a plain file may be a folder, or a piece of a container.
        if !is_input && !path.is_file() {
            return self.open(path);
        }
        match read_or_follow(path).map_err(|error| unreadable(path, &error))? {
            Taken::Log(log) => {
                self.take_log(&name(path), log);
                Ok(())
            }
            Taken::Bytes(bytes) if is_input => self.add(&name(path), bytes),
            Taken::Bytes(_) => self.open(path),
        }
    }

    /// As [`open`](Collector::open), for firmware that is used where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`open`](Collector::open) and [`pick_firmware`](Collector::pick_firmware).
    pub fn open_firmware(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Wanted::Firmware)
    }

    /// As [`open`](Collector::open), for a listing of functions that is used where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`open`](Collector::open) and [`pick_topology`](Collector::pick_topology).
    pub fn open_topology(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Wanted::Functions)
    }

    fn open_as(&mut self, path: &Path, wanted: Wanted) -> Result<(), MachineError> {
        if let Some(container) = container_of(path) {
            let bytes = read(container).map_err(|error| unreadable(container, &error))?;
            return self.take_piece_of(&name(path), |this| this.take(&name(container), bytes, wanted));
        }
        if !path.is_dir() {
            let bytes = read(path).map_err(|error| unreadable(path, &error))?;
            return self.take(&name(path), bytes, wanted);
        }
        if is_system(path) {
            return self.system(&Folder(path), "sys", wanted);
        }
        if ["bus/pci/devices", "firmware/acpi/tables", "firmware/devicetree"]
            .iter()
            .any(|inner| path.join(inner).is_dir())
        {
            return self.system(&Folder(path), "", wanted);
        }
        if is_device_tree_folder(path) {
            return self.tree_folder(&Folder(path), "", wanted);
        }
        self.folder(path, wanted)
    }

    /// Takes in the files of a folder, in the order of their names. If none of them is evidence, or they are a part of a running
    /// system, the folders below are looked through, too, as in an archive.
    fn folder(&mut self, folder: &Path, wanted: Wanted) -> Result<(), MachineError> {
        let (mut counts, before) = (Counts::default(), self.listed());
        let is_report = ["proc", "sos_commands"].iter().any(|inner| folder.join(inner).is_dir());
        let (files, mut below) = entries(folder)?;
        // A report has links at its top to files further down.
        let files = files.into_iter().filter(|file| !is_report || !file.is_symlink());
        for file in files {
            self.file_of_folder(&file, wanted, &mut counts)?;
        }
        let mut left = MAX_FOLDERS;
        if counts.taken > 0 && !is_report {
            below.clear();
        } else if is_report {
            self.words_of_folder(folder);
        }
        below.reverse();
        while let Some(inner) = below.pop() {
            left = left.checked_sub(1).ok_or_else(|| MachineError::Unreadable {
                name: name(folder),
                why: format!("it has more than {MAX_FOLDERS} folders: name the one with the evidence"),
            })?;
            if is_system(&inner) {
                self.system(&Folder(&inner), "sys", wanted)?;
                continue;
            }
            self.words_of_folder(&inner);
            let (files, mut further) = match entries(&inner) {
                Ok(entries) => entries,
                Err(error) => {
                    self.note_unused(
                        &name(&inner),
                        Kind::Folder,
                        &format!("not used: {}", error.without_name()),
                    );
                    continue;
                }
            };
            let files = files.into_iter().filter(|file| !file.is_symlink());
            for file in files {
                self.file_of_folder(&file, wanted, &mut counts)?;
            }
            further.reverse();
            below.extend(further);
        }
        if counts.taken == 0 && !self.has_used_since(before) {
            return Err(MachineError::NoEvidence { name: name(folder) });
        }
        if counts.other > 0 {
            let note = format!("{} other files in it are not read", counts.other);
            self.note_unused(&name(folder), Kind::Folder, &note);
        }
        Ok(())
    }

    /// Takes in what the `proc` of a folder says about a kernel.
    fn words_of_folder(&mut self, folder: &Path) {
        let words = words_of(&Folder(folder));
        if words.command_line.is_some() || words.release.is_some() {
            self.speaking(&name(&folder.join("proc")));
            self.say(words);
        }
    }

    fn file_of_folder(
        &mut self,
        file: &Path,
        wanted: Wanted,
        counts: &mut Counts,
    ) -> Result<(), MachineError> {
        let other = &mut counts.other;
        match read_evidence(file) {
            Ok(Ok(bytes)) if is_overlay(&bytes) => {
                let note = "not used: an overlay is applied only if it is named";
                self.note_unused(&name(file), Kind::Overlay, note);
            }
            Ok(Ok(bytes)) => match self.take(&name(file), bytes, wanted) {
                Ok(()) => counts.taken = counts.taken.saturating_add(1),
                // Most tables of a machine say nothing about its IOMMUs.
                Err(error) if error.is_other_table() => *other = other.saturating_add(1),
                Err(MachineError::Refused { refused, .. }) => {
                    self.note_unused(&name(file), Kind::Refused(refused), &refused.to_string());
                }
                // An archive of something else.
                Err(error @ MachineError::Container { .. }) => {
                    let note = format!("not used: {}", error.without_name());
                    self.note_unused(&name(file), Kind::Unknown, &note);
                }
                Err(error) => return Err(error),
            },
            Ok(Err(_)) => *other = other.saturating_add(1),
            // Without root the kernel lists its tables, but does not show their content.
            Err(error) if is_needed(file) => return Err(unreadable(file, &error)),
            Err(error) => self.note_unused(&name(file), Kind::Unknown, &error.to_string()),
        }
        Ok(())
    }

    /// Takes in what a running Linux shows below its root, or a copy of it. `sys` is the path of its `sys`.
    pub(super) fn system(
        &mut self,
        files: &dyn Files,
        sys: &str,
        wanted: Wanted,
    ) -> Result<(), MachineError> {
        let before = self.listed();
        let nodes = nodes_of(files, sys);
        let there = shows_machine(files, sys);
        let functions = sysfs::functions_in(files, sys).map_err(|error| {
            let name = files.name(&join(sys, "bus/pci/devices"));
            MachineError::Unreadable { name, why: why_unreadable(&error) }
        })?;
        if !there && nodes.is_none() && functions.functions.is_empty() {
            let why = "it has neither PCI functions (bus/pci/devices) nor firmware (firmware/acpi/tables, firmware/fdt): name the root folder of a system, or a copy of one";
            return Err(MachineError::Unreadable { name: files.name(sys), why: why.to_owned() });
        }
        if wanted != Wanted::Firmware {
            self.functions_of(files, sys, functions);
            // From here the system's `lspci` has its names.
            if let Some(database) =
                DATABASES.iter().filter(|_| !sys.is_empty()).find_map(|file| files.read(file).ok())
            {
                self.name_by(&database);
            }
        }
        if wanted != Wanted::Functions {
            self.firmware_of(files, sys, nodes)?;
        }
        if !sys.is_empty() {
            self.say(words_of(files));
            self.log_of(files);
        }
        self.mark(before, wanted);
        Ok(())
    }

    /// The log of a system's kernel: for the running system from the kernel, otherwise the file that was saved as `dmesg` prints
    /// it. The groups in it are not taken in, because the system shows them.
    fn log_of(&mut self, files: &dyn Files) {
        let own = files.is_this_machine().then(kernel_log);
        let (name, text) = match own {
            Some(Ok(text)) => ("/dev/kmsg".to_owned(), text),
            Some(Err(_)) | None => match files.read(WRITTEN_LOG) {
                Ok(text) => (files.name(WRITTEN_LOG), text),
                Err(_) => {
                    let unread = own.and_then(Result::err).map(|error| format!("/dev/kmsg: {error}"));
                    self.say(Kernel { log_unread: unread, ..Kernel::default() });
                    return;
                }
            },
        };
        self.take_log(&name, Log::read(&text));
    }

    /// The same for the part of a system that an archive has, which may be only what `/proc` says about its kernel.
    #[cfg(feature = "archives")]
    pub(super) fn system_or_words(
        &mut self,
        files: &dyn Files,
        sys: &str,
        wanted: Wanted,
    ) -> Result<(), MachineError> {
        let shows_functions = sysfs::functions_in(files, sys).is_ok_and(|found| !found.functions.is_empty());
        if shows_machine(files, sys) || nodes_of(files, sys).is_some() || shows_functions {
            return self.system(files, sys, wanted);
        }
        self.speaking(&files.name("proc"));
        self.say(words_of(files));
        Ok(())
    }

    /// Takes in the functions of a running system, and the decisions of its kernel.
    fn functions_of(&mut self, files: &dyn Files, sys: &str, found: sysfs::SysfsFunctions) {
        let mut kernel = sysfs::kernel(files, sys);
        self.hide_functions(found.functions.iter().filter(|function| function.is_cut()).count());
        let mut listed = Vec::with_capacity(found.functions.len());
        for function in found.functions {
            let bdf = function.config.bdf;
            let number = function.iommu_group.map(|number| (bdf.to_string(), number));
            kernel.groups.extend(number);
            let links = Links { real_dma: function.real_dma, physical: function.physical };
            match Listed::new(function.config, links) {
                Ok(function) => listed.push(function),
                Err(error) => self.leave(Unread::of_config(&files.name(sys), None, bdf, error.kind)),
            }
        }
        self.running(&files.name(sys), listed);
        self.say(kernel);
        self.call(sysfs::model(files, sys));
        for (path, error) in &found.skipped {
            self.note_unused(&name(path), Kind::Sysfs, &error.to_string());
        }
    }

    /// Takes in the firmware that a running kernel uses. A kernel that shows ACPI tables was booted with them, and with no more
    /// than the stub of a device tree, or has ignored the tree (linux drivers/acpi/sysfs.c `acpi_sysfs_init` depends on
    /// `acpi_disabled`). `nodes` is the folder with the nodes of a tree.
    fn firmware_of(
        &mut self,
        files: &dyn Files,
        sys: &str,
        nodes: Option<String>,
    ) -> Result<(), MachineError> {
        let (folder, tree) = (join(sys, "firmware/acpi/tables"), join(sys, "firmware/fdt"));
        let mut speaks = false;
        let formats = Format::ALL.into_iter().filter(|format| *format != Format::DeviceTree);
        for source in formats.map(Format::source).chain([Source::MADT, Source::MCFG]) {
            let file = join(&folder, &source.to_string());
            if !files.exists(&file) {
                continue;
            }
            match files.read(&file) {
                Ok(bytes) => self.add(&files.name(&file), bytes)?,
                // An IVRS says something by its existence.
                Err(error) => {
                    if is_denied(&error) {
                        self.hide_firmware(&source.to_string());
                    } else {
                        let note = format!("not used: {error}{}", without(source));
                        self.note_unused(&files.name(&file), Kind::AcpiTable(source.name), &note);
                    }
                    if source.format() == Some(Format::Ivrs) {
                        self.has_ivrs();
                    }
                }
            }
            speaks |= source.format().is_some();
        }
        if speaks {
            // The stub that UEFI passes on is not reported, and neither is a tree that only root can read.
            if files.read(&tree).is_ok_and(|blob| !is_stub(&blob)) {
                let note = "not used: the kernel uses its ACPI tables";
                self.note_unused(&files.name(&tree), Kind::DeviceTree, note);
            }
            return Ok(());
        }
        let blob = files.exists(&tree).then(|| files.read(&tree));
        match (blob, nodes) {
            (Some(Ok(blob)), _) => self.add(&files.name(&tree), blob),
            // Every user may read the nodes, but only root the blob.
            (_, Some(nodes)) => self.tree_folder(files, &nodes, Wanted::Anything),
            (Some(Err(error)), None) if is_denied(&error) => {
                self.hide_firmware("device tree");
                Ok(())
            }
            (Some(Err(error)), None) => {
                Err(MachineError::Unreadable { name: files.name(&tree), why: why_unreadable(&error) })
            }
            (None, None) => Ok(()),
        }
    }

    /// Takes in the tree that a folder of nodes shows.
    fn tree_folder(&mut self, files: &dyn Files, folder: &str, wanted: Wanted) -> Result<(), MachineError> {
        let name = files.name(folder);
        let (blob, unread) = files::device_tree(files, folder)
            .map_err(|error| MachineError::Unreadable { name: name.clone(), why: why_unreadable(&error) })?;
        self.take(&name, blob, wanted)?;
        if unread > 0 {
            self.note_unused(&name, Kind::Folder, &format!("{unread} properties cannot be read"));
        }
        Ok(())
    }
}

/// How many files of a folder were taken in, and how many are not evidence.
#[derive(Default)]
struct Counts {
    taken: usize,
    other: usize,
}

/// The files and the folders in a folder, sorted by name. Links to folders are not followed.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), MachineError> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && !path.is_symlink() {
            folders.push(path);
        }
    }
    files.sort_unstable();
    folders.sort_unstable();
    Ok((files, folders))
}

/// Whether a folder is the root of a running system, or a copy of it.
fn is_system(folder: &Path) -> bool {
    folder.join("sys/bus/pci").is_dir() || folder.join("sys/firmware").is_dir()
}

/// Whether a `sys` shows functions or firmware.
fn shows_machine(files: &dyn Files, sys: &str) -> bool {
    let shows = |what: &str| files.exists(&join(sys, what));
    ["bus/pci/devices", "firmware/acpi/tables", "firmware/fdt"].into_iter().any(shows)
}

/// What `/proc` says about a kernel.
fn words_of(files: &dyn Files) -> Kernel {
    let line = |file: &str| sysfs::line(files, file);
    let release = || Some(release_in(&line("proc/version")?)?.to_owned());
    Kernel {
        command_line: line("proc/cmdline"),
        release: line("proc/sys/kernel/osrelease").or_else(release),
        ..Kernel::default()
    }
}

/// What is unknown without this table.
fn without(source: Source) -> &'static str {
    if source.format().is_some() { "; without it, it is not known what IOMMUs translate" } else { "" }
}

/// The folder in which a running system shows the nodes of its device tree.
fn nodes_of(files: &dyn Files, sys: &str) -> Option<String> {
    let folders = [join(sys, "firmware/devicetree/base"), "proc/device-tree".to_owned()];
    folders.into_iter().find(|folder| files::is_device_tree(files, folder))
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The file that holds a piece: `boot.img` for `boot.img!dtb`. `None` where the whole name is a path of the file system.
///
/// ```
/// use std::path::Path;
/// use fwspec::machine::container_of;
/// assert_eq!(container_of(Path::new("Cargo.toml!dtb@0x40")), Some(Path::new("Cargo.toml")));
/// assert_eq!(container_of(Path::new("Cargo.toml")), None);
/// ```
pub fn container_of(piece: &Path) -> Option<&Path> {
    let text = piece.to_str().filter(|_| !piece.exists())?;
    let ends = text.match_indices('!').map(|(end, _)| end);
    ends.filter_map(|end| text.get(..end)).map(Path::new).find(|file| file.is_file())
}

/// Whether a folder is Linux's view of a device tree: `/proc/device-tree`, `/sys/firmware/devicetree/base`, or a copy of one.
///
/// ```
/// assert!(!fwspec::machine::is_device_tree_folder("src".as_ref()));
/// ```
pub fn is_device_tree_folder(folder: &Path) -> bool {
    folder.is_dir() && files::is_device_tree(&Folder(folder), "")
}

fn is_overlay(bytes: &[u8]) -> bool {
    Tree::parse(bytes).is_ok_and(|tree| tree.is_overlay())
}

/// The paths of a system's PCI ID database, below its root.
const DATABASES: [&str; 2] = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"];

/// Whether a file has the name of a table that describes IOMMUs.
fn is_needed(file: &Path) -> bool {
    let name = file.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
    name.first_chunk().is_some_and(|name| Source::table(*name).format().is_some()) && name.len() == 4
}

fn unreadable(path: &Path, error: &io::Error) -> MachineError {
    MachineError::Unreadable { name: name(path), why: why_unreadable(error) }
}

/// The name of a path in messages.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
