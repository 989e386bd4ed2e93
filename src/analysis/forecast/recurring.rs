//! What comes by the calendar: fees on a day of the month on top of daily costs, series that are charged monthly, and series
//! that are charged on some weekdays.

use chrono::{Datelike, Days, Months, NaiveDate};

use crate::{
    analysis::{
        detection::week::{WEEK, Week},
        stats::{median_in_place, winsorised_mean},
    },
    model::Series,
};

/// A day below this has no charge.
pub(super) const NO_CHARGE: f64 = 0.01;
/// Days around a fee that say what its day costs without it.
const AROUND: usize = 5;
/// A fee is at least this share of that, and so many robust standard deviations above.
const LEAST_SHARE: f64 = 0.3;
const FEE_SIGMAS: f64 = 4.0;
/// The fee of the month before is at least this share of it: what came once is no fee.
const ALIKE: f64 = 0.5;
/// Charges of the last three months by which a monthly series is known; with more it is another kind of series.
const MONTHLY_SPAN: usize = 95;
const MOST_MONTHLY: usize = 12;
/// An intermittent series without a charge for so many days has stopped.
pub(super) const STOPPED_DAYS: usize = 2 * WEEK;
/// A weekly series has charges on the same weekdays for three weeks, but for one day in twelve.
const LEAST_WEEKLY_DAYS: usize = 3 * WEEK;
const ODD_SHARE: f64 = 0.08;
/// Charges of a weekday that say what the next one is.
const WEEKDAY_CHARGES: usize = 4;

/// A charge that recurs by the month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fee {
    /// When it came last.
    pub last: NaiveDate,
    /// In the currency of the series.
    pub amount: f64,
}

impl Fee {
    /// Whether a later day is the same day of its month; in shorter months their last day stands for those they lack.
    pub(crate) fn falls_on(&self, day: NaiveDate) -> bool {
        let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
        let since = u32::try_from(months(day) - months(self.last)).unwrap_or(0);
        since > 0 && self.last + Months::new(since) == day
    }
}

/// The fees of the last month of a series that is charged daily, `until` being the first day to come: what cost much more
/// than the days around it, on the same day of two months; of the 1st once is enough where there is no month before.
pub(super) fn fees(series: &Series, costs: &[f64], week: &Week, until: usize) -> Vec<Fee> {
    let month_ago = series.date(until) - Months::new(1);
    let mut fees = Vec::new();
    for index in (0..until).rev().take_while(|index| series.date(*index) >= month_ago) {
        let amount = excess(costs, week, index, until);
        if amount <= 0.0 {
            continue;
        }
        let last = series.date(index);
        let recurs = match series.index(last - Months::new(1)) {
            Some(before) => excess(costs, week, before, until) >= ALIKE * amount,
            None => last.day() == 1,
        };
        if recurs {
            fees.push(Fee { last, amount });
        }
    }
    fees
}

/// What a day costs beyond the days around it, if that is a fee's worth; otherwise 0.
fn excess(costs: &[f64], week: &Week, index: usize, until: usize) -> f64 {
    if !stands_out(costs, week, index, until) {
        return 0.0;
    }
    let around = (index.saturating_sub(AROUND)..(index + AROUND + 1).min(until)).filter(|other| *other != index);
    let mut plain: Vec<f64> =
        around.map(|other| week.removed(costs[other], other)).filter(|cost| cost.is_finite()).collect();
    let Some(middle) = median_in_place(&mut plain) else { return 0.0 };
    let usual = middle * week.factor(index);
    let beyond = costs[index] - usual;
    if beyond < LEAST_SHARE * usual {
        return 0.0;
    }
    plain.iter_mut().for_each(|cost| *cost = (*cost - middle).abs());
    let sigma = 1.4826 * median_in_place(&mut plain).unwrap_or(0.0) * week.factor(index);
    if beyond >= FEE_SIGMAS * sigma { beyond } else { 0.0 }
}

/// Whether a day may be far above the days around it, at a glance: most days are not, which saves their medians.
fn stands_out(costs: &[f64], week: &Week, index: usize, until: usize) -> bool {
    let nearest = [index.checked_sub(2), index.checked_sub(1), Some(index + 1), Some(index + 2)];
    let near = nearest.into_iter().flatten().filter(|other| *other < until);
    let least = near.map(|other| week.removed(costs[other], other)).fold(f64::INFINITY, f64::min);
    let own = week.removed(costs[index], index);
    // On a weekday without charges any charge does.
    own.is_nan() || least.is_infinite() || own >= (1.0 + LEAST_SHARE / 2.0) * least
}

/// What a series that is charged on days of the month will be charged: its charges of the last month that have another one a
/// month before or after, give or take a day. None when it is no such series. Of purchases (`by_calendar`) everything is
/// decided here: what has no counterpart was bought once.
pub(super) fn monthly(series: &Series, costs: &[f64], until: usize, by_calendar: bool) -> Option<Vec<Fee>> {
    let is_charge = |index: usize| costs[index] >= NO_CHARGE;
    let charges: Vec<usize> = (until.saturating_sub(MONTHLY_SPAN)..until).filter(|index| is_charge(*index)).collect();
    let is_near = |day: NaiveDate| {
        let days = [day - Days::new(1), day, day + Days::new(1)];
        days.iter().any(|day| series.index(*day).is_some_and(|index| index < until && is_charge(index)))
    };
    let recurs = |index: &usize| {
        let day = series.date(*index);
        is_near(day - Months::new(1)) || is_near(day + Months::new(1))
    };
    let recurring: Vec<usize> = match charges[..] {
        // A single charge comes again when it came on the 1st, or when nothing says that it does not.
        [only] if !by_calendar || series.date(only).day() == 1 => vec![only],
        _ => charges.iter().copied().filter(recurs).collect(),
    };
    let is_monthly = charges.len() <= MOST_MONTHLY && !recurring.is_empty() && 2 * recurring.len() >= charges.len();
    if !is_monthly && !by_calendar {
        return None;
    }
    let month_ago = series.date(until) - Months::new(1);
    let last = recurring.into_iter().filter(|index| series.date(*index) >= month_ago);
    Some(last.map(|index| Fee { last: series.date(index), amount: costs[index] }).collect())
}

/// What each weekday costs, Monday first, of a series that is charged on the same weekdays from the day `first` on.
pub(super) fn weekly(costs: &[f64], week: &Week, first: usize, until: usize) -> Option<[f64; WEEK]> {
    if until < first + LEAST_WEEKLY_DAYS {
        return None;
    }
    let mut counts = [[0_usize; 2]; WEEK];
    for index in first..until {
        counts[week.weekday(index)][usize::from(costs[index] >= NO_CHARGE)] += 1;
    }
    let odd: usize = counts.iter().map(|counts| counts[0].min(counts[1])).sum();
    let is_weekly = counts.iter().any(|counts| counts[1] > counts[0]);
    if !is_weekly || odd as f64 > ODD_SHARE * (until - first) as f64 {
        return None;
    }
    let mut weekdays = [0.0; WEEK];
    for (weekday, cost) in weekdays.iter_mut().enumerate() {
        let days = (first..until).rev().filter(|index| week.weekday(*index) == weekday);
        let mut last: Vec<f64> = days.take(WEEKDAY_CHARGES).map(|index| costs[index].max(0.0)).collect();
        *cost = winsorised_mean(&mut last);
    }
    Some(weekdays)
}
