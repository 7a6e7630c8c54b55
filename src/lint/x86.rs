//! Checks for faults that only a DMAR or an IVRS can have.
#![deny(clippy::arithmetic_side_effects)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Code;
use super::collect::{Bytes, Findings};
use crate::acpi::dmar::{self, Dmar, ScopeType};
use crate::acpi::ivrs::{self, EntryKind, Ivrs};
use crate::bytes::saturate;
use crate::error::Counted;
use crate::group::DeviceKey;
use crate::map::GivesUp;
use crate::model::{AtsKind, Denied, Reserved, Scope};
use crate::pci::{Alias, Header, PortType};
use crate::{Bdf, Groups, IdMap, IommuKind, Platform, RequesterId, Segment};

/// The last byte of a page, as a mask.
const IN_PAGE: u64 = 0xfff;

/// Offsets of the structures of a DMAR.
pub(super) fn structures(table: &Dmar<'_>) -> Vec<u32> {
    table.structures().map_while(Result::ok).map(|structure| structure.at().offset).collect()
}

pub(super) fn dmar(table: &Dmar<'_>, platform: &Platform, findings: &mut Findings) {
    if platform.iommus.is_empty() {
        let at = Bytes { subject: 0, offset: 0, len: 0 };
        findings.add(Code::DmarNoUnit, at, format_args!("the table has no remapping hardware unit"));
    }
    let registers: BTreeSet<u64> = platform.iommus.iter().filter_map(|iommu| iommu.base).collect();
    let mut for_all: BTreeMap<Segment, u32> = BTreeMap::new();
    for structure in table.structures().map_while(Result::ok) {
        let offset = structure.at().offset;
        let at = |len| Bytes { subject: offset, offset, len };
        let Ok(body) = structure.body() else { continue };
        match &body {
            dmar::Body::Drhd(unit) => {
                let before = for_all.get(&unit.segment).copied();
                if let Some(before) = before {
                    let message = format_args!(
                        "the unit comes after the one at {before:#x}, which is for all other devices of segment {}",
                        unit.segment
                    );
                    findings.add(Code::DmarAllNotLast, at(16), message);
                }
                if unit.include_all() {
                    for_all.entry(unit.segment).or_insert(offset);
                }
            }
            dmar::Body::Rmrr(memory) => region(memory, at(24), findings),
            dmar::Body::Rhsa(affinity) if !registers.contains(&affinity.base) => {
                let message = format_args!("no unit has registers at {:#x}", affinity.base);
                findings.add(Code::DmarAffinity, at(20), message);
            }
            _ => {}
        }
        for scope in body.scopes().into_iter().flatten().map_while(Result::ok) {
            let len = u32::from(scope.length());
            let at = Bytes { subject: offset, offset: scope.at().offset, len };
            if scope.has_odd_byte() || scope.hops().len() == 0 {
                let message = format_args!(
                    "the device scope is {len} bytes long, and should have 6 plus 2 for each element of its path"
                );
                findings.add(Code::DmarScopeOdd, at, message);
            }
            if let ScopeType::Unknown(number) = scope.scope_type() {
                findings.add(
                    Code::DmarScopeNumber,
                    at,
                    format_args!("device scope type {number} is not defined"),
                );
            }
            if let Some(hop) = scope.hops().find(|hop| hop.on(0).is_none()) {
                let message = format_args!(
                    "the path has {hop}, which no PCI function can be: the device scope names no device"
                );
                findings.add(Code::DmarScopeNumber, at, message);
            }
        }
    }
}

fn region(memory: &dmar::Rmrr<'_>, at: Bytes, findings: &mut Findings) {
    let (base, limit) = (memory.base, memory.limit);
    if limit <= base {
        let message = format_args!("the region ends at {limit:#x}, and starts at {base:#x}");
        findings.add(Code::DmarRegionBackwards, at, message);
    }
    if base & IN_PAGE != 0 || limit & IN_PAGE != IN_PAGE {
        let message = format_args!("{base:#x} to {limit:#x} are not whole pages of 4 KiB");
        findings.add(Code::DmarRegionUnaligned, at, message);
    }
    let mut names = alloc::string::String::new();
    for scope in memory.scopes.clone().map_while(Result::ok) {
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(&alloc::format!("{scope}"));
    }
    let message = format_args!("{base:#x} to {limit:#x} are mapped one to one for {names}");
    findings.add(Code::DmarRegion, at, message);
}

pub(super) fn ivrs(table: &Ivrs<'_>, platform: &Platform, findings: &mut Findings) {
    for alias in &platform.aliases {
        let (first, last, alias_of) = (alias.first, alias.last, alias.alias);
        let buses = first.bus()..=last.bus();
        if buses != (alias_of.bus()..=alias_of.bus()) {
            let offset = alias.origin.at.offset;
            let at = Bytes { subject: offset, offset, len: 4 };
            let message = format_args!("{first} to {last} send as {alias_of}, which is on another bus");
            findings.add(Code::IvrsAliasBus, at, message);
        }
    }
    for reserved in &platform.reserved {
        memory(reserved, findings);
    }
    let mut by_type: BTreeMap<u8, Claimed> = BTreeMap::new();
    for block in table.blocks().map_while(Result::ok) {
        let Ok(ivrs::Body::Ivhd(unit)) = block.body() else { continue };
        ranges(block.at().offset, &unit, findings);
        let claimed = by_type.entry(block.block_type()).or_default();
        for claim in unit.claims(block.block_type()).map_while(Result::ok) {
            claimed.add(unit.segment, claim.first, claim.last, unit.base);
        }
        // Entries for namespace devices are of one type only.
        claimed.offset = claimed.offset.or(Some(block.at().offset));
    }
    disagreement(table, &by_type, findings);
}

fn memory(reserved: &Reserved, findings: &mut Findings) {
    let offset = reserved.origin.at.offset;
    let at = Bytes { subject: offset, offset, len: 32 };
    let Some((region, functions)) = reserved.regions.first().zip(reserved.functions.first()) else { return };
    let (first, last) = (functions.first, functions.last);
    let (start, length) = (region.base, region.length);
    if reserved.protection.denied == Denied::Both {
        let message = format_args!(
            "{length:#x} bytes at {start:#x} are to be mapped for {first} to {last} with neither read nor write access"
        );
        findings.add(Code::IvrsRegionDenied, at, message);
    }
    let message = format_args!("{length:#x} bytes at {start:#x} are mapped one to one for {first} to {last}");
    findings.add(Code::IvrsRegion, at, message);
}

/// Ranges that end before they begin, or end without a beginning.
fn ranges(subject: u32, unit: &ivrs::Ivhd<'_>, findings: &mut Findings) {
    let mut start = None;
    for entry in unit.entries.clone().map_while(Result::ok) {
        let at = Bytes { subject, offset: entry.at().offset, len: 4 };
        match entry.kind() {
            EntryKind::RangeStart
            | EntryKind::AliasRangeStart { .. }
            | EntryKind::ExtendedRangeStart { .. } => start = Some(entry.device_id()),
            EntryKind::RangeEnd => match start.take() {
                None => {
                    let last = entry.device_id();
                    let message = format_args!("a range ends at {last} and has no start entry");
                    findings.add(Code::IvrsRangeBackwards, at, message);
                }
                Some(first) if entry.device_id() < first => {
                    let message = format_args!("a range goes from {first} to {}", entry.device_id());
                    findings.add(Code::IvrsRangeBackwards, at, message);
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
}

/// The claims of the blocks of one type.
#[derive(Default)]
struct Claimed {
    /// Segment, first and last function of each range, and the registers of its unit, in table order.
    ranges: Vec<(Segment, RequesterId, RequesterId, u64)>,
    offset: Option<u32>,
}

impl Claimed {
    fn add(&mut self, segment: Segment, first: RequesterId, last: RequesterId, base: u64) {
        if first <= last {
            self.ranges.push((segment, first, last, base));
        }
    }

    /// The unit of a function: the last claim counts.
    fn unit_of(&self, segment: Segment, rid: RequesterId) -> Option<u64> {
        let mut claims = self.ranges.iter().rev();
        let holds = |(of, first, last, _): &&(Segment, RequesterId, RequesterId, u64)| {
            *of == segment && (*first..=*last).contains(&rid)
        };
        claims.find(holds).map(|(.., base)| *base)
    }
}

/// The largest number of ranges whose edges are compared: each is looked up in the list of each type.
const MAX_COMPARED: usize = 512;

/// The first function about which the block type that counts and another type differ.
fn disagreement(table: &Ivrs<'_>, by_type: &BTreeMap<u8, Claimed>, findings: &mut Findings) {
    let Some(wanted) = table.unit_type() else { return };
    let Some(counts) = by_type.get(&wanted) else { return };
    for (block_type, other) in by_type.iter().filter(|(block_type, _)| **block_type != wanted) {
        let all = || counts.ranges.iter().chain(&other.ranges).take(MAX_COMPARED);
        let edges = all().flat_map(|(segment, first, last, _)| {
            let after = last.0.checked_add(1).map(RequesterId);
            [Some((*segment, *first)), after.map(|after| (*segment, after))].into_iter().flatten()
        });
        let edges: BTreeSet<(Segment, RequesterId)> = edges.collect();
        let differs = |(segment, rid): &(Segment, RequesterId)| {
            counts.unit_of(*segment, *rid) != other.unit_of(*segment, *rid)
        };
        if let Some((segment, rid)) = edges.into_iter().find(differs) {
            let offset = other.offset.unwrap_or_default();
            let says = |claimed: &Claimed| match claimed.unit_of(segment, rid) {
                Some(base) => alloc::format!("the unit at {base:#x}"),
                None => alloc::string::String::from("no unit"),
            };
            let message = format_args!(
                "{segment}:{rid} has {} in blocks of type {wanted:#x}, which Linux uses, and {} in those of type {block_type:#x}",
                says(counts),
                says(other)
            );
            findings.add(Code::IvrsTypesDisagree, Bytes { subject: offset, offset, len: 4 }, message);
        }
    }
}

/// Checks that need the existing devices.
pub(super) fn machine(groups: &Groups, platform: &Platform, findings: &mut Findings) {
    let Some(map) = groups.map() else { return };
    if map.has_scopes() {
        let named = Named::of(groups);
        scope_types(groups, map, findings);
        empty_units(platform, &named, findings);
        bridges_left_out(groups, map, findings);
        ports(groups, platform, &named, findings);
        own_buses(platform, &named, findings);
    }
    let functions: BTreeSet<Bdf> = groups.topology().iter().map(|(bdf, _)| bdf).collect();
    for (function, iommu) in platform.iommu_functions().filter(|(_, iommu)| iommu.kind == IommuKind::AmdVi) {
        if !functions.is_empty() && !functions.contains(&function) {
            let offset = iommu.origin.at.offset;
            let at = Bytes { subject: offset, offset, len: 6 };
            findings.add(
                Code::IvrsUnitAbsent,
                at,
                format_args!("the unit says that the IOMMU is {function}, which does not exist"),
            );
        }
    }
}

/// The existing functions, by the ways in which a scope can name them.
struct Named {
    /// By the whole path from the root bus.
    whole: BTreeMap<(Segment, u8, Vec<u8>), Bdf>,
    /// Those that are below a bridge.
    below: BTreeSet<Bdf>,
}

impl Named {
    fn of(groups: &Groups) -> Named {
        let mut named = Named { whole: BTreeMap::new(), below: BTreeSet::new() };
        let physical = groups.topology().iter().filter(|(_, function)| !function.virtual_function);
        for (bdf, _) in physical {
            let Some(path) = groups.path_to(bdf) else { continue };
            let Some(root) = path.hops.first() else { continue };
            let devfns = path.hops.iter().map(|hop| hop.devfn()).collect();
            named.whole.insert((bdf.segment, root.bus(), devfns), bdf);
            if path.hops.len() > 1 {
                named.below.insert(bdf);
            }
        }
        named
    }

    /// The function that a scope names, and whether by the bus of the function itself.
    fn by(&self, segment: Segment, scope: &Scope) -> Option<(Bdf, bool)> {
        if let Some(found) = self.whole.get(&(segment, scope.bus, scope.path.to_vec())) {
            return Some((*found, false));
        }
        let bdf = Bdf { segment, rid: scope.function()? };
        self.below.contains(&bdf).then_some((bdf, true))
    }
}

/// The bytes of a scope.
fn of_scope(subject: u32, scope: &Scope) -> Bytes {
    let path = saturate(scope.path.len()).saturating_mul(2);
    Bytes { subject, offset: scope.offset, len: path.saturating_add(6) }
}

fn scope_types(groups: &Groups, map: &IdMap, findings: &mut Findings) {
    for (bdf, function) in groups.topology().iter().filter(|(_, function)| !function.virtual_function) {
        let Some((GivesUp::ScopeType, offset)) = groups.path_to(bdf).and_then(|path| map.gives_up(&path))
        else {
            continue;
        };
        let (is, says) = match function.header {
            Header::Device => ("not a bridge", "bridge"),
            _ => ("a bridge", "endpoint"),
        };
        let message =
            format_args!("{bdf} is {is}, but the device scope says {says}: Linux uses none of the units");
        let finding = findings.add(Code::DmarScopeType, Bytes { subject: 0, offset, len: 8 }, message);
        finding.into_iter().for_each(|finding| finding.device = Some(DeviceKey::Pci(bdf)));
    }
}

fn empty_units(platform: &Platform, named: &Named, findings: &mut Findings) {
    for unit in platform.units.iter().filter(|unit| !unit.include_all && !unit.scopes.is_empty()) {
        if unit.scopes.iter().all(|scope| named.by(unit.segment, scope).is_none()) {
            let at = Bytes { subject: unit.offset, offset: unit.offset, len: 16 };
            let listed = Counted(saturate(unit.scopes.len()), "device");
            let message = format_args!("the unit lists {listed}, and none exists");
            findings.add(Code::DmarUnitEmpty, at, message);
        }
    }
}

/// Linux writes the entries of all requester IDs of a function, those that bridges add by the record of the bridge.
fn bridges_left_out(groups: &Groups, map: &IdMap, findings: &mut Findings) {
    let translated = |bdf: Bdf| groups.fwspec(bdf.into()).is_some();
    for (bdf, _) in groups.topology().iter() {
        let by_bridge = |alias: &Alias| alias.by != bdf && !translated(alias.by);
        if !translated(bdf) {
            continue;
        }
        let Some(bridge) = groups.aliases(bdf).find(by_bridge).map(|alias| alias.by) else { continue };
        let offset = groups.path_of(bdf).and_then(|path| map.scoped(&path)).map_or(0, |scoped| scoped.offset);
        let message = format_args!(
            "{bdf} is translated, and {bridge}, which sends in its place, is not: Linux crashes at boot"
        );
        let finding =
            findings.add(Code::DmarBridgeLeftOut, Bytes { subject: offset, offset, len: 8 }, message);
        finding.into_iter().for_each(|finding| finding.device = Some(DeviceKey::Pci(bdf)));
    }
}

fn ports(groups: &Groups, platform: &Platform, named: &Named, findings: &mut Findings) {
    for ats in platform.ats.iter().filter(|ats| matches!(ats.kind, AtsKind::Ports { .. })) {
        for scope in &ats.scopes {
            let Some((bdf, _)) = named.by(ats.segment, scope) else { continue };
            if groups.topology().get(bdf).is_some_and(|function| !function.is(PortType::RootPort)) {
                let at = of_scope(ats.origin.at.offset, scope);
                findings.add(Code::DmarPort, at, format_args!("{bdf} is not a root port"));
            }
        }
    }
}

fn own_buses(platform: &Platform, named: &Named, findings: &mut Findings) {
    let units = platform.units.iter().map(|unit| (unit.segment, unit.offset, &unit.scopes));
    let memory = platform.reserved.iter().filter_map(|reserved| {
        let (segment, scopes) = reserved.scopes.as_ref()?;
        Some((*segment, reserved.origin.at.offset, scopes))
    });
    let ats = platform.ats.iter().map(|ats| (ats.segment, ats.origin.at.offset, &ats.scopes));
    for (segment, subject, scopes) in units.chain(memory).chain(ats) {
        for scope in scopes {
            if let Some((bdf, true)) = named.by(segment, scope) {
                let message =
                    format_args!("the path {scope} starts on the bus of {bdf}, which is below a bridge");
                findings.add(Code::DmarOwnBus, of_scope(subject, scope), message);
            }
        }
    }
}
