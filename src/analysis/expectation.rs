//! What is normal for a series: its week, its trend and the size of its own errors, fitted every seven days
//! from the days before.
//!
//! - Week: the median, by weekday, of a day's cost over the median of the seven days around it, in the last
//!   half year; shrunk towards none by the share of its variance that sampling explains (James & Stein, 1961;
//!   Morris, 1983).
//! - Trend: the Theil-Sen slope of the medians of the last 16 weeks, if Mann-Kendall says at 5 % that there is
//!   one, corrected for lag-1 autocorrelation (Hamed & Rao, 1998; Yue & Wang, 2004). Medians of weeks have no
//!   week in them, and 120 pairs of them cost less than the 6,216 of days.
//! - Scale: from one-step-ahead residuals of the last year, relative to what was expected (calibrated on
//!   held-out errors, as conformal prediction does: Shafer & Vovk, 2008): the largest of 1.4826 MAD, the 95 %
//!   quantile over 1.96 and the 99 % quantile over 2.576, which agree when errors are normal and grow with
//!   their tails. A run of large errors is one event and counts once (runs declustering: Smith & Weissman, 1994),
//!   or an eventful month would widen the scale for a year.

use chrono::Datelike;

use super::{
    detect::{Parameters, Step},
    robust::NO_CHARGE,
    stats::{
        lag_one_autocorrelation, mann_kendall_z, median_in_place, quantile_in_place, rank_sum_z, robust_sigma,
        theil_sen_slope_of,
    },
};
use crate::model::{Sensitivity, Series};

pub const WEEK: usize = 7;
/// Days whose ratios make the week, and residuals the scale.
const WEEK_SPAN: usize = 26 * WEEK;
const SCALE_SPAN: usize = 365;
/// Weeks that make the trend, and how many it needs.
const TREND_WEEKS: usize = 16;
const LEAST_TREND_WEEKS: usize = 6;
/// Two-sided 5 % of the normal distribution.
const SIGNIFICANT: f64 = 1.96;
/// One unit of the score is this many robust standard deviations, so that the middle preset of 2.5 is five of
/// them. Costs jump: a normal distribution passes 2.5 on one day in 80; `docs/ANOMALIES.md` has the false alarms
/// that errors with heavy tails leave at five.
pub const UNIT: f64 = 2.0;
/// The same for the median of half a window, whose errors are milder.
pub const SHIFT_UNIT: f64 = 1.5;
/// No scale is below this share of the level: a constant series is not judged by cents.
pub const FLOOR: f64 = 0.015;
const SHIFT_FLOOR: f64 = 0.02;
/// The scale of a lasting change is at least this share of that of a day: seven independent days would have
/// 0.47 (the median's 1.2533 over the root of 7), and days are not independent.
pub const SHIFT_SHARE: f64 = 0.5;
/// Residuals beyond this many robust standard deviations count as this many.
const WINSOR: f64 = 3.0;
/// From this score, the middle preset's, a residual is an outlier that the scale leaves out.
pub const OUTLIER: f64 = 2.5;
/// If more than this share of residuals are outliers, the scale is too small, and they count.
const TOO_MANY: f64 = 0.05;
/// Residuals that a scale needs; before, the spread of the level's days stands in, doubled, and at least 5 %.
const LEAST_RESIDUALS: usize = 7;
const YOUNG_FLOOR: f64 = 0.05;
/// Each weekday needs this many ratios: the median of two is their mean.
const LEAST_WEEKDAYS: usize = 3;
/// A factor below this is a weekday without charges.
const IDLE: f64 = 0.02;
/// What a relative residual is relative to is at least this share of the level.
pub const LEAST_UNIT: f64 = 0.3;
/// A change is also measured by the days just before it alone, in units of [`UNIT`] of their own robust standard
/// deviation, when nearly all of its days are beyond nearly all of those: a rank statistic this large, of at most
/// 4.04 for 7 days against 28. A series that has calmed down is so not judged by its wilder past.
const APART: f64 = 3.75;
/// Earlier lasting changes that a scale for them needs.
const LEAST_SHIFTS: usize = 14;

/// The median of the last half window against the level of two windows before it.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// Dollars a day, without the week.
    pub before: f64,
    pub now: f64,
    /// `now / before - 1`.
    pub change: f64,
    /// `change` in units of what such changes are otherwise.
    pub score: f64,
}

pub struct Model<'a> {
    series: &'a Series,
    unusable: &'a [bool],
    parameters: &'a Parameters,
    first_weekday: usize,
    /// The first day of what is normal: the series' first, or that of an absorbed change.
    pub since: usize,
    /// Factors by weekday, Monday first, around 1.
    pub week: [f64; WEEK],
    /// The share of the level that it grows by a day.
    pub daily_trend: f64,
    /// Cost by day without the week; NaN on weekdays without charges.
    pub without_week: Vec<f64>,
    normal: Vec<bool>,
    /// The level each day was judged by, its residual, the robust standard deviation then.
    levels: Vec<f64>,
    residuals: Vec<f64>,
    sigmas: Vec<f64>,
    outliers: Vec<bool>,
    changes: Vec<f64>,
    changed: Vec<bool>,
    sigma: Option<f64>,
    shift_sigma: Option<f64>,
    ratios: Vec<f64>,
    /// How many usable days, and how many of them without a charge, there are before each day.
    usable_before: Vec<u32>,
    idle_before: Vec<u32>,
    buffer: Vec<f64>,
    recent: Vec<f64>,
}

impl<'a> Model<'a> {
    pub fn new(series: &'a Series, unusable: &'a [bool], parameters: &'a Parameters) -> Self {
        let days = series.values.len();
        let mut usable_before = vec![0; days + 1];
        let mut idle_before = vec![0; days + 1];
        for (day, cost) in series.values.iter().enumerate() {
            let usable = !unusable[day] && *cost >= 0.0;
            usable_before[day + 1] = usable_before[day] + u32::from(usable);
            idle_before[day + 1] = idle_before[day] + u32::from(usable && *cost < NO_CHARGE);
        }
        Self {
            series,
            unusable,
            parameters,
            first_weekday: series.start.weekday().num_days_from_monday() as usize,
            since: 0,
            week: [1.0; WEEK],
            daily_trend: 0.0,
            without_week: vec![f64::NAN; days],
            normal: vec![false; days],
            levels: vec![f64::NAN; days],
            residuals: vec![f64::NAN; days],
            sigmas: vec![0.0; days],
            outliers: vec![false; days],
            changes: vec![f64::NAN; days],
            changed: vec![false; days],
            sigma: None,
            shift_sigma: None,
            ratios: vec![f64::NAN; days],
            usable_before,
            idle_before,
            buffer: Vec::new(),
            recent: Vec::new(),
        }
    }

    /// 0 for Monday.
    pub fn weekday(&self, day: usize) -> usize {
        (self.first_weekday + day) % WEEK
    }

    /// Whether the day's cost is consumption: delivered, and no credit.
    pub fn is_usable(&self, day: usize) -> bool {
        !self.unusable[day] && self.series.values[day] >= 0.0
    }

    /// How many usable days there are from `first` to before `until`, and how many of them have no charge.
    pub fn idle(&self, first: usize, until: usize) -> (usize, usize) {
        let between = |counts: &[u32]| (counts[until] - counts[first]) as usize;
        (between(&self.usable_before), between(&self.idle_before))
    }

    /// Whether the day is one of those that say what is normal.
    pub fn is_normal(&self, day: usize) -> bool {
        self.normal[day]
    }

    /// Dollars that a relative residual of 1 is.
    pub fn unit(level: f64, factor: f64) -> f64 {
        (level * factor.max(LEAST_UNIT)).max(1e-9)
    }

    /// Takes a day as normal that was not judged by a level.
    pub fn take(&mut self, day: usize) {
        self.normal[day] = true;
        self.remove_week(day);
    }

    /// Notes how far a judged day was from its level. `residual` is relative, `scale` what one unit of the
    /// score is.
    pub fn measure(&mut self, day: usize, level: f64, residual: f64, scale: f64) {
        self.levels[day] = level;
        self.residuals[day] = residual;
        self.sigmas[day] = scale / UNIT;
        self.remove_week(day);
    }

    /// Decides what a judged day says of what is normal: of an unusual one nothing but that there was one, and not
    /// even that when it `follows` another of the same event.
    pub fn learn(&mut self, day: usize, unusual: bool, follows: bool) {
        if self.week[self.weekday(day)] < IDLE {
            self.residuals[day] = f64::NAN;
            self.normal[day] = true;
            return;
        }
        let limit = WINSOR * self.sigmas[day];
        let left_out = unusual && self.parameters.has(Step::Exclusion);
        self.normal[day] = !left_out;
        self.outliers[day] = left_out && self.residuals[day].abs() >= OUTLIER * UNIT * self.sigmas[day];
        self.residuals[day] = if left_out && follows { f64::NAN } else { self.residuals[day].clamp(-limit, limit) };
    }

    /// Makes what began on `start` the new normal, as it was in the half window that ends with `day`, and forgets the
    /// level before it: the first days of a slow change are not what is normal at its end.
    pub fn accept(&mut self, start: usize, day: usize) {
        let recent = day + 1 - (self.parameters.window_days / 2).max(1);
        for index in start..=day {
            self.normal[index] = self.is_usable(index) && index >= recent;
        }
        self.since = start;
        self.daily_trend = 0.0;
    }

    /// Takes back that the change from `start` on was absorbed, `day` being as before: of the two `levels`, the old and
    /// the new one, days that are nearer to the new one are no longer normal.
    pub fn restore(&mut self, since: usize, start: usize, day: usize, (old, new): (f64, f64)) {
        self.since = since;
        for index in start..day {
            let plain = self.without_week[index];
            self.normal[index] = self.normal[index] && (plain - old).abs() < (plain - new).abs();
        }
    }

    /// What one unit of the score is, relative to `unit` dollars.
    pub fn scale(&self, unit: f64) -> f64 {
        let sigma = self.sigma.unwrap_or(YOUNG_FLOOR / UNIT);
        (UNIT * sigma).max(FLOOR).max(NO_CHARGE / unit)
    }

    /// The lasting change of the days that end with `day`, if there are enough of them, and notes it.
    pub fn shift(&mut self, day: usize) -> Option<Shift> {
        let window = self.parameters.window_days;
        let half = (window / 2).max(1);
        if day < self.since + half + window {
            return None;
        }
        let recent = day + 1 - half;
        self.buffer.clear();
        for index in recent..=day {
            if self.is_usable(index) && self.without_week[index].is_finite() {
                self.buffer.push(self.without_week[index]);
            }
        }
        // All but one or two of them.
        if self.buffer.len() + half.div_ceil(4) < half {
            return None;
        }
        let mut recent_days = std::mem::take(&mut self.recent);
        recent_days.clear();
        recent_days.extend_from_slice(&self.buffer);
        self.recent = recent_days;
        let now = median_in_place(&mut self.buffer)?;
        self.buffer.clear();
        let first = recent.saturating_sub(2 * window).max(self.since);
        for index in first..recent {
            if self.normal[index] && self.without_week[index].is_finite() {
                self.buffer.push(self.without_week[index]);
            }
        }
        if self.buffer.len() < window * 2 / 3 {
            return None;
        }
        let before = median_in_place(&mut self.buffer).filter(|level| *level > 0.0)?;
        let change = now / before - 1.0;
        self.changes[day] = change;
        let day_sigma = self.sigma.unwrap_or(YOUNG_FLOOR / UNIT);
        let sigma = self.shift_sigma.unwrap_or(f64::INFINITY).max(SHIFT_SHARE * day_sigma).max(SHIFT_FLOOR);
        let by_size = change / (SHIFT_UNIT * sigma);
        let large = change.abs() * 100.0 >= self.parameters.drift_threshold_pct;
        let apart = large && self.parameters.has(Step::Ranks) && rank_sum_z(&self.recent, &self.buffer).abs() >= APART;
        let by_rank = if apart {
            for value in &mut self.buffer {
                *value = (*value / before - 1.0).abs();
            }
            let local = robust_sigma(&mut self.buffer)?.max(SHIFT_FLOOR);
            change / (UNIT * local)
        } else {
            0.0
        };
        let score = if by_rank.abs() > by_size.abs() { by_rank } else { by_size };
        let score = score.clamp(-100.0, 100.0);
        self.changed[day] = score.abs() >= Sensitivity::Medium.threshold();
        Some(Shift { before, now, change, score })
    }

    /// Fits the model to the days before `day`.
    pub fn fit(&mut self, day: usize) {
        let first = day.saturating_sub(WEEK_SPAN).max(self.since);
        if day >= first + 2 * WEEK && self.parameters.has(Step::Week) {
            self.fit_week(first, day);
        }
        self.fit_scale(day);
        self.fit_shift_scale(day);
        self.fit_trend(day);
    }

    fn remove_week(&mut self, day: usize) {
        let factor = self.week[self.weekday(day)];
        self.without_week[day] = if factor > IDLE { self.series.values[day] / factor } else { f64::NAN };
    }

    fn fit_week(&mut self, first: usize, day: usize) {
        for index in first..day {
            let known = self.ratios[index].is_finite() && index + WEEK < day;
            if !known && self.is_usable(index) {
                let start = index.saturating_sub(WEEK / 2).max(first).min(day - WEEK);
                self.ratios[index] = ratio(self.series.values[index], &self.series.values[start..start + WEEK]);
            }
        }
        let mut medians = [0.0; WEEK];
        let mut counts = [0; WEEK];
        let mut deviations = Vec::with_capacity(day - first);
        for (weekday, middle) in medians.iter_mut().enumerate() {
            self.buffer.clear();
            for index in first..day {
                if (self.first_weekday + index) % WEEK == weekday && self.ratios[index].is_finite() {
                    self.buffer.push(self.ratios[index]);
                }
            }
            counts[weekday] = self.buffer.len();
            let Some(found) = median_in_place(&mut self.buffer).filter(|_| counts[weekday] >= LEAST_WEEKDAYS) else {
                return;
            };
            *middle = found;
            deviations.extend(self.buffer.iter().map(|value| (value - found).abs()));
        }
        let center = medians.iter().sum::<f64>() / WEEK as f64;
        let first_week = self.week == [1.0; WEEK];
        let Some(within) = median_in_place(&mut deviations).filter(|_| center > 0.0) else { return };
        let within = 1.4826 * within / center;
        let between: f64 = medians.iter().map(|middle| (middle / center - 1.0).powi(2)).sum::<f64>() / 6.0;
        for weekday in 0..WEEK {
            // The variance of a median is pi / 2 times that of a mean.
            let sampling = std::f64::consts::FRAC_PI_2 * within * within / counts[weekday] as f64;
            let reliability = if between > 0.0 { (1.0 - sampling / between).max(0.0) } else { 0.0 };
            self.week[weekday] = 1.0 + reliability * (medians[weekday] / center - 1.0);
        }
        for index in first..day {
            self.remove_week(index);
            if first_week && self.week != [1.0; WEEK] {
                // Levels of mixed weekdays say nothing of what a day should have cost.
                self.residuals[index] = f64::NAN;
            }
            if self.residuals[index].is_finite() && self.levels[index].is_finite() {
                let (level, factor) = (self.levels[index], self.week[self.weekday(index)]);
                let limit = WINSOR * self.sigmas[index];
                let residual = (self.series.values[index] - level * factor) / Self::unit(level, factor);
                self.residuals[index] = residual.clamp(-limit, limit);
            }
        }
    }

    fn fit_scale(&mut self, day: usize) {
        let first = day.saturating_sub(SCALE_SPAN);
        self.collect_residuals(first, day);
        if self.buffer.len() < LEAST_RESIDUALS {
            self.sigma = self.spread_of_level(day).map(|sigma| (2.0 * sigma).max(YOUNG_FLOOR) / UNIT);
            return;
        }
        self.sigma = sigma_of(&mut self.buffer);
    }

    fn fit_shift_scale(&mut self, day: usize) {
        let half = (self.parameters.window_days / 2).max(1);
        let first = day.saturating_sub(SCALE_SPAN);
        self.buffer.clear();
        for index in first..day.saturating_sub(half - 1) {
            if self.changes[index].is_finite() && !self.changed[index] {
                self.buffer.push(self.changes[index].abs());
            }
        }
        self.shift_sigma = if self.buffer.len() < LEAST_SHIFTS {
            None
        } else {
            let mad = 1.4826 * median_in_place(&mut self.buffer).unwrap_or(0.0);
            let tail = quantile_in_place(&mut self.buffer, 0.95).unwrap_or(0.0) / 1.96;
            Some(mad.max(tail))
        };
    }

    fn fit_trend(&mut self, day: usize) {
        self.daily_trend = 0.0;
        if !self.parameters.has(Step::Trend) {
            return;
        }
        let mut weeks: Vec<(f64, f64)> = Vec::with_capacity(TREND_WEEKS);
        for back in (1..=TREND_WEEKS).rev() {
            let Some(start) = day.checked_sub(back * WEEK).filter(|start| *start >= self.since) else { continue };
            self.buffer.clear();
            for index in start..start + WEEK {
                if self.normal[index] && self.without_week[index].is_finite() {
                    self.buffer.push(self.without_week[index]);
                }
            }
            if self.buffer.len() > WEEK / 2
                && let Some(middle) = median_in_place(&mut self.buffer)
            {
                weeks.push((start as f64, middle));
            }
        }
        if weeks.len() < LEAST_TREND_WEEKS {
            return;
        }
        let values: Vec<f64> = weeks.iter().map(|(_, value)| *value).collect();
        let Some(slope) = theil_sen_slope_of(&weeks) else { return };
        let mean = |of: fn(&(f64, f64)) -> f64| weeks.iter().map(of).sum::<f64>() / weeks.len() as f64;
        let (center, position) = (mean(|week| week.1), mean(|week| week.0));
        let rest: Vec<f64> = weeks.iter().map(|(at, value)| value - center - slope * (at - position)).collect();
        let z = mann_kendall_z(&values, lag_one_autocorrelation(&rest));
        if z.abs() > SIGNIFICANT && center > 0.0 {
            self.daily_trend = slope / center;
        }
    }

    /// The absolute residuals of some days. Outliers are left out, unless there are too many for the scale to be
    /// right.
    fn collect_residuals(&mut self, first: usize, day: usize) {
        let known = (first..day).filter(|index| self.residuals[*index].is_finite());
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

    /// 1.4826 MAD of the normal days of two windows, relative to their median.
    fn spread_of_level(&mut self, day: usize) -> Option<f64> {
        let first = day.saturating_sub(2 * self.parameters.window_days).max(self.since);
        let mut values: Vec<f64> = (first..day)
            .filter(|index| self.normal[*index] && self.without_week[*index].is_finite())
            .map(|index| self.without_week[index])
            .collect();
        let center = median_in_place(&mut values).filter(|center| *center > 0.0)?;
        for value in &mut values {
            *value = (*value / center - 1.0).abs();
        }
        Some(1.4826 * median_in_place(&mut values)?)
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

/// The robust standard deviation of absolute residuals, as large as their tails ask for.
fn sigma_of(deviations: &mut [f64]) -> Option<f64> {
    let mad = robust_sigma(deviations)?;
    let tail = quantile_in_place(deviations, 0.95)? / 1.96;
    let far_tail = quantile_in_place(deviations, 0.99)? / 2.576;
    Some(mad.max(tail).max(far_tail))
}
