//! The smallest RIMT or VIOT for each code.

use fwspec::lint::Code;

use crate::support::write::{Rimt, Viot};

/// A RIMT whose IOMMU translates every function of segment 0.
pub fn healthy_rimt() -> Rimt {
    let mut table = Rimt::default();
    let iommu = table.iommu(0x301_0000);
    table.root_complex(0, 0, &[(0, 0x1_0000, 0, iommu)]);
    table
}

/// A VIOT whose IOMMU translates every function of segment 0.
pub fn healthy_viot() -> Viot {
    let mut table = Viot::default();
    let iommu = table.mmio_iommu(0x1000_0000);
    table.pci_range(0..=0, 0..=0xffff, 0, iommu);
    table
}

/// The table that trips this code and nothing else, and its file's name; `None` for codes of other firmware.
pub fn recipe(code: Code) -> Option<(&'static str, Vec<u8>)> {
    let mut rimt = Rimt::default();
    let mut viot = Viot::default();
    match code {
        Code::RimtUnreadable => {
            rimt = healthy_rimt();
            rimt.raw(2, 8);
        }
        Code::RimtReference => {
            rimt = healthy_rimt();
            rimt.platform_device(r"\_SB_.DMA0", &[(0, 1, 7, 4)]);
        }
        Code::RimtCountZero => {
            let iommu = rimt.iommu(0x301_0000);
            rimt.root_complex(0, 0, &[(0, 0x1_0000, 0, iommu), (8, 0, 8, iommu)]);
        }
        Code::RimtCountReading => {
            let iommus = [rimt.iommu(0x301_0000), rimt.iommu(0x302_0000)];
            rimt.root_complex(0, 0, &[(0, 0x100, 0, iommus[0]), (0x100, 0xff00, 0, iommus[1])]);
        }
        // As in a draft: the mappings stand where the segment does.
        Code::RimtLayout => {
            rimt = healthy_rimt();
            rimt.raw_body(1, &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0]);
        }
        Code::RimtReserved => {
            rimt = healthy_rimt();
            rimt.raw_body(1, &[4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
        }
        Code::ViotReserved => {
            viot = healthy_viot();
            viot.raw_body(4, &[1, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0]);
        }
        Code::ViotStrayBytes => {
            viot = healthy_viot();
            viot.raw_body(4, &[0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 9, 9, 9, 9]);
        }
        Code::ViotUnreadable => {
            viot = healthy_viot();
            viot.raw(1, 12);
        }
        Code::ViotOutputNode => {
            viot = healthy_viot();
            viot.mmio_endpoint(7, 0x2000_0000, 4);
        }
        Code::ViotRange => {
            viot = healthy_viot();
            viot.pci_range(1..=1, std::ops::RangeInclusive::new(8, 0), 0, 48);
        }
        Code::ViotOverlap => {
            let iommus = [viot.mmio_iommu(0x1000_0000), viot.mmio_iommu(0x2000_0000)];
            viot.pci_range(0..=0, 0..=0x1ff, 0, iommus[0]);
            viot.pci_range(0..=0, 0x100..=0xffff, 0, iommus[1]);
        }
        _ => return None,
    }
    let of_rimt = code.rule().id.starts_with("RIMT");
    Some(if of_rimt { ("rimt.bin", rimt.bytes()) } else { ("viot.bin", viot.bytes()) })
}
