//! `fwspec.diff/1`: the differences of two firmwares as a document.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Bdf;
use crate::diff::Regrouped;
use crate::diff::{Answer, Change, IommuName};

use super::StreamSpan;

/// What `fwspec diff --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiffDocument {
    schema: &'static str,
    before: String,
    after: String,
    dialect: &'static str,
    equal: bool,
    changes: Vec<ChangeRecord>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case"))]
enum ChangeRecord {
    Iommu { iommu: String, added: bool },
    Requesters { segment: u32, first: u16, last: u16, before: AnswerRecord, after: AnswerRecord },
    Master { name: String, streams: Vec<String>, added: bool },
    OnBus { bus: String, first: u32, last: u32, before: AnswerRecord, after: AnswerRecord },
    Reserved { base: u64, length: u64, region: &'static str, streams: Vec<StreamSpan>, added: bool },
    Group { members: Vec<String>, grouped: bool, added: bool },
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct AnswerRecord {
    iommu: Option<String>,
    stream_id: Option<u32>,
    device_id: Option<u32>,
}

impl DiffDocument {
    /// The document of these changes; `groups` are those of the devices of a machine, where they are known.
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
            equal: changes.is_empty() && groups.is_empty(),
            changes: changes.iter().map(record).chain(regrouped).collect(),
        }
    }
}

fn record(change: &Change) -> ChangeRecord {
    let answer = |answer: &Answer| AnswerRecord {
        iommu: answer.stream.as_ref().map(|(iommu, ..)| name(iommu)),
        stream_id: answer.stream.as_ref().and_then(|(_, id, _)| *id),
        device_id: answer.device.map(|(_, id)| id),
    };
    match change {
        Change::Iommu { name: iommu, added } => ChangeRecord::Iommu { iommu: name(iommu), added: *added },
        Change::Requesters { segment, first, last, before, after } => ChangeRecord::Requesters {
            segment: segment.0,
            first: *first,
            last: *last,
            before: answer(before),
            after: answer(after),
        },
        Change::Master { name, streams, added } => ChangeRecord::Master {
            name: name.clone(),
            streams: streams.iter().map(stream).collect(),
            added: *added,
        },
        Change::OnBus { bus, first, last, before, after } => ChangeRecord::OnBus {
            bus: bus.clone(),
            first: *first,
            last: *last,
            before: answer(before),
            after: answer(after),
        },
        Change::Reserved { base, length, kind, streams, added } => {
            let streams = streams.iter();
            let streams = streams.map(|(iommu, first, last)| StreamSpan {
                first: *first,
                last: *last,
                iommu: name(iommu),
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

fn stream((iommu, id, mask): &(IommuName, Option<u32>, u16)) -> String {
    let id = id.map_or_else(|| "all as one".to_string(), |id| format!("{id:#x}"));
    let mask = if *mask == 0 { String::new() } else { format!(" mask {mask:#x}") };
    format!("StreamID {id}{mask} of {}", name(iommu))
}
