//! From dumped config space to the events of devices being added, in the order in which Linux enumerates them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::pci::{Fact, Function};
use crate::{Bdf, Device, Error};

use super::ConfigDumps;

/// The devices of a machine, in the order in which Linux adds them: buses ascending, each function after the bridges above it,
/// virtual functions last; and what of the dumps could not be read.
///
/// Which functions are virtual is not in their own config space: the SR-IOV capability of their physical function says where
/// they are (PCIe 6.0 §9.3.3), and what their ids are (linux drivers/pci/iov.c `pci_iov_add_virtfn`).
///
/// ```
/// use fwspec::input::{devices, lspci};
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
    let mut physical: BTreeMap<Bdf, (Bdf, u16, u16)> = BTreeMap::new();
    for (bdf, function) in &functions {
        let Fact::Present(sriov) = function.sriov else { continue };
        let its = (*bdf, function.vendor, sriov.vf_device);
        physical.extend(sriov.virtual_functions(bdf.rid).map(|rid| (Bdf { rid, ..*bdf }, its)));
    }
    let device = |(bdf, function): &(Bdf, Function)| match physical.get(bdf) {
        Some((pf, vendor, device)) => {
            let function = Function { vendor: *vendor, device: *device, ..*function };
            Device::function(*bdf, function).virtual_function_of(*pf)
        }
        None => Device::function(*bdf, *function),
    };
    let mut devices: Vec<Device> = functions.iter().map(device).collect();
    devices.sort_by_key(Device::is_virtual_function);
    (devices, skipped)
}
