//! Whether every figure of an answer is one that a tool gave. A figure may be rounded as it is shown: `$1,234` is 1233.61,
//! `$1,234.5` is not. Days must be days of the data, names with digits must be names of it, and numbers in words are numbers.

use std::{collections::BTreeSet, ops::Range};

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::words::spelled;

/// What is shown in the place of a figure that no tool gave.
const WITHHELD: &str = "[withheld]";
/// Names that are as short are words of the trade: EC2, S3, gp3, IPv4.
const SHORT_NAME: usize = 4;
/// Percentage points by which something is about doubled.
const ABOUT: f64 = 7.0;
/// Errors of sums in binary, relative to what is summed.
const NOISE: f64 = 1e-12;

/// What may be said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    numbers: Vec<f64>,
    /// Those that are shares: `change_pct`, `71 %`.
    percents: Vec<f64>,
    days: BTreeSet<NaiveDate>,
    /// All texts in small letters, in which names are looked for.
    texts: String,
}

/// A part of an answer that no tool gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offender {
    pub place: Range<usize>,
    pub text: String,
}

/// What a word of an answer claims.
enum Claim {
    Nothing,
    Day(NaiveDate),
    Month(i32, u32),
    /// A number as it is shown: its value, the size of its last digit, and whether it is money or a share.
    Number {
        value: f64,
        unit: f64,
        is_exact: bool,
        is_percent: bool,
        /// Digits alone, as days and years are written.
        is_bare: bool,
    },
    Name,
    Unreadable,
}

impl Known {
    /// Takes all figures, days and names of a result; the lengths of its lists, too: "five incidents" is a figure.
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.numbers.extend(number.as_f64()),
            Value::String(text) => self.learn_text(text),
            Value::Array(values) => {
                self.numbers.push(values.len() as f64);
                values.iter().for_each(|value| self.learn(value));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.learn_text(name);
                    self.percents.extend(value.as_f64().filter(|_| name.ends_with("_pct")));
                    self.learn(value);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// Takes what a text says.
    pub(crate) fn learn_text(&mut self, text: &str) {
        let words = words(text);
        for (index, (word, _)) in words.iter().enumerate() {
            let after = words.get(index + 1).map(|(word, _)| *word);
            for part in parts(word) {
                match claim(part, after) {
                    Claim::Day(day) => _ = self.days.insert(day),
                    Claim::Month(year, month) => self.days.extend(NaiveDate::from_ymd_opt(year, month, 1)),
                    Claim::Number { value, is_percent, .. } => {
                        self.numbers.push(value);
                        self.percents.extend(is_percent.then_some(value));
                    }
                    Claim::Nothing | Claim::Name | Claim::Unreadable => {}
                }
            }
        }
        self.texts += &format!("{}\n", text.to_lowercase());
    }

    /// Whether a number, as it is written, is one of those known.
    pub(crate) fn has_number(&self, text: &str) -> bool {
        match claim(text.trim(), None) {
            Claim::Number { value, unit, .. } => self.has(value, unit, false),
            _ => false,
        }
    }

    /// Whether a text is in what is known.
    pub(super) fn texts(&self) -> &str {
        &self.texts
    }

    /// The parts of an answer that nobody gave, in order.
    pub(crate) fn offenders(&self, answer: &str) -> Vec<Offender> {
        let words = words(answer);
        let mut found = Vec::new();
        for (index, (word, place)) in words.iter().enumerate() {
            let neighbour = |step: isize| words.get(index.checked_add_signed(step)?).map(|(word, _)| *word);
            let is_of_list = is_at_line_start(answer, place.start)
                && answer[place.end..].starts_with(['.', ')'])
                && word.len() <= 2
                && word.bytes().all(|byte| byte.is_ascii_digit());
            // A number is a number, also where it is a part of somebody's name; `network` does not say `two`.
            let is_number =
                matches!(claim(word, None), Claim::Number { .. }) || spelled(&word.to_lowercase()).is_some();
            let is_name = !is_number
                && word.chars().any(char::is_alphabetic)
                && word.chars().count() > 2
                && self.texts.contains(&word.to_lowercase());
            if is_of_list || is_name {
                continue;
            }
            let is_fine = |part: &str| self.allows(part, neighbour(-1), neighbour(1));
            if !parts(word).iter().all(|part| is_fine(part)) {
                found.push(Offender { place: place.clone(), text: (*word).to_owned() });
            }
        }
        found
    }

    fn allows(&self, word: &str, before: Option<&str>, after: Option<&str>) -> bool {
        match claim(word, after) {
            Claim::Nothing => self.allows_word(&word.to_lowercase(), after),
            Claim::Day(day) => self.days.contains(&day),
            Claim::Month(year, month) => self.days.iter().any(|day| (day.year(), day.month()) == (year, month)),
            Claim::Name => {
                word.chars().count() <= SHORT_NAME && word.starts_with(char::is_alphabetic)
                    || self.texts.contains(&word.to_lowercase())
            }
            Claim::Unreadable => false,
            Claim::Number { value, unit, is_exact, is_percent, is_bare } => {
                let is_day = is_bare.then(|| self.is_day_of_month(value, unit, before, after)).flatten();
                if let Some(is_day) = is_day {
                    return is_day;
                }
                // A share may be kept as one of 1.
                let is_share = || is_percent && self.has(value / 100.0, unit / 100.0, false);
                self.has(value, unit, is_exact) || is_share()
            }
        }
    }

    /// Whether `5` is the 5th of a month that is beside it, and there is such a day. None where no month is beside it.
    fn is_day_of_month(&self, value: f64, unit: f64, before: Option<&str>, after: Option<&str>) -> Option<bool> {
        if unit != 1.0 || value.fract() != 0.0 {
            return None;
        }
        let month = before.and_then(month_of).or(after.and_then(month_of));
        let number = value as i32;
        // A year without data may be what was asked for.
        if (2000..2200).contains(&number) && self.days.iter().any(|day| day.year() == number) {
            return Some(true);
        }
        let month = month.filter(|_| (1..=31).contains(&number))?;
        Some(self.days.iter().any(|day| (day.month(), day.day()) == (month, number.unsigned_abs())))
    }

    /// Numbers in words.
    fn allows_word(&self, word: &str, after: Option<&str>) -> bool {
        let has = |number: f64| self.has(number, 1.0, true);
        match spelled(word) {
            None => true,
            // `the third one`, `this quarter`: they are shares only of something.
            Some(share) if share < 1.0 => {
                !after.is_some_and(|after| after.eq_ignore_ascii_case("of")) || has(share * 100.0)
            }
            Some(number)
                if ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"].contains(&word) =>
            {
                has(number)
            }
            Some(number) if ["twice", "thrice", "pair", "couple"].contains(&word) => has(number),
            // `doubled` is 100 % more, about.
            Some(times) if times <= 4.0 => {
                self.percents.iter().any(|known| (known - (times - 1.0) * 100.0).abs() <= ABOUT)
            }
            Some(number) => has(number),
        }
    }

    /// Whether a number with a last digit of this size is one of those known, or of what they are without their sign. A
    /// count is the number itself; it is not rounded.
    fn has(&self, value: f64, unit: f64, is_count: bool) -> bool {
        self.numbers.iter().any(|known| {
            let (known, value) = (known.abs(), value.abs());
            let allowed = if is_count { 0.0 } else { unit / 2.0 };
            (known - value).abs() <= allowed + NOISE * known.max(1.0)
        })
    }
}

/// An answer with what nobody gave taken out, visibly.
pub(crate) fn withhold(answer: &str, offenders: &[Offender]) -> String {
    let mut text = answer.to_owned();
    for offender in offenders.iter().rev() {
        text.replace_range(offender.place.clone(), WITHHELD);
    }
    text
}

/// The words of a text with their places, without what stands around them.
fn words(text: &str) -> Vec<(&str, Range<usize>)> {
    let is_between = |c: char| c.is_whitespace() || "()[]{}<>|;\"`*_~—=".contains(c);
    let mut found = Vec::new();
    let mut start = 0;
    let mut add = |start: usize, end: usize| {
        let word = &text[start..end];
        let keeps = |c: char| c.is_alphanumeric() || "$€£¥%".contains(c);
        let (Some(first), Some(last)) = (
            word.find(|c: char| keeps(c) || "+-−".contains(c)),
            word.rfind(keeps).map(|last| last + word[last..].chars().next().map_or(0, char::len_utf8)),
        ) else {
            return;
        };
        if first < last {
            found.push((&word[first..last], start + first..start + last));
        }
    };
    for (at, character) in text.char_indices().filter(|(_, character)| is_between(*character)) {
        add(start, at);
        start = at + character.len_utf8();
    }
    add(start, text.len());
    found
}

/// The parts of a word that claim something each: `2026-03-01..2026-03-07`, `$5/day`, `12–15`.
fn parts(word: &str) -> Vec<&str> {
    word.split("..").flat_map(|part| part.split(['→', '–', '/', '…'])).filter(|part| !part.is_empty()).collect()
}

fn is_at_line_start(text: &str, place: usize) -> bool {
    text[..place].rsplit('\n').next().is_none_or(|before| before.trim_matches(['-', '#', ' ', '*', '>']).is_empty())
}

/// What a word claims, with the one after it: `71 %`.
fn claim(word: &str, after: Option<&str>) -> Claim {
    if !word.chars().any(char::is_numeric) {
        return Claim::Nothing;
    }
    if let Ok(day) = word.get(..10).unwrap_or_default().parse::<NaiveDate>()
        && word[10..].chars().next().is_none_or(|next| next == 'T')
    {
        return Claim::Day(day);
    }
    if let Some((year, month)) = word.split_once('-')
        && year.len() == 4
        && month.len() == 2
        && let (Ok(year), Ok(month)) = (year.parse(), month.parse())
        && (1..=12).contains(&month)
    {
        return Claim::Month(year, month);
    }
    let is_sign = |c: char| "+-−$€£¥~≈".contains(c);
    let bare = word.trim_start_matches(is_sign);
    let has_currency = word.starts_with(|c: char| "$€£¥".contains(c))
        || word[..word.len() - bare.len()].contains(['$', '€', '£', '¥']);
    let end = bare.find(|c: char| !(c.is_ascii_digit() || ",.".contains(c))).unwrap_or(bare.len());
    let (digits, suffix) = bare.split_at(end);
    let (scale, is_percent, is_plain) = match suffix.to_lowercase().as_str() {
        "" => (1.0, false, true),
        "%" => (1.0, true, false),
        "k" => (1e3, false, false),
        "m" | "mn" => (1e6, false, false),
        "bn" => (1e9, false, false),
        "x" | "×" | "usd" | "eur" | "gbp" | "h" | "gb" | "tb" | "s" | "ms" | "d" => (1.0, false, false),
        "st" | "nd" | "rd" | "th" | "-day" | "-days" | "-month" | "-hour" | "-week" => (1.0, false, true),
        _ => return if bare.chars().any(char::is_alphabetic) { Claim::Name } else { Claim::Unreadable },
    };
    let after = after.map(str::to_lowercase).unwrap_or_default();
    let is_percent = is_percent || is_plain && ["%", "percent"].contains(&after.as_str());
    let is_money = has_currency || ["usd", "dollars", "eur", "euros", "gbp"].contains(&after.as_str());
    let digits = digits.trim_end_matches(['.', ',']);
    // Digits of other scripts, fractions such as ½ and versions such as 1.2.3 are no figures of a tool.
    let whole = digits.replace(',', "");
    let Some(value) = whole.parse::<f64>().ok().filter(|_| !digits.is_empty() && digits.is_ascii()) else {
        return if bare.chars().any(char::is_alphabetic) { Claim::Name } else { Claim::Unreadable };
    };
    let decimals = whole.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let unit = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0)) * scale;
    // A small number of things is counted, not measured.
    let is_exact = is_plain && !is_percent && !is_money && decimals == 0 && value < 100.0;
    let is_bare = is_plain && !is_percent && !is_money && !digits.contains([',', '.']);
    Claim::Number { value: value * scale, unit, is_exact, is_percent, is_bare }
}

fn month_of(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_lowercase();
    let is_of = |month: &str| {
        month == word || word.len() == 3 && month.starts_with(&word) || word == "sept" && month == "september"
    };
    MONTHS.iter().position(|month| is_of(month)).and_then(|place| u32::try_from(place + 1).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn known() -> Known {
        let mut known = Known::default();
        known.learn(&json!({
            "data_through": "2026-03-15", "metric": "net_amortized",
            "period": {"start": "2026-03-01", "end": "2026-03-14"},
            "total": 9102.6868, "change": -75.5335, "change_pct": 71.2316, "share": 0.5187,
            "incidents": [{"id": "247b7ae65842", "days": 10}, {"id": "bed16b5a1658"}],
            "group": {"service": "AmazonRDS", "usage-type": "InstanceUsage:db.r5.large", "account": "222222222222"},
            "hint": "the sixth network of two",
            "note": "88.19 instead of 48.13 give or take 2.86",
        }));
        known.learn_text("What did the last 7 days cost?");
        known
    }

    fn offenders(text: &str) -> Vec<String> {
        known().offenders(text).into_iter().map(|offender| offender.text).collect()
    }

    #[test]
    fn figures_of_results_pass_rounded_as_shown() {
        for fine in [
            "It cost $9,102.69 from 2026-03-01 to 2026-03-14.",
            "About $9,103, or $9.1k, or $9.10k; 9102.6868 exactly.",
            "It fell by $75.53 (-75.5).",
            "AmazonRDS rose by 71.2 %, or 71%, with 52 % of it in one place.",
            "`InstanceUsage:db.r5.large` in account 222222222222 carries it since 2026-03-01..2026-03-14.",
            "88.19 instead of 48.13 ± 2.86.",
            "In 2026 there are two incidents, one of 10 days, in the last 7 days.",
            "1. First, 2026-03.\n2. Second, March 2026.\n",
            "On March 14, 2026 and on 1 March 2026.",
            "Look at EC2 and S3, this quarter, for a third time.",
            "Incident 247b7ae65842 costs $9,102.69/day.",
        ] {
            assert_eq!(offenders(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn other_figures_do_not() {
        for (wrong, found) in [
            ("It cost $9,102.70.", "$9,102.70"),
            ("It cost $9,104.", "$9,104"),
            ("It cost 9.2k.", "9.2k"),
            ("It is 73 % more.", "73"),
            ("There are 3 incidents.", "3"),
            ("There are three incidents.", "three"),
            ("Since 2026-03-16.", "2026-03-16"),
            ("On March 16.", "16"),
            ("In April 2027.", "2027"),
            ("In 2026-04.", "2026-04"),
            ("It doubled.", "doubled"),
            ("A third of it is new.", "third"),
            ("Instance i-0abc123def is idle.", "i-0abc123def"),
            ("Account 333333333333 has it.", "333333333333"),
            ("It is ½ more.", "½"),
            ("It costs ١٠٠ dollars.", "١٠٠"),
            ("From $9,102.69 to $12.34.", "$12.34"),
            ("2026-03-01..2026-03-31", "2026-03-01..2026-03-31"),
            ("That is $109,232 a year.", "$109,232"),
            ("It cost $2,026 in all.", "$2,026"),
            ("It cost 2026 dollars.", "2026"),
            ("There are six networks.", "six"),
        ] {
            assert_eq!(offenders(wrong), [found], "{wrong}");
        }
    }

    #[test]
    fn what_is_withheld_is_seen() {
        let text = "It cost $9,102.69, or $1.00 each, since 2026-03-16.";
        let offenders = known().offenders(text);
        assert_eq!(withhold(text, &offenders), "It cost $9,102.69, or [withheld] each, since [withheld].");
    }

    proptest! {
        #[test]
        fn a_figure_passes_when_it_is_one_as_shown(amount in 0.0_f64..100_000.0, decimals in 0_usize..5) {
            let mut known = Known::default();
            known.learn(&json!({"cost": amount}));
            let shown = format!("${amount:.decimals$}");
            prop_assert!(known.offenders(&shown).is_empty(), "{}", shown);
            let unit = 10_f64.powi(-i32::try_from(decimals).expect("few"));
            let other = format!("${:.decimals$}", amount + 1.6 * unit);
            prop_assert!(!known.offenders(&other).is_empty(), "{} is not {}", other, amount);
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,80}") {
            let known = known();
            let offenders = known.offenders(&text);
            let _ = withhold(&text, &offenders);
        }
    }
}
