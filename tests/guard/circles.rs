//! No two files need each other, directly or by way of others: whoever reads one of them has a place to begin. A folder's `mod.rs`
//! is its front door, which may name all that is behind it; what it re-exports counts as its owner's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::layering::{code, module_path, rust_files};

/// The folders of code, each a crate of its own.
const CRATES: [&str; 5] = ["src", "report/src", "cli/src", "capi/src", "fuzz/src"];

/// Circles that still stand: the crate and the files of each. None is to be added.
const STANDING: &[(&str, &[&str])] = &[];

/// A module by the names that lead to it from its crate, or a path that starts there.
type Names = Vec<String>;

/// The files of a crate.
#[derive(Default)]
struct Crate {
    code: BTreeMap<Names, String>,
    front_doors: BTreeSet<Names>,
    /// What a module calls by a name of its own, as a path from the crate; `*` for all of a module.
    reexports: BTreeMap<Names, Vec<(String, Names)>>,
}

impl Crate {
    fn read(folder: &Path) -> Crate {
        let mut read = Crate::default();
        for file in rust_files(folder) {
            let module = module_path(folder, &file);
            let module = if module == ["lib"] || module == ["main"] { Vec::new() } else { module };
            if module.is_empty() || file.ends_with("mod.rs") {
                read.front_doors.insert(module.clone());
            }
            *read.code.entry(module).or_default() += &code(&file);
        }
        let modules: Vec<Names> = read.code.keys().cloned().collect();
        for module in modules {
            let mut names = Vec::new();
            for statement in read.code[&module].split("use ").skip(1) {
                for path in trees(statement) {
                    let Some(path) = read.absolute(&module, &path) else { continue };
                    names.push((path.last().unwrap().clone(), path));
                }
            }
            read.reexports.insert(module, names);
        }
        read
    }

    /// A path as it stands in a module, from the crate on; nothing for what is of another crate.
    fn absolute(&self, module: &Names, path: &[String]) -> Option<Names> {
        let up = path.iter().take_while(|name| *name == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => Some([module.get(..module.len().checked_sub(up)?)?, &path[up..]].concat()),
            first => {
                let child = [module.as_slice(), &[first.to_owned()]].concat();
                self.code.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// The file that has what a path from the crate leads to.
    fn owner(&self, path: &[String], hops: usize) -> Names {
        let modules = (0..=path.len()).rev().map(|length| path[..length].to_vec());
        let module = modules.into_iter().find(|module| self.code.contains_key(module)).unwrap();
        let Some(name) = path.get(module.len()).filter(|_| hops < 8) else { return module };
        let own = defines(&self.code[&module], name);
        let others = self.reexports[&module].iter().filter(|(_, there)| !own && *there != path);
        let named = others.clone().find(|(other, _)| other == name).map(|(_, there)| there.clone());
        let globs = others.filter(|(other, _)| other == "*").map(|(_, there)| &there[..there.len() - 1]);
        let with_all = globs.map(|of| [of, std::slice::from_ref(name)].concat()).find(|there| {
            let of = self.owner(there, hops + 1);
            defines(&self.code[&of], name)
        });
        named.or(with_all).map_or(module, |there| self.owner(&there, hops + 1))
    }

    /// Which files each file names something of, front doors left out.
    fn needs(&self) -> BTreeMap<&Names, BTreeSet<Names>> {
        let inner = self.code.iter().filter(|(module, _)| !self.front_doors.contains(*module));
        let needs = |module: &Names, code: &String| -> BTreeSet<Names> {
            let starts = ["crate::", "super::", "self::"].into_iter().flat_map(|start| {
                code.match_indices(start).filter(|(at, _)| {
                    !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                })
            });
            let paths = starts.flat_map(|(at, _)| trees(&code[at..]));
            let found = paths.filter_map(|path| Some(self.owner(&self.absolute(module, &path)?, 0)));
            found.filter(|other| other != module && !self.front_doors.contains(other)).collect()
        };
        inner.map(|(module, code)| (module, needs(module, code))).collect()
    }

    /// The circles that are not all of `standing` files, each with what its files need of each other.
    fn circles(&self, standing: &[&[&str]]) -> Vec<String> {
        let needs = self.needs();
        let reach = |from: &Names| {
            let (mut found, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                next.extend(needs[&module].iter().filter(|other| found.insert((*other).clone())).cloned());
            }
            found
        };
        let reached: BTreeMap<&Names, BTreeSet<Names>> =
            needs.keys().map(|module| (*module, reach(module))).collect();
        let mut circles: BTreeSet<Vec<&Names>> = BTreeSet::new();
        for (module, there) in reached.iter().filter(|(module, there)| there.contains(**module)) {
            let back = |other: &&Names| reached[*other].contains(*module);
            circles.insert(there.iter().filter(back).collect());
        }
        let told = |circle: Vec<&Names>| {
            circle.iter().fold(String::new(), |mut text, module| {
                let of_it = needs[*module].iter().filter(|other| circle.contains(other));
                let of_it: Vec<String> = of_it.map(|other| other.join("/")).collect();
                writeln!(text, "  {} needs {}", module.join("/"), of_it.join(", ")).unwrap();
                text
            })
        };
        let stands = |circle: &Vec<&Names>| {
            let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            standing.iter().any(|known| names.iter().all(|name| known.contains(&name.as_str())))
        };
        circles.into_iter().filter(|circle| !stands(circle)).map(told).collect()
    }
}

/// Whether a file has an item of this name.
fn defines(code: &str, name: &str) -> bool {
    const ITEMS: [&str; 9] =
        ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules!"];
    let is_name = |text: &str| {
        let text = text.trim_start();
        text.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    code.lines().filter(|line| !line.starts_with(' ')).any(|line| {
        ITEMS.iter().any(|item| line.split_once(&format!("{item} ")).is_some_and(|(_, rest)| is_name(rest)))
    })
}

/// The paths at the start of some text: one, or as many as there are names in its braces.
fn trees(text: &str) -> Vec<Names> {
    let mut paths = Vec::new();
    tree(text.trim_start(), &mut Vec::new(), &mut paths);
    paths
}

/// Reads one path or a list of paths in braces, and returns what follows.
fn tree<'t>(text: &'t str, above: &mut Names, paths: &mut Vec<Names>) -> &'t str {
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = tree(list.trim_start(), &mut above.clone(), paths);
            // What is renamed has its own name here.
            list = list.trim_start_matches(|c: char| c != ',' && c != '}');
            match list.strip_prefix(',') {
                Some(rest) => list = rest,
                None => return list.strip_prefix('}').unwrap_or_default(),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return rest;
    }
    above.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with(|c: char| c.is_alphanumeric() || "_{*".contains(c)) => {
            tree(more, above, paths)
        }
        _ => {
            // `a::{self, b}` is `a` and `a::b`.
            if above.len() > 1 && name == "self" {
                above.pop();
            }
            paths.push(above.clone());
            rest
        }
    }
}

#[test]
fn no_files_need_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut needs, mut circles) = (0, 0, String::new());
    for name in CRATES {
        let folder = root.join(name);
        if !folder.exists() {
            crate::outside::skip(format_args!("this is not a checkout of the repository: no {name}"));
            continue;
        }
        let read = Crate::read(&folder);
        files += read.code.len();
        needs += read.needs().values().map(BTreeSet::len).sum::<usize>();
        let standing: Vec<&[&str]> =
            STANDING.iter().filter(|(of, _)| *of == name).map(|(_, files)| *files).collect();
        for circle in read.circles(&standing) {
            write!(circles, "\n{name}:\n{circle}").unwrap();
        }
    }
    println!("{files} files, which need {needs} others");
    assert!(needs > files, "is the search broken?");
    assert!(circles.is_empty(), "files need each other: move what both need to a third{circles}");
}

#[test]
fn circles_are_found() {
    let files = [
        ("", "mod a; mod b; mod c; pub use a::{Alpha, other as renamed}; pub use c::*;"),
        ("a", "use super::{b, x};\npub struct Alpha;"),
        ("b", "fn f() -> crate::Gamma {}"),
        ("c", "use crate::{\n    Alpha,\n    b::{self, F},\n};\npub struct Gamma;"),
        ("d", "use self::e::E;\nuse super::c::Gamma;"),
        ("e", "fn f(_: super::b::B, _: crate::d::D) {}"),
    ];
    let mut read = Crate::default();
    let module = |name: &str| if name.is_empty() { Vec::new() } else { vec![name.to_owned()] };
    read.code = files.iter().map(|(name, code)| (module(name), (*code).to_owned())).collect();
    read.front_doors.insert(Vec::new());
    read.reexports = files.iter().map(|(name, _)| (module(name), Vec::new())).collect();
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Names>();
    let root = [("Alpha", "a::Alpha"), ("other", "a::other"), ("*", "c::*")];
    read.reexports.insert(Vec::new(), root.map(|(name, to)| (name.to_owned(), path(to))).to_vec());
    let circles = read.circles(&[]);
    assert_eq!(circles, ["  a needs b\n  b needs c\n  c needs a, b\n"]);
    assert!(read.circles(&[&["a", "b", "c"]]).is_empty());
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let paths = |text| trees(text).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(paths("super::map::IdMap;"), ["super::map::IdMap"]);
    assert_eq!(
        paths("crate::{At, map::{self, IdMap as M}, dt::*}; fn"),
        ["crate::At", "crate::map", "crate::map::IdMap", "crate::dt::*"]
    );
    assert_eq!(paths("crate::bytes::index::<u32>(at)"), ["crate::bytes::index"]);
}
