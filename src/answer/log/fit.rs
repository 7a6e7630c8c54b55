//! Whether a log and a firmware are of one machine.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::error::Source;
use crate::machine::Firmware;
use crate::machine::log::{Log, LogKind};
use crate::{Bdf, DeviceKey, Format, Segment};

use super::firmware::{Ties, has_format};
use super::instance::{Instance, numbered_name};

/// How many mismatches a note names; the others are counted.
const MAX_NAMED: usize = 4;

fn function(key: DeviceKey) -> Option<Bdf> {
    match key {
        DeviceKey::Pci(bdf) => Some(bdf),
        DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
    }
}

/// What the header of a table says: its name, its length, and who made it.
#[derive(PartialEq, Eq)]
struct Header {
    name: Source,
    length: u32,
    oem: String,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:#x} bytes by {}", self.name, self.length, self.oem)
    }
}

/// What a kernel printed of a table's header, and the header of that table here: `ACPI: DMAR 0x773D0000 000468 (v01 INTEL  INTEL ID 00000001 INTL
/// 20091013)` (linux drivers/acpi/acpica/tbprint.c `acpi_tb_print_table_header`).
fn headers(line: &str, firmware: &Firmware) -> Option<(Header, Header)> {
    let (_, said) = line.split_once("ACPI: ")?;
    let (head, made) = said.split_once("(v")?;
    let mut words = head.split_whitespace();
    let name: [u8; 4] = words.next()?.as_bytes().try_into().ok()?;
    let length = u32::from_str_radix(words.nth(1)?, 16).ok()?;
    let name = Source::table(name);
    let table = firmware.table(name)?;
    let text = |range: core::ops::Range<usize>| {
        let shown: String =
            table.get(range)?.iter().map(|byte| char::from(*byte)).take_while(|c| *c != '\0').collect();
        Some(shown)
    };
    let (id, table_id) = (text(10..16)?, text(16..24)?);
    let oem = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // What follows are the revisions, of eight digits.
    let made: Vec<&str> = made.split_whitespace().skip(1).collect();
    let end =
        made.iter().position(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let there = u32::from_le_bytes(table.get(4..8)?.try_into().ok()?);
    let said = Header { name, length, oem: made.get(..end)?.join(" ") };
    Some((said, Header { name, length: there, oem: oem(&format!("{id} {table_id}")) }))
}

/// Whether they match, and notes on it.
pub(super) fn compare(log: &Log, ties: &Ties<'_>) -> (Option<bool>, Vec<String>) {
    let mut notes = Vec::new();
    if log.left_out > 0 {
        notes.push(format!("{} more lines about IOMMUs are not listed", log.left_out));
    }
    let Some(firmware) = ties.firmware() else {
        notes.push("no firmware was given, so the lines cannot be traced to devices and records: give the machine's device tree or ACPI tables".to_string());
        return (None, notes);
    };
    let mut fits = None;
    let mut differ = |names: BTreeSet<String>, of_one: &str, of_several: &str| {
        if names.is_empty() {
            return;
        }
        let what = if names.len() == 1 { of_one } else { of_several };
        let more = names.len().saturating_sub(MAX_NAMED);
        let shown: Vec<String> = names.into_iter().take(MAX_NAMED).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(format!("log and firmware do not match: {}{more} {what}", shown.join(", ")));
    };
    // IOMMUs by name and address.
    let named = log.entries.iter().filter_map(|entry| {
        let facts = &entry.facts;
        match (&facts.iommu, facts.base) {
            (_, Some(base))
                if entry.form.pattern.contains("reg_base_addr")
                    || entry.form.pattern.contains("DRHD base") && entry.form.kind == LogKind::Iommu =>
            {
                Some((format!("{base:#x}"), ties.instances.at(base)))
            }
            (Some(name), _) => Some((name.clone(), ties.instances.named(name))),
            _ => None,
        }
    });
    let mut absent = BTreeSet::new();
    for (name, instance) in named {
        match instance {
            Instance::Known(_) => fits = fits.or(Some(true)),
            Instance::Absent => {
                absent.insert(name);
            }
            // More numbers than the table has nodes.
            Instance::Unknown if numbered_name(&name).is_some() => {
                absent.insert(name);
            }
            Instance::Unknown => {}
        }
    }
    let mut misfits = !absent.is_empty();
    differ(absent, "is not an IOMMU of this firmware", "are not IOMMUs of this firmware");
    // Functions by their segments, and by the listing.
    let functions: BTreeSet<Bdf> = log
        .entries
        .iter()
        .filter(|entry| matches!(entry.form.kind, LogKind::GroupAdd | LogKind::Fault | LogKind::Refused))
        .filter_map(|entry| entry.facts.device.as_ref()?.parse().ok())
        .collect();
    let segments: BTreeSet<Segment> = functions.iter().map(|function| function.segment).collect();
    let by_path = has_format(firmware, Format::Dmar)
        || has_format(firmware, Format::Ivrs)
        || has_format(firmware, Format::Viot);
    if let Some(map) = ties.map().filter(|_| !by_path) {
        let unknown: BTreeSet<String> = segments
            .iter()
            .filter(|segment| map.hosts_of(**segment).next().is_none())
            .map(|segment| format!("segment {segment}"))
            .collect();
        misfits |= !unknown.is_empty();
        differ(
            unknown,
            "has no PCI host bridge in this firmware",
            "have no PCI host bridge in this firmware",
        );
    }
    let machine = ties.machine();
    if machine.has_topology() && !functions.is_empty() {
        let listed: BTreeSet<Bdf> =
            machine.devices.iter().filter_map(|device| function(device.key())).collect();
        let missing: BTreeSet<String> =
            functions.iter().filter(|function| !listed.contains(function)).map(ToString::to_string).collect();
        // Some may have been plugged in, or be virtual functions that are gone.
        if missing.len().saturating_mul(2) > functions.len() {
            misfits = true;
            differ(missing, "is not in the listing of functions", "are not in the listing of functions");
        } else {
            fits = fits.or(Some(true));
        }
    }
    // Functions by what they are.
    let shared: Vec<(Bdf, bool)> = machine
        .devices
        .iter()
        .filter(|device| !device.is_virtual_function())
        .filter_map(|device| {
            let (bdf, facts) = (function(device.key())?, device.facts());
            let ids = log.functions.get(&bdf).filter(|_| (facts.vendor, facts.device) != (0, 0))?;
            Some((bdf, *ids != (facts.vendor, facts.device)))
        })
        .collect();
    let others: BTreeSet<String> =
        shared.iter().filter(|(_, differs)| *differs).map(|(bdf, _)| bdf.to_string()).collect();
    // One or two may have been exchanged since.
    if others.len().saturating_mul(4) > shared.len() {
        misfits = true;
        differ(others, "is another function in the listing", "are other functions in the listing");
    } else if !shared.is_empty() {
        fits = fits.or(Some(true));
    }
    // Tables by what the kernel printed of their headers.
    for (said, there) in log.entries.iter().filter_map(|entry| headers(&entry.text, firmware)) {
        if said == there {
            fits = fits.or(Some(true));
            continue;
        }
        misfits = true;
        notes.push(format!("log and firmware do not match: the kernel found {said}, and here is {there}"));
    }
    // Kinds of IOMMUs.
    let speaks = |word: &str| log.entries.iter().any(|entry| entry.text.contains(word));
    for (word, format, what) in
        [("DMAR: ", Format::Dmar, "Intel IOMMUs"), ("AMD-Vi: ", Format::Ivrs, "AMD IOMMUs")]
    {
        if speaks(word) && !has_format(firmware, format) && !firmware.platform.iommus.is_empty() {
            misfits = true;
            notes.push(format!("log and firmware do not match: the log is of a machine with {what}, and this firmware describes none"));
        }
    }
    (if misfits { Some(false) } else { fits }, notes)
}
