//! IORT, decoded and lowered: the worked vectors, every dialect rule, and every way in which a table is known to be broken.
//! The numbers in the names of the second half are rows of the malformed-input table.

use fwspec::acpi::iort::{
    self, Body, Builder, Iort, Node, NodeId, NodeType, PathFault, Reference, Resolved, Wanted,
};
use fwspec::map::{InputRange, RangeOutput};
use fwspec::model::{MsiKind, Output, RegionKind, RequesterKind, SmmuModel, Target};
use fwspec::{
    Bdf, DeviceId, Dialect, Error, ErrorKind, IdMap, IommuIndex, IommuKind, MsiControllerIndex, NoStream,
    Platform, RequesterIndex, Segment, StreamId,
    dialect::{ComponentRule, MsiIndexRule},
    error::Source,
    map::Stream,
};

fn at(offset: u32, kind: ErrorKind) -> Error {
    Error { kind, at: Source::IORT.at(offset) }
}

fn platform(table: &Builder) -> Platform {
    Iort::parse(&table.finish()).unwrap().platform()
}

fn skipped(table: &Builder) -> Vec<Error> {
    platform(table).skipped
}

fn kinds(table: &Builder) -> Vec<ErrorKind> {
    skipped(table).into_iter().map(|error| error.kind).collect()
}

fn resolve(
    table: &Builder,
    dialect: Dialect,
    from: NodeId,
    id: u32,
    wanted: Wanted,
) -> Result<Option<Resolved>, Error> {
    iort::resolve(&Iort::parse(&table.finish()).unwrap(), dialect, table.offset_of(from), id, wanted)
}

/// StreamID, and which node gives it.
fn stream(table: &Builder, dialect: Dialect, from: NodeId, id: u32) -> Option<(u32, u32)> {
    resolve(table, dialect, from, id, Wanted::Iommu).unwrap().map(|found| (found.id, found.node))
}

fn streams(table: &Builder, dialect: Dialect, from: NodeId) -> Vec<u32> {
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    let ids = iort::component_ids(&iort, dialect, table.offset_of(from), Wanted::Iommu);
    ids.map(|found| found.unwrap().id).collect()
}

fn own_device_id(table: &Builder, dialect: Dialect, from: NodeId) -> Option<u32> {
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    iort::own_device_id(&iort, dialect, table.offset_of(from)).unwrap().map(|found| found.id)
}

/// Hands a node of a table to a check.
fn with_node<T>(table: &Builder, id: NodeId, check: impl FnOnce(Node<'_>) -> T) -> T {
    check(Iort::parse(&table.finish()).unwrap().node_at(table.offset_of(id)).unwrap())
}

/// An ITS group, an SMMUv3 that passes StreamIDs on as DeviceIDs, and a root complex on it.
fn ordinary() -> (Builder, NodeId, NodeId, NodeId) {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0, its).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0, smmu).id();
    (table, its, smmu, root)
}

// -- worked vectors --

#[test]
fn one_range_shifts_every_requester_id_and_its_last_one_too() {
    let mut table = Builder::new(0);
    let smmu = table.smmu_v3(0x1500_0000).id();
    let root = table.root_complex(1).maps(0..=0xffff, 0x10000, smmu).id();
    let place = table.offset_of(smmu);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x108), Some((0x10108, place)));
    assert_eq!(stream(&table, Dialect::LINUX, root, 0xffff), Some((0x1ffff, place)));
    assert_eq!(stream(&table, Dialect::FREEBSD, root, 0xfffe), Some((0x1fffe, place)));
    assert_eq!(stream(&table, Dialect::FREEBSD, root, 0xffff), None, "FreeBSD takes the count for N");
    assert_eq!(stream(&table, Dialect::LINUX_2020, root, 0xffff), None);
}

/// Two ranges on two SMMUs, with the count written as N.
fn counts_are_n(second_first: bool) -> (Builder, NodeId, u32, u32) {
    let mut table = Builder::new(0);
    let a = table.smmu_v3(0xa000_0000).id();
    let b = table.smmu_v3(0xb000_0000).id();
    let root = table.root_complex(0).id();
    let mut ranges = [(0x000, 0x1000, a), (0x100, 0x2000, b)];
    if second_first {
        ranges.reverse();
    }
    for (first, output, smmu) in ranges {
        table.edit(root).mapping(first, 0x100, output, smmu, 0);
    }
    let (a, b) = (table.offset_of(a), table.offset_of(b));
    (table, root, a, b)
}

#[test]
fn last_id_yields_to_range_starting_there() {
    let (table, root, a, b) = counts_are_n(false);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x100), Some((0x2000, b)));
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x0ff), Some((0x10ff, a)));
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x200), Some((0x2100, b)));
    assert_eq!(stream(&table, Dialect::SPEC, root, 0x100), Some((0x1100, a)), "the first range has it");
}

#[test]
fn last_id_yields_whichever_range_is_listed_first() {
    let (table, root, _, b) = counts_are_n(true);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x100), Some((0x2000, b)));
}

#[test]
fn first_of_overlapping_ranges_wins_also_at_its_last_id() {
    let mut table = Builder::new(0);
    let a = table.smmu_v3(0xa000_0000).id();
    let b = table.smmu_v3(0xb000_0000).id();
    let root = table.root_complex(0).maps(0..=0x1ff, 0, a).maps(0x100..=0x2ff, 0, b).id();
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x180), Some((0x180, table.offset_of(a))));
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x1ff), Some((0x1ff, table.offset_of(a))));
}

// -- walks --

#[test]
fn device_ids_go_through_the_smmu() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0x10000..=0x1ffff, 0x500_0000, its).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0x10000, smmu).id();
    let found = resolve(&table, Dialect::LINUX, root, 0x108, Wanted::Msi).unwrap();
    assert_eq!(found, Some(Resolved { node: table.offset_of(its), id: 0x500_0108 }));
}

#[test]
fn a_root_complex_may_go_straight_to_the_its() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0, its).id();
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x108), None);
    let found = resolve(&table, Dialect::LINUX, root, 0x108, Wanted::Msi).unwrap();
    assert_eq!(found.map(|found| found.id), Some(0x108));
}

#[test]
fn a_single_mapping_gives_every_requester_id_the_same_stream() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    let root = table.root_complex(0).mapping(0x100, 0xff, 0x77, smmu, 1).id();
    for dialect in [Dialect::LINUX, Dialect::SPEC, Dialect::OPENBSD] {
        assert_eq!(stream(&table, dialect, root, 0x108).unwrap().0, 0x77);
        assert_eq!(stream(&table, dialect, root, 0x500).unwrap().0, 0x77);
    }
    assert_eq!(stream(&table, Dialect::FREEBSD, root, 0x108).unwrap().0, 0x77);
    assert_eq!(stream(&table, Dialect::FREEBSD, root, 0x500), None, "FreeBSD wants the input in range");
}

#[test]
fn linux_asks_the_first_root_complex_of_a_segment_only() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    table.root_complex(3).maps(0..=0xff, 0, smmu);
    table.root_complex(3).maps(0x100..=0x1ff, 0x100, smmu);
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    let nic = Bdf::new(Segment(3), 1, 0, 0);
    let ask = |dialect| iort::resolve_function(&iort, dialect, nic, Wanted::Iommu).unwrap().map(|s| s.id);
    assert_eq!(ask(Dialect::LINUX), None);
    assert_eq!(ask(Dialect::OPENBSD), None);
    assert_eq!(ask(Dialect::FREEBSD), Some(0x100));
    let elsewhere = Bdf::new(Segment(4), 1, 0, 0);
    assert_eq!(iort::resolve_function(&iort, Dialect::SPEC, elsewhere, Wanted::Iommu), Ok(None));
}

#[test]
fn the_mapping_for_own_msis_translates_nothing() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).own_msi(0).single(0x99, its).maps(0..=0xffff, 0x100, its).id();
    assert_eq!(own_device_id(&table, Dialect::LINUX, smmu), Some(0x99));
    let found = resolve(&table, Dialect::LINUX, smmu, 7, Wanted::Msi).unwrap();
    assert_eq!(found.map(|found| found.id), Some(0x107));
    let platform = platform(&table);
    assert_eq!(platform.iommus[0].device_ids.own_msi.by_flag, Some(0));
}

#[test]
fn before_node_revision_5_interrupts_say_whether_the_index_counts() {
    let mut table = Builder::new(5);
    let its = table.its_group([0]).id();
    let wired = table.smmu_v3(0x1000_0000).single(1, its).id();
    let msi = table.smmu_v3(0x2000_0000).interrupts([0, 1, 2, 3]).single(2, its).id();
    let own = |id, rule| with_node(&table, id, |node| node.own_msi(rule));
    assert_eq!(own(wired, MsiIndexRule::ValidFlag), None);
    assert_eq!(own(msi, MsiIndexRule::ValidFlag), Some(0));
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let unflagged = table.smmu_v3(0x2000_0000).interrupts([0; 4]).flags(0).single(2, its).id();
    let own = |rule| with_node(&table, unflagged, |node| node.own_msi(rule));
    assert_eq!((own(MsiIndexRule::ValidFlag), own(MsiIndexRule::InterruptsOnly)), (None, Some(0)));
    let mut table = Builder::new(0);
    let revision_0 = table.smmu_v3(0).revision(0).interrupts([0; 4]).single(2, Reference::Offset(48)).id();
    assert_eq!(with_node(&table, revision_0, |node| node.own_msi(MsiIndexRule::ValidFlag)), None);
}

#[test]
fn a_pmcg_with_an_msi_has_a_device_id_and_one_with_a_wire_has_none() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let msi = table.pmcg(0x3000_0000, its).single(0x1234, its).id();
    let wired = table.pmcg(0x4000_0000, its).interrupts([99; 4]).single(0x1235, its).id();
    assert_eq!(own_device_id(&table, Dialect::LINUX, msi), Some(0x1234));
    let own = |id, rule| with_node(&table, id, |node| node.own_msi(rule));
    assert_eq!(own(wired, MsiIndexRule::ValidFlag), None);
    assert_eq!(own(wired, MsiIndexRule::InterruptsOnly), Some(0), "FreeBSD does not look");
    let requesters = platform(&table).requesters;
    assert!(
        matches!(&requesters[0].kind, RequesterKind::MsiOnly { own_msi, .. } if own_msi.by_flag == Some(0))
    );
}

#[test]
fn each_system_takes_other_mappings_of_a_component() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).id();
    let three = table.named_component(r"\_SB_.DEV0").single(1, smmu).single(9, its).single(2, smmu).id();
    let range = table.named_component(r"\_SB_.DEV1").maps(0x10..=0x1f, 0x30, smmu).id();
    let nowhere = Reference::Offset(0);
    let nowhere = table.named_component(r"\_SB_.DEV2").single(7, nowhere).single(8, smmu).id();
    assert_eq!(streams(&table, Dialect::LINUX, three), [1], "Linux ends at the first that reaches no SMMU");
    assert_eq!(streams(&table, Dialect::SPEC, three), [1, 2]);
    assert!(streams(&table, Dialect::LINUX, range).is_empty());
    assert_eq!(streams(&table, Dialect::OPENBSD, range), [0x30], "OpenBSD takes the only mapping");
    assert_eq!(Dialect::OPENBSD.component, ComponentRule::FirstSingleOrOnly);
    assert!(streams(&table, Dialect::LINUX, nowhere).is_empty());
    assert_eq!(streams(&table, Dialect::SPEC, nowhere), [8]);
    assert!(streams(&table, Dialect::OPENBSD, nowhere).is_empty(), "the first counts, wherever it leads");
    assert_eq!(stream(&table, Dialect::LINUX, range, 0x15).unwrap().0, 0x35, "an explicit input ID");
    assert_eq!(own_device_id(&table, Dialect::LINUX, three), Some(9));
}

// -- decoding --

#[test]
fn every_field_of_every_node_type_is_read_back() {
    let mut table = Builder::new(7);
    let its = table.its_group([3, 5]).identifier(77).id();
    let v2 = table.smmu_v2(0x5000_0000).model(5).context_interrupt(100, 1).context_interrupt(101, 0).id();
    let v3 = table.smmu_v3(0x6000_0000).model(1).proximity_domain(4).interrupts([1, 2, 3, 4]).id();
    let root = table.root_complex(9).ats_and_pri().pasid(16).address_limit(44).memory_access(0, 4).id();
    let gpu = table.named_component(r"\_SB_.GPU0").pasid(5).address_limit(36).id();
    let pmcg = table.pmcg(0x7000_0000, v3).page1(0x7001_0000).interrupts([55; 4]).id();
    let rmr = table.rmr().flags(0b1_0110).range(0x8000_0000, 0x1_0000).range(0x9000_0000, 0x2_0000).id();
    let iwb = table.iwb(0x2f00_0000, 6, r"\_SB_.IWB0").id();
    let unknown = table.node(200, 24).put_u32(16, 0xdead_beef).id();
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    assert_eq!((iort.revision(), iort.node_count(), iort.node_offset(), iort.reserved()), (7, 9, 48, 0));
    assert!(iort.after_nodes().is_empty() && iort.sdt().checksum_error().is_none());
    let node = |id| iort.node_at(table.offset_of(id)).unwrap();
    let body = |id| node(id).body().unwrap();

    let Body::ItsGroup(group) = body(its) else { panic!() };
    assert_eq!((group.its_count, group.ids().collect::<Vec<_>>()), (2, vec![3, 5]));
    assert_eq!(node(its).identifier(), Some(77));

    let Body::SmmuV2(smmu) = body(v2) else { panic!() };
    assert_eq!((smmu.base, smmu.span, smmu.model, smmu.flags), (0x5000_0000, 0x1_0000, 5, 2));
    let lines = |interrupts: iort::Interrupts<'_>| interrupts.map(|i| (i.gsiv, i.flags)).collect::<Vec<_>>();
    assert_eq!(lines(smmu.global_interrupts()), [(65, 0), (66, 0)]);
    assert_eq!(lines(smmu.context_interrupts()), [(100, 1), (101, 0)]);
    assert_eq!(lines(smmu.pmu_interrupts()), []);

    let Body::SmmuV3(smmu) = body(v3) else { panic!() };
    assert_eq!((smmu.base, smmu.model, smmu.flags, smmu.vatos), (0x6000_0000, 1, 8, 0));
    assert_eq!([smmu.event_gsiv, smmu.pri_gsiv, smmu.gerr_gsiv, smmu.sync_gsiv], [1, 2, 3, 4]);
    assert_eq!((smmu.proximity_domain, smmu.device_id_mapping_index), (Some(4), Some(0)));

    let Body::RootComplex(complex) = body(root) else { panic!() };
    assert_eq!((complex.segment, complex.ats_attribute, complex.pri), (9, 3, Some(true)));
    assert_eq!(
        (complex.address_limit, complex.pasid_capabilities, complex.flags),
        (Some(44), Some(16), Some(1))
    );
    assert_eq!((complex.memory.cca, complex.memory.flags), (0, 4));

    let Body::NamedComponent(component) = body(gpu) else { panic!() };
    assert_eq!(
        (component.address_limit, component.can_stall, component.pasid_bits),
        (36, Some(false), Some(5))
    );
    assert_eq!(component.path.to_string(), r"\_SB_.GPU0");

    let Body::Pmcg(group) = body(pmcg) else { panic!() };
    assert_eq!((group.page0_base, group.page1_base), (0x7000_0000, Some(0x7001_0000)));
    assert_eq!((group.overflow_gsiv, group.node_reference), (55, table.offset_of(v3)));

    let Body::Rmr(reserved) = body(rmr) else { panic!() };
    assert_eq!((reserved.flags, reserved.privileged, reserved.attributes), (0b1_0110, Some(true), Some(5)));
    let ranges: Vec<_> = reserved.descriptors().map(|range| (range.base, range.length)).collect();
    assert_eq!(ranges, [(0x8000_0000, 0x1_0000), (0x9000_0000, 0x2_0000)]);

    let Body::Iwb(bridge) = body(iwb) else { panic!() };
    assert_eq!(
        (bridge.base, bridge.index, bridge.path.to_string().as_str()),
        (0x2f00_0000, 6, r"\_SB_.IWB0")
    );

    assert_eq!(node(unknown).node_type(), NodeType::Unknown(200));
    assert_eq!(node(unknown).bytes()[16..20], 0xdead_beef_u32.to_le_bytes());
}

#[test]
fn a_field_that_the_revision_does_not_have_is_none_even_where_bytes_are() {
    let mut table = Builder::new(0);
    let root = table.root_complex(0).revision(0).address_limit(36).id();
    let gpu = table.named_component(r"\_SB_.GPU0").revision(0).flags(0x3f).id();
    let smmu = table.smmu_v3(0).revision(0).id();
    let pmcg = table.pmcg(0, smmu).revision(0).put_u32(32, 1).id();
    let rmr = table.rmr().revision(2).flags(2).range(0, 0x1_0000).id();
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    let body = |id| iort.node_at(table.offset_of(id)).unwrap().body().unwrap();
    let Body::RootComplex(root) = body(root) else { panic!() };
    let none = (root.address_limit, root.pasid_capabilities, root.flags, root.pri);
    assert_eq!(none, (None, None, None, None));
    let Body::NamedComponent(component) = body(gpu) else { panic!() };
    assert_eq!((component.can_stall, component.pasid_bits), (None, None));
    let Body::SmmuV3(smmu) = body(smmu) else { panic!() };
    assert_eq!((smmu.proximity_domain, smmu.device_id_mapping_index), (None, None));
    let Body::Pmcg(pmcg) = body(pmcg) else { panic!() };
    assert_eq!(pmcg.page1_base, None);
    let Body::Rmr(rmr) = body(rmr) else { panic!() };
    assert_eq!((rmr.privileged, rmr.attributes), (None, None));
    assert_eq!(iort.nodes().next().unwrap().unwrap().identifier(), None, "reserved in table revision 0");
}

#[test]
fn a_field_past_the_end_of_its_node_is_none() {
    let mut table = Builder::new(6);
    let root = table.root_complex(0).cut(32).id();
    let smmu = table.smmu_v3(0).cut(64).id();
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    let body = |id| iort.node_at(table.offset_of(id)).unwrap().body().unwrap();
    let Body::RootComplex(root) = body(root) else { panic!() };
    assert_eq!((root.address_limit, root.flags), (None, None));
    let Body::SmmuV3(smmu) = body(smmu) else { panic!() };
    assert_eq!((smmu.proximity_domain, smmu.device_id_mapping_index), (Some(0), None));
}

#[test]
fn a_field_where_the_mappings_are_is_none() {
    // So does iasl write a root complex of revision 4: its mappings are where the flags would be.
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0).id();
    let root = table.root_complex(0).pasid(16).cut(36).maps(1..=0xffff, 1, smmu).id();
    with_node(&table, root, |node| {
        let Ok(Body::RootComplex(root)) = node.body() else { panic!() };
        assert_eq!((root.pasid_capabilities, root.flags), (Some(16), None));
    });
    assert_eq!(platform(&table).requesters[0].pasid_bits, Some(16));
    assert_eq!(skipped(&table), []);
}

// -- lowering --

#[test]
fn the_platform_says_what_the_table_says() {
    let mut table = Builder::new(6);
    let its = table.its_group([4, 2]).id();
    let v3 = table.smmu_v3(0x2b40_0000).model(2).maps(0..=0xff, 0x300, its).id();
    let v2 = table.smmu_v2(0x2b50_0000).id();
    table.root_complex(7).ats().memory_access(1, 5).pasid(20).maps(0..=0xffff, 0, v3);
    table.named_component(r"\_SB_.GPU0").flags(1 | 6 << 1).single(5, v2);
    let platform = platform(&table);
    assert_eq!(platform.skipped, []);
    assert_eq!(platform.source, Some(Source::IORT));
    assert_eq!(platform.msi_controllers[0].kind, MsiKind::ItsGroup(vec![4, 2]));
    assert_eq!(platform.iommus[0].kind, IommuKind::SmmuV3 { model: 2 });
    assert_eq!(platform.iommus[0].base, Some(0x2b40_0000));
    assert_eq!(platform.iommus[0].device_ids.mappings[0].target, Target::Msi(MsiControllerIndex(0)));
    assert_eq!(platform.iommus[1].kind, IommuKind::SmmuV2(SmmuModel::Mmu500));
    let [root, gpu] = &platform.requesters[..] else { panic!() };
    let RequesterKind::Bus(bus) = &root.kind else { panic!() };
    assert!(bus.ats && bus.pri == Some(false));
    assert_eq!((root.address_bits, root.pasid_bits), (Some(48), Some(20)));
    assert_eq!(root.coherency.write_back_not_needed, Some(true));
    let RequesterKind::Component(component) = &gpu.kind else { panic!() };
    assert_eq!(&*component.path, r"\_SB_.GPU0");
    assert_eq!(component.table.mappings[0].output, Output::Constant(5));
    assert_eq!(component.table.mappings[0].target, Target::Iommu(IommuIndex(1)));
    assert_eq!((gpu.can_stall, gpu.pasid_bits), (Some(true), Some(6)));
    assert_eq!(platform.label(gpu.origin).to_string(), format!("IORT+{:#x}", gpu.origin.at.offset));
}

#[test]
fn reserved_memory_is_for_the_outputs_of_its_mappings() {
    let mut table = Builder::new(5);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    // Relaxable, privileged, normal write-back.
    let flags = 1 | 2 | 5 << 2;
    table.rmr().flags(flags).range(0x8_0000_0000, 0x10_0000).mapping(0, 0xf, 0x40, smmu, 0);
    let platform = platform(&table);
    let [reserved] = &platform.reserved[..] else { panic!() };
    assert_eq!((reserved.streams[0].first, reserved.streams[0].last), (StreamId(0x40), StreamId(0x4f)));
    assert_eq!((reserved.regions[0].base, reserved.regions[0].length), (0x8_0000_0000, 0x10_0000));
    assert_eq!(reserved.kind, RegionKind::DirectRelaxable);
    assert!(reserved.protection.privileged && reserved.protection.cacheable && !reserved.protection.mmio);
}

#[test]
fn nodes_may_start_behind_padding_and_at_odd_offsets() {
    let mut table = Builder::new(0);
    table.gap(5);
    let smmu = table.smmu_v3(0x2b40_0000).id();
    let gpu = table.named_component(r"\_SB.GPU0").cut(29 + 10).single(5, smmu).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0, smmu).id();
    assert_eq!(table.offset_of(root) % 2, 0);
    assert_eq!(table.offset_of(gpu) % 2, 1);
    assert_eq!(skipped(&table), []);
    assert_eq!(streams(&table, Dialect::LINUX, gpu), [5]);
}

#[test]
fn references_lead_forward_as_well() {
    let mut table = Builder::new(6);
    let root = table.root_complex(0).id();
    let smmu = table.smmu_v3(0x2b40_0000).id();
    table.edit(root).maps(0..=0xffff, 0, smmu);
    assert_eq!(skipped(&table), []);
    assert_eq!(stream(&table, Dialect::LINUX, root, 5), Some((5, table.offset_of(smmu))));
}

// -- broken tables --

#[test]
fn row_01_another_signature() {
    let bytes = ordinary().0.signature(*b"APIC").finish();
    let kind = ErrorKind::Signature { found: *b"APIC", wanted: *b"IORT" };
    assert_eq!(Iort::parse(&bytes).unwrap_err(), at(0, kind));
    assert_eq!(at(0, kind).to_string(), r#"IORT+0x0: signature is "APIC", not "IORT""#);
}

#[test]
fn row_02_fewer_bytes_than_the_header_claims() {
    let bytes = ordinary().0.finish();
    let length = u32::try_from(bytes.len()).unwrap();
    for have in 4..bytes.len() {
        let have_32 = u32::try_from(have).unwrap();
        let need = if have < 36 { 36 } else { length };
        let kind = ErrorKind::Truncated { need, have: have_32 };
        assert_eq!(Iort::parse(&bytes[..have]).unwrap_err(), at(0, kind));
    }
    let short = ordinary().0.claim_length(40).finish();
    assert_eq!(Iort::parse(&short).unwrap_err().kind, ErrorKind::Truncated { need: 48, have: 40 });
    let shorter = ordinary().0.claim_length(35).finish();
    assert_eq!(Iort::parse(&shorter).unwrap_err(), at(4, ErrorKind::TableLength(35)));
}

#[test]
fn row_03_bytes_behind_the_table_are_kept_apart() {
    let bytes = ordinary().0.trailing(b"junk").finish();
    let iort = Iort::parse(&bytes).unwrap();
    assert_eq!(iort.sdt().trailing(), b"junk");
    assert_eq!(iort.platform().skipped, []);
}

#[test]
fn row_04_a_wrong_checksum_is_reported_and_the_table_read() {
    let mut table = ordinary().0;
    let right = table.finish()[9];
    table.claim_checksum(right.wrapping_add(3));
    assert_eq!(skipped(&table), [at(9, ErrorKind::Checksum(3))]);
    assert_eq!(platform(&table).requesters.len(), 1);
}

#[test]
fn row_05_withdrawn_revisions_are_read() {
    for revision in [1, 2, 4] {
        let mut table = Builder::new(revision);
        table.root_complex(0);
        assert_eq!(Iort::parse(&table.finish()).unwrap().revision(), revision);
        assert_eq!(platform(&table).requesters.len(), 1);
    }
}

#[test]
fn row_06_the_first_node_is_outside_the_table() {
    for offset in [0, 47, 0x1000, u32::MAX] {
        let bytes = ordinary().0.claim_node_offset(offset).finish();
        let length = u32::try_from(bytes.len()).unwrap();
        let wanted = at(40, ErrorKind::NodeOffset { offset, length });
        assert_eq!(Iort::parse(&bytes).unwrap_err(), wanted);
    }
}

#[test]
fn row_07_more_nodes_counted_than_there_are() {
    for count in [4, u32::MAX] {
        let mut table = ordinary().0;
        table.claim_node_count(count);
        assert_eq!(skipped(&table), [at(36, ErrorKind::NodeCount { count, found: 3 })]);
        assert_eq!(platform(&table).requesters.len(), 1, "the others are read");
    }
}

#[test]
fn row_08_fewer_nodes_counted_than_there_are() {
    let mut table = ordinary().0;
    table.claim_node_count(2);
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    assert_eq!(iort.nodes().count(), 2);
    assert_eq!(iort.after_nodes().len(), 60, "the root complex and its mapping");
    assert_eq!(iort.platform().skipped, []);
}

#[test]
fn row_09_a_node_of_length_0_ends_the_walk() {
    let mut table = Builder::new(6);
    table.its_group([0]);
    let broken = table.root_complex(0).claim_length(0).id();
    table.root_complex(1);
    assert_eq!(skipped(&table), [at(table.offset_of(broken), ErrorKind::NodeLengthZero)]);
    assert_eq!(platform(&table).requesters.len(), 0);
}

#[test]
fn row_10_a_node_shorter_than_its_fields_is_left_out() {
    for (node_type, need) in [(0, 20), (1, 30), (2, 32), (3, 60), (4, 60), (5, 32), (6, 28), (7, 27)] {
        let mut table = Builder::new(7);
        let length = need - 1;
        let broken = table.node(node_type, usize::from(length)).id();
        table.root_complex(0);
        let wanted = at(table.offset_of(broken), ErrorKind::NodeTooShort { length, need });
        assert_eq!(skipped(&table), [wanted], "type {node_type}");
        assert_eq!(platform(&table).requesters.len(), 1, "type {node_type}: the next node is read");
    }
    let mut table = Builder::new(7);
    table.root_complex(0).claim_length(15);
    assert_eq!(kinds(&table), [ErrorKind::NodeTooShort { length: 15, need: 16 }]);
}

#[test]
fn row_11_a_node_that_runs_past_the_table_ends_the_walk() {
    let mut table = Builder::new(6);
    let broken = table.root_complex(0).claim_length(41).id();
    let wanted = at(table.offset_of(broken), ErrorKind::NodeOverrun { length: 41, left: 40 });
    assert_eq!(skipped(&table), [wanted]);
    let mut bytes = table.finish();
    bytes.truncate(48 + 10);
    bytes[4] = 48 + 10;
    let platform = Iort::parse(&bytes).unwrap().platform();
    assert_eq!(platform.skipped.last(), Some(&at(48, ErrorKind::Truncated { need: 16, have: 10 })));
}

#[test]
fn row_12_a_node_of_unknown_type_is_left_out_and_no_target() {
    let mut table = Builder::new(6);
    let unknown = table.node(9, 16).id();
    let root = table.root_complex(0).maps(0..=0xffff, 0, unknown).id();
    let reference = table.offset_of(unknown);
    let mapping = table.offset_of(root) + 40;
    assert_eq!(
        skipped(&table),
        [at(reference, ErrorKind::NodeType(9)), at(mapping, ErrorKind::MappingTarget(reference))]
    );
    assert_eq!(stream(&table, Dialect::LINUX, root, 0), None);
}

#[test]
fn row_13_mappings_outside_their_node() {
    for offset in [60, 61, 0x1000, u32::MAX] {
        let (mut table, _, _, root) = ordinary();
        table.edit(root).claim_mapping_offset(offset);
        let kind = ErrorKind::MappingsOutside { count: 1, offset, fit: 0 };
        assert_eq!(skipped(&table), [at(table.offset_of(root) + 8, kind)]);
        assert_eq!(stream(&table, Dialect::LINUX, root, 0), None);
    }
    let (mut table, _, _, root) = ordinary();
    table.edit(root).claim_mapping_offset(20);
    assert_eq!(kinds(&table)[0], ErrorKind::MappingsOverlap { offset: 20, fixed: 32 });
}

#[test]
fn row_14_more_mappings_counted_than_the_node_has() {
    for count in [2, u32::MAX] {
        let (mut table, _, _, root) = ordinary();
        table.edit(root).claim_mapping_count(count);
        let kind = ErrorKind::MappingsOutside { count, offset: 40, fit: 1 };
        assert_eq!(skipped(&table), [at(table.offset_of(root) + 8, kind)]);
        assert_eq!(
            stream(&table, Dialect::LINUX, root, 0x108).map(|s| s.0),
            Some(0x108),
            "the one it has counts"
        );
    }
}

#[test]
fn row_15_mappings_without_an_offset_are_none() {
    let (mut table, _, _, root) = ordinary();
    table.edit(root).claim_mapping_offset(0);
    assert_eq!(kinds(&table), [ErrorKind::MappingsNowhere(1)]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0), None);
}

#[test]
fn row_16_a_reference_of_0_leads_nowhere_and_disables_the_node_when_first_on_linux() {
    let (mut table, _, smmu, _) = ordinary();
    let null = Reference::Offset(0);
    let root = table.root_complex(1).maps(0..=0xff, 0, null).maps(0x100..=0x1ff, 0, smmu).id();
    assert_eq!(kinds(&table), [ErrorKind::MappingNull]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x100), None);
    assert_eq!(stream(&table, Dialect::SPEC, root, 0x100).map(|s| s.0), Some(0));
    let second = table.root_complex(2).maps(0..=0xff, 0, smmu).maps(0..=0x1ff, 0, null).id();
    assert_eq!(stream(&table, Dialect::LINUX, second, 0x10).map(|s| s.0), Some(0x10));
    assert_eq!(stream(&table, Dialect::LINUX, second, 0x110), None);
    let RequesterKind::Bus(bus) = &platform(&table).requesters[1].kind else { panic!() };
    assert_eq!(bus.streams.as_ref().unwrap().mappings[0].target, Target::Null);
}

/// linux `iort_node_map_id` looks at the reference of the first mapping, not at its range.
#[test]
fn row_16_a_first_reference_of_0_disables_the_node_whatever_its_range() {
    let mut table = Builder::new(6);
    let null = Reference::Offset(0);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).mapping(1, u32::MAX, 0, null, 0).maps(0..=0x1ff, 0, its).id();
    table.root_complex(0).maps(0..=0xff, 0, smmu);
    let root = table.root_complex(1).mapping(0xffff_ff9c, 0xfb, 0, null, 0).maps(0x100..=0x1ff, 0, smmu).id();
    assert_eq!(kinds(&table), [ErrorKind::MappingNull, ErrorKind::MappingNull]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x100), None);
    assert_eq!(stream(&table, Dialect::SPEC, root, 0x100).map(|s| s.0), Some(0));
    let platform = platform(&table);
    let answers = |dialect| {
        let map = IdMap::build(&platform, dialect);
        (map.stream_from(RequesterIndex(1), 0x100), map.msi_from(RequesterIndex(0), 0x10).map(|msi| msi.id))
    };
    assert_eq!(answers(Dialect::LINUX), (Err(NoStream::FirstNull), None));
    let stream = Stream { iommu: IommuIndex(0), id: Some(StreamId(0)), mask: 0 };
    assert_eq!(answers(Dialect::SPEC), (Ok(stream), Some(DeviceId(0x10))));
}

#[test]
fn row_17_a_reference_to_no_node_leads_nowhere_and_hides_later_mappings_from_every_system() {
    let (mut table, _, smmu, _) = ordinary();
    let inside = Reference::Offset(table.offset_of(smmu) + 4);
    for bad in [inside, Reference::Offset(u32::MAX), Reference::Offset(36)] {
        let mut table = table.clone();
        let root = table.root_complex(1).maps(0..=0xff, 0, bad).maps(0..=0x1ff, 0, smmu).id();
        assert!(matches!(kinds(&table)[..], [ErrorKind::MappingTarget(_)]));
        assert_eq!(stream(&table, Dialect::LINUX, root, 0x10), None);
        assert_eq!(stream(&table, Dialect::SPEC, root, 0x10).map(|s| s.0), Some(0x10));
        assert_eq!(stream(&table, Dialect::LINUX, root, 0x110).map(|s| s.0), Some(0x110));
    }
    table.root_complex(1);
}

#[test]
fn row_18_a_reference_to_an_illegal_type_is_reported() {
    let (mut table, its, smmu, root) = ordinary();
    let second = table.root_complex(1).maps(0..=0xffff, 0x10, root).id();
    let reference = table.offset_of(root);
    let wanted = at(table.offset_of(second) + 40, ErrorKind::MappingTargetType { reference, node_type: 2 });
    assert_eq!(skipped(&table), [wanted]);
    assert_eq!(stream(&table, Dialect::LINUX, second, 1).map(|s| s.0), Some(0x11), "Linux follows it");
    let (mut table, ..) = ordinary();
    table.smmu_v3(0x3000_0000).maps(0..=0xff, 0, smmu);
    table.rmr().range(0, 0x1_0000).maps(0..=0xff, 0, its);
    let reference = |id| table.offset_of(id);
    let [smmu, its] = [reference(smmu), reference(its)];
    assert_eq!(
        kinds(&table),
        [
            ErrorKind::MappingTargetType { reference: smmu, node_type: 4 },
            ErrorKind::MappingTargetType { reference: its, node_type: 0 },
        ]
    );
}

#[test]
fn row_19_a_circle_ends_the_walk_with_an_error() {
    let mut table = Builder::new(6);
    let [a, b, c] = [0, 1, 2].map(|segment| table.root_complex(segment).id());
    table.edit(a).maps(0..=0xffff, 0, b);
    table.edit(b).maps(0..=0xffff, 0, c);
    table.edit(c).maps(0..=0xffff, 0, a);
    let itself = table.smmu_v3(0x2b40_0000).id();
    table.edit(itself).maps(0..=0xffff, 0, itself);
    for (from, wanted) in [(a, Wanted::Iommu), (b, Wanted::Msi), (itself, Wanted::Msi)] {
        let error = resolve(&table, Dialect::LINUX, from, 5, wanted).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::MappingCycle(5)), "{error}");
    }
    let gpu = table.named_component(r"\_SB_.GPU0").single(1, a).single(2, itself).id();
    let bytes = table.finish();
    let iort = Iort::parse(&bytes).unwrap();
    let ids: Vec<_> =
        iort::component_ids(&iort, Dialect::SPEC, table.offset_of(gpu), Wanted::Iommu).collect();
    assert!(matches!(ids[..], [Err(_)]), "ends after the error");
    assert!(iort.platform().skipped.iter().all(|e| matches!(e.kind, ErrorKind::MappingTargetType { .. })));
}

#[test]
fn row_20_the_single_flag_on_an_smmu_translates_nothing() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).single(0x99, its).id();
    assert_eq!(resolve(&table, Dialect::LINUX, smmu, 0, Wanted::Msi), Ok(None));
    assert_eq!(skipped(&table), []);
}

#[test]
fn rows_21_and_22_a_single_mapping_with_a_count_and_reserved_flags_are_kept() {
    let (mut table, _, smmu, _) = ordinary();
    let root = table.root_complex(1).mapping(0xffff_fff0, 0xff, 0x33, smmu, 0xffff_ffff).id();
    assert_eq!(skipped(&table), []);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0).map(|s| s.0), Some(0x33));
    with_node(&table, root, |node| {
        let mapping = node.mappings().next().unwrap();
        assert_eq!((mapping.flags, mapping.count_minus_one), (0xffff_ffff, 0xff));
    });
}

#[test]
fn row_23_a_range_of_inputs_past_the_last_id_matches_nothing() {
    let (mut table, its, smmu, _) = ordinary();
    let root = table.root_complex(1).mapping(0x10, u32::MAX, 0, smmu, 0).maps(0..=0xff, 7, smmu).id();
    let kind = ErrorKind::MappingInputWraps { base: 0x10, count_minus_one: u32::MAX };
    assert_eq!(skipped(&table), [at(table.offset_of(root) + 40, kind)]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x20).map(|s| s.0), Some(0x27));
    // The index of the own MSI follows the mapping that moved up.
    let (mut table, ..) = ordinary();
    table.smmu_v3(0).own_msi(1).mapping(5, u32::MAX, 0, its, 0).single(0x99, its);
    let smmu = &platform(&table).iommus[1];
    assert_eq!((smmu.device_ids.mappings.len(), smmu.device_ids.own_msi.by_flag), (1, Some(0)));
}

#[test]
fn row_23_a_range_of_outputs_past_the_last_id_wraps_on_linux() {
    let (mut table, _, smmu, _) = ordinary();
    let root = table.root_complex(1).maps(0..=0xff, 0xffff_ff80, smmu).id();
    let kind = ErrorKind::MappingOutputWraps { base: 0xffff_ff80, count_minus_one: 0xff };
    assert_eq!(kinds(&table), [kind]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0x80).map(|s| s.0), Some(0));
    assert_eq!(stream(&table, Dialect::SPEC, root, 0x80), None, "by the specification the mapping is none");
}

#[test]
fn rows_24_to_28_ranges_that_are_odd_but_readable_are_kept_as_found() {
    let (mut table, _, smmu, _) = ordinary();
    let wide = table.root_complex(5).maps(0x8703_0000..=0x8703_ffff, 0, smmu).id();
    table.root_complex(5).maps(0..=0x1_ffff, 0, smmu).maps(0..=0xff, 0, smmu);
    table.named_component(r"\_SB_.GPU0").single(1, smmu);
    table.named_component(r"\_SB_.GPU0").single(2, smmu);
    assert_eq!(skipped(&table), []);
    assert_eq!(platform(&table).requesters.len(), 5);
    assert_eq!(stream(&table, Dialect::LINUX, wide, 0), None);
}

#[test]
fn row_29_a_path_without_its_end_costs_the_component() {
    let mut table = Builder::new(6);
    let gpu = table.named_component(r"\_SB_.GPU0").cut(29 + 10).id();
    let iwb = table.iwb(0, 0, r"\_SB_.IWB0").cut(26 + 4).id();
    let wanted = [
        at(table.offset_of(gpu), ErrorKind::PathUnterminated(10)),
        at(table.offset_of(iwb), ErrorKind::PathUnterminated(4)),
    ];
    assert_eq!(skipped(&table), wanted);
    assert!(platform(&table).requesters.is_empty());
}

#[test]
fn row_30_paths_that_no_device_has_are_told_apart() {
    let fault = |path: &str| {
        let mut table = Builder::new(6);
        let id = table.named_component(path).id();
        assert_eq!(skipped(&table), []);
        with_node(&table, id, |node| {
            let Ok(Body::NamedComponent(component)) = node.body() else { panic!() };
            component.path.fault()
        })
    };
    assert_eq!(fault(r"\_SB_.GPU0"), None);
    assert_eq!(fault(r"\_SB.GPU0"), None, "short segments are legal");
    assert_eq!(fault("\\"), None);
    assert_eq!(fault(""), Some(PathFault::Empty));
    assert_eq!(fault("_SB_.GPU0"), Some(PathFault::Relative));
    assert_eq!(fault(r"\_SB_..GPU0"), Some(PathFault::SegmentLength(1)));
    assert_eq!(fault(r"\_SB_.GRAPHICS"), Some(PathFault::SegmentLength(1)));
    assert_eq!(fault(r"\_SB_.gpu0"), Some(PathFault::Character(b'g')));
    assert_eq!(fault(r"\_SB_.0GPU"), Some(PathFault::Character(b'0')));
}

#[test]
fn linux_matches_paths_byte_for_byte_and_the_specification_segment_by_segment() {
    let mut table = Builder::new(0);
    let id = table.named_component(r"\_SB.GPU0").id();
    with_node(&table, id, |node| {
        let Ok(Body::NamedComponent(component)) = node.body() else { panic!() };
        assert!(!component.path.is_exactly(r"\_SB_.GPU0") && component.path.is_exactly(r"\_SB.GPU0"));
        assert!(!component.path.is_padded());
        assert!(iort::same_path(component.path.bytes(), br"\_SB_.GPU0"));
    });
    assert!(iort::same_path(br"\A.B___", br"\A___.B"));
    assert!(!iort::same_path(br"\A.B", b"A.B"));
    assert!(!iort::same_path(br"\A.B", br"\A.B.C"));
    assert!(!iort::same_path(br"\ABCDE", br"\ABCD"));
}

#[test]
fn row_31_more_its_counted_than_the_node_has() {
    let mut table = Builder::new(6);
    let its = table.its_group([7]).put_u32(16, u32::MAX).id();
    let kind = ErrorKind::ItsCount { count: u32::MAX, fit: 1 };
    assert_eq!(skipped(&table), [at(table.offset_of(its) + 16, kind)]);
    assert_eq!(platform(&table).msi_controllers[0].kind, MsiKind::ItsGroup(vec![7]));
}

#[test]
fn row_32_an_empty_its_group_is_reported() {
    let mut table = Builder::new(6);
    table.its_group([]);
    assert_eq!(kinds(&table), [ErrorKind::ItsEmpty]);
    assert_eq!(platform(&table).msi_controllers.len(), 1, "it stays a target");
}

#[test]
fn row_33_mappings_of_an_its_group_lead_nowhere() {
    let (mut table, its, smmu, _) = ordinary();
    table.edit(its).maps(0..=0xffff, 0, smmu);
    assert_eq!(skipped(&table), []);
    assert_eq!(stream(&table, Dialect::LINUX, its, 0), None);
}

#[test]
fn row_34_an_own_msi_index_past_the_mappings_is_none() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0).own_msi(1).single(0x99, its).id();
    assert_eq!(with_node(&table, smmu, |node| node.own_msi(MsiIndexRule::ValidFlag)), None);
    assert_eq!(platform(&table).iommus[0].device_ids.own_msi.by_flag, None);
    with_node(&table, smmu, |node| {
        let Ok(Body::SmmuV3(smmu)) = node.body() else { panic!() };
        assert_eq!(smmu.device_id_mapping_index, Some(1), "as found");
    });
}

#[test]
fn rows_35_to_39_values_that_make_no_sense_are_kept_as_found() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    table.root_complex(0).address_limit(0).memory_access(7, 0xff);
    table.root_complex(1).address_limit(128);
    table.pmcg(0, its).single(1, its).single(2, its);
    table.rmr().range(1, 0).range(1, 0x1_0001);
    let platform = platform(&table);
    assert_eq!(platform.skipped, []);
    let limits: Vec<_> = platform.requesters.iter().map(|requester| requester.address_bits).collect();
    assert_eq!(limits, [Some(0), Some(128), None]);
    assert_eq!(platform.requesters[0].coherency.coherent, Some(false));
    assert_eq!(platform.reserved[0].regions.len(), 2);
}

#[test]
fn more_reserved_ranges_counted_than_the_node_has() {
    let mut table = Builder::new(6);
    let rmr = table.rmr().range(0, 0x1_0000).put_u32(20, 3).id();
    let kind = ErrorKind::RmrCount { count: 3, offset: 28, fit: 1 };
    assert_eq!(skipped(&table), [at(table.offset_of(rmr) + 20, kind)]);
    assert_eq!(platform(&table).reserved[0].regions.len(), 1);
}

#[test]
fn row_40_reserved_memory_before_table_revision_5_is_left_out() {
    let mut table = Builder::new(3);
    let rmr = table.rmr().range(0, 0x1_0000).id();
    assert_eq!(skipped(&table), [at(table.offset_of(rmr), ErrorKind::RmrTableRevision(3))]);
    assert!(platform(&table).reserved.is_empty());
}

#[test]
fn row_41_a_stream_id_too_wide_for_an_smmuv2_is_reported_and_kept() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v2(0x5000_0000).id();
    let gpu = table.named_component(r"\_SB_.GPU0").single(0x7f_0400, smmu).id();
    let root = table.root_complex(0).maps(0..=0xffff, 1, smmu).id();
    let wanted = [ErrorKind::StreamIdWide(0x7f_0400), ErrorKind::StreamIdWide(0x1_0000)];
    assert_eq!(kinds(&table), wanted);
    assert_eq!(streams(&table, Dialect::LINUX, gpu), [0x7f_0400]);
    assert_eq!(stream(&table, Dialect::LINUX, root, 0).map(|s| s.0), Some(1));
}

/// linux drivers/iommu/arm/arm-smmu/arm-smmu.c `arm_smmu_master_alloc_smes`: `ARM_SMMU_SMR_ID` is the low half of a fwspec id and
/// `ARM_SMMU_SMR_MASK` the high one.
#[test]
fn stream_ids_past_the_16_bits_of_an_smmuv2_go_on_in_the_mask() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v2(0x5000_0000).id();
    table.root_complex(0).maps(0..=0xffff, 4, smmu);
    let map = IdMap::build(&platform(&table), Dialect::LINUX);
    let stream = |id, mask| RangeOutput::Stream {
        first: Stream { iommu: IommuIndex(0), id: Some(StreamId(id)), mask },
        constant: false,
        cells: None,
    };
    let ranges: Vec<_> = map.stream_ranges(RequesterIndex(0), 0xffff).collect();
    let wanted = [(0, 0xfffb, stream(4, 0)), (0xfffc, 0xffff, stream(0, 1))];
    assert_eq!(ranges, wanted.map(|(first, last, output)| InputRange { first, last, output }));
    assert_eq!(
        map.stream_from(RequesterIndex(0), 0xffff).unwrap(),
        Stream { iommu: IommuIndex(0), id: Some(StreamId(3)), mask: 1 }
    );
}

#[test]
fn rows_43_and_44_repeated_identifiers_and_reserved_fields_are_there_to_be_judged() {
    let mut table = Builder::new(6);
    let first = table.root_complex(0).identifier(4).id();
    let second = table.root_complex(1).identifier(4).put(35, &[0xee]).id();
    assert_eq!(skipped(&table), []);
    let identifier = |id| with_node(&table, id, |node| node.identifier());
    assert_eq!(identifier(first), identifier(second));
    assert_eq!(with_node(&table, second, |node| node.bytes()[35]), 0xee);
}

#[test]
fn no_bytes_at_all_are_an_error() {
    for bytes in [&[][..], b"I", b"IORT"] {
        let error = Iort::parse(bytes).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Truncated { need: 36, .. }), "{error}");
    }
}

#[test]
fn a_million_broken_mappings_cost_themselves_only() {
    let mut table = Builder::new(6);
    let smmu = table.smmu_v3(0).id();
    for segment in 0..300 {
        let root = table.root_complex(segment).id();
        for first in 1..=3270 {
            table.edit(root).mapping(first, u32::MAX, first, smmu, 0);
        }
    }
    let platform = platform(&table);
    assert_eq!(platform.skipped.len(), 300 * 3270);
}
