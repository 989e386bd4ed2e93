//! The mathematics: slices in, findings out. It never reads the clock, the store or the settings file.

pub mod attribution;
pub mod calendar;
pub mod detection;
pub mod inject;
pub mod rollup;
pub mod stats;
