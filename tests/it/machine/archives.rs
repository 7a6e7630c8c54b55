//! Compressed files and archives: each gives the answer of what is in it, and a bomb costs what the bounds say.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use fwspec::machine::{Collector, ContainerError, Kind, Machine, MachineError, recognise};
use fwspec::{Dialect, group::Policy};

use super::dumps::base64;
use super::pile::{Scratch, iort, sample};
use crate::support::cases::{cases, cases_of_three};
use crate::support::outside::{installed, run, shared};

/// An entry of an archive.
pub(super) enum Entry<'a> {
    File(&'a [u8]),
    Link(&'a str),
    /// Any other, by its type.
    Other(u8, &'a [u8]),
}

/// The header of a tar entry (POSIX.1-2001 ustar).
fn header(path: &str, size: usize, kind: u8, target: &str) -> [u8; 512] {
    let mut header = [0_u8; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

pub(super) fn tar(entries: &[(&str, Entry<'_>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (path, entry) in entries {
        let (kind, target, bytes) = match entry {
            Entry::File(bytes) => (b'0', "", *bytes),
            Entry::Link(target) => (b'2', *target, &[][..]),
            Entry::Other(kind, bytes) => (*kind, "", *bytes),
        };
        file.extend(header(path, bytes.len(), kind, target));
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.resize(file.len() + 1_024, 0);
    file
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip of these files, stored or deflated.
fn zip(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (path, bytes, deflated) in files {
        let data = if *deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            bytes.to_vec()
        };
        let at = file.len() as u32;
        let method: [u8; 2] = if *deflated { [8, 0] } else { [0, 0] };
        let sizes = [data.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
        let name = (path.len() as u16).to_le_bytes();
        file.extend([b"PK\x03\x04", &[20, 0, 0, 0][..], &method, &[0; 8], &sizes, &name, &[0, 0]].concat());
        file.extend(path.as_bytes());
        file.extend(data);
        directory.extend(
            [b"PK\x01\x02", &[20, 3, 20, 0, 0, 0][..], &method, &[0; 8], &sizes, &name, &[0; 12]].concat(),
        );
        directory.extend(at.to_le_bytes());
        directory.extend(path.as_bytes());
    }
    let (at, count) = (file.len() as u32, files.len() as u16);
    let count = [count, count].map(u16::to_le_bytes).concat();
    let end = [
        b"PK\x05\x06",
        &[0; 4][..],
        &count,
        &(directory.len() as u32).to_le_bytes(),
        &at.to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    [file, directory, end].concat()
}

fn open(name: &str, bytes: &[u8]) -> Result<Machine, MachineError> {
    let mut collector = Collector::new();
    collector.add(name, bytes.to_vec())?;
    collector.finish()
}

/// What is known of a machine, without what its pieces are called.
fn answer(machine: &Machine) -> impl PartialEq + std::fmt::Debug + use<> {
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    let numbers: Vec<String> = groups.groups().map(|group| format!("{group:?}")).collect();
    let platform = machine.firmware.as_ref().map(|firmware| format!("{:?}", firmware.platform));
    // Where it stood differs.
    let mut kernel = machine.kernel.clone();
    kernel.groups_from = None;
    (numbers, refused.len(), platform, kernel, machine.has_ivrs, machine.unread.len())
}

#[test]
fn a_compressed_tree_is_that_tree() {
    let tree = sample("d05-2020/fdt.dtb");
    let plain = answer(&open("fdt.dtb", &tree).unwrap());
    for (tool, arguments, kind) in [
        ("gzip", &["-c"][..], Kind::Gzip),
        ("xz", &["-c", "--check=crc32"], Kind::Xz),
        ("xz", &["-c", "-9e"], Kind::Xz),
        ("xz", &["-c", "--format=lzma"], Kind::Lzma),
        ("zstd", &["-c"], Kind::Zstd),
        ("zstd", &["-c", "-19", "--long=27"], Kind::Zstd),
        ("lz4", &["-c"], Kind::Lz4),
        ("lz4", &["-c", "-l"], Kind::Lz4),
        ("bzip2", &["-c"], Kind::Bzip2),
    ] {
        if !installed(tool) {
            continue;
        }
        let mut child =
            Command::new(tool).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = tree.clone();
        let writer = std::thread::spawn(move || pipe.write_all(&bytes).unwrap());
        let compressed = child.wait_with_output().unwrap().stdout;
        writer.join().unwrap();
        assert_eq!(recognise(&compressed), kind, "{tool} {arguments:?}");
        let machine =
            open("fdt.dtb.z", &compressed).unwrap_or_else(|error| panic!("{tool} {arguments:?}: {error}"));
        assert_eq!(answer(&machine), plain, "{tool} {arguments:?}");
        assert_eq!((machine.evidence[0].kind, machine.evidence[1].kind), (kind, Kind::DeviceTree));
        // A kernel with a tree behind it, compressed without it.
        let appended = [&compressed[..], &tree].concat();
        let machine =
            open("Image.z-dtb", &appended).unwrap_or_else(|error| panic!("{tool} {arguments:?}: {error}"));
        assert_eq!(answer(&machine), plain, "{tool} {arguments:?}");
        for cut in [compressed.len() / 2, compressed.len() - 9] {
            assert!(open("cut", &compressed[..cut]).is_err(), "{tool} {arguments:?} cut at {cut}");
        }
    }
    let twice = [gzip(&tree[..100]), gzip(&tree[100..])].concat();
    assert_eq!(answer(&open("two.gz", &twice).unwrap()), plain);
    assert_eq!(answer(&open("padded.gz", &[gzip(&tree), vec![0; 2_000]].concat()).unwrap()), plain);
}

#[test]
fn useful_files_are_found_in_an_archive_and_the_rest_is_counted() {
    let (tables, listing) = (sample("d05-2020/iort.bin"), sample("d05-2020/lspci.txt"));
    let deep = format!("{}/lspci", "n".repeat(120));
    let long = [deep.as_bytes(), &[0]].concat();
    let pax = format!("{} path={deep}\n", deep.len() + 10);
    let expected = Machine::open(
        ["iort.bin", "lspci.txt"]
            .map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/d05-2020").join(file)),
    );
    let expected = answer(&expected.unwrap());
    for name in [Entry::Other(b'L', &long), Entry::Other(b'x', pax.as_bytes())] {
        let archive = tar(&[
            ("r/", Entry::Other(b'5', b"")),
            ("r/etc/passwd", Entry::File(b"root:x:0:0")),
            ("r/var/empty", Entry::File(b"")),
            ("r/acpi/iort.dat", Entry::File(&tables)),
            if matches!(name, Entry::Other(b'L', _)) { ("././@LongLink", name) } else { ("PaxHeader", name) },
            ("r/short", Entry::File(&listing)),
            ("r/fifo", Entry::Other(b'6', b"")),
            ("../../outside/iort", Entry::File(&tables)),
        ]);
        let machine = open("report.tar.gz", &gzip(&archive)).unwrap();
        assert_eq!(answer(&machine), expected);
        let used: Vec<&str> = machine.evidence.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(
            used,
            ["report.tar.gz", "report.tar.gz!r/acpi/iort.dat", &format!("report.tar.gz!{deep}")]
        );
        assert_eq!(
            machine.evidence[0].note.as_deref().unwrap(),
            "1 device, socket or pipe; 1 empty file; 1 file outside of the archive; 1 file that is not read"
        );
    }
    let zipped = zip(&[("a/iort", &tables, false), ("a/lspci.txt", &listing, true), ("a/notes", b"?", true)]);
    assert_eq!(recognise(&zipped), Kind::Zip);
    assert_eq!(answer(&open("report.zip", &zipped).unwrap()), expected);
    // Two machines in an archive are two machines, and a piece of it can be named.
    let two = tar(&[("a/iort", Entry::File(&iort(0))), ("b/iort", Entry::File(&iort(1)))]);
    let error = open("two.tar", &two).unwrap_err().to_string();
    assert!(error.contains("two.tar!a/iort and two.tar!b/iort are both IORT"), "{error}");
    let scratch = Scratch::with("archive-piece", &[("two.tar", &two)]);
    let machine = Machine::open([scratch.0.join("two.tar!b/iort")]).unwrap();
    assert_eq!(answer(&machine), answer(&open("iort", &iort(1)).unwrap()));
    // Nothing is no machine.
    let error = open("no.tar", &tar(&[("notes", Entry::File(b"nothing"))])).unwrap_err();
    assert!(
        matches!(&error, MachineError::Container { error: ContainerError::NothingInside(_), .. }),
        "{error}"
    );
}

#[test]
fn a_system_in_an_archive_is_that_system() {
    let (tables, config) =
        (sample("d05-2020/iort.bin"), [0x86_u8, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0].repeat(4));
    let home = "sys/devices/pci0000:00/0000:00:01.0";
    for prefix in ["", "./", "sosreport-x/"] {
        let at = |path: &str| format!("{prefix}{path}");
        let paths = [
            at("sys/firmware/acpi/tables/IORT"),
            at(&format!("{home}/config")),
            at(&format!("{home}/iommu_group")),
            at("sys/bus/pci/devices/0000:00:01.0"),
            at("sys/kernel/iommu_groups/7/devices/0000:00:01.0"),
            at("proc/cmdline"),
            at("sys/bus/pci/devices/0000:00:02.0"),
            at("sys/bus/pci/devices/0000:00:03.0"),
        ];
        let entries = [
            Entry::File(&tables),
            Entry::File(&config),
            Entry::Link("../../../kernel/iommu_groups/7"),
            Entry::Link("../../../devices/pci0000:00/0000:00:01.0"),
            Entry::Link("../../../../devices/pci0000:00/0000:00:01.0"),
            Entry::File(b"ro iommu=pt\n"),
            // A circle, and a way out.
            Entry::Link("0000:00:02.0"),
            Entry::Link("../../../../../../../../etc"),
        ];
        let archive: Vec<(&str, Entry<'_>)> = paths.iter().map(String::as_str).zip(entries).collect();
        let machine = open("sys.tar", &tar(&archive)).unwrap();
        assert_eq!(machine.devices.len(), 1);
        assert_eq!(machine.kernel.group_of("00:01.0".parse().unwrap()), Some(7));
        assert_eq!(machine.kernel.command_line.as_deref(), Some("ro iommu=pt"));
        assert!(machine.map(Dialect::LINUX).is_some());
        let skipped =
            machine.evidence.iter().filter(|piece| !piece.used && piece.kind == Kind::Sysfs).count();
        assert_eq!(skipped, 2);
        // Without the bus's list of links.
        let machine = open("sys.tar", &tar(&archive[..2])).unwrap();
        assert_eq!(machine.devices.len(), 1);
    }
}

#[test]
fn a_folder_of_nodes_is_the_tree_that_it_shows() {
    let blob = sample("d05-2020/fdt.dtb");
    let tree = fwspec::dt::Tree::parse(&blob).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut path = vec!["proc/device-tree".to_owned()];
    for token in tree.tokens() {
        match token.unwrap() {
            fwspec::dt::Token::BeginNode { name: b"", .. } => {}
            fwspec::dt::Token::BeginNode { name, .. } => {
                path.push(String::from_utf8(name.to_vec()).unwrap());
                files.push((format!("{}/name", path.join("/")), name.to_vec()));
            }
            fwspec::dt::Token::EndNode => drop(path.pop()),
            fwspec::dt::Token::Property { name, value, .. } => {
                let name = String::from_utf8(tree.string(name).unwrap().to_vec()).unwrap();
                files.push((format!("{}/{name}", path.join("/")), value.to_vec()));
            }
        }
    }
    let facts = |machine: &Machine| {
        let platform = &machine.firmware.as_ref().unwrap().platform;
        (platform.iommus.len(), platform.requesters.len(), platform.skipped.len())
    };
    let expected = facts(&open("fdt", &blob).unwrap());
    assert!(expected.0 > 0);
    let entries: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let scratch = Scratch::with("nodes", &entries);
    assert_eq!(facts(&Machine::open([scratch.0.join("proc/device-tree")]).unwrap()), expected);
    let entries: Vec<(&str, Entry<'_>)> =
        entries.iter().map(|(path, bytes)| (*path, Entry::File(bytes))).collect();
    assert_eq!(facts(&open("nodes.tar", &tar(&entries)).unwrap()), expected);
}

#[test]
fn an_archive_of_a_recorded_boot_gives_the_answer_of_its_parts() {
    let (Some(runs), Some(script)) = (shared("linux-truth/runs"), shared("linux-truth/harness/sysfs.py"))
    else {
        return;
    };
    if !installed("python3") || !installed("tar") {
        return;
    }
    let mut boots: Vec<_> = fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    boots.retain(|boot| boot.join("devices.json").exists());
    boots.sort();
    let step = boots.len() / cases(4, boots.len()).max(1);
    let mut compared = 0;
    for boot in boots.iter().step_by(step.max(1)) {
        let scratch = Scratch::with(&format!("boot-{compared}"), &[]);
        fs::create_dir_all(&scratch.0).unwrap();
        run(Command::new("python3").arg(&script).arg(boot).arg(scratch.0.join("root")));
        let folder = Machine::open([scratch.0.join("root")])
            .unwrap_or_else(|error| panic!("{}: {error}", boot.display()));
        for (file, folder_of, what) in
            [("all.tar.gz", "root", "."), ("sys.tar", "root/sys", "."), ("host.tar.xz", ".", "root")]
        {
            let file = scratch.0.join(file);
            run(Command::new("tar")
                .arg("-C")
                .arg(scratch.0.join(folder_of))
                .arg("-caf")
                .arg(&file)
                .arg(what));
            let archive =
                Machine::open([&file]).unwrap_or_else(|error| panic!("{}: {error}", boot.display()));
            let mut expected = folder.clone();
            if what == "." && folder_of == "root/sys" {
                // Its command line and its release are in /proc.
                expected.kernel.command_line = None;
                expected.kernel.release = None;
            }
            assert_eq!(answer(&archive), answer(&expected), "{} {}", boot.display(), file.display());
        }
        compared += 1;
    }
    println!("{compared} boots");
    assert!(compared > 0);
}

#[test]
fn bombs_end_at_the_bounds() {
    // 300 MiB of zeros, and the same inside of a tar.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    let error = open("bomb.gz", &bomb).unwrap_err();
    assert!(matches!(&error, MachineError::Container { error: ContainerError::TooLarge, .. }), "{error}");
    assert!(error.to_string().ends_with(
        "it unpacks to more than 256 MiB, the most that is kept in memory: unpack it and name the file in it"
    ));
    // In an archive it does not cost the rest.
    let machine =
        open("x.tar", &tar(&[("bomb.gz", Entry::File(&bomb)), ("iort", Entry::File(&iort(0)))])).unwrap();
    let note = machine.evidence.iter().find(|piece| piece.name == "x.tar!bomb.gz").unwrap();
    assert!(!note.used && note.note.as_ref().unwrap().contains("256 MiB"));
    // Zip entries that share their bytes.
    let mut shared_bytes = zip(&[("a", &zeros, false)]);
    let end = shared_bytes.len() - 22;
    let start = end - 47;
    let entry = shared_bytes[start..end].to_vec();
    let mut many = shared_bytes.split_off(start);
    many.drain(..47);
    let directory = entry.repeat(10_000);
    let bomb = [shared_bytes, directory, many].concat();
    let error = open("bomb.zip", &bomb).unwrap_err();
    assert!(error.to_string().contains("again and again"), "{error}");
}

/// 300 MiB of zeros by each packer, alone and in a tar that it packs.
#[test]
fn bombs_of_every_packer_end_at_the_bounds() {
    let packers = ["zstd -c", "lz4 -c", "xz -c -0", "xz -c -0 --format=lzma", "bzip2 -c -1", "lz4 -c -l"];
    for packer in packers.iter().take(cases_of_three(1, 2, packers.len())) {
        if !installed(packer.split(' ').next().unwrap()) {
            continue;
        }
        let packed = Command::new("sh")
            .args(["-c", &format!("head -c 314572800 /dev/zero | {packer}")])
            .output()
            .unwrap();
        let error = open("bomb", &packed.stdout).unwrap_err();
        assert!(
            matches!(&error, MachineError::Container { error: ContainerError::TooLarge, .. }),
            "{packer}: {error}"
        );
        let both = tar(&[("bomb", Entry::File(&packed.stdout)), ("iort", Entry::File(&iort(0)))]);
        assert!(open("both.tar", &both).is_ok(), "{packer}");
    }
}

#[test]
fn a_million_entries_are_gone_through() {
    let entries = cases(50_000, 1_000_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let links = header("sys/bus/pci/devices/0000:00:00.0", 0, b'2', "0000:00:00.0");
    let files = header("some/file", 0, b'0', "");
    for _ in 0..entries / 2 {
        encoder.write_all(&links).unwrap();
        encoder.write_all(&files).unwrap();
    }
    let table = iort(0);
    encoder.write_all(&tar(&[("iort", Entry::File(&table))])).unwrap();
    let machine = open("many.tar.gz", &encoder.finish().unwrap()).unwrap();
    assert!(machine.map(Dialect::LINUX).is_some());
    assert!(machine.evidence[0].note.as_ref().unwrap().contains(&format!("{} empty files", entries / 2)));
}

#[test]
fn a_million_entries_of_a_zip_are_gone_through() {
    let entries = cases(50_000, 1_000_000);
    // One empty file, which the directory lists again and again, and the table.
    let table = iort(0);
    let whole = zip(&[("some/file", &[], false), ("iort", &table, false)]);
    let start = whole.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let end = whole.windows(4).position(|four| four == b"PK\x05\x06").unwrap();
    let first = 46 + "some/file".len();
    let (files, directory) = (&whole[..start], &whole[start..end]);
    let directory = [&directory[..first].repeat(entries)[..], &directory[first..]].concat();
    // More than 65,535 are counted by the size of the directory.
    let last = [
        b"PK\x05\x06",
        &[0; 4][..],
        &[0xff; 4],
        &(directory.len() as u32).to_le_bytes(),
        &(files.len() as u32).to_le_bytes(),
        &[0, 0],
    ];
    let machine = open("many.zip", &[files, &directory, &last.concat()].concat()).unwrap();
    assert!(machine.map(Dialect::LINUX).is_some());
}

#[test]
fn links_in_loops_and_ways_out_lead_nowhere() {
    let table = iort(0);
    let entries = [
        ("sys/bus/pci/devices/0000:00:00.0", Entry::Link("../../../bus/pci/devices/0000:00:00.0")),
        ("sys/bus/pci/devices/0000:00:01.0", Entry::Link("0000:00:02.0")),
        ("sys/bus/pci/devices/0000:00:02.0", Entry::Link("0000:00:01.0")),
        ("sys/firmware/acpi", Entry::Link("../firmware/acpi/tables")),
        ("sys/firmware/acpi/tables/IORT", Entry::Link("../../../../../../../etc/passwd")),
        ("../../../../etc/passwd", Entry::File(b"root:x:0:0\n")),
        ("/etc/../../iort", Entry::File(&table)),
        ("etc/iort", Entry::File(&table)),
        (".", Entry::Link(".")),
        ("a", Entry::Link("a/a/a")),
    ];
    let machine = open("loops.tar", &tar(&entries)).unwrap();
    assert!(machine.map(Dialect::LINUX).is_some());
    assert_eq!(machine.devices.len(), 0);
}

/// A section of a UEFI volume that is defined by a GUID (UEFI PI 1.8 volume 3, 3.2.5.2), with a size in 24 bits or in a word of its own.
fn guided(guid: [u8; 16], data: &[u8], long: bool) -> Vec<u8> {
    let header: u16 = if long { 28 } else { 24 };
    let size = data.len() as u32 + u32::from(header);
    let mut section = if long {
        [vec![0xff, 0xff, 0xff, 2], size.to_le_bytes().to_vec()].concat()
    } else {
        (size | 2 << 24).to_le_bytes().to_vec()
    };
    section.extend(guid);
    section.extend(header.to_le_bytes());
    section.extend([1, 0]);
    section.extend(data);
    section.resize(section.len().next_multiple_of(4), 0);
    section
}

const BROTLI: [u8; 16] =
    [0x50, 0x20, 0x53, 0x3d, 0xda, 0x5c, 0xd0, 0x4f, 0x87, 0x9e, 0x0f, 0x7f, 0x63, 0x0d, 0x5a, 0xfb];
const TIANO: [u8; 16] =
    [0xad, 0x80, 0x12, 0xa3, 0x1e, 0x48, 0xb6, 0x41, 0x95, 0xe8, 0x12, 0x7f, 0x4c, 0x98, 0x47, 0x79];
const LZMA_X86: [u8; 16] =
    [0xbd, 0xe6, 0x2a, 0xd4, 0x52, 0x13, 0xfb, 0x4b, 0x90, 0x9a, 0xca, 0x72, 0xa6, 0xea, 0xe8, 0x89];

/// A section of the type for compression (UEFI PI 1.8 volume 3, 3.2.5.3).
fn packed(data: &[u8], unpacked: usize) -> Vec<u8> {
    let size = data.len() as u32 + 9;
    let mut section = (size | 1 << 24).to_le_bytes().to_vec();
    section.extend((unpacked as u32).to_le_bytes());
    section.push(1);
    section.extend(data);
    section.resize(section.len().next_multiple_of(4), 0);
    section
}

/// Bits, the highest of each byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> at & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
    }
}

/// Packs by the compression of UEFI (UEFI 2.10 section 19): in blocks of one code, bytes 0 and 1 in eight bits and all else in nine; strings
/// are those that repeat one byte. Distances have `distance_bits`: 4, or 5 by Tiano.
fn efi(bytes: &[u8], distance_bits: u32) -> Vec<u8> {
    let mut symbols: Vec<u32> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take(256).take_while(|byte| at > 0 && **byte == bytes[at - 1]).count();
        symbols.push(if run >= 3 { 253 + run as u32 } else { u32::from(bytes[at]) });
        at += if run >= 3 { run } else { 1 };
    }
    let mut bits = Bits::default();
    for block in symbols.chunks(1_000) {
        bits.put(block.len() as u32, 16);
        // Lengths of codes: 8 and 9 are used, as symbols 10 and 11, a bit each.
        bits.put(12, 5);
        (0..3).for_each(|_| bits.put(0, 3));
        bits.put(3, 2);
        (6..10).for_each(|_| bits.put(0, 3));
        bits.put(1, 3);
        bits.put(1, 3);
        bits.put(510, 9);
        (0..510).for_each(|symbol| bits.put(u32::from(symbol > 1), 1));
        // One distance: the byte before.
        bits.put(0, distance_bits);
        bits.put(0, distance_bits);
        for symbol in block {
            match symbol {
                0 | 1 => bits.put(*symbol, 8),
                symbol => bits.put(symbol + 2, 9),
            }
        }
    }
    [&(bits.bytes.len() as u32).to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes(), &bits.bytes].concat()
}

/// Brotli data as EDK II has it, its one block not compressed (RFC 7932 section 9.2).
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut data = [(bytes.len() as u64).to_le_bytes(), [0; 8]].concat();
    for (at, block) in bytes.chunks(1 << 16).enumerate() {
        let length = block.len() as u32 - 1;
        // A window of 64 KiB (one bit), not the last, four nibbles of length, not compressed.
        let (header, bits) = match at {
            0 => (length << 4 | 1 << 20, 21),
            _ => (length << 3 | 1 << 19, 20),
        };
        data.extend(&header.to_le_bytes()[..3]);
        assert!(bits <= 24);
        data.extend(block);
    }
    // The last block, and nothing in it.
    data.push(3);
    data
}

#[test]
fn every_compression_of_uefi_volumes_is_undone() {
    let table = iort(0);
    let volume = [&[0_u8; 40][..], b"_FVH", &[0xff; 3_000], &table, &[0x55; 64]].concat();
    let sections = [
        ("brotli", guided(BROTLI, &brotli(&volume), false)),
        ("brotli", guided(BROTLI, &brotli(&[&volume[..], &[0; 70_000]].concat()), true)),
        ("tiano", guided(TIANO, &efi(&volume, 5), false)),
        ("efi", packed(&efi(&volume, 4), volume.len())),
        // Firmware has either in a section of this type.
        ("efi", packed(&efi(&volume, 5), volume.len())),
    ];
    for (name, section) in &sections {
        let image = [&[0_u8; 32][..], section, &[0xff; 16]].concat();
        let machine = open("uefi.fd", &image).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(machine.map(Dialect::LINUX).is_some(), "{name}");
        assert_eq!(machine.evidence.last().unwrap().name, format!("uefi.fd!{name}@0x20!IORT@0xbe4"));
        // Cut or changed anywhere it costs no more than itself, and no panic.
        for at in (0..section.len()).step_by(cases(section.len() / 97 + 1, section.len() / 997 + 1)) {
            let mut broken = section.clone();
            broken[at] ^= 0x10;
            let image = [&[0_u8; 32][..], &broken, &[0xff; 16], &table].concat();
            let opened = open("uefi.fd", &image);
            // Two changes of a table may cancel in its sum; it differs from the one behind the section then.
            let is_fine = matches!(opened, Ok(_) | Err(MachineError::TwoMachines { .. })) || at < 40;
            assert!(is_fine, "{name}: changed at {at}: {}", opened.unwrap_err());
        }
    }
    let lying =
        [&[0_u8; 32][..], &guided(TIANO, &[8, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], false)];
    let machine = open("uefi.fd", &[&lying.concat()[..], &table].concat()).unwrap();
    let note = machine.evidence.iter().find(|piece| !piece.used).unwrap().note.clone().unwrap();
    assert!(note.starts_with("not used: it cannot be unpacked (its code is invalid after"), "{note}");
    let wide =
        [&[0_u8; 32][..], &guided(BROTLI, &[&[0; 16][..], &[0x11, 0x1e, 0xff]].concat(), false), &table]
            .concat();
    let machine = open("uefi.fd", &wide).unwrap();
    assert!(
        machine.evidence[1].note.as_ref().unwrap().contains("larger than 16 MiB"),
        "{:?}",
        machine.evidence
    );
    if !installed("xz") {
        return;
    }
    // xz has the filter, and puts it into its own container only; without code in it, it changes nothing.
    let scratch = Scratch::with("uefi-x86", &[("volume", &volume)]);
    let file = scratch.0.join("volume");
    let done = Command::new("xz").args(["-c", "--format=lzma"]).arg(&file).output().unwrap();
    let image = [&[0_u8; 32][..], &guided(LZMA_X86, &done.stdout, false)].concat();
    assert_eq!(
        open("x86.fd", &image).unwrap().evidence.last().unwrap().name,
        "x86.fd!lzma-x86@0x20!IORT@0xbe4"
    );
}

/// Each costs what the bounds say, whatever it is packed by.
#[test]
fn bombs_in_sections_end_at_the_bounds() {
    // 256 bytes a code, and more of them than may be held.
    let zeros = vec![0; 1 << 20];
    let mut bomb = efi(&zeros, 4);
    bomb[4..8].copy_from_slice(&(300_u32 << 20).to_le_bytes());
    let table = iort(0);
    for section in [packed(&bomb, 300 << 20), guided(TIANO, &bomb, false)] {
        let machine = open("uefi.fd", &[&[0_u8; 32][..], &section, &table].concat()).unwrap();
        let note = machine.evidence[1].note.as_ref().unwrap();
        assert!(!machine.evidence[1].used && note.contains("256 MiB"), "{note}");
    }
    // Blocks of brotli that repeat one byte: 16 MiB each.
    let again = guided(BROTLI, &brotli(&[0; 1 << 16]), false).repeat(64);
    assert!(open("uefi.fd", &[&[0_u8; 32][..], &again, &table].concat()).is_ok());
}

#[test]
fn sparse_files_of_a_tar_are_counted() {
    let table = iort(0);
    let pax = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n";
    let archive = tar(&[
        ("iort", Entry::File(&table)),
        ("old", Entry::Other(b'S', b"")),
        ("PaxHeaders/new", Entry::Other(b'x', pax)),
        ("GNUSparseFile.0/new", Entry::File(&table)),
    ]);
    let machine = open("s.tar", &archive).unwrap();
    assert_eq!(machine.evidence[0].note.as_deref(), Some("2 sparse files: pack them without tar --sparse"));
}

#[test]
fn compressed_sections_of_a_uefi_volume_are_looked_into() {
    const GZIP: [u8; 16] =
        [0xe9, 0x1f, 0x30, 0x1d, 0x79, 0xbe, 0x53, 0x43, 0x91, 0xc2, 0xd2, 0x3b, 0xc9, 0x59, 0xae, 0x0c];
    const LZMA: [u8; 16] =
        [0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42, 0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf];
    let table = iort(0);
    let volume = [&[0_u8; 40][..], b"_FVH", &[0xff; 28], &table, &[0xff; 64]].concat();
    for long in [false, true] {
        let image =
            [&[0_u8; 32][..], &guided(BROTLI, b"?", false), &guided(GZIP, &gzip(&volume), long), &[0xff; 16]]
                .concat();
        let machine = open("uefi.fd", &image).unwrap();
        assert!(machine.map(Dialect::LINUX).is_some());
        let names: Vec<(&str, bool)> =
            machine.evidence.iter().map(|piece| (piece.name.as_str(), piece.used)).collect();
        let at = 32 + guided(BROTLI, b"?", false).len();
        let section = format!("uefi.fd!gzip@{at:#x}");
        let inside = format!("{section}!IORT@0x48");
        assert_eq!(
            names,
            [
                ("uefi.fd", true),
                ("uefi.fd!brotli@0x20", false),
                (&section, true),
                (&section, true),
                (&inside, true)
            ]
        );
    }
    // A volume in a section in a volume, and one with nothing in it.
    let outer = [
        &[0_u8; 32][..],
        &guided(GZIP, &gzip(&[&volume[..40], &guided(GZIP, &gzip(&volume), false)].concat()), false),
    ]
    .concat();
    assert!(open("outer.fd", &outer).unwrap().map(Dialect::LINUX).is_some());
    let empty =
        open("empty.fd", &[&[0_u8; 32][..], &guided(GZIP, &gzip(&[0xff; 99]), false)].concat()).unwrap_err();
    assert!(empty.to_string().contains("there is no evidence in it"), "{empty}");
    if !installed("xz") {
        return;
    }
    let scratch = Scratch::with("uefi", &[("volume", &volume)]);
    let file = scratch.0.join("volume");
    let done = Command::new("xz").args(["-c", "--format=lzma"]).arg(&file).output().unwrap();
    let image = [&[0_u8; 32][..], &guided(LZMA, &done.stdout, false)].concat();
    let machine = open("lzma.fd", &image).unwrap();
    assert_eq!(machine.evidence.last().unwrap().name, "lzma.fd!lzma@0x20!IORT@0x48");
    // The sample is an archive, too.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/containers");
    let report = Machine::open([folder.join("report.tar.xz")]).unwrap();
    assert_eq!(report.firmware.unwrap().platform.iommus.len(), 1);
}

#[test]
fn what_no_reader_opens_says_how_to_open_it() {
    for (start, words) in [
        (&b"7z\xbc\xaf\x27\x1c\0\x04"[..], "7z x"),
        (b"Rar!\x1a\x07\x01\0", "unrar x"),
        (b"MSCF\0\0\0\0", "cabextract"),
        (b"\xed\xab\xee\xdb\x03\0", "rpm2cpio"),
        (b"!<arch>\ndebian-binary   ", "dpkg-deb -x"),
        (b"070701000002d1000041ed", "cpio -idm"),
        (b"hsqs\0\0\0\0", "unsquashfs"),
        (b"QFI\xfb\0\0\0\x03", "guestmount"),
        (b"\x1f\x9d\x90", "uncompress"),
        (b"# dmidecode 3.4\nGetting SMBIOS data from sysfs.\n", "lspci -nnvvv"),
        (b"# biosdecode 3.4\nACPI 2.0 present.\n", "acpidump"),
    ] {
        let error = open("file", &[start, &[0; 64]].concat()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // What is in a cpio archive is found where it is not compressed.
    let table = iort(0);
    let name = b"kernel/firmware/acpi/iort.aml\0";
    let fields = [1, 0o10_0644, 0, 0, 1, 0, table.len(), 0, 0, 0, 0, name.len(), 0]
        .map(|field| format!("{field:08x}"));
    let archive = [b"070701", fields.concat().as_bytes(), name, &[0; 0], &table, &[0; 64]].concat();
    assert!(open("initrd.img", &archive).unwrap().map(Dialect::LINUX).is_some());
    assert!(open("initrd.gz", &gzip(&archive)).unwrap().map(Dialect::LINUX).is_some());
}

/// What `apport` makes of a value that is binary, or long: gzip, each piece of it in a line of base64 of its own.
fn apport_value(bytes: &[u8]) -> String {
    let packed = gzip(bytes);
    packed.chunks(61).map(|line| format!(" {}", base64(line, usize::MAX))).collect()
}

#[test]
fn a_report_of_apport_is_opened_value_by_value() {
    let (table, listing) = (sample("d05-2020/iort.bin"), sample("d05-2020/lspci.txt"));
    let text = String::from_utf8(listing.clone()).unwrap();
    let indented: String = text.lines().map(|line| format!(" {line}\n")).collect();
    let mut pieces = Collector::new();
    pieces.add("iort.bin", table.clone()).unwrap();
    pieces.add("lspci.txt", listing.clone()).unwrap();
    let plain = pieces.finish().unwrap();
    for (listing, log) in [
        (
            format!("Lspci-vvnn:\n{indented}"),
            "CurrentDmesg:\n [    0.000000] Linux version 6.12.0-arm64 (debian-kernel@lists.debian.org)\n"
                .to_owned(),
        ),
        (
            format!("Lspci-vvnn.txt: base64\n{}", apport_value(&listing)),
            format!(
                "CurrentDmesg.txt: base64\n{}",
                apport_value(b"[    0.000000] Linux version 6.12.0-arm64 (debian-kernel@lists.debian.org)\n")
            ),
        ),
    ] {
        let report = format!(
            "ProblemType: KernelOops\nArchitecture: arm64\n{listing}{log}AcpiTables: base64\n{}ProcVersionSignature: Ubuntu\nUname: Linux\n",
            apport_value(&table)
        );
        let machine = open("_usr_bin_thing.crash", report.as_bytes()).unwrap();
        // The log is of the report alone.
        let platform = |machine: &Machine| format!("{:?}", machine.firmware.as_ref().unwrap().platform);
        assert_eq!((&machine.devices, platform(&machine)), (&plain.devices, platform(&plain)), "{report}");
        assert_eq!(machine.kernel.release.as_deref(), Some("6.12.0-arm64"));
        assert_eq!(machine.evidence[0].kind.to_string(), "apport");
    }
}
