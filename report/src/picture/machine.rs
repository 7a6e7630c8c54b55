//! The picture of a machine: its functions below their bridges, in their groups.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::count::counted;
use crate::function;
use crate::name::{printable, short};
use crate::text::groups;
use fwspec::answer::{DeviceRecord, GroupsDocument, Named, PlacedFunction, SinkRecord, StreamRecord};
use fwspec::{Bdf, IommuIndex, MsiControllerIndex, Segment};

use super::{Group, Link, Note, Picture, Row, RowKind, Sink, cut};

/// How many StreamIDs are on one line.
const MAX_IDS: usize = 4;
/// How many of them a tooltip has.
const MAX_TIP_IDS: usize = 16;
/// How many devices of one reason are named.
const MAX_WHO: usize = 4;
/// How many scopes of a unit a tooltip has.
const MAX_SCOPES: usize = 24;
/// How many letters of a device's name are in its box, and of a sentence beside it.
const MAX_NAME: usize = 36;
const MAX_NOTE: usize = 80;

impl Picture {
    /// The picture of the groups of a machine.
    ///
    /// ```
    /// use fwspec::answer::GroupsDocument;
    /// use fwspec::{Device, Groups};
    /// use fwspec_report::picture::Picture;
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint("0000:00:02.0".parse().unwrap()))?;
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// assert_eq!(Picture::of_groups(&document).rows[1].name, "0000:00:02.0");
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn of_groups(document: &GroupsDocument) -> Picture {
        let shared = document.groups.iter().filter(|group| group.members.len() > 1);
        let title = format!(
            "{} in {}, {} of them shared; policy {}",
            counted(document.devices.len(), "device"),
            counted(document.groups.len(), "group"),
            shared.clone().count(),
            document.policy
        );
        let picture = Picture { title, sinks: sinks(document), ..Picture::default() };
        let colours: BTreeMap<u64, usize> = shared.map(|group| group.id).zip(0..).collect();
        let sizes = document.groups.iter().map(|group| (group.id, group.members.len())).collect();
        let mut draw =
            Draw { document, colours, sizes, picture, at: BTreeMap::new(), roots: BTreeMap::new() };
        order(document).into_iter().for_each(|device| draw.device(device));
        draw.reasons();
        let mut picture = draw.picture;
        picture.onward = onward(document);
        picture.notes = document
            .remarks
            .iter()
            .map(|remark| remark.text.clone())
            .chain(groups::notes(document))
            .map(|text| Note { group: None, text, alarm: true })
            .collect();
        let scopes = document.iommus.iter().filter_map(|iommu| unit(&iommu.id, &iommu.scopes));
        picture.notes.extend(scopes);
        picture.finish(0)
    }
}

/// The IOMMUs, then the MSI controllers.
fn sinks(document: &GroupsDocument) -> Vec<Sink> {
    let sink = |of: &SinkRecord, msi| {
        let unusable = if of.usable { "" } else { ", not used" };
        let what = format!("{}{unusable}", of.kind);
        let tip = scoped(&of.scopes);
        Sink { name: short(&of.id).to_string(), path: of.id.clone(), what, msi, tip, unused: !of.usable }
    };
    let iommus = document.iommus.iter().map(|iommu| sink(iommu, false));
    iommus.chain(document.msi_controllers.iter().map(|controller| sink(controller, true))).collect()
}

/// Where a controller is among the sinks.
fn controller(document: &GroupsDocument, msi: &Named<MsiControllerIndex>) -> usize {
    document.iommus.len().saturating_add(msi.index.position())
}

/// Functions each after the bridge above, depth first; then what is on no PCI bus.
fn order(document: &GroupsDocument) -> Vec<&DeviceRecord> {
    let mut below: BTreeMap<Option<Bdf>, Vec<(Bdf, &DeviceRecord)>> = BTreeMap::new();
    for device in &document.devices {
        if let Some(PlacedFunction { bdf, bridge, .. }) = &device.placed {
            below.entry(*bridge).or_default().push((*bdf, device));
        }
    }
    let mut order = Vec::new();
    let mut open = below.remove(&None).unwrap_or_default();
    open.reverse();
    while let Some((bdf, device)) = open.pop() {
        order.push(device);
        open.extend(below.remove(&Some(bdf)).unwrap_or_default().into_iter().rev());
    }
    order.extend(document.devices.iter().filter(|device| device.placed.is_none()));
    order
}

struct Draw<'a> {
    document: &'a GroupsDocument,
    /// Colours of the shared groups.
    colours: BTreeMap<u64, usize>,
    /// How many members each group has.
    sizes: BTreeMap<u64, usize>,
    picture: Picture,
    at: BTreeMap<Bdf, usize>,
    /// Heads by segment and root bus; `None` for what is on no PCI bus.
    roots: BTreeMap<Option<(Segment, u8)>, usize>,
}

impl Draw<'_> {
    fn root(&mut self, root: Option<(Segment, u8)>) -> Option<usize> {
        if let Some(at) = self.roots.get(&root) {
            return Some(*at);
        }
        let row = match root {
            Some((segment, bus)) => {
                let path = self.document.hosts.get(&segment).cloned().unwrap_or_default();
                let what = short(&path).to_string();
                Row { what, path, ..Row::root(format!("Root complex {segment}:{bus:02x}")) }
            }
            None => Row::root("Platform devices".to_string()),
        };
        let at = self.picture.push(row);
        self.roots.insert(root, at);
        Some(at)
    }

    fn device(&mut self, device: &DeviceRecord) {
        let group = device.group.map(|id| Group { id, colour: self.colours.get(&id).copied() });
        let single = group.is_none_or(|group| group.colour.is_none()) && device.kernel_detail.is_none();
        let mut row = Row { kind: RowKind::Device, group, single, ..Row::root(device.device.clone()) };
        match &device.placed {
            Some(placed) => {
                row.parent = match placed.bridge {
                    Some(above) => self.at.get(&above).copied(),
                    None => self.root(Some((placed.bdf.segment, placed.bdf.rid.bus()))),
                };
                let what = function::what(&placed.function);
                row.what = device
                    .name
                    .as_ref()
                    .map_or(what.clone(), |name| format!("{what}: {}", cut(&printable(name), MAX_NAME)));
                if placed.function.secondary().is_some() {
                    row.kind = RowKind::Bridge;
                }
            }
            None => {
                row.parent = self.root(None);
                row.path.clone_from(&device.device);
                row.name = short(&device.device).to_string();
            }
        }
        row.tip = self.tip(device);
        let at = self.picture.push(row);
        if let Some(placed) = &device.placed {
            self.at.insert(placed.bdf, at);
        }
        self.links(at, device);
    }

    /// What the text says about a device, line by line.
    fn tip(&self, device: &DeviceRecord) -> String {
        let mut lines = alloc::vec![format!("{} {}", device.device, groups::what(device))];
        match device.group {
            Some(id) => lines.push(match self.sizes.get(&id) {
                Some(size @ 2..) => format!("group {id}, of {size} devices"),
                _ => format!("group {id}, alone"),
            }),
            None => lines.push("in no group".to_string()),
        }
        lines.extend(device.why_none.clone());
        let mut ids: Vec<String> = Vec::new();
        for stream in &device.streams {
            let id = stream_id(stream);
            let text =
                format!("{} on {}", if id.is_empty() { "no id of its own" } else { &id }, stream.iommu.name);
            if !ids.contains(&text) && ids.len() < MAX_TIP_IDS {
                ids.push(text);
            }
        }
        if !ids.is_empty() {
            lines.push(format!("StreamIDs: {}", ids.join(", ")));
        }
        if let Some(msi) = &device.msi {
            lines.push(format!("DeviceID: {:#x} on {}", msi.id, msi.msi.name));
        }
        if device.aliases.len() > 1 {
            let aliases = device.aliases.iter().take(MAX_TIP_IDS).map(|id| {
                u16::try_from(*id).map_or(format!("{id:#x}"), |rid| fwspec::RequesterId(rid).to_string())
            });
            lines.push(format!("requester IDs of its DMA: {}", aliases.collect::<Vec<_>>().join(", ")));
        }
        lines.extend(device.kernel_detail.clone());
        if device.group.is_some() {
            lines.extend(device.assignable.why_not().map(|why| format!("cannot be assigned (VFIO): {why}")));
        }
        lines.extend(device.kernel_group.map(|group| format!("group {group} in the machine's own kernel")));
        lines.join("\n")
    }

    /// A sentence for each reason in each shared group.
    fn reasons(&mut self) {
        for group in &self.document.groups {
            let Some(colour) = self.colours.get(&group.id) else { continue };
            let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
            let mut at: BTreeMap<String, usize> = BTreeMap::new();
            for (nth, member) in group.members.iter().enumerate() {
                let Some(why) = groups::reason(group, member, nth == 0) else { continue };
                let place = *at.entry(why.clone()).or_insert(reasons.len());
                match reasons.get_mut(place) {
                    Some((_, who)) => who.push(member),
                    None => reasons.push((why, alloc::vec![member])),
                }
            }
            for (why, who) in reasons {
                let who = match who.as_slice() {
                    [first, .., last] if who.len() > MAX_WHO => {
                        format!("{} devices, {first} to {last}", who.len())
                    }
                    _ => who.join(", "),
                };
                let group = Some(Group { id: group.id, colour: Some(*colour) });
                self.picture.reasons.push(Note { group, text: format!("{who}: {why}"), alarm: false });
            }
        }
    }

    /// One line to each IOMMU that it has ids on; or past all of them; or why there is none.
    fn links(&mut self, from: usize, device: &DeviceRecord) {
        if let (Some(detail), Some(row)) = (&device.kernel_detail, self.picture.rows.get_mut(from)) {
            row.note = cut(detail, MAX_NOTE);
        }
        if let Some(iommu) = &device.iommu {
            let mut ids: BTreeMap<IommuIndex, Vec<String>> = BTreeMap::new();
            ids.entry(iommu.index).or_default();
            for stream in &device.streams {
                let on = ids.entry(stream.iommu.index).or_default();
                let id = stream_id(stream);
                // Repeats are the kernel's matter, not the reader's.
                if !on.contains(&id) {
                    on.push(id);
                }
            }
            for (iommu, ids) in ids {
                let more = if ids.len() > MAX_IDS { " …" } else { "" };
                let shown: Vec<String> = ids.into_iter().take(MAX_IDS).collect();
                let label = format!("{}{more}", shown.join(" "));
                self.picture.links.push(Link { from, to: iommu.position(), label, bypass: false });
            }
            return;
        }
        if let Some(msi) = device.msi.as_ref().filter(|_| device.bypass) {
            let label = format!("DeviceID {:#x}", msi.id);
            let to = controller(self.document, &msi.msi);
            self.picture.links.push(Link { from, to, label, bypass: true });
        } else if let (Some(why), Some(row)) = (&device.why_none, self.picture.rows.get_mut(from)) {
            row.note = cut(why, MAX_NOTE);
        }
    }
}

/// `0x100`, `0x400 mask 0x7f`; nothing where the IOMMU knows its masters by no id.
fn stream_id(stream: &StreamRecord) -> String {
    let mask = stream.mask.filter(|mask| *mask != 0).map(|mask| format!(" mask {mask:#x}"));
    stream.id.map(|id| format!("{id:#x}{}", mask.unwrap_or_default())).unwrap_or_default()
}

/// The sentence of what a unit is for.
pub(super) fn unit(name: &str, scopes: &[String]) -> Option<Note> {
    let named: Vec<&str> = scopes.iter().take(MAX_SCOPES).map(String::as_str).collect();
    let more = match scopes.len().saturating_sub(MAX_SCOPES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("{name} is for {}{more}", named.join(", "));
    (!scopes.is_empty()).then_some(Note { group: None, text, alarm: false })
}

/// What a unit is for, where an ACPI table says it by scopes.
pub(super) fn scoped(scopes: &[String]) -> String {
    let mut lines: Vec<String> = scopes.iter().take(MAX_SCOPES).map(|scope| format!("for {scope}")).collect();
    if let more @ 1.. = scopes.len().saturating_sub(MAX_SCOPES) {
        lines.push(format!("and for {more} more"));
    }
    lines.join("\n")
}

/// From IOMMUs to MSI controllers, with the DeviceIDs of the PCI functions here.
fn onward(document: &GroupsDocument) -> Vec<Link> {
    let mut spans: BTreeMap<(usize, usize), (u32, u32)> = BTreeMap::new();
    for device in document.devices.iter().filter(|device| device.placed.is_some()) {
        let (Some(iommu), Some(msi)) = (&device.iommu, &device.msi) else { continue };
        let ends = (iommu.index.position(), controller(document, &msi.msi));
        let span = spans.entry(ends).or_insert((msi.id, msi.id));
        *span = (span.0.min(msi.id), span.1.max(msi.id));
    }
    let link = |((from, to), (first, last))| {
        let label = if first == last {
            format!("DeviceID {first:#x}")
        } else {
            format!("DeviceIDs {first:#x}–{last:#x}")
        };
        Link { from, to, label, bypass: false }
    };
    spans.into_iter().map(link).collect()
}
