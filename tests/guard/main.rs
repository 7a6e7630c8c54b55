//! What holds for the code itself: its layers, what is linked into it, what it builds without.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod bare_metal;
#[path = "../it/support/cases.rs"]
mod cases;
mod circles;
mod dependencies;
mod examples;
mod layering;
mod no_std;
#[path = "../it/support/outside.rs"]
mod outside;
mod panic_freedom;
mod program;
mod traits;
