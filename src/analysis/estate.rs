//! What only shows across series: days whose bill is not whole, and moves that many series share.

use chrono::NaiveDate;

use super::{
    detect::{Direction, Kind, Verdict, Why},
    stats::{median, median_absolute_deviation},
};
use crate::model::{Period, Series};

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
/// A move is common when at least five series and one in twelve go the same way by two robust standard
/// deviations, which chance does to one in forty.
const COMMON_SCORE: f64 = 2.0;
const COMMON_SERIES: usize = 5;
const COMMON_SHARE: f64 = 1.0 / 12.0;
/// How far one series must be ahead of a common move to be a finding of its own, in robust standard
/// deviations among those that moved.
const AHEAD: f64 = 2.5;

/// The days of each series that say nothing, for nearly the whole account is missing or low on them: a gap of
/// the delivery or an unfinished day. `accounts[i]` is any number that series of one account share. Each day
/// is decided by itself and the days before.
pub fn unusable_days(series: &[Series], accounts: &[usize], period: Period) -> Vec<Vec<bool>> {
    let mut unusable: Vec<Vec<bool>> = series.iter().map(|one| vec![false; one.values.len()]).collect();
    let mut groups: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for (index, account) in accounts.iter().enumerate() {
        groups.entry(*account).or_default().push(index);
    }
    for members in groups.values() {
        let first = members.iter().map(|index| series[*index].start).min().unwrap_or(period.start);
        let mut late = 0;
        for day in (Period { start: first, end: period.end }).iter() {
            let (mut alive, mut absent, mut known, mut low) = (0, 0, 0, 0);
            for index in members {
                let Some(at) = series[*index].index(day) else { continue };
                let values = &series[*index].values;
                if !is_alive(values, at) {
                    continue;
                }
                alive += 1;
                absent += usize::from(values[at] == 0.0);
                if let Some(usual) = usual(values, at) {
                    known += 1;
                    low += usize::from(values[at] < LOW_SHARE * usual);
                }
            }
            let gone = alive >= LEAST_SERIES && absent == alive;
            let unfinished = low >= LEAST_LOW_SERIES && low as f64 >= MOST * known as f64;
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

fn is_alive(values: &[f64], at: usize) -> bool {
    let week = &values[at.saturating_sub(WEEK)..at];
    let charged = week.iter().filter(|value| **value != 0.0).count();
    !week.is_empty() && charged as f64 >= ALIVE_SHARE * week.len() as f64
}

/// The median of the same weekday of the last four weeks.
fn usual(values: &[f64], at: usize) -> Option<f64> {
    let same: Vec<f64> = (1..=4).filter_map(|weeks| Some(values[at.checked_sub(weeks * WEEK)?])).collect();
    (same.len() >= 2).then(|| median(&same)).flatten()
}

/// A day on which many series moved the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonMove {
    pub day: NaiveDate,
    pub direction: Direction,
    /// The series that moved, by index.
    pub series: Vec<usize>,
    /// How many series were judged.
    pub judged: usize,
}

/// Finds the common moves of the days of `period`, and takes the flags from the series that only take part.
/// `verdicts[i]` belongs to the days of `series[i]`; `judged` counts all series of the day, those included
/// that were not worth a verdict.
pub fn common_moves(
    series: &[Series],
    verdicts: &mut [Vec<Option<Verdict>>],
    period: Period,
    judged: usize,
) -> Vec<CommonMove> {
    let mut moves = Vec::new();
    for day in period.iter() {
        for direction in [Direction::Up, Direction::Down] {
            let mut moved: Vec<(usize, f64)> = Vec::new();
            for (index, one) in series.iter().enumerate() {
                let verdict = one.index(day).and_then(|at| verdicts[index].get(at)?.as_ref());
                let size = verdict.map_or(0.0, |verdict| verdict.residual_score * direction.sign());
                if size >= COMMON_SCORE {
                    moved.push((index, size));
                }
            }
            if moved.len() < COMMON_SERIES || (moved.len() as f64) < COMMON_SHARE * judged as f64 {
                continue;
            }
            let sizes: Vec<f64> = moved.iter().map(|(_, size)| *size).collect();
            let center = median(&sizes).unwrap_or(0.0);
            let spread = median_absolute_deviation(&sizes, center).map_or(1.0, |mad| (mad / 0.6745).max(1.0));
            let mut part = Vec::new();
            for (index, size) in &moved {
                let Some(at) = series[*index].index(day) else { continue };
                let Some(verdict) = verdicts[*index][at].as_mut() else { continue };
                if verdict.kind == Kind::Point && *size - center < AHEAD * spread {
                    verdict.flagged = false;
                    verdict.why = Why::Common { moved: moved.len(), of: judged };
                    part.push(*index);
                }
            }
            if part.len() >= COMMON_SERIES {
                moves.push(CommonMove { day, direction, series: part, judged });
            }
        }
    }
    moves
}
