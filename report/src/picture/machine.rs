//! The picture of a machine: its functions below their bridges, in their groups.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::count::counted;
use crate::function;
use crate::name::short;
use fwspec::answer::{DeviceRecord, GroupsDocument, Named, PlacedFunction, SinkRecord};
use fwspec::{Bdf, IommuIndex, MsiControllerIndex, Segment};

use super::{Group, Link, MAX_ROWS, Picture, Row, RowKind, Sink};

/// How many StreamIDs stand on one line.
const MAX_IDS: usize = 4;

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
        let mut draw = Draw { document, colours, picture, at: BTreeMap::new(), roots: BTreeMap::new() };
        let mut left_out = 0;
        for device in order(document) {
            if draw.picture.rows.len() >= MAX_ROWS.saturating_sub(1) {
                left_out += 1;
            } else {
                draw.device(device);
            }
        }
        let mut picture = draw.picture;
        picture.left_out(left_out);
        picture.onward = onward(document);
        picture
    }
}

/// The IOMMUs, then the MSI controllers.
fn sinks(document: &GroupsDocument) -> Vec<Sink> {
    let sink = |of: &SinkRecord, msi| {
        let unusable = if of.usable { "" } else { ", disabled" };
        let what = format!("{}{unusable}", of.kind);
        Sink { name: short(&of.id).to_string(), path: of.id.clone(), what, msi }
    };
    let iommus = document.iommus.iter().map(|iommu| sink(iommu, false));
    iommus.chain(document.msi_controllers.iter().map(|controller| sink(controller, true))).collect()
}

/// Where a controller stands among the sinks.
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
    colours: BTreeMap<u64, usize>,
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
        let at = self.picture.push(row)?;
        self.roots.insert(root, at);
        Some(at)
    }

    fn device(&mut self, device: &DeviceRecord) {
        let group = device.group.map(|id| Group { id, colour: self.colours.get(&id).copied() });
        let mut row = Row { kind: RowKind::Device, group, ..Row::root(device.device.clone()) };
        match &device.placed {
            Some(placed) => {
                row.parent = match placed.bridge {
                    Some(above) => self.at.get(&above).copied(),
                    None => self.root(Some((placed.bdf.segment, placed.bdf.rid.bus()))),
                };
                row.what = function::what(&placed.function);
                if placed.function.secondary().is_some() {
                    row.kind = RowKind::Bridge;
                }
            }
            None => row.parent = self.root(None),
        }
        let Some(at) = self.picture.push(row) else { return };
        if let Some(placed) = &device.placed {
            self.at.insert(placed.bdf, at);
        }
        self.links(at, device);
    }

    /// One line to each IOMMU that it has ids on; or past all of them; or why there is none.
    fn links(&mut self, from: usize, device: &DeviceRecord) {
        let refused = if device.kernel.starts_with("refused") { ", refused by Linux" } else { "" };
        if let Some(iommu) = &device.iommu {
            let mut ids: BTreeMap<IommuIndex, Vec<String>> = BTreeMap::new();
            ids.entry(iommu.index).or_default();
            for stream in &device.streams {
                let on = ids.entry(stream.iommu.index).or_default();
                let mask = stream.mask.map(|mask| format!(" mask {mask:#x}")).unwrap_or_default();
                let id = stream.id.map(|id| format!("{id:#x}{mask}")).unwrap_or_default();
                // Repeats are the kernel's matter, not the reader's.
                if !on.contains(&id) {
                    on.push(id);
                }
            }
            for (iommu, ids) in ids {
                let more = if ids.len() > MAX_IDS { " …" } else { "" };
                let shown: Vec<String> = ids.into_iter().take(MAX_IDS).collect();
                let label = format!("{}{more}{refused}", shown.join(" "));
                self.picture.links.push(Link { from, to: iommu.position(), label, bypass: false });
            }
            return;
        }
        if let Some(msi) = device.msi.as_ref().filter(|_| device.bypass) {
            let label = format!("DeviceID {:#x}", msi.id);
            let to = controller(self.document, &msi.msi);
            self.picture.links.push(Link { from, to, label, bypass: true });
        } else if let (Some(why), Some(row)) = (&device.why_none, self.picture.rows.get_mut(from)) {
            row.note = why.clone();
        }
    }
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
