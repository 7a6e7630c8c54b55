//! What of a device tree tells a machine from others of its kind.

use alloc::vec::Vec;
use core::ops::Range;

use super::Tree;
use crate::bytes;

/// Properties whose value is of one machine alone: serial numbers, addresses of network devices (Devicetree Specification 0.4 §4.3), the
/// seeds that a loader hands on (linux drivers/of/fdt.c `early_init_dt_scan_chosen`).
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

/// Zeroes values that are of one machine alone. The command line in `chosen` becomes blanks. The tree stays one: nothing moves. Says how
/// many values there were that were not zero already; a blob that is not a tree is left as it is.
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
        // A string keeps its end.
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

/// Where such values are, and what becomes of each of their bytes.
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
