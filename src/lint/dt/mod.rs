//! Checks of a device tree: its maps entry by entry, its masters, its IOMMUs.
#![deny(clippy::arithmetic_side_effects)]

mod maps;

use alloc::vec::Vec;

use super::Code;
use super::collect::{Bytes, Findings, relate};
use super::interval::{Span, union};
use super::platform::{first_difference, last_input, span};
use super::streams::record_length;
use crate::bytes::{index as at, saturate};
use crate::dt::{Binding, Index, MapEntry, MapKind, Node};
use crate::map::RangeOutput;
use crate::model::{BusKind, IdBus, Iommu, MsiRoute, PlatformMaster, Requester, RequesterKind, Target};
use crate::{Dialect, IdMap, MapCells, Platform};

pub(super) fn check(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    for node in index.nodes().filter_map(|id| Some((id, index.node(id)?))) {
        let (id, node) = node;
        for kind in [MapKind::Iommu, MapKind::Msi] {
            let (map, mask) = match kind {
                MapKind::Iommu => ("iommu-map", "iommu-map-mask"),
                MapKind::Msi => ("msi-map", "msi-map-mask"),
            };
            let Some(property) = node.property(map) else { continue };
            let whole = bytes(&node, property.offset(), saturate(property.value().len()));
            if property.value().is_empty() {
                findings.add(Code::MapEmpty, whole, format_args!("{map} has no entry"));
            }
            let entries: Vec<MapEntry<'_>> =
                index.map(id, kind, MapCells::FromTarget).map_while(Result::ok).collect();
            maps::check(index, &node, kind, &entries, whole, findings);
            if let Some(mask) = node.property(mask) {
                maps::mask(&node, mask, findings);
            }
        }
        if let Some(property) = node.property("mmu-masters") {
            let place = bytes(&node, property.offset(), saturate(property.value().len()));
            findings.add(
                Code::Legacy,
                place,
                format_args!("the masters of this SMMU are listed by mmu-masters"),
            );
        }
    }
    meaning(index, platform, findings);
}

fn bytes(node: &Node<'_>, offset: u32, len: u32) -> Bytes {
    Bytes { subject: node.offset(), offset, len }
}

/// What only shows when the wiring is understood.
fn meaning(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    let linux = IdMap::build(platform, Dialect::LINUX);
    let classic = IdMap::build(platform, Dialect::LINUX_CLASSIC);
    let memory_end = memory_end(index);
    let mut previous: Option<&Requester> = None;
    for (position, requester) in platform.requesters.iter().enumerate() {
        let position = saturate(position);
        match &requester.kind {
            RequesterKind::Bus(bus) => {
                disabled(platform, requester, bus_targets(bus), findings);
                maps_differ(&linux, position, requester, bus, findings);
                if bus.streams.as_ref().is_some_and(|table| table.classic.is_some()) {
                    classic_reading(platform, &linux, &classic, position, requester, bus, findings);
                }
                let reach = requester.dma_limit.filter(|_| bus.streams.is_none() && requester.available);
                if let (Some(limit), Some(end), BusKind::Pci { .. }) = (reach, memory_end, bus.kind)
                    && limit < end
                {
                    let message = format_args!(
                        "DMA of {} reaches {limit:#x} at most, memory goes up to {end:#x}, and no IOMMU is between",
                        platform.label(requester.origin)
                    );
                    findings.add(Code::DmaRanges, node(requester), message);
                }
            }
            RequesterKind::Master(master) => {
                let targets = master.streams.iter().map(|specifier| {
                    let length = u32::from(specifier.count).saturating_add(1).saturating_mul(4);
                    (specifier.iommu, (specifier.offset, length))
                });
                disabled(platform, requester, targets, findings);
                repeated(platform, requester, master, findings);
                // The bus of a node comes directly before its master.
                let host =
                    previous.filter(|host| host.origin.at == requester.origin.at && requester.available);
                if let Some(RequesterKind::Bus(IdBus { streams: None, kind: BusKind::Pci { .. }, .. })) =
                    host.map(|host| &host.kind)
                    && let Some(first) = master.streams.first()
                {
                    let message = format_args!(
                        "{} has iommus, but no iommu-map: PCI devices behind it are not translated",
                        platform.label(requester.origin)
                    );
                    let place = Bytes { offset: first.offset, len: 8, ..node(requester) };
                    findings.add(Code::HostIommus, place, message);
                }
            }
            _ => {}
        }
        previous = Some(requester);
    }
    for (position, iommu) in platform.iommus.iter().enumerate() {
        itself(platform, &linux, saturate(position), iommu, findings);
        cells(index, platform, iommu, findings);
    }
}

fn node(requester: &Requester) -> Bytes {
    let subject = requester.origin.at.offset;
    Bytes { subject, offset: subject, len: 0 }
}

fn bus_targets(bus: &IdBus) -> impl Iterator<Item = (u32, (u32, u32))> {
    let mappings = bus.streams.iter().flat_map(|table| &table.mappings);
    mappings.filter_map(|mapping| match mapping.target {
        Target::Iommu(iommu) => Some((iommu, (mapping.offset, 16))),
        _ => None,
    })
}

/// The first entry that leads to an IOMMU which may not be used.
fn disabled(
    platform: &Platform,
    requester: &Requester,
    mut targets: impl Iterator<Item = (u32, (u32, u32))>,
    findings: &mut Findings,
) {
    let iommu_of = |position: u32| platform.iommus.get(at(position));
    let off = |(iommu, _): &(u32, _)| iommu_of(*iommu).is_some_and(|iommu| !iommu.available);
    let Some((iommu, (offset, len))) = targets.find(off).filter(|_| requester.available) else { return };
    let Some(iommu) = iommu_of(iommu) else { return };
    let message = format_args!(
        "{} is wired to {}, which is disabled",
        platform.label(requester.origin),
        platform.label(iommu.origin)
    );
    let place = Bytes { offset, len, ..node(requester) };
    let finding = findings.add(Code::IommuDisabled, place, message);
    let subject = iommu.origin.at.offset;
    relate(finding, Bytes { subject, offset: subject, len: 0 }, format_args!("its status is not \"okay\""));
}

fn repeated(platform: &Platform, requester: &Requester, master: &PlatformMaster, findings: &mut Findings) {
    let cells = |specifier: &crate::model::Specifier| {
        let start = at(specifier.index);
        master.cells.get(start..start.saturating_add(usize::from(specifier.count))).unwrap_or_default()
    };
    let mut sorted: Vec<_> = master.streams.iter().collect();
    sorted.sort_by_key(|specifier| (specifier.iommu, cells(specifier), specifier.offset));
    for pair in sorted.windows(2) {
        let [one, other] = pair else { continue };
        if (one.iommu, cells(one)) != (other.iommu, cells(other)) {
            continue;
        }
        let place = |specifier: &crate::model::Specifier| {
            let len = u32::from(specifier.count).saturating_add(1).saturating_mul(4);
            Bytes { offset: specifier.offset, len, ..node(requester) }
        };
        let message = format_args!("{} lists one specifier twice", platform.label(requester.origin));
        let finding = findings.add(Code::SpecifierRepeated, place(other), message);
        relate(finding, place(one), format_args!("the first time"));
    }
}

/// Ids with an IOMMU and without MSIs, or the other way round.
fn maps_differ(linux: &IdMap, position: u32, requester: &Requester, bus: &IdBus, findings: &mut Findings) {
    let (Some(_), MsiRoute::Table(_), BusKind::Pci { .. }) = (&bus.streams, &bus.msi, bus.kind) else {
        return;
    };
    let within = |list: Vec<Span<()>>| {
        let mut ids = union(&list);
        ids.retain_mut(|(first, last)| {
            *last = (*last).min(last_input(bus));
            first <= last
        });
        ids
    };
    let streams = within(linux.stream_records(position).map(span).collect());
    let msis = within(linux.msi_records(position).map(span).collect());
    if streams != msis {
        let ids = |list: &[(u32, u32)]| {
            list.iter()
                .map(|(first, last)| last.saturating_sub(*first).saturating_add(1))
                .fold(0_u32, u32::saturating_add)
        };
        let message = format_args!(
            "iommu-map covers {} requester IDs, msi-map {}, and not the same ones",
            ids(&streams),
            ids(&msis)
        );
        findings.add(Code::MapsDiffer, node(requester), message);
    }
}

fn classic_reading(
    platform: &Platform,
    linux: &IdMap,
    classic: &IdMap,
    position: u32,
    requester: &Requester,
    bus: &IdBus,
    findings: &mut Findings,
) {
    let Some((id, now, before)) = first_difference(linux, classic, position, last_input(bus)) else { return };
    let first = bus.streams.as_ref().and_then(|table| table.mappings.first());
    let (offset, len) =
        first.map_or((requester.origin.at.offset, 0), |m| (m.offset, record_length(platform, m)));
    let gives_ids = classic
        .counted_ranges(position, last_input(bus))
        .any(|range| matches!(range.output, RangeOutput::Stream { .. }));
    let what = if gives_ids { "another map" } else { "no map at all" };
    let message = format_args!("kernels before 7.3 read {what}: {id:#x} is {now} today, {before} then");
    findings.add(Code::ClassicReading, Bytes { offset, len, ..node(requester) }, message);
}

/// The IOMMU as a function of a bus whose map covers it.
fn itself(platform: &Platform, linux: &IdMap, position: u32, iommu: &Iommu, findings: &mut Findings) {
    let Some((bus, rid)) = iommu.function else { return };
    let steps = linux.trace(bus, rid.0.into());
    let Some(record) = steps.first().map(|step| &step.record).filter(|r| r.target == Target::Iommu(position))
    else {
        return;
    };
    let subject = platform.requesters.get(at(bus)).map_or(0, |host| host.origin.at.offset);
    let message =
        format_args!("the map covers {:#x}, which is {} itself", rid.0, platform.label(iommu.origin));
    let place = Bytes { subject, offset: record.offset, len: record_length(platform, record) };
    findings.add(Code::MapCoversIommu, place, message);
}

fn cells(index: &Index<'_>, platform: &Platform, iommu: &Iommu, findings: &mut Findings) {
    let Some(node) = index.tree().node_at(iommu.origin.at.offset) else { return };
    let name = platform.label(iommu.origin);
    if let (Some(2), Some(mask)) = (iommu.cells, node.property("stream-match-mask")) {
        let message = format_args!("{name} has stream-match-mask, and specifiers of two cells");
        findings.add(
            Code::StreamMatchMask,
            bytes(&node, mask.offset(), saturate(mask.value().len())),
            message,
        );
    }
    let compatible = node.property("compatible").into_iter().flat_map(|property| property.strings());
    let (Some((_, binding)), Some(said)) = (Binding::of(compatible), node.property("#iommu-cells")) else {
        return;
    };
    let Some(count) = iommu.cells.filter(|count| !binding.cells.contains(count)) else { return };
    let message = format_args!("{name} has #iommu-cells {count}, its binding wants {:?}", binding.cells);
    findings.add(Code::BindingCells, bytes(&node, said.offset(), 4), message);
}

/// The highest address of memory that the tree tells of (Devicetree Specification v0.4 §3.4).
fn memory_end(index: &Index<'_>) -> Option<u64> {
    let root = index.node(index.nodes().next()?)?;
    let count = |name, default| at(root.cell(name).unwrap_or(default));
    let (address, size) = (count("#address-cells", 2), count("#size-cells", 1));
    let number = |cells: crate::dt::Cells<'_>| {
        (1..=2)
            .contains(&cells.len())
            .then(|| cells.iter().fold(0_u64, |number, cell| number << 32 | u64::from(cell)))
    };
    let mut end = None;
    for node in root.children().map_while(Result::ok) {
        let memory =
            node.property("device_type").is_some_and(|kind| kind.strings().next() == Some(b"memory"));
        let Some(reg) = node.property("reg").filter(|_| memory) else { continue };
        let mut cells = reg.cells();
        while let Some((base, rest)) = cells.split(address) {
            let Some((length, rest)) = rest.split(size) else { break };
            let last = number(base)?.checked_add(number(length)?.saturating_sub(1))?;
            end = end.max(Some(last));
            cells = rest;
        }
    }
    end
}
