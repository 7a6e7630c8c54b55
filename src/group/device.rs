//! The event of a device that is added to its bus, and how devices are named.

use core::fmt;
use core::ops::RangeInclusive;

use crate::model::RequesterIndex;
use crate::pci::{Acs, AcsFlags, Fact, Function, PortType};
use crate::{Bdf, Error};

/// Names a device, PCI or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKey {
    /// A PCI function.
    Pci(Bdf),
    /// A device that the firmware describes by a node of its own: a named component, a device-tree master.
    Node(RequesterIndex),
    /// A device with an id on a bus that is not PCI (fsl-mc, host1x).
    OnBus {
        /// The bus.
        bus: RequesterIndex,
        /// Its id there.
        id: u32,
    },
}

impl From<Bdf> for DeviceKey {
    fn from(bdf: Bdf) -> Self {
        DeviceKey::Pci(bdf)
    }
}

impl From<RequesterIndex> for DeviceKey {
    fn from(node: RequesterIndex) -> Self {
        DeviceKey::Node(node)
    }
}

impl fmt::Display for DeviceKey {
    /// `0000:01:00.0`; nodes as `node 3` and `node 3#0x17`, because only the firmware knows their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceKey::Pci(bdf) => bdf.fmt(f),
            DeviceKey::Node(node) => node.fmt(f),
            DeviceKey::OnBus { bus, id } => write!(f, "{bus}#{id:#x}"),
        }
    }
}

/// The device in whose name another one reaches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proxy {
    /// The PCI function whose requester IDs the DMA carries (linux `pci_real_dma_dev`).
    RealDma(Bdf),
    /// The DPRC container on a bus of the type fsl-mc (linux `fsl_mc_device_group`).
    Container(DeviceKey),
}

impl Proxy {
    pub(super) fn key(self) -> DeviceKey {
        match self {
            Proxy::RealDma(bdf) => bdf.into(),
            Proxy::Container(container) => container,
        }
    }
}

/// A device as it is added to its bus.
///
/// ```
/// use fwspec::{AcsFlags, Bdf, Device, Segment};
/// let port = Device::root_port(Bdf::new(Segment(0), 0, 1, 0), 1..=4).acs(AcsFlags::ISOLATED);
/// let nic = Device::endpoint(Bdf::new(Segment(0), 1, 0, 0)).multifunction();
/// assert_eq!(nic.key().to_string(), "0000:01:00.0");
/// # let _ = port;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    pub(super) key: DeviceKey,
    pub(super) function: Function,
    pub(super) physical: Option<Bdf>,
    pub(super) proxy: Option<Proxy>,
}

impl Device {
    /// A PCI function, from as much of its configuration space as was read.
    ///
    /// # Errors
    /// As [`Function::read`].
    pub fn pci(bdf: Bdf, config: &[u8]) -> Result<Device, Error> {
        Function::read(config).map(|function| Device::function(bdf, function))
    }

    /// A PCI function of which the facts are known.
    pub const fn function(bdf: Bdf, function: Function) -> Device {
        Device { key: DeviceKey::Pci(bdf), function, physical: None, proxy: None }
    }

    /// A PCI Express endpoint.
    pub const fn endpoint(bdf: Bdf) -> Device {
        Device::function(bdf, Function::endpoint())
    }

    /// A root port with these buses below, secondary to subordinate.
    pub const fn root_port(bdf: Bdf, buses: RangeInclusive<u8>) -> Device {
        Device::port(bdf, PortType::RootPort, buses)
    }

    /// A PCI Express port or bridge with these buses below, secondary to subordinate.
    pub const fn port(bdf: Bdf, port: PortType, buses: RangeInclusive<u8>) -> Device {
        Device::function(bdf, Function::port(port, *buses.start(), *buses.end()))
    }

    /// A named component or device-tree master.
    pub const fn platform(node: RequesterIndex) -> Device {
        Device { key: DeviceKey::Node(node), function: Function::endpoint(), physical: None, proxy: None }
    }

    /// A device with an id on a bus that is not PCI.
    pub const fn on_bus(bus: RequesterIndex, id: u32) -> Device {
        Device {
            key: DeviceKey::OnBus { bus, id },
            function: Function::endpoint(),
            physical: None,
            proxy: None,
        }
    }

    /// With these ACS bits, all of them switched on.
    pub const fn acs(self, flags: AcsFlags) -> Device {
        self.acs_control(flags, flags)
    }

    /// With an ACS capability and what of it is switched on.
    pub const fn acs_control(mut self, capability: AcsFlags, control: AcsFlags) -> Device {
        self.function.acs = Fact::Present(Acs::new(capability, control));
        self
    }

    /// With its ACS as Linux leaves it when it uses an IOMMU ([`Function::acs_requested`]), or off.
    #[must_use]
    pub fn acs_switched(mut self, on: bool) -> Device {
        self.function = self.function.acs_switched(on);
        self
    }

    /// For a virtual function, its physical function.
    pub const fn physical_function(&self) -> Option<Bdf> {
        self.physical
    }

    /// With these ACS bits switched on.
    #[must_use]
    pub(crate) fn acs_enabled(mut self, bits: AcsFlags) -> Device {
        self.function = self.function.acs_enabled(bits);
        self
    }

    /// With the multifunction bit in its header.
    pub const fn multifunction(mut self) -> Device {
        self.function.multifunction = true;
        self
    }

    /// As a virtual function of this physical function.
    pub const fn virtual_function_of(mut self, physical: Bdf) -> Device {
        self.function.virtual_function = true;
        self.function.multifunction = false;
        self.physical = Some(physical);
        self
    }

    /// As a PCI function whose DMA carries the requester IDs of another, in another segment even (linux `pci_real_dma_dev`): what
    /// is behind an Intel VMD sends as the VMD's endpoint.
    ///
    /// ```
    /// use fwspec::{AcsFlags, Bdf, Device, Groups};
    /// let [vmd, port, nvme] = ["0000:00:0e.0", "10000:e0:06.0", "10000:e1:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 0xe1..=0xe1).acs(AcsFlags::ISOLATED).real_dma(vmd))?;
    /// groups.add(Device::endpoint(nvme).real_dma(vmd))?;
    /// let placed = groups.add(Device::endpoint(vmd))?;
    /// assert_eq!(groups.members(placed.group.unwrap()).count(), 3);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub const fn real_dma(mut self, function: Bdf) -> Device {
        self.proxy = Some(Proxy::RealDma(function));
        self
    }

    /// The function that its DMA comes from, where that is another.
    pub const fn real_dma_device(&self) -> Option<Bdf> {
        match self.proxy {
            Some(Proxy::RealDma(function)) => Some(function),
            _ => None,
        }
    }

    /// As a device in a DPRC container of a bus of the type fsl-mc: all devices of a container send with the container's id
    /// (its ICID). The device's own id only distinguishes it from the others.
    ///
    /// ```
    /// use fwspec::{Device, DeviceKey, RequesterIndex};
    /// let mc = RequesterIndex(0);
    /// let dprc = DeviceKey::OnBus { bus: mc, id: 0x17 };
    /// let dpni = Device::on_bus(mc, 0x1_0001).in_container(dprc);
    /// assert_ne!(dpni.key(), dprc);
    /// ```
    pub const fn in_container(mut self, container: DeviceKey) -> Device {
        self.proxy = Some(Proxy::Container(container));
        self
    }

    /// Whether it is a virtual function.
    pub const fn is_virtual_function(&self) -> bool {
        self.function.virtual_function
    }

    /// The facts of a PCI function; those of a bare endpoint for every other device.
    pub const fn facts(&self) -> &Function {
        &self.function
    }

    /// What it is called.
    pub const fn key(&self) -> DeviceKey {
        self.key
    }
}
