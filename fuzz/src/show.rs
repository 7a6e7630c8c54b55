//! Formats things to nowhere: formatting must not fail either.

use std::fmt::{Debug, Display, Write};

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

pub fn debug(value: &impl Debug) {
    write!(Nowhere, "{value:?}").expect("Debug fails by itself");
}

pub fn display(value: &impl Display) {
    write!(Nowhere, "{value}").expect("Display fails by itself");
}
