//! What is asked of a forecast, and the days that follow from it.

use chrono::{Days, Months, NaiveDate};

use crate::{
    analysis::{detection::Parameters, forecast::Span},
    error::{Error, Result},
    insights::Question,
    model::{ChargeCategory, Filter, Granularity, GroupBy, Period, first_of_month},
};

/// What to forecast.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub include: &'a [ChargeCategory],
    pub group_by: GroupBy,
    pub asked: Asked,
    /// Costs that somebody said would come.
    pub plans: &'a [Plan],
    /// Groups to show by name.
    pub top: usize,
    /// What finds the incidents that are open; none where these do not matter.
    pub detection: Option<&'a Parameters>,
}

/// The period to forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The month of a day.
    Month(NaiveDate),
    /// So many days after today.
    Days(u32),
    /// From the first of today's month to a day.
    To(NaiveDate),
    /// Some days.
    Period(Period),
}

/// A cost that is planned.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub name: String,
    pub period: Period,
    pub filters: Vec<Filter>,
    /// In all, from its first to its last day.
    pub dollars: f64,
}

/// The days that are asked for.
pub(super) fn period(asked: Asked, today: NaiveDate) -> Result<Period> {
    let period = match asked {
        Asked::Month(day) => Granularity::Monthly.period_of(day),
        Asked::Days(days) => Period { start: today + Days::new(1), end: today + Days::new(u64::from(days)) },
        Asked::To(end) => Period { start: first_of_month(today), end },
        Asked::Period(period) => period,
    };
    if period.end < period.start {
        return Err(Error::usage(format!("{} is before {}, the first of the month", period.end, period.start))
            .hint("name a later day, or a month with `--month`"));
    }
    Ok(period)
}

/// The period that one is compared with: the month before, or for other days as many up to the newest known one.
pub(super) fn period_before(span: Span) -> Period {
    let period = span.period;
    if period == Granularity::Monthly.period_of(period.start) {
        return Granularity::Monthly.period_of(period.start - Months::new(1));
    }
    let end = span.known.min(period.start - Days::new(1));
    Period { start: end - Days::new(period.days() as u64 - 1), end }
}

/// The days of a span that are to come; none when the period ends before it begins.
pub(super) fn to_come(span: Span) -> Period {
    Period { start: span.period.start.max(span.known + Days::new(1)), end: span.period.end }
}
