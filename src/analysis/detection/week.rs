//! Weekday factors: the median, by weekday, of a day's cost over the median of the seven days around it, in the last half
//! year; shrunk towards none by the share of its variance that sampling explains (James & Stein, 1961; Morris, 1983).

use chrono::{Datelike, NaiveDate};

use crate::analysis::stats::median_in_place;

pub(in crate::analysis) const WEEK: usize = 7;
/// Each weekday needs this many ratios: the median of two is their mean.
const LEAST_WEEKDAYS: usize = 3;
/// A factor below this is a weekday without charges.
const IDLE: f64 = 0.02;

/// The week of a series.
pub(in crate::analysis) struct Week {
    first_weekday: usize,
    /// Factors by weekday, Monday first, around 1.
    factors: [f64; WEEK],
    /// Of each day its cost over that of the days around it; NaN where it is not known.
    ratios: Vec<f64>,
    buffer: Vec<f64>,
}

impl Week {
    /// No week yet, of a series of so many days.
    pub(in crate::analysis) fn new(start: NaiveDate, days: usize) -> Self {
        Self {
            first_weekday: start.weekday().num_days_from_monday() as usize,
            factors: [1.0; WEEK],
            ratios: vec![f64::NAN; days],
            buffer: Vec::new(),
        }
    }

    /// The factor of the weekday of a day, by index.
    pub(in crate::analysis) fn factor(&self, index: usize) -> f64 {
        self.factors[self.weekday(index)]
    }

    /// 0 for Monday.
    pub(in crate::analysis) fn weekday(&self, index: usize) -> usize {
        (self.first_weekday + index) % WEEK
    }

    /// Whether the weekday of a day is one without charges.
    pub(in crate::analysis) fn is_idle(&self, index: usize) -> bool {
        self.factor(index) < IDLE
    }

    /// The factor of the cheapest weekday.
    pub(in crate::analysis) fn quietest(&self) -> f64 {
        self.factors.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Whether all weekdays are alike, or nothing is known of them yet.
    pub(in crate::analysis) fn is_flat(&self) -> bool {
        self.factors == [1.0; WEEK]
    }

    /// A cost without the week; NaN on weekdays without charges.
    pub(in crate::analysis) fn removed(&self, cost: f64, index: usize) -> f64 {
        let factor = self.factor(index);
        if factor > IDLE { cost / factor } else { f64::NAN }
    }

    /// Fits the factors to the usable days from `first` to before `until`, which are at least two weeks. Returns whether there
    /// were enough.
    pub(in crate::analysis) fn fit(
        &mut self,
        costs: &[f64],
        first: usize,
        until: usize,
        is_usable: &dyn Fn(usize) -> bool,
    ) -> bool {
        for index in first..until {
            let known = self.ratios[index].is_finite() && index + WEEK < until;
            if !known && is_usable(index) {
                let start = index.saturating_sub(WEEK / 2).max(first).min(until - WEEK);
                self.ratios[index] = ratio(costs[index], &costs[start..start + WEEK]);
            }
        }
        let mut medians = [0.0; WEEK];
        let mut counts = [0; WEEK];
        let mut deviations = Vec::with_capacity(until - first);
        for (weekday, middle) in medians.iter_mut().enumerate() {
            self.buffer.clear();
            for index in first..until {
                if (self.first_weekday + index) % WEEK == weekday && self.ratios[index].is_finite() {
                    self.buffer.push(self.ratios[index]);
                }
            }
            counts[weekday] = self.buffer.len();
            let Some(found) = median_in_place(&mut self.buffer).filter(|_| counts[weekday] >= LEAST_WEEKDAYS) else {
                return false;
            };
            *middle = found;
            deviations.extend(self.buffer.iter().map(|value| (value - found).abs()));
        }
        let center = medians.iter().sum::<f64>() / WEEK as f64;
        let Some(within) = median_in_place(&mut deviations).filter(|_| center > 0.0) else { return false };
        let within = 1.4826 * within / center;
        let between: f64 = medians.iter().map(|middle| (middle / center - 1.0).powi(2)).sum::<f64>() / 6.0;
        for (weekday, factor) in self.factors.iter_mut().enumerate() {
            // The variance of a median is pi / 2 times that of a mean.
            let sampling = std::f64::consts::FRAC_PI_2 * within * within / counts[weekday] as f64;
            let reliability = if between > 0.0 { (1.0 - sampling / between).max(0.0) } else { 0.0 };
            *factor = 1.0 + reliability * (medians[weekday] / center - 1.0);
        }
        true
    }
}

/// A day's cost over the median of the seven days around it; over their mean where most of them cost nothing.
fn ratio(cost: f64, around: &[f64]) -> f64 {
    let mut sorted = [0.0; WEEK];
    sorted.copy_from_slice(around);
    let middle = median_in_place(&mut sorted).unwrap_or(0.0);
    let center = if middle > 0.0 { middle } else { around.iter().sum::<f64>() / WEEK as f64 };
    if center > 0.0 { cost / center } else { f64::NAN }
}
