//! Random machines: trees of ports, switches, bridges, functions, virtual functions and devices with quirks.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use fwspec::model::{
    BusKind, GroupRule, IdBus, IdMapping, IdTable, Iommu, Origin, Output, Requester, RequesterKind, SmmuModel,
};
use fwspec::pci::{Fact, Function, PortType};
use fwspec::{
    AcsFlags, Bdf, Device, DeviceKey, Dialect, Format, IdMap, InputIds, IommuIndex, IommuKind, Platform,
    Segment, error::Source,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A machine: its functions, parents before children.
#[derive(Clone)]
pub struct Machine {
    pub devices: Vec<Device>,
    /// The bus below each device.
    below: Vec<Option<u8>>,
    /// The physical function of each device that is a virtual one.
    physical: Vec<Option<DeviceKey>>,
}

impl std::fmt::Debug for Machine {
    /// One line for each function.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.devices.iter().zip(&self.physical).try_for_each(|(device, physical)| {
            let Function { vendor, device: id, header, multifunction, pcie, acs, .. } = device.facts();
            let ids = format!("{vendor:04x}:{id:04x}");
            let acs = acs.present().map(|acs| acs.control.to_string());
            let key = device.key();
            writeln!(f, "{key} {ids} {header:?} mf {multifunction} {pcie:?} ACS {acs:?} of {physical:?}")
        })
    }
}

impl Machine {
    /// Its functions in this order.
    pub fn in_order(&self, order: &[usize]) -> Vec<Device> {
        order.iter().map(|at| self.devices[*at]).collect()
    }

    /// The physical function of the device at an index, where that is a virtual function.
    pub fn physical_of(&self, at: usize) -> Option<Bdf> {
        match self.physical[at]? {
            DeviceKey::Pci(bdf) => Some(bdf),
            other => panic!("{other} is no PCI function"),
        }
    }

    /// Whether everything below the device leaves too.
    pub fn childless(&self, device: &Device, leaving: &[Device]) -> bool {
        let key = device.key();
        let Some(bus) = self.secondary_of(key) else { return !self.is_physical(key, leaving) };
        self.devices.iter().all(|other| {
            bdf_of(other).rid.bus() != bus || leaving.iter().any(|gone| gone.key() == other.key())
        }) && !self.is_physical(key, leaving)
    }

    fn secondary_of(&self, key: DeviceKey) -> Option<u8> {
        let at = self.devices.iter().position(|device| device.key() == key)?;
        self.below[at]
    }

    fn is_physical(&self, key: DeviceKey, leaving: &[Device]) -> bool {
        self.devices.iter().zip(&self.physical).any(|(device, physical)| {
            *physical == Some(key) && leaving.iter().all(|gone| gone.key() != device.key())
        })
    }
}

pub fn bdf_of(device: &Device) -> Bdf {
    match device.key() {
        DeviceKey::Pci(bdf) => bdf,
        other => panic!("{other} is no PCI function"),
    }
}

/// What a step of the generator adds, below which of the buses there are, where.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    bus: prop::sample::Index,
    devfn: u8,
    acs: u8,
    multifunction: bool,
}

fn steps(kinds: u8) -> impl Strategy<Value = Step> {
    (0..kinds, any::<prop::sample::Index>(), any::<u8>(), 0..4u8, any::<bool>())
        // Few slots, so that functions meet.
        .prop_map(|(kind, bus, devfn, acs, multifunction)| Step {
            kind,
            bus,
            devfn: devfn & 0x0f,
            acs,
            multifunction,
        })
}

/// Machines of up to this many functions.
pub fn machines(most: usize) -> impl Strategy<Value = Machine> {
    prop::collection::vec(steps(22), 1..=most).prop_map(build)
}

/// Machines of functions that pose as nobody.
pub fn honest_machines(most: usize) -> impl Strategy<Value = Machine> {
    prop::collection::vec(steps(19), 1..=most).prop_map(build)
}

/// A bus that something can be put on.
#[derive(Clone, Copy)]
struct Place {
    bus: u8,
    express: bool,
}

fn build(steps: Vec<Step>) -> Machine {
    let mut machine = Machine { devices: Vec::new(), below: Vec::new(), physical: Vec::new() };
    let mut places = vec![Place { bus: 0, express: true }];
    let mut taken: BTreeSet<Bdf> = BTreeSet::new();
    let mut next_bus = 1u8;
    for step in steps {
        let place = *step.bus.get(&places);
        let bdf = Bdf::new(Segment(0), place.bus, step.devfn >> 3, step.devfn & 7);
        if !taken.insert(bdf) {
            continue;
        }
        let mut below = None;
        let mut physical = None;
        let mut bridge = |port: Option<PortType>| {
            let mut function = Function::port(PortType::RootPort, next_bus, next_bus);
            function.pcie = port.map_or(Fact::Absent, Fact::Present);
            places
                .push(Place { bus: next_bus, express: port.is_some_and(|port| port != PortType::PcieToPci) });
            below = Some(next_bus);
            next_bus += 1;
            Device::function(bdf, function)
        };
        let with_ids = |device: Device, vendor: u16, id: u16| named(device, vendor, id);
        // Below a bridge there is nothing that stands on root buses only: such a machine contradicts itself (see `Groups`).
        let root = place.bus == 0;
        let device = match step.kind {
            0..=4 if !place.express => conventional(bdf),
            0..=1 => Device::endpoint(bdf),
            2 if root => Device::function(bdf, function(PortType::RcEndpoint)),
            4 if root => Device::function(bdf, function(PortType::RcEventCollector)),
            2..=4 => conventional(bdf),
            5..=7 if root => bridge(Some(PortType::RootPort)),
            5..=7 => bridge(Some(PortType::UpstreamPort)),
            8..=10 if !root => bridge(Some(PortType::DownstreamPort)),
            8 => bridge(Some(PortType::RootPort)),
            9..=11 => bridge(Some(PortType::PcieToPci)),
            12 => bridge(None),
            13 => bridge(Some(PortType::PciToPcie)),
            14 => with_ids(bridge(None), 0x8086, 0x244e),
            15 => with_ids(bridge(Some(PortType::PcieToPci)), 0x1a03, 0x1150),
            16 if root => with_ids(bridge(Some(PortType::RootPort)), 0x14e4, 0x9000),
            16 => with_ids(bridge(Some(PortType::UpstreamPort)), 0x14e4, 0x9000),
            17 => with_ids(Device::endpoint(bdf), 0x8086, 0x1521),
            19 => with_ids(Device::endpoint(bdf), 0x1180, 0xe832),
            20 => with_ids(Device::endpoint(bdf), 0x1b4b, 0x9123),
            21 => with_ids(Device::endpoint(bdf), 0x10b5, 0x87b0),
            _ => match machine.devices.iter().rev().map(bdf_of).find(|pf| pf.rid.bus() == place.bus) {
                Some(pf) => {
                    physical = Some(DeviceKey::from(pf));
                    // Every other one on a virtual bus of its own.
                    let bus = if step.multifunction { place.bus } else { next_bus };
                    next_bus += u8::from(!step.multifunction);
                    let vf = Bdf::new(Segment(0), bus, step.devfn >> 3, step.devfn & 7);
                    Device::endpoint(vf).virtual_function_of(pf)
                }
                None => Device::endpoint(bdf),
            },
        };
        let device = match step.acs {
            0 => device,
            1 => device.acs(AcsFlags::ISOLATED),
            2 => device.acs_control(AcsFlags::ISOLATED, AcsFlags::SV | AcsFlags::RR),
            _ => device.acs(AcsFlags::SV),
        };
        let device = if step.multifunction && physical.is_none() { device.multifunction() } else { device };
        machine.devices.push(device);
        machine.below.push(below);
        machine.physical.push(physical);
    }
    machine
}

fn function(port: PortType) -> Function {
    Function::endpoint().port_type(port)
}

fn conventional(bdf: Bdf) -> Device {
    Device::function(bdf, Function::endpoint().conventional())
}

/// The same device with these ids.
pub fn named(device: Device, vendor: u16, id: u16) -> Device {
    Device::function(bdf_of(&device), device.facts().ids(vendor, id))
}

/// Firmware with two SMMUs, from a few bits: some bus unmapped, some ids shared, one SMMU with masks.
pub fn map(seed: u8) -> IdMap {
    let at = |offset| Origin::acpi(Format::Iort, Source::IORT.at(offset));
    let iommu = |offset, kind| {
        let mut iommu = Iommu::new(at(offset), kind, None);
        iommu.group_rule = GroupRule::SharedStreamMapping;
        iommu
    };
    let range = |first: u32, last, output, iommu: IommuIndex| {
        let mut mapping = IdMapping::new(InputIds { first, last }, output, iommu);
        mapping.offset = first;
        mapping
    };
    let masked = u32::from(seed & 3) << 16;
    let mut mappings = vec![
        range(0x0000, 0x00ff, Output::Linear(0), IommuIndex(0)),
        range(0x0100, 0x02ff, Output::Linear(masked | 0x100), IommuIndex(1)),
        range(0x0300, 0x0fff, Output::Linear(0x300), IommuIndex(u32::from(seed >> 2 & 1))),
    ];
    if seed & 8 != 0 {
        mappings[1] = range(0x0100, 0x01ff, Output::Linear(masked | 0x100), IommuIndex(1));
    }
    if seed & 16 != 0 {
        mappings[0] = range(0x0000, 0x0007, Output::Constant(0x300), IommuIndex(0));
    }
    let mut streams = IdTable::from_iter(mappings);
    streams.mask = (seed & 32 != 0).then_some(0xfffe);
    let bus = IdBus::new(BusKind::pci(Segment(0)), Some(streams));
    let mut platform = Platform::default();
    platform.source = Some(Source::IORT);
    platform.iommus = vec![
        iommu(0x30, if seed & 64 == 0 { IommuKind::SmmuV3 { model: 0 } } else { IommuKind::Virtio }),
        iommu(0x60, IommuKind::SmmuV2(SmmuModel::Mmu500)),
    ];
    platform.requesters = vec![Requester::new(at(0x90), RequesterKind::Bus(bus))];
    IdMap::build(&platform, Dialect::LINUX)
}
