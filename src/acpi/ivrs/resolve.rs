//! The unit of one function, and the ID that the function sends with, read from the table itself: no heap.

use super::{Body, Claim, Ivhd, Ivrs};
use crate::limits::MAX_IVRS_CLAIMS;
use crate::{Bdf, Error, RequesterId, Segment, error::At};

/// What an IVRS says about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Translation {
    /// The IVHD block of the unit.
    pub unit: At,
    /// The entry that decides; for a range, the one that ends it.
    pub entry: At,
    /// The ID that the function sends with, if an entry says that it is not its own. Linux translates both.
    pub alias: Option<RequesterId>,
    /// The function must not use ATS. Linux does not read that.
    pub ats_disabled: bool,
}

/// The unit of a function, as Linux finds it (drivers/iommu/amd/iommu.c `rlookup_amd_iommu`): that of the last entry that claims
/// the function, in blocks of [`Ivrs::unit_type`]. An entry with a data setting counts only if no entry before it has one for
/// exactly the same functions (drivers/iommu/amd/init.c `set_dev_entry_from_acpi_range`). `None` where no unit translates the
/// function: it is itself a unit, it is above the last function that an entry names, or no entry claims it.
///
/// ```
/// use fwspec::RequesterId;
/// use fwspec::acpi::ivrs::{Builder, Ivrs, unit_of};
/// let mut table = Builder::new();
/// table.unit(0x10, 0, RequesterId(2), 0xfeb8_0000).select(0x100).alias(0x108, 0x100);
/// let bytes = table.finish();
/// let table = Ivrs::parse(&bytes)?;
/// let answer = unit_of(&table, "01:01.0".parse().unwrap())?.expect("an entry");
/// assert_eq!((answer.unit.to_string().as_str(), answer.alias), ("IVRS+0x30", Some(RequesterId(0x100))));
/// assert_eq!(unit_of(&table, "00:00.2".parse().unwrap())?, None);
/// # Ok::<(), fwspec::Error>(())
/// ```
///
/// # Errors
/// An error that keeps the table from being read: Linux then translates nothing, or does not end.
pub fn unit_of(table: &Ivrs<'_>, function: Bdf) -> Result<Option<Translation>, Error> {
    let Bdf { segment, rid } = function;
    let mut last_function = None;
    let mut found: Option<Translation> = None;
    let mut alias = None;
    let mut compared = 0_usize;
    for unit in units(table, segment) {
        let Unit { at, own, block_type, body } = unit?;
        if own == rid {
            return Ok(None);
        }
        last_function = last_function.max(body.last_function()?);
        for claim in body.claims(block_type) {
            let claim = claim?;
            if !(claim.first..=claim.last).contains(&rid) {
                continue;
            }
            // The alias counts, whichever unit the function has.
            alias = claim.alias.or(alias);
            let other_unit = found.is_some_and(|found| found.unit != at);
            if other_unit && claim.data != 0 && compared < MAX_IVRS_CLAIMS {
                compared = compared.saturating_add(1);
                if is_repeated(table, segment, &claim) {
                    continue;
                }
            }
            let ats_disabled = claim.ats_disabled;
            found = Some(Translation { unit: at, entry: claim.at, alias: None, ats_disabled });
        }
    }
    let alias = alias.filter(|alias| *alias != rid);
    Ok(found.filter(|_| last_function >= Some(rid)).map(|found| Translation { alias, ..found }))
}

/// A block that is a unit for Linux.
struct Unit<'a> {
    at: At,
    own: RequesterId,
    block_type: u8,
    body: Ivhd<'a>,
}

/// The units of a segment, in table order.
fn units<'a>(table: &Ivrs<'a>, segment: Segment) -> impl Iterator<Item = Result<Unit<'a>, Error>> {
    let wanted = table.unit_type();
    table.blocks().filter_map(move |block| {
        let block = match block {
            Ok(block) => block,
            Err(error) => return Some(Err(error)),
        };
        let block_type = block.block_type();
        if Some(block_type) != wanted {
            return None;
        }
        match block.body() {
            Ok(Body::Ivhd(body)) if body.segment == segment => {
                Some(Ok(Unit { at: block.at(), own: block.device_id(), block_type, body }))
            }
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    })
}

/// Whether a claim before this one has a data setting for exactly the same functions.
fn is_repeated(table: &Ivrs<'_>, segment: Segment, claim: &Claim) -> bool {
    let units = units(table, segment).map_while(Result::ok);
    let claims = units.flat_map(|unit| unit.body.claims(unit.block_type).map_while(Result::ok));
    claims
        .take_while(|earlier| earlier.at < claim.at)
        .any(|earlier| earlier.data != 0 && earlier.first == claim.first && earlier.last == claim.last)
}
