//! The picture of a machine: its functions below their bridges, in their groups.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::function;
use crate::name::short;
use fwspec::answer::GroupsDocument;
use fwspec::map::NoStream;
use fwspec::{Bdf, DeviceKey, Groups, IdMap, Segment};

use super::{Group, Link, MOST_ROWS, Picture, Row, RowKind, Sink};

/// How many StreamIDs stand on one line.
const MOST_IDS: usize = 4;

impl Picture {
    /// The picture of these groups; `document` is theirs.
    pub fn of_groups(groups: &Groups, document: &GroupsDocument) -> Picture {
        let shared = document.groups.iter().filter(|group| group.members.len() > 1);
        let title = format!(
            "{} devices in {} groups, {} of them shared; policy {}",
            document.devices.len(),
            document.groups.len(),
            shared.clone().count(),
            document.policy
        );
        let mut picture = Picture { title, ..Picture::default() };
        if let Some(map) = groups.map() {
            picture.sinks = sinks(map);
        }
        let colours: BTreeMap<u64, usize> = shared.map(|group| group.id).zip(0..).collect();
        let mut draw =
            Draw { groups, document, colours, picture, at: BTreeMap::new(), roots: BTreeMap::new() };
        let names: BTreeMap<DeviceKey, usize> = groups.devices().zip(0..).collect();
        let mut left_out = 0;
        for key in draw.order() {
            let record = names.get(&key).copied();
            if draw.picture.rows.len() >= MOST_ROWS.saturating_sub(1) {
                left_out += 1;
            } else if let Some(record) = record {
                draw.device(key, record);
            }
        }
        let mut picture = draw.picture;
        picture.left_out(left_out);
        onward(groups, &mut picture);
        picture
    }
}

/// The IOMMUs, then the MSI controllers.
fn sinks(map: &IdMap) -> Vec<Sink> {
    let sink = |origin, what, msi| {
        let path = map.label(origin).to_string();
        Sink { name: short(&path).to_string(), path, what, msi }
    };
    let iommus = map.iommus().iter().map(|iommu| {
        let unusable = if iommu.available { "" } else { ", disabled" };
        sink(iommu.origin, format!("{}{unusable}", iommu.kind.word()), false)
    });
    let controllers = map.msi_controllers().iter();
    let controllers = controllers.map(|msi| sink(msi.origin, "MSI controller".to_string(), true));
    iommus.chain(controllers).collect()
}

struct Draw<'a> {
    groups: &'a Groups,
    document: &'a GroupsDocument,
    colours: BTreeMap<u64, usize>,
    picture: Picture,
    at: BTreeMap<Bdf, usize>,
    /// Heads by segment and root bus; `None` for what is on no PCI bus.
    roots: BTreeMap<Option<(Segment, u8)>, usize>,
}

impl Draw<'_> {
    /// Functions each after the bridge above, depth first; then what is on no PCI bus.
    fn order(&self) -> Vec<DeviceKey> {
        let topology = self.groups.topology();
        let mut below: BTreeMap<Option<Bdf>, Vec<Bdf>> = BTreeMap::new();
        for (bdf, _) in topology.iter() {
            let above = topology.bridges(bdf).next().map(|(bridge, _)| bridge);
            below.entry(above).or_default().push(bdf);
        }
        let mut order = Vec::new();
        let mut open: Vec<Bdf> = below.remove(&None).unwrap_or_default();
        open.reverse();
        while let Some(bdf) = open.pop() {
            order.push(DeviceKey::Pci(bdf));
            open.extend(below.remove(&Some(bdf)).unwrap_or_default().into_iter().rev());
        }
        let others = self.groups.devices().filter(|key| !matches!(key, DeviceKey::Pci(_)));
        order.extend(others);
        order
    }

    fn root(&mut self, root: Option<(Segment, u8)>) -> Option<usize> {
        if let Some(at) = self.roots.get(&root) {
            return Some(*at);
        }
        let row = match root {
            Some((segment, bus)) => {
                let map = self.groups.map();
                let host = map.and_then(|map| Some((map, map.hosts_of(segment).next()?)));
                let label = host
                    .and_then(|(map, host)| Some(map.label(map.requester_origin(host)?).short().to_string()));
                let what = label.unwrap_or_default();
                Row { what, ..Row::root(format!("Root complex {segment}:{bus:02x}")) }
            }
            None => Row::root("Platform devices".to_string()),
        };
        let at = self.picture.push(row)?;
        self.roots.insert(root, at);
        Some(at)
    }

    fn device(&mut self, key: DeviceKey, record: usize) {
        let Some(record) = self.document.devices.get(record) else { return };
        let group = record.group.map(|id| Group { id, colour: self.colours.get(&id).copied() });
        let mut row = Row { kind: RowKind::Device, group, ..Row::root(record.device.clone()) };
        if let DeviceKey::Pci(bdf) = key {
            let topology = self.groups.topology();
            let above = topology.bridges(bdf).next().map(|(bridge, _)| bridge);
            row.parent = match above {
                Some(above) => self.at.get(&above).copied(),
                None => self.root(Some((bdf.segment, bdf.rid.bus()))),
            };
            if let Some(function) = topology.get(bdf) {
                row.what = function::what_for(function);
                if function.secondary().is_some() {
                    row.kind = RowKind::Bridge;
                }
            }
        } else {
            row.parent = self.root(None);
        }
        let Some(at) = self.picture.push(row) else { return };
        if let DeviceKey::Pci(bdf) = key {
            self.at.insert(bdf, at);
        }
        let refused = if record.kernel.starts_with("refused") { ", refused by Linux" } else { "" };
        self.links(at, key, refused);
    }

    /// One line to each IOMMU that it has ids on; or past all of them; or why there is none.
    fn links(&mut self, from: usize, key: DeviceKey, refused: &str) {
        let Some(map) = self.groups.map() else { return };
        let fwspec = self.groups.placement(key).ok().and_then(|placement| placement.fwspec);
        if let Some(fwspec) = fwspec {
            let mut ids: BTreeMap<u32, Vec<String>> = BTreeMap::new();
            ids.entry(fwspec.iommu).or_default();
            for stream in &fwspec.ids {
                let on = ids.entry(stream.iommu).or_default();
                let id = stream.id.map(|id| format!("{:#x}", id.0)).unwrap_or_default();
                // Repeats are the kernel's matter, not the reader's.
                if !on.contains(&id) {
                    on.push(id);
                }
            }
            for (iommu, ids) in ids {
                let more = if ids.len() > MOST_IDS { " …" } else { "" };
                let shown: Vec<String> = ids.into_iter().take(MOST_IDS).collect();
                let label = format!("{}{more}{refused}", shown.join(" "));
                self.picture.links.push(Link { from, to: crate::bytes::index(iommu), label, bypass: false });
            }
            return;
        }
        let past = match (self.groups.why_none(key), key) {
            (Some(NoStream::Bypass { .. }), DeviceKey::Pci(bdf)) => map.device_id_of(bdf),
            _ => None,
        };
        if let Some(msi) = past {
            let to = map.iommus().len().saturating_add(crate::bytes::index(msi.controller));
            let label = format!("DeviceID {:#x}", msi.id);
            self.picture.links.push(Link { from, to, label, bypass: true });
        } else if let (Some(why), Some(row)) = (self.groups.why_none(key), self.picture.rows.get_mut(from)) {
            row.note = why.to_string();
        }
    }
}

/// From IOMMUs to MSI controllers, with the DeviceIDs of the devices here.
fn onward(groups: &Groups, picture: &mut Picture) {
    let Some(map) = groups.map() else { return };
    let mut spans: BTreeMap<(usize, usize), (u32, u32)> = BTreeMap::new();
    for key in groups.devices() {
        let DeviceKey::Pci(bdf) = key else { continue };
        let (Some(stream), Some(msi)) = (map.stream_of(bdf), map.device_id_of(bdf)) else { continue };
        let to = map.iommus().len().saturating_add(crate::bytes::index(msi.controller));
        let span = spans.entry((crate::bytes::index(stream.stream.iommu), to)).or_insert((msi.id, msi.id));
        *span = (span.0.min(msi.id), span.1.max(msi.id));
    }
    picture.onward = spans
        .into_iter()
        .map(|((from, to), (first, last))| {
            let label = if first == last {
                format!("DeviceID {first:#x}")
            } else {
                format!("DeviceIDs {first:#x}–{last:#x}")
            };
            Link { from, to, label, bypass: false }
        })
        .collect();
}
