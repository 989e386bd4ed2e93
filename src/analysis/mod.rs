//! The mathematics: slices in, findings out. It never reads the clock, the store or the settings file.

pub(crate) mod attribution;
pub(crate) mod calendar;
pub(crate) mod detection;
pub(crate) mod forecast;
pub(crate) mod inject;
pub(crate) mod rollup;
pub(crate) mod stats;
