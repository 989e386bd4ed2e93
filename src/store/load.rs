//! Writing bills: a billing period of a source is replaced whole, in one transaction, or not at all.
//!
//! What an ingestion replaces is what is the same money: `former` finds what may be, `overlap` looks whether it is.
//! Everything is SQL over the files; no row passes through Rust.

use chrono::NaiveDate;

use super::{
    Store,
    accounts::insert_names,
    delivery::{
        COSTS, Load, Loaded, LoadedPeriod, MAPPING_VERSION, Mode, PayerMonth, SCOPE, SourceFile, exact_credits,
    },
    exact_sum,
    former::{Fate, FormerLoad},
    quoted,
};
use crate::error::{Error, Result};

impl Store {
    /// The scopes of one file, read from the few columns that say it; of all rows or of the first ones.
    pub(crate) fn scopes(
        &self,
        file: &SourceFile,
        first_rows: bool,
        days: (NaiveDate, NaiveDate),
    ) -> Result<Vec<PayerMonth>> {
        let expression = |column: &str| {
            let found = file.expressions.iter().find(|(name, _)| *name == column);
            found.map_or("NULL", |(_, sql)| sql.as_str())
        };
        let sql = format!(
            "SELECT DISTINCT {}, CAST({} AS VARCHAR) FROM {}",
            expression("payer_account_id"),
            expression("billing_period"),
            if first_rows { format!("(FROM {} LIMIT 100)", file.from) } else { file.from.to_owned() }
        );
        let doing = format!("cannot read `{}`", file.key);
        let read = || -> duckdb::Result<Vec<(Option<String>, Option<String>)>> {
            let mut statement = self.connection.prepare(&sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = read().map_err(|e| self.explain(&doing, &e))?;
        let scope = |(payer, period): (Option<String>, Option<String>)| {
            let period = period.and_then(|period| period.parse::<NaiveDate>().ok());
            let (first, last) = days;
            let Some(period) = period.filter(|period| (first..=last).contains(period)) else {
                return Err(Error::value(&doing).cause("a row has no billing period, or one beyond belief"));
            };
            Ok((payer.unwrap_or_default(), period))
        };
        rows.into_iter().map(scope).collect()
    }

    /// Whether any row of a file has a value in an expression.
    pub(crate) fn has_values(&self, from: &str, expression: &str) -> Result<bool> {
        let sql = format!("SELECT EXISTS (FROM {from} WHERE {expression} IS NOT NULL)");
        self.connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|e| self.reading_error("cannot read the file", &e))
    }

    /// Whether the database still answers; after a fatal error it does not until it is opened again.
    pub(crate) fn is_alive(&self) -> bool {
        self.connection.execute_batch("SELECT count(*) FROM ingestion_log").is_ok()
    }

    /// Replaces the periods of `load` in one transaction.
    ///
    /// `judge` says what becomes of each former load of the same months; `before_commit` is the caller's last word on
    /// what was loaded and replaced. An error from either, or from anything before, leaves the database as it was.
    ///
    /// # Errors
    /// When a file cannot be read as its columns promise, holds no rows or costs that are no numbers, when two files
    /// hold the same days and nothing says which counts, or the database cannot be written.
    pub(crate) fn replace(
        &mut self,
        load: &Load,
        judge: &dyn Fn(&FormerLoad) -> Result<Fate>,
        before_commit: impl FnOnce(&Loaded) -> Result<()>,
    ) -> Result<Loaded> {
        self.in_transaction(|store| {
            let loaded = store.replace_in_transaction(load, judge)?;
            before_commit(&loaded)?;
            Ok(loaded)
        })
    }

    fn replace_in_transaction(&self, load: &Load, judge: &dyn Fn(&FormerLoad) -> Result<Fate>) -> Result<Loaded> {
        let id = self.next_ingestion_id()?;
        let mut loaded = Loaded::default();
        for file in &load.files {
            loaded.excluded += self.insert(id, load.data_source, file)?;
        }
        self.aggregate(id)?;
        if self.clean_names(id)? {
            self.aggregate(id)?;
        }
        self.check_days(load.days)?;
        // The files of a delivery are its parts; of loose files only the lines tell.
        if load.export.is_empty() && load.files.len() > 1 {
            loaded.counted_once = self.count_once(id, load.mode == Mode::Add)?;
            if !loaded.counted_once.is_empty() {
                self.aggregate(id)?;
            }
        }
        let stored = self.find_former(id, load, judge, &mut loaded)?;
        if stored > 0 {
            self.aggregate(id)?;
        }
        self.delete_former(id)?;
        self.write_summary()?;
        self.write_log(id, load)?;
        self.insert_records(load.records)?;
        loaded.periods = self.loaded_periods(id)?;
        if loaded.periods.is_empty() && loaded.counted_once.is_empty() {
            return Err(Error::input("there are no rows").cause("the files have a header and nothing below it"));
        }
        Ok(loaded)
    }

    /// Appends the line items of one file; returns the number of rows left out.
    pub(super) fn insert(&self, id: i64, data_source: &str, file: &SourceFile) -> Result<u64> {
        let doing = format!("cannot read `{}`", file.key);
        let columns: Vec<&str> = file.expressions.iter().map(|(column, _)| *column).collect();
        let expressions: Vec<&str> = file.expressions.iter().map(|(_, sql)| sql.as_str()).collect();
        let condition = file.excluded.map_or(String::new(), |excluded| format!(" WHERE NOT ({excluded})"));
        let sql = format!(
            "INSERT INTO cost_line_items (ingestion_id, data_source, source_file, {}) SELECT {id}, {}, {}, {} FROM {}{condition}",
            columns.join(", "),
            quoted(data_source),
            quoted(file.key),
            expressions.join(", "),
            file.from
        );
        let inserted = self.connection.execute(&sql, []).map_err(|e| self.explain(&doing, &e))? as u64;
        match (file.rows, file.excluded) {
            (Some(rows), Some(_)) => Ok(rows.saturating_sub(inserted)),
            (None, Some(excluded)) => {
                let sql = format!("SELECT count(*) FROM {} WHERE {excluded}", file.from);
                self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|e| self.reading_error(&doing, &e))
            }
            _ => Ok(0),
        }
    }

    /// Tells what of a file failed to load: a value, or something else.
    fn explain(&self, doing: &str, error: &duckdb::Error) -> Error {
        let text = error.to_string();
        if let Some((_, rest)) = text.split_once("NOT NULL constraint failed: cost_line_items.") {
            let column: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            return Error::value(doing)
                .cause(format!("a row has no `{column}`"))
                .hint("every line of a bill needs one");
        }
        if text.contains("Conversion Error") {
            return Error::value(doing)
                .cause("a value is not what its column holds")
                .hint("mend the file, or fetch it again");
        }
        self.reading_error(doing, error)
    }

    /// The rows of a query over files, all values as text.
    pub(crate) fn ask(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let read = || -> duckdb::Result<Vec<Vec<Option<String>>>> {
            let mut statement = self.connection.prepare(&format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql})"))?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let columns = row.as_ref().column_count();
                all.push((0..columns).map(|column| row.get(column)).collect::<duckdb::Result<_>>()?);
            }
            Ok(all)
        };
        read().map_err(|e| self.reading_error("cannot read the file", &e))
    }

    /// Refuses days beyond belief, which would be in every answer's time frame.
    fn check_days(&self, (first, last): (NaiveDate, NaiveDate)) -> Result<()> {
        let doing = "cannot read the new line items";
        let sql = format!(
            "SELECT CAST(day AS VARCHAR) FROM (SELECT unnest([usage_date, billing_period]) AS day FROM loaded) \
             WHERE day NOT BETWEEN DATE '{first}' AND DATE '{last}' LIMIT 1"
        );
        let found: Vec<String> = self.rows(&sql, doing, |row| row.get(0))?;
        match found.first() {
            None => Ok(()),
            Some(day) => Err(Error::value(doing)
                .cause(format!("one is of `{day}`, which is not from {first} to {last}"))
                .hint("mend the file, or fetch it again")),
        }
    }

    /// One pass over the new line items; the summary, the log and the account names come from it.
    pub(super) fn aggregate(&self, id: i64) -> Result<()> {
        let sums: Vec<String> = COSTS.iter().map(|cost| format!("{} AS {cost}", exact_sum(cost))).collect();
        self.run(
            &format!(
                "CREATE OR REPLACE TEMP TABLE loaded AS SELECT source_file, usage_date, billing_period, provider, data_source, \
                 payer_account_id, usage_account_id, usage_account_name, product_code, region, charge_category, currency, usd_rate, \
                 {}, {} AS usage_amount, count(*) AS line_item_count, bool_or(COALESCE(estimated, invoice_id IS NULL)) AS estimated \
                 FROM cost_line_items WHERE ingestion_id = {id} GROUP BY ALL",
                sums.join(", "),
                exact_sum("usage_amount")
            ),
            "cannot sum up the new line items",
        )
    }

    /// Deletes what is in the table `former`. The scopes whose summary must be made anew are left in the
    /// table `stale`.
    fn delete_former(&self, id: i64) -> Result<()> {
        let doing = "cannot replace the former data";
        self.run(
            &format!("CREATE OR REPLACE TEMP TABLE stale AS SELECT DISTINCT {SCOPE} FROM former"),
            "cannot replace the former data",
        )?;
        let stale: i64 = self
            .connection
            .query_row("SELECT count(*) FROM stale", [], |row| row.get(0))
            .map_err(|e| self.error(doing, &e))?;
        if stale > 0 {
            for sql in [
                format!(
                    "DELETE FROM cost_line_items WHERE ingestion_id <> {id} AND (ingestion_id, {SCOPE}, source_file) IN \
                     (SELECT (ingestion_id, {SCOPE}, key) FROM former)"
                ),
                format!(
                    "DELETE FROM ingestion_log WHERE (ingestion_id, {SCOPE}, key) IN (SELECT (ingestion_id, {SCOPE}, key) FROM former)"
                ),
                format!("DELETE FROM daily_cost_summary WHERE ({SCOPE}) IN (SELECT ({SCOPE}) FROM stale)"),
            ] {
                self.run(&sql, doing)?;
            }
        }
        Ok(())
    }

    /// The summary of the new line items, and again of all that is left of stale scopes.
    pub(super) fn write_summary(&self) -> Result<()> {
        let sums = COSTS.map(|cost| format!("{} AS {cost}", exact_sum(cost))).join(", ");
        let usage_amount = exact_sum("usage_amount");
        let summary = |lines: &str, from: &str| {
            format!(
                "INSERT INTO daily_cost_summary BY NAME SELECT usage_date, billing_period, provider, data_source, payer_account_id, \
                 usage_account_id, product_code, region, charge_category, currency, usd_rate, {sums}, {usage_amount} AS usage_amount, \
                 {lines}::BIGINT AS line_item_count FROM {from} GROUP BY ALL ORDER BY usage_date, usage_account_id, product_code"
            )
        };
        let doing = "cannot write the daily summary";
        self.run(&summary("sum(line_item_count)", &format!("loaded ANTI JOIN stale USING ({SCOPE})")), doing)?;
        let stale = format!("cost_line_items SEMI JOIN stale USING ({SCOPE})");
        self.run(&summary("count(*)", &stale), doing)
    }

    fn write_log(&self, id: i64, load: &Load) -> Result<()> {
        let sums = COSTS.map(|cost| exact_sum(&format!("l.{cost}"))).join(", ");
        let files: Vec<String> = load
            .files
            .iter()
            .map(|file| format!("({}, {}, {})", quoted(file.key), file.size, quoted(file.etag)))
            .collect();
        self.run(
            &format!(
                "INSERT INTO ingestion_log SELECT {id}, l.data_source, {export}, l.provider, l.payer_account_id, l.billing_period, \
                 l.currency, {assembly}, {MAPPING_VERSION}, f.key, f.size, f.etag, any_value(t.file_rows), sum(l.line_item_count)::BIGINT, \
                 min(l.usage_date), max(l.usage_date), {sums}, \
                 {credits}, bool_or(l.estimated), \
                 CAST(now() AS TIMESTAMP) \
                 FROM loaded l JOIN (VALUES {files}) f(key, size, etag) ON l.source_file = f.key \
                 JOIN (SELECT source_file, sum(line_item_count)::BIGINT AS file_rows FROM loaded GROUP BY 1) t USING (source_file) \
                 GROUP BY l.data_source, l.provider, l.payer_account_id, l.billing_period, l.currency, f.key, f.size, f.etag",
                credits = exact_credits("l."),
                export = quoted(load.export),
                assembly = quoted(load.assembly_id),
                files = files.join(", ")
            ),
            "cannot write the ingestion log",
        )?;
        // A file without a row of its own is a part of the bill all the same.
        self.run(
            &format!(
                "INSERT INTO ingestion_log SELECT {id}, data_source, export, provider, payer_account_id, billing_period, currency, \
                 assembly_id, mapping_version, f.key, f.size, f.etag, 0, 0, first_day, last_day, 0, 0, 0, 0, 0, 0, 0, estimated, \
                 ingested_at FROM (FROM ingestion_log WHERE ingestion_id = {id} ORDER BY billing_period, key LIMIT 1) l, \
                 (VALUES {files}) f(key, size, etag) WHERE f.key NOT IN (SELECT source_file FROM loaded)",
                files = files.join(", ")
            ),
            "cannot write the ingestion log",
        )?;
        self.write_names_of_loaded()
    }

    pub(super) fn write_names_of_loaded(&self) -> Result<()> {
        let names = "SELECT usage_account_id, arg_max(usage_account_name, usage_date), \
                     CASE any_value(data_source) WHEN 'cost-explorer' THEN 'cost-explorer' ELSE 'bill' END FROM loaded \
                     WHERE usage_account_name IS NOT NULL GROUP BY 1";
        self.run(&insert_names(names), "cannot write the account names")
    }

    pub(super) fn loaded_periods(&self, id: i64) -> Result<Vec<LoadedPeriod>> {
        let sums = COSTS.map(exact_sum).join(", ");
        let sql = format!(
            "SELECT data_source, provider, payer_account_id, billing_period, currency, count(DISTINCT source_file), \
             sum(line_item_count)::BIGINT, min(usage_date), max(usage_date), count(DISTINCT usage_date), {sums}, \
             {credits}, bool_or(estimated) \
             FROM loaded GROUP BY ALL ORDER BY billing_period, provider, payer_account_id, currency",
            credits = exact_credits("")
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
}
