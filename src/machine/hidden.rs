//! What an operating system shows only to root.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The parts of a running system that could not be read without root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Hidden {
    /// The tables of the firmware that exist and may not be read: `IORT`, `MCFG`, or `device tree`.
    pub firmware: Vec<String>,
    /// Functions of which only the first 64 bytes could be read (linux drivers/pci/pci-sysfs.c `pci_read_config`).
    pub functions: usize,
}

impl Hidden {
    /// Whether everything could be read.
    pub fn is_empty(&self) -> bool {
        *self == Hidden::default()
    }

    /// Whether any of these tables describes IOMMUs. Every user sees the names of tables.
    ///
    /// ```
    /// let mut hidden = fwspec::machine::Hidden::default();
    /// hidden.firmware.push("MCFG".into());
    /// assert!(!hidden.speaks_of_iommus());
    /// hidden.firmware.push("IORT".into());
    /// assert!(hidden.speaks_of_iommus());
    /// ```
    pub fn speaks_of_iommus(&self) -> bool {
        self.firmware.iter().any(|name| !matches!(name.as_str(), "MCFG" | "APIC"))
    }
}

impl fmt::Display for Hidden {
    /// What is missing, and what is unknown because of that; empty where everything could be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.firmware.is_empty() {
            let names = self.firmware.join(", ");
            let unknown = if self.speaks_of_iommus() {
                "which ids devices have, and which devices are translated"
            } else {
                "which buses and interrupt controllers firmware describes"
            };
            write!(f, "only root can read {names}, which say {unknown}")?;
        }
        if self.functions > 0 {
            let between = if self.firmware.is_empty() { "" } else { "; " };
            let functions = if self.functions == 1 {
                "1 function"
            } else {
                &alloc::format!("{} functions", self.functions)
            };
            write!(
                f,
                "{between}only root can read more than 64 bytes of the config space of {functions}: their ACS settings are not known, and groups \
                 may be larger than necessary"
            )?;
        }
        Ok(())
    }
}
