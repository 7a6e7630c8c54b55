//! A row of the table of forms: what the kernel prints, and what that says.

use core::fmt;

/// What a line of a kernel log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogKind {
    /// A device was given its IOMMU group.
    GroupAdd,
    /// A device left its IOMMU group.
    GroupRemove,
    /// A device could not be given an IOMMU group.
    GroupFailed,
    /// An IOMMU stopped an access, or reported one.
    Fault,
    /// A device, a request or a whole IOMMU was refused.
    Refused,
    /// The kernel says that firmware is wrong.
    FirmwareBug,
    /// What an IOMMU and its driver are and can do.
    Iommu,
    /// Memory that is always mapped, or kept out of a device's reach.
    Reserved,
    /// Message signalled interrupts and their remapping.
    Msi,
    /// How devices are translated: the types of their domains, and when the IOMMU forgets.
    Domain,
    /// A device waits for another.
    Deferred,
    /// Assignment of devices to user space.
    Vfio,
    /// About IOMMUs, and not understood.
    Other,
}

impl LogKind {
    /// All kinds.
    pub const ALL: [LogKind; 13] = [
        LogKind::GroupAdd,
        LogKind::GroupRemove,
        LogKind::GroupFailed,
        LogKind::Fault,
        LogKind::Refused,
        LogKind::FirmwareBug,
        LogKind::Iommu,
        LogKind::Reserved,
        LogKind::Msi,
        LogKind::Domain,
        LogKind::Deferred,
        LogKind::Vfio,
        LogKind::Other,
    ];

    /// The word for it: `group-add`, `fault`, `firmware-bug` …
    pub fn word(self) -> &'static str {
        match self {
            LogKind::GroupAdd => "group-add",
            LogKind::GroupRemove => "group-remove",
            LogKind::GroupFailed => "group-failed",
            LogKind::Fault => "fault",
            LogKind::Refused => "refused",
            LogKind::FirmwareBug => "firmware-bug",
            LogKind::Iommu => "iommu",
            LogKind::Reserved => "reserved",
            LogKind::Msi => "msi",
            LogKind::Domain => "domain",
            LogKind::Deferred => "deferred",
            LogKind::Vfio => "vfio",
            LogKind::Other => "other",
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How a line belongs to those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It says all by itself.
    Alone,
    /// Lines of the same matter may follow.
    Opens(&'static str),
    /// It adds to a line of the same matter before it.
    Continues(&'static str),
}

/// A form of line that the kernel prints.
///
/// Holes of the pattern are in braces, each with a value as an example: `Adding to iommu group {group=7}`. White space and the case of
/// letters do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Form {
    /// What the line is about.
    pub kind: LogKind,
    /// What is written before the text: names of drivers or prefixes, with `|` between them; `@` is any IOMMU's driver, empty
    /// is whatever device the line is about.
    pub speaker: &'static str,
    /// The text, with holes.
    pub pattern: &'static str,
    /// What it says, with the same holes.
    pub said: &'static str,
    /// The first kernel that prints it; empty for those before 4.14.
    pub since: &'static str,
    /// The last kernel that prints it; empty where 7.3 still does.
    pub until: &'static str,
    /// The code of the finding that says the same before boot; empty where there is none. Of several, with spaces between them,
    /// the first that firmware has.
    pub codes: &'static str,
    /// Whether it is harmless although it sounds bad.
    pub harmless: bool,
    pub(super) part: Part,
}

impl Form {
    pub(super) const fn new(
        kind: LogKind,
        speaker: &'static str,
        pattern: &'static str,
        said: &'static str,
    ) -> Self {
        let (since, until, codes) = ("", "", "");
        Form { kind, speaker, pattern, said, since, until, codes, harmless: false, part: Part::Alone }
    }

    pub(super) const fn since(self, since: &'static str) -> Self {
        Form { since, ..self }
    }

    pub(super) const fn until(self, until: &'static str) -> Self {
        Form { until, ..self }
    }

    pub(super) const fn code(self, codes: &'static str) -> Self {
        Form { codes, ..self }
    }

    pub(super) const fn harmless(self) -> Self {
        Form { harmless: true, ..self }
    }

    pub(super) const fn opens(self, matter: &'static str) -> Self {
        Form { part: Part::Opens(matter), ..self }
    }

    pub(super) const fn continues(self, matter: &'static str) -> Self {
        Form { part: Part::Continues(matter), ..self }
    }
}

/// A row, short.
pub(super) const fn f(
    kind: LogKind,
    speaker: &'static str,
    pattern: &'static str,
    said: &'static str,
) -> Form {
    Form::new(kind, speaker, pattern, said)
}
