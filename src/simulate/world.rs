//! The simulated machine, and the events that can happen to it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::group::{Device, DeviceKey, Groups};
use crate::model::IommuIndex;
use crate::pci::Topology;
use crate::{Bdf, Format};

/// An event during boot, or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The function is added to its bus. A function that no event adds is there from the beginning, and so is one that is removed
    /// before it is added.
    Add(Bdf),
    /// The function is removed.
    Remove(Bdf),
    /// A driver is matched with the function, and binds.
    Probe(Bdf),
    /// A driver is matched with the function, and its probe fails after DMA was configured (linux drivers/base/dd.c
    /// `really_probe`).
    Fail(Bdf),
    /// The IOMMU is registered; `None` for all. IOMMUs that no event names are ready from the beginning.
    Ready(Option<IommuIndex>),
    /// The walk of an IOMMU that registers has reached the function, and every function that was added before it
    /// ([`Algorithm::DeviceAddRace`]; with the other algorithms a walk is one event). At the end it reaches all.
    ///
    /// [`Algorithm::DeviceAddRace`]: super::Algorithm::DeviceAddRace
    Walk(Bdf),
    /// Deferred drivers try again. At the end they do so without an event.
    Retry,
    /// The function gets its group now, whatever the cause: a line of a recorded order. Where there are such events, a function
    /// without one gets no group.
    Turn {
        /// The function.
        device: Bdf,
        /// The function is scanned after its IOMMU was registered: the PCI core has not marked it multifunction yet, and only its
        /// own header bit counts (linux drivers/pci/probe.c `pci_scan_slot`).
        scanned_late: bool,
    },
}

impl Event {
    /// The function that the event is about.
    pub fn device(&self) -> Option<Bdf> {
        match *self {
            Event::Add(device)
            | Event::Remove(device)
            | Event::Probe(device)
            | Event::Fail(device)
            | Event::Walk(device) => Some(device),
            Event::Turn { device, .. } => Some(device),
            Event::Ready(_) | Event::Retry => None,
        }
    }
}

/// A machine in which devices get their groups one after the other.
///
/// The board that was discussed in 2020: a root port without ACS, two functions below it, and a port driver that is deferred.
/// ```
/// use fwspec::simulate::{Algorithm, Event, World};
/// use fwspec::{Bdf, Device, Groups};
/// let [port, f0, f1] = ["000a:10:00.0", "000a:11:00.0", "000a:11:00.1"].map(|bdf| bdf.parse::<Bdf>().unwrap());
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(port, 0x11..=0x11))?;
/// groups.add(Device::endpoint(f0).multifunction())?;
/// groups.add(Device::endpoint(f1).multifunction())?;
/// let world = World::of(&groups);
/// let boot = [Event::Add(port), Event::Add(f0), Event::Add(f1), Event::Probe(port), Event::Ready(None),
///     Event::Probe(f0), Event::Probe(f1)];
/// assert_eq!(world.play(Algorithm::DriverProbe, &boot).groups, [vec![port], vec![f0], vec![f1]]);
/// assert_eq!(world.play(Algorithm::DeviceAdd, &boot).groups, [vec![port, f0, f1]]);
/// # Ok::<(), fwspec::BusError>(())
/// ```
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub(super) topology: &'a Topology,
    /// The functions, in the order in which Linux adds them.
    pub(super) functions: Vec<Bdf>,
    /// The IOMMUs that each function needs; a function that is not translated has no entry.
    pub(super) needs: BTreeMap<Bdf, Vec<IommuIndex>>,
    pub(super) iommus: BTreeSet<IommuIndex>,
    /// Functions whose DMA leaves as another function's.
    pub(super) real: BTreeMap<Bdf, Bdf>,
    /// Functions that send as another one on their bus, by what firmware says (linux drivers/iommu/amd/iommu.c `setup_aliases`).
    pub(super) poses: BTreeMap<Bdf, Bdf>,
    /// The firmware is ACPI: the driver match that reads a device's ids does not give the device its group (linux
    /// drivers/acpi/scan.c `acpi_iommu_configure_id`, drivers/iommu/of_iommu.c `of_iommu_configure`).
    pub(super) is_acpi: bool,
    /// The class of each function in the closure of the ties.
    class: BTreeMap<Bdf, usize>,
}

impl<'a> World<'a> {
    /// The PCI functions of these groups, and their IOMMUs; one IOMMU for all where there is no firmware.
    pub fn of(groups: &'a Groups) -> Self {
        let topology = groups.topology();
        let mut functions: Vec<Bdf> = topology.iter().map(|(bdf, _)| bdf).collect();
        functions.sort_by_key(|bdf| topology.get(*bdf).is_some_and(|function| function.virtual_function));
        let mut needs: BTreeMap<Bdf, Vec<IommuIndex>> = BTreeMap::new();
        for bdf in &functions {
            if groups.map().is_none() {
                needs.insert(*bdf, alloc::vec![IommuIndex(0)]);
            } else if let Some(fwspec) =
                groups.placement((*bdf).into()).ok().and_then(|placement| placement.fwspec)
            {
                let all: BTreeSet<IommuIndex> = core::iter::once(fwspec.iommu)
                    .chain(fwspec.ids.iter().map(|stream| stream.iommu))
                    .collect();
                needs.insert(*bdf, all.into_iter().collect());
            }
        }
        let iommus = needs.values().flatten().copied().collect();
        let real = functions.iter().filter_map(|bdf| {
            let real = groups.aliases(*bdf).next()?;
            Some((*bdf, Bdf { rid: real.rid, ..real.by })).filter(|(bdf, real)| bdf != real)
        });
        let real = real.collect();
        let mut formats =
            groups.map().into_iter().flat_map(|map| map.iommus()).map(|iommu| iommu.origin.format);
        let is_acpi = formats.any(|format| format != Format::DeviceTree);
        let poses = functions.iter().filter_map(|bdf| {
            let (rid, _) = groups.map()?.alias_of(*bdf)?;
            (rid.bus() == bdf.rid.bus()).then_some((*bdf, Bdf { rid, ..*bdf }))
        });
        let poses = poses.collect();
        let class = BTreeMap::new();
        let mut world = World { topology, functions, needs, iommus, real, poses, is_acpi, class };
        let mut closed = world.empty();
        world.functions.iter().for_each(|bdf| world.add_to(&mut closed, *bdf));
        closed.settle();
        let classes = closed.classes().enumerate();
        world.class = classes
            .flat_map(|(class, members)| members.into_iter().map(move |member| (member, class)))
            .filter_map(|(member, class)| match member {
                DeviceKey::Pci(bdf) => Some((bdf, class)),
                _ => None,
            })
            .collect();
        let mut class = core::mem::take(&mut world.class);
        world.unite(&mut class);
        world.class = class;
        world
    }

    /// Joins the classes of two functions where firmware says that one sends as the other.
    pub(super) fn unite(&self, class: &mut BTreeMap<Bdf, usize>) {
        for (one, other) in &self.poses {
            let (Some(kept), Some(gone)) = (class.get(one).copied(), class.get(other).copied()) else {
                continue;
            };
            if kept != gone {
                class.values_mut().filter(|class| **class == gone).for_each(|class| *class = kept);
            }
        }
    }

    /// The functions, in the order in which Linux adds them: parents first, virtual functions last.
    pub fn functions(&self) -> &[Bdf] {
        &self.functions
    }

    /// `Groups` without devices, for the ties of PCI alone: what the drivers of IOMMUs add is not played.
    pub(super) fn empty(&self) -> Groups {
        Groups::builder().chipset(self.topology.chipset()).build()
    }

    pub(super) fn add_to(&self, groups: &mut Groups, bdf: Bdf) {
        let Some(function) = self.topology.get(bdf) else { return };
        let device = Device::function(bdf, function);
        let device = self.real.get(&bdf).map_or(device, |real| device.real_dma(*real));
        let physical = self.topology.physical_of(bdf).filter(|_| function.virtual_function);
        // What was consistent in one topology is so in its copy; a device that is there already stays.
        _ = groups.add(physical.map_or(device, |physical| device.virtual_function_of(physical)));
    }

    /// The groups that these functions should be in: the closure of the ties between all functions of the machine. Each is sorted,
    /// and they are in the order of their lowest members.
    pub fn closure(&self, functions: impl IntoIterator<Item = Bdf>) -> Vec<Vec<Bdf>> {
        let functions = functions.into_iter().filter_map(|bdf| Some((bdf, *self.class.get(&bdf)?)));
        partition(functions)
    }
}

/// Puts the members of each group together: each sorted, by their lowest members.
pub(super) fn partition(members: impl Iterator<Item = (Bdf, usize)>) -> Vec<Vec<Bdf>> {
    let mut by_group: BTreeMap<usize, Vec<Bdf>> = BTreeMap::new();
    members.for_each(|(bdf, group)| by_group.entry(group).or_default().push(bdf));
    let mut groups: Vec<Vec<Bdf>> = by_group.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    groups
}
