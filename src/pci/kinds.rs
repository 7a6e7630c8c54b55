//! What PCI functions are like. Most functions of a machine are like others: those of one card, the ports of one switch, the virtual
//! functions of one physical function. So their facts are kept once for all of a kind, with what follows from them.

use alloc::collections::BTreeMap;

use super::traits::Traits;
use super::{Fact, Function, PortType};
use crate::slab::{Key, Slab};

/// What functions are like which differ in their place only, and the buses below them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// With buses of 0 below a bridge.
    pub(super) function: Function,
    /// The type that they say they have; that in `function` is what Linux makes of it.
    pub(super) told: Fact<PortType>,
    pub(super) traits: Traits,
    mark: u32,
    /// How many functions there are of it.
    count: u32,
}

impl Kind {
    /// Whether these are its facts.
    #[inline]
    fn is(&self, function: &Function, told: Fact<PortType>) -> bool {
        self.told == told && self.function == *function
    }

    /// The facts of a function of this kind, which has these buses below it.
    pub(super) fn function(&self, buses: [u8; 2]) -> Function {
        Function { header: self.function.header.with_buses(buses), ..self.function }
    }
}

/// By what kinds are told apart. The mark comes first, so that two which differ are mostly compared by one number; two of one mark, which anybody
/// can make, are compared in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    mark: u32,
    function: Function,
    told: Fact<PortType>,
}

/// A number that differs between most functions which are not alike.
fn mark(function: &Function) -> u32 {
    let ids = u32::from(function.vendor) ^ u32::from(function.device) << 16;
    let port = match function.pcie {
        Fact::Present(PortType::RootPort) => 1,
        Fact::Present(PortType::UpstreamPort) => 2,
        Fact::Present(PortType::DownstreamPort) => 3,
        Fact::Present(_) => 4,
        Fact::Absent | Fact::Unknown => 0,
    };
    let control = function.acs.present().map_or(0, |acs| u32::from(acs.control.0) << 24);
    let several = u32::from(function.multifunction) << 20;
    (ids ^ function.class ^ control ^ several ^ port << 8).wrapping_mul(0x9e37_79b1)
}

/// In how many places a kind is looked for before all kinds are searched.
const RECENT: usize = 16;

/// The place of a mark among them.
fn place(mark: u32) -> usize {
    let [high, ..] = mark.to_be_bytes();
    usize::from(high >> 4)
}

/// The kinds of the functions that are there.
///
/// No two kinds are alike, `known` finds each of them, and `count` is above 0 exactly for those. `last` and `recent` are kinds that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    kinds: Slab<Kind>,
    known: BTreeMap<Facts, Key<Kind>>,
    /// The kind that came last: most functions are like the one before them.
    last: Option<Key<Kind>>,
    /// The last kind whose mark has this place: a card follows its port, and few kinds take turns.
    recent: [Option<Key<Kind>>; RECENT],
}

impl Kinds {
    pub(super) fn get(&self, kind: Key<Kind>) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    /// The kind of one more function, which has these facts and says that it has the type `told`; and its traits.
    #[inline]
    pub(super) fn add(&mut self, function: &Function, told: Fact<PortType>) -> (Key<Kind>, Traits) {
        if let Some(last) = self.last
            && let Some(kind) = self.kinds.get_mut(last)
            && kind.is(function, told)
        {
            kind.count = kind.count.saturating_add(1);
            return (last, kind.traits);
        }
        self.add_other(function, told)
    }

    /// As `add`, of a kind that is not the last one.
    #[inline(never)]
    fn add_other(&mut self, function: &Function, told: Fact<PortType>) -> (Key<Kind>, Traits) {
        let function = Function { header: function.header.with_buses([0; 2]), ..*function };
        let mark = mark(&function);
        if let Some(Some(recent)) = self.recent.get(place(mark))
            && let Some(kind) = self.kinds.get_mut(*recent)
            && kind.is(&function, told)
        {
            kind.count = kind.count.saturating_add(1);
            self.last = Some(*recent);
            return (*recent, kind.traits);
        }
        self.search(Facts { mark, function, told })
    }

    /// As `add`, of a kind that is not a recent one.
    #[inline(never)]
    fn search(&mut self, facts: Facts) -> (Key<Kind>, Traits) {
        let Facts { mark, function, told } = facts;
        let kinds = &mut self.kinds;
        let key = *self.known.entry(facts).or_insert_with(|| {
            kinds.insert(Kind { function, told, traits: Traits::of(&function), mark, count: 0 })
        });
        if let Some(recent) = self.recent.get_mut(place(mark)) {
            *recent = Some(key);
        }
        self.last = Some(key);
        let Some(kind) = self.kinds.get_mut(key) else { return (key, Traits::default()) };
        kind.count = kind.count.saturating_add(1);
        (key, kind.traits)
    }

    /// Forgets one function of a kind, and the kind with its last one.
    pub(super) fn remove(&mut self, key: Key<Kind>) {
        let Some(kind) = self.kinds.get_mut(key) else { return };
        kind.count = kind.count.saturating_sub(1);
        if kind.count == 0 {
            self.known.remove(&Facts { mark: kind.mark, function: kind.function, told: kind.told });
            let recent = self.recent.get_mut(place(kind.mark)).into_iter().chain([&mut self.last]);
            recent.filter(|recent| **recent == Some(key)).for_each(|recent| *recent = None);
            self.kinds.release(key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::pci::Ids;

    #[test]
    fn what_is_alike_is_kept_once_and_goes_with_the_last() {
        let (card, port) = (Function::endpoint(), Function::port(PortType::RootPort, 1, 1));
        let mut kinds = Kinds::default();
        let [a, b, c, d] = [card, port, card, card].map(|function| kinds.add(&function, function.pcie).0);
        assert!(a == c && c == d && a != b);
        // Ports are alike whatever the buses below them.
        let other = Function::port(PortType::RootPort, 2, 3);
        assert_eq!(kinds.add(&other, other.pcie).0, b);
        assert_eq!(kinds.get(b).unwrap().function(other.header.buses()), other);
        // The same facts, but another type was told.
        let (e, _) = kinds.add(&card, Fact::Absent);
        assert_ne!(e, a);
        for kind in [a, c, d] {
            assert_eq!(kinds.known.len(), 3);
            kinds.remove(kind);
        }
        assert_eq!(kinds.known.len(), 2);
        // Its place is taken by what comes next.
        let (f, _) = kinds.add(&card.ids(1, 2), card.pcie);
        assert_eq!((f, kinds.get(f).unwrap().function.vendor), (a, 1));
        assert_eq!(kinds.add(&port, port.pcie).0, b);
    }

    #[test]
    fn kinds_of_one_mark_are_told_apart() {
        let one = Function::endpoint().ids(3, 4);
        let other = Function { subsystem: Some(Ids { vendor: 5, device: 6 }), ..one };
        assert_eq!(mark(&one), mark(&other));
        let mut kinds = Kinds::default();
        let [a, b] = [one, other].map(|function| kinds.add(&function, function.pcie).0);
        assert_ne!(a, b);
        for function in [one, other, one, one] {
            let expected = if function == one { a } else { b };
            assert_eq!(kinds.add(&function, function.pcie).0, expected);
        }
        assert_eq!([a, b].map(|kind| kinds.get(kind).unwrap().count), [4, 2]);
        // The last one to come is forgotten with its kind.
        [a; 4].into_iter().for_each(|kind| kinds.remove(kind));
        assert_eq!((kinds.last, kinds.known.len()), (None, 1));
        assert_eq!(kinds.add(&other, other.pcie).0, b);
        assert_eq!(kinds.add(&one, one.pcie).0, a);
    }
}
