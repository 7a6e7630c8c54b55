//! Questions about groups: which device is in which, and why.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use super::device::{device_to_c, placement};
use super::edge;
use super::group::{ask, fwspec_groups};
use super::lookup;
use super::place::node;
use super::types::*;
use fwspec::group::{DeviceKey, IsolationBlocker, Reason, Relation, Remedy};
use fwspec::pci::Fact;
use fwspec::{AcsFlags, GroupId};

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
        let map = groups.map();
        let origin = |iommu| Some(map?.iommu(iommu)?.origin);
        let streams = lookup::streams(&fwspec, |iommu| node(origin(iommu)));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, streams) }
    })
}

/// The DeviceID that the MSIs of a device carry, and the controller that they go to. Behind a bridge that takes ownership of requests
/// it is that of the bridge's requester ID: all functions behind it have the same (Linux pci_msi_domain_get_msi_rid).
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where the firmware routes its MSIs to no controller, FWSPEC_NOT_FOUND where there is no
/// such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_msi(
    groups: Option<&fwspec_groups>,
    device: fwspec_device,
    out: Option<&mut MaybeUninit<fwspec_msi>>,
) -> c_int {
    ask(groups, |groups| {
        let key = DeviceKey::try_from(device)?;
        edge::put(out, || {
            groups.placement(key).map_err(|_| FWSPEC_NOT_FOUND)?;
            let request = groups.msi_of(key).ok_or(FWSPEC_NO_MAPPING)?;
            let controller = groups.map().and_then(|map| map.controller(request.controller));
            Ok(fwspec_msi { controller: node(controller.map(|c| c.origin)), id: request.id.0 })
        })
    })
}

/// The devices whose MSIs carry a DeviceID, ascending: an MSI controller cannot tell these apart.
///
/// controller: the node of the MSI controller, as fwspec_groups_msi() gives it. The other arguments are those of
/// fwspec_groups_devices().
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_msi_devices(
    groups: Option<&fwspec_groups>,
    controller: u64,
    id: u32,
    out: *mut fwspec_device,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let origin = |at| groups.map().and_then(|map| map.controller(at)).map(|controller| controller.origin);
        let sends = |device: &DeviceKey| {
            let request = groups.msi_of(*device);
            request
                .is_some_and(|request| request.id.0 == id && node(origin(request.controller)) == controller)
        };
        let devices = groups.devices().filter(sends).map(device_to_c);
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, devices) }
    })
}

/// What a PCI function isolates, and what decides it.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such function, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_acs(
    groups: Option<&fwspec_groups>,
    device: fwspec_device,
    out: Option<&mut MaybeUninit<fwspec_acs>>,
) -> c_int {
    ask(groups, |groups| {
        let DeviceKey::Pci(bdf) = DeviceKey::try_from(device)? else { return Err(FWSPEC_ARGUMENT) };
        edge::put(out, || {
            let function = groups.topology().get(bdf).ok_or(FWSPEC_NOT_FOUND)?;
            let verdict = groups.topology().acs(bdf, AcsFlags::ISOLATED).ok_or(FWSPEC_NOT_FOUND)?;
            let control = function.acs_in_force().unwrap_or_default();
            let after = function.acs_requested().acs_in_force().unwrap_or_default();
            let flags = [
                (matches!(function.acs, Fact::Present(_)), FWSPEC_ACS_PRESENT),
                (function.acs.is_unknown(), FWSPEC_ACS_UNREAD),
                (verdict.isolates, FWSPEC_ACS_ISOLATES),
                (groups.acs_as_linux_sets_it(bdf).is_some(), FWSPEC_ACS_AS_LINUX_SETS_IT),
            ];
            Ok(fwspec_acs {
                flags: flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum(),
                capability: function.acs.present().map_or(0, |acs| u32::from(acs.capability.0)),
                control: u32::from(control.0),
                missing: u32::from((after & !control).0),
                message: edge::message(&verdict.reason.to_string()),
            })
        })
    })
}

/// What has to be known before the groups of a machine are believed, which may be nothing.
///
/// out: receives FWSPEC_NOTE_ bits.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_notes(
    groups: Option<&fwspec_groups>,
    out: Option<&mut MaybeUninit<u32>>,
) -> c_int {
    ask(groups, |groups| {
        edge::put(out, || {
            let not_requested = !groups.acs_not_requested().is_empty();
            let mut functions = groups.topology().iter().map(|(bdf, _)| bdf);
            let notes = [
                (groups.acs_is_off() && !not_requested, FWSPEC_NOTE_ACS_OFF),
                (not_requested, FWSPEC_NOTE_ACS_NOT_REQUESTED),
                (
                    functions.any(|bdf| groups.acs_as_linux_sets_it(bdf).is_some()),
                    FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT,
                ),
            ];
            Ok(notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).sum())
        })
    })
}

/// What keeps a device from being alone in its group; empty where it is alone. It would be alone if all of these changed.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_blockers(
    groups: Option<&fwspec_groups>,
    device: fwspec_device,
    out: *mut fwspec_blocker,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    ask(groups, |groups| {
        let key = DeviceKey::try_from(device)?;
        groups.placement(key).map_err(|_| FWSPEC_NOT_FOUND)?;
        let blockers = groups.isolation_blockers(key);
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, blockers.iter().map(blocker_to_c)) }
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

fn reason_to_c(reason: &Reason) -> fwspec_reason {
    fwspec_reason {
        a: device_to_c(reason.a),
        b: device_to_c(reason.b),
        message: edge::message(&reason.tie.to_string()),
    }
}

fn blocker_to_c(blocker: &IsolationBlocker) -> fwspec_blocker {
    let relation = match blocker.relation {
        Relation::Above => FWSPEC_RELATION_ABOVE,
        Relation::Itself => FWSPEC_RELATION_ITSELF,
        Relation::Slot => FWSPEC_RELATION_SLOT,
        Relation::Switch => FWSPEC_RELATION_SWITCH,
        Relation::Alias => FWSPEC_RELATION_ALIAS,
        Relation::Stream => FWSPEC_RELATION_STREAM,
        Relation::Driver => FWSPEC_RELATION_DRIVER,
    };
    let (remedy, acs) = match blocker.remedy {
        Remedy::Enable(bits) => (FWSPEC_REMEDY_ACS, u32::from(bits.0)),
        Remedy::Firmware => (FWSPEC_REMEDY_FIRMWARE, 0),
        Remedy::Nothing(_) | Remedy::Wiring => (FWSPEC_REMEDY_NONE, 0),
    };
    let message = edge::message(&blocker.remedy.to_string());
    fwspec_blocker { by: device_to_c(blocker.by), relation, remedy, acs, message }
}
