//! The bytes of a file, or of standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::vec::Vec;

/// The first size that is too large: every format here counts in 32 bits.
const TOO_LARGE: u64 = 1 << 32;

/// Reads a whole file; `-` is standard input.
///
/// ```
/// let manifest = fwspec::input::read("Cargo.toml")?;
/// assert!(manifest.starts_with(b"[package]"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What the operating system says, and [`io::ErrorKind::FileTooLarge`] from 4 GiB on.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    if path == Path::new("-") {
        return read_below(io::stdin().lock(), TOO_LARGE);
    }
    let file = File::open(path)?;
    // A sparse file of 4 GiB need not be read to learn its size; files that tell no size (sysfs, pipes) are counted.
    if file.metadata()?.len() >= TOO_LARGE {
        return Err(too_large());
    }
    read_below(file, TOO_LARGE)
}

/// Everything that `source` gives, if that is less than `limit` bytes.
fn read_below(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length < limit) { Ok(bytes) } else { Err(too_large()) }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "4 GiB or more: the offsets in firmware tables have 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_up_to_its_limit() {
        assert_eq!(read_below(&b"1234"[..], 5).unwrap(), b"1234");
        assert_eq!(read_below(&b"12345"[..], 5).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
