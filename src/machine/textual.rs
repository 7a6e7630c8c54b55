//! One pass over a text about a machine, for the functions that it lists and for the decisions of its kernel.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::gaps::{Gap, Watch};
use super::kind::Kind;
use super::lspci::{Listing, Reader};
use super::refused::{self, Refused};
use super::unwrap::{self, Lines};
use super::words::{self, Line, Words};

/// The content of a text.
#[derive(Debug, Default)]
pub(super) struct Textual {
    pub(super) listing: Listing,
    pub(super) words: Words,
    /// Its addresses are of a kind that is not read.
    pub(super) refused: Option<Refused>,
    /// A part of it has a form that is not read.
    pub(super) beside: Option<Refused>,
    /// What is missing from its listing.
    pub(super) gaps: Vec<Gap>,
}

impl Textual {
    pub(super) fn read(text: &[u8]) -> Self {
        let text = unwrap::as_utf8(text);
        let mut lines = Lines::of(&text);
        let (mut reader, mut said) = (Reader::default(), Words::default());
        let (mut refused, mut beside, mut watch) = (None, None, Watch::default());
        let signs = words::signs();
        while let Some((place, line)) = lines.next() {
            // Names need not be UTF-8; the kernel's decisions are.
            let Ok(line) = core::str::from_utf8(line) else {
                reader.line(line, place);
                continue;
            };
            if refused.is_none() && refused::is_path(line) {
                refused = Some(Refused::LspciPath);
            }
            if beside.is_none() {
                beside = refused::of_line(line.as_bytes());
            }
            // `lspci -v` says this about the function above; it is not the title of a group.
            if line.starts_with("IOMMU group: ") && reader.is_in_function() && !said.is_in_group() {
                reader.line(line.as_bytes(), place);
                continue;
            }
            let is_passed_over = !line.is_empty() && !said.is_in_group() && !words::may_say(&signs, line);
            match if is_passed_over { Line::Other(line) } else { said.line(line) } {
                Line::Taken => {}
                Line::Other("") if !line.is_empty() => {}
                Line::Other(rest) => {
                    reader.is_of_groups = rest.len() < line.len() || said.is_in_group();
                    reader.line(rest.as_bytes(), place);
                    watch.line(place, rest.as_bytes(), reader.current());
                }
            }
        }
        let mut listing = reader.finish();
        let mut gaps = watch.finish(&text);
        gaps.append(&mut listing.gaps);
        for function in &listing.functions {
            let group = function.told.as_ref().and_then(|told| told.group);
            if let Some(group) = group {
                said.listed.insert(function.bdf.to_string(), group);
            }
        }
        // Records with bytes beside them were read.
        beside = beside.filter(|beside| {
            *beside != Refused::LspciRecords
                || listing.functions.iter().all(|function| function.bytes.is_empty())
        });
        Textual { listing, words: said, refused, beside, gaps }
    }

    /// The kind of such a text.
    pub(super) fn kind(&self) -> Kind {
        let functions = &self.listing.functions;
        let has_bytes = functions.iter().any(|function| !function.bytes.is_empty());
        let is_decoded =
            functions.iter().filter_map(|function| function.told.as_ref()).any(|told| !told.is_name_only());
        match () {
            () if has_bytes || functions.is_empty() && !self.listing.skipped.is_empty() => Kind::LspciText,
            () if is_decoded || !functions.is_empty() && !self.words.tells_groups() => Kind::LspciVerbose,
            () if !self.words.listed.is_empty() => Kind::GroupList,
            () if functions.is_empty() => Kind::KernelLog,
            () => Kind::LspciVerbose,
        }
    }

    /// Whether nothing useful is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.listing.functions.is_empty() && !self.words.tells_groups()
    }
}
