//! A tree of files: a folder of the disk, or one inside an archive. Both answer the same questions, so that both lead to the same
//! results.

use std::borrow::ToOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use crate::dt::Writer;
use crate::limits::{MAX_FILE_BYTES, MAX_LINKS_FOLLOWED};

/// Files by their paths. A path has no leading slash; the empty path is the tree itself.
pub(super) trait Files {
    /// The name of a file, for people.
    fn name(&self, path: &str) -> String;
    /// The names of the files and folders in a folder, in ascending order.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;
    /// The bytes of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// The target of a link, as it is stored; `None` where the path is not a link.
    fn target(&self, path: &str) -> Option<String>;
    /// Whether this is a folder, or a link to one.
    fn is_folder(&self, path: &str) -> bool;
    /// Whether the path exists.
    fn exists(&self, path: &str) -> bool;
    /// Whether these are the files of the machine that this runs on.
    fn is_this_machine(&self) -> bool {
        false
    }
}

/// The file in which a system saves the log of its kernel, below its root.
pub(super) const WRITTEN_LOG: &str = "var/log/dmesg";

/// A path below a folder.
pub(super) fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

/// The last name of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A folder of the disk.
pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Folder<'_> {
    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.0.to_owned() } else { self.0.join(path) }
    }
}

impl Files for Folder<'_> {
    fn name(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            names.extend(entry?.file_name().to_str().map(ToOwned::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(path))?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn target(&self, path: &str) -> Option<String> {
        fs::read_link(self.path(path)).ok()?.to_str().map(ToOwned::to_owned)
    }

    fn is_folder(&self, path: &str) -> bool {
        self.path(path).is_dir()
    }

    fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn is_this_machine(&self) -> bool {
        self.0 == Path::new("/")
    }
}

/// Files that are held in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The name of the whole.
    name: String,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    File(Vec<u8>),
    /// The target of a link; a leading slash is the root of these files.
    Link(String),
    Folder,
}

/// A running system among files.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct System {
    /// Its root folder.
    pub(super) root: String,
    /// The path of its `sys` below the root; empty where the root is a copy of `sys` alone.
    pub(super) sys: &'static str,
}

/// Files that show where `sys` is.
const IN_SYS: [&str; 6] = [
    "bus/pci/devices/",
    "devices/pci",
    "firmware/acpi/tables/",
    "firmware/devicetree/base/",
    "firmware/fdt",
    "kernel/iommu_groups/",
];
/// Files beside `sys`.
const IN_PROC: [&str; 4] = ["proc/device-tree", "proc/cmdline", "proc/version", "proc/sys/kernel/osrelease"];

#[cfg_attr(not(feature = "archives"), allow(dead_code))]
impl Memory {
    pub(super) fn file(&mut self, path: String, bytes: Vec<u8>) {
        self.entries.insert(path, Entry::File(bytes));
    }

    pub(super) fn link(&mut self, path: String, target: String) {
        self.entries.insert(path, Entry::Link(target));
    }

    /// Adds a folder that counts even if it is empty.
    pub(super) fn folder(&mut self, path: String) {
        self.entries.insert(path, Entry::Folder);
    }

    /// The running systems whose files these are: usually one.
    pub(super) fn systems(&self) -> BTreeSet<System> {
        let of = |path: &String| {
            let starts = |marker: &str| {
                let at = path.match_indices(marker).map(|(at, _)| at);
                at.filter_map(|at| path.get(..at)).find(|before| before.is_empty() || before.ends_with('/'))
            };
            let whole = |root: &str, sys| System { root: root.trim_end_matches('/').to_owned(), sys };
            let above = IN_SYS.iter().find_map(|marker| starts(marker));
            match above {
                Some(above) if above == "sys/" || above.ends_with("/sys/") => {
                    Some(whole(above.strip_suffix("sys/").unwrap_or_default(), "sys"))
                }
                Some(above) => Some(whole(above, "")),
                None => IN_PROC.iter().find_map(|marker| starts(marker)).map(|root| whole(root, "sys")),
            }
        };
        self.entries.keys().filter_map(of).collect()
    }

    /// The files below a folder, as a tree of their own with this name.
    pub(super) fn below(&self, folder: &str, name: String) -> Memory {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let entries = inside.filter_map(|(path, entry)| {
            let entry = match entry {
                Entry::Link(target) => Entry::Link(match target.strip_prefix('/') {
                    // A second name of a file is relative to the archive's own root.
                    Some(target) => format!("/{}", target.strip_prefix(&prefix).unwrap_or(target)),
                    None => target.clone(),
                }),
                Entry::File(bytes) => Entry::File(bytes.clone()),
                Entry::Folder => Entry::Folder,
            };
            Some((path.get(prefix.len()..)?.to_owned(), entry))
        });
        Memory { name, entries: entries.collect() }
    }

    /// The path with all links resolved; `None` where they form a loop or lead out of these files.
    fn real(&self, path: &str) -> Option<String> {
        let mut ahead: Vec<String> = path.rsplit('/').map(ToOwned::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let mut links = 0_usize;
        while let Some(step) = ahead.pop() {
            match step.as_str() {
                "" | "." => continue,
                ".." => {
                    real.pop()?;
                    continue;
                }
                _ => real.push(step),
            }
            let Some(Entry::Link(target)) = self.entries.get(&real.join("/")) else { continue };
            links = links.saturating_add(1);
            if links > MAX_LINKS_FOLLOWED {
                return None;
            }
            real.pop();
            if target.starts_with('/') {
                real.clear();
            }
            ahead.extend(target.rsplit('/').map(ToOwned::to_owned));
        }
        Some(real.join("/"))
    }

    fn inside(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let from = self.entries.range(prefix.clone()..);
        from.map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
    }
}

impl Files for Memory {
    fn name(&self, path: &str) -> String {
        match path {
            "" => self.name.clone(),
            path if self.name.ends_with('!') => format!("{}{path}", self.name),
            path => format!("{}/{path}", self.name),
        }
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let real = self.real(folder).ok_or(io::ErrorKind::NotFound)?;
        let mut names: Vec<String> = Vec::new();
        for path in self.inside(&real) {
            let name = path.split('/').next().unwrap_or_default();
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        names.dedup();
        let empty = matches!(self.entries.get(&real), Some(Entry::Folder));
        if names.is_empty() && !empty { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.real(path).and_then(|path| self.entries.get(&path)) {
            Some(Entry::File(bytes)) => Ok(bytes.clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn target(&self, path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.entries.get(&join(&self.real(folder)?, name))? {
            Entry::Link(target) => Some(target.clone()),
            Entry::File(_) | Entry::Folder => None,
        }
    }

    fn is_folder(&self, path: &str) -> bool {
        let is_folder = |real: &String| {
            matches!(self.entries.get(real), Some(Entry::Folder)) || self.inside(real).next().is_some()
        };
        self.real(path).is_some_and(|real| is_folder(&real))
    }

    fn exists(&self, path: &str) -> bool {
        self.real(path)
            .is_some_and(|real| self.entries.contains_key(&real) || self.inside(&real).next().is_some())
    }
}

/// Whether a folder is Linux's view of a device tree (`/proc/device-tree`): a folder for each node, a file for each property.
pub(super) fn is_device_tree(files: &dyn Files, folder: &str) -> bool {
    let file = |name| files.exists(&join(folder, name)) && !files.is_folder(&join(folder, name));
    file("#address-cells") && (file("compatible") || file("model") || file("name"))
}

/// The tree that such a folder shows, and how many of its properties cannot be read.
///
/// # Errors
/// Those of listing a folder.
pub(super) fn device_tree(files: &dyn Files, folder: &str) -> io::Result<(Vec<u8>, usize)> {
    enum Step {
        Open(String),
        Close,
    }
    let (mut writer, mut unread) = (Writer::default(), 0_usize);
    let mut ahead = std::vec![Step::Open(folder.to_owned())];
    while let Some(step) = ahead.pop() {
        let Step::Open(node) = step else {
            writer.end();
            continue;
        };
        writer.begin(if node == folder { b"" } else { last(&node).as_bytes() });
        ahead.push(Step::Close);
        let mut children = Vec::new();
        for name in files.names(&node)? {
            let path = join(&node, &name);
            if files.target(&path).is_some() {
                continue;
            } else if files.is_folder(&path) {
                children.push(Step::Open(path));
            } else if name != "name" {
                // Linux adds the property `name` to each node itself.
                match files.read(&path) {
                    Ok(value) => writer.property(name.as_bytes(), &value),
                    Err(_) => unread = unread.saturating_add(1),
                }
            }
        }
        ahead.extend(children.into_iter().rev());
    }
    let blob = writer.finish(core::iter::empty()).ok_or(io::ErrorKind::FileTooLarge)?;
    Ok((blob, unread))
}
