//! The worst inputs of every kind, in four sizes a decade apart: time must grow as size does.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench families` prints nanoseconds a byte for reading an input with its map, and
//! for linting it or grouping its functions; words after `--` choose families that contain them. Fails where a byte of the largest
//! costs more than eight times what one of the dearest smaller input costs: sorting adds a factor of two or so over these sizes, caches
//! that overflow as much again, and what is quadratic a hundred.

use std::hint::black_box;
use std::process::ExitCode;

use fwspec::machine::{Firmware, Kind, devices, lspci, recognise};
use fwspec::{Dialect, Groups, IdMap, Platform, lint};
use fwspec_benches::race::{Stopwatch, median};

#[path = "../tests/families/mod.rs"]
mod families;

const SIZES: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const MOST_GROWTH: f64 = 8.0;
/// Runs of each, of which the median counts; large inputs get fewer.
const RUNS: usize = 5;

/// Nanoseconds of processor time for each byte of the input.
fn per_byte(input: &[u8], mut work: impl FnMut()) -> f64 {
    let runs = if input.len() > 2_000_000 { 1 } else { RUNS };
    let times = (0..runs).map(|_| {
        let start = Stopwatch::start();
        work();
        start.elapsed().as_secs_f64() * 1e9 / input.len() as f64
    });
    median(times.collect())
}

fn read(input: &[u8]) {
    if recognise(input) == Kind::LspciText {
        drop(black_box(lspci::parse(input)));
    } else if let Ok(firmware) = Firmware::open("", input.to_vec()) {
        drop(black_box(IdMap::build(&firmware.platform, Dialect::LINUX)));
    }
}

fn group(input: &[u8]) {
    let Ok(dumps) = lspci::parse(input) else { return };
    let mut groups = Groups::without_firmware();
    for device in devices(&dumps).0 {
        drop(groups.add(device));
    }
    groups.settle();
    drop(black_box(lint::groups(&groups, &Platform::default(), None)));
}

/// Both costs of a byte of an input.
fn costs(input: &[u8]) -> [f64; 2] {
    let reading = per_byte(input, || read(input));
    let judging = match Firmware::open("", input.to_vec()) {
        Ok(firmware) => per_byte(input, || drop(black_box(fwspec::answer::findings(&firmware)))),
        Err(_) => per_byte(input, || group(input)),
    };
    [reading, judging]
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut steep = Vec::new();
    println!("nanoseconds a byte, at 10 kB, 100 kB, 1 MB and 10 MB");
    println!("| family | read | | | | lint or group | | | |\n|---|---|---|---|---|---|---|---|---|");
    for (name, member) in families::FAMILIES.iter().filter(|(name, _)| chosen(name)) {
        let all: Vec<[f64; 2]> = SIZES.iter().map(|size| costs(&member(*size))).collect();
        let column = |which: usize| all.iter().map(move |both| both[which]);
        let cells: Vec<String> = column(0).chain(column(1)).map(|cost| format!("{cost:.1}")).collect();
        println!("| {name} | {} |", cells.join(" | "));
        for (which, what) in ["reading", "judging"].into_iter().enumerate() {
            let smaller = column(which).take(SIZES.len() - 1).fold(0.0, f64::max);
            let largest = all[SIZES.len() - 1][which];
            if largest > MOST_GROWTH * smaller {
                steep.push(format!("{what} {name}: {smaller:.1} to {largest:.1} ns a byte"));
            }
        }
    }
    if steep.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("grows faster than its input:\n{}", steep.join("\n"));
    ExitCode::FAILURE
}
