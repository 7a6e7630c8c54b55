//! Every captured Linux boot: the partition that PCI alone makes, and Linux's own search in the recorded order.

use crate::support::outside::shared;

use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Device, DeviceKey, Groups, Segment};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

struct Run {
    name: String,
    devices: Vec<Value>,
    groups: Value,
    result: Value,
}

/// Boots in which Linux's answer depended on the order, so that it is not the closure.
const ORDER_DEPENDENT: [(&str, &str); 4] = [
    ("-rescan", "functions were scanned after the IOMMU was registered: multifunction is learned too late"),
    ("fw_dt_map_and_iommus", "the host bridge came after the IOMMU: multifunction is learned too late"),
    ("-nobrdrv.", "before v6.15 a port without a driver has no group that the search could find"),
    (
        "rv_",
        "by ACPI the scan (acpi_scan_clear_dep_fn) and the registration of the IOMMU run at one time: iommu_bus_notifier groups a \
         function before bus_iommu_probe has come to the bridges above it",
    ),
];

type Partition = BTreeSet<BTreeSet<Bdf>>;

fn runs() -> Vec<Run> {
    let folders = ["linux-truth/runs", "linux-truth/riscv"].into_iter().filter_map(shared);
    let mut runs: Vec<Run> = folders
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .filter_map(|entry| {
            let folder = entry.unwrap().path();
            let json = |name: &str| -> Option<Value> {
                serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
            };
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let Value::Array(devices) = json("devices.json")? else { return None };
            Some(Run { name, devices, groups: json("groups.json")?, result: json("result.json")? })
        })
        .collect();
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    runs
}

fn bdf(value: &Value) -> Option<Bdf> {
    value.as_str()?.parse().ok()
}

impl Run {
    fn device(&self, value: &Value) -> Device {
        let digits = value["config"].as_str().unwrap();
        let mut config: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        config.resize(value["config_len"].as_u64().unwrap() as usize, 0);
        let device = Device::pci(bdf(&value["bdf"]).unwrap(), &config).unwrap();
        match bdf(&value["physfn"]) {
            Some(physical) => device.virtual_function_of(physical),
            None => device,
        }
    }

    /// The groups of this machine's functions without any firmware, functions being added in this order.
    fn added(&self, order: impl Iterator<Item = usize>) -> Groups {
        let mut groups = Groups::without_firmware();
        for at in order {
            groups.add(self.device(&self.devices[at])).unwrap();
        }
        for device in &self.devices {
            let root = device["root"].as_str().unwrap().trim_start_matches("pci");
            let (segment, bus) = root.split_once(':').unwrap();
            let hex = |digits| u32::from_str_radix(digits, 16).unwrap();
            groups.declare_root(Segment(hex(segment)), hex(bus) as u8);
        }
        groups
    }

    /// What the kernel did, PCI functions only.
    fn kernel(&self) -> Partition {
        let groups = self.groups["groups"].as_array().unwrap().iter();
        let sets = groups.map(|group| group["devices"].as_array().unwrap().iter().filter_map(bdf).collect());
        let functions: BTreeSet<Bdf> = self.devices.iter().filter_map(|device| bdf(&device["bdf"])).collect();
        sets.map(|set: BTreeSet<Bdf>| set.intersection(&functions).copied().collect::<BTreeSet<Bdf>>())
            .filter(|set| !set.is_empty())
            .collect()
    }

    /// Version of the kernel.
    fn version(&self) -> (u64, u64) {
        let text =
            self.result["kernel"].as_str().unwrap().trim_start_matches("x86-").trim_start_matches("rv-");
        let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap(), parts.next().unwrap_or(0))
    }

    /// A RISC-V IOMMU described by a RIMT: who comes first hangs on two threads, and is another device in each boot.
    fn races(&self) -> bool {
        self.name.starts_with("rv_") && self.name.contains(".acpi.")
    }

    /// The recorded order in which devices were given groups; of several additions of a device the last counts.
    fn order(&self) -> Vec<Bdf> {
        let added = self.groups["add_order"].as_array().unwrap().iter().filter_map(|pair| bdf(&pair[1]));
        let functions: BTreeSet<Bdf> = self.devices.iter().filter_map(|device| bdf(&device["bdf"])).collect();
        let mut order: Vec<Bdf> = Vec::new();
        for device in added.filter(|device| functions.contains(device)) {
            order.retain(|other| *other != device);
            order.push(device);
        }
        order
    }
}

/// The closure, looked at through the devices that the kernel grouped.
fn ours(groups: &Groups, grouped: &BTreeSet<Bdf>) -> Partition {
    groups
        .groups()
        .map(|group| {
            group
                .members()
                .filter_map(|member| match member {
                    DeviceKey::Pci(bdf) => Some(bdf),
                    _ => None,
                })
                .filter(|bdf| grouped.contains(bdf))
                .collect::<BTreeSet<Bdf>>()
        })
        .filter(|set| !set.is_empty())
        .collect()
}

fn shown(partition: &Partition) -> String {
    let set = |set: &BTreeSet<Bdf>| {
        format!("{{{}}}", set.iter().map(|bdf| bdf.rid.to_string()).collect::<Vec<String>>().join(","))
    };
    partition.iter().map(set).collect::<Vec<String>>().join(" ")
}

#[test]
fn the_closure_is_the_kernels_partition() {
    let runs = runs();
    let mut differ: BTreeMap<String, String> = BTreeMap::new();
    let (mut judged, mut raced, mut raced_apart) = (0, 0, 0);
    for run in &runs {
        let kernel = run.kernel();
        if kernel.is_empty() {
            continue;
        }
        judged += 1;
        let grouped: BTreeSet<Bdf> = kernel.iter().flatten().copied().collect();
        let closure = ours(&run.added(0..run.devices.len()), &grouped);
        raced += usize::from(run.races());
        if closure != kernel {
            let [only_ours, only_theirs] = [&closure - &kernel, &kernel - &closure];
            if run.races() {
                // Who comes first tears groups apart, and never puts more into one.
                let torn = kernel.iter().all(|group| closure.iter().any(|ours| group.is_subset(ours)));
                assert!(torn, "{}: closure {}  kernel {}", run.name, shown(&only_ours), shown(&only_theirs));
                raced_apart += 1;
            }
            differ.insert(
                run.name.clone(),
                format!("closure {}  kernel {}", shown(&only_ours), shown(&only_theirs)),
            );
        }
    }
    println!("{} of {judged} boots with groups agree", judged - differ.len());
    for (name, text) in &differ {
        let known = ORDER_DEPENDENT.iter().find(|(part, _)| name.contains(part));
        let (_, why) = known.unwrap_or_else(|| panic!("{name}: {text}"));
        println!("{name}: {text}: {why}");
    }
    if !runs.is_empty() {
        let known: BTreeSet<&str> = include_str!("kernel_groups.differ").lines().collect();
        let lasting = differ.keys().map(String::as_str).filter(|name| !name.starts_with("rv_"));
        let found: BTreeSet<&str> = lasting.collect();
        assert_eq!(found, known);
        println!("of {raced} boots by RIMT {raced_apart} are torn apart");
        assert!(judged >= 406, "only {judged} boots");
    }
}

#[test]
fn linux_search_in_the_recorded_order_gives_linux_groups() {
    let runs = runs();
    let (mut judged, mut differ) = (0, Vec::new());
    for run in &runs {
        let kernel = run.kernel();
        if kernel.is_empty() {
            continue;
        }
        judged += 1;
        let added_on_scan = run.version() >= (6, 15);
        let late = added_on_scan && (run.result["late"] == true || run.name.contains("map_and_iommus"));
        let grouped: BTreeSet<Bdf> = kernel.iter().flatten().copied().collect();
        let order = run.order().into_iter().filter(|device| added_on_scan || grouped.contains(device));
        let turns: Vec<Event> = order.map(|device| Event::Turn { device, scanned_late: late }).collect();
        let groups = run.added(0..run.devices.len());
        let algorithm = if added_on_scan { Algorithm::DeviceAdd } else { Algorithm::DriverProbe };
        let simulated: Partition = World::of(&groups)
            .play(algorithm, &turns)
            .groups
            .into_iter()
            .map(|set| set.into_iter().collect())
            .collect();
        if simulated != kernel {
            let [only_ours, only_theirs] = [&simulated - &kernel, &kernel - &simulated];
            differ.push(format!(
                "{}: simulated {}  kernel {}",
                run.name,
                shown(&only_ours),
                shown(&only_theirs)
            ));
        }
    }
    println!("{} of {judged} boots with groups reproduced", judged - differ.len());
    assert_eq!(differ, Vec::<String>::new());
    assert!(runs.is_empty() || judged >= 406, "only {judged} boots");
}

#[test]
fn children_first_gives_the_same_partition() {
    let runs = runs();
    for run in &runs {
        let all: BTreeSet<Bdf> = run.devices.iter().filter_map(|device| bdf(&device["bdf"])).collect();
        let forwards = ours(&run.added(0..run.devices.len()), &all);
        let backwards = ours(&run.added((0..run.devices.len()).rev()), &all);
        assert_eq!(forwards, backwards, "{}", run.name);
    }
    println!("{} boots", runs.len());
}
