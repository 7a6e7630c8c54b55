//! Checks of a device tree: its maps entry by entry, its masters, its IOMMUs.

mod maps;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::LazyCell;

use super::bus::last_input;
use super::collect::{Bytes, Findings, relate};
use super::interval::{Span, union};
use super::platform::{answer, first_difference, span};
use super::streams::record_length;
use super::{Code, Finding, Severity};
use crate::bytes::{index as at, saturate};
use crate::dt::{Binding, Index, MapEntry, MapKind, Node};
use crate::error::Counted;
use crate::map::RangeOutput;
use crate::model::{
    Admission, BusKind, HostedFunction, IdBus, Iommu, IommuIndex, MsiRoute, PlatformMaster, Requester,
    RequesterIndex, RequesterKind, Target,
};
use crate::{
    Dialect, IdMap, Platform,
    dialect::{DriverRule, MapCells},
};

pub(super) fn check(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    for (id, node) in index.wired().filter_map(|id| Some((id, index.node(id)?))) {
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
        on_pci(index, id, &node, findings);
        let legacy = || Binding::of(strings(&node)).is_some_and(|(driver, _)| driver.name == "arm-smmu");
        if let Some(property) = node.property("mmu-masters").filter(|_| legacy()) {
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

fn strings<'a>(node: &Node<'a>) -> impl Iterator<Item = &'a [u8]> {
    node.property("compatible").into_iter().flat_map(|property| property.strings())
}

/// `iommus` and `iommu-map` in the node of a PCI function: Linux asks the host's node only.
fn on_pci(index: &Index<'_>, id: crate::dt::NodeId, node: &Node<'_>, findings: &mut Findings) {
    let said = || ["iommus", "iommu-map"].into_iter().filter_map(|name| Some((name, node.property(name)?)));
    if said().next().is_none() || index.pci_function(id).is_none() {
        return;
    }
    for (name, property) in said() {
        let place = bytes(node, property.offset(), saturate(property.value().len()));
        let message =
            format_args!("Linux does not read {name} of a PCI function: the map of its host bridge decides");
        findings.add(Code::IgnoredOnPci, place, message);
    }
}

/// The strings that the driver `qcom-pcie` binds to (linux drivers/pci/controller/dwc/pcie-qcom.c `qcom_pcie_match`), and whether
/// it reads the map of such a host in steps of four cells (`ops_1_9_0`).
const QCOM_PCIE: &[(bool, &[&str])] = &[
    (
        true,
        &[
            "qcom,hawi-pcie",
            "qcom,pcie-sa8775p",
            "qcom,pcie-sc7280",
            "qcom,pcie-sc8180x",
            "qcom,pcie-sdx55",
            "qcom,pcie-sm8150",
            "qcom,pcie-sm8250",
            "qcom,pcie-sm8350",
            "qcom,pcie-sm8450-pcie0",
            "qcom,pcie-sm8450-pcie1",
            "qcom,pcie-sm8550",
        ],
    ),
    (
        false,
        &[
            "qcom,pcie-apq8064",
            "qcom,pcie-apq8084",
            "qcom,pcie-ipq4019",
            "qcom,pcie-ipq5018",
            "qcom,pcie-ipq6018",
            "qcom,pcie-ipq8064",
            "qcom,pcie-ipq8064-v2",
            "qcom,pcie-ipq8074",
            "qcom,pcie-ipq8074-gen3",
            "qcom,pcie-ipq9574",
            "qcom,pcie-msm8996",
            "qcom,pcie-qcs404",
            // Firmware sets up this host: the driver does not read the map.
            "qcom,pcie-sa8255p",
            "qcom,pcie-sa8540p",
            "qcom,pcie-sc8280xp",
            "qcom,pcie-sdm845",
            "qcom,pcie-x1e80100",
        ],
    ),
];

/// Whether the driver of a host reads its map in steps of four cells: the first string that the driver knows decides (linux
/// `of_match_node`).
fn strides(node: &Node<'_>) -> bool {
    let known = |name: &[u8]| {
        let is_it = |own: &&str| own.as_bytes().eq_ignore_ascii_case(name);
        QCOM_PCIE.iter().find(|(_, names)| names.iter().any(is_it)).map(|(strides, _)| *strides)
    };
    strings(node).find_map(known).unwrap_or(false)
}

/// Hosts whose driver reads their map in steps of four cells although the entries have more: one finding for each tree, because it
/// is one fault of the driver.
fn stride(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    let mut first: Option<(Bytes, usize)> = None;
    let mut others: Vec<Bytes> = Vec::new();
    for requester in platform.requesters.iter().filter(|requester| requester.available) {
        let RequesterKind::Bus(IdBus { kind: BusKind::Pci { .. }, .. }) = &requester.kind else { continue };
        let Some(id) = index.at(requester.origin.at.offset) else { continue };
        let Some(node) = index.node(id).filter(|node| strides(node)) else { continue };
        let Some(map) = node.property("iommu-map") else { continue };
        let entries = index.map(id, MapKind::Iommu, MapCells::FromTarget).map_while(Result::ok);
        let entries: Vec<_> = entries.take(2).collect();
        let [entry, _] = entries.as_slice() else { continue };
        if entry.cells.len() == 1 {
            continue;
        }
        let place = bytes(&node, map.offset(), saturate(map.value().len()));
        match first {
            None => first = Some((place, entry.cells.len().saturating_add(3))),
            Some(_) => others.push(place),
        }
    }
    let Some((place, cells)) = first else { return };
    let more = match others.len() {
        0 => alloc::string::String::new(),
        more => alloc::format!("; so at {more} more host bridges"),
    };
    let message = format_args!(
        "the entries have {cells} cells, but the host bridge's Linux driver fills its BDF-to-SID table in steps of four{more}"
    );
    let mut finding = findings.add(Code::MapStride, place, message);
    for other in others {
        relate(finding.as_deref_mut(), other, format_args!("another such host"));
    }
}

fn bytes(node: &Node<'_>, offset: u32, len: u32) -> Bytes {
    Bytes { subject: node.offset(), offset, len }
}

/// Faults that only show in the meaning of the tree.
fn meaning(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    let linux = IdMap::build(platform, Dialect::LINUX);
    // The cells of a map do not depend on drivers.
    let of_any = |dialect| IdMap::build(platform, Dialect { drivers: DriverRule::Any, ..dialect });
    let has_two = |requester: &Requester| match &requester.kind {
        RequesterKind::Bus(bus) => bus.streams.as_ref().is_some_and(|table| table.classic.is_some()),
        _ => false,
    };
    let readings = platform.requesters.iter().any(has_two);
    let readings = readings.then(|| (of_any(Dialect::LINUX), of_any(Dialect::LINUX_CLASSIC)));
    let memory_end = LazyCell::new(|| memory_end(index));
    let mut idle = Idle::default();
    let mut previous: Option<&Requester> = None;
    for (position, requester) in RequesterIndex::number(&platform.requesters) {
        match &requester.kind {
            RequesterKind::Bus(bus) => {
                idle.wire(platform, requester, bus_targets(bus));
                maps_differ(&linux, position, requester, bus, findings);
                if let Some((now, before)) = readings.as_ref().filter(|_| has_two(requester)) {
                    classic_reading(platform, now, before, position, requester, bus, findings);
                }
                let reach = requester.dma_limit.filter(|_| bus.streams.is_none() && requester.available);
                if let (Some(limit), BusKind::Pci { .. }) = (reach, bus.kind)
                    && let Some(end) = *memory_end
                    && limit < end
                {
                    let message = format_args!(
                        "DMA of {} reaches {limit:#x} at most, memory goes up to {end:#x}, and no IOMMU is in between",
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
                idle.wire(platform, requester, targets);
                repeated(platform, requester, master, findings);
                // The bus of a node comes directly before its master.
                let host =
                    previous.filter(|host| host.origin.at == requester.origin.at && requester.available);
                if let Some(RequesterKind::Bus(IdBus { streams: None, kind: BusKind::Pci { .. }, .. })) =
                    host.map(|host| &host.kind)
                    && let Some(first) = master.streams.first()
                {
                    let label = platform.label(requester.origin);
                    let message = format_args!(
                        "{label} has iommus, but no iommu-map: PCI devices below it are not translated"
                    );
                    let place = Bytes { offset: first.offset, len: 8, ..node(requester) };
                    findings.add(Code::HostIommus, place, message);
                }
            }
            _ => {}
        }
        previous = Some(requester);
    }
    for (position, iommu) in IommuIndex::number(&platform.iommus) {
        itself(platform, &linux, position, iommu, findings);
        cells(index, platform, iommu, findings);
    }
    idle.tell(index, platform, findings);
    stride(index, platform, findings);
    left_out(index, platform, findings);
    ignored_regions(platform, findings);
}

fn node(requester: &Requester) -> Bytes {
    let subject = requester.origin.at.offset;
    Bytes { subject, offset: subject, len: 0 }
}

fn bus_targets(bus: &IdBus) -> impl Iterator<Item = (IommuIndex, (u32, u32))> {
    let mappings = bus.streams.iter().flat_map(|table| &table.mappings);
    mappings.filter_map(|mapping| match mapping.target {
        Target::Iommu(iommu) => Some((iommu, (mapping.offset, 16))),
        _ => None,
    })
}

/// IOMMUs that translate nothing although devices are wired to them: how many, and the first with the record that says so.
#[derive(Debug, Default)]
struct Idle(BTreeMap<IommuIndex, (u32, Bytes)>);

impl Idle {
    fn wire(
        &mut self,
        platform: &Platform,
        requester: &Requester,
        targets: impl Iterator<Item = (IommuIndex, (u32, u32))>,
    ) {
        if !requester.available {
            return;
        }
        let mut met: Vec<IommuIndex> = Vec::new();
        for (iommu, (offset, len)) in targets {
            if platform.iommu(iommu).is_none_or(works) || met.contains(&iommu) {
                continue;
            }
            met.push(iommu);
            let place = Bytes { offset, len, ..node(requester) };
            let (count, _) = self.0.entry(iommu).or_insert((0, place));
            *count = count.saturating_add(1);
        }
    }

    /// One finding for each IOMMU.
    fn tell(self, index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
        for (iommu, (count, first)) in self.0 {
            // A node without #iommu-cells is reported where a map names it.
            let Some(iommu) = platform.iommu(iommu).filter(|iommu| iommu.cells.is_some()) else {
                continue;
            };
            let subject = iommu.origin.at.offset;
            let place = Bytes { subject, offset: subject, len: 0 };
            let name = platform.label(iommu.origin);
            let finding = match (iommu.available, iommu.driver) {
                (false, _) => {
                    let above = disabled_at(index, subject);
                    let message = format_args!("{} connected to {name}, and {above} is disabled", are(count));
                    findings.add(Code::IommuDisabled, place, message)
                }
                (true, None) => {
                    let message = format_args!(
                        "{} connected to {name}, to which no driver of Linux 7.3 binds",
                        are(count)
                    );
                    findings.add(Code::IommuUndriven, place, message)
                }
                (true, Some(driver)) => {
                    let message = format_args!(
                        "{} connected to {name}, whose driver {} takes no device on this SoC",
                        are(count),
                        driver.name
                    );
                    // The driver's authors decided so.
                    as_info(findings.add(Code::IommuUndriven, place, message))
                }
            };
            relate(finding, first, format_args!("the first of them"));
        }
    }
}

/// Makes a finding an info.
fn as_info(mut finding: Option<&mut Finding>) -> Option<&mut Finding> {
    if let Some(finding) = &mut finding {
        finding.severity = Severity::Info;
    }
    finding
}

/// Whether an IOMMU is available and has a driver that takes masters.
fn works(iommu: &Iommu) -> bool {
    let taken = iommu.driver.is_some_and(|driver| driver.admission != Admission::Nobody);
    iommu.available && taken
}

/// The node at or above an offset that is disabled itself.
fn disabled_at<'a>(index: &Index<'a>, offset: u32) -> crate::dt::Place<'a> {
    let off = |node: &Node<'_>| {
        let status = node.property("status");
        status.is_some_and(|status| !matches!(status.strings().next(), Some(b"okay" | b"ok")))
    };
    let mut next = index.nodes().find(|node| index.offset(*node) == offset);
    while let Some(node) = next {
        if index.node(node).is_some_and(|node| off(&node)) {
            return index.place(index.offset(node));
        }
        next = index.parent(node);
    }
    index.place(offset)
}

/// Regions to be mapped one to one for masters whose driver maps none.
fn ignored_regions(platform: &Platform, findings: &mut Findings) {
    for reserved in platform.reserved.iter().filter(|one| one.kind == crate::model::RegionKind::Direct) {
        let Some(driver) = platform.ignores_region(reserved) else { continue };
        let Some(requester) = reserved.requester.and_then(|requester| platform.requester(requester)) else {
            continue;
        };
        let subject = reserved.origin.at.offset;
        let message = format_args!(
            "{} is to be mapped for {}, and the driver of its IOMMU, {}, maps no reserved region",
            platform.label(reserved.origin),
            platform.label(requester.origin),
            driver.name
        );
        findings.add(Code::RegionIgnored, Bytes { subject, offset: subject, len: 0 }, message);
    }
}

/// Devices of which only some kinds master memory, although all have one string: the trace memory controller does as an ETR, and
/// has its own buffer as an ETB or ETF (linux drivers/hwtracing/coresight/coresight-tmc-core.c, by the register DEVID).
const SOMETIMES_MASTERS: [&[u8]; 1] = [b"arm,coresight-tmc"];

/// Devices without `iommus` among others with the same first `compatible` string, on the same bus, that have it: they also master
/// memory, and bypass every IOMMU. One finding for each string.
fn left_out(index: &Index<'_>, platform: &Platform, findings: &mut Findings) {
    #[derive(Default)]
    struct Alike {
        wired: Option<u32>,
        bare: Vec<u32>,
    }
    let known: BTreeSet<u32> = platform.requesters.iter().map(|one| one.origin.at.offset).collect();
    let mut alike: BTreeMap<(crate::dt::NodeId, &[u8]), Alike> = BTreeMap::new();
    for requester in platform.requesters.iter().filter(|requester| requester.available) {
        let RequesterKind::Master(_) = &requester.kind else { continue };
        let Some(id) = index.at(requester.origin.at.offset) else { continue };
        let Some(bus) = index.parent(id) else { continue };
        let Some(name) = index.compatible(id).next().filter(|name| !SOMETIMES_MASTERS.contains(name)) else {
            continue;
        };
        alike.entry((bus, name)).or_default().wired.get_or_insert(index.offset(id));
    }
    if alike.is_empty() {
        return;
    }
    for id in index.nodes() {
        let Some((bus, name)) = index.parent(id).zip(index.compatible(id).next()) else { continue };
        let Some(alike) = alike.get_mut(&(bus, name)) else { continue };
        let offset = index.offset(id);
        if !known.contains(&offset) && index.reachable(id) {
            alike.bare.push(offset);
        }
    }
    for ((_, name), Alike { wired, bare }) in alike {
        let (Some(wired), Some(first)) = (wired, bare.first().copied()) else { continue };
        let more = match bare.len() {
            1 => alloc::string::String::new(),
            count => alloc::format!(" and {} more", count.saturating_sub(1)),
        };
        let message = format_args!(
            "no iommus at {}{more}, although {}, which is also compatible with {}, has it: no IOMMU translates this DMA",
            index.place(first),
            index.place(wired),
            alloc::string::String::from_utf8_lossy(name)
        );
        let finding =
            findings.add(Code::SiblingWired, Bytes { subject: first, offset: first, len: 0 }, message);
        relate(
            finding,
            Bytes { subject: wired, offset: wired, len: 0 },
            format_args!("the one with an IOMMU"),
        );
    }
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
        let label = platform.label(requester.origin);
        let message = format_args!("{label} lists the same specifier twice");
        let finding = findings.add(Code::SpecifierRepeated, place(other), message);
        relate(finding, place(one), format_args!("the first time"));
    }
}

/// Ids with an IOMMU and without MSIs, or the reverse.
fn maps_differ(
    linux: &IdMap,
    position: RequesterIndex,
    requester: &Requester,
    bus: &IdBus,
    findings: &mut Findings,
) {
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
    position: RequesterIndex,
    requester: &Requester,
    bus: &IdBus,
    findings: &mut Findings,
) {
    let Some((id, now, before)) = first_difference(linux, classic, position, last_input(bus)) else { return };
    let first = bus.streams.as_ref().and_then(|table| table.mappings.first());
    let (offset, len) =
        first.map_or((requester.origin.at.offset, 0), |m| (m.offset, record_length(platform, m)));
    let given = classic
        .counted_ranges(position, last_input(bus))
        .find(|range| matches!(range.output, RangeOutput::Stream { .. }))
        .map(|range| range.first);
    let gives_ids = given.is_some();
    // A map that is written for the readers of four cells, and that 7.3 refuses.
    let refused =
        findings.about(Code::ClassicReading.rule().needs_absence_of, requester.origin.at.offset).next();
    if let Some((finding, given)) = refused.zip(given) {
        let note = alloc::format!(
            "kernels before 7.3, and U-Boot, read four cells in every entry, and find a map there: {given:#x} is {} for them",
            answer(classic, position, given)
        );
        let at = finding.subject.source.at(offset);
        finding.related.push(super::Related { at, len, note });
        return;
    }
    let what = if gives_ids { "another map" } else { "no map at all" };
    let message =
        format_args!("kernels before 7.3 read {what}: {id:#x} is {now} for Linux 7.3, {before} for them");
    findings.add(Code::ClassicReading, Bytes { offset, len, ..node(requester) }, message);
}

/// The IOMMU itself as a function on a bus whose map covers it.
fn itself(platform: &Platform, linux: &IdMap, position: IommuIndex, iommu: &Iommu, findings: &mut Findings) {
    let Some(HostedFunction { host, rid }) = iommu.function else { return };
    let steps = linux.trace(host, rid.0.into());
    let Some(record) = steps.first().map(|step| &step.record).filter(|r| r.target == Target::Iommu(position))
    else {
        return;
    };
    let subject = platform.requester(host).map_or(0, |host| host.origin.at.offset);
    let message =
        format_args!("the map covers {:#x}, which is {} itself", rid.0, platform.label(iommu.origin));
    let place = Bytes { subject, offset: record.offset, len: record_length(platform, record) };
    findings.add(Code::MapCoversIommu, place, message);
}

/// `1 device is`, `2 devices are`.
fn are(count: u32) -> String {
    alloc::format!("{} {}", Counted(count, "device"), if count == 1 { "is" } else { "are" })
}

/// `1 or 2`.
fn words(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(" or ")
}

fn cells(index: &Index<'_>, platform: &Platform, iommu: &Iommu, findings: &mut Findings) {
    let Some(node) = index.tree().node_at(iommu.origin.at.offset) else { return };
    let name = platform.label(iommu.origin);
    if let (Some(2), Some(mask)) = (iommu.cells, node.property("stream-match-mask")) {
        let message =
            format_args!("{name} has stream-match-mask, and its masters have specifiers of two cells");
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
    let message = format_args!("{name} has #iommu-cells {count}, its binding wants {}", words(binding.cells));
    findings.add(Code::BindingCells, bytes(&node, said.offset(), 4), message);
}

/// The highest address of memory in the tree (Devicetree Specification v0.4 §3.4).
fn memory_end(index: &Index<'_>) -> Option<u64> {
    let top = index.nodes().next()?;
    let root = index.node(top)?;
    let count = |name, default| at(root.cell(name).unwrap_or(default));
    let (address, size) = (count("#address-cells", 2), count("#size-cells", 1));
    let number = |cells: crate::dt::Cells<'_>| {
        (1..=2)
            .contains(&cells.len())
            .then(|| cells.iter().fold(0_u64, |number, cell| number << 32 | u64::from(cell)))
    };
    let mut end = None;
    for node in index.children(top).filter_map(|child| index.node(child)) {
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
