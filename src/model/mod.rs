//! The words that every module shares: dimensions, metrics, periods, series, findings. It never does I/O.

mod amount;
mod cost;
mod dimension;
mod finding;
mod series;
mod time;

use serde::de;

pub use self::{
    amount::{change, count, cut, grouped, money},
    cost::{ChargeCategory, Metric},
    dimension::{Dimension, Filter, GroupBy},
    finding::{Direction, Event, Kind, Method, Sensitivity, Severity, State},
    series::Series,
    time::{Day, Granularity, Period, first_of_month},
};
use crate::error::Error;

/// An error of the program as one of a reader of files.
fn explained<E: de::Error>(error: Error) -> E {
    E::custom(format!("{} ({})", error.summary(), error.hints().join("; ")))
}
