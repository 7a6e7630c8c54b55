//! The folder list is the data flow: no room of the house reads from one further down the flow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the library in the order of the data flow. Those of one row never see each other, the first row excepted.
const FLOW: &[&[&str]] = &[
    &["bytes", "dialect", "error", "id", "iter", "limits", "slab", "word"],
    &["model"],
    &["acpi", "dt", "pci"],
    &["map"],
    &["group"],
    &["assert", "diff", "interop", "lint", "simulate"],
    &["machine"],
    &["answer"],
];

/// The packages around the library, and which of them each may name.
const PACKAGES: [(&str, &[&str]); 3] =
    [("report", &["fwspec"]), ("cli", &["fwspec", "fwspec_report"]), ("capi", &["fwspec"])];

/// Which rooms further up the flow are closed all the same, and why.
const CLOSED: [(&str, &[&str], &str); 4] = [
    ("map", &["acpi", "dt", "pci"], FORGOTTEN),
    ("group", &["acpi", "dt"], FORGOTTEN),
    ("simulate", &["acpi", "dt"], FORGOTTEN),
    ("machine", &["lint"], "`machine` says which file is what and judges nothing"),
];

/// Why the rooms after `model` do not name those before it.
const FORGOTTEN: &str = "after `model` nothing knows the firmware's format";

/// The crate's own file, where the rooms meet.
const FRONT_DOORS: [&str; 1] = ["lib"];

fn row(room: &str) -> usize {
    FLOW.iter()
        .position(|row| row.contains(&room))
        .unwrap_or_else(|| panic!("src/{room} has no place in the data flow: give it one in FLOW"))
}

/// Why code in `room` may not name something of `other`.
fn objection(room: &str, other: &str) -> Option<&'static str> {
    let closed = CLOSED.iter().find(|(of, rooms, _)| *of == room && rooms.contains(&other));
    match row(room).cmp(&row(other)) {
        _ if room == other => None,
        std::cmp::Ordering::Less => Some("that is further down the data flow"),
        std::cmp::Ordering::Equal if row(room) > 0 => Some("rooms of one row never meet"),
        _ => closed.map(|(.., why)| *why),
    }
}

/// What a path that starts with `crate::` names first: one thing, or several in braces.
fn first_names(path: &str) -> Vec<String> {
    let identifier = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let mut names = vec![identifier(list)];
    let mut depth = 1;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(identifier(list.get(at + 1..).unwrap())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The names that stand behind each `prefix` in some code.
fn named_behind(prefix: &str, code: &str) -> Vec<String> {
    code.match_indices(prefix)
        .flat_map(|(at, _)| first_names(code.get(at + prefix.len()..).unwrap()))
        .collect()
}

/// The code of a file, without comments and without its unit tests, which may look anywhere.
pub(crate) fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let shipped = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    shipped.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The names of the modules from the crate, whose files are in `source`, down to a file: `map/mod.rs` and `map.rs` are `["map"]`.
pub(crate) fn module_path(source: &Path, file: &Path) -> Vec<String> {
    let inner = file.strip_prefix(source).unwrap().with_extension("");
    let mut names: Vec<String> =
        inner.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// Which room each name that `lib.rs` re-exports comes from.
fn reexports() -> BTreeMap<String, String> {
    let lib = code(&source().join("lib.rs"));
    let mut found = BTreeMap::new();
    for statement in lib.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap()) {
        let (room, names) = statement.split_once("::").unwrap();
        // The last name of a path counts: `model::iommu::Iommu` is `Iommu`.
        let names = names.rsplit_once("::{").map_or(names, |(_, list)| list);
        for name in names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
            found.insert(name.to_owned(), room.trim().to_owned());
        }
    }
    found
}

#[test]
fn no_room_reads_from_further_down_the_flow() {
    let reexports = reexports();
    let mut faults = Vec::new();
    let (mut files, mut paths) = (0, 0);
    for file in rust_files(&source()) {
        let module = module_path(&source(), &file);
        let room = module.first().unwrap().as_str();
        if FRONT_DOORS.contains(&room) {
            continue;
        }
        let code = code(&file);
        for name in named_behind("crate::", &code) {
            let other = reexports.get(&name).map_or(name.as_str(), String::as_str);
            if let Some(why) = objection(room, other) {
                faults.push(format!("{}: crate::{name}: {why}", file.display()));
            }
            paths += 1;
        }
        if code.contains(&vec!["super::"; module.len()].concat()) {
            faults.push(format!("{}: `super` leads out of {room}: write crate::", file.display()));
        }
        files += 1;
    }
    println!("{paths} paths in {files} files");
    assert!(paths > 0);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_package_names_one_further_down_the_flow() {
    let names = ["fwspec", "fwspec_report", "fwspec_cli", "fwspec_capi"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for (package, may) in PACKAGES {
        let manifest = fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for name in names.iter().filter(|name| !may.contains(*name)) {
            let dependency = name.replace('_', "-");
            let named = dependencies.lines().any(|line| line.split(['.', ' ']).next() == Some(&dependency));
            assert!(!named, "{package}/Cargo.toml depends on {dependency}");
        }
        for file in rust_files(&root.join(package).join("src")) {
            let code = code(&file);
            // The command's `main` calls its own library.
            let own = format!("fwspec_{package}");
            for name in names.iter().filter(|name| !may.contains(*name) && **name != own) {
                assert!(!code.contains(&format!("{name}::")), "{}: {name}:: is further down", file.display());
            }
            files += 1;
        }
    }
    println!("{files} files");
    assert!(files > 40, "are these all files?");
    let library = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let library = library.split("\n[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(!library.contains("fwspec"), "the library depends on a package around it");
}

/// Text, JSON and pictures read the same answers: what `report` looks up by itself, one of them says and another loses.
#[test]
fn the_report_reads_answers_and_looks_nothing_up() {
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("report/src")) {
        let named = named_behind("fwspec::", &code(&file));
        for name in ["IdMap", "Groups", "Platform", "group", "map"] {
            assert!(!named.iter().any(|found| found == name), "{}: {name}", file.display());
        }
    }
}

#[test]
fn the_rules_object_to_what_they_should() {
    for (room, other) in [
        ("dt", "acpi"),
        ("acpi", "dt"),
        ("group", "dt"),
        ("pci", "acpi"),
        ("pci", "map"),
        ("map", "group"),
        ("id", "model"),
        ("machine", "answer"),
        ("machine", "lint"),
        ("map", "acpi"),
    ] {
        assert!(objection(room, other).is_some(), "{room} may see {other}");
    }
    for (room, other) in [
        ("dt", "dt"),
        ("error", "id"),
        ("group", "pci"),
        ("group", "map"),
        ("lint", "acpi"),
        ("answer", "lint"),
        ("dt", "bytes"),
    ] {
        assert_eq!(objection(room, other), None, "{room} sees {other}");
    }
}

#[test]
fn paths_are_found_in_every_form() {
    assert_eq!(named_behind("crate::", "use crate::map::IdMap;"), ["map"]);
    assert_eq!(named_behind("crate::", "use crate::{At, map::{self, IdMap}, dt};"), ["At", "map", "dt"]);
    assert_eq!(named_behind("crate::", "fn f(a: crate::Bdf, b: &crate::dt::Tree)"), ["Bdf", "dt"]);
}
