//! Firmware in bytes of any kind: trees appended to a kernel, several one after the other, tables and trees in a firmware image, in
//! compressed sections of a UEFI volume, too. Found by magic, signature, length and checksum; each has its offset in its name.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::section::{self, Packing};
use super::{ContainerError, Contents, count, fit};
use crate::bytes::{index, saturate};
use crate::dt::Tree;
use crate::machine::{Kind, recognise};

/// Tables that are looked for: those that are read here.
const TABLES: [&[u8; 4]; 7] = [b"IORT", b"RIMT", b"VIOT", b"DMAR", b"IVRS", b"MCFG", b"APIC"];

/// Something found.
struct Found<'a> {
    what: What,
    at: usize,
    /// Where what follows it starts.
    end: usize,
    bytes: &'a [u8],
}

/// Compressed sections, by the GUIDs that EDK II gives them (MdeModulePkg, BrotliCustomDecompressLib; IntelFrameworkModulePkg), as they are
/// written (UEFI PI 1.8 volume 3, 3.2.4.7 `EFI_SECTION_GUID_DEFINED`).
const SECTIONS: [(Packing, [u8; 16]); 5] = [
    (Packing::Lzma, guid(0xee4e_5898_3914_4259_9d6e_dc7b_d794_03cf)),
    (Packing::Gzip, guid(0x1d30_1fe9_be79_4353_91c2_d23b_c959_ae0c)),
    (Packing::LzmaX86, guid(0xd42a_e6bd_1352_4bfb_909a_ca72_a6ea_e889)),
    (Packing::Brotli, guid(0x3d53_2050_5cda_4fd0_879e_0f7f_630d_5afb)),
    (Packing::Tiano, guid(0xa312_80ad_481e_41b6_95e8_127f_4c98_4779)),
];

/// A GUID as it is written, in the order of its bytes: the first three fields are little-endian.
const fn guid(written: u128) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = written.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// The compressed section whose GUID starts here: its compression, its start, its end, its data. The GUID follows the size, 24 bits
/// wide or in a word of its own behind all ones, and the type; behind it the offset of the data.
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

/// The section of the type for compression (UEFI PI 1.8 volume 3, 3.2.5.3 `EFI_SECTION_COMPRESSION`) whose type is here: it has no GUID,
/// and shows by its three sizes, which agree.
fn plain_section(bytes: &[u8], at: usize) -> Option<(Packing, usize, usize, &[u8])> {
    const COMPRESSION: u8 = 1;
    /// Bytes of its header, and of that of the data.
    const HEADERS: (usize, usize) = (9, 8);
    /// Bytes that may fill the section up.
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

/// Everything in the bytes, in one pass: what is found is stepped over.
fn find(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let mut sums: Option<Vec<u8>> = None;
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            // The first bytes of a tree, of signatures, of the GUIDs of sections, and the type of one.
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

/// What keeps a tree from being read to its end.
fn fault(bytes: &[u8]) -> Option<crate::Error> {
    let tree = Tree::parse(bytes).ok()?;
    tree.tokens().find_map(Result::err)
}

/// Whether a tree is a root without anything: a template, as OVMF has one.
fn is_bare(bytes: &[u8]) -> bool {
    let root = Tree::parse(bytes).ok().and_then(|tree| tree.find("/"));
    root.is_some_and(|root| root.children().next().is_none() && root.properties().next().is_none())
}

/// Whether there is more in the bytes than they are themselves.
pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    // Text holds none of it; tables one after the other have a reader; a tree that is damaged is for its reader to say so.
    let is_damaged = || recognise::device_tree(bytes).is_some() && tree(bytes).is_none();
    if !bytes.contains(&0) || recognise::tables(bytes).is_some() || is_damaged() {
        return None;
    }
    // A tree with nothing behind it is only one.
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
        // A loader in flash has gaps in it, and so has its tree.
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
