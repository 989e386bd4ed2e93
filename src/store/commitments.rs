//! Reservations and Savings Plans that end: what their end makes of a day's cost.

use chrono::NaiveDateTime;

use super::{
    Store,
    queries::{NONE, Selection},
    quoted,
};
use crate::{
    error::Result,
    model::{ChargeCategory, Dimension, Period},
};

/// Line items of usage that a commitment pays for: without it they cost what is on the list.
const COVERED: &str = "'DiscountedUsage', 'SavingsPlanCoveredUsage'";
/// Lines of a commitment that come once, when it is bought.
const UPFRONT: &str = "'Fee', 'SavingsPlanUpfrontFee', 'Refund'";
/// Days before those that costs are taken from: the line that says when a reservation ends comes once a month.
const END_LINES: u64 = 35;

/// A commitment that ends, of one group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    /// One value for each dimension.
    pub group: Vec<String>,
    /// Its ARN.
    pub id: String,
    pub end: NaiveDateTime,
    /// What the usage that it covers costs on demand, and what all its lines cost now, in all of the days looked at.
    pub on_demand: f64,
    pub now: f64,
}

impl Store {
    /// The commitments that end after `recent` and not after `until`, by group of `dimensions`, with costs of the days of `recent`.
    ///
    /// # Errors
    /// As for [`Store::cells`].
    pub(super) fn ending_commitments(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
        include: &[ChargeCategory],
        recent: Period,
        until: NaiveDateTime,
    ) -> Result<Vec<Ending>> {
        let (_, condition) = self.source_and_condition(selection, dimensions)?;
        let mut groups = String::new();
        for dimension in dimensions {
            groups += &format!("COALESCE({}, '{NONE}'), ", self.expression(dimension, selection.segments)?);
        }
        let metric = selection.metric.column();
        let categories: Vec<String> = include.iter().map(|category| quoted(category.as_str())).collect();
        let first = recent.start - chrono::Days::new(END_LINES);
        let sql = format!(
            "WITH lines AS (FROM {lines} WHERE {condition} AND commitment_id IS NOT NULL \
             AND usage_date BETWEEN DATE '{first}' AND DATE '{end}'), \
             ends AS (SELECT commitment_id AS id, max(commitment_end) AS ends_at FROM lines GROUP BY 1 \
             HAVING ends_at > TIMESTAMP '{end} 00:00:00' AND ends_at <= TIMESTAMP '{until}') \
             SELECT {groups}id, ends_at, \
             sum(CASE WHEN line_item_type IN ({COVERED}) THEN COALESCE(list_cost, {metric}) ELSE 0 END), sum({metric}) \
             FROM lines JOIN ends ON id = commitment_id WHERE usage_date >= DATE '{start}' \
             AND line_item_type NOT IN ({UPFRONT}) AND charge_category IN ({categories}) GROUP BY ALL ORDER BY ALL",
            lines = self.line_items(),
            start = recent.start,
            end = recent.end,
            categories = categories.join(", "),
        );
        let width = dimensions.len();
        self.rows(&sql, "cannot read the commitments", |row| {
            let sum = |column: usize| row.get::<_, Option<f64>>(column).map(Option::unwrap_or_default);
            Ok(Ending {
                group: (0..width).map(|column| row.get(column)).collect::<duckdb::Result<_>>()?,
                id: row.get(width)?,
                end: row.get(width + 1)?,
                on_demand: sum(width + 2)?,
                now: sum(width + 3)?,
            })
        })
    }
}
