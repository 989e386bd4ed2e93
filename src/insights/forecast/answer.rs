//! What a forecast answers.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    assumptions::Assumption,
    intervals::{Calibration, Interval},
    scenarios::Scenarios,
};
use crate::{
    insights::change::Change,
    model::{GroupBy, Period, text::with_texts},
};

/// Where a period will end.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Forecast {
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The charge categories that count.
    pub include: Vec<&'static str>,
    /// The days that are forecast.
    pub period: Period,
    /// The newest day that counts as it is; those after it are to come.
    pub known_through: NaiveDate,
    /// The whole period.
    pub total: Estimate,
    /// Where the intervals come from; none where there are no intervals.
    pub calibration: Option<Calibrated>,
    /// What the period before cost, and of it as many days as are known of this one.
    pub before: Option<Before>,
    /// The costliest first, `other` last.
    pub groups: Vec<GroupForecast>,
    /// Groups that make the difference to the period before, the largest difference first.
    pub drivers: Vec<Driver>,
    /// What becomes of the total when open incidents end, and when they stay; none where none is open.
    pub scenarios: Option<Scenarios>,
    /// What was forecast of this period before, the earliest first.
    pub earlier: Vec<EarlierForecast>,
    /// The forecast of the period before that was made on the same day of it, and what came.
    pub checked: Option<CheckedForecast>,
    /// Cost by day: as it was, and as it is expected.
    pub days: Vec<ForecastDay>,
    /// What it goes by.
    #[serde(serialize_with = "with_texts")]
    #[schemars(with = "Vec<crate::model::text::WithText<'static, Assumption>>")]
    pub assumptions: Vec<Assumption>,
}

/// What something will come to.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Estimate {
    /// What the known days cost.
    pub to_date: f64,
    /// The whole period: `to_date` and what is to come.
    pub expected: f64,
    /// From the narrowest to the widest; none where too little is known of how wrong forecasts are.
    pub intervals: Vec<Interval>,
}

/// How intervals were found.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Calibrated {
    /// Whose errors the total goes by.
    pub by: Calibration,
    /// How many errors that are.
    pub errors: usize,
    /// Months that were replayed.
    pub months: usize,
}

/// The period before.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Before {
    pub period: Period,
    /// What it cost, against what this one is expected to.
    pub total: Change,
    /// As many of its days as are known of this one, against these.
    pub to_date: Change,
}

/// One group.
#[derive(Debug, JsonSchema, Serialize)]
pub struct GroupForecast {
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    /// Whether this row stands for all groups that are not shown by name.
    pub other: bool,
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Whose errors its intervals go by.
    pub calibration: Option<Calibration>,
    /// What it cost in the period before.
    pub before: Option<f64>,
}

/// A group that makes the period differ from the one before.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Driver {
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    /// What it cost before, and what it is expected to.
    #[serde(flatten)]
    pub change: Change,
}

/// One day.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct ForecastDay {
    pub date: NaiveDate,
    /// As it was; of days that are not settled as far as it is there.
    pub cost: Option<f64>,
    /// As it is expected; of days that are known as they were.
    pub expected: f64,
    pub settled: bool,
}

impl Estimate {
    /// The interval of a probability.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        self.intervals.iter().copied().find(|interval| interval.level == level)
    }
}

/// A forecast that was made before.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct EarlierForecast {
    pub made_on: NaiveDate,
    pub expected: f64,
    /// The interval of 80 %.
    pub interval: Option<Interval>,
}

/// A forecast of a period that is over.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct CheckedForecast {
    #[serde(flatten)]
    pub forecast: EarlierForecast,
    pub period: Period,
    /// What it cost.
    pub actual: f64,
    /// Expected beyond actual, in percent of actual.
    pub error_pct: Option<f64>,
    /// Whether the interval had what it cost.
    pub within: Option<bool>,
}
