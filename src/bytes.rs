//! Typed reads at an offset: a field is there whole, or it is not there.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The `T` that starts `offset` bytes into `bytes`, if all of it lies inside.
pub(crate) fn at<T>(bytes: &[u8], offset: u32) -> Option<&T>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    T::ref_from_prefix(rest).ok().map(|(value, _)| value)
}

/// A 32-bit count or offset as an index. Saturates where `usize` is narrower, and so is never in bounds there.
pub(crate) fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A length or index in the 32 bits that the formats count in. Saturates.
pub(crate) fn saturate(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
