//! The smallest machine for each code about devices that are there.

use std::fmt::Write;

use fwspec::acpi::dmar::Builder as Dmar;
use fwspec::acpi::iort::Builder;
use fwspec::lint::Code;

use super::acpi::healthy;
use super::tables;
use super::x86;
use crate::support::pci::{Config, DOWNSTREAM, ENDPOINT, PCIE_TO_PCI, ROOT_PORT, UPSTREAM};

/// A machine: its firmware, what `lspci -xxxx` says, and the width of StreamIDs where that matters.
pub struct Machine {
    pub file: &'static str,
    pub firmware: Vec<u8>,
    pub lspci: String,
    pub sid_bits: Option<u8>,
}

/// All of access control that matters between peers.
const ISOLATED: u16 = 0x1d;

fn machine(iort: Vec<u8>, functions: &[(&str, Config)]) -> Machine {
    let mut lspci = String::new();
    for (address, config) in functions {
        writeln!(lspci, "0000:{address} Class 0000: Device").unwrap();
        for (row, bytes) in config.read(4096).chunks(16).enumerate() {
            // What is left out above the first row of extended space is zero.
            if row <= 16 || bytes.iter().any(|byte| *byte != 0) {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(lspci, "{:02x}: {}", row * 16, hex.join(" ")).unwrap();
            }
        }
        lspci.push('\n');
    }
    let file = match iort.first_chunk() {
        Some(b"DMAR") => "dmar.bin",
        Some(b"IVRS") => "ivrs.bin",
        Some(b"RIMT") => "rimt.bin",
        _ => "iort.bin",
    };
    Machine { file, firmware: iort, lspci, sid_bits: None }
}

fn root_port(below: (u8, u8)) -> Config {
    open_root_port(below).acs(ISOLATED, ISOLATED)
}

fn open_root_port((first, last): (u8, u8)) -> Config {
    Config::new(0x1b36, 0x000c).class(0x06_0400).bridge(first, last).express(ROOT_PORT)
}

fn drive() -> Config {
    Config::new(0x144d, 0xa808).class(0x01_0802).express(ENDPOINT)
}

fn bridge(below: u8) -> Config {
    Config::new(0x10b5, 0x8112).class(0x06_0400).bridge(below, below).express(PCIE_TO_PCI)
}

fn port(kind: u8, below: (u8, u8)) -> Config {
    Config::new(0x10b5, 0x8747).class(0x06_0400).bridge(below.0, below.1).express(kind)
}

/// A card of conventional PCI.
fn card() -> Config {
    Config::new(0x10ec, 0x8139).class(0x02_0000)
}

/// A healthy table in which these requester IDs go past the SMMU.
fn past_the_smmu(first: u32, last: u32) -> Vec<u8> {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0x1_fffe, 0, its).id();
    let root = table.root_complex(0).maps(0..=first - 1, 0, smmu).id();
    table.edit(root).maps(first..=last, first, its).maps(last + 1..=0xffff, last + 1, smmu);
    table.finish()
}

/// The machine that trips this code and nothing else above `info`; `None` for codes of firmware alone.
pub fn recipe(code: Code) -> Option<Machine> {
    let (table, _) = healthy();
    let healthy = || table.finish();
    Some(match code {
        Code::DeviceUnmapped => {
            machine(past_the_smmu(0x100, 0x1ff), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        }
        Code::AliasSplit => machine(
            past_the_smmu(0x200, 0x200),
            &[("00:01.0", root_port((1, 2))), ("01:00.0", bridge(2)), ("02:03.0", card())],
        ),
        Code::GhostAlias => machine(
            past_the_smmu(0x29, 0x29),
            &[("00:05.0", Config::new(0x1b4b, 0x9123).class(0x01_0601).express(ENDPOINT))],
        ),
        Code::PortWithoutAcs => {
            machine(healthy(), &[("00:01.0", open_root_port((1, 1))), ("01:00.0", drive())])
        }
        Code::SwitchNotIsolated => machine(
            healthy(),
            &[
                ("00:01.0", root_port((1, 4))),
                ("01:00.0", port(UPSTREAM, (2, 4))),
                ("02:00.0", port(DOWNSTREAM, (3, 3)).acs(ISOLATED, ISOLATED)),
                ("02:01.0", port(DOWNSTREAM, (4, 4))),
                ("03:00.0", drive()),
                ("04:00.0", drive()),
            ],
        ),
        Code::AcsNotRequested => machine(
            tables::healthy_rimt().bytes(),
            &[("00:01.0", open_root_port((1, 1)).acs(ISOLATED, 0)), ("01:00.0", drive())],
        ),
        Code::StreamBeyondTable => Machine {
            sid_bits: Some(8),
            ..machine(healthy(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        },
        Code::DevicesShareStream => machine(
            healthy(),
            &[
                ("00:01.0", root_port((1, 2))),
                ("01:00.0", bridge(2)),
                ("02:03.0", card()),
                ("02:04.0", card()),
            ],
        ),
        Code::DmarScopeType => {
            let mut table = x86::healthy_dmar();
            table.memory(0, 0x1000..=0x1fff).endpoint(0, [(1, 0)]);
            machine(table.finish(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        }
        Code::DmarUnitEmpty => {
            let mut table = Dmar::new(46);
            table.unit(0, 0xfed9_1000).endpoint(0, [(2, 0)]);
            table.unit(0, 0xfed9_0000).include_all();
            machine(table.finish(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        }
        Code::DmarBridgeLeftOut => {
            let mut table = Dmar::new(46);
            // All but the bridge.
            table.unit(0, 0xfed9_0000).endpoint(0, [(3, 0), (3, 0)]);
            machine(table.finish(), &[("00:03.0", bridge(1)), ("01:03.0", card())])
        }
        Code::DmarPort => {
            let mut table = x86::healthy_dmar();
            table.ats_ports(0).endpoint(0, [(3, 0)]);
            machine(table.finish(), &[("00:03.0", drive())])
        }
        Code::DmarOwnBus => {
            let mut table = x86::healthy_dmar();
            table.memory(0, 0x1000..=0x1fff).endpoint(1, [(0, 0)]);
            machine(table.finish(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        }
        Code::IvrsUnitAbsent => {
            machine(x86::healthy_ivrs().finish(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
        }
        _ => return None,
    })
}

/// A machine in which nothing is wrong.
pub fn healthy_machine() -> Machine {
    machine(healthy().0.finish(), &[("00:01.0", root_port((1, 1))), ("01:00.0", drive())])
}
