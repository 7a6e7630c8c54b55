//! The quirk rows against the source of Linux, where one is at hand: which rows there are, the ids that each names, and whether what they do is
//! still what was read. FWSPEC_LINUX names the tree (`.ci/full` unpacks Debian's newest `linux-source`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fwspec::pci::quirk::{self, AcsEffect, AliasEffect, READ_AT, Row};

/// A tree of Linux, its comments taken out.
struct Source {
    tree: PathBuf,
    quirks: String,
    numbers: BTreeMap<String, u16>,
}

/// Vendor and device of a row, and the function that it calls. No device: any.
type KernelRow = (u16, Option<u16>, String);

impl Source {
    fn open() -> Option<Source> {
        let Some(tree) = std::env::var_os("FWSPEC_LINUX") else {
            println!("skipped: FWSPEC_LINUX names no source tree of Linux");
            return None;
        };
        let tree = PathBuf::from(tree);
        let quirks = read(&tree, "drivers/pci/quirks.c");
        let mut numbers = BTreeMap::new();
        for file in ["include/linux/pci_ids.h", "drivers/pci/quirks.c"] {
            for line in read(&tree, file).lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let ["#define", name, number, ..] = words.as_slice()
                    && let Some(number) = literal(number)
                {
                    numbers.insert((*name).to_owned(), number);
                }
            }
        }
        Some(Source { tree, quirks, numbers })
    }

    fn number(&self, word: &str) -> Option<u16> {
        literal(word).or_else(|| self.numbers.get(word).copied())
    }

    /// The rows of `pci_dev_acs_enabled`, in their order.
    fn acs_rows(&self) -> Vec<KernelRow> {
        let table = self.quirks.split_once("pci_dev_acs_enabled[] = {").expect("no pci_dev_acs_enabled").1;
        let table = &table[..table.find("};").unwrap()];
        let mut rows = Vec::new();
        for row in table.split('{').skip(1) {
            let words: Vec<&str> = row.split('}').next().unwrap().split(',').map(str::trim).collect();
            let [vendor, device, handler] = words.as_slice() else {
                assert_eq!(words, ["0"], "a row of another form");
                continue;
            };
            let vendor = self.number(vendor).unwrap_or_else(|| panic!("vendor {vendor}"));
            let any = *device == "PCI_ANY_ID";
            let number = (!any).then(|| self.number(device).unwrap_or_else(|| panic!("device {device}")));
            rows.push((vendor, number, (*handler).to_owned()));
        }
        rows
    }

    /// The fixups that call one of these functions.
    fn fixups(&self, handlers: &BTreeSet<String>) -> BTreeSet<KernelRow> {
        let text = &self.quirks;
        // Macros with one parameter, which stands for the device: their vendor and their handler.
        let mut macros: BTreeMap<String, (String, String)> = BTreeMap::new();
        let joined = text.replace("\\\n", " ");
        for line in
            joined.lines().filter(|line| line.starts_with("#define") && line.contains("DECLARE_PCI_FIXUP"))
        {
            let name = line["#define".len()..].trim_start().split('(').next().unwrap().to_owned();
            let words = arguments(line.split_once("DECLARE_PCI_FIXUP").unwrap().1);
            macros.insert(name, (words[0].clone(), words.last().unwrap().clone()));
        }
        let mut found = BTreeSet::new();
        for (at, _) in text.match_indices("\nDECLARE_PCI_FIXUP") {
            let words = arguments(&text[at..]);
            let handler = words.last().unwrap();
            if handlers.contains(handler) {
                let vendor = self.number(&words[0]).unwrap_or_else(|| panic!("vendor {}", words[0]));
                found.insert((vendor, self.number(&words[1]), handler.clone()));
            }
        }
        for (name, (vendor, handler)) in macros.iter().filter(|(_, (_, handler))| handlers.contains(handler))
        {
            for (at, _) in text.match_indices(&format!("\n{name}(")) {
                let device = self.number(&arguments(&text[at..])[0]).unwrap();
                found.insert((self.number(vendor).unwrap(), Some(device), handler.clone()));
            }
        }
        found
    }

    /// The functions of quirks.c whose bodies have one of these words.
    fn functions_with(&self, words: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for piece in self.quirks.split("\n}\n") {
            let Some(brace) = piece.rfind("\n{\n") else { continue };
            let (head, body) = piece.split_at(brace);
            if words.iter().any(|word| body.contains(word)) {
                let starts = |line: &&str| line.contains('(') && !line.starts_with(char::is_whitespace);
                let head = head.lines().rev().find(starts).unwrap();
                let name = head.split('(').next().unwrap().split_whitespace().last().unwrap();
                found.insert(name.trim_start_matches('*').to_owned());
            }
        }
        found
    }

    /// The ids that a handler of any device of its vendor looks for: in the cases of a switch, or an array.
    fn own_ids(&self, handler: &str) -> Vec<(u16, u16)> {
        let mut ids = Vec::new();
        for name in [handler.to_owned(), format!("{handler}_match")] {
            let Some(body) = function(&self.quirks, &name) else { continue };
            for case in body.split("case ").skip(1) {
                let case = case.split(':').next().unwrap();
                let (first, last) = case.split_once("...").unwrap_or((case, case));
                let id = |word: &str| self.number(word.trim()).unwrap_or_else(|| panic!("{handler}: {word}"));
                ids.push((id(first), id(last)));
            }
        }
        if let Some((_, array)) = self.quirks.split_once(&format!("{handler}_ids[] = {{")) {
            let array = &array[..array.find("};").unwrap()];
            ids.extend(array.split(',').filter_map(|word| literal(word.trim())).map(|id| (id, id)));
        }
        ids
    }
}

/// A file without its comments.
fn read(tree: &std::path::Path, file: &str) -> String {
    let text = std::fs::read_to_string(tree.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut left = String::new();
    let mut rest = text.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        left.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    left + rest
}

fn literal(word: &str) -> Option<u16> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
    u16::from_str_radix(digits, 16).ok()
}

/// The arguments of the first call in a text.
fn arguments(text: &str) -> Vec<String> {
    let (_, rest) = text.split_once('(').unwrap();
    let inside = rest.split(')').next().unwrap();
    inside.split(',').map(|word| word.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The body of a function.
fn function<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.match_indices(&format!("{name}(")).find_map(|(at, _)| {
        // No other name ends so, and what follows the parameters is a body.
        let is_name = !text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_');
        let rest = &text[at..];
        let (parameters, body) = rest.split_once("\n{")?;
        let is_head = is_name && !parameters.contains([';', '{']);
        is_head.then(|| &body[..body.find("\n}").unwrap_or(body.len())])
    })
}

/// The function that a row cites.
fn handler<Effect>(row: &Row<Effect>) -> String {
    row.citation.rsplit_once("; ").expect(row.citation).1.to_owned()
}

/// Every id of inclusive ranges.
fn each(ranges: &[(u16, u16)]) -> BTreeSet<u16> {
    ranges.iter().flat_map(|(first, last)| *first..=*last).collect()
}

/// What is in one set and not in the other, as lines.
fn differences<T: Ord + std::fmt::Debug>(kernel: &BTreeSet<T>, ours: &BTreeSet<T>) -> Vec<String> {
    let new = kernel.difference(ours).map(|row| format!("new in the kernel: {row:x?}"));
    new.chain(ours.difference(kernel).map(|row| format!("no longer in the kernel: {row:x?}"))).collect()
}

const ANY: &[(u16, u16)] = &[(0, 0xffff)];

/// linux drivers/pci/quirks.c `pci_dev_acs_enabled`, and the ids in the functions that it calls: Intel's chipsets, Cavium, Zhaoxin, Wangxun.
#[test]
fn every_acs_row_of_linux_is_in_the_table_and_no_other() {
    let Some(source) = Source::open() else { return };
    let mut kernel: BTreeSet<(u16, u16, String)> = BTreeSet::new();
    let mut any: BTreeSet<(u16, String)> = BTreeSet::new();
    let mut order: Vec<(u16, String)> = Vec::new();
    for (vendor, device, handler) in source.acs_rows() {
        let ids = device.map_or_else(|| source.own_ids(&handler), |device| vec![(device, device)]);
        if ids.is_empty() {
            any.insert((vendor, handler.clone()));
        }
        kernel.extend(each(&ids).into_iter().map(|id| (vendor, id, handler.clone())));
        if order.last() != Some(&(vendor, handler.clone())) {
            order.push((vendor, handler));
        }
    }
    let mut ours: BTreeSet<(u16, u16, String)> = BTreeSet::new();
    let mut our_any: BTreeSet<(u16, String)> = BTreeSet::new();
    let mut our_order: Vec<(u16, String)> = Vec::new();
    for row in quirk::ACS {
        let handler = handler(row);
        let ids = match row.effect {
            AcsEffect::PortsIfListed(listed) | AcsEffect::OnlyIfListed(listed) => listed,
            _ => row.devices,
        };
        if ids == ANY {
            our_any.insert((row.vendor, handler.clone()));
        } else {
            ours.extend(each(ids).into_iter().map(|id| (row.vendor, id, handler.clone())));
        }
        if our_order.last() != Some(&(row.vendor, handler.clone())) {
            our_order.push((row.vendor, handler));
        }
    }
    let found = [differences(&kernel, &ours), differences(&any, &our_any)].concat();
    assert!(found.is_empty(), "ACS rows read at {READ_AT} and those of this source:\n{}", found.join("\n"));
    // The first row with an opinion decides.
    assert_eq!(our_order, order);
    println!("{} ACS rows of {} handlers are those of the source", kernel.len(), order.len());
}

/// linux drivers/pci/quirks.c: every fixup that adds an alias, or tells the walk of drivers/pci/search.c `pci_for_each_dma_alias` something.
#[test]
fn every_dma_alias_row_of_linux_is_in_the_table_and_no_other() {
    let Some(source) = Source::open() else { return };
    let words = ["pci_add_dma_alias(", "PCIE_BRIDGE_ALIAS", "BRIDGE_XLATE_ROOT", "PCI_BRIDGE_NO_ALIAS"];
    let handlers = source.functions_with(&words);
    assert!(handlers.len() >= 8, "{handlers:?}");
    let kernel: BTreeSet<KernelRow> = source.fixups(&handlers);
    let rows = quirk::ALIASES.iter().flat_map(|row| {
        let ids = each(row.devices);
        ids.into_iter().map(move |id| (row.vendor, Some(id), handler(row)))
    });
    let ours: BTreeSet<KernelRow> = rows.collect();
    let found = differences(&kernel, &ours);
    assert!(found.is_empty(), "alias rows read at {READ_AT} and those of this source:\n{}", found.join("\n"));
    // The table of one of them: subsystem, and what it adds.
    let table = source.quirks.split_once("fixed_dma_alias_tbl[] = {").unwrap().1;
    let table = &table[..table.find("};").unwrap()];
    let listed: BTreeSet<(u16, u16)> = table
        .split("PCI_DEVICE_SUB")
        .skip(1)
        .map(|row| {
            let words = arguments(row);
            (source.number(&words[2]).unwrap(), source.number(&words[3]).unwrap())
        })
        .collect();
    let subsystems = quirk::ALIASES.iter().flat_map(|row| match row.effect {
        AliasEffect::DevfnsOf(subsystems, _) => subsystems,
        _ => &[],
    });
    let ours: BTreeSet<(u16, u16)> = subsystems.map(|ids| (ids.vendor, ids.device)).collect();
    assert_eq!(ours, listed);
    println!("{} alias rows of {} handlers are those of the source", kernel.len(), handlers.len());
}

/// linux drivers/pci/quirks.c `pci_disable_broken_acs_cap`
#[test]
fn every_broken_acs_capability_of_linux_is_in_the_table_and_no_other() {
    let Some(source) = Source::open() else { return };
    let body = function(&source.quirks, "pci_disable_broken_acs_cap").unwrap();
    let after = |word: &str| -> BTreeSet<u16> {
        let found = body.split(word).skip(1).map(|rest| rest.split([' ', ')', '|', '&']).next().unwrap());
        found.map(|word| source.number(word).unwrap_or_else(|| panic!("{word}"))).collect()
    };
    let rows = quirk::ACS_CAPABILITY;
    assert_eq!(after("->vendor == "), rows.iter().map(|row| row.vendor).collect());
    assert_eq!(after("->device == "), rows.iter().flat_map(|row| each(row.devices)).collect());
}

/// A number that changes with any word of a text.
fn fingerprint(text: &str) -> u64 {
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// As the list below has it.
fn grouped(number: u64) -> String {
    let digits = format!("{number:016x}");
    let groups: Vec<&str> = (0..4).map(|group| &digits[group * 4..][..4]).collect();
    format!("0x{}", groups.join("_"))
}

/// What the rules rest on reads as it did when they were written: file, function, fingerprint of its body. A function that reads otherwise has to be
/// read again; the failure prints the line that belongs here then.
#[rustfmt::skip]
const READ: &[(&str, &str, u64)] = &[
    ("drivers/pci/quirks.c", "pci_acs_ctrl_enabled", 0x9627_7e27_a019_2397),
    ("drivers/pci/quirks.c", "pci_quirk_amd_sb_acs", 0x6a88_2501_9d8f_659b),
    ("drivers/pci/quirks.c", "pci_quirk_mf_endpoint_acs", 0x98bf_ab9f_4882_19f3),
    ("drivers/pci/quirks.c", "pci_quirk_rciep_acs", 0x2c60_5b18_3d2c_1254),
    ("drivers/pci/quirks.c", "pci_quirk_qcom_rp_acs", 0xd430_3bfb_3026_74e7),
    ("drivers/pci/quirks.c", "pci_quirk_intel_pch_acs", 0x2967_174c_921c_5f2e),
    ("drivers/pci/quirks.c", "pci_quirk_intel_pch_acs_match", 0x2b5f_df9d_abc2_3e7f),
    ("drivers/pci/quirks.c", "pci_quirk_intel_spt_pch_acs", 0xed7e_212f_02d0_bf0c),
    ("drivers/pci/quirks.c", "pci_quirk_intel_spt_pch_acs_match", 0xa93e_46e2_0559_aacc),
    ("drivers/pci/quirks.c", "pci_quirk_cavium_acs", 0x290c_9807_25ca_2594),
    ("drivers/pci/quirks.c", "pci_quirk_cavium_acs_match", 0xfb1e_9e24_7056_05cb),
    ("drivers/pci/quirks.c", "pci_quirk_xgene_acs", 0xd430_3bfb_3026_74e7),
    ("drivers/pci/quirks.c", "pci_quirk_brcm_acs", 0xd430_3bfb_3026_74e7),
    ("drivers/pci/quirks.c", "pci_quirk_loongson_acs", 0xd430_3bfb_3026_74e7),
    ("drivers/pci/quirks.c", "pci_quirk_al_acs", 0xc98c_a9fd_ebab_9474),
    ("drivers/pci/quirks.c", "pci_quirk_nxp_rp_acs", 0xd430_3bfb_3026_74e7),
    ("drivers/pci/quirks.c", "pci_quirk_zhaoxin_pcie_ports_acs", 0xfe72_fe81_1124_e30f),
    ("drivers/pci/quirks.c", "pci_quirk_wangxun_nic_acs", 0xc8d8_f63f_821d_e7a4),
    ("drivers/pci/quirks.c", "pci_dev_specific_acs_enabled", 0x8973_cf5e_5bca_19ac),
    ("drivers/pci/quirks.c", "pci_quirk_enable_intel_lpc_acs", 0xa83f_6308_02fa_012f),
    ("drivers/pci/quirks.c", "pci_quirk_enable_intel_pch_acs", 0xb644_2864_5a77_0783),
    ("drivers/pci/quirks.c", "pci_quirk_enable_intel_spt_pch_acs", 0x7c9c_e673_3d05_a587),
    ("drivers/pci/quirks.c", "pci_dev_specific_enable_acs", 0x0103_48f1_aeef_1b60),
    ("drivers/pci/quirks.c", "pci_disable_broken_acs_cap", 0x4dff_b2a6_1e42_4d3e),
    ("drivers/pci/quirks.c", "quirk_dma_func0_alias", 0x2a66_7fcc_aa86_c222),
    ("drivers/pci/quirks.c", "quirk_dma_func1_alias", 0xf4af_af64_ee37_56c2),
    ("drivers/pci/quirks.c", "quirk_fixed_dma_alias", 0xda8e_049a_784b_e97c),
    ("drivers/pci/quirks.c", "quirk_use_pcie_bridge_dma_alias", 0xccde_5c78_60fe_01cd),
    ("drivers/pci/quirks.c", "quirk_mic_x200_dma_alias", 0xd5b2_9ece_7940_542b),
    ("drivers/pci/quirks.c", "quirk_pex_vca_alias", 0x0f7e_d926_79b6_88bd),
    ("drivers/pci/quirks.c", "quirk_bridge_cavm_thrx2_pcie_root", 0x7970_2122_c27d_bd14),
    ("drivers/pci/quirks.c", "quirk_aspeed_pci_bridge_no_alias", 0x9973_26e9_024a_e1de),
    ("drivers/pci/quirks.c", "quirk_switchtec_ntb_dma_alias", 0x5446_a68f_2fd6_3c41),
    ("drivers/pci/quirks.c", "quirk_plx_ntb_dma_alias", 0x41f5_d57b_61b6_578a),
    ("drivers/pci/pci.c", "pci_std_enable_acs", 0xd378_78dd_3c27_421c),
    ("drivers/pci/pci.c", "pci_enable_acs", 0x05b9_54a1_399b_c362),
    ("drivers/pci/pci.c", "pci_acs_flags_enabled", 0x8589_e8a8_f5dd_f68a),
    ("drivers/pci/pci.c", "pci_acs_enabled", 0x94d5_8e62_5d4e_edae),
    ("drivers/pci/pci.c", "pci_acs_path_enabled", 0x3a5e_3041_33fd_bdac),
    ("drivers/pci/pci.c", "pci_acs_init", 0x77bd_408e_d31f_9e6a),
    ("drivers/pci/pci.c", "pci_add_dma_alias", 0x0d38_85b8_0e3c_be6e),
    ("drivers/pci/pci.c", "pci_devs_are_dma_aliases", 0x6091_3793_c933_6223),
    ("drivers/pci/search.c", "pci_for_each_dma_alias", 0x5d93_09c2_49eb_2f1b),
    ("drivers/pci/probe.c", "set_pcie_port_type", 0xaa04_1ee3_b5cb_648d),
    ("drivers/pci/probe.c", "pci_scan_slot", 0xcc1a_2190_52aa_52c9),
    ("drivers/pci/msi/irqdomain.c", "get_msi_id_cb", 0xe1e4_2d46_4e13_d21e),
    ("drivers/pci/msi/irqdomain.c", "pci_msi_domain_get_msi_rid", 0x4816_b299_ae0f_150e),
    ("drivers/pci/msi/irqdomain.c", "pci_msi_map_rid_ctlr_node", 0x7f84_df99_2295_0f0c),
    ("drivers/iommu/iommu.c", "get_pci_function_alias_group", 0xa85a_e3e4_a0d3_3919),
    ("drivers/iommu/iommu.c", "get_pci_alias_group", 0x3a68_7313_17b4_57c1),
    ("drivers/iommu/iommu.c", "get_pci_alias_or_group", 0x615c_c38c_a163_58d5),
    ("drivers/iommu/iommu.c", "pci_device_group", 0xa004_978f_5f62_1c68),
];

/// linux drivers/pci/quirks.c, drivers/pci/{pci,probe,search}.c, drivers/pci/msi/irqdomain.c, drivers/iommu/iommu.c
#[test]
fn what_the_rows_do_in_linux_is_what_was_read() {
    let Some(source) = Source::open() else { return };
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (file, name, known) in READ {
        let text = files.entry(file).or_insert_with(|| read(&source.tree, file));
        match function(text, name).map(fingerprint) {
            Some(now) if now == *known => {}
            Some(now) => found.push(format!("    (\"{file}\", \"{name}\", {}),", grouped(now))),
            None => found.push(format!("{file}: {name} is not there any more")),
        }
    }
    // Every handler of a row is among them.
    let cited = quirk::ACS.iter().map(handler).chain(quirk::ALIASES.iter().map(handler));
    let unread: BTreeSet<String> =
        cited.filter(|cited| !READ.iter().any(|(_, name, _)| name == cited)).collect();
    assert_eq!(unread, BTreeSet::new());
    assert!(found.is_empty(), "read again what reads otherwise than at {READ_AT}:\n{}", found.join("\n"));
}
