//! What the repository's own workspace builds, and where: its target folder is wherever cargo's settings put it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the command as it is released, and returns where it is.
pub fn command() -> PathBuf {
    let wanted = ["build", "--locked", "--release", "--quiet", "--package", "fwspec-cli", "--bin", "fwspec"];
    let said = cargo(&[&wanted[..], &["--message-format", "json-render-diagnostics"]].concat());
    // Of the artifacts that cargo tells of only one is a program.
    let program = said.lines().find_map(|line| text_of(line, "executable"));
    program.expect("cargo told of no program").into()
}

/// The folder that the workspace is built into.
pub fn target_folder() -> PathBuf {
    let said = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    text_of(&said, "target_directory").expect("cargo told of no target folder").into()
}

/// What cargo prints when it is run in the repository.
fn cargo(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done =
        Command::new(cargo).args(arguments).current_dir(root).stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "cargo {}: {}", arguments.join(" "), done.status);
    String::from_utf8(done.stdout).unwrap()
}

/// The text at a key of some JSON; of escapes, those that a path may have.
fn text_of(json: &str, key: &str) -> Option<String> {
    let (_, value) = json.split_once(&format!("\"{key}\":\""))?;
    let mut text = String::new();
    let mut characters = value.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}
