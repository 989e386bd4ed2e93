//! Money, percentages, counts and small charts as text.

pub(crate) use crate::model::{amount_parts, change, count, money};

/// `+12.3 %`; beyond a thousand without decimals; nothing as `-`.
pub(crate) fn percent(value: Option<f64>, signed: bool) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.abs() >= 1000.0 => format!("{}{value:.0} %", if signed && value > 0.0 { "+" } else { "" }),
        Some(value) if value.abs() < 0.05 => "0.0 %".into(),
        Some(value) => format!("{}{value:.1} %", if signed && value > 0.0 { "+" } else { "" }),
    }
}

/// A bar for each value, from 0 to the greatest; more than `width` values are averaged together.
pub(crate) fn sparkline(values: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if values.is_empty() || width == 0 {
        return String::new();
    }
    let columns = values.len().min(width);
    let means: Vec<f64> = (0..columns)
        .map(|column| {
            let bucket = &values[column * values.len() / columns..(column + 1) * values.len() / columns];
            bucket.iter().sum::<f64>() / bucket.len() as f64
        })
        .collect();
    let greatest = means.iter().copied().fold(0.0, f64::max);
    let bar = |mean: &f64| {
        let level = if greatest > 0.0 { (mean.max(0.0) / greatest * 7.0).round() as usize } else { 0 };
        BARS[level.min(7)]
    };
    means.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_shorten_as_they_grow() {
        assert_eq!(percent(Some(12.34), true), "+12.3 %");
        assert_eq!(percent(Some(-0.01), true), "0.0 %");
        assert_eq!(percent(Some(12_345.6), true), "+12346 %");
        assert_eq!(percent(None, true), "-");
    }

    #[test]
    fn sparklines_start_at_zero() {
        assert_eq!(sparkline(&[0.0, 5.0, 10.0], 10), "▁▅█");
        assert_eq!(sparkline(&[1.0, 1.0, 3.0, 3.0], 2), "▃█");
        assert_eq!(sparkline(&[0.0], 5), "▁");
    }
}
