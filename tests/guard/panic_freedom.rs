//! No panic can be reached from bytes: the lints that deny one are on everywhere, and the parsers of the core tier link
//! without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cases::cases_of_three;
use crate::layering::rust_files;
use crate::outside::{installed, run, skip};
use crate::program::{built, cargo, package, root};

/// What the manifest denies for the whole package.
const DENIED: [&str; 10] = [
    "unwrap_used",
    "expect_used",
    "indexing_slicing",
    "string_slice",
    "panic",
    "unreachable",
    "todo",
    "unimplemented",
    "cast_possible_truncation",
    "cast_sign_loss",
];

/// Denied for the library as a whole, in lib.rs: tests may add up as they like.
const ARITHMETIC: &str = "arithmetic_side_effects";

/// The only files that may allow one of them for what they ship.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Write tables: their numbers are the caller's.
    ("src/acpi/iort/build.rs", ARITHMETIC),
    ("src/acpi/dmar/build.rs", ARITHMETIC),
    ("src/acpi/ivrs/build.rs", ARITHMETIC),
    // Pixels of a drawing whose rows are bounded.
    ("report/src/picture/mod.rs", ARITHMETIC),
    // Days since 1970.
    ("cli/src/waiver.rs", ARITHMETIC),
];

/// The symbol that a reachable panic leaves, see tests/panic_free/src/lib.rs.
const PANIC: &str = "a_panic_is_reachable";

/// What a file ships: not its unit tests, and no comments.
fn shipped(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let shipped = text.split("\n#[cfg(test)]").next().unwrap();
    shipped.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_lints_are_on_in_every_file() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let clippy = manifest.split("[workspace.lints.clippy]").nth(1).expect("Cargo.toml has clippy's lints");
    for lint in DENIED {
        assert!(clippy.contains(&format!("\n{lint} = \"deny\"")), "Cargo.toml does not deny {lint}");
    }
    let deny = format!("#![cfg_attr(not(test), deny(clippy::{ARITHMETIC}))]");
    let packages = ["src", "report/src", "cli/src", "capi/src"];
    for package in packages {
        let lib = shipped(&root().join(package).join("lib.rs"));
        assert!(lib.contains(&deny), "{package}/lib.rs does not deny {ARITHMETIC}");
    }
    for manifest in ["Cargo.toml", "report/Cargo.toml", "cli/Cargo.toml", "capi/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(manifest)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "a package has lints of its own: {manifest}");
    }
    let (mut files, mut exceptions) = (0, BTreeSet::new());
    for file in packages.iter().flat_map(|package| rust_files(&root().join(package))) {
        let code = shipped(&file);
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        for attribute in code.split("#").filter(|part| part.contains("allow(") || part.contains("expect(")) {
            let attribute = attribute.split(']').next().unwrap();
            for lint in DENIED.iter().chain([&ARITHMETIC]) {
                if attribute.starts_with(['[', '!']) && attribute.contains(&format!("clippy::{lint}")) {
                    exceptions.insert((name.clone(), (*lint).to_owned()));
                }
            }
        }
        files += 1;
    }
    println!("{files} files, {} exceptions", exceptions.len());
    assert!(files > 100, "are these all files?");
    let known = EXCEPTIONS.iter().map(|(file, lint)| ((*file).to_owned(), (*lint).to_owned()));
    assert_eq!(exceptions, known.collect());
}

/// The program around the core tier, built with these features; nothing where this is not a checkout.
fn library(features: &str) -> Option<PathBuf> {
    let program = package("tests/panic_free")?;
    run(cargo(&program, "build").args(["--features", features]));
    Some(built("libfwspec_panic_free.a"))
}

/// The program's ways in.
fn ways_in(library: &Path) -> Vec<String> {
    let symbols = run(Command::new("nm").args(["--defined-only", "--extern-only"]).arg(library));
    let functions =
        symbols.lines().filter_map(|line| line.split_once(" T ")).map(|(_, name)| name.to_owned());
    let ours =
        |name: &String| ["read_", "look_up_", "show_", "reaches_"].iter().any(|kind| name.starts_with(kind));
    functions.filter(ours).collect()
}

/// Whether linking this way in brings a call of the panic handler along.
fn panics(library: &Path, way_in: &str) -> bool {
    let linked = library.with_file_name(format!("{way_in}.elf"));
    let mut link = Command::new("ld");
    link.args(["--gc-sections", "--unresolved-symbols=ignore-all", "-e", way_in, "-u", way_in, "-o"]);
    run(link.arg(&linked).arg(library));
    let symbols = run(Command::new("nm").arg(&linked));
    assert!(symbols.contains(&format!(" T {way_in}")), "{way_in} was not linked:\n{symbols}");
    symbols.contains(PANIC)
}

#[test]
fn no_panic_is_linked_into_the_core_tier() {
    if !cfg!(target_os = "linux") || !installed("ld") || !installed("nm") {
        return;
    }
    // What reads config space is of the tier above: with it the library is made twice as large.
    let features = cases_of_three("panics", "config,panics", "config,panics");
    if !features.contains("config") {
        skip("config space is linked where FWSPEC_CASES=more, as .ci/run has it");
    }
    let Some(library) = library(features) else { return };
    let ways_in = ways_in(&library);
    println!("{}", ways_in.join(" "));
    assert!(ways_in.len() > 12, "{ways_in:?}");
    let guilty: Vec<&String> = ways_in.iter().filter(|way_in| panics(&library, way_in)).collect();
    // The one that indexes is found, or this would prove nothing.
    assert_eq!(guilty, ["reaches_a_panic"], "look for the caller: objdump -dC {}", library.display());
}

/// The files of a folder that need no allocator.
fn core_files(folder: &Path) -> Vec<PathBuf> {
    let front = fs::read_to_string(folder.join("mod.rs")).unwrap();
    let mut found = vec![folder.join("mod.rs")];
    let mut above = "";
    for line in front.lines() {
        let gated = std::mem::replace(&mut above, line) == "#[cfg(feature = \"alloc\")]";
        if gated {
            continue;
        }
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        let Some(name) = name.and_then(|name| name.strip_suffix(';')) else { continue };
        let file = folder.join(name).with_extension("rs");
        found.extend(if file.exists() { vec![file] } else { core_files(&folder.join(name)) });
    }
    found
}

#[test]
fn every_public_function_of_the_core_tier_is_linked() {
    let program = root().join("tests/panic_free/src/lib.rs");
    if !program.exists() {
        skip("this is no checkout of the repository");
        return;
    }
    let program = fs::read_to_string(program).unwrap();
    let (mut functions, mut left_out) = (0, Vec::new());
    for file in ["dt", "acpi"].iter().flat_map(|folder| core_files(&root().join("src").join(folder))) {
        for line in shipped(&file).lines() {
            let Some(rest) = line.strip_prefix("    pub fn ").or_else(|| line.strip_prefix("pub fn ")) else {
                continue;
            };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let called = [".", "::"].iter().any(|by| program.contains(&format!("{by}{name}(")));
            if !called {
                left_out.push(format!("{}: {name}", file.display()));
            }
            functions += 1;
        }
    }
    println!("{functions} functions");
    assert!(left_out.is_empty(), "tests/panic_free does not call {left_out:#?}");
    assert!(functions > 60, "only {functions} public functions found: is the search broken?");
}
