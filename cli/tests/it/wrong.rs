//! Wrong inputs: each is told what was found, and what to do. One snapshot has them all.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-samples").join(name)).unwrap()
}

/// A table of this name and body, whose bytes add up to 0.
fn table(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(36 + body.len()).unwrap();
    let mut bytes = name.to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend([2, 0]);
    bytes.extend(b"OEMID OEMTABLE");
    bytes.extend([1, 0, 0, 0, b'I', b'N', b'T', b'L', 1, 0, 0, 0]);
    bytes.extend(body);
    bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// A folder with what people name by mistake.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("fwspec-wrong-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("emptydir")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    let iort = sample("d05-2020/iort.bin");
    put("iort.bin", &iort);
    put("lspci.txt", &sample("d05-2020/lspci.txt"));
    put("board.dtb", &sample("qemu-virt-dt/fdt.dtb"));
    put("empty.bin", b"");
    put("screenshot.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    put("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0");
    put("manual.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n");
    // What `gzip -n < /dev/null` writes.
    put("nothing.gz", &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    put("broken.gz", &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff]);
    put("tool.elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put("bootaa64.efi", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0");
    put("tools.zip", b"PK\x03\x04\x14\0\0\0\x08\0");
    put("page.html", b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n");
    put("data.xml", b"<?xml version=\"1.0\"?>\n<devices/>\n");
    put("broken.json", b"{\"devices\": [");
    put("list.json", b"[{\"slot\": \"0000:00:1f.0\"}]\n");
    put("utf16.txt", b"\xff\xfeI\0O\0R\0T\0");
    put("words.txt", b"hello world\n");
    put("zeros.bin", &[0; 4096]);
    put("erased.bin", &[0xff; 4096]);
    put("short.bin", &iort[..48]);
    put("header.bin", &iort[..20]);
    put("dsdt.aml", &table(b"DSDT", b"\x10\x05_SB_"));
    put("fadt.bin", &table(b"FACP", &[0; 100]));
    put("tables.bin", &[table(b"FACP", &[0; 100]), b"tail".to_vec()].concat());
    let mut wrong = iort.clone();
    wrong[9] ^= 0x55;
    put("checksum.bin", &wrong);
    let mut tree = sample("qemu-virt-dt/fdt.dtb");
    tree.truncate(100);
    put("cut.dtb", &tree);
    put("board.dts", b"/dts-v1/;\n/ { compatible = \"x\"; };\n");
    put("dsdt.asl", b"DefinitionBlock (\"\", \"DSDT\", 2, \"A\", \"B\", 1)\n{\n}\n");
    put("dmesg.txt", b"[    0.000000] Linux version 6.1.0\n");
    put("lspci-t.txt", b"-[0000:00]-+-00.0  Intel\n           \\-01.0\n");
    put("lspci-P.txt", b"00:00.0 Host bridge: Intel\n00:01.0/00.0 VGA: X\n");
    put("lspci-vmm.txt", b"Slot:\t00:00.0\nClass:\tHost bridge\nVendor:\tIntel\n");
    put("lspci-mm.txt", b"00:00.0 \"Host bridge\" \"Intel\" \"Device\"\n");
    put("words.hex", b"0000000 4f49 5452 0080 0000\n0000010 0000 0000 0000 0000\n");
    symlink("loop", folder.join("loop")).unwrap();
    symlink("gone", folder.join("dangling")).unwrap();
    fs::File::create(folder.join("huge.bin")).unwrap().set_len(5 << 30).unwrap();
    folder
}

/// As a shell would have it; `'\_SB_.X'` is quoted there.
const WRONG: &str = r"
show missing.bin
show iort.bni
groups ./lspic.txt
show empty.bin
show nothing.gz
show broken.gz
show emptydir
lint emptydir
groups emptydir
show iort.bin/x
show screenshot.png
show photo.jpg
show manual.pdf
show tool.elf
show bootaa64.efi
show tools.zip
show page.html
show data.xml
show broken.json
show list.json
show utf16.txt
show words.txt
show zeros.bin
show erased.bin
show short.bin
show header.bin
show cut.dtb
show dsdt.aml
show fadt.bin
show tables.bin
lint checksum.bin
show board.dts
show dsdt.asl
show dmesg.txt
groups dmesg.txt
explain dmesg.txt
show loop
show dangling
show huge.bin
show /dev/null
show /dev/zero
lookup /dev/zero 01:00.0
groups lspci-t.txt
groups lspci-P.txt
groups lspci-vmm.txt
groups lspci-mm.txt
show words.hex
groups --pci iort.bin --firmware lspci.txt
groups --pci words.txt
show iort.bin --pci lspci.txt
lookup iort.bin board.dtb 00:00.0
lookup iort.bin
lookup iort.bin .9
lookup iort.bin 20.0
lookup iort.bin 0:1f.9
lookup iort.bin 0000:00:20.0
lookup iort.bin 123:00.0
lookup iort.bin 0000-00-1f.2
lookup iort.bin 123456789:00:00.0
lookup iort.bin 0x0000:01:00.0
lookup iort.bin 0000:0x01:00.0
lookup iort.bin 0000.01.00.0
lookup iort.bin 01:00
lookup iort.bin 01:00.0,
lookup iort.bin 01:00.0,02:00.0
lookup iort.bin SID:0x100
lookup iort.bin sid:0x1ffffffff
lookup iort.bin did:0x1ffffffff
lookup iort.bin rid:65536
lookup iort.bin 0x108
lookup iort.bin _SB_.SAS1
lookup iort.bin SAS9
lookup iort.bin rid:0x1ffffffff
lookup iort.bin sid:
lookup iort.bin did:west
lookup iort.bin rid:0x100
lookup board.dtb /pcie@10000000
explain iort4
explain IORT999
lokup iort.bin
shwo iort.bin
frobnicate
lookup --dialect linux --dialect spec iort.bin 00:00.0
lookup --dialect lunix iort.bin 00:00.0
groups --policy loose iort.bin lspci.txt
groups --sid-bits 40 iort.bin lspci.txt
groups --what-if acs=zz iort.bin lspci.txt
groups --what-if acs=00:1f.7:on iort.bin lspci.txt
groups --why zz iort.bin lspci.txt
groups --why 0000:00:1f.7 iort.bin lspci.txt
simulate --algorithm fast iort.bin lspci.txt
simulate --order missing.txt iort.bin lspci.txt
simulate --order words.txt iort.bin lspci.txt
diff iort.bin
diff iort.bin iort.bin iort.bin
diff iort.bin lspci.txt
watch --replay words.txt
lint --waivers words.txt iort.bin
explain IORT0004
explain IORT9999
lint --allow IORT999 iort.bin
lint --fix iort.bin iort.bin
show --json --svg iort.bin
schema nonsense
completions tcsh
man nonsense
check --root iort.bin
check --root emptydir
audit words.txt
words.txt
missing.bin
";

#[test]
fn each_wrong_input_is_told_what_it_is_and_what_to_do() {
    let folder = folder();
    let mut said = String::new();
    let mut seen = 0;
    for line in WRONG.lines().filter(|line| !line.is_empty()) {
        let output = Command::new(env!("CARGO_BIN_EXE_fwspec"))
            .args(line.split(' '))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        writeln!(said, "$ fwspec {line}").unwrap();
        // What an answer says besides is held elsewhere.
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            let lines: Vec<&str> = text.lines().collect();
            lines.iter().take(6).for_each(|line| writeln!(said, "{}", line.trim_end()).unwrap());
        }
        writeln!(said, "[exit {}]\n", output.status.code().unwrap()).unwrap();
        seen += 1;
    }
    fs::remove_dir_all(&folder).unwrap();
    assert!(seen >= 70, "{seen} wrong inputs");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/wrong-inputs.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &said).unwrap();
    }
    let wanted = fs::read_to_string(&file).unwrap_or_default();
    for (line, (said, wanted)) in said.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(said, wanted, "line {} of wrong-inputs.txt; if it is meant to change, BLESS=1", line + 1);
    }
    assert_eq!(said.lines().count(), wanted.lines().count(), "wrong-inputs.txt; BLESS=1");
}

/// A file that only another user may read. Root may read every file, so as root the test runs the command as the user `nobody`.
#[test]
fn a_file_that_may_not_be_read_says_so() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let file = std::env::temp_dir().join(format!("fwspec-secret-{}.bin", std::process::id()));
    fs::write(&file, sample("d05-2020/iort.bin")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let run = |as_nobody: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fwspec"));
        command.args(["show".as_ref(), file.as_os_str()]);
        if as_nobody {
            command.uid(65534).gid(65534);
        }
        command.output()
    };
    let output = run(fs::read(&file).is_ok());
    fs::remove_file(&file).unwrap();
    let Ok(output) = output else {
        println!("skipped: the user nobody may not run the command where it was built");
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("permission denied: run fwspec as root"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}
