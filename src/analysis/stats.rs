//! Robust statistics on slices.
//!
//! References: Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993) for the modified z-score
//! and its fallback; Theil (1950) and Sen (1968) for the slope.

/// Scales MAD to the standard deviation of a normal distribution: the 0.75 quantile of N(0, 1).
const MAD_TO_SIGMA: f64 = 0.6745;
/// Scales the mean absolute deviation likewise: sqrt(pi / 2).
const MEAN_AD_TO_SIGMA: f64 = 1.253_314;
/// A hundredth of a cent: deviations below it are floating-point dust, not money.
const DUST: f64 = 0.000_1;
/// The score of a change away from a constant baseline, which has no scale to measure it by.
pub const CONSTANT_BASELINE_SCORE: f64 = 10.0;

/// The median, reordering `values`; `None` when empty.
pub fn median_in_place(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    Some(f64::midpoint(lower, upper))
}

/// The median; `None` when empty.
pub fn median(values: &[f64]) -> Option<f64> {
    median_in_place(&mut values.to_vec())
}

/// The median absolute deviation from `center`, unscaled; `None` when empty.
pub fn median_absolute_deviation(values: &[f64], center: f64) -> Option<f64> {
    median_in_place(&mut values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>())
}

/// The score of `x` against `baseline`, in units of the modified z-score (about standard deviations).
///
/// - MAD > 0: `0.6745 (x - median) / MAD`.
/// - MAD = 0, more than half of the baseline being equal: `(x - median) / (1.253314 meanAD)`,
/// - and where that is 0 too, the baseline being constant: plus or minus [`CONSTANT_BASELINE_SCORE`].
///
/// In both fallbacks a deviation of at most `floor` (in the unit of `x`) scores 0, since a baseline
/// without spread makes every cent look far away. MAD and deviations below a hundredth of a cent count
/// as 0. `None` when the baseline is empty.
pub fn modified_z(x: f64, baseline: &[f64], floor: f64) -> Option<f64> {
    let center = median(baseline)?;
    let mad = median_absolute_deviation(baseline, center)?;
    let deviation = x - center;
    if mad >= DUST {
        return Some(MAD_TO_SIGMA * deviation / mad);
    }
    if deviation.abs() <= floor.max(DUST) {
        return Some(0.0);
    }
    let mean_ad = baseline.iter().map(|value| (value - center).abs()).sum::<f64>() / baseline.len() as f64;
    if mean_ad >= DUST {
        return Some(deviation / (MEAN_AD_TO_SIGMA * mean_ad));
    }
    Some(CONSTANT_BASELINE_SCORE.copysign(deviation))
}

/// The Theil-Sen slope per step of equally spaced `values`: the median of all pairwise slopes.
/// O(n²) in time and memory; windows are weeks. `None` with fewer than two values.
pub fn theil_sen_slope(values: &[f64]) -> Option<f64> {
    let n = values.len();
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for (i, first) in values.iter().enumerate() {
        for (j, second) in values.iter().enumerate().skip(i + 1) {
            slopes.push((second - first) / (j - i) as f64);
        }
    }
    median_in_place(&mut slopes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    /// `scipy.stats.median_abs_deviation([1, 1, 2, 2, 4, 6, 9])` is 1.0; the standard textbook example.
    #[test]
    fn mad_of_the_textbook_example() {
        assert_eq!(median_absolute_deviation(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], 2.0), Some(1.0));
    }

    #[test]
    fn z_is_iglewicz_and_hoaglins() {
        let z = modified_z(9.0, &[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], 0.0).expect("baseline");
        assert!((z - 0.6745 * 7.0).abs() < 1e-12);
    }

    #[test]
    fn mad_zero_falls_back_to_the_mean_absolute_deviation() {
        let baseline = [10.0, 10.0, 10.0, 10.0, 15.0];
        let z = modified_z(20.0, &baseline, 1.0).expect("baseline");
        assert!((z - 10.0 / (1.253_314 * 1.0)).abs() < 1e-9);
        assert_eq!(modified_z(10.5, &baseline, 1.0), Some(0.0), "within the floor");
    }

    #[test]
    fn constant_baseline_scores_at_the_cap() {
        assert_eq!(modified_z(20.0, &[10.0; 5], 1.0), Some(10.0));
        assert_eq!(modified_z(0.0, &[10.0; 5], 1.0), Some(-10.0));
        assert_eq!(modified_z(10.000_01, &[10.0; 5], 0.0), Some(0.0), "dust");
    }

    /// `scipy.stats.theilslopes([1, 3, 2, 5, 7, 6, 30])[0]` is 1.5.
    #[test]
    fn slope_matches_scipy_and_ignores_one_outlier() {
        let slope = theil_sen_slope(&[1.0, 3.0, 2.0, 5.0, 7.0, 6.0, 30.0]).expect("values");
        assert!((slope - 1.5).abs() < 1e-12, "{slope}");
        assert_eq!(theil_sen_slope(&[1.0]), None);
    }

    proptest! {
        #[test]
        fn median_splits_in_halves(values in prop::collection::vec(-1e6..1e6f64, 1..60)) {
            let center = median(&values).expect("not empty");
            let below = values.iter().filter(|value| **value < center).count();
            let above = values.iter().filter(|value| **value > center).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }

        #[test]
        fn z_is_free_of_scale_and_odd(values in prop::collection::vec(1.0..1e3f64, 5..30), x in 1.0..1e3f64, scale in 0.5..20.0f64) {
            let z = modified_z(x, &values, 0.0).expect("baseline");
            let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();
            let z_scaled = modified_z(x * scale, &scaled, 0.0).expect("baseline");
            prop_assert!((z - z_scaled).abs() <= 1e-6 * z.abs().max(1.0));
            let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
            let z_mirrored = modified_z(-x, &mirrored, 0.0).expect("baseline");
            prop_assert!((z + z_mirrored).abs() <= 1e-9 * z.abs().max(1.0));
        }

        #[test]
        fn slope_of_a_line_is_its_slope(intercept in -1e3..1e3f64, slope in -50.0..50.0f64, n in 2usize..40) {
            let values: Vec<f64> = (0..n).map(|i| intercept + slope * i as f64).collect();
            let found = theil_sen_slope(&values).expect("values");
            prop_assert!((found - slope).abs() < 1e-6);
        }
    }
}
