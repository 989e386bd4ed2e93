//! The mathematics: slices in, findings out. It never reads the clock, the store or the settings file.

pub mod calendar;
pub mod detect;
pub mod stats;
