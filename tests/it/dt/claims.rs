//! Device trees, one claim a test: the walk, the maps in both readings, masters, hosts, MSIs, reserved memory.

use crate::support::dt;

use dt::Blob;
use fwspec::dt::{MapKind, Token, Tree, resolve};
use fwspec::model::{
    BusKind, Errno, GroupRule, HostedFunction, IdBus, IdMapping, IdTable, IommuKind, MasterMsi, MsiRoute,
    Output, PlatformMaster, RegionKind, Requester, RequesterKind, SmmuModel, Target,
};
use fwspec::{
    DeviceId, Dialect, ErrorKind, InputIds, IommuIndex, MsiControllerIndex, Phandle, Platform, RequesterId,
    RequesterIndex, Segment,
};

fn platform(blob: &[u8]) -> Platform {
    Tree::parse(blob).unwrap().platform().unwrap()
}

fn requester<'p>(platform: &'p Platform, path: &str) -> &'p Requester {
    let found =
        platform.requesters.iter().find(|requester| platform.label(requester.origin).to_string() == path);
    found.unwrap_or_else(|| panic!("no requester {path}"))
}

fn bus<'p>(platform: &'p Platform, path: &str) -> &'p IdBus {
    match &requester(platform, path).kind {
        RequesterKind::Bus(bus) => bus,
        other => panic!("{path} is {other:?}"),
    }
}

fn master<'p>(platform: &'p Platform, path: &str) -> &'p PlatformMaster {
    let at_path = |requester: &&Requester| platform.label(requester.origin).to_string() == path;
    let kinds = platform.requesters.iter().filter(at_path).map(|requester| &requester.kind);
    let mut masters = kinds.filter_map(|kind| match kind {
        RequesterKind::Master(master) => Some(master),
        _ => None,
    });
    masters.next().unwrap_or_else(|| panic!("no master {path}"))
}

/// The error kinds of what was skipped.
fn skipped(platform: &Platform) -> Vec<ErrorKind> {
    platform.skipped.iter().map(|error| error.kind).collect()
}

/// The table of `/pcie` in a tree with these IOMMUs (phandle, cells) and a map.
fn map_of(iommus: &[(u32, u32)], properties: &[(&str, &[u32])]) -> (IdTable, Vec<ErrorKind>, Vec<u8>) {
    let mut blob = Blob::new();
    for (phandle, cells) in iommus {
        blob.iommu(&format!("iommu@{phandle}"), *phandle, *cells);
    }
    let blob = blob.host("pcie", properties).finish();
    let platform = platform(&blob);
    (bus(&platform, "/pcie").streams.clone().unwrap(), skipped(&platform), blob)
}

/// What an id becomes: cells and target, an errno, or nothing.
fn answer(list: &[IdMapping], table: &IdTable, id: u32) -> Option<Result<Vec<u32>, Errno>> {
    let id = id & table.mask.unwrap_or(u32::MAX);
    let mapping = list.iter().find(|mapping| (mapping.first..=mapping.last).contains(&id))?;
    Some(match mapping.output {
        Output::Errno(errno) => Err(errno),
        Output::Cells { index, count } => {
            let cells = &table.cells[index as usize..][..usize::from(count)];
            Ok(cells.iter().map(|cell| cell.wrapping_add(id - mapping.first)).collect())
        }
        _ => Ok(vec![mapping.output_of(id).unwrap()]),
    })
}

fn current(table: &IdTable, id: u32) -> Option<Result<Vec<u32>, Errno>> {
    answer(&table.mappings, table, id)
}

fn classic(table: &IdTable, id: u32) -> Option<Result<Vec<u32>, Errno>> {
    answer(table.classic.as_deref().unwrap_or(&table.mappings), table, id)
}

fn names(blob: &[u8]) -> Vec<String> {
    let tree = Tree::parse(blob).unwrap();
    tree.nodes().map(|node| String::from_utf8(node.unwrap().name().to_vec()).unwrap()).collect()
}

// -- the walk --

#[test]
fn what_vm_fdt_writes_is_read() {
    let mut writer = vm_fdt::FdtWriter::new_with_mem_reserv(&[
        vm_fdt::FdtReserveEntry::new(0x8000_0000, 0x1000).unwrap(),
        vm_fdt::FdtReserveEntry::new(0x9000_0000, 0x2000).unwrap(),
    ])
    .unwrap();
    let root = writer.begin_node("").unwrap();
    let smmu = writer.begin_node("smmuv3@9050000").unwrap();
    writer.property_string("compatible", "arm,smmu-v3").unwrap();
    writer.property_array_u64("reg", &[0x905_0000, 0x2_0000]).unwrap();
    writer.property_u32("#iommu-cells", 1).unwrap();
    writer.property_phandle(0x8001).unwrap();
    writer.end_node(smmu).unwrap();
    let host = writer.begin_node("pcie@10000000").unwrap();
    writer.property_string("device_type", "pci").unwrap();
    writer.property_array_u32("bus-range", &[0, 0x1f]).unwrap();
    writer.property_array_u32("iommu-map", &[0, 0x8001, 0, 0x10000]).unwrap();
    writer.end_node(host).unwrap();
    writer.end_node(root).unwrap();
    let blob = writer.finish().unwrap();

    let tree = Tree::parse(&blob).unwrap();
    let sizes: Vec<u64> = tree.reservations().map(|entry| entry.unwrap().size).collect();
    assert_eq!(sizes, [0x1000, 0x2000]);
    let platform = tree.platform().unwrap();
    assert_eq!(platform.skipped, []);
    assert_eq!(platform.iommus[0].kind, IommuKind::SmmuV3 { model: 0 });
    assert_eq!(platform.iommus[0].base, Some(0x905_0000));
    let pcie = bus(&platform, "/pcie@10000000");
    let pci = BusKind::Pci { segment: Segment(0), assumed: true, first_bus: 0, last_bus: 0x1f };
    assert_eq!(pcie.kind, pci);
    let table = pcie.streams.as_ref().unwrap();
    assert_eq!((table.mappings.len(), &table.classic), (1, &None));
    assert_eq!(table.mappings[0].target, Target::Iommu(IommuIndex(0)));
}

#[test]
fn version_16_ends_with_its_end_token() {
    let mut blob = Blob::new();
    blob.node("a", &[]).end().word(9);
    assert_eq!(names(&blob.as_version(16, 16)), ["", "a"]);
}

#[test]
fn versions_of_another_layout_are_refused() {
    let mut blob = Blob::new();
    blob.end().word(9);
    for (version, last_compatible) in [(3, 1), (15, 15), (18, 18)] {
        let error = Tree::parse(&blob.as_version(version, last_compatible)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TreeVersion { version, last_compatible });
    }
    assert!(Tree::parse(&blob.as_version(20, 17)).is_ok());
}

#[test]
fn nops_slack_long_names_and_odd_addresses_do_not_matter() {
    let name = "a-name-with-more-than-the-31-characters-it-may@1";
    let mut blob = Blob::default();
    blob.nop().begin("").nop().cells("x", &[1]).nop().begin(name).nop().end().nop();
    let mut blob = blob.finish();
    blob.extend([0xff; 100]);
    let mut shifted = vec![0];
    shifted.extend(&blob);
    assert_eq!(names(&shifted[1..]), ["", name]);
}

#[test]
fn names_of_every_length_end_at_their_nul() {
    for length in 0..9 {
        let name: String = "abcdefgh".chars().take(length).collect();
        assert_eq!(names(&Blob::new().node(&name, &[]).finish()), ["".to_string(), name]);
    }
}

/// The error that ends the walk, and proof that nothing comes after it.
fn walk_error(blob: &[u8]) -> ErrorKind {
    let mut tokens = Tree::parse(blob).unwrap().tokens();
    let error = tokens.by_ref().find_map(Result::err).expect("an error");
    assert!(tokens.next().is_none());
    error.kind
}

#[test]
fn broken_structure_ends_the_walk_with_one_error() {
    let as_it_stands = |blob: &mut Blob| walk_error(&blob.as_version(17, 16));
    assert_eq!(as_it_stands(&mut Blob::new()), ErrorKind::TreeEnd { open: 1 });
    assert_eq!(as_it_stands(Blob::new().word(9)), ErrorKind::TreeEnd { open: 1 });
    assert_eq!(as_it_stands(Blob::new().end()), ErrorKind::TreeEnd { open: 0 });
    assert_eq!(as_it_stands(&mut Blob::default()), ErrorKind::TreeEnd { open: 0 });
    assert_eq!(as_it_stands(Blob::default().word(9)), ErrorKind::TreeEnd { open: 0 });
    assert_eq!(as_it_stands(Blob::default().end()), ErrorKind::EndOutside);
    assert_eq!(as_it_stands(Blob::new().end().begin("again")), ErrorKind::SecondRoot);
    assert_eq!(as_it_stands(Blob::new().end().cells("x", &[1])), ErrorKind::PropertyOutside);
    assert_eq!(as_it_stands(Blob::new().word(7)), ErrorKind::Token(7));
    assert_eq!(as_it_stands(Blob::new().word(1).word(0x6161_6161)), ErrorKind::NodeName);
    assert_eq!(as_it_stands(Blob::new().word(3).word(4)), ErrorKind::TreeEnd { open: 1 });
    let gigabyte = 1 << 30;
    let claim = ErrorKind::Truncated { need: gigabyte, have: 4 };
    assert_eq!(as_it_stands(Blob::new().word(3).word(gigabyte).word(0).word(0)), claim);
    let wrap = ErrorKind::Truncated { need: u32::MAX, have: 4 };
    assert_eq!(as_it_stands(Blob::new().word(3).word(u32::MAX).word(0).word(0)), wrap);
}

#[test]
fn a_blob_cut_anywhere_is_an_error_and_never_a_panic() {
    let blob = Blob::new().iommu("iommu", 1, 1).host("pcie", &[("iommu-map", &[0, 1, 0, 8])]).finish();
    for end in 0..blob.len() {
        assert!(Tree::parse(&blob[..end]).is_err(), "{end}");
        // With a total size that fits, the blocks leave the tree or the walk does.
        let mut cut = blob[..end].to_vec();
        if let Some(total) = cut.get_mut(4..8) {
            total.copy_from_slice(&u32::try_from(end).unwrap().to_be_bytes());
        }
        assert!(Tree::parse(&cut).and_then(|tree| tree.platform()).is_err(), "{end}");
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    let blob = Blob::new()
        .iommu("iommu", 1, 2)
        .host("pcie", &[("iommu-map", &[0, 1, 0, 1, 1, 1, 1, 1]), ("msi-map", &[0, 1, 0, 8])])
        .node("gpu", &[("iommus", &[1, 2, 3]), ("phandle", &[3]), ("memory-region", &[9])])
        .node("region", &[("iommu-addresses", &[3, 0, 0, 1]), ("phandle", &[9])])
        .finish();
    for at in 0..blob.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = blob.clone();
            broken[at] ^= flip;
            let Ok(tree) = Tree::parse(&broken) else { continue };
            let _ = tree.reservations().take(1000).count();
            let Ok(platform) = tree.platform() else { continue };
            for error in &platform.skipped {
                let _ = format!("{error} {}", tree.place(error.at.offset));
            }
        }
    }
}

#[test]
fn a_property_behind_a_child_is_skipped_and_said() {
    let blob = Blob::new().begin("gpu").node("child", &[]).cells("iommus", &[1]).end().finish();
    let platform = platform(&blob);
    assert!(platform.requesters.is_empty());
    assert_eq!(skipped(&platform), [ErrorKind::PropertyAfterChild]);
}

#[test]
fn a_property_without_a_name_costs_one_property() {
    let mut blob = Blob::new();
    blob.iommu("iommu", 1, 1).begin("gpu").word(3).word(0).word(0x1234).cells("iommus", &[1, 7]).end();
    let platform = platform(&blob.finish());
    assert_eq!(skipped(&platform), [ErrorKind::PropertyName(0x1234)]);
    assert_eq!(master(&platform, "/gpu").cells, [7]);
}

#[test]
fn the_tail_of_a_string_is_a_name_too() {
    let mut blob = Blob::new();
    blob.iommu("iommu", 1, 1);
    let name = blob.string("not-iommus") + 4;
    let blob = blob.begin("gpu").word(3).word(8).word(name).word(1).word(5).end().finish();
    assert_eq!(master(&platform(&blob), "/gpu").cells, [5]);
}

#[test]
fn overlays_are_refused_with_what_to_do() {
    let blob = Blob::new().begin("fragment@0").begin("__overlay__").end().end().finish();
    let error = Tree::parse(&blob).unwrap().platform().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overlay);
    assert!(error.to_string().contains("name the base"));
    // A base compiled for overlays only lists its symbols.
    assert!(Tree::parse(&Blob::new().node("__symbols__", &[]).finish()).unwrap().platform().is_ok());
}

// -- finding --

#[test]
fn nodes_are_found_by_path_unique_name_and_alias() {
    let mut blob = Blob::new();
    blob.begin("aliases").text("pcie0", "/soc/pcie@1000").end();
    blob.begin("soc").node("pcie@1000", &[]).node("uart@1", &[]).node("uart@2", &[]).node("uart", &[]).end();
    let blob = blob.node("i2c@1", &[]).node("i2c@2", &[]).finish();
    let tree = Tree::parse(&blob).unwrap();
    let found = |path: &str| tree.find(path).map(|node| tree.place(node.offset()).to_string());
    assert_eq!(found("/"), Some("/".into()));
    assert_eq!(found("/soc/pcie@1000"), Some("/soc/pcie@1000".into()));
    assert_eq!(found("/soc/pcie"), Some("/soc/pcie@1000".into()));
    assert_eq!(found("pcie0"), Some("/soc/pcie@1000".into()));
    assert_eq!(found("/soc/uart"), Some("/soc/uart".into()), "the whole name wins");
    assert_eq!(found("/i2c"), None, "two of that name");
    assert_eq!(found("pcie1"), None);
    let index = tree.index().unwrap();
    let pcie = index.find("pcie0").unwrap();
    assert_eq!((index.name(pcie), index.name(index.parent(pcie).unwrap())), (&b"pcie@1000"[..], &b"soc"[..]));
}

#[test]
fn the_first_node_of_a_phandle_keeps_it_and_zero_is_nobodys() {
    for phandle in [5, 0xffff_fffe] {
        let blob = Blob::new()
            .node("a", &[("linux,phandle", &[phandle])])
            .node("b", &[("phandle", &[phandle])])
            .node("zero", &[("phandle", &[0])])
            .finish();
        let tree = Tree::parse(&blob).unwrap();
        let index = tree.index().unwrap();
        assert_eq!(index.name(index.by_phandle(Phandle(phandle)).unwrap()), b"a");
        assert_eq!(tree.node_by_phandle(Phandle(phandle)).unwrap().name(), b"a");
        assert_eq!(index.by_phandle(Phandle(0)), None);
        assert_eq!(skipped(&tree.platform().unwrap()), [ErrorKind::PhandleTwice(phandle)]);
    }
}

#[test]
fn a_place_of_no_bytes_is_the_empty_property_before_it_unless_a_node_starts_there() {
    let mut blob = Blob::new();
    blob.begin("pcie@1").cells("iommu-map", &[]).cells("msi-map", &[0, 1, 0, 1]).end();
    blob.begin("pcie@2").cells("iommu-map", &[]).end();
    blob.begin("pcie@3").cells("dma-coherent", &[]).node("endpoint", &[]).end();
    let blob = blob.finish();
    let tree = Tree::parse(&blob).unwrap();
    let empty = |path: &str, name: &str| {
        let property = tree.find(path).unwrap().property(name).unwrap();
        tree.place(property.offset()).to_string()
    };
    assert_eq!(empty("/pcie@1", "iommu-map"), "/pcie@1 iommu-map");
    assert_eq!(empty("/pcie@2", "iommu-map"), "/pcie@2 iommu-map");
    assert_eq!(empty("/pcie@1", "msi-map"), "/pcie@1 msi-map, cell 0");
    let endpoint = tree.find("/pcie@3/endpoint").unwrap().offset();
    assert_eq!(tree.place(endpoint).to_string(), "/pcie@3/endpoint");
}

#[test]
fn a_place_names_node_property_and_cell() {
    let blob = Blob::new().begin("soc").host("pcie@1", &[("iommu-map", &[0, 9, 0, 8])]).end().finish();
    let tree = Tree::parse(&blob).unwrap();
    let error = tree.platform().unwrap().skipped[0];
    assert_eq!(error.kind, ErrorKind::PhandleUnknown { entry: 0, phandle: 9 });
    assert_eq!(tree.place(error.at.offset).to_string(), "/soc/pcie@1 iommu-map, cell 1");
    assert_eq!(tree.place(error.at.offset - 4).to_string(), "/soc/pcie@1 iommu-map, cell 0");
    assert_eq!(blob[error.at.offset as usize..][..4], [0, 0, 0, 9]);
    let soc = tree.find("/soc").unwrap().offset();
    assert_eq!(tree.place(soc).to_string(), "/soc");
}

#[test]
fn errors_stand_at_the_word_they_are_about() {
    let mut blob = Blob::new();
    blob.iommu("iommu", 1, 1).iommu("wide", 2, 17);
    blob.begin("odd").property("iommu-map", &[0; 18]).end();
    blob.begin("late").node("child", &[]).cells("iommus", &[1, 7]).end();
    blob.begin("nameless").word(3).word(0).word(0x1234).end();
    blob.node("unknown", &[("iommus", &[1, 7, 9, 7])]);
    blob.node("seventeen", &[("iommu-map", &[0, 1, 0, 8, 8, 2, 0, 8])]);
    blob.node("base", &[("iommu-map", &[0, 1, 0, 8, 0x11, 1, 0, 8]), ("iommu-map-mask", &[0xf8])]);
    let blob = blob.finish();
    let tree = Tree::parse(&blob).unwrap();
    let platform = tree.platform().unwrap();
    let word = |offset: u32| u32::from_be_bytes(*blob[offset as usize..].first_chunk().unwrap());
    let said: Vec<_> = platform
        .skipped
        .iter()
        .map(|error| (tree.place(error.at.offset).to_string(), word(error.at.offset)))
        .collect();
    let place = |text: &str, word: u32| (text.to_string(), word);
    let expected = [
        place("/late iommus", 3),
        place("/nameless ?", 0x1234),
        place("/odd iommu-map", 18),
        place("/unknown iommus, cell 2", 9),
        place("/seventeen iommu-map, cell 5", 2),
        place("/base iommu-map, cell 4", 0x11),
    ];
    assert_eq!(said, expected);
}

// -- maps: the worked examples --

#[test]
fn a_map_that_leaves_the_iommu_out_leaves_its_rid_untranslated() {
    let (table, ..) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 8, 9, 1, 9, 0xfff7])]);
    assert_eq!(current(&table, 8), None);
    assert_eq!(current(&table, 9), Some(Ok(vec![9])));
    assert_eq!(current(&table, 0xffff), Some(Ok(vec![0xffff])));
    assert_eq!(table.classic, None);
}

#[test]
fn a_mask_gives_all_functions_of_a_slot_one_id() {
    let (table, ..) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 0x10000]), ("iommu-map-mask", &[0xfff8])]);
    assert!((0x100..0x108).all(|rid| current(&table, rid) == Some(Ok(vec![0x100]))));
    assert_eq!(current(&table, 0x108), Some(Ok(vec![0x108])));
}

#[test]
fn four_cell_entries_for_a_two_cell_iommu_are_read_only_as_one_id_each() {
    let (table, errors, _) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 1])]);
    assert_eq!(current(&table, 0x100), Some(Ok(vec![0x1c01])));
    assert_eq!((table.classic, errors), (None, vec![]));

    let (table, ..) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 0x1c00, 0, 1, 0x100, 1, 0x1c01, 0, 1])]);
    assert_eq!(current(&table, 0x100), Some(Ok(vec![0x1c01, 0])));
    assert_eq!(classic(&table, 0x100), Some(Err(Errno::Invalid)), "10 cells are no four-cell entries");

    let (table, errors, _) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 2])]);
    assert_eq!(current(&table, 0), Some(Err(Errno::Invalid)), "length 0x100 with two cells");
    assert_eq!(current(&table, 0xff), Some(Err(Errno::Invalid)));
    assert_eq!(current(&table, 0x100), Some(Err(Errno::NoDevice)), "0x1c01 is no phandle");
    assert_eq!(classic(&table, 0x101), Some(Ok(vec![0x1c02])));
    let range = ErrorKind::MapRange { entry: 0, cells: 2, length: 0x100 };
    assert_eq!(errors, [range, ErrorKind::PhandleUnknown { entry: 1, phandle: 0x1c01 }]);

    let (table, errors, _) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 0, 0x10000])]);
    assert_eq!(current(&table, 0x42), Some(Err(Errno::Invalid)));
    assert_eq!(classic(&table, 0x42), Some(Ok(vec![0x42])));
    assert_eq!(errors, [ErrorKind::EntryCut { entry: 0, need: 5, have: 4 }]);

    let (table, ..) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 5, 1])]);
    assert_eq!(current(&table, 0), Some(Ok(vec![5])));
}

#[test]
fn an_iommu_without_cells_takes_three_cell_entries_or_none() {
    let (table, ..) = map_of(&[(1, 0)], &[("iommu-map", &[0, 1, 0x10000])]);
    assert_eq!(current(&table, 0x1234), Some(Ok(vec![])));
    assert_eq!(classic(&table, 0x1234), Some(Err(Errno::Invalid)));
}

#[test]
fn a_target_that_says_no_cells_property_gets_one_cell() {
    let blob = Blob::new()
        .node("t", &[("phandle", &[1])])
        .host("pcie", &[("iommu-map", &[0, 1, 0x40, 0x10])])
        .finish();
    let platform = platform(&blob);
    assert_eq!(current(bus(&platform, "/pcie").streams.as_ref().unwrap(), 3), Some(Ok(vec![0x43])));
    assert_eq!((platform.iommus.len(), platform.iommus[0].cells), (1, None));
}

#[test]
fn the_linear_look_up_agrees_on_every_worked_example() {
    let maps: &[(u32, &[u32])] = &[
        (1, &[0, 1, 0, 8, 9, 1, 9, 0xfff7]),
        (2, &[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 1]),
        (2, &[0, 1, 0x1c00, 0, 1, 0x100, 1, 0x1c01, 0, 1]),
        (2, &[0, 1, 0x1c00, 1, 0x100, 1, 0x1c01, 2]),
        (2, &[0, 1, 0, 0x10000]),
        (0, &[0, 1, 0x10000]),
        (1, &[0, 1, 0, 0x10, 0x20, 7, 0, 0x10, 0x40, 1, 0, 0x10]),
        (1, &[]),
        (1, &[0xffff_0000, 1, 0, 0x10000]),
        (1, &[5, 1, 0xffff_ffff, 4]),
        (17, &[0, 1, 0, 1]),
    ];
    for (cells, map) in maps {
        let (table, _, blob) = map_of(&[(1, *cells)], &[("iommu-map", map)]);
        let pcie = Tree::parse(&blob).unwrap().find("/pcie").unwrap();
        for id in
            [0, 1, 5, 6, 8, 9, 0xf, 0x10, 0x20, 0x2f, 0x40, 0xff, 0x100, 0x101, 0xffff, 0xffff_0000, u32::MAX]
        {
            for (dialect, expected) in
                [(Dialect::LINUX, current(&table, id)), (Dialect::LINUX_CLASSIC, classic(&table, id))]
            {
                let found = resolve(&pcie, MapKind::Iommu, dialect, id);
                match expected {
                    None => assert!(found.unwrap().is_none()),
                    Some(Err(_)) => assert!(found.is_err(), "{map:x?} {id:#x} {}", dialect.name),
                    Some(Ok(cells)) => assert_eq!(found.unwrap().unwrap().cells(), cells, "{map:x?} {id:#x}"),
                }
            }
        }
    }
}

// -- maps: what can be wrong with them --

#[test]
fn a_length_that_is_no_whole_cells_fails_every_id() {
    let mut blob = Blob::new();
    blob.iommu("iommu", 1, 1).begin("pcie").text("device_type", "pci").property("iommu-map", &[0; 18]).end();
    let platform = platform(&blob.finish());
    let table = bus(&platform, "/pcie").streams.as_ref().unwrap();
    assert_eq!(current(table, 0), Some(Err(Errno::Invalid)));
    assert_eq!(classic(table, u32::MAX), Some(Err(Errno::Invalid)));
    assert_eq!(skipped(&platform), [ErrorKind::CellsLength(18)]);
}

#[test]
fn a_short_last_entry_hurts_only_ids_that_reach_it() {
    let (table, errors, _) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 8, 8, 1, 8])]);
    assert_eq!(current(&table, 7), Some(Ok(vec![7])));
    assert_eq!(current(&table, 8), Some(Err(Errno::Invalid)));
    assert_eq!(classic(&table, 7), Some(Err(Errno::Invalid)));
    assert_eq!(errors, [ErrorKind::EntryCut { entry: 1, need: 4, have: 3 }]);
}

#[test]
fn an_empty_map_matches_nothing_now_and_failed_before() {
    let (table, errors, _) = map_of(&[(1, 1)], &[("iommu-map", &[])]);
    assert_eq!((current(&table, 0), classic(&table, 0)), (None, Some(Err(Errno::Invalid))));
    assert_eq!(errors, []);
}

#[test]
fn a_base_outside_the_mask_fails_every_id_that_reaches_it() {
    let map: &[u32] = &[0, 1, 0, 8, 0x11, 1, 0, 8, 0x20, 1, 0x20, 8];
    let (table, errors, _) = map_of(&[(1, 1)], &[("iommu-map", map), ("iommu-map-mask", &[0xfff8])]);
    for reading in [current, classic] {
        assert_eq!(reading(&table, 7), Some(Ok(vec![0])));
        assert_eq!(reading(&table, 0x20), Some(Err(Errno::Fault)));
        assert_eq!(reading(&table, 0xffff), Some(Err(Errno::Fault)));
    }
    assert_eq!(errors, [ErrorKind::MapBase { entry: 1, base: 0x11, mask: 0xfff8 }]);
}

#[test]
fn an_unknown_phandle_fails_visitors_now_and_failed_its_own_ids_before() {
    let (table, errors, _) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 8, 8, 7, 8, 8, 16, 1, 16, 8])]);
    assert_eq!(current(&table, 16), Some(Err(Errno::NoDevice)));
    assert_eq!(classic(&table, 8), Some(Err(Errno::NoDevice)));
    assert_eq!(classic(&table, 16), Some(Ok(vec![16])));
    assert_eq!(errors, [ErrorKind::PhandleUnknown { entry: 1, phandle: 7 }]);
}

#[test]
fn more_than_sixteen_cells_fail() {
    let (table, errors, _) = map_of(&[(1, 17)], &[("iommu-map", &[0, 1, 0, 1])]);
    assert_eq!(current(&table, 5), Some(Err(Errno::Invalid)));
    assert_eq!(errors, [ErrorKind::CellsTooMany { entry: 0, cells: 17 }]);
}

#[test]
fn several_cells_for_several_ids_fail_only_those_ids() {
    let (table, errors, _) = map_of(&[(1, 2)], &[("iommu-map", &[0, 1, 0, 0, 4, 8, 1, 8, 0xf, 1])]);
    assert_eq!(current(&table, 3), Some(Err(Errno::Invalid)));
    assert_eq!(current(&table, 4), None);
    assert_eq!(current(&table, 8), Some(Ok(vec![8, 0xf])));
    assert_eq!(errors, [ErrorKind::MapRange { entry: 0, cells: 2, length: 4 }]);
}

#[test]
fn an_entry_of_length_zero_matches_nothing() {
    let (table, errors, _) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 0, 8, 1, 8, 8])]);
    assert_eq!((current(&table, 0), table.mappings.len(), errors), (None, 1, vec![]));
}

#[test]
fn the_first_of_overlapping_entries_wins() {
    let (table, ..) = map_of(&[(1, 1), (2, 1)], &[("iommu-map", &[0, 1, 0, 16, 8, 2, 0x100, 16])]);
    assert_eq!(current(&table, 15), Some(Ok(vec![15])));
    assert_eq!(current(&table, 16), Some(Ok(vec![0x108])));
}

#[test]
fn an_entry_that_touches_the_end_of_the_ids_matches_now_and_never_did_before() {
    let (table, ..) = map_of(&[(1, 1)], &[("iommu-map", &[0xffff_0000, 1, 0, 0x10000])]);
    assert_eq!(current(&table, u32::MAX), Some(Ok(vec![0xffff])));
    assert_eq!(classic(&table, u32::MAX), None);
    let (table, ..) = map_of(&[(1, 1)], &[("iommu-map", &[0xffff_0000, 1, 0, u32::MAX])]);
    assert_eq!(current(&table, u32::MAX), Some(Ok(vec![0xffff])), "clipped, not wrapped");
    assert_eq!(current(&table, 0), None);
}

#[test]
fn a_mask_too_short_to_read_is_no_mask_and_a_longer_one_its_first_cell() {
    let mut blob = Blob::new();
    blob.iommu("iommu", 1, 1).begin("pcie").text("device_type", "pci").cells("iommu-map", &[0, 1, 0, 16]);
    blob.property("iommu-map-mask", &[0xff, 0xf8]).end();
    assert_eq!(bus(&platform(&blob.finish()), "/pcie").streams.as_ref().unwrap().mask, None);
    let (table, ..) = map_of(&[(1, 1)], &[("iommu-map", &[0, 1, 0, 16]), ("iommu-map-mask", &[0xfff8, 1])]);
    assert_eq!(table.mask, Some(0xfff8));
}

// -- IOMMUs and masters --

#[test]
fn a_disabled_iommu_stays_the_target() {
    let mut blob = Blob::new();
    blob.begin("iommu").cells("phandle", &[1]).cells("#iommu-cells", &[1]).text("status", "disabled").end();
    let platform = platform(&blob.node("gpu", &[("iommus", &[1, 3])]).finish());
    assert!(!platform.iommus[0].available);
    assert_eq!(master(&platform, "/gpu").streams[0].iommu, IommuIndex(0));
}

#[test]
fn devices_of_simple_buses_are_made_at_boot_and_those_of_other_nodes_by_its_driver() {
    let mut blob = Blob::new();
    blob.iommu("iommu@1", 1, 1);
    let on_bus = |blob: &mut Blob, name: &str, compatible: &str, status: Option<&str>| {
        blob.begin(name).text("compatible", compatible);
        status.into_iter().for_each(|status| _ = blob.text("status", status));
        blob.begin("master").cells("iommus", &[1, 2]).end().end();
    };
    // Without addresses of its own, and so without any property but the name that makes it a bus.
    on_bus(&mut blob, "mfd", "simple-mfd", None);
    on_bus(&mut blob, "engine", "vendor,engine", None);
    on_bus(&mut blob, "off", "simple-bus", Some("disabled"));
    on_bus(&mut blob, "odd", "simple-bus", Some("okay too"));
    on_bus(&mut blob, "on", "simple-bus", Some("ok"));
    blob.begin("outer").text("compatible", "vendor,engine");
    on_bus(&mut blob, "inner", "simple-bus", None);
    blob.end();
    let platform = platform(&blob.finish());
    let made = |path: &str| {
        let requester = requester(&platform, path);
        (requester.available, requester.made_by_driver)
    };
    assert_eq!(made("/mfd/master"), (true, false));
    assert_eq!(made("/engine/master"), (true, true));
    assert_eq!(made("/off/master"), (false, false));
    assert_eq!(made("/odd/master"), (false, false));
    assert_eq!(made("/on/master"), (true, false));
    assert_eq!(made("/outer/inner/master"), (true, true));
}

#[test]
fn the_binding_names_kind_and_group_rule() {
    let kind = |compatible: &str| {
        let mut blob = Blob::new();
        blob.begin("iommu").text("compatible", compatible).cells("#iommu-cells", &[1]).end();
        let platform = platform(&blob.finish());
        (platform.iommus[0].kind, platform.iommus[0].group_rule)
    };
    let shared = GroupRule::SharedStreamMapping;
    let list = "qcom,sm8250-smmu-500\0qcom,smmu-500\0arm,mmu-500";
    assert_eq!(kind(list), (IommuKind::SmmuV2(SmmuModel::Mmu500), shared));
    assert_eq!(kind("qcom,msm8996-smmu-v2\0qcom,smmu-v2"), (IommuKind::SmmuV2(SmmuModel::GenericV2), shared));
    assert_eq!(kind("nvidia,tegra234-smmu\0nvidia,smmu-500"), (IommuKind::SmmuV2(SmmuModel::Mmu500), shared));
    assert_eq!(kind("arm,mmu-401"), (IommuKind::SmmuV2(SmmuModel::Mmu401), shared));
    assert_eq!(kind("arm,smmu-v3"), (IommuKind::SmmuV3 { model: 0 }, GroupRule::PerDevice));
    assert!(matches!(kind("mediatek,mt8192-m4u"), (IommuKind::Other("mediatek"), GroupRule::Regions(_))));
    assert_eq!(kind("mediatek,mt8195-iommu-vdo"), kind("mediatek,mt8195-iommu-vpp"));
    assert_eq!(kind("mediatek,mt2701-m4u"), (IommuKind::Other("mediatek-v1"), GroupRule::PerDevice));
    // drivers/memory/tegra/tegra{30,114,124,210}.c tegra_smmu_group_soc, include/dt-bindings/memory/tegra*-mc.h
    for (soc, set) in [
        (30, &[1, 2, 4, 9, 10][..]),
        (114, &[1, 2, 4, 6]),
        (124, &[1, 2, 24]),
        (132, &[1, 2, 24]),
        (210, &[1, 2]),
    ] {
        let found = kind(&format!("nvidia,tegra{soc}-mc"));
        assert_eq!(found, (IommuKind::Other("tegra"), GroupRule::FirstIdSet(set)), "{soc}");
    }
    assert_eq!(kind("apple,t8103-dart"), (IommuKind::Other("apple-dart"), GroupRule::SharedId));
    assert_eq!(kind("samsung,exynos-sysmmu"), (IommuKind::Other("exynos"), GroupRule::Indistinct));
    for unbound in ["acme,iommu", "nvidia,tegra234-mc", "qcom,sm8250-smmu-500\0qcom,smmu-500"] {
        assert_eq!(kind(unbound), (IommuKind::Unknown, GroupRule::Indistinct), "{unbound}");
    }
}

#[test]
fn masters_keep_the_entries_before_one_that_cannot_be_read() {
    let mut blob = Blob::new();
    blob.iommu("a", 1, 1).iommu("b", 2, 2).node("no-cells", &[("phandle", &[3])]);
    blob.node("whole", &[("iommus", &[1, 10, 2, 20, 21])]);
    blob.node("unknown", &[("iommus", &[1, 10, 9, 1, 11])]);
    blob.node("empty-entry", &[("iommus", &[1, 10, 0, 1, 11])]);
    blob.node("mute", &[("iommus", &[1, 10, 3, 1])]);
    blob.node("cut", &[("iommus", &[1, 10, 2, 20])]);
    blob.begin("tail").property("iommus", &[0, 0, 0, 1, 0, 0, 0, 10, 0]).end();
    let platform = platform(&blob.finish());
    let whole = master(&platform, "/whole");
    assert_eq!((whole.streams.len(), &whole.cells[..], whole.cut_short), (2, &[10, 20, 21][..], false));
    for path in ["/unknown", "/empty-entry", "/mute", "/cut", "/tail"] {
        let master = master(&platform, path);
        assert_eq!(
            (master.streams.len(), &master.cells[..], master.cut_short),
            (1, &[10][..], true),
            "{path}"
        );
    }
    let expected = [
        ErrorKind::PhandleUnknown { entry: 1, phandle: 9 },
        ErrorKind::PhandleUnknown { entry: 1, phandle: 0 },
        ErrorKind::CellsMissing { entry: 1, phandle: 3 },
        ErrorKind::EntryCut { entry: 1, need: 2, have: 1 },
        ErrorKind::CellsLength(1),
    ];
    assert_eq!(skipped(&platform), expected);
}

#[test]
fn a_node_with_iommus_and_a_map_is_two_requesters_of_one_origin() {
    let map: (&str, &[u32]) = ("iommu-map", &[0, 1, 0, 8]);
    let platform =
        platform(&Blob::new().iommu("iommu", 1, 1).node("host1x", &[("iommus", &[1, 3]), map]).finish());
    let [bus, master] = &platform.requesters[..] else { panic!("{:?}", platform.requesters) };
    assert_eq!(bus.origin, master.origin);
    let RequesterKind::Bus(bus) = &bus.kind else { panic!("the bus comes first") };
    assert_eq!(bus.kind, BusKind::Other);
}

#[test]
fn old_smmus_name_their_masters_themselves() {
    let mut blob = Blob::new();
    blob.begin("smmu")
        .text("compatible", "arm,mmu-401")
        .cells("mmu-masters", &[7, 0x10, 0x11, 8, 0x20, 7, 0x12, 0x13])
        .end();
    blob.node("dma", &[("phandle", &[7]), ("#stream-id-cells", &[2])]);
    blob.node("usb", &[("phandle", &[8]), ("#stream-id-cells", &[1])]);
    let platform = platform(&blob.finish());
    assert_eq!(platform.iommus.len(), 1);
    let dma = master(&platform, "/dma");
    assert_eq!((dma.streams.len(), &dma.cells[..]), (4, &[0x10, 0x11, 0x12, 0x13][..]));
    assert!(dma.streams.iter().all(|stream| stream.count == 1));
    assert_eq!(master(&platform, "/usb").cells, [0x20]);
}

#[test]
fn functions_of_a_host_that_an_old_smmu_names_have_their_requester_id() {
    let mut blob = Blob::new();
    blob.begin("smmu").text("compatible", "arm,mmu-400").cells("mmu-masters", &[7]).end();
    blob.begin("pcie").text("device_type", "pci").cells("phandle", &[7]).end();
    let platform = platform(&blob.finish());
    let table = bus(&platform, "/pcie").streams.as_ref().unwrap();
    assert_eq!(table.mappings[0].target, Target::Iommu(IommuIndex(0)));
    assert_eq!((current(table, 0x108), current(table, 0x1_0000)), (Some(Ok(vec![0x108])), None));
}

#[test]
fn smmus_take_sixteen_bits_of_each_cell() {
    let mut blob = Blob::new();
    let mut smmu = |name: &str, phandle: u32, cells: u32, mask: &[u32]| {
        blob.begin(name).text("compatible", "arm,mmu-500").cells("phandle", &[phandle]);
        blob.cells("#iommu-cells", &[cells]);
        if !mask.is_empty() {
            blob.cells("stream-match-mask", mask);
        }
        blob.end();
    };
    smmu("plain", 1, 1, &[]);
    smmu("masked", 2, 1, &[0x7f80]);
    smmu("pairs", 3, 2, &[0x7f80]);
    blob.node("dma", &[("iommus", &[1, 0x5_0400, 2, 0x400, 3, 0x5_0400, 0x1_007f])]);
    let platform = platform(&blob.finish());
    let map = fwspec::IdMap::build(&platform, Dialect::LINUX);
    let ids: Vec<_> =
        map.own_streams(RequesterIndex(0)).iter().map(|stream| stream.fwspec_id().unwrap()).collect();
    // linux `arm_smmu_of_xlate`: FIELD_PREP of each cell, stream-match-mask only beside one cell.
    assert_eq!(ids, [0x400, 0x7f80_0400, 0x7f_0400]);
}

/// linux `arm_smmu_find_sme`: bits of the mask do not take part in a match, so an event with any of them is of the same requester.
#[test]
fn stream_ids_are_traced_back_without_the_bits_that_the_smmu_ignores() {
    let mut blob = Blob::new();
    blob.begin("smmu").text("compatible", "arm,mmu-500").cells("phandle", &[1]);
    blob.cells("#iommu-cells", &[1]).cells("stream-match-mask", &[0x7c00]).end();
    let blob = blob.host("pcie", &[("iommu-map", &[0, 1, 0x20, 0x100])]).finish();
    let map = fwspec::IdMap::build(&platform(&blob), Dialect::LINUX);
    let from = |id| map.stream_sources(fwspec::StreamId(id)).map(|source| source.inputs).collect::<Vec<_>>();
    assert_eq!(from(0x25), [Some(InputIds { first: 5, last: 5 })]);
    assert_eq!(from(0x4c25), [Some(InputIds { first: 5, last: 5 })]);
    assert_eq!(from(0x8025), []);
    assert_eq!(from(0x1f), []);
}

#[test]
fn every_binding_names_the_parts_of_its_specifiers() {
    let parts = |compatible: &str, cells: &[u32]| {
        let mut blob = Blob::new();
        let count = u32::try_from(cells.len()).unwrap();
        blob.begin("iommu").text("compatible", compatible).cells("#iommu-cells", &[count]).end();
        platform(&blob.finish()).iommus[0].parts(cells).collect::<Vec<_>>()
    };
    assert_eq!(parts("arm,mmu-500", &[0x400, 0x7f]), [("stream", 0x400), ("mask", 0x7f)]);
    assert_eq!(parts("arm,mmu-500", &[0x400]), [("stream", 0x400)]);
    assert_eq!(parts("arm,smmu-v3", &[0x1_0000]), [("stream", 0x1_0000)]);
    assert_eq!(parts("arm,smmu-v3", &[1, 2]), [], "the binding has one cell");
    assert_eq!(parts("mediatek,mt8195-iommu-vdo", &[0x2a5]), [("larb", 21), ("port", 5)]);
    assert_eq!(parts("mediatek,mt2701-m4u", &[0x45]), [("port", 0x45)], "counted through over all larbs");
    assert_eq!(parts("nvidia,tegra210-mc", &[5]), [("swgroup", 5)]);
    assert_eq!(parts("renesas,ipmmu-r8a7795", &[5]), [("micro-tlb", 5)]);
    assert_eq!(parts("qcom,msm-iommu-v1", &[5]), [("context-bank", 5)]);
    assert_eq!(parts("allwinner,sun50i-h6-iommu", &[5]), [("master", 5)]);
    assert_eq!(parts("apple,t8103-dart", &[5]), [("stream", 5)]);
    assert_eq!(parts("riscv,iommu", &[5]), [("device", 5)]);
    assert_eq!(parts("virtio,pci-iommu", &[5]), [("endpoint", 5)]);
    assert_eq!(parts("xen,grant-dma", &[5]), [("backend-domain", 5)]);
    assert_eq!(parts("rockchip,iommu", &[]), []);
    assert_eq!(parts("acme,iommu", &[1, 2, 3, 4]), []);
}

#[test]
fn a_bus_that_says_no_cells_has_those_of_the_bus_above() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    // linux `of_bus_n_addr_cells` goes up; 2 and 1 hold only where nobody says anything.
    blob.begin("soc").flag("ranges").node("near", &[("reg", &[0x1800, 0x100]), ("#iommu-cells", &[1])]).end();
    let bases = |blob: &[u8]| platform(blob).iommus.iter().map(|iommu| iommu.base).collect::<Vec<_>>();
    assert_eq!(bases(&blob.finish()), [Some(0x1800)]);
    let mut blob = Blob::new();
    blob.begin("soc")
        .flag("ranges")
        .node("near", &[("reg", &[1, 0x1800, 0x100]), ("#iommu-cells", &[1])])
        .end();
    assert_eq!(bases(&blob.finish()), [Some(0x1_0000_1800)]);
}

#[test]
fn registers_are_found_through_the_ranges_above() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    blob.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    blob.cells("ranges", &[0x1000, 8, 0x4000, 0x1000, 0x8000, 8, 0, 0x1000]);
    blob.begin("identity").cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("ranges");
    blob.node("near", &[("reg", &[0x1800, 0x100]), ("#iommu-cells", &[1])]);
    blob.node("outside", &[("reg", &[0x3000, 0x100]), ("#iommu-cells", &[1])]);
    blob.end().begin("closed").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    blob.node("inside", &[("reg", &[0, 1]), ("#iommu-cells", &[1])]).end().end();
    let platform = platform(&blob.finish());
    let bases: Vec<_> = platform.iommus.iter().map(|iommu| iommu.base).collect();
    assert_eq!(bases, [Some(0x8_0000_4800), None, None]);
}

// -- hosts --

fn segments(platform: &Platform) -> Vec<(u32, bool)> {
    let buses = platform.requesters.iter().filter_map(|requester| match &requester.kind {
        RequesterKind::Bus(bus) => Some(bus.kind),
        _ => None,
    });
    buses
        .map(|kind| match kind {
            BusKind::Pci { segment, assumed, .. } => (segment.0, assumed),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn hosts_without_domain_get_the_lowest_number_that_nobody_claims() {
    let domain = |domain| -> [(&str, [u32; 1]); 1] { [("linux,pci-domain", [domain])] };
    let mut blob = Blob::new();
    let mut host = |name: &str, domains: &[(&str, [u32; 1])]| {
        let properties: Vec<(&str, &[u32])> =
            domains.iter().map(|(name, cells)| (*name, &cells[..])).collect();
        blob.host(name, &properties);
    };
    host("a", &[]);
    host("b", &domain(0));
    host("c", &[]);
    host("d", &domain(2));
    host("e", &domain(2));
    host("f", &[]);
    let platform = platform(&blob.finish());
    assert_eq!(segments(&platform), [(1, true), (0, false), (3, true), (2, false), (4, true), (5, true)]);
}

#[test]
fn disabled_hosts_are_numbered_last() {
    let mut blob = Blob::new();
    blob.begin("off").text("device_type", "pci").text("status", "disabled").end().host("on", &[]);
    assert_eq!(segments(&platform(&blob.finish())), [(1, true), (0, true)]);
}

#[test]
fn bridges_below_a_host_are_no_hosts_and_an_iommu_there_is_a_function() {
    let mut blob = Blob::new();
    blob.begin("pci@30000000").text("device_type", "pci").cells("iommu-map", &[0, 1, 0, 8, 9, 1, 9, 0xfff7]);
    blob.begin("pcie@0,0").text("device_type", "pci").cells("reg", &[0x800, 0, 0, 0, 0]);
    blob.cells("iommu-map", &[0, 1, 0, 1]).end();
    blob.begin("iommu@1")
        .text("compatible", "pci1efd,edf1\0riscv,pci-iommu")
        .cells("reg", &[0x100 << 8 | 0x800, 0, 0, 0, 0]);
    blob.cells("#iommu-cells", &[1]).cells("phandle", &[1]).end().end();
    let platform = platform(&blob.finish());
    assert_eq!(platform.requesters.len(), 1);
    assert_eq!(platform.iommus[0].kind, IommuKind::RiscV);
    assert_eq!(
        platform.iommus[0].function,
        Some(HostedFunction { host: RequesterIndex(0), rid: RequesterId(0x108) })
    );
}

#[test]
fn iommus_on_a_pci_host_are_for_the_controller_only() {
    let platform = platform(&Blob::new().iommu("iommu", 1, 1).host("pcie", &[("iommus", &[1, 3])]).finish());
    assert_eq!(bus(&platform, "/pcie").streams, None);
    assert_eq!(master(&platform, "/pcie").cells, [3]);
}

#[test]
fn ats_pasid_stall_and_coherency_are_facts_of_the_node() {
    let mut blob = Blob::new();
    blob.flag("dma-coherent").iommu("iommu", 1, 1);
    blob.begin("pcie").text("device_type", "pci").flag("ats-supported").flag("dma-noncoherent").end();
    blob.begin("gpu").cells("iommus", &[1, 2]).cells("pasid-num-bits", &[20]).flag("dma-can-stall").end();
    let platform = platform(&blob.finish());
    assert!(bus(&platform, "/pcie").ats);
    assert_eq!(requester(&platform, "/pcie").coherency.coherent, Some(false));
    let gpu = requester(&platform, "/gpu");
    assert_eq!((gpu.coherency.coherent, gpu.pasid_bits, gpu.can_stall), (Some(true), Some(20), Some(true)));
}

#[test]
fn dma_ranges_limit_what_is_below_them() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).iommu("iommu", 1, 1);
    // 36 bits for what is on the bus; the inner bus passes them on.
    blob.begin("soc")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .cells("dma-ranges", &[0, 0, 0, 0, 0x10, 0]);
    blob.begin("inner").flag("dma-ranges").node("a", &[("iommus", &[1, 1])]).end();
    blob.begin("broken").begin("deep").flag("dma-ranges").node("b", &[("iommus", &[1, 2])]).end().end();
    // A host may lack the property; it asks for itself, not for its parent.
    blob.host("pcie", &[]);
    blob.host(
        "narrow",
        &[("#address-cells", &[3]), ("#size-cells", &[2]), ("dma-ranges", &[0x4200_0000, 0, 0, 0, 0, 1, 0])],
    );
    blob.end().node("c", &[("iommus", &[1, 3])]);
    let platform = platform(&blob.finish());
    let limit = |path| requester(&platform, path).dma_limit;
    assert_eq!(limit("/soc/inner/a"), Some(0xf_ffff_ffff));
    assert_eq!(limit("/soc/broken/deep/b"), None, "a bus on the way has no dma-ranges");
    assert_eq!(limit("/soc/pcie"), Some(0xf_ffff_ffff));
    assert_eq!(limit("/soc/narrow"), Some(0xffff_ffff));
    assert_eq!(limit("/c"), None);
}

#[test]
fn dma_ranges_that_lead_nowhere_limit_nothing() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).iommu("iommu", 1, 1);
    // Memory of this bus ends at 0x9000_0000.
    blob.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    blob.cells("dma-ranges", &[0x8000_0000, 0, 0x1000_0000]);
    let bus = |blob: &mut Blob, name: &str, ranges: &[u32]| {
        blob.begin(name).cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("dma-ranges", ranges);
        blob.node("a", &[("iommus", &[1, 1])]).end();
    };
    bus(&mut blob, "some", &[0, 0x8000_0000, 0x1000, 0x4000_0000, 0x1000, 0x1000]);
    bus(&mut blob, "none", &[0x4000_0000, 0x1000, 0x1000]);
    let platform = platform(&blob.end().finish());
    // linux `of_dma_get_range` passes over entries whose memory the buses above do not reach.
    assert_eq!(requester(&platform, "/soc/some/a").dma_limit, Some(0xfff));
    assert_eq!(requester(&platform, "/soc/none/a").dma_limit, None);
}

#[test]
fn dma_goes_where_the_interconnects_say() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).iommu("iommu", 1, 1);
    blob.begin("gpu").cells("iommus", &[1, 1]).cells("interconnects", &[1, 5, 2, 7]);
    // The second entry is the way to memory.
    blob.property("interconnect-names", b"write\0dma-mem\0").end();
    let wide: &[u32] = &[0, 0, 0, 0, 0x80, 0];
    blob.begin("mc").cells("phandle", &[2]).cells("#interconnect-cells", &[1]).flag("dma-coherent");
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).cells("dma-ranges", wide).end();
    let blob = blob.finish();
    assert_eq!(
        requester(&platform(&blob), "/gpu").dma_limit,
        None,
        "#interconnect-cells of entry 0 are not said"
    );

    let mut blob = Blob::new();
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).iommu("iommu", 1, 1);
    blob.begin("gpu")
        .cells("iommus", &[1, 1])
        .cells("interconnects", &[2, 7])
        .text("interconnect-names", "dma-mem")
        .end();
    blob.begin("mc").cells("phandle", &[2]).cells("#interconnect-cells", &[1]).flag("dma-coherent");
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).cells("dma-ranges", wide).end();
    let platform = platform(&blob.finish());
    let gpu = requester(&platform, "/gpu");
    assert_eq!((gpu.dma_limit, gpu.coherency.coherent), (Some(0x7f_ffff_ffff), Some(true)));
}

// -- MSIs --

fn master_msi(controller: u32, id: Option<u32>) -> MasterMsi {
    MasterMsi { controller: MsiControllerIndex(controller), id: id.map(DeviceId) }
}

fn msi_tree(properties: &[(&str, &[u32])], above: &[(&str, &[u32])]) -> Platform {
    let mut blob = Blob::new();
    blob.node("its", &[("phandle", &[1]), ("#msi-cells", &[1])]).node("v2m", &[("phandle", &[2])]);
    blob.begin("soc");
    for (name, cells) in above {
        blob.cells(name, cells);
    }
    platform(&blob.host("pcie", properties).end().finish())
}

fn route(platform: &Platform) -> &MsiRoute {
    &bus(platform, "/soc/pcie").msi
}

#[test]
fn an_msi_map_gives_device_ids() {
    let platform = msi_tree(&[("msi-map", &[0, 1, 0x100, 0x10])], &[]);
    let MsiRoute::Table(table) = route(&platform) else { panic!("{:?}", route(&platform)) };
    assert_eq!(current(table, 5), Some(Ok(vec![0x105])));
    assert_eq!(table.mappings[0].target, Target::Msi(MsiControllerIndex(0)));
}

#[test]
fn a_parent_controller_takes_ids_as_they_are() {
    assert_eq!(*route(&msi_tree(&[("msi-parent", &[2])], &[])), MsiRoute::Direct(MsiControllerIndex(0)));
    assert_eq!(*route(&msi_tree(&[("msi-parent", &[1, 0])], &[])), MsiRoute::Direct(MsiControllerIndex(0)));
    assert_eq!(*route(&msi_tree(&[], &[])), MsiRoute::Absent);
}

#[test]
fn a_broken_msi_map_counts_as_absent() {
    let platform = msi_tree(&[("msi-map", &[0, 99, 0, 1]), ("msi-parent", &[2])], &[]);
    assert_eq!(*route(&platform), MsiRoute::Direct(MsiControllerIndex(0)));
    assert_eq!(skipped(&platform), [ErrorKind::PhandleUnknown { entry: 0, phandle: 99 }]);
}

#[test]
fn an_empty_msi_map_ends_the_search() {
    let platform = msi_tree(&[("msi-map", &[]), ("msi-parent", &[2])], &[("msi-map", &[0, 1, 0, 1])]);
    let MsiRoute::Table(table) = route(&platform) else { panic!("{:?}", route(&platform)) };
    assert_eq!(table.mappings, []);
}

#[test]
fn without_a_route_of_its_own_a_host_takes_that_of_the_bus_above() {
    let platform = msi_tree(&[], &[("msi-map", &[0, 1, 0, 0x100])]);
    assert_eq!(*route(&platform), MsiRoute::Inherited(RequesterIndex(0)));
    assert!(matches!(bus(&platform, "/soc").msi, MsiRoute::Table(_)));
    assert_eq!(*route(&msi_tree(&[], &[("msi-parent", &[2])])), MsiRoute::Direct(MsiControllerIndex(0)));
    assert_eq!(*route(&msi_tree(&[], &[("msi-parent", &[1, 0])])), MsiRoute::Absent, "it wants a cell");
}

#[test]
fn masters_have_the_device_ids_of_their_msi_parents() {
    let mut blob = Blob::new();
    blob.node("its", &[("phandle", &[1]), ("#msi-cells", &[1])])
        .node("v2m", &[("phandle", &[2])])
        .iommu("iommu", 3, 1);
    blob.node("nic", &[("iommus", &[3, 4]), ("msi-parent", &[1, 0x77, 2])]);
    assert_eq!(
        master(&platform(&blob.finish()), "/nic").msi,
        [master_msi(0, Some(0x77)), master_msi(1, None)]
    );
}

#[test]
fn an_id_whose_msi_map_entry_fails_goes_to_the_parent_without_cells_as_it_is() {
    let map: (&str, &[u32]) = ("msi-map", &[0, 1, 0x100, 0x10, 0x10, 99, 0, 8]);
    let mask: (&str, &[u32]) = ("msi-map-mask", &[0xffff]);
    let parent: (&str, &[u32]) = ("msi-parent", &[2]);
    for (own, above) in [(vec![map, mask, parent], vec![]), (vec![map, mask], vec![parent])] {
        let platform = msi_tree(&own, &above);
        let map = fwspec::IdMap::build(&platform, Dialect::LINUX);
        let host =
            platform.requesters.iter().position(|r| platform.label(r.origin).to_string() == "/soc/pcie");
        let host = u32::try_from(host.unwrap()).unwrap();
        let request =
            |id| map.msi_from(RequesterIndex(host), id).map(|request| (request.controller, request.id));
        assert_eq!(request(5), Some((MsiControllerIndex(0), DeviceId(0x105))));
        assert_eq!(request(0x1_0020), Some((MsiControllerIndex(1), DeviceId(0x1_0020))), "not even masked");
        let classic = fwspec::IdMap::build(&platform, Dialect::LINUX_CLASSIC);
        assert_eq!(classic.msi_from(RequesterIndex(host), 0x12), None, "7.2 has no such step");
    }
    let platform = msi_tree(&[map, ("msi-parent", &[1, 0])], &[]);
    let MsiRoute::Table(table) = route(&platform) else { panic!("{:?}", route(&platform)) };
    assert_eq!(current(table, 0x20), Some(Err(Errno::NoDevice)), "a parent that wants a cell takes nothing");
}

#[test]
fn zero_cells_leave_the_id_as_it_was() {
    let mut blob = Blob::new();
    blob.node("its", &[("phandle", &[1]), ("#msi-cells", &[0])]);
    blob.host("pcie", &[("msi-map", &[0, 1, 0x100]), ("msi-map-mask", &[0xff])]);
    let platform = platform(&blob.finish());
    let map = fwspec::IdMap::build(&platform, Dialect::LINUX);
    assert_eq!(map.msi_from(RequesterIndex(0), 0x3456).map(|request| request.id), Some(DeviceId(0x3456)));
}

#[test]
fn a_master_without_parent_asks_its_own_map_for_instance_0() {
    let mut blob = Blob::new();
    blob.node("its", &[("phandle", &[1]), ("#msi-cells", &[1])])
        .node("v2m", &[("phandle", &[2])])
        .iommu("i", 3, 1);
    let map: (&str, &[u32]) = ("msi-map", &[1, 1, 0x10, 1, 0, 1, 0x20, 4]);
    blob.node("mapped", &[("iommus", &[3, 4]), map]);
    blob.node("parented", &[("iommus", &[3, 5]), map, ("msi-parent", &[2])]);
    let platform = platform(&blob.finish());
    assert_eq!(master(&platform, "/mapped").msi, [master_msi(0, Some(0x20))]);
    assert_eq!(master(&platform, "/parented").msi, [master_msi(1, None)]);
}

// -- reserved memory --

#[test]
fn reserved_memory_is_for_the_master_that_both_sides_name() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).iommu("iommu", 1, 1);
    blob.node("display", &[("phandle", &[5]), ("iommus", &[1, 1]), ("memory-region", &[6, 7, 8, 6])]);
    blob.node("gpu", &[("phandle", &[9]), ("iommus", &[1, 2])]);
    let region = |blob: &mut Blob, name: &str, phandle: u32, reg: &[u32], addresses: &[u32]| {
        blob.begin(name).cells("phandle", &[phandle]).cells("iommu-addresses", addresses);
        if !reg.is_empty() {
            blob.cells("reg", reg);
        }
        blob.end();
    };
    // The gpu is named by the region but does not name it back.
    region(&mut blob, "framebuffer", 6, &[0x8000, 0x1000], &[9, 0x8000, 0x1000, 5, 0x8000, 0x1000]);
    region(&mut blob, "hole", 7, &[], &[5, 0x4000, 0x2000, 5, 0, 0, 5, 0x7000, 0x100]);
    region(&mut blob, "moved", 8, &[0x8000, 0x1000], &[5, 0x9000, 0x1000, 5, 1]);
    let platform = platform(&blob.finish());
    let found: Vec<_> = platform
        .reserved
        .iter()
        .map(|reserved| {
            let requester = &platform.requesters[reserved.requester.unwrap().position()];
            let stretches: Vec<_> =
                reserved.regions.iter().map(|region| (region.base, region.length)).collect();
            (platform.label(requester.origin).to_string(), reserved.kind, stretches)
        })
        .collect();
    let display = || "/display".to_string();
    let expected = [
        (display(), RegionKind::Direct, vec![(0x8000, 0x1000)]),
        (display(), RegionKind::Reserved, vec![(0x4000, 0x2000), (0x7000, 0x100)]),
        (display(), RegionKind::Reserved, vec![(0x9000, 0x1000)]),
    ];
    assert_eq!(found, expected);
    let expected = [
        ErrorKind::RegionEmpty(1),
        ErrorKind::RegionMoved { entry: 0, iova: 0x9000 },
        ErrorKind::EntryCut { entry: 1, need: 3, have: 2 },
    ];
    assert_eq!(skipped(&platform), expected);
}

#[test]
fn reserved_addresses_have_the_cells_of_the_bus_that_the_dma_is_on() {
    let mut blob = Blob::new();
    blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).iommu("iommu", 1, 1);
    blob.begin("gpu").cells("phandle", &[5]).cells("iommus", &[1, 1]).cells("memory-region", &[6]);
    blob.cells("interconnects", &[2]).text("interconnect-names", "dma-mem").end();
    blob.begin("mc").cells("phandle", &[2]).cells("#interconnect-cells", &[0]);
    blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]).end();
    blob.node("hole", &[("phandle", &[6]), ("iommu-addresses", &[5, 1, 0x8000, 0, 0x1000])]);
    let platform = platform(&blob.finish());
    assert_eq!((platform.reserved[0].regions[0].base, &platform.skipped), (0x1_0000_8000, &vec![]));
}

#[test]
fn tokens_carry_offsets_of_the_blob() {
    let blob = Blob::new().cells("x", &[0xabcd]).finish();
    let tree = Tree::parse(&blob).unwrap();
    let value = tree.tokens().find_map(|token| match token.unwrap() {
        Token::Property { value, offset, .. } => Some((value, offset as usize)),
        _ => None,
    });
    let (value, offset) = value.unwrap();
    assert_eq!(value, &blob[offset..offset + 4]);
}
