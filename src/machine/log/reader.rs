//! Reads a log of any length, in constant memory.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use memchr::{memchr, memchr_iter};

use super::facts::Facts;
use super::form::{Form, LogKind, Part};
use super::line;
use super::pattern::{Match, Shared, matcher};
use super::table;
use crate::limits::{MAX_LOG_ENTRIES, MAX_LOG_FUNCTIONS, MAX_LOG_LINE_BYTES, MAX_LOG_LINES_JOINED};
use crate::{Bdf, StreamId};

/// What a kernel log says about IOMMUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// What the user calls it; empty for text that was given.
    pub name: String,
    /// Lines that were read.
    pub lines_read: usize,
    /// Lines that have nothing to do with IOMMUs.
    pub unrelated: usize,
    /// What the others say, in the order of the first line of each. Repeated lines are one entry.
    pub entries: Vec<LogEntry>,
    /// Lines about IOMMUs beyond [`MAX_LOG_ENTRIES`] different ones.
    pub left_out: usize,
    /// Boots that the log has lines of.
    pub boots: usize,
    /// Whether a line shows that a kernel wrote it: by its stamp, or as the banner of a boot.
    pub is_of_a_kernel: bool,
    /// The kernel's version, as its banner says: `6.12.1-arm64`.
    pub release: Option<String>,
    /// The machine's model, as firmware calls it.
    pub model: Option<String>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// Vendor and device of the PCI functions that the last boot found (linux drivers/pci/probe.c `pci_setup_device`).
    pub functions: BTreeMap<Bdf, (u16, u16)>,
}

/// A line about IOMMUs, with those that repeat it and those that go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The number of the line, from 1.
    pub n: usize,
    /// The number of the last line that repeats or continues it.
    pub last_n: usize,
    /// The line.
    pub text: String,
    /// Lines that continue it.
    pub more: Vec<String>,
    /// What form of line it is.
    pub form: &'static Form,
    /// What it says.
    pub facts: Facts,
    /// How often the log has it.
    pub times: usize,
    /// When it was first written: seconds since the boot, or a date, as the log says.
    pub first: Option<String>,
    /// When it was last written.
    pub last: Option<String>,
    /// The lowest and the highest address that its repetitions name.
    pub addresses: Option<(u64, u64)>,
    /// The boot that it is of, from 1.
    pub boot: usize,
}

/// What makes two lines the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    boot: usize,
    form: &'static str,
    iommu: Option<String>,
    device: Option<String>,
    other: Option<String>,
    stream: Option<StreamId>,
    event: Option<u8>,
    /// The text of a line that is not a fault: numbers in it make it another line.
    text: Option<String>,
}

/// Reads a log piece by piece.
///
/// ```
/// use fwspec::machine::log::{LogKind, LogReader};
/// let mut reader = LogReader::new();
/// reader.feed(b"[    1.0");
/// reader.feed(b"00000] pci 0000:01:00.0: Adding to iommu group 7\n[    1.200000] usb 1-1: new device\n");
/// let log = reader.finish();
/// assert_eq!((log.lines_read, log.unrelated), (2, 1));
/// assert_eq!(log.entries[0].form.kind, LogKind::GroupAdd);
/// assert_eq!(log.entries[0].facts.group, Some(7));
/// ```
#[derive(Debug)]
pub struct LogReader {
    matcher: Shared,
    /// The start of a line of which the end has not come.
    partial: Vec<u8>,
    cleaned: String,
    log: Log,
    known: BTreeMap<Key, usize>,
    /// An entry that following lines may add to, and what they would be about.
    open: Option<(LogEntry, &'static str)>,
    /// The latest stamp of this boot, in microseconds.
    latest: Option<u64>,
    /// The line of the last banner.
    banner: Option<usize>,
    /// The line before, which the next may go on with.
    held: Held,
    /// The command line as x86 prints it first, and its number; the kernel prints it again later, with a word before.
    early: Option<(usize, String)>,
}

/// A line that waits for the next: mail programs and terminals break long lines.
#[derive(Debug, Default)]
struct Held {
    /// Its number; 0 where none waits.
    n: usize,
    /// The line, cleaned.
    text: String,
    /// The lines that it is made of, as they stand; none for a line that no form has.
    shown: Vec<String>,
    found: Option<Match>,
    is_stamped: bool,
}

impl Default for LogReader {
    fn default() -> Self {
        LogReader::new()
    }
}

impl LogReader {
    /// Ready for the first line.
    pub fn new() -> Self {
        LogReader {
            matcher: matcher(),
            partial: Vec::new(),
            cleaned: String::new(),
            log: Log::default(),
            known: BTreeMap::new(),
            open: None,
            latest: None,
            banner: None,
            held: Held::default(),
            early: None,
        }
    }

    /// Takes bytes in, wherever they are cut.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            let end = memchr(b'\n', bytes);
            let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            rest = end.and_then(|end| bytes.get(end.checked_add(1)?..));
            let ends = rest.is_some();
            if ends && self.partial.is_empty() {
                self.line(piece);
                continue;
            }
            let room = MAX_LOG_LINE_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if ends {
                let line = core::mem::take(&mut self.partial);
                self.line(&line);
                self.partial = line;
                self.partial.clear();
            }
        }
    }

    /// What was read.
    pub fn finish(mut self) -> Log {
        let rest = core::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.line(&rest);
        }
        self.release();
        self.end_boot();
        self.log.boots = self.log.boots.max(usize::from(self.log.lines_read > 0));
        self.log
    }

    fn line(&mut self, raw: &[u8]) {
        self.log.lines_read = self.log.lines_read.saturating_add(1);
        let raw = raw.get(..MAX_LOG_LINE_BYTES).unwrap_or(raw);
        let mut cleaned = core::mem::take(&mut self.cleaned);
        line::clean(raw, &mut cleaned);
        let seconds = line::seconds(&cleaned);
        let is_stamped = seconds.is_some() || line::is_dated(&cleaned);
        let mut found = self.find(&cleaned);
        // Mail and pages that were saved write some signs in another way.
        if found.as_ref().is_some_and(|found| found.form.kind == LogKind::Other)
            && let Some(decoded) = line::decoded(&cleaned)
        {
            cleaned = decoded;
            found = self.find(&cleaned);
        }
        if is_stamped || !self.goes_on(raw, &cleaned, found.as_ref()) {
            self.release();
            self.follow_clock(&cleaned, seconds);
            let shown = found.iter().map(|_| shown(raw)).collect();
            core::mem::swap(&mut self.held.text, &mut cleaned);
            self.held = Held {
                n: self.log.lines_read,
                text: core::mem::take(&mut self.held.text),
                shown,
                found,
                is_stamped,
            };
        }
        self.cleaned = cleaned;
    }

    fn find(&self, line: &str) -> Option<Match> {
        self.matcher.find(line).filter(|found| !is_trace(found, line))
    }

    /// Takes a line in as the rest of the one before, where both together say more than each of them.
    fn goes_on(&mut self, raw: &[u8], line: &str, alone: Option<&Match>) -> bool {
        let held = &self.held;
        let is_other = |found: &Match| found.form.kind == LogKind::Other;
        // Where no line has a stamp, one that is understood is a line of its own.
        let may_be = held.is_stamped || held.found.is_some() && alone.is_none_or(is_other);
        let is_long = held.text.len().saturating_add(line.len()) > MAX_LOG_LINE_BYTES;
        if held.n == 0 || line.is_empty() || is_long || !may_be || held.shown.len() >= MAX_LINES_BROKEN {
            return false;
        }
        let text = line::joined(&held.text, line);
        let weight = |found: Option<&Match>| found.map_or(0, Match::weight);
        // A line that only names who speaks adds that to the next.
        let names_only = held.text.ends_with(':') && held.found.as_ref().is_some_and(is_other);
        let enough = weight(held.found.as_ref()).max(weight(alone)).saturating_sub(usize::from(names_only));
        // What the form has must begin in the line before, or it is the next line's alone.
        let seam = held.text.len();
        let fits =
            |found: &Match| !is_other(found) && found.weight() > enough && (names_only || found.start < seam);
        let Some(found) = self.find(&text).filter(fits) else {
            return false;
        };
        let held = &mut self.held;
        if held.shown.is_empty() {
            held.shown.push(core::mem::take(&mut held.text));
        }
        held.shown.push(shown(raw));
        held.text = text;
        held.found = Some(found);
        true
    }

    /// Takes in the line that waits.
    fn release(&mut self) {
        let Held { n, text, shown, found, .. } = core::mem::take(&mut self.held);
        if n == 0 {
            return;
        }
        match found {
            Some(found) if self.mark(&found, &text, n) => {}
            Some(found) => self.understood(n, shown, &text, &found),
            None => {
                if let Some((bdf, ids)) = function(&text)
                    && self.log.functions.len() < MAX_LOG_FUNCTIONS
                {
                    self.log.functions.insert(bdf, ids);
                }
                self.log.unrelated = self.log.unrelated.saturating_add(1);
            }
        }
        // Its room serves the next.
        self.held.text = text;
    }

    /// A clock that goes back is that of another boot.
    fn follow_clock(&mut self, line: &str, seconds: Option<(u64, usize)>) {
        self.log.is_of_a_kernel = self.log.is_of_a_kernel || line::is_of_a_log(line);
        let Some((now, _)) = seconds else { return };
        // Lines of several processors come a little out of order.
        if self
            .latest
            .is_some_and(|latest| now.saturating_add(2_000_000) < latest || now == 0 && latest > 1_000_000)
        {
            self.next_boot();
        }
        self.latest = Some(self.latest.map_or(now, |latest| latest.max(now)));
        self.log.boots = self.log.boots.max(1);
    }

    /// Lists the command line of a log that has it once.
    fn end_boot(&mut self) {
        if let Some((n, line)) = self.early.take() {
            let whole = line.replacen(EARLY, LATE, 1);
            if let Some(found) = self.find(&whole) {
                self.log.unrelated = self.log.unrelated.saturating_sub(1);
                self.understood(n, alloc::vec![line], &whole, &found);
            }
        }
        self.close();
    }

    fn next_boot(&mut self) {
        self.end_boot();
        self.log.boots = self.log.boots.max(1).saturating_add(1);
        self.latest = None;
        self.banner = None;
        self.log.functions.clear();
    }

    /// Takes in what a line says about the machine, if it is such a line. A command line that is about IOMMUs is listed anyway.
    fn mark(&mut self, found: &Match, line: &str, n: usize) -> bool {
        let value = found.values.first().and_then(|(_, range)| line.get(range.clone())).unwrap_or_default();
        let is_command_line = found.values.first().is_some_and(|(name, _)| *name == "params");
        if !found.form.said.is_empty() && !is_command_line {
            return false;
        }
        let word = found.form.pattern;
        if word.starts_with("Booting") || word.starts_with("Linux version") {
            let again = self.banner.is_some_and(|banner| n.saturating_sub(banner) > 3);
            if again {
                self.next_boot();
            }
            self.banner = Some(n);
            self.log.boots = self.log.boots.max(1);
        }
        if word.starts_with("Linux version") {
            self.log.release = value.split(' ').next().map(ToString::to_string);
        } else if word.starts_with("Machine model") || word.starts_with("DMI: {") {
            self.log.model = Some(value.to_string());
        } else if word.contains("ommand line") {
            self.log.command_line = Some(value.to_string());
        }
        self.log.is_of_a_kernel = true;
        if is_command_line {
            self.early = None;
        } else if word.starts_with(EARLY) && table::parameters(value).next().is_some() {
            self.early = Some((n, line.to_string()));
        }
        if is_command_line && table::parameters(value).next().is_some() {
            return false;
        }
        self.log.unrelated = self.log.unrelated.saturating_add(1);
        true
    }

    /// Takes a line in that has a form; `shown` is the line as it stands, and those that go on with it.
    fn understood(&mut self, n: usize, shown: Vec<String>, line: &str, found: &Match) {
        let facts = Facts::of(found, line);
        let mut shown = shown.into_iter();
        let last_n = n.saturating_add(shown.len()).saturating_sub(1);
        let when = line::stamp(line);
        if let Part::Continues(matter) = found.form.part
            && let Some((entry, open)) = &mut self.open
            && *open == matter
            && goes_on(entry, found.form, &facts)
        {
            go_on(entry, found.form, facts, last_n, when);
            let room = MAX_LOG_LINES_JOINED.saturating_sub(entry.more.len());
            entry.more.extend(shown.take(room));
            return;
        }
        self.close();
        let entry = LogEntry {
            n,
            last_n,
            text: shown.next().unwrap_or_default(),
            more: shown.collect(),
            form: found.form,
            addresses: facts.address.map(|address| (address, address)),
            facts,
            times: 1,
            last: when.clone(),
            first: when,
            boot: self.log.boots.max(1),
        };
        match found.form.part {
            Part::Alone => self.keep(entry),
            Part::Opens(matter) | Part::Continues(matter) => self.open = Some((entry, matter)),
        }
    }

    fn close(&mut self) {
        if let Some((entry, _)) = self.open.take() {
            self.keep(entry);
        }
    }

    fn keep(&mut self, entry: LogEntry) {
        let is_fault = entry.form.kind == LogKind::Fault;
        let facts = &entry.facts;
        let own = |value: &Option<String>| value.clone();
        let key = Key {
            boot: entry.boot,
            form: entry.form.pattern,
            iommu: own(&facts.iommu),
            device: own(&facts.device),
            other: own(&facts.other),
            stream: facts.stream,
            event: facts.event,
            text: (!is_fault).then(|| format!("{:?}{:?}{:?}", facts.values, facts.group, facts.base)),
        };
        let there = self.known.get(&key).and_then(|at| self.log.entries.get_mut(*at));
        if let Some(there) = there {
            there.times = there.times.saturating_add(1);
            there.last_n = entry.last_n;
            there.last = entry.last.or(there.last.take());
            let both = [there.addresses, entry.addresses];
            let addresses = both.into_iter().flatten();
            there.addresses = addresses.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        } else if self.log.entries.len() < MAX_LOG_ENTRIES {
            self.known.insert(key, self.log.entries.len());
            self.log.entries.push(entry);
        } else {
            self.log.left_out = self.log.left_out.saturating_add(1);
        }
    }
}

impl Log {
    /// Reads a whole log.
    pub fn read(bytes: &[u8]) -> Log {
        let mut reader = LogReader::new();
        reader.feed(bytes);
        reader.finish()
    }

    /// Whether this is text of a kernel log: at least half of its lines start as those of a log do, or are understood.
    pub(crate) fn is_log(bytes: &[u8]) -> bool {
        if bytes.contains(&0) && bytes.iter().filter(|byte| **byte == 0).count() > bytes.len() / 8 {
            return false;
        }
        let mut cleaned = String::new();
        let mut forms = None;
        let (mut lines, mut of_log) = (0_usize, 0_usize);
        for raw in bytes.split(|byte| *byte == b'\n').take(MAX_LINES_LOOKED_AT) {
            line::clean(raw.get(..MAX_LOG_LINE_BYTES).unwrap_or(raw), &mut cleaned);
            if cleaned.is_empty() {
                continue;
            }
            lines = lines.saturating_add(1);
            let stamped = line::is_of_a_log(&cleaned);
            let mut understood = || {
                let matcher = forms.get_or_insert_with(matcher);
                matcher.find(&cleaned).is_some_and(|found| found.form.kind != LogKind::Other)
            };
            of_log =
                of_log.saturating_add(usize::from(stamped || may_be_understood(&cleaned) && understood()));
        }
        lines > 0 && of_log.saturating_mul(2) >= lines
    }
}

/// How a command line is printed by x86 at first, and by every kernel.
const EARLY: &str = "Command line: ";
const LATE: &str = "Kernel command line: ";

/// Pieces that one line may have been broken into.
const MAX_LINES_BROKEN: usize = 4;

/// Lines that tell whether a text is a log.
const MAX_LINES_LOOKED_AT: usize = 400;

/// Whether a line without a stamp may be of a log: it names someone and says something.
fn may_be_understood(line: &str) -> bool {
    line.contains(": ") || line.contains("iommu") || line.contains("vfio")
}

/// Whether a line is one of a call trace that has a function of an IOMMU's driver.
fn is_trace(found: &Match, line: &str) -> bool {
    let is_frame = |word: &str| word.split_once("+0x").is_some_and(|(_, rest)| rest.contains("/0x"));
    found.form.kind == LogKind::Other && line.split(' ').any(is_frame)
}

/// Whether a line continues an entry. One that says the same again is another.
fn goes_on(entry: &LogEntry, form: &'static Form, facts: &Facts) -> bool {
    let is_word = facts.value("raw").is_some();
    if is_word {
        let same = entry.facts.iommu.is_none() || facts.iommu.is_none() || entry.facts.iommu == facts.iommu;
        return same && entry.more.len() < MAX_WORDS;
    }
    // A dump has a line for each level.
    let is_dump = form.part == Part::Continues("dump");
    let again = entry.form == form && (!is_dump || entry.facts.values == facts.values);
    !again && entry.facts.agrees(facts)
}

/// Words that Linux prints of an SMMUv3's event: four (`arm_smmu_dump_raw_event`), or those of a longer one.
const MAX_WORDS: usize = 8;

fn go_on(entry: &mut LogEntry, form: &'static Form, mut facts: Facts, n: usize, when: Option<String>) {
    entry.last_n = n;
    entry.last = when.or(entry.last.take());
    if let Some(word) = facts.value("raw").map(ToString::to_string) {
        // The first word has the StreamID, the third the address.
        match entry.more.len() {
            0 if entry.form.part == Part::Opens("event") => entry.form = form,
            2 => {
                entry.facts.take_event_address(&word);
                entry.addresses = entry.facts.address.map(|address| (address, address));
                return;
            }
            _ => return,
        }
    } else if tells_more(entry, form, &facts) {
        entry.form = form;
    }
    if entry.facts.event.is_some() {
        facts.event = None;
    }
    entry.facts.join(facts);
    entry.addresses = entry.facts.address.map(|address| (address, address));
}

/// Whether a continuing line says better what happened than those before it.
fn tells_more(entry: &LogEntry, form: &Form, facts: &Facts) -> bool {
    let own = &entry.facts;
    let adds = [
        own.stream.is_none() && facts.stream.is_some(),
        own.device.is_none() && facts.device.is_some(),
        own.address.is_none() && facts.address.is_some(),
    ];
    form.kind == LogKind::Fault && adds.contains(&true)
}

/// A line as it is shown: without what is not text.
fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut shown = String::new();
    let mut letters = text.trim().chars();
    while let Some(c) = letters.next() {
        match c {
            '\u{1b}' => {
                if letters.clone().next() == Some('[') {
                    let _ = letters.by_ref().skip(1).find(|c| ('@'..='~').contains(c));
                }
            }
            '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}
/// `pci 0000:00:02.0: [8086:9a49] type 00 class 0x030000`: which function is at an address.
fn function(line: &str) -> Option<(Bdf, (u16, u16))> {
    // Every line is asked, and nearly none has a bracket that is followed by this.
    let is_end = |at: &usize| line.get(*at..).is_some_and(|rest| rest.starts_with("] type 0"));
    let before = line.get(..memchr_iter(b']', line.as_bytes()).find(is_end)?)?;
    let (before, ids) = before.rsplit_once(": [")?;
    let bdf = before.rsplit_once("pci ")?.1.parse().ok()?;
    let (vendor, device) = ids.split_once(':')?;
    let hex = |digits: &str| u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
    Some((bdf, (hex(vendor)?, hex(device)?)))
}
