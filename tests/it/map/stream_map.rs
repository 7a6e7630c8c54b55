//! Stream map entries and groups against the rule in its dullest form: sets of StreamIDs, bit by bit.

use std::collections::BTreeSet;

use fwspec::map::{StreamMap, StreamRefusal, StreamVerdict};
use proptest::prelude::*;

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
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
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
