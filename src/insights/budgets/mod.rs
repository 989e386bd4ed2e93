//! How budgets stand: what is spent, where the period will end, when the amount is reached and how likely that is.

#[cfg(test)]
mod tests;
mod words;

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Frame, Question,
    answer::{Answer, Header},
    forecast::{self, Asked, Driver, Estimate, ForecastDay, Plan, WorkedOut},
    warning::Warning,
};
use crate::{
    error::{Error, Result},
    model::{
        Budget, BudgetAmount, BudgetPeriod, ChargeCategory, Dimension, Filter, Granularity, GroupBy, Metric, Period,
        Threshold, first_of_month,
    },
    store::{Facts, Store, queries::Selection},
};

/// Days after its end in which a period's budget is still looked at: bills settle late.
const LATE_DAYS: u64 = 7;

/// Which budgets.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub budgets: &'a [Budget],
    pub plans: &'a [Plan],
    pub as_of: NaiveDate,
    pub settle_days: u32,
    /// Whether periods that ended a few days ago are looked at, too.
    pub with_late: bool,
}

/// How budgets stand.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Budgets {
    /// In the order of the configuration.
    pub budgets: Vec<BudgetStatus>,
}

/// How a budget stands.
#[derive(Debug, JsonSchema, Serialize)]
pub struct BudgetStatus {
    pub name: String,
    pub owner: Option<String>,
    pub filters: Vec<Filter>,
    pub metric: Metric,
    pub currency: String,
    /// The days that it is of.
    pub period: Period,
    /// The newest day that counts as spent.
    pub known_through: NaiveDate,
    /// The first day that there is data of, when that is later than the period's.
    pub data_from: Option<NaiveDate>,
    /// What may be spent in these days.
    pub amount: f64,
    pub spent: f64,
    pub spent_pct: f64,
    /// The whole period.
    pub expected: Estimate,
    pub expected_pct: f64,
    pub state: BudgetState,
    /// When the amount is reached; none when it is not expected to be and never was.
    pub crossing: Option<Crossing>,
    /// What credits and refunds took off in these days, counted in `spent` or not.
    pub credits: f64,
    /// Whether more than the amount was spent, and credits that are counted hide it.
    pub hidden_by_credits: bool,
    pub thresholds: Vec<ThresholdState>,
    /// Services that make the period differ from the one before.
    pub drivers: Vec<Driver>,
    /// Sums from the first day on, by day.
    pub days: Vec<BudgetDay>,
}

/// Whether a budget holds.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetState {
    /// Less is expected.
    Within,
    /// The amount is expected to be reached.
    Forecast,
    /// It is reached.
    Exceeded,
}

/// When an amount is reached.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct Crossing {
    /// The day on which it was or is expected to be reached; none where the forecast ends below it.
    pub day: Option<NaiveDate>,
    /// The probability that it is reached within the period, by the errors of earlier forecasts; none where there are too few.
    pub probability: Option<f64>,
    /// The first and last day on which it is reached, of four in five of these.
    pub earliest: Option<NaiveDate>,
    pub latest: Option<NaiveDate>,
}

/// A threshold.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct ThresholdState {
    /// Such as `80 % spent`.
    pub threshold: String,
    /// Whether it is of what will be spent.
    pub forecast: bool,
    /// The cost from which on it is crossed.
    pub limit: f64,
    pub crossed: bool,
    /// Whether it is clearly not crossed any more; between the two it stays as it was.
    pub corrected: bool,
    /// The day on which it was crossed, of what is spent.
    pub on: Option<NaiveDate>,
}

/// Sums from the first day of the period to the end of a day.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct BudgetDay {
    pub date: NaiveDate,
    /// What was spent; none of days to come.
    pub spent: Option<f64>,
    /// As it is expected.
    pub expected: f64,
    /// The amount spread evenly.
    pub even: f64,
    /// The amount spread as days were expected to cost before the period began; none where nothing was known then.
    pub seasonal: Option<f64>,
}

/// A forecast that falls below this share of a threshold has corrected it.
const CORRECTED_SHARE: f64 = 0.95;

/// How budgets stand on a day. What cannot be told of one is a warning.
///
/// # Errors
/// When there is no data.
pub(crate) fn budgets(facts: &dyn Facts, state: &Store, request: &Request) -> Result<Answer<Budgets>> {
    let question = Question {
        source: None,
        metric: Metric::default(),
        filters: &[],
        as_of: request.as_of,
        settle_days: request.settle_days,
    };
    let frame = Frame::new(facts, &question)?;
    let mut header = Header { metric: None, ..frame.header(facts, &question, &[], &[])? };
    let mut all = Vec::new();
    for budget in request.budgets {
        // What a day cost is known when it is settled.
        let newest = match budget.period {
            BudgetPeriod::Daily => request.as_of.min(frame.settled_through),
            _ => request.as_of,
        };
        let current = budget.period_of(newest);
        let mut periods = vec![current];
        while let Some(last) = periods.last().copied().filter(|_| request.with_late) {
            let before = budget.period_of(last.start - Days::new(1));
            if before.end + Days::new(LATE_DAYS) < request.as_of {
                break;
            }
            periods.push(before);
        }
        for period in periods.into_iter().rev() {
            match status(facts, state, request, budget, period) {
                Ok(status) => all.push(status),
                // A period that there was no data of has no news.
                Err(_) if period != current => {}
                Err(error) => {
                    let (budget, error) = (budget.name.clone(), error.summary());
                    header.warnings.push(Warning::BudgetNotKnown { budget, error });
                }
            }
        }
    }
    if let Some(start) = all.iter().map(|budget: &BudgetStatus| budget.period.start).min() {
        let segments = frame.segments(Period { start, end: request.as_of });
        header.warnings.extend(frame.conversions(facts, &question, &segments)?);
    }
    Ok(Answer { header, body: Budgets { budgets: all } })
}

/// The charge categories that a budget counts.
pub(crate) fn included(budget: &Budget) -> Vec<ChargeCategory> {
    let counts =
        |category: &ChargeCategory| ChargeCategory::USAGE_LIKE.contains(category) || budget.include.contains(category);
    ChargeCategory::ALL.iter().copied().filter(counts).collect()
}

fn status(
    facts: &dyn Facts,
    state: &Store,
    request: &Request,
    budget: &Budget,
    period: Period,
) -> Result<BudgetStatus> {
    let include = included(budget);
    let question = Question {
        source: None,
        metric: budget.metric,
        filters: &budget.filters,
        as_of: request.as_of,
        settle_days: request.settle_days,
    };
    let asked = forecast::Request {
        question,
        include: &include,
        group_by: GroupBy(vec![Dimension::Service]),
        asked: Asked::Period(period),
        plans: request.plans,
        top: 0,
        detection: None,
    };
    let worked = forecast::worked_out(facts, state, &asked)?;
    let forecast = &worked.answer;
    let amount = amount(budget, period, &worked)?;
    let (spent, expected) = (forecast.total.to_date, forecast.total.expected);
    let credits = credits(facts, &question, period, forecast.known_through)?;
    let counts_credits = include.contains(&ChargeCategory::Credit);
    let without_credits = if counts_credits { spent - credits } else { spent };
    let sums = sums(&forecast.days);
    let thresholds = budget.thresholds().iter().map(|one| threshold(one, amount, spent, expected, &sums)).collect();
    Ok(BudgetStatus {
        name: budget.name.clone(),
        owner: budget.owner.clone(),
        filters: budget.filters.clone(),
        metric: budget.metric,
        currency: forecast.header.currency().to_owned(),
        period,
        known_through: forecast.known_through,
        data_from: Some(worked.first_day()).filter(|first| *first > period.start),
        amount,
        spent,
        spent_pct: spent / amount * 100.0,
        expected: forecast.total.clone(),
        expected_pct: expected / amount * 100.0,
        state: match (spent >= amount, expected >= amount) {
            (true, _) => BudgetState::Exceeded,
            (false, true) => BudgetState::Forecast,
            (false, false) => BudgetState::Within,
        },
        crossing: crossing(&forecast.days, &worked.errors, amount),
        credits,
        hidden_by_credits: spent < amount && without_credits >= amount,
        thresholds,
        drivers: worked.answer.body.drivers.clone(),
        days: days(&worked, amount, &sums),
    })
}

/// What may be spent in a period.
///
/// # Errors
/// When the amount is of months that there is no data of, or none is given for one.
fn amount(budget: &Budget, period: Period, worked: &WorkedOut) -> Result<f64> {
    let months = period.split(Granularity::Monthly);
    let share = |month: &Period| month.days() as f64 / Granularity::Monthly.period_of(month.start).days() as f64;
    // How many months the period is; a day is a part of one.
    let length: f64 = months.iter().map(share).sum();
    let mean = |count: u32| {
        let last = first_of_month(period.start);
        let earlier = (1..=count).map(|back| Granularity::Monthly.period_of(last - Months::new(back)));
        let costs = earlier.map(|month| match worked.has(month) {
            true => Ok(worked.cost(month)),
            false => {
                Err(Error::input(format!("its amount is of {}, which is not all there", month.start.format("%Y-%m")))
                    .hint("ingest that month, or give an amount"))
            }
        });
        let sum: f64 = costs.sum::<Result<f64>>()?;
        let growth = 1.0 + budget.growth.0 / 100.0;
        match sum > 0.0 {
            true => Ok(sum / f64::from(count) * growth * length),
            false => Err(Error::input("the months that its amount is of cost nothing")),
        }
    };
    match &budget.amount {
        BudgetAmount::Fixed(amount) => Ok(*amount),
        BudgetAmount::LastMonth => mean(1),
        BudgetAmount::Average(count) => mean(*count),
        BudgetAmount::ByMonth(amounts) => {
            let of = |month: &Period| {
                let own = amounts.iter().find(|(given, _)| given.first_day() == first_of_month(month.start));
                let missing = || Error::input(format!("it has no amount for {}", month.start.format("%Y-%m")));
                own.map(|(_, amount)| amount * if budget.period == BudgetPeriod::Daily { share(month) } else { 1.0 })
                    .ok_or_else(missing)
            };
            months.iter().map(of).sum()
        }
    }
}

/// What credits and refunds took off in the known days of a period, at most 0 in a usual bill.
fn credits(facts: &dyn Facts, question: &Question, period: Period, known: NaiveDate) -> Result<f64> {
    let days = Period { end: period.end.min(known), ..period };
    if days.start > days.end {
        return Ok(0.0);
    }
    let segments = Frame::new(facts, question)?.segments(days);
    let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
    let is_credit = |category: &str| category == ChargeCategory::Credit.as_str();
    let cells = facts.cells(&selection, &[])?;
    Ok(cells.iter().filter(|cell| is_credit(&cell.charge_category)).fold(0.0, |sum, cell| sum + cell.cost))
}

/// The sums from the first day on, by day.
fn sums(days: &[ForecastDay]) -> Vec<(NaiveDate, bool, f64)> {
    let mut sum = 0.0;
    let add = |day: &ForecastDay| {
        sum += day.expected;
        (day.date, day.settled, sum)
    };
    days.iter().map(add).collect()
}

fn threshold(
    one: &Threshold,
    amount: f64,
    spent: f64,
    expected: f64,
    sums: &[(NaiveDate, bool, f64)],
) -> ThresholdState {
    let limit = one.of(amount);
    let reached = if one.forecast { expected } else { spent };
    let crossed = reached >= limit;
    // What is spent goes down by a restatement only; a forecast goes up and down by itself.
    let corrected = if one.forecast { reached < CORRECTED_SHARE * limit } else { !crossed };
    let on = sums.iter().find(|(_, settled, sum)| *settled && *sum >= limit).map(|(date, ..)| *date);
    let on = on.filter(|_| crossed && !one.forecast);
    ThresholdState { threshold: one.text(), forecast: one.forecast, limit, crossed, corrected, on }
}

/// When an amount is reached, as expected and as it would be with each of the errors of earlier forecasts.
fn crossing(days: &[ForecastDay], errors: &[f64], amount: f64) -> Option<Crossing> {
    let known: f64 = days.iter().filter(|day| day.settled).map(|day| day.expected).sum();
    let to_come: f64 = days.iter().filter(|day| !day.settled).map(|day| day.expected).sum();
    let reached = |factor: f64| {
        let mut sum = 0.0;
        let day = days.iter().find(|day| {
            sum += if day.settled { day.expected } else { factor * day.expected };
            sum >= amount
        });
        day.map(|day| day.date)
    };
    let day = reached(1.0);
    if known >= amount {
        return Some(Crossing { day, probability: Some(1.0), earliest: day, latest: day });
    }
    let factor = |error: f64| {
        let total = (known + to_come) + error * (known + to_come).abs();
        if to_come > 0.0 { ((total - known) / to_come).max(0.0) } else { 1.0 }
    };
    // As wrong to either side, as the intervals have it.
    let both = errors.iter().flat_map(|error| [error.abs(), -error.abs()]);
    let mut reached_on: Vec<NaiveDate> = both.filter_map(|error| reached(factor(error))).chain(day).collect();
    if reached_on.is_empty() {
        return None;
    }
    reached_on.sort_unstable();
    // The next error may be beyond all of them: nothing is certain before it is spent.
    let cases = 2 * errors.len() + 2;
    let probability = (!errors.is_empty()).then(|| reached_on.len() as f64 / cases as f64);
    // Of the days on which it is reached, the middle four in five.
    let tenth = reached_on.len() / 10;
    let ends = probability.map(|_| (reached_on[tenth], reached_on[reached_on.len() - 1 - tenth]));
    Some(Crossing { day, probability, earliest: ends.map(|ends| ends.0), latest: ends.map(|ends| ends.1) })
}

fn days(worked: &WorkedOut, amount: f64, sums: &[(NaiveDate, bool, f64)]) -> Vec<BudgetDay> {
    let shape = worked.shape();
    let mut share = 0.0;
    let day = |(place, (date, settled, expected)): (usize, &(NaiveDate, bool, f64))| {
        share += shape.as_ref().map_or(0.0, |shape| shape[place]);
        BudgetDay {
            date: *date,
            spent: settled.then_some(*expected),
            expected: *expected,
            even: amount * (place + 1) as f64 / sums.len() as f64,
            seasonal: shape.is_some().then_some(amount * share),
        }
    };
    sums.iter().enumerate().map(day).collect()
}
