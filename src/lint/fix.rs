//! Mechanical remedies: the bytes that a finding changes, and a blob with these bytes changed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use zerocopy::{big_endian, little_endian};

use super::iort::{self, padded};
use super::{Code, Finding};
use crate::acpi::iort::{Body, Iort, Node};
use crate::acpi::rimt::Rimt;
use crate::bytes;
use crate::dt::Tree;
use crate::error::{Counted, Source};

/// Offset of the checksum in the header of an ACPI table (ACPI 6.6 §5.2.6).
const CHECKSUM: u32 = 9;
/// Offset of the length in the header of an ACPI table.
const LENGTH: u32 = 4;
/// Offset of the number of nodes in the header of an IORT (DEN0049 §3).
const NODE_COUNT: u32 = 36;
/// Offset of the reserved field in the header of an IORT (DEN0049 §3).
const HEADER_RESERVED: u32 = 44;
/// Bytes of an ID mapping (DEN0049 §3 table 4).
const MAPPING: u32 = 20;
/// Bytes before the identifiers of an ITS group (DEN0049 §3.1.2).
const ITS_FIELDS: u32 = 20;
/// Bytes of a memory range of an RMR node (DEN0049 §3.1.6).
const RMR_RANGE: u32 = 20;
/// The largest number of cells of a property that is shown as a whole.
const MAX_CELLS: usize = 24;
/// The largest tree that is walked for each fix.
const MAX_WALKED: usize = 1 << 20;
/// The last requester ID.
const LAST_RID: u32 = 0xffff;
/// Flags of a memory block of an IVRS (AMD IOMMU specification 3.10 §5.2.3): mapped one to one; readable and writable.
const UNITY: u8 = 1;
const READ_WRITE: u8 = 6;
/// Tokens of a device tree (Devicetree Specification 0.4 §5.4.1): a property; nothing.
const FDT_PROP: u32 = 3;
const FDT_NOP: u32 = 4;
/// Bit 4 of the flags of an SMMUv3 node: the DeviceID mapping index is valid (DEN0049 §3.1.1.2).
const INDEX_IS_VALID: u32 = 1 << 4;

/// Bytes to write in place of the existing ones.
///
/// ```
/// use fwspec::error::Source;
/// use fwspec::acpi::iort::{Builder, Iort};
/// use fwspec::lint::{self, Fix};
/// let mut table = Builder::new(6).finish();
/// table[9] ^= 0xff; // The checksum is wrong now.
/// let findings = lint::iort(&Iort::parse(&table)?, &Iort::parse(&table)?.platform());
/// let fixes: Vec<Fix> = findings.iter().filter_map(|finding| Fix::of(finding, &table)).collect();
/// let mended = Fix::apply(&fixes, Source::IORT, &table).unwrap();
/// assert_eq!(mended.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fix {
    /// Offset of the first byte, from the start of the table or tree.
    pub offset: u32,
    /// The existing bytes; where these and the new ones are empty, the file ends at the offset.
    pub old: Vec<u8>,
    /// The bytes to write; a path can be longer than it was.
    pub new: Vec<u8>,
    /// The field as in a listing of the table (`iasl -d`) or in a tree's source, and its new value.
    pub line: String,
}

impl Fix {
    /// The remedy for a finding about this table or tree; `None` where there is not exactly one, or where it needs judgement.
    pub fn of(finding: &Finding, blob: &[u8]) -> Option<Fix> {
        let at = finding.at.offset;
        match finding.code {
            Code::Checksum => {
                let table = blob.get(..word(blob, LENGTH)? as usize)?;
                let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
                let old = *blob.get(CHECKSUM as usize)?;
                let new = old.wrapping_sub(sum);
                let line = format!("[{CHECKSUM:03X}h] Checksum : {new:02X}, not {old:02X}");
                Some(Fix { offset: CHECKSUM, old: alloc::vec![old], new: alloc::vec![new], line })
            }
            Code::CountIsN => set(blob, at, "ID Count", |count| count.checked_sub(1)),
            Code::SingleWithCount => set(blob, at, "ID Count", |_| Some(0)),
            Code::MappingFlags => set(blob, at, "Flags (decoded below)", |flags| Some(flags & 1)),
            Code::MsiIndexFlag => {
                set(blob, at, "Flags (decoded below)", |flags| Some(flags | INDEX_IS_VALID))
            }
            Code::NodeCountHigh | Code::NodeCountLow => {
                let mut all = blob.to_vec();
                write(&mut all, NODE_COUNT, u32::MAX)?;
                let nodes = Iort::parse(&all).ok()?.nodes().take_while(Result::is_ok).count();
                set(blob, NODE_COUNT, "Node Count", |_| u32::try_from(nodes).ok())
            }
            Code::PathUnpadded => path(blob, at),
            // The new count is the number of mappings that the node has room for.
            Code::MappingsOutside => mapping_count(blob, at),
            Code::MappingsOnFields | Code::MappingsNowhere => mapping_offset(blob, at),
            Code::ItsCount => {
                let node = Iort::parse(blob).ok().and_then(|iort| node_around(&iort, at))?;
                let room = u32::from(node.length()).checked_sub(ITS_FIELDS)? / 4;
                set(blob, at, "ItsCount", |_| Some(room))
            }
            Code::RmrCount => rmr_count(blob, at),
            Code::ItsHasMappings => no_mappings(blob, at),
            Code::InputClipped => {
                let first = word(blob, at)?;
                set(blob, at.checked_add(4)?, "ID Count", |_| LAST_RID.checked_sub(first))
            }
            Code::LimitHuge => byte(blob, at, "Memory Size Limit", |_| 64),
            Code::AtsWithoutSmmuV3 => set(blob, at, "ATS Attribute", |attribute| Some(attribute & !1)),
            Code::StrayBytes => padding(blob, at, finding.len),
            Code::Reserved if at == HEADER_RESERVED => zeros(blob, at, finding.len, "Reserved"),
            Code::Reserved => {
                let iort = Iort::parse(blob).ok()?;
                let node = node_around(&iort, at)?;
                let bits = iort::reserved_bits(&node, at.checked_sub(node.offset())?)?;
                cleared(blob, at, finding.len, bits)
            }
            Code::RimtReserved => {
                let rimt = Rimt::parse(blob).ok()?;
                let subject = finding.subject.offset;
                let node = rimt.nodes().map_while(Result::ok).find(|node| node.at().offset == subject)?;
                cleared(blob, at, finding.len, node.reserved_bits(at.checked_sub(subject)?)?)
            }
            Code::TrailingBytes => {
                let line = format!("the file ends at byte {at:#x}, after its last table");
                Some(Fix { offset: at, old: Vec::new(), new: Vec::new(), line })
            }
            Code::ViotReserved => zeros(blob, at, finding.len, "Reserved"),
            Code::RimtCountZero => set(blob, at.checked_add(4)?, "ID Count", |_| Some(1)),
            Code::IvrsRegionDenied => {
                byte(blob, at.checked_add(1)?, "Flags (decoded below)", |flags| flags | READ_WRITE)
            }
            Code::IvrsRegionUnused => {
                byte(blob, at.checked_add(1)?, "Flags (decoded below)", |flags| flags | UNITY)
            }
            Code::MapBeyondRid => {
                let first = bytes::at::<big_endian::U32>(blob, at)?.get();
                cell(blob, at.checked_add(finding.len)?.checked_sub(4)?, |_| {
                    LAST_RID.checked_sub(first)?.checked_add(1)
                })
            }
            Code::StreamMatchMask => no_property(blob, at, finding.len, "stream-match-mask"),
            Code::LengthIsLast => {
                // The length is the last cell of the entry.
                cell(blob, at.checked_add(finding.len)?.checked_sub(4)?, |length| length.checked_add(1))
            }
            _ => None,
        }
    }

    /// The table or tree with these bytes changed and, if it is an ACPI table, with a right checksum; `None` where the bytes are
    /// not those that the fixes were made for, or where a node would become longer than its field can hold.
    pub fn apply(fixes: &[Fix], source: Source, blob: &[u8]) -> Option<Vec<u8>> {
        let mut mended = blob.to_vec();
        let mut order: Vec<&Fix> = fixes.iter().collect();
        // From the end to the start, so that a part that becomes longer does not move bytes that are still to be changed.
        order.sort_by_key(|fix| core::cmp::Reverse(fix.offset));
        for fix in together(order).into_iter().filter(|fix| fix.offset != CHECKSUM || source == Source::DTB) {
            let start = fix.offset as usize;
            let end = start.checked_add(fix.old.len())?;
            if mended.get(start..end)? != fix.old.as_slice() {
                return None;
            }
            if fix.old.is_empty() && fix.new.is_empty() {
                mended.truncate(start);
                continue;
            }
            if fix.new.len() != fix.old.len() {
                make_room(&mut mended, fix.offset, fix.new.len().checked_sub(fix.old.len())?)?;
            }
            let end = start.checked_add(fix.new.len())?;
            mended.get_mut(start..end)?.copy_from_slice(&fix.new);
        }
        if source != Source::DTB && source != Source::FILE {
            let length = word(&mended, LENGTH)? as usize;
            let sum = mended.get(..length)?.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            let checksum = mended.get_mut(CHECKSUM as usize)?;
            *checksum = checksum.wrapping_sub(sum);
        }
        Some(mended)
    }
}

/// Joins fixes of the same bytes into one, which changes what any of them changes.
fn together(order: Vec<&Fix>) -> Vec<Fix> {
    let mut all: Vec<Fix> = Vec::with_capacity(order.len());
    for fix in order {
        match all.last_mut().filter(|last| last.offset == fix.offset) {
            Some(last) if last.old == fix.old && last.new.len() == fix.new.len() => {
                let changed = fix.old.iter().zip(&fix.new);
                for (byte, (old, new)) in
                    last.new.iter_mut().zip(changed).filter(|(_, (old, new))| old != new)
                {
                    // Either both clear bits or both set bits: the bits that one of them changes.
                    *byte = *old ^ ((*byte ^ *old) | (*new ^ *old));
                }
            }
            Some(_) => {}
            None => all.push(fix.clone()),
        }
    }
    all
}

/// Bits of a field of one to four bytes in an ACPI table, cleared.
fn cleared(blob: &[u8], offset: u32, len: u32, bits: u32) -> Option<Fix> {
    let start = offset as usize;
    let old = blob.get(start..start.checked_add(len as usize)?)?.to_vec();
    let new: Vec<u8> = old.iter().zip(bits.to_le_bytes()).map(|(byte, bits)| byte & !bits).collect();
    let number = |bytes: &[u8]| -> String { bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect() };
    let line = format!("[{offset:03X}h] Reserved bits cleared : {}, not {}", number(&new), number(&old));
    (new != old && new.len() == old.len()).then_some(Fix { offset, old, new, line })
}

/// The length of an entry of a map, in a tree.
fn cell(blob: &[u8], offset: u32, change: impl Fn(u32) -> Option<u32>) -> Option<Fix> {
    let old = bytes::at::<big_endian::U32>(blob, offset)?.get();
    let new = change(old).filter(|new| *new != old)?;
    let line = source_line(blob, offset, new)
        .unwrap_or_else(|| format!("the length of the entry: {new:#x}, not {old:#x}"));
    Some(Fix { offset, old: old.to_be_bytes().to_vec(), new: new.to_be_bytes().to_vec(), line })
}

/// The property around a cell as in a tree's source, with another value in the cell: `iommu-map = <0x0 0x1 0x0 0x10000>;`. `None`
/// for a long one.
fn source_line(blob: &[u8], offset: u32, value: u32) -> Option<String> {
    let tree = Tree::parse(blob).ok().filter(|_| blob.len() <= MAX_WALKED)?;
    let properties = tree.nodes().map_while(Result::ok).flat_map(|node| node.properties());
    let property = properties.filter_map(Result::ok).find(|property| {
        offset.checked_sub(property.offset()).is_some_and(|at| (at as usize) < property.value().len())
    })?;
    let (cells, _) = property.value().as_chunks::<4>();
    if cells.len() > MAX_CELLS {
        return None;
    }
    let at = offset.checked_sub(property.offset())? as usize / 4;
    let written = cells.iter().enumerate().map(|(nth, cell)| {
        let cell = if nth == at { value } else { u32::from_be_bytes(*cell) };
        format!("{cell:#x}")
    });
    let written: Vec<String> = written.collect();
    Some(format!("{} = <{}>;", core::str::from_utf8(property.name()?).ok()?, written.join(" ")))
}

/// A field of 8 bits in an ACPI table.
fn byte(blob: &[u8], offset: u32, name: &str, change: impl Fn(u8) -> u8) -> Option<Fix> {
    let old = *blob.get(offset as usize)?;
    let new = change(old);
    let line = format!("[{offset:03X}h] {name} : {new:02X}, not {old:02X}");
    (new != old).then(|| Fix { offset, old: alloc::vec![old], new: alloc::vec![new], line })
}

/// Bytes that have no meaning, cleared.
fn zeros(blob: &[u8], offset: u32, len: u32, name: &str) -> Option<Fix> {
    let start = offset as usize;
    let old = blob.get(start..start.checked_add(len as usize)?)?.to_vec();
    let line = format!("[{offset:03X}h] {name} : {} of 00", Counted(len, "byte"));
    Some(Fix { offset, new: alloc::vec![0; old.len()], old, line })
}

/// The bytes between a path and the mappings: padding that was not cleared. Stray bytes elsewhere may have a purpose.
fn padding(blob: &[u8], at: u32, len: u32) -> Option<Fix> {
    let iort = Iort::parse(blob).ok()?;
    let node = node_around(&iort, at)?;
    let has_path = matches!(node.body(), Ok(Body::NamedComponent(_) | Body::Iwb(_)));
    let is_padding = has_path && at.checked_add(len)? <= end_of_fields(&node);
    is_padding.then(|| zeros(blob, at, len, "Padding")).flatten()
}

/// The number of ID mappings that the node has room for; `at` is the place of the count.
fn mapping_count(blob: &[u8], at: u32) -> Option<Fix> {
    let iort = Iort::parse(blob).ok()?;
    let node = node_around(&iort, at)?;
    let room = u32::from(node.length()).checked_sub(node.mapping_offset())? / MAPPING;
    set(blob, at, "Mapping Count", |_| Some(room))
}

/// The mappings at the end of the node, if they fill exactly the room after its fields; `at` is the place of the count.
fn mapping_offset(blob: &[u8], at: u32) -> Option<Fix> {
    let count = word(blob, at)?;
    let iort = Iort::parse(blob).ok()?;
    let length = node_around(&iort, at)?.length();
    let offset = u32::from(length).checked_sub(count.checked_mul(MAPPING)?)?;
    let fix = set(blob, at.checked_add(4)?, "Mapping Offset", |_| Some(offset))?;
    let mut mended = blob.to_vec();
    write(&mut mended, fix.offset, offset)?;
    let iort = Iort::parse(&mended).ok()?;
    let found = node_around(&iort, at)?.mappings().count();
    (u32::try_from(found).ok()? == count).then_some(fix)
}

/// The number of memory ranges that an RMR node has room for before its mappings; `at` is the place of the count.
fn rmr_count(blob: &[u8], at: u32) -> Option<Fix> {
    let iort = Iort::parse(blob).ok()?;
    let node = node_around(&iort, at)?;
    let end = end_of_fields(&node).checked_sub(node.offset())?;
    let room = end.checked_sub(word(blob, at.checked_add(4)?)?)? / RMR_RANGE;
    set(blob, at, "Number of RMR Descriptors", |_| Some(room).filter(|room| *room > 0))
}

/// An ITS group without mappings: count, offset and the mappings themselves become 0. `at` is the place of the count.
fn no_mappings(blob: &[u8], at: u32) -> Option<Fix> {
    let iort = Iort::parse(blob).ok()?;
    let node = node_around(&iort, at)?;
    let end = node.offset().checked_add(node.length().into())?;
    let old = blob.get(at as usize..end as usize)?.to_vec();
    let mut new = old.clone();
    let mappings = end_of_fields(&node).checked_sub(at)? as usize;
    // Count and offset are next to each other.
    new.iter_mut().take(8).for_each(|byte| *byte = 0);
    new.get_mut(mappings..)?.fill(0);
    let line = format!("[{at:03X}h] Mapping Count and Mapping Offset : 0, and the mappings cleared");
    Some(Fix { offset: at, old, new, line })
}

/// A property that is overwritten with empty tokens (`FDT_NOP`), so that nothing moves. `at` is its value.
fn no_property(blob: &[u8], at: u32, len: u32, name: &str) -> Option<Fix> {
    // Token, length and name are before the value, and padding after it.
    let offset = at.checked_sub(12)?;
    let start = offset as usize;
    let size = len.checked_add(15)? & !3;
    let old = blob.get(start..start.checked_add(size as usize)?)?.to_vec();
    let is_property = old.first_chunk() == Some(&FDT_PROP.to_be_bytes());
    let new = FDT_NOP.to_be_bytes().repeat(old.len() / 4);
    let line = format!("/delete-property/ {name};");
    is_property.then_some(Fix { offset, old, new, line })
}

/// A field of 32 bits in an ACPI table.
fn set(blob: &[u8], offset: u32, name: &str, change: impl Fn(u32) -> Option<u32>) -> Option<Fix> {
    let old = word(blob, offset)?;
    let new = change(old).filter(|new| *new != old)?;
    let line = format!("[{offset:03X}h] {name} : {new:08X}, not {old:08X}");
    Some(Fix { offset, old: old.to_le_bytes().to_vec(), new: new.to_le_bytes().to_vec(), line })
}

/// The path at this place, every segment padded to four characters; the bytes between it and the mappings are padding.
fn path(blob: &[u8], at: u32) -> Option<Fix> {
    let iort = Iort::parse(blob).ok()?;
    let node = node_around(&iort, at)?;
    let Ok(Body::NamedComponent(component)) = node.body() else { return None };
    let room = end_of_fields(&node).checked_sub(at)? as usize;
    let start = at as usize;
    let old = blob.get(start..start.checked_add(room)?)?.to_vec();
    let written = component.path.bytes();
    let padding = old.get(written.len()..)?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut new = padded(component.path);
    let line = format!(
        "[{at:03X}h] Device Name : \"{}\", not \"{}\"",
        String::from_utf8_lossy(&new),
        String::from_utf8_lossy(written)
    );
    new.push(0);
    // Whole words are added, so that the mappings stay aligned.
    let more = new.len().saturating_sub(old.len()).div_ceil(4).checked_mul(4)?;
    new.resize(old.len().checked_add(more)?, 0);
    Some(Fix { offset: at, old, new, line })
}

/// Inserts bytes at the end of the fields of the node around this place, and adjusts every offset of what moves.
fn make_room(table: &mut Vec<u8>, at: u32, more: usize) -> Option<()> {
    let delta = u32::try_from(more).ok()?;
    let copy = table.clone();
    let iort = Iort::parse(&copy).ok()?;
    let node = node_around(&iort, at)?;
    let end = end_of_fields(&node);
    let moved = |reference: u32| {
        if reference > node.offset() { reference.checked_add(delta) } else { Some(reference) }
    };
    for other in iort.nodes().filter_map(Result::ok) {
        for mapping in other.mappings() {
            write(table, mapping.at.offset.checked_add(12)?, moved(mapping.output_reference)?)?;
        }
        if let Ok(Body::Pmcg(pmcg)) = other.body() {
            write(table, other.offset().checked_add(28)?, moved(pmcg.node_reference)?)?;
        }
    }
    write(table, LENGTH, word(&copy, LENGTH)?.checked_add(delta)?)?;
    let length = u32::from(node.length()).checked_add(delta).and_then(|length| u16::try_from(length).ok())?;
    let field = node.offset().checked_add(1)? as usize;
    table.get_mut(field..field.checked_add(2)?)?.copy_from_slice(&length.to_le_bytes());
    if node.mapping_count() > 0 {
        write(table, node.offset().checked_add(12)?, node.mapping_offset().checked_add(delta)?)?;
    }
    let end = end as usize;
    table.get(end..)?;
    table.splice(end..end, core::iter::repeat_n(0, more));
    Some(())
}

fn node_around<'a>(iort: &Iort<'a>, at: u32) -> Option<Node<'a>> {
    iort.node_at(iort::node_around(&iort::nodes(iort), at))
}

/// Where the mappings of a node begin, or where it ends.
fn end_of_fields(node: &Node<'_>) -> u32 {
    let fields = match node.mapping_count() {
        0 => u32::from(node.length()),
        _ => node.mapping_offset().min(node.length().into()),
    };
    node.offset().saturating_add(fields)
}

fn word(blob: &[u8], offset: u32) -> Option<u32> {
    bytes::at::<little_endian::U32>(blob, offset).map(|word| word.get())
}

fn write(blob: &mut [u8], offset: u32, value: u32) -> Option<()> {
    blob.get_mut(offset as usize..)?.first_chunk_mut::<4>()?.copy_from_slice(&value.to_le_bytes());
    Some(())
}
