//! The targets that read bytes: whatever those are, every record is shown and every look-up comes back.

use std::collections::BTreeSet;

use fwspec::acpi::dmar::{self, Dmar};
use fwspec::acpi::iort::{self, Iort};
use fwspec::acpi::ivrs::{self, Ivrs};
use fwspec::acpi::rimt::{self, Rimt};
use fwspec::acpi::viot::{self, Viot};
use fwspec::acpi::{Madt, Mcfg, Sdt, container};
use fwspec::dt::{Binding, Cells, Tree};
use fwspec::lint::{self, audit::audit};
use fwspec::machine::{Collector, Firmware, ListedFunction, devices, lspci, recognise, tables_in};
use fwspec::pci::{self, Function};
use fwspec::{
    Bdf, Dialect, ErrorKind, IdMap, Platform, RequesterId, RequesterIndex, Segment, error::Source,
    group::Policy,
};

use super::{scan, show};

/// Look-ups and ranges that are asked for at most: a target is to be fast, not thorough.
const ENOUGH: usize = 256;

pub fn acpi_sdt(bytes: &[u8]) {
    let Ok(table) = Sdt::parse(bytes) else { return };
    show::debug(&table);
    show::debug(&(table.checksum_error(), table.trailing().len()));
    assert_eq!(table.bytes().len() + table.trailing().len(), bytes.len());
    show::debug(&Sdt::parse_as(bytes, Source::MCFG));
}

pub fn acpi_container(bytes: &[u8]) {
    let Ok(found) = container::tables(bytes) else { return };
    show::debug(&found);
    found.skipped.iter().for_each(show::display);
    for table in &found.tables {
        Sdt::parse(&table.bytes).expect("every table that is found can be read");
    }
}

pub fn acpi_madt(bytes: &[u8]) {
    show::debug(&Madt::parse_as(bytes, Source { index: 1, ..Source::MADT }));
    let Ok(table) = Madt::parse(bytes) else { return };
    table.its_units().for_each(|unit| show::debug(&unit));
    let mut platform = Platform::default();
    table.lower_into(&mut platform);
    show::debug(&platform);
}

pub fn acpi_mcfg(bytes: &[u8]) {
    show::debug(&Mcfg::parse_as(bytes, Source { index: 1, ..Source::MCFG }));
    let Ok(table) = Mcfg::parse(bytes) else { return };
    show::debug(&(table, table.error()));
    table.allocations().for_each(|allocation| show::debug(&allocation));
    let mut platform = Platform::default();
    table.lower_into(&mut platform);
    show::debug(&platform);
}

pub fn acpi_rimt(bytes: &[u8]) {
    show::debug(&Rimt::parse_as(bytes, Source { index: 1, ..Source::RIMT }));
    let Ok(table) = Rimt::parse(bytes) else { return };
    for node in table.nodes() {
        show::debug(&node);
        let Ok(node) = node else { continue };
        match node.body() {
            Ok(rimt::Body::RootComplex { mappings, .. } | rimt::Body::PlatformDevice { mappings, .. }) => {
                show::debug(&mappings.error());
                mappings.for_each(|mapping| show::debug(&mapping));
            }
            Ok(rimt::Body::Iommu { wires, .. }) => wires.for_each(|wire| show::debug(&wire)),
            body => show::debug(&body),
        }
    }
    for node in table.nodes().map_while(Result::ok) {
        show::debug(&(node.parts(), node.iommu_fault(), node.bytes().len()));
        node.reserved_set().for_each(|field| show::debug(&field));
    }
    show::debug(&table.after_nodes());
    show::debug(&lint::rimt(&table, &table.platform()));
    answer(&table.platform());
}

pub fn acpi_viot(bytes: &[u8]) {
    show::debug(&Viot::parse_as(bytes, Source { index: 1, ..Source::VIOT }));
    let Ok(table) = Viot::parse(bytes) else { return };
    table.nodes().for_each(|node| show::debug(&node));
    table.unread().for_each(|unread| show::debug(&unread));
    show::debug(&table.after_nodes());
    let platform = table.platform();
    show::debug(&lint::viot(&table, &platform));
    answer(&platform);
    // Of the ranges that hold a function the last usable one gives its endpoint ID; an endpoint that is too short ends Linux's reading.
    let map = IdMap::build(&platform, Dialect::LINUX);
    let iommus: Vec<u32> = platform.iommus.iter().map(|iommu| iommu.origin.at.offset).collect();
    let ranges: Vec<viot::PciRange> = table
        .nodes()
        .take_while(|node| match node {
            Err(error) => !matches!(bytes.get(error.at.offset as usize), Some(1 | 2)),
            Ok(_) => true,
        })
        .filter_map(|node| match node {
            Ok((_, viot::Node::PciRange(range))) if iommus.contains(&range.output_node.into()) => Some(range),
            _ => None,
        })
        .collect();
    let cut = platform.skipped.iter().any(|error| matches!(error.kind, ErrorKind::SegmentsMany { .. }));
    for rid in [0, 8, 0x100, 0xffff].map(RequesterId) {
        let bdf = Bdf { segment: Segment(0), rid };
        let wanted = ranges.iter().rev().find_map(|range| range.endpoint_of(bdf));
        match map.resolve(bdf) {
            Ok(stream) if !cut => assert_eq!(stream.fwspec_id(), wanted, "{bdf}"),
            _ => {}
        }
    }
}

pub fn acpi_dmar(bytes: &[u8]) {
    show::debug(&Dmar::parse_as(bytes, Source { index: 1, ..Source::DMAR }));
    let Ok(table) = Dmar::parse(bytes) else { return };
    show::debug(&(table, table.host_address_width(), table.flags(), table.reserved()));
    for structure in table.structures() {
        show::debug(&structure);
        let body = structure.and_then(|structure| structure.body());
        show::debug(&body);
        let scopes = body.ok().and_then(|body| body.scopes());
        for scope in scopes.into_iter().flatten() {
            show::debug(&scope);
            let Ok(scope) = scope else { continue };
            show::display(&scope);
            show::debug(&(scope.function(), scope.has_odd_byte(), scope.scope_type_number()));
        }
    }
    for rid in [0, 8, 0x100, 0xffff].map(RequesterId) {
        show::debug(&dmar::unit_of(&table, Bdf { segment: Segment(0), rid }));
    }
    shown_once(bytes, |text| fwspec_report::dmar::fields(&table, text));
}

pub fn acpi_ivrs(bytes: &[u8]) {
    show::debug(&Ivrs::parse_as(bytes, Source { index: 1, ..Source::IVRS }));
    let Ok(table) = Ivrs::parse(bytes) else { return };
    show::debug(&(table, table.info(), table.reserved(), table.unit_type()));
    for block in table.blocks() {
        show::debug(&block);
        let Ok(block) = block else { continue };
        let body = block.body();
        show::debug(&body);
        let Ok(ivrs::Body::Ivhd(unit)) = body else { continue };
        show::debug(&unit.last_function());
        unit.entries.clone().for_each(|entry| show::debug(&entry));
        unit.claims(block.block_type()).for_each(|claim| show::debug(&claim));
    }
    for rid in [0, 8, 0x100, 0xffff].map(RequesterId) {
        show::debug(&ivrs::unit_of(&table, Bdf { segment: Segment(0), rid }));
    }
    shown_once(bytes, |text| fwspec_report::ivrs::fields(&table, text));
}

/// The text of a table shows every byte of it once, from the first to the last.
fn shown_once(bytes: &[u8], write: impl Fn(&mut String) -> std::fmt::Result) {
    let mut text = String::new();
    write(&mut text).expect("a string takes everything");
    let mut next = 0;
    for row in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['!', ' '])) {
        let mut words = row.split_whitespace();
        let [offset, size] =
            [16, 10].map(|radix| usize::from_str_radix(words.next().unwrap(), radix).unwrap());
        assert_eq!(offset, next, "{row}");
        next += size;
    }
    let length = Sdt::parse(bytes).expect("the table was read").length();
    assert_eq!(next, length as usize);
}

pub fn acpi_iort(bytes: &[u8]) {
    let path = iort::Path::new(bytes);
    show::debug(&(path, path.fault(), iort::same_path(path.bytes(), bytes)));
    show::debug(&std::str::from_utf8(bytes).map(|text| path.is_exactly(text)));
    show::debug(&Iort::parse_as(bytes, Source { index: 1, ..Source::IORT }));
    let Ok(table) = Iort::parse(bytes) else { return };
    show::debug(&table);
    for node in table.nodes() {
        show::debug(&node);
        let Ok(node) = node else { continue };
        show::debug(&node.body());
        for mapping in node.mappings() {
            show::debug(&mapping);
        }
    }
    answer(&table.platform());
    scan::iort_index_is_scan(&table);
}

pub fn dt_tree(bytes: &[u8]) {
    show::debug(&(Cells::of(bytes), Binding::of([bytes]).map(|(driver, _)| driver.name)));
    let mut cleared = bytes.to_vec();
    show::debug(&fwspec::dt::clear_identity(&mut cleared));
    let Ok(tree) = Tree::parse(bytes) else { return };
    assert!(Tree::parse(&cleared).is_ok());
    for node in tree.nodes().map_while(Result::ok) {
        show::debug(&(node.name(), node.offset(), node.phandle(), node.cell("reg")));
        for property in node.properties() {
            let Ok(property) = property else { continue };
            assert_eq!(property.is("reg"), property.name() == Some(b"reg"));
            show::debug(&(property.cells().len(), property.strings().count()));
        }
    }
    for reservation in tree.reservations() {
        show::debug(&reservation);
    }
    if let Ok(index) = tree.index() {
        for node in index.nodes() {
            show::debug(&(index.node(node).map(|node| node.name()), index.parent(node)));
        }
        for node in index.nodes().take(ENOUGH) {
            show::display(&index.place(index.offset(node)));
        }
    }
    if let Ok(platform) = tree.platform() {
        answer(&platform);
        scan::tree_index_is_scan(&tree, &platform);
    }
}

pub fn pci_config(bytes: &[u8]) {
    let function = Function::read(bytes);
    show::debug(&function);
    let listed = ListedFunction::new(Bdf::new(Segment(0), 0, 1, 0), bytes.to_vec());
    assert!(listed.is_silent() || listed.facts() == function);
    if let Err(error) = function {
        show::display(&error);
    }
    let mut cleared = bytes.to_vec();
    show::debug(&pci::clear_identity(&mut cleared));
    assert_eq!(cleared.len(), bytes.len());
}

/// A text as a listing of functions, and as a piece of evidence of whatever kind: the two agree on what is listed.
pub fn lspci_text(bytes: &[u8]) {
    show::debug(&recognise(bytes));
    let mut collector = Collector::new();
    let taken = collector.add("fuzz", bytes.to_vec());
    show::debug(&(collector.lacks_ids(), collector.add("pci.ids", bytes.to_vec())));
    match (taken, collector.finish()) {
        (Ok(()), Ok(machine)) => {
            machine.unread.iter().for_each(show::display);
            let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
            assert!(groups.devices().count() >= machine.devices.len() - refused.len());
            show::debug(&(&machine.kernel, &machine.names, &machine.evidence));
        }
        (Err(error), _) | (_, Err(error)) => show::display(&error),
    }
    let Ok(listing) = lspci::parse(bytes) else { return };
    let mut seen = BTreeSet::new();
    for function in &listing.functions {
        assert!(function.bytes.len() <= 4096, "{function:?}");
        assert!(seen.insert(function.bdf), "{function:?} stands twice");
        show::debug(&(function, function.facts(), function.is_silent()));
    }
    show::debug(&devices(&listing));
    listing.skipped.iter().for_each(show::display);
}

pub fn input_firmware(bytes: &[u8]) {
    show::debug(&recognise(bytes));
    show::debug(&tables_in(bytes));
    let opened = Firmware::open("fuzz", bytes.to_vec());
    piled(bytes, opened.as_ref().ok());
    match Firmware::open_or_return("fuzz", bytes.to_vec()) {
        Ok(firmware) => {
            assert!(opened.is_ok());
            show::debug(&firmware.requesters_named("/pcie@10000000"));
            show::debug(&firmware.requesters_named("\\_SB_.DEV0"));
            show::debug(&firmware.pci_function_named("/pcie@10000000/device@1,0"));
            show::debug(&firmware.iommu_named("IORT+0x30"));
            fwspec::answer::findings(&firmware).iter().for_each(show::display);
            audited(&firmware.platform);
        }
        Err((error, tree)) => {
            assert_eq!(opened.err(), Some(error));
            show::display(&error);
            // Only a tree comes back, and it can say where its error is.
            if let Some(tree) = tree.as_deref().and_then(|tree| Tree::parse(tree).ok()) {
                show::display(&tree.place(error.at.offset));
            }
        }
    }
}

/// What holds other evidence, in a pile by itself: whatever is in it, a machine or an error comes of it, and nothing is read twice.
pub fn machine_container(bytes: &[u8]) {
    let mut collector = Collector::new();
    let added = collector.add("fuzz", bytes.to_vec());
    added.as_ref().err().iter().for_each(|error| show::display(*error));
    assert_eq!(collector.clone().add("fuzz", bytes.to_vec()).is_ok(), added.is_ok());
    let kind = recognise(bytes);
    show::debug(&(kind, kind.is_archive(), kind.is_firmware()));
    match collector.finish() {
        Ok(machine) => {
            machine.evidence.iter().for_each(show::debug);
            assert!(
                added.is_err() || machine.evidence.iter().any(|piece| piece.used || piece.note.is_some())
            );
        }
        Err(error) => show::display(&error),
    }
    let mut picked = Collector::new();
    picked.pick_configuration("conf-1");
    show::debug(&picked.add("fuzz", bytes.to_vec()));
}

/// Two bytes say how long the base is; an overlay follows it. What comes of both is a tree that has no less in it than the base.
pub fn dt_overlay(bytes: &[u8]) {
    let Some((length, trees)) = bytes.split_first_chunk() else { return };
    let Some((base, overlay)) = trees.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
        return;
    };
    let (Ok(base), Ok(overlay)) = (Tree::parse(base), Tree::parse(overlay)) else { return };
    let merged = match base.with_overlay(&overlay) {
        Ok(merged) => merged,
        Err(error) => return show::display(&error),
    };
    assert!(overlay.is_overlay());
    let merged = Tree::parse(&merged).expect("what was written can be read");
    let nodes = |tree: &Tree<'_>| tree.nodes().map_while(Result::ok).count();
    assert!(merged.tokens().all(|token| token.is_ok()) && nodes(&merged) >= nodes(&base));
    show::debug(&merged.platform().map(|platform| platform.iommus.len()));
}

/// A pile of one piece is that piece, and so is a pile that has it twice.
fn piled(bytes: &[u8], alone: Option<&Firmware>) {
    let mut pile = Collector::new();
    for result in [pile.add("fuzz", bytes.to_vec()), pile.pick_firmware("again", bytes.to_vec())] {
        assert!(result.is_ok() || alone.is_none(), "{result:?}");
        result.err().iter().for_each(show::display);
    }
    show::debug(&pile.pick_topology("listing", bytes.to_vec()));
    match pile.finish() {
        Ok(machine) => {
            show::debug(&(&machine.evidence, &machine.unread));
            machine.unread.iter().for_each(show::display);
            if let Some(alone) = alone {
                let facts = |platform: &Platform| (platform.iommus.len(), platform.requesters.len());
                assert_eq!(machine.firmware.map(|it| facts(&it.platform)), Some(facts(&alone.platform)));
            }
        }
        Err(error) => {
            assert!(alone.is_none(), "{error}");
            show::display(&error);
        }
    }
}

/// What an audit calls open is what the map by itself does not translate.
fn audited(platform: &Platform) {
    let map = IdMap::build(platform, Dialect::LINUX);
    let open = audit(platform, &map, None);
    show::debug(&open);
    for range in open.ranges {
        for rid in [range.first, range.last] {
            assert!(map.resolve(Bdf { segment: range.segment, rid }).is_err(), "{rid}");
        }
    }
}

/// Shows a platform, and asks its map everything under every dialect.
fn answer(platform: &Platform) {
    show::debug(platform);
    platform.skipped.iter().for_each(show::display);
    for dialect in Dialect::ALL {
        let map = IdMap::build(platform, dialect);
        for requester in (0..).take(platform.requesters.len()).take(ENOUGH) {
            for range in map.stream_ranges(RequesterIndex(requester), 0xffff).take(ENOUGH) {
                assert!(range.first <= range.last);
                show::debug(&(range, map.stream_from(RequesterIndex(requester), range.first)));
            }
            map.device_ranges(RequesterIndex(requester), 0xffff)
                .take(ENOUGH)
                .for_each(|range| show::debug(&range));
            show::debug(&map.fwspec(RequesterIndex(requester).into()));
        }
        for rid in [0, 8, 0x100, 0xffff].map(RequesterId) {
            let bdf = Bdf { segment: Segment(0), rid };
            show::debug(&(map.resolve(bdf), map.device_id_of(bdf)));
            show::debug(&map.fwspec(bdf.into()));
        }
    }
}
