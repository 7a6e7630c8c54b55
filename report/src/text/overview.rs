//! What matters of a firmware before its details.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use fwspec::answer::{PlatformDocument, Tally, quoted};

use super::Style;
use crate::count::counted;

/// Requesters without translation that are named.
const MAX_NAMED: usize = 4;

/// How many IOMMUs, MSI controllers and requesters there are, which requesters no IOMMU translates, and how much lint found.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::{PlatformDocument, Tally};
/// use fwspec::machine::Firmware;
/// use fwspec::{Dialect, IdMap};
/// use fwspec_report::text::{self, Style};
/// let mut table = Builder::new(6);
/// table.smmu_v3(0x2b40_0000);
/// let firmware = Firmware::open("iort.bin", table.finish())?;
/// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
/// let document = PlatformDocument::brief(&firmware, &map, text::MAX_RANGES);
/// let text = text::overview(&document, &Tally::default(), Style::default());
/// assert!(text.starts_with("1 IOMMU (smmu-v3), 0 MSI controllers, 0 requesters"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn overview(document: &PlatformDocument, found: &Tally, style: Style) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for iommu in &document.iommus {
        let count = kinds.entry(iommu.kind).or_default();
        *count = count.saturating_add(1);
    }
    let kinds = match kinds.len() {
        0 => String::new(),
        1 => format!(" ({})", kinds.keys().copied().collect::<String>()),
        _ => {
            let each: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            format!(" ({})", each.join(", "))
        }
    };
    let refused = document.boot_refused.as_ref();
    let mut lines: Vec<String> = refused.map(|why| style.alarm(why)).into_iter().collect();
    lines.push(format!(
        "{}{kinds}, {}, {}",
        counted(document.iommus.len(), "IOMMU"),
        counted(document.msi_controllers.len(), "MSI controller"),
        counted(document.requesters.len(), "requester"),
    ));
    let open: Vec<&str> =
        document.requesters.iter().filter(|it| it.is_open()).map(|it| it.id.as_str()).collect();
    if !open.is_empty() {
        let named = open.get(..MAX_NAMED).unwrap_or(&open).join(", ");
        let more = match open.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(style.alarm(&format!("no IOMMU translates {named}{more}")));
    }
    if !document.skipped.is_empty() {
        lines.push(
            style.alarm(&format!("{} not read or not usable", counted(document.skipped.len(), "record"))),
        );
    }
    lines.push(format!(
        "lint: {}, {}, {} info",
        counted(found.errors, "error"),
        counted(found.warnings, "warning"),
        found.infos
    ));
    lines.iter().map(|line| style.sentence(line, 2) + "\n").collect()
}

/// What to type next about a file, for a shell.
///
/// ```
/// use fwspec_report::text::{self, Style};
/// let text = text::next("my board.dtb", Style::default());
/// assert_eq!(text, "Next: fwspec lint 'my board.dtb', fwspec audit 'my board.dtb'\n");
/// ```
pub fn next(file: &str, style: Style) -> String {
    let file = quoted(file);
    style.sentence(&style.faint(&format!("Next: fwspec lint {file}, fwspec audit {file}")), 6) + "\n"
}
