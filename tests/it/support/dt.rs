//! Device trees in words: `Blob` writes any sequence of tokens, also one that no compiler would.
#![allow(dead_code, unreachable_pub, clippy::cast_possible_truncation, missing_docs)]

/// A device tree, token by token.
#[derive(Clone, Default)]
pub struct Blob {
    structure: Vec<u8>,
    strings: Vec<u8>,
    names: std::collections::HashMap<String, u32>,
}

impl Blob {
    /// A tree whose root has begun.
    pub fn new() -> Self {
        let mut blob = Blob::default();
        blob.begin("");
        blob
    }

    pub fn word(&mut self, word: u32) -> &mut Self {
        self.structure.extend(word.to_be_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        self
    }

    pub fn begin(&mut self, name: &str) -> &mut Self {
        self.word(1).bytes(&[name.as_bytes(), &[0]].concat())
    }

    pub fn end(&mut self) -> &mut Self {
        self.word(2)
    }

    pub fn nop(&mut self) -> &mut Self {
        self.word(4)
    }

    /// The offset of a property name in the strings block.
    pub fn string(&mut self, name: &str) -> u32 {
        let Blob { strings, names, .. } = self;
        *names.entry(name.into()).or_insert_with(|| {
            let offset = strings.len() as u32;
            strings.extend([name.as_bytes(), &[0]].concat());
            offset
        })
    }

    pub fn property(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let name = self.string(name);
        self.word(3).word(value.len() as u32).word(name).bytes(value)
    }

    pub fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Self {
        self.property(name, &cells.iter().flat_map(|cell| cell.to_be_bytes()).collect::<Vec<_>>())
    }

    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.property(name, &[text.as_bytes(), &[0]].concat())
    }

    pub fn flag(&mut self, name: &str) -> &mut Self {
        self.property(name, &[])
    }

    /// A whole node with cell properties.
    pub fn node(&mut self, name: &str, properties: &[(&str, &[u32])]) -> &mut Self {
        self.begin(name);
        for (name, cells) in properties {
            self.cells(name, cells);
        }
        self.end()
    }

    /// An IOMMU with a phandle and as many specifier cells.
    pub fn iommu(&mut self, name: &str, phandle: u32, cells: u32) -> &mut Self {
        self.node(name, &[("phandle", &[phandle]), ("#iommu-cells", &[cells])])
    }

    /// A PCI host with properties.
    pub fn host(&mut self, name: &str, properties: &[(&str, &[u32])]) -> &mut Self {
        self.begin(name).text("device_type", "pci");
        for (name, cells) in properties {
            self.cells(name, cells);
        }
        self.end()
    }

    /// The blob, with the root ended.
    pub fn finish(&mut self) -> Vec<u8> {
        self.end();
        self.word(9).as_version(17, 16)
    }

    /// The blob as it stands, nothing ended.
    pub fn as_version(&self, version: u32, last_compatible: u32) -> Vec<u8> {
        let header: u32 = 40;
        let structure = header + 16;
        let strings = structure + self.structure.len() as u32;
        let total = strings + self.strings.len() as u32;
        let words = [0xd00d_feed, total, structure, strings, header, version, last_compatible, 0];
        let mut blob: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend((self.strings.len() as u32).to_be_bytes());
        // Version 16 has no such field; what stands there is not to be taken for one.
        let size = if version >= 17 { self.structure.len() as u32 } else { 0xffff_fff0 };
        blob.extend(size.to_be_bytes());
        blob.extend([0; 16]);
        blob.extend(&self.structure);
        blob.extend(&self.strings);
        blob
    }
}
