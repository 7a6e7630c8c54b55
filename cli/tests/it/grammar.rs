//! `fwspec VERB [EVIDENCE…] [QUESTION…]`: what is there on disk is evidence in any order, every other word a question; and what each end
//! of the command means.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const D05: &str = "firmware-samples/d05-2020";
const VIRT: &str = "firmware-samples/qemu-virt-acpi";
const SWITCH: &str = "firmware-samples/qemu-switch-bridge";
const VIRTIO: &str = "firmware-samples/qemu-virtio-iommu";

/// Runs the command in the project's folder with these words, which end at spaces.
fn fwspec(words: &str) -> Output {
    fed(words, b"")
}

fn fed(words: &str, input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(words.split_whitespace())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// How a command ended, and what it told the user.
fn end(words: &str) -> (i32, String) {
    let output = fwspec(words);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn sample(file: &str) -> Vec<u8> {
    fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)).unwrap()
}

/// A new, empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grammar").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn evidence_is_taken_in_any_order_and_under_any_name() {
    for (named, bare) in [
        (
            "groups --json --firmware {D}/iort.bin --pci {D}/lspci.txt",
            ["groups --json {D}/iort.bin {D}/lspci.txt", "groups --json {D}/lspci.txt {D}/iort.bin"],
        ),
        (
            "groups --firmware {D}/fdt.dtb --pci {D}/lspci.txt --tree",
            ["groups --tree {D}/fdt.dtb {D}/lspci.txt", "groups {D}/lspci.txt --tree {D}/fdt.dtb"],
        ),
        (
            "audit {D}/iort.bin {D}/mcfg.bin --pci {D}/lspci.txt",
            [
                "audit {D}/iort.bin {D}/lspci.txt {D}/mcfg.bin",
                "audit --firmware {D}/iort.bin {D}/mcfg.bin --pci {D}/lspci.txt",
            ],
        ),
        (
            "simulate --pci {D}/lspci.txt --firmware {D}/iort.bin",
            ["simulate {D}/lspci.txt {D}/iort.bin", "simulate {D}/iort.bin {D}/lspci.txt"],
        ),
        (
            "lint {D}/iort.bin {D}/mcfg.bin --pci {D}/lspci.txt",
            [
                "lint {D}/iort.bin {D}/lspci.txt {D}/mcfg.bin",
                "lint {D}/lspci.txt --firmware {D}/iort.bin {D}/mcfg.bin",
            ],
        ),
        (
            "lookup {D}/iort.bin 000a:11:00.3 rid:0x100",
            [
                "lookup 000a:11:00.3 rid:0x100 {D}/iort.bin",
                "lookup --firmware {D}/iort.bin 000a:11:00.3 rid:0x100",
            ],
        ),
        (
            "explain --pci {D}/lspci.txt {D}/iort.bin 000a:11:00.3",
            [
                "explain 000a:11:00.3 {D}/iort.bin {D}/lspci.txt",
                "explain --firmware {D}/iort.bin 000a:11:00.3 --pci {D}/lspci.txt",
            ],
        ),
        (
            "diff --pci {D}/lspci.txt {D}/iort.bin {D}/fdt.dtb",
            [
                "diff {D}/iort.bin {D}/lspci.txt {D}/fdt.dtb",
                "diff {D}/iort.bin --firmware {D}/fdt.dtb --pci {D}/lspci.txt",
            ],
        ),
        (
            "show --svg --pci {D}/lspci.txt {D}/iort.bin",
            [
                "show --svg {D}/lspci.txt {D}/iort.bin",
                "show --svg --firmware {D}/iort.bin --pci {D}/lspci.txt",
            ],
        ),
        (
            "groups --pci {D}/lspci.txt --why 000a:11:00.0",
            ["groups {D}/lspci.txt 000a:11:00.0", "groups --why 000a:11:00.0 {D}/lspci.txt"],
        ),
    ] {
        let wanted = fwspec(&named.replace("{D}", D05));
        assert!(wanted.status.success(), "{named}: {}", String::from_utf8_lossy(&wanted.stderr));
        for words in bare {
            let got = fwspec(&words.replace("{D}", D05));
            assert!(got == wanted, "{words}: {}", String::from_utf8_lossy(&got.stderr));
        }
    }
}

#[test]
fn a_second_firmware_is_never_dropped() {
    for (words, both) in [
        (format!("audit --fail-on untranslated {D05}/iort.bin {D05}/mcfg.bin {VIRT}/iort.bin"), [D05, VIRT]),
        (format!("audit --fail-on untranslated {VIRT}/iort.bin {D05}/iort.bin {D05}/mcfg.bin"), [VIRT, D05]),
        (
            format!("groups --firmware {D05}/iort.bin {D05}/fdt.dtb --pci {D05}/lspci.txt"),
            ["fdt.dtb", "iort.bin"],
        ),
        (
            format!("groups --firmware {D05}/fdt.dtb {D05}/iort.bin --pci {D05}/lspci.txt"),
            ["fdt.dtb", "iort.bin"],
        ),
        (format!("lookup {D05}/fdt.dtb {D05}/iort.bin 01:00.0"), ["fdt.dtb", "iort.bin"]),
        (format!("groups {D05}/lspci.txt {SWITCH}/lspci.txt"), [D05, SWITCH]),
        (format!("explain {D05} 01:00.0"), ["fdt.dtb", "iort.bin"]),
    ] {
        let output = fwspec(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words}: {said}");
        assert!(both.iter().all(|file| said.contains(file)), "{words}: {said}");
    }
    // The audit of each alone tells what the dropped one would have hidden.
    assert_eq!(end(&format!("audit --fail-on untranslated {D05}/iort.bin {D05}/mcfg.bin")).0, 0);
    assert_eq!(end(&format!("audit --fail-on untranslated {VIRT}/iort.bin")).0, 1);
    // What is picked counts, and what does not is told.
    let (code, said) = end(&format!("groups {D05}/iort.bin {D05}/lspci.txt --firmware {D05}/fdt.dtb"));
    assert_eq!(code, 0);
    assert!(said.contains("iort.bin: not used: "), "{said}");
}

#[test]
fn nothing_that_a_verb_needs_is_no_answer() {
    let empty = folder("empty");
    fs::write(empty.join("empty.bin"), b"").unwrap();
    let empty = empty.join("empty.bin").display().to_string();
    let empty_root = folder("root").display().to_string();
    for (words, lacks) in [
        (format!("groups {D05}/mcfg.bin {D05}/lspci.txt"), "DTB"),
        (format!("groups {VIRT}/iort.bin"), "lspci -xxxx"),
        (format!("audit {D05}/mcfg.bin"), "DTB"),
        (format!("audit {D05}/lspci.txt"), "DTB"),
        (format!("audit --fail-on groups {D05}/iort.bin"), "lspci -xxxx"),
        (format!("lookup {D05}/lspci.txt 01:00.0"), "DTB"),
        (format!("explain {D05}/mcfg.bin 01:00.0"), "DTB"),
        (format!("simulate {D05}/iort.bin"), "lspci -xxxx"),
        (format!("diff {D05}/iort.bin {D05}/mcfg.bin"), "DTB"),
        (format!("lint {D05}/lspci.txt"), "DTB"),
        (format!("lint --fail-on never {D05}/lspci.txt"), "DTB"),
        (format!("show {D05}/lspci.txt"), "--pci"),
        (format!("show {empty}"), "empty"),
        (format!("lint {empty}"), "empty"),
        (format!("groups {empty}"), "empty"),
        (format!("groups --pci {empty}"), "empty"),
        (format!("lookup {empty} 01:00.0"), "empty"),
        ("show -".to_owned(), "standard input: the file is empty"),
        ("groups -".to_owned(), "standard input: the file is empty"),
        (format!("groups --root {empty_root}"), "sys"),
        (format!("show --root {empty_root}"), "sys"),
        (format!("lint --root {empty_root}"), "sys"),
    ] {
        let (code, said) = end(&words);
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains(lacks), "{words}: {said}");
    }
    // Names only, as lspci -nn prints them: what is not in them is said.
    let output = fed("groups -", b"00:00.0 Host bridge [0600]: Example [1b36:0008]\n01:00.0 Ethernet\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("it has only the names of the function") && said.contains("lspci -nnvvv"),
        "{said}"
    );
    // Addresses and classes only.
    let output = fed("groups -", b"01:00.0 Ethernet controller\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("standard input:1 (0000:01:00.0): "), "{said}");
}

#[test]
fn ids_that_a_listing_does_not_tell_are_not_made_up() {
    let text = b"00:00.0 Host bridge: Intel Corporation Unheard Of\n00:01.0 USB controller: Example Inc. Unheard Of\n";
    let output = fed("groups -", text);
    let (shown, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(shown.contains("8086:???? host bridge"), "{shown}");
    assert!(!shown.contains("0000:0000 "), "{shown}");
    assert!(said.contains("are not in it, only names"), "{said}");
}

#[test]
fn no_is_1_in_every_verb() {
    for words in [
        format!("lookup {D05}/iort.bin 0001:00:00.0"),
        format!("explain {D05}/iort.bin 0001:00:00.0"),
        format!("explain --json {D05}/iort.bin 0001:00:00.0"),
        format!("explain {D05}/iort.bin 01:00.0 sid:0xffffffff"),
        "explain IORT999".to_owned(),
        format!("groups {D05}/lspci.txt 1f:00.0"),
        format!("simulate --find {D05}/lspci.txt"),
        format!("diff {D05}/iort.bin {VIRT}/iort.bin"),
    ] {
        let (code, said) = end(&words);
        assert_eq!(code, 1, "{words}: {said}");
    }
    for words in [
        format!("explain {D05}/iort.bin 01:00.0"),
        format!("explain {D05}/iort.bin IORT004"),
        "explain IORT004 range-overlap".to_owned(),
        "explain".to_owned(),
        format!("simulate --find --algorithm closure {D05}/lspci.txt"),
    ] {
        let (code, said) = end(&words);
        assert_eq!((code, said.as_str()), (0, ""), "{words}");
    }
}

#[test]
fn a_missing_file_is_not_a_question() {
    for words in [
        "lookup no/such/file 01:00.0",
        "lookup iort.bni 01:00.0",
        "explain board.dtb sid:0x1",
        "groups missing.txt",
        "audit nothing",
        "simulate ./lspci",
        "diff a.dtb b.dtb",
        "show nothing",
        "lint nothing",
    ] {
        let (code, said) = end(words);
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains("no such file"), "{words}: {said}");
    }
}

#[test]
fn named_tables_are_one_machine_as_in_a_folder() {
    // A virtio-iommu is described by a table of its own.
    let documents = |words: &str| {
        let output = fwspec(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let joined = folder("joined");
    fs::write(
        joined.join("both.bin"),
        [sample(&format!("{VIRTIO}/iort.bin")), sample(&format!("{VIRTIO}/viot.bin"))].concat(),
    )
    .unwrap();
    let wanted = documents(&format!("show --json {}", joined.join("both.bin").display()));
    for words in [
        format!("show --json {VIRTIO}/iort.bin {VIRTIO}/viot.bin"),
        format!("show --json {VIRTIO}/viot.bin {VIRTIO}/iort.bin"),
    ] {
        let got = documents(&words);
        assert_eq!(got.len(), 1, "{words}");
        let count = |document: &serde_json::Value, key: &str| document[key].as_array().unwrap().len();
        for key in ["iommus", "requesters"] {
            assert_eq!(count(&got[0], key), count(&wanted[0], key), "{words}: {key}");
        }
    }
    // Two of a kind are two machines, each with the table that goes along.
    let two = documents(&format!("show --json {D05}/iort.bin {D05}/mcfg.bin {VIRT}/iort.bin"));
    let files: Vec<&str> = two.iter().map(|document| document["file"].as_str().unwrap()).collect();
    assert_eq!(files, [format!("{D05}/iort.bin"), format!("{VIRT}/iort.bin")]);
}

#[cfg(unix)]
#[test]
fn a_root_folder_is_asked_as_this_machine_is() {
    let root = folder("system");
    let list = root.join("sys/bus/pci/devices");
    fs::create_dir_all(&list).unwrap();
    fs::create_dir_all(root.join("sys/firmware/acpi/tables")).unwrap();
    fs::write(root.join("sys/firmware/acpi/tables/IORT"), sample(&format!("{D05}/iort.bin"))).unwrap();
    fs::write(root.join("sys/firmware/acpi/tables/MCFG"), sample(&format!("{D05}/mcfg.bin"))).unwrap();
    let dumps = fwspec::machine::lspci::parse(&sample(&format!("{D05}/lspci.txt"))).unwrap();
    for dump in &dumps.functions {
        let home = format!("devices/all/{}", dump.bdf);
        fs::create_dir_all(root.join("sys").join(&home)).unwrap();
        fs::write(root.join("sys").join(&home).join("config"), &dump.bytes).unwrap();
        std::os::unix::fs::symlink(format!("../../../{home}"), list.join(dump.bdf.to_string())).unwrap();
    }
    let root = root.display();
    for (system, files) in [
        (
            format!("groups --json --root {root}"),
            format!("groups --json {D05}/iort.bin {D05}/mcfg.bin {D05}/lspci.txt"),
        ),
        (format!("groups {root}"), format!("groups {D05}/iort.bin {D05}/mcfg.bin {D05}/lspci.txt")),
        (format!("lookup --root {root} 000a:11:00.3"), format!("lookup {D05}/iort.bin 000a:11:00.3")),
        (
            format!("explain --root {root} 000a:11:00.3"),
            format!("explain {D05}/iort.bin {D05}/lspci.txt 000a:11:00.3"),
        ),
        (format!("simulate --root {root}"), format!("simulate {D05}/iort.bin {D05}/lspci.txt")),
    ] {
        let (system, files) = (fwspec(&system), fwspec(&files));
        assert_eq!(String::from_utf8_lossy(&system.stdout), String::from_utf8_lossy(&files.stdout));
        assert_eq!(system.status.code(), files.status.code());
    }
    for words in
        [format!("show --root {root}"), format!("lint --root {root}"), format!("audit --root {root}")]
    {
        let (code, said) = end(&words);
        assert_eq!((code, said.as_str()), (0, ""), "{words}");
    }
}
