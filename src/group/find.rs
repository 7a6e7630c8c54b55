//! The ties of one device, found by what it has in common with others: never by looking at all of them.

use alloc::vec::Vec;

use super::DeviceKey;
use super::groups::{Groups, Obstacle};
use super::partition::Slot;
use super::policy::{self, Policy};
use super::proxy::Proxy;
use super::tie::{self, Guise, Tie, View};
use crate::bytes::index;
use crate::map::Stream;
use crate::model::GroupRule;
use crate::pci::{Openness, Seat};
use crate::slab::Place;
use crate::{Bdf, StreamId};

/// A tie that is found but not in force yet.
pub(super) type Found = (Slot, Slot, Tie);

impl Groups {
    /// Collects the ties of one device to others that are attached.
    pub(super) fn find(&mut self, slot: Slot, key: DeviceKey, place: Place, found: &mut Vec<Found>) {
        self.find_proxy(slot, found);
        if let Some(fwspec) = &self.said(slot).fwspec {
            for stream in &fwspec.ids {
                let Some(id) = stream.id.filter(|_| self.ties_by_id(stream.iommu)) else { continue };
                let tie = Tie::SharedStreamId { iommu: stream.iommu, id };
                found.extend(self.streams.meeting(slot, *stream).map(|other| (slot, other, tie)));
                let rule = self.rule(stream.iommu);
                if let Some(rule @ GroupRule::SharedIdSet(set)) = rule.filter(|rule| in_set(*rule, id.0)) {
                    let of = |id: &u32| Stream { id: Some(StreamId(*id)), ..*stream };
                    let others = set.iter().flat_map(|id| self.streams.meeting(slot, of(id)));
                    found.extend(others.map(|other| (slot, other, Tie::Driver { rule })));
                }
            }
            if let Some(rule @ (GroupRule::Instance | GroupRule::Bank)) = self.rule(fwspec.iommu) {
                let other = self.streams.other_master(slot, fwspec.iommu);
                found.extend(other.map(|other| (slot, other, Tie::Driver { rule })));
            }
        }
        if let DeviceKey::Pci(bdf) = key
            && let Some(assumed) = self.find_pci(slot, bdf, place, found)
            && let Some(entry) = self.entry_mut(slot)
        {
            entry.assumed = assumed;
        }
    }

    /// The ties of a device that reaches memory as another: to that one, and to one more that does.
    fn find_proxy(&self, slot: Slot, found: &mut Vec<Found>) {
        let Some(proxy) = self.proxies.of(slot) else { return };
        let tie = match proxy {
            Proxy::RealDma(real) => Tie::RealDma(real),
            Proxy::Container(container) => {
                // linux drivers/iommu/arm/arm-smmu/arm-smmu.c `arm_smmu_device_group`; no other driver asks for containers.
                let rule = self.said(slot).fwspec.as_ref().and_then(|fwspec| self.rule(fwspec.iommu));
                if rule != Some(GroupRule::SharedStreamMapping) {
                    return;
                }
                Tie::Container(container)
            }
        };
        let held = |other: &Slot| matches!(self.obstacle(*other), Some(Obstacle::Missing(_)));
        let itself = self.slot_of(proxy.key());
        let another = self.proxies.behind(proxy.key()).find(|other| *other != slot && !held(other));
        found.extend(
            itself.filter(|other| !held(other)).into_iter().chain(another).map(|other| (slot, other, tie)),
        );
    }

    /// How the driver of an IOMMU groups its masters.
    pub(super) fn rule(&self, iommu: u32) -> Option<GroupRule> {
        Some(self.map.as_ref()?.iommus().get(index(iommu))?.group_rule)
    }

    /// Whether devices that share an id at an IOMMU are tied.
    pub(super) fn ties_by_id(&self, iommu: u32) -> bool {
        policy::shared_id_ties(self.policy, self.rule(iommu))
    }

    /// The ties that PCI makes. Says whether one of them is for want of knowledge.
    fn find_pci(&self, slot: Slot, bdf: Bdf, place: Place, found: &mut Vec<Found>) -> Option<bool> {
        let seat = self.topology.seat_at(place)?;
        let way = seat.way();
        let mut assumed = seat.has_hidden_aliases();
        let mut tie_to = |other: Slot, tie: Tie| {
            if other != slot {
                found.push((slot, other, tie));
            }
        };
        if let Some(parent) = way.parent {
            if let Some((port, unknown)) = way.open {
                assumed |= unknown;
                tie_to(parent, Tie::AcsPath { port: Bdf { rid: port, ..bdf } });
            }
            if self.policy == Policy::Strict
                && let Some((parent, _)) = self.topology.bridges(bdf).next()
                && let Some(switch) = policy::open_switch_above(&self.topology, parent)
            {
                tie_to(way.parent.unwrap_or(slot), Tie::BusIsolation { switch });
            }
        }
        // The bridges further up that add an alias are tied to this one in their turn.
        if let Some((bridge, rid)) = way.alias {
            tie_to(bridge, Tie::SharedAlias(Bdf { rid, ..bdf }));
        }
        let (mine, openness) = view(&seat);
        if openness.open {
            for sibling in seat.in_slot().filter(|sibling| sibling.node.rid != bdf.rid) {
                let (theirs, their_openness) = view(&sibling);
                if let Some(tie) = tie::multifunction(&mine, &theirs) {
                    assumed |= openness.assumed || their_openness.assumed;
                    tie_to(sibling.node.tag, tie);
                    // All such functions of a slot are tied to each other: one stands for them.
                    break;
                }
            }
        }
        if seat.somebody_poses() {
            let mine = guise(&seat);
            for other in seat.confusable().filter(|other| other.node.rid != bdf.rid) {
                if let Some(tie) = tie::dma_alias(&mine, &guise(&other)) {
                    tie_to(other.node.tag, tie);
                }
            }
        }
        if self.policy == Policy::Strict {
            self.find_in_switch(bdf, &mut tie_to);
        }
        Some(assumed)
    }

    /// The ties of the bus inside a switch: all its functions to the first that lets peers through.
    fn find_in_switch(&self, bdf: Bdf, tie_to: &mut impl FnMut(Slot, Tie)) {
        let Some(switch) = policy::switch_of(&self.topology, bdf) else { return };
        let Some(open) = policy::open_in_switch(&self.topology, switch) else { return };
        let tie = Tie::BusIsolation { switch };
        if open != bdf {
            if let Some(open) = self.topology.node(open) {
                tie_to(open.tag, tie);
            }
            return;
        }
        for (_, other) in self.topology.on_bus(bdf.segment, bdf.rid.bus()) {
            tie_to(other.tag, tie);
        }
    }
}

/// Whether an IOMMU's driver takes this id as one with others.
fn in_set(rule: GroupRule, id: u32) -> bool {
    matches!(rule, GroupRule::SharedIdSet(set) if set.contains(&id))
}

/// What the tie rules look at, and whether it lets its neighbours' traffic through.
fn view(seat: &Seat<'_>) -> (View, Openness) {
    let multifunction = seat.in_multifunction_slot();
    let openness = seat.openness(multifunction);
    let view = View {
        bdf: seat.bdf(),
        virtual_function: seat.node.function.virtual_function,
        multifunction,
        isolates: !openness.open,
    };
    (view, openness)
}

fn guise(seat: &Seat<'_>) -> Guise {
    Guise { bdf: seat.bdf(), poses: seat.poses() }
}
