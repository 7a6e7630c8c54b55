//! What a user has in hand: which format it is, and the formats that hold no firmware table.

mod devices;
mod dump;
#[cfg(feature = "std")]
mod file;
mod firmware;
mod log;
pub mod lspci;
mod query;
mod recognise;
pub mod schedule;
#[cfg(feature = "std")]
pub mod sysfs;

pub use devices::{devices, of_unknown_vmd};
pub use dump::{ConfigDump, ConfigDumps};
#[cfg(feature = "std")]
pub use file::{read, read_recognised};
pub use firmware::{Firmware, PLACES};
pub use log::{LogLine, log_line};
pub use query::{ParseQueryError, Query};
pub use recognise::{Kind, READ_HERE, recognise};
