//! What the kernel of a machine says.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{Bdf, Dialect};

use super::log::Log;

/// The decisions of a machine's kernel, as far as the evidence shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// The number of each device's IOMMU group, by the kernel's name for the device (`0000:01:00.0`, `2b600000.ethernet`).
    pub groups: BTreeMap<String, u32>,
    /// The name of the evidence that lists its groups. Where this is set and there are no groups, the kernel made none.
    pub groups_from: Option<String>,
    /// The type of each group's default domain, by the group's number: `DMA`, `DMA-FQ`, `identity`, `blocked`, `auto` (linux
    /// Documentation/ABI/testing/sysfs-kernel-iommu_groups).
    pub domains: BTreeMap<u32, String>,
    /// The IOMMUs that its drivers registered, by their names in `/sys/class/iommu`: `smmu3.0x0000000009050000`, `dmar0`.
    pub iommus: BTreeSet<String>,
    /// The firmware's paths of devices that are not on a PCI bus, by the kernel's names: paths of a device tree or of the ACPI
    /// namespace.
    pub paths: BTreeMap<String, String>,
    /// Its command line (`/proc/cmdline`).
    pub command_line: Option<String>,
    /// Its release (`uname -r`).
    pub release: Option<String>,
    /// What its logs say about IOMMUs.
    pub logs: Vec<Log>,
    /// Why the log of the running kernel could not be read, if it exists.
    pub log_unread: Option<String>,
}

impl Kernel {
    /// The number of the group that the kernel gave a function; `None` where it gave none, or the evidence does not show it.
    pub fn group_of(&self, function: Bdf) -> Option<u32> {
        self.groups.get(&function.to_string()).copied()
    }

    /// Whether nothing is known of its decisions.
    pub fn is_silent(&self) -> bool {
        let unread = self.log_unread.clone();
        *self == Kernel { log_unread: unread, ..Kernel::default() }
    }

    /// Major and minor number of its release; `None` where the release is not known.
    ///
    /// ```
    /// let mut kernel = fwspec::machine::Kernel::default();
    /// assert_eq!(kernel.version(), None);
    /// kernel.release = Some("6.18.15+deb13-arm64".into());
    /// assert_eq!(kernel.version(), Some((6, 18)));
    /// ```
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.as_deref()?.split('.').map(|part| {
            let digits = part.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            digits.parse::<u32>().ok()
        });
        Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    }

    /// How this kernel reads firmware: before 5.8 the count in an IORT was taken for N (linux drivers/acpi/arm64/iort.c
    /// `iort_id_map`), up to 7.2 an entry of a device-tree map had four cells (drivers/of/base.c `of_map_id`). A kernel of unknown
    /// version is taken for a current one.
    ///
    /// ```
    /// use fwspec::Dialect;
    /// let mut kernel = fwspec::machine::Kernel::default();
    /// assert_eq!(kernel.dialect(), Dialect::LINUX);
    /// kernel.release = Some("5.4.0-42-generic".into());
    /// assert_eq!(kernel.dialect(), Dialect::LINUX_2020);
    /// ```
    pub fn dialect(&self) -> Dialect {
        match self.version() {
            Some(version) if version < (5, 8) => Dialect::LINUX_2020,
            Some(version) if version < (7, 3) => Dialect::LINUX_CLASSIC,
            _ => Dialect::LINUX,
        }
    }

    /// Whether a device got its group only when a driver was matched with it: before 6.15 (linux drivers/iommu/iommu.c
    /// `iommu_device_register`, drivers/base/dd.c `really_probe`). `None` where the version is not known.
    pub(crate) fn groups_at_driver_probe(&self) -> Option<bool> {
        self.version().map(|version| version < (6, 15))
    }

    /// The kernel's name for the device with this firmware path.
    pub fn name_of<'a>(&'a self, firmware: &'a str) -> Option<&'a str> {
        if self.groups.contains_key(firmware) {
            return Some(firmware);
        }
        let told = self.paths.iter().find(|(_, path)| is_path(path, firmware)).map(|(name, _)| name.as_str());
        told.or_else(|| {
            let name = of_node(firmware)?;
            let (known, _) = self.groups.get_key_value(&name)?;
            (!self.paths.contains_key(known)).then_some(known.as_str())
        })
    }

    /// Takes in what another piece of evidence says; facts that are known already stay.
    #[cfg(feature = "std")]
    pub(super) fn join(&mut self, other: Kernel) {
        let Kernel { groups, groups_from, domains, iommus, paths, command_line, release, logs, log_unread } =
            other;
        self.logs.extend(logs);
        for (device, group) in groups {
            self.groups.entry(device).or_insert(group);
        }
        for (group, domain) in domains {
            self.domains.entry(group).or_insert(domain);
        }
        for (device, path) in paths {
            self.paths.entry(device).or_insert(path);
        }
        self.iommus.extend(iommus);
        self.groups_from = self.groups_from.take().or(groups_from);
        self.command_line = self.command_line.take().or(command_line);
        self.release = self.release.take().or(release);
        self.log_unread = self.log_unread.take().or(log_unread);
    }
}

/// Whether two paths of the ACPI namespace or of a device tree are the same. Linux shows a name of fewer than four characters
/// without the underscores that pad it; firmware may have them.
fn is_path(one: &str, other: &str) -> bool {
    let parts = |path: &'_ str| -> alloc::vec::Vec<String> {
        let parts = path.trim_start_matches('\\').split('.');
        parts.map(|part| part.trim_end_matches('_').to_string()).collect()
    };
    one == other || one.starts_with('\\') && other.starts_with('\\') && parts(one) == parts(other)
}

/// Linux's name for the device of a device-tree node with registers: `/soc/ethernet@2b600000` is `2b600000.ethernet` (linux
/// drivers/of/device.c `of_device_make_bus_id`). Below a bus that translates addresses the number is another one.
fn of_node(path: &str) -> Option<String> {
    let (name, address) = path.strip_prefix('/')?.rsplit('/').next()?.split_once('@')?;
    let address = address.split(',').next()?;
    Some(alloc::format!("{}.{name}", address.trim_start_matches("0x")))
}

/// The release in a kernel's first line: `Linux version 6.1.0-18-arm64 (…) …`, as in `/proc/version` and in its log.
#[cfg(feature = "std")]
pub(super) fn release_in(line: &str) -> Option<&str> {
    line.split_once("Linux version ")?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_the_names_that_firmware_gives_them() {
        let mut kernel = Kernel::default();
        for (device, group) in [("2b600000.ethernet", 3), ("ARMH0011:00", 4), ("0000:01:00.0", 5)] {
            kernel.groups.insert(device.into(), group);
        }
        kernel.paths.insert("ARMH0011:00".into(), r"\_SB_.COM0".into());
        assert_eq!(kernel.name_of("/soc@0/ethernet@2b600000"), Some("2b600000.ethernet"));
        assert_eq!(kernel.name_of(r"\_SB.COM0"), Some("ARMH0011:00"));
        assert_eq!(kernel.name_of("0000:01:00.0"), Some("0000:01:00.0"));
        assert_eq!(kernel.name_of("/soc@0/ethernet@2b700000"), None);
        // Whoever says what it is called is believed more than its name.
        kernel.paths.insert("2b600000.ethernet".into(), "/other/ethernet@0".into());
        assert_eq!(kernel.name_of("/soc@0/ethernet@2b600000"), None);
        assert_eq!(kernel.name_of("/other/ethernet@0"), Some("2b600000.ethernet"));
    }

    #[test]
    fn releases_have_a_version() {
        for (release, version) in [
            ("6.12.0", Some((6, 12))),
            ("5.10.0-28-arm64", Some((5, 10))),
            ("7.3-rc1", Some((7, 3))),
            ("7", Some((7, 0))),
            ("next", None),
        ] {
            let kernel = Kernel { release: Some(release.into()), ..Kernel::default() };
            assert_eq!(kernel.version(), version, "{release}");
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_first_line_of_a_kernel_has_its_release() {
        assert_eq!(release_in("Linux version 6.1.0-18-arm64 (debian) #1"), Some("6.1.0-18-arm64"));
        assert_eq!(release_in("[    0.000000] Linux version 5.4.0"), Some("5.4.0"));
        assert_eq!(release_in("version 5.4.0"), None);
    }
}
