//! What Linux's own search finds when devices are grouped one after the other: the probe-order world, for comparison.
//!
//! The search (linux drivers/iommu/iommu.c `pci_device_group`) looks upwards and among devices that have a group already, so
//! what it finds depends on which device came first. Up to v6.14 a device came when a driver was matched with it; from v6.15 on,
//! when it was added to its bus or its IOMMU was registered.

mod algorithm;
mod find;
mod play;
mod search;
mod world;

pub use algorithm::Algorithm;
pub use find::Breaking;
pub use play::{Outcome, Play, Step, Wait, What};
pub use world::{Event, World};
