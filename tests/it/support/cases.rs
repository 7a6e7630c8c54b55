//! How much a test tries. `cargo test` from a clean clone is to cost five minutes of processor at most, so it tries a part;
//! `.ci/run` sets `FWSPEC_CASES=more`, `.ci/full` sets `FWSPEC_CASES=full`.
#![allow(dead_code)]

use proptest::test_runner::Config;

fn is(wanted: &str) -> bool {
    std::env::var_os("FWSPEC_CASES").is_some_and(|said| said == wanted)
}

/// As many cases, or as large a step between them: the first in an ordinary run, the second where `FWSPEC_CASES=full`.
pub(crate) fn cases<T>(ordinary: T, full: T) -> T {
    if is("full") { full } else { ordinary }
}

/// The same where `FWSPEC_CASES=more` has a number of its own, the second.
pub(crate) fn cases_of_three<T>(ordinary: T, more: T, full: T) -> T {
    if is("more") { more } else { cases(ordinary, full) }
}

/// For a property that is tried on so many random values; four times the first where `FWSPEC_CASES=more`. Those that fail are printed, and no
/// file is written: such a value becomes a test.
pub(crate) fn random(ordinary: u32, full: u32) -> Config {
    let count = if is("more") { ordinary.saturating_mul(4).min(full) } else { cases(ordinary, full) };
    Config { failure_persistence: None, ..Config::with_cases(count) }
}
