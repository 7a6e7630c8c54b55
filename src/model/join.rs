//! Several tables of one machine as one platform.

use super::{DeviceIdTable, IdTable, MsiRoute, Platform, RequesterKind, Target};

/// How many objects of each kind come before those of a platform that is appended.
#[derive(Clone, Copy)]
struct Shift {
    iommus: usize,
    msi_controllers: usize,
    requesters: usize,
}

impl Platform {
    /// Adds what another ACPI table of the same machine says, after what is there: a VIOT beside an IORT. What the records refer to
    /// stays what it was; [`source`](Platform::source) stays that of the first.
    ///
    /// Device-tree names do not come along: a machine has one device tree, and no ACPI table has such names.
    pub fn append(&mut self, mut other: Platform) {
        let shift = Shift {
            iommus: self.iommus.len(),
            msi_controllers: self.msi_controllers.len(),
            requesters: self.requesters.len(),
        };
        for iommu in &mut other.iommus {
            if let Some(function) = &mut iommu.function {
                moved(&mut function.host.0, shift.requesters);
            }
            let DeviceIdTable { mappings, .. } = &mut iommu.device_ids;
            mappings.iter_mut().for_each(|mapping| shift.target(&mut mapping.target));
        }
        for requester in &mut other.requesters {
            shift.requester(&mut requester.kind);
        }
        for reserved in &mut other.reserved {
            for range in &mut reserved.streams {
                moved(&mut range.iommu.0, shift.iommus);
            }
            if let Some(requester) = &mut reserved.requester {
                moved(&mut requester.0, shift.requesters);
            }
        }
        for unit in &mut other.units {
            moved(&mut unit.iommu.0, shift.iommus);
        }
        for source in &mut other.interrupt_sources {
            moved(&mut source.iommu.0, shift.iommus);
        }
        self.interrupt_sources.append(&mut other.interrupt_sources);
        self.units.append(&mut other.units);
        self.ats.append(&mut other.ats);
        self.ats_denied.append(&mut other.ats_denied);
        self.aliases.append(&mut other.aliases);
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
                    MsiRoute::Direct(controller) => moved(&mut controller.0, self.msi_controllers),
                    MsiRoute::Inherited(other) => moved(&mut other.0, self.requesters),
                    MsiRoute::Streams | MsiRoute::Absent => {}
                }
            }
            RequesterKind::Component(component) | RequesterKind::WireBridge(component) => {
                self.table(&mut component.table);
            }
            RequesterKind::Master(master) => {
                for specifier in &mut master.streams {
                    moved(&mut specifier.iommu.0, self.iommus);
                }
                for entry in &mut master.msi {
                    moved(&mut entry.controller.0, self.msi_controllers);
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
            Target::Iommu(at) => moved(&mut at.0, self.iommus),
            Target::Msi(at) => moved(&mut at.0, self.msi_controllers),
            Target::Requester(at) => moved(&mut at.0, self.requesters),
            Target::Null | Target::Dangling(_) => {}
        }
    }
}

/// What an index becomes when the list that it names an entry of comes after so many other entries.
fn moved(index: &mut u32, by: usize) {
    *index = index.saturating_add(crate::bytes::saturate(by));
}
