//! Reads what firmware says about IOMMUs (device-tree `iommu-map` and `iommus`; ACPI IORT, RIMT, VIOT, DMAR and IVRS) and assigns IOMMU
//! groups when a device is added to its bus.
//!
//! ```text
//!  bytes ──parse──> view ──lower──> Platform ──build(Dialect)──> IdMap ──lookup──> Fwspec ──add──> Groups
//! ```
//!
//! # Ten minutes
//!
//! A device's DMA carries a **requester ID** (PCI) or another id that its bus defines. An IOMMU on the path to memory sees a
//! **StreamID** for it; the interrupt controller that its MSIs reach sees a **DeviceID**. Firmware says how the first becomes the
//! others. There are two kinds of firmware, and both are lowered to one [`Platform`]:
//!
//! | | device tree | ACPI |
//! |---|---|---|
//! | view of the bytes | [`dt::Tree`] | [`acpi::iort::Iort`] |
//! | requester ID to StreamID | `iommu-map`, `iommu-map-mask` of a host bridge | ID mappings of a root complex node |
//! | requester ID to DeviceID | `msi-map`, `msi-parent` | through the SMMU's own mappings to an ITS group |
//! | a device with ids of its own | `iommus` | named component |
//! | facts | [`dt::Tree::platform`] | [`acpi::iort::Iort::platform`] |
//!
//! Readers of the same bytes disagree, so a [`Dialect`] (that of Linux, of the specification, of FreeBSD …) is chosen once, when an
//! [`IdMap`] is built. A lookup then is one search.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use fwspec::acpi::iort::{Builder, Iort};
//! use fwspec::{Bdf, Dialect, IdMap, Segment};
//!
//! let mut table = Builder::new(6);
//! let smmu = table.smmu_v3(0x2b40_0000).id();
//! table.root_complex(0).maps(0x100..=0x1ff, 0x5000, smmu);
//! let platform = Iort::parse(&table.finish())?.platform();
//! let map = IdMap::build(&platform, Dialect::LINUX);
//! assert_eq!(map.stream_of(Bdf::new(Segment(0), 1, 0, 0)).unwrap().to_string(), "IORT+0x30 0x5000");
//! # }
//! # Ok::<(), fwspec::Error>(())
//! ```
//!
//! Devices that cannot be isolated from each other are one **IOMMU group**. [`Groups::add`] gives a device its group and its
//! [`Fwspec`] the moment it is added to its bus. A [`group::Tie`] between two devices depends on the two, on what is above them and on
//! firmware, never on drivers or on the order of events; groups are the connected components of ties, so every order of additions
//! gives the same partition.
//!
//! # Features
//!
//! Without features the views and single look-ups ([`acpi::iort::resolve`], [`dt::resolve`]) need neither std nor a heap. `alloc`
//! adds the model, the maps, the groups and the answers; `std` (on by default) adds files and sysfs; `archives` adds compressed files and
//! archives. With `serde` answers can be serialized, and with `schema` they have a JSON Schema; `acpi` and `fdt` accept tables and nodes of
//! the crates with these names.
//!
//! # Errors
//!
//! [`Error`] is about bytes that cannot be read: it has a kind with the value found, and an absolute offset. One bad record costs only
//! itself: it is in [`Platform::skipped`](model::Platform::skipped), and the rest is read. [`BusError`] is an event that cannot happen.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Only the C API and the conversion from the crate `acpi` may be unsafe.
#![cfg_attr(not(feature = "acpi"), forbid(unsafe_code))]
#![cfg_attr(feature = "acpi", deny(unsafe_code))]
// Numbers from bytes are never added unchecked. Modules that draw or build tables say where that is not needed.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod acpi;
#[cfg(feature = "alloc")]
pub mod answer;
#[cfg(feature = "alloc")]
pub mod assert;
mod bytes;
pub mod dialect;
pub mod error;
mod id;
#[cfg(feature = "alloc")]
mod iter;
pub mod limits;

#[cfg(feature = "alloc")]
pub mod diff;
pub mod dt;
#[cfg(feature = "alloc")]
pub mod group;
#[cfg(any(feature = "acpi", feature = "fdt"))]
pub mod interop;
#[cfg(feature = "alloc")]
pub mod lint;
#[cfg(feature = "alloc")]
pub mod machine;
#[cfg(feature = "alloc")]
pub mod map;
#[cfg(feature = "alloc")]
pub mod model;
#[cfg(feature = "alloc")]
pub mod pci;
#[cfg(feature = "alloc")]
pub mod simulate;
#[cfg(feature = "alloc")]
mod slab;
#[cfg(feature = "alloc")]
mod word;

#[cfg(test)]
#[path = "../tests/it/support/cases.rs"]
mod cases;

pub use dialect::Dialect;
pub use error::{Error, ErrorKind, Format};
#[cfg(feature = "alloc")]
pub use group::{BusError, Device, DeviceKey, GroupId, Groups, IommuGroup, Placement};
pub use id::{Bdf, DeviceId, InputIds, ParseBdfError, Phandle, RequesterId, Segment, StreamId};
#[cfg(feature = "alloc")]
pub use map::{Fwspec, FwspecFlags, FwspecOutcome, IdMap, NoStream};
#[cfg(feature = "alloc")]
pub use model::{IommuIndex, IommuKind, MsiControllerIndex, Platform, RequesterIndex};
#[cfg(feature = "alloc")]
pub use pci::AcsFlags;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
