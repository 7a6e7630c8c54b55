//! From dumped config space to the events of devices being added, in the order in which Linux enumerates them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::pci::{Fact, Function};
use crate::{Bdf, Device, DeviceKey, Error};

use super::ConfigDumps;

/// Endpoints of Intel Volume Management Devices (linux drivers/pci/controller/vmd.c `vmd_ids`).
const VMD: [u16; 11] =
    [0x201d, 0x28c0, 0x467f, 0x4c3d, 0xa77f, 0x7d0b, 0xad0b, 0x9a0b, 0xb60b, 0xb06f, 0xb07f];

/// The first segment of domains behind a VMD: firmware's are 16 bits wide (`vmd_find_free_domain`).
const FIRST_VMD_SEGMENT: u32 = 0x1_0000;

/// The devices of a machine, in the order in which Linux adds them: buses ascending, each function after the bridges above it,
/// virtual functions last; and what of the dumps could not be read.
///
/// Which functions are virtual is not in their own config space: the SR-IOV capability of their physical function says where
/// they are (PCIe 6.0 §9.3.3), and what their ids are (linux drivers/pci/iov.c `pci_iov_add_virtfn`).
///
/// Behind an Intel VMD, in a segment from 0x10000 on, all DMA carries the requester ID of the VMD's endpoint (linux `pci_real_dma_dev`).
/// That endpoint is known where the machine has one; of several nothing in config space tells whose a segment is:
/// [`of_unknown_vmd`] finds the devices concerned.
///
/// ```
/// use fwspec::machine::{devices, lspci};
/// let dumps = lspci::parse(b"00:01.0 Host bridge\n00: 36 1b 08 00 00 00 00 00 00 00 00 06 00 00 00 00\n\
/// 10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n20: 00 00 00 00 00 00 00 00 00 00 00 00 f4 1a 00 11\n\
/// 30: 00 00 00 00 00 00 00 00 00 00 00 00 ff 00 00 00\n")?;
/// let (found, skipped) = devices(&dumps);
/// assert_eq!((found.len(), skipped.len()), (1, 0));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn devices(dumps: &ConfigDumps) -> (Vec<Device>, Vec<Error>) {
    let mut skipped = dumps.skipped.clone();
    let mut functions: Vec<(Bdf, Function)> = Vec::with_capacity(dumps.functions.len());
    for dump in &dumps.functions {
        match Function::read(&dump.bytes) {
            Ok(function) => functions.push((dump.bdf, function)),
            Err(error) => skipped.push(Error { at: dump.at, ..error }),
        }
    }
    functions.sort_unstable_by_key(|(bdf, _)| *bdf);
    (of_functions(&functions, |_| Links::default()), skipped)
}

/// What a running system tells of a function by its links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// Behind an Intel VMD, the VMD's endpoint.
    pub(super) real_dma: Option<Bdf>,
    /// For a virtual function, its physical function.
    pub(super) physical: Option<Bdf>,
}

/// The devices of a machine from its functions, which ascend by address.
pub(super) fn of_functions(functions: &[(Bdf, Function)], links: impl Fn(Bdf) -> Links) -> Vec<Device> {
    let mut physical: BTreeMap<Bdf, (Bdf, u16, u16)> = BTreeMap::new();
    for (bdf, function) in functions {
        let Fact::Present(sriov) = function.sriov else { continue };
        let its = (*bdf, function.vendor, sriov.vf_device);
        physical.extend(sriov.virtual_functions(bdf.rid).map(|rid| (Bdf { rid, ..*bdf }, its)));
    }
    let vendor_of = |bdf: Bdf| {
        let at = functions.binary_search_by_key(&bdf, |(bdf, _)| *bdf).ok()?;
        functions.get(at).map(|(_, function)| function.vendor)
    };
    let device = |(bdf, function): &(Bdf, Function)| match (physical.get(bdf), links(*bdf).physical) {
        (Some((pf, vendor, device)), _) => {
            let function = Function { vendor: *vendor, device: *device, ..*function };
            Device::function(*bdf, function).virtual_function_of(*pf)
        }
        // Without root the SR-IOV capability of the physical function is not to be seen, but the link is.
        (None, Some(pf)) => {
            let function = Function { vendor: vendor_of(pf).unwrap_or(function.vendor), ..*function };
            Device::function(*bdf, function).virtual_function_of(pf)
        }
        (None, None) => Device::function(*bdf, *function),
    };
    let mut devices: Vec<Device> = functions.iter().map(device).collect();
    devices.sort_by_key(Device::is_virtual_function);
    let is_vmd = |(bdf, function): &&(Bdf, Function)| {
        bdf.segment.0 < FIRST_VMD_SEGMENT && function.vendor == 0x8086 && VMD.contains(&function.device)
    };
    let mut vmds = functions.iter().filter(is_vmd).map(|(bdf, _)| *bdf);
    let only = vmds.next().filter(|_| vmds.next().is_none());
    for device in &mut devices {
        let DeviceKey::Pci(bdf) = device.key() else { continue };
        if let Some(vmd) = links(bdf).real_dma.or(only.filter(|_| is_behind_vmd(device))) {
            *device = device.real_dma(vmd);
        }
    }
    devices
}

/// The functions behind Intel VMDs of which nobody has said whose requester ID their DMA carries ([`Device::real_dma`]).
///
/// ```
/// let drive = fwspec::Device::endpoint("10000:e1:00.0".parse()?);
/// assert_eq!(fwspec::machine::of_unknown_vmd(&[drive]).count(), 1);
/// assert_eq!(fwspec::machine::of_unknown_vmd(&[drive.real_dma("00:0e.0".parse()?)]).count(), 0);
/// # Ok::<(), fwspec::ParseBdfError>(())
/// ```
pub fn of_unknown_vmd(devices: &[Device]) -> impl Iterator<Item = Bdf> + '_ {
    let unknown = devices.iter().filter(|device| is_behind_vmd(device) && device.real_dma_device().is_none());
    unknown.filter_map(|device| match device.key() {
        DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    })
}

fn is_behind_vmd(device: &Device) -> bool {
    matches!(device.key(), DeviceKey::Pci(bdf) if bdf.segment.0 >= FIRST_VMD_SEGMENT)
}
