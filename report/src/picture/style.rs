//! The colours of drawings, by day, by night and on paper.

use alloc::format;
use alloc::string::String;

use super::Group;

/// Fills light enough to read on, and the strokes that go with them; neighbours differ in lightness too, for grey printers.
const COLOURS: [(&str, &str); 10] = [
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

/// The same by night: dark fills under light letters.
const DARK: [(&str, &str); 10] = [
    ("#5c3a10", "#f0a860"),
    ("#143f60", "#7fb8e6"),
    ("#33521a", "#a5d06a"),
    ("#4a2a5c", "#cf9fe6"),
    ("#544a0c", "#e0c84a"),
    ("#622626", "#f09090"),
    ("#0f4d44", "#6fd0c0"),
    ("#5e2247", "#f09ac8"),
    ("#30306c", "#a5a5f2"),
    ("#4a3824", "#cda877"),
];

/// Fill and stroke of a group's boxes, by day.
pub(super) fn colours(group: Option<Group>) -> (&'static str, &'static str) {
    let colour = group.and_then(|group| group.colour);
    let known = colour.and_then(|colour| COLOURS.get(colour % COLOURS.len()));
    known.copied().unwrap_or(("#ffffff", "#666666"))
}

/// The class of a group's boxes (`g3`; `gn` for a device alone or in no group), which night has other colours for.
pub(super) fn class(group: Option<Group>) -> String {
    match group.and_then(|group| group.colour) {
        Some(colour) => format!("g{}", colour % COLOURS.len()),
        None => "gn".into(),
    }
}

/// The style sheet of a drawing: what a viewer that knows no style sheets shows is the drawing by day.
///
/// `b` is paper, `t` title and names, `f` faint words, `a` what alarms, `r` root complexes, `w` lines that several share, `s` IOMMUs and `m` MSI
/// controllers, `k` the number of a group.
pub(super) fn drawing() -> String {
    let mut night = String::from(
        ".fw{fill:#e6e8eb}.fw .b{fill:#15181d}.fw .t{fill:#e6e8eb}.fw .f{fill:#a8b0ba}.fw .a{fill:#ff9a9a}.fw .al{stroke:#ff9a9a}.fw .r{fill:#c9d0d9;stroke:#c9d0d9}\
.fw .ri{fill:#15181d}.fw .rf{fill:#3a4350}.fw .w{stroke:#aab2bc}.fw .wf{fill:#aab2bc}.fw .br{stroke:#7d8691}.fw .s{fill:#2b313a;stroke:#c9d0d9}\
.fw .m{fill:#15181d;stroke:#c9d0d9}.fw .gn{fill:#1d2127;stroke:#98a1ac}.fw .ln{stroke:#98a1ac}.fw .k{fill:#15181d}",
    );
    for (nth, (fill, stroke)) in DARK.iter().enumerate() {
        night.push_str(&format!(".fw .g{nth}{{fill:{fill};stroke:{stroke}}}.fw .l{nth}{{stroke:{stroke}}}"));
    }
    format!(
        ".fw,.fw *{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}@media screen and (prefers-color-scheme:dark){{{night}}}"
    )
}

/// The style sheet of a page around drawings. On a screen they keep their size, and a narrow one scrolls; on paper they fit.
pub(super) fn page(is_wide: bool) -> String {
    let mut groups = String::new();
    let mut night = String::new();
    for (nth, ((fill, _), (dark, _))) in COLOURS.iter().zip(&DARK).enumerate() {
        groups.push_str(&format!("td.g{nth}{{background:{fill}}}"));
        night.push_str(&format!("td.g{nth}{{background:{dark}}}"));
    }
    let paper = if is_wide { "size:landscape;" } else { "" };
    format!(
        "body{{font:14px/1.4 Arial,Helvetica,sans-serif;color:#1a1a1a;background:#fff;margin:1.5em}}\
.picture{{overflow-x:auto}}.picture svg{{display:block}}.table{{overflow-x:auto}}\
table{{border-collapse:collapse;margin:1em 0}}th,td{{border:1px solid #bbb;padding:.25em .6em;text-align:left;vertical-align:top}}\
th{{background:#eef0f3}}td.n{{text-align:center;font-weight:bold}}tr{{break-inside:avoid}}li{{margin:0}}ul{{margin:0;padding-left:1.1em}}\
small{{color:#555}}h2,thead{{break-after:avoid}}span.alone{{white-space:nowrap}}{groups}\
@media(max-width:640px){{body{{margin:.6em}}th,td{{padding:.2em .35em}}}}\
@media screen and (prefers-color-scheme:dark){{body{{color:#e6e8eb;background:#15181d}}th,td{{border-color:#4a525d}}th{{background:#2b313a}}\
small{{color:#a8b0ba}}{night}}}\
@page{{{paper}margin:12mm}}@media print{{body{{margin:0;font-size:11px}}.picture,.table{{overflow:visible}}\
.picture svg{{max-width:100%;height:auto;break-inside:avoid}}td,th{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}}}"
    )
}
