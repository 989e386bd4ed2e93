//! Where a period will end: what is spent, what is to come, how sure that is, and what makes the difference to last time.

mod answer;
mod assumptions;
mod backtest;
mod book;
mod commitments;
mod intervals;
mod leaves;
mod record;
mod request;
mod scenarios;
mod sums;

use chrono::{Days, NaiveDate};

pub use self::{answer::Forecast, backtest::ForecastBacktest};
pub(crate) use self::{
    answer::{Driver, EarlierForecast, Estimate, ForecastDay},
    backtest::{Coverage, ForecastOf, ForecastScore, backtest},
    intervals::{Calibration, Interval},
    record::made,
    request::{Asked, Plan, Request},
    scenarios::OpenIncident,
};
use self::{
    book::Book,
    intervals::Errors,
    leaves::Leaves,
    request::period,
    sums::{Sums, Told},
};
use super::{
    Frame,
    anomalies::Finding,
    answer::{Answer, Header},
    levels, request as detection_request,
};
use crate::{
    analysis::forecast::Span,
    error::{Code, Error, Result},
    model::{GroupBy, Period},
    store::{Facts, Store},
};

/// What is farther away nobody can tell.
const MOST_DAYS: i64 = 400;

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
        .hint(format!("the newest settled day is {}; `--as-of` takes an earlier day for today", span.known)));
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
        ..frame.header(facts, &request.question, &leaves.segments, &[shown])?
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
    let judged = detection_request::Request {
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
