//! The values in configuration space that identify one device among others of its model.

use alloc::vec::Vec;
use core::ops::Range;

use super::config::Space;
use crate::bytes;

/// Zeroes the values in configuration space that identify one device: the serial number (Device Serial Number, PCIe 6.0 §7.9.3), and
/// the registers with the word of Vital Product Data that was read last (PCI 3.0 appendix I). Returns how many of them were not zero
/// already.
///
/// ```
/// let mut space = [0u8; 0x110];
/// space[0x100..0x104].copy_from_slice(&[0x03, 0x00, 0x01, 0x00]);
/// space[0x104..0x10c].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
/// assert_eq!(fwspec::pci::clear_identity(&mut space), 1);
/// assert_eq!(space[0x104..0x10c], [0; 8]);
/// ```
pub fn clear_identity(config: &mut [u8]) -> usize {
    let mut cleared = 0_usize;
    for place in places(Space(config)) {
        if let Some(place) = config.get_mut(place).filter(|place| place.iter().any(|byte| *byte != 0)) {
            place.fill(0);
            cleared = cleared.saturating_add(1);
        }
    }
    cleared
}

/// What follows the header of each Device Serial Number, and the registers of Vital Product Data, as far as they were read.
fn places(space: Space<'_>) -> Vec<Range<usize>> {
    let serial_numbers = space.extended().flatten().filter(|(id, _)| *id == 0x0003);
    let product_data = space.capabilities().flatten().filter(|(id, _)| *id == 0x03);
    let serial_numbers = serial_numbers.map(|(_, at)| (at.saturating_add(4), 8));
    let product_data = product_data.map(|(_, at)| (at.saturating_add(2), 6));
    serial_numbers.chain(product_data).map(|(at, length)| place(space, at, length)).collect()
}

/// `length` bytes from an offset on, as far as they were read.
fn place(Space(config): Space<'_>, at: u32, length: u32) -> Range<usize> {
    let end = bytes::index(at.saturating_add(length)).min(config.len());
    bytes::index(at).min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_data_is_zeroed_and_lists_that_go_in_circles_end() {
        let mut space = alloc::vec![0_u8; 4096];
        space[6] = 0x10;
        space[0x34] = 0x40;
        space[0x40..0x48].copy_from_slice(&[0x03, 0x40, 0x10, 0x80, 1, 2, 3, 4]);
        space[0x100..0x104].copy_from_slice(&[0x0b, 0, 0x01, 0x10]);
        assert_eq!(clear_identity(&mut space), 1);
        assert_eq!(space[0x40..0x48], [0x03, 0x40, 0, 0, 0, 0, 0, 0]);
        for cut in [0, 1, 63, 64, 0x103, 0x105] {
            let mut space = alloc::vec![0x03_u8; cut];
            clear_identity(&mut space);
        }
    }
}
