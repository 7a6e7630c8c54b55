//! Which form a line has: patterns with typed holes, found by five letters of each.

use alloc::vec::Vec;
use core::ops::Range;

use memchr::memchr2_iter;

use super::form::{Form, LogKind};
use super::{speaker, table};
use crate::machine::sieve::Sieve;

/// What a hole takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    /// Decimal digits, with or without a sign.
    Decimal,
    /// Hexadecimal digits, with or without `0x`.
    Hexadecimal,
    /// An error, as a number or by its name.
    Errno,
    /// No white space.
    Token,
    /// Anything, or nothing.
    Text,
}

impl Hole {
    fn named(name: &str) -> Hole {
        match name {
            "n" | "m" | "bits" | "group" | "sidd" | "did" | "cause" | "reasond" => Hole::Decimal,
            "x" | "y" | "sid" | "didx" | "addr" | "base" | "event" | "raw" | "reason" | "fsr" | "fsynr"
            | "cbfrsynra" | "gfsynr1" | "flags" | "rid" => Hole::Hexadecimal,
            "errno" => Hole::Errno,
            "dev" | "other" | "client" | "iommu" | "node" | "fn" | "eventname" | "who" | "dir" => Hole::Token,
            _ => Hole::Text,
        }
    }

    /// How many bytes at the start of `text` the hole takes, where the hole alone decides.
    fn length(self, text: &[u8]) -> Option<usize> {
        let run = |from: usize, takes: fn(&u8) -> bool| {
            text.get(from..).map_or(0, |rest| rest.iter().take_while(|byte| takes(byte)).count())
        };
        let length = match self {
            Hole::Decimal => {
                let sign = usize::from(text.first() == Some(&b'-'));
                let digits = run(sign, u8::is_ascii_digit);
                if digits == 0 { 0 } else { digits.saturating_add(sign) }
            }
            Hole::Hexadecimal => {
                let prefix = if text.starts_with(b"0x") { 2 } else { 0 };
                let digits = run(prefix, u8::is_ascii_hexdigit);
                if digits == 0 { 0 } else { digits.saturating_add(prefix) }
            }
            Hole::Errno => run(0, |byte| byte.is_ascii_alphanumeric() || *byte == b'-'),
            Hole::Token | Hole::Text => return None,
        };
        Some(length)
    }

    /// Where a hole that ends at `end` starts.
    fn start(self, text: &[u8], end: usize) -> usize {
        let before = text.get(..end).unwrap_or_default();
        let back = |takes: fn(&u8) -> bool| before.iter().rev().take_while(|byte| takes(byte)).count();
        let taken = match self {
            Hole::Decimal => back(u8::is_ascii_digit),
            Hole::Hexadecimal => back(|byte| byte.is_ascii_hexdigit() || *byte == b'x'),
            Hole::Errno | Hole::Token => back(|byte| !byte.is_ascii_whitespace()),
            Hole::Text => {
                let from =
                    before.windows(2).rposition(|pair| pair == b": ").map_or(0, |at| at.saturating_add(2));
                before.len().saturating_sub(from)
            }
        };
        end.saturating_sub(taken)
    }
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Text(&'static str),
    Hole(&'static str, Hole),
}

/// A form, taken to pieces.
#[derive(Debug)]
struct Pattern {
    form: &'static Form,
    pieces: Vec<Piece>,
    /// How much text it has.
    text: usize,
    /// Of forms that fit, the one with the most is meant.
    weight: usize,
}

/// A line that has a form.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) form: &'static Form,
    /// What the holes hold, by their names.
    pub(super) values: Vec<(&'static str, Range<usize>)>,
    /// Where the text of the form starts: the part before it names the driver that prints it.
    pub(super) start: usize,
    weight: usize,
}

impl Match {
    /// How much of a line is the form's own; more is better.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

/// All forms, ready to be searched for.
#[derive(Debug)]
pub(super) struct Matcher {
    patterns: Vec<Pattern>,
    /// They pass over lines that have no form. The first is for patterns with a long text, the second for the others.
    long: LongSieve,
    short: ShortSieve,
    /// A bit for each value that five letters may have, folded.
    seen: Vec<u64>,
    /// Five letters, and the patterns that have them.
    grams: Vec<(u64, u16)>,
}

/// All forms, made ready once.
#[cfg(feature = "std")]
pub(super) type Shared = &'static Matcher;

/// All forms.
#[cfg(not(feature = "std"))]
pub(super) type Shared = alloc::boxed::Box<Matcher>;

/// All forms of the table.
#[cfg(feature = "std")]
pub(super) fn matcher() -> Shared {
    static ALL: std::sync::OnceLock<Matcher> = std::sync::OnceLock::new();
    ALL.get_or_init(|| Matcher::new(table::forms().chain(table::MARKS)))
}

/// All forms of the table.
#[cfg(not(feature = "std"))]
pub(super) fn matcher() -> Shared {
    alloc::boxed::Box::new(Matcher::new(table::forms().chain(table::MARKS)))
}

/// Letters that a pattern is looked for by.
const GRAM: usize = 5;

const GRAM_MASK: u64 = 0xff_ffff_ffff;

/// Tells lines by every fourth place.
type LongSieve = Sieve<8, 4>;
/// Tells lines by every second place.
type ShortSieve = Sieve<4, 2>;
const _: () = assert!(GRAM == ShortSieve::WINDOW);

/// Words that many lines have which are about something else: patterns are not looked for by them.
const COMMON: &str = "failed to failed: failed  unable to could not cannot device driver registered register error memory enabled \
enabling disabled disabling alloc allocated request requested interrupt clock found version support timeout timed out mapped mapping \
reset address invalid missing initialized using set not for with from pci 0000: usb the group port bridge of type table page region \
interrupts property available attach table entries kernel command line: linux version physical cpu ";

impl Matcher {
    pub(super) fn new(forms: impl Iterator<Item = &'static Form>) -> Self {
        let patterns: Vec<Pattern> = forms.map(Pattern::of).collect();
        let rarity = &Rarity::of(patterns.iter().flat_map(Pattern::texts));
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let (mut seen, mut grams) = (alloc::vec![0; 1 << 10], Vec::new());
        for (number, pattern) in (0_u16..).zip(&patterns) {
            let texts: Vec<Rarest> = pattern.texts().filter_map(|text| rarity.rarest_of(text)).collect();
            let places = match around(&texts, GRAM) {
                Some(place) => alloc::vec![place],
                // Too little text of its own: the name of the driver has to decide.
                None => {
                    let names = pattern.form.speaker.split('|').filter_map(|name| rarity.rarest_of(name));
                    names.filter_map(|name| around(&[name], GRAM)).collect()
                }
            };
            grams.extend(places.iter().filter_map(|place| Some((gram_at(*place)?, number))));
            match around(&texts, LongSieve::WINDOW) {
                Some(place) => long.push(place),
                None => short.extend(places),
            }
        }
        for (gram, _) in &grams {
            let (word, bit) = place(*gram);
            if let Some(word) = seen.get_mut(word) {
                *word |= bit;
            }
        }
        grams.sort_unstable();
        Matcher { patterns, long: Sieve::of(long), short: Sieve::of(short), seen, grams }
    }

    /// The form that a cleaned line has.
    pub(super) fn find(&self, line: &str) -> Option<Match> {
        let text = line.as_bytes();
        if !self.long.holds(text) && !self.short.holds(text) {
            return None;
        }
        let mut best: Option<Match> = None;
        let mut gram = 0_u64;
        for (at, byte) in text.iter().enumerate() {
            gram = (gram << 8 | u64::from(byte.to_ascii_lowercase())) & GRAM_MASK;
            let (word, bit) = place(gram);
            if at.saturating_add(1) < GRAM || self.seen.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let first = self.grams.partition_point(|(known, _)| *known < gram);
            let fitting = self.grams.get(first..).unwrap_or_default().iter();
            for (_, number) in fitting.take_while(|(known, _)| *known == gram) {
                let Some(pattern) = self.patterns.get(usize::from(*number)) else { continue };
                // One that was looked at already, or has less text, is not better.
                let enough = best.as_ref().map_or(0, |best| best.weight);
                let better = |found: &Match| best.as_ref().is_none_or(|best| found.weight > best.weight);
                if pattern.weight <= enough && best.is_some() {
                    continue;
                }
                if let Some(found) = pattern.find(text).filter(better) {
                    best = Some(found);
                }
            }
        }
        best
    }
}

/// The four letters of a text that are least in all patterns.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rarest {
    count: u32,
    at: usize,
    text: &'static str,
}

/// How often any four letters are in the patterns and in words of other lines.
struct Rarity {
    /// At the place of their hash.
    counts: Vec<u32>,
}

impl Rarity {
    fn of(texts: impl Iterator<Item = &'static str>) -> Self {
        let mut rarity = Rarity { counts: alloc::vec![0; 1 << 16] };
        texts.for_each(|text| rarity.count(text, 1));
        rarity.count(COMMON, 20);
        rarity
    }

    fn count(&mut self, text: &str, times: u32) {
        for place in fours(text) {
            if let Some(count) = self.counts.get_mut(place) {
                *count = count.saturating_add(times);
            }
        }
    }

    /// Where the rarest four letters of a text stand.
    fn rarest_of(&self, text: &'static str) -> Option<Rarest> {
        let counts = fours(text).map(|place| self.counts.get(place).copied().unwrap_or(0));
        counts.zip(0..).min().map(|(count, at)| Rarest { count, at, text })
    }
}

/// The `size` letters around the rarest four, as a text and where they start in it; `None` where no text is that long.
fn around(found: &[Rarest], size: usize) -> Option<(&'static str, usize)> {
    let long_enough = found.iter().filter(|rarest| rarest.text.len() >= size);
    let Rarest { at, text, .. } = long_enough.min()?;
    let before = size.saturating_sub(4) / 2;
    Some((text, at.saturating_sub(before).min(text.len().saturating_sub(size))))
}

/// Where any four letters that follow each other in a text are counted; their case does not count.
fn fours(text: &str) -> impl Iterator<Item = usize> {
    let mut letters = 0_u32;
    let places = text.bytes().map(move |byte| {
        letters = letters << 8 | u32::from(byte.to_ascii_lowercase());
        usize::try_from(letters.wrapping_mul(0x9e37_79b1) >> 16).unwrap_or(0)
    });
    places.skip(3)
}

/// Where five letters have their bit.
fn place(gram: u64) -> (usize, u64) {
    let folded = gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    (usize::try_from(folded >> 6).unwrap_or(0), 1 << (folded & 63))
}

/// The five letters at a place of a text, in lower case.
fn gram_at((text, at): (&str, usize)) -> Option<u64> {
    let letters = text.as_bytes().get(at..)?.first_chunk::<GRAM>()?;
    Some(letters.iter().fold(0, |gram, byte| gram << 8 | u64::from(byte.to_ascii_lowercase())))
}

impl Pattern {
    fn of(form: &'static Form) -> Self {
        let pieces = pieces(form.pattern);
        let text: usize = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.len(),
                Piece::Hole(..) => 0,
            })
            .sum();
        // What a certain driver says is meant before what any says, and everything before mere words.
        let speaker = match form.speaker {
            "" | "@" => 0,
            _ => 1,
        };
        let kind = match (form.kind, form.said) {
            (LogKind::Other, "") => 1_000,
            (LogKind::Other, _) => 0,
            _ => 2_000,
        };
        let weight = text.saturating_mul(2).saturating_add(speaker).saturating_add(kind);
        Pattern { form, pieces, text, weight }
    }

    fn texts(&self) -> impl Iterator<Item = &'static str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(*text),
            Piece::Hole(..) => None,
        })
    }

    fn find(&self, line: &[u8]) -> Option<Match> {
        let (lead, rest) = match self.pieces.as_slice() {
            [Piece::Hole(name, hole), rest @ ..] => (Some((*name, *hole)), rest),
            all => (None, all),
        };
        let Some((Piece::Text(first), rest)) = rest.split_first() else { return self.whole(line, lead?) };
        let mut from = 0_usize;
        while let Some(at) = position(line, first.as_bytes(), from) {
            from = at.saturating_add(1);
            let start = lead.map_or(at, |(_, hole)| hole.start(line, at));
            if !is_boundary(line, start) || lead.is_some_and(|(_, hole)| start == at && hole != Hole::Text) {
                continue;
            }
            let mut values = Vec::new();
            values.extend(lead.map(|(name, _)| (name, start..at)));
            // Text in brackets has none: the first of the line are those of its stamp.
            let is_inside = |values: &[(_, Range<usize>)]| {
                let inside = values.first().and_then(|(_, range)| line.get(range.clone()));
                *first != "[" || !inside.is_some_and(|inside| inside.contains(&b'['))
            };
            if take(line, at.saturating_add(first.len()), rest, &mut values)
                && is_inside(&values)
                && speaker::says(self.form, line.get(..start).unwrap_or_default(), self.text)
            {
                return Some(Match { form: self.form, values, start, weight: self.weight });
            }
        }
        None
    }

    /// A pattern that is one hole: the last word of the line.
    fn whole(&self, line: &[u8], (name, hole): (&'static str, Hole)) -> Option<Match> {
        let start = hole.start(line, line.len());
        let value = line.get(start..)?;
        // A word of an event is written out in full.
        let fits = value.len() >= 18 && hole.length(value) == Some(value.len());
        let says = fits && speaker::says(self.form, line.get(..start)?, self.text);
        says.then(|| Match {
            form: self.form,
            values: alloc::vec![(name, start..line.len())],
            start,
            weight: self.weight,
        })
    }
}

/// Takes the rest of a pattern from `at` on.
fn take(
    line: &[u8],
    mut at: usize,
    mut rest: &[Piece],
    values: &mut Vec<(&'static str, Range<usize>)>,
) -> bool {
    while let Some((piece, more)) = rest.split_first() {
        let left = line.get(at..).unwrap_or_default();
        rest = more;
        match piece {
            Piece::Text(text) => {
                let end = at.saturating_add(text.len());
                if !line.get(at..end).is_some_and(|found| found.eq_ignore_ascii_case(text.as_bytes())) {
                    return false;
                }
                at = end;
            }
            Piece::Hole(name, hole) => {
                let length = match (hole.length(left), more.first()) {
                    (Some(0), _) => return false,
                    (Some(length), _) => length,
                    (None, Some(Piece::Text(next))) => {
                        let Some(end) = position(left, next.as_bytes(), 0) else { return false };
                        end
                    }
                    (None, _) if *hole == Hole::Text => left.len(),
                    (None, _) => {
                        let word = left.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
                        let ends = left.get(..word).unwrap_or_default();
                        let marks =
                            ends.iter().rev().take_while(|byte| b".,:;!)]\"'`".contains(byte)).count();
                        word.saturating_sub(marks)
                    }
                };
                let end = at.saturating_add(length);
                let value = line.get(at..end).unwrap_or_default();
                if *hole == Hole::Token && (value.is_empty() || value.iter().any(u8::is_ascii_whitespace)) {
                    return false;
                }
                values.push((name, at..end));
                at = end;
            }
        }
    }
    true
}

/// Where `wanted` is in `text` from `from` on; the case of letters does not count.
fn position(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = wanted.first()?;
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let starts = text.get(from..=text.len().checked_sub(wanted.len())?)?;
    let mut found = memchr2_iter(lower, upper, starts).map(|at| at.saturating_add(from));
    found.find(|at| {
        text.get(*at..at.saturating_add(wanted.len())).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    })
}

/// Whether something may begin here: not in the middle of a word.
fn is_boundary(line: &[u8], at: usize) -> bool {
    let here = line.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let before = at.checked_sub(1).and_then(|before| line.get(before));
    here || before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')
}

fn pieces(pattern: &'static str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let (text, more) = rest.split_once('{').unwrap_or((rest, ""));
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let (hole, after) = more.split_once('}').unwrap_or((more, ""));
        if !hole.is_empty() {
            let name = hole.split('=').next().unwrap_or_default();
            pieces.push(Piece::Hole(name, Hole::named(name)));
        }
        rest = after;
    }
    pieces
}

impl Form {
    /// A line of this form, as an example: the driver that prints it, and the text with the values of the pattern.
    ///
    /// ```
    /// use fwspec::machine::log;
    /// let form = log::forms().find(|form| form.pattern.starts_with("Adding to iommu group")).unwrap();
    /// assert!(form.example().ends_with(": Adding to iommu group 7"));
    /// ```
    pub fn example(&self) -> alloc::string::String {
        let mut line = speaker::example(self.speaker);
        let mut rest = self.pattern;
        while !rest.is_empty() {
            let (text, more) = rest.split_once('{').unwrap_or((rest, ""));
            let (hole, after) = more.split_once('}').unwrap_or((more, ""));
            line.push_str(text);
            line.push_str(hole.split_once('=').map_or("", |(_, value)| value));
            rest = after;
        }
        line
    }
}
