//! Devices that reach memory as others: behind an Intel VMD, in a DPRC container.

use fwspec::group::{KernelAnswer, Relation};
use fwspec::machine::{devices, lspci, of_unknown_vmd};
use fwspec::model::{
    BusKind, GroupRule, IdBus, IdMapping, Iommu, Origin, Output, Requester, RequesterKind, SmmuModel,
};
use fwspec::pci::PortType;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{
    AcsFlags, Bdf, Device, DeviceKey, Dialect, Groups, IdMap, InputIds, IommuIndex, IommuKind, Platform,
    RequesterIndex,
    error::Source,
    group::{Policy, Tie},
};

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn permutations(devices: &[Device]) -> Vec<Vec<Device>> {
    let Some((first, rest)) = devices.split_first() else { return vec![Vec::new()] };
    let with_first = |order: Vec<Device>| {
        (0..=order.len()).map(move |at| [&order[..at], &[*first], &order[at..]].concat())
    };
    permutations(rest).into_iter().flat_map(with_first).collect()
}

const VMD: &str = "0000:00:0e.0";

/// A VMD with two ports that isolate and a drive behind each.
fn vmd() -> Vec<Device> {
    let port = |at, bus: u8| {
        Device::port(bdf(at), PortType::RootPort, bus..=bus).acs(AcsFlags::ISOLATED).real_dma(bdf(VMD))
    };
    vec![
        Device::endpoint(bdf(VMD)),
        port("10000:e0:06.0", 0xe1),
        port("10000:e0:07.0", 0xe2),
        Device::endpoint(bdf("10000:e1:00.0")).real_dma(bdf(VMD)),
        Device::endpoint(bdf("10000:e2:00.0")).real_dma(bdf(VMD)),
        Device::endpoint(bdf("0000:00:0f.0")),
    ]
}

/// linux drivers/pci/search.c `pci_real_dma_dev`, `pci_for_each_dma_alias`
#[test]
fn what_is_behind_a_vmd_is_in_its_group_in_every_order() {
    for order in permutations(&vmd()) {
        let mut groups = Groups::without_firmware();
        for device in &order {
            groups.add(*device).unwrap();
        }
        let mut sizes: Vec<usize> = groups.groups().map(|group| group.members().count()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 5], "{order:?}");
    }
    let mut groups = Groups::without_firmware();
    vmd().into_iter().for_each(|device| assert!(groups.add(device).is_ok()));
    let drive = bdf("10000:e1:00.0");
    assert!(groups.aliases(drive).map(|alias| alias.rid).eq([bdf(VMD).rid]));
    let chain: Vec<Tie> = groups.why(drive.into(), bdf(VMD).into()).map(|reason| reason.tie).collect();
    assert!(chain.iter().all(|tie| *tie == Tie::RealDma(bdf(VMD))), "{chain:?}");
    let found = groups.isolation_blockers(drive.into());
    assert_eq!((found[0].by, found[0].relation), (bdf(VMD).into(), Relation::Alias));
    // Linux's own search starts at the endpoint, too.
    let world = World::of(&groups);
    let turns: Vec<Event> =
        world.functions().iter().map(|device| Event::Turn { device: *device, scanned_late: false }).collect();
    assert!(!world.is_broken(&world.play(Algorithm::DeviceAdd, &turns)));
    // Without the endpoint they are still one.
    groups.remove(bdf(VMD).into()).unwrap();
    groups.recompute();
    let mut sizes: Vec<usize> = groups.groups().map(|group| group.members().count()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 4]);
}

/// Config space of a function: ids, class and header, nothing else.
fn dump(at: &str, vendor: u16, device: u16) -> String {
    let bytes = [vendor.to_le_bytes(), device.to_le_bytes()].concat();
    let hex: Vec<String> = bytes.iter().chain(&[0; 12]).map(|byte| format!("{byte:02x}")).collect();
    let zeros = ["00"; 16].join(" ");
    format!("{at} Example\n00: {}\n10: {zeros}\n20: {zeros}\n30: {zeros}\n\n", hex.join(" "))
}

#[test]
fn the_endpoint_of_a_vmd_is_recognised_where_there_is_one_and_missed_where_there_are_several() {
    let read = |text: &str| devices(&lspci::parse(text.as_bytes()).unwrap()).0;
    let drive = dump("10000:e1:00.0", 0x144d, 0xa80a);
    for id in [0x201d, 0x28c0, 0x467f, 0x4c3d, 0xa77f, 0x7d0b, 0xad0b, 0x9a0b, 0xb60b, 0xb06f] {
        let found = read(&format!("{}{drive}", dump(VMD, 0x8086, id)));
        assert_eq!(found[1].real_dma_device(), Some(bdf(VMD)), "{id:04x}");
        assert_eq!(found[0].real_dma_device(), None);
        assert_eq!(of_unknown_vmd(&found).count(), 0);
    }
    let several = format!("{}{}{drive}", dump(VMD, 0x8086, 0x201d), dump("0000:64:05.5", 0x8086, 0x201d));
    let found = read(&several);
    assert!(of_unknown_vmd(&found).eq([bdf("10000:e1:00.0")]));
    assert!(of_unknown_vmd(&read(&drive)).eq([bdf("10000:e1:00.0")]));
}

const MC: RequesterIndex = RequesterIndex(0);

fn on(id: u32) -> DeviceKey {
    DeviceKey::OnBus { bus: MC, id }
}

/// A bus of the type fsl-mc behind an SMMU, StreamID = ICID.
fn mc(kind: IommuKind, group_rule: GroupRule) -> IdMap {
    let at = |offset| Origin::node(Source::DTB.at(offset), None);
    let mut iommu = Iommu::new(at(0x100), kind, Some(0x500_0000));
    iommu.group_rule = group_rule;
    let mapping = IdMapping::new(InputIds { first: 0, last: 0xff }, Output::Linear(0), IommuIndex(0));
    let bus = IdBus::new(BusKind::Other, Some([mapping].into_iter().collect()));
    let mut platform = Platform::default();
    platform.source = Some(Source::DTB);
    platform.iommus = vec![iommu];
    platform.requesters = vec![Requester::new(at(0x200), RequesterKind::Bus(bus))];
    IdMap::build(&platform, Dialect::LINUX)
}

/// Two containers, two objects in the first and one in the second.
fn containers() -> Vec<Device> {
    let object = |id: u32, container| Device::on_bus(MC, id).in_container(on(container));
    let dprc = |icid| Device::on_bus(MC, icid);
    vec![dprc(0x17), dprc(0x18), object(0x1_0001, 0x17), object(0x2_0001, 0x17), object(0x1_0002, 0x18)]
}

/// linux drivers/bus/fsl-mc/fsl-mc-bus.c `fsl_mc_dma_configure`, drivers/iommu/iommu.c `fsl_mc_device_group`, which
/// `arm_smmu_device_group` calls.
#[test]
fn an_smmu_v2_has_one_group_for_each_container() {
    let smmu = IommuKind::SmmuV2(SmmuModel::Mmu500);
    for order in permutations(&containers()) {
        let mut groups = Groups::new(mc(smmu, GroupRule::SharedStreamMapping));
        order.iter().for_each(|device| assert!(groups.add(*device).unwrap().group.is_some()));
        let group = |id: u32| groups.group_of(on(id)).unwrap();
        assert_eq!([group(0x1_0001), group(0x2_0001)], [group(0x17); 2], "{order:?}");
        assert_eq!(group(0x1_0002), group(0x18));
        assert_eq!(groups.groups().count(), 2);
        let ids = groups.placement(on(0x2_0001)).unwrap().fwspec.unwrap().ids;
        assert_eq!(ids[0].id.unwrap().0, 0x17, "the id of the container");
    }
}

#[test]
fn an_smmu_v3_has_a_group_for_each_device_and_refuses_the_second() {
    let smmu = IommuKind::SmmuV3 { model: 0 };
    let mut groups = Groups::new(mc(smmu, GroupRule::PerDevice));
    containers().into_iter().for_each(|device| assert!(groups.add(device).is_ok()));
    assert_eq!(groups.groups().count(), 5);
    let answers = groups.kernel_answers(None);
    assert_eq!(answers.iter().filter(|(_, answer)| *answer == KernelAnswer::Grouped).count(), 2);
    let mut strict = Groups::builder().map(mc(smmu, GroupRule::PerDevice)).policy(Policy::Strict).build();
    containers().into_iter().for_each(|device| assert!(strict.add(device).is_ok()));
    assert_eq!(strict.groups().count(), 2, "the SMMU cannot tell them apart");
}
