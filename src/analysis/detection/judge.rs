//! The entrance of detection: series in, a verdict for each day out.

use rayon::prelude::*;

use super::{
    baselines,
    cross_series::{CrossSeriesShift, cross_series_shifts},
    incomplete::{BillDays, incomplete_days},
    robust,
    settings::Parameters,
    verdict::Verdict,
};
use crate::model::{Method, Period, Series};

/// What is known of the days of series, and shifts that many of them share.
pub(crate) struct Judged {
    /// One for each day of each series; `None` where a day cannot be judged.
    pub verdicts: Vec<Vec<Option<Verdict>>>,
    pub shifts: Vec<CrossSeriesShift>,
    /// Days of series that were not judged because the account's bill was not whole.
    pub incomplete: Vec<Vec<bool>>,
}

/// Judges every day of each series as if it were the newest: nothing after a day is used.
///
/// `accounts[i]` is a number that series of the same account share; `bills[i]` are the days of the bills of `series[i]`;
/// `period` are the days whose cross-series shifts matter.
pub(crate) fn judge(
    series: &[Series],
    accounts: &[usize],
    bills: &[&BillDays],
    period: Period,
    parameters: &Parameters,
) -> Judged {
    let tuning = &parameters.tuning;
    if parameters.method != Method::Robust {
        let incomplete: Vec<Vec<bool>> = series.iter().map(|one| vec![false; one.values.len()]).collect();
        return Judged { verdicts: verdicts(series, &incomplete, bills, parameters), shifts: Vec::new(), incomplete };
    }
    let start = bills.iter().map(|bill| bill.first_day).min().unwrap_or(period.start);
    let whole = Period { start, end: period.end };
    let incomplete = incomplete_days(series, accounts, bills, whole, tuning.late_days);
    let mut verdicts = verdicts(series, &incomplete, bills, parameters);
    let shifts = cross_series_shifts(series, &mut verdicts, period, tuning.cross_series_share);
    Judged { verdicts, shifts, incomplete }
}

/// One verdict for each day of each series, by itself; `incomplete[i]` are the days of `series[i]` that say nothing.
pub(crate) fn verdicts(
    series: &[Series],
    incomplete: &[Vec<bool>],
    bills: &[&BillDays],
    parameters: &Parameters,
) -> Vec<Vec<Option<Verdict>>> {
    if parameters.method != Method::Robust {
        return series.par_iter().map(|one| baselines::verdicts(one, parameters)).collect();
    }
    let all = series.par_iter().zip(incomplete.par_iter().zip(bills));
    all.map_init(
        || robust::Judge::new(parameters),
        |judge, (one, (incomplete, bill))| judge.verdicts(one, incomplete, bill.first_day),
    )
    .collect()
}
