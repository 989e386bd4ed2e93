//! Charges that are not daily: fees that recur by the month, and series with days without any charge, which
//! are judged by their charges and never by the days between.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::{
    model::Model,
    settings::Parameters,
    verdict::{NO_CHARGE, UNHEARD_OF},
    week::WEEK,
};
use crate::{
    analysis::stats::{median, median_in_place, quantile_in_place},
    model::Series,
};

/// How far back a fee of the same day of the month is looked for: two months and a weekend.
const MONTHS_BACK: std::ops::RangeInclusive<usize> = 26..=64;
/// What costs no more than this times the same day a month before is surely the same fee.
const ALIKE: f64 = 1.15;
/// Days around an earlier fee that say what that day cost without it.
const AROUND: usize = 5;
/// An earlier excess below this share of today's is no fee of the same kind.
const LEAST_SHARE: f64 = 0.3;
/// A series is intermittent when a share of its last days had no charge ([`super::settings::Tuning::idle_share`]),
const SPAN: usize = 120;
/// unless the weekday says which, but for one day in twelve.
const ODD_SHARE: f64 = 0.08;
/// The spread of the logarithm of charges that four charges' worth of doubt assumes: a factor of 1.8.
pub(super) const PRIOR_SPREAD: f64 = 0.6;
pub(super) const PRIOR_CHARGES: f64 = 4.0;
/// From so many charges on, their 95 % quantile counts too.
const MANY_CHARGES: usize = 20;

/// What an intermittent series says of a day.
pub(super) struct Charge {
    pub expected: f64,
    pub score: f64,
    /// How many earlier charges it is judged by; 0 for a charge on a day of the month that never had one.
    pub count: usize,
}

/// The verdict on `day` of a series in which a quarter of the days have no charge; `None` when the series is
/// not one, or its weekdays explain when it is charged.
pub(super) fn charge(series: &Series, model: &Model, index: usize, parameters: &Parameters) -> Option<Charge> {
    let is_charge = |past: &usize| series.values[*past] >= NO_CHARGE;
    // Nor does a silence that was absorbed as normal make a series intermittent.
    let first = (index.saturating_sub(SPAN).max(model.since)..index).find(is_charge)?;
    // The silence since the last charge is a question of its own: the series may have stopped.
    let until = (first..index).rev().find(is_charge)? + 1;
    let (days, idle) = model.idle(first, until);
    if days < WEEK || (idle as f64) < parameters.tuning.idle_share * days as f64 {
        return None;
    }
    let mut by_weekday = [[0_usize; 2]; WEEK];
    for past in (first..until).filter(|past| model.is_usable(*past)) {
        by_weekday[model.week.weekday(past)][usize::from(is_charge(&past))] += 1;
    }
    let odd: usize = by_weekday.iter().map(|counts| counts[0].min(counts[1])).sum();
    let weekly = by_weekday.iter().any(|counts| counts[1] > counts[0]);
    if idle < days && days >= 3 * WEEK && weekly && odd as f64 <= ODD_SHARE * days as f64 {
        return None;
    }
    let cost = series.values[index];
    if cost < NO_CHARGE {
        return Some(Charge { expected: 0.0, score: 0.0, count: 1 });
    }
    let charges: Vec<usize> = (0..index).filter(|past| model.is_usable(*past)).filter(is_charge).collect();
    let Some(&oldest) = charges.first() else { return Some(Charge { expected: 0.0, score: UNHEARD_OF, count: 0 }) };
    let same_day = |past: &usize| is_same_day_of_month(series.date(*past), series.date(oldest));
    let monthly = charges.len() >= 2 && charges.len() * 20 <= index - oldest + 20 && charges.iter().all(same_day);
    if monthly && !same_day(&index) {
        return Some(Charge { expected: 0.0, score: UNHEARD_OF, count: 0 });
    }
    let mut logarithms: Vec<f64> = charges.iter().map(|past| series.values[*past].ln()).collect();
    let center = median_in_place(&mut logarithms)?;
    for value in &mut logarithms {
        *value = (*value - center).abs();
    }
    let count = logarithms.len() as f64;
    let own = 1.4826 * median_in_place(&mut logarithms)?;
    let mut spread =
        ((count * own * own + PRIOR_CHARGES * PRIOR_SPREAD * PRIOR_SPREAD) / (count + PRIOR_CHARGES)).sqrt();
    if logarithms.len() >= MANY_CHARGES {
        spread = spread.max(quantile_in_place(&mut logarithms, 0.95)? / 1.96);
    }
    // A small charge is no event.
    let score = ((cost.ln() - center) / (parameters.sigmas.charge * spread)).max(0.0);
    Some(Charge { expected: center.exp(), score, count: charges.len() })
}

/// An earlier day on the same day of the month, a month or two ago, that cost as much more than the days
/// around it as `day` costs more than expected, or at most `growth` times that: its date and how much more.
pub(super) fn same_day_of_month(
    series: &Series,
    model: &Model,
    index: usize,
    excess: f64,
    growth: f64,
) -> Option<(NaiveDate, f64)> {
    let today = series.date(index);
    for back in MONTHS_BACK {
        let earlier = index.checked_sub(back)?;
        if !is_same_day_of_month(today, series.date(earlier)) {
            continue;
        }
        let factor = model.week.factor(earlier);
        let around: Vec<f64> = (earlier.saturating_sub(AROUND)..(earlier + AROUND + 1).min(index))
            .filter(|past| *past != earlier && model.is_usable(*past))
            .map(|past| match model.without_week[past] {
                plain if plain.is_finite() => plain * factor,
                _ => series.values[past],
            })
            .collect();
        let Some(usual) = median(&around).filter(|_| around.len() >= 4) else { continue };
        let before = series.values[earlier] - usual;
        if before > 0.0 && before >= LEAST_SHARE * excess && excess <= growth * before {
            return Some((series.date(earlier), before));
        }
    }
    None
}

/// As much more a week ago and two weeks ago, each against the days around it: the day of the first of them and
/// how much more that was. Weekday factors need half of their weeks to see a new weekly batch.
pub(super) fn same_day_of_week(
    series: &Series,
    model: &Model,
    index: usize,
    excess: f64,
    growth: f64,
) -> Option<(NaiveDate, f64)> {
    let mut last = None;
    for earlier in [index.checked_sub(WEEK)?, index.checked_sub(2 * WEEK)?] {
        let around: Vec<f64> = (earlier.saturating_sub(3)..(earlier + 4).min(index))
            .filter(|past| *past != earlier && model.is_usable(*past))
            .map(|past| series.values[past])
            .collect();
        let before = series.values[earlier] - median(&around).filter(|_| around.len() >= 4)?;
        if before < LEAST_SHARE * excess || excess > growth * before {
            return None;
        }
        last = last.or(Some((series.date(earlier), before)));
    }
    last
}

/// Whether the last day of `series` costs about as much as the same day of the month before.
pub(super) fn is_as_last_month(series: &Series, cost: f64) -> bool {
    let Some(today) = series.values.len().checked_sub(1) else { return false };
    let mut earlier = MONTHS_BACK.take_while(|back| *back <= today).map(|back| today - back);
    let same_day = |index: &usize| is_same_day_of_month(series.date(*index), series.date(today));
    earlier.any(|index| same_day(&index) && series.values[index] * ALIKE >= cost)
}

/// Whether two dates are the same day of their months, give or take one, from its start or from its end.
fn is_same_day_of_month(a: NaiveDate, b: NaiveDate) -> bool {
    let (from_end_a, from_end_b) = (days_to_end(a), days_to_end(b));
    // The 30th of a short month is its last day.
    let clamped = |day: NaiveDate, other: NaiveDate| day.day().min(other.day() + days_to_end(other) as u32);
    clamped(a, b).abs_diff(clamped(b, a)) <= 1
        || from_end_a == from_end_b
        || (a.day() == 1 && from_end_b == 0)
        || (b.day() == 1 && from_end_a == 0)
}

fn days_to_end(date: NaiveDate) -> i64 {
    let first = date - Days::new(u64::from(date.day0()));
    (first + Months::new(1) - date).num_days() - 1
}
