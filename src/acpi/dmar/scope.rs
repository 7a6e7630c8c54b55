//! Device scopes, by which a DMAR table names a device: by the path to it from a root bus.

use core::{fmt, slice};

use zerocopy::FromBytes;

use super::raw;
use crate::bytes::{self, saturate};
use crate::{Error, ErrorKind, RequesterId, error::At};

/// Bytes of a scope before its path.
const SCOPE_HEADER: u8 = 6;

/// A device scope (§8.3.1).
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    raw: &'a raw::Scope,
    hops: &'a [raw::Hop],
    odd_byte: bool,
    at: At,
}

/// What a device scope names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeType {
    /// 1: a PCI function.
    Endpoint,
    /// 2: a bridge and everything below it.
    Bridge,
    /// 3: an I/O APIC.
    IoApic,
    /// 4: an HPET that sends MSIs.
    Hpet,
    /// 5: a device of the ACPI namespace.
    Namespace,
    /// Any other number.
    Unknown(u8),
}

/// An element of a path: a device and function number on the bus that the elements before it lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Hop {
    /// Device number, as found; valid numbers are 0 to 31.
    pub device: u8,
    /// Function number, as found; valid numbers are 0 to 7.
    pub function: u8,
}

impl From<u8> for ScopeType {
    fn from(number: u8) -> Self {
        match number {
            1 => ScopeType::Endpoint,
            2 => ScopeType::Bridge,
            3 => ScopeType::IoApic,
            4 => ScopeType::Hpet,
            5 => ScopeType::Namespace,
            other => ScopeType::Unknown(other),
        }
    }
}

impl fmt::Display for ScopeType {
    /// `endpoint`, `bridge`, `I/O APIC`, `HPET`, `namespace device`, `type 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScopeType::Endpoint => "endpoint",
            ScopeType::Bridge => "bridge",
            ScopeType::IoApic => "I/O APIC",
            ScopeType::Hpet => "HPET",
            ScopeType::Namespace => "namespace device",
            ScopeType::Unknown(number) => return write!(f, "type {number}"),
        })
    }
}

impl Hop {
    /// The function with these numbers on a bus; `None` where they are not a device and a function.
    pub fn on(self, bus: u8) -> Option<RequesterId> {
        (self.device < 32 && self.function < 8).then(|| RequesterId::new(bus, self.device, self.function))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:x}", self.device, self.function)
    }
}

impl<'a> Scope<'a> {
    /// Its place in the firmware.
    pub fn at(&self) -> At {
        self.at
    }

    /// What it names.
    pub fn scope_type(&self) -> ScopeType {
        self.raw.scope_type.into()
    }

    /// The number of what it names.
    pub fn scope_type_number(&self) -> u8 {
        self.raw.scope_type
    }

    /// Length in bytes, its path included.
    pub fn length(&self) -> u8 {
        self.raw.length
    }

    /// Flags: bit 0: the device requests translations for itself, too (SATC, from revision 4.0 on).
    pub fn flags(&self) -> u8 {
        self.raw.flags
    }

    /// Reserved.
    pub fn reserved(&self) -> u8 {
        self.raw.reserved
    }

    /// The I/O APIC's ID, the HPET's number, the device number of an ANDD structure.
    pub fn enumeration_id(&self) -> u8 {
        self.raw.enumeration_id
    }

    /// The bus that the path starts on: the first bus of a host bridge.
    pub fn start_bus(&self) -> u8 {
        self.raw.start_bus
    }

    /// The path, from the start bus on.
    pub fn hops(&self) -> Hops<'a> {
        Hops(self.hops.iter())
    }

    /// Whether a single byte is left after the path: the length is odd. Linux does not look at it (`dmar_insert_dev_scope`).
    pub fn has_odd_byte(&self) -> bool {
        self.odd_byte
    }

    /// The function of a path of one element, which names it whatever the topology is; `None` for longer paths.
    pub fn function(&self) -> Option<RequesterId> {
        let mut hops = self.hops();
        let hop = hops.next().filter(|_| hops.len() == 0)?;
        hop.on(self.start_bus())
    }
}

impl fmt::Display for Scope<'_> {
    /// `00:1c.0`, and with every further element `00:1c.0/00.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:", self.start_bus())?;
        for (position, hop) in self.hops().enumerate() {
            write!(f, "{}{hop}", if position == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({}: {:?} {self}, id {})", self.at, self.scope_type(), self.enumeration_id())
    }
}

/// The path of a [`Scope`].
#[derive(Clone, Debug)]
pub struct Hops<'a>(slice::Iter<'a, raw::Hop>);

impl Iterator for Hops<'_> {
    type Item = Hop;

    fn next(&mut self) -> Option<Hop> {
        self.0.next().map(|raw| Hop { device: raw.device, function: raw.function })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Hops<'_> {}

/// The device scopes of a structure. An error ends them, because it is not known where the next one starts.
#[derive(Clone, Debug)]
pub struct Scopes<'a> {
    rest: &'a [u8],
    at: At,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(rest: &'a [u8], at: At) -> Self {
        Scopes { rest, at }
    }

    /// The largest number of scopes with a path that can follow.
    #[cfg(feature = "alloc")]
    pub(super) fn most_with_a_path(&self) -> usize {
        const LEAST: usize = SCOPE_HEADER as usize + size_of::<raw::Hop>();
        self.rest.len().checked_div(LEAST).unwrap_or(0)
    }

    /// The next scope that can be read. Apart from its fault, so that neither is copied.
    #[inline]
    pub(super) fn whole(&mut self) -> Option<Scope<'a>> {
        let raw: &raw::Scope = bytes::at(self.rest, 0)?;
        let (scope, rest) = self.rest.split_at_checked(usize::from(raw.length))?;
        let path = scope.get(usize::from(SCOPE_HEADER)..)?;
        let count = path.len().checked_div(size_of::<raw::Hop>()).unwrap_or(0);
        let (hops, odd) = <[raw::Hop]>::ref_from_prefix_with_elems(path, count).unwrap_or((&[], path));
        let at = self.at;
        self.rest = rest;
        self.at.offset = at.offset.saturating_add(u32::from(raw.length));
        Some(Scope { raw, hops, odd_byte: !odd.is_empty(), at })
    }

    /// Why no scope can be read from what is left; `None` where nothing is. It ends the scopes.
    #[cold]
    pub(super) fn fault(&mut self) -> Option<Error> {
        let rest = core::mem::take(&mut self.rest);
        let left = saturate(rest.len());
        let kind = match bytes::at::<raw::Scope>(rest, 0) {
            _ if rest.is_empty() => return None,
            None => ErrorKind::Truncated { need: u32::from(SCOPE_HEADER), have: left },
            Some(raw) if raw.length < SCOPE_HEADER => ErrorKind::ScopeLength(raw.length),
            Some(raw) => ErrorKind::ScopeOverrun { length: raw.length, left },
        };
        Some(Error { kind, at: self.at })
    }
}

impl<'a> Iterator for Scopes<'a> {
    type Item = Result<Scope<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.whole() {
            Some(scope) => Some(Ok(scope)),
            None => self.fault().map(Err),
        }
    }
}

impl core::iter::FusedIterator for Scopes<'_> {}
