//! Whether a line has any of many words. Most lines have none, which a look at every few letters shows.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Words with at least `LETTERS + STEP - 1` letters each. A text with such a word has `LETTERS` letters of it, eight at most, at
/// one of every `STEP` places. Upper and lower case are the same.
#[derive(Debug)]
pub(super) struct Sieve<const LETTERS: usize, const STEP: usize> {
    /// Two bits for each value that the letters may have, folded: most other letters lack one of the bits.
    bits: Box<[u64; WORDS]>,
    /// Ascending.
    known: Vec<Known>,
}

/// Letters that show a word.
#[derive(Clone, Copy, Debug)]
struct Known {
    letters: u64,
    word: &'static [u8],
    /// Their offset in the word.
    at: usize,
}

const WORDS: usize = 1 << 10;

impl<const LETTERS: usize, const STEP: usize> Sieve<LETTERS, STEP> {
    /// Letters that a word is recognised by.
    pub(super) const WINDOW: usize = LETTERS.saturating_add(STEP).saturating_sub(1);

    /// A sieve for these words, each recognised by its letters from an offset on.
    pub(super) fn of(words: impl IntoIterator<Item = (&'static str, usize)>) -> Self {
        let mut sieve = Sieve { bits: Box::new([0; WORDS]), known: Vec::new() };
        for (word, start) in words {
            let word = word.as_bytes();
            let letters = word.windows(LETTERS).filter_map(<[u8]>::first_chunk::<LETTERS>).enumerate();
            let letters = letters.skip(start).take(STEP);
            sieve.known.extend(letters.map(|(at, letters)| Known { letters: folded(letters), word, at }));
        }
        sieve.known.sort_by_key(|known| known.letters);
        for known in &sieve.known {
            for place in places(known.letters) {
                if let Some(word) = sieve.bits.get_mut(word(place)) {
                    *word |= bit(place);
                }
            }
        }
        sieve
    }

    /// Whether the text has one of the words.
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        let mut at = 0_usize;
        while let Some(letters) = text.get(at..).and_then(<[u8]>::first_chunk::<LETTERS>) {
            let letters = folded(letters);
            let [first, second] = places(letters);
            if self.has(first) && self.has(second) && self.stands(letters, at, text) {
                return true;
            }
            at = at.saturating_add(STEP);
        }
        false
    }

    fn has(&self, place: u64) -> bool {
        self.bits.get(word(place)).is_some_and(|word| word & bit(place) != 0)
    }

    /// Whether one of the words that these letters belong to is there as a whole.
    fn stands(&self, letters: u64, at: usize, text: &[u8]) -> bool {
        let first = self.known.partition_point(|known| known.letters < letters);
        let alike = self.known.iter().skip(first).take_while(|known| known.letters == letters);
        alike.into_iter().any(|known| {
            let from = at.checked_sub(known.at).and_then(|start| text.get(start..));
            from.and_then(|from| from.get(..known.word.len()))
                .is_some_and(|found| found.eq_ignore_ascii_case(known.word))
        })
    }
}

/// Letters as a number; upper and lower case are the same.
fn folded<const LETTERS: usize>(letters: &[u8; LETTERS]) -> u64 {
    let mut eight = [0; 8];
    if let Some(eight) = eight.first_chunk_mut::<LETTERS>() {
        *eight = *letters;
    }
    u64::from_le_bytes(eight) | 0x2020_2020_2020_2020
}

/// The two bits of these letters, among 65,536.
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
        let sieve = Sieve::<LETTERS, STEP>::of([("iommu group", 0), ("Linux version", 2)]);
        for before in 0..40 {
            for word in ["iommu group", "IOMMU Group", "linux version"] {
                let line = format!("{:before$}{word} 7", "");
                assert!(sieve.holds(line.as_bytes()), "{line}");
            }
        }
        let other = "usb 1-1: new high-speed USB device number 2 using xhci_hcd";
        for line in ["", "a", other, "iommv group", "iommu grou", "ommu group", "Linux versio"] {
            assert!(!sieve.holds(line.as_bytes()), "{line}");
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
