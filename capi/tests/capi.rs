//! The C API from C: the header is that of the code, programs build against it and run clean, and no symbol gets lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use outside::installed;

#[path = "../../tests/it/support/outside.rs"]
mod outside;

/// The files of `src` with something of the header in them, in its order.
const HEADER_OF: [&str; 8] = ["types", "open", "lookup", "walk", "finding", "group", "member", "assign"];

/// What every program here must survive.
const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wsign-conversion"];

/// The folder of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn project() -> &'static Path {
    root().parent().unwrap()
}

fn sample(name: &str) -> PathBuf {
    project().join("firmware-samples").join(name)
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Runs a command to its end and returns what it printed; fails with what it said where it fails.
fn run<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let done = loop {
        match command.output() {
            // Another test's compiler was started while this program was being written, and holds it open until it is done.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            done => break done.unwrap(),
        }
    };
    let [out, err] = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{command:?}: {}\n{out}{err}", done.status);
    out
}

/// The static library, built once, by the command of the documentation. In the target folder of this very test: what the library
/// depends on is compiled already.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let done = Command::new(cargo)
            .args(["rustc", "--offline", "-p", "fwspec-capi", "--lib", "--crate-type", "staticlib"])
            .arg("--target-dir")
            .arg(target)
            .current_dir(project())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        target.join("debug/libfwspec_capi.a")
    })
}

/// Compiles a program against the header and the static library.
fn compile(compiler: &str, standard: &str, source: &str, flags: &[&str]) -> PathBuf {
    let source = project().join(source);
    let stem = source.file_stem().unwrap().to_str().unwrap();
    // Each a name of its own: a linker that writes a program anew would take it from another test that runs it.
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    let program = scratch(&format!("{stem}-{standard}-{}", COMPILED.fetch_add(1, Ordering::Relaxed)));
    let language = if standard.starts_with("c++") { "c++" } else { "c" };
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).args(["-g", "-x", language]).args(WARNINGS).args(flags);
    command.arg("-I").arg(root().join("include")).arg(source).args(["-x", "none"]).arg(library());
    let done = command.args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&program).output().unwrap();
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
    program
}

/// What the checking program is run on: a table, a tree, a listing, two tables one after the other, and the table and listing of an Intel
/// and of an AMD machine.
fn samples() -> [PathBuf; 8] {
    static JOINED: OnceLock<PathBuf> = OnceLock::new();
    let joined = JOINED.get_or_init(|| {
        let table = |name: &str| fs::read(sample("qemu-virtio-iommu").join(name)).unwrap();
        let joined = scratch("iort-then-viot.bin");
        fs::write(&joined, [table("iort.bin"), table("viot.bin")].concat()).unwrap();
        joined
    });
    let of_switch = |file: &str| sample("qemu-switch-bridge").join(file);
    let of = |machine: &str, file: &str| sample(machine).join(file);
    [
        of_switch("iort.bin"),
        of_switch("fdt.dtb"),
        of_switch("lspci.txt"),
        joined.clone(),
        of("qemu-intel-iommu", "dmar.bin"),
        of("qemu-intel-iommu", "lspci.txt"),
        of("qemu-amd-iommu", "ivrs.bin"),
        of("qemu-amd-iommu", "lspci.txt"),
    ]
}

/// Gives the constants that are unsigned in the code the suffix that makes them so in C, and the large ones digits that are read
/// easily.
fn unsigned(header: &str) -> String {
    let source = fs::read_to_string(header_source()).unwrap();
    let line = |line: &str| -> String {
        let constant = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' '));
        let Some((name, value)) = constant else { return line.to_string() };
        let is_a = |kind: &str| source.contains(&format!("pub const {name}: {kind} ="));
        let Ok(value) = value.trim_end_matches("ull").parse::<u64>() else { return line.to_string() };
        let suffix = match (is_a("u32") || is_a("usize"), is_a("u64")) {
            (true, _) => "u",
            (_, true) => "ull",
            _ => return line.to_string(),
        };
        if value > 0xffff {
            format!("#define {name} {value:#x}{suffix}")
        } else {
            format!("#define {name} {value}{suffix}")
        }
    };
    header.lines().map(line).flat_map(|line| [line, "\n".to_string()]).collect()
}

/// `src` as one file that cbindgen reads.
fn header_source() -> &'static Path {
    static SOURCE: OnceLock<PathBuf> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut one = String::new();
        for file in HEADER_OF {
            let text = fs::read_to_string(root().join(format!("src/{file}.rs"))).unwrap();
            one.extend(text.lines().filter(|line| !line.starts_with("//!")).flat_map(|line| [line, "\n"]));
        }
        let path = scratch("header.rs");
        fs::write(&path, one).unwrap();
        path
    })
}

#[test]
fn header_is_that_of_the_code() {
    let header = root().join("include/fwspec.h");
    let cbindgen = std::env::var("CBINDGEN").unwrap_or_else(|_| "cbindgen".into());
    if !installed(&cbindgen) {
        return;
    }
    let made = scratch("fwspec.h");
    let config = root().join("cbindgen.toml");
    let arguments = ["--config".as_ref(), config.as_os_str(), "--output".as_ref(), made.as_os_str()];
    run(cbindgen, arguments.into_iter().chain([header_source().as_os_str()]));
    let made = unsigned(&fs::read_to_string(made).unwrap());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&header, &made).unwrap();
    }
    let kept = fs::read_to_string(header).unwrap();
    assert_eq!(made, kept, "include/fwspec.h has drifted: BLESS=1 cargo test -p fwspec-capi header");
}

#[test]
fn every_function_and_constant_of_the_code_is_in_the_header() {
    let header = fs::read_to_string(root().join("include/fwspec.h")).unwrap();
    let source = fs::read_to_string(header_source()).unwrap();
    let names_behind = |marker: &str| -> Vec<String> {
        let behind = source.match_indices(marker).map(|(at, _)| source.get(at + marker.len()..).unwrap());
        behind.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
    };
    let (functions, constants) = (names_behind("extern \"C\" fn "), names_behind("pub const "));
    println!("{} functions, {} constants", functions.len(), constants.len());
    assert!(functions.len() >= 30 && constants.len() >= 60);
    for name in functions {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    for name in constants {
        let value = header.lines().find_map(|line| line.strip_prefix(&format!("#define {name} ")));
        let value = value.unwrap_or_else(|| panic!("{name} is not in the header"));
        let kind = [": c_int", ": u32", ": u64", ": usize"]
            .map(|kind| source.contains(&format!("const {name}{kind} =")));
        match kind {
            [true, ..] => assert!(!value.contains('u'), "{name} is a status, as functions return it: int"),
            [_, _, true, _] => assert!(value.ends_with("ull"), "{name} has 64 bits"),
            _ => assert!(value.ends_with('u') || value.contains("FWSPEC_"), "{name} is unsigned"),
        }
    }
}

#[test]
fn no_symbol_vanishes() {
    if !installed("nm") {
        return;
    }
    let listing = run("nm", ["--defined-only", "--extern-only", library().to_str().unwrap()]);
    let mut found: Vec<&str> = listing
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| name.starts_with("fwspec_"))
        .collect();
    found.sort_unstable();
    let found = found.join("\n") + "\n";
    let file = root().join("tests/capi.symbols");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &found).unwrap();
    }
    let promised = fs::read_to_string(file).unwrap();
    assert_eq!(
        promised, found,
        "programs are linked against these names: BLESS=1 where they are meant to change"
    );
}

#[test]
fn c_and_cpp_programs_build_without_warnings_and_get_the_right_answers() {
    for (compiler, standards) in [("cc", ["c99", "c11", "c17"].as_slice()), ("c++", ["c++17"].as_slice())] {
        if !installed(compiler) {
            continue;
        }
        for standard in standards {
            let program = compile(compiler, standard, "capi/tests/capi/check.c", &[]);
            let said = run(program, samples());
            println!("{standard}: {said}");
            assert!(said.ends_with("all right\n"), "{said}");
        }
    }
}

#[test]
fn memory_checkers_find_nothing() {
    if !installed("cc") {
        return;
    }
    if installed("valgrind") {
        let program = compile("cc", "c11", "capi/tests/capi/check.c", &[]);
        let flags = ["--quiet", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"];
        let arguments = flags.map(PathBuf::from).into_iter().chain(["--error-exitcode=9".into(), program]);
        run("valgrind", arguments.chain(samples()));
    }
    let sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = compile("cc", "c17", "capi/tests/capi/check.c", &sanitized);
    run(program, samples());
}

#[test]
fn the_example_prints_streams_and_groups() {
    if !installed("cc") {
        return;
    }
    let source = fs::read_to_string(project().join("examples/c/groups.c")).unwrap();
    assert!(source.lines().count() <= 40, "the example is said to have 40 lines");
    let program = compile("cc", "c11", "examples/c/groups.c", &[]);
    let [iort, _, lspci, ..] = samples();
    let said = run(program, [iort, lspci]);
    let expected = project().join("examples/c/groups.out");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(expected).unwrap());
}

/// The `cc` line of docs/reference.md makes a program, and that prints what stands below it.
#[test]
fn readme_tells_how_to_build_and_what_is_printed() {
    if !installed("cc") {
        return;
    }
    let readme = fs::read_to_string(project().join("docs/reference.md")).unwrap();
    let start = readme.find("$ cargo rustc -p fwspec-capi").expect("docs/reference.md builds the library");
    let block: Vec<&str> = readme.get(start..).unwrap().lines().take_while(|line| *line != "```").collect();
    let [build, compile, call, printed @ ..] = block.as_slice() else { panic!("{block:?}") };
    assert_eq!(*build, "$ cargo rustc -p fwspec-capi --profile capi --crate-type staticlib");
    // The profile is another one here, for an optimised build takes a minute.
    let [compile, call] = [compile, call].map(|line| line.strip_prefix("$ ").unwrap());
    assert_eq!(compile.matches("target/capi/libfwspec_capi.a").count(), 1, "{compile}");
    let compile = compile.replace("target/capi/libfwspec_capi.a", library().to_str().unwrap());
    let program = scratch("of-readme");
    let compile = compile.strip_suffix("-o groups").expect("it makes ./groups");
    let call = call.strip_prefix("./groups ").unwrap();
    let script = format!("{compile} -o {0} && {0} {call}", program.display());
    let done = Command::new("sh").args(["-c", &script]).current_dir(project()).output().unwrap();
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().collect::<Vec<_>>(), printed);
}
