//! Instructions of the hot paths, counted by callgrind and held to `instructions.txt`: noise cannot hide a regression there.
//!
//! `cargo run --release --bin instructions` (in this folder) compares, and fails past 3 %; with `BLESS=1` it writes the file
//! anew. Counts depend on the compiler, which the file names: with another one a difference is only told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use fwspec::dt::Tree;
use fwspec::{Device, Dialect, IdMap};
use fwspec_benches::inputs::{self, Machine};
use fwspec_benches::paths;

/// More than counts differ between two machines with one compiler (the C library picks its memcpy by the processor).
const TOLERANCE: f64 = 0.03;
const PATHS: [&str; 7] = ["walk", "lower", "look_up", "decode", "group", "listing", "log"];

// The functions that callgrind starts and stops at. Their names are what they are called by, and they are not inlined.

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_walk(blob: &Vec<u8>) -> u64 {
    paths::walk(blob)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_lower(blob: &Vec<u8>) -> u64 {
    paths::lower(blob)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_look_up(map: &IdMap, ids: &Vec<u32>) -> u64 {
    paths::look_up(map, ids)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_decode(blob: &Vec<u8>) -> u64 {
    paths::decode(blob)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_group(devices: &Vec<Device>) -> u64 {
    paths::group(devices)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_listing(text: &String) -> u64 {
    paths::listing(text.as_bytes())
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn hot_log(text: &String) -> u64 {
    paths::log(text.as_bytes())
}

/// Runs one path, once.
fn run(path: &str) -> Option<u64> {
    Some(match path {
        "walk" => hot_walk(&inputs::generated_board().blob),
        "lower" => hot_lower(&inputs::generated_board().blob),
        "look_up" => {
            let input = inputs::mappings(1_024);
            let platform = Tree::parse(&input.blob).unwrap().platform().unwrap();
            hot_look_up(&IdMap::build(&platform, Dialect::LINUX_CLASSIC), &input.ids)
        }
        "decode" => hot_decode(&inputs::iort(65_536, true)),
        "group" => hot_group(&inputs::functions(Machine::Mixed, 10_000).devices),
        "listing" => hot_listing(&inputs::listing(576)),
        "log" => hot_log(&inputs::kernel_log(20_000)),
        _ => return None,
    })
}

fn main() -> ExitCode {
    if let Some(path) = std::env::args().nth(1) {
        return match run(&path) {
            Some(answer) => {
                println!("{path}: {answer}");
                ExitCode::SUCCESS
            }
            None => ExitCode::FAILURE,
        };
    }
    let mut counts = BTreeMap::new();
    for path in PATHS {
        match count(path) {
            Some(instructions) => counts.insert(path.to_owned(), instructions),
            None => {
                eprintln!("instructions: no count of {path}: is valgrind here?");
                return ExitCode::FAILURE;
            }
        };
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    if std::env::var_os("BLESS").is_some() {
        let rows: String = counts.iter().map(|(path, count)| format!("{path} {count}\n")).collect();
        std::fs::write(&file, format!("{}\n{rows}", compiler())).unwrap();
        println!("written to {}", file.display());
    }
    compare(&counts, &std::fs::read_to_string(&file).unwrap_or_default())
}

/// Instructions between entering and leaving the path's function.
fn count(path: &str) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let trace: PathBuf = std::env::temp_dir().join(format!("callgrind.{path}.{}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect=hot_{path}")])
        .arg(format!("--callgrind-out-file={}", trace.display()))
        .args([program.as_os_str(), path.as_ref()])
        .output()
        .ok()?;
    let _ = std::fs::remove_file(trace);
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// What the counts depend on besides the code.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("{}, {}", version.unwrap_or_default(), std::env::consts::ARCH)
}

/// Compares with what is stored. Fails only under the compiler that it was stored with.
fn compare(counts: &BTreeMap<String, u64>, stored: &str) -> ExitCode {
    let (stored_compiler, rows) = stored.split_once('\n').unwrap_or_default();
    let before: BTreeMap<&str, u64> = rows
        .lines()
        .filter_map(|row| row.split_once(' '))
        .filter_map(|(path, count)| Some((path, count.parse().ok()?)))
        .collect();
    let comparable = stored_compiler == compiler();
    if !comparable {
        println!(
            "counted with {}, stored with {stored_compiler}: differences are told, and no failure",
            compiler()
        );
    }
    let mut worse = false;
    for (path, count) in counts {
        let Some(before) = before.get(path.as_str()) else {
            println!("{path:<8} {count:>12}  not stored yet: BLESS=1 stores it");
            worse = true;
            continue;
        };
        let change = *count as f64 / *before as f64 - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => "MORE",
            change if change < -TOLERANCE => "less: BLESS=1 keeps it so",
            _ => "",
        };
        worse |= change > TOLERANCE;
        println!("{path:<8} {count:>12}  {:+.2} %  {verdict}", 100.0 * change);
    }
    if worse && comparable { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
