//! The drawing for Graphviz, which finds places of its own.

use core::fmt::{self, Write};

use super::svg::colours;
use super::{Picture, RowKind};

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
    writeln!(out, "digraph fwspec {{\n  rankdir=LR;\n  label={};", Quoted(&[&picture.title]))?;
    writeln!(out, "  node [shape=box, style=filled, fontname=\"Helvetica\", fontsize=10];")?;
    writeln!(out, "  edge [fontname=\"Helvetica\", fontsize=9];")?;
    for (at, row) in picture.rows.iter().enumerate() {
        let (fill, stroke) = match row.kind {
            RowKind::Root => ("#d7dce3", "#3a4350"),
            RowKind::Bridge | RowKind::Device => colours(row.group),
        };
        let number = row.group.map(|group| alloc::format!("group {}", group.id)).unwrap_or_default();
        let label = Quoted(&[&row.name, &row.what, &number, &row.note]);
        writeln!(
            out,
            "  r{at} [label={label}, tooltip={}, fillcolor=\"{fill}\", color=\"{stroke}\"];",
            Quoted(&[&row.path])
        )?;
        if let Some(parent) = row.parent {
            writeln!(out, "  r{parent} -> r{at} [arrowhead=none];")?;
        }
    }
    for (at, sink) in picture.sinks.iter().enumerate() {
        let shape = if sink.msi { "ellipse" } else { "box3d" };
        let label = Quoted(&[&sink.name, &sink.what]);
        writeln!(
            out,
            "  s{at} [label={label}, tooltip={}, shape={shape}, fillcolor=\"#e4e7eb\"];",
            Quoted(&[&sink.path])
        )?;
    }
    for link in &picture.links {
        let style = if link.bypass { "dashed" } else { "solid" };
        writeln!(out, "  r{} -> s{} [label={}, style={style}];", link.from, link.to, Quoted(&[&link.label]))?;
    }
    for link in &picture.onward {
        writeln!(out, "  s{} -> s{} [label={}];", link.from, link.to, Quoted(&[&link.label]))?;
    }
    out.write_str("}\n")
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
            for c in line.chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() => f.write_char('?')?,
                    c => f.write_char(c)?,
                }
            }
        }
        f.write_char('"')
    }
}
