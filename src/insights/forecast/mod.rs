//! Where a period will end: what is spent, what is to come, how sure that is, and what makes the difference to last time.

mod assumptions;
mod backtest;
mod book;
mod commitments;
mod intervals;
mod leaves;
mod record;
mod scenarios;
mod sums;

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::backtest::ForecastBacktest;
pub(crate) use self::{
    assumptions::Assumption,
    backtest::{Coverage, ForecastOf, ForecastScore, backtest},
    intervals::{Calibration, Interval},
    record::{CheckedForecast, EarlierForecast, made},
    scenarios::{OpenIncident, Scenarios},
};
use self::{
    book::Book,
    intervals::Errors,
    leaves::Leaves,
    sums::{Sums, Told},
};
use super::{
    Frame, Question,
    anomalies::Finding,
    answer::{Answer, Header},
    change::Change,
    levels, request,
};
use crate::{
    analysis::{detection::Parameters, forecast::Span},
    error::{Code, Error, Result},
    model::{ChargeCategory, Filter, Granularity, GroupBy, Period, first_of_month, text::with_texts},
    store::{Facts, Store},
};

/// What is farther away nobody can tell.
const MOST_DAYS: i64 = 400;

/// What to forecast.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub include: &'a [ChargeCategory],
    pub group_by: GroupBy,
    pub asked: Asked,
    /// Costs that somebody said would come.
    pub plans: &'a [Plan],
    /// Groups to show by name.
    pub top: usize,
    /// What finds the incidents that are open; none where these do not matter.
    pub detection: Option<&'a Parameters>,
}

/// The period to forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The month of a day.
    Month(NaiveDate),
    /// So many days after today.
    Days(u32),
    /// From the first of today's month to a day.
    To(NaiveDate),
    /// Some days.
    Period(Period),
}

/// A cost that is planned.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub name: String,
    pub period: Period,
    pub filters: Vec<Filter>,
    /// In all, from its first to its last day.
    pub dollars: f64,
}

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

/// Forecasts a period.
///
/// # Errors
/// When there is no data, the period is too far away, or a filter or key names what is not there.
pub(crate) fn forecast(facts: &dyn Facts, state: &Store, request: &Request) -> Result<Answer<Forecast>> {
    Ok(worked_out(facts, state, request)?.answer)
}

/// A forecast with what it was worked out from.
pub(super) struct WorkedOut {
    pub answer: Answer<Forecast>,
    /// The errors that the intervals of the total are made of, relative to the forecast.
    pub errors: Vec<f64>,
    leaves: Leaves,
}

/// The same with what budgets ask beside.
///
/// # Errors
/// As for [`forecast`].
pub(super) fn worked_out(facts: &dyn Facts, state: &Store, request: &Request) -> Result<WorkedOut> {
    let frame = Frame::new(facts, &request.question)?;
    let span = Span { period: period(request.asked, request.question.as_of)?, known: frame.settled_through };
    if (span.period.end - span.known).num_days() > MOST_DAYS {
        return Err(Error::input(format!(
            "{} is more than {MOST_DAYS} days after the newest settled day",
            span.period.end
        ))
        .hint(format!("the newest settled day is {}", span.known)));
    }
    if span.period.end < frame.first_day().unwrap_or(span.known) {
        return Err(Error::input(format!("there is no data up to {}", span.period.end))
            .with_code(Code::NoData)
            .hint(format!("the first day of the data is {}", frame.first_day().unwrap_or(span.known))));
    }
    let leaves = Leaves::read(facts, &frame, request)?;
    let is_over = span.period.end <= span.known;
    let mut spans = if is_over { Vec::new() } else { intervals::earlier(span, frame.settled_through) };
    spans.retain(|earlier| leaves.first_day + Days::new(book::LEAST_HISTORY) <= earlier.known);
    spans.push(span);
    let mut book = Book::open(&leaves, &spans);
    let now = spans.len() - 1;
    let errors = Errors::of(&book, &leaves, now);
    let mut assumptions = assumptions::of_bills(&leaves, &frame, span);
    see_unsettled(&leaves, &mut book, now, &frame);
    assumptions.extend(assumptions::of_leaves(&leaves, &book, now));
    let mut sums = Sums::of(&leaves, &book, now);
    assumptions.extend(sums.plan(request, span, &leaves.currency));
    assumptions.extend(commitments::end(facts, request, &leaves, span, &mut sums)?);
    assumptions.extend(assumptions::of_errors(&errors, is_over));
    let names = facts.account_names()?;
    let shown = Period { end: span.period.end.min(frame.as_of).max(span.period.start), ..span.period };
    let header = Header {
        currency: Some(leaves.currency.clone()),
        ..frame.header(&request.question, &leaves.segments, &[shown])
    };
    let told = Told { request, leaves: &leaves, errors: &errors, span, names: &names, assumptions };
    let mut body = sums.answer(told, &frame);
    body.scenarios = open_findings(facts, state, request, is_over)
        .and_then(|findings| scenarios::scenarios(&leaves, span, body.total.expected, &findings));
    let before = body.before.map(|before| before.total.before);
    (body.earlier, body.checked) = record::record(state, request, span, &leaves.currency, before)?;
    Ok(WorkedOut { answer: Answer { header, body }, errors: errors.used_for_total().to_vec(), leaves })
}

impl WorkedOut {
    /// What was spent in some days that are over.
    pub(super) fn cost(&self, period: Period) -> f64 {
        self.leaves.leaves.iter().map(|leaf| leaves::cost_in(&leaf.series, period)).sum()
    }

    /// The first day of any data.
    pub(super) fn first_day(&self) -> NaiveDate {
        self.leaves.first_day
    }

    /// Whether there is data of every day of a period.
    pub(super) fn has(&self, period: Period) -> bool {
        self.leaves.first_day <= period.start && period.end <= self.answer.known_through
    }

    /// The share of the period's cost that each day was expected to have before the period began: its weekdays and fees. None where nothing
    /// was known then.
    pub(super) fn shape(&self) -> Option<Vec<f64>> {
        let period = self.answer.period;
        let span = Span { period, known: period.start - Days::new(1) };
        let book = Book::open(&self.leaves, &[span]);
        let mut days = vec![0.0; period.days()];
        for leaf in 0..self.leaves.leaves.len() {
            days.iter_mut().zip(&book.ahead(leaf, 0).days).for_each(|(sum, cost)| *sum += cost.max(0.0));
        }
        let all: f64 = days.iter().sum();
        (all > 0.0).then(|| days.iter().map(|cost| cost / all).collect())
    }
}

/// What is unusual on the newest days; none where it does not matter, or the data cannot be judged.
fn open_findings(facts: &dyn Facts, state: &Store, request: &Request, is_over: bool) -> Option<Vec<Finding>> {
    let parameters = request.detection.filter(|_| !is_over)?;
    let judged = request::Request {
        question: request.question,
        group_by: GroupBy(Vec::new()),
        from: None,
        to: None,
        include: request.include,
        sensitivity: None,
        parameters: parameters.clone(),
    };
    Some(levels::anomalies(facts, state, &judged).ok()?.answer.body.findings)
}

/// The days that are asked for.
fn period(asked: Asked, today: NaiveDate) -> Result<Period> {
    let period = match asked {
        Asked::Month(day) => Granularity::Monthly.period_of(day),
        Asked::Days(days) => Period { start: today + Days::new(1), end: today + Days::new(u64::from(days)) },
        Asked::To(end) => Period { start: first_of_month(today), end },
        Asked::Period(period) => period,
    };
    if period.end < period.start {
        return Err(Error::usage(format!("{} is before {}, the first of the month", period.end, period.start))
            .hint("name a later day, or a month with `--month`"));
    }
    Ok(period)
}

/// The period that one is compared with: the month before, or for other days as many up to the newest known one.
fn period_before(span: Span) -> Period {
    let period = span.period;
    if period == Granularity::Monthly.period_of(period.start) {
        return Granularity::Monthly.period_of(period.start - Months::new(1));
    }
    let end = span.known.min(period.start - Days::new(1));
    Period { start: end - Days::new(period.days() as u64 - 1), end }
}

/// Days that are not settled have cost at least what is there of them.
fn see_unsettled(leaves: &Leaves, book: &mut Book, span: usize, frame: &Frame) {
    let period = book.span(span).period;
    for (place, leaf) in leaves.leaves.iter().enumerate() {
        let ended = leaves.has_ended(leaf.class, frame.settled_through);
        let known = leaves.known(leaf.class);
        for (cost, day) in book.ahead_mut(place, span).days.iter_mut().zip(period.iter()) {
            if day <= known {
                continue;
            }
            let there = leaf.series.index(day).filter(|_| day <= frame.as_of).map_or(0.0, |at| leaf.series.values[at]);
            *cost = match there {
                there if ended => there,
                there if there > 0.0 => cost.max(there),
                there if there < 0.0 => cost.min(there),
                _ => *cost,
            };
        }
    }
}
