use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::{
    conformal::{half_width, least_errors},
    outlook::{Forecaster, Outlook},
    peers::Peer,
    *,
};
use crate::model::{Period, Series};

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// A series from 2026-01-01, a Thursday, with a cost for each day.
fn series(days: usize, cost: impl Fn(NaiveDate) -> f64) -> Series {
    let start = day("2026-01-01");
    Series { group: Vec::new(), start, values: start.iter_days().take(days).map(cost).collect() }
}

/// What all days of a series say of those after it.
fn outlook(series: &Series) -> Outlook {
    outlook_of(series, false)
}

fn outlook_of(series: &Series, by_calendar: bool) -> Outlook {
    let skipped = vec![false; series.values.len()];
    Forecaster::new(series, &skipped, by_calendar).outlook(series.date(series.values.len() - 1))
}

fn weekday(day: NaiveDate) -> u32 {
    chrono::Datelike::weekday(&day).num_days_from_monday()
}

fn of_month(day: NaiveDate) -> u32 {
    chrono::Datelike::day(&day)
}

#[test]
fn a_level_with_a_week_goes_on() {
    let week = |day: NaiveDate| if weekday(day) >= 5 { 40.0 } else { 100.0 };
    let found = outlook(&series(90, week));
    for ahead in day("2026-04-01").iter_days().take(14) {
        assert!((found.cost(ahead) - week(ahead)).abs() < 1e-9, "{ahead}: {}", found.cost(ahead));
    }
}

#[test]
fn a_trend_goes_on_for_two_months_and_then_stays() {
    let start = day("2026-01-01");
    let rising = |day: NaiveDate| 100.0 + (day - start).num_days() as f64;
    let found = outlook(&series(120, rising));
    let (near, far, farther) = (day("2026-05-15"), day("2026-08-01"), day("2026-12-01"));
    assert!((found.cost(near) - rising(near)).abs() < 8.0, "{}", found.cost(near));
    assert!(found.cost(far) < rising(far) && found.cost(far) == found.cost(farther));
}

#[test]
fn a_level_follows_a_change_within_ten_days_and_a_spike_hardly_moves_it() {
    let found = outlook(&series(90, |on| if on >= day("2026-03-22") { 200.0 } else { 100.0 }));
    assert!((found.cost(day("2026-04-01")) - 200.0).abs() < 1e-9);
    let spiked =
        outlook(&series(90, |on| if on == day("2026-03-25") { 900.0 } else { 100.0 + weekday(on) as f64 % 2.0 }));
    assert!((spiked.cost(day("2026-04-01")) - 100.0).abs() < 3.0, "{}", spiked.cost(day("2026-04-01")));
}

#[test]
fn fees_come_on_their_day_when_they_came_twice() {
    let first = outlook(&series(90, |on| 100.0 + if of_month(on) == 1 { 500.0 } else { 0.0 }));
    assert!((first.cost(day("2026-04-01")) - 600.0).abs() < 1e-9);
    assert!((first.cost(day("2026-04-02")) - 100.0).abs() < 1e-9);
    assert!((first.cost(day("2026-06-01")) - 600.0).abs() < 1e-9, "of later months, too");
    // The 31st is the last day of a shorter month.
    let last = outlook(&series(90, |on| 100.0 + if of_month(on + Days::new(1)) == 1 { 300.0 } else { 0.0 }));
    assert_eq!(last.fees.len(), 1);
    assert!((last.cost(day("2026-04-30")) - 400.0).abs() < 1e-9 && (last.cost(day("2026-04-29")) - 100.0).abs() < 1e-9);
    // What came once, in the middle of a month, is no fee.
    let once = outlook(&series(80, |on| 100.0 + if on == day("2026-03-10") { 500.0 } else { 0.0 }));
    assert_eq!(once.fees, []);
    // The history begins with a fee of the 1st: there is nothing before that could tell.
    let young = outlook(&series(20, |on| 100.0 + if of_month(on) == 1 { 500.0 } else { 0.0 }));
    assert_eq!(young.fees.len(), 1);
}

#[test]
fn a_fee_of_a_leap_day_falls_on_the_last_of_february() {
    let fee = recurring::Fee { last: day("2024-01-31"), amount: 1.0 };
    let on = |text: &str| fee.falls_on(day(text));
    assert!(on("2024-02-29") && !on("2024-02-28") && on("2025-02-28") && on("2024-03-31"));
    assert!(!on("2024-01-31"), "not again in its own month");
}

#[test]
fn monthly_charges_recur_weekly_ones_too_and_what_has_stopped_does_not() {
    let monthly = outlook(&series(90, |on| if of_month(on) == 3 { 70.0 } else { 0.0 }));
    assert!((monthly.cost(day("2026-04-03")) - 70.0).abs() < 1e-9 && monthly.cost(day("2026-04-04")) == 0.0);
    let weekly = outlook(&series(90, |on| if weekday(on) == 0 { 70.0 } else { 0.0 }));
    assert!((weekly.cost(day("2026-04-06")) - 70.0).abs() < 1e-9 && weekly.cost(day("2026-04-07")) == 0.0);
    let sparse = outlook(&series(90, |on| if (on - day("2026-01-01")).num_days() % 11 == 4 { 110.0 } else { 0.0 }));
    assert!((sparse.cost(day("2026-04-06")) - 10.0).abs() < 1.0, "{}", sparse.cost(day("2026-04-06")));
    let stopped = outlook(&series(90, |on| if on < day("2026-03-10") { 70.0 } else { 0.0 }));
    assert_eq!(stopped.cost(day("2026-04-06")), 0.0);
}

#[test]
fn purchases_come_by_the_calendar_or_not_again() {
    let upfront = series(90, |on| if on == day("2026-03-10") { 9_000.0 } else { 0.0 });
    assert_eq!(outlook_of(&upfront, true).cost(day("2026-04-10")), 0.0);
    let fee = series(90, |on| if of_month(on) == 1 { 300.0 } else { 0.0 });
    assert_eq!(outlook_of(&fee, true).cost(day("2026-04-01")), 300.0);
}

#[test]
fn credits_go_on_below_zero() {
    let found = outlook(&series(90, |on| if weekday(on) >= 5 { -4.0 } else { -10.0 }));
    assert!((found.cost(day("2026-04-01")) + 10.0).abs() < 1e-9, "{}", found.cost(day("2026-04-01")));
    assert!((found.cost(day("2026-04-04")) + 4.0).abs() < 1e-9);
}

#[test]
fn a_series_without_a_past_costs_nothing() {
    let one = series(3, |_| 5.0);
    let skipped = [false; 3];
    let mut forecaster = Forecaster::new(&one, &skipped, false);
    assert_eq!(forecaster.outlook(day("2025-12-31")).cost(day("2026-01-02")), 0.0);
    // A launch goes on as it began.
    assert_eq!(outlook(&one).cost(day("2026-01-10")), 5.0);
}

#[test]
fn known_days_count_as_they_are_and_those_without_data_as_expected() {
    let one = series(60, |_| 10.0);
    let mut skipped = vec![false; 60];
    skipped[50] = true;
    let mut values = one.clone();
    values.values[50] = 0.0;
    let spans =
        [Span { period: Period { start: day("2026-02-15"), end: day("2026-03-10") }, known: day("2026-03-01") }];
    let input = Input { series: &values, skipped: &skipped, by_calendar: false, spans: &spans };
    let found = &ahead(&[input])[0][0];
    assert_eq!(found.days.len(), 24);
    assert!((found.known - 140.0).abs() < 1e-9, "one of 15 known days is not there: {}", found.known);
    assert!((found.days.iter().sum::<f64>() - 240.0).abs() < 1e-9);
}

/// Ranks as `ceil((n + 1) level)`, by hand.
#[test]
fn half_widths_are_exact_finite_sample_quantiles() {
    let errors = |count: usize| {
        (1..=count).map(|size| if size % 2 == 0 { size as f64 } else { -(size as f64) }).collect::<Vec<f64>>()
    };
    for (count, level, expected) in [
        (4, 0.8, Some(4.0)),
        (3, 0.8, None),
        (9, 0.8, Some(8.0)),
        (10, 0.8, Some(9.0)),
        (1, 0.5, Some(1.0)),
        (11, 0.5, Some(6.0)),
        (0, 0.5, None),
    ] {
        assert_eq!(half_width(&mut errors(count), level), expected, "{count} at {level}");
    }
    assert_eq!([0.5, 0.8, 0.9].map(least_errors), [1, 4, 9]);
}

/// Of `n + 1` exchangeable errors each is left out once: the share that the interval of the others has is at least the level.
#[test]
fn intervals_cover_at_least_their_level() {
    for count in [4, 7, 12, 30] {
        let all: Vec<f64> =
            (0..=count).map(|place| ((place * 7919) % 101) as f64 - 50.0 + place as f64 / 1e3).collect();
        let covered = (0..all.len()).filter(|left_out| {
            let mut others: Vec<f64> =
                all.iter().enumerate().filter(|(place, _)| place != left_out).map(|(_, error)| *error).collect();
            half_width(&mut others, 0.8).is_some_and(|reach| all[*left_out].abs() <= reach)
        });
        let share = covered.count() as f64 / all.len() as f64;
        assert!((0.8..0.8 + 1.0 / all.len() as f64 + 0.2).contains(&share), "{count}: {share}");
    }
}

/// Each rule by hand: 31 days of the month before at 10, then 5 days at 20.
#[test]
fn the_rules_of_others_are_what_they_say() {
    let mut costs = vec![10.0; 31];
    costs.extend([20.0; 5]);
    let total = |peer: Peer| peer.month_total(&costs, 5, 31, 30);
    assert_eq!(total(Peer::MonthToDate), 600.0);
    assert!((total(Peer::OptScale) - (100.0 + 25.0 * 410.0 / 36.0)).abs() < 1e-9);
    let straight: Vec<f64> = (0..40).map(|day| f64::from(day) + 100.0).collect();
    let line: f64 = (35..40).chain(40..65).map(|day| f64::from(day) + 100.0).sum();
    assert!((Peer::Koku.month_total(&straight, 5, 31, 30) - line).abs() < 1e-6);
    // Days 1.5 interquartile ranges from the quartiles are left out.
    costs.fill(10.0);
    costs[20] = 900.0;
    assert!((Peer::Koku.month_total(&costs, 5, 31, 30) - 300.0).abs() < 1e-6);
}

proptest! {
    #[test]
    fn forecasts_scale_and_nothing_negative_comes_of_what_never_was(
        values in prop::collection::vec(0.5..500.0_f64, 15..140), factor in 2.0..50.0_f64,
    ) {
        let one = Series { group: Vec::new(), start: day("2026-01-01"), values };
        let scaled = Series { values: one.values.iter().map(|cost| cost * factor).collect(), ..one.clone() };
        let (found, larger) = (outlook(&one), outlook(&scaled));
        for ahead in one.date(one.values.len()).iter_days().take(40) {
            prop_assert!(found.cost(ahead) >= 0.0);
            prop_assert!((larger.cost(ahead) - factor * found.cost(ahead)).abs() <= 1e-6 * larger.cost(ahead).max(1.0));
        }
    }

    #[test]
    fn nothing_after_the_known_day_matters(
        values in prop::collection::vec(0.0..500.0_f64, 60..140), later in prop::collection::vec(0.0..500.0_f64, 30),
    ) {
        let one = Series { group: Vec::new(), start: day("2026-01-01"), values };
        let mut longer = one.clone();
        longer.values.extend(later);
        let known = one.date(one.values.len() - 1);
        let skipped = vec![false; longer.values.len()];
        let with_more = Forecaster::new(&longer, &skipped, false).outlook(known);
        prop_assert_eq!(outlook(&one), with_more);
    }
}
