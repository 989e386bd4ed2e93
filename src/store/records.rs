//! Costs that other programs hand in one by one. They are kept as they came, and counted as a bill of its own.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Serialize;

use super::{Store, exact_sum, quoted};
use crate::error::Result;

/// A cost as it was handed in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    pub id: i64,
    pub service: String,
    pub cost: f64,
    /// When the cost arose (UTC).
    pub timestamp: DateTime<Utc>,
    pub region: String,
    pub account_id: String,
    /// What whoever handed it in says.
    pub is_anomaly: bool,
    pub created_at: DateTime<Utc>,
}

/// Which records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub service: Option<&'a str>,
    pub region: Option<&'a str>,
    /// Days in UTC.
    pub days: Option<(NaiveDate, NaiveDate)>,
    pub id: Option<i64>,
    /// How many, and after how many others; all where there is none.
    pub page: Option<(u64, u64)>,
}

const COLUMNS: &str = "id, service, cost, timestamp, region, account_id, is_anomaly, created_at";

impl Store {
    /// Records in the order in which they came.
    pub(crate) fn records(&self, wanted: &Wanted) -> Result<Vec<Record>> {
        let service = wanted.service.map(|service| format!("service = {}", quoted(service)));
        let region = wanted.region.map(|region| format!("region = {}", quoted(region)));
        let days = wanted
            .days
            .map(|(first, last)| format!("timestamp >= DATE '{first}' AND timestamp < DATE '{last}' + INTERVAL 1 DAY"));
        let id = wanted.id.map(|id| format!("id = {id}"));
        let conditions: Vec<String> = [service, region, days, id].into_iter().flatten().collect();
        let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let page = wanted.page.map_or(String::new(), |(count, offset)| format!(" LIMIT {count} OFFSET {offset}"));
        let sql = format!("SELECT {COLUMNS} FROM records WHERE {condition} ORDER BY id{page}");
        self.rows(&sql, "cannot read the records", |row| {
            Ok(Record {
                id: row.get(0)?,
                service: row.get(1)?,
                cost: row.get(2)?,
                timestamp: row.get::<_, NaiveDateTime>(3)?.and_utc(),
                region: row.get(4)?,
                account_id: row.get(5)?,
                is_anomaly: row.get(6)?,
                created_at: row.get::<_, NaiveDateTime>(7)?.and_utc(),
            })
        })
    }

    /// What the records of each service cost, the costliest first.
    pub(crate) fn record_totals(&self) -> Result<Vec<(String, f64)>> {
        let sql = format!(
            "SELECT service, {} AS cost FROM records GROUP BY service ORDER BY cost DESC, service",
            exact_sum("cost")
        );
        self.rows(&sql, "cannot read the records", |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The id that a record gets next.
    pub(crate) fn next_record_id(&self) -> Result<i64> {
        let sql = "SELECT COALESCE(max(id), 0) + 1 FROM records";
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(|e| self.error("cannot read the records", &e))
    }

    /// Keeps records, within the transaction that counts them.
    pub(super) fn insert_records(&self, records: &[Record]) -> Result<()> {
        for some in records.chunks(500) {
            let row = |record: &Record| {
                format!(
                    "({}, {}, {:?}::DOUBLE, TIMESTAMP '{}', {}, {}, {}, TIMESTAMP '{}')",
                    record.id,
                    quoted(&record.service),
                    record.cost,
                    record.timestamp.naive_utc(),
                    quoted(&record.region),
                    quoted(&record.account_id),
                    record.is_anomaly,
                    record.created_at.naive_utc()
                )
            };
            let rows: Vec<String> = some.iter().map(row).collect();
            self.run(
                &format!("INSERT INTO records ({COLUMNS}) VALUES {}", rows.join(", ")),
                "cannot keep the records",
            )?;
        }
        Ok(())
    }
}
