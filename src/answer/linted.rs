//! Findings of one file, ready to be printed in any form.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::{At, Source};
use crate::lint::{Code, Finding, Fix, Severity};
use crate::machine::{Evidence, Firmware, Kind};

/// One file and what was found in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Linted {
    /// What the user calls the file.
    pub file: String,
    /// The firmware; `None` where it could not be read.
    pub firmware: Option<Firmware>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was found and is waived, with the reason.
    pub waived: Vec<(Finding, String)>,
    /// The user's names for the files, or the pieces of containers, of its tables, where each table has one of its own.
    tables: BTreeMap<Source, String>,
}

impl Linted {
    /// What was found in a file, nothing of it waived.
    ///
    /// ```
    /// assert_eq!(fwspec::answer::Linted::new("iort.bin", None, Vec::new()).file, "iort.bin");
    /// ```
    pub fn new(file: impl Into<String>, firmware: Option<Firmware>, findings: Vec<Finding>) -> Self {
        Linted { file: file.into(), firmware, findings, waived: Vec::new(), tables: BTreeMap::new() }
    }

    /// Tells the files of its tables by the evidence of the machine that they are of.
    ///
    /// ```
    /// use fwspec::answer::Linted;
    /// use fwspec::error::Source;
    /// use fwspec::machine::Collector;
    /// let mut collector = Collector::new();
    /// collector.add("a/iort.bin", fwspec::acpi::iort::Builder::new(6).finish())?;
    /// let machine = collector.finish()?;
    /// let linted = Linted::new("a", machine.firmware.clone(), Vec::new()).of_evidence(&machine.evidence);
    /// assert_eq!((linted.file_of(Source::IORT), linted.file_of(Source::VIOT)), ("a/iort.bin", "a"));
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    #[must_use]
    pub fn of_evidence(mut self, evidence: &[Evidence]) -> Self {
        let mut several = Vec::new();
        for one in evidence.iter().filter(|one| one.used) {
            let source = match one.kind {
                Kind::AcpiTable(signature) => Source::table(signature),
                Kind::DeviceTree => Source::DTB,
                _ => continue,
            };
            if self.tables.insert(source, one.name.clone()).is_some() {
                several.push(source);
            }
        }
        several.iter().for_each(|source| _ = self.tables.remove(source));
        self
    }

    /// What the user calls the file that a table or the tree is from, with the piece of a container: `boot.tar!iort.bin`.
    pub fn file_of(&self, source: Source) -> &str {
        self.tables.get(&source.first()).unwrap_or(&self.file)
    }

    /// The same without the piece: a file that there is.
    pub fn path_of(&self, source: Source) -> &str {
        let file = self.file_of(source);
        let container = file.strip_prefix(self.file.as_str()).is_some_and(|piece| piece.starts_with('!'));
        if container { &self.file } else { file }
    }

    /// The name of a place: `IORT+0x8c`, or `/pcie@10000000 iommu-map, cell 4`.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert!(linted.place(linted.findings[0].at).starts_with("IORT+0x"));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn place(&self, at: At) -> String {
        let tree = self.firmware.as_ref().and_then(Firmware::tree).filter(|_| at.source == Source::DTB);
        tree.map_or_else(|| at.to_string(), |tree| tree.place(at.offset).to_string())
    }

    /// The mechanical remedy for a finding, where there is one.
    ///
    /// ```
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = fwspec::acpi::iort::Builder::new(6).finish();
    /// table[9] ^= 1; // The checksum is wrong now.
    /// let firmware = Firmware::open("iort.bin", table)?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert_eq!(linted.fix(&linted.findings[0]).map(|fix| fix.offset), Some(9));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn fix(&self, finding: &Finding) -> Option<Fix> {
        // What follows the last table of a file is in none of them.
        let of_file = finding.at.source == Source::FILE;
        Fix::of(finding, if of_file { &[] } else { self.blob(finding.at.source)? })
    }

    /// The bytes of a table, or of the tree.
    pub fn blob(&self, source: Source) -> Option<&[u8]> {
        let firmware = self.firmware.as_ref()?;
        if source == Source::DTB { firmware.tree().map(|tree| tree.bytes()) } else { firmware.table(source) }
    }

    /// The node that a finding is about, if it is about one: its name and, in an IORT, its kind.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert!(linted.findings.iter().any(|finding| linted.node(finding).is_some()));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn node(&self, finding: &Finding) -> Option<String> {
        let firmware = self.firmware.as_ref().filter(|_| finding.subject.offset > 0)?;
        if let Some(iort) = firmware.iort().filter(|iort| iort.sdt().source() == finding.subject.source) {
            let node = iort.node_at(finding.subject.offset)?;
            return Some(format!("{} {}", node.node_type(), node.at()));
        }
        Some(self.place(finding.subject))
    }

    /// How many findings are at least this bad.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert_eq!(linted.count(fwspec::lint::Severity::Info), linted.findings.len());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity >= severity).count()
    }
}

/// How much was found in how many files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// What the user calls the first of the files.
    pub first: String,
    /// The files.
    pub files: usize,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// The other findings.
    pub infos: usize,
    /// Findings that are waived.
    pub waived: usize,
    /// How often each code was found.
    pub codes: BTreeMap<Code, usize>,
}

impl Tally {
    /// What was found in one file.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert_eq!(fwspec::answer::Tally::of(&linted).files, 1);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn of(linted: &Linted) -> Self {
        let count = |wanted| linted.findings.iter().filter(|finding| finding.severity == wanted).count();
        Tally {
            first: linted.file.clone(),
            files: 1,
            errors: count(Severity::Error),
            warnings: count(Severity::Warn),
            infos: count(Severity::Info),
            waived: linted.waived.len(),
            codes: linted.findings.iter().fold(BTreeMap::new(), |mut codes, finding| {
                let count: &mut usize = codes.entry(finding.code).or_default();
                *count = count.saturating_add(1);
                codes
            }),
        }
    }

    /// Adds what was found in later files.
    ///
    /// ```
    /// use fwspec::answer::Tally;
    /// let mut file = Tally::default();
    /// (file.files, file.errors) = (1, 2);
    /// let mut all = file.clone();
    /// all.add(file);
    /// assert_eq!((all.files, all.errors), (2, 4));
    /// ```
    pub fn add(&mut self, other: Tally) {
        if self.files == 0 {
            self.first = other.first;
        }
        for (count, more) in [
            (&mut self.files, other.files),
            (&mut self.errors, other.errors),
            (&mut self.warnings, other.warnings),
            (&mut self.infos, other.infos),
            (&mut self.waived, other.waived),
        ] {
            *count = count.saturating_add(more);
        }
        for (code, more) in other.codes {
            let count = self.codes.entry(code).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// How many findings are at least this bad.
    ///
    /// ```
    /// use fwspec::answer::Tally;
    /// use fwspec::lint::Severity;
    /// let mut tally = Tally::default();
    /// (tally.errors, tally.warnings, tally.infos) = (1, 2, 4);
    /// assert_eq!(tally.count(Severity::Warn), 3);
    /// ```
    pub fn count(&self, severity: Severity) -> usize {
        [(Severity::Error, self.errors), (Severity::Warn, self.warnings), (Severity::Info, self.infos)]
            .iter()
            .filter(|(kind, _)| *kind >= severity)
            .map(|(_, count)| *count)
            .sum()
    }
}
