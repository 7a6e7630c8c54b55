//! Every device tree of a Debian kernel: which driver each IOMMU has, and that lint is quiet where nothing is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fwspec::dt::{Node, Tree};
use fwspec::lint::{self, Finding, Severity};
use fwspec::machine::Firmware;

use super::corpus::debian;
use crate::support::outside::skip;

/// The drivers of IOMMUs as another reader of Linux 7.3 found them, in the order of `drivers/iommu/Makefile` and those below it, for what is
/// linked first is asked first: the source with the match table, that with the operations, the `device_group` there, what the IOMMU is,
/// which masters are together, and the strings.
const FLAT: &str = "
iommu/arm/arm-smmu/qcom_iommu.c . generic_device_group qcom per-device: qcom,msm-iommu-v1 qcom,msm-iommu-v2
iommu/arm/arm-smmu/arm-smmu.c . arm_smmu_device_group smmu-v2 shared-stream-mapping: arm,smmu-v1 arm,smmu-v2 arm,mmu-400 arm,mmu-401 arm,mmu-500 cavium,smmu-v2 nvidia,smmu-500 qcom,smmu-v2
iommu/arm/arm-smmu-v3/arm-smmu-v3.c . arm_smmu_device_group smmu-v3 per-device: arm,smmu-v3
iommu/riscv/iommu-platform.c iommu/riscv/iommu.c riscv_iommu_device_group riscv per-device: riscv,iommu
iommu/msm_iommu.c . generic_device_group qcom-msm per-device: qcom,apq8064-iommu
iommu/ipmmu-vmsa.c . generic_single_device_group ipmmu instance: renesas,ipmmu-vmsa renesas,ipmmu-r8a774a1 renesas,ipmmu-r8a774b1 renesas,ipmmu-r8a774c0 renesas,ipmmu-r8a774e1 renesas,ipmmu-r8a7795 renesas,ipmmu-r8a7796 renesas,ipmmu-r8a77961 renesas,ipmmu-r8a77965 renesas,ipmmu-r8a77970 renesas,ipmmu-r8a77980 renesas,ipmmu-r8a77990 renesas,ipmmu-r8a77995 renesas,ipmmu-r8a779a0 renesas,rcar-gen4-ipmmu-vmsa
iommu/mtk_iommu.c . mtk_iommu_device_group mediatek regions: mediatek,mt2712-m4u mediatek,mt6779-m4u mediatek,mt6795-m4u mediatek,mt6893-iommu-mm mediatek,mt8167-m4u mediatek,mt8173-m4u mediatek,mt8183-m4u mediatek,mt8186-iommu-mm mediatek,mt8188-iommu-infra mediatek,mt8188-iommu-vdo mediatek,mt8188-iommu-vpp mediatek,mt8189-iommu-apu mediatek,mt8189-iommu-infra mediatek,mt8189-iommu-mm mediatek,mt8192-m4u mediatek,mt8195-iommu-infra mediatek,mt8195-iommu-vdo mediatek,mt8195-iommu-vpp mediatek,mt8365-m4u
iommu/mtk_iommu_v1.c . generic_device_group mediatek-v1 per-device: mediatek,mt2701-m4u
iommu/omap-iommu.c . generic_single_device_group omap instance: ti,omap2-iommu ti,omap4-iommu ti,dra7-iommu ti,dra7-dsp-iommu
iommu/rockchip-iommu.c . generic_single_device_group rockchip instance: rockchip,iommu rockchip,rk3568-iommu
iommu/sun50i-iommu.c . generic_single_device_group sun50i instance: allwinner,sun50i-h6-iommu allwinner,sun50i-h616-iommu
memory/tegra/mc.c iommu/tegra-smmu.c tegra_smmu_device_group tegra first-id-set: nvidia,tegra30-mc nvidia,tegra114-mc nvidia,tegra124-mc nvidia,tegra132-mc nvidia,tegra210-mc
iommu/exynos-iommu.c . generic_device_group exynos indistinct: samsung,exynos-sysmmu
iommu/sprd-iommu.c . generic_single_device_group sprd instance: sprd,iommu-v1
iommu/apple-dart.c . apple_dart_device_group apple-dart shared-id: apple,t8103-dart apple,t8103-usb4-dart apple,t8110-dart apple,t6000-dart
iommu/vsi-iommu.c . generic_single_device_group verisilicon instance: verisilicon,iommu-1.2
";

/// A row of [`FLAT`].
struct Row {
    table: &'static str,
    operations: &'static str,
    device_group: &'static str,
    kind: &'static str,
    rule: &'static str,
    strings: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let (facts, strings) = line.split_once(": ").unwrap();
        let [table, operations, device_group, kind, rule] = facts.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let operations = if operations == "." { table } else { operations };
        Row { table, operations, device_group, kind, rule, strings: strings.split(' ').collect() }
    };
    FLAT.lines().filter(|line| !line.is_empty()).map(row).collect()
}

/// What the flat table says of a list of strings: the first driver that knows any of them.
fn expected<'r>(rows: &'r [Row], compatible: &[String]) -> Option<&'r Row> {
    let knows = |row: &&Row| {
        compatible.iter().any(|name| row.strings.iter().any(|own| own.eq_ignore_ascii_case(name)))
    };
    rows.iter().find(knows)
}

#[test]
fn the_flat_table_is_that_of_the_sources() {
    let Some(tree) = std::env::var_os("FWSPEC_LINUX") else {
        return skip(format_args!("FWSPEC_LINUX names no source tree of Linux"));
    };
    let drivers = PathBuf::from(tree).join("drivers");
    let source = |file: &str| fs::read_to_string(drivers.join(file)).unwrap();
    for row in rows() {
        let text = source(row.table);
        for name in &row.strings {
            assert!(text.contains(&format!("\"{name}\"")), "{name} is not in {}", row.table);
        }
        let operations = source(row.operations);
        let group = operations.lines().skip_while(|line| !line.contains(".device_group")).take(2);
        let group = group.collect::<String>();
        assert!(group.contains(row.device_group), "{}: {group}", row.operations);
    }
    // The order of the directories, and within them that of the objects.
    let makefile = source("iommu/Makefile") + &source("iommu/arm/arm-smmu/Makefile");
    for pair in [
        ("arm/ ", "riscv/"),
        ("riscv/", "msm_iommu.o"),
        ("msm_iommu.o", "ipmmu-vmsa.o"),
        ("ipmmu-vmsa.o", "mtk_iommu.o"),
        ("mtk_iommu.o", "mtk_iommu_v1.o"),
        ("mtk_iommu_v1.o", "omap-iommu.o"),
        ("omap-iommu.o", "rockchip-iommu.o"),
        ("rockchip-iommu.o", "sun50i-iommu.o"),
        ("sun50i-iommu.o", "tegra-smmu.o"),
        ("tegra-smmu.o", "exynos-iommu.o"),
        ("exynos-iommu.o", "sprd-iommu.o"),
        ("sprd-iommu.o", "apple-dart.o"),
        ("apple-dart.o", "vsi-iommu.o"),
        ("+= qcom_iommu.o", "+= arm_smmu.o"),
    ] {
        let at = |name: &str| makefile.find(name).unwrap_or_else(|| panic!("no {name}"));
        assert!(at(pair.0) < at(pair.1), "{pair:?}");
    }
}

fn strings(node: &Node<'_>) -> Vec<String> {
    let list = node.property("compatible").into_iter().flat_map(|property| property.strings());
    list.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn every_iommu_has_the_driver_and_the_groups_that_linux_gives_it_in_every_tree_of_debian() {
    let blobs = match debian() {
        Ok(blobs) => blobs,
        Err(why) => return skip(format_args!("no device trees of Debian's kernel: {why}")),
    };
    let rows = rows();
    let mut met: BTreeMap<(String, String), usize> = BTreeMap::new();
    for path in &blobs {
        let blob = fs::read(path).unwrap();
        let tree = Tree::parse(&blob).unwrap();
        let platform = tree.platform().unwrap();
        for iommu in &platform.iommus {
            let node = tree.node_at(iommu.origin.at.offset).unwrap();
            let wanted = expected(&rows, &strings(&node));
            let (kind, rule) = wanted.map_or(("unknown", "indistinct"), |row| (row.kind, row.rule));
            let place = format!("{} {}", path.display(), tree.place(node.offset()));
            assert_eq!((iommu.kind.word(), iommu.group_rule.word()), (kind, rule), "{place}");
            assert_eq!(iommu.driver.is_some(), wanted.is_some(), "{place}");
            *met.entry((kind.into(), rule.into())).or_default() += 1;
        }
        // No node that says to be an IOMMU is left out.
        let said = tree.nodes().map_while(Result::ok).filter(|node| node.property("#iommu-cells").is_some());
        for node in said {
            let known = platform.iommus.iter().any(|iommu| iommu.origin.at.offset == node.offset());
            assert!(known, "{} {}", path.display(), tree.place(node.offset()));
        }
    }
    println!("{} trees: {met:?}", blobs.len());
    assert!(blobs.len() > 1_000 && met.len() > 6);
}

/// Findings by code and severity that were made of the trees of Linux 7.2 (1,649 of them) before lint was made quiet on them.
const BEFORE: [(&str, &str, usize); 14] = [
    ("error", "DT024", 4),
    ("warn", "MAP001", 208),
    ("warn", "DT042", 171),
    ("warn", "DT040", 81),
    ("warn", "DT023", 27),
    ("info", "MAP008", 394),
    ("info", "DT022", 377),
    ("info", "MAP007", 350),
    ("info", "MAP006", 275),
    ("info", "DT033", 247),
    ("info", "DT018", 42),
    ("info", "DT031", 33),
    ("info", "DT015", 25),
    ("info", "MAP002", 14),
];

/// Every kind of error and warning that trees of Linux may have: its code, what its message contains, and why it is right.
const JUSTIFIED: [(&str, &str, &str); 7] = [
    (
        "DT024",
        "fastrpc/compute-cb@",
        "The stream matches of sm8750's FastRPC context banks overlap without one being inside of the other: arm_smmu_find_sme answers \
         EINVAL, so that these banks have no IOMMU.",
    ),
    (
        "DT042",
        "in steps of four",
        "qcom_pcie_config_sid_1_9_0 still reads iommu-map in steps of four cells, and these maps have five in an entry: the table of the \
         host is filled with the wrong cells from the second entry on.",
    ),
    (
        "DT023",
        "crypto@1dfa000 lists the same specifier twice",
        "The crypto engine lists one stream twice; an entry of the kind was removed from sa8775p as a mistake (6.15.y).",
    ),
    (
        "DT014",
        "entries of four cells",
        "The map was not made one of five cells when its IOMMU got masks: Linux 7.3 recognises it (of_check_bad_map) and drops the masks.",
    ),
    (
        "DT007",
        "no node has phandle",
        "A reference to a node that the tree does not have: the entry is lost, whoever reads it.",
    ),
    (
        "DT017",
        "requester IDs end at 0xffff",
        "An entry goes past the last requester ID, so its length cannot be what was meant.",
    ),
    (
        "DT020",
        "has iommus, but no iommu-map",
        "The host's own DMA is translated and that of its functions is not, for Linux looks at iommu-map for them only.",
    ),
];

fn findings(path: &Path) -> Vec<Finding> {
    let firmware = Firmware::open("", fs::read(path).unwrap()).unwrap();
    lint::tree(&firmware.tree().unwrap(), &firmware.platform)
}

#[test]
fn no_error_or_warning_is_without_justification_in_every_tree_of_debian() {
    let blobs = match debian() {
        Ok(blobs) => blobs,
        Err(why) => return skip(format_args!("no device trees of Debian's kernel: {why}")),
    };
    let mut counts: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    let (mut unjust, mut used) = (Vec::new(), BTreeSet::new());
    for path in &blobs {
        for finding in findings(path) {
            let code = finding.code.rule().id;
            *counts.entry((finding.severity, code)).or_default() += 1;
            if finding.severity < Severity::Warn {
                continue;
            }
            let reason =
                JUSTIFIED.iter().find(|(of, words, _)| *of == code && finding.message.contains(words));
            match reason {
                Some((_, _, why)) => _ = used.insert(*why),
                None => unjust.push(format!("{}: {finding}", path.display())),
            }
        }
    }
    println!("{} trees; before: {BEFORE:?}", blobs.len());
    println!("after: {counts:?}");
    used.iter().for_each(|why| println!("justified: {why}"));
    assert!(unjust.is_empty(), "{} of no justification:\n{}", unjust.len(), unjust.join("\n"));
    assert!(blobs.len() > 1_000);
    let loud = counts.iter().filter(|((severity, _), _)| *severity >= Severity::Warn).map(|(_, count)| count);
    let before = BEFORE.iter().filter(|(severity, ..)| *severity != "info").map(|(.., count)| count);
    assert!(loud.sum::<usize>() * 3 < before.sum::<usize>(), "it was quieter once");
}
