//! The devices whose ties an event can change besides those of the device that it is about.

use alloc::vec::Vec;

use super::entry::{DeviceRef, device_of};
use super::policy::{self, Policy};
use super::proxies::Proxies;
use crate::pci::{Function, Topology};
use crate::{Bdf, Segment};

/// Looks for the devices that an event affects.
pub(super) struct Affected<'a> {
    pub(super) topology: &'a Topology,
    pub(super) policy: Policy,
    pub(super) proxies: &'a Proxies,
}

impl Affected<'_> {
    /// The devices that the arrival of a function affects: what is below it, and all that is on its bus when it reveals what that
    /// bus is.
    pub(super) fn by(&self, bdf: Bdf, function: &Function, was_attached: bool, batch: &mut Vec<DeviceRef>) {
        let revealed = !was_attached && self.topology.attached(bdf).is_ok();
        let opened = self.policy == Policy::Strict
            && policy::switch_of(self.topology, bdf)
                .is_some_and(|switch| policy::open_in_switch(self.topology, switch) == Some(bdf));
        if revealed || opened {
            self.below(bdf.segment, [bdf.rid.bus()], batch);
        } else {
            self.below(bdf.segment, function.below(bdf.rid), batch);
        }
    }

    /// Everything on these buses and below, parents first. Bus numbers grow from one to the next, so it ends.
    pub(super) fn below(
        &self,
        segment: Segment,
        buses: impl IntoIterator<Item = u8>,
        batch: &mut Vec<DeviceRef>,
    ) {
        let mut buses: Vec<u8> =
            buses.into_iter().filter(|bus| !self.topology.is_bare(segment, *bus)).collect();
        if buses.is_empty() {
            return;
        }
        let mut seen = [false; 256];
        while let Some(bus) = buses.pop() {
            if seen.get_mut(usize::from(bus)).is_none_or(|seen| core::mem::replace(seen, true)) {
                continue;
            }
            buses.extend(self.topology.virtual_buses_of(segment, bus));
            if !self.proxies.is_empty() {
                batch.extend(self.proxies.behind_bus(segment, bus));
            }
            for (bdf, node) in self.topology.on_bus(segment, bus) {
                batch.extend(device_of(node.tag));
                buses.extend(node.function().below(bdf.rid));
            }
        }
    }
}
