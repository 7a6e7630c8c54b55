//! Ids in, ids out.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;

use super::edge;
use super::open::fwspec_map;
use super::types::*;
use fwspec::map::{Fwspec, FwspecFlags, Stream};
use fwspec::{Bdf, DeviceKey, IommuIndex, RequesterId, RequesterIndex, Segment};

/// The StreamID that the DMA of a PCI function carries: that of its bare requester ID. A function behind a PCIe-to-PCI
/// bridge has those of its aliases too; only fwspec_groups_streams() knows them.
///
/// segment, rid: the function; rid is bus << 8 | device << 3 | function. For segments above 0xffff see fwspec_stream_from().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_stream_of(
    map: Option<&fwspec_map>,
    segment: u16,
    rid: u16,
    out: Option<&mut MaybeUninit<fwspec_stream>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        edge::put(out, || map.single(map.map.fwspec(function(segment, rid).into()).fwspec))
    })
}

/// The DeviceID that the MSIs of a PCI function carry: that of its bare requester ID.
///
/// segment, rid: as for fwspec_stream_of().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_device_id_of(
    map: Option<&fwspec_map>,
    segment: u16,
    rid: u16,
    out: Option<&mut MaybeUninit<u32>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let request = || map.map.device_id_of(function(segment, rid)).ok_or(FWSPEC_NO_MAPPING);
        edge::put(out, || request().map(|request| request.id.0))
    })
}

/// The StreamID of an id on the bus of a requester: a requester ID on a PCI host, another number on another bus.
///
/// requester: its index, see fwspec_requester_at() and fwspec_find().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_stream_from(
    map: Option<&fwspec_map>,
    requester: u32,
    id: u32,
    out: Option<&mut MaybeUninit<fwspec_stream>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        edge::put(out, || {
            map.single(map.map.fwspec(DeviceKey::OnBus { bus: RequesterIndex(requester), id }).fwspec)
        })
    })
}

/// The StreamIDs that a named component or device-tree master has by itself, in the order in which Linux adds them.
///
/// requester: its index, see fwspec_find(). out: an array of capacity places; may be NULL where capacity is 0.
///
/// count: receives the number of places written. As many as capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_streams_of(
    map: Option<&fwspec_map>,
    requester: u32,
    out: *mut fwspec_stream,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let fwspec = map.map.fwspec(RequesterIndex(requester).into()).fwspec.ok_or(FWSPEC_NO_MAPPING)?;
        let streams = streams(&fwspec, |iommu| map.iommu_node(iommu));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, streams) }
    })
}

/// The DeviceIDs that a named component or device-tree master has by itself. Arguments as for fwspec_streams_of().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_device_ids_of(
    map: Option<&fwspec_map>,
    requester: u32,
    out: *mut u32,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let requests = map.map.device_ids_of(RequesterIndex(requester));
        if requests.is_empty() {
            return Err(FWSPEC_NO_MAPPING);
        }
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, requests.iter().map(|request| request.id.0)) }
    })
}

/// Finds requesters by name: a device-tree path or alias, an ACPI namespace path, or a place such as "IORT+0x8c".
///
/// name: NUL-terminated UTF-8. nth: 0 for the first of that name, 1 for the second. A device-tree node with both iommus and
/// iommu-map is two requesters.
///
/// requester: receives the index that the other functions take.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_find(
    map: Option<&fwspec_map>,
    name: *const c_char,
    nth: usize,
    requester: Option<&mut MaybeUninit<u32>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        // SAFETY: the caller's name is a string or NULL, and is not used past this call.
        let name = unsafe { edge::text(name) }?;
        edge::put(requester, || {
            map.firmware.requesters_named(name).get(nth).map(|found| found.0).ok_or(FWSPEC_NOT_FOUND)
        })
    })
}

/// The streams of a record, as C sees them.
pub(super) fn streams(
    fwspec: &Fwspec,
    node_of: impl Fn(IommuIndex) -> u64,
) -> impl Iterator<Item = fwspec_stream> {
    fwspec.ids.iter().map(move |stream| stream_to_c(*stream, fwspec.flags, node_of(stream.iommu)))
}

pub(super) fn function(segment: u16, rid: u16) -> Bdf {
    Bdf { segment: Segment(u32::from(segment)), rid: RequesterId(rid) }
}

fn stream_to_c(stream: Stream, flags: FwspecFlags, iommu: u64) -> fwspec_stream {
    let no_id = if stream.id.is_none() { FWSPEC_STREAM_NO_ID } else { 0 };
    fwspec_stream { iommu, id: stream.fwspec_id().unwrap_or(0), flags: flags.bits() | no_id }
}

impl fwspec_map {
    /// The one stream of a record that was made of one id.
    fn single(&self, fwspec: Option<Fwspec>) -> Result<fwspec_stream, c_int> {
        let fwspec = fwspec.ok_or(FWSPEC_NO_MAPPING)?;
        // An IOMMU that does not tell its masters apart gives a record without ids.
        let stream = fwspec.ids.first().copied().unwrap_or(Stream { iommu: fwspec.iommu, id: None, mask: 0 });
        Ok(stream_to_c(stream, fwspec.flags, self.iommu_node(stream.iommu)))
    }
}
