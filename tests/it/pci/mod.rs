//! What a PCI function is.

mod config_space;
mod port_types;
mod quirks;
