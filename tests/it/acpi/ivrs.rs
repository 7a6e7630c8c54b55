//! IVRS: blocks, device entries, and the unit and alias of a function.

use fwspec::acpi::ivrs::{Body, Builder, Devices, EntryKind, Ivrs, Translation, unit_of};
use fwspec::{Bdf, Dialect, Error, ErrorKind, IdMap, RequesterId, Segment};

const OWN: RequesterId = RequesterId(2);

fn resolve(table: &Builder, function: &str) -> Result<Option<Translation>, Error> {
    let bytes = table.finish();
    unit_of(&Ivrs::parse(&bytes).unwrap(), function.parse().unwrap())
}

/// The unit's place and the alias.
fn unit(table: &Builder, function: &str) -> Option<(String, Option<u16>)> {
    let found = resolve(table, function).unwrap()?;
    Some((found.unit.to_string(), found.alias.map(|alias| alias.0)))
}

fn at(offset: &str) -> Option<(String, Option<u16>)> {
    Some((format!("IVRS+{offset}"), None))
}

#[test]
fn every_field_is_read() {
    let mut table = Builder::new();
    table.info(0x0020_3041);
    table
        .unit(0x40, 1, OWN, 0xfeb8_0000)
        .all()
        .range(8..=0xfffe)
        .alias(0x300, 0x2a0)
        .extended(0x400, 1 << 31)
        .special(1, 9, 0xa0)
        .acpi(0xa5, "AMDI0020", "ID00")
        .entry(0, 0, 0, &[]);
    table.memory(Devices::Range(RequesterId(8), RequesterId(0x10)), 0b1011, 0x1000, 0x2000);
    table.block(0x7f, 0, &[0, 0]);
    let bytes = table.finish();
    let ivrs = Ivrs::parse(&bytes).unwrap();
    assert_eq!((ivrs.info(), ivrs.reserved(), ivrs.unit_type()), (0x0020_3041, 0, Some(0x40)));
    let bodies: Vec<_> = ivrs.blocks().map(|block| block.unwrap().body().unwrap()).collect();
    let [Body::Ivhd(unit), Body::Ivmd(memory), Body::Unknown(0x7f)] = bodies.as_slice() else {
        panic!("{bodies:?}")
    };
    assert_eq!((unit.segment.0, unit.base, unit.capability_offset), (1, 0xfeb8_0000, 0x40));
    assert_eq!(unit.feature_registers, Some([0, 0]));
    let kinds: Vec<_> = unit.entries.clone().map(|entry| entry.unwrap().kind()).collect();
    let wanted = [
        EntryKind::All,
        EntryKind::RangeStart,
        EntryKind::RangeEnd,
        EntryKind::Alias { alias: RequesterId(0x2a0) },
        EntryKind::Extended { data: 1 << 31 },
        EntryKind::Special { handle: 9, device: RequesterId(0xa0), variety: 1 },
        EntryKind::Acpi {
            hardware_id: b"AMDI0020",
            compatible_id: &[0; 8],
            unique_id_format: 2,
            unique_id: b"ID00",
        },
        EntryKind::Other,
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(memory.devices, Devices::Range(RequesterId(8), RequesterId(0x10)));
    assert_eq!(
        (memory.start, memory.length, memory.is_mapped(), memory.access()),
        (0x1000, 0x2000, true, (true, true))
    );
}

#[test]
fn what_cannot_be_read_costs_itself_only() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).select(8).entry(0x81, 0, 0, &[]).select(0x10);
    table.unit(0x10, 0, OWN, 0x2000).entry(0x42, 8, 0, &[0]);
    table.block(0x20, 1, &[0; 8]);
    table.block(0x10, 0, &[0; 4]).length(0);
    let bytes = table.finish();
    let errors = Ivrs::parse(&bytes).unwrap().blocks().filter_map(|block| match block {
        Ok(block) => match block.body() {
            Ok(Body::Ivhd(unit)) => unit.entries.filter_map(Result::err).next(),
            Ok(_) => None,
            Err(error) => Some(error),
        },
        Err(error) => Some(error),
    });
    let errors: Vec<_> = errors.map(|error| (error.at.to_string(), error.kind)).collect();
    let wanted = [
        ("IVRS+0x4c".to_owned(), ErrorKind::EntryType(0x81)),
        ("IVRS+0x6c".to_owned(), ErrorKind::EntryOverrun { length: 8, left: 5 }),
        ("IVRS+0x71".to_owned(), ErrorKind::NodeTooShort { length: 12, need: 32 }),
        ("IVRS+0x7d".to_owned(), ErrorKind::NodeLengthZero),
    ];
    assert_eq!(errors, wanted);
}

/// `get_highest_supported_ivhd_type`: the type of the last block with the first block's device.
#[test]
fn blocks_of_one_type_count() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).select(8);
    table.unit(0x11, 0, OWN, 0x1000).select(0x10);
    table.unit(0x10, 0, RequesterId(3), 0x2000).select(0x18);
    assert_eq!(unit(&table, "00:01.0"), None);
    assert_eq!(unit(&table, "00:02.0"), at("0x4c"));
    assert_eq!(unit(&table, "00:03.0"), None);
}

/// `set_dev_entry_from_acpi_range` writes over what was there.
#[test]
fn the_last_entry_counts() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).range(8..=0x1ff);
    table.unit(0x10, 0, RequesterId(0x102), 0x2000).range(0x100..=0x17f);
    assert_eq!(unit(&table, "00:02.0"), at("0x30"));
    assert_eq!(unit(&table, "01:02.0"), at("0x50"));
    // What is above the last function named, and the units themselves, nobody translates.
    assert_eq!(unit(&table, "02:00.0"), None);
    assert_eq!(unit(&table, "00:00.2"), None);
    assert_eq!(unit(&table, "01:00.2"), None);
}

/// `search_ivhd_dte_flags`: a data setting for functions that have one already keeps the entry from counting.
#[test]
fn a_second_data_setting_for_the_same_functions_is_passed_over() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).entry(2, 8, 0xd7, &[]).entry(2, 0x10, 0xd7, &[]);
    table.unit(0x10, 0, RequesterId(3), 0x2000).entry(2, 8, 1, &[]).select(0x10);
    assert_eq!(unit(&table, "00:01.0"), at("0x30"));
    assert_eq!(unit(&table, "00:02.0"), at("0x50"));
}

/// `init_iommu_from_acpi`: the function that an alias names is translated too.
#[test]
fn an_alias_is_what_a_function_sends_with() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).alias(0x300, 0x2a0).alias_range(0x308..=0x30f, 0x2a8).select(0xfff);
    let alias = |id| Some(("IVRS+0x30".to_owned(), Some(id)));
    assert_eq!(unit(&table, "03:00.0"), alias(0x2a0));
    assert_eq!(unit(&table, "03:01.7"), alias(0x2a8));
    assert_eq!(unit(&table, "02:14.0"), at("0x30"));
    assert_eq!(unit(&table, "02:15.0"), at("0x30"));
    assert_eq!(unit(&table, "03:02.0"), None);
}

/// `init_iommu_from_acpi` keeps the target of an alias entry and of an alias range in one variable.
#[test]
fn an_alias_inside_a_range_is_that_of_the_range() {
    let mut table = Builder::new();
    let unit_of_range = table.unit(0x10, 0, OWN, 0x1000);
    unit_of_range.entry(0x43, 0x300, 0, &[0, 0xa0, 2, 0]).alias(0x400, 0x2a8).entry(4, 0x307, 0, &[]);
    // A range without an alias gets none from it.
    unit_of_range.entry(3, 0x308, 0, &[]).alias(0x408, 0x2b0).entry(4, 0x30f, 0, &[]).select(0xfff);
    let alias = |id| Some(("IVRS+0x30".to_owned(), Some(id)));
    assert_eq!(unit(&table, "03:00.0"), alias(0x2a8));
    assert_eq!(unit(&table, "04:00.0"), alias(0x2a8));
    assert_eq!(unit(&table, "03:01.0"), at("0x30"));
}

/// `add_special_device` answers EINVAL, and `init_iommu_all` gives up.
#[test]
fn a_special_device_of_another_variety_turns_all_off() {
    for (variety, available) in [(1, true), (2, true), (0, false), (3, false)] {
        let mut table = Builder::new();
        table.unit(0x11, 0, OWN, 0x1000).all().special(variety, 0, 0xa0);
        let bytes = table.finish();
        let platform = Ivrs::parse(&bytes).unwrap().platform();
        assert!(platform.iommus.iter().all(|iommu| iommu.available == available), "{variety}");
    }
}

/// `find_last_devid_from_ivhd` leaves I/O APICs and HPETs out.
#[test]
fn special_devices_do_not_make_the_table_longer() {
    let mut table = Builder::new();
    table.unit(0x40, 0, OWN, 0x1000).select(8).special(1, 0, 0xa0).acpi(0xa5, "AMDI0020", "");
    assert_eq!(unit(&table, "00:01.0"), at("0x30"));
    assert_eq!(unit(&table, "00:14.0"), None);
    assert_eq!(unit(&table, "00:14.5"), None);
}

#[test]
fn an_entry_that_never_ends_is_an_error() {
    let mut table = Builder::new();
    table.unit(0x10, 0, OWN, 0x1000).entry(0x90, 0, 0, &[]);
    assert_eq!(resolve(&table, "00:01.0").unwrap_err().kind, ErrorKind::EntryType(0x90));
}

/// Two units may say that they are one function, and the functions of a table may be in any order.
#[test]
fn the_map_answers_as_the_table_does_whatever_the_order() {
    for functions in [[0x8_u16, 0x10, 0x18], [0x18, 0x10, 0x8], [0x10, 0x18, 0x10]] {
        let mut table = Builder::new();
        for (unit, function) in (0..).zip(functions) {
            table.unit(0x10, 0, RequesterId(0x20), 0xfeb8_0000 + unit * 0x4000).select(function);
        }
        let bytes = table.finish();
        let parsed = Ivrs::parse(&bytes).unwrap();
        let map = IdMap::build(&parsed.platform(), Dialect::LINUX);
        for rid in 0..0x28 {
            let function = Bdf { segment: Segment(0), rid: RequesterId(rid) };
            let unit = unit_of(&parsed, function).unwrap().map(|found| found.unit);
            let stream = map.resolve(function).ok();
            assert_eq!(
                stream.map(|stream| map.iommus()[stream.iommu.0 as usize].origin.at),
                unit,
                "{function}"
            );
        }
    }
}
