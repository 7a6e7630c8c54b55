//! Damaged firmware through the command itself: exit 0, 1 or 2 within 5 seconds of processor and 256 MiB, never a signal.
//!
//! One mutant of every sample and every seed, in an ordinary run of each third of them; `FWSPEC_MUTANTS=10000` makes that many, over and over. The
//! same ones every time: `FWSPEC_MUTANTS_SEED` chooses others.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::cases::cases_of_three;

/// Seconds of processor, and KiB of address space, that one run may take. The kernel sends a signal at the first and refuses
/// memory beyond the second, which ends a Rust program by a signal, too.
const SECONDS: u32 = 5;
const KIBIBYTES: u32 = 256 * 1024;

/// xorshift64*: mutants are to be the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, count: usize) -> usize {
        self.next() as usize % count.max(1)
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let inner: Vec<PathBuf> =
        found.iter().filter(|path| path.is_dir()).flat_map(|path| files(path)).collect();
    found.retain(|path| path.is_file());
    found.extend(inner);
    found
}

/// Every sample that the command reads, and every seed of the fuzz targets.
fn originals() -> Vec<PathBuf> {
    let read = |path: &PathBuf| {
        path.extension().is_some_and(|kind| kind == "bin" || kind == "dtb") || path.ends_with("lspci.txt")
    };
    let samples = files(&root().join("firmware-samples")).into_iter().filter(read);
    samples.chain(files(&root().join("fuzz/seeds"))).chain(files(&root().join("fuzz/regressions"))).collect()
}

/// Bits flip, the end is missing, a field has another value, or a piece of something else stands there.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "nothing";
    }
    match random.below(4) {
        0 => {
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            "bits"
        }
        1 => {
            bytes.truncate(random.below(bytes.len()));
            "cut"
        }
        2 => {
            let at = random.below(bytes.len()) & !3;
            let value = [0, 1, 0x7f, 0xff][random.below(4)];
            bytes[at..].iter_mut().take(4).for_each(|byte| *byte = value);
            "field"
        }
        _ => {
            let from = random.below(other.len());
            let piece = &other[from..other.len().min(from + 1 + random.below(512))];
            let at = random.below(bytes.len());
            let replaced = if random.below(2) == 0 { 0 } else { piece.len().min(bytes.len() - at) };
            bytes.splice(at..at + replaced, piece.iter().copied());
            "splice"
        }
    }
}

/// What the command is asked about a file.
fn verb(number: usize, mutant: &str, firmware: &str, topology: &str) -> Vec<String> {
    let words = match number % 8 {
        0 => vec!["show", mutant],
        1 => vec!["show", "--json", "--dialect", "spec", mutant],
        2 => vec![
            "lookup",
            "--dialect",
            "all",
            mutant,
            "00:01.0",
            "rid:0xffff",
            "sid:0x8",
            "did:0",
            "/pcie",
            "IORT+0x48:8",
        ],
        3 => vec!["groups", "--firmware", mutant, "--pci", topology],
        4 => vec!["groups", "--json", "--policy", "strict", "--firmware", firmware, "--pci", mutant],
        5 => vec!["groups", "--format", "html", "--pci", mutant],
        6 => vec!["lint", mutant],
        _ => vec!["lint", "--format", "sarif", "--fail-on", "info", "--pci", topology, mutant],
    };
    words.into_iter().map(str::to_owned).collect()
}

fn run(arguments: &[String]) -> Output {
    let limits = format!("ulimit -c 0; ulimit -t {SECONDS}; ulimit -v {KIBIBYTES}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &limits, env!("CARGO_BIN_EXE_fwspec")]).args(arguments);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn damaged_firmware_ends_the_command_in_order() {
    let originals = originals();
    if originals.len() < 100 {
        crate::outside::skip("this is not a checkout of the repository");
        return;
    }
    let originals: Vec<PathBuf> = originals.into_iter().step_by(cases_of_three(3, 1, 1)).collect();
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let mutants = number("FWSPEC_MUTANTS").map_or(originals.len(), |count| count as usize);
    let mut random = Random(number("FWSPEC_MUTANTS_SEED").unwrap_or(1) | 1 << 40);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    fs::create_dir_all(&folder).unwrap();
    let sample = |file: &str| root().join("firmware-samples").join(file).display().to_string();
    let (firmware, topology) = (sample("d05-2020/iort.bin"), sample("d05-2020/lspci.txt"));
    let mutant = folder.join(format!("{}.bin", std::process::id()));

    let mut ends: BTreeMap<(&str, i32), usize> = BTreeMap::new();
    for count in 0..mutants {
        let original = &originals[count % originals.len()];
        let mut bytes = fs::read(original).unwrap();
        let other = fs::read(&originals[random.below(originals.len())]).unwrap();
        let mut how = Vec::new();
        for _ in 0..=random.below(3) {
            how.push(damage(&mut random, &mut bytes, &other));
        }
        fs::write(&mutant, &bytes).unwrap();
        // All verbs come to all files, whatever the number of files is.
        let asked =
            verb(count + count / originals.len(), &mutant.display().to_string(), &firmware, &topology);
        let done = run(&asked);
        if !matches!(done.status.code(), Some(0..=2)) {
            let kept = folder.join(format!("mutant-{count}.bin"));
            fs::copy(&mutant, &kept).unwrap();
            panic!(
                "{:?} (signal {:?}) of fwspec {} where the file is {}: {} after {how:?}\n{}",
                done.status.code(),
                done.status.signal(),
                asked.join(" "),
                kept.display(),
                original.display(),
                String::from_utf8_lossy(&done.stderr)
            );
        }
        let verb = ["show", "lookup", "groups", "lint"].into_iter().find(|verb| *verb == asked[0]).unwrap();
        *ends.entry((verb, done.status.code().unwrap())).or_default() += 1;
    }
    fs::remove_file(&mutant).unwrap();
    println!("{mutants} mutants of {} files", originals.len());
    for ((verb, code), count) in &ends {
        println!("{verb:8} exit {code}: {count}");
    }
    // Were nothing readable any more, this would prove little.
    for verb in ["show", "lookup", "groups", "lint"] {
        assert!(
            ends.keys().any(|(of, code)| *of == verb && *code < 2),
            "every mutant was unreadable to {verb}"
        );
    }
}

#[test]
fn the_limits_are_limits() {
    let limits = |script: &str| {
        let script = format!("ulimit -c 0; ulimit -t 1; ulimit -v 65536; {script}");
        Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().unwrap()
    };
    // SIGKILL or SIGXCPU.
    assert!(matches!(limits("while :; do :; done").signal(), Some(9 | 24)));
    assert!(!limits("exec head -c 200000000 /dev/zero | exec tail -c 200000000 > /dev/null").success());
}
