//! What changed in meaning between two firmwares: requester IDs, StreamIDs, routes, reserved memory. Bytes do not matter.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::map::NoStream;
use crate::model::{
    BusKind, IdBus, IdTable, IommuIndex, MsiController, MsiControllerIndex, MsiKind, MsiRoute, Requester,
    RequesterIndex, RequesterKind,
};
use crate::{Bdf, DeviceId, IdMap, InputIds, Platform, RequesterId, Segment, StreamId, map::Stream};

use super::scopes;
use crate::map::{Fwspec, MsiRequest};

/// One firmware of a comparison: its facts, and the map built from them.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The facts.
    pub platform: &'a Platform,
    /// Their map, under the same dialect as the other side's.
    pub map: &'a IdMap,
}

/// The name of an IOMMU on both sides: the address of its registers, or its label where the address is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IommuName {
    /// Physical address.
    Base(u64),
    /// The firmware's name.
    Label(String),
}

/// Where the DMA and the MSIs of an input go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// The StreamID; `None` where nothing translates it.
    pub stream: Option<StreamAt>,
    /// The DeviceID; `None` where MSIs go nowhere.
    pub device: Option<DeviceAt>,
    /// Of a [`Difference`] about a range: the StreamID of its last input, where ids count up.
    pub last_stream: Option<StreamId>,
    /// Of a [`Difference`] about a range: the DeviceID of its last input, where ids count up.
    pub last_device: Option<DeviceId>,
    /// Which unit translates it depends on the bridges above the function (DMAR).
    pub needs_topology: bool,
}

/// A StreamID, at an IOMMU that both sides may know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct StreamAt {
    /// The IOMMU.
    pub iommu: IommuName,
    /// The StreamID; `None` where the IOMMU does not tell its masters apart.
    pub id: Option<StreamId>,
    /// StreamID bits to ignore.
    pub mask: u16,
}

/// A DeviceID, at an MSI controller that both sides may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeviceAt {
    /// The controller of the first side; `None` where only the second side has it.
    pub controller: Option<MsiControllerIndex>,
    /// The DeviceID.
    pub id: DeviceId,
}

/// StreamIDs of an IOMMU that both sides may know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct StreamsAt {
    /// The IOMMU.
    pub iommu: IommuName,
    /// First StreamID.
    pub first: StreamId,
    /// Last StreamID, inclusive.
    pub last: StreamId,
}

/// A difference in meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Difference {
    /// An IOMMU that only one side has.
    Iommu {
        /// The IOMMU.
        name: IommuName,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// A scope of a unit of a DMAR, or an interrupt source of a unit of a DMAR or IVRS, that only one side has.
    Scope {
        /// The unit.
        iommu: IommuName,
        /// In words: `endpoint 0000:00:02.0`, `I/O APIC 8 as f0:1f.0`.
        scope: String,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// A sentence about ATS that only one side has (DMAR, IVRS).
    Ats {
        /// The sentence.
        said: String,
        /// Whether it is the second side that says it.
        added: bool,
    },
    /// Functions that also send as another function on one side, and on the other side do not, or send as a third one (IVRS).
    Alias {
        /// The segment.
        segment: Segment,
        /// First function.
        first: RequesterId,
        /// Last function, inclusive.
        last: RequesterId,
        /// The function that they also send as, on the first side.
        before: Option<RequesterId>,
        /// On the second.
        after: Option<RequesterId>,
    },
    /// Requester IDs that go elsewhere; both destinations are those of the first ID.
    Requesters {
        /// The segment.
        segment: Segment,
        /// First requester ID.
        first: RequesterId,
        /// Last requester ID, inclusive.
        last: RequesterId,
        /// On the first side.
        before: Destination,
        /// On the second.
        after: Destination,
    },
    /// StreamIDs of a platform device that only one side has: named components and device-tree masters have no common names.
    Master {
        /// What its side calls it.
        name: String,
        /// Its ids, ascending.
        streams: Vec<StreamAt>,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// Ids of a bus other than PCI that go elsewhere; both destinations are those of the first id. Only between firmwares of one kind.
    OnBus {
        /// The firmware's name for the bus.
        bus: String,
        /// The ids.
        ids: InputIds,
        /// On the first side.
        before: Destination,
        /// On the second.
        after: Destination,
    },
    /// A DeviceID of a node's own MSIs that only one side has: of an SMMU or PMCG, a named component, a wire bridge. Only between
    /// firmwares of one kind, and not for IOMMUs that only one side has.
    OwnMsi {
        /// What its side calls it.
        name: String,
        /// The DeviceID.
        id: DeviceId,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// A fact about the DMA of a device that both sides have, other than its destination.
    Fact {
        /// The first side's name for it; for a PCI host its segment.
        name: String,
        /// The fact: `coherent`, `dma-limit`, `pasid-bits`, `can-stall`.
        fact: &'static str,
        /// On the first side, in words.
        before: String,
        /// On the second.
        after: String,
    },
    /// Reserved memory that only one side has.
    Reserved {
        /// First address.
        base: u64,
        /// Length in bytes.
        length: u64,
        /// Its kind, as [`RegionKind::word`](crate::model::RegionKind::word) says it.
        kind: &'static str,
        /// The StreamIDs that it is for.
        streams: Vec<StreamsAt>,
        /// The PCI functions that it is for, in words (DMAR, IVRS).
        devices: Vec<String>,
        /// Whether it is the second side that has it.
        added: bool,
    },
}

/// A platform device, compared by its ids alone.
#[derive(Eq)]
struct Named {
    streams: Vec<StreamAt>,
    name: String,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.streams == other.streams
    }
}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.streams.cmp(&other.streams)
    }
}

/// All differences. IOMMUs are matched by the address of their registers; MSI controllers by their names where both sides are of
/// one kind of firmware, else by what reaches them. Requester
/// IDs for which `wanted` is false are left out: buses that no device is on.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// use fwspec::diff::{Difference, Side, diff};
/// use fwspec::{Dialect, IdMap};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0xffff, 0, smmu);
/// let platform = Iort::parse(&table.finish())?.platform();
/// let map = IdMap::build(&platform, Dialect::LINUX);
/// let side = Side { platform: &platform, map: &map };
/// assert!(diff(side, side, |_| true).is_empty());
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn diff(before: Side<'_>, after: Side<'_>, wanted: impl Fn(Bdf) -> bool) -> Vec<Difference> {
    let mut changes = Vec::new();
    let names = |side: Side<'_>| {
        let mut names: Vec<_> =
            side.platform.iommus.iter().map(|iommu| side.iommu(iommu.base, iommu.origin)).collect();
        names.sort();
        names
    };
    for (name, added) in only(names(before), names(after)) {
        changes.push(Difference::Iommu { name, added });
    }
    if before.platform.format() == after.platform.format() {
        for ((iommu, scope), added) in only(before.scopes(), after.scopes()) {
            changes.push(Difference::Scope { iommu, scope, added });
        }
    }
    let mut segments: Vec<Segment> = before.segments().chain(after.segments()).collect();
    segments.sort_unstable();
    segments.dedup();
    let mut controllers = Controllers::of(before.platform, after.platform);
    for segment in segments {
        requesters(before, after, segment, &wanted, &mut controllers, &mut changes);
    }
    // A device has another name in the other kind of firmware: only its ids are the same.
    for (master, added) in only(before.masters(), after.masters()) {
        changes.push(Difference::Master { name: master.name, streams: master.streams, added });
    }
    buses(before, after, &mut controllers, &mut changes);
    own_msis(before, after, &controllers, &mut changes);
    facts(before, after, &mut changes);
    for scopes::Alias { segment, first, last, aliases: [ours, theirs] } in
        scopes::aliases((before.platform, before.map), (after.platform, after.map))
    {
        changes.push(Difference::Alias { segment, first, last, before: ours, after: theirs });
    }
    for (said, added) in only(before.ats(), after.ats()) {
        changes.push(Difference::Ats { said, added });
    }
    for ((base, length, kind, streams, devices), added) in only(before.reserved(), after.reserved()) {
        changes.push(Difference::Reserved { base, length, kind, streams, devices, added });
    }
    changes
}

/// Which controllers of both sides are the same: in two firmwares of one kind those with one name, in a device tree and an IORT
/// those that the same requester ID reaches.
#[derive(Default)]
struct Controllers {
    /// From an index of the second side to one of the first side; of several with one name the first.
    known: BTreeMap<MsiControllerIndex, MsiControllerIndex>,
    /// From an index of the first side to the first with the same name.
    alike: BTreeMap<MsiControllerIndex, MsiControllerIndex>,
    by_name: bool,
}

impl Controllers {
    fn of(before: &Platform, after: &Platform) -> Self {
        if before.format() != after.format() {
            return Controllers::default();
        }
        let name = |platform: &Platform, controller: &MsiController| match &controller.kind {
            // An ITS has the same identifier in any group; of a group the first ITS is used.
            MsiKind::ItsGroup(its) => (its.first().copied(), String::new()),
            _ => (None, platform.label(controller.origin).to_string()),
        };
        let mut ours: BTreeMap<_, MsiControllerIndex> = BTreeMap::new();
        let named = MsiControllerIndex::number(&before.msi_controllers);
        let alike =
            named.map(|(at, controller)| (at, *ours.entry(name(before, controller)).or_insert(at))).collect();
        let theirs = MsiControllerIndex::number(&after.msi_controllers);
        let known = theirs.filter_map(|(at, controller)| Some((at, *ours.get(&name(after, controller))?)));
        Controllers { known: known.collect(), alike, by_name: true }
    }

    /// What the second side says, with the controller as the first side has it.
    fn same(&mut self, before: Option<MsiRequest>, after: Option<MsiRequest>) -> Option<DeviceAt> {
        let MsiRequest { controller, id } = after?;
        let ours = before.map(|ours| ours.controller);
        if self.by_name {
            // A device that only the second side has is not one of the first side.
            let known = self.known.get(&controller);
            let ours = ours.filter(|ours| known.is_some() && self.alike.get(ours) == known);
            return Some(DeviceAt { controller: ours.or(known.copied()), id });
        }
        let free = |ours, known: &BTreeMap<MsiControllerIndex, MsiControllerIndex>| {
            !known.values().any(|other| *other == ours)
        };
        if let Some(ours) = ours
            && !self.known.contains_key(&controller)
            && free(ours, &self.known)
        {
            self.known.insert(controller, ours);
        }
        Some(DeviceAt { controller: self.known.get(&controller).copied(), id })
    }
}

impl Controllers {
    /// Both sides' destinations of one input.
    fn destinations(
        &mut self,
        streams: [Option<StreamAt>; 2],
        devices: [Option<MsiRequest>; 2],
    ) -> (Destination, Destination) {
        let ([before, after], [ours, theirs]) = (streams, devices);
        let device = ours.map(|ours| DeviceAt { controller: Some(ours.controller), id: ours.id });
        let ours = Destination { stream: before, device, ..Destination::default() };
        let theirs =
            Destination { stream: after, device: self.same(devices[0], theirs), ..Destination::default() };
        (ours, theirs)
    }
}

fn requesters(
    before: Side<'_>,
    after: Side<'_>,
    segment: Segment,
    wanted: &impl Fn(Bdf) -> bool,
    controllers: &mut Controllers,
    changes: &mut Vec<Difference>,
) {
    let mut starts = alloc::vec![0_u32];
    for side in [before, after] {
        side.breaks(segment, &mut starts);
    }
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| InputIds::REQUESTER_IDS.contains(*start));
    for (position, first) in starts.iter().enumerate() {
        let last = starts
            .get(position.saturating_add(1))
            .map_or(InputIds::REQUESTER_IDS.last, |next| next.saturating_sub(1));
        let mut compare = |id: u32| {
            let bdf = Bdf { segment, rid: narrow(id) };
            let devices = [before, after].map(|side| side.map.device_id_of(bdf));
            let [ours, theirs] = [before, after].map(|side| side.map.resolve(bdf));
            let open = [&ours, &theirs].map(|side| matches!(side, Err(NoStream::NeedsTopology { .. })));
            let (mut ours, mut theirs) =
                controllers.destinations([before.at(ours.ok()), after.at(theirs.ok())], devices);
            [ours.needs_topology, theirs.needs_topology] = open;
            (ours, theirs)
        };
        // Between two breaks each side counts up or stays the same: equal at both ends is equal everywhere.
        let (ours, theirs) = compare(*first);
        let (ours_last, theirs_last) = compare(last);
        if ours == theirs && ours_last == theirs_last {
            continue;
        }
        let bdf = |id: u32| Bdf { segment, rid: narrow(id) };
        for (first, last) in runs(*first, last, |id| {
            let (ours, theirs) = compare(id);
            wanted(bdf(id)) && ours != theirs
        }) {
            let ((ours, theirs), (ours_last, theirs_last)) = (compare(first), compare(last));
            let (before, after) = (ours.up_to(&ours_last), theirs.up_to(&theirs_last));
            append(changes, (segment, narrow(first), narrow(last)), [before, after]);
        }
    }
}

/// Adds functions that go elsewhere; to those before them, if the ids of both sides continue theirs.
pub(super) fn append(
    changes: &mut Vec<Difference>,
    (segment, first, last): (Segment, RequesterId, RequesterId),
    [before, after]: [Destination; 2],
) {
    if let Some(Difference::Requesters { segment: of, first: start, last: end, before: ours, after: theirs }) =
        changes.last_mut()
        && *of == segment
        && end.0.checked_add(1) == Some(first.0)
    {
        let inputs = [*start, *end, first, last].map(|rid| u32::from(rid.0));
        if ours.goes_on(&before, inputs) && theirs.goes_on(&after, inputs) {
            ours.extend(&before);
            theirs.extend(&after);
            *end = last;
            return;
        }
    }
    changes.push(Difference::Requesters { segment, first, last, before, after });
}

impl Destination {
    /// The destination of the first of a range of inputs, given that of the last one.
    pub(super) fn up_to(mut self, last: &Destination) -> Destination {
        self.extend(last);
        self
    }

    fn extend(&mut self, last: &Destination) {
        let id = |destination: &Destination| {
            destination.last_stream.or(destination.stream.as_ref().and_then(|stream| stream.id))
        };
        let device = |destination: &Destination| {
            destination.last_device.or(destination.device.map(|device| device.id))
        };
        self.last_stream = id(last).filter(|last| self.stream.as_ref().and_then(|s| s.id) != Some(*last));
        self.last_device = device(last).filter(|last| self.device.map(|d| d.id) != Some(*last));
    }

    /// Whether the destination of the inputs that follow continues this one: ids count up over all of them, or stay the same.
    fn goes_on(&self, next: &Destination, [first, end, start, last]: [u32; 4]) -> bool {
        let ids = |destination: &Destination| {
            let id = destination.stream.as_ref().and_then(|stream| stream.id)?.0;
            Some((id, destination.last_stream.map_or(id, |last| last.0)))
        };
        let devices = |destination: &Destination| {
            let id = destination.device?.id.0;
            Some((id, destination.last_device.map_or(id, |last| last.0)))
        };
        let runs = |ours: Option<(u32, u32)>, theirs: Option<(u32, u32)>| match (ours, theirs) {
            (None, None) => true,
            (Some((a, b)), Some((c, d))) => {
                let counts = b.wrapping_sub(a) == end.wrapping_sub(first)
                    && d.wrapping_sub(c) == last.wrapping_sub(start)
                    && b.checked_add(1) == Some(c);
                counts || [a, b, c, d] == [a; 4]
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        let place = |destination: &Destination| {
            destination.stream.as_ref().map(|at| (at.iommu.clone(), at.id.is_some(), at.mask))
        };
        let controller = |destination: &Destination| destination.device.map(|device| device.controller);
        self.needs_topology == next.needs_topology
            && place(self) == place(next)
            && controller(self) == controller(next)
            && runs(ids(self), ids(next))
            && runs(devices(self), devices(next))
    }
}

fn narrow(id: u32) -> RequesterId {
    u16::try_from(id).map_or(RequesterId::MAX, RequesterId)
}

/// Buses that are not PCI, by name.
fn buses(before: Side<'_>, after: Side<'_>, controllers: &mut Controllers, changes: &mut Vec<Difference>) {
    if !controllers.by_name {
        return;
    }
    let mut named: BTreeMap<String, [Option<RequesterIndex>; 2]> = BTreeMap::new();
    for (side, of) in [before, after].into_iter().zip([0, 1]) {
        for (at, requester) in RequesterIndex::number(&side.platform.requesters) {
            if let RequesterKind::Bus(IdBus { kind: BusKind::Other, .. }) = &requester.kind {
                let buses = named.entry(side.platform.label(requester.origin).to_string()).or_default();
                if let Some(bus) = buses.get_mut(of) {
                    *bus = Some(at);
                }
            }
        }
    }
    for (bus, [ours, theirs]) in named {
        let mut starts = alloc::vec![0_u32];
        for (side, at) in [(before, ours), (after, theirs)] {
            let Some(at) = at else { continue };
            let ranges = side.map.counted_ranges(at, u32::MAX).chain(side.map.device_ranges(at, u32::MAX));
            starts.extend(ranges.flat_map(|range| [Some(range.first), range.last.checked_add(1)]).flatten());
        }
        starts.sort_unstable();
        starts.dedup();
        for (position, first) in starts.iter().enumerate() {
            let next = starts.get(position.saturating_add(1));
            let last = next.map_or(u32::MAX, |next| next.saturating_sub(1));
            let mut compare = |id: u32| {
                let sides = [(before, ours), (after, theirs)];
                let streams = sides.map(|(side, bus)| side.at(side.map.stream_from(bus?, id).ok()));
                let devices = sides.map(|(side, bus)| side.map.msi_from(bus?, id));
                controllers.destinations(streams, devices)
            };
            let (before, after) = compare(*first);
            let (before_last, after_last) = compare(last);
            if before != after || before_last != after_last {
                let (before, after) = (before.up_to(&before_last), after.up_to(&after_last));
                changes.push(Difference::OnBus {
                    bus: bus.clone(),
                    ids: InputIds { first: *first, last },
                    before,
                    after,
                });
            }
        }
    }
}

/// A DeviceID that a node has by itself: whose it is, which for a PMCG nothing says; at which controller; and the id.
#[derive(Eq)]
struct Own {
    key: (Option<IommuName>, Option<MsiControllerIndex>, u32),
    name: String,
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl PartialOrd for Own {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Own {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

fn own_msis(before: Side<'_>, after: Side<'_>, controllers: &Controllers, changes: &mut Vec<Difference>) {
    if !controllers.by_name {
        return;
    }
    let both = |name: &IommuName| {
        [before, after].iter().all(|side| {
            let mut iommus = side.platform.iommus.iter();
            iommus.any(|iommu| side.iommu(iommu.base, iommu.origin) == *name)
        })
    };
    let ours = before.own_msis(both, |at| controllers.alike.get(&at).copied().or(Some(at)));
    let theirs = after.own_msis(both, |at| controllers.known.get(&at).copied());
    for (own, added) in only(ours, theirs) {
        changes.push(Difference::OwnMsi { name: own.name, id: DeviceId(own.key.2), added });
    }
}

/// A device, as both sides may know it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Device {
    /// The PCI host of a segment.
    Host(Segment),
    /// A platform device by its name.
    Name(String),
    /// A platform device by its ids.
    Streams(Vec<StreamAt>),
}

/// What is said of the DMA of devices: coherence, the highest address, PASIDs, stalls. Between two kinds of firmware only where both say it.
fn facts(before: Side<'_>, after: Side<'_>, changes: &mut Vec<Difference>) {
    let by_name = before.platform.format() == after.platform.format();
    let mut theirs = after.said(by_name);
    for (device, (name, ours)) in before.said(by_name) {
        let Some((_, theirs)) = theirs.remove(&device) else { continue };
        let yes = |said: Option<bool>, is: &str| match said {
            Some(true) => Some(is.to_string()),
            Some(false) => Some(alloc::format!("not {is}")),
            None => None,
        };
        let limit = |one: &Requester| {
            // An IORT says how many bits (linux `acpi_dma_get_range`, `iort_dma_get_ranges`).
            let bits = one.address_bits.filter(|bits| (1..64).contains(bits));
            let limit =
                one.dma_limit.or_else(|| 1_u64.checked_shl(bits?.into()).map(|end| end.saturating_sub(1)));
            limit.map(|limit| alloc::format!("DMA up to {limit:#x}"))
        };
        let pasids = |one: &Requester| one.pasid_bits.map(|bits| alloc::format!("{bits} bits of PASID"));
        let coherent = |one: &Requester| yes(one.coherency.coherent, "coherent");
        let stalls = |one: &Requester| yes(one.can_stall, "stalled on faults");
        let facts = [
            ("coherent", "not said to be coherent", coherent(ours), coherent(theirs)),
            ("dma-limit", "DMA without limit", limit(ours), limit(theirs)),
            ("pasid-bits", "no PASIDs", pasids(ours), pasids(theirs)),
            ("can-stall", "not said to be stalled on faults", stalls(ours), stalls(theirs)),
        ];
        for (fact, absent, before, after) in facts {
            if before == after || !by_name && (before.is_none() || after.is_none()) {
                continue;
            }
            let [before, after] = [before, after].map(|said| said.unwrap_or_else(|| absent.to_string()));
            changes.push(Difference::Fact { name: name.clone(), fact, before, after });
        }
    }
}

/// The maximal runs of ids that are wanted.
fn runs(first: u32, last: u32, mut wanted: impl FnMut(u32) -> bool) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for id in (first..=last).filter(|id| wanted(*id)) {
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(id) => run.1 = id,
            _ => runs.push((id, id)),
        }
    }
    runs
}

/// What only one of two sorted lists has; the flag says whether it is the second.
fn only<T: Ord>(before: Vec<T>, after: Vec<T>) -> Vec<(T, bool)> {
    let (mut left, mut right) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut only = Vec::new();
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return only,
            (Some(a), Some(b)) if a == b => {
                left.next();
                right.next();
            }
            (Some(a), Some(b)) if a > b => only.extend(right.next().map(|item| (item, true))),
            (Some(_), _) => only.extend(left.next().map(|item| (item, false))),
            (None, Some(_)) => only.extend(right.next().map(|item| (item, true))),
        }
    }
}

impl Side<'_> {
    fn iommu(&self, base: Option<u64>, origin: crate::model::Origin) -> IommuName {
        base.map_or_else(|| IommuName::Label(self.platform.label(origin).to_string()), IommuName::Base)
    }

    fn named(&self, iommu: IommuIndex) -> IommuName {
        let iommu = self.platform.iommu(iommu);
        iommu.map_or(IommuName::Label(String::new()), |iommu| self.iommu(iommu.base, iommu.origin))
    }

    pub(super) fn stream(&self, stream: Stream) -> StreamAt {
        StreamAt { iommu: self.named(stream.iommu), id: stream.id, mask: stream.mask }
    }

    fn at(&self, stream: Option<Stream>) -> Option<StreamAt> {
        stream.map(|stream| self.stream(stream))
    }

    fn segments(&self) -> impl Iterator<Item = Segment> {
        self.platform.requesters.iter().filter_map(|requester| match &requester.kind {
            RequesterKind::Bus(bus) => match bus.kind {
                BusKind::Pci { segment, .. } => Some(segment),
                BusKind::Other => None,
            },
            _ => None,
        })
    }

    /// Requester IDs at which the destination may change.
    fn breaks(&self, segment: Segment, starts: &mut Vec<u32>) {
        for host in self.map.hosts_of(segment) {
            let Some(RequesterKind::Bus(bus)) = self.platform.requester(host).map(|r| &r.kind) else {
                continue;
            };
            let tables = [
                bus.streams.as_ref(),
                if let MsiRoute::Table(table) = &bus.msi { Some(table) } else { None },
            ];
            let masked = |table: &IdTable| table.mask.is_some_and(|mask| mask & 0xffff != 0xffff);
            if tables.into_iter().flatten().any(masked) || matches!(bus.msi, MsiRoute::Inherited(_)) {
                // Masked ids repeat: every requester ID is looked at.
                starts.extend(0..=InputIds::REQUESTER_IDS.last);
                return;
            }
            let ranges = self
                .map
                .stream_ranges(host, InputIds::REQUESTER_IDS.last)
                .chain(self.map.device_ranges(host, InputIds::REQUESTER_IDS.last));
            for range in ranges {
                starts.extend([range.first, range.last.saturating_add(1)]);
            }
        }
    }

    /// The ids that a platform device is translated by: none where its IOMMU is not there, or takes no device.
    fn used(&self, at: RequesterIndex) -> Vec<StreamAt> {
        let record = self.map.fwspec_of(at).fwspec;
        record.iter().flat_map(Fwspec::streams).map(|stream| self.stream(stream)).collect()
    }

    /// Every device, by what both sides may call it, with what is said of its DMA. Two kinds of firmware have the segments of PCI hosts and the
    /// ids of platform devices in common.
    fn said(&self, by_name: bool) -> BTreeMap<Device, (String, &Requester)> {
        let mut said = BTreeMap::new();
        for (at, requester) in RequesterIndex::number(&self.platform.requesters) {
            if !requester.available {
                continue;
            }
            let label = || self.platform.known_as(requester);
            let device = match &requester.kind {
                RequesterKind::Bus(IdBus { kind: BusKind::Pci { segment, .. }, .. }) => {
                    Device::Host(*segment)
                }
                RequesterKind::Bus(_) | RequesterKind::WireBridge(_) | RequesterKind::MsiOnly { .. } => {
                    continue;
                }
                RequesterKind::Component(_) | RequesterKind::Master(_) if by_name => Device::Name(label()),
                RequesterKind::Component(_) | RequesterKind::Master(_) => {
                    let streams = self.used(at);
                    if streams.is_empty() {
                        continue;
                    }
                    Device::Streams(streams)
                }
            };
            let name = match &device {
                Device::Host(segment) => alloc::format!("segment {segment}"),
                _ => label(),
            };
            said.entry(device).or_insert((name, requester));
        }
        said
    }

    /// StreamIDs of each platform device that has some, with its name.
    fn masters(&self) -> Vec<Named> {
        let each =
            RequesterIndex::number(&self.platform.requesters).filter(|(_, requester)| requester.available);
        let streams = |(at, requester): (RequesterIndex, &crate::model::Requester)| {
            let mut streams = self.used(at);
            streams.sort();
            let name = self.platform.known_as(requester);
            (!streams.is_empty()).then_some(Named { streams, name })
        };
        let mut masters: Vec<_> = each.filter_map(streams).collect();
        masters.sort();
        masters
    }

    /// The DeviceIDs that nodes have by themselves, sorted.
    fn own_msis(
        &self,
        counts: impl Fn(&IommuName) -> bool,
        same: impl Fn(MsiControllerIndex) -> Option<MsiControllerIndex>,
    ) -> Vec<Own> {
        let mut all = Vec::new();
        for (at, iommu) in IommuIndex::number(&self.platform.iommus) {
            let (name, own) = (self.named(at), self.map.iommu(at).and_then(|iommu| iommu.own_msi));
            let Some(own) = own.filter(|_| counts(&name)) else { continue };
            let label = self.platform.label(iommu.origin);
            let said = match &name {
                IommuName::Base(base) => alloc::format!("{} {label} at {base:#x}", iommu.kind.word()),
                IommuName::Label(_) => alloc::format!("{} {label}", iommu.kind.word()),
            };
            all.push(Own { key: (Some(name), same(own.controller), own.id.0), name: said });
        }
        for (at, requester) in RequesterIndex::number(&self.platform.requesters) {
            let (name, known_by) = match &requester.kind {
                RequesterKind::Component(component) | RequesterKind::WireBridge(component) => {
                    (component.path.to_string(), Some(IommuName::Label(component.path.to_string())))
                }
                // Nothing but its place tells a PMCG, and that moves.
                RequesterKind::MsiOnly { .. } => {
                    (alloc::format!("PMCG {}", self.platform.label(requester.origin)), None)
                }
                RequesterKind::Bus(_) | RequesterKind::Master(_) => continue,
            };
            all.extend(self.map.device_ids_of(at).iter().map(|own| Own {
                key: (known_by.clone(), same(own.controller), own.id.0),
                name: name.clone(),
            }));
        }
        all.sort();
        all
    }

    fn scopes(&self) -> Vec<(IommuName, String)> {
        let scopes = scopes::of_units(self.platform).into_iter();
        let mut all: Vec<_> = scopes.map(|(iommu, scope)| (self.named(iommu), scope)).collect();
        all.sort();
        all
    }

    fn ats(&self) -> Vec<String> {
        let mut said = scopes::ats(self.platform, self.map);
        said.sort();
        said
    }

    fn reserved(&self) -> Vec<Region> {
        let mut all = Vec::new();
        for reserved in &self.platform.reserved {
            let ranges = reserved.streams.iter().map(|range| StreamsAt {
                iommu: self.named(range.iommu),
                first: range.first,
                last: range.last,
            });
            // A device tree says for which device, an IORT for which StreamIDs.
            let own = reserved.requester.map(|requester| self.map.own_streams(requester)).unwrap_or_default();
            let own = own.iter().filter_map(|stream| {
                let id = StreamId(stream.fwspec_id()?);
                Some(StreamsAt { iommu: self.named(stream.iommu), first: id, last: id })
            });
            let mut streams: Vec<_> = ranges.chain(own).collect();
            streams.sort();
            let (regions, devices) = (reserved.regions.iter(), scopes::devices(reserved));
            all.extend(regions.map(|region| {
                (region.base, region.length, reserved.kind.word(), streams.clone(), devices.clone())
            }));
        }
        all.sort();
        all
    }
}

/// A reserved region: base, length, kind, and what it is for.
type Region = (u64, u64, &'static str, Vec<StreamsAt>, Vec<String>);
