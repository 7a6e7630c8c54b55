//! An IORT as UEFI hands it out (EFI_ACPI_SDT_PROTOCOL.GetAcpiTable, or a walk from the configuration table): a pointer and
//! the length of what is mapped. Nothing in the table is believed, its own length included. No std, no allocator.
#![no_std]

use fwspec::acpi::iort::{Iort, Wanted, resolve_function};
use fwspec::{Bdf, Dialect, Error, RequesterId, Segment};

/// Statuses of UEFI (UEFI 2.10 appendix D): the highest bit says that it is an error.
const SUCCESS: usize = 0;
const INVALID_PARAMETER: usize = error(2);
const NOT_FOUND: usize = error(14);
const CRC_ERROR: usize = error(27);

const fn error(number: usize) -> usize {
    number | 1 << (usize::BITS - 1)
}

/// Writes the StreamID of a requester ID to `stream`.
///
/// # Safety
/// `table` is NULL or leads to `length` readable bytes, and `stream` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "efiapi" fn stream_of(
    table: *const u8,
    length: usize,
    rid: u16,
    stream: *mut u32,
) -> usize {
    if table.is_null() || stream.is_null() || isize::try_from(length).is_err() {
        return INVALID_PARAMETER;
    }
    // SAFETY: not NULL, and readable by this function's contract.
    let table = unsafe { core::slice::from_raw_parts(table, length) };
    match lookup(table, rid) {
        Err(_) => CRC_ERROR,
        Ok(None) => NOT_FOUND,
        Ok(Some(id)) => {
            // SAFETY: not NULL, and writable by this function's contract.
            unsafe { stream.write(id) };
            SUCCESS
        }
    }
}

fn lookup(table: &[u8], rid: u16) -> Result<Option<u32>, Error> {
    let iort = Iort::parse(table)?;
    if let Some(error) = iort.sdt().checksum_error() {
        return Err(error);
    }
    let function = Bdf { segment: Segment(0), rid: RequesterId(rid) };
    Ok(resolve_function(&iort, Dialect::SPEC, function, Wanted::Iommu)?.map(|found| found.id))
}

#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
