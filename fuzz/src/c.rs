//! The C API, as a C program would use it: every function, with arrays that are too small and with none.
// SAFETY of all blocks: what is passed lives during the call and has the room that is told, and what is taken out was written.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use fwspec_capi::*;

use super::words::Words;

/// Requesters, IOMMUs and devices that are asked for.
const ENOUGH: u32 = 16;

/// A status that the header promises. That a panic was caught is none.
fn promised(status: c_int) -> c_int {
    assert!((FWSPEC_OK..=FWSPEC_BUS).contains(&status), "status {status}");
    status
}

/// Calls a function that fills an array: with no room, with little and with some. Each writes no more than it was given.
fn filled<T: Copy>(
    empty: T,
    fill: impl Fn(*mut T, usize, Option<&mut MaybeUninit<usize>>) -> c_int,
) -> Vec<T> {
    let mut found = Vec::new();
    for capacity in [0, 1, 7] {
        let mut array = vec![empty; capacity];
        let mut count = MaybeUninit::new(0);
        let out = if capacity == 0 { null_mut() } else { array.as_mut_ptr() };
        if promised(fill(out, capacity, Some(&mut count))) == FWSPEC_OK {
            let count = unsafe { count.assume_init() };
            assert!(count <= capacity, "{count} of {capacity}");
            found = array[..count].to_vec();
        }
    }
    found
}

/// The first byte chooses the dialect, the second how long the name or listing behind them is; what follows is the firmware.
pub fn capi_open(bytes: &[u8]) {
    let mut words = Words(bytes);
    let (dialect, length) = (u32::from(words.byte() % 7), usize::from(words.byte()));
    let (text, blob) = words.0.split_at(length.min(words.0.len()));
    let mut error = MaybeUninit::zeroed();
    let mut map = MaybeUninit::uninit();
    let status = unsafe {
        fwspec_open(blob.as_ptr().cast::<c_void>(), blob.len(), dialect, Some(&mut map), Some(&mut error))
    };
    let opened = promised(status) == FWSPEC_OK;
    let map = opened.then(|| unsafe { map.assume_init() });
    if let Some(map) = &map {
        ask(map, text);
    }
    group(map.as_deref(), text, &mut words);
    fwspec_close(map);
}

fn ask(map: &fwspec_map, text: &[u8]) {
    let map = Some(map);
    for at in 0..ENOUGH {
        promised(fwspec_iommu_at(map, at, Some(&mut MaybeUninit::uninit())));
        promised(fwspec_skipped_at(map, at, Some(&mut MaybeUninit::uninit())));
        promised(fwspec_reserved_at(map, at, Some(&mut MaybeUninit::uninit())));
        let mut requester = MaybeUninit::<fwspec_requester>::uninit();
        if promised(fwspec_requester_at(map, at, Some(&mut requester))) == FWSPEC_OK {
            let requester = unsafe { requester.assume_init() };
            label(map, requester.node);
        }
        let (empty, nothing) = (
            fwspec_range { target: 0, first: 0, last: 0, output: 0, flags: 0 },
            fwspec_stream { iommu: 0, id: 0, flags: 0 },
        );
        for range in filled(empty, |out, room, count| unsafe {
            fwspec_stream_ranges(map, at, 0xffff, out, room, count)
        }) {
            assert!(range.first <= range.last && range.last <= 0xffff, "{range:?}");
            promised(fwspec_stream_from(map, at, range.first, Some(&mut MaybeUninit::uninit())));
        }
        filled(empty, |out, room, count| unsafe { fwspec_device_ranges(map, at, 0xffff, out, room, count) });
        filled(nothing, |out, room, count| unsafe { fwspec_streams_of(map, at, out, room, count) });
        filled(0, |out, room, count| unsafe { fwspec_device_ids_of(map, at, out, room, count) });
        let span = fwspec_span { iommu: 0, first: 0, last: 0 };
        filled(span, |out, room, count| unsafe { fwspec_reserved_streams(map, at, out, room, count) });
    }
    for rid in [0, 8, 0x100, 0xffff] {
        promised(fwspec_stream_of(map, 0, rid, Some(&mut MaybeUninit::uninit())));
        promised(fwspec_device_id_of(map, 0, rid, Some(&mut MaybeUninit::uninit())));
    }
    let finding = unsafe { MaybeUninit::<fwspec_finding>::zeroed().assume_init() };
    filled(finding, |out, room, count| unsafe { fwspec_findings(map, out, room, count) });
    let Ok(name) = CString::new(text) else { return };
    unsafe {
        promised(fwspec_find(map, name.as_ptr(), 0, Some(&mut MaybeUninit::uninit())));
        assert_eq!(fwspec_find(map, null(), 0, None), FWSPEC_ARGUMENT);
    }
}

/// The length is told even where the text is cut, and what is written ends with NUL.
fn label(map: Option<&fwspec_map>, node: u64) {
    for room in [0, 1, 8] {
        let mut text: [c_char; 8] = [1; 8];
        let mut length = MaybeUninit::new(0);
        let out = if room == 0 { null_mut() } else { text.as_mut_ptr() };
        let status = promised(unsafe { fwspec_label(map, node, out, room, Some(&mut length)) });
        let length = unsafe { length.assume_init() };
        if status == FWSPEC_OK && room > 0 {
            assert_eq!(text[length.min(room - 1)], 0, "{length} of {room}");
            assert!(text[room..].iter().all(|char| *char == 1));
        }
    }
}

fn group(map: Option<&fwspec_map>, text: &[u8], words: &mut Words<'_>) {
    let mut groups = MaybeUninit::uninit();
    assert_eq!(fwspec_groups_new(map, Some(&mut groups)), FWSPEC_OK);
    let mut groups = unsafe { groups.assume_init() };
    let mut error = MaybeUninit::zeroed();
    promised(unsafe {
        fwspec_groups_add_lspci(
            Some(&mut groups),
            text.as_ptr().cast::<c_void>(),
            text.len(),
            Some(&mut error),
        )
    });
    let device = |words: &mut Words<'_>| {
        let (kind, place) = (u32::from(words.byte() % 4), u32::from(words.byte() % 4));
        fwspec_device { kind, place, id: words.id() }
    };
    for turn in 0..4 {
        let added = device(words);
        // Every other one as what another device sends as.
        let proxy = (turn % 2 == 1).then(|| device(words));
        let config = &words.0[..words.0.len().min(256)];
        let (start, length) = (config.as_ptr().cast::<c_void>(), config.len());
        let (groups, error) = (Some(&mut *groups), Some(&mut error));
        let placement = Some(&mut MaybeUninit::uninit());
        promised(unsafe {
            match proxy {
                Some(proxy) => fwspec_groups_add_as(groups, added, proxy, start, length, placement, error),
                None => fwspec_groups_add(groups, added, start, length, placement, error),
            }
        });
    }
    promised(fwspec_groups_settle(Some(&mut groups)));
    let none = fwspec_device { kind: 0, place: 0, id: 0 };
    let devices =
        filled(none, |out, room, count| unsafe { fwspec_groups_devices(Some(&groups), out, room, count) });
    for pair in devices.windows(2) {
        let mut placement = MaybeUninit::<fwspec_placement>::uninit();
        if promised(fwspec_group_of(Some(&groups), pair[0], Some(&mut placement))) == FWSPEC_OK {
            let group = unsafe { placement.assume_init() }.group;
            filled(none, |out, room, count| unsafe {
                fwspec_group_members(Some(&groups), group, out, room, count)
            });
        }
        let (reason, stream) = (
            unsafe { MaybeUninit::<fwspec_reason>::zeroed().assume_init() },
            fwspec_stream { iommu: 0, id: 0, flags: 0 },
        );
        filled(reason, |out, room, count| unsafe {
            fwspec_why(Some(&groups), pair[0], pair[1], out, room, count)
        });
        let blocker = unsafe { MaybeUninit::<fwspec_blocker>::zeroed().assume_init() };
        filled(blocker, |out, room, count| unsafe {
            fwspec_blockers(Some(&groups), pair[0], out, room, count)
        });
        let mut assignable = MaybeUninit::<fwspec_assignable>::uninit();
        if promised(fwspec_groups_assignable(Some(&groups), map, pair[0], Some(&mut assignable))) == FWSPEC_OK
        {
            let assignable = unsafe { assignable.assume_init() };
            assert!(assignable.verdict <= FWSPEC_ASSIGN_NO_GROUP, "{assignable:?}");
        }
        promised(fwspec_groups_ats(Some(&groups), map, pair[0], Some(&mut MaybeUninit::uninit())));
        let mut msi = MaybeUninit::<fwspec_msi>::uninit();
        if promised(fwspec_groups_msi(Some(&groups), pair[0], Some(&mut msi))) == FWSPEC_OK {
            label(map, unsafe { msi.assume_init() }.controller);
        }
        filled(stream, |out, room, count| unsafe {
            fwspec_groups_streams(Some(&groups), pair[0], out, room, count)
        });
    }
    for device in devices {
        promised(fwspec_groups_remove(Some(&mut groups), device));
    }
    fwspec_groups_close(Some(groups));
}
