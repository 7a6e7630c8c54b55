//! Reads what firmware says about IOMMUs and assigns IOMMU groups when a device is added to its bus.
//!
//! ```text
//!  bytes ──parse──> view ──lower──> Platform ──build(Dialect)──> IdMap ──lookup──> Fwspec ──add──> Groups
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod acpi;
mod bytes;
mod dialect;
mod error;
mod id;

#[cfg(feature = "cli")]
pub mod cli;
pub mod dt;
#[cfg(feature = "alloc")]
pub mod group;
#[cfg(feature = "alloc")]
pub mod input;
#[cfg(feature = "alloc")]
pub mod map;
#[cfg(feature = "alloc")]
pub mod model;
#[cfg(feature = "alloc")]
pub mod pci;
#[cfg(feature = "json")]
pub mod report;

pub use dialect::{
    ComponentRule, CountRule, Dialect, LastIdRule, MapCells, MsiIndexRule, RootComplexRule, SingleRule,
};
pub use error::{At, Error, ErrorKind, Source};
#[cfg(feature = "alloc")]
pub use group::{
    BusError, Device, DeviceKey, GroupId, Groups, How, IommuGroup, NodeId, Placement, Policy, Tie,
};
pub use id::{Bdf, DeviceId, ParseBdfError, Phandle, RequesterId, Segment, StreamId};
#[cfg(feature = "alloc")]
pub use map::{Fwspec, FwspecFlags, FwspecOutcome, IdMap, NoStream, Stream};
#[cfg(feature = "alloc")]
pub use model::{IommuKind, Platform};
#[cfg(feature = "alloc")]
pub use pci::AcsFlags;
