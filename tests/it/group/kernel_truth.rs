//! Every captured Linux boot, end to end: firmware bytes and config space in, groups and fwspec ids out, as the kernel had them.
//!
//! The captures live outside the project, in `../shared/linux-truth` or where `FWSPEC_SHARED` points; without them the test
//! says so and passes. `tests/it/group/kernel_truth.agreed` lists the captures that agree: none of them may break.

use crate::support::outside::shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fwspec::machine::Firmware;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap, RequesterIndex};
use serde_json::Value;

/// One boot.
struct Capture {
    name: String,
    folder: PathBuf,
    devices: Value,
    groups: Value,
}

impl Capture {
    fn open(folder: PathBuf) -> Option<Capture> {
        let json = |file: &str| {
            let text = std::fs::read_to_string(folder.join(file)).ok()?;
            Some(serde_json::from_str::<Value>(&text).unwrap())
        };
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        Some(Capture { name, devices: json("devices.json")?, groups: json("groups.json")?, folder })
    }

    /// `acpi`, `dt`, `acpi-viommu`, `dt-viommu`, `q35`.
    fn kind(&self) -> &str {
        self.name.split('.').nth(1).unwrap()
    }

    /// Major and minor version.
    fn kernel(&self) -> (u32, u32) {
        let digits = self.name.splitn(3, '.').nth(2).unwrap();
        let mut numbers = digits.split('.').map(|n| n.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap_or(0))
    }

    fn firmware(&self) -> Option<Firmware> {
        let file = match self.kind() {
            // A machine without an IOMMU has neither.
            "acpi" | "acpi-viommu" => {
                ["IORT.bin", "RIMT.bin"].into_iter().find(|table| self.folder.join(table).exists())?
            }
            "dt" | "dt-viommu" => "fdt.dtb",
            _ => return None,
        };
        let open = |file: &str| Firmware::open(file, std::fs::read(self.folder.join(file)).unwrap()).unwrap();
        let mut firmware = open(file);
        // A virtio-iommu is described by a table of its own.
        if file == "IORT.bin" && self.folder.join("VIOT.bin").exists() {
            firmware.join(open("VIOT.bin"));
        }
        Some(firmware)
    }

    fn dialect(&self) -> Dialect {
        if self.kernel() >= (7, 3) { Dialect::LINUX } else { Dialect::LINUX_CLASSIC }
    }

    /// The PCI functions, as the command reads them.
    fn functions(&self) -> Vec<Device> {
        let text = std::fs::read(self.folder.join("lspci.txt")).unwrap();
        let (devices, skipped) = fwspec::machine::devices(&fwspec::machine::lspci::parse(&text).unwrap());
        assert_eq!(skipped, [], "{}", self.name);
        assert_eq!(devices.len(), self.devices.as_array().unwrap().len(), "{}", self.name);
        devices
    }

    /// The kernel's partition of the PCI functions.
    fn partition(&self) -> BTreeSet<BTreeSet<Bdf>> {
        let members = |group: &Value| -> BTreeSet<Bdf> {
            group["devices"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|d| d.as_str().unwrap().parse().ok())
                .collect()
        };
        self.groups["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(members)
            .filter(|group| !group.is_empty())
            .collect()
    }

    fn ids(&self) -> BTreeMap<String, Vec<u32>> {
        let ids = |list: &Value| {
            list.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
        };
        self.groups["fwspec_ids"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), ids(v))).collect()
    }

    /// What each member of a group may not use, as the group's `reserved_regions` say it.
    fn reserved(&self) -> Vec<(String, Vec<String>)> {
        let strings = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
        };
        let groups = self.groups["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| {
                strings(&group["devices"])
                    .into_iter()
                    .map(move |device| (device, strings(&group["reserved"])))
            })
            .collect()
    }

    fn strings(&self, key: &str) -> BTreeSet<String> {
        self.groups[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
    }
}

/// What differs.
enum Fault {
    /// Linux's groups, or ours.
    Groups(String),
    /// This device's ids were parsed, and it has no group.
    Lost(Bdf),
    /// Anything else.
    Other(String),
}

/// What came out for one capture.
#[derive(Default)]
struct Verdict {
    faults: Vec<Fault>,
    ids_compared: usize,
    predictions_compared: usize,
    regions_compared: usize,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Groups(text) | Fault::Other(text) => f.write_str(text),
            Fault::Lost(device) => write!(f, "{device} is refused, predicted was grouped"),
        }
    }
}

impl Verdict {
    fn said(&self) -> String {
        self.faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n    ")
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(Fault::Other(fault));
    }
}

fn kind(kind: fwspec::model::RegionKind) -> &'static str {
    match kind {
        fwspec::model::RegionKind::Direct => "direct",
        fwspec::model::RegionKind::DirectRelaxable => "direct-relaxable",
        fwspec::model::RegionKind::Reserved => "reserved",
        _ => "msi",
    }
}

fn names(group: &BTreeSet<Bdf>) -> String {
    format!("{{{}}}", group.iter().map(Bdf::to_string).collect::<Vec<_>>().join(" "))
}

fn ids_of(groups: &Groups, device: DeviceKey) -> Option<Vec<u32>> {
    let record = groups.placement(device).ok()?.fwspec?;
    Some(record.ids.iter().filter_map(|stream| stream.fwspec_id()).collect())
}

fn without_repeats(ids: &[u32]) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}

fn judge(capture: &Capture) -> Verdict {
    let mut verdict = Verdict::default();
    let firmware = capture.firmware();
    let mut groups = match &firmware {
        Some(firmware) => Groups::new(IdMap::build(&firmware.platform, capture.dialect())),
        None => Groups::without_firmware(),
    };
    let functions = capture.functions();
    for device in &functions {
        groups.add(*device).unwrap();
    }
    groups.settle();

    // Groups: the same partition of the devices that the kernel grouped.
    let kernel = capture.partition();
    let grouped: BTreeSet<Bdf> = kernel.iter().flatten().copied().collect();
    let mut ours: BTreeMap<_, BTreeSet<Bdf>> = BTreeMap::new();
    for bdf in &grouped {
        match groups.group_of((*bdf).into()) {
            Some(group) => drop(ours.entry(group).or_default().insert(*bdf)),
            None => verdict.fault(format!("{bdf} has no group: {:?}", groups.why_none((*bdf).into()))),
        }
    }
    let ours: BTreeSet<_> = ours.into_values().collect();
    for group in ours.symmetric_difference(&kernel) {
        let whose = if kernel.contains(group) { "the kernel" } else { "fwspec" };
        verdict.faults.push(Fault::Groups(format!("{whose} has group {}", names(group))));
    }

    let Some(firmware) = firmware else {
        // On q35 the driver knows the IOMMU from elsewhere.
        if capture.kind() != "q35" && (!kernel.is_empty() || !capture.ids().is_empty()) {
            verdict.fault(format!("no table has an IOMMU, and the kernel has groups {kernel:?}"));
        }
        return verdict;
    };
    // Ids, in order.
    let refused = capture.strings("fwspec_refused");
    let recorded = capture.ids();
    for device in &functions {
        let name = device.key().to_string();
        let found = ids_of(&groups, device.key());
        let Some(wanted) = recorded.get(&name) else {
            // Before v6.15 only devices that some driver was matched with were looked up; and a registration that fails ends
            // before it comes to every device.
            if capture.kernel() >= (6, 15) && !kernel.is_empty() && found.is_some() {
                verdict.fault(format!("{name}: the kernel has no ids, fwspec {found:x?}"));
            }
            continue;
        };
        verdict.ids_compared += 1;
        let found = found.unwrap_or_default();
        let parsed_again = refused.contains(&name) && without_repeats(&found) == without_repeats(wanted);
        if found != *wanted && !parsed_again {
            verdict.fault(format!("{name}: the kernel has ids {wanted:x?}, fwspec {found:x?}"));
        }
    }
    // Platform devices, which the kernel names its own way: some requester has just these ids.
    for (name, wanted) in recorded.iter().filter(|(name, _)| name.parse::<Bdf>().is_err()) {
        let map = groups.map().unwrap();
        let requesters = 0..u32::try_from(firmware.platform.requesters.len()).unwrap();
        let has_them = |at: u32| {
            let record = map.fwspec(RequesterIndex(at).into()).fwspec;
            record.is_some_and(|r| r.ids.iter().filter_map(|s| s.fwspec_id()).eq(wanted.iter().copied()))
        };
        verdict.ids_compared += 1;
        if !requesters.into_iter().any(has_them) {
            verdict.fault(format!("{name}: nobody has the ids {wanted:x?}"));
        }
    }
    // Reserved memory of each device that has a group, where an SMMU's driver lists it.
    for (device, wanted) in capture.reserved() {
        let map = groups.map().unwrap();
        let (record, preserved) = match device.parse::<Bdf>() {
            // QEMU's host bridge has no _DSM 5: the boot configuration of PCI functions is not kept.
            Ok(bdf) => (groups.placement(bdf.into()).unwrap().fwspec, false),
            Err(_) => {
                let ids = &recorded[&device];
                let records = (0..)
                    .zip(&firmware.platform.requesters)
                    .filter_map(|(at, _)| map.fwspec(RequesterIndex(at).into()).fwspec);
                let same =
                    |r: &fwspec::Fwspec| r.ids.iter().filter_map(|s| s.fwspec_id()).eq(ids.iter().copied());
                (records.into_iter().find(same), true)
            }
        };
        let Some(record) = record else { continue };
        if !matches!(map.iommus()[record.iommu.position()].kind, fwspec::IommuKind::SmmuV3 { .. }) {
            continue;
        }
        let regions = fwspec::map::reserved_regions(&firmware.platform, &record, preserved);
        let ours: Vec<String> =
            regions.map(|r| format!("{:#018x} {:#018x} {}", r.base, r.last, kind(r.kind))).collect();
        verdict.regions_compared += wanted.len();
        if ours != wanted {
            verdict.fault(format!("{device}: the kernel reserves {wanted:?}, fwspec {ours:?}"));
        }
    }
    // What happened to each device. Before v6.15 that also hung on drivers.
    if capture.kernel() >= (6, 15) {
        let rolled_back = kernel.is_empty() && !recorded.is_empty();
        for (device, answer) in groups.kernel_answers(None) {
            let (name, answer) = (device.to_string(), answer.word());
            let happened = match () {
                () if grouped.iter().any(|bdf| bdf.to_string() == name) => "grouped",
                () if refused.contains(&name) && !rolled_back => "refused",
                () if rolled_back && answer != "untranslated" => "smmu-fails",
                () => "untranslated",
            };
            verdict.predictions_compared += 1;
            // Who is refused brings a virtio-iommu down, and is brought down with it.
            let brought_down = happened == "smmu-fails" && answer == "refused-alias";
            if let (DeviceKey::Pci(bdf), "refused", "grouped") = (device, happened, answer) {
                verdict.faults.push(Fault::Lost(bdf));
            } else if !answer.starts_with(happened) && !brought_down {
                verdict.fault(format!("{name} is {happened}, predicted was {answer}"));
            }
        }
    }
    verdict
}

/// Why a capture differs, where the kernel is at fault.
fn known_fault(name: &str) -> Option<&'static str> {
    if name.contains("-rescan.") || name.starts_with("fw_dt_map_and_iommus.") {
        return Some(
            "functions enumerated after the IOMMU driver registered: pci_scan_slot() marks them multifunction too late",
        );
    }
    if name.contains("-nobrdrv.") && name.ends_with(".6.1") {
        return Some(
            "fwspec made at driver probe (really_probe), no driver for the ports: pci_device_group() finds no group above",
        );
    }
    None
}

#[test]
fn every_captured_boot_is_explained() {
    let Some(runs) = shared("linux-truth/runs") else { return };
    let mut folders: Vec<_> = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let (mut agreed, mut explained, mut faults, mut failed) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut ids, mut predictions, mut regions) = (0, 0, 0);
    for folder in folders {
        let Some(capture) = Capture::open(folder) else {
            failed += 1;
            continue;
        };
        let verdict = judge(&capture);
        ids += verdict.ids_compared;
        predictions += verdict.predictions_compared;
        regions += verdict.regions_compared;
        match (verdict.faults.is_empty(), known_fault(&capture.name)) {
            (true, _) => agreed.push(capture.name),
            (false, Some(why)) => explained.push(format!("{}: {why}", capture.name)),
            (false, None) => faults.push(format!("{}:\n    {}", capture.name, verdict.said())),
        }
    }
    println!(
        "{} captures agree on groups, fwspec ids ({ids} devices) and outcome ({predictions} devices); {regions} reserved regions were compared",
        agreed.len()
    );
    println!("{} boots ended before anything was recorded", failed);
    println!("{} differ for a known fault of the kernel:\n  {}", explained.len(), explained.join("\n  "));
    println!("{} differ without explanation:\n  {}", faults.len(), faults.join("\n  "));
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/group/kernel_truth.agreed");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&list, agreed.join("\n") + "\n").unwrap();
    }
    let before = std::fs::read_to_string(list).unwrap();
    let broken: Vec<_> = before.lines().filter(|name| !agreed.iter().any(|now| now == name)).collect();
    assert!(!agreed.is_empty());
    assert_eq!(broken, Vec::<&str>::new(), "these agreed once");
    assert!(faults.is_empty(), "{} captures differ without explanation", faults.len());
}

/// How the order of one boot by RIMT explains what differs in it, for each difference; `Err` where it does not.
///
/// Two threads give groups (linux drivers/iommu/iommu.c): `bus_iommu_probe` of the IOMMU that registers comes to what is on the
/// bus, in the order in which it was added, and `iommu_bus_notifier` of the scan groups what is added from then on.
fn raced(capture: &Capture, verdict: &Verdict) -> Result<Vec<String>, String> {
    let firmware = capture.firmware().ok_or("there is no table that an order could hang on")?;
    let mut groups = Groups::new(IdMap::build(&firmware.platform, capture.dialect()));
    for device in capture.functions() {
        groups.add(device).unwrap();
    }
    groups.settle();
    let pairs = capture.groups["add_order"].as_array().unwrap().iter();
    let order: Vec<Bdf> = pairs.filter_map(|pair| pair[1].as_str().unwrap().parse().ok()).collect();
    let turns: Vec<Event> =
        order.iter().map(|device| Event::Turn { device: *device, scanned_late: false }).collect();
    let play = World::of(&groups).play(Algorithm::DeviceAdd, &turns);
    let replayed: BTreeSet<BTreeSet<Bdf>> =
        play.groups.into_iter().map(|group| group.into_iter().collect()).collect();
    let kernel = capture.partition();
    if replayed != kernel {
        return Err(format!("its order gives {replayed:?}, the kernel has {kernel:?}"));
    }
    let place = |device: Bdf| order.iter().position(|other| *other == device);
    let mut why = Vec::new();
    for fault in &verdict.faults {
        match fault {
            Fault::Groups(text) if text.starts_with("the kernel") => {
                let torn = kernel.iter().filter(|group| text.ends_with(&names(group)));
                let [group] = torn.collect::<Vec<_>>()[..] else { return Err(text.clone()) };
                let leader = group.first().and_then(|device| groups.group_of((*device).into())).unwrap();
                let ours = groups.group(leader).unwrap();
                let all = group.iter().all(|device| ours.members().any(|member| member == (*device).into()));
                let first = group.iter().min_by_key(|device| place(**device)).unwrap();
                let above: Vec<Bdf> = groups.topology().bridges(*first).map(|(bridge, _)| bridge).collect();
                // It made a group of its own: for those above it that came later, or were lost, or for those below that came earlier.
                let late =
                    above.iter().find(|bridge| place(**bridge) > place(*first) || place(**bridge).is_none());
                let early = order.iter().find(|other| {
                    !group.contains(other)
                        && place(**other) < place(*first)
                        && ours.members().any(|member| member == (**other).into())
                });
                why.push(match (all, late, early) {
                    (true, Some(bridge), _) => format!(
                        "{text}: iommu_bus_notifier() grouped {first} while bus_iommu_probe() had not come to {bridge} above it: \
                         pci_device_group() found no group there"
                    ),
                    (true, None, Some(other)) => format!(
                        "{text}: pci_device_group() looks upward only, and {other} had been grouped below {first} before"
                    ),
                    _ => return Err(text.clone()),
                });
            }
            // The other side of the same difference.
            Fault::Groups(_) => {}
            Fault::Lost(device) => {
                let driven = capture.devices.as_array().unwrap().iter().any(|entry| {
                    entry["bdf"].as_str().and_then(|bdf| bdf.parse().ok()) == Some(*device)
                        && entry["driver"].is_string()
                });
                if !driven || order.contains(device) {
                    return Err(fault.to_string());
                }
                why.push(format!(
                    "{device} is lost: iommu_init_device() gave it up, because really_probe() had set its driver when bus_iommu_probe() \
                     came, or because iommu_bus_notifier() freed its dev->iommu meanwhile; rimt_iommu_configure_id() read its ids for the \
                     driver later, and acpi_iommu_configure_id() has no iommu_probe_device() at its end, as of_iommu_configure() has"
                ));
            }
            Fault::Other(text) => return Err(text.clone()),
        }
    }
    Ok(why)
}

/// RISC-V, by device tree and by RIMT: ids in order and who is translated are the kernel's; so are the groups, where no race
/// decides; and where one does, its recorded order gives the kernel's groups and shows the functions at fault.
#[test]
fn every_riscv_boot_is_explained() {
    let Some(runs) = shared("linux-truth/riscv") else { return };
    let mut folders: Vec<_> = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    let (mut agreed, mut explained, mut unexplained, mut ids) = (0, Vec::new(), Vec::new(), 0);
    for folder in folders {
        let Some(capture) = Capture::open(folder) else { continue };
        let verdict = judge(&capture);
        ids += verdict.ids_compared;
        let races = capture.kind() == "acpi" && capture.folder.join("RIMT.bin").exists();
        if verdict.faults.is_empty() {
            agreed += 1;
        } else if !races {
            unexplained.push(format!("{}:\n    {}", capture.name, verdict.said()));
        } else {
            match raced(&capture, &verdict) {
                Ok(why) => explained.push(format!("{}:\n    {}", capture.name, why.join("\n    "))),
                Err(why) => unexplained.push(format!("{}:\n    {why}", capture.name)),
            }
        }
    }
    println!("{agreed} RISC-V boots agree, {ids} devices' ids were compared");
    println!("{} hung on who came first:\n  {}", explained.len(), explained.join("\n  "));
    assert_eq!(unexplained, Vec::<String>::new());
    assert!(agreed >= 10 && explained.len() >= 6, "{agreed} and {}", explained.len());
}

/// Ids and group leader of every function, by what the firmware and the config space of a boot say.
fn answers(capture: &Capture) -> BTreeMap<Bdf, (Vec<u32>, Option<DeviceKey>)> {
    let firmware = capture.firmware().unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, capture.dialect()));
    let functions = capture.functions();
    for device in &functions {
        groups.add(*device).unwrap();
    }
    groups.settle();
    let answer = |device: &Device| {
        let DeviceKey::Pci(bdf) = device.key() else { panic!() };
        let group = groups.group_of(bdf.into()).and_then(|group| groups.group(group));
        (bdf, (ids_of(&groups, bdf.into()).unwrap_or_default(), group.and_then(|group| group.leader())))
    };
    functions.iter().map(answer).collect()
}

/// Boots of one topology and kernel, by ACPI and by device tree. Before v6.15 a device-tree boot ran with other ACS settings.
#[test]
fn both_boots_of_a_topology_give_the_same_ids_and_groups() {
    let Some(runs) = shared("linux-truth/runs") else { return };
    let (mut same, mut differing) = (0, Vec::new());
    let mut names: Vec<_> =
        std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names.iter().map(|name| name.to_str().unwrap()).filter(|name| name.contains(".acpi.")) {
        let pair = [name.to_string(), name.replace(".acpi.", ".dt.")];
        let [Some(acpi), Some(dt)] = pair.map(|name| Capture::open(runs.join(name))) else { continue };
        if acpi.kernel() < (6, 15) || acpi.folder.join("VIOT.bin").exists() {
            continue;
        }
        if answers(&acpi) == answers(&dt) { same += 1 } else { differing.push(name.to_string()) }
    }
    println!("{same} pairs agree; these do not: {differing:?}");
    // A device tree has no word for the root buses of a PCI expander bridge, so QEMU maps them with the rest or not at all.
    let unexplained: Vec<_> = differing.iter().filter(|name| !name.contains("pxb")).collect();
    assert!(same > 0);
    assert_eq!(unexplained, Vec::<&String>::new());
}
