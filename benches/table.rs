//! One table: the work, our time, the rivals', the ratio and what memory allows. Printed, and written to RESULTS.md.
//!
//! `cargo bench --manifest-path benches/Cargo.toml` makes it; words after `--` choose rows that contain them, and then
//! nothing is written.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use fwspec::acpi::iort::Iort;
use fwspec::dt::Tree;
use fwspec::model::{IdMapping, IdTable, Requester, RequesterKind, Target};
use fwspec::{Dialect, Groups, IdMap, Platform};
use fwspec_benches::inputs::{self, Board, Machine};
use fwspec_benches::race::{self, Racer, Stopwatch, median};
use fwspec_benches::rivals::{self, Layout, NO_LIBFDT};
use fwspec_benches::{aligned, build, bytes_of, paths};

/// How often a folder is shown.
const ROUNDS_OF_FOLDERS: u32 = 21;

/// A row of the table.
struct Row {
    work: String,
    ours: f64,
    rival: Option<(&'static str, f64)>,
    /// Reading the same bytes from memory, or what else nobody can be faster than.
    limit: Option<(&'static str, f64)>,
    target: Goal,
}

/// What the row is held to.
#[derive(Clone, Copy)]
enum Goal {
    /// As many times faster than the rival.
    Faster(f64),
    /// At most this many times the limit.
    OfLimit(f64),
    /// At most this many nanoseconds.
    Nanoseconds(f64),
    /// Shown beside the others.
    None,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.rival.map(|(_, theirs)| theirs / self.ours)
    }

    /// The target in words, and whether it is met.
    fn verdict(&self) -> (String, Option<bool>) {
        match self.target {
            Goal::Faster(times) => (format!(">= {times}x"), self.ratio().map(|ratio| ratio >= times)),
            Goal::OfLimit(times) => {
                (format!("<= {times}x limit"), self.limit.map(|(_, limit)| self.ours <= times * limit))
            }
            Goal::Nanoseconds(most) => (format!("<= {}", time(most)), Some(self.ours <= most)),
            Goal::None => (String::new(), None),
        }
    }
}

struct Table {
    rows: Vec<Row>,
    wanted: Vec<String>,
}

impl Table {
    fn wants(&self, work: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|word| work.contains(word.as_str()))
    }

    fn add(&mut self, row: Row) {
        let (target, met) = row.verdict();
        let met = met.map_or("", |met| if met { "met" } else { "MISSED" });
        let rival = row.rival.map_or(String::new(), |(name, theirs)| format!("{name} {}", time(theirs)));
        let ratio = row.ratio().map_or(String::new(), |ratio| format!("{}x", figures(ratio)));
        let limit = row.limit.map_or(String::new(), |(name, limit)| format!("{name} {}", time(limit)));
        let (work, ours) = (&row.work, time(row.ours));
        println!("{work:<58} {ours:>10}  {rival:<28} {ratio:>9}  {limit:<22} {target:<12} {met}");
        self.rows.push(row);
    }
}

fn main() {
    race::keep_memory();
    let wanted = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut table = Table { rows: Vec::new(), wanted };
    let boards: Vec<Board> =
        [inputs::real_board(), Some(inputs::generated_board())].into_iter().flatten().collect();
    for board in &boards {
        walk(&mut table, board);
        resolve(&mut table, board);
    }
    for (count, target) in [(4, 1.0), (64, 5.0), (1_024, 80.0), (65_536, 2_000.0), (1_000_000, 0.0)] {
        look_up(&mut table, count, target);
    }
    for (count, target) in [
        (4, Goal::None),
        (64, Goal::None),
        (1_024, Goal::None),
        (65_536, Goal::OfLimit(4.0)),
        (1_000_000, Goal::None),
    ] {
        for shuffled in [false, true] {
            decode(&mut table, count, shuffled, target);
        }
    }
    for (machine, count, target) in [
        (Machine::Flat, 1_000, Goal::None),
        (Machine::Mixed, 1_000, Goal::None),
        (Machine::Flat, 10_000, Goal::Faster(1_000.0)),
        (Machine::Mixed, 10_000, Goal::Faster(1_000.0)),
        (Machine::Flat, 100_000, Goal::Faster(8_000.0)),
        (Machine::Mixed, 100_000, Goal::Faster(8_000.0)),
        (Machine::Flat, 1_000_000, Goal::None),
        (Machine::Mixed, 1_000_000, Goal::Nanoseconds(60.0)),
    ] {
        group(&mut table, machine, count, target);
    }
    if table.wants("command") {
        command(&mut table, &boards);
    }
    if table.wanted.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, report(&table.rows, &kept)).unwrap();
        println!("\nwritten to {}", path.display());
    }
}

/// Adds up all bytes, eight at a time: what reading them costs.
fn read(words: &[u64]) -> u64 {
    black_box(words).iter().fold(0, |sum: u64, word| sum.wrapping_add(*word))
}

fn walk(table: &mut Table, board: &Board) {
    let work = format!("token walk, {}, {} KB", board.name, board.blob.len() / 1000);
    if !table.wants(&work) {
        return;
    }
    let words = aligned(&board.blob);
    let blob = bytes_of(&words, board.blob.len());
    let outcome = race::run(vec![
        Racer::new(|| paths::walk(black_box(blob))),
        Racer::new(|| rivals::walk_with_libfdt(black_box(blob)).unwrap_or(0)),
        Racer::new(|| rivals::walk_with_fdt(black_box(blob))),
        Racer::new(|| read(&words)),
    ]);
    versus_trees(table, &work, &outcome, [10.0, 5.0]);
}

fn resolve(table: &mut Table, board: &Board) {
    let work = format!("parse, index, resolve, {}", board.name);
    if !table.wants(&work) {
        return;
    }
    let words = aligned(&board.blob);
    let blob = bytes_of(&words, board.blob.len());
    let ours = || Tree::parse(black_box(blob)).unwrap().platform().unwrap();
    let outcome = race::run(vec![
        Racer::new(|| entries(&ours())),
        Racer::new(|| rivals::resolve_with_libfdt(black_box(blob)).unwrap_or(0)),
        Racer::new(|| rivals::resolve_with_fdt(black_box(blob))),
        Racer::new(|| read(&words)),
    ]);
    versus_trees(table, &work, &outcome, [200.0, 100.0]);
    let platform = ours();
    let build = race::run(vec![Racer::new(|| {
        IdMap::build(black_box(&platform), Dialect::LINUX).iommus().len() as u64
    })]);
    table.add(Row {
        work: format!("Platform to IdMap, {}", board.name),
        ours: build.nanoseconds[0],
        rival: None,
        limit: None,
        target: Goal::None,
    });
}

/// Entries of `iommus`, and of `iommu-map` read with four cells an entry, that lead to an IOMMU.
fn entries(platform: &Platform) -> u64 {
    let leads = |mapping: &&IdMapping| matches!(mapping.target, Target::Iommu(_));
    let classic =
        |table: &IdTable| table.classic.as_deref().unwrap_or(&table.mappings).iter().filter(leads).count();
    let of = |requester: &Requester| match &requester.kind {
        RequesterKind::Bus(bus) => bus.streams.as_ref().map_or(0, classic),
        RequesterKind::Master(master) => master.streams.len(),
        _ => 0,
    };
    platform.requesters.iter().map(|requester| of(requester) as u64).sum()
}

fn versus_trees(table: &mut Table, work: &str, outcome: &race::Outcome, targets: [f64; 2]) {
    let [ours, libfdt, fdt, limit] = outcome.nanoseconds[..] else { unreachable!() };
    let same =
        |other: usize| assert_eq!(outcome.answers[0], outcome.answers[other], "{work}: not the same work");
    same(2);
    let limit = Some(("read", limit));
    if NO_LIBFDT.is_none() {
        same(1);
        let rival = Some(("libfdt", libfdt));
        table.add(Row { work: work.into(), ours, rival, limit, target: Goal::Faster(targets[0]) });
    }
    let rival = Some(("fdt 0.1.5", fdt));
    table.add(Row { work: work.into(), ours, rival, limit, target: Goal::Faster(targets[1]) });
}

fn look_up(table: &mut Table, count: usize, target: f64) {
    let work = format!("RID to StreamID, {count} mappings");
    if !table.wants(&work) {
        return;
    }
    let input = inputs::mappings(count);
    let platform = Tree::parse(&input.blob).unwrap().platform().unwrap();
    let map = IdMap::build(&platform, Dialect::LINUX_CLASSIC);
    let ids = &input.ids[..input.ids.len().min(if count > 10_000 { 512 } else { 8192 })];
    let outcome = race::run(vec![
        Racer::per(input.ids.len(), || paths::look_up(&map, black_box(&input.ids))),
        Racer::per(ids.len(), || rivals::scan(black_box(&input.bytes), black_box(ids))),
    ]);
    let [ours, theirs] = outcome.nanoseconds[..] else { unreachable!() };
    let sum = paths::look_up(&map, ids);
    assert_eq!(outcome.answers[1], sum, "{work}: not the same answers");
    let rival = Some(("linear scan in C", theirs));
    let target = if target > 0.0 { Goal::Faster(target) } else { Goal::None };
    table.add(Row { work: work.clone(), ours, rival, limit: None, target });
    if count == 65_536 {
        table.add(Row { work, ours, rival: None, limit: None, target: Goal::Nanoseconds(35.0) });
    }
}

fn decode(table: &mut Table, count: usize, shuffled: bool, target: Goal) {
    let order = if shuffled { "no order" } else { "ascending" };
    let work = format!("decode and index an IORT of {count} mappings, {order}");
    if !table.wants(&work) {
        return;
    }
    let blob = inputs::iort(count, shuffled);
    let platform = Iort::parse(&blob).unwrap().platform();
    let ranges: Vec<_> = platform
        .requesters
        .iter()
        .filter_map(|requester| match &requester.kind {
            RequesterKind::Bus(bus) => bus.streams.as_ref().map(|table| table.mappings.clone()),
            _ => None,
        })
        .collect();
    let outcome = race::run(vec![
        Racer::new(|| paths::decode(black_box(&blob))),
        Racer::new(|| {
            let sum = black_box(&blob).iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            let mut ranges = black_box(&ranges).clone();
            ranges.iter_mut().for_each(|ranges| ranges.sort_unstable_by_key(|range| range.first));
            black_box(ranges);
            u64::from(sum)
        }),
    ]);
    let [ours, limit] = outcome.nanoseconds[..] else { unreachable!() };
    let limit = Some(("sum and sort", limit));
    table.add(Row { work, ours, rival: None, limit, target });
}

fn group(table: &mut Table, machine: Machine, count: usize, target: Goal) {
    let shape = if machine == Machine::Flat { "flat" } else { "switches, bridges, aliases" };
    let work = format!("group {count} functions, {shape}");
    if !table.wants(&work) {
        return;
    }
    let functions = inputs::functions(machine, count);
    let ours = || {
        let mut groups = Groups::without_firmware();
        let start = Stopwatch::start();
        for device in &functions.devices {
            black_box(groups.add(*device).unwrap());
        }
        start.elapsed().as_secs_f64() * 1e9 / count as f64
    };
    // The search takes seconds from 100,000 on: every so many devices are searched for, and the time is multiplied.
    let step = (count / 10_000).pow(2).max(1);
    let theirs = |layout| {
        let mut devices = functions.rivals.clone();
        let start = Stopwatch::start();
        rivals::group(&mut devices, step, layout);
        start.elapsed().as_secs_f64() * 1e9 * step as f64 / count as f64
    };
    if count <= 10_000 {
        // Parents come first here, so that the search finds every group that there is.
        let mut groups = Groups::without_firmware();
        functions.devices.iter().for_each(|device| drop(groups.add(*device).unwrap()));
        for layout in [Layout::Packed, Layout::Listed] {
            let found = rivals::group(&mut functions.rivals.clone(), 1, layout);
            assert_eq!(found as usize, groups.groups().count(), "{work}: groups of the search, and ours");
        }
    }
    let rounds = if count > 100_000 { 3 } else { 5 };
    let mut times = [(); 3].map(|()| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        times[0].push(ours());
        if count <= 100_000 {
            times[1].push(theirs(Layout::Packed));
            times[2].push(theirs(Layout::Listed));
        }
    }
    let [ours, packed, listed] = times.map(|times| if times.is_empty() { f64::NAN } else { median(times) });
    let row = |rival, target| Row { work: format!("{work}, each"), ours, rival, limit: None, target };
    if packed.is_nan() {
        return table.add(row(None, target));
    }
    table.add(row(Some(("Linux' search in C", listed)), target));
    table.add(row(Some(("search in C, packed array", packed)), Goal::None));
}

/// What each takes, the median of `rounds` in which everybody has a turn.
fn in_turns(mut racers: Vec<Box<dyn FnMut() -> f64 + '_>>, rounds: usize) -> Vec<f64> {
    let mut times = vec![Vec::new(); racers.len()];
    for _ in 0..rounds {
        racers.iter_mut().zip(&mut times).for_each(|(racer, times)| times.push(racer()));
    }
    times.into_iter().map(median).collect()
}

/// The command itself, as a process.
fn command(table: &mut Table, boards: &[Board]) {
    let binary = build::command();
    let board = &boards[0];
    let file = std::env::temp_dir().join("fwspec-bench.dtb");
    std::fs::write(&file, &board.blob).unwrap();
    let path = file.to_str().unwrap();
    let nothing = Path::new("/bin/true");
    let times = in_turns(
        vec![
            Box::new(time_of(nothing, &[])),
            Box::new(time_of(&binary, &["--version"])),
            Box::new(time_of(&binary, &["show", path])),
            Box::new(time_of(&binary, &["show", "--json", path])),
        ],
        101,
    );
    let start = Some(("/bin/true", times[0]));
    for (what, ours, most) in
        [("--version", times[1], 2e6), ("show", times[2], 3e6), ("show --json", times[3], 3e6)]
    {
        let on =
            if what == "--version" { String::new() } else { format!(", {} KB", board.blob.len() / 1000) };
        let work = format!("command: fwspec {what}{on}");
        table.add(Row { work, ours, rival: None, limit: start, target: Goal::Nanoseconds(most) });
    }
    std::fs::remove_file(&file).unwrap();
    many(table, &binary);
    logs(table, &binary);
}

/// The command on a whole folder of device trees.
fn many(table: &mut Table, binary: &Path) {
    let Some((folder, count)) = inputs::many_trees() else { return };
    let arguments = ["show", "--json", folder.to_str().unwrap()];
    // A command that refuses is fast as well: the documents are counted.
    let output = Command::new(binary).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents =
        output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"schema\""));
    assert_eq!(documents.count(), count, "a document for each tree");
    let files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut bytes = 0;
    let mut read_all = || {
        let start = Instant::now();
        bytes = files.iter().map(|file| black_box(std::fs::read(file).unwrap()).len()).sum();
        start.elapsed().as_secs_f64() * 1e9
    };
    let (mut ours, mut read, mut time) = (Vec::new(), Vec::new(), time_of(binary, &arguments));
    let processor = race::of_children(|| {
        for _ in 0..ROUNDS_OF_FOLDERS {
            ours.push(time());
            read.push(read_all());
        }
    });
    let processor = processor.as_secs_f64() * 1e9 / f64::from(ROUNDS_OF_FOLDERS);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    table.add(Row {
        work: format!(
            "command: fwspec show --json, {count} device trees, {} MB, {cores} cores (processor time {})",
            bytes / 1_000_000,
            self::time(processor)
        ),
        ours: median(ours),
        rival: None,
        limit: Some(("read", median(read))),
        // As the target has it for four cores.
        target: Goal::Nanoseconds(0.25e9),
    });
}

/// The command on a kernel's log of a million lines, beside what counts those with one word.
fn logs(table: &mut Table, binary: &Path) {
    const LINES: usize = 1_000_000;
    let mut text = String::new();
    for line in 0..LINES {
        let (seconds, part) = (line / 1_000, line % 1_000 * 1_000);
        let said = match line % 50 {
            0 => "pci 0000:01:00.0: Adding to iommu group 7",
            1 => "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:",
            2 => "arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000010000000010",
            other if other % 3 == 0 => "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
            other if other % 3 == 1 => {
                "pci 0000:00:1f.0: [8086:7a04] type 00 class 0x060100 conventional PCI endpoint"
            }
            _ => "systemd[1]: Started systemd-journald.service - Journal Service.",
        };
        writeln!(text, "[{seconds:>5}.{part:06}] {said}").unwrap();
    }
    let file = std::env::temp_dir().join("fwspec-bench.log");
    std::fs::write(&file, &text).unwrap();
    let path = file.to_str().unwrap();
    let times = in_turns(
        vec![
            Box::new(time_of(binary, &["explain", path])),
            Box::new(time_of(Path::new("grep"), &["-c", "iommu", path])),
        ],
        9,
    );
    std::fs::remove_file(&file).unwrap();
    table.add(Row {
        work: format!("command: fwspec explain, a log of {LINES} lines, {} MB", text.len() / 1_000_000),
        ours: times[0],
        rival: Some(("grep -c", times[1])),
        limit: None,
        target: Goal::Nanoseconds(1e9),
    });
}

/// How long a process takes from start to end, in nanoseconds; its output goes nowhere.
fn time_of<'a>(program: &'a Path, arguments: &'a [&'a str]) -> impl FnMut() -> f64 + 'a {
    move || {
        let mut command = Command::new(program);
        let start = Instant::now();
        let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let time = start.elapsed().as_secs_f64() * 1e9;
        assert!(status.success(), "{} {arguments:?}: {status}", program.display());
        time
    }
}

/// Three figures.
fn figures(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        t if t < 1e3 => (t, "ns"),
        t if t < 1e6 => (t / 1e3, "µs"),
        t if t < 1e9 => (t / 1e6, "ms"),
        t => (t / 1e9, "s"),
    };
    format!("{} {unit}", figures(value))
}

/// RESULTS.md: the table, and below it what was written there by hand.
fn report(rows: &[Row], before: &str) -> String {
    let mut text = String::from(
        "# Speed\n\nMade by `cargo bench --manifest-path benches/Cargo.toml`, which keeps what stands below the table. Medians of \
rounds in which\neverybody has a turn; read the ratios, the times are this machine's. Memory that the process has had it keeps (`mallopt`), so that \
no round pays\nfor the kernel's page faults.\n\n",
    );
    let _ = writeln!(text, "{}\n", machine());
    text += "| work | ours | rival | ratio | limit | target | |\n|---|---|---|---|---|---|---|\n";
    for row in rows {
        let (target, met) = row.verdict();
        let rival = row.rival.map_or(String::new(), |(name, theirs)| format!("{name}: {}", time(theirs)));
        let ratio = row.ratio().map_or(String::new(), |ratio| format!("{}x", figures(ratio)));
        let limit = row.limit.map_or(String::new(), |(name, limit)| format!("{name}: {}", time(limit)));
        let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
        let _ = writeln!(
            text,
            "| {} | {} | {rival} | {ratio} | {limit} | {target} | {met} |",
            row.work,
            time(row.ours)
        );
    }
    if let Some(why) = NO_LIBFDT {
        let _ = writeln!(text, "\nlibfdt took no part: {why}.");
    }
    let below = before.find("\n## ").and_then(|start| before.get(start..)).unwrap_or_default();
    text + below
}

/// The machine, the compilers and the day.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let facts = [
        said("date", &["+%Y-%m-%d"]),
        Some(format!("{cpu}, {cores} cores")),
        said("rustc", &["--version"]),
        said("cc", &["--version"]),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
