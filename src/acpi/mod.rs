//! ACPI tables: the header that all share, and the tables that describe IOMMUs.
//!
//! Views borrow their bytes, allocate nothing and judge nothing. No input makes them panic, loop forever or recurse.

#[cfg(feature = "alloc")]
pub mod container;
pub mod dmar;
pub mod iort;
pub mod ivrs;
mod madt;
mod mcfg;
pub mod rimt;
mod sdt;
pub mod viot;
mod walk;

pub use madt::{ItsKind, ItsUnit, ItsUnits, Madt};
pub use mcfg::{Allocation, Allocations, Mcfg};
pub use sdt::Sdt;
