//! From listed functions to the events in which devices are added, in the order in which Linux enumerates them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::pci::{Fact, Function, Header, PortType};
use crate::{Bdf, Device, DeviceKey};

use super::{ListedFunction, Listing, TextError, TextErrorKind};

/// Endpoints of Intel Volume Management Devices (linux drivers/pci/controller/vmd.c `vmd_ids`).
const VMD: [u16; 11] =
    [0x201d, 0x28c0, 0x467f, 0x4c3d, 0xa77f, 0x7d0b, 0xad0b, 0x9a0b, 0xb60b, 0xb06f, 0xb07f];

/// The first segment of domains behind a VMD: segments of firmware are 16 bits wide (`vmd_find_free_domain`).
const FIRST_VMD_SEGMENT: u32 = 0x1_0000;

/// The devices of a machine, in the order in which Linux adds them: by ascending bus, each function after the bridges above it,
/// virtual functions last. Also the records of the listing that could not be read.
///
/// A virtual function's own configuration space does not show that it is one. The SR-IOV capability of its physical function has
/// the place (PCIe 6.0 §9.3.3) and the ids (linux drivers/pci/iov.c `pci_iov_add_virtfn`).
///
/// Behind an Intel VMD, in a segment from 0x10000 on, all DMA carries the requester ID of the VMD's endpoint (linux
/// `pci_real_dma_dev`). Where the machine has one VMD its endpoint is known. Where it has several, configuration space does not
/// show which one a segment belongs to: [`of_unknown_vmd`] finds the devices concerned.
///
/// ```
/// use fwspec::machine::{devices, lspci};
/// let listing = lspci::parse(b"00:01.0 Host bridge\n00: 36 1b 08 00 00 00 00 00 00 00 00 06 00 00 00 00\n\
/// 10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n20: 00 00 00 00 00 00 00 00 00 00 00 00 f4 1a 00 11\n\
/// 30: 00 00 00 00 00 00 00 00 00 00 00 00 ff 00 00 00\n")?;
/// let (found, skipped) = devices(&listing);
/// assert_eq!((found.len(), skipped.len()), (1, 0));
/// # Ok::<(), fwspec::machine::TextError>(())
/// ```
pub fn devices(listing: &Listing) -> (Vec<Device>, Vec<TextError>) {
    let mut skipped = listing.skipped.clone();
    let mut functions: Vec<Placed> = Vec::with_capacity(listing.functions.len());
    for function in &listing.functions {
        match function.facts() {
            Ok(facts) => functions.push(Placed::of(function, facts, Links::default())),
            Err(error) => {
                let kind = TextErrorKind::Config(error.kind);
                skipped.push(TextError { kind, place: function.place, function: Some(function.bdf) });
            }
        }
    }
    functions.sort_unstable_by_key(|function| function.bdf);
    (of_functions(functions), skipped)
}

/// A function, its facts, and how they are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    bdf: Bdf,
    facts: Function,
    links: Links,
    /// Its header was not read: the facts are from a text.
    is_told: bool,
    is_silent: bool,
}

impl Placed {
    pub(super) fn of(listed: &ListedFunction, facts: Function, links: Links) -> Self {
        let is_silent = listed.is_silent();
        Placed { bdf: listed.bdf, facts, links, is_told: listed.bytes.is_empty() || is_silent, is_silent }
    }

    /// A function with these facts; `is_told` where its header was not read.
    pub(super) fn known(bdf: Bdf, facts: Function, links: Links, is_told: bool) -> Self {
        Placed { bdf, facts, links, is_told, is_silent: false }
    }
}

/// What the links of a running system say about a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// The VMD's endpoint, of a function behind an Intel VMD.
    pub(super) real_dma: Option<Bdf>,
    /// The physical function of a virtual function.
    pub(super) physical: Option<Bdf>,
}

/// The devices of a machine, made from its functions in ascending order of address.
pub(super) fn of_functions(mut functions: Vec<Placed>) -> Vec<Device> {
    let index =
        |functions: &[Placed], bdf: Bdf| functions.binary_search_by_key(&bdf, |function| function.bdf).ok();
    let mut physical: BTreeMap<Bdf, (Bdf, u16, u16)> = BTreeMap::new();
    for Placed { bdf, facts, .. } in &functions {
        let Fact::Present(sriov) = facts.sriov else { continue };
        let its = (*bdf, facts.vendor, sriov.vf_device);
        let all = sriov.virtual_functions(bdf.rid).map(|rid| Bdf { rid, ..*bdf });
        physical.extend(all.filter(|vf| index(&functions, *vf).is_some()).map(|vf| (vf, its)));
    }
    complete(&mut functions, |bdf| physical.contains_key(&bdf));
    let vendor_of = |bdf: Bdf| functions.get(index(&functions, bdf)?).map(|function| function.facts.vendor);
    let device = |placed: &Placed| match (physical.get(&placed.bdf), placed.links.physical) {
        (Some((pf, vendor, device)), _) => {
            let function = Function { vendor: *vendor, device: *device, ..placed.facts };
            Device::function(placed.bdf, function).virtual_function_of(*pf)
        }
        // Without root the SR-IOV capability of the physical function cannot be read, but the link can.
        (None, Some(pf)) => {
            let function = Function { vendor: vendor_of(pf).unwrap_or(placed.facts.vendor), ..placed.facts };
            Device::function(placed.bdf, function).virtual_function_of(pf)
        }
        (None, None) => Device::function(placed.bdf, placed.facts),
    };
    let mut devices: Vec<Device> = functions.iter().map(device).collect();
    devices.sort_by_key(Device::is_virtual_function);
    let is_vmd = |function: &&Placed| {
        let Placed { bdf, facts, .. } = function;
        bdf.segment.0 < FIRST_VMD_SEGMENT && facts.vendor == 0x8086 && VMD.contains(&facts.device)
    };
    let mut vmds = functions.iter().filter(is_vmd).map(|function| function.bdf);
    let only = vmds.next().filter(|_| vmds.next().is_none());
    for device in &mut devices {
        let DeviceKey::Pci(bdf) = device.key() else { continue };
        let link = || functions.get(index(&functions, bdf)?).and_then(|function| function.links.real_dma);
        if let Some(vmd) = link().or(only.filter(|_| is_behind_vmd(device))) {
            *device = device.real_dma(vmd);
        }
    }
    devices
}

/// Adds facts that a function's own words lack, but its neighbours show: a slot with other functions is a multifunction slot
/// (function 0 has the header bit), and a function right below a PCI Express port that does not answer is an endpoint.
fn complete(functions: &mut [Placed], is_virtual: impl Fn(Bdf) -> bool) {
    number_silent(functions, &is_virtual);
    let slot = |bdf: Bdf| (bdf.segment, bdf.rid.0 >> 3);
    let mut shared: BTreeSet<_> = BTreeSet::new();
    let mut ports: BTreeMap<_, PortType> = BTreeMap::new();
    for Placed { bdf, facts, links, .. } in functions.iter() {
        if bdf.rid.0 & 7 > 0 && !is_virtual(*bdf) && links.physical.is_none() {
            shared.insert(slot(*bdf));
        }
        if let (Some(bus), Fact::Present(port)) = (facts.secondary(), facts.pcie) {
            ports.insert((bdf.segment, bus), port);
        }
    }
    for Placed { bdf, facts, is_told, is_silent, .. } in functions {
        let is_virtual = facts.virtual_function || is_virtual(*bdf);
        facts.multifunction |= *is_told && !is_virtual && shared.contains(&slot(*bdf));
        let above = ports.get(&(bdf.segment, bdf.rid.bus()));
        if *is_silent
            && facts.header == Header::Device
            && facts.pcie.is_unknown()
            && matches!(above, Some(PortType::RootPort | PortType::DownstreamPort))
        {
            facts.pcie = Fact::Present(PortType::Endpoint);
        }
    }
}

/// Assigns to bridges that do not answer the buses that no other bridge has, within the buses of the bridge above. Buses are
/// numbered depth first (linux drivers/pci/probe.c `pci_scan_bridge_extend`): a bus is below the last bridge that was found before
/// it.
fn number_silent(functions: &mut [Placed], is_virtual: impl Fn(Bdf) -> bool) {
    for functions in functions.chunk_by_mut(|a, b| a.bdf.segment == b.bdf.segment) {
        if functions.iter().any(is_unnumbered) {
            number_silent_of_segment(functions, &is_virtual);
        }
    }
}

/// Whether it is a bridge that does not answer, and has no bus below it yet.
fn is_unnumbered(placed: &Placed) -> bool {
    let is_bridge = matches!(placed.facts.header, Header::Bridge { .. });
    placed.is_silent && is_bridge && placed.facts.secondary().is_none()
}

fn number_silent_of_segment(functions: &mut [Placed], is_virtual: impl Fn(Bdf) -> bool) {
    let mut numbered: Vec<(u8, u8)> = Vec::new();
    // The buses with functions; false where these show how they are reached.
    let mut buses: BTreeMap<u8, bool> = BTreeMap::new();
    for Placed { bdf, facts, links, .. } in functions.iter() {
        if let Header::Bridge { secondary: secondary @ 1.., subordinate } = facts.header {
            numbered.push((secondary, subordinate));
        }
        let tells =
            facts.only_on_root_bus() || is_virtual(*bdf) || links.physical.is_some() || bdf.rid.bus() == 0;
        *buses.entry(bdf.rid.bus()).or_insert(true) &= !tells;
    }
    // For each bus that is assigned here, the bridge above it.
    let mut above: BTreeMap<u8, usize> = BTreeMap::new();
    for (bus, _) in buses.into_iter().filter(|(_, is_open)| *is_open) {
        if numbered.iter().any(|(secondary, _)| *secondary == bus) {
            continue;
        }
        // The buses of the nearest bridge above; without one, the buses below the first root bus.
        let around = numbered.iter().filter(|(secondary, last)| (*secondary..=*last).contains(&bus));
        let first = around.map(|(secondary, _)| *secondary).max();
        let may_lead = |placed: &Placed| {
            let own = placed.bdf.rid.bus();
            let is_below = first.map_or(own == 0 || above.contains_key(&own), |first| own >= first);
            is_unnumbered(placed) && own < bus && is_below
        };
        let found = functions.iter().enumerate().filter(|(_, placed)| may_lead(placed));
        let found = found.max_by_key(|(_, placed)| (placed.bdf.rid.bus(), core::cmp::Reverse(placed.bdf)));
        let Some(at) = found.map(|(at, _)| at) else { continue };
        above.insert(bus, at);
        // The buses of the bridge, and of those above it that do not answer either, reach up to this bus.
        let mut next = Some((at, bus));
        while let Some((at, first)) = next {
            let Some(bridge) = functions.get_mut(at) else { break };
            bridge.facts.header = Header::Bridge { secondary: first, subordinate: bus };
            let own = bridge.bdf.rid.bus();
            next = above.get(&own).map(|at| (*at, own));
        }
    }
}

/// The functions behind Intel VMDs for which the requester ID of their DMA was not stated ([`Device::real_dma`]).
///
/// ```
/// let drive = fwspec::Device::endpoint("10000:e1:00.0".parse()?);
/// assert_eq!(fwspec::machine::of_unknown_vmd(&[drive]).count(), 1);
/// assert_eq!(fwspec::machine::of_unknown_vmd(&[drive.real_dma("00:0e.0".parse()?)]).count(), 0);
/// # Ok::<(), fwspec::ParseBdfError>(())
/// ```
pub fn of_unknown_vmd(devices: &[Device]) -> impl Iterator<Item = Bdf> + '_ {
    let unknown = devices.iter().filter(|device| is_behind_vmd(device) && device.real_dma_device().is_none());
    unknown.filter_map(|device| match device.key() {
        DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    })
}

fn is_behind_vmd(device: &Device) -> bool {
    matches!(device.key(), DeviceKey::Pci(bdf) if bdf.segment.0 >= FIRST_VMD_SEGMENT)
}
