//! Each verb of the command, its output compared with a file beside; `BLESS=1 cargo test -p fwspec-cli --test it verbs::` writes them anew.

use crate::support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub(crate) fn fwspec(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn snapshot(name: &str, arguments: &[&str]) {
    support::snapshot(name, arguments, fwspec(arguments, b""));
}

const D05: &str = "firmware-samples/d05-2020";
const SWITCH: &str = "firmware-samples/qemu-switch-bridge";

fn sample(machine: &str, file: &str) -> String {
    format!("{machine}/{file}")
}

#[test]
fn show_tells_what_an_iort_means() {
    snapshot("show-iort", &["show", "--fields", &sample(D05, "iort.bin")]);
}

#[test]
fn show_tells_what_a_device_tree_means() {
    snapshot("show-tree", &["show", &sample(D05, "fdt.dtb")]);
}

#[test]
fn show_prints_one_document_for_each_file() {
    snapshot("show-json", &["show", "--json", &sample(D05, "iort.bin"), &sample(D05, "fdt.dtb")]);
}

#[test]
fn lookup_answers_for_every_kind_of_id() {
    let iort = sample(D05, "iort.bin");
    snapshot(
        "lookup-iort",
        &[
            "lookup",
            &iort,
            "000a:11:00.3",
            "rid:0x100",
            r"\_SB_.SAS1",
            r"\_SB.SAS1",
            "IORT+0x180:11:00.0",
            "sid:0x9000",
            "did:0x25100",
        ],
    );
    let tree = sample(D05, "fdt.dtb");
    snapshot(
        "lookup-tree",
        &["lookup", &tree, "/sas@a3000000", "/pcie@7000a1000000:11:00.0", "0002:21:00.0", "sid:0x5103"],
    );
}

#[test]
fn lookup_tells_the_dialects_apart() {
    snapshot(
        "lookup-dialects",
        &["lookup", "--dialect", "all", &sample(D05, "iort.bin"), "rid:0x1fff", "000a:11:00.0"],
    );
}

#[test]
fn lookup_says_why_nothing_is_found_and_ends_with_1() {
    let iort = sample(D05, "iort.bin");
    snapshot(
        "lookup-nothing",
        &["lookup", &iort, "0001:00:00.0", "0002:00:00.0", "sid:0x1", r"\_SB_.NONE", "rid:0x12345"],
    );
    snapshot(
        "lookup-nothing-json",
        &["lookup", "--json", &iort, "0001:00:00.0", "did:0xffffffff", r"\_SB_.NONE"],
    );
}

#[test]
fn groups_give_every_device_its_group_and_the_reason() {
    let files = |machine: &str| [sample(machine, "iort.bin"), sample(machine, "lspci.txt")];
    for (name, machine) in [("groups-2020", D05), ("groups-switch", SWITCH)] {
        let [iort, lspci] = files(machine);
        snapshot(name, &["groups", "--firmware", &iort, "--pci", &lspci]);
    }
    let [iort, lspci] = files(SWITCH);
    snapshot("groups-json", &["groups", "--json", "--firmware", &iort, "--pci", &lspci]);
    snapshot("groups-strict", &["groups", "--policy", "strict", "--firmware", &iort, "--pci", &lspci]);
    snapshot("groups-pci-alone", &["groups", "--pci", &lspci]);
}

#[test]
fn the_tree_hangs_every_device_below_its_bridge_and_marks_its_group() {
    for (name, machine, firmware) in [
        ("tree-2020", D05, "fdt.dtb"),
        ("tree-switch", SWITCH, "iort.bin"),
        ("tree-two-roots", "firmware-samples/qemu-two-roots", "iort.bin"),
        ("tree-virtual-functions", "firmware-samples/qemu-virtual-functions", "iort.bin"),
    ] {
        let files = [sample(machine, firmware), sample(machine, "lspci.txt")];
        snapshot(name, &["groups", "--tree", "--firmware", &files[0], "--pci", &files[1]]);
    }
    let lspci = sample(SWITCH, "lspci.txt");
    snapshot(
        "tree-what-if",
        &["groups", "--pci", &lspci, "--what-if", "acs=00:02.0:off", "--format", "tree"],
    );
    assert_eq!(fwspec(&["groups", "--pci", &lspci, "--tree", "--json"], b"").status.code(), Some(64));
}

#[test]
fn a_shared_group_has_one_colour_in_the_tree() {
    use fwspec::answer::GroupsDocument;
    use fwspec_report::text;
    let port: fwspec::Bdf = "00:01.0".parse().unwrap();
    let [nic, other] = ["01:00.0", "00:02.0"].map(|bdf| bdf.parse().unwrap());
    let mut groups = fwspec::Groups::without_firmware();
    groups.add(fwspec::Device::root_port(port, 1..=1)).unwrap();
    groups.add(fwspec::Device::endpoint(nic)).unwrap();
    groups.add(fwspec::Device::endpoint(other)).unwrap();
    let document = GroupsDocument::new(&groups, None, None, Vec::new());
    let [bare, dressed] =
        [false, true].map(|colour| text::tree(&document, text::Style { colour, ..text::Style::default() }));
    let line = |function: &str| dressed.lines().find(|line| line.contains(function)).unwrap();
    assert!(line("00:01.0").starts_with("\x1b[33m■ 0\x1b[0m"), "{dressed}");
    assert!(line("01:00.0").starts_with("\x1b[33m■ 0\x1b[0m"), "{dressed}");
    assert!(line("00:02.0").starts_with("  1 "), "{dressed}");
    let pieces = dressed.split('\x1b').enumerate();
    let stripped: String =
        pieces.map(|(at, piece)| if at == 0 { piece } else { piece.split_once('m').unwrap().1 }).collect();
    assert_eq!(bare, stripped);
}

#[test]
fn both_firmwares_of_a_machine_give_the_same_ids_and_groups() {
    for machine in [D05, SWITCH] {
        let table = |firmware: &str| {
            let arguments = [
                "groups",
                "--json",
                "--firmware",
                &sample(machine, firmware),
                "--pci",
                &sample(machine, "lspci.txt"),
            ];
            let output = fwspec(&arguments, b"");
            assert!(output.status.success());
            let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let devices =
                document["devices"].as_array().unwrap().iter().filter(|device| !device["bdf"].is_null());
            devices
                .map(|d| [&d["bdf"], &d["stream_ids"], &d["group"], &d["kernel"]].map(ToString::to_string))
                .collect::<Vec<_>>()
        };
        assert!(table("iort.bin").len() > 5);
        assert_eq!(table("iort.bin"), table("fdt.dtb"), "{machine}");
    }
}

#[test]
fn a_bad_file_is_named_and_the_others_are_shown() {
    snapshot(
        "show-bad",
        &["show", "Cargo.toml", "no/such/file", &sample(D05, "iort.bin"), &sample(D05, "lspci.txt")],
    );
}

#[test]
fn standard_input_is_a_file_called_dash() {
    let bytes = std::fs::read(
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(sample(D05, "iort.bin")),
    )
    .unwrap();
    let output = fwspec(&["lookup", "--json", "-", "000a:11:00.3"], &bytes);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["results"][0]["stream_id"], 0x5103);
    let output = fwspec(&["show", "-"], b"nothing of the kind");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("fwspec: standard input: "));
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    let iort = sample(D05, "iort.bin");
    for wrong in [
        &["frobnicate"][..],
        &[],
        &["lookup", &iort],
        &["lookup", &iort, "rid:x"],
        &["diff", &iort],
        &["show", "--root", "/", &iort],
        &["groups", "--root", "/", &iort],
        &["show", "--dialect", "plan9", &iort],
    ] {
        let output = fwspec(wrong, b"");
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    for help in
        [&["--help"][..], &["show", "--help"], &["lookup", "--help"], &["groups", "--help"], &["--version"]]
    {
        assert_eq!(fwspec(help, b"").status.code(), Some(0), "{help:?}");
    }
}

#[test]
fn nothing_is_coloured_where_no_terminal_is() {
    let output = fwspec(&["show", &sample(D05, "iort.bin")], b"");
    assert!(!output.stdout.contains(&0x1b));
}

/// linux drivers/pci/quirks.c `pci_quirk_amd_sb_acs`, `pci_quirk_intel_pch_acs`
#[test]
fn facts_of_the_machine_that_config_space_does_not_show_can_be_said() {
    let zeros = "00 ".repeat(16);
    let function = |at: &str, ids: &str, header: &str| {
        let first = format!("00: {ids} 00 00 00 00 00 00 00 00 00 00 {header} 00");
        format!("{at} Example\n{first}\n10: {zeros}\n20: {zeros}\n30: {zeros}\n\n")
    };
    // Two functions of an AMD southbridge.
    let amd = function("00:14.4", "22 10 0f 78", "80") + &function("00:14.5", "22 10 09 78", "80");
    let groups = |text: &str, more: &[&str]| {
        let output = fwspec(&[&["groups", "--json", "--pci", "-"], more].concat(), text.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        document["groups"].as_array().unwrap().len()
    };
    assert_eq!(groups(&amd, &[]), 1);
    assert_eq!(groups(&amd, &["--machine", "ivrs"]), 2);
    assert_eq!(groups(&amd, &["--machine", "intel-pch-acs"]), 1);
    assert_eq!(fwspec(&["groups", "--pci", "-", "--machine", "vmd"], b"").status.code(), Some(64));
}

#[test]
fn why_names_every_step_and_what_would_help() {
    let [iort, lspci] = [sample(SWITCH, "iort.bin"), sample(SWITCH, "lspci.txt")];
    let files = ["groups", "--firmware", &iort, "--pci", &lspci, "--why"];
    let ask = |name: &str, devices: &[&str]| snapshot(name, &[&files[..], devices].concat());
    ask("why-two", &["04:01.0", "06:00.1"]);
    ask("why-one", &["07:00.1"]);
    ask("why-apart", &["00:00.0", "07:00.0"]);
    ask("why-nobody", &["1f:00.0"]);
    ask("why-json", &["07:00.1", "--json"]);
}

#[test]
fn an_iommu_that_is_a_function_has_no_group_and_says_why() {
    let of = |file: &str| sample("firmware-samples/qemu-virtio-iommu", file);
    let [iort, viot, lspci] = ["iort.bin", "viot.bin", "lspci.txt"].map(of);
    let groups = ["groups", "--firmware", &iort, &viot, "--pci", &lspci];
    let ask = |name: &str, more: &[&str]| snapshot(name, &[&groups[..], more].concat());
    ask("groups-virtio-iommu", &[]);
    ask("why-ungrouped", &["--why", "00:1d.0"]);
    ask("why-ungrouped-two", &["--why", "00:1d.0", "01:00.0"]);
}

#[test]
fn what_if_tells_real_isolation_from_belief() {
    let lspci = sample(SWITCH, "lspci.txt");
    let suppose = |name: &str, what: &str| snapshot(name, &["groups", "--pci", &lspci, "--what-if", what]);
    suppose("what-if-off", "acs=00:02.0:off,00:01.0:on");
    suppose("what-if-override", "pcie_acs_override=downstream,multifunction");
    suppose("what-if-wrong", "acs=00:02.0:perhaps");
}

#[test]
fn simulate_finds_the_order_that_broke_the_board_of_2020() {
    let lspci = sample(D05, "lspci.txt");
    snapshot("simulate", &["simulate", "--pci", &lspci]);
    snapshot("simulate-find", &["simulate", "--pci", &lspci, "--find"]);
    let firmware = ["simulate", "--firmware", &sample(D05, "iort.bin"), "--pci", &lspci];
    let order = sample(D05, "boot.txt");
    snapshot(
        "simulate-boot",
        &[&firmware[..], &["--order", &order, "--algorithm", "driver-probe,closure"]].concat(),
    );
    snapshot("simulate-rejected", &[&firmware[..], &["--order", &order, "--algorithm", "rejected"]].concat());
    let links = ["--algorithm", "device-links", "--fail", "000a:10:00.0"];
    snapshot("simulate-links", &[&firmware[..], &links].concat());
    snapshot(
        "simulate-json",
        &["simulate", "--json", "--pci", &lspci, "--algorithm", "driver-probe", "--find"],
    );
    // The functions' driver comes before the port's, as it did then.
    let order = "# the port driver was deferred\n000a:11:00.0\n000a:11:00.1\n000a:11:00.2\n000a:11:00.3\n000a:10:00.0\n";
    let groups = |algorithm: &str| {
        let arguments = ["simulate", "--json", "--pci", &lspci, "--algorithm", algorithm, "--order", "-"];
        let output = fwspec(&arguments, order.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        document["groups"].as_array().unwrap().len()
    };
    assert_eq!(groups("driver-probe"), 5);
    assert_eq!(groups("closure"), 1);
}
