//! The unit of one function, read from the table itself: no heap, and no guess about buses.

use super::{Body, Dmar, Drhd, ScopeType};
use crate::limits::MAX_DMAR_UNITS;
use crate::{Bdf, Error, ErrorKind, Segment, error::At};

/// What a DMAR alone says about the unit of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitAnswer {
    /// The unit of this DRHD structure.
    Unit(At),
    /// This device scope is a bridge or has a longer path, and may lead to the function: that depends on the bus numbers of the
    /// machine's bridges.
    NeedsTopology(At),
    /// No unit: Linux leaves the function untranslated.
    Untranslated,
}

/// The unit of a function, as Linux finds it (drivers/iommu/intel/iommu.c `device_lookup_iommu`): units that list their devices
/// come first, the last one listed before the others; then the first unit for the whole segment.
///
/// For a virtual function, or one that sends as another function, ask for that physical or other function.
///
/// ```
/// use fwspec::acpi::dmar::{Builder, Dmar, UnitAnswer, unit_of};
/// let mut table = Builder::new(46);
/// table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]).bridge(0, [(0x1c, 0)]);
/// table.unit(0, 0xfed9_1000).include_all();
/// let bytes = table.finish();
/// let table = Dmar::parse(&bytes)?;
/// let unit = |function: &str| unit_of(&table, function.parse().unwrap()).unwrap();
/// assert!(matches!(unit("00:02.0"), UnitAnswer::Unit(at) if at.to_string() == "DMAR+0x30"));
/// assert!(matches!(unit("00:1f.0"), UnitAnswer::Unit(at) if at.to_string() == "DMAR+0x50"));
/// assert!(matches!(unit("01:00.0"), UnitAnswer::NeedsTopology(scope) if scope.to_string() == "DMAR+0x48"));
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// An error that keeps the table from being read: Linux then translates nothing, or does not end.
pub fn unit_of(table: &Dmar<'_>, function: Bdf) -> Result<UnitAnswer, Error> {
    let mut listed: Option<(usize, At)> = None;
    let mut open: Option<(usize, At)> = None;
    let mut all: Option<At> = None;
    let mut on_root_bus = function.rid.bus() == 0;
    for (order, unit) in units(table, function.segment).enumerate() {
        let (at, unit) = unit?;
        if order < MAX_DMAR_UNITS && is_repeated(table, at, &unit) {
            continue;
        }
        if unit.include_all() {
            // The scopes of such a unit are not used (`dmar_pci_bus_add_dev`).
            all = all.or(Some(at));
            continue;
        }
        for scope in unit.scopes {
            let scope = scope?;
            if !matches!(scope.scope_type(), ScopeType::Endpoint | ScopeType::Bridge) {
                continue;
            }
            on_root_bus |= scope.start_bus() == function.rid.bus();
            match scope.function() {
                Some(rid) if rid == function.rid => listed = Some((order, at)),
                Some(_) if scope.scope_type() == ScopeType::Endpoint => {}
                _ => open = Some((order, scope.at())),
            }
        }
    }
    // A path starts on a root bus, and a function there is not below a bridge.
    let open = open.filter(|(order, _)| !on_root_bus && listed.is_none_or(|(listed, _)| listed < *order));
    Ok(match (open, listed, all) {
        (Some((_, scope)), ..) => UnitAnswer::NeedsTopology(scope),
        (None, Some((_, unit)), _) | (None, None, Some(unit)) => UnitAnswer::Unit(unit),
        (None, None, None) => UnitAnswer::Untranslated,
    })
}

/// The units of a segment, in table order. A structure of length 0 ends the table, as for Linux.
fn units<'a>(table: &Dmar<'a>, segment: Segment) -> impl Iterator<Item = Result<(At, Drhd<'a>), Error>> {
    let structures = table
        .structures()
        .take_while(|structure| !matches!(structure, Err(Error { kind: ErrorKind::NodeLengthZero, .. })));
    structures.filter_map(move |structure| match structure {
        Ok(structure) => match structure.body() {
            Ok(Body::Drhd(unit)) if unit.segment == segment => Some(Ok((structure.at(), unit))),
            _ => None,
        },
        Err(error) => Some(Err(error)),
    })
}

/// Whether an earlier unit has the same registers: Linux uses only the first (`dmar_find_dmaru`).
fn is_repeated(table: &Dmar<'_>, at: At, unit: &Drhd<'_>) -> bool {
    let earlier = units(table, unit.segment).map_while(Result::ok).take_while(|(other, _)| *other < at);
    earlier.take(MAX_DMAR_UNITS).any(|(_, other)| other.base == unit.base)
}
