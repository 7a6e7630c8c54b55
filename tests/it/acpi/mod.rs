//! ACPI tables: bytes to views to facts.

mod assertions;
mod builder;
mod container;
mod corpus;
mod iort;
mod large;
mod tables;
