//! The DeviceIDs that MSIs really carried: boots with a probe on `its_msi_prepare`, in `linux-truth/msi` of the shared folder.

use std::path::Path;

use crate::support::outside::shared;

use fwspec::answer::{Answer, Explained, GroupsDocument, LookupResult};
use fwspec::lint::audit::audit;
use fwspec::machine::Firmware;
use fwspec::{Bdf, Dialect, Groups, IdMap};
use serde_json::Value;

/// A machine as it was captured: all its functions added, in the order of the listing.
fn machine_of(folder: &Path) -> (Firmware, Groups) {
    let file = if folder.to_str().unwrap().contains(".dt.") { "fdt.dtb" } else { "IORT.bin" };
    let firmware = Firmware::open(file, std::fs::read(folder.join(file)).unwrap()).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    let text = std::fs::read(folder.join("lspci.txt")).unwrap();
    let (devices, skipped) = fwspec::machine::devices(&fwspec::machine::lspci::parse(&text).unwrap());
    assert_eq!(skipped, []);
    for device in devices {
        groups.add(device).unwrap();
    }
    groups.settle();
    (firmware, groups)
}

#[test]
fn msis_carry_the_device_id_that_the_its_was_asked_for() {
    let Some(captures) = shared("linux-truth/msi") else { return };
    let captures = std::fs::read_dir(captures).unwrap();
    let (mut boots, mut ids, mut aliased) = (0, 0, 0);
    for folder in captures.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let truth: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("groups.json")).unwrap()).unwrap();
        let (firmware, groups) = machine_of(&folder);
        let map = groups.map().unwrap();
        let document = GroupsDocument::new(&groups, Some(&firmware.platform), None, Vec::new());
        let open = audit(&firmware.platform, map, Some(&groups));
        let look_up = |question: &str| {
            LookupResult::among(question, &question.parse().unwrap(), &firmware, map, Some(&groups))
        };
        let recorded = truth["msi_device_ids"].as_object().unwrap();
        for (name, kernel) in recorded {
            let function: Bdf = name.parse().unwrap();
            let ours = groups.msi_of(function.into()).map(|request| u64::from(request.id.0));
            let kernel: Vec<u64> = kernel.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
            assert_eq!(ours.into_iter().collect::<Vec<_>>(), kernel, "{}: {function}", folder.display());
            // Every other place that tells it says the same.
            let listed = document.devices.iter().find(|device| device.device == *name).unwrap();
            assert_eq!(listed.device_id.map(u64::from), kernel.first().copied(), "groups: {name}");
            let Answer::OnBus { device_id, .. } = look_up(name).answer else { panic!("{name}") };
            assert_eq!(device_id.map(u64::from), kernel.first().copied(), "lookup: {name}");
            let ways = Explained::all(name, &firmware, std::slice::from_ref(map), Some(&groups))
                .unwrap()
                .remove(0)
                .ways;
            let hops = ways.iter().flat_map(|way| &way.hops).filter_map(|hop| hop.record.as_ref());
            let told: Vec<&str> =
                hops.filter_map(|hop| hop.arithmetic.split_once("DeviceID ")).map(|(_, id)| id).collect();
            let wanted: Vec<String> = kernel.iter().map(|id| format!("{id:#x}")).collect();
            assert_eq!(told, wanted, "explain: {name}");
            for id in &kernel {
                let Answer::Sources { functions: Some(senders), .. } =
                    look_up(&format!("did:{id:#x}")).answer
                else {
                    panic!("did:{id:#x}")
                };
                assert!(senders.iter().any(|sender| sender.function == *name), "did:{id:#x}: {name}");
                let sharing = recorded.values().filter(|other| **other == serde_json::json!(kernel)).count();
                let told = open.alike_msis.iter().any(|alike| u64::from(alike.id.0) == *id);
                // Functions that raise no MSI share an id as well.
                assert!(sharing < 2 || told, "audit: {id:#x}");
            }
            ids += 1;
            aliased += usize::from(kernel != [u64::from(function.rid.0)]);
        }
        boots += 1;
    }
    println!("{boots} boots, {ids} DeviceIDs, {aliased} of which are not the function's own requester ID");
    assert!(boots >= 20 && aliased >= 5);
}
