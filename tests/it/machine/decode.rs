//! Every sample, from bytes to the platform: what its README says of it.

use std::path::{Path, PathBuf};

use fwspec::machine::Firmware;
use fwspec::model::{BusKind, RequesterKind};
use fwspec::{Bdf, DeviceId, Dialect, IdMap, IommuIndex, RequesterIndex};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples")
}

fn open(file: &str) -> Firmware {
    Firmware::open(file, std::fs::read(samples().join(file)).unwrap()).unwrap()
}

fn stream(map: &IdMap, function: &str) -> Option<(u32, u32)> {
    let stream = map.resolve(function.parse().unwrap()).ok()?;
    Some((stream.iommu.0, stream.id?.0))
}

/// Kind of each requester: `pci 000a`, `bus`, `component`, `master`, `msi`.
fn requesters(firmware: &Firmware) -> Vec<String> {
    let word = |kind: &RequesterKind| match kind {
        RequesterKind::Bus(bus) => match bus.kind {
            BusKind::Pci { segment, assumed: false, .. } => format!("pci {segment}"),
            BusKind::Pci { segment, .. } => format!("pci {segment}?"),
            _ => "bus".to_string(),
        },
        RequesterKind::Component(component) => component.path.to_string(),
        RequesterKind::Master(_) => "master".to_string(),
        _ => "msi".to_string(),
    };
    firmware.platform.requesters.iter().map(|requester| word(&requester.kind)).collect()
}

#[test]
fn every_blob_of_the_samples_decodes_without_a_word_of_complaint() {
    let mut blobs = 0;
    for machine in std::fs::read_dir(samples()).unwrap() {
        let folder = machine.unwrap().path();
        // The broken ones have a test of their own.
        if !folder.is_dir() || folder.ends_with("broken") {
            continue;
        }
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if !path.extension().is_some_and(|extension| extension == "bin" || extension == "dtb") {
                continue;
            }
            let firmware = Firmware::open("sample", std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(firmware.platform.skipped, [], "{}", path.display());
            let nothing = firmware.platform.requesters.is_empty() && firmware.platform.buses.is_empty();
            assert!(!nothing, "{}", path.display());
            blobs += 1;
        }
    }
    assert!(blobs >= 12, "{blobs}");
}

#[test]
fn the_board_of_2020_has_three_segments_and_a_component() {
    let iort = open("d05-2020/iort.bin");
    assert_eq!(requesters(&iort), ["pci 0000", "pci 0002", "pci 000a", r"\_SB_.SAS1"]);
    let tree = open("d05-2020/fdt.dtb");
    assert_eq!(requesters(&tree), ["pci 0000", "pci 0002", "pci 000a", "master"]);
    for firmware in [&iort, &tree] {
        let map = IdMap::build(&firmware.platform, Dialect::LINUX);
        assert_eq!(stream(&map, "0000:01:00.0"), Some((0, 0x100)));
        assert_eq!(stream(&map, "0002:21:00.0"), Some((0, 0x2100)));
        assert_eq!(stream(&map, "000a:11:00.3"), Some((1, 0x5103)));
        assert_eq!(stream(&map, "000a:20:00.0"), None);
        assert_eq!(stream(&map, "0001:00:00.0"), None);
        let nic: Bdf = "000a:11:00.3".parse().unwrap();
        assert_eq!(map.device_id_of(nic).unwrap().id, DeviceId(0x2_5103));
        let component = u32::try_from(firmware.platform.requesters.len() - 1).unwrap();
        let record = map.fwspec(RequesterIndex(component).into()).fwspec.unwrap();
        assert_eq!((record.iommu, record.ids[0].id.unwrap().0), (IommuIndex(0), 0x9000));
        assert_eq!(map.device_ids_of(RequesterIndex(component))[0].id, DeviceId(0x9000));
    }
}

#[test]
fn qemu_describes_one_machine_both_ways() {
    let [iort, tree] = ["qemu-virt-acpi/iort.bin", "qemu-virt-dt/fdt.dtb"].map(open);
    let [iort, tree] = [iort, tree].map(|firmware| IdMap::build(&firmware.platform, Dialect::LINUX));
    let mut in_use = 0;
    // QEMU's IORT sends only buses in use to the SMMU, its tree all of them.
    for rid in 0..=u16::MAX {
        let bdf = Bdf { segment: fwspec::Segment(0), rid: fwspec::RequesterId(rid) };
        if let Ok(stream) = iort.resolve(bdf) {
            assert_eq!(tree.resolve(bdf), Ok(stream));
            in_use += 1;
        }
        assert_eq!(tree.resolve(bdf).unwrap().id.unwrap().0, u32::from(rid));
        assert_eq!(iort.device_id_of(bdf).unwrap().id, DeviceId(u32::from(rid)));
    }
    assert!(in_use >= 0x400, "{in_use:#x}");
}

#[test]
fn a_blob_may_lie_anywhere_and_have_slack_behind_it() {
    for file in ["qemu-virt-dt/fdt.dtb", "d05-2020/fdt.dtb"] {
        let bytes = std::fs::read(samples().join(file)).unwrap();
        let plain = fwspec::dt::Tree::parse(&bytes).unwrap().platform().unwrap();
        for shift in 0..8 {
            let mut moved = vec![0xa5; shift];
            moved.extend(&bytes);
            moved.extend([0xa5; 4096]);
            let platform = fwspec::dt::Tree::parse(&moved[shift..]).unwrap().platform().unwrap();
            assert_eq!(format!("{platform:?}"), format!("{plain:?}"), "{file} moved by {shift}");
        }
    }
}
