//! Flagged days become findings: one for each run of them, with its dollars, its severity and the evidence.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::{
    cross_series::{CrossSeriesShift, SHIFT_SCORE},
    judge::Judged,
    settings::Parameters,
    verdict::{Basis, Verdict},
};
use crate::{
    analysis::stats::{mann_kendall_z, median},
    model::{Direction, Evidence, Kind, Period, Series, Severity},
};

/// Flagged days with at most this many others between them are one finding.
const GAP: usize = 2;
/// Severities by |score|.
const CRITICAL_SCORE: f64 = 4.0;
const WARNING_SCORE: f64 = 3.0;
/// A run is followed back from its first flagged day over days that were off the same way by this score.
const ONSET_SCORE: f64 = 0.8;
/// Two-sided 1 % of the normal distribution: from here a lasting change is called slow.
const DRIFT_Z: f64 = 2.576;
/// What goes on is expected to go on for as long again, and for a month at most.
const HORIZON_DAYS: usize = 30;

/// A run of flagged days of one series and direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The indexes of its series: one, or all that take part in a cross-series shift.
    pub series: Vec<usize>,
    pub kind: Kind,
    pub direction: Direction,
    pub severity: Severity,
    /// The day that stands out most.
    pub date: NaiveDate,
    pub start: NaiveDate,
    /// The last flagged day, when it is not the last one of its series.
    pub end: Option<NaiveDate>,
    /// The last flagged day.
    pub last_seen: NaiveDate,
    pub actual: f64,
    pub expected: f64,
    /// Actual minus expected on `date`.
    pub impact: f64,
    /// The same on the last flagged day.
    pub last_impact: f64,
    /// The same over all days from `start` to the last flagged one.
    pub impact_total: f64,
    /// `|impact_total|`, and what the last day's difference adds if it goes on for as long again.
    pub at_stake: f64,
    pub score: f64,
    pub flagged_days: usize,
    /// Whether the change has become what is normal.
    pub absorbed: bool,
    pub reasons: Vec<Evidence>,
}

/// The findings that reach into `period`, those with most dollars at stake first.
pub(crate) fn findings(series: &[Series], judged: &Judged, period: Period, parameters: &Parameters) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (index, one) in series.iter().enumerate() {
        let verdicts = &judged.verdicts[index];
        let mut own: Vec<(Vec<usize>, Finding)> = Vec::new();
        for mut run in runs(one, verdicts, period) {
            let Some(mut next) = finding(index, one, verdicts, &run, period, parameters) else { continue };
            // A lasting change that began before the last one was over is the same.
            let is_normal = |day: &usize| verdicts[*day].as_ref().is_some_and(|verdict| verdict.absorbed);
            let same = |(days, last): &(Vec<usize>, Finding)| {
                last.direction == next.direction && next.start <= last.last_seen && !days.iter().any(is_normal)
            };
            if let Some(place) = own.iter().rposition(same) {
                let mut all = own.remove(place).0;
                all.append(&mut run);
                run = all;
                match finding(index, one, verdicts, &run, period, parameters) {
                    Some(merged) => next = merged,
                    None => continue,
                }
            }
            own.push((run, next));
        }
        found.extend(own.into_iter().map(|(_, finding)| finding).filter(|finding| finding.last_seen >= period.start));
    }
    found.extend(judged.shifts.iter().filter_map(|shift| shared_finding(series, judged, shift, period, parameters)));
    found.sort_by(|a, b| {
        b.at_stake.total_cmp(&a.at_stake).then_with(|| a.series.cmp(&b.series)).then_with(|| a.start.cmp(&b.start))
    });
    found
}

/// Indexes of the flagged days of one direction.
fn runs(series: &Series, verdicts: &[Option<Verdict>], period: Period) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut open: [Option<(usize, usize)>; 2] = [None, None];
    let mut judged_days = 0;
    for (day, verdict) in verdicts.iter().enumerate() {
        if series.date(day) > period.end {
            break;
        }
        let Some(verdict) = verdict else { continue };
        judged_days += 1;
        if !verdict.flagged {
            continue;
        }
        let side = usize::from(verdict.score < 0.0);
        match open[side] {
            Some((run, seen)) if judged_days - seen <= GAP + 1 => runs[run].push(day),
            _ => {
                open[side] = Some((runs.len(), judged_days));
                runs.push(vec![day]);
            }
        }
        if let Some((_, seen)) = &mut open[side] {
            *seen = judged_days;
        }
        // What became normal is over; the same again is something new.
        if verdict.absorbed {
            open = [None, None];
        }
    }
    runs
}

fn finding(
    index: usize,
    series: &Series,
    verdicts: &[Option<Verdict>],
    run: &[usize],
    period: Period,
    parameters: &Parameters,
) -> Option<Finding> {
    let of = |day: usize| verdicts.get(day).and_then(Option::as_ref);
    let strongest = |a: &&usize, b: &&usize| {
        // Of days that stand out alike, the first.
        let score = |day: usize| of(day).map_or(0.0, |verdict| (verdict.score.abs() * 10.0).round());
        let dollars = |day: usize| of(day).map_or(0.0, |verdict| (series.values[day] - verdict.expected).abs().round());
        score(**a).total_cmp(&score(**b)).then(dollars(**a).total_cmp(&dollars(**b))).then(b.cmp(a))
    };
    let peak_day = *run.iter().max_by(strongest)?;
    let peak = of(peak_day)?;
    let last = *run.last()?;
    let direction = Direction::of(peak.score);
    let kind = kind_of(series, verdicts, run);
    let start = onset(verdicts, run, direction);
    let impact = |day: usize| of(day).map_or(0.0, |verdict| series.values[day] - verdict.expected);
    let impact_total: f64 = (start..=last).map(impact).sum();
    // A series whose bill ends before the others goes on until then.
    let goes_on = series.date(last) == period.end || last + 1 == series.values.len();
    let length = last - start + 1;
    let ahead = if goes_on { length.min(HORIZON_DAYS) as f64 * impact(last).abs() } else { 0.0 };
    // A lasting change is told by its levels, not by one of its days.
    let (actual, expected) = match peak.basis {
        Basis::Shift { before, now, .. } => (now, before),
        _ => (series.values[peak_day], peak.expected),
    };
    let absorbed =
        run.iter().any(|day| of(*day).is_some_and(|verdict| verdict.absorbed)) || stayed(series, verdicts, run, period);
    let mut reasons = evidence(series.values[peak_day], peak, parameters.threshold);
    if run.len() > 1 {
        reasons.push(Evidence::FlaggedDays { flagged: run.len(), of: length });
    }
    if goes_on && last != peak_day {
        reasons.push(Evidence::Latest { date: series.date(last), actual: series.values[last] });
    }
    if absorbed {
        reasons.push(Evidence::Absorbed { from: series.date(last) + Days::new(1) });
    }
    Some(Finding {
        series: vec![index],
        kind,
        direction,
        severity: severity(peak.score, actual - expected, parameters),
        date: series.date(peak_day),
        start: series.date(start),
        end: (!goes_on).then(|| series.date(last)),
        last_seen: series.date(last),
        actual,
        expected,
        impact: actual - expected,
        last_impact: impact(last),
        impact_total,
        at_stake: impact_total.abs() + ahead,
        score: peak.score,
        flagged_days: run.len(),
        absorbed,
        reasons,
    })
}

/// The one finding of a cross-series shift.
fn shared_finding(
    series: &[Series],
    judged: &Judged,
    shift: &CrossSeriesShift,
    period: Period,
    parameters: &Parameters,
) -> Option<Finding> {
    if shift.last < period.start {
        return None;
    }
    let mut days: BTreeMap<NaiveDate, (f64, f64)> = BTreeMap::new();
    let (mut score, mut absorbed) = (0.0_f64, 0);
    for (index, on) in &shift.parts {
        for day in on {
            let at = series[*index].index(*day)?;
            let verdict = judged.verdicts[*index][at].as_ref()?;
            let sums = days.entry(*day).or_default();
            sums.0 += series[*index].values[at];
            sums.1 += verdict.expected;
            score = score.max(verdict.residual_score.abs());
            absorbed += usize::from(verdict.absorbed);
        }
    }
    let difference = |sums: &(f64, f64)| sums.0 - sums.1;
    let (date, (actual, expected)) =
        days.iter().max_by(|a, b| difference(a.1).abs().total_cmp(&difference(b.1).abs()).then(b.0.cmp(a.0)))?;
    let impact = actual - expected;
    let impact_total: f64 = days.values().map(difference).sum();
    let goes_on = shift.last == period.end;
    let length = days.len();
    let ahead = if goes_on { length.min(HORIZON_DAYS) as f64 * impact.abs() } else { 0.0 };
    let absorbed = 2 * absorbed >= shift.parts.len();
    parameters.is_material(*actual, *expected).then(|| Finding {
        series: shift.parts.keys().copied().collect(),
        kind: if length < 7 { Kind::Point } else { Kind::LevelShift },
        direction: shift.direction,
        severity: severity(score, impact, parameters),
        date: *date,
        start: shift.start,
        end: (!goes_on).then_some(shift.last),
        last_seen: shift.last,
        actual: *actual,
        expected: *expected,
        impact,
        last_impact: days.get(&shift.last).map_or(impact, difference),
        impact_total,
        at_stake: impact_total.abs() + ahead,
        score: score * shift.direction.sign(),
        flagged_days: length,
        absorbed,
        reasons: vec![Evidence::MovedTogether {
            moved: shift.parts.len(),
            of: shift.judged,
            direction: shift.direction,
            score: SHIFT_SCORE,
        }],
    })
}

/// What a run is, from all that is known of it.
fn kind_of(series: &Series, verdicts: &[Option<Verdict>], run: &[usize]) -> Kind {
    let kinds = || run.iter().filter_map(|day| verdicts[*day].as_ref()).map(|verdict| verdict.kind);
    let newest = kinds().next_back();
    if kinds().any(|kind| kind == Kind::New) {
        return Kind::New;
    }
    let last = run.last().copied().unwrap_or_default();
    if newest == Some(Kind::Stopped) && series.values[last] <= 0.0 {
        return Kind::Stopped;
    }
    let lasting = |kind: Kind| matches!(kind, Kind::LevelShift | Kind::Drift);
    let first = run.first().copied().unwrap_or_default();
    if !kinds().any(lasting) && last - first + 1 < 7 {
        return Kind::Point;
    }
    if kinds().all(|kind| kind == Kind::Drift) {
        return Kind::Drift;
    }
    // Slow, when the days up to and over the run still rise or fall without a jump among them.
    let from = first.saturating_sub(7);
    let relative: Vec<f64> = (from..=last)
        .filter_map(|day| {
            let verdict = verdicts[day].as_ref()?;
            let weekday = match verdict.basis {
                Basis::Level { weekday, .. } => weekday,
                Basis::Shift { before, .. } if before > 0.0 => verdict.expected / before,
                _ => return None,
            };
            (weekday > 0.1).then(|| series.values[day] / weekday)
        })
        .collect();
    let rising = mann_kendall_z(&relative, 0.0).abs() >= DRIFT_Z;
    let change = relative.last().zip(relative.first()).map_or(0.0, |(last, first)| (last - first).abs());
    let jump = relative.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
    if rising && jump < change / 2.0 { Kind::Drift } else { Kind::LevelShift }
}

/// Whether a lasting change was not flagged any more because the level had followed it: the days after it are
/// nearer to what they became than to what they were.
fn stayed(series: &Series, verdicts: &[Option<Verdict>], run: &[usize], period: Period) -> bool {
    let shift = run.iter().rev().find_map(|day| match verdicts[*day].as_ref()?.basis {
        Basis::Shift { before, now, .. } => Some((before, now)),
        _ => None,
    });
    let (Some((before, now)), Some(last)) = (shift, run.last()) else { return false };
    let after: Vec<f64> = (last + 1..verdicts.len())
        .take_while(|day| series.date(*day) <= period.end)
        .filter_map(|day| match verdicts[day].as_ref()?.basis {
            Basis::Level { weekday, .. } if weekday > 0.1 => Some(series.values[day] / weekday),
            _ => None,
        })
        .take(7)
        .collect();
    after.len() > GAP && median(&after).is_some_and(|level| (level - now).abs() < (level - before).abs())
}

/// The day on which a run began: its first flagged day, or the first of the days before it that were already
/// off in the same direction, one of them excepted.
fn onset(verdicts: &[Option<Verdict>], run: &[usize], direction: Direction) -> usize {
    let first = run.first().copied().unwrap_or_default();
    if !verdicts[first].as_ref().is_some_and(|verdict| matches!(verdict.basis, Basis::Shift { .. })) {
        return first;
    }
    let (mut start, mut spared) = (first, false);
    for day in (first.saturating_sub(14)..first).rev() {
        let Some(verdict) = verdicts[day].as_ref() else { break };
        if verdict.residual_score * direction.sign() >= ONSET_SCORE || matches!(verdict.basis, Basis::Quiet) {
            start = day;
        } else if spared {
            break;
        } else {
            spared = true;
        }
    }
    start
}

fn severity(score: f64, impact: f64, parameters: &Parameters) -> Severity {
    let dollars = impact.abs() >= parameters.critical_impact;
    match score.abs() {
        score if score > CRITICAL_SCORE && dollars => Severity::Critical,
        score if score > WARNING_SCORE => Severity::Warning,
        _ => Severity::Info,
    }
}

/// What the verdict on a day rests on, as facts that can be checked against the bill.
pub(crate) fn evidence(actual: f64, verdict: &Verdict, threshold: f64) -> Vec<Evidence> {
    let Verdict { expected, score, .. } = *verdict;
    let score = Evidence::Score { score, threshold };
    match verdict.basis {
        Basis::Level { days, sigma, weekday, weekly_trend } => {
            let margin = sigma * threshold;
            vec![Evidence::Level { actual, expected, margin, days, weekday, weekly_trend }, score]
        }
        Basis::Shift { days, before, now } => vec![Evidence::Shift { days, before, now }, score],
        Basis::Charges { count, typical } => vec![Evidence::Charges { actual, typical, count }, score],
        Basis::OffSchedule { day_of_month } => vec![Evidence::OffSchedule { actual, day_of_month }],
        Basis::First { floor } => vec![Evidence::FirstCharges { actual, floor }, Evidence::VerifyOwner],
        Basis::Silence { days } => vec![Evidence::ChargedAgain { actual, days }],
        Basis::Recurring { earlier } => vec![Evidence::Recurring { earlier }],
        Basis::FirstOfMonth => vec![Evidence::FirstOfMonth],
        Basis::Quiet => vec![Evidence::QuietDay],
        Basis::CrossSeries { moved, of } => vec![Evidence::CrossSeries { moved, of }],
        Basis::Window { days, z } => {
            vec![Evidence::WindowMedian { actual, expected }, Evidence::ModifiedZ { z, threshold, days }]
        }
        Basis::Slope { days, percent } => vec![Evidence::Slope { percent, days, actual, expected }],
        Basis::Mean { days, mean, deviation } => vec![Evidence::Mean { actual, mean, deviation, days }, score],
        Basis::DayBefore { percent } => vec![Evidence::DayBefore { percent, before: expected }],
    }
}
