//! The IORT that the `acpi` crate (5.2) found and mapped.
//!
//! ```no_run
//! # fn example(tables: acpi::AcpiTables<impl acpi::AcpiHandler>) -> Result<(), Box<dyn std::error::Error>> {
//! use fwspec::interop::acpi::{IortTable, iort};
//! let mapping = tables.find_table::<IortTable>().map_err(|error| format!("{error:?}"))?;
//! for node in iort(&mapping)?.nodes() {
//!     println!("{:?}", node?.node_type());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `find_table` skips a table whose checksum is wrong or whose OEM fields are not UTF-8; firmware in use has both, and
//! [`Iort::parse`] reads it. On such a machine, map the table yourself and pass the bytes.
//!
//! The 5.2 series is the last that builds on a stable compiler. With a later one the same is done without this feature: find
//! the table by its signature, make a slice of the mapping's start and its region length, and hand that to [`Iort::parse`].

use acpi::sdt::{SdtHeader, Signature};
use acpi::{AcpiHandler, AcpiTable, PhysicalMapping};

use crate::Error;
use crate::acpi::iort::Iort;

/// Names the IORT to `AcpiTables::find_table`.
#[derive(Debug)]
#[repr(transparent)]
pub struct IortTable {
    header: SdtHeader,
}

// SAFETY: it is no more than the header that every table starts with, which the crate itself maps and checks first.
unsafe impl AcpiTable for IortTable {
    const SIGNATURE: Signature = Signature::IORT;

    fn header(&self) -> &SdtHeader {
        &self.header
    }
}

/// Reads the table that a mapping shows. Nothing in the table is believed: its length is checked against what is mapped, and
/// everything else as in [`Iort::parse`].
///
/// # Errors
/// As [`Iort::parse`]; [`Truncated`](crate::ErrorKind::Truncated) for a table that says it is longer than what is mapped.
pub fn iort<H: AcpiHandler>(mapping: &PhysicalMapping<H, IortTable>) -> Result<Iort<'_>, Error> {
    let mapped = mapping.region_length().min(mapping.mapped_length());
    // SAFETY: the maker of the mapping vouches (`PhysicalMapping::new`) that this many bytes from its start are mapped, and the
    // borrow keeps them so. It hands out no other reference to them meanwhile but shared ones.
    let bytes = unsafe { core::slice::from_raw_parts(mapping.virtual_start().as_ptr().cast::<u8>(), mapped) };
    Iort::parse(bytes)
}
