//! Ids from names: `lspci` prints names without numbers unless it is asked for them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::ruled::{CLASSES, DEVICES, VENDORS};
use crate::pci::{Function, quirk};

/// Base class and subclass by the class's name.
pub(super) fn class(name: &str) -> Option<u16> {
    CLASSES.iter().find(|(_, known)| *known == name).map(|(class, _)| *class)
}

/// Vendor and device by a name that starts with the vendor's, as far as a rule needs them and the name shows them: `Intel
/// Corporation Device a700`, `Intel Corporation 100 Series/C230 Series Chipset Family PCI Express Root Port #1`.
pub(super) fn ids(name: &str) -> (Option<u16>, Option<u16>) {
    let vendors = VENDORS.iter().filter_map(|(vendor, known)| Some((*vendor, known, rest(name, known)?)));
    let Some((vendor, _, device)) = vendors.max_by_key(|(_, known, _)| known.len()) else {
        return (None, None);
    };
    let known = || DEVICES.iter().find(|(of, _, known)| *of == vendor && *known == device);
    (Some(vendor), number(device).or_else(|| known().map(|(_, device, _)| *device)))
}

/// The part of a name after the vendor's name.
fn rest<'a>(name: &'a str, vendor: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(vendor)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

/// `Device a700`: a device that has no name in the database.
fn number(device: &str) -> Option<u16> {
    device.strip_prefix("Device ").and_then(hex4)
}

/// Four hexadecimal digits and nothing else.
pub(super) fn hex4(digits: &str) -> Option<u16> {
    let all = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| all)
}

/// The PCI ID database of a machine (`/usr/share/misc/pci.ids`), from which `lspci` has its names.
#[derive(Debug, Default)]
pub(super) struct PciIds<'a> {
    /// For each vendor's name: its number, and the lines of its devices.
    vendors: BTreeMap<&'a str, (u16, &'a str)>,
}

impl<'a> PciIds<'a> {
    /// Reads the database; lines of other forms are skipped.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut vendors = BTreeMap::new();
        let mut rest = text;
        while let Some((line, after)) = cut_line(rest) {
            // Classes follow the vendors.
            if line.starts_with("C ") {
                break;
            }
            rest = after;
            let Some((vendor, name)) = row(line) else { continue };
            let end = rest.match_indices('\n').map(|(at, _)| at.saturating_add(1));
            let is_device =
                |at: &usize| rest.get(*at..).is_some_and(|rest| !rest.starts_with(['\t', '#', '\n', '\r']));
            let end = core::iter::once(0).chain(end).find(is_device).unwrap_or(rest.len());
            let (devices, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            vendors.entry(name).or_insert((vendor, devices));
            rest = after;
        }
        PciIds { vendors }
    }

    /// Whether it has no vendors.
    pub(super) fn is_empty(&self) -> bool {
        self.vendors.is_empty()
    }

    /// Vendor and device by a name that starts with the vendor's. Of several devices with one name it is the first if the same
    /// rules apply to all, otherwise none.
    pub(super) fn ids(&self, name: &str) -> (Option<u16>, Option<u16>) {
        let spaces = name.match_indices(' ').map(|(at, _)| at).chain([name.len()]);
        let mut vendors: Vec<&(u16, &str)> = Vec::new();
        let mut device = "";
        for at in spaces {
            if let Some(vendor) = name.get(..at).and_then(|start| self.vendors.get(start)) {
                vendors.push(vendor);
                device = name.get(at..).unwrap_or_default().trim_start();
            }
        }
        let Some((vendor, devices)) = vendors.pop() else { return (None, None) };
        let of_name = devices.lines().filter_map(|line| {
            let (id, known) = row(line.strip_prefix('\t')?)?;
            (known == device).then_some(id)
        });
        let of_name: Vec<u16> = of_name.collect();
        let first = of_name
            .first()
            .copied()
            .filter(|first| of_name.iter().all(|id| same_rules(*vendor, *first, *id)));
        (Some(*vendor), number(device).or(first))
    }
}

/// The database's names for these devices, by vendor and device: `Intel Corporation I350 Gigabit Network Connection`. Devices that
/// it does not have are left out.
pub(super) fn of_ids(text: &str, wanted: &BTreeSet<(u16, u16)>) -> BTreeMap<(u16, u16), String> {
    let mut found = BTreeMap::new();
    let mut of: Option<(u16, &str)> = None;
    // Classes follow the vendors.
    for line in text.lines().take_while(|line| !line.starts_with("C ")) {
        match line.strip_prefix('\t') {
            None => of = row(line).or(of.filter(|_| line.is_empty() || line.starts_with('#'))),
            Some(line) => {
                let known =
                    of.zip(row(line)).filter(|((vendor, _), (id, _))| wanted.contains(&(*vendor, *id)));
                if let Some(((vendor, maker), (id, name))) = known {
                    found.entry((vendor, id)).or_insert_with(|| alloc::format!("{maker} {name}"));
                }
            }
        }
    }
    found
}

/// The first line of a text, and the rest.
fn cut_line(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() { None } else { Some(text.split_once('\n').unwrap_or((text, ""))) }
}

/// `8086  Intel Corporation`
fn row(line: &str) -> Option<(u16, &str)> {
    let (digits, name) = line.split_once("  ")?;
    Some((hex4(digits)?, name.trim()))
}

/// Whether the same rows apply to two devices of one vendor.
fn same_rules(vendor: u16, one: u16, other: u16) -> bool {
    let function = |device| Function { vendor, device, ..Function::endpoint() };
    let rows = |device| {
        let function = function(device);
        let acs = quirk::ACS.iter().map(move |row| row.names(&function));
        acs.chain(quirk::ALIASES.iter().map(move |row| row.names(&function)))
    };
    one == other || rows(one).eq(rows(other))
}

/// Whether the line is from the head of a PCI ID database.
pub(super) fn is_database(line: &[u8]) -> bool {
    line.starts_with(b"# Syntax:")
        || line.windows(24).any(|words| words == b"List of PCI ID's")
        || line.starts_with(b"#\tList of PCI ID")
}

/// The names that a listing prints, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Name {
    /// Vendor and device, as printed: `Intel Corporation I350 Gigabit Network Connection`. Empty where there are only numbers.
    pub device: String,
    /// The class, as printed: `Ethernet controller`. Empty where there is only a number.
    pub class: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_names_of_the_database() {
        let text = "# Syntax:\n1af4  Example Inc.\n\t0001  Port\n\t\t1af4 0002  Subsystem\n# remark\n\t0003  Card\n8086  Intel\n\t0001  Bridge\n\
C 01  Class\n\t0001  Storage\n";
        let wanted = BTreeSet::from([(0x1af4, 3), (0x8086, 1), (0x8086, 3)]);
        let found: Vec<_> = of_ids(text, &wanted).into_iter().collect();
        assert_eq!(found, [((0x1af4, 3), "Example Inc. Card".into()), ((0x8086, 1), "Intel Bridge".into())]);
    }

    #[test]
    fn names_of_rules_have_their_ids() {
        let port = "Intel Corporation 100 Series/C230 Series Chipset Family PCI Express Root Port #9";
        assert_eq!(ids(port), (Some(0x8086), Some(0xa118)));
        assert_eq!(ids("Intel Corporation Device a700"), (Some(0x8086), Some(0xa700)));
        assert_eq!(ids("Intel Corporation Unheard Of"), (Some(0x8086), None));
        assert_eq!(ids("Intel Corporation"), (Some(0x8086), None));
        assert_eq!(ids("Advanced Micro Devices, Inc. [AMD/ATI] Navi 31"), (Some(0x1002), None));
        assert_eq!(ids("Intelligent Corporation 82599"), (None, None));
        assert_eq!(
            (class("PCI bridge"), class("IOMMU"), class("Bridge of sighs")),
            (Some(0x0604), Some(0x0806), None)
        );
    }

    #[test]
    fn a_database_names_what_it_has() {
        let text = "# a comment\n1b21  ASMedia Technology Inc.\n\t1080  ASM1083/1085 PCIe to PCI Bridge\n\t\t1849 1080  Motherboard\n\t1184  \
                    Twice\n\t1185  Twice\n\t1081  Both\n\t1080  Both\n1b22  ASMedia Technology\n\n\t0001  One\nC 06  Bridge\n\t04  PCI bridge\n";
        let known = PciIds::parse(text);
        assert_eq!(
            known.ids("ASMedia Technology Inc. ASM1083/1085 PCIe to PCI Bridge"),
            (Some(0x1b21), Some(0x1080))
        );
        assert_eq!(known.ids("ASMedia Technology One"), (Some(0x1b22), Some(1)));
        assert_eq!(known.ids("ASMedia Technology Inc. Twice"), (Some(0x1b21), Some(0x1184)));
        // A rule is about one of the two.
        assert_eq!(known.ids("ASMedia Technology Inc. Both"), (Some(0x1b21), None));
        assert_eq!(known.ids("ASMedia Technology Inc. Device 00ff"), (Some(0x1b21), Some(0xff)));
        assert_eq!(known.ids("Nobody At All"), (None, None));
    }

    #[test]
    fn every_name_that_is_built_in_is_of_a_rule() {
        for (vendor, device, name) in DEVICES {
            let function =
                Function { vendor: *vendor, device: *device, class: 0x06_80_00, ..Function::endpoint() };
            let vmd = function.vendor == 0x8086
                && (name.contains("Volume Management Device") || name.contains("VMD"));
            let acs = quirk::ACS.iter().any(|row| row.names(&function) && row.devices != [(0, 0xffff)]);
            let ruled = acs || quirk::ALIASES.iter().any(|row| row.names(&function));
            let broken = !quirk::broken_acs(&function).is_empty();
            let listed = *vendor == 0x1d17;
            assert!(ruled || vmd || broken || listed, "{vendor:04x}:{device:04x} {name}");
        }
    }
}
