//! `fwspec.explain/1`: every hop of an id, and what findings mean.

mod follow;

use alloc::string::String;
use alloc::vec::Vec;

use crate::Groups;
use crate::lint::Code;
use crate::machine::{Firmware, ParseQueryError};
use crate::map::IdMap;

pub(in crate::answer) use follow::Follower;

/// What `fwspec explain --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ExplainDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What was explained of a firmware, one for each id and each different reading of it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub answers: Vec<Explained>,
    /// What findings mean.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub codes: Vec<CodeRecord>,
}

/// An id as some dialects follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Explained {
    /// The id, or the line of a log, as asked.
    pub query: String,
    /// The dialect in which it was read.
    pub dialects: Vec<&'static str>,
    /// For the line of a log: what it says.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub meaning: Option<String>,
    /// For the line of a log: the StreamID that it names.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stream_id: Option<u32>,
    /// Every path that was found: of the id itself, of its aliases, of each source.
    pub ways: Vec<WayRecord>,
    /// Why there is none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<String>,
}

/// A path from a device to an IOMMU, and on to an MSI controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WayRecord {
    /// Whose path it is, where it is not that of the id that was asked.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub of: Option<String>,
    /// Hop by hop.
    pub hops: Vec<HopRecord>,
    /// Why it ends before an IOMMU.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<String>,
}

/// A hop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HopRecord {
    /// Its number.
    pub number: usize,
    /// Where the id is.
    pub at: String,
    /// The record that maps it; absent where the hop is on the bus, or is the last.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub record: Option<HopStep>,
}

/// What a record makes of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HopStep {
    /// The place of the record, in words.
    pub place: String,
    /// Its offset in the blob, in bytes.
    pub offset: u32,
    /// The record as the bytes have it, in a sentence.
    pub says: String,
    /// The id as it came.
    pub input: u32,
    /// The id after the mask of the map.
    pub masked: u32,
    /// What it becomes; null where no single id comes out.
    pub output: Option<u32>,
    /// The arithmetic.
    pub arithmetic: String,
}

/// What a code means.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CodeRecord {
    /// The code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How bad it is, unless the user says otherwise.
    pub severity: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Where it was seen; null where it is known from the sources of readers alone.
    pub seen: Option<&'static str>,
    /// An example: the place and the message that the smallest sample gives.
    pub case: &'static str,
    /// What to do.
    pub help: &'static str,
    /// The specification, kernel function or report that it is based on.
    pub reference: &'static str,
    /// Codes that, found at the same node, make this one meaningless.
    pub not_with: Vec<&'static str>,
}

impl From<Code> for CodeRecord {
    fn from(code: Code) -> Self {
        let rule = code.rule();
        CodeRecord {
            code: rule.id,
            name: rule.name,
            severity: rule.severity.word(),
            what: rule.what,
            why: rule.why,
            seen: (!rule.seen.is_empty()).then_some(rule.seen),
            case: code.case(),
            help: rule.help,
            reference: rule.reference,
            not_with: rule.needs_absence_of.iter().map(|code| code.rule().id).collect(),
        }
    }
}

impl Explained {
    /// Whether the id leads somewhere: to an IOMMU or an MSI controller, or back to a device.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::Explained;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
    /// let answers = Explained::all("00:01.0", &firmware, &maps, None).unwrap();
    /// assert!(answers[0].found());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn found(&self) -> bool {
        self.ways.iter().any(|way| way.reason.is_none())
    }
}

impl ExplainDocument {
    /// A document of these answers.
    ///
    /// ```
    /// use fwspec::answer::ExplainDocument;
    /// assert_eq!(ExplainDocument::new(Vec::new()).schema, "fwspec.explain/1");
    /// ```
    pub fn new(answers: Vec<Explained>) -> Self {
        ExplainDocument { schema: "fwspec.explain/1", answers, codes: Vec::new() }
    }

    /// A document of these codes.
    ///
    /// ```
    /// use fwspec::lint::Code;
    /// use fwspec::answer::ExplainDocument;
    /// assert_eq!(ExplainDocument::of_codes(&[Code::RangeOverlap]).codes[0].code, "IORT004");
    /// ```
    pub fn of_codes(codes: &[Code]) -> Self {
        let codes = codes.iter().map(|code| CodeRecord::from(*code)).collect();
        ExplainDocument { schema: "fwspec.explain/1", answers: Vec::new(), codes }
    }
}

impl Explained {
    /// Follows an id under each of these maps of one firmware; maps that agree share an
    /// answer. With groups, whatever firmware they know, the bridges above a function are known: its aliases are followed as well, and the device scopes
    /// of a DMAR.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::Explained;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
    /// let answers = Explained::all("00:01.0", &firmware, &maps, None).unwrap();
    /// assert_eq!(answers[0].dialects, ["linux"]);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ParseQueryError`] where the id cannot be understood.
    pub fn all(
        query: &str,
        firmware: &Firmware,
        maps: &[IdMap],
        groups: Option<&Groups>,
    ) -> Result<Vec<Explained>, ParseQueryError> {
        let mut answers: Vec<Explained> = Vec::new();
        for map in maps {
            let dialects = alloc::vec![map.dialect().name];
            let answer = Follower { firmware, map, groups }.explain(query)?;
            match answers.iter_mut().find(|known| known.ways == answer.ways && known.reason == answer.reason)
            {
                Some(known) => known.dialects.extend(dialects),
                None => answers.push(Explained { dialects, ..answer }),
            }
        }
        Ok(answers)
    }
}
