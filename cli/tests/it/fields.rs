//! An IORT field by field: every byte once, and what is broken in words.

use std::fs;

use fwspec::acpi::iort::{Builder, Iort, NodeId};

fn ordinary() -> (Builder, NodeId, NodeId, NodeId) {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0, smmu).id();
    (table, its, smmu, root)
}

/// The tables of the shared corpus.
fn corpus() -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let Some(folder) = crate::outside::shared("corpus/iort") else { return Vec::new() };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tables = paths.filter(|path| path.to_str().unwrap().ends_with(".iort.bin"));
    tables.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn the_text_of_a_broken_table_says_what_is_broken() {
    let (mut table, its, smmu, root) = ordinary();
    table.edit(root).claim_mapping_count(9);
    table.edit(its).put_u32(16, 3);
    table.smmu_v2(0).put_u32(44, 2).maps(0..=0, 0, smmu);
    table.named_component("relative").cut(29 + 8);
    table.node(99, 20);
    table.rmr().put_u32(20, 1).put_u32(24, 28);
    table.root_complex(0).claim_length(3);
    table.trailing(b"junk");
    let mut text = String::new();
    fwspec_report::iort::fields(&Iort::parse(&table.finish()).unwrap(), &mut text).unwrap();
    let complaints: Vec<_> = text.lines().filter(|line| line.starts_with('!')).collect();
    let wanted = [
        "3 ITS identifiers in a node with room for 1",
        "9 ID mappings at byte 40 of the node, which has room for 1",
        "no terminating NUL",
        "the fields of this structure are not known",
        "1 memory range at byte 28 of the node, which has room for 0",
        "the node says that it is 3 bytes long",
        "bytes of the table follow the last node",
        "4 bytes follow the table",
    ];
    assert_eq!(complaints.len(), wanted.len(), "{complaints:#?}");
    for (complaint, wanted) in complaints.iter().zip(wanted) {
        assert!(complaint.contains(wanted), "{complaint}: {wanted}");
    }
}

#[test]
fn the_text_shows_every_byte_once() {
    let (mut tables, mut rows) = (0, 0);
    for (path, bytes) in corpus() {
        let mut text = String::new();
        fwspec_report::iort::fields(&Iort::parse(&bytes).unwrap(), &mut text).unwrap();
        let mut next = 0;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['!', ' '])) {
            let place = format!("{}: {line}", path.display());
            let (offset, rest) = line.split_at(4);
            assert_eq!(usize::from_str_radix(offset, 16), Ok(next), "{place}");
            next += rest.split_whitespace().next().unwrap().parse::<usize>().expect(&place);
            rows += 1;
        }
        assert_eq!(next, bytes.len(), "{}", path.display());
        tables += 1;
    }
    println!("{tables} tables shown in {rows} rows, every byte once");
}
