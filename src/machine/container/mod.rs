//! Containers of evidence: bytes with a name become pieces with names, such as `report.tar.xz!sys/firmware/fdt`.

mod android;
mod apport;
#[cfg(feature = "archives")]
mod archive;
mod blob;
mod compressed;
#[cfg(feature = "archives")]
mod decoder;
mod fit;
mod section;
mod sparse;
mod spelled;
#[cfg(feature = "archives")]
mod tiano;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::limits::{MAX_CONTAINER_DEPTH, MAX_STREAMED_BYTES, MAX_UNPACKED_BYTES};

use super::Kind;
#[cfg(feature = "archives")]
use super::files::Memory;

/// Why a container cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The container ends before its own headers say.
    #[error("{what} is said to be {need} bytes at {at:#x}, and the file has {have}")]
    Truncated {
        /// The part that is cut off.
        what: String,
        /// Its offset, by the headers.
        at: u64,
        /// Its size in bytes, by the headers.
        need: u64,
        /// The size of the file in bytes.
        have: u64,
    },
    /// The headers contradict themselves or each other.
    #[error("{0}")]
    Damaged(String),
    /// A FIT does not have the configuration that was asked for.
    #[error("it has no configuration {wanted:?}; it has {known}")]
    NoConfiguration {
        /// The configuration that was asked for.
        wanted: String,
        /// The configurations that it has.
        known: String,
    },
    /// A FIT does not say which of its configurations is the default.
    #[error("it has several configurations and no default: {known}; choose one with --config NAME")]
    SeveralConfigurations {
        /// The configurations that it has.
        known: String,
    },
    /// There are several overlays, of which a board takes one.
    #[error("it has {count} overlays, and a boot loader chooses by the board: name one, such as {example}")]
    SeveralOverlays {
        /// How many there are.
        count: usize,
        /// What to type.
        example: String,
    },
    /// Containers are nested too deep.
    #[error("containers are nested more than {MAX_CONTAINER_DEPTH} deep: unpack it and name the file in it")]
    TooDeep,
    /// It holds more bytes than are kept.
    #[error("it unpacks to more than {} MiB, the most that is kept in memory: unpack it and name the file in it", MAX_UNPACKED_BYTES >> 20)]
    TooLarge,
    /// It unpacks to more bytes than are read in all.
    #[error("it unpacks to more than {} MiB, the most that is unpacked: unpack it and name the file in it", MAX_STREAMED_BYTES >> 20)]
    TooLong,
    /// The library was built without a decoder for it.
    #[error(
        "it is compressed or an archive, and this build cannot unpack (feature `archives`): unpack it and name the file in it"
    )]
    NotBuilt,
    /// The piece that was asked for is not in it.
    #[error("{0:?} is not in it")]
    NoPiece(String),
    /// Nothing in it is evidence.
    #[error("there is no evidence in it: {0}")]
    NothingInside(String),
}

/// The user's choices about containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// The configuration of a FIT.
    pub(super) configuration: Option<String>,
    /// The whole name of the only piece that is used.
    pub(super) piece: Option<String>,
}

impl Choice {
    /// Whether a piece with this name may be, hold, or belong to the one that was asked for.
    fn wants(&self, name: &str) -> bool {
        let below = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['!', '/']))
        };
        self.piece.as_deref().is_none_or(|piece| below(name, piece) || below(piece, name))
    }
}

/// An item that came out of a container; items are in the container's order.
#[derive(Debug)]
pub(super) enum Item {
    /// A container. The items after it, up to the next container, are from it.
    Opened { name: String, kind: Kind, note: Option<String> },
    /// A piece that is not read, or not used.
    Unused { name: String, kind: Kind, note: Option<String> },
    /// The files of a running system; `system` is the path of its `sys`.
    #[cfg(feature = "archives")]
    System { system: &'static str, files: Memory },
    /// Bytes that are not a container.
    Piece { name: String, bytes: Vec<u8> },
}

/// The pieces of a container, as they are found.
struct Contents<'a> {
    /// The name of the container.
    name: &'a str,
    choice: &'a Choice,
    left: &'a mut Left,
    children: Vec<Child>,
    notes: Vec<String>,
}

/// How many more bytes may be taken out.
struct Left {
    /// Bytes that are not compressed.
    plain: usize,
    /// Unpacked bytes that are kept.
    #[cfg(feature = "archives")]
    held: usize,
    /// Unpacked bytes that are read.
    #[cfg(feature = "archives")]
    streamed: u64,
}

enum Child {
    #[cfg(feature = "archives")]
    System {
        system: &'static str,
        files: Memory,
    },
    Bytes {
        name: String,
        bytes: Vec<u8>,
    },
    Unused {
        name: String,
        kind: Kind,
        note: Option<String>,
    },
}

impl Contents<'_> {
    /// The name of a piece.
    fn name_of(&self, inner: &str) -> String {
        format!("{}!{inner}", self.name)
    }

    /// Takes a piece out, if it is wanted.
    fn piece(&mut self, inner: &str, bytes: &[u8]) -> Result<(), ContainerError> {
        let name = self.name_of(inner);
        if !self.choice.wants(&name) {
            return Ok(());
        }
        // Real containers have each of their bytes once.
        self.left.plain = self.left.plain.checked_sub(bytes.len()).ok_or_else(|| {
            ContainerError::Damaged("its headers refer to the same bytes again and again".to_owned())
        })?;
        self.children.push(Child::Bytes { name, bytes: bytes.to_vec() });
        Ok(())
    }

    /// Counts bytes that are kept.
    #[cfg(feature = "archives")]
    fn keep(&mut self, bytes: usize) -> Result<(), ContainerError> {
        self.left.held = self.left.held.checked_sub(bytes).ok_or(ContainerError::TooLarge)?;
        Ok(())
    }

    /// Reads the rest of an unpacked stream, after the bytes that were read already.
    #[cfg(feature = "archives")]
    fn read_on(&mut self, source: &mut dyn std::io::Read, bytes: &mut Vec<u8>) -> Result<(), ContainerError> {
        use std::io::Read;
        // One byte more than is allowed shows that there are too many.
        let most = u64::try_from(self.left.held).unwrap_or(u64::MAX).saturating_add(1);
        source.take(most).read_to_end(bytes).map_err(damaged)?;
        self.keep(bytes.len())?;
        self.left.plain = self.left.plain.saturating_add(bytes.len().saturating_mul(2));
        Ok(())
    }

    /// Takes the content of a compressed file, which keeps the file's name.
    #[cfg(feature = "archives")]
    fn unpacked(&mut self, source: &mut dyn std::io::Read) -> Result<(), ContainerError> {
        let name = self.name.to_owned();
        self.unpacked_as(name, source)
    }

    /// Takes the content of a compressed part.
    #[cfg(feature = "archives")]
    fn stream(&mut self, inner: &str, source: &mut dyn std::io::Read) -> Result<(), ContainerError> {
        let name = self.name_of(inner);
        if !self.choice.wants(&name) {
            return Ok(());
        }
        self.unpacked_as(name, source)
    }

    #[cfg(feature = "archives")]
    fn unpacked_as(&mut self, name: String, source: &mut dyn std::io::Read) -> Result<(), ContainerError> {
        let mut bytes = Vec::new();
        // Bytes that were dropped again count, too.
        let (mut limited, all) = (archive::Limited::new(source, self.left.streamed), &mut bytes);
        let read = self.read_on(&mut limited, all);
        self.left.streamed = limited.left();
        if limited.is_reached() {
            return Err(ContainerError::TooLong);
        }
        read?;
        self.children.push(Child::Bytes { name, bytes });
        Ok(())
    }

    /// Takes a piece whose bytes were counted already.
    #[cfg(feature = "archives")]
    fn held(&mut self, inner: &str, bytes: Vec<u8>) {
        let name = self.name_of(inner);
        self.left.plain = self.left.plain.saturating_add(bytes.len().saturating_mul(2));
        if self.choice.wants(&name) {
            self.children.push(Child::Bytes { name, bytes });
        }
    }

    /// How many more bytes may be kept.
    #[cfg(feature = "archives")]
    fn room(&self) -> usize {
        self.left.held
    }

    /// Takes a piece that was read already.
    #[cfg(feature = "archives")]
    fn found(&mut self, inner: &str, bytes: Vec<u8>) {
        let name = self.name_of(inner);
        if self.choice.piece.is_none() && crate::dt::Tree::parse(&bytes).is_ok_and(|tree| tree.is_overlay()) {
            let note = Some("not used: an overlay is applied only if it is named".to_owned());
            self.children.push(Child::Unused { name, kind: Kind::Overlay, note });
        } else {
            self.children.push(Child::Bytes { name, bytes });
        }
    }

    /// Takes the files of a running system.
    #[cfg(feature = "archives")]
    fn system(&mut self, system: &'static str, files: Memory) {
        self.children.push(Child::System { system, files });
    }

    /// Lists a piece that is not used.
    fn unused(&mut self, inner: &str, kind: Kind, note: Option<String>) {
        let name = self.name_of(inner);
        if self.choice.wants(&name) {
            self.children.push(Child::Unused { name, kind, note });
        }
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// A form of container: how it is recognised, and how it is opened. To add a form, add a row.
struct Form {
    shows: fn(&[u8]) -> Option<Kind>,
    open: fn(&[u8], &mut Contents<'_>) -> Result<(), ContainerError>,
}

/// All forms; the first that is recognised counts.
const FORMS: &[Form] = &[
    Form { shows: fit::shows, open: fit::open },
    Form { shows: android::shows_boot, open: android::open_boot },
    Form { shows: android::shows_vendor_boot, open: android::open_vendor_boot },
    Form { shows: android::shows_table, open: android::open_table },
    Form { shows: sparse::shows, open: sparse::open },
    Form { shows: compressed::shows, open: compressed::open },
    Form { shows: compressed::shows_tar, open: compressed::open_tar },
    Form { shows: compressed::shows_zip, open: compressed::open_zip },
    Form { shows: apport::shows, open: apport::open },
    Form { shows: spelled::shows, open: spelled::open },
    Form { shows: blob::shows, open: blob::open },
];

fn form(bytes: &[u8]) -> Option<(&'static Form, Kind)> {
    FORMS.iter().find_map(|form| Some((form, (form.shows)(bytes)?)))
}

/// The kind of container that the bytes are; `None` where they are not one.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    form(bytes).map(|(_, kind)| kind)
}

/// Takes a container apart, and the containers in it. Other bytes are given back.
pub(super) fn unpack(name: &str, bytes: Vec<u8>, choice: &Choice) -> Result<Unpacked, ContainerError> {
    if form(&bytes).is_none() {
        return match &choice.piece {
            Some(piece) if piece != name => Err(ContainerError::NoPiece(piece.clone())),
            _ => Ok(Unpacked::Plain(bytes)),
        };
    }
    let mut left = Left {
        plain: bytes.len().saturating_mul(MAX_CONTAINER_DEPTH),
        #[cfg(feature = "archives")]
        held: MAX_UNPACKED_BYTES,
        #[cfg(feature = "archives")]
        streamed: MAX_STREAMED_BYTES,
    };
    let mut open = alloc::vec![(0_usize, Child::Bytes { name: name.to_owned(), bytes })];
    let mut items = Vec::new();
    while let Some((depth, child)) = open.pop() {
        let (name, bytes) = match child {
            Child::Bytes { name, bytes } => (name, bytes),
            #[cfg(feature = "archives")]
            Child::System { system, files } => {
                items.push(Item::System { system, files });
                continue;
            }
            Child::Unused { name, kind, note } => {
                items.push(Item::Unused { name, kind, note });
                continue;
            }
        };
        let Some((form, kind)) = form(&bytes) else {
            items.push(Item::Piece { name, bytes });
            continue;
        };
        if depth >= MAX_CONTAINER_DEPTH {
            return Err(ContainerError::TooDeep);
        }
        let mut contents =
            Contents { name: &name, choice, left: &mut left, children: Vec::new(), notes: Vec::new() };
        match (form.open)(&bytes, &mut contents) {
            Ok(()) => {
                let Contents { children, notes, .. } = contents;
                let note = Some(notes.join("; ")).filter(|note| !note.is_empty());
                let below = depth.saturating_add(1);
                open.extend(children.into_iter().rev().map(|child| (below, child)));
                items.push(Item::Opened { name, kind, note });
            }
            // An error in a part does not cost the rest.
            Err(error) if depth > 0 && !error.is_a_bound() => {
                items.push(Item::Unused { name, kind, note: Some(format!("not used: {error}")) });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Unpacked::Items(items))
}

/// The result of taking a file apart.
pub(super) enum Unpacked {
    /// The file is not a container.
    Plain(Vec<u8>),
    /// The items of a container; the first is the container itself.
    Items(Vec<Item>),
}

impl ContainerError {
    /// Whether the error says that there is more than is read, or that the user has to choose.
    fn is_a_bound(&self) -> bool {
        match self {
            ContainerError::TooDeep
            | ContainerError::NoConfiguration { .. }
            | ContainerError::SeveralConfigurations { .. }
            | ContainerError::SeveralOverlays { .. } => true,
            ContainerError::Truncated { .. }
            | ContainerError::TooLarge
            | ContainerError::TooLong
            | ContainerError::NotBuilt
            | ContainerError::Damaged(_)
            | ContainerError::NoPiece(_)
            | ContainerError::NothingInside(_) => false,
        }
    }
}

/// `length` bytes at an offset of a file; `what` is the name of this part in errors.
fn part<'a>(bytes: &'a [u8], at: u64, length: u64, what: &str) -> Result<&'a [u8], ContainerError> {
    let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let found = usize::try_from(at).ok().zip(usize::try_from(length).ok());
    found.and_then(|(at, length)| bytes.get(at..)?.get(..length)).ok_or_else(|| ContainerError::Truncated {
        what: what.to_string(),
        at,
        need: length,
        have,
    })
}

/// An error of a decoder about its input.
#[cfg(feature = "archives")]
fn damaged(error: std::io::Error) -> ContainerError {
    ContainerError::Damaged(format!(
        "it cannot be unpacked ({error}): it is truncated or damaged; copy it again"
    ))
}

/// The first few names, and how many more there are.
fn listed(names: &[String]) -> String {
    const NAMED: usize = 8;
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 tree`, `2 trees`.
fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
