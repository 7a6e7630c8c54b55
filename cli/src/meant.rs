//! What a user may have meant by a name that is not quite right.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use fwspec::machine::MachineError;

/// Why a file cannot be read, and the one that may have been meant.
pub(super) fn why(path: &Path, error: &std::io::Error) -> String {
    let why = fwspec::machine::why_unreadable(error);
    if error.kind() != std::io::ErrorKind::NotFound {
        return why;
    }
    format!("{why}{}", instead(path).unwrap_or_default())
}

/// An error about files of these names, and the file that may have been meant by one that is not there.
pub(super) fn with_meant(error: &MachineError, paths: &[&Path]) -> String {
    let is_missing = |path: &&&Path| matches!(path.try_exists(), Ok(false));
    let instead = match error {
        MachineError::Unreadable { .. } => paths.iter().filter(is_missing).find_map(|path| instead(path)),
        _ => None,
    };
    format!("{error}{}", instead.unwrap_or_default())
}

/// What there is instead of a file that is not there: a link that leads nowhere, or a file with almost its name.
fn instead(path: &Path) -> Option<String> {
    if let Ok(target) = std::fs::read_link(path) {
        return Some(format!(": this symbolic link leads to {}", quoted(target.as_os_str())));
    }
    Some(format!("; there is {}", quoted(meant(path)?.as_os_str())))
}

/// A file beside the one that is not there, which is called almost so.
fn meant(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let wanted = path.file_name()?.to_str()?;
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.take(MAX_NEIGHBOURS).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = names.map(|name| (distance(&name, wanted), name)).filter(|(distance, _)| *distance <= 2);
    let (_, name) = near.min()?;
    Some(folder.map_or(PathBuf::from(&name), |folder| folder.join(&name)))
}

/// How many files of a folder are looked at for one that was meant.
const MAX_NEIGHBOURS: usize = 10_000;

/// How many letters must be put in, left out, changed or swapped with the next to make one word of the other; 3 for more than 2.
pub(super) fn distance(a: &str, b: &str) -> usize {
    fn of(a: &[u8], b: &[u8], left: usize) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len().min(3),
            ([x, a @ ..], [y, b @ ..]) if x == y => of(a, b, left),
            _ if left == 0 => 3,
            ([x, a_rest @ ..], [y, b_rest @ ..]) => {
                let less = left.saturating_sub(1);
                let mut best = of(a_rest, b_rest, less).min(of(a_rest, b, less)).min(of(a, b_rest, less));
                if let ([next, a_rest @ ..], [other, b_rest @ ..]) = (a_rest, b_rest)
                    && (x, next) == (other, y)
                {
                    best = best.min(of(a_rest, b_rest, less));
                }
                best.saturating_add(1)
            }
        }
    }
    of(a.as_bytes(), b.as_bytes(), 2)
}

pub(super) fn quoted(word: &OsStr) -> String {
    fwspec::answer::quoted(&word.to_string_lossy())
}
