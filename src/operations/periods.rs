//! The two periods that are put side by side.

use chrono::Days;
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    insights::{
        Question,
        compare::{Versus, just_before, month_periods, newest_of_months, newest_settled},
    },
    model::{Month, Period},
    store::Store,
};

/// Days of a period when none is named.
const WEEK: u64 = 7;

#[expect(missing_docs, reason = "clap takes that of a flattened struct for the help of the command")]
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Periods {
    /// Earlier period, as YYYY-MM-DD..YYYY-MM-DD [default: as long as the later one, just before it]
    #[arg(long, value_name = "A..B")]
    pub from: Option<Period>,

    /// Later period, as YYYY-MM-DD..YYYY-MM-DD [default: the last 7 settled days]
    #[arg(long, value_name = "C..D")]
    pub to: Option<Period>,

    /// Later month, as YYYY-MM
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to"])]
    pub month: Option<Month>,

    /// What the month is compared with
    #[arg(long, value_enum, default_value = "previous", requires = "month")]
    pub vs: Other,
}

/// The month that a month is compared with.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// The month before
    Previous,
    /// The same month a year ago
    LastYear,
}

impl Periods {
    /// The earlier and the later period.
    ///
    /// # Errors
    /// When there is no data, the month has not begun, or a month and periods are named.
    pub(super) fn resolve(&self, store: &Store, question: &Question) -> Result<(Period, Period)> {
        if let Some(month) = self.month {
            if self.from.is_some() || self.to.is_some() {
                return Err(Error::usage("`month` and the periods `from` and `to` do not go together"));
            }
            let versus = match self.vs {
                Other::Previous => Versus::Previous,
                Other::LastYear => Versus::LastYear,
            };
            return month_periods(month.first_day(), versus, newest_of_months(store, question)?);
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
