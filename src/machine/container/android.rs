//! Android's images: boot, vendor_boot (platform/system/tools/mkbootimg include/bootimg/bootimg.h), and tables of device trees
//! (platform/system/libufdt utils/src/dt_table.h).

use alloc::borrow::ToOwned;
use alloc::format;

use zerocopy::byteorder::big_endian::U32 as Big;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{ContainerError, Contents, count, part};
use crate::bytes::at;
use crate::dt::Tree;
use crate::machine::Kind;

/// The header of a boot image of versions 0 to 2 (`boot_img_hdr_v2`). In older versions the fields that they lack are other data.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Boot {
    magic: [u8; 8],
    kernel_size: U32,
    kernel_addr: U32,
    ramdisk_size: U32,
    ramdisk_addr: U32,
    second_size: U32,
    second_addr: U32,
    tags_addr: U32,
    page_size: U32,
    header_version: U32,
    os_version: U32,
    name: [u8; 16],
    cmdline: [u8; 512],
    id: [U32; 8],
    extra_cmdline: [[u8; 512]; 2],
    recovery_dtbo_size: U32,
    recovery_dtbo_offset: U64,
    header_size: U32,
    dtb_size: U32,
    dtb_addr: U64,
}
const _: () = assert!(size_of::<Boot>() == 1660);

/// The header of versions 3 and 4 (`boot_img_hdr_v3`), whose tree is in the vendor_boot image.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Boot3 {
    magic: [u8; 8],
    kernel_size: U32,
    ramdisk_size: U32,
    os_version: U32,
    header_size: U32,
    reserved: [U32; 4],
    header_version: U32,
}
const _: () = assert!(size_of::<Boot3>() == 44);

/// `vendor_boot_img_hdr_v3`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct VendorBoot {
    magic: [u8; 8],
    header_version: U32,
    page_size: U32,
    kernel_addr: U32,
    ramdisk_addr: U32,
    vendor_ramdisk_size: U32,
    cmdline: [[u8; 512]; 4],
    tags_addr: U32,
    name: [u8; 16],
    header_size: U32,
    dtb_size: U32,
    dtb_addr: U64,
}
const _: () = assert!(size_of::<VendorBoot>() == 2112);

/// `dt_table_header`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Table {
    magic: Big,
    total_size: Big,
    header_size: Big,
    dt_entry_size: Big,
    dt_entry_count: Big,
    dt_entries_offset: Big,
    page_size: Big,
    version: Big,
}
const _: () = assert!(size_of::<Table>() == 32);

/// `dt_table_entry`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    dt_size: Big,
    dt_offset: Big,
    id: Big,
    rev: Big,
    custom: [Big; 4],
}
const _: () = assert!(size_of::<Entry>() == 32);

const TABLE: [u8; 4] = 0xd7b7_ab1e_u32.to_be_bytes();
/// Pages of boot images from version 3 on.
const PAGE: u64 = 4096;

pub(super) fn shows_boot(bytes: &[u8]) -> Option<Kind> {
    bytes.starts_with(b"ANDROID!").then_some(Kind::AndroidBoot)
}

pub(super) fn shows_vendor_boot(bytes: &[u8]) -> Option<Kind> {
    bytes.starts_with(b"VNDRBOOT").then_some(Kind::VendorBoot)
}

pub(super) fn shows_table(bytes: &[u8]) -> Option<Kind> {
    bytes.starts_with(&TABLE).then_some(Kind::TreeTable)
}

/// The tree of a version 2 image, and the kernel, to which a tree may be appended.
pub(super) fn open_boot(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let short = || ContainerError::Damaged("the header of the boot image is cut off".to_owned());
    let header = at::<Boot3>(bytes, 0).ok_or_else(short)?;
    let version = header.header_version.get();
    if (3..=4).contains(&version) {
        let kernel = part(bytes, PAGE, header.kernel_size.get().into(), "the kernel")?;
        contents.note(format!("version {version}: its device tree is in the vendor_boot image"));
        return contents.piece("kernel", kernel);
    }
    let header = at::<Boot>(bytes, 0).ok_or_else(short)?;
    let page = u64::from(header.page_size.get());
    if !page.is_power_of_two() {
        return Err(ContainerError::Damaged(format!("its header gives pages of {page} bytes")));
    }
    let pages = |size: u32| u64::from(size).next_multiple_of(page);
    let kernel = part(bytes, page, header.kernel_size.get().into(), "the kernel")?;
    contents.piece("kernel", kernel)?;
    let second =
        page.saturating_add(pages(header.kernel_size.get())).saturating_add(pages(header.ramdisk_size.get()));
    let behind = second.saturating_add(pages(header.second_size.get()));
    match version {
        0 => {}
        1 | 2 => {
            let size = header.recovery_dtbo_size.get();
            if size > 0 {
                contents.unused("recovery_dtbo", Kind::TreeTable, None);
            }
            let size = pages(size);
            let dtb = header.dtb_size.get();
            if version == 2 && dtb > 0 {
                let tree = part(bytes, behind.saturating_add(size), dtb.into(), "the device tree")?;
                contents.piece("dtb", tree)?;
            }
        }
        // Qualcomm's images from before version 1 have here the size of a table of trees (lk platform/msm_shared dev_tree.c), which
        // comes after the second stage. Its trees are found as in any blob.
        size => contents.piece("dt", part(bytes, behind, size.into(), "the table of device trees")?)?,
    }
    Ok(())
}

/// The tree, after the vendor's ramdisk.
pub(super) fn open_vendor_boot(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let short = || ContainerError::Damaged("the header of the vendor_boot image is cut off".to_owned());
    let header = at::<VendorBoot>(bytes, 0).ok_or_else(short)?;
    let (version, page) = (header.header_version.get(), u64::from(header.page_size.get()));
    if !(3..=4).contains(&version) || !page.is_power_of_two() {
        return Err(ContainerError::Damaged(format!(
            "version {version} with pages of {page} bytes is not known"
        )));
    }
    let pages = |size: u32| u64::from(size).next_multiple_of(page);
    let start = pages(header.header_size.get()).saturating_add(pages(header.vendor_ramdisk_size.get()));
    contents.piece("dtb", part(bytes, start, header.dtb_size.get().into(), "the device tree")?)
}

/// The trees or overlays of a table. A boot loader picks one by the board, so the user has to pick one of several overlays.
pub(super) fn open_table(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let short = || ContainerError::Damaged("the header of the table is cut off".to_owned());
    let header = at::<Table>(bytes, 0).ok_or_else(short)?;
    let (number, size) = (header.dt_entry_count.get(), u64::from(header.dt_entry_size.get()));
    let mut found = alloc::vec::Vec::new();
    for index in 0..number {
        let place =
            u64::from(header.dt_entries_offset.get()).saturating_add(u64::from(index).saturating_mul(size));
        // An entry of size 0 would be read again and again.
        let entry = part(bytes, place, size.max(32), "an entry of the table")?;
        let Some(Entry { dt_size, dt_offset, id, rev, .. }) = at::<Entry>(entry, 0) else {
            return Err(short());
        };
        let tree = part(bytes, dt_offset.get().into(), dt_size.get().into(), "a tree of the table")?;
        if size < 32 {
            return Err(ContainerError::Damaged(format!("its header gives entries of {size} bytes")));
        }
        found.push((format!("entry-{index}"), tree, id.get(), rev.get()));
    }
    let is_overlay = |tree: &[u8]| Tree::parse(tree).is_ok_and(|tree| tree.is_overlay());
    let overlays = found.iter().filter(|(_, tree, ..)| is_overlay(tree)).count();
    if overlays > 1 && contents.choice.piece.is_none() {
        let example = contents.name_of("entry-0");
        return Err(ContainerError::SeveralOverlays { count: overlays, example });
    }
    contents.note(count(found.len(), "entry").replace("entrys", "entries"));
    for (name, tree, id, rev) in found {
        if rev != 0 || id != 0 {
            contents.note(format!("{name} is for id {id:#x} rev {rev:#x}"));
        }
        contents.piece(&name, tree)?;
    }
    Ok(())
}
