//! Options that several verbs take.

use clap::{Args, ValueEnum};

use fwspec::Dialect;

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

impl Output {
    pub(super) fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Short forms of `--format` for drawings.
#[derive(Debug, Args)]
pub(super) struct Drawn {
    /// Draw it, as SVG
    #[arg(long, conflicts_with_all = ["format", "json", "dot", "html"])]
    svg: bool,
    /// Draw it, for Graphviz
    #[arg(long, conflicts_with_all = ["format", "json", "html"])]
    dot: bool,
    /// Draw it, on a page with the ids
    #[arg(long, conflicts_with_all = ["format", "json"])]
    html: bool,
}

impl Drawn {
    /// The form asked for: one of three, or another.
    pub(super) fn of<T>(&self, [svg, dot, html]: [T; 3], other: T) -> T {
        match (self.svg, self.dot, self.html) {
            (true, ..) => svg,
            (_, true, _) => dot,
            (.., true) => html,
            _ => other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Policy {
    Linux,
    Strict,
}

/// One dialect, or all.
#[derive(Clone, Debug)]
pub(super) struct Dialects(pub(super) Vec<Dialect>);

/// A dialect by its name.
pub(super) fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::by_name(name).ok_or_else(|| {
        let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name).collect();
        format!("the dialects are {}", known.join(", "))
    })
}

/// A dialect by its name, or `all`.
pub(super) fn dialects(name: &str) -> Result<Dialects, String> {
    if name == "all" {
        Ok(Dialects(Dialect::ALL.to_vec()))
    } else {
        dialect(name).map(|dialect| Dialects(vec![dialect]))
    }
}

impl Policy {
    pub(super) fn policy(self) -> fwspec::Policy {
        match self {
            Policy::Linux => fwspec::Policy::Linux,
            Policy::Strict => fwspec::Policy::Strict,
        }
    }
}
