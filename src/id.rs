//! One type per number: what a TLP carries, what an SMMU sees, what an ITS sees, what people write.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

/// PCI segment (ACPI `_SEG`, Linux `pci_domain_nr`, device tree `linux,pci-domain`).
///
/// 32 bits, because that is the width of the IORT field and because domains above `0xffff` exist (Intel VMD).
///
/// ```
/// assert_eq!(fwspec::Segment(10).to_string(), "000a");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment(pub u32);

/// Requester ID: the 16 bits `bus << 8 | device << 3 | function` that a PCIe transaction carries
/// (PCIe 6.0 §2.2.6.2).
///
/// ```
/// use fwspec::RequesterId;
/// let rid = RequesterId::new(1, 2, 3);
/// assert_eq!(rid, RequesterId(0x113));
/// assert_eq!(rid.to_string(), "01:02.3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId(pub u16);

/// A PCI function as people write it, `0000:01:00.0`: its segment and its requester ID.
///
/// ```
/// use fwspec::{Bdf, RequesterId, Segment};
/// let nic: Bdf = "000a:11:00.3".parse()?;
/// assert_eq!(nic, Bdf::new(Segment(0xa), 0x11, 0, 3));
/// assert_eq!("01:00.0".parse::<Bdf>()?.to_string(), "0000:01:00.0");
/// # Ok::<(), fwspec::ParseBdfError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bdf {
    /// The segment the function is in.
    pub segment: Segment,
    /// Bus, device and function.
    pub rid: RequesterId,
}

/// StreamID: the number by which an SMMU (or another IOMMU) knows the sender. An input of the IOMMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// DeviceID: the number by which a GIC ITS (or another MSI controller) knows the sender of an MSI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// Input IDs of a map, `first..=last`: requester IDs on a PCI host, other numbers elsewhere.
///
/// ```
/// use fwspec::InputIds;
/// let bus = InputIds { first: 0x100, last: 0x1ff };
/// assert!(bus.contains(0x108));
/// assert_eq!(bus.to_string(), "0x100 to 0x1ff");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputIds {
    /// First ID.
    pub first: u32,
    /// Last ID, inclusive.
    pub last: u32,
}

/// A device-tree phandle (Devicetree Specification v0.4 §2.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phandle(pub u32);

impl RequesterId {
    /// The highest: IDs of PCI functions are 16 bits wide.
    pub const MAX: RequesterId = RequesterId(u16::MAX);

    /// From bus, device and function. Only the low 5 bits of `device` and the low 3 of `function` count.
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        let [device, function] = [(device & 0x1f) << 3, function & 7];
        RequesterId(u16::from_be_bytes([bus, device | function]))
    }

    /// Bus number.
    pub const fn bus(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Device and function in one byte, Linux's `devfn`.
    pub const fn devfn(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Device (slot) number, 0 to 31.
    pub const fn device(self) -> u8 {
        self.devfn() >> 3
    }

    /// Function number, 0 to 7.
    pub const fn function(self) -> u8 {
        self.devfn() & 7
    }

    /// The same bus with another `devfn`.
    pub const fn with_devfn(self, devfn: u8) -> Self {
        RequesterId(u16::from_be_bytes([self.bus(), devfn]))
    }
}

impl From<RangeInclusive<u32>> for InputIds {
    /// ```
    /// assert_eq!(fwspec::InputIds::from(0..=0xffff), fwspec::InputIds::REQUESTER_IDS);
    /// ```
    fn from(ids: RangeInclusive<u32>) -> Self {
        InputIds { first: *ids.start(), last: *ids.end() }
    }
}

impl From<(Segment, RequesterId)> for Bdf {
    fn from((segment, rid): (Segment, RequesterId)) -> Self {
        Bdf { segment, rid }
    }
}

impl From<RequesterId> for u32 {
    fn from(rid: RequesterId) -> u32 {
        rid.0.into()
    }
}

impl InputIds {
    /// All requester IDs.
    pub const REQUESTER_IDS: InputIds = InputIds { first: 0, last: RequesterId::MAX.0 as u32 };

    /// Whether an ID is among them.
    pub const fn contains(self, id: u32) -> bool {
        self.first <= id && id <= self.last
    }
}

impl fmt::Display for InputIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{:#x}", self.first)
        } else {
            write!(f, "{:#x} to {:#x}", self.first, self.last)
        }
    }
}

impl Bdf {
    /// From segment, bus, device and function; as [`RequesterId::new`].
    pub const fn new(segment: Segment, bus: u8, device: u8, function: u8) -> Self {
        Bdf { segment, rid: RequesterId::new(bus, device, function) }
    }
}

/// A string that is not `[SEGMENT:]BUS:DEVICE.FUNCTION` in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a PCI function: expected [SEGMENT:]BUS:DEVICE.FUNCTION in hexadecimal, as in 0000:01:00.0")]
pub struct ParseBdfError;

impl FromStr for RequesterId {
    type Err = ParseBdfError;

    /// Reads `01:00.0`.
    ///
    /// ```
    /// use fwspec::RequesterId;
    /// assert_eq!("01:00.2".parse(), Ok(RequesterId::new(1, 0, 2)));
    /// assert!("0000:01:00.2".parse::<RequesterId>().is_err());
    /// ```
    ///
    /// # Errors
    /// As [`Bdf`], and where there is a segment.
    fn from_str(s: &str) -> Result<Self, ParseBdfError> {
        if s.bytes().filter(|byte| *byte == b':').count() > 1 {
            return Err(ParseBdfError);
        }
        s.parse::<Bdf>().map(|function| function.rid)
    }
}

impl FromStr for Bdf {
    type Err = ParseBdfError;

    /// Reads `01:00.0` or `0000:01:00.0`, as `lspci` takes them.
    ///
    /// # Errors
    /// [`ParseBdfError`] when a part is missing, not hexadecimal, or out of range (device > 0x1f, function > 7).
    fn from_str(s: &str) -> Result<Self, ParseBdfError> {
        let hex = |digits: &[u8], width: core::ops::RangeInclusive<usize>| {
            let digit = |number: u32, digit: &u8| Some(number << 4 | char::from(*digit).to_digit(16)?);
            let digits = Some(digits).filter(|digits| width.contains(&digits.len()));
            digits.and_then(|digits| digits.iter().try_fold(0, digit)).ok_or(ParseBdfError)
        };
        let (front, function) = divide(s.as_bytes(), b'.').ok_or(ParseBdfError)?;
        let (front, device) = divide(front, b':').ok_or(ParseBdfError)?;
        let (segment, bus) = divide(front, b':').unwrap_or((b"0", front));
        let segment = Segment(hex(segment, 1..=8)?);
        let bus = u8::try_from(hex(bus, 1..=2)?).map_err(|_| ParseBdfError)?;
        let device = u8::try_from(hex(device, 1..=2)?).ok().filter(|d| *d < 32).ok_or(ParseBdfError)?;
        let function = u8::try_from(hex(function, 1..=1)?).ok().filter(|f| *f < 8).ok_or(ParseBdfError)?;
        Ok(Bdf::new(segment, bus, device, function))
    }
}

/// The parts before and after the last `divider`. `str::rsplit_once` would link a panic that cannot be reached.
fn divide(text: &[u8], divider: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|byte| *byte == divider)?;
    let (front, back) = text.split_at_checked(at)?;
    Some((front, back.get(1..)?))
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl fmt::Display for RequesterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus(), self.device(), self.function())
    }
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.rid)
    }
}

macro_rules! numbers {
    ($($id:ident: $number:ident)*) => {$(
        impl From<$number> for $id {
            fn from(number: $number) -> Self {
                $id(number)
            }
        }

        impl From<$id> for $number {
            fn from(id: $id) -> $number {
                id.0
            }
        }
    )*};
}
numbers!(Segment: u32 RequesterId: u16 StreamId: u32 DeviceId: u32 Phandle: u32);

macro_rules! shown_as_hex {
    ($($id:ident)*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    )*};
}
shown_as_hex!(StreamId DeviceId Phandle);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for rid in 0..=u16::MAX {
            let bdf = Bdf { segment: Segment(u32::from(rid)), rid: RequesterId(rid) };
            assert_eq!(bdf.to_string().parse(), Ok(bdf));
        }
    }

    #[test]
    fn what_is_no_function_is_refused() {
        for text in
            ["", "1", "01:00", "01.0", "0:0:0:0.0", "01:20.0", "01:00.8", "x1:00.0", "+1:00.0", "01:00.00"]
        {
            assert_eq!(text.parse::<Bdf>(), Err(ParseBdfError), "{text}");
        }
    }
}
