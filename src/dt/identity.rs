//! The values of a device tree that identify one machine among others of its model.

use alloc::vec::Vec;
use core::ops::Range;

use super::Tree;
use crate::bytes;

/// Properties that belong to one machine alone: serial numbers, addresses of network devices (Devicetree Specification 0.4 §4.3),
/// and the seeds that a boot loader passes on (linux drivers/of/fdt.c `early_init_dt_scan_chosen`).
const OF_ONE_MACHINE: [&[u8]; 12] = [
    b"serial-number",
    b"linux,serial",
    b"system,serial",
    b"system-id",
    b"local-mac-address",
    b"mac-address",
    b"local-bd-address",
    b"local-eui64",
    b"kaslr-seed",
    b"rng-seed",
    b"board-id-serial",
    b"uuid",
];

/// Zeroes the values that identify one machine, and blanks the command line in `chosen`. Nothing moves, so the blob stays a tree.
/// Returns how many of the values were not zero already; a blob that is not a tree is left unchanged.
///
/// ```
/// let tree = std::fs::read(format!("{}/firmware-samples/qemu-virt-dt/fdt.dtb", env!("CARGO_MANIFEST_DIR")))?;
/// let mut cleared = tree.clone();
/// fwspec::dt::clear_identity(&mut cleared);
/// assert_eq!(cleared.len(), tree.len());
/// assert_eq!(fwspec::dt::clear_identity(&mut cleared), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn clear_identity(blob: &mut [u8]) -> usize {
    let mut cleared = 0_usize;
    for (place, fill) in places(blob) {
        let Some(value) = blob.get_mut(place) else { continue };
        // A string keeps its NUL.
        let value = match value.split_last_mut() {
            Some((0, text)) if fill == b' ' => text,
            _ => value,
        };
        if value.iter().any(|byte| *byte != fill && *byte != 0) {
            value.fill(fill);
            cleared = cleared.saturating_add(1);
        }
    }
    cleared
}

/// The places of such values, each with the byte that overwrites it.
fn places(blob: &[u8]) -> Vec<(Range<usize>, u8)> {
    let Ok(tree) = Tree::parse(blob) else { return Vec::new() };
    let mut found = Vec::new();
    for node in tree.nodes().flatten() {
        for property in node.properties().flatten() {
            let Some(name) = property.name() else { continue };
            let fill = match name {
                b"bootargs" => b' ',
                _ if OF_ONE_MACHINE.contains(&name) => 0,
                _ => continue,
            };
            let start = bytes::index(property.offset());
            found.push((start..start.saturating_add(property.value().len()), fill));
        }
    }
    found
}
