//! Days and periods.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use chrono::{Datelike, Days, Months, NaiveDate};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::error::{Error, Result};

/// The length of the periods that a trend is cut into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// By day
    #[default]
    Daily,
    /// Weeks that start on Monday
    Weekly,
    /// By month
    Monthly,
}

impl Granularity {
    /// The period that `day` falls into, not cut at any range.
    pub fn period_of(self, day: NaiveDate) -> Period {
        match self {
            Granularity::Daily => Period { start: day, end: day },
            Granularity::Weekly => {
                let start = day - Days::new(u64::from(day.weekday().num_days_from_monday()));
                Period { start, end: start + Days::new(6) }
            }
            Granularity::Monthly => {
                let start = first_of_month(day);
                Period { start, end: start + Months::new(1) - Days::new(1) }
            }
        }
    }
}

/// The first day of the month of `day`.
pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day - Days::new(u64::from(day.day0()))
}

/// A day from outside: a flag, a file, the name of a folder. Bills are of this century; a day far away is a mistake, and
/// what counts days up to it never ends. `FromStr` reads `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The years that a day may be of.
    const YEARS: RangeInclusive<i32> = 2000..=2199;

    /// The day of a date, when it is near enough.
    pub fn new(date: NaiveDate) -> Option<Self> {
        Self::YEARS.contains(&date.year()).then_some(Self(date))
    }

    /// The date.
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            Error::usage(format!("`{text}` is not a day"))
                .hint("write days as YYYY-MM-DD, from 2000-01-01 to 2199-12-31")
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A month from outside, written as `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// The first day.
    pub fn first_day(self) -> NaiveDate {
        self.0
    }
}

impl FromStr for Month {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let date = format!("{text}-01").parse().ok();
        date.and_then(Day::new).map(|day| Self(day.date())).ok_or_else(|| {
            Error::usage(format!("`{text}` is not a month")).hint("write months as YYYY-MM, from 2000-01 to 2199-12")
        })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

as_text!(
    Day: { "type": "string", "format": "date", "description": "a day as YYYY-MM-DD, from 2000-01-01 to 2199-12-31" },
    Month: { "type": "string", "pattern": "^2[01][0-9]{2}-[01][0-9]$", "description": "a month as YYYY-MM" }
);

/// Days from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize)]
#[serde(try_from = "Ends")]
pub struct Period {
    /// The first day.
    pub start: NaiveDate,
    /// The last day, itself included.
    pub end: NaiveDate,
}

/// A period as it comes from outside.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ends {
    start: Day,
    end: Day,
}

impl TryFrom<Ends> for Period {
    type Error = Error;

    fn try_from(Ends { start, end }: Ends) -> Result<Self> {
        let period = Self { start: start.date(), end: end.date() };
        if period.start > period.end { Err(Error::usage("the period ends before it starts")) } else { Ok(period) }
    }
}

/// Days as the command line takes them: one, or two with dots between.
impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (start, end) = text.split_once("..").unwrap_or((text, text));
        Ends { start: start.parse()?, end: end.parse()? }.try_into()
    }
}

impl Period {
    /// The number of days.
    pub fn days(self) -> usize {
        usize::try_from((self.end - self.start).num_days() + 1).unwrap_or(0)
    }

    /// The days in order.
    pub fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.start.iter_days().take(self.days())
    }

    /// Whether a day is one of them.
    pub fn contains(self, day: NaiveDate) -> bool {
        (self.start..=self.end).contains(&day)
    }

    /// The periods of `granularity` that make up this one, the outer ones cut at its ends.
    pub fn split(self, granularity: Granularity) -> Vec<Period> {
        let mut periods = Vec::new();
        let mut day = self.start;
        while day <= self.end {
            let whole = granularity.period_of(day);
            periods.push(Period { start: day, end: whole.end.min(self.end) });
            day = whole.end + Days::new(1);
        }
        periods
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inert;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|_| panic!("{text} is no date"))
    }

    #[test]
    fn days_from_outside_are_of_this_century_or_the_next() {
        for fine in ["2000-01-01", "2026-02-28", "2199-12-31"] {
            assert_eq!(fine.parse::<Day>().expect("a day").to_string(), fine);
        }
        for wrong in [
            "1999-12-31",
            "2200-01-01",
            "0001-05-26",
            "9999-12-31",
            "+10000-01-01",
            "-0044-03-15",
            "262142-12-31",
            "99999999999-01-01",
            "2026-02-29",
            "26-10-01",
            "soon",
            "",
            "2026-11",
            "2026-11-20\0",
        ] {
            let error = wrong.parse::<Day>().expect_err(wrong).to_string();
            let shown = inert::one_line(wrong);
            assert!(error.contains(&format!("`{shown}` is not a day")) && error.contains("2199-12-31"), "{error}");
        }
        assert_eq!("2026-02".parse::<Month>().expect("a month").first_day(), day("2026-02-01"));
        for wrong in ["1999-12", "2200-01", "2026-13", "2026", "2026-02-01", "+99999-01"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods_at_the_ends_of_the_range_have_neighbours() {
        for far in ["2000-01-01", "2199-12-31"] {
            for granularity in [Granularity::Daily, Granularity::Weekly, Granularity::Monthly] {
                assert!(granularity.period_of(day(far)).contains(day(far)));
            }
        }
    }

    #[test]
    fn months_split_at_the_range() {
        let period = Period { start: day("2018-10-15"), end: day("2018-12-02") };
        let months: Vec<String> =
            period.split(Granularity::Monthly).iter().map(|p| format!("{}..{}", p.start, p.end)).collect();
        assert_eq!(months, ["2018-10-15..2018-10-31", "2018-11-01..2018-11-30", "2018-12-01..2018-12-02"]);
    }

    #[test]
    fn weeks_start_on_monday() {
        let week = Granularity::Weekly.period_of(day("2026-11-20"));
        assert_eq!((week.start, week.end), (day("2026-11-16"), day("2026-11-22")));
    }
}
