//! The smallest IORT for each code.

use fwspec::acpi::iort::{Builder, NodeId, Reference};
use fwspec::lint::Code;

/// A table with an ITS group and an SMMUv3 whose StreamIDs below 0x20000 lead to it.
fn smmu(revision: u8) -> (Builder, NodeId, NodeId) {
    let mut table = Builder::new(revision);
    let its = table.its_group([0]).id();
    let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0x1_fffe, 0, its).id();
    (table, its, smmu)
}

/// The same with a root complex whose requester IDs are the StreamIDs: nothing is wrong with it.
pub fn healthy() -> (Builder, [NodeId; 3]) {
    let (mut table, its, smmu) = smmu(6);
    let root = table.root_complex(0).maps(0..=0xffff, 0, smmu).id();
    (table, [its, smmu, root])
}

/// A healthy table, changed.
fn but(change: impl FnOnce(&mut Builder, [NodeId; 3])) -> Vec<u8> {
    let (mut table, nodes) = healthy();
    change(&mut table, nodes);
    table.finish()
}

/// An SMMU table of this revision with something else on top.
fn with(revision: u8, add: impl FnOnce(&mut Builder, NodeId, NodeId)) -> Vec<u8> {
    let (mut table, its, smmu) = smmu(revision);
    add(&mut table, its, smmu);
    table.finish()
}

fn root(change: impl FnOnce(&mut Builder, NodeId, NodeId)) -> Vec<u8> {
    with(6, change)
}

/// An ACPI table of this revision with this body behind its header.
fn sdt(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 36).unwrap();
    let mut table = [&signature[..], &length.to_le_bytes(), &[revision, 0], b"FWSPECFWSPEC  "].concat();
    table.extend([0; 12]);
    table.extend(body);
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// A MADT with these structures.
pub fn madt(structures: &[Vec<u8>]) -> Vec<u8> {
    sdt(b"APIC", 5, &[vec![0; 8], structures.concat()].concat())
}

/// A GIC ITS of a MADT.
pub fn its(id: u32) -> Vec<u8> {
    [&[0x0f, 20, 0, 0][..], &id.to_le_bytes(), &[0; 12]].concat()
}

/// A GICv5 ITS of a MADT.
pub fn its_v5(id: u32) -> Vec<u8> {
    [&[0x1d, 16, 0, 0][..], &id.to_le_bytes(), &[0; 8]].concat()
}

/// A translate frame of a GICv5 ITS.
pub fn translate_frame(its: u32, id: u32) -> Vec<u8> {
    [&[0x1e, 24, 0, 0][..], &its.to_le_bytes(), &id.to_le_bytes(), &[0; 12]].concat()
}

/// An MCFG with these segments, of all buses.
pub fn mcfg(segments: &[u16]) -> Vec<u8> {
    let entries: Vec<_> = segments.iter().map(|segment| (*segment, [0, 0xff])).collect();
    mcfg_of(&entries)
}

/// An MCFG of these segments, each with its first and last bus.
fn mcfg_of(entries: &[(u16, [u8; 2])]) -> Vec<u8> {
    let entry = |(segment, buses): &(u16, [u8; 2])| {
        let base = 0x10_0000_0000_u64 * (u64::from(*segment) + 1);
        [&base.to_le_bytes()[..], &segment.to_le_bytes(), buses, &[0; 4]].concat()
    };
    sdt(b"MCFG", 1, &[vec![0; 8], entries.iter().flat_map(entry).collect()].concat())
}

const GPU: &str = r"\_SB_.GPU0";

/// The table that trips this code and nothing else; `None` for codes of other firmware.
pub fn recipe(code: Code) -> Option<Vec<u8>> {
    Some(match code {
        Code::TableCut => {
            let mut bytes = healthy().0.finish();
            bytes.truncate(bytes.len() - 8);
            bytes
        }
        Code::FirstNodeOutside => but(|t, _| done(t.claim_node_offset(0x10000))),
        Code::Checksum => but(|t, _| done(t.claim_checksum(0))),
        Code::RangeOverlap => root(|t, _, smmu| {
            t.root_complex(0).maps(0..=0x1ff, 0, smmu).maps(0x180..=0xffff, 0x2000, smmu);
        }),
        Code::RangeRepeat => root(|t, _, smmu| {
            t.root_complex(0).maps(0..=0x1ff, 0, smmu).maps(0x180..=0xffff, 0x180, smmu);
        }),
        Code::CountIsN => root(|t, _, smmu| {
            t.root_complex(0).maps(0..=0x100, 0, smmu).maps(0x100..=0xffff, 0x2000, smmu);
        }),
        Code::WithdrawnRevision => with(4, |t, _, smmu| done(t.root_complex(0).maps(0..=0xffff, 0, smmu))),
        Code::NodeCountHigh => but(|t, _| done(t.claim_node_count(9))),
        Code::NodeCountLow => but(|t, _| done(t.claim_node_count(2))),
        Code::NodeLengthZero => but(|t, [.., root]| done(t.edit(root).claim_length(0))),
        Code::NodeShort => but(|t, _| done(t.node(2, 20))),
        Code::NodeOverrun => but(|t, [.., root]| done(t.edit(root).claim_length(0x4000))),
        Code::NodeType => but(|t, _| done(t.node(9, 16))),
        Code::MappingsOutside => but(|t, [.., root]| done(t.edit(root).claim_mapping_count(3))),
        // Segment, limit and flags read as inputs 0 to 0x30, then a reference.
        Code::MappingsOnFields => root(|t, _, smmu| {
            let target = t.offset_of(smmu);
            t.root_complex(0)
                .put_u32(40, target)
                .put_u32(44, 0)
                .claim_mapping_offset(28)
                .claim_mapping_count(1);
        }),
        Code::MappingsNowhere => but(|t, [.., root]| done(t.edit(root).claim_mapping_offset(0))),
        Code::ReferenceNull => {
            root(|t, _, _| done(t.root_complex(0).maps(0..=0xffff, 0, Reference::Offset(0))))
        }
        Code::ReferenceDangling => {
            root(|t, _, _| done(t.root_complex(0).maps(0..=0xffff, 0, Reference::Offset(0x31))))
        }
        Code::ReferenceType => but(|t, [.., root]| done(t.root_complex(1).maps(0..=0xffff, 0, root))),
        Code::MappingCycle => root(|t, _, _| {
            let root = t.root_complex(0).id();
            t.edit(root).maps(0..=0xffff, 0, root);
        }),
        Code::SingleNotAllowed => but(|t, [its, ..]| {
            let old = t.smmu_v2(0x2c00_0000).single(5, its).id();
            t.named_component(GPU).single(7, old);
        }),
        Code::SingleWithCount => {
            but(|t, [_, smmu, _]| done(t.named_component(GPU).mapping(0, 5, 0x10007, smmu, 1)))
        }
        Code::MappingFlags => root(|t, _, smmu| done(t.root_complex(0).mapping(0, 0xffff, 0, smmu, 2))),
        Code::InputWraps => {
            but(|t, [_, smmu, root]| done(t.edit(root).mapping(0xffff_ff00, 0x1fe, 0x10000, smmu, 0)))
        }
        Code::OutputWraps => root(|t, _, smmu| done(t.root_complex(0).maps(0..=0xffff, 0xffff_8000, smmu))),
        Code::InputNotRid => {
            but(|t, [_, smmu, root]| done(t.edit(root).maps(0x10000..=0x1fffe, 0x10000, smmu)))
        }
        Code::InputClipped => root(|t, _, smmu| done(t.root_complex(0).maps(0..=0x1fffe, 0, smmu))),
        Code::RootSingle => root(|t, _, smmu| done(t.root_complex(0).single(0, smmu))),
        Code::SegmentRepeated => {
            but(|t, [_, smmu, _]| done(t.root_complex(0).maps(0..=0xfffe, 0x10000, smmu)))
        }
        Code::PathRepeated => but(|t, [_, smmu, _]| {
            t.named_component(GPU).single(0x10007, smmu);
            t.named_component(GPU).single(0x10008, smmu);
        }),
        Code::PathUnterminated => but(|t, _| done(t.named_component(GPU).cut(29 + GPU.len()))),
        Code::PathMalformed => but(|t, [_, smmu, _]| done(t.named_component("GPU0").single(0x10007, smmu))),
        Code::PathUnpadded => {
            but(|t, [_, smmu, _]| done(t.named_component(r"\_SB.GPU0").single(0x10007, smmu)))
        }
        Code::ComponentNoSingle => {
            but(|t, [_, smmu, _]| done(t.named_component(GPU).maps(7..=7, 0x10007, smmu)))
        }
        Code::ComponentOrder => but(|t, [its, smmu, _]| {
            t.named_component(GPU).single(0x20007, its).single(0x10007, smmu);
        }),
        Code::Unaligned => {
            but(|t, [_, smmu, _]| done(t.named_component(GPU).put(40, &[0]).single(0x10007, smmu)))
        }
        Code::ItsCount => but(|t, _| done(t.its_group([0]).put_u32(16, 2))),
        Code::ItsEmpty => but(|t, _| done(t.its_group([]))),
        Code::ItsSeveral => but(|t, _| done(t.its_group([1, 2]))),
        Code::ItsHasMappings => but(|t, [its, ..]| done(t.its_group([1]).maps(0..=3, 0, its))),
        Code::MsiIndex => but(|t, [_, smmu, _]| done(t.edit(smmu).own_msi(7))),
        Code::MsiIndexTarget => but(|t, [_, smmu, _]| done(t.edit(smmu).own_msi(0))),
        Code::LimitZero => but(|t, [.., root]| done(t.edit(root).address_limit(0))),
        Code::LimitHuge => but(|t, [.., root]| done(t.edit(root).address_limit(128))),
        Code::LimitNarrow => but(|t, [.., root]| done(t.edit(root).address_limit(30))),
        Code::MemoryAttributes => but(|t, [.., root]| done(t.edit(root).memory_access(1, 0))),
        Code::PmcgMappings => but(|t, [its, smmu, _]| {
            t.pmcg(0x2b48_0000, smmu).single(0x30000, its).maps(0..=0, 0x30001, its);
        }),
        Code::RmrUnaligned => {
            but(|t, [_, smmu, _]| done(t.rmr().range(0x8000_1000, 0x10000).maps(0..=0, 8, smmu)))
        }
        Code::RmrEmpty => but(|t, [_, smmu, _]| done(t.rmr().range(0x8000_0000, 0).maps(0..=0, 8, smmu))),
        Code::RmrOverlap => but(|t, [_, smmu, _]| {
            t.rmr().range(0x8000_0000, 0x20000).range(0x8001_0000, 0x20000).maps(0..=0, 8, smmu);
        }),
        Code::RmrTableRevision => with(3, |t, _, smmu| {
            t.root_complex(0).maps(0..=0xffff, 0, smmu);
            t.rmr().range(0x8000_0000, 0x10000).maps(0..=0, 8, smmu);
        }),
        Code::RmrCount => but(|t, [_, smmu, _]| {
            t.rmr().range(0x8000_0000, 0x10000).put_u32(20, 9).maps(0..=0, 8, smmu);
        }),
        Code::RmrUnattached => but(|t, _| done(t.rmr().range(0x8000_0000, 0x10000))),
        Code::RmrStranded => {
            but(|t, [_, smmu, _]| done(t.rmr().range(0x8000_0000, 0x10000).maps(0..=0, 0x10008, smmu)))
        }
        Code::StreamWide => root(|t, _, _| {
            let old = t.smmu_v2(0x2c00_0000).id();
            t.root_complex(0).maps(0..=0xffff, 0x10000, old);
        }),
        Code::SmmuModel => but(|t, [_, smmu, _]| done(t.edit(smmu).model(9))),
        Code::IdentifierRepeated => but(|t, [.., root]| done(t.edit(root).identifier(0))),
        Code::Reserved => but(|t, [_, smmu, _]| done(t.edit(smmu).flags(1 << 9))),
        Code::PmcgReference => {
            but(|t, _| done(t.pmcg(0x2b48_0000, Reference::Offset(0x33)).interrupts([99; 4])))
        }
        Code::PmcgPage1 => {
            but(|t, [_, smmu, _]| done(t.pmcg(0x2b48_0000, smmu).interrupts([99; 4]).revision(0)))
        }
        Code::FieldWithoutRevision => but(|t, [_, smmu, _]| done(t.edit(smmu).revision(4).flags(1 << 4))),
        Code::AtsWithoutSmmuV3 => root(|t, _, _| {
            let old = t.smmu_v2(0x2c00_0000).id();
            t.root_complex(0).ats().maps(0..=0xffff, 0, old);
        }),
        Code::Pasid => but(|t, [.., root]| done(t.edit(root).pasid(21))),
        Code::TrailingBytes => but(|t, _| done(t.trailing(&[1, 2, 3, 4, 5]))),
        Code::UncountedRecord => but(|t, [_, smmu, root]| {
            t.edit(root).mapping(0, 0, 0, smmu, 0).claim_mapping_count(1);
        }),
        Code::NodeRevision => but(|t, [_, smmu, _]| {
            t.rmr().revision(2).range(0x8000_0000, 0x10000).maps(8..=9, 8, smmu);
        }),
        Code::ReservedValue => but(|t, [_, smmu, _]| done(t.edit(smmu).flags(3 << 1))),
        Code::IwbIndexRepeated => with(7, |t, its, smmu| {
            t.root_complex(0).maps(0..=0xffff, 0, smmu);
            t.iwb(0x2f00_0000, 3, r"\_SB_.IWB0").single(0x30000, its);
            t.iwb(0x2f10_0000, 3, r"\_SB_.IWB1").single(0x30001, its);
        }),
        Code::RmrSingleId => {
            but(|t, [_, smmu, _]| done(t.rmr().range(0x8000_0000, 0x10000).maps(0..=0, 8, smmu)))
        }
        Code::StrayBytes => but(|t, [_, smmu, _]| {
            t.named_component(GPU).put(40, &[0, 0, 9, 9]).single(0x10007, smmu);
        }),
        Code::TableRepeated => [healthy().0.finish(), healthy().0.finish()].concat(),
        Code::MsiIndexFlag => {
            but(|t, [its, smmu, _]| done(t.edit(smmu).single(0x20000, its).own_msi(1).flags(0)))
        }
        Code::SmmuNoInterrupt => but(|t, [_, smmu, _]| done(t.edit(smmu).interrupts([0, 75, 0, 76]))),
        Code::PmcgNoInterrupt => but(|t, [_, smmu, _]| done(t.pmcg(0x2b48_0000, smmu))),
        Code::ItsUnknown => [healthy().0.finish(), madt(&[its(7)])].concat(),
        Code::ItsRepeated => [healthy().0.finish(), madt(&[its(0), its(0)])].concat(),
        Code::BusRangeReversed => [healthy().0.finish(), mcfg_of(&[(0, [0x20, 0x10])])].concat(),
        Code::SegmentWithoutRoot => [healthy().0.finish(), mcfg(&[0, 1])].concat(),
        Code::DmaHole => root(|t, _, smmu| done(t.root_complex(0).maps(0..=0xff, 0, smmu))),
        Code::Bypass => root(|t, its, smmu| {
            t.root_complex(0).maps(0..=0xff, 0, smmu).maps(0x100..=0xffff, 0x100, its);
        }),
        Code::StreamShared => but(|t, [_, smmu, _]| done(t.named_component(GPU).single(0x108, smmu))),
        Code::DeviceShared => but(|t, [its, ..]| done(t.root_complex(1).maps(0..=0xff, 0x100, its))),
        Code::MsiHole => {
            let mut t = Builder::new(6);
            t.its_group([0]);
            let smmu = t.smmu_v3(0x2b40_0000).id();
            t.root_complex(0).maps(0..=0xffff, 0, smmu);
            t.finish()
        }
        // Systems only disagree where something else is wrong.
        Code::DialectsDisagree => return recipe(Code::RootSingle),
        Code::BusUntranslated => but(|t, _| done(t.root_complex(1))),
        Code::StreamSharedV2 => but(|t, _| {
            let old = t.smmu_v2(0x2c00_0000).id();
            t.named_component(GPU).single(7, old);
            t.named_component(r"\_SB_.VIDC").single(7, old);
        }),
        _ => return None,
    })
}

/// Ends a chain of words.
fn done<T>(_: T) {}
