//! Lines of a kernel log that name a StreamID.

use crate::StreamId;

/// What a line of a kernel log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The StreamID that it is about; `None` where a line behind it tells.
    pub stream: Option<StreamId>,
    /// What the message means.
    pub meaning: &'static str,
}

/// Events of an SMMUv3 (Arm IHI0070 §7.3).
const EVENTS: [(u32, &str); 19] = [
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
    (0x20, "F_TLB_CONFLICT: the TLB holds two translations of the address"),
    (0x21, "F_CFG_CONFLICT: the SMMU holds two configurations of the device"),
    (0x24, "E_PAGE_REQUEST: a hint that the device is about to need this page"),
    (0x25, "F_VMS_FETCH: the virtual machine structure could not be read"),
];

/// A page request that nobody waits for (linux `arm_smmu_handle_ppr`).
const PAGE_REQUEST: &str =
    "page request (PRI): no driver has set up page faults for the device, and Linux denies it";

const GLOBAL_FAULT: &str =
    "global fault: the StreamID matches no stream mapping, so no driver has claimed the device";

/// Understands a line of the SMMU drivers of Linux: events and "Aliasing StreamID" of an SMMUv3, context and global faults
/// of an SMMUv1/v2.
///
/// ```
/// use fwspec::{StreamId, machine::log_line};
/// let line = log_line("arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x5e200").unwrap();
/// assert_eq!(line.stream, Some(StreamId(0x5e200)));
/// assert!(log_line("usb 1-1: new high-speed USB device").is_none());
/// ```
pub fn log_line(text: &str) -> Option<LogLine> {
    let id = |key: &str| number_after(text, key);
    let line = |stream, meaning| Some(LogLine { stream: Some(StreamId(stream)), meaning });
    if let Some(stream) = id("Aliasing StreamID ") {
        return line(
            stream,
            "a second device has this StreamID: Linux refuses it, and it ends without IOMMU",
        );
    }
    if let Some(stream) = id("GFSYNR1 ").or_else(|| id("gfsynr1=")) {
        return line(stream & 0xffff, GLOBAL_FAULT);
    }
    if let Some(stream) = id("cbfrsynra=") {
        return line(
            stream & 0xffff,
            "context fault: no mapping for the address; the driver has not mapped it, or no longer",
        );
    }
    if let Some(stream) = id("Blocked unknown Stream ID ") {
        return line(
            stream,
            "global fault: the StreamID matches no stream mapping, and the SMMU blocks what it does not know; no driver has claimed \
the device, or firmware gives it another StreamID",
        );
    }
    if let Some((stream, meaning)) = event_word(text) {
        return line(stream, meaning);
    }
    let stream = ["sid 0x", "sid: 0x", "sid=0x", "StreamID 0x"].iter().find_map(|key| id(key));
    let event = id("event 0x").or_else(|| id("event: 0x"));
    let known = event.and_then(|event| EVENTS.iter().find(|(number, _)| *number == event));
    let named =
        || EVENTS.iter().find(|(_, what)| what.split(':').next().is_some_and(|name| text.contains(name)));
    let known = known.or_else(named).map(|(_, what)| *what);
    match stream {
        Some(stream) if text.contains("access at iova") => line(stream, PAGE_REQUEST),
        Some(stream) => line(stream, known.unwrap_or("an event of an SMMU")),
        // The StreamID is in a line behind it.
        None if text.contains("unexpected PRI request") => {
            Some(LogLine { stream: None, meaning: PAGE_REQUEST })
        }
        None if text.contains("nexpected global fault") => {
            Some(LogLine { stream: None, meaning: GLOBAL_FAULT })
        }
        None if text.contains("arm-smmu-v3") => known.map(|meaning| LogLine { stream: None, meaning }),
        None => None,
    }
}

/// The first of the words that Linux prints of an event below "event 0x.. received:", each in a line of its own
/// (`arm_smmu_dump_raw_event`): the event in its low byte, the StreamID in its high half (`EVTQ_0_ID`, `EVTQ_0_SID`; Arm IHI0070 §7.3).
fn event_word(text: &str) -> Option<(u32, &'static str)> {
    let (_, message) = text.split_once("arm-smmu-v3")?;
    let (_, word) = message.rsplit_once(':')?;
    let word = word.trim().strip_prefix("0x").filter(|word| word.len() == 16)?;
    let word = u64::from_str_radix(word, 16).ok()?;
    let [low, ..] = word.to_le_bytes();
    let (_, meaning) = EVENTS.iter().find(|(number, _)| *number == u32::from(low))?;
    Some((u32::try_from(word >> 32).ok()?, meaning))
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
            ("arm-smmu-v3 9050000.smmuv3: \t0x0005e20000000010", Some(0x5e200)),
            ("arm-smmu-v3 9050000.smmuv3: \t0x0000020000000000", None),
            // An address of 16 digits is no word of an event.
            (
                "arm-smmu-v3 x: event: F_TRANSLATION client: 0000:01:00.0 sid: 0x100 ssid: 0x0 iova: 0xffff00001234f010 ipa: 0x0",
                Some(0x100),
            ),
            (
                "arm-smmu 5000000.iommu: Blocked unknown Stream ID 0x7; boot with \"arm-smmu.disable_bypass=0\" to allow, but this may have security implications",
                Some(7),
            ),
            ("arm-smmu 5000000.iommu: Unexpected global fault, this could be serious", None),
            ("arm-smmu-v3 x: unexpected PRI request received:", None),
            (
                "arm-smmu-v3 x: \tsid 0x00000540.0x00000: [3L] unprivileged RW access at iova 0x0000000000001000",
                Some(0x540),
            ),
            (
                "arm-smmu x: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000540, GFSYNR2 0x00000000",
                Some(0x540),
            ),
        ] {
            let found = log_line(text).and_then(|line| line.stream);
            assert_eq!(found.map(|stream| stream.0), stream, "{text}");
        }
    }

    #[test]
    fn a_line_before_the_one_with_the_id_is_understood_as_well() {
        for text in [
            "arm-smmu 5000000.iommu: Unexpected global fault, this could be serious",
            "arm-smmu-v3 9050000.smmuv3: event 0x02 received:",
        ] {
            let line = log_line(text).unwrap();
            assert_eq!(line.stream, None);
            assert!(line.meaning.contains("StreamID"), "{text}");
        }
        let line = log_line("arm-smmu-v3 9050000.smmuv3: unexpected PRI request received:").unwrap();
        assert_eq!((line.stream, line.meaning), (None, PAGE_REQUEST));
        assert_eq!(log_line("arm-smmu-v3 9050000.smmuv3: probing hardware configuration..."), None);
    }
}
