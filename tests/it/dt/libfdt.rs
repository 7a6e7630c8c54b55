//! What we take and refuse against libfdt: the trees of its own tests, and trees with damage.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fwspec::dt::Tree;

use crate::support::outside::skip;
use crate::support::referees::walk_entry;

/// libfdt, and the trees of its tests, from the source tree of dtc that `FWSPEC_DTC` names. That in Linux, `scripts/dtc`, has no tests.
struct Libfdt {
    judge: PathBuf,
    trees: Vec<PathBuf>,
}

impl Libfdt {
    fn compiled_for(test: &str) -> Option<Self> {
        let Some(source) = std::env::var_os("FWSPEC_DTC") else {
            skip(format_args!("FWSPEC_DTC names no source tree of dtc"));
            return None;
        };
        let source = PathBuf::from(source);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libfdt-{test}-{}", std::process::id()));
        fs::create_dir_all(folder.join("trees")).unwrap();
        let compile = |to: &str, files: &[PathBuf]| {
            let mut compiler = Command::new("cc");
            compiler.args(["-w", "-O1", "-g", "-o"]).arg(folder.join(to)).args(files);
            let library = ["fdt.c", "fdt_ro.c", "fdt_check.c"].map(|file| source.join("libfdt").join(file));
            let (there, absent): (Vec<_>, Vec<_>) = library.into_iter().partition(|file| file.exists());
            compiler.args(there).args(absent.first().map(|_| "-DWITHOUT_CHECK"));
            compiler.arg("-fsanitize=address,undefined");
            compiler.arg("-I").arg(source.join("libfdt")).arg("-I").arg(source.join("tests"));
            let output = compiler.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            folder.join(to)
        };
        let judge = compile("judge", &[Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libfdt/judge.c")]);
        let tests = source.join("tests");
        if tests.is_dir() {
            let dump = compile("dumptrees", &[tests.join("dumptrees.c"), tests.join("trees.S")]);
            let dumped = Command::new(dump).arg(folder.join("trees")).output().unwrap();
            assert!(dumped.status.success());
        }
        let trees = fs::read_dir(folder.join("trees")).unwrap().map(|entry| entry.unwrap().path());
        let mut trees: Vec<PathBuf> = trees.collect();
        trees.sort();
        Some(Libfdt { judge, trees })
    }

    /// For each blob the walk where libfdt takes it, or its error number.
    fn judge(&self, blobs: &[Vec<u8>]) -> Vec<Result<Vec<u8>, u8>> {
        let mut program = Command::new(&self.judge);
        let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = program.stdin.take().unwrap();
        let input: Vec<u8> = blobs
            .iter()
            .flat_map(|blob| {
                u32::try_from(blob.len()).unwrap().to_be_bytes().into_iter().chain(blob.iter().copied())
            })
            .collect();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let output = program.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut rest = &output.stdout[..];
        let mut take = |length: usize| {
            let (front, behind) = rest.split_at(length);
            rest = behind;
            front.to_vec()
        };
        let verdict = |_: &Vec<u8>| match take(2)[..] {
            [0, error] => Err(error),
            _ => {
                let length = take(4);
                Ok(take(u32::from_be_bytes(length.try_into().unwrap()) as usize))
            }
        };
        blobs.iter().map(verdict).collect()
    }
}

impl Drop for Libfdt {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.judge.parent().unwrap());
    }
}

/// The walk where we take a tree; else what we have against it.
fn ours(blob: &[u8]) -> Result<Vec<u8>, String> {
    let word =
        |kind: &fwspec::ErrorKind| format!("{kind:?}").split(['(', ' ', '{']).next().unwrap().to_string();
    let tree = Tree::parse(blob).map_err(|error| word(&error.kind))?;
    if let Some(error) = tree.boot_refusal() {
        return Err(format!("{:?}", error.kind));
    }
    for token in tree.tokens() {
        token.map_err(|error| word(&error.kind))?;
    }
    let mut walk = Vec::new();
    let mut nodes = tree.nodes();
    while let Some(node) = nodes.next() {
        let node = node.map_err(|error| word(&error.kind))?;
        walk_entry(&mut walk, b'N', node.name(), nodes.depth() as usize, b"");
        for property in node.properties() {
            let property = property.map_err(|error| word(&error.kind))?;
            let Some(name) = property.name() else { return Err("PropertyName".into()) };
            walk_entry(&mut walk, b'P', name, property.value().len(), property.value());
        }
    }
    Ok(walk)
}

/// What of a tree that we take is not as it should be, and does not matter to who reads its nodes.
fn oddity(blob: &[u8]) -> &'static str {
    let word = |at: usize| blob.get(at..at + 4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
    let tree = Tree::parse(blob).unwrap();
    let total = word(4).unwrap() as usize;
    let reservations = word(16).unwrap() as usize;
    let mut ends = (reservations..).step_by(16).map(|at| blob.get(at..at + 16).filter(|_| at + 16 <= total));
    let ended = ends.find_map(|entry| match entry {
        None => Some(false),
        Some(entry) => entry[8..].iter().all(|byte| *byte == 0).then_some(true),
    });
    if ended == Some(false) {
        return "reservations without an end";
    }
    match tree.nodes().next() {
        Some(Ok(root)) if !root.name().is_empty() => "a root with a name",
        _ => "",
    }
}

/// Why we and libfdt may differ about a tree, by what we have against it (where we take it, what is odd about it) and by libfdt's error number (0 where
/// libfdt takes it).
const EXPLAINED: &[(&str, u8, &str)] = &[
    (
        "reservations without an end",
        8,
        "libfdt counts the memory reservations; Linux reads them one by one until one cannot be read, and nothing here reads them.",
    ),
    (
        "TreeEnd",
        0,
        "libfdt takes a structure block of nothing but its end; there is no root then, of which Linux (unflatten_dt_nodes) would make a tree.",
    ),
    (
        "a root with a name",
        11,
        "libfdt refuses a root whose name is not empty; Linux (unflatten_dt_nodes) calls it the root whatever its name.",
    ),
];

fn explained(ours: &str, theirs: u8) -> Option<&'static str> {
    EXPLAINED.iter().find(|(kind, number, _)| *kind == ours && *number == theirs).map(|(.., why)| *why)
}

/// How many trees there are of each kind of difference.
type Differences = BTreeMap<(String, u8), (usize, Vec<u8>)>;

fn compare(libfdt: &Libfdt, blobs: &[Vec<u8>], differences: &mut Differences) -> [usize; 2] {
    let (mut taken, mut refused) = (0, 0);
    for (blob, theirs) in blobs.iter().zip(libfdt.judge(blobs)) {
        let class = match (ours(blob), theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {
                taken += 1;
                continue;
            }
            (Err(_), Err(_)) => {
                refused += 1;
                continue;
            }
            (Ok(_), Ok(_)) => ("another walk".to_string(), 0),
            (Ok(_), Err(number)) => (oddity(blob).to_string(), number),
            (Err(why), Ok(_)) => (why, 0),
        };
        differences.entry(class).or_insert_with(|| (0, blob.clone())).0 += 1;
    }
    [taken, refused]
}

/// A blob with one to three words or bytes that are not what they were, or cut short.
fn mutant(seed: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    const WORDS: [u32; 12] =
        [0, 1, 2, 3, 4, 9, 0x10, 0x11, 0x7fff_ffff, 0xffff_ffff, 0xffff_fff0, 0xd00d_feed];
    let mut blob = seed.to_vec();
    for _ in 0..=random(3) {
        // The header and the structure block have more to say than the strings.
        let end = if random(2) == 0 { 40.min(blob.len()) } else { blob.len() };
        match random(5) {
            0 => blob[random(end)] ^= 1 << random(8),
            1 => blob[random(end)] = [0, 1, 0xff, b'@', b'/'][random(5)],
            2 | 3 => {
                let at = random(end / 4) * 4;
                blob[at..at + 4].copy_from_slice(&WORDS[random(WORDS.len())].to_be_bytes());
            }
            _ if random(4) == 0 => blob.truncate(1.max(random(blob.len()))),
            _ => {
                let at = random(end / 4) * 4;
                let word = u32::from_be_bytes(blob[at..at + 4].try_into().unwrap());
                let near = word.wrapping_add([1, 3, 4, 8, u32::MAX, u32::MAX - 3][random(6)]);
                blob[at..at + 4].copy_from_slice(&near.to_be_bytes());
            }
        }
        if blob.len() < 8 {
            break;
        }
    }
    blob
}

fn told(differences: &Differences) {
    let mut unexplained = Vec::new();
    for ((ours, theirs), (count, example)) in differences {
        let whose = format!("ours {ours:?}, libfdt {theirs}: {count}");
        match explained(ours, *theirs) {
            Some(why) => println!("{whose}: {why}"),
            None => {
                let hex: String = example.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
                unexplained.push(format!("{whose}, {} bytes: {hex}", example.len()));
            }
        }
    }
    assert!(unexplained.is_empty(), "without explanation:\n{}", unexplained.join("\n"));
}

#[test]
fn the_trees_of_libfdt_are_taken_and_refused_as_libfdt_does() {
    let Some(libfdt) = Libfdt::compiled_for("trees") else { return };
    if libfdt.trees.is_empty() {
        return skip(format_args!("the source tree that FWSPEC_DTC names has no tests"));
    }
    let blobs: Vec<Vec<u8>> = libfdt.trees.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut differences = Differences::new();
    let [taken, refused] = compare(&libfdt, &blobs, &mut differences);
    println!("{} trees: {taken} taken by both, {refused} refused by both", blobs.len());
    told(&differences);
    assert!(taken > 2 && refused > 3);
}

#[test]
fn damaged_trees_are_taken_and_refused_as_libfdt_does() {
    let Some(libfdt) = Libfdt::compiled_for("mutants") else { return };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<Vec<u8>> = libfdt.trees.iter().map(|path| fs::read(path).unwrap()).collect();
    for folder in ["tests/field/dt", "tests/field/kernel", "tests/field/suites"] {
        let entries = fs::read_dir(project.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut blobs: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|ending| ending == "dtb")).collect();
        blobs.sort();
        seeds.extend(blobs.iter().map(|path| fs::read(path).unwrap()));
    }
    // The generator of Marsaglia: the same mutants every time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let mut differences = Differences::new();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20 {
        let blobs: Vec<Vec<u8>> = (0..1_000)
            .map(|_| {
                let seed = random(seeds.len());
                mutant(&seeds[seed], &mut random)
            })
            .collect();
        let [more_taken, more_refused] = compare(&libfdt, &blobs, &mut differences);
        (taken, refused) = (taken + more_taken, refused + more_refused);
    }
    println!("20000 mutants: {taken} taken by both, {refused} refused by both");
    told(&differences);
    assert!(taken > 2_000 && refused > 2_000);
}
