//! Why evidence does not make one machine.

use alloc::string::{String, ToString};

use super::ContainerError;
use super::refused::Refused;
use super::text::{TextError, TextErrorKind};
use crate::dt::{OverlayError, Tree};
use crate::{Error, ErrorKind};

/// Why evidence does not make one machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The operating system does not give the bytes.
    #[error("{name}: {why}")]
    Unreadable {
        /// The name of the evidence.
        name: String,
        /// The reason that the operating system gives.
        why: String,
    },
    /// The bytes are of no kind that is read, or are firmware that cannot be read.
    #[error("{name}: {error}", error = Placed(error, place.as_deref()))]
    Bytes {
        /// The name of the evidence.
        name: String,
        /// What is wrong, and where.
        error: Error,
        /// What is at that place of a device tree: node, property, cell.
        place: Option<String>,
    },
    /// A text cannot be read, or is not what it should be.
    #[error("{name}{line}: {kind}", line = Line(error), kind = error.kind)]
    Text {
        /// The name of the evidence.
        name: String,
        /// What is wrong, and in which line.
        error: TextError,
    },
    /// A text is of a kind that is recognised and not read.
    #[error("{name}: {refused}")]
    Refused {
        /// The name of the evidence.
        name: String,
        /// What it is, and what to type instead.
        refused: Refused,
    },
    /// There are no bytes: an empty file, or a pipe through which nothing came.
    #[error("{name}: the file is empty: copy it again (from /sys and /proc as root), or give another")]
    Empty {
        /// The name of the evidence.
        name: String,
    },
    /// A container cannot be opened, or has no evidence in it.
    #[error("{name}: {error}")]
    Container {
        /// The name of the container.
        name: String,
        /// What is wrong with it.
        error: ContainerError,
    },
    /// An overlay does not fit its base.
    #[error("{name} cannot be applied to {base}: {error}")]
    Overlay {
        /// The name of the overlay.
        name: String,
        /// The name of its base.
        base: String,
        /// Why.
        error: OverlayError,
    },
    /// Nothing in a folder is read.
    #[error(
        "{name}: there is no evidence in this folder: no device tree, no IORT, RIMT, VIOT, DMAR, IVRS or MCFG, no lspci text; name such a file, or a folder that has one"
    )]
    NoEvidence {
        /// The name of the folder.
        name: String,
    },
    /// Two pieces of evidence cannot be of one machine: two different tables with one name, or two trees.
    #[error(
        "two machines: {first} and {second} are both {what}, and they differ; name the files of one machine, or choose with --firmware"
    )]
    TwoMachines {
        /// What both are: `IORT`, `device tree`.
        what: String,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// Two tables cannot be of one machine, because each describes the IOMMUs of another architecture or vendor: two of IORT, RIMT,
    /// DMAR and IVRS.
    #[error(
        "two machines: {first} has {one}, {second} has {other}, and no machine has both; name the files of one machine, or choose with --firmware"
    )]
    TwoVendors {
        /// The table of the first piece.
        one: String,
        /// The first piece.
        first: String,
        /// The table of the second piece.
        other: String,
        /// The second piece.
        second: String,
    },
    /// There are a device tree and ACPI tables, and a kernel uses only one of them.
    #[error(
        "two kinds of firmware: {tree} is a device tree, {tables} holds ACPI tables, and a kernel reads only one of them; choose with --firmware"
    )]
    TwoKinds {
        /// The device tree.
        tree: String,
        /// The first of the tables that describe IOMMUs.
        tables: String,
    },
    /// Two listings have different functions at one address.
    #[error(
        "two machines: {first} and {second} list different functions at {function}; name one of them, or choose with --pci"
    )]
    TwoTopologies {
        /// The address.
        function: crate::Bdf,
        /// The first listing.
        first: String,
        /// The second listing.
        second: String,
    },
    /// One text lists two machines.
    #[error(
        "two machines: {name}:{first} and {name}:{second} list different functions at {function}; give the listing of one of them, in a file of its own"
    )]
    TwoListings {
        /// The name of the text.
        name: String,
        /// The address with different functions.
        function: crate::Bdf,
        /// The line in the first listing.
        first: u32,
        /// The line in the second listing.
        second: u32,
    },
}

/// `:12` where a line is known.
struct Line<'a>(&'a TextError);

impl core::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.place.map_or(Ok(()), |place| write!(f, ":{}", place.line))?;
        self.0.function.map_or(Ok(()), |function| write!(f, " ({function})"))
    }
}

/// An error with a description of its place; without one, if the error is about the blob as a whole.
struct Placed<'a>(&'a Error, Option<&'a str>);

impl core::fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.1 {
            Some(place) => write!(f, "{}: {place}: {}", self.0.at, self.0.kind),
            // An error about the file as a whole needs no place.
            None if matches!(self.0.kind, ErrorKind::Unrecognised(_) | ErrorKind::NoFirmwareTable(_)) => {
                self.0.kind.fmt(f)
            }
            None => self.0.fmt(f),
        }?;
        // The length at the start of the file is the length of the whole file.
        match self.0.kind {
            ErrorKind::Truncated { .. } if self.0.at.offset == 0 => {
                f.write_str(": the file is truncated; copy all of it")
            }
            _ => Ok(()),
        }
    }
}

impl MachineError {
    /// Whether the bytes are of a kind that is read, and something is wrong with them.
    pub(super) fn is_about_content(&self) -> bool {
        !matches!(self, MachineError::Bytes { error, .. } if matches!(error.kind, ErrorKind::Unrecognised(_)))
    }

    /// Whether these are ACPI tables that say nothing about IOMMUs.
    pub(super) fn is_other_table(&self) -> bool {
        matches!(self, MachineError::Bytes { error, .. } if matches!(error.kind, ErrorKind::NoFirmwareTable(_)))
    }

    /// The message, without the name of the evidence.
    pub(super) fn without_name(&self) -> String {
        let said = self.to_string();
        match self {
            MachineError::Bytes { name, .. } | MachineError::Container { name, .. } => said
                .strip_prefix(name.as_str())
                .and_then(|rest| rest.strip_prefix(": "))
                .map_or(said.clone(), String::from),
            _ => said,
        }
    }

    /// Bytes that cannot be read.
    pub(super) fn bytes(name: &str, error: Error) -> Self {
        MachineError::Bytes { name: name.to_string(), error, place: None }
    }

    /// A text that cannot be read.
    pub(super) fn text(name: &str, error: TextError) -> Self {
        MachineError::Text { name: name.to_string(), error }
    }

    /// A text that as a whole is not what it should be.
    pub(super) fn wrong_text(name: &str, kind: TextErrorKind) -> Self {
        MachineError::text(name, TextError::whole(kind))
    }

    /// A tree that cannot be read.
    pub(super) fn tree(name: &str, error: Error, blob: &[u8]) -> Self {
        let tree = Tree::parse(blob).ok().filter(|_| error.at.offset > 0);
        let place = tree.map(|tree| tree.place(error.at.offset).to_string());
        MachineError::Bytes { name: name.to_string(), error, place }
    }
}
