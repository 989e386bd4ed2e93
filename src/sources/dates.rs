//! Dates as people write them, made into ISO text in SQL. It knows forms and orders; which of them a file has
//! is decided in `forms`.

use chrono::{Datelike, Days, Months, NaiveDate};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of day, month and year where a date is all digits and does not begin with a year of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// Month, day, year: 10/15/2026
    Mdy,
    /// Day, month, year: 15/10/2026
    Dmy,
    /// Year, month, day: 26-10-15
    Ymd,
}

impl DateOrder {
    pub const ALL: [DateOrder; 3] = [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd];

    /// How the flag and the configuration spell it.
    pub fn word(self) -> &'static str {
        match self {
            DateOrder::Mdy => "mdy",
            DateOrder::Dmy => "dmy",
            DateOrder::Ymd => "ymd",
        }
    }
}

/// What an error tells its reader to write.
pub(crate) const ACCEPTED: &str = "dates are read as 2026-10-15 (with a time and an offset, if there are any), 20261015, 2026/10/15, \
     15.10.2026, 15-Oct-2026, Oct 15, 2026, and as 10/15/2026 or 15/10/2026 where the file decides between them";

/// The first day that a bill may have: no cloud is older.
pub(crate) const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// The last day that a bill of `today` may have: commitments are dated ahead, but not by more than two years.
pub(crate) fn last_day(today: NaiveDate) -> NaiveDate {
    today.checked_add_months(Months::new(24)).unwrap_or(NaiveDate::MAX)
}

/// The names of months by their first three letters, each at three times its number.
const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
const MONTH: &str = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?";
/// `Thu, ` before a date.
const WEEKDAY: &str = "(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\\.?,? +)?";

/// SQL that makes ISO text of the text `value`, where it has one of the accepted forms; the rest stays as it
/// is. Digits that do not say their order are taken in `order`, or stay as they are without one.
pub(crate) fn iso_text(value: &str, order: Option<DateOrder>) -> String {
    let trimmed = format!("trim({value})");
    let mut sql = month_names(&trimmed);
    let mut replace = |pattern: &str, by: &str| sql = format!("regexp_replace({sql}, '{pattern}', '{by}')");
    replace(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(\D.*)?$", r"\1-\2-\3\4");
    replace(r"^(\d{4})(\d\d)(\d\d)([Tt ].*)?$", r"\1-\2-\3\4");
    // AWS's `20261001T000000.000Z`.
    replace(r"^(\d{4}-\d\d-\d\d)[Tt](\d\d)(\d\d)(\d\d)(\D.*)?$", r"\1T\2:\3:\4\5");
    replace(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})(\D.*)?$", r"\3-\2-\1\4");
    match order {
        Some(DateOrder::Mdy) => {
            replace(r"^(\d{1,2})\.(\d{1,2})\.(\d\d)(\D.*)?$", r"20\3-\2-\1\4");
            replace(r"^(\d{1,2})[-/](\d{1,2})[-/](\d{4})(\D.*)?$", r"\3-\1-\2\4");
            replace(r"^(\d{1,2})[-/](\d{1,2})[-/](\d\d)(\D.*)?$", r"20\3-\1-\2\4");
        }
        Some(DateOrder::Dmy) => {
            replace(r"^(\d{1,2})[-/](\d{1,2})[-/](\d{4})(\D.*)?$", r"\3-\2-\1\4");
            replace(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d\d)(\D.*)?$", r"20\3-\2-\1\4");
        }
        Some(DateOrder::Ymd) => replace(r"^(\d\d)[-/.](\d{1,2})[-/.](\d{1,2})(\D.*)?$", r"20\1-\2-\3\4"),
        None => {}
    }
    // The time: one blank before it, a point before its fraction, `Z` for each name of UTC.
    replace(r"^(\d{4}-\d{1,2}-\d{1,2})(?:[Tt]|, *| +)(\d)", r"\1 \2");
    replace(r"(:\d\d),(\d+)", r"\1.\2");
    replace(r"(\d) *(?:[Zz]|UTC|GMT|UT)$", r"\1Z");
    of_half_days(&sql)
}

/// Whether a text is a date whose year has two digits, in SQL.
pub(crate) fn has_short_year(value: &str) -> String {
    format!(
        r"regexp_matches(trim({value}), '^(\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(\D.*)?$)|^\d{{1,2}}[- ./]?(?i:{MONTH})[- ./,]*\d\d(\D.*)?$')"
    )
}

/// The instant of ISO text in SQL as TIMESTAMP in UTC; NULL for all else. Stricter than a cast of DuckDB, which takes
/// `1/5/26` for a day of the year 1.
pub(crate) fn instant(iso: &str) -> String {
    once(
        iso,
        "i",
        r"CASE WHEN regexp_full_match(i, '\d{4}-\d{1,2}-\d{1,2}(?:[T ]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[-+]\d\d(?::?\d\d)?|Z)?|Z)?') THEN CAST(TRY_CAST(i AS TIMESTAMPTZ) AS TIMESTAMP) END",
    )
}

/// SQL of `of`, in which `name` stands for `value`. Written out, a value that is made in steps would be there a hundred times, and
/// DuckDB would take seconds to plan a look at one row.
fn once(value: &str, name: &str, of: &str) -> String {
    format!("list_transform([{value}], lambda {name}: {of})[1]")
}

/// Whether an instant in SQL is within the days that a bill may have. A year of two digits is one of the last ten.
pub(crate) fn in_range(instant: &str, short_year: &str, today: NaiveDate) -> String {
    let last = last_day(today);
    let end = last.checked_add_days(Days::new(1)).unwrap_or(last);
    let within = format!(
        "(d >= TIMESTAMP '{FIRST_DAY}' AND d < TIMESTAMP '{end}' AND (NOT ({short_year}) OR year(d) >= {}))",
        today.year() - 10
    );
    once(instant, "d", &within)
}

/// `15-Oct-2026`, `Oct 15, 2026` and `2026-Oct-15` with the number of the month; a year of two digits is the last part.
fn month_names(text: &str) -> String {
    let number = format!("CAST((instr('{MONTHS}', lower(regexp_extract(m, '(?i){MONTH}', 1))) + 2) // 3 AS VARCHAR)");
    let forms = [
        (format!(r"(?i)^{WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th)?[- ./]*{MONTH}[- ./,]*(\d{{4}})(\D.*)?$"), [3, 1, 4], ""),
        (format!(r"(?i)^{WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th)?[- ./]*{MONTH}[- ./,]*(\d\d)(\D.*)?$"), [3, 1, 4], "20"),
        (format!(r"(?i)^{WEEKDAY}{MONTH}[- ./]*(\d{{1,2}})(?:st|nd|rd|th)?[- ./,]+(\d{{4}})(\D.*)?$"), [3, 2, 4], ""),
        (format!(r"(?i)^(\d{{4}})[- ./]*{MONTH}[- ./]*(\d{{1,2}})(\D.*)?$"), [1, 3, 4], ""),
    ];
    let whens = forms.map(|(pattern, [year, day, rest], century)| {
        format!(
            "WHEN regexp_matches(m, '{pattern}') THEN regexp_replace(m, '{pattern}', \
             '{century}\\{year}-' || {number} || '-\\{day}\\{rest}')"
        )
    });
    once(text, "m", &format!("CASE {} ELSE m END", whens.join(" ")))
}

/// `9:05 PM` as `21:05:00`.
fn of_half_days(text: &str) -> String {
    let marked = r"regexp_replace(h, '(?i)(\d) *([ap])\.?m\.?$', '\1 \2M')";
    let half_days = format!(
        "CASE WHEN regexp_matches(h, '(?i)\\d *[ap]\\.?m\\.?$') THEN COALESCE(strftime(try_strptime(upper({marked}), \
         ['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M:%S.%f %p', '%Y-%m-%d %I:%M %p', '%Y-%m-%d %I %p']), \
         '%Y-%m-%d %H:%M:%S'), h) ELSE h END"
    );
    once(text, "h", &half_days)
}
