//! What is known of one day of one series.

use chrono::NaiveDate;

use crate::model::Kind;

/// Costs below a cent are no charge.
pub(super) const NO_CHARGE: f64 = 0.01;
/// The score of what has no past to be measured by.
pub(super) const UNHEARD_OF: f64 = 10.0;

/// What is known of one day of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// What the day should have cost.
    pub expected: f64,
    /// How far the day is from that, signed, in units of the modified z-score.
    pub score: f64,
    /// The score of the day's own cost, whatever lasting change or quiet day explains it.
    pub residual_score: f64,
    /// Beyond the threshold, and material.
    pub flagged: bool,
    pub kind: Kind,
    pub basis: Basis,
    /// On this day a lasting change has become what is normal.
    pub absorbed: bool,
}

impl Verdict {
    /// Between which costs the score stays below `threshold`: `(low, high)`, in the currency of the series. There is none where the day
    /// is not judged by a level.
    pub(crate) fn range(&self, threshold: f64) -> Option<(f64, f64)> {
        let Basis::Level { sigma, .. } = self.basis else { return None };
        let bound = |sign: f64| {
            let bound = self.expected + sign * sigma * threshold;
            // Costs are not below nothing, where they are not credits.
            if self.expected >= 0.0 { bound.max(0.0) } else { bound }
        };
        Some((bound(-1.0), bound(1.0)))
    }
}

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Basis {
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
    /// Part of a shift that many series share.
    CrossSeries {
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
