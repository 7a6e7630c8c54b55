//! Writes trees, token by token (Devicetree Specification v0.4 §5).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{LAST_VERSION, MAGIC, Reservation, token};

/// Size of the header of version 17, in bytes.
const HEADER: usize = 40;

/// A tree that is being written.
#[derive(Default)]
pub(crate) struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// The offset of each name in `strings`.
    names: BTreeMap<Vec<u8>, usize>,
    too_large: bool,
}

impl Writer {
    /// Begins a node.
    pub(crate) fn begin(&mut self, name: &[u8]) {
        self.word(Some(token::BEGIN_NODE));
        self.structure.extend(name);
        self.structure.push(0);
        self.pad();
    }

    /// Adds a property to the innermost node that has begun.
    pub(crate) fn property(&mut self, name: &[u8], value: &[u8]) {
        let at = self.names.get(name).copied().unwrap_or_else(|| {
            let at = self.strings.len();
            self.strings.extend(name);
            self.strings.push(0);
            self.names.insert(name.to_vec(), at);
            at
        });
        self.word(Some(token::PROP));
        self.word(u32::try_from(value.len()).ok());
        self.word(u32::try_from(at).ok());
        self.structure.extend(value);
        self.pad();
    }

    /// Ends the innermost node that has begun.
    pub(crate) fn end(&mut self) {
        self.word(Some(token::END_NODE));
    }

    /// The blob, of version 17; `None` where it would be larger than the format can count.
    pub(crate) fn finish(mut self, reservations: impl Iterator<Item = Reservation>) -> Option<Vec<u8>> {
        self.word(Some(token::END));
        let mut map: Vec<u8> = Vec::new();
        for Reservation { address, size } in reservations {
            map.extend(address.to_be_bytes());
            map.extend(size.to_be_bytes());
        }
        map.extend([0; 16]);
        let structure = HEADER.checked_add(map.len())?;
        let strings = structure.checked_add(self.structure.len())?;
        let total = strings.checked_add(self.strings.len())?;
        let mut blob = Vec::with_capacity(total);
        let sizes = [self.strings.len(), self.structure.len()];
        let [total, structure, strings, strings_size, structure_size] =
            [total, structure, strings, sizes[0], sizes[1]].map(u32::try_from);
        let compatible = 16;
        let words = [
            MAGIC,
            total.ok()?,
            structure.ok()?,
            strings.ok()?,
            40,
            LAST_VERSION,
            compatible,
            0,
            strings_size.ok()?,
            structure_size.ok()?,
        ];
        blob.extend(words.into_iter().flat_map(u32::to_be_bytes));
        blob.append(&mut map);
        blob.append(&mut self.structure);
        blob.append(&mut self.strings);
        (!self.too_large).then_some(blob)
    }

    fn word(&mut self, word: Option<u32>) {
        self.too_large |= word.is_none();
        self.structure.extend(word.unwrap_or_default().to_be_bytes());
    }

    fn pad(&mut self) {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
}
