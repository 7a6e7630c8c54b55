//! What Debian packages, as it is: boot loaders with trees, overlays for the trees of its kernel, UEFI and other firmware, and images made by its
//! `mkbootimg`. `FWSPEC_DEBIAN=1` fetches them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use fwspec::dt::{Token, Tree};
use fwspec::lint::Severity;
use fwspec::machine::{Collector, Kind, Machine};

use super::pile::Scratch;
use crate::support::dt::Blob;
use crate::support::outside::{debian, installed, run, skip};

/// What a script of `tests/debian` unpacks into a folder of its name; one at a time.
fn fetched(what: &str) -> Option<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    debian(&format!("{what}.sh"), &format!("debian-{what}"))
        .map(|target| target.join(what))
        .map_err(skip)
        .ok()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
}

/// A word of a tree.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// What is below the root of a tree, found without anything of ours: the names of its nodes, and how many properties it has itself. `None`
/// where the tokens (devicetree specification 5.4) do not end as they should.
fn root(tree: &[u8]) -> Option<(Vec<String>, usize)> {
    let (mut at, end) = (word(tree, 8)?, word(tree, 8)? + word(tree, 36)?);
    let (mut names, mut properties, mut depth) = (Vec::new(), 0, 0);
    while at < end {
        let token = word(tree, at)?;
        at += 4;
        match token {
            1 => {
                let length = tree.get(at..end)?.iter().position(|byte| *byte == 0)?;
                if depth == 1 {
                    names.push(String::from_utf8_lossy(&tree[at..at + length]).into_owned());
                }
                at = (at + length + 1).next_multiple_of(4);
                depth += 1;
            }
            2 => depth -= 1,
            3 => {
                properties += usize::from(depth == 1);
                at = (at + 8 + word(tree, at)?).next_multiple_of(4);
            }
            4 => {}
            9 if depth == 0 => return Some((names, properties)),
            _ => return None,
        }
    }
    None
}

/// Every place where a whole tree stands, and its size, found without anything of ours: the magic, sizes that fit (devicetree specification
/// 5.2), tokens to the end.
fn dull_scan(bytes: &[u8]) -> Vec<(usize, usize)> {
    let places = 0..bytes.len().saturating_sub(40);
    let places = places.filter(|at| bytes[*at..*at + 4] == [0xd0, 0x0d, 0xfe, 0xed]);
    let whole = places.filter_map(|at| {
        let size = word(bytes, at + 4)?;
        let tree = bytes.get(at..at + size)?;
        let fits = word(tree, 12)? + word(tree, 32)? <= size && (16..=17).contains(&word(tree, 20)?);
        (fits && root(tree).is_some()).then_some((at, size))
    });
    whole.collect()
}

/// Whether a tree is a FIT: it has images, and describes no machine.
fn is_fit(tree: &[u8]) -> bool {
    root(tree).is_some_and(|(names, _)| names.iter().any(|name| name == "images"))
}

/// Whether there is nothing in it.
fn is_bare(tree: &[u8]) -> bool {
    root(tree).is_some_and(|(names, properties)| names.is_empty() && properties == 0)
}

/// A tree that is picked, so that all others are listed and none is taken for the machine's.
fn picked() -> Vec<u8> {
    let mut blob = Blob::new();
    blob.text("model", "picked").begin("soc").end();
    blob.finish()
}

/// Pieces that are no trees, by their names.
type Others = Vec<(String, Kind)>;

/// What is found in a file: every piece that is a tree, with its bytes, and the names of all other pieces.
fn found_in(file: &Path) -> (BTreeMap<String, Vec<u8>>, Others) {
    let name = file.display().to_string();
    let mut collector = Collector::new();
    collector.pick_firmware("picked", picked()).unwrap();
    if collector.open(file).is_err() {
        return (BTreeMap::new(), Vec::new());
    }
    let machine = collector.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (mut trees, mut others) = (BTreeMap::new(), Vec::new());
    for piece in machine.evidence.iter().filter(|piece| piece.name != "picked") {
        let inner = piece.name.strip_prefix(&name).unwrap().trim_start_matches('!').to_owned();
        let is_other = ["nothing in it", "not in one piece"];
        let is_other = is_other.iter().any(|why| piece.note.as_ref().is_some_and(|note| note.contains(why)));
        if piece.kind != Kind::DeviceTree || is_other {
            others.push((inner, piece.kind));
            continue;
        }
        let alone =
            Machine::open([Path::new(&piece.name)]).unwrap_or_else(|error| panic!("{}: {error}", piece.name));
        trees.insert(inner, alone.firmware.unwrap().tree().unwrap().bytes().to_vec());
    }
    (trees, others)
}

#[test]
fn every_tree_in_the_boot_loaders_of_debian_is_found() {
    let Some(firmware) = fetched("firmware") else { return };
    let mut all = Vec::new();
    files(&firmware, &mut all);
    let (mut packages, mut with, mut trees, mut fits) = (BTreeSet::new(), 0, 0, 0);
    for file in &all {
        let package = file.strip_prefix(&firmware).unwrap().iter().next().unwrap().to_str().unwrap();
        if !package.starts_with("u-boot-") {
            continue;
        }
        let bytes = fs::read(file).unwrap();
        let there = dull_scan(&bytes);
        let expected: Vec<&[u8]> = there.iter().map(|(at, size)| &bytes[*at..*at + *size]).collect();
        let (images, expected): (Vec<&[u8]>, Vec<&[u8]>) =
            expected.into_iter().filter(|tree| !is_bare(tree)).partition(|tree| is_fit(tree));
        let (found, others) = found_in(file);
        let expected: BTreeSet<&[u8]> = expected.into_iter().collect();
        let ours: BTreeSet<&[u8]> = found.values().map(Vec::as_slice).collect();
        assert_eq!(ours.len(), expected.len(), "{}: {:?} and {others:?}", file.display(), found.keys());
        assert!(ours == expected, "{}: other trees", file.display());
        let opened = others.iter().filter(|(_, kind)| *kind == Kind::Fit).count();
        assert_eq!(opened, images.len(), "{}: FIT images {others:?}", file.display());
        trees += expected.len();
        fits += images.len();
        if !expected.is_empty() {
            with += 1;
            packages.insert(package.to_owned());
        }
    }
    println!("{} files, {with} with {trees} trees and {fits} FIT images, of {packages:?}", all.len());
    assert!(trees > 100 && fits > 20 && packages.len() >= 5);
}

/// Nodes with their properties by their paths, whatever order they stand in.
fn values(blob: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let tree = Tree::parse(blob).unwrap();
    let (mut path, mut found) = (Vec::new(), BTreeMap::new());
    for token in tree.tokens() {
        match token.unwrap() {
            Token::BeginNode { name, .. } => {
                path.push(name.escape_ascii().to_string());
                found.insert(format!("{}/", path.join("/")), Vec::new());
            }
            Token::EndNode => drop(path.pop()),
            Token::Property { name, value, .. } => {
                let name = tree.string(name).unwrap().escape_ascii();
                found.insert(format!("{}/{name}", path.join("/")), value.to_vec());
            }
        }
    }
    found
}

/// Trees of the same folder that an overlay may be for, those first whose names start as its does.
fn bases<'a>(overlay: &Path, trees: &'a [PathBuf]) -> Vec<&'a PathBuf> {
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let name = stem(overlay);
    let shared = |tree: &&PathBuf| stem(tree).bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let mut beside: Vec<&PathBuf> = trees.iter().filter(|tree| tree.parent() == overlay.parent()).collect();
    beside.sort_by_key(|tree| (std::cmp::Reverse(shared(tree)), stem(tree)));
    beside
}

#[test]
fn overlays_of_debian_give_what_fdtoverlay_gives() {
    /// Bases that are tried for an overlay: the names of many do not tell.
    const TRIED: usize = 40;
    let Some(folder) = fetched("overlays") else { return };
    if !installed("fdtoverlay") {
        return;
    }
    let mut all = Vec::new();
    files(&folder, &mut all);
    let of = |extension: &str| -> Vec<PathBuf> {
        all.iter().filter(|file| file.extension().is_some_and(|other| other == extension)).cloned().collect()
    };
    let (trees, overlays) = (of("dtb"), of("dtbo"));
    let scratch = Scratch::with("debian-overlays", &[("none", b"")]);
    let out = scratch.0.join("out.dtb");
    let (mut applied, mut refused, mut composed, mut without) = (0, 0, 0, Vec::new());
    for overlay in &overlays {
        let mut found = false;
        for base in bases(overlay, &trees).into_iter().take(TRIED) {
            let _ = fs::remove_file(&out);
            let done = Command::new("fdtoverlay")
                .arg("-i")
                .arg(base)
                .arg("-o")
                .arg(&out)
                .arg(overlay)
                .output()
                .unwrap();
            let ours = Machine::open([base, overlay]);
            let case = format!("{} on {}", overlay.display(), base.display());
            if !done.status.success() {
                assert!(
                    ours.is_err(),
                    "{case}: fdtoverlay refuses it: {}",
                    String::from_utf8_lossy(&done.stderr)
                );
                refused += 1;
                continue;
            }
            let ours = ours.unwrap_or_else(|error| panic!("{case}: {error}"));
            let (ours, theirs) =
                (values(ours.firmware.unwrap().tree().unwrap().bytes()), values(&fs::read(&out).unwrap()));
            // A base that has the overlay in it already: libfdt before 1.7.1 gives its nodes new phandles, later ones keep those of the base
            // (libfdt fdt_overlay.c `overlay_prevent_phandle_overwrite`).
            let before = values(&fs::read(base).unwrap());
            let renumbered = |name: &String| {
                name.ends_with("/phandle")
                    && before.get(name).is_some_and(|old| theirs.get(name) != Some(old))
            };
            if before.keys().any(renumbered) {
                composed += 1;
                continue;
            }
            let differs = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
            assert_eq!(differs, None, "{case}");
            assert_eq!(ours.len(), theirs.len(), "{case}");
            applied += 1;
            found = true;
            break;
        }
        if !found {
            without.push(overlay.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    println!(
        "{} overlays: {applied} applied alike, {refused} refused alike, {composed} with bases that have them already; without a base: {without:?}",
        overlays.len()
    );
    assert!(applied * 10 >= overlays.len() * 8, "{without:?}");
}

#[test]
fn images_of_mkbootimg_are_opened() {
    let Some(firmware) = fetched("firmware") else { return };
    if !installed("python3") {
        return;
    }
    let tool = firmware.join("mkbootimg/usr/bin/mkbootimg");
    let tree =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/d05-2020/fdt.dtb")).unwrap();
    let appended = [&b"\0 a kernel"[..], &[0x55; 5_000], &tree].concat();
    let files: [(&str, &[u8]); 4] =
        [("fdt.dtb", &tree), ("kernel", &appended[..5_000]), ("kernel-dtb", &appended), ("ramdisk", b"cpio")];
    let scratch = Scratch::with("mkbootimg", &files);
    let file = |name: &str| scratch.0.join(name);
    type Call<'a> = (&'a str, Vec<(&'a str, PathBuf)>, Kind);
    let arguments: [Call<'_>; 8] = [
        ("0", vec![("--kernel", file("kernel-dtb")), ("--output", file("0.img"))], Kind::AndroidBoot),
        ("1", vec![("--kernel", file("kernel-dtb")), ("--output", file("1.img"))], Kind::AndroidBoot),
        (
            "1",
            vec![
                ("--kernel", file("kernel-dtb")),
                ("--recovery_dtbo", file("ramdisk")),
                ("--output", file("1r.img")),
            ],
            Kind::AndroidBoot,
        ),
        (
            "2",
            vec![("--kernel", file("kernel")), ("--dtb", file("fdt.dtb")), ("--output", file("2.img"))],
            Kind::AndroidBoot,
        ),
        (
            "2",
            vec![
                ("--kernel", file("kernel")),
                ("--dtb", file("fdt.dtb")),
                ("--recovery_dtbo", file("ramdisk")),
                ("--pagesize", "4096".into()),
                ("--output", file("2r.img")),
            ],
            Kind::AndroidBoot,
        ),
        (
            "3",
            vec![
                ("--vendor_ramdisk", file("ramdisk")),
                ("--dtb", file("fdt.dtb")),
                ("--vendor_boot", file("3.img")),
            ],
            Kind::VendorBoot,
        ),
        (
            "4",
            vec![
                ("--vendor_ramdisk", file("ramdisk")),
                ("--dtb", file("fdt.dtb")),
                ("--vendor_boot", file("4.img")),
            ],
            Kind::VendorBoot,
        ),
        ("4", vec![("--kernel", file("kernel-dtb")), ("--output", file("4k.img"))], Kind::AndroidBoot),
    ];
    for (version, arguments, kind) in arguments {
        let mut command = Command::new("python3");
        command.arg(&tool).args(["--header_version", version, "--ramdisk"]).arg(file("ramdisk"));
        for (option, value) in &arguments {
            command.arg(option).arg(value);
        }
        run(&mut command);
        let image = &arguments.last().unwrap().1;
        let machine = Machine::open([image]).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert_eq!(machine.evidence[0].kind, kind, "{command:?}");
        assert!(machine.firmware.unwrap().tree().unwrap().bytes() == tree, "{command:?}");
    }
}

/// Firmware of Debian that holds tables or trees as it lies on the disk, the number of each, and why. All other makes its tables when it starts, or
/// has them from QEMU.
const HOLDS: &[(&str, usize, &str)] = &[
    ("qemu-system-data/usr/share/qemu/bamboo.dtb", 1, "The tree of a PowerPC board, without an IOMMU."),
    ("qemu-system-data/usr/share/qemu/canyonlands.dtb", 1, "The tree of a PowerPC board, without an IOMMU."),
    ("qemu-system-data/usr/share/qemu/pegasos1.dtb", 1, "The tree of a PowerPC board, without an IOMMU."),
    ("qemu-system-data/usr/share/qemu/pegasos2.dtb", 1, "The tree of a PowerPC board, without an IOMMU."),
    (
        "qemu-system-data/usr/share/qemu/petalogix-ml605.dtb",
        1,
        "The tree of a MicroBlaze board, without an IOMMU.",
    ),
    (
        "qemu-system-data/usr/share/qemu/petalogix-s3adsp1800.dtb",
        1,
        "The tree of a MicroBlaze board, without an IOMMU.",
    ),
];

/// Part of a file's name, the code that is found above info, and why it is right.
const RIGHT: &[(&str, &str, &str)] = &[
    (
        "qcm6490",
        "DT014",
        "iommu-map has entries of four cells, although apps_smmu has two cells in a specifier: kernels from 7.3 on read five.",
    ),
    ("qcm6490", "DT023", "crypto@1dfa000 lists <&apps_smmu 0x4e4 0x0011> and the like twice."),
];

#[test]
fn firmware_that_debian_packages_is_looked_through() {
    let Some(firmware) = fetched("firmware") else { return };
    let mut all = Vec::new();
    files(&firmware, &mut all);
    let (mut held, mut used, mut looked_into) = (BTreeMap::new(), BTreeSet::new(), 0);
    let mut unjustified = BTreeSet::new();
    for file in &all {
        let name = file.strip_prefix(&firmware).unwrap().display().to_string();
        let (trees, others) = found_in(file);
        looked_into += usize::from(!others.is_empty());
        let tables = others
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::AcpiTable(_) | Kind::AcpiTables(_)))
            .count();
        if !name.starts_with("u-boot-") && trees.len() + tables > 0 {
            held.insert(name.clone(), trees.len() + tables);
        }
        for (piece, blob) in trees {
            let firmware = fwspec::machine::Firmware::open(&piece, blob).unwrap();
            for one in fwspec::answer::findings(&firmware).iter().filter(|one| one.severity > Severity::Info)
            {
                let row = RIGHT
                    .iter()
                    .position(|(part, code, _)| name.contains(part) && one.code.rule().id == *code);
                match row {
                    Some(row) => drop(used.insert(row)),
                    None => drop(unjustified.insert(format!("{name}!{piece}: {one}"))),
                }
            }
        }
    }
    println!("{} files, {looked_into} hold others", all.len());
    let expected: BTreeMap<String, usize> =
        HOLDS.iter().map(|(name, count, _)| ((*name).to_owned(), *count)).collect();
    assert_eq!(held, expected);
    let unjustified: Vec<_> = unjustified.into_iter().collect();
    assert!(unjustified.is_empty(), "no sentence for\n{}", unjustified.join("\n"));
    assert_eq!(used.len(), RIGHT.len(), "a sentence is of no finding");
}
