//! `fwspec show`: what firmware says.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use fwspec::acpi::dmar::Dmar;
use fwspec::acpi::ivrs::Ivrs;
use fwspec::answer::{self, GroupsDocument, Linted, PlatformDocument, Problem, Summary, Tally};
use fwspec::group::Policy;
use fwspec::machine::Firmware;
use fwspec::{Dialect, IdMap};
use fwspec_report::picture::{self, Picture};
use fwspec_report::{self, text};

use super::evidence::Named;
use super::folder::{Closed, Input, Notes};
use super::many;
use super::options::{Drawn, Isolation, dialect};
use super::{Failure, Outcome, json_line, print, print_drawn, style};

/// Decode firmware: its IOMMUs, the devices and buses whose DMA they translate, and every mapping
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fwspec show /sys/firmware/acpi/tables/IORT\n  fwspec show --fields iort.bin\n  fwspec show --json board.dtb | jq .requesters\n  fwspec show --svg iort.bin > iort.svg\n  fwspec show --html --pci lspci.txt iort.bin mcfg.bin > machine.html\n  \
dtc -O dtb board.dts | fwspec show -\n  fwspec show --json build/ > firmware.ndjson"
)]
pub(super) struct Options {
    /// Firmware to decode, or folders of firmware; - is standard input
    ///
    /// Everything below a folder is read, in the order of the names. ACPI tables in one folder, or named together, are taken as those of one
    /// machine, unless the same kind of table is there twice. Other files are skipped and counted; symbolic links are not followed. For a
    /// drawing, `lspci -xxxx` text adds the devices in their groups; all files are then those of one machine. Without evidence, this machine
    /// is read.
    #[arg(value_name = "EVIDENCE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    isolation: Isolation,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect(), hide_possible_values = true)]
    dialect: Dialect,
    /// Also print every field of every node, if the firmware is an ACPI table
    #[arg(long)]
    fields: bool,
    /// What is printed without --fields
    #[arg(long, hide = true, conflicts_with = "fields")]
    brief: bool,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    format: ShowFormat,
    #[command(flatten)]
    drawn: Drawn,
}

impl Options {
    pub(super) fn format(&self) -> ShowFormat {
        let other = if self.json { ShowFormat::Json } else { self.format };
        self.drawn.of([ShowFormat::Svg, ShowFormat::Dot, ShowFormat::Html], other)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShowFormat {
    Text,
    Json,
    /// An SVG drawing
    Svg,
    /// A drawing for Graphviz
    Dot,
    /// An HTML page with the drawing and all ids
    Html,
}

impl ShowFormat {
    pub(super) fn is_drawn(self) -> bool {
        matches!(self, ShowFormat::Svg | ShowFormat::Dot | ShowFormat::Html)
    }
}

pub(super) fn run(show: &Options) -> Result<Outcome, Failure> {
    if show.named.pci.is_some() && !show.format().is_drawn() {
        return Err(Failure::usage(
            "show takes --pci only for drawings (--svg, --dot, --html); `fwspec groups` lists the devices in text",
        ));
    }
    let inputs = show.named.firmware_inputs(&show.files)?;
    if show.format().is_drawn() && (show.named.pci.is_some() || inputs.has_listing()) {
        return drawn_machine(show);
    }
    if show.format().is_drawn() && inputs.all.len() > 1 {
        let message = "a drawing is of one file: name one, or with --pci the files of one machine";
        return Err(Failure::usage(message));
    }
    let (style, format) = (style(), show.format());
    let work = |input: &Input, notes: &mut Notes| {
        let machine = input.open(show.named.collector(), notes)?;
        let Some(firmware) = &machine.firmware else { return Err(Closed::NoFirmware(String::new())) };
        let map = IdMap::build(&firmware.platform, show.dialect);
        Ok(written(show, format, style, firmware, &map))
    };
    let mut gap = "";
    many::each(inputs, work, |text| {
        let text = text?;
        if format == ShowFormat::Text {
            print(gap)?;
            gap = "\n";
        }
        print(&text)
    })
}

/// What is printed of one firmware.
fn written(
    show: &Options,
    format: ShowFormat,
    style: text::Style,
    firmware: &Firmware,
    map: &IdMap,
) -> io::Result<String> {
    let title = format!("{}: {}", firmware.file, text::title(&Summary::new(firmware)));
    let drawing =
        || Picture::of_firmware(&title, &PlatformDocument::brief(firmware, map, picture::MAX_RANGES));
    let mut out = String::new();
    match format {
        ShowFormat::Json => {
            return json_line(&PlatformDocument::new(firmware, map));
        }
        ShowFormat::Svg => picture::svg(&drawing(), &mut out).map_err(io::Error::other)?,
        ShowFormat::Dot => picture::dot(&drawing(), &mut out).map_err(io::Error::other)?,
        ShowFormat::Html => {
            let unread = firmware.platform.skipped.iter().map(Problem::from).collect::<Vec<_>>();
            picture::firmware_html(&drawing(), &unread, &mut out).map_err(io::Error::other)?;
        }
        ShowFormat::Text => {
            let title = style.heading(&title);
            let dialect = style.faint(&format!("dialect {}", show.dialect.name));
            let document = PlatformDocument::brief(firmware, map, text::MAX_RANGES);
            let meaning = text::platform(&document, style);
            let findings = answer::findings(firmware);
            let found = Linted::new(firmware.file.as_str(), None, findings);
            let overview = text::overview(&document, &Tally::of(&found), style);
            let fields = if show.fields { fields(firmware, style) } else { String::new() };
            let next = text::next(&firmware.file, style);
            out = format!("{title}, {dialect}\n{overview}\n{meaning}{fields}\n{next}");
        }
    }
    Ok(out)
}

/// Draws the devices of a machine, in their groups.
fn drawn_machine(show: &Options) -> Result<Outcome, Failure> {
    let mut machine = show.named.machine(&show.files)?;
    show.isolation.apply(&mut machine)?;
    let firmware = machine.firmware.as_ref();
    let (groups, refused) = machine.groups(show.dialect, Policy::Linux);
    let platform = firmware.map(|firmware| &firmware.platform);
    let unread = platform.into_iter().flat_map(|platform| &platform.skipped).map(Problem::from);
    let unread = unread.chain(machine.unread.iter().map(Problem::from));
    let skipped = refused.iter().map(Problem::from).chain(unread).collect();
    let mut document = GroupsDocument::new(&groups, platform, None, skipped);
    document.remarks = show.isolation.remarks(&machine, (show.dialect, Policy::Linux), &groups);
    let mut picture = Picture::of_groups(&document);
    if let Some(firmware) = firmware {
        picture.title = format!("{}: {}", firmware.file, picture.title);
    }
    print_drawn(|out| match show.format() {
        ShowFormat::Dot => picture::dot(&picture, out),
        ShowFormat::Html => picture::html(&picture, &document, out),
        _ => picture::svg(&picture, out),
    })?;
    Ok(Outcome::Fine)
}

/// Every field of every node, where the firmware is a table; a device tree is its own text already (`dtc -O dts`).
fn fields(firmware: &Firmware, style: text::Style) -> String {
    let mut tables = Vec::new();
    tables.extend(firmware.iort().map(|iort| {
        let mut text = String::new();
        fwspec_report::iort::fields(&iort, &mut text).map(|()| text)
    }));
    tables.extend(firmware.companions().filter_map(|source| {
        let (bytes, mut text) = (firmware.table(source)?, String::new());
        use fwspec::Format::{DeviceTree, Dmar as DmarTable, Iort, Ivrs as IvrsTable, Rimt, Viot};
        let written = match source.format()? {
            DmarTable => fwspec_report::dmar::fields(&Dmar::parse_as(bytes, source).ok()?, &mut text),
            IvrsTable => fwspec_report::ivrs::fields(&Ivrs::parse_as(bytes, source).ok()?, &mut text),
            DeviceTree | Iort | Rimt | Viot => return None,
        };
        Some(written.map(|()| text))
    }));
    let texts: Vec<String> = tables.into_iter().filter_map(Result::ok).collect();
    if texts.is_empty() {
        return String::new();
    }
    format!("\n{}\n{}", style.heading("Every field"), texts.join("\n"))
}
