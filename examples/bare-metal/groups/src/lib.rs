//! IOMMU groups in the moment a device is added to its bus, without std. The allocator here only ever hands out: a kernel
//! brings its own.
#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use fwspec::acpi::iort::Iort;
use fwspec::{AcsFlags, Bdf, Device, Dialect, Groups, IdMap, Segment};

static IORT: &[u8] = include_bytes!("../../../../firmware-samples/qemu-virt-acpi/iort.bin");

/// Adds two root ports, one of which isolates, and two functions below each; returns in how many groups they are, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn groups_after_boot() -> i32 {
    boot().unwrap_or(-1)
}

fn boot() -> Option<i32> {
    let map = IdMap::build(&Iort::parse(IORT).ok()?.platform(), Dialect::LINUX);
    let mut groups = Groups::new(map);
    let function = |bus, device, function| Bdf::new(Segment(0), bus, device, function);
    let devices = [
        Device::root_port(function(0, 1, 0), 1..=1).acs(AcsFlags::ISOLATED),
        Device::root_port(function(0, 2, 0), 2..=2),
        Device::endpoint(function(1, 0, 0)).multifunction(),
        Device::endpoint(function(1, 0, 1)).multifunction(),
        Device::endpoint(function(2, 0, 0)),
    ];
    for device in devices {
        // The group is settled here, before any driver looks at the device.
        groups.add(device).ok()?.group?;
    }
    i32::try_from(groups.groups().count()).ok()
}

/// Memory that is handed out from one end to the other and never taken back.
struct Arena {
    memory: UnsafeCell<[u64; Arena::WORDS]>,
    used: AtomicUsize,
}

impl Arena {
    const WORDS: usize = 8192;
}

// SAFETY: one core runs this program, and nothing interrupts it; a kernel would lock.
unsafe impl Sync for Arena {}

// SAFETY: what is handed out lies in `memory`, is aligned, and is never handed out again.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.used.load(Ordering::Relaxed).next_multiple_of(layout.align());
        let end = start.saturating_add(layout.size());
        if layout.align() > align_of::<u64>() || end > size_of::<[u64; Arena::WORDS]>() {
            return null_mut();
        }
        self.used.store(end, Ordering::Relaxed);
        // SAFETY: `start` lies within the arena.
        unsafe { self.memory.get().cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Arena = Arena { memory: UnsafeCell::new([0; Arena::WORDS]), used: AtomicUsize::new(0) };

#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
