//! Builds IORT tables: for tests, examples and makers of firmware. Tables can also be broken on request.
// It writes and reads nothing: sizes here come from the caller, not from bytes.
#![allow(clippy::arithmetic_side_effects)]

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::NodeType;
use crate::bytes::saturate;

/// Bytes of the table header.
const TABLE_HEADER: usize = 48;
/// Bytes of a node header.
const NODE_HEADER: usize = 16;
/// Bytes of an ID mapping.
const MAPPING: usize = 20;

/// Writes an IORT table.
///
/// Nodes have the revision that belongs to the table's, mappings name nodes by their handle, and lengths, counts, offsets
/// and the checksum are right, unless a method says otherwise.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// let mut table = Builder::new(6);
/// let its = table.its_group([0]).id();
/// let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
/// table.root_complex(0).ats().maps(0..=0xffff, 0x10000, smmu);
/// assert_eq!(Iort::parse(&table.finish())?.nodes().count(), 3);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    revision: u8,
    signature: [u8; 4],
    oem: ([u8; 6], [u8; 8], u32),
    nodes: BTreeMap<NodeId, Draft>,
    node_gap: usize,
    trailing: Vec<u8>,
    length: Option<u32>,
    node_count: Option<u32>,
    node_offset: Option<u32>,
    checksum: Option<u8>,
}

/// A node of a [`Builder`], to be named by mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// The target of an output reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// A node of the same builder.
    Node(NodeId),
    /// This offset, whatever is there; 0 means none.
    Offset(u32),
}

impl From<NodeId> for Reference {
    fn from(id: NodeId) -> Self {
        Reference::Node(id)
    }
}

#[derive(Clone, Debug, Default)]
struct Draft {
    node_type: u8,
    revision: u8,
    identifier: Option<u32>,
    /// The bytes after the node header, up to the mappings.
    body: Vec<u8>,
    /// Places in the node that hold the offset of another one.
    references: Vec<(usize, Reference)>,
    mappings: Vec<([u32; 3], Reference, u32)>,
    length: Option<u16>,
    mapping_count: Option<u32>,
    mapping_offset: Option<u32>,
}

impl Builder {
    /// An empty table of this revision (0, 3, 5, 6 or 7; any other is written as well).
    pub fn new(revision: u8) -> Self {
        Builder {
            revision,
            signature: *b"IORT",
            oem: (*b"FWSPEC", *b"FWSPEC  ", 1),
            nodes: BTreeMap::new(),
            node_gap: 0,
            trailing: Vec::new(),
            length: None,
            node_count: None,
            node_offset: None,
            checksum: None,
        }
    }

    /// OEM ID, OEM table ID and OEM revision of the header.
    pub fn oem(&mut self, id: [u8; 6], table_id: [u8; 8], revision: u32) -> &mut Self {
        self.oem = (id, table_id, revision);
        self
    }

    /// An ITS group with these GIC ITS IDs.
    pub fn its_group<const N: usize>(&mut self, ids: [u32; N]) -> NodeBuilder<'_> {
        let mut node = self.node(0, 20);
        node.put_u32(16, saturate(N));
        for (position, id) in ids.into_iter().enumerate() {
            node.put_u32(20 + 4 * position, id);
        }
        node
    }

    /// A named component, coherent, with 48 address bits.
    pub fn named_component(&mut self, path: &str) -> NodeBuilder<'_> {
        let mut node = self.node(1, 29);
        node.memory_access(1, 3).address_limit(48).path(29, path);
        node
    }

    /// A root complex for this segment, coherent, with 48 address bits from node revision 1 on.
    pub fn root_complex(&mut self, segment: u32) -> NodeBuilder<'_> {
        let mut node = self.node(2, 40);
        node.memory_access(1, 3).put_u32(28, segment);
        if node.draft.revision > 0 {
            node.address_limit(48);
        }
        node
    }

    /// An SMMUv2 (model MMU-500) with two wired global interrupts.
    pub fn smmu_v2(&mut self, base: u64) -> NodeBuilder<'_> {
        let mut node = self.node(3, 76);
        node.put(16, &base.to_le_bytes()).put(24, &0x1_0000_u64.to_le_bytes()).model(3).flags(2);
        for (offset, field) in [(40, 60), (48, 76), (56, 76), (60, 65), (68, 66)] {
            node.put_u32(offset, field);
        }
        node
    }

    /// An SMMUv3 with wired interrupts.
    pub fn smmu_v3(&mut self, base: u64) -> NodeBuilder<'_> {
        let mut node = self.node(4, 68);
        node.put(16, &base.to_le_bytes()).flags(1).interrupts([74, 75, 77, 76]);
        node
    }

    /// A PMCG that measures another node and whose overflow interrupt is an MSI.
    pub fn pmcg(&mut self, page0_base: u64, measured: impl Into<Reference>) -> NodeBuilder<'_> {
        let mut node = self.node(5, 40);
        node.put(16, &page0_base.to_le_bytes()).draft.references.push((28, measured.into()));
        node
    }

    /// An RMR node without ranges: [`NodeBuilder::range`] adds them.
    pub fn rmr(&mut self) -> NodeBuilder<'_> {
        self.node(6, 28)
    }

    /// An interrupt wire bridge.
    pub fn iwb(&mut self, base: u64, index: u16, path: &str) -> NodeBuilder<'_> {
        let mut node = self.node(7, 26);
        node.put(16, &base.to_le_bytes()).put(24, &index.to_le_bytes()).path(26, path);
        node
    }

    /// A node of any type number, `length` bytes long without its mappings.
    pub fn node(&mut self, node_type: u8, length: usize) -> NodeBuilder<'_> {
        let id = NodeId(self.nodes.len());
        let node = self.edit(id);
        node.draft.node_type = node_type;
        node.draft.revision = node_revision(node.table_revision, node_type);
        node.draft.body = alloc::vec![0; length.saturating_sub(NODE_HEADER)];
        node
    }

    /// A node added before, to be continued: this makes references to later nodes, and loops, possible.
    pub fn edit(&mut self, id: NodeId) -> NodeBuilder<'_> {
        NodeBuilder { draft: self.nodes.entry(id).or_default(), id, table_revision: self.revision }
    }

    /// Where a node starts, from the start of the table.
    pub fn offset_of(&self, id: NodeId) -> u32 {
        let before: usize = self.nodes.range(..id).map(|(_, node)| node.length()).sum();
        saturate(TABLE_HEADER + self.node_gap + before)
    }

    /// Puts bytes between the header and the first node, which is legal.
    pub fn gap(&mut self, bytes: usize) -> &mut Self {
        self.node_gap = bytes;
        self
    }

    /// Adds bytes after the table, which its length does not count.
    pub fn trailing(&mut self, bytes: &[u8]) -> &mut Self {
        self.trailing = bytes.to_vec();
        self
    }

    /// Another signature.
    pub fn signature(&mut self, signature: [u8; 4]) -> &mut Self {
        self.signature = signature;
        self
    }

    /// Sets a false length in the table's header.
    pub fn claim_length(&mut self, length: u32) -> &mut Self {
        self.length = Some(length);
        self
    }

    /// Sets a false number of nodes in the header.
    pub fn claim_node_count(&mut self, count: u32) -> &mut Self {
        self.node_count = Some(count);
        self
    }

    /// Sets a false offset of the first node in the header.
    pub fn claim_node_offset(&mut self, offset: u32) -> &mut Self {
        self.node_offset = Some(offset);
        self
    }

    /// Writes this checksum, right or wrong.
    pub fn claim_checksum(&mut self, checksum: u8) -> &mut Self {
        self.checksum = Some(checksum);
        self
    }

    /// The table's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let start = TABLE_HEADER + self.node_gap;
        let nodes_length: usize = self.nodes.values().map(Draft::length).sum();
        let mut next = start;
        let mut offsets = BTreeMap::new();
        for (id, node) in &self.nodes {
            offsets.insert(*id, saturate(next));
            next += node.length();
        }
        let resolve = |reference| match reference {
            Reference::Node(id) => offsets.get(&id).copied().unwrap_or(0),
            Reference::Offset(offset) => offset,
        };
        let mut out = Vec::with_capacity(start + nodes_length + self.trailing.len());
        let (oem_id, oem_table_id, oem_revision) = &self.oem;
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.length.unwrap_or(saturate(start + nodes_length)).to_le_bytes());
        out.extend_from_slice(&[self.revision, 0]);
        out.extend_from_slice(oem_id);
        out.extend_from_slice(oem_table_id);
        out.extend_from_slice(&oem_revision.to_le_bytes());
        out.extend_from_slice(b"FWSP");
        let node_count = self.node_count.unwrap_or(saturate(self.nodes.len()));
        for field in [1, node_count, self.node_offset.unwrap_or(saturate(start)), 0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.resize(start, 0);
        for (id, node) in &self.nodes {
            node.write(*id, self.revision, resolve, &mut out);
        }
        let sum = out.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
        if let Some(checksum) = out.get_mut(9) {
            *checksum = self.checksum.unwrap_or(sum.wrapping_neg());
        }
        out.extend_from_slice(&self.trailing);
        out
    }
}

/// The node revision that belongs to a table revision (EDK2 `IortGenerator.c`; for 3 QEMU `hw/arm/virt-acpi-build.c`).
fn node_revision(table_revision: u8, node_type: u8) -> u8 {
    match (NodeType::from(node_type), table_revision) {
        (NodeType::ItsGroup, 0) => 0,
        (NodeType::ItsGroup, _) => 1,
        (NodeType::NamedComponent | NodeType::SmmuV3, 0) => 2,
        (NodeType::RootComplex | NodeType::SmmuV2 | NodeType::Pmcg, 0) | (NodeType::Rmr, 0..4) => 1,
        (NodeType::Rmr, 4) | (NodeType::Pmcg, _) => 2,
        (NodeType::RootComplex, 1..5) | (NodeType::SmmuV2 | NodeType::Rmr, _) => 3,
        (NodeType::NamedComponent | NodeType::RootComplex, _) | (NodeType::SmmuV3, 1..6) => 4,
        (NodeType::SmmuV3, _) => 5,
        (NodeType::Iwb | NodeType::Unknown(_), _) => 0,
    }
}

/// A node being written, see [`Builder::root_complex`] and its like.
#[derive(Debug)]
pub struct NodeBuilder<'b> {
    draft: &'b mut Draft,
    id: NodeId,
    table_revision: u8,
}

impl NodeBuilder<'_> {
    /// The handle that mappings name it by.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Another node revision. Fields at the end that it does not have are cut off.
    pub fn revision(&mut self, revision: u8) -> &mut Self {
        self.draft.revision = revision;
        self
    }

    /// The node's identifier; the default is its position (0 in tables of revision 0).
    pub fn identifier(&mut self, identifier: u32) -> &mut Self {
        self.draft.identifier = Some(identifier);
        self
    }

    /// Input IDs `inputs` become the IDs from `output` on.
    pub fn maps(&mut self, inputs: RangeInclusive<u32>, output: u32, to: impl Into<Reference>) -> &mut Self {
        self.mapping(*inputs.start(), inputs.end().wrapping_sub(*inputs.start()), output, to, 0)
    }

    /// A single mapping: the ID is `output`, whatever the input.
    pub fn single(&mut self, output: u32, to: impl Into<Reference>) -> &mut Self {
        self.mapping(0, 0, output, to, 1)
    }

    /// A mapping, field by field.
    pub fn mapping(
        &mut self,
        input_base: u32,
        count_minus_one: u32,
        output_base: u32,
        to: impl Into<Reference>,
        flags: u32,
    ) -> &mut Self {
        let fields = [input_base, count_minus_one, output_base];
        self.draft.mappings.push((fields, to.into(), flags));
        self
    }

    /// Memory access properties of a root complex or named component: CCA, and the flags CPM, DACS and CANWBS.
    pub fn memory_access(&mut self, cca: u32, flags: u8) -> &mut Self {
        let offset = if self.node_type() == NodeType::RootComplex { 16 } else { 20 };
        self.put_u32(offset, cca).put(offset + 7, &[flags])
    }

    /// Number of address bits of a root complex or named component.
    pub fn address_limit(&mut self, bits: u8) -> &mut Self {
        let offset = if self.node_type() == NodeType::RootComplex { 32 } else { 28 };
        self.put(offset, &[bits])
    }

    /// Root complex: ATS supported.
    pub fn ats(&mut self) -> &mut Self {
        self.put_u32(24, 1)
    }

    /// Root complex: ATS and PRI supported.
    pub fn ats_and_pri(&mut self) -> &mut Self {
        self.put_u32(24, 3)
    }

    /// Width of PASIDs in bits, of a root complex (node revision 4) or a named component.
    pub fn pasid(&mut self, bits: u8) -> &mut Self {
        match self.node_type() {
            NodeType::RootComplex => self.put(33, &u16::from(bits).to_le_bytes()).put_u32(36, 1),
            _ => self.put(16, &[bits << 1]),
        }
    }

    /// Model number of an SMMU.
    pub fn model(&mut self, model: u32) -> &mut Self {
        let offset = if self.node_type() == NodeType::SmmuV2 { 32 } else { 40 };
        self.put_u32(offset, model)
    }

    /// Flags of a named component, SMMU or RMR node.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        let offset = match self.node_type() {
            NodeType::SmmuV2 => 36,
            NodeType::SmmuV3 => 24,
            _ => 16,
        };
        self.put_u32(offset, flags)
    }

    /// Event, PRI, global error and sync interrupt of an SMMUv3, or the overflow interrupt of a PMCG in all four places;
    /// 0 is an MSI.
    pub fn interrupts(&mut self, gsivs: [u32; 4]) -> &mut Self {
        let offset = if self.node_type() == NodeType::Pmcg { 24 } else { 44 };
        let fields = if self.node_type() == NodeType::Pmcg { 1 } else { 4 };
        for (position, gsiv) in gsivs.into_iter().enumerate().take(fields) {
            self.put_u32(offset + 4 * position, gsiv);
        }
        self
    }

    /// SMMUv3: all interrupts are MSIs, and the mapping with this index is for them (flag bit 4 set).
    pub fn own_msi(&mut self, index: u32) -> &mut Self {
        self.interrupts([0; 4]).flags(1 << 4).put_u32(64, index)
    }

    /// SMMUv3: proximity domain (flag bit 3 set).
    pub fn proximity_domain(&mut self, domain: u32) -> &mut Self {
        self.flags(1 << 3).put_u32(60, domain)
    }

    /// PMCG: the node that it measures, in place of the one it was made with.
    pub fn measures(&mut self, node: impl Into<Reference>) -> &mut Self {
        self.draft.references.retain(|(offset, _)| *offset != 28);
        self.draft.references.push((28, node.into()));
        self
    }

    /// PMCG: register page 1.
    pub fn page1(&mut self, base: u64) -> &mut Self {
        self.put(32, &base.to_le_bytes())
    }

    /// SMMUv1/v2: adds a context interrupt.
    pub fn context_interrupt(&mut self, gsiv: u32, flags: u32) -> &mut Self {
        let end = NODE_HEADER + self.draft.body.len();
        self.put_u32(end, gsiv).put_u32(end + 4, flags);
        let count = saturate(end.saturating_sub(76) / 8 + 1);
        self.put_u32(44, count)
    }

    /// RMR: adds a memory range.
    pub fn range(&mut self, base: u64, length: u64) -> &mut Self {
        let end = NODE_HEADER + self.draft.body.len();
        self.put(end, &base.to_le_bytes()).put(end + 8, &length.to_le_bytes()).put_u32(end + 16, 0);
        self.put_u32(20, saturate(end.saturating_sub(28) / 20 + 1)).put_u32(24, 28)
    }

    /// Writes bytes at an offset from the start of the node, after its 16-byte header; the node grows as needed.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) -> &mut Self {
        let start = offset.saturating_sub(NODE_HEADER);
        let body = &mut self.draft.body;
        body.resize(body.len().max(start + bytes.len()), 0);
        body.iter_mut().skip(start).zip(bytes).for_each(|(place, byte)| *place = *byte);
        self
    }

    /// Writes a 32-bit field, as [`put`](NodeBuilder::put).
    pub fn put_u32(&mut self, offset: usize, field: u32) -> &mut Self {
        self.put(offset, &field.to_le_bytes())
    }

    /// Cuts the node's own fields to this length, header included; the mappings follow there.
    pub fn cut(&mut self, length: usize) -> &mut Self {
        self.draft.body.truncate(length.saturating_sub(NODE_HEADER));
        self
    }

    /// Sets a false length in the node.
    pub fn claim_length(&mut self, length: u16) -> &mut Self {
        self.draft.length = Some(length);
        self
    }

    /// Sets a false number of mappings in the node.
    pub fn claim_mapping_count(&mut self, count: u32) -> &mut Self {
        self.draft.mapping_count = Some(count);
        self
    }

    /// Sets a false offset of the mappings in the node.
    pub fn claim_mapping_offset(&mut self, offset: u32) -> &mut Self {
        self.draft.mapping_offset = Some(offset);
        self
    }

    /// The path, its NUL, and zeros up to a multiple of four.
    fn path(&mut self, offset: usize, path: &str) {
        let end = offset + path.len() + 1;
        self.put(offset, path.as_bytes()).put(end.next_multiple_of(4), &[]);
    }

    fn node_type(&self) -> NodeType {
        self.draft.node_type.into()
    }
}

impl Draft {
    /// Bytes from the start of the node to its mappings: fields of later revisions are cut off.
    fn fields_length(&self) -> usize {
        let whole = NODE_HEADER + self.body.len();
        match (NodeType::from(self.node_type), self.revision) {
            (NodeType::RootComplex, 0..4) => whole.min(36),
            (NodeType::SmmuV3, 0) => whole.min(60),
            (NodeType::Pmcg, 0) => whole.min(32),
            _ => whole,
        }
    }

    fn length(&self) -> usize {
        self.fields_length() + self.mappings.len() * MAPPING
    }

    fn write(&self, id: NodeId, table_revision: u8, resolve: impl Fn(Reference) -> u32, out: &mut Vec<u8>) {
        let node_start = out.len();
        let length = self.length.unwrap_or(u16::try_from(self.length()).unwrap_or(u16::MAX));
        let identifier = if table_revision == 0 { 0 } else { saturate(id.0) };
        let mapping_count = saturate(self.mappings.len());
        let mapping_offset = if mapping_count == 0 { 0 } else { saturate(self.fields_length()) };
        out.push(self.node_type);
        out.extend_from_slice(&length.to_le_bytes());
        out.push(self.revision);
        for field in [
            self.identifier.unwrap_or(identifier),
            self.mapping_count.unwrap_or(mapping_count),
            self.mapping_offset.unwrap_or(mapping_offset),
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.body);
        out.truncate(node_start + self.fields_length());
        for (offset, reference) in &self.references {
            let places = out.iter_mut().skip(node_start + offset);
            places.zip(resolve(*reference).to_le_bytes()).for_each(|(place, byte)| *place = byte);
        }
        for (fields, reference, flags) in &self.mappings {
            for field in fields.iter().chain([&resolve(*reference), flags]) {
                out.extend_from_slice(&field.to_le_bytes());
            }
        }
    }
}
