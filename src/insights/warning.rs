//! What a reader should know before trusting figures: facts with a code, and each in one English sentence.

use std::fmt;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::{Metric, Period, money},
    store::currency::Conversion,
};

/// Names, days and bills that a sentence lists before it only counts them.
const LISTED: usize = 4;
const LISTED_DAYS: usize = 5;

/// What qualifies an answer.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Warning {
    /// The newest data is older than the day asked for.
    DataIsOld { data_through: NaiveDate, as_of: NaiveDate, days: i64 },
    /// Months of one bill are read from different sources.
    SourcesByPeriod { parts: Vec<SourcePeriod> },
    /// The bill is in other sources, too, which are not read.
    OtherSources { read: Vec<String>, others: Vec<String> },
    /// Several bills are added up.
    BillsAdded { bills: Vec<BillSource>, others: Vec<String> },
    /// Another source has what the one that is read lacks.
    NotCounted {
        provider: String,
        months: Vec<NaiveDate>,
        accounts: usize,
        days: usize,
        amount: f64,
        /// None where the bill is in several.
        currency: Option<String>,
        read: String,
        other: String,
    },
    /// Costs are shown in another currency than they were billed in.
    Converted { target: String, currencies: Vec<ConvertedCurrency> },
    /// Costs stay in their currency, for there is no rate.
    NotConverted { target: String, currencies: Vec<String> },
    /// Bills end before the days that are asked for.
    BillsEnd { bills: Vec<BillEnd> },
    /// Only these series were replayed from their first day.
    JudgedInPart { judged: usize, series: usize },
    /// There is little history before the first judged day.
    LittleHistory { days: i64, before: NaiveDate },
    /// Days asked for are not settled and not judged.
    NotSettled { settled_through: NaiveDate, asked_through: NaiveDate },
    /// Days without data, of all bills or of those that are named.
    MissingDays { bills: Vec<String>, days: Vec<NaiveDate> },
    /// The total is without bills that have other days.
    TotalWithout { bills: Vec<String> },
    /// Days on which an account's bill is not whole, with how many series that concerns.
    IncompleteDays { days: Vec<IncompleteDay> },
    /// So many findings would be chance.
    FindingsByChance { expected: f64, series: usize, days: usize },
    /// Findings are not kept in the ledger.
    NotKeptInLedger {
        #[serde(flatten)]
        reason: NotKept,
    },
    /// The forecast is not kept for later ones to be checked by.
    ForecastNotKept { error: String },
    /// A budget cannot be told.
    BudgetNotKnown { budget: String, error: String },
    /// The costs of a currency could not be judged.
    CurrencyNotJudged { currency: String, error: String },
    /// History is too short for the days asked for.
    ShortReplay { replayed: usize, asked: u32, first_day: NaiveDate },
    /// No series can take the events of a replay.
    NoSeriesForEvents,
    /// A period has not all of its days.
    PeriodIncomplete { period: Period, days: usize },
    /// The compared periods share days.
    PeriodsOverlap,
    /// The incident is of many groups, and the explanation is of the whole bill.
    ExplainsWholeBill { incident: String },
    /// The data does not have a dimension that was asked for.
    DimensionMissing { dimension: String, error: String },
    /// Cost Explorer was fetched without its charge categories.
    CategoriesNotSplit,
    /// The two sources have other days of the month.
    SourceDaysDiffer { detailed: String, detailed_days: Period, cost_explorer_days: Period },
    /// One of the two sources does not have the metric.
    MetricMissing { metric: Metric },
    /// Only these accounts or payers are in both sources.
    ComparedInPart { of: String, compared: Vec<String>, excluded: Vec<String> },
}

/// Why findings are not kept.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NotKept {
    /// They were found with other settings than the configuration's.
    OtherSettings { flag: String },
    /// The database could not be written.
    NotWritten { error: String },
}

/// A source and the days that are read from it.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct SourcePeriod {
    pub source: String,
    pub period: Period,
}

/// Bills of a provider, and where they are read.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct BillSource {
    pub provider: String,
    /// The only payer, where the provider has several that are read elsewhere.
    pub payer: Option<String>,
    pub payers: usize,
    /// In the order of the months.
    pub sources: Vec<String>,
}

/// A currency that is converted: what one unit of it is in the other.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct ConvertedCurrency {
    pub currency: String,
    pub lowest_rate: f64,
    pub highest_rate: f64,
    /// The day of the newest rate of `currency.rates`, where one was used.
    pub newest_rate: Option<NaiveDate>,
    /// Whether the bills' own rates were used.
    pub rates_of_bill: bool,
}

impl ConvertedCurrency {
    /// One that was converted.
    pub(super) fn of(conversion: Conversion) -> Option<Self> {
        let used = conversion.rates?;
        Some(Self {
            currency: conversion.currency,
            lowest_rate: used.lowest,
            highest_rate: used.highest,
            newest_rate: used.newest.filter(|_| used.given),
            rates_of_bill: used.of_bill,
        })
    }

    /// `EUR at 1.052 to 1.109 (rates given, the newest of 2026-06-01)`
    fn text(&self) -> String {
        let (lowest, highest) = (rate(self.lowest_rate), rate(self.highest_rate));
        let at = if lowest == highest { lowest } else { format!("{lowest} to {highest}") };
        let given = self.newest_rate.map(|day| format!("rates given, the newest of {day}"));
        let own = self.rates_of_bill.then(|| "the bill's own rates".to_owned());
        let whose: Vec<String> = given.into_iter().chain(own).collect();
        format!("{} at {at} ({})", self.currency, whose.join("; "))
    }
}

/// A rate in five significant digits.
fn rate(rate: f64) -> String {
    let digits = (4 - rate.log10().floor() as i32).clamp(0, 15);
    format!("{rate:.*}", digits as usize)
}

/// The last day of a bill.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct BillEnd {
    pub bill: String,
    pub data_through: NaiveDate,
}

/// A day that says nothing, for so many series.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct IncompleteDay {
    pub date: NaiveDate,
    pub series: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Warning {
    /// One sentence without a final period.
    pub fn text(&self) -> String {
        match self {
            Warning::DataIsOld { data_through, as_of, days } => {
                format!("the newest data is of {data_through}, {days} days before {as_of}: reading as of that day")
            }
            Warning::SourcesByPeriod { parts } => {
                let part = |part: &SourcePeriod| format!("{} of {}..{}", part.source, part.period.start, part.period.end);
                let parts: Vec<String> = parts.iter().map(part).collect();
                format!("from {}; the same money is never added twice", parts.join(", "))
            }
            Warning::OtherSources { read, others } => {
                format!("from {}; also in the database: {} (`--source`)", read.join(" and "), others.join(", "))
            }
            Warning::BillsAdded { bills, others } => bills_added(bills, others),
            Warning::NotCounted { provider, months, accounts, days, amount, currency, read, other } => {
                let months: Vec<String> = months.iter().map(|month| month.format("%Y-%m").to_string()).collect();
                let lacks: Vec<String> = [(*accounts, "account"), (*days, "day")]
                    .into_iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
                    .collect();
                let about = match currency {
                    Some(only) => money(*amount, only),
                    None => format!("{amount:.2}"),
                };
                format!(
                    "about {about} of {provider} are not counted: in {} only {other} has {}, which {read} does not (`--source {other}`)",
                    listed(&months),
                    lacks.join(" and "),
                )
            }
            Warning::Converted { target, currencies } => {
                let currencies: Vec<String> = currencies.iter().map(ConvertedCurrency::text).collect();
                format!("in {target}, converted: {}", currencies.join(", "))
            }
            Warning::NotConverted { target, currencies } => format!(
                "not converted to {target}, for there is no rate: {} (`currency.rates`)",
                currencies.join(", ")
            ),
            Warning::BillsEnd { bills } => {
                let ends: Vec<String> =
                    bills.iter().map(|end| format!("{} after {}", end.bill, end.data_through)).collect();
                format!("there is no data of {}", listed(&ends))
            }
            Warning::JudgedInPart { judged, series } => format!(
                "{judged} of {series} series are judged in full: the day of the others is as their last eight weeks were"
            ),
            Warning::LittleHistory { days, before } => {
                format!("only {days} days of data before {before}: 45 and more give better findings")
            }
            Warning::NotSettled { settled_through, asked_through } => format!(
                "days after {settled_through} are not settled and not judged, though asked for up to {asked_through}"
            ),
            Warning::MissingDays { bills, days } => {
                let of = match bills.is_empty() {
                    true => "at all of".to_owned(),
                    false => format!("of {} on", bills.join(" and ")),
                };
                let names: Vec<String> = days.iter().take(LISTED_DAYS).map(ToString::to_string).collect();
                let more = more_days(days.len().saturating_sub(LISTED_DAYS));
                format!("there is no data {of} {}{more}: not judged", names.join(", "))
            }
            Warning::TotalWithout { bills } => {
                format!("the total is without {}, whose days are others: judged apart", listed(bills))
            }
            Warning::IncompleteDays { days } => {
                let named: Vec<String> = days
                    .iter()
                    .take(LISTED_DAYS)
                    .map(|day| format!("{} ({} series)", day.date, day.series))
                    .collect();
                let more = more_days(days.len().saturating_sub(LISTED_DAYS));
                format!(
                    "not judged, for nearly all of an account is missing or low as on an unfinished day: {}{more}",
                    named.join(", ")
                )
            }
            Warning::FindingsByChance { expected, series, days } => format!(
                "about {expected:.0} in {series} series and {days} days would be chance in a bill as noisy as the ones measured (`backtest` measures yours)"
            ),
            Warning::NotKeptInLedger { reason: NotKept::OtherSettings { flag } } => {
                format!("not kept in the ledger: `{flag}` is another setting than the configuration's")
            }
            Warning::NotKeptInLedger { reason: NotKept::NotWritten { error } } => {
                format!("the findings stand; the ledger was not written (`--no-save` never does): {error}")
            }
            Warning::ForecastNotKept { error } => {
                format!("the forecast stands; the ledger was not written (`--no-save` never does): {error}")
            }
            Warning::BudgetNotKnown { budget, error } => format!("the budget `{budget}` is not told: {error}"),
            Warning::CurrencyNotJudged { currency, error } => format!("{currency} is not judged: {error}"),
            Warning::ShortReplay { replayed, asked, first_day } => {
                format!("only {replayed} of {asked} days can be replayed: history begins on {first_day}")
            }
            Warning::NoSeriesForEvents => {
                "no series is long and large enough to put events into: only alerts are counted".to_owned()
            }
            Warning::PeriodIncomplete { period, days } => format!(
                "there is data of {days} of the {} days from {} to {}",
                period.days(),
                period.start,
                period.end
            ),
            Warning::PeriodsOverlap => "the periods overlap: days of both are on either side".to_owned(),
            Warning::ExplainsWholeBill { incident } => {
                format!("incident {incident} is of many groups: this is the whole bill")
            }
            Warning::DimensionMissing { error, .. } => error.clone(),
            Warning::CategoriesNotSplit => "Cost Explorer was fetched without `--charge-categories`: services are compared with their fees and credits in them".to_owned(),
            Warning::SourceDaysDiffer { detailed, detailed_days, cost_explorer_days } => format!(
                "{detailed} has {}..{}, Cost Explorer {}..{}",
                detailed_days.start, detailed_days.end, cost_explorer_days.start, cost_explorer_days.end
            ),
            Warning::MetricMissing { metric } => format!("one of the two does not have the {metric} cost"),
            Warning::ComparedInPart { of, compared, excluded } => {
                format!("compared are the {of} {}; left out {}", compared.join(", "), excluded.join(", "))
            }
        }
    }
}

/// `added up: AWS 111 from cur2, Azure (3 payers)`
fn bills_added(bills: &[BillSource], others: &[String]) -> String {
    let part = |bill: &BillSource| {
        let payers = match (&bill.payer, bill.payers) {
            (Some(one), _) => format!(" {one}"),
            (None, 1) => String::new(),
            (None, several) => format!(" ({several} payers)"),
        };
        match &bill.sources[..] {
            [only] if *only == bill.provider => format!("{}{payers}", bill.provider),
            _ => format!("{}{payers} from {}", bill.provider, bill.sources.join(", then ")),
        }
    };
    let parts: Vec<String> = bills.iter().map(part).collect();
    let others = match others {
        [] => String::new(),
        others => format!("; also in the database: {} (`--source`)", others.join(", ")),
    };
    let added = if parts.len() > 1 { "added up: " } else { "" };
    format!("{added}{}{others}", listed(&parts))
}

/// The first few of `all`, and how many more there are.
fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    all[..all.len().min(LISTED)].join(", ") + &more
}

fn more_days(more: usize) -> String {
    if more > 0 { format!(" and {more} more days") } else { String::new() }
}
