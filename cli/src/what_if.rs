//! `fwspec groups --what-if`: other ACS settings than those that the config space shows.

use fwspec::group::DeviceKey;
use fwspec::machine::AcsOverride;
use fwspec::pci::Fact;
use fwspec::{Bdf, Device};

/// A supposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WhatIf {
    /// ACS of these functions, or of all, switched on or off, as Linux does it.
    Acs(Vec<(Option<Bdf>, bool)>),
    /// A kernel parameter that makes the kernel believe in isolation.
    Override(AcsOverride),
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
                AcsOverride::parse(list).map(WhatIf::Override).ok_or_else(|| usage.to_string())
            }
            _ => Err(usage.to_string()),
        }
    }
}

/// Functions near one that is not there which are named.
const MAX_NEAR: usize = 3;

impl WhatIf {
    /// Whether the hardware would isolate as supposed, or only the kernel believe it.
    pub(super) fn is_real(&self) -> bool {
        matches!(self, WhatIf::Acs(_))
    }

    /// What is said of a function that is not there, with those near it.
    pub(super) fn absent(&self, devices: &[Device]) -> Option<String> {
        let WhatIf::Acs(settings) = self else { return None };
        let function = |device: &Device| match device.key() {
            DeviceKey::Pci(bdf) => Some(bdf),
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
        };
        let there = || devices.iter().filter_map(function);
        let wanted = settings.iter().filter_map(|(bdf, _)| *bdf);
        let absent = wanted.into_iter().find(|wanted| !there().any(|bdf| bdf == *wanted))?;
        let mut near: Vec<Bdf> = there().collect();
        near.sort_by_key(|bdf| {
            (bdf.segment.0.abs_diff(absent.segment.0), bdf.rid.0.abs_diff(absent.rid.0), *bdf)
        });
        let near: Vec<String> = near.iter().take(MAX_NEAR).map(Bdf::to_string).collect();
        Some(match near.as_slice() {
            [] => format!("--what-if: there is no function {absent}: no PCI functions are given"),
            near => format!("--what-if: there is no function {absent}; near it are {}", near.join(", ")),
        })
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
                supposed.apply(devices);
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
        Fact::Absent => Err(format!("{bdf} has no ACS capability, so --what-if changes nothing there")),
        Fact::Unknown => {
            Err(format!("the ACS capability of {bdf} was not read: lspci -xxxx as root shows it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwspec::pci::AcsFlags;

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
    fn a_function_that_is_not_there_is_told_with_those_near_it() {
        let devices =
            ["00:01.0", "00:02.0", "03:00.0", "04:00.0"].map(|at| Device::endpoint(at.parse().unwrap()));
        let absent = |text: &str| text.parse::<WhatIf>().unwrap().absent(&devices);
        assert_eq!(absent("acs=00:01.0:on,all:off"), None);
        let near = "--what-if: there is no function 0000:03:00.1; near it are 0000:03:00.0, 0000:04:00.0, 0000:00:02.0";
        assert_eq!(absent("acs=00:01.0:on,03:00.1:off").as_deref(), Some(near));
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
        let list = "downstream,multifunction,id:8086:3420";
        let all = AcsOverride::parse(list).unwrap();
        assert_eq!(format!("pcie_acs_override={list}").parse(), Ok(WhatIf::Override(all)));
        for wrong in
            ["", "acs", "acs=", "acs=00:01.0", "acs=00:01.0:maybe", "pcie_acs_override=id:1", "iommu=off"]
        {
            assert!(wrong.parse::<WhatIf>().is_err(), "{wrong}");
        }
    }
}
