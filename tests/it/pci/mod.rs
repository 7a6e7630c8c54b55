//! What a PCI function is.

mod config_space;
mod kernel_source;
mod port_types;
mod quirks;
