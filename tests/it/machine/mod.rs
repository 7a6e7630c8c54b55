//! What people hold: recognised, opened, sampled, booted.

#[cfg(feature = "archives")]
mod archives;
mod boot;
mod containers;
#[cfg(feature = "archives")]
mod debian;
mod decode;
mod decoded;
mod dumps;
mod input;
mod log_captured;
mod log_formats;
mod log_forms;
mod log_lines;
mod log_reader;
mod lspci;
mod pile;
#[cfg(feature = "archives")]
mod reports;
mod samples;
mod twice;
mod whole;
mod x86;
