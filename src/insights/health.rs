//! Whether the data can be trusted: the database holds together, is fresh, and has no holes.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::Result,
    model::Period,
    store::{Facts, holdings::Holding},
};

/// Days after which data is called old: bills are delivered at least daily.
const STALE_DAYS: i64 = 3;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Works, but something is worth knowing.
    Warn,
    Fail,
    /// Not checked, and why.
    Skip,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Check {
    pub check: String,
    pub status: Status,
    /// What the check gave.
    pub detail: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Check {
    pub fn new(check: impl Into<String>, status: Status, detail: impl Into<String>) -> Self {
        Self { check: check.into(), status, detail: detail.into(), fix: None }
    }

    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Payers of a source whose bills end before those of the others.
fn payers(holdings: &[Holding], source: &str, newest: NaiveDate, today: NaiveDate) -> Option<Check> {
    let mut ends: BTreeMap<&str, NaiveDate> = BTreeMap::new();
    for holding in holdings.iter().filter(|holding| holding.data_source == source) {
        let Some(last) = holding.usage_days.range(..=today).next_back() else { continue };
        let end = ends.entry(&holding.payer.id).or_insert(*last);
        *end = (*end).max(*last);
    }
    let of = ends.len();
    ends.retain(|_, end| (newest - *end).num_days() > STALE_DAYS);
    let shown: Vec<String> = ends.iter().take(5).map(|(payer, end)| format!("{payer} on {end}")).collect();
    let more = if ends.len() > 5 { format!(" and {} more", ends.len() - 5) } else { String::new() };
    (!ends.is_empty()).then(|| {
        Check::new(
            format!("payers in {source}"),
            Status::Warn,
            format!("{} of {of} end before the others: {}{more}", ends.len(), shown.join(", ")),
        )
        .fix("ingest their bills, if they are still charged")
    })
}

/// Checks the database: that its tables agree, how old each source is, which days it lacks, which accounts have
/// no name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn checks(facts: &dyn Facts, today: NaiveDate) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    let (lines, summary, log) = facts.line_counts()?;
    checks.push(if lines == summary && lines == log {
        Check::new("tables", Status::Ok, format!("{lines} line items, the same in summary and log"))
    } else {
        Check::new("tables", Status::Fail, format!("{lines} line items, {summary} in the summary, {log} in the log"))
            .fix("somebody wrote to the tables: ingest again with `--full-refresh`")
    });
    let holdings = facts.holdings()?;
    let mut sources: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::new();
    for holding in &holdings {
        sources.entry(&holding.data_source).or_default().extend(holding.usage_days.iter().copied());
    }
    for (source, days) in sources {
        // Somewhere tomorrow has begun. A day beyond, such as that of a mistake, does not make the others any newer.
        let tomorrow = today + Days::new(1);
        let to_come = days.range(tomorrow..).filter(|day| **day > tomorrow).count();
        if let Some(last) = days.last().filter(|_| to_come > 0) {
            let found = format!("{to_come} after {tomorrow}, the last is {last}");
            let check = Check::new(format!("days to come in {source}"), Status::Warn, found);
            checks.push(check.fix("look for the dates in the bill, and ingest it again once they are right"));
        }
        let (Some(first), Some(last)) = (days.first(), days.range(..=tomorrow).next_back()) else { continue };
        checks.extend(payers(&holdings, source, *last, today));
        let age = (today - *last).num_days();
        let found = format!("{first}..{last}, newest {age} days old");
        checks.push(if age > STALE_DAYS {
            Check::new(format!("freshness of {source}"), Status::Warn, found)
                .fix("ingest again; cron should do it daily")
        } else {
            Check::new(format!("freshness of {source}"), Status::Ok, found)
        });
        let missing: Vec<NaiveDate> =
            Period { start: *first, end: *last }.iter().filter(|day| !days.contains(day)).collect();
        checks.push(if missing.is_empty() {
            Check::new(format!("gaps in {source}"), Status::Ok, format!("none in {} days", days.len()))
        } else {
            let shown: Vec<String> = missing.iter().take(5).map(ToString::to_string).collect();
            let more = if missing.len() > 5 { format!(" and {} more", missing.len() - 5) } else { String::new() };
            Check::new(
                format!("gaps in {source}"),
                Status::Warn,
                format!("no usage on {} days: {}{more}", missing.len(), shown.join(", ")),
            )
            .fix("ingest the billing periods of these days")
        });
    }
    let unnamed = facts.accounts()?.into_iter().filter(|account| account.name.is_none()).count();
    checks.push(if unnamed == 0 {
        Check::new("account names", Status::Ok, "every account has one")
    } else {
        Check::new("account names", Status::Warn, format!("{unnamed} accounts have none"))
            .fix("`accounts --refresh` asks the organization; `accounts` in the configuration names them by hand")
    });
    Ok(checks)
}
