//! Whether a line may hold any of many words. Most lines hold none of them, and it takes a look at every few letters to see it.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Words of which each has at least `LETTERS + STEP - 1` letters in a row: whatever holds one shows `LETTERS` of them, eight at most, at one
/// of every `STEP` places. The case of letters does not count.
#[derive(Debug)]
pub(super) struct Sieve<const LETTERS: usize, const STEP: usize> {
    /// Two bits for each value that the letters may have, folded: most others lack one of them.
    bits: Box<[u64; WORDS]>,
    /// The letters themselves, ascending.
    known: Vec<u64>,
}

const WORDS: usize = 1 << 10;

impl<const LETTERS: usize, const STEP: usize> Sieve<LETTERS, STEP> {
    /// Letters that are looked at in one place.
    pub(super) const LETTERS: usize = LETTERS;
    /// Letters of a word that it is told by.
    pub(super) const WINDOW: usize = LETTERS.saturating_add(STEP).saturating_sub(1);

    /// For words that each hold one of these.
    pub(super) fn of<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut sieve = Sieve { bits: Box::new([0; WORDS]), known: Vec::new() };
        for word in words {
            sieve.known.extend(word.windows(LETTERS).take(STEP).map(folded::<LETTERS>));
        }
        sieve.known.sort_unstable();
        sieve.known.dedup();
        for letters in &sieve.known {
            for place in places(*letters) {
                if let Some(word) = sieve.bits.get_mut(word(place)) {
                    *word |= bit(place);
                }
            }
        }
        sieve
    }

    /// Whether the text may hold a word; where it says no, the text holds none.
    pub(super) fn may_hold(&self, text: &[u8]) -> bool {
        text.windows(LETTERS).step_by(STEP).any(|letters| {
            let letters = folded::<LETTERS>(letters);
            let [first, second] = places(letters);
            self.has(first) && self.has(second) && self.known.binary_search(&letters).is_ok()
        })
    }

    fn has(&self, place: u64) -> bool {
        self.bits.get(word(place)).is_some_and(|word| word & bit(place) != 0)
    }
}

/// Letters as a number, large and small ones alike.
fn folded<const LETTERS: usize>(letters: &[u8]) -> u64 {
    let mut eight = [0; 8];
    if let (Some(eight), Some(letters)) =
        (eight.first_chunk_mut::<LETTERS>(), letters.first_chunk::<LETTERS>())
    {
        *eight = *letters;
    }
    u64::from_le_bytes(eight) | 0x2020_2020_2020_2020
}

/// Where letters have their bits, of 65,536.
fn places(letters: u64) -> [u64; 2] {
    let mixed = letters.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [mixed >> 48, mixed >> 32 & 0xffff]
}

fn word(place: u64) -> usize {
    usize::try_from(place >> 6).unwrap_or(0)
}

fn bit(place: u64) -> u64 {
    1 << (place & 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn sees<const LETTERS: usize, const STEP: usize>() {
        let sieve = Sieve::<LETTERS, STEP>::of([&b"iommu group"[..], b"Linux version"]);
        for before in 0..40 {
            for word in ["iommu group", "IOMMU Group", "linux version"] {
                let line = format!("{:before$}{word} 7", "");
                assert!(sieve.may_hold(line.as_bytes()), "{line}");
            }
        }
        for line in ["", "a", "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "ommv group"] {
            assert!(!sieve.may_hold(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_word_is_seen_wherever_it_stands_and_however_it_is_written() {
        assert_eq!(Sieve::<4, 5>::WINDOW, 8);
        sees::<4, 5>();
        sees::<4, 2>();
        sees::<8, 4>();
    }
}
