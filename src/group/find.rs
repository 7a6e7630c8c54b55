//! The ties of one device, found by what it has in common with others: never by looking at all of them.

use alloc::vec::Vec;

use super::DeviceKey;
use super::device::Proxy;
use super::devices::Devices;
use super::entry::{DeviceRef, device_of};
use super::policy::{self, Policy, Rules};
use super::tie::{self, DmaAliases, SlotFunction, Tie};
use crate::Bdf;
use crate::model::GroupRule;
use crate::pci::{Openness, PlacedFunction, Stored, Topology};
use crate::slab::Key;

/// A tie that is found but not in force yet.
pub(super) type Found = (DeviceRef, DeviceRef, Tie);

/// Looks for ties among the devices that are there.
#[derive(Clone, Copy)]
pub(super) struct Finder<'a> {
    pub(super) topology: &'a Topology,
    pub(super) devices: &'a Devices,
    pub(super) rules: Rules<'a>,
}

impl Finder<'_> {
    /// Collects the ties of one device to others that are attached. Returns whether one of them rests on something that was not
    /// read.
    pub(super) fn find(
        self,
        device: DeviceRef,
        key: DeviceKey,
        function: Option<Key<Stored>>,
        found: &mut Vec<Found>,
    ) -> bool {
        self.by_proxy(device, found);
        self.by_ids(device, found);
        let (DeviceKey::Pci(bdf), Some(function)) = (key, function) else { return false };
        self.by_firmware_alias(device, bdf, found);
        self.by_pci(device, bdf, function, found).unwrap_or(false)
    }

    /// The ties that firmware makes by saying that a function sends as another of its bus (linux drivers/iommu/amd/iommu.c
    /// `setup_aliases`).
    fn by_firmware_alias(self, device: DeviceRef, bdf: Bdf, found: &mut Vec<Found>) {
        let Some(map) = self.rules.map.filter(|map| map.has_aliases()) else { return };
        let mut tie_to = |tag, at| {
            let other = device_of(tag).filter(|other| *other != device);
            found.extend(other.map(|other| (device, other, Tie::FirmwareAlias { at })));
        };
        if let Some((rid, at)) = map.alias_of(bdf).filter(|(alias, _)| alias.bus() == bdf.rid.bus())
            && let Some(other) = self.topology.node(Bdf { rid, ..bdf })
        {
            tie_to(other.tag, at);
        }
        for (other, node) in self.topology.on_bus(bdf.segment, bdf.rid.bus()) {
            if let Some((_, at)) = map.alias_of(other).filter(|(alias, _)| *alias == bdf.rid) {
                tie_to(node.tag, at);
            }
        }
    }

    /// Ties a device which has a proxy to it, and to one other device with the same proxy.
    fn by_proxy(self, device: DeviceRef, found: &mut Vec<Found>) {
        let proxies = self.devices.proxies();
        let Some(proxy) = proxies.of(device) else { return };
        let tie = match proxy {
            Proxy::RealDma(real) => Tie::RealDma(real),
            Proxy::Container(container) => {
                // linux drivers/iommu/arm/arm-smmu/arm-smmu.c `arm_smmu_device_group`; no other driver asks for containers.
                let fwspec = self.devices.firmware(device).fwspec.as_ref();
                if fwspec.and_then(|fwspec| self.rules.of(fwspec.iommu))
                    != Some(GroupRule::SharedStreamMapping)
                {
                    return;
                }
                Tie::Container(container)
            }
        };
        let is_held = |other: &DeviceRef| self.devices.is_held(*other);
        let itself = self.devices.find(self.topology, proxy.key()).filter(|other| !is_held(other));
        let another = proxies.behind(proxy.key()).find(|other| *other != device && !is_held(other));
        found.extend(itself.into_iter().chain(another).map(|other| (device, other, tie)));
    }

    /// The ties that ids make, and the driver of the IOMMU.
    fn by_ids(self, device: DeviceRef, found: &mut Vec<Found>) {
        let Some(fwspec) = &self.devices.firmware(device).fwspec else { return };
        let (rules, streams) = (self.rules, self.devices.streams());
        let Some(key) = self.devices.key(self.topology, device) else { return };
        for stream in &fwspec.ids {
            let Some(id) = stream.id.filter(|_| rules.ties_by_id_of(key, stream.iommu)) else { continue };
            let tie = Tie::SharedStreamId { iommu: stream.iommu, id };
            found.extend(streams.meeting(device, *stream).map(|other| (device, other, tie)));
        }
        for (iommu, other) in streams.other_masters(device) {
            let tie = rules.of(iommu).map(|rule| Tie::Driver { rule });
            found.extend(tie.map(|tie| (device, other, tie)));
        }
    }

    /// The ties that PCI makes. Returns whether one of them rests on something that was not read.
    fn by_pci(
        self,
        device: DeviceRef,
        bdf: Bdf,
        function: Key<Stored>,
        found: &mut Vec<Found>,
    ) -> Option<bool> {
        let placed = self.topology.placed_at(function)?;
        let upstream = placed.upstream();
        let strict = self.rules.policy == Policy::Strict;
        let mut assumed = placed.has_hidden_aliases();
        let mut tie_to = |other: Option<DeviceRef>, tie: Tie| {
            if let Some(other) = other.filter(|other| *other != device) {
                found.push((device, other, tie));
            }
        };
        let parent = device_of(upstream.parent);
        if parent.is_some() {
            if let Some((port, unknown)) = upstream.open {
                assumed |= unknown;
                tie_to(parent, Tie::AcsPath { port: Bdf { rid: port, ..bdf } });
            }
            if strict
                && let Some((bridge, _)) = self.topology.bridges(bdf).next()
                && let Some(switch) = policy::open_switch_above(self.topology, bridge)
            {
                tie_to(parent, Tie::BusIsolation { switch });
            }
        }
        // The bridges further up that add an alias are tied to this one in their turn.
        if let Some((bridge, rid)) = upstream.alias {
            tie_to(device_of(bridge), Tie::SharedAlias(Bdf { rid, ..bdf }));
        }
        let (mine, openness) = in_slot(&placed);
        if openness.open {
            for sibling in placed.in_slot().filter(|sibling| sibling.node.rid != bdf.rid) {
                let (theirs, their_openness) = in_slot(&sibling);
                if let Some(tie) = tie::multifunction(&mine, &theirs) {
                    assumed |= openness.assumed || their_openness.assumed;
                    tie_to(device_of(sibling.node.tag), tie);
                    // All such functions of a slot are tied to each other: one stands for them.
                    break;
                }
            }
        }
        if placed.bus_has_posing() {
            let mine = aliases(&placed);
            for other in placed.confusable().filter(|other| other.node.rid != bdf.rid) {
                if let Some(tie) = tie::dma_alias(&mine, &aliases(&other)) {
                    tie_to(device_of(other.node.tag), tie);
                }
            }
        }
        if strict {
            self.by_switch(bdf, &mut tie_to);
        }
        Some(assumed)
    }

    /// The ties of the bus inside a switch: all its functions to the first that lets peers through.
    fn by_switch(self, bdf: Bdf, tie_to: &mut impl FnMut(Option<DeviceRef>, Tie)) {
        let Some(switch) = policy::switch_of(self.topology, bdf) else { return };
        let Some(open) = policy::open_in_switch(self.topology, switch) else { return };
        let tie = Tie::BusIsolation { switch };
        if open != bdf {
            return tie_to(self.topology.node(open).and_then(|open| device_of(open.tag)), tie);
        }
        for (_, other) in self.topology.on_bus(bdf.segment, bdf.rid.bus()) {
            tie_to(device_of(other.tag), tie);
        }
    }
}

/// What the tie rules look at among the functions of a slot, and whether this one lets its neighbours' traffic through.
fn in_slot(placed: &PlacedFunction<'_>) -> (SlotFunction, Openness) {
    let multifunction = placed.in_multifunction_slot();
    let openness = placed.openness(multifunction);
    let function = SlotFunction {
        bdf: placed.bdf(),
        virtual_function: placed.node.like().virtual_function,
        multifunction,
        isolates: !openness.open,
    };
    (function, openness)
}

fn aliases(placed: &PlacedFunction<'_>) -> DmaAliases {
    DmaAliases { bdf: placed.bdf(), poses: placed.poses() }
}
