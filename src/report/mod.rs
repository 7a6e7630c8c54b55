//! The only place that formats: text for people, JSON for programs.

pub mod iort;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "cli")]
pub mod text;
