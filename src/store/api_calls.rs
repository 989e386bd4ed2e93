//! What this program itself asked of priced APIs.

use chrono::NaiveDate;
use duckdb::params;

use super::{Store, exact_sum};
use crate::error::Result;

/// Requests to a priced API.
pub(crate) struct ApiCall<'a> {
    pub service: &'a str,
    pub operation: &'a str,
    pub account_id: &'a str,
    pub about: &'a str,
    pub requests: u32,
    pub cost_usd: f64,
    pub outcome: &'a str,
}

impl Store {
    /// Notes requests to a priced API, at once and for good.
    pub(crate) fn record_call(&self, call: &ApiCall) -> Result<()> {
        self.connection
            .execute(
                "INSERT INTO api_calls VALUES (CAST(now() AS TIMESTAMP), ?, ?, ?, ?, ?, ?, ?)",
                params![
                    call.service,
                    call.operation,
                    call.account_id,
                    call.about,
                    call.requests,
                    call.cost_usd,
                    call.outcome
                ],
            )
            .map(|_| ())
            .map_err(|e| self.error("cannot note what a request cost", &e))
    }

    /// Requests to priced APIs in the month of `day`, and their price in US dollars.
    pub(crate) fn spent_in_month(&self, day: NaiveDate) -> Result<(u64, f64)> {
        let sql = format!(
            "SELECT COALESCE(sum(requests), 0)::BIGINT, COALESCE({}, 0) FROM api_calls \
             WHERE date_trunc('month', called_at) = date_trunc('month', DATE '{day}')",
            exact_sum("cost_usd")
        );
        self.connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| self.error("cannot read what requests cost", &e))
    }
}
