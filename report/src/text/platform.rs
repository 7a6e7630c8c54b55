//! What one firmware says, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::RequesterId;
use fwspec::answer::{
    DeviceRange, IommuRecord, MsiId, PlatformDocument, Problem, RequesterRecord, ReservedRecord,
    StreamRangeRecord, StreamRecord,
};

use super::Style;
use super::table::{GLUE, Table};
use crate::count::counted;
use crate::name::short;
use crate::specifier::{ids, layout, range, span};

/// How many scopes of a unit are printed.
const MAX_SCOPES: usize = 6;

/// The text of `fwspec show` for a firmware. It shows the ranges that the document has and counts those left out: a
/// [`brief`](PlatformDocument::brief) document fits a terminal.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::PlatformDocument;
/// use fwspec::machine::Firmware;
/// use fwspec::{Dialect, IdMap};
/// use fwspec_report::text::{self, Style};
/// let mut table = Builder::new(6);
/// table.smmu_v3(0x2b40_0000);
/// let firmware = Firmware::open("iort.bin", table.finish())?;
/// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
/// let document = PlatformDocument::brief(&firmware, &map, text::MAX_RANGES);
/// assert!(text::platform(&document, Style::default()).contains("smmu-v3  0x2b400000"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn platform(document: &PlatformDocument, style: Style) -> String {
    let view = DocumentView { document, style };
    [view.iommus(), view.msi_controllers(), view.requesters(), view.reserved(), view.buses(), view.skipped()]
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

struct DocumentView<'a> {
    document: &'a PlatformDocument,
    style: Style,
}

impl DocumentView<'_> {
    fn iommus(&self) -> String {
        if self.document.iommus.is_empty() {
            return "No IOMMU.\n".to_string();
        }
        let mut table = self.style.table(&["IOMMU", "kind", "registers", "notes"]).with_prose();
        for iommu in &self.document.iommus {
            table.add_row([
                iommu.id.clone(),
                iommu.kind.to_string(),
                iommu.base.map(|base| format!("{base:#x}")).unwrap_or_default(),
                self.notes(iommu).join(", "),
            ]);
        }
        table.lines()
    }

    fn notes(&self, iommu: &IommuRecord) -> Vec<String> {
        let state = match (iommu.available, iommu.usable) {
            (false, _) => Some("disabled"),
            (true, false) => Some("unknown model: no Linux driver binds to it"),
            (true, true) => None,
        };
        let mut notes: Vec<String> = state.map(|state| self.style.alarm(state)).into_iter().collect();
        notes.extend(self::notes(iommu));
        let scopes = iommu.scopes.iter().take(MAX_SCOPES).map(String::as_str);
        let scopes: Vec<&str> = scopes.collect();
        if !scopes.is_empty() {
            let more = match iommu.scopes.len().saturating_sub(MAX_SCOPES) {
                0 => String::new(),
                more => format!(" and {more} more, see --fields"),
            };
            notes.push(format!("for {}{more}", scopes.join(", ")));
        }
        notes
    }

    fn msi_controllers(&self) -> String {
        if self.document.msi_controllers.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["MSI controller", "kind", "notes"]);
        for msi in &self.document.msi_controllers {
            let mut note = match &msi.its {
                Some(its) => {
                    let its: Vec<_> = its.iter().map(u32::to_string).collect();
                    format!("GIC ITS {}", its.join(", "))
                }
                None => msi.cells.map_or("no #msi-cells".to_string(), |n| counted(n as usize, "cell")),
            };
            if !msi.available {
                note.push_str(", disabled");
            }
            table.add_row([msi.id.clone(), msi.kind.to_string(), note]);
        }
        table.lines()
    }

    fn requesters(&self) -> String {
        let mut table =
            self.style.table(&["requester", "inputs", "StreamID", "IOMMU", "DeviceID", "MSI controller"]);
        for requester in &self.document.requesters {
            let has_own = requester.streams.as_ref().is_some_and(|streams| !streams.is_empty())
                || requester.devices.as_ref().is_some_and(|devices| !devices.is_empty());
            match (&requester.stream_ranges, &requester.device_ranges) {
                // A component whose bus gives ids may have ids of its own as well.
                (Some(streams), Some(devices)) if !has_own => {
                    self.bus(requester, Some(self.title(requester)), streams, devices, &mut table);
                }
                (Some(streams), Some(devices)) => {
                    self.own(requester, &mut table);
                    self.bus(requester, Some(String::new()), streams, devices, &mut table);
                }
                _ => self.own(requester, &mut table),
            }
        }
        if self.document.requesters.is_empty() { String::new() } else { table.lines() + &self.assumed() }
    }

    /// A word on the segments that the firmware does not say.
    fn assumed(&self) -> String {
        let assumed = |requester: &&RequesterRecord| requester.segment_assumed == Some(true);
        let Some(first) = self.document.requesters.iter().find(assumed) else { return String::new() };
        let host = &first.id;
        self.style.faint(&format!(
            "?: assumed, for the tree gives no linux,pci-domain, or one that another host has; numbered in document order.\n   \
             {host}:01:00.0 names a function by its host instead.\n"
        ))
    }

    fn title(&self, requester: &RequesterRecord) -> String {
        let kind = match (requester.kind, requester.segment, requester.base) {
            ("named-component", ..) => "named component".to_string(),
            ("wire-bridge", ..) => "wire bridge".to_string(),
            ("pmcg", ..) => "PMCG".to_string(),
            ("master", _, Some(base)) if !requester.id.starts_with('/') => format!("endpoint at {base:#x}"),
            ("root-complex", Some(segment), _) => {
                // Explained below the table.
                let assumed = if requester.segment_assumed == Some(true) { "?" } else { "" };
                let ats = if requester.ats == Some(true) { ", ATS" } else { "" };
                format!("PCI segment {segment:04x}{assumed}{ats}")
            }
            ("id-bus", ..) => "bus with ids".to_string(),
            (kind, ..) => kind.to_string(),
        };
        let state = if requester.available { "" } else { ", disabled" };
        let facts: String = self::facts(requester).iter().map(|fact| format!(", {fact}")).collect();
        let kind = self.style.faint(&format!("({kind}{state}{facts})"));
        let path = requester.path.as_ref().map(|path| format!("\n{path}")).unwrap_or_default();
        format!("{} {kind}{path}", name_of(requester))
    }

    fn bus(
        &self,
        requester: &RequesterRecord,
        mut title: Option<String>,
        streams: &[StreamRangeRecord],
        devices: &[DeviceRange],
        table: &mut Table,
    ) {
        let show = |id: u32| match u16::try_from(id).map(RequesterId) {
            Ok(rid) if requester.kind == "root-complex" => rid.to_string(),
            _ => format!("{id:#x}"),
        };
        let inputs = |first: u32, last: u32| {
            if first == last { show(first) } else { format!("{}{GLUE}-{GLUE}{}", show(first), show(last)) }
        };
        let mut row = |cells: [String; 5]| {
            table.add_row(core::iter::once(title.take().unwrap_or_default()).chain(cells));
        };
        let mut devices = devices.iter().peekable();
        for stream in streams {
            let [id, iommu] = self.stream_cells(stream);
            // A DeviceID range of the same inputs is on the same line.
            let same = devices.next_if(|device| (device.first, device.last) == (stream.first, stream.last));
            let [device, msi] = same.map(|device| self.device_cells(device)).unwrap_or_default();
            row([inputs(stream.first, stream.last), id, iommu, device, msi]);
        }
        for range in devices {
            let [device, msi] = self.device_cells(range);
            row([inputs(range.first, range.last), String::new(), String::new(), device, msi]);
        }
        if requester.left_out > 0 {
            let more = format!("… {} more ranges, see --json", requester.left_out);
            row([more, String::new(), String::new(), String::new(), String::new()]);
        }
        if let Some(title) = title {
            table.add_row([title, self.style.alarm("no map: untranslated")]);
        }
    }

    /// A requester that has its ids by itself.
    fn own(&self, requester: &RequesterRecord, table: &mut Table) {
        let devices = requester.devices.as_deref().unwrap_or_default();
        let cells =
            |stream: &StreamRecord| [ids(self.document, stream), short(&stream.iommu.name).to_string()];
        // A monitor has no DMA that could be refused.
        let refused = requester.refused.as_ref().filter(|_| !requester.own.is_empty() || devices.is_empty());
        let mut note = refused.map(|reason| self.style.alarm(reason));
        let mut title = Some(self.title(requester));
        for line in 0..requester.own.len().max(devices.len()).max(1) {
            let [id, iommu] = requester.own.get(line).map(cells).unwrap_or_default();
            let device = devices.get(line);
            let [did, msi] = device
                .map(|device| [format!("{:#x}", device.id), short(&device.msi.name).to_string()])
                .unwrap_or_default();
            table.add_row([
                title.take().unwrap_or_default(),
                note.take().unwrap_or_default(),
                id,
                iommu,
                did,
                msi,
            ]);
        }
    }

    fn stream_cells(&self, stream: &StreamRangeRecord) -> [String; 2] {
        match (&stream.errno, &stream.iommu) {
            _ if stream.needs_topology => ["depends on the bridges above it".to_string(), String::new()],
            (Some(errno), _) => [self.style.alarm(errno), String::new()],
            (None, Some(iommu)) => {
                let constant = if stream.constant { " for all" } else { "" };
                let ids = range(self.document, stream, '-');
                [format!("{ids}{constant}"), short(&iommu.name).to_string()]
            }
            (None, None) => Default::default(),
        }
    }

    fn device_cells(&self, device: &DeviceRange) -> [String; 2] {
        match (&device.errno, device.output, &device.msi) {
            (Some(errno), ..) => [self.style.alarm(errno), String::new()],
            (None, Some(first), Some(msi)) => {
                let last = if device.constant { device.first } else { device.last };
                [span(first, device.first, last, '-'), short(&msi.name).to_string()]
            }
            _ => Default::default(),
        }
    }

    fn reserved(&self) -> String {
        if self.document.reserved.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["reserved memory", "kind", "for", "addresses"]);
        for reserved in &self.document.reserved {
            let kind = match reserved.kind {
                "direct-relaxable" => "direct, relaxable",
                "msi" => "MSI",
                "software-msi" => "software MSI",
                kind => kind,
            };
            let whom = whom(reserved);
            let regions = reserved.regions.iter().map(|r| format!("{:#x} length {:#x}", r.base, r.length));
            table.add_row([
                reserved.id.clone(),
                match reserved.ignored_by {
                    Some(driver) => format!("{kind}, ignored by driver {driver}"),
                    None => kind.to_string(),
                },
                whom.join("\n"),
                regions.collect::<Vec<_>>().join("\n"),
            ]);
        }
        table.lines()
    }

    fn buses(&self) -> String {
        if self.document.buses.is_empty() {
            return String::new();
        }
        let mut table = self.style.table(&["segment", "buses", "configuration space of bus 0"]);
        for buses in &self.document.buses {
            table.add_row([
                buses.segment.to_string(),
                format!("{:02x}-{:02x}", buses.first, buses.last),
                format!("{:#x}", buses.ecam),
            ]);
        }
        table.lines()
    }

    fn skipped(&self) -> String {
        if self.document.skipped.is_empty() {
            return String::new();
        }
        let mut text = self.style.heading("Not read or not usable") + "\n";
        for Problem { at, error, place, .. } in &self.document.skipped {
            let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            let said = self.style.alarm(&format!("{at}: {place}{error}"));
            text.push_str(&format!("  {}\n", self.style.sentence(&said, 4)));
        }
        text
    }
}

/// What else is said of an IOMMU, but for what keeps Linux from using it.
pub(crate) fn notes(iommu: &IommuRecord) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(cells) = iommu.cells {
        notes.push(layout(iommu, cells));
    }
    if let Some(mask) = iommu.stream_match_mask {
        notes.push(format!("stream-match-mask {mask:#x}"));
    }
    if let Some(bdf) = &iommu.bdf {
        notes.push(format!("PCI function {bdf}"));
    }
    if let Some(function) = iommu.function {
        notes.push(format!("PCI function {function}"));
    }
    if let Some(MsiId { id, msi, .. }) = &iommu.own_msi {
        notes.push(format!("own MSIs: DeviceID {id:#x} at {}", short(&msi.name)));
    }
    notes
}

/// Which devices reserved memory is for.
pub(crate) fn whom(reserved: &ReservedRecord) -> Vec<String> {
    let streams = reserved
        .streams
        .iter()
        .map(|span| format!("{} {:#x}-{:#x}", short(&span.iommu), span.first, span.last));
    streams.chain(reserved.requester.clone()).chain(reserved.functions.iter().cloned()).collect()
}

/// What a requester is called: a PCI host without a record of its own (DMAR, IVRS) not by the unit that is first.
pub(crate) fn name_of(requester: &RequesterRecord) -> &str {
    let of_units = requester.id.starts_with("DMAR") || requester.id.starts_with("IVRS");
    if of_units && requester.kind == "root-complex" { "PCI host" } else { &requester.id }
}

/// What else is said of the DMA of a requester.
pub(crate) fn facts(requester: &RequesterRecord) -> Vec<String> {
    let coherent = requester.coherent.map(|coherent| if coherent { "coherent" } else { "not coherent" });
    let limit = requester.dma_limit.map(|limit| match limit & limit.wrapping_add(1) {
        0 => format!("{}-bit DMA", limit.count_ones()),
        _ => format!("DMA up to {limit:#x}"),
    });
    let pasids = requester.pasid_bits.filter(|bits| *bits > 0).map(|bits| format!("PASIDs of {bits} bits"));
    let stalls = (requester.can_stall == Some(true)).then(|| "can stall".to_string());
    [coherent.map(str::to_string), limit, pasids, stalls].into_iter().flatten().collect()
}
