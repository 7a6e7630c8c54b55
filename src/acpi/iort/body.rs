//! Typed nodes: every field of every node type. A field that the node's revision does not have is `None`.

use core::slice;

use zerocopy::little_endian::{U16, U32, U64};

use super::{Node, NodeType, Path, raw};
use crate::bytes::saturate;
use crate::{Error, ErrorKind, dialect::MsiIndexRule, error::At};

/// The fields of a node, by its type.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Type 0.
    ItsGroup(ItsGroup<'a>),
    /// Type 1.
    NamedComponent(NamedComponent<'a>),
    /// Type 2.
    RootComplex(RootComplex),
    /// Type 3.
    SmmuV2(SmmuV2<'a>),
    /// Type 4.
    SmmuV3(SmmuV3),
    /// Type 5.
    Pmcg(Pmcg),
    /// Type 6.
    Rmr(Rmr<'a>),
    /// Type 7.
    Iwb(Iwb<'a>),
    /// Any other type; its bytes are in [`Node::bytes`].
    Unknown(u8),
}

/// GIC ITS units that work as one (DEN0049 §3.1.1.1).
#[derive(Clone, Debug)]
pub struct ItsGroup<'a> {
    /// The number of units in the node.
    pub its_count: u32,
    ids: &'a [U32],
    at: At,
}

/// A platform device (DEN0049 §3.1.1.4).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NamedComponent<'a> {
    /// Bit 0: DMA may stall; bits 5:1: width of PASIDs; the others are reserved.
    pub flags: u32,
    /// Coherency of its DMA.
    pub memory: MemoryAccess,
    /// Number of address bits that its DMA can drive.
    pub address_limit: u8,
    /// Its full namespace path.
    pub path: Path<'a>,
    /// Whether its DMA may stall on a fault; from node revision 1 on.
    pub can_stall: Option<bool>,
    /// Width of PASIDs in bits; from node revision 2 on.
    pub pasid_bits: Option<u8>,
}

/// A PCI segment (DEN0049 §3.1.1.5).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RootComplex {
    /// Coherency of its DMA.
    pub memory: MemoryAccess,
    /// Bit 0: ATS; bit 1: PRI; bit 2: PASIDs on translated requests; the others are reserved.
    pub ats_attribute: u32,
    /// PCI segment, as `_SEG`.
    pub segment: u32,
    /// Number of address bits that its DMA can drive; from node revision 1 on.
    pub address_limit: Option<u8>,
    /// Bits 4:0: width of the widest PASID, in bits; from node revision 4 on.
    pub pasid_capabilities: Option<u16>,
    /// Bit 0: PASIDs supported; from node revision 4 on.
    pub flags: Option<u32>,
    /// PRI supported; from node revision 4 on.
    pub pri: Option<bool>,
}

/// An SMMUv1 or SMMUv2 (DEN0049 §3.1.1.2).
#[derive(Clone, Debug)]
pub struct SmmuV2<'a> {
    /// Physical address of its registers.
    pub base: u64,
    /// Length of its registers in bytes.
    pub span: u64,
    /// Model number, see [`SmmuModel`](crate::model::SmmuModel).
    pub model: u32,
    /// Bit 0: DVM; bit 1: coherent page-table walk; the others are reserved.
    pub flags: u32,
    /// Offset of the global interrupts from the start of the node.
    pub global_interrupt_offset: u32,
    /// Number of context interrupts.
    pub context_interrupt_count: u32,
    /// Offset of the context interrupts from the start of the node.
    pub context_interrupt_offset: u32,
    /// Number of PMU interrupts.
    pub pmu_interrupt_count: u32,
    /// Offset of the PMU interrupts from the start of the node.
    pub pmu_interrupt_offset: u32,
    node: Node<'a>,
}

/// An SMMUv3 (DEN0049 §3.1.1.3).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SmmuV3 {
    /// Physical address of its registers.
    pub base: u64,
    /// Bit 0: COHACC override; bits 2:1: HTTU override; bit 3: proximity domain valid; bit 4: DeviceID mapping index valid
    /// (node revision 5); the others are reserved.
    pub flags: u32,
    /// Reserved field.
    pub reserved: u32,
    /// Physical address of the VATOS page, 0 without one.
    pub vatos: u64,
    /// Model number: 0 generic, 1 HiSilicon Hi161x, 2 Cavium CN99xx.
    pub model: u32,
    /// Interrupt of the event queue; 0 when it is an MSI.
    pub event_gsiv: u32,
    /// Interrupt of the PRI queue; 0 when it is an MSI.
    pub pri_gsiv: u32,
    /// Interrupt of global errors; 0 when it is an MSI.
    pub gerr_gsiv: u32,
    /// Interrupt of command sync; 0 when it is an MSI.
    pub sync_gsiv: u32,
    /// Proximity domain; from node revision 1 on.
    pub proximity_domain: Option<u32>,
    /// Index of the mapping for its own MSIs, as found; from node revision 1 on. See [`Node::own_msi`].
    pub device_id_mapping_index: Option<u32>,
}

/// A performance monitor counter group (DEN0049 §3.1.1.6).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pmcg {
    /// Physical address of register page 0.
    pub page0_base: u64,
    /// Overflow interrupt; 0 when it is an MSI.
    pub overflow_gsiv: u32,
    /// Offset, from the start of the table, of the node it measures.
    pub node_reference: u32,
    /// Physical address of register page 1; from node revision 1 on.
    pub page1_base: Option<u64>,
}

/// Reserved memory ranges (DEN0049 §3.1.1.7).
#[derive(Clone, Debug)]
pub struct Rmr<'a> {
    /// Bit 0: remapping permitted; bit 1: privileged; bits 9:2: access attributes; the others are reserved.
    pub flags: u32,
    /// Number of memory ranges.
    pub descriptor_count: u32,
    /// Offset of the memory ranges from the start of the node.
    pub descriptor_offset: u32,
    /// Access privilege; from node revision 3 on.
    pub privileged: Option<bool>,
    /// Access attributes: 0 nGnRnE, 1 nGnRE, 2 nGRE, 3 GRE, 4 normal non-cacheable, 5 normal write-back; from node
    /// revision 3 on.
    pub attributes: Option<u8>,
    descriptors: &'a [raw::RmrDescriptor],
    at: At,
}

/// A GICv5 interrupt wire bridge (DEN0049 E.g).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Iwb<'a> {
    /// Physical address of its configuration frame.
    pub base: u64,
    /// Its number, as in the frame bits of a GSI.
    pub index: u16,
    /// Its full namespace path.
    pub path: Path<'a>,
}

/// Memory access properties (DEN0049 §3.1.1.4, table 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemoryAccess {
    /// Cache coherency attribute: 1 fully coherent, 0 not; nothing else is legal.
    pub cca: u32,
    /// Allocation hints: bit 0 transient, 1 write-allocate, 2 read-allocate, 3 override.
    pub hints: u8,
    /// Reserved field.
    pub reserved: u16,
    /// Bit 0: CPM; bit 1: DACS; bit 2: CANWBS; the others are reserved.
    pub flags: u8,
}

/// A wired interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Interrupt {
    /// Its place in the firmware.
    pub at: At,
    /// Global system interrupt vector.
    pub gsiv: u32,
    /// Bit 0: edge-triggered.
    pub flags: u32,
}

/// A reserved memory range, as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Descriptor {
    /// Its place in the firmware.
    pub at: At,
    /// Physical address, a multiple of 64 KiB.
    pub base: u64,
    /// Length in bytes, a multiple of 64 KiB.
    pub length: u64,
    /// Reserved field.
    pub reserved: u32,
}

impl<'a> Node<'a> {
    /// The fields of the node, by its type.
    ///
    /// # Errors
    /// [`NodeTooShort`](ErrorKind::NodeTooShort) when the node's length does not hold the fields of its type.
    pub fn body(&self) -> Result<Body<'a>, Error> {
        Ok(match self.node_type() {
            NodeType::ItsGroup => Body::ItsGroup(ItsGroup::new(self)?),
            NodeType::NamedComponent => Body::NamedComponent(NamedComponent::new(self)?),
            NodeType::RootComplex => Body::RootComplex(RootComplex::new(self)?),
            NodeType::SmmuV2 => Body::SmmuV2(SmmuV2::new(self)?),
            NodeType::SmmuV3 => Body::SmmuV3(SmmuV3::new(self)?),
            NodeType::Pmcg => Body::Pmcg(Pmcg::new(self)?),
            NodeType::Rmr => Body::Rmr(Rmr::new(self)?),
            NodeType::Iwb => Body::Iwb(Iwb::new(self)?),
            NodeType::Unknown(number) => Body::Unknown(number),
        })
    }

    /// Whether its fields can be read and are meaningful: only such a node is lowered, or is a target.
    pub fn is_usable(&self) -> bool {
        match self.body() {
            Ok(Body::NamedComponent(component)) => component.path.is_terminated(),
            Ok(Body::Iwb(bridge)) => bridge.path.is_terminated(),
            Ok(Body::Unknown(_)) | Err(_) => false,
            Ok(_) => true,
        }
    }

    /// Index of the mapping that is for the node's own MSIs and translates nothing. An SMMUv3 or PMCG whose interrupts are MSIs has
    /// one (linux `iort_get_id_mapping_index`). `None` also where the node does not have a mapping with the index.
    pub fn own_msi(&self, rule: MsiIndexRule) -> Option<u32> {
        if rule == MsiIndexRule::NoIndex {
            return None;
        }
        let index = match self.body().ok()? {
            Body::SmmuV3(smmu) => {
                let by_interrupts =
                    [smmu.event_gsiv, smmu.pri_gsiv, smmu.gerr_gsiv, smmu.sync_gsiv].contains(&0);
                let has_one = match rule {
                    MsiIndexRule::ValidFlag if self.revision() >= 5 => smmu.flags & 1 << 4 != 0,
                    _ => by_interrupts,
                };
                smmu.device_id_mapping_index.filter(|_| has_one)
            }
            // FreeBSD does not check the interrupt.
            Body::Pmcg(pmcg) => (rule != MsiIndexRule::ValidFlag || pmcg.overflow_gsiv == 0).then_some(0),
            _ => None,
        };
        index.filter(|index| *index < saturate(self.mappings().len()))
    }
}

impl<'a> ItsGroup<'a> {
    fn new(node: &Node<'a>) -> Result<Self, Error> {
        let fields: &raw::ItsGroup = node.fields()?;
        let its_count = fields.its_count.get();
        Ok(ItsGroup { its_count, ids: node.array(20, its_count), at: node.at_byte(16) })
    }

    /// The identifiers that lie inside the node. Operating systems use the first only.
    pub fn ids(&self) -> ItsIds<'a> {
        ItsIds(self.ids.iter())
    }

    /// Why [`ids`](ItsGroup::ids) is empty, or has fewer than the node's count.
    pub fn error(&self) -> Option<Error> {
        let kind = match u16::try_from(self.ids.len()).unwrap_or(u16::MAX) {
            fit if u32::from(fit) < self.its_count => ErrorKind::ItsCount { count: self.its_count, fit },
            0 => ErrorKind::ItsEmpty,
            _ => return None,
        };
        Some(Error { kind, at: self.at })
    }
}

impl<'a> NamedComponent<'a> {
    fn new(node: &Node<'a>) -> Result<Self, Error> {
        let fields: &raw::NamedComponent = node.fields()?;
        let flags = fields.node_flags.get();
        Ok(NamedComponent {
            flags,
            memory: (&fields.memory).into(),
            address_limit: fields.address_limit,
            path: Path::new(node.bytes().get(29..).unwrap_or_default()),
            can_stall: (node.revision() >= 1).then_some(flags & 1 != 0),
            pasid_bits: (node.revision() >= 2).then_some(low_byte(flags >> 1 & 0x1f)),
        })
    }
}

impl RootComplex {
    fn new(node: &Node<'_>) -> Result<Self, Error> {
        let fields: &raw::RootComplex = node.fields()?;
        let ats_attribute = fields.ats_attribute.get();
        Ok(RootComplex {
            memory: (&fields.memory).into(),
            ats_attribute,
            segment: fields.segment.get(),
            address_limit: node.later(1, 32).copied(),
            pasid_capabilities: node.later(4, 33).map(|field: &U16| field.get()),
            flags: node.later(4, 36).map(|field: &U32| field.get()),
            pri: (node.revision() >= 4).then_some(ats_attribute & 2 != 0),
        })
    }
}

impl<'a> SmmuV2<'a> {
    fn new(node: &Node<'a>) -> Result<Self, Error> {
        let fields: &raw::SmmuV2 = node.fields()?;
        Ok(SmmuV2 {
            base: fields.base.get(),
            span: fields.span.get(),
            model: fields.model.get(),
            flags: fields.flags.get(),
            global_interrupt_offset: fields.global_interrupt_offset.get(),
            context_interrupt_count: fields.context_interrupt_count.get(),
            context_interrupt_offset: fields.context_interrupt_offset.get(),
            pmu_interrupt_count: fields.pmu_interrupt_count.get(),
            pmu_interrupt_offset: fields.pmu_interrupt_offset.get(),
            node: *node,
        })
    }

    /// The global interrupts, NSgIrpt and NSgCfgIrpt, as far as they lie inside the node.
    pub fn global_interrupts(&self) -> Interrupts<'a> {
        self.interrupts(self.global_interrupt_offset, 2)
    }

    /// The context interrupts that lie inside the node.
    pub fn context_interrupts(&self) -> Interrupts<'a> {
        self.interrupts(self.context_interrupt_offset, self.context_interrupt_count)
    }

    /// The PMU interrupts that lie inside the node.
    pub fn pmu_interrupts(&self) -> Interrupts<'a> {
        self.interrupts(self.pmu_interrupt_offset, self.pmu_interrupt_count)
    }

    fn interrupts(&self, offset: u32, count: u32) -> Interrupts<'a> {
        Interrupts { records: self.node.array(offset, count).iter(), next: self.node.at_byte(offset) }
    }
}

impl SmmuV3 {
    fn new(node: &Node<'_>) -> Result<Self, Error> {
        let fields: &raw::SmmuV3 = node.fields()?;
        Ok(SmmuV3 {
            base: fields.base.get(),
            flags: fields.flags.get(),
            reserved: fields.reserved.get(),
            vatos: fields.vatos.get(),
            model: fields.model.get(),
            event_gsiv: fields.event_gsiv.get(),
            pri_gsiv: fields.pri_gsiv.get(),
            gerr_gsiv: fields.gerr_gsiv.get(),
            sync_gsiv: fields.sync_gsiv.get(),
            proximity_domain: node.later(1, 60).map(|field: &U32| field.get()),
            device_id_mapping_index: node.later(1, 64).map(|field: &U32| field.get()),
        })
    }
}

impl Pmcg {
    fn new(node: &Node<'_>) -> Result<Self, Error> {
        let fields: &raw::Pmcg = node.fields()?;
        Ok(Pmcg {
            page0_base: fields.page0_base.get(),
            overflow_gsiv: fields.overflow_gsiv.get(),
            node_reference: fields.node_reference.get(),
            page1_base: node.later(1, 32).map(|field: &U64| field.get()),
        })
    }
}

impl<'a> Rmr<'a> {
    fn new(node: &Node<'a>) -> Result<Self, Error> {
        let fields: &raw::Rmr = node.fields()?;
        let flags = fields.flags.get();
        let (count, offset) = (fields.descriptor_count.get(), fields.descriptor_offset.get());
        let since_3 = node.revision() >= 3;
        Ok(Rmr {
            flags,
            descriptor_count: count,
            descriptor_offset: offset,
            privileged: since_3.then_some(flags & 2 != 0),
            attributes: since_3.then_some(low_byte(flags >> 2)),
            // For Linux an offset of 0 means no descriptors (`iort_node_get_rmr_info`).
            descriptors: if offset == 0 { &[] } else { node.array(offset, count) },
            at: node.at(),
        })
    }

    /// The memory ranges that lie inside the node.
    pub fn descriptors(&self) -> Descriptors<'a> {
        let offset = self.at.offset.saturating_add(self.descriptor_offset);
        Descriptors { records: self.descriptors.iter(), next: At { offset, ..self.at } }
    }

    /// Why [`descriptors`](Rmr::descriptors) has fewer than the node's count.
    pub fn error(&self) -> Option<Error> {
        let fit = u16::try_from(self.descriptors.len()).unwrap_or(u16::MAX);
        let (count, offset) = (self.descriptor_count, self.descriptor_offset);
        let at = At { offset: self.at.offset.saturating_add(20), ..self.at };
        (u32::from(fit) < count).then_some(Error { kind: ErrorKind::RmrCount { count, offset, fit }, at })
    }
}

impl<'a> Iwb<'a> {
    fn new(node: &Node<'a>) -> Result<Self, Error> {
        let fields: &raw::Iwb = node.fields()?;
        Ok(Iwb {
            base: fields.base.get(),
            index: fields.index.get(),
            path: Path::new(node.bytes().get(26..).unwrap_or_default()),
        })
    }
}

impl From<&raw::MemoryAccess> for MemoryAccess {
    fn from(fields: &raw::MemoryAccess) -> Self {
        MemoryAccess {
            cca: fields.cca.get(),
            hints: fields.hints,
            reserved: fields.reserved.get(),
            flags: fields.flags,
        }
    }
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

/// ITS identifiers, see [`ItsGroup::ids`].
#[derive(Clone, Debug)]
pub struct ItsIds<'a>(slice::Iter<'a, U32>);

impl Iterator for ItsIds<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.next().map(|id| id.get())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for ItsIds<'_> {}

/// Interrupts of an SMMUv1/v2, see [`SmmuV2::context_interrupts`].
#[derive(Clone, Debug)]
pub struct Interrupts<'a> {
    records: slice::Iter<'a, raw::Interrupt>,
    next: At,
}

impl Iterator for Interrupts<'_> {
    type Item = Interrupt;

    fn next(&mut self) -> Option<Interrupt> {
        let record = self.records.next()?;
        let at = self.next;
        self.next.offset = at.offset.saturating_add(8);
        Some(Interrupt { at, gsiv: record.gsiv.get(), flags: record.flags.get() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Interrupts<'_> {}

/// Memory ranges of an RMR node, see [`Rmr::descriptors`].
#[derive(Clone, Debug)]
pub struct Descriptors<'a> {
    records: slice::Iter<'a, raw::RmrDescriptor>,
    next: At,
}

impl Iterator for Descriptors<'_> {
    type Item = Descriptor;

    fn next(&mut self) -> Option<Descriptor> {
        let record = self.records.next()?;
        let at = self.next;
        self.next.offset = at.offset.saturating_add(20);
        Some(Descriptor {
            at,
            base: record.base.get(),
            length: record.length.get(),
            reserved: record.reserved.get(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Descriptors<'_> {}
