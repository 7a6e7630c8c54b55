//! Lines of a kernel log that name a StreamID.

use crate::StreamId;

/// What a line of a kernel log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The StreamID that it is about.
    pub stream: StreamId,
    /// What the message means.
    pub meaning: &'static str,
}

/// Events of an SMMUv3 (Arm IHI0070 §7.3).
const EVENTS: [(u32, &str); 15] = [
    (0x01, "F_UUT: a transaction that no SMMU may pass on"),
    (
        0x02,
        "C_BAD_STREAMID: the StreamID is beyond the stream table, which Linux fills only for devices it knows",
    ),
    (0x03, "F_STE_FETCH: the stream table entry could not be read"),
    (0x04, "C_BAD_STE: the stream table entry makes no sense; for a StreamID of no known device it is empty"),
    (0x05, "F_BAD_ATS_TREQ: a translation request from a device that may not send any"),
    (0x06, "F_STREAM_DISABLED: the entry says that this device may not send without a PASID"),
    (0x07, "F_TRANSL_FORBIDDEN: the device claims a translated address and may not"),
    (0x08, "C_BAD_SUBSTREAMID: the PASID is beyond what was set up"),
    (0x09, "F_CD_FETCH: the context descriptor could not be read"),
    (0x0a, "C_BAD_CD: the context descriptor makes no sense"),
    (0x0b, "F_WALK_EABT: a page table could not be read"),
    (0x10, "F_TRANSLATION: no mapping for the address; the driver has not mapped it, or no longer"),
    (0x11, "F_ADDR_SIZE: the address is wider than the tables"),
    (0x12, "F_ACCESS: the access flag is off"),
    (0x13, "F_PERMISSION: the mapping does not allow the access"),
];

/// Understands a line of the SMMU drivers of Linux: events and "Aliasing StreamID" of an SMMUv3, context and global faults
/// of an SMMUv1/v2.
///
/// ```
/// use fwspec::{StreamId, input::log_line};
/// let line = log_line("arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x5e200").unwrap();
/// assert_eq!(line.stream, StreamId(0x5e200));
/// assert!(log_line("usb 1-1: new high-speed USB device").is_none());
/// ```
pub fn log_line(text: &str) -> Option<LogLine> {
    let id = |key: &str| number_after(text, key);
    let line = |stream, meaning| Some(LogLine { stream: StreamId(stream), meaning });
    if let Some(stream) = id("Aliasing StreamID ") {
        return line(
            stream,
            "a second device has this StreamID: Linux refuses it, and it ends without IOMMU",
        );
    }
    if let Some(stream) = id("GFSYNR1 ").or_else(|| id("gfsynr1=")) {
        return line(
            stream & 0xffff,
            "global fault: the StreamID matches no stream mapping, so no driver has claimed the device",
        );
    }
    if let Some(stream) = id("cbfrsynra=") {
        return line(
            stream & 0xffff,
            "context fault: no mapping for the address; the driver has not mapped it, or no longer",
        );
    }
    let stream =
        id("sid 0x").or_else(|| id("sid: 0x")).or_else(|| id("sid=0x")).or_else(|| id("StreamID 0x"))?;
    let event = id("event 0x").or_else(|| id("event: 0x"));
    let known = event.and_then(|event| EVENTS.iter().find(|(number, _)| *number == event));
    let named =
        || EVENTS.iter().find(|(_, what)| what.split(':').next().is_some_and(|name| text.contains(name)));
    line(stream, known.or_else(named).map_or("an event of an SMMU", |(_, what)| what))
}

/// The hexadecimal number that follows a key, with or without `0x`.
fn number_after(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.strip_prefix("0x").unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    u32::from_str_radix(rest.get(..end)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_drivers_are_understood() {
        for (text, stream) in [
            ("arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:", None),
            (
                "arm-smmu-v3 x: event: C_BAD_STREAMID client: (unassigned sid) sid: 0x5e200 ssid: 0x0",
                Some(0x5e200),
            ),
            (
                "xhci_hcd 0002:01:00.0: Aliasing StreamID 0x5e200 unsupported, expect DMA to be broken",
                Some(0x5e200),
            ),
            (
                "arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x9000, fsynr=0x1, cbfrsynra=0x880, cb=3",
                Some(0x880),
            ),
            (
                "arm-smmu x: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000540, GFSYNR2 0x00000000",
                Some(0x540),
            ),
        ] {
            assert_eq!(log_line(text).map(|line| line.stream.0), stream, "{text}");
        }
    }
}
