//! Days that come from APIs: each is replaced as a whole.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    Store,
    delivery::{COSTS, LoadedPeriod, MAPPING_VERSION, SCOPE, SourceFile, exact_credits},
    exact_sum, quoted,
};
use crate::{
    error::{Error, Result},
    model::{Period, first_of_month},
};

/// Days of one source and payer, fetched as files.
pub(crate) struct DayLoad<'a> {
    pub data_source: &'a str,
    pub payer_account_id: &'a str,
    /// What was asked: `GetCostAndUsage`.
    pub operation: &'a str,
    /// How finely it was asked, in the source's own words.
    pub detail: &'a str,
    /// Each file with the days that it is all of.
    pub files: Vec<(Period, SourceFile<'a>)>,
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
    pub(crate) fn replace_days(&mut self, load: &DayLoad) -> Result<Vec<LoadedPeriod>> {
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
    pub(crate) fn days_asked(&self, data_source: &str, payer: &str) -> Result<BTreeMap<NaiveDate, String>> {
        let sql = format!(
            "SELECT usage_date, detail FROM api_days WHERE data_source = {} AND payer_account_id = {}",
            quoted(data_source),
            quoted(payer)
        );
        let rows = self.rows(&sql, "cannot read which days were fetched", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }
}
