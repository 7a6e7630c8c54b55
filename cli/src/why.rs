//! `fwspec groups --why`: the chain of reasons between two devices, or what holds one device in its group.

use fwspec::answer::{Conclusion, GroupsDocument, WhyDocument};
use fwspec::machine::{Firmware, Machine};
use fwspec::{Bdf, DeviceKey, Dialect, Groups, group::Policy};
use fwspec_report::text;

use super::{Failure, Outcome, complain, print, print_json, style};

pub(super) fn run(
    devices: &[String],
    json: bool,
    machine: &Machine,
    rules: (Dialect, Policy),
    (groups, document): (&Groups, &GroupsDocument),
) -> Result<Outcome, Failure> {
    let firmware = machine.firmware.as_ref();
    let mut asked = Vec::new();
    for name in devices {
        let meant = firmware.map(|firmware| firmware.meant(name)).unwrap_or_default();
        let key = find(name, groups, document);
        if let (None, 2..) = (key, meant.len()) {
            complain(&format_args!("{name}: may mean {}: ask for one of them", meant.join(", ")));
            return Ok(Outcome::NotFound);
        }
        let Some(key) = key.or_else(|| named(name, groups, firmware?)) else {
            let near = name.parse().map(|bdf| near(bdf, groups)).unwrap_or_default();
            complain(&format_args!("{name}: no such device; {near}fwspec groups lists them"));
            return Ok(Outcome::NotFound);
        };
        asked.push(key);
    }
    let why = match asked.as_slice() {
        [a, b] => WhyDocument::between(groups, document, *a, *b),
        [a, ..] => {
            let mut why = WhyDocument::alone(groups, document, *a);
            why.conclusion = Conclusion::new(machine, rules, (groups, document), *a);
            why
        }
        [] => return Err(Failure::usage("--why needs a device")),
    };
    if json {
        print_json(&why)?
    } else {
        print(&text::why(&why, style()))?
    }
    Ok(Outcome::Fine)
}

/// The functions near one that is not there, in words.
fn near(absent: Bdf, groups: &Groups) -> String {
    let mut near: Vec<Bdf> = groups.topology().iter().map(|(bdf, _)| bdf).collect();
    near.sort_by_key(|bdf| {
        (bdf.segment.0.abs_diff(absent.segment.0), bdf.rid.0.abs_diff(absent.rid.0), *bdf)
    });
    let near: Vec<String> = near.iter().take(3).map(Bdf::to_string).collect();
    if near.is_empty() { String::new() } else { format!("near it are {}; ", near.join(", ")) }
}

/// The device that people call so: a function, or a name as the list has it.
fn find(name: &str, groups: &Groups, document: &GroupsDocument) -> Option<DeviceKey> {
    let function = name.parse().ok().map(DeviceKey::Pci).filter(|key| groups.placement(*key).is_ok());
    function.or_else(|| {
        let position = document.devices.iter().position(|device| device.device == name)?;
        groups.devices().nth(position)
    })
}

/// The device that firmware has by this name: a master, or the PCI function of a node.
fn named(name: &str, groups: &Groups, firmware: &Firmware) -> Option<DeviceKey> {
    let masters = firmware.requesters_named(name).into_iter().map(DeviceKey::Node);
    let function = || {
        let (host, rid) = firmware.pci_function_named(name)?;
        Some(DeviceKey::Pci(Bdf { segment: firmware.platform.segment_of(host)?, rid: rid? }))
    };
    masters.chain(function()).find(|key| groups.placement(*key).is_ok())
}
