//! The log of a kernel: which of its lines are about IOMMUs, and what each says.
//!
//! A line has a [`Form`], a row of one table; its holes hold [`Facts`]. [`LogReader`] takes a log of any length in, joins lines of one fault,
//! counts those that repeat, and tells the boots apart. What the firmware has to do with it is for [`answer`](crate::answer) to find.

mod facts;
mod form;
mod line;
mod meaning;
mod pattern;
mod reader;
mod speaker;
mod table;

pub use facts::Facts;
pub use form::{Form, LogKind};
pub use reader::{Log, LogEntry, LogReader};
pub use table::forms;
