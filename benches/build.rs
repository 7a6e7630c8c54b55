//! Compiles the rivals that are written in C, optimised as Rust is.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=rivals");
    println!("cargo::rustc-check-cfg=cfg(libfdt)");
    compiler()
        .files(["rivals/scan.c", "rivals/groups.c", "rivals/clock.c", "rivals/scopes.c"])
        .compile("rivals");
    // Debian's libfdt-dev. Without it the table says that libfdt is not here.
    let Some(archive) = libfdt() else { return };
    if compiler().file("rivals/tree.c").cargo_warnings(false).try_compile("rival_tree").is_ok() {
        println!("cargo::rustc-link-search=native={}", archive.display());
        println!("cargo::rustc-link-lib=static=fdt");
        println!("cargo::rustc-cfg=libfdt");
    }
}

fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build.opt_level(3).std("c11").warnings(true).extra_warnings(true);
    build
}

/// The folder of libfdt.a, which the C compiler knows.
fn libfdt() -> Option<PathBuf> {
    let compiler = compiler().get_compiler();
    let output = Command::new(compiler.path()).arg("-print-file-name=libfdt.a").output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    let path = Path::new(path.trim());
    path.is_absolute().then(|| path.parent().map(Path::to_path_buf))?
}
