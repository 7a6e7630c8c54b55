//! Answers to single questions, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::{Bdf, RequesterId, Segment};

use fwspec::answer::{Answer, LookupResult};
use fwspec::lint::audit::IdKind;

use super::Style;

/// Functions that send one id and are named.
const MAX_SENDERS: usize = 16;

/// The text of `fwspec lookup`.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::LookupResult;
/// use fwspec::machine::Firmware;
/// use fwspec::{Dialect, IdMap};
/// use fwspec_report::text::{self, Style};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
/// let firmware = Firmware::open("iort.bin", table.finish())?;
/// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
/// let result = LookupResult::new("00:01.0", &"00:01.0".parse().unwrap(), &firmware, &map);
/// assert!(text::lookup(&[result], Style::default()).contains("0x108"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn lookup(results: &[LookupResult], style: Style) -> String {
    let several = results.iter().any(|result| result.dialect.is_some());
    let titles = ["query", "dialect", "StreamID", "IOMMU", "DeviceID", "MSI controller", "note"];
    let shown: Vec<_> = titles.iter().copied().filter(|title| several || *title != "dialect").collect();
    let mut table = style.table(&shown).with_prose();
    for alike in results.chunk_by(|a, b| a.query == b.query) {
        for (result, dialects) in agreeing(alike) {
            let mut first = Some([result.query.clone(), dialects, result.reason.clone().unwrap_or_default()]);
            for [stream, iommu, device, msi] in rows(&result.answer) {
                let [query, dialects, reason] = first.take().unwrap_or_default();
                let left = core::iter::once(query).chain(several.then_some(dialects));
                table.add_row(left.chain([stream, iommu, device, msi, style.alarm(&reason)]));
            }
        }
    }
    table.lines()
}

/// Answers to one question, those that are equal together, each with the dialects that give it.
fn agreeing(results: &[LookupResult]) -> Vec<(&LookupResult, String)> {
    let mut groups: Vec<(&LookupResult, String)> = Vec::new();
    for result in results {
        let name = result.dialect.unwrap_or_default();
        let same = |(other, _): &&mut (&LookupResult, String)| {
            rows(&other.answer) == rows(&result.answer) && other.reason == result.reason
        };
        match groups.iter_mut().find(same) {
            Some((_, names)) => {
                names.push('\n');
                names.push_str(name);
            }
            None => groups.push((result, name.to_string())),
        }
    }
    if let ([(_, names)], 2..) = (groups.as_mut_slice(), results.len()) {
        *names = "all".to_string();
    }
    groups
}

fn rows(answer: &Answer) -> Vec<[String; 4]> {
    let hex = |id: Option<u32>| id.map(|id| format!("{id:#x}")).unwrap_or_default();
    match answer {
        Answer::OnBus { stream_id, iommu, device_id, msi, msi_as, mask, .. } => {
            let mask = masked(*mask);
            let iommu = iommu.clone().unwrap_or_default();
            let stream = if iommu.is_empty() { String::new() } else { id_or_none(*stream_id) };
            let sends_as = msi_as.as_ref().map(|alias| format!(" as {alias}")).unwrap_or_default();
            let device = hex(*device_id) + &sends_as;
            alloc::vec![[stream + &mask, iommu, device, msi.clone().unwrap_or_default()]]
        }
        Answer::Node { streams, devices, .. } => (0..streams.len().max(devices.len()).max(1))
            .map(|line| {
                let stream = streams.get(line);
                let device = devices.get(line);
                [
                    stream.map(|stream| id_or_none(stream.id) + &masked(stream.mask)).unwrap_or_default(),
                    stream.map(|stream| stream.iommu.to_string()).unwrap_or_default(),
                    hex(device.map(|device| device.id)),
                    device.map(|device| device.msi.to_string()).unwrap_or_default(),
                ]
            })
            .collect(),
        Answer::Sources { sources, functions, .. }
            if sources.is_empty() && functions.as_ref().is_none_or(Vec::is_empty) =>
        {
            alloc::vec![Default::default()]
        }
        Answer::Sources { kind, sources, functions } => {
            let from = sources.iter().map(|source| {
                let id = |id: u32| function(source.segment, id).unwrap_or_else(|| format!("{id:#x}"));
                let inputs = match (source.first, source.last) {
                    (Some(first), Some(last)) if first == last => {
                        format!("{} on {}", id(first), source.requester)
                    }
                    (Some(first), Some(last)) => {
                        format!("{} - {} on {}", id(first), id(last), source.requester)
                    }
                    _ => source.requester.clone(),
                };
                [format!("from {inputs}"), source.target.clone()]
            });
            let senders = functions.as_deref().unwrap_or_default();
            let by = senders.iter().take(MAX_SENDERS).map(|sender| {
                let sends_as = sender.sends_as.as_ref().map(|alias| format!(" as {alias}"));
                [
                    format!("sent by {}{}", sender.function, sends_as.unwrap_or_default()),
                    sender.target.clone(),
                ]
            });
            let more = senders.len().saturating_sub(MAX_SENDERS);
            let more = (more > 0).then(|| [format!("sent by {more} more functions"), String::new()]);
            let place = |[id, at]: [String; 2]| match kind {
                IdKind::Stream => [id, at, String::new(), String::new()],
                IdKind::Device => [String::new(), String::new(), id, at],
            };
            from.chain(by).chain(more).map(place).collect()
        }
    }
}

/// The StreamID bits that do not count.
fn masked(mask: Option<u16>) -> String {
    mask.map(|mask| format!(" mask {mask:#x}")).unwrap_or_default()
}

/// An id of a record: an IOMMU that does not tell masters apart gives none.
fn id_or_none(id: Option<u32>) -> String {
    id.map_or_else(|| "no id".to_string(), |id| format!("{id:#x}"))
}

/// An input of a PCI host, as people write it.
fn function(segment: Option<u32>, id: u32) -> Option<String> {
    let rid = RequesterId(u16::try_from(id).ok()?);
    Some(Bdf { segment: Segment(segment?), rid }.to_string())
}
