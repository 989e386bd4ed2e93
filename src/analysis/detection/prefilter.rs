//! Before very many series are judged: which of them need not be, because their newest day is as their last eight weeks
//! were. It never flags anything, and it lets through what it is not sure of.
//!
//! The days of eight weeks say what a weekday costs (its median) and how far days are from that (1.4826 MAD, of the
//! differences from the weekday's median or from the week before, whichever is smaller). The method (`robust`) measures by
//! the errors of a year and their tails, which are larger, so it rarely flags what is nearer than [`SHARE`] of its
//! threshold in these units. `docs/ANOMALIES.md` has what that misses: measured, not proven.

use rayon::prelude::*;

use super::{
    cross_series::{LEAST_SERIES, SHIFT_GAP, SHIFT_SCORE},
    recurring::{self, PRIOR_CHARGES, PRIOR_SPREAD},
    scale::{FLOOR, LEAST_UNIT},
    settings::{Parameters, Tuning},
    shift::SHIFT_SHARE,
    verdict::NO_CHARGE,
    week::WEEK,
};
use crate::{
    analysis::stats::median_in_place,
    model::{Method, Sensitivity, Series},
};

/// Days that are looked at: eight weeks and the newest day.
pub(crate) const SPAN: usize = 8 * WEEK + 1;
/// What is nearer than this share of the method's threshold is let go.
const SHARE: f64 = 0.8;
/// The same for the floors in money and percent.
const FLOOR_SHARE: f64 = 0.7;
/// A series of fewer days has no week to be measured by.
const YOUNG_DAYS: usize = 5 * WEEK;
/// From this share of days without a charge a series may be one that is judged by its charges, and is from the other.
const MAYBE_IDLE: f64 = 0.12;
const SURELY_IDLE: f64 = 0.5;
/// With fewer, a day without a charge may be the first of many.
const SELDOM_IDLE: f64 = 0.4;
/// Charges that say what a charge costs, before the last three weeks, which an event may have changed.
const LEAST_CHARGES: usize = 4;
/// A level of the days 1 to 28 and one of the days 21 to 48 are 20 days apart, and the nearer one is 14.5 old. A difference
/// below this share of a robust standard deviation is no trend.
const AHEAD: f64 = 14.5 / 20.0;
const LEAST_TREND: f64 = 0.5;
/// Series that a thread looks at in turn.
const CHUNK: usize = 1024;
/// Days on which a cross-series shift may have begun that goes on.
const MOVE_DAYS: usize = SHIFT_GAP as usize + 1;

/// Whether it can stand for the method: the whole of it, with levels of no more than four weeks.
pub(crate) fn can_tell(parameters: &Parameters) -> bool {
    parameters.method == Method::Robust
        && parameters.tuning == Tuning::default()
        && parameters.level_days <= 4 * WEEK
        && parameters.drift_threshold_pct.is_finite()
        && parameters.threshold >= Sensitivity::High.threshold()
}

/// Which series are to be judged.
#[derive(Debug, PartialEq)]
pub(crate) struct Prefiltered {
    /// Whether each series is a candidate: to be judged in full.
    pub candidates: Vec<bool>,
    /// Whether many series may move together, which only a judgement of all of them can tell.
    pub together: bool,
}

/// Looks at the last day of each series, which are of at most [`SPAN`] days and end on the same one.
pub(crate) fn prefilter(series: &[Series], incomplete: &[Vec<bool>], parameters: &Parameters) -> Prefiltered {
    let looked = series.par_chunks(CHUNK).zip(incomplete.par_chunks(CHUNK)).map(|(series, incomplete)| {
        let mut prefilter = Prefilter::new(parameters);
        let both = series.iter().zip(incomplete);
        let candidates: Vec<bool> = both.map(|(one, incomplete)| prefilter.is_candidate(one, incomplete)).collect();
        (candidates, prefilter.moves)
    });
    let looked: Vec<(Vec<bool>, [Moves; MOVE_DAYS])> = looked.collect();
    let mut totals = [Moves::default(); MOVE_DAYS];
    for (_, moves) in &looked {
        for (total, moves) in totals.iter_mut().zip(moves) {
            total.judged += moves.judged;
            total.up += moves.up;
            total.down += moves.down;
        }
    }
    let together = totals.iter().any(|moves| {
        let most = moves.up.max(moves.down);
        most >= LEAST_SERIES && most as f64 >= parameters.tuning.cross_series_share * moves.judged as f64
    });
    Prefiltered { candidates: looked.into_iter().flat_map(|(candidates, _)| candidates).collect(), together }
}

/// How many series may have moved on a day.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    judged: usize,
    up: usize,
    down: usize,
}

/// Looks at series one after another, reusing its memory.
struct Prefilter<'a> {
    parameters: &'a Parameters,
    /// The newest day first.
    moves: [Moves; MOVE_DAYS],
    /// What each day costs on its weekday, and how far it is from that, relative to `units`.
    base: [f64; WEEK],
    relative: Vec<f64>,
    buffer: Vec<f64>,
}

impl<'a> Prefilter<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            parameters,
            moves: [Moves::default(); MOVE_DAYS],
            base: [0.0; WEEK],
            relative: Vec::new(),
            buffer: Vec::new(),
        }
    }

    fn is_candidate(&mut self, series: &Series, incomplete: &[bool]) -> bool {
        let parameters = self.parameters;
        let costs = series.values.as_slice();
        let Some((&cost, past)) = costs.split_last() else { return false };
        let today = past.len();
        let is_usable = |day: &usize| !incomplete[*day] && costs[*day] >= 0.0;
        if !is_usable(&today) {
            return false;
        }
        // What is worth nobody's time is not even asked whether it moved with others.
        let floor = parameters.min_impact.max(parameters.min_daily_cost).min(parameters.min_new_cost);
        if !costs.iter().any(|cost| *cost >= FLOOR_SHARE * floor) {
            return false;
        }
        let charged = |days: &[f64]| days.iter().filter(|cost| **cost >= NO_CHARGE).count();
        // The silence that lasts until today is a question of its own, and not for longer than until it is normal.
        let until = past.iter().rposition(|cost| *cost >= NO_CHARGE).map_or(0, |last| last + 1);
        if cost < NO_CHARGE && today - until >= 3 * WEEK {
            return false;
        }
        let fortnight = charged(&past[today.saturating_sub(2 * WEEK)..]);
        if today < YOUNG_DAYS {
            return cost >= NO_CHARGE || fortnight >= WEEK;
        }
        let idle = 1.0 - charged(&past[..until]) as f64 / until.max(1) as f64;
        if idle >= MAYBE_IDLE && cost >= NO_CHARGE && self.is_odd_charge(series, cost, past, fortnight) {
            return true;
        }
        if idle >= SURELY_IDLE {
            return false;
        }
        let Some(sigma) = self.measure(costs, incomplete) else { return self.is_material(cost, 0.0) };
        let last = |days: std::ops::RangeInclusive<usize>| today.saturating_sub(*days.end())..today + 1 - *days.start();
        let (Some(level), Some(before), Some(earlier), Some(week)) = (
            self.middle(last(1..=28)),
            self.middle(last(7..=34)),
            self.middle(last(21..=48)),
            self.middle(last(0..=6)),
        ) else {
            return self.is_material(cost, 0.0);
        };
        let mean = self.base.iter().sum::<f64>() / WEEK as f64;
        let base = self.base[today % WEEK];
        let unit = base.max(LEAST_UNIT * mean);
        self.count_moves(level, sigma);
        let now = self.relative[today];
        if cost < NO_CHARGE && idle < SELDOM_IDLE && self.is_material(cost, base) {
            return true;
        }
        let far = SHARE * parameters.threshold * parameters.sigmas.day * sigma;
        // What a trend from the month before to the last one would have become.
        let trend = level - earlier;
        let ahead = if trend.abs() >= LEAST_TREND * sigma { level + AHEAD * trend } else { level };
        // Eight days of a weekday are few: its own cost or that of all days, whichever is farther.
        let is_material =
            |level: f64| self.is_material(cost, base + level * unit) || self.is_material(cost, mean + level * mean);
        let is_far = |level: &f64| (now - level).abs() >= far && is_material(*level);
        if [level, earlier, ahead].iter().any(is_far) {
            return true;
        }
        let lasting = (FLOOR_SHARE * parameters.drift_threshold_pct / 100.0)
            .max(SHARE * parameters.threshold * parameters.sigmas.shift * SHIFT_SHARE * sigma);
        let has_changed = |then: &f64| {
            (week - then).abs() >= lasting * (1.0 + then)
                && self.is_material(mean * (1.0 + week), mean * (1.0 + then))
                && is_material(*then)
        };
        [before, earlier].iter().any(has_changed)
    }

    /// What weekdays cost, how far each day is from it, and what one robust standard deviation of that is.
    fn measure(&mut self, costs: &[f64], incomplete: &[bool]) -> Option<f64> {
        let today = costs.len() - 1;
        for weekday in 0..WEEK {
            self.buffer.clear();
            let days = (weekday..today).step_by(WEEK).filter(|day| !incomplete[*day] && costs[*day] >= 0.0);
            self.buffer.extend(days.map(|day| costs[day]));
            self.base[weekday] = median_in_place(&mut self.buffer)?;
        }
        let mean = self.base.iter().sum::<f64>() / WEEK as f64;
        if mean < NO_CHARGE / 10.0 {
            return None;
        }
        self.relative.clear();
        for (day, cost) in costs.iter().enumerate() {
            let base = self.base[day % WEEK];
            let is_usable = !incomplete[day] && *cost >= 0.0;
            self.relative.push(if is_usable { (cost - base) / base.max(LEAST_UNIT * mean) } else { f64::NAN });
        }
        let mut sigma = f64::INFINITY;
        for back in [0, 1, WEEK] {
            let before = |day: usize| if back == 0 { 0.0 } else { self.relative[day - back] };
            self.buffer.clear();
            self.buffer.extend((back..today).map(|day| (self.relative[day] - before(day)).abs()));
            self.buffer.retain(|value| value.is_finite());
            let of_two = if back == 0 { 1.0 } else { std::f64::consts::SQRT_2 };
            sigma = sigma.min(1.4826 * median_in_place(&mut self.buffer)? / of_two);
        }
        Some(sigma.max(FLOOR / self.parameters.sigmas.day))
    }

    /// The median of how far the days of a range are from their weekdays.
    fn middle(&mut self, days: std::ops::Range<usize>) -> Option<f64> {
        self.buffer.clear();
        self.buffer.extend(self.relative[days].iter().copied().filter(|value| value.is_finite()));
        median_in_place(&mut self.buffer)
    }

    fn count_moves(&mut self, level: f64, sigma: f64) {
        let far = SHIFT_SCORE * self.parameters.sigmas.day * sigma;
        for (back, moves) in self.moves.iter_mut().enumerate() {
            let change = self.relative[self.relative.len() - 1 - back] - level;
            moves.judged += usize::from(change.is_finite());
            moves.up += usize::from(change >= far);
            moves.down += usize::from(change <= -far);
        }
    }

    /// Whether a charge of a series with days without one may be more than its charges are.
    fn is_odd_charge(&mut self, series: &Series, cost: f64, past: &[f64], fortnight: usize) -> bool {
        self.buffer.clear();
        self.buffer
            .extend(past[..past.len() - 3 * WEEK].iter().filter(|cost| **cost >= NO_CHARGE).map(|cost| cost.ln()));
        let count = self.buffer.len();
        if count < LEAST_CHARGES || fortnight == 0 {
            return self.is_material(cost, 0.0) && !recurring::is_as_last_month(series, cost);
        }
        let Some(center) = median_in_place(&mut self.buffer) else { return true };
        for value in &mut self.buffer {
            *value = (*value - center).abs();
        }
        let own = 1.4826 * median_in_place(&mut self.buffer).unwrap_or(0.0);
        let count = count as f64;
        // Doubt shrinks with the charges of a year.
        let spread = (count * own * own / (count + PRIOR_CHARGES)
            + PRIOR_CHARGES * PRIOR_SPREAD * PRIOR_SPREAD / (7.0 * count + PRIOR_CHARGES))
            .sqrt();
        cost.ln() - center >= SHARE * self.parameters.threshold * self.parameters.sigmas.charge * spread
            && self.is_material(cost, center.exp())
    }

    /// [`Parameters::is_material`] with lower floors.
    fn is_material(&self, actual: f64, expected: f64) -> bool {
        let parameters = self.parameters;
        let impact = (actual - expected).abs();
        actual.max(expected) >= FLOOR_SHARE * parameters.min_daily_cost
            && impact >= FLOOR_SHARE * parameters.min_impact
            && impact >= FLOOR_SHARE * parameters.min_impact_pct / 100.0 * expected
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::analysis::detection::{robust::Judge, settings::preset};

    const FIRST: NaiveDate = NaiveDate::from_ymd_opt(2025, 6, 2).expect("a date");
    const DAYS: usize = 240;

    fn parameters(threshold: f64) -> Parameters {
        Parameters { threshold, ..preset() }
    }

    /// A series of one of many habits, into which something happens after eight weeks and more.
    fn series(random: &mut ChaCha8Rng) -> Series {
        let mut between = |low: f64, high: f64| low + (high - low) * random.random::<f64>();
        let level = between(0.0, 7.0).exp();
        let noise = between(-4.5, -0.7).exp();
        let weekend = if between(0.0, 1.0) < 0.4 { between(0.1, 1.0) } else { 1.0 };
        let growth = if between(0.0, 1.0) < 0.3 { between(-0.004, 0.006) } else { 0.0 };
        let idle = if between(0.0, 1.0) < 0.15 { between(0.05, 0.9) } else { 0.0 };
        let fee = if between(0.0, 1.0) < 0.15 { level * between(0.3, 5.0) } else { 0.0 };
        let (event, at) = (between(0.0, 8.0) as usize, between(100.0, DAYS as f64) as usize);
        let size = between(0.1, 3.0);
        let mut values: Vec<f64> = (0..DAYS)
            .map(|day| {
                let since = day as f64 - at as f64;
                let factor = match event {
                    0 if since == 0.0 => 1.0 + size,
                    1 if since >= 0.0 => 1.0 + size,
                    2 if since >= 0.0 => 1.0 / (1.0 + size),
                    3 if since >= 0.0 => 1.0 + size * (since / 30.0).min(1.0),
                    4 if (0.0..6.0).contains(&since) => 1.0 + size,
                    5 if since >= 0.0 => 0.0,
                    6 if since < 0.0 => 0.0,
                    _ => 1.0,
                };
                let week = if day % WEEK >= 5 { weekend } else { 1.0 };
                let error = (0..4).map(|_| between(-1.0, 1.0)).sum::<f64>() * noise;
                let charged = if between(0.0, 1.0) < idle { 0.0 } else { 1.0 };
                let fee = if day % 30 == 29 { fee } else { 0.0 };
                level * factor * week * charged * (1.0 + growth).powi(day as i32) * error.exp() + fee
            })
            .collect();
        let start = values.iter().position(|cost| *cost >= NO_CHARGE).unwrap_or(0);
        values.drain(..start);
        Series { group: Vec::new(), start: FIRST + Days::new(start as u64), values }
    }

    /// What a look at the days up to `day` sees of a series.
    fn last_weeks(series: &Series, day: usize) -> Series {
        let first = (day + 1).saturating_sub(SPAN);
        let start = (first..=day).find(|index| series.values[*index] != 0.0).unwrap_or(day);
        Series {
            group: Vec::new(),
            start: series.start + Days::new(start as u64),
            values: series.values[start..=day].to_vec(),
        }
    }

    /// The prefilter rests on estimates, so this is a measurement: seeds are fixed.
    #[test]
    fn hardly_anything_that_the_method_flags_is_let_go() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut flagged, mut lost, mut candidates, mut days) = (0, 0, 0, 0);
        for threshold in [2.0, 2.5, 3.0] {
            let parameters = parameters(threshold);
            for _ in 0..600 {
                let series = series(&mut random);
                let incomplete = vec![false; series.values.len()];
                let verdicts = Judge::new(&parameters).verdicts(&series, &incomplete, FIRST);
                for (day, verdict) in verdicts.iter().enumerate().skip(SPAN) {
                    let is_candidate =
                        Prefilter::new(&parameters).is_candidate(&last_weeks(&series, day), &[false; SPAN]);
                    days += 1;
                    candidates += usize::from(is_candidate);
                    if !verdict.as_ref().is_some_and(|verdict| verdict.flagged) {
                        continue;
                    }
                    flagged += 1;
                    lost += usize::from(!is_candidate);
                }
            }
        }
        assert!(flagged > 3_000 && lost * 200 < flagged, "{lost} of {flagged}");
        assert!(candidates * 3 < days, "{candidates} of {days}");
    }

    #[test]
    fn many_that_move_together_are_for_the_method_to_tell() {
        let parameters = parameters(2.5);
        let mut flat = Series { group: Vec::new(), start: FIRST, values: vec![100.0; SPAN] };
        let mut all = vec![flat.clone(); 95];
        let incomplete = vec![vec![false; SPAN]; 100];
        all.resize(100, flat.clone());
        let none = Prefiltered { candidates: vec![false; 100], together: false };
        assert_eq!(prefilter(&all, &incomplete, &parameters), none);
        flat.values[SPAN - 2] = 120.0;
        all.splice(..9, vec![flat; 9]);
        assert!(prefilter(&all, &incomplete, &parameters).together);
    }
}
