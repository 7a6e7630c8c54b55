//! What a test takes from outside of the repository: reference data and tools. A test which goes without says so in a line that
//! begins with `skipped: `; `.ci/run` shows and counts these lines.
#![allow(dead_code)]

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that the test which calls this leaves something out, and why.
pub(crate) fn skip(why: impl Display) {
    // The harness runs each test in a thread of its name.
    let thread = std::thread::current();
    println!("skipped: {}: {why}", thread.name().unwrap_or("a test"));
}

/// This file or folder of the reference data, which stands in `$FWSPEC_SHARED` or in `shared/` beside the repository. Says so
/// where it is missing.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FWSPEC_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    skip(format_args!("no {} (FWSPEC_SHARED names the folder of reference data)", path.display()));
    None
}

/// Where a script of `tests/debian` has put what it fetches, or a word on why not.
pub(crate) fn debian(script: &str, folder: &str) -> Result<PathBuf, String> {
    if std::env::var_os("FWSPEC_DEBIAN").is_none_or(|wanted| wanted != "1") {
        return Err("FWSPEC_DEBIAN=1 asks for them".into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let fetched = Command::new("sh").arg(root().join("tests/debian").join(script)).arg(&folder).output();
    let fetched = fetched.map_err(|error| error.to_string())?;
    if !fetched.status.success() {
        return Err(String::from_utf8_lossy(&fetched.stderr).lines().last().unwrap_or("no word").into());
    }
    Ok(folder)
}

/// The folder of the repository: the nearest with a lock file.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(package)
}

/// Runs a command that has to succeed, and gives what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Whether there is such a tool; says so where there is none.
pub(crate) fn installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|done| done.status.success());
    if !found {
        skip(format_args!("{tool} is not installed"));
    }
    found
}
