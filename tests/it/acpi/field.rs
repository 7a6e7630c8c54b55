//! Tables that people have: `tests/field`, small ones that were re-created from public reports and shipped firmware, each with the
//! right value.

use std::fs;

use fwspec::answer::{Answer, Explained, LookupResult};
use fwspec::diff::{Change, Side, diff};
use fwspec::lint::{Finding, Severity};
use fwspec::machine::Firmware;
use fwspec::{DeviceId, Dialect, IdMap, IommuIndex};

fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/field/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn firmware(name: &str) -> Firmware {
    Firmware::open(name, bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The tables of a folder, one after the other.
fn joined(folder: &str, tables: [&str; 2]) -> Firmware {
    let all = tables.map(|table| bytes(&format!("{folder}/{table}"))).concat();
    Firmware::open(folder, all).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

fn linux(firmware: &Firmware) -> IdMap {
    IdMap::build(&firmware.platform, Dialect::LINUX)
}

fn findings(firmware: &Firmware) -> Vec<Finding> {
    fwspec::answer::findings(firmware)
}

/// `warn IORT021` and its like, in the order of the bytes.
fn said(firmware: &Firmware) -> Vec<String> {
    findings(firmware).iter().map(|one| format!("{} {}", one.severity, one.code)).collect()
}

fn finding(firmware: &Firmware, code: &str) -> Finding {
    let found = findings(firmware).into_iter().find(|one| one.code.rule().id == code);
    found.unwrap_or_else(|| panic!("{code} is not among {:?}", said(firmware)))
}

fn lookup(firmware: &Firmware, query: &str) -> LookupResult {
    LookupResult::new(query, &query.parse().unwrap(), firmware, &linux(firmware))
}

/// Whose DeviceID or StreamID it is, by name.
fn sources(firmware: &Firmware, query: &str) -> Vec<String> {
    match lookup(firmware, query).answer {
        Answer::Sources { sources, .. } => sources.into_iter().map(|source| source.requester).collect(),
        other => panic!("{other:?}"),
    }
}

fn explained(firmware: &Firmware, query: &str) -> Vec<Explained> {
    Explained::all(query, firmware, &[linux(firmware)], None).unwrap()
}

// -- an SMMU's and a PMCG's own MSIs --

/// Node flag bit 4, which makes the index valid, is of node revision 5.
#[test]
fn an_index_without_its_valid_flag_is_what_is_wrong_and_not_the_mapping() {
    let unset = firmware("iort/own-msi-flag-not-set.bin");
    assert_eq!(said(&unset), ["warn IORT068"]);
    assert_eq!(sources(&unset, "did:0x10000"), [""; 0]);
    // Its twin has the flag.
    let mut twin = bytes("iort/own-msi-flag-not-set.bin");
    twin[0x60] |= 1 << 4;
    twin[9] = twin[9].wrapping_sub(1 << 4);
    let twin = Firmware::open("twin", twin).unwrap();
    assert_eq!(said(&twin), [""; 0]);
    let side = |firmware: &Firmware| (firmware.platform.clone(), linux(firmware));
    let ((ours, our_map), (theirs, their_map)) = (side(&twin), side(&unset));
    let ours = Side { platform: &ours, map: &our_map };
    let theirs = Side { platform: &theirs, map: &their_map };
    let changes = diff(ours, theirs, |_| true);
    let lost = |added| {
        let name = "smmu-v3 IORT+0x48 at 0x9050000".to_string();
        vec![Change::OwnMsi { name, id: DeviceId(0x1_0000), added }]
    };
    assert_eq!((changes, diff(theirs, ours, |_| true)), (lost(false), lost(true)));
}

#[test]
fn the_way_back_from_a_device_id_leads_to_the_smmu_and_pmcg_that_have_it_themselves() {
    let shared = firmware("iort/own-msi-is-rid0.bin");
    assert_eq!(sources(&shared, "did:0"), ["IORT+0xb4", "IORT+0x48"]);
    let own = firmware("kernel/ownmsi.bin");
    assert_eq!(sources(&own, "did:0x20000"), ["IORT+0x48"]);
    assert!(
        matches!(lookup(&own, "IORT+0x48").answer, Answer::Node { devices, .. } if devices[0].id == 0x2_0000)
    );
    for query in ["did:0x20000", "IORT+0x48"] {
        let answers = explained(&own, query);
        let way = answers[0].ways.last().unwrap();
        let step = way.hops[0].record.as_ref().unwrap();
        assert_eq!((step.place.as_str(), step.output), ("IORT+0x8c", Some(0x2_0000)), "{query}");
    }
    assert_eq!(linux(&own).own_msi_sources(DeviceId(0x2_0000)).next().unwrap().0, IommuIndex(0));
}

#[test]
fn a_single_mapping_costs_nothing_where_every_interrupt_is_wired() {
    assert_eq!(said(&firmware("iort/single-unused-wired.bin")), ["info IORT022", "info IORT021"]);
}

#[test]
fn an_smmu_and_a_pmcg_without_any_interrupt_are_told_of() {
    assert_eq!(said(&firmware("iort/smmu-pmcg-no-irq.bin")), ["warn IORT069", "warn IORT070"]);
}

/// Linux lets the two share what the ITS knows of the DeviceID, and no driver of a host bridge asks for MSIs.
#[test]
fn an_smmus_own_device_id_may_be_the_host_bridges() {
    let shared = firmware("iort/own-msi-is-rid0.bin");
    let one = finding(&shared, "MAP004");
    assert_eq!(one.severity, Severity::Warn);
    let message =
        "DeviceID 0x0 at IORT+0x30 has two sources: the own MSIs of IORT+0x48 and StreamID 0x0 of IORT+0x48";
    assert_eq!(one.message, message);
}
