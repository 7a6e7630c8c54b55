//! Where the dialect is consulted: tables and rules become indices, and nothing is left to decide.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::model::{
    Admission, BusKind, DeviceIdTable, IdBus, IdMapping, IdTable, Iommu, IommuKind, MasterMsi, MsiRoute,
    NamedComponent, Origin, Output, Platform, PlatformMaster, Requester, RequesterIndex, RequesterKind,
    SmmuModel, Target,
};
use crate::{
    DeviceId, Dialect, Format,
    dialect::{
        ComponentRule, CountRule, DriverRule, LastIdRule, MapCells, MasterRule, MsiIndexRule, SingleRule,
    },
};

use super::chain::{Hop, Reached};
use super::index::Index;
use super::scope::ScopeIndex;
use super::{
    Firmware, FwspecFlags, Host, IdMap, MappedBus, MappedIommu, MappedMsi, MappedRequester, MappedRoute,
    MappedTable, MsiRequest, NoStream, OwnIds, Stream,
};

/// Which single mappings count in a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Singles {
    /// Those of root complexes and named components count.
    Count,
    /// Those of SMMUs and others are a firmware bug, and are skipped (linux `iort_id_map`).
    Skip,
}

impl IdMap {
    /// Builds the indices of a platform under a dialect. O(n log n) in the number of mappings.
    /// It cannot fail: whatever a [`Platform`] holds can be indexed.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xffff, 0, smmu);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.iommus().len(), 1);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn build(platform: &Platform, dialect: Dialect) -> IdMap {
        let firmware = match platform.format() {
            Some(Format::DeviceTree) => Firmware::DeviceTree,
            Some(Format::Iort | Format::Rimt | Format::Viot | Format::Dmar | Format::Ivrs) | None => {
                Firmware::Acpi
            }
        };
        let iommus: Vec<MappedIommu> =
            platform.iommus.iter().map(|iommu| Rules::of(dialect, iommu.origin).iommu(iommu)).collect();
        let mut map = IdMap {
            dialect,
            firmware,
            msi_controllers: platform
                .msi_controllers
                .iter()
                .map(|msi| MappedMsi { origin: msi.origin })
                .collect(),
            requesters: platform
                .requesters
                .iter()
                .map(|requester| Rules::of(dialect, requester.origin).requester(requester, &iommus))
                .collect(),
            iommus,
            made_by_driver: RequesterIndex::number(&platform.requesters)
                .filter(|(_, one)| one.made_by_driver && matches!(one.kind, RequesterKind::Master(_)))
                .map(|(at, _)| at)
                .collect(),
            hosts: hosts(&platform.requesters, dialect),
            scopes: ScopeIndex::build(platform),
            paths: platform.paths.clone(),
        };
        // A component's ids may lead through other tables, so all tables are built first.
        for position in 0..platform.requesters.len() {
            let own = platform
                .requesters
                .get(position)
                .map(|requester| map.own_ids(platform, requester))
                .unwrap_or_default();
            if let Some(requester) = map.requesters.get_mut(position) {
                requester.own = Some(own).filter(OwnIds::say_something).map(Box::new);
            }
        }
        map
    }

    fn own_ids(&self, platform: &Platform, requester: &Requester) -> OwnIds {
        match &requester.kind {
            RequesterKind::Component(component) => self.component_ids(component, requester.origin.format),
            RequesterKind::WireBridge(bridge) => OwnIds {
                msi: self.component_ids(bridge, Format::Iort).msi,
                refused: Some(NoStream::NoMap),
                ..OwnIds::default()
            },
            RequesterKind::Master(master) => self.master_ids(platform, requester, master),
            RequesterKind::MsiOnly { table, own_msi } => OwnIds {
                msi: own_request(&table.mappings, own_msi.under(self.dialect.msi_index))
                    .into_iter()
                    .collect(),
                ..OwnIds::default()
            },
            RequesterKind::Bus(_) => OwnIds::default(),
        }
    }

    fn component_ids(&self, component: &NamedComponent, format: Format) -> OwnIds {
        let (mut streams, mut msi, mut refused) = (Vec::new(), Vec::new(), Some(NoStream::NoMap));
        let mappings = &component.table.mappings;
        let only = mappings.len() == 1;
        let mut listening = true;
        for mapping in mappings {
            let single = matches!(mapping.output, Output::Constant(_));
            // A RIMT mapping gives its first output, whatever it counts (linux `rimt_plat_iommu_map`).
            let taken = single
                || format == Format::Rimt
                || only && self.dialect.component == ComponentRule::FirstSingleOrOnly;
            let place = if taken { self.follow(mapping) } else { Err(NoStream::NotSingle) };
            if let Ok(request) = place.and_then(|place| self.to_msi(place)) {
                msi.push(request);
            }
            match place {
                Ok(Reached::Iommu(stream)) if listening => {
                    streams.push(stream);
                    refused = None;
                }
                Ok(Reached::Iommu(_)) => {}
                // The loop ends at the first mapping that does not give a StreamID (linux `iort_nc_iommu_map`).
                reason => {
                    if streams.is_empty() && listening {
                        refused = reason.err().or(Some(NoStream::Bypass { input: mapping.first }));
                    }
                    listening &= self.dialect.component != ComponentRule::LeadingSingles;
                }
            }
            if taken && self.dialect.component == ComponentRule::FirstSingleOrOnly {
                break;
            }
        }
        OwnIds { streams: streams.into(), refused, msi: msi.into() }
    }

    fn follow(&self, mapping: &IdMapping) -> Result<Reached, NoStream> {
        match self.hop(mapping, mapping.first, &[])? {
            Hop::Arrived(place) => Ok(place),
            Hop::Onward { requester, id } => self.leave(requester, id),
        }
    }

    fn to_msi(&self, place: Reached) -> Result<MsiRequest, NoStream> {
        match place {
            Reached::Msi(request) => Ok(request),
            Reached::Iommu(stream) => self.beyond(stream).ok_or(NoStream::NoMap),
        }
    }

    /// The IOMMU whose driver does not take this device, by its name (linux `ipmmu_of_xlate`).
    fn not_admitted(
        &self,
        platform: &Platform,
        requester: &Requester,
        streams: &[Stream],
    ) -> Option<NoStream> {
        let named = |stream: &Stream| {
            let driver = platform.iommu(stream.iommu)?.driver?;
            let Admission::Named(names) = driver.admission else { return None };
            let name = platform.device_name(requester);
            let taken = name.is_some_and(|name| names.contains(&name.as_str()));
            (!taken).then_some(NoStream::NotAdmitted { iommu: stream.iommu })
        };
        streams.iter().find_map(named).filter(|_| self.dialect.drivers == DriverRule::Linux)
    }

    fn master_ids(&self, platform: &Platform, requester: &Requester, master: &PlatformMaster) -> OwnIds {
        let stream = |specifier: &crate::model::Specifier| -> Option<Stream> {
            let start = crate::bytes::index(specifier.index);
            let cells = master.cells.get(start..start.checked_add(usize::from(specifier.count))?)?;
            Some(specifier.iommu.entry(&self.iommus)?.stream(specifier.iommu, cells))
        };
        let mut streams = Vec::with_capacity(master.streams.len());
        let counted = match self.dialect.masters {
            _ if master.past_short_node && self.dialect.stops_at_short_node => &[],
            MasterRule::EveryEntry => master.streams.as_slice(),
            MasterRule::FirstEntry => master.streams.get(..1).unwrap_or_default(),
        };
        streams.extend(counted.iter().filter_map(stream));
        let msi = |entry: &MasterMsi| Some(MsiRequest { controller: entry.controller, id: entry.id? });
        OwnIds {
            refused: match streams.is_empty() {
                true => Some(NoStream::NoMap),
                false => self.not_admitted(platform, requester, &streams),
            },
            streams: streams.into(),
            msi: master.msi.iter().filter_map(msi).collect(),
        }
    }
}

/// The hosts of each segment: table after table in the order in which Linux asks them (`acpi_iommu_configure_id`), and of each
/// table those that the dialect asks.
fn hosts(requesters: &[Requester], dialect: Dialect) -> Vec<Host> {
    let host = |(index, requester): (RequesterIndex, &Requester)| match &requester.kind {
        RequesterKind::Bus(bus) => match bus.kind {
            BusKind::Pci { segment, .. } => {
                Some(Host { segment, format: requester.origin.format, requester: index })
            }
            BusKind::Other => None,
        },
        _ => None,
    };
    let mut hosts: Vec<_> = RequesterIndex::number(requesters).filter_map(host).collect();
    hosts.sort_unstable();
    if dialect.root_complex == crate::dialect::RootComplexRule::First {
        hosts.dedup_by_key(|host| (host.segment, host.format));
    }
    hosts
}

/// The DeviceID of a node's own MSIs: only a single mapping to an ITS group gives it (linux `iort_node_get_id`).
fn own_request(mappings: &[IdMapping], own: Option<u32>) -> Option<MsiRequest> {
    let mapping = mappings.get(crate::bytes::index(own?))?;
    match (mapping.output, mapping.target) {
        (Output::Constant(id), Target::Msi(controller)) => Some(MsiRequest { controller, id: DeviceId(id) }),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Rules {
    dialect: Dialect,
    format: Format,
}

impl Rules {
    fn of(dialect: Dialect, origin: Origin) -> Rules {
        Rules { dialect, format: origin.format }
    }

    fn iommu(self, iommu: &Iommu) -> MappedIommu {
        let DeviceIdTable { mappings, null_first, own_msi } = &iommu.device_ids;
        let own = own_msi.under(self.dialect.msi_index);
        let singles = match self.dialect.msi_index {
            MsiIndexRule::NoIndex => Singles::Count,
            MsiIndexRule::ValidFlag | MsiIndexRule::InterruptsOnly => Singles::Skip,
        };
        let device_ids = match self.disabled(*null_first) {
            true => Index::default(),
            false => self.index(mappings, own, singles),
        };
        let known = !matches!(iommu.kind, IommuKind::SmmuV2(SmmuModel::Unknown(_)));
        let bound = iommu.driver.is_some_and(|driver| driver.admission != Admission::Nobody);
        MappedIommu {
            origin: iommu.origin,
            kind: iommu.kind,
            available: iommu.available && known,
            driven: bound || self.dialect.drivers == DriverRule::Any,
            group_rule: iommu.group_rule,
            own_msi: own_request(mappings, own),
            stream_match_mask: (self.format == Format::DeviceTree)
                .then_some(iommu.stream_match_mask.unwrap_or(0)),
            device_ids,
        }
    }

    fn requester(self, requester: &Requester, iommus: &[MappedIommu]) -> MappedRequester {
        let bus = match &requester.kind {
            RequesterKind::Bus(bus) => Some(self.bus(requester, bus, iommus)),
            RequesterKind::Component(component) => Some(MappedBus {
                kind: None,
                flags: FwspecFlags::default(),
                streams: self.streams(&component.table, iommus),
                msi: MappedRoute::Streams,
            }),
            RequesterKind::Master(_) | RequesterKind::MsiOnly { .. } | RequesterKind::WireBridge(_) => None,
        };
        MappedRequester { origin: requester.origin, bus: bus.map(Box::new), own: None }
    }

    fn bus(self, requester: &Requester, bus: &IdBus, iommus: &[MappedIommu]) -> MappedBus {
        let canwbs = requester.coherency.write_back_not_needed == Some(true);
        MappedBus {
            kind: Some(bus.kind),
            flags: FwspecFlags { ats: bus.ats, canwbs },
            streams: bus
                .streams
                .as_ref()
                .ok_or(NoStream::NoMap)
                .and_then(|table| self.streams(table, iommus)),
            msi: match &bus.msi {
                MsiRoute::Streams => MappedRoute::Streams,
                MsiRoute::Direct(controller) => MappedRoute::Direct(*controller),
                MsiRoute::Inherited(requester) => MappedRoute::Inherited(*requester),
                MsiRoute::Absent => MappedRoute::Absent,
                MsiRoute::Table(table) => MappedRoute::Table(Box::new(self.table(table))),
            },
        }
    }

    fn streams(self, table: &IdTable, iommus: &[MappedIommu]) -> Result<MappedTable, NoStream> {
        if self.disabled(table.null_first) {
            return Err(NoStream::FirstNull);
        }
        let iommu_of = |target| match target {
            Target::Iommu(iommu) => Some((iommu, iommu.entry(iommus)?)),
            _ => None,
        };
        // Most ranges have the same target as the range before, whose IOMMU takes either any range or only some.
        let (mut target, mut known, mut any) = (Target::Null, None, None);
        let direct = |range: &IdMapping| {
            let same = match (range.target, target) {
                (Target::Iommu(one), Target::Iommu(other)) => one == other,
                (one, other) => one == other,
            };
            if !same {
                (target, known) = (range.target, iommu_of(range.target));
                any = known.filter(|(_, iommu)| iommu.takes_any_as_is()).map(|(iommu, _)| iommu);
            }
            any.or_else(|| known.filter(|(_, iommu)| iommu.takes_as_is(range)).map(|(iommu, _)| iommu))
        };
        let table = self.table(table);
        Ok(MappedTable { index: table.index.precompute_direct(direct), ..table })
    }

    fn table(self, table: &IdTable) -> MappedTable {
        MappedTable {
            mask: table.mask.unwrap_or(u32::MAX),
            index: self.index(self.reading(table), None, Singles::Count),
            cells: table.cells.as_slice().into(),
        }
    }

    fn disabled(self, null_first: bool) -> bool {
        null_first && self.dialect.null_first_disables
    }

    fn reading(self, table: &IdTable) -> &[IdMapping] {
        match (self.dialect.map_cells, &table.classic) {
            (MapCells::AlwaysFour, Some(classic)) => classic,
            _ if self.dialect.stops_at_short_node => {
                table.mappings.get(crate::bytes::index(table.past_short_node)..).unwrap_or_default()
            }
            _ => &table.mappings,
        }
    }

    /// The index of a table: the mappings that count in the dialect, in table order, without the node's own MSI mapping.
    fn index(self, table: &[IdMapping], own_msi: Option<u32>, singles: Singles) -> Index {
        // Nearly always all mappings count unchanged.
        let mut entries = table.to_vec();
        let mut position = 0_u32;
        entries.retain_mut(|mapping| {
            let own = Some(position) == own_msi;
            position = position.saturating_add(1);
            !own && self.counts(mapping, singles)
        });
        entries.shrink_to_fit();
        let iort = self.format == Format::Iort;
        Index::build(entries, iort && self.dialect.last_id == LastIdRule::YieldsToRangeStartingThere)
    }

    /// Whether one mapping counts, and what the dialect makes of it.
    fn counts(self, mapping: &mut IdMapping, singles: Singles) -> bool {
        let dangling = matches!(mapping.target, Target::Null | Target::Dangling(_));
        let errno = matches!(mapping.output, Output::Errno(_) | Output::NeedsTopology);
        if dangling && !errno && !self.dialect.dangling_shadows
            || !self.dialect.output_wraps && wraps(mapping)
        {
            return false;
        }
        if matches!(self.format, Format::DeviceTree | Format::Viot | Format::Dmar | Format::Ivrs) {
            return true;
        }
        if matches!(mapping.output, Output::Constant(_)) {
            if singles == Singles::Skip {
                return false;
            }
            if self.dialect.single == SingleRule::AnyInput {
                (mapping.first, mapping.last) = (0, u32::MAX);
                return true;
            }
        }
        let count = if self.format == Format::Rimt { self.dialect.rimt_count } else { self.dialect.count };
        if count == CountRule::CountMinusOne {
            return true;
        }
        let last = mapping.last.checked_sub(1).filter(|last| *last >= mapping.first);
        mapping.last = last.unwrap_or(mapping.last);
        last.is_some()
    }
}

/// Whether the outputs of a mapping exceed `0xffff_ffff`.
fn wraps(mapping: &IdMapping) -> bool {
    matches!(mapping.output, Output::Linear(base) if base.checked_add(mapping.last.wrapping_sub(mapping.first)).is_none())
}
