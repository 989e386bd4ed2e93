//! The mathematics: slices in, findings out. It never reads the clock, the store or the settings file.

pub mod attribution;
pub mod calendar;
pub mod detect;
mod estate;
mod expectation;
pub mod findings;
pub mod inject;
mod recurring;
mod robust;
pub mod rollup;
pub mod screen;
pub mod stats;
mod yardsticks;

#[cfg(test)]
mod tests;
