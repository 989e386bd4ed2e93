use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Answer, Effect, Header, Operation, Session, input::number};
use crate::{
    error::Result,
    store::{apart, user_query::Query},
};

/// Ask the database with one SELECT statement
///
/// The database is opened read-only and cut off from files and network, in a process of its own that may take --timeout
/// and --memory-limit. Tables: cost_line_items, daily_cost_summary, ingestion_log, accounts (docs/DATA.md). In JSON, which
/// does not have them, NaN and infinity are the texts NaN, inf and -inf.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct QueryDatabase {
    /// The statement, in DuckDB's SQL
    #[arg(value_name = "SELECT", allow_hyphen_values = true)]
    pub query: String,

    /// Rows to show at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub limit: u32,

    /// Seconds that the query may take, such as 60 or 0.5
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = number)]
    #[schemars(range(min = 0.001, max = 86_400))]
    pub timeout: f64,
}

/// What a statement gives.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Rows {
    /// Their names, in order.
    pub columns: Vec<String>,
    /// Whether there are more rows than were asked for.
    pub truncated: bool,
    /// An object for each row, from column to value.
    pub rows: Vec<Map<String, Value>>,
    /// The rows again, for columns that have the same name.
    #[serde(skip)]
    pub cells: Vec<Vec<Value>>,
}

impl Operation for QueryDatabase {
    const NAME: &'static str = "sql";
    const TITLE: &'static str = "One SELECT statement";
    const EFFECT: Effect = Effect::Read;
    type Output = Rows;

    fn answer(&self, session: &Session) -> Result<Answer<Rows>> {
        let time = Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::MAX);
        let query = Query { sql: &self.query, rows: self.limit as usize, time, stop: session.stop() };
        let table = match session.program() {
            Some(program) => apart::select(program, session.database(), &query)?,
            None => session.store()?.select(&query)?,
        };
        let object = |row: &Vec<Value>| table.columns.iter().cloned().zip(row.iter().cloned()).collect();
        let rows = table.rows.iter().map(object).collect();
        let body = Rows { rows, columns: table.columns, truncated: table.truncated, cells: table.rows };
        Ok(Answer { header: Header::plain(), body })
    }
}
