//! The size of a series' own errors, from one-step-ahead residuals of the last year, relative to what was expected
//! (calibrated on held-out errors, as conformal prediction does: Shafer & Vovk, 2008): the largest of 1.4826 MAD, the 95 %
//! quantile over 1.96 and the 99 % quantile over 2.576, which agree when errors are normal and grow with their tails.
//! A run of large errors is one event and counts once (runs declustering: Smith & Weissman, 1994), or an eventful month
//! would widen the scale for a year.

use super::{verdict::NO_CHARGE, week::Week};
use crate::analysis::stats::{median_in_place, quantile_in_place, robust_sigma};

/// No score's unit is below this share of the level: a constant series is not judged by cents.
pub(super) const FLOOR: f64 = 0.015;
/// What a relative residual is relative to is at least this share of the level.
pub(super) const LEAST_UNIT: f64 = 0.3;
/// From so many robust standard deviations on, the middle preset's, a residual is an outlier that the scale leaves out.
pub(super) const OUTLIER_SIGMAS: f64 = 5.0;
/// Residuals beyond this many robust standard deviations count as this many.
const WINSOR: f64 = 3.0;
/// If more than this share of residuals are outliers, the scale is too small, and they count.
const TOO_MANY: f64 = 0.05;
/// Residuals that a scale needs; before, the spread of the level's days stands in, doubled, and at least 5 %.
const LEAST_RESIDUALS: usize = 7;
const YOUNG_FLOOR: f64 = 0.05;

/// The errors of a series, by day.
pub(super) struct Scale {
    /// Robust standard deviations that a score of 1 stands for.
    day_sigmas: f64,
    /// The level each day was judged by, its residual, the robust standard deviation then.
    levels: Vec<f64>,
    residuals: Vec<f64>,
    sigmas: Vec<f64>,
    outliers: Vec<bool>,
    sigma: Option<f64>,
    buffer: Vec<f64>,
}

impl Scale {
    /// No errors yet, of a series of so many days.
    pub(super) fn new(days: usize, day_sigmas: f64) -> Self {
        Self {
            day_sigmas,
            levels: vec![f64::NAN; days],
            residuals: vec![f64::NAN; days],
            sigmas: vec![0.0; days],
            outliers: vec![false; days],
            sigma: None,
            buffer: Vec::new(),
        }
    }

    /// The robust standard deviation of a day's relative residual.
    pub(super) fn sigma(&self) -> f64 {
        self.sigma.unwrap_or(YOUNG_FLOOR / self.day_sigmas)
    }

    /// What one unit of the score is, relative to `unit` dollars.
    pub(super) fn score_unit(&self, unit: f64) -> f64 {
        (self.day_sigmas * self.sigma()).max(FLOOR).max(NO_CHARGE / unit)
    }

    /// Notes how far a judged day was from its level. `residual` is relative, `score_unit` what one unit of the score is.
    pub(super) fn note(&mut self, index: usize, level: f64, residual: f64, score_unit: f64) {
        self.levels[index] = level;
        self.residuals[index] = residual;
        self.sigmas[index] = score_unit / self.day_sigmas;
    }

    /// Decides what the residual of a judged day says of the scale: of an `unusual` one nothing but that there was one, and
    /// not even that when it `follows` another of the same event.
    pub(super) fn learn(&mut self, index: usize, unusual: bool, follows: bool) {
        let limit = WINSOR * self.sigmas[index];
        self.outliers[index] = unusual && self.residuals[index].abs() >= OUTLIER_SIGMAS * self.sigmas[index];
        self.residuals[index] = match unusual && follows {
            true => f64::NAN,
            false => self.residuals[index].clamp(-limit, limit),
        };
    }

    /// Takes back the residual of a day that says nothing.
    pub(super) fn forget(&mut self, index: usize) {
        self.residuals[index] = f64::NAN;
    }

    /// Measures the residual of a day again, by the factor that its weekday has now.
    pub(super) fn measure_again(&mut self, index: usize, cost: f64, week: &Week) {
        if self.residuals[index].is_finite() && self.levels[index].is_finite() {
            let (level, factor) = (self.levels[index], week.factor(index));
            let limit = WINSOR * self.sigmas[index];
            let residual = (cost - level * factor) / dollars_of_one(level, factor);
            self.residuals[index] = residual.clamp(-limit, limit);
        }
    }

    /// Fits the scale to the residuals from `first` to before `until`; where they are too few, to `level_costs`, the costs of
    /// the level's normal days without the week.
    pub(super) fn fit(&mut self, first: usize, until: usize, level_costs: impl Iterator<Item = f64>) {
        self.collect_residuals(first, until);
        self.sigma = match self.buffer.len() < LEAST_RESIDUALS {
            true => spread(level_costs.collect()).map(|sigma| (2.0 * sigma).max(YOUNG_FLOOR) / self.day_sigmas),
            false => sigma_of(&mut self.buffer),
        };
    }

    /// The absolute residuals of some days. Outliers are left out, unless there are too many for the scale to be right.
    fn collect_residuals(&mut self, first: usize, until: usize) {
        let known = (first..until).filter(|index| self.residuals[*index].is_finite());
        let (mut count, mut outliers) = (0, 0);
        for index in known.clone() {
            count += 1;
            outliers += usize::from(self.outliers[index]);
        }
        let keep = outliers as f64 > TOO_MANY * f64::from(count);
        self.buffer.clear();
        self.buffer
            .extend(known.filter(|index| keep || !self.outliers[*index]).map(|index| self.residuals[index].abs()));
    }
}

/// Dollars that a relative residual of 1 is.
pub(super) fn dollars_of_one(level: f64, factor: f64) -> f64 {
    (level * factor.max(LEAST_UNIT)).max(1e-9)
}

/// 1.4826 MAD, relative to the median.
fn spread(mut costs: Vec<f64>) -> Option<f64> {
    let center = median_in_place(&mut costs).filter(|center| *center > 0.0)?;
    for cost in &mut costs {
        *cost = (*cost / center - 1.0).abs();
    }
    Some(1.4826 * median_in_place(&mut costs)?)
}

/// The robust standard deviation of absolute residuals, as large as their tails ask for.
fn sigma_of(deviations: &mut [f64]) -> Option<f64> {
    let mad = robust_sigma(deviations)?;
    let tail = quantile_in_place(deviations, 0.95)? / 1.96;
    let far_tail = quantile_in_place(deviations, 0.99)? / 2.576;
    Some(mad.max(tail).max(far_tail))
}
