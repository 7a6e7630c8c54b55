//! The forms of evidence: how each is recognised by what is in it, and what reads it. A form more is a row more.

use super::collect::{Collector, Piece};
use super::error::MachineError;
use super::recognise::{self, Kind};

/// A form of evidence.
pub(super) struct Form {
    /// How it is recognised.
    pub(super) sign: Sign,
    /// What reads it.
    pub(super) read: fn(&mut Collector, Piece) -> Result<(), MachineError>,
}

/// How a form shows.
pub(super) enum Sign {
    /// By the bytes at the start.
    Start(fn(&[u8]) -> Option<Kind>),
    /// By a line of text. The first line in which any form shows decides.
    Line(fn(&[u8]) -> Option<Kind>),
}

/// All forms. Of those that show at the start the first counts; of those that show in one line, too.
pub(super) const FORMS: &[Form] = &[
    Form { sign: Sign::Start(recognise::empty), read: Collector::read_nothing },
    Form { sign: Sign::Start(recognise::device_tree), read: Collector::read_tree },
    Form { sign: Sign::Start(recognise::tables), read: Collector::read_tables },
    Form { sign: Sign::Line(recognise::acpidump_line), read: Collector::read_tables },
    Form { sign: Sign::Line(recognise::lspci_line), read: Collector::read_listing },
];

/// The form of some bytes, and what they are.
pub(super) fn form(bytes: &[u8]) -> Option<(&'static Form, Kind)> {
    let at_start = |form: &'static Form| match form.sign {
        Sign::Start(shows) => Some((form, shows(bytes)?)),
        Sign::Line(_) => None,
    };
    FORMS.iter().find_map(at_start).or_else(|| {
        bytes.split(|byte| *byte == b'\n').find_map(|line| {
            FORMS.iter().find_map(|form| match form.sign {
                Sign::Line(shows) => Some((form, shows(line)?)),
                Sign::Start(_) => None,
            })
        })
    })
}
