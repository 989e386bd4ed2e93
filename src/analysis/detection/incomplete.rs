//! Days of series that say nothing, for the bill of nearly the whole account is not there yet.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::week::WEEK;
use crate::{
    analysis::stats::median_in_place,
    model::{Period, Series, days_of},
};

/// A series is alive on a day when it was charged on four in five of the week before.
const ALIVE_SHARE: f64 = 0.8;
/// How many alive series an account needs before their common silence says something about the bill.
const LEAST_SERIES: usize = 3;
/// A day is unfinished when two in three of an account's series, and at least five, are below this share of
/// what their last weekdays cost.
const LOW_SHARE: f64 = 0.7;
const MOST: f64 = 2.0 / 3.0;
const LEAST_LOW_SERIES: usize = 5;

/// Which days the bills of a series have.
#[derive(Clone, Debug)]
pub(crate) struct BillDays {
    /// Their first day, from which it is known that a series did not exist.
    pub first_day: NaiveDate,
    /// Days that they do not have.
    pub missing: BTreeSet<NaiveDate>,
}

/// The days of each series that say nothing, for nearly the whole account is missing or low on them: a gap of
/// the delivery or an unfinished day; and those that its bills do not have at all, by `bills[i]`. `accounts[i]`
/// is any number that series of one account share. Each day of `period` is decided by itself and the days before.
/// Silence that goes on for longer than `late_days` is no late delivery: it is judged.
pub(crate) fn incomplete_days(
    series: &[Series],
    accounts: &[usize],
    bills: &[&BillDays],
    period: Period,
    late_days: usize,
) -> Vec<Vec<bool>> {
    let mut incomplete: Vec<Vec<bool>> = series.iter().map(|one| vec![false; one.values.len()]).collect();
    for ((one, incomplete), bill) in series.iter().zip(&mut incomplete).zip(bills) {
        bill.missing.iter().filter_map(|day| one.index(*day)).for_each(|at| incomplete[at] = true);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, account) in accounts.iter().enumerate() {
        groups.entry(*account).or_default().push(index);
    }
    for members in groups.values() {
        let mut late = 0;
        for day in days_of(members.iter().map(|index| &series[*index]), period) {
            let is_missing = |index: &usize| bills[*index].missing.contains(&day);
            if members.iter().all(is_missing) {
                continue;
            }
            let (mut alive, mut absent, mut compared, mut low) = (0, 0, 0, 0);
            for index in members.iter().filter(|index| !is_missing(index)) {
                let Some(at) = series[*index].index(day) else { continue };
                let values = &series[*index].values;
                if !is_alive(values, at) {
                    continue;
                }
                alive += 1;
                absent += usize::from(values[at] == 0.0);
                if let Some(is_low) = is_low(values, at) {
                    compared += 1;
                    low += usize::from(is_low);
                }
            }
            let gone = alive >= LEAST_SERIES && absent == alive;
            let unfinished = low >= LEAST_LOW_SERIES && low as f64 >= MOST * f64::from(compared);
            late = if gone || unfinished { late + 1 } else { 0 };
            if late == 0 || late > late_days {
                continue;
            }
            for index in members {
                if let Some(at) = series[*index].index(day) {
                    incomplete[*index][at] = true;
                }
            }
        }
    }
    incomplete
}

fn is_alive(values: &[f64], at: usize) -> bool {
    let week = &values[at.saturating_sub(WEEK)..at];
    let charged = week.iter().filter(|value| **value != 0.0).count();
    !week.is_empty() && charged as f64 >= ALIVE_SHARE * week.len() as f64
}

/// Whether a day is below [`LOW_SHARE`] of the median of the same weekday of the last four weeks, if there are two.
fn is_low(values: &[f64], at: usize) -> Option<bool> {
    let mut same = [0.0; 4];
    let weeks = (at / WEEK).min(same.len());
    let same = &mut same[..weeks];
    for (back, value) in same.iter_mut().enumerate() {
        *value = values[at - (back + 1) * WEEK];
    }
    // Most days are not below any of them.
    let may_be = same.iter().any(|value| values[at] < LOW_SHARE * value);
    (weeks >= 2).then(|| may_be && median_in_place(same).is_some_and(|usual| values[at] < LOW_SHARE * usual))
}
