//! Folders and many files: what of them is read, in which order it is told, and what one broken file costs.

use crate::cases::cases_of_three;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fwspec::acpi::iort::Builder;
use serde_json::Value;

fn fwspec(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(arguments).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fwspec"));
    command.args(arguments).env_remove("NO_COLOR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A new, empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("many").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sample(file: &str) -> Vec<u8> {
    fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("firmware-samples").join(file))
        .unwrap()
}

/// An IORT that is told apart by the segment of its root complex.
fn iort(segment: u32) -> Vec<u8> {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    table.root_complex(segment).maps(0..=0xffff, 0, smmu);
    table.finish()
}

/// A table with only a header, of any signature.
fn other_table(signature: &[u8; 4]) -> Vec<u8> {
    let mut table = iort(0)[..36].to_vec();
    table[..4].copy_from_slice(signature);
    table[4..8].copy_from_slice(&36_u32.to_le_bytes());
    table
}

fn documents(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The files of the documents, without the folder.
fn files(output: &Output, folder: &Path) -> Vec<String> {
    let below = |document: &Value| {
        let file = Path::new(document["file"].as_str().unwrap()).strip_prefix(folder).unwrap().to_owned();
        file.to_str().unwrap().to_owned()
    };
    documents(output).iter().map(below).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn show(folder: &Path) -> Output {
    fwspec(&["show", "--json", folder.to_str().unwrap()], b"")
}

#[test]
fn documents_come_in_the_order_of_the_names_however_long_each_takes() {
    let folder = folder("order");
    // Trees, tables of one mapping and of thousands, one after the other.
    for number in 0..300_u32 {
        let bytes = match number % 3 {
            0 => sample("d05-2020/fdt.dtb"),
            1 => iort(number),
            _ => {
                let mut table = Builder::new(6);
                let smmu = table.smmu_v3(0x2b40_0000).id();
                let mut root = table.root_complex(number);
                for entry in (0..500).rev() {
                    root.maps(entry * 2..=entry * 2, entry, smmu);
                }
                table.finish()
            }
        };
        fs::write(folder.join(format!("{number:03}")), bytes).unwrap();
    }
    let output = show(&folder);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(files(&output, &folder), (0..300).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    for (number, document) in documents(&output).iter().enumerate().filter(|(number, _)| number % 3 > 0) {
        assert_eq!(document["requesters"][0]["segment"], number);
    }
    // And what is said of each does not depend on the company.
    for number in ["000", "001", "002", "298"] {
        let path = folder.join(number);
        let alone = documents(&fwspec(&["show", "--json", path.to_str().unwrap()], b""));
        assert!(documents(&output).contains(&alone[0]), "{number}");
    }
}

#[test]
fn a_broken_file_costs_one_file_and_the_exit_code() {
    let folder = folder("broken");
    let tree = sample("d05-2020/fdt.dtb");
    fs::write(folder.join("a.dtb"), &tree).unwrap();
    fs::write(folder.join("b.dtb"), &tree[..tree.len() / 2]).unwrap();
    fs::write(folder.join("c.dtb"), vec![0; 5000]).unwrap();
    fs::write(folder.join("d.dtb"), b"").unwrap();
    fs::create_dir(folder.join("e")).unwrap();
    fs::write(folder.join("e/iort.bin"), &iort(7)[..40]).unwrap();
    fs::write(folder.join("f.txt"), "no firmware, and nobody said so").unwrap();
    fs::write(folder.join("g.dtb"), &tree).unwrap();
    let output = show(&folder);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(files(&output, &folder), ["a.dtb", "g.dtb"]);
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (line, file) in lines.iter().zip(["b.dtb", "c.dtb", "d.dtb", "e/iort.bin"]) {
        let start = format!("fwspec: {}: ", folder.join(file).display());
        assert!(line.starts_with(&start), "{line} is not about {start}");
    }
    let text = folder.join("f.txt").display().to_string();
    assert_eq!(lines[4], format!("fwspec: skipped 1 file that is not firmware: {text}"));
}

#[test]
fn tables_in_one_folder_are_one_machine_and_two_iorts_are_two() {
    let folder = folder("machines");
    let tables = folder.join("tables");
    // As /sys/firmware/acpi/tables looks.
    fs::create_dir_all(tables.join("data")).unwrap();
    fs::create_dir_all(tables.join("dynamic")).unwrap();
    for (file, bytes) in [
        ("DSDT", other_table(b"DSDT")),
        ("IORT", iort(3)),
        ("MCFG", sample("d05-2020/mcfg.bin")),
        ("data/BERT", vec![0; 16]),
        ("dynamic/SSDT7", other_table(b"SSDT")),
    ] {
        fs::write(tables.join(file), bytes).unwrap();
    }
    let several = folder.join("several");
    fs::create_dir(&several).unwrap();
    fs::write(several.join("one.bin"), iort(1)).unwrap();
    fs::write(several.join("two.bin"), iort(2)).unwrap();
    let x86 = folder.join("x86");
    fs::create_dir(&x86).unwrap();
    fs::write(x86.join("DSDT"), other_table(b"DSDT")).unwrap();
    fs::write(x86.join("FACP"), other_table(b"FACP")).unwrap();
    let output = show(&folder);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(files(&output, &folder), ["several/one.bin", "several/two.bin", "tables"]);
    let said = stderr(&output);
    let passed = format!(
        "fwspec: skipped 1 ACPI table or set of tables without IORT, RIMT, VIOT and MCFG: {}\n",
        x86.display()
    );
    assert_eq!(said, passed);
    // By itself the machine is what it was: nothing is passed over, and the other verbs agree.
    let output = show(&tables);
    assert_eq!((documents(&output).len(), stderr(&output).as_str()), (1, ""));
    let output = fwspec(&["lookup", "--json", tables.to_str().unwrap(), "0003:00:00.0"], b"");
    assert_eq!(documents(&output)[0]["results"][0]["stream_id"], 0);
    // A machine without a table that is read here is nothing to show.
    let output = show(&x86);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no firmware in this folder"), "{}", stderr(&output));
}

#[test]
fn a_sample_with_both_firmwares_gives_both() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("firmware-samples/d05-2020");
    let output = show(&folder);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(files(&output, &folder), ["", "fdt.dtb"]);
    assert!(stderr(&output).contains("1 listing of functions, which is not firmware"), "{}", stderr(&output));
}

#[test]
fn an_empty_folder_is_said_to_be_empty() {
    let empty = folder("empty");
    for verb in ["show", "lint"] {
        let output = fwspec(&[verb, empty.to_str().unwrap()], b"");
        assert_eq!(output.status.code(), Some(2), "{verb}");
        assert_eq!(
            stderr(&output),
            format!(
                "fwspec: {}: no firmware in this folder: no device tree (DTB), no ACPI table about IOMMUs, and no file that holds one\n",
                empty.display()
            )
        );
    }
}

#[test]
fn standard_input_has_its_place_among_files_and_folders() {
    let folder = folder("standard-input");
    fs::write(folder.join("a"), iort(1)).unwrap();
    fs::write(folder.join("b"), iort(2)).unwrap();
    let (folder, file) = (folder.to_str().unwrap().to_owned(), folder.join("a").display().to_string());
    let output = fwspec(&["show", "--json", &file, "-", &folder], &iort(9));
    assert_eq!(output.status.code(), Some(0));
    let segments: Vec<_> =
        documents(&output).iter().map(|document| document["requesters"][0]["segment"].clone()).collect();
    assert_eq!(segments, [1, 9, 1, 2]);
    assert_eq!(documents(&output)[1]["file"], "standard input");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_below_a_folder_and_special_files_not_opened() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    let folder = folder("links");
    let inner = folder.join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("iort"), iort(1)).unwrap();
    symlink(&folder, inner.join("loop")).unwrap();
    symlink("inner/iort", folder.join("again")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    // A pipe that nobody writes to would be waited for; so would a socket, were it opened.
    let _socket = UnixListener::bind(folder.join("s")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let output = show(&folder);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(files(&output, &folder), ["inner/iort"]);
    let said = stderr(&output);
    assert!(said.contains("skipped 3 symbolic links, the first: "), "{said}");
    assert!(said.contains("skipped 2 devices, sockets or pipes, the first: "), "{said}");
    // What the user names is followed.
    let output = show(&inner.join("loop"));
    assert_eq!(documents(&output).len(), 1);
    assert_eq!(fwspec(&["show", folder.join("again").to_str().unwrap()], b"").status.code(), Some(0));
}

#[test]
fn findings_of_many_files_are_those_of_each_in_one_document() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("firmware-samples/broken");
    let folder = folder.to_str().unwrap();
    let whole = fwspec(&["lint", "--json", folder], b"");
    let [document] = &documents(&whole)[..] else { panic!("not one document") };
    let findings = document["findings"].as_array().unwrap();
    let mut each = Vec::new();
    let files: std::collections::BTreeSet<&str> =
        findings.iter().map(|finding| finding["file"].as_str().unwrap()).collect();
    assert!(files.len() > 50, "{} files", files.len());
    for file in files {
        let alone = fwspec(&["lint", "--json", file], b"");
        each.extend(documents(&alone)[0]["findings"].as_array().unwrap().clone());
    }
    assert_eq!(*findings, each);
    // The other forms say as much, and end as they should.
    let sarif: Value =
        serde_json::from_slice(&fwspec(&["lint", "--format", "sarif", folder], b"").stdout).unwrap();
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), findings.len());
    for result in results {
        let rule =
            &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    let junit = String::from_utf8(fwspec(&["lint", "--format", "junit", folder], b"").stdout).unwrap();
    assert!(junit.starts_with("<?xml") && junit.ends_with("</testsuites>\n"));
    assert_eq!(junit.matches("<testsuites").count(), 1);
    let text = String::from_utf8(fwspec(&["lint", folder], b"").stdout).unwrap();
    let last = text.lines().rev().nth(1).unwrap();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
    assert!(last.contains(&format!(" files: {errors} errors, ")), "{last}");
    assert_eq!(whole.status.code(), Some(1));
}

#[test]
fn a_table_in_a_folder_that_cannot_be_read_is_a_finding() {
    let folder = folder("unreadable-table");
    let mut table = iort(0);
    table[4..8].copy_from_slice(&20_u32.to_le_bytes());
    fs::write(folder.join("IORT"), &table).unwrap();
    let output = fwspec(&["lint", "--json", folder.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(documents(&output)[0]["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_reader_that_has_enough_ends_the_command() {
    let folder = folder("reader");
    let tree = sample("d05-2020/fdt.dtb");
    (0..cases_of_three(300, 1_000, 1_000))
        .for_each(|number| fs::write(folder.join(format!("{number}.dtb")), &tree).unwrap());
    let mut child = command(&["show", "--json", folder.to_str().unwrap()]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"schema\":\"fwspec.platform/1\""));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn one_drawing_is_made_of_one_firmware() {
    let folder = folder("drawing");
    fs::write(folder.join("a"), iort(1)).unwrap();
    let output = fwspec(&["show", "--format", "svg", folder.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(0));
    fs::write(folder.join("b"), iort(2)).unwrap();
    let output = fwspec(&["show", "--format", "svg", folder.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(64));
}
