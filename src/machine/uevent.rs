//! Uevents: the kernel's messages about a device that is added, removed or bound, as the kernel sends them and as `udevadm monitor`
//! prints them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::devices::Links;
use crate::Bdf;

/// One of the kernel's events (linux lib/kobject_uevent.c `kobject_uevent_env`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Uevent {
    /// The time in the recording: seconds since the machine started.
    pub time: Option<String>,
    /// `add`, `remove`, `bind`, `unbind`, `change`, `move`, `online`, `offline`.
    pub action: String,
    /// The path of the device below `/sys`: `/devices/pci0000:00/0000:00:01.0`.
    pub path: String,
    /// `pci`, `platform` …
    pub subsystem: String,
    /// Its other values. A recording by this library adds to the kernel's: `IOMMU_GROUP`, the number of the device's group at that
    /// moment; `PHYSFN`, the physical function of a virtual one; `CONFIG`, its configuration space in hexadecimal; and `GONE`,
    /// where the device had left again when the event was read.
    pub properties: BTreeMap<String, String>,
}

impl Uevent {
    /// Reads a message of the kernel: `add@/devices/…` and `KEY=value`, each with a zero after it. `None` for anything else, such
    /// as messages of udev.
    ///
    /// ```
    /// use fwspec::machine::Uevent;
    /// let message = b"add@/devices/pci0000:00/0000:00:02.0\0ACTION=add\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:00:02.0\0";
    /// let event = Uevent::parse(message).unwrap();
    /// assert_eq!((event.action.as_str(), event.function()), ("add", "00:02.0".parse().ok()));
    /// ```
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut parts = message.split(|byte| *byte == 0);
        let head = core::str::from_utf8(parts.next()?).ok()?;
        let (action, path) = head.split_once('@')?;
        let mut event = Uevent { action: action.to_owned(), path: path.to_owned(), ..Uevent::default() };
        for part in parts {
            event.say(&String::from_utf8_lossy(part));
        }
        event.path.starts_with('/').then_some(event)
    }

    /// Reads a recording as `udevadm monitor --kernel --property` prints it. Each event starts with its own line, or with its
    /// `ACTION`, and ends with an empty line; other lines are skipped.
    ///
    /// ```
    /// use fwspec::machine::Uevent;
    /// let text = "KERNEL[57.3] remove   /devices/pci0000:00/0000:00:02.0 (pci)\nACTION=remove\nSUBSYSTEM=pci\n\n";
    /// let events = Uevent::recorded(text);
    /// assert_eq!((events.len(), events[0].time.as_deref()), (1, Some("57.3")));
    /// ```
    pub fn recorded(text: &str) -> Vec<Self> {
        let mut events: Vec<Uevent> = Vec::new();
        let mut open = false;
        for line in text.lines().map(str::trim_end) {
            if let Some(event) = of_line(line) {
                events.push(event);
                open = true;
            } else if line.is_empty() {
                open = false;
            } else if line.starts_with("ACTION=") && !open {
                events.push(Uevent::default());
                open = true;
            }
            if let Some(event) = events.last_mut().filter(|_| open) {
                event.say(line);
            }
        }
        // udev's version of an event repeats the kernel's.
        events.retain(|event| event.path.starts_with('/') && !event.action.is_empty());
        events
    }

    fn say(&mut self, line: &str) {
        let Some((key, value)) = line.split_once('=') else { return };
        match key {
            "ACTION" => value.clone_into(&mut self.action),
            "DEVPATH" => value.clone_into(&mut self.path),
            "SUBSYSTEM" => value.clone_into(&mut self.subsystem),
            _ if key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') => {
                self.properties.insert(key.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }

    /// The kernel's name for the device: the last part of its path.
    pub fn device(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The PCI function that the event is about.
    pub fn function(&self) -> Option<Bdf> {
        let name = self.properties.get("PCI_SLOT_NAME").map_or(self.device(), String::as_str);
        name.parse().ok().filter(|_| self.subsystem == "pci")
    }

    /// The number of the device's IOMMU group, if the recording has it.
    pub fn group(&self) -> Option<u32> {
        self.properties.get("IOMMU_GROUP")?.parse().ok()
    }

    /// Whether the device had left again when the event was read.
    pub(crate) fn is_gone(&self) -> bool {
        self.properties.contains_key("GONE")
    }

    /// Its configuration space, if the recording has it.
    pub fn config(&self) -> Option<Vec<u8>> {
        let text = self.properties.get("CONFIG")?.as_bytes();
        let digits = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
        text.chunks(2).map(digits).collect()
    }

    /// The first bytes of a configuration space from the kernel's values for a function (linux drivers/pci/pci-driver.c
    /// `pci_uevent`): its ids and its class. Facts that are not in the event are [`Fact::Unknown`](crate::pci::Fact::Unknown).
    pub(crate) fn told_config(&self) -> Option<Vec<u8>> {
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let (vendor, device) = self.properties.get("PCI_ID")?.split_once(':')?;
        let class = hex(self.properties.get("PCI_CLASS")?)?;
        let mut config = alloc::vec![0_u8; 64];
        // It may have capabilities, which the event does not show.
        for (place, value) in [(6_usize, 0x10), (0x34, 0x40)] {
            *config.get_mut(place)? = value;
        }
        let ids = hex(vendor)? & 0xffff | (hex(device)? & 0xffff) << 16;
        for (place, value) in [(0_usize, ids), (8, class << 8)] {
            let place = config.get_mut(place..place.checked_add(4)?)?;
            place.copy_from_slice(&value.to_le_bytes());
        }
        Some(config)
    }

    /// The links of the function, from its path below `/sys` and from the recording.
    pub(super) fn links(&self) -> Links {
        let mut above = self.path.split('/').rev().skip(1);
        let domain = above.find(|folder| folder.starts_with("pci"));
        Links {
            real_dma: domain.and_then(|_| above.next()?.parse().ok()),
            physical: self.properties.get("PHYSFN").and_then(|name| name.parse().ok()),
        }
    }

    /// The event in the form of a recording, which `recorded` reads.
    pub fn to_record(&self) -> String {
        let (action, path, subsystem) = (&self.action, &self.path, &self.subsystem);
        let time = self.time.as_deref().unwrap_or("0");
        let mut text = alloc::format!(
            "KERNEL[{time}] {action:8} {path} ({subsystem})\nACTION={action}\nDEVPATH={path}\nSUBSYSTEM={subsystem}\n"
        );
        for (key, value) in &self.properties {
            text.push_str(&alloc::format!("{key}={value}\n"));
        }
        text.push('\n');
        text
    }
}

/// `KERNEL[1234.567890] add      /devices/pci0000:00/0000:00:02.0 (pci)`.
fn of_line(line: &str) -> Option<Uevent> {
    let (time, rest) = line.strip_prefix("KERNEL[")?.split_once(']')?;
    let mut words = rest.split_whitespace();
    let (action, path) = (words.next()?, words.next()?);
    let subsystem = words.next().unwrap_or_default().trim_matches(['(', ')']);
    let [action, path, subsystem] = [action, path, subsystem].map(ToString::to_string);
    let time = Some(time.trim().to_owned());
    Some(Uevent { time, action, path, subsystem, properties: BTreeMap::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "monitor will print the received events for:\nKERNEL - the kernel uevent\n\n\
KERNEL[10.5] add      /devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0 (pci)\nACTION=add\n\
DEVPATH=/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0\nSUBSYSTEM=pci\nPCI_CLASS=10802\nPCI_ID=8086:0A54\nIOMMU_GROUP=7\n\n\
UDEV  [10.6] add      /devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0 (pci)\nACTION=add\n\n\
KERNEL[11.0] bind     /devices/platform/2b600000.ethernet (platform)\nDRIVER=dwmac\n";

    #[test]
    fn a_recording_is_read_and_said_again() {
        let events = Uevent::recorded(RECORDED);
        assert_eq!(events.len(), 2, "{events:?}");
        let drive = &events[0];
        assert_eq!((drive.function(), drive.group()), ("10000:e0:06.0".parse().ok(), Some(7)));
        assert_eq!(drive.links().real_dma, "00:0e.0".parse().ok());
        let config = drive.told_config().unwrap();
        assert_eq!((&config[..4], &config[8..12]), (&[0x86, 0x80, 0x54, 0x0a][..], &[0, 2, 8, 1][..]));
        assert_eq!((events[1].device(), events[1].function()), ("2b600000.ethernet", None));
        let again: String = events.iter().map(Uevent::to_record).collect();
        assert_eq!(Uevent::recorded(&again), events);
    }

    #[test]
    fn what_is_no_event_is_none() {
        for message in [&b""[..], b"libudev\0\xfe\xed", b"add@nowhere\0", b"\xff@/devices\0"] {
            assert_eq!(Uevent::parse(message), None);
        }
        assert_eq!(Uevent::recorded("nothing\nof it=1\n"), []);
    }
}
