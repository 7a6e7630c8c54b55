//! Manual pages and completion scripts: each verb and option of the command is in them.

use std::process::{Command, Output};

fn fwspec(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap()
}

fn said(arguments: &[&str]) -> String {
    let output = fwspec(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_shell_completes_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for verb in
            ["show", "lookup", "groups", "simulate", "lint", "audit", "diff", "explain", "schema", "man"]
        {
            assert!(script.contains(verb), "{shell} does not know {verb}");
        }
    }
}

#[test]
fn each_verb_has_a_manual_page_with_its_examples() {
    assert!(said(&["man"]).contains(".TH fwspec 1"));
    for verb in ["show", "lookup", "groups", "simulate", "lint", "audit", "diff", "explain", "schema"] {
        let page = said(&["man", verb]);
        assert!(page.contains(&format!(".TH fwspec-{verb} 1")), "{page}");
        assert!(page.contains("Examples:"), "{verb} has no examples");
    }
}

#[test]
fn a_verb_that_is_none_has_no_page() {
    assert_eq!(fwspec(&["man", "nonsense"]).status.code(), Some(64));
}
