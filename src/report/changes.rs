//! Differences of two firmwares, as text and as `fwspec.diff/1`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use schemars::JsonSchema;
use serde::Serialize;

use crate::group::Regrouped;
use crate::map::{Answer, Change, IommuName};
use crate::report::json::StreamSpan;
use crate::{Bdf, RequesterId};

/// What `fwspec diff --json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffDocument {
    schema: &'static str,
    before: String,
    after: String,
    dialect: &'static str,
    equal: bool,
    changes: Vec<ChangeRecord>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ChangeRecord {
    Iommu { iommu: String, added: bool },
    Requesters { segment: u32, first: u16, last: u16, before: AnswerRecord, after: AnswerRecord },
    Master { name: String, streams: Vec<String>, added: bool },
    OnBus { bus: String, first: u32, last: u32, before: AnswerRecord, after: AnswerRecord },
    Reserved { base: u64, length: u64, region: &'static str, streams: Vec<StreamSpan>, added: bool },
    Group { members: Vec<String>, grouped: bool, added: bool },
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
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

/// One line a change; `-` is what the first firmware has, `+` what the second has.
pub fn changes(changes: &[Change], groups: &[Regrouped]) -> String {
    let mut text = String::new();
    let sign = |added: bool| if added { '+' } else { '-' };
    for change in changes {
        match change {
            Change::Iommu { name: iommu, added } => {
                text.push_str(&format!("{} IOMMU {}\n", sign(*added), name(iommu)))
            }
            Change::Requesters { segment, first, last, before, after } => {
                let range = match first == last {
                    true => RequesterId(*first).to_string(),
                    false => format!("{} - {}", RequesterId(*first), RequesterId(*last)),
                };
                text.push_str(&format!("  {segment}:{range}\n-   {}\n+   {}\n", said(before), said(after)));
            }
            Change::Master { name, streams, added } => {
                let ids: Vec<_> = streams.iter().map(stream).collect();
                text.push_str(&format!("{} {name}: {}\n", sign(*added), ids.join(", ")));
            }
            Change::OnBus { bus, first, last, before, after } => {
                let range =
                    if first == last { format!("{first:#x}") } else { format!("{first:#x} - {last:#x}") };
                text.push_str(&format!("  {bus}: {range}\n-   {}\n+   {}\n", said(before), said(after)));
            }
            Change::Reserved { base, length, kind, streams, added } => {
                let whom: Vec<String> = streams
                    .iter()
                    .map(|(iommu, first, last)| {
                        let ids = if first == last {
                            format!("{first:#x}")
                        } else {
                            format!("{first:#x} - {last:#x}")
                        };
                        format!("StreamID {ids} of {}", name(iommu))
                    })
                    .collect();
                let whom = if whom.is_empty() { String::new() } else { format!(" for {}", whom.join(", ")) };
                text.push_str(&format!(
                    "{} reserved {base:#x} length {length:#x}, {kind}{whom}\n",
                    sign(*added)
                ));
            }
        }
    }
    for set in groups {
        let members: Vec<String> = set.members.iter().map(Bdf::to_string).collect();
        let what = if set.grouped { "group" } else { "no group" };
        text.push_str(&format!("{} {what}: {}\n", sign(set.added), members.join(", ")));
    }
    text
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

fn said(answer: &Answer) -> String {
    let dma = answer.stream.as_ref().map_or_else(|| "untranslated".to_string(), stream);
    let msi = answer.device.map_or_else(|| "no MSIs".to_string(), |(_, id)| format!("DeviceID {id:#x}"));
    format!("{dma}, {msi}")
}
