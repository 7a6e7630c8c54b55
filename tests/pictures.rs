//! Drawings: everything once, nothing over anything else, nothing of the firmware's text taken for markup.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use fwspec::group::Groups;
use fwspec::input::{Firmware, devices, lspci};
use fwspec::report::json::GroupsDocument;
use fwspec::report::picture::{Picture, Rect, Row, RowKind, Sink, dot, html, layout, svg};
use fwspec::{Dialect, IdMap};

fn machine(name: &str) -> (Picture, GroupsDocument) {
    let folder = format!("{}/firmware-samples/{name}", env!("CARGO_MANIFEST_DIR"));
    let firmware = Firmware::open("iort.bin", std::fs::read(format!("{folder}/iort.bin")).unwrap()).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX).unwrap());
    let text = std::fs::read(format!("{folder}/lspci.txt")).unwrap();
    for device in devices(&lspci::parse(&text).unwrap()).0 {
        groups.add(device).unwrap();
    }
    groups.settle();
    let document = GroupsDocument::new(&groups, Some(&firmware.platform), None, Vec::new());
    (Picture::of_groups(&groups, &document), document)
}

const MACHINES: [&str; 4] = ["qemu-switch-bridge", "qemu-two-roots", "qemu-virtual-functions", "d05-2020"];

fn apart(a: &Rect, b: &Rect) -> bool {
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
}

#[test]
fn no_box_overlaps_another_and_no_line_crosses_one() {
    for name in MACHINES {
        let picture = machine(name).0;
        let places = layout(&picture);
        let boxes: Vec<&Rect> = places.rows.iter().chain(&places.sinks).collect();
        for (at, a) in boxes.iter().enumerate() {
            assert!(
                a.x + a.width <= places.width && a.y + a.height <= places.height,
                "{name}: off the paper"
            );
            for b in &boxes[at + 1..] {
                assert!(apart(a, b), "{name}: {a:?} {b:?}");
            }
        }
        let right = places.rows.iter().map(|row| row.x + row.width).max().unwrap();
        let left = places.sinks.iter().map(|sink| sink.x).min().unwrap();
        for wire in &places.links {
            assert!(wire.start.0 == right && wire.lane > right && wire.lane < left, "{name}: {wire:?}");
            // The line into a sink is level with no row's line, so none looks as if it went on into the sink.
            let level = |other: &fwspec::report::picture::Wire| other.start.1 == wire.end.1;
            assert!(!places.links.iter().any(level), "{name}: {wire:?}");
        }
    }
}

#[test]
fn every_device_is_drawn_once_below_what_it_is_below() {
    for name in MACHINES {
        let (picture, document) = machine(name);
        let mut drawn: Vec<&str> = picture
            .rows
            .iter()
            .filter(|row| row.kind != RowKind::Root)
            .map(|row| row.name.as_str())
            .collect();
        let mut known: Vec<&str> = document.devices.iter().map(|device| device.device.as_str()).collect();
        drawn.sort_unstable();
        known.sort_unstable();
        assert!(!known.is_empty());
        assert_eq!(drawn, known, "{name}");
        assert!(picture.rows.iter().enumerate().all(|(at, row)| row.parent.is_none_or(|parent| parent < at)));
    }
}

#[test]
fn every_translated_device_has_a_line_with_its_stream_id() {
    let (picture, document) = machine("qemu-switch-bridge");
    for device in document.devices.iter().filter(|device| device.iommu.is_some()) {
        let row = picture.rows.iter().position(|row| row.name == device.device).unwrap();
        let link = picture.links.iter().find(|link| link.from == row).unwrap();
        let first = format!("{:#x}", device.stream_ids[0]);
        assert!(link.label.starts_with(&first), "{}: {}", device.device, link.label);
    }
}

#[test]
fn names_from_firmware_are_never_markup() {
    let evil = "<script>\"&\\\n\u{1}";
    let row = Row {
        kind: RowKind::Device,
        name: evil.into(),
        what: evil.into(),
        parent: None,
        group: None,
        note: evil.into(),
    };
    let sink = Sink { name: evil.into(), what: evil.into(), msi: false };
    let picture = Picture { title: evil.into(), rows: vec![row], sinks: vec![sink], ..Picture::default() };
    let document = machine("qemu-two-roots").1;
    let (mut drawn, mut page, mut graph) = (String::new(), String::new(), String::new());
    svg(&picture, &mut drawn).unwrap();
    html(&picture, &document, &mut page).unwrap();
    dot(&picture, &mut graph).unwrap();
    assert!(!drawn.contains("<script") && !page.contains("<script"));
    assert!(!drawn.contains('\u{1}') && !graph.contains('\u{1}'));
    assert!(graph.contains("<script>\\\"&\\\\??"));
}

#[test]
fn ids_that_go_past_every_iommu_are_drawn() {
    let bytes =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-samples/qemu-switch-bridge/iort.bin"))
            .unwrap();
    let firmware = fwspec::input::Firmware::open("iort.bin", bytes).unwrap();
    let map = fwspec::IdMap::build(&firmware.platform, fwspec::Dialect::LINUX).unwrap();
    let picture = fwspec::report::picture::Picture::of_firmware("QEMU", &firmware.platform, &map);
    // QEMU sends the buses in use to the SMMU, and all others straight to the ITS.
    let past: Vec<_> = picture.links.iter().filter(|link| link.bypass).collect();
    assert_eq!(past.len(), 1);
    assert_eq!(past[0].label, "DeviceIDs 0x800–0xffff");
}
