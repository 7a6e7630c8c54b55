//! `fwspec groups --what-if`: other ACS settings than those that the config space shows.

use crate::group::DeviceKey;
use crate::pci::{AcsFlags, Fact, PortType};
use crate::{Bdf, Device};

/// A supposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WhatIf {
    /// ACS of these functions switched on or off.
    Acs(Vec<(Bdf, bool)>),
    /// The kernel parameter `pcie_acs_override` of a patch that many distributions carry (`pcie_acs_overrides()`): the kernel
    /// takes PCI Express functions without an ACS capability for isolating. One that has the capability is judged by its bits.
    Override { downstream: bool, multifunction: bool },
}

impl std::str::FromStr for WhatIf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = "expected acs=BDF:on, acs=BDF:off (several with commas), or pcie_acs_override=downstream,multifunction";
        let (what, list) = text.split_once('=').ok_or(usage)?;
        let items = list.split(',');
        match what {
            "acs" => {
                let setting = |item: &str| {
                    let (function, state) = item.rsplit_once(':')?;
                    let on = [("on", true), ("off", false)].into_iter().find(|(word, _)| *word == state)?.1;
                    Some((function.parse().ok()?, on))
                };
                items.map(setting).collect::<Option<_>>().map(WhatIf::Acs).ok_or_else(|| usage.to_string())
            }
            "pcie_acs_override" => {
                let words: Vec<&str> = items.collect();
                let known = words.iter().all(|word| matches!(*word, "downstream" | "multifunction"));
                known
                    .then(|| WhatIf::Override {
                        downstream: words.contains(&"downstream"),
                        multifunction: words.contains(&"multifunction"),
                    })
                    .ok_or_else(|| usage.to_string())
            }
            _ => Err(usage.to_string()),
        }
    }
}

impl WhatIf {
    /// Whether the hardware would isolate as supposed, or only the kernel believe it.
    pub(super) fn is_real(&self) -> bool {
        matches!(self, WhatIf::Acs(_))
    }

    /// Changes the devices, and says what cannot be.
    pub(super) fn apply(&self, devices: &mut [Device]) -> Vec<String> {
        match self {
            WhatIf::Acs(settings) => {
                settings.iter().filter_map(|(bdf, on)| switch(devices, *bdf, *on).err()).collect()
            }
            WhatIf::Override { downstream, multifunction } => {
                for device in devices {
                    let facts = device.facts();
                    if facts.acs.present().is_some() {
                        continue;
                    }
                    let port = facts.is(PortType::RootPort) || facts.is(PortType::DownstreamPort);
                    // A multifunction endpoint, or a function that can only be one of several.
                    let several = facts.multifunction
                        || matches!(device.key(), DeviceKey::Pci(bdf) if bdf.rid.function() > 0);
                    if port && *downstream || !port && several && *multifunction {
                        *device = device.acs(AcsFlags::ISOLATED);
                    }
                }
                Vec::new()
            }
        }
    }
}

fn switch(devices: &mut [Device], bdf: Bdf, on: bool) -> Result<(), String> {
    let device = devices.iter_mut().find(|device| device.key() == DeviceKey::Pci(bdf));
    let device = device.ok_or_else(|| format!("{bdf} is not in the topology"))?;
    match device.facts().acs {
        Fact::Present(acs) => {
            let wanted = if on { AcsFlags(acs.capability.0 & AcsFlags::ISOLATED.0) } else { AcsFlags::NONE };
            *device = device.acs_control(acs.capability, wanted);
            Ok(())
        }
        Fact::Absent => Err(format!("{bdf} has no ACS: there is nothing to switch")),
        Fact::Unknown => Err(format!("nobody read the ACS of {bdf}: lspci -xxxx as root would show it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_override_is_for_functions_without_the_capability() {
        let at = |text: &str| text.parse().unwrap();
        let port = Device::root_port(at("00:01.0"), 1..=1);
        let mut devices =
            [port, port.acs_control(AcsFlags::ISOLATED, AcsFlags::NONE), Device::endpoint(at("01:00.1"))];
        let before = devices;
        let override_ = |downstream, multifunction| WhatIf::Override { downstream, multifunction };
        assert_eq!(override_(true, false).apply(&mut devices), Vec::<String>::new());
        assert_eq!(devices, [port.acs(AcsFlags::ISOLATED), before[1], before[2]]);
        override_(false, true).apply(&mut devices);
        assert_eq!(devices[2], before[2].acs(AcsFlags::ISOLATED));
        assert!(!override_(true, true).is_real());
    }

    #[test]
    fn suppositions_are_understood_or_refused() {
        let acs = |list: &[(&str, bool)]| {
            WhatIf::Acs(list.iter().map(|(bdf, on)| (bdf.parse().unwrap(), *on)).collect())
        };
        assert_eq!(
            "acs=00:01.0:on,0001:02:00.1:off".parse(),
            Ok(acs(&[("00:01.0", true), ("0001:02:00.1", false)]))
        );
        let both = WhatIf::Override { downstream: true, multifunction: true };
        assert_eq!("pcie_acs_override=downstream,multifunction".parse(), Ok(both));
        for wrong in
            ["", "acs", "acs=", "acs=00:01.0", "acs=00:01.0:maybe", "pcie_acs_override=id:1:2", "iommu=off"]
        {
            assert!(wrong.parse::<WhatIf>().is_err(), "{wrong}");
        }
    }
}
