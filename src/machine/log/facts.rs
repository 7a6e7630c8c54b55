//! What a line says, taken out of its text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::form::Form;
use super::meaning;
use super::pattern::Match;
use super::speaker::Head;
use super::table;
use crate::{Bdf, RequesterId, Segment, StreamId};

/// The facts of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The IOMMU as the kernel calls it: `arm-smmu-v3.0.auto`, `15000000.iommu`, `dmar0`.
    pub iommu: Option<String>,
    /// The physical address of an IOMMU or of an MSI controller.
    pub base: Option<u64>,
    /// The device: `0000:01:00.0`, `15340000.gpu`.
    pub device: Option<String>,
    /// A second device.
    pub other: Option<String>,
    /// A node of the device tree, a path.
    pub node: Option<String>,
    /// The StreamID, or the id that another kind of IOMMU knows a device by.
    pub stream: Option<StreamId>,
    /// The IOMMU group.
    pub group: Option<u32>,
    /// The address that a device used, or that is mapped.
    pub address: Option<u64>,
    /// The number of an SMMUv3's event.
    pub event: Option<u8>,
    /// Everything else, by the names of the holes.
    pub values: Vec<(&'static str, String)>,
}

impl Facts {
    pub(super) fn of(found: &Match, line: &str) -> Facts {
        let head = Head::of(line.get(..found.start).unwrap_or_default());
        let mut facts = Facts { iommu: head.iommu, device: head.device, ..Facts::default() };
        for (name, range) in &found.values {
            facts.take(name, line.get(range.clone()).unwrap_or_default());
        }
        facts
    }

    fn take(&mut self, name: &'static str, value: &str) {
        let hexadecimal = || u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok();
        let stream = |id: u64| u32::try_from(id).ok().map(StreamId);
        match name {
            "dev" | "client" => self.device = Some(device(value)),
            "other" => self.other = Some(device(value)),
            "node" => self.node = Some(value.to_string()),
            "iommu" => self.iommu = Some(value.to_string()),
            "fn" => {
                let bus = self.device.as_deref().and_then(|device| device.rsplit_once(':'));
                self.other = bus.map(|(bus, _)| format!("{bus}:{value}"));
            }
            "sid" => self.stream = hexadecimal().and_then(stream),
            // An SMMUv1 or v2 has 15 or 16 bits, and the mask above them.
            "cbfrsynra" | "gfsynr1" => self.stream = hexadecimal().map(|id| id & 0xffff).and_then(stream),
            "sidd" => self.stream = value.parse().ok().map(StreamId),
            "rid" => {
                let rid = hexadecimal().and_then(|id| u16::try_from(id).ok());
                self.device = rid.map(|rid| Bdf { segment: Segment(0), rid: RequesterId(rid) }.to_string());
            }
            "group" => self.group = value.parse().ok(),
            "addr" => self.address = hexadecimal(),
            "base" => self.base = hexadecimal(),
            "event" => self.event = hexadecimal().and_then(|number| u8::try_from(number).ok()),
            "eventname" => self.event = meaning::event_named(value),
            "raw" => {
                let word = hexadecimal().unwrap_or_default();
                let [number, ..] = word.to_le_bytes();
                self.event = Some(number);
                self.stream = stream(word >> 32);
            }
            _ => {}
        }
        let is_kept = name == "group" && self.group.is_none();
        if is_kept || !matches!(name, "dev" | "client" | "other" | "node" | "iommu" | "group") {
            self.values.push((name, value.to_string()));
        }
    }

    /// Whether another line is about the same IOMMU, as far as both tell.
    pub(super) fn agrees(&self, other: &Facts) -> bool {
        fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        same(self.iommu.as_ref(), other.iommu.as_ref())
            && same(self.device.as_ref(), other.device.as_ref())
            && same(self.stream.as_ref(), other.stream.as_ref())
            && same(self.event.as_ref(), other.event.as_ref())
    }

    /// Takes over what another line of the same matter adds.
    pub(super) fn join(&mut self, other: Facts) {
        fn or<T>(own: &mut Option<T>, more: Option<T>) {
            if own.is_none() {
                *own = more;
            }
        }
        or(&mut self.iommu, other.iommu);
        or(&mut self.base, other.base);
        or(&mut self.device, other.device);
        or(&mut self.other, other.other);
        or(&mut self.node, other.node);
        or(&mut self.stream, other.stream);
        or(&mut self.group, other.group);
        or(&mut self.address, other.address);
        or(&mut self.event, other.event);
        for (name, value) in other.values {
            if self.value(name).is_none() {
                self.values.push((name, value));
            }
        }
    }

    /// The text of a hole.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What a line of this form says, in a sentence.
    ///
    /// ```
    /// use fwspec::machine::log::Log;
    /// let log = Log::read(b"pci 0000:01:00.0: Adding to iommu group 7\n");
    /// let entry = &log.entries[0];
    /// assert_eq!(entry.facts.sentence(entry.form), "0000:01:00.0 is in IOMMU group 7.");
    /// ```
    pub fn sentence(&self, form: &Form) -> String {
        let mut said = String::new();
        let mut rest = form.said;
        while !rest.is_empty() {
            let (text, more) = rest.split_once('{').unwrap_or((rest, ""));
            let (name, after) = more.split_once('}').unwrap_or((more, ""));
            said.push_str(text);
            if !name.is_empty() {
                let word = self.word(name, form);
                let word = fitting(&word, &said, after);
                // A sentence starts with a capital letter.
                match word
                    .chars()
                    .next()
                    .filter(|c| said.is_empty() && c.is_ascii_lowercase() && word.starts_with("the "))
                {
                    Some(first) => {
                        said.push(first.to_ascii_uppercase());
                        said.push_str(word.get(1..).unwrap_or_default());
                    }
                    None => said.push_str(word),
                }
            }
            rest = after;
        }
        said
    }

    /// The text for a hole of a sentence.
    fn word(&self, name: &str, form: &Form) -> String {
        let or = |value: &Option<String>, without: &str| value.clone().unwrap_or_else(|| without.to_string());
        let number = |name: &str| {
            let value = self.value(name).unwrap_or_default();
            u32::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).unwrap_or_default()
        };
        let decimal = |name: &str| self.value(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        match name {
            // A driver may mention the IOMMU as of any device.
            "device" if form.speaker.is_empty() && !form.said.contains("{iommu}") => {
                or(if self.device.is_none() { &self.iommu } else { &self.device }, "the device")
            }
            "device" => or(&self.device, "the device"),
            "other" => or(&self.other, "another device"),
            "fn" => or(&self.other, "another function"),
            "iommu" => or(&self.iommu, "the IOMMU"),
            "node" => or(&self.node, "a node"),
            // A number that is too large stays as the line has it.
            "group" => self.group.map_or_else(|| self.written(&["group"]), |group| group.to_string()),
            "sid" => self.stream.map_or_else(
                || self.written(&["sid", "sidd", "cbfrsynra", "gfsynr1", "raw"]),
                |id| id.to_string(),
            ),
            "did" => self.value("did").map_or_else(|| format!("{:#x}", number("didx")), ToString::to_string),
            "at" => self.address.map_or_else(String::new, |address| format!(", address {address:#x}")),
            "addr" => self.address.map_or_else(|| self.written(&["addr"]), |address| format!("{address:#x}")),
            "base" => self.base.map_or_else(|| self.written(&["base"]), |base| format!("{base:#x}")),
            "params" => {
                let words: Vec<&str> = table::parameters(self.value("params").unwrap_or_default()).collect();
                words.join(" ")
            }
            "whose" if number("x") & 1 == 1 => "all functions that no other names".to_string(),
            "whose" => "the functions that it names".to_string(),
            "wrong" => self.wrong_region().1.to_string(),
            "event" => self.event.map_or_else(|| "an event".to_string(), meaning::event),
            "reason" if self.value("reasond").is_some() => meaning::reason(decimal("reasond")),
            // Kernels before 5.12 print it in decimal.
            "reason" if self.value("reason").is_some_and(|value| !value.starts_with("0x")) => {
                meaning::reason(decimal("reason"))
            }
            "reason" => meaning::reason(number("reason")),
            "cause" => meaning::cause(decimal("cause")),
            "fsr" => meaning::status(number("fsr")),
            "flags" => meaning::flags(number("flags")),
            "errno" => meaning::errno(self.value("errno").unwrap_or_default()),
            other => self.value(other).unwrap_or_default().to_string(),
        }
    }

    /// The text of the first of these holes that the line has.
    fn written(&self, names: &[&str]) -> String {
        let found = names.iter().find_map(|name| self.value(name));
        found.unwrap_or("(not said)").to_string()
    }

    /// What is wrong with a reserved region of a DMAR table, and the code of it (linux drivers/iommu/intel/iommu.c `rmrr_sanity_check`,
    /// arch/x86/include/asm/iommu.h `arch_rmrr_sanity_check`).
    fn wrong_region(&self) -> (&'static str, &'static str) {
        const PAGE: u64 = 0xfff;
        let end = self.value("x").unwrap_or_default();
        let end = u64::from_str_radix(end.strip_prefix("0x").unwrap_or(end), 16).ok();
        match self.address.zip(end) {
            Some((start, end)) if end <= start => ("DMAR011", "that ends before it starts"),
            Some((start, end)) if start & PAGE != 0 || end & PAGE != PAGE => {
                ("DMAR012", "that does not start and end at a page of 4 KiB")
            }
            _ => ("DMAR013", "its own map of memory does not reserve that for it"),
        }
    }

    /// The codes of the findings that may say the same as a line of this form.
    pub(crate) fn codes<'a>(&self, form: &'a Form) -> impl Iterator<Item = &'a str> {
        let is_region = form.said.contains("{wrong}");
        let only = is_region.then(|| self.wrong_region().0);
        let codes = form.codes.split(' ').filter(|code| !code.is_empty());
        codes.filter(move |code| only.is_none_or(|only| only == *code))
    }

    /// The address that the third word of an SMMUv3's event has.
    pub(super) fn take_event_address(&mut self, word: &str) {
        if self.address.is_none() && self.event.is_some_and(meaning::has_address) {
            self.address = u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok();
        }
    }
}

/// A word as it fits between what is before and after: no brackets in brackets, no two marks at the end of a sentence.
fn fitting<'a>(word: &'a str, before: &str, after: &str) -> &'a str {
    let bare = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
    let word = match bare {
        Some(bare) if before.ends_with('(') && after.starts_with(')') && !bare.contains(['(', ')']) => bare,
        _ => word,
    };
    if after.starts_with('.') { word.trim_end_matches(['.', '!', ':', ';', ' ']) } else { word }
}

/// A device as the kernel calls it; a function always with its segment.
fn device(name: &str) -> String {
    name.parse::<Bdf>().map_or_else(|_| name.to_string(), |function| function.to_string())
}
