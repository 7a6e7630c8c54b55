//! Findings: what is wrong, risky or odd in firmware.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use super::edge;
use super::open::fwspec_map;
use super::place::place;
use super::types::*;
use fwspec::lint::Severity;

/// Finds what is wrong, risky or odd in the firmware of a handle; each call checks again.
///
/// out: room for capacity findings, in the order of the firmware; may be NULL where capacity is 0. count: receives how many were
/// written; where that is capacity, there may be more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_findings(
    map: Option<&fwspec_map>,
    out: *mut fwspec_finding,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    edge::answer(|| {
        let map = map.ok_or(FWSPEC_ARGUMENT)?;
        let findings = fwspec::answer::findings(&map.firmware);
        let findings = findings.iter().map(|finding| fwspec_finding {
            offset: place(finding.at),
            length: finding.len,
            severity: match finding.severity {
                Severity::Info => FWSPEC_SEVERITY_INFO,
                Severity::Warn => FWSPEC_SEVERITY_WARN,
                Severity::Error => FWSPEC_SEVERITY_ERROR,
            },
            code: edge::message(finding.code.rule().id),
            message: edge::message(&finding.message),
        });
        // SAFETY: the caller's array has `capacity` places.
        unsafe { edge::fill(out, capacity, count, findings) }
    })
}
