//! PCI functions from the text of `lspci`: configuration space in hexadecimal (`-x`, `-xxx`, `-xxxx`), the words of `-v`, `-vv` and
//! `-vvv`, and names.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::changed::Changed;
use super::decoded::Told;
use super::gaps::{Gap, GapKind};
use super::header::{Address, LINE, address, config_byte, header_in, line_offset};
use super::names;
use super::text::{TextError, TextErrorKind};
use super::unwrap::{self, LinePlace, Lines};
use crate::limits::MAX_GAPS;
use crate::pci::{Fact, Function};
use crate::{Bdf, Error, bytes};

/// Bytes in the configuration space of a conventional PCI function.
const CONVENTIONAL: usize = 0x100;
/// Bytes in the configuration space of a PCI Express function.
const EXTENDED: usize = 0x1000;
/// Offset of the subclass in the header; the base class follows, and the header type (PCIe 6.0 §7.5.1.1).
const CLASS: usize = 0x0a;
const HEADER_TYPE: usize = 0x0e;

/// One PCI function, as far as a listing or `/sys` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedFunction {
    /// Its address.
    pub bdf: Bdf,
    /// The first bytes of its configuration space, as far as they were read: usually 64 (what an unprivileged user sees), 256
    /// (conventional PCI) or 4,096 (PCI Express). Bytes past the end are unknown, not zero. Empty where a text describes the
    /// function in words.
    pub bytes: Vec<u8>,
    /// Where it is listed; `None` where it is not from a text.
    pub place: Option<LinePlace>,
    /// What a text says about it in words.
    pub(super) told: Option<Box<Told>>,
}

impl core::fmt::Debug for ListedFunction {
    /// Shows only the number of the bytes.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let told = if self.told.is_some() { ", told" } else { "" };
        write!(f, "ListedFunction({}, {} bytes{told})", self.bdf, self.bytes.len())
    }
}

impl ListedFunction {
    /// A function with these bytes of configuration space.
    pub fn new(bdf: Bdf, bytes: Vec<u8>) -> Self {
        ListedFunction { bdf, bytes, place: None, told: None }
    }

    /// Its facts: those of its bytes, and for all others those of the text.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated) where there are fewer than 64 bytes, and no text describes it.
    pub fn facts(&self) -> Result<Function, Error> {
        match (&self.told, Function::read(&self.bytes)) {
            (Some(told), Ok(read)) => Ok(told.beside(read)),
            (None, Ok(read)) => Ok(read),
            (Some(told), Err(_)) => Ok(told.silent_if(self.is_silent()).function()),
            (None, Err(_)) if self.is_silent() => Ok(Told::default().silent_if(true).function()),
            (None, Err(error)) => Err(error),
        }
    }

    /// Whether it does not answer, because it is powered down or gone since it was found. Its bytes are all `0xff` then.
    pub fn is_silent(&self) -> bool {
        let silent = !self.bytes.is_empty() && self.bytes.iter().all(|byte| *byte == 0xff);
        silent || self.told.as_ref().is_some_and(|told| told.is_silent())
    }

    /// What distinguishes two functions, as far as this piece of evidence shows it.
    fn identity(&self) -> Identity {
        let read = self.bytes.as_slice();
        if self.is_silent() {
            return Identity::default();
        }
        let told = self.told.as_ref();
        let word = |at: usize| read.get(at..)?.first_chunk().copied().map(u16::from_le_bytes);
        // A virtual function's ids are not in its own configuration space.
        let ids = match word(0).zip(word(2)) {
            Some(read) => Some(read).filter(|(vendor, _)| *vendor != 0xffff),
            None => told.and_then(|told| told.vendor.zip(told.device)),
        };
        let class = word(CLASS).or_else(|| told.and_then(|told| told.class));
        let header = read.get(HEADER_TYPE).map(|header| header & 0x7f);
        Identity {
            ids,
            class: class.filter(|class| *class != 0),
            header: header.or_else(|| told.and_then(|told| told.header_type())),
        }
    }

    /// Whether it is another function than one at the same address elsewhere: it has other ids, another class or another header
    /// layout.
    pub(super) fn is_other_than(&self, other: &ListedFunction) -> bool {
        fn differ<T: PartialEq>(mine: Option<T>, theirs: Option<T>) -> bool {
            mine.zip(theirs).is_some_and(|(mine, theirs)| mine != theirs)
        }
        let (mine, theirs) = (self.identity(), other.identity());
        differ(mine.ids, theirs.ids) || differ(mine.class, theirs.class) || differ(mine.header, theirs.header)
    }

    /// A difference from another listing of the same function that can change groups.
    pub(super) fn differs_from(&self, other: &ListedFunction) -> Option<&'static str> {
        fn differ<T: PartialEq>(mine: Fact<T>, theirs: Fact<T>) -> bool {
            !mine.is_unknown() && !theirs.is_unknown() && mine != theirs
        }
        if self.is_silent() || other.is_silent() {
            return None;
        }
        let (mine, theirs) = (self.facts().ok()?, other.facts().ok()?);
        let tells_buses = |listed: &ListedFunction| {
            Function::read(&listed.bytes).is_ok()
                || listed.told.as_ref().is_some_and(|told| told.header_type().is_some())
        };
        let buses = tells_buses(self) && tells_buses(other) && mine.header != theirs.header;
        let acs = |function: &Function| match function.acs {
            // Only bytes show the 32 bits after the registers.
            Fact::Present(acs) => Fact::Present((acs.capability.0 & 0x7f, acs.control.0 & 0x7f)),
            Fact::Absent => Fact::Absent,
            Fact::Unknown => Fact::Unknown,
        };
        let rows = [
            (buses, "the buses below"),
            (differ(mine.pcie, theirs.pcie), "the port type"),
            (differ(acs(&mine), acs(&theirs)), "ACS"),
            (differ(mine.ari, theirs.ari), "ARI"),
            (differ(mine.sriov, theirs.sriov), "SR-IOV"),
            (differ(mine.ats, theirs.ats), "ATS"),
        ];
        rows.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }

    /// Whether it is a port with a device below it.
    pub(super) fn has_device_below(&self) -> bool {
        Function::shows_device_below(&self.bytes)
            || self.told.as_ref().is_some_and(|told| told.has_device_below())
    }

    /// Takes in another listing of the same function: more bytes replace fewer, and facts that are in neither's bytes are those of
    /// the text that has them.
    pub(super) fn join(&mut self, other: ListedFunction) {
        let is_better = |new: &[u8], old: &[u8]| {
            new.len() > old.len() && (old.is_empty() || !new.iter().all(|byte| *byte == 0xff))
        };
        if is_better(&other.bytes, &self.bytes) {
            self.bytes = other.bytes;
        }
        match (&mut self.told, other.told) {
            (Some(mine), Some(theirs)) => mine.join(*theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }
}

/// What distinguishes two functions at one address.
#[derive(Default)]
struct Identity {
    /// Vendor and device.
    ids: Option<(u16, u16)>,
    /// Base class and subclass.
    class: Option<u16>,
    /// The layout of the header.
    header: Option<u8>,
}

/// All functions that could be read, in the order of the text, and the lines that could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The functions; no [`Bdf`] occurs twice.
    pub functions: Vec<ListedFunction>,
    /// Lines that could not be read. Such a line of configuration space costs the bytes of its function.
    pub skipped: Vec<TextError>,
    /// The differences, where the text lists the machine twice with different functions.
    pub(super) changed: Option<Changed>,
    /// Places where something is missing.
    pub(super) gaps: Vec<Gap>,
}

impl Listing {
    /// A listing without errors.
    pub fn new(functions: Vec<ListedFunction>) -> Self {
        Listing { functions, ..Listing::default() }
    }
}

/// Reads the text: for each function a line that starts with its address, lines such as `10: 01 02 …`, and lines in which `-v`
/// describes the function, up to the next function (pciutils `lspci.c`, `ls-caps.c`, `ls-ecaps.c`, `lib/dump.c`). Quotation marks,
/// indentation, colours and other wrapping of a text are skipped. A function that another call of `lspci` lists again is one
/// function.
///
/// Two rules differ from those of pciutils for its dumps. Lines may be left out only after the first 256 bytes, and are zero then:
/// a function with any line there has all its 4,096 bytes. (Elsewhere a missing line is an error; pciutils fills it with `ff`.) And
/// a line that cannot be read costs the bytes of its function, not the whole text.
///
/// ```
/// let text = b"0000:00:01.0 PCI bridge: Example\n\
///              00: 36 1b 0c 00 07 04 10 00 00 00 04 06 00 00 01 00\n\
///              10: 00 00 70 10 00 00 00 00 00 01 0d 00 10 70 00 00\n";
/// let listing = fwspec::machine::lspci::parse(text)?;
/// let bridge = &listing.functions[0];
/// assert_eq!(bridge.bdf.to_string(), "0000:00:01.0");
/// assert_eq!((bridge.bytes.len(), bridge.bytes[0x19]), (32, 1));
/// # Ok::<(), fwspec::machine::TextError>(())
/// ```
///
/// # Errors
/// [`TextErrorKind::TooLarge`] beyond 4 GiB, and [`TextErrorKind::NoFunctions`] where no line starts with a PCI address. Lesser
/// errors are in [`Listing::skipped`].
pub fn parse(text: &[u8]) -> Result<Listing, TextError> {
    if u32::try_from(text.len()).is_err() {
        return Err(TextError::whole(TextErrorKind::TooLarge));
    }
    let text = unwrap::as_utf8(text);
    let mut lines = Lines::of(&text);
    let mut reader = Reader::default();
    while let Some((place, line)) = lines.next() {
        reader.line(line, place);
    }
    let listing = reader.finish();
    match listing.functions.is_empty() && listing.skipped.is_empty() {
        true => Err(TextError::whole(TextErrorKind::NoFunctions)),
        false => Ok(listing),
    }
}

/// Reads a listing line by line.
#[derive(Default)]
pub(super) struct Reader {
    listing: Listing,
    /// The index of each function in the listing.
    listed: BTreeMap<Bdf, usize>,
    current: Current,
    /// A record of `lspci -vmm`: where it starts, its function, and the name.
    record: Option<(LinePlace, Address, String)>,
    /// An entry for each time that a function was listed: its index, and the line.
    order: Vec<(u32, u32)>,
    /// The lines are members of groups, in whatever order.
    pub(super) is_of_groups: bool,
    /// An error for bytes before any function was reported already.
    stray: bool,
}

/// The key and the value of a line of `lspci -vmm` that is used.
fn record_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEYS: [&[u8]; 4] = [b"Slot", b"Class", b"Vendor", b"Device"];
    let key = KEYS.into_iter().find(|key| line.starts_with(key))?;
    let value = line.get(key.len()..)?.strip_prefix(b":")?;
    Some((key, value.trim_ascii()))
}

/// The function that lines currently belong to.
#[derive(Default)]
enum Current {
    /// None yet.
    #[default]
    None,
    /// This one.
    Open(Box<Open>),
    /// One that is left out.
    Skipped,
}

/// A function that lines currently belong to.
struct Open {
    function: ListedFunction,
    told: Told,
    /// No more lines of configuration space are read for it.
    cut: bool,
    /// An empty line came: later lines of configuration space do not belong to it.
    ended: bool,
}

impl Reader {
    /// Takes in a line without anything around it.
    pub(super) fn line(&mut self, line: &[u8], place: LinePlace) {
        if line.is_empty() {
            if let Current::Open(open) = &mut self.current {
                open.ended = true;
            }
        } else if let Ok((rest, address)) = address(line) {
            self.close(false);
            self.open(address, rest, place);
        } else if let Ok((digits, offset)) = line_offset(line) {
            if let Some((slot, address, name)) = self.record.take().filter(|_| offset == 0) {
                self.close(false);
                self.open(address, name.as_bytes(), slot);
            }
            self.config_line(offset, digits, place);
        } else if let Some((key, value)) = record_line(line) {
            self.record_line(key, value, place);
        } else if let Some((rest, address)) =
            header_in(line).and_then(|at| line.get(at..)).and_then(|line| address(line).ok())
        {
            // The text before was added when the listing was quoted.
            self.close(false);
            self.open(address, rest, place);
        } else if let Current::Open(open) = &mut self.current {
            open.told.line(line);
        }
    }

    /// Whether lines currently belong to a function.
    pub(super) fn is_in_function(&self) -> bool {
        matches!(self.current, Current::Open(_))
    }

    /// The current function, and where it starts.
    pub(super) fn current(&self) -> Option<(Bdf, LinePlace)> {
        match &self.current {
            Current::Open(open) => Some((open.function.bdf, open.function.place?)),
            Current::None | Current::Skipped => None,
        }
    }

    pub(super) fn finish(mut self) -> Listing {
        self.close(true);
        self.listing.functions.shrink_to_fit();
        let functions: Vec<Bdf> = self.listing.functions.iter().map(|function| function.bdf).collect();
        self.listing.changed = Changed::of(&functions, &self.order);
        self.listing
    }

    fn open(&mut self, address: Address, rest: &[u8], place: LinePlace) {
        self.stray = false;
        let Some(bdf) = address.bdf() else {
            let kind = TextErrorKind::PciAddress { device: address.device, function: address.function };
            self.listing.skipped.push(TextError::at(kind, place));
            self.current = Current::Skipped;
            return;
        };
        let function = ListedFunction { place: Some(place), ..ListedFunction::new(bdf, Vec::new()) };
        let told = Told::of_header(rest);
        self.current = Current::Open(Box::new(Open { function, told, cut: false, ended: false }));
    }

    /// Takes in a line of `lspci -vmm`. Its records are used where bytes follow them (`-x`).
    fn record_line(&mut self, key: &[u8], value: &[u8], place: LinePlace) {
        match (key, &mut self.record) {
            (b"Slot", record) => {
                *record = address(value).ok().map(|(_, address)| (place, address, String::new()));
            }
            (b"Class", Some((_, _, name))) if name.is_empty() => {
                name.push_str(&String::from_utf8_lossy(value));
                name.push_str(": ");
            }
            (b"Vendor" | b"Device", Some((_, _, name))) => {
                // `-nn` adds the number, which the bytes have, too.
                let value = String::from_utf8_lossy(value);
                // `-n` prints numbers only.
                if key == b"Device" && names::hex4(&value).is_some() && name.pop().is_some() {
                    name.push(':');
                }
                name.push_str(value.split(" [").next().unwrap_or_default());
                name.push(' ');
            }
            _ => {}
        }
    }

    fn config_line(&mut self, offset: u32, digits: &[u8], place: LinePlace) {
        match &mut self.current {
            Current::Open(open) if open.ended => {
                self.close(false);
                self.config_line(offset, digits, place);
            }
            Current::Open(open) if open.cut => {}
            Current::Open(open) => {
                if let Err(kind) = append_line(&mut open.function.bytes, bytes::index(offset), digits) {
                    self.listing.skipped.push(TextError::at(kind, place).of(open.function.bdf));
                    open.function.bytes.clear();
                    open.cut = true;
                }
            }
            Current::Skipped => {}
            Current::None if self.stray => {}
            Current::None => {
                self.stray = true;
                self.listing.skipped.push(TextError::at(TextErrorKind::StrayBytes, place));
            }
        }
    }

    fn close(&mut self, is_last: bool) {
        let Current::Open(open) = core::mem::take(&mut self.current) else { return };
        let Open { mut function, told, cut, .. } = *open;
        let (bdf, length) = (function.bdf, function.bytes.len());
        let is_odd = length > 0 && !matches!(length, 64 | 128 | 256) && !may_leave_out(length);
        let gap = match told.ends_before(is_last) {
            Some(what) => Some(GapKind::Words(bdf, what)),
            None => is_odd.then_some(GapKind::Bytes(bdf, bytes::saturate(length))),
        };
        if let (Some(gap), Some(place)) = (gap, function.place)
            && self.listing.gaps.len() < MAX_GAPS
        {
            self.listing.gaps.push(Gap::at(place.line, gap));
        }
        if may_leave_out(function.bytes.len()) {
            function.bytes.resize(EXTENDED, 0);
        }
        if told.says_anything() {
            function.told = Some(Box::new(told));
        }
        if function.bytes.is_empty() && function.told.is_none() {
            // The error in its bytes was reported already.
            if let Some(place) = function.place.filter(|_| !cut) {
                self.listing.skipped.push(TextError::at(TextErrorKind::NoFacts, place).of(function.bdf));
            }
            return;
        }
        let known = self.listed.get(&function.bdf).copied();
        let at = known.unwrap_or(self.listing.functions.len());
        if let Some(place) = function.place.filter(|_| !self.is_of_groups) {
            self.order.push((bytes::saturate(at), place.line));
        }
        let Some(there) = known.and_then(|at| self.listing.functions.get_mut(at)) else {
            self.listed.insert(function.bdf, at);
            self.listing.functions.push(function);
            return;
        };
        let (Some(first), Some(place)) = (there.place, function.place) else { return there.join(function) };
        if there.is_other_than(&function) {
            let kind = TextErrorKind::ListedTwice { first: first.line };
            self.listing.skipped.push(TextError::at(kind, place).of(function.bdf));
            return;
        }
        if let Some(what) = there.differs_from(&function) {
            let kind = TextErrorKind::ListedOtherwise { first: first.line, what };
            self.listing.skipped.push(TextError::at(kind, place).of(function.bdf));
        }
        there.join(function);
    }
}

/// Whether lines after `length` bytes may be missing because they are all zero.
fn may_leave_out(length: usize) -> bool {
    length > CONVENTIONAL && length.is_multiple_of(LINE)
}

/// Appends the bytes of a line that starts at `offset` of configuration space. Text after 16 bytes is not from `lspci`.
fn append_line(config: &mut Vec<u8>, offset: usize, mut digits: &[u8]) -> Result<(), TextErrorKind> {
    let next = config.len();
    if offset > next && (next == CONVENTIONAL || may_leave_out(next)) && offset < EXTENDED {
        config.resize(offset, 0);
    } else if offset != next {
        return Err(TextErrorKind::ConfigOffset {
            next: bytes::saturate(next),
            found: bytes::saturate(offset),
        });
    }
    let end = config.len().saturating_add(LINE);
    while !digits.is_empty() && config.len() < end {
        let found = || [0, 1].map(|n| digits.get(n).copied().unwrap_or(b' '));
        let (rest, byte) = config_byte(digits).map_err(|_| TextErrorKind::ConfigDigits(found()))?;
        if config.len() >= EXTENDED {
            return Err(TextErrorKind::ConfigEnd);
        }
        config.push(byte);
        digits = rest;
    }
    Ok(())
}
