//! Costs from Cost Explorer: which days to ask for, at what price, and the days replaced together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiCost, IngestedPeriod, Outcome, Watcher};
use crate::{
    error::{Error, Result},
    model::{Granularity, Period, first_of_month},
    sources::{
        aws::Aws,
        cost_explorer::{
            Call, CostExplorer, DATA_SOURCE, Detail, Fetched, HISTORY_MONTHS, REQUEST_PRICE, Settings, line_item,
            months,
        },
    },
    store::{Store, accounts::NameSource, api_calls::ApiCall, days::DayLoad, delivery::SourceFile},
};

/// Regions that are enabled in every account: what to reckon with where the database does not know better.
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
const DEFAULT_REGIONS: usize = 17;

/// Which days to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    /// So many days up to yesterday. Where they are in the database, only what AWS may have restated: the last
    /// month fetched and the one before.
    Days(u32),
    /// Exactly these days.
    Exactly(Period),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub span: Span,
    pub detail: Detail,
    /// Asks for all days of the span, whatever the database has.
    pub full_refresh: bool,
    pub today: NaiveDate,
}

/// What a run will ask, and its price: one request for each query, and one more for each further page.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Plan {
    pub start: NaiveDate,
    pub end: NaiveDate,
    pub months: usize,
    /// Regions that are reckoned with, when costs are split by region.
    pub regions: Option<usize>,
    pub queries_per_month: usize,
    pub requests: usize,
    pub cost_usd: f64,
    pub max_requests: u32,
    /// What a reader should know before.
    pub notes: Vec<String>,
    #[serde(skip)]
    detail: Detail,
    /// Months, or parts of them, in the order in which they are asked for.
    #[serde(skip)]
    periods: Vec<Period>,
}

/// Plans without a request; `payer` is the account of the credentials.
///
/// # Errors
/// When the days are ones that Cost Explorer does not keep, or has not yet.
pub(crate) fn plan(store: &Store, payer: &str, settings: &Settings, request: &Request) -> Result<Plan> {
    let yesterday = request.today - Days::new(1);
    let oldest = first_of_month(request.today) - Months::new(HISTORY_MONTHS);
    let asked = store.days_asked(DATA_SOURCE, payer)?;
    let months = match request.span {
        Span::Exactly(period) => months(period),
        Span::Days(days) => {
            let wanted = (request.today - Days::new(u64::from(days.max(1)))).max(oldest);
            let known = if request.full_refresh { BTreeSet::new() } else { asked.keys().copied().collect() };
            due(&known, asked.keys().next_back().copied(), Period { start: wanted, end: yesterday }, oldest)
        }
    };
    let (Some(start), Some(end)) =
        (months.iter().map(|month| month.start).min(), months.iter().map(|month| month.end).max())
    else {
        return Err(Error::bug("no month to ask for"));
    };
    if end > request.today || start > yesterday {
        return Err(Error::usage(format!("{start} to {end} is not over yet"))
            .hint(format!("the last whole day is {yesterday}; days are UTC")));
    }
    if start < oldest {
        return Err(Error::usage(format!("Cost Explorer keeps daily costs from {oldest} on, not of {start}"))
            .cause(format!("it has the current month and {HISTORY_MONTHS} before"))
            .hint(format!("begin at {oldest} or later; older months are in CUR exports")));
    }
    // What has no region of its own is asked for under the name `global`, and as the rest.
    let regions = request.detail.split_region.then(|| store.regions().map(|known| known.len())).transpose()?;
    let regions = regions.map(|known| 1 + if known == 0 { DEFAULT_REGIONS } else { known });
    let queries_per_month = request.detail.queries(regions.unwrap_or(0));
    let requests = months.len() * queries_per_month + usize::from(request.detail.split_region);
    let mut notes = Vec::new();
    let detail = request.detail.name();
    if let Some((day, former)) =
        asked.iter().rev().find(|(day, former)| **former != detail && !months.iter().any(|month| month.contains(**day)))
    {
        notes.push(format!(
            "{day} and earlier days were fetched {former}, these {detail}: trends across the two mix them; \
             `cost_explorer.split_region` and `cost_explorer.charge_categories` in the configuration keep it the same"
        ));
    }
    Ok(Plan {
        start,
        end,
        months: months.len(),
        regions,
        queries_per_month,
        requests,
        cost_usd: requests as f64 * REQUEST_PRICE,
        max_requests: settings.max_requests,
        notes,
        detail: request.detail,
        periods: months,
    })
}

/// The months to ask for, the newest first: those of `wanted` with a day that is not `known`, then those that AWS may
/// have restated, which are the month of the `last` day fetched and the one before. What is missing comes first, so
/// that a run which was stopped is completed by the next.
fn due(known: &BTreeSet<NaiveDate>, last: Option<NaiveDate>, wanted: Period, oldest: NaiveDate) -> Vec<Period> {
    let (mut missing, complete): (Vec<Period>, Vec<Period>) =
        months(wanted).into_iter().partition(|month| month.iter().any(|day| !known.contains(&day)));
    if let Some(last) = last {
        let this = first_of_month(last);
        for start in [this, this - Months::new(1)] {
            let whole = Granularity::Monthly.period_of(start);
            let whole = Period { start: whole.start.max(oldest), end: whole.end.min(wanted.end) };
            match missing.iter_mut().find(|month| first_of_month(month.start) == start) {
                // It is asked for anyway; all of it may be restated.
                Some(month) => month.start = whole.start,
                None if whole.start <= whole.end => missing.push(whole),
                None => {}
            }
        }
    }
    if missing.is_empty() { complete } else { missing }
}

/// Fetches what `plan` says and replaces the days that came whole, in one transaction.
///
/// # Errors
/// When there are no credentials, or not even the first month came whole. What goes wrong later is in
/// [`Outcome::failures`], and what was complete is kept.
///
/// `month` is any day of the month whose spending is told.
pub(crate) fn ingest(
    store: &mut Store,
    aws: &Aws,
    settings: &Settings,
    plan: &Plan,
    month: NaiveDate,
    watcher: &dyn Watcher,
) -> Result<Outcome> {
    let payer = aws.caller()?.account_id.clone();
    let folder = store.scratch()?;
    let explorer = CostExplorer::new(aws, settings);
    let period = Period { start: plan.start, end: plan.end };
    let mut outcome = Outcome::default();
    let mut fetched: Vec<Fetched> = Vec::new();
    let mut record = |call: Call| record_call(store, &payer, &call);
    let regions = if plan.detail.split_region { explorer.regions(period, &mut record).map(Some) } else { Ok(None) };
    match regions.and_then(|regions| within_limit(regions.unwrap_or_default(), plan)) {
        Err(error) => outcome.failures.push(error),
        Ok(regions) => {
            watcher.planned(plan.periods.len(), 0);
            for month in &plan.periods {
                match explorer.fetch(*month, plan.detail, &regions, folder.path(), &mut record) {
                    Ok(month) => {
                        let name = month.period.start.format("%Y-%m");
                        watcher.fetched(&format!("{name} from Cost Explorer: {} rows", month.rows));
                        fetched.push(month);
                    }
                    Err(error) => {
                        let kept: Vec<String> =
                            fetched.iter().map(|month| month.period.start.format("%Y-%m").to_string()).collect();
                        outcome.failures.push(match kept.as_slice() {
                            [] => error,
                            kept => error.hint(format!("{} came whole and is kept", kept.join(", "))),
                        });
                        break;
                    }
                }
            }
        }
    }
    if !fetched.is_empty() {
        if let Err(error) = replace(store, &payer, &fetched, plan.detail, watcher, &mut outcome) {
            outcome.failures.push(error);
        }
        outcome.notes.extend(notes(&fetched, plan.detail));
        outcome.notes.extend(plan.notes.iter().cloned());
    }
    let requests = u64::from(explorer.requests());
    let (month_requests, month_cost_usd) = store.spent_in_month(month)?;
    outcome.api_cost =
        Some(ApiCost { requests, cost_usd: requests as f64 * REQUEST_PRICE, month_requests, month_cost_usd });
    Ok(outcome)
}

/// Notes requests and what they cost.
///
/// # Errors
/// When the database cannot be written.
pub(crate) fn record_call(store: &Store, account_id: &str, call: &Call) -> Result<()> {
    store.record_call(&ApiCall {
        service: DATA_SOURCE,
        operation: call.operation,
        account_id,
        about: &call.about,
        requests: call.requests,
        cost_usd: f64::from(call.requests) * REQUEST_PRICE,
        outcome: &call.outcome,
    })
}

/// Refuses what the number of regions, once it is known, makes too much.
fn within_limit(regions: Vec<String>, plan: &Plan) -> Result<Vec<String>> {
    let requests = 1 + plan.months * plan.detail.queries(regions.len());
    if plan.detail.split_region && requests > plan.max_requests as usize {
        return Err(Error::input(format!("{} regions take {requests} requests to Cost Explorer", regions.len()))
            .cause(format!("`cost_explorer.max_requests` is {}", plan.max_requests))
            .hint("set it higher, or ask for fewer days; only the list of regions was asked for"));
    }
    Ok(regions)
}

fn replace(
    store: &mut Store,
    payer: &str,
    fetched: &[Fetched],
    detail: Detail,
    watcher: &dyn Watcher,
    outcome: &mut Outcome,
) -> Result<()> {
    let expressions = line_item(payer).columns();
    let named: Vec<(&Fetched, String, String)> = fetched
        .iter()
        .map(|month| {
            let key = format!("GetCostAndUsage {}..{}", month.period.start, month.period.end);
            (month, key, month.source_item())
        })
        .collect();
    let mut files = Vec::with_capacity(named.len());
    for (month, key, from) in &named {
        let file = SourceFile {
            key,
            size: 0,
            etag: "",
            from: from.clone(),
            expressions: expressions.clone(),
            excluded: None,
            rows: Some(month.rows),
        };
        files.push((month.period, file));
    }
    let load = DayLoad {
        data_source: DATA_SOURCE,
        payer_account_id: payer,
        operation: "GetCostAndUsage",
        detail: &detail.name(),
        files,
    };
    watcher.loading("Cost Explorer", 0, &|| store.progress());
    let periods = store.replace_days(&load)?;
    let names: BTreeMap<&String, &String> = fetched.iter().rev().flat_map(|month| &month.account_names).collect();
    let names: Vec<(String, String)> = names.into_iter().map(|(id, name)| (id.clone(), name.clone())).collect();
    store.set_account_names(&names, NameSource::CostExplorer)?;
    watcher.loaded(0, periods.iter().map(|period| period.rows).sum());
    outcome.periods.extend(periods.into_iter().map(|loaded| IngestedPeriod {
        format: DATA_SOURCE.to_owned(),
        export: String::new(),
        loaded,
        missing_columns: Vec::new(),
        excluded: None,
        replaced: Vec::new(),
    }));
    Ok(())
}

fn notes(fetched: &[Fetched], detail: Detail) -> Vec<String> {
    let mut notes = Vec::new();
    if fetched.iter().all(|month| month.rows == 0) {
        notes.push("Cost Explorer has no costs of these days for this account: is it the right one, and was Cost Explorer just enabled?".into());
    }
    let unknown: BTreeSet<&str> =
        fetched.iter().flat_map(|month| &month.unknown_services).map(String::as_str).collect();
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.into_iter().collect();
        notes.push(format!("services without a product code of CUR keep their name: {}", names.join(", ")));
    }
    if !detail.charge_categories {
        let queries = Detail { charge_categories: true, ..Detail::default() }.queries(0);
        notes.push(format!(
            "credits and discounts are inside the services' costs; `--charge-categories` sets them apart, for {queries} \
             requests instead of one"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_restated_is_asked_for_again() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let asked = |from: &str, to: &str| -> BTreeSet<NaiveDate> {
            Period { start: day(from), end: day(to) }.iter().collect()
        };
        let shown = |known: &BTreeSet<NaiveDate>, wanted: &str| {
            let wanted = Period { start: day(wanted), end: day("2026-10-21") };
            let due = due(known, known.last().copied(), wanted, day("2025-09-01"));
            due.iter().map(|month| format!("{}..{}", month.start, month.end)).collect::<Vec<_>>().join(" ")
        };
        let (october, september) = ("2026-10-01..2026-10-21", "2026-09-01..2026-09-30");
        assert_eq!(shown(&BTreeSet::new(), "2026-09-22"), format!("{october} 2026-09-22..2026-09-30"));
        let days = asked("2026-05-01", "2026-10-20");
        assert_eq!(shown(&days, "2026-05-25"), format!("{october} {september}"), "only what is restated");
        assert_eq!(shown(&days, "2026-10-20"), format!("{october} {september}"), "never less");
        assert_eq!(
            shown(&days, "2026-04-20"),
            format!("{october} 2026-04-20..2026-04-30 {september}"),
            "what is older"
        );
        let whole = asked("2026-05-01", "2026-10-21");
        let mut holed = asked("2026-05-01", "2026-08-10");
        holed.extend(asked("2026-09-01", "2026-10-21"));
        assert_eq!(
            shown(&holed, "2026-07-01"),
            format!("2026-08-01..2026-08-31 {october} {september}"),
            "the hole first"
        );
        assert_eq!(shown(&whole, "2026-07-01"), format!("{october} {september}"));
        let far = asked("2025-10-01", "2025-10-31");
        assert_eq!(
            shown(&far, "2026-09-22"),
            format!("{october} 2026-09-22..2026-09-30 2025-10-01..2025-10-31 2025-09-01..2025-09-30")
        );
    }
}
