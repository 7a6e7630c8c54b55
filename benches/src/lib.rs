//! What the table and the instruction counts share: rivals, inputs, and the race.

pub mod build;
pub mod inputs;
pub mod paths;
pub mod race;
pub mod rivals;

/// A copy that libfdt accepts, which wants eight-byte alignment.
pub fn aligned(blob: &[u8]) -> Vec<u64> {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_ne_bytes(word)
    };
    blob.chunks(8).map(word).collect()
}

/// The bytes of such a copy.
pub fn bytes_of(words: &[u64], length: usize) -> &[u8] {
    // SAFETY: any byte of a u64 may be read, and there are as many as the blob was long.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), length.min(words.len() * 8)) }
}
