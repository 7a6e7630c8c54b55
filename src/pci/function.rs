//! The facts that grouping needs of one PCI function.

use core::fmt;
use core::ops::{BitAnd, BitOr, Not};

use super::SrIov;

/// Something that configuration space says. What was not read is `Unknown`, never a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// In a byte of its own, not hidden in the value: half of the work where functions are compared.
#[repr(u8)]
pub enum Fact<T> {
    /// The bytes that would tell were not read (a 64-byte `lspci -x`, a reader without privileges).
    #[default]
    Unknown,
    /// The function does not have it.
    Absent,
    /// The function has it.
    Present(T),
}

impl<T> Fact<T> {
    /// The value, if it is present.
    pub fn present(&self) -> Option<&T> {
        match self {
            Fact::Present(value) => Some(value),
            Fact::Unknown | Fact::Absent => None,
        }
    }

    /// This fact, or another source's where this one is unknown.
    pub(crate) fn or(self, other: Self) -> Self {
        match self {
            Fact::Unknown => other,
            Fact::Present(_) | Fact::Absent => self,
        }
    }

    /// Whether the bytes that would tell were not read.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Fact::Unknown)
    }
}

impl Fact<PortType> {
    /// The type that the PCI core gives a function right below this bridge (linux drivers/pci/probe.c `set_pcie_port_type`).
    pub(super) fn below(self, bridge: Option<&Function>) -> Self {
        let above = bridge.and_then(|bridge| bridge.pcie.present());
        match (self, above) {
            (
                Fact::Present(PortType::DownstreamPort),
                Some(PortType::RootPort | PortType::DownstreamPort | PortType::PciToPcie),
            ) => Fact::Present(PortType::UpstreamPort),
            (Fact::Present(PortType::UpstreamPort), Some(PortType::UpstreamPort)) => {
                Fact::Present(PortType::DownstreamPort)
            }
            (told, _) => told,
        }
    }
}

/// One PCI function.
///
/// ```
/// use fwspec::pci::{Fact, Function, PortType};
/// let nic = Function::endpoint().ids(0x8086, 0x1521);
/// assert_eq!(nic.pcie, Fact::Present(PortType::Endpoint));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Function {
    /// Vendor ID; `0xffff` in the configuration space of an SR-IOV virtual function.
    pub vendor: u16,
    /// Device ID; `0xffff` in the configuration space of an SR-IOV virtual function.
    pub device: u16,
    /// Subsystem vendor and device, of header type 0.
    pub subsystem: Option<Ids>,
    /// Class code: base class, subclass and programming interface in 24 bits.
    pub class: u32,
    /// Header type, and the buses of a bridge.
    pub header: Header,
    /// Bit 7 of the header type register. False for a virtual function, whatever its register says (linux
    /// drivers/pci/iov.c `pci_iov_add_virtfn`).
    pub multifunction: bool,
    /// It is an SR-IOV virtual function.
    pub virtual_function: bool,
    /// Device/port type of the PCI Express capability; absent for conventional PCI.
    pub pcie: Fact<PortType>,
    /// Access Control Services.
    pub acs: Fact<Acs>,
    /// Alternative Routing-ID Interpretation.
    pub ari: Fact<Ari>,
    /// Single Root I/O Virtualization.
    pub sriov: Fact<SrIov>,
    /// Address Translation Services.
    pub ats: Fact<Ats>,
    /// For the LPC bridge of an Intel chipset: whether bit 0 of the dword at 0xf0 is set. The bit enables access to the chipset's
    /// registers (RCBA), where Linux switches on the isolation of the root ports (linux drivers/pci/quirks.c
    /// `pci_quirk_enable_intel_lpc_acs`). Absent for other functions.
    pub rcba: Fact<bool>,
}

/// A vendor or subsystem vendor ID with a device ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ids {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
}

/// Header type, and the buses of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Header {
    /// Type 0: not a bridge.
    Device,
    /// Type 1: PCI-to-PCI bridge, root port, switch port.
    Bridge {
        /// Bus right below; 0 until the bridge is numbered.
        secondary: u8,
        /// Highest bus below, inclusive.
        subordinate: u8,
    },
    /// Type 2: CardBus bridge.
    CardBus {
        /// Bus right below.
        secondary: u8,
        /// Highest bus below, inclusive.
        subordinate: u8,
    },
    /// A type that no specification defines.
    Other(u8),
}

impl Header {
    /// Secondary and subordinate bus of a bridge; 0 for what is none.
    pub(super) fn buses(self) -> [u8; 2] {
        match self {
            Header::Bridge { secondary, subordinate } | Header::CardBus { secondary, subordinate } => {
                [secondary, subordinate]
            }
            Header::Device | Header::Other(_) => [0; 2],
        }
    }

    /// The same, with other buses below it if it is a bridge.
    pub(super) fn with_buses(self, [secondary, subordinate]: [u8; 2]) -> Header {
        match self {
            Header::Bridge { .. } => Header::Bridge { secondary, subordinate },
            Header::CardBus { .. } => Header::CardBus { secondary, subordinate },
            Header::Device | Header::Other(_) => self,
        }
    }
}

/// Device/port type of the PCI Express capability (PCIe 6.0 §7.5.3.2, bits 7:4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PortType {
    /// 0: endpoint.
    Endpoint,
    /// 1: legacy endpoint.
    LegacyEndpoint,
    /// 4: root port of a root complex.
    RootPort,
    /// 5: upstream port of a switch.
    UpstreamPort,
    /// 6: downstream port of a switch.
    DownstreamPort,
    /// 7: PCI Express to PCI/PCI-X bridge.
    PcieToPci,
    /// 8: PCI/PCI-X to PCI Express bridge.
    PciToPcie,
    /// 9: root complex integrated endpoint.
    RcEndpoint,
    /// 10: root complex event collector.
    RcEventCollector,
    /// A number that is reserved.
    Other(u8),
}

impl fmt::Display for PortType {
    /// `root port`, `PCIe-to-PCI bridge`; a reserved number as `port type 0xb`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PortType::Endpoint => "endpoint",
            PortType::LegacyEndpoint => "legacy endpoint",
            PortType::RootPort => "root port",
            PortType::UpstreamPort => "switch upstream port",
            PortType::DownstreamPort => "switch downstream port",
            PortType::PcieToPci => "PCIe-to-PCI bridge",
            PortType::PciToPcie => "PCI-to-PCIe bridge",
            PortType::RcEndpoint => "integrated endpoint",
            PortType::RcEventCollector => "event collector",
            PortType::Other(number) => return write!(f, "port type {number:#x}"),
        })
    }
}

/// The ACS registers as they were when they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Acs {
    /// What the function can do. In this register bits 15:8 are the size of the egress control vector.
    pub capability: AcsFlags,
    /// What is switched on.
    pub control: AcsFlags,
    /// The 32 bits after the two registers: where Intel's Sunrise Point ports keep their control bits. `None` where they were not read:
    /// `lspci -vv` does not print them.
    pub next_dword: Option<u32>,
}

impl Acs {
    /// These two registers; the 32 bits after them are 0.
    pub const fn new(capability: AcsFlags, control: AcsFlags) -> Self {
        Acs { capability, control, next_dword: Some(0) }
    }
}

/// Bits of the ACS capability and control registers (PCIe 6.0 §7.7.11).
///
/// ```
/// use fwspec::AcsFlags;
/// assert_eq!(AcsFlags::ISOLATED.to_string(), "SV+RR+CR+UF");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcsFlags(pub u16);

impl AcsFlags {
    /// No bit.
    pub const NONE: AcsFlags = AcsFlags(0);
    /// Source validation.
    pub const SV: AcsFlags = AcsFlags(0x01);
    /// Translation blocking.
    pub const TB: AcsFlags = AcsFlags(0x02);
    /// Peer-to-peer request redirect.
    pub const RR: AcsFlags = AcsFlags(0x04);
    /// Peer-to-peer completion redirect.
    pub const CR: AcsFlags = AcsFlags(0x08);
    /// Upstream forwarding.
    pub const UF: AcsFlags = AcsFlags(0x10);
    /// Peer-to-peer egress control.
    pub const EC: AcsFlags = AcsFlags(0x20);
    /// Direct translated peer-to-peer.
    pub const DT: AcsFlags = AcsFlags(0x40);
    /// I/O request blocking (enhanced).
    pub const IB: AcsFlags = AcsFlags(0x80);
    /// Downstream port memory target: request redirect (enhanced, two bits wide; value 2).
    pub const DSP_MT_RR: AcsFlags = AcsFlags(0x200);
    /// Upstream port memory target: request redirect (enhanced, two bits wide; value 2).
    pub const USP_MT_RR: AcsFlags = AcsFlags(0x800);
    /// Unclaimed request redirect (enhanced).
    pub const UNCLAIMED_RR: AcsFlags = AcsFlags(0x1000);
    /// What isolation needs: SV, RR, CR and UF (linux drivers/iommu/iommu.c `REQ_ACS_FLAGS`).
    pub const ISOLATED: AcsFlags = AcsFlags(0x1d);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: AcsFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for AcsFlags {
    type Output = AcsFlags;
    fn bitor(self, other: AcsFlags) -> AcsFlags {
        AcsFlags(self.0 | other.0)
    }
}

impl BitAnd for AcsFlags {
    type Output = AcsFlags;
    fn bitand(self, other: AcsFlags) -> AcsFlags {
        AcsFlags(self.0 & other.0)
    }
}

impl Not for AcsFlags {
    type Output = AcsFlags;
    fn not(self) -> AcsFlags {
        AcsFlags(!self.0)
    }
}

impl fmt::Display for AcsFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = ["SV", "TB", "RR", "CR", "UF", "EC", "DT", "IB"];
        let mut separator = "";
        for (bit, name) in NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1) {
            let _ = bit;
            write!(f, "{separator}{name}")?;
            separator = "+";
        }
        match self.0 & 0xff00 {
            0 if self.0 == 0 => f.write_str("none"),
            0 => Ok(()),
            rest => write!(f, "{separator}{rest:#x}"),
        }
    }
}

/// Alternative Routing-ID Interpretation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ari {
    /// The next function of the device, all 8 bits of `devfn`; 0 ends the list.
    pub next_function: u8,
}

/// Address Translation Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ats {
    /// Whether it is switched on.
    pub enabled: bool,
}

impl Function {
    /// A PCI Express endpoint without ACS, ARI, SR-IOV and ATS; its vendor and device IDs are 0.
    pub const fn endpoint() -> Self {
        Function {
            vendor: 0,
            device: 0,
            subsystem: None,
            class: 0,
            header: Header::Device,
            multifunction: false,
            virtual_function: false,
            pcie: Fact::Present(PortType::Endpoint),
            acs: Fact::Absent,
            ari: Fact::Absent,
            sriov: Fact::Absent,
            ats: Fact::Absent,
            rcba: Fact::Absent,
        }
    }

    /// A PCI Express port or bridge without ACS, ARI, SR-IOV and ATS.
    pub const fn port(port: PortType, secondary: u8, subordinate: u8) -> Self {
        Function {
            class: 0x06_04_00,
            header: Header::Bridge { secondary, subordinate },
            pcie: Fact::Present(port),
            ..Function::endpoint()
        }
    }

    /// The same function with these vendor and device IDs.
    #[must_use]
    pub const fn ids(mut self, vendor: u16, device: u16) -> Self {
        (self.vendor, self.device) = (vendor, device);
        self
    }

    /// The same function with this type in its PCI Express capability.
    #[must_use]
    pub const fn port_type(mut self, port: PortType) -> Self {
        self.pcie = Fact::Present(port);
        self
    }

    /// The same function without a PCI Express capability.
    #[must_use]
    pub const fn conventional(mut self) -> Self {
        self.pcie = Fact::Absent;
        self
    }

    /// The bus right below a bridge that has been numbered.
    pub fn secondary(&self) -> Option<u8> {
        match self.header {
            Header::Bridge { secondary, .. } | Header::CardBus { secondary, .. } => {
                (secondary != 0).then_some(secondary)
            }
            Header::Device | Header::Other(_) => None,
        }
    }

    /// Whether it is a PCI Express function of this type.
    pub fn is(&self, port: PortType) -> bool {
        self.pcie == Fact::Present(port)
    }

    /// Whether the type is found on root buses only, so that the function's bus must be one.
    pub(crate) fn only_on_root_bus(&self) -> bool {
        matches!(
            self.pcie,
            Fact::Present(PortType::RootPort | PortType::RcEndpoint | PortType::RcEventCollector)
        )
    }

    /// Whether the function has siblings in its slot, as a static fact: its header bit, or a function number above 0 (the PCI
    /// core marks those whatever their header says: linux drivers/pci/probe.c `pci_scan_slot`). `only_slot` is true
    /// right below a root or downstream port, where all functions are of one device (ARI).
    pub fn in_multifunction_slot(&self, devfn: u8, only_slot: bool) -> bool {
        let number = if only_slot { devfn } else { devfn & 7 };
        !self.virtual_function && (self.multifunction || number > 0)
    }
}
