//! `fwspec groups --why`: the chain of reasons between two devices, or what holds one device in its group.

use std::io;

use fwspec::answer::{GroupsDocument, WhyDocument};
use fwspec::{DeviceKey, Groups};
use fwspec_report::text;

use super::args;
use super::{Outcome, complain, print, print_json, style};

pub(super) fn run(
    arguments: &args::Groups,
    groups: &Groups,
    document: &GroupsDocument,
) -> io::Result<Outcome> {
    let mut asked = Vec::new();
    for name in &arguments.why {
        let Some(key) = find(name, groups, document) else {
            complain(&format_args!("{name}: no such device; fwspec groups lists them"));
            return Ok(Outcome::NotFound);
        };
        asked.push(key);
    }
    let why = match asked.as_slice() {
        [a, b] => WhyDocument::between(groups, document, *a, *b),
        [a, ..] => WhyDocument::alone(groups, document, *a),
        [] => return Ok(Outcome::Usage),
    };
    if arguments.format() == args::GroupsFormat::Json {
        print_json(&why)?
    } else {
        print(&text::why(&why, style()))?
    }
    Ok(Outcome::Fine)
}

/// The device that people call so: a function, or a name as the list has it.
fn find(name: &str, groups: &Groups, document: &GroupsDocument) -> Option<DeviceKey> {
    let function = name.parse().ok().map(DeviceKey::Pci).filter(|key| groups.placement(*key).is_ok());
    function.or_else(|| {
        let position = document.devices.iter().position(|device| device.device == name)?;
        groups.devices().nth(position)
    })
}
