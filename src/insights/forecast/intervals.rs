//! How far off forecasts of the same day of the month have been: of months that are over, and as an interval of this one.

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    book::{Book, Outcome},
    leaves::Leaves,
};
use crate::{
    analysis::forecast::{Span, conformal},
    model::Period,
};

/// The intervals that a forecast has.
pub(super) const LEVELS: [f64; 2] = [0.5, 0.8];
/// Months that are replayed at most.
const MONTHS: u32 = 12;
/// Days of a month that are counted from its end.
const LAST_DAYS: i64 = 3;
/// A part of the estate says how wrong forecasts are when it is at least this share of it.
pub(super) const LEAST_SHARE: f64 = 0.01;

/// Where the total will be with a probability.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub struct Interval {
    /// The probability that the total lies within, such as 0.8.
    pub level: f64,
    /// The lower end, never below what is already spent.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What intervals are made of: errors of forecasts of earlier months, relative to the forecast.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    total: Vec<f64>,
    groups: Vec<Vec<f64>>,
    /// Of the accounts; of the services where there is one account.
    estate: Vec<f64>,
}

/// Whose errors an interval goes by.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Its own.
    Own,
    /// Those of all accounts, or services: there are too few of its own.
    Estate,
}

/// The spans of earlier months that are like `span`, the earliest first: as many days known, and as many to come.
pub(super) fn earlier(span: Span, settled_through: NaiveDate) -> Vec<Span> {
    let back = |months: u32| {
        let shifted = |day: NaiveDate| day - Months::new(months);
        let start = shifted(span.period.start);
        let is_monthly = span.period.end + Days::new(1) - Months::new(1) == span.period.start;
        let end = match is_monthly {
            true => start + Months::new(1) - Days::new(1),
            false => start + Days::new(span.period.days() as u64 - 1),
        };
        // Of the last days of a month it matters how many are left.
        let known = match (span.period.end - span.known).num_days() {
            left @ 0..=LAST_DAYS => end - Days::new(left as u64),
            _ => shifted(span.known),
        };
        Span { period: Period { start, end }, known }
    };
    (1..=MONTHS).rev().map(back).filter(|span| span.period.end <= settled_through).collect()
}

impl Errors {
    /// No errors yet, of so many groups.
    pub(super) fn none(groups: usize) -> Self {
        Errors { groups: vec![Vec::new(); groups], ..Errors::default() }
    }

    /// The errors of the first `spans` of a book.
    pub(super) fn of(book: &Book, leaves: &Leaves, spans: usize) -> Self {
        let mut errors = Self::none(leaves.groups.len());
        (0..spans).for_each(|place| errors.add(book, place));
        errors
    }

    /// Adds those of one span that is over.
    pub(super) fn add(&mut self, book: &Book, place: usize) {
        let outcomes = book.outcomes(place);
        self.total.extend(outcomes.total.error());
        for (errors, outcome) in self.groups.iter_mut().zip(outcomes.groups) {
            errors.extend(outcome.and_then(Outcome::error));
        }
        let matters = outcomes.estate.into_values().filter(|part| part.is_share_of(outcomes.total, LEAST_SHARE));
        self.estate.extend(matters.filter_map(Outcome::error));
    }

    pub(super) fn of_total(&self, expected: f64, to_date: f64) -> (Vec<Interval>, Option<Calibration>) {
        self.intervals(&self.total, expected, to_date)
    }

    pub(super) fn of_group(&self, group: usize, expected: f64, to_date: f64) -> (Vec<Interval>, Option<Calibration>) {
        // A group that only a plan names has no past.
        let own = self.groups.get(group).map_or(&[][..], Vec::as_slice);
        self.intervals(own, expected, to_date)
    }

    /// How many months the total was replayed in.
    pub(super) fn months(&self) -> usize {
        self.total.len()
    }

    /// The errors that the intervals of the total are made of.
    pub(super) fn used_for_total(&self) -> &[f64] {
        if is_enough(&self.total) { &self.total } else { &self.estate }
    }

    fn intervals(&self, own: &[f64], expected: f64, to_date: f64) -> (Vec<Interval>, Option<Calibration>) {
        let (errors, of) = match is_enough(own) {
            true => (own, Calibration::Own),
            false => (self.estate.as_slice(), Calibration::Estate),
        };
        let intervals = intervals(errors, expected, to_date);
        (intervals, is_enough(errors).then_some(of))
    }
}

/// Whether so many errors make every interval.
fn is_enough(errors: &[f64]) -> bool {
    LEVELS.iter().all(|level| errors.len() >= conformal::least_errors(*level))
}

/// The intervals that some errors make, from the narrowest to the widest; none where there are too few. What is spent is spent: where
/// nothing negative is to come, none reaches below `to_date`.
pub(super) fn intervals(errors: &[f64], expected: f64, to_date: f64) -> Vec<Interval> {
    if !is_enough(errors) {
        return Vec::new();
    }
    let mut errors = errors.to_vec();
    let interval = |level: f64| {
        let reach = conformal::half_width(&mut errors, level)? * expected.abs();
        let floor = if expected >= to_date { to_date } else { f64::NEG_INFINITY };
        Some(Interval { level, low: (expected - reach).max(floor), high: expected + reach })
    };
    LEVELS.into_iter().filter_map(interval).collect()
}
