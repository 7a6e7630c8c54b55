//! Firmware in bytes of any kind: trees appended to a kernel, several one behind the other, tables and trees in a firmware image. Found
//! by magic, signature, length and checksum; each has its offset in its name.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{ContainerError, Contents, count};
use crate::bytes::{index, saturate};
use crate::dt::Tree;
use crate::machine::{Kind, recognise};

/// Tables that are looked for: those that are read here.
const TABLES: [&[u8; 4]; 7] = [b"IORT", b"RIMT", b"VIOT", b"DMAR", b"IVRS", b"MCFG", b"APIC"];

/// Something found.
struct Found<'a> {
    what: What,
    at: usize,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Tree,
    Table([u8; 4]),
}

/// Everything in the bytes, in one pass: what is found is stepped over.
fn find(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let mut sums: Option<Vec<u8>> = None;
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            let step = rest.iter().position(|byte| matches!(byte, 0xd0 | b'A'..=b'Z'))?;
            let place = at.saturating_add(step);
            let rest = bytes.get(place..)?;
            let found = tree(rest).map(|bytes| (What::Tree, bytes)).or_else(|| {
                let (name, length) = recognise::header_of(rest, &TABLES)?;
                let end = place.checked_add(length)?;
                let sums = sums.get_or_insert_with(|| running_sums(bytes));
                (sums.get(end)? == sums.get(place)?).then_some((What::Table(name), rest.get(..length)?))
            });
            if let Some((what, bytes)) = found {
                at = place.saturating_add(bytes.len());
                return Some(Found { what, at: place, bytes });
            }
            at = place.saturating_add(1);
        }
    })
}

/// The sum of the bytes before each place: what a table's bytes add up to is then one subtraction, however many tables claim them.
fn running_sums(bytes: &[u8]) -> Vec<u8> {
    let sums = bytes.iter().scan(0_u8, |sum, byte| {
        *sum = sum.wrapping_add(*byte);
        Some(*sum)
    });
    core::iter::once(0).chain(sums).collect()
}

/// The tree that starts here. Its root has no name, which is seen without walking.
fn tree(bytes: &[u8]) -> Option<&[u8]> {
    let tree = bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]).then(|| Tree::parse(bytes).ok())??;
    let structure = bytes.get(8..12)?.first_chunk().copied().map(u32::from_be_bytes)?;
    let first = tree.bytes().get(index(structure)..)?;
    (first.starts_with(&[0, 0, 0, 1, 0]) && tree.boot_refusal().is_none()).then_some(tree.bytes())
}

/// Whether there is more in the bytes than they are themselves.
pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    // Text holds none of it; tables one behind the other have a reader; a tree that is damaged is for its reader to say so.
    let is_damaged = || recognise::device_tree(bytes).is_some() && tree(bytes).is_none();
    if !bytes.contains(&0) || recognise::tables(bytes).is_some() || is_damaged() {
        return None;
    }
    // A tree with nothing behind it is only one.
    let first = find(bytes).next()?;
    let is_all = first.at == 0 && find(bytes.get(first.bytes.len()..)?).next().is_none();
    (!is_all).then_some(Kind::Image)
}

pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let (mut trees, mut tables) = (0_usize, 0_usize);
    for Found { what, at, bytes } in find(bytes) {
        let at = saturate(at);
        let name: String = match what {
            What::Tree => {
                trees = trees.saturating_add(1);
                format!("dtb@{at:#x}")
            }
            What::Table(name) => {
                tables = tables.saturating_add(1);
                format!("{}@{at:#x}", name.escape_ascii().to_string().trim_end())
            }
        };
        contents.piece(&name, bytes)?;
    }
    contents.note(format!("{} and {} in it", count(trees, "device tree"), count(tables, "ACPI table")));
    Ok(())
}
