//! Differences of two firmwares, for people.

use fwspec::diff::{Answer, Change, IommuName, Regrouped};
use fwspec::{Bdf, RequesterId};

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
