//! Which StreamID does the DMA of this requester ID carry? Answered from an IORT held in a static, without std and without
//! an allocator.
#![no_std]

use fwspec::acpi::iort::{Iort, Wanted, resolve_function};
use fwspec::{Bdf, Dialect, RequesterId, Segment};

static IORT: &[u8] = include_bytes!("../../../../firmware-samples/qemu-virt-acpi/iort.bin");

/// The StreamID of a requester ID on segment 0; -1 where it has none.
#[unsafe(no_mangle)]
pub extern "C" fn stream_of(rid: u16) -> i64 {
    let function = Bdf { segment: Segment(0), rid: RequesterId(rid) };
    let stream = Iort::parse(IORT)
        .and_then(|iort| resolve_function(&iort, Dialect::LINUX, function, Wanted::Iommu));
    stream.ok().flatten().map_or(-1, |stream| i64::from(stream.id))
}

#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
