//! The findings of many files as one JSON document, written as they come.

use std::io;

use fwspec::answer::{FindingRecord, LintDocument};

/// Writes the documents of many files as one. Findings leave as they come; only what is waived, which comes after them, is
/// held.
#[derive(Debug)]
pub struct LintStream<W> {
    out: W,
    between: &'static str,
    waived: Vec<FindingRecord>,
}

impl<W: io::Write> LintStream<W> {
    /// Starts the document.
    ///
    /// ```
    /// use fwspec_report::LintStream;
    /// let mut out = Vec::new();
    /// let stream = LintStream::new(&mut out)?;
    /// stream.finish()?;
    /// assert_eq!(out, b"{\"schema\":\"fwspec.lint/1\",\"findings\":[],\"waived\":[]}\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        write!(out, "{{\"schema\":\"{}\",\"findings\":[", LintDocument::SCHEMA)?;
        Ok(LintStream { out, between: "", waived: Vec::new() })
    }

    /// Adds what one more document says.
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
    /// let mut out = Vec::new();
    /// let mut stream = fwspec_report::LintStream::new(&mut out).unwrap();
    /// stream.add(fwspec::answer::LintDocument::new(&linted)).unwrap();
    /// stream.finish().unwrap();
    /// assert!(String::from_utf8(out).unwrap().contains("dma-hole"));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the output.
    pub fn add(&mut self, document: LintDocument) -> io::Result<()> {
        for finding in &document.findings {
            self.out.write_all(self.between.as_bytes())?;
            self.out.write_all(serde_json::to_string(finding)?.as_bytes())?;
            self.between = ",";
        }
        self.waived.extend(document.waived);
        Ok(())
    }

    /// Ends the document, and the line.
    ///
    /// ```
    /// use fwspec_report::LintStream;
    /// let mut out = Vec::new();
    /// let stream = LintStream::new(&mut out)?;
    /// stream.finish()?;
    /// assert_eq!(out, b"{\"schema\":\"fwspec.lint/1\",\"findings\":[],\"waived\":[]}\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<()> {
        writeln!(self.out, "],\"waived\":{}}}", serde_json::to_string(&self.waived)?)
    }
}
