//! Requester IDs that a function's DMA can carry besides its own.

use super::quirk::{self, AliasEffect, Row};
use super::{Fact, Function, PortType};
use crate::{Bdf, RequesterId};
use core::iter::FusedIterator;
use core::ops::RangeInclusive;

/// A requester ID that a function's DMA can carry, and the function that puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias {
    /// What memory sees.
    pub rid: RequesterId,
    /// The function itself, or a bridge above it.
    pub by: Bdf,
}

/// The `devfn`s of its own bus that a function's DMA can carry because of a row of [`quirk::ALIASES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AliasMask {
    effect: AliasEffect,
    devfn: u8,
}

impl AliasMask {
    /// The mask of a function with this `devfn`, and the row that says so; `None` where no row names the function, or its row is
    /// about something else (bridges, ids that are only known at run time).
    pub fn of(function: &Function, devfn: u8) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        let row = quirk::alias(function)?;
        Some((AliasMask::by_row(row, function, devfn)?, row))
    }

    /// As `of`, where the row is known.
    pub(super) fn by_row(row: &Row<AliasEffect>, function: &Function, devfn: u8) -> Option<AliasMask> {
        let applies = match row.effect {
            AliasEffect::Function0 => devfn & 7 != 0,
            AliasEffect::Function1 => devfn & 7 != 1,
            AliasEffect::DevfnsOf(subsystems, _) => {
                function.subsystem.is_some_and(|subsystem| subsystems.contains(&subsystem))
            }
            AliasEffect::Devfns(_) | AliasEffect::Functions0To4 | AliasEffect::WholeBus => true,
            _ => false,
        };
        applies.then_some(AliasMask { effect: row.effect, devfn })
    }

    /// Whether the function can pose as this `devfn`.
    pub fn contains(self, devfn: u8) -> bool {
        match self.effect {
            AliasEffect::Function0 => devfn == self.devfn & !7,
            AliasEffect::Function1 => devfn == self.devfn & !7 | 1,
            AliasEffect::Devfns(devfns) | AliasEffect::DevfnsOf(_, devfns) => devfns.contains(&devfn),
            AliasEffect::Functions0To4 => devfn & 7 <= 4,
            AliasEffect::WholeBus => true,
            _ => false,
        }
    }

    /// The `devfn`s, ascending, as the kernel visits them.
    pub fn devfns(self) -> Devfns {
        let (first, last) = match self.effect {
            AliasEffect::Function0 | AliasEffect::Function1 => (self.devfn & !7, self.devfn | 7),
            AliasEffect::Devfns([first, .., last]) => (*first, *last),
            _ => (0, u8::MAX),
        };
        Devfns { mask: self, range: first..=last }
    }
}

/// The `devfn`s that a function poses as, see [`AliasMask::devfns`].
#[derive(Clone, Debug)]
pub struct Devfns {
    mask: AliasMask,
    range: RangeInclusive<u8>,
}

impl Iterator for Devfns {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let mask = self.mask;
        self.range.find(|devfn| mask.contains(*devfn))
    }
}

impl DoubleEndedIterator for Devfns {
    fn next_back(&mut self) -> Option<u8> {
        let mask = self.mask;
        self.range.rfind(|devfn| mask.contains(*devfn))
    }
}

impl FusedIterator for Devfns {}

/// What a bridge adds to the aliases of the functions below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BridgeAlias {
    /// Nothing; the walk goes on.
    None,
    /// This requester ID.
    Rid(RequesterId),
    /// Nothing, and the walk ends: translation happens below this bridge.
    End,
}

/// What the type of a bridge, or a row about it, says about the alias that it adds (linux drivers/pci/search.c
/// `pci_for_each_dma_alias`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BridgeTag {
    /// None.
    #[default]
    None,
    /// Its own requester ID.
    Own,
    /// Function 0 of its secondary bus.
    Secondary,
    /// As `Secondary` right below a PCI Express port, as `Own` elsewhere.
    ByAbove,
    /// None, and none from above: translation happens below this bridge.
    End,
}

impl BridgeTag {
    /// The tag of a bridge; `effect` is that of the row about it, if there is one.
    pub(super) fn of(bridge: &Function, effect: Option<AliasEffect>) -> BridgeTag {
        if effect == Some(AliasEffect::TranslationRoot) {
            return BridgeTag::End;
        }
        match bridge.pcie {
            Fact::Present(PortType::PcieToPci) if effect == Some(AliasEffect::NoAlias) => BridgeTag::None,
            Fact::Present(PortType::PcieToPci) => BridgeTag::Secondary,
            Fact::Present(PortType::PciToPcie) => BridgeTag::Own,
            // Only the header of the bridge was read. Nearly all bridges are PCI Express ports, which add nothing.
            Fact::Present(_) | Fact::Unknown => BridgeTag::None,
            Fact::Absent if effect == Some(AliasEffect::BridgeAlias) => BridgeTag::ByAbove,
            Fact::Absent => BridgeTag::Own,
        }
    }

    /// What the bridge at `rid` adds. `above` is the bridge above it.
    pub(super) fn by(self, bridge: &Function, rid: RequesterId, above: Option<&Function>) -> BridgeAlias {
        let secondary = || BridgeAlias::Rid(RequesterId::new(bridge.secondary().unwrap_or_default(), 0, 0));
        match self {
            BridgeTag::None => BridgeAlias::None,
            BridgeTag::Secondary => secondary(),
            BridgeTag::ByAbove if below_port(above) => secondary(),
            BridgeTag::Own | BridgeTag::ByAbove => BridgeAlias::Rid(rid),
            BridgeTag::End => BridgeAlias::End,
        }
    }
}

/// Linux `quirk_use_pcie_bridge_dma_alias`: not on a root bus, below a PCI Express bridge that is not a PCIe-to-PCI bridge.
fn below_port(above: Option<&Function>) -> bool {
    above.and_then(|above| above.pcie.present()).is_some_and(|port| *port != PortType::PcieToPci)
}
