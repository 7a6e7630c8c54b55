//! `fwspec show`: what firmware says.

use std::io;

use crate::IdMap;
use crate::input::Firmware;
use crate::report::picture::{self, Picture};
use crate::report::{self, json::PlatformDocument, text};

use super::args::{Show, ShowFormat};
use super::{Outcome, open, print, print_drawn, print_json, style};

pub(super) fn run(show: &Show) -> io::Result<Outcome> {
    if show.format() == ShowFormat::Svg && show.files.len() > 1 {
        super::complain(&"one file makes one drawing: name one");
        return Ok(Outcome::Usage);
    }
    let mut outcome = Outcome::Fine;
    let mut gap = "";
    for path in &show.files {
        let Some(firmware) = open(path) else {
            outcome = Outcome::Unreadable;
            continue;
        };
        let map = match IdMap::build(&firmware.platform, show.dialect) {
            Ok(map) => map,
            Err(error) => {
                super::complain(&format_args!("{}: {error}", firmware.file));
                outcome = Outcome::Unreadable;
                continue;
            }
        };
        let drawing = || {
            let title = format!("{}: {}", firmware.file, text::title(&firmware));
            Picture::of_firmware(&title, &firmware.platform, &map)
        };
        match show.format() {
            ShowFormat::Json => {
                let mut document = PlatformDocument::new(&firmware.file, &firmware.platform, &map);
                document.name_places(firmware.places());
                print_json(&document)?;
                continue;
            }
            ShowFormat::Svg => {
                print_drawn(|out| picture::svg(&drawing(), out))?;
                continue;
            }
            ShowFormat::Dot => {
                print_drawn(|out| picture::dot(&drawing(), out))?;
                continue;
            }
            ShowFormat::Text => {}
        }
        let style = style();
        let title = style.heading(&format!("{}: {}", firmware.file, text::title(&firmware)));
        let dialect = style.faint(&format!("as {} reads it:", show.dialect.name));
        let meaning = text::platform(&firmware, &map, style);
        let fields = if show.brief { String::new() } else { fields(&firmware, style) };
        print(&format!("{gap}{title}, {dialect}\n\n{meaning}{fields}"))?;
        gap = "\n";
    }
    Ok(outcome)
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
