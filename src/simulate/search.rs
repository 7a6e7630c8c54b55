//! Linux's search for a group among the devices that already have one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::Bdf;
use crate::pci::{AcsFlags, AliasMask, Topology};

/// Linux's search among the groups made so far.
pub(super) struct Search<'a> {
    pub(super) topology: &'a Topology,
    /// Functions whose DMA leaves as another function's (linux `pci_real_dma_dev`).
    pub(super) real: &'a BTreeMap<Bdf, Bdf>,
    /// Functions that send as another one on their bus, by what firmware says.
    pub(super) poses: &'a BTreeMap<Bdf, Bdf>,
    pub(super) groups: BTreeMap<Bdf, usize>,
    /// The device that is judged by its own header bit at the moment.
    pub(super) late: Option<Bdf>,
    /// Functions of the topology that are not on their bus at the moment.
    pub(super) absent: BTreeSet<Bdf>,
}

/// One step of the recursive alias search: work in a list, instead of a call.
#[derive(Clone, Copy)]
enum Work {
    /// `get_pci_alias_group`.
    Aliases(Bdf),
    /// `get_pci_function_alias_group`.
    Functions(Bdf),
}

impl Search<'_> {
    /// Linux drivers/iommu/iommu.c `pci_device_group`; `None` where it allocates a new group.
    pub(super) fn group(&self, device: Bdf) -> Option<usize> {
        let path = self.path(device);
        let met = path.iter().find_map(|met| self.groups.get(met).copied());
        met.or_else(|| self.search(path.last().copied().unwrap_or(device)))
    }

    /// The functions that the search looks at on its way up: the device, the bridges that add an alias, and each bridge above from
    /// which the path to the root does not isolate.
    pub(super) fn path(&self, device: Bdf) -> Vec<Bdf> {
        let device = self.real.get(&device).copied().unwrap_or(device);
        let mut path: Vec<Bdf> = self.topology.aliases(device).map(|alias| alias.by).collect();
        path.dedup();
        let mut below = path.last().copied().unwrap_or(device);
        // The path from the next port on has to isolate, the port included.
        while self.topology.open_path(below).is_some() {
            let Some((port, _)) = self.topology.bridges(below).next() else { break };
            path.push(port);
            below = port;
        }
        path
    }

    /// The group of a device below this bridge whose search passes the bridge. Linux does not look there.
    pub(super) fn below(&self, bridge: Bdf) -> Option<usize> {
        let mut grouped = self.groups.iter().filter(|(device, _)| device.segment == bridge.segment);
        grouped.find(|(device, _)| self.path(**device).contains(&bridge)).map(|(_, group)| *group)
    }

    fn search(&self, from: Bdf) -> Option<usize> {
        let mut seen = BTreeSet::new();
        let mut work = alloc::vec![Work::Functions(from), Work::Aliases(from)];
        while let Some(step) = work.pop() {
            match step {
                Work::Aliases(device) if seen.insert(device) => {
                    if let Some(group) = self.groups.get(&device) {
                        return Some(*group);
                    }
                    let aliases = self.on_bus(device).filter(|other| self.poses(device, *other));
                    let steps: Vec<Work> =
                        aliases.flat_map(|other| [Work::Aliases(other), Work::Functions(other)]).collect();
                    work.extend(steps.into_iter().rev());
                }
                Work::Functions(device) if self.in_multifunction_slot(device) && !self.isolates(device) => {
                    let same_slot = |other: &Bdf| other.rid.0 >> 3 == device.rid.0 >> 3;
                    let open = self.on_bus(device).filter(same_slot).filter(|other| !self.isolates(*other));
                    let steps: Vec<Work> = open.map(Work::Aliases).collect();
                    work.extend(steps.into_iter().rev());
                }
                Work::Aliases(_) | Work::Functions(_) => {}
            }
        }
        None
    }

    fn on_bus(&self, device: Bdf) -> impl Iterator<Item = Bdf> {
        let all = self.topology.on_bus(device.segment, device.rid.bus()).map(|(bdf, _)| bdf);
        all.filter(move |other| *other != device && !self.absent.contains(other))
    }

    /// Linux drivers/pci/pci.c `pci_devs_are_dma_aliases`.
    fn poses(&self, a: Bdf, b: Bdf) -> bool {
        let as_other = |from: Bdf, to: Bdf| {
            let mask =
                self.topology.get(from).and_then(|function| AliasMask::of(&function, from.rid.devfn()));
            mask.is_some_and(|(mask, _)| mask.contains(to.rid.devfn())) || self.poses.get(&from) == Some(&to)
        };
        as_other(a, b) || as_other(b, a)
    }

    fn in_multifunction_slot(&self, device: Bdf) -> bool {
        if self.late == Some(device) {
            return self.topology.get(device).is_some_and(|function| function.multifunction);
        }
        self.topology.in_multifunction_slot(device)
    }

    fn isolates(&self, device: Bdf) -> bool {
        let multifunction = self.in_multifunction_slot(device);
        let placed = self.topology.placed(device);
        placed.is_some_and(|placed| placed.acs(AcsFlags::ISOLATED, multifunction).isolates)
    }
}
