//! The bytes of a file, or of standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use crate::limits::{MAX_FILE_BYTES, MAX_GLANCE_BYTES};

use super::forms::recognise;
use super::kind::Kind;
use super::log::{Log, LogReader};

/// The smallest size that is too large.
const TOO_LARGE: u64 = MAX_FILE_BYTES.saturating_add(1);

/// Reads a whole file; `-` is standard input.
///
/// ```
/// let manifest = fwspec::machine::read("Cargo.toml")?;
/// assert!(manifest.starts_with(b"[workspace]"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the operating system, and [`io::ErrorKind::FileTooLarge`] from 4 GiB on.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        read_on(io::stdin().lock(), &mut bytes, TOO_LARGE)?;
        return Ok(bytes);
    }
    let (file, length) = opened(path)?;
    let mut bytes = Vec::with_capacity(room(length));
    read_on(file, &mut bytes, TOO_LARGE)?;
    Ok(bytes)
}

/// What an error of the operating system means for the user, and what to do.
///
/// ```
/// use std::io;
/// let error = io::Error::from(io::ErrorKind::NotFound);
/// assert_eq!(fwspec::machine::why_unreadable(&error), "there is no such file or folder");
/// ```
pub fn why_unreadable(error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder",
        io::ErrorKind::PermissionDenied => "permission denied: run fwspec as root, or make the file readable",
        io::ErrorKind::NotADirectory => "a part of this path is a file, not a folder",
        io::ErrorKind::IsADirectory => "this is a folder, but a file is needed",
        // ErrorKind::FilesystemLoop is not stable yet.
        _ if error.raw_os_error() == Some(LOOP) => "its symbolic links form a loop: name the file itself",
        _ => return error.to_string(),
    };
    why.into()
}

/// `ELOOP` of Linux.
const LOOP: i32 = 40;

/// The bytes of a file, or the content of a log whose other bytes are not kept.
pub(super) enum Taken {
    Bytes(Vec<u8>),
    Log(Log),
}

/// Reads a whole file, or standard input; a log in constant memory. Text of no other kind counts as a log.
pub(super) fn read_or_follow(path: &Path) -> io::Result<Taken> {
    if path == Path::new("-") {
        return take_or_follow(io::stdin().lock(), 0);
    }
    // The length of a log does not matter.
    let file = File::open(path)?;
    let data = file.metadata()?;
    if is_endless(&file, &data, path) {
        return Err(endless());
    }
    take_or_follow(file, data.len())
}

fn take_or_follow(mut source: impl Read, length: u64) -> io::Result<Taken> {
    let mut bytes = Vec::with_capacity(room(length.min(MAX_GLANCE_BYTES)));
    source.by_ref().take(MAX_GLANCE_BYTES).read_to_end(&mut bytes)?;
    let kind = recognise(&bytes);
    if kind == Kind::KernelLog || kind == Kind::Unknown && is_text(&bytes) {
        let mut reader = LogReader::new();
        while !bytes.is_empty() {
            reader.feed(&bytes);
            bytes.clear();
            source.by_ref().take(MAX_GLANCE_BYTES).read_to_end(&mut bytes)?;
        }
        return Ok(Taken::Log(reader.finish()));
    }
    if length >= TOO_LARGE {
        return Err(too_large());
    }
    bytes.reserve_exact(room(length).saturating_sub(bytes.len()));
    read_on(source, &mut bytes, TOO_LARGE)?;
    Ok(Taken::Bytes(bytes))
}

/// Whether bytes are text, apart from bytes that a serial line may add.
fn is_text(bytes: &[u8]) -> bool {
    let strange = bytes.iter().filter(|byte| **byte == 0 || **byte >= 0x80).count();
    !bytes.is_empty() && strange <= bytes.len() / 8
}

/// An open file, and its length by its metadata. The size of a sparse file of 4 GiB is known without reading it; of files whose
/// metadata has no length (sysfs, pipes) the bytes are counted.
fn opened(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let data = file.metadata()?;
    if is_endless(&file, &data, path) {
        return Err(endless());
    }
    let length = data.len();
    if length < TOO_LARGE { Ok((file, length)) } else { Err(too_large()) }
}

/// Whether reading would not end, as from `/dev/zero`. A terminal, a pipe and `/dev/null` end.
#[cfg(unix)]
fn is_endless(file: &File, data: &std::fs::Metadata, path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = data.file_type();
    let ends =
        || file.is_terminal() || std::fs::canonicalize(path).is_ok_and(|path| path == Path::new("/dev/null"));
    kind.is_block_device() || kind.is_char_device() && !ends()
}

#[cfg(not(unix))]
fn is_endless(_: &File, _: &std::fs::Metadata, _: &Path) -> bool {
    false
}

/// How much to reserve for a file of this length: one byte more, so that the end is found without growing; and no more than a
/// bound, because the length may be made up.
fn room(length: u64) -> usize {
    usize::try_from(length.min(16 << 20)).map_or(0, |length| length.saturating_add(1))
}

/// Reads a whole file if its first 64 KiB show that it is firmware. Otherwise returns its kind: a text about functions or groups,
/// an archive, [`Kind::Empty`] or [`Kind::Unknown`].
///
/// ```
/// use fwspec::machine::{Kind, read_recognised};
/// assert_eq!(read_recognised("Cargo.toml")?, Err(Kind::Unknown));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// As those of [`read`].
pub fn read_recognised(path: impl AsRef<Path>) -> io::Result<Result<Vec<u8>, Kind>> {
    read_if(path.as_ref(), Kind::is_firmware)
}

/// The same for evidence of any kind.
pub(super) fn read_evidence(path: &Path) -> io::Result<Result<Vec<u8>, Kind>> {
    read_if(path, |kind| !matches!(kind, Kind::Empty | Kind::Unknown | Kind::Refused(_)))
}

fn read_if(path: &Path, wanted: impl Fn(Kind) -> bool) -> io::Result<Result<Vec<u8>, Kind>> {
    let (mut file, length) = opened(path)?;
    let mut bytes = Vec::with_capacity(room(length.min(MAX_GLANCE_BYTES)));
    file.by_ref().take(MAX_GLANCE_BYTES).read_to_end(&mut bytes)?;
    let kind = recognise(&bytes);
    if !wanted(kind) {
        return Ok(Err(kind));
    }
    bytes.reserve_exact(room(length).saturating_sub(bytes.len()));
    read_on(file, &mut bytes, TOO_LARGE)?;
    Ok(Ok(bytes))
}

/// Appends all bytes of `source`, if they are fewer than `limit`.
fn read_on(source: impl Read, bytes: &mut Vec<u8>, limit: u64) -> io::Result<()> {
    let length = |bytes: &Vec<u8>| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    source.take(limit.saturating_sub(length(bytes))).read_to_end(bytes)?;
    if length(bytes) < limit { Ok(()) } else { Err(too_large()) }
}

fn endless() -> io::Error {
    let why = "a device without an end: copy the part that holds the firmware into a file";
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn too_large() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "the file has 4 GiB or more, which is too large: copy the part that holds the firmware into a file of its own",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_up_to_its_limit() {
        let mut bytes = b"12".to_vec();
        read_on(&b"34"[..], &mut bytes, 5).unwrap();
        assert_eq!(bytes, b"1234");
        assert_eq!(read_on(&b"5"[..], &mut bytes, 5).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
