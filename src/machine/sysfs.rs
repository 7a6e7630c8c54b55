//! Configuration space and links of the PCI functions that a running Linux shows in `/sys`.

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use super::files::{Files, Folder, join, last};
use super::{Kernel, ListedFunction};
use crate::Bdf;

/// One entry of `/sys/bus/pci/devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SysfsFunction {
    /// Its configuration space: 64 bytes for an unprivileged user. That of a virtual function has `0xffff` as its vendor.
    pub config: ListedFunction,
    /// The bridge that it is behind; `None` on a root bus. A virtual function has the same as its physical function.
    pub parent: Option<Bdf>,
    /// The VMD's endpoint, of a function behind an Intel VMD: all its DMA carries the endpoint's requester ID.
    pub real_dma: Option<Bdf>,
    /// The physical function of a virtual one (the `physfn` link).
    pub physical: Option<Bdf>,
    /// The number of the IOMMU group that the running kernel gave it.
    pub iommu_group: Option<u32>,
}

impl SysfsFunction {
    /// Whether the kernel hid most of its configuration space because the user is not root: it has at least 256 bytes, and shows
    /// 64, or 128 of a CardBus bridge (linux drivers/pci/pci-sysfs.c `pci_read_config`).
    pub(super) fn is_cut(&self) -> bool {
        self.config.bytes.len() < 256
    }
}

/// All functions that could be read, by address, and the entries that could not.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SysfsFunctions {
    /// The functions, in ascending order of their addresses.
    pub functions: Vec<SysfsFunction>,
    /// Entries that could not be read, and why.
    pub skipped: Vec<(PathBuf, io::Error)>,
}

/// Reads every function below `sys`, which is `/sys` or a copy of it.
///
/// ```no_run
/// let found = fwspec::machine::sysfs::functions("/sys".as_ref())?;
/// for function in &found.functions {
///     println!("{} has {} bytes", function.config.bdf, function.config.bytes.len());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Where `bus/pci/devices` exists and cannot be listed; without it, the functions are those that `devices` shows. A single entry
/// that cannot be read is in [`SysfsFunctions::skipped`].
pub fn functions(sys: &Path) -> io::Result<SysfsFunctions> {
    functions_in(&Folder(sys), "")
}

/// The same for a `sys` among files. Without the list of the bus, the folders of the host bridges are searched.
pub(super) fn functions_in(files: &dyn Files, sys: &str) -> io::Result<SysfsFunctions> {
    let bus = join(sys, "bus/pci/devices");
    let mut entries: Vec<(Bdf, String)> = match files.names(&bus) {
        Ok(names) => names.iter().filter_map(|name| Some((name.parse().ok()?, join(&bus, name)))).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => below_hosts(files, sys),
        Err(error) => return Err(error),
    };
    entries.sort_unstable();
    let mut found = SysfsFunctions::default();
    for (bdf, path) in entries {
        match function(files, bdf, &path) {
            Ok(function) => found.functions.push(function),
            Err(error) => found.skipped.push((PathBuf::from(files.name(&path)), error)),
        }
    }
    Ok(found)
}

/// The functions in `devices/pci0000:00` and similar folders, bridges first.
fn below_hosts(files: &dyn Files, sys: &str) -> Vec<(Bdf, String)> {
    let devices = join(sys, "devices");
    let hosts = files.names(&devices).unwrap_or_default().into_iter();
    let mut ahead: Vec<String> =
        hosts.filter(|name| name.starts_with("pci")).map(|name| join(&devices, &name)).collect();
    let mut found = Vec::new();
    while let Some(folder) = ahead.pop() {
        for name in files.names(&folder).unwrap_or_default() {
            let path = join(&folder, &name);
            let function = name.parse::<Bdf>().ok();
            // A host below a function is that of a VMD.
            let goes_on = function.is_some() || name.starts_with("pci");
            if goes_on && files.target(&path).is_none() && files.is_folder(&path) {
                found.extend(function.map(|bdf| (bdf, path.clone())));
                ahead.push(path);
            }
        }
    }
    found
}

/// The file in `sys` with the firmware that describes IOMMUs: the IORT if there is one, because a kernel that boots with ACPI also
/// shows the stub of a device tree; otherwise the device tree.
pub fn firmware(sys: &Path) -> Option<PathBuf> {
    ["firmware/acpi/tables/IORT", "firmware/fdt"]
        .map(|file| sys.join(file))
        .into_iter()
        .find(|file| file.exists())
}

/// The groups that the kernel made, of devices on any bus: each device by its name, with the number of its group (linux
/// Documentation/ABI/testing/sysfs-kernel-iommu_groups). Empty where it made none, or does not show them.
pub fn groups(sys: &Path) -> BTreeMap<String, u32> {
    groups_in(&Folder(sys), "")
}

fn groups_in(files: &dyn Files, sys: &str) -> BTreeMap<String, u32> {
    let mut groups = BTreeMap::new();
    for (number, group) in numbered_groups(files, sys) {
        let devices = files.names(&join(&group, "devices")).unwrap_or_default();
        groups.extend(devices.into_iter().map(|device| (device, number)));
    }
    groups
}

/// The kernel's IOMMUs and groups; empty where it does not show them.
pub(super) fn kernel(files: &dyn Files, sys: &str) -> Kernel {
    let mut kernel = Kernel { groups: groups_in(files, sys), ..Kernel::default() };
    let shows = files.is_folder(&join(sys, "kernel/iommu_groups"));
    kernel.groups_from = shows.then(|| files.name(sys));
    for (number, group) in numbered_groups(files, sys) {
        kernel.domains.extend(line(files, &join(&group, "type")).map(|domain| (number, domain)));
        let devices = join(&group, "devices");
        for name in files.names(&devices).unwrap_or_default() {
            if name.parse::<Bdf>().is_err() {
                let path = firmware_path(files, &join(&devices, &name));
                kernel.paths.extend(path.map(|path| (name, path)));
            }
        }
    }
    kernel.iommus = files.names(&join(sys, "class/iommu")).unwrap_or_default().into_iter().collect();
    kernel
}

/// The maker's name for the machine (linux drivers/firmware/dmi-id.c).
pub(super) fn model(files: &dyn Files, sys: &str) -> Option<String> {
    let file = |name| line(files, &join(sys, &join("class/dmi/id", name)));
    let names = ["sys_vendor", "product_name"].map(file);
    let names: Vec<String> = names.into_iter().flatten().filter(|name| !name.trim().is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn numbered_groups(files: &dyn Files, sys: &str) -> Vec<(u32, String)> {
    let folder = join(sys, "kernel/iommu_groups");
    let names = files.names(&folder).unwrap_or_default().into_iter();
    names.filter_map(|name| Some((name.parse().ok()?, join(&folder, &name)))).collect()
}

/// The first line of a file, if it can be read.
pub(super) fn line(files: &dyn Files, file: &str) -> Option<String> {
    let text = String::from_utf8(files.read(file).ok()?).ok()?;
    Some(text.lines().next().unwrap_or_default().trim_end().to_owned())
}

/// The firmware's path of a device: the node that its `of_node` links to, or the path in its `firmware_node` (linux
/// Documentation/ABI/testing/sysfs-devices, drivers/acpi/device_sysfs.c `path_show`).
fn firmware_path(files: &dyn Files, device: &str) -> Option<String> {
    if let Some(node) = files.target(&join(device, "of_node")) {
        let (_, path) = node.split_once("/devicetree/base")?;
        return Some(if path.is_empty() { "/".to_owned() } else { path.to_owned() });
    }
    line(files, &join(device, "firmware_node/path")).filter(|path| path.starts_with('\\'))
}

/// Whether the firmware has an ACPI table with this signature. A table that isolation depends on counts even if it cannot be read.
pub fn has_table(sys: &Path, signature: &str) -> bool {
    sys.join("firmware/acpi/tables").join(signature).exists()
}

fn function(files: &dyn Files, bdf: Bdf, path: &str) -> io::Result<SysfsFunction> {
    let bytes = files.read(&join(path, "config"))?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the config file is empty"));
    }
    let target = |link: &str| files.target(&join(path, link));
    // The entry itself is a link, …/pci0000:00/0000:00:01.0/0000:01:00.0: the folder above is the bridge.
    let home = files.target(path).unwrap_or_else(|| path.to_owned());
    let above = home.rsplit_once('/').map(|(above, _)| last(above));
    Ok(SysfsFunction {
        config: ListedFunction::new(bdf, bytes),
        parent: above.and_then(|above| above.parse().ok()),
        real_dma: host_of_domain(&home),
        physical: target("physfn").and_then(|link| last(&link).parse().ok()),
        iommu_group: target("iommu_group").and_then(|link| last(&link).parse().ok()),
    })
}

/// The function that a PCI domain is behind: for …/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0 it is 0000:00:0e.0.
fn host_of_domain(home: &str) -> Option<Bdf> {
    let steps: Vec<&str> = home.split('/').collect();
    let bus = steps.iter().rposition(|step| step.starts_with("pci"))?;
    steps.get(bus.checked_sub(1)?)?.parse().ok()
}
