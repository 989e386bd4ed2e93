//! The words that every module shares: dimensions, metrics, periods, series. It never does I/O.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use chrono::{Datelike, Days, Months, NaiveDate};
use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    error::{Error, Result, nearest},
    inert,
};

/// What a cost can be grouped or filtered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Service,
    Account,
    Payer,
    Region,
    UsageType,
    Operation,
    Resource,
    ChargeCategory,
    LineItemType,
    PurchaseOption,
    Provider,
    BillingEntity,
    Currency,
    Tag(String),
    CostCategory(String),
}

/// The dimensions without a key, by name and column, in the order that help shows them.
const PLAIN_DIMENSIONS: [(&str, Dimension, &str); 13] = [
    ("service", Dimension::Service, "product_code"),
    ("account", Dimension::Account, "usage_account_id"),
    ("region", Dimension::Region, "region"),
    ("usage-type", Dimension::UsageType, "usage_type"),
    ("operation", Dimension::Operation, "operation"),
    ("resource", Dimension::Resource, "resource_id"),
    ("charge-category", Dimension::ChargeCategory, "charge_category"),
    ("line-item-type", Dimension::LineItemType, "line_item_type"),
    ("purchase-option", Dimension::PurchaseOption, "purchase_option"),
    ("provider", Dimension::Provider, "provider"),
    ("payer", Dimension::Payer, "payer_account_id"),
    ("billing-entity", Dimension::BillingEntity, "billing_entity"),
    ("currency", Dimension::Currency, "currency"),
];

impl Dimension {
    /// The names that [`Dimension::from_str`] takes, for help and hints.
    pub fn names() -> String {
        let plain: Vec<&str> = PLAIN_DIMENSIONS.iter().map(|(name, ..)| *name).collect();
        format!("{}, tag:KEY, cost-category:KEY", plain.join(", "))
    }

    /// The column of the store, for the dimensions that are one.
    pub fn column(&self) -> Option<&'static str> {
        PLAIN_DIMENSIONS.iter().find(|(_, dimension, _)| dimension == self).map(|(.., column)| *column)
    }

    /// Whether `daily_cost_summary` has it; the others need the line items.
    pub fn in_daily_summary(&self) -> bool {
        use Dimension::*;
        matches!(self, Service | Account | Payer | Region | ChargeCategory | Provider | Currency)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Tag(key) => write!(f, "tag:{key}"),
            Dimension::CostCategory(key) => write!(f, "cost-category:{key}"),
            plain => {
                let name = PLAIN_DIMENSIONS.iter().find(|(_, dimension, _)| dimension == plain);
                f.write_str(name.map_or("", |(name, ..)| name))
            }
        }
    }
}

impl FromStr for Dimension {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((kind, key)) = text.split_once(':')
            && !key.is_empty()
        {
            match kind {
                "tag" => return Ok(Dimension::Tag(key.into())),
                "cost-category" => return Ok(Dimension::CostCategory(key.into())),
                _ => {}
            }
        }
        let name = text.replace('_', "-").to_lowercase();
        if let Some((_, dimension, _)) = PLAIN_DIMENSIONS.iter().find(|(plain, ..)| *plain == name) {
            return Ok(dimension.clone());
        }
        let candidates = PLAIN_DIMENSIONS.iter().map(|(plain, ..)| *plain).chain(["tag:KEY", "cost-category:KEY"]);
        let error = Error::usage(format!("there is no dimension `{text}`"));
        Err(match nearest(&name, candidates) {
            Some(near) => error.hint(format!("did you mean `{near}`? There are: {}", Self::names())),
            None => error.hint(format!("there are: {}", Self::names())),
        })
    }
}

impl Serialize for Dimension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One or more dimensions joined by `+`, as `--group-by` takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct GroupBy(pub Vec<Dimension>);

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for GroupBy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut dimensions = Vec::new();
        for part in text.split(['+', ',']) {
            let dimension: Dimension = part.trim().parse()?;
            if dimensions.contains(&dimension) {
                return Err(Error::usage(format!("`--group-by {text}` names `{dimension}` twice")));
            }
            dimensions.push(dimension);
        }
        Ok(GroupBy(dimensions))
    }
}

/// `dimension=value` or `dimension!=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub dimension: Dimension,
    pub value: String,
    pub negated: bool,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}={}", self.dimension, if self.negated { "!" } else { "" }, self.value)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((left, value)) = text.split_once('=') else {
            return Err(Error::usage(format!("cannot read the filter `{text}`"))
                .hint("write it as `service=AmazonEC2` or `service!=AmazonEC2`"));
        };
        let (name, negated) = match left.strip_suffix('!') {
            Some(name) => (name, true),
            None => (left, false),
        };
        Ok(Filter { dimension: name.trim().parse()?, value: value.trim().into(), negated })
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(explained)
    }
}

/// Which cost of a line item is meant; AWS's words (DATA.md says how each is computed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    Unblended,
    Blended,
    Amortized,
    NetUnblended,
    NetAmortized,
    List,
}

impl Metric {
    /// The metrics that Cost Explorer and CUR both have.
    pub const COSTS: [Metric; 5] =
        [Metric::Unblended, Metric::Blended, Metric::Amortized, Metric::NetUnblended, Metric::NetAmortized];

    /// The column of `cost_line_items` and `daily_cost_summary`.
    pub fn column(self) -> &'static str {
        match self {
            Metric::Unblended => "unblended_cost",
            Metric::Blended => "blended_cost",
            Metric::Amortized => "amortized_cost",
            Metric::NetUnblended => "net_unblended_cost",
            Metric::NetAmortized => "net_amortized_cost",
            Metric::List => "list_cost",
        }
    }

    /// The name in JSON: `net_amortized`.
    pub fn name(self) -> &'static str {
        let column = self.column();
        column.strip_suffix("_cost").unwrap_or(column)
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// FOCUS's charge categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ChargeCategory {
    /// What was consumed, discounts and covered usage included
    Usage,
    /// Fees, upfront and recurring, and what of a commitment went unused
    #[value(aliases = ["fee", "fees", "purchases"])]
    Purchase,
    /// Taxes
    #[value(aliases = ["taxes"])]
    Tax,
    /// Credits and refunds
    #[value(aliases = ["credits", "refund", "refunds"])]
    Credit,
    /// Discounts on lines of their own, roundings, corrections
    #[value(aliases = ["adjustments", "discount", "discounts"])]
    Adjustment,
}

impl ChargeCategory {
    pub const ALL: [ChargeCategory; 5] = [
        ChargeCategory::Usage,
        ChargeCategory::Purchase,
        ChargeCategory::Tax,
        ChargeCategory::Credit,
        ChargeCategory::Adjustment,
    ];

    /// The categories that are what things cost; the others hide or pile up on it.
    pub const USAGE_LIKE: [ChargeCategory; 3] =
        [ChargeCategory::Usage, ChargeCategory::Purchase, ChargeCategory::Adjustment];

    /// FOCUS's word, as the store has it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChargeCategory::Usage => "Usage",
            ChargeCategory::Purchase => "Purchase",
            ChargeCategory::Tax => "Tax",
            ChargeCategory::Credit => "Credit",
            ChargeCategory::Adjustment => "Adjustment",
        }
    }
}

/// The length of the periods that a trend is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    Daily,
    /// Weeks that start on Monday
    Weekly,
    Monthly,
}

impl Granularity {
    /// The period that `day` falls into, not cut at any range.
    pub fn period_of(self, day: NaiveDate) -> Period {
        match self {
            Granularity::Daily => Period { start: day, end: day },
            Granularity::Weekly => {
                let start = day - Days::new(u64::from(day.weekday().num_days_from_monday()));
                Period { start, end: start + Days::new(6) }
            }
            Granularity::Monthly => {
                let start = first_of_month(day);
                Period { start, end: start + Months::new(1) - Days::new(1) }
            }
        }
    }
}

/// The first day of the month of `day`.
pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day - Days::new(u64::from(day.day0()))
}

/// A day from outside: a flag, a file, the name of a folder. Bills are of this century; a day far away is a mistake, and
/// what counts days up to it never ends. `FromStr` reads `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The years that a day may be of.
    const YEARS: RangeInclusive<i32> = 2000..=2199;

    /// The day of a date, when it is near enough.
    pub fn new(date: NaiveDate) -> Option<Self> {
        Self::YEARS.contains(&date.year()).then_some(Self(date))
    }

    /// The first day of a month written as `YYYY-MM`.
    ///
    /// # Errors
    /// When it is no month, or far away.
    pub fn of_month(text: &str) -> Result<Self> {
        let date = format!("{text}-01").parse().ok();
        date.and_then(Self::new).ok_or_else(|| {
            Error::usage(format!("`{text}` is not a month")).hint("write months as YYYY-MM, from 2000-01 to 2199-12")
        })
    }

    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            Error::usage(format!("`{text}` is not a day"))
                .hint("write days as YYYY-MM-DD, from 2000-01-01 to 2199-12-31")
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(explained)
    }
}

/// An error of the program as one of a reader of files.
fn explained<E: de::Error>(error: Error) -> E {
    E::custom(format!("{} ({})", error.summary(), error.hints().join("; ")))
}

/// Days from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Period {
    pub start: NaiveDate,
    pub end: NaiveDate,
}

impl Period {
    /// The number of days.
    pub fn days(self) -> usize {
        usize::try_from((self.end - self.start).num_days() + 1).unwrap_or(0)
    }

    /// The days in order.
    pub fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.start.iter_days().take(self.days())
    }

    pub fn contains(self, day: NaiveDate) -> bool {
        (self.start..=self.end).contains(&day)
    }

    /// The periods of `granularity` that make up this one, the outer ones cut at its ends.
    pub fn split(self, granularity: Granularity) -> Vec<Period> {
        let mut periods = Vec::new();
        let mut day = self.start;
        while day <= self.end {
            let whole = granularity.period_of(day);
            periods.push(Period { start: day, end: whole.end.min(self.end) });
            day = whole.end + Days::new(1);
        }
        periods
    }
}

/// The daily cost of one group, without holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// One value for each dimension of the group-by.
    pub group: Vec<String>,
    /// The day of `values[0]`: the group's first charge, or the first day asked for if that is later.
    pub start: NaiveDate,
    /// Cost by day in the currency of the query; a day without a charge is 0.
    pub values: Vec<f64>,
}

impl Series {
    /// The index of `day`, when the series has it.
    pub fn index(&self, day: NaiveDate) -> Option<usize> {
        let index = usize::try_from((day - self.start).num_days()).ok()?;
        (index < self.values.len()).then_some(index)
    }
}

/// `$1,234.50`, `-$3.10`, `1,234.50 CHF`: two decimals, thousands apart.
pub fn money(amount: f64, currency: &str) -> String {
    with_sign(amount, currency, "")
}

/// Like [`money`] with a plus sign on increases.
pub fn change(amount: f64, currency: &str) -> String {
    with_sign(amount, currency, "+")
}

fn with_sign(amount: f64, currency: &str, plus: &str) -> String {
    let cents = format!("{:.2}", amount.abs());
    let zero = cents == "0.00";
    let sign = match amount {
        _ if zero => "",
        amount if amount < 0.0 => "-",
        _ => plus,
    };
    let (whole, decimals) = cents.split_once('.').unwrap_or((&cents, "00"));
    let digits = grouped(whole);
    match currency {
        "USD" => format!("{sign}${digits}.{decimals}"),
        "EUR" => format!("{sign}€{digits}.{decimals}"),
        "GBP" => format!("{sign}£{digits}.{decimals}"),
        other => format!("{sign}{digits}.{decimals} {}", inert::one_line(other)),
    }
}

/// At most `most` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `334,911`
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Digits with a comma between thousands.
pub fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inert;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|_| panic!("{text} is no date"))
    }

    #[test]
    fn every_plain_dimension_reads_back_from_its_name() {
        for (name, dimension, _) in PLAIN_DIMENSIONS {
            assert_eq!(dimension.to_string(), name);
            assert_eq!(name.parse::<Dimension>().ok(), Some(dimension));
        }
        assert_eq!("tag:team".parse::<Dimension>().ok(), Some(Dimension::Tag("team".into())));
    }

    #[test]
    fn days_from_outside_are_of_this_century_or_the_next() {
        for fine in ["2000-01-01", "2026-02-28", "2199-12-31"] {
            assert_eq!(fine.parse::<Day>().expect("a day").to_string(), fine);
        }
        for wrong in [
            "1999-12-31",
            "2200-01-01",
            "0001-05-26",
            "9999-12-31",
            "+10000-01-01",
            "-0044-03-15",
            "262142-12-31",
            "99999999999-01-01",
            "2026-02-29",
            "26-10-01",
            "soon",
            "",
            "2026-11",
            "2026-11-20\0",
        ] {
            let error = wrong.parse::<Day>().expect_err(wrong).to_string();
            let shown = inert::one_line(wrong);
            assert!(error.contains(&format!("`{shown}` is not a day")) && error.contains("2199-12-31"), "{error}");
        }
        assert_eq!(Day::of_month("2026-02").expect("a month").date(), day("2026-02-01"));
        for wrong in ["1999-12", "2200-01", "2026-13", "2026", "2026-02-01", "+99999-01"] {
            assert!(Day::of_month(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods_at_the_ends_of_the_range_have_neighbours() {
        for far in ["2000-01-01", "2199-12-31"] {
            for granularity in [Granularity::Daily, Granularity::Weekly, Granularity::Monthly] {
                assert!(granularity.period_of(day(far)).contains(day(far)));
            }
        }
    }

    #[test]
    fn unknown_dimension_names_the_nearest() {
        let error = "servce".parse::<Dimension>().expect_err("unknown").to_string();
        assert!(error.contains("did you mean `service`?"), "{error}");
    }

    #[test]
    fn months_split_at_the_range() {
        let period = Period { start: day("2018-10-15"), end: day("2018-12-02") };
        let months: Vec<String> =
            period.split(Granularity::Monthly).iter().map(|p| format!("{}..{}", p.start, p.end)).collect();
        assert_eq!(months, ["2018-10-15..2018-10-31", "2018-11-01..2018-11-30", "2018-12-01..2018-12-02"]);
    }

    #[test]
    fn weeks_start_on_monday() {
        let week = Granularity::Weekly.period_of(day("2026-11-20"));
        assert_eq!((week.start, week.end), (day("2026-11-16"), day("2026-11-22")));
    }

    #[test]
    fn filters_read_both_operators() {
        let filter: Filter = "service!=AmazonEC2".parse().expect("valid");
        assert!(filter.negated && filter.dimension == Dimension::Service && filter.value == "AmazonEC2");
    }

    #[test]
    fn money_is_grouped_signed_and_never_minus_zero() {
        assert_eq!(money(1_234_567.891, "USD"), "$1,234,567.89");
        assert_eq!(money(-3.1, "USD"), "-$3.10");
        assert_eq!(money(-0.001, "USD"), "$0.00");
        assert_eq!(money(12.0, "CHF"), "12.00 CHF");
        assert_eq!(change(5.0, "EUR"), "+€5.00");
    }
}
