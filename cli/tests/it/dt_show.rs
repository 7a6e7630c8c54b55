//! What people see of a device tree: specifiers by name, assumed segments, PCI functions by the paths of their nodes.

use crate::dt;

use dt::Blob;
use fwspec::answer::{LookupResult, PlatformDocument, Summary};
use fwspec::machine::Firmware;
use fwspec::{Dialect, IdMap};
use fwspec_report::picture::{self, Picture};
use fwspec_report::text::{self, Style};
use serde_json::Value;

struct Shown {
    firmware: Firmware,
    map: IdMap,
}

impl Shown {
    fn of(blob: Vec<u8>) -> Self {
        let firmware = Firmware::open("board.dtb", blob).unwrap();
        let map = IdMap::build(&firmware.platform, Dialect::LINUX);
        Shown { firmware, map }
    }

    fn text(&self) -> String {
        let document = PlatformDocument::brief(&self.firmware, &self.map, text::MAX_RANGES);
        text::platform(&document, Style::default())
    }

    /// The line of the text that starts so, its columns each after two blanks at least.
    fn line(&self, start: &str) -> Vec<String> {
        let text = self.text();
        let line = text.lines().find(|line| line.starts_with(start)).expect(start);
        line.split("  ").map(|cell| cell.trim().to_string()).filter(|cell| !cell.is_empty()).collect()
    }

    fn json(&self) -> Value {
        serde_json::to_value(PlatformDocument::new(&self.firmware, &self.map)).unwrap()
    }

    fn look_up(&self, question: &str) -> Value {
        let query = question.parse().unwrap();
        serde_json::to_value(LookupResult::new(question, &query, &self.firmware, &self.map)).unwrap()
    }
}

fn iommu(blob: &mut Blob, compatible: &str, phandle: u32, cells: u32) {
    blob.begin(&format!("iommu@{phandle}")).text("compatible", compatible);
    blob.cells("phandle", &[phandle]).cells("#iommu-cells", &[cells]).end();
}

#[test]
fn the_cells_of_a_specifier_are_shown_by_the_names_of_their_binding() {
    let mut blob = Blob::new();
    iommu(&mut blob, "mediatek,mt8183-m4u", 1, 1);
    iommu(&mut blob, "arm,mmu-500", 2, 2);
    iommu(&mut blob, "renesas,ipmmu-r8a7795", 3, 1);
    iommu(&mut blob, "acme,iommu", 4, 4);
    blob.node("display", &[("iommus", &[1, 0x45])]);
    blob.node("usb", &[("iommus", &[2, 0x400, 0x7f])]);
    blob.node("camera", &[("iommus", &[3, 5])]);
    blob.node("odd", &[("iommus", &[4, 1, 2, 3, 0xff])]);
    blob.host("pcie", &[("iommu-map", &[0, 2, 0x1c00, 7, 1, 8, 1, 0x12, 1])]);
    let shown = Shown::of(blob.finish());
    assert_eq!(shown.line("/display"), ["/display (master)", "0x45 (larb 2, port 5)", "iommu@1"]);
    assert_eq!(shown.line("/usb"), ["/usb (master)", "0x400 mask 0x7f", "iommu@2"]);
    // The machine is not among those that `ipmmu_device_is_allowed` has.
    let refused = "the driver of its IOMMU does not take this device";
    assert_eq!(shown.line("/camera"), ["/camera (master)", refused, "0x5 (micro-tlb)", "iommu@3"]);
    let undriven = "no Linux driver translates for its IOMMU";
    assert_eq!(shown.line("/odd"), ["/odd (master)", undriven, "<0x1 0x2 0x3 0xff>", "iommu@4"]);
    assert_eq!(shown.line("/pcie")[1..], ["00:00.0", "0x1c00 mask 0x7", "iommu@2"]);
    assert_eq!(shown.line("      ")[..], ["00:01.0", "0x12 (larb 0, port 18)", "iommu@1"]);
    assert_eq!(shown.line("/iommu@1")[1..], ["mediatek", "1 cell: larb (bits 9:5), port (bits 4:0)"]);
    assert_eq!(shown.line("/iommu@2")[1..], ["smmu-v2", "2 cells: stream, mask"]);
    assert_eq!(shown.line("/iommu@4")[1..], ["unknown", "4 cells"]);

    let json = shown.json();
    let part = |requester: usize| &json["requesters"][requester]["streams"][0];
    assert_eq!(part(0)["parts"], serde_json::json!({"larb": 2, "port": 5}));
    assert_eq!(part(1)["parts"], serde_json::json!({"stream": 0x400, "mask": 0x7f}));
    assert_eq!(part(2)["parts"], serde_json::json!({"micro-tlb": 5}));
    assert_eq!((part(3).get("parts"), &part(3)["cells"]), (None, &serde_json::json!([1, 2, 3, 0xff])));
    let range = &json["requesters"][4]["stream_ranges"][0];
    assert_eq!(range["parts"], serde_json::json!({"stream": 0x1c00, "mask": 7}));
    let larb = serde_json::json!({"name": "larb", "cell": 0, "low": 5, "high": 9});
    assert_eq!(json["iommus"][0]["specifier"][0], larb);
    assert_eq!(json["iommus"][3].get("specifier"), None);
}

#[test]
fn what_is_said_of_the_dma_of_a_master_is_shown() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("dma-coherent");
    iommu(&mut blob, "arm,smmu-v3", 1, 1);
    blob.begin("soc").cells("dma-ranges", &[0, 0, 0x4000_0000]);
    blob.begin("gpu").cells("iommus", &[1, 4]).cells("pasid-num-bits", &[5]).flag("dma-can-stall").end();
    blob.begin("pcie")
        .text("device_type", "pci")
        .cells("linux,pci-domain", &[1])
        .flag("ats-supported")
        .end()
        .end();
    let shown = Shown::of(blob.finish());
    let facts = "/soc/gpu (master, coherent, 30-bit DMA, PASIDs of 5 bits, can stall)";
    assert_eq!(shown.line("/soc/gpu")[0], facts);
    assert!(shown.line("/soc/pcie")[0].starts_with("/soc/pcie (PCI segment 0001, ATS, coherent"));
}

#[test]
fn an_assumed_segment_is_marked_and_explained_and_the_host_asked_by_path() {
    let domain: &[(&str, &[u32])] = &[("linux,pci-domain", &[2]), ("iommu-map", &[0, 1, 0, 0x10])];
    let mut blob = Blob::new();
    iommu(&mut blob, "arm,smmu-v3", 1, 1);
    blob.host("pcie@1", domain).host("pcie@2", domain).host("pcie@3", &[("iommu-map", &[0, 1, 0x20, 0x10])]);
    let shown = Shown::of(blob.finish());
    assert_eq!(shown.line("/pcie@1")[0], "/pcie@1 (PCI segment 0002)");
    assert_eq!(shown.line("/pcie@2")[0], "/pcie@2 (PCI segment 0000?)");
    assert_eq!(shown.line("/pcie@3")[0], "/pcie@3 (PCI segment 0001?)");
    assert!(shown.text().contains("?: assumed") && shown.text().contains("/pcie@2:01:00.0"));
    assert_eq!(shown.look_up("/pcie@3:00:00.5")["stream_id"], 0x25);
    assert_eq!(shown.look_up("0001:00:00.5")["stream_id"], 0x25);

    let blob = Blob::new().host("pcie", &[("linux,pci-domain", &[2])]).finish();
    assert!(!Shown::of(blob).text().contains("assumed"));
}

#[test]
fn a_pci_function_is_asked_by_the_path_or_alias_of_its_node() {
    let mut blob = Blob::new();
    blob.node("its", &[("phandle", &[2]), ("#msi-cells", &[1])]);
    iommu(&mut blob, "arm,smmu-v3", 1, 1);
    blob.begin("aliases").text("wifi0", "/pcie/bridge/wifi").end();
    blob.begin("pcie").text("device_type", "pci").cells("bus-range", &[4, 0xff]);
    blob.cells("iommu-map", &[0, 1, 0x1000, 0x1_0000]).cells("msi-map", &[0, 2, 0x2000, 0x1_0000]);
    let function = |blob: &mut Blob, name: &str, high: u32| {
        blob.begin(name).cells("reg", &[high, 0, 0, 0, 0]);
    };
    function(&mut blob, "nic@1,2", 1 << 11 | 2 << 8);
    // What it says itself does not count: kernels ask the host's node.
    blob.cells("iommus", &[1, 0x77]).end();
    function(&mut blob, "bridge", 2 << 11);
    blob.text("device_type", "pci").cells("bus-range", &[5, 5]);
    function(&mut blob, "wifi", 0);
    blob.end().end();
    function(&mut blob, "open", 3 << 11);
    blob.text("device_type", "pci");
    function(&mut blob, "deep", 0);
    blob.end();
    function(&mut blob, "said", 9 << 16 | 1 << 11);
    blob.end().end().end();
    let shown = Shown::of(blob.finish());
    let answer = |question: &str| {
        let answer = shown.look_up(question);
        (answer["rid"].as_u64(), answer["stream_id"].as_u64(), answer["device_id"].as_u64())
    };
    let with = |rid: u64| (Some(rid), Some(0x1000 + rid), Some(0x2000 + rid));
    assert_eq!(answer("/pcie/nic@1,2"), with(0x40a), "on the first bus of the host");
    assert_eq!(answer("wifi0"), with(0x500), "on the bus that the bridge claims");
    assert_eq!(answer("/pcie/open/said"), with(0x908), "on the bus that its reg says");
    let open = shown.look_up("/pcie/open/deep");
    assert_eq!(open["streams"], serde_json::json!([]));
    assert!(open["reason"].as_str().unwrap().contains("/pcie:01:00.0"), "{open}");
}

#[test]
fn a_walk_that_ends_in_an_error_is_said_with_the_node_it_ends_in() {
    // A property that claims 1 GiB.
    let mut blob = Blob::new();
    blob.begin("soc").begin("pcie@1000").word(3).word(1 << 30);
    let name = blob.string("iommu-map");
    let blob = blob.word(name).word(0).end().end().finish();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("claims-1-GiB.dtb");
    std::fs::write(&file, &blob).unwrap();
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_fwspec")).arg("show").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let error = fwspec::dt::Tree::parse(&blob).unwrap().platform().unwrap_err();
    let expected = format!(": {}: /soc/pcie@1000: {}", error.at, error.kind);
    assert!(said.trim_end().ends_with(&expected), "{said}");
    assert_eq!(output.status.code(), Some(2));

    // An overlay is none of that.
    let overlay = Blob::new().begin("fragment@0").begin("__overlay__").end().end().finish();
    assert!(
        Firmware::open_or_return("o.dtbo", overlay)
            .unwrap_err()
            .0
            .to_string()
            .starts_with("DTB+0x0: this is")
    );
}

/// Two context banks of one name behind an SMMU whose specifiers have a mask, and a device that is disabled.
fn masked() -> Shown {
    let mut blob = Blob::new();
    iommu(&mut blob, "arm,mmu-500", 1, 2);
    blob.begin("a@2000").node("cb@3", &[("iommus", &[1, 0x1003, 0x80])]).end();
    blob.begin("b@3000").text("status", "disabled").cells("iommus", &[1, 0x40, 0]).end();
    blob.begin("c@4000").node("cb@3", &[("iommus", &[1, 0xc03, 0x20])]).end();
    Shown::of(blob.finish())
}

#[test]
fn pictures_say_masks_paths_and_what_is_disabled_as_the_text_does() {
    let shown = masked();
    assert_eq!(shown.line("/a@2000/cb@3 "), ["/a@2000/cb@3 (master)", "0x1003 mask 0x80", "iommu@1"]);
    let document = PlatformDocument::brief(&shown.firmware, &shown.map, picture::MAX_RANGES);
    let drawing = Picture::of_firmware("board", &document);
    let labels: Vec<_> = drawing.links.iter().map(|link| link.label.as_str()).collect();
    assert_eq!(labels, ["0x1003 mask 0x80", "0x40 mask 0x0", "0xc03 mask 0x20"]);
    let boxes: Vec<_> =
        drawing.rows.iter().map(|row| (row.name.as_str(), row.path.as_str(), row.what.as_str())).collect();
    assert_eq!(
        boxes,
        [
            ("a@2000/cb@3", "/a@2000/cb@3", "device"),
            ("b@3000", "/b@3000", "device, disabled"),
            ("c@4000/cb@3", "/c@4000/cb@3", "device"),
        ]
    );
    let (mut svg, mut dot, mut html) = (String::new(), String::new(), String::new());
    picture::svg(&drawing, &mut svg).unwrap();
    picture::dot(&drawing, &mut dot).unwrap();
    picture::firmware_html(&drawing, &[], &mut html).unwrap();
    for words in ["0x1003 mask 0x80", "0xc03 mask 0x20", "/a@2000/cb@3", "/c@4000/cb@3", "disabled"] {
        for drawn in [&svg, &dot, &html] {
            assert!(drawn.contains(words), "{words} is not in {drawn}");
        }
    }
    assert!(html.contains("<td>/c@4000/cb@3 <small>device</small></td>"), "{html}");
    // Columns from the root, and what lines and boxes mean.
    assert!(dot.contains("{rank=source;") && dot.contains("dashed box: disabled"), "{dot}");
}

#[test]
fn control_characters_of_a_tree_do_not_reach_the_terminal() {
    let mut blob = Blob::new();
    blob.text("model", "A\x1b]0;title\x07B").text("compatible", "acme,\u{9b}31mboard");
    let shown = Shown::of(blob.finish());
    let title = text::title(&Summary::new(&shown.firmware));
    assert_eq!(title, "device tree, A?]0;title?B, acme,?31mboard");
}

#[test]
fn sources_of_a_device_id_stand_in_its_columns() {
    let mut blob = Blob::new();
    blob.begin("its@8").text("compatible", "arm,gic-v3-its").cells("phandle", &[8]);
    blob.cells("#msi-cells", &[1]).end();
    blob.begin("pcie@1").text("device_type", "pci").cells("msi-map", &[0, 8, 0, 0x1_0000]).end();
    let shown = Shown::of(blob.finish());
    let query = "did:0x8".parse().unwrap();
    let results = [LookupResult::new("did:0x8", &query, &shown.firmware, &shown.map)];
    let table = text::lookup(&results, Style::default());
    let [titles, line] = table.lines().collect::<Vec<_>>().try_into().unwrap();
    let column = |title: &str| line.get(titles.find(title).unwrap()..).unwrap();
    assert!(column("DeviceID").starts_with("from 0000:00:01.0 on /pcie@1"), "{table}");
    assert!(column("MSI controller").starts_with("/its@8"), "{table}");
    assert!(column("StreamID").starts_with("   "), "{table}");
}

/// libfdt's `fdt_check_header`, which `early_init_dt_verify` calls: such a tree starts no Linux.
#[test]
fn every_verb_says_that_linux_does_not_start_with_the_tree() {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/field/suites/rsvmap-misaligned.dtb");
    for arguments in [
        &["show", tree][..],
        &["groups", tree],
        &["audit", tree],
        &["check", tree],
        &["lint", tree],
        &["lookup", tree, "0:1.0"],
        &["groups", "--json", tree],
        &["show", "--json", tree],
    ] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_fwspec")).args(arguments).output().unwrap();
        let said = [run.stdout, run.stderr].concat();
        // The width of a terminal may break the sentence.
        let said = String::from_utf8(said).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("Linux refuses the tree at boot: fdt_check_header answers -19"),
            "{arguments:?}: {said}"
        );
    }
}
