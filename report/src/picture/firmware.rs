//! The picture of firmware alone: what masters memory, and the ranges of its ids.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::{DeviceRange, Named, PlatformDocument, RequesterRecord, StreamRangeRecord};
use fwspec::{MsiControllerIndex, RequesterId};

use super::{Link, MAX_ROWS, Note, Picture, Row, RowKind, Sink, cut, machine};
use crate::name::short;
use crate::specifier;
use crate::text::platform;

/// How many ranges of one bus, or ids of one device, are drawn.
pub const MAX_RANGES: usize = 64;

impl Picture {
    /// The picture of a firmware. Of a [`brief`](PlatformDocument::brief) document with [`MAX_RANGES`] it shows all.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::PlatformDocument;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// use fwspec_report::picture::{MAX_RANGES, Picture};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// let picture = Picture::of_firmware("a board", &PlatformDocument::brief(&firmware, &map, MAX_RANGES));
    /// assert_eq!(picture.links[0].label, "0x100–0x1ff");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn of_firmware(title: &str, document: &PlatformDocument) -> Picture {
        let mut picture = Picture { title: title.to_string(), sinks: sinks(document), ..Picture::default() };
        let mut left_out = 0;
        for requester in &document.requesters {
            if picture.rows.len() >= MAX_ROWS.saturating_mul(2) {
                left_out += 1;
            } else {
                picture.requester(document, requester);
            }
        }
        picture.note_shared();
        let units = document.iommus.iter().filter_map(|iommu| machine::unit(&iommu.id, &iommu.scopes));
        picture.notes = units.chain(notes(document)).collect();
        picture.finish(left_out)
    }

    fn requester(&mut self, document: &PlatformDocument, requester: &RequesterRecord) {
        let what = match (requester.kind, requester.segment, requester.bus_range) {
            ("root-complex", Some(segment), Some([first, last])) => {
                format!("root complex {segment:04x}, buses {first:02x}-{last:02x}")
            }
            ("id-bus", ..) => "bus".to_string(),
            ("named-component", ..) => "named component".to_string(),
            ("wire-bridge", ..) => "wire bridge".to_string(),
            ("pmcg", ..) => "performance monitor".to_string(),
            _ => "device".to_string(),
        };
        let state = if requester.available { "" } else { ", disabled" };
        let name = requester.path.clone().unwrap_or_else(|| short(platform::name_of(requester)).to_string());
        let facts: String = platform::facts(requester).iter().map(|fact| format!(", {fact}")).collect();
        let mut tip = alloc::vec![format!("{}: {what}{state}{facts}", requester.id)];
        tip.extend(requester.refused.clone());
        let row = Row {
            what: what + state,
            path: platform::name_of(requester).to_string(),
            disabled: !requester.available,
            tip: tip.join("\n"),
            ..Row::root(name)
        };
        match &requester.stream_ranges {
            Some(streams) if requester.own.is_empty() => {
                let head = self.push(row);
                self.ranges(document, requester, streams, head);
            }
            _ => self.own(document, requester, row),
        }
    }

    /// Which devices have no id in common with another, so that they may be drawn as one box.
    fn note_shared(&mut self) {
        let mut uses: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for link in &self.links {
            let count = uses.entry((link.to, link.label.as_str())).or_default();
            *count = count.saturating_add(1);
        }
        let shared: BTreeSet<usize> = self
            .links
            .iter()
            .filter(|link| uses.get(&(link.to, link.label.as_str())).is_some_and(|count| *count > 1))
            .map(|link| link.from)
            .collect();
        for (at, row) in self.rows.iter_mut().enumerate() {
            row.single = row.kind == RowKind::Device && row.parent.is_none() && !shared.contains(&at);
        }
    }

    fn ranges(
        &mut self,
        document: &PlatformDocument,
        requester: &RequesterRecord,
        streams: &[StreamRangeRecord],
        head: usize,
    ) {
        let row = |first: u32, last: u32| {
            let name = inputs(first, last, requester.kind == "root-complex");
            Row {
                kind: RowKind::Device,
                parent: Some(head),
                path: platform::name_of(requester).to_string(),
                ..Row::root(name)
            }
        };
        for range in streams.iter().take(MAX_RANGES) {
            let from = self.push(row(range.first, range.last));
            if let Some(iommu) = &range.iommu {
                let to = iommu.index.position();
                let label = specifier::range(document, range, '–');
                self.links.push(Link { from, to, label, bypass: false });
                self.onward(to, range.msi.as_ref().map(|msi| controller(document, msi)));
            } else if let (true, Some(row)) = (range.needs_topology, self.rows.get_mut(from)) {
                row.note = "depends on the bridges above it".to_string();
            } else if let (Some(errno), Some(row)) = (&range.errno, self.rows.get_mut(from)) {
                row.note = format!("look-up fails with {errno}");
            }
        }
        for range in requester.past_iommus.iter().take(MAX_RANGES) {
            let from = self.push(row(range.first, range.last));
            if let (Some(first), Some(msi)) = (range.output, &range.msi) {
                let to = controller(document, msi);
                let label = format!("DeviceIDs {}", outputs(first, range));
                self.links.push(Link { from, to, label, bypass: true });
            } else if let (Some(errno), Some(row)) = (&range.errno, self.rows.get_mut(from)) {
                row.note = format!("look-up fails with {errno}");
            }
        }
        if requester.left_out > 0 || streams.len() > MAX_RANGES {
            self.push(Row { parent: Some(head), ..Row::root("… and more ranges".to_string()) });
        }
    }

    /// MSIs go on from an IOMMU: one line, however many ranges take it.
    fn onward(&mut self, from: usize, to: Option<usize>) {
        let Some(to) = to else { return };
        if !self.onward.iter().any(|link| (link.from, link.to) == (from, to)) {
            self.onward.push(Link { from, to, label: "MSIs".to_string(), bypass: false });
        }
    }

    /// A requester that has its ids by itself.
    fn own(&mut self, document: &PlatformDocument, requester: &RequesterRecord, row: Row) {
        let from = self.push(Row { kind: RowKind::Device, ..row });
        for stream in requester.own.iter().take(MAX_RANGES) {
            let label = specifier::ids(document, stream);
            let to = stream.iommu.index.position();
            self.links.push(Link { from, to, label, bypass: false });
        }
        if requester.own.is_empty() {
            for device in requester.devices.iter().flatten().take(MAX_RANGES) {
                let label = format!("DeviceID {:#x}", device.id);
                self.links.push(Link { from, to: controller(document, &device.msi), label, bypass: true });
            }
        }
        // A monitor has no DMA that could be refused.
        let devices = requester.devices.as_deref().unwrap_or_default();
        let refused = requester.refused.as_ref().filter(|_| !requester.own.is_empty() || devices.is_empty());
        if let (Some(refused), Some(row)) = (refused, self.rows.get_mut(from)) {
            row.note = cut(refused, MAX_NOTE);
        }
    }
}

/// How many letters of a sentence are beside a box.
const MAX_NOTE: usize = 80;

/// Memory that is kept, and what could not be read or used.
fn notes(document: &PlatformDocument) -> impl Iterator<Item = Note> {
    let reserved = document.reserved.iter().map(|reserved| {
        let regions = reserved.regions.iter().map(|r| format!("{:#x} length {:#x}", r.base, r.length));
        let regions: Vec<_> = regions.collect();
        let whom = platform::whom(reserved).join(", ");
        let whom = if whom.is_empty() { String::new() } else { format!(" for {whom}") };
        format!("reserved memory ({}) of {}: {}{whom}", reserved.kind, reserved.id, regions.join(", "))
    });
    let unread = document.skipped.iter().map(|problem| {
        let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        format!("not read or not usable: {}: {place}{}", problem.at, problem.error)
    });
    let note = |alarm| move |text| Note { group: None, text, alarm };
    reserved.map(note(false)).chain(unread.map(note(true)))
}

/// The IOMMUs, then the MSI controllers.
fn sinks(document: &PlatformDocument) -> Vec<Sink> {
    let iommus = document.iommus.iter().map(|iommu| {
        let unusable = match (iommu.available, iommu.usable) {
            (false, _) => ", disabled",
            (true, false) => ", no driver",
            (true, true) => "",
        };
        let what = format!("{}{unusable}", iommu.kind);
        let mut tip: Vec<String> = Vec::new();
        tip.extend(iommu.base.map(|base| format!("registers at {base:#x}")));
        tip.extend(platform::notes(iommu));
        if !iommu.scopes.is_empty() {
            tip.push(machine::scoped(&iommu.scopes));
        }
        Sink {
            name: short(&iommu.id).to_string(),
            path: iommu.id.clone(),
            what,
            msi: false,
            tip: tip.join("\n"),
            unused: !unusable.is_empty(),
        }
    });
    let controllers = document.msi_controllers.iter().map(|msi| {
        let unusable = if msi.available { "" } else { ", disabled" };
        let what = format!("MSI controller{unusable}");
        let its: Vec<String> = msi.its.iter().flatten().map(u32::to_string).collect();
        let tip = if its.is_empty() { String::new() } else { format!("GIC ITS {}", its.join(", ")) };
        Sink {
            name: short(&msi.id).to_string(),
            path: msi.id.clone(),
            what,
            msi: true,
            tip,
            unused: !msi.available,
        }
    });
    iommus.chain(controllers).collect()
}

/// Where a controller is among the sinks.
fn controller(document: &PlatformDocument, msi: &Named<MsiControllerIndex>) -> usize {
    document.iommus.len().saturating_add(msi.index.position())
}

fn inputs(first: u32, last: u32, pci: bool) -> String {
    let name = |id: u32| match u16::try_from(id).map(RequesterId) {
        Ok(rid) if pci => rid.to_string(),
        _ => format!("{id:#x}"),
    };
    if first == last { name(first) } else { format!("{} – {}", name(first), name(last)) }
}

fn outputs(first: u32, range: &DeviceRange) -> String {
    specifier::span(first, range.first, if range.constant { range.first } else { range.last }, '–')
}
