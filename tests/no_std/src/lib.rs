//! A program without std, as firmware would be, around the tier that its features name.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Something of the library that is linked in.
#[unsafe(no_mangle)]
pub extern "C" fn requester_id(bus: u8, device: u8, function: u8) -> u16 {
    fwspec::RequesterId::new(bus, device, function).0
}

#[cfg(feature = "alloc")]
mod heap {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::null_mut;

    /// A heap that is always full: it is linked, never used.
    struct Full;

    // SAFETY: null says that there is no memory, and without memory there is nothing to free.
    unsafe impl GlobalAlloc for Full {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static HEAP: Full = Full;

    /// Something of the library that allocates.
    #[unsafe(no_mangle)]
    pub extern "C" fn functions_in_nothing() -> bool {
        fwspec::machine::lspci::parse(&[]).is_ok()
    }
}
