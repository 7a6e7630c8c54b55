//! `fwspec.diff/1`: the differences of two firmwares as a document.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Bdf;
use crate::diff::Regrouped;
use crate::diff::{Answer, Change, IommuName, StreamAt};

use super::{RemarkRecord, StreamSpan};

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
    /// Whose reading both are compared in.
    pub dialect: &'static str,
    /// What has to be known before the groups are believed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// Nothing differs in meaning.
    pub equal: bool,
    /// What differs.
    pub changes: Vec<ChangeRecord>,
    /// Where the kernel asks for ACS by one of the two firmwares and not by the other: which, in words. The groups are compared as
    /// each leaves the ports then.
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
    /// What firmware says of the DMA of a device that both sides have, beside where it goes.
    Fact {
        /// What the first side calls it; for a PCI host its segment.
        name: String,
        /// What it is about: `coherent`, `dma-limit`, `pasid-bits`, `can-stall`.
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
    pub fn new(files: [&str; 2], dialect: &'static str, changes: &[Change], groups: &[Regrouped]) -> Self {
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

    /// Says by which of the two firmwares Linux asks for ACS, where that is one of them only: the name of the kernel function, or `None`
    /// where nothing asks.
    ///
    /// ```
    /// use fwspec::answer::DiffDocument;
    /// let mut document = DiffDocument::new(["fdt.dtb", "rimt.bin"], "linux", &[], &[]);
    /// document.note_acs([Some("of_iommu_configure"), None]);
    /// assert!(document.acs.unwrap().starts_with("by fdt.dtb Linux asks for ACS (of_iommu_configure)"));
    /// ```
    pub fn note_acs(&mut self, asks: [Option<&str>; 2]) {
        let (with, by, without) = match asks {
            [Some(by), None] => (&self.before, by, &self.after),
            [None, Some(by)] => (&self.after, by, &self.before),
            [None, None] | [Some(_), Some(_)] => return,
        };
        self.acs = Some(format!(
            "by {with} Linux asks for ACS ({by}), by {without} nothing does: groups are compared with it on and off"
        ));
    }
}

fn record(change: &Change) -> ChangeRecord {
    let answer = |answer: &Answer| AnswerRecord {
        iommu: answer.stream.as_ref().map(|stream| name(&stream.iommu)),
        stream_id: answer.stream.as_ref().and_then(|stream| stream.id).map(|id| id.0),
        device_id: answer.device.map(|device| device.id.0),
        mask: answer.stream.as_ref().map_or(0, |stream| stream.mask),
    };
    match change {
        Change::Iommu { name: iommu, added } => ChangeRecord::Iommu { iommu: name(iommu), added: *added },
        Change::Requesters { segment, first, last, before, after } => ChangeRecord::Requesters {
            segment: segment.0,
            first: first.0,
            last: last.0,
            before: answer(before),
            after: answer(after),
        },
        Change::Master { name, streams, added } => ChangeRecord::Master {
            name: name.clone(),
            streams: streams.iter().map(stream).collect(),
            added: *added,
        },
        Change::OnBus { bus, ids, before, after } => ChangeRecord::OnBus {
            bus: bus.clone(),
            first: ids.first,
            last: ids.last,
            before: answer(before),
            after: answer(after),
        },
        Change::OwnMsi { name, id, added } => {
            ChangeRecord::OwnMsi { name: name.clone(), device_id: id.0, added: *added }
        }
        Change::Fact { name, fact, before, after } => {
            ChangeRecord::Fact { name: name.clone(), fact, before: before.clone(), after: after.clone() }
        }
        Change::Reserved { base, length, kind, streams, added } => {
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
