//! DMAR and IVRS field by field: every byte once, each field as `iasl -d` has it, and what lint says of the tables of real machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fwspec::acpi::dmar::Dmar;
use fwspec::acpi::ivrs::Ivrs;
use fwspec::lint::Severity;
use fwspec::machine::Firmware;

use crate::outside::{shared, skip};

/// The tables of a folder of the reference data.
fn tables() -> Vec<(PathBuf, Vec<u8>)> {
    let Some(folder) = shared("corpus/x86") else { return Vec::new() };
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let tables = paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap()));
    tables.filter(|(_, bytes)| bytes.starts_with(b"DMAR") || bytes.starts_with(b"IVRS")).collect()
}

fn fields(bytes: &[u8]) -> String {
    let mut text = String::new();
    match bytes.starts_with(b"DMAR") {
        true => fwspec_report::dmar::fields(&Dmar::parse(bytes).unwrap(), &mut text).unwrap(),
        false => fwspec_report::ivrs::fields(&Ivrs::parse(bytes).unwrap(), &mut text).unwrap(),
    }
    text
}

/// Size and value of each field, by its offset.
fn rows(text: &str) -> BTreeMap<usize, (usize, String)> {
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['!', ' ']));
    let row = |line: &str| {
        let (offset, rest) = line.split_at(4);
        let size = rest.split_whitespace().next().unwrap().parse().unwrap();
        // Offset, size and name have columns of their own.
        (usize::from_str_radix(offset, 16).unwrap(), (size, line[38..].to_string()))
    };
    rows.map(row).collect()
}

#[test]
fn the_text_shows_every_byte_once() {
    for (path, bytes) in tables() {
        let mut next = 0;
        for (offset, (size, _)) in rows(&fields(&bytes)) {
            assert_eq!(offset, next, "{}", path.display());
            next += size;
        }
        assert_eq!(next, bytes.len(), "{}", path.display());
    }
}

/// A field as iasl writes it: its offset, size and value.
fn of_iasl(line: &str) -> Option<(usize, usize, &str)> {
    let (place, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut numbers = place.split_whitespace();
    let offset = usize::from_str_radix(numbers.next()?.trim_end_matches('h'), 16).ok()?;
    // In hexadecimal since 2021.
    let size = numbers.nth(1)?;
    let size = match size.strip_suffix('h') {
        Some(size) => usize::from_str_radix(size, 16).ok()?,
        None => size.parse().ok()?,
    };
    let value = rest.split_once(" : ")?.1;
    Some((offset, size, value.split(" [").next()?.trim()))
}

/// Fields of iasl that are several rows here.
fn joined(rows: &BTreeMap<usize, (usize, String)>, offset: usize, size: usize) -> Option<String> {
    let (first, value) = rows.get(&offset)?;
    let word = |value: &str| value.split("  ").next().unwrap().to_string();
    if *first == size {
        return Some(word(value));
    }
    // Bytes of one number, the lowest first.
    let (mut at, mut parts) = (offset, Vec::new());
    while at < offset + size {
        let (size, value) = rows.get(&at)?;
        parts.push(word(value));
        at += size;
    }
    parts.reverse();
    (at == offset + size).then(|| parts.concat())
}

#[test]
fn every_field_is_as_iasl_has_it() {
    let iasl = std::env::var_os("IASL").unwrap_or_else(|| "iasl".into());
    if !Command::new(&iasl).arg("-v").output().is_ok_and(|done| done.status.success()) {
        return skip("iasl is not installed");
    }
    let folder = std::env::temp_dir().join(format!("fwspec-iasl-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (mut compared, mut faults) = (0, Vec::new());
    for (path, bytes) in tables() {
        let (blob, out) = (folder.join("table.bin"), folder.join("table"));
        fs::write(&blob, &bytes).unwrap();
        let done = Command::new(&iasl).arg("-p").arg(&out).arg("-d").arg(&blob).output().unwrap();
        assert!(done.status.success(), "{}", path.display());
        let dsl = fs::read_to_string(out.with_extension("dsl")).unwrap();
        let rows = rows(&fields(&bytes));
        for (offset, size, value) in dsl.lines().filter_map(of_iasl) {
            let Some(ours) = joined(&rows, offset, size) else {
                faults.push(format!("{}: nothing of {size} bytes at {offset:#x}", path.display()));
                continue;
            };
            compared += 1;
            let plain =
                |text: &str| text.trim_matches('"').trim_end_matches("\\x00").trim_end().to_ascii_lowercase();
            let zeros = ours == "zeros" && value.chars().all(|c| c == '0' || c == ' ');
            if !zeros
                && plain(&ours.replace("\\x00", "")) != plain(value)
                && !same_bytes(&bytes, offset, size, value)
            {
                faults.push(format!("{} at {offset:#x}: {ours}, iasl has {value}", path.display()));
            }
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    println!("{compared} fields compared");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// iasl shows some identifiers as numbers, and others as text of which it leaves out what cannot be printed.
fn same_bytes(table: &[u8], offset: usize, size: usize, value: &str) -> bool {
    let bytes = &table[offset..offset + size];
    let number: String = bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect();
    let text = value.trim_matches('"').bytes();
    let printable = bytes.iter().copied().filter(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let spaces = |byte: &u8| *byte != b' ';
    number == value || text.filter(spaces).eq(printable.filter(spaces))
}

/// Findings above `info` in the tables of the corpus, by the start of the file's name, and why each is right.
const JUSTIFIED: &[(&str, &str, &str)] = &[
    (
        "template-iasl",
        "IVRS006",
        "iasl's form to be filled in has an entry for all functions in its block of type 0x10 only, and an I/O APIC as 00:00.1 in that of type 0x40",
    ),
    (
        "template-iasl",
        "DMAR007",
        "iasl's form to be filled in has no address of registers: dmar_validate_one_drhd() answers EINVAL, and Linux uses no unit",
    ),
];

#[test]
fn findings_above_info_in_the_tables_of_the_corpus_are_justified() {
    let (mut said, mut met) = (Vec::new(), BTreeSet::new());
    for (path, bytes) in tables() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let firmware = Firmware::open("table", bytes).unwrap();
        for finding in
            fwspec::answer::findings(&firmware).iter().filter(|found| found.severity > Severity::Info)
        {
            let code = finding.code.rule().id;
            match JUSTIFIED.iter().position(|(file, of, _)| name.starts_with(file) && *of == code) {
                Some(row) => _ = met.insert(row),
                None => said.push(format!("{name}: {finding}")),
            }
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
    assert!(met.is_empty() || met.len() == JUSTIFIED.len(), "a justification is about nothing");
}

#[test]
fn show_prints_every_field() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-samples"));
    for (sample, table) in [("qemu-intel-iommu", "dmar.bin"), ("qemu-amd-iommu", "ivrs.bin")] {
        let path = folder.join(sample).join(table);
        let done = Command::new(env!("CARGO_BIN_EXE_fwspec"))
            .args(["show", "--fields"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(done.status.success(), "{sample}");
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(said.contains(&fields(&fs::read(&path).unwrap())), "{sample}: {said}");
    }
}
