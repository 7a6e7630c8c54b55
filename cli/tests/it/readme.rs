//! What README and the reference say that the command prints, it prints.

use std::fs;
use std::path::Path;
use std::process::Command;

const TEXTS: [&str; 3] = ["README.md", "docs/reference.md", "docs/races.md"];

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A line that is typed, and what stands below it.
struct Typed {
    command: String,
    printed: Vec<String>,
}

/// What the `console` blocks of a text show.
fn typed(text: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => is_console = line == "```console",
            Some(command) if is_console => {
                let command = command.split("  #").next().unwrap().trim().to_string();
                all.push(Typed { command, printed: Vec::new() });
            }
            None if is_console => all.last_mut().unwrap().printed.push(line.trim_end().to_string()),
            _ => {}
        }
    }
    all
}

/// The words after `fwspec`, where the line starts it.
fn arguments(command: &str) -> Option<Vec<String>> {
    let rest = command.strip_prefix("cargo run --release -- ").or_else(|| command.strip_prefix("fwspec "))?;
    let plain = rest.split(" > ").next().unwrap();
    Some(plain.split_whitespace().map(|word| word.trim_matches('\'').to_string()).collect())
}

#[test]
fn what_stands_below_a_command_is_what_it_prints() {
    let mut compared = 0;
    for name in TEXTS {
        let text = fs::read_to_string(project().join(name)).unwrap();
        for Typed { command, printed } in typed(&text) {
            let Some(arguments) = arguments(&command).filter(|_| !printed.is_empty()) else { continue };
            let output = Command::new(env!("CARGO_BIN_EXE_fwspec"))
                .args(&arguments)
                .current_dir(project())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let said: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
            assert_eq!(said, printed, "{name}: {command}\n{}", String::from_utf8_lossy(&output.stderr));
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared} commands with their output");
}

#[test]
fn every_command_of_the_texts_is_one() {
    let mut seen = 0;
    for name in TEXTS {
        let text = fs::read_to_string(project().join(name)).unwrap();
        for Typed { command, .. } in typed(&text) {
            let Some(at) = command.find("fwspec ").filter(|at| *at == 0 || command[..*at].ends_with("| "))
            else {
                continue;
            };
            let verb = command[at..].split_whitespace().nth(1).unwrap();
            let help = Command::new(env!("CARGO_BIN_EXE_fwspec")).args([verb, "--help"]).output().unwrap();
            let help = String::from_utf8(help.stdout).unwrap();
            assert!(help.contains(&format!("Usage: fwspec {verb}")), "{name}: {command}");
            for option in command[at..].split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{name}: {command}: {verb} has no {option}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} commands");
}

#[test]
fn what_the_texts_link_to_is_there() {
    for name in TEXTS.iter().chain(&["docs/evidence.md"]) {
        let text = fs::read_to_string(project().join(name)).unwrap();
        let folder = project().join(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_there = folder.parent().unwrap().join(link).exists();
            assert!(is_there || link.starts_with("http"), "{name} links to {link}");
        }
    }
}

/// What the README shows is what the command draws.
#[test]
fn the_picture_of_the_readme_is_what_the_command_draws() {
    let folder = project().join("firmware-samples/d05-2020");
    let files = ["iort.bin", "lspci.txt"].map(|name| folder.join(name));
    let drawn =
        Command::new(env!("CARGO_BIN_EXE_fwspec")).args(["groups", "--svg"]).args(files).output().unwrap();
    let file = project().join("docs/groups.svg");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &drawn.stdout).unwrap();
    }
    let kept = fs::read(&file).unwrap_or_default();
    assert!(kept == drawn.stdout, "docs/groups.svg is not as drawn; if it is meant to change, BLESS=1");
    assert!(fs::read_to_string(project().join("README.md")).unwrap().contains("(docs/groups.svg)"));
}
