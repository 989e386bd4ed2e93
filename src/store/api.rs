//! What comes from APIs: days that are replaced as a whole, account names, and what the requests cost.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use duckdb::params;

use super::{
    Store, exact_sum,
    load::{COSTS, LoadedPeriod, MAPPING_VERSION, SCOPE, SourceFile, exact_credits},
    quoted,
};
use crate::{
    error::{Error, Result},
    model::{Period, first_of_month, source},
};

/// Days of one source and payer, fetched as files.
pub struct DayLoad<'a> {
    pub data_source: &'a str,
    pub payer_account_id: &'a str,
    /// What was asked: `GetCostAndUsage`.
    pub operation: &'a str,
    /// How finely it was asked, in the source's own words.
    pub detail: &'a str,
    /// Each file with the days that it is all of.
    pub files: Vec<(Period, SourceFile<'a>)>,
}

/// Requests to a priced API.
pub struct ApiCall<'a> {
    pub service: &'a str,
    pub operation: &'a str,
    pub account_id: &'a str,
    pub about: &'a str,
    pub requests: u32,
    pub cost_usd: f64,
    pub outcome: &'a str,
}

/// Where a name of an account comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    Organizations,
    CostExplorer,
}

impl NameSource {
    fn as_str(self) -> &'static str {
        match self {
            NameSource::Organizations => "organizations",
            NameSource::CostExplorer => source::COST_EXPLORER,
        }
    }
}

/// How much a name of a source is worth, as SQL: Organizations know best, a bill may be old.
pub(super) fn name_rank(source: &str) -> String {
    format!("CASE {source} WHEN 'organizations' THEN 3 WHEN 'cost-explorer' THEN 2 ELSE 1 END")
}

impl Store {
    /// Replaces the days of `load` in one transaction; other days, payers and sources stay.
    ///
    /// The same days of the same accounts as read by another payer are the same money: they are replaced, too,
    /// when all that the other has of these days is in the load.
    ///
    /// # Errors
    /// When a file cannot be read, another payer's days are only half in the load, or the database cannot be
    /// written; it then is as it was.
    pub fn replace_days(&mut self, load: &DayLoad) -> Result<Vec<LoadedPeriod>> {
        self.in_transaction(|store| {
            let id = store.next_ingestion_id()?;
            for (_, file) in &load.files {
                store.insert(id, load.data_source, file)?;
            }
            store.aggregate(id)?;
            let days = load
                .files
                .iter()
                .map(|(period, _)| format!("usage_date BETWEEN DATE '{}' AND DATE '{}'", period.start, period.end));
            let days = format!("({})", days.collect::<Vec<_>>().join(" OR "));
            let mut payers = store.payers_replaced(load, &days)?;
            payers.push(load.payer_account_id.to_owned());
            let payers = payers.iter().map(|payer| quoted(payer)).collect::<Vec<_>>().join(", ");
            let scope = format!("data_source = {} AND payer_account_id IN ({payers})", quoted(load.data_source));
            let doing = "cannot replace the former days";
            store.run(
                &format!("DELETE FROM cost_line_items WHERE ingestion_id <> {id} AND {scope} AND {days}"),
                doing,
            )?;
            store.run(&format!("DELETE FROM daily_cost_summary WHERE {scope} AND {days}"), doing)?;
            store.run(
                &format!("CREATE OR REPLACE TEMP TABLE stale AS SELECT DISTINCT {SCOPE} FROM loaded LIMIT 0"),
                doing,
            )?;
            store.write_summary()?;
            store.log_days(id, load, &scope)?;
            store.run(&format!("DELETE FROM api_days WHERE {scope} AND {days}"), doing)?;
            for (period, _) in &load.files {
                store.run(
                    &format!(
                        "INSERT INTO api_days SELECT {}, {}, CAST(day AS DATE), {} \
                         FROM range(DATE '{}', DATE '{}' + INTERVAL 1 DAY, INTERVAL 1 DAY) r(day)",
                        quoted(load.data_source),
                        quoted(load.payer_account_id),
                        quoted(load.detail),
                        period.start,
                        period.end
                    ),
                    doing,
                )?;
            }
            store.write_names_of_loaded()?;
            store.loaded_periods(id)
        })
    }

    /// Other payers of whom the load has all that is stored of these days.
    fn payers_replaced(&self, load: &DayLoad, days: &str) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT payer_account_id, bool_and(known), min(usage_account_id) FILTER (known) FROM (\
             SELECT DISTINCT payer_account_id, usage_account_id, \
             usage_account_id IN (SELECT usage_account_id FROM loaded) AS known FROM daily_cost_summary \
             WHERE data_source = {} AND payer_account_id <> {} AND {days}) GROUP BY 1 HAVING bool_or(known) ORDER BY 1",
            quoted(load.data_source),
            quoted(load.payer_account_id)
        );
        let others: Vec<(String, bool, String)> =
            self.rows(&sql, "cannot read the former days", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        match others.iter().find(|(_, covered, _)| !covered) {
            Some((payer, _, account)) => Err(Error::input(format!(
                "the costs of account {account} are there already, as account {payer} sees them"
            ))
            .cause("read with other credentials they would count twice")
            .hint(format!("use the credentials of account {payer}, or another database (`--db`)"))),
            None => Ok(others.into_iter().map(|(payer, ..)| payer).collect()),
        }
    }

    /// One row for each month that the load touched, of all that there is of it now.
    fn log_days(&self, id: i64, load: &DayLoad, scope: &str) -> Result<()> {
        let doing = "cannot write the ingestion log";
        let months = load.files.iter().map(|(period, _)| format!("DATE '{}'", first_of_month(period.start)));
        let months = format!("billing_period IN ({})", months.collect::<Vec<_>>().join(", "));
        self.run(&format!("DELETE FROM ingestion_log WHERE {scope} AND {months}"), doing)?;
        // Every line has its row in the log, the days that stay as well.
        self.run(
            &format!(
                "UPDATE cost_line_items SET ingestion_id = {id} WHERE ingestion_id <> {id} AND {scope} AND {months}"
            ),
            doing,
        )?;
        let sums = COSTS.map(exact_sum).join(", ");
        self.run(
            &format!(
                "INSERT INTO ingestion_log SELECT {id}, data_source, payer_account_id, provider, payer_account_id, billing_period, \
                 currency, '', {MAPPING_VERSION}, {}, 0, '', count(*), count(*), min(usage_date), max(usage_date), {sums}, {}, \
                 bool_or(COALESCE(estimated, false)), CAST(now() AS TIMESTAMP) FROM cost_line_items \
                 WHERE {scope} AND {months} GROUP BY data_source, provider, payer_account_id, billing_period, currency",
                quoted(load.operation),
                exact_credits("")
            ),
            doing,
        )
    }

    /// The days that were asked of an API for a payer, with how finely each was.
    pub fn days_asked(&self, data_source: &str, payer: &str) -> Result<BTreeMap<NaiveDate, String>> {
        let sql = format!(
            "SELECT usage_date, detail FROM api_days WHERE data_source = {} AND payer_account_id = {}",
            quoted(data_source),
            quoted(payer)
        );
        let rows = self.rows(&sql, "cannot read which days were fetched", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Whether a delivery is stored whole: the ETags by key of its files that are, as loaded by this version.
    pub fn delivered(&self, data_source: &str, export: &str, assembly_id: &str) -> Result<BTreeMap<String, String>> {
        let sql = format!(
            "SELECT key, any_value(etag) FROM ingestion_log WHERE data_source = {} AND export = {} AND assembly_id = {} \
             AND mapping_version = {MAPPING_VERSION} GROUP BY key HAVING sum(rows) = max(file_rows)",
            quoted(data_source),
            quoted(export),
            quoted(assembly_id)
        );
        let rows = self.rows(&sql, "cannot read the ingestion log", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Keys and ETags of all files that the database is made of.
    pub fn source_files(&self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT DISTINCT key, etag FROM ingestion_log ORDER BY ALL";
        self.rows(sql, "cannot read the ingestion log", |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Notes requests to a priced API, at once and for good.
    pub fn record_call(&self, call: &ApiCall) -> Result<()> {
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
    pub fn spent_in_month(&self, day: NaiveDate) -> Result<(u64, f64)> {
        let sql = format!(
            "SELECT COALESCE(sum(requests), 0)::BIGINT, COALESCE({}, 0) FROM api_calls \
             WHERE date_trunc('month', called_at) = date_trunc('month', DATE '{day}')",
            exact_sum("cost_usd")
        );
        self.connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| self.error("cannot read what requests cost", &e))
    }

    /// Keeps names of accounts, unless a better source has named them.
    pub fn set_account_names(&self, names: &[(String, String)], source: NameSource) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let rows = names.iter().map(|(id, name)| format!("({}, {})", quoted(id), quoted(name)));
        let rows = rows.collect::<Vec<_>>().join(", ");
        self.run(
            &insert_names(&format!("SELECT id, name, '{}' FROM (VALUES {rows}) n(id, name)", source.as_str())),
            "cannot write the account names",
        )
    }

    /// The regions that any source has costs in, `global` left out.
    pub fn regions(&self) -> Result<Vec<String>> {
        let sql =
            "SELECT DISTINCT region FROM daily_cost_summary WHERE region <> 'global' AND provider = 'AWS' ORDER BY 1";
        self.rows(sql, "cannot read the regions", |row| row.get(0))
    }

    /// Runs `work` in a transaction, which an error undoes.
    pub(super) fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.run("BEGIN", "cannot start the transaction")?;
        let done = work(self).and_then(|done| self.run("COMMIT", "cannot commit").map(|()| done));
        if done.is_err() {
            // Fails only when DuckDB has rolled back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    pub(super) fn next_ingestion_id(&self) -> Result<i64> {
        self.connection
            .query_row("SELECT COALESCE(max(ingestion_id), 0) + 1 FROM ingestion_log", [], |row| row.get(0))
            .map_err(|e: duckdb::Error| -> Error { self.error("cannot read the ingestion log", &e) })
    }
}

/// The statement that keeps the names of `select` (id, name, source) but where a better source has named them.
pub(super) fn insert_names(select: &str) -> String {
    format!(
        "INSERT INTO accounts BY NAME SELECT * FROM ({select}) s(id, name, source) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, source = excluded.source WHERE {} >= {}",
        name_rank("excluded.source"),
        name_rank("accounts.source")
    )
}
