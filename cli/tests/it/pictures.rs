//! Drawings: everything once, nothing over anything else, nothing of the firmware's text taken for markup.

use crate::pci;

use std::fmt::Write;
use std::process::{Command, Output};

use fwspec::acpi::iort::Builder;
use fwspec::answer::GroupsDocument;
use fwspec::group::Groups;
use fwspec::machine::{Firmware, devices, lspci};
use fwspec::{Dialect, IdMap};
use fwspec_report::picture::{Note, Picture, Rect, Row, RowKind, Sink, dot, html, layout, svg};

/// The table and the functions of a server with forty of them on four segments: a network card that isolates and one that does not, a
/// management controller behind a bridge, a switch with drives, accelerators, and a drive past the SMMU.
fn server() -> (Vec<u8>, Vec<u8>) {
    use pci::{Config, DOWNSTREAM, ENDPOINT, PCIE_TO_PCI, ROOT_PORT, UPSTREAM};
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let near = table.smmu_v3(0x1000_4000_0000).maps(0..=0x3_ffff, 0, its).id();
    let far = table.smmu_v3(0x1100_5000_0000).maps(0..=0x3_ffff, 0x10_0000, its).id();
    table.root_complex(0).maps(0..=0x3ff, 0, near).maps(0x400..=0xffff, 0x400, its);
    table.root_complex(1).maps(0..=0xffff, 0x1_0000, near);
    table.root_complex(2).maps(0..=0xffff, 0, far);
    table.root_complex(3).maps(0..=0xffff, 0x1_0000, far);
    table.named_component(r"\_SB_.COM0.XHC0").single(0x2_0001, near);
    table.named_component(r"\_SB_.COM1.SATA").single(0x2_0001, far);

    let port =
        |kind, first, last| Config::new(0x1def, 0xe101).class(0x06_0400).bridge(first, last).express(kind);
    let root = |first, last| port(ROOT_PORT, first, last).acs(0x1d, 0x1d);
    let end = |vendor, device, class| Config::new(vendor, device).class(class).express(ENDPOINT);
    let nvme = || end(0x144d, 0xa80a, 0x01_0802);
    let mut all: Vec<(String, Config)> = Vec::new();
    let mut add = |at: &str, config: Config| all.push((at.to_string(), config));
    for segment in 0..4 {
        add(&format!("{segment:04x}:00:00.0"), Config::new(0x1def, 0xe100).class(0x06_0000));
    }
    add("0000:00:01.0", root(1, 1));
    for function in 0..2 {
        add(&format!("0000:01:00.{function}"), end(0x15b3, 0x101d, 0x02_0000).byte(0x0e, 0x80).acs(0, 0));
    }
    add("0000:00:02.0", root(2, 3));
    add("0000:02:00.0", port(PCIE_TO_PCI, 3, 3));
    add("0000:03:00.0", Config::new(0x1a03, 0x2000).class(0x03_0000));
    add("0000:03:02.0", Config::new(0x1a03, 0x2603).class(0x0c_0320));
    add("0000:00:03.0", root(4, 4));
    add("0000:04:00.0", nvme());
    add("0001:00:01.0", root(1, 8));
    add("0001:01:00.0", port(UPSTREAM, 2, 8));
    for at in 0..6 {
        let open = if at == 3 { 0 } else { 0x1d };
        add(&format!("0001:02:{at:02x}.0"), port(DOWNSTREAM, 3 + at, 3 + at).acs(0x1d, open));
        add(&format!("0001:{:02x}:00.0", 3 + at), nvme());
    }
    for at in 1..4 {
        add(&format!("0002:00:{at:02x}.0"), root(at, at));
        add(&format!("0002:{at:02x}:00.0"), end(0x10de, 0x2330, 0x03_0200));
    }
    add("0003:00:01.0", port(ROOT_PORT, 1, 1).acs(0x1d, 0));
    for function in 0..4 {
        add(&format!("0003:01:00.{function}"), end(0x8086, 0x1572, 0x02_0000).byte(0x0e, 0x80));
    }
    add("0003:00:02.0", root(2, 2));
    add("0003:02:00.0", end(0x1000, 0x00e6, 0x01_0700));
    assert_eq!(all.len(), 40);
    let mut lspci = String::new();
    for (at, config) in all {
        writeln!(lspci, "{at} Class 0000: Device").unwrap();
        for (row, bytes) in config.read(4096).chunks(16).enumerate() {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(lspci, "{:02x}: {}", row * 16, hex.join(" ")).unwrap();
        }
        lspci.push('\n');
    }
    (table.finish(), lspci.into_bytes())
}

fn machine(name: &str) -> (Picture, GroupsDocument) {
    let folder = format!("{}/firmware-samples/{name}", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (iort, lspci) = match name {
        "server" => server(),
        _ => (
            std::fs::read(format!("{folder}/iort.bin")).unwrap(),
            std::fs::read(format!("{folder}/lspci.txt")).unwrap(),
        ),
    };
    let firmware = Firmware::open("iort.bin", iort).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    for device in devices(&lspci::parse(&lspci).unwrap()).0 {
        groups.add(device).unwrap();
    }
    groups.settle();
    let document = GroupsDocument::new(&groups, Some(&firmware.platform), None, Vec::new());
    (Picture::of_groups(&document), document)
}

const MACHINES: [&str; 5] =
    ["qemu-switch-bridge", "qemu-two-roots", "qemu-virtual-functions", "d05-2020", "server"];

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
            let level = |other: &fwspec_report::picture::Wire| other.start.1 == wire.end.1;
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
        path: evil.into(),
        what: evil.into(),
        parent: None,
        group: None,
        note: evil.into(),
        tip: evil.into(),
        single: false,
        stands_for: 1,
        disabled: false,
    };
    let sink = Sink {
        name: evil.into(),
        path: evil.into(),
        what: evil.into(),
        msi: false,
        tip: evil.into(),
        unused: false,
    };
    let note = Note { group: None, text: evil.into(), alarm: true };
    let (reasons, notes) = (vec![note.clone()], vec![note]);
    let picture = Picture {
        title: evil.into(),
        rows: vec![row],
        sinks: vec![sink],
        reasons,
        notes,
        ..Picture::default()
    };
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
    let bytes = std::fs::read(concat!(
        concat!(env!("CARGO_MANIFEST_DIR"), "/.."),
        "/firmware-samples/qemu-switch-bridge/iort.bin"
    ))
    .unwrap();
    let firmware = fwspec::machine::Firmware::open("iort.bin", bytes).unwrap();
    let map = fwspec::IdMap::build(&firmware.platform, fwspec::Dialect::LINUX);
    let picture = fwspec_report::picture::Picture::of_firmware(
        "QEMU",
        &fwspec::answer::PlatformDocument::brief(&firmware, &map, fwspec_report::picture::MAX_RANGES),
    );
    // QEMU sends the buses in use to the SMMU, and all others straight to the ITS.
    let past: Vec<_> = picture.links.iter().filter(|link| link.bypass).collect();
    assert_eq!(past.len(), 1);
    assert_eq!(past[0].label, "DeviceIDs 0x800–0xffff");
}

/// On a page of A4 (186 by 273 mm inside the margins) the names of a server's devices have letters of 1.8 mm at least.
#[test]
fn a_server_of_forty_devices_can_be_read_on_paper() {
    let (picture, document) = machine("server");
    assert_eq!(document.devices.len(), 40);
    let places = layout(&picture);
    let scale = (186.0 / f64::from(places.width)).min(273.0 / f64::from(places.height));
    assert!(11.0 * scale > 1.8, "{} by {}: letters of {:.2} mm", places.width, places.height, 11.0 * scale);
    let mut page = String::new();
    html(&picture, &document, &mut page).unwrap();
    for device in &document.devices {
        assert!(page.contains(&device.device), "{}", device.device);
    }
    // One row for each shared group; who is alone is told in one paragraph.
    let shared = document.groups.iter().filter(|group| group.members.len() > 1).count();
    assert_eq!(page.matches("<td class=\"n ").count(), shared);
    assert_eq!(page.matches("class=\"alone\"").count(), document.groups.len() - shared);
}

#[test]
fn drawings_are_well_formed() {
    for name in MACHINES {
        let (picture, document) = machine(name);
        let (mut drawn, mut page) = (String::new(), String::new());
        svg(&picture, &mut drawn).unwrap();
        let root = roxmltree::Document::parse(&drawn).unwrap();
        assert_eq!(root.root_element().tag_name().name(), "svg", "{name}");
        html(&picture, &document, &mut page).unwrap();
        // But for the document type and tags that need no end the page is XML as well.
        let page = page
            .replace("<!DOCTYPE html>", "")
            .replace("<meta charset=\"utf-8\">", "")
            .replace("initial-scale=1\">", "initial-scale=1\"/>")
            .replace("light dark\">", "light dark\"/>")
            .replace("<br>", "<br/>");
        roxmltree::Document::parse(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn fwspec(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(concat!(concat!(env!("CARGO_MANIFEST_DIR"), "/.."), "/firmware-samples"))
        .output()
        .unwrap()
}

#[test]
fn every_drawing_has_a_short_and_a_long_option() {
    let said = |arguments: &[&str]| {
        let output = fwspec(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (iort, lspci) = ("qemu-switch-bridge/iort.bin", "qemu-switch-bridge/lspci.txt");
    for (format, start) in [("svg", "<svg "), ("dot", "digraph "), ("html", "<!DOCTYPE html>")] {
        let short = format!("--{format}");
        for rest in [
            &["show", iort][..],
            &["show", "--pci", lspci, iort],
            &["groups", "--firmware", iort, "--pci", lspci],
        ] {
            let drawn = said(&[rest, &[short.as_str()]].concat());
            assert!(drawn.starts_with(start), "{rest:?} {short}");
            assert_eq!(drawn, said(&[rest, &["--format", format]].concat()), "{rest:?} {short}");
        }
        // With the devices of the machine the picture is that of its groups.
        let machine = said(&["show", "--pci", lspci, iort, &short]);
        assert!(machine.contains("0000:04:02.0") && !said(&["show", iort, &short]).contains("0000:04:02.0"));
        assert_eq!(fwspec(&["show", &short, iort, "d05-2020/iort.bin"]).status.code(), Some(64));
        assert_eq!(fwspec(&["show", &short, "--json", iort]).status.code(), Some(64));
    }
    assert_eq!(fwspec(&["show", "--svg", "--html", iort]).status.code(), Some(64));
    assert_eq!(fwspec(&["show", "--pci", lspci, iort]).status.code(), Some(64));
    assert_eq!(fwspec(&["show", "--svg", "--pci", "nothing.txt", iort]).status.code(), Some(2));
}

/// Segments of root ports with a drive each, alone; and one slot of eight functions that share a group.
fn large(drives: usize) -> Picture {
    use fwspec::{AcsFlags, Bdf, Device, RequesterId, Segment};
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x1000_4000_0000).id();
    for segment in 0..8 {
        table.root_complex(segment).maps(0..=0xffff, segment << 16, smmu);
    }
    let firmware = Firmware::open("iort.bin", table.finish()).unwrap();
    let mut groups = Groups::new(IdMap::build(&firmware.platform, Dialect::LINUX));
    for nth in 0..drives {
        let segment = Segment(u32::try_from(nth % 8).unwrap());
        let bus = u8::try_from(nth / 8 + 1).unwrap();
        let port = Bdf { segment, rid: RequesterId(u16::from(bus - 1) << 3) };
        groups.add(Device::root_port(port, bus..=bus).acs(AcsFlags::ISOLATED)).unwrap();
        groups.add(Device::endpoint(Bdf::new(segment, bus, 0, 0))).unwrap();
    }
    let shared = Bdf::new(Segment(7), 0, 0x1f, 0);
    groups.add(Device::root_port(shared, 0xf0..=0xf0)).unwrap();
    for function in 0..4 {
        groups.add(Device::endpoint(Bdf::new(Segment(7), 0xf0, function, 0))).unwrap();
    }
    groups.settle();
    Picture::of_groups(&GroupsDocument::new(&groups, Some(&firmware.platform), None, Vec::new()))
}

#[test]
fn single_devices_of_a_large_machine_fold_and_shared_groups_stay() {
    let small = large(16);
    assert!(small.rows.iter().all(|row| row.stands_for == 1));
    let picture = large(240);
    assert!(picture.rows.len() < 40, "{} rows", picture.rows.len());
    let of_group = |row: &&Row| row.group.is_some_and(|group| group.colour.is_some());
    assert_eq!(picture.rows.iter().filter(of_group).count(), 5);
    let drawn: usize =
        picture.rows.iter().filter(|row| row.kind != RowKind::Root).map(|row| row.stands_for).sum();
    assert_eq!(drawn, 2 * 240 + 5);
    // A folded box says from where to where, and all its ids.
    let folded = picture.rows.iter().position(|row| row.stands_for == 60).unwrap();
    assert_eq!(picture.rows[folded].what, "0000:00:00.0 to 0000:1e:00.0, each alone");
    let labels: Vec<&str> =
        picture.links.iter().filter(|link| link.from == folded).map(|link| link.label.as_str()).collect();
    assert_eq!(labels, ["0x0 … 0x1e00"]);
    assert!(picture.rows[folded].tip.ends_with("and 20 more"));
}

#[test]
fn no_page_cuts_a_box() {
    let (picture, document) = machine("server");
    let mut page = String::new();
    html(&picture, &document, &mut page).unwrap();
    let parts: Vec<(u32, u32)> = page
        .split("viewBox=\"0 ")
        .skip(1)
        .map(|part| {
            let mut numbers = part.split(['"', ' ']).map(|number| number.parse::<u32>());
            let top = numbers.next().unwrap().unwrap();
            (top, top + numbers.nth(1).unwrap().unwrap())
        })
        .collect();
    assert!(parts.len() > 2, "{parts:?}");
    assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0), "{parts:?}");
    let places = layout(&picture);
    for place in places.rows.iter().chain(&places.sinks) {
        let inside = |part: &&(u32, u32)| part.0 <= place.y && place.y + place.height <= part.1;
        assert_eq!(parts.iter().filter(inside).count(), 1, "{place:?}");
    }
    assert!(page.contains("break-inside:avoid") && page.contains("print-color-adjust:exact"));
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("width=device-width"));
}

#[test]
fn a_drawing_says_why_and_which_functions_a_unit_is_for() {
    let drawn = fwspec(&["groups", "--svg", "d05-2020/iort.bin", "d05-2020/lspci.txt"]);
    let drawn = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.contains("0002:21:00.0: below 0002:20:00.0, which does not isolate"), "{drawn}");
    let intel = ["qemu-intel-iommu/dmar.bin", "qemu-intel-iommu/lspci.txt"];
    let drawn = fwspec(&[&["groups", "--svg"], &intel[..]].concat());
    let drawn = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.contains("DMAR+0x30 is for all of segment 0000 that no other unit is for"), "{drawn}");
    assert!(drawn.contains("0000:00:01.0 cannot be assigned (VFIO): DMAR+0x48"), "{drawn}");
}
