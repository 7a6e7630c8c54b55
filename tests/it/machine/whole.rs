//! Listings that are cut short, and those that are whole.

use crate::support::cases::cases_of_three;
use crate::support::outside::shared;

use std::fs;
use std::path::PathBuf;

use fwspec::answer::remarks;
use fwspec::machine::{Collector, Machine};
use fwspec::{Dialect, group::Policy};

use super::pile::sample;

fn open(text: &[u8]) -> Option<Machine> {
    let mut collector = Collector::new();
    collector.add("lspci.txt", text.to_vec()).ok()?;
    collector.finish().ok()
}

fn gaps(text: &[u8]) -> Vec<String> {
    open(text).map(|machine| machine.evidence[0].gaps.clone()).unwrap_or_default()
}

/// The listings of real machines: those of the corpus, of every boot that was recorded, and of the field cases.
fn real() -> Vec<PathBuf> {
    let folders = ["corpus/lspci", "corpus/lspci-vvv", "field-cases/pci"].into_iter().filter_map(shared);
    let boots = ["linux-truth/runs"].into_iter().filter_map(shared);
    let inside = |folder: PathBuf| {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let files =
        folders.flat_map(inside).filter(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files
        .chain(boots.flat_map(inside).map(|run| run.join("lspci.txt")))
        .filter(|path| path.is_file())
        // Of which an ordinary run takes each fifth.
        .step_by(cases_of_three(5, 1, 1))
        .collect()
}

/// Those of them that are of a part of a machine: one function each, and one of bus 0 alone.
const PARTS: [&str; 5] =
    ["cap-rcec.txt", "cap-exp-aspm-latencies.txt", "cap-debug-port.txt", "cap-aer-hdr.txt", "machine-16.txt"];

#[test]
fn nothing_is_said_of_listings_that_are_whole() {
    let all = real();
    for path in &all {
        let is_part = PARTS.contains(&path.file_name().unwrap().to_str().unwrap());
        let found = gaps(&fs::read(path).unwrap());
        assert_eq!(found.is_empty(), !is_part, "{}: {found:#?}", path.display());
    }
    println!("{} listings", all.len());
    assert_eq!(gaps(&sample("d05-2020/lspci.txt")), [""; 0]);
}

/// Of a text that ends, or starts, anywhere: how often that is told, in percent, of those places where it can be.
#[test]
fn most_cuts_of_real_listings_are_told() {
    for file in real().iter().filter(|path| path.to_str().unwrap().contains("lspci-vvv/machine")) {
        let text = fs::read(file).unwrap();
        let ends: Vec<usize> =
            text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        let places: Vec<usize> = ends.iter().copied().step_by(41).skip(1).collect();
        let share = |told: usize| told * 100 / places.len();
        let end = share(places.iter().filter(|at| !gaps(&text[..**at]).is_empty()).count());
        let start = share(places.iter().filter(|at| !gaps(&text[**at..]).is_empty()).count());
        let name = file.file_name().unwrap().display();
        println!("{name}: {end} % of ends, {start} % of starts");
        assert!(end >= 65 && start >= 85, "{name}: {end} % of ends, {start} % of starts");
    }
}

const LISTING: &str = "\
00:00.0 Host bridge [0600]: Example Host [1022:1450]
\tControl: I/O- Mem- BusMaster-
\tStatus: Cap- 66MHz-

00:01.0 PCI bridge [0604]: Example Port [1022:1453] (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+ BusMaster+
\tStatus: Cap+ 66MHz-
\tBus: primary=00, secondary=01, subordinate=02, sec-latency=0
\tCapabilities: [a0] Express (v2) Root Port (Slot+), MSI 00
\t\tDevCap:\tMaxPayload 256 bytes
\t\tDevCtl:\tCorrErr-
\t\tDevSta:\tCorrErr- NonFatalErr-
\t\tSltSta:\tStatus: AttnBtn- PresDet+ Interlock-
\tKernel driver in use: pcieport

01:00.0 PCI bridge [0604]: Example Switch [10b5:8747] (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+ BusMaster+
\tStatus: Cap+ 66MHz-
\tBus: primary=01, secondary=02, subordinate=02, sec-latency=0
\tCapabilities: [68] Express (v2) Upstream Port, MSI 00
\tKernel driver in use: pcieport

02:00.0 Ethernet controller [0200]: Example Card [8086:10fb]
\tControl: I/O+ Mem+ BusMaster+
\tStatus: Cap+ 66MHz-
\tCapabilities: [a0] Express (v2) Endpoint, MSI 00
\tKernel driver in use: ixgbe

02:00.1 Ethernet controller [0200]: Example Card [8086:10fb]
\tControl: I/O+ Mem+ BusMaster+
\tStatus: Cap+ 66MHz-
\tCapabilities: [a0] Express (v2) Endpoint, MSI 00
\tKernel driver in use: ixgbe
";

/// The listing without its lines of a function, the words about it included.
fn without(address: &str) -> String {
    let blocks = LISTING.split("\n\n").filter(|block| !block.starts_with(address));
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

#[test]
fn each_sign_of_a_missing_part_is_told_with_its_line() {
    let until = |mark: &str| LISTING[..LISTING.find(mark).unwrap() + mark.len()].to_owned();
    let from = |mark: &str| LISTING[LISTING.find(mark).unwrap()..].to_owned();
    let cases: Vec<(String, &str)> = vec![
        (from("\tBus: primary=00"), "line 1: lines about a function come before the first address"),
        (without("01:00.0"), "line 5: 0000:00:01.0 has a device below it"),
        (
            without("01:00.0"),
            "0000:02:00.0 is below 0000:00:01.0, and the bridge that leads to its bus is not listed",
        ),
        (without("02:00.0"), "line 23: 0000:02:00.1 is listed without function 0"),
        (
            LISTING.replace("01:00.0 PCI bridge [0604]: Example Switch [10b5:8747]", "PCI bridge"),
            "line 17: this is about another function than 0000:00:01.0",
        ),
        (
            LISTING.replace("\tKernel driver in use: pcieport\n\n01", "[...]\n\n01"),
            "line 14: a part was left out here",
        ),
        (
            LISTING.replace("\tKernel driver in use: pcieport\n\n01", "--snip--\n01"),
            "line 14: a part was left out here",
        ),
        (
            until("DevCap:\tMaxPayload 256 bytes\n"),
            "line 5: the description of 0000:00:01.0 ends before DevCtl",
        ),
        (
            until(
                "02:00.0 Ethernet controller [0200]: Example Card [8086:10fb]\n\tControl: I/O+ Mem+ BusMaster+\n\tStatus: Cap+ 66MHz-\n",
            ),
            "ends before its capabilities",
        ),
        (
            until("02:00.0 Ethernet controller [0200]: Example Card [8086"),
            "line 23: it ends in the middle of this line",
        ),
        (until("Express (v2) Endpoint, MSI 00\n\tKer"), "line 27: it ends in the middle of this line"),
        (until("\tKernel driver in use: ixgbe\n") + "--More--", "line 28: it ends where a pager waited"),
        (until("\tKernel driver in use: ixgbe\n") + "lines 1-27", "line 28: it ends where a pager waited"),
    ];
    assert_eq!(gaps(LISTING.as_bytes()), [""; 0]);
    assert_eq!(gaps((LISTING.to_owned() + "lines 1-33/33 (END)").as_bytes()), [""; 0]);
    for (text, wanted) in cases {
        let found = gaps(text.as_bytes());
        assert!(found.iter().any(|gap| gap.contains(wanted)), "{wanted}: {found:#?}\n{text}");
        let machine = open(text.as_bytes()).unwrap();
        assert!(!machine.is_whole());
        assert!(machine.evidence[0].note.as_ref().unwrap().contains("it is incomplete: line "));
        let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
        assert_eq!(remarks(&machine, (Dialect::LINUX, Policy::Linux), &groups)[0].kind, "not-whole");
    }
}

#[test]
fn a_dump_that_ends_too_early_is_told() {
    let text = String::from_utf8(sample("d05-2020/lspci.txt")).unwrap();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let rows = ends.windows(2).filter(|line| text[line[0]..line[1]].starts_with("20: ")).map(|line| line[1]);
    for end in rows {
        let found = gaps(&text.as_bytes()[..end]);
        assert!(found.iter().any(|gap| gap.contains("it has 48 bytes of ")), "{found:?}");
    }
}
