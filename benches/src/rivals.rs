//! The same work as others do it: libfdt and kernel-shaped searches in C, `fdt` in Rust.

use std::os::raw::c_void;

unsafe extern "C" {
    fn scan_all(map: *const u8, entries: usize, ids: *const u32, count: usize) -> u64;
    fn dmar_scan_all(table: *const u8, length: usize, ids: *const u32, count: usize) -> u64;
    fn ivrs_scan_all(table: *const u8, length: usize, ids: *const u32, count: usize) -> u64;
    fn groups_packed(all: *mut PciDevice, count: u32, step: u32) -> u32;
    fn groups_listed(all: *mut PciDevice, count: u32, step: u32) -> u32;
}

#[cfg(libfdt)]
unsafe extern "C" {
    fn libfdt_walk(fdt: *const c_void) -> u64;
    fn libfdt_resolve(fdt: *const c_void) -> u64;
}

/// Why libfdt takes no part, if it does not.
pub const NO_LIBFDT: Option<&str> = if cfg!(libfdt) { None } else { Some("no libfdt-dev here") };

/// Nodes, properties and bytes of values of a device tree that can be trusted.
pub fn walk_with_libfdt(blob: &[u8]) -> Option<u64> {
    with_libfdt(blob, Libfdt::Walk)
}

/// Entries of `iommus`, and of `iommu-map` read with four cells an entry, that lead to an IOMMU, in a device tree that can be trusted.
pub fn resolve_with_libfdt(blob: &[u8]) -> Option<u64> {
    with_libfdt(blob, Libfdt::Resolve)
}

enum Libfdt {
    Walk,
    Resolve,
}

#[cfg(libfdt)]
fn with_libfdt(blob: &[u8], work: Libfdt) -> Option<u64> {
    assert_eq!(blob.as_ptr().align_offset(8), 0, "libfdt wants its blob aligned");
    let blob = blob.as_ptr().cast::<c_void>();
    // SAFETY: the blob is a device tree that our own walk accepts, whole and aligned, and outlives the call.
    Some(unsafe {
        match work {
            Libfdt::Walk => libfdt_walk(blob),
            Libfdt::Resolve => libfdt_resolve(blob),
        }
    })
}

#[cfg(not(libfdt))]
fn with_libfdt(_: &[u8], _: Libfdt) -> Option<u64> {
    let _: *const c_void = std::ptr::null();
    None
}

/// As [`walk_with_libfdt`].
pub fn walk_with_fdt(blob: &[u8]) -> u64 {
    let tree = fdt::Fdt::new(blob).unwrap();
    tree.all_nodes()
        .map(|node| 1 + node.properties().map(|property| 1 + property.value.len() as u64).sum::<u64>())
        .sum()
}

/// As [`resolve_with_libfdt`].
pub fn resolve_with_fdt(blob: &[u8]) -> u64 {
    let tree = fdt::Fdt::new(blob).unwrap();
    let cell = |cells: &[u8], at: usize| {
        cells.get(4 * at..4 * at + 4).map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
    };
    let specifier_cells = |phandle| {
        let iommu = tree.find_phandle(phandle)?;
        cell(iommu.property("#iommu-cells")?.value, 0).map(|cells| cells as usize)
    };
    let mut found = 0;
    for node in tree.all_nodes() {
        let (mut iommus, mut at) = (node.property("iommus"), 0);
        while let Some(property) = iommus {
            let count = cell(property.value, at).and_then(specifier_cells);
            iommus = iommus.filter(|_| count.is_some());
            (found, at) = (found + u64::from(count.is_some()), at + 1 + count.unwrap_or(0));
        }
        let map = node.property("iommu-map").map_or(&[][..], |property| property.value);
        found += map.chunks_exact(16).filter_map(|entry| specifier_cells(cell(entry, 1)?)).count() as u64;
    }
    found
}

/// Looks up every id in big-endian `iommu-map` entries of four cells; the sum of what is found.
pub fn scan(map: &[u8], ids: &[u32]) -> u64 {
    // SAFETY: the C code reads `map.len() / 16` entries and `ids.len()` ids, which are there.
    unsafe { scan_all(map.as_ptr(), map.len() / 16, ids.as_ptr(), ids.len()) }
}

/// The units, counted from 1, of functions by the scopes of a DMAR, each of one hop; the sum of them. The upper half of an id is its segment.
pub fn scan_dmar(table: &[u8], ids: &[u32]) -> u64 {
    // SAFETY: the C code stays inside of the table, whose lengths are right, and reads `ids.len()` ids.
    unsafe { dmar_scan_all(table.as_ptr(), table.len(), ids.as_ptr(), ids.len()) }
}

/// As [`scan_dmar`], by entries of an IVRS that select one function each.
pub fn scan_ivrs(table: &[u8], ids: &[u32]) -> u64 {
    // SAFETY: as above.
    unsafe { ivrs_scan_all(table.as_ptr(), table.len(), ids.as_ptr(), ids.len()) }
}

/// A PCI function as rivals/groups.c keeps it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PciDevice {
    /// Number of its bus over all segments.
    pub bus: u32,
    /// Index of the bridge above; `u32::MAX` for none.
    pub bridge: u32,
    /// Set by the search.
    pub group: u32,
    pub devfn: u8,
    pub multifunction: u8,
    pub isolates: u8,
    /// The `devfn` that it poses as; its own for none.
    pub alias: u8,
    /// It is a bridge that adds an alias.
    pub tags: u8,
}

/// How the searched devices lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An array, 20 bytes a device.
    Packed,
    /// As in Linux: a list, 2 KiB a device, references counted under a lock.
    Listed,
}

/// Adds the devices one by one, every `step`-th with a search through all before it. The number of groups.
pub fn group(devices: &mut [PciDevice], step: usize, layout: Layout) -> u32 {
    let (count, step) = (devices.len().try_into().unwrap(), step.try_into().unwrap());
    // SAFETY: the C code stays inside of `count` devices, whose bridges come before them or are `u32::MAX`.
    unsafe {
        match layout {
            Layout::Packed => groups_packed(devices.as_mut_ptr(), count, step),
            Layout::Listed => groups_listed(devices.as_mut_ptr(), count, step),
        }
    }
}
