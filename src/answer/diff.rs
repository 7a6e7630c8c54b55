//! `fwspec.diff/1`: the differences of two firmwares as a document.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::diff::Regrouped;
use crate::diff::{Destination, Difference, IommuName, StreamAt};
use crate::{Bdf, DeviceKey, Groups, Platform};

use super::{Assignable, RemarkRecord, StreamSpan};

/// What `fwspec diff --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DiffDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What the user calls the first firmware.
    pub before: String,
    /// What the user calls the second.
    pub after: String,
    /// The dialect in which both were read.
    pub dialect: &'static str,
    /// Assumptions that the groups rest on; read them before relying on the groups.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// Nothing differs in meaning.
    pub equal: bool,
    /// What differs.
    pub changes: Vec<ChangeRecord>,
    /// In words, if the kernel requests ACS with one of the two firmwares and not with the other. The groups are then compared with
    /// the settings that each leads to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub acs: Option<String>,
}

/// A difference in meaning.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case"))]
pub enum ChangeRecord {
    /// An IOMMU that one side has only.
    Iommu {
        /// The address of its registers, or its name.
        iommu: String,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// What a unit is for (DMAR), or an I/O APIC or HPET whose interrupts it remaps (DMAR, IVRS), on one side only.
    Scope {
        /// The unit: the address of its registers, or its name.
        iommu: String,
        /// In words: `endpoint 0000:00:02.0`, `I/O APIC 8 as f0:1f.0 of segment 0000`.
        scope: String,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// What only one side says about ATS (DMAR, IVRS).
    Ats {
        /// In words.
        said: String,
        /// Whether it is the second side that says it.
        added: bool,
    },
    /// Functions that also send as another function, and not as the same one on both sides (IVRS).
    Alias {
        /// The segment.
        segment: u32,
        /// First function, as a requester ID.
        first: u16,
        /// Last function, inclusive.
        last: u16,
        /// As which requester ID they also send on the first side; null where they do not.
        before: Option<u16>,
        /// On the second.
        after: Option<u16>,
    },
    /// Requester IDs that go elsewhere; both answers are those of the first.
    Requesters {
        /// The segment.
        segment: u32,
        /// First requester ID.
        first: u16,
        /// Last requester ID, inclusive.
        last: u16,
        /// On the first side.
        before: AnswerRecord,
        /// On the second.
        after: AnswerRecord,
    },
    /// StreamIDs of a platform device that one side has only.
    Master {
        /// What its side calls it.
        name: String,
        /// Its StreamIDs, in words.
        streams: Vec<String>,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// Ids on a bus other than PCI that go elsewhere; both answers are those of the first.
    OnBus {
        /// What the firmware calls the bus.
        bus: String,
        /// First id.
        first: u32,
        /// Last id, inclusive.
        last: u32,
        /// On the first side.
        before: AnswerRecord,
        /// On the second.
        after: AnswerRecord,
    },
    /// A DeviceID of a node's own MSIs that one side has only.
    OwnMsi {
        /// What its side calls the node.
        name: String,
        /// The DeviceID.
        device_id: u32,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// What firmware says about the DMA of a device that both sides have, apart from where it goes.
    Fact {
        /// What the first side calls it; for a PCI host its segment.
        name: String,
        /// What it is about: `coherent`, `dma-limit`, `pasid-bits`, `can-stall`; of a function `ats`, `assignable`.
        fact: &'static str,
        /// On the first side, in words.
        before: String,
        /// On the second.
        after: String,
    },
    /// Reserved memory that one side has only.
    Reserved {
        /// First address.
        base: u64,
        /// Length in bytes.
        length: u64,
        /// What may be done with it, as [`RegionKind`](crate::model::RegionKind) words it.
        region: &'static str,
        /// The StreamIDs that it is for.
        streams: Vec<StreamSpan>,
        /// The PCI functions that it is for, in words (DMAR, IVRS).
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
        devices: Vec<String>,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// Functions that are a group on one side only.
    Group {
        /// The functions, ascending.
        members: Vec<String>,
        /// They have a group; otherwise no IOMMU translates them, and they are in none.
        grouped: bool,
        /// Whether it is the second side that has it so.
        added: bool,
    },
}

/// Where the DMA and the MSIs of an input go.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AnswerRecord {
    /// The IOMMU that translates it, by the address of its registers or its name; null where none does.
    pub iommu: Option<String>,
    /// The StreamID; null also where the IOMMU does not tell masters apart.
    pub stream_id: Option<u32>,
    /// The DeviceID of its MSIs.
    pub device_id: Option<u32>,
    /// The StreamID of the last input of the range, where ids count up.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub last_stream_id: Option<u32>,
    /// The DeviceID of the MSIs of the last input of the range, where ids count up.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub last_device_id: Option<u32>,
    /// Whether the bridges above the function decide which unit translates it (DMAR): the machine's functions would show it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub needs_topology: bool,
    /// StreamID bits that the IOMMU ignores. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub mask: u16,
}

impl DiffDocument {
    /// The document of these changes; `groups` are those of the devices of a machine, where they are known.
    ///
    /// ```
    /// use fwspec::answer::DiffDocument;
    /// let document = DiffDocument::new(["before.dtb", "after.dtb"], "linux", &[], &[]);
    /// assert!(document.equal);
    /// ```
    pub fn new(
        files: [&str; 2],
        dialect: &'static str,
        changes: &[Difference],
        groups: &[Regrouped],
    ) -> Self {
        let regrouped = groups.iter().map(|set| ChangeRecord::Group {
            members: set.members.iter().map(Bdf::to_string).collect(),
            grouped: set.grouped,
            added: set.added,
        });
        DiffDocument {
            schema: "fwspec.diff/1",
            before: files[0].to_string(),
            after: files[1].to_string(),
            dialect,
            remarks: Vec::new(),
            equal: changes.is_empty() && groups.is_empty(),
            changes: changes.iter().map(record).chain(regrouped).collect(),
            acs: None,
        }
    }

    /// Adds the differences between the two firmwares for the functions of a machine: whether they can be assigned (VFIO), and whether they
    /// may use ATS (DMAR, IVRS, and root complexes). Functions that only one of them gives a group are skipped: the groups show that.
    ///
    /// ```
    /// use fwspec::acpi::dmar::{Builder, Dmar};
    /// use fwspec::answer::DiffDocument;
    /// use fwspec::{Device, Dialect, Groups, IdMap};
    /// let mut table = Builder::new(46);
    /// table.unit(0, 0xfed9_0000).include_all();
    /// let machine = |table: &Builder| {
    ///     let bytes = table.finish();
    ///     let platform = Dmar::parse(&bytes).unwrap().platform();
    ///     let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
    ///     groups.add(Device::endpoint("00:03.0".parse().unwrap())).unwrap();
    ///     (platform, groups)
    /// };
    /// let before = machine(&table);
    /// table.memory(0, 0x7b80_0000..=0x7b80_0fff).endpoint(0, [(3, 0)]);
    /// let after = machine(&table);
    /// let mut document = DiffDocument::new(["before", "after"], "linux", &[], &[]);
    /// document.note_functions([(&before.0, &before.1), (&after.0, &after.1)]);
    /// assert_eq!(document.changes.len(), 1);
    /// ```
    pub fn note_functions(&mut self, sides: [(&Platform, &Groups); 2]) {
        let [(_, ours), _] = sides;
        let mut functions: Vec<Bdf> = ours
            .devices()
            .filter_map(|device| match device {
                DeviceKey::Pci(bdf) => Some(bdf),
                DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
            })
            .collect();
        functions.sort_unstable();
        for function in functions {
            if sides.iter().any(|(_, groups)| groups.group_of(function.into()).is_none()) {
                continue;
            }
            let assignable =
                sides.map(|(platform, groups)| Assignable::of(groups, Some(platform), function.into()));
            if assignable[0].meaning() != assignable[1].meaning() {
                let [before, after] = assignable.map(|said| match said.why_not() {
                    None => "can be assigned".to_string(),
                    Some(why_not) => format!("cannot be assigned: {why_not}"),
                });
                self.fact(function, "assignable", before, after);
            }
            let ats = sides.map(|(platform, groups)| match groups.ats_of(platform, function) {
                None => "nothing says whether ATS is allowed".to_string(),
                Some(ats) => format!("ATS{}: {}", if ats.allowed { "" } else { " not allowed" }, ats.reason),
            });
            let [before, after] = ats;
            if before != after {
                self.fact(function, "ats", before, after);
            }
        }
    }

    fn fact(&mut self, function: Bdf, fact: &'static str, before: String, after: String) {
        self.changes.push(ChangeRecord::Fact { name: function.to_string(), fact, before, after });
        self.equal = false;
    }

    /// Says with which firmware Linux requests ACS, where it does so with only one of the two: the name of the kernel function that
    /// requests it, or `None`.
    ///
    /// ```
    /// use fwspec::answer::DiffDocument;
    /// let mut document = DiffDocument::new(["fdt.dtb", "rimt.bin"], "linux", &[], &[]);
    /// document.note_acs([Some("of_iommu_configure"), None]);
    /// assert!(document.acs.unwrap().starts_with("with fdt.dtb Linux requests ACS (of_iommu_configure)"));
    /// ```
    pub fn note_acs(&mut self, asks: [Option<&str>; 2]) {
        let (with, by, without) = match asks {
            [Some(by), None] => (&self.before, by, &self.after),
            [None, Some(by)] => (&self.after, by, &self.before),
            [None, None] | [Some(_), Some(_)] => return,
        };
        self.acs = Some(format!(
            "with {with} Linux requests ACS ({by}), with {without} it does not: groups are compared with ACS on for the one and off for the other"
        ));
    }
}

fn record(change: &Difference) -> ChangeRecord {
    let answer = |answer: &Destination| AnswerRecord {
        iommu: answer.stream.as_ref().map(|stream| name(&stream.iommu)),
        stream_id: answer.stream.as_ref().and_then(|stream| stream.id).map(|id| id.0),
        device_id: answer.device.map(|device| device.id.0),
        last_stream_id: answer.last_stream.map(|id| id.0),
        last_device_id: answer.last_device.map(|id| id.0),
        needs_topology: answer.needs_topology,
        mask: answer.stream.as_ref().map_or(0, |stream| stream.mask),
    };
    match change {
        Difference::Iommu { name: iommu, added } => ChangeRecord::Iommu { iommu: name(iommu), added: *added },
        Difference::Scope { iommu, scope, added } => {
            ChangeRecord::Scope { iommu: name(iommu), scope: scope.clone(), added: *added }
        }
        Difference::Ats { said, added } => ChangeRecord::Ats { said: said.clone(), added: *added },
        Difference::Alias { segment, first, last, before, after } => ChangeRecord::Alias {
            segment: segment.0,
            first: first.0,
            last: last.0,
            before: before.map(|rid| rid.0),
            after: after.map(|rid| rid.0),
        },
        Difference::Requesters { segment, first, last, before, after } => ChangeRecord::Requesters {
            segment: segment.0,
            first: first.0,
            last: last.0,
            before: answer(before),
            after: answer(after),
        },
        Difference::Master { name, streams, added } => ChangeRecord::Master {
            name: name.clone(),
            streams: streams.iter().map(stream).collect(),
            added: *added,
        },
        Difference::OnBus { bus, ids, before, after } => ChangeRecord::OnBus {
            bus: bus.clone(),
            first: ids.first,
            last: ids.last,
            before: answer(before),
            after: answer(after),
        },
        Difference::OwnMsi { name, id, added } => {
            ChangeRecord::OwnMsi { name: name.clone(), device_id: id.0, added: *added }
        }
        Difference::Fact { name, fact, before, after } => {
            ChangeRecord::Fact { name: name.clone(), fact, before: before.clone(), after: after.clone() }
        }
        Difference::Reserved { base, length, kind, streams, devices, added } => {
            let streams = streams.iter();
            let streams = streams.map(|streams| StreamSpan {
                first: streams.first.0,
                last: streams.last.0,
                iommu: name(&streams.iommu),
            });
            ChangeRecord::Reserved {
                base: *base,
                length: *length,
                region: kind,
                streams: streams.collect(),
                devices: devices.clone(),
                added: *added,
            }
        }
    }
}

fn name(iommu: &IommuName) -> String {
    match iommu {
        IommuName::Base(base) => format!("{base:#x}"),
        IommuName::Label(label) => label.clone(),
    }
}

fn stream(StreamAt { iommu, id, mask }: &StreamAt) -> String {
    let id = id.map_or_else(|| "all as one".to_string(), |id| id.to_string());
    let mask = if *mask == 0 { String::new() } else { format!(" mask {mask:#x}") };
    format!("StreamID {id}{mask} of {}", name(iommu))
}
