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

    /// Whether anything of it says what IOMMUs translate: the names of tables are there for everybody.
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
    /// What is missing, and what is not known for it; nothing where everything was to be had.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.firmware.is_empty() {
            let names = self.firmware.join(", ");
            let unknown = if self.speaks_of_iommus() {
                "what ids devices have, and who is translated"
            } else {
                "which buses and interrupt controllers firmware describes"
            };
            write!(f, "only root may read {names}, which say {unknown}")?;
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
                "{between}only root may read more than 64 bytes of the config space of {functions}: ACS is not known, and groups \
                 are wider than they may have to be"
            )?;
        }
        Ok(())
    }
}
