//! Differences of two firmwares, for people.

use fwspec::RequesterId;
use fwspec::Segment;
use fwspec::answer::{AnswerRecord, ChangeRecord, DiffDocument};

/// One line a change; `-` is what the first firmware has, `+` what the second has.
///
/// ```
/// use fwspec::answer::DiffDocument;
/// let document = DiffDocument::new(["before.dtb", "after.dtb"], "linux", &[], &[]);
/// assert_eq!(fwspec_report::changes(&document), "");
/// ```
pub fn changes(document: &DiffDocument) -> String {
    let acs = document.acs.iter().map(|words| format!("# {words}\n"));
    let remarks = document.remarks.iter().map(|remark| format!("# {}\n", remark.text));
    remarks.chain(acs).chain(document.changes.iter().map(change)).collect()
}

fn change(change: &ChangeRecord) -> String {
    let sign = |added: &bool| if *added { '+' } else { '-' };
    match change {
        ChangeRecord::Iommu { iommu, added } => format!("{} IOMMU {iommu}\n", sign(added)),
        ChangeRecord::Requesters { segment, first, last, before, after } => {
            let range = match first == last {
                true => RequesterId(*first).to_string(),
                false => format!("{} - {}", RequesterId(*first), RequesterId(*last)),
            };
            format!("  {}:{range}\n-   {}\n+   {}\n", Segment(*segment), said(before), said(after))
        }
        ChangeRecord::Master { name, streams, added } => {
            format!("{} {name}: {}\n", sign(added), streams.join(", "))
        }
        ChangeRecord::OnBus { bus, first, last, before, after } => {
            format!("  {bus}: {}\n-   {}\n+   {}\n", ids(*first, *last), said(before), said(after))
        }
        ChangeRecord::OwnMsi { name, device_id, added } => {
            format!("{} {name}: own MSIs carry DeviceID {device_id:#x}\n", sign(added))
        }
        ChangeRecord::Fact { name, before, after, .. } => format!("  {name}\n-   {before}\n+   {after}\n"),
        ChangeRecord::Reserved { base, length, region, streams, added } => {
            let streams = streams.iter();
            let streams = streams.map(|s| format!("StreamID {} of {}", ids(s.first, s.last), s.iommu));
            let streams: Vec<String> = streams.collect();
            let whom =
                if streams.is_empty() { String::new() } else { format!(" for {}", streams.join(", ")) };
            format!("{} reserved {base:#x} length {length:#x}, {region}{whom}\n", sign(added))
        }
        ChangeRecord::Group { members, grouped, added } => {
            let what = if *grouped { "group" } else { "no group" };
            format!("{} {what}: {}\n", sign(added), members.join(", "))
        }
    }
}

fn ids(first: u32, last: u32) -> String {
    if first == last { format!("{first:#x}") } else { format!("{first:#x} - {last:#x}") }
}

fn said(answer: &AnswerRecord) -> String {
    let dma = answer.iommu.as_ref().map_or_else(
        || "untranslated".to_string(),
        |iommu| {
            let id = answer.stream_id.map_or_else(|| "all as one".to_string(), |id| format!("{id:#x}"));
            let mask = if answer.mask == 0 { String::new() } else { format!(" mask {:#x}", answer.mask) };
            format!("StreamID {id}{mask} of {iommu}")
        },
    );
    let msi = answer.device_id.map_or_else(|| "no MSIs".to_string(), |id| format!("DeviceID {id:#x}"));
    format!("{dma}, {msi}")
}
