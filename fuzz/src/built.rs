//! Firmware and config space that are built as `arbitrary` says, mostly valid, and then damaged.

use arbitrary::{Arbitrary, Unstructured};
use fwspec::acpi::iort::{Builder, NodeId, Reference};
use vm_fdt::FdtWriter;

use super::damage::{self, Damage};

/// More nodes make an input slow and no richer.
const MOST_NODES: usize = 24;
const MOST_MAPPINGS: usize = 12;

/// An id: small more often than not, or at an edge.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Id {
    Small(u8),
    Rid(u16),
    Any(u32),
    FromTheEnd(u8),
}

impl Id {
    fn value(self) -> u32 {
        match self {
            Id::Small(value) => value.into(),
            Id::Rid(value) => value.into(),
            Id::Any(value) => value,
            Id::FromTheEnd(value) => u32::MAX - u32::from(value),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Mapping {
    first: Id,
    count: Id,
    output: Id,
    target: u8,
    single: bool,
    round: bool,
    dangling: Option<u32>,
}

#[derive(Arbitrary, Debug)]
enum Node {
    Its(u8),
    SmmuV2 { model: u8, global: bool },
    SmmuV3 { model: u8, flags: u8, interrupts: [u8; 4], index: u8, own_msi: Option<u8> },
    Root { segment: u8, ats: bool, bits: u8, pasid: Option<u8> },
    Component { name: u8, bits: u8, flags: u8, padding: Option<u8> },
    Pmcg { measures: u8, gsiv: u8 },
    Rmr { base: u16, pages: u8, flags: u16, second: Option<u16> },
    Iwb { index: u8 },
    Unknown { kind: u8, length: u8 },
}

/// An IORT in words.
#[derive(Arbitrary, Debug)]
pub struct Table {
    revision: u8,
    oem: u8,
    nodes: Vec<(Node, u8, Vec<Mapping>)>,
    damage: Vec<Damage>,
}

const NAMES: [&str; 5] = ["\\_SB_.DEV0", "\\_SB_.DEV1", "\\_SB.D", "DEV0", "\\_SB_.PCI0.GPU0"];

impl Table {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut table = Builder::new([0, 3, 5, 6, 7, 1][usize::from(self.revision % 6)]);
        match self.oem % 4 {
            0 => drop(table.oem(*b"HISI  ", *b"HIP08   ", 0)),
            1 => drop(table.oem(*b"HISI  ", *b"HIP07   ", 0)),
            _ => {}
        }
        let mut nodes: Vec<NodeId> = Vec::new();
        for (node, revision, _) in self.nodes.iter().take(MOST_NODES) {
            let id = node.add(&mut table, &nodes);
            if *revision < 8 {
                table.edit(id).revision(*revision);
            }
            nodes.push(id);
        }
        for ((_, _, mappings), id) in self.nodes.iter().zip(&nodes) {
            for mapping in mappings.iter().take(MOST_MAPPINGS) {
                let target = nodes[usize::from(mapping.target) % nodes.len()];
                let to = mapping.dangling.map_or(Reference::Node(target), Reference::Offset);
                // A count of the ids, as some firmware has it, is one too many.
                let count = match mapping.round {
                    true => mapping.count.value().checked_next_power_of_two().unwrap_or(u32::MAX),
                    false => mapping.count.value(),
                };
                let count = if mapping.single { 0 } else { count };
                let flags = u32::from(mapping.single);
                table.edit(*id).mapping(mapping.first.value(), count, mapping.output.value(), to, flags);
            }
        }
        let mut bytes = table.finish();
        damage::all(&mut bytes, &self.damage);
        bytes
    }

    /// Whether nothing was broken after it was built.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

impl Node {
    fn add(&self, table: &mut Builder, before: &[NodeId]) -> NodeId {
        let earlier = |at: u8| before.get(usize::from(at) % before.len().max(1)).copied();
        match *self {
            Node::Its(count) => match count % 3 {
                0 => table.its_group([]).id(),
                1 => table.its_group([0]).id(),
                _ => table.its_group([0, count.into()]).id(),
            },
            Node::SmmuV2 { model, global } => {
                let mut smmu = table.smmu_v2(0x2000_0000);
                smmu.model(u32::from(model % 8));
                if global {
                    smmu.context_interrupt(33, 4);
                }
                smmu.id()
            }
            Node::SmmuV3 { model, flags, interrupts, index, own_msi } => {
                let mut smmu = table.smmu_v3(0x1000_0000);
                smmu.model(u32::from(model % 4)).flags(flags.into());
                // An index without the flag that makes it valid, too.
                smmu.interrupts(interrupts.map(|gsiv| u32::from(gsiv % 3))).put_u32(64, u32::from(index % 4));
                if let Some(index) = own_msi {
                    smmu.own_msi(u32::from(index % 4));
                }
                smmu.id()
            }
            Node::Root { segment, ats, bits, pasid } => {
                let mut root = table.root_complex(u32::from(segment % 3));
                root.address_limit(bits % 66);
                if ats {
                    root.ats_and_pri();
                }
                if let Some(bits) = pasid {
                    root.pasid(bits % 32);
                }
                root.id()
            }
            Node::Component { name, bits, flags, padding } => {
                let mut component = table.named_component(NAMES[usize::from(name) % NAMES.len()]);
                component.address_limit(bits % 66).flags(flags.into());
                if let Some(byte) = padding {
                    component.put(48, &[byte, 0, 0, byte]);
                }
                component.id()
            }
            Node::Pmcg { measures, gsiv } => {
                let measured = earlier(measures).map_or(Reference::Offset(0), Reference::Node);
                table.pmcg(0x3000_0000, measured).interrupts([u32::from(gsiv % 3); 4]).id()
            }
            Node::Rmr { base, pages, flags, second } => {
                let mut rmr = table.rmr();
                rmr.flags(flags.into());
                for base in [Some(base), second].into_iter().flatten() {
                    rmr.range(u64::from(base) << 12, u64::from(pages) << 16);
                }
                rmr.id()
            }
            Node::Iwb { index } => {
                table.iwb(0x4000_0000, u16::from(index % 4), NAMES[usize::from(index) % NAMES.len()]).id()
            }
            Node::Unknown { kind, length } => table.node(kind, 16 + usize::from(length % 64)).id(),
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Property {
    Phandle(u8),
    IommuCells(u8),
    MsiCells(u8),
    AddressCells { address: u8, size: u8 },
    Compatible(u8),
    DevicePci,
    Status(bool),
    Iommus(Vec<(u8, Vec<Id>)>),
    Map { msi: bool, entries: Vec<(Id, u8, Vec<Id>, Id)> },
    Mask { msi: bool, mask: Id },
    MsiParent(Vec<(u8, Option<Id>)>),
    BusRange(u8, u8),
    Domain(u8),
    Reg(Vec<u16>),
    MemoryRegion(Vec<u8>),
    IommuAddresses(Vec<(u8, u16, u16)>),
    DmaRanges(bool),
    Alias(u8),
    Other(Vec<u8>),
}

/// A device tree in words: each node says how many levels are closed before it.
#[derive(Arbitrary, Debug)]
pub struct Tree {
    nodes: Vec<(u8, u8, Vec<Property>)>,
    damage: Vec<Damage>,
}

const KINDS: [&str; 8] =
    ["pcie", "iommu", "gpu", "soc", "aliases", "reserved-memory", "buffer", "msi-controller"];
const COMPATIBLE: [&str; 9] = [
    "pci-host-ecam-generic",
    "arm,smmu-v3",
    "arm,mmu-500",
    "qcom,smmu-500",
    "arm,gic-v3-its",
    "riscv,iommu",
    "virtio,pci-iommu",
    "fsl,qoriq-mc",
    "rockchip,iommu",
];

impl Tree {
    /// Its bytes; `None` where the writer refuses what it is told, as it does a property that is there already.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut tree = FdtWriter::new().ok()?;
        let mut open = vec![tree.begin_node("").ok()?];
        tree.property_u32("#address-cells", 2).ok()?;
        tree.property_u32("#size-cells", 2).ok()?;
        for (number, (close, kind, properties)) in self.nodes.iter().take(MOST_NODES).enumerate() {
            for _ in 0..close % 4 {
                if open.len() > 1 {
                    tree.end_node(open.pop()?).ok()?;
                }
            }
            let kind = KINDS[usize::from(*kind) % KINDS.len()];
            let plain = matches!(kind, "aliases" | "reserved-memory");
            let name = if plain && number < 8 { kind.to_owned() } else { format!("{kind}@{number:x}") };
            open.push(tree.begin_node(&name).ok()?);
            for property in properties.iter().take(MOST_MAPPINGS) {
                // Twice the same: what is first is kept.
                property.write(&mut tree);
            }
        }
        while let Some(node) = open.pop() {
            tree.end_node(node).ok()?;
        }
        let mut bytes = tree.finish().ok()?;
        damage::all(&mut bytes, &self.damage);
        Some(bytes)
    }

    /// Whether nothing was broken after it was built.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

impl Property {
    fn write(&self, tree: &mut FdtWriter) {
        let phandle = |number: u8| u32::from(number % 12);
        let cells = |ids: &[Id]| ids.iter().take(4).map(|id| id.value()).collect::<Vec<_>>();
        let written = match self {
            Property::Phandle(number) => tree.property_phandle(phandle(*number).max(1)),
            Property::IommuCells(count) => tree.property_u32("#iommu-cells", u32::from(count % 4)),
            Property::MsiCells(count) => tree.property_u32("#msi-cells", u32::from(count % 3)),
            Property::AddressCells { address, size } => tree
                .property_u32("#address-cells", u32::from(address % 4))
                .and_then(|()| tree.property_u32("#size-cells", u32::from(size % 3))),
            Property::Compatible(which) => {
                tree.property_string("compatible", COMPATIBLE[usize::from(*which) % COMPATIBLE.len()])
            }
            Property::DevicePci => tree.property_string("device_type", "pci"),
            Property::Status(on) => tree.property_string("status", if *on { "okay" } else { "disabled" }),
            Property::Iommus(specifiers) => {
                let specifiers = specifiers.iter().take(6);
                let all: Vec<u32> =
                    specifiers.flat_map(|(to, ids)| [vec![phandle(*to)], cells(ids)].concat()).collect();
                tree.property_array_u32("iommus", &all)
            }
            Property::Map { msi, entries } => {
                let entries = entries.iter().take(MOST_MAPPINGS).flat_map(|(first, to, output, length)| {
                    // One output cell is what most targets take.
                    let output = if output.is_empty() { vec![0] } else { cells(output) };
                    [vec![first.value(), phandle(*to)], output, vec![length.value()]].concat()
                });
                tree.property_array_u32(
                    if *msi { "msi-map" } else { "iommu-map" },
                    &entries.collect::<Vec<_>>(),
                )
            }
            Property::Mask { msi, mask } => {
                tree.property_u32(if *msi { "msi-map-mask" } else { "iommu-map-mask" }, mask.value())
            }
            Property::MsiParent(parents) => {
                let parents = parents.iter().take(4);
                let all: Vec<u32> =
                    parents.flat_map(|(to, id)| [Some(phandle(*to)), id.map(Id::value)]).flatten().collect();
                tree.property_array_u32("msi-parent", &all)
            }
            Property::BusRange(first, last) => {
                tree.property_array_u32("bus-range", &[u32::from(*first), u32::from(*last)])
            }
            Property::Domain(domain) => tree.property_u32("linux,pci-domain", u32::from(domain % 4)),
            Property::Reg(words) => {
                let words: Vec<u32> = words.iter().take(8).map(|word| u32::from(*word)).collect();
                tree.property_array_u32("reg", &words)
            }
            Property::MemoryRegion(targets) => {
                let targets: Vec<u32> = targets.iter().take(4).map(|to| phandle(*to)).collect();
                tree.property_array_u32("memory-region", &targets)
            }
            Property::IommuAddresses(spans) => {
                let spans = spans.iter().take(4).flat_map(|(of, base, length)| {
                    [phandle(*of), 0, u32::from(*base) << 12, 0, u32::from(*length) << 12]
                });
                tree.property_array_u32("iommu-addresses", &spans.collect::<Vec<_>>())
            }
            Property::DmaRanges(coherent) => {
                tree.property_null(if *coherent { "dma-coherent" } else { "dma-ranges" })
            }
            Property::Alias(which) => tree
                .property_string("pcie0", ["/pcie@0", "/soc@0/pcie@1", "pcie@0", ""][usize::from(which % 4)]),
            Property::Other(bytes) => tree.property("payload", &bytes[..bytes.len().min(64)]),
        };
        drop(written);
    }
}

/// Config space in words.
#[derive(Arbitrary, Debug)]
pub struct Space {
    ids: u8,
    class: u8,
    multifunction: bool,
    bridge: Option<[u8; 3]>,
    express: Option<u8>,
    capabilities: Vec<(u8, u8)>,
    extended: Vec<(u8, [u16; 4])>,
    length: u8,
    damage: Vec<Damage>,
}

/// Vendor and device of functions that quirks know, and of one that none knows.
const FUNCTIONS: [[u16; 2]; 6] = [
    [0x1b36, 0x000c],
    [0x8086, 0x10c9],
    [0x1b4b, 0x9230],
    [0x8086, 0x244e],
    [0xffff, 0xffff],
    [0x1002, 0x15b3],
];
const CLASSES: [[u8; 2]; 5] = [[0, 2], [8, 1], [4, 6], [0, 6], [3, 12]];
const EXTENDED: [u16; 6] = [0x000d, 0x0010, 0x000e, 0x000f, 0x001b, 0x0001];

impl Space {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut space = vec![0; 4096];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = space.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        let [vendor, device] = FUNCTIONS[usize::from(self.ids) % FUNCTIONS.len()];
        put(0, &vendor.to_le_bytes());
        put(2, &device.to_le_bytes());
        put(0x0a, &CLASSES[usize::from(self.class) % CLASSES.len()]);
        put(0x0e, &[u8::from(self.bridge.is_some()) | u8::from(self.multifunction) << 7]);
        if let Some(buses) = self.bridge {
            put(0x18, &buses);
        }
        let express = self.express.map(|port| (0x10, 0x02 | port << 4));
        let list: Vec<(u8, u8)> =
            express.into_iter().chain(self.capabilities.iter().copied()).take(8).collect();
        if !list.is_empty() {
            put(0x06, &[0x10]);
            put(0x34, &[0x40]);
        }
        for (at, (id, first)) in list.iter().enumerate() {
            let offset = 0x40 + 0x14 * at;
            let next = if at + 1 < list.len() { offset + 0x14 } else { 0 };
            put(offset, &[*id, u8::try_from(next).unwrap_or(0), *first, 0]);
        }
        let extended = self.extended.len().min(12);
        for (at, (which, words)) in self.extended.iter().take(extended).enumerate() {
            let offset = 0x100 + 0x40 * at;
            let next = if at + 1 < extended { offset + 0x40 } else { 0 };
            let id = EXTENDED[usize::from(*which) % EXTENDED.len()];
            put(offset, &id.to_le_bytes());
            put(offset + 2, &(u16::try_from(next).unwrap_or(0) << 4 | 1).to_le_bytes());
            for (word, field) in words.iter().zip([4, 6, 0x0e, 0x14]) {
                put(offset + field, &word.to_le_bytes());
            }
        }
        space.truncate([4096, 4096, 256, 64][usize::from(self.length % 4)]);
        damage::all(&mut space, &self.damage);
        space.truncate(4096);
        space
    }
}

/// What the fuzzer's bytes say, as far as they go.
pub fn from<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}
