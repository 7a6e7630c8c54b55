//! Classes of devices that only ever merge, each an Euler tour over the half-edges of a tree of ties, which remembers why.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::entry::{DeviceRef, Entry};
use super::event::Packed;
use super::{DeviceKey, GroupId, Tie};
use crate::model::IommuIndex;
use crate::slab::{Beside, Key, Slab};
use crate::{Bdf, RequesterId, Segment, StreamId};

/// The partition of the devices. Each class is a tree of ties, and its members are found by walking along it; the smaller of
/// two is renamed when they merge, so that happens to a device log2(n) times at most. Nothing is kept of devices that left.
///
/// A device is in one class. The devices of a class are those of one tree, of as many ties as there are devices less one, and the
/// class counts them. The half-edges of a device are a list, doubly linked, from the vertex's first on.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    vertices: Beside<Option<Entry>, Vertex>,
    classes: Slab<Class>,
    /// The ties that hold the classes together, without any that could be left out.
    forest: Slab<Edge>,
    /// Those of them that do not fit there.
    long: Slab<Tie>,
}

/// A device in the forest; without a class where it is not there.
#[derive(Clone, Copy, Debug, Default)]
struct Vertex {
    class: Option<Key<Class>>,
    /// The first of its half-edges.
    first: Option<HalfEdge>,
}

/// One end of a tie: the key of the tie, and the highest bit for the second end. A forest has fewer ties than devices, and there
/// are fewer than 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HalfEdge(NonZeroU32);

/// A tie in the forest: for each half-edge the device that it leaves, and its neighbours among the half-edges of that device.
#[derive(Clone, Copy, Debug)]
struct Edge {
    tie: Short,
    of: [DeviceRef; 2],
    next: [Option<HalfEdge>; 2],
    previous: [Option<HalfEdge>; 2],
}

/// A tie in a third of the room that it has elsewhere. There is one for nearly every device, and nearly every one is of these kinds. A function stands
/// in its two parts, which leave room for the kind.
#[derive(Clone, Copy, Debug)]
enum Short {
    SharedAlias(RequesterId, Segment),
    AcsPath(RequesterId, Segment),
    Multifunction,
    /// At one of the first IOMMUs.
    SharedStreamId(u16, StreamId),
    RealDma(RequesterId, Segment),
    BusIsolation(RequesterId, Segment),
    Departed(RequesterId, Segment),
    /// Another.
    Long(Key<Tie>),
}

/// Devices that cannot be isolated from each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Class {
    /// One of them; `None` once all have left.
    any: Option<DeviceRef>,
    size: u32,
    group: ClassGroup,
}

/// The group of a class. The partition only carries it along.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassGroup {
    /// Its name; all ones where it has none.
    name: Packed,
    /// How many devices of the class are in it, of which there are fewer than 2^31; the highest bit for its owner.
    grouped: u32,
}

impl Default for ClassGroup {
    fn default() -> Self {
        ClassGroup { name: Packed::of(ClassGroup::NO_NAME), grouped: 0 }
    }
}

impl ClassGroup {
    /// No group is called so: names are counted from 0, and there are never so many events.
    const NO_NAME: GroupId = GroupId(u64::MAX);
    const OWNED: u32 = 1 << 31;

    /// Its name.
    pub(super) fn id(&self) -> Option<GroupId> {
        Some(self.name.id()).filter(|name| *name != ClassGroup::NO_NAME)
    }

    pub(super) fn set_id(&mut self, id: Option<GroupId>) {
        self.name = Packed::of(id.unwrap_or(ClassGroup::NO_NAME));
    }

    /// How many devices of the class are in it.
    pub(super) fn grouped(&self) -> u32 {
        self.grouped & !ClassGroup::OWNED
    }

    pub(super) fn set_grouped(&mut self, count: u32) {
        self.grouped = self.grouped & ClassGroup::OWNED | count.min(!ClassGroup::OWNED);
    }

    /// Whether it has an owner.
    pub(super) fn owned(&self) -> bool {
        self.grouped & ClassGroup::OWNED != 0
    }

    /// Says whether it has an owner. Returns what was so before.
    pub(super) fn set_owned(&mut self, owned: bool) -> bool {
        let before = self.owned();
        self.grouped = self.grouped() | if owned { ClassGroup::OWNED } else { 0 };
        before
    }
}

impl Class {
    pub(super) fn group(&self) -> &ClassGroup {
        &self.group
    }
}

impl HalfEdge {
    const SECOND: u32 = 1 << 31;

    const fn first_of(edge: Key<Edge>) -> Self {
        HalfEdge(edge.bits())
    }

    /// The half-edge of the same tie at its other end.
    fn twin(self) -> Self {
        HalfEdge(NonZeroU32::new(self.0.get() ^ HalfEdge::SECOND).unwrap_or(self.0))
    }

    fn edge(self) -> Option<Key<Edge>> {
        NonZeroU32::new(self.0.get() & !HalfEdge::SECOND).map(Key::from_bits)
    }

    /// That of two values which belongs to this end.
    fn of<T>(self, [first, second]: [T; 2]) -> T {
        if self.0.get() & HalfEdge::SECOND == 0 { first } else { second }
    }
}

/// A tour around the tree of a class, which meets every member.
#[derive(Clone, Debug)]
pub(super) struct Tour<'a> {
    partition: &'a Partition,
    start: Option<HalfEdge>,
    half: Option<HalfEdge>,
    /// The only member of a class without ties.
    alone: Option<DeviceRef>,
}

impl Iterator for Tour<'_> {
    type Item = DeviceRef;

    fn next(&mut self) -> Option<DeviceRef> {
        while let Some(here) = self.half.take() {
            self.half = self.partition.step(here).filter(|next| Some(*next) != self.start);
            // The tour meets a device as often as it has ties; it counts once.
            let device = self.partition.device_of(here)?;
            if self.partition.first(device) == Some(here) {
                return Some(device);
            }
        }
        self.alone.take()
    }
}

/// What a device is tied to, see [`Partition::neighbours`].
#[derive(Clone, Debug)]
pub(super) struct Neighbours<'a> {
    partition: &'a Partition,
    rest: Option<HalfEdge>,
}

impl Iterator for Neighbours<'_> {
    type Item = (DeviceRef, Tie);

    fn next(&mut self) -> Option<(DeviceRef, Tie)> {
        let half = self.rest?;
        let edge = self.partition.forest.get(half.edge())?;
        self.rest = half.of(edge.next);
        Some((half.twin().of(edge.of), self.partition.tie_of(edge)?))
    }
}

impl Partition {
    /// Puts a device into a class of its own.
    pub(super) fn insert(&mut self, device: DeviceRef) {
        let class = self.classes.insert(Class { any: Some(device), size: 1, group: ClassGroup::default() });
        self.vertices.set(device, Vertex { class: Some(class), first: None });
    }

    /// Puts a device into the class of another one, to which it is tied.
    pub(super) fn insert_beside(&mut self, device: DeviceRef, other: DeviceRef, tie: Tie) {
        let class = self.class_of(other).filter(|_| device != other);
        let Some((key, class)) = class.and_then(|key| Some((key, self.classes.get_mut(key)?))) else {
            return self.insert(device);
        };
        class.size = class.size.saturating_add(1);
        self.vertices.set(device, Vertex { class: Some(key), first: None });
        self.tie(device, other, tie);
    }

    fn first(&self, device: DeviceRef) -> Option<HalfEdge> {
        self.vertices.get(device)?.first
    }

    fn set_first(&mut self, device: DeviceRef, first: Option<HalfEdge>) {
        if let Some(vertex) = self.vertices.get_mut(device) {
            vertex.first = first;
        }
    }

    fn rename(&mut self, device: DeviceRef, class: Key<Class>) {
        if let Some(vertex) = self.vertices.get_mut(device) {
            vertex.class = Some(class);
        }
    }

    /// The class that a device is in.
    pub(super) fn class_of(&self, device: DeviceRef) -> Option<Key<Class>> {
        self.vertices.get(device)?.class
    }

    pub(super) fn class(&self, class: Key<Class>) -> Option<&Class> {
        self.classes.get(class)
    }

    /// The group that a class carries.
    pub(super) fn group(&self, class: Key<Class>) -> Option<&ClassGroup> {
        self.classes.get(class).map(|class| &class.group)
    }

    pub(super) fn group_mut(&mut self, class: Key<Class>) -> Option<&mut ClassGroup> {
        self.classes.get_mut(class).map(|class| &mut class.group)
    }

    pub(super) fn groups_mut(&mut self) -> impl Iterator<Item = &mut ClassGroup> {
        self.classes.iter_mut().filter(|class| class.size > 0).map(|class| &mut class.group)
    }

    /// Ties two devices. Returns the class that has all members now and the group of the one that it absorbed, if that changes
    /// anything.
    pub(super) fn union(&mut self, a: DeviceRef, b: DeviceRef, tie: Tie) -> Option<(Key<Class>, ClassGroup)> {
        let (class_a, class_b) = (self.class_of(a)?, self.class_of(b)?);
        if class_a == class_b {
            return None;
        }
        // Of two of one size the second stays: it mostly is the older one, and has a group.
        let smaller = self.classes.get(class_a)?.size <= self.classes.get(class_b)?.size;
        let (class, gone) = if smaller { (class_b, class_a) } else { (class_a, class_b) };
        let moved = core::mem::take(self.classes.get_mut(gone)?);
        self.classes.release(gone);
        moved.any.into_iter().for_each(|any| self.rename_all(any, class));
        self.tie(a, b, tie);
        let stays = self.classes.get_mut(class)?;
        stays.size = stays.size.saturating_add(moved.size);
        Some((class, moved.group))
    }

    /// Gives every device of a tree another class.
    fn rename_all(&mut self, any: DeviceRef, class: Key<Class>) {
        let Some(start) = self.first(any) else { return self.rename(any, class) };
        let mut here = start;
        loop {
            let Some(device) = self.device_of(here) else { return };
            self.rename(device, class);
            match self.step(here) {
                Some(next) if next != start => here = next,
                _ => return,
            }
        }
    }

    fn shorten(&mut self, tie: Tie) -> Short {
        match tie {
            Tie::SharedAlias(bdf) => Short::SharedAlias(bdf.rid, bdf.segment),
            Tie::AcsPath { port } => Short::AcsPath(port.rid, port.segment),
            Tie::Multifunction => Short::Multifunction,
            Tie::SharedStreamId { iommu, id } => match iommu.0.try_into() {
                Ok(iommu) => Short::SharedStreamId(iommu, id),
                Err(_) => Short::Long(self.long.insert(tie)),
            },
            Tie::RealDma(bdf) => Short::RealDma(bdf.rid, bdf.segment),
            Tie::BusIsolation { switch } => Short::BusIsolation(switch.rid, switch.segment),
            Tie::Departed(DeviceKey::Pci(bdf)) => Short::Departed(bdf.rid, bdf.segment),
            Tie::DmaAliasQuirk { .. }
            | Tie::FirmwareAlias { .. }
            | Tie::Driver { .. }
            | Tie::Container(_)
            | Tie::Departed(DeviceKey::Node(_) | DeviceKey::OnBus { .. }) => {
                Short::Long(self.long.insert(tie))
            }
        }
    }

    fn tie_of(&self, edge: &Edge) -> Option<Tie> {
        Some(match edge.tie {
            Short::SharedAlias(rid, segment) => Tie::SharedAlias(Bdf { segment, rid }),
            Short::AcsPath(rid, segment) => Tie::AcsPath { port: Bdf { segment, rid } },
            Short::Multifunction => Tie::Multifunction,
            Short::SharedStreamId(iommu, id) => Tie::SharedStreamId { iommu: IommuIndex(iommu.into()), id },
            Short::RealDma(rid, segment) => Tie::RealDma(Bdf { segment, rid }),
            Short::BusIsolation(rid, segment) => Tie::BusIsolation { switch: Bdf { segment, rid } },
            Short::Departed(rid, segment) => Tie::Departed(DeviceKey::Pci(Bdf { segment, rid })),
            Short::Long(tie) => *self.long.get(tie)?,
        })
    }

    /// Takes a tie, of which no device has a half-edge any more, out of the forest.
    fn untie(&mut self, edge: Key<Edge>) {
        if let Some(Edge { tie: Short::Long(tie), .. }) = self.forest.get(edge) {
            self.long.release(*tie);
        }
        self.forest.release(edge);
    }

    /// Adds a tie to the forest.
    fn tie(&mut self, a: DeviceRef, b: DeviceRef, tie: Tie) {
        let tie = self.shorten(tie);
        let next = [a, b].map(|device| self.first(device));
        let edge = self.forest.insert(Edge { tie, of: [a, b], next, previous: [None; 2] });
        let half = HalfEdge::first_of(edge);
        let [next_a, next_b] = next;
        for (half, device, next) in [(half, a, next_a), (half.twin(), b, next_b)] {
            self.set_previous(next, Some(half));
            self.set_first(device, Some(half));
        }
    }

    /// Takes a half-edge out of the list of its device.
    fn unlink(&mut self, half: HalfEdge) {
        let Some(edge) = self.forest.get(half.edge()) else { return };
        let (device, next, previous) = (half.of(edge.of), half.of(edge.next), half.of(edge.previous));
        self.set_previous(next, previous);
        let Some(previous) = previous else { return self.set_first(device, next) };
        if let Some(edge) = self.forest.get_mut(previous.edge()) {
            *previous.of(edge.next.each_mut()) = next;
        }
    }

    fn set_previous(&mut self, half: Option<HalfEdge>, previous: Option<HalfEdge>) {
        let Some(half) = half else { return };
        if let Some(edge) = self.forest.get_mut(half.edge()) {
            *half.of(edge.previous.each_mut()) = previous;
        }
    }

    /// The device that a half-edge leaves.
    fn device_of(&self, half: HalfEdge) -> Option<DeviceRef> {
        Some(half.of(self.forest.get(half.edge())?.of))
    }

    /// The next half-edge of the same device.
    fn next(&self, half: HalfEdge) -> Option<HalfEdge> {
        half.of(self.forest.get(half.edge())?.next)
    }

    /// The next step of the tour, which leaves by every half-edge once: along the tie, then by the half-edge after the one that
    /// it arrived at, or the device's first again.
    fn step(&self, half: HalfEdge) -> Option<HalfEdge> {
        let arrived = half.twin();
        let edge = self.forest.get(arrived.edge())?;
        match arrived.of(edge.next) {
            Some(next) => Some(next),
            None => self.first(arrived.of(edge.of)),
        }
    }

    /// The members of a class, in no order.
    pub(super) fn members(&self, class: &Class) -> Tour<'_> {
        let start = class.any.and_then(|any| self.first(any));
        Tour { partition: self, start, half: start, alone: class.any.filter(|_| start.is_none()) }
    }

    /// Takes a device, whose key was this, out. What it held together stays together: its neighbours in the forest are chained
    /// up, which costs no more over time than there were ties.
    pub(super) fn remove(&mut self, device: DeviceRef, key: DeviceKey) {
        let Some(class) = self.class_of(device) else { return };
        let mut neighbours = Vec::new();
        let mut rest = self.first(device);
        while let Some(half) = rest {
            neighbours.extend(self.device_of(half.twin()));
            self.unlink(half.twin());
            rest = self.next(half);
            half.edge().into_iter().for_each(|edge| self.untie(edge));
        }
        neighbours.sort_unstable();
        for (a, b) in neighbours.iter().zip(neighbours.iter().skip(1)) {
            self.tie(*a, *b, Tie::Departed(key));
        }
        if let Some(vertex) = self.vertices.get_mut(device) {
            *vertex = Vertex::default();
        }
        let Some(left) = self.classes.get_mut(class) else { return };
        left.size = left.size.saturating_sub(1);
        if left.any == Some(device) {
            left.any = neighbours.first().copied();
        }
        if left.size == 0 {
            *left = Class::default();
            self.classes.release(class);
        }
    }

    /// What a device is tied to in the forest, in no order.
    pub(super) fn neighbours(&self, device: DeviceRef) -> Neighbours<'_> {
        Neighbours { partition: self, rest: self.first(device) }
    }

    /// The steps from one device to another along the forest; empty where there are none.
    pub(super) fn path(&self, from: DeviceRef, to: DeviceRef) -> Vec<(DeviceRef, DeviceRef, Tie)> {
        if from == to || self.class_of(from) != self.class_of(to) {
            return Vec::new();
        }
        let start = self.first(from);
        // The half-edges by which the tour left and has not come back.
        let mut left: Vec<HalfEdge> = Vec::new();
        let mut rest = start;
        while let Some(half) = rest {
            if left.last() == Some(&half.twin()) {
                left.pop();
            } else {
                left.push(half);
            }
            if self.device_of(half.twin()) == Some(to) {
                break;
            }
            rest = self.step(half).filter(|next| Some(*next) != start);
        }
        let step = |half: HalfEdge| {
            let edge = self.forest.get(half.edge())?;
            Some((half.of(edge.of), half.twin().of(edge.of), self.tie_of(edge)?))
        };
        left.into_iter().filter_map(step).collect()
    }

    /// The classes that have members.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key<Class>, &Class)> {
        self.classes.iter().filter(|(_, class)| class.size > 0)
    }

    /// Checks what the type promises.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let mut met = 0_usize;
        for (key, class) in self.iter() {
            let (mut size, mut half_edges) = (0_u32, 0_u32);
            for device in self.members(class) {
                if self.class_of(device) != Some(key) {
                    return Err("a device is in the tree of another class");
                }
                size = size.saturating_add(1);
                let mut previous = None;
                let mut rest = self.first(device);
                while let Some(half) = rest {
                    let Some(edge) = self.forest.get(half.edge()) else { return Err("a tie is not kept") };
                    if half.of(edge.of) != device || half.of(edge.previous) != previous {
                        return Err("the half-edges of a device are not a list");
                    }
                    half_edges = half_edges.saturating_add(1);
                    previous = Some(half);
                    rest = half.of(edge.next);
                }
            }
            if size != class.size || half_edges != size.saturating_sub(1).saturating_mul(2) {
                return Err("a class is not one tree of all its devices");
            }
            met = met.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        }
        if met != self.vertices.iter().filter(|vertex| vertex.class.is_some()).count() {
            return Err("a device has a class that does not have it");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_each_device_is_small() {
        assert_eq!([size_of::<Option<Entry>>(), size_of::<Vertex>()], [12, 8]);
        assert_eq!([size_of::<Edge>(), size_of::<Class>()], [32, 20]);
    }
}
