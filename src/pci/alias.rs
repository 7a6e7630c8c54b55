//! Requester IDs that a function's DMA can carry besides its own.

use super::quirk::{self, AliasEffect, Row};
use super::{Fact, Function, PortType};
use crate::{Bdf, RequesterId};

/// A requester ID that a function's DMA can carry, and who puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What memory sees.
    pub rid: RequesterId,
    /// The function itself, or the bridge above it.
    pub by: Bdf,
}

/// The `devfn` of its own bus that a function's DMA carries for a reason in [`quirk::ALIASES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliasMask {
    effect: AliasEffect,
    devfn: u8,
}

impl AliasMask {
    /// Of a function with this `devfn`, and the row that says so; `None` where no row names it or the row is about something
    /// else (bridges, ids only known at run time).
    pub fn of(function: &Function, devfn: u8) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        let row = quirk::alias(function)?;
        let applies = match row.effect {
            AliasEffect::Function0 => devfn & 7 != 0,
            AliasEffect::Function1 => devfn & 7 != 1,
            AliasEffect::DevfnsOf(subsystems, _) => {
                function.subsystem.is_some_and(|subsystem| subsystems.contains(&subsystem))
            }
            AliasEffect::Devfns(_) | AliasEffect::Functions0To4 | AliasEffect::WholeBus => true,
            _ => false,
        };
        applies.then_some((AliasMask { effect: row.effect, devfn }, row))
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
    pub fn devfns(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |devfn| self.contains(*devfn))
    }
}

/// What a bridge adds to the aliases of what is below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BridgeAlias {
    /// Nothing; the walk goes on.
    None,
    /// This requester ID.
    Rid(RequesterId),
    /// Nothing, and the walk ends: translation is below this bridge.
    End,
}

/// What the bridge at `rid` adds (linux drivers/pci/search.c `pci_for_each_dma_alias`). `above` is the bridge above it.
pub(super) fn by_bridge(bridge: &Function, rid: RequesterId, above: Option<&Function>) -> BridgeAlias {
    let effect = quirk::alias(bridge).map(|row| row.effect);
    let secondary = bridge.secondary().unwrap_or_default();
    let secondary = RequesterId::new(secondary, 0, 0);
    if effect == Some(AliasEffect::TranslationRoot) {
        return BridgeAlias::End;
    }
    match bridge.pcie {
        Fact::Present(PortType::PcieToPci) if effect == Some(AliasEffect::NoAlias) => BridgeAlias::None,
        Fact::Present(PortType::PcieToPci) => BridgeAlias::Rid(secondary),
        Fact::Present(PortType::PciToPcie) => BridgeAlias::Rid(rid),
        // A bridge of which only the header was read: nearly all are PCI Express ports, which add nothing.
        Fact::Present(_) | Fact::Unknown => BridgeAlias::None,
        Fact::Absent if effect == Some(AliasEffect::BridgeAlias) && below_port(above) => {
            BridgeAlias::Rid(secondary)
        }
        Fact::Absent => BridgeAlias::Rid(rid),
    }
}

/// Linux `quirk_use_pcie_bridge_dma_alias`: not on a root bus, below a PCI Express bridge that is no PCIe-to-PCI bridge.
fn below_port(above: Option<&Function>) -> bool {
    above.and_then(|above| above.pcie.present()).is_some_and(|port| *port != PortType::PcieToPci)
}
