//! What is raced on: device trees of real boards where they are, and generated tables and machines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fwspec::acpi::iort::Builder;
use fwspec::acpi::{dmar, ivrs};
use fwspec::pci::{AliasMask, Function, PortType, Surroundings, acs};
use fwspec::{AcsFlags, Bdf, Device, RequesterId, Segment};
use vm_fdt::FdtWriter;

use crate::rivals::PciDevice;

/// A device tree, and what it is called in the table.
pub struct Board {
    pub name: String,
    pub blob: Vec<u8>,
}

/// Reference data that is not part of the project.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("FWSPEC_SHARED").map_or_else(beside, PathBuf::from);
    shared.is_dir().then_some(shared)
}

/// A folder of many device trees and how many there are: those of Debian's kernel, which tests/debian/fetch.sh has put into
/// the target folder or puts there where FWSPEC_DEBIAN=1 asks for them, or else those of the reference data.
pub fn many_trees() -> Option<(PathBuf, usize)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let debian = crate::build::target_folder().join("tmp/debian");
    if std::env::var_os("FWSPEC_DEBIAN").is_some_and(|wanted| wanted == "1") {
        let fetched = Command::new("sh").arg(root.join("tests/debian/fetch.sh")).arg(&debian).status();
        assert!(fetched.is_ok_and(|status| status.success()), "Debian's device trees cannot be fetched");
    }
    let folders = [Some(debian.join("trees")), shared().map(|shared| shared.join("corpus/dtb"))];
    let folder = folders.into_iter().flatten().find(|folder| folder.is_dir())?.canonicalize().ok()?;
    let is_tree = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "dtb");
    let trees = std::fs::read_dir(&folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_tree);
    let count = trees.count();
    Some((folder, count))
}

/// The arm64 device tree of real hardware that is nearest to 150 KB, where there are any.
pub fn real_board() -> Option<Board> {
    let folder = std::fs::read_dir(shared()?.join("corpus/dtb")).ok()?;
    let size = |path: &PathBuf| path.metadata().map_or(0, |data| data.len());
    let mut paths: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let arm64 =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"arm64-"));
    paths.retain(|path| arm64(path) && path.extension().is_some_and(|extension| extension == "dtb"));
    paths.sort_unstable();
    let path = paths.into_iter().min_by_key(|path| size(path).abs_diff(150_000))?;
    let name = path.file_stem()?.to_string_lossy().into_owned();
    Some(Board { name, blob: std::fs::read(path).ok()? })
}

/// A device tree as large as a big board's: 800 devices of which 80 are masters, 8 PCI hosts with maps, 4 IOMMUs.
pub fn generated_board() -> Board {
    let mut tree = FdtWriter::new().unwrap();
    let root = tree.begin_node("").unwrap();
    tree.property_u32("#address-cells", 2).unwrap();
    tree.property_u32("#size-cells", 2).unwrap();
    let soc = tree.begin_node("soc@0").unwrap();
    for number in 0..800_u32 {
        let (unit, phandle) = (0x100_0000 + number * 0x1_0000, number + 1);
        let kind = match number {
            0..4 => "iommu",
            4..12 => "pcie",
            _ => "device",
        };
        let node = tree.begin_node(&format!("{kind}@{unit:x}")).unwrap();
        tree.property_string(
            "compatible",
            if kind == "iommu" { "arm,smmu-v3" } else { "vendor,board-device" },
        )
        .unwrap();
        tree.property_array_u32("reg", &[0, unit, 0, 0x1_0000]).unwrap();
        tree.property_array_u32("interrupts", &[0, number, 4]).unwrap();
        tree.property_string_list("clock-names", vec!["core".into(), "interface".into()]).unwrap();
        match kind {
            "iommu" => tree.property_u32("#iommu-cells", 1).unwrap(),
            "pcie" => {
                tree.property_string("device_type", "pci").unwrap();
                let map: Vec<u32> =
                    (0..4).flat_map(|bus| [bus << 8, 1 + number % 4, bus << 8, 0x100]).collect();
                tree.property_array_u32("iommu-map", &map).unwrap();
            }
            _ if number % 10 == 0 => tree.property_array_u32("iommus", &[1 + number % 4, number]).unwrap(),
            _ => {}
        }
        tree.property_phandle(phandle).unwrap();
        tree.property_string("status", "okay").unwrap();
        tree.end_node(node).unwrap();
    }
    tree.end_node(soc).unwrap();
    tree.end_node(root).unwrap();
    Board { name: "generated board".into(), blob: tree.finish().unwrap() }
}

/// `iommu-map` entries, four big-endian cells each: disjoint, ascending, with gaps, so that no two are one.
pub struct Mappings {
    pub bytes: Vec<u8>,
    /// One id of each of many entries, in no order.
    pub ids: Vec<u32>,
    /// A device tree with one PCI host that has this map.
    pub blob: Vec<u8>,
}

/// Numbers in no order, the same on every run (Steele & Vigna, SplitMix64).
pub struct Shuffle(pub u64);

impl Shuffle {
    /// One of `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % count as u64).unwrap()
    }
}

/// A map of `count` entries. Up to 65,536 of them share the 16 bits of a requester ID; more have more bits.
pub fn mappings(count: usize) -> Mappings {
    let entries = u32::try_from(count).unwrap();
    let length = (0x1_0000 / entries).max(1);
    let cells: Vec<u32> = (0..entries)
        .flat_map(|entry| [entry * length, 1, 0x2000_0000 + entry * (length + 7), length])
        .collect();
    let mut shuffle = Shuffle(1);
    let ids =
        (0..8192.min(count * 64)).map(|_| u32::try_from(shuffle.below(count)).unwrap() * length).collect();
    let mut tree = FdtWriter::new().unwrap();
    let root = tree.begin_node("").unwrap();
    let iommu = tree.begin_node("iommu@1000").unwrap();
    tree.property_string("compatible", "arm,smmu-v3").unwrap();
    tree.property_u32("#iommu-cells", 1).unwrap();
    tree.property_phandle(1).unwrap();
    tree.end_node(iommu).unwrap();
    let host = tree.begin_node("pcie@2000").unwrap();
    tree.property_string("device_type", "pci").unwrap();
    tree.property_array_u32("iommu-map", &cells).unwrap();
    tree.end_node(host).unwrap();
    tree.end_node(root).unwrap();
    let bytes = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
    Mappings { bytes, ids, blob: tree.finish().unwrap() }
}

/// Mappings of a root complex in [`iort`]: 65,536 of them take 21 nodes.
const PER_NODE: usize = 3_121;

/// An IORT with so many mappings, whose inputs are ascending or in no order.
pub fn iort(mappings: usize, shuffled: bool) -> Vec<u8> {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=u32::MAX, 0, its).id();
    let mut shuffle = Shuffle(2);
    for (segment, start) in (0..).zip((0..mappings).step_by(PER_NODE)) {
        let count = PER_NODE.min(mappings - start);
        let mut firsts: Vec<u32> = (0..u32::try_from(count).unwrap()).map(|entry| entry * 20).collect();
        for at in (1..count).rev().filter(|_| shuffled) {
            firsts.swap(at, shuffle.below(at + 1));
        }
        let mut root = table.root_complex(segment);
        for first in firsts {
            root.maps(first..=first + 15, segment << 16 | first, smmu);
        }
    }
    table.finish()
}

/// The machines whose functions are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Endpoints on root buses, nothing shared.
    Flat,
    /// Root ports, switches, multifunction slots, bridges to conventional PCI, and SATA controllers that pose as others.
    Mixed,
}

/// Functions in the order of enumeration, for us and for the search in C.
pub struct Functions {
    pub devices: Vec<Device>,
    pub rivals: Vec<PciDevice>,
}

impl Functions {
    /// Adds a function below the bridge `above` (its index), all that it can do of `acs` being switched on.
    fn push(&mut self, bdf: Bdf, function: Function, acs: bool, above: u32) -> u32 {
        let device = Device::function(bdf, function);
        let device = if acs { device.acs(AcsFlags::ISOLATED) } else { device };
        self.devices.push(device);
        let devfn = bdf.rid.devfn();
        // As the PCI core has it once a slot is scanned, so that a search from the root down finds what there is to find.
        let multifunction = function.multifunction || bdf.rid.function() > 0;
        let around = Surroundings { multifunction, root_bus: above == u32::MAX, ..Surroundings::default() };
        let alias = AliasMask::of(&function, devfn).and_then(|(mask, _)| mask.devfns().next());
        self.rivals.push(PciDevice {
            bus: bdf.segment.0 << 8 | u32::from(bdf.rid.bus()),
            bridge: above,
            group: 0,
            devfn,
            multifunction: multifunction.into(),
            isolates: acs::enabled(device.facts(), AcsFlags::ISOLATED, around).isolates.into(),
            alias: alias.unwrap_or(devfn),
            tags: function.is(PortType::PcieToPci).into(),
        });
        u32::try_from(self.rivals.len() - 1).unwrap()
    }
}

/// A machine of at least `count` functions, as many segments as it takes.
pub fn functions(machine: Machine, count: usize) -> Functions {
    let mut all = Functions { devices: Vec::with_capacity(count), rivals: Vec::with_capacity(count) };
    for segment in 0.. {
        if all.devices.len() >= count {
            break;
        }
        match machine {
            Machine::Flat => flat(&mut all, Segment(segment), count),
            Machine::Mixed => mixed(&mut all, Segment(segment)),
        }
    }
    all.devices.truncate(count);
    all.rivals.truncate(count);
    all
}

fn flat(all: &mut Functions, segment: Segment, count: usize) {
    for slot in 0..32 {
        for function in 0..8 {
            if all.devices.len() < count {
                let bdf = Bdf::new(segment, 0, slot, function);
                all.push(bdf, Function::endpoint(), true, u32::MAX);
            }
        }
    }
}

fn mixed(all: &mut Functions, segment: Segment) {
    let bdf = |bus, slot, function| Bdf::new(segment, bus, slot, function);
    let mut bus = 0;
    for slot in 0..8 {
        let secondary = bus + 1;
        let last = secondary + 13;
        let port = Function::port(PortType::RootPort, secondary, last);
        let port = all.push(bdf(0, slot, 0), port, true, u32::MAX);
        // A switch of ten ports; every second one does not isolate.
        let upstream = Function::port(PortType::UpstreamPort, secondary + 1, last);
        let upstream = all.push(bdf(secondary, 0, 0), upstream, false, port);
        for below in 0..10 {
            let (inner, outer) = (secondary + 1, secondary + 2 + below);
            let port = Function::port(PortType::DownstreamPort, outer, outer);
            let port = all.push(bdf(inner, below, 0), port, below % 2 == 0, upstream);
            // A network card of eight functions, half of the cards isolating.
            for function in 0..8 {
                let mut nic = Function::endpoint();
                nic.multifunction = true;
                all.push(bdf(outer, 0, function), nic, below % 3 == 0, port);
            }
        }
        // A bridge to conventional PCI with four cards.
        let bridge = Function::port(PortType::PcieToPci, last, last);
        let bridge = all.push(bdf(secondary + 1, 30, 0), bridge, false, upstream);
        for slot in 0..4 {
            let card = Function::endpoint().conventional();
            all.push(bdf(last, slot, 0), card, false, bridge);
        }
        // Integrated SATA controllers that pose as their function 1.
        let sata = Function::endpoint().ids(0x1b4b, 0x9230);
        all.push(bdf(0, slot + 16, 0), sata, true, u32::MAX);
        bus = last;
    }
}

/// The output of `lspci -nnvvv` for at least this many functions: root ports, each with a network card of eight functions below it.
pub fn listing(functions: usize) -> String {
    let (port, endpoint) =
        (include_str!("../samples/root-port.txt"), include_str!("../samples/endpoint.txt"));
    let (mut text, mut count) = (String::new(), 0);
    for segment in 0.. {
        for slot in 0..32 {
            if count >= functions {
                return text;
            }
            let below = slot + 1;
            let of = |sample: &str, bdf: String, group: usize| {
                let [slot, below, group] = [slot.to_string(), format!("{below:02x}"), group.to_string()];
                let words = [("@BDF@", &bdf), ("@SLOT@", &slot), ("@BELOW@", &below), ("@GROUP@", &group)];
                words.into_iter().fold(sample.to_owned(), |text, (mark, word)| text.replace(mark, word))
            };
            text += &of(port, format!("{segment:04x}:00:{slot:02x}.0"), count);
            for function in 0..8 {
                text +=
                    &of(endpoint, format!("{segment:04x}:{below:02x}:00.{function}"), count + 1 + function);
            }
            count += 9;
        }
    }
    text
}

/// The log of a kernel with so many lines: of fifty three are about IOMMUs.
pub fn kernel_log(lines: usize) -> String {
    let others: Vec<&str> = include_str!("../samples/boot.txt").lines().collect();
    let mut text = String::new();
    for line in 0..lines {
        let (seconds, part) = (line / 1_000, line % 1_000 * 1_000);
        let said = match line % 50 {
            0 => "pci 0000:01:00.0: Adding to iommu group 7",
            1 => "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:",
            2 => "arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000010000000010",
            _ => others[line % others.len()],
        };
        writeln!(text, "[{seconds:>5}.{part:06}] {said}").unwrap();
    }
    text
}

/// Functions of a unit in [`dmar`] and [`ivrs`].
const PER_UNIT: u32 = 512;

/// The functions that the tables of [`dmar`] and [`ivrs`] name, so many: 4,096 in a segment. The upper half of each is its segment.
fn named(count: usize) -> impl Iterator<Item = u32> {
    (0..u32::try_from(count).unwrap()).map(|at| (at / 4_096) << 16 | (at % 4_096) * 16)
}

/// Some of them, in no order.
pub fn named_in_no_order(count: usize) -> Vec<u32> {
    let (all, mut shuffle) = (named(count).collect::<Vec<_>>(), Shuffle(3));
    (0..4_096).map(|_| all[shuffle.below(count)]).collect()
}

/// A DMAR with so many scopes, each an endpoint, of which 512 have a unit.
pub fn dmar(scopes: usize) -> Vec<u8> {
    let mut table = dmar::Builder::new(45);
    let all: Vec<u32> = named(scopes).collect();
    for (unit, functions) in (0..).zip(all.chunks(PER_UNIT as usize)) {
        let segment = u16::try_from(functions[0] >> 16).unwrap();
        let unit = table.unit(segment, 0xfed0_0000 + unit * 0x1000);
        for function in functions {
            let rid = RequesterId(*function as u16);
            unit.endpoint(rid.bus(), [(rid.device(), rid.function())]);
        }
    }
    table.finish()
}

/// An IVRS with so many entries, each for one function, of which 512 have a unit.
pub fn ivrs(entries: usize) -> Vec<u8> {
    let mut table = ivrs::Builder::new();
    let all: Vec<u32> = named(entries).collect();
    for (unit, functions) in (0..).zip(all.chunks(PER_UNIT as usize)) {
        let segment = u16::try_from(functions[0] >> 16).unwrap();
        let unit = table.unit(0x10, segment, RequesterId(0xffff), 0xfeb8_0000 + unit * 0x4000);
        for function in functions {
            unit.select(*function as u16);
        }
    }
    table.finish()
}
