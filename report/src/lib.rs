//! Words, tables, pictures and build-server formats for the answers of [`fwspec`]. Nothing here finds out or judges: it words and
//! draws.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
// What the library adds to an enum is to be told here too.
#![deny(clippy::wildcard_enum_match_arm)]
#![forbid(unsafe_code)]

extern crate alloc;

mod changes;
mod ci;
mod count;
pub mod dmar;
mod function;
pub mod iort;
pub mod ivrs;
mod lines;
mod name;
pub mod picture;
mod rows;
mod sarif;
mod schema;
mod specifier;
pub mod text;
mod xml;

pub use changes::changes;
pub use ci::{JUNIT_END, JUNIT_START, github, junit};
pub use lines::LintStream;
pub use sarif::SarifLog;
pub use schema::{DOCUMENTS, schema};
