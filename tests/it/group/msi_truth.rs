//! The DeviceIDs that MSIs really carried: boots with a probe on `its_msi_prepare`, in `linux-truth/msi` of the shared folder.

use std::path::{Path, PathBuf};

use fwspec::machine::Firmware;
use fwspec::{Bdf, Dialect, Groups, IdMap};
use serde_json::Value;

/// A machine as it was captured: all its functions added, in the order of the listing.
fn groups_of(folder: &Path) -> Groups {
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
    groups
}

#[test]
fn msis_carry_the_device_id_that_the_its_was_asked_for() {
    let shared = std::env::var_os("FWSPEC_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let Ok(captures) = std::fs::read_dir(shared.join("linux-truth/msi")) else {
        println!("skipped: no captures; set FWSPEC_SHARED to the folder that has linux-truth/msi");
        return;
    };
    let (mut boots, mut ids, mut aliased) = (0, 0, 0);
    for folder in captures.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let truth: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("groups.json")).unwrap()).unwrap();
        let groups = groups_of(&folder);
        for (function, kernel) in truth["msi_device_ids"].as_object().unwrap() {
            let function: Bdf = function.parse().unwrap();
            let ours = groups.msi_of(function.into()).map(|request| u64::from(request.id.0));
            let kernel: Vec<u64> = kernel.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
            assert_eq!(ours.into_iter().collect::<Vec<_>>(), kernel, "{}: {function}", folder.display());
            ids += 1;
            aliased += usize::from(kernel != [u64::from(function.rid.0)]);
        }
        boots += 1;
    }
    println!("{boots} boots, {ids} DeviceIDs, {aliased} of which are not the function's own requester ID");
    assert!(boots >= 20 && aliased >= 5);
}
