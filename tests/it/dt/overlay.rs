//! Overlays: what comes of a base, by values and by `fdtoverlay` (libfdt) where it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use fwspec::Phandle;
use fwspec::dt::{OverlayError, Token, Tree};

use crate::support::dt::Blob;
use crate::support::outside::installed;

/// Every property of a tree by the path of its node; a node without properties has one of no name.
fn flat(blob: &[u8]) -> BTreeMap<(String, String), Vec<u8>> {
    let tree = Tree::parse(blob).unwrap();
    let (mut path, mut found) = (Vec::new(), BTreeMap::new());
    for token in tree.tokens() {
        match token.unwrap() {
            Token::BeginNode { name, .. } => {
                path.push(String::from_utf8(name.to_vec()).unwrap());
                found.insert((path.join("/"), String::new()), Vec::new());
            }
            Token::EndNode => drop(path.pop()),
            Token::Property { name, value, .. } => {
                let name = String::from_utf8(tree.string(name).unwrap().to_vec()).unwrap();
                found.insert((path.join("/"), name), value.to_vec());
            }
        }
    }
    found
}

fn merged(base: &[u8], overlays: &[&[u8]]) -> Result<Vec<u8>, OverlayError> {
    overlays.iter().try_fold(base.to_vec(), |base, overlay| {
        Tree::parse(&base).unwrap().with_overlay(&Tree::parse(overlay).unwrap())
    })
}

/// What `fdtoverlay` makes of it; `None` where it refuses.
fn by_libfdt(base: &[u8], overlays: &[&[u8]]) -> Option<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!(
        "fwspec-overlay-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let mut command = Command::new("fdtoverlay");
    command.arg("-i").arg(file("base.dtb", base)).arg("-o").arg(folder.join("out.dtb"));
    for (at, overlay) in overlays.iter().enumerate() {
        command.arg(file(&format!("{at}.dtbo"), overlay));
    }
    let done = command.output().unwrap();
    let out = fs::read(folder.join("out.dtb")).ok().filter(|_| done.status.success());
    fs::remove_dir_all(&folder).unwrap();
    out
}

/// A board with an SMMU, a PCI host without a map, labels for both.
fn base() -> Vec<u8> {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    blob.begin("aliases").text("pcie0", "/pcie@1000").end();
    blob.begin("iommu@2000").text("compatible", "arm,smmu-v3");
    blob.cells("reg", &[0x2000, 0x1000]).cells("#iommu-cells", &[1]).cells("phandle", &[7]).end();
    blob.begin("pcie@1000").text("device_type", "pci").text("compatible", "pci-host-ecam-generic");
    blob.cells("reg", &[0x1000, 0x1000]).cells("phandle", &[9]).text("status", "disabled").end();
    blob.begin("__symbols__").text("smmu", "/iommu@2000").text("pcie", "/pcie@1000").end();
    blob.finish()
}

/// An overlay whose one fragment maps the host to the SMMU.
fn mapping(target: impl Fn(&mut Blob)) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.begin("fragment@0");
    target(&mut blob);
    blob.begin("__overlay__").cells("iommu-map", &[0, 0xffff_ffff, 0x100, 0x1_0000]).text("status", "okay");
    blob.end().end();
    blob.begin("__fixups__").text("smmu", "/fragment@0/__overlay__:iommu-map:4").end();
    blob.finish()
}

#[test]
fn an_overlay_maps_a_host_of_its_base() {
    for target in [
        mapping(|blob| {
            blob.text("target-path", "/pcie@1000");
        }),
        mapping(|blob| {
            blob.text("target-path", "/pcie");
        }),
        mapping(|blob| {
            blob.text("target-path", "pcie0");
        }),
        mapping(|blob| {
            blob.cells("target", &[9]);
        }),
    ] {
        let tree = merged(&base(), &[&target]).unwrap();
        let tree = Tree::parse(&tree).unwrap();
        let host = tree.find("/pcie@1000").unwrap();
        let cells: Vec<u32> = host.property("iommu-map").unwrap().cells().iter().collect();
        assert_eq!(cells, [0, 7, 0x100, 0x1_0000]);
        assert_eq!(host.property("status").unwrap().value(), b"okay\0");
        assert!(tree.boot_refusal().is_none() && tree.find("/fragment@0").is_none());
    }
}

#[test]
fn phandles_of_an_overlay_move_and_those_of_the_base_stay() {
    // A second SMMU with the phandle of the first, a master that uses both, and the node of the base with another phandle.
    let mut blob = Blob::new();
    blob.begin("fragment@0").text("target-path", "/").begin("__overlay__");
    blob.begin("iommu@3000").cells("#iommu-cells", &[1]).cells("phandle", &[7]).end();
    blob.begin("gpu@4000").cells("iommus", &[7, 0x10, 8, 0x20]).end();
    blob.begin("iommu@2000").cells("phandle", &[8]).flag("dma-coherent").end();
    blob.end().end();
    blob.begin("__local_fixups__").begin("fragment@0").begin("__overlay__").begin("gpu@4000");
    blob.cells("iommus", &[0, 8]).end().end().end().end();
    blob.begin("__symbols__").text("smmu2", "/fragment@0/__overlay__/iommu@3000");
    blob.text("top", "/fragment@0/__overlay__")
        .text("elsewhere", "/fragment@0/other")
        .text("short", "/x")
        .end();
    let tree = merged(&base(), &[&blob.finish()]).unwrap();
    let tree = Tree::parse(&tree).unwrap();
    // 9 is the greatest phandle of the base.
    assert_eq!(tree.find("/iommu@3000").unwrap().phandle(), Some(Phandle(16)));
    assert_eq!(tree.find("/iommu@2000").unwrap().phandle(), Some(Phandle(7)));
    let cells: Vec<u32> =
        tree.find("/gpu@4000").unwrap().property("iommus").unwrap().cells().iter().collect();
    assert_eq!(cells, [16, 0x10, 7, 0x20]);
    let symbols = tree.find("/__symbols__").unwrap();
    assert_eq!(symbols.property("smmu2").unwrap().value(), b"/iommu@3000\0");
    assert_eq!(symbols.property("top").unwrap().value(), b"/\0");
    assert!(symbols.property("elsewhere").is_none() && symbols.property("short").is_none());
    // A further overlay uses the label that this one brought.
    let mut second = Blob::new();
    second
        .begin("fragment@0")
        .cells("target", &[0xffff_ffff])
        .begin("__overlay__")
        .flag("dma-coherent")
        .end()
        .end();
    second.begin("__fixups__").text("smmu2", "/fragment@0:target:0").end();
    let second = second.finish();
    let tree = merged(tree.bytes(), &[&second]).unwrap();
    assert!(Tree::parse(&tree).unwrap().find("/iommu@3000").unwrap().property("dma-coherent").is_some());
    assert_eq!(merged(&base(), &[&second]), Err(OverlayError::NoSymbol("smmu2".into())));
}

#[test]
fn what_cannot_be_applied_says_why() {
    let mut bare = Blob::new();
    bare.begin("pcie@1000").end();
    let bare = bare.finish();
    let overlay = mapping(|blob| {
        blob.text("target-path", "/pcie@1000");
    });
    assert_eq!(merged(&bare, &[&overlay]), Err(OverlayError::NoSymbols("smmu".into())));
    assert_eq!(merged(&base(), &[&base()]), Err(OverlayError::NotAnOverlay));
    let lost = mapping(|blob| {
        blob.text("target-path", "/usb@1");
    });
    let target = OverlayError::Target { fragment: "fragment@0".into(), target: "/usb@1".into() };
    assert_eq!(merged(&base(), &[&lost]), Err(target));
    for (entry, terminated) in [
        ("/fragment@0:iommu-map:4", true),
        ("/fragment@0/__overlay__:iommu-map:13", true),
        ("x", true),
        ("", false),
    ] {
        let mut blob = Blob::new();
        blob.begin("fragment@0")
            .text("target-path", "/")
            .begin("__overlay__")
            .cells("iommu-map", &[0; 4])
            .end()
            .end();
        blob.begin("__fixups__");
        blob.property("smmu", &[entry.as_bytes(), if terminated { &[0] } else { &[] }].concat()).end();
        let fixup = OverlayError::Fixup { label: "smmu".into(), entry: entry.into() };
        assert_eq!(merged(&base(), &[&blob.finish()]), Err(fixup));
    }
    let mut blob = Blob::new();
    blob.begin("fragment@0")
        .text("target-path", "/")
        .begin("__overlay__")
        .cells("phandle", &[0xffff_fff6])
        .end()
        .end();
    assert_eq!(merged(&base(), &[&blob.finish()]), Err(OverlayError::Phandle(0xffff_fff6)));
}

#[test]
fn labels_of_deep_targets_are_bounded() {
    let mut deep = Blob::new();
    let name = "n".repeat(1_000);
    for _ in 0..100 {
        deep.begin(&name);
    }
    for _ in 0..100 {
        deep.end();
    }
    let path = format!("/{name}").repeat(100);
    let mut blob = Blob::new();
    blob.begin("f").text("target-path", &path).begin("__overlay__").end().end().begin("__symbols__");
    for label in 0..1_000 {
        blob.text(&format!("l{label}"), "/f/__overlay__");
    }
    blob.end();
    assert_eq!(merged(&deep.finish(), &[&blob.finish()]), Err(OverlayError::TooLarge));
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
}

/// Nodes and properties of few names, so that much of it meets.
fn body(blob: &mut Blob, dice: &mut Dice, depth: u32, phandle: &mut u32) {
    let mut names: Vec<&str> = vec!["a", "b", "c"];
    for _ in 0..dice.below(3) {
        let name = names.remove(dice.below(names.len() as u32) as usize);
        blob.cells(name, &vec![dice.below(9); dice.below(4) as usize]);
    }
    let mut nodes: Vec<&str> = vec!["n", "m@1", "m@2", "k@1"];
    for _ in 0..if depth == 0 { 0 } else { dice.below(4) } {
        let name = nodes.remove(dice.below(nodes.len() as u32) as usize);
        blob.begin(name);
        if let (0, true) = (dice.below(2), *phandle > 0) {
            *phandle += 1 + dice.below(3);
            blob.cells("phandle", &[*phandle]);
        }
        body(blob, dice, depth - 1, phandle);
        blob.end();
    }
}

#[test]
fn random_overlays_are_as_libfdt_has_them() {
    if !installed("fdtoverlay") {
        return;
    }
    let (mut applied, mut refused) = (0, 0);
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut base = Blob::new();
        base.begin("soc").cells("phandle", &[1]);
        body(&mut base, &mut dice, 3, &mut 1);
        base.end().begin("aliases").text("soc0", "/soc").end();
        base.begin("__symbols__").text("soc", "/soc").text("m", "/soc/m@1").text("n", "/soc/n").end();
        let base = base.finish();
        let mut over = Blob::new();
        let targets = ["/", "/soc", "soc0", "/soc/m@1", "/soc/n", "/soc/m", "soc0/m", "/soc/none"];
        for number in 0..=dice.below(2) {
            over.begin(&format!("fragment@{number}"));
            match dice.below(3) {
                0 => over.cells("target", &[0xffff_ffff]),
                _ => over.text("target-path", targets[dice.below(targets.len() as u32) as usize]),
            };
            over.begin("__overlay__").cells("ref", &[1, 2, 3]);
            // The version that Debian 12 has lets an overlay's phandle stand over that of a node which is there already.
            body(&mut over, &mut dice, 3, &mut 0);
            over.begin("fresh").cells("phandle", &[1 + number]).end().end().end();
        }
        over.begin("__local_fixups__")
            .begin("fragment@0")
            .begin("__overlay__")
            .cells("ref", &[0, 8])
            .end()
            .end()
            .end();
        over.begin("__symbols__")
            .text("x", "/fragment@0/__overlay__/fresh")
            .text("y", "/fragment@0/__overlay__")
            .end();
        over.begin("__fixups__");
        let label = ["soc", "m", "n"][dice.below(3) as usize];
        over.text(label, "/fragment@0/__overlay__:ref:4").end();
        let over = over.finish();
        let ours = merged(&base, &[&over]);
        match (&ours, by_libfdt(&base, &[&over])) {
            (Ok(ours), Some(theirs)) => {
                assert_eq!(flat(ours), flat(&theirs), "seed {seed}");
                applied += 1;
            }
            (Err(_), None) => refused += 1,
            (ours, theirs) => {
                panic!("seed {seed}: {:?}, and fdtoverlay {}", ours.as_ref().err(), theirs.is_some())
            }
        }
    }
    println!("{applied} applied, {refused} refused by both");
    assert!(applied > 20 && refused > 20);
}
