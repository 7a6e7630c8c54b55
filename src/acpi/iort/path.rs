//! Namespace paths of named components, and the two ways in which they are compared.

use core::fmt;

/// A namespace path, `\_SB_.PCI0.GPU0`, as found: the bytes up to its NUL, or to the end of its node if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path<'a> {
    bytes: &'a [u8],
    terminated: bool,
}

/// Why no device can have this path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It does not end inside its node.
    #[error("the namespace path has no terminating NUL")]
    Unterminated,
    /// It is empty.
    #[error("the namespace path is empty")]
    Empty,
    /// It does not start at the root.
    #[error("the namespace path does not start with a backslash: no full path of a device is like that")]
    Relative,
    /// A segment is empty, or longer than four characters.
    #[error("segment {0} of the namespace path does not have one to four characters")]
    SegmentLength(u16),
    /// A character that no name has: names are of `A-Z`, `0-9` and `_` and do not start with a digit (ACPI 6.5 §5.3).
    #[error("byte {0:#04x} cannot stand in a namespace path")]
    Character(u8),
}

impl<'a> Path<'a> {
    /// The path at the start of `rest`: up to its NUL, or the whole of it if there is none.
    pub fn new(rest: &'a [u8]) -> Self {
        let terminator = rest.iter().position(|byte| *byte == 0);
        let bytes = terminator.and_then(|end| rest.get(..end)).unwrap_or(rest);
        Path { bytes, terminated: terminator.is_some() }
    }

    /// Its bytes, without the NUL.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether a NUL ends it inside its node.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether Linux finds the device with this `full_path`: the paths are compared byte for byte, and every segment of a kernel's
    /// path has four characters (linux `iort_match_node_callback`, ACPICA `ACPI_FULL_PATHNAME`).
    pub fn is_exactly(&self, full_path: &str) -> bool {
        self.terminated && self.bytes == full_path.as_bytes()
    }

    /// Whether it is written as Linux writes a full path, `\_SB_.GPU0` and not `\_SB.GPU0`; otherwise Linux does not find the
    /// device.
    pub fn is_padded(&self) -> bool {
        let segments = self.bytes.strip_prefix(b"\\").unwrap_or(self.bytes);
        segments.is_empty() || segments.split(|byte| *byte == b'.').all(|segment| segment.len() == 4)
    }

    /// Why no device can have this path; `None` where one can.
    pub fn fault(&self) -> Option<PathFault> {
        if !self.terminated {
            return Some(PathFault::Unterminated);
        }
        let Some(segments) = self.bytes.strip_prefix(b"\\") else {
            return Some(if self.bytes.is_empty() { PathFault::Empty } else { PathFault::Relative });
        };
        (!segments.is_empty()).then(|| segments.split(|byte| *byte == b'.').zip(0..)).and_then(|mut all| {
            all.find_map(|(segment, position)| {
                if !(1..=4).contains(&segment.len()) {
                    return Some(PathFault::SegmentLength(position));
                }
                let digit = segment.first().filter(|byte| byte.is_ascii_digit());
                let strange =
                    segment.iter().find(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b'_'));
                digit.or(strange).map(|byte| PathFault::Character(*byte))
            })
        })
    }
}

/// Whether two paths name one object: segment by segment, each padded to four characters with `_`
/// (ACPI 6.5 §5.3: trailing underscores are not significant).
///
/// ```
/// use fwspec::acpi::iort::same_path;
/// assert!(same_path(br"\_SB.GPU0", br"\_SB_.GPU0"));
/// assert!(!same_path(br"\_SB.GPU0", br"\_SB_.GPU1"));
/// ```
pub fn same_path(a: &[u8], b: &[u8]) -> bool {
    let (rest_a, rest_b) = (a.strip_prefix(b"\\"), b.strip_prefix(b"\\"));
    let segments = |path| <[u8]>::split(path, |byte| *byte == b'.').map(significant);
    rest_a.is_some() == rest_b.is_some() && segments(rest_a.unwrap_or(a)).eq(segments(rest_b.unwrap_or(b)))
}

/// A segment without its padding. Only a short segment is padded, so a segment of more than four characters stays as it is.
fn significant(segment: &[u8]) -> &[u8] {
    let mut name = segment;
    while let (true, [front @ .., b'_']) = (segment.len() <= 4, name) {
        name = front;
    }
    name
}

impl fmt::Display for Path<'_> {
    /// As found; bytes that are not printable ASCII become `?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| {
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            fmt::Write::write_char(f, if printable { char::from(*byte) } else { '?' })
        })
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}
