//! The partition against a dull reading of its rules: every pair of devices looked at, everything worked out from the list of
//! devices alone, with none of the indices that the engine keeps.

use crate::support::cases::random;
use crate::support::machine;

use fwspec::map::Stream;
use fwspec::pci::quirk::{self, AliasEffect};
use fwspec::pci::{AliasMask, Fact, Function, PortType, Surroundings, acs};
use fwspec::{AcsFlags, Bdf, DeviceKey, Groups, IdMap, RequesterId, group::Policy};
use machine::{Machine, bdf_of, machines, map};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Devices as a list.
struct List<'a> {
    machine: &'a Machine,
    devices: Vec<(Bdf, Function)>,
}

/// Functions, parents first, with the port types that the PCI core makes of what they say (linux `set_pcie_port_type`).
fn as_the_core_has_them(mut devices: Vec<(Bdf, Function)>) -> Vec<(Bdf, Function)> {
    use PortType::{DownstreamPort, PciToPcie, RootPort, UpstreamPort};
    for at in 0..devices.len() {
        let bus = devices[at].0.rid.bus();
        let bridge = devices.iter().find(|(_, bridge)| bridge.secondary() == Some(bus));
        let above = bridge.and_then(|(_, bridge)| bridge.pcie.present().copied());
        let told = &mut devices[at].1.pcie;
        match (*told, above) {
            (Fact::Present(DownstreamPort), Some(RootPort | DownstreamPort | PciToPcie)) => {
                *told = Fact::Present(UpstreamPort);
            }
            (Fact::Present(UpstreamPort), Some(UpstreamPort)) => *told = Fact::Present(DownstreamPort),
            _ => {}
        }
    }
    devices
}

impl List<'_> {
    fn on_bus(&self, bus: u8) -> impl Iterator<Item = usize> {
        (0..self.devices.len()).filter(move |at| self.devices[*at].0.rid.bus() == bus)
    }

    fn bridge_of(&self, bus: u8) -> Option<usize> {
        self.devices.iter().position(|(_, function)| function.secondary() == Some(bus))
    }

    /// The physical function of the virtual functions on a bus that is not its own.
    fn physical_of(&self, bus: u8) -> Option<Bdf> {
        let physical = |at: usize| self.machine.physical_of(at).filter(|pf| pf.rid.bus() < bus);
        self.on_bus(bus).find_map(physical)
    }

    /// The bridges above a bus, nearest first.
    fn path(&self, bus: u8) -> Vec<usize> {
        if let Some(bridge) = self.bridge_of(bus) {
            let mut path = vec![bridge];
            path.extend(self.path(self.devices[bridge].0.rid.bus()));
            return path;
        }
        self.physical_of(bus).map_or_else(Vec::new, |pf| self.path(pf.rid.bus()))
    }

    fn above(&self, at: usize) -> Vec<usize> {
        self.path(self.devices[at].0.rid.bus())
    }

    fn multifunction(&self, at: usize) -> bool {
        let (bdf, function) = self.devices[at];
        let port = self.bridge_of(bdf.rid.bus()).map(|bridge| self.devices[bridge].1);
        let only_slot =
            port.is_some_and(|port| port.is(PortType::RootPort) || port.is(PortType::DownstreamPort));
        function.in_multifunction_slot(bdf.rid.devfn(), only_slot)
    }

    fn isolates(&self, at: usize) -> bool {
        let (bdf, function) = self.devices[at];
        let bus = bdf.rid.bus();
        let root_bus = self.bridge_of(bus).is_none() && self.physical_of(bus).is_none();
        let multifunction = self.multifunction(at);
        let around = Surroundings { multifunction, root_bus, ..Surroundings::default() };
        acs::enabled(&function, AcsFlags::ISOLATED, around).isolates
    }

    /// What the bridges above add, with the bridge that adds it (linux `pci_for_each_dma_alias`).
    fn bridge_aliases(&self, at: usize) -> Vec<(RequesterId, usize)> {
        let path = self.above(at);
        let mut aliases = Vec::new();
        for (n, bridge) in path.iter().enumerate() {
            let (bdf, function) = self.devices[*bridge];
            let effect = quirk::alias(&function).map(|row| row.effect);
            let secondary = RequesterId::new(function.secondary().unwrap(), 0, 0);
            let above = path.get(n + 1).map(|above| self.devices[*above].1.pcie);
            let below_port = matches!(above, Some(Fact::Present(port)) if port != PortType::PcieToPci);
            match function.pcie {
                _ if effect == Some(AliasEffect::TranslationRoot) => break,
                Fact::Present(PortType::PcieToPci) if effect == Some(AliasEffect::NoAlias) => {}
                Fact::Present(PortType::PcieToPci) => aliases.push((secondary, *bridge)),
                Fact::Present(PortType::PciToPcie) => aliases.push((bdf.rid, *bridge)),
                Fact::Absent if effect == Some(AliasEffect::BridgeAlias) && below_port => {
                    aliases.push((secondary, *bridge));
                }
                Fact::Absent => aliases.push((bdf.rid, *bridge)),
                _ => {}
            }
        }
        aliases
    }

    /// The RIDs of its own bus that a function sends as.
    fn own_aliases(&self, at: usize) -> Vec<RequesterId> {
        let (bdf, function) = self.devices[at];
        let mask = AliasMask::of(&function, bdf.rid.devfn());
        let posing =
            mask.into_iter().flat_map(|(mask, _)| mask.devfns()).map(|devfn| bdf.rid.with_devfn(devfn));
        std::iter::once(bdf.rid).chain(posing).collect()
    }

    fn streams(&self, at: usize, map: &IdMap) -> Vec<Stream> {
        let bridges = self.bridge_aliases(at).into_iter().map(|(rid, _)| rid);
        let rids = self.own_aliases(at).into_iter().chain(bridges);
        let outcome = map.fwspec_of_aliases(rids.map(|rid| Bdf { rid, ..self.devices[at].0 }));
        outcome.fwspec.or(outcome.dropped).map_or_else(Vec::new, |fwspec| fwspec.ids.to_vec())
    }

    /// Whether the bus inside the switch below an upstream port lets peers through.
    fn is_open_switch(&self, upstream: usize) -> bool {
        let function = self.devices[upstream].1;
        function.is(PortType::UpstreamPort)
            && self.on_bus(function.secondary().unwrap()).any(|at| {
                let function = self.devices[at].1;
                let enhanced = match function.acs {
                    Fact::Present(acs) if acs.capability.contains(AcsFlags::IB) => {
                        acs.control.contains(AcsFlags::DSP_MT_RR | AcsFlags::USP_MT_RR)
                    }
                    _ => true,
                };
                let closed = function.is(PortType::DownstreamPort) && self.isolates(at) && enhanced;
                !function.virtual_function && !closed
            })
    }

    fn tied(&self, a: usize, b: usize, policy: Policy, map: Option<&IdMap>) -> bool {
        let [(bdf_a, fun_a), (bdf_b, fun_b)] = [self.devices[a], self.devices[b]];
        // E1: one is a bridge that adds an alias to the other.
        let tags = |bridge, of| self.bridge_aliases(of).iter().any(|(_, by)| *by == bridge);
        // E2: both can send with one requester ID of their bus.
        let same_bus = bdf_a.rid.bus() == bdf_b.rid.bus();
        let posing = same_bus && self.own_aliases(a).iter().any(|rid| self.own_aliases(b).contains(rid));
        // E3: one is a bridge above the other, from which on the path does not isolate.
        let open = |bridge, below| {
            let path = self.above(below);
            let at = path.iter().position(|above| *above == bridge);
            at.is_some_and(|at| path[at..].iter().any(|above| !self.isolates(*above)))
        };
        // E4: functions of one slot, both of which let the other's traffic through.
        let slot = bdf_a.rid.0 >> 3 == bdf_b.rid.0 >> 3
            && !fun_a.virtual_function
            && !fun_b.virtual_function
            && (self.multifunction(a) || self.multifunction(b))
            && !self.isolates(a)
            && !self.isolates(b);
        // E5: an id that the IOMMU cannot tell apart.
        let ids = |map: &IdMap| {
            let theirs = self.streams(b, map);
            self.streams(a, map).iter().any(|x| {
                let meets = |y: &Stream| {
                    let (x_id, y_id) = (x.id.unwrap().0, y.id.unwrap().0);
                    x.iommu == y.iommu && (x_id ^ y_id) & !u32::from(x.mask | y.mask) == 0
                };
                theirs.iter().any(meets)
            })
        };
        // E7: both are below an upstream port whose switch is open inside.
        let switch = || {
            let below = self.above(b);
            self.above(a).into_iter().any(|port| below.contains(&port) && self.is_open_switch(port))
        };
        tags(a, b)
            || tags(b, a)
            || posing
            || open(a, b)
            || open(b, a)
            || slot
            || map.is_some_and(ids)
            || policy == Policy::Strict && switch()
    }

    fn closure(&self, policy: Policy, map: Option<&IdMap>) -> BTreeSet<Vec<DeviceKey>> {
        let count = self.devices.len();
        let mut class: Vec<usize> = (0..count).collect();
        for a in 0..count {
            for b in 0..a {
                if self.tied(a, b, policy, map) {
                    let [kept, gone] = [class[a], class[b]];
                    class.iter_mut().filter(|class| **class == gone).for_each(|class| *class = kept);
                }
            }
        }
        let members = |of: usize| {
            let mut members: Vec<DeviceKey> =
                (0..count).filter(|at| class[*at] == of).map(|at| self.devices[at].0.into()).collect();
            members.sort();
            members
        };
        (0..count).map(members).filter(|members| !members.is_empty()).collect()
    }
}

proptest! {
    #![proptest_config(random(200, 2_000))]

    #[test]
    fn the_partition_is_the_closure_of_all_pairs(
        (machine, order) in machines(20).prop_flat_map(|machine| {
            let order = Just((0..machine.devices.len()).collect::<Vec<usize>>()).prop_shuffle();
            (Just(machine), order)
        }),
        strict in any::<bool>(),
        seed in prop::option::of(any::<u8>()),
    ) {
        let policy = if strict { Policy::Strict } else { Policy::Linux };
        let empty = seed.map_or_else(Groups::builder, |seed| Groups::builder().map(map(seed)));
        let mut groups = empty.policy(policy).build();
        for device in machine.in_order(&order) {
            groups.add(device).unwrap();
        }
        let ours: BTreeSet<Vec<DeviceKey>> = groups.classes().map(|mut class| { class.sort(); class }).collect();
        let told = machine.devices.iter().map(|device| (bdf_of(device), *device.facts())).collect();
        let devices = as_the_core_has_them(told);
        let list = List { machine: &machine, devices };
        prop_assert_eq!(ours, list.closure(policy, seed.map(map).as_ref()));
    }
}
