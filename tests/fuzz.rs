//! Replays every seed, and every input that ever found something, through the fuzz targets; no nightly toolchain needed.
//!
//! Also fails when a public function that takes bytes is in no target.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::TARGETS;

/// Public functions that take bytes but make something of them rather than read them.
const NO_READERS: [&str; 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_seed_and_regression_passes() {
    for (name, target) in TARGETS {
        let [seeds, regressions] =
            ["seeds", "regressions"].map(|kind| files(&root().join("fuzz").join(kind).join(name)));
        assert!(!seeds.is_empty(), "{name} has no seed");
        let start = Instant::now();
        for file in seeds.iter().chain(&regressions) {
            // The name of the last file printed is that of the one that failed.
            println!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
        println!("{name}: {} seeds, {} regressions, {:?}", seeds.len(), regressions.len(), start.elapsed());
    }
}

#[test]
fn every_target_passes_on_damaged_seeds() {
    let mut runs = 0;
    for (name, target) in TARGETS {
        for file in files(&root().join("fuzz/seeds").join(name)) {
            let seed = fs::read(&file).unwrap();
            // Some ten places in each, whatever its size.
            for at in (0..seed.len()).step_by(seed.len() / 10 + 1) {
                println!("{} at {at:#x}", file.display());
                target(seed.get(..at).unwrap());
                let mut flipped = seed.clone();
                *flipped.get_mut(at).unwrap() ^= 0x80;
                target(&flipped);
                runs += 2;
            }
        }
    }
    println!("{runs} runs");
}

#[test]
fn targets_files_and_manifest_agree() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let files = files(&root().join("fuzz").join(folder));
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stems("fuzz_targets"), listed);
    assert_eq!(stems("seeds"), listed);
    assert!(stems("regressions").is_subset(&listed));
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for name in &listed {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
        let file =
            fs::read_to_string(root().join("fuzz/fuzz_targets").join(name).with_extension("rs")).unwrap();
        assert!(
            file.contains(&format!("targets::{name}(bytes)")),
            "fuzz_targets/{name}.rs runs something else"
        );
    }
}

/// Who owns the functions of a block of code: `impl<'a> Tree<'a> {` is `Tree`.
fn owner(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    rest.split(['<', ' ']).next()
}

/// `Owner::function` for every public function whose parameters include a slice of bytes, and no `self`.
fn readers(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let module = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" => file.parent().unwrap().file_stem().unwrap().to_str().unwrap(),
        stem => stem,
    };
    let mut found = Vec::new();
    let mut of = module.to_owned();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("impl") {
            owner(line).unwrap_or(module).clone_into(&mut of);
        } else if line == "}" {
            module.clone_into(&mut of);
        }
        let Some((indent, rest)) = line.split_once("pub fn ") else { continue };
        if !indent.trim().is_empty() {
            continue;
        }
        let signature =
            text.lines().skip(at).take_while(|line| !line.ends_with('{')).collect::<Vec<_>>().join(" ");
        let signature = format!("{signature} {line}");
        let parameters = signature.split("->").next().unwrap();
        let takes_bytes = parameters.contains("[u8]") || parameters.contains("Vec<u8>");
        if takes_bytes && !parameters.contains("self") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push(format!("{of}::{name}"));
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = files(folder).into_iter().partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

#[test]
fn every_public_function_that_takes_bytes_is_in_a_target() {
    let bodies: String =
        rust_files(&root().join("fuzz/src")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let readers: Vec<String> =
        rust_files(&root().join("src")).iter().flat_map(|file| readers(file)).collect();
    println!("{}", readers.join(" "));
    assert!(
        readers.iter().any(|reader| reader == "Tree::parse"),
        "Tree::parse was not found: is the search broken?"
    );
    for reader in readers.iter().filter(|reader| !NO_READERS.contains(&reader.as_str())) {
        // A function that its folder re-exports goes by its own name.
        let name = reader.rsplit("::").next().unwrap();
        let called = [format!("{reader}("), format!("{name}(")];
        let enough = if ["parse", "read", "of", "new"].contains(&name) { 1 } else { 2 };
        assert!(
            called.iter().take(enough).any(|call| bodies.contains(call)),
            "no fuzz target calls {reader}"
        );
    }
}
