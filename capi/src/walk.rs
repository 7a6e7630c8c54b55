//! Everything that the firmware says, one thing after the other.

use core::ffi::{c_char, c_int};
use core::fmt::Write;
use core::mem::MaybeUninit;

use super::edge::{self, Refusal};
use super::open::fwspec_map;
use super::place::{node, place};
use super::types::*;
use fwspec::map::{InputRange, RangeOutput};
use fwspec::model::{BusKind, Iommu, RegionKind, Requester, RequesterKind};
use fwspec::{Error, IommuIndex, IommuKind, RequesterIndex};

/// The IOMMU at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_iommu_at(
    map: Option<&fwspec_map>,
    at: u32,
    out: Option<&mut MaybeUninit<fwspec_iommu>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let iommu = map.firmware.platform.iommu(IommuIndex(at));
        edge::put(out, || iommu.map(iommu_to_c).ok_or(FWSPEC_NOT_FOUND))
    })
}

/// The requester at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_requester_at(
    map: Option<&fwspec_map>,
    at: u32,
    out: Option<&mut MaybeUninit<fwspec_requester>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let requester = map.firmware.platform.requester(RequesterIndex(at));
        edge::put(out, || requester.map(requester_to_c).ok_or(FWSPEC_NOT_FOUND))
    })
}

/// What the ids on the bus of a requester become at its IOMMUs. Ids that bypass every IOMMU are not listed.
///
/// requester: its index. last: the highest input id of interest, 0xffff for a PCI host.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, also where there are none and for an index without a requester, or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_stream_ranges(
    map: Option<&fwspec_map>,
    requester: u32,
    last: u32,
    out: *mut fwspec_range,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let ranges =
            map.map.stream_ranges(RequesterIndex(requester), last).map(|range| range_to_c(map, &range));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, ranges) }
    })
}

/// What the ids on the bus of a requester become at its MSI controllers. Arguments and statuses as for
/// fwspec_stream_ranges(). Two maps are composed here, so there can be many more ranges than the firmware has entries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_device_ranges(
    map: Option<&fwspec_map>,
    requester: u32,
    last: u32,
    out: *mut fwspec_range,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let ranges =
            map.map.device_ranges(RequesterIndex(requester), last).map(|range| range_to_c(map, &range));
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, ranges) }
    })
}

/// The reserved region at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_reserved_at(
    map: Option<&fwspec_map>,
    at: u32,
    out: Option<&mut MaybeUninit<fwspec_reserved>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        edge::put(out, || map.region(at).ok_or(FWSPEC_NOT_FOUND))
    })
}

/// The StreamIDs that the reserved region at an index is for; none where it is for a requester.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_reserved_streams(
    map: Option<&fwspec_map>,
    at: u32,
    out: *mut fwspec_span,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let (record, _) = map.regions.get(at as usize).ok_or(FWSPEC_NOT_FOUND)?;
        let record = map.firmware.platform.reserved(*record).ok_or(FWSPEC_NOT_FOUND)?;
        let spans = record.streams.iter().map(|range| fwspec_span {
            iommu: map.iommu_node(range.iommu),
            first: range.first.0,
            last: range.last.0,
        });
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, spans) }
    })
}

/// The record at an index among those that could not be read or used; everything else was read anyway. Walk from 0 on
/// until FWSPEC_NOT_FOUND.
///
/// out: receives what is wrong with it, and where; its status is FWSPEC_UNREADABLE.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_skipped_at(
    map: Option<&fwspec_map>,
    at: u32,
    out: Option<&mut MaybeUninit<fwspec_error>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let skipped: Option<Error> = map.firmware.platform.skipped.get(at as usize).copied();
        edge::put(out, || skipped.map(|error| Refusal::from(error).into()).ok_or(FWSPEC_NOT_FOUND))
    })
}

/// What people call a node: its device-tree path, or its ACPI table and offset, "IORT+0x48".
///
/// node: as the structs have it.
///
/// text: room for capacity bytes, NUL-terminated on return and cut off where it does not fit; may be NULL where capacity is 0.
/// length: receives the length of the whole name, without the NUL; may be NULL.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_label(
    map: Option<&fwspec_map>,
    node: u64,
    text: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let found = map.nodes.binary_search_by_key(&node, |origin| place(origin.at));
        let origin = found.ok().and_then(|at| map.nodes.get(at)).ok_or(FWSPEC_NOT_FOUND)?;
        let mut label = String::new();
        _ = write!(label, "{}", map.map.label(*origin));
        // A NUL after what fits, and nothing at all where there is no room for it.
        let kept = label.bytes().take(capacity.saturating_sub(1)).chain([0]);
        let mut written = MaybeUninit::uninit();
        // SAFETY: the caller's buffer has `capacity` bytes.
        unsafe { edge::fill(text, capacity, Some(&mut written), kept.map(|b| c_char::from_ne_bytes([b]))) }?;
        if let Some(length) = length {
            length.write(label.len());
        }
        Ok(())
    })
}

fn iommu_to_c(iommu: &Iommu) -> fwspec_iommu {
    let kind = match iommu.kind {
        IommuKind::SmmuV2(_) => FWSPEC_IOMMU_SMMU_V2,
        IommuKind::SmmuV3 { .. } => FWSPEC_IOMMU_SMMU_V3,
        IommuKind::RiscV => FWSPEC_IOMMU_RISCV,
        IommuKind::Virtio => FWSPEC_IOMMU_VIRTIO,
        IommuKind::VtD => FWSPEC_IOMMU_VT_D,
        IommuKind::AmdVi => FWSPEC_IOMMU_AMD_VI,
        IommuKind::Other(_) => FWSPEC_IOMMU_OTHER,
        IommuKind::Unknown => FWSPEC_IOMMU_UNKNOWN,
    };
    let flags = [(iommu.available, FWSPEC_IOMMU_AVAILABLE), (iommu.base.is_some(), FWSPEC_IOMMU_HAS_BASE)];
    fwspec_iommu { node: node(Some(iommu.origin)), base: iommu.base.unwrap_or(0), kind, flags: bits(&flags) }
}

fn requester_to_c(requester: &Requester) -> fwspec_requester {
    let plain = fwspec_requester {
        node: node(Some(requester.origin)),
        address_bits: requester.address_bits.map_or(0, u32::from),
        flags: bits(&[(requester.available, FWSPEC_REQUESTER_AVAILABLE)]),
        ..fwspec_requester::default()
    };
    let kind = match &requester.kind {
        RequesterKind::Bus(bus) => match bus.kind {
            BusKind::Pci { segment, assumed, first_bus, last_bus } => {
                let flags = [(bus.ats, FWSPEC_REQUESTER_ATS), (assumed, FWSPEC_REQUESTER_SEGMENT_ASSUMED)];
                return fwspec_requester {
                    kind: FWSPEC_REQUESTER_PCI,
                    flags: plain.flags | bits(&flags),
                    segment: segment.0,
                    first_bus: u32::from(first_bus),
                    last_bus: u32::from(last_bus),
                    ..plain
                };
            }
            BusKind::Other => FWSPEC_REQUESTER_BUS,
        },
        RequesterKind::Component(_) => FWSPEC_REQUESTER_COMPONENT,
        RequesterKind::Master(_) => FWSPEC_REQUESTER_MASTER,
        RequesterKind::WireBridge(_) => FWSPEC_REQUESTER_WIRE_BRIDGE,
        RequesterKind::MsiOnly { .. } => FWSPEC_REQUESTER_MSI_ONLY,
    };
    fwspec_requester { kind, ..plain }
}

fn range_to_c(map: &fwspec_map, range: &InputRange) -> fwspec_range {
    let InputRange { first, last, output } = *range;
    let constant_flag = |constant| bits(&[(constant, FWSPEC_RANGE_CONSTANT)]);
    let (target, output, flags) = match output {
        RangeOutput::Stream { first, constant, .. } => {
            let no_id = bits(&[(first.id.is_none(), FWSPEC_RANGE_NO_ID)]);
            let id = first.fwspec_id().unwrap_or(0);
            (map.iommu_node(first.iommu), id, constant_flag(constant) | no_id)
        }
        RangeOutput::Msi { first, constant } => {
            (map.controller_node(first.controller), first.id.0, constant_flag(constant))
        }
        RangeOutput::Errno(errno) => (0, errno.number(), FWSPEC_RANGE_ERRNO),
        RangeOutput::NeedsTopology => (0, 0, FWSPEC_RANGE_NEEDS_TOPOLOGY),
    };
    fwspec_range { target, first, last, output, flags }
}

impl fwspec_map {
    fn region(&self, at: u32) -> Option<fwspec_reserved> {
        let (record, region) = self.regions.get(at as usize)?;
        let record = self.firmware.platform.reserved(*record)?;
        let region = record.regions.get(*region)?;
        let kind = match record.kind {
            RegionKind::Direct => FWSPEC_RESERVED_DIRECT,
            RegionKind::DirectRelaxable => FWSPEC_RESERVED_DIRECT_RELAXABLE,
            RegionKind::Reserved => FWSPEC_RESERVED_BLOCKED,
            RegionKind::Msi => FWSPEC_RESERVED_MSI,
            RegionKind::SoftwareMsi => FWSPEC_RESERVED_SW_MSI,
        };
        let protection = [
            (record.protection.privileged, FWSPEC_RESERVED_PRIVILEGED),
            (record.protection.mmio, FWSPEC_RESERVED_MMIO),
            (record.protection.cacheable, FWSPEC_RESERVED_CACHEABLE),
        ];
        Some(fwspec_reserved {
            node: node(Some(record.origin)),
            base: region.base,
            length: region.length,
            kind,
            flags: bits(&protection),
            requester: record.requester.map_or(FWSPEC_NO_REQUESTER, |requester| requester.0),
            streams: u32::try_from(record.streams.len()).unwrap_or(u32::MAX),
        })
    }
}

fn bits(flags: &[(bool, u32)]) -> u32 {
    flags.iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit)
}
