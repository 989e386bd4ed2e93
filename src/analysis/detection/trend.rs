//! The trend: the Theil-Sen slope of the medians of the last weeks, if Mann-Kendall says at 5 % that there is one,
//! corrected for lag-1 autocorrelation (Hamed & Rao, 1998; Yue & Wang, 2004). Medians of weeks have no week in them, and 120
//! pairs of them cost less than the 6,216 of days.

use super::week::WEEK;
use crate::analysis::stats::{lag_one_autocorrelation, mann_kendall_z, median_in_place, theil_sen_slope_of};

/// How many weeks a trend needs.
const LEAST_WEEKS: usize = 6;
/// Two-sided 5 % of the normal distribution.
const SIGNIFICANT: f64 = 1.96;

/// The share of the level that it grows by a day, from the `weeks` weeks before the day `until`, none of which begins
/// before the day `since`; 0 where there is no trend. `normal_cost` gives the cost of a normal day without the week.
pub(in crate::analysis) fn daily_trend(
    since: usize,
    until: usize,
    weeks: usize,
    normal_cost: impl Fn(usize) -> Option<f64>,
    buffer: &mut Vec<f64>,
) -> f64 {
    let mut medians: Vec<(f64, f64)> = Vec::with_capacity(weeks);
    for back in (1..=weeks).rev() {
        let Some(start) = until.checked_sub(back * WEEK).filter(|start| *start >= since) else { continue };
        buffer.clear();
        buffer.extend((start..start + WEEK).filter_map(&normal_cost));
        if buffer.len() > WEEK / 2
            && let Some(middle) = median_in_place(buffer)
        {
            medians.push((start as f64, middle));
        }
    }
    if medians.len() < LEAST_WEEKS {
        return 0.0;
    }
    let values: Vec<f64> = medians.iter().map(|(_, value)| *value).collect();
    let Some(slope) = theil_sen_slope_of(&medians) else { return 0.0 };
    let mean = |of: fn(&(f64, f64)) -> f64| medians.iter().map(of).sum::<f64>() / medians.len() as f64;
    let (center, position) = (mean(|week| week.1), mean(|week| week.0));
    let rest: Vec<f64> = medians.iter().map(|(at, value)| value - center - slope * (at - position)).collect();
    let z = mann_kendall_z(&values, lag_one_autocorrelation(&rest));
    if z.abs() > SIGNIFICANT && center > 0.0 { slope / center } else { 0.0 }
}
