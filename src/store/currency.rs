//! Costs in one currency: tables are read as if their amounts had been billed in it. What is stored stays as it was billed.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Store, delivery::COSTS, quoted};
use crate::error::{Error, Result};

/// What a bill's own rates are in.
const USD: &str = "USD";

/// The `currency` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// What all costs are converted to; empty for as they were billed.
    pub target: String,
    /// A CSV of `date,currency,rate`; empty for the rates of the bills alone.
    pub rates: PathBuf,
}

impl Settings {
    /// # Errors
    /// When the target is no code of a currency, or there can be no rates.
    pub(crate) fn check(&self) -> Result<()> {
        let has_file = !self.rates.as_os_str().is_empty();
        match self.target.as_str() {
            "" if has_file => Err(Error::input("`currency.rates` is there without `currency.target`")
                .hint("name the currency that they lead to: `target: USD`")),
            "" => Ok(()),
            target if !is_code(target) => Err(Error::input(format!(
                "`currency.target` must be a code of three capital letters such as USD, not `{target}`"
            ))),
            target if target != USD && !has_file => {
                Err(Error::input(format!("there are no rates to convert to {target}"))
                    .cause("bills say rates in US dollars only")
                    .hint("name a CSV of `date,currency,rate` in `currency.rates`"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text is a code of ISO 4217 by its form.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The rates at which costs are converted: those given, otherwise those of the bills where the target is the US dollar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rates {
    pub target: String,
    /// Units of the target that one unit of a currency is, from a day on; the first rate is also that of the days before it.
    pub given: BTreeMap<String, BTreeMap<NaiveDate, f64>>,
}

/// What becomes of the costs of a currency.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversion {
    pub currency: String,
    pub target: String,
    /// None where there is no rate: the costs stay as they were billed.
    pub rates: Option<RatesUsed>,
}

/// The rates that costs were converted at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RatesUsed {
    pub lowest: f64,
    pub highest: f64,
    /// Whether there are given ones among them, and some of the bills.
    pub given: bool,
    pub of_bill: bool,
    /// The day of the newest that is given.
    pub newest: Option<NaiveDate>,
}

/// What stands for the tables in FROM: their columns with costs and currency converted, and beside them `billed_currency`,
/// `conversion` (the rate, NULL without one) and `given_rate`.
#[derive(Clone, Debug)]
pub(super) struct Converted {
    line_items: String,
    summary: String,
}

impl Rates {
    /// The day of the newest rate that is given of a currency.
    pub(super) fn newest(&self, currency: &str) -> Option<NaiveDate> {
        self.given.get(currency)?.last_key_value().map(|(day, _)| *day)
    }

    fn converted(&self) -> Converted {
        Converted { line_items: self.from("cost_line_items"), summary: self.from("daily_cost_summary") }
    }

    /// Rates are looked up by hash of currency and day: an ASOF JOIN would sort all line items.
    fn from(&self, table: &str) -> String {
        let target = quoted(&self.target);
        let own = if self.target == USD { "usd_rate" } else { "NULL" };
        let (given, join) = match self.table() {
            Some(rates) => {
                ("given_rate", format!(" LEFT JOIN {rates} ON currency = rate_currency AND usage_date = rate_day"))
            }
            None => ("NULL::DOUBLE", String::new()),
        };
        let costs: Vec<String> =
            COSTS.iter().map(|cost| format!("{cost} * COALESCE(conversion, 1) AS {cost}")).collect();
        format!(
            "(SELECT * REPLACE ({}, CASE WHEN conversion IS NULL THEN currency ELSE {target} END AS currency), \
             currency AS billed_currency FROM (SELECT bill.*, {given} AS given_rate, \
             CASE WHEN currency <> {target} THEN COALESCE({given}, {own}) END AS conversion FROM {table} AS bill{join})) AS converted",
            costs.join(", ")
        )
    }

    /// A rate for each day of all bills, as SQL; nothing where none is given.
    fn table(&self) -> Option<String> {
        let mut rows = Vec::new();
        for (currency, rates) in &self.given {
            let mut days = rates.keys().skip(1).copied();
            for (place, (day, rate)) in rates.iter().enumerate() {
                let from = match place {
                    0 => format!("least(DATE '{day}', (SELECT min(first_day) FROM ingestion_log))"),
                    _ => format!("DATE '{day}'"),
                };
                let until = match days.next() {
                    Some(next) => format!("DATE '{next}'"),
                    None => format!("greatest(DATE '{day}', (SELECT max(last_day) FROM ingestion_log)) + 1"),
                };
                rows.push(format!("({}, {from}, {until}, {rate:?}::DOUBLE)", quoted(currency)));
            }
        }
        (!rows.is_empty()).then(|| {
            format!(
                "(SELECT rate_currency, CAST(unnest(range(first_day, next_day, INTERVAL 1 DAY)) AS DATE) AS rate_day, given_rate \
                 FROM (VALUES {}) AS given(rate_currency, first_day, next_day, given_rate)) AS rates",
                rows.join(", ")
            )
        })
    }
}

impl Store {
    /// The same with costs read in the currency of `rates`, if any.
    pub(super) fn converted(self, rates: Option<&Rates>) -> Self {
        let Some(rates) = rates else { return Self { rates: None, converted: None, ..self } };
        // What is known of costs as they were billed is not known of these.
        Self { rates: Some(rates.clone()), converted: Some(rates.converted()), known: Arc::default(), ..self }
    }

    /// The line items, for FROM.
    pub(super) fn line_items(&self) -> &str {
        self.converted.as_ref().map_or("cost_line_items", |converted| &converted.line_items)
    }

    /// The daily summary, for FROM.
    pub(super) fn summary(&self) -> &str {
        self.converted.as_ref().map_or("daily_cost_summary", |converted| &converted.summary)
    }
}
