//! Device trees: bytes to views to facts.

mod boards;
mod claims;
mod corpus;
mod debian;
mod drivers;
mod libfdt;
mod overlay;
