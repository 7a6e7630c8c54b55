//! Whether a log and a firmware are of one machine.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

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
