//! Holds the library against what a kernel decided on a machine: a folder with firmware, `lspci.txt` and `kernel.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fwspec::machine::{Firmware, lspci};
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap};
use serde_json::Value;

type Partition = BTreeSet<Vec<String>>;

/// How many devices were compared, by each firmware in the folder.
///
/// Of a device that the driver refused, or that came again, the kernel may have recorded the ids several times: they are compared without repeats.
pub fn agrees(folder: &Path) -> usize {
    let kernel: Value = serde_json::from_slice(&fs::read(folder.join("kernel.json")).unwrap()).unwrap();
    let refused: BTreeSet<&str> = strings(&kernel["fwspec_refused"]).collect();
    let ungrouped: BTreeSet<&str> = strings(&kernel["ungrouped"]).collect();
    let wanted: Partition = kernel["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| strings(&group["devices"]).map(str::to_owned).collect())
        .collect();
    let mut compared = 0;
    for file in ["iort.bin", "rimt.bin", "fdt.dtb", "dmar.bin", "ivrs.bin"]
        .iter()
        .filter(|file| folder.join(file).exists())
    {
        let place = format!("{}/{file}", folder.display());
        let groups = place_all(folder, file);
        if kernel["iommus"].as_array().is_some_and(Vec::is_empty) {
            assert_eq!((groups.groups().count(), wanted.len()), (0, 0), "{place}: no IOMMU, no groups");
        }
        let (turns, again) = order(&kernel, &ungrouped);
        let world = World::of(&groups);
        let play = world.play(Algorithm::DeviceAdd, &turns);
        let in_order: Partition =
            play.groups.iter().map(|group| group.iter().map(Bdf::to_string).collect()).collect();
        assert_eq!(in_order, wanted, "{place}: groups in the recorded order");
        if !again.is_empty() {
            // What was scanned again is judged by momentary flags (linux drivers/pci/probe.c `pci_scan_slot`).
            assert!(world.is_broken(&play), "{place}: that order was meant to break something");
        } else if *file == "rimt.bin" {
            // Who comes first decides (linux drivers/iommu/iommu.c `bus_iommu_probe` beside `iommu_bus_notifier`): torn apart, never more.
            let ours = partition(&groups, &ungrouped);
            let within =
                |group: &Vec<String>| ours.iter().any(|all| group.iter().all(|device| all.contains(device)));
            assert!(wanted.iter().all(within), "{place}: groups");
        } else {
            assert_eq!(partition(&groups, &ungrouped), wanted, "{place}: groups");
        }
        // What the ITS was asked for (linux drivers/pci/msi/irqdomain.c `pci_msi_domain_get_msi_rid`).
        for (device, ids) in kernel["msi_device_ids"].as_object().into_iter().flatten() {
            let bdf: Bdf = device.parse().unwrap();
            let found: Vec<u64> =
                groups.msi_of(bdf.into()).map(|request| u64::from(request.id.0)).into_iter().collect();
            let ids: Vec<u64> = ids.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
            assert_eq!(found, ids, "{place}: DeviceID of {device}");
            compared += 1;
        }
        for (device, ids) in kernel["fwspec_ids"].as_object().unwrap() {
            let bdf: Bdf = device.parse().unwrap();
            let record = groups
                .placement(bdf.into())
                .unwrap()
                .fwspec
                .unwrap_or_else(|| panic!("{place}: {device} has no ids"));
            let mut ids: Vec<u32> = ids
                .as_array()
                .unwrap()
                .iter()
                .map(|id| u32::try_from(id.as_u64().unwrap()).unwrap())
                .collect();
            let mut found: Vec<u32> = record.ids.iter().filter_map(|stream| stream.fwspec_id()).collect();
            if refused.contains(device.as_str()) || again.contains(&bdf) {
                for list in [&mut ids, &mut found] {
                    let mut seen = BTreeSet::new();
                    list.retain(|id| seen.insert(*id));
                }
            }
            assert_eq!(found, ids, "{place}: ids of {device}");
            compared += 1;
        }
    }
    compared
}

/// The recorded order in which devices were given groups, and those that were scanned again.
fn order(kernel: &Value, ungrouped: &BTreeSet<&str>) -> (Vec<Event>, BTreeSet<Bdf>) {
    let all = kernel["add_order"].as_array().unwrap().iter().map(|turn| turn[1].as_str().unwrap());
    let order: Vec<Bdf> =
        all.filter(|device| !ungrouped.contains(device)).filter_map(|device| device.parse().ok()).collect();
    let last = order.iter().enumerate().filter(|(at, device)| !order[at + 1..].contains(device));
    let again: BTreeSet<Bdf> = last
        .clone()
        .filter(|(at, device)| order[..*at].contains(device))
        .map(|(_, device)| *device)
        .collect();
    let turn = |device: &Bdf| Event::Turn { device: *device, scanned_late: again.contains(device) };
    (last.map(|(_, device)| turn(device)).collect(), again)
}

/// Every function of the folder, added in the order of its text.
fn place_all(folder: &Path, file: &str) -> Groups {
    let open = |file: &str| Firmware::open(file, fs::read(folder.join(file)).unwrap()).unwrap();
    let mut firmware = open(file);
    if file == "iort.bin" && folder.join("viot.bin").exists() {
        firmware.join(open("viot.bin"));
    }
    let dumps = lspci::parse(&fs::read(folder.join("lspci.txt")).unwrap()).unwrap();
    assert!(
        dumps.skipped.is_empty() && firmware.platform.skipped.is_empty(),
        "{file}: something was skipped"
    );
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    for dump in &dumps.functions {
        groups.add(Device::pci(dump.bdf, &dump.bytes).unwrap()).unwrap();
    }
    groups.settle();
    groups
}

/// The groups without those that the kernel left alone.
fn partition(groups: &Groups, ungrouped: &BTreeSet<&str>) -> Partition {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for device in groups.devices().filter(|device| !ungrouped.contains(device.to_string().as_str())) {
        if let Some(group) = groups.group_of(device) {
            found.entry(group).or_default().push(name(device));
        }
    }
    found
        .into_values()
        .map(|mut members| {
            members.sort();
            members
        })
        .collect()
}

fn name(device: DeviceKey) -> String {
    device.to_string()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}
