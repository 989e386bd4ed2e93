//! What was forecast of whole months, so that anybody can check how right it was.

use chrono::NaiveDate;

use super::{Store, quoted};
use crate::{error::Result, model::Period};

/// A forecast that was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    pub made_on: NaiveDate,
    /// The question as one text.
    pub scope: String,
    pub period: Period,
    pub known_through: NaiveDate,
    pub currency: String,
    pub to_date: f64,
    pub expected: f64,
    /// The ends of the intervals of 50 and 80 percent.
    pub half: Option<(f64, f64)>,
    pub likely: Option<(f64, f64)>,
}

impl Store {
    /// The forecasts of a question, the earliest first.
    pub(crate) fn forecasts(&self, scope: &str) -> Result<Vec<Made>> {
        let sql = format!(
            "SELECT made_on, period_start, period_end, known_through, currency, to_date, expected, low_50, high_50, low_80, high_80 \
             FROM forecasts WHERE scope = {} ORDER BY period_start, made_on",
            quoted(scope)
        );
        self.rows(&sql, "cannot read the forecasts", |row| {
            let ends = |low: usize| -> duckdb::Result<Option<(f64, f64)>> {
                Ok(row.get::<_, Option<f64>>(low)?.zip(row.get(low + 1)?))
            };
            Ok(Made {
                made_on: row.get(0)?,
                scope: scope.to_owned(),
                period: Period { start: row.get(1)?, end: row.get(2)? },
                known_through: row.get(3)?,
                currency: row.get(4)?,
                to_date: row.get(5)?,
                expected: row.get(6)?,
                half: ends(7)?,
                likely: ends(9)?,
            })
        })
    }

    /// Keeps forecasts; of the same question, day and period the newest counts.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub(crate) fn save_forecasts(&mut self, made: &[Made]) -> Result<()> {
        let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        let mut statements = vec!["BEGIN".to_owned()];
        for one in made {
            let key = format!(
                "made_on = DATE '{}' AND scope = {} AND period_start = DATE '{}' AND period_end = DATE '{}' AND currency = {}",
                one.made_on,
                quoted(&one.scope),
                one.period.start,
                one.period.end,
                quoted(&one.currency)
            );
            let ends =
                |ends: Option<(f64, f64)>| ends.map_or("NULL, NULL".into(), |(low, high)| format!("{low:?}, {high:?}"));
            statements.push(format!("DELETE FROM forecasts WHERE {key}"));
            statements.push(format!(
                "INSERT INTO forecasts VALUES (DATE '{}', {}, DATE '{}', DATE '{}', DATE '{}', {}, {:?}, {:?}, {}, {}, {})",
                one.made_on,
                quoted(&one.scope),
                one.period.start,
                one.period.end,
                one.known_through,
                quoted(&one.currency),
                one.to_date,
                one.expected,
                ends(one.half),
                ends(one.likely),
                quoted(program)
            ));
        }
        statements.push("COMMIT".to_owned());
        self.connection.execute_batch(&statements.join("; ")).map_err(|e| {
            let error = self.error("cannot keep the forecasts", &e);
            // A failed COMMIT has already ended the transaction.
            let _ = self.connection.execute_batch("ROLLBACK");
            error
        })
    }
}
