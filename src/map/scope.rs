//! The unit of a function where firmware names functions by the path to them (DMAR), and the aliases that firmware gives (IVRS).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::index::Index;
use super::{Fwspec, FwspecFlags, FwspecOutcome, GivesUp, IdMap, NoStream, Stream};
use crate::bytes::saturate;
use crate::model::{
    AtsKind, IdMapping, IommuIndex, IommuKind, Output, Scope, ScopeKind, ScopePath, ScopedUnit, Target,
};
use crate::{
    Bdf, Platform, RequesterId, Segment, StreamId,
    error::{At, Source},
};

/// The scopes of all units.
#[derive(Clone, Debug, Default)]
pub(super) struct ScopeIndex {
    /// IOMMU, segment and offset of each unit, in the order in which Linux asks them; and whether the unit covers the rest of its
    /// segment.
    units: Vec<(IommuIndex, Segment, u32, bool)>,
    /// The scopes of units that list what they cover.
    named: Names,
    /// The scopes of other records. Their `unit` is the place of the record in `records`.
    others: Names,
    /// The kinds of the other records, in the order in which Linux asks them.
    records: Vec<RecordKind>,
    /// Aliases by segment, and the table that gives them.
    aliases: BTreeMap<Segment, Index>,
    alias_source: Option<Source>,
    /// Functions that Linux cannot map a region for, by segment.
    unmappable: Vec<(Segment, RequesterId, RequesterId, u32)>,
}

/// A record with scopes that is not a unit. Of the records with memory Linux asks every one about a function, of those of other
/// kinds it asks until one has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordKind {
    Memory,
    Ports,
    Integrated,
}

/// Scopes by what they name, so that one search finds the unit that Linux asks first.
#[derive(Clone, Debug, Default)]
struct Names {
    /// Those of one hop, which nearly all are, sorted.
    functions: Vec<NamedFunction>,
    /// Those of longer paths, sorted.
    paths: Vec<NamedPath>,
}

/// A scope of one hop, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NamedFunction {
    /// Segment, bus, device and function, and kind in one number, which is fast to sort by and to compare.
    name: u64,
    /// Position among the units.
    unit: u32,
    offset: u32,
}

/// A scope of several hops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NamedPath {
    segment: Segment,
    bus: u8,
    path: ScopePath,
    kind: ScopeKind,
    /// Position among the units.
    unit: u32,
    offset: u32,
}

/// The `name` of a [`NamedFunction`].
fn name(segment: Segment, bus: u8, devfn: u8, kind: ScopeKind) -> u64 {
    let function = u32::from_be_bytes([bus, devfn, 0, u8::from(kind == ScopeKind::Endpoint)]);
    u64::from(segment.0) << 32 | u64::from(function)
}

/// The unit of a function, and the record that gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Scoped {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// Byte offset of the record: the device scope, or the unit for the rest of the segment.
    pub offset: u32,
    /// The function that the scope names: the function itself, or a bridge above it. `None` for the unit of the rest of the
    /// segment.
    pub named: Option<RequesterId>,
}

/// A PCI function with its path, which scopes are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FunctionPath {
    /// Its segment.
    pub segment: Segment,
    /// The bridges above it, the one on the root bus first, and the function itself; for a virtual function, its physical function.
    pub hops: Vec<RequesterId>,
    /// Whether it has the header of a bridge.
    pub is_bridge: bool,
    /// Its class code, 24 bits.
    pub class: u32,
}

impl ScopeIndex {
    pub(super) fn build(platform: &Platform) -> Self {
        let unit = |unit: &ScopedUnit| (unit.iommu, unit.segment, unit.offset, unit.include_all);
        let mut index =
            ScopeIndex { units: platform.units.iter().map(unit).collect(), ..ScopeIndex::default() };
        // Linux asks the last one of a table first: in the order of the table they are nearly sorted.
        for (position, unit) in platform.units.iter().enumerate().rev().filter(|(_, unit)| !unit.include_all)
        {
            index.named.add(unit.segment, saturate(position), &unit.scopes);
        }
        index.named.sort();
        let memory = platform.reserved.iter().filter_map(|reserved| reserved.scopes.as_ref());
        let memory = memory.map(|(segment, scopes)| (RecordKind::Memory, *segment, scopes));
        // The last one in the table comes first (linux `dmar_parse_one_atsr`); one for all root ports is not asked.
        let ats = platform.ats.iter().rev().filter_map(|ats| {
            let kind = match ats.kind {
                AtsKind::Ports { all: true } => return None,
                AtsKind::Ports { all: false } => RecordKind::Ports,
                AtsKind::Integrated { .. } => RecordKind::Integrated,
            };
            Some((kind, ats.segment, &ats.scopes))
        });
        for (kind, segment, scopes) in memory.chain(ats) {
            index.others.add(segment, saturate(index.records.len()), scopes);
            index.records.push(kind);
        }
        index.others.sort();
        let mut aliases: BTreeMap<Segment, Vec<IdMapping>> = BTreeMap::new();
        // The last one in the table counts, and the first one here that has a function answers.
        for alias in platform.aliases.iter().rev() {
            aliases.entry(alias.segment).or_default().push(IdMapping {
                first: u32::from(alias.first.0),
                last: u32::from(alias.last.0),
                output: Output::Constant(u32::from(alias.alias.0)),
                target: Target::Null,
                offset: alias.origin.at.offset,
            });
        }
        index.alias_source = platform.aliases.first().map(|alias| alias.origin.at.source);
        index.aliases =
            aliases.into_iter().map(|(segment, all)| (segment, Index::build(all, false))).collect();
        for reserved in &platform.reserved {
            let denied = reserved.protection.denied == crate::model::Denied::Both;
            for range in reserved.functions.iter().filter(|_| denied) {
                index.unmappable.push((range.segment, range.first, range.last, reserved.origin.at.offset));
            }
        }
        index
    }

    fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The first unit that covers the function, in the order in which Linux asks them (linux drivers/iommu/intel/iommu.c
    /// `device_lookup_iommu`).
    fn unit_of(&self, path: &FunctionPath) -> Option<Scoped> {
        let hops = &path.hops;
        let listed = (1..=hops.len()).filter_map(|end| {
            let way = hops.get(..end)?;
            let whole = end == hops.len();
            let kinds =
                if whole { &[ScopeKind::Bridge, ScopeKind::Endpoint][..] } else { &[ScopeKind::Bridge] };
            let found = kinds.iter().filter_map(|kind| self.named.first(path.segment, way, *kind));
            found.min_by_key(|(unit, _)| *unit).map(|(unit, offset)| (unit, offset, way.last().copied()))
        });
        let listed = listed.min_by_key(|(unit, ..)| *unit);
        if let Some((unit, offset, named)) = listed {
            let (iommu, ..) = self.units.get(crate::bytes::index(unit))?;
            return Some(Scoped { iommu: *iommu, offset, named });
        }
        let mut all = self.units.iter().filter(|(_, segment, _, all)| *all && *segment == path.segment);
        all.next().map(|(iommu, _, offset, _)| Scoped { iommu: *iommu, offset: *offset, named: None })
    }

    /// The scope that keeps Linux from using any unit, because its type is not that of the function that it names.
    fn contradicted(&self, path: &FunctionPath) -> Option<u32> {
        let wrong = |kind: ScopeKind| match kind {
            ScopeKind::Endpoint => path.is_bridge,
            ScopeKind::Bridge => !path.is_bridge && path.class >> 16 != 0x06,
        };
        let kinds = [ScopeKind::Bridge, ScopeKind::Endpoint].into_iter();
        let found = kinds.filter_map(|kind| {
            let (unit, offset) = self.named.first(path.segment, &path.hops, kind)?;
            Some((unit, offset, kind))
        });
        // A unit takes the function by its first scope that names it, and so does every other record that Linux asks.
        let by_unit = found.min().filter(|(.., kind)| wrong(*kind)).map(|(_, offset, _)| offset);
        by_unit.or_else(|| {
            let mut takes: Vec<(u32, u32, ScopeKind)> = [ScopeKind::Bridge, ScopeKind::Endpoint]
                .into_iter()
                .flat_map(|kind| {
                    let alike = self.others.naming(path.segment, &path.hops, kind);
                    alike.map(move |(unit, offset)| (unit, offset, kind))
                })
                .collect();
            takes.sort_unstable();
            takes.dedup_by_key(|(record, ..)| *record);
            let mut taken = [false; 2];
            let asked = takes.into_iter().filter(|(record, ..)| {
                let chain = match self.records.get(crate::bytes::index(*record)) {
                    Some(RecordKind::Ports) => taken.first_mut(),
                    Some(RecordKind::Integrated) => taken.last_mut(),
                    Some(RecordKind::Memory) | None => None,
                };
                chain.is_none_or(|taken| !core::mem::replace(taken, true))
            });
            let mut wrong = asked.filter(|(.., kind)| wrong(*kind));
            wrong.next().map(|(_, offset, _)| offset)
        })
    }
}

impl Names {
    fn add(&mut self, segment: Segment, unit: u32, scopes: &[Scope]) {
        self.functions.reserve(scopes.len());
        for Scope { kind, bus, path, offset } in scopes {
            let (kind, bus, offset) = (*kind, *bus, *offset);
            match **path {
                [devfn] => {
                    let name = name(segment, bus, devfn, kind);
                    self.functions.push(NamedFunction { name, unit, offset });
                }
                _ => {
                    let path = path.clone();
                    self.paths.push(NamedPath { segment, bus, path, kind, unit, offset });
                }
            }
        }
    }

    fn sort(&mut self) {
        self.functions.shrink_to_fit();
        self.functions.sort_unstable();
        self.paths.sort_unstable();
    }

    /// Unit and offset of the first scope of a kind that names exactly the last function of a path, see [`Scope::names`].
    fn first(&self, segment: Segment, way: &[RequesterId], kind: ScopeKind) -> Option<(u32, u32)> {
        // Scopes with one name are in the order of their units.
        let (paths, functions) = self.alike(segment, way, kind);
        let path = paths.first().map(|named| (named.unit, named.offset));
        path.into_iter().chain(functions.first().map(|named| (named.unit, named.offset))).min()
    }

    /// Units and offsets of all scopes of a kind that name exactly the last function of a path.
    fn naming(
        &self,
        segment: Segment,
        way: &[RequesterId],
        kind: ScopeKind,
    ) -> impl Iterator<Item = (u32, u32)> {
        let (paths, functions) = self.alike(segment, way, kind);
        let functions = functions.iter().map(|named| (named.unit, named.offset));
        paths.iter().map(|named| (named.unit, named.offset)).chain(functions)
    }

    /// The scopes of a kind with the whole path to a function, and those with the function's own bus, which is the whole path of a function
    /// on a root bus.
    fn alike(
        &self,
        segment: Segment,
        way: &[RequesterId],
        kind: ScopeKind,
    ) -> (&[NamedPath], &[NamedFunction]) {
        let [root, .., function] = *way else {
            let functions = way.first().map(|function| self.functions(segment, *function, kind));
            return (&[], functions.unwrap_or_default());
        };
        let devfns = || way.iter().map(|hop| hop.devfn());
        let key = |named: &NamedPath| {
            (named.segment, named.bus)
                .cmp(&(segment, root.bus()))
                .then_with(|| named.path.iter().copied().cmp(devfns()).then_with(|| named.kind.cmp(&kind)))
        };
        (equal(&self.paths, key), self.functions(segment, function, kind))
    }

    fn functions(&self, segment: Segment, function: RequesterId, kind: ScopeKind) -> &[NamedFunction] {
        let name = name(segment, function.bus(), function.devfn(), kind);
        equal(&self.functions, |named| named.name.cmp(&name))
    }
}

/// The entries of a sorted list that are neither less nor greater than what is looked for.
fn equal<T>(list: &[T], order: impl Fn(&T) -> Ordering) -> &[T] {
    let start = list.partition_point(|entry| order(entry).is_lt());
    let rest = list.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|entry| order(entry).is_eq())).unwrap_or_default()
}

impl IdMap {
    /// Whether the unit of a function depends on the bridges above it ([`IdMap::fwspec_along`]).
    pub(crate) fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The unit of a function, and the record that gives it; `None` where no unit covers the function.
    pub(crate) fn scoped(&self, path: &FunctionPath) -> Option<Scoped> {
        self.scopes.unit_of(path)
    }

    /// The record of a PCI function whose unit depends on the bridges above it: all aliases are on the unit of the function itself
    /// (linux drivers/iommu/intel/iommu.c `domain_context_mapping`).
    pub(crate) fn fwspec_along(
        &self,
        path: &FunctionPath,
        aliases: impl IntoIterator<Item = Bdf>,
    ) -> FwspecOutcome {
        let input = path.hops.last().map_or(0, |function| u32::from(function.0));
        let refused = |why| FwspecOutcome { refused: Some(why), ..FwspecOutcome::default() };
        let known = self.hosts_of(path.segment).next().is_some();
        let Some(Scoped { iommu, .. }) = self.scopes.unit_of(path) else {
            let segment = path.segment;
            return refused(if known { NoStream::Unmapped { input } } else { NoStream::NoHost { segment } });
        };
        if let Err(why) = self.usable(iommu) {
            return refused(why);
        }
        let id = |alias: Bdf| Stream { iommu, id: Some(StreamId(u32::from(alias.rid.0))), mask: 0 };
        let ids = aliases.into_iter().map(id).collect();
        let fwspec = Some(Fwspec { iommu, ids, others: Vec::new(), flags: FwspecFlags::default() });
        FwspecOutcome { fwspec, ..FwspecOutcome::default() }
    }

    /// The requester ID that firmware gives as an alias of a function, and the record that gives it.
    pub(crate) fn alias_of(&self, function: Bdf) -> Option<(RequesterId, At)> {
        let record = self.scopes.aliases.get(&function.segment)?.get(u32::from(function.rid.0))?;
        let Output::Constant(alias) = record.output else { return None };
        let alias = RequesterId(u16::try_from(alias).ok()?);
        let at = self.scopes.alias_source?.at(record.offset);
        (alias != function.rid).then_some((alias, at))
    }

    /// Whether firmware gives any alias.
    pub(crate) fn has_aliases(&self) -> bool {
        !self.scopes.aliases.is_empty()
    }

    /// Why the driver gives up all units if this function is there at boot, and the offset of the record that is the cause.
    pub(crate) fn gives_up(&self, path: &FunctionPath) -> Option<(GivesUp, u32)> {
        if let Some(offset) = self.scopes.contradicted(path) {
            return Some((GivesUp::ScopeType, offset));
        }
        let function = *path.hops.last()?;
        let mut denied = self.scopes.unmappable.iter();
        let denied = denied.find(|(segment, first, last, _)| {
            *segment == path.segment && (*first..=*last).contains(&function)
        });
        let translated = || self.resolve(Bdf { segment: path.segment, rid: function }).is_ok();
        denied.filter(|_| translated()).map(|(.., offset)| (GivesUp::NoAccess, *offset))
    }

    /// Whether any function can make the driver give up.
    pub(crate) fn may_give_up(&self) -> bool {
        !self.scopes.is_empty() || !self.scopes.unmappable.is_empty()
    }

    /// The IOMMU of a record's first id, if all aliases are on it, whatever the firmware says about them.
    pub(super) fn takes_aliases_along(&self, record: &Option<Fwspec>) -> Option<IommuIndex> {
        let iommu = record.as_ref()?.iommu;
        let kind = iommu.entry(&self.iommus)?.kind;
        matches!(kind, IommuKind::VtD | IommuKind::AmdVi).then_some(iommu)
    }
}
