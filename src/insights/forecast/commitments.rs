//! Reservations and Savings Plans that end within the period.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

use super::{
    assumptions::Assumption,
    leaves::Leaves,
    request::{Request, to_come},
    sums::Sums,
};
use crate::{
    analysis::forecast::Span,
    error::Result,
    model::Period,
    store::{Facts, queries::Selection},
};

/// Days whose costs say what a commitment covers: a month, since reservations are paid by the month.
const RECENT_DAYS: u64 = 30;

/// Adds what the end of commitments makes of the days after it, and says so: the usage that they cover costs on demand from then on, and
/// their fees and what of them is unused fall away.
///
/// # Errors
/// When the line items cannot be read.
pub(super) fn end(
    facts: &dyn Facts,
    request: &Request,
    leaves: &Leaves,
    span: Span,
    sums: &mut Sums,
) -> Result<Vec<Assumption>> {
    let open = to_come(span);
    if open.start > open.end {
        return Ok(Vec::new());
    }
    let recent = Period { start: span.known - Days::new(RECENT_DAYS - 1), end: span.known };
    let selection =
        Selection { segments: &leaves.segments, metric: request.question.metric, filters: request.question.filters };
    let until = open.end.and_time(NaiveTime::MIN);
    let ending = facts.ending_commitments(&selection, &request.group_by.0, request.include, recent, until)?;
    let mut told: BTreeMap<(NaiveDate, String), (f64, f64)> = BTreeMap::new();
    for one in ending {
        let days = Period { start: first_day_without(one.end).max(open.start), end: open.end };
        if days.start > days.end {
            continue;
        }
        let a_day = (one.on_demand - one.now) / RECENT_DAYS as f64;
        let amount = sums.add(days, a_day, one.group);
        let told = told.entry((days.start, one.id)).or_default();
        *told = (told.0 + a_day, told.1 + amount);
    }
    let said = told.into_iter().map(|((date, id), (a_day, amount))| Assumption::CommitmentEnds {
        id,
        date,
        amount,
        a_day,
        currency: leaves.currency.clone(),
    });
    Ok(said.collect())
}

/// The first day that a commitment covers nothing of.
fn first_day_without(end: NaiveDateTime) -> NaiveDate {
    if end.time() == NaiveTime::MIN { end.date() } else { end.date() + Days::new(1) }
}
