//! The tests of the command: every verb, its documents, pictures and manual, and the bodies of the fuzz targets.
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

mod acs;
mod audit;
mod boot;
#[path = "../../../tests/it/support/cases.rs"]
mod cases;
mod check;
#[path = "../../../tests/it/support/dt.rs"]
mod dt;
mod dt_show;
mod fields;
mod fuzz;
mod grammar;
mod lint;
mod log;
mod manual;
mod many;
mod msi;
mod mutants;
#[path = "../../../tests/it/support/outside.rs"]
mod outside;
#[path = "../../../tests/it/support/pci.rs"]
mod pci;
mod pictures;
mod readme;
mod schema;
mod support;
mod terminal;
mod verbs;
mod wrong;
mod x86;
