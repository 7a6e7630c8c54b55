//! Everything that a run of the command said, held against `cli/tests/snapshots/NAME.txt`; `BLESS=1` writes the file anew.

use std::path::Path;
use std::process::Output;

pub(crate) fn snapshot(name: &str, arguments: &[&str], output: Output) {
    let said = format!(
        "$ fwspec {}\n{}{}[exit {}]\n",
        arguments.join(" "),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap()
    );
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .join("cli/tests/snapshots")
        .join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &said).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        said == wanted,
        "{name} changed; if it is meant to, BLESS=1\n--- wanted\n{wanted}\n--- said\n{said}"
    );
}
