//! What the database has of each payer in each data source: the days, and the accounts of each month. Which of it is
//! read is for `insights` to choose.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::Store;
use crate::error::Result;

/// What bills say that do not say who pays.
const NOBODY: [&str; 2] = ["", "unknown"];

/// Who pays a bill. Ids of payers are unique across clouds; where there is none, the provider stands for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Payer {
    pub id: String,
    /// Only where nobody is named.
    pub provider: Option<String>,
}

impl Payer {
    pub(crate) fn new(id: &str, provider: &str) -> Self {
        Self { id: id.to_owned(), provider: NOBODY.contains(&id).then(|| provider.to_owned()) }
    }
}

/// What a data source has of a payer, in one provider and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub data_source: String,
    pub payer: Payer,
    pub provider: String,
    pub currency: String,
    pub days: BTreeSet<NaiveDate>,
    /// Those that anything but fees, taxes and credits is dated on; these may be dated ahead.
    pub usage_days: BTreeSet<NaiveDate>,
}

/// What an account cost in a month of a payer in a data source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccountCost {
    pub data_source: String,
    pub payer: Payer,
    /// Its first day.
    pub month: NaiveDate,
    pub account: String,
    /// Unblended, without taxes and credits, as a size.
    pub cost: f64,
}

impl Store {
    /// What there is, in order of data source, payer, provider and currency.
    pub(super) fn holdings(&self) -> Result<Vec<Holding>> {
        self.once(|known| &known.holdings, || self.read_holdings())
    }

    fn read_holdings(&self) -> Result<Vec<Holding>> {
        let sql = format!(
            "SELECT data_source, payer_account_id, provider, currency, usage_date, bool_or(charge_category = 'Usage') \
             FROM {} GROUP BY ALL ORDER BY ALL",
            self.summary()
        );
        let mut holdings: Vec<Holding> = Vec::new();
        let rows = self.rows(&sql, "cannot read what the database covers", |row| {
            let text = |index| row.get::<_, String>(index);
            Ok((text(0)?, text(1)?, text(2)?, text(3)?, row.get::<_, NaiveDate>(4)?, row.get::<_, bool>(5)?))
        })?;
        for (data_source, payer, provider, currency, day, is_usage) in rows {
            let payer = Payer::new(&payer, &provider);
            let is_same = |last: &&mut Holding| {
                (&last.data_source, &last.payer) == (&data_source, &payer)
                    && (&last.provider, &last.currency) == (&provider, &currency)
            };
            let holding = match holdings.last_mut().filter(is_same) {
                Some(holding) => holding,
                None => {
                    let (days, usage_days) = (BTreeSet::new(), BTreeSet::new());
                    holdings.push(Holding { data_source, payer, provider, currency, days, usage_days });
                    let Some(new) = holdings.last_mut() else { continue };
                    new
                }
            };
            holding.days.insert(day);
            if is_usage {
                holding.usage_days.insert(day);
            }
        }
        Ok(holdings)
    }

    /// What each account cost by month, payer and data source.
    pub(super) fn account_costs(&self) -> Result<Vec<AccountCost>> {
        self.once(|known| &known.account_costs, || self.read_account_costs())
    }

    fn read_account_costs(&self) -> Result<Vec<AccountCost>> {
        let sql = format!(
            "SELECT data_source, payer_account_id, CASE WHEN payer_account_id IN ('', 'unknown') THEN provider ELSE '' END, \
             CAST(date_trunc('month', usage_date) AS DATE), usage_account_id, \
             abs(COALESCE(sum(unblended_cost) FILTER (charge_category NOT IN ('Tax', 'Credit')), 0)) \
             FROM {} GROUP BY ALL ORDER BY 1, 2, 3, 4, 5",
            self.summary()
        );
        self.rows(&sql, "cannot read what accounts cost", |row| {
            let payer = Payer::new(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
            Ok(AccountCost {
                data_source: row.get(0)?,
                payer,
                month: row.get(3)?,
                account: row.get(4)?,
                cost: row.get(5)?,
            })
        })
    }

    /// Payers whose costs came in the same load or export, each with a name of that.
    pub(super) fn loaded_together(&self) -> Result<Vec<(Payer, String)>> {
        self.once(|known| &known.loaded_together, || self.read_loaded_together())
    }

    fn read_loaded_together(&self) -> Result<Vec<(Payer, String)>> {
        let sql = "WITH loads AS (SELECT DISTINCT payer_account_id, CASE WHEN payer_account_id IN ('', 'unknown') THEN provider ELSE '' END \
                   AS provider, CASE WHEN export <> '' THEN 'export ' || data_source || ' ' || export \
                   ELSE 'load ' || ingestion_id END AS load FROM ingestion_log) \
                   SELECT * FROM loads QUALIFY count(*) OVER (PARTITION BY load) > 1 ORDER BY ALL";
        self.rows(sql, "cannot read the ingestion log", |row| {
            Ok((Payer::new(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?), row.get(2)?))
        })
    }
}
