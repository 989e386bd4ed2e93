use chrono::{Days, NaiveDate};

use super::{Crossing, crossing, sums, threshold};
use crate::{
    insights::forecast::ForecastDay,
    model::{Limit, Threshold},
};

fn day(place: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day") + Days::new(place)
}

/// Ten days at 10, of which the first four are settled.
fn days() -> Vec<ForecastDay> {
    let one = |place: u64| ForecastDay { date: day(place), cost: None, expected: 10.0, settled: place < 4 };
    (0..10).map(one).collect()
}

#[test]
fn an_amount_is_reached_on_the_day_on_which_the_sum_is() {
    let spent = crossing(&days(), &[], 40.0).expect("reached");
    assert_eq!(
        spent,
        Crossing { day: Some(day(3)), probability: Some(1.0), earliest: Some(day(3)), latest: Some(day(3)) }
    );
    let expected = crossing(&days(), &[], 75.0).expect("reached");
    assert_eq!((expected.day, expected.probability), (Some(day(7)), None), "without errors there is no probability");
    assert_eq!(crossing(&days(), &[0.05], 110.0), None, "5 % off is not enough");
}

/// By hand: with an error of 20 % the days to come cost 10 ± 100 x 0.2 / 6.
#[test]
fn a_probability_is_the_share_of_errors_with_which_it_is_reached() {
    let errors = [0.0, 0.2, -0.2, 0.05];
    let found = crossing(&days(), &errors, 90.0).expect("may be reached");
    // Not with two errors of -20 % of eight, and nothing is certain: 7 of 10.
    assert_eq!(found.day, Some(day(8)));
    assert!((found.probability.expect("one") - 0.7).abs() < 1e-9, "{found:?}");
    assert_eq!((found.earliest, found.latest), (Some(day(7)), Some(day(9))));
    let rarely = crossing(&days(), &errors, 115.0).expect("may be reached");
    assert_eq!(rarely.day, None);
    assert!((rarely.probability.expect("one") - 0.2).abs() < 1e-9, "{rarely:?}");
}

#[test]
fn thresholds_of_what_is_spent_have_a_day_and_forecasts_a_margin() {
    let sums = sums(&days());
    let of = |forecast, percent| {
        threshold(&Threshold { forecast, limit: Limit::Percent(percent) }, 100.0, 40.0, 97.0, &sums)
    };
    let spent = of(false, 30.0);
    assert!(spent.crossed && spent.on == Some(day(2)) && spent.threshold == "30 % spent", "{spent:?}");
    let open = of(false, 50.0);
    assert!(!open.crossed && open.corrected && open.on.is_none());
    let nearly = of(true, 100.0);
    assert!(!nearly.crossed && !nearly.corrected, "a forecast of 97 may be 101 tomorrow: nothing is corrected");
    assert!(of(true, 103.0).corrected);
}
