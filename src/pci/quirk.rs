//! Devices that do not do what their configuration space says: rows of vendor, devices, condition and effect.
//!
//! The rows are those of linux drivers/pci/quirks.c, in its order: the first ACS row with an opinion decides. Read at
//! 7.3.4; 6.12.117 has the same rows except those whose `since` says otherwise.

use super::{AcsFlags, Function, Ids};

/// The kernel release that the tables were read from.
pub const READ_AT: &str = "7.3.4";

/// One row: which devices, and what is different about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Row<Effect: 'static> {
    /// Vendor ID.
    pub vendor: u16,
    /// Device IDs, as inclusive ranges.
    pub devices: &'static [(u16, u16)],
    /// What is different about them.
    pub effect: Effect,
    /// Which devices they are, and the kernel function that says so.
    pub citation: &'static str,
    /// First kernel release with the row, where that is later than 6.12.
    pub since: Option<&'static str>,
}

impl<Effect> Row<Effect> {
    /// Whether the row is about this function.
    pub fn names(&self, function: &Function) -> bool {
        self.vendor == function.vendor
            && self.devices.iter().any(|(first, last)| (*first..=*last).contains(&function.device))
    }
}

/// What a device's DMA is tagged with, other than its own requester ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AliasEffect {
    /// Function 0 of its slot.
    Function0,
    /// Function 1 of its slot, which a scan of the bus may not find.
    Function1,
    /// These `devfn` of its bus.
    Devfns(&'static [u8]),
    /// As `Devfns`, for these subsystems only.
    DevfnsOf(&'static [Ids], &'static [u8]),
    /// Functions 0 to 4 of every slot of its bus.
    Functions0To4,
    /// Every `devfn` of its bus.
    WholeBus,
    /// Requester IDs that Linux reads from device registers: configuration space does not show them.
    Dynamic,
    /// A bridge without PCI Express capability that tags like a PCIe-to-PCI bridge: with function 0 of its secondary bus. Only
    /// right below a PCI Express port.
    BridgeAlias,
    /// The walk towards the root ends below this bridge.
    TranslationRoot,
    /// A PCIe-to-PCI bridge that forwards the requester IDs of its children.
    NoAlias,
}

/// What a device isolates, whatever its ACS capability says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcsEffect {
    /// SV, TB, RR, CR, UF and DT count as enabled: the functions of the device do not reach each other
    /// (`pci_quirk_mf_endpoint_acs`).
    Multifunction,
    /// SV, RR, CR and UF count as enabled (`pci_quirk_xgene_acs` and others).
    RootPort,
    /// As `RootPort` for root complex integrated endpoints; no opinion on others (`pci_quirk_rciep_acs`).
    RcEndpoint,
    /// RR and CR for multifunction devices on the root bus of a machine with an IVRS table, otherwise no opinion
    /// (`pci_quirk_amd_sb_acs`).
    AmdSouthbridge,
    /// Root ports of Intel chipsets: as `RootPort` where the chipset's own switch is on, otherwise nothing is enabled
    /// (`pci_quirk_intel_pch_acs`).
    IntelPch,
    /// Root ports whose ACS registers are 32 bits wide (`pci_quirk_intel_spt_pch_acs`).
    IntelSunrisePoint,
    /// As `RootPort` for root ports; no opinion on others (`pci_quirk_cavium_acs`, `pci_quirk_al_acs`).
    RootPortOnly,
    /// Root and downstream ports: these devices as `RootPort`, the others isolate nothing (`pci_quirk_zhaoxin_pcie_ports_acs`).
    PortsIfListed(&'static [(u16, u16)]),
    /// These devices as `RootPort`, the others isolate nothing (`pci_quirk_wangxun_nic_acs`).
    OnlyIfListed(&'static [(u16, u16)]),
}

const fn row<Effect: Copy>(
    vendor: u16,
    devices: &'static [(u16, u16)],
    effect: Effect,
    citation: &'static str,
) -> Row<Effect> {
    Row { vendor, devices, effect, citation, since: None }
}

/// Single device ids as ranges.
macro_rules! ids {
    ($($id:literal)*) => { &[$(($id, $id)),*] };
}

const ANY: &[(u16, u16)] = &[(0, 0xffff)];
const ADAPTEC_3405_3805: &[Ids] =
    &[Ids { vendor: 0x9005, device: 0x02bb }, Ids { vendor: 0x9005, device: 0x02bc }];

/// `devfn` in the notation of the kernel's `PCI_DEVFN()`.
const fn devfn(slot: u8, function: u8) -> u8 {
    slot << 3 | function
}

/// Devices whose DMA carries other requester IDs than their own.
#[rustfmt::skip]
pub const ALIASES: &[Row<AliasEffect>] = &[
    row(0x1180, ids![0xe832 0xe476], AliasEffect::Function0, "Ricoh; quirk_dma_func0_alias"),
    row(0x6766, ids![0x3d40 0x3d41], AliasEffect::Function0, "Glenfly; quirk_dma_func0_alias"),
    row(0x1b4b, ids![0x9120 0x9123 0x9125 0x9128 0x9130 0x9170 0x9172 0x917a 0x9182 0x9183 0x91a0 0x9215 0x9220 0x9230 0x9235],
        AliasEffect::Function1, "Marvell SATA; quirk_dma_func1_alias"),
    row(0x1103, ids![0x0642 0x0645], AliasEffect::Function1, "HighPoint; quirk_dma_func1_alias"),
    row(0x197b, ids![0x2392], AliasEffect::Function1, "JMicron JMB388 ESD; quirk_dma_func1_alias"),
    row(0x1c28, ids![0x0122], AliasEffect::Function1, "Lite-On Plextor M6E; quirk_dma_func1_alias"),
    row(0x9005, ids![0x0285], AliasEffect::DevfnsOf(ADAPTEC_3405_3805, &[devfn(1, 0)]),
        "Adaptec 3405 and 3805; quirk_fixed_dma_alias"),
    row(0x1b21, ids![0x1080], AliasEffect::BridgeAlias, "ASMedia ASM1083/1085; quirk_use_pcie_bridge_dma_alias"),
    row(0x10e3, ids![0x8113], AliasEffect::BridgeAlias, "Tundra; quirk_use_pcie_bridge_dma_alias"),
    row(0x1283, ids![0x8892 0x8893], AliasEffect::BridgeAlias, "ITE; quirk_use_pcie_bridge_dma_alias"),
    row(0x8086, ids![0x244e], AliasEffect::BridgeAlias, "Intel 82801; quirk_use_pcie_bridge_dma_alias"),
    row(0x8086, ids![0x2260 0x2264], AliasEffect::Devfns(&[devfn(0x10, 0), devfn(0x11, 0), devfn(0x12, 3)]),
        "Intel MIC x200; quirk_mic_x200_dma_alias"),
    row(0x8086, ids![0x2954 0x2955 0x2956 0x2958 0x2959 0x295a], AliasEffect::Functions0To4,
        "Intel Visual Compute Accelerator; quirk_pex_vca_alias"),
    row(0x14e4, ids![0x9000 0x9084], AliasEffect::TranslationRoot, "Broadcom Vulcan, Cavium ThunderX2; quirk_bridge_cavm_thrx2_pcie_root"),
    row(0x11f8, &[
        (0x8531, 0x8536), (0x8541, 0x8546), (0x8551, 0x8556), (0x8561, 0x8566), (0x8571, 0x8576),
        (0x4000, 0x4000), (0x4084, 0x4084), (0x4068, 0x4068), (0x4052, 0x4052), (0x4036, 0x4036), (0x4028, 0x4028),
        (0x4100, 0x4100), (0x4184, 0x4184), (0x4168, 0x4168), (0x4152, 0x4152), (0x4136, 0x4136), (0x4128, 0x4128),
        (0x4200, 0x4200), (0x4284, 0x4284), (0x4268, 0x4268), (0x4252, 0x4252), (0x4236, 0x4236), (0x4228, 0x4228),
        (0x4352, 0x4352), (0x4336, 0x4336), (0x4328, 0x4328), (0x4452, 0x4452), (0x4436, 0x4436), (0x4428, 0x4428),
        (0x4552, 0x4552), (0x4536, 0x4536), (0x4528, 0x4528),
        (0x5000, 0x5000), (0x5084, 0x5084), (0x5068, 0x5068), (0x5052, 0x5052), (0x5036, 0x5036), (0x5028, 0x5028),
        (0x5100, 0x5100), (0x5184, 0x5184), (0x5168, 0x5168), (0x5152, 0x5152), (0x5136, 0x5136), (0x5128, 0x5128),
        (0x5200, 0x5200), (0x5284, 0x5284), (0x5268, 0x5268), (0x5252, 0x5252), (0x5236, 0x5236), (0x5228, 0x5228),
        (0x5300, 0x5300), (0x5384, 0x5384), (0x5368, 0x5368), (0x5352, 0x5352), (0x5336, 0x5336), (0x5328, 0x5328),
        (0x5400, 0x5400), (0x5484, 0x5484), (0x5468, 0x5468), (0x5452, 0x5452), (0x5436, 0x5436), (0x5428, 0x5428),
        (0x5500, 0x5500), (0x5584, 0x5584), (0x5568, 0x5568), (0x5552, 0x5552), (0x5536, 0x5536), (0x5528, 0x5528),
    ], AliasEffect::Dynamic, "Microchip Switchtec NTB; quirk_switchtec_ntb_dma_alias"),
    row(0x1055, &[(0x1001, 0x1006), (0x1008, 0x1008)], AliasEffect::Dynamic, "Efar Switchtec NTB; quirk_switchtec_ntb_dma_alias"),
    row(0x10b5, ids![0x87b0 0x87b1], AliasEffect::WholeBus, "PLX NTB; quirk_plx_ntb_dma_alias"),
    Row { vendor: 0x1a03, devices: ids![0x1150], effect: AliasEffect::NoAlias, since: Some("7.2"),
        citation: "ASPEED AST1150; quirk_aspeed_pci_bridge_no_alias" },
];

/// Devices that isolate more, or less, than their ACS capability says. The first row with an opinion decides
/// (`pci_dev_specific_acs_enabled`).
#[rustfmt::skip]
pub const ACS: &[Row<AcsEffect>] = &[
    row(0x1002, ids![0x4385 0x439c 0x4383 0x439d 0x4384 0x4399], AcsEffect::AmdSouthbridge, "ATI southbridge; pci_quirk_amd_sb_acs"),
    row(0x1022, ids![0x780f 0x7809], AcsEffect::AmdSouthbridge, "AMD southbridge; pci_quirk_amd_sb_acs"),
    row(0x1924, ids![0x0903 0x0923 0x0a03], AcsEffect::Multifunction, "Solarflare; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x10c6 0x10db 0x10dd 0x10e1 0x10f1 0x10f7 0x10f8 0x10f9 0x10fa 0x10fb 0x10fc 0x1507 0x1514 0x151c 0x1529
        0x152a 0x154d 0x154f 0x1551 0x1558], AcsEffect::Multifunction, "Intel 82598, 82599, X540; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x1509 0x150e 0x150f 0x1510 0x1511 0x1516 0x1527], AcsEffect::Multifunction, "Intel 82580; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x10c9 0x10e6 0x10e7 0x10e8 0x150a 0x150d 0x1518 0x1526], AcsEffect::Multifunction, "Intel 82576; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x10a7 0x10a9 0x10d6], AcsEffect::Multifunction, "Intel 82575; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x1521 0x1522 0x1523 0x1524], AcsEffect::Multifunction, "Intel I350; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x105e 0x105f 0x1060 0x10d9], AcsEffect::Multifunction, "Intel 82571; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ids![0x15b7 0x15b8], AcsEffect::Multifunction, "Intel I219; pci_quirk_mf_endpoint_acs"),
    row(0x8086, ANY, AcsEffect::RcEndpoint, "Intel integrated endpoints; pci_quirk_rciep_acs"),
    row(0x17cb, ids![0x0400 0x0401 0x0115 0x0111 0x0120], AcsEffect::RootPort, "Qualcomm root ports; pci_quirk_qcom_rp_acs"),
    row(0x1dbf, ids![0x0401], AcsEffect::RootPort, "HXT root port; pci_quirk_qcom_rp_acs"),
    row(0x8086, &[
        (0x3b42, 0x3b51), (0x1c10, 0x1c1f), (0x1e10, 0x1e1f), (0x8c10, 0x8c1f), (0x9c10, 0x9c1b), (0x9c90, 0x9c9b),
        (0x1d10, 0x1d10), (0x1d12, 0x1d12), (0x1d14, 0x1d14), (0x1d16, 0x1d16), (0x1d18, 0x1d18), (0x1d1a, 0x1d1a),
        (0x1d1c, 0x1d1c), (0x1d1e, 0x1d1e), (0x8d10, 0x8d1e), (0x8c90, 0x8c90), (0x8c92, 0x8c92), (0x8c94, 0x8c94),
        (0x8c96, 0x8c96), (0x8c98, 0x8c98), (0x8c9a, 0x8c9a), (0x8c9c, 0x8c9c), (0x8c9e, 0x8c9e),
    ], AcsEffect::IntelPch, "Intel chipset root ports; pci_quirk_intel_pch_acs"),
    row(0x8086, &[(0xa110, 0xa11f), (0xa167, 0xa16a), (0xa290, 0xa29f), (0xa2e7, 0xa2ee), (0x9d10, 0x9d1b)],
        AcsEffect::IntelSunrisePoint, "Intel Sunrise Point and Union Point root ports; pci_quirk_intel_spt_pch_acs"),
    row(0x19a2, ids![0x0710], AcsEffect::Multifunction, "Emulex BE3-R; pci_quirk_mf_endpoint_acs"),
    row(0x10df, ids![0x0720], AcsEffect::Multifunction, "Emulex Skyhawk-R; pci_quirk_mf_endpoint_acs"),
    row(0x177d, &[(0xa000, 0xa7ff), (0xaf84, 0xaf84), (0xb884, 0xb884)], AcsEffect::RootPortOnly,
        "Cavium ThunderX 1, 2 and 3 root ports; pci_quirk_cavium_acs"),
    row(0x177d, ids![0xa026 0xa059 0xa060], AcsEffect::Multifunction, "Cavium; pci_quirk_mf_endpoint_acs"),
    row(0x10e8, ids![0xe004], AcsEffect::RootPort, "APM X-Gene; pci_quirk_xgene_acs"),
    row(0x1def, &[(0xe005, 0xe00c)], AcsEffect::RootPort, "Ampere root ports; pci_quirk_xgene_acs"),
    row(0x14e4, ids![0x16d7 0x1750 0x1751 0x1752 0x1760 0x1761 0x1762 0x1763], AcsEffect::Multifunction,
        "Broadcom network adapters; pci_quirk_mf_endpoint_acs"),
    row(0x14e4, ids![0xd714], AcsEffect::RootPort, "Broadcom PAXB root port; pci_quirk_brcm_acs"),
    row(0x0014, ids![0x3c09 0x3c19 0x3c29 0x7a09 0x7a19 0x7a29 0x7a39 0x7a49 0x7a59 0x7a69], AcsEffect::RootPort,
        "Loongson root ports; pci_quirk_loongson_acs"),
    row(0x1c36, ids![0x0031], AcsEffect::RootPortOnly, "Annapurna root port; pci_quirk_al_acs"),
    row(0x1d17, ids![0x3038 0x3104 0x9083], AcsEffect::Multifunction, "Zhaoxin; pci_quirk_mf_endpoint_acs"),
    row(0x1957, &[
        (0x8d80, 0x8d83), (0x8d88, 0x8d8b), (0x8d90, 0x8d93), (0x8d98, 0x8d9b), (0x8da0, 0x8da1), (0x8da8, 0x8da9),
        (0x8db0, 0x8db1), (0x8db8, 0x8db9),
    ], AcsEffect::RootPort, "NXP LX2 root ports; pci_quirk_nxp_rp_acs"),
    row(0x1d17, ANY, AcsEffect::PortsIfListed(&[(0x0710, 0x071e), (0x0721, 0x0721), (0x0723, 0x0752)]),
        "Zhaoxin ports; pci_quirk_zhaoxin_pcie_ports_acs"),
    row(0x8088, ANY, AcsEffect::OnlyIfListed(&[
        (0x0100, 0x010f), (0x1001, 0x1001), (0x2001, 0x2001), (0x5010, 0x5010), (0x5025, 0x5025), (0x5040, 0x5040),
        (0x5110, 0x5110), (0x5125, 0x5125), (0x5140, 0x5140),
    ]), "Wangxun network adapters; pci_quirk_wangxun_nic_acs"),
];

/// Switches whose ACS capability has bits that do not work: these bits are neither enabled nor required.
pub const ACS_CAPABILITY: &[Row<AcsFlags>] = &[Row {
    vendor: 0x111d,
    devices: ids![0x80b5 0x8090],
    effect: AcsFlags::SV,
    since: Some("7.2"),
    citation: "IDT switches, source validation; pci_disable_broken_acs_cap",
}];

/// The vendors of a table by the low byte of their ids, a bit each. One look tells that the vendor of a function is not in the
/// table, as most are not.
#[derive(Clone, Copy)]
struct Vendors([u64; 4]);

impl Vendors {
    const fn of<Effect>(mut rows: &[Row<Effect>]) -> Vendors {
        let mut words = [0u64; 4];
        while let [row, rest @ ..] = rows {
            let [low, _] = row.vendor.to_le_bytes();
            let bit = 1 << (low & 63);
            let [first, second, third, fourth] = &mut words;
            match low >> 6 {
                0 => *first |= bit,
                1 => *second |= bit,
                2 => *third |= bit,
                _ => *fourth |= bit,
            }
            rows = rest;
        }
        Vendors(words)
    }

    /// The vendors of two tables.
    const fn and(self, other: Vendors) -> Vendors {
        let (Vendors([a, b, c, d]), Vendors([e, f, g, h])) = (self, other);
        Vendors([a | e, b | f, c | g, d | h])
    }

    fn may_have(&self, vendor: u16) -> bool {
        let [low, _] = vendor.to_le_bytes();
        self.0.get(usize::from(low >> 6)).is_some_and(|word| word >> (low & 63) & 1 == 1)
    }
}

/// The rows of a table that are about this function, in their order.
fn rows<Effect>(
    table: &'static [Row<Effect>],
    vendors: &Vendors,
    function: &Function,
) -> impl Iterator<Item = &'static Row<Effect>> {
    let table = if vendors.may_have(function.vendor) { table } else { &[] };
    table.iter().filter(move |row| row.names(function))
}

/// Whether [`alias`] or [`acs`] may have a row about this function: false for nearly every one.
pub(super) fn may_name(function: &Function) -> bool {
    const VENDORS: Vendors = Vendors::of(ALIASES).and(Vendors::of(ACS));
    VENDORS.may_have(function.vendor)
}

/// The alias row of this function. The Switchtec rows are about its NTB functions (class 0680) only.
pub fn alias(function: &Function) -> Option<&'static Row<AliasEffect>> {
    const VENDORS: Vendors = Vendors::of(ALIASES);
    let row = rows(ALIASES, &VENDORS, function).next()?;
    (row.effect != AliasEffect::Dynamic || function.class >> 8 == 0x0680).then_some(row)
}

/// The ACS rows that name this function, in the order in which they are asked.
pub(super) fn acs(function: &Function) -> impl Iterator<Item = &'static Row<AcsEffect>> {
    const VENDORS: Vendors = Vendors::of(ACS);
    rows(ACS, &VENDORS, function)
}

/// The bits of this function's ACS capability that do not work.
pub(crate) fn broken_acs(function: &Function) -> AcsFlags {
    ACS_CAPABILITY.iter().find(|row| row.names(function)).map_or(AcsFlags::NONE, |row| row.effect)
}
