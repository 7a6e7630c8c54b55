//! `fwspec snapshot`: what the verbs read of a running system, in one archive that they read anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use fwspec::dt;
use fwspec::machine::log::Log;
use fwspec::machine::{Kernel, Machine, kernel_log};
use fwspec::pci;

use super::{Failure, Outcome, complain, print};

/// Write everything that fwspec reads of this machine into one archive, to be read on another machine
#[derive(Debug, Args)]
#[command(
    after_help = "The archive holds config spaces, the ACPI tables or the device tree that describe IOMMUs, the kernel's groups and release, and those \
words of its command line and lines of its log that are about IOMMUs, all under their paths in /sys and /proc. Serial numbers, \
MAC addresses and the other words of the command line are left out unless --with-identity is given.\n\n\
Examples:\n  sudo fwspec snapshot\n  fwspec snapshot --root /mnt/board -o board.tar.gz\n  tar tzf fwspec-snapshot.tar.gz           what it holds"
)]
pub(super) struct Options {
    /// The archive to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "fwspec-snapshot.tar.gz")]
    output: PathBuf,
    /// Read another system, from its root folder (a folder that has sys in it)
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    root: PathBuf,
    /// Keep serial numbers, MAC addresses and the whole kernel command line
    #[arg(long)]
    with_identity: bool,
}

/// Tables below `/sys/firmware/acpi/tables` that are read.
const TABLES: [&str; 7] = ["IORT", "RIMT", "VIOT", "DMAR", "IVRS", "MCFG", "APIC"];
/// What a line of the kernel's log has in it that has to do with IOMMUs.
const TELLING: [&str; 14] = [
    "iommu",
    "smmu",
    "dmar",
    "amd-vi",
    "iort",
    "viot",
    "rimt",
    "vfio",
    "acs",
    "streamid",
    "stream id",
    "dma-api",
    "gic",
    "vmd",
];
pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    // That there is no machine is reported in the words of every verb.
    let machine = Machine::of_root(&arguments.root).map_err(Failure::unreadable)?;
    let mut snapshot =
        Snapshot::new(&arguments.root, arguments.with_identity).map_err(Failure::unreadable)?;
    snapshot.functions();
    snapshot.firmware();
    snapshot.groups();
    snapshot.kernel(&machine.kernel);
    snapshot.log();
    let Snapshot { entries, held, left_out, cleared, .. } = snapshot;
    if entries.is_empty() {
        return Err(Failure::unreadable("nothing of this machine could be read"));
    }
    let archive = pack(&entries)?;
    let is_pipe = arguments.output == Path::new("-");
    if is_pipe {
        io::stdout().lock().write_all(&archive)?;
    } else {
        fs::write(&arguments.output, &archive)
            .map_err(|error| Failure::Unreadable(format!("{}: {error}", arguments.output.display())))?;
    }
    let mut said = format!(
        "{}: {} entries, {} KiB\n",
        arguments.output.display(),
        entries.len(),
        archive.len().div_ceil(1024)
    );
    for (what, names) in &held {
        said.push_str(&format!("  {what}: {}\n", few(names)));
    }
    if !arguments.with_identity {
        said.push_str(&format!("  zeroed or left out: {cleared} serial numbers, addresses and random seeds; --with-identity keeps them\n"));
    }
    if is_pipe {
        said.lines().for_each(|line| complain(&line));
    } else {
        print(&said)?;
    }
    left_out.iter().for_each(|left_out| complain(left_out));
    if !machine.hidden.is_empty() {
        complain(&machine.hidden);
    }
    Ok(Outcome::Fine)
}

/// Names, the first of them.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// An entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File(Vec<u8>),
    Link(PathBuf),
}

struct Snapshot {
    /// The folder that holds `sys`, without links in its name.
    root: PathBuf,
    with_identity: bool,
    /// By their names in the archive.
    entries: BTreeMap<PathBuf, Entry>,
    /// What it holds, for the message to the user.
    held: Vec<(&'static str, Vec<String>)>,
    left_out: Vec<String>,
    cleared: usize,
}

impl Snapshot {
    fn new(root: &Path, with_identity: bool) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        let (entries, held, left_out) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Snapshot { root, with_identity, entries, held, left_out, cleared: 0 })
    }

    /// The bytes of a file; one that cannot be read is reported, unless it does not exist.
    fn read(&mut self, file: &Path) -> Option<Vec<u8>> {
        match fs::read(self.root.join(file)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // What only root can read is reported in one sentence.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(error) => {
                self.left_out.push(format!("left out: {}: {error}", file.display()));
                None
            }
        }
    }

    fn put(&mut self, file: impl Into<PathBuf>, bytes: Vec<u8>) {
        self.entries.insert(file.into(), Entry::File(bytes));
    }

    /// Puts a small file in as it is, where it can be read.
    fn copy(&mut self, file: &Path) -> bool {
        let bytes = self.read(file);
        let there = bytes.is_some();
        bytes.into_iter().for_each(|bytes| self.put(file, bytes));
        there
    }

    /// Puts a link in, as relative to its place as `/sys` has them. What leads out of the root is left out.
    fn link(&mut self, link: &Path) -> Option<PathBuf> {
        let target = fs::canonicalize(self.root.join(link)).ok();
        // A link that leads nowhere says where it would lead.
        let target = target.or_else(|| {
            let told = fs::read_link(self.root.join(link)).ok()?;
            Some(plain(&self.root.join(link).parent()?.join(told)))
        })?;
        let target = target.strip_prefix(&self.root).ok()?.to_owned();
        let folder = link.parent()?;
        let common =
            folder.components().zip(target.components()).take_while(|(one, other)| one == other).count();
        let up = folder.components().skip(common).map(|_| "..");
        let down = target.components().skip(common);
        let relative: PathBuf =
            up.map(PathBuf::from).chain(down.map(|part| PathBuf::from(part.as_os_str()))).collect();
        self.entries.insert(link.to_owned(), Entry::Link(relative));
        Some(target)
    }

    /// The names in a folder, in their order.
    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<PathBuf> = entries.map(|entry| folder.join(entry.file_name())).collect();
        names.sort_unstable();
        names
    }

    fn functions(&mut self) {
        let mut names = Vec::new();
        for function in self.list(Path::new("sys/bus/pci/devices")) {
            let is_link = self.root.join(&function).is_symlink();
            let home = if is_link { self.link(&function) } else { Some(function.clone()) };
            let Some(home) = home else { continue };
            let Some(mut config) = self.read(&home.join("config")) else {
                // It has left meanwhile.
                self.entries.remove(&function);
                continue;
            };
            if !self.with_identity {
                self.cleared = self.cleared.saturating_add(pci::clear_identity(&mut config));
            }
            self.put(home.join("config"), config);
            for link in ["physfn", "iommu_group", "of_node"] {
                let link = home.join(link);
                if self.root.join(&link).is_symlink() {
                    self.link(&link);
                }
            }
            names.extend(function.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        self.hold("config spaces", names);
    }

    fn hold(&mut self, what: &'static str, names: Vec<String>) {
        if !names.is_empty() {
            self.held.push((what, names));
        }
    }

    fn firmware(&mut self) {
        let mut names = Vec::new();
        for table in TABLES {
            if self.copy(&Path::new("sys/firmware/acpi/tables").join(table)) {
                names.push(table.to_owned());
            }
        }
        if let Some(mut tree) = self.read(Path::new("sys/firmware/fdt")) {
            if !self.with_identity {
                self.cleared = self.cleared.saturating_add(dt::clear_identity(&mut tree));
            }
            self.put("sys/firmware/fdt", tree);
            names.push("device tree".to_owned());
        }
        self.hold("firmware", names);
    }

    fn groups(&mut self) {
        let mut numbers = Vec::new();
        for group in self.list(Path::new("sys/kernel/iommu_groups")) {
            self.copy(&group.join("type"));
            self.copy(&group.join("reserved_regions"));
            for device in self.list(&group.join("devices")) {
                let Some(home) = self.link(&device) else { continue };
                let is_function = device
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| name.parse::<fwspec::Bdf>().is_ok());
                if is_function {
                    continue;
                }
                // What firmware calls a device that is on no PCI bus.
                let node = home.join("of_node");
                if self.root.join(&node).is_symlink() {
                    self.link(&node);
                }
                let path = self.read(&home.join("firmware_node/path"));
                path.into_iter().for_each(|path| self.put(home.join("firmware_node/path"), path));
            }
            numbers.extend(group.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        numbers.sort_by_key(|number| number.parse::<u32>().unwrap_or(u32::MAX));
        self.hold("groups", numbers);
        let mut iommus = Vec::new();
        for iommu in self.list(Path::new("sys/class/iommu")) {
            self.link(&iommu);
            iommus.extend(iommu.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        self.hold("IOMMUs", iommus);
        for file in ["sys_vendor", "product_name"] {
            self.copy(&Path::new("sys/class/dmi/id").join(file));
        }
    }

    fn kernel(&mut self, kernel: &Kernel) {
        let mut names = Vec::new();
        if let Some(release) = &kernel.release {
            self.put("proc/sys/kernel/osrelease", format!("{release}\n").into_bytes());
            self.put("proc/version", format!("Linux version {release}\n").into_bytes());
            names.push(format!("Linux {release}"));
        }
        if let Some(line) = &kernel.command_line {
            let kept = if self.with_identity { line.clone() } else { telling_words(line) };
            names.push(if kept.is_empty() { "nothing of its command line".to_owned() } else { kept.clone() });
            self.put("proc/cmdline", format!("{kept}\n").into_bytes());
        }
        self.hold("kernel", names);
    }

    /// The lines of the kernel's log that have to do with IOMMUs, where it may be read.
    fn log(&mut self) {
        let own = if self.root == Path::new("/") { kernel_log().ok() } else { None };
        let Some(text) = own.or_else(|| self.read(Path::new("var/log/dmesg"))) else { return };
        let text = String::from_utf8_lossy(&text);
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| is_telling(line)) {
            let shown = if self.with_identity { line.to_owned() } else { without_identity(line) };
            self.cleared = self.cleared.saturating_add(usize::from(shown != line));
            lines.push(shown);
        }
        if !lines.is_empty() {
            self.hold("kernel's log", vec![format!("{} lines", lines.len())]);
            self.put("var/log/dmesg", (lines.join("\n") + "\n").into_bytes());
        }
    }
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Whether a line of the log has to do with IOMMUs: by its words, or as the verbs read it.
fn is_telling(line: &str) -> bool {
    let small = line.to_ascii_lowercase();
    TELLING.iter().any(|word| small.contains(word))
        || small.contains("linux version")
        || !Log::read(line.as_bytes()).entries.is_empty()
}

/// A line without what may tell whose machine it is: addresses, and the words of the kernel's command line that have nothing to do with IOMMUs.
fn without_identity(line: &str) -> String {
    const SAYS: &str = "ommand line";
    let Some((before, words)) = line.split_once(SAYS) else { return without_addresses(line) };
    let (_, after) = words.split_once([':', '"']).unwrap_or_default();
    // Words that are not understood are in quotes, and others after them.
    let quoted = words.find('"').filter(|at| words.find(':').is_none_or(|colon| *at < colon));
    let after = quoted.and_then(|_| Some(after.rsplit_once('"')?.0)).unwrap_or(after);
    format!("{before}{SAYS}: {}", telling_words(after))
}

/// The words of a command line that have to do with IOMMUs and ports.
fn telling_words(line: &str) -> String {
    let telling = ["iommu", "smmu", "vfio", "pci", "kvm", "intremap", "acpi=", "efi="];
    let words = line.split_whitespace();
    let kept = words.filter(|word| {
        let name = word.split('=').next().unwrap_or_default().to_ascii_lowercase().replace('-', "_");
        let is_address = without_addresses(word) != **word;
        !is_address && telling.iter().any(|part| name.contains(part.trim_end_matches('=')))
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// A line with a zero for each digit of what looks like the address of a network device (six pairs of hexadecimal digits) or like a UUID.
fn without_addresses(line: &str) -> String {
    let mut bytes = line.as_bytes().to_vec();
    let pattern = |at: usize, lengths: &[usize], between: u8| -> bool {
        let mut place = at;
        for (number, length) in lengths.iter().enumerate() {
            if number > 0 {
                if line.as_bytes().get(place) != Some(&between) {
                    return false;
                }
                place = place.saturating_add(1);
            }
            let end = place.saturating_add(*length);
            let digits = line.as_bytes().get(place..end);
            if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                return false;
            }
            place = end;
        }
        !line.as_bytes().get(place).is_some_and(u8::is_ascii_hexdigit)
    };
    let starts = |at: usize| {
        at.checked_sub(1)
            .and_then(|at| line.as_bytes().get(at))
            .is_none_or(|before| !before.is_ascii_hexdigit())
    };
    for at in 0..line.len() {
        let found = [
            (&[2_usize, 2, 2, 2, 2, 2][..], b':', 17),
            (&[2, 2, 2, 2, 2, 2], b'-', 17),
            (&[8, 4, 4, 4, 12], b'-', 36),
        ];
        for (lengths, between, length) in found {
            if starts(at) && pattern(at, lengths, between) {
                let place = bytes.get_mut(at..at.saturating_add(length)).into_iter().flatten();
                place.filter(|byte| byte.is_ascii_hexdigit()).for_each(|byte| *byte = b'0');
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The archive: the same entries give the same bytes.
fn pack(entries: &BTreeMap<PathBuf, Entry>) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, entry) in entries {
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        match entry {
            Entry::File(bytes) => {
                header.set_mode(0o644);
                header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                builder.append_data(&mut header, name, bytes.as_slice())?;
            }
            Entry::Link(target) => {
                header.set_mode(0o777);
                header.set_size(0);
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, name, target)?;
            }
        }
    }
    builder.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_uuids_are_zeroed_and_functions_are_not() {
        for (line, wanted) in [
            ("eth0: 52:54:00:12:34:56 up", "eth0: 00:00:00:00:00:00 up"),
            ("0000:01:00.0: iommu group 7", "0000:01:00.0: iommu group 7"),
            (
                "root=UUID=0b1c2d3e-0000-4abc-8def-0123456789ab",
                "root=UUID=00000000-0000-0000-0000-000000000000",
            ),
            ("event 0x02 received: 52-54-00-12-34-56", "event 0x02 received: 00-00-00-00-00-00"),
            ("5254001234567", "5254001234567"),
        ] {
            assert_eq!(without_addresses(line), wanted);
        }
    }

    #[test]
    fn a_line_of_the_log_has_no_more_of_the_command_line_than_the_rest() {
        for (line, wanted) in [
            (
                "[    0.000000] Kernel command line: root=/dev/sda password=secret iommu.passthrough=0",
                "[    0.000000] Kernel command line: iommu.passthrough=0",
            ),
            (
                "[    0.0] Unknown kernel command line parameters \"password=secret iommu=x\", will be passed to user space.",
                "[    0.0] Unknown kernel command line: iommu=x",
            ),
            ("pci 0000:01:00.0: Adding to iommu group 7", "pci 0000:01:00.0: Adding to iommu group 7"),
        ] {
            assert_eq!(without_identity(line), wanted);
        }
    }

    #[test]
    fn only_words_that_tell_something_of_iommus_are_kept() {
        let line = "BOOT_IMAGE=/vmlinuz root=UUID=0b1c2d3e-0000-4abc-8def-0123456789ab ro intel_iommu=on pcie_acs_override=downstream \
                    pci=config_acs=10x@pci:0:0 arm-smmu.disable_bypass=0 password=secret";
        let kept = "intel_iommu=on pcie_acs_override=downstream pci=config_acs=10x@pci:0:0 arm-smmu.disable_bypass=0";
        assert_eq!(telling_words(line), kept);
    }
}
