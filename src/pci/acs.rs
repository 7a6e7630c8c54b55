//! Whether a function isolates (PCI Express Access Control Services), and what decides that.

use alloc::collections::BTreeMap;
use core::fmt;

use super::quirk::{self, AcsEffect, Row};
use super::{Acs, AcsFlags, Fact, Function, PortType};
use crate::{Bdf, RequesterId};

/// What isolation depends on besides the function itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Surroundings {
    /// The function is in a multifunction slot, see [`Function::in_multifunction_slot`].
    pub multifunction: bool,
    /// The function is on a root bus.
    pub root_bus: bool,
    /// The machine has an ACPI IVRS table (an AMD IOMMU).
    pub ivrs: bool,
    /// The Intel chipset's own isolation switch is known to be on (linux `pci_quirk_enable_intel_pch_acs`). The switch is in
    /// chipset registers, which configuration space does not show.
    pub intel_pch: bool,
}

impl Chipset {
    /// This chipset, with what a complete list of functions tells of it.
    pub(crate) fn told_by(self, functions: &BTreeMap<Bdf, &Function>) -> Self {
        // An AMD IOMMU is itself a PCI function.
        let has_iommu = functions.values().any(|function| function.class >> 8 == 0x0806);
        let lpc_of = |port: &Bdf| {
            let rid = RequesterId::new(port.rid.bus(), 0x1f, 0);
            functions.get(&Bdf { rid, ..*port }).map(|lpc| lpc.rcba)
        };
        let mut ports = functions.iter().filter(|(_, function)| is_intel_pch(function)).peekable();
        // Where no function answers, Linux reads all ones and takes the bit for set.
        let on = ports.peek().is_some() && ports.all(|(port, _)| lpc_of(port) != Some(Fact::Present(false)));
        Chipset { ivrs: self.ivrs || has_iommu, intel_pch: self.intel_pch || on }
    }
}

/// Whether a function is a root port of an Intel chipset that isolates without an ACS capability (`pci_quirk_intel_pch_acs_match`).
fn is_intel_pch(function: &Function) -> bool {
    function.is(PortType::RootPort) && quirk::acs(function).any(|row| row.effect == AcsEffect::IntelPch)
}

/// Whether a function is a root port whose ACS registers are 32 bits wide (`pci_quirk_intel_spt_pch_acs_match`).
fn has_wide_acs(function: &Function) -> bool {
    function.is(PortType::RootPort)
        && quirk::acs(function).any(|row| row.effect == AcsEffect::IntelSunrisePoint)
}

impl Acs {
    /// The control register of a port whose registers are 32 bits wide; where it was not read, what Linux sets in it
    /// (`pci_quirk_enable_intel_spt_pch_acs`).
    fn wide_control(&self) -> AcsFlags {
        self.next_dword.map_or(self.capability & AcsFlags::ISOLATED, |next| {
            let [low, high, ..] = next.to_le_bytes();
            AcsFlags(u16::from_le_bytes([low, high]))
        })
    }
}

impl Function {
    /// The function after Linux has enabled ACS, as it does where it uses an IOMMU (linux drivers/pci/pci.c `pci_enable_acs`):
    /// those of SV, RR, CR and UF that the function has are on, its other bits are unchanged. Translation blocking, which Linux
    /// adds for external and untrusted functions and where ATS is disabled, is unchanged, too.
    ///
    /// ```
    /// use fwspec::pci::{Acs, Fact, Function, PortType};
    /// use fwspec::AcsFlags;
    /// let mut port = Function::port(PortType::RootPort, 1, 1);
    /// port.acs = Fact::Present(Acs::new(AcsFlags(0x1f), AcsFlags::NONE));
    /// assert_eq!(port.acs_requested().acs.present().map(|acs| acs.control), Some(AcsFlags::ISOLATED));
    /// ```
    #[must_use]
    pub fn acs_requested(self) -> Function {
        self.acs_switched(true)
    }

    /// As `acs_requested`, or with every bit off.
    #[must_use]
    pub fn acs_switched(mut self, on: bool) -> Function {
        let wide = has_wide_acs(&self);
        let usable = AcsFlags::ISOLATED & !quirk::broken_acs(&self);
        if let Fact::Present(acs) = &mut self.acs {
            let set = acs.capability & usable;
            match (on, wide) {
                // A register that was not read stays so: `wide_control` knows what Linux sets in it.
                (true, true) => acs.next_dword = acs.next_dword.map(|on| on | u32::from(set.0)),
                (true, false) => acs.control = acs.control | set,
                (false, true) => acs.next_dword = Some(0),
                (false, false) => acs.control = AcsFlags::NONE,
            }
        }
        self
    }

    /// The function with these ACS bits switched on.
    #[must_use]
    pub(crate) fn acs_enabled(mut self, bits: AcsFlags) -> Function {
        let wide = has_wide_acs(&self);
        match &mut self.acs {
            Fact::Present(acs) if wide => {
                acs.next_dword = Some(acs.next_dword.unwrap_or_default() | u32::from(bits.0))
            }
            Fact::Present(acs) => acs.control = acs.control | bits,
            Fact::Absent | Fact::Unknown => {}
        }
        self
    }

    /// Whether the ACS registers are 32 bits wide each, so that control is at offset 8, not 6.
    pub(crate) fn has_wide_acs(&self) -> bool {
        has_wide_acs(self)
    }

    /// The ACS bits that are switched on; `None` where the function has no ACS capability or it was not read.
    pub fn acs_in_force(&self) -> Option<AcsFlags> {
        let acs = self.acs.present()?;
        Some(if has_wide_acs(self) { acs.wide_control() } else { acs.control })
    }

    /// The ACS bits that isolation lacks and that Linux can switch on.
    pub(crate) fn acs_to_enable(&self) -> Option<AcsFlags> {
        let (on, after) = (self.acs_in_force()?, self.acs_requested().acs_in_force()?);
        Some(after & !on).filter(|bits| !bits.is_empty())
    }
}

/// The facts in [`Surroundings`] that are about the machine, not about the place of a function in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chipset {
    pub(crate) ivrs: bool,
    pub(crate) intel_pch: bool,
}

/// Whether a function isolates, and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AcsVerdict {
    /// Whether the function isolates.
    pub isolates: bool,
    /// What decided it.
    pub reason: AcsReason,
}

/// What decided whether a function isolates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcsReason {
    /// A row of [`quirk::ACS`].
    Quirk(&'static Row<AcsEffect>),
    /// It is conventional PCI: nothing isolates there.
    Conventional,
    /// A bridge to or from conventional PCI, or an event collector: never isolates.
    BridgeOrCollector,
    /// The device has a single function: there is no other one to be isolated from.
    SingleFunction,
    /// The port type is reserved: Linux requires nothing of it.
    NothingRequired,
    /// It has no ACS capability.
    NoCapability,
    /// Every required bit that the function can set is set.
    Enabled,
    /// These bits are required, could be set, and are not.
    Missing(AcsFlags),
    /// The bytes that decide were not read: the function does not count as isolating.
    Unknown,
}

impl AcsVerdict {
    /// Whether the verdict is assumed, because the bytes that decide were not read.
    pub fn assumed(self) -> bool {
        self.reason == AcsReason::Unknown
    }
}

impl fmt::Display for AcsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcsReason::Quirk(row) => write!(f, "{}", row.citation),
            AcsReason::Conventional => f.write_str("conventional PCI"),
            AcsReason::BridgeOrCollector => {
                f.write_str("bridge to or from conventional PCI, or event collector")
            }
            AcsReason::SingleFunction => f.write_str("single function"),
            AcsReason::NothingRequired => f.write_str("nothing is required of this type"),
            AcsReason::NoCapability => f.write_str("no ACS capability"),
            AcsReason::Enabled => f.write_str("ACS enabled"),
            AcsReason::Missing(bits) => write!(f, "ACS {bits} not enabled"),
            AcsReason::Unknown => f.write_str("ACS was not read"),
        }
    }
}

/// Whether `function` has the isolation `wanted` (linux drivers/pci/pci.c `pci_acs_enabled`).
///
/// ```
/// use fwspec::AcsFlags;
/// use fwspec::pci::{AcsReason, Function, PortType, Surroundings, acs};
/// let port = Function::port(PortType::RootPort, 1, 1);
/// let verdict = acs::enabled(&port, AcsFlags::ISOLATED, Surroundings::default());
/// assert_eq!((verdict.isolates, verdict.reason), (false, AcsReason::NoCapability));
/// ```
pub fn enabled(function: &Function, wanted: AcsFlags, around: Surroundings) -> AcsVerdict {
    let opinion = quirk::acs(function)
        .find_map(|row| specific(row, function, wanted, around).map(|isolates| (row, isolates)));
    if let Some((row, isolates)) = opinion {
        return AcsVerdict { isolates, reason: AcsReason::Quirk(row) };
    }
    by_type(function, wanted, around)
}

/// As [`enabled`], for a function that no row names.
#[inline]
pub(super) fn by_type(function: &Function, wanted: AcsFlags, around: Surroundings) -> AcsVerdict {
    let verdict = |isolates, reason| AcsVerdict { isolates, reason };
    let port = match function.pcie {
        Fact::Present(port) => port,
        Fact::Absent => return verdict(false, AcsReason::Conventional),
        Fact::Unknown => return verdict(false, AcsReason::Unknown),
    };
    match port {
        PortType::PcieToPci | PortType::PciToPcie | PortType::RcEventCollector => {
            verdict(false, AcsReason::BridgeOrCollector)
        }
        PortType::RootPort | PortType::DownstreamPort => flags_enabled(function, wanted),
        PortType::Endpoint | PortType::LegacyEndpoint | PortType::UpstreamPort | PortType::RcEndpoint => {
            let beside = flags_enabled(function, wanted);
            if around.multifunction { beside } else { alone(function, beside) }
        }
        PortType::Other(_) => verdict(true, AcsReason::NothingRequired),
    }
}

/// The verdict on a function without siblings in its slot, made from the verdict on the same function with siblings.
pub(super) fn alone(function: &Function, beside: AcsVerdict) -> AcsVerdict {
    match (beside.reason, function.pcie) {
        (AcsReason::Quirk(_), _) => beside,
        (
            _,
            Fact::Present(
                PortType::Endpoint | PortType::LegacyEndpoint | PortType::UpstreamPort | PortType::RcEndpoint,
            ),
        ) => AcsVerdict { isolates: true, reason: AcsReason::SingleFunction },
        _ => beside,
    }
}

/// Whether the verdict on a function depends on its bus or on the machine, not only on itself and its slot.
pub(super) fn depends_on_place(function: &Function) -> bool {
    quirk::acs(function).any(|row| matches!(row.effect, AcsEffect::AmdSouthbridge | AcsEffect::IntelPch))
}

/// Linux `pci_acs_flags_enabled`: a bit that is not in the capability counts as hard-wired on, except egress control.
fn flags_enabled(function: &Function, wanted: AcsFlags) -> AcsVerdict {
    let acs = match function.acs {
        Fact::Present(acs) => acs,
        Fact::Absent => return AcsVerdict { isolates: false, reason: AcsReason::NoCapability },
        Fact::Unknown => return AcsVerdict { isolates: false, reason: AcsReason::Unknown },
    };
    let capability = acs.capability & !quirk::broken_acs(function);
    let missing = wanted & (capability | AcsFlags::EC) & !acs.control;
    let reason = if missing.is_empty() { AcsReason::Enabled } else { AcsReason::Missing(missing) };
    AcsVerdict { isolates: missing.is_empty(), reason }
}

/// What a row says about the function; `None` where it has no opinion.
fn specific(
    row: &Row<AcsEffect>,
    function: &Function,
    wanted: AcsFlags,
    around: Surroundings,
) -> Option<bool> {
    const MULTIFUNCTION: AcsFlags = AcsFlags(AcsFlags::ISOLATED.0 | AcsFlags::TB.0 | AcsFlags::DT.0);
    let as_root_port = || AcsFlags::ISOLATED.contains(wanted);
    let root_port = function.is(PortType::RootPort);
    let listed = |ranges: &[(u16, u16)]| {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&function.device))
    };
    match row.effect {
        AcsEffect::Multifunction => Some(MULTIFUNCTION.contains(wanted)),
        AcsEffect::RootPort => Some(as_root_port()),
        AcsEffect::RcEndpoint => function.is(PortType::RcEndpoint).then(as_root_port),
        AcsEffect::RootPortOnly => root_port.then(as_root_port),
        AcsEffect::AmdSouthbridge => {
            let applies = around.multifunction && around.root_bus && around.ivrs;
            let tested = AcsFlags::RR | AcsFlags::CR | AcsFlags::EC | AcsFlags::DT;
            applies.then(|| (AcsFlags::RR | AcsFlags::CR).contains(wanted & tested))
        }
        AcsEffect::IntelPch => root_port.then(|| around.intel_pch && as_root_port()),
        AcsEffect::IntelSunrisePoint => {
            let acs = *function.acs.present().filter(|_| root_port)?;
            let tested = wanted & (acs.capability | AcsFlags::EC);
            Some((tested & !acs.wide_control()).is_empty())
        }
        AcsEffect::PortsIfListed(ranges) => {
            (root_port || function.is(PortType::DownstreamPort)).then(|| listed(ranges) && as_root_port())
        }
        AcsEffect::OnlyIfListed(ranges) => Some(listed(ranges) && as_root_port()),
    }
}
