//! Every captured Linux boot of an x86 machine, by its DMAR or IVRS: who is translated, the groups, and the memory that each group keeps.

use crate::support::outside::shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fwspec::answer::{DeviceRecord, GroupsDocument};
use fwspec::lint::{Code, Severity};
use fwspec::machine::Firmware;
use fwspec::map::{ReservedRegion, joined, reserved_for_function};
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap, group::Policy};
use serde_json::Value;

fn json(folder: &Path, file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder.join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn functions(folder: &Path) -> Vec<Device> {
    let text = std::fs::read(folder.join("lspci.txt")).unwrap();
    let (devices, skipped) = fwspec::machine::devices(&fwspec::machine::lspci::parse(&text).unwrap());
    assert_eq!(skipped, [], "{}", folder.display());
    devices
}

fn firmware(folder: &Path) -> Option<Firmware> {
    let table = ["DMAR.bin", "IVRS.bin"].into_iter().find(|table| folder.join(table).exists())?;
    Some(Firmware::open(table, std::fs::read(folder.join(table)).unwrap()).unwrap())
}

fn assign(firmware: &Firmware, functions: &[Device], policy: Policy) -> Groups {
    let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    let mut groups = Groups::builder().map(map).policy(policy).build();
    for device in functions {
        groups.add(*device).unwrap();
    }
    groups.settle();
    groups
}

fn bdfs(list: &Value) -> BTreeSet<Bdf> {
    list.as_array().unwrap().iter().filter_map(|device| device.as_str().unwrap().parse().ok()).collect()
}

/// The groups, each with its reserved regions as sysfs prints them.
fn kernel_groups(groups: &Value) -> BTreeMap<BTreeSet<Bdf>, Vec<String>> {
    let regions = |group: &Value| -> Vec<String> {
        group["reserved"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_string()).collect()
    };
    let groups = groups["groups"].as_array().unwrap().iter();
    groups
        .map(|group| (bdfs(&group["devices"]), regions(group)))
        .filter(|(members, _)| !members.is_empty())
        .collect()
}

fn our_groups(groups: &Groups, firmware: &Firmware) -> BTreeMap<BTreeSet<Bdf>, Vec<String>> {
    let of = |members: BTreeSet<Bdf>| {
        let regions = members.iter().flat_map(|member| {
            let record = groups.placement(DeviceKey::Pci(*member)).unwrap().fwspec.unwrap();
            reserved_for_function(&firmware.platform, &record, &groups.path_to(*member).unwrap())
        });
        let regions = joined(regions.collect());
        let line = |region: &ReservedRegion| {
            format!("{:#018x} {:#018x} {}", region.base, region.last, region.kind.word())
        };
        (members, regions.iter().map(line).collect())
    };
    let pci = |member: DeviceKey| match member {
        DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    };
    groups.groups().map(|group| of(group.members().filter_map(pci).collect())).collect()
}

fn captures() -> Vec<PathBuf> {
    let Some(shared) = shared("linux-truth") else { return Vec::new() };
    let all = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(shared.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let mut captures = all("x86");
    captures.extend(all("runs").into_iter().filter(|path| path.to_str().unwrap().contains(".q35.")));
    captures.sort();
    captures
}

#[test]
fn every_x86_boot_is_as_the_kernel_had_it() {
    let (mut agreed, mut faults) = (BTreeSet::new(), Vec::new());
    for folder in captures() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        let (Some(truth), Some(firmware)) = (json(&folder, "groups.json"), firmware(&folder)) else {
            continue;
        };
        let functions = functions(&folder);
        let mut said = Vec::new();
        let groups = assign(&firmware, &functions, Policy::Linux);
        let (ours, theirs) = (our_groups(&groups, &firmware), kernel_groups(&truth));
        for (members, regions) in &theirs {
            match ours.get(members) {
                None => said.push(format!("Linux has a group of {members:?}")),
                Some(own) if own != regions => {
                    said.push(format!("{members:?} keep {own:?}, in Linux {regions:?}"));
                }
                Some(_) => {}
            }
        }
        for members in ours.keys().filter(|members| !theirs.contains_key(*members)) {
            said.push(format!("we have a group of {members:?}"));
        }
        // Who may not be given to a user: a group in which the kernel maps memory 1:1 (`require_direct`).
        let document = GroupsDocument::new(&groups, Some(&firmware.platform), None, Vec::new());
        for (members, regions) in &theirs {
            let direct = regions.iter().any(|region| region.ends_with(" direct"));
            let kept = |device: &DeviceRecord| {
                let why = device.assignable.why_not().is_some_and(|why| why.contains("require_direct"));
                why && members.iter().any(|member| device.device == member.to_string())
            };
            if document.devices.iter().any(kept) != direct {
                said.push(format!("{members:?} may be given away: {}", !direct));
            }
        }
        // By the search of Linux, in the order of the listing, and by the closure that the orders are compared with.
        let world = World::of(&groups);
        let turns: Vec<Event> = theirs
            .keys()
            .flatten()
            .map(|device| Event::Turn { device: *device, scanned_late: false })
            .collect();
        for algorithm in [Algorithm::DeviceAdd, Algorithm::Closure] {
            let mut turns = turns.clone();
            turns.sort_by_key(Event::device);
            let played: BTreeSet<BTreeSet<Bdf>> = world
                .play(algorithm, &turns)
                .groups
                .into_iter()
                .map(|group| group.into_iter().collect())
                .collect();
            if played != theirs.keys().cloned().collect() {
                said.push(format!("{} gives {played:?}", algorithm.word()));
            }
        }
        // In the reverse order, and under the stricter policy, which is never finer.
        let reversed: Vec<Device> = functions.iter().rev().copied().collect();
        if our_groups(&assign(&firmware, &reversed, Policy::Linux), &firmware) != ours {
            said.push("the order of the adds matters".to_string());
        }
        let strict = our_groups(&assign(&firmware, &functions, Policy::Strict), &firmware);
        for members in ours.keys().filter(|members| !strict.keys().any(|group| members.is_subset(group))) {
            said.push(format!("policy strict splits {members:?}"));
        }
        if said.is_empty() {
            agreed.insert(name);
        } else {
            faults.push(format!("{name}:\n    {}", said.join("\n    ")));
        }
    }
    println!("{} boots agree, {} do not", agreed.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(captures().is_empty() || agreed.len() >= 100, "{}", agreed.len());
}

/// What stopped a boot is an error that names the kernel's function.
#[test]
fn every_boot_that_died_is_an_error_in_lint() {
    let mut died = Vec::new();
    for folder in captures().into_iter().filter(|folder| folder.join("failure.txt").exists()) {
        let Some(firmware) = firmware(&folder) else { continue };
        let groups = assign(&firmware, &functions(&folder), Policy::Linux);
        let mut found = fwspec::answer::findings(&firmware);
        found.extend(fwspec::lint::groups(&groups, &firmware.platform, None));
        let errors = found.into_iter().filter(|finding| finding.severity == Severity::Error);
        let codes: BTreeSet<Code> = errors.map(|finding| finding.code).collect();
        died.push((folder.file_name().unwrap().to_str().unwrap().to_string(), codes));
    }
    if died.is_empty() {
        return;
    }
    let of = |name: &str, code| (name.to_string(), BTreeSet::from([code]));
    assert_eq!(
        died,
        [
            of("fw_dmar_three_hops.intel.7.3", Code::DmarBridgeLeftOut),
            of("fw_dmar_zero_length_scope.intel.7.3", Code::DmarScopeLength),
        ]
    );
    assert!(Code::DmarBridgeLeftOut.rule().reference.contains("domain_context_mapping_cb"));
    assert!(Code::DmarScopeLength.rule().reference.contains("dmar_alloc_dev_scope"));
}
