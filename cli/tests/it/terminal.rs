//! What the command prints on a terminal of 80, 100 and 200 columns: columns stand under their titles, no word is broken, nothing
//! runs over the edge that could have been broken, and `TERM=dumb` is plain.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

/// What a run prints on a terminal, with its colours.
fn on_terminal(columns: u16, term: &str, arguments: &[&str]) -> String {
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("TERM", term)
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(Stdio::from(pty.slave))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = Vec::new();
    let mut master = File::from(pty.master);
    // Reading ends with an error once the last writer is gone (EIO of a pseudo-terminal).
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = master.read(&mut piece) {
        printed.extend_from_slice(&piece[..count]);
    }
    child.wait().unwrap();
    String::from_utf8(printed).unwrap().replace("\r\n", "\n")
}

/// Text without its colours.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |plain, piece| plain + piece.split_once('m').map_or(piece, |(_, shown)| shown))
}

const SWITCH: [&str; 3] = [
    "firmware-samples/qemu-switch-bridge/iort.bin",
    "firmware-samples/qemu-switch-bridge/lspci.txt",
    "firmware-samples/qemu-switch-bridge/mcfg.bin",
];

fn runs() -> Vec<Vec<&'static str>> {
    let tree = "firmware-samples/qemu-virt-dt/fdt.dtb";
    vec![
        [&["groups"], &SWITCH[..]].concat(),
        [&["groups", "--why", "04:01.0"], &SWITCH[..]].concat(),
        [&["audit"], &SWITCH[..]].concat(),
        vec!["show", tree],
        vec!["show", SWITCH[0]],
        vec!["lookup", tree, "00:01.0", "did:0x10", "sid:0x8", "/nothing"],
        vec!["explain", "IORT033"],
        vec!["lint", "firmware-samples/broken/DMAR003-dmar-scope-length/dmar.bin"],
    ]
}

/// Where the columns of a table begin, by its titles in the first line that holds the first of them.
fn starts(text: &str, titles: &[&str]) -> Vec<usize> {
    let line = text.lines().find(|line| line.starts_with(titles[0])).unwrap();
    titles.iter().map(|title| line.find(title).unwrap()).collect()
}

#[test]
fn columns_stand_under_their_titles_in_colour() {
    for columns in [80, 100, 200] {
        let coloured = on_terminal(columns, "xterm-256color", &runs()[0]);
        assert!(coloured.contains("\x1b["), "no colour at {columns} columns");
        let text = plain(&coloured);
        let at = starts(&text, &["group", "device", "what it is", "StreamIDs", "IOMMU"]);
        let row = text.lines().find(|line| line.contains("0000:00:00.0")).unwrap();
        let found =
            ["0 ", "0000:00:00.0", "1b36:0008", "0x0 ", "IORT+0x48"].map(|cell| row.find(cell).unwrap());
        assert_eq!(found.as_slice(), at, "{columns} columns: {row}");
    }
}

#[test]
fn the_width_is_the_terminals_and_words_stay_whole() {
    for arguments in runs() {
        let words = |text: &str| {
            text.split_whitespace().map(str::to_string).collect::<std::collections::BTreeSet<_>>()
        };
        let piped = Command::new(env!("CARGO_BIN_EXE_fwspec"))
            .args(&arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        let whole = words(&String::from_utf8(piped.stdout).unwrap());
        for columns in [80_u16, 100, 200] {
            let text = plain(&on_terminal(columns, "xterm-256color", &arguments));
            let broken: Vec<_> = words(&text).difference(&whole).cloned().collect();
            assert!(broken.is_empty(), "{arguments:?} at {columns} columns breaks {broken:?}");
            for line in text.lines().filter(|line| line.chars().count() > usize::from(columns)) {
                // Places and bytes are for copying: they are not broken.
                let keeps =
                    ["  --> ", "   00", "firmware-samples/"].iter().any(|start| line.starts_with(start));
                assert!(keeps || columns < 100, "{arguments:?} at {columns} columns: {line}");
            }
        }
    }
}

#[test]
fn a_dumb_terminal_gets_no_colour() {
    for arguments in runs() {
        assert!(!on_terminal(80, "dumb", &arguments).contains('\x1b'), "{arguments:?}");
    }
}
