//! What others find in a device tree: the crate `fdt`, and libfdt in C (`libfdt.c`). Each has a resolver of its own for `iommus`,
//! `iommu-map` and `msi-map`, as plain as can be; nothing of `src` is used here.
#![allow(unreachable_pub)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line for each answer: `iommus PATH ENTRY TARGET CELLS…`, and `iommu-map PATH KERNEL ID TARGET CELLS…`, an errno, or `nothing`.
pub type Answers = Vec<String>;

/// libfdt, behind a program compiled from C.
pub struct Libfdt(PathBuf);

impl Libfdt {
    /// Compiles the program into a folder; or a word on why it cannot be.
    pub fn compiled_into(folder: &Path) -> Result<Self, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian/libfdt.c");
        let program = folder.join(format!("libfdt-{}", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-o"]).arg(&program).arg(source).arg("-lfdt");
        let output = compiler.output().map_err(|error| format!("no C compiler (cc): {error}"))?;
        if output.status.success() {
            return Ok(Libfdt(program));
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let absent = said.contains("libfdt.h") || said.contains("-lfdt");
        assert!(absent, "libfdt.c does not compile:\n{said}");
        Err("no libfdt-dev".into())
    }

    /// Nodes and properties in order, as [`walk_entry`] writes them.
    pub fn walk(&self, file: &Path) -> Vec<u8> {
        self.run("walk", file)
    }

    pub fn answers(&self, file: &Path) -> Answers {
        String::from_utf8(self.run("answers", file)).unwrap().lines().map(String::from).collect()
    }

    fn run(&self, what: &str, file: &Path) -> Vec<u8> {
        let output = Command::new(&self.0).arg(what).arg(file).output().unwrap();
        assert!(output.status.success(), "libfdt cannot read {}", file.display());
        output.stdout
    }
}

impl Drop for Libfdt {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a node (`N`, its depth as length, no value) or property (`P`) as `libfdt.c` does.
pub fn walk_entry(out: &mut Vec<u8>, kind: u8, name: &[u8], length: usize, value: &[u8]) {
    out.push(kind);
    out.extend(name);
    out.push(0);
    out.extend(u32::try_from(length).unwrap().to_be_bytes());
    out.extend(value);
}

fn cells(value: &[u8]) -> Vec<u32> {
    value.chunks_exact(4).map(|cell| u32::from_be_bytes(cell.try_into().unwrap())).collect()
}

/// The ids that a map is asked for: every cell may be a first id, or with one of those behind it the end of a range; these, and
/// what is beside them.
pub fn questions(value: &[u8]) -> BTreeSet<u32> {
    let cells = cells(value);
    let mut ids = BTreeSet::from([0, 0xffff]);
    for (at, cell) in cells.iter().enumerate() {
        ids.extend([cell.wrapping_sub(1), *cell, cell.wrapping_add(1)]);
        for behind in cells.iter().skip(at + 2).take(3) {
            let end = cell.wrapping_add(*behind);
            ids.extend([end.wrapping_sub(1), end]);
        }
    }
    ids
}

/// The nodes of a tree as `fdt` finds them, with their paths and phandles.
struct Flat<'a>(Vec<Named<'a>>);

struct Named<'a> {
    path: String,
    phandle: Option<u32>,
    node: fdt::node::FdtNode<'a, 'a>,
}

impl Named<'_> {
    fn says(&self, property: &str) -> Option<u32> {
        cells(self.node.property(property)?.value).first().copied()
    }
}

impl<'a> Flat<'a> {
    fn of(tree: &'a fdt::Fdt<'a>) -> Self {
        let mut flat = Flat(Vec::new());
        flat.add("", tree.find_node("/").unwrap());
        flat
    }

    fn add(&mut self, path: &str, node: fdt::node::FdtNode<'a, 'a>) {
        let named = if path.is_empty() { "/".to_string() } else { path.to_string() };
        let mut found = Named { path: named, phandle: None, node };
        found.phandle = found.says("phandle").or_else(|| found.says("linux,phandle"));
        self.0.push(found);
        for child in node.children() {
            self.add(&format!("{path}/{}", child.name), child);
        }
    }

    /// The first node with a phandle: its path, and how many cells it wants, if it says.
    fn target(&self, phandle: u32, property: &str) -> Option<(&str, Option<u32>)> {
        let found = self.0.iter().find(|named| phandle != 0 && named.phandle == Some(phandle))?;
        Some((&found.path, found.says(property)))
    }

    fn list(&self, path: &str, value: &[u8], answers: &mut Answers) {
        let mut rest = &cells(value)[..];
        let mut entry = 0;
        while let [phandle, behind @ ..] = rest {
            let target = self.target(*phandle, "#iommu-cells").and_then(|(path, cells)| Some((path, cells?)));
            let Some((target, specifier)) =
                target.and_then(|(path, count)| Some((path, behind.split_at_checked(count as usize)?)))
            else {
                answers.push(format!("iommus {path} {entry} unreadable"));
                return;
            };
            answers.push(answer(&format!("iommus {path} {entry} {target}"), specifier.0, 0));
            (rest, entry) = (specifier.1, entry + 1);
        }
    }

    /// One id through a map, as Linux 7.3 reads it (`of_map_id`).
    fn current(
        &self,
        map: &[u32],
        mask: u32,
        property: &str,
        id: u32,
    ) -> Result<Option<(String, Vec<u32>)>, &str> {
        let mut rest = map;
        let mut four = false;
        while !rest.is_empty() {
            let [first, phandle, behind @ ..] = rest else { return Err("EINVAL") };
            if first & !mask != 0 {
                return Err("EFAULT");
            }
            let (target, said) = self.target(*phandle, property).ok_or("ENODEV")?;
            if rest.len() == map.len() && said == Some(2) {
                let alike = |entry: &[u32]| entry.len() == 4 && entry[1] == *phandle && entry[3] == 1;
                four = map.chunks(4).all(alike);
            }
            let count = if four { 1 } else { said.unwrap_or(1) as usize };
            if count > 16 || behind.len() <= count {
                return Err("EINVAL");
            }
            let (specifier, length) = (&behind[..count], behind[count]);
            rest = &behind[count + 1..];
            let Some(into) = (id & mask).checked_sub(*first).filter(|into| *into < length) else { continue };
            if length > 1 && count > 1 {
                return Err("EINVAL");
            }
            let specifier = specifier.iter().map(|cell| cell.wrapping_add(into)).collect();
            return Ok(Some((target.to_string(), specifier)));
        }
        Ok(None)
    }

    /// One id through a map, as kernels before 7.3 read it.
    fn classic(
        &self,
        map: &[u32],
        mask: u32,
        property: &str,
        id: u32,
    ) -> Result<Option<(String, Vec<u32>)>, &str> {
        if map.is_empty() || !map.len().is_multiple_of(4) {
            return Err("EINVAL");
        }
        for entry in map.chunks(4) {
            let (first, id) = (entry[0], id & mask);
            if first & !mask != 0 {
                return Err("EFAULT");
            }
            if id >= first && id < first.wrapping_add(entry[3]) {
                let (target, _) = self.target(entry[1], property).ok_or("ENODEV")?;
                return Ok(Some((target.to_string(), vec![(id - first).wrapping_add(entry[2])])));
            }
        }
        Ok(None)
    }
}

/// A line of answers: what stands before the cells, and the cells, each `into` higher.
pub fn answer(start: &str, cells: &[u32], into: u32) -> String {
    let mut line = start.to_string();
    for cell in cells {
        let _ = write!(line, " {:#x}", cell.wrapping_add(into));
    }
    line
}

/// All answers by `fdt`; `None` where it panics, as it does on what it cannot read.
pub fn answers_by_fdt(blob: &[u8]) -> Option<Answers> {
    std::panic::catch_unwind(|| {
        let tree = fdt::Fdt::new(blob).ok()?;
        let flat = Flat::of(&tree);
        let mut answers = Answers::new();
        for Named { path, node, .. } in &flat.0 {
            if let Some(property) = node.property("iommus") {
                flat.list(path, property.value, &mut answers);
            }
            for (map, counted_by) in [("iommu-map", "#iommu-cells"), ("msi-map", "#msi-cells")] {
                let Some(value) = node.property(map).map(|property| property.value) else { continue };
                let mask = node.property(&format!("{map}-mask"));
                let mask = mask.and_then(|mask| cells(mask.value).first().copied()).unwrap_or(u32::MAX);
                for kernel in ["7.3", "7.2"] {
                    for id in questions(value) {
                        let found = match (value.len() % 4, kernel) {
                            (0, "7.3") => flat.current(&cells(value), mask, counted_by, id),
                            (0, _) => flat.classic(&cells(value), mask, counted_by, id),
                            _ => Err("EINVAL"),
                        };
                        let start = format!("{map} {path} {kernel} {id:#x}");
                        answers.push(match found {
                            Ok(Some((target, cells))) => answer(&format!("{start} {target}"), &cells, 0),
                            Ok(None) => format!("{start} nothing"),
                            Err(errno) => format!("{start} {errno}"),
                        });
                    }
                }
            }
        }
        Some(answers)
    })
    .ok()
    .flatten()
}
