//! What statuses mean.

use core::ffi::{CStr, c_int};

use super::types::*;

/// What a status means, in words.
pub(super) fn message_of(status: c_int) -> &'static str {
    text_of(status).to_str().unwrap_or_default()
}

/// The same, as C has it.
pub(super) fn text_of(status: c_int) -> &'static CStr {
    match status {
        FWSPEC_OK => c"success",
        FWSPEC_NO_MAPPING => c"the firmware maps the id to nothing",
        FWSPEC_UNREADABLE => c"the bytes cannot be read",
        FWSPEC_ARGUMENT => c"an argument is NULL or has a value that the function does not know",
        FWSPEC_NOT_FOUND => c"nothing is at that index or has that name",
        FWSPEC_BUS => c"an event that cannot happen",
        FWSPEC_INTERNAL => c"a fault of the library itself",
        _ => c"a status that this version does not know",
    }
}
