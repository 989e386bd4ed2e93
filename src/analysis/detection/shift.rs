//! Lasting changes: the median of the last days against the level before them, in units of what such changes are otherwise.

use super::{settings::Parameters, week::WEEK};
use crate::{
    analysis::stats::{median_in_place, quantile_in_place, rank_sum_z, robust_sigma},
    model::Sensitivity,
};

/// The scale of a lasting change is at least this share of that of a day: seven independent days would have
/// 0.47 (the median's 1.2533 over the root of 7), and days are not independent.
pub(super) const SHIFT_SHARE: f64 = 0.5;
/// No scale of a change is below this share of the level.
const FLOOR: f64 = 0.02;
/// Earlier lasting changes that a scale for them needs.
const LEAST_CHANGES: usize = 2 * WEEK;
/// No score is beyond this.
const MAX_SCORE: f64 = 100.0;

/// A lasting change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// Dollars a day, without the week.
    pub before: f64,
    pub now: f64,
    /// `now / before - 1`.
    pub change: f64,
    /// `change` in units of what such changes are otherwise.
    pub score: f64,
}

/// The lasting changes of a series, by their last day.
pub(super) struct Shifts {
    changes: Vec<f64>,
    /// Days whose change was an event.
    events: Vec<bool>,
    sigma: Option<f64>,
    buffer: Vec<f64>,
}

impl Shifts {
    /// No changes yet, of a series of so many days.
    pub(super) fn new(days: usize) -> Self {
        Self { changes: vec![f64::NAN; days], events: vec![false; days], sigma: None, buffer: Vec::new() }
    }

    /// The change from `level` to `recent`, the costs of days without the week that end with `index`, if there are
    /// enough of both; and notes it. `day_sigma` is the robust standard deviation of a day's relative residual.
    ///
    /// A change is also measured by the level's days alone, in units of their own robust standard deviation, when nearly all
    /// recent days are beyond nearly all of those: a series that has calmed down is so not judged by its wilder past. The
    /// rank statistic is at most 4.04 for 7 days against 28.
    pub(super) fn measure(
        &mut self,
        index: usize,
        recent: &[f64],
        level: &mut [f64],
        day_sigma: f64,
        parameters: &Parameters,
    ) -> Option<Shift> {
        // All but one or two of them.
        let days = parameters.shift_days;
        if recent.len() + days.div_ceil(4) < days || level.len() < parameters.level_days / 3 {
            return None;
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(recent);
        let now = median_in_place(&mut self.buffer)?;
        let before = median_in_place(level).filter(|level| *level > 0.0)?;
        let change = now / before - 1.0;
        self.changes[index] = change;
        let sigma = self.sigma.unwrap_or(f64::INFINITY).max(SHIFT_SHARE * day_sigma).max(FLOOR);
        let by_size = change / (parameters.sigmas.shift * sigma);
        let is_large = change.abs() * 100.0 >= parameters.drift_threshold_pct;
        let by_rank = match is_large && rank_sum_z(recent, level).abs() >= parameters.tuning.rank_z {
            true => {
                for value in &mut *level {
                    *value = (*value / before - 1.0).abs();
                }
                change / (parameters.sigmas.day * robust_sigma(level)?.max(FLOOR))
            }
            false => 0.0,
        };
        let score = if by_rank.abs() > by_size.abs() { by_rank } else { by_size };
        let score = score.clamp(-MAX_SCORE, MAX_SCORE);
        self.events[index] = score.abs() >= Sensitivity::Medium.threshold();
        Some(Shift { before, now, change, score })
    }

    /// Fits the scale to the changes from `first` to before `until` that were no events.
    pub(super) fn fit(&mut self, first: usize, until: usize) {
        self.buffer.clear();
        let known = (first..until).filter(|index| self.changes[*index].is_finite() && !self.events[*index]);
        self.buffer.extend(known.map(|index| self.changes[index].abs()));
        self.sigma = (self.buffer.len() >= LEAST_CHANGES).then(|| {
            let mad = 1.4826 * median_in_place(&mut self.buffer).unwrap_or(0.0);
            mad.max(quantile_in_place(&mut self.buffer, 0.95).unwrap_or(0.0) / 1.96)
        });
    }
}
