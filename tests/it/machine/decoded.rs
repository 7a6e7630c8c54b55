//! Listings in words: what of them is read, and that real machines come out in the groups that their kernels printed.

use crate::support::cases::cases_of_three;
use crate::support::outside::shared;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fwspec::machine::{Collector, Kind, Machine, MachineError, Refused, schedule};
use fwspec::simulate::Event;
use fwspec::{Bdf, Dialect, group::Policy};

fn machine(text: &[u8]) -> Machine {
    let mut collector = Collector::new();
    collector.add("lspci.txt", text.to_vec()).unwrap();
    collector.finish().unwrap()
}

fn field(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field").join(file)).unwrap()
}

/// The members of each group, of the functions that `of` names.
fn partition<G: Ord>(groups: impl Iterator<Item = (Bdf, G)>) -> BTreeSet<BTreeSet<Bdf>> {
    let mut members: BTreeMap<G, BTreeSet<Bdf>> = BTreeMap::new();
    for (bdf, group) in groups {
        members.entry(group).or_default().insert(bdf);
    }
    members.into_values().collect()
}

/// Ours, of all functions or those that pass.
fn ours(machine: &Machine, counts: impl Fn(Bdf) -> bool) -> BTreeSet<BTreeSet<Bdf>> {
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    assert_eq!(refused, []);
    let bdf = |device: &fwspec::Device| match device.key() {
        fwspec::DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    };
    let all = machine.devices.iter().filter_map(bdf).filter(|bdf| counts(*bdf));
    partition(all.map(|bdf| (bdf, groups.group_of(bdf.into()).unwrap())))
}

fn kernels(machine: &Machine) -> BTreeSet<BTreeSet<Bdf>> {
    partition(machine.kernel.groups.iter().filter_map(|(device, group)| Some((device.parse().ok()?, *group))))
}

fn show(partition: &BTreeSet<BTreeSet<Bdf>>) -> String {
    let group =
        |members: &BTreeSet<Bdf>| members.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    partition.iter().map(group).collect::<Vec<_>>().join(" | ")
}

#[test]
fn real_machines_have_the_groups_that_their_kernels_printed() {
    let Some(folder) = shared("corpus/lspci-vvv") else { return };
    let mut machines = 0;
    let mut wrong = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("machine-") {
            continue;
        }
        let machine = machine(&fs::read(&path).unwrap());
        assert_eq!(machine.unread, [], "{name}");
        assert_eq!(machine.evidence[0].kind, Kind::LspciVerbose, "{name}");
        let (kernels, ours) =
            (kernels(&machine), ours(&machine, |bdf| machine.kernel.group_of(bdf).is_some()));
        println!(
            "{name}: {} functions, {} groups; {:?}",
            machine.devices.len(),
            kernels.len(),
            machine.evidence[0].note
        );
        assert!(kernels.len() > 5, "{name}");
        if kernels != ours {
            let [kernel, we] = [kernels.difference(&ours), ours.difference(&kernels)]
                .map(|only| show(&only.cloned().collect()));
            wrong.push(format!("{name}\n  kernel: {kernel}\n  ours:   {we}"));
        }
        machines += 1;
    }
    assert!(machines >= 6);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn all(machine: &Machine) -> String {
    show(&ours(machine, |_| true))
}

#[test]
fn listings_that_people_posted_have_the_right_groups() {
    for file in ["pci/decoded-vvv.txt", "pci/decoded-vvv-xxx.txt"] {
        let machine = machine(&field(file));
        assert_eq!(all(&machine), "0000:00:1c.0 | 0000:01:00.0", "{file}");
        assert_eq!(kernels(&machine), ours(&machine, |_| true), "{file}");
        assert_eq!(machine.names[&"01:00.0".parse().unwrap()].device, "Example card", "{file}");
    }
    let gpu = machine(&field("pci/gpu-powered-down.txt"));
    assert_eq!(gpu.unread, []);
    assert_eq!(all(&gpu), "0000:00:01.0 0000:01:00.0");
    let facts = gpu
        .devices
        .iter()
        .find(|device| device.key() == "01:00.0".parse::<Bdf>().unwrap().into())
        .unwrap()
        .facts();
    assert_eq!((facts.vendor, facts.device, facts.class), (0x10de, 0x1c8d, 0x03_02_00));
    assert_eq!(
        all(&machine(&field("suites/cardbus.lspci"))),
        "0000:00:1e.0 0000:02:03.0 0000:02:04.0 0000:03:00.0"
    );
    // Records with bytes are read, those of names are not.
    let records = field("suites/cardbus-vmm.lspci");
    assert_eq!(machine(&records).devices, machine(&field("suites/cardbus.lspci")).devices);
    let is_row = |line: &&[u8]| line.get(2) != Some(&b':');
    let names: Vec<u8> =
        records.split_inclusive(|byte| *byte == b'\n').filter(is_row).flatten().copied().collect();
    let mut collector = Collector::new();
    let refused = collector.add("cardbus-vmm.lspci", names).unwrap_err();
    let right = MachineError::Refused { name: "cardbus-vmm.lspci".into(), refused: Refused::LspciRecords };
    assert_eq!(refused, right);
}

/// linux before 5.2: "Adding device … to group"
#[test]
fn the_log_of_an_old_kernel_is_an_order_and_its_word() {
    let mut collector = Collector::new();
    collector.add("dump.txt", field("pci/dump.txt")).unwrap();
    let log = field("pci/old-kernel-log.txt");
    collector.add("dmesg.txt", log.clone()).unwrap();
    let machine = collector.finish().unwrap();
    assert_eq!(machine.evidence[1].kind, Kind::KernelLog);
    assert_eq!(kernels(&machine), ours(&machine, |_| true));
    let (groups, _) = machine.groups(Dialect::LINUX, Policy::Linux);
    let events = schedule::parse(std::str::from_utf8(&log).unwrap(), &groups).unwrap();
    let turn = |bdf: &str| Event::Turn { device: bdf.parse().unwrap(), scanned_late: false };
    assert_eq!(events, [turn("00:1c.0"), turn("01:00.0")]);
}

/// A listing of a switch and of cards below it, in words.
const SWITCH: &str = "\
00:01.0 PCI bridge [0604]: Intel Corporation Example Root Port [8086:1901] (rev 07) (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-
\tIOMMU group: 1
\tBus: primary=00, secondary=01, subordinate=03, sec-latency=0
\tCapabilities: [88] Subsystem: Intel Corporation Device [8086:2010]
\tCapabilities: [a0] Express (v2) Root Port (Slot+), MSI 00
\tCapabilities: [140 v1] Access Control Services
\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-
\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-
\tKernel driver in use: pcieport

01:00.0 PCI bridge [0604]: Example Switch [10b5:8747] (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+
\tStatus: Cap+ 66MHz- UDF-
\tIOMMU group: 2
\tBus: primary=01, secondary=02, subordinate=03, sec-latency=0
\tCapabilities: [68] Express (v2) Upstream Port, MSI 00

02:08.0 PCI bridge [0604]: Example Switch [10b5:8747] (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+
\tStatus: Cap+ 66MHz- UDF-
\tIOMMU group: 3
\tBus: primary=02, secondary=03, subordinate=03, sec-latency=0
\tCapabilities: [68] Express (v2) Downstream Port (Slot+), MSI 00
\tCapabilities: [f24 v1] Access Control Services
\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl+ DirectTrans+
\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir- UpstreamFwd+ EgressCtrl- DirectTrans-

03:00.0 VGA compatible controller [0300]: NVIDIA Corporation Example [10de:1c82] (rev a1) (prog-if 00 [VGA controller])
\tSubsystem: ASUSTeK Computer Inc. Device [1043:8613]
\tControl: I/O+ Mem+
\tStatus: Cap+ 66MHz- UDF-
\tIOMMU group: 3
\tCapabilities: [78] Express (v2) Legacy Endpoint, MSI 00

03:00.1 Audio device [0403]: NVIDIA Corporation Example [10de:0fb9] (rev a1)
\tControl: I/O+ Mem+
\tStatus: Cap+ 66MHz- UDF-
\tIOMMU group: 3
\tCapabilities: [78] Express (v2) Endpoint, MSI 00

04:00.0 PCI bridge [0604]: Example PCIe to PCI Bridge [1b21:1080] (rev 03) (prog-if 01 [Subtractive decode])
\tControl: I/O+ Mem+
\tStatus: Cap- 66MHz- UDF-
\tBus: primary=04, secondary=05, subordinate=05, sec-latency=32

05:01.0 Ethernet controller [0200]: Example [8086:1229] (rev 0d)
\tFlags: bus master, medium devsel, latency 64, IRQ 16
\tCapabilities: [dc] Power Management version 2
";

#[test]
fn words_say_what_bytes_say() {
    let machine = machine(SWITCH.as_bytes());
    assert_eq!((&machine.unread[..], machine.evidence[0].kind), (&[][..], Kind::LspciVerbose));
    assert_eq!(
        all(&machine),
        "0000:00:01.0 | 0000:01:00.0 | 0000:02:08.0 0000:03:00.0 0000:03:00.1 | 0000:04:00.0 0000:05:01.0"
    );
    assert_eq!(kernels(&machine), ours(&machine, |bdf| machine.kernel.group_of(bdf).is_some()));
    let facts = |bdf: &str| {
        machine
            .devices
            .iter()
            .find(|device| device.key() == bdf.parse::<Bdf>().unwrap().into())
            .unwrap()
            .facts()
    };
    assert_eq!(facts("03:00.0").subsystem, Some(fwspec::pci::Ids { vendor: 0x1043, device: 0x8613 }));
    assert!(facts("03:00.0").multifunction && !facts("05:01.0").multifunction);
    assert_eq!(facts("05:01.0").pcie, fwspec::pci::Fact::Absent);
    assert_eq!(facts("04:00.0").class, 0x06_04_01);
}

/// What text goes through on its way.
fn around(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let each = |line: &dyn Fn(&str) -> String| text.lines().map(line).collect::<String>().into_bytes();
    let numbered = |line: &dyn Fn(usize, &str) -> String| {
        text.lines().enumerate().map(|(at, text)| line(at + 1, text)).collect::<String>().into_bytes()
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    let bytes = |unit: fn(u16) -> [u8; 2]| units.iter().flat_map(|at| unit(*at)).collect::<Vec<u8>>();
    let paged: String = text
        .lines()
        .enumerate()
        .map(
            |(at, line)| {
                if at % 23 == 22 { format!("--More--\r        \r{line}\n") } else { format!("{line}\n") }
            },
        )
        .collect();
    let pagers: String = text
        .lines()
        .enumerate()
        .map(|(at, line)| if at % 23 == 22 { format!("--More--(5%)\n{line}\n") } else { format!("{line}\n") })
        .collect();
    vec![
        ("plain", text.as_bytes().to_vec()),
        ("CRLF", text.replace('\n', "\r\n").into_bytes()),
        ("quoted", each(&|line| format!("> {line}\n"))),
        ("quoted twice", each(&|line| format!(">> {line}\n"))),
        ("quoted by two", each(&|line| format!("> > {line}\n"))),
        ("indented", each(&|line| format!("    {line}\n"))),
        ("indented by tabs", each(&|line| format!("\t{line}\n"))),
        ("quoted and indented", each(&|line| format!(">     {line}\n"))),
        ("flat", each(&|line| format!("{}\n", line.trim_start()))),
        ("tabs gone", text.replace('\t', "        ").into_bytes()),
        ("spaces for tabs", text.replace("  ", "\t").into_bytes()),
        ("spaces at the end", each(&|line| format!("{line}   \n"))),
        ("fence", format!("```\n{text}```\n").into_bytes()),
        ("fence with a language", format!("Here it is:\n\n```text\n{text}\n```\n\nThanks!\n").into_bytes()),
        ("HTML", format!("<pre>{text}</pre>\n").into_bytes()),
        ("prompt", format!("root@host:~# lspci -vvv\n{text}root@host:~# exit\n").into_bytes()),
        ("prompt of zsh", format!("% sudo lspci -nnvvv | less\n{text}").into_bytes()),
        ("mail", format!("On Sat, 28 Nov 2026 at 12:00, A. Body <a@example.org> wrote:\n{text}\n-- \nA. Body\n+1 555 0100\n").into_bytes()),
        ("UTF-8 with its mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("UTF-16LE", [vec![0xff, 0xfe], bytes(u16::to_le_bytes)].concat()),
        ("UTF-16BE", [vec![0xfe, 0xff], bytes(u16::to_be_bytes)].concat()),
        ("UTF-16LE without its mark", bytes(u16::to_le_bytes)),
        ("UTF-16LE with CRLF", [vec![0xff, 0xfe], text.replace('\n', "\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()),
        ("colours", each(&|line| format!("\x1b[0m\x1b[1;32m{line}\x1b[0m\x1b[K\n"))),
        ("overstrike", each(&|line| match line.char_indices().nth(7) { Some((at, _)) if line.is_ascii() && !line.starts_with('\t') => { let (bold, rest) = line.split_at(at); bold.chars().map(|c| format!("{c}\x08{c}")).collect::<String>() + rest + "\n" } _ => format!("{line}\n") })),
        ("paged", paged.into_bytes()),
        ("paged by lines", pagers.into_bytes()),
        ("no-break spaces", text.replace("  ", "\u{a0}\u{a0}").into_bytes()),
        ("no line at the end", text.trim_end().as_bytes().to_vec()),
        ("HTML with entities", format!("<html><body><pre>{}</pre></body></html>\n", escaped(text)).into_bytes()),
        ("HTML of a forum", format!("<div class=\"bbcode\">\n<pre><code class=\"language-none\">{}</code></pre>\n</div>\n", escaped(text)).into_bytes()),
        ("HTML with breaks", format!("<p>{}</p>\n", escaped(text).replace('\n', "<br />\n").replace('\t', "&nbsp;&nbsp; ")).into_bytes()),
        ("HTML in one line", format!("<p>{}</p>\n", escaped(text).replace('\n', "<br>")).into_bytes()),
        ("quoted by a web page", each(&|line| format!("&gt; {}\n", escaped(line)))),
        ("BBCode", format!("[code]{text}[/code]\n").into_bytes()),
        ("BBCode with a language", format!("[CODE=text]\n{text}[/CODE]\n").into_bytes()),
        ("in a list", format!("- {}", text.replace('\n', "\n  ")).into_bytes()),
        ("quoted in a list", format!("- > {}", text.trim_end().replace('\n', "\n  > ")).into_bytes()),
        ("a list of lines", each(&|line| format!("* {line}\n"))),
        ("a patch", each(&|line| format!("+{line}\n"))),
        ("a table", each(&|line| format!("| {line} |\n"))),
        ("numbers of a pager", numbered(&|at, line| format!("{at:7} {line}\n"))),
        ("numbers of cat", numbered(&|at, line| format!("{at:6}\t{line}\n"))),
        ("numbers of grep", numbered(&|at, line| format!("{at}:{line}\n"))),
        ("numbers of a page", numbered(&|at, line| format!("{at}.\t{line}\n"))),
        ("file of grep", each(&|line| format!("lspci.txt:{line}\n"))),
        ("file and numbers of grep", numbered(&|at, line| format!("./logs/lspci-1.txt:{at}:{line}\n"))),
        ("journal", numbered(&|at, line| format!("Nov {:2} 12:00:{:02} host sh[4711]: {line}\n", 1 + at % 28, at % 60))),
        ("journal with ISO dates", numbered(&|at, line| format!("2026-11-28T12:00:{:02}+0100 host sh[4711]: {line}\n", at % 60))),
        ("stamps of a container", numbered(&|at, line| format!("2026-11-28T12:00:{:02}.{at:09}Z {line}\n", at % 60))),
        ("chat", each(&|line| format!("<somebody> {line}\n"))),
        ("colours without escape", each(&|line| format!("[01;32m{line}[0m[K\n"))),
        ("carets for escape", each(&|line| format!("^[[01;32m{line}^[[0m\n"))),
        ("no width", each(&|line| format!("\u{200b}{line}\u{200b}\n"))),
        ("narrow no-break spaces", text.replace(' ', "\u{202f}").into_bytes()),
        ("no-break spaces of Windows", text.bytes().flat_map(|byte| if byte == b' ' { vec![0xa0] } else { vec![byte] }).collect()),
        ("dashes", each(&|line| format!("{}\n", if line.contains('[') { line.into() } else { line.replace('-', "\u{2212}") }))),
        ("old Mac", text.replace('\n', "\r").into_bytes()),
        ("CR CR LF", text.replace('\n', "\r\r\n").into_bytes()),
        ("line separators", text.replace('\n', "\u{2028}").into_bytes()),
        ("quoted-printable", quoted_printable(text)),
        ("mail in quoted-printable", [&b"From: a@example.org\nContent-Transfer-Encoding: quoted-printable\n\n"[..], &quoted_printable(text)].concat()),
        ("a string", format!("\"{}\"\n", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t").replace('\n', "\\n")).into_bytes()),
        ("script", format!("Script started on 2026-11-28 12:00:00+01:00 [TERM=\"xterm\"]\n\x1b[?2004hroot@h:~# lspci -vvv\r\n\x1b[?2004l\r{}\x1b[?2004hroot@h:~# exit\nScript done\n", text.replace('\n', "\r\n")).into_bytes()),
        ("pager's lines", text.lines().enumerate().map(|(at, line)| if at % 23 == 22 { format!("lines 1-{at}/300 12%\n:\n{line}\n") } else { format!("{line}\n") }).collect::<String>().into_bytes()),
        ("a list of strings", format!("[{}]", text.lines().map(quoted).collect::<Vec<_>>().join(", ")).into_bytes()),
        ("a list of strings, a line each", format!("[\n{}\n]\n", text.lines().map(|line| format!("  {}", quoted(line))).collect::<Vec<_>>().join(",\n")).into_bytes()),
        ("an object", format!("{{\"command\": \"lspci\", \"lines\": [{}]}}\n", text.lines().map(quoted).collect::<Vec<_>>().join(",")).into_bytes()),
        ("an object with one string", format!("{{\"stdout\": {}, \"rc\": 0}}\n", quoted(text)).into_bytes()),
        ("journal in JSON", each(&|line| format!("{{\"__CURSOR\":\"s=1;i=2\",\"_HOSTNAME\":\"host\",\"MESSAGE\":{},\"PRIORITY\":\"6\"}}\n", quoted(line)))),
        ("empty lines", text.replace("\n\n", "\n\n\n\n").into_bytes()),
    ]
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\x1b', "\\u001b")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// RFC 2045 section 6.7, with lines of 76 characters.
fn quoted_printable(text: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    for line in text.lines() {
        let mut length = 0;
        for byte in line.bytes() {
            let character = match byte {
                b' ' | b'!'..=b'<' | b'>'..=b'~' => char::from(byte).to_string(),
                byte => format!("={byte:02X}"),
            };
            if length + character.len() > 75 {
                coded.extend(b"=\n");
                length = 0;
            }
            length += character.len();
            coded.extend(character.bytes());
        }
        coded.push(b'\n');
    }
    // The sign that it is.
    if !coded.windows(3).any(|sign| sign == b"=3D") {
        coded.extend(b"\nx=3D1\n");
    }
    coded
}

fn same_whatever_is_around(name: &str, text: &str) {
    let plain = machine(text.as_bytes());
    // A string of one line has one end of a line written out, as a path of Windows may have.
    let is_line = text.lines().count() == 1;
    for (around, text) in around(text).into_iter().filter(|(around, _)| !is_line || *around != "a string") {
        let mut collector = Collector::new();
        let read = collector.add("lspci.txt", text.clone()).and_then(|()| collector.finish());
        let got = read
            .unwrap_or_else(|error| panic!("{name}, {around}: {error}\n{}", String::from_utf8_lossy(&text)));
        assert_eq!(got.unread, plain.unread, "{name}, {around}");
        assert_eq!(got.devices, plain.devices, "{name}, {around}");
        // The lines of a log are kept as they are.
        let of = |kernel: &fwspec::machine::Kernel| {
            (kernel.groups.clone(), kernel.domains.clone(), kernel.release.clone())
        };
        assert_eq!(of(&got.kernel), of(&plain.kernel), "{name}, {around}");
        assert_eq!(got.evidence[0].kind, plain.evidence[0].kind, "{name}, {around}");
    }
}

#[test]
fn what_is_around_a_text_changes_nothing() {
    same_whatever_is_around("switch", SWITCH);
    for file in [
        "decoded-vvv.txt",
        "decoded-vvv-xxx.txt",
        "dump.txt",
        "intel-pch-default.txt",
        "gpu-powered-down.txt",
        "old-kernel-log.txt",
    ] {
        same_whatever_is_around(file, &String::from_utf8(field(&format!("pci/{file}"))).unwrap());
    }
    for line in [
        // A front needs lines to show in.
        "IOMMU Group 1:\n\t00:01.0 PCI bridge [0604]: A [8086:1901]\n",
        "/sys/kernel/iommu_groups/1/devices/0000:00:01.0\n",
    ] {
        same_whatever_is_around(line, line);
    }
    let Some(folder) = shared("corpus/lspci-vvv") else { return };
    let mut machines: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    machines.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("machine-"));
    machines.sort();
    for path in machines.iter().take(cases_of_three(1, machines.len(), machines.len())) {
        same_whatever_is_around(path.to_str().unwrap(), &fs::read_to_string(path).unwrap());
    }
}

/// `lspci -v` names capabilities, and says nothing of what is in them.
#[test]
fn acs_registers_that_a_listing_leaves_out_are_told() {
    let brief: String =
        SWITCH.lines().filter(|line| !line.contains("ACSC")).map(|line| format!("{line}\n")).collect();
    let note = machine(brief.as_bytes()).evidence[0].note.clone().unwrap();
    assert!(note.contains("it lacks the ACS registers of 2 of 7 functions"), "{note}");
    assert_eq!(machine(SWITCH.as_bytes()).evidence[0].note, None);
}

/// A document that speaks of functions is no listing of them.
#[test]
fn prose_is_not_a_listing() {
    let markdown = "# fwspec\n\n```\n0002:21:00.0  15b3:1013 Ethernet  0x2100  IORT+0x60\n000a:11:00.0 alone in its group\n```\n\nSee 00:1f.0 too.\n";
    let json = "{\n  \"devices\": [\n    \"0000:01:00.0\",\n    {\"bdf\": \"0000:01:00.1\", \"class\": \"0300\"}\n  ]\n}\n";
    let log =
        "2026-11-28 12:00:00 INFO probe 0000:01:00.0 done\n2026-11-28 12:00:01 INFO 0000:01:00.1 skipped\n";
    let table = "BDF\tgroup\n0000:01:00.0\t7\n0000:01:00.1\t7\n";
    for text in [markdown, json, log, table] {
        let error = Collector::new().add("notes", text.as_bytes().to_vec()).unwrap_err().to_string();
        let said = match text.starts_with('{') {
            true => "this is JSON, which fwspec prints and does not read",
            false => "neither a device tree (DTB), nor an ACPI table, nor a text that is read here",
        };
        assert!(error.contains(said), "{error}");
    }
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "tests/README.md"] {
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let kind = fwspec::machine::recognise(&bytes);
        assert!(!matches!(kind, Kind::LspciText | Kind::LspciVerbose), "{file} is {kind}");
    }
    // One that quotes a listing is read for it.
    let mail = format!("Hello,\n\nthis is 01:00.0 of mine:\n\n{SWITCH}");
    assert_eq!(machine(mail.as_bytes()).devices, machine(SWITCH.as_bytes()).devices);
}

/// Two calls in one paste, for one function and for all.
#[test]
fn two_listings_in_a_paste_are_one() {
    let names: String =
        SWITCH.lines().filter(|line| line.contains("]: ")).map(|line| format!("{line}\n")).collect();
    let paste = format!("$ lspci -nn\n{names}\n$ sudo lspci -vvv -nn\n{SWITCH}");
    assert_eq!(machine(paste.as_bytes()).devices, machine(SWITCH.as_bytes()).devices);
    let dump = String::from_utf8(field("pci/dump.txt")).unwrap();
    let names = "00:1c.0 PCI bridge [0604]: Example [8086:7ab8]\n01:00.0 Ethernet controller [0200]: Example card [8086:15f3]\n";
    for text in [format!("{names}\n{dump}"), format!("{dump}\n{names}")] {
        let got = machine(text.as_bytes());
        assert_eq!(all(&got), all(&machine(dump.as_bytes())));
    }
}

#[test]
fn a_hundred_equal_losses_are_one_sentence() {
    let mut text = String::from("00:1f.0 ISA bridge [0601]: Example [8086:0001]\n\n");
    for at in 0..100 {
        text += &format!("01:{:02x}.{} Ethernet controller: A\n00: 86 80 zz\n\n", at / 8, at % 8);
    }
    let machine = machine(text.as_bytes());
    assert_eq!(machine.devices.len(), 101);
    let told: Vec<String> = machine.unread.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("lspci.txt:4 (0000:01:00.0): ")
            && told[0].ends_with("(and 99 more like this one)"),
        "{told:?}"
    );
}

#[test]
fn a_better_source_wins_and_a_contradiction_is_told() {
    let words = "00:1c.0 PCI bridge [0604]: Example [8086:7ab8]\n\tStatus: Cap+\n\tBus: primary=00, secondary=02, subordinate=02\n\
                 \tCapabilities: [40] Express (v2) Downstream Port (Slot+), MSI 00\n\n";
    let bytes = String::from_utf8(field("pci/dump.txt")).unwrap();
    for pieces in [[words, &bytes], [&bytes, words]] {
        let mut collector = Collector::new();
        for piece in pieces {
            collector.add("piece.txt", piece.as_bytes().to_vec()).unwrap();
        }
        let machine = collector.finish().unwrap();
        let facts = machine.devices[0].facts();
        assert_eq!((facts.secondary(), facts.is(fwspec::pci::PortType::RootPort)), (Some(1), true));
        let notes: Vec<&str> =
            machine.evidence.iter().filter_map(|evidence| evidence.note.as_deref()).collect();
        assert!(
            notes.iter().any(|note| note
                .contains("differ: the buses below of 0000:00:1c.0, and 1 more such; the bytes are used")),
            "{notes:?}"
        );
    }
    // What the kernel decided in another boot is not mixed with this one's.
    let mut collector = Collector::new();
    collector.add("groups.txt", b"/sys/kernel/iommu_groups/5/devices/0000:00:1c.0\n".to_vec()).unwrap();
    collector.add("dmesg.txt", field("pci/old-kernel-log.txt")).unwrap();
    let machine = collector.finish().unwrap();
    assert_eq!(machine.kernel.groups.len(), 1);
    assert!(
        machine.evidence[1]
            .note
            .as_deref()
            .unwrap()
            .contains("0000:00:1c.0 in group 0, other evidence has it in 5")
    );
}

/// linux pci_quirk_intel_spt_pch_acs: the registers are dwords, of which lspci prints the wrong halves
#[test]
fn ports_of_the_100_series_are_taken_as_linux_sets_them() {
    for name in [
        "PCI bridge [0604]: Intel Corporation Port [8086:a118] (rev f1)",
        "PCI bridge: Intel Corporation 100 Series/C230 Series Chipset Family PCI Express Root Port #9 (rev f1)",
    ] {
        let text = format!(
            "00:1d.0 {name} (prog-if 00 [Normal decode])\n\tStatus: Cap+\n\tBus: primary=00, secondary=01, subordinate=01, sec-latency=0\n\
             \tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00\n\tCapabilities: [140 v1] Access Control Services\n\
             \t\tACSCap:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd- EgressCtrl- DirectTrans-\n\
             \t\tACSCtl:\tSrcValid- TransBlk- ReqRedir- CmpltRedir- UpstreamFwd- EgressCtrl- DirectTrans-\n\n\
             01:00.0 Non-Volatile memory controller [0108]: Example [144d:a804]\n\tCapabilities: [70] Express (v2) Endpoint, MSI 00\n"
        );
        assert_eq!(all(&machine(text.as_bytes())), "0000:00:1d.0 | 0000:01:00.0", "{name}");
    }
}

#[test]
fn names_get_their_ids_from_the_machines_database() {
    let text = b"00:01.0 PCI bridge: Example Inc. Port (rev 01)\n\tFlags: fast\n\tBus: primary=00, secondary=01, subordinate=01\n";
    let mut collector = Collector::new();
    collector.add("lspci.txt", text.to_vec()).unwrap();
    assert!(collector.lacks_ids());
    collector
        .add("pci.ids", b"#\n#\tList of PCI ID's\n#\n1af4  Example Inc.\n\t0001  Port\n".to_vec())
        .unwrap();
    assert!(!collector.lacks_ids());
    let machine = collector.finish().unwrap();
    let facts = machine.devices[0].facts();
    assert_eq!((facts.vendor, facts.device), (0x1af4, 1));
    assert_eq!((machine.evidence[1].kind, machine.evidence[0].note.as_deref()), (Kind::PciIds, None));
}

/// What a mail breaks at its 72nd column is one line.
#[test]
fn lines_that_a_mail_broke_are_joined() {
    let text = "> 00:1c.0 PCI bridge [0604]: Intel Corporation Some Chipset Family PCI\n> Express Root Port #1 [8086:7ab8] (rev 11) (prog-if 00\n> [Normal decode])\n\
                > \tStatus: Cap+\n> \tBus: primary=00, secondary=01, subordinate=01, sec-latency=0\n> \tCapabilities: [40] Express (v2) Root Port (Slot+), MSI\n> 00\n\
                > \tCapabilities: [220 v1] Access Control Services\n> \t\tACSCap:\tSrcValid+ TransBlk- ReqRedir+\n> CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n\
                > \t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+\n> CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n>\n> 01:00.0 Ethernet controller [0200]: Example [8086:15f3]\n\
                > \tCapabilities: [a0] Express (v2) Endpoint, MSI 00\n";
    let machine = machine(text.as_bytes());
    assert_eq!(machine.devices[0].facts().device, 0x7ab8);
    assert_eq!(all(&machine), "0000:00:1c.0 | 0000:01:00.0");
}

/// linux drivers/pci/probe.c `pci_scan_bridge_extend` numbers buses depth first: bridges that do not answer have those that no other bridge has. Their ACS
/// is not known, so that nothing below them counts as apart.
#[test]
fn powered_down_bridges_have_the_buses_that_nobody_else_has() {
    let text = "00:1d.0 PCI bridge [0604]: Port [8086:a118]\n\
                \tBus: primary=00, secondary=04, subordinate=3c, sec-latency=0\n\
                \tCapabilities: [40] Express (v2) Root Port (Slot+), IntMsgNum 0\n\
                \tCapabilities: [140 v1] Access Control Services\n\
                \t\tACSCap:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n\
                \t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n\n\
                04:00.0 PCI bridge [0604]: Switch [8086:15d3] (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\n\
                05:00.0 PCI bridge [0604]: Switch [8086:15d3] (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\n\
                05:01.0 PCI bridge [0604]: Switch [8086:15d3] (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\n\
                06:00.0 System peripheral [0880]: NHI [8086:15d2] (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\n\
                07:00.0 USB controller [0c03]: USB [8086:15d4] (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\n\
                40:00.0 USB controller [0c03]: Elsewhere [1b21:1142]\n\
                \tCapabilities: [80] Express (v2) Legacy Endpoint, IntMsgNum 0\n";
    let machine = machine(text.as_bytes());
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    assert_eq!(refused, []);
    let above = |bdf: &str| {
        let bridges = groups.topology().bridges(bdf.parse().unwrap());
        bridges.map(|(bridge, _)| bridge.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(above("06:00.0"), ["0000:05:00.0", "0000:04:00.0", "0000:00:1d.0"]);
    assert_eq!(above("07:00.0"), ["0000:05:01.0", "0000:04:00.0", "0000:00:1d.0"]);
    assert_eq!(above("40:00.0"), [""; 0]);
    let members: Vec<usize> = groups.groups().map(|group| group.members().count()).collect();
    assert_eq!(members, [1, 5, 1]);
    assert!(groups.groups().any(|group| group.assumed()));
    // One sentence for all of them, which names the first and its line.
    let note = machine.evidence[0].note.as_deref().unwrap();
    assert!(note.starts_with("0000:04:00.0 (line 8) and 4 more of 7 functions do not answer"), "{note}");
}
