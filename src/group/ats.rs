//! Whether a function may use ATS, the cache of translations in a device, as firmware has it.

use core::fmt;

use super::Groups;
use crate::model::{AtsKind, IommuKind};
use crate::pci::{Fact, PortType};
use crate::{Bdf, Platform, error::At};

/// What firmware says about a function's ATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ats {
    /// Whether Linux lets the function use ATS; it does not say that the function has ATS.
    pub allowed: bool,
    /// What decides.
    pub reason: AtsReason,
    /// The record that decides, where one does.
    pub by: Option<At>,
}

/// What decides whether a function may use ATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AtsReason {
    /// It is on a root bus, and no record forbids it (DMAR).
    Integrated,
    /// It is listed as a function with a translation cache (DMAR SATC).
    Listed,
    /// It is listed as one that needs its cache: the hardware enables it, and software must not, unless the unit has scalable mode.
    Required,
    /// An ATSR has its root port.
    Port,
    /// An ATSR has all root ports of the segment.
    AllPorts,
    /// No ATSR has its root port.
    NoPort,
    /// There is conventional PCI above it.
    Conventional,
    /// The entry that decides about the function says that it must not (IVRS). Linux does not look at it.
    Denied,
    /// No entry says that it must not (IVRS).
    NotDenied,
    /// The root complex says that it passes ATS on (IORT, RIMT, device tree).
    RootComplex,
    /// The root complex does not say that it passes ATS on.
    NoRootComplex,
}

impl fmt::Display for AtsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AtsReason::Integrated => "on a root bus, and no SATC has it",
            AtsReason::Listed => "a SATC has it",
            AtsReason::Required => {
                "a SATC says that it needs ATS: the hardware enables it, unless the unit has scalable mode"
            }
            AtsReason::Port => "an ATSR has its root port",
            AtsReason::AllPorts => "an ATSR has all root ports of the segment",
            AtsReason::NoPort => "no ATSR has its root port",
            AtsReason::Conventional => "below conventional PCI",
            AtsReason::Denied => "its entry says that it must not use ATS, which Linux ignores",
            AtsReason::NotDenied => "no entry forbids it",
            AtsReason::RootComplex => "the root complex passes ATS on",
            AtsReason::NoRootComplex => "the root complex does not say that it passes ATS on",
        })
    }
}

impl Groups {
    /// Whether a function may use ATS by what `platform` says; the map of these groups was built from it. `None` for a function that no
    /// IOMMU with ATS translates.
    ///
    /// On VT-d as linux drivers/iommu/intel/iommu.c `dmar_ats_supported`: a SATC that names the function (the physical one of a virtual
    /// one) decides; a function on a root bus may; another if an ATSR names the root port above it, with PCIe all the way.
    /// On AMD-Vi bit 31 of an entry's extended data forbids it. Elsewhere the root complex says it (`IOMMU_FWSPEC_PCI_RC_ATS`).
    ///
    /// ```
    /// use fwspec::acpi::dmar::{Builder, Dmar};
    /// use fwspec::group::AtsReason;
    /// use fwspec::{Bdf, Device, Dialect, Groups, IdMap};
    /// let [port, nic]: [Bdf; 2] = ["00:01.0".parse().unwrap(), "01:00.0".parse().unwrap()];
    /// let mut table = Builder::new(46);
    /// table.unit(0, 0xfed9_0000).include_all();
    /// table.ats_ports(0).bridge(0, [(1, 0)]);
    /// let bytes = table.finish();
    /// let platform = Dmar::parse(&bytes)?.platform();
    /// let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
    /// groups.add(Device::root_port(port, 1..=1)).unwrap();
    /// groups.add(Device::endpoint(nic)).unwrap();
    /// let ats = groups.ats_of(&platform, nic).unwrap();
    /// assert_eq!((ats.allowed, ats.reason, ats.by.unwrap().to_string()), (true, AtsReason::Port, "DMAR+0x40".to_string()));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn ats_of(&self, platform: &Platform, function: Bdf) -> Option<Ats> {
        let fwspec = self.placement(function.into()).ok()?.fwspec?;
        let answer = |allowed, reason, by| Some(Ats { allowed, reason, by });
        match platform.iommu(fwspec.iommu)?.kind {
            IommuKind::VtD => self.ats_by_dmar(platform, function),
            IommuKind::AmdVi => {
                let map = self.map.as_ref()?;
                let host = map.host_of(function)?;
                let trace = map.trace(host, u32::from(function.rid.0));
                let at = trace.first().map(|step| At {
                    source: map
                        .requester_origin(host)
                        .map_or(crate::error::Source::IVRS, |origin| origin.at.source),
                    offset: step.record.offset,
                });
                match at.filter(|at| platform.ats_denied.binary_search(at).is_ok()) {
                    Some(at) => answer(false, AtsReason::Denied, Some(at)),
                    None => answer(true, AtsReason::NotDenied, at),
                }
            }
            IommuKind::SmmuV3 { .. } | IommuKind::RiscV if fwspec.flags.ats => {
                answer(true, AtsReason::RootComplex, None)
            }
            IommuKind::SmmuV3 { .. } | IommuKind::RiscV => answer(false, AtsReason::NoRootComplex, None),
            _ => None,
        }
    }

    fn ats_by_dmar(&self, platform: &Platform, function: Bdf) -> Option<Ats> {
        let answer = |allowed, reason, by| Some(Ats { allowed, reason, by });
        let function = self.topology.physical_function(function).unwrap_or(function);
        let path = self.path_to(function)?;
        let of_segment = || platform.ats.iter().filter(|ats| ats.segment == function.segment);
        // The one listed last has the function (linux `dmar_parse_one_satc` puts it first, `dmar_iommu_notify_scope_dev` stops there).
        for ats in of_segment().rev() {
            if let AtsKind::Integrated { required } = ats.kind
                && ats.scopes.iter().any(|scope| scope.names(&path.hops))
            {
                let reason = if required { AtsReason::Required } else { AtsReason::Listed };
                return answer(!required, reason, Some(ats.origin.at));
            }
        }
        let mut port = None;
        for (bridge, facts) in self.topology.bridges(function) {
            if matches!(facts.pcie, Fact::Absent) || facts.is(PortType::PcieToPci) {
                return answer(false, AtsReason::Conventional, None);
            }
            if facts.is(PortType::RootPort) {
                port = Some(bridge);
                break;
            }
        }
        // Also below bridges of which none is a root port: Linux meets the root bus.
        let Some(port) = port else { return answer(true, AtsReason::Integrated, None) };
        let way = self.path_to(port)?;
        for ats in of_segment() {
            let AtsKind::Ports { all } = ats.kind else { continue };
            if ats.scopes.iter().any(|scope| scope.names(&way.hops)) {
                return answer(true, AtsReason::Port, Some(ats.origin.at));
            }
            if all {
                return answer(true, AtsReason::AllPorts, Some(ats.origin.at));
            }
        }
        answer(false, AtsReason::NoPort, None)
    }
}
