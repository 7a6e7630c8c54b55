//! Every device tree of the shared corpus against what an independent reader found in it, and against the `fdt` crate.

use crate::support::cases::cases_of_three;
use crate::support::outside::{self, shared, skip};
use crate::support::referees;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fwspec::Platform;
use fwspec::dt::{Token, Tree};
use fwspec::model::{IdMapping, IdTable, MsiRoute, Output, PlatformMaster, RequesterKind, Target};
use serde_json::Value;

fn blobs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut blobs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "dtb")).collect();
    blobs.sort();
    blobs
}

fn corpus(folder: &Path) -> Vec<PathBuf> {
    let mut blobs = blobs_in(&folder.join("dtb"));
    blobs.extend(blobs_in(&folder.join("qemu")));
    for guest in fs::read_dir(folder.join("guest")).unwrap().flatten() {
        blobs.extend(blobs_in(&guest.path()));
    }
    blobs.sort();
    // Of which an ordinary run takes each ninth.
    blobs.into_iter().step_by(cases_of_three(9, 1, 1)).collect()
}

/// What ids 0 to 0xffff become, in runs: first id, number of ids, and target with cells or an errno.
type Runs = Vec<(u32, u32, Result<(String, Vec<u32>), String>)>;

fn runs(list: &[IdMapping], table: &IdTable, name: impl Fn(Target) -> String) -> Runs {
    let mask = table.mask.unwrap_or(u32::MAX);
    let mut runs: Runs = Vec::new();
    // Between two edges one answer goes on; under a mask with holes each id stands alone.
    let edges = list.iter().flat_map(|mapping| [u64::from(mapping.first), u64::from(mapping.last) + 1]);
    let mut edges: Vec<u64> = if mask & 0xffff == 0xffff {
        edges.chain([0, 0x10000]).filter(|edge| *edge <= 0x10000).collect()
    } else {
        (0..=0x10000).collect()
    };
    edges.sort_unstable();
    edges.dedup();
    for piece in edges.windows(2) {
        let (id, length) = (u32::try_from(piece[0]).unwrap(), u32::try_from(piece[1] - piece[0]).unwrap());
        if id & !mask != 0 {
            continue;
        }
        let Some(mapping) = list.iter().find(|mapping| (mapping.first..=mapping.last).contains(&id)) else {
            continue;
        };
        let into = id - mapping.first;
        let cells = |cells: &[u32]| cells.iter().map(|cell| cell.wrapping_add(into)).collect::<Vec<_>>();
        let answer = match mapping.output {
            Output::Linear(first) => Ok((name(mapping.target), cells(&[first]))),
            Output::Cells { index, count } => {
                Ok((name(mapping.target), cells(&table.cells[index as usize..][..count as usize])))
            }
            Output::Errno(errno) => Err(errno.to_string()),
            other => panic!("{other:?} in a device tree"),
        };
        if let Some((first, count, before)) = runs.last_mut()
            && *first + *count == id
        {
            let goes_on = match (&*before, &answer) {
                (Ok((target, out)), Ok((to, now))) => {
                    target == to && out.iter().map(|cell| cell.wrapping_add(*count)).eq(now.iter().copied())
                }
                (Err(before), Err(now)) => before == now,
                _ => false,
            };
            if goes_on {
                *count += length;
                continue;
            }
        }
        runs.push((id, length, answer));
    }
    runs
}

fn expected_runs(flat: &Value) -> Runs {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    if let Some(error) = flat.get("error") {
        return vec![(0, 0x10000, Err(error.as_str().unwrap().into()))];
    }
    let answer = |run: &Value| match run.get("error") {
        Some(error) => Err(error.as_str().unwrap().into()),
        None => Ok((
            run["target"].as_str().unwrap_or("").into(),
            run["out"].as_array().unwrap().iter().map(number).collect(),
        )),
    };
    flat.as_array()
        .unwrap()
        .iter()
        .map(|run| (number(&run["id_base"]), number(&run["count"]), answer(run)))
        .collect()
}

struct Wiring<'a> {
    platform: Platform,
    tree: Tree<'a>,
}

impl<'a> Wiring<'a> {
    fn of(blob: &'a [u8]) -> Self {
        let tree = Tree::parse(blob).unwrap();
        Wiring { platform: tree.platform().unwrap(), tree }
    }

    /// The nodes above a node, from the root's child down.
    fn above(&self, path: &str) -> impl Iterator<Item = fwspec::dt::Node<'a>> {
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).skip(1).collect();
        slashes.into_iter().map(|end| self.tree.find(&path[..end]).unwrap())
    }

    /// Whether all nodes above may be used.
    fn reached(&self, path: &str) -> bool {
        self.above(path).all(|node| {
            let status = node.property("status");
            status.is_none_or(|status| matches!(status.strings().next(), Some(b"okay" | b"ok")))
        })
    }

    fn on_pci(&self, path: &str) -> bool {
        let kind = |node: fwspec::dt::Node<'a>| node.property("device_type")?.strings().next();
        self.above(path).last().and_then(kind).is_some_and(|kind| matches!(kind, b"pci" | b"pciex"))
    }

    fn target(&self, target: Target) -> String {
        match target {
            Target::Iommu(at) => self.platform.label(self.platform.iommus[at.position()].origin).to_string(),
            Target::Msi(at) => {
                self.platform.label(self.platform.msi_controllers[at.position()].origin).to_string()
            }
            // A node that is no IOMMU, met where cells are taken for phandles.
            Target::Dangling(phandle) => {
                let node = self.tree.node_by_phandle(fwspec::Phandle(phandle));
                node.map_or(String::new(), |node| self.tree.place(node.offset()).to_string())
            }
            other => format!("{other:?}"),
        }
    }

    fn masters(&self) -> BTreeMap<String, (bool, &PlatformMaster)> {
        let requesters = self.platform.requesters.iter();
        requesters
            .filter_map(|requester| match &requester.kind {
                RequesterKind::Master(master) => {
                    Some((self.platform.label(requester.origin).to_string(), (requester.available, master)))
                }
                _ => None,
            })
            .collect()
    }

    /// The stream and MSI tables of each bus.
    fn tables(&self) -> BTreeMap<String, [Option<&IdTable>; 2]> {
        let requesters = self.platform.requesters.iter();
        requesters
            .filter_map(|requester| match &requester.kind {
                RequesterKind::Bus(bus) => {
                    let msi = match &bus.msi {
                        MsiRoute::Table(table) => Some(&**table),
                        _ => None,
                    };
                    Some((self.platform.label(requester.origin).to_string(), [bus.streams.as_ref(), msi]))
                }
                _ => None,
            })
            .collect()
    }
}

#[derive(Default, Debug)]
struct Counts {
    trees: usize,
    iommus: usize,
    masters: usize,
    specifiers: usize,
    iommu_maps: usize,
    msi_maps: usize,
    below_pci: usize,
    second_readings: usize,
}

fn check(blob: &[u8], expected: &Value, file: &str, counts: &mut Counts) {
    let wiring = Wiring::of(blob);
    let platform = &wiring.platform;
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let number = |value: &Value| value.as_u64().map(|number| u32::try_from(number).unwrap());

    let said: Vec<_> = platform.iommus.iter().filter(|iommu| iommu.cells.is_some()).collect();
    let wanted = expected["iommus"].as_array().unwrap();
    assert_eq!(said.len(), wanted.len(), "{file}: IOMMUs");
    for (iommu, wanted) in said.iter().zip(wanted) {
        assert_eq!(platform.label(iommu.origin).to_string(), text(&wanted["path"]), "{file}");
        let path = text(&wanted["path"]);
        assert_eq!(
            iommu.available,
            wanted["available"].as_bool().unwrap() && wiring.reached(&path),
            "{file}"
        );
        assert_eq!(iommu.cells, number(&wanted["iommu_cells"]), "{file}");
        assert_eq!(iommu.stream_match_mask.map(u32::from), number(&wanted["stream_match_mask"]), "{file}");
        counts.iommus += 1;
    }

    let masters = wiring.masters();
    // Linux does not look at iommus of PCI functions (of_iommu_configure).
    let wanted = expected["masters"].as_array().unwrap();
    let wanted: Vec<&Value> = wanted.iter().filter(|wanted| !wiring.on_pci(&text(&wanted["path"]))).collect();
    assert_eq!(masters.len(), wanted.len(), "{file}: masters");
    for wanted in wanted {
        let path = text(&wanted["path"]);
        let (available, master) = masters[&path];
        let status = wanted["available"].as_bool().unwrap();
        assert_eq!(available, status && wiring.reached(&path), "{file} {path}");
        let requester = platform.requesters.iter().find(|requester| {
            matches!(requester.kind, RequesterKind::Master(_))
                && platform.label(requester.origin).to_string() == path
        });
        let requester = requester.unwrap();
        assert_eq!(requester.pasid_bits.map(u32::from), number(&wanted["pasid_num_bits"]), "{file} {path}");
        assert_eq!(requester.can_stall, wanted["dma_can_stall"].as_bool(), "{file} {path}");
        let whole = |entry: &&Value| {
            let path = entry["target"].as_str().unwrap_or("");
            let target = said.iter().find(|iommu| platform.label(iommu.origin).to_string() == path);
            let cells = target.and_then(|iommu| iommu.cells).unwrap_or(u32::MAX);
            entry["args"].as_array().is_some_and(|args| args.len() == cells as usize)
        };
        let entries: Vec<&Value> = wanted["iommus"].as_array().unwrap().iter().take_while(whole).collect();
        assert_eq!(master.streams.len(), entries.len(), "{file} {path}");
        assert_eq!(
            master.cut_short,
            entries.len() != wanted["iommus"].as_array().unwrap().len(),
            "{file} {path}"
        );
        for (stream, entry) in master.streams.iter().zip(entries) {
            assert_eq!(wiring.target(Target::Iommu(stream.iommu)), text(&entry["target"]), "{file} {path}");
            let cells = &master.cells[stream.index as usize..][..usize::from(stream.count)];
            let args: Vec<u32> = entry["args"].as_array().unwrap().iter().filter_map(number).collect();
            assert_eq!(cells, args, "{file} {path}");
            counts.specifiers += 1;
        }
        counts.masters += 1;
    }

    let tables = wiring.tables();
    for (kind, key) in ["iommu_maps", "msi_maps"].into_iter().enumerate() {
        for wanted in expected[key].as_array().unwrap() {
            let path = text(&wanted["path"]);
            let Some(tables) = tables.get(&path) else {
                counts.below_pci += 1;
                continue;
            };
            let table = tables[kind].unwrap_or_else(|| panic!("{file} {path} {key}: no table"));
            assert_eq!(table.mask, number(&wanted["mask"]), "{file} {path} {key}");
            let classic = table.classic.as_deref().unwrap_or(&table.mappings);
            let name = |target| wiring.target(target);
            assert_eq!(
                runs(classic, table, name),
                expected_runs(&wanted["flat"]),
                "{file} {path} {key} classic"
            );
            let current = wanted.get("flat_cells").unwrap_or(&wanted["flat"]);
            assert_eq!(runs(&table.mappings, table, name), expected_runs(current), "{file} {path} {key}");
            counts.second_readings += usize::from(wanted.get("flat_cells").is_some());
            *[&mut counts.iommu_maps, &mut counts.msi_maps][kind] += 1;
        }
    }
    counts.trees += 1;
}

#[test]
fn every_tree_of_the_corpus_is_wired_as_the_independent_reader_says() {
    let Some(folder) = shared("corpus") else { return };
    let mut counts = Counts::default();
    let blobs = corpus(&folder);
    for path in &blobs {
        let expected = fs::read(format!("{}.expected.json", path.display())).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        check(&fs::read(path).unwrap(), &expected, &path.display().to_string(), &mut counts);
    }
    println!("{} of {} trees: {counts:?}", counts.trees, blobs.len());
    assert!(counts.trees > 0 && counts.trees == blobs.len());
    assert!(counts.second_readings > 0 && counts.msi_maps > 0);
}

/// Nodes with their properties, in the order of the blob.
type Listing = Vec<(String, Vec<(String, Vec<u8>)>)>;

fn listing(blob: &[u8]) -> Listing {
    let tree = Tree::parse(blob).unwrap();
    let mut listing = Listing::new();
    for token in tree.tokens() {
        match token.unwrap() {
            Token::BeginNode { name, .. } => {
                listing.push((String::from_utf8(name.to_vec()).unwrap(), Vec::new()))
            }
            Token::Property { name, value, .. } => {
                let name = String::from_utf8(tree.string(name).unwrap().to_vec()).unwrap();
                listing.last_mut().unwrap().1.push((name, value.to_vec()));
            }
            Token::EndNode => {}
        }
    }
    listing
}

fn listing_by_fdt(blob: &[u8]) -> Option<Listing> {
    let walk = || {
        let tree = fdt::Fdt::new(blob).ok()?;
        let node = |node: fdt::node::FdtNode<'_, '_>| {
            let properties =
                node.properties().map(|property| (property.name.to_string(), property.value.to_vec()));
            // fdt calls the root "/".
            (node.name.trim_matches('/').to_string(), properties.collect())
        };
        Some(tree.all_nodes().map(node).collect())
    };
    // fdt panics on what it cannot read.
    std::panic::catch_unwind(walk).ok().flatten()
}

#[test]
fn the_walk_finds_the_nodes_and_properties_that_fdt_finds() {
    let Some(folder) = shared("corpus") else { return };
    let Some(runs) = shared("linux-truth/runs") else { return };
    let mut blobs = corpus(&folder);
    for run in fs::read_dir(runs).unwrap().flatten() {
        blobs.extend(blobs_in(&run.path()));
    }
    let (mut same, mut nodes, mut properties) = (0, 0, 0);
    for path in &blobs {
        let blob = fs::read(path).unwrap();
        let ours = listing(&blob);
        let theirs = listing_by_fdt(&blob).unwrap_or_else(|| panic!("fdt cannot read {}", path.display()));
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{}", path.display());
            properties += ours.1.len();
        }
        nodes += ours.len();
        same += 1;
    }
    println!("{same} of {} trees alike: {nodes} nodes, {properties} properties", blobs.len());
    assert!(same > 0 && same == blobs.len());
}

#[test]
fn the_linear_look_up_answers_as_the_table_does() {
    let Some(folder) = shared("corpus") else { return };
    let mut asked = 0;
    for path in corpus(&folder) {
        let blob = fs::read(&path).unwrap();
        asked += compare_look_ups(&blob, &path);
    }
    println!("{asked} look-ups alike");
    assert!(asked > 0);
}

fn compare_look_ups(blob: &[u8], path: &Path) -> usize {
    use fwspec::Dialect;
    use fwspec::dt::{MapKind, resolve};
    let wiring = Wiring::of(blob);
    let mut asked = 0;
    for (path_of_bus, tables) in wiring.tables() {
        let node = wiring.tree.find(&path_of_bus).unwrap();
        for (kind, table) in [MapKind::Iommu, MapKind::Msi].into_iter().zip(tables) {
            let Some(table) = table else { continue };
            let mask = table.mask.unwrap_or(u32::MAX);
            for dialect in [Dialect::LINUX, Dialect::LINUX_CLASSIC] {
                let classic = dialect == Dialect::LINUX_CLASSIC;
                let list = table.classic.as_deref().filter(|_| classic).unwrap_or(&table.mappings);
                let edges = list.iter().take(40).flat_map(|mapping| {
                    [mapping.first.wrapping_sub(1), mapping.first, mapping.last, mapping.last.wrapping_add(1)]
                });
                for id in edges {
                    let mapping =
                        list.iter().find(|mapping| (mapping.first..=mapping.last).contains(&(id & mask)));
                    let found = resolve(&node, kind, dialect, id);
                    let case = format!("{} {path_of_bus} {kind:?} {id:#x} {}", path.display(), dialect.name);
                    match (mapping.map(|mapping| mapping.output), found) {
                        (None, found) => assert!(found.unwrap().is_none(), "{case}"),
                        (Some(Output::Errno(_)), found) => assert!(found.is_err(), "{case}"),
                        (Some(_), found) => {
                            let (found, mapping) = (found.unwrap().unwrap(), mapping.unwrap());
                            let at = wiring.tree.place(found.target.offset()).to_string();
                            assert_eq!(at, wiring.target(mapping.target), "{case}");
                            if let Some(id) = mapping.output_of(id & mask) {
                                assert_eq!(found.cells(), [id], "{case}");
                            }
                        }
                    }
                    asked += 1;
                }
            }
        }
    }
    asked
}

/// The device trees of Debian's newest arm64 kernel, or a word on why not.
pub(super) fn debian() -> Result<Vec<PathBuf>, String> {
    outside::debian("fetch.sh", "debian").map(|folder| blobs_in(&folder.join("trees")))
}

/// What the referees and we find in trees.
#[derive(Default, Debug)]
struct Refereed {
    trees: usize,
    answers: usize,
    look_ups: usize,
    skipped: usize,
}

/// Compares each of these trees with `fdt` and with libfdt: nodes and properties, names, values, order; and all that `iommus`,
/// `iommu-map` and `msi-map` mean.
fn referee(blobs: &[PathBuf]) -> Refereed {
    let libfdt = referees::Libfdt::compiled_into(Path::new(env!("CARGO_TARGET_TMPDIR")));
    if let Err(why) = &libfdt {
        println!("libfdt takes no part: {why}");
    }
    let mut counts = Refereed::default();
    for path in blobs {
        let file = path.display();
        let blob = fs::read(path).unwrap();
        assert_eq!(Some(listing(&blob)), listing_by_fdt(&blob), "{file}");
        let wiring = Wiring::of(&blob);
        let ours = wiring.answers();
        let same = |theirs: &referees::Answers, whose: &str| {
            let differs = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
            assert_eq!(differs, None, "{file}: ours and {whose}");
            assert_eq!(ours.len(), theirs.len(), "{file}: {whose}");
        };
        let theirs = referees::answers_by_fdt(&blob).unwrap_or_else(|| panic!("fdt cannot read {file}"));
        same(&theirs, "fdt's");
        if let Ok(libfdt) = &libfdt {
            assert!(walk(&blob) == libfdt.walk(path), "{file}: libfdt finds other nodes or properties");
            same(&libfdt.answers(path), "libfdt's");
        }
        counts.look_ups += compare_look_ups(&blob, path);
        counts.skipped += wiring.platform.skipped.len();
        counts.answers += ours.len();
        counts.trees += 1;
    }
    counts
}

/// Nodes with their depths and properties, as `libfdt.c` writes them.
fn walk(blob: &[u8]) -> Vec<u8> {
    let tree = Tree::parse(blob).unwrap();
    let (mut walk, mut depth) = (Vec::with_capacity(blob.len()), 0);
    for token in tree.tokens() {
        match token.unwrap() {
            Token::BeginNode { name, .. } => {
                referees::walk_entry(&mut walk, b'N', name, depth, b"");
                depth += 1;
            }
            Token::Property { name, value, .. } => {
                referees::walk_entry(&mut walk, b'P', tree.string(name).unwrap(), value.len(), value);
            }
            Token::EndNode => depth -= 1,
        }
    }
    walk
}

impl Wiring<'_> {
    /// What all `iommus`, `iommu-map` and `msi-map` mean to us, in the lines of the referees.
    fn answers(&self) -> referees::Answers {
        use fwspec::dt::MapKind;
        let (masters, tables) = (self.masters(), self.tables());
        let mut answers = referees::Answers::new();
        for node in self.tree.nodes().map(Result::unwrap) {
            let path = || self.tree.place(node.offset()).to_string();
            if node.property("iommus").is_some() {
                let path = path();
                let (_, master) = masters[&path];
                for (entry, stream) in master.streams.iter().enumerate() {
                    let target = self.target(Target::Iommu(stream.iommu));
                    let start = format!("iommus {path} {entry} {target}");
                    answers.push(referees::answer(&start, master.cells_of(stream), 0));
                }
                if master.cut_short {
                    answers.push(format!("iommus {path} {} unreadable", master.streams.len()));
                }
            }
            for (at, kind) in [MapKind::Iommu, MapKind::Msi].into_iter().enumerate() {
                let name = ["iommu-map", "msi-map"][at];
                let Some(property) = node.property(name) else { continue };
                let path = path();
                let table = tables.get(&path).and_then(|tables| tables[at]);
                for (kernel, dialect) in
                    [("7.3", fwspec::Dialect::LINUX), ("7.2", fwspec::Dialect::LINUX_CLASSIC)]
                {
                    for id in referees::questions(property.value()) {
                        let start = format!("{name} {path} {kernel} {id:#x}");
                        answers.push(match table {
                            Some(table) => self.by_table(table, kernel == "7.2", id, &start),
                            // Below a PCI host, or an msi-map that counts as absent: no operating system asks it, we can.
                            None => self.by_walk(&node, kind, dialect, id, &start),
                        });
                    }
                }
            }
        }
        answers
    }

    fn by_table(&self, table: &IdTable, classic: bool, id: u32, start: &str) -> String {
        let list = table.classic.as_deref().filter(|_| classic).unwrap_or(&table.mappings);
        let id = id & table.mask.unwrap_or(u32::MAX);
        let Some(mapping) = list.iter().find(|mapping| (mapping.first..=mapping.last).contains(&id)) else {
            return format!("{start} nothing");
        };
        let start = format!("{start} {}", self.target(mapping.target));
        let into = id - mapping.first;
        match mapping.output {
            Output::Linear(first) => referees::answer(&start, &[first], into),
            Output::Cells { index, count } => {
                let cells = &table.cells[index as usize..][..usize::from(count)];
                referees::answer(&start, cells, into)
            }
            Output::Errno(errno) => format!("{} {errno}", start.rsplit_once(' ').unwrap().0),
            other => panic!("{other:?} in a device tree"),
        }
    }

    fn by_walk(
        &self,
        node: &fwspec::dt::Node<'_>,
        kind: fwspec::dt::MapKind,
        dialect: fwspec::Dialect,
        id: u32,
        start: &str,
    ) -> String {
        use fwspec::ErrorKind;
        match fwspec::dt::resolve(node, kind, dialect, id) {
            Ok(None) => format!("{start} nothing"),
            Ok(Some(found)) => {
                let target = self.tree.place(found.target.offset());
                referees::answer(&format!("{start} {target}"), found.cells(), 0)
            }
            Err(error) => match error.kind {
                ErrorKind::MapBase { .. } => format!("{start} EFAULT"),
                ErrorKind::PhandleUnknown { .. } => format!("{start} ENODEV"),
                _ => format!("{start} EINVAL"),
            },
        }
    }
}

#[test]
fn the_referees_find_what_we_find_in_the_corpus() {
    let Some(folder) = shared("corpus") else { return };
    let blobs = corpus(&folder);
    let counts = referee(&blobs);
    println!("0 differences in {} of {} trees: {counts:?}", counts.trees, blobs.len());
    assert!(counts.trees > 0 && counts.trees == blobs.len() && counts.answers > 0);
}

#[test]
fn the_referees_find_what_we_find_in_every_device_tree_of_debian() {
    let blobs = match debian() {
        Ok(blobs) => blobs,
        Err(why) => return skip(format_args!("no device trees of Debian's kernel: {why}")),
    };
    let counts = referee(&blobs);
    println!("0 differences in {} of {} trees: {counts:?}", counts.trees, blobs.len());
    assert!(counts.trees > 1_000 && counts.trees == blobs.len() && counts.answers > 0);
}
