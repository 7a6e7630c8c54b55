//! What holds other evidence: bytes with a name become pieces with names, `report.tar.xz!sys/firmware/fdt`.

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

/// Why what holds other evidence cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// It ends before its own headers say.
    #[error("{what} is said to be {need} bytes at {at:#x}, and the file has {have}")]
    Truncated {
        /// Which part.
        what: String,
        /// Where it is said to start.
        at: u64,
        /// How many bytes it is said to have.
        need: u64,
        /// How many the file has.
        have: u64,
    },
    /// What its headers say does not hold.
    #[error("{0}")]
    Damaged(String),
    /// A FIT without the configuration that was asked for.
    #[error("it has no configuration {wanted:?}; it has {known}")]
    NoConfiguration {
        /// The name that was asked for.
        wanted: String,
        /// Those that it has.
        known: String,
    },
    /// A FIT that does not say which of its configurations is the default.
    #[error("it has several configurations and no default: {known}; choose one with --config NAME")]
    SeveralConfigurations {
        /// Those that it has.
        known: String,
    },
    /// Overlays of which a board takes one.
    #[error("it has {count} overlays, and a boot loader chooses by the board: name one, such as {example}")]
    SeveralOverlays {
        /// How many.
        count: usize,
        /// What to type.
        example: String,
    },
    /// One in another in another.
    #[error("containers are nested more than {MAX_CONTAINER_DEPTH} deep: unpack it and name the file in it")]
    TooDeep,
    /// More bytes than are held.
    #[error("it unpacks to more than {} MiB, the most that is kept in memory: unpack it and name the file in it", MAX_UNPACKED_BYTES >> 20)]
    TooLarge,
    /// It unpacks to more bytes than are read in all.
    #[error("it unpacks to more than {} MiB, the most that is unpacked: unpack it and name the file in it", MAX_STREAMED_BYTES >> 20)]
    TooLong,
    /// The library was built without what unpacks it.
    #[error(
        "it is compressed or an archive, and this build cannot unpack (feature `archives`): unpack it and name the file in it"
    )]
    NotBuilt,
    /// A piece that was asked for and is not there.
    #[error("{0:?} is not in it")]
    NoPiece(String),
    /// Nothing in it is evidence.
    #[error("there is no evidence in it: {0}")]
    NothingInside(String),
}

/// What a user wants of containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// The configuration of a FIT.
    pub(super) configuration: Option<String>,
    /// The whole name of the only piece that counts.
    pub(super) piece: Option<String>,
}

impl Choice {
    /// Whether a piece of this name may be, hold, or belong to what was asked for.
    fn wants(&self, name: &str) -> bool {
        let below = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['!', '/']))
        };
        self.piece.as_deref().is_none_or(|piece| below(name, piece) || below(piece, name))
    }
}

/// What came out of a container, in the order in which it is there.
#[derive(Debug)]
pub(super) enum Item {
    /// A container; what follows, up to the next, is from it.
    Opened { name: String, kind: Kind, note: Option<String> },
    /// What is not read, or not used.
    Unused { name: String, kind: Kind, note: Option<String> },
    /// The files of a running system; `system` is where its `sys` is.
    #[cfg(feature = "archives")]
    System { system: &'static str, files: Memory },
    /// Bytes that hold nothing else.
    Piece { name: String, bytes: Vec<u8> },
}

/// What is inside a container.
struct Contents<'a> {
    /// What the container is called.
    name: &'a str,
    choice: &'a Choice,
    left: &'a mut Left,
    children: Vec<Child>,
    notes: Vec<String>,
}

/// How many bytes may still be taken out.
struct Left {
    /// Of what is not compressed.
    plain: usize,
    /// Held of what is unpacked.
    #[cfg(feature = "archives")]
    held: usize,
    /// Gone through.
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
    /// The name of something inside.
    fn name_of(&self, inner: &str) -> String {
        format!("{}!{inner}", self.name)
    }

    /// Takes a piece out, if it is wanted.
    fn piece(&mut self, inner: &str, bytes: &[u8]) -> Result<(), ContainerError> {
        let name = self.name_of(inner);
        if !self.choice.wants(&name) {
            return Ok(());
        }
        // Real containers hold each of their bytes once.
        self.left.plain = self.left.plain.checked_sub(bytes.len()).ok_or_else(|| {
            ContainerError::Damaged("its headers refer to the same bytes again and again".to_owned())
        })?;
        self.children.push(Child::Bytes { name, bytes: bytes.to_vec() });
        Ok(())
    }

    /// Counts bytes that are held.
    #[cfg(feature = "archives")]
    fn keep(&mut self, bytes: usize) -> Result<(), ContainerError> {
        self.left.held = self.left.held.checked_sub(bytes).ok_or(ContainerError::TooLarge)?;
        Ok(())
    }

    /// Reads the rest of something unpacked, after the bytes that are there.
    #[cfg(feature = "archives")]
    fn read_on(&mut self, source: &mut dyn std::io::Read, bytes: &mut Vec<u8>) -> Result<(), ContainerError> {
        use std::io::Read;
        // One byte more shows that there are more.
        let most = u64::try_from(self.left.held).unwrap_or(u64::MAX).saturating_add(1);
        source.take(most).read_to_end(bytes).map_err(damaged)?;
        self.keep(bytes.len())?;
        self.left.plain = self.left.plain.saturating_add(bytes.len().saturating_mul(2));
        Ok(())
    }

    /// What a compressed file unpacks to, which has its name.
    #[cfg(feature = "archives")]
    fn unpacked(&mut self, source: &mut dyn std::io::Read) -> Result<(), ContainerError> {
        let name = self.name.to_owned();
        self.unpacked_as(name, source)
    }

    /// What a compressed part unpacks to.
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
        // Bytes that were released again count too.
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

    /// A piece whose bytes were counted.
    #[cfg(feature = "archives")]
    fn held(&mut self, inner: &str, bytes: Vec<u8>) {
        let name = self.name_of(inner);
        self.left.plain = self.left.plain.saturating_add(bytes.len().saturating_mul(2));
        if self.choice.wants(&name) {
            self.children.push(Child::Bytes { name, bytes });
        }
    }

    /// Bytes that may still be held.
    #[cfg(feature = "archives")]
    fn room(&self) -> usize {
        self.left.held
    }

    /// A piece that was read already.
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

    /// The files of a running system.
    #[cfg(feature = "archives")]
    fn system(&mut self, system: &'static str, files: Memory) {
        self.children.push(Child::System { system, files });
    }

    /// Lists what is inside and does not count.
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

/// A form of container: how it shows, and what opens it. A form more is a row more.
struct Form {
    shows: fn(&[u8]) -> Option<Kind>,
    open: fn(&[u8], &mut Contents<'_>) -> Result<(), ContainerError>,
}

/// All forms; the first that shows counts.
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

/// What container the bytes are, if they are one.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    form(bytes).map(|(_, kind)| kind)
}

/// Takes a container apart, and those that are in it. Other bytes are given back.
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
            // What is wrong with a part of it does not cost the rest.
            Err(error) if depth > 0 && !error.is_a_bound() => {
                items.push(Item::Unused { name, kind, note: Some(format!("not used: {error}")) });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Unpacked::Items(items))
}

/// What a file turned out to be.
pub(super) enum Unpacked {
    /// It holds nothing else.
    Plain(Vec<u8>),
    /// A container, itself the first of the items.
    Items(Vec<Item>),
}

impl ContainerError {
    /// Whether it says that more is there than is read, or that the user has to choose.
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

/// So many bytes at a place of a file, which its headers call `what`.
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

/// What an unpacker says about its input.
#[cfg(feature = "archives")]
fn damaged(error: std::io::Error) -> ContainerError {
    ContainerError::Damaged(format!(
        "it cannot be unpacked ({error}): it is truncated or damaged; copy it again"
    ))
}

/// Names one after the other, the first few, and how many more there are.
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
