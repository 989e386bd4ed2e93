//! Shifts that many series share: what moves together has one cause, and is one finding.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::verdict::{Basis, Verdict};
use crate::{
    analysis::stats::{median, median_absolute_deviation},
    model::{Direction, Kind, Period, Series, days_of},
};

/// A shift is shared when at least so many series, and a share of those judged, go the same way by this score.
pub(super) const SHIFT_SCORE: f64 = 2.0;
pub(super) const LEAST_SERIES: usize = 5;
/// So many days later it is the same shift.
pub(super) const SHIFT_GAP: i64 = 3;
/// How much farther than a shared shift one series must go to be a finding of its own, in robust standard deviations
/// of the relative changes of those that moved, and the least that one of these is.
const AHEAD: f64 = 2.5;
const LEAST_SPREAD: f64 = 0.1;

/// Days in a row, but for [`SHIFT_GAP`], on which many series moved the same way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CrossSeriesShift {
    pub start: NaiveDate,
    pub last: NaiveDate,
    pub direction: Direction,
    /// The series that take part, by index, and the days on which they do.
    pub parts: BTreeMap<usize, Vec<NaiveDate>>,
    /// How many series were judged on the first day.
    pub judged: usize,
}

/// Finds the shifts that many series share of the days of `period`, and takes the flags from the series that only take part. A shift is
/// shared by at least five series and a `share` of those judged.
/// `verdicts[i]` belongs to the days of `series[i]`.
pub(super) fn cross_series_shifts(
    series: &[Series],
    verdicts: &mut [Vec<Option<Verdict>>],
    period: Period,
    share: f64,
) -> Vec<CrossSeriesShift> {
    let mut shifts: Vec<CrossSeriesShift> = Vec::new();
    for day in days_of(series.iter(), period) {
        let mut judged = 0;
        let mut moved: [Vec<(usize, f64)>; 2] = [Vec::new(), Vec::new()];
        for (index, one) in series.iter().enumerate() {
            let Some(verdict) = one.index(day).and_then(|at| verdicts[index].get(at)?.as_ref()) else { continue };
            judged += 1;
            if verdict.residual_score.abs() >= SHIFT_SCORE {
                let change = one.index(day).map_or(0.0, |at| (one.values[at] / verdict.expected - 1.0).abs());
                moved[usize::from(verdict.residual_score < 0.0)].push((index, change));
            }
        }
        for (moved, direction) in moved.iter().zip([Direction::Up, Direction::Down]) {
            if moved.len() < LEAST_SERIES || (moved.len() as f64) < share * judged as f64 {
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
            if part.len() < LEAST_SERIES {
                continue;
            }
            for index in &part {
                let verdict = series[*index].index(day).and_then(|at| verdicts[*index][at].as_mut());
                if let Some(verdict) = verdict {
                    verdict.flagged = false;
                    verdict.basis = Basis::CrossSeries { moved: moved.len(), of: judged };
                }
            }
            let goes_on =
                |one: &CrossSeriesShift| one.direction == direction && (day - one.last).num_days() <= SHIFT_GAP;
            let place = match shifts.iter().rposition(goes_on) {
                Some(place) => place,
                None => {
                    shifts.push(CrossSeriesShift { start: day, last: day, direction, parts: BTreeMap::new(), judged });
                    shifts.len() - 1
                }
            };
            shifts[place].last = day;
            for index in part {
                shifts[place].parts.entry(index).or_default().push(day);
            }
        }
    }
    shifts
}
