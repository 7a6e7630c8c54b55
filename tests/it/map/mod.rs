//! Maps: where an id goes, under each dialect.

mod diff;
mod index;
mod linux;
mod stream_map;
mod vectors;
