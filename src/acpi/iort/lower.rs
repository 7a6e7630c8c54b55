//! IORT to [`Platform`]: the facts of the nodes, every reference resolved, in no operating system's dialect.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Body, Iort, Mapping, MemoryAccess, NamedComponent, Node, NodeType, Path, Rmr, RootComplex};
use crate::bytes::{index, saturate};
use crate::model::{
    BusKind, Coherency, DeviceIdTable, GroupRule, IdBus, IdMapping, IdTable, Iommu, IommuIndex, IommuKind,
    MsiController, MsiControllerIndex, MsiIndex, MsiKind, MsiRoute, NamedComponent as Component, Origin,
    Output, Protection, Region, RegionKind, Requester, RequesterIndex, RequesterKind, Reserved, SmmuModel,
    StreamRange, Target,
};
use crate::{Error, ErrorKind, Format, Platform, Segment, StreamId, dialect::MsiIndexRule, error::At};

/// First table revision whose RMR nodes Linux reads (`iort_find_rmrs`).
const FIRST_RMR_REVISION: u8 = 5;

impl Iort<'_> {
    /// The facts of the table. Records that cannot be read, or that refer to nothing, are in [`Platform::skipped`]. Records that
    /// can be read but are wrong are judged by the dialect or by the lint, not here.
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xffff, 0x10000, smmu);
    /// let platform = Iort::parse(&table.finish())?.platform();
    /// assert_eq!((platform.iommus.len(), platform.requesters.len()), (1, 1));
    /// assert!(platform.skipped.is_empty());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn platform(&self) -> Platform {
        let mut lowering = Lowering::new(self);
        lowering.platform.skipped.extend(self.sdt().checksum_error());
        for node in self.nodes() {
            match node {
                Ok(node) => lowering.node(&node),
                Err(error) => lowering.platform.skipped.push(error),
            }
        }
        let mut platform = lowering.platform;
        platform.skipped.shrink_to_fit();
        platform
    }
}

/// A node, and which entry of its list in [`Platform`] it becomes.
#[derive(Clone, Copy)]
struct LoweredNode {
    offset: u32,
    node_type: NodeType,
    index: u32,
}

struct Lowering {
    table_revision: u8,
    /// In the order of the table, and so sorted by offset.
    places: Vec<LoweredNode>,
    platform: Platform,
}

impl Lowering {
    /// Gives every usable node its index, so that mappings may refer to nodes before and after them.
    fn new(iort: &Iort<'_>) -> Self {
        let nodes = || iort.nodes().map_while(Result::ok).filter(Node::is_usable);
        let [mut iommus, mut msi_controllers, mut requesters, mut reserved] = [0_u32; 4];
        let mut places = Vec::with_capacity(nodes().count());
        for node in nodes() {
            let list = match node.node_type() {
                kind if kind.is_smmu() => &mut iommus,
                NodeType::ItsGroup => &mut msi_controllers,
                NodeType::Rmr => &mut reserved,
                _ => &mut requesters,
            };
            places.push(LoweredNode { offset: node.offset(), node_type: node.node_type(), index: *list });
            *list = list.saturating_add(1);
        }
        let platform = Platform {
            source: Some(iort.sdt().source()),
            iommus: Vec::with_capacity(index(iommus)),
            msi_controllers: Vec::with_capacity(index(msi_controllers)),
            requesters: Vec::with_capacity(index(requesters)),
            reserved: Vec::with_capacity(index(reserved)),
            ..Platform::default()
        };
        Lowering { table_revision: iort.revision(), places, platform }
    }

    fn skip(&mut self, kind: ErrorKind, at: At) {
        self.platform.skipped.push(Error { kind, at });
    }

    fn node(&mut self, node: &Node<'_>) {
        let body = match node.body() {
            Ok(body) => body,
            Err(error) => return self.platform.skipped.push(error),
        };
        match body {
            Body::Unknown(number) => return self.skip(ErrorKind::NodeType(number), node.at()),
            Body::Rmr(_) if self.table_revision < FIRST_RMR_REVISION => {
                return self.skip(ErrorKind::RmrTableRevision(self.table_revision), node.at());
            }
            Body::NamedComponent(NamedComponent { path, .. }) | Body::Iwb(super::Iwb { path, .. })
                if !path.is_terminated() =>
            {
                return self.skip(ErrorKind::PathUnterminated(saturate(path.bytes().len())), node.at());
            }
            _ => {}
        }
        self.platform.skipped.extend(node.mappings_error());
        let origin = Origin::acpi(Format::Iort, node.at());
        match body {
            Body::ItsGroup(group) => {
                self.platform.skipped.extend(group.error());
                let kind = MsiKind::ItsGroup(group.ids().collect());
                self.platform.msi_controllers.push(MsiController { origin, kind });
            }
            Body::SmmuV2(smmu) => {
                let kind = IommuKind::SmmuV2(smmu_model(smmu.model));
                let device_ids = self.device_ids(node);
                let iommu = Iommu::new(origin, kind, Some(smmu.base));
                self.platform.iommus.push(Iommu {
                    group_rule: GroupRule::SharedStreamMapping,
                    device_ids,
                    ..iommu
                });
            }
            Body::SmmuV3(smmu) => {
                let kind = IommuKind::SmmuV3 { model: smmu.model };
                let device_ids = self.device_ids(node);
                self.platform.iommus.push(Iommu { device_ids, ..Iommu::new(origin, kind, Some(smmu.base)) });
            }
            Body::RootComplex(root) => {
                let requester = root_complex(origin, &root, self.id_table(node));
                self.platform.requesters.push(requester);
            }
            Body::NamedComponent(component) => {
                let table = self.id_table(node);
                self.platform.requesters.push(named_component(origin, &component, table));
            }
            Body::Iwb(bridge) => {
                let kind = RequesterKind::WireBridge(Component {
                    path: path_text(bridge.path),
                    table: self.id_table(node),
                });
                self.platform.requesters.push(Requester::new(origin, kind));
            }
            Body::Pmcg(_) => {
                let DeviceIdTable { mappings, own_msi, .. } = self.device_ids(node);
                let kind =
                    RequesterKind::MsiOnly { table: IdTable { mappings, ..IdTable::default() }, own_msi };
                self.platform.requesters.push(Requester::new(origin, kind));
            }
            Body::Rmr(rmr) => {
                self.platform.skipped.extend(rmr.error());
                let streams = self.streams(node);
                self.platform.reserved.push(reserved(origin, &rmr, streams));
            }
            Body::Unknown(_) => {}
        }
    }

    fn id_table(&mut self, node: &Node<'_>) -> IdTable {
        IdTable { mappings: self.mappings(node), null_first: null_first(node), ..IdTable::default() }
    }

    fn device_ids(&mut self, node: &Node<'_>) -> DeviceIdTable {
        let own_msi = MsiIndex {
            by_flag: own_msi(node, MsiIndexRule::ValidFlag),
            by_interrupts: own_msi(node, MsiIndexRule::InterruptsOnly),
        };
        DeviceIdTable { mappings: self.mappings(node), null_first: null_first(node), own_msi }
    }

    /// The mappings that can match an id. The others are reported and left out.
    fn mappings(&mut self, node: &Node<'_>) -> Vec<IdMapping> {
        let lead = Lead::of(&self.places, node.node_type(), 0);
        let (places, skipped) = (&self.places, &mut self.platform.skipped);
        let mut leads = Leads { places, node, lead, skipped, wrapped: false };
        let mapping = |mapping: Mapping| {
            let (last, output_last) = (mapping.input_last(), mapping.output_last());
            let is_new = mapping.output_reference != leads.lead.reference;
            if is_new || leads.lead.is_odd || last.is_none() || output_last.is_none() {
                leads.look_closer(mapping.index);
            }
            IdMapping {
                first: mapping.input_base,
                last: last.unwrap_or_else(|| mapping.input_base.wrapping_add(mapping.count_minus_one)),
                output: match mapping.is_single() {
                    true => Output::Constant(mapping.output_base),
                    false => Output::Linear(mapping.output_base),
                },
                target: leads.lead.target,
                offset: mapping.at.offset,
            }
        };
        let mut mappings: Vec<IdMapping> = node.mappings().all().map(mapping).collect();
        if leads.wrapped {
            mappings.retain(|mapping| mapping.first <= mapping.last);
            mappings.shrink_to_fit();
        }
        mappings
    }

    /// The StreamIDs that an RMR node is for. Linux looks at their outputs only (`iort_get_rmrs`).
    fn streams(&mut self, node: &Node<'_>) -> Vec<StreamRange> {
        let mut streams = Vec::with_capacity(node.mappings().len());
        for mapping in node.mappings() {
            let lead = Lead::of(&self.places, NodeType::Rmr, mapping.output_reference);
            let output_last = mapping.output_base.checked_add(mapping.count_minus_one);
            // Inputs do not matter here.
            if let Some(kind) = lead.fault_of(&mapping, Some(0), output_last) {
                self.skip(kind, mapping.at);
            }
            if let Target::Iommu(iommu) = lead.target {
                let last = output_last.unwrap_or(u32::MAX);
                streams.push(StreamRange {
                    iommu,
                    first: StreamId(mapping.output_base),
                    last: StreamId(last),
                });
            }
        }
        streams
    }
}

/// Where the mappings of a node lead, one after the other: nearly always where the one before does.
struct Leads<'a, 'b> {
    places: &'a [LoweredNode],
    node: &'a Node<'b>,
    lead: Lead,
    skipped: &'a mut Vec<Error>,
    /// Whether the inputs of a mapping exceeded 32 bits: its last is below its first then.
    wrapped: bool,
}

impl Leads<'_, '_> {
    /// Finds out where a mapping leads, and what is wrong with it. It stands apart and reads the mapping again, so that a mapping like the one
    /// before stays in registers.
    #[cold]
    #[inline(never)]
    fn look_closer(&mut self, position: u32) {
        let Some(mapping) = self.node.mappings().nth(index(position)) else { return };
        if mapping.output_reference != self.lead.reference {
            self.lead = Lead::of(self.places, self.node.node_type(), mapping.output_reference);
        }
        let (last, output_last) = (mapping.input_last(), mapping.output_last());
        let fault = self.lead.fault_of(&mapping, last, output_last);
        self.skipped.extend(fault.map(|kind| Error { kind, at: mapping.at }));
        self.wrapped |= last.is_none();
    }
}

/// What an output reference leads to: the same for every mapping of a node that has the reference.
struct Lead {
    reference: u32,
    target: Target,
    /// What is wrong with the reference.
    fault: Option<ErrorKind>,
    /// Whether it leads to an SMMU with StreamIDs of 16 bits.
    narrow: bool,
    /// Whether mappings with the reference need to be checked.
    is_odd: bool,
}

impl Lead {
    /// What an output reference of a node of type `from` leads to.
    fn of(places: &[LoweredNode], from: NodeType, reference: u32) -> Self {
        let place = places.binary_search_by_key(&reference, |place| place.offset);
        let place = place.ok().and_then(|at| places.get(at));
        let target = match place {
            _ if reference == 0 => Target::Null,
            Some(LoweredNode { node_type: NodeType::ItsGroup, index, .. }) => {
                Target::Msi(MsiControllerIndex(*index))
            }
            Some(LoweredNode { node_type, index, .. }) if node_type.is_smmu() => {
                Target::Iommu(IommuIndex(*index))
            }
            None | Some(LoweredNode { node_type: NodeType::Rmr, .. }) => Target::Dangling(reference),
            Some(LoweredNode { index, .. }) => Target::Requester(RequesterIndex(*index)),
        };
        let legal = match target {
            Target::Iommu(_) => !from.is_smmu(),
            Target::Msi(_) => from != NodeType::Rmr,
            _ => false,
        };
        let fault = match place {
            _ if reference == 0 => Some(ErrorKind::MappingNull),
            None => Some(ErrorKind::MappingTarget(reference)),
            Some(place) if !legal => {
                Some(ErrorKind::MappingTargetType { reference, node_type: place.node_type.into() })
            }
            Some(_) => None,
        };
        let narrow = place.is_some_and(|place| place.node_type == NodeType::SmmuV2);
        Lead { reference, target, fault, narrow, is_odd: fault.is_some() || narrow }
    }

    /// The most serious fault of a mapping with this reference.
    fn fault_of(
        &self,
        mapping: &Mapping,
        input_last: Option<u32>,
        output_last: Option<u32>,
    ) -> Option<ErrorKind> {
        let count_minus_one = mapping.count_minus_one;
        match (input_last, output_last) {
            _ if self.target == Target::Null => self.fault,
            (None, _) => Some(ErrorKind::MappingInputWraps { base: mapping.input_base, count_minus_one }),
            (Some(_), _) if self.fault.is_some() => self.fault,
            (Some(_), None) => {
                Some(ErrorKind::MappingOutputWraps { base: mapping.output_base, count_minus_one })
            }
            (Some(_), Some(last)) if self.narrow && last > 0xffff => Some(ErrorKind::StreamIdWide(last)),
            _ => None,
        }
    }
}

/// Whether the first mapping has no output reference, whether it is kept or not.
fn null_first(node: &Node<'_>) -> bool {
    node.mappings().next().is_some_and(|first| first.output_reference == 0)
}

/// The index of the own MSI among the mappings that are kept.
fn own_msi(node: &Node<'_>, rule: MsiIndexRule) -> Option<u32> {
    let own = node.own_msi(rule)?;
    let mut kept = node.mappings().filter(|mapping| mapping.input_last().is_some());
    kept.position(|mapping| mapping.index == own).map(saturate)
}

fn smmu_model(number: u32) -> SmmuModel {
    match number {
        0 => SmmuModel::GenericV1,
        1 => SmmuModel::GenericV2,
        2 => SmmuModel::Mmu400,
        3 => SmmuModel::Mmu500,
        4 => SmmuModel::Mmu401,
        5 => SmmuModel::CaviumThunderX,
        other => SmmuModel::Unknown(other),
    }
}

fn root_complex(origin: Origin, root: &RootComplex, table: IdTable) -> Requester {
    // Without the flags, which iasl does not write, the width alone shows that there are PASIDs.
    let supported = |width: &u8| root.flags.map_or(*width > 0, |flags| flags & 1 != 0);
    let pasid_bits = root.pasid_capabilities.map(|field| field.to_le_bytes()[0] & 0x1f);
    let bus = IdBus {
        kind: BusKind::Pci {
            segment: Segment(root.segment),
            assumed: false,
            first_bus: 0,
            last_bus: u8::MAX,
        },
        streams: (!table.mappings.is_empty()).then_some(table),
        msi: MsiRoute::Streams,
        ats: root.ats_attribute & 1 != 0,
        pri: root.pri,
    };
    Requester {
        address_bits: root.address_limit,
        coherency: root.memory.into(),
        pasid_bits: pasid_bits.filter(supported),
        ..Requester::new(origin, RequesterKind::Bus(bus))
    }
}

fn named_component(origin: Origin, component: &NamedComponent<'_>, table: IdTable) -> Requester {
    let kind = RequesterKind::Component(Component { path: path_text(component.path), table });
    Requester {
        address_bits: Some(component.address_limit),
        coherency: component.memory.into(),
        pasid_bits: component.pasid_bits,
        can_stall: component.can_stall,
        ..Requester::new(origin, kind)
    }
}

fn reserved(origin: Origin, rmr: &Rmr<'_>, streams: Vec<StreamRange>) -> Reserved {
    let descriptors = rmr.descriptors();
    Reserved {
        origin,
        streams,
        requester: None,
        functions: Vec::new(),
        scopes: None,
        regions: descriptors
            .map(|range| Region { base: range.base, length: range.length, offset: range.at.offset })
            .collect(),
        kind: if rmr.flags & 1 != 0 { RegionKind::DirectRelaxable } else { RegionKind::Direct },
        // Linux reads these bits whatever the node's revision (`iort_rmr_alloc`).
        protection: Protection {
            privileged: rmr.flags & 2 != 0,
            mmio: rmr.flags >> 2 & 0xff <= 3,
            cacheable: rmr.flags >> 2 & 0xff == 5,
            ..Protection::default()
        },
    }
}

fn path_text(path: Path<'_>) -> Box<str> {
    path.to_string().into_boxed_str()
}

impl From<MemoryAccess> for Coherency {
    fn from(memory: MemoryAccess) -> Self {
        Coherency {
            coherent: Some(memory.cca == 1),
            path_to_memory: Some(memory.flags & 1 != 0),
            device_attributes: Some(memory.flags & 2 != 0),
            write_back_not_needed: Some(memory.flags & 4 != 0),
        }
    }
}
