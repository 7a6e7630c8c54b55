//! What of configuration space tells a device from others of its kind.

use alloc::vec::Vec;
use core::ops::Range;

use crate::bytes;

/// Zeroes the serial number of a function in its configuration space (Device Serial Number, PCIe 6.0 §7.9.3), and what was read last of
/// its Vital Product Data (PCI 3.0 appendix I). Nothing else in configuration space is of one device alone. Says how many of the two were
/// there and not zero already.
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
    for place in serial_numbers(config).into_iter().chain(product_data(config)) {
        if let Some(place) = config.get_mut(place).filter(|place| place.iter().any(|byte| *byte != 0)) {
            place.fill(0);
            cleared = cleared.saturating_add(1);
        }
    }
    cleared
}

fn dword(config: &[u8], at: u32) -> Option<u32> {
    bytes::at::<zerocopy::little_endian::U32>(config, at).map(|dword| dword.get())
}

/// So many bytes from an offset on, as far as they were read.
fn place(config: &[u8], at: u32, length: u32) -> Range<usize> {
    let end = bytes::index(at.saturating_add(length)).min(config.len());
    bytes::index(at).min(end)..end
}

/// What follows the header of each extended capability 0x0003.
fn serial_numbers(config: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0x100_u32;
    // So many capabilities of 8 bytes fit: a longer list goes in circles.
    for _ in 0..480 {
        let Some(header) = dword(config, at).filter(|header| *header != 0 && *header != u32::MAX) else {
            break;
        };
        if header & 0xffff == 0x0003 {
            found.push(place(config, at.saturating_add(4), 8));
        }
        at = header >> 20 & 0xffc;
        if at < 0x100 {
            break;
        }
    }
    found
}

/// The address and data registers of capability 0x03.
fn product_data(config: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let has_list = config.get(6).is_some_and(|status| status & 0x10 != 0);
    // CardBus bridges have the start of their list elsewhere.
    let start = if config.get(0x0e).is_some_and(|kind| kind & 0x7f == 2) { 0x14 } else { 0x34 };
    let mut next = config.get(start).copied().filter(|_| has_list).unwrap_or_default();
    for _ in 0..48 {
        let at = u32::from(next & 0xfc);
        let header = dword(config, at).filter(|_| at >= 64).map(u32::to_le_bytes);
        let Some([id, after, ..]) = header.filter(|[id, ..]| *id != 0xff) else { break };
        if id == 0x03 {
            found.push(place(config, at.saturating_add(2), 6));
        }
        next = after;
    }
    found
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
