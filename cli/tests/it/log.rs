//! `fwspec explain LOG`: a whole log in, causes out.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::snapshot;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-samples");
const FIELD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/field");

fn fed(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fwspec"));
    command
        .current_dir(SAMPLES)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn document(arguments: &[&str], input: &str) -> Value {
    let output = fed(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const BOOT: &str = "\
[    0.000000] Booting Linux on physical CPU 0x0000010000 [0x410fd082]
[    0.000000] Linux version 6.12.1-arm64 (someone@somewhere) #1 SMP
[    0.000000] Machine model: Huawei D05
[    1.100000] arm-smmu-v3 arm-smmu-v3.0.auto: ias 48-bit, oas 48-bit (features 0x00001fef)
[    1.110000] arm-smmu-v3 arm-smmu-v3.0.auto: 2-level strtab only covers 25/32 bits of SID
[    1.300000] usb 1-1: new high-speed USB device number 2
[    1.500000] pci 000a:11:00.0: Adding to iommu group 7
[    1.600000] ACPI: IORT: [Firmware Bug]: [map (____ptrval____)] conflicting mapping for input ID 0x2000
[    1.600001] ACPI: IORT: [Firmware Bug]: applying workaround.
[   20.000000] arm-smmu-v3 7000a0040000.iommu: event 0x10 received:
[   20.000001] arm-smmu-v3 7000a0040000.iommu: \t0x0000510300000010
[   20.000002] arm-smmu-v3 7000a0040000.iommu: \t0x0000020000000000
[   20.000003] arm-smmu-v3 7000a0040000.iommu: \t0x00000000fffe0000
[   20.000004] arm-smmu-v3 7000a0040000.iommu: \t0x0000000000000000
[   21.000000] arm-smmu-v3 7000a0040000.iommu: event 0x10 received:
[   21.000001] arm-smmu-v3 7000a0040000.iommu: \t0x0000510300000010
[   21.000002] arm-smmu-v3 7000a0040000.iommu: \t0x0000020000000000
[   21.000003] arm-smmu-v3 7000a0040000.iommu: \t0x00000000fffe1000
[   21.000004] arm-smmu-v3 7000a0040000.iommu: \t0x0000000000000000
";

#[test]
fn a_whole_boot_is_told() {
    let folder = std::env::temp_dir().join("fwspec-log");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("boot.log"), BOOT).unwrap();
    let log = folder.join("boot.log").display().to_string();
    let arguments = ["explain", "d05-2020/iort.bin", "d05-2020/lspci.txt", &log];
    let output = fed(&arguments, "");
    let output = Output {
        stdout: String::from_utf8(output.stdout).unwrap().replace(&log, "boot.log").into_bytes(),
        ..output
    };
    snapshot("explain-boot", &["explain", "d05-2020/iort.bin", "d05-2020/lspci.txt", "boot.log"], output);
}

#[test]
fn a_log_is_tied_to_its_firmware() {
    let told = document(&["explain", "--json", "d05-2020/iort.bin", "d05-2020/lspci.txt", "-"], BOOT);
    assert_eq!(told["schema"], "fwspec.log/1");
    assert_eq!((told["lines_read"].as_u64(), told["unrelated"].as_u64()), (Some(19), Some(4)));
    assert_eq!((&told["release"], &told["model"]), (&"6.12.1-arm64".into(), &"Huawei D05".into()));
    let of = |kind: &str| {
        let lines = told["lines"].as_array().unwrap();
        lines.iter().find(|line| line["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {told:#}")).clone()
    };
    let fault = of("fault");
    assert_eq!((fault["n"].as_u64(), fault["times"].as_u64()), (Some(10), Some(2)));
    assert_eq!(
        (&fault["device"], &fault["sources"]),
        (&"000a:11:00.3".into(), &serde_json::json!(["000a:11:00.3"]))
    );
    assert_eq!((&fault["first"], &fault["last"]), (&"20.000000".into(), &"21.000004".into()));
    assert_eq!(fault["addresses"], serde_json::json!([0xfffe_0000_u64, 0xfffe_1000_u64]));
    assert_eq!(fault["stream_ids"], serde_json::json!([0x5103]));
    assert!(fault["record"].as_str().unwrap().starts_with("IORT+0x"));
    let added = of("group-add");
    assert_eq!((added["device"].as_str(), added["group"].as_u64()), (Some("000a:11:00.0"), Some(7)));
    assert!(added["iommu"].as_str().unwrap().starts_with("IORT+0x"), "{added}");
    let bug = of("firmware-bug");
    assert!(matches!(bug["finding"].as_str(), Some("IORT006" | "IORT004")), "{bug}");
    let harmless = told["lines"].as_array().unwrap().iter().find(|line| line["harmless"] == true).unwrap();
    assert!(harmless["text"].as_str().unwrap().contains("2-level strtab"), "{harmless}");
}

#[test]
fn the_line_names_its_smmu() {
    let tree = format!("{FIELD}/dt/11-log-names-smmu.dtb");
    for (line, sources) in [
        ("arm-smmu 1000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x409", vec!["/usb@5000"]),
        ("arm-smmu 2000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x409", vec!["/gpu@6000"]),
        (
            "arm-smmu 1000.iommu: Blocked unknown Stream ID 0x12; boot with \"arm-smmu.disable_bypass=0\" to allow",
            vec!["0000:00:00.2"],
        ),
        ("arm-smmu 3000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x409", vec![]),
    ] {
        let told = document(&["explain", "--json", &tree, line], "");
        let found = &told["lines"][0];
        assert_eq!(found["sources"], serde_json::json!(sources), "{line}: {found}");
        assert_eq!(told["fits"].as_bool(), Some(!line.contains("3000")), "{line}");
    }
}

#[test]
fn firmware_of_another_machine_does_not_fit() {
    for log in [
        "[    1.0] DMAR: dmar0: reg_base_addr fed90000 ver 1:0 cap 1c0000c40660462 ecap 19e2ff0505e\n",
        "arm-smmu-v3 a1040000.iommu: event 0x10 received:\n",
        "arm-smmu-v3 arm-smmu-v3.99.auto: event 0x10 received:\n",
        "pci 0033:01:00.0: Adding to iommu group 7\n",
    ] {
        let told = document(&["explain", "--json", "d05-2020/iort.bin", "-"], log);
        assert_eq!(told["fits"], false, "{log}: {told}");
        let notes = told["notes"].to_string();
        assert!(notes.contains("do not match"), "{log}: {notes}");
    }
}

#[test]
fn a_log_alone_says_what_it_can() {
    let told = document(
        &["explain", "--json", "-"],
        "DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0xffffe000 [fault reason 0x06] PTE Read access is not set\n",
    );
    let line = &told["lines"][0];
    assert_eq!((&line["device"], &line["kind"]), (&"0000:01:00.0".into(), &"fault".into()));
    assert_eq!((&told["fits"], &told["firmware"]), (&Value::Null, &Value::Null));
    assert!(told["notes"].to_string().contains("no firmware"));
    // A log without a word of IOMMUs is one.
    let told = document(&["explain", "--json", "-"], "[    0.000000] nothing of interest\nat all\n");
    assert_eq!((told["lines_read"].as_u64(), told["unrelated"].as_u64()), (Some(2), Some(2)));
}

#[test]
fn exit_codes_tell_what_was_understood() {
    for (arguments, input, code) in [
        (vec!["explain", "d05-2020/iort.bin", "the moon is in the wrong phase"], "", 1),
        (vec!["explain", "d05-2020/iort.bin", "pci 000a:11:00.0: Adding to iommu group 7"], "", 0),
        (vec!["explain", "pci 000a:11:00.0: Adding to iommu group 7"], "", 0),
        (vec!["explain", "d05-2020/iort.bin", "-"], "[    1.000000] usb 1-1: something\n", 0),
        (vec!["explain", "-"], "hello world\n", 2),
        (vec!["explain", "-"], "", 2),
    ] {
        let output = fed(&arguments, input);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Machines of one vendor have the same IOMMUs at the same places: their tables' headers and the ids of their functions differ.
#[test]
fn a_log_of_another_machine_of_the_same_kind_does_not_fit() {
    let folder = format!("{FIELD}/faults/fault.intel");
    let [dmar, listing, log] = ["dmar.bin", "lspci.txt", "log.txt"].map(|file| format!("{folder}/{file}"));
    let read = std::fs::read_to_string(&log).unwrap();
    let header = read.lines().find(|line| line.contains("ACPI: DMAR 0x")).unwrap();
    let told = |log: &str, files: &[&str]| {
        let told = document(&[&["explain", "--json"], files, &["-"]].concat(), log);
        (told["fits"].clone(), told["notes"].to_string())
    };
    assert_eq!(told(&read, &[&dmar, &listing]).0, true);
    let other =
        "[    0.013033] ACPI: DMAR 0x00000000773D0000 000468 (v01 INTEL  INTEL ID 00000001 INTL 20091013)";
    let (fits, notes) = told(&read.replace(header, other), &[&dmar, &listing]);
    assert_eq!(fits, false, "{notes}");
    assert!(
        notes.contains("the kernel found DMAR of 0x468 bytes by INTEL INTEL ID, and here is DMAR of 0x"),
        "{notes}"
    );
    // The functions of another machine, at the same addresses.
    let functions = "[    0.3] pci 0000:00:00.0: [8086:9a14] type 00 class 0x060000 conventional PCI endpoint\n\
                     [    0.3] pci 0000:00:01.0: [8086:9a49] type 00 class 0x030000 PCIe Root Complex Integrated Endpoint\n";
    let (fits, notes) = told(&format!("[    0.0] DMAR: IOMMU enabled\n{functions}"), &[&dmar, &listing]);
    assert_eq!(fits, false, "{notes}");
    assert!(
        notes.contains("0000:00:00.0") && notes.contains("is another function in the listing"),
        "{notes}"
    );
}

#[test]
fn an_event_without_content_is_said_to_have_none() {
    let line =
        "pci 0000:00:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0000 address=0x0 flags=0x000a]";
    let because = |line: &str| {
        document(&["explain", "--json", line], "")["lines"][0]["because"].as_str().map(str::to_owned)
    };
    assert!(because(line).unwrap().contains("an event without content"));
    assert_eq!(because(&line.replace("address=0x0 ", "address=0x1000 ")), None);
    assert_eq!(because(&line.replace("0000:00:00.0", "0000:00:02.0")), None);
}

/// Faults that were provoked in real guests (`tests/boot`): each leads to the device whose DMA it is, and to the record that says so.
#[test]
fn faults_of_real_guests_lead_to_the_device_and_its_record() {
    let cases = [
        ("fault.acpi", "fault", "0000:01:00.0", "IORT+0xc4"),
        // DMA that goes by the requester ID of the bridge's secondary bus.
        ("fault.acpi", "fault", "0000:03:01.0", "IORT+0xc4"),
        ("fault.dt", "fault", "0000:01:00.0", "/pcie@10000000 iommu-map, cell 0 (byte 0x135c)"),
        ("fault.dt", "fault", "0000:03:01.0", "/pcie@10000000 iommu-map, cell 0 (byte 0x135c)"),
        ("fault.intel", "fault", "0000:01:00.0", "DMAR+0x50"),
        ("fault.intel", "fault", "0000:03:01.0", "DMAR+0x58"),
        // QEMU 11.1 writes no more than the kind of an event: the kernel takes the device for the first.
        ("fault.amd", "fault", "0000:00:00.0", "IVRS+0xac"),
        ("unmapped-alias.acpi", "fault", "0000:02:01.0", "IORT+0xdc"),
        ("unmapped-alias.dt", "fault", "0000:02:01.0", "/pcie@10000000 iommu-map, cell 4 (byte 0x1444)"),
        ("beyond-the-table.acpi", "deferred", "0000:01:00.0", "IORT+0xc8"),
        ("beyond-the-table.dt", "deferred", "0000:01:00.0", "/pcie@10000000 iommu-map, cell 0 (byte 0x1434)"),
    ];
    for (sample, kind, device, record) in cases {
        let folder = format!("{FIELD}/faults/{sample}");
        let files = ["iort.bin", "dmar.bin", "ivrs.bin", "mcfg.bin", "fdt.dtb", "lspci.txt", "log.txt"];
        let files = files.map(|file| format!("{folder}/{file}"));
        let there: Vec<&str> =
            files.iter().map(String::as_str).filter(|file| std::path::Path::new(file).exists()).collect();
        let told = document(&[&["explain", "--json"], there.as_slice()].concat(), "");
        let model = told["model"].as_str().unwrap();
        assert!(model.starts_with("QEMU") || model == "linux,dummy-virt", "{sample}: {model}");
        assert_ne!(told["fits"], false, "{sample}: {:#}", told["notes"]);
        let lines = told["lines"].as_array().unwrap();
        let is_it = |line: &&Value| {
            let named = line["device"] == device || line["sources"] == serde_json::json!([device]);
            line["kind"] == kind && named && line["record"] == record
        };
        let of_kind: Vec<&Value> = lines.iter().filter(|line| line["kind"] == kind).collect();
        assert!(of_kind.iter().any(is_it), "{sample}: {device}, {record}: {of_kind:#?}");
        assert!(lines.iter().all(|line| line["kind"] != "other"), "{sample}: {lines:#?}");
        // The sentence has nothing of the stamp in it.
        assert!(
            of_kind.iter().all(|line| !line["said"].as_str().unwrap().contains(']')),
            "{sample}: {of_kind:#?}"
        );
    }
}
