//! VIOT to [`Platform`]: a PCI host for each segment that a range names, a master for each platform endpoint.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Node, PciRange, Viot};
use crate::bytes::{index, saturate};
use crate::limits::{MAX_VIOT_SEGMENTS, MAX_VIOT_SPARE_MAPPINGS};
use crate::model::{
    BusKind, Errno, HostedFunction, IdBus, IdMapping, IdTable, Iommu, IommuIndex, IommuKind, MsiRoute,
    Origin, Output, PlatformMaster, Requester, RequesterIndex, RequesterKind, Specifier, Target,
};
use crate::{Bdf, Error, ErrorKind, Format, Platform, Segment, error::At};

impl Viot<'_> {
    /// The facts of the table. Records that cannot be read, or that refer to nothing, are in [`Platform::skipped`].
    ///
    /// VIOT has no record of a PCI host; there is one here for each segment, at the first range with the segment. Of overlapping
    /// ranges the last one counts (linux drivers/acpi/viot.c `viot_parse_node` adds each at the front). A virtio-iommu never
    /// translates its own requester ID (`viot_dev_iommu_init` answers EINVAL).
    ///
    /// ```
    /// use fwspec::acpi::viot::Viot;
    /// use fwspec::{Dialect, IdMap};
    /// let mut bytes = b"VIOT\x58\0\0\0\0".to_vec();
    /// bytes.resize(36, 0);
    /// bytes.extend([2, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // two nodes, the first at byte 48
    /// bytes.extend([3, 0, 16, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // a virtio-iommu at 0000:00:01.0
    /// bytes.extend([1, 0, 24, 0, 0, 5, 0, 0, 0, 0, 1, 0, 0, 1, 0xff, 1, 48, 0, 0, 0, 0, 0, 0, 0]); // two segments, bus 1
    /// let map = IdMap::build(&Viot::parse(&bytes)?.platform(), Dialect::LINUX);
    /// let stream = map.stream_of("0001:01:00.2".parse().unwrap()).unwrap();
    /// assert_eq!(stream.to_string(), "VIOT+0x30 0x10502");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn platform(&self) -> Platform {
        let mut lowering = Lowering {
            platform: Platform { source: Some(self.sdt().source()), ..Platform::default() },
            places: Vec::new(),
            hosts: BTreeMap::new(),
            spare: usize::from(self.node_count()).saturating_mul(2).saturating_add(MAX_VIOT_SPARE_MAPPINGS),
        };
        lowering.platform.skipped.extend(self.sdt().checksum_error());
        let (mut endpoints, mut past_short_node) = (Vec::new(), false);
        for node in self.nodes() {
            match node {
                Ok((at, Node::PciIommu(function))) => lowering.iommu(at, Some(function), None),
                Ok((at, Node::MmioIommu(base))) => lowering.iommu(at, None, Some(base)),
                Ok((at, Node::Unknown(number))) => lowering.skip(ErrorKind::NodeType(number), at),
                Ok((at, endpoint)) => endpoints.push((at, endpoint, past_short_node)),
                Err(error) => {
                    // An IOMMU is read when an endpoint names it (linux `viot_get_iommu`).
                    past_short_node |= self.is_endpoint(error.at);
                    lowering.platform.skipped.push(error);
                }
            }
        }
        // The last range counts, and the first mapping of a table answers.
        for (at, node, past_short_node) in endpoints.into_iter().rev() {
            match node {
                Node::PciRange(range) => lowering.range(at, &range, past_short_node),
                Node::MmioEndpoint { endpoint, base, output_node } => {
                    let streams = lowering.target(output_node, at).map(|(iommu, _)| (iommu, endpoint));
                    lowering.master(at, streams, base, past_short_node);
                }
                _ => {}
            }
        }
        lowering.finish()
    }

    /// Whether the node at this place is of a type that describes an endpoint.
    fn is_endpoint(&self, at: At) -> bool {
        let node_type = self.sdt().bytes().get(index(at.offset));
        matches!(node_type, Some(1 | 2))
    }
}

struct Lowering {
    platform: Platform,
    /// Offset of each IOMMU in the table, ascending, and its PCI function.
    places: Vec<(u32, Option<Bdf>)>,
    /// The host of each segment: its place, its mappings, and how many of these come after a node that is too short.
    hosts: BTreeMap<u16, (At, Vec<IdMapping>, u32)>,
    /// How many more mappings may be made.
    spare: usize,
}

impl Lowering {
    fn skip(&mut self, kind: ErrorKind, at: At) {
        self.platform.skipped.push(Error { kind, at });
    }

    fn iommu(&mut self, at: At, function: Option<Bdf>, base: Option<u64>) {
        self.places.push((at.offset, function));
        let iommu = Iommu::new(Origin::acpi(Format::Viot, at), IommuKind::Virtio, base);
        self.platform.iommus.push(Iommu { address: function, ..iommu });
    }

    /// The IOMMU whose node starts at this offset, and its function.
    fn target(&mut self, output_node: u16, at: At) -> Option<(IommuIndex, Option<Bdf>)> {
        let place = self.places.binary_search_by_key(&u32::from(output_node), |(offset, _)| *offset);
        let Some((_, function)) = place.ok().and_then(|at| self.places.get(at)).copied() else {
            self.skip(ErrorKind::OutputNode(output_node), at);
            return None;
        };
        Some((IommuIndex::at(place.ok()?), function))
    }

    fn range(&mut self, at: At, range: &PciRange, past_short_node: bool) {
        let PciRange { segment_start, segment_end, first, last, .. } = *range;
        if last < first || segment_end < segment_start {
            let kind = ErrorKind::EndpointRange { segment_start, segment_end, first, last };
            return self.skip(kind, at);
        }
        let Some((iommu, function)) = self.target(range.output_node, at) else { return };
        for segment in segment_start..=segment_end {
            let room = self.hosts.contains_key(&segment) || self.hosts.len() < MAX_VIOT_SEGMENTS;
            let Some(spare) = self.spare.checked_sub(2).filter(|_| room) else {
                return self.skip(ErrorKind::SegmentsMany { from: segment, to: segment_end }, at);
            };
            self.spare = spare;
            let bdf = |rid| Bdf { segment: Segment(u32::from(segment)), rid };
            let mapping = |first: u16, last: u16, output| IdMapping {
                first: u32::from(first),
                last: u32::from(last),
                output,
                target: Target::Iommu(iommu),
                offset: at.offset,
            };
            let (place, mappings, past) = self.hosts.entry(segment).or_insert_with(|| (at, Vec::new(), 0));
            *place = at;
            if let Some(own) =
                function.filter(|own| range.endpoint_of(*own).is_some() && *own == bdf(own.rid))
            {
                mappings.push(mapping(own.rid.0, own.rid.0, Output::Errno(Errno::Invalid)));
            }
            let endpoint = range.endpoint_of(bdf(first)).unwrap_or_default();
            mappings.push(mapping(first.0, last.0, Output::Linear(endpoint)));
            if past_short_node {
                *past = saturate(mappings.len());
            }
        }
    }

    fn master(&mut self, at: At, stream: Option<(IommuIndex, u32)>, base: u64, past_short_node: bool) {
        let Some((iommu, endpoint)) = stream else { return };
        let master = PlatformMaster {
            streams: alloc::vec![Specifier { iommu, index: 0, count: 1, offset: at.offset }],
            cells: alloc::vec![endpoint],
            msi: Vec::new(),
            cut_short: false,
            past_short_node,
            base: Some(base),
        };
        self.platform
            .requesters
            .push(Requester::new(Origin::acpi(Format::Viot, at), RequesterKind::Master(master)));
    }

    fn finish(self) -> Platform {
        let mut platform = self.platform;
        // Back into the order of the table.
        platform.requesters.reverse();
        for (segment, (at, mappings, past_short_node)) in self.hosts {
            let segment = Segment(u32::from(segment));
            let host = RequesterIndex::at(platform.requesters.len());
            for (iommu, (_, function)) in platform.iommus.iter_mut().zip(&self.places) {
                if let Some(function) = function.filter(|function| function.segment == segment) {
                    iommu.function = Some(HostedFunction { host, rid: function.rid });
                }
            }
            let bus = IdBus {
                kind: BusKind::Pci { segment, assumed: false, first_bus: 0, last_bus: u8::MAX },
                streams: Some(IdTable { mappings, past_short_node, ..IdTable::default() }),
                msi: MsiRoute::Absent,
                ats: false,
                pri: None,
            };
            platform.requesters.push(Requester::new(Origin::acpi(Format::Viot, at), RequesterKind::Bus(bus)));
        }
        platform.skipped.shrink_to_fit();
        platform
    }
}
