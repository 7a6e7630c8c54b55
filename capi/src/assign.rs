//! Whether a device can be assigned (VFIO), and whether it may use ATS.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use super::edge;
use super::group::{ask, fwspec_groups};
use super::open::fwspec_map;
use super::place::{node, place};
use super::types::*;
use fwspec::Platform;
use fwspec::group::{AtsReason, DeviceKey, Groups, How, KeptMemory};
use fwspec::pci::Header;

/// Whether a device can be assigned (VFIO) to a virtual machine or a user-space driver. Its group is assigned as a whole.
///
/// map: the map of the machine's firmware that was given to fwspec_groups_new().
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_assignable(
    groups: Option<&fwspec_groups>,
    map: Option<&fwspec_map>,
    device: fwspec_device,
    out: Option<&mut MaybeUninit<fwspec_assignable>>,
) -> c_int {
    ask(groups, |groups| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let key = DeviceKey::try_from(device)?;
        edge::put(out, || assignable(groups, &map.firmware.platform, key))
    })
}

/// Whether Linux lets a PCI function use ATS (a cache of translations in the device), according to the firmware. It does not mean that
/// the function has ATS.
///
/// map: the map of the machine's firmware that was given to fwspec_groups_new().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where no IOMMU that has ATS translates it, FWSPEC_NOT_FOUND where there is no such function, or
/// FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_groups_ats(
    groups: Option<&fwspec_groups>,
    map: Option<&fwspec_map>,
    device: fwspec_device,
    out: Option<&mut MaybeUninit<fwspec_ats>>,
) -> c_int {
    ask(groups, |groups| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let DeviceKey::Pci(function) = DeviceKey::try_from(device)? else { return Err(FWSPEC_ARGUMENT) };
        edge::put(out, || {
            groups.placement(function.into()).map_err(|_| FWSPEC_NOT_FOUND)?;
            let ats = groups.ats_of(&map.firmware.platform, function).ok_or(FWSPEC_NO_MAPPING)?;
            Ok(fwspec_ats {
                node: ats.by.map_or(0, place),
                allowed: u32::from(ats.allowed),
                reason: reason(ats.reason),
                message: edge::message(&ats.reason.to_string()),
            })
        })
    })
}

fn assignable(groups: &Groups, platform: &Platform, key: DeviceKey) -> Result<fwspec_assignable, c_int> {
    let placement = groups.placement(key).map_err(|_| FWSPEC_NOT_FOUND)?;
    let because = |verdict, text: &str| fwspec_assignable {
        node: 0,
        base: 0,
        last: 0,
        verdict,
        message: edge::message(text),
    };
    let kept = |verdict, KeptMemory { base, last, by, .. }: KeptMemory, text: String| fwspec_assignable {
        node: node(by),
        base,
        last,
        ..because(verdict, &text)
    };
    let Some(group) = placement.group else {
        let why = match placement.how {
            How::Untranslated { why } => why.to_string(),
            How::Created
            | How::Joined
            | How::Merged { .. }
            | How::Held { .. }
            | How::Waiting { .. }
            | How::Refused { .. } => "it has no group".to_string(),
        };
        return Ok(because(FWSPEC_ASSIGN_NO_GROUP, &why));
    };
    if let Some(memory) = groups.kept_memory(platform, key) {
        return Ok(kept(FWSPEC_ASSIGN_KEPT, memory, memory.to_string()));
    }
    if let DeviceKey::Pci(bdf) = key
        && groups.topology().get(bdf).is_some_and(|function| !matches!(function.header, Header::Device))
    {
        return Ok(because(
            FWSPEC_ASSIGN_BRIDGE,
            "it is a bridge: vfio-pci accepts only functions with a normal header",
        ));
    }
    let mut others = groups.members(group).filter(|other| *other != key);
    let other = others.find_map(|other| Some((other, groups.kept_memory(platform, other)?)));
    Ok(match other {
        Some((DeviceKey::Pci(other), memory)) => {
            kept(FWSPEC_ASSIGN_GROUP, memory, format!("{other} of its group: {memory}"))
        }
        Some((DeviceKey::Node(_) | DeviceKey::OnBus { .. }, memory)) => {
            kept(FWSPEC_ASSIGN_GROUP, memory, format!("another device of its group: {memory}"))
        }
        None => because(FWSPEC_ASSIGN_YES, ""),
    })
}

fn reason(reason: AtsReason) -> u32 {
    match reason {
        AtsReason::Integrated => FWSPEC_ATS_INTEGRATED,
        AtsReason::Listed => FWSPEC_ATS_LISTED,
        AtsReason::Required => FWSPEC_ATS_REQUIRED,
        AtsReason::Port => FWSPEC_ATS_PORT,
        AtsReason::AllPorts => FWSPEC_ATS_ALL_PORTS,
        AtsReason::NoPort => FWSPEC_ATS_NO_PORT,
        AtsReason::Conventional => FWSPEC_ATS_CONVENTIONAL,
        AtsReason::Denied => FWSPEC_ATS_DENIED,
        AtsReason::NotDenied => FWSPEC_ATS_NOT_DENIED,
        AtsReason::RootComplex => FWSPEC_ATS_ROOT_COMPLEX,
        AtsReason::NoRootComplex => FWSPEC_ATS_NO_ROOT_COMPLEX,
        _ => FWSPEC_ATS_OTHER,
    }
}
