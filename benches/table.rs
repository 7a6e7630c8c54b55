//! One table: the work, our time, the rivals', the ratio and what memory allows. Printed, and written to RESULTS.md.
//!
//! `cargo bench --manifest-path benches/Cargo.toml` makes it; words after `--` choose rows that contain them, and then
//! nothing is written.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use fwspec::acpi::dmar::Dmar;
use fwspec::acpi::iort::Iort;
use fwspec::acpi::ivrs::Ivrs;
use fwspec::dt::Tree;
use fwspec::model::{IdMapping, IdTable, Requester, RequesterKind, Target};
use fwspec::pci::Function;
use fwspec::{AcsFlags, Bdf, Device, Dialect, Groups, IdMap, Platform, RequesterId, Segment};
use fwspec_benches::inputs::{self, Board, Machine};
use fwspec_benches::race::{self, Racer, Ran, Stopwatch, median};
use fwspec_benches::rivals::{self, Layout, NO_LIBFDT};
use fwspec_benches::{aligned, build, bytes_of, paths};

/// How often a folder is shown.
const ROUNDS_OF_FOLDERS: u32 = 11;

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
    /// Of so many bytes of text at least so many millions in a second.
    Rate(usize, f64),
    /// At most so many bytes: the row counts those.
    Bytes(f64),
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
            Goal::Rate(bytes, least) => {
                (format!(">= {least} MB/s"), Some(bytes as f64 * 1e3 >= least * self.ours))
            }
            Goal::Bytes(most) => (format!("<= {}", size(most)), Some(self.ours <= most)),
            Goal::None => (String::new(), None),
        }
    }

    /// The measure in words, a rate too where that is what counts.
    fn measure(&self) -> String {
        match self.target {
            Goal::Rate(bytes, _) => {
                format!("{}, {} MB/s", time(self.ours), figures(bytes as f64 * 1e3 / self.ours))
            }
            Goal::Bytes(_) => size(self.ours),
            _ => time(self.ours),
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
        let (work, ours) = (&row.work, row.measure());
        println!("{work:<58} {ours:>10}  {rival:<28} {ratio:>9}  {limit:<22} {target:<12} {met}");
        self.rows.push(row);
    }
}

fn main() {
    if race::is_between() {
        return;
    }
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
        (65_536, Goal::OfLimit(3.0)),
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
    for count in [1_024, 65_536] {
        scopes(&mut table, count, &Scopes::DMAR);
        scopes(&mut table, count, &Scopes::IVRS);
    }
    for count in [100_000, 1_000_000] {
        events(&mut table, count);
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
    // What an addition cannot do without: to write what is kept of a device, into lists that grow.
    let before = race::in_use();
    let mut groups = Groups::without_firmware();
    functions.devices.iter().for_each(|device| drop(groups.add(*device).unwrap()));
    let words = (race::in_use() - before) as usize / 8 / count;
    drop(groups);
    let write = || {
        let start = Stopwatch::start();
        let mut kept: Vec<u64> = Vec::new();
        for device in 0..count as u64 {
            kept.extend(std::iter::repeat_n(device, words));
        }
        black_box(kept);
        start.elapsed().as_secs_f64() * 1e9 / count as f64
    };
    let rounds = if count > 100_000 { 3 } else { 5 };
    let mut times = [(); 4].map(|()| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        times[0].push(ours());
        times[3].push(write());
        if count <= 100_000 {
            times[1].push(theirs(Layout::Packed));
            times[2].push(theirs(Layout::Listed));
        }
    }
    let [ours, packed, listed, written] =
        times.map(|times| if times.is_empty() { f64::NAN } else { median(times) });
    let limit = Some(("write what is kept", written));
    let row = |rival, target| Row { work: format!("{work}, each"), ours, rival, limit, target };
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

/// A table that names functions one by one, each with its unit.
struct Scopes {
    name: &'static str,
    table: fn(usize) -> Vec<u8>,
    platform: fn(&[u8]) -> Platform,
    scan: fn(&[u8], &[u32]) -> u64,
}

impl Scopes {
    const DMAR: Scopes = Scopes {
        name: "a DMAR of {} scopes",
        table: inputs::dmar,
        platform: |bytes| Dmar::parse(bytes).unwrap().platform(),
        scan: rivals::scan_dmar,
    };
    const IVRS: Scopes = Scopes {
        name: "an IVRS of {} entries",
        table: inputs::ivrs,
        platform: |bytes| Ivrs::parse(bytes).unwrap().platform(),
        scan: rivals::scan_ivrs,
    };
}

/// Decodes such a table, and finds the units of functions that were added to their buses.
fn scopes(table: &mut Table, count: usize, kind: &Scopes) {
    let name = kind.name.replace("{}", &count.to_string());
    let (decode, look_up) = (format!("decode and index {name}"), format!("function to unit, {name}"));
    if !table.wants(&decode) && !table.wants(&look_up) {
        return;
    }
    let blob = (kind.table)(count);
    let ids = inputs::named_in_no_order(count);
    let outcome = race::run(vec![
        Racer::new(|| IdMap::build(&(kind.platform)(black_box(&blob)), Dialect::LINUX).iommus().len() as u64),
        Racer::new(|| {
            let sum = black_box(&blob).iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            // What has to be sorted: a function, its unit and its place in the table.
            let mut all: Vec<(u32, u32, u32)> =
                ids.iter().cycle().take(count).map(|id| (*id, 0, 0)).collect();
            all.iter_mut().zip(0..).for_each(|(function, at)| function.0 = at);
            all.sort_unstable();
            black_box(all);
            u64::from(sum)
        }),
    ]);
    let [ours, limit] = outcome.nanoseconds[..] else { unreachable!() };
    let limit = Some(("sum and sort", limit));
    table.add(Row { work: decode, ours, rival: None, limit, target: Goal::None });
    let mut groups = Groups::new(IdMap::build(&(kind.platform)(&blob), Dialect::LINUX));
    let bdf = |id: u32| Bdf { segment: Segment(id >> 16), rid: RequesterId(id as u16) };
    for id in &ids {
        // Some are twice in it.
        drop(groups.add(Device::function(bdf(*id), Function::endpoint())));
    }
    groups.settle();
    let some = &ids[..ids.len().min(if count > 10_000 { 256 } else { 4_096 })];
    let unit = |id: &u32| {
        u64::from(groups.fwspec(bdf(*id).into()).unwrap().iommu.0) + 1
    };
    let outcome = race::run(vec![
        Racer::per(ids.len(), || black_box(&ids).iter().map(unit).sum()),
        Racer::per(some.len(), || (kind.scan)(black_box(&blob), black_box(some))),
    ]);
    let [ours, theirs] = outcome.nanoseconds[..] else { unreachable!() };
    assert_eq!(some.iter().map(unit).sum::<u64>(), outcome.answers[1], "{look_up}: not the same answers");
    let (rival, target) =
        (Some(("Linux' search in C", theirs)), Goal::Faster(if count > 10_000 { 100.0 } else { 2.0 }));
    table.add(Row { work: look_up, ours, rival, limit: None, target });
}

/// What comes after the last device: one is unplugged, one changes, all are looked at again. And what is kept of each.
fn events(table: &mut Table, count: usize) {
    let works = ["memory of each", "unplug one", "change one's ACS", "recompute, each"]
        .map(|what| format!("{count} functions, switches, bridges, aliases: {what}"));
    if !works.iter().any(|work| table.wants(work)) {
        return;
    }
    let functions = inputs::functions(Machine::Mixed, count);
    let before = race::in_use();
    let mut groups = Groups::without_firmware();
    functions.devices.iter().for_each(|device| drop(groups.add(*device).unwrap()));
    let kept = (race::in_use() - before) as f64 / count as f64;
    let large = count >= 1_000_000;
    let row = |work: &str, ours, limit, target| {
        let target = if large { target } else { Goal::None };
        Row { work: work.to_owned(), ours, rival: None, limit, target }
    };
    let of_memory =
        Row { work: works[0].clone(), ours: kept, rival: None, limit: None, target: Goal::Bytes(96.0) };
    table.add(of_memory);
    // Network cards, each of eight functions below a port of its own.
    let mut shuffle = inputs::Shuffle(4);
    let is_card = |device: &&Device| device.facts().multifunction;
    let cards: Vec<Device> = functions.devices.iter().filter(is_card).copied().collect();
    let picked: Vec<Device> = (0..10_000).map(|_| cards[shuffle.below(cards.len())]).collect();
    let each = |work: &mut dyn FnMut(&Device)| {
        let start = Stopwatch::start();
        picked.iter().for_each(work);
        start.elapsed().as_secs_f64() * 1e9 / picked.len() as f64
    };
    let (mut unplugged, mut changed, mut recomputed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..5 {
        // What was picked twice is gone the second time.
        unplugged.push(each(&mut |device| {
            let _ = black_box(groups.remove(device.key()));
        }));
        picked.iter().for_each(|device| drop(groups.add(*device)));
        let acs = if round % 2 == 0 { AcsFlags::ISOLATED } else { AcsFlags::NONE };
        changed.push(each(&mut |device| {
            black_box(groups.update(device.acs(acs)).unwrap().len());
        }));
        let start = Stopwatch::start();
        black_box(groups.recompute().len());
        recomputed.push(start.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    let [unplugged, changed, recomputed] = [unplugged, changed, recomputed].map(median);
    table.add(row(&works[1], unplugged, None, Goal::Nanoseconds(1_000.0)));
    table.add(row(&works[2], changed, None, Goal::Nanoseconds(1_000.0)));
    table.add(row(&works[3], recomputed, None, Goal::None));
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
        [("--version", times[1], 1e6), ("show", times[2], 3e6), ("show --json", times[3], 3e6)]
    {
        let on =
            if what == "--version" { String::new() } else { format!(", {} KB", board.blob.len() / 1000) };
        let work = format!("command: fwspec {what}{on}");
        table.add(Row { work, ours, rival: None, limit: start, target: Goal::Nanoseconds(most) });
    }
    let bytes = binary.metadata().unwrap().len() as f64;
    let work = "command: its size".to_owned();
    table.add(Row { work, ours: bytes, rival: None, limit: None, target: Goal::Bytes(4.3e6) });
    std::fs::remove_file(&file).unwrap();
    many(table, &binary);
    texts(table, &binary);
}

/// The command on a whole folder of device trees.
fn many(table: &mut Table, binary: &Path) {
    let Some((folder, count)) = inputs::many_trees() else { return };
    let folder = folder.to_str().unwrap();
    let arguments = ["show", "--json", folder];
    // A command that refuses is fast as well: the documents are counted.
    let output = Command::new(binary).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents =
        output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"schema\""));
    assert_eq!(documents.count(), count, "a document for each tree");
    let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let bytes: usize = files.iter().map(|file| std::fs::read(file).unwrap().len()).sum();
    let read_all = || {
        let start = Instant::now();
        black_box(files.iter().map(|file| std::fs::read(file).unwrap().len()).sum::<usize>());
        start.elapsed().as_secs_f64() * 1e9
    };
    let lint = ["lint", "--json", "--fail-on", "never", folder];
    let (mut shown, mut one, mut both, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS_OF_FOLDERS {
        shown.push(race::program(binary, &arguments));
        both.push(race::program(binary, &lint));
        let on_one = ["-c", "0", binary.to_str().unwrap()];
        one.push(race::program(Path::new("taskset"), &[&on_one[..], &lint].concat()));
        read.push(read_all());
    }
    let limit = Some(("read", median(read)));
    let of = |runs: &[Ran], part: fn(&Ran) -> f64| median(runs.iter().map(part).collect());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let what = format!("{count} device trees, {} MB", bytes / 1_000_000);
    table.add(Row {
        work: format!(
            "command: fwspec show --json, {what}, {cores} cores (processor time {})",
            time(of(&shown, |ran| ran.processor))
        ),
        ours: of(&shown, |ran| ran.wall),
        rival: None,
        limit,
        // As the target has it for four cores.
        target: Goal::Nanoseconds(0.25e9),
    });
    for (runs, cores) in [(&one, 1), (&both, cores)] {
        table.add(Row {
            work: format!(
                "command: fwspec lint --json, {what}, processor time on {cores} cores (from start to end {}; {} at most)",
                time(of(runs, |ran| ran.wall)),
                size(of(runs, |ran| ran.memory))
            ),
            ours: of(runs, |ran| ran.processor),
            rival: None,
            limit,
            target: Goal::Rate(bytes, 250.0),
        });
    }
}

/// The command on texts, beside what counts their lines with one word: processor time of both.
fn texts(table: &mut Table, binary: &Path) {
    const LINES: usize = 1_000_000;
    const FUNCTIONS: usize = 10_000;
    let (log, listing) = (inputs::kernel_log(LINES), inputs::listing(FUNCTIONS));
    let folder = std::env::temp_dir().join("fwspec-bench");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [("boot.log", &log), ("lspci.txt", &listing)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let packed = |name: &str, options: &str| {
        let file = folder.join(name);
        let done = Command::new("tar")
            .args([options, file.to_str().unwrap(), "-C", folder.to_str().unwrap(), "boot.log", "lspci.txt"])
            .status();
        assert!(done.is_ok_and(|status| status.success()), "tar {options}");
    };
    packed("report.tar", "-cf");
    packed("report.tar.gz", "-czf");
    let all = log.len() + listing.len();
    let plain = "grep -c group \"$0\" | cat";
    let unpacks = "gzip -dc \"$0\" | grep -c group | cat";
    for (what, verb, file, bytes, rival, command) in [
        (
            format!("lspci -nnvvv of {FUNCTIONS} functions"),
            "groups",
            "lspci.txt",
            listing.len(),
            "grep -c",
            plain,
        ),
        (format!("a log of {LINES} lines"), "explain", "boot.log", log.len(), "grep -c", plain),
        ("both in a tar".to_owned(), "explain", "report.tar", all, "grep -c", plain),
        ("both in a tar.gz".to_owned(), "explain", "report.tar.gz", all, "gzip -dc, grep -c", unpacks),
    ] {
        let path = folder.join(file);
        let path = path.to_str().unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            ours.push(race::program(binary, &[verb, path]));
            theirs.push(race::program(Path::new("sh"), &["-c", command, path]));
        }
        let of = |runs: &[Ran], part: fn(&Ran) -> f64| median(runs.iter().map(part).collect());
        table.add(Row {
            work: format!(
                "command: fwspec {verb}, {what}, {} MB, processor time ({} at most)",
                bytes / 1_000_000,
                size(of(&ours, |ran| ran.memory))
            ),
            ours: of(&ours, |ran| ran.processor),
            rival: Some((rival, of(&theirs, |ran| ran.processor))),
            limit: None,
            target: Goal::Rate(bytes, 300.0),
        });
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// How long a process takes from start to end, in nanoseconds.
fn time_of<'a>(program: &'a Path, arguments: &'a [&'a str]) -> impl FnMut() -> f64 + 'a {
    move || race::program(program, arguments).wall
}

/// Three figures.
fn figures(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e3 => format!("{} bytes", figures(bytes)),
        bytes if bytes < 1e6 => format!("{} KB", figures(bytes / 1e3)),
        bytes => format!("{} MB", figures(bytes / 1e6)),
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
            row.measure()
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
