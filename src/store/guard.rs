//! The user's own SQL, kept from doing harm: one SELECT, on a database opened read-only and cut off from
//! files and network, bounded in rows and time.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use duckdb::types::Value;
use serde_json::{Number, Value as Json};

use super::{Store, tidy};
use crate::error::{Error, Result};

/// The answer to a query.
#[derive(Debug)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Json>>,
    /// Whether there were more rows than the limit.
    pub truncated: bool,
}

impl Store {
    /// Runs one SELECT and returns at most `limit` rows.
    ///
    /// # Errors
    /// When `sql` is not a single SELECT, fails, or runs longer than `timeout`.
    pub fn select(&self, sql: &str, limit: usize, timeout: Duration) -> Result<Table> {
        let sql = self.single_select(sql)?;
        let (done, waiting) = mpsc::channel::<()>();
        let interrupt = self.connection.interrupt_handle();
        let timer = std::thread::spawn(move || {
            let late = waiting.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            if late {
                interrupt.interrupt();
            }
            late
        });
        let table = self.read_table(&sql, limit);
        drop(done);
        let late = timer.join().unwrap_or(false);
        table.map_err(|e| {
            let error = Error::input("the query failed").cause(tidy(&e));
            if late {
                error.hint(format!("it ran longer than {} s; allow more with `--timeout`", timeout.as_secs()))
            } else {
                error
            }
        })
    }

    /// DuckDB's own parser says what the text is: it serialises SELECT statements and nothing else. Returns
    /// the statement as the parser writes it, without comments and semicolons.
    fn single_select(&self, sql: &str) -> Result<String> {
        let refused = |cause: &str| {
            Error::usage("only one SELECT statement is allowed").cause(cause).hint(
                "the tables are cost_line_items, daily_cost_summary, ingestion_log and accounts: `DESCRIBE cost_line_items`",
            )
        };
        let ask = |question: &str| self.connection.query_row(question, [sql], |row| row.get::<_, String>(0));
        let text = ask("SELECT json_serialize_sql(?::VARCHAR)").map_err(|e| refused(&tidy(&e)))?;
        let parsed: Json =
            serde_json::from_str(&text).map_err(|e| Error::bug("unreadable parse of a query").cause(e))?;
        if parsed["error"] == Json::Bool(true) {
            let message = parsed["error_message"].as_str().unwrap_or_default();
            return Err(if parsed["error_type"] == "parser" {
                Error::usage("the query cannot be parsed").cause(message)
            } else {
                refused("this is a statement of another kind")
            });
        }
        match parsed["statements"].as_array().map_or(0, Vec::len) {
            1 => ask("SELECT json_deserialize_sql(json_serialize_sql(?::VARCHAR))").map_err(|e| refused(&tidy(&e))),
            count => Err(refused(&format!("there are {count}"))),
        }
    }

    /// Reads a statement in types that JSON has: numbers and booleans as they are, nested values as JSON,
    /// everything else as DuckDB writes it.
    fn read_table(&self, sql: &str, limit: usize) -> duckdb::Result<Table> {
        let described = self.describe(sql)?;
        let aliases: Vec<String> = (0..described.len()).map(|index| format!("c{index}")).collect();
        let columns = described.iter().zip(&aliases).map(|((_, sql_type), alias)| cast(sql_type, alias));
        let query = format!(
            "SELECT {} FROM ({sql}) AS answer({}) LIMIT {}",
            columns.collect::<Vec<_>>().join(", "),
            aliases.join(", "),
            limit.saturating_add(1)
        );
        let mut statement = self.connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut table =
            Table { columns: unique(described.iter().map(|(name, _)| name)), rows: Vec::new(), truncated: false };
        while let Some(row) = rows.next()? {
            if table.rows.len() == limit {
                table.truncated = true;
                break;
            }
            let cells =
                described.iter().enumerate().map(|(index, (_, sql_type))| Ok(json_of(row.get(index)?, sql_type)));
            table.rows.push(cells.collect::<duckdb::Result<_>>()?);
        }
        Ok(table)
    }

    /// The names and types of the columns of a statement.
    fn describe(&self, sql: &str) -> duckdb::Result<Vec<(String, String)>> {
        let mut statement =
            self.connection.prepare(&format!("SELECT column_name, column_type FROM (DESCRIBE {sql})"))?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

fn is_integer(sql_type: &str) -> bool {
    matches!(
        sql_type,
        "TINYINT"
            | "SMALLINT"
            | "INTEGER"
            | "BIGINT"
            | "HUGEINT"
            | "UTINYINT"
            | "USMALLINT"
            | "UINTEGER"
            | "UBIGINT"
            | "UHUGEINT"
    )
}

/// Whether a decimal type fits a double, which has 15 exact digits; the longer ones stay text, too.
fn is_short_decimal(sql_type: &str) -> bool {
    let width = sql_type.strip_prefix("DECIMAL(").and_then(|rest| rest.split_once(','));
    width.and_then(|(width, _)| width.parse().ok()).is_some_and(|width: u32| width <= 15)
}

fn is_nested(sql_type: &str) -> bool {
    sql_type.ends_with(']')
        || ["STRUCT", "MAP", "JSON", "UNION", "VARIANT"].iter().any(|start| sql_type.starts_with(start))
}

fn cast(sql_type: &str, column: &str) -> String {
    match sql_type {
        "BOOLEAN" | "DOUBLE" | "VARCHAR" => column.to_owned(),
        "FLOAT" => format!("CAST({column} AS DOUBLE)"),
        nested if is_nested(nested) => format!("CAST(to_json({column}) AS VARCHAR)"),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}

fn json_of(value: Value, sql_type: &str) -> Json {
    match value {
        Value::Boolean(value) => value.into(),
        Value::Double(value) => Number::from_f64(value).map_or(Json::Null, Json::Number),
        // Integers beyond 64 bits stay text: JSON readers would round them.
        Value::Text(text) if is_integer(sql_type) => text.parse::<i64>().map_or_else(|_| text.into(), Json::from),
        Value::Text(text) if is_short_decimal(sql_type) => {
            text.parse().ok().and_then(Number::from_f64).map_or_else(|| text.into(), Json::Number)
        }
        Value::Text(text) if is_nested(sql_type) => serde_json::from_str(&text).unwrap_or_else(|_| text.into()),
        Value::Text(text) => text.into(),
        _ => Json::Null,
    }
}

/// Column names that differ, as JSON needs them: the second `a` becomes `a_2`.
fn unique<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let candidates = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(candidates).find(|candidate| !all.contains(candidate));
        all.extend(free);
    }
    all
}
