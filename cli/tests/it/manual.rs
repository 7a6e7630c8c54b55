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
        for verb in [
            "check", "show", "lookup", "groups", "simulate", "lint", "audit", "diff", "explain", "schema",
            "man",
        ] {
            assert!(script.contains(verb), "{shell} does not know {verb}");
        }
    }
}

#[test]
fn each_verb_has_a_manual_page_with_its_examples() {
    assert!(said(&["man"]).contains(".TH fwspec 1"));
    for verb in [
        "check", "watch", "snapshot", "show", "lookup", "groups", "simulate", "lint", "audit", "diff",
        "explain", "schema",
    ] {
        let page = said(&["man", verb]);
        assert!(page.contains(&format!(".TH fwspec-{verb} 1")), "{page}");
        for part in [".SH SYNOPSIS", ".SH EXAMPLES", ".SH \"EXIT STATUS\"", ".SH \"SEE ALSO\"", ".SH OPTIONS"]
        {
            assert!(page.contains(part), "{verb} has no {part}: {page}");
        }
    }
}

/// What `man` prints of a page at 80 columns; nothing where there is no `man`.
fn rendered(verb: &str) -> Option<String> {
    let page = std::env::temp_dir().join(format!("fwspec-{verb}-{}.1", std::process::id()));
    std::fs::write(&page, said(&["man", verb])).unwrap();
    let output = Command::new("man")
        .arg("-l")
        .arg(&page)
        .env("MANWIDTH", "80")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .ok()?;
    std::fs::remove_file(&page).unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_page_is_read_as_it_was_written() {
    for verb in ["lookup", "groups", "lint", "explain", "show"] {
        let Some(page) = rendered(verb) else {
            println!("skipped: there is no man to render the page of {verb}");
            return;
        };
        let help = said(&[verb, "--help"]);
        let examples: Vec<&str> =
            help.split("Examples:\n").nth(1).unwrap().lines().take_while(|l| !l.is_empty()).collect();
        for example in &examples {
            assert!(page.contains(example.trim()), "{verb}: {example} is not in one line of\n{page}");
        }
        assert!(page.contains("64  usage"), "{page}");
    }
}

#[test]
fn bash_completes_dialects_codes_schemas_and_algorithms() {
    let script = std::env::temp_dir().join(format!("fwspec-completion-{}.bash", std::process::id()));
    std::fs::write(&script, said(&["completions", "bash"])).unwrap();
    for (words, wanted) in [
        ("fwspec lookup --dialect ope", "openbsd"),
        ("fwspec show --dialect linux-", "linux-2020"),
        ("fwspec lint --allow IORT00", "IORT004"),
        ("fwspec schema fwspec.pl", "fwspec.platform/1"),
        ("fwspec simulate --algorithm dev", "device-add"),
        ("fwspec loo", "lookup"),
        ("fwspec lint --fail-on wa", "warn"),
    ] {
        let last = words.split(' ').count() - 1;
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={last}; _fwspec fwspec \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            last - 1
        );
        let Ok(output) = Command::new("bash").args(["--norc", "-c", &line]).output() else {
            println!("skipped: there is no bash to complete in");
            return;
        };
        let completed = String::from_utf8(output.stdout).unwrap();
        assert!(completed.split_whitespace().any(|word| word == wanted), "{words}: {completed}");
    }
    std::fs::remove_file(&script).unwrap();
}

/// A zsh in a terminal of its own: it is typed into, and what it makes of the line is waited for.
const ZSH: &str = r#"
zmodload zsh/zpty || exit 3
zpty shell "env TERM=xterm PATH=$2:$PATH zsh -f -i"
zpty -w shell "PROMPT='> '; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word; unsetopt beep; echo rea''dy"
zpty -r -m shell line '*ready*' || exit 4
zpty -w -n shell "$3"$'\t'
zpty -r -m shell line "*$4*" && print -r -- found
zpty -d shell
"#;

#[test]
fn zsh_completes_dialects_codes_schemas_and_algorithms() {
    let folder = std::env::temp_dir().join(format!("fwspec-zsh-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("_fwspec"), said(&["completions", "zsh"])).unwrap();
    let command = std::path::Path::new(env!("CARGO_BIN_EXE_fwspec")).parent().unwrap();
    for (words, wanted) in [
        ("fwspec lookup --dialect ope", "openbsd"),
        ("fwspec show --dialect linux-", "linux-2020"),
        ("fwspec lint --allow IORT00", "IORT004"),
        ("fwspec schema fwspec.pl", "fwspec.platform/1"),
        ("fwspec simulate --algorithm dri", "driver-probe"),
        ("fwspec loo", "lookup"),
        ("fwspec lint --fail-on wa", "warn"),
    ] {
        // `timeout`, for a line that is not completed is waited for without end.
        let output = Command::new("timeout")
            .args(["30", "zsh", "-f", "-c", ZSH, "zsh"])
            .args([folder.as_path(), command, words.as_ref(), wanted.as_ref()])
            .output();
        let completed = match output {
            Ok(output) if !matches!(output.status.code(), Some(3 | 127)) => output.stdout,
            _ => {
                println!("skipped: there is no zsh to complete in");
                break;
            }
        };
        assert!(String::from_utf8_lossy(&completed).contains("found"), "{words}: no {wanted}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_other_shells_know_the_same_words() {
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        let script = said(&["completions", shell]);
        // Values of options are not in the scripts of the last two.
        let words = if shell == "zsh" || shell == "fish" {
            &["openbsd", "IORT004", "device-add"][..]
        } else {
            &["lookup"]
        };
        for word in words {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn a_verb_that_is_none_has_no_page() {
    assert_eq!(fwspec(&["man", "nonsense"]).status.code(), Some(64));
}
