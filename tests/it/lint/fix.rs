//! Mechanical remedies: a mended blob has the finding no more, and no other in its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fwspec::acpi::iort::{Builder, Iort};
use fwspec::answer::{Linted, findings};
use fwspec::lint::{Code, Finding, Fix, Severity};
use fwspec::machine::Firmware;
use fwspec::{Dialect, IdMap, error::Source};

fn linted(bytes: &[u8]) -> Option<Linted> {
    let firmware = Firmware::open("sample", bytes.to_vec()).ok()?;
    let findings = findings(&firmware);
    Some(Linted::new("sample", Some(firmware), findings))
}

fn codes(linted: &Linted) -> BTreeSet<Code> {
    linted.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn what_is_mended_is_clean_of_its_finding() {
    let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-samples/broken");
    let mut mended_codes = BTreeSet::new();
    let samples = fs::read_dir(broken).unwrap().map(|sample| sample.unwrap().path());
    for sample in samples.filter(|path| path.is_dir()) {
        for file in fs::read_dir(sample).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let Some(before) = linted(&bytes) else { continue };
            for finding in &before.findings {
                let Some(fix) = before.fix(finding) else { continue };
                let blob = if finding.at.source == Source::FILE {
                    &bytes
                } else {
                    before.blob(finding.at.source).unwrap()
                };
                let mended = Fix::apply(std::slice::from_ref(&fix), finding.at.source, blob).unwrap();
                let after = linted(&mended).unwrap();
                let gone =
                    after.findings.iter().all(|left| left.code != finding.code || left.at != finding.at);
                assert!(gone, "{finding}: {fix:?}");
                // What the mended record says now is a fact of its own, and may be told as one.
                let new: Vec<_> = codes(&after).difference(&codes(&before)).copied().collect();
                let is_fault = |f: &&Finding| new.contains(&f.code) && f.severity > Severity::Info;
                let new: Vec<_> = after.findings.iter().filter(is_fault).collect();
                assert!(new.is_empty(), "{finding}: {fix:?} makes {new:?}");
                mended_codes.insert(finding.code);
            }
        }
    }
    for code in [
        Code::Checksum,
        Code::CountIsN,
        Code::SingleWithCount,
        Code::MappingFlags,
        Code::MsiIndexFlag,
        Code::NodeCountHigh,
        Code::NodeCountLow,
        Code::PathUnpadded,
        Code::LengthIsLast,
        Code::MappingsOutside,
        Code::MappingsNowhere,
        Code::ItsCount,
        Code::RmrCount,
        Code::ItsHasMappings,
        Code::InputClipped,
        Code::LimitHuge,
        Code::AtsWithoutSmmuV3,
        Code::StrayBytes,
        Code::ViotReserved,
        Code::RimtCountZero,
        Code::IvrsRegionDenied,
        Code::IvrsRegionUnused,
        Code::MapBeyondRid,
        Code::StreamMatchMask,
        Code::Reserved,
        Code::RimtReserved,
        Code::TrailingBytes,
    ] {
        assert!(mended_codes.contains(&code), "no sample of {code} is mended");
    }
}

#[test]
fn a_path_that_grows_moves_what_stands_after_it() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let first = table.smmu_v3(0x1000_0000).id();
    table.named_component(r"\_SB.A.B.C").single(0x10, first);
    let second = table.smmu_v3(0x2000_0000).maps(0..=0xffff, 0, its).id();
    table.named_component(r"\_SB.D").single(0x20, second);
    table.root_complex(0).maps(0..=0xff, 0x100, second);
    let bytes = table.finish();
    let before = linted(&bytes).unwrap();
    let fixes: Vec<Fix> = before.findings.iter().filter_map(|finding| before.fix(finding)).collect();
    assert_eq!(fixes.len(), 2, "{:?}", before.findings);
    let mended = Fix::apply(&fixes, Source::IORT, &bytes).unwrap();
    assert!(mended.len() > bytes.len());
    let iort = Iort::parse(&mended).unwrap();
    assert_eq!(iort.sdt().checksum_sum(), 0);
    let after = linted(&mended).unwrap();
    let left: Vec<_> = after.findings.iter().filter(|finding| after.fix(finding).is_some()).collect();
    assert!(left.is_empty(), "{left:?}");
    let ids = |linted: &Linted, path: &str| {
        let firmware = linted.firmware.as_ref().unwrap();
        let map = IdMap::build(&firmware.platform, Dialect::LINUX);
        let at = firmware.requesters_named(path)[0];
        let record = map.fwspec(at.into()).fwspec.unwrap();
        let base = firmware.platform.iommu(record.ids[0].iommu).unwrap().base;
        (record.ids[0].id, base)
    };
    let (a, b) = (ids(&before, r"\_SB.D"), ids(&after, r"\_SB_.D___"));
    assert_eq!(a, b);
    assert_eq!(b.1, Some(0x2000_0000));
    let (a, b) = (ids(&before, r"\_SB.A.B.C"), ids(&after, r"\_SB_.A___.B___.C___"));
    assert_eq!(a, b);
}

/// Flags of an SMMUv3: a reserved bit is cleared and the one for the mapping index set, both in the same bytes.
#[test]
fn two_remedies_of_the_same_bytes_are_both_applied() {
    let mut table = Builder::new(6);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x1000_0000).maps(0..=0xffff, 0, its).id();
    table.root_complex(0).maps(0..=0xff, 0, smmu);
    let bytes = table.finish();
    let start = 0x48;
    let fix = |old: &[u8], new: &[u8]| {
        let mut fix = linted_fix();
        (fix.offset, fix.old, fix.new) = (start + 24, old.to_vec(), new.to_vec());
        fix
    };
    let mut broken = bytes.clone();
    broken[start as usize + 24] = 0x81;
    let fixes = [fix(&[0x81], &[0x01]), fix(&[0x81], &[0x91])];
    let mended = Fix::apply(&fixes, Source::IORT, &broken).unwrap();
    assert_eq!(mended[start as usize + 24], 0x11);
}

/// Any fix, to be made another.
fn linted_fix() -> Fix {
    let mut table = Builder::new(6).finish();
    table[9] ^= 0xff;
    let linted = linted(&table).unwrap();
    linted.findings.iter().find_map(|finding| linted.fix(finding)).unwrap()
}

/// The file is cut at the end of the table, and the checksum stays right.
#[test]
fn what_follows_a_table_is_cut_off() {
    let mut table = Builder::new(6);
    table.its_group([0]);
    let whole = table.finish();
    let longer = [whole.as_slice(), &[0xee; 40]].concat();
    let before = linted(&longer).unwrap();
    let fixes: Vec<Fix> = before.findings.iter().filter_map(|finding| before.fix(finding)).collect();
    let source =
        before.findings.iter().find(|finding| finding.code == Code::TrailingBytes).unwrap().at.source;
    assert_eq!(Fix::apply(&fixes, source, &longer).unwrap(), whole);
}
