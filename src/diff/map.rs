//! What changed in meaning between two firmwares: requester IDs, StreamIDs, routes, reserved memory. Bytes do not matter.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::index;
use crate::model::{BusKind, IdBus, IdTable, MsiController, MsiKind, MsiRoute, RequesterKind};
use crate::{Bdf, IdMap, Platform, RequesterId, Segment, Stream};

use crate::map::MsiRequest;

/// One firmware of a comparison: its facts, and the map built from them.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The facts.
    pub platform: &'a Platform,
    /// Their map, under the same dialect as the other side's.
    pub map: &'a IdMap,
}

/// What an IOMMU is known by on both sides: the address of its registers, or its name where that is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IommuName {
    /// Physical address.
    Base(u64),
    /// What the firmware calls it.
    Label(String),
}

/// Where the DMA and the MSIs of an input go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// IOMMU, StreamID and mask; `None` where nothing translates it.
    pub stream: Option<(IommuName, Option<u32>, u16)>,
    /// MSI controller (numbered as on the first side) and DeviceID.
    pub device: Option<(u32, u32)>,
}

/// A difference in meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An IOMMU that one side has only.
    Iommu {
        /// It.
        name: IommuName,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// Requester IDs that go elsewhere; both answers are those of the first.
    Requesters {
        /// The segment.
        segment: Segment,
        /// First requester ID.
        first: u16,
        /// Last requester ID, inclusive.
        last: u16,
        /// On the first side.
        before: Answer,
        /// On the second.
        after: Answer,
    },
    /// StreamIDs of a platform device that one side has only: components and masters have no common name.
    Master {
        /// What its side calls it.
        name: String,
        /// IOMMU, StreamID and mask of each of its ids.
        streams: Vec<(IommuName, Option<u32>, u16)>,
        /// Whether it is the second side that has it.
        added: bool,
    },
    /// Ids on a bus that is no PCI bus that go elsewhere; both answers are those of the first. Only between firmwares of one kind.
    OnBus {
        /// What the firmware calls the bus.
        bus: String,
        /// First id.
        first: u32,
        /// Last id, inclusive.
        last: u32,
        /// On the first side.
        before: Answer,
        /// On the second.
        after: Answer,
    },
    /// Reserved memory that one side has only.
    Reserved {
        /// First address.
        base: u64,
        /// Length in bytes.
        length: u64,
        /// What may be done with it, as [`RegionKind::word`](crate::model::RegionKind::word) says it.
        kind: &'static str,
        /// Whom it is for: IOMMU, first and last StreamID.
        streams: Vec<(IommuName, u32, u32)>,
        /// Whether it is the second side that has it.
        added: bool,
    },
}

/// A platform device, compared by its ids alone.
#[derive(Eq)]
struct Named {
    streams: Vec<(IommuName, Option<u32>, u16)>,
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
/// use fwspec::diff::{Change, Side, diff};
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
pub fn diff(before: Side<'_>, after: Side<'_>, wanted: impl Fn(Bdf) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    let names = |side: Side<'_>| {
        let mut names: Vec<_> =
            side.platform.iommus.iter().map(|iommu| side.iommu(iommu.base, iommu.origin)).collect();
        names.sort();
        names
    };
    for (name, added) in only(names(before), names(after)) {
        changes.push(Change::Iommu { name, added });
    }
    let mut segments: Vec<Segment> = before.segments().chain(after.segments()).collect();
    segments.sort_unstable();
    segments.dedup();
    let mut controllers = Controllers::of(before.platform, after.platform);
    for segment in segments {
        requesters(before, after, segment, &wanted, &mut controllers, &mut changes);
    }
    // A device has another name in the other kind of firmware: its ids are what both call it by.
    for (master, added) in only(before.masters(), after.masters()) {
        changes.push(Change::Master { name: master.name, streams: master.streams, added });
    }
    buses(before, after, &mut controllers, &mut changes);
    for ((base, length, kind, streams), added) in only(before.reserved(), after.reserved()) {
        changes.push(Change::Reserved { base, length, kind, streams, added });
    }
    changes
}

/// Which controllers of both sides are the same: in two firmwares of one kind those of one name, in a device tree and an IORT
/// those that the same requester ID meets.
#[derive(Default)]
struct Controllers {
    /// By the second side's index, the first side's; of several with one name the first.
    known: BTreeMap<u32, u32>,
    /// By the first side's index, the first one of that name.
    alike: BTreeMap<u32, u32>,
    by_name: bool,
}

impl Controllers {
    fn of(before: &Platform, after: &Platform) -> Self {
        if before.format() != after.format() {
            return Controllers::default();
        }
        let name = |platform: &Platform, controller: &MsiController| match &controller.kind {
            // An ITS has the same identifier wherever its group stands; the first of a group is the one that is used.
            MsiKind::ItsGroup(its) => (its.first().copied(), String::new()),
            _ => (None, platform.label(controller.origin).to_string()),
        };
        let mut ours: BTreeMap<_, u32> = BTreeMap::new();
        let named = (0..).zip(&before.msi_controllers);
        let alike =
            named.map(|(at, controller)| (at, *ours.entry(name(before, controller)).or_insert(at))).collect();
        let theirs = (0..).zip(&after.msi_controllers);
        let known = theirs.filter_map(|(at, controller)| Some((at, *ours.get(&name(after, controller))?)));
        Controllers { known: known.collect(), alike, by_name: true }
    }

    fn same(&mut self, before: Option<(u32, u32)>, after: Option<(u32, u32)>) -> Option<(u32, u32)> {
        let (controller, id) = after?;
        if self.by_name {
            // What only the second side has is none of the first side's.
            let known = self.known.get(&controller).copied().unwrap_or(u32::MAX);
            let ours = before.map(|(ours, _)| ours).filter(|ours| self.alike.get(ours) == Some(&known));
            return Some((ours.unwrap_or(known), id));
        }
        let free = |ours: u32, known: &BTreeMap<u32, u32>| !known.values().any(|other| *other == ours);
        if let Some((ours, _)) = before
            && !self.known.contains_key(&controller)
            && free(ours, &self.known)
        {
            self.known.insert(controller, ours);
        }
        Some((self.known.get(&controller).copied().unwrap_or(u32::MAX), id))
    }
}

fn requesters(
    before: Side<'_>,
    after: Side<'_>,
    segment: Segment,
    wanted: &impl Fn(Bdf) -> bool,
    controllers: &mut Controllers,
    changes: &mut Vec<Change>,
) {
    let mut starts = alloc::vec![0_u32];
    for side in [before, after] {
        side.breaks(segment, &mut starts);
    }
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start <= 0xffff);
    for (position, first) in starts.iter().enumerate() {
        let last = starts.get(position.saturating_add(1)).map_or(0xffff, |next| next.saturating_sub(1));
        let mut compare = |id: u32| {
            let bdf = Bdf { segment, rid: RequesterId(u16::try_from(id).unwrap_or(u16::MAX)) };
            let (ours, mut theirs) = (before.answer(bdf), after.answer(bdf));
            theirs.device = controllers.same(ours.device, theirs.device);
            (ours, theirs)
        };
        // Between two breaks each side counts up or stands still: equal at both ends is equal everywhere.
        let (ours, theirs) = compare(*first);
        let (ours_last, theirs_last) = compare(last);
        if ours == theirs && ours_last == theirs_last {
            continue;
        }
        let narrow = |id: u32| u16::try_from(id).unwrap_or(u16::MAX);
        let bdf = |id: u32| Bdf { segment, rid: RequesterId(narrow(id)) };
        for (first, last) in runs(*first, last, |id| {
            let (ours, theirs) = compare(id);
            wanted(bdf(id)) && ours != theirs
        }) {
            let (before, after) = compare(first);
            changes.push(Change::Requesters {
                segment,
                first: narrow(first),
                last: narrow(last),
                before,
                after,
            });
        }
    }
}

/// Buses that are no PCI buses, by name.
fn buses(before: Side<'_>, after: Side<'_>, controllers: &mut Controllers, changes: &mut Vec<Change>) {
    if !controllers.by_name {
        return;
    }
    let mut named: BTreeMap<String, [Option<u32>; 2]> = BTreeMap::new();
    for (side, of) in [before, after].into_iter().zip([0, 1]) {
        for (at, requester) in (0_u32..).zip(&side.platform.requesters) {
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
                let answer =
                    |side: Side<'_>, at: Option<u32>| at.map(|at| side.on_bus(at, id)).unwrap_or_default();
                let (ours, mut theirs) = (answer(before, ours), answer(after, theirs));
                theirs.device = controllers.same(ours.device, theirs.device);
                (ours, theirs)
            };
            let (before, after) = compare(*first);
            let (before_last, after_last) = compare(last);
            if before != after || before_last != after_last {
                changes.push(Change::OnBus { bus: bus.clone(), first: *first, last, before, after });
            }
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

    fn stream(&self, stream: Stream) -> (IommuName, Option<u32>, u16) {
        let iommu = self.platform.iommus.get(index(stream.iommu));
        let name =
            iommu.map_or(IommuName::Label(String::new()), |iommu| self.iommu(iommu.base, iommu.origin));
        (name, stream.id.map(|id| id.0), stream.mask)
    }

    fn answer(&self, bdf: Bdf) -> Answer {
        let device = self.map.device_id_of(bdf).map(|MsiRequest { controller, id }| (controller, id));
        Answer { stream: self.map.resolve(bdf).ok().map(|stream| self.stream(stream)), device }
    }

    fn on_bus(&self, bus: u32, id: u32) -> Answer {
        let device = self.map.msi_from(bus, id).map(|MsiRequest { controller, id }| (controller, id));
        Answer { stream: self.map.stream_from(bus, id).ok().map(|stream| self.stream(stream)), device }
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

    /// Requester IDs at which the answer may turn.
    fn breaks(&self, segment: Segment, starts: &mut Vec<u32>) {
        for host in self.map.hosts_of(segment) {
            let Some(RequesterKind::Bus(bus)) = self.platform.requesters.get(index(host)).map(|r| &r.kind)
            else {
                continue;
            };
            let tables = [
                bus.streams.as_ref(),
                if let MsiRoute::Table(table) = &bus.msi { Some(table) } else { None },
            ];
            let masked = |table: &IdTable| table.mask.is_some_and(|mask| mask & 0xffff != 0xffff);
            if tables.into_iter().flatten().any(masked) || matches!(bus.msi, MsiRoute::Inherited(_)) {
                // Masked ids repeat: every requester ID is looked at.
                starts.extend(0..=0xffff);
                return;
            }
            let ranges = self.map.stream_ranges(host, 0xffff).chain(self.map.device_ranges(host, 0xffff));
            for range in ranges {
                starts.extend([range.first, range.last.saturating_add(1)]);
            }
        }
    }

    /// StreamIDs of each platform device that has some, with its name.
    fn masters(&self) -> Vec<Named> {
        let each = self.platform.requesters.iter().enumerate().filter(|(_, requester)| requester.available);
        let streams = |(at, requester): (usize, &crate::model::Requester)| {
            let own = self.map.own_streams(crate::bytes::saturate(at));
            let mut streams: Vec<_> = own.iter().map(|stream| self.stream(*stream)).collect();
            streams.sort();
            let name = match &requester.kind {
                RequesterKind::Component(component) => component.path.to_string(),
                _ => self.platform.label(requester.origin).to_string(),
            };
            (!streams.is_empty()).then_some(Named { streams, name })
        };
        let mut masters: Vec<_> = each.filter_map(streams).collect();
        masters.sort();
        masters
    }

    fn reserved(&self) -> Vec<Region> {
        let mut all = Vec::new();
        for reserved in &self.platform.reserved {
            let named = |iommu: u32| {
                let iommu = self.platform.iommus.get(index(iommu));
                iommu.map_or(IommuName::Label(String::new()), |iommu| self.iommu(iommu.base, iommu.origin))
            };
            let ranges = reserved.streams.iter().map(|range| (named(range.iommu), range.first, range.last));
            // A device tree says for which device, an IORT for which StreamIDs.
            let own = reserved.requester.map(|requester| self.map.own_streams(requester)).unwrap_or_default();
            let own = own.iter().filter_map(|stream| {
                let id = stream.fwspec_id()?;
                Some((named(stream.iommu), id, id))
            });
            let mut streams: Vec<_> = ranges.chain(own).collect();
            streams.sort();
            let regions = reserved.regions.iter();
            all.extend(
                regions.map(|region| (region.base, region.length, reserved.kind.word(), streams.clone())),
            );
        }
        all.sort();
        all
    }
}

/// A reserved region: base, length, kind, and whom it is for.
type Region = (u64, u64, &'static str, Vec<(IommuName, u32, u32)>);
