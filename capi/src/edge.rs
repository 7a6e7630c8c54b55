//! The boundary itself: panics, arrays and strings.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt::Display;
use core::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::place::place;
use super::status::message_of;
use super::types::{FWSPEC_ARGUMENT, FWSPEC_INTERNAL, FWSPEC_OK, FWSPEC_UNREADABLE, fwspec_error};
use fwspec::Error;
use fwspec::machine::TextError;

/// An output of the caller: written on success only, so it may be uninitialised until then.
pub(super) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Why a call fails: its status and, in more detail, where and what.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: c_int,
    offset: u64,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: c_int, message: impl Display) -> Self {
        Refusal { status, offset: 0, message: message.to_string() }
    }
}

impl From<c_int> for Refusal {
    fn from(status: c_int) -> Self {
        Refusal::new(status, message_of(status))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { status: FWSPEC_UNREADABLE, offset: place(error.at), message: error.to_string() }
    }
}

impl From<TextError> for Refusal {
    fn from(error: TextError) -> Self {
        let offset = error.place.map_or(0, |place| u64::from(place.offset));
        Refusal { status: FWSPEC_UNREADABLE, offset, message: error.to_string() }
    }
}

impl From<Refusal> for fwspec_error {
    fn from(refusal: Refusal) -> Self {
        fwspec_error { status: refusal.status, offset: refusal.offset, message: message(&refusal.message) }
    }
}

/// Does a call's work. A panic ends here.
pub(super) fn answer(work: impl FnOnce() -> Result<(), c_int>) -> c_int {
    // What a panic may leave half done is closed to further calls by its owner, see `fwspec_groups`.
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(FWSPEC_INTERNAL));
    done.err().unwrap_or(FWSPEC_OK)
}

/// Does a call's work, and tells `error` what went wrong.
pub(super) fn explain(error: Out<'_, fwspec_error>, work: impl FnOnce() -> Result<(), Refusal>) -> c_int {
    let mut refused = None;
    let status = answer(|| work().map_err(|refusal| refused.insert(refusal).status));
    if let (true, Some(error)) = (status != FWSPEC_OK, error) {
        error.write(refused.unwrap_or_else(|| status.into()).into());
    }
    status
}

/// Writes the one output of a call.
pub(super) fn put<T>(out: Out<'_, T>, value: impl FnOnce() -> Result<T, c_int>) -> Result<(), c_int> {
    let out = out.ok_or(FWSPEC_ARGUMENT)?;
    out.write(value()?);
    Ok(())
}

/// A text as a NUL-terminated message, cut between two characters where it is too long.
pub(super) fn message<const ROOM: usize>(text: &str) -> [c_char; ROOM] {
    let mut out = [0; ROOM];
    let room = text.len().min(ROOM.saturating_sub(1));
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (place, byte) in out.iter_mut().zip(text.bytes().take(end)) {
        *place = c_char::from_ne_bytes([byte]);
    }
    out
}

/// The bytes of a blob.
///
/// # Safety
/// `start` is NULL or the start of `len` readable bytes that are not changed as long as the slice is used.
pub(super) unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Result<&'a [u8], c_int> {
    if start.is_null() || isize::try_from(len).is_err() {
        return Err(FWSPEC_ARGUMENT);
    }
    // SAFETY: not NULL, short enough for a slice, and readable by this function's contract.
    Ok(unsafe { core::slice::from_raw_parts(start.cast(), len) })
}

/// A string.
///
/// # Safety
/// `text` is NULL or the start of a NUL-terminated string that is not changed as long as it is used.
pub(super) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, c_int> {
    if text.is_null() {
        return Err(FWSPEC_ARGUMENT);
    }
    // SAFETY: not NULL, and a string by this function's contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| FWSPEC_ARGUMENT)
}

/// Fills an array with as many items as it has room for, and says how many.
///
/// # Safety
/// `out` is NULL or the start of `capacity` writable places.
pub(super) unsafe fn fill<T>(
    out: *mut T,
    capacity: usize,
    count: Out<'_, usize>,
    items: impl IntoIterator<Item = T>,
) -> Result<(), c_int> {
    let count = count.ok_or(FWSPEC_ARGUMENT)?;
    if out.is_null() && capacity > 0 {
        return Err(FWSPEC_ARGUMENT);
    }
    let mut written: usize = 0;
    for item in items.into_iter().take(capacity) {
        // SAFETY: `written` is below `capacity`, so the place is one of those of this function's contract.
        unsafe { out.add(written).write(item) };
        written = written.saturating_add(1);
    }
    count.write(written);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::cast_possible_wrap)] // C's char has a sign on some machines
mod tests {
    use super::*;
    use crate::FWSPEC_MESSAGE;

    #[test]
    #[allow(clippy::panic, clippy::unwrap_used)]
    fn a_panic_is_an_answer() {
        let mut error = MaybeUninit::<fwspec_error>::zeroed();
        assert_eq!(explain(Some(&mut error), || panic!("of its own making")), FWSPEC_INTERNAL);
        // SAFETY: all bytes zero are a value of it, whatever was written since.
        assert_eq!(unsafe { error.assume_init() }.status, FWSPEC_INTERNAL);
    }

    #[test]
    #[allow(clippy::indexing_slicing)]
    fn a_long_message_is_cut_between_characters() {
        let long = format!("{}ß tail", "x".repeat(FWSPEC_MESSAGE - 2));
        let cut: [c_char; FWSPEC_MESSAGE] = message(&long);
        assert_eq!(cut[FWSPEC_MESSAGE - 3..], [b'x' as c_char, 0, 0]);
        assert!(message::<FWSPEC_MESSAGE>("short").starts_with(&b"short\0".map(|b| b as c_char)));
    }
}
