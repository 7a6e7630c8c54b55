//! Several tables of one machine as one platform.

use super::{DeviceIdTable, IdTable, MsiRoute, Platform, RequesterKind, Target};
use crate::bytes::saturate;

/// By how much the indices of a platform move when it is put behind another.
#[derive(Clone, Copy)]
struct Shift {
    iommus: u32,
    msi_controllers: u32,
    requesters: u32,
}

impl Platform {
    /// Adds what another ACPI table of the same machine says, behind what is there: a VIOT beside an IORT. What the records refer to
    /// stays what it was; [`source`](Platform::source) stays that of the first.
    ///
    /// Device-tree names do not come along: a machine has one device tree, and no ACPI table has such names.
    pub fn append(&mut self, mut other: Platform) {
        let shift = Shift {
            iommus: saturate(self.iommus.len()),
            msi_controllers: saturate(self.msi_controllers.len()),
            requesters: saturate(self.requesters.len()),
        };
        for iommu in &mut other.iommus {
            if let Some((bus, _)) = &mut iommu.function {
                *bus = bus.saturating_add(shift.requesters);
            }
            let DeviceIdTable { mappings, .. } = &mut iommu.device_ids;
            mappings.iter_mut().for_each(|mapping| shift.target(&mut mapping.target));
        }
        for requester in &mut other.requesters {
            shift.requester(&mut requester.kind);
        }
        for reserved in &mut other.reserved {
            for range in &mut reserved.streams {
                range.iommu = range.iommu.saturating_add(shift.iommus);
            }
            reserved.requester = reserved.requester.map(|at| at.saturating_add(shift.requesters));
        }
        self.source = self.source.or(other.source);
        self.iommus.append(&mut other.iommus);
        self.msi_controllers.append(&mut other.msi_controllers);
        self.requesters.append(&mut other.requesters);
        self.reserved.append(&mut other.reserved);
        self.buses.append(&mut other.buses);
        if let Some(mut units) = other.its_units.take() {
            self.its_units.get_or_insert_default().append(&mut units);
        }
        self.skipped.append(&mut other.skipped);
    }
}

impl Shift {
    fn requester(self, kind: &mut RequesterKind) {
        match kind {
            RequesterKind::Bus(bus) => {
                bus.streams.iter_mut().for_each(|table| self.table(table));
                match &mut bus.msi {
                    MsiRoute::Table(table) => self.table(table),
                    MsiRoute::Direct(controller) => {
                        *controller = controller.saturating_add(self.msi_controllers)
                    }
                    MsiRoute::Inherited(other) => *other = other.saturating_add(self.requesters),
                    MsiRoute::Streams | MsiRoute::Absent => {}
                }
            }
            RequesterKind::Component(component) | RequesterKind::WireBridge(component) => {
                self.table(&mut component.table);
            }
            RequesterKind::Master(master) => {
                for specifier in &mut master.streams {
                    specifier.iommu = specifier.iommu.saturating_add(self.iommus);
                }
                for (controller, _) in &mut master.msi {
                    *controller = controller.saturating_add(self.msi_controllers);
                }
            }
            RequesterKind::MsiOnly { table, .. } => self.table(table),
        }
    }

    fn table(self, table: &mut IdTable) {
        let classic = table.classic.iter_mut().flatten();
        table.mappings.iter_mut().chain(classic).for_each(|mapping| self.target(&mut mapping.target));
    }

    fn target(self, target: &mut Target) {
        match target {
            Target::Iommu(at) => *at = at.saturating_add(self.iommus),
            Target::Msi(at) => *at = at.saturating_add(self.msi_controllers),
            Target::Requester(at) => *at = at.saturating_add(self.requesters),
            Target::Null | Target::Dangling(_) => {}
        }
    }
}
