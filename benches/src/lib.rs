//! What the table and the instruction counts share: rivals, inputs, and the race.

pub mod inputs;
pub mod race;
pub mod rivals;
