//! Columns under their titles, at the width of the terminal. Colour takes no room; a word is never broken.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use unicode_width::UnicodeWidthStr;

use super::Style;

/// Blanks between two columns.
const GAP: usize = 2;
/// Blanks before a sentence that has a line of its own.
const INDENT: usize = 7;
/// The least room that a sentence beside its row must have; with less it gets lines of its own.
const PROSE: usize = 30;
/// A blank at which no line breaks.
pub(super) const GLUE: char = '\u{a0}';
/// What ends a colour.
const END: &str = "\x1b[0m";

/// A table without borders.
///
/// A cell may have several lines, and each line may be dressed as a whole by [`Style`]. Where the rows are wider than the terminal,
/// the sentences of the last column move to lines of their own first, then the widest columns wrap between words.
#[derive(Debug)]
pub(crate) struct Table {
    style: Style,
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
    prose: bool,
}

impl Table {
    pub(super) fn new(style: Style, titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| title.to_string()).collect();
        Self { style, titles, rows: Vec::new(), prose: false }
    }

    /// The last column holds sentences.
    pub(crate) fn with_prose(mut self) -> Self {
        self.prose = true;
        self
    }

    /// Adds a row; cells that are missing at its end are empty.
    pub(crate) fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.titles.len().max(cells.len()), String::new());
        self.rows.push(cells);
    }

    /// The lines, without blanks at their ends.
    pub(crate) fn lines(&self) -> String {
        let natural = self.natural();
        let room = self.style.width.map_or(usize::MAX, usize::from);
        let mut text = String::new();
        let apart = self.prose && self.is_cramped(&natural, room);
        let columns = if apart { natural.len().saturating_sub(1) } else { natural.len() };
        let widths = self.fitted(natural.into_iter().take(columns).collect(), room);
        let titles: Vec<String> =
            self.titles.iter().take(columns).map(|title| self.style.heading(title)).collect();
        print_row(&mut text, &titles, &widths);
        for row in &self.rows {
            let (cells, prose) = row.split_at_checked(columns).unwrap_or((row, &[]));
            print_row(&mut text, cells, &widths);
            let lines = prose.iter().flat_map(|cell| cell.lines());
            for line in lines.flat_map(|line| wrapped(line, room.saturating_sub(INDENT))) {
                text.extend(core::iter::repeat_n(' ', INDENT));
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// What each column would have with all the room of the world.
    fn natural(&self) -> Vec<usize> {
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widest = |column| cells(column).flat_map(|cell| cell.lines()).map(width).max().unwrap_or(0);
        self.titles.iter().enumerate().map(|(column, title)| width(title).max(widest(column))).collect()
    }

    /// Whether sentences have no room beside their rows.
    fn is_cramped(&self, natural: &[usize], room: usize) -> bool {
        let total = total(natural);
        let prose = natural.last().copied().unwrap_or(0);
        total > room && room.saturating_sub(total.saturating_sub(prose)) < PROSE.min(prose)
    }

    /// Takes from the widest column until all have room, down to the longest word of each.
    fn fitted(&self, mut widths: Vec<usize>, room: usize) -> Vec<usize> {
        let least: Vec<usize> = (0..widths.len()).map(|column| self.longest_word(column)).collect();
        while total(&widths) > room {
            let excess = total(&widths).saturating_sub(room);
            let shrinkable =
                widths.iter().zip(&least).enumerate().filter(|(_, (width, least))| width > least);
            let Some((column, _)) = shrinkable.max_by_key(|(_, (width, _))| **width) else { break };
            // Not below the next widest: what is left over is taken from both in the next round.
            let widest = widths.get(column).copied().unwrap_or(0);
            let next = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(0);
            let level = next.max(least.get(column).copied().unwrap_or(0));
            let Some(width) = widths.get_mut(column) else { break };
            *width = width.saturating_sub(excess).max(level).min(width.saturating_sub(1));
        }
        widths
    }

    fn longest_word(&self, column: usize) -> usize {
        let title = self.titles.get(column).map_or(0, |title| width(title));
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let words = cells.flat_map(|cell| cell.split([' ', '\n'])).map(width);
        words.max().unwrap_or(0).max(title)
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>().saturating_add(GAP.saturating_mul(widths.len().saturating_sub(1)))
}

fn print_row(text: &mut String, cells: &[String], widths: &[usize]) {
    let cells: Vec<Vec<String>> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| cell.lines().flat_map(|line| wrapped(line, *width)).collect())
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
    for line in 0..height {
        let mut pending = 0;
        for (cell, column) in cells.iter().zip(widths) {
            let part = cell.get(line).map_or("", String::as_str);
            if !part.is_empty() {
                text.extend(core::iter::repeat_n(' ', pending));
                text.push_str(&part.replace(GLUE, " "));
                pending = 0;
            }
            pending = pending.saturating_add(column.saturating_sub(width(part))).saturating_add(GAP);
        }
        text.push('\n');
    }
}

/// The lines of one line, broken between words; a colour ends where its line ends and goes on in the next. A word that is longer than
/// a line stays whole.
pub(super) fn wrapped(line: &str, room: usize) -> Vec<String> {
    if width(line) <= room {
        return alloc::vec![line.to_string()];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.is_empty() && width(&current).saturating_add(1).saturating_add(width(word)) > room {
            let colour = open_colour(&current).map(ToString::to_string);
            if colour.is_some() {
                current.push_str(END);
            }
            lines.push(core::mem::replace(&mut current, colour.unwrap_or_default()));
        } else if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
    lines
}

/// The colour which is on at the end of a line.
fn open_colour(line: &str) -> Option<&str> {
    let last = line.get(line.rfind("\x1b[")?..)?;
    let colour = last.get(..=last.find('m')?)?;
    (colour != END).then_some(colour)
}

/// Columns that a line takes; escape sequences of colours take none.
pub(super) fn width(line: &str) -> usize {
    let mut width = 0_usize;
    let mut pieces = line.split("\x1b[");
    width = width.saturating_add(pieces.next().map_or(0, |piece| piece.width()));
    for piece in pieces {
        let shown = piece.split_once('m').map_or(piece, |(_, shown)| shown);
        width = width.saturating_add(shown.width());
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<u16>, colour: bool) -> String {
        let style = Style { colour, width };
        let mut table = Table::new(style, &["device", "what it is", "shares it because"]).with_prose();
        table.add_row(["0000:00:01.0".into(), "root port, buses 01-05".into(), String::new()]);
        table.add_row([
            style.alarm("0000:01:00.0"),
            "switch upstream port, buses 02-05".into(),
            style.alarm("below 0000:00:01.0, which does not isolate"),
        ]);
        table.lines()
    }

    #[test]
    fn columns_stand_under_their_titles_also_in_colour() {
        let plain = table(None, false);
        let coloured = table(None, true);
        let stripped: String = coloured
            .split("\x1b[")
            .enumerate()
            .map(|(n, piece)| if n == 0 { piece } else { piece.split_once('m').map_or("", |(_, rest)| rest) })
            .collect();
        assert_eq!(stripped, plain);
        assert_eq!(
            plain,
            "device        what it is                         shares it because\n\
             0000:00:01.0  root port, buses 01-05\n\
             0000:01:00.0  switch upstream port, buses 02-05  below 0000:00:01.0, which does not isolate\n"
        );
    }

    #[test]
    fn a_sentence_without_room_gets_a_line_of_its_own() {
        assert_eq!(
            table(Some(60), false),
            "device        what it is\n\
             0000:00:01.0  root port, buses 01-05\n\
             0000:01:00.0  switch upstream port, buses 02-05\n       below 0000:00:01.0, which does not isolate\n"
        );
    }

    #[test]
    fn narrow_columns_wrap_between_words() {
        assert_eq!(
            table(Some(36), false),
            "device        what it is\n\
             0000:00:01.0  root port, buses 01-05\n\
             0000:01:00.0  switch upstream port,\n              buses 02-05\n       below 0000:00:01.0, which\n       does not isolate\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        for columns in 12..200 {
            for line in table(Some(columns), true).lines() {
                let longest = line.split(' ').map(width).max().unwrap_or(0);
                assert!(width(line) <= usize::from(columns).max(longest + INDENT + 30), "{columns}: {line}");
            }
        }
    }
}
