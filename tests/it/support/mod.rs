//! What several tests need.
#![allow(dead_code)]

pub(crate) mod cases;
pub(crate) mod dt;
pub(crate) mod machine;
pub(crate) mod outside;
pub(crate) mod pci;
pub(crate) mod record;
pub(crate) mod referees;
pub(crate) mod write;
