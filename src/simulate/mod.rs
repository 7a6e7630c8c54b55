//! Linux's own search for groups, which gives devices their groups one after the other: a simulation, for comparison.
//!
//! The search (linux drivers/iommu/iommu.c `pci_device_group`) looks upwards, and only at devices that have a group already. Its
//! result depends on which device came first. Before v6.15 a device came when a driver was matched with it; since then, when it is
//! added to its bus or its IOMMU is registered.

mod algorithm;
mod find;
mod play;
mod search;
mod world;

pub use algorithm::Algorithm;
pub use find::Breaking;
pub use play::{Outcome, Play, Step, Wait, What};
pub use world::{Event, World};
