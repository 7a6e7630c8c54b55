//! What `show --json` prints says the same as the model it was made from.

use fwspec::answer::PlatformDocument;
use fwspec::diff::{Side, diff};
use fwspec::machine::Firmware;
use fwspec::map::{InputRange, RangeOutput};
use fwspec::model::RequesterKind;
use fwspec::{Dialect, IdMap, RequesterIndex};
use serde_json::Value;

/// The highest requester ID: a document lists no input above it.
const LAST_RID: u32 = 0xffff;

/// Bytes to model to JSON, and the JSON back to the answers of the model: every IOMMU, requester, range and id.
pub fn report_json(bytes: &[u8]) {
    let Ok(firmware) = Firmware::open("fuzz", bytes.to_vec()) else { return };
    for dialect in [Dialect::LINUX, Dialect::SPEC, Dialect::FREEBSD] {
        let map = IdMap::build(&firmware.platform, dialect);
        let document = PlatformDocument::new(&firmware, &map);
        let text = serde_json::to_string(&document).expect("every document can be written");
        let read: Value = serde_json::from_str(&text).expect("and read again");
        says_the_same(&read, &firmware, &map);
        let side = Side { platform: &firmware.platform, map: &map };
        let changes = diff(side, side, |_| true);
        assert!(changes.is_empty(), "a firmware differs from itself: {changes:?}");
    }
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {of}"))
}

fn number(of: &Value, key: &str) -> Option<u32> {
    of[key].as_u64().map(|number| u32::try_from(number).expect("32 bits"))
}

fn says_the_same(document: &Value, firmware: &Firmware, map: &IdMap) {
    let platform = &firmware.platform;
    assert_eq!(document["schema"], "fwspec.platform/1");
    assert_eq!(document["dialect"], map.dialect().name);
    assert_eq!(list(document, "skipped").len(), platform.skipped.len());
    for (said, error) in list(document, "skipped").iter().zip(&platform.skipped) {
        assert_eq!(number(said, "offset"), Some(error.at.offset));
    }
    assert_eq!(list(document, "iommus").len(), platform.iommus.len());
    for (said, iommu) in list(document, "iommus").iter().zip(&platform.iommus) {
        assert_eq!(said["id"], platform.label(iommu.origin).to_string());
        assert_eq!(said["base"].as_u64(), iommu.base);
    }
    assert_eq!(list(document, "requesters").len(), platform.requesters.len());
    for ((said, requester), at) in list(document, "requesters").iter().zip(&platform.requesters).zip(0..) {
        assert_eq!(said["id"], platform.label(requester.origin).to_string());
        if matches!(requester.kind, RequesterKind::Bus(_)) {
            ranges_are_those_of(map, at, said);
        } else if let Some(streams) = said["streams"].as_array() {
            let ids: Vec<Option<u32>> = streams.iter().map(|stream| number(stream, "id")).collect();
            let record = map
                .fwspec(RequesterIndex(at).into())
                .fwspec
                .map(|record| record.ids.to_vec())
                .unwrap_or_default();
            let master = matches!(requester.kind, RequesterKind::Master(_));
            let own: Vec<_> = if master { map.own_streams(RequesterIndex(at)).to_vec() } else { record };
            assert_eq!(ids, own.iter().map(|stream| stream.id.map(|id| id.0)).collect::<Vec<_>>());
        }
    }
}

/// The ranges of the document are disjoint, in order, and answer as the look-up does at their ends; beside them it has nothing.
fn ranges_are_those_of(map: &IdMap, requester: u32, said: &Value) {
    let ranges: Vec<InputRange> = map.stream_ranges(RequesterIndex(requester), LAST_RID).collect();
    assert_eq!(list(said, "stream_ranges").len(), ranges.len());
    let mask = number(said, "mask").unwrap_or(u32::MAX);
    let mut next = 0;
    for (said, range) in list(said, "stream_ranges").iter().zip(&ranges) {
        let (first, last) = (number(said, "first").unwrap(), number(said, "last").unwrap());
        assert_eq!((first, last), (range.first, range.last));
        assert!(next <= first && first <= last && last <= LAST_RID, "{first:#x}..={last:#x} after {next:#x}");
        if next < first && next & !mask == 0 {
            // DMA that bypasses every IOMMU is not listed, and is not translated either.
            assert!(map.stream_from(RequesterIndex(requester), next).is_err(), "{next:#x} is in no range");
        }
        next = last + 1;
        for id in [first, last].into_iter().filter(|id| id & !mask == 0) {
            let found = map.stream_from(RequesterIndex(requester), id);
            match &range.output {
                RangeOutput::NeedsTopology => assert!(found.is_err() && said["needs_topology"] == true),
                RangeOutput::Errno(_) => assert!(found.is_err() && said["errno"].is_string()),
                RangeOutput::Stream { .. } => {
                    let output = number(said, "output");
                    let constant = said["constant"].as_bool().unwrap_or(false);
                    let wanted =
                        output.map(|output| if constant { output } else { output.wrapping_add(id - first) });
                    // An IOMMU that may not be used answers nothing, and is listed anyway.
                    if let Ok(found) = found {
                        assert_eq!(found.id.map(|id| id.0), wanted, "{id:#x} in {said}");
                        let label = map.name(found.iommu).map(|label| label.to_string());
                        assert_eq!(said["iommu"].as_str().map(str::to_owned), label);
                    }
                }
                _ => panic!("no StreamID: {range:?}"),
            }
        }
    }
}
