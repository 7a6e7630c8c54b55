//! What both `lspci` text and sysfs give: the config space of functions, as far as it could be read.

use alloc::vec::Vec;

use crate::{At, Bdf, Error};

/// The config space of one PCI function, from its first byte on.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigDump {
    /// Which function.
    pub bdf: Bdf,
    /// The bytes that were read: usually 64 (what an unprivileged user sees), 256 (conventional PCI) or 4,096 (PCI Express).
    /// What lies past the end is unknown, not zero.
    pub bytes: Vec<u8>,
    /// Where the function is listed.
    pub at: At,
}

/// Every function that could be read, in the order of the input, and what could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDumps {
    /// The functions; no [`Bdf`] occurs twice.
    pub functions: Vec<ConfigDump>,
    /// One error for each function that is left out.
    pub skipped: Vec<Error>,
}

impl core::fmt::Debug for ConfigDump {
    /// Without the bytes, of which only the number is shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ConfigDump({}, {} bytes, {})", self.bdf, self.bytes.len(), self.at)
    }
}
