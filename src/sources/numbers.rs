//! Numbers as people write them, made into plain digits in SQL: `$1,234.56`, `1.234,56`, `(3.00)`, `3.00-`.
//! Whether a comma is the decimal sign is decided in `forms`, from the whole column.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sign before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// 1,234.56
    Point,
    /// 1.234,56
    Comma,
}

impl Decimal {
    /// How the flag and the configuration spell it.
    pub fn word(self) -> &'static str {
        match self {
            Decimal::Point => "point",
            Decimal::Comma => "comma",
        }
    }

    /// The sign itself, and the one between thousands, as they stand in a regular expression.
    fn signs(self) -> (&'static str, &'static str) {
        match self {
            Decimal::Point => (r"\.", ","),
            Decimal::Comma => (",", r"\."),
        }
    }
}

/// What an error tells its reader to write.
pub(crate) const ACCEPTED: &str = "numbers are read as 1234.56, and as $1,234.56, 1.234,56, (3.00) or 3.00- where the column decides what its commas are";

/// Numbers from here on do not fit the sums of the database, which are exact to 12 decimals.
pub(crate) const LIMIT: &str = "1e26";

/// Codes of ISO 4217 that bills are in.
pub(crate) const CURRENCIES: [&str; 54] = [
    "USD", "EUR", "GBP", "JPY", "CNY", "INR", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF",
    "RON", "BGN", "TRY", "ILS", "ZAR", "BRL", "MXN", "ARS", "CLP", "COP", "PEN", "KRW", "TWD", "HKD", "SGD", "THB",
    "IDR", "MYR", "PHP", "VND", "AED", "SAR", "QAR", "KWD", "EGP", "NGN", "KES", "UAH", "RUB", "KZT", "ISK", "MAD",
    "PKR", "BDT", "LKR", "CRC", "UYU", "BHD",
];

/// A sign of a currency, or its code.
fn currency() -> String {
    format!(r"(?:(?:US|CA|C|AU|A|NZ|HK|S|NT|MX|R)?\p{{Sc}}|{})", CURRENCIES.join("|"))
}

/// The code or sign of the currency in a text, in SQL; blank where there is none.
pub(crate) fn currency_in(value: &str) -> String {
    format!("regexp_extract({value}, '{}')", currency())
}

/// SQL of the text `value` without blanks and signs of currencies, with a minus before what is negative.
pub(crate) fn bare_text(value: &str) -> String {
    let blank = r"[\s\x{00a0}\x{2009}\x{202f}''\x{2019}]";
    let currency = currency();
    let mut sql = format!("trim({value})");
    let mut replace = |pattern: &str, by: &str| sql = format!("regexp_replace({sql}, '{pattern}', '{by}')");
    replace(r"^\x{2212}", "-");
    replace(&format!(r"^([-+(]?){blank}*{currency}{blank}*([-+]?.*[-\d].*)$"), r"\1\2");
    replace(&format!(r"^(.*[-\d].*?){blank}*{currency}{blank}*([-)]?)$"), r"\1\2");
    // Blanks and apostrophes between thousands; twice, for each takes the digit before it.
    replace(&format!(r"^([-+(]?){blank}+"), r"\1");
    let thousands = format!(r"(\d){blank}(\d{{3}})");
    for _ in 0..2 {
        sql = format!(r"regexp_replace({sql}, '{thousands}', '\1\2', 'g')");
    }
    let mut replace = |pattern: &str, by: &str| sql = format!("regexp_replace({sql}, '{pattern}', '{by}')");
    replace(r"^\(([^-+].*)\)$", r"-\1");
    replace(r"^([^-+].*\d) *[-\x{2212}]$", r"-\1");
    // What accountants write for nothing.
    replace(r"^-$", "");
    sql
}

/// Whether a bare text is a number by `decimal`, in SQL.
pub(crate) fn is_number(bare: &str, decimal: Decimal) -> String {
    let (point, comma) = decimal.signs();
    format!(
        r"regexp_full_match({bare}, '[-+]?(?:\d+|\d{{1,3}}(?:{comma}\d{{2,3}})*{comma}\d{{3}})(?:{point}\d*)?(?:[eE][-+]?\d+)?|[-+]?{point}\d+(?:[eE][-+]?\d+)?')"
    )
}

/// Whether a bare text can only be by `decimal`: `1,234.56`, `12.5`, `0.125` and `1234.567` have points.
pub(crate) fn shows(bare: &str, decimal: Decimal) -> String {
    let other = if decimal == Decimal::Point { Decimal::Comma } else { Decimal::Point };
    let is_one = is_number(bare, decimal);
    let is_other = is_number(bare, other);
    let (point, _) = decimal.signs();
    // `0.125` could be no thousands either.
    format!("({is_one} AND (NOT {is_other} OR regexp_matches({bare}, '^[-+]?0{point}')))")
}

/// SQL of the plain digits of a bare text by `decimal`; what is no number stays as it is.
pub(crate) fn plain_text(bare: &str, decimal: Decimal) -> String {
    let digits = match decimal {
        Decimal::Point => format!("replace({bare}, ',', '')"),
        Decimal::Comma => format!("replace(replace({bare}, '.', ''), ',', '.')"),
    };
    format!("CASE WHEN {} THEN {digits} ELSE {bare} END", is_number(bare, decimal))
}
