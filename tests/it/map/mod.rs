//! Maps: where an id goes, under each dialect.

mod diff;
mod diff_x86;
mod index;
mod linux;
mod stream_map;
mod vectors;
