//! What holds tables: the header gate, concatenations; and MCFG.

use fwspec::acpi::container::{self, Tables};
use fwspec::acpi::iort::{Builder, Iort};
use fwspec::acpi::{Madt, Mcfg, Sdt};
use fwspec::model::SegmentBuses;
use fwspec::{Error, ErrorKind, Platform, Segment, error::Source};

fn table(revision: u8) -> Vec<u8> {
    let mut table = Builder::new(revision);
    table.root_complex(0);
    table.named_component(r"\_SB_.DEV0");
    table.finish()
}

/// A table with this signature and body.
fn sdt(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(36 + body.len()).unwrap();
    let mut bytes = [&signature[..], &length.to_le_bytes(), &[1, 0], &[b'x'; 26], body].concat();
    bytes[9] = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)).wrapping_neg();
    bytes
}

fn read(file: &[u8]) -> Tables<'_> {
    container::tables(file).unwrap()
}

fn names(tables: &Tables<'_>) -> Vec<String> {
    tables.tables.iter().map(|table| table.source.to_string()).collect()
}

#[test]
fn any_table_passes_the_gate() {
    let bytes = sdt(b"APIC", b"interrupt controllers");
    let table = Sdt::parse(&bytes).unwrap();
    assert_eq!((table.signature(), table.length(), table.checksum_error()), (*b"APIC", 57, None));
    assert_eq!(table.source().to_string(), "APIC");
    assert!(Iort::parse(&bytes).is_err());
}

#[test]
fn one_table_is_a_file() {
    let file = table(6);
    let found = read(&file);
    assert_eq!((names(&found), found.skipped.len()), (vec!["IORT".to_string()], 0));
    assert_eq!(&*found.tables[0].bytes, &file[..]);
}

#[test]
fn tables_follow_each_other_with_or_without_padding() {
    let file = [table(6), sdt(b"APIC", b""), vec![0; 28], table(5), vec![0; 100]].concat();
    let found = read(&file);
    assert_eq!(names(&found), ["IORT", "APIC", "IORT#1"]);
    assert_eq!(found.skipped, []);
    assert_eq!(found.tables[2].at.offset, u32::try_from(table(6).len() + 36 + 28).unwrap());
    assert_eq!(Iort::parse_as(&found.tables[2].bytes, found.tables[2].source).unwrap().revision(), 5);
}

#[test]
fn junk_behind_a_table_is_reported() {
    let file = [table(6), b"\x01\x02\x03".to_vec()].concat();
    let found = read(&file);
    let at = Source::FILE.at(u32::try_from(file.len() - 3).unwrap());
    assert_eq!(names(&found), ["IORT"]);
    assert_eq!(found.skipped, [Error { kind: ErrorKind::NoTable { left: 3 }, at }]);
}

#[test]
fn a_table_that_the_file_cuts_short_is_reported() {
    let file = [table(6), table(5)[..60].to_vec()].concat();
    let found = read(&file);
    assert_eq!(names(&found), ["IORT"]);
    assert!(matches!(found.skipped[0].kind, ErrorKind::Truncated { have: 60, .. }));
}

#[test]
fn what_is_no_table_is_refused() {
    for file in [&b""[..], b"\xd0\x0d\xfe\xed", b"\0\0\0\0\0\0\0\0", b"hello, world @ home\n"] {
        let error = container::tables(file).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Unrecognised(_)), "{error}");
    }
}

/// A MADT with these structures.
fn madt(structures: &[&[u8]]) -> Vec<u8> {
    sdt(b"APIC", &[&[0; 8][..], &structures.concat()].concat())
}

fn its(id: u32) -> Vec<u8> {
    [&[0x0f, 20, 0, 0][..], &id.to_le_bytes(), &0x0808_0000_u64.to_le_bytes(), &[0; 4]].concat()
}

/// The identifiers of the ITS units that a MADT has.
fn ids(platform: &Platform) -> Vec<u32> {
    platform.its_units.iter().flatten().map(|unit| unit.id).collect()
}

#[test]
fn a_madt_without_its_says_that_there_is_none() {
    let distributor = [&[0x0c, 24][..], &[0; 22]].concat();
    let mut platform = Platform::default();
    Madt::parse(&madt(&[&distributor])).unwrap().lower_into(&mut platform);
    assert_eq!((platform.its_units, platform.skipped), (Some(vec![]), vec![]));
}

/// linux drivers/irqchip/irq-gic-v5-its.c: a frame is registered under its own identifier, by the ITS that it belongs to.
#[test]
fn of_gicv5_the_translate_frames_of_an_its_count() {
    let routing = [&[0x1c, 32][..], &[0; 30]].concat();
    let its = |id: u8| [0x1d, 16, 0, 0, id, 0, 0, 0, 0, 0, 0x10, 0x2f, 0, 0, 0, 0];
    let frame = |its: u8, id: u8| {
        [&[0x1e, 24, 0, 0][..], &[its, 0, 0, 0, id, 0, 0, 0], &[0; 4], &[0, 0, 0x13, 0x2f, 0, 0, 0, 0]]
            .concat()
    };
    // A frame may stand before the ITS that it belongs to.
    let bytes = madt(&[&routing, &frame(5, 1), &its(5), &frame(5, 2), &frame(6, 3)]);
    let mut platform = Platform::default();
    Madt::parse(&bytes).unwrap().lower_into(&mut platform);
    assert_eq!(platform.skipped, []);
    let known = platform.its_units.unwrap();
    assert_eq!(
        known.iter().map(|unit| (unit.id, unit.missing)).collect::<Vec<_>>(),
        [(1, None), (2, None), (3, Some(6))]
    );
    for (structure, need) in [([0x1d, 12], 16), ([0x1e, 20], 24)] {
        let short = [&structure[..], &vec![0; usize::from(structure[1]) - 2]].concat();
        let mut platform = Platform::default();
        Madt::parse(&madt(&[&short])).unwrap().lower_into(&mut platform);
        let kind = ErrorKind::NodeTooShort { length: structure[1].into(), need };
        assert_eq!(platform.skipped.iter().map(|error| error.kind).collect::<Vec<_>>(), [kind]);
    }
}

#[test]
fn madt_says_which_its_units_there_are() {
    // Between them a GIC distributor, which says nothing of IOMMUs.
    let distributor = [&[0x0c, 24][..], &[0; 22]].concat();
    let bytes = madt(&[&its(3), &distributor, &its(u32::MAX)]);
    let mut platform = Platform::default();
    assert_eq!(platform.its_units, None, "nothing is known without a MADT");
    Madt::parse(&bytes).unwrap().lower_into(&mut platform);
    assert_eq!((ids(&platform), &platform.skipped), (vec![3, u32::MAX], &vec![]));
    let places: Vec<_> = platform.its_units.iter().flatten().map(|unit| unit.at.to_string()).collect();
    assert_eq!(places, ["APIC+0x2c", "APIC+0x58"]);
}

#[test]
fn broken_madt_structures_are_told_and_never_walked_past() {
    for (structures, kind, offset) in [
        (&[&its(3)[..], &[0x0f, 0, 7]][..], ErrorKind::NodeTooShort { length: 0, need: 2 }, 64),
        (&[&its(3), &[0x0f]], ErrorKind::NodeTooShort { length: 0, need: 2 }, 64),
        (&[&its(3), &[0x0f, 1]], ErrorKind::NodeTooShort { length: 1, need: 2 }, 64),
        (&[&its(3), &its(4)[..19]], ErrorKind::NodeOverrun { length: 20, left: 19 }, 64),
        (&[&[0x0f, 4, 0, 0], &its(3)], ErrorKind::NodeTooShort { length: 4, need: 20 }, 44),
    ] {
        let mut platform = Platform::default();
        Madt::parse(&madt(structures)).unwrap().lower_into(&mut platform);
        assert_eq!(ids(&platform), [3]);
        let [error] = platform.skipped.as_slice() else { panic!("{:?}", platform.skipped) };
        assert_eq!((error.kind, error.at.to_string()), (kind, format!("APIC+{offset:#x}")));
    }
    assert!(Madt::parse(&sdt(b"APIC", &[0; 7])).is_err());
    assert!(Madt::parse(&sdt(b"MCFG", &[0; 8])).is_err());
}

/// MCFG entries in words.
fn mcfg(entries: &[(u64, u16, u8, u8)]) -> Vec<u8> {
    let mut body = vec![0; 8];
    for (base, segment, first, last) in entries {
        body.extend([&base.to_le_bytes()[..], &segment.to_le_bytes(), &[*first, *last], &[0; 4]].concat());
    }
    sdt(b"MCFG", &body)
}

#[test]
fn mcfg_says_which_buses_a_segment_has() {
    let bytes = mcfg(&[(0x40_1000_0000, 0, 0, 0xff), (0x50_0000_0000, 3, 0x10, 0x1f)]);
    let mut platform = Platform::default();
    Mcfg::parse(&bytes).unwrap().lower_into(&mut platform);
    let buses = |offset, segment, first, last, ecam| SegmentBuses {
        at: Source::MCFG.at(offset),
        segment: Segment(segment),
        first,
        last,
        ecam,
    };
    let wanted = [buses(44, 0, 0, 0xff, 0x40_1000_0000), buses(60, 3, 0x10, 0x1f, 0x50_0000_0000)];
    assert_eq!((platform.buses, platform.skipped), (wanted.to_vec(), vec![]));
}

#[test]
fn broken_mcfg_entries_cost_themselves_only() {
    let mut bytes = mcfg(&[(1 << 32, 0, 5, 4), (1 << 32, 1, 0, 0)]);
    bytes.extend([0; 7]);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let mut platform = Platform::default();
    Mcfg::parse(&bytes).unwrap().lower_into(&mut platform);
    assert_eq!(platform.buses.len(), 1);
    let kinds: Vec<_> = platform.skipped.iter().map(|error| (error.at.to_string(), error.kind)).collect();
    assert!(matches!(&kinds[0], (at, ErrorKind::Checksum(_)) if at == "MCFG+0x9"));
    assert_eq!(kinds[1], ("MCFG+0x4c".to_string(), ErrorKind::Truncated { need: 16, have: 7 }));
    assert_eq!(kinds[2], ("MCFG+0x2c".to_string(), ErrorKind::BusRange { first: 5, last: 4 }));
    let short = sdt(b"MCFG", &[0; 7]);
    assert_eq!(Mcfg::parse(&short).unwrap_err().kind, ErrorKind::Truncated { need: 44, have: 43 });
}
