//! The user's own SQL, kept from doing harm: one SELECT, on a database opened read-only and cut off from
//! files and network, bounded in rows and time.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use duckdb::types::{TimeUnit, Value, ValueRef};
use serde_json::{Map, Number, Value as Json};

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
        self.check_single_select(sql)?;
        let (done, waiting) = mpsc::channel::<()>();
        let interrupt = self.connection.interrupt_handle();
        let timer = std::thread::spawn(move || {
            let late = waiting.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            if late {
                interrupt.interrupt();
            }
            late
        });
        let table = self.read_table(sql, limit);
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

    /// DuckDB's own parser says what the text is: it serialises SELECT statements and nothing else.
    fn check_single_select(&self, sql: &str) -> Result<()> {
        let refused = |cause: &str| {
            Error::usage("only one SELECT statement is allowed").cause(cause).hint(
                "the tables are cost_line_items, daily_cost_summary, ingestion_log and accounts: `DESCRIBE cost_line_items`",
            )
        };
        let text: String = self
            .connection
            .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0))
            .map_err(|e| refused(&tidy(&e)))?;
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
            1 => Ok(()),
            count => Err(refused(&format!("there are {count}"))),
        }
    }

    fn read_table(&self, sql: &str, limit: usize) -> duckdb::Result<Table> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut table = Table { columns: Vec::new(), rows: Vec::new(), truncated: false };
        while let Some(row) = rows.next()? {
            if table.rows.len() == limit {
                table.truncated = true;
                break;
            }
            let width = row.as_ref().column_count();
            table.rows.push((0..width).map(|index| row.get_ref(index).map(json_of)).collect::<duckdb::Result<_>>()?);
        }
        table.columns = rows.as_ref().map(|statement| statement.column_names()).unwrap_or_default();
        Ok(table)
    }
}

fn json_of(value: ValueRef) -> Json {
    owned_json(value.to_owned())
}

fn owned_json(value: Value) -> Json {
    let float = |number: f64| Number::from_f64(number).map_or(Json::Null, Json::Number);
    let list = |values: Vec<Value>| Json::Array(values.into_iter().map(owned_json).collect());
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::TinyInt(value) => value.into(),
        Value::SmallInt(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::BigInt(value) => value.into(),
        Value::UTinyInt(value) => value.into(),
        Value::USmallInt(value) => value.into(),
        Value::UInt(value) => value.into(),
        Value::UBigInt(value) => value.into(),
        Value::HugeInt(value) => match i64::try_from(value) {
            Ok(small) => small.into(),
            Err(_) => value.to_string().into(),
        },
        Value::Float(value) => float(f64::from(value)),
        Value::Double(value) => float(value),
        Value::Text(text) | Value::Enum(text) => text.into(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()).into(),
        Value::Date32(days) => date(i64::from(days)).into(),
        Value::Timestamp(unit, ticks) => timestamp(unit, ticks).into(),
        Value::List(values) | Value::Array(values) => list(values),
        Value::Struct(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), owned_json(value.clone())));
            Json::Object(fields.collect::<Map<_, _>>())
        }
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = match owned_json(key.clone()) {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                (key, owned_json(value.clone()))
            });
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Value::UHugeInt(value) => value.to_string().into(),
        Value::Decimal(value) => value.to_string().parse().map_or_else(|_| value.to_string().into(), float),
        Value::Time64(unit, ticks) => time(unit, ticks).into(),
        Value::Interval { months, days, nanos } => format!("{months} months {days} days {nanos} ns").into(),
        Value::Union(value) => owned_json(*value),
        Value::Geometry(bytes) => format!("{} bytes", bytes.len()).into(),
        // The enum is open; a type that is new to it is shown as the library shows it.
        other => format!("{other:?}").into(),
    }
}

fn time(unit: TimeUnit, ticks: i64) -> String {
    let instant = chrono::DateTime::from_timestamp_micros(unit.to_micros(ticks));
    instant.map_or_else(|| ticks.to_string(), |instant| instant.format("%H:%M:%S").to_string())
}

fn date(days: i64) -> String {
    let date = chrono::DateTime::from_timestamp(days * 86_400, 0);
    date.map_or_else(|| days.to_string(), |date| date.format("%Y-%m-%d").to_string())
}

fn timestamp(unit: TimeUnit, ticks: i64) -> String {
    let instant = chrono::DateTime::from_timestamp_micros(unit.to_micros(ticks));
    instant.map_or_else(|| ticks.to_string(), |instant| instant.format("%Y-%m-%dT%H:%M:%S").to_string())
}
