//! The remedies that are mechanical: which bytes a finding wants otherwise, and a blob with them mended.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use zerocopy::{big_endian, little_endian};

use super::iort::{self, padded};
use super::{Code, Finding};
use crate::Source;
use crate::acpi::iort::{Body, Iort, Node};
use crate::bytes;

/// Offset of the checksum in the header of an ACPI table (ACPI 6.6 §5.2.6).
const CHECKSUM: u32 = 9;
/// Offset of the length in the header of an ACPI table.
const LENGTH: u32 = 4;
/// Offset of the number of nodes in the header of an IORT (DEN0049 §3).
const NODE_COUNT: u32 = 36;
/// Bit 4 of the flags of an SMMUv3 node: the DeviceID mapping index is valid (DEN0049 §3.1.1.2).
const INDEX_IS_VALID: u32 = 1 << 4;

/// Bytes to write in place of those that are there.
///
/// ```
/// use fwspec::Source;
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fix {
    /// Offset of the first byte, from the start of the table or tree.
    pub offset: u32,
    /// The bytes that are there.
    pub old: Vec<u8>,
    /// The bytes to write; a path can be longer than it was.
    pub new: Vec<u8>,
    /// The field as a listing of the table (`iasl -d`) or a tree's source has it, and what it becomes.
    pub line: String,
}

impl Fix {
    /// The remedy for a finding about this table or tree; `None` where there is not exactly one, or where it takes judgement.
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
            Code::LengthIsLast => {
                // The length is the last cell of the entry.
                let offset = at.checked_add(finding.len)?.checked_sub(4)?;
                let old = bytes::at::<big_endian::U32>(blob, offset)?.get();
                let new = old.checked_add(1)?;
                let line = format!("the length of the entry: {new:#x}, not {old:#x}");
                Some(Fix { offset, old: old.to_be_bytes().to_vec(), new: new.to_be_bytes().to_vec(), line })
            }
            _ => None,
        }
    }

    /// The table or tree with these bytes mended and, where it is an ACPI table, its checksum right; `None` where the bytes are
    /// not those that the fixes were made for, or where a node would get longer than its field can say.
    pub fn apply(fixes: &[Fix], source: Source, blob: &[u8]) -> Option<Vec<u8>> {
        let mut mended = blob.to_vec();
        let mut order: Vec<&Fix> = fixes.iter().collect();
        // From the end, so that what gets longer moves nothing that is still to be mended.
        order.sort_by_key(|fix| core::cmp::Reverse(fix.offset));
        order.dedup_by_key(|fix| fix.offset);
        for fix in order.into_iter().filter(|fix| fix.offset != CHECKSUM || source == Source::DTB) {
            let start = fix.offset as usize;
            let end = start.checked_add(fix.old.len())?;
            if mended.get(start..end)? != fix.old.as_slice() {
                return None;
            }
            if fix.new.len() != fix.old.len() {
                make_room(&mut mended, fix.offset, fix.new.len().checked_sub(fix.old.len())?)?;
            }
            let end = start.checked_add(fix.new.len())?;
            mended.get_mut(start..end)?.copy_from_slice(&fix.new);
        }
        if source != Source::DTB {
            let length = word(&mended, LENGTH)? as usize;
            let sum = mended.get(..length)?.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            let checksum = mended.get_mut(CHECKSUM as usize)?;
            *checksum = checksum.wrapping_sub(sum);
        }
        Some(mended)
    }
}

/// A field of 32 bits in an ACPI table.
fn set(blob: &[u8], offset: u32, name: &str, change: impl Fn(u32) -> Option<u32>) -> Option<Fix> {
    let old = word(blob, offset)?;
    let new = change(old).filter(|new| *new != old)?;
    let line = format!("[{offset:03X}h] {name} : {new:08X}, not {old:08X}");
    Some(Fix { offset, old: old.to_le_bytes().to_vec(), new: new.to_le_bytes().to_vec(), line })
}

/// The path at this place, every segment padded to four characters; what stands between it and the mappings is padding.
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
    // Whole words more, so that the mappings stay where they were aligned.
    let more = new.len().saturating_sub(old.len()).div_ceil(4).checked_mul(4)?;
    new.resize(old.len().checked_add(more)?, 0);
    Some(Fix { offset: at, old, new, line })
}

/// Inserts bytes at the end of the fields of the node around this place, and moves everything that says where something is.
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
