//! Costs by day.

use chrono::{Days, NaiveDate};

use super::Period;

/// The daily cost of one group, without holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// One value for each dimension of the group-by.
    pub group: Vec<String>,
    /// The day of `values[0]`: the group's first charge, or the first day asked for if that is later.
    pub start: NaiveDate,
    /// Cost by day in the currency of the query; a day without a charge is 0.
    pub values: Vec<f64>,
}

impl Series {
    /// The index of `day`, when the series has it.
    pub fn index(&self, day: NaiveDate) -> Option<usize> {
        let index = usize::try_from((day - self.start).num_days()).ok()?;
        (index < self.values.len()).then_some(index)
    }

    /// The day at `index`, which may be beyond the last one.
    pub fn date(&self, index: usize) -> NaiveDate {
        self.start + Days::new(index as u64)
    }
}

/// The days of `period` that some of the series have, in order: what is years apart is not walked through.
pub fn days_of<'a>(series: impl Iterator<Item = &'a Series>, period: Period) -> impl Iterator<Item = NaiveDate> {
    let last = |one: &Series| one.start + Days::new(one.values.len().max(1) as u64 - 1);
    let mut spans: Vec<Period> = series
        .map(|one| Period { start: one.start.max(period.start), end: last(one).min(period.end) })
        .filter(|span| span.start <= span.end)
        .collect();
    spans.sort();
    let mut joined: Vec<Period> = Vec::new();
    for span in spans {
        match joined.last_mut().filter(|before| span.start <= before.end + Days::new(1)) {
            Some(before) => before.end = before.end.max(span.end),
            None => joined.push(span),
        }
    }
    joined.into_iter().flat_map(Period::iter)
}
