//! Tables that are in use: whatever above info is found in them is right, and a sentence says why. A finding without a sentence fails,
//! and so does a sentence that is of no finding any more. And the tables of fwts's own tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fwspec::acpi::iort::{Builder, Reference};
use fwspec::lint::{Code, Finding, Severity};
use fwspec::machine::Firmware;

use crate::support::outside::shared;

/// Part of a file's name, the code that is found there, and why it is right.
const RIGHT: &[(&str, &str, &str)] = &[
    // Qualcomm, from laptops and from ports of EDK2 to phones.
    (
        QUALCOMM,
        "IORT033",
        "Paths such as \\_SB.GPU0: acpi_get_name gives \\_SB_.GPU0, and iort_match_node_callback compares bytes.",
    ),
    (
        QUALCOMM,
        "IORT034",
        "No mapping is single, and inputs such as 0x3030000 are ids of no Linux bus: iort_nc_iommu_map takes none.",
    ),
    (
        "acer-aspire-1|sm7125|sm8150|Rennell",
        "IORT032",
        "Paths such as \\_SB.QSPI0: a name of a namespace has four characters at most.",
    ),
    (
        HAMOA,
        "IORT061",
        "The root complexes are of node revision 0 and say 36 or 40 address bits, which rc_dma_get_range reads from revision 1 on.",
    ),
    ("Moorea", "IORT061", "As on the laptops: a limit in a root complex of node revision 0."),
    (
        OLDER,
        "IORT026",
        "Inputs such as 0x87030000 on a root complex: pci_for_each_dma_alias gives 16 bits, so nothing is translated.",
    ),
    (OLDER, "IORT062", "ATS is set, and the only IOMMUs are SMMUv2, which answer no translation requests."),
    (
        "edk2msm-sdm845|edk2msm-sm7125",
        "IORT003",
        "Patched by hand: the bytes add up to 0x0b and 0xde; the boot loader computes the sum anew.",
    ),
    // HiSilicon, compiled from edk2-platforms.
    (
        "hisilicon-D0",
        "IORT006",
        "Counts of 0x2000, 0x800 and 0x10000 are of ids, not of ids minus one (edk2-platforms b13d587e).",
    ),
    (
        "hisilicon-D0",
        "IORT043",
        "The limit is 0: iort_dma_get_ranges reports a firmware bug and applies none.",
    ),
    // Others.
    ("cix-sky1", "IORT057", "18 of 19 nodes have identifier 0 in a table of revision 5."),
    (
        "nxp-lx2160a",
        "MAP001",
        "The root ports' own ids and one function behind each are mapped; the other buses are not.",
    ),
    ("nxp-lx2160a", "IORT046", "CCA is 1 and CPM is 0 in both root complexes."),
    ("template", "IORT017", "A form to be filled in: references are 0."),
    ("template", "IORT018", "A form to be filled in: a reference to where no node starts."),
    ("template", "IORT042", "A form to be filled in: index 0 is of a mapping that leads nowhere."),
    ("template", "IORT043", "A form to be filled in: limits are 0."),
    ("template", "IORT049", "A form to be filled in: a memory range of length 0."),
    ("template", "IORT057", "A form to be filled in: every identifier is 0."),
    ("template", "IORT059", "A form to be filled in: the PMCG measures offset 0."),
    ("template", "IORT033", "A form to be filled in: the component's path is a placeholder."),
    ("template", "IORT034", "A form to be filled in: the mapping is not single."),
    (
        "template",
        "IORT070",
        "A form to be filled in: the PMCG has neither a GSIV nor a mapping to an ITS group.",
    ),
    ("template", "IORT071", "iasl puts an interrupt wire bridge into a table of revision 5."),
    // QEMU.
    (
        "aarch64-smmuv3|a64-acpi",
        "IORT057",
        "All nodes have identifier 0, and tables of revision 3 and later number them.",
    ),
    (
        "qemu7.2-aarch64-smmuv3",
        "IORT006",
        "QEMU 7.2 stored the number of ids of a range where the field is that minus one: 0x100 meets the range that starts there.",
    ),
    (
        "qemu11.1-aarch64-smmuv3-gic2|qemu11.1-aarch64-smmuv3-its-off",
        "MAP001",
        "Only buses in use go through the SMMU, and without an ITS the others go nowhere.",
    ),
    ("virtio-iommu.VIOT", "MAP001", "The ranges are of buses in use; the others are in none."),
];

const QUALCOMM: &str = "acer-|asus-|edk2msm-|honor-|hp-|huawei-|lenovo-|medion-|silicium-";
/// X1E and X1P laptops.
const HAMOA: &str = "acer-sfa|asus-|honor-|hp-|ideacentre|ideapad|thinkpad|xiaoxin|medion-";
/// SDM845 and SM8150.
const OLDER: &str = "sdm845|sm8150|huawei-|yoga-c630|Moorea";

fn tables(folder: PathBuf, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_table =
            ["IORT", "RIMT", "VIOT", "MCFG", "APIC", "iort"].iter().any(|name_of| name.contains(name_of));
        if path.is_dir() {
            tables(path, found);
        } else if is_table && path.extension().is_some_and(|extension| extension == "bin") {
            found.push(path);
        }
    }
}

#[test]
fn every_finding_above_info_on_tables_in_use_is_justified_by_a_sentence() {
    let mut files = Vec::new();
    for folder in ["corpus/iort", "corpus/qemu", "corpus/guest"] {
        let Some(folder) = shared(folder) else { return };
        tables(folder, &mut files);
    }
    let is_of = |pattern: &str, file: &str| pattern.split('|').any(|part| file.contains(part));
    let mut used = BTreeSet::new();
    let mut unjustified = BTreeSet::new();
    for path in &files {
        let file = path.display().to_string();
        let file = file.split("/corpus/").last().unwrap();
        let Ok(firmware) = Firmware::open(file, fs::read(path).unwrap()) else { panic!("{file} is read") };
        for one in fwspec::answer::findings(&firmware).iter().filter(|one| one.severity > Severity::Info) {
            let rows = RIGHT
                .iter()
                .enumerate()
                .filter(|(_, (pattern, code, _))| is_of(pattern, file) && one.code.rule().id == *code);
            let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
            if rows.is_empty() {
                unjustified.insert(format!("{file}: {one}"));
            }
            used.extend(rows);
        }
    }
    let unused = RIGHT.iter().enumerate().filter(|(row, _)| !used.contains(row)).map(|(_, row)| row);
    let unused: Vec<_> = unused.collect();
    println!("{} tables", files.len());
    let unjustified: Vec<_> = unjustified.into_iter().collect();
    assert!(unjustified.is_empty(), "no sentence for\n{}", unjustified.join("\n"));
    assert!(unused.is_empty(), "of no finding: {unused:#?}");
}

// -- fwts --

/// What fwts 26.05 says of the second table of its test iort-0001 (fwts-test/iort-0001/iort-0002.log), re-created in words: the failure,
/// the number of the node, and the code that it has here.
const FWTS: &[(&str, usize, Code)] = &[
    ("IORTItsIdArrayOutsideTable", 0, Code::ItsCount),
    ("IORTNodeRevisionInvalid: one finding here for all of the table", 0, Code::NodeRevision),
    ("IORTNodeMappingsCountNonZero", 0, Code::ItsHasMappings),
    ("IORTNodeRefToIdArrayNonZero", 0, Code::ItsHasMappings),
    ("IORTCacheCoherentAttrInvalid 4", 1, Code::MemoryAttributes),
    ("IORTReservedNonZero 0xdead", 1, Code::Reserved),
    ("IORTIdMappingOutsideTable 2", 1, Code::MappingsOutside),
    ("IORTCacheCoherentAttrInvalid 0xd1", 2, Code::MemoryAttributes),
    ("IORTReservedBitsNonZero 0xfe", 2, Code::Reserved),
    ("IORTReservedNonZero 0x8000", 2, Code::Reserved),
    ("IORTIdMappingOutsideTable 1", 2, Code::MappingsOutside),
    ("IORTReservedBitsNonZero of eleven interrupts: one finding here", 3, Code::Reserved),
    ("IORTSmmuInvalidModel", 3, Code::SmmuModel),
    ("IORTReservedBitsNonZero 0xaa", 3, Code::Reserved),
    ("IORTReservedBitsNonZero 0xff000000", 4, Code::Reserved),
    ("IORTReservedNonZero 0xddccbbaa", 4, Code::Reserved),
    ("IORTSmmuv3InvalidModel", 4, Code::SmmuModel),
    ("IORTReservedBitsNonZero 0xff000000 of a mapping", 6, Code::MappingFlags),
    ("IORTReservedBitsNonZero 0xaabbccdd", 6, Code::Reserved),
    ("IORTReservedNonZero 0xddccbbaa of a range", 6, Code::Reserved),
];

/// Not true is what fwts says of node 1 beside that, IORTMemAttrInvalid "CCA cannot be 0 if CPM and DACS are 1": its CCA is 4, as fwts said
/// itself. Nor would be its IORTNamedComponentNodeFlagsNonZero, of which the sample has none: the flags are stall and PASID width.
#[test]
fn what_fwts_fails_its_own_sample_for_is_found_but_for_what_is_not_true() {
    let mut table = Builder::new(5);
    let nowhere = Reference::Offset(0);
    let mut nodes = Vec::new();
    let mut its = table.its_group([0x0102_0304, 0x0506_0708, 0x090a_0b0c]);
    nodes.push(its.revision(3).put_u32(16, 4).claim_mapping_count(0x80).claim_mapping_offset(0xe0).id());
    let mut component = table.named_component("TEST");
    component.revision(5).memory_access(4, 3).address_limit(32).put(24, &[0x0f, 0xad, 0xde]);
    component.mapping(1, 1, 2, Reference::Offset(0xffff_ffff), 1);
    nodes.push(component.mapping(2, 2, 3, Reference::Offset(0x8888_8888), 1).claim_mapping_count(3).id());
    let mut root = table.root_complex(0xc0bb_eeff);
    root.revision(0x50).memory_access(0xd1, 3).put(20, &[0xfe, 0x00, 0x80]).ats_and_pri().address_limit(8);
    nodes.push(root.mapping(2, 3, 4, Reference::Offset(5), 1).claim_mapping_count(0x10).id());
    let mut old = table.smmu_v2(0xf010_30c0_2090_8000);
    old.revision(0xa0).model(6).flags(0xaa).put_u32(64, 2).put_u32(72, 4);
    for flags in [8, 0x10, 0x20, 0x40, 0xaa, 0xab, 0x92, 4, 0xff] {
        old.context_interrupt(0xe080_0000, flags);
    }
    nodes.push(old.mapping(0xffff_0000, 0xff, 0x5040_3020, nowhere, 1).id());
    let mut smmu = table.smmu_v3(0);
    smmu.revision(5).interrupts([0; 4]).model(5).flags(0xff00_0000).put_u32(28, 0xddcc_bbaa);
    nodes.push(smmu.maps(0..=0, 0, nowhere).id());
    nodes.push(table.pmcg(0, nowhere).revision(3).single(0, nowhere).id());
    let mut rmr = table.rmr();
    rmr.revision(5).flags(0xaabb_ccdd).range(0, 0).put_u32(44, 0xddcc_bbaa);
    nodes.push(rmr.mapping(0, 0, 0, nowhere, 0xff00_0000).id());
    let firmware = Firmware::open("fwts", table.finish()).unwrap();
    let found: Vec<Finding> = fwspec::answer::findings(&firmware);
    for (failure, node, code) in FWTS {
        let subject = table.offset_of(nodes[*node]);
        let is_there = |one: &&Finding| one.code == *code && one.subject.offset == subject;
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|one| is_there(&one)),
            "{failure}: no {code} at {subject:#x} in\n{}",
            said.join("\n")
        );
    }
}
