//! What a series will cost on a day to come: its level times the factor of the weekday, carried on by its trend, and the
//! fees of that day of the month. Series with many days without a charge go by their calendar or their mean.

use chrono::{Datelike, NaiveDate};

use super::recurring::{self, Fee, NO_CHARGE};
use crate::{
    analysis::{
        detection::{
            trend::daily_trend,
            week::{WEEK, Week},
        },
        stats::winsorised_mean,
    },
    model::Series,
};

/// Days whose winsorised mean is the level. A change of level is in it after as many days; half a week of an event is not.
const LEVEL_DAYS: usize = 10;
/// Days whose ratios make the weekday factors, and weeks that make the trend, as in detection.
const WEEK_DAYS: usize = 26 * WEEK;
const TREND_WEEKS: usize = 16;
/// Days for which a trend goes on: two months ahead nobody knows (Gardner & McKenzie, 1985, dampen it).
const TREND_AHEAD: f64 = 62.0;
/// Days that say whether a series is charged daily: when at least [`IDLE_SHARE`] of them had no charge, it is not.
pub(super) const IDLE_SPAN: usize = 12 * WEEK;
const IDLE_SHARE: f64 = 0.25;

/// What a series costs on days to come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outlook {
    /// The first day to come.
    from: NaiveDate,
    /// 1, or -1 of a series of credits or discounts, whose level is positive.
    sign: f64,
    /// Cost of a day without the week, on the day `at` days before `from`.
    level: f64,
    at: f64,
    daily_trend: f64,
    /// By weekday, Monday first.
    factors: [f64; WEEK],
    /// What recurs by the month.
    pub fees: Vec<Fee>,
}

impl Outlook {
    fn none(from: NaiveDate) -> Self {
        Self { from, sign: 1.0, level: 0.0, at: 0.0, daily_trend: 0.0, factors: [1.0; WEEK], fees: Vec::new() }
    }

    /// Whether there is more to come than what recurs by the month.
    pub(crate) fn is_daily(&self) -> bool {
        self.level != 0.0
    }

    /// What a day costs, in the currency of the series.
    pub(crate) fn cost(&self, day: NaiveDate) -> f64 {
        let ahead = (day - self.from).num_days() as f64 + self.at;
        let growth = (1.0 + self.daily_trend * ahead.min(TREND_AHEAD)).max(0.0);
        let daily = self.level * growth * self.factors[day.weekday().num_days_from_monday() as usize];
        let fees: f64 = self.fees.iter().filter(|fee| fee.falls_on(day)).map(|fee| fee.amount).sum();
        self.sign * daily + fees
    }
}

/// Says what is to come of one series, as of one day after another.
pub(crate) struct Forecaster<'a> {
    series: &'a Series,
    /// The costs, turned around where the series is of credits.
    costs: Vec<f64>,
    sign: f64,
    /// Days that say nothing.
    skipped: &'a [bool],
    /// Whether what is not charged daily comes by the calendar or not at all, as purchases do.
    by_calendar: bool,
    week: Week,
    buffer: Vec<f64>,
}

impl<'a> Forecaster<'a> {
    /// `skipped[i]` says that there is no data of day `i`; of a series of purchases `by_calendar`.
    pub(crate) fn new(series: &'a Series, skipped: &'a [bool], by_calendar: bool) -> Self {
        let sign = if series.values.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
        let costs = series.values.iter().map(|cost| sign * cost).collect();
        let week = Week::new(series.start, series.values.len());
        Self { series, costs, sign, skipped, by_calendar, week, buffer: Vec::new() }
    }

    /// What the days up to `known` say of those after it. Days must be asked for in order: weekday ratios are kept.
    pub(crate) fn outlook(&mut self, known: NaiveDate) -> Outlook {
        let from = known.succ_opt().unwrap_or(known);
        let none = Outlook { sign: self.sign, ..Outlook::none(from) };
        let until = (from - self.series.start).num_days();
        let Some(until) = usize::try_from(until).ok().filter(|until| (1..=self.costs.len()).contains(until)) else {
            return none;
        };
        let (costs, skipped) = (&self.costs, self.skipped);
        let is_usable = |index: usize| !skipped[index] && costs[index] >= 0.0;
        let first = until.saturating_sub(WEEK_DAYS);
        if until >= first + 2 * WEEK {
            self.week.fit(costs, first, until, &is_usable);
        }
        let span = until.saturating_sub(IDLE_SPAN)..until;
        let idle = span.clone().filter(|index| costs[*index] < NO_CHARGE).count();
        if idle as f64 >= IDLE_SHARE * span.len() as f64 {
            return self.intermittent(none, until);
        }
        self.daily(none, until)
    }

    /// The outlook of a series that is charged daily.
    fn daily(&mut self, none: Outlook, until: usize) -> Outlook {
        let (costs, week, skipped) = (&self.costs, &self.week, self.skipped);
        let plain = |index: usize| {
            let usable = !skipped[index] && costs[index] >= 0.0;
            Some(week.removed(costs[index], index)).filter(|cost| usable && cost.is_finite())
        };
        self.buffer.clear();
        let mut age = 0.0;
        for index in (0..until).rev() {
            if self.buffer.len() == LEVEL_DAYS {
                break;
            }
            if let Some(cost) = plain(index) {
                self.buffer.push(cost);
                age += (until - index) as f64;
            }
        }
        if self.buffer.is_empty() {
            return none;
        }
        let at = age / self.buffer.len() as f64;
        let level = winsorised_mean(&mut self.buffer);
        let daily_trend = daily_trend(0, until, TREND_WEEKS, plain, &mut self.buffer);
        let mut factors = [1.0; WEEK];
        for index in 0..WEEK {
            factors[week.weekday(index)] = week.factor(index);
        }
        let fees = self.signed(recurring::fees(self.series, costs, week, until));
        Outlook { level, at, daily_trend, factors, fees, ..none }
    }

    fn signed(&self, fees: Vec<Fee>) -> Vec<Fee> {
        fees.into_iter().map(|fee| Fee { amount: self.sign * fee.amount, ..fee }).collect()
    }

    /// The outlook of a series with many days without a charge.
    fn intermittent(&mut self, none: Outlook, until: usize) -> Outlook {
        if let Some(fees) = recurring::monthly(self.series, &self.costs, until, self.by_calendar) {
            return Outlook { fees: self.signed(fees), ..none };
        }
        let start = until.saturating_sub(IDLE_SPAN);
        let is_charge = |index: &usize| self.costs[*index] >= NO_CHARGE;
        let Some(first) = (start..until).find(is_charge) else { return none };
        if !(until.saturating_sub(recurring::STOPPED_DAYS)..until).any(|index| is_charge(&index)) {
            return none;
        }
        let Some(factors) = recurring::weekly(&self.costs, &self.week, first, until) else {
            let level = self.costs[first..until].iter().sum::<f64>() / (until - first) as f64;
            return Outlook { level: level.max(0.0), ..none };
        };
        Outlook { level: 1.0, factors, ..none }
    }
}
