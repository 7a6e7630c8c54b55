//! Configuration space in words.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use fwspec::Bdf;

/// Configuration space of a function.
#[derive(Clone)]
pub struct Config {
    bytes: Vec<u8>,
    /// Where the last capability's next pointer stands, and where the next capability goes.
    last: usize,
    free: usize,
    last_extended: Option<usize>,
    free_extended: usize,
}

pub const ENDPOINT: u8 = 0;
pub const ROOT_PORT: u8 = 4;
pub const UPSTREAM: u8 = 5;
pub const DOWNSTREAM: u8 = 6;
pub const PCIE_TO_PCI: u8 = 7;
pub const RC_ENDPOINT: u8 = 9;

impl Config {
    pub fn new(vendor: u16, device: u16) -> Config {
        let mut bytes = vec![0; 4096];
        bytes[0..2].copy_from_slice(&vendor.to_le_bytes());
        bytes[2..4].copy_from_slice(&device.to_le_bytes());
        Config { bytes, last: 0x34, free: 0x40, last_extended: None, free_extended: 0x100 }
    }

    pub fn byte(mut self, at: usize, value: u8) -> Config {
        self.bytes[at] = value;
        self
    }

    pub fn word(mut self, at: usize, value: u16) -> Config {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub fn class(mut self, class: u32) -> Config {
        self.bytes[9..12].copy_from_slice(&class.to_le_bytes()[..3]);
        self
    }

    pub fn bridge(self, secondary: u8, subordinate: u8) -> Config {
        self.byte(0x0e, 1).byte(0x19, secondary).byte(0x1a, subordinate)
    }

    pub fn multifunction(mut self) -> Config {
        self.bytes[0x0e] |= 0x80;
        self
    }

    pub fn subsystem(self, vendor: u16, device: u16) -> Config {
        self.word(0x2c, vendor).word(0x2e, device)
    }

    pub fn capability(mut self, id: u8) -> Config {
        self.bytes[6] |= 0x10;
        let at = self.free;
        self.bytes[self.last] = u8::try_from(at).unwrap();
        self.bytes[at] = id;
        self.last = at + 1;
        self.free += 0x10;
        self
    }

    pub fn express(self, port: u8) -> Config {
        let at = self.free;
        self.capability(0x10).byte(at + 2, port << 4 | 2)
    }

    pub fn extended(mut self, id: u16) -> (Config, usize) {
        let at = self.free_extended;
        if let Some(last) = self.last_extended {
            let header = u32::from_le_bytes(self.bytes[last..last + 4].try_into().unwrap());
            self.bytes[last..last + 4]
                .copy_from_slice(&(header | u32::try_from(at).unwrap() << 20).to_le_bytes());
        }
        self.bytes[at..at + 4].copy_from_slice(&(u32::from(id) | 0x1_0000).to_le_bytes());
        self.last_extended = Some(at);
        self.free_extended += 0x40;
        (self, at)
    }

    pub fn acs(self, capability: u16, control: u16) -> Config {
        let (config, at) = self.extended(0x0d);
        config.word(at + 4, capability).word(at + 6, control)
    }

    pub fn sriov(self, vfs: u16, offset: u16, stride: u16, device: u16) -> Config {
        let (config, at) = self.extended(0x10);
        let config = config.word(at + 0x08, 1).word(at + 0x0e, 64).word(at + 0x10, vfs);
        config.word(at + 0x14, offset).word(at + 0x16, stride).word(at + 0x1a, device)
    }

    pub fn read(&self, bytes: usize) -> &[u8] {
        &self.bytes[..bytes]
    }
}

pub fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}
