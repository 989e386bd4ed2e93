//! Why a day or a run of days is a finding, or is not: facts that can be checked against the bill, each with a code, and in one
//! English phrase.

use std::fmt;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dimension, Direction};

/// Parts that a phrase names.
const NAMED: usize = 5;

/// One fact of a finding. Costs are of a day, in the currency of the finding.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Evidence {
    /// The day against the level of the days before it, times the factor of its weekday; `margin` is what would not have
    /// been flagged, `weekly_trend` a share of the level.
    Level { actual: f64, expected: f64, margin: f64, days: usize, weekday: f64, weekly_trend: f64 },
    /// The score, and the one from which a day is flagged.
    Score { score: f64, threshold: f64 },
    /// The median of the last days against the level before them, both without the week.
    Shift { days: usize, before: f64, now: f64 },
    /// A charge against the median of earlier charges, in a series that is not charged every day.
    Charges { actual: f64, typical: f64, count: usize },
    /// A charge on a day of the month that never had one.
    OffSchedule { actual: f64, day_of_month: u32 },
    /// First charges, and the cost from which they are a finding.
    FirstCharges { actual: f64, floor: f64 },
    /// First charges are where stolen credentials show: somebody must know them.
    VerifyOwner,
    /// Charges after days without one.
    ChargedAgain { actual: f64, days: usize },
    /// As on the same day of an earlier month or week.
    Recurring { earlier: NaiveDate },
    /// On a 1st of a month, and there is no earlier one to compare with.
    FirstOfMonth,
    /// As cheap as the cheapest weekday.
    QuietDay,
    /// Many series moved together.
    CrossSeries { moved: usize, of: usize },
    /// The same as a finding of its own, each series by this score at least.
    MovedTogether { moved: usize, of: usize, direction: Direction, score: f64 },
    /// The difference is below the floors.
    Immaterial { min_impact: f64, min_impact_pct: f64 },
    /// Nearer to what such days have been.
    Usual,
    /// Method `classic`: the day against the median of its window.
    WindowMedian { actual: f64, expected: f64 },
    /// Method `classic`: the modified z-score of the day in its window.
    ModifiedZ { z: f64, threshold: f64, days: usize },
    /// Method `classic`: the Theil-Sen slope of the window, in percent of its median.
    Slope { percent: f64, days: usize, actual: f64, expected: f64 },
    /// Method `zscore` and `rolling-zscore`: the day against mean and standard deviation.
    Mean { actual: f64, mean: f64, deviation: f64, days: usize },
    /// Method `pct-change`: the day against the one before.
    DayBefore { percent: f64, before: f64 },
    /// So many days of a run were flagged.
    FlaggedDays { flagged: usize, of: usize },
    /// The newest day of the run.
    Latest { date: NaiveDate, actual: f64 },
    /// The change is what is normal since then.
    Absorbed { from: NaiveDate },
    /// What it is made of, at another level, the largest first.
    MadeOf { dimension: Option<Dimension>, parts: Vec<Part> },
    /// Cost that moved from one value of a dimension to another.
    MovedBetween { amount: f64, dimension: Dimension, from: Named, to: Named },
    /// What both sides of a move changed by.
    BothSides { there: f64, here: f64 },
    /// Another incident covers it now.
    CoveredBy { incident: String },
}

/// A part of a finding at another level.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Part {
    /// Of the dimensions that the finding does not have.
    pub values: Vec<String>,
    /// What it changed by, a day.
    pub impact: f64,
}

/// A value of a dimension, with the name of an account where it has one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Named {
    /// The value itself.
    pub value: String,
    /// Of an account.
    pub name: Option<String>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name})", self.value),
            None => f.write_str(&self.value),
        }
    }
}

impl Evidence {
    /// Whether it asks the reader for something, rather than say why.
    pub fn is_request(&self) -> bool {
        matches!(self, Evidence::VerifyOwner)
    }
}

/// One phrase without a final period.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Evidence::Level { actual, expected, margin, days, weekday, weekly_trend } => {
                write!(f, "{actual:.2} instead of {expected:.2} give or take {margin:.2} (the level of {days} days")?;
                if (weekday - 1.0).abs() >= 0.02 {
                    write!(f, ", times {weekday:.2} on this weekday")?;
                }
                if weekly_trend.abs() >= 0.002 {
                    write!(f, ", {:+.1} % a week", weekly_trend * 100.0)?;
                }
                f.write_str(")")
            }
            Evidence::Score { score, threshold } => write!(f, "score {score:.1}, threshold {threshold:.1}"),
            Evidence::Shift { days, before, now } => write!(
                f,
                "median of {days} days {now:.2} against {before:.2} before, {:+.0} %, weekdays evened out",
                (now / before - 1.0) * 100.0
            ),
            Evidence::Charges { actual, typical, count } => {
                write!(f, "not charged every day: {actual:.2} against {typical:.2}, the median of {count} charges")
            }
            Evidence::OffSchedule { actual, day_of_month } => {
                write!(f, "{actual:.2} on day {day_of_month} of the month, when it was never charged before")
            }
            Evidence::FirstCharges { actual, floor } => {
                write!(f, "first charges: {actual:.2} a day where there was nothing, floor {floor:.2}")
            }
            Evidence::VerifyOwner => {
                f.write_str("make sure that somebody of yours started it: stolen credentials show here first")
            }
            Evidence::ChargedAgain { actual, days } => {
                write!(f, "charged again: {actual:.2} a day after {days} days without a charge")
            }
            Evidence::Recurring { earlier } => write!(f, "as much more came on {earlier}"),
            Evidence::FirstOfMonth => f.write_str("fees come on the 1st, and there is no earlier one to compare with"),
            Evidence::QuietDay => f.write_str("as cheap as the cheapest day of the week"),
            Evidence::CrossSeries { moved, of } => write!(f, "{moved} of {of} series moved together"),
            Evidence::MovedTogether { moved, of, direction, score } => write!(
                f,
                "{moved} of {of} series went {} together, each by a score of {score} and more",
                direction.name()
            ),
            Evidence::Immaterial { min_impact, min_impact_pct } => write!(
                f,
                "the difference is below `anomaly.min_impact` ({min_impact}) or `min_impact_pct` ({min_impact_pct} %)"
            ),
            Evidence::Usual => f.write_str("nearer to what such days have been"),
            Evidence::WindowMedian { actual, expected } => {
                write!(f, "{actual:.2} against a median of {expected:.2} over the days before it")
            }
            Evidence::ModifiedZ { z, threshold, days } => {
                write!(f, "modified z-score {z:.1}, threshold {threshold:.1}, window {days} days")
            }
            Evidence::Slope { percent, days, actual, expected } => write!(
                f,
                "{percent:+.0} % over {days} days by the Theil-Sen slope against their median; {actual:.2} against a median \
                 of {expected:.2} in the first half of them"
            ),
            Evidence::Mean { actual, mean, deviation, days } => {
                write!(f, "{actual:.2} against a mean of {mean:.2} over {days} days, standard deviation {deviation:.2}")
            }
            Evidence::DayBefore { percent, before } => write!(f, "{percent:+.0} % over the day before, {before:.2}"),
            Evidence::FlaggedDays { flagged, of } => write!(f, "{flagged} of {of} days flagged"),
            Evidence::Latest { date, actual } => write!(f, "{actual:.2} on {date}"),
            Evidence::Absorbed { from } => write!(f, "taken as normal from {from} on"),
            Evidence::MadeOf { dimension, parts } => made_of(f, dimension.as_ref(), parts),
            Evidence::MovedBetween { amount, dimension, from, to } => {
                let what = dimension.to_string().replace('-', " ");
                write!(f, "{amount:.2} a day moved from {what} {from} to {to}")
            }
            Evidence::BothSides { there, here } => write!(f, "{there:+.2} there, {here:+.2} here"),
            Evidence::CoveredBy { incident } => write!(f, "part of {incident} now"),
        }
    }
}

fn made_of(f: &mut fmt::Formatter, dimension: Option<&Dimension>, parts: &[Part]) -> fmt::Result {
    let what = dimension.map_or_else(|| "group".to_owned(), |one| one.to_string().replace('-', " "));
    let plural = if parts.len() == 1 { "" } else { "s" };
    let named: Vec<String> =
        parts.iter().take(NAMED).map(|part| format!("{} {:+.2}", part.values.join(" / "), part.impact)).collect();
    let more = if parts.len() > NAMED { ", …" } else { "" };
    write!(f, "of {} {what}{plural}: {}{more}", parts.len(), named.join(", "))
}

/// All phrases, in one line.
pub fn phrases(evidence: &[Evidence]) -> String {
    evidence.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{super::text::with_texts, *};

    #[test]
    fn facts_come_back_as_they_were_with_and_without_their_text() {
        let date = NaiveDate::from_ymd_opt(2026, 3, 2).expect("a date");
        let named = |value: &str, name: Option<&str>| Named { value: value.into(), name: name.map(Into::into) };
        let part = Part { values: vec!["AmazonEC2".into()], impact: -3.5 };
        let all = vec![
            Evidence::Level {
                actual: 0.1 + 0.2,
                expected: 1e-12,
                margin: 2.0,
                days: 28,
                weekday: 1.0,
                weekly_trend: 0.0,
            },
            Evidence::VerifyOwner,
            Evidence::Recurring { earlier: date },
            Evidence::MovedTogether { moved: 5, of: 60, direction: Direction::Up, score: 2.0 },
            Evidence::MadeOf { dimension: Some(Dimension::Tag("team".into())), parts: vec![part] },
            Evidence::MovedBetween {
                amount: 39.55,
                dimension: Dimension::Account,
                from: named("1", Some("team-0")),
                to: named("2", None),
            },
        ];
        let kept = serde_json::to_string(&all).expect("JSON");
        assert!(!kept.contains("\"text\""), "{kept}");
        assert_eq!(serde_json::from_str::<Vec<Evidence>>(&kept).expect("facts"), all);
        let mut shown = Vec::new();
        with_texts(&all, &mut serde_json::Serializer::new(&mut shown)).expect("JSON");
        assert_eq!(serde_json::from_slice::<Vec<Evidence>>(&shown).expect("facts"), all);
        let shown: serde_json::Value = serde_json::from_slice(&shown).expect("JSON");
        assert_eq!(shown[5]["text"], "39.55 a day moved from account 1 (team-0) to 2");
    }
}
