//! The smallest device tree for each code, and a writer that also writes what `dtc` would refuse.

use std::collections::BTreeMap;

use fwspec::lint::Code;

/// A node: properties in order, then children; and properties behind them, where they must not be.
#[derive(Clone, Default)]
pub struct Node {
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<(String, Node)>,
    late: Vec<(String, Vec<u8>)>,
}

impl Node {
    fn set(&mut self, name: &str, value: Vec<u8>) -> &mut Self {
        match self.properties.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.properties.push((name.into(), value)),
        }
        self
    }

    pub fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Self {
        self.set(name, cells.iter().flat_map(|cell| cell.to_be_bytes()).collect())
    }

    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.set(name, format!("{text}\0").into_bytes())
    }

    fn remove(&mut self, name: &str) -> &mut Self {
        self.properties.retain(|(known, _)| known != name);
        self
    }

    pub fn child(&mut self, name: &str) -> &mut Node {
        if !self.children.iter().any(|(known, _)| known == name) {
            self.children.push((name.into(), Node::default()));
        }
        &mut self.children.iter_mut().find(|(known, _)| known == name).unwrap().1
    }

    fn write(&self, name: &str, strings: &mut Strings, out: &mut Vec<u8>) {
        let word = |out: &mut Vec<u8>, word: u32| out.extend(word.to_be_bytes());
        let pad = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(4), 0);
        word(out, 1);
        out.extend(name.as_bytes());
        out.push(0);
        pad(out);
        let property = |(name, value): &(String, Vec<u8>), strings: &mut Strings, out: &mut Vec<u8>| {
            word(out, 3);
            word(out, u32::try_from(value.len()).unwrap());
            word(out, strings.offset(name));
            out.extend(value);
            pad(out);
        };
        self.properties.iter().for_each(|p| property(p, strings, out));
        self.children.iter().for_each(|(name, child)| child.write(name, strings, out));
        self.late.iter().for_each(|p| property(p, strings, out));
        word(out, 2);
    }

    /// The blob of a tree with this root.
    pub fn blob(&self) -> Vec<u8> {
        let (mut strings, mut structure) = (Strings::default(), Vec::new());
        self.write("", &mut strings, &mut structure);
        structure.extend(9_u32.to_be_bytes());
        let start = 40 + 16;
        let end = start + structure.len();
        let words = [
            0xd00d_feed,
            end + strings.block.len(),
            start,
            end,
            40,
            17,
            16,
            0,
            strings.block.len(),
            structure.len(),
        ];
        let mut blob: Vec<u8> =
            words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_be_bytes()).collect();
        blob.resize(start, 0);
        blob.extend(structure);
        blob.extend(strings.block);
        blob
    }
}

#[derive(Default)]
struct Strings {
    block: Vec<u8>,
    known: BTreeMap<String, u32>,
}

impl Strings {
    fn offset(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0xff_ffff;
        }
        *self.known.entry(name.into()).or_insert_with(|| {
            let offset = u32::try_from(self.block.len()).unwrap();
            self.block.extend(name.as_bytes());
            self.block.push(0);
            offset
        })
    }
}

pub const HOST: &str = "pcie@40000000";
const SMMU: &str = "iommu@2b400000";

/// An SMMUv3 (phandle 1), an ITS (2) and a PCI host whose requester IDs are StreamIDs and DeviceIDs.
pub fn healthy() -> Node {
    let mut root = Node::default();
    root.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    let smmu = root.child(SMMU).text("compatible", "arm,smmu-v3");
    smmu.cells("reg", &[0, 0x2b40_0000, 0, 0x20000]).cells("#iommu-cells", &[1]).cells("phandle", &[1]);
    let its = root.child("msi-controller@2c000000").text("compatible", "arm,gic-v3-its");
    its.cells("reg", &[0, 0x2c00_0000, 0, 0x20000]).cells("#msi-cells", &[1]).cells("phandle", &[2]);
    let host = root.child(HOST).text("compatible", "pci-host-ecam-generic").text("device_type", "pci");
    host.cells("reg", &[0, 0x4000_0000, 0, 0x1000_0000])
        .cells("#address-cells", &[3])
        .cells("#size-cells", &[2]);
    host.cells("bus-range", &[0, 0xff])
        .cells("iommu-map", &[0, 1, 0, 0x10000])
        .cells("msi-map", &[0, 2, 0, 0x10000]);
    root
}

fn but(change: impl FnOnce(&mut Node)) -> Vec<u8> {
    let mut root = healthy();
    change(&mut root);
    root.blob()
}

/// Another map of the host.
fn map(cells: &[u32]) -> Vec<u8> {
    but(|root| done(root.child(HOST).cells("iommu-map", cells)))
}

/// The host without a map, the SMMU an SMMUv2 with specifiers of two cells.
fn two_cells(change: impl FnOnce(&mut Node)) -> Vec<u8> {
    but(|root| {
        root.child(HOST).remove("iommu-map");
        root.child(SMMU).text("compatible", "arm,mmu-500").cells("#iommu-cells", &[2]);
        change(root);
    })
}

/// Reserved memory at 2 GiB, with this `iommu-addresses` for a device.
fn region(addresses: &[u32]) -> Vec<u8> {
    but(|root| {
        root.child("gpu").cells("phandle", &[7]).cells("iommus", &[1, 0x10007]).cells("memory-region", &[8]);
        let region = root.child("framebuffer@80000000").cells("reg", &[0, 0x8000_0000, 0, 0x10000]);
        region.cells("phandle", &[8]).cells("iommu-addresses", addresses);
    })
}

/// The tree that trips this code and nothing else; `None` for codes of other firmware.
pub fn recipe(code: Code) -> Option<Vec<u8>> {
    Some(match code {
        Code::TreeCut => {
            let mut blob = healthy().blob();
            blob.truncate(blob.len() - 8);
            blob
        }
        Code::Overlay => but(|root| done(root.child("fragment@0").child("__overlay__"))),
        Code::PropertyName => but(|root| done(root.set("", vec![]))),
        Code::PropertyAfterChild => but(|root| {
            root.child(HOST).child("pci@0");
            root.child(HOST).late.push(("ats-supported".into(), vec![]));
        }),
        Code::PhandleRepeated => but(|root| done(root.child("spare").cells("phandle", &[1]))),
        Code::CellsLength => but(|root| done(root.child(HOST).set("iommu-map", vec![0; 17]))),
        Code::PhandleUnknown => map(&[0, 9, 0, 0x10000]),
        Code::CellsMissing => but(|root| {
            root.child("spare").cells("phandle", &[9]);
            root.child("gpu").cells("iommus", &[9, 5]);
        }),
        Code::MapCellsAssumed => {
            let mut root = healthy();
            root.child("spare").cells("phandle", &[9]);
            root.child(HOST).cells("iommu-map", &[0, 9, 0, 0x10000]);
            root.blob()
        }
        Code::EntryCut => map(&[0, 1, 0]),
        Code::CellsTooMany => but(|root| {
            root.child("spare").cells("#iommu-cells", &[17]).cells("phandle", &[9]);
            root.child(HOST).cells("iommu-map", &[0, 9, 0, 0x10000]);
        }),
        Code::MapBase => but(|root| {
            root.child(HOST).cells("iommu-map", &[1, 1, 0, 0xffff]).cells("iommu-map-mask", &[0xfffe]);
        }),
        Code::MapRange => two_cells(|root| done(root.child(HOST).cells("iommu-map", &[0, 1, 5, 0, 0x10000]))),
        Code::FourCellMap => {
            two_cells(|root| done(root.child(HOST).cells("iommu-map", &[0, 1, 5, 1, 0x100, 1, 6, 1])))
        }
        Code::MapEntryEmpty => map(&[0, 1, 0, 0, 0, 1, 0, 0x10000]),
        Code::MapOverlap => map(&[0, 1, 0, 0x200, 0x100, 1, 0x1000, 0xff00]),
        Code::MapBeyondRid => map(&[0, 1, 0, 0x10001]),
        Code::MsiMapTarget => but(|root| {
            root.child("timer").text("compatible", "arm,armv8-timer").cells("phandle", &[9]);
            root.child(HOST).cells("msi-map", &[0, 9, 0, 0x10000]);
        }),
        Code::MapOutputWraps => map(&[0, 1, 0xffff_ff00, 0x10000]),
        Code::LengthIsLast => map(&[0, 1, 0, 0xffff]),
        Code::MapEmpty => map(&[]),
        Code::IommuDisabled => but(|root| done(root.child(SMMU).text("status", "disabled"))),
        Code::MaskLength => but(|root| done(root.child(HOST).cells("iommu-map-mask", &[0xffff, 0]))),
        Code::HostIommus => but(|root| done(root.child(HOST).remove("iommu-map").cells("iommus", &[1, 5]))),
        Code::MapCoversIommu => but(|root| {
            let iommu = root.child(HOST).cells("iommu-map", &[0, 6, 0, 0x10000]).child("iommu@1,0");
            iommu.text("compatible", "riscv,pci-iommu").cells("reg", &[0x800, 0, 0, 0, 0]);
            iommu.cells("#iommu-cells", &[1]).cells("phandle", &[6]);
        }),
        Code::MaskMerges => but(|root| done(root.child(HOST).cells("iommu-map-mask", &[0xfff8]))),
        Code::SpecifierRepeated => {
            but(|root| done(root.child("gpu").cells("iommus", &[1, 0x10007, 1, 0x10007])))
        }
        Code::StreamMaskConflict => two_cells(|root| {
            root.child("gpu").cells("iommus", &[1, 0x400, 0x0f]);
            root.child("video").cells("iommus", &[1, 0x400, 0xf0]);
        }),
        Code::StreamMatchMask => {
            two_cells(|root| done(root.child(SMMU).cells("stream-match-mask", &[0x7f80])))
        }
        Code::Legacy => two_cells(|root| {
            root.child("gpu").cells("phandle", &[7]).cells("#stream-id-cells", &[1]);
            root.child(SMMU).cells("mmu-masters", &[7, 5]);
        }),
        Code::RegionMoved => region(&[7, 0, 0x9000_0000, 0, 0x10000]),
        Code::RegionEmpty => region(&[7, 0, 0x8000_0000, 0, 0]),
        Code::AddressCells => but(|root| {
            root.child("soc").cells("#address-cells", &[4]).cells("#size-cells", &[1]);
            root.child("soc")
                .child("gpu")
                .cells("phandle", &[7])
                .cells("iommus", &[1, 0x10007])
                .cells("memory-region", &[8]);
            let region = root.child("framebuffer@80000000").cells("reg", &[0, 0x8000_0000, 0, 0x10000]);
            region.cells("phandle", &[8]).cells("iommu-addresses", &[7, 0, 0, 0, 0x8000_0000, 0x10000]);
        }),
        Code::MapsDiffer => but(|root| done(root.child(HOST).cells("msi-map", &[0, 2, 0, 0x8000]))),
        Code::DmaRanges => but(|root| {
            root.child("memory@0").text("device_type", "memory").cells("reg", &[0, 0, 4, 0]);
            let low = [0x0200_0000, 0, 0, 0, 0, 1, 0];
            root.child(HOST).remove("iommu-map").cells("dma-ranges", &low);
        }),
        Code::BindingCells => but(|root| {
            root.child(HOST).remove("iommu-map");
            root.child(SMMU).cells("#iommu-cells", &[2]);
        }),
        Code::ClassicReading => two_cells(|root| {
            let map: Vec<u32> = (0..4).flat_map(|bus| [bus << 8, 1, 5 + bus, 0, 1]).collect();
            root.child(HOST).cells("iommu-map", &map);
        }),
        Code::SeveralKinds => but(|root| {
            let old = root.child("iommu@3b400000").text("compatible", "arm,mmu-500");
            old.cells("#iommu-cells", &[1]).cells("phandle", &[5]);
            root.child("gpu").cells("iommus", &[1, 0x10007, 5, 7]);
        }),
        Code::BootRefused => {
            let mut blob = healthy().blob();
            // The reservation map, four bytes further on.
            blob[19] += 4;
            blob
        }
        Code::IommuUndriven => but(|root| done(root.child(SMMU).text("compatible", "acme,smmu"))),
        Code::IgnoredOnPci => but(|root| {
            let port = root.child(HOST).child("pcie@1,0").text("device_type", "pci");
            port.cells("reg", &[0x800, 0, 0, 0, 0]).cells("iommu-map", &[0, 1, 0, 0x100]);
        }),
        Code::MapStride => two_cells(|root| {
            let host = root.child(HOST).text("compatible", "qcom,pcie-sm8550");
            host.cells("iommu-map", &[0, 1, 5, 0, 1, 0x100, 1, 6, 0, 1]);
        }),
        Code::RegionIgnored => but(|root| {
            let rk = root.child("iommu@3b400000").text("compatible", "rockchip,iommu");
            rk.cells("#iommu-cells", &[0]).cells("phandle", &[5]);
            root.child("gpu").cells("phandle", &[7]).cells("iommus", &[5]).cells("memory-region", &[8]);
            let region = root.child("framebuffer@80000000").cells("reg", &[0, 0x8000_0000, 0, 0x10000]);
            region.cells("phandle", &[8]).cells("iommu-addresses", &[7, 0, 0x8000_0000, 0, 0x10000]);
        }),
        Code::RegionUnreachable => but(|root| {
            root.child("soc").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
            root.child("soc").cells("dma-ranges", &[0, 0, 0, 0, 0, 0x1000]);
            let gpu = root.child("soc").child("gpu").cells("phandle", &[7]);
            gpu.cells("iommus", &[1, 0x10007]).cells("memory-region", &[8]);
            let region = root.child("hole").cells("phandle", &[8]);
            region.cells("iommu-addresses", &[7, 0, 0x8000_0000, 0, 0x10000]);
        }),
        Code::SeveralInstances => but(|root| {
            let other = root.child("iommu@3b400000").text("compatible", "arm,smmu-v3");
            other.cells("#iommu-cells", &[1]).cells("phandle", &[5]);
            root.child("gpu").cells("iommus", &[1, 0x10007, 5, 7]);
        }),
        Code::SiblingWired => but(|root| {
            root.child("dma@1000").text("compatible", "acme,dma").cells("iommus", &[1, 0x10007]);
            root.child("dma@2000").text("compatible", "acme,dma");
        }),
        Code::StreamTwoGroups => two_cells(|root| {
            root.child("gpu").cells("iommus", &[1, 0x400, 0]);
            root.child("video").cells("iommus", &[1, 0x401, 0]);
            root.child("vpu").cells("iommus", &[1, 0x400, 0, 1, 0x401, 0]);
        }),
        Code::StreamGroupLost => two_cells(|root| {
            root.child("gpu").cells("iommus", &[1, 0x400, 0]);
            root.child("video").cells("iommus", &[1, 0x400, 0, 1, 0x401, 0]);
        }),
        _ => return None,
    })
}

/// Ends a chain of words.
fn done<T>(_: T) {}
