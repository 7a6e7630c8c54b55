//! A function together with what surrounds it, as the tie rules ask about it.

use super::alias::AliasMask;
use super::quirk::{AcsEffect, AliasEffect, Row};
use super::store::{Bus, Occupant, Store};
use super::traits::Openness;
use super::upstream::UpstreamPath;
use super::{AcsFlags, AcsReason, AcsVerdict, Chipset, Surroundings, acs};
use crate::Bdf;

/// A function with its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedFunction<'a> {
    pub(super) store: &'a Store,
    pub(super) chipset: Chipset,
    pub(super) bus: &'a Bus,
    pub(crate) node: Occupant<'a>,
}

impl<'a> PlacedFunction<'a> {
    /// Its address.
    pub(crate) fn bdf(&self) -> Bdf {
        Bdf { segment: self.bus.segment, rid: self.node.rid }
    }

    /// What was above it at the last look-up.
    pub(crate) fn upstream(&self) -> &'a UpstreamPath {
        self.bus.last_upstream()
    }

    /// Another function of the same bus.
    fn beside(self, node: Occupant<'a>) -> PlacedFunction<'a> {
        PlacedFunction { node, ..self }
    }

    /// Whether a function of its bus, itself included, poses as another.
    pub(crate) fn bus_has_posing(&self) -> bool {
        self.bus.has_posing()
    }

    /// The functions of its slot, itself included.
    pub(crate) fn in_slot(self) -> impl Iterator<Item = PlacedFunction<'a>> {
        self.store.in_slot(self.bus, self.node.rid.device()).map(move |node| self.beside(node))
    }

    /// The functions of its bus whose DMA may carry the same requester ID as its own: one may pose as the other, or both as a
    /// third. It may be among them itself.
    pub(crate) fn confusable(self) -> impl Iterator<Item = PlacedFunction<'a>> {
        let all = self.node.poses().is_some().then(|| self.store.on_bus(Some(self.bus)));
        let posing = self.node.poses().is_none().then(|| self.store.posing_on(self.bus));
        all.into_iter().flatten().chain(posing.into_iter().flatten()).map(move |node| self.beside(node))
    }

    pub(crate) fn in_multifunction_slot(&self) -> bool {
        self.node.like().in_multifunction_slot(self.node.rid.devfn(), self.bus.only_slot)
    }

    /// Whether it has the isolation `wanted`, judged as a function of a multifunction slot or not.
    pub(crate) fn acs(&self, wanted: AcsFlags, multifunction: bool) -> AcsVerdict {
        self.acs_on(self.chipset, wanted, multifunction)
    }

    /// As `acs`, on a machine with another chipset.
    fn acs_on(&self, chipset: Chipset, wanted: AcsFlags, multifunction: bool) -> AcsVerdict {
        let around = Surroundings {
            multifunction,
            root_bus: self.bus.bridge.is_none() && self.bus.virtual_of.is_none(),
            ivrs: chipset.ivrs,
            intel_pch: chipset.intel_pch,
        };
        acs::enabled(self.node.like(), wanted, around)
    }

    /// The row by which it isolates if the machine has an IVRS; `None` where it is known that the machine has one.
    pub(crate) fn isolates_with_ivrs(&self) -> Option<&'static Row<AcsEffect>> {
        let with = Chipset { ivrs: true, ..self.chipset };
        match self.acs_on(with, AcsFlags::ISOLATED, self.in_multifunction_slot()).reason {
            AcsReason::Quirk(row) if row.effect == AcsEffect::AmdSouthbridge && !self.chipset.ivrs => {
                Some(row)
            }
            _ => None,
        }
    }

    /// Whether it lets its neighbours' traffic through, judged as a function of a multifunction slot or not.
    pub(crate) fn openness(&self, multifunction: bool) -> Openness {
        let known = self.node.traits().open(multifunction);
        known.unwrap_or_else(|| self.acs(AcsFlags::ISOLATED, multifunction).into())
    }

    /// Whether it has aliases that configuration space does not show.
    pub(crate) fn has_hidden_aliases(&self) -> bool {
        self.node.traits().has_hidden_aliases()
    }

    /// The functions that it poses as, see [`AliasMask`].
    pub(crate) fn poses(&self) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        self.node.poses()
    }
}
