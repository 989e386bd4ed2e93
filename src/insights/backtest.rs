//! What each method would have said of the user's own past, and what it would have found of events put into it.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{answer::Answer, history::History, request::Request, warning::Warning};
use crate::{
    analysis::{
        detection::{self, BillDays, Parameters, Verdict, findings},
        inject::{Injected, SIZES, Shape, inject},
        stats::median,
    },
    error::{Error, Result},
    model::{Direction, GroupBy, Method, Period, Sensitivity, Series},
    store::Facts,
};

/// Days before the first replayed one that a verdict should have.
const LEAST_HISTORY: u64 = 28;
/// The baselines' own thresholds.
const ZSCORE_THRESHOLD: f64 = 2.0;
const CLASSIC_DAYS: usize = 14;
/// A method that finds so much more of the events is worth a word.
const CLEARLY: f64 = 0.1;

/// What to replay.
#[derive(Clone, Debug)]
pub(crate) struct Replay<'a> {
    /// The question and the parameters; dates and threshold are the replay's own.
    pub request: Request<'a>,
    /// Days to replay, the newest settled one the last.
    pub days: u32,
    /// Events for each shape and size.
    pub events: usize,
    pub seed: u64,
    /// What the user is willing to look at.
    pub alerts_per_week: f64,
}

/// How the methods did.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Backtest {
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The days that were replayed.
    pub replayed: Period,
    /// How many series there are.
    pub series: usize,
    /// The seed of the events.
    pub seed: u64,
    /// How many events were put into copies of series.
    pub events: usize,
    /// One for each rule.
    pub results: Vec<Outcome>,
    /// Which sensitivity to take.
    pub recommendation: Recommendation,
}

/// How one method did at one sensitivity.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Outcome {
    pub method: Method,
    /// `null` for methods with a rule of their own.
    pub sensitivity: Option<Sensitivity>,
    pub threshold: f64,
    /// Findings that began in the replayed days of the real series.
    pub alerts: usize,
    pub alerts_per_week: f64,
    /// Dollars that they moved.
    pub alert_dollars: f64,
    pub detected: usize,
    pub recall: f64,
    /// The share of the events' dollars that events which were detected cost.
    pub dollar_recall: f64,
    /// Days from an event's first to the first flagged one, of those found; `null` for none.
    pub median_delay_days: Option<f64>,
    pub by_shape: Vec<Cell>,
}

/// How many events of a shape and size were found.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Cell {
    pub shape: Shape,
    /// The share of the day's cost that the event added or took.
    pub size: f64,
    pub events: usize,
    pub detected: usize,
    pub median_delay_days: Option<f64>,
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct Recommendation {
    pub sensitivity: Sensitivity,
    pub text: String,
}

/// Replays every settled day causally, with each method and sensitivity, and does the same of copies with events.
///
/// # Errors
/// As [`super::anomalies::anomalies`], and when there is too little history.
pub(crate) fn backtest(facts: &dyn Facts, replay: &Replay) -> Result<Answer<Backtest>> {
    let data = History::read(facts, &replay.request)?;
    let end = data.judged.end;
    let wanted = end.checked_sub_days(Days::new(u64::from(replay.days.max(1)) - 1)).unwrap_or(NaiveDate::MIN);
    let start = wanted.max(data.first_day + Days::new(LEAST_HISTORY));
    if start > end {
        return Err(Error::input(format!(
            "there are {} days of data, and a replay needs {LEAST_HISTORY} before the first day it judges",
            (end - data.first_day).num_days() + 1
        ))
        .hint("ingest more days: `ingest --source cost-explorer --days 120`, or older bills"));
    }
    let replayed = Period { start, end };
    let mut header = data.header.clone();
    if start > wanted {
        let (replayed, asked, first_day) = (replayed.days(), replay.days, data.first_day);
        header.warnings.push(Warning::ShortReplay { replayed, asked, first_day });
    }
    let parameters = &replay.request.parameters;
    let (series, bills) = (&data.covered.series, data.covered.bills());
    let ends = |index: usize| series[index].start + Days::new(series[index].values.len() as u64) > end;
    let fits = |index: &usize| ends(*index) && is_eligible(&series[*index], bills[*index].first_day);
    let eligible: Vec<usize> = (0..series.len()).filter(fits).collect();
    let events = inject(series, &eligible, replayed.days(), parameters.min_impact, replay.events, replay.seed);
    if events.is_empty() {
        header.warnings.push(Warning::NoSeriesForEvents);
    }
    let copies: Vec<Series> = events.iter().map(|event| event.series.clone()).collect();
    let mut results = Vec::new();
    for (method, sensitivity) in rules() {
        let parameters = of(method, sensitivity, parameters);
        let judged = data.judge(replayed, &parameters);
        let alerts = findings(series, &judged, replayed, &parameters);
        let alerts: Vec<_> = alerts.iter().filter(|alert| alert.start >= start).collect();
        // Without what many series share, which copies beside each other cannot have.
        let plain = detection::verdicts(series, &judged.incomplete, &bills, &parameters);
        let incomplete: Vec<Vec<bool>> = events.iter().map(|event| judged.incomplete[event.of].clone()).collect();
        let bills_of: Vec<&BillDays> = events.iter().map(|event| bills[event.of]).collect();
        let verdicts = detection::verdicts(&copies, &incomplete, &bills_of, &parameters);
        let delays: Vec<Option<usize>> =
            events.iter().zip(&verdicts).map(|(event, verdicts)| delay(event, verdicts, &plain[event.of])).collect();
        results.push(Outcome {
            method,
            sensitivity,
            threshold: parameters.threshold,
            alerts: alerts.len(),
            alerts_per_week: alerts.len() as f64 * 7.0 / replayed.days() as f64,
            alert_dollars: alerts.iter().map(|alert| alert.impact_total.abs()).sum(),
            detected: delays.iter().flatten().count(),
            recall: share(delays.iter().flatten().count() as f64, events.len() as f64),
            dollar_recall: share(
                events.iter().zip(&delays).filter(|(_, delay)| delay.is_some()).map(|(event, _)| event.dollars).sum(),
                events.iter().map(|event| event.dollars).sum(),
            ),
            median_delay_days: middle(delays.iter().flatten()),
            by_shape: cells(&events, &delays),
        });
    }
    let recommendation = recommend(&results, replay.alerts_per_week, replayed);
    let body = Backtest {
        group_by: replay.request.group_by.clone(),
        replayed,
        series: series.len(),
        seed: replay.seed,
        events: events.len(),
        results,
        recommendation,
    };
    Ok(Answer { header, body })
}

/// The robust method at each sensitivity, and the baselines with their own rules.
fn rules() -> impl Iterator<Item = (Method, Option<Sensitivity>)> {
    let robust = Sensitivity::ALL.iter().copied().map(|sensitivity| (Method::Robust, Some(sensitivity)));
    let others = Method::ALL.iter().copied().filter(|method| *method != Method::Robust);
    robust.chain(others.map(|method| (method, None)))
}

fn of(method: Method, sensitivity: Option<Sensitivity>, parameters: &Parameters) -> Parameters {
    let threshold = match method {
        Method::Zscore => ZSCORE_THRESHOLD,
        _ => sensitivity.unwrap_or(Sensitivity::Medium).threshold(),
    };
    let window_days = if method == Method::Robust { parameters.window_days } else { CLASSIC_DAYS };
    Parameters { method, threshold, window_days, ..parameters.clone() }
}

/// Charged on nearly every day of its last three months, from the beginning of the data or for as long.
fn is_eligible(series: &Series, first_day: NaiveDate) -> bool {
    let recent = &series.values[series.values.len().saturating_sub(90)..];
    let charged = recent.iter().filter(|cost| **cost > 0.0).count();
    (series.start <= first_day + Days::new(7) || series.values.len() >= 90)
        && charged as f64 >= 0.95 * recent.len() as f64
}

/// Days until a day of the event is flagged in its direction that was not flagged without the event.
fn delay(event: &Injected, verdicts: &[Option<Verdict>], before: &[Option<Verdict>]) -> Option<usize> {
    let flagged = |verdict: &Option<Verdict>| {
        verdict
            .as_ref()
            .is_some_and(|verdict| verdict.flagged && Direction::of(verdict.score) == event.shape.direction())
    };
    let day = (event.first..=event.last).find(|day| flagged(&verdicts[*day]) && !flagged(&before[*day]))?;
    Some(day - event.first)
}

fn cells(events: &[Injected], delays: &[Option<usize>]) -> Vec<Cell> {
    let mut table: BTreeMap<(Shape, usize), Vec<Option<usize>>> = BTreeMap::new();
    for (event, delay) in events.iter().zip(delays) {
        let size = SIZES.iter().position(|size| *size == event.size).unwrap_or_default();
        table.entry((event.shape, size)).or_default().push(*delay);
    }
    let cell = |((shape, size), delays): (&(Shape, usize), &Vec<Option<usize>>)| Cell {
        shape: *shape,
        size: SIZES[*size],
        events: delays.len(),
        detected: delays.iter().flatten().count(),
        median_delay_days: middle(delays.iter().flatten()),
    };
    table.iter().map(cell).collect()
}

/// The most sensitive preset that stays within the alerts that the user is willing to look at.
fn recommend(results: &[Outcome], alerts_per_week: f64, replayed: Period) -> Recommendation {
    let robust = || results.iter().filter(|outcome| outcome.method == Method::Robust);
    let fits = |outcome: &&Outcome| outcome.alerts_per_week <= alerts_per_week;
    let chosen = robust().filter(fits).max_by_key(|outcome| outcome.sensitivity).or_else(|| robust().next());
    let Some((outcome, sensitivity)) = chosen.and_then(|outcome| Some((outcome, outcome.sensitivity?))) else {
        return Recommendation { sensitivity: Sensitivity::Medium, text: String::new() };
    };
    let mut text = format!(
        "{} would have alerted {} times in {} days ({:.1} a week)",
        sensitivity.name(),
        outcome.alerts,
        replayed.days(),
        outcome.alerts_per_week
    );
    let doubled = outcome.by_shape.iter().find(|cell| cell.shape == Shape::Step && cell.size == 1.0);
    if let Some(cell) = doubled
        && let Some(delay) = cell.median_delay_days
    {
        let when = if delay < 1.0 { "on its first day".into() } else { format!("after {delay:.0} days") };
        text += &format!("; of {} doubled series it finds {}, most {when}", cell.events, cell.detected);
    }
    let better = |other: &&Outcome| fits(other) && other.recall > outcome.recall + CLEARLY;
    if let Some(other) = results.iter().filter(better).max_by(|a, b| a.recall.total_cmp(&b.recall)) {
        text += &format!(
            "; `--method {}` finds {:.0} % of the events against {:.0} %, at {:.1} alerts a week: this history is short or full of events",
            other.method.name(),
            other.recall * 100.0,
            outcome.recall * 100.0,
            other.alerts_per_week
        );
    }
    if outcome.alerts_per_week > alerts_per_week {
        text += &format!("; that is more than {alerts_per_week:.1} a week: raise `anomaly.min_impact`");
    }
    Recommendation { sensitivity, text }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn middle<'a>(delays: impl Iterator<Item = &'a usize>) -> Option<f64> {
    median(&delays.map(|delay| *delay as f64).collect::<Vec<_>>())
}
