//! How the database stands: which bills are in it, what was run, and what this program itself spent.

use chrono::{NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Store, exact_sum};
use crate::error::Result;

/// A bill as it is stored: one source of one payer.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct StoredBill {
    /// The data source, such as `cur2`.
    pub source: String,
    /// Whose bill it is.
    pub provider: String,
    /// The account that pays it.
    pub payer_account_id: String,
    /// What it is in.
    pub currency: String,
    /// Its first day with a charge.
    pub first_day: NaiveDate,
    /// Its newest day with a charge.
    pub last_day: NaiveDate,
    /// How many months of it there are.
    pub months: u64,
    /// Line items.
    pub rows: u64,
    /// All charges, net and amortized.
    pub cost: f64,
    /// Whether any of it may still change.
    pub estimated: bool,
    /// When it was read last (UTC).
    pub ingested_at: NaiveDateTime,
}

/// A run of `run` or `watch`.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct PastRun {
    /// When it began (UTC).
    pub started_at: NaiveDateTime,
    /// When it was done (UTC).
    pub finished_at: NaiveDateTime,
    /// The day that was taken for today.
    pub as_of: NaiveDate,
    /// The first day that was judged.
    pub judged_start: Option<NaiveDate>,
    /// The last day that was judged.
    pub judged_end: Option<NaiveDate>,
    /// What failed first.
    pub error: Option<String>,
}

/// What this program asked of priced APIs in a month.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct Spent {
    /// Its first day.
    pub month: NaiveDate,
    /// Such as `cost_explorer`.
    pub service: String,
    /// How often it was asked.
    pub requests: u64,
    /// In US dollars.
    pub cost_usd: f64,
}

impl Store {
    /// The bills, in order of provider, source and payer.
    pub(crate) fn stored_bills(&self) -> Result<Vec<StoredBill>> {
        let sql = format!(
            "SELECT data_source, provider, payer_account_id, currency, min(first_day), max(last_day), \
             count(DISTINCT billing_period), sum(rows)::BIGINT, {}, bool_or(estimated), max(ingested_at) FROM ingestion_log \
             GROUP BY ALL ORDER BY provider, data_source, payer_account_id, currency",
            exact_sum("net_amortized_cost")
        );
        self.rows(&sql, "cannot read which bills there are", |row| {
            Ok(StoredBill {
                source: row.get(0)?,
                provider: row.get(1)?,
                payer_account_id: row.get(2)?,
                currency: row.get(3)?,
                first_day: row.get(4)?,
                last_day: row.get(5)?,
                months: row.get(6)?,
                rows: row.get(7)?,
                cost: row.get(8)?,
                estimated: row.get(9)?,
                ingested_at: row.get(10)?,
            })
        })
    }

    /// The newest runs, the last first; what was judged of several questions and bills of a run is one.
    pub(crate) fn past_runs(&self, most: usize) -> Result<Vec<PastRun>> {
        let sql = format!(
            "SELECT started_at, max(finished_at), max(as_of), min(judged_start), max(judged_end), min(error) FROM runs \
             GROUP BY started_at ORDER BY started_at DESC LIMIT {most}"
        );
        self.rows(&sql, "cannot read the runs", |row| {
            Ok(PastRun {
                started_at: row.get(0)?,
                finished_at: row.get(1)?,
                as_of: row.get(2)?,
                judged_start: row.get(3)?,
                judged_end: row.get(4)?,
                error: row.get(5)?,
            })
        })
    }

    /// What this program asked of priced APIs, the newest month first.
    pub(crate) fn spent_by_month(&self, most: usize) -> Result<Vec<Spent>> {
        let sql = format!(
            "SELECT date_trunc('month', called_at)::DATE, service, sum(requests)::BIGINT, {} FROM api_calls \
             GROUP BY ALL ORDER BY 1 DESC, 4 DESC, 2 LIMIT {most}",
            exact_sum("cost_usd")
        );
        self.rows(&sql, "cannot read what requests cost", |row| {
            Ok(Spent { month: row.get(0)?, service: row.get(1)?, requests: row.get(2)?, cost_usd: row.get(3)? })
        })
    }
}
