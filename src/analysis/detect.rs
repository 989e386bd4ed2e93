//! The classic method: a robust z-score for days that stand out and a Theil-Sen slope for slow drift.
//! `docs/ANOMALIES.md` gives the formulas. One function takes series and returns findings: [`detect`].

use chrono::{Days, NaiveDate};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::stats::{median, modified_z, theil_sen_slope};
use crate::model::{Period, Series};

/// A day needs this many days before it to be judged.
const MIN_BASELINE_DAYS: usize = 3;
/// A slope needs this many days.
const MIN_DRIFT_DAYS: usize = 5;
/// Severities by |z|, and by drift in percent of the level.
const CRITICAL_Z: f64 = 4.0;
const WARNING_Z: f64 = 3.0;
const CRITICAL_DRIFT_PCT: f64 = 100.0;
const WARNING_DRIFT_PCT: f64 = 50.0;

/// The `anomaly` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Days that a day is judged in, itself included.
    pub rolling_window_days: usize,
    /// The modified z-score from which a day is flagged, unless a sensitivity is named.
    pub z_score_threshold: f64,
    /// Series whose actual and expected cost are both below are left alone, in the currency of the bill.
    pub min_daily_cost: f64,
    /// The change over the window, in percent of its median, from which a slope is called a drift.
    pub drift_threshold_pct: f64,
    /// Days before today that may still change.
    pub settle_days: u32,
}

/// How readily a day is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Modified z-score of 3.0
    Low,
    /// Modified z-score of 2.5
    Medium,
    /// Modified z-score of 2.0
    High,
}

impl Sensitivity {
    /// The threshold in units of the modified z-score (Leys et al. 2013: 3 conservative, 2.5 moderate, 2 liberal).
    pub fn threshold(self) -> f64 {
        match self {
            Sensitivity::Low => 3.0,
            Sensitivity::Medium => 2.5,
            Sensitivity::High => 2.0,
        }
    }
}

/// What [`detect`] goes by.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    pub window_days: usize,
    pub threshold: f64,
    pub min_daily_cost: f64,
    pub drift_threshold_pct: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A day far from the days before it.
    Point,
    /// A slow change over the window.
    Drift,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Point => "point",
            Kind::Drift => "drift",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Up,
    Down,
}

impl Direction {
    fn of(change: f64) -> Self {
        if change < 0.0 { Direction::Down } else { Direction::Up }
    }

    pub fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// Ordered from least to most severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What one measure says of one day of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    pub kind: Kind,
    /// The day's cost.
    pub actual: f64,
    /// Point: the median of the days before. Drift: the median of the window's first half.
    pub expected: f64,
    /// Signed, in units of the modified z-score. A drift is brought to that scale by its own threshold,
    /// so that whatever is flagged scores at least the threshold.
    pub score: f64,
    /// Point: the modified z-score. Drift: percent of the median over the window.
    pub raw: f64,
    pub flagged: bool,
}

/// A run of flagged days of one series, kind and direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The index of its series.
    pub series: usize,
    pub kind: Kind,
    pub direction: Direction,
    pub severity: Severity,
    /// The day of the run that stands out most.
    pub date: NaiveDate,
    pub start: NaiveDate,
    /// The last flagged day, when a judged day follows that is not flagged.
    pub end: Option<NaiveDate>,
    pub actual: f64,
    pub expected: f64,
    /// Actual minus expected on `date`.
    pub impact: f64,
    /// The same over the whole run.
    pub impact_total: f64,
    pub score: f64,
    pub reasons: Vec<String>,
}

/// Judges every day of `judged` in each series as if it were the newest: nothing after a day is used.
///
/// A finding is a run of flagged days that reaches into `judged`; it is followed back over the window before
/// it, so that it begins when it began. A drift is left out where a point finding of the same direction tells
/// of the same days. Findings come ranked by severity, then by dollars.
pub fn detect(series: &[Series], judged: Period, parameters: &Parameters) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, one) in series.iter().enumerate() {
        let points = runs(index, one, Kind::Point, judged, parameters);
        let told =
            |drift: &Finding| points.iter().any(|point| point.direction == drift.direction && overlap(point, drift));
        let drifts = runs(index, one, Kind::Drift, judged, parameters).into_iter().filter(|drift| !told(drift));
        let drifts: Vec<Finding> = drifts.collect();
        findings.extend(points.into_iter().chain(drifts));
    }
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(b.impact_total.abs().total_cmp(&a.impact_total.abs()))
            .then(a.series.cmp(&b.series))
            .then(a.start.cmp(&b.start))
    });
    findings
}

fn overlap(a: &Finding, b: &Finding) -> bool {
    a.end.is_none_or(|end| end >= b.start) && b.end.is_none_or(|end| end >= a.start)
}

/// Whether `series` has the days before `day` that a judgement needs.
pub fn can_judge(series: &Series, day: NaiveDate) -> bool {
    series.index(day).is_some_and(|index| index >= MIN_BASELINE_DAYS)
}

/// What both measures say of `day`, where they can say anything.
pub fn judge(series: &Series, day: NaiveDate, parameters: &Parameters) -> impl Iterator<Item = Measure> {
    let window = series.index(day).map(|index| {
        let start = (index + 1).saturating_sub(parameters.window_days);
        &series.values[start..=index]
    });
    let window = window.unwrap_or_default();
    [point(window, parameters), drift(window, parameters)].into_iter().flatten()
}

/// The modified z-score of the last day of `window` against the days before it.
fn point(window: &[f64], parameters: &Parameters) -> Option<Measure> {
    let (&actual, baseline) = window.split_last()?;
    if baseline.len() < MIN_BASELINE_DAYS {
        return None;
    }
    let expected = median(baseline)?;
    if actual.max(expected) < parameters.min_daily_cost {
        return None;
    }
    let z = modified_z(actual, baseline, parameters.min_daily_cost)?;
    Some(Measure { kind: Kind::Point, actual, expected, score: z, raw: z, flagged: z.abs() >= parameters.threshold })
}

/// The change over `window` by its Theil-Sen slope, in percent of its median.
fn drift(window: &[f64], parameters: &Parameters) -> Option<Measure> {
    let days = window.len();
    if days < MIN_DRIFT_DAYS {
        return None;
    }
    let level = median(window)?;
    let slope = theil_sen_slope(window)?;
    let last = *window.last()?;
    let percent = slope * days as f64 / level * 100.0;
    let expected = median(&window[..days / 2])?;
    if level <= 0.0 || last.max(expected) < parameters.min_daily_cost {
        return None;
    }
    // A day that has gone the other way is no part of the drift.
    let same_way = (last - expected) * percent > 0.0;
    Some(Measure {
        kind: Kind::Drift,
        actual: last,
        expected,
        score: percent / parameters.drift_threshold_pct * parameters.threshold,
        raw: percent,
        flagged: same_way && percent.abs() > parameters.drift_threshold_pct,
    })
}

/// Merges consecutive flagged days of one direction into runs, and keeps those that reach into `judged`.
fn runs(index: usize, series: &Series, kind: Kind, judged: Period, parameters: &Parameters) -> Vec<Finding> {
    let mut runs: Vec<Vec<(NaiveDate, Measure)>> = Vec::new();
    let mut open = false;
    let followed = Period { start: judged.start - Days::new(parameters.window_days as u64), end: judged.end };
    for day in followed.iter() {
        let measure = judge(series, day, parameters).find(|measure| measure.kind == kind && measure.flagged);
        let Some(measure) = measure else {
            open = false;
            continue;
        };
        let goes_on = |run: &Vec<(NaiveDate, Measure)>| {
            run.last().is_some_and(|(_, last)| Direction::of(last.score) == Direction::of(measure.score))
        };
        match runs.last_mut() {
            Some(run) if open && goes_on(run) => run.push((day, measure)),
            _ => runs.push(vec![(day, measure)]),
        }
        open = true;
    }
    runs.retain(|run| run.last().is_some_and(|(last, _)| *last >= judged.start));
    runs.iter().filter_map(|run| finding(index, run, judged, parameters)).collect()
}

fn finding(series: usize, run: &[(NaiveDate, Measure)], judged: Period, parameters: &Parameters) -> Option<Finding> {
    let &(date, peak) = run.iter().max_by(|a, b| a.1.score.abs().total_cmp(&b.1.score.abs()))?;
    let (start, last) = (run.first()?.0, run.last()?.0);
    let impact = |measure: &Measure| measure.actual - measure.expected;
    Some(Finding {
        series,
        kind: peak.kind,
        direction: Direction::of(peak.score),
        severity: severity(&peak),
        date,
        start,
        end: (last < judged.end).then_some(last),
        actual: peak.actual,
        expected: peak.expected,
        impact: impact(&peak),
        impact_total: run.iter().map(|(_, measure)| impact(measure)).sum(),
        score: peak.score,
        reasons: reasons(&peak, run.len(), parameters),
    })
}

fn severity(measure: &Measure) -> Severity {
    let (critical, warning) = match measure.kind {
        Kind::Point => (CRITICAL_Z, WARNING_Z),
        Kind::Drift => (CRITICAL_DRIFT_PCT, WARNING_DRIFT_PCT),
    };
    match measure.raw.abs() {
        raw if raw > critical => Severity::Critical,
        raw if raw > warning => Severity::Warning,
        _ => Severity::Info,
    }
}

/// Why the day was flagged, in words that can be checked against the bill.
fn reasons(measure: &Measure, days: usize, parameters: &Parameters) -> Vec<String> {
    let Parameters { window_days, threshold, drift_threshold_pct, .. } = parameters;
    let mut reasons = match measure.kind {
        Kind::Point => vec![
            format!("{:.2} against a median of {:.2} over the days before it", measure.actual, measure.expected),
            format!("modified z-score {:.1}, threshold {threshold:.1}, window {window_days} days", measure.raw),
        ],
        Kind::Drift => vec![
            format!(
                "{:+.0} % over {window_days} days by the Theil-Sen slope against their median, threshold {drift_threshold_pct:.0} %",
                measure.raw
            ),
            format!("{:.2} against a median of {:.2} in the first half of them", measure.actual, measure.expected),
        ],
    };
    if days > 1 {
        reasons.push(format!("{days} days in a row"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARAMETERS: Parameters =
        Parameters { window_days: 14, threshold: 2.5, min_daily_cost: 1.0, drift_threshold_pct: 20.0 };

    fn start() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).expect("valid")
    }

    fn series(values: &[f64]) -> Series {
        Series { group: vec!["x".into()], start: start(), values: values.to_vec() }
    }

    fn all(values: &[f64]) -> Vec<Finding> {
        let judged = Period { start: start(), end: start() + Days::new(values.len() as u64 - 1) };
        detect(&[series(values)], judged, &PARAMETERS)
    }

    #[test]
    fn a_spike_is_found_on_its_day_with_its_dollars() {
        let mut values = [10.0, 11.0, 9.0, 10.0, 12.0, 10.0, 9.0, 11.0, 10.0, 10.0, 11.0, 9.0].to_vec();
        values.push(40.0);
        let findings: Vec<Finding> = all(&values).into_iter().filter(|f| f.score > 10.0).collect();
        assert_eq!(findings.len(), 1);
        let spike = &findings[0];
        assert_eq!((spike.kind, spike.direction, spike.severity), (Kind::Point, Direction::Up, Severity::Critical));
        assert_eq!((spike.date, spike.end), (start() + Days::new(12), None));
        assert!((spike.impact - 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_service_that_stops_is_a_drop_though_today_costs_nothing() {
        let mut values = vec![20.0; 13];
        values.push(0.0);
        let findings = all(&values);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].direction, findings[0].impact), (Direction::Down, -20.0));
    }

    #[test]
    fn days_in_a_row_are_one_finding() {
        let mut values = vec![20.0; 13];
        values.extend([60.0, 61.0]);
        values.extend([20.0; 3]);
        let spikes: Vec<Finding> = all(&values).into_iter().filter(|f| f.kind == Kind::Point).collect();
        assert_eq!(spikes.len(), 1, "{spikes:#?}");
        assert_eq!(spikes[0].start, start() + Days::new(13));
        assert_eq!(spikes[0].end, Some(start() + Days::new(14)));
        assert!((spikes[0].impact_total - 81.0).abs() < 1e-9);
    }

    #[test]
    fn the_newest_day_tells_since_when() {
        let mut values = vec![20.0; 13];
        values.extend([60.0, 61.0, 62.0]);
        let newest = start() + Days::new(15);
        let findings = detect(&[series(&values)], Period { start: newest, end: newest }, &PARAMETERS);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!((findings[0].start, findings[0].end), (start() + Days::new(13), None));
        assert!((findings[0].impact_total - 123.0).abs() < 1e-9);
        let over = Period { start: start() + Days::new(30), end: start() + Days::new(30) };
        values.extend([20.0; 20]);
        assert_eq!(detect(&[series(&values)], over, &PARAMETERS), [], "what is over is not told again");
    }

    #[test]
    fn a_slow_rise_is_a_drift() {
        let values: Vec<f64> = (0..14).map(|i| 100.0 + 4.0 * f64::from(i)).collect();
        let last = start() + Days::new(13);
        let findings = detect(&[series(&values)], Period { start: last, end: last }, &PARAMETERS);
        let drift = findings.iter().find(|f| f.kind == Kind::Drift).expect("drift");
        assert!((drift.expected - 112.0).abs() < 1e-9 && (drift.actual - 152.0).abs() < 1e-9);
        // 4 × 14 / 126 = 44 %: above 20, below 50.
        assert_eq!(drift.severity, Severity::Info);
        assert!(drift.score.abs() >= PARAMETERS.threshold);
    }

    #[test]
    fn small_money_is_left_alone() {
        let mut values = vec![0.1; 13];
        values.push(0.9);
        assert_eq!(all(&values), []);
    }

    #[test]
    fn too_little_history_is_not_judged() {
        assert_eq!(all(&[1.0, 1.0, 50.0]), []);
    }

    proptest! {
        #[test]
        fn a_flat_series_has_no_finding(level in 0.0..1e5f64, n in 1usize..60) {
            prop_assert_eq!(all(&vec![level; n]), vec![]);
        }

        #[test]
        fn scaling_a_series_keeps_its_findings(values in prop::collection::vec(50.0..500.0f64, 20..40), scale in 1.0..50.0f64) {
            let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();
            let shape = |findings: Vec<Finding>| findings.iter().map(|f| (f.kind, f.start, f.end)).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(shape(all(&values)), shape(all(&scaled)));
        }

        #[test]
        fn nothing_after_a_day_changes_its_judgement(values in prop::collection::vec(0.0..500.0f64, 20..40), tail in prop::collection::vec(0.0..500.0f64, 1..10)) {
            let day = start() + Days::new(values.len() as u64 - 1);
            let mut longer = values.clone();
            longer.extend(tail);
            let before: Vec<Measure> = judge(&series(&values), day, &PARAMETERS).collect();
            let after: Vec<Measure> = judge(&series(&longer), day, &PARAMETERS).collect();
            prop_assert_eq!(before, after);
        }
    }
}
