//! What holds other evidence: FIT and Android images, trees behind trees, firmware in bytes of any kind.

use fwspec::dt::OverlayError;
use fwspec::machine::{Collector, ContainerError, Kind, Machine, MachineError, recognise};

use super::pile::{Scratch, iort, sample};
use crate::support::dt::Blob;
use crate::support::outside::shared;

/// A small tree of this model.
fn board(model: &str) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.text("model", model).begin("soc").end();
    blob.begin("__symbols__").text("soc", "/soc").end();
    blob.finish()
}

/// An overlay that gives the model another name.
fn renaming(model: &str) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.begin("fragment@0").text("target-path", "/").begin("__overlay__").text("model", model).end().end();
    blob.finish()
}

/// Where an image of a FIT has its data.
#[derive(Clone, Copy, PartialEq)]
enum Data {
    Inside,
    Offset,
    Position,
}

/// A FIT of images and configurations, each with its `fdt`.
fn fit(
    images: &[(&str, &str, &[u8])],
    configurations: &[(&str, &[&str])],
    default: Option<&str>,
    data: Data,
) -> Vec<u8> {
    let build = |end: u32| {
        let (mut blob, mut behind) = (Blob::new(), Vec::new());
        blob.text("description", "FIT").begin("images");
        for (name, kind, bytes) in images {
            blob.begin(name).text("type", kind).text("compression", "none");
            if data == Data::Inside {
                blob.property("data", bytes);
            } else {
                let base = if data == Data::Position { end } else { 0 };
                let property = if data == Data::Position { "data-position" } else { "data-offset" };
                blob.cells(property, &[base + behind.len() as u32]).cells("data-size", &[bytes.len() as u32]);
                behind.extend(*bytes);
                behind.resize(behind.len().next_multiple_of(4), 0);
            }
            blob.end();
        }
        blob.end().begin("configurations");
        if let Some(default) = default {
            blob.text("default", default);
        }
        for (name, trees) in configurations {
            blob.begin(name).property("fdt", (trees.join("\0") + "\0").as_bytes()).end();
        }
        blob.end();
        let mut file = blob.finish();
        file.resize(file.len().next_multiple_of(4), 0);
        (file.len() as u32, [file, behind].concat())
    };
    let (end, _) = build(0);
    build(end).1
}

fn open(name: &str, bytes: &[u8]) -> Result<Machine, MachineError> {
    let mut collector = Collector::new();
    collector.add(name, bytes.to_vec())?;
    collector.finish()
}

fn model(machine: &Machine) -> String {
    let tree = machine.firmware.as_ref().unwrap().tree().unwrap();
    let model = tree.find("/").unwrap().property("model").unwrap().strings().next().unwrap();
    String::from_utf8(model.to_vec()).unwrap()
}

/// Name, kind and use of each piece of evidence.
fn listed(machine: &Machine) -> Vec<(&str, String, bool)> {
    machine.evidence.iter().map(|piece| (piece.name.as_str(), piece.kind.to_string(), piece.used)).collect()
}

#[test]
fn the_tree_of_a_fit_is_that_of_its_configuration() {
    let (a, b) = (board("a"), board("b"));
    let images: [(&str, &str, &[u8]); 3] =
        [("kernel", "kernel", b"code"), ("fdt-a", "flat_dt", &a), ("fdt-b", "flat_dt", &b)];
    for data in [Data::Inside, Data::Offset, Data::Position] {
        let fit = fit(&images, &[("conf-a", &["fdt-a"]), ("conf-b", &["fdt-b"])], Some("conf-b"), data);
        assert_eq!(recognise(&fit), Kind::Fit);
        let machine = open("board.itb", &fit).unwrap();
        assert_eq!(model(&machine), "b");
        let expected = [
            ("board.itb", "fit".to_owned(), true),
            ("board.itb!fdt-b", "dtb".to_owned(), true),
            ("board.itb!fdt-a", "dtb".to_owned(), false),
        ];
        assert_eq!(listed(&machine), expected);
        let note = machine.evidence[0].note.as_deref().unwrap();
        assert_eq!(
            note,
            "configuration conf-b (the default); --config NAME chooses another: conf-a; 1 image other than device trees not read"
        );
        let mut collector = Collector::new();
        collector.pick_configuration("conf-a");
        collector.add("board.itb", fit.clone()).unwrap();
        assert_eq!(model(&collector.finish().unwrap()), "a");
        let mut collector = Collector::new();
        collector.pick_configuration("conf-c");
        let error = collector.add("board.itb", fit).unwrap_err();
        assert_eq!(error.to_string(), "board.itb: it has no configuration \"conf-c\"; it has conf-a, conf-b");
    }
}

/// `u-boot-rockchip.bin`: a loader with a tree of its own, and a FIT whose images are behind it.
#[test]
fn a_fit_in_an_image_keeps_the_data_behind_it() {
    let (a, b) = (board("a"), board("b"));
    let images: [(&str, &str, &[u8]); 3] =
        [("kernel", "kernel", b"code"), ("fdt-a", "flat_dt", &a), ("fdt-b", "flat_dt", &b)];
    for data in [Data::Inside, Data::Offset, Data::Position] {
        let fit = fit(&images, &[("conf-a", &["fdt-a"]), ("conf-b", &["fdt-b"])], Some("conf-b"), data);
        let image = [&[0x55; 64][..], &fit, &[0xff; 64]].concat();
        let machine = open("idb.img", &image).unwrap();
        assert_eq!(model(&machine), "b");
        assert_eq!(machine.evidence[1].name, "idb.img!fit@0x40");
        assert!(listed(&machine).contains(&("idb.img!fit@0x40!fdt-a", "dtb".to_owned(), false)));
        // The loader's own tree is another one: nothing is chosen, and each can be named.
        let both = [&[0x55; 64][..], &a, &[0; 64], &fit].concat();
        let error = open("both.img", &both).unwrap_err().to_string();
        let at = 64 + a.len() + 64;
        assert!(
            error.contains("both.img!dtb@0x40") && error.contains(&format!("both.img!fit@{at:#x}!fdt-b")),
            "{error}"
        );
        let scratch = Scratch::with("fit-in-image", &[("both.img", &both)]);
        let piece = scratch.0.join(format!("both.img!fit@{at:#x}!fdt-b"));
        assert_eq!(model(&Machine::open([piece]).unwrap()), "b");
    }
}

/// Qualcomm's images of before version 1: the table of trees is behind the second stage (lk platform/msm_shared/dev_tree.h).
#[test]
fn the_trees_of_a_qcdt_table_are_found() {
    let tree = board("phone");
    let entry = [1_u32, 2, 3, 4, 2_048, tree.len() as u32];
    let mut table =
        [b"QCDT".to_vec(), [2_u32, 1].iter().chain(&entry).flat_map(|word| word.to_le_bytes()).collect()]
            .concat();
    table.resize(2_048, 0);
    table.extend(&tree);
    assert_eq!(model(&open("dt.img", &table).unwrap()), "phone");
    let mut image = boot(table.len() as u32, b"\0 a kernel", b"");
    image.extend(&table);
    let machine = open("boot.img", &image).unwrap();
    assert_eq!(machine.evidence.last().unwrap().name, "boot.img!dt!dtb@0x800");
    assert_eq!(model(&machine), "phone");
}

#[cfg(feature = "archives")]
#[test]
fn sparse_images_are_the_partition() {
    let tree = board("phone");
    let partition = boot(2, b"\0 a kernel", &tree);
    let (block, blocks) = (1_024_usize, partition.len().div_ceil(1_024));
    let chunk = |kind: u16, blocks: u32, data: &[u8]| {
        let sizes = [blocks, 12 + data.len() as u32].map(u32::to_le_bytes).concat();
        [&kind.to_le_bytes()[..], &[0; 2], &sizes, data].concat()
    };
    let mut chunks = Vec::new();
    for at in 0..blocks {
        let bytes = &partition[at * block..((at + 1) * block).min(partition.len())];
        let is_empty = bytes.iter().all(|byte| *byte == 0);
        chunks.push(match at % 2 {
            _ if !is_empty => chunk(0xcac1, 1, bytes),
            0 => chunk(0xcac2, 1, &[0; 4]),
            _ => chunk(0xcac3, 1, b""),
        });
    }
    chunks.push(chunk(0xcac4, 0, &[0; 4]));
    let sparse = |blocks: u32, chunks: &[Vec<u8>]| {
        let words = [block as u32, blocks, chunks.len() as u32, 0].map(u32::to_le_bytes).concat();
        [&[0x3a, 0xff, 0x26, 0xed, 1, 0, 0, 0, 28, 0, 12, 0][..], &words, &chunks.concat()].concat()
    };
    let machine = open("boot.simg", &sparse(blocks as u32, &chunks)).unwrap();
    assert_eq!(recognise(&sparse(1, &[])), Kind::AndroidSparse);
    assert_eq!(model(&machine), "phone");
    assert!(listed(&machine).contains(&("boot.simg!image!dtb", "dtb".to_owned(), true)));
    // What it says of its size is bounded before anything is held.
    let bomb = open("bomb", &sparse(u32::MAX, &[chunk(0xcac3, u32::MAX, b"")])).unwrap_err();
    assert!(matches!(bomb, MachineError::Container { error: ContainerError::TooLarge, .. }), "{bomb}");
    for broken in
        [sparse(1, &chunks), sparse(9, &[chunk(0xcac1, 2, b"short")]), sparse(9, &[chunk(7, 1, b"")])]
    {
        assert!(matches!(open("broken", &broken), Err(MachineError::Container { .. })));
    }
}

#[test]
fn a_tree_with_nothing_in_it_is_not_a_machine() {
    let bare = Blob::new().finish();
    let error = open("OVMF.fd", &[&b"MZ\0 firmware"[..], &bare, &[0; 99]].concat()).unwrap_err();
    assert!(error.to_string().contains("there is no evidence in it"), "{error}");
    let machine = open("u-boot.rom", &[&b"MZ\0"[..], &bare, &board("a")].concat()).unwrap();
    assert_eq!(model(&machine), "a");
    assert!(!machine.evidence[1].used);
}

/// `u-boot-rockchip-spi.bin`: of each 4 KiB of the flash the loader is in the first half.
#[test]
fn a_tree_with_gaps_costs_itself() {
    let broken = [&board("a")[..72], &[0; 64], &board("a")[72..]].concat();
    let image = [&b"\0\0\0 loader"[..], &broken, &[0; 64], &board("b"), &[0; 9]].concat();
    let machine = open("spi.bin", &image).unwrap();
    assert_eq!(model(&machine), "b");
    let note = machine.evidence[1].note.as_ref().unwrap();
    assert!(note.contains("the tree is not in one piece: DTB+"), "{note}");
    let error = open("spi.bin", &image[..image.len() - board("b").len()]).unwrap_err().to_string();
    assert!(error.contains("there is no evidence in it") && error.contains("not in one piece"), "{error}");
}

#[test]
fn a_fit_without_a_default_is_not_chosen_from() {
    let (a, b) = (board("a"), board("b"));
    let images: [(&str, &str, &[u8]); 2] = [("fdt-a", "flat_dt", &a), ("fdt-b", "flat_dt", &b)];
    let two = fit(&images, &[("conf-a", &["fdt-a"]), ("conf-b", &["fdt-b"])], None, Data::Inside);
    let error = open("two.itb", &two).unwrap_err();
    assert!(error.to_string().contains("conf-a, conf-b; choose one with --config NAME"), "{error}");
    let one = fit(&images, &[("conf-a", &["fdt-a"])], None, Data::Inside);
    assert_eq!(model(&open("one.itb", &one).unwrap()), "a");
    let none = open("none.itb", &fit(&images, &[], None, Data::Inside)).unwrap_err();
    assert!(matches!(none, MachineError::TwoMachines { .. }), "{none}");
    let lost = open("lost.itb", &fit(&images, &[("c", &["fdt-c"])], None, Data::Inside)).unwrap_err();
    assert!(lost.to_string().contains("names fdt-c, which is not in /images"), "{lost}");
    let mut cut = fit(&images, &[("conf-a", &["fdt-a"])], None, Data::Offset);
    cut.truncate(cut.len() - a.len() - b.len());
    assert!(matches!(
        open("cut.itb", &cut),
        Err(MachineError::Container { error: ContainerError::Truncated { .. }, .. })
    ));
}

#[test]
fn overlays_of_a_configuration_are_applied() {
    let (base, first, second) = (board("base"), renaming("first"), renaming("second"));
    let images: [(&str, &str, &[u8]); 3] =
        [("fdt", "flat_dt", &base), ("one", "flat_dt", &first), ("two", "flat_dt", &second)];
    let fit = fit(&images, &[("c", &["fdt", "one", "two"])], Some("c"), Data::Offset);
    let machine = open("x.itb", &fit).unwrap();
    assert_eq!(model(&machine), "second");
    assert!(listed(&machine).contains(&("x.itb!two", "overlay".to_owned(), true)));
}

#[test]
fn the_recorded_fit_is_read() {
    let Some(file) = shared("field-cases/dt/18-fit.itb") else { return };
    let machine = Machine::open([file]).unwrap();
    assert_eq!(machine.evidence[0].kind, Kind::Fit);
    assert!(machine.evidence.iter().any(|piece| piece.name.ends_with("18-fit.itb!fdt-1") && piece.used));
    assert!(!machine.firmware.unwrap().platform.iommus.is_empty());
}

#[test]
fn overlays_need_their_base_and_are_applied_in_order() {
    let pile = |pieces: &[(&str, Vec<u8>)]| {
        let mut collector = Collector::new();
        pieces.iter().for_each(|(name, bytes)| collector.add(name, bytes.clone()).unwrap());
        collector.finish()
    };
    let (base, one, two) = (board("base"), renaming("one"), renaming("two"));
    let machine = pile(&[("one.dtbo", one.clone()), ("base.dtb", base.clone()), ("two.dtbo", two)]).unwrap();
    assert_eq!(model(&machine), "two");
    let error = pile(&[("one.dtbo", one.clone())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "one.dtbo: DTB+0x0: this is an overlay (.dtbo), which changes a base tree: name the base's DTB too"
    );
    let mut other = Blob::new();
    other.begin("f").text("target-path", "/usb").begin("__overlay__").end().end();
    let error = pile(&[("base.dtb", base), ("usb.dtbo", other.finish())]).unwrap_err();
    assert!(matches!(&error, MachineError::Overlay { error: OverlayError::Target { .. }, .. }), "{error}");
    // A kernel that goes by its tables has no use for an overlay.
    let machine = pile(&[("one.dtbo", one), ("iort", iort(0))]).unwrap();
    assert!(!machine.evidence[0].used);
}

#[test]
fn trees_behind_anything_are_found_and_two_machines_told() {
    let (a, b) = (board("a"), board("b"));
    let kernel = [&b"MZ\0 kernel "[..], &[0x55; 1_000], &a, b"\0\0trailer\0"].concat();
    let machine = open("zImage-dtb", &kernel).unwrap();
    assert_eq!(model(&machine), "a");
    assert_eq!(
        listed(&machine),
        [("zImage-dtb", "image".to_owned(), true), ("zImage-dtb!dtb@0x3f3", "dtb".to_owned(), true)]
    );
    // The same twice is one; two are two, wherever they stand.
    assert_eq!(model(&open("same", &[a.clone(), a.clone()].concat()).unwrap()), "a");
    let both = [a.clone(), b.clone()].concat();
    let error = open("both.dtb", &both).unwrap_err().to_string();
    assert!(
        error.contains("both.dtb!dtb@0x0") && error.contains(&format!("both.dtb!dtb@{:#x}", a.len())),
        "{error}"
    );
    // Padding behind a tree is nothing.
    let padded = [&a[..], &[0; 4_096], &[0xff; 4_096]].concat();
    assert_eq!(recognise(&padded), Kind::DeviceTree);
    assert_eq!(model(&open("padded.dtb", &padded).unwrap()), "a");
    // A file's name and a piece's are one path.
    let scratch = Scratch::with("pick", &[("both.dtb", &both)]);
    let piece = scratch.0.join(format!("both.dtb!dtb@{:#x}", a.len()));
    assert_eq!(model(&Machine::open([&piece]).unwrap()), "b");
    let none = Machine::open([scratch.0.join("both.dtb!dtb@0x4")]).unwrap_err();
    assert!(
        matches!(none, MachineError::Container { error: ContainerError::NothingInside(_), .. }),
        "{none}"
    );
}

#[test]
fn tables_in_an_image_are_found_by_length_and_checksum() {
    let table = iort(0);
    let mut broken = iort(1);
    *broken.last_mut().unwrap() ^= 1;
    let image =
        [&b"\0\0\0 firmware IORT, \x30 and DMAR\0"[..], &broken, &[0xff; 77], &table, &[0; 9]].concat();
    let machine = open("bios.fd", &image).unwrap();
    let at = image.len() - 9 - table.len();
    assert_eq!(machine.evidence[1].name, format!("bios.fd!IORT@{at:#x}"));
    assert_eq!(machine.evidence.len(), 2);
    // A tree and tables are two kinds of firmware, in one file, too.
    let error = open("both.fd", &[&image[..], &sample("d05-2020/fdt.dtb")].concat()).unwrap_err();
    assert!(matches!(error, MachineError::TwoKinds { .. }), "{error}");
}

/// A boot image of version 2, or as much of it as an earlier version has.
fn boot(version: u32, kernel: &[u8], tree: &[u8]) -> Vec<u8> {
    let page = 2_048_usize;
    let mut file = b"ANDROID!".to_vec();
    let words = [kernel.len() as u32, 0, 5, 0, 0, 0, 0, page as u32, version, 0];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.resize(1_632, 0);
    file.extend([0; 12]);
    file.extend(1_660_u32.to_le_bytes());
    file.extend((tree.len() as u32).to_le_bytes());
    for part in [&[0; 8][..], kernel, b"cpio\0", tree] {
        file.extend(part);
        file.resize(file.len().next_multiple_of(page), 0);
    }
    file
}

#[test]
fn android_boot_images_are_opened() {
    let (tree, kernel) = (board("phone"), b"\0 a kernel".to_vec());
    let machine = open("boot.img", &boot(2, &kernel, &tree)).unwrap();
    assert_eq!(model(&machine), "phone");
    assert!(listed(&machine).contains(&("boot.img!dtb", "dtb".to_owned(), true)));
    // Before there was a place for it, the tree was appended to the kernel.
    for version in 0..2 {
        let appended = [&kernel[..], &tree].concat();
        assert_eq!(model(&open("boot.img", &boot(version, &appended, b"")).unwrap()), "phone");
    }
    let mut three = b"ANDROID!".to_vec();
    three.extend([10_u32, 0, 0, 1_580, 0, 0, 0, 0, 3].iter().flat_map(|word| word.to_le_bytes()));
    three.resize(8_192, 1);
    let error = open("boot.img", &three).unwrap_err().to_string();
    assert!(
        error.contains("its device tree is in the vendor_boot image") || error.contains("not"),
        "{error}"
    );
    for size in [0, 8, 100, 1_659] {
        let cut = open("boot.img", &boot(2, &kernel, &tree)[..size]);
        assert!(cut.is_err());
    }
}

#[test]
fn vendor_boot_images_are_opened() {
    let tree = board("phone");
    for (version, header) in [(3_u32, 2_112_usize), (4, 2_128)] {
        let page = 4_096;
        let mut file = b"VNDRBOOT".to_vec();
        file.extend([version, page, 0, 0, 5].iter().flat_map(|word| word.to_le_bytes()));
        file.resize(2_096, 0);
        file.extend([header as u32, tree.len() as u32].iter().flat_map(|word| word.to_le_bytes()));
        file.resize(page as usize, 0);
        file.extend(b"cpio\0");
        file.resize(2 * page as usize, 0);
        file.extend(&tree);
        let machine = open("vendor_boot.img", &file).unwrap();
        assert_eq!(recognise(&file), Kind::VendorBoot);
        assert_eq!(model(&machine), "phone");
    }
}

/// An Android table of trees, each for the board of its place.
fn table(trees: &[&[u8]]) -> Vec<u8> {
    let (header, entry) = (32_u32, 32_u32);
    let mut at = header + entry * trees.len() as u32;
    let total = at + trees.iter().map(|tree| tree.len() as u32).sum::<u32>();
    let mut words = vec![0xd7b7_ab1e, total, header, entry, trees.len() as u32, header, 2_048, 0];
    for (id, tree) in trees.iter().enumerate() {
        words.extend([tree.len() as u32, at, id as u32, 0, 0, 0, 0, 0]);
        at += tree.len() as u32;
    }
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    [words, trees.concat()].concat()
}

#[test]
fn tables_of_trees_and_overlays_are_opened() {
    let (base, one, two) = (board("base"), renaming("one"), renaming("two"));
    assert_eq!(model(&open("dtb.img", &table(&[&base])).unwrap()), "base");
    let mut collector = Collector::new();
    collector.add("base.dtb", base.clone()).unwrap();
    let mut only = collector.clone();
    only.add("dtbo.img", table(&[&one])).unwrap();
    assert_eq!(model(&only.finish().unwrap()), "one");
    // Of two overlays a boot loader takes that of the board, which nobody knows here.
    let error = collector.add("dtbo.img", table(&[&one, &two])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dtbo.img: it has 2 overlays, and a boot loader chooses by the board: name one, such as dtbo.img!entry-0"
    );
    let scratch = Scratch::with("dtbo", &[("base.dtb", &base), ("dtbo.img", &table(&[&one, &two]))]);
    let machine = Machine::open([scratch.0.join("base.dtb"), scratch.0.join("dtbo.img!entry-1")]).unwrap();
    assert_eq!(model(&machine), "two");
    let mut endless = table(&[&one]);
    endless[12..16].fill(0);
    endless[16..20].fill(0xff);
    assert!(open("dtbo.img", &endless).is_err());
}

#[test]
fn a_container_costs_no_more_than_a_small_multiple() {
    // One image named a thousand times by its configuration.
    let tree = board(&"x".repeat(100_000));
    let images: [(&str, &str, &[u8]); 1] = [("f", "flat_dt", &tree)];
    let error = open("bomb.itb", &fit(&images, &[("c", &["f"; 1_000])], None, Data::Inside)).unwrap_err();
    assert!(error.to_string().contains("again and again"), "{error}");
    // A FIT in a FIT in a FIT.
    let mut nested = board("inner");
    for _ in 0..10 {
        nested = fit(&[("f", "flat_dt", &nested)], &[("c", &["f"])], None, Data::Inside);
    }
    let error = open("nested.itb", &nested).unwrap_err();
    assert!(matches!(error, MachineError::Container { error: ContainerError::TooDeep, .. }), "{error}");
    // Headers of tables one in another: each claims the rest.
    let mut headers = vec![0_u8];
    for _ in 0..50_000 {
        headers.extend(b"IORT");
        headers.extend(900_000_u32.to_le_bytes());
        headers.extend([6, 0]);
        headers.extend(b"EXAMPLFIRMWARE");
    }
    headers.resize(2_000_000, 0);
    let start = std::time::Instant::now();
    let _ = open("headers", &headers);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn the_samples_mean_what_their_parts_do() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/containers");
    let facts = |pieces: &[&str], configuration: Option<&str>| {
        let mut collector = Collector::new();
        configuration.into_iter().for_each(|name| collector.pick_configuration(name));
        pieces.iter().for_each(|piece| collector.open(&folder.join(piece)).unwrap());
        let platform = collector.finish().unwrap().firmware.unwrap().platform;
        (platform.iommus.len(), platform.requesters.len())
    };
    assert_eq!(facts(&["base.dtb"], None), (1, 1));
    assert_eq!(facts(&["board.itb"], None), (1, 1));
    // The host, and a DMA controller that the overlay brings.
    for (pieces, configuration) in [
        (&["base.dtb", "map.dtbo"][..], None),
        (&["board.itb"], Some("mapped")),
        (&["Image-dtb", "dtbo.img"], None),
        (&["board.itb", "map.dtbo"], None),
        (&["board.itb!fdt-base", "board.itb!fdt-map"], None),
    ] {
        assert_eq!(facts(pieces, configuration), (1, 2), "{pieces:?}");
    }
}
