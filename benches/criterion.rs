//! The five hot paths beside their rivals, by criterion: distributions, and comparison with the run before.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --features criterion --bench criterion`. The table (`table.rs`) is what the targets are
//! judged by, for there the racers take turns in every round; here one may look longer at one of them.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fwspec::dt::Tree;
use fwspec::{Dialect, IdMap};
use fwspec_benches::inputs::{self, Machine};
use fwspec_benches::rivals::{self, Layout, NO_LIBFDT};
use fwspec_benches::{aligned, bytes_of, paths};

fn trees(criterion: &mut Criterion) {
    let boards = [inputs::real_board(), Some(inputs::generated_board())];
    for board in boards.into_iter().flatten() {
        // libfdt wants eight-byte alignment.
        let words = aligned(&board.blob);
        let blob = bytes_of(&words, board.blob.len());
        let mut group = criterion.benchmark_group(format!("token walk, {}", board.name));
        group.throughput(Throughput::Bytes(blob.len() as u64));
        group.bench_function("fwspec", |bench| bench.iter(|| paths::walk(black_box(blob))));
        group.bench_function("fdt 0.1.5", |bench| bench.iter(|| rivals::walk_with_fdt(black_box(blob))));
        if NO_LIBFDT.is_none() {
            group.bench_function("libfdt", |bench| bench.iter(|| rivals::walk_with_libfdt(black_box(blob))));
        }
        group.finish();
        let mut group = criterion.benchmark_group(format!("parse, index, resolve, {}", board.name));
        group.bench_function("fwspec", |bench| bench.iter(|| paths::lower(black_box(blob))));
        group.bench_function("fdt 0.1.5", |bench| bench.iter(|| rivals::resolve_with_fdt(black_box(blob))));
        if NO_LIBFDT.is_none() {
            group.bench_function("libfdt", |bench| {
                bench.iter(|| rivals::resolve_with_libfdt(black_box(blob)))
            });
        }
        group.finish();
    }
}

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("RID to StreamID");
    for count in [4, 64, 1_024, 65_536, 1_000_000] {
        let input = inputs::mappings(count);
        let platform = Tree::parse(&input.blob).unwrap().platform().unwrap();
        let map = IdMap::build(&platform, Dialect::LINUX_CLASSIC);
        let ids = &input.ids[..input.ids.len().min(if count > 10_000 { 512 } else { 8192 })];
        group.throughput(Throughput::Elements(ids.len() as u64));
        group.bench_function(BenchmarkId::new("fwspec", count), |bench| {
            bench.iter(|| paths::look_up(&map, black_box(ids)));
        });
        group.bench_function(BenchmarkId::new("linear scan in C", count), |bench| {
            bench.iter(|| rivals::scan(black_box(&input.bytes), black_box(ids)));
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode and index an IORT");
    for count in [4, 64, 1_024, 65_536, 1_000_000] {
        group.throughput(Throughput::Elements(count as u64));
        for (order, shuffled) in [("ascending", false), ("no order", true)] {
            let blob = inputs::iort(count, shuffled);
            group.bench_function(BenchmarkId::new(order, count), |bench| {
                bench.iter(|| paths::decode(black_box(&blob)));
            });
        }
    }
    group.finish();
}

fn group(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("group functions");
    group.sample_size(10);
    for (shape, machine) in [("flat", Machine::Flat), ("mixed", Machine::Mixed)] {
        for count in [1_000, 10_000, 100_000] {
            let functions = inputs::functions(machine, count);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new(format!("fwspec, {shape}"), count), |bench| {
                bench.iter(|| paths::group(black_box(&functions.devices)));
            });
            // The whole search; of larger machines the table takes samples.
            if count > 10_000 {
                continue;
            }
            for (name, layout) in [("packed array", Layout::Packed), ("2 KiB list", Layout::Listed)] {
                let id = BenchmarkId::new(format!("search in C, {name}, {shape}"), count);
                group.bench_function(id, |bench| {
                    let fresh = || functions.rivals.clone();
                    bench.iter_batched_ref(fresh, |all| rivals::group(all, 1, layout), BatchSize::LargeInput);
                });
            }
        }
    }
    group.finish();
}

criterion_group!(hot_paths, trees, look_up, decode, group);
criterion_main!(hot_paths);
