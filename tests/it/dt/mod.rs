//! Device trees: bytes to views to facts.

mod claims;
mod corpus;
