//! What a PCI function is.

mod config_space;
mod quirks;
