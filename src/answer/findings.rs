//! What is wrong with one firmware: the checks that apply to what was opened.

use alloc::vec::Vec;

use crate::acpi::dmar::Dmar;
use crate::acpi::ivrs::Ivrs;
use crate::acpi::rimt::Rimt;
use crate::acpi::viot::Viot;
use crate::lint::{self, Finding};
use crate::machine::Firmware;
use crate::{Error, ErrorKind, Format, Platform};

/// Everything that is wrong, risky or odd in a firmware, in the order of its bytes.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::findings;
/// use fwspec::machine::Firmware;
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
/// let firmware = Firmware::open("iort.bin", table.finish())?;
/// assert!(findings(&firmware).iter().any(|finding| finding.code.rule().name == "dma-hole"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn findings(firmware: &Firmware) -> Vec<Finding> {
    let alone = firmware.companions().next().is_none();
    match (firmware.iort(), firmware.tree()) {
        (Some(iort), _) if alone => lint::iort(&iort, &firmware.platform),
        (_, Some(tree)) => lint::tree(&tree, &firmware.platform),
        (None, None) if alone => lint::platform(&firmware.platform),
        _ => beside(firmware),
    }
}

/// The findings of tables that belong to one machine: each table is checked separately.
fn beside(firmware: &Firmware) -> Vec<Finding> {
    let of_companion = |error: &&Error| {
        error.kind != ErrorKind::TableTwice && firmware.companions().any(|source| source == error.at.source)
    };
    // What the machine has in common, and what is wrong with the IORT and with the files around the tables.
    let common = Platform {
        buses: firmware.platform.buses.clone(),
        its_units: firmware.platform.its_units.clone(),
        skipped: firmware.platform.skipped.iter().filter(|error| !of_companion(error)).copied().collect(),
        ..Platform::default()
    };
    let own = match firmware.iort() {
        Some(iort) => {
            let Platform { buses, its_units, skipped, .. } = common.clone();
            lint::iort(&iort, &Platform { buses, its_units, skipped, ..iort.platform() })
        }
        None => lint::platform(&common),
    };
    let companions = firmware.companion_platforms();
    let companions = companions.flat_map(|part| {
        let part = Platform { buses: common.buses.clone(), ..part.clone() };
        let bytes = part.source.and_then(|source| Some((firmware.table(source)?, source)));
        let of_format = bytes.and_then(|(bytes, source)| match source.format()? {
            Format::Dmar => Some(lint::dmar(&Dmar::parse_as(bytes, source).ok()?, &part)),
            Format::Ivrs => Some(lint::ivrs(&Ivrs::parse_as(bytes, source).ok()?, &part)),
            Format::Rimt => Some(lint::rimt(&Rimt::parse_as(bytes, source).ok()?, &part)),
            Format::Viot => Some(lint::viot(&Viot::parse_as(bytes, source).ok()?, &part)),
            Format::DeviceTree | Format::Iort => None,
        });
        of_format.unwrap_or_else(|| lint::platform(&part))
    });
    own.into_iter().chain(companions).collect()
}
