//! The table of forms, a file a subject. Made by hand from the sources of Linux 4.14 to 7.3; `tests/it/machine/log_formats.rs` names what a newer
//! kernel prints and no row matches.

mod core;
mod downstream;
mod firmware;
mod irq;
mod pci;
mod programs;
mod reports;
mod smmu;
mod vendors;
mod vfio;
mod words;
mod x86;
mod xen;

use super::form::Form;

pub(in crate::machine::log) use words::{MARKS, parameters};

/// All rows. Of rows that match a line, the one with the most text counts, and the first of those.
const FORMS: [&[Form]; 13] = [
    core::FORMS,
    smmu::FORMS,
    vendors::FORMS,
    x86::FORMS,
    firmware::FORMS,
    irq::FORMS,
    pci::FORMS,
    vfio::FORMS,
    reports::FORMS,
    downstream::FORMS,
    programs::FORMS,
    xen::FORMS,
    words::FORMS,
];

/// Every form that is understood, and the words by which a line is about IOMMUs (their kind is
/// [`Other`](super::LogKind::Other)).
///
/// ```
/// use fwspec::machine::log;
/// assert!(log::forms().any(|form| form.pattern.starts_with("Adding to iommu group")));
/// ```
pub fn forms() -> impl Iterator<Item = &'static Form> {
    FORMS.into_iter().flatten()
}
