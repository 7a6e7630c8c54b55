//! What an operating system keeps from those who are not root.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What of a running system could not be read for want of privilege.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hidden {
    /// The firmware's tables that are there and may not be read: `IORT`, `MCFG`, or `device tree`.
    pub firmware: Vec<String>,
    /// Functions of which no more than the first 64 bytes were to be had (linux drivers/pci/pci-sysfs.c `pci_read_config`).
    pub functions: usize,
}

impl Hidden {
    /// Whether everything was to be had.
    pub fn is_empty(&self) -> bool {
        *self == Hidden::default()
    }
}

impl fmt::Display for Hidden {
    /// What is missing, and what is not known for it; nothing where everything was to be had.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.firmware.is_empty() {
            let names = self.firmware.join(", ");
            write!(
                f,
                "only root may read {names}: without, nothing is known of StreamIDs and of who is translated"
            )?;
        }
        if self.functions > 0 {
            let between = if self.firmware.is_empty() { "" } else { "; " };
            let of = if self.functions == 1 {
                "1 function"
            } else {
                &alloc::format!("{} functions", self.functions)
            };
            write!(
                f,
                "{between}only root may read more than 64 bytes of the config space of {of}: without, \
                 nothing is known of their ACS, and groups are wider than they may have to be"
            )?;
        }
        Ok(())
    }
}
