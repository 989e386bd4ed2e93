//! Money, percentages, counts and small charts as text.

/// `$1,234.50`, `-$3.10`, `1,234.50 CHF`: two decimals, thousands apart.
pub fn money(amount: f64, currency: &str) -> String {
    with_sign(amount, currency, "")
}

/// Like [`money`] with a plus sign on increases.
pub fn change(amount: f64, currency: &str) -> String {
    with_sign(amount, currency, "+")
}

fn with_sign(amount: f64, currency: &str, plus: &str) -> String {
    let cents = format!("{:.2}", amount.abs());
    let zero = cents == "0.00";
    let sign = match amount {
        _ if zero => "",
        amount if amount < 0.0 => "-",
        _ => plus,
    };
    let (whole, decimals) = cents.split_once('.').unwrap_or((&cents, "00"));
    let digits = grouped(whole);
    match currency {
        "USD" => format!("{sign}${digits}.{decimals}"),
        "EUR" => format!("{sign}€{digits}.{decimals}"),
        "GBP" => format!("{sign}£{digits}.{decimals}"),
        other => format!("{sign}{digits}.{decimals} {other}"),
    }
}

/// `334,911`
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `+12.3 %`; beyond a thousand without decimals; nothing as `-`.
pub fn percent(value: Option<f64>, signed: bool) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.abs() >= 1000.0 => format!("{}{value:.0} %", if signed && value > 0.0 { "+" } else { "" }),
        Some(value) if value.abs() < 0.05 => "0.0 %".into(),
        Some(value) => format!("{}{value:.1} %", if signed && value > 0.0 { "+" } else { "" }),
    }
}

/// A bar for each value, from 0 to the greatest; more than `width` values are averaged together.
pub fn sparkline(values: &[f64], width: usize) -> String {
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
    fn money_is_grouped_signed_and_never_minus_zero() {
        assert_eq!(money(1_234_567.891, "USD"), "$1,234,567.89");
        assert_eq!(money(-3.1, "USD"), "-$3.10");
        assert_eq!(money(-0.001, "USD"), "$0.00");
        assert_eq!(money(12.0, "CHF"), "12.00 CHF");
        assert_eq!(change(5.0, "EUR"), "+€5.00");
    }

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
