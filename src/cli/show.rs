//! `fwspec show`: what firmware says.

use std::io;

use crate::IdMap;
use crate::input::Firmware;
use crate::report::picture::{self, Picture};
use crate::report::{self, json::PlatformDocument, text};

use super::args::{Show, ShowFormat};
use super::folder::{Closed, Input, Inputs, Notes};
use super::many;
use super::{Outcome, json_line, print, style};

pub(super) fn run(show: &Show) -> io::Result<Outcome> {
    let inputs = Inputs::of(&show.files);
    if show.format() == ShowFormat::Svg && inputs.all.len() > 1 {
        super::complain(&"one file makes one drawing: name one");
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

/// Every field of every node, where the firmware is a table; a device tree is its own text already (`dtc -O dts`).
fn fields(firmware: &Firmware, style: text::Style) -> String {
    let mut fields = String::new();
    if let Some(iort) = firmware.iort()
        && report::iort::fields(&iort, &mut fields).is_ok()
    {
        return format!("\n{}\n{fields}", style.heading("Every field"));
    }
    String::new()
}
