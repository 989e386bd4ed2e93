//! The methods that others use, as baselines and for those who prefer them: the classic rule, the plain z-score,
//! the day before, the rolling z-score. Same verdicts as the robust method's.
//! `docs/ANOMALIES.md` says how each does.

use super::{
    settings::Parameters,
    verdict::{Basis, UNHEARD_OF, Verdict},
};
use crate::{
    analysis::stats::{median, modified_z, theil_sen_slope},
    model::{Kind, Method, Series},
};

/// The classic rule needs this many days before the one it judges, and this many in all for a slope.
const MIN_BASELINE_DAYS: usize = 3;
const MIN_DRIFT_DAYS: usize = 5;
/// What `pct-change` and `rolling-zscore` call a jump, in percent.
const JUMP_PCT: f64 = 50.0;
/// Days of the rolling z-score, and the z-score that it asks for at medium sensitivity.
const ROLLING_DAYS: usize = 7;
const ROLLING_Z: f64 = 2.0;
/// The classic rule and others are asked at the threshold of the run; those with a rule of their own score so
/// that they are flagged at it.
const MEDIUM: f64 = 2.5;

/// One verdict for each day of `series`; `None` where the method has too little before the day.
pub(super) fn verdicts(series: &Series, parameters: &Parameters) -> Vec<Option<Verdict>> {
    let values = &series.values;
    (0..values.len())
        .map(|day| {
            let verdict = match parameters.method {
                Method::Robust => None,
                Method::Classic => classic(&values[..=day], parameters),
                Method::Zscore => zscore(&values[..=day], parameters.threshold),
                Method::PctChange => pct_change(&values[..=day], parameters.threshold),
                Method::RollingZscore => rolling(&values[..=day], parameters),
            };
            verdict.map(|verdict| match verdict.flagged && values[day] <= 0.0 {
                true => Verdict { kind: Kind::Stopped, ..verdict },
                false => verdict,
            })
        })
        .collect()
}

fn verdict(expected: f64, score: f64, flagged: bool, kind: Kind, basis: Basis) -> Verdict {
    Verdict { expected, score, residual_score: 0.0, flagged, kind, basis, absorbed: false }
}

/// Median/MAD of the window for the day, its Theil-Sen slope for the drift; whichever is further over its
/// threshold.
fn classic(values: &[f64], parameters: &Parameters) -> Option<Verdict> {
    let window = &values[values.len().saturating_sub(parameters.window_days)..];
    let (point, drift) = (classic_point(window, parameters), classic_drift(window, parameters));
    let weight = |verdict: &Verdict| (verdict.flagged, verdict.score.abs());
    match (point, drift) {
        (Some(point), Some(drift)) => Some(if weight(&drift) > weight(&point) { drift } else { point }),
        (point, drift) => point.or(drift),
    }
}

fn classic_point(window: &[f64], parameters: &Parameters) -> Option<Verdict> {
    let (&actual, baseline) = window.split_last()?;
    let expected = median(baseline).filter(|_| baseline.len() >= MIN_BASELINE_DAYS)?;
    if actual.max(expected) < parameters.min_daily_cost {
        return None;
    }
    let z = modified_z(actual, baseline, parameters.min_daily_cost)?;
    let basis = Basis::Window { days: window.len(), z };
    Some(verdict(expected, z, z.abs() >= parameters.threshold, Kind::Point, basis))
}

/// The change over the window by its slope, in percent of its median, brought to the scale of the score by
/// its own threshold.
fn classic_drift(window: &[f64], parameters: &Parameters) -> Option<Verdict> {
    let days = window.len();
    let last = *window.last().filter(|_| days >= MIN_DRIFT_DAYS)?;
    let level = median(window).filter(|level| *level > 0.0)?;
    let percent = theil_sen_slope(window)? * days as f64 / level * 100.0;
    let expected = median(&window[..days / 2])?;
    if last.max(expected) < parameters.min_daily_cost {
        return None;
    }
    // A day that has gone the other way is no part of the drift.
    let same_way = (last - expected) * percent > 0.0;
    let score = percent / parameters.drift_threshold_pct * parameters.threshold;
    let flagged = same_way && percent.abs() > parameters.drift_threshold_pct;
    Some(verdict(expected, score, flagged, Kind::Drift, Basis::Slope { days, percent }))
}

/// Mean and standard deviation of all days, the judged one included, as the billing services do it.
fn zscore(values: &[f64], threshold: f64) -> Option<Verdict> {
    let (mean, deviation) = mean_and_deviation(values).filter(|_| values.len() > MIN_BASELINE_DAYS)?;
    let z = if deviation > 0.0 { (values.last()? - mean) / deviation } else { 0.0 };
    Some(verdict(mean, z, z.abs() > threshold, Kind::Point, Basis::Mean { days: values.len(), mean, deviation }))
}

/// More than half over the day before. The score is such that the rule's own 50 % is the middle preset.
fn pct_change(values: &[f64], threshold: f64) -> Option<Verdict> {
    let [.., before, last] = values else { return None };
    if *before <= 0.0 {
        return None;
    }
    let percent = (last / before - 1.0) * 100.0;
    let score = percent / JUMP_PCT * MEDIUM;
    Some(verdict(*before, score, score > threshold, Kind::Point, Basis::DayBefore { percent }))
}

/// More than two standard deviations and half over the mean of seven days before.
fn rolling(values: &[f64], parameters: &Parameters) -> Option<Verdict> {
    let (&last, before) = values.split_last()?;
    let days = &before[before.len().checked_sub(ROLLING_DAYS)?..];
    let (mean, deviation) = mean_and_deviation(days)?;
    if last < parameters.min_daily_cost || deviation <= 0.0 || mean <= 0.0 {
        return None;
    }
    let over = ((last - mean) / deviation / ROLLING_Z).min((last / mean - 1.0) * 100.0 / JUMP_PCT);
    let score = over.min(UNHEARD_OF) * MEDIUM;
    let basis = Basis::Mean { days: ROLLING_DAYS, mean, deviation };
    Some(verdict(mean, score, score > parameters.threshold, Kind::Point, basis))
}

fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (values.len() > 1).then(|| (mean, variance.sqrt()))
}
