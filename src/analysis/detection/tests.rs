//! What the robust method promises, as events in made-up series and as properties.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use clap::ValueEnum;
use proptest::prelude::*;

use super::{
    findings::{Finding, findings},
    incomplete::BillDays,
    judge::judge,
    settings::{Parameters, Step, preset},
    verdict::{Basis, Verdict},
};
use crate::model::{Evidence, Kind, Method, Period, Series, Severity};

/// A Monday.
fn monday() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 5).expect("valid")
}

fn series(name: &str, start: NaiveDate, values: Vec<f64>) -> Series {
    Series { group: vec![name.into()], start, values }
}

/// Noise of a tenth of a standard deviation of 1, the same each time.
fn noise(seed: u64, day: usize) -> f64 {
    let mut state =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add((day as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut sum = 0.0;
    for _ in 0..4 {
        state ^= state >> 29;
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
    }
    sum - 2.0
}

/// Costs around `level` with weekends at `weekend` of it and errors of 3 %.
fn usual(days: usize, level: f64, weekend: f64, seed: u64) -> Vec<f64> {
    let cost = |day: usize| {
        let week = if day % 7 >= 5 { weekend } else { 1.0 };
        level * week * (1.0 + 0.05 * noise(seed, day))
    };
    (0..days).map(cost).collect()
}

fn verdicts_of(series: &[Series], parameters: &Parameters) -> Vec<Vec<Option<Verdict>>> {
    let accounts = vec![0; series.len()];
    let start = series.iter().map(|one| one.start).min().unwrap_or_else(monday);
    let last = |one: &Series| one.start + Days::new(one.values.len().max(1) as u64 - 1);
    let end = series.iter().map(last).max().unwrap_or_else(monday);
    let known = BillDays { first_day: start, missing: BTreeSet::new() };
    judge(series, &accounts, &vec![&known; series.len()], Period { start, end }, parameters).verdicts
}

fn found_in(series: &[Series]) -> Vec<Finding> {
    let accounts = vec![0; series.len()];
    let start = series.iter().map(|one| one.start).min().expect("a series");
    let end = series.iter().map(|one| one.start + Days::new(one.values.len() as u64 - 1)).max().expect("a series");
    let period = Period { start, end };
    let known = BillDays { first_day: start, missing: BTreeSet::new() };
    let judged = judge(series, &accounts, &vec![&known; series.len()], period, &preset());
    findings(series, &judged, period, &preset())
}

fn found(values: Vec<f64>) -> Vec<Finding> {
    found_in(&[series("x", monday(), values)])
}

fn day(index: usize) -> NaiveDate {
    monday() + Days::new(index as u64)
}

#[test]
fn noise_and_weekends_raise_nothing() {
    for seed in 1..=20 {
        assert_eq!(found(usual(180, 100.0, 0.4, seed)), [], "seed {seed}");
    }
}

#[test]
fn a_spike_of_three_days_is_one_finding_with_its_dollars() {
    let mut values = usual(90, 100.0, 0.4, 1);
    values[80..83].iter_mut().for_each(|value| *value += 60.0);
    let all = found(values);
    assert_eq!(all.len(), 1, "{all:#?}");
    let spike = &all[0];
    assert_eq!((spike.kind, spike.severity, spike.start), (Kind::Point, Severity::Critical, day(80)));
    assert_eq!((spike.end, spike.flagged_days), (Some(day(82)), 3));
    assert!((spike.impact_total - 180.0).abs() < 15.0, "{spike:#?}");
}

#[test]
fn a_weekend_at_weekday_cost_is_found_and_a_weekday_at_weekend_cost_is_not() {
    let mut values = usual(90, 100.0, 0.3, 2);
    // Days 82 and 83 are a weekend; day 78 is a Tuesday that everybody is away on.
    assert_eq!(day(82).weekday(), Weekday::Sat);
    values[82] = 100.0;
    values[83] = 99.0;
    values[78] = 31.0;
    let all = found(values);
    assert_eq!(all.iter().map(|finding| finding.start).collect::<Vec<_>>(), [day(82)], "{all:#?}");
}

#[test]
fn a_step_is_one_finding_then_normal_and_does_not_blind() {
    let mut values = usual(150, 100.0, 0.6, 3);
    values[60..].iter_mut().for_each(|value| *value *= 2.75);
    // A spike long after is still seen.
    values[120] *= 1.8;
    let all = found(values);
    assert_eq!(all.len(), 2, "{all:#?}");
    let (step, spike) = (&all[0], &all[1]);
    assert_eq!((step.kind, step.start, step.absorbed), (Kind::LevelShift, day(60), true));
    assert_eq!(step.end, Some(day(73)));
    assert_eq!((spike.kind, spike.start), (Kind::Point, day(120)));
}

#[test]
fn the_score_is_as_large_on_the_last_day_of_an_event_as_on_its_first() {
    let mut values = usual(120, 100.0, 1.0, 4);
    values[100..110].iter_mut().for_each(|value| *value += 40.0);
    let verdicts = &verdicts_of(&[series("x", monday(), values)], &preset())[0];
    let score = |day: usize| verdicts[day].as_ref().expect("judged").score;
    assert!(score(109) > 0.8 * score(100), "{} {}", score(100), score(109));
    assert!(score(110) < 1.0);
}

#[test]
fn a_slow_rise_is_a_drift() {
    let mut values = usual(120, 100.0, 0.8, 5);
    for (index, value) in values[70..].iter_mut().enumerate() {
        *value *= 1.0 + 0.8 * (index as f64 / 35.0).min(1.0);
    }
    let all = found(values);
    assert!(!all.is_empty() && all[0].kind == Kind::Drift, "{all:#?}");
    assert!(all[0].start >= day(66) && all[0].start <= day(90), "{all:#?}");
}

#[test]
fn steady_growth_is_normal() {
    let values: Vec<f64> =
        (0..200).map(|day| 50.0 * 1.003_f64.powi(day) * (1.0 + 0.01 * noise(6, day as usize))).collect();
    assert_eq!(found(values), []);
}

#[test]
fn a_service_that_stops_is_one_finding_however_much_it_varied() {
    let mut values: Vec<f64> = (0..100).map(|day| 100.0 * (1.0 + 0.9 * noise(7, day))).collect();
    values[80..].iter_mut().for_each(|value| *value = 0.0);
    let all = found(values);
    let stopped: Vec<&Finding> = all.iter().filter(|finding| finding.kind == Kind::Stopped).collect();
    assert_eq!(stopped.len(), 1, "{all:#?}");
    assert_eq!((stopped[0].start, stopped[0].absorbed), (day(80), true));
}

#[test]
fn first_charges_are_new_and_those_of_a_known_series_are_not() {
    let old = series("old", monday(), usual(90, 100.0, 1.0, 8));
    let new = series("new", day(60), usual(30, 40.0, 1.0, 9));
    let cheap = series("cheap", day(60), usual(30, 0.5, 1.0, 10));
    let all = found_in(&[old, new, cheap]);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!((all[0].kind, all[0].series.as_slice(), all[0].start), (Kind::New, [1].as_slice(), day(60)));
}

#[test]
fn a_monthly_fee_is_news_once() {
    let mut values = usual(150, 20.0, 1.0, 11);
    for (index, value) in values.iter_mut().enumerate() {
        if day(index).day() == 3 {
            *value += 300.0 + index as f64 / 10.0;
        }
    }
    let all = found(values);
    assert_eq!(all.iter().map(|finding| finding.start).collect::<Vec<_>>(), [day(29)], "the first of February");
}

#[test]
fn a_batch_is_judged_by_batches() {
    let charged = |day: usize| (day * 7919) % 13 < 4;
    let mut values: Vec<f64> =
        (0..150).map(|day| if charged(day) { 50.0 * (1.0 + 0.5 * noise(12, day)) } else { 0.0 }).collect();
    let normal = found(values.clone());
    assert_eq!(normal, []);
    let last = (0..150).rev().find(|day| charged(*day)).expect("a batch");
    values[last] = 900.0;
    let all = found(values);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(matches!(all[0].reasons[0], Evidence::Charges { .. }), "{all:#?}");
}

#[test]
fn credits_are_neither_judged_nor_learned_from() {
    let mut values = usual(90, 100.0, 1.0, 13);
    values[70] = -500.0;
    let verdicts = &verdicts_of(&[series("x", monday(), values)], &preset())[0];
    assert!(verdicts[70].is_none());
    assert!(verdicts[71].as_ref().is_some_and(|verdict| (verdict.expected - 100.0).abs() < 8.0));
}

#[test]
fn a_day_that_a_whole_account_lacks_or_is_low_on_is_not_judged() {
    let mut all: Vec<Series> = (0..8).map(|index| series("x", monday(), usual(90, 50.0, 0.9, 20 + index))).collect();
    for one in &mut all {
        one.values[70] = 0.0;
        one.values[89] *= 0.4;
    }
    let verdicts = verdicts_of(&all, &preset());
    assert!(verdicts.iter().all(|of_series| of_series[70].is_none() && of_series[89].is_none()));
    assert_eq!(found_in(&all), []);
}

#[test]
fn a_move_that_many_share_is_one_finding() {
    let mut all: Vec<Series> = (0..30).map(|index| series("x", monday(), usual(90, 80.0, 1.0, 50 + index))).collect();
    all[..12].iter_mut().for_each(|one| one.values[85] *= 1.5);
    let all = found_in(&all);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!((all[0].series.len(), all[0].start), (12, day(85)));
}

#[test]
fn a_lasting_move_that_many_share_is_one_finding_that_becomes_normal() {
    let mut all: Vec<Series> = (0..10).map(|index| series("x", monday(), usual(120, 80.0, 1.0, 80 + index))).collect();
    all[..8].iter_mut().for_each(|one| one.values[85..].iter_mut().for_each(|value| *value *= 1.6));
    let all = found_in(&all);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!((all[0].series.len(), all[0].start, all[0].absorbed), (8, day(85), true));
    assert_eq!((all[0].kind, all[0].severity), (Kind::LevelShift, Severity::Critical));
}

#[test]
fn series_that_begin_later_do_not_change_a_common_move() {
    let mut all: Vec<Series> = (0..60).map(|index| series("x", monday(), usual(120, 80.0, 1.0, 200 + index))).collect();
    all[..5].iter_mut().for_each(|one| one.values[85] *= 1.6);
    let before = found_in(&all);
    all.extend((0..15).map(|index| series("late", day(100), usual(20, 2.0, 1.0, 300 + index))));
    let of_day = |all: &[Finding]| all.iter().filter(|finding| finding.date == day(85)).cloned().collect::<Vec<_>>();
    assert_eq!(of_day(&before), of_day(&found_in(&all)));
}

#[test]
fn a_series_that_comes_back_after_a_silence_is_judged_by_its_new_days() {
    let mut values = usual(150, 100.0, 1.0, 14);
    values[60..80].iter_mut().for_each(|value| *value = 0.0);
    values[130..].iter_mut().for_each(|value| *value = 0.0);
    let kinds: Vec<(Kind, NaiveDate)> = found(values).iter().map(|finding| (finding.kind, finding.start)).collect();
    for expected in [(Kind::Stopped, day(60)), (Kind::New, day(80)), (Kind::Stopped, day(130))] {
        assert!(kinds.contains(&expected), "{kinds:?}");
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}

#[test]
fn a_new_weekly_batch_is_a_habit_after_two_weeks() {
    let mut values = usual(200, 100.0, 1.0, 15);
    for (index, value) in values.iter_mut().enumerate().skip(140) {
        *value += if index % 7 == 0 { 100.0 } else { 0.0 };
    }
    let starts: BTreeSet<NaiveDate> = found(values).iter().map(|finding| finding.start).collect();
    assert_eq!(starts, BTreeSet::from([day(140), day(147)]));
}

#[test]
fn the_first_weeks_before_the_week_is_known_do_not_widen_the_scale() {
    let sensitive = |weekend: f64| {
        let mut values = usual(70, 100.0, weekend, 16);
        values[66] *= 1.2;
        let verdicts = &verdicts_of(&[series("x", monday(), values)], &preset())[0];
        verdicts[66].as_ref().expect("judged").score
    };
    assert!(sensitive(0.6) > 0.6 * sensitive(1.0), "{} {}", sensitive(0.6), sensitive(1.0));
}

#[test]
fn a_new_series_that_grows_is_as_large_as_it_becomes() {
    let old = series("old", monday(), usual(90, 100.0, 1.0, 8));
    let mut growing = vec![8.0; 6];
    growing.resize(30, 800.0);
    let all = found_in(&[old, series("new", day(60), growing)]);
    let new = all.iter().find(|finding| finding.kind == Kind::New).expect("new");
    assert!(new.impact > 700.0 && new.severity == Severity::Critical && new.absorbed, "{new:#?}");
}

#[test]
fn flat_empty_and_one_day_series_have_no_findings() {
    for values in [vec![12.34; 200], vec![0.0; 90], vec![99.0], vec![]] {
        let all = [series("x", monday(), values)];
        assert!(verdicts_of(&all, &preset())[0].iter().flatten().all(|verdict| !verdict.flagged));
    }
}

/// Costs with all that happens in them.
fn bills() -> impl Strategy<Value = Vec<f64>> {
    let event = (30_usize..130, 1_usize..20, -0.9..3.0_f64);
    (5.0..500.0_f64, 0.2..1.1_f64, any::<u16>(), prop::collection::vec(event, 0..4)).prop_map(
        |(level, weekend, seed, events)| {
            let mut values = usual(150, level, weekend, u64::from(seed));
            for (start, length, size) in events {
                values[start..start + length].iter_mut().for_each(|value| *value *= 1.0 + size);
            }
            values
        },
    )
}

/// Verdicts without what depends on money or the calendar.
fn essence(verdicts: &[Option<Verdict>]) -> Vec<Option<(i64, bool, Kind)>> {
    let short = |verdict: &Verdict| ((verdict.score * 1e4).round() as i64, verdict.flagged, verdict.kind);
    verdicts.iter().map(|verdict| verdict.as_ref().map(short)).collect()
}

/// No floors in money and no days of the month.
fn scale_free() -> Parameters {
    Parameters { min_daily_cost: 0.0, min_impact: 0.0, ..preset() }.without(Step::Recurring)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_future_never_changes_a_verdict(values in bills(), cut in 20_usize..150) {
        let whole = verdicts_of(&[series("x", monday(), values.clone())], &preset());
        let part = verdicts_of(&[series("x", monday(), values[..cut].to_vec())], &preset());
        prop_assert_eq!(&whole[0][..cut], &part[0][..]);
    }

    #[test]
    fn a_restated_day_changes_only_verdicts_that_could_have_seen_it(values in bills(), at in 20_usize..150, factor in 0.0..3.0_f64) {
        let mut restated = values.clone();
        restated[at] *= factor;
        let before = verdicts_of(&[series("x", monday(), values)], &preset());
        let after = verdicts_of(&[series("x", monday(), restated)], &preset());
        prop_assert_eq!(&before[0][..at], &after[0][..at]);
    }

    #[test]
    fn scaling_keeps_verdicts_apart_from_floors(values in bills(), scale in 0.5..8.0_f64) {
        let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();
        let before = verdicts_of(&[series("x", monday(), values)], &scale_free());
        let after = verdicts_of(&[series("x", monday(), scaled)], &scale_free());
        for (before, after) in before[0].iter().zip(&after[0]) {
            let (Some(before), Some(after)) = (before, after) else { continue };
            prop_assert!((before.score - after.score).abs() < 1e-6 * before.score.abs().max(1.0));
            // A score within rounding of the threshold may fall either way.
            prop_assert!(before.flagged == after.flagged || (before.score.abs() - 2.5).abs() < 1e-6);
        }
    }

    #[test]
    fn whole_weeks_later_is_the_same_apart_from_the_day_of_the_month(values in bills(), weeks in 1_u64..60) {
        let before = verdicts_of(&[series("x", monday(), values.clone())], &scale_free());
        let after = verdicts_of(&[series("x", monday() + Days::new(7 * weeks), values)], &scale_free());
        prop_assert_eq!(essence(&before[0]), essence(&after[0]));
    }

    #[test]
    fn a_constant_series_beside_it_changes_nothing(values in bills(), constant in 1.0..100.0_f64) {
        let alone = verdicts_of(&[series("x", monday(), values.clone())], &preset());
        let beside = [series("x", monday(), values), series("y", monday(), vec![constant; 150])];
        let together = verdicts_of(&beside, &preset());
        prop_assert_eq!(&alone[0], &together[0]);
    }

    #[test]
    fn windows_of_any_length_judge(
        values in bills(), level_days in 7_usize..200, shift_days in 3_usize..200, absorb_days in 3_usize..200
    ) {
        let parameters = Parameters { level_days, shift_days, absorb_days, ..preset() };
        let verdicts = &verdicts_of(&[series("x", monday(), values)], &parameters)[0];
        prop_assert!(verdicts.iter().flatten().all(|verdict| verdict.score.is_finite() && verdict.expected.is_finite()));
    }

    #[test]
    fn whatever_is_flagged_scores_at_least_the_threshold(values in bills()) {
        for method in Method::ALL {
            let parameters = Parameters { method: *method, ..preset() };
            for verdict in verdicts_of(&[series("x", monday(), values.clone())], &parameters)[0].iter().flatten() {
                prop_assert!(!verdict.flagged || verdict.score.abs() >= parameters.threshold - 1e-9);
                let explained = matches!(verdict.basis, Basis::Recurring { .. } | Basis::Quiet);
                prop_assert!(!verdict.flagged || !explained);
            }
        }
    }
}

#[test]
fn an_event_that_ends_soon_after_it_was_accepted_leaves_what_was_normal_before() {
    for length in [14, 17, 22] {
        let mut values = usual(150, 100.0, 0.8, 16);
        values[80..80 + length].iter_mut().for_each(|value| *value *= 1.8);
        // A spike just after is still seen.
        values[115] += 60.0;
        let all: Vec<(Kind, NaiveDate)> = found(values).iter().map(|finding| (finding.kind, finding.start)).collect();
        assert_eq!(all, [(Kind::LevelShift, day(80)), (Kind::Point, day(115))], "{length}");
    }
}

#[test]
fn an_event_of_many_days_counts_once_in_the_scale() {
    let quiet = usual(150, 100.0, 1.0, 17);
    let scale_after = |days: usize| {
        let mut values = quiet.clone();
        values[60..60 + days].iter_mut().for_each(|value| *value += 13.0);
        match &verdicts_of(&[series("x", monday(), values)], &preset())[0][149] {
            Some(Verdict { basis: Basis::Level { sigma, .. }, .. }) => *sigma,
            other => panic!("{other:?}"),
        }
    };
    let (one, many) = (scale_after(1), scale_after(12));
    assert!(many < 1.1 * one, "{one} {many}");
}

/// Series in which every step of the method has something to do.
fn every_habit() -> Vec<Series> {
    let mut all: Vec<Series> = (0..12).map(|seed| series("x", monday(), usual(200, 60.0, 0.5, 400 + seed))).collect();
    let change = |at: std::ops::Range<usize>, by: f64, seed: u64| {
        let mut values = usual(200, 100.0, 1.0, seed);
        values[at].iter_mut().for_each(|value| *value *= by);
        series("y", monday(), values)
    };
    all.push(change(100..200, 1.8, 500));
    all.push(change(100..110, 2.5, 501));
    all.push(change(160..200, 1.25, 502));
    let growing = (0..200).map(|day| 50.0 * 1.004_f64.powi(day) * (1.0 + 0.01 * noise(503, day as usize)));
    all.push(series("grows", monday(), growing.collect()));
    let mut fee = usual(200, 20.0, 1.0, 504);
    (0..200).filter(|index| day(*index).day() == 3).for_each(|index| fee[index] += 300.0);
    all.push(series("fee", monday(), fee));
    let batch = (0..200).map(|day| if (day * 7919) % 13 < 4 { 50.0 * (1.0 + 0.5 * noise(505, day)) } else { 0.0 });
    all.push(series("batch", monday(), batch.collect()));
    // A clear spike of a cheap series: less than the floor in dollars.
    let mut cheap = usual(200, 2.0, 0.02, 508);
    cheap[180] += 1.5;
    all.push(series("cheap", monday(), cheap));
    // A holiday on a Wednesday.
    let mut holiday = usual(200, 100.0, 0.4, 506);
    holiday[142] *= 0.4;
    all.push(series("holiday", monday(), holiday));
    // Wild for half a year, then calm, then a little more.
    let wild = (0..200).map(|day| 100.0 * (1.0 + if day < 120 { 0.9 } else { 0.02 } * noise(507, day)));
    let mut calmed: Vec<f64> = wild.collect();
    calmed[180..].iter_mut().for_each(|value| *value *= 1.4);
    all.push(series("calmed", monday(), calmed));
    // An unfinished day, and a move of all.
    all.iter_mut().for_each(|one| one.values[150] *= 0.3);
    all.iter_mut().for_each(|one| one.values[170] *= 1.5);
    all
}

#[test]
fn each_step_of_the_method_does_something_that_is_gone_without_it() {
    let all = every_habit();
    let whole = verdicts_of(&all, &preset());
    for step in Step::value_variants() {
        assert!(verdicts_of(&all, &preset().without(*step)) != whole, "{step:?}");
    }
}

#[test]
fn a_knob_of_the_scale_is_what_its_name_says() {
    let mut values = usual(150, 100.0, 1.0, 600);
    values[140] *= 1.3;
    let score = |sigmas: f64| {
        let mut parameters = preset();
        parameters.sigmas.day = sigmas / 2.5;
        verdicts_of(&[series("x", monday(), values.clone())], &parameters)[0][140].as_ref().expect("judged").score
    };
    // Twice as many standard deviations for the same score are about half the score: the floor of a young series and
    // what is learned from the days before depend a little on the knob too.
    let ratio = score(5.0) / score(10.0);
    assert!((1.8..2.3).contains(&ratio), "{ratio}");
}
