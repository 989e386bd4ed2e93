//! How wrong forecasts of months that are over would have been, by the day of the month on which they are made, beside the rules of
//! other tools.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use strum::VariantArray;

use super::{
    book::{Book, LEAST_HISTORY, Outcome},
    intervals::{Errors, LEAST_SHARE, LEVELS},
    leaves::{Leaf, Leaves},
    request::Request,
};
use crate::{
    analysis::forecast::{Span, peers::Peer},
    error::{Code, Error, Result},
    insights::{
        Frame,
        answer::{Answer, Header},
    },
    model::{ChargeCategory, Granularity, GroupBy, Period, first_of_month},
    store::Facts,
};

/// The days of the month on which forecasts are made.
pub(super) const DAYS: [u32; 4] = [5, 10, 15, 20];
/// Months that are replayed at most.
const MONTHS: usize = 24;
/// The name of this program's own method.
const OWN: &str = "forecast";

/// How wrong forecasts would have been.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ForecastBacktest {
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The charge categories that count.
    pub include: Vec<&'static str>,
    /// The first day of the first month, and the last day of the last.
    pub replayed: Period,
    /// How many months that are.
    pub months: usize,
    /// By what is forecast, method and day.
    pub results: Vec<ForecastScore>,
}

/// What forecasts are of.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForecastOf {
    /// The total.
    Total,
    /// Each group that is at least a hundredth of it.
    Groups,
}

/// How wrong the forecasts of one method, made on one day of the month, were.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ForecastScore {
    pub of: ForecastOf,
    /// `forecast`, or another tool's rule.
    pub method: &'static str,
    /// The last day of the month that was known.
    pub day: u32,
    pub forecasts: usize,
    /// The mean of the errors' sizes, in percent of what came (MAPE).
    pub mape_pct: f64,
    /// The mean of the errors: above 0 when forecasts are too high.
    pub bias_pct: f64,
    /// Of the forecasts that had an interval.
    pub coverage: Vec<Coverage>,
}

/// How often an interval had what came.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Coverage {
    /// The probability that it stands for.
    pub level: f64,
    /// How many forecasts had one.
    pub intervals: usize,
    /// The share of them in which what came was.
    pub share: f64,
    /// The mean of their widths, in percent of the forecast.
    pub width_pct: f64,
}

/// Errors gathered for one result.
#[derive(Clone, Default)]
struct Tally {
    errors: Vec<f64>,
    /// By level: whether what came was within, and the width relative to the forecast.
    within: [Vec<(bool, f64)>; 2],
}

/// What is forecast: the total, or a group.
type Key = Option<usize>;

/// Replays the months that are over.
///
/// # Errors
/// As for [`super::forecast`], and when no month can be replayed.
pub(crate) fn backtest(facts: &dyn Facts, request: &Request) -> Result<Answer<ForecastBacktest>> {
    let frame = Frame::new(facts, &request.question)?;
    let leaves = Leaves::read(facts, &frame, request)?;
    let months = months(leaves.first_day, frame.settled_through);
    let (Some(first), Some(last)) = (months.first().copied(), months.last().copied()) else {
        return Err(Error::input("no month can be replayed").with_code(Code::NoData).hint(format!(
            "it takes {LEAST_HISTORY} days before the 5th of a month that is over; there is data from {} to {}",
            leaves.first_day, frame.settled_through
        )));
    };
    let mut spans: Vec<Span> = Vec::new();
    for month in &months {
        let day = |day: u32| Span { period: *month, known: month.start + Days::new(u64::from(day) - 1) };
        spans.extend(DAYS.map(day));
    }
    let book = Book::open(&leaves, &spans);
    let mut tallies: BTreeMap<(ForecastOf, &'static str, u32), Tally> = BTreeMap::new();
    for (turn, day) in DAYS.into_iter().enumerate() {
        let mut errors = Errors::none(leaves.groups.len());
        for place in (turn..spans.len()).step_by(DAYS.len()) {
            replay(&book, place, day, &errors, &mut tallies);
            errors.add(&book, place);
        }
    }
    let replayed = Period { start: first.start, end: last.end };
    let header = Header {
        currency: Some(leaves.currency.clone()),
        ..frame.header(facts, &request.question, &leaves.segments, &[replayed])?
    };
    let scores = tallies.into_iter().map(|((of, method, day), tally)| tally.score(of, method, day));
    let mut results: Vec<ForecastScore> = scores.collect();
    // This program's own first, then as the rules are listed.
    let rank = |method: &str| Peer::VARIANTS.iter().position(|peer| <&str>::from(*peer) == method);
    results.sort_by_key(|score| (score.of, rank(score.method), score.day));
    let body = ForecastBacktest {
        group_by: request.group_by.clone(),
        include: request.include.iter().copied().map(ChargeCategory::as_str).collect(),
        replayed,
        months: months.len(),
        results,
    };
    Ok(Answer { header, body })
}

/// Whole months with enough history before the first day on which forecasts are made.
fn months(first_day: NaiveDate, settled_through: NaiveDate) -> Vec<Period> {
    let mut month = Granularity::Monthly.period_of(settled_through);
    if month.end > settled_through {
        month = Granularity::Monthly.period_of(month.start - Months::new(1));
    }
    let mut months = Vec::new();
    while months.len() < MONTHS
        && first_day + Days::new(LEAST_HISTORY) <= month.start + Days::new(u64::from(DAYS[0]) - 1)
    {
        months.push(month);
        month = Granularity::Monthly.period_of(first_of_month(month.start) - Months::new(1));
    }
    months.reverse();
    months
}

/// Forecasts one month as of one day, by each method, with intervals from the errors of months before.
fn replay(
    book: &Book,
    place: usize,
    day: u32,
    errors: &Errors,
    tallies: &mut BTreeMap<(ForecastOf, &'static str, u32), Tally>,
) {
    let span = book.span(place);
    let keys = |leaf: &Leaf, days: &[f64], span: Span| -> Vec<(Key, Vec<f64>)> {
        let groups = leaf.split(days, span).into_iter().map(|(group, days)| (Some(group), days));
        std::iter::once((None, days.to_vec())).chain(groups).collect()
    };
    let outcomes = book.outcomes(place);
    let total = outcomes.total;
    let groups = outcomes.groups.iter().enumerate().filter_map(|(group, outcome)| Some((Some(group), (*outcome)?)));
    let before = Granularity::Monthly.period_of(span.period.start - Months::new(1));
    let past = Period { start: before.start, end: span.known };
    let history = book.history(place, past, keys);
    for (key, outcome) in std::iter::once((None, total)).chain(groups) {
        let of = if key.is_none() { ForecastOf::Total } else { ForecastOf::Groups };
        let matters = Outcome { expected: outcome.actual, ..outcome }
            .is_share_of(Outcome { expected: total.actual, ..total }, LEAST_SHARE);
        if !matters || outcome.actual <= 0.0 {
            continue;
        }
        let costs = &history[&key];
        let to_date: f64 = costs[before.days()..].iter().sum();
        let intervals = match key {
            None => errors.of_total(outcome.expected, to_date).0,
            Some(group) => errors.of_group(group, outcome.expected, to_date).0,
        };
        let own = tallies.entry((of, OWN, day)).or_default();
        own.errors.push((outcome.expected - outcome.actual) / outcome.actual);
        for (within, interval) in own.within.iter_mut().zip(intervals) {
            let is_within = (interval.low..=interval.high).contains(&outcome.actual);
            within.push((is_within, (interval.high - interval.low) / outcome.expected.abs()));
        }
        for peer in Peer::VARIANTS {
            let total = peer.month_total(costs, day as usize, before.days(), span.period.days());
            let tally = tallies.entry((of, peer.into(), day)).or_default();
            tally.errors.push((total - outcome.actual) / outcome.actual);
        }
    }
}

impl Tally {
    fn score(self, of: ForecastOf, method: &'static str, day: u32) -> ForecastScore {
        let mean =
            |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / self.errors.len().max(1) as f64 * 100.0;
        let coverage =
            LEVELS.into_iter().zip(&self.within).filter(|(_, within)| !within.is_empty()).map(|(level, within)| {
                let count = within.len() as f64;
                Coverage {
                    level,
                    intervals: within.len(),
                    share: within.iter().filter(|(is_within, _)| *is_within).count() as f64 / count,
                    width_pct: within.iter().map(|(_, width)| width).sum::<f64>() / count * 100.0,
                }
            });
        ForecastScore {
            of,
            method,
            day,
            forecasts: self.errors.len(),
            mape_pct: mean(&mut self.errors.iter().map(|error| error.abs())),
            bias_pct: mean(&mut self.errors.iter().copied()),
            coverage: coverage.collect(),
        }
    }
}
