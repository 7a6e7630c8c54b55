//! The words of `lspci -v` about a function, and the facts in them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use memchr::memchr_iter;

use super::names::{self, hex4};
use crate::pci::{Acs, AcsFlags, Ari, Ats, Fact, Function, Header, Ids, PortType, SrIov};

/// What a text says about a function, in the line with its address and in the lines below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name, vendor first, as printed.
    pub(super) name: String,
    /// The name of its class, as printed.
    pub(super) class_name: String,
    /// Vendor and device, as far as they are known. A device without a vendor does not occur.
    pub(super) vendor: Option<u16>,
    pub(super) device: Option<u16>,
    /// Base class and subclass.
    pub(super) class: Option<u16>,
    prog_if: Option<u8>,
    subsystem: Option<Ids>,
    /// Secondary and subordinate bus.
    buses: Option<(u8, u8)>,
    unknown_header: bool,
    /// The number of its IOMMU group.
    pub(super) group: Option<u32>,
    capabilities: Capabilities,
    /// The text says that there is a capability list.
    has_list: bool,
    /// The line that has to follow.
    awaits: Option<&'static str>,
    /// Its link is up, or its slot is not empty.
    has_device_below: bool,
    /// The line before was the first of these registers.
    flags_go_on: Option<Register>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Capabilities {
    /// All capabilities are in the text.
    listed: bool,
    /// At least one capability is in the text.
    any: bool,
    /// Some are missing: the reader had no right to see them, or their list is broken.
    cut: bool,
    pcie: Option<PortType>,
    has_acs: bool,
    acs: Option<AcsFlags>,
    acs_control: Option<AcsFlags>,
    has_ari: bool,
    ari: Option<Ari>,
    has_ats: bool,
    ats: Option<Ats>,
    has_sriov: bool,
    sriov_enabled: Option<bool>,
    vfs: Option<(u16, u16)>,
    vf_places: Option<(u16, u16, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Capability,
    Control,
}

/// Types of PCI Express functions, in the words of pciutils `ls-caps.c` `cap_express` and of its older versions. The first one in a
/// line counts.
const TYPES: [(&str, PortType); 11] = [
    ("Root Complex Integrated Endpoint", PortType::RcEndpoint),
    ("Root Complex Event Collector", PortType::RcEventCollector),
    ("Legacy Endpoint", PortType::LegacyEndpoint),
    ("Root Port", PortType::RootPort),
    ("Upstream Port", PortType::UpstreamPort),
    ("Downstream Port", PortType::DownstreamPort),
    ("PCI/PCI-X to PCI-Express Bridge", PortType::PciToPcie),
    ("PCI-Express to PCI/PCI-X Bridge", PortType::PcieToPci),
    ("PCI-Express Bridge", PortType::PciToPcie),
    ("PCI/PCI-X Bridge", PortType::PcieToPci),
    ("Endpoint", PortType::Endpoint),
];

/// Registers that are printed in consecutive lines, by the words at their start: the second follows the first (`cap_express`,
/// `cap_acs`, `cap_aer`, `cap_sriov`, `cap_ats`, `cap_ari`, `show_verbose`).
const NEXT: [(&str, &str); 14] = [
    ("Control", "Status"),
    ("DevCap", "DevCtl"),
    ("DevCtl", "DevSta"),
    ("LnkCap", "LnkCtl"),
    ("LnkCtl", "LnkSta"),
    ("SltCap", "SltCtl"),
    ("SltCtl", "SltSta"),
    ("ACSCap", "ACSCtl"),
    ("UESta", "UEMsk"),
    ("UEMsk", "UESvrt"),
    ("CESta", "CEMsk"),
    ("IOVCap", "IOVCtl"),
    ("IOVCtl", "IOVSta"),
    ("ATSCap", "ATSCtl"),
];

/// ACS bits by the words of `cap_acs`.
const ACS: [(&str, AcsFlags); 7] = [
    ("SrcValid", AcsFlags::SV),
    ("TransBlk", AcsFlags::TB),
    ("ReqRedir", AcsFlags::RR),
    ("CmpltRedir", AcsFlags::CR),
    ("UpstreamFwd", AcsFlags::UF),
    ("EgressCtrl", AcsFlags::EC),
    ("DirectTrans", AcsFlags::DT),
];

/// Whether the text after an address is a class and what belongs to it, with names, numbers or both: `PCI bridge [0604]: …`, `0604:
/// …`, `PCI bridge`.
pub(super) fn is_class(rest: &[u8]) -> bool {
    let Ok(rest) = core::str::from_utf8(rest.get(..MAX_CLASS).unwrap_or(rest))
        .or_else(|error| core::str::from_utf8(rest.get(..error.valid_up_to()).unwrap_or_default()))
    else {
        return false;
    };
    let rest = rest.trim();
    let Some((class, _)) = rest.split_once(": ").or_else(|| Some((rest.strip_suffix(':')?, ""))) else {
        return names::class(rest).is_some();
    };
    let (words, number) = match class.strip_suffix(']').and_then(|class| class.rsplit_once('[')) {
        Some((words, number)) => (words, Some(number)),
        None => (class, Some(class.strip_prefix("Class ").unwrap_or(class))),
    };
    // Classes that the database did not have when the listing was made, or does not have today.
    let is_named = || {
        let word = |c: char| c.is_ascii_alphanumeric() || " ()/.-&".contains(c);
        words.starts_with(|c: char| c.is_ascii_uppercase()) && words.len() <= 60 && words.chars().all(word)
    };
    number.and_then(hex4).is_some() || names::class(words.trim()).is_some() || is_named()
}

/// The length of the longest class with its number, in bytes.
const MAX_CLASS: usize = 100;

impl Told {
    /// Reads the text after the address, with names, numbers or both: `PCI bridge [0604]: Example port [8086:7ab8] (rev 11)
    /// (prog-if 00 [Normal decode])`.
    pub(super) fn of_header(rest: &[u8]) -> Self {
        let mut told = Told::default();
        told.header(String::from_utf8_lossy(rest).trim());
        told
    }

    fn header(&mut self, header: &str) {
        let (class, name) = header.split_once(": ").unwrap_or(("", header));
        // `lspci -k` and scripts write these after the name.
        let end = ["(rev ", "(prog-if "].into_iter().filter_map(|mark| name.find(mark)).min();
        let (name, marks) = end.and_then(|end| name.split_at_checked(end)).unwrap_or((name, ""));
        let name = name.trim();
        self.prog_if = after(marks, "(prog-if ").and_then(|digits| hex(digits.get(..2)?));
        let in_brackets = class.strip_suffix(']').and_then(|class| class.rsplit_once('['));
        let bare = class.strip_prefix("Class ").unwrap_or(class);
        (self.class_name, self.class) = match in_brackets {
            Some((words, digits)) => (words.trim().to_owned(), hex4(digits)),
            None if hex4(bare).is_some() => (String::new(), hex4(bare)),
            None => (class.to_owned(), names::class(class)),
        };
        // Class 0 is in made-up listings, but no function has it.
        self.class = self.class.filter(|class| *class != 0);
        let ids = name.rsplit('[').find_map(|part| ids(part.split_once(']')?.0));
        let ids = ids.or_else(|| ids_alone(name));
        self.name = match name.rsplit_once('[') {
            Some((words, last)) if last.len() == 10 && ids.is_some() => words.trim().to_owned(),
            _ if ids.is_some() => String::new(),
            _ => name.to_owned(),
        };
        (self.vendor, self.device) = match ids {
            Some(Ids { vendor, device }) => (Some(vendor), Some(device)),
            None if class.is_empty() => (None, None),
            None => names::ids(name),
        };
    }

    /// Whether the text has more than the address.
    pub(super) fn says_anything(&self) -> bool {
        self.class.is_some()
            || self.vendor.is_some()
            || !self.class_name.is_empty()
            || self.capabilities.listed
            || self.group.is_some()
    }

    /// Whether the function does not answer (`Unknown header type 7f`: the header reads all ones).
    pub(super) fn is_silent(&self) -> bool {
        self.unknown_header
    }

    /// The same; for `is_silent` of a function whose bytes are known to read all ones.
    pub(super) fn silent_if(&self, is_silent: bool) -> Self {
        Told { unknown_header: self.unknown_header || is_silent, ..self.clone() }
    }

    /// Whether only its name is known.
    pub(super) fn is_name_only(&self) -> bool {
        !self.capabilities.listed && !self.capabilities.cut && self.buses.is_none() && !self.unknown_header
    }

    /// The layout of its header, if the text has the buses below it.
    pub(super) fn header_type(&self) -> Option<u8> {
        self.buses.map(|_| if self.class == Some(0x0607) { 2 } else { 1 })
    }

    /// Whether its name has no ids, so that rules about single devices cannot be applied.
    pub(super) fn lacks_ids(&self) -> bool {
        self.device.is_none() && !self.name.is_empty()
    }

    /// Whether the text names its ACS capability without the registers, as `lspci -v` does.
    pub(super) fn lacks_acs(&self) -> bool {
        let known = &self.capabilities;
        known.has_acs && (known.acs.is_none() || known.acs_control.is_none()) && !self.unknown_header
    }

    /// Takes in a line below the line with the address.
    pub(super) fn line(&mut self, line: &[u8]) {
        let Ok(line) = core::str::from_utf8(line) else { return };
        if let Some(register) = self.flags_go_on.take()
            && ACS.iter().any(|(word, _)| line.starts_with(word))
        {
            return self.acs(register, line);
        }
        let Some((key, value)) = line.split_once(':') else { return self.odd(line) };
        let value = value.trim();
        self.follow(key, value);
        let known = &mut self.capabilities;
        match key {
            "Flags" | "Control" | "Status" => known.listed = true,
            "Capabilities" => self.capability(value),
            "Bus" => {
                let number = |key| after(value, key).and_then(|digits| hex::<u8>(digits.get(..2)?));
                self.buses = number("secondary=").zip(number("subordinate="));
            }
            "IOMMU group" => self.group = value.parse().ok(),
            "Subsystem" => {
                let bracketed = value.rsplit('[').find_map(|part| ids(part.split_once(']')?.0));
                self.subsystem = bracketed.or_else(|| ids_alone(value));
            }
            "ACSCap" => {
                known.acs = Some(AcsFlags::NONE);
                self.acs(Register::Capability, value);
            }
            "ACSCtl" => {
                known.acs_control = Some(AcsFlags::NONE);
                self.acs(Register::Control, value);
            }
            "ARICap" => {
                let next = decimal(value, "Next Function: ").and_then(|next| u8::try_from(next).ok());
                known.ari = next.map(|next_function| Ari { next_function });
            }
            "ATSCtl" => known.ats = switch(value, "Enable").map(|enabled| Ats { enabled }),
            "IOVCtl" => known.sriov_enabled = switch(value, "Enable"),
            "Initial VFs" => {
                known.vfs = decimal(value, "Total VFs: ").zip(decimal(value, "Number of VFs: "));
            }
            "VF offset" => {
                let offset = value.split(',').next().and_then(|offset| offset.trim().parse().ok());
                let device = after(value, "Device ID: ").and_then(|digits| hex4(digits.get(..4)?));
                known.vf_places = match (offset, decimal(value, "stride: "), device) {
                    (Some(offset), Some(stride), Some(device)) => Some((offset, stride, device)),
                    _ => None,
                };
            }
            _ => self.odd(line),
        }
    }

    /// Notes which line has to come next.
    fn follow(&mut self, key: &str, value: &str) {
        match key {
            "Status" => self.has_list |= value.starts_with("Cap+"),
            "SltSta" => self.has_device_below |= value.contains("PresDet+"),
            "LnkSta" => self.has_device_below |= value.contains("DLActive+"),
            _ => {}
        }
        match NEXT.iter().find(|(first, _)| *first == key) {
            // Other capabilities have a line with this name, too.
            Some(("Control", _)) if !value.starts_with("I/O") => {}
            Some((_, second)) => self.awaits = Some(second),
            None if self.awaits == Some(key) || key == "Capabilities" => self.awaits = None,
            None => {}
        }
    }

    /// Completes the text of a function after its last line, and returns what is missing. Few functions with a capability list have
    /// no capability, so a missing list is reported for the last function only.
    pub(super) fn ends_before(&self, is_last: bool) -> Option<&'static str> {
        let known = &self.capabilities;
        let lacks_list = is_last && self.has_list && !known.cut && !known.any;
        self.awaits.or(lacks_list.then_some("its capabilities"))
    }

    /// Whether it is a port with a device below it.
    pub(super) fn has_device_below(&self) -> bool {
        self.has_device_below && self.buses.is_some()
    }

    /// `[40] Express (v2) Root Port (Slot+), MSI 00`, `<access denied>`
    fn capability(&mut self, value: &str) {
        let known = &mut self.capabilities;
        let Some((_, what)) = value.strip_prefix('[').and_then(|value| value.split_once("] ")) else {
            known.cut = true;
            return;
        };
        (known.listed, known.any) = (true, true);
        if let Some(kind) = what.strip_prefix("Express ") {
            known.pcie = TYPES.iter().find(|(words, _)| kind.contains(words)).map(|(_, port)| *port);
            known.pcie = known.pcie.or_else(|| {
                let number = decimal(kind, "Unknown type ").and_then(|number| u8::try_from(number).ok());
                number.map(PortType::Other)
            });
        }
        known.has_acs |= what.starts_with("Access Control Services");
        known.has_ari |= what.starts_with("Alternative Routing-ID");
        known.has_ats |= what.starts_with("Address Translation Service");
        known.has_sriov |= what.starts_with("Single Root I/O Virtualization");
        known.cut |= what.starts_with("<chain");
    }

    fn acs(&mut self, register: Register, words: &str) {
        let known = &mut self.capabilities;
        let register_told = match register {
            Register::Capability => &mut known.acs,
            Register::Control => &mut known.acs_control,
        };
        let Some(told) = register_told else { return };
        let set = |(word, bit): &(&str, AcsFlags)| (switch(words, word) == Some(true)).then_some(*bit);
        *told = ACS.iter().filter_map(set).fold(*told, |told, bit| told | bit);
        self.flags_go_on = Some(register);
    }

    /// Takes in a line that is not a key and its value.
    fn odd(&mut self, line: &str) {
        if line.starts_with("!!! Unknown header type") {
            self.unknown_header = true;
        } else if line.starts_with("TrErr") {
            // The second line of `LnkSta`.
            self.has_device_below |= line.contains("DLActive+");
        } else if self.is_name_only() && self.device.is_none() && !self.name.is_empty() {
            // The rest of the line with the address, which a mail program has broken.
            let is_rest = line.contains("(rev ")
                || line.contains("(prog-if ")
                || line.rsplit('[').any(|part| ids(part.split(']').next().unwrap_or_default()).is_some());
            if is_rest {
                let header = alloc::format!("{}: {} {line}", self.class_name, self.name);
                let (class, class_name) = (self.class, core::mem::take(&mut self.class_name));
                self.header(&header);
                (self.class, self.class_name) = (class, class_name);
            }
        }
    }

    /// Takes in what another text says, for all that this one leaves open.
    pub(super) fn join(&mut self, other: Told) {
        let is_more = |new: &Capabilities, old: &Capabilities| {
            let weight =
                |of: &Capabilities| (of.listed && !of.cut, of.pcie.is_some(), of.acs_control.is_some());
            weight(new) > weight(old)
        };
        if is_more(&other.capabilities, &self.capabilities) {
            self.capabilities = other.capabilities;
        }
        if self.name.is_empty() {
            self.name = other.name;
        }
        if self.class_name.is_empty() {
            self.class_name = other.class_name;
        }
        if self.device.is_none() && (other.device.is_some() || self.vendor.is_none()) {
            (self.vendor, self.device) = (other.vendor, other.device);
        }
        self.class = self.class.or(other.class);
        self.prog_if = self.prog_if.or(other.prog_if);
        self.subsystem = self.subsystem.or(other.subsystem);
        self.buses = self.buses.or(other.buses);
        self.group = self.group.or(other.group);
        self.unknown_header &= other.unknown_header;
    }

    /// The facts of the text.
    pub(super) fn function(&self) -> Function {
        let class = self.class.unwrap_or_default();
        let (secondary, subordinate) = self.buses.unwrap_or_default();
        let header = match class {
            0x0607 => Header::CardBus { secondary, subordinate },
            0x0604 | 0x0609 => Header::Bridge { secondary, subordinate },
            _ if self.buses.is_some() => Header::Bridge { secondary, subordinate },
            _ => Header::Device,
        };
        let vendor = self.vendor.unwrap_or_default();
        let prog_if = self.prog_if.filter(|_| !self.unknown_header).unwrap_or_default();
        Function {
            vendor,
            device: self.device.unwrap_or_default(),
            subsystem: self.subsystem.filter(|_| header == Header::Device),
            class: u32::from(class) << 8 | u32::from(prog_if),
            header,
            rcba: if vendor == 0x8086 && class == 0x0601 { Fact::Unknown } else { Fact::Absent },
            ..self.capabilities.facts(self.unknown_header)
        }
    }

    /// The facts of the bytes, and those of the text where the bytes leave them open.
    pub(super) fn beside(&self, read: Function) -> Function {
        let told = self.function();
        Function {
            pcie: read.pcie.or(told.pcie),
            acs: read.acs.or(told.acs),
            ari: read.ari.or(told.ari),
            sriov: read.sriov.or(told.sriov),
            ats: read.ats.or(told.ats),
            ..read
        }
    }

    /// The facts in which the text differs from the bytes.
    pub(super) fn contradicts(&self, read: &Function) -> Vec<&'static str> {
        fn differ<T: PartialEq>(told: Option<T>, read: Option<T>) -> bool {
            told.zip(read).is_some_and(|(told, read)| told != read)
        }
        let told = self.function();
        let known = |function: &Function| {
            function.acs.present().map(|acs| (acs.capability.0 & 0x7f, acs.control.0 & 0x7f))
        };
        let buses = |function: &Function| match function.header {
            Header::Bridge { secondary, subordinate } | Header::CardBus { secondary, subordinate } => {
                Some((secondary, subordinate))
            }
            Header::Device | Header::Other(_) => None,
        };
        let ids =
            !read.virtual_function && differ(self.vendor.zip(self.device), Some((read.vendor, read.device)));
        let rows = [
            (ids, "vendor and device"),
            (differ(self.class, u16::try_from(read.class >> 8).ok()), "the class"),
            (self.buses.is_some() && differ(buses(&told), buses(read)), "the buses below"),
            (differ(told.pcie.present(), read.pcie.present()), "the port type"),
            (differ(known(&told), known(read)), "ACS"),
        ];
        rows.into_iter()
            .filter(|(differs, _)| *differs && !self.unknown_header)
            .map(|(_, what)| what)
            .collect()
    }
}

impl Capabilities {
    /// The facts in the capabilities, for a function without ids.
    fn facts(&self, is_silent: bool) -> Function {
        let nothing = Function {
            pcie: Fact::Unknown,
            acs: Fact::Unknown,
            ari: Fact::Unknown,
            sriov: Fact::Unknown,
            ats: Fact::Unknown,
            ..Function::endpoint()
        };
        if is_silent {
            return nothing;
        }
        let complete = self.listed && !self.cut;
        let Some(port) = self.pcie else {
            let all = |absent: Function| Function { pcie: Fact::Absent, ..absent };
            return if complete { all(Function::endpoint()) } else { nothing };
        };
        // A capability that is listed without its registers was listed by `lspci -v`.
        let absent = |listed: bool| complete && !listed;
        let acs = self.acs.zip(self.acs_control);
        let sriov = || {
            let ((total_vfs, num_vfs), (first_vf_offset, vf_stride, vf_device)) =
                self.vfs.zip(self.vf_places)?;
            let enabled = self.sriov_enabled?;
            Some(SrIov { enabled, total_vfs, num_vfs, first_vf_offset, vf_stride, vf_device })
        };
        Function {
            pcie: Fact::Present(port),
            acs: fact(
                acs.map(|(capability, control)| Acs { capability, control, next_dword: None }),
                absent(self.has_acs),
            ),
            ari: fact(self.ari, absent(self.has_ari)),
            sriov: fact(sriov(), absent(self.has_sriov)),
            ats: fact(self.ats, absent(self.has_ats)),
            ..Function::endpoint()
        }
    }
}

fn fact<T>(known: Option<T>, absent: bool) -> Fact<T> {
    match known {
        Some(known) => Fact::Present(known),
        None if absent => Fact::Absent,
        None => Fact::Unknown,
    }
}

/// The text after a word.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    // Lines and words are short: a search that prepares for the word costs more than a plain one.
    let (bytes, word) = (text.as_bytes(), word.as_bytes());
    let at = memchr_iter(*word.first()?, bytes)
        .find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(word)))?;
    text.get(at.checked_add(word.len())?..)
}

/// `Enable+`, `Enable-`
fn switch(text: &str, word: &str) -> Option<bool> {
    match after(text, word)?.bytes().next()? {
        b'+' => Some(true),
        b'-' => Some(false),
        _ => None,
    }
}

/// The number after a word.
fn decimal(text: &str, word: &str) -> Option<u16> {
    let digits = after(text, word)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

fn hex<T: TryFrom<u32>>(digits: &str) -> Option<T> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| all).and_then(|number| T::try_from(number).ok())
}

/// `8086:1901`
fn ids(text: &str) -> Option<Ids> {
    let (vendor, device) = text.split_once(':')?;
    Some(Ids { vendor: hex4(vendor)?, device: hex4(device)? })
}

/// `8086:1901`, `Device 8086:1901`
fn ids_alone(text: &str) -> Option<Ids> {
    ids(text.strip_prefix("Device ").unwrap_or(text).split(' ').next()?)
}
