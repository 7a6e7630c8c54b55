//! Recognising what a file holds, and reading it from disk, from a pipe, from `/sys`.

use crate::support::cases::cases_of_three;
use crate::support::outside::shared;

use std::fs;
use std::path::{Path, PathBuf};

use fwspec::Bdf;
use fwspec::machine::{self, Kind, recognise, sysfs};

/// An ACPI table with nothing behind its header.
fn table(signature: &[u8; 4]) -> Vec<u8> {
    let mut table = signature.to_vec();
    table.extend(36_u32.to_le_bytes());
    table.extend([3, 0]);
    table.extend(b"EXAMPLFIRMWARE\0");
    table.resize(36, 0);
    table
}

#[test]
fn a_table_alone_and_tables_in_a_row_are_told_apart() {
    assert_eq!(recognise(&table(b"IORT")), Kind::AcpiTable(*b"IORT"));
    assert_eq!(recognise(&table(b"DSDT")), Kind::AcpiTable(*b"DSDT"));
    assert_eq!(recognise(&[table(b"DSDT"), table(b"IORT")].concat()), Kind::AcpiTables(*b"DSDT"));
}

#[test]
fn bytes_behind_a_table_that_are_no_table_change_nothing() {
    assert_eq!(recognise(&[table(b"IORT"), vec![0; 100]].concat()), Kind::AcpiTable(*b"IORT"));
}

#[test]
fn a_table_that_is_read_here_is_recognised_however_damaged() {
    for length in 4..36 {
        assert_eq!(recognise(&table(b"IORT")[..length]), Kind::AcpiTable(*b"IORT"), "cut at {length}");
    }
    let mut endless = table(b"MCFG");
    endless[4..8].fill(0xff);
    assert_eq!(recognise(&endless), Kind::AcpiTable(*b"MCFG"));
}

#[test]
fn acpidump_text_is_recognised_behind_a_preamble_too() {
    let dump = b"DSDT @ 0x0000000000000000\n    0000: 44 53 44 54 24 00 00 00 DSDT$...\n";
    assert_eq!(recognise(dump), Kind::AcpidumpText);
    assert_eq!(recognise(&[b"$ acpidump\n\n", &dump[..]].concat()), Kind::AcpidumpText);
}

#[test]
fn lspci_text_is_recognised_behind_a_preamble_too() {
    assert_eq!(recognise(b"# lspci -xxxx\r\n000a:10:00.0 PCI bridge\r\n"), Kind::LspciText);
}

#[test]
fn what_is_none_of_these_is_unknown() {
    assert_eq!(recognise(b""), Kind::Empty);
    for bytes in [
        &b"\0"[..],
        b"\xd0\x0d\xfe",
        b"README of 3 files, all of them short, none of them a table",
        &[0xff; 64],
    ] {
        assert_eq!(recognise(bytes), Kind::Unknown, "{}", bytes.escape_ascii());
    }
}

#[test]
fn every_captured_file_is_recognised() {
    let Some(runs) = shared("linux-truth/runs") else { return };
    let mut files = 0;
    // Of which an ordinary run takes each fifth.
    for run in fs::read_dir(runs).unwrap().step_by(cases_of_three(5, 1, 1)) {
        for file in fs::read_dir(run.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let expected = match name {
                "fdt.dtb" => Kind::DeviceTree,
                "lspci.txt" => Kind::LspciText,
                // Those of machines without an IOMMU say nothing of groups.
                "dmesg-excerpt.txt" | "kernel-version.txt" | "failure.txt" => {
                    let kind = recognise(&fs::read(&path).unwrap());
                    assert!(matches!(kind, Kind::KernelLog | Kind::Unknown), "{kind:?} {}", path.display());
                    kind
                }
                _ => match name.strip_suffix(".bin") {
                    Some(signature) => Kind::AcpiTable(signature.as_bytes().try_into().unwrap()),
                    None => Kind::Unknown,
                },
            };
            assert_eq!(recognise(&fs::read(&path).unwrap()), expected, "{}", path.display());
            files += 1;
        }
    }
    println!("{files} files");
    assert!(files > 0);
}

/// A folder that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fwspec-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_4_gib_is_refused_without_reading_it() {
    let scratch = Scratch::new("large");
    let path = scratch.0.join("large");
    fs::File::create(&path).unwrap().set_len(1 << 32).unwrap();
    let error = machine::read(&path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert!(error.to_string().contains("4 GiB"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_system() {
    assert_eq!(machine::read("no/such/file").unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

/// Makes the folder of a function, with its config space, and the link to it that the kernel makes.
#[cfg(unix)]
fn plug(sys: &Path, home: &str, config: &[u8]) {
    let folder = sys.join("devices").join(home);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config"), config).unwrap();
    let list = sys.join("bus/pci/devices");
    fs::create_dir_all(&list).unwrap();
    let link = list.join(folder.file_name().unwrap());
    std::os::unix::fs::symlink(format!("../../../devices/{home}"), link).unwrap();
}

#[cfg(unix)]
#[test]
fn functions_of_a_running_system_come_with_their_links() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new("sysfs");
    let sys = scratch.0.as_path();
    let (port, nic, vf) = ("0000:00:01.0", "0000:01:00.0", "0000:01:10.0");
    plug(sys, &format!("pci0000:00/{port}/{vf}"), &[0xff; 4096]);
    plug(sys, &format!("pci0000:00/{port}/{nic}"), &[0x11; 4096]);
    plug(sys, &format!("pci0000:00/{port}"), &[0x22; 64]);
    let vf_folder = sys.join(format!("devices/pci0000:00/{port}/{vf}"));
    symlink(format!("../{nic}"), vf_folder.join("physfn")).unwrap();
    symlink("../../../../kernel/iommu_groups/7", vf_folder.join("iommu_group")).unwrap();

    let found = sysfs::functions(sys).unwrap();
    assert!(found.skipped.is_empty());
    let bdf = |text: &str| text.parse::<Bdf>().unwrap();
    let shown: Vec<_> = found
        .functions
        .iter()
        .map(|f| (f.config.bdf, f.config.bytes.len(), f.parent, f.physical, f.iommu_group))
        .collect();
    assert_eq!(
        shown,
        [
            (bdf(port), 64, None, None, None),
            (bdf(nic), 4096, Some(bdf(port)), None, None),
            (bdf(vf), 4096, Some(bdf(port)), Some(bdf(nic)), Some(7)),
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_function_without_config_space_is_skipped_and_named() {
    let scratch = Scratch::new("sysfs-empty");
    plug(&scratch.0, "pci0000:00/0000:00:01.0", &[]);
    plug(&scratch.0, "pci0000:00/0000:00:02.0", &[0; 64]);
    fs::remove_file(scratch.0.join("devices/pci0000:00/0000:00:01.0/config")).unwrap();
    let found = sysfs::functions(&scratch.0).unwrap();
    assert_eq!(found.functions.len(), 1);
    assert!(found.skipped[0].0.ends_with("0000:00:01.0"));
}

#[test]
fn the_iort_is_preferred_to_the_stub_of_a_device_tree() {
    let scratch = Scratch::new("firmware");
    assert_eq!(sysfs::firmware(&scratch.0), None);
    fs::create_dir_all(scratch.0.join("firmware/acpi/tables")).unwrap();
    fs::write(scratch.0.join("firmware/fdt"), b"").unwrap();
    assert_eq!(sysfs::firmware(&scratch.0), Some(scratch.0.join("firmware/fdt")));
    fs::write(scratch.0.join("firmware/acpi/tables/IORT"), b"").unwrap();
    assert_eq!(sysfs::firmware(&scratch.0), Some(scratch.0.join("firmware/acpi/tables/IORT")));
}
