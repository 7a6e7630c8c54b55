//! The DeviceID that MSIs carry, as each verb tells it.

use std::path::Path;

use crate::verbs::fwspec;
use serde_json::Value;

/// linux drivers/pci/msi/irqdomain.c `get_msi_id_cb`, `pci_msi_domain_get_msi_rid`: behind a PCIe-to-PCI bridge all functions raise their MSIs
/// as the bridge does, on its secondary bus.
#[test]
fn functions_behind_a_bridge_share_the_device_id_of_its_alias() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples/qemu-switch-bridge");
    let file = |name: &str| sample.join(name).to_str().unwrap().to_owned();
    let (table, listing) = (file("iort.bin"), file("lspci.txt"));
    let ask = |words: &[&str]| {
        let output = fwspec(&[words, &[&table, &listing]].concat(), b"");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let audit = ask(&["audit", "--json"]);
    let [shared] = audit["alike_msis"].as_array().unwrap().as_slice() else { panic!("{audit}") };
    assert_eq!((&shared["id"], &shared["msi"]), (&0x400.into(), &"IORT+0x30".into()));
    let [run] = shared["functions"].as_array().unwrap().as_slice() else { panic!("{shared}") };
    assert_eq!((&run["first"], &run["last"], &run["count"]), (&0x408.into(), &0x410.into(), &2.into()));
    assert_eq!(audit["summary"]["shared_ids"], true);
    let found = ask(&["lookup", "--json", "04:01.0", "04:02.0", "03:00.0", "did:0x400", "did:0x408"]);
    let results = found["results"].as_array().unwrap();
    let ids: Vec<&Value> = results.iter().take(3).map(|result| &result["device_id"]).collect();
    assert_eq!(ids, [0x400, 0x400, 0x300]);
    assert_eq!((&results[0]["msi_as"], &results[2]["msi_as"]), (&"0000:04:00.0".into(), &Value::Null));
    let senders = |result: &Value| {
        let functions = result["functions"].as_array().unwrap().iter();
        functions.map(|one| one["function"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(senders(&results[3]), ["0000:04:01.0", "0000:04:02.0"]);
    assert!(senders(&results[4]).is_empty());
    assert_eq!(results[4]["reason"], "no function of the listing sends it");
    let explained = ask(&["explain", "--json", "04:01.0"]);
    let text = explained.to_string();
    assert!(text.contains("DeviceID 0x400") && !text.contains("DeviceID 0x408"), "{text}");
}
