//! The grammar that the verbs share: `fwspec VERB [EVIDENCE…] [QUESTION…]`. What is there on disk is evidence of one machine, everything
//! else is a question to it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;

use fwspec::Device;
use fwspec::machine::{Collector, Firmware, Machine, MachineError, container_of};

use super::folder::Inputs;
use super::meant::{quoted, with_meant};
use super::{Failure, complain};

/// What is wrong with more evidence than a root folder.
const ROOT_ALONE: &str = "--root is the whole evidence of a machine: remove the other files";

/// What is known of the machine.
#[derive(Debug, Args)]
pub(super) struct Evidence {
    /// Evidence: files and folders that describe the machine; and questions about it
    ///
    /// An argument that names a file or a folder, or is - (standard input), is evidence: a device tree (DTB), ACPI tables, acpidump text,
    /// the text of `lspci -xxxx` or `lspci -nnvvv`, a kernel log, a FIT or Android image, a kernel with a tree appended, an archive, a
    /// folder of these, or the root folder of an unpacked system. FILE!PIECE names one piece of a file that holds others. Overlays are applied
    /// to the tree, in the order in which they are named. Every other argument is a question. Without evidence, this machine is read.
    #[arg(value_name = "EVIDENCE|QUESTION")]
    words: Vec<OsString>,
    #[command(flatten)]
    named: Named,
}

/// Evidence named for what it is.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Take the firmware from these files and from nowhere else: a DTB, or the ACPI tables of one machine
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) firmware: Vec<OsString>,
    /// Take the PCI functions from this `lspci -xxxx` text and from nowhere else; - is standard input
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Read another system, from its root folder (a folder that has sys in it)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["firmware", "pci"])]
    pub(super) root: Option<PathBuf>,
    /// Use this configuration of a FIT image instead of the default one
    #[arg(long, value_name = "NAME", conflicts_with = "root")]
    pub(super) config: Option<String>,
}

/// A machine, and what is asked about it.
pub(super) struct Asked {
    pub(super) machine: Machine,
    pub(super) questions: Vec<String>,
}

impl Evidence {
    /// Opens the evidence of a verb that answers questions. `more` are words that came with an option, which may be evidence, too.
    pub(super) fn ask(&self, more: &[String]) -> Result<Asked, Failure> {
        let (words, firmware) =
            (sort(self.words()), sort(self.named.firmware.iter().map(OsString::as_os_str)));
        let more = sort(more.iter().map(OsStr::new));
        let questions = [more.questions, words.questions, firmware.questions].concat();
        let evidence = [words.evidence, more.evidence].concat();
        let machine = self.named.open(&evidence, &firmware.evidence, &questions, Collector::open)?;
        tell_hidden(&machine);
        Ok(Asked { machine, questions })
    }

    /// As [`ask`](Evidence::ask), for a verb to which a log is evidence whatever it looks like, and that can do without firmware where all
    /// questions are lines of a log.
    pub(super) fn ask_of_log(&self, is_line: fn(&str) -> bool) -> Result<Asked, Failure> {
        let (words, firmware) =
            (sort(self.words()), sort(self.named.firmware.iter().map(OsString::as_os_str)));
        let questions = [words.questions, firmware.questions].concat();
        let is_alone = words.evidence.is_empty() && firmware.evidence.is_empty() && !self.named.is_given();
        if is_alone && !questions.is_empty() && questions.iter().all(|question| is_line(question)) {
            let machine = Machine::of_this_machine().unwrap_or_default();
            return Ok(Asked { machine, questions });
        }
        let machine =
            self.named.open(&words.evidence, &firmware.evidence, &questions, Collector::open_or_log)?;
        Ok(Asked { machine, questions })
    }

    /// Opens the evidence of a verb to which there are no questions.
    pub(super) fn open(&self) -> Result<Machine, Failure> {
        self.open_shown().inspect(tell_hidden)
    }

    /// As `open`, for a verb that itself says what only root may read.
    pub(super) fn open_shown(&self) -> Result<Machine, Failure> {
        let paths = |words: &[OsString]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
        self.named.open(&paths(&self.words), &paths(&self.named.firmware), &[], Collector::open)
    }

    /// All words, as they were given.
    pub(super) fn words(&self) -> impl Iterator<Item = &OsStr> {
        self.words.iter().map(OsString::as_os_str)
    }

    /// Whether the evidence is a running system, or the root folder of one.
    pub(super) fn is_a_system(&self) -> bool {
        let named = sort(self.words()).evidence.len().saturating_add(self.named.firmware.len());
        named == 0 && self.named.pci.is_none()
    }

    /// What names the same machine to another verb, as a shell takes it; nothing for the one that this runs on.
    pub(super) fn again(&self) -> String {
        let option = |option: &'static str, value: &OsStr| [option.to_owned(), quoted(value)];
        let mut words: Vec<String> = self.words().map(quoted).collect();
        words.extend(self.named.pci.iter().flat_map(|pci| option("--pci", pci.as_os_str())));
        words.extend(self.named.root.iter().flat_map(|root| option("--root", root.as_os_str())));
        words.extend(self.named.firmware.iter().flat_map(|file| option("--firmware", file)));
        words.join(" ")
    }

    pub(super) fn named(&self) -> &Named {
        &self.named
    }
}

impl Named {
    pub(super) fn is_given(&self) -> bool {
        !self.firmware.is_empty() || self.pci.is_some() || self.root.is_some()
    }

    /// The firmware of one machine or of many, for verbs that take both.
    pub(super) fn firmware_inputs(&self, files: &[PathBuf]) -> Result<Inputs, Failure> {
        let files: Vec<PathBuf> =
            files.iter().cloned().chain(self.firmware.iter().map(PathBuf::from)).collect();
        match &self.root {
            Some(_) if !files.is_empty() => Err(Failure::usage(ROOT_ALONE)),
            Some(root) => Ok(Inputs::of_system(root)),
            None if files.is_empty() => Ok(Inputs::of_system(Path::new("/"))),
            None => Ok(Inputs::of_files(&files)),
        }
    }

    /// The same, and the functions of the machine where a listing is among the files.
    pub(super) fn inputs(&self, files: &[PathBuf]) -> Result<(Inputs, Option<Vec<Device>>), Failure> {
        let mut inputs = self.firmware_inputs(files)?;
        let listings = inputs.take_listings();
        if listings.is_empty() && self.pci.is_none() {
            return Ok((inputs, None));
        }
        let mut collector = Collector::new();
        listings
            .into_iter()
            .try_for_each(|listing| listing.list(&mut collector))
            .map_err(Failure::unreadable)?;
        if let Some(path) = &self.pci {
            collector.open_topology(path).map_err(Failure::unreadable)?;
        }
        let machine = told(collector.finish().map_err(Failure::unreadable)?)?;
        machine.unread.iter().for_each(|unread| complain(unread));
        Ok((inputs, Some(machine.devices)))
    }

    /// The machine that all of the files are of.
    pub(super) fn machine(&self, files: &[PathBuf]) -> Result<Machine, Failure> {
        let firmware: Vec<PathBuf> = self.firmware.iter().map(PathBuf::from).collect();
        self.open(files, &firmware, &[], Collector::open)
    }

    fn collect(
        &self,
        evidence: &[PathBuf],
        firmware: &[PathBuf],
        open: Open,
    ) -> Result<Machine, MachineError> {
        let mut collector = self.collector();
        evidence.iter().try_for_each(|path| open(&mut collector, path))?;
        firmware.iter().try_for_each(|path| collector.open_firmware(path))?;
        self.pci.as_deref().map_or(Ok(()), |path| collector.open_topology(path))?;
        // Names without ids: lspci has them from the database of the machine it runs on, which need not be this one's but is mostly alike.
        if collector.lacks_ids()
            && let Some(database) = DATABASES.iter().map(Path::new).find(|path| path.is_file())
        {
            collector.open(database)?;
        }
        collector.finish()
    }

    /// What takes evidence in as the options want it.
    pub(super) fn collector(&self) -> Collector {
        let mut collector = Collector::new();
        self.config.iter().for_each(|name| collector.pick_configuration(name));
        collector
    }

    fn open(
        &self,
        evidence: &[PathBuf],
        firmware: &[PathBuf],
        questions: &[String],
        open: Open,
    ) -> Result<Machine, Failure> {
        let is_named = !evidence.is_empty() || !firmware.is_empty() || self.pci.is_some();
        if self.root.is_some() && is_named {
            return Err(Failure::usage(ROOT_ALONE));
        }
        let machine = if is_named {
            let all: Vec<&Path> =
                evidence.iter().chain(firmware).chain(&self.pci).map(PathBuf::as_path).collect();
            self.collect(evidence, firmware, open)
                .map_err(|error| Failure::Unreadable(with_meant(&error, &all)))?
        } else {
            let root = self.root.as_deref().unwrap_or(Path::new("/"));
            Machine::of_root(root).map_err(|error| not_here(&error, self.root.is_some(), questions))?
        };
        told(machine)
    }
}

/// Where the PCI ID database is.
const DATABASES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

/// How a piece of evidence is taken in.
type Open = fn(&mut Collector, &Path) -> Result<(), MachineError>;

/// Tells the user what of the evidence is not used, or lacks something. A listing of which nothing can be read is not evidence.
pub(super) fn told(machine: Machine) -> Result<Machine, Failure> {
    for evidence in &machine.evidence {
        if let Some(note) = &evidence.note {
            complain(&format_args!("{}: {note}", evidence.name));
        }
    }
    let (of_firmware, of_functions): (Vec<_>, Vec<_>) =
        machine.unread.iter().partition(|unread| unread.kind.is_of_firmware());
    of_firmware.iter().for_each(|unread| complain(unread));
    match of_functions.first() {
        Some(unread) if machine.devices.is_empty() => {
            Err(Failure::Unreadable(format!("{unread}; no function of {} can be read", unread.name)))
        }
        _ => Ok(machine),
    }
}

/// Tells the user what only root may read.
fn tell_hidden(machine: &Machine) {
    if !machine.hidden.is_empty() {
        complain(&machine.hidden);
    }
}

/// Why this machine, or that of a root folder, tells nothing; and what the user may have meant.
fn not_here(error: &MachineError, is_root: bool, questions: &[String]) -> Failure {
    if is_root {
        return Failure::unreadable(error);
    }
    let meant = questions.first().map_or_else(String::new, |question| format!(" ({question} is not a file)"));
    Failure::Unreadable(format!("{error}; without evidence, fwspec reads this machine{meant}"))
}

/// What words are by what is there.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) evidence: Vec<PathBuf>,
    pub(super) questions: Vec<String>,
}

/// Tells evidence from questions. A word that looks like the name of a file is one that is not there: reading it says so.
pub(super) fn sort<'a>(words: impl Iterator<Item = &'a OsStr>) -> Sorted {
    let mut sorted = Sorted::default();
    for word in words {
        let path = Path::new(word);
        match word.to_str() {
            Some(text)
                if text != "-"
                    && !path.exists()
                    && container_of(path).is_none()
                    && !looks_like_a_file(text) =>
            {
                sorted.questions.push(text.to_owned());
            }
            _ => sorted.evidence.push(path.to_owned()),
        }
    }
    sorted
}

/// Whether a word that is not on disk can only have been meant for a file. Namespace paths (`\_SB_.GPU0`), device-tree paths
/// (`/soc@0/gpu@5000000`), labels (`&vop`), places (`IORT+0x48:11:00.0`), names of platform devices (`fdd90000.vop`) and lines of a log
/// can not.
fn looks_like_a_file(word: &str) -> bool {
    // What a shell leaves of `\_SB_.GPU0` is not a file either: the answer says so.
    if word.starts_with(['\\', '&'])
        || word.starts_with("_SB")
        || word.contains(char::is_whitespace)
        || is_device_name(word)
    {
        return false;
    }
    let path = Path::new(word);
    let in_folder = path.parent().is_some_and(|parent| parent.file_name().is_some() && parent.is_dir());
    let ending = path.extension().and_then(OsStr::to_str).is_some_and(|ending| {
        (2..=4).contains(&ending.len())
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
            && ending.chars().any(|c| c.is_ascii_alphabetic())
    });
    in_folder || !word.contains(':') && (ending || word.contains('/') && !word.starts_with('/'))
}

/// Whether a word is what Linux calls a platform device, `fdd90000.vop`: an address and a name, which is not a file name extension.
fn is_device_name(word: &str) -> bool {
    const ENDINGS: [&str; 16] = [
        "aml", "bin", "bz2", "dat", "dtb", "dtbo", "dts", "dump", "gz", "hex", "img", "itb", "log", "tar",
        "txt", "xz",
    ];
    let Some((address, name)) = word.split_once('.') else { return false };
    let is_address = address.len() >= 4 && address.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_address && !name.contains('/') && !ENDINGS.contains(&name)
}

/// The firmware, for a verb that needs to know what IOMMUs translate.
pub(super) fn firmware(machine: &Machine) -> Result<&Firmware, Failure> {
    let firmware = machine.firmware.as_ref().filter(|firmware| firmware.speaks_of_iommus());
    firmware.ok_or_else(|| {
        Failure::lacks(
            machine,
            "no firmware that describes IOMMUs: this needs a device tree (DTB), an IORT, RIMT, VIOT, DMAR or IVRS",
        )
    })
}

/// A listing of PCI functions, for a verb that needs one.
pub(super) fn functions(machine: &Machine) -> Result<(), Failure> {
    let needs = "no PCI functions: this needs the text of `lspci -xxxx` or `lspci -nnvvv`, taken as root, or the root folder of a system";
    if machine.devices.is_empty() { Err(Failure::lacks(machine, needs)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_not_taken_for_files() {
        for question in [
            "01:00.0",
            "0000:01:00.0",
            "rid:0x108",
            "sid:0x5e200",
            "/pcie@3400000:01:00.0",
            "/soc@0/gpu@5000000",
            "serial0",
            r"\_SB_.GPU0",
            "IORT+0x8c:0x108",
            "IORT004",
            "range-overlap",
            "arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x100",
            "2b400000.iommu",
            "fdd90000.vop",
            "&vop",
            "vop@fdd90000",
            "soc:vpu",
        ] {
            assert_eq!(sort([OsStr::new(question)].into_iter()).questions, [question]);
        }
    }

    #[test]
    fn what_can_only_be_a_file_is_one_that_is_not_there() {
        for file in [
            "-",
            "iort.bni",
            "no/such/file",
            "board.dtb",
            "fdd90000.dtb",
            "./iort",
            "/etc/no-such-table",
            "Cargo.toml",
        ] {
            assert_eq!(sort([OsStr::new(file)].into_iter()).evidence, [Path::new(file)]);
        }
    }
}
