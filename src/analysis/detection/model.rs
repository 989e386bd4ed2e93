//! What is normal for a series: its week, its trend and the size of its own errors, fitted every seven days from the days
//! before. Days are indexes of the series.

use super::{
    scale::Scale,
    settings::Parameters,
    shift::{Shift, Shifts},
    trend::daily_trend,
    verdict::NO_CHARGE,
    week::{WEEK, Week},
};
use crate::model::Series;

/// Days whose lasting changes say how large these are otherwise.
const SHIFT_SPAN: usize = 365;

/// What is normal for a series.
pub(super) struct Model<'a> {
    series: &'a Series,
    incomplete: &'a [bool],
    parameters: &'a Parameters,
    /// The first day of what is normal: the series' first, or that of an absorbed change.
    pub since: usize,
    pub week: Week,
    /// The share of the level that it grows by a day.
    pub daily_trend: f64,
    /// Cost by day without the week; NaN on weekdays without charges.
    pub without_week: Vec<f64>,
    pub scale: Scale,
    shifts: Shifts,
    normal: Vec<bool>,
    /// How many usable days, and how many of them without a charge, there are before each day.
    usable_before: Vec<u32>,
    idle_before: Vec<u32>,
    buffer: Vec<f64>,
    recent: Vec<f64>,
}

impl<'a> Model<'a> {
    /// Nothing is normal yet. `incomplete[i]` says that day `i` of the series says nothing.
    pub(super) fn new(series: &'a Series, incomplete: &'a [bool], parameters: &'a Parameters) -> Self {
        let days = series.values.len();
        let mut usable_before = vec![0; days + 1];
        let mut idle_before = vec![0; days + 1];
        for (index, cost) in series.values.iter().enumerate() {
            let usable = !incomplete[index] && *cost >= 0.0;
            usable_before[index + 1] = usable_before[index] + u32::from(usable);
            idle_before[index + 1] = idle_before[index] + u32::from(usable && *cost < NO_CHARGE);
        }
        Self {
            series,
            incomplete,
            parameters,
            since: 0,
            week: Week::new(series.start, days),
            daily_trend: 0.0,
            without_week: vec![f64::NAN; days],
            scale: Scale::new(days, parameters.sigmas.day),
            shifts: Shifts::new(days),
            normal: vec![false; days],
            usable_before,
            idle_before,
            buffer: Vec::new(),
            recent: Vec::new(),
        }
    }

    /// Whether the day's cost is consumption: delivered, and no credit.
    pub(super) fn is_usable(&self, index: usize) -> bool {
        !self.incomplete[index] && self.series.values[index] >= 0.0
    }

    /// How many usable days there are from `first` to before `until`, and how many of them have no charge.
    pub(super) fn idle(&self, first: usize, until: usize) -> (usize, usize) {
        let between = |counts: &[u32]| (counts[until] - counts[first]) as usize;
        (between(&self.usable_before), between(&self.idle_before))
    }

    /// Whether the day is one of those that say what is normal.
    pub(super) fn is_normal(&self, index: usize) -> bool {
        self.normal[index]
    }

    /// The cost of a normal day without the week; none on weekdays without charges.
    pub(super) fn normal_cost(&self, index: usize) -> Option<f64> {
        Some(self.without_week[index]).filter(|cost| self.normal[index] && cost.is_finite())
    }

    /// Takes a day as normal that was not judged by a level.
    pub(super) fn take(&mut self, index: usize) {
        self.normal[index] = true;
        self.remove_week(index);
    }

    /// Notes how far a judged day was from its level. `residual` is relative, `score_unit` what one unit of the score is.
    pub(super) fn note(&mut self, index: usize, level: f64, residual: f64, score_unit: f64) {
        self.scale.note(index, level, residual, score_unit);
        self.remove_week(index);
    }

    /// Decides what a judged day says of what is normal: of an `unusual` one nothing but that there was one, and not even
    /// that when it `follows` another of the same event.
    pub(super) fn learn(&mut self, index: usize, unusual: bool, follows: bool) {
        if self.week.is_idle(index) {
            self.scale.forget(index);
            self.normal[index] = true;
            return;
        }
        self.normal[index] = !unusual;
        self.scale.learn(index, unusual, follows);
    }

    /// Makes what began on `start` the new normal, as it was in the last days that end with `index`, and forgets the level
    /// before it: the first days of a slow change are not what is normal at its end.
    pub(super) fn absorb(&mut self, start: usize, index: usize) {
        let recent = (index + 1).saturating_sub(self.parameters.shift_days);
        for day in start..=index {
            self.normal[day] = self.is_usable(day) && day >= recent;
        }
        self.since = start;
        self.daily_trend = 0.0;
    }

    /// Takes back that the change from `start` on was absorbed, the day `index` being as before: of the two `levels`, the old
    /// and the new one, days that are nearer to the new one are no longer normal.
    pub(super) fn restore(&mut self, since: usize, start: usize, index: usize, (old, new): (f64, f64)) {
        self.since = since;
        for day in start..index {
            let plain = self.without_week[day];
            self.normal[day] = self.normal[day] && (plain - old).abs() < (plain - new).abs();
        }
    }

    /// The lasting change of the days that end with `index`, if there are enough of them.
    pub(super) fn shift(&mut self, index: usize) -> Option<Shift> {
        let parameters = self.parameters;
        if index < self.since + parameters.shift_days + parameters.level_days / 2 {
            return None;
        }
        let first = index + 1 - parameters.shift_days;
        let (mut recent, mut level) = (std::mem::take(&mut self.recent), std::mem::take(&mut self.buffer));
        recent.clear();
        let usable = (first..=index).filter(|day| self.is_usable(*day));
        recent.extend(usable.map(|day| self.without_week[day]).filter(|cost| cost.is_finite()));
        level.clear();
        let before = first.saturating_sub(parameters.level_days).max(self.since)..first;
        level.extend(before.filter_map(|day| self.normal_cost(day)));
        let shift = self.shifts.measure(index, &recent, &mut level, self.scale.sigma(), parameters);
        (self.recent, self.buffer) = (recent, level);
        shift
    }

    /// Fits the model to the days before `until`.
    pub(super) fn fit(&mut self, until: usize) {
        let tuning = &self.parameters.tuning;
        let first = until.saturating_sub(tuning.week_days).max(self.since);
        if until >= first + 2 * WEEK {
            self.fit_week(first, until);
        }
        let level = until.saturating_sub(self.parameters.level_days).max(self.since)..until;
        let (normal, without_week) = (&self.normal, &self.without_week);
        let normal_cost = |day: usize| Some(without_week[day]).filter(|cost| normal[day] && cost.is_finite());
        self.scale.fit(until.saturating_sub(tuning.scale_days), until, level.filter_map(normal_cost));
        let last_shift = until.saturating_sub(self.parameters.shift_days - 1);
        self.shifts.fit(until.saturating_sub(SHIFT_SPAN), last_shift);
        self.daily_trend = daily_trend(self.since, until, tuning.trend_weeks, normal_cost, &mut self.buffer);
    }

    fn fit_week(&mut self, first: usize, until: usize) {
        let was_flat = self.week.is_flat();
        let (incomplete, costs) = (self.incomplete, &self.series.values);
        let is_usable = |index: usize| !incomplete[index] && costs[index] >= 0.0;
        if !self.week.fit(costs, first, until, &is_usable) {
            return;
        }
        for (index, cost) in costs.iter().enumerate().take(until).skip(first) {
            self.without_week[index] = self.week.removed(*cost, index);
            if was_flat && !self.week.is_flat() {
                // Levels of mixed weekdays say nothing of what a day should have cost.
                self.scale.forget(index);
            }
            self.scale.measure_again(index, *cost, &self.week);
        }
    }

    fn remove_week(&mut self, index: usize) {
        self.without_week[index] = self.week.removed(self.series.values[index], index);
    }
}
