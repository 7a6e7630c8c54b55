//! The questions of a user: about a function, a requester ID, a StreamID, a DeviceID, or a node.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{Bdf, DeviceId, RequesterId, Segment, StreamId};

/// A question, as the command takes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Query {
    /// `01:00.0`, `0000:01:00.0`.
    Function(Bdf),
    /// `rid:0x108`: the requester ID on the firmware's only PCI host, or on segment 0.
    Requester(u32),
    /// `/pcie@3400000:01:00.0`, `/fsl-mc@80c000000:0x12`, `IORT+0x8c:0x108`: an id on the bus of a node.
    OnBus {
        /// The node as written.
        node: String,
        /// The requester ID or other id.
        id: u32,
    },
    /// `/soc@0/gpu@5000000`, `serial0`, `\_SB.GPU0`, `IORT+0xe0`: a node by its path, alias, name or place.
    Node(String),
    /// `sid:0x5e200`: which devices have this StreamID?
    Stream(StreamId),
    /// `did:0x100`: which devices have this DeviceID?
    Device(DeviceId),
}

/// A question that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseQueryError {
    /// The text after `rid:`, `sid:` or `did:` is not a number.
    #[error("\"{0}\" is not a number: 0x108 or 264 is expected after rid:, sid: or did:")]
    NotANumber(String),
    /// The number has more than 32 bits.
    #[error("\"{0}\" is too large: ids have 32 bits at most, so 0xffffffff is the last")]
    TooLarge(String),
}

impl core::str::FromStr for Query {
    type Err = ParseQueryError;

    /// Reads a question.
    ///
    /// ```
    /// use fwspec::{StreamId, machine::Query};
    /// assert_eq!("sid:0x5e200".parse(), Ok(Query::Stream(StreamId(0x5e200))));
    /// assert_eq!("/pcie@1:01:00.0".parse(), Ok(Query::OnBus { node: "/pcie@1".into(), id: 0x100 }));
    /// assert!("rid:north".parse::<Query>().is_err());
    /// ```
    ///
    /// # Errors
    /// [`ParseQueryError`] where `rid:`, `sid:` or `did:` is not followed by a number of 32 bits. Any other text that is not a
    /// function counts as the name of a node.
    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        let wanted = |digits: &str| {
            number(digits).ok_or_else(|| match is_number(digits) {
                true => ParseQueryError::TooLarge(text.to_string()),
                false => ParseQueryError::NotANumber(text.to_string()),
            })
        };
        if let Some(digits) = text.strip_prefix("rid:") {
            return wanted(digits).map(Query::Requester);
        }
        if let Some(digits) = text.strip_prefix("sid:") {
            return wanted(digits).map(|id| Query::Stream(StreamId(id)));
        }
        if let Some(digits) = text.strip_prefix("did:") {
            return wanted(digits).map(|id| Query::Device(DeviceId(id)));
        }
        if let Ok(bdf) = text.parse() {
            return Ok(Query::Function(bdf));
        }
        Ok(on_bus(text).unwrap_or_else(|| Query::Node(text.to_string())))
    }
}

impl Query {
    /// The message for a name that no requester has; where it looks like another kind of question, with what is missing.
    ///
    /// ```
    /// use fwspec::machine::Query;
    /// assert!(Query::not_found("01:00.9").contains("0 to 7"));
    /// assert!(Query::not_found("02.0").contains("00:02.0"));
    /// assert!(Query::not_found("0000-00-1f.2").contains("0000:00:1f.2"));
    /// assert!(Query::not_found("123456789:00:1f.2").contains("32 bits"));
    /// assert!(Query::not_found("0x108").contains("rid:0x108"));
    /// assert!(Query::not_found("_SB.GPU0").contains(r"'\_SB.GPU0'"));
    /// assert!(Query::not_found("gpu").contains("fwspec show"));
    /// ```
    pub fn not_found(name: &str) -> String {
        let shown: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let what = if let Some(what) = nearly_a_function(name).or_else(|| not_a_function(name)) {
            what
        } else if is_number(name) {
            return format!(
                "{shown} can be a requester ID, a StreamID or a DeviceID: write rid:{shown}, sid:{shown} or did:{shown}"
            );
        } else if name.starts_with("_SB") {
            format!(
                "a namespace path begins with a backslash, which the shell removes: write '\\{shown}' in quotes"
            )
        } else {
            "fwspec show lists the requesters".to_string()
        };
        format!("no requester \"{shown}\": {what}")
    }

    /// The message for a question `NODE:ID` whose node has no bus, with what may be meant.
    pub(crate) fn no_bus(node: &str) -> String {
        let shown: String = node.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lower = node.to_ascii_lowercase();
        let meant = if let Some(segment) = lower.strip_prefix("0x").filter(|segment| is_hex(segment)) {
            format!("; a function is written without 0x: {segment:0>4}:01:00.0")
        } else if matches!(lower.as_str(), "sid" | "did" | "rid") {
            format!("; the kind of an id is written in small letters: {lower}:")
        } else if is_hex(node) && node.len() <= 2 {
            format!("; an address of PCI has a function, too: {shown:0>2}:00.0")
        } else {
            String::new()
        };
        format!("no node \"{shown}\" whose children carry ids{meant}")
    }

    /// The requester ID that an id on a bus would be on a PCI host; `None` where it is too large.
    pub fn requester_id(id: u32) -> Option<RequesterId> {
        u16::try_from(id).ok().map(RequesterId)
    }
}

/// `NODE:ID`: the node is the text before a function or a number.
fn on_bus(text: &str) -> Option<Query> {
    let colons = text.match_indices(':').map(|(at, _)| at);
    for at in colons {
        let (node, id) = (text.get(..at)?, text.get(at.saturating_add(1)..)?);
        // Only a bus, device and function: a segment would contradict the node.
        let function = (id.matches(':').count() == 1).then(|| id.parse::<Bdf>().ok()).flatten();
        let function = function.filter(|bdf| bdf.segment == Segment(0)).map(|bdf| u32::from(bdf.rid.0));
        // A host has a name: hexadecimal digits only are a segment that is too large.
        let is_segment = node.len() > 8 && node.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(id) = function.filter(|_| !is_segment).or_else(|| number(id)) {
            return (!node.is_empty()).then(|| Query::OnBus { node: node.to_string(), id });
        }
    }
    None
}

/// How to write the address of a function that has commas, a prefix, or dots in place of colons.
fn nearly_a_function(name: &str) -> Option<String> {
    let is_function = |text: &str| text.parse::<Bdf>().is_ok();
    let parts: Vec<&str> = name.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
    if name.contains([',', ';']) && !parts.is_empty() && parts.iter().all(|part| is_function(part)) {
        return Some(format!("each is asked for by itself, without commas: {}", parts.join(" ")));
    }
    let plain = name.replace("0x", "").replace("0X", "");
    if plain != name && is_function(&plain) {
        return Some(format!("a function is written without 0x: {plain}"));
    }
    let (left, function) = name.rsplit_once('.')?;
    let colons = left.replace('.', ":");
    let colons = format!("{colons}.{function}");
    (left.contains('.') && is_function(&colons))
        .then(|| format!("a function is written with colons, and one dot before the function: {colons}"))
}

/// Why a name that looks like `01:00.0` is not the address of a function.
fn not_a_function(name: &str) -> Option<String> {
    let (left, function) = name.rsplit_once('.')?;
    if left.contains('-') {
        let meant = name.replace('-', ":");
        return meant.parse::<Bdf>().is_ok().then(|| format!("a function is written with colons: {meant}"));
    }
    let parts: Vec<&str> = left.split(':').collect();
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if left.is_empty() && is_hex(function) {
        return Some(
            "bus and device are missing: a function is written bus:device.function, such as 00:1f.2"
                .to_string(),
        );
    }
    if parts.len() > 3 || !parts.iter().all(|part| is_hex(part)) || !is_hex(function) {
        return None;
    }
    let above = |part: &str, last: u32| u32::from_str_radix(part, 16).map_or(true, |number| number > last);
    let device = parts.last()?;
    Some(if above(function, 7) {
        format!("function numbers are 0 to 7, not {function}")
    } else if above(device, 0x1f) {
        format!("device numbers are 00 to 1f, not {device}; a function is written bus:device.function")
    } else if parts.len() == 1 {
        format!("the bus is missing: on bus 00, write 00:{device:0>2}.{function}")
    } else if parts.len() > 1 && parts.iter().rev().nth(1).is_some_and(|bus| above(bus, 0xff)) {
        "bus numbers are 00 to ff; a function is written segment:bus:device.function".to_string()
    } else if parts.len() == 3 && parts.first().is_some_and(|segment| segment.len() > 8) {
        "segment numbers have 32 bits, ffffffff is the last; a function is written segment:bus:device.function".to_string()
    } else {
        "a function is written segment:bus:device.function, such as 0000:01:00.0".to_string()
    })
}

fn is_number(digits: &str) -> bool {
    let (digits, is_hex) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, true),
        None => (digits, false),
    };
    let is_digit = |byte: u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    !digits.is_empty() && digits.bytes().all(is_digit)
}

fn number(digits: &str) -> Option<u32> {
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_bus_is_told_what_may_be_meant() {
        for (node, end) in [
            ("0x0000", "without 0x: 0000:01:00.0"),
            ("SID", "small letters: sid:"),
            ("01", "has a function, too: 01:00.0"),
        ] {
            assert!(Query::no_bus(node).ends_with(end), "{node}: {}", Query::no_bus(node));
        }
    }

    #[test]
    fn every_form_of_question_is_understood() {
        let host = |node: &str, id| Query::OnBus { node: node.to_string(), id };
        let node = |text: &str| Query::Node(text.to_string());
        for (text, query) in [
            ("01:00.0", Query::Function(Bdf::new(Segment(0), 1, 0, 0))),
            ("000a:11:00.3", Query::Function(Bdf::new(Segment(10), 0x11, 0, 3))),
            ("rid:264", Query::Requester(264)),
            ("did:0x100", Query::Device(DeviceId(0x100))),
            ("/pcie@3400000:01:00.0", host("/pcie@3400000", 0x100)),
            ("/soc/fsl-mc@80c000000:0x12", host("/soc/fsl-mc@80c000000", 0x12)),
            ("IORT+0x8c:0x108", host("IORT+0x8c", 0x108)),
            ("/soc@0/gpu@5000000", node("/soc@0/gpu@5000000")),
            (r"\_SB_.VR00", node(r"\_SB_.VR00")),
            ("serial0", node("serial0")),
        ] {
            assert_eq!(text.parse(), Ok(query), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for text in ["rid:", "sid:x", "did:0x", "sid:0x1_0", "rid:0x100000000", "rid:+1"] {
            assert!(text.parse::<Query>().is_err(), "{text}");
        }
    }
}
