//! The default method: what a day should cost from the series' own past, how far it is from that in units of
//! the series' own errors, and whether a change has lasted.
//!
//! One pass over a series, oldest day first; a verdict never depends on a later day. Days of an event stay
//! out of what is normal until the event has lasted [`Parameters::absorb_days`]; then it is the new normal, unless it
//! ends within as many days.
//! Every seven days the model is fitted anew (`model`); between fits a day costs a few medians. Days are indexes of
//! the series.

use chrono::{Datelike, Days, NaiveDate};

use super::{
    model::Model,
    recurring::{self, Charge},
    scale::{OUTLIER_SIGMAS, dollars_of_one},
    settings::Parameters,
    verdict::{Basis, NO_CHARGE, UNHEARD_OF, Verdict},
    week::WEEK,
};
use crate::{
    analysis::stats::median_in_place,
    model::{Kind, Series},
};

/// A series needs this many days before a day of it can be judged by them.
const MIN_HISTORY: usize = WEEK;
/// Until then a series that the data did not begin with is new.
const NEW_DAYS: usize = 2 * WEEK;
/// Until then its week is unknown: there are fewer than three of each weekday.
const YOUNG_DAYS: usize = 3 * WEEK;
/// The level needs this many days.
const MIN_LEVEL_DAYS: usize = 4;
/// No score is beyond this: farther away is not more certain.
const MAX_SCORE: f64 = 100.0;
/// So many days in a row may be quiet.
const QUIET_DAYS: usize = 3;

/// Judges series one after another, reusing its memory.
pub(super) struct Judge<'a> {
    parameters: &'a Parameters,
    buffer: Vec<f64>,
}

/// A day beside what it should have cost.
struct Today {
    cost: f64,
    expected: f64,
    /// Without the week, and of how many days.
    level: f64,
    level_days: usize,
    /// Of its weekday.
    factor: f64,
    /// Dollars that one unit of the score is.
    sigma: f64,
    weekly_trend: f64,
}

impl Today {
    fn score(&self) -> f64 {
        match self.level < NO_CHARGE && self.cost >= NO_CHARGE {
            true => UNHEARD_OF,
            false => ((self.cost - self.expected) / self.sigma).clamp(-MAX_SCORE, MAX_SCORE),
        }
    }

    /// What the day's own cost says.
    fn verdict(&self) -> Verdict {
        let (weekday, weekly_trend) = (self.factor, self.weekly_trend);
        Verdict {
            expected: self.expected,
            score: self.score(),
            residual_score: self.score(),
            flagged: false,
            kind: Kind::Point,
            basis: Basis::Level { days: self.level_days, sigma: self.sigma, weekday, weekly_trend },
            absorbed: false,
        }
    }
}

/// So many other days end a run of unusual ones.
const RUN_GAP: usize = 3;

/// Unusual days of one direction, with fewer than [`RUN_GAP`] other days between.
#[derive(Clone, Copy, Default)]
struct Run {
    start: usize,
    last: usize,
    days: usize,
    outliers: usize,
}

/// What was normal before an absorbed change, for as long again as it took to be absorbed: what ends then was an
/// event after all.
#[derive(Clone, Copy)]
struct Before {
    /// Without the week.
    level: f64,
    since: usize,
    /// The first day of the change.
    start: usize,
    /// The last day on which a return is looked for.
    until: usize,
    /// Days that were as before the change.
    days: usize,
}

impl Run {
    fn is_open(self, index: usize) -> bool {
        self.days > 0 && index - self.last <= RUN_GAP
    }

    /// The run with a day in it, or a new one of it alone.
    fn with(self, index: usize, outlier: bool) -> Self {
        let before = if self.is_open(index) { self } else { Run { start: index, ..Run::default() } };
        Run { last: index, days: before.days + 1, outliers: before.outliers + usize::from(outlier), ..before }
    }

    /// Whether so much of it says that it is no event but what is normal now: a window of outliers, or two of days
    /// that are only unusual.
    fn lasts(self, window: usize) -> bool {
        self.outliers >= window || self.days >= 2 * window
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(parameters: &'a Parameters) -> Self {
        Self { parameters, buffer: Vec::new() }
    }

    /// One verdict for each day of `series`; `None` for days that cannot be judged: the first
    /// [`MIN_HISTORY`], those of `incomplete`, and days below 0, which are credits.
    pub(super) fn verdicts(
        &mut self,
        series: &Series,
        incomplete: &[bool],
        first_day: NaiveDate,
    ) -> Vec<Option<Verdict>> {
        let parameters = self.parameters;
        let days = series.values.len();
        let mut verdicts: Vec<Option<Verdict>> = vec![None; days];
        let is_new = (series.start - first_day).num_days() >= NEW_DAYS as i64;
        let mut model = Model::new(series, incomplete, parameters);
        let mut runs = [Run::default(); 2];
        let mut before: Option<Before> = None;
        for (index, place) in verdicts.iter_mut().enumerate() {
            if index > 0 && index % WEEK == 0 {
                model.fit(index);
            }
            let cost = series.values[index];
            if !model.is_usable(index) {
                continue;
            }
            if index < MIN_HISTORY || (is_new && index < NEW_DAYS) {
                model.take(index);
                *place = is_new.then(|| first_charge(cost, index, parameters));
                continue;
            }
            if let Some(charge) = recurring::charge(series, &model, index, parameters) {
                model.take(index);
                runs = [Run::default(); 2];
                *place = Some(self.charge_verdict(series, &model, index, &charge));
                continue;
            }
            let Some((mut level, level_days)) = self.level(&model, index) else {
                model.take(index);
                continue;
            };
            let new_level = level;
            before = before.filter(|before| index <= before.until && before.days < RUN_GAP);
            if let Some(before) = &mut before
                && is_back(cost, before.level, level, &model, index, parameters)
            {
                level = before.level;
                before.days += 1;
                if before.days == RUN_GAP {
                    model.restore(before.since, before.start, index, (before.level, new_level));
                }
            }
            let (mut verdict, unusual) = self.level_verdict(series, &mut model, index, level, level_days, runs[1]);
            let mut follows = false;
            let explained = matches!(verdict.basis, Basis::Recurring { .. } | Basis::Quiet | Basis::FirstOfMonth);
            // Quiet days count as down, so that a fourth in a row is none.
            if matches!(verdict.basis, Basis::Quiet) {
                runs[1] = runs[1].with(index, false);
            }
            if unusual && !explained {
                let run = &mut runs[usize::from(verdict.residual_score < 0.0)];
                follows = run.is_open(index);
                *run = run.with(index, parameters.in_sigmas(verdict.residual_score.abs()) >= OUTLIER_SIGMAS);
            }
            model.learn(index, unusual, follows || explained);
            let lasting = runs.iter().find(|run| run.last == index && run.lasts(parameters.absorb_days));
            if let Some(start) = lasting.map(|run| run.start) {
                let until = index + parameters.absorb_days;
                before = Some(Before { level: new_level, since: model.since, start, until, days: 0 });
                model.absorb(start, index);
                verdict.absorbed = true;
                runs = [Run::default(); 2];
            }
            *place = Some(verdict);
        }
        verdicts
    }

    /// The level of the days before `index`, without week and trend: their median, carried on by the trend, and of how
    /// many days it is.
    fn level(&mut self, model: &Model, index: usize) -> Option<(f64, usize)> {
        let buffer = &mut self.buffer;
        buffer.clear();
        let mut positions = 0.0;
        let mut back = index;
        while back > model.since && buffer.len() < self.parameters.level_days {
            back -= 1;
            if model.is_normal(back) && model.without_week[back].is_finite() {
                buffer.push(model.without_week[back]);
                positions += back as f64;
            }
        }
        if buffer.len() < MIN_LEVEL_DAYS {
            return None;
        }
        let ahead = index as f64 - positions / buffer.len() as f64;
        let days = buffer.len();
        let level = median_in_place(buffer)?;
        Some(((level * (1.0 + model.daily_trend * ahead)).max(0.0), days))
    }

    /// The verdict of a day with a level, and whether its own cost is unusual.
    fn level_verdict(
        &mut self,
        series: &Series,
        model: &mut Model,
        index: usize,
        level: f64,
        level_days: usize,
        down: Run,
    ) -> (Verdict, bool) {
        let parameters = self.parameters;
        let today = self.measured(series, model, index, level, level_days);
        let mut verdict = today.verdict();
        if verdict.score < 0.0 && !(down.is_open(index) && down.days >= QUIET_DAYS) {
            self.see_quiet_day(&today, model, &mut verdict);
        }
        // Never a day without a charge, and now one: that is news, however much the charges vary.
        if today.cost < NO_CHARGE && today.expected >= NO_CHARGE && self.is_always_charged(series, model, index) {
            verdict.score = verdict.score.min(-UNHEARD_OF);
            verdict.residual_score = verdict.score;
        }
        let beyond = verdict.score.abs() >= parameters.threshold;
        verdict.flagged = beyond && parameters.is_material(today.cost, today.expected);
        if verdict.flagged && today.cost < NO_CHARGE {
            verdict.kind = Kind::Stopped;
        }
        if verdict.flagged && level < NO_CHARGE {
            let before = series.values[..index].iter().rev().skip_while(|cost| **cost >= NO_CHARGE);
            let days = before.take_while(|cost| **cost < NO_CHARGE).count();
            verdict.kind = Kind::New;
            verdict.basis = Basis::Silence { days };
            verdict.flagged = days >= parameters.absorb_days;
        }
        self.see_recurring_charge(&today, series, model, index, &mut verdict);
        self.see_lasting_change(&today, model, index, &mut verdict);
        let unusual = parameters.in_sigmas(verdict.residual_score.abs()) >= parameters.tuning.unusual_sigmas;
        (verdict, unusual)
    }

    /// What the day should have cost, how far it is from that, and what that is in units of the score; the model is told.
    fn measured(&mut self, series: &Series, model: &mut Model, index: usize, level: f64, level_days: usize) -> Today {
        let cost = series.values[index];
        let factor = model.week.factor(index);
        let mut expected = level * factor;
        // Before there is a week, the day a week ago is as good a guess.
        if index < YOUNG_DAYS
            && model.is_normal(index - WEEK)
            && (cost - series.values[index - WEEK]).abs() < (cost - expected).abs()
        {
            expected = series.values[index - WEEK];
        }
        let unit = dollars_of_one(level, factor);
        let scale = model.scale.score_unit(unit);
        let residual = (cost - expected) / unit;
        model.note(index, level, residual, scale);
        let weekly_trend = model.daily_trend * WEEK as f64;
        Today { cost, expected, level, level_days, factor, sigma: scale * unit, weekly_trend }
    }

    /// A weekday as cheap as the cheapest one is a holiday, not a drop: it scores by what it is below that.
    fn see_quiet_day(&self, today: &Today, model: &Model, verdict: &mut Verdict) {
        let quietest = model.week.quietest();
        if quietest >= self.parameters.tuning.quiet_share {
            return;
        }
        let threshold = self.parameters.threshold;
        let was_beyond = verdict.score <= -threshold;
        verdict.score = ((today.cost - today.level * quietest) / today.sigma).min(0.0);
        if was_beyond && verdict.score > -threshold {
            verdict.basis = Basis::Quiet;
        }
    }

    /// A charge that came on the same day of an earlier month, or of the last two weeks, is expected.
    fn see_recurring_charge(&self, today: &Today, series: &Series, model: &Model, index: usize, verdict: &mut Verdict) {
        let Some(growth) = self.parameters.tuning.fee_growth else { return };
        let excess = today.cost - today.expected;
        if today.score() >= self.parameters.threshold.min(OUTLIER_SIGMAS / self.parameters.sigmas.day)
            && let Some((earlier, amount)) = recurring::same_day_of_month(series, model, index, excess, growth)
                .or_else(|| recurring::same_day_of_week(series, model, index, excess, growth))
        {
            verdict.flagged = false;
            verdict.basis = Basis::Recurring { earlier };
            verdict.expected = today.expected + amount;
            verdict.score = ((today.cost - verdict.expected) / today.sigma).clamp(-1.0, 1.0);
        }
        // Fees come on the 1st: without an earlier one there is nothing to tell them from an event by.
        let date = series.date(index);
        if verdict.flagged && today.score() > 0.0 && date.day() == 1 {
            let last_first = (date - Days::new(1)).with_day(1);
            if last_first.is_none_or(|first| first < series.start) {
                verdict.flagged = false;
                verdict.basis = Basis::FirstOfMonth;
            }
        }
    }

    /// A change that has lasted for half a window flags days which no single day's score does.
    fn see_lasting_change(&self, today: &Today, model: &mut Model, index: usize, verdict: &mut Verdict) {
        let parameters = self.parameters;
        let Some(shift) = model.shift(index) else { return };
        let recurs = matches!(verdict.basis, Basis::Recurring { .. } | Basis::FirstOfMonth);
        let is_said = verdict.flagged && verdict.score.abs() >= shift.score.abs();
        let is_large =
            shift.score.abs() >= parameters.threshold && shift.change.abs() * 100.0 >= parameters.drift_threshold_pct;
        if recurs || is_said || !is_large {
            return;
        }
        // The day itself is nearer to what is now than to what was.
        let half_way = (shift.now - shift.before).abs() / 2.0 * today.factor;
        if (today.cost - today.expected) * shift.change.signum() > half_way
            && parameters.is_material(today.level * (1.0 + shift.change), today.level)
            && parameters.is_material(today.cost, shift.before * today.factor)
        {
            verdict.flagged = true;
            verdict.kind = if verdict.kind == Kind::Point { Kind::LevelShift } else { verdict.kind };
            verdict.expected = shift.before * today.factor;
            if shift.score.abs() > verdict.score.abs() {
                verdict.score = shift.score;
            }
            verdict.basis = Basis::Shift { days: parameters.shift_days, before: shift.before, now: shift.now };
        }
    }

    /// Whether each normal day of the last two windows had a charge, and there are enough of them.
    fn is_always_charged(&self, series: &Series, model: &Model, index: usize) -> bool {
        let first = index.saturating_sub(self.parameters.level_days).max(model.since);
        let mut normal = (first..index).filter(|past| model.is_normal(*past));
        let mut count = 0;
        normal.all(|past| {
            count += 1;
            series.values[past] >= NO_CHARGE
        }) && 2 * count >= self.parameters.level_days
    }

    fn charge_verdict(&self, series: &Series, model: &Model, index: usize, charge: &Charge) -> Verdict {
        let parameters = self.parameters;
        let cost = series.values[index];
        let mut verdict = Verdict {
            expected: charge.expected,
            score: charge.score,
            residual_score: 0.0,
            flagged: charge.score >= parameters.threshold && parameters.is_material(cost, charge.expected),
            kind: Kind::Point,
            basis: match charge.count {
                0 => Basis::OffSchedule { day_of_month: series.date(index).day() },
                count => Basis::Charges { count, typical: charge.expected },
            },
            absorbed: false,
        };
        if charge.score >= parameters.threshold
            && let Some(growth) = parameters.tuning.fee_growth
            && let Some((earlier, amount)) = recurring::same_day_of_month(series, model, index, cost, growth)
        {
            verdict = Verdict {
                expected: amount,
                score: 0.0,
                flagged: false,
                basis: Basis::Recurring { earlier },
                ..verdict
            };
        }
        verdict
    }
}

/// Whether a day is nearer to the level before an absorbed change than to the new one, and not unusual there. What
/// comes back after a silence is news.
fn is_back(cost: f64, old: f64, new: f64, model: &Model, index: usize, parameters: &Parameters) -> bool {
    let factor = model.week.factor(index);
    let unit = dollars_of_one(old, factor);
    let off = (cost - old * factor).abs();
    let unusual = parameters.tuning.unusual_sigmas / parameters.sigmas.day;
    new >= NO_CHARGE && off < (cost - new * factor).abs() && off < unusual * model.scale.score_unit(unit) * unit
}

/// The verdict of a day in the first two weeks of a series that the data did not begin with.
fn first_charge(cost: f64, index: usize, parameters: &Parameters) -> Verdict {
    let floor = parameters.min_new_cost;
    let flagged = cost >= floor.max(NO_CHARGE);
    Verdict {
        expected: 0.0,
        score: if flagged { UNHEARD_OF } else { 0.0 },
        residual_score: 0.0,
        flagged,
        kind: Kind::New,
        basis: Basis::First { floor },
        absorbed: flagged && index + 1 == NEW_DAYS,
    }
}
