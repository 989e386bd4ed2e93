//! The leaves added up: the total and each group, by day, with the plans that are to come.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    answer::{Before, Calibrated, Driver, Estimate, Forecast, ForecastDay, GroupForecast},
    assumptions::{Assumption, NotPlanned},
    book::Book,
    intervals::{Calibration, Errors, Interval, LEVELS},
    leaves::{Leaf, Leaves, cost_in},
    request::{Plan, Request, period_before},
};
use crate::{
    analysis::forecast::Span,
    insights::{
        Frame, account_name,
        change::{Change, HALF_CENT},
        group_object,
    },
    model::{Dimension, Filter, Period},
};

/// Groups that are named as making the difference to the period before.
const DRIVERS: usize = 5;
/// The value of a dimension that a plan does not name.
const PLANNED: &str = "(planned)";

/// What adds up.
pub(super) struct Sums {
    period: Period,
    /// Cost by day of all groups.
    days: Vec<f64>,
    to_date: f64,
    groups: Vec<Group>,
}

#[derive(Clone, Default)]
struct Group {
    values: Vec<String>,
    to_date: f64,
    expected: f64,
    before: f64,
}

/// What an answer is told with.
pub(super) struct Told<'a> {
    pub request: &'a Request<'a>,
    pub leaves: &'a Leaves,
    pub errors: &'a Errors,
    pub span: Span,
    pub names: &'a BTreeMap<String, String>,
    pub assumptions: Vec<Assumption>,
}

impl Sums {
    pub(super) fn of(leaves: &Leaves, book: &Book, place: usize) -> Self {
        let span = book.span(place);
        let before = period_before(span);
        let groups = leaves.groups.iter().map(|values| Group { values: values.clone(), ..Group::default() });
        let mut sums =
            Self { period: span.period, days: vec![0.0; span.period.days()], to_date: 0.0, groups: groups.collect() };
        for (index, leaf) in leaves.leaves.iter().enumerate() {
            let ahead = book.ahead(index, place);
            let known = span.known.min(leaves.known(leaf.class));
            sums.to_date += ahead.known;
            sums.days.iter_mut().zip(&ahead.days).for_each(|(sum, cost)| *sum += cost);
            for (group, costs) in leaf.split(&ahead.days, Span { known, ..span }) {
                let group = &mut sums.groups[group];
                let known_days = span.period.iter().zip(&costs).filter(|(day, _)| *day <= known && leaf.has(*day));
                group.to_date += known_days.map(|(_, cost)| cost).sum::<f64>();
                group.expected += costs.iter().sum::<f64>();
            }
            for (group, cost) in leaf.cost_by_group(before) {
                sums.groups[group].before += cost;
            }
        }
        sums
    }

    /// Adds the plans that begin after the last known day; the others are in the costs already. Says which were added, and which not.
    pub(super) fn plan(&mut self, request: &Request, span: Span, currency: &str) -> Vec<Assumption> {
        let mut said = Vec::new();
        for plan in request.plans {
            let days =
                Period { start: plan.period.start.max(span.period.start), end: plan.period.end.min(span.period.end) };
            if days.start > days.end || days.end <= span.known {
                continue;
            }
            let why_not = match fits(plan, request.question.filters) {
                Some(false) => continue,
                None => Some(NotPlanned::OtherFilters),
                Some(true) if plan.period.start <= span.known => Some(NotPlanned::Begun),
                Some(true) => None,
            };
            if let Some(reason) = why_not {
                said.push(Assumption::PlanNotAdded { plan: plan.name.clone(), reason });
                continue;
            }
            let value = |dimension: &Dimension| {
                let own = |filter: &&Filter| filter.dimension == *dimension && !filter.negated;
                plan.filters.iter().find(own).map_or(PLANNED.to_owned(), |filter| filter.value.clone())
            };
            let values: Vec<String> = request.group_by.0.iter().map(value).collect();
            let amount = self.add(days, plan.dollars / plan.period.days() as f64, values);
            let (plan, currency) = (plan.name.clone(), currency.to_owned());
            said.push(Assumption::PlanAdded { plan, days, amount, currency });
        }
        said
    }

    /// Adds a cost a day to a group on some days of the period; returns what that makes.
    pub(super) fn add(&mut self, days: Period, a_day: f64, values: Vec<String>) -> f64 {
        days.iter().for_each(|day| self.days[(day - self.period.start).num_days() as usize] += a_day);
        let amount = a_day * days.days() as f64;
        match self.groups.iter_mut().find(|group| group.values == values) {
            Some(group) => group.expected += amount,
            None => self.groups.push(Group { values, expected: amount, ..Group::default() }),
        }
        amount
    }

    pub(super) fn answer(self, told: Told, frame: &Frame) -> Forecast {
        let Told { request, leaves, errors, span, names, assumptions } = told;
        let expected: f64 = self.days.iter().sum();
        let is_over = span.period.end <= span.known;
        let (intervals, by) = match is_over {
            true => (exact(expected), None),
            false => errors.of_total(expected, self.to_date),
        };
        let calibrated = by.map(|by| Calibrated { by, errors: errors.used_for_total().len(), months: errors.months() });
        let before = period_before(span);
        let has_before = leaves.first_day <= before.start && before.end <= span.known;
        let mut groups: Vec<(usize, Group)> = self.groups.into_iter().enumerate().collect();
        groups.retain(|(_, group)| {
            [group.to_date, group.expected, group.before].iter().any(|cost| cost.abs() >= HALF_CENT)
        });
        let object = |group: &Group| group_object(&request.group_by, &group.values);
        let name = |group: &Group| account_name(&request.group_by, &group.values, names);
        groups.sort_by(|(_, a), (_, b)| (b.expected - b.before).abs().total_cmp(&(a.expected - a.before).abs()));
        let moved = groups.iter().filter(|(_, group)| has_before && (group.expected - group.before).abs() >= HALF_CENT);
        let drivers = moved.take(DRIVERS).map(|(_, group)| Driver {
            group: object(group),
            account_name: name(group),
            change: Change::new(group.before, group.expected),
        });
        let drivers = drivers.collect();
        groups.sort_by(|(_, a), (_, b)| b.expected.total_cmp(&a.expected));
        let rest = groups.split_off(groups.len().min(request.top));
        let forecast_of = |place: usize, group: &Group| {
            let (intervals, calibration) = match is_over {
                true => (exact(group.expected), None),
                false => errors.of_group(place, group.expected, group.to_date),
            };
            GroupForecast {
                group: object(group),
                account_name: name(group),
                other: false,
                estimate: Estimate { to_date: group.to_date, expected: group.expected, intervals },
                calibration,
                before: has_before.then_some(group.before),
            }
        };
        let mut shown: Vec<GroupForecast> = groups.iter().map(|(place, group)| forecast_of(*place, group)).collect();
        shown.extend(other(&rest, has_before));
        let same_days =
            Period { start: before.start, end: (before.start + (span.known - span.period.start)).min(before.end) };
        let cost = |period: Period| leaves.leaves.iter().map(|leaf| cost_in(&leaf.series, period)).sum::<f64>();
        Forecast {
            group_by: request.group_by.clone(),
            include: request.include.iter().map(|category| category.as_str()).collect(),
            period: span.period,
            known_through: span.known,
            total: Estimate { to_date: self.to_date, expected, intervals },
            calibration: calibrated,
            before: has_before.then(|| Before {
                period: before,
                total: Change::new(cost(before), expected),
                to_date: Change::new(if span.known < span.period.start { 0.0 } else { cost(same_days) }, self.to_date),
            }),
            groups: shown,
            drivers,
            days: days(leaves, &self.days, span, frame),
            scenarios: None,
            earlier: Vec::new(),
            checked: None,
            assumptions,
        }
    }
}

/// What is over has no interval but itself.
fn exact(cost: f64) -> Vec<Interval> {
    LEVELS.map(|level| Interval { level, low: cost, high: cost }).to_vec()
}

/// The groups that are not shown by name, as one.
fn other(rest: &[(usize, Group)], has_before: bool) -> Option<GroupForecast> {
    let sum = |of: fn(&Group) -> f64| rest.iter().map(|(_, group)| of(group)).sum::<f64>();
    (!rest.is_empty()).then(|| GroupForecast {
        group: serde_json::Map::new(),
        account_name: None,
        other: true,
        estimate: Estimate {
            to_date: sum(|group| group.to_date),
            expected: sum(|group| group.expected),
            intervals: Vec::new(),
        },
        calibration: None::<Calibration>,
        before: has_before.then(|| sum(|group| group.before)),
    })
}

fn days(leaves: &Leaves, expected: &[f64], span: Span, frame: &Frame) -> Vec<ForecastDay> {
    let day = |(date, expected): (NaiveDate, &f64)| {
        let of_day = |leaf: &Leaf| leaf.series.index(date).map_or(0.0, |at| leaf.series.values[at]);
        let is_there = date <= frame.as_of && frame.has_day(date);
        ForecastDay {
            date,
            cost: is_there.then(|| leaves.leaves.iter().map(of_day).sum()),
            expected: *expected,
            settled: date <= span.known,
        }
    };
    span.period.iter().zip(expected).map(day).collect()
}

/// Whether a plan is of what some filters leave; none when only a part of it may be.
fn fits(plan: &Plan, filters: &[Filter]) -> Option<bool> {
    let mut certain = true;
    for filter in filters {
        let mut own = plan.filters.iter().filter(|own| own.dimension == filter.dimension && !own.negated).peekable();
        if own.peek().is_none() {
            certain = false;
        } else if own.all(|own| (own.value == filter.value) == filter.negated) && !same_dimension(filter, filters, plan)
        {
            return Some(false);
        }
    }
    certain.then_some(true)
}

/// Whether another filter of the same dimension leaves the plan: values of one dimension are alternatives.
fn same_dimension(filter: &Filter, filters: &[Filter], plan: &Plan) -> bool {
    let is_other = |other: &&Filter| *other != filter && other.dimension == filter.dimension && !other.negated;
    !filter.negated && filters.iter().filter(is_other).any(|other| plan.filters.contains(other))
}
