//! RIMT to [`Platform`]: the facts of the nodes, every reference resolved.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Body, Mapping, Mappings, Rimt};
use crate::bytes::saturate;
use crate::model::{
    BusKind, HostedFunction, IdBus, IdMapping, IdTable, Iommu, IommuIndex, IommuKind, MsiRoute,
    NamedComponent, Origin, Output, Requester, RequesterIndex, RequesterKind, Target,
};
use crate::{Bdf, Error, ErrorKind, Format, Platform, error::At};

impl Rimt<'_> {
    /// The facts of the table. Records that cannot be read, or that refer to nothing, are in [`Platform::skipped`].
    ///
    /// [`IdMapping::last`] is the sum of the first ID and the count, as Linux reads it (`rimt_id_map`); the dialects that follow
    /// the specification leave that last ID out when the map is built.
    ///
    /// ```
    /// use fwspec::acpi::rimt::Rimt;
    /// use fwspec::{Dialect, IdMap};
    /// let mut bytes = b"RIMT\x80\0\0\0\x01\0".to_vec();
    /// bytes.resize(36, 0);
    /// bytes.extend([2, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0]); // two nodes, the first at byte 48
    /// bytes.extend([0, 1, 40, 0, 0, 0, 0, 0]); // an IOMMU
    /// bytes.resize(88, 0);
    /// bytes.extend([1, 1, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 1, 0]); // a root complex with one mapping
    /// bytes.extend([0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0x40, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0]); // 16 IDs from 0 on
    /// let platform = Rimt::parse(&bytes)?.platform();
    /// let id = |dialect, bdf: &str| IdMap::build(&platform, dialect).resolve(bdf.parse().unwrap()).ok()?.id;
    /// assert_eq!(id(Dialect::SPEC, "00:01.7").unwrap().0, 0x400f);
    /// assert_eq!(id(Dialect::SPEC, "00:02.0"), None);
    /// assert_eq!(id(Dialect::LINUX, "00:02.0").unwrap().0, 0x4010); // one ID too many
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn platform(&self) -> Platform {
        let mut lowering = Lowering::new(self);
        lowering.platform.skipped.extend(self.sdt().checksum_error());
        for node in self.nodes() {
            match node.and_then(|node| Ok((node.at(), node.body()?))) {
                Ok((at, body)) => lowering.node(at, body),
                Err(error) => lowering.platform.skipped.push(error),
            }
        }
        lowering.finish()
    }
}

/// A node, and which entry of its list in [`Platform`] it becomes.
#[derive(Clone, Copy)]
struct LoweredNode {
    offset: u32,
    target: Target,
}

struct Lowering {
    /// In the order of the table, and so sorted by offset.
    places: Vec<LoweredNode>,
    /// The PCI function of each IOMMU.
    functions: Vec<Option<Bdf>>,
    platform: Platform,
}

impl Lowering {
    /// Gives every usable node its index, so that mappings may refer to nodes before and after them.
    fn new(rimt: &Rimt<'_>) -> Self {
        let (mut iommus, mut requesters) = (
            (0..).map(|at| Target::Iommu(IommuIndex(at))),
            (0..).map(|at| Target::Requester(RequesterIndex(at))),
        );
        let mut places = Vec::new();
        for node in rimt.nodes().map_while(Result::ok) {
            let target = match node.body() {
                Ok(Body::Iommu { .. }) => iommus.next(),
                Ok(Body::RootComplex { .. }) => requesters.next(),
                Ok(Body::PlatformDevice { path, .. }) if path.is_terminated() => requesters.next(),
                _ => None,
            };
            places.extend(target.map(|target| LoweredNode { offset: node.at().offset, target }));
        }
        let platform = Platform { source: Some(rimt.sdt().source()), ..Platform::default() };
        Lowering { places, functions: Vec::new(), platform }
    }

    fn skip(&mut self, kind: ErrorKind, at: At) {
        self.platform.skipped.push(Error { kind, at });
    }

    fn node(&mut self, at: At, body: Body<'_>) {
        match body {
            Body::Iommu { function, base, .. } => {
                self.functions.push(function);
                let iommu = Iommu::new(Origin::acpi(Format::Rimt, at), IommuKind::RiscV, base);
                self.platform.iommus.push(Iommu { address: function, ..iommu });
            }
            Body::RootComplex { segment, ats, pri, mappings } => {
                let table = self.table(mappings);
                let bus = IdBus {
                    kind: BusKind::Pci { segment, assumed: false, first_bus: 0, last_bus: u8::MAX },
                    streams: (!table.mappings.is_empty()).then_some(table),
                    msi: MsiRoute::Absent,
                    ats,
                    pri: Some(pri),
                };
                self.platform
                    .requesters
                    .push(Requester::new(Origin::acpi(Format::Rimt, at), RequesterKind::Bus(bus)));
            }
            Body::PlatformDevice { path, .. } if !path.is_terminated() => {
                self.skip(ErrorKind::PathUnterminated(saturate(path.bytes().len())), at);
            }
            Body::PlatformDevice { path, mappings } => {
                let component =
                    NamedComponent { path: path.to_string().into_boxed_str(), table: self.table(mappings) };
                self.platform.requesters.push(Requester::new(
                    Origin::acpi(Format::Rimt, at),
                    RequesterKind::Component(component),
                ));
            }
            Body::Unknown(number) => self.skip(ErrorKind::NodeType(number), at),
        }
    }

    fn table(&mut self, mappings: Mappings<'_>) -> IdTable {
        self.platform.skipped.extend(mappings.error());
        let mut table = Vec::with_capacity(mappings.len());
        let null_first = mappings.clone().next().is_some_and(|first| first.destination_offset == 0);
        for mapping in mappings {
            let (first, count) = (mapping.source_base, mapping.id_count);
            let Some(last) = first.checked_add(count) else {
                let kind = match mapping.destination_offset {
                    0 => ErrorKind::MappingNull,
                    _ => ErrorKind::MappingInputWraps { base: first, count_minus_one: count },
                };
                self.skip(kind, mapping.at);
                continue;
            };
            let output = Output::Linear(mapping.destination_base);
            let target = self.target(&mapping);
            table.push(IdMapping { first, last, output, target, offset: mapping.at.offset });
        }
        IdTable { mappings: table, null_first, ..IdTable::default() }
    }

    fn target(&mut self, mapping: &Mapping) -> Target {
        let reference = mapping.destination_offset;
        let place = self.places.binary_search_by_key(&reference, |place| place.offset);
        let (target, fault) = match place.ok().and_then(|at| self.places.get(at)).map(|place| place.target) {
            _ if reference == 0 => (Target::Null, Some(ErrorKind::MappingNull)),
            Some(iommu @ Target::Iommu(_)) => (iommu, None),
            // Linux follows it with that node's own mappings (`rimt_node_map_id`).
            Some(other) => (other, Some(ErrorKind::MappingTarget(reference))),
            None => (Target::Dangling(reference), Some(ErrorKind::MappingTarget(reference))),
        };
        if let Some(kind) = fault {
            self.skip(kind, mapping.at);
        }
        target
    }

    /// Sets the PCI function of each IOMMU, and its root complex.
    fn finish(self) -> Platform {
        let Lowering { functions, mut platform, .. } = self;
        let mut segments: Vec<_> = RequesterIndex::number(&platform.requesters)
            .filter_map(|(host, requester)| match &requester.kind {
                RequesterKind::Bus(IdBus { kind: BusKind::Pci { segment, .. }, .. }) => {
                    Some((*segment, host))
                }
                _ => None,
            })
            .collect();
        segments.sort_unstable();
        for (iommu, function) in platform.iommus.iter_mut().zip(functions) {
            let Some(Bdf { segment, rid }) = function else { continue };
            let first = segments.partition_point(|(other, _)| *other < segment);
            let host = segments.get(first).filter(|(other, _)| *other == segment);
            iommu.function = host.map(|(_, host)| HostedFunction { host: *host, rid });
        }
        platform.skipped.shrink_to_fit();
        platform
    }
}
