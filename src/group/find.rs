//! The ties of one device, found by what it has in common with others: never by looking at all of them.

use alloc::vec::Vec;

use super::DeviceKey;
use super::groups::Groups;
use super::partition::Slot;
use super::policy::{self, Policy};
use super::tie::{self, Tie, View};
use crate::Bdf;
use crate::bytes::index;
use crate::model::GroupRule;
use crate::pci::quirk::{self, AliasEffect};
use crate::pci::{AcsFlags, AcsVerdict, Seat};

/// A tie that is found but not in force yet.
pub(super) type Found = (Slot, Slot, Tie);

impl Groups {
    /// Collects the ties of one device to others that are attached.
    pub(super) fn find(&mut self, slot: Slot, found: &mut Vec<Found>) {
        let Some(entry) = self.entry(slot) else { return };
        if let Some(fwspec) = &entry.fwspec {
            let iommu = |at: u32| self.map.as_ref().and_then(|map| map.iommus().get(index(at)));
            let rule = |at: u32| iommu(at).map(|iommu| iommu.group_rule);
            for stream in &fwspec.ids {
                let Some(id) = stream.id.filter(|_| policy::shared_id_ties(self.policy, rule(stream.iommu)))
                else {
                    continue;
                };
                let tie = Tie::SharedStreamId { iommu: stream.iommu, id };
                found.extend(self.streams.meeting(slot, *stream).map(|other| (slot, other, tie)));
            }
            if let Some(rule @ (GroupRule::Instance | GroupRule::Bank)) = rule(fwspec.iommu) {
                let other = self.streams.other_master(slot, fwspec.iommu);
                found.extend(other.map(|other| (slot, other, Tie::Driver { rule })));
            }
        }
        if let DeviceKey::Pci(bdf) = entry.key {
            let assumed = self.find_pci(slot, bdf, found);
            if let Some(entry) = self.entry_mut(slot) {
                entry.assumed = assumed;
            }
        }
    }

    /// The ties that PCI makes. Says whether one of them is for want of knowledge.
    fn find_pci(&self, slot: Slot, bdf: Bdf, found: &mut Vec<Found>) -> bool {
        let topology = &self.topology;
        let mut assumed =
            topology.get(bdf).and_then(quirk::alias).is_some_and(|row| row.effect == AliasEffect::Dynamic);
        let mut tie_to = |other: Bdf, tie: Tie| {
            let other = topology.node(other).map(|node| node.tag).filter(|other| *other != slot);
            found.extend(other.map(|other| (slot, other, tie)));
        };
        if let Some((parent, _)) = topology.bridges(bdf).next() {
            if let Some((port, verdict)) = topology.open_path(bdf) {
                assumed |= verdict.assumed();
                tie_to(parent, Tie::AcsPath { port });
            }
            if self.policy == Policy::Strict
                && let Some(switch) = policy::open_switch_above(topology, parent)
            {
                tie_to(parent, Tie::BusIsolation { switch });
            }
        }
        // The bridges further up that add an alias are tied to this one in their turn.
        if let Some(alias) = topology.bridge_aliases(bdf).next() {
            tie_to(alias.by, Tie::SharedAlias(Bdf { rid: alias.rid, ..bdf }));
        }
        let Some((mine, verdict)) = topology.seat(bdf).map(view) else { return assumed };
        let siblings = topology.in_slot_of(bdf).filter(|seat| seat.bdf != bdf && !mine.isolates);
        for (theirs, their_verdict) in siblings.map(view) {
            if let Some(tie) = tie::multifunction(&mine, &theirs) {
                assumed |= verdict.assumed() || their_verdict.assumed();
                tie_to(theirs.bdf, tie);
                // All such functions of a slot are tied to each other: one stands for them.
                break;
            }
        }
        if topology.any_poses(bdf.segment, bdf.rid.bus()) {
            for (other, _) in topology.on_bus(bdf.segment, bdf.rid.bus()).filter(|(other, _)| *other != bdf) {
                let theirs = topology.seat(other).map(view);
                if let Some(tie) = theirs.and_then(|(theirs, _)| tie::dma_alias(&mine, &theirs)) {
                    tie_to(other, tie);
                }
            }
        }
        if self.policy == Policy::Strict {
            self.find_in_switch(bdf, &mut tie_to);
        }
        assumed
    }

    /// The ties of the bus inside a switch: all its functions to the first that lets peers through.
    fn find_in_switch(&self, bdf: Bdf, tie_to: &mut impl FnMut(Bdf, Tie)) {
        let Some(switch) = policy::switch_of(&self.topology, bdf) else { return };
        let Some(open) = policy::open_in_switch(&self.topology, switch) else { return };
        let tie = Tie::BusIsolation { switch };
        if open != bdf {
            return tie_to(open, tie);
        }
        for (other, _) in self.topology.on_bus(bdf.segment, bdf.rid.bus()) {
            tie_to(other, tie);
        }
    }
}

/// What the tie rules look at, and the verdict on its isolation.
fn view(seat: Seat<'_>) -> (View, AcsVerdict) {
    let multifunction = seat.in_multifunction_slot();
    let verdict = seat.acs(AcsFlags::ISOLATED, multifunction);
    let view = View {
        bdf: seat.bdf,
        virtual_function: seat.node.function.virtual_function,
        multifunction,
        isolates: verdict.isolates,
        poses: seat.poses(),
    };
    (view, verdict)
}
