//! `lspci` text: what is read, what a bad line costs, and that real dumps come out as the kernel saw them.

use crate::support::outside::shared;

use std::fmt::Write;
use std::fs;

use fwspec::Bdf;
use fwspec::machine::lspci;
use fwspec::machine::{ListedFunction, Listing, TextErrorKind};

/// The lines of config space that `lspci` prints for these bytes.
fn lines(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(16).enumerate() {
        write!(text, "{:02x}:", row * 16).unwrap();
        for byte in line {
            write!(text, " {byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// One function as `lspci -x` lists it.
fn function(address: &str, bytes: &[u8]) -> String {
    format!("{address} Ethernet controller: Example\n{}\n", lines(bytes))
}

/// Config space in which every byte says where it stands.
fn config(length: usize) -> Vec<u8> {
    (0..length)
        .map(|offset| u8::try_from(offset & 0xff).unwrap() ^ u8::try_from(offset >> 8).unwrap())
        .collect()
}

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// The one function in the text, and nothing skipped.
fn only(text: &str) -> ListedFunction {
    let Listing { mut functions, skipped, .. } = lspci::parse(text.as_bytes()).unwrap();
    assert_eq!(skipped, []);
    assert_eq!(functions.len(), 1);
    functions.remove(0)
}

/// The error that costs the first of two functions, and where it is; the second function must be there.
fn first_is_skipped(first: &str) -> (TextErrorKind, u32) {
    let text = format!("{first}\n{}", function("01:00.0", &config(64)));
    let dumps = lspci::parse(text.as_bytes()).unwrap();
    let found: Vec<Bdf> = dumps.functions.iter().map(|dump| dump.bdf).collect();
    assert_eq!(found, [bdf("01:00.0")]);
    assert_eq!(dumps.skipped.len(), 1, "{:?}", dumps.skipped);
    (dumps.skipped[0].kind, dumps.skipped[0].place.unwrap().offset)
}

#[test]
fn what_lspci_prints_is_read_back() {
    for length in [64, 128, 256, 4096] {
        assert_eq!(only(&function("0000:00:01.0", &config(length))).bytes, config(length), "{length} bytes");
    }
}

#[test]
fn an_address_may_come_with_or_without_segment() {
    for (written, read) in
        [("00:1f.7", "0000:00:1f.7"), ("000a:11:00.3", "000a:11:00.3"), ("10000:01:00.0", "10000:01:00.0")]
    {
        assert_eq!(only(&function(written, &config(64))).bdf.to_string(), read);
    }
}

#[test]
fn decoration_is_passed_over() {
    let decorated = format!(
        "$ lspci -vvxxx\n0000:00:02.0 Class 0604: 1b36:000c\n\tControl: I/O+ Mem+\n\tBus: primary=00, secondary=01\n        \
         Memory at 10: 00\n\tCapabilities: [48] MSI-X: Enable+ Count=1 Masked-\n{}\n",
        lines(&config(256))
    );
    assert_eq!(only(&decorated).bytes, config(256));
}

#[test]
fn carriage_returns_trailing_spaces_and_a_missing_last_newline_change_nothing() {
    let text = function("00:00.0", &config(64));
    for variant in [text.replace('\n', "\r\n"), text.replace('\n', "  \n"), text.trim_end().to_owned()] {
        assert_eq!(only(&variant).bytes, config(64));
    }
}

#[test]
fn functions_need_no_empty_line_between_them() {
    let text = format!("00:00.0 A\n{}00:01.0 B\n{}", lines(&config(64)), lines(&config(16)));
    let dumps = lspci::parse(text.as_bytes()).unwrap();
    assert_eq!(dumps.functions.iter().map(|dump| dump.bytes.len()).collect::<Vec<_>>(), [64, 16]);
}

#[test]
fn names_that_are_no_utf8_are_passed_over() {
    let mut text = b"00:00.0 Bus controller: Caf\xe9\n".to_vec();
    text.extend(lines(&config(64)).bytes());
    assert_eq!(lspci::parse(&text).unwrap().functions.len(), 1);
}

#[test]
fn lines_left_out_behind_0x100_are_zero_up_to_the_end() {
    let mut text = function("00:01.0", &config(0x110)).trim_end().to_owned();
    text.push_str("\n140: 0d 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
    let mut expected = config(0x110);
    expected.resize(4096, 0);
    expected[0x140] = 0x0d;
    expected[0x142] = 0x01;
    assert_eq!(only(&text).bytes, expected);
}

#[test]
fn a_last_line_that_is_cut_ends_what_is_known() {
    let text = function("00:01.0", &config(0x118));
    assert_eq!(only(&text).bytes.len(), 0x118);
}

#[test]
fn a_line_missing_below_0x100_costs_the_function() {
    let text = format!("00:00.0 A\n{}30: ff\n", lines(&config(32)));
    let at = u32::try_from(text.find("30: ").unwrap()).unwrap();
    assert_eq!(first_is_skipped(&text), (TextErrorKind::ConfigOffset { next: 0x20, found: 0x30 }, at));
}

#[test]
fn a_line_that_stands_twice_costs_the_function() {
    let text = format!("00:00.0 A\n{}10: 00\n", lines(&config(32)));
    assert_eq!(first_is_skipped(&text).0, TextErrorKind::ConfigOffset { next: 0x20, found: 0x10 });
}

#[test]
fn digits_that_are_none_cost_the_function() {
    for (line, found) in
        [("00: 12 3x", *b"3x"), ("00: 12 3", *b"3 "), ("00: 12  34", *b" 3"), ("00: 123 4", *b"12")]
    {
        assert_eq!(
            first_is_skipped(&format!("00:00.0 A\n{line}\n")).0,
            TextErrorKind::ConfigDigits(found),
            "{line}"
        );
    }
}

#[test]
fn bytes_past_config_space_cost_the_function() {
    let text = format!("00:00.0 A\n{}1000: 00\n", lines(&config(4096)));
    assert_eq!(first_is_skipped(&text).0, TextErrorKind::ConfigEnd);
}

#[test]
fn an_address_past_the_end_of_the_bus_costs_the_function() {
    assert_eq!(
        first_is_skipped(&function("00:20.0", &config(64))),
        (TextErrorKind::PciAddress { device: 0x20, function: 0 }, 0)
    );
    assert_eq!(
        first_is_skipped(&function("00:1f.8", &config(64))).0,
        TextErrorKind::PciAddress { device: 0x1f, function: 8 }
    );
}

#[test]
fn a_function_without_bytes_is_reported() {
    assert_eq!(first_is_skipped("00:00.0 Host bridge\n"), (TextErrorKind::NoFacts, 0));
}

#[test]
fn bytes_without_a_function_are_reported_once() {
    assert_eq!(first_is_skipped(&lines(&config(64))), (TextErrorKind::StrayBytes, 0));
}

#[test]
fn the_first_of_two_listings_counts() {
    let text = function("00:00.0", &config(64)) + &function("0000:00:00.0", &config(16));
    assert_eq!(only(&text).bytes.len(), 64);
    let text = function("00:00.0", &config(64)) + &function("0000:00:00.0", &config(32)[1..]);
    let dumps = lspci::parse(text.as_bytes()).unwrap();
    assert_eq!(dumps.functions.len(), 1);
    assert_eq!(dumps.functions[0].bytes.len(), 64);
    assert_eq!(
        dumps.skipped.iter().map(|error| error.kind).collect::<Vec<_>>(),
        [TextErrorKind::ListedTwice { first: 1 }]
    );
}

#[test]
fn a_short_listing_and_a_long_one_are_one() {
    let text = format!(
        "$ lspci\n00:00.0 Example class: Example\n$ lspci -xxxx\n{}",
        function("00:00.0", &config(4096))
    );
    assert_eq!(only(&text).bytes, config(4096));
}

#[test]
fn text_without_any_address_is_refused() {
    for text in ["", "\n\n", "hello\n", "Slot:\t00:00.0\n"] {
        assert_eq!(lspci::parse(text.as_bytes()).unwrap_err().kind, TextErrorKind::NoFunctions, "{text:?}");
    }
}

#[test]
fn captured_text_holds_the_config_space_that_the_kernel_read() {
    let Some(runs) = shared("linux-truth/runs") else { return };
    let (mut texts, mut functions, mut without) = (0, 0, 0);
    for run in fs::read_dir(runs).unwrap() {
        let run = run.unwrap().path();
        let Ok(text) = fs::read(run.join("lspci.txt")) else {
            without += 1;
            continue;
        };
        let dumps = lspci::parse(&text).unwrap();
        assert_eq!(dumps.skipped, [], "{}", run.display());
        let devices: serde_json::Value =
            serde_json::from_slice(&fs::read(run.join("devices.json")).unwrap()).unwrap();
        let devices = devices.as_array().unwrap();
        assert_eq!(dumps.functions.len(), devices.len(), "{}", run.display());
        for (dump, device) in dumps.functions.iter().zip(devices) {
            let place = format!("{} {}", run.display(), dump.bdf);
            assert_eq!(dump.bdf, bdf(device["bdf"].as_str().unwrap()), "{place}");
            let digits = device["config"].as_str().unwrap();
            let mut expected: Vec<u8> = (0..digits.len() / 2)
                .map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap())
                .collect();
            expected.resize(usize::try_from(device["config_len"].as_u64().unwrap()).unwrap(), 0);
            assert!(dump.bytes == expected, "{place}: {} bytes", dump.bytes.len());
        }
        texts += 1;
        functions += devices.len();
    }
    println!("{texts} captured texts, {functions} functions, byte for byte; {without} captures without text");
    assert!(texts > 0);
}

#[test]
fn real_text_is_read_without_a_loss() {
    let Some(folder) = shared("corpus/lspci") else { return };
    let (mut texts, mut functions) = (0, 0);
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let dumps = lspci::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(dumps.skipped, [], "{}", path.display());
        assert!(
            dumps.functions.iter().all(|dump| [64, 128, 256, 4096].contains(&dump.bytes.len())),
            "{}",
            path.display()
        );
        texts += 1;
        functions += dumps.functions.len();
    }
    println!("{texts} texts, {functions} functions");
    assert!(texts > 0);
}

#[test]
fn records_are_read_where_bytes_follow_them() {
    let bytes = config(64);
    let record = |slot: &str| {
        format!(
            "Slot:\t{slot}\nClass:\tExample class\nVendor:\tExample\nDevice:\tCard\nRev:\t01\n{}\n",
            lines(&bytes)
        )
    };
    let text = record("00:1f.0") + &record("0001:01:00.0");
    let listing = lspci::parse(text.as_bytes()).unwrap();
    let found: Vec<Bdf> = listing.functions.iter().map(|function| function.bdf).collect();
    assert_eq!((found, listing.skipped), (vec![bdf("00:1f.0"), bdf("0001:01:00.0")], vec![]));
    assert!(listing.functions.iter().all(|function| function.bytes == bytes));
    let mut collector = fwspec::machine::Collector::new();
    collector.add("lspci.txt", text.into_bytes()).unwrap();
    let machine = collector.finish().unwrap();
    assert_eq!(machine.names[&bdf("00:1f.0")].device, "Example Card");
    assert_eq!(machine.evidence[0].note, None);
}
