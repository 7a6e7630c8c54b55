//! Groups: devices come and go, groups follow.

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;

use super::edge::{self, Refusal};
use super::lookup;
use super::open::{fwspec_map, node};
use super::types::*;
use crate::bytes::index;
use fwspec::group::{Device, DeviceKey, Groups, How, NodeId, Placement, Reason};
use fwspec::machine::lspci;
use fwspec::{Bdf, BusError, GroupId, RequesterId, Segment};

/// The devices of a machine and their groups at the moment.
///
/// Functions that change it need the handle to themselves; those that take it as const may run at the same time.
#[derive(Debug)]
pub struct fwspec_groups {
    groups: Groups,
    /// A panic came out of a change: nobody knows what is left half done.
    broken: bool,
}

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<fwspec_groups>();
};

/// Makes a machine without devices.
///
/// map: what its firmware says; it is copied and may be closed at once. With NULL groups follow from PCI alone, and every
/// device has one.
///
/// out: receives the handle, to be freed with fwspec_groups_close().
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_new(
    map: Option<&fwspec_map>,
    out: Option<&mut MaybeUninit<Box<fwspec_groups>>>,
) -> c_int {
    edge::answer(|| {
        edge::put(out, || {
            let groups = map.map_or_else(Groups::without_firmware, |map| Groups::new(map.map.clone()));
            Ok(Box::new(fwspec_groups { groups, broken: false }))
        })
    })
}

/// Frees a handle. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_close(groups: Option<Box<fwspec_groups>>) {
    _ = edge::answer(|| {
        drop(groups);
        Ok(())
    });
}

/// Adds a device to its bus. It has its group on return, before any driver, and whatever the order of the devices is.
///
/// config, len: the configuration space of a PCI function, as much of it as was read: 64, 256, 4096 bytes or any number from 64
/// on. What was not read is not taken for absent. Not used for other devices: NULL and 0.
///
/// out: receives where the device is; may be NULL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK, also where the device has no group; FWSPEC_UNREADABLE for configuration space that is none;
/// FWSPEC_BUS where the device is there already or bridges contradict each other; FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_add(
    groups: Option<&mut fwspec_groups>,
    device: fwspec_device,
    config: *const c_void,
    len: usize,
    out: Option<&mut MaybeUninit<fwspec_placement>>,
    err: Option<&mut MaybeUninit<fwspec_error>>,
) -> c_int {
    change(groups, err, |groups| {
        let key = DeviceKey::try_from(device)?;
        let device = match key {
            // SAFETY: the caller's configuration space has `len` bytes or is NULL; the slice does not leave this call.
            DeviceKey::Pci(bdf) => Device::pci(bdf, unsafe { edge::bytes(config, len) }?)?,
            DeviceKey::Node(node) => Device::platform(node),
            DeviceKey::OnBus { bus, id } => Device::on_bus(bus, id),
        };
        groups.add(device)?;
        if let Some(out) = out {
            out.write(placement(groups, key)?);
        }
        Ok(())
    })
}

/// Adds all PCI functions of a listing made by lspci -D -xxxx, in its order, and then does what fwspec_groups_settle() does.
///
/// text, len: the listing; needs no NUL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the text is no such listing, nothing being added then; FWSPEC_BUS at the first
/// function that cannot be added, those before it being there; FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_add_lspci(
    groups: Option<&mut fwspec_groups>,
    text: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<fwspec_error>>,
) -> c_int {
    change(groups, err, |groups| {
        // SAFETY: the caller's text has `len` bytes or is NULL; the slice does not leave this call.
        let dumps = lspci::parse(unsafe { edge::bytes(text, len) }?)?;
        let devices: Result<Vec<Device>, fwspec::Error> =
            dumps.functions.iter().map(|dump| Device::pci(dump.bdf, &dump.bytes)).collect();
        for device in devices? {
            groups.add(device)?;
        }
        groups.settle();
        Ok(())
    })
}

/// Says that every bridge has been added: a bus without one is a root bus, and no device is held back any more. Bus 0, and
/// buses with root ports on them, are known to be root buses without that.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_settle(groups: Option<&mut fwspec_groups>) -> c_int {
    change(groups, None, |groups| {
        groups.settle();
        Ok(())
    })
}

/// Removes a device. Its group shrinks, or is no more where it was the last; it is never split.
///
/// Returns FWSPEC_OK, FWSPEC_BUS where there is no such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_remove(groups: Option<&mut fwspec_groups>, device: fwspec_device) -> c_int {
    change(groups, None, |groups| {
        groups.remove(DeviceKey::try_from(device)?)?;
        Ok(())
    })
}

/// The devices that are there, ascending.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_devices(
    groups: Option<&fwspec_groups>,
    out: *mut fwspec_device,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let devices = groups.devices().map(device_to_c);
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, devices) }
    })
}

/// Where a device is: its group, or why it has none.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_group_of(
    groups: Option<&fwspec_groups>,
    device: fwspec_device,
    out: Option<&mut MaybeUninit<fwspec_placement>>,
) -> c_int {
    ask(groups, |groups| {
        let key = DeviceKey::try_from(device)?;
        edge::put(out, || placement(groups, key).map_err(|_| FWSPEC_NOT_FOUND))
    })
}

/// The devices of a group, in no order. Arguments as for fwspec_groups_devices().
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such group, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_group_members(
    groups: Option<&fwspec_groups>,
    group: u64,
    out: *mut fwspec_device,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let group = groups.group(GroupId(group)).ok_or(FWSPEC_NOT_FOUND)?;
        let members = group.members().map(device_to_c);
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, members) }
    })
}

/// The StreamIDs of a device with those of all its DMA aliases, in the order in which Linux adds them: what it calls a fwspec.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where no IOMMU translates it, FWSPEC_NOT_FOUND where there is no such device, or
/// FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_streams(
    groups: Option<&fwspec_groups>,
    device: fwspec_device,
    out: *mut fwspec_stream,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let placement = groups.placement(DeviceKey::try_from(device)?).map_err(|_| FWSPEC_NOT_FOUND)?;
        let fwspec = placement.fwspec.ok_or(FWSPEC_NO_MAPPING)?;
        let iommus = groups.map().map_or(&[][..], |map| map.iommus());
        let streams =
            lookup::streams(&fwspec, |iommu| node(iommus.get(index(iommu)).map(|iommu| iommu.origin)));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, streams) }
    })
}

/// Why two devices cannot be isolated from each other: the chain of reasons from the one to the other; empty where nothing
/// holds them together.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_why(
    groups: Option<&fwspec_groups>,
    a: fwspec_device,
    b: fwspec_device,
    out: *mut fwspec_reason,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let (a, b) = (DeviceKey::try_from(a)?, DeviceKey::try_from(b)?);
        let reasons = groups.why(a, b).map(|reason| reason_to_c(&reason));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, reasons) }
    })
}

/// Does what changes the groups. After a panic nothing else is done with them.
fn change(
    groups: Option<&mut fwspec_groups>,
    err: Option<&mut MaybeUninit<fwspec_error>>,
    work: impl FnOnce(&mut Groups) -> Result<(), Refusal>,
) -> c_int {
    edge::explain(err, || {
        let groups = groups.ok_or(FWSPEC_ARGUMENT)?;
        // Stays so where a panic leaves this closure early.
        if core::mem::replace(&mut groups.broken, true) {
            return Err(FWSPEC_INTERNAL.into());
        }
        let done = work(&mut groups.groups);
        groups.broken = false;
        done
    })
}

/// Does what only looks at the groups.
fn ask(groups: Option<&fwspec_groups>, work: impl FnOnce(&Groups) -> Result<(), c_int>) -> c_int {
    edge::answer(|| {
        let groups = groups.ok_or(FWSPEC_ARGUMENT)?;
        if groups.broken { Err(FWSPEC_INTERNAL) } else { work(&groups.groups) }
    })
}

fn placement(groups: &Groups, key: DeviceKey) -> Result<fwspec_placement, BusError> {
    let Placement { group, how, .. } = groups.placement(key)?;
    let alone = || group.is_some_and(|group| groups.members(group).nth(1).is_none());
    let (how, text) = match how {
        How::Merged { .. } => (FWSPEC_HOW_MERGED, String::new()),
        How::Created | How::Joined if alone() => (FWSPEC_HOW_CREATED, String::new()),
        How::Created | How::Joined => (FWSPEC_HOW_JOINED, String::new()),
        How::Held { missing } => (FWSPEC_HOW_HELD, format!("{missing} is missing")),
        How::Untranslated { why } => (FWSPEC_HOW_UNTRANSLATED, why.to_string()),
        How::Waiting { iommu } => (FWSPEC_HOW_OTHER, format!("IOMMU {iommu} is not ready")),
        How::Refused { owner } => (FWSPEC_HOW_OTHER, format!("group {owner} has an owner")),
    };
    let group = group.map_or(FWSPEC_NO_GROUP, |group| group.0);
    Ok(fwspec_placement { group, how, message: edge::message(&text) })
}

fn device_to_c(key: DeviceKey) -> fwspec_device {
    let (kind, place, id) = match key {
        DeviceKey::Pci(bdf) => (FWSPEC_DEVICE_PCI, bdf.segment.0, u32::from(bdf.rid.0)),
        DeviceKey::Node(node) => (FWSPEC_DEVICE_NODE, node.0, 0),
        DeviceKey::OnBus { bus, id } => (FWSPEC_DEVICE_ON_BUS, bus.0, id),
    };
    fwspec_device { kind, place, id }
}

fn reason_to_c(reason: &Reason) -> fwspec_reason {
    fwspec_reason {
        a: device_to_c(reason.a),
        b: device_to_c(reason.b),
        message: edge::message(&reason.tie.to_string()),
    }
}

impl TryFrom<fwspec_device> for DeviceKey {
    type Error = c_int;

    fn try_from(device: fwspec_device) -> Result<Self, c_int> {
        Ok(match device.kind {
            FWSPEC_DEVICE_PCI => {
                let rid = RequesterId(u16::try_from(device.id).map_err(|_| FWSPEC_ARGUMENT)?);
                DeviceKey::Pci(Bdf { segment: Segment(device.place), rid })
            }
            FWSPEC_DEVICE_NODE => DeviceKey::Node(NodeId(device.place)),
            FWSPEC_DEVICE_ON_BUS => DeviceKey::OnBus { bus: NodeId(device.place), id: device.id },
            _ => return Err(FWSPEC_ARGUMENT),
        })
    }
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        Refusal::new(FWSPEC_BUS, error)
    }
}
