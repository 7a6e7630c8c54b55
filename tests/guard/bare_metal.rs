//! The bare-metal examples answer rightly, without std, and the one without an allocator has none.

use std::path::PathBuf;
use std::process::Command;

use crate::cases::cases_of_three;
use crate::outside::{installed, run, skip};
use crate::program::{built, cargo, package, root, scratch};

/// What the compiler may call on its own, and every platform brings.
const COMPILERS_OWN: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// The static library of an example, built for this machine; nothing where this is not a checkout.
fn library(example: &str) -> Option<PathBuf> {
    let package = package(&format!("examples/bare-metal/{example}"))?;
    run(&mut cargo(&package, "build"));
    Some(built(&format!("libfwspec_bare_metal_{example}.a")))
}

/// What a C program says that calls the example.
fn called(example: &str, program: &str) -> Option<String> {
    let library = library(example)?;
    let source = scratch().join(format!("{example}.c"));
    let binary = source.with_extension("");
    std::fs::write(&source, program).unwrap();
    run(Command::new("cc").arg(&source).arg(library).arg("-Wl,--gc-sections").arg("-o").arg(&binary));
    Some(run(&mut Command::new(binary)))
}

#[test]
fn lookup_answers_from_the_table_in_its_static() {
    if !installed("cc") {
        return;
    }
    let program = "#include <stdio.h>\nlong long stream_of(unsigned short);\n\
        int main(void) { printf(\"%lld %lld\", stream_of(0x108), stream_of(0xff00)); }";
    let Some(said) = called("lookup", program) else { return };
    assert_eq!(said, "264 -1");
}

#[test]
fn lookup_has_no_allocator_and_nothing_of_std() {
    if !installed("ld") || !installed("nm") {
        return;
    }
    let Some(library) = library("lookup") else { return };
    let linked = scratch().join("lookup.elf");
    let mut link = Command::new("ld");
    link.args([
        "--gc-sections",
        "-e",
        "stream_of",
        "-u",
        "stream_of",
        "--unresolved-symbols=ignore-all",
        "-o",
    ]);
    run(link.arg(&linked).arg(&library));
    let size = run(Command::new("size").arg(&linked));
    println!("the look-up, linked:\n{size}");
    let bytes: u32 = size.lines().nth(1).unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!((1..32 * 1024).contains(&bytes), "{size}");
    let symbols = run(Command::new("nm").arg(&linked));
    assert!(symbols.contains(" T stream_of"), "{symbols}");
    for wanted in symbols.lines().filter_map(|line| line.trim_start().strip_prefix("U ")) {
        assert!(COMPILERS_OWN.contains(&wanted), "{wanted} is called, and nobody has it");
    }
    for stranger in ["alloc", "_ZN3std", "_ZN5alloc", "Cs_3std", "_3std"] {
        assert!(!symbols.contains(stranger), "{stranger} in {symbols}");
    }
}

#[test]
fn groups_are_assigned_at_bus_add() {
    if !installed("cc") {
        return;
    }
    // The tier with a heap, optimized for size: a minute of the processor.
    if cases_of_three(true, false, false) {
        skip("built where FWSPEC_CASES=more, as .ci/run has it");
        return;
    }
    let program = "#include <stdio.h>\nint groups_after_boot(void);\nint main(void) { printf(\"%d\", groups_after_boot()); }";
    let Some(said) = called("groups", program) else { return };
    // The isolating port, the two functions below it, and the other port with what is below it.
    assert_eq!(said, "3");
}

#[test]
fn a_table_behind_a_pointer_is_checked() {
    if !installed("cc") || !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return;
    }
    let sample = root().join("firmware-samples/qemu-virt-acpi/iort.bin");
    let convention = if cfg!(target_arch = "x86_64") { "__attribute__((ms_abi))" } else { "" };
    let program = format!(
        "#include <stdio.h>\n{convention} unsigned long stream_of(const void *, unsigned long, unsigned short, unsigned *);\n\
        static unsigned char table[65536];\n\
        int main(void) {{ unsigned id = 7; FILE *f = fopen(\"{}\", \"rb\"); unsigned long n = fread(table, 1, sizeof table, f);\n\
        printf(\"%lx \", stream_of(table, n, 0x108, &id)); printf(\"%x \", id);\n\
        printf(\"%lx \", stream_of(table, n - 1, 0x108, &id)); printf(\"%lx \", stream_of(0, n, 0x108, &id));\n\
        table[40] ^= 1; printf(\"%lx\", stream_of(table, n, 0x108, &id)); }}",
        sample.display()
    );
    let Some(said) = called("uefi", &program) else { return };
    assert_eq!(said, "0 108 800000000000001b 8000000000000002 800000000000001b");
}
