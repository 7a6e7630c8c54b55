//! Reports as the tools build them that people run for a bug report: every piece of them that says something of the machine is found, the rest is
//! counted, and an unpacked one says what the archive says.

use fwspec::machine::{Collector, Machine};
use fwspec::{Dialect, group::Policy};

use super::archives::{Entry, gzip, tar};
use super::dumps::dump;
use super::pile::{Scratch, sample};

/// A log of the kernel of the sample's machine.
fn log() -> String {
    let groups = [("0000:00:00.0", 0), ("0000:01:00.0", 1), ("0002:20:00.0", 2), ("0002:21:00.0", 2)];
    let groups = groups
        .map(|(device, group)| format!("[    0.7{group}0000] pci {device}: Adding to iommu group {group}\n"));
    format!(
        "[    0.000000] Booting Linux on physical CPU 0x0000010000 [0x410fd082]\n[    0.000000] Linux version 6.12.0-arm64 (debian-kernel@lists.debian.org) #1 SMP\n\
         [    0.000000] Kernel command line: BOOT_IMAGE=/vmlinuz ro iommu.passthrough=0\n[    0.600000] arm-smmu-v3 arm-smmu-v3.0.auto: ias 44-bit, oas 44-bit\n{}",
        groups.concat()
    )
}

const COMMAND_LINE: &str = "BOOT_IMAGE=/vmlinuz ro iommu.passthrough=0";

/// `lspci -nnvv` of the sample, with the dump of `-xxxx` that makes it one machine in each.
fn listing() -> String {
    String::from_utf8(sample("d05-2020/lspci.txt")).unwrap()
}

/// `lspci -tv` of it.
const TREE: &str =
    "-[0000:00]---00.0-[01]----00.0  Example card\n-[0002:20]---00.0-[21]----00.0  Example card\n";

/// `lspci -vmm` of a part of it.
const RECORDS: &str = "Slot:\t00:00.0\nClass:\tPCI bridge\nVendor:\tExample\nDevice:\tPort\n\n";

fn acpidump() -> String {
    let table = sample("d05-2020/iort.bin");
    let facp = [&b"FACP"[..], &36_u32.to_le_bytes(), &[6, 0], b"EXAMPLFIRMWARE\0", &[0; 11]].concat();
    dump("FACP @ 0x0000000000000000", &facp) + &dump("IORT @ 0x0000000000000000", &table)
}

/// A command's part of a report in one file.
fn part(command: &str, output: &str) -> String {
    format!("#==[ Command ]======================================#\n# {command}\n{output}\n")
}

type File = (String, Vec<u8>);

fn files(entries: &[(&str, &str)]) -> Vec<File> {
    entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// The layouts, each with everything that it holds, and whether it has the firmware, a log and the command line.
fn layouts() -> Vec<(&'static str, Vec<File>, bool)> {
    let (log, listing, acpidump) = (log(), listing(), acpidump());
    let iort = sample("d05-2020/iort.bin");
    let mut gathered: Vec<File> = vec![
        ("host/proc/cmdline".into(), COMMAND_LINE.into()),
        ("host/proc/cpuinfo".into(), b"processor : 0\n".to_vec()),
    ];
    gathered.push(("host/sys/firmware/acpi/tables/IORT".into(), iort.clone()));
    for function in fwspec::machine::lspci::parse(listing.as_bytes()).unwrap().functions {
        let bdf = function.bdf;
        let home = format!("host/sys/devices/pci{:04x}:{:02x}/{bdf}", bdf.segment.0, bdf.rid.bus());
        gathered.push((format!("{home}/config"), function.bytes.clone()));
        gathered.push((format!("{home}/vendor"), b"0x1b36\n".to_vec()));
    }
    vec![
        (
            "sos report",
            files(&[
                ("sosreport-host-2026/version.txt", "sosreport: 4.8\n"),
                ("sosreport-host-2026/proc/cmdline", &format!("{COMMAND_LINE}\n")),
                ("sosreport-host-2026/proc/version", "Linux version 6.12.0-arm64 (x) #1\n"),
                ("sosreport-host-2026/proc/meminfo", "MemTotal: 1 kB\n"),
                ("sosreport-host-2026/sos_commands/pci/lspci_-nnvv", &listing),
                ("sosreport-host-2026/sos_commands/pci/lspci_-tv", TREE),
                ("sosreport-host-2026/sos_commands/kernel/dmesg", &log),
                (
                    "sosreport-host-2026/sos_commands/kernel/dmesg_-T",
                    &log.replace("[    0.", "[Sat Nov 28 12:00:00 2026] ").replace("000000] ", ""),
                ),
                ("sosreport-host-2026/sos_commands/hardware/dmidecode", "# dmidecode 3.5\n"),
                ("sosreport-host-2026/sos_commands/acpi/acpidump", &acpidump),
                ("sosreport-host-2026/sos_logs/ui.log", "2026-11-28 12:00:00,000 INFO: sos report\n"),
            ]),
            true,
        ),
        (
            "hw-probe",
            files(&[
                ("hw.info/devices", "pci:10de-1c82;works;graphics card\n"),
                ("hw.info/host", "system:debian\n"),
                ("hw.info/logs/lspci", RECORDS),
                ("hw.info/logs/lspci_all", &listing),
                ("hw.info/logs/dmesg", &log),
                ("hw.info/logs/acpidump", &acpidump),
                ("hw.info/logs/lsusb", "Bus 001 Device 001: ID 1d6b:0002\n"),
            ]),
            true,
        ),
        (
            "supportconfig",
            files(&[
                ("scc_host_261128/basic-environment.txt", &part("/bin/uname -a", "Linux host 6.12.0")),
                (
                    "scc_host_261128/hardware.txt",
                    &[part("/sbin/lspci -tv", TREE), part("/sbin/lspci -nnvvxxx", &listing)].concat(),
                ),
                (
                    "scc_host_261128/boot.txt",
                    &[part("/bin/cat /proc/cmdline", COMMAND_LINE), part("/bin/dmesg", &log)].concat(),
                ),
                ("scc_host_261128/acpi.txt", &part("/usr/sbin/acpidump", &acpidump)),
            ]),
            true,
        ),
        (
            "nvidia-bug-report",
            files(&[(
                "nvidia-bug-report.log",
                &format!(
                    "Start of NVIDIA bug report log file.\n____________________________________________\n\n*** /proc/cmdline\n*** ls: -r--r--r-- 1 root root 0 /proc/cmdline\n{COMMAND_LINE}\n\
                     ____________________________________________\n\n/sbin/lspci -nntv\n\n{TREE}\n____________________________________________\n\n/sbin/lspci -nnDvvvxxxx\n\n{listing}\n\
                     ____________________________________________\n\n/bin/dmesg\n\n{log}"
                ),
            )]),
            false,
        ),
        (
            "apport",
            files(&[(
                "linux-image.crash",
                &format!(
                    "ProblemType: KernelOops\nArchitecture: arm64\nProcKernelCmdLine: {COMMAND_LINE}\nCurrentDmesg:\n{}Lspci:\n{}Lspci-vt:\n{}Tags: noble\n",
                    indented(&log),
                    indented(&listing),
                    indented(TREE)
                ),
            )]),
            false,
        ),
        (
            "pvereport",
            files(&[(
                "pve-report.txt",
                &format!(
                    "==== general system info ====\n\n# hostname\nhost\n\n# cat /proc/cmdline\n{COMMAND_LINE}\n\n==== info about pci ====\n\n# lspci -nnkxxxx\n{listing}\n# dmesg\n{log}"
                ),
            )]),
            false,
        ),
        ("hwloc-gather-topology", gathered, true),
        (
            "acpixtract",
            vec![
                ("dump/iort.dat".into(), iort),
                (
                    "dump/facp.dat".into(),
                    b"FACP\x24\0\0\0\x06\0EXAMPLFIRMWARE\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
                ),
                (
                    "dump/dsdt.dsl".into(),
                    b"DefinitionBlock (\"\", \"DSDT\", 2, \"A\", \"B\", 1)\n{\n}\n".to_vec(),
                ),
                ("dump/lspci.txt".into(), listing.clone().into_bytes()),
                ("dump/dmesg.txt".into(), log.into_bytes()),
            ],
            true,
        ),
    ]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!(" {line}\n")).collect()
}

/// Its functions and their groups, and whether it has firmware.
fn answer(machine: &Machine) -> (Vec<String>, bool) {
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    assert!(refused.is_empty());
    let mut found: Vec<String> = groups
        .groups()
        .map(|group| format!("{:?}", group.members().map(|at| at.to_string()).collect::<Vec<_>>()))
        .collect();
    found.retain(|group| group.contains(':'));
    found.sort();
    (found, machine.map(Dialect::LINUX).is_some())
}

#[test]
fn every_piece_of_a_report_is_found() {
    let mut listed = Collector::new();
    listed.add("lspci.txt", sample("d05-2020/lspci.txt")).unwrap();
    let mut with = listed.clone();
    with.add("iort.bin", sample("d05-2020/iort.bin")).unwrap();
    let (listed, with) = (answer(&listed.finish().unwrap()), answer(&with.finish().unwrap()));
    for (name, files, has_firmware) in layouts() {
        let entries: Vec<(&str, Entry<'_>)> =
            files.iter().map(|(path, bytes)| (path.as_str(), Entry::File(bytes))).collect();
        let packed = gzip(&tar(&entries));
        let borrowed: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
        let scratch = Scratch::with(&format!("report-{}", name.replace(' ', "-")), &borrowed);
        let mut collector = Collector::new();
        collector.add("report.tar.gz", packed).unwrap_or_else(|error| panic!("{name}: {error}"));
        let archive = collector.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
        let folder = Machine::open([&scratch.0]).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (what, machine) in [("archive", &archive), ("folder", &folder)] {
            let case = format!("{name}, {what}: {:#?}", machine.evidence);
            assert_eq!(&answer(machine), if has_firmware { &with } else { &listed }, "{case}");
            assert_eq!(machine.unread, [], "{case}");
            assert_eq!(machine.kernel.command_line.as_deref(), Some(COMMAND_LINE), "{case}");
            if name != "hwloc-gather-topology" {
                assert_eq!(machine.kernel.group_of("0002:21:00.0".parse().unwrap()), Some(2), "{case}");
                assert_eq!(machine.kernel.release.as_deref(), Some("6.12.0-arm64"), "{case}");
            }
        }
        // What is not used is listed or counted.
        for (path, _) in &files {
            let read = archive.evidence.iter().any(|piece| piece.name.contains(path.as_str()));
            let counted =
                archive.evidence.iter().any(|piece| piece.note.is_some() && piece.kind.is_archive());
            assert!(
                read || counted || path.contains("/sys/"),
                "{name}: {path} passes unread: {:#?}",
                archive.evidence
            );
        }
    }
}
