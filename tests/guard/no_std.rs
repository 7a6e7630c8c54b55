//! The tiers without std link into a program without std, and one with std does not.
//!
//! No target without std is needed for that: as soon as std comes along, its panic handler and that of the program collide.

use std::path::Path;

use crate::cases::cases_of_three;
use crate::program::{cargo, package};

/// Builds the program on the tier of `feature`, and returns what cargo said where that failed. A second panic handler is found
/// before any code is made, so an ordinary run makes none; the other programs of these tests are linked.
fn build(program: &Path, feature: &str) -> Result<(), String> {
    let done = cargo(program, cases_of_three("check", "build", "build"))
        .args(["--features", feature])
        .output()
        .unwrap();
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

#[test]
fn the_tiers_without_std_link_without_std() {
    let Some(program) = package("tests/no_std") else { return };
    // An ordinary run has the core tier linked by panic_freedom, whose program has no std either.
    for tier in cases_of_three(&["alloc"][..], &["", "alloc"], &["", "alloc"]) {
        if let Err(said) = build(&program, tier) {
            panic!("the tier {tier:?} does not link without std:\n{said}");
        }
    }
    // The library with std, which takes a while, where FWSPEC_CASES asks for more; std alone collides as well.
    let with_std = cases_of_three("alloc,std", "std-library", "std-library");
    let said =
        build(&program, with_std).expect_err("std came along and nothing collided: this test proves nothing");
    assert!(said.contains("E0152"), "std was refused for another reason:\n{said}");
}
