//! Tables that a text spells out: `acpidump`, `iasl -d`, `hexdump -C`, `xxd`.

use std::fmt::Write;

use fwspec::acpi::iort::Builder;
use fwspec::machine::{Collector, Firmware, Kind, Machine, MachineError, Refused, TextErrorKind, recognise};

fn table(revision: u8) -> Vec<u8> {
    let mut table = Builder::new(revision);
    table.root_complex(0);
    table.named_component(r"\_SB_.DEV0");
    table.finish()
}

/// A table with this signature and body.
fn sdt(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(36 + body.len()).unwrap();
    let mut bytes = [&signature[..], &length.to_le_bytes(), &[1, 0], &[b'x'; 26], body].concat();
    bytes[9] = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)).wrapping_neg();
    bytes
}

/// A block as `acpidump` prints it.
pub(super) fn dump(title: &str, bytes: &[u8]) -> String {
    let mut text = format!("{title}\n");
    for (row, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02X}")).collect();
        let characters = line.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' });
        writeln!(text, "    {:04X}: {:<47}  {}", row * 16, hex.join(" "), characters.collect::<String>())
            .unwrap();
    }
    text + "\n"
}

fn open(text: &str) -> Result<Machine, MachineError> {
    let mut collector = Collector::new();
    collector.add("dump.txt", text.as_bytes().to_vec())?;
    collector.finish()
}

/// What is wrong with the first text error of a machine, or with what gives none.
fn first_error(text: &str) -> (TextErrorKind, u32) {
    match open(text) {
        Ok(machine) => (machine.unread[0].kind, machine.unread[0].line.unwrap().line),
        Err(MachineError::Text { error, .. }) => (error.kind, error.place.unwrap().line),
        Err(other) => panic!("{other}"),
    }
}

fn is_the_iort(machine: &Machine, revision: u8) {
    let firmware = machine.firmware.as_ref().unwrap();
    assert_eq!(firmware.iort().unwrap().revision(), revision);
    assert_eq!(firmware.table(fwspec::error::Source::IORT).unwrap(), table(revision));
}

#[test]
fn acpidump_text_holds_tables() {
    let text = [
        "# a comment line\n".to_string(),
        dump("IORT @ 0x00000000FEDC0000", &table(6)),
        dump("RSD PTR @ 0xf6cd0", b"RSD PTR \0BOCHS \0\0\0\0\0"),
        dump("MCFG @ (nil)", &sdt(b"MCFG", &[0; 24])),
    ]
    .concat();
    let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
    for text in [text.clone(), text.replace('\n', "\r\n"), text.trim_end().to_string(), quoted] {
        assert_eq!(recognise(text.as_bytes()), Kind::AcpidumpText);
        let machine = open(&text).unwrap();
        assert_eq!(machine.unread, []);
        is_the_iort(&machine, 6);
        assert_eq!(machine.firmware.unwrap().platform.buses.len(), 1);
    }
}

#[test]
fn characters_that_look_like_hexadecimal_are_no_bytes() {
    let table = table(6);
    let text: String = dump("IORT @ 0x0", &table)
        .lines()
        .map(|line| match line.rsplit_once("  ") {
            Some((bytes, _)) if bytes.contains(':') => format!("{bytes}  41 42 43\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    is_the_iort(&open(&text).unwrap(), 6);
}

#[test]
fn a_broken_block_costs_one_table() {
    let good = dump("MCFG @ 0x0", &sdt(b"MCFG", &[0; 40]));
    let gap: Vec<&str> =
        good.lines().enumerate().filter(|(row, _)| *row != 2).map(|(_, line)| line).collect();
    let line = good.replacen(": ", ":-", 1);
    let short: Vec<&str> = good.lines().take(4).collect();
    for (broken, wanted) in [
        (gap.join("\n") + "\n\n", (TextErrorKind::DumpGap { offset: 0x20, have: 0x10 }, 3)),
        (line, (TextErrorKind::DumpLine, 2)),
        (
            short.join("\n") + "\n\n",
            (TextErrorKind::Table(fwspec::ErrorKind::Truncated { need: 76, have: 48 }), 2),
        ),
    ] {
        let text = broken.clone() + &dump("IORT @ 0x0", &table(5));
        assert_eq!(first_error(&text), wanted);
        is_the_iort(&open(&text).unwrap(), 5);
        assert_eq!(first_error(&broken), wanted);
    }
}

/// The bytes as `hexdump -C` prints them, equal lines left out.
fn hexdump(bytes: &[u8]) -> String {
    let mut text = String::new();
    let rows: Vec<&[u8]> = bytes.chunks(16).collect();
    for (row, line) in rows.iter().enumerate() {
        if row > 0 && rows[row - 1] == *line && line.len() == 16 {
            if row == 1 || rows[row - 2] != *line {
                text.push_str("*\n");
            }
            continue;
        }
        let half = |half: &[u8]| half.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let (first, second) = line.split_at(line.len().min(8));
        writeln!(
            text,
            "{:08x}  {:<23}  {:<23}  |{}|",
            row * 16,
            half(first),
            half(second),
            ".".repeat(line.len())
        )
        .unwrap();
    }
    text + &format!("{:08x}\n", bytes.len())
}

fn xxd(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(16).enumerate() {
        let pairs: Vec<String> =
            line.chunks(2).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        writeln!(text, "{:08x}: {:<39}  {}", row * 16, pairs.join(" "), "ab cd".get(..5).unwrap()).unwrap();
    }
    text
}

#[test]
fn hexdumps_and_disassemblies_are_read_as_the_bytes() {
    let mut padded = Builder::new(6);
    padded.root_complex(0);
    padded.named_component(r"\_SB_.A_NAME_THAT_IS_LONG_ENOUGH_FOR_LINES");
    let table = table(6);
    let listing = format!(
        "/*\n * Intel ACPI Component Architecture\n * Disassembly of iort.bin\n */\n\n[000h 0000 004h]   Signature : \"IORT\"\n\nRaw Table Data: Length {} (0x80)\n\n{}",
        table.len(),
        dump("", &table)
            .trim_start_matches('\n')
            .lines()
            .map(|line| format!(
                "{}  // IORT\n",
                line.split("   ").find(|part| part.contains(':')).unwrap_or(line)
            ))
            .collect::<String>()
    );
    for text in [hexdump(&table), xxd(&table), listing] {
        let machine = open(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        is_the_iort(&machine, 6);
        assert!(Firmware::open("dump", text.into_bytes()).is_ok());
    }
    let zeros = sdt(b"MCFG", &[0; 8 + 16 * 20]);
    assert!(hexdump(&zeros).contains('*'));
    assert_eq!(open(&hexdump(&zeros)).unwrap().firmware.unwrap().platform.buses.len(), 20);
    let tree =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-samples/qemu-virt-dt/fdt.dtb")).unwrap();
    for text in [hexdump(&tree), xxd(&tree)] {
        assert!(open(&text).unwrap().firmware.unwrap().tree().is_some());
    }
}

/// `xxd -c COLUMNS -g GROUP`.
fn xxd_of(bytes: &[u8], columns: usize, group: usize) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(columns).enumerate() {
        let words: Vec<String> = line
            .chunks(group)
            .map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect();
        let shown: String = line
            .iter()
            .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        let width = columns * 2 + columns.div_ceil(group) - 1;
        writeln!(text, "{:08x}: {:width$}  {shown}", row * columns, words.join(" ")).unwrap();
    }
    text
}

#[test]
fn lines_of_any_length_are_read() {
    let table = table(5);
    for columns in [8, 12, 16, 20, 24, 32, 64, 256] {
        for group in [1, 2, 4] {
            is_the_iort(&open(&xxd_of(&table, columns, group)).unwrap(), 5);
        }
        let plain: String = table.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines = plain.as_bytes().chunks(columns * 2).map(|line| std::str::from_utf8(line).unwrap());
        is_the_iort(&open(&(lines.collect::<Vec<_>>().join("\n") + "\n")).unwrap(), 5);
    }
}

/// The bytes as `od -A x -t x1z` prints them, or `od -t x1` in octal offsets.
fn od(bytes: &[u8], octal: bool) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = match octal {
            true => writeln!(text, "{:07o} {}", row * 16, hex.join(" ")),
            false => writeln!(text, "{:06x} {:<47}  >{}<", row * 16, hex.join(" "), ".".repeat(line.len())),
        };
    }
    text + &if octal { format!("{:07o}\n", bytes.len()) } else { format!("{:06x}\n", bytes.len()) }
}

/// RFC 4648, in lines of so many characters.
pub(super) fn base64(bytes: &[u8], width: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = Vec::new();
    for three in bytes.chunks(3) {
        let value =
            three.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(value >> (18 - 6 * at) & 63) as usize];
            digits.push(if at <= three.len() { digit } else { b'=' });
        }
    }
    let lines = digits.chunks(width).map(|line| std::str::from_utf8(line).unwrap());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn bytes_that_a_text_spells_out_are_read() {
    let table = table(6);
    let hex: String = table.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> = hex.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let plain = lines.join("\n") + "\n";
    let mail = format!(
        "From: a@example.org\nContent-Type: application/octet-stream; name=iort.bin\nContent-Transfer-Encoding: base64\n\n{}\n--frontier--\n",
        base64(&table, 76)
    );
    for text in [
        od(&table, false),
        od(&table, true),
        base64(&table, 76),
        base64(&table, 64),
        base64(&table, 1 << 20),
        base64(&table, 76).replace('\n', "\r\n"),
        mail.clone(),
        mail.lines().map(|line| format!("> {line}\n")).collect(),
        plain.clone(),
        plain.to_uppercase(),
        hex,
    ] {
        let machine = open(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        is_the_iort(&machine, 6);
    }
    assert_eq!(recognise(plain.as_bytes()), Kind::Spelled);
    // A listing, too, and its places are those of its own lines.
    let listing = "00:1f.0 ISA bridge [0601]: Example [8086:0001]\n\tFlags: medium devsel\n";
    let machine = open(&base64(listing.as_bytes(), 76)).unwrap();
    assert_eq!((machine.devices.len(), machine.evidence[1].name.as_str()), (1, "dump.txt!line-1"));
    // Sums and keys are not evidence.
    for text in [
        "d41d8cd98f00b204e9800998ecf8427e\nd41d8cd98f00b204e9800998ecf8427e\n",
        "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUp4\n/w8qPz9eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5e\n",
    ] {
        assert_eq!(recognise(text.as_bytes()), Kind::Unknown, "{text}");
    }
    // One in another in another ends.
    let mut deep = base64(&table, 76);
    for _ in 0..9 {
        deep = base64(deep.as_bytes(), 76);
    }
    assert!(open(&deep).unwrap_err().to_string().contains("containers are nested"));
}

#[test]
fn what_is_recognised_and_not_read_says_what_to_type() {
    for (text, refused, typed) in [
        ("00000000: 54524f49 00000080 4f420103  IORT....\n", Refused::Turned, "leave out -e"),
        ("00000000: edfe0dd0 48000000 38000000  ....H...\n", Refused::Turned, "leave out -e"),
        ("0000000 4f49 5452 0080 0000 0301 4f42 4843\n0000020 2053\n", Refused::Words, "hexdump -C"),
        ("0000000 047511 052122 000200 000000\n0000020 020123\n", Refused::Words, "hexdump -C"),
        ("/dts-v1/;\n\n/ {\n\tmodel = \"x\";\n};\n", Refused::TreeSource, "dtc -I dts -O dtb"),
        ("[000h 0000 004h]   Signature : \"IORT\"\n", Refused::Disassembly, "acpidump"),
        ("Slot:\t00:1e.0\nClass:\t0604\n", Refused::LspciRecords, "lspci -nnvvv"),
        (
            "00:00.0 \"Host bridge\" \"Intel\" \"440FX\" -r02 \"\" \"\"\n",
            Refused::LspciMachine,
            "lspci -nnvvv",
        ),
        ("-[0000:00]-+-00.0\n           +-01.0\n", Refused::LspciTree, "lspci -nnvvv"),
        ("00:00.0 Host bridge: A\n00:1c.0/00.0 Network controller: B\n", Refused::LspciPath, "leave out -P"),
        (
            "00:00.0 Host bridge: A\n00:1c.0/02:00.0 Network controller: B\n",
            Refused::LspciPath,
            "leave out -P",
        ),
    ] {
        let error = open(text).unwrap_err();
        assert_eq!(error, MachineError::Refused { name: "dump.txt".into(), refused });
        assert!(error.to_string().contains(typed), "{error}");
    }
}

#[test]
fn a_table_that_went_through_utf8_is_said_to_have() {
    let mangled = String::from_utf8_lossy(&table(6)).into_owned().into_bytes();
    let mut table = table(6);
    // An address that is no UTF-8.
    table[24..28].copy_from_slice(&[0xff, 0xfe, 0x80, 0xc0]);
    for bytes in [String::from_utf8_lossy(&table).into_owned().into_bytes(), mangled] {
        let lost = bytes.windows(3).filter(|three| *three == [0xef, 0xbf, 0xbd]).count();
        let mut collector = Collector::new();
        let said = match collector.add("iort.bin", bytes) {
            Err(error) => error.to_string(),
            Ok(()) => collector.finish().unwrap().evidence[0].note.clone().unwrap_or_default(),
        };
        assert_eq!(lost > 0, said.contains("UTF-8"), "{said}");
    }
    assert!(String::from_utf8_lossy(&table).contains('\u{fffd}'));
}

#[test]
fn white_space_is_empty() {
    for text in ["", "\n", " \r\n\t\n"] {
        assert!(open(text).unwrap_err().to_string().contains("the file is empty"), "{text:?}");
    }
}
