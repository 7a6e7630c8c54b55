//! The drawing as SVG 1.1, alone in its file: no script, no font to fetch, and a style sheet only for the night.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::xml::xml;

use super::layout::{BADGE, HEAD, MARGIN, letters, stretches};
use super::style::{class, colours, drawing};
use super::{Layout, Link, Note, Picture, Rect, Row, RowKind, Wire, layout};

/// How many sentences are below the boxes.
const MAX_SENTENCES: usize = 60;
/// Pixels of a line of them.
const SENTENCE: u32 = 15;
/// A part of a drawing on a page is at least so high.
const STRETCH: u32 = 200;

/// Draws the picture.
///
/// ```
/// use fwspec_report::picture::{Picture, svg};
/// let mut text = String::new();
/// svg(&Picture::default(), &mut text).unwrap();
/// assert!(text.starts_with("<svg "));
/// ```
///
/// # Errors
/// Those of `out`.
pub fn svg(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    let sheet = Sheet::new(picture);
    let sentences = sentences(picture, sheet.width);
    let lines: usize = sentences.iter().map(|(_, lines)| lines.len()).sum();
    let foot = u32::try_from(lines).unwrap_or(0) * SENTENCE + if lines > 0 { MARGIN } else { 0 };
    sheet.open(0, sheet.places.height + foot, out)?;
    sheet.draw(0, sheet.places.height, out)?;
    let mut y = sheet.places.height;
    for (note, lines) in &sentences {
        foot_note(*note, lines, &mut y, out)?;
    }
    out.write_str("</svg>\n")
}

/// The picture in parts that follow each other without a gap, so that a page ends between two of them.
pub(super) fn parts(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    let sheet = Sheet::new(picture);
    writeln!(out, "<div class=\"picture\">")?;
    for (top, bottom) in stretches(&sheet.places, STRETCH) {
        sheet.open(top, bottom, out)?;
        sheet.draw(top, bottom, out)?;
        writeln!(out, "</svg>")?;
    }
    writeln!(out, "</div>")
}

/// Whether a sheet of paper is better laid on its side for this picture.
pub(super) fn is_wide(picture: &Picture) -> bool {
    let places = layout(picture);
    places.width > 760 && places.height < 3 * places.width / 2
}

/// A picture with its places.
struct Sheet<'a> {
    picture: &'a Picture,
    places: Layout,
    width: u32,
    /// Boxes are in groups.
    is_grouped: bool,
    branches: Vec<Branch>,
    links: Vec<Trunk>,
    onward: Vec<Trunk>,
}

/// The line down from a box to those below it.
struct Branch {
    x: u32,
    top: u32,
    bottom: u32,
}

/// What all lines into one sink have in common: the way along the lane, and into the sink.
struct Trunk {
    lane: u32,
    top: u32,
    bottom: u32,
    end: (u32, u32),
    is_bypass: bool,
}

impl<'a> Sheet<'a> {
    fn new(picture: &'a Picture) -> Self {
        let places = layout(picture);
        // The title is in bold of 15 px.
        let title_width = letters(&picture.title).saturating_mul(9).saturating_add(2 * MARGIN);
        let width = places.width.max(title_width.min(1_600)).max(640);
        let mut branches: BTreeMap<usize, Branch> = BTreeMap::new();
        for (row, place) in picture.rows.iter().zip(&places.rows) {
            let Some((parent, above)) = row.parent.and_then(|at| Some((at, places.rows.get(at)?))) else {
                continue;
            };
            let top = above.y + above.height;
            let branch = branches.entry(parent).or_insert(Branch { x: above.x + 8, top, bottom: top });
            branch.bottom = branch.bottom.max(place.y + 9);
        }
        Sheet {
            is_grouped: picture.rows.iter().any(|row| row.group.is_some()),
            branches: branches.into_values().collect(),
            links: trunks(&picture.links, &places.links),
            onward: trunks(&picture.onward, &places.onward),
            picture,
            places,
            width,
        }
    }

    /// The start of a drawing of this height, which shows the picture from `top` on.
    fn open(&self, top: u32, bottom: u32, out: &mut dyn Write) -> fmt::Result {
        let (width, height) = (self.width, bottom.saturating_sub(top));
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fw\" width=\"{width}\" height=\"{height}\" viewBox=\"0 {top} {width} {height}\" \
font-family=\"Arial, Helvetica, 'Liberation Sans', sans-serif\" font-size=\"11\" fill=\"#1a1a1a\">"
        )?;
        if top == 0 {
            writeln!(out, "<title>{}</title>\n<style>{}</style>", xml(&self.picture.title), drawing())?;
        }
        writeln!(
            out,
            "<rect class=\"b\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        )
    }

    /// What of the picture is from `top` to `bottom`.
    fn draw(&self, top: u32, bottom: u32, out: &mut dyn Write) -> fmt::Result {
        let is_here = |y: u32| y >= top && y < bottom;
        if top == 0 {
            let title = xml(&self.picture.title);
            writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"25\" font-size=\"15\" font-weight=\"bold\">{title}</text>"
            )?;
            self.legend(out)?;
        }
        self.tree(top, bottom, out)?;
        for trunk in self.links.iter().chain(&self.onward) {
            if trunk.top < bottom && trunk.bottom >= top {
                let (from, to) = (trunk.top.max(top), trunk.bottom.min(bottom));
                let dashes = dashes(trunk.is_bypass);
                writeln!(
                    out,
                    "<path class=\"w\" d=\"M{} {from}V{to}\" fill=\"none\" stroke=\"#444444\"{dashes}/>",
                    trunk.lane
                )?;
            }
            if is_here(trunk.end.1) {
                trunk.arrow(out)?;
            }
        }
        let picture = self.picture;
        for (link, wire) in
            picture.links.iter().zip(&self.places.links).filter(|(_, wire)| is_here(wire.start.1))
        {
            let row = picture.rows.get(link.from);
            self.wire(link, wire, row, out)?;
        }
        for (link, wire) in picture.onward.iter().zip(&self.places.onward) {
            if is_here(wire.start.1) {
                self.wire(link, wire, None, out)?;
            }
        }
        for (row, place) in picture.rows.iter().zip(&self.places.rows).filter(|(_, place)| is_here(place.y)) {
            self.row(row, *place, out)?;
        }
        self.sinks(is_here, out)
    }

    fn legend(&self, out: &mut dyn Write) -> fmt::Result {
        let y = HEAD - 18;
        let words = if self.is_grouped {
            "number at the right of a box: IOMMU group · colour: shared by several devices · no colour: alone · dashed: in no group"
        } else {
            "on the lines: StreamIDs; dashed lines: DeviceIDs of what bypasses every IOMMU; dashed boxes: disabled"
        };
        writeln!(
            out,
            "<text class=\"f\" x=\"{MARGIN}\" y=\"{y}\" font-size=\"10\" fill=\"#555555\">{words}</text>"
        )
    }

    /// From each box down to those below it.
    fn tree(&self, top: u32, bottom: u32, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "<g class=\"br\" fill=\"none\" stroke=\"#8a8a8a\">")?;
        for branch in self.branches.iter().filter(|branch| branch.top < bottom && branch.bottom >= top) {
            let (from, to) = (branch.top.max(top), branch.bottom.min(bottom));
            writeln!(out, "<path d=\"M{} {from}V{to}\"/>", branch.x)?;
        }
        for (row, place) in self.picture.rows.iter().zip(&self.places.rows) {
            let Some(above) = row.parent.and_then(|parent| self.places.rows.get(parent)) else { continue };
            let y = place.y + 9;
            if y >= top && y < bottom {
                writeln!(out, "<path d=\"M{} {y}H{}\"/>", above.x + 8, place.x)?;
            }
        }
        writeln!(out, "</g>")
    }

    /// From its start to its lane.
    fn wire(&self, link: &Link, wire: &Wire, row: Option<&Row>, out: &mut dyn Write) -> fmt::Result {
        let group = row.and_then(|row| row.group);
        let (stroke, class) = match (link.bypass, row) {
            (true, _) => ("#b02a2a", "al".into()),
            (false, None) => ("#444444", "w".into()),
            (false, Some(_)) => (colours(group).1, class(group).replacen('g', "l", 1)),
        };
        let Wire { start: (x, y), lane, .. } = *wire;
        let dashes = dashes(link.bypass);
        writeln!(out, "<path class=\"{class}\" d=\"M{x} {y}H{lane}\" stroke=\"{stroke}\"{dashes}/>")?;
        writeln!(out, "<circle class=\"wf\" cx=\"{lane}\" cy=\"{y}\" r=\"2\" fill=\"#444444\"/>")?;
        let end = self.picture.sinks.get(link.to);
        let from = row.map(|row| full(&row.path, &row.name)).unwrap_or_default();
        let tip = end.map(|end| format!("{from} {} → {}", link.label, full(&end.path, &end.name)));
        let label = if row.is_some() { self.picture.label(link) } else { link.label.clone() };
        writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"9.5\">{}{}</text>",
            x + 6,
            y - 2,
            tooltip(tip.as_deref().unwrap_or_default().trim_start()),
            xml(&label)
        )
    }

    fn row(&self, row: &Row, place: Rect, out: &mut dyn Write) -> fmt::Result {
        let (mut fill, mut stroke) = colours(row.group);
        let (mut ink, mut faint) = ("#1a1a1a", "#555555");
        let mut classes = (class(row.group), "t", "f");
        let is_head = row.kind == RowKind::Root;
        if is_head {
            (fill, stroke, ink, faint) = ("#3a4350", "#3a4350", "#ffffff", "#d7dce3");
            classes = ("r".into(), "ri", "rf");
        }
        let Rect { x, y, width, height } = place;
        let is_dashed = row.disabled || !is_head && self.is_grouped && row.group.is_none();
        let weight = if row.kind == RowKind::Bridge { "1.6" } else { "1" };
        let radius = if row.kind == RowKind::Device { 3 } else { 0 };
        let tip = if row.tip.is_empty() { &row.path } else { &row.tip };
        writeln!(out, "<g>{}", tooltip(tip))?;
        if row.stands_for > 1 {
            writeln!(
                out,
                "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
                classes.0,
                x + 3,
                y + 3
            )?;
        }
        writeln!(
            out,
            "<rect class=\"row {}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" \
stroke=\"{stroke}\" stroke-width=\"{weight}\"{}/>",
            classes.0,
            dashes(is_dashed)
        )?;
        writeln!(
            out,
            "<text class=\"{}\" x=\"{}\" y=\"{}\" fill=\"{ink}\"><tspan font-weight=\"bold\">{}</tspan><tspan class=\"{}\" dx=\"7\" fill=\"{faint}\">{}</tspan></text>",
            classes.1,
            x + 6,
            y + 13,
            xml(&row.name),
            classes.2,
            xml(&row.what)
        )?;
        if let Some(group) = row.group.filter(|group| row.stands_for == 1 || group.colour.is_some()) {
            let line = class(row.group).replacen('g', "l", 1);
            writeln!(
                out,
                "<rect class=\"k {line}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" rx=\"7\" fill=\"#ffffff\" stroke=\"{stroke}\"/>\
<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" font-weight=\"bold\">{}</text>",
                x + width - BADGE + 2,
                y + 2,
                BADGE - 5,
                x + width - BADGE / 2,
                y + 13,
                group.id
            )?;
        }
        if !row.note.is_empty() {
            let (x, y) = (x + width + 6, y + height - 5);
            writeln!(
                out,
                "<text class=\"a\" x=\"{x}\" y=\"{y}\" font-size=\"9.5\" font-style=\"italic\" fill=\"#b02a2a\">{}</text>",
                xml(&row.note)
            )?;
        }
        writeln!(out, "</g>")
    }

    fn sinks(&self, is_here: impl Fn(u32) -> bool, out: &mut dyn Write) -> fmt::Result {
        for (sink, place) in self.picture.sinks.iter().zip(&self.places.sinks) {
            let Rect { x, y, width, height } = *place;
            if !is_here(y) {
                continue;
            }
            let (class, fill, radius) = if sink.msi { ("m", "#ffffff", 16) } else { ("s", "#e4e7eb", 0) };
            let name = full(&sink.path, &sink.name);
            let tip = format!("{name} {}\n{}", sink.what, sink.tip);
            let middle = x + width / 2;
            writeln!(
                out,
                "<g>{}<rect class=\"sink {class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" \
stroke=\"#3a4350\" stroke-width=\"1.6\"{}/>",
                tooltip(tip.trim_end()),
                dashes(sink.unused)
            )?;
            writeln!(
                out,
                "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
<text class=\"f\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555555\">{}</text></g>",
                y + 17,
                xml(&sink.name),
                y + 31,
                xml(&sink.what)
            )?;
        }
        Ok(())
    }
}

/// The common part of the lines into each sink.
fn trunks(links: &[Link], wires: &[Wire]) -> Vec<Trunk> {
    let mut trunks: BTreeMap<usize, Trunk> = BTreeMap::new();
    for (link, wire) in links.iter().zip(wires) {
        let (y, end) = (wire.start.1, wire.end);
        let trunk = trunks.entry(link.to).or_insert(Trunk {
            lane: wire.lane,
            top: end.1,
            bottom: end.1,
            end,
            is_bypass: true,
        });
        trunk.top = trunk.top.min(y);
        trunk.bottom = trunk.bottom.max(y);
        trunk.is_bypass &= link.bypass;
    }
    trunks.into_values().collect()
}

impl Trunk {
    /// From the lane into the sink, from either side.
    fn arrow(&self, out: &mut dyn Write) -> fmt::Result {
        let Trunk { lane, end: (x, y), .. } = *self;
        let dashes = dashes(self.is_bypass);
        writeln!(out, "<path class=\"w\" d=\"M{lane} {y}H{x}\" fill=\"none\" stroke=\"#444444\"{dashes}/>")?;
        let back = if x > lane { x - 6 } else { x + 6 };
        writeln!(out, "<path class=\"wf\" d=\"M{x} {y}L{back} {}V{}Z\" fill=\"#444444\"/>", y - 3, y + 3)
    }
}

fn dashes(dashed: bool) -> &'static str {
    if dashed { " stroke-dasharray=\"4 3\"" } else { "" }
}

/// The path of a box, where it has one.
pub(super) fn full<'a>(path: &'a str, name: &'a str) -> &'a str {
    if path.is_empty() { name } else { path }
}

/// What a browser shows of a box under the pointer.
fn tooltip(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<title>{}</title>", xml(text)) }
}

/// The sentences below the boxes, each in lines that fit the width.
fn sentences(picture: &Picture, width: u32) -> Vec<(Option<&Note>, Vec<String>)> {
    let room = usize::try_from((width - 2 * MARGIN - BADGE) * 2 / 11).unwrap_or(80).max(40);
    let all = picture.reasons.iter().chain(&picture.notes);
    let mut out: Vec<_> =
        all.take(MAX_SENTENCES).map(|note| (Some(note), wrapped(&note.text, room))).collect();
    let left_out = (picture.reasons.len() + picture.notes.len()).saturating_sub(MAX_SENTENCES);
    if left_out > 0 {
        out.push((None, alloc::vec![format!("… and {left_out} more; a page (--html) has all reasons")]));
    }
    out
}

fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        match lines.last_mut() {
            Some(line) if length + 1 + letters <= room => {
                line.push(' ');
                line.push_str(word);
                length += 1 + letters;
            }
            _ => {
                lines.push(word.into());
                length = letters;
            }
        }
    }
    lines
}

fn foot_note(note: Option<&Note>, lines: &[String], y: &mut u32, out: &mut dyn Write) -> fmt::Result {
    if let Some(group) = note.and_then(|note| note.group) {
        let (fill, stroke) = colours(Some(group));
        writeln!(
            out,
            "<rect class=\"{}\" x=\"{MARGIN}\" y=\"{}\" width=\"{}\" height=\"13\" rx=\"6\" fill=\"{fill}\" stroke=\"{stroke}\"/>\
<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" font-weight=\"bold\">{}</text>",
            class(Some(group)),
            *y - 10,
            BADGE - 5,
            MARGIN + BADGE / 2 - 2,
            *y,
            group.id
        )?;
    }
    let (class, fill) = if note.is_some_and(|note| note.alarm) { ("a", "#b02a2a") } else { ("t", "#1a1a1a") };
    for line in lines {
        writeln!(
            out,
            "<text class=\"{class}\" x=\"{}\" y=\"{y}\" font-size=\"10.5\" fill=\"{fill}\">{}</text>",
            MARGIN + BADGE,
            xml(line)
        )?;
        *y += SENTENCE;
    }
    Ok(())
}
