//! Programs around the library, each a package of its own, built with the versions of the repository's lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cases::cases_of_three;
use crate::outside::skip;

/// The folder of the library's package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder for what these tests write.
pub(crate) fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A package of the repository, with the lock file beside it; says so where this is not a checkout.
pub(crate) fn package(name: &str) -> Option<PathBuf> {
    let package = root().join(name);
    if !package.join("Cargo.toml").exists() {
        skip(format_args!("this is not a checkout of the repository: no {name}"));
        return None;
    }
    lock(&package).then_some(package)
}

/// Gives a package the versions that this test itself was built with: they are here already. Says so where there is no lock file.
pub(crate) fn lock(package: &Path) -> bool {
    let found = std::fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).is_ok();
    if !found {
        skip("this is not a checkout of the repository: no Cargo.lock");
    }
    found
}

/// Cargo in a package. All packages are built into one folder and as releases, so that what they have in common is built once. In an ordinary
/// run they have one profile, too, without optimization across crates; otherwise each has its own.
pub(crate) fn cargo(package: &Path, command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if cases_of_three(true, false, false) {
        let profile = [("LTO", "off"), ("OPT_LEVEL", "3"), ("CODEGEN_UNITS", "1")];
        cargo.envs(profile.map(|(setting, value)| (format!("CARGO_PROFILE_RELEASE_{setting}"), value)));
    }
    cargo.args([command, "--release", "--offline", "--target-dir"]).arg(scratch().join("guard"));
    cargo.current_dir(package).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// A file that [`cargo`] built.
pub(crate) fn built(name: &str) -> PathBuf {
    scratch().join("guard/release").join(name)
}
