//! The forms of evidence: how each is recognised by its content, and which reader takes it. To add a form, add a row.

use super::kind::Kind;
use super::recognise::{self};
use super::unwrap::{self, Lines};
use super::{container, header};

/// A form of evidence.
pub(super) struct Form {
    /// How it is recognised.
    pub(super) sign: Sign,
    /// Which reader takes it.
    pub(super) reading: Reading,
}

/// The readers: the collector has a function for each.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// None: the file is empty.
    Nothing,
    /// A device tree.
    Tree,
    /// ACPI tables in a row.
    Tables,
    /// The text of `acpidump`.
    Acpidump,
    /// A listing, a log or a list of groups, whose lines may be between others.
    Text,
    /// A dump of bytes in hex.
    Hexdump,
    /// `pci.ids`.
    Database,
    /// A kernel's log in which no line shows a form by itself.
    Log,
    /// None: the text is refused, with what to type instead.
    Refused,
}

/// How a form is recognised.
pub(super) enum Sign {
    /// By the bytes at the start.
    Start(fn(&[u8]) -> Option<Kind>),
    /// By a line of text. The first line in which any form shows decides.
    Line(fn(&[u8]) -> Option<Kind>),
    /// By a line of text somewhere below another line.
    Below(fn(&[u8]) -> bool, fn(&[u8]) -> Option<Kind>),
    /// By most of its lines, where it is none of the other forms.
    Text(fn(&[u8]) -> Option<Kind>),
}

/// All forms. Of the forms that are recognised at the start, the first in the table counts; of those in one line, too.
pub(super) const FORMS: &[Form] = &[
    Form { sign: Sign::Start(recognise::empty), reading: Reading::Nothing },
    Form { sign: Sign::Start(recognise::device_tree), reading: Reading::Tree },
    Form { sign: Sign::Start(recognise::tables), reading: Reading::Tables },
    Form { sign: Sign::Line(recognise::acpidump_line), reading: Reading::Acpidump },
    Form { sign: Sign::Line(recognise::disassembly_line), reading: Reading::Refused },
    Form { sign: Sign::Line(recognise::refused_line), reading: Reading::Refused },
    Form { sign: Sign::Line(recognise::groups_line), reading: Reading::Text },
    Form { sign: Sign::Line(recognise::log_line), reading: Reading::Text },
    Form { sign: Sign::Line(recognise::lspci_line), reading: Reading::Text },
    Form {
        sign: Sign::Below(header::starts_function_or_record, recognise::config_line),
        reading: Reading::Text,
    },
    Form { sign: Sign::Line(recognise::hexdump_line), reading: Reading::Hexdump },
    Form { sign: Sign::Line(recognise::database_line), reading: Reading::Database },
    Form { sign: Sign::Text(recognise::log), reading: Reading::Log },
];

/// Tells the kind of `bytes`. It checks nothing that a parser checks: damaged firmware is still recognised, so that its parser can
/// say what is wrong with it.
///
/// ```
/// use fwspec::machine::{Kind, recognise};
/// assert_eq!(recognise(b"\xd0\x0d\xfe\xed\0\0\0\x48"), Kind::DeviceTree);
/// assert_eq!(recognise(b"IORT\x34\0\0\0"), Kind::AcpiTable(*b"IORT"));
/// assert_eq!(recognise(b"IORT @ 0x0000000000000000\n"), Kind::AcpidumpText);
/// assert_eq!(recognise(b"00:1f.0 ISA bridge: Example\n"), Kind::LspciText);
/// assert_eq!(recognise(b"#!/bin/sh\n"), Kind::Unknown);
/// ```
pub fn recognise(bytes: &[u8]) -> Kind {
    container::kind(bytes).or_else(|| form(bytes).map(|(_, kind)| kind)).unwrap_or(Kind::Unknown)
}

/// The form and the kind of some bytes.
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
        // A reason to refuse a text counts only where nothing of the text can be read.
        let mut refused = None;
        // A line came that may be above one which shows a form.
        let mut is_below = false;
        while let Some((_, line)) = lines.next() {
            let found = FORMS.iter().find_map(|form| match form.sign {
                Sign::Line(shows) => Some((form, shows(line)?)),
                Sign::Below(_, shows) => Some((form, is_below.then(|| shows(line)).flatten()?)),
                Sign::Start(_) | Sign::Text(_) => None,
            });
            is_below = is_below
                || FORMS.iter().any(|form| matches!(form.sign, Sign::Below(above, _) if above(line)));
            match found {
                Some((_, Kind::Refused(_))) => refused = refused.or(found),
                Some(_) => return found,
                None => {}
            }
        }
        refused.or_else(|| FORMS.iter().find_map(in_text))
    })
}
