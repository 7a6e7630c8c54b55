//! Every captured Linux boot, end to end: firmware bytes and config space in, groups and fwspec ids out, as the kernel had them.
//!
//! The captures live outside the project, in `../shared/linux-truth` or where `FWSPEC_SHARED` points; without them the test
//! says so and passes. `tests/kernel_truth.agreed` lists the captures that agree: none of them may break.
#![cfg(feature = "json")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fwspec::input::Firmware;
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap};
use serde_json::Value;

fn runs() -> Option<PathBuf> {
    let shared = std::env::var_os("FWSPEC_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    Some(shared.join("linux-truth/runs")).filter(|runs| runs.is_dir())
}

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
            "acpi" => "IORT.bin",
            "dt" | "dt-viommu" => "fdt.dtb",
            _ => return None,
        };
        Some(Firmware::open(file, std::fs::read(self.folder.join(file)).unwrap()).unwrap())
    }

    fn dialect(&self) -> Dialect {
        if self.kernel() >= (7, 3) { Dialect::LINUX } else { Dialect::LINUX_CLASSIC }
    }

    fn functions(&self) -> Vec<(Bdf, Vec<u8>, Option<Bdf>)> {
        let function = |device: &Value| {
            let bdf = device["bdf"].as_str().unwrap().parse().unwrap();
            let hex = device["config"].as_str().unwrap().as_bytes();
            let digit = |at: usize| (hex[at] as char).to_digit(16).unwrap() as u8;
            let mut config: Vec<u8> =
                (0..hex.len() / 2).map(|i| digit(2 * i) << 4 | digit(2 * i + 1)).collect();
            config.resize(device["config_len"].as_u64().unwrap() as usize, 0);
            (bdf, config, device["physfn"].as_str().map(|physical| physical.parse().unwrap()))
        };
        self.devices.as_array().unwrap().iter().map(function).collect()
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
        let ids =
            |list: &Value| list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        self.groups["fwspec_ids"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), ids(v))).collect()
    }

    fn strings(&self, key: &str) -> BTreeSet<String> {
        self.groups[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
    }
}
