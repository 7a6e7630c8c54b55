//! Reads what firmware says about IOMMUs (device-tree `iommu-map` and `iommus`; ACPI IORT, RIMT, VIOT, DMAR and IVRS) and assigns IOMMU
//! groups when a device is added to its bus.
//!
//! ```text
//!  bytes ──parse──> view ──lower──> Platform ──build(Dialect)──> IdMap ──lookup──> Fwspec ──add──> Groups
//! ```
//!
//! # Ten minutes
//!
//! A device's DMA carries a **requester ID** (PCI) or something its bus defines. On the way to memory it meets an IOMMU, which
//! sees a **StreamID**; its MSIs reach an interrupt controller, which sees a **DeviceID**. Firmware says how the one becomes the
//! other. There are two kinds of firmware, and here they meet in one [`Platform`]:
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
//! firmware, never on drivers or on who came first; groups are the connected components of ties, so every order of additions
//! gives the same partition.
//!
//! # Features
//!
//! Without features the views and single look-ups ([`acpi::iort::resolve`], [`dt::resolve`]) need neither std nor a heap. `alloc`
//! adds the model, the maps, the groups and the answers; `std`, on by default, files and sysfs; `archives` what is compressed or packed.
//! With `serde` answers can be serialized, with `schema` they describe themselves as JSON Schema; `acpi` and `fdt` take over tables and nodes
//! from those crates.
//!
//! # Errors
//!
//! [`Error`] is bytes that cannot be read: a kind with the value found, and an absolute offset. One bad record costs one record: it
//! is in [`Platform::skipped`](model::Platform::skipped), and the rest is read. [`BusError`] is an event that cannot be.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Only what talks to C and to raw tables may, in one module each.
#![cfg_attr(not(feature = "acpi"), forbid(unsafe_code))]
#![cfg_attr(feature = "acpi", deny(unsafe_code))]
// Whatever bytes make of a number, it is added up with care. What draws and what makes tables says where it need not.
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
