//! Devices as a DMAR names them: by the path to them from a root bus, which can only be followed with the topology.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use super::{IommuIndex, Origin};
use crate::{RequesterId, Segment};

/// The number of hops that a path holds in itself: with their count they take no more room than a list does.
const SHORT: usize = 7;

/// The way to a function from the bus that it starts on: device and function (`devfn`), hop by hop. A slice, which allocates no memory
/// for up to seven hops; nearly all firmware names functions by one or two.
///
/// ```
/// use fwspec::model::ScopePath;
/// let path: ScopePath = [0xe0, 0x00].into_iter().collect();
/// assert_eq!(*path, [0xe0, 0x00]);
/// ```
#[derive(Clone)]
pub struct ScopePath(Hops);

#[derive(Clone)]
enum Hops {
    /// Never more than are there; those after them are 0.
    Short {
        count: u8,
        devfns: [u8; SHORT],
    },
    Long(Box<[u8]>),
}

const _: () = assert!(size_of::<ScopePath>() <= 2 * size_of::<usize>() || size_of::<usize>() < 8);

impl ScopePath {
    /// The path of one hop.
    #[inline]
    pub(crate) const fn one(devfn: u8) -> Self {
        ScopePath(Hops::Short { count: 1, devfns: [devfn, 0, 0, 0, 0, 0, 0] })
    }
}

impl Deref for ScopePath {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Hops::Short { count, devfns } => devfns.get(..usize::from(*count)).unwrap_or_default(),
            Hops::Long(devfns) => devfns,
        }
    }
}

impl FromIterator<u8> for ScopePath {
    #[inline]
    fn from_iter<I: IntoIterator<Item = u8>>(devfns: I) -> Self {
        let mut rest = devfns.into_iter();
        let (mut devfns, mut count) = ([0; SHORT], 0_u8);
        for place in &mut devfns {
            let Some(devfn) = rest.next() else { return ScopePath(Hops::Short { count, devfns }) };
            (*place, count) = (devfn, count.saturating_add(1));
        }
        match rest.next() {
            None => ScopePath(Hops::Short { count, devfns }),
            Some(next) => ScopePath(Hops::Long(devfns.into_iter().chain([next]).chain(rest).collect())),
        }
    }
}

impl From<&[u8]> for ScopePath {
    fn from(devfns: &[u8]) -> Self {
        devfns.iter().copied().collect()
    }
}

impl fmt::Debug for ScopePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl PartialEq for ScopePath {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ScopePath {}

impl PartialOrd for ScopePath {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ScopePath {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.deref().cmp(other)
    }
}

impl Hash for ScopePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deref().hash(state);
    }
}

/// A PCI function, or a bridge with everything below it, named by the path to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Scope {
    /// What it names.
    pub kind: ScopeKind,
    /// The root bus that the path starts on.
    pub bus: u8,
    /// Device and function (`devfn`), hop by hop.
    pub path: ScopePath,
    /// Byte offset of the record in its blob.
    pub offset: u32,
}

impl Scope {
    /// A scope by the path from a root bus, device and function (`devfn`) hop by hop.
    ///
    /// ```
    /// use fwspec::model::{Scope, ScopeKind};
    /// assert_eq!(Scope::new(ScopeKind::Bridge, 0, &[0xe0, 0x00]).to_string(), "00:1c.0/00.0");
    /// ```
    pub fn new(kind: ScopeKind, bus: u8, path: &[u8]) -> Self {
        Scope { kind, bus, path: path.into(), offset: 0 }
    }
}

/// What a [`Scope`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeKind {
    /// A bridge and everything below it.
    Bridge,
    /// One function.
    Endpoint,
}

/// The unit of a DMAR, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopedUnit {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// Its segment.
    pub segment: Segment,
    /// Whether it translates all functions of the segment that no other unit translates; its scopes do not count then.
    pub include_all: bool,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Byte offset of the record in its blob.
    pub offset: u32,
}

impl ScopedUnit {
    /// A unit that is for these scopes alone.
    pub const fn new(iommu: IommuIndex, segment: Segment, scopes: Vec<Scope>) -> Self {
        ScopedUnit { iommu, segment, include_all: false, scopes, offset: 0 }
    }
}

/// What a DMAR says about address translation services.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtsScope {
    /// Its place in the firmware.
    pub origin: Origin,
    /// Its segment.
    pub segment: Segment,
    /// What it says.
    pub kind: AtsKind,
    /// The root ports or integrated functions that it is about.
    pub scopes: Vec<Scope>,
}

impl AtsScope {
    /// What it says about the functions that scopes name.
    pub const fn new(origin: Origin, segment: Segment, kind: AtsKind, scopes: Vec<Scope>) -> Self {
        AtsScope { origin, segment, kind, scopes }
    }
}

/// What an [`AtsScope`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtsKind {
    /// Root ports that let ATS through (ATSR).
    Ports {
        /// All of the segment.
        all: bool,
    },
    /// Integrated functions with a translation cache (SATC).
    Integrated {
        /// They need it: Linux then leaves ATS to the hardware, unless the unit has scalable mode (`dmar_ats_supported`).
        required: bool,
    },
}

/// An alias that firmware gives to functions: their DMA carries another requester ID (IVRS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FirmwareAlias {
    /// Its place in the firmware.
    pub origin: Origin,
    /// Their segment.
    pub segment: Segment,
    /// First function.
    pub first: RequesterId,
    /// Last function, inclusive.
    pub last: RequesterId,
    /// What their DMA carries.
    pub alias: RequesterId,
}

/// An I/O APIC or HPET: firmware says which unit remaps its interrupts, and the requester ID that they carry (DMAR scopes of types 3
/// and 4, IVRS entries of type 0x48).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct InterruptSource {
    /// Its place in the firmware.
    pub origin: Origin,
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// What it is.
    pub kind: InterruptSourceKind,
    /// The I/O APIC's ID, the HPET's number.
    pub number: u8,
    /// Its segment.
    pub segment: Segment,
    /// The bus of the requester ID, or the one that the path to it starts on.
    pub bus: u8,
    /// Device and function (`devfn`); of a DMAR hop by hop (linux drivers/iommu/intel/irq_remapping.c `ir_parse_one_ioapic_scope`).
    pub path: ScopePath,
}

/// What an [`InterruptSource`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterruptSourceKind {
    /// An I/O APIC.
    IoApic,
    /// A timer that sends MSIs.
    Hpet,
}

impl InterruptSource {
    /// A source by its number and the requester ID of its interrupts.
    ///
    /// ```
    /// use fwspec::acpi::ivrs::{Builder, Ivrs};
    /// use fwspec::RequesterId;
    /// let mut table = Builder::new();
    /// table.unit(0x10, 0, RequesterId(2), 0xfeb8_0000).all().special(1, 33, 0xa0);
    /// let bytes = table.finish();
    /// let platform = Ivrs::parse(&bytes)?.platform();
    /// assert_eq!(platform.interrupt_sources[0].to_string(), "I/O APIC 33 as 00:14.0");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(
        origin: Origin,
        iommu: IommuIndex,
        (kind, number): (InterruptSourceKind, u8),
        segment: Segment,
        (bus, path): (u8, ScopePath),
    ) -> Self {
        InterruptSource { origin, iommu, kind, number, segment, bus, path }
    }
}

impl core::fmt::Display for InterruptSource {
    /// `I/O APIC 8 as f0:1f.0`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} as ", self.kind, self.number)?;
        way(f, self.bus, &self.path)
    }
}

impl InterruptSourceKind {
    /// The word for it: `I/O APIC`, `HPET`.
    pub fn word(self) -> &'static str {
        match self {
            InterruptSourceKind::IoApic => "I/O APIC",
            InterruptSourceKind::Hpet => "HPET",
        }
    }
}

crate::word::displayed_by_word!(InterruptSourceKind);

/// A way down from a bus: `00:1c.0/00.0`.
fn way(f: &mut core::fmt::Formatter<'_>, bus: u8, path: &[u8]) -> core::fmt::Result {
    write!(f, "{bus:02x}:")?;
    path.iter().enumerate().try_for_each(|(position, devfn)| {
        let separator = if position == 0 { "" } else { "/" };
        write!(f, "{separator}{:02x}.{:x}", devfn >> 3, devfn & 7)
    })
}

impl Scope {
    /// Whether it names exactly the last function of `path`, the path to it from its root bus (linux drivers/iommu/intel/dmar.c
    /// `dmar_match_pci_path`). A path of one hop may also start on the function's own bus: firmware gets that wrong.
    pub fn names(&self, path: &[RequesterId]) -> bool {
        let (Some(root), Some(function)) = (path.first(), path.last()) else { return false };
        let whole =
            self.bus == root.bus() && self.path.iter().copied().eq(path.iter().map(|hop| hop.devfn()));
        whole
            || matches!(*self.path, [devfn] if *function == RequesterId(u16::from_be_bytes([self.bus, devfn])))
    }

    /// Whether the last function of `path` is what it names, or below it. `path` holds the bridges above the function and the
    /// function.
    pub fn covers(&self, path: &[RequesterId]) -> bool {
        match self.kind {
            ScopeKind::Endpoint => self.names(path),
            ScopeKind::Bridge => {
                (1..=path.len()).any(|end| path.get(..end).is_some_and(|path| self.names(path)))
            }
        }
    }

    /// The function, where the path has one hop; `None` for longer paths.
    pub fn function(&self) -> Option<RequesterId> {
        match *self.path {
            [devfn] => Some(RequesterId(u16::from_be_bytes([self.bus, devfn]))),
            _ => None,
        }
    }
}

impl core::fmt::Display for Scope {
    /// `00:1c.0`, and with every further hop `00:1c.0/00.0`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        way(f, self.bus, &self.path)
    }
}

impl ScopeKind {
    /// The word for it: `endpoint`, `bridge`.
    pub fn word(self) -> &'static str {
        match self {
            ScopeKind::Endpoint => "endpoint",
            ScopeKind::Bridge => "bridge",
        }
    }
}

crate::word::displayed_by_word!(ScopeKind);
