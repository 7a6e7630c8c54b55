//! Where the virtual functions of a physical function are.

use crate::RequesterId;
use core::iter::FusedIterator;
use core::ops::Range;

/// The SR-IOV capability (PCIe 6.0 §9.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SrIov {
    /// VF Enable.
    pub enabled: bool,
    /// How many virtual functions there can be.
    pub total_vfs: u16,
    /// How many there are, once enabled.
    pub num_vfs: u16,
    /// From the physical function's requester ID to that of the first virtual function.
    pub first_vf_offset: u16,
    /// From one virtual function to the next.
    pub vf_stride: u16,
    /// Device ID of the virtual functions; their vendor is that of the physical function.
    pub vf_device: u16,
}

impl SrIov {
    /// Requester IDs of the enabled virtual functions of the physical function at `pf`; those past the last bus are left out
    /// (linux drivers/pci/iov.c `pci_iov_virtfn_bus`, `pci_iov_virtfn_devfn`).
    ///
    /// ```
    /// use fwspec::{RequesterId, pci::SrIov};
    /// let igb = SrIov { enabled: true, total_vfs: 7, num_vfs: 2, first_vf_offset: 0x80, vf_stride: 2, vf_device: 0x10ca };
    /// let vfs = [RequesterId::new(1, 0x10, 0), RequesterId::new(1, 0x10, 2)];
    /// assert!(igb.virtual_functions(RequesterId::new(1, 0, 0)).eq(vfs));
    /// ```
    pub fn virtual_functions(self, pf: RequesterId) -> VirtualFunctions {
        let count = if self.enabled { self.num_vfs.min(self.total_vfs) } else { 0 };
        VirtualFunctions { sriov: self, pf, numbers: 0..count }
    }

    /// Buses of the enabled virtual functions other than the physical function's own: they have no bridge, and their functions
    /// reach memory by the physical function's path.
    pub fn virtual_buses(self, pf: RequesterId) -> VirtualBuses {
        VirtualBuses { functions: self.virtual_functions(pf), last: pf.bus() }
    }
}

/// Requester IDs of virtual functions, see [`SrIov::virtual_functions`].
#[derive(Clone, Debug)]
pub struct VirtualFunctions {
    sriov: SrIov,
    pf: RequesterId,
    numbers: Range<u16>,
}

impl Iterator for VirtualFunctions {
    type Item = RequesterId;

    fn next(&mut self) -> Option<RequesterId> {
        let step = self.numbers.next()?.checked_mul(self.sriov.vf_stride);
        let first = self.pf.0.checked_add(self.sriov.first_vf_offset);
        let rid = step.and_then(|step| first?.checked_add(step));
        if rid.is_none() {
            // All later ones are past the last bus, too.
            self.numbers = 0..0;
        }
        rid.map(RequesterId)
    }
}

impl FusedIterator for VirtualFunctions {}

/// Buses of virtual functions, see [`SrIov::virtual_buses`].
#[derive(Clone, Debug)]
pub struct VirtualBuses {
    functions: VirtualFunctions,
    last: u8,
}

impl Iterator for VirtualBuses {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let last = self.last;
        let bus = self.functions.find(|vf| vf.bus() != last)?.bus();
        self.last = bus;
        Some(bus)
    }
}

impl FusedIterator for VirtualBuses {}
