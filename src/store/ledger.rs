//! The ledger of incidents: what was found, how it stands, and what became of it.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use duckdb::{
    Row,
    types::{Type, Value},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Store, quoted};
use crate::{
    error::{Error, Result},
    model::{
        ChargeCategory, Direction, Event, Evidence, Filter, GroupBy, Kind, Method, Metric, Severity, State,
        text::{WithText, with_texts},
    },
};

/// What was asked when an incident was found. Incidents of one scope are told apart by group, direction and days.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
pub struct Scope {
    pub metric: Metric,
    /// `null` when every level was judged.
    pub group_by: Option<GroupBy>,
    pub charge_categories: Vec<ChargeCategory>,
    /// In the order of their texts.
    pub filters: Vec<Filter>,
    /// The data source that was named.
    pub data_source: Option<String>,
    pub method: Method,
}

impl Scope {
    /// The scope as one text of the database.
    pub fn key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// In words, for people.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let of = self.group_by.as_ref().map_or_else(|| "every level".to_owned(), ToString::to_string);
        write!(f, "{} of {of}", self.metric.name())?;
        self.charge_categories.iter().try_for_each(|category| write!(f, " +{}", category.as_str()))?;
        self.filters.iter().try_for_each(|filter| write!(f, " {filter}"))?;
        if let Some(source) = &self.data_source {
            write!(f, " source={source}")?;
        }
        write!(f, " by {}", self.method.name())
    }
}

/// A struct whose fields are columns of a table, in the order of both.
macro_rules! row_of {
    ($(#[$meta:meta])* pub struct $name:ident in $table:literal {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            const COLUMNS: &[&str] = &[$(stringify!($field)),*];
            const TABLE: &str = $table;

            /// # Errors
            /// When a value is none that this version knows.
            fn read(row: &Row) -> duckdb::Result<Self> {
                let mut column = 0..;
                $(let $field = Column::read(row, column.next().unwrap_or_default())?;)*
                Ok(Self { $($field),* })
            }

            /// The values as SQL.
            fn values(&self) -> String {
                format!("({})", [$(self.$field.sql()),*].join(", "))
            }
        }
    };
}

row_of! {
/// One incident of the ledger.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Incident in "incidents" {
    pub id: String,
    pub scope: Scope,
    /// The dimensions of the group; none for the total.
    pub group_by: GroupBy,
    /// One value for each dimension; none for a shift that many groups share.
    pub group_values: Vec<String>,
    /// The program and version that judged it last.
    pub program: String,
    pub threshold: f64,
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
    /// Actual minus expected on the last flagged day.
    pub last_impact: f64,
    /// Actual minus expected from the first to the last flagged day.
    pub impact_total: f64,
    pub at_stake: f64,
    pub score: f64,
    pub flagged_days: u32,
    #[serde(serialize_with = "with_texts")]
    #[schemars(with = "Vec<WithText<'static, Evidence>>")]
    pub reasons: Vec<Evidence>,
    /// The incident that covers it now, when it is withdrawn for that.
    pub merged_into: Option<String>,
}
}

row_of! {
/// What became of an incident on a day.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct HistoryEntry in "incident_events" {
    pub seen_on: NaiveDate,
    pub event: Event,
    pub kind: Kind,
    pub severity: Severity,
    pub last_date: NaiveDate,
    pub impact: f64,
    pub impact_total: f64,
    pub score: f64,
}
}

impl Store {
    /// The incidents of a scope, or all, the last one first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn incidents(&self, scope: Option<&Scope>) -> Result<Vec<Incident>> {
        let condition = scope.map_or_else(|| "true".to_owned(), |scope| format!("scope = {}", scope.sql()));
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} ORDER BY last_date DESC, abs(impact_total) DESC, id",
            Incident::COLUMNS.join(", "),
            Incident::TABLE
        );
        self.rows(&sql, "cannot read the ledger", Incident::read)
    }

    /// What became of an incident, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn incident_events(&self, id: &str) -> Result<Vec<HistoryEntry>> {
        let sql = format!(
            "SELECT {} FROM {} WHERE incident_id = {} ORDER BY recorded_at, seen_on",
            HistoryEntry::COLUMNS.join(", "),
            HistoryEntry::TABLE,
            quoted(id)
        );
        self.rows(&sql, "cannot read the ledger", HistoryEntry::read)
    }

    /// Writes incidents over those of the same id, with what happened to each, in one transaction.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub(crate) fn save_incidents(&mut self, incidents: &[(Incident, Option<Event>)]) -> Result<()> {
        if incidents.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> = incidents.iter().map(|(incident, _)| incident.values()).collect();
        let (columns, table) = (Incident::COLUMNS.join(", "), Incident::TABLE);
        let mut sql = format!("INSERT OR REPLACE INTO {table} ({columns}) VALUES {};", rows.join(", "));
        let (columns, table) = (HistoryEntry::COLUMNS.join(", "), HistoryEntry::TABLE);
        for (incident, event) in incidents {
            let Some(event) = *event else { continue };
            let entry = HistoryEntry {
                seen_on: incident.seen_on,
                event,
                kind: incident.kind,
                severity: incident.severity,
                last_date: incident.last_date,
                impact: incident.impact,
                impact_total: incident.impact_total,
                score: incident.score,
            };
            let (id, values) = (quoted(&incident.id), entry.values());
            sql += &format!(
                "INSERT INTO {table} (incident_id, recorded_at, {columns}) \
                 SELECT {id}, CAST(current_timestamp AS TIMESTAMP), * FROM (VALUES {values});"
            );
        }
        self.in_transaction(|store| {
            store.connection.execute_batch(&sql).map_err(|e| store.error("cannot write the ledger", &e))
        })
    }
}

/// A type that a column holds.
trait Column: Sized {
    /// # Errors
    /// When the column holds something else.
    fn read(row: &Row, column: usize) -> duckdb::Result<Self>;

    /// The value as SQL.
    fn sql(&self) -> String;
}

/// Types that DuckDB reads as they are.
macro_rules! plain_columns {
    ($($type:ty => $sql:expr),* $(,)?) => {$(
        impl Column for $type {
            fn read(row: &Row, column: usize) -> duckdb::Result<Self> {
                row.get(column)
            }

            fn sql(&self) -> String {
                let sql: fn(&Self) -> String = $sql;
                sql(self)
            }
        }
    )*};
}

plain_columns! {
    String => |text| quoted(text),
    Option<String> => |text| nullable(text.as_deref()),
    f64 => |value| format!("{value:?}::DOUBLE"),
    u32 => |value| value.to_string(),
    NaiveDate => |day| format!("DATE '{day}'"),
    Option<NaiveDate> => |day| day.map_or_else(|| "NULL".to_owned(), |day| format!("DATE '{day}'")),
}

/// Words of the program's own, held by their names.
macro_rules! word_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, column: usize) -> duckdb::Result<Self> {
                word(row, column)
            }

            fn sql(&self) -> String {
                quoted(self.name())
            }
        }
    )*};
}

word_columns!(State, Kind, Direction, Severity, Event);

/// Structures, held as JSON.
macro_rules! json_columns {
    ($($type:ty => $json:expr),* $(,)?) => {$(
        impl Column for $type {
            fn read(row: &Row, column: usize) -> duckdb::Result<Self> {
                let text: String = row.get(column)?;
                serde_json::from_str(&text).map_err(|error| conversion(column, error))
            }

            fn sql(&self) -> String {
                let json: fn(&Self) -> String = $json;
                quoted(&json(self))
            }
        }
    )*};
}

json_columns! {
    Scope => Scope::key,
    Vec<Evidence> => |evidence| serde_json::to_string(evidence).unwrap_or_default(),
}

impl Column for Vec<String> {
    fn read(row: &Row, column: usize) -> duckdb::Result<Self> {
        row.get(column).map(texts)
    }

    fn sql(&self) -> String {
        list(self)
    }
}

impl Column for GroupBy {
    fn read(row: &Row, column: usize) -> duckdb::Result<Self> {
        let text: String = row.get(column)?;
        let names = text.split('+').filter(|name| !name.is_empty());
        let dimensions = names.map(str::parse).collect::<Result<_>>();
        dimensions.map(GroupBy).map_err(|error: Error| conversion(column, error))
    }

    fn sql(&self) -> String {
        quoted(&self.to_string())
    }
}

fn conversion(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> duckdb::Error {
    duckdb::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
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
    text.parse().map_err(|error| conversion(column, error))
}
