//! `fwspec.groups/1`: which devices share a group, and why.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{How, KernelAnswer, Reason};
use crate::machine::{Kernel, Name};
use crate::model::{IommuIndex, Label, MsiControllerIndex, RequesterIndex};
use crate::pci::{AcsFlags, AcsVerdict, Function};
use crate::{Bdf, DeviceKey, GroupId, Groups, NoStream, Platform, Segment, map::Stream};

use super::platform::scopes_of;
use super::remark::{RemarkRecord, of_groups};
use super::{Assignable, MsiId, Named, Problem, StreamRecord};

/// What `fwspec groups --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GroupsDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// Which ties count: `linux` or `strict`.
    pub policy: &'static str,
    /// The dialect in which the firmware was read; absent without firmware.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dialect: Option<&'static str>,
    /// Assumptions that the groups rest on; read them before relying on the rest.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// Every device, PCI functions first, ascending.
    pub devices: Vec<DeviceRecord>,
    /// Every group, oldest first.
    pub groups: Vec<GroupRecord>,
    /// Parts of the inputs that could not be read.
    pub skipped: Vec<Problem>,
    /// What the supposed ACS settings change.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub what_if: Option<WhatIfRecord>,
    /// The firmware's IOMMUs, in its order. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub iommus: Vec<SinkRecord>,
    /// The firmware's MSI controllers, in its order. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub msi_controllers: Vec<SinkRecord>,
    /// What the firmware calls the host that says which ids the functions of a segment have. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub hosts: BTreeMap<Segment, String>,
}

/// An IOMMU or an MSI controller, where DMA or MSIs go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkRecord {
    /// What the firmware calls it.
    pub id: String,
    /// What it is: for an IOMMU as [`IommuKind`](crate::IommuKind) words it, else `MSI controller`.
    pub kind: &'static str,
    /// Whether Linux uses it.
    pub usable: bool,
    /// What a unit of a DMAR is for, scope by scope.
    pub scopes: Vec<String>,
}

/// A PCI function and its surroundings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlacedFunction {
    /// Its address.
    pub bdf: Bdf,
    /// What its configuration space says.
    pub function: Function,
    /// The bridge above it; `None` on a root bus.
    pub bridge: Option<Bdf>,
    /// For a virtual function its physical one, where that is there.
    pub physical: Option<Bdf>,
    /// Whether it keeps peers from reaching each other without passing the IOMMU, and what decided that.
    pub acs: Option<AcsVerdict>,
}

/// What other ACS settings change.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WhatIfRecord {
    /// Whether the hardware would really isolate with these settings; otherwise only the kernel would assume so.
    pub real: bool,
    /// Reasons that hold now and would not hold with these settings, between devices that would be apart.
    pub cut: Vec<TieRecord>,
    /// Reasons that would hold with these settings, between devices that are apart now.
    pub made: Vec<TieRecord>,
    /// The devices whose group would have other members.
    pub changed: Vec<RegroupedRecord>,
    /// What stays as it is.
    pub stays: StaysRecord,
}

/// A device whose group a supposition changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RegroupedRecord {
    /// The device.
    pub device: String,
    /// The number of its group as it is.
    pub now: Option<u64>,
    /// The number of its group with these settings, as in `groups`.
    pub then: Option<u64>,
}

/// How much a supposition leaves as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StaysRecord {
    /// Groups with the same members.
    pub groups: usize,
    /// Devices, those without group included.
    pub devices: usize,
}

/// A device and where it was put.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DeviceRecord {
    /// The function, the path of a node, or bus and id.
    pub device: String,
    /// The function; null for other devices.
    pub bdf: Option<String>,
    /// Requester IDs that its DMA can carry, its own first.
    pub aliases: Vec<u32>,
    /// Its IOMMU.
    pub iommu: Option<Named<IommuIndex>>,
    /// Its StreamIDs, in the kernel's order, with the mask of stream mapping registers in the high half.
    pub stream_ids: Vec<u32>,
    /// Flags of its record.
    pub flags: Vec<&'static str>,
    /// Its group; null where no IOMMU translates it.
    pub group: Option<u64>,
    /// Why it has no group.
    pub why_none: Option<String>,
    /// The DeviceID that its MSIs carry, its aliases applied as Linux does; null without a controller.
    pub device_id: Option<u32>,
    /// The MSI controller; null without one.
    #[cfg_attr(feature = "serde", serde(rename = "msi"))]
    pub msi_controller: Option<Named<MsiControllerIndex>>,
    /// Its name (vendor and device); null where no evidence names it.
    pub name: Option<String>,
    /// Its class code, `0x030000`; null for devices that are not PCI functions.
    pub class: Option<String>,
    /// Whether it can be assigned (VFIO), with its group.
    pub assignable: Assignable,
    /// Whether firmware lets it use ATS; null where nothing says.
    pub ats: Option<AtsRecord>,
    /// What a current Linux kernel does with it.
    pub kernel: &'static str,
    /// The number of the group that the machine's own kernel gave it; null where it gave none, or the evidence does not say.
    pub kernel_group: Option<u32>,
    /// What the machine's own kernel calls it, where it has it in a group. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub kernel_name: Option<String>,
    /// For `refused-alias` and `refused-overlap`, the device that has the StreamID; for `group-lost`, the one that it is torn from.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub refused_for: Option<String>,
    /// What the kernel does, in a sentence, where it differs from what isolation requires.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub kernel_detail: Option<String>,
    /// The function and its surroundings. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub placed: Option<PlacedFunction>,
    /// Its StreamIDs, each with its IOMMU, in the kernel's order. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub streams: Vec<StreamRecord>,
    /// The DeviceID that its MSIs carry. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub msi: Option<MsiId>,
    /// Its DMA goes to the MSI controller without passing an IOMMU. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub bypass: bool,
}

/// Whether a function may use ATS.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AtsRecord {
    /// Whether firmware lets it.
    pub allowed: bool,
    /// The record that decides; null where none does.
    pub by: Option<String>,
    /// In words.
    pub why: String,
}

/// A group.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GroupRecord {
    /// Its number.
    pub id: u64,
    /// Its lowest member.
    pub leader: String,
    /// Its members, ascending.
    pub members: Vec<String>,
    /// A spanning set of the reasons, untranslated devices between members included.
    pub ties: Vec<TieRecord>,
    /// Devices outside the group that the members are not isolated from: no IOMMU translates them, or (policy `linux`) they share
    /// a StreamID with a member.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub tainted_by: Vec<String>,
    /// Whether a reason rests on something that was not read.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub assumed: bool,
}

/// A reason between two devices.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TieRecord {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
    /// `shared-alias`, `acs-path`, `multifunction`, `dma-alias-quirk`, `shared-stream-id`, `driver`, `real-dma`,
    /// `bus-isolation`.
    pub kind: &'static str,
    /// In words.
    pub detail: String,
}

impl GroupsDocument {
    /// The document of these groups. `platform` is what their map was built from; `sid_bits` the width of the SMMUs' StreamIDs,
    /// where it is known.
    ///
    /// ```
    /// use fwspec::answer::GroupsDocument;
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let nic = Bdf::new(Segment(0), 1, 0, 0);
    /// let port = Bdf::new(Segment(0), 0, 1, 0);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// assert_eq!(document.groups[0].members, ["0000:00:01.0", "0000:01:00.0"]);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn new(
        groups: &Groups,
        platform: Option<&Platform>,
        sid_bits: Option<u8>,
        skipped: Vec<Problem>,
    ) -> Self {
        let iommus = platform.into_iter().flat_map(|platform| {
            platform.iommu_functions().map(|(bdf, iommu)| (bdf, platform.label(iommu.origin)))
        });
        let physical = groups
            .topology()
            .iter()
            .filter_map(|(bdf, function)| Some((bdf, *function.sriov.present()?)))
            .flat_map(|(pf, sriov)| sriov.virtual_functions(pf.rid).map(move |rid| (Bdf { rid, ..pf }, pf)));
        let view = GroupsView { groups, platform, iommus: iommus.collect(), physical: physical.collect() };
        let answers: BTreeMap<_, _> = groups.kernel_answers(sid_bits).into_iter().collect();
        let device = |key: DeviceKey| {
            view.device(key, answers.get(&key).copied().unwrap_or(KernelAnswer::Untranslated))
        };
        let shared = answers.iter().filter_map(|(device, answer)| match answer {
            KernelAnswer::RefusedAlias { owner } => Some((*device, *owner)),
            _ => None,
        });
        let mut tainted: BTreeMap<GroupId, BTreeSet<DeviceKey>> = BTreeMap::new();
        for (a, b) in shared.flat_map(|(device, owner)| [(device, owner), (owner, device)]) {
            let [mine, theirs] = [a, b].map(|key| groups.group_of(key));
            if let Some(group) = mine.filter(|_| mine != theirs) {
                tainted.entry(group).or_default().insert(b);
            }
        }
        GroupsDocument {
            schema: "fwspec.groups/1",
            policy: groups.policy().word(),
            dialect: groups.map().map(|map| map.dialect().name),
            remarks: of_groups(groups),
            devices: groups.devices().map(device).collect(),
            groups: groups.groups().map(|group| view.group(&group, tainted.get(&group.id()))).collect(),
            skipped,
            what_if: None,
            iommus: view.iommus(),
            msi_controllers: view.msi_controllers(),
            hosts: view.hosts(),
        }
    }

    /// Notes in which groups the machine's own kernel has the devices.
    ///
    /// ```
    /// use fwspec::answer::GroupsDocument;
    /// use fwspec::machine::Kernel;
    /// use fwspec::{Device, Groups};
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint("0000:00:02.0".parse().unwrap()))?;
    /// let mut document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// let mut kernel = Kernel::default();
    /// kernel.groups.insert("0000:00:02.0".into(), 7);
    /// document.note_kernel(&kernel);
    /// assert_eq!(document.devices[0].kernel_group, Some(7));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn note_kernel(&mut self, kernel: &Kernel) {
        if kernel.groups.is_empty() {
            return;
        }
        for device in &mut self.devices {
            let name = if device.bdf.is_some() {
                Some(device.device.as_str())
            } else {
                kernel.name_of(&device.device)
            };
            device.kernel_name = name.filter(|name| kernel.groups.contains_key(*name)).map(ToOwned::to_owned);
        }
        self.note_only_nodes(kernel);
        for device in &mut self.devices {
            let number = device.kernel_name.as_ref().and_then(|name| kernel.groups.get(name));
            device.kernel_group = number.copied();
        }
    }

    /// The kernel names a device-tree node by the address that a processor sees. Where that is not the node's own, the only node of a name
    /// is the only device of it.
    fn note_only_nodes(&mut self, kernel: &Kernel) {
        let taken: BTreeSet<&String> = self.devices.iter().filter_map(|d| d.kernel_name.as_ref()).collect();
        let mut theirs: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for name in
            kernel.groups.keys().filter(|name| !taken.contains(name) && !kernel.paths.contains_key(*name))
        {
            if let Some((address, node)) = name.split_once('.')
                && u64::from_str_radix(address, 16).is_ok()
            {
                theirs.entry(node).or_default().push(name);
            }
        }
        let mut only: BTreeMap<String, String> = BTreeMap::new();
        let mut several: BTreeSet<&str> = BTreeSet::new();
        for device in
            self.devices.iter().filter(|device| device.bdf.is_none() && device.kernel_name.is_none())
        {
            let node = device.device.rsplit('/').next().filter(|_| device.device.starts_with('/'));
            let Some((node, _)) = node.and_then(|node| node.split_once('@')) else { continue };
            let Some([name]) = theirs.get(node).map(Vec::as_slice) else { continue };
            if only.insert((*name).clone(), device.device.clone()).is_some() {
                several.insert(name.as_str());
            }
        }
        only.retain(|name, _| !several.contains(name.as_str()));
        let names: BTreeMap<String, String> = only.into_iter().map(|(name, device)| (device, name)).collect();
        for device in &mut self.devices {
            if let Some(name) = names.get(&device.device) {
                device.kernel_name = Some(name.clone());
            }
        }
    }

    /// Notes what this document, made under a supposition, changes against what is so `now`. `real` where the hardware would
    /// isolate so.
    ///
    /// ```
    /// use fwspec::answer::GroupsDocument;
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let nic = Bdf::new(Segment(0), 1, 0, 0);
    /// let port = Bdf::new(Segment(0), 0, 1, 0);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// let mut supposed = document.clone();
    /// supposed.suppose(&document, true);
    /// assert!(supposed.what_if.unwrap().cut.is_empty());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn suppose(&mut self, now: &GroupsDocument, real: bool) {
        let between = |ties: &GroupsDocument, places: &GroupsDocument| -> Vec<TieRecord> {
            let group: BTreeMap<&str, Option<u64>> =
                places.devices.iter().map(|device| (device.device.as_str(), device.group)).collect();
            let apart = |tie: &&TieRecord| group.get(tie.a.as_str()) != group.get(tie.b.as_str());
            ties.groups.iter().flat_map(|group| &group.ties).filter(apart).cloned().collect()
        };
        let changed = self.regrouped(now);
        let members = |document: &GroupsDocument| -> BTreeSet<Vec<String>> {
            document.groups.iter().map(|group| group.members.clone()).collect()
        };
        let stays = StaysRecord {
            groups: members(self).intersection(&members(now)).count(),
            devices: self.devices.len().saturating_sub(changed.len()),
        };
        let (cut, made) = (between(now, self), between(self, now));
        self.what_if = Some(WhatIfRecord { real, cut, made, changed, stays });
    }

    /// The devices whose group has other members than it has `now`, in the order of their groups.
    fn regrouped(&self, now: &GroupsDocument) -> Vec<RegroupedRecord> {
        fn places(document: &GroupsDocument) -> BTreeMap<&str, &GroupRecord> {
            let each = document
                .groups
                .iter()
                .flat_map(|group| group.members.iter().map(move |member| (member, group)));
            each.map(|(member, group)| (member.as_str(), group)).collect()
        }
        let (before, after) = (places(now), places(self));
        let place = |device: &DeviceRecord| {
            let of = |places: &BTreeMap<&str, &GroupRecord>| {
                places.get(device.device.as_str()).map(|group| (group.id, group.members.clone()))
            };
            let (now, then) = (of(&before), of(&after));
            let same = now.as_ref().map(|(_, members)| members) == then.as_ref().map(|(_, members)| members);
            let number = |place: Option<(u64, Vec<String>)>| place.map(|(number, _)| number);
            (!same).then(|| RegroupedRecord {
                device: device.device.clone(),
                now: number(now),
                then: number(then),
            })
        };
        let mut changed: Vec<RegroupedRecord> = self.devices.iter().filter_map(place).collect();
        changed.sort_by_key(|change| change.then);
        changed
    }
}

impl GroupsDocument {
    /// Notes what a listing calls the functions.
    ///
    /// ```
    /// use fwspec::answer::GroupsDocument;
    /// use fwspec::machine::Collector;
    /// use fwspec::{Dialect, group::Policy};
    /// let mut collector = Collector::new();
    /// collector.add("lspci.txt", b"00:02.0 VGA compatible controller: Example GPU\n".to_vec())?;
    /// let machine = collector.finish()?;
    /// let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    /// let mut document = GroupsDocument::new(&groups, None, None, Vec::new());
    /// document.note_names(&machine.names);
    /// assert_eq!(document.devices[0].name.as_deref(), Some("Example GPU"));
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn note_names(&mut self, names: &BTreeMap<Bdf, Name>) {
        for device in &mut self.devices {
            let bdf = device.bdf.as_deref().and_then(|bdf| bdf.parse().ok());
            let name = bdf.and_then(|bdf: Bdf| names.get(&bdf));
            device.name = name.map(|name| name.device.clone()).filter(|name| !name.is_empty());
        }
    }

    /// What the document calls a device of the groups that it is of.
    pub(super) fn name_of(&self, groups: &Groups, key: DeviceKey) -> String {
        let position = groups.devices().position(|device| device == key);
        let record = position.and_then(|position| self.devices.get(position));
        record.map_or_else(|| key.to_string(), |record| record.device.clone())
    }
}

struct GroupsView<'a> {
    groups: &'a Groups,
    platform: Option<&'a Platform>,
    /// What the IOMMUs are called that are functions themselves.
    iommus: BTreeMap<Bdf, Label<'a>>,
    /// The physical function of each virtual function that SR-IOV capabilities describe.
    physical: BTreeMap<Bdf, Bdf>,
}

impl GroupsView<'_> {
    fn iommus(&self) -> Vec<SinkRecord> {
        let Some(map) = self.groups.map() else { return Vec::new() };
        IommuIndex::number(map.iommus())
            .map(|(at, iommu)| SinkRecord {
                id: map.label(iommu.origin).to_string(),
                kind: iommu.kind.word(),
                usable: iommu.available,
                scopes: self.platform.map(|platform| scopes_of(platform, at)).unwrap_or_default(),
            })
            .collect()
    }

    fn msi_controllers(&self) -> Vec<SinkRecord> {
        let Some(map) = self.groups.map() else { return Vec::new() };
        let controllers = map.msi_controllers().iter();
        let record = |id| SinkRecord { id, kind: "MSI controller", usable: true, scopes: Vec::new() };
        controllers.map(|controller| record(map.label(controller.origin).to_string())).collect()
    }

    fn hosts(&self) -> BTreeMap<Segment, String> {
        let Some(map) = self.groups.map() else { return BTreeMap::new() };
        let segments: BTreeSet<Segment> = self.groups.topology().iter().map(|(bdf, _)| bdf.segment).collect();
        let host = |segment| Some(map.name(map.hosts_of(segment).next()?)?.to_string());
        segments.into_iter().filter_map(|segment| Some((segment, host(segment)?))).collect()
    }

    fn placed(&self, bdf: Bdf) -> Option<PlacedFunction> {
        let topology = self.groups.topology();
        let function = topology.get(bdf)?;
        let physical = self.physical.get(&bdf).copied();
        Some(PlacedFunction {
            bdf,
            function,
            bridge: topology.bridges(bdf).next().map(|(bridge, _)| bridge),
            physical: physical.filter(|pf| function.virtual_function && topology.get(*pf).is_some()),
            acs: topology.acs(bdf, AcsFlags::ISOLATED),
        })
    }

    fn iommu(&self, iommu: IommuIndex) -> Option<Named<IommuIndex>> {
        Some(Named::new(self.groups.map()?.name(iommu)?.to_string(), iommu))
    }

    fn stream(&self, stream: &Stream) -> Option<StreamRecord> {
        Some(StreamRecord {
            cells: None,
            parts: BTreeMap::new(),
            id: stream.id.map(|id| id.0),
            mask: (stream.mask != 0).then_some(stream.mask),
            iommu: self.iommu(stream.iommu)?,
        })
    }

    fn msi(&self, key: DeviceKey) -> Option<MsiId> {
        let (map, request) = (self.groups.map()?, self.groups.msi_of(key)?);
        let msi = Named::new(map.name(request.controller)?.to_string(), request.controller);
        Some(MsiId { id: request.id.0, msi })
    }

    fn ats(&self, function: Bdf) -> Option<AtsRecord> {
        let ats = self.groups.ats_of(self.platform?, function)?;
        let by = ats.by.map(|at| at.to_string());
        Some(AtsRecord { allowed: ats.allowed, by, why: ats.reason.to_string() })
    }

    fn name(&self, key: DeviceKey) -> String {
        match key {
            DeviceKey::Pci(bdf) => bdf.to_string(),
            DeviceKey::Node(node) => self.node(node),
            DeviceKey::OnBus { bus, id } => alloc::format!("{}#{id:#x}", self.node(bus)),
        }
    }

    fn node(&self, requester: RequesterIndex) -> String {
        let known = self.platform.and_then(|p| Some((p, p.requester(requester)?)));
        let Some((platform, requester)) = known else { return requester.to_string() };
        platform.known_as(requester)
    }

    fn device(&self, key: DeviceKey, kernel: KernelAnswer) -> DeviceRecord {
        let placement = self.groups.placement(key).ok();
        let fwspec = placement.as_ref().and_then(|placement| placement.fwspec.as_ref());
        let bdf = match key {
            DeviceKey::Pci(bdf) => Some(bdf),
            _ => None,
        };
        let aliases = bdf.into_iter().flat_map(|bdf| self.groups.aliases(bdf));
        let flags = fwspec.map(|fwspec| fwspec.flags).unwrap_or_default();
        let msi = self.msi(key);
        let group = placement.as_ref().and_then(|placement| placement.group).map(|GroupId(id)| id);
        let flags = [(flags.ats, "pci-rc-ats"), (flags.canwbs, "pci-rc-canwbs")];
        let itself = bdf.and_then(|bdf| self.iommus.get(&bdf));
        let why_none = placement.as_ref().filter(|p| p.group.is_none()).map(|p| match (&p.how, itself) {
            (How::Untranslated { .. }, Some(iommu)) => {
                alloc::format!("it is the IOMMU {iommu} itself, which does not translate its own DMA")
            }
            (how, _) => why_none(how),
        });
        let refused_for = match kernel {
            KernelAnswer::RefusedAlias { owner: other }
            | KernelAnswer::RefusedOverlap { owner: other }
            | KernelAnswer::GroupLost { with: other } => Some(self.name(other)),
            KernelAnswer::Grouped
            | KernelAnswer::Untranslated
            | KernelAnswer::RefusedTwoGroups { .. }
            | KernelAnswer::RefusedMap
            | KernelAnswer::SmmuFails => None,
        };
        let assignable = match (group, &why_none, &refused_for) {
            (None, why, _) => Assignable::no(why.as_deref().unwrap_or("it has no group")),
            (_, _, Some(owner)) => {
                Assignable::no(alloc::format!("Linux refuses it: {owner} has the same StreamID"))
            }
            (Some(_), ..) => Assignable::of(self.groups, self.platform, key),
        };
        DeviceRecord {
            device_id: msi.as_ref().map(|msi| msi.id),
            msi_controller: msi.as_ref().map(|msi| msi.msi.clone()),
            name: None,
            class: bdf
                .and_then(|bdf| self.groups.topology().get(bdf))
                .map(|function| alloc::format!("{:#08x}", function.class)),
            assignable,
            ats: bdf.and_then(|bdf| self.ats(bdf)),
            device: self.name(key),
            bdf: bdf.as_ref().map(Bdf::to_string),
            aliases: aliases.map(|alias| u32::from(alias.rid.0)).collect(),
            iommu: fwspec.and_then(|fwspec| self.iommu(fwspec.iommu)),
            stream_ids: fwspec.iter().flat_map(|f| &f.ids).filter_map(|stream| stream.fwspec_id()).collect(),
            flags: flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect(),
            group,
            why_none,
            kernel_group: None,
            kernel_name: None,
            kernel: kernel.word(),
            refused_for,
            kernel_detail: kernel_detail(kernel, key, |device| self.name(device)),
            placed: bdf.and_then(|bdf| self.placed(bdf)),
            streams: fwspec.iter().flat_map(|f| &f.ids).filter_map(|stream| self.stream(stream)).collect(),
            msi,
            bypass: matches!(self.groups.why_none(key), Some(NoStream::Bypass { .. })),
        }
    }

    fn group(
        &self,
        group: &crate::group::IommuGroup<'_>,
        sharers: Option<&BTreeSet<DeviceKey>>,
    ) -> GroupRecord {
        let mut members: Vec<DeviceKey> = group.members().collect();
        members.sort_unstable();
        let sharers = sharers.into_iter().flatten().copied();
        let mut tainted_by: Vec<DeviceKey> = group.tainted_by().chain(sharers).collect();
        tainted_by.sort_unstable();
        let mut ties: Vec<Reason> = group.ties().collect();
        ties.sort_unstable_by_key(|reason| (reason.a.max(reason.b), reason.a.min(reason.b)));
        GroupRecord {
            id: group.id().0,
            leader: members.first().map(|leader| self.name(*leader)).unwrap_or_default(),
            members: members.into_iter().map(|member| self.name(member)).collect(),
            ties: ties.iter().map(|reason| self.tie(reason)).collect(),
            tainted_by: tainted_by.into_iter().map(|device| self.name(device)).collect(),
            assumed: group.assumed(),
        }
    }

    fn tie(&self, reason: &Reason) -> TieRecord {
        let iommu =
            |iommu: IommuIndex| self.groups.map().and_then(|map| map.name(iommu)).map(|l| l.to_string());
        let detail = match reason.tie {
            // Only here are IOMMUs and nodes called by their names.
            crate::group::Tie::SharedStreamId { iommu: at, id } => {
                alloc::format!("{} sees both as StreamID {id}", iommu(at).unwrap_or_default())
            }
            tie => tie.to_string(),
        };
        let [a, b] = [reason.a.min(reason.b), reason.a.max(reason.b)];
        TieRecord { a: self.name(a), b: self.name(b), kind: reason.tie.word(), detail }
    }
}

/// What a current Linux does with a device, in a sentence; `None` where that is what isolation requires.
pub(super) fn kernel_detail(
    answer: KernelAnswer,
    device: DeviceKey,
    name: impl Fn(DeviceKey) -> String,
) -> Option<String> {
    let whose = |other: DeviceKey| {
        if other == device {
            "another of its own".to_string()
        } else {
            alloc::format!("one of {}", name(other))
        }
    };
    Some(match answer {
        KernelAnswer::Grouped | KernelAnswer::Untranslated => return None,
        KernelAnswer::RefusedAlias { owner } => {
            alloc::format!("Linux refuses it: {} has the same StreamID", name(owner))
        }
        KernelAnswer::RefusedOverlap { owner } => {
            alloc::format!(
                "Linux refuses it (EINVAL): its StreamID and mask overlap those of {} without being contained in them",
                whose(owner)
            )
        }
        KernelAnswer::RefusedTwoGroups { one, other } => alloc::format!(
            "Linux refuses it (EINVAL): it shares StreamIDs with {} and with {}, which are in two groups",
            name(one),
            name(other)
        ),
        KernelAnswer::GroupLost { with } => alloc::format!(
            "Linux gives it a group of its own, although it shares a StreamID with {}, because its last StreamID decides",
            name(with)
        ),
        KernelAnswer::RefusedMap => "Linux refuses it: one of its aliases or specifiers fails".to_string(),
        KernelAnswer::SmmuFails => "its IOMMU fails to register in Linux".to_string(),
    })
}

fn why_none(how: &How) -> String {
    match how {
        How::Untranslated { why } => why.to_string(),
        How::Held { missing } => alloc::format!("on hold: {missing}"),
        How::Waiting { iommu } => alloc::format!("waiting for IOMMU {}", iommu.0),
        How::Refused { owner } => alloc::format!("it would widen group {owner}, which has an owner"),
        How::Created | How::Joined | How::Merged { .. } => "no group".to_string(),
    }
}
