//! Intervals from errors that were made before, without assuming how errors are distributed: split conformal prediction
//! (Vovk, Gammerman & Shafer, 2005; Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, 2018).

/// The half-width, relative to the forecast, that the next error stays within with a probability of at least `level`, when
/// errors are exchangeable: the `ceil((n + 1) level)`-th smallest of `n` absolute relative errors, which are reordered. None
/// when there are too few for that level: it takes `n >= level / (1 - level)`.
pub(crate) fn half_width(errors: &mut [f64], level: f64) -> Option<f64> {
    let rank = rank(errors.len(), level)?;
    errors.iter_mut().for_each(|error| *error = error.abs());
    Some(*errors.select_nth_unstable_by(rank - 1, f64::total_cmp).1)
}

/// How many errors a level takes.
pub(crate) fn least_errors(level: f64) -> usize {
    (1..).find(|count| rank(*count, level).is_some()).unwrap_or(usize::MAX)
}

/// The rank of the quantile, from 1.
fn rank(count: usize, level: f64) -> Option<usize> {
    // 0.8 of 10 is 8, whatever the last bit of the product says.
    let rank = ((count + 1) as f64 * level - 1e-9).ceil() as usize;
    (1..=count).contains(&rank).then_some(rank)
}
