//! Hostile bytes cost a bounded amount of memory and never a panic: reading, lowering and building the map of an input takes at
//! most 16 times its size and 64 KiB, at the peak.
#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::acpi::{Mcfg, container};
use fwspec::dt::Tree;
use fwspec::machine::log::Log;
use fwspec::machine::{Firmware, Kind, devices, lspci, recognise};
use fwspec::pci::{Function, PortType};
use fwspec::{Device, Dialect, Groups, IdMap, Platform, RequesterIndex, lint};

#[path = "it/support/cases.rs"]
mod cases;
use cases::cases_of_three;
#[path = "families/mod.rs"]
mod families;
use families::FAMILIES;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

impl Counting {
    fn grow(bytes: usize) {
        let live = LIVE.get().wrapping_add(bytes);
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
    }

    fn shrink(bytes: usize) {
        LIVE.set(LIVE.get().wrapping_sub(bytes));
    }
}

// SAFETY: every call is handed to the system's allocator unchanged; the counters are plain cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::grow(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Counting::shrink(layout.size());
        // SAFETY: as above; the memory came from there.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        Counting::grow(size);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, size) };
        Counting::shrink(layout.size());
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Samples below this size are damaged everywhere, larger ones at about so many places.
fn small() -> usize {
    cases_of_three(64, 512, 2048)
}

/// How many times the input's size reading may hold at once, and lint beyond what was read.
const READING: usize = 16;
const LINT: usize = 16;

fn bound(input: &[u8], times: usize) -> usize {
    times * input.len() + 64 * 1024
}

/// Reads an input to its end, as its content says what it is.
fn read(input: &[u8]) {
    let platform = match recognise(input) {
        Kind::DeviceTree => Tree::parse(input).and_then(|tree| tree.platform()).ok(),
        Kind::AcpiTable(signature) if &signature == b"MCFG" => Mcfg::parse(input).ok().map(|table| {
            let mut platform = Platform::default();
            table.lower_into(&mut platform);
            platform
        }),
        Kind::AcpiTable(signature) if &signature == b"IORT" => {
            Iort::parse(input).ok().map(|table| table.platform())
        }
        kind if kind.is_listing() => {
            drop(lspci::parse(input));
            None
        }
        _ => {
            drop(container::tables(input));
            None
        }
    };
    if let Some(platform) = platform {
        drop(IdMap::build(&platform, Dialect::LINUX));
    }
}

/// The most that this thread held while something was done with an input, beyond what it held before.
fn peak(input: &[u8], work: fn(&[u8])) -> usize {
    peak_of(|| work(input))
}

fn peak_of(work: impl FnOnce()) -> usize {
    // What is made of the table of log lines once is kept for good, in whichever thread comes first.
    drop(Log::read(b"[    0.000000] iommu: Default domain type: Translated"));
    let before = LIVE.get();
    PEAK.set(before);
    work();
    assert_eq!(LIVE.get(), before, "something leaked");
    PEAK.get() - before
}

/// The memory that the work takes, which is within bounds.
fn check(what: &str, input: &[u8], work: fn(&[u8])) -> usize {
    let (peak, bound) = (peak(input, work), bound(input, READING));
    assert!(peak <= bound, "{what}: {peak} bytes for {} of input, more than {bound}", input.len());
    peak
}

/// The samples' firmware and topologies.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples");
    let mut found = Vec::new();
    for machine in fs::read_dir(folder).unwrap() {
        for file in ["iort.bin", "mcfg.bin", "fdt.dtb", "lspci.txt"] {
            let path = machine.as_ref().unwrap().path().join(file);
            if let Ok(bytes) = fs::read(&path) {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    found
}

#[test]
fn samples_cut_anywhere_stay_in_bounds() {
    let mut cuts = 0;
    for (name, sample) in samples() {
        for length in (0..=sample.len()).step_by(1 + sample.len() / small()) {
            check(&format!("{name} cut to {length}"), &sample[..length], read);
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 0);
}

#[test]
fn samples_with_any_bit_flipped_stay_in_bounds() {
    let mut flips = 0;
    for (name, mut sample) in samples() {
        for at in (0..sample.len()).step_by(1 + sample.len() / small()) {
            // Of larger samples, one bit of a byte now and then.
            let bits = if sample.len() < small() { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                sample[at] ^= 1 << bit;
                check(&format!("{name} with bit {bit} of byte {at:#x} flipped"), &sample, read);
                sample[at] ^= 1 << bit;
                flips += 1;
            }
        }
    }
    println!("{flips} flips");
    assert!(flips > 0);
}

#[test]
fn a_node_that_claims_more_than_there_is_stays_in_bounds() {
    let mut table = Builder::new(6);
    table.its_group([0]).put_u32(16, u32::MAX);
    table.root_complex(0).claim_mapping_count(u32::MAX);
    table.claim_node_count(u32::MAX);
    check("claims", &table.finish(), read);
}

#[test]
fn text_with_gaps_stays_in_bounds() {
    let bare = "00:00.0\n".repeat(50_000);
    check("one function, again and again", bare.as_bytes(), read);
    let longest = format!("00:00.0\n{}", "00: ".to_owned() + &"00 ".repeat(256) + "\nff0: 00\n\n");
    check("a gap to the end of config space", longest.as_bytes(), read);
}

/// The most that the groups of a listing took from its text on, or lint beyond the firmware that was read.
fn judged(input: &[u8]) -> usize {
    if recognise(input).is_listing() {
        return peak(input, group);
    }
    let Ok(firmware) = Firmware::open("", input.to_vec()) else { return 0 };
    peak_of(|| drop(fwspec::answer::findings(&firmware)))
}

fn group(input: &[u8]) {
    let Ok(dumps) = lspci::parse(input) else { return };
    let (devices, _) = devices(&dumps);
    drop(dumps);
    let mut groups = Groups::without_firmware();
    for device in devices {
        drop(groups.add(device));
    }
    groups.settle();
    drop(lint::groups(&groups, &Platform::default(), None));
}

/// A listing of names has little text for what is kept of a function: 64 times its size, and as much again for its groups.
#[test]
fn a_listing_of_names_stays_in_bounds() {
    let mut text = String::new();
    for at in 0..20_000_u32 {
        text += &format!("{:02x}:{:02x}.{} IOMMU: x\n", at >> 8 & 0xff, at >> 3 & 0x1f, at & 7);
    }
    let text = text.into_bytes();
    let (read, judged) = (peak(&text, read), judged(&text));
    println!("{} bytes: {read} to read, {judged} to judge", text.len());
    assert!(
        read <= 64 * text.len() && judged <= 128 * text.len(),
        "{read} and {judged} bytes for {}",
        text.len()
    );
}

#[test]
fn the_worst_of_every_family_stay_in_bounds() {
    let mut beyond = Vec::new();
    for (name, member) in FAMILIES {
        // Small ones, too: what is kept for any input counts most there.
        for size in [1_000, 30_000, cases_of_three(120_000, 600_000, 600_000)] {
            let input = member(size);
            assert!((size / 4..size * 4).contains(&input.len()), "{name}: {} bytes for {size}", input.len());
            let (read, judged) = (peak(&input, read), judged(&input));
            println!("{name}: {} bytes, {read} to read, {judged} to lint or group", input.len());
            let lint = if recognise(&input) == Kind::LspciText { READING } else { LINT };
            if read > bound(&input, READING) || judged > bound(&input, lint) {
                beyond.push(format!("{name}, {} bytes: {read} and {judged}", input.len()));
            }
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}

#[test]
fn maps_of_very_many_entries_stay_in_bounds() {
    let size = cases_of_three(4_000_000, 20_000_000, 20_000_000);
    for (name, member) in
        FAMILIES.iter().filter(|(name, _)| ["dt: one map", "iort: nested ranges"].contains(name))
    {
        let input = member(size);
        println!("{name}: {} to read {}", check(name, &input, read), input.len());
    }
}

#[test]
fn masters_deep_down_are_read() {
    // Names and parents must not be kept again for each of them.
    let (_, deep_tree) = FAMILIES.iter().find(|(name, _)| name.starts_with("dt: each the child")).unwrap();
    let blob = deep_tree(640_000);
    assert_eq!(Tree::parse(&blob).unwrap().platform().unwrap().requesters.len(), 20_000);
}

/// A record with its ids stands in itself: a look-up takes no memory, for a function below bridges that add aliases either.
#[test]
fn looking_up_a_record_allocates_nothing() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    table.root_complex(0).maps(0..=0xffff, 0x2_0000, smmu);
    table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    let platform = Iort::parse(&table.finish()).unwrap().platform();
    let map = IdMap::build(&platform, Dialect::LINUX);
    let [port, bridge, below] =
        ["00:01.0", "01:00.0", "02:04.0"].map(|bdf| bdf.parse::<fwspec::Bdf>().unwrap());
    let mut groups = Groups::without_firmware();
    groups.add(Device::root_port(port, 1..=2)).unwrap();
    groups.add(Device::function(bridge, Function::port(PortType::PcieToPci, 2, 2))).unwrap();
    groups.add(Device::function(below, Function::endpoint().conventional())).unwrap();
    let mut ids = 0;
    let peak = peak_of(|| {
        for function in [port, bridge, below] {
            let rids = groups.aliases(function).map(|alias| fwspec::Bdf { rid: alias.rid, ..function });
            ids += map.fwspec_of_aliases(rids).fwspec.unwrap().ids.len();
        }
        ids += map.fwspec(RequesterIndex(1).into()).fwspec.unwrap().ids.len();
    });
    assert_eq!((ids, peak), (5, 0), "ids found, and bytes held for it");
}

/// Texts of the kinds that are undone before anything is read: strings, entities, base64, hexadecimal digits, what stands in front of lines. Each
/// is made of one piece again and again, below its start.
const TEXTS: [(&str, &str, &str); 40] = [
    ("equal signs", "00:00.0 Host bridge: A\n", "="),
    ("equal signs, a line each", "00:00.0 Host bridge: A\n", "=\n"),
    ("quoted-printable", "00:00.0 Host bridge: A\n", "=3D"),
    ("quoted-printable, soft ends", "=3D00:00.0 Host bridge: A\n", "=\n"),
    ("ampersands", "00:00.0 Host bridge: A\n", "&"),
    ("ampersands, a line each", "00:00.0 Host bridge: A\n", "&\n"),
    ("entities", "00:00.0 Host bridge: A\n", "&gt;"),
    ("tags", "00:00.0 Host bridge: A\n", "<b>"),
    ("tags that are open", "00:00.0 Host bridge: A\n", "<"),
    ("breaks", "00:00.0 Host bridge: A\n", "<br>"),
    ("breaks with functions", "", "00:00.0 a<br>"),
    ("codes", "00:00.0 Host bridge: A\n", "[code]"),
    ("escapes", "\"00:00.0 Host bridge: A\\n\\n", "\\n"),
    ("returns", "00:00.0 Host bridge: A\r", "\r"),
    ("backspaces", "00:00.0 Host bridge: A\n", "a\x08"),
    ("escape sequences", "00:00.0 Host bridge: A\n", "\x1b["),
    ("line separators", "00:00.0 Host bridge: A\n", "\u{2028}"),
    ("empty strings", "[\"00:00.0 Host bridge: A\"", ",\"\""),
    ("strings", "[\"00:00.0 Host bridge: A\"", ",\"a\""),
    ("brackets", "", "["),
    ("deep strings", "", "[\"a\","),
    ("deep objects", "", "{\"a\":"),
    ("a journal", "", "{\"MESSAGE\":\"a\"}\n"),
    ("base64 in short lines", "", "SU9SVIAAAAAGSEZX\n"),
    ("base64 in one line", "SU9SVIAAAAAGSEZX", "AAAA"),
    ("base64 that ends everywhere", "", "SU9SVIAAAAAGSEZXUA==\n"),
    ("digits in short lines", "", "494f525480000000\n"),
    ("digits in one line", "494f525480000000", "00"),
    ("values", "", "K:\n a\n"),
    ("values of apport", "ProblemType: Bug\n", "K:\n a\n"),
    ("values in base64", "ProblemType: Bug\n", "K: base64\n AA==\n"),
    ("records", "", "Slot:\t00:00.0\n"),
    ("records with bytes", "", "Slot:\t00:00.0\n00: 00\n"),
    ("fronts", "", "1: 00:00.0 Host bridge: A\n"),
    ("fronts that differ", "", "x1 00:00.0 Host bridge: A\ny\n"),
    ("rows of zeros", "00000000: 494f 5254\n", "*\n"),
    ("a dump that starts again", "", "00000000: 49\n"),
    ("groups", "", "IOMMU Group 1:\n"),
    ("short lines", "[    0.000000] Linux version 6.1\n", "a\n"),
    ("empty lines", "00:00.0 Host bridge: A\n", "\n"),
];

#[test]
fn what_is_undone_around_a_text_stays_in_bounds() {
    let mut beyond = Vec::new();
    for (name, start, piece) in TEXTS {
        for size in [1_000_usize, 100_000] {
            let text = start.to_owned() + &piece.repeat(size / piece.len());
            let peak = peak(text.as_bytes(), |text| {
                let mut collector = fwspec::machine::Collector::new();
                if collector.add("text", text.to_vec()).is_ok() {
                    drop(collector.finish());
                }
            });
            println!("{name}: {peak} for {}", text.len());
            if peak > bound(text.as_bytes(), READING) {
                beyond.push(format!("{name}: {peak} bytes for {}", text.len()));
            }
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}
