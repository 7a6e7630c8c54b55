//! Assertions for the unit tests of programs that write firmware tables: virtual machine monitors, firmware, emulators.
//!
//! A failure says which record or function is at fault, and its `Debug` is that text, so `unwrap` is all that a test needs.
//!
//! ```
//! use fwspec::{Segment, acpi::iort::Builder, assert};
//! let mut table = Builder::new(6);
//! let its = table.its_group([0]).id();
//! let smmu = table.smmu_v3(0x0905_0000).maps(0..=0xffff, 0, its).id();
//! table.root_complex(0).maps(0..=0xffff, 0, smmu);
//! assert::iort_isolates(&table.finish(), Segment(0), 0..=255).unwrap();
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use crate::acpi::iort::Iort;
use crate::map::NoStream;
use crate::{Bdf, DeviceId, Dialect, Error, IdMap, Platform, RequesterId, Segment};

/// An assertion that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The table cannot be read, or one of its records.
    #[error("{0}")]
    Unreadable(#[from] Error),
    /// The DMA of a function reaches no IOMMU.
    #[error("{function} has no StreamID as {dialect} reads the table: {why}")]
    NoStream {
        /// The function.
        function: Bdf,
        /// What prevents it.
        why: NoStream,
        /// Who reads the table.
        dialect: &'static str,
    },
    /// Two functions cannot be told apart by their IOMMU.
    #[error("{a} and {b} both have StreamID {id:#x} as {dialect} reads the table")]
    SharedStream {
        /// The lower function.
        a: Bdf,
        /// The other function.
        b: Bdf,
        /// The 32 bits that Linux keeps of it (`fwspec->ids`), which both have at one IOMMU.
        id: u32,
        /// Who reads the table.
        dialect: &'static str,
    },
    /// The MSIs of a function reach no MSI controller.
    #[error("MSIs of {function} reach no MSI controller as {dialect} reads the table")]
    NoMsiRoute {
        /// The function.
        function: Bdf,
        /// Who reads the table.
        dialect: &'static str,
    },
    /// Two functions cannot be told apart by their MSI controller.
    #[error("MSIs of {a} and {b} both have DeviceID {id} as {dialect} reads the table")]
    SharedDevice {
        /// The lower function.
        a: Bdf,
        /// The other function.
        b: Bdf,
        /// The id that both have at one controller.
        id: DeviceId,
        /// Who reads the table.
        dialect: &'static str,
    },
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IORT isolates the functions of these buses: every record of it can be read, every requester ID has a StreamID and a
/// DeviceID of its own, by the specification as well as for Linux.
///
/// # Errors
/// The first [`Violation`].
pub fn iort_isolates(table: &[u8], segment: Segment, buses: RangeInclusive<u8>) -> Result<(), Violation> {
    let platform = Iort::parse(table)?.platform();
    nothing_skipped(&platform)?;
    for dialect in [Dialect::SPEC, Dialect::LINUX] {
        let map = IdMap::build(&platform, dialect);
        distinct_streams(&map, segment, buses.clone())?;
        distinct_msis(&map, segment, buses.clone())?;
    }
    Ok(())
}

/// Every record could be read and leads somewhere.
///
/// # Errors
/// [`Violation::Unreadable`] with the first that does not.
pub fn nothing_skipped(platform: &Platform) -> Result<(), Violation> {
    platform.skipped.first().map_or(Ok(()), |error| Err((*error).into()))
}

/// Every requester ID of these buses has a StreamID that no other of them has at the same IOMMU.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// use fwspec::{Dialect, IdMap, Segment, assert};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x0905_0000).id();
/// table.root_complex(0).single(7, smmu);
/// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
/// let violation = assert::distinct_streams(&map, Segment(0), 0..=0).unwrap_err();
/// let said = "0000:00:00.0 and 0000:00:00.1 both have StreamID 0x7 as linux reads the table";
/// assert_eq!(violation.to_string(), said);
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// [`Violation::NoStream`], [`Violation::SharedStream`].
pub fn distinct_streams(map: &IdMap, segment: Segment, buses: RangeInclusive<u8>) -> Result<(), Violation> {
    let dialect = map.dialect().name;
    let shared = first_shared(functions(segment, buses), |function| {
        let stream = map.resolve(function).map_err(|why| Violation::NoStream { function, why, dialect })?;
        Ok((stream.iommu, stream.fwspec_id().unwrap_or(0)))
    })?;
    shared.map_or(Ok(()), |([a, b], id)| Err(Violation::SharedStream { a, b, id, dialect }))
}

/// MSIs of every requester ID of these buses have a DeviceID that those of no other have at the same MSI controller.
///
/// # Errors
/// [`Violation::NoMsiRoute`], [`Violation::SharedDevice`].
pub fn distinct_msis(map: &IdMap, segment: Segment, buses: RangeInclusive<u8>) -> Result<(), Violation> {
    let dialect = map.dialect().name;
    let shared = first_shared(functions(segment, buses), |function| {
        let request = map.device_id_of(function).ok_or(Violation::NoMsiRoute { function, dialect })?;
        Ok((request.controller, request.id))
    })?;
    shared.map_or(Ok(()), |([a, b], id)| Err(Violation::SharedDevice { a, b, id, dialect }))
}

fn functions(segment: Segment, buses: RangeInclusive<u8>) -> impl Iterator<Item = Bdf> {
    let devfns = |bus| (0..=u8::MAX).map(move |devfn| RequesterId(u16::from_be_bytes([bus, devfn])));
    buses.flat_map(devfns).map(move |rid| Bdf { segment, rid })
}

/// Two functions with one id at one place, and the id; or what keeps a function from having any.
fn first_shared<P: Ord, T: Ord + Copy>(
    functions: impl Iterator<Item = Bdf>,
    id_of: impl Fn(Bdf) -> Result<(P, T), Violation>,
) -> Result<Option<([Bdf; 2], T)>, Violation> {
    let ids = functions.map(|function| id_of(function).map(|id| (id, function)));
    let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    let mut pairs = ids.iter().zip(ids.iter().skip(1));
    let shared = pairs.find(|((a, _), (b, _))| a == b);
    Ok(shared.map(|((place, a), (_, b))| ([*a, *b], place.1)))
}
