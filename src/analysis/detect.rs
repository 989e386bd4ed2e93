//! The words of detection, and its one entrance: series in, a verdict for each day out ([`judge`]).
//! `docs/ANOMALIES.md` gives the methods with their references and measured quality.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use super::estate::unusable_days;
use super::{
    estate::{CommonMove, common_moves},
    robust, yardsticks,
};
use crate::model::{Kind, Method, Period, Series};

/// The `anomaly` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The days of two weeks: a level is the median of twice as many, a lasting change that of half as many.
    pub rolling_window_days: usize,
    /// The score from which a day is flagged, unless a sensitivity is named.
    pub z_score_threshold: f64,
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

/// A step of the robust method that can be left out, to measure what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Weekday factors
    Week,
    /// The trend
    Trend,
    /// The scale from one-step-ahead residuals; instead MAD of the level's window
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
    Unusable,
    /// Moves that many series share
    Common,
}

/// What is critical costs at least this many times `min_impact` a day.
const CRITICAL_IMPACTS: f64 = 10.0;

/// What [`detect`] goes by.
#[derive(Clone, Debug)]
pub struct Parameters {
    pub method: Method,
    pub window_days: usize,
    pub threshold: f64,
    pub min_daily_cost: f64,
    pub min_impact: f64,
    /// Dollars a day from which a finding may be critical: of the settings, whatever `min_impact` a run asks for.
    pub critical_impact: f64,
    pub min_impact_pct: f64,
    pub min_new_cost: f64,
    pub drift_threshold_pct: f64,
    /// Steps that are left out.
    pub without: Vec<Step>,
}

impl Parameters {
    /// What the settings say.
    pub fn new(settings: &Settings, method: Method) -> Self {
        Self {
            method,
            window_days: settings.rolling_window_days,
            threshold: settings.z_score_threshold,
            min_daily_cost: settings.min_daily_cost,
            min_impact: settings.min_impact,
            critical_impact: CRITICAL_IMPACTS * settings.min_impact,
            min_impact_pct: settings.min_impact_pct,
            min_new_cost: settings.min_new_cost,
            drift_threshold_pct: settings.drift_threshold_pct,
            without: Vec::new(),
        }
    }

    pub fn has(&self, step: Step) -> bool {
        !self.without.contains(&step)
    }

    /// Whether `actual` is far enough from `expected` in money to be worth a look.
    pub fn is_worth_it(&self, actual: f64, expected: f64) -> bool {
        let impact = (actual - expected).abs();
        !self.has(Step::Floors)
            || (actual.max(expected) >= self.min_daily_cost
                && impact >= self.min_impact
                && impact >= self.min_impact_pct / 100.0 * expected)
    }
}

/// What is known of one day of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What the day should have cost.
    pub expected: f64,
    /// How far the day is from that, signed, in units of the modified z-score.
    pub score: f64,
    /// The score of the day's own cost, whatever lasting change or quiet day explains it.
    pub residual_score: f64,
    /// Beyond the threshold, and worth it.
    pub flagged: bool,
    pub kind: Kind,
    pub why: Why,
    /// On this day a lasting change has become what is normal.
    pub absorbed: bool,
}

/// What a verdict rests on, for the words of a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The level of `days` days, of which `sigma` dollars are one unit of the score.
    Level {
        days: usize,
        sigma: f64,
        weekday: f64,
        weekly_trend: f64,
    },
    /// The median of the last `days` days against the level before them, both without the week.
    Shift {
        days: usize,
        before: f64,
        now: f64,
    },
    /// A charge among `count` charges of `typical` dollars.
    Charges {
        count: usize,
        typical: f64,
    },
    /// A charge on a day of the month that never had one.
    OffSchedule {
        day_of_month: u32,
    },
    /// As on the same day of an earlier month.
    Recurring {
        earlier: NaiveDate,
    },
    /// On the first 1st of a month that the series has.
    FirstOfMonth,
    /// As cheap as the cheapest day of the week.
    Quiet,
    /// First charges of the series.
    First {
        floor: f64,
    },
    /// Charged again after so many days without.
    Silence {
        days: usize,
    },
    /// Part of a move that many series share.
    Common {
        moved: usize,
        of: usize,
    },
    /// Classic: the modified z-score in a window, or its slope in percent.
    Window {
        days: usize,
        z: f64,
    },
    Slope {
        days: usize,
        percent: f64,
    },
    /// Mean and standard deviation of `days` days.
    Mean {
        days: usize,
        mean: f64,
        deviation: f64,
    },
    /// Percent over the day before.
    DayBefore {
        percent: f64,
    },
}

/// Series, what is known of each of their days, and moves that many share.
pub struct Judged {
    /// One for each day of each series; `None` where a day cannot be judged.
    pub verdicts: Vec<Vec<Option<Verdict>>>,
    pub moves: Vec<CommonMove>,
    /// Days of series that were not judged because the account's bill was not whole.
    pub unusable: Vec<Vec<bool>>,
}

/// What is known of the bills that a series is of.
#[derive(Clone, Debug)]
pub struct Known {
    /// Their first day, from which it is known that a series did not exist.
    pub first_day: NaiveDate,
    /// Days that they do not have.
    pub missing: BTreeSet<NaiveDate>,
}

/// Judges every day of each series as if it were the newest: nothing after a day is used.
///
/// `accounts[i]` is a number that series of the same account share; `known[i]` is what is known of the bills of `series[i]`;
/// `period` are the days whose common moves matter.
pub fn judge(
    series: &[Series],
    accounts: &[usize],
    known: &[&Known],
    period: Period,
    parameters: &Parameters,
) -> Judged {
    let robust = parameters.method == Method::Robust;
    let unusable = if robust && parameters.has(Step::Unusable) {
        let start = known.iter().map(|known| known.first_day).min().unwrap_or(period.start);
        unusable_days(series, accounts, known, Period { start, end: period.end })
    } else {
        series.iter().map(|one| vec![false; one.values.len()]).collect()
    };
    let mut verdicts = verdicts(series, &unusable, known, parameters);
    let moves =
        if robust && parameters.has(Step::Common) { common_moves(series, &mut verdicts, period) } else { Vec::new() };
    Judged { verdicts, moves, unusable }
}

/// One verdict for each day of each series, in as many threads as there are cores; `unusable[i]` are the days of
/// `series[i]` that say nothing.
pub fn verdicts(
    series: &[Series],
    unusable: &[Vec<bool>],
    known: &[&Known],
    parameters: &Parameters,
) -> Vec<Vec<Option<Verdict>>> {
    let mut verdicts: Vec<Vec<Option<Verdict>>> = Vec::with_capacity(series.len());
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let share = series.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = series
            .chunks(share)
            .zip(unusable.chunks(share).zip(known.chunks(share)))
            .map(|(series, (unusable, known))| {
                scope.spawn(move || {
                    let mut judge = robust::Judge::new(parameters);
                    let all = series.iter().zip(unusable.iter().zip(known));
                    let verdicts = all.map(|(one, (unusable, known))| match parameters.method {
                        Method::Robust => judge.verdicts(one, unusable, known.first_day),
                        _ => yardsticks::verdicts(one, parameters),
                    });
                    verdicts.collect::<Vec<_>>()
                })
            })
            .collect();
        for part in parts {
            verdicts.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    verdicts
}
