//! `fwspec groups --what-if`: other ACS settings than those that the config space shows.

use fwspec::group::DeviceKey;
use fwspec::pci::{AcsFlags, Fact, PortType};
use fwspec::{Bdf, Device};

/// A supposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WhatIf {
    /// ACS of these functions, or of all, switched on or off, as Linux does it.
    Acs(Vec<(Option<Bdf>, bool)>),
    /// A kernel parameter that makes the kernel believe in isolation.
    Override(Override),
}

/// The kernel parameter `pcie_acs_override` of a patch that many distributions carry (`pcie_acs_overrides`): the kernel takes PCI
/// Express functions without an ACS capability for isolating. One that has the capability is judged by its bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Override {
    /// Root ports and downstream ports of switches.
    downstream: bool,
    /// Functions of a multifunction device: endpoints, and upstream ports of switches.
    multifunction: bool,
    /// Whatever has one of these vendor and device IDs.
    ids: Vec<(u16, u16)>,
}

impl Override {
    fn parse(list: &str) -> Option<Self> {
        let mut parsed = Override::default();
        for item in list.split(',') {
            match (item, item.strip_prefix("id:")) {
                ("downstream", _) => parsed.downstream = true,
                ("multifunction", _) => parsed.multifunction = true,
                (_, Some(id)) => {
                    let (vendor, device) = id.split_once(':')?;
                    let number = |text| u16::from_str_radix(text, 16).ok();
                    parsed.ids.push((number(vendor)?, number(device)?));
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn is_for(&self, device: &Device) -> bool {
        let facts = device.facts();
        let Some(port) = facts.pcie.present().filter(|_| facts.acs.present().is_none()) else { return false };
        // Linux takes every function but the first of a slot for one of several.
        let several =
            || facts.multifunction || matches!(device.key(), DeviceKey::Pci(bdf) if bdf.rid.function() > 0);
        self.ids.contains(&(facts.vendor, facts.device))
            || match port {
                PortType::RootPort | PortType::DownstreamPort => self.downstream,
                PortType::Endpoint
                | PortType::LegacyEndpoint
                | PortType::UpstreamPort
                | PortType::RcEndpoint => self.multifunction && several(),
                _ => false,
            }
    }
}

impl std::str::FromStr for WhatIf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = "expected acs=BDF:on, acs=BDF:off (several with commas), acs=all:on, or \
            pcie_acs_override=downstream,multifunction,id:VENDOR:DEVICE";
        let (what, list) = text.split_once('=').ok_or(usage)?;
        match what {
            "acs" => {
                let setting = |item: &str| {
                    let (function, state) = item.rsplit_once(':')?;
                    let on = [("on", true), ("off", false)].into_iter().find(|(word, _)| *word == state)?.1;
                    let function = if function == "all" { None } else { Some(function.parse().ok()?) };
                    Some((function, on))
                };
                list.split(',')
                    .map(setting)
                    .collect::<Option<_>>()
                    .map(WhatIf::Acs)
                    .ok_or_else(|| usage.to_string())
            }
            "pcie_acs_override" => {
                Override::parse(list).map(WhatIf::Override).ok_or_else(|| usage.to_string())
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
                let switched = settings.iter().map(|(bdf, on)| match bdf {
                    Some(bdf) => switch(devices, *bdf, *on),
                    None => {
                        devices.iter_mut().for_each(|device| *device = device.acs_switched(*on));
                        Ok(())
                    }
                });
                switched.filter_map(Result::err).collect()
            }
            WhatIf::Override(supposed) => {
                for device in devices.iter_mut().filter(|device| supposed.is_for(device)) {
                    *device = device.acs(AcsFlags::ISOLATED);
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
        Fact::Present(_) => {
            *device = device.acs_switched(on);
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
        let suppose = |text: &str| format!("pcie_acs_override={text}").parse::<WhatIf>().unwrap();
        assert_eq!(suppose("downstream").apply(&mut devices), Vec::<String>::new());
        assert_eq!(devices, [port.acs(AcsFlags::ISOLATED), before[1], before[2]]);
        suppose("multifunction").apply(&mut devices);
        assert_eq!(devices[2], before[2].acs(AcsFlags::ISOLATED));
        assert!(!suppose("multifunction").is_real());
    }

    /// What `pcie_acs_overrides` has no case for stays as it is: conventional PCI, bridges to it, event collectors.
    #[test]
    fn the_override_is_for_some_kinds_of_function() {
        let suppose = |text: &str, device: &Device| {
            let mut devices = [*device];
            format!("pcie_acs_override={text}").parse::<WhatIf>().unwrap().apply(&mut devices);
            devices[0] != *device
        };
        // Function 1 of a slot, with a PCI Express capability of this type, or none.
        let function = |port: Option<u8>| {
            let mut space = vec![0; 4096];
            space[..4].copy_from_slice(&[0x86, 0x80, 0x20, 0x34]);
            if let Some(port) = port {
                space[6] = 0x10;
                space[0x34] = 0x40;
                space[0x40..0x44].copy_from_slice(&[0x10, 0, port << 4 | 2, 0]);
            }
            Device::pci("01:00.1".parse().unwrap(), &space).unwrap()
        };
        for (port, downstream, multifunction) in [
            (Some(0), false, true),
            (Some(1), false, true),
            (Some(4), true, false),
            (Some(5), false, true),
            (Some(6), true, false),
            (Some(7), false, false),
            (Some(9), false, true),
            (Some(10), false, false),
            (None, false, false),
        ] {
            let device = function(port);
            assert_eq!(suppose("downstream", &device), downstream, "{port:?}");
            assert_eq!(suppose("multifunction", &device), multifunction, "{port:?}");
            assert_eq!(suppose("id:1:2,id:8086:3420", &device), port.is_some(), "{port:?}");
        }
    }

    #[test]
    fn suppositions_are_understood_or_refused() {
        let acs = |list: &[(&str, bool)]| {
            WhatIf::Acs(list.iter().map(|(bdf, on)| (bdf.parse().ok(), *on)).collect())
        };
        assert_eq!(
            "acs=00:01.0:on,0001:02:00.1:off".parse(),
            Ok(acs(&[("00:01.0", true), ("0001:02:00.1", false)]))
        );
        assert_eq!("acs=all:on".parse(), Ok(WhatIf::Acs(vec![(None, true)])));
        let all = Override { downstream: true, multifunction: true, ids: vec![(0x8086, 0x3420)] };
        let text = "pcie_acs_override=downstream,multifunction,id:8086:3420";
        assert_eq!(text.parse(), Ok(WhatIf::Override(all)));
        for wrong in
            ["", "acs", "acs=", "acs=00:01.0", "acs=00:01.0:maybe", "pcie_acs_override=id:1", "iommu=off"]
        {
            assert!(wrong.parse::<WhatIf>().is_err(), "{wrong}");
        }
    }
}
