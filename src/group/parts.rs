//! What the views of groups look at.

use super::DeviceKey;
use super::assignment::Assignment;
use super::devices::Devices;
use super::entry::DeviceRef;
use crate::pci::Topology;

/// The owners of what a view shows.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) topology: &'a Topology,
    pub(super) devices: &'a Devices,
    pub(super) assignment: &'a Assignment,
}

impl Parts<'_> {
    /// What a device is called.
    pub(super) fn key(self, device: DeviceRef) -> Option<DeviceKey> {
        self.devices.key(self.topology, device)
    }
}
