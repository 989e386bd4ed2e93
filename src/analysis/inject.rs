//! Labelled events put into real series, to see what would be found.

use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Serialize;

use super::stats::median;
use crate::model::{Direction, Series};

/// The shapes of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One to three days more.
    Spike,
    /// One to three days less.
    Drop,
    /// More, from a day on.
    Step,
    /// More and more over four weeks, and then so much more.
    Drift,
}

impl Shape {
    pub const ALL: [Shape; 4] = [Shape::Spike, Shape::Drop, Shape::Step, Shape::Drift];

    pub fn name(self) -> &'static str {
        match self {
            Shape::Spike => "spike",
            Shape::Drop => "drop",
            Shape::Step => "step",
            Shape::Drift => "drift",
        }
    }

    pub fn direction(self) -> Direction {
        if self == Shape::Drop { Direction::Down } else { Direction::Up }
    }

    /// The share of a day's cost that an event of this shape can take or add at `size`.
    fn size(self, size: f64) -> f64 {
        match self {
            // Nothing is left at 90 %.
            Shape::Drop => -(size.min(0.9)),
            _ => size,
        }
    }
}

/// Sizes, as a share of the day's cost.
pub(crate) const SIZES: [f64; 4] = [0.2, 0.5, 1.0, 3.0];
/// Days of a drift's rise, and on which finding a lasting event still counts.
const DRIFT_DAYS: usize = 28;
const LASTING_DAYS: usize = 14;
/// Days before an event.
const LEAST_HISTORY: usize = 42;
/// Days whose median cost decides whether a series is worth an event.
const LEVEL_DAYS: usize = 28;

/// A series with one event in it.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    /// The index of the series it was made of.
    pub of: usize,
    pub series: Series,
    pub shape: Shape,
    /// One of [`SIZES`].
    pub size: f64,
    /// The first day of the event and the last on which finding it counts, by index.
    pub first: usize,
    pub last: usize,
    /// Dollars of the event up to `last`.
    pub dollars: f64,
}

/// `each` events for every shape and size, each in a copy of a series that `eligible` names, somewhere in its last
/// `days` days, where it moves at least `least` dollars a day. Fewer where no series is large or long enough.
pub(crate) fn inject(
    series: &[Series],
    eligible: &[usize],
    days: usize,
    least: f64,
    each: usize,
    seed: u64,
) -> Vec<Injected> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for shape in Shape::ALL {
        for size in SIZES {
            let fitting: Vec<usize> = eligible
                .iter()
                .copied()
                .filter(|index| {
                    let values = &series[*index].values;
                    let recent = &values[values.len().saturating_sub(LEVEL_DAYS)..];
                    median(recent).is_some_and(|level| level * shape.size(size).abs() >= least)
                })
                .collect();
            for _ in 0..each {
                let Some(of) = fitting.choose(&mut random) else { break };
                all.extend(one(*of, &series[*of], shape, size, days, &mut random));
            }
        }
    }
    all
}

fn one(of: usize, series: &Series, shape: Shape, size: f64, days: usize, random: &mut impl Rng) -> Option<Injected> {
    let end = series.values.len();
    let reach = match shape {
        Shape::Spike | Shape::Drop => random.random_range(1..=3),
        Shape::Step => LASTING_DAYS,
        Shape::Drift => DRIFT_DAYS + LASTING_DAYS / 2,
    };
    let earliest = end.saturating_sub(days).max(LEAST_HISTORY);
    let latest = end.checked_sub(reach)?;
    if earliest > latest {
        return None;
    }
    let first = random.random_range(earliest..=latest);
    let lasts = matches!(shape, Shape::Step | Shape::Drift);
    let mut changed = series.clone();
    let mut dollars = 0.0;
    let until = if lasts { end } else { first + reach };
    for day in first..until {
        let grown = match shape {
            Shape::Drift => ((day - first + 1) as f64 / DRIFT_DAYS as f64).min(1.0),
            _ => 1.0,
        };
        let extra = series.values[day] * shape.size(size) * grown;
        changed.values[day] += extra;
        if day < first + reach {
            dollars += extra.abs();
        }
    }
    Some(Injected { of, series: changed, shape, size, first, last: first + reach - 1, dollars })
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn flat() -> Vec<Series> {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).expect("valid");
        vec![Series { group: vec!["x".into()], start, values: vec![10.0; 150] }]
    }

    #[test]
    fn events_are_where_they_say_and_cost_what_they_say() {
        let series = flat();
        let all = inject(&series, &[0], 60, 1.0, 5, 7);
        assert_eq!(all.len(), 4 * 4 * 5);
        for event in &all {
            assert!(event.first >= 90 && event.last < 150, "{event:?}");
            let changed = |day: usize| event.series.values[day] - 10.0;
            assert!((0..event.first).all(|day| changed(day) == 0.0));
            let dollars: f64 = (event.first..=event.last).map(|day| changed(day).abs()).sum();
            assert!((dollars - event.dollars).abs() < 1e-9);
            assert!(changed(event.first) * event.shape.direction().sign() > 0.0);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_small_series_get_none() {
        let series = flat();
        let firsts = |seed| inject(&series, &[0], 60, 1.0, 3, seed).iter().map(|event| event.first).collect::<Vec<_>>();
        assert_eq!(firsts(1), firsts(1));
        assert_ne!(firsts(1), firsts(2));
        assert!(inject(&series, &[0], 60, 1000.0, 3, 1).is_empty());
    }
}
