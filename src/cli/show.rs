//! `fwspec show`: what firmware says.

use std::io;

use crate::IdMap;
use crate::report::{json::PlatformDocument, text};

use super::args::Show;
use super::{Outcome, open, print, print_json, style};

pub(super) fn run(show: &Show) -> io::Result<Outcome> {
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
        if show.output.is_json() {
            print_json(&PlatformDocument::new(&firmware.file, &firmware.platform, &map))?;
            continue;
        }
        let style = style();
        let title = style.heading(&format!("{}: {}", firmware.file, text::title(&firmware)));
        let dialect = style.faint(&format!("as {} reads it:", show.dialect.name));
        print(&format!("{gap}{title}, {dialect}\n\n{}", text::platform(&firmware.platform, &map, style)))?;
        gap = "\n";
    }
    Ok(outcome)
}
