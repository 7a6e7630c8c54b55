//! The picture of firmware alone: what masters memory, and the ranges of its ids.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::map::{InputRange, MsiRequest, RangeOutput};
use fwspec::model::{BusKind, Origin, Requester, RequesterKind};
use fwspec::{IdMap, Platform, RequesterId};

use super::{Link, MOST_ROWS, Picture, Row, RowKind, Sink};

/// How many ranges of one bus are drawn.
const MOST_RANGES: usize = 64;

/// The IOMMUs, then the MSI controllers.
pub(super) fn sinks(map: &IdMap) -> Vec<Sink> {
    let name = |origin: Origin| map.label(origin).short().to_string();
    let iommus = map.iommus().iter().map(|iommu| {
        let unusable = if iommu.available { "" } else { ", disabled" };
        let what = format!("{}{unusable}", iommu.kind.as_str());
        Sink { name: name(iommu.origin), what, msi: false }
    });
    let controllers = map.msi_controllers().iter();
    let controllers =
        controllers.map(|msi| Sink { name: name(msi.origin), what: "MSI controller".to_string(), msi: true });
    iommus.chain(controllers).collect()
}

impl Picture {
    /// The picture of a firmware; `map` was built from it.
    pub fn of_firmware(title: &str, platform: &Platform, map: &IdMap) -> Picture {
        let mut picture = Picture { title: title.to_string(), sinks: sinks(map), ..Picture::default() };
        let mut left_out = 0;
        for (requester, at) in platform.requesters.iter().zip(0_u32..) {
            if picture.rows.len() >= MOST_ROWS.saturating_sub(MOST_RANGES + 2) {
                left_out += 1;
            } else {
                picture.requester(platform, map, requester, at);
            }
        }
        picture.left_out(left_out);
        picture
    }

    fn requester(&mut self, platform: &Platform, map: &IdMap, requester: &Requester, at: u32) {
        let name = platform.label(requester.origin).short().to_string();
        match &requester.kind {
            RequesterKind::Bus(bus) => {
                let what = match bus.kind {
                    BusKind::Pci { segment, first_bus, last_bus, .. } => {
                        format!("root complex {segment}, buses {first_bus:02x}-{last_bus:02x}")
                    }
                    BusKind::Other => "bus".to_string(),
                };
                let pci = matches!(bus.kind, BusKind::Pci { .. });
                let head = self.push(Row { what, ..Row::root(name) });
                self.ranges(map, at, head, pci);
            }
            RequesterKind::Component(component) => {
                self.own(map, at, component.path.to_string(), "named component");
            }
            RequesterKind::Master(_) => self.own(map, at, name, "device"),
            RequesterKind::WireBridge(bridge) => self.own(map, at, bridge.path.to_string(), "wire bridge"),
            RequesterKind::MsiOnly { .. } => self.own(map, at, name, "performance monitor"),
        }
    }

    fn ranges(&mut self, map: &IdMap, requester: u32, head: Option<usize>, pci: bool) {
        const LAST_RID: u32 = 0xffff;
        let streams: Vec<InputRange> = map.stream_ranges(requester, LAST_RID).take(MOST_RANGES + 1).collect();
        // DeviceIDs of inputs with a StreamID come through the IOMMU; the others go past it.
        let past = map.device_ranges(requester, LAST_RID).flat_map(|range| outside(range, &streams));
        let past: Vec<InputRange> = past.take(MOST_RANGES).collect();
        for range in streams.iter().take(MOST_RANGES).chain(&past) {
            let row = Row { kind: RowKind::Device, parent: head, ..Row::root(inputs(range, pci)) };
            let Some(from) = self.push(row) else { return };
            let (to, label, bypass) = match range.output {
                RangeOutput::Stream { first, constant, .. } => {
                    let ids = first.id.map(|id| outputs(id.0, range, constant)).unwrap_or_default();
                    (crate::bytes::index(first.iommu), ids, false)
                }
                RangeOutput::Msi { first, constant } => {
                    let to = map.iommus().len().saturating_add(crate::bytes::index(first.controller));
                    (to, format!("DeviceIDs {}", outputs(first.id, range, constant)), true)
                }
                RangeOutput::Errno(errno) => {
                    if let Some(row) = self.rows.get_mut(from) {
                        row.note = format!("look-up fails with {errno}");
                    }
                    continue;
                }
            };
            self.links.push(Link { from, to, label, bypass });
            let msi = if bypass { None } else { map.msi_from(requester, range.first) };
            self.onward(map, to, msi);
        }
        if streams.len() > MOST_RANGES {
            self.push(Row { parent: head, ..Row::root("… and more ranges".to_string()) });
        }
    }

    /// MSIs go on from an IOMMU: one line, however many ranges take it.
    fn onward(&mut self, map: &IdMap, from: usize, msi: Option<MsiRequest>) {
        let Some(msi) = msi else { return };
        let to = map.iommus().len().saturating_add(crate::bytes::index(msi.controller));
        if !self.onward.iter().any(|link| (link.from, link.to) == (from, to)) {
            self.onward.push(Link { from, to, label: "MSIs".to_string(), bypass: false });
        }
    }

    fn own(&mut self, map: &IdMap, requester: u32, name: String, what: &str) {
        let row = Row { kind: RowKind::Device, what: what.to_string(), ..Row::root(name) };
        let Some(from) = self.push(row) else { return };
        for stream in map.own_streams(requester).iter().take(MOST_RANGES) {
            let label = stream.id.map(|id| format!("{:#x}", id.0)).unwrap_or_default();
            self.links.push(Link { from, to: crate::bytes::index(stream.iommu), label, bypass: false });
        }
        if map.own_streams(requester).is_empty() {
            for msi in map.device_ids_of(requester).iter().take(MOST_RANGES) {
                let to = map.iommus().len().saturating_add(crate::bytes::index(msi.controller));
                let label = format!("DeviceID {:#x}", msi.id);
                self.links.push(Link { from, to, label, bypass: true });
            }
        }
    }
}

fn inputs(range: &InputRange, pci: bool) -> String {
    let name = |id: u32| match u16::try_from(id).map(RequesterId) {
        Ok(rid) if pci => format!("{:02x}:{:02x}.{}", rid.bus(), rid.devfn() >> 3, rid.devfn() & 7),
        _ => format!("{id:#x}"),
    };
    if range.first == range.last {
        return name(range.first);
    }
    format!("{} – {}", name(range.first), name(range.last))
}

fn outputs(first: u32, range: &InputRange, constant: bool) -> String {
    if constant || range.first == range.last {
        return format!("{first:#x}");
    }
    format!("{first:#x}–{:#x}", first.wrapping_add(range.last.wrapping_sub(range.first)))
}

/// The parts of a range of DeviceIDs whose inputs are in none of these ranges, which are ascending.
fn outside(range: InputRange, taken: &[InputRange]) -> Vec<InputRange> {
    let mut parts = Vec::new();
    let mut from = Some(range.first);
    let inside = taken.iter().filter(|other| other.first <= range.last && range.first <= other.last);
    for other in inside {
        if let Some(first) = from.filter(|first| *first < other.first) {
            parts.push(part(&range, first, other.first.saturating_sub(1)));
        }
        from = other.last.checked_add(1);
    }
    parts.extend(from.filter(|first| *first <= range.last).map(|first| part(&range, first, range.last)));
    parts
}

fn part(range: &InputRange, first: u32, last: u32) -> InputRange {
    let moved = first.saturating_sub(range.first);
    let output = match range.output {
        RangeOutput::Msi { first, constant: false } => RangeOutput::Msi {
            first: MsiRequest { id: first.id.wrapping_add(moved), ..first },
            constant: false,
        },
        other => other,
    };
    InputRange { first, last, output }
}
