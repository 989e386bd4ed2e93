//! Amounts and counts as text.

use crate::inert;

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
        other => format!("{sign}{digits}.{decimals} {}", inert::one_line(other)),
    }
}

/// The number of a text that [`money`], [`change`], [`count`] or a percentage wrote, with its sign and decimals, and its unit: `+$1,234.50`
/// is `1234.50` and `USD`, `12.3 %` is `12.3` and `%`, `334,911` has no unit. Nothing where the text is none of these.
pub fn parts(text: &str) -> Option<(String, &str)> {
    let signed = text.trim();
    let (sign, rest) = signed.strip_prefix('-').map_or(("", signed.trim_start_matches('+')), |rest| ("-", rest));
    let symbols = [('$', "USD"), ('€', "EUR"), ('£', "GBP")];
    let known = symbols.iter().find_map(|(symbol, currency)| Some((rest.strip_prefix(*symbol)?, *currency)));
    let (digits, unit) = known.unwrap_or_else(|| rest.split_once(' ').unwrap_or((rest, "")));
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.');
    let number = format!("{sign}{}", digits.replace(',', ""));
    (is_number && number.parse::<f64>().is_ok()).then_some((number, unit))
}

/// At most `most` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `334,911`
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Bytes as a person reads them, in powers of 1000.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Digits with a comma between thousands.
pub fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    fn amounts_are_read_as_they_are_written() {
        for currency in ["USD", "EUR", "GBP", "CHF"] {
            for amount in [0.0, -3.1, 1_234_567.891, 12.0] {
                for text in [money(amount, currency), change(amount, currency)] {
                    let (number, unit) = parts(&text).expect("an amount");
                    assert_eq!((number, unit), (format!("{amount:.2}"), currency), "{text}");
                }
            }
        }
        assert_eq!(parts("-12.3 %"), Some(("-12.3".into(), "%")));
        assert_eq!(parts(&count(334_911)), Some(("334911".into(), "")));
        for text in ["", "-", "2026-03-01", "i-0abc", "$", "1.2.3", "=1+1"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
