//! Groups: devices come and go, groups follow.

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;

use super::device::placement;
use super::edge::{self, Refusal};
use super::open::fwspec_map;
use super::types::*;
use fwspec::BusError;
use fwspec::group::{AcsSettings, Device, DeviceKey, Groups, Policy};
use fwspec::machine::{devices, lspci};

/// The devices of a machine and their groups at the moment.
///
/// Functions that change it need the handle to themselves; those that take it as const may run at the same time.
#[derive(Debug)]
pub struct fwspec_groups {
    groups: Groups,
    /// A change panicked: it is not known what is left half done.
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

/// As fwspec_groups_new(), of a machine of which more is known, or is wanted otherwise.
///
/// options: FWSPEC_GROUPS_ bits. The functions of fwspec_groups_add_lspci() tell the chipset by themselves, where they are the first.
///
/// Returns FWSPEC_OK, or FWSPEC_ARGUMENT also for options that are unknown.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_new_with(
    map: Option<&fwspec_map>,
    options: u32,
    out: Option<&mut MaybeUninit<Box<fwspec_groups>>>,
) -> c_int {
    edge::answer(|| {
        edge::put(out, || {
            let is_set = |option: u32| options & option != 0;
            let known = FWSPEC_GROUPS_STRICT
                | FWSPEC_GROUPS_ACS_REQUESTED
                | FWSPEC_GROUPS_IVRS
                | FWSPEC_GROUPS_INTEL_PCH_ACS;
            if is_set(!known) {
                return Err(FWSPEC_ARGUMENT);
            }
            let policy = if is_set(FWSPEC_GROUPS_STRICT) { Policy::Strict } else { Policy::Linux };
            let is_requested = is_set(FWSPEC_GROUPS_ACS_REQUESTED);
            let acs = if is_requested { AcsSettings::Requested } else { AcsSettings::Dumped };
            let builder = Groups::builder().policy(policy).acs(acs);
            let builder =
                builder.ivrs(is_set(FWSPEC_GROUPS_IVRS)).intel_pch_acs(is_set(FWSPEC_GROUPS_INTEL_PCH_ACS));
            let builder = map.into_iter().fold(builder, |builder, map| builder.map(map.map.clone()));
            Ok(Box::new(fwspec_groups { groups: builder.build(), broken: false }))
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
/// Returns FWSPEC_OK, also where the device has no group; FWSPEC_UNREADABLE for bytes that are not a configuration space;
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
        // SAFETY: the caller's configuration space has `len` bytes or is NULL.
        let device = unsafe { device_of(device, config, len) }?;
        add(groups, device, out)
    })
}

/// Adds a device that reaches memory as another one: a PCI function behind an Intel VMD as the VMD's endpoint (Linux
/// pci_real_dma_dev), a device in a DPRC container of an fsl-mc bus as the container. It has the
/// ids of that other device.
///
/// proxy: that other device, a PCI function for a PCI function, otherwise one on a bus that is not PCI; it may be added before,
/// after, or never.
///
/// The other arguments and the statuses are those of fwspec_groups_add().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_groups_add_as(
    groups: Option<&mut fwspec_groups>,
    device: fwspec_device,
    proxy: fwspec_device,
    config: *const c_void,
    len: usize,
    out: Option<&mut MaybeUninit<fwspec_placement>>,
    err: Option<&mut MaybeUninit<fwspec_error>>,
) -> c_int {
    change(groups, err, |groups| {
        // SAFETY: the caller's configuration space has `len` bytes or is NULL.
        let device = unsafe { device_of(device, config, len) }?;
        let device = match (device.key(), DeviceKey::try_from(proxy)?) {
            (DeviceKey::Pci(_), DeviceKey::Pci(function)) => device.real_dma(function),
            (DeviceKey::OnBus { .. }, container @ DeviceKey::OnBus { .. }) => device.in_container(container),
            _ => return Err(FWSPEC_ARGUMENT.into()),
        };
        add(groups, device, out)
    })
}

/// Adds all PCI functions of a listing made by lspci -D -xxxx, bus by bus with virtual functions last, as Linux does, and then does what
/// fwspec_groups_settle() does. Where they are the first of the machine, they tell what its chipset isolates by itself: what
/// configuration space does not show is taken as Linux sets it, see FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT.
///
/// text, len: the listing; needs no NUL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the text is not such a listing, nothing being added then; FWSPEC_BUS at the first
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
        let listing = lspci::parse(unsafe { edge::bytes(text, len) }?)?;
        // One that cannot be read costs the call.
        listing.functions.iter().try_for_each(|function| function.facts().map(drop))?;
        let (devices, _) = devices(&listing);
        groups.expect(&devices);
        for device in devices {
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

/// Removes a device. Its group shrinks, and goes with its last member; it is never split.
///
/// Returns FWSPEC_OK, FWSPEC_BUS where there is no such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_remove(groups: Option<&mut fwspec_groups>, device: fwspec_device) -> c_int {
    change(groups, None, |groups| {
        groups.remove(DeviceKey::try_from(device)?)?;
        Ok(())
    })
}

/// A device as C describes it.
///
/// # Safety
/// `config` is NULL or the start of `len` readable bytes.
unsafe fn device_of(device: fwspec_device, config: *const c_void, len: usize) -> Result<Device, Refusal> {
    Ok(match DeviceKey::try_from(device)? {
        // SAFETY: by this function's contract; the slice does not leave it.
        DeviceKey::Pci(bdf) => Device::pci(bdf, unsafe { edge::bytes(config, len) }?)?,
        DeviceKey::Node(node) => Device::platform(node),
        DeviceKey::OnBus { bus, id } => Device::on_bus(bus, id),
    })
}

fn add(
    groups: &mut Groups,
    device: Device,
    out: Option<&mut MaybeUninit<fwspec_placement>>,
) -> Result<(), Refusal> {
    groups.add(device)?;
    if let Some(out) = out {
        out.write(placement(groups, device.key())?);
    }
    Ok(())
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
pub(super) fn ask(groups: Option<&fwspec_groups>, work: impl FnOnce(&Groups) -> Result<(), c_int>) -> c_int {
    edge::answer(|| {
        let groups = groups.ok_or(FWSPEC_ARGUMENT)?;
        if groups.broken { Err(FWSPEC_INTERNAL) } else { work(&groups.groups) }
    })
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        Refusal::new(FWSPEC_BUS, error)
    }
}
