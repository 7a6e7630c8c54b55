//! What keeps a device from being alone in its group, and what would have to change.

use crate::model::IommuIndex;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use super::device::Proxy;
use super::policy::{self, Policy};
use super::{DeviceKey, Groups};
use crate::Bdf;
use crate::pci::quirk::AcsEffect;
use crate::pci::{AcsFlags, AcsReason, AliasMask, PortType};

/// Something that keeps a device from being alone in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IsolationBlocker {
    /// The device in its way, which may be the device itself.
    pub by: DeviceKey,
    /// What that is to the device.
    pub relation: Relation,
    /// What would help.
    pub remedy: Remedy,
}

/// What the blocker is to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// A bridge above it lets what is below reach each other.
    Above,
    /// It is a bridge itself, and lets what is below reach each other and itself; or it lets the functions of its slot through.
    Itself,
    /// A function of its slot: neither isolates from the other.
    Slot,
    /// A port of the switch that it is in lets peers through ([`Policy::Strict`] only).
    Switch,
    /// One of the two sends as the other, or both as a third.
    Alias,
    /// They share a StreamID.
    Stream,
    /// The IOMMU's driver puts them together.
    Driver,
}

/// What would help against a blocker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Switch on these ACS bits, which the function has.
    Enable(AcsFlags),
    /// Nothing can be set: the function does not isolate for this reason.
    Nothing(AcsReason),
    /// Nothing can be set: the hardware sends this way.
    Wiring,
    /// Other ids in the firmware.
    Firmware,
}

impl Relation {
    /// The word for it in every output.
    pub fn word(self) -> &'static str {
        match self {
            Relation::Above => "path",
            Relation::Itself => "itself",
            Relation::Slot => "slot",
            Relation::Switch => "switch",
            Relation::Alias => "alias",
            Relation::Stream => "stream",
            Relation::Driver => "driver",
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Enable(bits) => write!(f, "enabling ACS {bits} is enough"),
            Remedy::Nothing(AcsReason::NoCapability) => {
                f.write_str("it has no ACS, and no setting changes that")
            }
            Remedy::Nothing(AcsReason::Conventional) => {
                f.write_str("conventional PCI: devices on one bus can always reach each other")
            }
            Remedy::Nothing(AcsReason::Unknown) => {
                f.write_str("its ACS capability was not read: lspci -xxxx as root shows it")
            }
            Remedy::Nothing(reason @ AcsReason::Quirk(row)) if row.effect == AcsEffect::IntelPch => {
                write!(
                    f,
                    "{reason}: it isolates if Linux can reach the chipset's registers (RCBA in the LPC bridge)"
                )
            }
            Remedy::Nothing(reason @ AcsReason::Quirk(row)) if row.effect == AcsEffect::AmdSouthbridge => {
                write!(f, "{reason}: it isolates if the machine has an IVRS table")
            }
            Remedy::Nothing(reason) => write!(f, "{reason}, and no setting changes that"),
            Remedy::Wiring => f.write_str("no setting changes that"),
            Remedy::Firmware => f.write_str("the firmware would have to give it ids of its own"),
        }
    }
}

impl Groups {
    /// Everything that keeps a device from being alone in its group. Where it is empty, the device is alone; once all of it is
    /// remedied, it is alone. Empty for a device that is not there, or held.
    ///
    /// ```
    /// use fwspec::group::{Relation, Remedy};
    /// use fwspec::{AcsFlags, Bdf, Device, Groups};
    /// let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1).acs_control(AcsFlags::ISOLATED, AcsFlags::SV))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let isolation_blockers = groups.isolation_blockers(nic.into());
    /// assert_eq!((isolation_blockers[0].by, isolation_blockers[0].relation), (port.into(), Relation::Above));
    /// assert_eq!(isolation_blockers[0].remedy.to_string(), "enabling ACS RR+CR+UF is enough");
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn isolation_blockers(&self, device: DeviceKey) -> Vec<IsolationBlocker> {
        let mut found = Vec::new();
        if let DeviceKey::Pci(bdf) = device
            && self.topology.get(bdf).is_some()
            && self.topology.attached(bdf).is_ok()
        {
            self.of_path(bdf, &mut found);
            self.of_slot(bdf, &mut found);
            self.of_switch(bdf, &mut found);
            self.of_aliases(bdf, &mut found);
        }
        self.of_proxies(device, &mut found);
        self.of_firmware(device, &mut found);
        found
    }

    /// Why a function does not isolate.
    fn open(&self, bdf: Bdf) -> Option<Remedy> {
        let verdict = self.topology.acs(bdf, AcsFlags::ISOLATED).filter(|verdict| !verdict.isolates)?;
        let settable = || self.topology.get(bdf)?.acs_to_enable();
        Some(match verdict.reason {
            AcsReason::Missing(bits) => Remedy::Enable(bits),
            // Of all rows only this one looks at the registers: what others say stays whatever is set.
            reason @ AcsReason::Quirk(row) if row.effect == AcsEffect::IntelSunrisePoint => {
                settable().map_or(Remedy::Nothing(reason), Remedy::Enable)
            }
            reason => {
                let placed = self.topology.placed(bdf);
                let row = placed.and_then(|placed| placed.isolates_with_ivrs());
                Remedy::Nothing(row.map_or(reason, AcsReason::Quirk))
            }
        })
    }

    /// Whether there are functions right below a bridge.
    fn has_children(&self, bdf: Bdf) -> bool {
        let secondary = self.topology.get(bdf).and_then(|function| function.secondary());
        secondary.is_some_and(|bus| self.topology.on_bus(bdf.segment, bus).next().is_some())
    }

    fn of_path(&self, bdf: Bdf, found: &mut Vec<IsolationBlocker>) {
        let above = self.topology.bridges(bdf).filter_map(|(bridge, _)| {
            let remedy = self.open(bridge)?;
            Some(IsolationBlocker { by: bridge.into(), relation: Relation::Above, remedy })
        });
        found.extend(above);
        if let Some(remedy) = self.open(bdf).filter(|_| self.has_children(bdf)) {
            found.push(IsolationBlocker { by: bdf.into(), relation: Relation::Itself, remedy });
        }
    }

    /// Two functions of a slot are tied where both let peers through, so a remedy at the device itself helps against all others.
    fn of_slot(&self, bdf: Bdf, found: &mut Vec<IsolationBlocker>) {
        let virtual_function =
            |bdf: Bdf| self.topology.get(bdf).is_some_and(|function| function.virtual_function);
        let Some(remedy) = self.open(bdf).filter(|_| !virtual_function(bdf)) else { return };
        let slot = |other: Bdf| other.rid.0 >> 3 == bdf.rid.0 >> 3;
        let others = self.topology.on_bus(bdf.segment, bdf.rid.bus()).map(|(other, _)| other);
        let others = others.filter(|other| *other != bdf && slot(*other) && !virtual_function(*other));
        let several = |bdf| self.topology.in_multifunction_slot(bdf);
        let open = others.filter(|other| several(bdf) || several(*other)).filter_map(|other| {
            Some(IsolationBlocker { by: other.into(), relation: Relation::Slot, remedy: self.open(other)? })
        });
        let mut open = open.peekable();
        if open.peek().is_some() && matches!(remedy, Remedy::Enable(_)) {
            let itself = IsolationBlocker { by: bdf.into(), relation: Relation::Itself, remedy };
            if !found.contains(&itself) {
                found.push(itself);
            }
            return;
        }
        found.extend(open);
    }

    /// Inside a switch, and right below a port of it.
    fn of_switch(&self, bdf: Bdf, found: &mut Vec<IsolationBlocker>) {
        if self.policy != Policy::Strict {
            return;
        }
        // Alone on the inner bus: there is no peer that it could reach.
        let on = |bus: u8| self.topology.on_bus(bdf.segment, bus);
        let virtual_buses = self.topology.virtual_buses_of(bdf.segment, bdf.rid.bus());
        let mut others = virtual_buses.iter().copied().chain([bdf.rid.bus()]).flat_map(on);
        let on_virtual_bus = self.topology.physical_of(bdf).is_some();
        let alone = others.all(|(other, _)| other == bdf) && !self.has_children(bdf) && !on_virtual_bus;
        let around = self.topology.bridges(bdf).enumerate();
        let switches = around
            .filter(|(step, (_, bridge))| bridge.is(PortType::UpstreamPort) && !(*step == 0 && alone))
            .map(|(_, (switch, _))| switch)
            .filter(|switch| policy::open_in_switch(&self.topology, *switch).is_some());
        for switch in switches {
            let bus = self.topology.get(switch).and_then(|function| function.secondary());
            let ports = bus.into_iter().flat_map(|bus| self.topology.on_bus(switch.segment, bus));
            for port in ports.map(|(port, _)| port).filter(|port| policy::opens_switch(&self.topology, *port))
            {
                let remedy = self.of_switch_port(port);
                let known =
                    |blocker: &IsolationBlocker| (blocker.by, blocker.remedy) == (port.into(), remedy);
                if !found.iter().any(known) {
                    found.push(IsolationBlocker { by: port.into(), relation: Relation::Switch, remedy });
                }
            }
        }
    }

    /// What would help against a function on the bus inside a switch.
    fn of_switch_port(&self, port: Bdf) -> Remedy {
        let ports = self.topology.get(port).filter(|function| function.is(PortType::DownstreamPort));
        let Some(function) = ports else { return Remedy::Wiring };
        let enhanced = policy::missing_enhanced(&function);
        match self.open(port) {
            Some(Remedy::Enable(bits)) => Remedy::Enable(bits | enhanced),
            Some(other) => other,
            None => Remedy::Enable(enhanced),
        }
    }

    fn of_aliases(&self, bdf: Bdf, found: &mut Vec<IsolationBlocker>) {
        let mut others: BTreeSet<Bdf> = self.topology.aliases(bdf).map(|alias| alias.by).collect();
        // As a bridge: does what is right below send as it?
        let secondary = self.topology.get(bdf).and_then(|function| function.secondary());
        let below = secondary.and_then(|bus| self.topology.on_bus(bdf.segment, bus).next());
        if let Some((child, _)) = below
            && self.topology.aliases(child).any(|alias| alias.by == bdf)
        {
            others.insert(bdf);
        } else {
            others.remove(&bdf);
        }
        let mask = |bdf: Bdf| AliasMask::of(&self.topology.get(bdf)?, bdf.rid.devfn()).map(|(mask, _)| mask);
        let mine = mask(bdf);
        for (other, _) in self.topology.on_bus(bdf.segment, bdf.rid.bus()).filter(|(other, _)| *other != bdf)
        {
            let theirs = mask(other);
            let poses = mine.is_some_and(|mine| mine.contains(other.rid.devfn()))
                || theirs.is_some_and(|theirs| theirs.contains(bdf.rid.devfn()));
            let ghost = mine
                .zip(theirs)
                .is_some_and(|(mine, theirs)| mine.devfns().any(|devfn| theirs.contains(devfn)));
            others.extend((poses || ghost).then_some(other));
        }
        let blocker =
            |by: Bdf| IsolationBlocker { by: by.into(), relation: Relation::Alias, remedy: Remedy::Wiring };
        found.extend(others.into_iter().map(blocker));
    }

    /// Devices which reach memory as this one, or this one as them. Containers are a matter of ids.
    fn of_proxies(&self, device: DeviceKey, found: &mut Vec<IsolationBlocker>) {
        let DeviceKey::Pci(_) = device else { return };
        let Some(itself) = self.device(device) else { return };
        let proxies = self.devices.proxies();
        let mine = proxies.of(itself).filter(|proxy| matches!(proxy, Proxy::RealDma(_))).map(Proxy::key);
        let there = mine.filter(|real| self.device(*real).is_some());
        let mut behind = proxies.behind(mine.unwrap_or(device)).filter(|other| *other != itself);
        let other = there.or_else(|| behind.find_map(|other| self.key(other)));
        if let Some(by) = other {
            found.push(IsolationBlocker { by, relation: Relation::Alias, remedy: Remedy::Wiring });
        }
    }

    /// The devices that share an id with it, or that the IOMMU's driver groups with it.
    fn of_firmware(&self, device: DeviceKey, found: &mut Vec<IsolationBlocker>) {
        let Some(group) = self.group_of(device) else { return };
        let fwspec = |key: DeviceKey| self.placement(key).ok()?.fwspec;
        let Some(mine) = fwspec(device) else { return };
        let rules = self.rules();
        let Some(itself) = self.device(device) else { return };
        let streams = self.devices.streams();
        let mut others: Vec<DeviceKey> = self.members(group).filter(|other| *other != device).collect();
        others.sort_unstable();
        for other in others {
            let Some(theirs) = fwspec(other) else { continue };
            let ties = |iommu: IommuIndex| rules.ties_by_id(iommu);
            let meet = mine.ids.iter().any(|a| {
                let same = |b: &&crate::map::Stream| {
                    let masks = u32::from(a.mask | b.mask);
                    let ids = a.id.zip(b.id).is_some_and(|(a, b)| (a.0 ^ b.0) & !masks == 0);
                    a.iommu == b.iommu && ids
                };
                ties(a.iommu) && theirs.ids.iter().any(|b| same(&b))
            });
            let one_unit = self.device(other).is_some_and(|other| streams.share_unit(itself, other));
            if one_unit {
                found.push(IsolationBlocker {
                    by: other,
                    relation: Relation::Driver,
                    remedy: Remedy::Wiring,
                });
                // All masters of the unit are in its way: one stands for them.
                break;
            }
            if meet {
                found.push(IsolationBlocker {
                    by: other,
                    relation: Relation::Stream,
                    remedy: Remedy::Firmware,
                });
            }
        }
    }
}

crate::word::displayed_by_word!(Relation);
