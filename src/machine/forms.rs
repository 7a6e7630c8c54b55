//! The forms of evidence: how each is recognised by what is in it, and what reads it. A form more is a row more.

use super::collect::{Collector, Piece};
use super::error::MachineError;
use super::kind::Kind;
use super::unwrap::{self, Lines};
use super::{header, recognise};

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
    /// By a line of text that stands below another.
    Below(fn(&[u8]) -> bool, fn(&[u8]) -> Option<Kind>),
    /// By what most of its lines are, where it is none of the others.
    Text(fn(&[u8]) -> Option<Kind>),
}

/// All forms. Of those that show at the start the first counts; of those that show in one line, too.
pub(super) const FORMS: &[Form] = &[
    Form { sign: Sign::Start(recognise::empty), read: Collector::read_nothing },
    Form { sign: Sign::Start(recognise::device_tree), read: Collector::read_tree },
    Form { sign: Sign::Start(recognise::tables), read: Collector::read_tables },
    Form { sign: Sign::Line(recognise::acpidump_line), read: Collector::read_dump },
    Form { sign: Sign::Line(recognise::disassembly_line), read: Collector::refuse },
    Form { sign: Sign::Line(recognise::refused_line), read: Collector::refuse },
    Form { sign: Sign::Line(recognise::groups_line), read: Collector::read_text },
    Form { sign: Sign::Line(recognise::log_line), read: Collector::read_text },
    Form { sign: Sign::Line(recognise::lspci_line), read: Collector::read_text },
    Form { sign: Sign::Below(header::starts_function, recognise::config_line), read: Collector::read_text },
    Form { sign: Sign::Line(recognise::hexdump_line), read: Collector::read_hexdump },
    Form { sign: Sign::Line(recognise::database_line), read: Collector::read_database },
    Form { sign: Sign::Text(recognise::log), read: Collector::read_log },
];

/// The form of some bytes, and what they are.
pub(super) fn form(bytes: &[u8]) -> Option<(&'static Form, Kind)> {
    let at_start = |form: &'static Form| match form.sign {
        Sign::Start(shows) => Some((form, shows(bytes)?)),
        Sign::Line(_) | Sign::Below(..) | Sign::Text(_) => None,
    };
    let in_text = |form: &'static Form| match form.sign {
        Sign::Text(shows) => Some((form, shows(bytes)?)),
        Sign::Start(_) | Sign::Line(_) | Sign::Below(..) => None,
    };
    FORMS.iter().find_map(at_start).or_else(|| {
        let text = unwrap::as_utf8(bytes);
        let mut lines = Lines::of(&text);
        // What a text is refused for counts where nothing of it can be read.
        let mut refused = None;
        // A line came below which another shows a form.
        let mut is_below = false;
        while let Some((_, line)) = lines.next() {
            let found = FORMS.iter().find_map(|form| match form.sign {
                Sign::Line(shows) => Some((form, shows(line)?)),
                Sign::Below(above, shows) => {
                    let found = is_below.then(|| shows(line)).flatten();
                    is_below |= above(line);
                    Some((form, found?))
                }
                Sign::Start(_) | Sign::Text(_) => None,
            });
            match found {
                Some((_, Kind::Refused(_))) => refused = refused.or(found),
                Some(_) => return found,
                None => {}
            }
        }
        refused.or_else(|| FORMS.iter().find_map(in_text))
    })
}
