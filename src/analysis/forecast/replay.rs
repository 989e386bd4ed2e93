//! Series as of days that are over or of today: what was known then, and what was to come.

use chrono::NaiveDate;
use rayon::prelude::*;

use super::outlook::{Forecaster, Outlook};
use crate::model::{Period, Series};

/// Days to add up, and the last one whose cost is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub period: Period,
    pub known: NaiveDate,
}

/// A series and the spans to look at it in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    pub series: &'a Series,
    /// Days without data.
    pub skipped: &'a [bool],
    /// Whether it is of purchases, which come by the calendar or not at all.
    pub by_calendar: bool,
    /// In order of their known days.
    pub spans: &'a [Span],
}

/// What a series costs in the days of a span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ahead {
    /// What the known days cost.
    pub known: f64,
    /// Each day of the period: as it was up to the last known one, as it is expected after it. Known days without data are
    /// expected, too.
    pub days: Vec<f64>,
    pub outlook: Outlook,
}

/// What each series costs in each of its spans, going by nothing after the last known day of each.
pub(crate) fn ahead(inputs: &[Input]) -> Vec<Vec<Ahead>> {
    inputs.par_iter().map(of_series).collect()
}

fn of_series(input: &Input) -> Vec<Ahead> {
    let Input { series, skipped, by_calendar, spans } = *input;
    let mut forecaster = Forecaster::new(series, skipped, by_calendar);
    let of_span = |span: &Span| {
        let outlook = forecaster.outlook(span.known);
        let mut known = 0.0;
        let cost = |day: NaiveDate| match series.index(day).filter(|_| day <= span.known) {
            Some(index) if !skipped[index] => {
                known += series.values[index];
                series.values[index]
            }
            // Before its first charge a series has none.
            None if day <= span.known => 0.0,
            _ => outlook.cost(day),
        };
        let days = span.period.iter().map(cost).collect();
        Ahead { known, days, outlook }
    };
    spans.iter().map(of_span).collect()
}
