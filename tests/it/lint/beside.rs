//! A MADT and an MCFG beside an IORT: what each says of the other.

use fwspec::acpi::iort::Builder;
use fwspec::lint::{Code, Finding, Severity};
use fwspec::machine::Firmware;

use super::acpi::{healthy, its, its_v5, madt, mcfg, translate_frame};

/// What is found above info in tables that stand one after the other.
fn findings(tables: &[Vec<u8>]) -> Vec<Finding> {
    let firmware = Firmware::open("joined", tables.concat()).unwrap();
    let mut found = fwspec::answer::findings(&firmware);
    found.retain(|finding| finding.severity > Severity::Info);
    found
}

/// The same, as code, place and message.
fn said(tables: &[Vec<u8>]) -> Vec<(Code, String, String)> {
    let found = findings(tables);
    found.into_iter().map(|finding| (finding.code, finding.at.to_string(), finding.message)).collect()
}

/// An IORT whose one ITS group names identifier 0.
fn iort() -> Vec<u8> {
    healthy().0.finish()
}

#[test]
fn a_madt_without_an_its_says_that_there_is_none() {
    assert_eq!(said(&[iort()]), [], "without a MADT nothing is known");
    let distributor = [&[0x0c, 24][..], &[0; 22]].concat();
    // A GICv2m frame is an MSI controller, but no ITS (field case suites/no-its).
    let frame_of_gicv2m = [&[0x0d, 24][..], &[0; 22]].concat();
    for structures in [vec![], vec![distributor.clone()], vec![distributor, frame_of_gicv2m]] {
        let message = "the MADT has no GIC ITS, so none with the identifier 0x0".to_string();
        assert_eq!(
            said(&[iort(), madt(&structures)]),
            [(Code::ItsUnknown, "IORT+0x44".to_string(), message)],
            "{structures:?}"
        );
        assert_eq!(said(&[madt(&structures), iort()]), said(&[iort(), madt(&structures)]), "in any order");
    }
}

#[test]
fn an_its_group_names_the_translate_frames_of_gicv5() {
    assert_eq!(said(&[iort(), madt(&[its_v5(5), translate_frame(5, 0)])]), []);
    // Two groups of one ITS, as in the field case kernel/gicv5.bin.
    let mut table = Builder::new(7);
    let groups = [table.its_group([0]).id(), table.its_group([1]).id()];
    let smmu = table.smmu_v3(0x1_0000_0000).maps(0..=0xffff, 0, groups[0]).id();
    table.root_complex(0).maps(0..=0xffff, 0, smmu);
    let frames = madt(&[its_v5(5), translate_frame(5, 0), translate_frame(5, 1)]);
    assert_eq!(said(&[table.finish(), frames]), []);
    // The identifier of the ITS itself is not what a group names.
    let found = said(&[iort(), madt(&[its_v5(0), translate_frame(0, 9)])]);
    assert!(matches!(found.as_slice(), [(Code::ItsUnknown, ..)]), "{found:?}");
}

/// linux drivers/irqchip/irq-gic-v5-its.c `gic_acpi_parse_madt_its_translate`: frames are looked for ITS by ITS.
#[test]
fn a_translate_frame_of_no_its_is_unknown_to_linux() {
    let message =
        "translate frame 0x0 of the MADT belongs to ITS 0x5, which the MADT does not have".to_string();
    let found = said(&[iort(), madt(&[its_v5(4), translate_frame(5, 0)])]);
    assert_eq!(found, [(Code::ItsUnknown, "IORT+0x44".to_string(), message)]);
}

/// linux drivers/acpi/arm64/iort.c `iort_register_domain_token` puts each in front, `iort_find_domain_token` takes the first.
#[test]
fn an_its_identifier_that_occurs_twice_is_told() {
    let found = findings(&[iort(), madt(&[its(0), its(1), its(0), its(0)])]);
    let places: Vec<_> = found.iter().map(|finding| (finding.code, finding.at.to_string())).collect();
    let wanted = ["APIC+0x54", "APIC+0x68"].map(|at| (Code::ItsRepeated, at.to_string()));
    assert_eq!(places, wanted);
    assert!(found.iter().all(|finding| finding.related[0].at.to_string() == "APIC+0x2c"));
    let frames = madt(&[its_v5(5), its_v5(6), translate_frame(5, 0), translate_frame(6, 0)]);
    assert_eq!(said(&[iort(), frames]).iter().map(|found| found.0).collect::<Vec<_>>(), [Code::ItsRepeated]);
}

#[test]
fn a_segment_of_the_mcfg_without_a_root_complex_is_told_once() {
    assert_eq!(said(&[iort(), mcfg(&[0])]), []);
    let found = said(&[iort(), mcfg(&[0, 1, 1, 7])]);
    let places: Vec<_> = found.iter().map(|(code, at, _)| (*code, at.as_str())).collect();
    let wanted = ["MCFG+0x3c", "MCFG+0x5c"].map(|at| (Code::SegmentWithoutRoot, at));
    assert_eq!(places, wanted);
    assert!(found[0].2.starts_with("no root complex of the IORT has segment 0x1"), "{}", found[0].2);
    // Segments without an MCFG entry are reached in other ways (a host bridge's _CBA).
    assert_eq!(said(&[iort(), mcfg(&[])]), []);
}
