//! Writes RIMT and VIOT tables in words.

use std::ops::RangeInclusive;

fn table(signature: &[u8; 4], revision: u8, count: &[u8], nodes: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend(u32::try_from(48 + nodes.len()).unwrap().to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend(b"OEMID OEMTABLE");
    bytes.resize(36, 0);
    bytes.extend(count);
    bytes.resize(48, 0);
    bytes.extend(nodes);
    bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// A VIOT. The methods that add an IOMMU give the offset of its node.
#[derive(Default)]
pub(crate) struct Viot {
    count: u16,
    nodes: Vec<u8>,
}

#[allow(dead_code)]
impl Viot {
    fn node(&mut self, number: u8, fields: &[u8]) -> u16 {
        let at = u16::try_from(48 + self.nodes.len()).unwrap();
        self.nodes.extend([number, 0]);
        self.nodes.extend(u16::try_from(4 + fields.len()).unwrap().to_le_bytes());
        self.nodes.extend(fields);
        self.count += 1;
        at
    }

    pub(crate) fn pci_iommu(&mut self, segment: u16, rid: u16) -> u16 {
        self.node(3, &[&segment.to_le_bytes()[..], &rid.to_le_bytes(), &[0; 8]].concat())
    }

    pub(crate) fn mmio_iommu(&mut self, base: u64) -> u16 {
        self.node(4, &[&[0; 4][..], &base.to_le_bytes()].concat())
    }

    pub(crate) fn pci_range(
        &mut self,
        segments: RangeInclusive<u16>,
        rids: RangeInclusive<u16>,
        endpoint: u32,
        iommu: u16,
    ) {
        let numbers = [*segments.start(), *segments.end(), *rids.start(), *rids.end(), iommu];
        let numbers = numbers.map(u16::to_le_bytes).concat();
        self.node(1, &[&endpoint.to_le_bytes()[..], &numbers, &[0; 6]].concat());
    }

    pub(crate) fn mmio_endpoint(&mut self, endpoint: u32, base: u64, iommu: u16) {
        let fields = [&endpoint.to_le_bytes()[..], &base.to_le_bytes(), &iommu.to_le_bytes(), &[0; 6]];
        self.node(2, &fields.concat());
    }

    /// A node of this type and length, all else zero.
    pub(crate) fn raw(&mut self, number: u8, length: usize) {
        self.node(number, &vec![0; length - 4]);
    }

    /// A node of this type, with these bytes behind its header.
    pub(crate) fn raw_body(&mut self, number: u8, body: &[u8]) {
        self.node(number, body);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        table(b"VIOT", 0, &[self.count.to_le_bytes(), 48_u16.to_le_bytes()].concat(), &self.nodes)
    }
}

/// A mapping: first source ID, count, first device ID, offset of the IOMMU.
pub(crate) type Mapping = (u32, u32, u32, u32);

/// A RIMT. The methods that add an IOMMU give the offset of its node.
#[derive(Default)]
pub(crate) struct Rimt {
    count: u32,
    nodes: Vec<u8>,
    last: usize,
}

#[allow(dead_code)]
impl Rimt {
    fn node(&mut self, number: u8, fields: &[u8]) -> u32 {
        self.last = self.nodes.len();
        let id = u16::try_from(self.count).unwrap();
        self.nodes.extend([number, 1]);
        self.nodes.extend(u16::try_from(8 + fields.len()).unwrap().to_le_bytes());
        self.nodes.extend([0, 0]);
        self.nodes.extend(id.to_le_bytes());
        self.nodes.extend(fields);
        self.count += 1;
        u32::try_from(48 + self.last).unwrap()
    }

    fn an_iommu(&mut self, base: u64, flags: u32, segment: u16, rid: u16, wires: &[(u32, u32)]) -> u32 {
        let hardware = if flags & 1 == 0 { *b"RSCV0004" } else { [0; 8] };
        let mut fields = [&hardware[..], &base.to_le_bytes(), &flags.to_le_bytes(), &[0; 4]].concat();
        let count = u16::try_from(wires.len()).unwrap();
        fields.extend([segment, rid, count, 40].map(u16::to_le_bytes).concat());
        fields
            .extend(wires.iter().flat_map(|(gsi, flags)| [gsi.to_le_bytes(), flags.to_le_bytes()].concat()));
        self.node(0, &fields)
    }

    /// A platform device with two wires.
    pub(crate) fn iommu(&mut self, base: u64) -> u32 {
        self.an_iommu(base, 0, 0, 0, &[(36, 3), (37, 2)])
    }

    pub(crate) fn pci_iommu(&mut self, segment: u16, rid: u16) -> u32 {
        self.an_iommu(0, 1, segment, rid, &[])
    }

    pub(crate) fn root_complex(&mut self, segment: u16, flags: u32, mappings: &[Mapping]) {
        let numbers = [0, segment, 20, u16::try_from(mappings.len()).unwrap()].map(u16::to_le_bytes).concat();
        self.node(1, &[&flags.to_le_bytes()[..], &numbers, &written(mappings)].concat());
    }

    pub(crate) fn platform_device(&mut self, path: &str, mappings: &[Mapping]) {
        let mut path = [path.as_bytes(), &[0]].concat();
        path.resize(path.len().next_multiple_of(4), 0);
        let offset = u16::try_from(12 + path.len()).unwrap();
        let numbers = [offset, u16::try_from(mappings.len()).unwrap()].map(u16::to_le_bytes).concat();
        self.node(2, &[&numbers[..], &path, &written(mappings)].concat());
    }

    /// A node of this type and length, all else zero.
    pub(crate) fn raw(&mut self, number: u8, length: usize) {
        self.node(number, &vec![0; length - 8]);
    }

    /// A node of this type, with these bytes behind its header.
    pub(crate) fn raw_body(&mut self, number: u8, body: &[u8]) {
        self.node(number, body);
    }

    /// Makes the last node, a root complex, say that it has so many mappings.
    pub(crate) fn claim_mappings(&mut self, count: u16) {
        self.nodes[self.last + 18..self.last + 20].copy_from_slice(&count.to_le_bytes());
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        table(b"RIMT", 1, &[self.count.to_le_bytes(), 48_u32.to_le_bytes()].concat(), &self.nodes)
    }
}

fn written(mappings: &[Mapping]) -> Vec<u8> {
    let record = |(source, count, output, iommu): &Mapping| {
        [*source, *count, *output, *iommu, 0].map(u32::to_le_bytes).concat()
    };
    mappings.iter().flat_map(record).collect()
}
