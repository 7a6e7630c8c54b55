//! What people hold: recognised, opened, sampled, booted.

#[cfg(feature = "archives")]
mod archives;
mod boot;
mod containers;
mod decode;
mod decoded;
mod dumps;
mod input;
mod lspci;
mod pile;
mod samples;
