//! Piles of evidence: one content is one machine whatever it comes in, and two machines are never one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::outside::shared;

use fwspec::acpi::iort::Builder;
use fwspec::answer::findings;
use fwspec::machine::{Collector, Firmware, Kind, Machine, MachineError};
use fwspec::{Dialect, ErrorKind, RequesterIndex, group::Policy};

pub(super) fn sample(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples").join(file)).unwrap()
}

/// A MADT with these GIC ITS units.
fn madt(units: &[u32]) -> Vec<u8> {
    let mut structures = Vec::new();
    for unit in units {
        structures.extend([0x0f, 20, 0, 0]);
        structures.extend(unit.to_le_bytes());
        structures.extend([0; 12]);
    }
    let mut table = b"APIC".to_vec();
    table.extend(u32::try_from(44 + structures.len()).unwrap().to_le_bytes());
    table.extend([5, 0]);
    table.extend(b"EXAMPLFIRMWARE\0");
    table.resize(44, 0);
    table.extend(structures);
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// An IORT whose root complex on this segment sends its MSIs to an ITS.
pub(super) fn iort(segment: u32) -> Vec<u8> {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
    table.root_complex(segment).maps(0..=0xffff, 0, smmu);
    table.finish()
}

/// Tables as `acpidump` prints them.
fn acpidump(tables: &[&[u8]]) -> Vec<u8> {
    let mut text = String::new();
    for table in tables {
        let signature = std::str::from_utf8(&table[..4]).unwrap();
        text += &format!("{signature} @ 0x0000000000000000\n");
        for (line, bytes) in table.chunks(16).enumerate() {
            let hex: String = bytes.iter().map(|byte| format!(" {byte:02X}")).collect();
            text += &format!("    {:04X}:{hex}\n", line * 16);
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn pile(pieces: &[(&str, &[u8])]) -> Result<Machine, MachineError> {
    let mut collector = Collector::new();
    for (name, bytes) in pieces {
        collector.add(name, bytes.to_vec())?;
    }
    collector.finish()
}

#[test]
fn x86_machines_are_machines() {
    let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples").join(name);
    for (name, table) in [("qemu-intel-iommu", "dmar.bin"), ("qemu-amd-iommu", "ivrs.bin")] {
        let folder = folder(name);
        let machine = Machine::open([folder.join(table), folder.join("lspci.txt")]).unwrap();
        assert!(machine.map(Dialect::LINUX).is_some_and(|map| !map.iommus().is_empty()), "{name}");
        assert_eq!(machine.has_ivrs, table == "ivrs.bin");
    }
    // A device tree beside a DMAR is a second kind, too.
    let dmar = fs::read(folder("qemu-intel-iommu").join("dmar.bin")).unwrap();
    let error = pile(&[("dmar.bin", &dmar), ("fdt.dtb", &sample("d05-2020/fdt.dtb"))]).unwrap_err();
    assert!(matches!(error, MachineError::TwoKinds { .. }), "{error}");
}

/// Each of these tables describes all IOMMUs of a machine, so that two of them are of two machines.
#[test]
fn tables_that_no_machine_has_both_of_are_two_machines() {
    let tables = [
        ("iort.bin", sample("d05-2020/iort.bin")),
        ("dmar.bin", sample("qemu-intel-iommu/dmar.bin")),
        ("ivrs.bin", sample("qemu-amd-iommu/ivrs.bin")),
        ("rimt.bin", sample("qemu-riscv-race/rimt.bin")),
    ];
    for (at, (first, ours)) in tables.iter().enumerate() {
        for (second, theirs) in tables.iter().skip(at + 1) {
            let said = pile(&[(first, ours), (second, theirs)]).unwrap_err().to_string();
            assert!(
                said.starts_with("two machines: ") && said.contains(first) && said.contains(second),
                "{said}"
            );
        }
    }
    // The one that was named to count does.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples");
    let mut collector = Collector::new();
    collector.add("dmar.bin", tables[1].1.clone()).unwrap();
    collector.open_firmware(&folder.join("qemu-amd-iommu/ivrs.bin")).unwrap();
    let machine = collector.finish().unwrap();
    assert!(machine.has_ivrs);
    assert!(machine.evidence.iter().any(|piece| !piece.used && piece.name == "dmar.bin"));
}

#[test]
fn a_table_that_may_not_be_read_is_told_and_the_rest_is_taken() {
    // Nobody can read a folder as a file, root included.
    let root = Scratch::with(
        "no-root",
        &[
            ("sys/firmware/acpi/tables/IORT/none", b""),
            ("sys/firmware/acpi/tables/MCFG", &sample("d05-2020/mcfg.bin")),
            ("sys/firmware/fdt", b""),
            ("sys/bus/pci/devices/none", b""),
        ],
    );
    let machine = Machine::of_root(&root.0).unwrap();
    assert!(machine.map(Dialect::LINUX).is_none());
    let table = machine.evidence.iter().find(|evidence| evidence.name.ends_with("IORT")).unwrap();
    assert!(!table.used);
    assert!(table.note.as_ref().unwrap().ends_with("; without it, it is not known what IOMMUs translate"));
    // Nor is the stub of a tree taken in its place.
    assert!(machine.firmware.unwrap().tree().is_none());
}

/// A folder that is gone when the test is over.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn with(name: &str, files: &[(&str, &[u8])]) -> Self {
        let path = std::env::temp_dir().join(format!("fwspec-pile-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for (file, bytes) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn codes(machine: &Machine) -> Vec<String> {
    findings(machine.firmware.as_ref().unwrap()).iter().map(|finding| finding.code.to_string()).collect()
}

#[test]
fn a_madt_without_an_its_says_so_whatever_the_tables_come_in() {
    let (iort, madt) = (iort(0), madt(&[]));
    let joined = [iort.clone(), madt.clone()].concat();
    let turned = [madt.clone(), iort.clone()].concat();
    let files: [(&str, &[u8]); 2] = [("APIC", &madt), ("IORT", &iort)];
    let folder = Scratch::with("no-its", &files);
    let root = Scratch::with(
        "no-its-root",
        &[
            ("sys/firmware/acpi/tables/APIC", &madt),
            ("sys/firmware/acpi/tables/IORT", &iort),
            ("sys/bus/pci/devices/none", b""),
        ],
    );
    let machines = [
        pile(&[("both.bin", &joined)]),
        pile(&[("turned.bin", &turned)]),
        pile(&files),
        pile(&[files[1], files[0]]),
        pile(&[("acpidump.txt", &acpidump(&[&iort, &madt]))]),
        Machine::open([&folder.0]),
        Machine::open([folder.0.join("IORT"), folder.0.join("APIC")]),
        Machine::open([&root.0]),
    ];
    for machine in machines {
        let machine = machine.unwrap();
        assert_eq!(machine.firmware.as_ref().unwrap().platform.its_units.as_deref(), Some(&[][..]));
        assert!(codes(&machine).contains(&"IORT067".to_string()), "{:?}", machine.evidence);
    }
    // With the unit there is nothing to say.
    let there = pile(&[("IORT", &iort), ("APIC", &self::madt(&[0]))]).unwrap();
    assert!(!codes(&there).contains(&"IORT067".to_string()));
}

#[test]
fn field_cases_of_a_madt_without_an_its_give_one_answer() {
    let Some(cases) = shared("field-cases") else { return };
    let both = Machine::open([cases.join("suites/both-in-one.bin")]).unwrap();
    for folder in ["iort/madt-no-its", "suites/no-its"] {
        let folder = cases.join(folder);
        let of_folder = Machine::open([&folder]).unwrap();
        let of_files = Machine::open([folder.join("APIC"), folder.join("IORT")]).unwrap();
        for machine in [&of_folder, &of_files, &both] {
            assert!(codes(machine).contains(&"IORT067".to_string()), "{}", folder.display());
        }
    }
}

#[test]
fn two_machines_are_an_error_that_names_both() {
    let (one, other) = (iort(0), iort(1));
    let error = pile(&[("a/IORT", &one), ("b/IORT", &other)]).unwrap_err();
    assert_eq!(
        error,
        MachineError::TwoMachines { what: "IORT".into(), first: "a/IORT".into(), second: "b/IORT".into() }
    );
    let trees = [("a.dtb", sample("d05-2020/fdt.dtb")), ("b.dtb", sample("qemu-virt-dt/fdt.dtb"))];
    let error = pile(&[(trees[0].0, &trees[0].1), (trees[1].0, &trees[1].1)]).unwrap_err();
    assert!(error.to_string().contains("a.dtb and b.dtb are both device tree"), "{error}");
    // A device tree and an IORT of one machine are two kinds, in any order.
    let tree = &trees[0].1;
    for pieces in [[("fdt.dtb", &tree[..]), ("IORT", &one)], [("IORT", &one), ("fdt.dtb", &tree[..])]] {
        let kinds = MachineError::TwoKinds { tree: "fdt.dtb".into(), tables: "IORT".into() };
        assert_eq!(pile(&pieces).unwrap_err(), kinds);
    }
}

#[test]
fn the_same_piece_twice_is_one_piece() {
    let one = iort(0);
    let machine = pile(&[("a", &one), ("b", &one)]).unwrap();
    let used: Vec<bool> = machine.evidence.iter().map(|evidence| evidence.used).collect();
    assert_eq!(used, [true, false]);
    assert_eq!(machine.evidence[1].note.as_deref(), Some("not used: its IORT is that of a"));
    // Twice in one file is what the firmware says: Linux takes the first, and there is a finding.
    let twice = pile(&[("both.bin", &[one.clone(), iort(1)].concat())]).unwrap();
    let skipped = &twice.firmware.as_ref().unwrap().platform.skipped;
    assert!(skipped.iter().any(|error| error.kind == ErrorKind::TableTwice), "{skipped:?}");
}

#[test]
fn what_the_user_picks_counts_and_the_rest_is_listed() {
    let (one, other) = (iort(0), iort(1));
    for turned in [false, true] {
        let mut collector = Collector::new();
        if turned {
            collector.add("b/IORT", other.clone()).unwrap();
        }
        collector.pick_firmware("a/IORT", one.clone()).unwrap();
        if !turned {
            collector.add("b/IORT", other.clone()).unwrap();
        }
        let machine = collector.finish().unwrap();
        let firmware = machine.firmware.as_ref().unwrap();
        assert_eq!(firmware.file, "a/IORT");
        assert_eq!(firmware.platform.segment_of(RequesterIndex(0)).unwrap().0, 0);
        let unused = machine.evidence.iter().find(|evidence| !evidence.used).unwrap();
        assert_eq!(unused.name, "b/IORT");
        assert_eq!(unused.note.as_deref(), Some("not used: a/IORT was chosen"));
    }
    let mut collector = Collector::new();
    collector.add("IORT", one).unwrap();
    collector.pick_firmware("fdt.dtb", sample("d05-2020/fdt.dtb")).unwrap();
    assert!(collector.finish().unwrap().firmware.unwrap().tree().is_some());
}

/// linux arch/arm64/kernel/acpi.c `dt_is_stub`
#[test]
fn the_stub_of_a_device_tree_is_not_a_second_firmware() {
    let mut tree = vm_fdt::FdtWriter::new().unwrap();
    let root = tree.begin_node("").unwrap();
    let chosen = tree.begin_node("chosen").unwrap();
    tree.end_node(chosen).unwrap();
    tree.end_node(root).unwrap();
    let stub = tree.finish().unwrap();
    let machine = pile(&[("fdt", &stub), ("IORT", &iort(0))]).unwrap();
    assert!(machine.firmware.as_ref().unwrap().iort().is_some());
    assert_eq!((machine.evidence[0].used, machine.evidence[0].kind), (false, Kind::DeviceTree));
    // Alone it is what the firmware says: nothing.
    assert!(pile(&[("fdt", &stub)]).unwrap().firmware.unwrap().tree().is_some());
}

#[test]
fn listings_of_one_machine_join_and_those_of_two_do_not() {
    let dump = |at: &str, device: u8, lines: u8| {
        let mut text =
            format!("{at} Example\n00: 36 1b {device:02x} 00 00 00 00 00 00 00 00 02 00 00 00 00\n");
        for line in 1..lines {
            text += &format!("{line:x}0: {}\n", ["00"; 16].join(" "));
        }
        text + "\n"
    };
    let short = dump("00:01.0", 1, 4);
    let long = dump("00:01.0", 1, 16) + &dump("00:02.0", 2, 16);
    for pieces in
        [[("a", short.as_bytes()), ("b", long.as_bytes())], [("b", long.as_bytes()), ("a", short.as_bytes())]]
    {
        let machine = pile(&pieces).unwrap();
        assert_eq!(machine.devices.len(), 2);
    }
    let other = dump("00:01.0", 7, 16);
    let error = pile(&[("a", short.as_bytes()), ("c", other.as_bytes())]).unwrap_err();
    assert!(error.to_string().contains("a and c list different functions at 0000:00:01.0"), "{error}");
    let mut collector = Collector::new();
    collector.add("a", short.into_bytes()).unwrap();
    collector.pick_topology("c", other.into_bytes()).unwrap();
    let machine = collector.finish().unwrap();
    assert_eq!(machine.devices[0].facts().device, 7);
    assert!(!machine.evidence[0].used);
}

#[test]
fn what_a_listing_lacks_is_told_by_line_and_function() {
    let mut text = b"0000:00:01.0 Bridge\n00: 36 1b 0c 00 07 04 10 00 00 00 04 06 00 00 00 00\n".to_vec();
    text.extend(b"10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
    text.extend(b"20: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
    text.extend(b"30: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n\n");
    text.extend(b"0000:03:00.0 Ethernet\n00: 36 1b zz 00\n\n0000:04:00.0 Nothing\n");
    let machine = pile(&[("lspci.txt", &text)]).unwrap();
    let told: Vec<String> = machine.unread.iter().map(|unread| unread.place().to_string()).collect();
    assert_eq!(told, ["lspci.txt:8 (0000:03:00.0)", "lspci.txt:10 (0000:04:00.0)"]);
    assert_eq!(machine.devices.len(), 1);
}

#[test]
fn nothing_is_said_to_be_empty() {
    let error = pile(&[("empty.bin", b"")]).unwrap_err();
    assert!(error.to_string().starts_with("empty.bin: the file is empty: "), "{error}");
}

#[test]
fn a_machine_gives_the_groups_of_its_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/d05-2020");
    let machine = Machine::open([folder.join("iort.bin"), folder.join("lspci.txt")]).unwrap();
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    assert_eq!(refused, []);
    let firmware = Firmware::open("iort.bin", sample("d05-2020/iort.bin")).unwrap();
    let components = machine.platform_devices().count();
    assert_eq!(groups.devices().count(), machine.devices.len() + components);
    assert!(components > 0 && firmware.platform.requesters.len() > components);
    // The folder holds both firmwares of the board.
    assert!(matches!(Machine::open([&folder]), Err(MachineError::TwoKinds { .. })));
}

#[cfg(unix)]
#[test]
fn a_root_folder_is_a_machine_with_its_kernel() {
    use std::os::unix::fs::symlink;
    let config = |vendor: u16, device: u16| {
        let mut bytes = vec![0_u8; 64];
        bytes[..2].copy_from_slice(&vendor.to_le_bytes());
        bytes[2..4].copy_from_slice(&device.to_le_bytes());
        bytes
    };
    let home = "sys/devices/pci0000:00/0000:00:01.0";
    let below = "sys/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0";
    let vf = "sys/devices/pci0000:00/0000:00:01.1";
    let root = Scratch::with(
        "root",
        &[
            (&format!("{home}/config"), &config(0x1af4, 0x1000)),
            (&format!("{below}/config"), &config(0x8086, 0x0a54)),
            (&format!("{vf}/config"), &config(0xffff, 0xffff)),
            ("sys/firmware/acpi/tables/IVRS", b"IVRS"),
            ("sys/kernel/iommu_groups/3/devices/2b600000.ethernet/firmware_node/path", b"\\_SB_.NET0\n"),
            ("sys/kernel/iommu_groups/3/type", b"DMA-FQ\n"),
            ("sys/class/iommu/smmu3.0x0000000009050000/name", b""),
            ("proc/cmdline", b"ro iommu=pt\n"),
            ("proc/version", b"Linux version 6.12.0 (somebody) #1\n"),
            (
                "usr/share/misc/pci.ids",
                b"# Syntax:\n8086  Example Corporation\n\t0a54  Fast Disk\nC 01  Class\n",
            ),
        ],
    );
    let list = root.0.join("sys/bus/pci/devices");
    fs::create_dir_all(&list).unwrap();
    for home in [home, below, vf] {
        let (_, name) = home.rsplit_once('/').unwrap();
        symlink(format!("../../../{}", home.strip_prefix("sys/").unwrap()), list.join(name)).unwrap();
    }
    symlink("../../../kernel/iommu_groups/7", root.0.join(home).join("iommu_group")).unwrap();
    symlink("../0000:00:01.0", root.0.join(vf).join("physfn")).unwrap();
    fs::write(root.0.join("sys/firmware/acpi/tables/IVRS"), {
        let mut table = b"IVRS\x30\0\0\0\x02\0".to_vec();
        table.extend(b"EXAMPLFIRMWARE\0");
        table.resize(48, 0);
        table
    })
    .unwrap();
    let machine = Machine::of_root(&root.0).unwrap();
    assert!(machine.has_ivrs && machine.has_topology() && machine.map(Dialect::LINUX).is_some());
    assert_eq!(machine.kernel.group_of("00:01.0".parse().unwrap()), Some(7));
    assert_eq!(machine.kernel.groups["2b600000.ethernet"], 3);
    assert_eq!(machine.kernel.command_line.as_deref(), Some("ro iommu=pt"));
    assert_eq!(machine.kernel.release.as_deref(), Some("6.12.0"));
    assert_eq!(machine.kernel.dialect(), fwspec::Dialect::LINUX_CLASSIC);
    assert_eq!(machine.kernel.domains[&3], "DMA-FQ");
    assert!(machine.kernel.iommus.contains("smmu3.0x0000000009050000"));
    assert_eq!(machine.kernel.name_of(r"\_SB.NET0"), Some("2b600000.ethernet"));
    assert!(machine.kernel.groups_from.is_some());
    // The system's own database names what it has in it.
    let names: Vec<&str> = machine.names.values().map(|name| name.device.as_str()).collect();
    assert_eq!(names, ["Example Corporation Fast Disk"]);
    // No more than 64 bytes of each: what somebody sees who is not root.
    assert_eq!(machine.hidden.functions, 3);
    assert!(machine.hidden.to_string().contains("3 functions"), "{}", machine.hidden);
    let device = |bdf: &str| {
        let key = bdf.parse::<fwspec::Bdf>().unwrap().into();
        *machine.devices.iter().find(|device| device.key() == key).unwrap()
    };
    assert_eq!(device("10000:e0:06.0").real_dma_device(), Some("00:0e.0".parse().unwrap()));
    assert!(device("00:01.1").is_virtual_function());
    assert_eq!(device("00:01.1").facts().vendor, 0x1af4);
    assert!(!device("00:01.0").is_virtual_function());
}

/// A container that shows a part of `/sys`, a machine without PCI, a device that leaves while it is read.
#[cfg(unix)]
#[test]
fn a_root_folder_may_show_little() {
    use std::os::unix::fs::symlink;
    let bare = Scratch::with("bare", &[("sys/class/net/lo/mtu", b"65536")]);
    let error = Machine::of_root(&bare.0).unwrap_err().to_string();
    assert!(error.contains("neither PCI functions"), "{error}");

    let board = Scratch::with("board", &[("sys/firmware/fdt", &sample("qemu-virt-dt/fdt.dtb"))]);
    let machine = Machine::of_root(&board.0).unwrap();
    assert!(machine.firmware.is_some() && machine.devices.is_empty());
    assert_eq!(machine.kernel.groups_from, None);

    let mut config = vec![0_u8; 256];
    config[..4].copy_from_slice(&[0xf4, 0x1a, 0x00, 0x10]);
    let leaving = Scratch::with("leaving", &[("sys/devices/pci0000:00/0000:00:01.0/config", &config)]);
    let list = leaving.0.join("sys/bus/pci/devices");
    fs::create_dir_all(&list).unwrap();
    for name in ["0000:00:01.0", "0000:00:02.0"] {
        symlink(format!("../../../devices/pci0000:00/{name}"), list.join(name)).unwrap();
    }
    let machine = Machine::of_root(&leaving.0).unwrap();
    assert_eq!(machine.devices.len(), 1);
    let note = machine.evidence.iter().find(|evidence| evidence.name.ends_with("0000:00:02.0")).unwrap();
    assert!(!note.used && note.note.is_some());
    assert!(machine.hidden.is_empty());
}
