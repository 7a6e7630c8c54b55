//! Counts that agree with their nouns.

use alloc::format;
use alloc::string::String;

/// `1 device`, `2 devices`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", s(count != 1))
}

/// What makes a plural of most nouns.
pub(crate) fn s(several: bool) -> &'static str {
    if several { "s" } else { "" }
}
