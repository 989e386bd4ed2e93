//! Budgets: what may be spent in a period, and from when on somebody wants to know. The fields are those of AWS Budgets, in the words of
//! the configuration.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use super::{ChargeCategory, Filter, Metric, Month, Period, text::words};
use crate::error::{Error, Result};

/// Months that an average may be of.
const MOST_MONTHS: u32 = 36;

/// What may be spent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What it is called, once.
    pub name: String,
    /// What may be spent in a period.
    pub amount: BudgetAmount,
    /// What an amount of earlier months grows by in a period.
    #[serde(default, skip_serializing_if = "Percent::is_zero")]
    pub growth: Percent,
    /// How long a period is.
    #[serde(default)]
    pub period: BudgetPeriod,
    /// A month in which a quarter or a year begins; January without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Month>,
    /// Which cost, as `--filter` takes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Which cost of a line item.
    #[serde(default)]
    pub metric: Metric,
    /// Charge categories beside usage, purchases and adjustments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<ChargeCategory>,
    /// Who hears of it: an owner of `notify.owners`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Channels that hear of it instead of the owner's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// From when on; the usual ones of [`Budget::thresholds`] without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}

words! {
    /// How long the period of a budget is.
    #[derive(Default)]
    pub enum BudgetPeriod in "lowercase" {
        /// A day
        Daily,
        /// A month
        #[default]
        Monthly,
        /// Three months
        Quarterly,
        /// Twelve months
        Yearly,
    }
}

/// What may be spent.
#[derive(Clone, Debug, PartialEq)]
pub enum BudgetAmount {
    /// In every period.
    Fixed(f64),
    /// In each month by its own.
    ByMonth(BTreeMap<Month, f64>),
    /// As much as the last month.
    LastMonth,
    /// As much as the average of so many months.
    Average(u32),
}

/// A share in percent, written as `80 %`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percent(pub f64);

/// From when on somebody wants to know of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Whether it is of what will be spent; otherwise of what is.
    pub forecast: bool,
    /// How much that is.
    pub limit: Limit,
}

/// How much a threshold is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Of the amount.
    Percent(f64),
    /// In the currency of the cost.
    Amount(f64),
}

impl Budget {
    /// The period that a day falls into.
    pub fn period_of(&self, day: NaiveDate) -> Period {
        let months = match self.period {
            BudgetPeriod::Daily => return Period { start: day, end: day },
            BudgetPeriod::Monthly => 1,
            BudgetPeriod::Quarterly => 3,
            BudgetPeriod::Yearly => 12,
        };
        let index = |day: NaiveDate| day.year() * 12 + day.month0() as i32;
        let first = self.starts.map_or(0, |month| index(month.first_day()));
        let since = (index(day) - first).rem_euclid(months);
        let start = super::first_of_month(day) - Months::new(since as u32);
        Period { start, end: start + Months::new(months as u32) - Days::new(1) }
    }

    /// From when on somebody wants to know: without any of its own 80 % and 100 % spent, and 100 % forecast; of a day 100 % spent, for
    /// what a day will cost is known when it is over.
    pub fn thresholds(&self) -> Vec<Threshold> {
        let percent = |forecast, percent| Threshold { forecast, limit: Limit::Percent(percent) };
        match (&self.thresholds[..], self.period) {
            ([], BudgetPeriod::Daily) => vec![percent(false, 100.0)],
            ([], _) => vec![percent(false, 80.0), percent(false, 100.0), percent(true, 100.0)],
            (own, _) => own.to_vec(),
        }
    }

    /// # Errors
    /// When it has no name, or an amount, a growth or a threshold that makes no sense.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::input(format!("the budget `{}` {what}", self.name)));
        let positive = |amount: f64| amount.is_finite() && amount > 0.0;
        if self.name.trim().is_empty() {
            return Err(Error::input("a budget has no `name`"));
        }
        let fine = match &self.amount {
            BudgetAmount::Fixed(amount) => positive(*amount),
            BudgetAmount::ByMonth(months) => !months.is_empty() && months.values().all(|amount| positive(*amount)),
            BudgetAmount::LastMonth => true,
            BudgetAmount::Average(months) => (1..=MOST_MONTHS).contains(months),
        };
        if !fine {
            return refuse(
                "needs an `amount` above 0, amounts by month, `last_month`, or an average of 1 to 36 months",
            );
        }
        if !(self.growth.0.is_finite() && self.growth.0 > -100.0 && self.growth.0 <= 1000.0) {
            return refuse("needs a `growth` from -99 % to 1000 %");
        }
        if !self.growth.is_zero() && matches!(self.amount, BudgetAmount::Fixed(_) | BudgetAmount::ByMonth(_)) {
            return refuse("has a `growth`, which is for `last_month` and averages only");
        }
        let limits = self.thresholds.iter().map(|threshold| match threshold.limit {
            Limit::Percent(limit) | Limit::Amount(limit) => limit,
        });
        if !limits.into_iter().all(positive) {
            return refuse("needs `thresholds` above 0");
        }
        let twice = |place: usize| self.thresholds[..place].contains(&self.thresholds[place]);
        if (0..self.thresholds.len()).any(twice) {
            return refuse("has the same threshold twice");
        }
        Ok(())
    }
}

impl Percent {
    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }

    /// `5 %` or `5%`.
    fn read(text: &str) -> Option<f64> {
        text.trim().strip_suffix('%')?.trim().parse().ok()
    }
}

/// Without decimals where there are none.
fn percent_text(percent: f64) -> String {
    format!("{percent} %")
}

impl Threshold {
    /// In words, the same for the same threshold: `80 % spent`, `20000 forecast`.
    pub fn text(&self) -> String {
        let limit = match self.limit {
            Limit::Percent(percent) => percent_text(percent),
            Limit::Amount(amount) => amount.to_string(),
        };
        format!("{limit} {}", if self.forecast { "forecast" } else { "spent" })
    }

    /// The cost from which on it is crossed, of an amount.
    pub fn of(&self, amount: f64) -> f64 {
        match self.limit {
            Limit::Percent(percent) => percent / 100.0 * amount,
            Limit::Amount(limit) => limit,
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&percent_text(self.0))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => Self::read(&text),
            _ => None,
        };
        found.map(Percent).ok_or_else(|| de::Error::custom("write a growth as `5 %`"))
    }
}

impl Serialize for BudgetAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BudgetAmount::Fixed(amount) => amount.serialize(serializer),
            BudgetAmount::ByMonth(months) => {
                serializer.collect_map(months.iter().map(|(month, amount)| (month.to_string(), amount)))
            }
            BudgetAmount::LastMonth => "last_month".serialize(serializer),
            BudgetAmount::Average(months) => json!({"average": format!("{months} months")}).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BudgetAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const HOW: &str = "write an amount as 20000, as `last_month`, as `{ average: 3 months }`, or by month as `{ 2026-11: 20000 }`";
        let wrong = || de::Error::custom(HOW);
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_f64().map(BudgetAmount::Fixed).ok_or_else(wrong),
            Value::String(text) if text == "last_month" => Ok(BudgetAmount::LastMonth),
            Value::Object(fields) if fields.len() == 1 && fields.contains_key("average") => {
                let text =
                    fields["average"].as_str().map(str::to_owned).unwrap_or_else(|| fields["average"].to_string());
                let count = text.split_whitespace().next().and_then(|count| count.parse().ok());
                count.map(BudgetAmount::Average).ok_or_else(wrong)
            }
            Value::Object(fields) => {
                let month = |(month, amount): (String, Value)| Some((month.parse().ok()?, amount.as_f64()?));
                fields.into_iter().map(month).collect::<Option<_>>().map(BudgetAmount::ByMonth).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = if self.forecast { "forecast" } else { "actual" };
        let limit = match self.limit {
            Limit::Percent(percent) => Value::from(percent_text(percent)),
            Limit::Amount(amount) => Value::from(amount),
        };
        serializer.collect_map([(kind, limit)])
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("write a threshold as `{ actual: 80 % }` or `{ forecast: 20000 }`");
        let Value::Object(fields) = Value::deserialize(deserializer)? else { return Err(wrong()) };
        let mut fields = fields.into_iter();
        let (Some((kind, limit)), None) = (fields.next(), fields.next()) else { return Err(wrong()) };
        let limit = match limit {
            Value::Number(number) => number.as_f64().map(Limit::Amount),
            Value::String(text) => Percent::read(&text).map(Limit::Percent),
            _ => None,
        };
        match (kind.as_str(), limit) {
            ("actual", Some(limit)) => Ok(Threshold { forecast: false, limit }),
            ("forecast", Some(limit)) => Ok(Threshold { forecast: true, limit }),
            _ => Err(wrong()),
        }
    }
}

/// The schema of a type that is read by hand.
macro_rules! schema {
    ($($name:ident: $schema:tt),*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

schema!(
    Percent: { "type": ["string", "number"], "description": "a share such as `5 %`" },
    BudgetAmount: {
        "type": ["number", "string", "object"],
        "description": "an amount, `last_month`, `{\"average\": \"3 months\"}`, or amounts by month"
    },
    Threshold: { "type": "object", "description": "`{\"actual\": \"80 %\"}` or `{\"forecast\": 20000}`" }
);

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(more: Value) -> Budget {
        let mut fields = json!({"name": "all", "amount": 100});
        fields.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        serde_json::from_value(fields).expect("a budget")
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn periods_are_of_the_calendar_or_of_the_fiscal_year() {
        let of = |more: Value, at: &str| {
            let period = budget(more).period_of(day(at));
            format!("{}..{}", period.start, period.end)
        };
        assert_eq!(of(json!({"period": "daily"}), "2026-11-20"), "2026-11-20..2026-11-20");
        assert_eq!(of(json!({}), "2024-02-29"), "2024-02-01..2024-02-29");
        assert_eq!(of(json!({"period": "quarterly"}), "2026-11-20"), "2026-10-01..2026-12-31");
        assert_eq!(of(json!({"period": "yearly"}), "2026-11-20"), "2026-01-01..2026-12-31");
        let fiscal = |period: &str| json!({"period": period, "starts": "2020-02"});
        assert_eq!(of(fiscal("quarterly"), "2026-01-31"), "2025-11-01..2026-01-31");
        assert_eq!(of(fiscal("yearly"), "2026-01-31"), "2025-02-01..2026-01-31");
        assert_eq!(of(fiscal("yearly"), "2019-02-01"), "2019-02-01..2020-01-31");
    }

    #[test]
    fn what_is_written_reads_back() {
        let full = json!({"name": "all", "amount": {"average": "3 months"}, "growth": "5 %", "period": "quarterly",
            "starts": "2026-02", "filters": ["account=1"], "metric": "unblended", "include": ["Tax"], "owner": "platform",
            "channels": ["finops"], "thresholds": [{"actual": "80 %"}, {"forecast": 12.5}]});
        let read: Budget = serde_json::from_value(full.clone()).expect("a budget");
        read.check().expect("fine");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), full);
        for amount in [json!(20_000.0), json!("last_month"), json!({"2026-11": 1.0, "2026-12": 2.0})] {
            let read: BudgetAmount = serde_json::from_value(amount.clone()).expect("an amount");
            assert_eq!(serde_json::to_value(&read).expect("JSON"), amount);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (field, value, said) in [
            ("amount", json!("much"), "write an amount as 20000"),
            ("amount", json!({"november": 1}), "write an amount as 20000"),
            ("thresholds", json!([{"actual": "much"}]), "write a threshold as"),
            ("thresholds", json!([{"actual": "80 %", "forecast": "80 %"}]), "write a threshold as"),
            ("period", json!("fortnightly"), "unknown variant"),
        ] {
            let mut fields = json!({"name": "all", "amount": 100});
            fields[field] = value;
            let error = serde_json::from_value::<Budget>(fields).expect_err(field).to_string();
            assert!(error.contains(said), "{error}");
        }
        for more in [
            json!({"name": " "}),
            json!({"amount": 0}),
            json!({"amount": {"average": "0 months"}}),
            json!({"growth": "5 %"}),
            json!({"thresholds": [{"actual": "80 %"}, {"actual": "80%"}]}),
            json!({"thresholds": [{"actual": -1}]}),
        ] {
            assert!(budget(more.clone()).check().is_err(), "{more}");
        }
    }
}
