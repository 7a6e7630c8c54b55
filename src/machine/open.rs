//! Evidence from files, folders and running systems.

use std::borrow::ToOwned;
use std::format;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use super::collect::{Listed, is_stub};
use super::devices::Links;
use super::kernel::release_in;
use super::{Collector, Kernel, Kind, Machine, MachineError, Unread, file::read_evidence, read, sysfs};
use crate::dt::Tree;
use crate::{ErrorKind, Format, Source};

impl Machine {
    /// The machine that some files and folders are of; `-` is standard input.
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
        let mut collector = Collector::new();
        collector.root(root)?;
        collector.finish()
    }

    /// The machine that this runs on, as Linux shows it.
    ///
    /// # Errors
    /// As [`of_root`](Machine::of_root).
    pub fn of_this_machine() -> Result<Self, MachineError> {
        Machine::of_root(Path::new("/"))
    }
}

impl Collector {
    /// Takes in a file, a piece of one that holds others (`boot.img!dtb`), all that is evidence in a folder, or standard input (`-`). A folder that has `sys`, or is a copy of one, is a
    /// running system's.
    ///
    /// # Errors
    /// [`MachineError::Unreadable`] where the operating system does not give the bytes; as [`Collector::add`] for a file. A file of a
    /// folder that is no evidence is only counted.
    pub fn open(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Collector::add)
    }

    /// As [`open`](Collector::open), for firmware that counts where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`open`](Collector::open) and [`pick_firmware`](Collector::pick_firmware).
    pub fn open_firmware(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Collector::pick_firmware)
    }

    /// As [`open`](Collector::open), for a listing of functions that counts where other evidence contradicts it.
    ///
    /// # Errors
    /// As those of [`open`](Collector::open) and [`pick_topology`](Collector::pick_topology).
    pub fn open_topology(&mut self, path: &Path) -> Result<(), MachineError> {
        self.open_as(path, Collector::pick_topology)
    }

    fn open_as(&mut self, path: &Path, add: Add) -> Result<(), MachineError> {
        if let Some(container) = container_of(path) {
            let bytes = read(container).map_err(|error| unreadable(container, &error))?;
            return self.take_piece_of(&name(path), |this| add(this, &name(container), bytes));
        }
        if !path.is_dir() {
            let bytes = read(path).map_err(|error| unreadable(path, &error))?;
            return add(self, &name(path), bytes);
        }
        if path.join("sys/bus/pci").is_dir() || path.join("sys/firmware").is_dir() {
            return self.root(path);
        }
        if path.join("bus/pci/devices").is_dir() || path.join("firmware/acpi/tables").is_dir() {
            return self.sys(path);
        }
        self.folder(path, add)
    }

    /// Takes in the files of a folder, in the order of their names.
    fn folder(&mut self, folder: &Path, add: Add) -> Result<(), MachineError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort_unstable();
        let (mut taken, mut other) = (0_usize, 0_usize);
        for file in files {
            match read_evidence(&file) {
                Ok(Ok(bytes)) if is_overlay(&bytes) => {
                    let note = "not used: an overlay, which only counts where it is named";
                    self.note_unused(&name(&file), Kind::Overlay, note);
                }
                Ok(Ok(bytes)) => match add(self, &name(&file), bytes) {
                    Ok(()) => taken = taken.saturating_add(1),
                    // Most tables of a machine say nothing of its IOMMUs.
                    Err(error) if error.is_other_table() => other = other.saturating_add(1),
                    Err(MachineError::Refused { refused, .. }) => {
                        self.note_unused(&name(&file), Kind::Refused(refused), &refused.to_string());
                    }
                    Err(error) => return Err(error),
                },
                Ok(Err(_)) => other = other.saturating_add(1),
                // Without root the kernel lists its tables and keeps them to itself.
                Err(error) if is_needed(&file) => return Err(unreadable(&file, &error)),
                Err(error) => self.note_unused(&name(&file), Kind::Unknown, &error.to_string()),
            }
        }
        if taken == 0 {
            return Err(MachineError::NoEvidence { name: name(folder) });
        }
        let note = format!("{other} files in it are nothing that is read here");
        if other > 0 {
            self.note_unused(&name(folder), Kind::Folder, &note);
        }
        Ok(())
    }

    /// Takes in what a running Linux shows below its root, or a copy of it.
    fn root(&mut self, root: &Path) -> Result<(), MachineError> {
        self.sys(&root.join("sys"))?;
        let line = |file: &str| sysfs::line(&root.join(file));
        let release = || Some(release_in(&line("proc/version")?)?.to_owned());
        self.say(Kernel {
            command_line: line("proc/cmdline"),
            release: line("proc/sys/kernel/osrelease").or_else(release),
            ..Kernel::default()
        });
        Ok(())
    }

    fn sys(&mut self, sys: &Path) -> Result<(), MachineError> {
        let list = sys.join("bus/pci/devices");
        let found = sysfs::functions(sys).map_err(|error| unreadable(&list, &error))?;
        let shows = |what: &str| sys.join(what).exists();
        if !["bus/pci/devices", "firmware/acpi/tables", "firmware/fdt"].into_iter().any(shows) {
            let why = "it shows neither PCI functions (bus/pci/devices) nor what firmware says (firmware/acpi/tables, firmware/fdt)";
            return Err(MachineError::Unreadable { name: name(sys), why: why.to_owned() });
        }
        let mut kernel = sysfs::kernel(sys, &name(sys));
        self.hide_functions(found.functions.iter().filter(|function| function.is_cut()).count());
        let mut listed = Vec::with_capacity(found.functions.len());
        for function in found.functions {
            let bdf = function.config.bdf;
            let number = function.iommu_group.map(|number| (bdf.to_string(), number));
            kernel.groups.extend(number);
            let links = Links { real_dma: function.real_dma, physical: function.physical };
            match Listed::new(function.config, links) {
                Ok(function) => listed.push(function),
                Err(error) => self.leave(Unread::of_config(&name(sys), None, bdf, error.kind)),
            }
        }
        self.running(&name(sys), listed);
        self.say(kernel);
        self.call(sysfs::model(sys));
        for (path, error) in &found.skipped {
            self.note_unused(&name(path), Kind::Sysfs, &error.to_string());
        }
        self.firmware_of(sys)
    }

    /// The firmware that a running kernel goes by. One that shows ACPI tables was started with them, and with no more than the stub of
    /// a device tree, or has not looked at it (linux drivers/acpi/sysfs.c `acpi_sysfs_init` follows `acpi_disabled`).
    fn firmware_of(&mut self, sys: &Path) -> Result<(), MachineError> {
        let (folder, tree) = (sys.join("firmware/acpi/tables"), sys.join("firmware/fdt"));
        let mut speaks = false;
        let formats = Format::ALL.into_iter().filter(|format| *format != Format::DeviceTree);
        for source in formats.map(Format::source).chain([Source::MADT, Source::MCFG]) {
            let file = folder.join(source.to_string());
            if !file.exists() {
                continue;
            }
            match read(&file) {
                Ok(bytes) => self.add(&name(&file), bytes)?,
                // That an IVRS is there says something already.
                Err(error) => {
                    if is_denied(&error) {
                        self.hide_firmware(&source.to_string());
                    } else {
                        let note = format!("not used: {error}{}", without(source));
                        self.note_unused(&name(&file), Kind::AcpiTable(source.name), &note);
                    }
                    if source.format() == Some(Format::Ivrs) {
                        self.has_ivrs();
                    }
                }
            }
            speaks |= source.format().is_some();
        }
        if !tree.exists() {
            return Ok(());
        }
        if speaks {
            // The stub that UEFI hands on says nothing, and nobody needs to hear of it.
            if !read(&tree).is_ok_and(|blob| is_stub(&blob)) {
                let note = "not used: the kernel goes by its ACPI tables";
                self.note_unused(&name(&tree), Kind::DeviceTree, note);
            }
            return Ok(());
        }
        match read(&tree) {
            Ok(bytes) => self.add(&name(&tree), bytes),
            Err(error) if is_denied(&error) => {
                self.hide_firmware("device tree");
                Ok(())
            }
            Err(error) => Err(unreadable(&tree, &error)),
        }
    }
}

/// How a file's bytes are taken in.
type Add = fn(&mut Collector, &str, Vec<u8>) -> Result<(), MachineError>;

impl MachineError {
    /// Whether these are ACPI tables that say nothing of IOMMUs.
    fn is_other_table(&self) -> bool {
        matches!(self, MachineError::Bytes { error, .. } if matches!(error.kind, ErrorKind::NoFirmwareTable(_)))
    }
}

/// What is not known without a table.
fn without(source: Source) -> &'static str {
    if source.format().is_some() { "; without it nothing says what IOMMUs translate" } else { "" }
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Whether a file is called as a table is that says what IOMMUs translate.
/// The file that a piece is in: `boot.img` for `boot.img!dtb`. `None` where the whole name is one of the file system.
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

fn is_overlay(bytes: &[u8]) -> bool {
    Tree::parse(bytes).is_ok_and(|tree| tree.is_overlay())
}

fn is_needed(file: &Path) -> bool {
    let name = file.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
    name.first_chunk().is_some_and(|name| Source::table(*name).format().is_some()) && name.len() == 4
}

fn unreadable(path: &Path, error: &io::Error) -> MachineError {
    MachineError::Unreadable { name: name(path), why: error.to_string() }
}

/// What a path is called.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
