//! Devices and where they are, as C sees them.

use core::ffi::c_int;

use super::edge;
use super::types::*;
use fwspec::group::{DeviceKey, Groups, How, Placement};
use fwspec::{Bdf, BusError, RequesterId, RequesterIndex, Segment};

pub(super) fn device_to_c(key: DeviceKey) -> fwspec_device {
    let (kind, place, id) = match key {
        DeviceKey::Pci(bdf) => (FWSPEC_DEVICE_PCI, bdf.segment.0, u32::from(bdf.rid.0)),
        DeviceKey::Node(node) => (FWSPEC_DEVICE_NODE, node.0, 0),
        DeviceKey::OnBus { bus, id } => (FWSPEC_DEVICE_ON_BUS, bus.0, id),
    };
    fwspec_device { kind, place, id }
}

pub(super) fn placement(groups: &Groups, key: DeviceKey) -> Result<fwspec_placement, BusError> {
    let Placement { group, how, .. } = groups.placement(key)?;
    let alone = || group.is_some_and(|group| groups.members(group).nth(1).is_none());
    let (how, text) = match how {
        How::Merged { .. } => (FWSPEC_HOW_MERGED, String::new()),
        How::Created | How::Joined if alone() => (FWSPEC_HOW_CREATED, String::new()),
        How::Created | How::Joined => (FWSPEC_HOW_JOINED, String::new()),
        How::Held { missing } => (FWSPEC_HOW_HELD, format!("{missing} is missing")),
        How::Untranslated { why } => (FWSPEC_HOW_UNTRANSLATED, why.to_string()),
        How::Waiting { iommu } => (FWSPEC_HOW_OTHER, format!("IOMMU {} is not ready", iommu.0)),
        How::Refused { owner } => (FWSPEC_HOW_OTHER, format!("group {owner} has an owner")),
    };
    let group = group.map_or(FWSPEC_NO_GROUP, |group| group.0);
    Ok(fwspec_placement { group, how, message: edge::message(&text) })
}

impl TryFrom<fwspec_device> for DeviceKey {
    type Error = c_int;

    fn try_from(device: fwspec_device) -> Result<Self, c_int> {
        Ok(match device.kind {
            FWSPEC_DEVICE_PCI => {
                let rid = RequesterId(u16::try_from(device.id).map_err(|_| FWSPEC_ARGUMENT)?);
                DeviceKey::Pci(Bdf { segment: Segment(device.place), rid })
            }
            FWSPEC_DEVICE_NODE => DeviceKey::Node(RequesterIndex(device.place)),
            FWSPEC_DEVICE_ON_BUS => DeviceKey::OnBus { bus: RequesterIndex(device.place), id: device.id },
            _ => return Err(FWSPEC_ARGUMENT),
        })
    }
}
