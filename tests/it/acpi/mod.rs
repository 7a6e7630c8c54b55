//! ACPI tables: bytes to views to facts.

mod assertions;
mod builder;
mod container;
mod corpus;
mod dmar;
mod field;
mod iort;
mod ivrs;
mod large;
mod tables;
