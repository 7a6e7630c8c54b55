//! Each finding has its sample, which trips it and nothing else; healthy firmware trips none. `BLESS=1` writes the samples.

use crate::support::outside::shared;

use super::acpi;
use super::devices;
use super::dtb;
use super::tables;
use super::x86;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use fwspec::acpi::iort::Reference;
use fwspec::answer::Linted;
use fwspec::lint::{self, Code, Finding, Severity};
use fwspec::machine::Firmware;
use fwspec::{Dialect, Groups, IdMap, RequesterIndex};

/// What the command finds in a file.
fn findings(bytes: &[u8]) -> Vec<Finding> {
    let firmware = match Firmware::open("sample", bytes.to_vec()) {
        Ok(firmware) => firmware,
        Err(error) => return vec![lint::unreadable(&error).expect("a finding about the table")],
    };
    fwspec::answer::findings(&firmware)
}

/// What the command finds with `--pci`.
fn findings_among(machine: &devices::Machine) -> Vec<Finding> {
    let firmware = Firmware::open("sample", machine.firmware.clone()).unwrap();
    let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    let mut groups = Groups::new(map);
    for device in
        fwspec::machine::devices(&fwspec::machine::lspci::parse(machine.lspci.as_bytes()).unwrap()).0
    {
        groups.add(device).unwrap();
    }
    groups.settle();
    let mut found = findings(&machine.firmware);
    found.extend(lint::groups(&groups, &firmware.platform, machine.sid_bits));
    found
}

fn codes(findings: &[Finding], at_least: Severity) -> BTreeSet<Code> {
    findings.iter().filter(|finding| finding.severity >= at_least).map(|finding| finding.code).collect()
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Codes that never come alone, with the one that comes along: systems disagree only where something else is wrong, and a bridge that no
/// unit translates is a device that none does.
const ACCOMPANIED: [(Code, Code); 2] =
    [(Code::DialectsDisagree, Code::RootSingle), (Code::DmarBridgeLeftOut, Code::DeviceUnmapped)];

#[test]
fn each_code_has_a_sample_that_trips_it_and_nothing_else() {
    let folder = project().join("firmware-samples/broken");
    let bless = std::env::var_os("BLESS").is_some();
    let mut faults = Vec::new();
    let mut cases = String::new();
    for code in Code::ALL {
        let rule = code.rule();
        let iort = acpi::recipe(*code).map(|bytes| ("iort.bin", bytes));
        let tree = dtb::recipe(*code).map(|bytes| ("fdt.dtb", bytes));
        let firmware: Vec<_> =
            [iort, tree, tables::recipe(*code), x86::recipe(*code)].into_iter().flatten().collect();
        let (files, found) = match (firmware.as_slice(), devices::recipe(*code)) {
            ([(_, bytes)], None) => {
                let found = findings(bytes);
                (firmware, found)
            }
            ([], Some(machine)) => {
                let found = findings_among(&machine);
                (vec![(machine.file, machine.firmware), ("lspci.txt", machine.lspci.into_bytes())], found)
            }
            _ => {
                faults.push(format!("{code} {} has no recipe, or two", rule.name));
                continue;
            }
        };
        if let (Some((_, blob)), Some(finding)) =
            (files.first(), found.iter().find(|finding| finding.code == *code))
        {
            let firmware = Firmware::open("sample", blob.clone()).ok();
            let linted = Linted::new("", firmware, Vec::new());
            writeln!(cases, "{code} {}: {}", linted.place(finding.at), finding.message).unwrap();
        }
        for (file, bytes) in files {
            let sample = folder.join(format!("{}-{}", rule.id, rule.name)).join(file);
            if bless {
                fs::create_dir_all(sample.parent().unwrap()).unwrap();
                fs::write(&sample, &bytes).unwrap();
            }
            if fs::read(&sample).ok().as_ref() != Some(&bytes) {
                faults.push(format!(
                    "{} is not what its recipe writes; if it is meant to be, BLESS=1",
                    sample.display()
                ));
            }
        }
        let mut wanted = BTreeSet::from([*code]);
        wanted.extend(ACCOMPANIED.iter().filter(|(of, _)| of == code).map(|(_, with)| *with));
        let mut tripped = codes(&found, Severity::Warn);
        tripped.extend(found.iter().map(|finding| finding.code).filter(|found| found == code));
        if tripped != wanted {
            let said: Vec<_> = found.iter().map(ToString::to_string).collect();
            faults.push(format!(
                "{code} {}: wanted {wanted:?}, found\n    {}",
                rule.name,
                said.join("\n    ")
            ));
        }
    }
    println!("{} codes", Code::ALL.len());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    // `fwspec explain` shows the case of a code.
    let file = project().join("src/lint/cases.txt");
    if bless {
        fs::write(&file, &cases).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == cases, "src/lint/cases.txt is of other samples: BLESS=1");
}

#[test]
fn healthy_firmware_trips_nothing() {
    let tables = [tables::healthy_rimt().bytes(), tables::healthy_viot().bytes()];
    let x86 = [x86::healthy_dmar().finish(), x86::healthy_ivrs().finish()];
    for bytes in [acpi::healthy().0.finish(), dtb::healthy().blob()].into_iter().chain(tables).chain(x86) {
        let found: Vec<_> = findings(&bytes).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// Requester IDs have 16 bits; that one of two maps has a longer entry is no difference.
#[test]
fn maps_differ_in_requester_ids_only() {
    let differ = |length: u32, mask: u32| {
        let mut root = dtb::healthy();
        root.child(dtb::HOST).cells("iommu-map", &[0, 1, 0, length]).cells("iommu-map-mask", &[mask]);
        let found = findings(&root.blob());
        found
            .iter()
            .find(|finding| finding.code == Code::MapsDiffer)
            .map(|finding| finding.message.to_string())
    };
    assert_eq!(differ(0x10000, 0xffff), None);
    assert_eq!(differ(u32::MAX, 0xffff), None);
    let less = "iommu-map covers 32768 requester IDs, msi-map 65536, and not the same ones";
    assert_eq!(differ(0x8000, 0xffff).as_deref(), Some(less));
}

/// With a mask a function goes where the function of another bus goes, or of another place on it.
#[test]
fn a_host_with_a_mask_is_judged_by_what_its_requester_ids_become() {
    let mut judged = BTreeMap::new();
    for mask in [0xffff, 0xfff8, 0x80ff, 0x00ff, 0x4003, 0x0003, 0] {
        for buses in [[0, 0], [0, 0xff], [0x40, 0x41], [0x80, 0xff]] {
            for (first, count) in [(0, 1), (0, 0x100), (3, 1), (0x4000, 0x100), (0x8000, 0x8000)] {
                let mut root = dtb::healthy();
                let host = root.child(dtb::HOST).cells("bus-range", &buses);
                host.cells("iommu-map", &[first & mask, 1, 0, count]).cells("iommu-map-mask", &[mask]);
                let firmware = Firmware::open("sample", root.blob()).unwrap();
                let map = IdMap::build(&firmware.platform, Dialect::LINUX);
                let (mut translated, mut open) = (false, false);
                for rid in buses[0] << 8..=buses[1] << 8 | 0xff {
                    let found = map.stream_from(RequesterIndex(0), rid);
                    translated |= found.is_ok();
                    open |= found.is_err();
                }
                let found = codes(&fwspec::answer::findings(&firmware), Severity::Info);
                let place = format!("{first:#x} and {count:#x} under {mask:#x}, buses {buses:x?}: {found:?}");
                assert_eq!(found.contains(&Code::BusUntranslated), !translated, "{place}");
                assert_eq!(found.contains(&Code::Bypass), translated && open, "{place}");
                *judged.entry((translated, open)).or_insert(0) += 1;
            }
        }
    }
    assert!(judged.len() == 3 && judged.values().all(|count| *count > 10), "{judged:?}");
}

/// What iasl, acpiview, fwts and dtc have nothing to say of is told here, as a warning at least; an empty entry, which boards ship for
/// their boot loader to fill in, as a note.
#[test]
fn what_other_tools_pass_over_is_told() {
    let mut silent: Vec<(&str, Vec<u8>, Code)> = Vec::new();
    // A table with an ITS group at 0x30, an SMMUv3 at 0x48 and a root complex at 0xa0, whose mappings are these.
    let mut table = |what, mappings: &[(u32, u32, u32, u32)], code| {
        let mut table = fwspec::acpi::iort::Builder::new(6);
        let its = table.its_group([0]).id();
        table.smmu_v3(0x2b40_0000).maps(0..=0x1_fffe, 0, its);
        let mut root = table.root_complex(0);
        for (first, count, output, reference) in mappings {
            root.mapping(*first, *count, *output, Reference::Offset(*reference), 0);
        }
        silent.push((what, table.finish(), code));
    };
    table("overlap", &[(0, 0x1ff, 0, 0x48), (0x180, 0xfe7f, 0x180, 0x48)], Code::RangeRepeat);
    table("overlap, differently", &[(0, 0x1ff, 0, 0x48), (0x180, 0xfe7f, 0x1000, 0x48)], Code::RangeOverlap);
    table("overlap of SMMU and ITS", &[(0, 0xffff, 0, 0x48), (0, 0xffff, 0x100, 0x30)], Code::RangeOverlap);
    table("count is N", &[(0, 0x100, 0, 0x48), (0x100, 0xfeff, 0x100, 0x48)], Code::CountIsN);
    table("count is N, last", &[(0, 0x1_0000, 0, 0x48)], Code::CountIsN);
    table("count is N-2", &[(0, 0xfffe, 0, 0x48)], Code::DmaHole);
    table("dangling", &[(0, 0xffff, 0, 0x7770)], Code::ReferenceDangling);
    table("into the middle of a node", &[(0, 0xffff, 0, 0x4c)], Code::ReferenceDangling);
    table("at a mapping", &[(0, 0xffff, 0, 0x8c)], Code::ReferenceDangling);
    table("into the header", &[(0, 0xffff, 0, 0x14)], Code::ReferenceDangling);
    table("nowhere", &[(0, 0xff, 0, 0x48), (0x100, 0xfeff, 0, 0)], Code::ReferenceNull);
    table("at itself", &[(0, 0xffff, 0, 0xa0)], Code::MappingCycle);
    table("inputs past 2^32", &[(0xffff_ff00, 0x1ff, 0, 0x48)], Code::InputWraps);
    table("outputs past 2^32", &[(0, 0xffff, 0xffff_ff00, 0x48)], Code::OutputWraps);
    for (map, target) in [("iommu-map", 1), ("msi-map", 2)] {
        let msi = map == "msi-map";
        let mut tree = |what, change: &dyn Fn(&mut dtb::Node), code| {
            let mut root = dtb::healthy();
            change(root.child("pcie@40000000"));
            root.child("timer").text("compatible", "arm,armv8-timer").cells("phandle", &[9]);
            silent.push((what, root.blob(), code));
        };
        let mut entries = |what, cells: &[u32], code| {
            tree(
                what,
                &|host| {
                    host.cells(map, cells);
                },
                code,
            );
        };
        entries("a cell too few", &[0, target, 0], Code::EntryCut);
        entries("an entry too short", &[0, target, 0, 0x8000, 0x8000, target], Code::EntryCut);
        entries("a phandle of nobody", &[0, 0x77, 0, 0x10000], Code::PhandleUnknown);
        let wrong = if msi { Code::MsiMapTarget } else { Code::MapCellsAssumed };
        entries("a target of another kind", &[0, 9, 0, 0x10000], wrong);
        entries("an empty entry", &[0, target, 0, 0x10000, 0x10, target, 0, 0], Code::MapEntryEmpty);
        let overlap = [0, target, 0, 0x8000, 0x7000, target, 0x9000, 0x9000];
        entries("entries that overlap", &overlap, Code::MapOverlap);
        entries("a length that is the last id", &[0, target, 0, 0xffff], Code::LengthIsLast);
        entries("more than requester IDs", &[0, target, 0, 0x2_0000], Code::MapBeyondRid);
        entries("ids past 2^32", &[0, target, 0xffff_ff00, 0x10000], Code::MapOutputWraps);
        entries("no entry", &[], Code::MapEmpty);
        let shared = if msi { Code::DeviceShared } else { Code::StreamShared };
        entries("an id twice", &[0, target, 0, 0x8000, 0x8000, target, 0x4000, 0x8000], shared);
        let mask = format!("{map}-mask");
        let masked: &dyn Fn(&mut dtb::Node) = &|host| {
            {
                host.cells(map, &[0x105, target, 0, 0x100]).cells(&mask, &[0xfff8]);
            };
        };
        tree("bits that the mask drops", masked, Code::MapBase);
        tree(
            "a mask of two cells",
            &|host| {
                host.cells(&mask, &[0xffff, 0]);
            },
            Code::MaskLength,
        );
        let bytes: &dyn Fn(&mut dtb::Node) = &|host| {
            host.text(map, "fault");
        };
        tree("a length that is no number of cells", bytes, Code::CellsLength);
    }
    let mut faults = Vec::new();
    for (what, bytes, code) in &silent {
        let found = findings(bytes);
        let least = if *code == Code::MapEntryEmpty { Severity::Info } else { Severity::Warn };
        if !found.iter().any(|finding| finding.code == *code && finding.severity >= least) {
            let said: Vec<_> = found.iter().map(ToString::to_string).collect();
            faults.push(format!("{what}: wanted {code}, found {}", said.join("; ")));
        }
    }
    println!("{} tables and trees", silent.len());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_healthy_machine_trips_nothing() {
    let found: Vec<_> = findings_among(&devices::healthy_machine()).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A README says of each blob beside it: "`fwspec lint` finds in `iort.bin`: IORT057, …".
#[test]
fn samples_of_machines_trip_what_their_readme_names() {
    let mut blobs = 0;
    for entry in fs::read_dir(project().join("firmware-samples")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() || folder.ends_with("broken") {
            continue;
        }
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        for file in ["iort.bin", "rimt.bin", "viot.bin", "dmar.bin", "ivrs.bin", "fdt.dtb"] {
            let Ok(bytes) = fs::read(folder.join(file)) else { continue };
            let start = format!("`fwspec lint` finds in `{file}`:");
            let line = readme.lines().find_map(|line| line.strip_prefix(start.as_str()));
            let line = line.unwrap_or_else(|| panic!("{}: no word of {file}", folder.display()));
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            let told: BTreeSet<Code> = words.filter_map(Code::named).collect();
            let found = codes(&findings(&bytes), Severity::Info);
            assert_eq!(found, told, "{} {file}", folder.display());
            blobs += 1;
        }
    }
    println!("{blobs} blobs");
    assert!(blobs > 8, "{blobs} blobs");
}

#[test]
fn codes_are_unique_and_say_everything() {
    let ids: BTreeSet<_> = Code::ALL.iter().map(|code| code.rule().id).collect();
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.rule().name).collect();
    assert_eq!((ids.len(), names.len()), (Code::ALL.len(), Code::ALL.len()));
    for rule in Code::ALL.iter().map(|code| code.rule()) {
        for text in [rule.what, rule.why, rule.help] {
            assert!(
                text.ends_with('.') && text.is_ascii() && !text.contains("invalid"),
                "{}: {text}",
                rule.id
            );
        }
    }
}

fn corpus(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Some(folder) = shared(&format!("corpus/{folder}")) else { return Vec::new() };
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn known_faults_are_found_and_every_error_is_right() {
    // Why an error on a table that is in use is right.
    let reasons: BTreeMap<&str, &[Code]> = BTreeMap::from([
        // Counts of 0x2000, 0x800 and 0x10000 are those of IDs, not of IDs minus one (edk2-platforms b13d587e).
        ("hisilicon-D03Iort.iort.bin", &[Code::CountIsN][..]),
        ("hisilicon-D05Iort.iort.bin", &[Code::CountIsN][..]),
        // Input bases such as 0x87030000: no requester ID gets there, Linux translates none of the PCI devices.
        ("edk2msm-sdm845.iort.bin", &[Code::InputNotRid][..]),
        ("edk2msm-sm8150.iort.bin", &[Code::InputNotRid][..]),
        ("huawei-matebooke-2019.iort.bin", &[Code::InputNotRid][..]),
        ("lenovo-yoga-c630.iort.bin", &[Code::InputNotRid][..]),
        ("silicium-Moorea.iort.bin", &[Code::InputNotRid][..]),
        // iasl's template: a form to be filled in, its references are 0 or point nowhere.
        (
            "template-iasl20260408.iort.bin",
            &[Code::ReferenceNull, Code::ReferenceDangling, Code::MsiIndexTarget][..],
        ),
    ]);
    let wanted: BTreeMap<&str, &[Code]> = BTreeMap::from([
        ("cix-sky1.iort.bin", &[Code::IdentifierRepeated, Code::MsiHole][..]),
        ("edk2msm-sdm845.iort.bin", &[Code::Checksum][..]),
        ("edk2msm-sm7125.iort.bin", &[Code::Checksum][..]),
    ]);
    let files = corpus("iort", "bin");
    for path in &files {
        let file = name(path);
        let found = findings(&fs::read(path).unwrap());
        let errors = codes(&found, Severity::Error);
        assert_eq!(
            errors,
            reasons.get(file.as_str()).copied().unwrap_or(&[]).iter().copied().collect(),
            "{file}"
        );
        let all = codes(&found, Severity::Info);
        for code in wanted.get(file.as_str()).copied().unwrap_or(&[]) {
            assert!(all.contains(code), "{file} should trip {code}");
        }
    }
    println!("{} tables", files.len());
}

#[test]
fn trees_of_linux_trip_no_error() {
    let files = corpus("dtb", "dtb");
    let mut misread = 0;
    for path in &files {
        let found = findings(&fs::read(path).unwrap());
        let errors: Vec<_> =
            found.iter().filter(|f| f.severity == Severity::Error).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{}: {}", name(path), errors.join("\n"));
        misread += usize::from(found.iter().any(|f| f.code == Code::ClassicReading));
    }
    println!("{} trees, {misread} of them read in another way by kernels before 7.3", files.len());
    assert!(files.is_empty() || misread > 0, "Qualcomm trees with entries of five cells are among them");
}

#[test]
fn hostile_firmware_is_checked_in_linear_time() {
    let start = std::time::Instant::now();
    // Sixty nodes of three thousand mappings that all overlap, on one SMMU that maps as many.
    let mut table = fwspec::acpi::iort::Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).id();
    for id in 0..3000 {
        table.edit(smmu).maps(2 * id..=2 * id, id, its);
    }
    for segment in 0..60 {
        let root = table.root_complex(segment).id();
        for id in 0..3000 {
            table.edit(root).maps(id..=0xffff - id, id, smmu);
        }
    }
    let found = findings(&table.finish());
    // A tree whose map has forty thousand entries, every second id of them free.
    let mut root = dtb::healthy();
    let map: Vec<u32> = (0..40_000).flat_map(|id| [2 * id, 1, id, 1]).collect();
    root.child("pcie@40000000").cells("iommu-map", &map);
    let in_tree = findings(&root.blob());
    println!("{} and {} findings in {:?}", found.len(), in_tree.len(), start.elapsed());
    assert!(found.len() + in_tree.len() < 20_000, "findings are bounded in number");
    assert!(start.elapsed().as_secs() < 60);
}
