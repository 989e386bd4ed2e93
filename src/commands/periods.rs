//! The options of commands that put two periods side by side.

use chrono::{Days, NaiveDate};
use clap::{Args, ValueEnum};

use super::{day, month};
use crate::{
    error::Result,
    insights::{
        Question,
        compare::{Versus, just_before, month_periods, newest_of_months, newest_settled},
    },
    model::Period,
    store::Store,
};

/// Days of a period when none is named.
const WEEK: u64 = 7;

#[derive(Debug, Args)]
pub struct PeriodArgs {
    /// Earlier period, as YYYY-MM-DD..YYYY-MM-DD [default: as long as the later one, just before it]
    #[arg(long, value_name = "A..B", value_parser = period)]
    from: Option<Period>,

    /// Later period, as YYYY-MM-DD..YYYY-MM-DD [default: the last 7 settled days]
    #[arg(long, value_name = "C..D", value_parser = period)]
    to: Option<Period>,

    /// Later month, as YYYY-MM
    #[arg(long, value_name = "MONTH", value_parser = month, conflicts_with_all = ["from", "to"])]
    month: Option<NaiveDate>,

    /// What the month is compared with
    #[arg(long, value_enum, default_value = "previous", requires = "month")]
    vs: Other,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Other {
    /// The month before
    Previous,
    /// The same month a year ago
    LastYear,
}

impl PeriodArgs {
    /// The earlier and the later period.
    ///
    /// # Errors
    /// When there is no data, or the month has not begun.
    pub fn periods(&self, store: &Store, question: &Question) -> Result<(Period, Period)> {
        if let Some(month) = self.month {
            let versus = match self.vs {
                Other::Previous => Versus::Previous,
                Other::LastYear => Versus::LastYear,
            };
            return month_periods(month, versus, newest_of_months(store, question)?);
        }
        let after = match self.to {
            Some(period) => period,
            None => {
                let end = newest_settled(store, question)?;
                Period { start: end - Days::new(WEEK - 1), end }
            }
        };
        let before = self.from.unwrap_or_else(|| just_before(after));
        Ok((before, after))
    }
}

/// Days as the command line takes them: one, or two with dots between.
fn period(text: &str) -> Result<Period, String> {
    let (start, end) = text.split_once("..").unwrap_or((text, text));
    let period = Period { start: day(start)?, end: day(end)? };
    if period.start > period.end { Err("the period ends before it starts".into()) } else { Ok(period) }
}
