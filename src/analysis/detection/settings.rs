//! What detection goes by: the settings of the configuration, and the parameters that follow from them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::model::{Method, Sensitivity};

/// The `anomaly` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The preset of the three windows below, and the window of the classic method, in days.
    pub rolling_window_days: usize,
    /// The score from which a day is flagged, unless a sensitivity is named.
    pub z_score_threshold: f64,
    /// Days whose median is the level; 0 for twice `rolling_window_days`.
    pub level_days: usize,
    /// Days whose median is what a lasting change has become; 0 for half of `rolling_window_days`.
    pub shift_days: usize,
    /// Days after which a change is what is normal; 0 for `rolling_window_days`.
    pub absorb_days: usize,
    /// Robust standard deviations of a day's error at a score of 2.5, the medium sensitivity.
    pub day_sigmas: f64,
    /// The same of a lasting change.
    pub shift_sigmas: f64,
    /// The same of the logarithm of a charge, in a series that is not charged every day.
    pub charge_sigmas: f64,
    /// Series whose actual and expected cost are both below are left alone, in the currency of the bill.
    pub min_daily_cost: f64,
    /// Dollars a day between actual and expected below which nothing is flagged.
    pub min_impact: f64,
    /// The same in percent of what was expected.
    pub min_impact_pct: f64,
    /// Daily cost from which a first charge is a finding.
    pub min_new_cost: f64,
    /// The change, in percent, from which a lasting one is flagged.
    pub drift_threshold_pct: f64,
    /// Days before today that may still change.
    pub settle_days: u32,
}

/// What is critical costs at least this many times `min_impact` a day.
const CRITICAL_IMPACTS: f64 = 10.0;

/// What a run of detection goes by. Windows are in days, floors in the currency of the bill.
#[derive(Clone, Debug)]
pub struct Parameters {
    pub method: Method,
    /// The score from which a day is flagged.
    pub threshold: f64,
    /// The window of the classic method.
    pub window_days: usize,
    /// Days whose median is the level.
    pub level_days: usize,
    /// Days whose median is what a lasting change has become.
    pub shift_days: usize,
    /// Days after which a change is what is normal.
    pub absorb_days: usize,
    /// Robust standard deviations that a score of 1 stands for.
    pub sigmas: Sigmas,
    pub min_daily_cost: f64,
    pub min_impact: f64,
    /// Dollars a day from which a finding may be critical: of the settings, whatever `min_impact` a run asks for.
    pub critical_impact: f64,
    pub min_impact_pct: f64,
    pub min_new_cost: f64,
    pub drift_threshold_pct: f64,
    pub tuning: Tuning,
}

/// Robust standard deviations that a score of 1 stands for. Costs jump: a normal distribution passes 2.5 standard
/// deviations on one day in 80, so the middle preset asks for five; `docs/ANOMALIES.md` has the false alarms that
/// errors with heavy tails leave there. The errors of a median of days are milder, and charges come on few days.
#[derive(Clone, Copy, Debug)]
pub struct Sigmas {
    pub day: f64,
    pub shift: f64,
    pub charge: f64,
}

/// What each step of the robust method goes by. A step is left out by the value at which it does nothing ([`Step`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Days whose ratios make the weekday factors.
    pub week_days: usize,
    /// Weeks that make the trend.
    pub trend_weeks: usize,
    /// Days whose one-step-ahead residuals make the scale.
    pub scale_days: usize,
    /// From so many robust standard deviations on a day says nothing of what is normal: Iglewicz & Hoaglin's cut. It
    /// does not follow the sensitivity of a run: what is normal must not depend on who asks.
    pub unusual_sigmas: f64,
    /// How many times the fee of an earlier month a charge may be and be that fee; none for no fees.
    pub fee_growth: Option<f64>,
    /// A series is intermittent when this share of its last days had no charge.
    pub idle_share: f64,
    /// When the cheapest weekday is below this share of the week's mean, any day may be as quiet as it.
    pub quiet_share: f64,
    /// The rank statistic from which a lasting change is measured by the days just before it alone.
    pub rank_z: f64,
    /// A bill that is late for longer than so many days is judged.
    pub late_days: usize,
    /// The share of the judged series that makes a cross-series shift.
    pub cross_series_share: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            week_days: 26 * 7,
            trend_weeks: 16,
            scale_days: 365,
            unusual_sigmas: 3.5,
            fee_growth: Some(1.35),
            idle_share: 0.25,
            quiet_share: 0.75,
            rank_z: 3.75,
            late_days: 2,
            cross_series_share: 1.0 / 12.0,
        }
    }
}

/// A step of the robust method that can be left out, to measure what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Weekday factors
    Week,
    /// The trend
    Trend,
    /// The scale from one-step-ahead residuals; instead the spread of the level's days
    Calibration,
    /// Keeping the days of an event out of the baseline
    Exclusion,
    /// Charges that recur by the month
    Recurring,
    /// Series with days without a charge, judged by their charges
    Intermittent,
    /// Days as cheap as the cheapest weekday
    Quiet,
    /// Lasting changes
    Shift,
    /// Lasting changes by rank, whatever the size of earlier ones
    Ranks,
    /// Floors in dollars and percent
    Floors,
    /// Days on which an account's bill is not whole
    Incomplete,
    /// Shifts that many series share
    CrossSeries,
}

impl Parameters {
    /// What the settings say.
    pub fn new(settings: &Settings, method: Method) -> Self {
        let window = settings.rolling_window_days;
        let or = |days: usize, preset: usize| if days == 0 { preset } else { days };
        let medium = Sensitivity::Medium.threshold();
        Self {
            method,
            threshold: settings.z_score_threshold,
            window_days: window,
            level_days: or(settings.level_days, 2 * window),
            shift_days: or(settings.shift_days, (window / 2).max(1)),
            absorb_days: or(settings.absorb_days, window),
            sigmas: Sigmas {
                day: settings.day_sigmas / medium,
                shift: settings.shift_sigmas / medium,
                charge: settings.charge_sigmas / medium,
            },
            min_daily_cost: settings.min_daily_cost,
            min_impact: settings.min_impact,
            critical_impact: CRITICAL_IMPACTS * settings.min_impact,
            min_impact_pct: settings.min_impact_pct,
            min_new_cost: settings.min_new_cost,
            drift_threshold_pct: settings.drift_threshold_pct,
            tuning: Tuning::default(),
        }
    }

    /// The same without a step of the robust method: what the step goes by gets the value at which it does nothing.
    pub fn without(mut self, step: Step) -> Self {
        let tuning = &mut self.tuning;
        match step {
            Step::Week => tuning.week_days = 0,
            Step::Trend => tuning.trend_weeks = 0,
            Step::Calibration => tuning.scale_days = 0,
            Step::Exclusion => tuning.unusual_sigmas = f64::INFINITY,
            Step::Recurring => tuning.fee_growth = None,
            Step::Intermittent => tuning.idle_share = f64::INFINITY,
            Step::Quiet => tuning.quiet_share = 0.0,
            Step::Shift => self.drift_threshold_pct = f64::INFINITY,
            Step::Ranks => tuning.rank_z = f64::INFINITY,
            Step::Floors => (self.min_daily_cost, self.min_impact, self.min_impact_pct) = (0.0, 0.0, 0.0),
            Step::Incomplete => tuning.late_days = 0,
            Step::CrossSeries => tuning.cross_series_share = f64::INFINITY,
        }
        self
    }

    /// Whether the difference of `actual` from `expected` is large enough in money and percent to matter.
    pub fn is_material(&self, actual: f64, expected: f64) -> bool {
        let impact = (actual - expected).abs();
        actual.max(expected) >= self.min_daily_cost
            && impact >= self.min_impact
            && impact >= self.min_impact_pct / 100.0 * expected
    }

    /// A score in robust standard deviations of a day's error.
    pub fn in_sigmas(&self, score: f64) -> f64 {
        score * self.sigmas.day
    }
}

/// The parameters of the built-in settings, for tests.
#[cfg(test)]
pub(super) fn preset() -> Parameters {
    Parameters::new(&settings(), Method::Robust)
}

/// The built-in settings, for tests.
#[cfg(test)]
fn settings() -> Settings {
    Settings {
        rolling_window_days: 14,
        z_score_threshold: 2.5,
        level_days: 0,
        shift_days: 0,
        absorb_days: 0,
        day_sigmas: 5.0,
        shift_sigmas: 3.75,
        charge_sigmas: 3.0,
        min_daily_cost: 1.0,
        min_impact: 2.0,
        min_impact_pct: 10.0,
        min_new_cost: 5.0,
        drift_threshold_pct: 20.0,
        settle_days: 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_keys_are_presets_that_each_knob_wins_over() {
        let mut settings = settings();
        let windows = |settings: &Settings| {
            let parameters = Parameters::new(settings, Method::Robust);
            [parameters.window_days, parameters.level_days, parameters.shift_days, parameters.absorb_days]
        };
        assert_eq!(windows(&settings), [14, 28, 7, 14]);
        settings.rolling_window_days = 21;
        assert_eq!(windows(&settings), [21, 42, 10, 21]);
        (settings.level_days, settings.shift_days, settings.absorb_days) = (30, 5, 12);
        assert_eq!(windows(&settings), [21, 30, 5, 12]);
        let sigmas = Parameters::new(&settings, Method::Robust).sigmas;
        assert_eq!([sigmas.day, sigmas.shift, sigmas.charge], [2.0, 1.5, 1.2]);
    }
}
