//! A machine whose functions are added and removed while it runs.

use alloc::vec::Vec;

use crate::pci::Function;
use crate::{Bdf, Device, DeviceKey};

use super::devices::{Links, Placed, of_functions};
use super::{Machine, Uevent};

impl Machine {
    /// Takes in an event: a function was added, removed or changed. `known` has what is known about it otherwise. The configuration
    /// space in the event counts first, then `known`, then the ids in the event.
    pub(crate) fn take_event(&mut self, event: &Uevent, known: Option<Device>) {
        let Some(bdf) = event.function() else { return };
        let place =
            |devices: &[Device]| devices.iter().position(|device| device.key() == DeviceKey::Pci(bdf));
        if event.action == "remove" {
            self.devices.retain(|device| device.key() != DeviceKey::Pci(bdf));
            return;
        }
        let is_there = place(&self.devices).is_some();
        let read = event.config();
        let is_told = read.is_none();
        let told = read.or_else(|| event.told_config().filter(|_| known.is_none() && !is_there));
        let Some(function) = told.and_then(|config| Function::read(&config).ok()) else {
            self.devices.extend(known.filter(|_| !is_there));
            return;
        };
        let mut functions: Vec<Placed> = Vec::with_capacity(self.devices.len());
        let mut at = 0_usize;
        let mut others: Vec<(Bdf, &Device)> = Vec::with_capacity(self.devices.len());
        for device in &self.devices {
            if let DeviceKey::Pci(other) = device.key()
                && other != bdf
            {
                others.push((other, device));
            }
        }
        others.sort_unstable_by_key(|(bdf, _)| *bdf);
        for (other, device) in others {
            let links = Links { real_dma: device.real_dma_device(), physical: device.physical_function() };
            at = if other < bdf { at.saturating_add(1) } else { at };
            functions.push(Placed::known(other, *device.facts(), links, false));
        }
        functions.insert(at, Placed::known(bdf, function, event.links(), is_told));
        self.devices = of_functions(functions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_an_event_count_where_nothing_else_is_known() {
        let mut machine = Machine::default();
        let text =
            "KERNEL[5.0] add /devices/pci0000:00/0000:00:02.0 (pci)\nPCI_ID=1AF4:1041\nPCI_CLASS=20000\n\n";
        machine.take_event(&Uevent::recorded(text)[0], None);
        assert_eq!(machine.devices[0].facts().device, 0x1041);
        machine.take_event(&Uevent::recorded(&text.replace(" add ", " remove "))[0], None);
        assert!(machine.devices.is_empty());
    }
}
