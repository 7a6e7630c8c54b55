//! Two machines in one text, one machine listed twice, and one before and after a change.

use std::fmt::Write;

use fwspec::machine::{Collector, Machine, MachineError, TextErrorKind};

use super::pile::sample;

fn open(text: &str) -> Result<Machine, MachineError> {
    let mut collector = Collector::new();
    collector.add("lspci.txt", text.as_bytes().to_vec())?;
    collector.finish()
}

fn note(machine: &Machine) -> String {
    machine.evidence[0].note.clone().unwrap_or_default()
}

/// `lspci -nn` of a machine, whose host bridge and card are these.
fn names(host: &str, card: &str) -> String {
    format!(
        "00:00.0 Host bridge [0600]: Example Host [{host}]\n00:01.0 PCI bridge [0604]: Example Port [1022:1453]\n\
         00:02.0 USB controller [0c03]: Example USB [1022:145c]\n01:00.0 Ethernet controller [0200]: Example Card [{card}]\n"
    )
}

/// `lspci -nnx` of it.
fn dump(host: &str, card: &str) -> String {
    let mut text = String::new();
    for line in names(host, card).lines() {
        let ids: Vec<&str> = line.rsplit('[').next().unwrap().trim_end_matches(']').split(':').collect();
        let class = line.split('[').nth(1).unwrap();
        let word = |word: &str| format!("{} {}", &word[2..4], &word[..2]);
        let is_bridge = u8::from(class.starts_with("0604"));
        writeln!(
            text,
            "{line}\n00: {} {} 00 00 10 00 00 00 {} 00 00 {is_bridge:02x} 00",
            word(ids[0]),
            word(ids[1]),
            word(class)
        )
        .unwrap();
        for row in 1..4 {
            let buses = if row == 1 && is_bridge == 1 { "00 01 01 00" } else { "00 00 00 00" };
            // The capabilities are beyond what an unprivileged user reads.
            let pointer = if row == 3 { "40" } else { "00" };
            writeln!(text, "{:02x}: 00 00 00 00 {pointer} 00 00 00 {buses} 00 00 00 00", row * 16).unwrap();
        }
        text.push('\n');
    }
    text
}

/// What `-vvv` says in words.
fn words(host: &str, card: &str, control: &str) -> String {
    let told = "\tControl: I/O+ Mem+ BusMaster+\n\tStatus: Cap+ 66MHz-\n";
    let port = format!(
        "{told}\tBus: primary=00, secondary=01, subordinate=01, sec-latency=0\n\tCapabilities: [a0] Express (v2) Root Port (Slot-), MSI 00\n\
         \tCapabilities: [140 v1] Access Control Services\n\t\tACSCap:\tSrcValid+ ReqRedir+ CmpltRedir+ UpstreamFwd+\n\t\tACSCtl:\t{control}\n\n"
    );
    let one = |line: &str| match line.contains("[0604]") {
        true => format!("{line}\n{port}"),
        false => format!("{line}\n{told}\tCapabilities: [50] Express (v2) Endpoint, MSI 00\n\n"),
    };
    names(host, card).lines().map(one).collect()
}

const OFF: &str = "SrcValid- ReqRedir- CmpltRedir- UpstreamFwd-";
const ON: &str = "SrcValid+ ReqRedir+ CmpltRedir+ UpstreamFwd+";

#[test]
fn two_machines_in_one_text_are_refused_with_the_lines_of_both() {
    type Form = fn(&str, &str) -> String;
    let forms: [Form; 3] = [names, dump, |host, card| words(host, card, ON)];
    for form in forms {
        for other in forms {
            for (host, card) in [("8086:1234", "8086:10fb"), ("1022:1450", "10de:1b80")] {
                let first = form("1022:1450", "8086:10fb");
                let text = format!("mine:\n\n{first}\nhis:\n\n{}", other(host, card));
                let error = open(&text).unwrap_err();
                let MachineError::TwoListings { name, first: one, second, .. } = &error else {
                    panic!("{error}")
                };
                assert_eq!(name, "lspci.txt");
                let middle = u32::try_from(3 + first.lines().count()).unwrap();
                assert!(*one < middle && *second > middle, "{error}\n{text}");
            }
        }
    }
    let error = open(&(names("1022:1450", "8086:10fb") + &names("8086:1234", "8086:10fb"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "two machines: lspci.txt:1 and lspci.txt:5 list different functions at 0000:00:00.0; give the listing of one of them, in a file of its own"
    );
}

#[test]
fn one_machine_in_several_listings_is_one_machine() {
    let (host, card) = ("1022:1450", "8086:10fb");
    let [names, dump, words] = [names(host, card), dump(host, card), words(host, card, ON)];
    let all = [&names, &dump, &words];
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        let machine = open(&format!("{one}\n{other}")).unwrap();
        assert_eq!((machine.devices.len(), machine.unread.as_slice()), (4, &[][..]), "{one}{other}");
        assert!(!note(&machine).contains("twice"), "{}", note(&machine));
    }
    // One function of it shown again.
    let machine = open(&format!(
        "{names}\n01:00.0 Ethernet controller [0200]: Example Card [{card}]\n\tControl: I/O+\n"
    ));
    assert!(!note(&machine.unwrap()).contains("twice"));
    let listing = String::from_utf8(sample("d05-2020/lspci.txt")).unwrap();
    assert_eq!(open(&(listing.clone() + &listing)).unwrap().devices, open(&listing).unwrap().devices);
}

#[test]
fn a_function_that_came_or_went_between_two_listings_is_told() {
    let with = names("1022:1450", "8086:10fb");
    let without: String = with.lines().take(3).map(|line| format!("{line}\n")).collect();
    for (text, which) in [
        (format!("before:\n{without}\nafter:\n{with}"), "the second"),
        (format!("before:\n{with}\nafter:\n{without}"), "the first"),
        (format!("before:\n{with}\n{with}\nafter:\n{without}"), "the first"),
    ] {
        let machine = open(&text).unwrap();
        assert_eq!(machine.devices.len(), 4);
        assert!(note(&machine).contains(&format!("0000:01:00.0 is in {which} only")), "{}", note(&machine));
    }
    let mut collector = Collector::new();
    collector.add("before.txt", without.into_bytes()).unwrap();
    collector.add("after.txt", with.into_bytes()).unwrap();
    let machine = collector.finish().unwrap();
    let note = machine.evidence[1].note.clone().unwrap();
    assert!(
        note.contains("it and before.txt list different functions: 0000:01:00.0 is in after.txt only"),
        "{note}"
    );
}

#[test]
fn a_bit_that_changes_while_a_machine_runs_is_told_and_is_no_other_machine() {
    let (host, card) = ("1022:1450", "8086:10fb");
    let machine = open(&(words(host, card, OFF) + &words(host, card, ON))).unwrap();
    let [told] = machine.unread.as_slice() else { panic!("{:?}", machine.unread) };
    assert_eq!(told.kind, TextErrorKind::ListedOtherwise { first: 6, what: "ACS" });
    assert!(
        told.to_string().starts_with("lspci.txt:30 (0000:00:01.0): ACS differs from what line 6 says"),
        "{told}"
    );
    let mut collector = Collector::new();
    collector.add("off.txt", words(host, card, OFF).into_bytes()).unwrap();
    collector.add("on.txt", words(host, card, ON).into_bytes()).unwrap();
    let machine = collector.finish().unwrap();
    let note = machine.evidence[1].note.clone().unwrap();
    assert!(note.starts_with("ACS of 0000:00:01.0 differs from that in off.txt"), "{note}");
}
