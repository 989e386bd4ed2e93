//! Flagged days become findings: one for each run of them, with its dollars, its severity and its reasons in
//! words.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::{
    detect::{Judged, Parameters, Verdict, Why},
    estate::CommonMove,
    stats::{mann_kendall_z, median},
};
use crate::model::{Direction, Kind, Period, Series, Severity};

pub use super::robust::date;

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
pub struct Finding {
    /// The indexes of its series: one, or all that take part in a common move.
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
    pub reasons: Vec<String>,
}

/// The findings that reach into `period`, those with most dollars at stake first.
pub fn findings(series: &[Series], judged: &Judged, period: Period, parameters: &Parameters) -> Vec<Finding> {
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
    found.extend(judged.moves.iter().filter_map(|common| common_finding(series, judged, common, period, parameters)));
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
        if date(series, day) > period.end {
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
    let goes_on = date(series, last) == period.end || last + 1 == series.values.len();
    let length = last - start + 1;
    let ahead = if goes_on { length.min(HORIZON_DAYS) as f64 * impact(last).abs() } else { 0.0 };
    // A lasting change is told by its levels, not by one of its days.
    let (actual, expected) = match peak.why {
        Why::Shift { before, now, .. } => (now, before),
        _ => (series.values[peak_day], peak.expected),
    };
    let absorbed =
        run.iter().any(|day| of(*day).is_some_and(|verdict| verdict.absorbed)) || stayed(series, verdicts, run, period);
    let mut reasons = why(series.values[peak_day], peak, parameters.threshold);
    if run.len() > 1 {
        reasons.push(format!("{} of {length} days flagged", run.len()));
    }
    if goes_on && last != peak_day {
        reasons.push(format!("{:.2} on {}", series.values[last], date(series, last)));
    }
    if absorbed {
        reasons.push(format!("taken as normal from {} on", date(series, last) + Days::new(1)));
    }
    Some(Finding {
        series: vec![index],
        kind,
        direction,
        severity: severity(peak.score, actual - expected, parameters),
        date: date(series, peak_day),
        start: date(series, start),
        end: (!goes_on).then(|| date(series, last)),
        last_seen: date(series, last),
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

/// The estate-level finding of a common move.
fn common_finding(
    series: &[Series],
    judged: &Judged,
    common: &CommonMove,
    period: Period,
    parameters: &Parameters,
) -> Option<Finding> {
    if common.last < period.start {
        return None;
    }
    let mut days: BTreeMap<NaiveDate, (f64, f64)> = BTreeMap::new();
    let (mut score, mut absorbed) = (0.0_f64, 0);
    for (index, on) in &common.parts {
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
    let goes_on = common.last == period.end;
    let length = days.len();
    let ahead = if goes_on { length.min(HORIZON_DAYS) as f64 * impact.abs() } else { 0.0 };
    let absorbed = 2 * absorbed >= common.parts.len();
    parameters.is_worth_it(*actual, *expected).then(|| Finding {
        series: common.parts.keys().copied().collect(),
        kind: if length < 7 { Kind::Point } else { Kind::LevelShift },
        direction: common.direction,
        severity: severity(score, impact, parameters),
        date: *date,
        start: common.start,
        end: (!goes_on).then_some(common.last),
        last_seen: common.last,
        actual: *actual,
        expected: *expected,
        impact,
        last_impact: days.get(&common.last).map_or(impact, difference),
        impact_total,
        at_stake: impact_total.abs() + ahead,
        score: score * common.direction.sign(),
        flagged_days: length,
        absorbed,
        reasons: vec![format!(
            "{} of {} series went {} together, each by a score of 2 and more",
            common.parts.len(),
            common.judged,
            common.direction.name()
        )],
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
            let weekday = match verdict.why {
                Why::Level { weekday, .. } => weekday,
                Why::Shift { before, .. } if before > 0.0 => verdict.expected / before,
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
    let shift = run.iter().rev().find_map(|day| match verdicts[*day].as_ref()?.why {
        Why::Shift { before, now, .. } => Some((before, now)),
        _ => None,
    });
    let (Some((before, now)), Some(last)) = (shift, run.last()) else { return false };
    let after: Vec<f64> = (last + 1..verdicts.len())
        .take_while(|day| date(series, *day) <= period.end)
        .filter_map(|day| match verdicts[day].as_ref()?.why {
            Why::Level { weekday, .. } if weekday > 0.1 => Some(series.values[day] / weekday),
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
    if !verdicts[first].as_ref().is_some_and(|verdict| matches!(verdict.why, Why::Shift { .. })) {
        return first;
    }
    let (mut start, mut spared) = (first, false);
    for day in (first.saturating_sub(14)..first).rev() {
        let Some(verdict) = verdicts[day].as_ref() else { break };
        if verdict.residual_score * direction.sign() >= ONSET_SCORE || matches!(verdict.why, Why::Quiet) {
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

/// Why the day was flagged, in words that can be checked against the bill.
fn why(actual: f64, verdict: &Verdict, threshold: f64) -> Vec<String> {
    let Verdict { expected, score, .. } = verdict;
    let percent = |from: f64, to: f64| (to / from - 1.0) * 100.0;
    let by_score = || format!("score {score:.1}, threshold {threshold:.1}");
    match verdict.why {
        Why::Level { days, sigma, weekday, weekly_trend } => {
            let mut basis = format!("the level of {days} days");
            if (weekday - 1.0).abs() >= 0.02 {
                basis += &format!(", times {weekday:.2} on this weekday");
            }
            if weekly_trend.abs() >= 0.002 {
                basis += &format!(", {:+.1} % a week", weekly_trend * 100.0);
            }
            let margin = sigma * threshold;
            vec![format!("{actual:.2} instead of {expected:.2} give or take {margin:.2} ({basis})"), by_score()]
        }
        Why::Shift { days, before, now } => vec![
            format!(
                "median of {days} days {now:.2} against {before:.2} before, {:+.0} %, weekdays evened out",
                percent(before, now)
            ),
            by_score(),
        ],
        Why::Charges { count, typical } => vec![
            format!("not charged every day: {actual:.2} against {typical:.2}, the median of {count} charges"),
            by_score(),
        ],
        Why::OffSchedule { day_of_month } => {
            vec![format!("{actual:.2} on day {day_of_month} of the month, when it was never charged before")]
        }
        Why::First { floor } => vec![
            format!("first charges: {actual:.2} a day where there was nothing, floor {floor:.2}"),
            "make sure that somebody of yours started it: stolen credentials show here first".into(),
        ],
        Why::Silence { days } => vec![format!("charged again: {actual:.2} a day after {days} days without a charge")],
        Why::Recurring { earlier } => vec![format!("as on {earlier}")],
        Why::FirstOfMonth => vec!["on a 1st, and there is no earlier 1st".into()],
        Why::Quiet => vec!["as cheap as the cheapest weekday".into()],
        Why::Common { moved, of } => vec![format!("with {moved} of {of} series")],
        Why::Window { days, z } => vec![
            format!("{actual:.2} against a median of {expected:.2} over the days before it"),
            format!("modified z-score {z:.1}, threshold {threshold:.1}, window {days} days"),
        ],
        Why::Slope { days, percent } => vec![
            format!("{percent:+.0} % over {days} days by the Theil-Sen slope against their median"),
            format!("{actual:.2} against a median of {expected:.2} in the first half of them"),
        ],
        Why::Mean { days, mean, deviation } => vec![
            format!("{actual:.2} against a mean of {mean:.2} over {days} days, standard deviation {deviation:.2}"),
            by_score(),
        ],
        Why::DayBefore { percent } => vec![format!("{percent:+.0} % over the day before, {expected:.2}")],
    }
}
