//! The only place that formats: text for people, JSON for programs.

#[cfg(feature = "json")]
mod changes;
#[cfg(feature = "json")]
mod ci;
#[cfg(feature = "json")]
mod finding;
#[cfg(feature = "json")]
mod function;
pub mod iort;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "json")]
pub mod picture;
#[cfg(feature = "json")]
mod sarif;
#[cfg(feature = "cli")]
mod specifier;
#[cfg(feature = "cli")]
pub mod text;
#[cfg(feature = "json")]
mod xml;

#[cfg(feature = "json")]
pub use changes::{DiffDocument, changes};
#[cfg(feature = "json")]
pub use ci::{JUNIT_END, JUNIT_START, github, junit};
#[cfg(feature = "json")]
pub use finding::{Linted, Tally};
#[cfg(feature = "json")]
pub use sarif::SarifLog;
