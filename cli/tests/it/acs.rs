//! ACS as Linux has it: what the dump shows, what Linux sets where configuration space does not show it, and what it would set.

use std::path::Path;

use crate::outside::shared;
use crate::verbs::fwspec;
use serde_json::Value;

/// A listing of `field-cases` in the shared folder; says so where it is missing.
fn case(name: &str) -> Option<String> {
    Some(shared(&format!("field-cases/{name}"))?.to_str()?.to_owned())
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
    assert!(said(&["groups", "--why", "01:00.0"]).contains("rimt.c does not call pci_request_acs()"));
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
            acs.contains("Linux requests ACS (of_iommu_configure)") && acs.contains("rimt.bin it does not"),
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
    // Off in the dump, it can be set, and nothing says otherwise.
    let text = std::fs::read_to_string(&file).unwrap();
    let off = text.replace("1d 00 00 00 1d 00", "1d 00 00 00 00 00");
    let ask = |more: &[&str]| {
        let output = fwspec(&[&["groups", "--pci", "-"], more].concat(), off.as_bytes());
        String::from_utf8(output.stdout).unwrap()
    };
    let why = ask(&["--why", "03:00.0"]);
    assert!(why.contains("enabling ACS SV+RR+CR+UF is enough"), "{why}");
    // `__pci_config_acs` writes at +6, where these ports have no control bits.
    assert!(why.contains("ECAP_ACS+8.l=0000001d:0000001d") && !why.contains("config_acs"), "{why}");
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
    // The IOMMU itself has no group.
    assert_eq!(count(&with), 2);
    let taken = ["0000:00:14.4", "0000:00:14.5"];
    let mut remarks = with["remarks"].as_array().unwrap().iter();
    let remark = remarks.find(|remark| remark["kind"] == "taken-as-linux-sets-it").unwrap();
    assert_eq!(remark["devices"], serde_json::json!(taken));
}

/// linux drivers/pci/pci.c `pci_request_acs`: firmware that describes an IOMMU does not say that the kernel used it. Every verb that groups
/// says so, and takes the settings that are asked for.
#[test]
fn every_verb_that_groups_takes_the_acs_that_linux_sets() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples");
    let file = |name: &str| samples.join(name).to_str().unwrap().to_owned();
    let table = file("qemu-switch-bridge/iort.bin");
    let listing = file("broken/GRP008-acs-not-requested/lspci.txt");
    let ask = |words: &[&str]| {
        let output = fwspec(words, b"");
        assert!(output.status.code().unwrap() <= 1, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    for (verb, more) in [
        ("groups", &[][..]),
        ("check", &[]),
        ("audit", &[]),
        ("diff", &[table.as_str()]),
        ("simulate", &["--algorithm", "closure"]),
    ] {
        let words = [&[verb, "--json", &table, &listing], more].concat();
        let dumped = ask(&words);
        let remark = &dumped["remarks"][0];
        assert_eq!((&remark["kind"], &remark["groups"]), (&"acs-off".into(), &2.into()), "{verb}");
        let groups = |document: &Value| match &document["groups"] {
            Value::Array(groups) => groups.iter().filter(|group| group["members"].is_array()).count(),
            number => usize::try_from(number.as_u64().unwrap_or_default()).unwrap(),
        };
        for chosen in [&["--acs", "requested"][..], &["--what-if", "acs=all:on"]] {
            let requested = ask(&[&words[..], chosen].concat());
            assert_eq!(requested["remarks"], Value::Null, "{verb} {chosen:?}");
            match verb {
                "audit" => {
                    let shared = |document: &Value| document["groups"].as_array().unwrap().len();
                    assert_eq!((shared(&dumped), shared(&requested)), (1, 0), "{chosen:?}");
                }
                "diff" => {}
                _ => assert_eq!((groups(&dumped), groups(&requested)), (1, 2), "{verb} {chosen:?}"),
            }
        }
        let text: Vec<&str> = words.iter().copied().filter(|word| *word != "--json").collect();
        let said = String::from_utf8(fwspec(&text, b"").stdout).unwrap();
        let first = said.trim_start_matches("# ");
        assert!(first.starts_with("ACS is off at every port that has it"), "{verb}: {said}");
    }
    let lint = fwspec(&["lint", &table, &listing], b"");
    assert!(String::from_utf8_lossy(&lint.stderr).contains("ACS is off at every port that has it"));
    for words in [
        &["lint", &table, &listing, "--acs", "requested"][..],
        &["lookup", &table, &listing, "01:00.0", "--acs", "requested"],
        &["explain", &table, &listing, "01:00.0", "--what-if", "acs=all:on", "--machine", "ivrs"],
    ] {
        let output = fwspec(words, b"");
        assert!(output.status.code().unwrap() <= 1, "{words:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("ACS is off"), "{words:?}");
    }
    // A supposition comes on top of what Linux sets.
    let off = ask(&["groups", "--json", &table, &listing, "--acs", "requested", "--what-if", "acs=all:off"]);
    assert_eq!(count(&off), 1);
    let what_if = &off["what_if"];
    assert_eq!(what_if["changed"].as_array().unwrap().len(), 2);
    assert_eq!(what_if["stays"], serde_json::json!({"groups": 0, "devices": 0}));
}

/// Only what a supposition changes is told, and how much stays.
#[test]
fn what_if_prints_what_changes() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples");
    let listing = samples.join("qemu-switch-bridge/lspci.txt").to_str().unwrap().to_owned();
    let said = |what_if: &str| {
        let output = fwspec(&["groups", "--pci", &listing, "--what-if", what_if], b"");
        String::from_utf8(output.stdout).unwrap()
    };
    let off = said("acs=00:02.0:off");
    assert!(off.contains("0000:07:00.1") && off.contains("12 devices in 2 groups unchanged"), "{off}");
    assert!(!off.contains("0000:04:01.0"), "{off}");
    let same = said("acs=00:02.0:on");
    assert!(same.starts_with("The groups stay as they are.\n"), "{same}");
    // The document has all groups as they would be, and what of them is other than now.
    let document = groups(&listing, &["--what-if", "acs=00:02.0:off"]);
    assert_eq!(count(&document), 3);
    let changed = document["what_if"]["changed"].as_array().unwrap();
    let devices: Vec<&str> = changed.iter().map(|one| one["device"].as_str().unwrap()).collect();
    assert_eq!(devices, ["0000:00:02.0", "0000:07:00.0", "0000:07:00.1"]);
    assert_eq!(document["what_if"]["stays"], serde_json::json!({"groups": 2, "devices": 12}));
}

/// linux drivers/pci/quirks.c `pci_quirk_amd_sb_acs` takes southbridges for isolating where an IVRS is: why says that, not that nothing helps;
/// `pci_quirk_zhaoxin_pcie_ports_acs` looks at no register, so that no bit helps.
#[test]
fn why_says_what_linux_itself_sets_and_nothing_that_it_ignores() {
    let zeros = "00 ".repeat(16);
    let function = |at: &str, first: &str| {
        format!("{at} Example\n00: {first} 00 80 00\n10: {zeros}\n20: {zeros}\n30: {zeros}\n\n")
    };
    let southbridge = function("00:14.4", "22 10 0f 78 00 00 00 00 00 00 00 00 00")
        + &function("00:14.5", "22 10 09 78 00 00 00 00 00 00 00 00 00");
    let why = |more: &[&str]| {
        let words = [&["groups", "--pci", "-", "--why", "00:14.4"], more].concat();
        String::from_utf8(fwspec(&words, southbridge.as_bytes()).stdout).unwrap()
    };
    let open = why(&[]);
    assert!(open.contains("it isolates if the machine has an IVRS table"), "{open}");
    assert!(open.contains("Its group is smaller if the machine has an IVRS table"), "{open}");
    assert!(!open.contains("no setting changes that") && !open.contains("cannot be smaller"), "{open}");
    assert!(why(&["--machine", "ivrs"]).contains("alone"), "{}", why(&["--machine", "ivrs"]));
}
