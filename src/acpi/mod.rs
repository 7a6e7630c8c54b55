//! ACPI tables: the header that all share, and the tables that speak of IOMMUs.
//!
//! Views borrow their bytes, allocate nothing and judge nothing. No input makes them panic, loop for ever or recurse.

pub mod iort;
mod sdt;

pub use sdt::Sdt;
