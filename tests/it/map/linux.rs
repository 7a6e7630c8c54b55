//! Claims about how Linux groups devices, one test each, with the kernel function that they follow.

use fwspec::group::{GroupsBuilder, KernelAnswer, Relation, Remedy};
use fwspec::model::{
    BusKind, GroupRule, IdBus, IdMapping, IdTable, Iommu, Origin, Output, PlatformMaster, Regions, Requester,
    RequesterKind, SmmuModel,
};
use fwspec::pci::{Function, PortType};
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{
    AcsFlags, Bdf, Device, DeviceKey, Dialect, Format, Groups, IdMap, InputIds, IommuIndex, IommuKind,
    NoStream, Platform, RequesterIndex, Segment,
    error::Source,
    group::{How, Policy, Tie},
};

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn key(text: &str) -> DeviceKey {
    bdf(text).into()
}

fn port(at: &str, kind: PortType, bus: u8) -> Device {
    Device::port(bdf(at), kind, bus..=bus)
}

fn endpoint(at: &str) -> Device {
    Device::endpoint(bdf(at))
}

fn conventional(at: &str) -> Device {
    Device::function(bdf(at), Function::endpoint().conventional())
}

fn integrated(at: &str) -> Device {
    Device::function(bdf(at), Function::endpoint().port_type(PortType::RcEndpoint))
}

fn named(at: &str, vendor: u16, device: u16) -> Device {
    Device::function(bdf(at), Function::endpoint().ids(vendor, device))
}

fn add(mut groups: Groups, devices: &[Device]) -> Groups {
    for device in devices {
        groups.add(*device).unwrap();
    }
    groups
}

/// The groups as text: members by comma, groups by bar.
fn shown(groups: &Groups) -> String {
    let mut sets: Vec<Vec<DeviceKey>> = groups
        .groups()
        .map(|group| {
            let mut members: Vec<DeviceKey> = group.members().collect();
            members.sort();
            members
        })
        .collect();
    sets.sort();
    let name = |member: &DeviceKey| member.to_string().trim_start_matches("0000:").to_string();
    let set = |set: &Vec<DeviceKey>| set.iter().map(name).collect::<Vec<String>>().join(",");
    sets.iter().map(set).collect::<Vec<String>>().join(" | ")
}

fn bare(devices: &[Device]) -> String {
    shown(&add(Groups::without_firmware(), devices))
}

fn strict(devices: &[Device]) -> String {
    shown(&add(Groups::builder().policy(Policy::Strict).build(), devices))
}

// -- drivers/pci/pci.c pci_acs_enabled, pci_acs_path_enabled --

#[test]
fn a_port_without_acs_shares_a_group_with_what_is_below_it() {
    let port = port("00:01.0", PortType::RootPort, 1);
    assert_eq!(bare(&[port, endpoint("01:00.0")]), "00:01.0,01:00.0");
    assert_eq!(bare(&[port.acs(AcsFlags::ISOLATED), endpoint("01:00.0")]), "00:01.0 | 01:00.0");
}

#[test]
fn a_bit_that_the_port_cannot_set_counts_as_set() {
    let some = AcsFlags::SV | AcsFlags::RR;
    let able = port("00:01.0", PortType::RootPort, 1).acs_control(AcsFlags::ISOLATED, some);
    assert_eq!(bare(&[able, endpoint("01:00.0")]), "00:01.0,01:00.0");
    let unable = port("00:01.0", PortType::RootPort, 1).acs_control(some, some);
    assert_eq!(bare(&[unable, endpoint("01:00.0")]), "00:01.0 | 01:00.0");
}

#[test]
fn a_port_further_up_that_does_not_isolate_takes_the_whole_tree() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1),
        port("01:00.0", PortType::UpstreamPort, 2).acs(AcsFlags::ISOLATED),
        port("02:00.0", PortType::DownstreamPort, 3).acs(AcsFlags::ISOLATED),
        endpoint("03:00.0"),
    ];
    assert_eq!(bare(&devices), "00:01.0,01:00.0,02:00.0,03:00.0");
}

#[test]
fn an_upstream_port_alone_in_its_slot_isolates_without_acs() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1).acs(AcsFlags::ISOLATED),
        port("01:00.0", PortType::UpstreamPort, 2),
        port("02:00.0", PortType::DownstreamPort, 3).acs(AcsFlags::ISOLATED),
        endpoint("03:00.0"),
    ];
    assert_eq!(bare(&devices), "00:01.0 | 01:00.0 | 02:00.0 | 03:00.0");
}

#[test]
fn linux_keeps_peers_behind_one_switch_apart_and_strict_does_not() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1).acs(AcsFlags::ISOLATED),
        port("01:00.0", PortType::UpstreamPort, 2),
        port("02:00.0", PortType::DownstreamPort, 3),
        port("02:01.0", PortType::DownstreamPort, 4),
        endpoint("03:00.0"),
        endpoint("04:00.0"),
    ];
    assert_eq!(bare(&devices), "00:01.0 | 01:00.0 | 02:00.0,03:00.0 | 02:01.0,04:00.0");
    assert_eq!(strict(&devices), "00:01.0 | 01:00.0 | 02:00.0,02:01.0,03:00.0,04:00.0");
    // One port that isolates does not help where its neighbour does not.
    let mut half = devices;
    half[2] = half[2].acs(AcsFlags::ISOLATED);
    assert_eq!(bare(&half), "00:01.0 | 01:00.0 | 02:00.0 | 02:01.0,04:00.0 | 03:00.0");
    assert_eq!(strict(&half), "00:01.0 | 01:00.0 | 02:00.0,02:01.0,03:00.0,04:00.0");
    half[3] = half[3].acs(AcsFlags::ISOLATED);
    assert_eq!(strict(&half), bare(&half));
}

// -- drivers/iommu/iommu.c get_pci_function_alias_group, drivers/pci/probe.c pci_scan_slot --

#[test]
fn integrated_endpoints_are_apart_unless_they_are_functions_of_one_slot() {
    let devices = [integrated("00:02.0"), integrated("00:03.0").multifunction(), integrated("00:03.1")];
    assert_eq!(bare(&devices), "00:02.0 | 00:03.0,00:03.1");
}

#[test]
fn function_numbers_above_0_are_multifunction_whatever_their_header_says() {
    assert_eq!(
        bare(&[endpoint("00:02.0"), endpoint("00:02.1"), endpoint("00:02.2")]),
        "00:02.0 | 00:02.1,00:02.2"
    );
    // A port of function 0 is judged by its bits, so it is with the others.
    let [a, b] = [("00:01.0", 1), ("00:01.1", 2)].map(|(at, bus)| port(at, PortType::RootPort, bus));
    assert_eq!(bare(&[a, b]), "00:01.0,00:01.1");
}

#[test]
fn a_function_that_isolates_stays_out_of_its_slots_group() {
    let devices = [
        integrated("00:03.0").multifunction(),
        integrated("00:03.1").acs(AcsFlags::ISOLATED),
        integrated("00:03.2"),
    ];
    assert_eq!(bare(&devices), "00:03.0,00:03.2 | 00:03.1");
}

#[test]
fn functions_8_and_up_of_an_ari_device_count_as_another_slot() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1).acs(AcsFlags::ISOLATED),
        endpoint("01:00.0").multifunction(),
        endpoint("01:00.7"),
        endpoint("01:01.0"),
        endpoint("01:01.1"),
    ];
    assert_eq!(bare(&devices), "00:01.0 | 01:00.0,01:00.7 | 01:01.0,01:01.1");
}

// -- drivers/pci/iov.c pci_iov_add_virtfn --

#[test]
fn virtual_functions_are_apart_below_a_port_that_isolates_and_together_below_one_that_does_not() {
    let vf = |at| endpoint(at).virtual_function_of(bdf("01:00.0"));
    let port = port("00:01.0", PortType::RootPort, 1);
    let below = [endpoint("01:00.0"), vf("01:00.1"), vf("01:00.2"), vf("02:00.0")];
    let all = |port: Device| [&[port], &below[..]].concat();
    assert_eq!(bare(&all(port.acs(AcsFlags::ISOLATED))), "00:01.0 | 01:00.0 | 01:00.1 | 01:00.2 | 02:00.0");
    assert_eq!(bare(&all(port)), "00:01.0,01:00.0,01:00.1,01:00.2,02:00.0");
}

// -- drivers/pci/search.c pci_for_each_dma_alias, pci_devs_are_dma_aliases --

#[test]
fn what_is_behind_a_bridge_to_pci_shares_its_group() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1).acs(AcsFlags::ISOLATED),
        port("01:00.0", PortType::PcieToPci, 2),
        conventional("02:01.0"),
        conventional("02:02.0"),
    ];
    assert_eq!(bare(&devices), "00:01.0 | 01:00.0,02:01.0,02:02.0");
}

#[test]
fn a_function_shares_a_group_with_the_one_that_it_poses_as() {
    let groups = add(
        Groups::without_firmware(),
        &[named("00:03.0", 0x1b4b, 0x9123), named("00:03.1", 0x1b4b, 0x91a4)],
    );
    assert_eq!(shown(&groups), "00:03.0,00:03.1");
    let tie = groups.why(key("00:03.0"), key("00:03.1")).next().unwrap().tie;
    assert!(matches!(tie, Tie::DmaAliasQuirk { row } if row.vendor == 0x1b4b));
}

#[test]
fn two_that_pose_as_one_ghost_share_a_group_although_linux_does_not_see_it() {
    let devices =
        [named("00:03.0", 0x1b4b, 0x9123), named("00:03.2", 0x1b4b, 0x9123).acs(AcsFlags::ISOLATED)];
    let groups = add(Groups::without_firmware(), &devices);
    assert_eq!(shown(&groups), "00:03.0,00:03.2");
    let tie = groups.why(key("00:03.0"), key("00:03.2")).next().unwrap().tie;
    assert_eq!(tie, Tie::SharedAlias(bdf("00:03.1")));
    let turns = ["00:03.0", "00:03.2"].map(|at| Event::Turn { device: bdf(at), scanned_late: false });
    assert_eq!(World::of(&groups).play(Algorithm::DeviceAdd, &turns).groups.len(), 2);
}

// -- the board of 2020: group formation at driver probe --

fn board() -> [Device; 5] {
    let port = port("000a:10:00.0", PortType::RootPort, 0x11);
    let nic = |function| Device::endpoint(Bdf::new(Segment(0xa), 0x11, 0, function)).multifunction();
    [port, nic(0), nic(1), nic(2), nic(3)]
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[count - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..count).map(move |at| insert(order, at))).collect()
}

#[test]
fn the_board_of_2020_is_one_group_in_every_order() {
    for order in permutations(5) {
        let devices: Vec<Device> = order.iter().map(|at| board()[*at]).collect();
        let groups = add(Groups::without_firmware(), &devices);
        assert_eq!(groups.groups().count(), 1, "{order:?}");
        assert_eq!(groups.groups().next().unwrap().leader(), Some(key("000a:10:00.0")));
    }
}

#[test]
fn linux_of_2020_split_the_board_when_the_port_driver_was_deferred() {
    let groups = add(Groups::without_firmware(), &board());
    let [port, functions @ ..] = board().map(|device| match device.key() {
        DeviceKey::Pci(bdf) => bdf,
        other => panic!("{other}"),
    });
    let mut events: Vec<Event> = [port].iter().chain(&functions).copied().map(Event::Add).collect();
    events.extend([Event::Probe(port), Event::Ready(None)]);
    events.extend(functions.map(Event::Probe));
    let world = World::of(&groups);
    let groups_of = |algorithm| world.play(algorithm, &events).groups;
    assert_eq!(groups_of(Algorithm::DriverProbe).len(), 5);
    assert_eq!(groups_of(Algorithm::DeviceAdd).len(), 1);
    assert_eq!(groups_of(Algorithm::Closure).len(), 1);

    let schedule = world.breaking(Algorithm::DriverProbe).schedule.unwrap();
    assert_eq!(schedule.len(), 2, "two devices are enough to show it: {schedule:?}");
    for stands in [Algorithm::DeviceAdd, Algorithm::Closure] {
        let search = world.breaking(stands);
        assert_eq!(search.schedule, None, "{stands:?}");
        assert!(search.tried > 1);
    }
}

#[test]
fn linux_still_splits_functions_that_are_scanned_after_the_iommu_was_registered() {
    let devices = [
        port("00:01.0", PortType::RootPort, 1).acs(AcsFlags::ISOLATED),
        endpoint("01:00.0").multifunction(),
        endpoint("01:00.1"),
    ];
    let groups = add(Groups::without_firmware(), &devices);
    let adds = ["00:01.0", "01:00.0", "01:00.1"].map(|at| Event::Add(bdf(at)));
    let world = World::of(&groups);
    let run = |events: &[Event]| world.play(Algorithm::DeviceAdd, events).groups.len();
    assert_eq!(run(&[&adds[..], &[Event::Ready(None)]].concat()), 2);
    assert_eq!(run(&[&[Event::Ready(None)], &adds[..]].concat()), 3);
    // Cut down, it is one function that is added later than the others.
    assert_eq!(world.breaking(Algorithm::DeviceAdd).schedule, Some(vec![Event::Add(bdf("01:00.1"))]));
    assert_eq!(shown(&groups), "00:01.0 | 01:00.0,01:00.1");
}

// -- with firmware --

fn at(offset: u32) -> Origin {
    Origin::acpi(Format::Iort, Source::IORT.at(offset))
}

fn iommu(kind: IommuKind, group_rule: GroupRule) -> Iommu {
    let mut iommu = Iommu::new(at(0x30), kind, None);
    (iommu.cells, iommu.group_rule) = (Some(2), group_rule);
    iommu
}

fn requester(kind: RequesterKind) -> Requester {
    Requester::new(at(0x90), kind)
}

/// A PCI host whose requester IDs `first..=last` become themselves plus an offset.
fn host(mask: Option<u32>, ranges: &[(u32, u32, u32)]) -> Requester {
    let mapping = |&(first, last, output): &(u32, u32, u32)| {
        IdMapping::new(InputIds { first, last }, Output::Linear(output), IommuIndex(0))
    };
    let mut streams: IdTable = ranges.iter().map(mapping).collect();
    streams.mask = mask;
    requester(RequesterKind::Bus(IdBus::new(BusKind::pci(Segment(0)), Some(streams))))
}

/// A master with ids and masks at the only IOMMU.
fn master(ids: &[(u32, u32)]) -> Requester {
    let master = ids
        .iter()
        .fold(PlatformMaster::default(), |master, (id, mask)| master.specifier(IommuIndex(0), &[*id, *mask]));
    requester(RequesterKind::Master(master))
}

fn groups(source: Source, iommu: Iommu, requesters: Vec<Requester>) -> Groups {
    builder(source, iommu, requesters).build()
}

fn builder(source: Source, iommu: Iommu, requesters: Vec<Requester>) -> GroupsBuilder {
    let mut platform = Platform::default();
    (platform.source, platform.iommus, platform.requesters) = (Some(source), vec![iommu], requesters);
    Groups::builder().map(IdMap::build(&platform, Dialect::LINUX))
}

fn smmu_v3() -> Iommu {
    iommu(IommuKind::SmmuV3 { model: 0 }, GroupRule::PerDevice)
}

fn smmu_v2() -> Iommu {
    iommu(IommuKind::SmmuV2(SmmuModel::Mmu500), GroupRule::SharedStreamMapping)
}

/// Two cards behind a PCIe-to-PCI bridge.
fn two_cards() -> [Device; 4] {
    [
        port("00:01.0", PortType::RootPort, 4).acs(AcsFlags::ISOLATED),
        port("04:00.0", PortType::PcieToPci, 5),
        conventional("05:01.0"),
        conventional("05:02.0"),
    ]
}

#[test]
fn the_second_device_with_a_stream_id_is_refused_by_the_kernel_and_grouped_here() {
    // drivers/iommu/arm/arm-smmu-v3 arm_smmu_insert_master
    let groups = add(groups(Source::IORT, smmu_v3(), vec![host(None, &[(0, 0xffff, 0)])]), &two_cards());
    assert_eq!(shown(&groups), "00:01.0 | 04:00.0,05:01.0,05:02.0");
    let placed = groups.placement(key("05:01.0")).unwrap().fwspec.unwrap();
    let ids: Vec<u32> = placed.ids.iter().map(|stream| stream.id.unwrap().0).collect();
    assert_eq!(ids, [0x508, 0x500]);
    let answers = groups.kernel_answers(None);
    assert_eq!(answers[2], (key("05:01.0"), KernelAnswer::Grouped));
    assert_eq!(answers[3], (key("05:02.0"), KernelAnswer::RefusedAlias { owner: key("05:01.0") }));
}

#[test]
fn an_alias_that_no_map_covers_costs_the_whole_record_on_device_tree_and_the_rest_of_it_on_acpi() {
    // drivers/iommu/of_iommu.c of_iommu_configure, drivers/acpi/arm64/iort.c iort_iommu_configure_id
    let without_alias = [(0, 0x4ff, 0), (0x501, 0xffff, 0x501)];
    let acpi = add(groups(Source::IORT, smmu_v3(), vec![host(None, &without_alias)]), &two_cards());
    assert_eq!(shown(&acpi), "00:01.0 | 04:00.0,05:01.0,05:02.0");
    assert!(acpi.kernel_answers(None).iter().all(|(_, answer)| *answer == KernelAnswer::Grouped));
    let tree = add(groups(Source::DTB, smmu_v3(), vec![host(None, &without_alias)]), &two_cards());
    assert_eq!(tree.kernel_answers(None)[2].1, KernelAnswer::RefusedMap);
    let how = tree.placement(key("05:01.0")).unwrap().how;
    assert_eq!(how, How::Joined, "it reaches the IOMMU all the same");
}

#[test]
fn a_device_that_no_map_covers_has_no_group_and_taints_those_that_it_is_not_isolated_from() {
    // drivers/iommu/iommu.c iommu_init_device
    let without_cards = [(0, 0x4ff, 0)];
    let groups = add(groups(Source::IORT, smmu_v3(), vec![host(None, &without_cards)]), &two_cards());
    assert_eq!(shown(&groups), "00:01.0 | 04:00.0");
    assert_eq!(groups.kernel_answers(None)[2].1, KernelAnswer::Untranslated);
    assert_eq!(groups.why_none(key("05:01.0")), Some(NoStream::Unmapped { input: 0x508 }));
    let group = groups.groups().find(|group| group.leader() == Some(key("04:00.0"))).unwrap();
    let mut tainted_by: Vec<_> = group.tainted_by().collect();
    tainted_by.sort_unstable();
    assert_eq!(tainted_by, [key("05:01.0"), key("05:02.0")]);
}

#[test]
fn a_masked_map_gives_eight_functions_one_id_which_an_smmu_v2_groups_and_an_smmu_v3_refuses() {
    let functions: Vec<Device> = (0..8)
        .map(|function| Device::endpoint(Bdf::new(Segment(0), 0, 2, function)).acs(AcsFlags::ISOLATED))
        .collect();
    let masked = |iommu| builder(Source::DTB, iommu, vec![host(Some(0xfff8), &[(0, 0xffff, 0)])]);
    let v2 = add(masked(smmu_v2()).build(), &functions);
    assert_eq!(v2.groups().count(), 1);
    let tie = v2.groups().next().unwrap().ties().next().unwrap().tie;
    assert!(matches!(tie, Tie::SharedStreamId { iommu: IommuIndex(0), .. }));
    let v3 = add(masked(smmu_v3()).build(), &functions);
    let refused =
        |(_, answer): &(DeviceKey, KernelAnswer)| matches!(answer, KernelAnswer::RefusedAlias { .. });
    assert_eq!(v3.kernel_answers(None).iter().filter(|answer| refused(answer)).count(), 7);
    let strict = add(masked(smmu_v3()).policy(Policy::Strict).build(), &functions);
    assert_eq!(strict.groups().count(), 1, "the SMMU cannot tell them apart");
}

fn masters(rule: Iommu, ids: &[&[(u32, u32)]]) -> Vec<usize> {
    let requesters: Vec<Requester> = ids.iter().map(|ids| master(ids)).collect();
    let devices: Vec<Device> =
        (0..u32::try_from(ids.len()).unwrap()).map(|at| Device::platform(RequesterIndex(at))).collect();
    let mut sizes: Vec<usize> = add(groups(Source::DTB, rule, requesters), &devices)
        .groups()
        .map(|group| group.members().count())
        .collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn masters_whose_stream_mappings_meet_share_a_group() {
    // drivers/iommu/arm/arm-smmu/arm-smmu.c arm_smmu_find_sme, arm_smmu_device_group
    assert_eq!(masters(smmu_v2(), &[&[(0x400, 0x7f)], &[(0x410, 0)], &[(0x480, 0)]]), [1, 2]);
    assert_eq!(masters(smmu_v2(), &[&[(0x410, 0)], &[(0x480, 0)], &[(0x400, 0x7f)]]), [1, 2]);
    assert_eq!(masters(smmu_v2(), &[&[(0x400, 0x0f)], &[(0x408, 0xf0)]]), [2]);
    assert_eq!(masters(smmu_v2(), &[&[(0x400, 0x0f)], &[(0x410, 0x20)]]), [1, 1]);
}

#[test]
fn a_mapping_that_meets_several_unites_them_all() {
    // arm_smmu_device_group() keeps the value of the last entry: with [G, none] it overwrites G.
    assert_eq!(masters(smmu_v2(), &[&[(1, 0)], &[(2, 0)], &[(1, 0), (7, 0), (2, 0)]]), [3]);
    assert_eq!(masters(smmu_v2(), &[&[(1, 0)], &[(2, 0)], &[(3, 0)], &[(0, 3)]]), [4]);
    assert_eq!(masters(smmu_v2(), &[&[(0, 3)], &[(1, 0)], &[(2, 0)], &[(0, 3)]]), [4]);
}

#[test]
fn some_drivers_have_one_group_for_the_whole_iommu() {
    let instance = iommu(IommuKind::Other("rockchip"), GroupRule::Instance);
    assert_eq!(masters(instance, &[&[(1, 0)], &[(2, 0)], &[(3, 0)]]), [3]);
    // drivers/iommu/mtk_iommu.c mtk_iommu_device_group: a bank, whatever the larbs
    const TWO: Regions = Regions { list: None, regions: &[&[(0, !0), (1, !0)], &[(4, !0)]], banks: &[] };
    let regions = iommu(IommuKind::Other("mediatek"), GroupRule::Regions(&TWO));
    assert_eq!(masters(regions, &[&[(0x05, 0)], &[(0x20, 0), (0x21, 0)], &[(0x80, 0)]]), [1, 2]);
    // drivers/iommu/tegra-smmu.c tegra_smmu_device_group: a swgroup, or a set of them
    let swgroups = iommu(IommuKind::Other("tegra"), GroupRule::FirstIdSet(&[]));
    assert_eq!(masters(swgroups, &[&[(1, 0)], &[(2, 0)], &[(1, 0)], &[(24, 0)]]), [1, 1, 2]);
    let set = || iommu(IommuKind::Other("tegra"), GroupRule::FirstIdSet(&[1, 2, 24]));
    assert_eq!(masters(set(), &[&[(1, 0)], &[(5, 0)], &[(2, 0)], &[(24, 0)], &[(5, 0)]]), [2, 3]);
    // Of several ids the first alone is looked at.
    assert_eq!(masters(set(), &[&[(24, 0)], &[(3, 0)], &[(1, 0), (3, 0)]]), [1, 2]);
    // drivers/iommu/apple-dart.c apple_dart_device_group: any stream
    let dart = iommu(IommuKind::Other("apple-dart"), GroupRule::SharedId);
    assert_eq!(masters(dart, &[&[(1, 0)], &[(2, 0)], &[(3, 0), (1, 0)]]), [1, 2]);
    let indistinct = iommu(IommuKind::Other("exynos"), GroupRule::Indistinct);
    assert_eq!(masters(indistinct, &[&[(1, 0)], &[(2, 0)]]), [2]);
    assert_eq!(masters(smmu_v3(), &[&[(1, 0)], &[(2, 0)], &[(3, 0)]]), [1, 1, 1]);
}

#[test]
fn what_only_the_firmware_could_change_is_said_so() {
    let isolation_blockers = |iommu: Iommu, ids: &[&[(u32, u32)]], policy| {
        let requesters = ids.iter().map(|ids| master(ids)).collect();
        let devices: Vec<Device> =
            (0..u32::try_from(ids.len()).unwrap()).map(|at| Device::platform(RequesterIndex(at))).collect();
        let groups = add(builder(Source::DTB, iommu, requesters).policy(policy).build(), &devices);
        let found = groups.isolation_blockers(devices[0].key());
        found.iter().map(|found| (found.by, found.relation, found.remedy)).collect::<Vec<_>>()
    };
    let other = DeviceKey::Node(RequesterIndex(1));
    let ids: &[&[(u32, u32)]] = &[&[(0x400, 0x7f)], &[(0x410, 0)], &[(0x480, 0)]];
    let stream = [(other, Relation::Stream, Remedy::Firmware)];
    assert_eq!(isolation_blockers(smmu_v2(), ids, Policy::Linux), stream);
    let same: &[&[(u32, u32)]] = &[&[(1, 0)], &[(1, 0)], &[(2, 0)]];
    assert_eq!(isolation_blockers(smmu_v3(), same, Policy::Linux), [], "Linux refuses the second");
    assert_eq!(isolation_blockers(smmu_v3(), same, Policy::Strict), stream);
    let instance = iommu(IommuKind::Other("rockchip"), GroupRule::Instance);
    assert_eq!(
        isolation_blockers(instance, same, Policy::Linux),
        [(other, Relation::Driver, Remedy::Wiring)]
    );
}

#[test]
fn one_stream_id_beyond_the_table_costs_the_whole_smmu() {
    // drivers/iommu/iommu.c probe_iommu_group, bus_iommu_probe
    let wide = vec![host(None, &[(0, 0x4ff, 0), (0x500, 0xffff, 0x1_0500)])];
    let groups = add(groups(Source::IORT, smmu_v3(), wide), &two_cards());
    assert!(groups.kernel_answers(Some(16)).iter().all(|(_, answer)| *answer == KernelAnswer::SmmuFails
        || matches!(answer, KernelAnswer::RefusedAlias { .. })));
    assert_eq!(groups.kernel_answers(Some(17))[0].1, KernelAnswer::Grouped);
}

#[test]
fn a_device_waits_for_its_iommu_and_nothing_else_changes() {
    // drivers/iommu/iommu.c bus_iommu_probe
    let groups = builder(Source::IORT, smmu_v3(), vec![host(None, &[(0, 0xffff, 0)])]);
    let mut groups = groups.awaiting_iommus(true).build();
    for device in two_cards().iter().rev() {
        let placed = groups.add(*device).unwrap();
        assert!(placed.group.is_none());
    }
    assert_eq!(groups.placement(key("05:02.0")).unwrap().how, How::Waiting { iommu: IommuIndex(0) });
    groups.iommu_ready(IommuIndex(0));
    assert_eq!(shown(&groups), "00:01.0 | 04:00.0,05:01.0,05:02.0");
}
