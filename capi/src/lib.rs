//! The C API: what `include/fwspec.h` declares, and, but for one hand-over from the crate `acpi`, the only `unsafe` of the project.
//!
//! Everything here has the name and the layout that C sees. Handles are opaque and owned by the caller, outputs are the
//! caller's memory, statuses are plain `int`s, nothing is global. A pointer of C is an `Option` of a reference or of a box
//! here, which has the same layout and turns NULL into a case that cannot be forgotten; what is left to `unsafe` are arrays
//! and strings, all of it in `edge.rs`.
//!
//! No panic crosses the boundary: it is caught and answered with [`FWSPEC_INTERNAL`], and a handle it may have left half
//! changed answers nothing else from then on. That needs a build that unwinds, such as the profile `capi`; one that aborts
//! on panic (the profile `release`, made for the command) ends the process instead.
//!
//! ```
//! use fwspec_capi::{FWSPEC_ARGUMENT, FWSPEC_OK, fwspec_strerror};
//! assert!(!fwspec_strerror(FWSPEC_OK).is_null());
//! assert_eq!(fwspec_capi::fwspec_stream_of(None, 0, 0x108, None), FWSPEC_ARGUMENT);
//! ```
// The names are those of C. What is safe is said once, in the header's preamble (`cbindgen.toml`), for all functions: a pointer
// is NULL or leads to what its type says, and an array is as long as its capacity says.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
// What the library adds to an enum is to be told here too.
#![deny(clippy::wildcard_enum_match_arm)]
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod assign;
mod device;
mod edge;
mod finding;
mod group;
mod lookup;
mod member;
mod open;
mod place;
mod status;
mod types;
mod walk;

pub use assign::*;
pub use finding::*;
pub use group::*;
pub use lookup::*;
pub use member::*;
pub use open::*;
pub use types::*;
pub use walk::*;
