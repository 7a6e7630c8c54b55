//! Every firmware sample that a kernel was booted on: its groups, and its ids in their order, are the kernel's.

use std::fs;
use std::path::{Path, PathBuf};

use fwspec::machine::{Firmware, Kind, lspci, recognise};
use fwspec::{Bdf, Device, Dialect, Groups, IdMap};

use crate::support::record;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples")
}

/// The folders of the machines.
fn machines() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(samples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("lspci.txt").exists());
    found.sort();
    found
}

#[test]
fn recorded_machines_get_the_kernels_groups_and_ids() {
    let mut compared = 0;
    for machine in machines().iter().filter(|machine| machine.join("kernel.json").exists()) {
        compared += record::agrees(machine);
    }
    println!("{compared} devices");
    assert!(compared > 0);
}

#[test]
fn every_machine_says_where_it_comes_from() {
    for machine in machines() {
        let told = fs::read_to_string(machine.join("README.md")).unwrap();
        let command = machine.join("command.txt").exists();
        assert!(command || told.contains("by hand"), "{}: who made it?", machine.display());
        for line in told.lines().filter(|line| line.starts_with("    fwspec ")) {
            for file in line
                .split_whitespace()
                .filter(|word| word.ends_with(".bin") || word.ends_with(".dtb") || word.ends_with(".txt"))
            {
                assert!(machine.join(file).exists(), "{}: {line}: no {file}", machine.display());
            }
        }
    }
}

#[test]
fn every_blob_is_recognised_and_opened() {
    for machine in machines() {
        for (file, kind) in [
            ("iort.bin", Kind::AcpiTable(*b"IORT")),
            ("mcfg.bin", Kind::AcpiTable(*b"MCFG")),
            ("rimt.bin", Kind::AcpiTable(*b"RIMT")),
            ("dmar.bin", Kind::AcpiTable(*b"DMAR")),
            ("ivrs.bin", Kind::AcpiTable(*b"IVRS")),
            ("fdt.dtb", Kind::DeviceTree),
        ] {
            let Ok(bytes) = fs::read(machine.join(file)) else { continue };
            assert_eq!(recognise(&bytes), kind, "{}/{file}", machine.display());
            let firmware = Firmware::open(file, bytes).unwrap();
            assert!(
                firmware.platform.skipped.is_empty(),
                "{}/{file}: {:?}",
                machine.display(),
                firmware.platform.skipped
            );
        }
    }
}

/// The board of 2020, by `file`.
fn board(file: &str) -> (IdMap, Vec<Device>) {
    let folder = samples().join("d05-2020");
    let firmware = Firmware::open(file, fs::read(folder.join(file)).unwrap()).unwrap();
    let dumps = lspci::parse(&fs::read(folder.join("lspci.txt")).unwrap()).unwrap();
    let devices = dumps.functions.iter().map(|dump| Device::pci(dump.bdf, &dump.bytes).unwrap());
    (IdMap::build(&firmware.platform, Dialect::LINUX), devices.collect())
}

#[test]
fn the_board_of_2020_has_the_same_ids_by_both_firmwares() {
    let [iort, tree] = ["iort.bin", "fdt.dtb"].map(|file| board(file).0);
    let ids = |map: &IdMap, function: &str| {
        let bdf: Bdf = function.parse().unwrap();
        (map.stream_of(bdf).unwrap().stream.fwspec_id().unwrap(), map.device_id_of(bdf).unwrap().id.0)
    };
    for (function, stream, device) in [
        ("0000:01:00.0", 0x100, 0x100),
        ("0002:21:00.0", 0x2100, 0x2100),
        ("000a:10:00.0", 0x5000, 0x25000),
        ("000a:11:00.3", 0x5103, 0x25103),
    ] {
        assert_eq!(ids(&iort, function), (stream, device), "{function} by IORT");
        assert_eq!(ids(&tree, function), (stream, device), "{function} by device tree");
    }
}

#[test]
fn the_board_of_2020_groups_port_and_functions_in_every_order() {
    let (map, devices) = board("iort.bin");
    let of_the_board = |devices: &[Device]| -> Vec<Vec<String>> {
        let mut groups = Groups::new(map.clone());
        for device in devices {
            groups.add(*device).unwrap();
        }
        let mut found: Vec<Vec<String>> = groups
            .groups()
            .map(|group| {
                let mut members: Vec<String> = group.members().map(|member| member.to_string()).collect();
                members.sort();
                members
            })
            .collect();
        found.sort();
        found
    };
    let together = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let expected = [
        together(&["0000:00:00.0"]),
        together(&["0000:01:00.0"]),
        together(&["0002:20:00.0", "0002:21:00.0"]),
        together(&["000a:10:00.0", "000a:11:00.0", "000a:11:00.1", "000a:11:00.2", "000a:11:00.3"]),
    ];
    // Every order in which the five of segment 000a can come, the others before them.
    let (others, five) = devices.split_at(4);
    for order in orders(five) {
        assert_eq!(of_the_board(&[others, &order].concat()), expected, "{order:?}");
    }
}

/// Every order of some devices.
fn orders(devices: &[Device]) -> Vec<Vec<Device>> {
    let mut found = vec![Vec::new()];
    for device in devices {
        found = found
            .iter()
            .flat_map(|order: &Vec<Device>| {
                (0..=order.len()).map(|at| {
                    let mut longer = order.clone();
                    longer.insert(at, *device);
                    longer
                })
            })
            .collect();
    }
    assert_eq!(found.len(), 120);
    found
}
