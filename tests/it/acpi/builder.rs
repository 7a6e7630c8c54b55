//! What the builder is told is what the decoder reads: 100,000 random tables, and a sample of them by other readers.

use crate::support::cases::cases_of_three;
use crate::support::outside::{installed, shared, skip};

use std::path::Path;
use std::process::Command;

use fwspec::acpi::iort::{Body, Builder, Iort, NodeBuilder, NodeId};

/// The table revisions that are in use.
const REVISIONS: [u8; 5] = [0, 3, 5, 6, 7];

/// A node in words: what the builder is told, and what is expected back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mappings: Vec<Mapping>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    ItsGroup([u32; 2]),
    Component { path: String, address_bits: u8, pasid_bits: u8, cca: u32, memory_flags: u8 },
    Root { segment: u32, ats: u32, address_bits: Option<u8>, cca: u32, memory_flags: u8 },
    SmmuV2 { base: u64, model: u32, interrupts: Vec<(u32, u32)> },
    SmmuV3 { base: u64, model: u32, gsivs: [u32; 4] },
    Pmcg { page0: u64, page1: Option<u64>, measured: usize },
    Rmr { flags: u32, ranges: Vec<(u64, u64)> },
    Iwb { base: u64, index: u16, path: String },
}

/// The target by the number of its node, so that a mapping stays the same wherever nodes end up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    input: u32,
    count_minus_one: u32,
    output: u32,
    target: usize,
    flags: u32,
}

/// Random numbers that are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`, all of them as likely as matters here.
    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.roll() % u64::from(end)).unwrap()
    }

    fn word(&mut self) -> u32 {
        // Small numbers, large ones and the last ones, so that edges are met.
        match self.below(4) {
            0 => self.below(8),
            1 => u32::MAX - self.below(8),
            _ => u32::try_from(self.roll() >> 32).unwrap(),
        }
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn list<T>(&mut self, most: u32, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| item(self)).collect()
    }

    fn path(&mut self) -> String {
        let segment = |dice: &mut Dice| format!("DEV{}", dice.below(10));
        format!("\\_SB_.{}", [vec!["PC00".to_owned()], self.list(4, segment)].concat().join("."))
    }

    fn kind(&mut self, revision: u8, nodes: usize) -> Kind {
        let later = revision >= 5;
        match self.below(if later { 8 } else { 6 }) {
            0 => Kind::ItsGroup([self.word(), self.word()]),
            1 => Kind::Component {
                path: self.path(),
                address_bits: self.byte(),
                pasid_bits: self.byte() & 0x1f,
                cca: self.below(2),
                memory_flags: self.byte() & 7,
            },
            2 => Kind::Root {
                segment: self.word(),
                ats: [0, 1, 3][usize::try_from(self.below(3)).unwrap()],
                address_bits: Some(self.byte()),
                cca: self.below(2),
                memory_flags: self.byte() & 7,
            },
            3 => Kind::SmmuV2 {
                base: self.roll(),
                model: self.below(6),
                interrupts: self.list(3, |dice| (dice.word(), dice.below(2))),
            },
            4 => Kind::SmmuV3 {
                base: self.roll(),
                model: self.below(3),
                gsivs: [self.word(), self.word(), self.word(), self.word()],
            },
            5 => Kind::Pmcg {
                page0: self.roll(),
                page1: Some(self.roll()),
                measured: usize::try_from(self.below(u32::try_from(nodes).unwrap())).unwrap(),
            },
            6 => Kind::Rmr {
                flags: self.below(0x400),
                ranges: self.list(3, |dice| (dice.roll(), dice.roll())),
            },
            _ => Kind::Iwb { base: self.roll(), index: u16::from(self.byte()), path: self.path() },
        }
    }

    fn table(&mut self) -> (u8, Vec<Node>) {
        let revision = REVISIONS[usize::try_from(self.below(5)).unwrap()];
        let count = 1 + self.below(6);
        let nodes = usize::try_from(count).unwrap();
        let mapping = |dice: &mut Dice| Mapping {
            input: dice.word(),
            count_minus_one: dice.word(),
            output: dice.word(),
            target: usize::try_from(dice.below(count)).unwrap(),
            flags: dice.below(2),
        };
        let node = |dice: &mut Dice| {
            let kind = dice.kind(revision, nodes);
            let maps = !matches!(kind, Kind::ItsGroup(_));
            Node { kind, mappings: if maps { dice.list(4, mapping) } else { Vec::new() } }
        };
        (revision, (0..nodes).map(|_| node(self)).collect())
    }
}

/// Tells the builder. Nodes come first and mappings then, so that references go forwards and backwards.
fn write(revision: u8, nodes: &[Node]) -> Builder {
    let mut table = Builder::new(revision);
    let ids: Vec<NodeId> = nodes.iter().map(|node| add(&mut table, &node.kind)).collect();
    for (node, id) in nodes.iter().zip(&ids) {
        if let Kind::Pmcg { measured, .. } = node.kind {
            table.edit(*id).measures(ids[measured]);
        }
        for mapping in &node.mappings {
            let Mapping { input, count_minus_one, output, target, flags } = *mapping;
            table.edit(*id).mapping(input, count_minus_one, output, ids[target], flags);
        }
    }
    table
}

fn add(table: &mut Builder, kind: &Kind) -> NodeId {
    let memory = |node: &mut NodeBuilder<'_>, cca, flags, bits| {
        node.memory_access(cca, flags).address_limit(bits);
    };
    match kind {
        Kind::ItsGroup(ids) => table.its_group(*ids).id(),
        Kind::Component { path, address_bits, pasid_bits, cca, memory_flags } => {
            let mut node = table.named_component(path);
            memory(&mut node, *cca, *memory_flags, *address_bits);
            node.pasid(*pasid_bits).id()
        }
        Kind::Root { segment, ats, address_bits, cca, memory_flags } => {
            let mut node = table.root_complex(*segment);
            memory(&mut node, *cca, *memory_flags, address_bits.unwrap());
            match ats {
                0 => &mut node,
                1 => node.ats(),
                _ => node.ats_and_pri(),
            }
            .id()
        }
        Kind::SmmuV2 { base, model, interrupts } => {
            let mut node = table.smmu_v2(*base);
            node.model(*model);
            for (gsiv, flags) in interrupts {
                node.context_interrupt(*gsiv, *flags);
            }
            node.id()
        }
        Kind::SmmuV3 { base, model, gsivs } => table.smmu_v3(*base).model(*model).interrupts(*gsivs).id(),
        Kind::Pmcg { page0, page1, .. } => {
            table.pmcg(*page0, fwspec::acpi::iort::Reference::Offset(0)).page1(page1.unwrap()).id()
        }
        Kind::Rmr { flags, ranges } => {
            let mut node = table.rmr();
            node.flags(*flags);
            for (base, length) in ranges {
                node.range(*base, *length);
            }
            node.id()
        }
        Kind::Iwb { base, index, path } => table.iwb(*base, *index, path).id(),
    }
}

/// Asks the decoder.
fn read(bytes: &[u8]) -> (u8, Vec<Node>) {
    let iort = Iort::parse(bytes).unwrap();
    assert_eq!((iort.sdt().checksum_sum(), iort.after_nodes().len()), (0, 0));
    let nodes: Vec<_> = iort.nodes().map(Result::unwrap).collect();
    let number = |offset: u32| nodes.binary_search_by_key(&offset, |node| node.offset()).unwrap();
    let read = |node: &fwspec::acpi::iort::Node<'_>| {
        assert_eq!(node.mappings_error(), None);
        let mappings = node.mappings().map(|mapping| Mapping {
            input: mapping.input_base,
            count_minus_one: mapping.count_minus_one,
            output: mapping.output_base,
            target: number(mapping.output_reference),
            flags: mapping.flags,
        });
        Node { kind: kind(node.body().unwrap(), number), mappings: mappings.collect() }
    };
    (iort.revision(), nodes.iter().map(read).collect())
}

fn kind(body: Body<'_>, number: impl Fn(u32) -> usize) -> Kind {
    match body {
        Body::ItsGroup(group) => Kind::ItsGroup(group.ids().collect::<Vec<_>>().try_into().unwrap()),
        Body::NamedComponent(component) => Kind::Component {
            path: component.path.to_string(),
            address_bits: component.address_limit,
            pasid_bits: component.pasid_bits.unwrap(),
            cca: component.memory.cca,
            memory_flags: component.memory.flags,
        },
        Body::RootComplex(root) => Kind::Root {
            segment: root.segment,
            ats: root.ats_attribute,
            address_bits: root.address_limit,
            cca: root.memory.cca,
            memory_flags: root.memory.flags,
        },
        Body::SmmuV2(smmu) => Kind::SmmuV2 {
            base: smmu.base,
            model: smmu.model,
            interrupts: smmu.context_interrupts().map(|wire| (wire.gsiv, wire.flags)).collect(),
        },
        Body::SmmuV3(smmu) => Kind::SmmuV3 {
            base: smmu.base,
            model: smmu.model,
            gsivs: [smmu.event_gsiv, smmu.pri_gsiv, smmu.gerr_gsiv, smmu.sync_gsiv],
        },
        Body::Pmcg(pmcg) => Kind::Pmcg {
            page0: pmcg.page0_base,
            page1: pmcg.page1_base,
            measured: number(pmcg.node_reference),
        },
        Body::Rmr(rmr) => Kind::Rmr {
            flags: rmr.flags,
            ranges: rmr.descriptors().map(|range| (range.base, range.length)).collect(),
        },
        Body::Iwb(bridge) => {
            Kind::Iwb { base: bridge.base, index: bridge.index, path: bridge.path.to_string() }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_built_is_what_is_read_in_random_tables() {
    let (mut nodes, mut mappings) = (0, 0);
    let tables: usize = cases_of_three(2_000, 10_000, 100_000);
    for seed in 0..tables {
        let (revision, model) = Dice(seed as u64).table();
        let bytes = write(revision, &model).finish();
        assert_eq!(read(&bytes), (revision, model.clone()), "seed {seed}");
        nodes += model.len();
        mappings += model.iter().map(|node| node.mappings.len()).sum::<usize>();
    }
    println!("{tables} tables, {nodes} nodes, {mappings} mappings read as they were built");
    assert!(nodes > 3 * tables && mappings > 3 * tables);
}

/// How many tables are written to files, for a program each.
fn written() -> u64 {
    cases_of_three(8, 25, 200)
}

/// Writes some of the tables to files and hands them to `check` one by one.
fn each_written(name: &str, mut check: impl FnMut(&Path, &[Node])) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for seed in 0..written() {
        let (revision, model) = Dice(seed).table();
        let path = folder.join(format!("{seed}.bin"));
        std::fs::write(&path, write(revision, &model).finish()).unwrap();
        check(&path, &model);
    }
}

#[test]
fn an_independent_reader_reads_them_alike() {
    let Some(oracle) = shared("oracle/iort_oracle.py") else { return };
    if !installed("python3") {
        return;
    }
    let mut tables = 0;
    each_written("oracle", |path, model| {
        let done = Command::new("python3").arg(&oracle).arg(path).arg("--no-flat").output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let nodes = said["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), model.len(), "{}", path.display());
        for (theirs, ours) in nodes.iter().zip(model) {
            let mappings: Vec<[u64; 4]> = theirs["mappings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| {
                    ["input_base", "id_count", "output_base", "flags"].map(|name| m[name].as_u64().unwrap())
                })
                .collect();
            let told: Vec<[u64; 4]> = ours
                .mappings
                .iter()
                .map(|m| [m.input, m.count_minus_one, m.output, m.flags].map(u64::from))
                .collect();
            assert_eq!(mappings, told, "{}: {theirs}", path.display());
        }
        tables += 1;
    });
    println!("{tables} of {} tables read alike", written());
    assert_eq!(tables, written());
}

/// What iasl (Debian 12's, 20200925) cannot read: nodes of later specifications, and a path that needs no padding (it calls that
/// a zero-length subtable, and stops).
fn beyond_iasl(node: &Node) -> bool {
    match &node.kind {
        Kind::Iwb { .. } | Kind::Rmr { .. } => true,
        Kind::Component { path, .. } => (29 + path.len() + 1).is_multiple_of(4),
        _ => false,
    }
}

#[test]
fn iasl_disassembles_them_without_complaint() {
    if !Command::new("iasl").arg("-v").output().is_ok_and(|done| done.status.success()) {
        skip("iasl is not installed");
        return;
    }
    let (mut tables, mut left_out) = (0, 0);
    each_written("iasl", |path, model| {
        if model.iter().any(beyond_iasl) {
            left_out += 1;
            return;
        }
        let out = path.with_extension("");
        let done = Command::new("iasl").arg("-p").arg(&out).arg("-d").arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success(), "{said}");
        let text = std::fs::read_to_string(out.with_extension("dsl")).unwrap();
        let fields = |name: &str| -> Vec<u64> {
            let values = text.lines().filter_map(|line| line.split_once(&format!(" {name} : ")));
            values.map(|(_, value)| u64::from_str_radix(value.trim(), 16).unwrap()).collect()
        };
        let told = |pick: fn(&Mapping) -> u32| -> Vec<u64> {
            model.iter().flat_map(|node| &node.mappings).map(|mapping| u64::from(pick(mapping))).collect()
        };
        assert_eq!(fields("Input base"), told(|m| m.input), "{}", path.display());
        assert_eq!(fields("ID Count"), told(|m| m.count_minus_one), "{}", path.display());
        assert_eq!(fields("Output Base"), told(|m| m.output), "{}", path.display());
        assert!(!said.contains("Error") && !text.contains("**** Invalid"), "{}: {said}", path.display());
        tables += 1;
    });
    println!("{tables} of {} tables disassembled, {left_out} left out for what iasl cannot read", written());
    assert!(tables > written() / 2);
}
