//! Config space and links of the PCI functions that a running Linux shows in `/sys`.

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use super::{Kernel, ListedFunction};
use crate::Bdf;

/// One entry of `/sys/bus/pci/devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysfsFunction {
    /// Its config space: 64 bytes for an unprivileged user. That of a virtual function has `0xffff` as its vendor.
    pub config: ListedFunction,
    /// The bridge it is behind; `None` on a root bus. A virtual function has its physical function's.
    pub parent: Option<Bdf>,
    /// Behind an Intel VMD, the VMD's endpoint, whose requester ID all DMA carries.
    pub real_dma: Option<Bdf>,
    /// For a virtual function, its physical function (the `physfn` link).
    pub physical: Option<Bdf>,
    /// The number of the IOMMU group that the running kernel gave it.
    pub iommu_group: Option<u32>,
}

impl SysfsFunction {
    /// Whether the kernel kept the most of its config space from a user who is not root: it has 256 bytes at least, and shows 64, or 128 of
    /// a CardBus bridge (linux drivers/pci/pci-sysfs.c `pci_read_config`).
    pub(super) fn is_cut(&self) -> bool {
        self.config.bytes.len() < 256
    }
}

/// All functions that could be read, by address, and what could not.
#[derive(Debug, Default)]
pub struct SysfsFunctions {
    /// The functions, in ascending order of their addresses.
    pub functions: Vec<SysfsFunction>,
    /// Entries that could not be read, and why.
    pub skipped: Vec<(PathBuf, io::Error)>,
}

/// Reads every function under `sys`, which is `/sys` or a copy of it.
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
/// When `bus/pci/devices` is there and cannot be listed; a machine without it has no functions. One entry that cannot be read is in [`SysfsFunctions::skipped`].
pub fn functions(sys: &Path) -> io::Result<SysfsFunctions> {
    let mut entries = Vec::new();
    let list = match fs::read_dir(sys.join("bus/pci/devices")) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SysfsFunctions::default()),
        Err(error) => return Err(error),
    };
    // What cannot be listed is leaving.
    for entry in list.flatten() {
        let path = entry.path();
        if let Some(bdf) = last_name(&path).and_then(|name| name.parse().ok()) {
            entries.push((bdf, path));
        }
    }
    entries.sort_unstable();
    let mut found = SysfsFunctions::default();
    for (bdf, path) in entries {
        match function(bdf, &path) {
            Ok(function) => found.functions.push(function),
            Err(error) => found.skipped.push((path, error)),
        }
    }
    Ok(found)
}

/// Where `sys` holds the firmware's description of the IOMMUs: the IORT if there is one, since a kernel that boots by ACPI
/// shows the stub of a device tree as well, and the device tree otherwise.
pub fn firmware(sys: &Path) -> Option<PathBuf> {
    ["firmware/acpi/tables/IORT", "firmware/fdt"]
        .map(|file| sys.join(file))
        .into_iter()
        .find(|file| file.exists())
}

/// The groups that the kernel made, of devices of any bus: each device by its name, with the number of its group
/// (linux Documentation/ABI/testing/sysfs-kernel-iommu_groups). Empty where it made none, or does not show them.
pub fn groups(sys: &Path) -> BTreeMap<String, u32> {
    let mut groups = BTreeMap::new();
    for (number, group) in numbered_groups(sys) {
        let devices = entries(&group.join("devices")).filter_map(|device| last_name(&device));
        groups.extend(devices.map(|device| (device, number)));
    }
    groups
}

/// What the kernel says of its IOMMUs and groups; nothing where it does not show them. `name` is what `sys` is called.
pub(super) fn kernel(sys: &Path, name: &str) -> Kernel {
    let mut kernel = Kernel { groups: groups(sys), ..Kernel::default() };
    kernel.groups_from = sys.join("kernel/iommu_groups").is_dir().then(|| name.to_owned());
    for (number, group) in numbered_groups(sys) {
        kernel.domains.extend(line(&group.join("type")).map(|domain| (number, domain)));
        for device in entries(&group.join("devices")) {
            let Some(name) = last_name(&device).filter(|name| name.parse::<Bdf>().is_err()) else { continue };
            kernel.paths.extend(firmware_path(&device).map(|path| (name, path)));
        }
    }
    kernel.iommus = entries(&sys.join("class/iommu")).filter_map(|iommu| last_name(&iommu)).collect();
    kernel
}

/// What the maker calls the machine (linux drivers/firmware/dmi-id.c).
pub(super) fn model(sys: &Path) -> Option<String> {
    let names = ["sys_vendor", "product_name"].map(|file| line(&sys.join("class/dmi/id").join(file)));
    let names: Vec<String> = names.into_iter().flatten().filter(|name| !name.trim().is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn numbered_groups(sys: &Path) -> impl Iterator<Item = (u32, PathBuf)> + use<> {
    let number = |group: PathBuf| Some((last_name(&group)?.parse().ok()?, group));
    entries(&sys.join("kernel/iommu_groups")).filter_map(number)
}

/// What is in a folder; nothing where it cannot be listed.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The first line of a file, where it can be read.
pub(super) fn line(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.lines().next().unwrap_or_default().trim_end().to_owned())
}

/// What firmware calls a device: the node that its `of_node` leads to, or what its `firmware_node` says that its path is
/// (linux Documentation/ABI/testing/sysfs-devices, drivers/acpi/device_sysfs.c `path_show`).
fn firmware_path(device: &Path) -> Option<String> {
    if let Ok(node) = fs::read_link(device.join("of_node")) {
        let (_, path) = node.to_str()?.split_once("/devicetree/base")?;
        return Some(if path.is_empty() { "/".to_owned() } else { path.to_owned() });
    }
    line(&device.join("firmware_node/path")).filter(|path| path.starts_with('\\'))
}

/// Whether the firmware has an ACPI table of this signature: one that isolation depends on need not be read to count.
pub fn has_table(sys: &Path, signature: &str) -> bool {
    sys.join("firmware/acpi/tables").join(signature).exists()
}

fn function(bdf: Bdf, path: &Path) -> io::Result<SysfsFunction> {
    let bytes = fs::read(path.join("config"))?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the config file is empty"));
    }
    let target = |link: &str| fs::read_link(path.join(link)).ok();
    // The entry itself is a link, …/pci0000:00/0000:00:01.0/0000:01:00.0: the folder above is the bridge.
    let home = fs::read_link(path).ok();
    Ok(SysfsFunction {
        config: ListedFunction::new(bdf, bytes),
        parent: home.as_deref().and_then(Path::parent).and_then(last_name).and_then(|name| name.parse().ok()),
        real_dma: home.as_deref().and_then(host_of_domain),
        physical: target("physfn").as_deref().and_then(last_name).and_then(|name| name.parse().ok()),
        iommu_group: target("iommu_group").as_deref().and_then(last_name).and_then(|name| name.parse().ok()),
    })
}

/// The function that a PCI domain hangs on: in …/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0 it is 0000:00:0e.0.
fn host_of_domain(home: &Path) -> Option<Bdf> {
    let bus =
        home.ancestors().find(|folder| last_name(folder).is_some_and(|name| name.starts_with("pci")))?;
    last_name(bus.parent()?)?.parse().ok()
}

fn last_name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(ToOwned::to_owned)
}
