//! How other tools see the end of a month, from the daily totals of the same data: yardsticks of `forecast --backtest`.

use strum::{Display, IntoStaticStr, VariantArray};

use crate::analysis::stats::quantile_in_place;

/// A rule of another tool.
#[derive(Clone, Copy, Debug, Display, IntoStaticStr, PartialEq, Eq, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Peer {
    /// Month to date times the days of the month over the days so far.
    MonthToDate,
    /// OptScale: month to date, and for each day left the mean since the 1st of last month.
    OptScale,
    /// koku: a straight line (least squares) through the last 30 days, without outliers by their interquartile range.
    Koku,
}

/// Days of koku's line.
const LINE_DAYS: usize = 30;

impl Peer {
    /// The total of a month of `days` days. `costs` are daily, up to the last known day; `day` of them are of the month, and
    /// `before` of the month before it.
    pub(crate) fn month_total(self, costs: &[f64], day: usize, before: usize, days: usize) -> f64 {
        let to_date: f64 = costs[costs.len() - day.min(costs.len())..].iter().sum();
        let left = days.saturating_sub(day);
        match self {
            Peer::MonthToDate => to_date * days as f64 / day.max(1) as f64,
            Peer::OptScale => {
                let recent = &costs[costs.len().saturating_sub(day + before)..];
                to_date + recent.iter().sum::<f64>() / recent.len().max(1) as f64 * left as f64
            }
            Peer::Koku => {
                let (intercept, slope) = line(&costs[costs.len().saturating_sub(LINE_DAYS)..]);
                let ahead = (1..=left).map(|day| (intercept + slope * (LINE_DAYS + day) as f64 - slope).max(0.0));
                to_date + ahead.sum::<f64>()
            }
        }
    }
}

/// Least squares through values at 0, 1, 2 and so on, without those more than 1.5 interquartile ranges from the quartiles;
/// positions are counted from [`LINE_DAYS`] days before the end.
fn line(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    let quartile = |sorted: &mut Vec<f64>, q: f64| quantile_in_place(sorted, q).unwrap_or(0.0);
    let (low, high) = (quartile(&mut sorted, 0.25), quartile(&mut sorted, 0.75));
    let reach = 1.5 * (high - low);
    let offset = LINE_DAYS - values.len();
    let kept = values.iter().enumerate().filter(|(_, value)| (low - reach..=high + reach).contains(*value));
    let points: Vec<(f64, f64)> = kept.map(|(at, value)| ((at + offset) as f64, *value)).collect();
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope =
        if spread > 0.0 { points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread } else { 0.0 };
    (y - slope * x, slope)
}
