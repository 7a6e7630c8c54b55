//! Boots unmodified kernels and holds the library against what they decide: `FWSPEC_BOOT=1 cargo test --test it boot::`.

use std::path::Path;
use std::process::Command;

use crate::support::outside::skip;
use crate::support::record;

#[test]
fn a_kernel_that_is_booted_now_agrees() {
    if std::env::var_os("FWSPEC_BOOT").is_none() {
        skip("set FWSPEC_BOOT=1 to fetch QEMU and kernels from Debian's archive (600 MB) and boot it");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = root.join("target/boot");
    let setup = Command::new(root.join("tests/boot/setup.sh")).arg(&tools).status().unwrap();
    if !setup.success() {
        skip("the tools could not be fetched; is Debian's archive within reach?");
        return;
    }
    let out = tools.join("runs");
    let _ = std::fs::remove_dir_all(&out);
    let boots = Command::new(root.join("tests/boot/boot.py")).arg(&tools).arg(&out).status().unwrap();
    assert!(boots.success(), "a boot failed: see above");
    let (mut runs, mut compared) = (0, 0);
    for run in std::fs::read_dir(&out).unwrap() {
        compared += record::agrees(&run.unwrap().path());
        runs += 1;
    }
    println!("{runs} boots, {compared} devices");
    assert!(compared > 0);
}
