//! The smallest DMAR or IVRS for each code.

use fwspec::RequesterId;
use fwspec::acpi::dmar::Builder as Dmar;
use fwspec::acpi::ivrs::{Builder as Ivrs, Devices};
use fwspec::lint::Code;

/// The function that the unit of an AMD machine is.
const OWN: RequesterId = RequesterId(2);

/// A DMAR whose unit translates every function of segment 0.
pub fn healthy_dmar() -> Dmar {
    let mut table = Dmar::new(46);
    table.unit(0, 0xfed9_0000).include_all();
    table
}

/// An IVRS whose unit translates every function of segment 0.
pub fn healthy_ivrs() -> Ivrs {
    let mut table = Ivrs::new();
    table.unit(0x10, 0, OWN, 0xfeb8_0000).all();
    table
}

/// The table that trips this code and nothing else, and its file's name; `None` for codes of other firmware.
pub fn recipe(code: Code) -> Option<(&'static str, Vec<u8>)> {
    dmar(code).map(|table| ("dmar.bin", table)).or_else(|| ivrs(code).map(|table| ("ivrs.bin", table)))
}

fn dmar(code: Code) -> Option<Vec<u8>> {
    let mut table = healthy_dmar();
    match code {
        Code::DmarUnreadable => _ = table.structure(1, &[0; 8]),
        Code::DmarStructureType => _ = table.structure(9, &[]),
        Code::DmarScopeLength => _ = table.ats_ports(0).raw(&[2, 0, 0, 0, 0, 0, 1, 0]),
        Code::DmarScopeOverrun => _ = table.ats_ports(0).raw(&[2, 10, 0, 0, 0, 0, 1, 0]),
        Code::DmarScopeOdd => _ = table.ats_ports(0).raw(&[2, 9, 0, 0, 0, 0, 1, 0, 0]),
        Code::DmarScopeNumber => _ = table.ats_ports(0).bridge(0, [(0x20, 0)]),
        Code::DmarRefused => {
            table = Dmar::new(7);
            table.unit(0, 0xfed9_0000).include_all();
        }
        Code::DmarNoUnit => table = Dmar::new(46),
        Code::DmarUnitRepeated => {
            table = Dmar::new(46);
            table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]);
            table.unit(0, 0xfed9_0000).include_all();
        }
        Code::DmarAllNotLast => _ = table.unit(0, 0xfed9_1000).endpoint(0, [(2, 0)]),
        Code::DmarRegionBackwards => {
            table.memory(0, std::ops::RangeInclusive::new(0x2000, 0xfff)).endpoint(0, [(2, 0)]);
        }
        Code::DmarRegionUnaligned => _ = table.memory(0, 0x1000..=0x1ffe).endpoint(0, [(2, 0)]),
        Code::DmarRegion => _ = table.memory(0, 0x1000..=0x1fff).endpoint(0, [(2, 0)]),
        Code::DmarNamespaceScope => _ = table.namespace_device(1, r"\_SB.PCI0.I2C0"),
        Code::DmarAffinity => _ = table.affinity(0xfed9_1000, 0),
        _ => return None,
    }
    Some(table.finish())
}

fn ivrs(code: Code) -> Option<Vec<u8>> {
    let mut table = healthy_ivrs();
    match code {
        Code::IvrsUnreadable => _ = table.block(0x20, 1, &[0; 8]),
        Code::IvrsBlockType => _ = table.block(0x50, 0, &[0; 4]),
        Code::IvrsEntryType => {
            table = Ivrs::new();
            table.unit(0x10, 0, OWN, 0xfeb8_0000).all().entry(0x90, 0, 0, &[]);
        }
        Code::IvrsEntryOverrun => {
            table = Ivrs::new();
            table.unit(0x10, 0, OWN, 0xfeb8_0000).all().entry(0x42, 8, 0, &[]);
        }
        Code::IvrsRefused => {
            table = Ivrs::new();
            table.unit(0x10, 0, OWN, 0xfeb8_0000);
        }
        Code::IvrsTypesDisagree => _ = table.unit(0x11, 0, OWN, 0xfeb8_0000).range(8..=0xffff),
        Code::IvrsAliasBus => {
            table = Ivrs::new();
            table.unit(0x10, 0, OWN, 0xfeb8_0000).all().alias(0x100, 0xa0);
        }
        Code::IvrsRangeBackwards => {
            table = Ivrs::new();
            table.unit(0x10, 0, OWN, 0xfeb8_0000).all().range(std::ops::RangeInclusive::new(0x10, 8));
        }
        Code::IvrsRegion => _ = table.memory(Devices::One(RequesterId(8)), 0b111, 0x1000, 0x1000),
        Code::IvrsRegionDenied => _ = table.memory(Devices::One(RequesterId(8)), 1, 0x1000, 0x1000),
        Code::IvrsRegionUnused => _ = table.memory(Devices::One(RequesterId(8)), 0b110, 0x1000, 0x1000),
        _ => return None,
    }
    Some(table.finish())
}
