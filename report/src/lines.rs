//! The findings of many files as one JSON document, written as they come.

use std::io;

use fwspec::answer::{FindingRecord, LintDocument};

/// Writes the documents of many files as one. Findings leave as they come; only what is waived, which stands behind them, is
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
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        write!(out, "{{\"schema\":\"{}\",\"findings\":[", LintDocument::SCHEMA)?;
        Ok(LintStream { out, between: "", waived: Vec::new() })
    }

    /// Adds what one more document says.
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
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<()> {
        writeln!(self.out, "],\"waived\":{}}}", serde_json::to_string(&self.waived)?)
    }
}
