//! `fwspec show`: what firmware says.

use std::io;
use std::path::Path;

use fwspec::IdMap;
use fwspec::answer::{GroupsDocument, PlatformDocument, Problem};
use fwspec::group::Policy;
use fwspec::machine::Firmware;
use fwspec_report::picture::{self, Picture};
use fwspec_report::{self, text};

use super::args::{Show, ShowFormat};
use super::folder::{Closed, Input, Inputs, Notes};
use super::groups::{assign, open_all, read_topology};
use super::many;
use super::{Outcome, json_line, print, print_drawn, style};

pub(super) fn run(show: &Show) -> io::Result<Outcome> {
    if let Some(topology) = &show.pci {
        return machine(show, topology);
    }
    let inputs = Inputs::of(&show.files);
    if show.format().is_drawn() && inputs.all.len() > 1 {
        super::complain(&"one file makes one drawing: name one, or with --pci the files of one machine");
        return Ok(Outcome::Usage);
    }
    let (style, format) = (style(), show.format());
    let work = |input: &Input, notes: &mut Notes| {
        let firmware = input.open(notes)?;
        let map = IdMap::build(&firmware.platform, show.dialect).map_err(Closed::Firmware)?;
        Ok(written(show, format, style, &firmware, &map))
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
    show: &Show,
    format: ShowFormat,
    style: text::Style,
    firmware: &Firmware,
    map: &IdMap,
) -> io::Result<String> {
    let drawing = || {
        let title = format!("{}: {}", firmware.file, text::title(firmware));
        Picture::of_firmware(&title, &firmware.platform, map)
    };
    let mut out = String::new();
    match format {
        ShowFormat::Json => {
            let mut document = PlatformDocument::new(&firmware.file, &firmware.platform, map);
            document.name_places(firmware.places());
            return json_line(&document);
        }
        ShowFormat::Svg => picture::svg(&drawing(), &mut out).map_err(io::Error::other)?,
        ShowFormat::Dot => picture::dot(&drawing(), &mut out).map_err(io::Error::other)?,
        ShowFormat::Html => {
            let unread = firmware.platform.skipped.iter().map(Problem::from).collect::<Vec<_>>();
            picture::firmware_html(&drawing(), &unread, &mut out).map_err(io::Error::other)?;
        }
        ShowFormat::Text => {
            let title = style.heading(&format!("{}: {}", firmware.file, text::title(firmware)));
            let dialect = style.faint(&format!("as {} reads it:", show.dialect.name));
            let meaning = text::platform(firmware, map, style);
            let fields = if show.brief { String::new() } else { fields(firmware, style) };
            out = format!("{title}, {dialect}\n\n{meaning}{fields}");
        }
    }
    Ok(out)
}

/// Draws the devices of a machine, in their groups.
fn machine(show: &Show, topology: &Path) -> io::Result<Outcome> {
    if !show.format().is_drawn() {
        super::complain(
            &"--pci is for drawings (--svg, --dot, --html); `fwspec groups` tells of devices in words",
        );
        return Ok(Outcome::Usage);
    }
    let Some((found, unread)) = read_topology(topology) else { return Ok(Outcome::Unreadable) };
    let Ok(Some(firmware)) = open_all(&show.files) else { return Ok(Outcome::Unreadable) };
    let assigned = assign(Some(&firmware), show.dialect, Policy::Linux, found);
    let Some((groups, mut skipped)) = assigned else { return Ok(Outcome::Unreadable) };
    skipped.extend(firmware.platform.skipped.iter().chain(&unread).map(Problem::from));
    let document = GroupsDocument::new(&groups, Some(&firmware.platform), None, skipped);
    let mut picture = Picture::of_groups(&groups, &document);
    picture.title = format!("{}: {}", firmware.file, picture.title);
    print_drawn(|out| match show.format() {
        ShowFormat::Dot => picture::dot(&picture, out),
        ShowFormat::Html => picture::html(&picture, &document, out),
        _ => picture::svg(&picture, out),
    })?;
    Ok(Outcome::Fine)
}

/// Every field of every node, where the firmware is a table; a device tree is its own text already (`dtc -O dts`).
fn fields(firmware: &Firmware, style: text::Style) -> String {
    let mut fields = String::new();
    if let Some(iort) = firmware.iort()
        && fwspec_report::iort::fields(&iort, &mut fields).is_ok()
    {
        return format!("\n{}\n{fields}", style.heading("Every field"));
    }
    String::new()
}
