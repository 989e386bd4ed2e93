//! The days of one cost beside what they should have been: what a change is compared with, its baseline, its course and its
//! chart.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::Serialize;

use super::change::Change;
use crate::{
    analysis::{
        detection::{Basis, Finding, Parameters, Verdict},
        stats::{median, median_absolute_deviation},
    },
    model::{
        Evidence, Kind, Period, Sensitivity, Series,
        text::{WithText, with_text_if_any, with_texts},
    },
    store::changes::DaySet,
};

/// Days before the change that it is compared with.
const BASELINE_DAYS: u64 = 28;
/// Of them, the same weekdays as those of the change, if there are so many.
const LEAST_SAME_WEEKDAYS: usize = 2;
/// Days of the chart.
const CHART_DAYS: u64 = 60;
/// Days that say what a day costs if it goes on.
const RECENT_DAYS: usize = 7;
/// So many days in a row as before the change say that it is over.
const OVER_DAYS: usize = 3;
/// The mean length of a month.
const DAYS_A_MONTH: f64 = 365.25 / 12.0;

/// What the day should have cost.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Baseline {
    /// The day that stands out most.
    pub peak_date: NaiveDate,
    pub actual: f64,
    pub expected: Option<f64>,
    /// The range in which it would not have been flagged.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Of the days before the change, 28 if there are so many.
    pub days: usize,
    pub median: Option<f64>,
    pub mad: Option<f64>,
    /// The median of the last four same weekdays.
    pub same_weekday: Option<f64>,
    pub last_month_same_day: Option<f64>,
    pub score: Option<f64>,
    pub flagged: bool,
    /// Why it is not, though its score is beyond the threshold.
    #[serde(serialize_with = "with_text_if_any")]
    #[schemars(with = "Option<WithText<'static, Evidence>>")]
    pub not_flagged: Option<Evidence>,
    pub kind: Option<Kind>,
    #[serde(serialize_with = "with_texts")]
    #[schemars(with = "Vec<WithText<'static, Evidence>>")]
    pub reasons: Vec<Evidence>,
}

/// Since when, and how it goes on.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Course {
    pub start_date: NaiveDate,
    /// The first hour (UTC), where the bill has hours.
    pub start_hour: Option<NaiveDateTime>,
    pub last_date: NaiveDate,
    /// How it stands on the newest settled days.
    pub state: CourseState,
    /// The first day on which it was over.
    pub over_since: Option<NaiveDate>,
    pub days: usize,
    /// What these days cost more than those before.
    pub so_far: f64,
    /// A day's cost in the newest days, at most seven, of the change or since.
    pub recent: f64,
    /// What a month at that level costs more than before, if the change goes on or has stayed.
    pub per_month: Option<f64>,
}

/// How a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CourseState {
    /// Its last day is the newest settled one.
    GoesOn,
    /// The days since are as it is.
    Stayed,
    /// The days since are as they were before.
    Over,
    /// There is no finding: the day is within what this cost varies by, or not worth one.
    NotFlagged,
}

/// A day of the chart.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ChartDay {
    pub date: NaiveDate,
    pub cost: f64,
    pub expected: Option<f64>,
    pub flagged: bool,
}

/// The days of the change, each compared with the mean of the normal days of its weekday in the four weeks before; all
/// normal days where there are too few of them. Means add up over parts, medians do not.
pub(crate) fn day_sets(
    verdicts: &[Option<Verdict>],
    series: &Series,
    event: Period,
    first_day: NaiveDate,
    is_known: &dyn Fn(NaiveDate) -> bool,
) -> Vec<DaySet> {
    let is_normal = |day: &NaiveDate| {
        let verdict = series.index(*day).and_then(|index| verdicts[index].as_ref());
        is_known(*day)
            && verdict.is_none_or(|verdict| {
                !verdict.flagged
                    && verdict.residual_score.abs() < Sensitivity::Medium.threshold()
                    && !matches!(verdict.basis, Basis::Recurring { .. } | Basis::FirstOfMonth)
            })
    };
    let start = (event.start - Days::new(BASELINE_DAYS)).max(first_day);
    let before = Period { start, end: event.start - Days::new(1) };
    let mut normal: Vec<NaiveDate> = before.iter().filter(is_normal).collect();
    if normal.is_empty() {
        normal = before.iter().filter(|day| is_known(*day)).collect();
    }
    // What did not exist before the event cost nothing on the days before it.
    if normal.is_empty() && event.start <= series.start {
        normal = before.iter().collect();
    }
    // A fee that falls into the event is not part of it.
    let is_fee = |day: &NaiveDate| {
        let verdict = series.index(*day).and_then(|index| verdicts[index].as_ref());
        verdict.is_some_and(|verdict| matches!(verdict.basis, Basis::Recurring { .. } | Basis::FirstOfMonth))
    };
    let known: Vec<NaiveDate> = event.iter().filter(|day| is_known(*day)).collect();
    let plain: Vec<NaiveDate> = known.iter().copied().filter(|day| !is_fee(day)).collect();
    let days = if plain.is_empty() { known } else { plain };
    let mut weights: BTreeMap<NaiveDate, f64> = BTreeMap::new();
    for day in &days {
        let same: Vec<&NaiveDate> = normal.iter().filter(|other| other.weekday() == day.weekday()).collect();
        let compared = if same.len() >= LEAST_SAME_WEEKDAYS { same } else { normal.iter().collect() };
        for other in &compared {
            *weights.entry(**other).or_default() += 1.0 / (compared.len() * days.len()) as f64;
        }
    }
    // Days that count alike are one set: the fewer sets, the less to read.
    let mut sets: BTreeMap<u64, DaySet> = BTreeMap::new();
    for (day, weight) in weights {
        let set = || DaySet { days: Vec::new(), weight, after: false };
        sets.entry(weight.to_bits()).or_insert_with(set).days.push(day);
    }
    let mut sets: Vec<DaySet> = sets.into_values().collect();
    sets.push(DaySet { weight: 1.0 / days.len().max(1) as f64, days, after: true });
    sets
}

/// What the day that stands out should have cost.
pub(crate) fn baseline(
    series: &Series,
    missing: &BTreeSet<NaiveDate>,
    verdicts: &[Option<Verdict>],
    peak: usize,
    event: Period,
    found: Option<&Finding>,
    parameters: &Parameters,
) -> Baseline {
    let verdict = verdicts[peak].as_ref();
    let cost = |day: NaiveDate| series.index(day).filter(|_| !missing.contains(&day)).map(|index| series.values[index]);
    let date = series.date(peak);
    let before: Vec<f64> = (1..=BASELINE_DAYS).filter_map(|back| cost(event.start - Days::new(back))).collect();
    let center = median(&before);
    let weekdays: Vec<f64> = (1..=4).filter_map(|weeks| cost(date - Days::new(7 * weeks))).collect();
    let range = verdict.and_then(|verdict| verdict.range(parameters.threshold));
    Baseline {
        peak_date: date,
        actual: series.values[peak],
        expected: verdict.map(|verdict| verdict.expected),
        low: range.map(|(low, _)| low),
        high: range.map(|(_, high)| high),
        days: before.len(),
        median: center,
        mad: center.and_then(|center| median_absolute_deviation(&before, center)),
        same_weekday: median(&weekdays),
        last_month_same_day: cost(date - Months::new(1)),
        score: verdict.map(|verdict| verdict.score),
        flagged: verdict.is_some_and(|verdict| verdict.flagged),
        not_flagged: verdict.and_then(|verdict| why_not(verdict, series.values[peak], parameters)),
        kind: found.map(|found| found.kind),
        reasons: found.map(|found| found.reasons.clone()).unwrap_or_default(),
    }
}

/// What held a finding back where the score alone would have made one.
fn why_not(verdict: &Verdict, cost: f64, parameters: &Parameters) -> Option<Evidence> {
    if verdict.flagged || verdict.residual_score.abs() < parameters.threshold {
        return None;
    }
    Some(match verdict.basis {
        Basis::Recurring { earlier } => Evidence::Recurring { earlier },
        Basis::FirstOfMonth => Evidence::FirstOfMonth,
        Basis::Quiet => Evidence::QuietDay,
        Basis::CrossSeries { moved, of } => Evidence::CrossSeries { moved, of },
        _ if !parameters.is_material(cost, verdict.expected) => {
            Evidence::Immaterial { min_impact: parameters.min_impact, min_impact_pct: parameters.min_impact_pct }
        }
        _ => Evidence::Usual,
    })
}

/// How it stands: the newest days, of the change or since, tell.
pub(crate) fn course(series: &Series, event: Period, is_finding: bool, change: Change) -> Course {
    let since: Vec<f64> =
        series.values.iter().skip(series.index(event.end).map_or(0, |last| last + 1)).copied().collect();
    let of_event: Vec<f64> =
        event.iter().filter_map(|day| series.index(day)).map(|index| series.values[index]).collect();
    let newest = |days: &[f64]| {
        let days = &days[days.len().saturating_sub(RECENT_DAYS)..];
        days.iter().sum::<f64>() / days.len().max(1) as f64
    };
    let (during, later) = (newest(&of_event), newest(&since));
    let is_as_before = |cost: &f64| (cost - during).abs() >= (cost - change.before).abs();
    let over = (0..since.len()).find(|day| since[*day..].iter().take(OVER_DAYS).all(is_as_before));
    let state = if !is_finding {
        CourseState::NotFlagged
    } else if since.is_empty() {
        CourseState::GoesOn
    } else if over.is_some() {
        CourseState::Over
    } else {
        CourseState::Stayed
    };
    let recent = if state == CourseState::Stayed { later } else { during };
    let lasts = matches!(state, CourseState::GoesOn | CourseState::Stayed);
    Course {
        start_date: event.start,
        start_hour: None,
        last_date: event.end,
        state,
        over_since: over.filter(|_| state == CourseState::Over).map(|day| event.end + Days::new(day as u64 + 1)),
        days: event.days(),
        so_far: change.change * event.days() as f64,
        recent,
        per_month: lasts.then_some((recent - change.before) * DAYS_A_MONTH),
    }
}

/// The days around the event.
pub(crate) fn chart(
    series: &Series,
    missing: &BTreeSet<NaiveDate>,
    verdicts: &[Option<Verdict>],
    event: Period,
    newest: NaiveDate,
) -> Vec<ChartDay> {
    let end = (event.end + Days::new(7)).min(newest);
    let start = (end - Days::new(CHART_DAYS - 1)).min(event.start - Days::new(7));
    Period { start, end }
        .iter()
        .filter(|date| !missing.contains(date))
        .filter_map(|date| {
            let index = series.index(date)?;
            let verdict = verdicts[index].as_ref();
            Some(ChartDay {
                date,
                cost: series.values[index],
                expected: verdict.map(|verdict| verdict.expected),
                flagged: verdict.is_some_and(|verdict| verdict.flagged),
            })
        })
        .collect()
}
