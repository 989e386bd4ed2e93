//! What only shows across series: days whose bill is not whole, and moves that many series share.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::{
    detect::{Known, Verdict, Why},
    stats::{median, median_absolute_deviation, median_in_place},
};
use crate::model::{Direction, Kind, Period, Series};

/// A series is alive on a day when it was charged on four in five of the week before.
const WEEK: usize = 7;
const ALIVE_SHARE: f64 = 0.8;
/// How many alive series an account needs before their common silence says something about the bill.
const LEAST_SERIES: usize = 3;
/// A day is unfinished when two in three of an account's series, and at least five, are below this share of
/// what their last weekdays cost.
const LOW_SHARE: f64 = 0.7;
const MOST: f64 = 2.0 / 3.0;
const LEAST_LOW_SERIES: usize = 5;
/// Silence that goes on for longer than this is no late delivery: it is judged.
const LATE_DAYS: usize = 2;
/// A move is common when at least five series and one in twelve of those judged go the same way by this score.
pub const COMMON_SCORE: f64 = 2.0;
pub const COMMON_SERIES: usize = 5;
pub const COMMON_SHARE: f64 = 1.0 / 12.0;
/// So many days later it is the same move.
pub const MOVE_GAP: i64 = 3;
/// How much farther than a common move one series must go to be a finding of its own, in robust standard deviations
/// of the relative changes of those that moved, and the least that one of these is.
const AHEAD: f64 = 2.5;
const LEAST_SPREAD: f64 = 0.1;

/// The days of each series that say nothing, for nearly the whole account is missing or low on them: a gap of
/// the delivery or an unfinished day; and those that its bills do not have at all, by `known[i]`. `accounts[i]`
/// is any number that series of one account share. Each day of `period` is decided by itself and the days before.
pub fn unusable_days(series: &[Series], accounts: &[usize], known: &[&Known], period: Period) -> Vec<Vec<bool>> {
    let mut unusable: Vec<Vec<bool>> = series.iter().map(|one| vec![false; one.values.len()]).collect();
    for ((one, unusable), known) in series.iter().zip(&mut unusable).zip(known) {
        known.missing.iter().filter_map(|day| one.index(*day)).for_each(|at| unusable[at] = true);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, account) in accounts.iter().enumerate() {
        groups.entry(*account).or_default().push(index);
    }
    for members in groups.values() {
        let mut late = 0;
        for day in days_of(members.iter().map(|index| &series[*index]), period) {
            let is_missing = |index: &usize| known[*index].missing.contains(&day);
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
            if late == 0 || late > LATE_DAYS {
                continue;
            }
            for index in members {
                if let Some(at) = series[*index].index(day) {
                    unusable[*index][at] = true;
                }
            }
        }
    }
    unusable
}

/// The days of `period` that some of the series have, in order: what is years apart is not walked through.
fn days_of<'a>(series: impl Iterator<Item = &'a Series>, period: Period) -> impl Iterator<Item = NaiveDate> {
    let last = |one: &Series| one.start + Days::new(one.values.len().max(1) as u64 - 1);
    let mut spans: Vec<Period> = series
        .map(|one| Period { start: one.start.max(period.start), end: last(one).min(period.end) })
        .filter(|span| span.start <= span.end)
        .collect();
    spans.sort();
    let mut joined: Vec<Period> = Vec::new();
    for span in spans {
        match joined.last_mut().filter(|before| span.start <= before.end + Days::new(1)) {
            Some(before) => before.end = before.end.max(span.end),
            None => joined.push(span),
        }
    }
    joined.into_iter().flat_map(Period::iter)
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

/// Days in a row, but for [`MOVE_GAP`], on which many series moved the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonMove {
    pub start: NaiveDate,
    pub last: NaiveDate,
    pub direction: Direction,
    /// The series that take part, by index, and the days on which they do.
    pub parts: BTreeMap<usize, Vec<NaiveDate>>,
    /// How many series were judged on the first day.
    pub judged: usize,
}

/// Finds the common moves of the days of `period`, and takes the flags from the series that only take part.
/// `verdicts[i]` belongs to the days of `series[i]`.
pub fn common_moves(series: &[Series], verdicts: &mut [Vec<Option<Verdict>>], period: Period) -> Vec<CommonMove> {
    let mut moves: Vec<CommonMove> = Vec::new();
    for day in days_of(series.iter(), period) {
        let mut judged = 0;
        let mut moved: [Vec<(usize, f64)>; 2] = [Vec::new(), Vec::new()];
        for (index, one) in series.iter().enumerate() {
            let Some(verdict) = one.index(day).and_then(|at| verdicts[index].get(at)?.as_ref()) else { continue };
            judged += 1;
            if verdict.residual_score.abs() >= COMMON_SCORE {
                let change = one.index(day).map_or(0.0, |at| (one.values[at] / verdict.expected - 1.0).abs());
                moved[usize::from(verdict.residual_score < 0.0)].push((index, change));
            }
        }
        for (moved, direction) in moved.iter().zip([Direction::Up, Direction::Down]) {
            if moved.len() < COMMON_SERIES || (moved.len() as f64) < COMMON_SHARE * judged as f64 {
                continue;
            }
            let changes: Vec<f64> = moved.iter().map(|(_, change)| *change).collect();
            let center = median(&changes).unwrap_or(0.0);
            let spread = median_absolute_deviation(&changes, center).map_or(0.0, |mad| mad / 0.6745).max(LEAST_SPREAD);
            let takes_part = |(index, change): &&(usize, f64)| {
                let verdict = series[*index].index(day).and_then(|at| verdicts[*index][at].as_ref());
                let kind = verdict.map(|verdict| verdict.kind);
                matches!(kind, Some(Kind::Point | Kind::LevelShift)) && *change - center < AHEAD * spread
            };
            let part: Vec<usize> = moved.iter().filter(takes_part).map(|(index, _)| *index).collect();
            if part.len() < COMMON_SERIES {
                continue;
            }
            for index in &part {
                let verdict = series[*index].index(day).and_then(|at| verdicts[*index][at].as_mut());
                if let Some(verdict) = verdict {
                    verdict.flagged = false;
                    verdict.why = Why::Common { moved: moved.len(), of: judged };
                }
            }
            let goes_on = |one: &CommonMove| one.direction == direction && (day - one.last).num_days() <= MOVE_GAP;
            let place = match moves.iter().rposition(goes_on) {
                Some(place) => place,
                None => {
                    moves.push(CommonMove { start: day, last: day, direction, parts: BTreeMap::new(), judged });
                    moves.len() - 1
                }
            };
            moves[place].last = day;
            for index in part {
                moves[place].parts.entry(index).or_default().push(day);
            }
        }
    }
    moves
}
