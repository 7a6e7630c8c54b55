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
        ChangeRecord::Scope { iommu, scope, added } => format!("{} {iommu} is for {scope}\n", sign(added)),
        ChangeRecord::Ats { said, added } => format!("{} {said}\n", sign(added)),
        ChangeRecord::Alias { segment, first, last, before, after } => {
            let said = |alias: &Option<u16>| match alias {
                Some(alias) => format!("also sends as {}", RequesterId(*alias)),
                None => "sends as itself".to_string(),
            };
            format!("  {}\n-   {}\n+   {}\n", functions(*segment, *first, *last), said(before), said(after))
        }
        ChangeRecord::Requesters { segment, first, last, before, after } => {
            let range = functions(*segment, *first, *last);
            let [before, after] = both(before, after, first == last);
            format!("  {range}\n-   {before}\n+   {after}\n")
        }
        ChangeRecord::Master { name, streams, added } => {
            format!("{} {name}: {}\n", sign(added), streams.join(", "))
        }
        ChangeRecord::OnBus { bus, first, last, before, after } => {
            let [before, after] = both(before, after, first == last);
            format!("  {bus}: {}\n-   {before}\n+   {after}\n", ids(*first, *last))
        }
        ChangeRecord::OwnMsi { name, device_id, added } => {
            format!("{} {name}: own MSIs carry DeviceID {device_id:#x}\n", sign(added))
        }
        ChangeRecord::Fact { name, before, after, .. } => format!("  {name}\n-   {before}\n+   {after}\n"),
        ChangeRecord::Reserved { base, length, region, streams, devices, added } => {
            let streams = streams.iter();
            let streams = streams.map(|s| format!("StreamID {} of {}", ids(s.first, s.last), s.iommu));
            let streams: Vec<String> = streams.chain(devices.iter().cloned()).collect();
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

fn functions(segment: u32, first: u16, last: u16) -> String {
    let [first, last] = [first, last].map(RequesterId);
    let segment = Segment(segment);
    if first == last { format!("{segment}:{first}") } else { format!("{segment}:{first} - {last}") }
}

/// Both answers of a range of inputs. MSIs are printed where one side has an answer for them.
fn both(before: &AnswerRecord, after: &AnswerRecord, single: bool) -> [String; 2] {
    let with_msis = before.device_id.is_some() || after.device_id.is_some();
    [before, after].map(|answer| said(answer, single, with_msis))
}

fn said(answer: &AnswerRecord, single: bool, with_msis: bool) -> String {
    // Ids that do not count up are one for all inputs of the range.
    let range = |first: u32, last: Option<u32>| match last {
        Some(last) => ids(first, last),
        None if single => format!("{first:#x}"),
        None => format!("{first:#x} for all"),
    };
    let dma = match (&answer.iommu, answer.stream_id) {
        (None, _) if answer.needs_topology => "the bridges above it decide by which unit".to_string(),
        (None, _) => "untranslated".to_string(),
        (Some(iommu), id) => {
            let id = id.map_or_else(|| "all as one".to_string(), |id| range(id, answer.last_stream_id));
            let mask = if answer.mask == 0 { String::new() } else { format!(" mask {:#x}", answer.mask) };
            format!("StreamID {id}{mask} of {iommu}")
        }
    };
    let msi = match answer.device_id {
        _ if !with_msis => return dma,
        None => "no MSIs".to_string(),
        Some(id) => format!("DeviceID {}", range(id, answer.last_device_id)),
    };
    format!("{dma}, {msi}")
}
