//! ACS as Linux has it: what the dump shows, what Linux sets where configuration space does not show it, and what it would set.

use std::path::{Path, PathBuf};

use crate::verbs::fwspec;
use serde_json::Value;

/// A listing of `field-cases` in the shared folder; says so where it is missing.
fn case(name: &str) -> Option<String> {
    let shared = std::env::var_os("FWSPEC_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let file = shared.join("field-cases").join(name);
    if !file.exists() {
        println!("skipped: no {}; set FWSPEC_SHARED", file.display());
        return None;
    }
    Some(file.to_str().unwrap().to_owned())
}

fn groups(file: &str, more: &[&str]) -> Value {
    let output = fwspec(&[&["groups", "--json", "--pci", file], more].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(document: &Value) -> usize {
    document["groups"].as_array().unwrap().len()
}

/// linux drivers/acpi/riscv/rimt.c never calls `pci_request_acs`: groups, the reason, and lint say so, and whether another listing has it on.
#[test]
fn by_a_rimt_nothing_asks_for_acs() {
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples/broken/GRP008-acs-not-requested");
    let file = |name: &str| sample.join(name).to_str().unwrap().to_owned();
    let (rimt, listing) = (file("rimt.bin"), file("lspci.txt"));
    let said = |arguments: &[&str]| {
        let output = fwspec(&[arguments, &[&rimt, &listing]].concat(), b"");
        String::from_utf8(output.stdout).unwrap()
    };
    let document: Value = serde_json::from_str(&said(&["groups", "--json"])).unwrap();
    assert_eq!(count(&document), 1);
    let remark = &document["remarks"][0];
    assert_eq!((&remark["kind"], &remark["groups"]), (&"acs-not-requested".into(), &2.into()));
    assert_eq!(remark["devices"], serde_json::json!(["0000:00:01.0"]));
    let why: Value = serde_json::from_str(&said(&["groups", "--json", "--why", "01:00.0"])).unwrap();
    assert_eq!(why["remarks"][0]["kind"], "acs-not-requested");
    assert!(said(&["groups", "--why", "01:00.0"]).contains("rimt.c has no pci_request_acs()"));
    let requested: Value = serde_json::from_str(&said(&["groups", "--json", "--acs", "requested"])).unwrap();
    assert_eq!(count(&requested), 2);
    assert_eq!(requested["remarks"], Value::Null);
}

/// The ports of one listing are off by RIMT and on by device tree.
#[test]
fn a_device_tree_and_a_rimt_of_one_machine_differ_in_acs() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples/qemu-riscv-race");
    let file = |name: &str| samples.join(name).to_str().unwrap().to_owned();
    let [tree, rimt, listing] = ["fdt.dtb", "rimt.bin", "lspci.txt"].map(file);
    for (before, after) in [(&tree, &rimt), (&rimt, &tree)] {
        let output = fwspec(&["diff", "--json", before, after, &listing], b"");
        assert_eq!(output.status.code(), Some(1));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let acs = document["acs"].as_str().unwrap();
        assert!(
            acs.contains("asks for ACS (of_iommu_configure)") && acs.contains("rimt.bin nothing does"),
            "{acs}"
        );
        let changes = document["changes"].as_array().unwrap();
        let groups: Vec<&Value> = changes.iter().filter(|change| change["kind"] == "group").collect();
        // One of seven functions on the one side, four on the other.
        let sizes = |added: bool| {
            let sides = groups.iter().filter(|group| group["added"] == added);
            sides.map(|group| group["members"].as_array().unwrap().len()).collect::<Vec<_>>()
        };
        let (mut by_tree, by_table) = (sizes(after == &tree), sizes(after == &rimt));
        by_tree.sort_unstable();
        assert_eq!((by_tree, by_table), (vec![1, 1, 2, 3], vec![7]));
    }
    let output = fwspec(&["diff", &rimt, &rimt, &listing], b"");
    assert_eq!(output.status.code(), Some(0));
}

/// linux drivers/pci/probe.c `set_pcie_port_type`
#[test]
fn a_switch_of_downstream_ports_has_an_upstream_port() {
    let Some(file) = case("kernel/ptype1.txt") else { return };
    assert_eq!(count(&groups(&file, &[])), 6);
}

/// linux drivers/pci/quirks.c `pci_quirk_enable_intel_lpc_acs`
#[test]
fn chipset_ports_isolate_where_the_lpc_bridge_lets_linux_switch_them() {
    for (name, ports, all) in [
        ("kernel/pch.txt", ["0000:00:1c.0", "0000:00:1c.1"], None),
        ("pci/intel-pch-default.txt", ["0000:00:1c.0"; 2], Some(7)),
    ] {
        let Some(file) = case(name) else { return };
        let document = groups(&file, &[]);
        let apart = document["groups"].as_array().unwrap();
        for port in ports {
            let group =
                apart.iter().find(|group| group["members"].as_array().unwrap().contains(&port.into()));
            assert_eq!(group.unwrap()["members"].as_array().unwrap().len(), 1, "{name}: {port}");
        }
        if let Some(all) = all {
            assert_eq!(count(&document), all, "{name}");
        }
        let remark = &document["remarks"][0];
        assert_eq!(remark["kind"], "taken-as-linux-sets-it", "{name}");
        assert!(remark["devices"].as_array().unwrap().contains(&ports[0].into()), "{name}");
        // The bridge says that Linux cannot reach the registers.
        let text = std::fs::read_to_string(&file).unwrap();
        let lpc = text.find(":1f.0 ").unwrap();
        let dword = lpc + text[lpc..].find("\nf0: ").unwrap() + 5;
        let off = format!("{}00{}", &text[..dword], &text[dword + 2..]);
        let output = fwspec(&["groups", "--json", "--pci", "-"], off.as_bytes());
        let off: Value = serde_json::from_slice(&output.stdout).unwrap();
        let kinds = |document: &Value| document["remarks"].as_array().map_or(0, Vec::len);
        assert!(count(&off) < count(&document) && kinds(&off) == 1, "{name}");
        assert_eq!(off["remarks"][0]["kind"], "no-iommu", "{name}");
    }
}

/// linux drivers/pci/quirks.c `pci_quirk_intel_spt_pch_acs`, `pci_quirk_enable_intel_spt_pch_acs`
#[test]
fn ports_with_wide_acs_registers_are_switched_where_their_control_bits_are() {
    let Some(file) = case("pci/spt-acs-on.txt") else { return };
    assert_eq!(count(&groups(&file, &[])), 2);
    for what_if in ["acs=00:1c.0:on", "acs=all:on"] {
        let document = groups(&file, &["--what-if", what_if]);
        assert_eq!(count(&document), 2);
        assert_eq!(document["what_if"]["made"].as_array().unwrap().len(), 0);
    }
    assert_eq!(count(&groups(&file, &["--what-if", "acs=00:1c.0:off"])), 1);
    // Off in the dump, it can be set: nobody is told otherwise.
    let text = std::fs::read_to_string(&file).unwrap();
    let off = text.replace("1d 00 00 00 1d 00", "1d 00 00 00 00 00");
    let ask = |more: &[&str]| {
        let output = fwspec(&[&["groups", "--pci", "-"], more].concat(), off.as_bytes());
        String::from_utf8(output.stdout).unwrap()
    };
    let why = ask(&["--why", "03:00.0"]);
    assert!(why.contains("switching on ACS SV+RR+CR+UF would do"), "{why}");
    assert!(ask(&["--acs", "requested"]).contains("2 devices in 2 groups"));
}

/// linux drivers/pci/pci.c `pci_request_acs`, `pci_enable_acs`
#[test]
fn where_no_kernel_asked_for_acs_that_is_said_first() {
    let Some(file) = case("pci/iommu-off-at-dump.txt") else { return };
    let dumped = groups(&file, &["--acs", "dumped"]);
    assert_eq!(count(&dumped), 1);
    assert_eq!(
        (&dumped["remarks"][0]["kind"], &dumped["remarks"][0]["groups"]),
        (&"acs-off".into(), &2.into())
    );
    let text = fwspec(&["groups", "--pci", &file], b"");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("ACS is off at every port that has it"), "{text}");
    let requested = groups(&file, &["--acs", "requested"]);
    assert_eq!(count(&requested), 2);
    assert!(requested["remarks"].is_null());
    for what_if in ["acs=all:on", "acs=00:02.0:on"] {
        assert_eq!(groups(&file, &["--what-if", what_if])["groups"], requested["groups"], "{what_if}");
    }
    // A listing with groups is of a kernel that used an IOMMU: its registers are as that kernel has them.
    let used = std::fs::read_to_string(&file).unwrap();
    let used = used.replacen("synthetic\n", "synthetic\n\tIOMMU group: 0\n", 1);
    let output = fwspec(&["groups", "--json", "--pci", "-"], used.as_bytes());
    let used: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(used["remarks"].is_null());
}

/// linux drivers/pci/quirks.c `pci_quirk_amd_sb_acs`
#[test]
fn a_function_that_is_an_iommu_stands_for_an_ivrs() {
    let zeros = "00 ".repeat(16);
    let function = |at: &str, first: &str, header: &str| {
        let first = format!("00: {first} 00 {header} 00");
        format!("{at} Example\n{first}\n10: {zeros}\n20: {zeros}\n30: {zeros}\n\n")
    };
    let southbridge = function("00:14.4", "22 10 0f 78 00 00 00 00 00 00 00 00 00", "80")
        + &function("00:14.5", "22 10 09 78 00 00 00 00 00 00 00 00 00", "80");
    let iommu = function("00:00.2", "22 10 23 14 00 00 00 00 00 00 06 08 00", "80");
    let groups = |text: &str| {
        let output = fwspec(&["groups", "--json", "--pci", "-"], text.as_bytes());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(count(&groups(&southbridge)), 1);
    let with = groups(&(southbridge + &iommu));
    assert_eq!(count(&with), 3);
    let taken = ["0000:00:14.4", "0000:00:14.5"];
    assert_eq!(with["remarks"][0]["devices"], serde_json::json!(taken));
}
