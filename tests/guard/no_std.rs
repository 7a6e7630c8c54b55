//! The tiers without std link into a program without std, and one with std does not.
//!
//! No target without std is needed for that: as soon as std comes along, its panic handler and that of the program collide.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the program on the tier of `feature`, and returns what cargo said where that failed.
fn build(program: &Path, feature: &str) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(["build", "--offline", "--features", feature, "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std"))
        .current_dir(program)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

#[test]
fn the_tiers_without_std_link_without_std() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("tests/no_std");
    let (manifest, lock) = (program.join("Cargo.toml"), root.join("Cargo.lock"));
    if !manifest.exists() || !lock.exists() {
        crate::outside::skip("this is no checkout of the repository, tests/no_std or Cargo.lock is missing");
        return;
    }
    // The versions that this test itself was built with: they are here already.
    std::fs::copy(lock, program.join("Cargo.lock")).unwrap();
    for tier in ["", "alloc"] {
        if let Err(said) = build(&program, tier) {
            panic!("the tier {tier:?} does not link without std:\n{said}");
        }
    }
    let said =
        build(&program, "std").expect_err("std came along and nothing collided: this test proves nothing");
    assert!(said.contains("E0152"), "std was refused for another reason:\n{said}");
}
