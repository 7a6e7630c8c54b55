//! The layout: rows from top to bottom, sinks in one column, lines at right angles between them.
//!
//! No line runs through a box: each row's line stays on its own row until it is right of all rows, and every sink has a
//! vertical lane of its own there.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Link, Picture, Row};

/// A box, in pixels from the upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A line: level to its lane, along the lane, level to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Where it starts.
    pub start: (u32, u32),
    /// Its lane.
    pub lane: u32,
    /// Where it ends.
    pub end: (u32, u32),
}

/// Places on paper for everything in a [`Picture`], by the same indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Places of [`Picture::rows`].
    pub rows: Vec<Rect>,
    /// Places of [`Picture::sinks`].
    pub sinks: Vec<Rect>,
    /// Places of [`Picture::links`].
    pub links: Vec<Wire>,
    /// Places of the MSI lines of the picture.
    pub onward: Vec<Wire>,
    /// Width of the drawing.
    pub width: u32,
    /// Height of the drawing.
    pub height: u32,
}

pub(super) const MARGIN: u32 = 16;
/// Room for title and legend.
pub(super) const HEAD: u32 = 62;
pub(super) const INDENT: u32 = 18;
/// Width of the group number at the right end of a row.
pub(super) const BADGE: u32 = 30;
/// A letter is no wider than this on average, in the common fonts at 11 px.
const LETTER: u32 = 7;
/// Letters of a note for which room is made between the rows and the boxes at the right.
const SHORT_NOTE: u32 = 26;
/// Labels on lines are smaller.
const SMALL_LETTER: u32 = 6;
const ROW: u32 = 18;
const GAP: u32 = 5;
/// What a second line out of one row needs.
const LINE: u32 = 14;
const LANE: u32 = 10;
const SINK: u32 = 40;
const SINK_GAP: u32 = 14;
/// A picture of [`MAX_ROWS`](super::MAX_ROWS) is in no more parts.
const MAX_STRETCHES: usize = 400;

pub(super) fn letters(text: &str) -> u32 {
    number(text.chars().count())
}

/// How many there are, in the numbers that a drawing counts with.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn row_letters(row: &Row) -> u32 {
    letters(&row.name).saturating_add(letters(&row.what)).saturating_add(2)
}

/// Gives everything its place. The same picture always gets the same layout; the time is linear but for sorting the sinks.
///
/// ```
/// use fwspec_report::picture::{Picture, layout};
/// assert!(layout(&Picture::default()).rows.is_empty());
/// ```
pub fn layout(picture: &Picture) -> Layout {
    let mut out = Layout::default();
    let mut lines: BTreeMap<usize, u32> = BTreeMap::new();
    for link in &picture.links {
        *lines.entry(link.from).or_default() += 1;
    }
    for (at, row) in picture.rows.iter().enumerate().filter(|(_, row)| !row.note.is_empty()) {
        // What there is to say has a line of its own below the ids.
        let taken = lines.entry(at).or_default();
        *taken += u32::from(*taken > 0 && !row.note.is_empty());
    }
    let mut y = HEAD;
    for (at, row) in picture.rows.iter().enumerate() {
        // The parent is above, so its place is known.
        let parent = row.parent.and_then(|parent| out.rows.get(parent)).copied();
        let x = parent.map_or(MARGIN, |parent| parent.x + INDENT);
        let more = lines.get(&at).copied().unwrap_or(0).saturating_sub(1);
        out.rows.push(Rect {
            x,
            y,
            width: row_letters(row) * LETTER + BADGE + 12,
            height: ROW + more * LINE,
        });
        y += ROW + more * LINE + GAP;
    }
    let right = out.rows.iter().map(|row| row.x + row.width).max().unwrap_or(MARGIN);
    out.rows.iter_mut().for_each(|row| row.width = right - row.x);
    let labels = picture.links.iter().map(|link| letters(&picture.label(link)));
    // A short note stands before the boxes at the right, as labels do.
    let short = picture.rows.iter().map(|row| letters(&row.note)).filter(|note| *note <= SHORT_NOTE);
    let labels = labels.chain(short).max().unwrap_or(0) * SMALL_LETTER + 14;
    let notes = picture.rows.iter().map(|row| letters(&row.note)).max().unwrap_or(0) * SMALL_LETTER;
    let first_lane = right + labels + LANE;
    let lanes = number(picture.sinks.len()) * LANE;
    let sinks_x = first_lane + lanes + 8;
    let starts = starts(&picture.links, &out.rows);
    out.sinks = sinks(picture, &starts, sinks_x);
    out.links = wires(&picture.links, &starts, |to| first_lane + to * LANE, &out.sinks, |sink| sink.x);
    // The way on is on the other side of the sinks.
    let sinks_right = out.sinks.first().map_or(right, |sink| sink.x + sink.width);
    let onward_labels = picture.onward.iter().map(|link| letters(&link.label)).max();
    let onward_lane = sinks_right + onward_labels.map_or(0, |most| most * SMALL_LETTER + 14);
    let middle = |link: &Link| out.sinks.get(link.from).map(|s| (s.x + s.width, s.y + s.height / 3));
    let from: Vec<_> = picture.onward.iter().map(|link| middle(link).unwrap_or_default()).collect();
    out.onward =
        wires(&picture.onward, &from, |to| onward_lane + to * LANE, &out.sinks, |sink| sink.x + sink.width);
    let lanes_end = out.onward.iter().map(|wire| wire.lane).max().unwrap_or(sinks_right);
    out.width = lanes_end.max(right + notes + 14) + MARGIN;
    let lowest = out.sinks.iter().map(|sink| sink.y + sink.height).max().unwrap_or(0);
    out.height = y.max(lowest) + MARGIN;
    out
}

/// Where a picture may be cut from side to side into stretches of at least `least` pixels: each begins where one before it ends, and
/// no box and no label is cut.
pub(super) fn stretches(places: &Layout, least: u32) -> Vec<(u32, u32)> {
    let mut boxes: Vec<(u32, u32)> = places
        .rows
        .iter()
        .chain(&places.sinks)
        .map(|place| (place.y - 3, place.y + place.height + 2))
        .collect();
    boxes.sort_unstable();
    let mut out = Vec::new();
    let (mut start, mut covered) = (0, HEAD);
    for (top, bottom) in boxes {
        if top >= covered && top - start >= least && out.len() < MAX_STRETCHES {
            out.push((start, top));
            start = top;
        }
        covered = covered.max(bottom);
    }
    out.push((start, places.height));
    out
}

/// Where each link leaves its row: in the middle, or spread over its right edge.
fn starts(links: &[Link], rows: &[Rect]) -> Vec<(u32, u32)> {
    let mut before: BTreeMap<usize, u32> = BTreeMap::new();
    let start = |link: &Link| {
        let row = rows.get(link.from).copied().unwrap_or_default();
        let nth = before.entry(link.from).or_default();
        let y = row.y + ROW / 2 + *nth * LINE;
        *nth += 1;
        (row.x + row.width, y)
    };
    links.iter().map(start).collect()
}

/// One column: each sink as near as can be to the middle of what leads to it, in that order from top to bottom.
fn sinks(picture: &Picture, starts: &[(u32, u32)], x: u32) -> Vec<Rect> {
    let mut spans: Vec<Option<(u32, u32)>> = alloc::vec![None; picture.sinks.len()];
    for (link, (_, y)) in picture.links.iter().zip(starts) {
        if let Some(span) = spans.get_mut(link.to) {
            *span = Some(span.map_or((*y, *y), |(top, bottom)| (top.min(*y), bottom.max(*y))));
        }
    }
    let wish = |at: usize| spans.get(at).copied().flatten().map(|(top, bottom)| top + (bottom - top) / 2);
    let fed_by =
        |at: usize| picture.onward.iter().find(|link| link.to == at).and_then(|link| wish(link.from));
    let mut order: Vec<(u32, usize)> = (0..picture.sinks.len())
        .map(|at| (wish(at).or_else(|| fed_by(at)).unwrap_or(u32::MAX / 2), at))
        .collect();
    order.sort_unstable();
    let widest = picture.sinks.iter().map(|sink| letters(&sink.name).max(letters(&sink.what))).max();
    let width = widest.unwrap_or(0) * LETTER + 20;
    let mut places = alloc::vec![Rect::default(); picture.sinks.len()];
    let taken: BTreeSet<u32> = starts.iter().map(|(_, y)| *y).collect();
    let mut free = HEAD;
    for (wish, at) in order {
        let y = if wish < u32::MAX / 2 { wish.saturating_sub(SINK / 2).max(free) } else { free };
        let y = between_rows(y, &taken);
        if let Some(place) = places.get_mut(at) {
            *place = Rect { x, y, width, height: SINK };
        }
        free = y + SINK + SINK_GAP;
    }
    places
}

/// The line into a sink must not look like the end of a row's line. Those are at least [`LINE`] apart, so there is room.
fn between_rows(y: u32, taken: &BTreeSet<u32>) -> u32 {
    let clear = |y: &u32| taken.range(y + SINK / 2 - 2..=y + SINK / 2 + 2).next().is_none();
    (y..y + LINE).find(clear).unwrap_or(y)
}

fn wires(
    links: &[Link],
    starts: &[(u32, u32)],
    lane: impl Fn(u32) -> u32,
    sinks: &[Rect],
    edge: impl Fn(&Rect) -> u32,
) -> Vec<Wire> {
    let wire = |(link, start): (&Link, &(u32, u32))| {
        let sink = sinks.get(link.to).copied().unwrap_or_default();
        Wire { start: *start, lane: lane(number(link.to)), end: (edge(&sink), sink.y + sink.height / 2) }
    };
    links.iter().zip(starts).map(wire).collect()
}
