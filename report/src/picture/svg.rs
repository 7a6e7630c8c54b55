//! The drawing as SVG 1.1, alone in its file: no script, no style sheet, no font to fetch.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::xml::xml;

use super::layout::{BADGE, HEAD, MARGIN, letters};
use super::{Group, Layout, Picture, Rect, RowKind, Wire, layout};

/// Fills light enough to read on, and the strokes that go with them; neighbours differ in lightness too, for grey printers.
pub(super) const COLOURS: [(&str, &str); 10] = [
    ("#ffd9a8", "#b35c00"),
    ("#bcdcf5", "#1f6aa5"),
    ("#d3ecb4", "#4b7d14"),
    ("#e6cdf2", "#7b3f98"),
    ("#fff2a6", "#8c7400"),
    ("#f7c4c4", "#b02a2a"),
    ("#b9e6de", "#14796a"),
    ("#f9cfe6", "#b02a78"),
    ("#d6d6f7", "#4646ad"),
    ("#e3d5c3", "#75542a"),
];

/// Fill and stroke of a group's boxes.
pub(super) fn colours(group: Option<Group>) -> (&'static str, &'static str) {
    let colour = group.and_then(|group| group.colour);
    let known = colour.and_then(|colour| COLOURS.get(colour % COLOURS.len()));
    known.copied().unwrap_or(("#ffffff", "#666666"))
}

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
    let places = layout(picture);
    // The title is in bold of 15 px.
    let title_width = letters(&picture.title).saturating_mul(10);
    let width = places.width.max(title_width.saturating_add(2 * MARGIN)).max(640);
    let height = places.height;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
font-family=\"Arial, Helvetica, 'Liberation Sans', sans-serif\" font-size=\"11\" fill=\"#1a1a1a\">"
    )?;
    writeln!(out, "<title>{}</title>", xml(&picture.title))?;
    writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>")?;
    let title = xml(&picture.title);
    writeln!(out, "<text x=\"{MARGIN}\" y=\"25\" font-size=\"15\" font-weight=\"bold\">{title}</text>")?;
    legend(picture, out)?;
    branches(picture, &places, out)?;
    links(picture, &places, out)?;
    rows(picture, &places, out)?;
    sinks(picture, &places, out)?;
    out.write_str("</svg>\n")
}

fn legend(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    let y = HEAD - 18;
    let grouped = picture.rows.iter().any(|row| row.group.is_some());
    let words = if grouped {
        "number at the right of a box: IOMMU group · colour: shared by several devices · white: alone · dashed: in no group"
    } else {
        "on the lines: StreamIDs; dashed: DeviceIDs of what goes past every IOMMU"
    };
    writeln!(out, "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"10\" fill=\"#555555\">{words}</text>")
}

/// From each box down to those below it.
fn branches(picture: &Picture, places: &Layout, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "<g fill=\"none\" stroke=\"#8a8a8a\">")?;
    for (row, place) in picture.rows.iter().zip(&places.rows) {
        let Some(above) = row.parent.and_then(|parent| places.rows.get(parent)) else { continue };
        let (x, top, y) = (above.x + 8, above.y + above.height, place.y + 9);
        writeln!(out, "<path d=\"M{x} {top}V{y}H{}\"/>", place.x)?;
    }
    writeln!(out, "</g>")
}

fn links(picture: &Picture, places: &Layout, out: &mut dyn Write) -> fmt::Result {
    for (link, wire) in picture.links.iter().zip(&places.links) {
        let group = picture.rows.get(link.from).and_then(|row| row.group);
        let stroke = if link.bypass { "#b02a2a" } else { colours(group).1 };
        self::wire(wire, stroke, link.bypass, out)?;
        label(wire, &link.label, out)?;
    }
    for (link, wire) in picture.onward.iter().zip(&places.onward) {
        self::wire(wire, "#444444", false, out)?;
        label(wire, &link.label, out)?;
    }
    Ok(())
}

/// The part along the lane and after is common to all lines of a sink, and so is not in the colour of any.
fn wire(wire: &Wire, stroke: &str, dashed: bool, out: &mut dyn Write) -> fmt::Result {
    let Wire { start, lane, end } = *wire;
    let dashes = if dashed { " stroke-dasharray=\"4 3\"" } else { "" };
    writeln!(
        out,
        "<path d=\"M{lane} {}V{}H{}\" fill=\"none\" stroke=\"#444444\"{dashes}/>",
        start.1, end.1, end.0
    )?;
    writeln!(out, "<path d=\"M{} {}H{lane}\" stroke=\"{stroke}\"{dashes}/>", start.0, start.1)?;
    writeln!(out, "<circle cx=\"{lane}\" cy=\"{}\" r=\"2\" fill=\"#444444\"/>", start.1)?;
    // An arrow head, from either side.
    let back = if end.0 > lane { end.0 - 6 } else { end.0 + 6 };
    let (up, down) = (end.1 - 3, end.1 + 3);
    writeln!(out, "<path d=\"M{} {}L{back} {up}V{down}Z\" fill=\"#444444\"/>", end.0, end.1)
}

fn label(wire: &Wire, label: &str, out: &mut dyn Write) -> fmt::Result {
    let (x, y) = (wire.start.0 + 6, wire.start.1 - 2);
    writeln!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"9.5\">{}</text>", xml(label))
}

fn rows(picture: &Picture, places: &Layout, out: &mut dyn Write) -> fmt::Result {
    let grouped = picture.rows.iter().any(|row| row.group.is_some());
    for (row, place) in picture.rows.iter().zip(&places.rows) {
        let (mut fill, mut stroke) = colours(row.group);
        let (mut ink, mut faint) = ("#1a1a1a", "#555555");
        if row.kind == RowKind::Root {
            (fill, stroke, ink, faint) = ("#3a4350", "#3a4350", "#ffffff", "#d7dce3");
        }
        let Rect { x, y, width, height } = *place;
        let dashes = match (row.kind, row.group) {
            (RowKind::Device | RowKind::Bridge, None) if grouped => " stroke-dasharray=\"4 3\"",
            _ => "",
        };
        let weight = if row.kind == RowKind::Bridge { "1.6" } else { "1" };
        let radius = if row.kind == RowKind::Device { 3 } else { 0 };
        writeln!(
            out,
            "<rect class=\"row\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" \
stroke=\"{stroke}\" stroke-width=\"{weight}\"{dashes}>{}</rect>",
            tooltip(&row.path)
        )?;
        writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"{ink}\"><tspan font-weight=\"bold\">{}</tspan><tspan dx=\"7\" fill=\"{faint}\">{}</tspan></text>",
            x + 6,
            y + 13,
            xml(&row.name),
            xml(&row.what)
        )?;
        if let Some(group) = row.group {
            writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" rx=\"7\" fill=\"#ffffff\" stroke=\"{stroke}\"/>\
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
            let (x, y) = (x + width + 6, y + 13);
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"9.5\" font-style=\"italic\" fill=\"#b02a2a\">{}</text>",
                xml(&row.note)
            )?;
        }
    }
    Ok(())
}

/// What a browser shows of a box under the pointer.
fn tooltip(path: &str) -> String {
    if path.is_empty() { String::new() } else { alloc::format!("<title>{}</title>", xml(path)) }
}

fn sinks(picture: &Picture, places: &Layout, out: &mut dyn Write) -> fmt::Result {
    for (sink, place) in picture.sinks.iter().zip(&places.sinks) {
        let Rect { x, y, width, height } = *place;
        let (fill, radius) = if sink.msi { ("#ffffff", 16) } else { ("#e4e7eb", 0) };
        writeln!(
            out,
            "<rect class=\"sink\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" \
stroke=\"#3a4350\" stroke-width=\"1.6\">{}</rect>",
            tooltip(&sink.path)
        )?;
        let middle = x + width / 2;
        writeln!(
            out,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555555\">{}</text>",
            y + 17,
            xml(&sink.name),
            y + 31,
            xml(&sink.what)
        )?;
    }
    Ok(())
}
