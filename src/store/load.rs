//! Writing bills: a billing period of a source is replaced whole, in one transaction, or not at all.
//!
//! What an ingestion replaces is what is the same money: the same source, provider, payer and billing
//! period, whatever the files are called. Everything is SQL over the files; no row passes through Rust.

use chrono::NaiveDate;
use duckdb::ToSql;
use serde::Serialize;

use super::{Store, quoted};
use crate::error::{Error, Result};

/// The measures of the summary and the log, in the order of their columns.
const COSTS: [&str; 6] =
    ["unblended_cost", "blended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost", "list_cost"];

/// Files that belong together: all that there is of the periods in them.
pub struct Load<'a> {
    pub data_source: &'a str,
    pub export: &'a str,
    pub assembly_id: &'a str,
    pub files: Vec<SourceFile<'a>>,
}

/// One file as SQL.
pub struct SourceFile<'a> {
    pub key: &'a str,
    pub size: u64,
    pub etag: &'a str,
    /// The FROM item that reads it.
    pub from: &'a str,
    /// Pairs of a column of `cost_line_items` and the expression over the file that fills it.
    pub expressions: &'a [(&'static str, String)],
    /// Rows to leave out.
    pub left_out: Option<&'a str>,
}

/// What the database now holds of one period of one payer, and what was there before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadedPeriod {
    pub data_source: String,
    pub provider: String,
    pub payer_account_id: String,
    pub billing_period: NaiveDate,
    pub currency: String,
    pub files: u64,
    pub rows: u64,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub days: u64,
    pub unblended_cost: f64,
    pub blended_cost: Option<f64>,
    pub amortized_cost: f64,
    pub net_unblended_cost: f64,
    pub net_amortized_cost: f64,
    pub list_cost: Option<f64>,
    /// The sum of credits and refunds, unblended, at most 0.
    pub credits: f64,
    pub estimated: bool,
}

/// The outcome of one load.
#[derive(Debug, Default)]
pub struct Loaded {
    pub periods: Vec<LoadedPeriod>,
    /// Rows that the files hold but the store does not want.
    pub left_out: u64,
    /// Former files of the same periods that were not part of this load, with their rows.
    pub replaced: Vec<(String, u64)>,
}

/// The identity of the money in a file: provider, payer and billing period.
pub type Scope = (String, String, NaiveDate);

impl Store {
    /// The scopes of one file, read from the few columns that say it.
    pub fn scopes(&self, file: &SourceFile) -> Result<Vec<Scope>> {
        let expression = |column: &str| {
            let found = file.expressions.iter().find(|(name, _)| *name == column);
            found.map_or("NULL", |(_, sql)| sql.as_str())
        };
        let sql = format!(
            "SELECT DISTINCT {}, {}, {} FROM {}",
            expression("provider"),
            expression("payer_account_id"),
            expression("billing_period"),
            file.from
        );
        let read = || -> duckdb::Result<Vec<Scope>> {
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                let payer: Option<String> = row.get(1)?;
                Ok((row.get(0)?, payer.unwrap_or_default(), row.get(2)?))
            })?;
            rows.collect()
        };
        read().map_err(|e| self.error(&format!("cannot read `{}`", file.key), &e))
    }

    /// Whether the database holds just what loading `load` would bring.
    pub fn is_current(&self, load: &Load) -> Result<bool> {
        let doing = "cannot read the ingestion log";
        let mut statement = self
            .connection
            .prepare(
                "SELECT COALESCE(sum(rows) = max(file_rows), false) FROM ingestion_log \
                 WHERE data_source = ? AND key = ? AND etag = ? AND assembly_id = ?",
            )
            .map_err(|e| self.error(doing, &e))?;
        for file in &load.files {
            let arguments: [&dyn ToSql; 4] = [&load.data_source, &file.key, &file.etag, &load.assembly_id];
            let current: bool = statement.query_row(arguments, |row| row.get(0)).map_err(|e| self.error(doing, &e))?;
            if !current {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Replaces the periods of `load` in one transaction.
    ///
    /// `before_commit` is the caller's last word: an error from it, or from anything before, leaves the
    /// database as it was.
    ///
    /// # Errors
    /// When a file cannot be read as its columns promise, holds no rows or costs that are no numbers, or
    /// the database cannot be written.
    pub fn replace(&mut self, load: &Load, before_commit: impl FnOnce() -> Result<()>) -> Result<Loaded> {
        self.run("BEGIN", "cannot start the transaction")?;
        let loaded = self.replace_in_transaction(load).and_then(|loaded| {
            before_commit()?;
            self.run("COMMIT", "cannot commit").map(|()| loaded)
        });
        if loaded.is_err() {
            // Fails only when DuckDB has rolled back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        loaded
    }

    fn run(&self, sql: &str, doing: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| self.error(doing, &e))
    }

    fn replace_in_transaction(&self, load: &Load) -> Result<Loaded> {
        let id: i64 = self
            .connection
            .query_row("SELECT COALESCE(max(ingestion_id), 0) + 1 FROM ingestion_log", [], |row| row.get(0))
            .map_err(|e| self.error("cannot read the ingestion log", &e))?;
        let mut loaded = Loaded::default();
        for file in &load.files {
            loaded.left_out += self.insert(id, load.data_source, file)?;
        }
        self.aggregate(id)?;
        loaded.replaced = self.delete_former(id, load)?;
        self.write_summary_and_log(id, load)?;
        loaded.periods = self.loaded_periods(id)?;
        if loaded.periods.is_empty() {
            return Err(Error::input("there are no rows").cause("the files have a header and nothing below it"));
        }
        self.check_sums(&loaded.periods)?;
        Ok(loaded)
    }

    /// Appends the line items of one file; returns the number of rows left out.
    fn insert(&self, id: i64, data_source: &str, file: &SourceFile) -> Result<u64> {
        let doing = format!("cannot read `{}`", file.key);
        let columns: Vec<&str> = file.expressions.iter().map(|(column, _)| *column).collect();
        let expressions: Vec<&str> = file.expressions.iter().map(|(_, sql)| sql.as_str()).collect();
        let condition = file.left_out.map_or(String::new(), |left_out| format!(" WHERE NOT ({left_out})"));
        self.run(
            &format!(
                "INSERT INTO cost_line_items (ingestion_id, data_source, source_file, {}) SELECT {id}, {}, {}, {} FROM {}{condition}",
                columns.join(", "),
                quoted(data_source),
                quoted(file.key),
                expressions.join(", "),
                file.from
            ),
            &doing,
        )?;
        let Some(left_out) = file.left_out else { return Ok(0) };
        let sql = format!("SELECT count(*) FROM {} WHERE {left_out}", file.from);
        self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|e| self.error(&doing, &e))
    }

    /// One pass over the new line items; the summary, the log and the account names come from it.
    fn aggregate(&self, id: i64) -> Result<()> {
        let sums: Vec<String> = COSTS.iter().map(|cost| format!("sum({cost}) AS {cost}")).collect();
        self.run(
            &format!(
                "CREATE OR REPLACE TEMP TABLE loaded AS SELECT source_file, usage_date, billing_period, provider, data_source, \
                 payer_account_id, usage_account_id, usage_account_name, product_code, region, charge_category, currency, \
                 {}, sum(usage_amount) AS usage_amount, count(*) AS line_item_count, bool_or(invoice_id IS NULL) AS estimated \
                 FROM cost_line_items WHERE ingestion_id = {id} GROUP BY ALL",
                sums.join(", ")
            ),
            "cannot sum up the new line items",
        )
    }

    /// Deletes what former loads brought for the same scopes; returns files that are not in this load.
    fn delete_former(&self, id: i64, load: &Load) -> Result<Vec<(String, u64)>> {
        const SCOPE: &str = "(data_source, provider, payer_account_id, billing_period)";
        let scopes = format!("SELECT DISTINCT {} FROM loaded", SCOPE.trim_matches(['(', ')']));
        let mine: Vec<String> = load.files.iter().map(|file| quoted(file.key)).collect();
        let sql = format!(
            "SELECT key, sum(rows)::BIGINT FROM ingestion_log WHERE {SCOPE} IN ({scopes}) GROUP BY key ORDER BY key"
        );
        let doing = "cannot read the ingestion log";
        let mut statement = self.connection.prepare(&sql).map_err(|e| self.error(doing, &e))?;
        let former: Vec<(String, u64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|e| self.error(doing, &e))?;
        if former.is_empty() {
            return Ok(former);
        }
        for (table, new) in [
            ("cost_line_items", format!("ingestion_id <> {id} AND ")),
            ("daily_cost_summary", String::new()),
            ("ingestion_log", String::new()),
        ] {
            self.run(
                &format!("DELETE FROM {table} WHERE {new}{SCOPE} IN ({scopes})"),
                "cannot replace the former data",
            )?;
        }
        Ok(former.into_iter().filter(|(key, _)| !mine.contains(&quoted(key))).collect())
    }

    fn write_summary_and_log(&self, id: i64, load: &Load) -> Result<()> {
        let sums = |alias: &str| COSTS.map(|cost| format!("sum({alias}{cost})")).join(", ");
        self.run(
            &format!(
                "INSERT INTO daily_cost_summary BY NAME SELECT usage_date, billing_period, provider, data_source, payer_account_id, \
                 usage_account_id, product_code, region, charge_category, currency, {}, sum(usage_amount) AS usage_amount, \
                 sum(line_item_count)::BIGINT AS line_item_count FROM loaded GROUP BY ALL \
                 ORDER BY usage_date, usage_account_id, product_code",
                COSTS.map(|cost| format!("sum({cost}) AS {cost}")).join(", ")
            ),
            "cannot write the daily summary",
        )?;
        let files: Vec<String> = load
            .files
            .iter()
            .map(|file| format!("({}, {}, {})", quoted(file.key), file.size, quoted(file.etag)))
            .collect();
        self.run(
            &format!(
                "INSERT INTO ingestion_log SELECT {id}, l.data_source, {export}, l.provider, l.payer_account_id, l.billing_period, \
                 l.currency, {assembly}, f.key, f.size, f.etag, any_value(t.file_rows), sum(l.line_item_count)::BIGINT, \
                 min(l.usage_date), max(l.usage_date), {sums}, \
                 COALESCE(sum(l.unblended_cost) FILTER (l.charge_category = 'Credit'), 0), bool_or(l.estimated), \
                 CAST(now() AS TIMESTAMP) \
                 FROM loaded l JOIN (VALUES {files}) f(key, size, etag) ON l.source_file = f.key \
                 JOIN (SELECT source_file, sum(line_item_count)::BIGINT AS file_rows FROM loaded GROUP BY 1) t USING (source_file) \
                 GROUP BY l.data_source, l.provider, l.payer_account_id, l.billing_period, l.currency, f.key, f.size, f.etag",
                export = quoted(load.export),
                assembly = quoted(load.assembly_id),
                sums = sums("l."),
                files = files.join(", ")
            ),
            "cannot write the ingestion log",
        )?;
        self.run(
            "INSERT OR REPLACE INTO accounts SELECT usage_account_id, arg_max(usage_account_name, usage_date), 'bill' FROM loaded \
             WHERE usage_account_name IS NOT NULL GROUP BY 1",
            "cannot write the account names",
        )
    }

    fn loaded_periods(&self, id: i64) -> Result<Vec<LoadedPeriod>> {
        let sums = COSTS.map(|cost| format!("sum({cost})")).join(", ");
        let sql = format!(
            "SELECT data_source, provider, payer_account_id, billing_period, currency, count(DISTINCT source_file), \
             sum(line_item_count)::BIGINT, min(usage_date), max(usage_date), count(DISTINCT usage_date), {sums}, \
             COALESCE(sum(unblended_cost) FILTER (charge_category = 'Credit'), 0), bool_or(estimated) \
             FROM loaded GROUP BY ALL ORDER BY billing_period, provider, payer_account_id, currency"
        );
        let doing = format!("cannot read back ingestion {id}");
        let read = || -> duckdb::Result<Vec<LoadedPeriod>> {
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                Ok(LoadedPeriod {
                    data_source: row.get(0)?,
                    provider: row.get(1)?,
                    payer_account_id: row.get(2)?,
                    billing_period: row.get(3)?,
                    currency: row.get(4)?,
                    files: row.get(5)?,
                    rows: row.get(6)?,
                    first_day: row.get(7)?,
                    last_day: row.get(8)?,
                    days: row.get(9)?,
                    unblended_cost: row.get(10)?,
                    blended_cost: row.get(11)?,
                    amortized_cost: row.get(12)?,
                    net_unblended_cost: row.get(13)?,
                    net_amortized_cost: row.get(14)?,
                    list_cost: row.get(15)?,
                    credits: row.get(16)?,
                    estimated: row.get(17)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|e| self.error(&doing, &e))
    }

    /// Text such as `NaN` casts to a number that would poison every sum.
    fn check_sums(&self, periods: &[LoadedPeriod]) -> Result<()> {
        let broken = periods.iter().find(|period| {
            let sums =
                [period.unblended_cost, period.amortized_cost, period.net_unblended_cost, period.net_amortized_cost];
            !sums.iter().chain(period.list_cost.iter()).chain(period.blended_cost.iter()).all(|sum| sum.is_finite())
        });
        match broken {
            None => Ok(()),
            Some(period) => {
                Err(Error::input(format!("a cost in {} is not a number", period.billing_period.format("%Y-%m")))
                    .cause("a cost column holds NaN or infinity"))
            }
        }
    }
}
