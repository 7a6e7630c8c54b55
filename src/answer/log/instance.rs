//! Which IOMMU of the firmware a name of the kernel's is: by its address where the name has one, by its order where that is safe.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::iort::NodeType;
use crate::machine::Firmware;
use crate::machine::log::Log;
use crate::model::{Iommu, IommuIndex, IommuKind};
use crate::{Bdf, Format};

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instance {
    /// This IOMMU.
    Known(IommuIndex),
    /// None: this firmware has no such IOMMU.
    Absent,
    /// The name does not tell.
    Unknown,
}

/// The names of a log, over a firmware.
#[derive(Debug, Default)]
pub(super) struct Instances {
    iommus: Vec<NamedIommu>,
    /// Addresses that the log gives names: `dmar0` to `0xfed90000`.
    bases: BTreeMap<String, u64>,
    /// The nodes of an IORT of which Linux makes numbered devices, in order: SMMUs and counter groups.
    numbered: Vec<(NodeType, Option<IommuIndex>)>,
    /// The number of the first of them; `None` where the log contradicts every order.
    first: Option<usize>,
    is_tree: bool,
}

/// An IOMMU and what names it.
#[derive(Debug)]
struct NamedIommu {
    index: IommuIndex,
    base: Option<u64>,
    format: Format,
    /// The last part of its path in a device tree: `iommu@15000000`.
    node: String,
    function: Option<Bdf>,
    is_virtio: bool,
}

impl Instances {
    pub(super) fn of(log: &Log, firmware: &Firmware) -> Self {
        let platform = &firmware.platform;
        let functions: Vec<(Bdf, *const Iommu)> =
            platform.iommu_functions().map(|(bdf, iommu)| (bdf, core::ptr::from_ref(iommu))).collect();
        let iommus: Vec<NamedIommu> = IommuIndex::number(&platform.iommus)
            .map(|(index, iommu)| NamedIommu {
                index,
                base: iommu.base,
                format: iommu.origin.format,
                node: iommu.origin.path.map(|path| platform.paths.name(path).to_string()).unwrap_or_default(),
                function: functions.iter().find(|(_, at)| core::ptr::eq(*at, iommu)).map(|(bdf, _)| *bdf),
                is_virtio: iommu.kind == IommuKind::Virtio,
            })
            .collect();
        let bases = log.entries.iter().filter_map(|entry| {
            let name = entry.facts.iommu.clone().filter(|_| entry.form.pattern.contains("reg_base_addr"))?;
            Some((name, entry.facts.base?))
        });
        let mut instances = Instances {
            bases: bases.collect(),
            numbered: numbered(firmware),
            first: None,
            is_tree: firmware.tree().is_some(),
            iommus,
        };
        let seen: BTreeSet<(NodeType, usize)> =
            log.entries.iter().filter_map(|entry| numbered_name(entry.facts.iommu.as_deref()?)).collect();
        instances.first = instances.first_number(&seen);
        instances
    }

    /// The number that Linux gave the first node. It is 0 unless devices of other tables came before (linux
    /// drivers/acpi/arm64/init.c `acpi_arch_init`: those of an APMT do), which the log then shows.
    fn first_number(&self, seen: &BTreeSet<(NodeType, usize)>) -> Option<usize> {
        let fits = |first: &usize| {
            seen.iter().all(|(kind, number)| {
                let at = number.checked_sub(*first).and_then(|at| self.numbered.get(at));
                at.is_some_and(|(there, _)| there == kind)
            })
        };
        if fits(&0) {
            return Some(0);
        }
        let last = seen.iter().map(|(_, number)| *number).min().unwrap_or_default();
        let mut possible = (1..=last.min(MAX_OTHER_DEVICES)).filter(fits);
        let first = possible.next()?;
        possible.next().is_none().then_some(first)
    }

    /// The IOMMU of this name.
    pub(super) fn named(&self, name: &str) -> Instance {
        if let Some(base) = self.bases.get(name) {
            return self.at(*base);
        }
        if let Some((kind, number)) = numbered_name(name) {
            if self.is_tree {
                return Instance::Absent;
            }
            let at =
                self.first.and_then(|first| number.checked_sub(first)).and_then(|at| self.numbered.get(at));
            return match at {
                Some((there, Some(index))) if *there == kind => Instance::Known(*index),
                _ if self.numbered.is_empty() => Instance::Absent,
                _ => Instance::Unknown,
            };
        }
        if let Ok(function) = name.parse::<Bdf>() {
            let found = self.iommus.iter().find(|place| place.function == Some(function));
            return found.map_or(Instance::Unknown, |place| Instance::Known(place.index));
        }
        // dmar0 is the first unit (linux drivers/iommu/intel/dmar.c `alloc_iommu`).
        if let Some(number) = name.strip_prefix("dmar").and_then(|number| number.parse::<usize>().ok()) {
            let unit = self.iommus.iter().filter(|place| place.format == Format::Dmar).nth(number);
            return unit.map_or(Instance::Absent, |place| Instance::Known(place.index));
        }
        let address = name.split(['.', '@']).find_map(address);
        if let Some(base) = address {
            return self.at(base);
        }
        // The virtio bus counts its devices, of whatever kind: the number does not tell (linux drivers/virtio/virtio.c `register_virtio_device`).
        if name.strip_prefix("virtio").is_some_and(|number| number.parse::<usize>().is_ok()) {
            let mut all = self.iommus.iter().filter(|place| place.is_virtio);
            return match (all.next(), all.next()) {
                (Some(only), None) => Instance::Known(only.index),
                (None, _) => Instance::Absent,
                _ => Instance::Unknown,
            };
        }
        match self.iommus.as_slice() {
            [only] if !name.is_empty() => Instance::Known(only.index),
            [] => Instance::Absent,
            _ => Instance::Unknown,
        }
    }

    /// The IOMMU at this address.
    pub(super) fn at(&self, base: u64) -> Instance {
        let by_base = |place: &&NamedIommu| place.base == Some(base);
        let by_name = |place: &&NamedIommu| {
            let unit = place.node.split_once('@').map(|(_, unit)| unit.split(',').next().unwrap_or(unit));
            unit.and_then(|unit| u64::from_str_radix(unit, 16).ok()) == Some(base)
        };
        let mut named = self.iommus.iter().filter(by_name);
        let only_named = named.next().filter(|_| named.next().is_none());
        let found = self.iommus.iter().find(by_base).or(only_named);
        found.map_or(Instance::Absent, |place| Instance::Known(place.index))
    }
}

/// Devices with numbers that Linux may make before those of an IORT.
const MAX_OTHER_DEVICES: usize = 4096;

/// The address in a part of a name: `15000000` of `15000000.iommu`. Real ones have at least four digits.
fn address(part: &str) -> Option<u64> {
    let digits = part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = digits && part.bytes().any(|byte| byte.is_ascii_digit());
    is_number.then(|| u64::from_str_radix(part, 16).ok()).flatten()
}

/// The kind and the number of a device that Linux makes of a node of an IORT: `arm-smmu-v3.3.auto`.
pub(super) fn numbered_name(name: &str) -> Option<(NodeType, usize)> {
    let (driver, number) = name.strip_suffix(".auto")?.rsplit_once('.')?;
    let kind = match driver {
        "arm-smmu-v3" => NodeType::SmmuV3,
        "arm-smmu" => NodeType::SmmuV2,
        "arm-smmu-v3-pmcg" => NodeType::Pmcg,
        _ => return None,
    };
    Some((kind, number.parse().ok()?))
}

/// The nodes of an IORT of which Linux makes devices with numbers (linux drivers/acpi/arm64/iort.c `iort_init_platform_devices`).
fn numbered(firmware: &Firmware) -> Vec<(NodeType, Option<IommuIndex>)> {
    let Some(iort) = firmware.iort() else { return Vec::new() };
    let of_node = |offset: u32| {
        let mut iommus = IommuIndex::number(&firmware.platform.iommus);
        let here = |(_, iommu): &(IommuIndex, &Iommu)| {
            iommu.origin.format == Format::Iort && iommu.origin.at.offset == offset
        };
        iommus.find(here).map(|(index, _)| index)
    };
    let nodes = iort.nodes().map_while(Result::ok);
    nodes
        .filter(|node| matches!(node.node_type(), NodeType::SmmuV2 | NodeType::SmmuV3 | NodeType::Pmcg))
        .map(|node| (node.node_type(), of_node(node.offset())))
        .collect()
}
