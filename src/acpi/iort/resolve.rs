//! Where an ID ends, by a simple scan: no heap, no index. It is for users without a heap, and the reference that the index is
//! tested against.

use super::{Body, Iort, Mapping, Node, NodeType};
use crate::limits::MAX_HOPS;
use crate::{
    Bdf, Dialect, Error, ErrorKind,
    dialect::{ComponentRule, CountRule, LastIdRule, MsiIndexRule, RootComplexRule, SingleRule},
};

/// What an ID is followed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// A StreamID: the walk ends at the first SMMU.
    Iommu,
    /// A DeviceID: the walk goes through SMMUs to an ITS group.
    Msi,
}

/// The end of an ID's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// Offset of the SMMU or ITS group from the start of the table.
    pub node: u32,
    /// The StreamID or DeviceID there.
    pub id: u32,
}

/// Follows an ID from the node at `node_offset`, mapping by mapping, to a wanted node (linux `iort_node_map_id` under
/// [`Dialect::LINUX`]). `None` where the path ends before.
///
/// Every step reads the table from its start: for many look-ups, build an index.
///
/// ```
/// use fwspec::Dialect;
/// use fwspec::acpi::iort::{self, Builder, Iort, Wanted};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// let root = table.root_complex(1).maps(0..=0xffff, 0x10000, smmu).id();
/// let bytes = table.finish();
/// let iort = Iort::parse(&bytes)?;
/// let stream = iort::resolve(&iort, Dialect::LINUX, table.offset_of(root), 0x108, Wanted::Iommu)?;
/// assert_eq!(stream.map(|stream| stream.id), Some(0x10108));
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// [`MappingCycle`](ErrorKind::MappingCycle) where the mappings form a loop.
pub fn resolve(
    iort: &Iort<'_>,
    dialect: Dialect,
    node_offset: u32,
    id: u32,
    wanted: Wanted,
) -> Result<Option<Resolved>, Error> {
    let Some(mut here) = leave(iort, dialect, Resolved { node: node_offset, id })? else { return Ok(None) };
    // A path through more SMMUs than there are has been at one of them before; a path through very many counts as a loop, too.
    let mut smmus_left = count(iort, NodeType::is_smmu);
    loop {
        let Some(node) = iort.node_at(here.node).filter(Node::is_usable) else { return Ok(None) };
        match (wanted, node.node_type()) {
            (Wanted::Iommu, kind) if kind.is_smmu() => return Ok(Some(here)),
            (Wanted::Msi, NodeType::ItsGroup) => return Ok(Some(here)),
            (Wanted::Msi, kind) if kind.is_smmu() => {
                smmus_left = smmus_left.checked_sub(1).ok_or_else(|| cycle(&node, id))?;
            }
            _ => return Ok(None),
        }
        let Some(next) = step(iort, &node, dialect, here.id) else { return Ok(None) };
        if kind_at(iort, next.node).is_some_and(is_requester) {
            // No specification lets an SMMU lead back to a requester. Linux follows such a mapping; here it is followed once.
            let end = leave(iort, dialect, next)?;
            return Ok(end.filter(|end| kind_at(iort, end.node) == Some(NodeType::ItsGroup)));
        }
        here = next;
    }
}

/// From a root complex or named component to the first SMMU or ITS group.
fn leave(iort: &Iort<'_>, dialect: Dialect, start: Resolved) -> Result<Option<Resolved>, Error> {
    let mut requesters_left = count(iort, is_requester);
    let mut here = start;
    loop {
        let Some(node) = iort.node_at(here.node).filter(Node::is_usable) else { return Ok(None) };
        match node.node_type() {
            kind if kind.is_smmu() || kind == NodeType::ItsGroup => return Ok(Some(here)),
            NodeType::RootComplex | NodeType::NamedComponent => {}
            // PMCG and IWB nodes only send MSIs of their own; RMR nodes send nothing.
            _ => return Ok(None),
        }
        requesters_left = requesters_left.checked_sub(1).ok_or_else(|| cycle(&node, start.id))?;
        let Some(next) = step(iort, &node, dialect, here.id) else { return Ok(None) };
        here = next;
    }
}

fn cycle(node: &Node<'_>, id: u32) -> Error {
    Error { kind: ErrorKind::MappingCycle(id), at: node.at() }
}

/// The number of usable nodes of some types, up to the bound on hops.
fn count(iort: &Iort<'_>, of: impl Fn(NodeType) -> bool) -> usize {
    let nodes = iort.nodes().map_while(Result::ok).filter(|node| of(node.node_type()) && node.is_usable());
    nodes.take(MAX_HOPS).count()
}

fn kind_at(iort: &Iort<'_>, offset: u32) -> Option<NodeType> {
    iort.node_at(offset).filter(Node::is_usable).map(|node| node.node_type())
}

fn is_requester(kind: NodeType) -> bool {
    !kind.is_smmu() && !matches!(kind, NodeType::ItsGroup | NodeType::Rmr | NodeType::Unknown(_))
}

/// The StreamID or DeviceID of a PCI function: it asks the root complex of the function's segment, or each of them
/// ([`RootComplexRule`]).
///
/// # Errors
/// As [`resolve`].
pub fn resolve_function(
    iort: &Iort<'_>,
    dialect: Dialect,
    function: Bdf,
    wanted: Wanted,
) -> Result<Option<Resolved>, Error> {
    let segment_matches = |node: &Node<'_>| matches!(node.body(), Ok(Body::RootComplex(root)) if root.segment == function.segment.0);
    let mut roots = iort.nodes().map_while(Result::ok).filter(segment_matches);
    let id = u32::from(function.rid.0);
    match dialect.root_complex {
        RootComplexRule::First => {
            roots.next().map_or(Ok(None), |root| resolve(iort, dialect, root.offset(), id, wanted))
        }
        RootComplexRule::UntilMapped => {
            roots.find_map(|root| resolve(iort, dialect, root.offset(), id, wanted).transpose()).transpose()
        }
    }
}

/// The ids of a platform device whose bus gives it none, in the order in which the operating system adds them ([`ComponentRule`];
/// linux `iort_nc_iommu_map`). It ends after an error.
pub fn component_ids<'a>(
    iort: &Iort<'a>,
    dialect: Dialect,
    node_offset: u32,
    wanted: Wanted,
) -> impl Iterator<Item = Result<Resolved, Error>> + use<'a> {
    let iort = *iort;
    let node = iort.node_at(node_offset).filter(Node::is_usable);
    let only = node.is_some_and(|node| kept(&node).count() == 1);
    let first_alone = dialect.component == ComponentRule::FirstSingleOrOnly;
    let counts = move |mapping: &Mapping| mapping.is_single() || only && first_alone;
    let takes = move |mapping: &Mapping| counts(mapping) && mapping.output_reference != 0;
    let (mut failed, mut taken) = (false, false);
    node.into_iter()
        .flat_map(|node| kept(&node))
        .filter(move |mapping| {
            let later = taken;
            // The first counts even if it leads nowhere.
            taken |= counts(mapping);
            !(later && first_alone)
        })
        .map(move |mapping| {
            takes(&mapping).then(|| from_output(&iort, dialect, &mapping, wanted).transpose()).flatten()
        })
        .take_while(move |found| {
            let before = core::mem::replace(&mut failed, matches!(found, Some(Err(_))));
            !before && (found.is_some() || dialect.component != ComponentRule::LeadingSingles)
        })
        .flatten()
}

/// The DeviceID of a platform device's MSIs: for an SMMUv3 or PMCG by the mapping for its own MSIs, otherwise by the first single
/// mapping that reaches an ITS group (linux `iort_pmsi_get_msi_info`).
///
/// # Errors
/// As [`resolve`].
pub fn own_device_id(iort: &Iort<'_>, dialect: Dialect, node_offset: u32) -> Result<Option<Resolved>, Error> {
    let Some(node) = iort.node_at(node_offset).filter(Node::is_usable) else { return Ok(None) };
    if node.node_type() == NodeType::SmmuV2 {
        return Ok(None);
    }
    let mut singles = node.mappings().filter(|mapping| mapping.is_single() && mapping.output_reference != 0);
    if matches!(node.node_type(), NodeType::SmmuV3 | NodeType::Pmcg) {
        let index = node.own_msi(dialect.msi_index);
        let own = singles.find(|mapping| Some(mapping.index) == index).filter(|own| {
            iort.node_at(own.output_reference).is_some_and(|target| target.node_type() == NodeType::ItsGroup)
        });
        return Ok(own.map(|own| Resolved { node: own.output_reference, id: own.output_base }));
    }
    singles.find_map(|mapping| from_output(iort, dialect, &mapping, Wanted::Msi).transpose()).transpose()
}

/// Continues with the first output ID of a mapping, at the mapping's target.
fn from_output(
    iort: &Iort<'_>,
    dialect: Dialect,
    mapping: &Mapping,
    wanted: Wanted,
) -> Result<Option<Resolved>, Error> {
    resolve(iort, dialect, mapping.output_reference, mapping.output_base, wanted)
}

/// One step of a path: the mapping that takes the ID, its target, and its output (linux `iort_id_map`, and the loop of
/// `iort_node_map_id`).
fn step(iort: &Iort<'_>, node: &Node<'_>, dialect: Dialect, id: u32) -> Option<Resolved> {
    if dialect.null_first_disables && node.mappings().next()?.output_reference == 0 {
        return None;
    }
    let own_msi = node.own_msi(dialect.msi_index);
    let mut at_last_id = None;
    for mapping in kept(node).filter(|mapping| Some(mapping.index) != own_msi) {
        let Some((first, last)) = inputs(node.node_type(), &mapping, dialect) else { continue };
        // After a range has matched with its last ID, only one that starts there can take the ID from it.
        let free = at_last_id.is_none() || id == first || mapping.is_single();
        if !free
            || !(first..=last).contains(&id)
            || !dialect.dangling_shadows && leads_nowhere(iort, &mapping)
        {
            continue;
        }
        let position = if mapping.is_single() { 0 } else { id.wrapping_sub(first) };
        let next =
            Resolved { node: mapping.output_reference, id: mapping.output_base.wrapping_add(position) };
        let yields = dialect.last_id == LastIdRule::YieldsToRangeStartingThere && !mapping.is_single();
        if !(yields && id == last && last > first) {
            return Some(next);
        }
        at_last_id = Some(next);
    }
    at_last_id
}

/// The IDs that a mapping matches in this dialect.
fn inputs(node_type: NodeType, mapping: &Mapping, dialect: Dialect) -> Option<(u32, u32)> {
    let (first, last) = (mapping.input_base, mapping.input_last()?);
    if mapping.is_single() && node_type.is_smmu() && dialect.msi_index != MsiIndexRule::NoIndex {
        // There the flag is only valid for own MSIs: Linux warns and skips the mapping.
        return None;
    }
    if mapping.is_single() && dialect.single == SingleRule::AnyInput {
        return Some((0, u32::MAX));
    }
    if !dialect.output_wraps {
        mapping.output_last()?;
    }
    match dialect.count {
        CountRule::CountMinusOne => Some((first, last)),
        CountRule::CountIsN => last.checked_sub(1).filter(|last| *last >= first).map(|last| (first, last)),
    }
}

/// Whether a mapping refers to something that cannot be a target.
fn leads_nowhere(iort: &Iort<'_>, mapping: &Mapping) -> bool {
    kind_at(iort, mapping.output_reference).is_none_or(|kind| kind == NodeType::Rmr)
}

/// The mappings that can match an id: those that lowering keeps, too.
fn kept<'a>(node: &Node<'a>) -> impl Iterator<Item = Mapping> + use<'a> {
    node.mappings().filter(|mapping| mapping.input_last().is_some())
}
