//! Where the virtual functions of a physical function are.

use crate::RequesterId;

/// The SR-IOV capability (PCIe 6.0 §9.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    pub fn virtual_functions(self, pf: RequesterId) -> impl Iterator<Item = RequesterId> {
        let count = if self.enabled { self.num_vfs.min(self.total_vfs) } else { 0 };
        (0..count).map_while(move |n| {
            let step = n.checked_mul(self.vf_stride)?;
            pf.0.checked_add(self.first_vf_offset)?.checked_add(step).map(RequesterId)
        })
    }

    /// Buses of the enabled virtual functions other than the physical function's own: they have no bridge, and reach memory
    /// by the physical function's path.
    pub fn virtual_buses(self, pf: RequesterId) -> impl Iterator<Item = u8> {
        let mut last = pf.bus();
        self.virtual_functions(pf).filter_map(move |vf| {
            let bus = vf.bus();
            (bus != core::mem::replace(&mut last, bus)).then_some(bus)
        })
    }
}
