//! What a forecast goes by, as facts that a reader can check.

use std::fmt;

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    book::{self, Book},
    intervals::{Errors, LEVELS},
    leaves::{Leaf, Leaves},
    request::to_come,
};
use crate::{
    analysis::forecast::{Span, conformal},
    insights::Frame,
    model::{ChargeCategory, Period, change, money},
};

/// Fees, and other facts of one kind, that are named.
const NAMED: usize = 5;
/// A fee is named when it is at least this share of what is expected.
const LEAST_SHARE: f64 = 0.005;

/// What a forecast goes by.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Assumption {
    /// Days that may still change count as to come, and as at least what is there of them.
    NotSettled { days: Period },
    /// Days without data count as to come.
    MissingDays { days: Vec<NaiveDate> },
    /// A bill ended long ago: nothing of it is expected.
    BillEnded { bill: String, data_through: NaiveDate },
    /// A fee that came a month ago comes again.
    Fee { date: NaiveDate, account: String, service: String, amount: f64, currency: String },
    /// A purchase is not expected again.
    NotRepeated { date: NaiveDate, account: String, service: String, amount: f64, currency: String },
    /// Tax or support is this percentage of the other costs, as in the month named by its first day.
    Share { service: String, charge_category: &'static str, percent: f64, month: NaiveDate },
    /// A plan is added on its days.
    PlanAdded { plan: String, days: Period, amount: f64, currency: String },
    /// A plan is not added.
    PlanNotAdded { plan: String, reason: NotPlanned },
    /// A reservation or Savings Plan ends: from that day on what it covers costs on demand, and what it costs itself falls away.
    CommitmentEnds { id: String, date: NaiveDate, amount: f64, a_day: f64, currency: String },
    /// There are too few earlier months to say how wrong forecasts are.
    NoIntervals { errors: usize, needed: usize },
}

/// Why a plan is not added.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPlanned {
    /// It has begun: what it costs is in the days before.
    Begun,
    /// The filters may leave a part of it only.
    OtherFilters,
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Assumption::NotSettled { days } => {
                write!(
                    f,
                    "days from {} on are not settled: as expected, or what is there of them if that is more",
                    days.start
                )
            }
            Assumption::MissingDays { days } => {
                let names: Vec<String> = days.iter().take(NAMED).map(ToString::to_string).collect();
                let more = days.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more days") } else { String::new() };
                write!(f, "there is no data of {}{more}: as expected", names.join(", "))
            }
            Assumption::BillEnded { bill, data_through } => {
                write!(f, "nothing more of {bill}, whose data ended on {data_through}")
            }
            Assumption::Fee { date, account, service, amount, currency } => {
                write!(f, "{} on {date} as last month: {service} of {account}", money(*amount, currency))
            }
            Assumption::NotRepeated { date, account, service, amount, currency } => {
                write!(f, "not again: the purchase of {} on {date}, {service} of {account}", money(*amount, currency))
            }
            Assumption::Share { service, charge_category, percent, month } => {
                let what = match *charge_category {
                    "Tax" if service == "Tax" => "tax".to_owned(),
                    "Tax" => format!("tax on {service}"),
                    _ => service.clone(),
                };
                write!(f, "{what} is {percent:.2} % of other costs, as in {}", month.format("%Y-%m"))
            }
            Assumption::PlanAdded { plan, days, amount, currency } => {
                write!(f, "the plan {plan} adds {} from {} to {}", money(*amount, currency), days.start, days.end)
            }
            Assumption::PlanNotAdded { plan, reason: NotPlanned::Begun } => {
                write!(f, "the plan {plan} has begun: what it costs is in the days so far, and is expected to go on")
            }
            Assumption::PlanNotAdded { plan, reason: NotPlanned::OtherFilters } => {
                write!(f, "the plan {plan} is not added: how much of it these filters leave is not known")
            }
            Assumption::CommitmentEnds { id, date, amount, a_day, currency } => write!(
                f,
                "{id} ends: from {date} on {} a day, {} in all, as what it covers costs on demand",
                change(*a_day, currency),
                change(*amount, currency)
            ),
            Assumption::NoIntervals { errors, needed } => write!(
                f,
                "no interval yet: {errors} forecasts of months that are over can be checked, {needed} are needed"
            ),
        }
    }
}

/// What the bills say: days that are missing or not settled, and bills that have ended.
pub(super) fn of_bills(leaves: &Leaves, frame: &Frame, span: Span) -> Vec<Assumption> {
    let mut all = Vec::new();
    let open = to_come(span);
    if open.start <= frame.as_of && open.start <= open.end {
        all.push(Assumption::NotSettled { days: Period { end: open.end.min(frame.as_of), ..open } });
    }
    let start = span.period.start.max(leaves.first_day);
    let known = Period { start, end: span.period.end.min(span.known) };
    let days: Vec<NaiveDate> =
        if known.start <= known.end { frame.missing(known).into_iter().collect() } else { Vec::new() };
    if !days.is_empty() {
        all.push(Assumption::MissingDays { days });
    }
    for (place, class) in leaves.classes.iter().enumerate() {
        if leaves.has_ended(place, frame.settled_through) && class.end + Days::new(400) >= span.period.start {
            all.extend(
                class.names.iter().map(|bill| Assumption::BillEnded { bill: bill.clone(), data_through: class.end }),
            );
        }
    }
    all
}

/// What the series say: fees to come, purchases that are not expected again, and shares of taxes and support.
pub(super) fn of_leaves(leaves: &Leaves, book: &Book, place: usize) -> Vec<Assumption> {
    let span = book.span(place);
    let open = to_come(span);
    let expected: f64 = (0..leaves.leaves.len()).map(|leaf| book.ahead(leaf, place).days.iter().sum::<f64>()).sum();
    let bases: Vec<Option<f64>> = (0..leaves.classes.len()).map(|class| book.base(class, span.known)).collect();
    let (mut fees, mut once, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for (index, leaf) in leaves.leaves.iter().enumerate() {
        let currency = || leaves.currency.clone();
        let matters = |amount: f64| amount.abs() >= LEAST_SHARE * expected.abs();
        let (account, service) = (&leaf.account, &leaf.service);
        if let Some(share) = bases[leaf.class].and_then(|base| book.share(leaf, base, span.known)) {
            if matters(share * expected) {
                let month = book::last_whole_month(span.known).start;
                let (service, charge_category) = (service.clone(), leaf.category.as_str());
                shares.push((share, Assumption::Share { service, charge_category, percent: share * 100.0, month }));
            }
            continue;
        }
        for fee in &book.ahead(index, place).outlook.fees {
            let dates = open.iter().filter(|day| fee.falls_on(*day) && matters(fee.amount));
            fees.extend(dates.map(|date| {
                let (account, service) = (account.clone(), service.clone());
                (fee.amount, Assumption::Fee { date, account, service, amount: fee.amount, currency: currency() })
            }));
        }
        if leaf.category == ChargeCategory::Purchase {
            let bought = not_repeated(leaf, book, index, place).filter(|(_, amount)| matters(*amount));
            once.extend(bought.map(|(date, amount)| {
                let (account, service) = (account.clone(), service.clone());
                (amount, Assumption::NotRepeated { date, account, service, amount, currency: currency() })
            }));
        }
    }
    [fees, once, shares].into_iter().flat_map(largest).collect()
}

/// The charges of the known days of a period that do not come again.
fn not_repeated<'a>(
    leaf: &'a Leaf,
    book: &'a Book,
    index: usize,
    place: usize,
) -> impl Iterator<Item = (NaiveDate, f64)> + 'a {
    let (span, outlook) = (book.span(place), &book.ahead(index, place).outlook);
    let known = Period { start: span.period.start, end: span.known.min(span.period.end) };
    let charge = |day: NaiveDate| leaf.series.index(day).map_or(0.0, |at| leaf.series.values[at]);
    let is_daily = outlook.is_daily();
    let recurs = |day: NaiveDate| outlook.fees.iter().any(|fee| fee.last == day);
    known
        .iter()
        .filter(move |day| !is_daily && charge(*day) >= 0.01 && !recurs(*day))
        .map(move |day| (day, charge(day)))
}

/// Whether errors make intervals, and what is missing to that.
pub(super) fn of_errors(errors: &Errors, is_over: bool) -> Option<Assumption> {
    let needed = LEVELS.map(conformal::least_errors).into_iter().max().unwrap_or(0);
    let used = errors.used_for_total().len();
    (!is_over && used < needed).then_some(Assumption::NoIntervals { errors: used, needed })
}

/// The largest of some facts, in order.
fn largest(mut facts: Vec<(f64, Assumption)>) -> Vec<Assumption> {
    facts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    facts.into_iter().take(NAMED).map(|(_, fact)| fact).collect()
}
