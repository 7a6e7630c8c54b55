//! The drawing for Graphviz, which finds places of its own.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::style::colours;
use super::svg::full;
use super::{Picture, Row, RowKind};

/// How many sentences the legend has.
const MAX_SENTENCES: usize = 40;

/// Writes the picture as a directed graph.
///
/// ```
/// use fwspec_report::picture::{Picture, dot};
/// let mut text = String::new();
/// dot(&Picture::default(), &mut text).unwrap();
/// assert!(text.starts_with("digraph fwspec {"));
/// ```
///
/// # Errors
/// Those of `out`.
pub fn dot(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        "digraph fwspec {{\n  rankdir=LR;\n  newrank=true;\n  label={};",
        Quoted(&[&picture.title])
    )?;
    writeln!(out, "  node [shape=box, style=filled, fontname=\"Helvetica\", fontsize=10];")?;
    writeln!(out, "  edge [fontname=\"Helvetica\", fontsize=9];")?;
    let mut depths: Vec<usize> = Vec::new();
    for (at, row) in picture.rows.iter().enumerate() {
        let above = row.parent.and_then(|parent| depths.get(parent).copied());
        depths.push(above.map_or(0, |above| above + 1));
        self::row(at, row, out)?;
        if let Some(parent) = row.parent {
            writeln!(out, "  r{parent} -> r{at} [arrowhead=none];")?;
        }
    }
    for (at, sink) in picture.sinks.iter().enumerate() {
        let shape = if sink.msi { "ellipse" } else { "box3d" };
        let style = if sink.unused { "\"filled,dashed\"" } else { "filled" };
        let tip: Vec<&str> = [full(&sink.path, &sink.name)].into_iter().chain(sink.tip.lines()).collect();
        let label = Quoted(&[&sink.name, &sink.what]);
        writeln!(
            out,
            "  s{at} [label={label}, tooltip={}, shape={shape}, style={style}, fillcolor=\"#e4e7eb\"];",
            Quoted(&tip)
        )?;
    }
    for link in &picture.links {
        let style = if link.bypass { "dashed, color=\"#b02a2a\"" } else { "solid" };
        writeln!(out, "  r{} -> s{} [label={}, style={style}];", link.from, link.to, Quoted(&[&link.label]))?;
    }
    for link in &picture.onward {
        writeln!(out, "  s{} -> s{} [label={}];", link.from, link.to, Quoted(&[&link.label]))?;
    }
    ranks(picture, &depths, out)?;
    legend(picture, out)?;
    out.write_str("}\n")
}

fn row(at: usize, row: &Row, out: &mut dyn Write) -> fmt::Result {
    let (fill, stroke) = match row.kind {
        RowKind::Root => ("#d7dce3", "#3a4350"),
        RowKind::Bridge | RowKind::Device => colours(row.group),
    };
    let shown = row.group.filter(|group| row.stands_for == 1 || group.colour.is_some());
    let number = shown.map(|group| alloc::format!("group {}", group.id)).unwrap_or_default();
    let label = Quoted(&[&row.name, &row.what, &number, &row.note]);
    let tip: Vec<&str> = if row.tip.is_empty() { alloc::vec![&*row.path] } else { row.tip.lines().collect() };
    let style = if row.disabled { ", style=\"filled,dashed\"" } else { "" };
    let several = if row.stands_for > 1 { ", peripheries=2" } else { "" };
    writeln!(
        out,
        "  r{at} [label={label}, tooltip={}, fillcolor=\"{fill}\", color=\"{stroke}\"{style}{several}];",
        Quoted(&tip)
    )
}

/// One column for each depth below the roots; the sinks are right of all, what has no line as well.
fn ranks(picture: &Picture, depths: &[usize], out: &mut dyn Write) -> fmt::Result {
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, depth) in depths.iter().enumerate() {
        columns.entry(*depth).or_default().push(at);
    }
    for (depth, rows) in columns {
        let kind = if depth == 0 { "source" } else { "same" };
        write!(out, "  {{rank={kind};")?;
        rows.iter().try_for_each(|at| write!(out, " r{at};"))?;
        writeln!(out, "}}")?;
    }
    let last = if picture.onward.is_empty() { "sink" } else { "same" };
    for (msi, rank) in [(false, last), (true, "sink")] {
        let of_kind: Vec<usize> =
            picture.sinks.iter().enumerate().filter(|(_, sink)| sink.msi == msi).map(|(at, _)| at).collect();
        if !of_kind.is_empty() && (rank == "same" || picture.sinks.iter().any(|sink| sink.msi) == msi) {
            write!(out, "  {{rank={rank};")?;
            of_kind.iter().try_for_each(|at| write!(out, " s{at};"))?;
            writeln!(out, "}}")?;
        }
    }
    Ok(())
}

/// What colours, lines and numbers mean, why groups are shared, and what else has to be known.
fn legend(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    let grouped = picture.rows.iter().any(|row| row.group.is_some());
    let mut lines: Vec<String> = if grouped {
        [
            "box in colour: its group is shared by several devices",
            "white box: alone in its group, or in no group",
        ]
        .map(String::from)
        .to_vec()
    } else {
        Vec::new()
    };
    lines.push("solid arrow: translated, with its StreamIDs".into());
    lines.push("dashed arrow: bypasses every IOMMU; its DeviceIDs".into());
    if picture.rows.iter().any(|row| row.disabled) || picture.sinks.iter().any(|sink| sink.unused) {
        lines.push("dashed box: disabled, or not used by Linux".into());
    }
    if picture.rows.iter().any(|row| row.stands_for > 1) {
        lines.push("double box: several devices".into());
    }
    let said = picture.reasons.iter().chain(&picture.notes);
    lines.extend(said.take(MAX_SENTENCES).map(|note| match note.group {
        Some(group) => alloc::format!("group {}: {}", group.id, note.text),
        None => note.text.clone(),
    }));
    writeln!(out, "  legend [shape=note, style=solid, margin=0.15, label={}];", Left(&lines))
}

/// Lines of a label, each flush left.
struct Left<'a>(&'a [String]);

impl fmt::Display for Left<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for line in self.0 {
            escaped(line, f)?;
            f.write_str("\\l")?;
        }
        f.write_char('"')
    }
}

fn escaped(line: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    line.chars().try_for_each(|c| match c {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        c if c.is_control() => f.write_char('?'),
        c => f.write_char(c),
    })
}

/// Lines of a label, empty ones left out, as a quoted string of the DOT language.
struct Quoted<'a>(&'a [&'a str]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (nth, line) in self.0.iter().filter(|line| !line.is_empty()).enumerate() {
            if nth > 0 {
                f.write_str("\\n")?;
            }
            escaped(line, f)?;
        }
        f.write_char('"')
    }
}
