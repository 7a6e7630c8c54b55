//! IVRS to [`Platform`]: units, a PCI host for each segment, the devices that it names by hardware ID, aliases and memory.
#![deny(clippy::arithmetic_side_effects)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::{Block, Body, Devices, EntryKind, Ivhd, Ivmd, Ivrs};
use crate::model::{
    BusKind, Denied, Errno, FirmwareAlias, FunctionRange, GroupRule, HostedFunction, IdBus, IdMapping,
    IdTable, InterruptSource, InterruptSourceKind, Iommu, IommuIndex, IommuKind, MsiRoute, NamedComponent,
    Origin, Output, Protection, Region, RegionKind, Requester, RequesterIndex, RequesterKind, Reserved,
    ScopePath, Target,
};
use crate::{
    Error, ErrorKind, Format, Platform, RequesterId, Segment,
    error::{At, RefusedFor},
};

impl Ivrs<'_> {
    /// The facts of the table. Records that cannot be read are in [`Platform::skipped`].
    ///
    /// IVRS has no record of a PCI host; there is one here for each segment that has a unit. Its mappings are in the reverse of
    /// their order in the table, because the last entry of a function counts, and end at the last function that an entry names
    /// (drivers/iommu/amd/init.c `set_dev_entry_from_acpi_range`, `find_last_devid_from_ivhd`).
    ///
    /// ```
    /// use fwspec::RequesterId;
    /// use fwspec::acpi::ivrs::{Builder, Ivrs};
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new();
    /// table.unit(0x10, 0, RequesterId(2), 0xfeb8_0000).range(8..=0x3ff);
    /// let map = IdMap::build(&Ivrs::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.stream_of("01:00.0".parse().unwrap()).unwrap().to_string(), "IVRS+0x30 0x100");
    /// assert!(map.stream_of("04:00.0".parse().unwrap()).is_none());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn platform(&self) -> Platform {
        let mut lowering = Lowering {
            platform: Platform { source: Some(self.sdt().source()), ..Platform::default() },
            segments: BTreeMap::new(),
            components: Vec::new(),
            settings: BTreeSet::new(),
        };
        if let Some(error) = self.sdt().checksum_error() {
            lowering.platform.skipped.push(error);
            lowering.refuse(RefusedFor::Checksum, error.at);
        }
        let wanted = self.unit_type();
        for block in self.blocks() {
            match block.and_then(|block| Ok((block, block.body()?))) {
                Ok((block, Body::Ivhd(unit))) if wanted == Some(block.block_type()) => {
                    lowering.unit(&block, &unit);
                }
                Ok((_, Body::Ivhd(_))) => {}
                Ok((block, Body::Ivmd(memory))) => {
                    if wanted == Some(block.block_type()) {
                        lowering.refuse(RefusedFor::BlockType(block.block_type()), block.at());
                    }
                    lowering.memory(block.at(), &memory);
                }
                Ok((block, Body::Unknown(number))) => {
                    if wanted == Some(number) {
                        lowering.refuse(RefusedFor::BlockType(number), block.at());
                    }
                    lowering.skip(ErrorKind::NodeType(number), block.at());
                }
                Err(error) => lowering.platform.skipped.push(error),
            }
        }
        lowering.finish()
    }
}

/// A segment, as far as it has been read.
struct SegmentDraft {
    at: At,
    /// In table order.
    mappings: Vec<IdMapping>,
    /// The units, and their own functions.
    own: Vec<(IommuIndex, RequesterId)>,
    last_function: RequesterId,
}

impl SegmentDraft {
    fn new(at: At) -> Self {
        SegmentDraft { at, mappings: Vec::new(), own: Vec::new(), last_function: RequesterId(0) }
    }
}

struct Lowering {
    platform: Platform,
    segments: BTreeMap<Segment, SegmentDraft>,
    components: Vec<Requester>,
    /// Functions that have a data setting: a later one for exactly the same functions does not count (`search_ivhd_dte_flags`).
    settings: BTreeSet<(Segment, RequesterId, RequesterId)>,
}

impl Lowering {
    fn skip(&mut self, kind: ErrorKind, at: At) {
        self.platform.skipped.push(Error { kind, at });
    }

    fn refuse(&mut self, why: RefusedFor, at: At) {
        self.skip(ErrorKind::DriverRefuses(why), at);
    }

    fn unit(&mut self, block: &Block<'_>, unit: &Ivhd<'_>) {
        let (at, segment) = (block.at(), unit.segment);
        let position = IommuIndex::at(self.platform.iommus.len());
        let origin = Origin::acpi(Format::Ivrs, at);
        let mut iommu = Iommu::new(origin, IommuKind::AmdVi, Some(unit.base));
        iommu.group_rule = GroupRule::SharedIdOfNodes;
        self.platform.iommus.push(iommu);
        let mut claims = unit.claims(block.block_type());
        let draft = self.segments.entry(segment).or_insert_with(|| SegmentDraft::new(at));
        draft.own.push((position, block.device_id()));
        draft.mappings.reserve(unit.entries.most());
        while let Some(claim) = claims.whole() {
            let (first, last) = (claim.first, claim.last);
            if let Some(alias) = claim.alias.filter(|_| first <= last) {
                let origin = Origin::acpi(Format::Ivrs, claim.at);
                self.platform.aliases.push(FirmwareAlias { origin, segment, first, last, alias });
            }
            if first > last || claim.data != 0 && !self.settings.insert((segment, first, last)) {
                continue;
            }
            draft.mappings.push(IdMapping {
                first: u32::from(first.0),
                last: u32::from(last.0),
                output: Output::Linear(u32::from(first.0)),
                target: Target::Iommu(position),
                offset: claim.at.offset,
            });
            if claim.ats_disabled {
                self.platform.ats_denied.push(claim.at);
            }
        }
        let skipped = claims.fault();
        match claims.last_function(skipped) {
            Ok(Some(last)) => draft.last_function = draft.last_function.max(last),
            Ok(None) => self.refuse(RefusedFor::NoFunction, at),
            // It is the error below.
            Err(_) => {}
        }
        self.platform.skipped.extend(skipped);
        if claims.has_others() {
            self.acpi_devices(block.block_type(), unit, position);
            self.interrupt_sources(unit, position);
        }
    }

    /// The I/O APICs and HPETs of a unit (`add_special_device`).
    fn interrupt_sources(&mut self, unit: &Ivhd<'_>, iommu: IommuIndex) {
        for entry in unit.entries.clone().map_while(Result::ok) {
            let (handle, device, kind) = match entry.kind() {
                EntryKind::Special { handle, device, variety: 1 } => {
                    (handle, device, InterruptSourceKind::IoApic)
                }
                EntryKind::Special { handle, device, variety: 2 } => {
                    (handle, device, InterruptSourceKind::Hpet)
                }
                EntryKind::Special { variety, .. } => {
                    self.refuse(RefusedFor::SpecialVariety(variety), entry.at());
                    continue;
                }
                _ => continue,
            };
            let (origin, way) =
                (Origin::acpi(Format::Ivrs, entry.at()), (device.bus(), ScopePath::one(device.devfn())));
            let source = InterruptSource::new(origin, iommu, (kind, handle), unit.segment, way);
            self.platform.interrupt_sources.push(source);
        }
    }

    /// The devices of the namespace that a unit names by hardware ID.
    fn acpi_devices(&mut self, block_type: u8, unit: &Ivhd<'_>, iommu: IommuIndex) {
        for entry in unit.entries.clone().map_while(Result::ok).filter(|_| block_type == 0x40) {
            let EntryKind::Acpi { hardware_id, unique_id_format, unique_id, .. } = entry.kind() else {
                continue;
            };
            let Some(path) = device_name(hardware_id, unique_id_format, unique_id) else { continue };
            let mapping = IdMapping {
                first: 0,
                last: 0,
                output: Output::Constant(u32::from(entry.device_id().0)),
                target: Target::Iommu(iommu),
                offset: entry.at().offset,
            };
            let table = IdTable { mappings: alloc::vec![mapping], ..IdTable::default() };
            let component = NamedComponent { path: path.into_boxed_str(), table };
            let origin = Origin::acpi(Format::Ivrs, entry.at());
            self.components.push(Requester::new(origin, RequesterKind::Component(component)));
        }
    }

    fn memory(&mut self, at: At, memory: &Ivmd) {
        if !memory.is_mapped() {
            return self.skip(ErrorKind::MemoryUnused(memory.flags), at);
        }
        let (first, last) = match memory.devices {
            Devices::All => (RequesterId(0), RequesterId(u16::MAX)),
            Devices::One(one) => (one, one),
            Devices::Range(first, last) => (first, last),
        };
        let denied = match memory.access() {
            (true, true) => Denied::Nothing,
            (false, true) => Denied::Read,
            (true, false) => Denied::Write,
            (false, false) => Denied::Both,
        };
        self.platform.reserved.push(Reserved {
            origin: Origin::acpi(Format::Ivrs, at),
            streams: Vec::new(),
            requester: None,
            functions: alloc::vec![FunctionRange { segment: memory.segment, first, last }],
            scopes: None,
            // In whole pages, as the driver takes them (linux drivers/iommu/amd/init.c `init_unity_map_range`).
            regions: alloc::vec![Region {
                base: whole_pages(memory.start),
                length: whole_pages(memory.length),
                offset: at.offset.saturating_add(16),
            }],
            kind: RegionKind::Direct,
            protection: Protection { denied, ..Protection::default() },
        });
    }

    fn finish(self) -> Platform {
        let Lowering { mut platform, segments, components, .. } = self;
        let refused = platform.skipped.iter().any(|error| matches!(error.kind, ErrorKind::DriverRefuses(_)));
        for iommu in platform.iommus.iter_mut().filter(|_| refused) {
            iommu.available = false;
        }
        for (segment, draft) in segments {
            let host = RequesterIndex::at(platform.requesters.len());
            for (iommu, function) in &draft.own {
                if let Some(iommu) = platform.iommus.get_mut(iommu.position()) {
                    iommu.function = Some(HostedFunction { host, rid: *function });
                }
            }
            let origin = Origin::acpi(Format::Ivrs, draft.at);
            let table = IdTable { mappings: mappings(draft), ..IdTable::default() };
            let bus = IdBus {
                kind: BusKind::Pci { segment, assumed: false, first_bus: 0, last_bus: u8::MAX },
                streams: Some(table),
                msi: MsiRoute::Absent,
                ats: false,
                pri: None,
            };
            platform.requesters.push(Requester::new(origin, RequesterKind::Bus(bus)));
        }
        platform.requesters.extend(components);
        platform.skipped.shrink_to_fit();
        platform
    }
}

/// The first mapping that has a function answers for it: first the functions of the units themselves, which no unit translates,
/// then the last entry.
fn mappings(draft: SegmentDraft) -> Vec<IdMapping> {
    let SegmentDraft { at, mut mappings, mut own, last_function } = draft;
    let end = u32::from(last_function.0);
    mappings.retain_mut(|mapping| {
        mapping.last = mapping.last.min(end);
        mapping.first <= end
    });
    own.dedup_by_key(|(_, function)| *function);
    mappings.reserve_exact(own.len());
    mappings.extend(own.iter().rev().map(|(_, own)| IdMapping {
        first: u32::from(own.0),
        last: u32::from(own.0),
        output: Output::Errno(Errno::NoDevice),
        target: Target::Null,
        offset: at.offset,
    }));
    mappings.reverse();
    mappings.shrink_to_fit();
    mappings
}

/// A number of bytes, rounded up to whole pages of 4 KiB; the last whole page where that would exceed 64 bits.
fn whole_pages(bytes: u64) -> u64 {
    const PAGE: u64 = 4096;
    bytes.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX - (PAGE - 1))
}

/// Linux's name for a device of the namespace: its hardware ID, and its unique ID if it has one (`ivrs_acpihid=HID:UID`). `None`
/// for one without a hardware ID, which Linux skips.
fn device_name(hardware_id: &[u8], unique_id_format: u8, unique_id: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| -> String {
        let bytes = bytes.iter().take_while(|byte| **byte != 0);
        bytes.map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
    };
    let mut name = Some(text(hardware_id)).filter(|name| !name.is_empty())?;
    let unique_id = match unique_id_format {
        // Linux takes the first byte (`init_iommu_from_acpi`).
        1 => unique_id.first().map(|byte| alloc::format!("{byte}")),
        2 => Some(text(unique_id)).filter(|id| !id.is_empty()),
        _ => None,
    };
    if let Some(unique_id) = unique_id {
        name.push(':');
        name.push_str(&unique_id);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::whole_pages;

    /// Linux drivers/iommu/amd/init.c `init_unity_map_range`: `PAGE_ALIGN()` of start and length.
    #[test]
    fn memory_is_taken_in_whole_pages() {
        let cases =
            [(0, 0), (1, 0x1000), (0x1000, 0x1000), (0x9618_e001, 0x9618_f000), (u64::MAX, u64::MAX - 0xfff)];
        cases.into_iter().for_each(|(bytes, pages)| assert_eq!(whole_pages(bytes), pages));
    }
}
