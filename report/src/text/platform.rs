//! What one firmware says, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::machine::Firmware;
use fwspec::map::{IdMap, InputRange, RangeOutput};
use fwspec::model::{BusKind, IdBus, MsiKind, PlatformMaster, RegionKind, Requester, RequesterKind};
use fwspec::{Platform, RequesterId, Stream};

use super::{Style, lines};
use crate::specifier::{layout, specifier};

/// Highest input of a bus that is shown.
const LAST_RID: u32 = 0xffff;

/// Ranges of one requester that are shown before the rest is only counted; `--json` has all of them.
const RANGES_SHOWN: usize = 64;

/// The text of `fwspec show` for a firmware; `map` was built from it.
pub fn platform(firmware: &Firmware, map: &IdMap, style: Style) -> String {
    let view = View { platform: &firmware.platform, map, style, places: firmware.places() };
    [view.iommus(), view.msi_controllers(), view.requesters(), view.reserved(), view.buses(), view.skipped()]
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

struct View<'a> {
    platform: &'a Platform,
    map: &'a IdMap,
    style: Style,
    /// What stands at the places of the first records that could not be read.
    places: Vec<String>,
}

impl View<'_> {
    fn iommus(&self) -> String {
        if self.platform.iommus.is_empty() {
            return "No IOMMU.\n".to_string();
        }
        let mut table = self.style.table(&["IOMMU", "kind", "registers", "notes"]);
        for (at, iommu) in self.platform.iommus.iter().enumerate() {
            let mapped = self.map.iommus().get(at);
            let mut notes = Vec::new();
            if !iommu.available {
                notes.push(self.style.alarm("disabled"));
            } else if mapped.is_some_and(|mapped| !mapped.available) {
                notes.push(self.style.alarm("unknown model: nobody drives it"));
            }
            if let Some(cells) = iommu.cells {
                notes.push(layout(iommu, cells));
            }
            if let Some(mask) = iommu.stream_match_mask {
                notes.push(format!("stream-match-mask {mask:#x}"));
            }
            if let Some((_, function)) = iommu.function {
                notes.push(format!("PCI function {function}"));
            }
            if let Some(request) = mapped.and_then(|mapped| mapped.own_msi) {
                notes.push(format!(
                    "own MSIs: DeviceID {:#x} at {}",
                    request.id,
                    self.controller(request.controller)
                ));
            }
            table.add_row([
                self.platform.label(iommu.origin).to_string(),
                iommu.kind.as_str().to_string(),
                iommu.base.map(|base| format!("{base:#x}")).unwrap_or_default(),
                notes.join(", "),
            ]);
        }
        lines(&table)
    }

    fn msi_controllers(&self) -> String {
        if self.platform.msi_controllers.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["MSI controller", "kind", "notes"]);
        for msi in &self.platform.msi_controllers {
            let (kind, note) = match &msi.kind {
                MsiKind::ItsGroup(its) => {
                    let its: Vec<_> = its.iter().map(u32::to_string).collect();
                    ("its-group", format!("GIC ITS {}", its.join(", ")))
                }
                MsiKind::Controller { cells, available } => {
                    let plural = if *cells == Some(1) { "" } else { "s" };
                    let cells = cells.map_or("no #msi-cells".to_string(), |n| format!("{n} cell{plural}"));
                    ("controller", if *available { cells } else { format!("{cells}, disabled") })
                }
            };
            table.add_row([self.platform.label(msi.origin).to_string(), kind.to_string(), note]);
        }
        lines(&table)
    }

    fn requesters(&self) -> String {
        let mut table =
            self.style.table(&["requester", "inputs", "StreamID", "IOMMU", "DeviceID", "MSI controller"]);
        for (at, requester) in self.platform.requesters.iter().enumerate() {
            let at = crate::bytes::saturate(at);
            match &requester.kind {
                RequesterKind::Bus(bus) => self.bus(at, requester, bus, &mut table),
                RequesterKind::Component(component) => {
                    self.own(at, self.named(requester, "named component", &component.path), &mut table);
                }
                RequesterKind::WireBridge(bridge) => {
                    self.own(at, self.named(requester, "wire bridge", &bridge.path), &mut table);
                }
                RequesterKind::Master(master) => {
                    let kind =
                        master.base.map_or("master".to_string(), |base| format!("endpoint at {base:#x}"));
                    self.master(at, self.title(requester, &kind), master, &mut table);
                }
                RequesterKind::MsiOnly { .. } => self.own(at, self.title(requester, "PMCG"), &mut table),
            }
        }
        if self.platform.requesters.is_empty() { String::new() } else { lines(&table) + &self.assumed() }
    }

    /// A word on the segments that the firmware does not say.
    fn assumed(&self) -> String {
        let mut assumed = self.platform.requesters.iter().filter(|requester| match &requester.kind {
            RequesterKind::Bus(bus) => matches!(bus.kind, BusKind::Pci { assumed: true, .. }),
            _ => false,
        });
        let Some(first) = assumed.next() else { return String::new() };
        let host = self.platform.label(first.origin);
        self.style.faint(&format!(
            "?: assumed, for the tree gives no linux,pci-domain, or one that another host has; numbered in document order.\n   \
             {host}:01:00.0 names a function by its host instead.\n"
        ))
    }

    fn named(&self, requester: &Requester, kind: &str, path: &str) -> String {
        format!("{}\n{path}", self.title(requester, kind))
    }

    fn title(&self, requester: &Requester, kind: &str) -> String {
        let state = if requester.available { "" } else { ", disabled" };
        let facts: String = self::facts(requester).iter().map(|fact| format!(", {fact}")).collect();
        let kind = self.style.faint(&format!("({kind}{state}{facts})"));
        format!("{} {kind}", self.platform.label(requester.origin))
    }

    fn bus(&self, at: u32, requester: &Requester, bus: &IdBus, table: &mut comfy_table::Table) {
        let (kind, show): (String, fn(u32) -> String) = match bus.kind {
            BusKind::Pci { segment, assumed, .. } => {
                // Explained below the table.
                let assumed = if assumed { "?" } else { "" };
                let ats = if bus.ats { ", ATS" } else { "" };
                (format!("PCI segment {segment}{assumed}{ats}"), |id| {
                    u16::try_from(id).map_or_else(|_| format!("{id:#x}"), |rid| RequesterId(rid).to_string())
                })
            }
            BusKind::Other => ("bus with ids".to_string(), |id| format!("{id:#x}")),
        };
        let title = self.title(requester, &kind);
        let mut rows = 0_usize;
        let mut row = |left: String, cells: [String; 5]| {
            let title = if rows == 0 { left } else { String::new() };
            rows = rows.saturating_add(1);
            table.add_row(core::iter::once(title).chain(cells));
        };
        let mut streams = self.map.stream_ranges(at, LAST_RID);
        let mut devices = self.map.device_ranges(at, LAST_RID).peekable();
        for range in streams.by_ref().take(RANGES_SHOWN) {
            let [id, iommu] = self.stream_cells(at, &range);
            // A DeviceID range of the same inputs stands on the same line.
            let same = devices.next_if(|device| (device.first, device.last) == (range.first, range.last));
            let [device, msi] = same.map(|device| self.device_cells(&device)).unwrap_or_default();
            row(title.clone(), [inputs(&range, show), id, iommu, device, msi]);
        }
        for range in devices.by_ref().take(RANGES_SHOWN) {
            let [device, msi] = self.device_cells(&range);
            row(title.clone(), [inputs(&range, show), String::new(), String::new(), device, msi]);
        }
        let more = streams.count().saturating_add(devices.take(fwspec::answer::DEVICE_RANGE_LIMIT).count());
        if more > 0 {
            row(
                title.clone(),
                [
                    format!("… {more} more ranges, see --json"),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ],
            );
        }
        if rows == 0 {
            table.add_row([title, self.style.alarm("no map: untranslated")]);
        }
    }

    fn own(&self, at: u32, title: String, table: &mut comfy_table::Table) {
        let id = |stream: &Stream| {
            let mask = if stream.mask == 0 { String::new() } else { format!(" mask {:#x}", stream.mask) };
            stream.id.map_or_else(|| "all as one".to_string(), |id| format!("{id}{mask}"))
        };
        let streams = self.map.own_streams(at).iter().map(|stream| [id(stream), self.iommu(stream.iommu)]);
        self.lines(at, title, streams.collect(), table);
    }

    /// A master's specifiers, by the names that their cells have.
    fn master(&self, at: u32, title: String, master: &PlatformMaster, table: &mut comfy_table::Table) {
        let streams = self.map.own_streams(at).iter().zip(&master.streams).map(|(stream, entry)| {
            let cells = master.cells_of(entry);
            let text = self.specifier(stream.iommu, cells);
            // One cell gets the mask of the SMMU's own node.
            let mask = (cells.len() == 1 && stream.mask != 0).then(|| format!(" mask {:#x}", stream.mask));
            [text + &mask.unwrap_or_default(), self.iommu(stream.iommu)]
        });
        self.lines(at, title, streams.collect(), table);
    }

    fn specifier(&self, iommu: u32, cells: &[u32]) -> String {
        let iommu = self.platform.iommus.get(crate::bytes::index(iommu));
        iommu.map(|iommu| specifier(iommu, cells)).unwrap_or_default()
    }

    fn lines(&self, at: u32, title: String, streams: Vec<[String; 2]>, table: &mut comfy_table::Table) {
        let devices = self.map.device_ids_of(at);
        let mut title = Some(title);
        for line in 0..streams.len().max(devices.len()).max(1) {
            let stream = streams.get(line).cloned();
            let device = devices.get(line).map(|d| [format!("{:#x}", d.id), self.controller(d.controller)]);
            let refused = if line == 0 { self.map.fwspec_of(at).refused } else { None };
            let is_pmcg = streams.is_empty() && !devices.is_empty();
            let note =
                refused.filter(|_| !is_pmcg).map(|r| self.style.alarm(&r.to_string())).unwrap_or_default();
            let [[id, iommu], [did, msi]] = [stream.unwrap_or_default(), device.unwrap_or_default()];
            table.add_row([title.take().unwrap_or_default(), note, id, iommu, did, msi]);
        }
    }

    fn stream_cells(&self, at: u32, range: &InputRange) -> [String; 2] {
        match range.output {
            RangeOutput::Errno(errno) => [self.style.alarm(&errno.to_string()), String::new()],
            RangeOutput::Stream { first, constant, cells } => {
                let single = range.first == range.last || constant;
                // The mask of the SMMU's own node stands beside one cell only.
                let mask = match first.mask {
                    mask if mask != 0 && cells.is_none() => format!(" mask {mask:#x}"),
                    _ => String::new(),
                };
                let id = match (first.id, cells) {
                    (None, _) => "all as one".to_string(),
                    (Some(_), Some(cells)) => {
                        self.specifier(first.iommu, self.map.specifier_cells(at, cells))
                    }
                    (Some(id), None) if single => self.specifier(first.iommu, &[id.0]),
                    (Some(id), None) => span(id.0, range),
                };
                let constant = if constant { " for all" } else { "" };
                [format!("{id}{mask}{constant}"), self.iommu(first.iommu)]
            }
            RangeOutput::Msi { .. } => Default::default(),
        }
    }

    fn device_cells(&self, range: &InputRange) -> [String; 2] {
        match range.output {
            RangeOutput::Msi { first, constant } if constant || range.first == range.last => {
                [format!("{:#x}", first.id), self.controller(first.controller)]
            }
            RangeOutput::Msi { first, .. } => [span(first.id, range), self.controller(first.controller)],
            RangeOutput::Errno(errno) => [self.style.alarm(&errno.to_string()), String::new()],
            RangeOutput::Stream { .. } => Default::default(),
        }
    }

    fn reserved(&self) -> String {
        if self.platform.reserved.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["reserved memory", "kind", "for", "addresses"]);
        for reserved in &self.platform.reserved {
            let kind = match reserved.kind {
                RegionKind::Direct => "direct",
                RegionKind::DirectRelaxable => "direct, relaxable",
                RegionKind::Reserved => "reserved",
                RegionKind::Msi => "MSI",
                RegionKind::SoftwareMsi => "software MSI",
            };
            let streams = reserved
                .streams
                .iter()
                .map(|s| format!("{} {:#x}-{:#x}", self.iommu(s.iommu), s.first, s.last));
            let requester = reserved.requester.and_then(|at| self.map.requester_origin(at));
            let whom: Vec<_> =
                streams.chain(requester.map(|origin| self.platform.label(origin).to_string())).collect();
            let regions = reserved.regions.iter().map(|r| format!("{:#x} length {:#x}", r.base, r.length));
            table.add_row([
                self.platform.label(reserved.origin).to_string(),
                kind.to_string(),
                whom.join("\n"),
                regions.collect::<Vec<_>>().join("\n"),
            ]);
        }
        lines(&table)
    }

    fn buses(&self) -> String {
        if self.platform.buses.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["segment", "buses", "configuration space of bus 0"]);
        for buses in &self.platform.buses {
            table.add_row([
                buses.segment.to_string(),
                format!("{:02x}-{:02x}", buses.first, buses.last),
                format!("{:#x}", buses.ecam),
            ]);
        }
        lines(&table)
    }

    fn skipped(&self) -> String {
        if self.platform.skipped.is_empty() {
            return String::new();
        }
        let mut text = self.style.heading("Not read or not usable") + "\n";
        let mut places = self.places.iter();
        for error in &self.platform.skipped {
            let place = places.next().map(|place| format!("{place}: ")).unwrap_or_default();
            text.push_str(&format!(
                "  {}\n",
                self.style.alarm(&format!("{}: {place}{}", error.at, error.kind))
            ));
        }
        text
    }

    fn iommu(&self, iommu: u32) -> String {
        self.map.iommu_label(iommu).map(|label| label.short().to_string()).unwrap_or_default()
    }

    fn controller(&self, controller: u32) -> String {
        let controller = self.map.msi_controllers().get(crate::bytes::index(controller));
        controller.map(|c| self.platform.label(c.origin).short().to_string()).unwrap_or_default()
    }
}

/// What else is said of the DMA of a requester.
fn facts(requester: &Requester) -> Vec<String> {
    let coherent =
        requester.coherency.coherent.map(|coherent| if coherent { "coherent" } else { "not coherent" });
    let limit = requester.dma_limit.map(|limit| match limit & limit.wrapping_add(1) {
        0 => format!("{}-bit DMA", limit.count_ones()),
        _ => format!("DMA up to {limit:#x}"),
    });
    let pasids = requester.pasid_bits.filter(|bits| *bits > 0).map(|bits| format!("PASIDs of {bits} bits"));
    let stalls = (requester.can_stall == Some(true)).then(|| "can stall".to_string());
    [coherent.map(str::to_string), limit, pasids, stalls].into_iter().flatten().collect()
}

fn inputs(range: &InputRange, show: fn(u32) -> String) -> String {
    if range.first == range.last {
        show(range.first)
    } else {
        format!("{} - {}", show(range.first), show(range.last))
    }
}

fn span(first: u32, range: &InputRange) -> String {
    format!("{first:#x}-{:#x}", first.saturating_add(range.last.saturating_sub(range.first)))
}
