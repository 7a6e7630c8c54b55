//! What tables of x86 machines say about functions besides which unit translates them, in words that can be compared: the scopes of
//! units, ATS, aliases, and the devices that reserved memory is for.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::At;
use crate::map::IdMap;
use crate::model::{AtsKind, Denied, IommuIndex, RequesterIndex, Reserved, Scope};
use crate::{Bdf, Platform, RequesterId, Segment};

/// What each unit is for (DMAR), and the I/O APICs and HPETs whose interrupts it remaps (DMAR, IVRS).
pub(super) fn of_units(platform: &Platform) -> Vec<(IommuIndex, String)> {
    let units = platform.units.iter().flat_map(|unit| {
        // Scopes of a unit for the rest of a segment are not used (linux `dmar_pci_bus_add_dev`).
        let rest =
            unit.include_all.then(|| format!("all of segment {} that no other unit is for", unit.segment));
        let scopes = unit.scopes.iter().filter(|_| !unit.include_all).map(|scope| named(unit.segment, scope));
        rest.into_iter().chain(scopes).map(|scope| (unit.iommu, scope))
    });
    let sources = platform.interrupt_sources.iter();
    let sources = sources.map(|source| (source.iommu, format!("{source} of segment {}", source.segment)));
    units.chain(sources).collect()
}

/// What the table says about ATS, one sentence for each root port, function or range.
pub(super) fn ats(platform: &Platform, map: &IdMap) -> Vec<String> {
    let mut said = Vec::new();
    for record in &platform.ats {
        let segment = record.segment;
        let scopes = record.scopes.iter().map(|scope| format!("{segment}:{scope}"));
        match record.kind {
            AtsKind::Ports { all } => {
                said.extend(all.then(|| format!("ATS through all root ports of segment {segment}")));
                said.extend(scopes.map(|port| format!("ATS through root port {port}")));
            }
            AtsKind::Integrated { required: false } => {
                said.extend(scopes.map(|function| format!("ATS of integrated function {function}")));
            }
            AtsKind::Integrated { required: true } => said.extend(scopes.map(|function| {
                format!("integrated function {function} needs ATS, which its hardware enables")
            })),
        }
    }
    if platform.ats_denied.is_empty() {
        return said;
    }
    for host in RequesterIndex::number(&platform.requesters).map(|(host, _)| host) {
        let (Some(segment), Some(source)) = (platform.segment_of(host), platform.source) else { continue };
        let denied = |offset| platform.ats_denied.binary_search(&At { source, offset }).is_ok();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for record in map.stream_records(host).filter(|record| denied(record.offset)) {
            match runs.last_mut() {
                Some(run) if run.1.checked_add(1) == Some(record.first) => run.1 = record.last,
                _ => runs.push((record.first, record.last)),
            }
        }
        let runs = runs.into_iter().map(|(first, last)| range(segment, first, last));
        said.extend(runs.map(|functions| format!("no ATS for {functions}, which Linux ignores")));
    }
    said
}

/// Functions that also send as another function, and not as the same one on both sides.
pub(super) struct Alias {
    pub(super) segment: Segment,
    pub(super) first: RequesterId,
    pub(super) last: RequesterId,
    pub(super) aliases: [Option<RequesterId>; 2],
}

pub(super) fn aliases(before: (&Platform, &IdMap), after: (&Platform, &IdMap)) -> Vec<Alias> {
    let sides = [before, after];
    // Where an answer may change: a function that is its own alias has none.
    let mut starts: Vec<(Segment, u32)> = Vec::new();
    for alias in sides.iter().flat_map(|(platform, _)| &platform.aliases) {
        let [first, last, to] = [alias.first, alias.last, alias.alias].map(|rid| u32::from(rid.0));
        let turns = [first, last.saturating_add(1), to, to.saturating_add(1)];
        starts.extend(turns.map(|start| (alias.segment, start)));
    }
    starts.sort_unstable();
    starts.dedup();
    let mut found: Vec<Alias> = Vec::new();
    for (position, (segment, start)) in starts.iter().enumerate() {
        let Ok(first) = u16::try_from(*start).map(RequesterId) else { continue };
        let next = starts.get(position.saturating_add(1)).filter(|(of, _)| of == segment);
        let last = next.and_then(|(_, next)| u16::try_from(next.saturating_sub(1)).ok());
        let last = last.map_or(RequesterId::MAX, RequesterId);
        let function = Bdf { segment: *segment, rid: first };
        let aliases = sides.map(|(_, map)| map.alias_of(function).map(|(alias, _)| alias));
        let [before, after] = aliases;
        if before == after {
            continue;
        }
        match found.last_mut() {
            Some(run)
                if run.segment == *segment
                    && run.aliases == aliases
                    && run.last.0.checked_add(1) == Some(first.0) =>
            {
                run.last = last;
            }
            _ => found.push(Alias { segment: *segment, first, last, aliases }),
        }
    }
    found
}

/// The functions that reserved memory is for, and what they may not do with it.
pub(super) fn devices(reserved: &Reserved) -> Vec<String> {
    let scopes = reserved.scopes.iter();
    let scopes = scopes.flat_map(|(segment, scopes)| scopes.iter().map(move |scope| named(*segment, scope)));
    let functions = reserved.functions.iter();
    let functions = functions.map(|of| range(of.segment, u32::from(of.first.0), u32::from(of.last.0)));
    let denied = match reserved.protection.denied {
        Denied::Nothing => "",
        Denied::Read => ", not to be read",
        Denied::Write => ", not to be written",
        Denied::Both => ", neither to be read nor to be written",
    };
    let mut devices: Vec<String> = scopes.chain(functions).collect();
    devices.sort();
    if let Some(last) = devices.last_mut() {
        last.push_str(denied);
    }
    devices
}

fn named(segment: Segment, scope: &Scope) -> String {
    format!("{} {segment}:{scope}", scope.kind.word())
}

fn range(segment: Segment, first: u32, last: u32) -> String {
    let [first, last] = [first, last].map(|id| RequesterId(u16::try_from(id).unwrap_or(u16::MAX)));
    let function = Bdf { segment, rid: first };
    if first == last { function.to_string() } else { format!("{function} - {last}") }
}
