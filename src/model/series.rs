//! Costs by day.

use chrono::NaiveDate;

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
}
