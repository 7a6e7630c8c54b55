//! What a crate gets that depends on the library: with default features a few small crates, with each other feature only what
//! that one is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cases::{cases, cases_of_three};
use crate::outside::run;
use crate::program::{cargo, lock, root, scratch};

/// What each feature pulls in beside what comes without any.
const PULLED_IN: [(&str, &[&str]); 8] = [
    ("default", &[]),
    ("alloc", &[]),
    ("std", &[]),
    (
        "archives",
        &[
            "adler2",
            "alloc-no-stdlib",
            "alloc-stdlib",
            "block-buffer",
            "brotli-decompressor",
            "bzip2",
            "cfg-if",
            "const-oid",
            "cpufeatures",
            "crc32fast",
            "crypto-common",
            "digest",
            "filetime",
            "flate2",
            "hybrid-array",
            "libbz2-rs-sys",
            "libc",
            "lz4_flex",
            "lzma-rust2",
            "miniz_oxide",
            "ruzstd",
            "sha2",
            "simd-adler32",
            "tar",
            "twox-hash",
            "typenum",
        ],
    ),
    ("serde", &["serde", "serde_core", "serde_derive"]),
    (
        "schema",
        &[
            "dyn-clone",
            "itoa",
            "ref-cast",
            "ref-cast-impl",
            "schemars",
            "schemars_derive",
            "serde",
            "serde_core",
            "serde_derive",
            "serde_derive_internals",
            "serde_json",
            "zmij",
        ],
    ),
    ("acpi", &["acpi", "bit_field", "bitflags", "log"]),
    ("fdt", &["fdt"]),
];

/// What a default dependency may pull in at most, the library included.
const MOST_BY_DEFAULT: usize = 14;

/// The features of the manifest.
fn features() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let rows = section.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

/// A crate that depends on the library with one feature and uses it; nothing where this is not a checkout.
fn dependent(feature: Option<&str>) -> Option<PathBuf> {
    let name = format!("dependent-{}", feature.unwrap_or("none"));
    let folder = scratch().join(&name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let features = feature.map_or(String::new(), |feature| format!("\"{feature}\""));
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
        fwspec = {{ path = {:?}, default-features = false, features = [{features}] }}\n\n\
        # As tests/no_std has it, so that what both depend on is checked once.\n\
        [profile.release]\npanic = \"abort\"\nopt-level = 0\n",
        root()
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let code = "#![no_std]\npub fn read(table: &[u8]) -> bool {\n    fwspec::acpi::iort::Iort::parse(table).is_ok()\n}\n";
    fs::write(folder.join("src/lib.rs"), code).unwrap();
    lock(&folder).then_some(folder)
}

/// The packages that a crate is built from, with their versions, but itself.
fn packages(dependent: &Path) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = run(cargo.current_dir(dependent));
    // The first is the crate itself; of the others name and version count.
    let version = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    tree.lines().skip(1).filter(|line| !line.is_empty()).map(version).collect()
}

fn names(packages: &BTreeSet<String>) -> BTreeSet<&str> {
    packages.iter().filter_map(|package| package.split(' ').next()).collect()
}

#[test]
fn each_feature_builds_alone_and_pulls_in_what_it_is_for() {
    let known = PULLED_IN.map(|(feature, _)| feature.to_owned());
    assert_eq!(features(), BTreeSet::from(known), "features, and what each of them pulls in");
    let Some(bare) = dependent(None) else { return };
    let bare = packages(&bare);
    for (feature, pulled_in) in PULLED_IN {
        let Some(folder) = dependent(Some(feature)) else { return };
        // What a feature pulls in is seen without a compiler. An ordinary run compiles the tier that tests/no_std has checked by then, for
        // the library with more than the default features is what its tests are built with; FWSPEC_CASES=more compiles it with the default ones.
        if feature == cases_of_three("alloc", "default", "default") || cases(false, true) {
            run(&mut cargo(&folder, "check"));
        }
        let all = packages(&folder);
        let more: BTreeSet<&str> = names(&all).difference(&names(&bare)).copied().collect();
        assert_eq!(more, pulled_in.iter().copied().collect(), "the feature {feature}");
        if feature == "default" {
            println!("by default: {}", all.iter().cloned().collect::<Vec<_>>().join(", "));
            assert!(all.len() <= MOST_BY_DEFAULT, "{} packages by default: {all:#?}", all.len());
            for heavy in ["clap", "serde", "schemars"] {
                assert!(!names(&all).contains(heavy), "{heavy} comes with a default dependency");
            }
        }
    }
}
