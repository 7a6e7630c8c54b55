//! What boards have and drivers make of it: `tests/field`, small trees that were re-created from public reports, each with the right
//! value.

use fwspec::answer::{
    Answer, AuditDocument, Explained, GroupsDocument, LookupResult, PlatformDocument, SimulateDocument,
};
use fwspec::diff::{Difference, Side, diff};
use fwspec::dt::Tree;
use fwspec::group::Policy;
use fwspec::lint::{self, Code, Finding, Severity, audit};
use fwspec::machine::{Firmware, Machine};
use fwspec::map::NoStream;
use fwspec::model::{IommuKind, RegionKind, RequesterKind, SmmuModel};
use fwspec::simulate::{Algorithm, World};
use fwspec::{Device, DeviceKey, Dialect, ErrorKind, Groups, IdMap, IommuIndex, Platform, RequesterIndex};

fn blob(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/field/");
    std::fs::read(format!("{path}{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn platform(name: &str) -> Platform {
    Tree::parse(&blob(name)).unwrap().platform().unwrap()
}

fn map(platform: &Platform) -> IdMap {
    IdMap::build(platform, Dialect::LINUX)
}

/// The index of a requester, by its path; of two at one node the master.
fn at(platform: &Platform, path: &str) -> u32 {
    let found = platform.requesters.iter().rposition(|one| platform.label(one.origin).to_string() == path);
    u32::try_from(found.unwrap_or_else(|| panic!("no requester {path}"))).unwrap()
}

/// The ids of a master's record, as Linux keeps them.
fn ids(platform: &Platform, path: &str) -> Result<Vec<u32>, NoStream> {
    let outcome = map(platform).fwspec(RequesterIndex(at(platform, path)).into());
    let ids = outcome.fwspec.map(|record| record.ids.iter().filter_map(|id| id.fwspec_id()).collect());
    ids.ok_or_else(|| outcome.refused.unwrap())
}

/// The masters that are there, group by group; those without a group come last, each alone in brackets.
fn groups(platform: &Platform) -> String {
    let mut groups = Groups::new(map(platform));
    let mut names = std::collections::BTreeMap::new();
    for (index, requester) in (0..).zip(&platform.requesters) {
        if requester.available && matches!(requester.kind, RequesterKind::Master(_)) {
            let device = Device::platform(RequesterIndex(index));
            groups.add(device).unwrap();
            names.insert(device.key(), platform.label(requester.origin).short().to_string());
        }
    }
    let mut shown = Vec::new();
    let mut alone = Vec::new();
    let mut done = std::collections::BTreeSet::new();
    for (key, name) in &names {
        let Some(group) = groups.group_of(*key) else {
            alone.push(format!("[{name}]"));
            continue;
        };
        if done.insert(group) {
            let mut members: Vec<DeviceKey> = groups.members(group).collect();
            members.sort_unstable();
            shown.push(members.iter().map(|key| names[key].clone()).collect::<Vec<_>>().join(","));
        }
    }
    shown.extend(alone);
    shown.join(" | ")
}

// -- the driver that binds --

#[test]
fn every_jetson_since_2017_has_an_mmu_500() {
    let platform = platform("dt/01-tegra234-smmu.dtb");
    assert_eq!(platform.iommus[0].kind, IommuKind::SmmuV2(SmmuModel::Mmu500));
    assert_eq!(ids(&platform, "/eth@20000"), Ok(vec![0x7f80_0014]));
    // 0x14 and 0x94 are one stream under the mask 0x7f80.
    assert_eq!(groups(&platform), "eth@20000,dma@30000 | usb@40000,sdhci@50000");
}

#[test]
fn stream_match_mask_is_in_the_id_of_a_jetson() {
    let platform = platform("kernel/tegra234.dtb");
    assert_eq!(ids(&platform, "/dev@1000"), Ok(vec![0x7f80_0007]));
    assert_eq!(ids(&platform, "/dev@3000"), Ok(vec![0x7f80_0087]));
    assert_eq!(groups(&platform), "dev@1000,dev@2000,dev@3000");
}

#[test]
fn nothing_translates_for_an_unknown_binding_or_grant_dma() {
    let platform = platform("kernel/unk.dtb");
    assert_eq!(platform.iommus[0].driver, None);
    assert_eq!(ids(&platform, "/dev@1000"), Err(NoStream::NoDriver { iommu: IommuIndex(0) }));
    assert_eq!(ids(&platform, "/dev@2000"), Err(NoStream::NoDriver { iommu: IommuIndex(1) }));
    assert_eq!(groups(&platform), "[dev@1000] | [dev@2000]");
    let spec = IdMap::build(&platform, Dialect::SPEC);
    assert!(spec.fwspec(RequesterIndex(0).into()).fwspec.is_some(), "the specification knows no drivers");
}

// -- what is not there --

#[test]
fn below_a_disabled_node_there_is_no_device() {
    let platform = platform("dt/04-disabled-parent.dtb");
    let there: Vec<String> = (platform.requesters.iter().filter(|one| one.available))
        .map(|one| platform.label(one.origin).to_string())
        .collect();
    assert_eq!(there, ["/dma2@7000", "/dma3@8000"]);
    let usable: Vec<bool> = platform.iommus.iter().map(|iommu| iommu.available).collect();
    assert_eq!(usable, [false, true, false]);
    assert_eq!(ids(&platform, "/dma2@7000"), Ok(vec![1]));
    assert_eq!(ids(&platform, "/dma3@8000"), Err(NoStream::IommuUnavailable { iommu: IommuIndex(2) }));
}

#[test]
fn a_master_is_known_by_its_iommu_where_there_are_no_ids() {
    let platform = platform("dt/05-zero-cell-lookup.dtb");
    assert_eq!(ids(&platform, "/vdpu@fdb50400"), Ok(vec![]));
    assert_eq!(groups(&platform), "vdpu@fdb50400,vepu@fdb50000");
}

#[test]
fn only_an_smmu_lists_masters_in_the_way_of_old() {
    let platform = platform("dt/07-mmu-masters-not-an-smmu.dtb");
    let iommus: Vec<String> =
        platform.iommus.iter().map(|iommu| platform.label(iommu.origin).to_string()).collect();
    assert_eq!(iommus, ["/iommu@12000000"]);
    assert_eq!(ids(&platform, "/sdhci@3460000"), Ok(vec![0x17]));
    assert_eq!(platform.skipped, []);
}

#[test]
fn the_node_of_a_pci_function_is_no_master() {
    let platform = platform("dt/17-iommu-map-below-pci.dtb");
    let all: Vec<String> =
        platform.requesters.iter().map(|one| platform.label(one.origin).to_string()).collect();
    assert_eq!(all, ["/pcie@2c00000"]);
}

#[test]
fn a_phandle_of_0_leaves_the_other_spelling() {
    let platform = platform("suites/phandle-zero-first.dtb");
    assert!(!platform.skipped.iter().any(|error| matches!(error.kind, ErrorKind::PhandleUnknown { .. })));
}

// -- reserved regions --

#[test]
fn iommu_addresses_go_through_dma_ranges() {
    let platform = platform("dt/09-iommu-addresses.dtb");
    let regions: Vec<_> = platform
        .reserved
        .iter()
        .filter(|one| one.requester.is_some())
        .map(|one| (platform.label(one.origin).short().to_string(), one.kind, one.regions[0].base))
        .collect();
    let expected = [
        ("fb@1000".to_string(), RegionKind::Direct, 0x1000),
        ("fb@40001000".to_string(), RegionKind::Reserved, 0x1000),
    ];
    assert_eq!(regions, expected);
    let skipped: Vec<_> = platform.skipped.iter().map(|error| error.kind).collect();
    assert_eq!(skipped, [ErrorKind::RegionMoved { entry: 0, iova: 0x1000 }]);
}

#[test]
fn regions_of_a_pci_function_have_addresses_of_three_cells() {
    let firmware = firmware("dt/09-iommu-addresses.dtb");
    let of_function = firmware.platform.reserved.iter().find(|one| one.requester.is_none()).unwrap();
    let regions: Vec<(u64, u64)> = of_function.regions.iter().map(|one| (one.base, one.length)).collect();
    assert_eq!(regions, [(0, 0x1800_0000), (0xb000_0000, 0x5000_0000)]);
    assert_eq!((of_function.functions[0].segment.0, of_function.functions[0].first.0), (0, 0x100));
    let document = PlatformDocument::new(&firmware, &map(&firmware.platform));
    let named = document.reserved.iter().filter_map(|one| one.requester.as_deref());
    assert!(named.eq(["/bus/dc@20000", "/bus/dc@20000", "0000:01:00.0"]));
}

#[test]
fn an_address_above_4_gib_is_told_whole() {
    let platform = platform("dt/10-iova-above-4g-message.dtb");
    assert!(platform.skipped[0].kind.to_string().contains("0x840001000"), "{}", platform.skipped[0].kind);
}

#[test]
fn a_driver_that_lists_no_regions_maps_none() {
    let platform = platform("kernel/resv.dtb");
    let mut lists = platform.iommus.iter().map(|iommu| iommu.driver.unwrap().lists_regions);
    assert_eq!((lists.next(), lists.next()), (Some(true), Some(false)));
    let ignored = platform.reserved.iter().map(|one| platform.ignores_region(one).map(|driver| driver.name));
    assert!(ignored.eq([None, Some("rk_iommu")]));
    // It stays open for nobody.
    let audit = audit::audit(&platform, &map(&platform), None);
    assert_eq!(audit.always_mapped.len(), 1);
}

// -- names --

fn firmware(name: &str) -> Firmware {
    Firmware::open(name, blob(name)).unwrap()
}

fn machine(name: &str) -> Machine {
    let mut machine = Machine::default();
    machine.firmware = Some(firmware(name));
    machine
}

#[test]
fn devices_have_the_names_that_people_know() {
    let firmware = firmware("dt/names.dtb");
    for (name, meant) in [
        // What Linux calls the platform device: its address in memory, which is not the one in its node's name.
        ("fdd90000.vop", "/soc/vop@d90000"),
        ("fed90000.vop", "/soc@1/vop@d90000"),
        ("fe900000.2.gpu", "/soc@1/gpu@900000"),
        ("soc:codec", "/soc/codec"),
        ("fa000000.pcie", "/pcie@fa000000"),
        // Labels, and an alias.
        ("vop", "/soc/vop@d90000"),
        ("&vop", "/soc/vop@d90000"),
        ("vop1", "/soc@1/vop@d90000"),
        ("gpu0", "/soc@1/gpu@900000"),
        ("&wifi", "/pcie@fa000000/wifi@1,0"),
        // Names of nodes.
        ("codec", "/soc/codec"),
        ("gpu@900000", "/soc@1/gpu@900000"),
        ("wifi@1,0", "/pcie@fa000000/wifi@1,0"),
    ] {
        assert_eq!(firmware.meant(name), [meant], "{name}");
    }
    for nobody in ["d90000.vop", "&gpu0", "&none", "none", "soc", "iommu@ff901000", "codec.soc"] {
        assert_eq!(firmware.meant(nobody), [""; 0], "{nobody}");
    }
    let function = firmware.pci_function_named("&wifi").unwrap().1;
    assert_eq!(function, Some(fwspec::RequesterId(0x8)));
}

#[test]
fn a_name_that_two_devices_have_lists_them() {
    let firmware = firmware("dt/names.dtb");
    assert_eq!(firmware.meant("vop@d90000"), ["/soc/vop@d90000", "/soc@1/vop@d90000"]);
    let map = map(&firmware.platform);
    for question in ["vop@d90000", "vop@d90000:01:00.0"] {
        let found = LookupResult::new(question, &question.parse().unwrap(), &firmware, &map);
        assert!(!found.found());
        assert!(found.reason.unwrap().contains("/soc/vop@d90000, /soc@1/vop@d90000"));
    }
}

#[test]
fn a_master_without_ids_is_found_at_its_iommu() {
    let firmware = firmware("dt/05-zero-cell-lookup.dtb");
    let map = map(&firmware.platform);
    let found = LookupResult::new("", &"vdpu@fdb50400".parse().unwrap(), &firmware, &map);
    assert!(found.found());
    let Answer::Node { streams, .. } = &found.answer else { panic!("a node") };
    assert_eq!((streams[0].id, streams[0].iommu.name.as_str()), (None, "/iommu@fdb50800"));
}

// -- what changed --

/// What differs between a tree and itself with some bytes replaced.
fn changes(from: &[u8], to: &[u8]) -> Vec<Difference> {
    let before = blob("dt/facts.dtb");
    let mut after = before.clone();
    let starts = 0..=after.len() - from.len();
    for at in starts.filter(|at| before[*at..].starts_with(from)) {
        after[at..at + to.len()].copy_from_slice(to);
    }
    assert!(before != after);
    let platforms = [&before, &after].map(|blob| Tree::parse(blob).unwrap().platform().unwrap());
    let [a, b] = [0, 1].map(|at| map(&platforms[at]));
    let [before, after] = [(0, &a), (1, &b)].map(|(at, map)| Side { platform: &platforms[at], map });
    diff(before, after, |_| true)
}

#[test]
fn a_master_that_loses_its_iommu_is_a_difference() {
    // A driver no longer binds to its IOMMU; the IOMMU itself is still there.
    let [Difference::Master { name, added: false, .. }] = &changes(b"rockchip,iommu", b"acme-chip,iommu")[..]
    else {
        panic!("one master")
    };
    assert_eq!(name, "/vop@3000");
    let lost = changes(b"iommus", b"xommus");
    let names = lost.iter().filter_map(|change| match change {
        Difference::Master { name, added: false, .. } => Some(name.as_str()),
        _ => None,
    });
    assert!(names.eq(["/bus/dev@1000", "/bus/dev@2000", "/vop@3000"]));
}

#[test]
fn a_master_that_loses_its_coherence_or_its_reach_is_a_difference() {
    let fact = |name: &str, fact, before: &str, after: &str| Difference::Fact {
        name: name.into(),
        fact,
        before: before.into(),
        after: after.into(),
    };
    let coherent = |name| fact(name, "coherent", "coherent", "not said to be coherent");
    assert_eq!(
        changes(b"dma-coherent", b"xma-coherent"),
        [coherent("segment 0000"), coherent("/bus/dev@1000")]
    );
    // 64 GiB of bus addresses become 4 GiB.
    let limit = |name| fact(name, "dma-limit", "DMA up to 0xfffffffff", "DMA up to 0xffffffff");
    let lower = changes(&[0, 0, 0, 0x10, 0, 0, 0, 0], &[0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(lower, [limit("/bus/dev@1000"), limit("/bus/dev@2000")]);
}

// -- findings --

fn findings(name: &str) -> Vec<Finding> {
    let blob = blob(name);
    let tree = Tree::parse(&blob).unwrap();
    lint::tree(&tree, &tree.platform().unwrap())
}

#[test]
fn what_a_board_leaves_out_on_purpose_is_no_warning() {
    for name in ["dt/13-disabled-port.dtb", "dt/14-mask-audit-long.dtb"] {
        let found = findings(name);
        assert!(found.iter().all(|finding| finding.severity == Severity::Info), "{name}: {found:#?}");
    }
    let masked = findings("dt/14-mask-audit-long.dtb");
    let hole = masked.iter().find(|finding| finding.code == Code::DmaHole).unwrap();
    assert!(hole.message.starts_with("ids 0x1 to 0xff, 0x107 to 0x1ff, after the mask 0x1ff, of"), "{hole}");
}

#[test]
fn a_map_of_four_cells_that_linux_refuses_says_who_reads_it_as_meant() {
    let found = findings("suites/four-cells-for-zero-cell-iommu.dtb");
    let cut = found.iter().find(|finding| finding.code == Code::EntryCut).unwrap();
    let note = &cut.related[0].note;
    assert!(note.contains("kernels before 7.3, and U-Boot, read four cells"), "{note}");
    assert!(note.contains("0x10 is StreamID 0x0 of iommu@0"), "{note}");
}

#[test]
fn a_record_with_two_smmus_is_the_fault_and_not_what_they_share() {
    let found = findings("kernel/v3multi.dtb");
    let codes: Vec<Code> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::SeveralInstances]);
}

#[test]
fn iommus_and_maps_of_pci_functions_are_warned_of() {
    let ignored = findings("dt/17-iommu-map-below-pci.dtb");
    assert_eq!(ignored.iter().filter(|finding| finding.code == Code::IgnoredOnPci).count(), 2);
}

// -- groups of drivers --

#[test]
fn masters_of_one_stream_of_a_dart_are_one_group() {
    assert_eq!(groups(&platform("kernel/dart.dtb")), "dev@1000,dev@2000 | dev@3000");
}

#[test]
fn masters_of_a_mediatek_unit_are_grouped_by_region() {
    assert_eq!(groups(&platform("kernel/mtk.dtb")), "dev@1000 | dev@2000 | dev@3000");
}

#[test]
fn of_the_swgroups_of_a_tegra_master_the_first_is_looked_at() {
    assert_eq!(groups(&platform("kernel/tegra.dtb")), "dev@1000 | dev@2000");
}

// -- what the kernel does --

/// What Linux does with each master, in the order of the tree.
fn kernel(platform: &Platform) -> Vec<&'static str> {
    let mut groups = Groups::new(map(platform));
    for index in 0..u32::try_from(platform.requesters.len()).unwrap() {
        groups.add(Device::platform(RequesterIndex(index))).unwrap();
    }
    groups.kernel_answers(None).iter().map(|(_, answer)| answer.word()).collect()
}

#[test]
fn a_wider_stream_match_after_a_narrow_one_is_refused_and_costs_the_smmu() {
    assert_eq!(kernel(&platform("kernel/smr3.dtb")), ["smmu-fails", "refused-overlap"]);
}

#[test]
fn ids_of_two_groups_are_refused_and_a_group_is_lost_over_a_last_id() {
    let mut platform = platform("kernel/s2cr.dtb");
    let all = ["smmu-fails", "smmu-fails", "refused-two-groups", "smmu-fails", "smmu-fails"];
    assert_eq!(kernel(&platform), all);
    // Devices that a driver makes later fail alone.
    platform.requesters[2].made_by_driver = true;
    let alone = ["grouped", "grouped", "refused-two-groups", "grouped", "group-lost"];
    assert_eq!(kernel(&platform), alone);
}

#[test]
fn a_master_and_a_function_that_share_a_streamid_come_in_the_order_of_the_buses() {
    // The platform bus comes first when an SMMU registers, whatever was named first (linux iommu_buses).
    let mut machine = machine("dt/names.dtb");
    machine.devices = vec![Device::endpoint("0000:00:02.0".parse().unwrap())];
    let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    let document =
        GroupsDocument::new(&groups, machine.firmware.as_ref().map(|one| &one.platform), None, vec![]);
    let of = |name: &str| document.devices.iter().find(|device| device.device == name).unwrap();
    assert_eq!(of("/soc@1/usb@a00000").kernel, "grouped");
    assert_eq!(of("0000:00:02.0").kernel, "refused-alias");
    assert_eq!(of("0000:00:02.0").refused_for.as_deref(), Some("/soc@1/usb@a00000"));
    let found = lint::groups(
        &groups,
        groups.map().map(|_| &machine.firmware.as_ref().unwrap().platform).unwrap(),
        None,
    );
    let shared: Vec<_> = found.iter().filter(|one| one.code == Code::DevicesShareStream).collect();
    assert_eq!(shared.len(), 1);
    assert!(
        shared[0].message.starts_with("0000:00:02.0 and /soc@1/usb@a00000 both use StreamID "),
        "{}",
        shared[0]
    );
}

#[test]
fn an_audit_tells_what_linux_refuses() {
    let machine = machine("kernel/s2cr.dtb");
    let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    let platform = &machine.firmware.as_ref().unwrap().platform;
    let audit = audit::audit(platform, groups.map().unwrap(), Some(&groups));
    let document = AuditDocument::new("", platform, Dialect::LINUX, Policy::Linux, &audit, vec![]);
    let refused = document.refused.iter().find(|one| one.device == "/dev@3000").unwrap();
    assert_eq!(refused.kernel, "refused-two-groups");
    assert!(refused.detail.contains("/dev@1000 and with /dev@2000"), "{}", refused.detail);
    assert_eq!(document.refused.iter().filter(|one| one.kernel == "smmu-fails").count(), 4);
}

#[test]
fn an_explanation_shows_the_entries_of_the_stream_map() {
    let firmware = firmware("kernel/s2cr.dtb");
    let maps = [map(&firmware.platform)];
    let of = |name: &str| Explained::all(name, &firmware, &maps, None).unwrap().remove(0);
    let refused = of("/dev@3000");
    assert!(refused.ways.last().unwrap().reason.as_ref().unwrap().contains("which are in two groups"));
    let lost = of("/dev@5000");
    let entries: Vec<&str> = lost.ways.iter().filter_map(|way| Some(way.hops.get(1)?.at.as_str())).collect();
    assert_eq!(entries, ["stream map entry 2: 0x10, which /dev@4000 has", "stream map entry 3: 0x11"]);
    assert!(lost.ways.last().unwrap().reason.as_ref().unwrap().contains("its last StreamID decides"));
}

#[test]
fn a_simulation_hands_out_the_stream_map() {
    let machine = machine("kernel/s2cr.dtb");
    let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    let world = World::of(&groups);
    let of = |algorithm| SimulateDocument::new(&world, &groups, algorithm, &[], None);
    let lists = |document: &SimulateDocument| -> Vec<String> {
        document.groups.iter().map(|group| group.members.join(" ")).collect()
    };
    // Before v6.15 a device that is refused fails alone; since then with the SMMU.
    let probed = of(Algorithm::DriverProbe);
    assert_eq!(lists(&probed), ["/dev@1000", "/dev@2000", "/dev@4000", "/dev@5000"]);
    let outcomes: Vec<_> = probed.schedule.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, ["new", "new", "refused-two-groups", "new", "group-lost"]);
    let added = of(Algorithm::DeviceAdd);
    assert!(lists(&added).is_empty() && !added.as_closure);
    let closed = of(Algorithm::Closure);
    assert_eq!(lists(&closed), ["/dev@1000 /dev@2000 /dev@3000", "/dev@4000 /dev@5000"]);
    assert!(closed.as_closure);
}

// -- MSIs --

fn device_id(platform: &Platform, bdf: &str) -> Option<(String, u32)> {
    let request = map(platform).device_id_of(bdf.parse().unwrap())?;
    let controller = &platform.msi_controllers[request.controller.position()];
    Some((platform.label(controller.origin).short().to_string(), request.id.0))
}

#[test]
fn an_msi_map_is_looked_for_from_the_function_upward() {
    let board = platform("dt/15-msi-map-on-port.dtb");
    assert_eq!(device_id(&board, "0000:01:00.0"), Some(("its@16000000".into(), 0x40100)));
    assert_eq!(device_id(&board, "0001:01:00.0"), None);
    let board = platform("kernel/child.dtb");
    assert_eq!(device_id(&board, "0000:01:00.0"), Some(("msi@2000".into(), 0x5000)));
    assert_eq!(device_id(&board, "0000:00:01.0"), Some(("msi@1000".into(), 0x8)));
}

// -- other readers --

#[test]
fn the_bsds_read_four_cells_and_openbsd_one_entry() {
    let platform = platform("kernel/obsd.dtb");
    let id = |dialect: Dialect, rid| {
        let map = IdMap::build(&platform, dialect);
        let bdf = fwspec::Bdf { segment: fwspec::Segment(0), rid: fwspec::RequesterId(rid) };
        map.resolve(bdf).ok().and_then(fwspec::map::Stream::fwspec_id)
    };
    for dialect in [Dialect::OPENBSD, Dialect::FREEBSD, Dialect::XEN] {
        assert_eq!((id(dialect, 0x101), id(dialect, 0)), (Some(0x1c02), Some(0x1c00)), "{}", dialect.name);
    }
    assert_eq!(id(Dialect::LINUX, 0x101), None);
    let master = at(&platform, "/dev@1000");
    let ids = |dialect| IdMap::build(&platform, dialect).own_streams(RequesterIndex(master)).len();
    assert_eq!((ids(Dialect::OPENBSD), ids(Dialect::FREEBSD)), (1, 2));
}

// -- what Linux refuses at boot --

#[test]
fn linux_refuses_misaligned_blocks_and_versions_at_boot() {
    let refused = |name: &str| {
        let platform = platform(name);
        platform.skipped.iter().find_map(|error| match error.kind {
            ErrorKind::BootRefused(code) => Some((code, error.at.offset)),
            _ => None,
        })
    };
    assert_eq!(refused("suites/rsvmap-misaligned.dtb"), Some((19, 16)));
    assert_eq!(refused("suites/version-below-compatible.dtb"), Some((10, 20)));
    assert_eq!(refused("suites/name-terminated.dtb"), None);
}

#[test]
fn a_property_name_without_an_end_is_told() {
    let told = |name| {
        let platform = platform(name);
        platform.skipped.iter().any(|error| matches!(error.kind, ErrorKind::PropertyName(_)))
    };
    assert!(told("suites/name-unterminated.dtb"));
    assert!(!told("suites/name-terminated.dtb"));
}
