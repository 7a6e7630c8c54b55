//! What a user has in hand: which format it is, and the formats that hold no firmware table.

mod dump;
pub mod lspci;

pub use dump::{ConfigDump, ConfigDumps};
