//! DMAR: structures, device scopes, and the unit of a function as far as the table alone says it.

use fwspec::acpi::dmar::{Body, Builder, Dmar, ScopeType, Structure, UnitAnswer, unit_of};
use fwspec::{Dialect, Error, ErrorKind, IdMap};

fn errors(bytes: &[u8]) -> Vec<(String, ErrorKind)> {
    let table = Dmar::parse(bytes).unwrap();
    let of = |structure: Result<Structure<'_>, Error>| match structure {
        Ok(structure) => match structure.body() {
            Ok(body) => body.scopes().into_iter().flatten().find_map(Result::err),
            Err(error) => Some(error),
        },
        Err(error) => Some(error),
    };
    table.structures().filter_map(of).map(|error| (error.at.to_string(), error.kind)).collect()
}

/// The unit's place, `open` or `none`.
fn unit(table: &Builder, function: &str) -> String {
    let bytes = table.finish();
    match unit_of(&Dmar::parse(&bytes).unwrap(), function.parse().unwrap()).unwrap() {
        UnitAnswer::Unit(at) => at.to_string(),
        UnitAnswer::NeedsTopology(_) => "open".to_owned(),
        UnitAnswer::Untranslated => "none".to_owned(),
    }
}

#[test]
fn every_field_is_read() {
    let mut table = Builder::new(38);
    table.flags(5);
    table.unit(1, 0xfed9_0000).scope(3, 8, 0xf0, [(0x1f, 0)]).scope(4, 1, 0xf0, [(0xf, 0)]);
    table.memory(1, 0xdf00_0000..=0xdf1f_ffff).bridge(2, [(0x1c, 4), (0, 1)]);
    table.ats_ports(1).include_all();
    table.affinity(0xfed9_0000, 3);
    table.namespace_device(2, r"\_SB.PCI0.I2C0");
    table.translation_caches(1).include_all().endpoint(0, [(2, 0)]);
    table.structure(6, &[0, 0, 1, 0]);
    table.structure(9, &[]);
    let bytes = table.finish();
    let dmar = Dmar::parse(&bytes).unwrap();
    assert_eq!((dmar.host_address_width(), dmar.flags(), dmar.reserved()), (38, 5, [0; 10]));
    let bodies: Vec<_> = dmar.structures().map(|structure| structure.unwrap().body().unwrap()).collect();
    let [
        Body::Drhd(unit),
        Body::Rmrr(memory),
        Body::Atsr(ports),
        Body::Rhsa(affinity),
        Body::Andd(device),
        Body::Satc(caches),
        Body::Sidp(properties),
        Body::Unknown(9),
    ] = bodies.as_slice()
    else {
        panic!("{bodies:?}")
    };
    assert_eq!(
        (unit.segment.0, unit.base, unit.include_all(), unit.register_bytes()),
        (1, 0xfed9_0000, false, 4096)
    );
    let scopes: Vec<_> = unit.scopes.clone().map(Result::unwrap).collect();
    assert_eq!(
        (scopes[0].scope_type(), scopes[0].enumeration_id(), scopes[0].to_string().as_str()),
        (ScopeType::IoApic, 8, "f0:1f.0")
    );
    assert_eq!(scopes[1].scope_type(), ScopeType::Hpet);
    assert_eq!((memory.segment.0, memory.base, memory.limit), (1, 0xdf00_0000, 0xdf1f_ffff));
    let bridge = memory.scopes.clone().next().unwrap().unwrap();
    assert_eq!(
        (bridge.to_string().as_str(), bridge.function(), bridge.hops().len()),
        ("02:1c.4/00.1", None, 2)
    );
    assert!(ports.all_ports() && ports.scopes.clone().next().is_none());
    assert_eq!((affinity.base, affinity.proximity_domain), (0xfed9_0000, 3));
    assert_eq!((device.device_number, device.path.to_string().as_str()), (2, r"\_SB.PCI0.I2C0"));
    assert!(caches.atc_required());
    assert_eq!(properties.segment.0, 1);
}

#[test]
fn what_cannot_be_read_costs_itself_only() {
    let mut table = Builder::new(46);
    table.unit(0, 0x1000).raw(&[1, 0, 0, 0, 0, 0]);
    table.unit(0, 0x2000).raw(&[1, 9, 0, 0, 0, 0, 1, 0]);
    table.unit(0, 0x3000).raw(&[1, 6, 0]);
    table.structure(1, &[0; 8]);
    table.structure(0, &[0; 12]).length(0);
    let wanted = [
        ("DMAR+0x40".to_owned(), ErrorKind::ScopeLength(0)),
        ("DMAR+0x56".to_owned(), ErrorKind::ScopeOverrun { length: 9, left: 8 }),
        ("DMAR+0x6e".to_owned(), ErrorKind::Truncated { need: 6, have: 3 }),
        ("DMAR+0x71".to_owned(), ErrorKind::NodeTooShort { length: 12, need: 24 }),
        ("DMAR+0x7d".to_owned(), ErrorKind::NodeLengthZero),
    ];
    assert_eq!(errors(&table.finish()), wanted);
}

/// `dmar_register_drhd_unit`: units that list devices come before those for all, the last one first.
#[test]
fn the_last_unit_that_lists_a_function_has_it() {
    let mut table = Builder::new(46);
    table.unit(0, 0x1000).include_all();
    table.unit(0, 0x2000).endpoint(0, [(2, 0)]);
    table.unit(0, 0x3000).endpoint(0, [(2, 0)]).endpoint(0, [(3, 0)]);
    table.unit(1, 0x4000).include_all();
    assert_eq!(unit(&table, "00:02.0"), "DMAR+0x58");
    assert_eq!(unit(&table, "00:1f.0"), "DMAR+0x30");
    assert_eq!(unit(&table, "0001:00:02.0"), "DMAR+0x78");
    assert_eq!(unit(&table, "0002:00:02.0"), "none");
}

/// `dmar_find_dmaru`: of two units with the same registers Linux takes the first.
#[test]
fn a_unit_that_is_listed_again_is_passed_over() {
    let mut table = Builder::new(46);
    table.unit(0, 0x1000).endpoint(0, [(2, 0)]);
    table.unit(0, 0x1000).include_all();
    assert_eq!(unit(&table, "00:02.0"), "DMAR+0x30");
    assert_eq!(unit(&table, "00:03.0"), "none");
}

#[test]
fn what_may_be_below_a_bridge_needs_the_topology() {
    let mut table = Builder::new(46);
    table.unit(0, 0x1000).bridge(0, [(0x1c, 0)]).endpoint(0x80, [(1, 0), (0, 0)]);
    table.unit(0, 0x2000).endpoint(3, [(0, 0)]);
    table.unit(0, 0x3000).include_all();
    // The bridge itself, and what is on a root bus, are in no doubt.
    assert_eq!(unit(&table, "00:1c.0"), "DMAR+0x30");
    assert_eq!(unit(&table, "00:02.0"), "DMAR+0x6a");
    assert_eq!(unit(&table, "80:02.0"), "DMAR+0x6a");
    assert_eq!(unit(&table, "01:00.0"), "open");
    // Listed later than the bridge, so found before it.
    assert_eq!(unit(&table, "03:00.0"), "DMAR+0x52");
}

/// `dmar_pci_bus_add_dev` leaves units for all out: what they list is for interrupts.
#[test]
fn what_a_unit_for_all_lists_is_not_looked_at() {
    let mut table = Builder::new(46);
    table.unit(0, 0x1000).endpoint(0, [(2, 0)]);
    table.unit(0, 0x2000).include_all().endpoint(0, [(2, 0)]).bridge(0, [(1, 0)]);
    assert_eq!(unit(&table, "00:02.0"), "DMAR+0x30");
    assert_eq!(unit(&table, "01:00.0"), "DMAR+0x48");
}

/// `alloc_iommu` answers EINVAL, and `dmar_walk_remapping_entries` ends with it.
#[test]
fn a_unit_without_registers_turns_all_off() {
    for (base, available) in [(0x2000, true), (0, false)] {
        let mut table = Builder::new(46);
        table.unit(0, 0x1000).endpoint(0, [(2, 0)]);
        table.unit(0, base).include_all();
        let bytes = table.finish();
        let platform = Dmar::parse(&bytes).unwrap().platform();
        assert!(platform.iommus.iter().all(|iommu| iommu.available == available), "{base:#x}");
    }
}

/// The map of a table answers as the table itself does, whether its functions are in order or not.
#[test]
fn a_function_of_two_units_belongs_to_the_last_one_in_the_map() {
    for again in [None, Some(2)] {
        let mut table = Builder::new(45);
        table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]).endpoint(0, [(3, 0)]);
        let last = table.unit(0, 0xfed9_1000).endpoint(0, [(4, 0)]);
        again.into_iter().for_each(|device| _ = last.endpoint(0, [(device, 0)]));
        let bytes = table.finish();
        let map = IdMap::build(&Dmar::parse(&bytes).unwrap().platform(), Dialect::LINUX);
        let iommu = |function: &str| map.resolve(function.parse().unwrap()).unwrap().iommu.0;
        let first = if again.is_some() { 1 } else { 0 };
        assert_eq!(["00:02.0", "00:03.0", "00:04.0"].map(iommu), [first, 0, 1]);
    }
}

#[test]
fn a_long_path_is_kept_whole() {
    for hops in [1_u8, 2, 7, 8, 124] {
        let mut table = Builder::new(45);
        table.unit(0, 0xfed9_0000).bridge(3, (0..hops).map(|hop| (hop % 32, hop % 8)));
        let bytes = table.finish();
        let platform = Dmar::parse(&bytes).unwrap().platform();
        let scope = &platform.units[0].scopes[0];
        assert!(scope.path.iter().copied().eq((0..hops).map(|hop| ((hop % 32) << 3) | (hop % 8))), "{scope}");
        assert_eq!(scope.path, scope.path.iter().copied().collect());
        assert_eq!(scope.path.len(), usize::from(hops));
    }
}
