//! Replays every seed, and every input that ever found something, through the fuzz targets; no nightly toolchain needed.
//!
//! Also fails when a public function that takes bytes or text is in no target.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use crate::cases::cases_of_three;
use targets::TARGETS;

/// Public functions that take bytes or text but do not read them: whole files, or one function of a file.
const NO_READERS: &[&str] = &[
    // Titles and names on their way out.
    "report/src/",
    "src/answer/audit.rs new",
    "src/answer/check.rs new",
    "src/answer/diff.rs new",
    "src/answer/diff.rs note_acs",
    "src/answer/linted.rs new",
    "src/answer/lookup.rs among",
    "src/answer/lookup.rs new",
    "src/answer/shell.rs",
    // Takes names in.
    "src/answer/watch.rs kernel_groups",
    // The command as a whole, see mutants.rs.
    "cli/src/lib.rs run",
    // Makes tables.
    "src/acpi/dmar/build.rs",
    "src/acpi/iort/build.rs",
    "src/acpi/ivrs/build.rs",
    // Keep what a caller names.
    "src/model/requester.rs new",
    "src/model/scope.rs new",
    // Names a field.
    "src/model/iommu.rs bits",
    // Keeps names.
    "src/model/origin.rs push",
    // Bytes of a file, as they are.
    "src/machine/file.rs read",
    "src/machine/file.rs read_recognised",
    // Keeps a name.
    "src/machine/collect.rs pick_configuration",
    // Files by their paths; their bytes go to `Collector::add` and its likes.
    "src/machine/open.rs container_of",
    "src/machine/open.rs is_device_tree_folder",
    "src/machine/open.rs open_firmware",
    "src/machine/open.rs open_or_log",
    "src/machine/open.rs open_topology",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
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
        // What a campaign has found, where the coverage of it is measured: see fuzz/covered.
        let corpus = std::env::var_os("FUZZ_CORPUS").map(|corpus| files(&Path::new(&corpus).join(name)));
        for file in seeds.iter().chain(&regressions).chain(corpus.iter().flatten()) {
            // The name of the last file printed is that of the one that failed.
            println!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
        println!("{name}: {} seeds, {} regressions, {:?}", seeds.len(), regressions.len(), start.elapsed());
    }
}

#[test]
fn seeds_are_small() {
    let folders = files(&root().join("fuzz/seeds"));
    let sizes = folders.iter().flat_map(|folder| files(folder)).map(|file| fs::metadata(file).unwrap().len());
    let all: u64 = sizes.sum();
    assert!((1..2_000_000).contains(&all), "{all} bytes: minimise them, see fuzz/README.md");
}

#[test]
fn every_target_passes_on_damaged_seeds() {
    let mut runs = 0;
    for (name, target) in TARGETS {
        for file in files(&root().join("fuzz/seeds").join(name)) {
            let seed = fs::read(&file).unwrap();
            // Some places in each, whatever its size.
            for at in (0..seed.len()).step_by(seed.len() / cases_of_three(3, 10, 10) + 1) {
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
    let names = TARGETS.iter().map(|(name, _)| name);
    let listed: BTreeSet<String> = names.map(|name| (*name).to_owned()).collect();
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

/// Types of parameters that bytes, text or files come in by.
const TAKEN: [&str; 8] =
    ["[u8]", "Vec<u8>", "str", "String", "Path", "*const c_void", "*const c_char", "Listing"];

/// `Owner::function` for every public function that takes bytes or text, methods too, and `Owner::from_str` for what text is
/// parsed into.
fn readers(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let module = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" => file.parent().unwrap().file_stem().unwrap().to_str().unwrap(),
        stem => stem,
    };
    let place = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    let excused = |name: &str| {
        let is_it = |no_reader: &&str| match no_reader.split_once(' ') {
            Some((file, function)) => file == place && function == name,
            None => place.starts_with(*no_reader),
        };
        NO_READERS.iter().any(is_it)
    };
    let mut found = Vec::new();
    let mut of = module.to_owned();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("impl") {
            owner(line).unwrap_or(module).clone_into(&mut of);
            if let Some((_, parsed)) = line.split_once("FromStr for ") {
                // What is private to the command comes in by cli::read_text.
                let parsed = parsed.trim_end_matches([' ', '{']);
                found.extend((!place.starts_with("cli/src/")).then(|| format!("{parsed}::from_str")));
            }
        } else if line == "}" {
            module.clone_into(&mut of);
        }
        let Some((before, rest)) = line.split_once("fn ") else { continue };
        if !before.trim_start().starts_with("pub ") {
            continue;
        }
        let rest_of_it = text.lines().skip(at).take_while(|line| !line.ends_with('{'));
        let signature = format!("{} {line}", rest_of_it.collect::<Vec<_>>().join(" "));
        let parameters = signature.split("->").next().unwrap();
        let words = |text: &str| text.replace(|c: char| !c.is_alphanumeric() && c != '_', " ");
        let takes = |taken: &&str| match taken.chars().all(char::is_alphanumeric) {
            // A whole word: a `Stream` is no `str`.
            true => words(parameters).split(' ').any(|word| word == *taken),
            false => parameters.contains(*taken),
        };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if TAKEN.iter().any(takes) && !excused(&name) {
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
fn every_public_function_that_takes_bytes_or_text_is_in_a_target() {
    let bodies: String =
        rust_files(&root().join("fuzz/src")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let readers: Vec<String> = ["src", "report/src", "cli/src", "capi/src"]
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .flat_map(|file| readers(&file))
        .collect();
    println!("{} readers: {}", readers.len(), readers.join(" "));
    // Of each kind one, or the search is broken.
    for reader in [
        "Tree::parse",
        "Firmware::open",
        "Log::read",
        "sysfs::functions",
        "devices::devices",
        "Query::from_str",
        "Node::property",
        "open::fwspec_open",
        "lookup::fwspec_find",
        "lib::read_text",
    ] {
        assert!(readers.iter().any(|found| found == reader), "{reader} was not found: is the search broken?");
    }
    let missing: Vec<&String> = readers.iter().filter(|reader| !is_called(reader, &bodies)).collect();
    assert!(missing.is_empty(), "no fuzz target calls {missing:?}");
}

fn is_called(reader: &str, bodies: &str) -> bool {
    // A function that its folder re-exports goes by its own name.
    let (owner, name) = reader.rsplit_once("::").unwrap();
    match name {
        "from_str" => bodies.contains(&format!("parse::<{owner}>(")),
        "parse" | "read" | "of" | "new" => bodies.contains(&format!("{owner}::{name}(")),
        _ => [" ", "(", ".", ":", "!", "&"].iter().any(|by| bodies.contains(&format!("{by}{name}("))),
    }
}
