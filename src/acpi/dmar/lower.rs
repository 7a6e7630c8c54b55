//! DMAR to [`Platform`]: units, and scopes as facts; functions whose unit needs no topology as mappings of a PCI host for each
//! segment.
#![deny(clippy::arithmetic_side_effects)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Andd, Body, Dmar, Drhd, ScopeType, Scopes};
use crate::bytes::saturate;
use crate::model::{
    AtsKind, AtsScope, BusKind, IdBus, IdMapping, IdTable, InterruptSource, InterruptSourceKind, Iommu,
    IommuIndex, IommuKind, MsiRoute, NamedComponent, Origin, Output, Protection, Region, RegionKind,
    Requester, RequesterKind, Reserved, Scope, ScopeKind, ScopePath, ScopedUnit, Target,
};
use crate::{
    Error, ErrorKind, Format, Platform, RequesterId, Segment,
    error::{At, RefusedFor},
};

/// The smallest host address width, minus one, that Linux accepts (`PAGE_SHIFT` - 1).
const MIN_WIDTH: u8 = 11;

impl Dmar<'_> {
    /// The facts of the table. Records that cannot be read are in [`Platform::skipped`].
    ///
    /// DMAR has no record of a PCI host; there is one here for each segment that has a unit, with a mapping for each function whose
    /// unit the table alone tells. The others are [`Output::NeedsTopology`]: [`Platform::units`] keeps the scopes, in the order in
    /// which Linux asks them (drivers/iommu/intel/dmar.c `dmar_register_drhd_unit`).
    ///
    /// ```
    /// use fwspec::acpi::dmar::{Builder, Dmar};
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(46);
    /// table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]).bridge(0, [(0x1c, 0)]);
    /// table.unit(0, 0xfed9_1000).include_all();
    /// let map = IdMap::build(&Dmar::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let answer = |function: &str| match map.resolve(function.parse().unwrap()) {
    ///     Ok(stream) => map.name(stream.iommu).unwrap().to_string(),
    ///     Err(reason) => reason.to_string(),
    /// };
    /// assert_eq!(answer("00:02.0"), "DMAR+0x30");
    /// assert_eq!(answer("00:1f.0"), "DMAR+0x50");
    /// assert_eq!(answer("01:00.0"), "the bridges above 0x100 decide which unit translates it: give the machine's PCI functions too");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn platform(&self) -> Platform {
        let mut lowering = Lowering {
            platform: Platform { source: Some(self.sdt().source()), ..Platform::default() },
            listed: Vec::new(),
            all: Vec::new(),
            devices: Vec::new(),
            namespace: Vec::new(),
            seen: BTreeSet::new(),
        };
        lowering.platform.skipped.extend(self.sdt().checksum_error());
        if self.host_address_width() < MIN_WIDTH {
            let width = self.host_address_width();
            lowering.refuse(RefusedFor::HostAddressWidth(width), self.sdt().source().at(36));
        }
        for structure in self.structures() {
            match structure {
                Ok(structure) => match structure.body() {
                    Ok(body) => lowering.structure(structure.at(), body),
                    Err(error) => lowering.platform.skipped.push(error),
                },
                Err(error) => {
                    lowering.platform.skipped.push(error);
                    // Linux ends the walk without a message at a structure of length 0.
                    if error.kind != ErrorKind::NodeLengthZero {
                        lowering.refuse(RefusedFor::StructureOverrun, error.at);
                    }
                }
            }
        }
        lowering.finish()
    }
}

struct Lowering<'a> {
    platform: Platform,
    /// Units that list their devices, and units for a whole segment, in table order.
    listed: Vec<ScopedUnit>,
    all: Vec<ScopedUnit>,
    devices: Vec<(At, Andd<'a>)>,
    /// Namespace devices by number, with the ID that they send with and the offset of their unit.
    namespace: Vec<(u8, RequesterId, u32)>,
    /// Units by segment and registers: Linux uses the first of each (`dmar_find_dmaru`).
    seen: BTreeSet<(Segment, u64)>,
}

impl<'a> Lowering<'a> {
    fn skip(&mut self, kind: ErrorKind, at: At) {
        self.platform.skipped.push(Error { kind, at });
    }

    fn refuse(&mut self, why: RefusedFor, at: At) {
        self.skip(ErrorKind::DriverRefuses(why), at);
    }

    fn structure(&mut self, at: At, body: Body<'a>) {
        match body {
            Body::Drhd(unit) => self.unit(at, unit),
            Body::Rmrr(memory) => {
                let scopes = scopes(memory.scopes, &mut self.platform.skipped, |_| {});
                let length = memory.limit.wrapping_sub(memory.base).wrapping_add(1);
                let offset = at.offset.saturating_add(8);
                self.platform.reserved.push(Reserved {
                    origin: Origin::acpi(Format::Dmar, at),
                    streams: Vec::new(),
                    requester: None,
                    functions: Vec::new(),
                    scopes: Some((memory.segment, scopes)),
                    regions: alloc::vec![Region { base: memory.base, length, offset }],
                    kind: RegionKind::Direct,
                    protection: Protection::default(),
                });
            }
            Body::Atsr(ports) => {
                let all = ports.all_ports();
                self.ats(at, ports.segment, AtsKind::Ports { all }, ports.scopes);
            }
            Body::Satc(caches) => {
                let required = caches.atc_required();
                self.ats(at, caches.segment, AtsKind::Integrated { required }, caches.scopes);
            }
            Body::Andd(device) if !device.path.is_terminated() => {
                self.skip(ErrorKind::PathUnterminated(saturate(device.path.bytes().len())), at);
                self.refuse(RefusedFor::DeviceName, at);
            }
            Body::Andd(device) => self.devices.push((at, device)),
            Body::Rhsa(_) | Body::Sidp(_) => {}
            Body::Unknown(number) => self.skip(ErrorKind::StructureType(number), at),
        }
    }

    fn unit(&mut self, at: At, unit: Drhd<'_>) {
        if !self.seen.insert((unit.segment, unit.base)) {
            return self.skip(ErrorKind::UnitTwice(unit.base), at);
        }
        if unit.base == 0 {
            self.refuse(RefusedFor::NoRegisters, at.source.at(at.offset.saturating_add(8)));
        }
        let iommu = IommuIndex::at(self.platform.iommus.len());
        let origin = Origin::acpi(Format::Dmar, at);
        self.platform.iommus.push(Iommu::new(origin, IommuKind::VtD, Some(unit.base)));
        let include_all = unit.include_all();
        let Platform { skipped, interrupt_sources, .. } = &mut self.platform;
        let scopes = scopes(unit.scopes, skipped, |scope| match scope.scope_type() {
            ScopeType::Namespace => {
                let rid = scope.hops().next().and_then(|hop| hop.on(scope.start_bus()));
                self.namespace.extend(rid.map(|rid| (scope.enumeration_id(), rid, at.offset)));
            }
            // Also of a unit for its whole segment (drivers/iommu/intel/irq_remapping.c `ir_parse_ioapic_hpet_scope`).
            kind => interrupt_sources.extend(interrupt_source(scope, kind, iommu, unit.segment)),
        });
        let scoped = ScopedUnit { iommu, segment: unit.segment, include_all, scopes, offset: at.offset };
        if include_all { self.all.push(scoped) } else { self.listed.push(scoped) }
    }

    fn ats(&mut self, at: At, segment: Segment, kind: AtsKind, scopes: Scopes<'_>) {
        let scopes = self::scopes(scopes, &mut self.platform.skipped, |_| {});
        self.platform.ats.push(AtsScope { origin: Origin::acpi(Format::Dmar, at), segment, kind, scopes });
    }

    fn finish(mut self) -> Platform {
        let refused =
            self.platform.skipped.iter().any(|error| matches!(error.kind, ErrorKind::DriverRefuses(_)));
        for iommu in self.platform.iommus.iter_mut().filter(|_| refused) {
            iommu.available = false;
        }
        // The order in which Linux asks them: the last one listed first, then those for whole segments.
        self.listed.reverse();
        self.listed.append(&mut self.all);
        self.platform.units = core::mem::take(&mut self.listed);
        self.hosts();
        self.components();
        self.platform.skipped.shrink_to_fit();
        self.platform
    }

    /// A host for each segment that has a unit.
    fn hosts(&mut self) {
        let mut segments: BTreeMap<Segment, Vec<&ScopedUnit>> = BTreeMap::new();
        for unit in &self.platform.units {
            segments.entry(unit.segment).or_default().push(unit);
        }
        let source = self.platform.source;
        let host = |(segment, units): (Segment, Vec<&ScopedUnit>)| {
            let first = units.iter().map(|unit| unit.offset).min().unwrap_or_default();
            let table = IdTable { mappings: known(&units), ..IdTable::default() };
            let bus = IdBus {
                kind: BusKind::Pci { segment, assumed: false, first_bus: 0, last_bus: u8::MAX },
                streams: Some(table),
                msi: MsiRoute::Absent,
                ats: false,
                pri: None,
            };
            let at = source.unwrap_or(crate::error::Source::DMAR).at(first);
            Requester::new(Origin::acpi(Format::Dmar, at), RequesterKind::Bus(bus))
        };
        let hosts: Vec<_> = segments.into_iter().map(host).collect();
        self.platform.requesters.extend(hosts);
    }

    /// The namespace devices that a scope gives an ID.
    fn components(&mut self) {
        for (at, device) in core::mem::take(&mut self.devices) {
            // Linux asks the units in their order (`dmar_acpi_insert_dev_scope`).
            let found = self.platform.units.iter().find_map(|unit| {
                let scopes = self.namespace.iter();
                let mut of_unit =
                    scopes.filter(|(number, _, at)| *number == device.device_number && *at == unit.offset);
                of_unit.next().map(|(_, rid, _)| (unit.iommu, *rid))
            });
            let Some((iommu, rid)) = found else {
                self.skip(ErrorKind::NamespaceScope(device.device_number), at);
                continue;
            };
            let (output, target) = (Output::Constant(u32::from(rid.0)), Target::Iommu(iommu));
            let mapping = IdMapping { first: 0, last: 0, output, target, offset: at.offset };
            let table = IdTable { mappings: alloc::vec![mapping], ..IdTable::default() };
            let component = NamedComponent { path: device.path.to_string().into_boxed_str(), table };
            self.platform
                .requesters
                .push(Requester::new(Origin::acpi(Format::Dmar, at), RequesterKind::Component(component)));
        }
    }
}

/// The functions that scopes name, up to one that cannot be read. `others` is called with the scopes of other types.
fn scopes(
    mut scopes: Scopes<'_>,
    skipped: &mut Vec<Error>,
    mut others: impl FnMut(&super::Scope<'_>),
) -> Vec<Scope> {
    let mut found = Vec::with_capacity(scopes.most_with_a_path());
    while let Some(scope) = scopes.whole() {
        let kind = match scope.scope_type() {
            ScopeType::Endpoint => ScopeKind::Endpoint,
            ScopeType::Bridge => ScopeKind::Bridge,
            ScopeType::Namespace | ScopeType::IoApic | ScopeType::Hpet | ScopeType::Unknown(_) => {
                others(&scope);
                continue;
            }
        };
        let (bus, offset) = (scope.start_bus(), scope.at().offset);
        // Nearly all have one hop; their path is written in place.
        if let Some(function) = scope.function() {
            found.push(Scope { kind, bus, path: ScopePath::one(function.devfn()), offset });
        } else if let Some(path) = path(&scope) {
            found.push(Scope { kind, bus, path, offset });
        }
    }
    skipped.extend(scopes.fault());
    found.shrink_to_fit();
    found
}

/// The I/O APIC or HPET that a scope of a unit is.
fn interrupt_source(
    scope: &super::Scope<'_>,
    kind: ScopeType,
    iommu: IommuIndex,
    segment: Segment,
) -> Option<InterruptSource> {
    let kind = match kind {
        ScopeType::IoApic => InterruptSourceKind::IoApic,
        ScopeType::Hpet => InterruptSourceKind::Hpet,
        ScopeType::Endpoint | ScopeType::Bridge | ScopeType::Namespace | ScopeType::Unknown(_) => {
            return None;
        }
    };
    let (origin, way) = (Origin::acpi(Format::Dmar, scope.at()), (scope.start_bus(), path(scope)?));
    Some(InterruptSource::new(origin, iommu, (kind, scope.enumeration_id()), segment, way))
}

/// The path of a scope; `None` for one that is empty, or that has a number which no device or function has: it matches nothing.
fn path(scope: &super::Scope<'_>) -> Option<ScopePath> {
    let path: Option<ScopePath> = scope.hops().map(|hop| Some(hop.on(0)?.devfn())).collect();
    path.filter(|path| !path.is_empty())
}

/// The mappings of a segment's functions, as far as no topology is needed: the first one with a function answers for it.
fn known(units: &[&ScopedUnit]) -> Vec<IdMapping> {
    let listed = || units.iter().filter(|unit| !unit.include_all);
    let mapping = |first: u16, last: u16, output, target, offset| IdMapping {
        first: u32::from(first),
        last: u32::from(last),
        output,
        target,
        offset,
    };
    // Every path starts on a root bus, and so does bus 0.
    let mut is_root = [false; 256];
    is_root.first_mut().into_iter().for_each(|is_root| *is_root = true);
    let mut open = None;
    for scope in listed().flat_map(|unit| &unit.scopes) {
        is_root.get_mut(usize::from(scope.bus)).into_iter().for_each(|is_root| *is_root = true);
        if open.is_none() && (scope.kind == ScopeKind::Bridge || scope.path.len() > 1) {
            open = Some(scope.offset);
        }
    }
    // A function on a root bus is not below a bridge: only a scope that is the function itself has it.
    let functions = |units: &mut dyn Iterator<Item = &&ScopedUnit>| {
        let most = listed().map(|unit| unit.scopes.len()).fold(1, usize::saturating_add);
        let mut mappings: Vec<IdMapping> = Vec::with_capacity(most);
        for unit in units {
            let target = Target::Iommu(unit.iommu);
            let functions = unit.scopes.iter().filter_map(|scope| Some((scope.function()?.0, scope.offset)));
            mappings.extend(functions.map(|(function, offset)| {
                mapping(function, function, Output::Linear(u32::from(function)), target, offset)
            }));
        }
        mappings
    };
    // In the order of the table if that says the same: it is ascending in most, and need not be sorted then.
    let mut mappings = functions(&mut listed().rev());
    if !mappings.is_sorted_by(|a, b| a.last < b.first) {
        mappings = functions(&mut listed());
    }
    if let Some(offset) = open {
        let mut next = Some(0_u8);
        let roots = is_root.iter().zip(0..=u8::MAX).filter_map(|(is_root, bus)| is_root.then_some(bus));
        for root in roots.map(Some).chain([None]) {
            // The buses from `next` up to the one before this root bus.
            let last = root.map_or(Some(u8::MAX), |root| root.checked_sub(1));
            if let (Some(first), Some(last)) = (next, last)
                && first <= last
            {
                let [first, last] = [u16::from_be_bytes([first, 0]), u16::from_be_bytes([last, u8::MAX])];
                mappings.push(mapping(first, last, Output::NeedsTopology, Target::Null, offset));
            }
            next = root.and_then(|root| root.checked_add(1));
        }
    }
    if let Some(all) = units.iter().find(|unit| unit.include_all) {
        let target = Target::Iommu(all.iommu);
        mappings.push(mapping(0, u16::MAX, Output::Linear(0), target, all.offset));
    }
    mappings.shrink_to_fit();
    mappings
}
