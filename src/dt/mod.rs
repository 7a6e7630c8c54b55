//! Flattened device trees (Devicetree Specification v0.4 §5): a borrowed view that reads on demand and never judges.

mod map;
mod node;
mod place;
mod token;

#[cfg(feature = "alloc")]
mod address;
#[cfg(feature = "alloc")]
mod arena;
#[cfg(feature = "alloc")]
mod bindings;
#[cfg(feature = "alloc")]
mod host;
#[cfg(feature = "alloc")]
mod identity;
#[cfg(feature = "alloc")]
mod index;
#[cfg(feature = "alloc")]
mod inherit;
#[cfg(feature = "alloc")]
mod iommus;
#[cfg(feature = "alloc")]
mod known;
#[cfg(feature = "alloc")]
mod lower;
#[cfg(feature = "alloc")]
mod names;
#[cfg(feature = "alloc")]
mod overlay;
#[cfg(feature = "alloc")]
mod reserved;
#[cfg(feature = "alloc")]
mod table;
#[cfg(feature = "alloc")]
mod write;

use crate::bytes::{at, index};
use crate::{Error, ErrorKind, error::Source};
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

#[cfg(feature = "alloc")]
pub use bindings::{Binding, DRIVERS, Driver, NOT_DRIVEN};
#[cfg(feature = "alloc")]
pub use identity::clear_identity;
#[cfg(feature = "alloc")]
pub use index::{Index, NodeId};
pub use map::{MapEntry, MapKind, Resolved, resolve};
pub use node::{Cells, CellsIter, Children, Node, Nodes, Properties, Property, Strings};
#[cfg(feature = "alloc")]
pub use overlay::OverlayError;
pub use place::Place;
pub use token::{Token, Tokens};
#[cfg(feature = "std")]
pub(crate) use write::Writer;

/// The magic number at the start of every flattened device tree.
const MAGIC: u32 = 0xd00d_feed;
/// The oldest version with today's node names and alignment (version 16; 17 added the size of the structure block).
const FIRST_VERSION: u32 = 16;
/// The newest version that exists.
const LAST_VERSION: u32 = 17;

/// The header, as Devicetree Specification v0.4 §5.2 prints it.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    magic: U32,
    totalsize: U32,
    off_dt_struct: U32,
    off_dt_strings: U32,
    off_mem_rsvmap: U32,
    version: U32,
    last_comp_version: U32,
    boot_cpuid_phys: U32,
    size_dt_strings: U32,
}
const _: () = assert!(size_of::<Header>() == 36);

/// A flattened device tree in borrowed bytes. `Copy`, and without heap.
///
/// Parsing looks at the header only; everything else is read, and checked, when it is asked for.
///
/// ```
/// use fwspec::{ErrorKind, dt::Tree};
/// let error = Tree::parse(b"\x7fELF, forty bytes of something else altogether").unwrap_err();
/// assert_eq!(error.kind, ErrorKind::Magic(0x7f454c46));
/// ```
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    /// The blob, cut to `totalsize`.
    bytes: &'a [u8],
    /// The structure block in its 32-bit words.
    structure: &'a [[u8; 4]],
    /// Where the structure block starts in the blob, in bytes.
    structure_offset: u32,
    strings: &'a [u8],
    reservations_offset: u32,
}

/// One entry of the memory reservation block (Devicetree Specification v0.4 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Reservation {
    /// First physical address.
    pub address: u64,
    /// Length in bytes.
    pub size: u64,
}

impl core::fmt::Debug for Tree<'_> {
    /// Without the bytes: every node holds its tree, and printing all nodes has to stay linear.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tree({} bytes)", self.bytes.len())
    }
}

impl<'a> Tree<'a> {
    /// Reads the header of a device tree of version 16 or 17. Bytes after its total size are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Magic`] where the bytes are not a device tree, [`ErrorKind::Truncated`] where they are fewer than the header
    /// says, [`ErrorKind::TreeVersion`] for a version that cannot be read, [`ErrorKind::TreeBlock`] for a structure or strings
    /// block that is not inside the tree.
    pub fn parse(bytes: &'a [u8]) -> Result<Tree<'a>, Error> {
        let error = |kind, offset| Error { kind, at: Source::DTB.at(offset) };
        let have = crate::bytes::saturate(bytes.len());
        let truncated = |need| error(ErrorKind::Truncated { need, have }, 0);
        let magic = at::<U32>(bytes, 0).ok_or(truncated(4))?.get();
        if magic != MAGIC {
            return Err(error(ErrorKind::Magic(magic), 0));
        }
        let header = at::<Header>(bytes, 0).ok_or(truncated(36))?;
        let total = header.totalsize.get();
        let bytes = bytes.get(..index(total)).ok_or(truncated(total))?;
        let (version, last_compatible) = (header.version.get(), header.last_comp_version.get());
        if version < FIRST_VERSION || last_compatible > LAST_VERSION {
            return Err(error(ErrorKind::TreeVersion { version, last_compatible }, 20));
        }
        let block = |offset: u32, size: Option<u32>, field| {
            bytes
                .get(index(offset)..)
                .and_then(|rest| size.map_or(Some(rest), |size| rest.get(..index(size))))
                .ok_or(error(ErrorKind::TreeBlock { offset, size: size.unwrap_or(0) }, field))
        };
        // Version 16 has no size of the structure block: the end token ends it.
        let size = match version {
            FIRST_VERSION => None,
            _ => Some(at::<U32>(bytes, 36).ok_or(truncated(40))?.get()),
        };
        let structure = block(header.off_dt_struct.get(), size, 8)?;
        let strings = block(header.off_dt_strings.get(), Some(header.size_dt_strings.get()), 12)?;
        // From version 17 on, names must end within the strings block; before, within the tree (libfdt `fdt_get_string`).
        let strings = match version {
            FIRST_VERSION => block(header.off_dt_strings.get(), None, 12)?,
            _ => strings,
        };
        Ok(Tree {
            bytes,
            structure: structure.as_chunks().0,
            structure_offset: header.off_dt_struct.get(),
            strings,
            reservations_offset: header.off_mem_rsvmap.get(),
        })
    }

    /// Why Linux 7.3 refuses the tree at boot, if it does: libfdt's `fdt_check_header` is stricter than the walk. Checks of the
    /// tree's address in memory are left out.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// if let Some(error) = fwspec::dt::Tree::parse(&blob)?.boot_refusal() {
    ///     println!("{error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn boot_refusal(&self) -> Option<Error> {
        const TRUNCATED: u8 = 8;
        const VERSION: u8 = 10;
        const ALIGNMENT: u8 = 19;
        let header = at::<Header>(self.bytes, 0)?;
        let (version, last_compatible) = (header.version.get(), header.last_comp_version.get());
        let (total, map) = (header.totalsize.get(), header.off_mem_rsvmap.get());
        let (structure, strings) = (header.off_dt_struct.get(), header.off_dt_strings.get());
        // Version 17 has ten words, version 16 nine.
        let size = if version >= LAST_VERSION { 40 } else { 36 };
        let inside = |offset: u32| (size..=total).contains(&offset);
        let room = |offset: u32, length: usize| {
            inside(offset) && crate::bytes::saturate(length) <= total.saturating_sub(offset)
        };
        let checks = [
            (version < last_compatible, VERSION, 20),
            (total < size || total > i32::MAX.unsigned_abs(), TRUNCATED, 4),
            (!map.is_multiple_of(8), ALIGNMENT, 16),
            (!structure.is_multiple_of(4), ALIGNMENT, 8),
            (!inside(map), TRUNCATED, 16),
            (!room(structure, self.structure.len().saturating_mul(4)), TRUNCATED, 8),
            (!room(strings, self.strings.len()), TRUNCATED, 12),
        ];
        let (_, error, offset) = checks.into_iter().find(|(refused, ..)| *refused)?;
        Some(Error { kind: ErrorKind::BootRefused(error), at: Source::DTB.at(offset) })
    }

    /// The blob, cut to the total size that its header gives.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The memory reservation block, up to its terminating zeros. An error ends it where the block leaves the tree.
    pub fn reservations(&self) -> Reservations<'a> {
        Reservations { bytes: self.bytes, next: Some(self.reservations_offset) }
    }

    /// The string that starts `offset` bytes into the strings block; `None` where the block ends before the string does.
    pub fn string(&self, offset: u32) -> Option<&'a [u8]> {
        string_at(self.strings, offset)
    }
}

/// The string at an offset of a strings block, without its NUL.
fn string_at(strings: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = strings.get(index(offset)..)?;
    rest.get(..rest.iter().position(|byte| *byte == 0)?)
}

/// Iterator over the memory reservation block, see [`Tree::reservations`].
#[derive(Clone, Debug)]
pub struct Reservations<'a> {
    bytes: &'a [u8],
    /// The offset of the next entry.
    next: Option<u32>,
}

impl Iterator for Reservations<'_> {
    type Item = Result<Reservation, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.next.take()?;
        let Some([address, size]) = at::<[U64; 2]>(self.bytes, offset) else {
            let have = crate::bytes::saturate(self.bytes.len()).saturating_sub(offset);
            let kind = ErrorKind::Truncated { need: 16, have };
            return Some(Err(Error { kind, at: Source::DTB.at(offset) }));
        };
        let entry = Reservation { address: address.get(), size: size.get() };
        if entry == (Reservation { address: 0, size: 0 }) {
            return None;
        }
        self.next = offset.checked_add(16);
        Some(Ok(entry))
    }
}

impl core::iter::FusedIterator for Reservations<'_> {}
