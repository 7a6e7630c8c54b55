//! The logs of captured boots: nothing about IOMMUs is left that is not understood.

use crate::support::outside::shared;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fwspec::machine::log::{Log, LogKind};

fn excerpts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            excerpts(&path, found);
        } else if path.file_name().is_some_and(|name| name == "dmesg-excerpt.txt") {
            found.push(path);
        }
    }
}

/// Lines that are about IOMMUs and say nothing of them, each with the reason.
const EXCUSED: [(&str, &str); 3] = [
    ("WARNING: drivers/iommu", "where a warning was raised; what it is about stands in the call trace"),
    ("    hx_mods=", "a word of the command line that the init of the captures reads"),
    ("Modules linked in", "the modules of a kernel that raised a warning"),
];

#[test]
fn captured_boots_are_read_with_nothing_left() {
    let Some(truth) = shared("linux-truth") else { return };
    let mut files = Vec::new();
    excerpts(&truth, &mut files);
    assert!(files.len() > 500, "{} logs", files.len());
    let (mut left, mut lines, mut listed) = (BTreeMap::<String, usize>::new(), 0, 0);
    for file in &files {
        let log = Log::read(&fs::read(file).unwrap());
        lines += log.lines_read;
        listed += log.entries.len();
        assert_eq!(log.boots, 1, "{}", file.display());
        for entry in log.entries.iter().filter(|entry| entry.form.kind == LogKind::Other) {
            if !EXCUSED.iter().any(|(text, _)| entry.text.contains(text)) {
                let text = entry.text.split("] ").last().unwrap().to_owned();
                *left.entry(text).or_default() += 1;
            }
        }
    }
    println!("{} logs, {lines} lines, {listed} about IOMMUs", files.len());
    assert!(left.is_empty(), "{left:#?}");
}
