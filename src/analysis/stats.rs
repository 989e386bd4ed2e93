//! Robust statistics on slices.
//!
//! References: Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993) for the modified z-score
//! and its fallback; Theil (1950) and Sen (1968) for the slope; Mann (1945) and Kendall (1975) for its
//! significance, Hamed & Rao (1998) and Yue & Wang (2004) for what autocorrelation does to it; Park, Kim &
//! Wang (2020) for MAD of few values.

/// Scales MAD to the standard deviation of a normal distribution: the 0.75 quantile of N(0, 1).
const MAD_TO_SIGMA: f64 = 0.6745;
/// Scales the mean absolute deviation likewise: sqrt(pi / 2).
const MEAN_AD_TO_SIGMA: f64 = 1.253_314;
/// A hundredth of a cent: deviations below it are floating-point dust, not money.
const DUST: f64 = 0.000_1;
/// Robust standard deviations beyond which a value counts only as far as that (Dixon, 1960; Tukey, 1962).
const WINSOR_SIGMAS: f64 = 2.0;
/// The score of a change away from a constant baseline, which has no scale to measure it by.
pub(crate) const CONSTANT_BASELINE_SCORE: f64 = 10.0;

/// The median, reordering `values`; `None` when empty.
pub(crate) fn median_in_place(values: &mut [f64]) -> Option<f64> {
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
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    median_in_place(&mut values.to_vec())
}

/// The median absolute deviation from `center`, unscaled; `None` when empty.
pub(crate) fn median_absolute_deviation(values: &[f64], center: f64) -> Option<f64> {
    median_in_place(&mut values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>())
}

/// The standard deviation of a normal distribution with this median of absolute deviations `from` its
/// center, of `n` values: `1.4826 MAD n / (n - 0.8)`. `deviations` is reordered; `None` when empty.
pub(crate) fn robust_sigma(deviations: &mut [f64]) -> Option<f64> {
    let n = deviations.len() as f64;
    Some(median_in_place(deviations)? / MAD_TO_SIGMA * (n / (n - 0.8)))
}

/// The mean of values of which none counts as farther than [`WINSOR_SIGMAS`] robust standard deviations from their median, which reorders
/// them; 0 when empty.
pub(crate) fn winsorised_mean(values: &mut [f64]) -> f64 {
    let Some(middle) = median_in_place(values) else { return 0.0 };
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let reach = WINSOR_SIGMAS * 1.4826 * median_in_place(&mut deviations).unwrap_or(0.0);
    values.iter().map(|value| value.clamp(middle - reach, middle + reach)).sum::<f64>() / values.len() as f64
}

/// The smallest value that at least a share `q` of `values` does not exceed, reordering them; `None` when
/// empty.
pub(crate) fn quantile_in_place(values: &mut [f64], q: f64) -> Option<f64> {
    let n = values.len();
    let rank = (n as f64 * q).ceil().clamp(1.0, n.max(1) as f64) as usize - 1;
    (n > 0).then(|| *values.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// The Mann-Kendall statistic of `values` in order, as a standard normal score: S over the square root of
/// `n (n - 1) (2 n + 5) / 18`, divided by `sqrt((1 + phi) / (1 - phi))` for a lag-1 autocorrelation `phi` above
/// 0. Positive is rising. 0 for fewer than four values.
pub(crate) fn mann_kendall_z(values: &[f64], phi: f64) -> f64 {
    let n = values.len();
    if n < 4 {
        return 0.0;
    }
    let mut s = 0.0;
    for (i, first) in values.iter().enumerate() {
        for second in &values[i + 1..] {
            s += f64::from(i8::from(second > first) - i8::from(second < first));
        }
    }
    let n = n as f64;
    let phi = phi.clamp(0.0, 0.95);
    s / (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt() / ((1.0 + phi) / (1.0 - phi)).sqrt()
}

/// The Wilcoxon-Mann-Whitney statistic of `recent` against `before` as a standard normal score (Wilcoxon, 1945;
/// Mann & Whitney, 1947), without correction for ties; positive when the recent values are higher. 0 when either
/// is empty.
pub(crate) fn rank_sum_z(recent: &[f64], before: &[f64]) -> f64 {
    let (m, n) = (recent.len() as f64, before.len() as f64);
    let mut u = 0.0;
    for value in recent {
        for other in before {
            u += match value.total_cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    if m * n == 0.0 { 0.0 } else { (u - m * n / 2.0) / (m * n * (m + n + 1.0) / 12.0).sqrt() }
}

/// The lag-1 autocorrelation of `values` around their mean; 0 for fewer than five values or a constant.
pub(crate) fn lag_one_autocorrelation(values: &[f64]) -> f64 {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let square = |value: &f64| (value - mean).powi(2);
    let variance: f64 = values.iter().map(square).sum();
    if n < 5 || variance <= 0.0 {
        return 0.0;
    }
    values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / variance
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
pub(crate) fn modified_z(x: f64, baseline: &[f64], floor: f64) -> Option<f64> {
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
pub(crate) fn theil_sen_slope(values: &[f64]) -> Option<f64> {
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, value)| (i as f64, *value)).collect();
    theil_sen_slope_of(&points)
}

/// The same of (position, value) points in order of position, for steps of unequal length.
pub(crate) fn theil_sen_slope_of(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len();
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for (i, first) in points.iter().enumerate() {
        for second in &points[i + 1..] {
            slopes.push((second.1 - first.1) / (second.0 - first.0));
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

    /// `pymannkendall.original_test([1, 3, 2, 5, 7, 6, 30])` has z = 2.4029 after its continuity correction
    /// of 1 in S = 17; without it 17 / sqrt(44.33) = 2.5532.
    #[test]
    fn mann_kendall_matches_pymannkendall() {
        let z = mann_kendall_z(&[1.0, 3.0, 2.0, 5.0, 7.0, 6.0, 30.0], 0.0);
        assert!((z * 16.0 / 17.0 - 2.402_9).abs() < 1e-3, "{z}");
        assert!(mann_kendall_z(&[5.0; 9], 0.0).abs() < 1e-12);
        assert!(mann_kendall_z(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5) < mann_kendall_z(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.0));
    }

    /// `scipy.stats.mannwhitneyu([5, 6, 7], [1, 2, 3, 4])` has U = 12, whose standard score is 2.1213.
    #[test]
    fn rank_sum_matches_scipy() {
        let z = rank_sum_z(&[5.0, 6.0, 7.0], &[1.0, 2.0, 3.0, 4.0]);
        assert!((z - 6.0 / 8.0_f64.sqrt()).abs() < 1e-12, "{z}");
        assert_eq!(rank_sum_z(&[1.0; 5], &[1.0; 9]), 0.0);
        assert_eq!(rank_sum_z(&[], &[1.0]), 0.0);
    }

    /// `statsmodels.tsa.stattools.acf([1, 2, 3, 4, 5, 6, 7, 8])[1]` is 0.625.
    #[test]
    fn autocorrelation_matches_statsmodels() {
        let values: Vec<f64> = (1..=8).map(f64::from).collect();
        assert!((lag_one_autocorrelation(&values) - 0.625).abs() < 1e-12);
        assert_eq!(lag_one_autocorrelation(&[3.0; 8]), 0.0);
    }

    /// `numpy.quantile(range(1, 101), 0.95, method="inverted_cdf")` is 95.
    #[test]
    fn quantile_is_the_inverted_distribution_function() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile_in_place(&mut values, 0.95), Some(95.0));
        assert_eq!(quantile_in_place(&mut [], 0.95), None);
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
