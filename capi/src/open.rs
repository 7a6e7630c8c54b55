//! Handles of firmware.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;

use super::edge;
use super::place::{node, place};
use super::status::text_of;
use super::types::*;
use fwspec::machine::Firmware;
use fwspec::model::{Origin, ReservedIndex};
use fwspec::{Dialect, IdMap, IommuIndex, MsiControllerIndex};

/// Firmware that was read: its facts, and the answers of one dialect.
///
/// Nothing changes it after fwspec_open(), so several threads may ask one handle at a time.
#[derive(Debug)]
pub struct fwspec_map {
    pub(super) firmware: Firmware,
    pub(super) map: IdMap,
    /// Every node that has a name, ascending by its place.
    pub(super) nodes: Vec<Origin>,
    /// Record and number of every reserved region, so that one number finds it.
    pub(super) regions: Vec<(ReservedIndex, usize)>,
}

// The header states the version of its package.
const _: () = {
    const fn is(text: &str, number: u32) -> bool {
        match u32::from_str_radix(text, 10) {
            Ok(stated) => stated == number,
            Err(_) => false,
        }
    }
    assert!(is(env!("CARGO_PKG_VERSION_MAJOR"), FWSPEC_VERSION_MAJOR));
    assert!(is(env!("CARGO_PKG_VERSION_MINOR"), FWSPEC_VERSION_MINOR));
    assert!(is(env!("CARGO_PKG_VERSION_PATCH"), FWSPEC_VERSION_PATCH));
};

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<fwspec_map>();
};

/// Reads a device tree blob or ACPI tables, told apart by their content: an IORT, a RIMT or a VIOT, alone or one after the
/// other, with the MCFG and the MADT of the machine among them or not; or the text of acpidump.
///
/// blob: len bytes; needed during this call only, the handle keeps its own copy. len may exceed the length that the blob
/// itself gives, as a mapping of whole pages does.
///
/// dialect: one of the FWSPEC_DIALECT_ values: whose reading of the firmware counts.
///
/// out: receives the handle, to be freed with fwspec_close().
///
/// err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the blob as a whole cannot be read; FWSPEC_ARGUMENT where blob or out is NULL
/// or the dialect is unknown. A record that cannot be read costs that record only: see fwspec_skipped_at().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwspec_open(
    blob: *const c_void,
    len: usize,
    dialect: u32,
    out: Option<&mut MaybeUninit<Box<fwspec_map>>>,
    err: Option<&mut MaybeUninit<fwspec_error>>,
) -> c_int {
    edge::explain(err, || {
        let out = out.ok_or(FWSPEC_ARGUMENT)?;
        let dialect = dialect_of(dialect).ok_or(FWSPEC_ARGUMENT)?;
        // SAFETY: the caller's blob has `len` bytes or is NULL; the slice does not leave this call.
        let blob = unsafe { edge::bytes(blob, len) }?;
        let firmware = Firmware::open("", blob.to_vec())?;
        let map = IdMap::build(&firmware.platform, dialect);
        out.write(Box::new(fwspec_map::new(firmware, map)));
        Ok(())
    })
}

/// Frees a handle. NULL is fine. Groups made from it stay as they are.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_close(map: Option<Box<fwspec_map>>) {
    _ = edge::answer(|| {
        drop(map);
        Ok(())
    });
}

/// Says what a status means, in English. The string is static; it is never NULL, whatever the status.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_strerror(status: c_int) -> *const c_char {
    text_of(status).as_ptr()
}

/// The version of the library, such as "0.1.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn fwspec_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"unknown",
        };
    VERSION.as_ptr()
}

impl fwspec_map {
    fn new(firmware: Firmware, map: IdMap) -> Self {
        let platform = &firmware.platform;
        let iommus = platform.iommus.iter().map(|iommu| iommu.origin);
        let controllers = platform.msi_controllers.iter().map(|controller| controller.origin);
        let requesters = platform.requesters.iter().map(|requester| requester.origin);
        let reserved = platform.reserved.iter().map(|reserved| reserved.origin);
        let mut nodes: Vec<Origin> = iommus.chain(controllers).chain(requesters).chain(reserved).collect();
        nodes.sort_unstable_by_key(|origin| place(origin.at));
        nodes.dedup();
        let regions = ReservedIndex::number(&platform.reserved)
            .flat_map(|(record, reserved)| (0..reserved.regions.len()).map(move |region| (record, region)));
        let regions = regions.collect();
        fwspec_map { firmware, map, nodes, regions }
    }

    /// The node of an IOMMU.
    pub(super) fn iommu_node(&self, iommu: IommuIndex) -> u64 {
        node(self.map.iommu(iommu).map(|iommu| iommu.origin))
    }

    /// The node of an MSI controller.
    pub(super) fn controller_node(&self, controller: MsiControllerIndex) -> u64 {
        node(self.map.controller(controller).map(|controller| controller.origin))
    }
}

fn dialect_of(number: u32) -> Option<Dialect> {
    Some(match number {
        FWSPEC_DIALECT_LINUX => Dialect::LINUX,
        FWSPEC_DIALECT_SPEC => Dialect::SPEC,
        FWSPEC_DIALECT_LINUX_CLASSIC => Dialect::LINUX_CLASSIC,
        FWSPEC_DIALECT_LINUX_2020 => Dialect::LINUX_2020,
        FWSPEC_DIALECT_FREEBSD => Dialect::FREEBSD,
        FWSPEC_DIALECT_OPENBSD => Dialect::OPENBSD,
        _ => return None,
    })
}
