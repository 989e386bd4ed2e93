//! The ledger of incidents: what was found, how it stands, and what became of it.

use std::str::FromStr;

use chrono::NaiveDate;
use duckdb::{
    Row,
    types::{Type, Value},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Store, quoted};
use crate::{
    error::Result,
    model::{Direction, Event, Kind, Method, Metric, Severity, State},
};

/// One incident of the ledger.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Incident {
    pub id: String,
    /// What was asked when it was found: dimensions, metric, filters. Incidents of one scope are told apart by
    /// group, direction and days.
    pub scope: String,
    pub group_by: String,
    /// One value for each dimension; none for a move that many groups share.
    pub group_values: Vec<String>,
    pub method: Method,
    /// The program and version that judged it last.
    pub program: String,
    pub threshold: f64,
    pub metric: Metric,
    pub currency: String,
    pub state: State,
    pub kind: Kind,
    pub direction: Direction,
    pub severity: Severity,
    pub start_date: NaiveDate,
    pub peak_date: NaiveDate,
    /// The last flagged day.
    pub last_date: NaiveDate,
    /// The settled day on which it was first found.
    pub opened_on: NaiveDate,
    /// The settled day on which it was last judged.
    pub seen_on: NaiveDate,
    pub closed_on: Option<NaiveDate>,
    /// Of the peak day.
    pub actual: f64,
    pub expected: f64,
    pub impact: f64,
    /// Actual minus expected on the last flagged day; as `impact` where an older version judged it.
    pub last_impact: f64,
    /// Actual minus expected from the first to the last flagged day.
    pub impact_total: f64,
    pub at_stake: f64,
    pub score: f64,
    pub flagged_days: u32,
    pub reasons: Vec<String>,
    /// The filters of the question, as the command line takes them.
    pub filters: Vec<String>,
    /// The charge categories that counted; none where an older version found it.
    pub charge_categories: Vec<String>,
    /// The data source that was named.
    pub data_source: Option<String>,
    /// The incident that tells it now, when it is withdrawn for that.
    pub merged_into: Option<String>,
}

/// What became of an incident on a day.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct HistoryEntry {
    pub seen_on: NaiveDate,
    pub event: Event,
    pub kind: Kind,
    pub severity: Severity,
    pub last_date: NaiveDate,
    pub impact: f64,
    pub impact_total: f64,
    pub score: f64,
}

const COLUMNS: &str = "id, scope, group_by, group_values, method, program, threshold, metric, currency, state, kind, direction, severity, \
     start_date, peak_date, last_date, opened_on, seen_on, closed_on, actual, expected, impact, impact_total, at_stake, score, \
     flagged_days, reasons, filters, charge_categories, data_source, merged_into, last_impact";

impl Store {
    /// The incidents of a scope, or all, the last one first.
    pub fn incidents(&self, scope: Option<&str>) -> Result<Vec<Incident>> {
        let condition = scope.map_or_else(|| "true".to_owned(), |scope| format!("scope = {}", quoted(scope)));
        let sql = format!(
            "SELECT {COLUMNS} FROM incidents WHERE {condition} ORDER BY last_date DESC, abs(impact_total) DESC, id"
        );
        self.rows(&sql, "cannot read the ledger", |row| {
            Ok(Incident {
                id: row.get(0)?,
                scope: row.get(1)?,
                group_by: row.get(2)?,
                group_values: texts(row.get(3)?),
                method: word(row, 4)?,
                program: row.get(5)?,
                threshold: row.get(6)?,
                metric: word(row, 7)?,
                currency: row.get(8)?,
                state: word(row, 9)?,
                kind: word(row, 10)?,
                direction: word(row, 11)?,
                severity: word(row, 12)?,
                start_date: row.get(13)?,
                peak_date: row.get(14)?,
                last_date: row.get(15)?,
                opened_on: row.get(16)?,
                seen_on: row.get(17)?,
                closed_on: row.get(18)?,
                actual: row.get(19)?,
                expected: row.get(20)?,
                impact: row.get(21)?,
                impact_total: row.get(22)?,
                at_stake: row.get(23)?,
                score: row.get(24)?,
                flagged_days: row.get(25)?,
                reasons: texts(row.get(26)?),
                filters: texts(row.get(27)?),
                charge_categories: texts(row.get(28)?),
                data_source: row.get(29)?,
                merged_into: row.get(30)?,
                last_impact: row.get::<_, Option<f64>>(31)?.unwrap_or(row.get(21)?),
            })
        })
    }

    /// What became of an incident, the oldest first.
    pub fn incident_events(&self, id: &str) -> Result<Vec<HistoryEntry>> {
        let sql = format!(
            "SELECT seen_on, event, kind, severity, last_date, impact, impact_total, score FROM incident_events \
             WHERE incident_id = {} ORDER BY recorded_at, seen_on",
            quoted(id)
        );
        self.rows(&sql, "cannot read the ledger", |row| {
            Ok(HistoryEntry {
                seen_on: row.get(0)?,
                event: word(row, 1)?,
                kind: word(row, 2)?,
                severity: word(row, 3)?,
                last_date: row.get(4)?,
                impact: row.get(5)?,
                impact_total: row.get(6)?,
                score: row.get(7)?,
            })
        })
    }

    /// Writes incidents over those of the same id, with what happened to each, in one transaction.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub fn save_incidents(&mut self, incidents: &[(Incident, Option<Event>)]) -> Result<()> {
        if incidents.is_empty() {
            return Ok(());
        }
        self.in_transaction(|store| {
            let rows: Vec<String> = incidents.iter().map(|(incident, _)| row(incident)).collect();
            let events: Vec<String> = incidents
                .iter()
                .filter_map(|(incident, event)| {
                    Some(format!(
                        "({}, CAST(current_timestamp AS TIMESTAMP), DATE '{}', {}, {}, {}, DATE '{}', {:?}, {:?}, {:?})",
                        quoted(&incident.id),
                        incident.seen_on,
                        quoted((*event)?.name()),
                        quoted(incident.kind.name()),
                        quoted(incident.severity.name()),
                        incident.last_date,
                        incident.impact,
                        incident.impact_total,
                        incident.score
                    ))
                })
                .collect();
            let mut sql = format!("INSERT OR REPLACE INTO incidents ({COLUMNS}) VALUES {};", rows.join(", "));
            if !events.is_empty() {
                sql += &format!("INSERT INTO incident_events VALUES {}", events.join(", "));
            }
            store.connection.execute_batch(&sql).map_err(|e| store.error("cannot write the ledger", &e))
        })
    }
}

/// The SQL of an incident's values, in the order of [`COLUMNS`].
fn row(incident: &Incident) -> String {
    let day = |day: NaiveDate| format!("DATE '{day}'");
    let number = |value: f64| format!("{value:?}::DOUBLE");
    let values = [
        quoted(&incident.id),
        quoted(&incident.scope),
        quoted(&incident.group_by),
        list(&incident.group_values),
        quoted(incident.method.name()),
        quoted(&incident.program),
        number(incident.threshold),
        quoted(incident.metric.name()),
        quoted(&incident.currency),
        quoted(incident.state.name()),
        quoted(incident.kind.name()),
        quoted(incident.direction.name()),
        quoted(incident.severity.name()),
        day(incident.start_date),
        day(incident.peak_date),
        day(incident.last_date),
        day(incident.opened_on),
        day(incident.seen_on),
        incident.closed_on.map_or_else(|| "NULL".to_owned(), day),
        number(incident.actual),
        number(incident.expected),
        number(incident.impact),
        number(incident.impact_total),
        number(incident.at_stake),
        number(incident.score),
        incident.flagged_days.to_string(),
        list(&incident.reasons),
        list(&incident.filters),
        list(&incident.charge_categories),
        nullable(incident.data_source.as_deref()),
        nullable(incident.merged_into.as_deref()),
        number(incident.last_impact),
    ];
    format!("({})", values.join(", "))
}

/// The SQL of a list of texts.
pub(super) fn list(values: &[String]) -> String {
    format!("[{}]::VARCHAR[]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// The SQL of a text that may be missing.
pub(super) fn nullable(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), quoted)
}

pub(super) fn texts(value: Value) -> Vec<String> {
    let Value::List(values) = value else { return Vec::new() };
    values.into_iter().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None }).collect()
}

/// A word of the program's own from a column.
///
/// # Errors
/// When it is none that this version knows.
pub(super) fn word<T: FromStr<Err = strum::ParseError>>(row: &Row, column: usize) -> duckdb::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| duckdb::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
