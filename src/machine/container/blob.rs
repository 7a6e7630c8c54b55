//! Firmware inside bytes of any kind: trees appended to a kernel, several trees in a row, tables and trees in a firmware image and
//! in the compressed sections of a UEFI volume. They are found by magic, signature, length and checksum; each has its offset in its
//! name.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::section::{self, Packing};
use super::{ContainerError, Contents, count, fit};
use crate::bytes::{index, saturate};
use crate::dt::Tree;
use crate::machine::{Kind, recognise};

/// Signatures of the tables that are looked for: those that this library reads.
const TABLES: [&[u8; 4]; 7] = [b"IORT", b"RIMT", b"VIOT", b"DMAR", b"IVRS", b"MCFG", b"APIC"];

/// Something that was found.
struct Found<'a> {
    what: What,
    at: usize,
    /// The offset after it.
    end: usize,
    bytes: &'a [u8],
}

/// The compressed sections by EDK II's GUIDs for them (MdeModulePkg, BrotliCustomDecompressLib; IntelFrameworkModulePkg), in
/// written form (UEFI PI 1.8 volume 3, 3.2.4.7 `EFI_SECTION_GUID_DEFINED`).
const SECTIONS: [(Packing, [u8; 16]); 5] = [
    (Packing::Lzma, guid(0xee4e_5898_3914_4259_9d6e_dc7b_d794_03cf)),
    (Packing::Gzip, guid(0x1d30_1fe9_be79_4353_91c2_d23b_c959_ae0c)),
    (Packing::LzmaX86, guid(0xd42a_e6bd_1352_4bfb_909a_ca72_a6ea_e889)),
    (Packing::Brotli, guid(0x3d53_2050_5cda_4fd0_879e_0f7f_630d_5afb)),
    (Packing::Tiano, guid(0xa312_80ad_481e_41b6_95e8_127f_4c98_4779)),
];

/// The bytes of a GUID from its written form: its first three fields are little-endian.
const fn guid(written: u128) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = written.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// The compressed section whose GUID starts at `at`: its compression, its start, its end, its data. Before the GUID are the size
/// (24 bits, or all ones and then a word of its own) and the type; after it is the offset of the data.
fn guided_section(bytes: &[u8], at: usize) -> Option<(Packing, usize, usize, &[u8])> {
    const GUID_DEFINED: u8 = 2;
    let guid = bytes.get(at..)?.first_chunk::<16>()?;
    let (packing, _) = *SECTIONS.iter().find(|(_, known)| known == guid)?;
    let word = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    let short = at.checked_sub(4)?;
    let type_of = |header: u32| header.to_le_bytes()[3] == GUID_DEFINED;
    let header = word(short)?;
    let long = at
        .checked_sub(8)
        .filter(|long| word(*long) == Some(u32::from_le_bytes([0xff, 0xff, 0xff, GUID_DEFINED])));
    let (start, size) = match long {
        Some(long) => (long, header),
        None if type_of(header) => (short, header & 0x00ff_ffff),
        None => return None,
    };
    let end = start.checked_add(index(size))?;
    let offset = bytes.get(at.checked_add(16)?..)?.first_chunk().copied().map(u16::from_le_bytes)?;
    let data = start.checked_add(usize::from(offset)).filter(|data| *data > at)?;
    Some((packing, start, end, bytes.get(data..end)?))
}

/// The section of the compression type (UEFI PI 1.8 volume 3, 3.2.5.3 `EFI_SECTION_COMPRESSION`) whose type is at `at`. It has no
/// GUID, and is recognised by its three sizes, which must agree.
fn plain_section(bytes: &[u8], at: usize) -> Option<(Packing, usize, usize, &[u8])> {
    const COMPRESSION: u8 = 1;
    /// Bytes of the section's header, and of the header of its data.
    const HEADERS: (usize, usize) = (9, 8);
    /// Bytes of padding that the section may have.
    const PADDING: usize = 8;
    let start = at.checked_sub(3)?;
    let header = bytes.get(start..)?.first_chunk::<9>()?;
    let [a, b, c, COMPRESSION, d, e, f, g, COMPRESSION] = *header else { return None };
    let end = start.checked_add(index(u32::from_le_bytes([a, b, c, 0])))?;
    let data = bytes.get(start.checked_add(HEADERS.0)?..end)?;
    let field = |at: usize| data.get(at..)?.first_chunk().copied().map(u32::from_le_bytes).map(index);
    let (packed, unpacked) = (field(0)?, field(4)?);
    let padding = data.len().checked_sub(packed.checked_add(HEADERS.1)?)?;
    let agrees = padding < PADDING && packed > 0 && unpacked == index(u32::from_le_bytes([d, e, f, g]));
    (agrees && unpacked > 0).then_some((Packing::Efi, start, end, data))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Tree,
    /// A FIT image, with the data after its tree.
    Fit,
    Table([u8; 4]),
    Section(Packing),
}

/// Everything that is found in the bytes, in one pass: the search continues after each find.
fn find(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let mut sums: Option<Vec<u8>> = None;
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            // The first bytes of a tree, of the signatures, of the GUIDs of sections, and the type of a section.
            let step = rest
                .iter()
                .position(|byte| matches!(byte, 1 | 0xd0 | b'A'..=b'Z' | 0x98 | 0xe9 | 0xbd | 0xad))?;
            let place = at.saturating_add(step);
            let rest = bytes.get(place..)?;
            let image = || fit::extent(rest).and_then(|length| Some((What::Fit, rest.get(..length)?)));
            let found = tree(rest).map(|bytes| image().unwrap_or((What::Tree, bytes))).or_else(|| {
                let (name, length) = recognise::header_of(rest, &TABLES)?;
                let end = place.checked_add(length)?;
                let sums = sums.get_or_insert_with(|| running_sums(bytes));
                (sums.get(end)? == sums.get(place)?).then_some((What::Table(name), rest.get(..length)?))
            });
            if let Some((what, bytes)) = found {
                at = place.saturating_add(bytes.len());
                return Some(Found { what, at: place, end: at, bytes });
            }
            let section = guided_section(bytes, place).or_else(|| plain_section(bytes, place));
            if let Some((section, start, end, data)) = section {
                at = end.max(place.saturating_add(1));
                return Some(Found { what: What::Section(section), at: start, end: at, bytes: data });
            }
            at = place.saturating_add(1);
        }
    })
}

/// The trees in the bytes, each with its offset.
#[cfg(feature = "archives")]
pub(super) fn trees(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    find(bytes)
        .filter(|found| matches!(found.what, What::Tree | What::Fit))
        .map(|found| (found.at, found.bytes))
}

/// For each offset the sum of all bytes before it: the sum of a table is then one subtraction, however many tables claim the same
/// bytes.
fn running_sums(bytes: &[u8]) -> Vec<u8> {
    let sums = bytes.iter().scan(0_u8, |sum, byte| {
        *sum = sum.wrapping_add(*byte);
        Some(*sum)
    });
    core::iter::once(0).chain(sums).collect()
}

/// The tree that starts here. Its root has no name, which shows without a walk.
fn tree(bytes: &[u8]) -> Option<&[u8]> {
    let tree = bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]).then(|| Tree::parse(bytes).ok())??;
    let structure = bytes.get(8..12)?.first_chunk().copied().map(u32::from_be_bytes)?;
    let first = tree.bytes().get(index(structure)..)?;
    (first.starts_with(&[0, 0, 0, 1, 0]) && tree.boot_refusal().is_none()).then_some(tree.bytes())
}

/// The error that keeps a tree from being read to its end.
fn fault(bytes: &[u8]) -> Option<crate::Error> {
    let tree = Tree::parse(bytes).ok()?;
    tree.tokens().find_map(Result::err)
}

/// Whether a tree is a root without any content: a template, such as OVMF's.
fn is_bare(bytes: &[u8]) -> bool {
    let root = Tree::parse(bytes).ok().and_then(|tree| tree.find("/"));
    root.is_some_and(|root| root.children().next().is_none() && root.properties().next().is_none())
}

/// Whether the bytes hold more than what they are themselves.
pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    // Text holds nothing of this kind; tables in a row have a reader; a damaged tree is reported by its own reader.
    let is_damaged = || recognise::device_tree(bytes).is_some() && tree(bytes).is_none();
    if !bytes.contains(&0) || recognise::tables(bytes).is_some() || is_damaged() {
        return None;
    }
    // A tree that nothing follows is just a tree.
    let first = find(bytes).next()?;
    if let What::Section(_) = first.what {
        return Some(Kind::Image);
    }
    let is_all = first.at == 0 && find(bytes.get(first.end..)?).next().is_none();
    (!is_all).then_some(Kind::Image)
}

pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let (mut trees, mut images, mut tables, mut sections) = (0_usize, 0_usize, 0_usize, 0_usize);
    for Found { what, at, bytes, .. } in find(bytes) {
        let at = saturate(at);
        // A boot loader in flash has gaps, and so may its tree.
        let fault = (what == What::Tree).then(|| fault(bytes)).flatten();
        if let Some(error) = fault {
            let note = format!("not used: the tree is not in one piece: {error}");
            contents.unused(&format!("dtb@{at:#x}"), Kind::DeviceTree, Some(note));
            continue;
        }
        let name: String = match what {
            What::Tree if is_bare(bytes) => {
                let note = "not used: an empty tree, which a program fills when it runs";
                contents.unused(&format!("dtb@{at:#x}"), Kind::DeviceTree, Some(note.to_string()));
                continue;
            }
            What::Tree => {
                trees = trees.saturating_add(1);
                format!("dtb@{at:#x}")
            }
            What::Fit => {
                images = images.saturating_add(1);
                format!("fit@{at:#x}")
            }
            What::Table(name) => {
                tables = tables.saturating_add(1);
                format!("{}@{at:#x}", name.escape_ascii().to_string().trim_end())
            }
            What::Section(packing) => {
                sections = sections.saturating_add(1);
                let name = format!("{}@{at:#x}", packing.name());
                if !matches!(packing, Packing::Lzma | Packing::Gzip) {
                    section::open(packing, &name, bytes, contents);
                    continue;
                }
                name
            }
        };
        contents.piece(&name, bytes)?;
    }
    contents.note(format!("{} and {} in it", count(trees, "device tree"), count(tables, "ACPI table")));
    if images > 0 {
        contents.note(count(images, "FIT image"));
    }
    if sections > 0 {
        contents.note(count(sections, "compressed section"));
    }
    Ok(())
}
