//! `fwspec check`: what it says of a machine, of its kernel, and of machines that show little.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cases::{cases, cases_of_three};
use crate::outside::shared;
use crate::support::snapshot;
use crate::verbs::fwspec;

const D05: &str = "firmware-samples/d05-2020";

/// A new folder with these files in it.
fn root(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    let _ = fs::remove_dir_all(&root);
    for (file, bytes) in files {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    root
}

fn document(arguments: &[&str]) -> Value {
    let output = fwspec(&[&["check", "--json"], arguments].concat(), b"");
    assert!(output.status.code() <= Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A `/sys` with the functions of a listing, each in the group of the kernel that a function of the tests gives it.
fn system(name: &str, sample: &str, group: impl Fn(&str) -> Option<u32>, more: &[(&str, &[u8])]) -> PathBuf {
    let file =
        |file: &str| fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(sample).join(file));
    let root = root(name, more);
    for (table, name) in [("iort.bin", "IORT"), ("mcfg.bin", "MCFG"), ("dmar.bin", "DMAR")] {
        if let Ok(bytes) = file(table) {
            let tables = root.join("sys/firmware/acpi/tables");
            fs::create_dir_all(&tables).unwrap();
            fs::write(tables.join(name), bytes).unwrap();
        }
    }
    fs::create_dir_all(root.join("sys/bus/pci/devices")).unwrap();
    fs::create_dir_all(root.join("sys/kernel/iommu_groups")).unwrap();
    for dump in fwspec::machine::lspci::parse(&file("lspci.txt").unwrap()).unwrap().functions {
        let home = root.join(format!("sys/devices/{}", dump.bdf));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("config"), &dump.bytes).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&home, root.join(format!("sys/bus/pci/devices/{}", dump.bdf))).unwrap();
        if let Some(number) = group(&dump.bdf.to_string()) {
            let list = root.join(format!("sys/kernel/iommu_groups/{number}/devices"));
            fs::create_dir_all(&list).unwrap();
            fs::write(list.join(dump.bdf.to_string()), b"").unwrap();
        }
    }
    root
}

/// The group that the kernel of a sample gave a function.
fn group_in(sample: &str) -> impl Fn(&str) -> Option<u32> {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(sample).join("kernel.json");
    let kernel: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    move |device| {
        let groups = kernel["groups"].as_array().unwrap();
        let group = groups.iter().find(|g| g["devices"].as_array().unwrap().iter().any(|d| d == device))?;
        u32::try_from(group["id"].as_u64().unwrap()).ok()
    }
}

#[test]
fn files_are_told_on_one_screen() {
    snapshot(
        "check-files",
        &["check", &format!("{D05}/iort.bin"), &format!("{D05}/lspci.txt")],
        fwspec(&["check", &format!("{D05}/iort.bin"), &format!("{D05}/lspci.txt")], b""),
    );
}

#[cfg(unix)]
#[test]
fn a_kernel_that_did_as_predicted_agrees() {
    for sample in ["qemu-virt-acpi", "qemu-switch-bridge", "qemu-intel-iommu"] {
        let sample = format!("firmware-samples/{sample}");
        let root = system(&format!("agrees-{}", sample.replace('/', "-")), &sample, group_in(&sample), &[]);
        let check = document(&["--root", root.to_str().unwrap()]);
        let kernel = &check["kernel"];
        assert_eq!(kernel["agree"], kernel["known"], "{sample}: {kernel}");
        assert_eq!(check["iommu"]["state"], "translates", "{sample}");
        assert!(kernel["known"].as_u64().unwrap() > 3, "{sample}");
        // The numbers of the kernel stand beside ours.
        let groups = fwspec(&["groups", "--json", "--root", root.to_str().unwrap()], b"");
        let groups: Value = serde_json::from_slice(&groups.stdout).unwrap();
        for device in groups["devices"].as_array().unwrap() {
            let number = group_in(&sample)(device["device"].as_str().unwrap());
            assert_eq!(device["kernel_group"].as_u64(), number.map(u64::from), "{device}");
        }
        let tree = fwspec(&["groups", "--tree", "--root", root.to_str().unwrap()], b"");
        let tree = String::from_utf8(tree.stdout).unwrap();
        assert!(tree.lines().next().unwrap().starts_with("group  kernel  device"), "{tree}");
        let line = tree.lines().find(|line| line.contains("00:01.0")).unwrap();
        let number = group_in(&sample)("0000:00:01.0").unwrap().to_string();
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "■").collect();
        assert_eq!(words[1], number, "{line}");
    }
}

/// The board of 2020 as its kernel had it, ports apart from the functions whose drivers came first; and as an override would have it.
#[cfg(unix)]
#[test]
fn a_difference_has_its_cause() {
    let number = |name: &str| name.bytes().fold(0, |sum: u32, byte| sum * 7 % 65_521 + u32::from(byte));
    let apart = |device: &str| Some(number(device));
    let ports_last = |device: &str| {
        let is_port = ["0000:00:00.0", "0002:20:00.0", "000a:10:00.0"].contains(&device);
        Some(number(device) + if is_port { 100_000 } else { 0 })
    };
    let cause = |name: &str, version: &str, line: &str, group: &dyn Fn(&str) -> Option<u32>| {
        let version = format!("Linux version {version} (tests)\n");
        let more = [("proc/version", version.as_bytes()), ("proc/cmdline", line.as_bytes())];
        let root = system(name, D05, group, &more);
        let check = document(&["--root", root.to_str().unwrap()]);
        let differ = check["kernel"]["differ"].as_array().unwrap().clone();
        assert!(!differ.is_empty(), "{name}");
        let causes: BTreeSet<String> =
            differ.iter().map(|d| d["cause"].as_str().unwrap().to_owned()).collect();
        let why: String = differ.iter().map(|d| d["why"].as_str().unwrap()).collect();
        (causes, why)
    };
    let one = |cause: &str| BTreeSet::from([cause.to_owned()]);
    let (causes, why) = cause("cause-old", "4.19.0", "quiet", &ports_last);
    assert!(causes == one("order") && why.contains("really_probe"), "{causes:?} {why}");
    let override_ = "pcie_acs_override=downstream,multifunction";
    let (causes, why) = cause("cause-override", "6.18.0", override_, &apart);
    assert!(causes == one("parameter") && why.contains(override_), "{causes:?} {why}");

    // Where there is nothing to look at a gate does not pass.
    let iort = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-samples/d05-2020/iort.bin");
    let listing = "00:00.0 Host bridge: Intel Corporation 440FX\n00:01.0 VGA compatible controller: Cirrus\n";
    for (fault, evidence, lacks) in [
        ("differs", iort, "the kernel's own groups"),
        ("untranslated", "-", "--fail-on untranslated needs firmware that describes IOMMUs"),
        ("error", "-", "--fail-on error needs firmware to check"),
    ] {
        let output = fwspec(&["check", "--fail-on", fault, evidence], listing.as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{fault}: {said}");
        assert!(said.contains(lacks), "{fault}: {said}");
    }
    let root = system("fail-on", D05, apart, &[]);
    for (fault, code) in [("differs", 1), ("error,differs", 1), ("untranslated", 0)] {
        let output = fwspec(&["check", "--fail-on", fault, "--root", root.to_str().unwrap()], b"");
        assert_eq!(output.status.code(), Some(code), "{fault}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_gate_does_not_pass_on_a_part_of_a_machine() {
    let listing =
        fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(D05).join("lspci.txt")).unwrap();
    let iort = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-samples/d05-2020/iort.bin");
    let cut = &listing[..listing.len() - 20];
    for (text, code) in [(&listing[..], Some(0)), (cut, Some(2))] {
        for verb in ["check", "audit"] {
            let output = fwspec(&[verb, "--fail-on", "untranslated", iort, "-"], text);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), code, "{verb}: {said}");
            assert_eq!(said.contains("the listing is incomplete"), code == Some(2), "{said}");
        }
    }
    let output = fwspec(&["check", "--json", "-"], cut);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["remarks"][0]["kind"], "not-whole");
    assert!(document["evidence"][0]["gaps"][0].as_str().unwrap().starts_with("line "));
}

/// Where the ACS capability of a function stands.
fn acs(config: &[u8]) -> Option<usize> {
    let mut at = 0x100;
    while config.len() >= at + 4 && config[at..at + 4] != [0; 4] {
        if config[at..at + 2] == [0x0d, 0] {
            return Some(at);
        }
        at = usize::from(config[at + 3]) << 4 | usize::from(config[at + 2] >> 4);
        if at < 0x100 {
            break;
        }
    }
    None
}

#[cfg(unix)]
#[test]
fn the_lines_of_a_conclusion_make_the_group_as_small_as_it_says() {
    let sample = "firmware-samples/qemu-virt-acpi";
    let root = system("conclusion", sample, |_| None, &[]);
    let file = |device: &str| root.join(format!("sys/devices/{device}/config"));
    let devices: Vec<String> = fs::read_dir(root.join("sys/bus/pci/devices"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for device in &devices {
        let mut config = fs::read(file(device)).unwrap();
        if let Some(at) = acs(&config) {
            config[at + 6..at + 8].fill(0);
            fs::write(file(device), config).unwrap();
        }
    }
    let why = |device: &str| -> Value {
        let output = fwspec(&["groups", "--json", "--root", root.to_str().unwrap(), "--why", device], b"");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let asked = devices.iter().find(|device| {
        let found = why(device);
        found["conclusion"]["settings"].as_array().is_some_and(|settings| !settings.is_empty())
    });
    let asked = asked.expect("some device is kept in its group by ACS that is off");
    let before = why(asked);
    let conclusion = &before["conclusion"];
    let count = |list: &Value| list.as_array().unwrap().len();
    assert!(count(&conclusion["smallest"]) < count(&before["members"]), "{before}");
    assert!(conclusion["parameter"].as_str().unwrap().starts_with("pci=config_acs="), "{before}");
    for setting in conclusion["settings"].as_array().unwrap() {
        // setpci -s 0000:00:01.0 ECAP_ACS+6.w=001d:001d
        let line = setting["line"].as_str().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let (register, value) = words[3].split_once('=').unwrap();
        assert_eq!((words[0], words[1], register), ("setpci", "-s", "ECAP_ACS+6.w"), "{line}");
        let (value, mask) = value.split_once(':').unwrap();
        let [value, mask] = [value, mask].map(|text| u16::from_str_radix(text, 16).unwrap());
        let mut config = fs::read(file(words[2])).unwrap();
        let at = acs(&config).unwrap() + 6;
        let now = u16::from_le_bytes([config[at], config[at + 1]]);
        config[at..at + 2].copy_from_slice(&(now & !mask | value & mask).to_le_bytes());
        fs::write(file(words[2]), config).unwrap();
    }
    let after = why(asked);
    assert_eq!(after["members"], conclusion["smallest"], "{before} {after}");
}

/// A kernel in which the driver of one of two IOMMUs did not get far.
#[cfg(unix)]
#[test]
fn an_iommu_that_no_driver_registered_is_named() {
    let sample = "firmware-samples/qemu-two-smmus";
    let of_first = group_in(sample);
    let of_first = |device: &str| of_first(device).filter(|_| device.starts_with("0000:0"));
    let more = [
        ("proc/version", b"Linux version 6.18.15 (tests)\n".as_slice()),
        ("sys/class/iommu/smmu3.0x000000000c000000/name", b""),
    ];
    let root = system("unregistered", sample, of_first, &more);
    let check = document(&["--root", root.to_str().unwrap()]);
    assert_eq!((&check["kernel"]["known"], &check["kernel"]["agree"]), (&7.into(), &4.into()), "{check}");
    let why = check["kernel"]["differ"][0]["why"].as_str().unwrap();
    assert!(why.contains("no driver has registered IORT+0xa0"), "{why}");
    assert!(check["iommu"]["why"].as_str().unwrap().contains("registered 1 of 2 IOMMUs"), "{check}");
}

#[cfg(unix)]
#[test]
fn machines_that_show_little_are_told_so() {
    let said = |root: &Path| {
        let output = fwspec(&["check", "--root", root.to_str().unwrap()], b"");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // However it is broken into lines.
        (output.status.code().unwrap(), text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    // A container: neither functions nor firmware.
    let bare = root("bare", &[("sys/class/net/lo/mtu", b"65536"), ("proc/cmdline", b"quiet")]);
    let (code, text) = said(&bare);
    assert!(code == 2 && text.contains("neither PCI functions"), "{code}: {text}");
    // A container: functions, and firmware out of sight.
    let sample = "firmware-samples/qemu-switch-bridge";
    let masked = system("masked", sample, group_in(sample), &[]);
    fs::remove_dir_all(masked.join("sys/firmware")).unwrap();
    let (code, text) = said(&masked);
    assert!(code == 0 && text.contains("as predicted") && text.contains("no firmware"), "{code}: {text}");
    // No IOMMU, whatever the reason.
    let off = [("proc/cmdline", b"quiet intel_iommu=off".as_slice())];
    let off = system("off", "firmware-samples/qemu-intel-iommu", |_| None, &off);
    let (code, text) = said(&off);
    assert!(code == 0 && text.contains("intel_iommu=off: the kernel uses no Intel IOMMU"), "{code}: {text}");
    let none = system("none", "firmware-samples/qemu-intel-iommu", |_| None, &[]);
    fs::remove_dir_all(none.join("sys/firmware")).unwrap();
    let (code, text) = said(&none);
    assert!(code == 0 && text.contains("no firmware that describes an IOMMU was found"), "{code}: {text}");
    // Only the part of config space that is readable without root: what cannot be compared is not a difference.
    let shallow = system("shallow", sample, group_in(sample), &[]);
    for function in fs::read_dir(shallow.join("sys/bus/pci/devices")).unwrap() {
        let config = function.unwrap().path().join("config");
        let bytes = fs::read(&config).unwrap();
        fs::write(config, &bytes[..64]).unwrap();
    }
    let (code, text) = said(&shallow);
    assert!(code == 0 && text.contains("only root can read more than 64 bytes"), "{code}: {text}");
    assert!(text.contains("not compared, because ACS was not read"), "{text}");
    assert!(!text.contains("not as predicted"), "{text}");
    // Devices that leave while they are read.
    let leaving = system("leaving", sample, group_in(sample), &[]);
    let list = leaving.join("sys/bus/pci/devices");
    let gone = fs::read_dir(&list).unwrap().nth(1).unwrap().unwrap().path();
    fs::remove_dir_all(fs::read_link(gone).unwrap()).unwrap();
    let (code, text) = said(&leaving);
    assert!(code == 0 && text.contains("No such file"), "{code}: {text}");
}

/// What a kernel said of two boots of one machine: a fault of a device, a refusal, and what only sounds bad.
#[cfg(unix)]
#[test]
fn the_log_is_told_at_a_glance() {
    let sample = "firmware-samples/qemu-switch-bridge";
    let log = b"[    0.000000] Linux version 7.3.4+deb13-arm64 (tests)
[    1.000000] arm-smmu-v3 arm-smmu-v3.0.auto: 2-level strtab only covers 25/32 bits of SID
[    2.000000] usb 1-1: new high-speed USB device number 2
[    3.000000] arm-smmu-v3 arm-smmu-v3.0.auto: event: F_TRANSLATION client: 0000:00:01.0 sid: 0x8 ssid: 0x0 iova: 0x8000000 ipa: 0x0
[    4.000000] arm-smmu-v3 arm-smmu-v3.0.auto: event: F_TRANSLATION client: 0000:00:01.0 sid: 0x8 ssid: 0x0 iova: 0x8001000 ipa: 0x0
";
    let system = system("log", sample, group_in(sample), &[("var/log/dmesg", log.as_slice())]);
    let check = document(&["--root", system.to_str().unwrap()]);
    let told = &check["log"];
    let counts =
        ["lines", "about", "faults", "refused", "firmware_bugs"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(counts, [5, 3, 2, 0, 0], "{told}");
    let grave = told["grave"].as_array().unwrap();
    assert_eq!(grave.len(), 1, "{told}");
    assert_eq!((&grave[0]["kind"], &grave[0]["times"]), (&"fault".into(), &2.into()), "{told}");
    assert_eq!(grave[0]["devices"], serde_json::json!(["0000:00:01.0"]), "{told}");
    assert!(grave[0]["record"].as_str().is_some_and(|record| record.starts_with("IORT+0x")), "{told}");
    assert!(
        check["next"]
            .as_array()
            .unwrap()
            .iter()
            .any(|next| next.as_str().unwrap().starts_with("fwspec explain"))
    );
    let output = fwspec(&["check", "--root", system.to_str().unwrap()], b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("log           5 lines, 3 of them about IOMMUs, 2 faults"), "{text}");
    // The whole story, by the line that is offered.
    let output = fwspec(&["explain", "--root", system.to_str().unwrap()], b"");
    assert!(String::from_utf8_lossy(&output.stdout).contains("0000:00:01.0"), "{output:?}");
    // An id is still the question, whatever the log says.
    let output = fwspec(&["explain", "--root", system.to_str().unwrap(), "00:01.0"], b"");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("F_TRANSLATION"), "{output:?}");
    // Without a log nothing is said of one, and a root folder's is not this machine's.
    fs::remove_dir_all(system.join("var")).unwrap();
    assert_eq!(document(&["--root", system.to_str().unwrap()])["log"], Value::Null);
}

/// Captured boots as their `/sys` would show them: every device is known, and the kernel differs where the comparison from firmware and
/// config space differs, too (`tests/it/group/kernel_truth.agreed`).
#[cfg(unix)]
#[test]
fn captured_boots_are_checked() {
    let (Some(runs), Some(harness)) = (shared("linux-truth/runs"), shared("linux-truth/harness/sysfs.py"))
    else {
        return;
    };
    let agreed = include_str!("../../../tests/it/group/kernel_truth.agreed");
    let agreed: BTreeSet<&str> = agreed.lines().collect();
    let some = [
        "deep.acpi.7.3",
        "rp_ep_mf-rescan.dt.6.18.15",
        "sw3-nobrdrv.dt.6.1",
        "deep.q35.7.3",
        "igb_vf3.dt.6.18.15",
        "fw_dt_map_and_iommus.dt.7.3",
        "rp_ep_mf-rescan.dt.7.3",
        "p2p3.acpi-viommu.6.18.15",
    ];
    // Of which an ordinary run takes three; FWSPEC_CASES=full takes all boots.
    let some = &some[..cases_of_three(3, some.len(), some.len())];
    let full = cases(false, true);
    let mut looked_at = 0;
    for entry in fs::read_dir(runs).unwrap() {
        let run = entry.unwrap().path();
        let name = run.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(devices) = fs::read(run.join("devices.json")) else { continue };
        if !full && !some.contains(&name.as_str()) {
            continue;
        }
        looked_at += 1;
        let root = root(&format!("boots/{name}"), &[]);
        let made = Command::new("python3").arg(&harness).args([&run, &root]).status().unwrap();
        assert!(made.success(), "{name}");
        let check = document(&["--root", root.to_str().unwrap()]);
        let devices: Vec<Value> = serde_json::from_slice(&devices).unwrap();
        assert_eq!(check["functions"], devices.len(), "{name}");
        let strangers = check["kernel"]["strangers"].as_array().unwrap();
        assert!(
            strangers.iter().all(|name| name.as_str().unwrap().starts_with("LNRO")),
            "{name}: {strangers:?}"
        );
        let differ = check["kernel"]["differ"].as_array().unwrap();
        assert_eq!(differ.is_empty(), agreed.contains(name.as_str()), "{name}: {differ:?}");
        for differ in differ {
            assert_eq!(differ["cause"], "order", "{name}: {differ}");
            let late = name.contains("-nobrdrv");
            assert_eq!(differ["why"].as_str().unwrap().contains("really_probe"), late, "{name}: {differ}");
        }
    }
    assert!(looked_at >= some.len(), "{looked_at}");
    println!("{looked_at} boots");
}

/// What every verb says of a system and of its snapshot, where that is unpacked.
#[cfg(unix)]
#[test]
fn a_snapshot_says_what_the_system_says() {
    let sample = "firmware-samples/qemu-switch-bridge";
    let more = [
        ("proc/version", b"Linux version 7.3.4 (somebody@somewhere) #1\n".as_slice()),
        ("proc/cmdline", b"root=UUID=0b1c2d3e-0000-4abc-8def-0123456789ab iommu.passthrough=0 secret=word\n"),
        (
            "var/log/dmesg",
            b"[ 1.0] arm-smmu-v3: probed\n[ 2.0] eth0: 52:54:00:12:34:56 iommu\n[ 3.0] usb 1-1: new\n",
        ),
    ];
    let system = system("snapshot", sample, group_in(sample), &more);
    // A function with a serial number, and with what was read last of its product data.
    let home = fs::read_link(system.join("sys/bus/pci/devices/0000:00:01.0")).unwrap();
    let mut config = fs::read(home.join("config")).unwrap();
    config.resize(4096, 0);
    let next = |config: &[u8], at: usize| usize::from(config[at + 3]) << 4 | usize::from(config[at + 2] >> 4);
    let mut last = 0x100;
    while next(&config, last) >= 0x100 {
        last = next(&config, last);
    }
    if config[last..last + 4] == [0; 4] {
        // An advanced error reporting capability, where there was none.
        config[last] = 1;
    }
    config[last + 2] = 1;
    config[last + 3] = 0xf0;
    config[0xf00..0xf0c].copy_from_slice(&[3, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]);
    fs::write(home.join("config"), &config).unwrap();
    let archive = system.with_extension("tar.gz");
    let [from, to] = [&system, &archive].map(|path| path.to_str().unwrap().to_owned());
    let output = fwspec(&["snapshot", "--root", &from, "-o", &to], b"");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for held in [
        "config spaces: 0000:00:00.0",
        "firmware: IORT, MCFG",
        "groups: 0, 1",
        "Linux 7.3.4, iommu.passthrough=0",
        "2 lines",
    ] {
        assert!(said.contains(held), "{held} is not in {said}");
    }
    let bytes = fs::read(&archive).unwrap();
    let unpacked = root("unpacked", &[]);
    tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice())).unpack(&unpacked).unwrap();
    let kept = |file: &str| String::from_utf8_lossy(&fs::read(unpacked.join(file)).unwrap()).into_owned();
    assert_eq!(kept("proc/cmdline"), "iommu.passthrough=0\n");
    assert_eq!(kept("proc/version"), "Linux version 7.3.4\n");
    assert_eq!(kept("var/log/dmesg"), "[ 1.0] arm-smmu-v3: probed\n[ 2.0] eth0: 00:00:00:00:00:00 iommu\n");
    let config = fs::read(unpacked.join("sys/bus/pci/devices/0000:00:01.0/config")).unwrap();
    assert_eq!(config[0xf00..0xf0c], [3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The same bytes again, whenever it is made.
    assert_eq!(fwspec(&["snapshot", "--root", &from, "-o", "-"], b"").stdout, bytes);
    let other = unpacked.to_str().unwrap();
    for verb in [
        &["groups", "--json"][..],
        &["audit", "--json"],
        &["lint", "--json"],
        &["show", "--json"],
        &["simulate"],
    ] {
        let [one, two] = [from.as_str(), other].map(|root| fwspec(&[verb, &["--root", root]].concat(), b""));
        let plain = |output: &[u8], root: &str| String::from_utf8_lossy(output).replace(root, "");
        assert_eq!(plain(&one.stdout, &from), plain(&two.stdout, other), "{verb:?}");
        assert_eq!(one.status.code(), two.status.code(), "{verb:?}");
    }
    assert_eq!(
        document(&["--root", &from])["kernel"]["agree"],
        document(&["--root", other])["kernel"]["agree"]
    );
    // Everything, for who asks for it.
    let output = fwspec(&["snapshot", "--with-identity", "--root", &from, "-o", "-"], b"");
    let unpacked = root("unpacked-with-identity", &[]);
    tar::Archive::new(flate2::read::GzDecoder::new(output.stdout.as_slice())).unpack(&unpacked).unwrap();
    let line = fs::read_to_string(unpacked.join("proc/cmdline")).unwrap();
    assert!(line.contains("secret=word"), "{line}");
    let config = fs::read(unpacked.join("sys/bus/pci/devices/0000:00:01.0/config")).unwrap();
    assert_eq!(config[0xf04..0xf08], [0xde, 0xad, 0xbe, 0xef]);
}

/// What is recorded of a function.
fn recorded(time: &str, action: &str, place: &str, more: &str) -> String {
    format!(
        "KERNEL[{time}] {action} /devices/pci000a:10/{place} (pci)\nACTION={action}\nSUBSYSTEM=pci\n{more}\n"
    )
}

#[test]
fn a_recording_is_followed_as_it_happens() {
    let recording = [
        recorded("5.1", "add", "000a:10:00.0", "IOMMU_GROUP=3\n"),
        recorded("5.2", "add", "000a:10:00.0/000a:11:00.0", "PCI_ID=19E5:A222\nIOMMU_GROUP=3\n"),
        "UDEV  [5.2] add /devices/pci000a:10/000a:10:00.0/000a:11:00.0 (pci)\nACTION=add\n\n".to_owned(),
        recorded("5.3", "add", "000a:10:00.0/000a:11:00.1", "IOMMU_GROUP=9\n"),
        "KERNEL[5.4] add /devices/virtual/net/lo (net)\nACTION=add\nSUBSYSTEM=net\n\n".to_owned(),
        recorded("6.0", "bind", "000a:10:00.0/000a:11:00.1", "DRIVER=hns3\nIOMMU_GROUP=9\n"),
        recorded("7.0", "remove", "000a:10:00.0/000a:11:00.1", ""),
    ];
    let text = format!(
        "monitor will print the received events for:\nKERNEL - the kernel uevent\n\n{}",
        recording.concat()
    );
    let evidence = [format!("{D05}/iort.bin"), format!("{D05}/lspci.txt")];
    let words = |more: &[&str]| -> Vec<String> {
        let words = ["watch", "--replay", "-"].iter().chain(more).map(|word| (*word).to_owned());
        words.chain(evidence.iter().cloned()).collect()
    };
    let run = |more: &[&str]| {
        let words = words(more);
        fwspec(&words.iter().map(String::as_str).collect::<Vec<_>>(), text.as_bytes())
    };
    let said = run(&[]);
    let shown = words(&[]);
    snapshot("watch-replay", &shown.iter().map(String::as_str).collect::<Vec<_>>(), said);
    let output = run(&["--json"]);
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let told: Vec<(&str, &str, Option<bool>)> = lines
        .iter()
        .map(|line| {
            (line["action"].as_str().unwrap(), line["device"].as_str().unwrap(), line["agrees"].as_bool())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("add", "000a:10:00.0", Some(true)),
            ("add", "000a:11:00.0", Some(true)),
            ("add", "000a:11:00.1", Some(false)),
            ("bind", "000a:11:00.1", Some(false)),
            ("remove", "000a:11:00.1", None),
        ]
    );
    assert_eq!(run(&["--fail-on", "differs"]).status.code(), Some(1));
    // The same by the other name.
    let by_check = ["check", "--watch", "--fail-on", "differs", "--replay", "-", &evidence[0], &evidence[1]];
    assert_eq!(fwspec(&by_check, text.as_bytes()).status.code(), Some(1));
    // One that had left again when its event was read is in no group, and that is no difference.
    let gone = [
        recorded("5.1", "add", "000a:10:00.0", "IOMMU_GROUP=3\n"),
        recorded("5.2", "add", "000a:10:00.0/000a:11:00.0", "GONE=1\n"),
        recorded("5.3", "add", "000a:10:00.0/000a:11:00.1", "IOMMU_GROUP=3\n"),
        recorded("5.4", "remove", "000a:10:00.0/000a:11:00.0", ""),
        recorded("5.5", "bind", "000a:10:00.0/000a:11:00.1", "IOMMU_GROUP=3\n"),
    ];
    let more: Vec<&str> = ["watch", "--json", "--fail-on", "differs", "--replay", "-"]
        .into_iter()
        .chain(evidence.iter().map(String::as_str))
        .collect();
    let output = fwspec(&more, gone.concat().as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(run(&["--fail-on", "differs", "--count", "2"]).status.code(), Some(0));
    // What is no recording, and what cannot be watched.
    assert_eq!(fwspec(&["watch", "--replay", "Cargo.toml"], b"").status.code(), Some(2));
    assert_eq!(fwspec(&["watch", &evidence[0]], b"").status.code(), Some(64));
}
