//! What differs in meaning between two firmwares, and between two assignments of the same devices. Bytes do not matter.

mod groups;
mod map;
mod scopes;

pub use groups::{Regrouped, placed, regrouped};
pub use map::{Destination, DeviceAt, Difference, IommuName, Side, StreamAt, StreamsAt, diff};
