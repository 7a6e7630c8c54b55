//! What a PCI function is, in a few words.

use alloc::format;
use alloc::string::String;

use fwspec::pci::{Function, Header, PortType};

/// `1b36:000c root port, buses 01-04`, or with the class of an endpoint where it is one that people look for: `8086:10c9 Ethernet`.
pub(crate) fn what(function: &Function) -> String {
    let kind = kind(function);
    // Where an endpoint is, on a root bus or below a port, is to be seen from its address.
    let class =
        if matches!(kind, "endpoint" | "integrated endpoint") { class(function.class >> 8) } else { None };
    described(function, class.unwrap_or(kind))
}

fn described(function: &Function, kind: &str) -> String {
    // A listing of names does not tell all ids. No vendor is 0.
    let ids = match (function.vendor, function.device) {
        (0, _) => String::new(),
        (vendor, 0) => format!("{vendor:04x}:???? "),
        (vendor, device) => format!("{vendor:04x}:{device:04x} "),
    };
    let buses = match function.header {
        // Nobody numbered it, or it does not answer.
        Header::Bridge { secondary: 0, .. } => String::new(),
        Header::Bridge { secondary, subordinate } if secondary == subordinate => {
            format!(", bus {secondary:02x}")
        }
        Header::Bridge { secondary, subordinate } => format!(", buses {secondary:02x}-{subordinate:02x}"),
        Header::Device | Header::CardBus { .. } | Header::Other(_) => String::new(),
    };
    format!("{ids}{kind}{buses}")
}

fn kind(function: &Function) -> &'static str {
    if function.virtual_function {
        return "virtual function";
    }
    for (port, name) in [
        (PortType::RootPort, "root port"),
        (PortType::UpstreamPort, "switch upstream port"),
        (PortType::DownstreamPort, "switch downstream port"),
        (PortType::PcieToPci, "PCIe-to-PCI bridge"),
        (PortType::PciToPcie, "PCI-to-PCIe bridge"),
        (PortType::RcEndpoint, "integrated endpoint"),
        (PortType::RcEventCollector, "event collector"),
    ] {
        if function.is(port) {
            return name;
        }
    }
    match function.header {
        Header::Bridge { .. } | Header::CardBus { .. } => "PCI bridge",
        _ if function.class >> 8 == 0x0600 => "host bridge",
        Header::Device | Header::Other(_) => "endpoint",
    }
}

/// Base class and subclass (PCI Code and ID Assignment Specification §1).
fn class(class: u32) -> Option<&'static str> {
    Some(match class {
        0x0100 => "SCSI",
        0x0101 => "IDE",
        0x0104 => "RAID",
        0x0106 => "SATA",
        0x0107 => "SAS",
        0x0108 => "NVMe",
        0x0200 => "Ethernet",
        0x0207 => "InfiniBand",
        0x0300 | 0x0302 | 0x0380 => "GPU",
        0x0401 | 0x0403 => "audio",
        0x0601 => "ISA bridge",
        0x0806 => "IOMMU",
        0x0c00 => "FireWire",
        0x0c03 => "USB",
        0x0c05 => "SMBus",
        _ => return None,
    })
}
