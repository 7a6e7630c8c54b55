//! Stream map entries and groups against the rule in its dullest form: sets of StreamIDs, bit by bit.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use fwspec::dt::Tree;
use fwspec::map::{StreamMap, StreamRefusal, StreamVerdict};
use fwspec::{Device, Dialect, Groups, IdMap, RequesterIndex};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::lint::dtb::Node;
use crate::support::outside::{shared, skip};

/// Ids of so many bits are told apart here; masks reach two bits further than most ids.
const BITS: u16 = 6;

type Master = Vec<(u16, u16)>;

/// What becomes of a master: its group, or the kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Group(usize),
    Overlap,
    TwoGroups,
}

/// The StreamIDs that an entry matches, each by itself.
fn matched((id, mask): (u16, u16)) -> BTreeSet<u16> {
    (0..1 << BITS).filter(|stream| (stream ^ id) & !mask == 0).collect()
}

/// The matched ids, how many uses, the group.
type Entry = (BTreeSet<u16>, u32, Option<usize>);

/// The rule of arm_smmu_master_alloc_smes and arm_smmu_device_group, over sets.
#[derive(Default)]
struct Dull {
    /// Freed entries stay as holes: the first hole is taken again.
    entries: Vec<Option<Entry>>,
    next: usize,
}

impl Dull {
    fn drop_all(&mut self, taken: &[usize]) {
        for at in taken {
            let entry = self.entries[*at].as_mut().unwrap();
            entry.1 -= 1;
            if entry.1 == 0 {
                self.entries[*at] = None;
            }
        }
    }

    fn add(&mut self, master: &[(u16, u16)]) -> Outcome {
        let mut taken = Vec::new();
        for id in master {
            let ids = matched(*id);
            let mut place = None;
            for (at, entry) in self.entries.iter().enumerate() {
                let Some((has, ..)) = entry else { continue };
                if ids.is_subset(has) {
                    place = Some(Ok(at));
                } else if !ids.is_disjoint(has) {
                    place = Some(Err(()));
                }
                if place.is_some() {
                    break;
                }
            }
            match place {
                Some(Err(())) => {
                    self.drop_all(&taken);
                    return Outcome::Overlap;
                }
                Some(Ok(at)) => taken.push(at),
                None => {
                    let hole = self.entries.iter().position(Option::is_none);
                    let at = hole.unwrap_or_else(|| {
                        self.entries.push(None);
                        self.entries.len() - 1
                    });
                    self.entries[at] = Some((ids, 0, None));
                    taken.push(at);
                }
            }
            self.entries[*taken.last().unwrap()].as_mut().unwrap().1 += 1;
        }
        let mut group = None;
        for at in &taken {
            let here = self.entries[*at].as_ref().unwrap().2;
            if group.is_some() && here.is_some() && group != here {
                self.drop_all(&taken);
                return Outcome::TwoGroups;
            }
            group = here;
        }
        let group = group.unwrap_or_else(|| {
            self.next += 1;
            for at in &taken {
                self.entries[*at].as_mut().unwrap().2 = Some(self.next);
            }
            self.next
        });
        Outcome::Group(group)
    }
}

fn masters() -> impl Strategy<Value = Vec<Master>> {
    let mask = prop_oneof![3 => Just(0_u16), 2 => 0_u16..1 << BITS, 1 => Just(3), 1 => Just(0x30)];
    let id = (0_u16..1 << BITS, mask);
    prop::collection::vec(prop::collection::vec(id, 1..4), 1..14)
}

proptest! {
    #![proptest_config(crate::support::cases::random(500, 2_000))]
    #[test]
    fn random_machines_get_the_entries_and_groups_of_the_rule(masters in masters()) {
        let mut map = StreamMap::default();
        let mut dull = Dull::default();
        let mut groups = 0;
        for (at, master) in masters.iter().enumerate() {
            let found = map.admit(at, master.iter().copied(), || {
                groups += 1;
                groups
            });
            let outcome = match found {
                Ok(StreamVerdict { group, .. }) => Outcome::Group(group),
                Err(StreamRefusal::Overlap { .. }) => Outcome::Overlap,
                Err(StreamRefusal::TwoGroups { .. }) => Outcome::TwoGroups,
                Err(other) => panic!("{other:?}"),
            };
            prop_assert_eq!(outcome, dull.add(master), "master {} of {:x?}", at, masters);
        }
    }
}

/// What `oracle/smmuv2.py` of the shared folder says of these machines, each master by itself; says so where it or Python is missing.
fn oracle(machines: &[Vec<Master>]) -> Option<Vec<Vec<String>>> {
    const DRIVER: &str = "
import sys
sys.path.insert(0, sys.argv[1])
from smmuv2 import Smmu
smmu = Smmu()
for line in sys.stdin:
    words = line.split()
    if not words:
        smmu = Smmu()
        print()
        continue
    print(smmu.add([tuple(int(half, 16) for half in word.split('/')) for word in words]))
";
    let folder = shared("oracle")?;
    let mut input = String::new();
    for machine in machines {
        for master in machine {
            let ids: Vec<String> = master.iter().map(|(id, mask)| format!("{id:x}/{mask:x}")).collect();
            input.push_str(&(ids.join(" ") + "\n"));
        }
        input.push('\n');
    }
    let mut python = Command::new("python3");
    python.arg("-c").arg(DRIVER).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut python) = python.spawn() else {
        skip(format_args!("no python3"));
        return None;
    };
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut all: Vec<Vec<String>> =
        text.split("\n\n").map(|machine| machine.lines().map(String::from).collect()).collect();
    all.truncate(machines.len());
    Some(all)
}

#[test]
fn random_machines_agree_with_an_independent_reading_of_the_driver() {
    let mut runner = TestRunner::deterministic();
    let strategy = masters();
    let machines: Vec<Vec<Master>> =
        (0..1_000).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let Some(theirs) = oracle(&machines) else { return };
    assert_eq!(theirs.len(), machines.len());
    let (mut refused, mut lost) = (0, 0);
    for (machine, theirs) in machines.iter().zip(&theirs) {
        let mut map = StreamMap::default();
        let mut next = 0;
        let mut ours = Vec::new();
        for (at, master) in machine.iter().enumerate() {
            let verdict = map.admit(at, master.iter().copied(), || {
                next += 1;
                next - 1
            });
            lost += usize::from(matches!(verdict, Ok(StreamVerdict { lost: Some(_), .. })));
            ours.push(match verdict {
                Ok(StreamVerdict { group, .. }) => group.to_string(),
                Err(StreamRefusal::Overlap { .. }) => "refused: overlap".into(),
                Err(StreamRefusal::TwoGroups { .. }) => "refused: two groups".into(),
                Err(other) => panic!("{other:?}"),
            });
        }
        assert_eq!(&ours, theirs, "{machine:x?}");
        refused += ours.iter().filter(|outcome| outcome.starts_with("refused")).count();
        // The same of a whole tree, where every master fails alone.
        let words: Vec<&str> = kernel(machine);
        for (word, theirs) in words.iter().zip(theirs) {
            let same = match theirs.as_str() {
                "refused: overlap" => *word == "refused-overlap",
                "refused: two groups" => *word == "refused-two-groups",
                _ => matches!(*word, "grouped" | "group-lost"),
            };
            assert!(same, "{word} is not {theirs}: {machine:x?}");
        }
    }
    println!("1000 machines: {refused} masters refused, {lost} groups lost");
    assert!(refused > 100 && lost > 10);
}

/// What Linux does with each master of a device tree, made by drivers so that each fails alone.
fn kernel(machine: &[Master]) -> Vec<&'static str> {
    let mut root = Node::default();
    root.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    let smmu = root.child("iommu@1000000").text("compatible", "arm,mmu-500");
    smmu.cells("#iommu-cells", &[2]).cells("phandle", &[1]);
    for (at, master) in machine.iter().enumerate() {
        let cells: Vec<u32> =
            master.iter().flat_map(|(id, mask)| [1, u32::from(*id), u32::from(*mask)]).collect();
        root.child(&format!("dev@{at:x}")).cells("iommus", &cells);
    }
    let mut platform = Tree::parse(&root.blob()).unwrap().platform().unwrap();
    platform.requesters.iter_mut().for_each(|requester| requester.made_by_driver = true);
    let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
    for (at, _) in RequesterIndex::number(&platform.requesters) {
        groups.add(Device::platform(at)).unwrap();
    }
    groups.kernel_answers(None).iter().map(|(_, answer)| answer.word()).collect()
}

#[test]
fn the_last_id_decides_and_a_group_can_be_lost() {
    let mut map = StreamMap::default();
    let mut next = 0;
    let mut add = |owner, ids: &[(u16, u16)]| {
        map.admit(owner, ids.iter().copied(), || {
            next += 1;
            next
        })
    };
    assert_eq!(add('a', &[(1, 0)]).unwrap().group, 1);
    assert_eq!(add('b', &[(2, 0)]).unwrap().group, 2);
    assert_eq!(add('c', &[(1, 0), (2, 0)]), Err(StreamRefusal::TwoGroups { one: 'a', other: 'b' }));
    assert_eq!(add('d', &[(0x10, 0)]).unwrap().group, 3);
    // The shared id first, the own id last: the group that was found is forgotten.
    assert_eq!(add('e', &[(0x10, 0), (0x11, 0)]), Ok(StreamVerdict { group: 4, lost: Some('d') }));
    assert_eq!(add('f', &[(0x21, 0), (1, 0)]), Ok(StreamVerdict { group: 1, lost: None }));
}

#[test]
fn no_smmu_has_more_than_128_entries() {
    let mut map = StreamMap::default();
    for id in 0..128 {
        assert!(map.admit(id, [(id, 0)], || id).is_ok());
    }
    assert_eq!(map.admit(200, [(200, 0)], || 200), Err(StreamRefusal::Full));
    assert!(map.admit(201, [(5, 0)], || 201).is_ok(), "inside an entry that is there");
}
