//! What the kernel of a machine said itself.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use crate::Bdf;

/// What the evidence says that a machine's kernel decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// The number of each device's IOMMU group, by the kernel's name of the device (`0000:01:00.0`, `2b600000.ethernet`).
    pub groups: BTreeMap<String, u32>,
    /// The command line that it was started with (`/proc/cmdline`).
    pub command_line: Option<String>,
    /// Its release (`uname -r`).
    pub release: Option<String>,
}

impl Kernel {
    /// The number of the group that the kernel gave a function; `None` where it gave none, or the evidence does not say.
    pub fn group_of(&self, function: Bdf) -> Option<u32> {
        self.groups.get(&function.to_string()).copied()
    }

    /// Whether it said nothing.
    pub fn is_silent(&self) -> bool {
        *self == Kernel::default()
    }
}
