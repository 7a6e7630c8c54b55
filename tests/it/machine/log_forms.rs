//! Every row of the table of log forms.

use std::collections::BTreeSet;

use fwspec::lint::Code;
use fwspec::machine::log::{Form, Log, LogKind, forms};

/// Holes by which a line names the id, the event or the device that `said` speaks of.
const STANDS_FOR: [(&str, &[&str]); 12] = [
    ("device", &["dev", "client", "rid", "head"]),
    ("iommu", &["iommu", "head"]),
    ("other", &["other"]),
    ("sid", &["sid", "sidd", "raw", "cbfrsynra", "gfsynr1"]),
    ("event", &["event", "eventname", "raw"]),
    ("reason", &["reason", "reasond"]),
    ("addr", &["addr"]),
    ("at", &["head"]),
    ("did", &["did", "didx"]),
    ("base", &["base"]),
    ("whose", &["x"]),
    ("wrong", &["x"]),
];

fn holes(text: &str) -> Vec<&str> {
    let inside = text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
    inside.map(|hole| hole.split('=').next().unwrap()).collect()
}

#[test]
fn the_example_of_every_row_has_its_form() {
    let mut wrong = Vec::new();
    for form in forms() {
        let line = form.example();
        let log = Log::read(line.as_bytes());
        let found = log.entries.first().map(|entry| entry.form);
        if found != Some(form) {
            wrong.push(format!(
                "{line}\n    wanted {}\n    found  {:?}",
                form.pattern,
                found.map(|f| f.pattern)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_sentence_speaks_of_what_its_line_has() {
    for form in forms() {
        let there = holes(form.pattern);
        for word in holes(form.said) {
            let by = STANDS_FOR.iter().find(|(name, _)| *name == word);
            let has = by.map_or(there.contains(&word), |(_, holes)| {
                holes.iter().any(|hole| *hole == "head" || there.contains(hole))
            });
            assert!(has, "{:?} says {word:?}", form.pattern);
        }
        let end = |c| form.said.ends_with(c);
        assert!(
            end('.') || end(':') || form.said.ends_with("}"),
            "{:?} is no sentence: {:?}",
            form.pattern,
            form.said
        );
    }
}

#[test]
fn every_code_of_a_row_is_one() {
    for form in forms() {
        for code in form.codes.split(' ').filter(|code| !code.is_empty()) {
            assert!(Code::named(code).is_some(), "{code} of {:?}", form.pattern);
        }
        assert!(form.kind != LogKind::FirmwareBug || !form.harmless, "{:?}", form.pattern);
    }
    // Lines that say a firmware bug lead to what says it before boot.
    let bugs: Vec<&Form> = forms().filter(|form| form.kind == LogKind::FirmwareBug).collect();
    let without = bugs.iter().filter(|form| form.codes.is_empty()).count();
    println!("{without} of {} firmware bugs have no code", bugs.len());
    assert!(without * 2 < bugs.len());
}

#[test]
fn no_row_is_there_twice() {
    let mut seen = BTreeSet::new();
    let mut twice: Vec<&str> = Vec::new();
    for form in forms() {
        if !seen.insert((form.speaker, form.example().to_ascii_lowercase())) {
            twice.push(form.pattern);
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
    assert!(seen.len() > 900, "{}", seen.len());
}
