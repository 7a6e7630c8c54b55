//! Archives, tar and zip. Useful files are found by their content and their place, the others are counted. Archives are read as a
//! stream, and only the useful files are kept.

use std::borrow::ToOwned;
use std::format;
use std::io::{self, Read};
use std::string::String;
use std::vec::Vec;

use super::{ContainerError, Contents, damaged};
use crate::limits::{MAX_GLANCE_BYTES, MAX_NAME_BYTES, MAX_SYSTEM_FILE_BYTES};
use crate::machine::files::{Memory, WRITTEN_LOG, join};
use crate::machine::{Kind, recognise};

/// Bytes of a tar header, and of the blocks that all sizes in a tar are rounded up to.
pub(super) const TAR_BLOCK: u64 = 512;

pub(super) fn open_tar(mut bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    open_tar_from(&mut bytes, contents)
}

/// Reads a tar to its end.
pub(super) fn open_tar_from(
    source: &mut dyn Read,
    contents: &mut Contents<'_>,
) -> Result<(), ContainerError> {
    let limited = Limited::new(source, contents.left.streamed);
    let mut archive = tar::Archive::new(limited);
    let mut found = Found::default();
    let read = tar_entries(&mut archive, contents, &mut found);
    let Limited { left, reached, .. } = archive.into_inner();
    contents.left.streamed = left;
    if reached {
        return Err(ContainerError::TooLong);
    }
    read?;
    found.finish(contents)
}

/// Entries are read raw: long names and links are put together here, within bounds.
fn tar_entries<R: Read>(
    archive: &mut tar::Archive<R>,
    contents: &mut Contents<'_>,
    found: &mut Found,
) -> Result<(), ContainerError> {
    let (mut long_name, mut long_link, mut is_sparse) = (None, None, false);
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let is_extension = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if is_extension {
            let mut value = Vec::new();
            entry.by_ref().take(MAX_NAME_BYTES).read_to_end(&mut value).map_err(damaged)?;
            if kind.is_pax_local_extensions() {
                long_name = pax(&value, b"path").or(long_name);
                long_link = pax(&value, b"linkpath").or(long_link);
                // A sparse file: its bytes are a map of its holes, and the data between them (GNU tar, "Sparse Formats").
                is_sparse |= value.windows(SPARSE.len()).any(|name| name == SPARSE);
            } else {
                let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
                value.truncate(end);
                let place = if kind.is_gnu_longname() { &mut long_name } else { &mut long_link };
                *place = Some(value);
            }
            continue;
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        let path = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let link =
            long_link.take().or_else(|| entry.header().link_name_bytes().map(|link| link.into_owned()));
        let link = link.map(|link| String::from_utf8_lossy(&link).into_owned());
        let path = String::from_utf8_lossy(&path).into_owned();
        let is_sparse = core::mem::take(&mut is_sparse) || kind.is_gnu_sparse();
        if is_sparse {
            found.passed_over(SPARSE_FILE);
        } else if kind.is_file() || kind.is_contiguous() {
            found.file(contents, &path, &mut entry)?;
        } else if let (true, Some(target)) = (kind.is_symlink(), &link) {
            found.link(contents, &path, target)?;
        } else if let (true, Some(target)) = (kind.is_hard_link(), &link) {
            found.same(&path, target);
        } else if kind.is_dir() {
            found.folder(&path);
        } else {
            found.passed_over(SPECIAL);
        }
    }
    Ok(())
}

/// The names of a sparse file's records in a pax header start with this.
const SPARSE: &[u8] = b" GNU.sparse.";

/// A record of a pax header: `LENGTH NAME=VALUE`, a line each (POSIX.1-2001 pax, "Extended Header").
fn pax(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    header.split(|byte| *byte == b'\n').find_map(|line| {
        let record = line.splitn(2, |byte| *byte == b' ').nth(1)?;
        record.strip_prefix(name)?.strip_prefix(b"=").map(<[u8]>::to_vec)
    })
}

/// A source that gives no more than a limited number of bytes.
pub(super) struct Limited<'a> {
    source: &'a mut dyn Read,
    left: u64,
    reached: bool,
}

impl<'a> Limited<'a> {
    pub(super) fn new(source: &'a mut dyn Read, left: u64) -> Self {
        Limited { source, left, reached: false }
    }

    /// Bytes that it still gives.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Whether the source had more bytes.
    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        let left = self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.reached |= left.is_none();
        self.left = left.unwrap_or_default();
        left.ok_or_else(|| io::Error::other("more bytes than are read"))?;
        Ok(read)
    }
}

/// A field of `size` bytes in a zip header, little-endian.
fn field(header: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = header.get(at..)?.get(..size)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Reads a zip by its central directory (APPNOTE 6.3 section 4.3).
pub(super) fn open_zip(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let broken = |what: &str| ContainerError::Damaged(format!("its {what} cannot be read"));
    let mut next = directory(bytes).ok_or_else(|| broken("directory"))?;
    let mut found = Found::default();
    let mut compressed = 0_usize;
    while let Some(entry) = bytes.get(next..).filter(|entry| entry.starts_with(b"PK\x01\x02")) {
        let read = |at, size| field(entry, at, size).ok_or_else(|| broken("directory"));
        let (flags, method, packed) = (read(8, 2)?, read(10, 2)?, read(20, 4)?);
        let [name, extra, comment] = [read(28, 2)?, read(30, 2)?, read(32, 2)?]
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let (attributes, local) = (read(38, 4)?, read(42, 4)?);
        let path = entry.get(46..).and_then(|rest| rest.get(..name)).ok_or_else(|| broken("directory"))?;
        let path = String::from_utf8_lossy(path).into_owned();
        next = [46, name, extra, comment].into_iter().fold(next, usize::saturating_add);
        if path.ends_with('/') {
            found.folder(&path);
            continue;
        }
        if flags & 1 != 0 {
            found.passed_over(ENCRYPTED);
            continue;
        }
        let data = local_data(bytes, local, packed).ok_or_else(|| broken("headers"))?;
        // Entries that share their bytes would be unpacked again and again.
        compressed = compressed.saturating_add(data.len());
        if compressed > bytes.len() {
            return Err(ContainerError::Damaged(
                "its headers refer to the same bytes again and again".to_owned(),
            ));
        }
        let mut stored = data;
        let mut deflated;
        let source: &mut dyn Read = match method {
            0 => &mut stored,
            8 => {
                deflated = flate2::bufread::DeflateDecoder::new(data);
                &mut deflated
            }
            _ => {
                found.passed_over(UNKNOWN_PACKING);
                continue;
            }
        };
        let mut limited = Limited::new(source, contents.left.streamed);
        // The Unix permissions of a symbolic link.
        let is_link = attributes >> 28 == 0xa;
        let taken = if is_link {
            let mut target = Vec::new();
            limited
                .by_ref()
                .take(MAX_NAME_BYTES)
                .read_to_end(&mut target)
                .map_err(damaged)
                .and_then(|_| found.link(contents, &path, &String::from_utf8_lossy(&target)))
        } else {
            found.file(contents, &path, &mut limited)
        };
        let Limited { left, reached, .. } = limited;
        contents.left.streamed = left;
        if reached {
            return Err(ContainerError::TooLong);
        }
        taken?;
    }
    found.finish(contents)
}

/// The start of the central directory. The record at the end, before a comment of up to 64 KiB, has its offset.
fn directory(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(65_557);
    let end = bytes.get(tail..)?.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let record = bytes.get(tail.saturating_add(end)..)?;
    usize::try_from(field(record, 16, 4)?).ok()
}

fn local_data(bytes: &[u8], at: u64, packed: u64) -> Option<&[u8]> {
    let local = bytes.get(usize::try_from(at).ok()?..).filter(|local| local.starts_with(b"PK\x03\x04"))?;
    let skip = field(local, 26, 2)?.saturating_add(field(local, 28, 2)?).saturating_add(30);
    local.get(usize::try_from(skip).ok()?..)?.get(..usize::try_from(packed).ok()?)
}

/// Why a file is skipped: in words for one, and for several.
type Reason = (&'static str, &'static str);

const EMPTY: Reason = ("empty file", "empty files");
const ENCRYPTED: Reason = ("encrypted file", "encrypted files");
const FILE_OUTSIDE: Reason = ("file outside of the archive", "files outside of the archive");
const LINK_OUTSIDE: Reason = ("link outside of the archive", "links outside of the archive");
const NOTHING: Reason = ("file that is not read", "files that are not read");
const SECOND_NAME: Reason = ("second name of a file", "second names of files");
const SPARSE_FILE: Reason =
    ("sparse file: pack it without tar --sparse", "sparse files: pack them without tar --sparse");
const SPECIAL: Reason = ("device, socket or pipe", "devices, sockets or pipes");
const TOO_LARGE: Reason = ("system file that is too large", "system files that are too large");
const UNKNOWN_PACKING: Reason = ("file of an unknown compression", "files of an unknown compression");

/// What was found in an archive so far.
#[derive(Default)]
struct Found {
    files: Memory,
    pieces: Vec<(String, Vec<u8>)>,
    /// How many files were skipped, by reason.
    passed: std::collections::BTreeMap<Reason, usize>,
}

impl Found {
    fn passed_over(&mut self, reason: Reason) {
        let number = self.passed.entry(reason).or_default();
        *number = number.saturating_add(1);
    }

    /// Takes a file that is useful by its place or its content.
    fn file(
        &mut self,
        contents: &mut Contents<'_>,
        path: &str,
        source: &mut dyn Read,
    ) -> Result<(), ContainerError> {
        let Some(path) = clean(path) else {
            self.passed_over(FILE_OUTSIDE);
            return Ok(());
        };
        let is_piece = contents.choice.piece.is_some();
        if is_piece && !contents.choice.wants(&contents.name_of(&path)) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let limit = if is_of_a_system(&path) { MAX_SYSTEM_FILE_BYTES } else { MAX_GLANCE_BYTES };
        (&mut *source).take(limit).read_to_end(&mut bytes).map_err(damaged)?;
        if is_of_a_system(&path) {
            if u64::try_from(bytes.len()).is_ok_and(|length| length == limit) {
                self.passed_over(TOO_LARGE);
                return Ok(());
            }
            contents.keep(bytes.len())?;
            self.files.file(path, bytes);
            return Ok(());
        }
        match recognise(&bytes) {
            Kind::Unknown => self.passed_over(NOTHING),
            Kind::Empty => self.passed_over(EMPTY),
            _ => {
                contents.read_on(source, &mut bytes)?;
                self.pieces.push((path, bytes));
            }
        }
        Ok(())
    }

    /// Notes a folder whose emptiness says something: that the kernel made no groups.
    fn folder(&mut self, path: &str) {
        let path = clean(path).filter(|path| path.ends_with("kernel/iommu_groups"));
        path.into_iter().for_each(|path| self.files.folder(path));
    }

    /// Takes a link that may lead to files of a running system.
    fn link(&mut self, contents: &mut Contents<'_>, path: &str, target: &str) -> Result<(), ContainerError> {
        let Some(path) = clean(path) else {
            self.passed_over(LINK_OUTSIDE);
            return Ok(());
        };
        if contents.choice.piece.is_none() && LINKS.iter().any(|place| path.contains(place)) {
            contents.keep(path.len().saturating_add(target.len()))?;
            self.files.link(path, target.to_owned());
        }
        Ok(())
    }

    /// Takes a second name of a file.
    fn same(&mut self, path: &str, target: &str) {
        match (clean(path), clean(target)) {
            (Some(path), Some(target)) if is_of_a_system(&path) => {
                self.files.link(path, format!("/{target}"))
            }
            _ => self.passed_over(SECOND_NAME),
        }
    }

    fn finish(mut self, contents: &mut Contents<'_>) -> Result<(), ContainerError> {
        let systems = self.files.systems();
        // A log that comes with a running system is its own, not separate evidence.
        for system in systems.iter().filter(|system| !system.sys.is_empty()) {
            let log = join(&system.root, WRITTEN_LOG);
            let own = self.pieces.iter().position(|(path, _)| *path == log);
            if let Some((path, bytes)) = own.map(|at| self.pieces.remove(at)) {
                self.files.file(path, bytes);
            }
        }
        for system in systems {
            let name = contents.name_of(&system.root);
            contents.system(system.sys, self.files.below(&system.root, name));
        }
        for (path, bytes) in self.pieces {
            contents.found(&path, bytes);
        }
        for (reason, number) in self.passed {
            let (one, many) = reason;
            contents.note(format!("{number} {}", if number == 1 { one } else { many }));
        }
        Ok(())
    }
}

/// A path in an archive, without steps that lead nowhere (`./`, a leading `/`); `None` for one that leads out (`..`).
fn clean(path: &str) -> Option<String> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    (!steps.contains(&"..") && !steps.is_empty()).then(|| steps.join("/"))
}

/// Links whose paths have one of these are followed.
const LINKS: [&str; 8] = [
    "bus/pci/devices/",
    "class/dmi/id",
    "class/iommu/",
    "device-tree",
    "firmware_node",
    "iommu_group",
    "of_node",
    "physfn",
];

/// Whether a file is one of those of a running system that are read by their place.
fn is_of_a_system(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let above = folder.rsplit('/').next().unwrap_or_default();
    let in_order = |steps: &str| folder.ends_with(steps) || path.contains(&format!("{steps}/"));
    match name {
        "config" => above.parse::<crate::Bdf>().is_ok(),
        "fdt" => above == "firmware",
        "cmdline" | "version" => above == "proc",
        "type" | "reserved_regions" => folder.contains("kernel/iommu_groups/"),
        "sys_vendor" | "product_name" => folder.ends_with("dmi/id"),
        // The firmware's name for a device (drivers/acpi/device_sysfs.c `path_show`).
        "path" => folder.contains("devices/LNXSYSTM:"),
        _ => {
            in_order("firmware/acpi/tables") && above == "tables"
                || in_order("firmware/devicetree/base")
                || in_order("proc/device-tree")
        }
    }
}
