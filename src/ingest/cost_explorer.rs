//! Costs from Cost Explorer: which days to ask for, at what price, and the days replaced together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, Months, NaiveDate};
use serde::Serialize;

use super::{ApiCost, IngestedPeriod, Outcome, Watcher, folder_beside};
use crate::{
    error::{Error, Result},
    model::{Period, first_of_month},
    sources::{
        aws::Aws,
        cost_explorer::{
            Call, CostExplorer, DATA_SOURCE, Detail, Fetched, HISTORY_MONTHS, REQUEST_PRICE, Settings, expressions,
            months,
        },
    },
    store::{
        Store,
        api::{ApiCall, DayLoad, NameSource},
        load::SourceFile,
    },
};

/// Regions that are enabled in every account: what to reckon with where the database does not know better.
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
const DEFAULT_REGIONS: usize = 17;

/// Which days to ask for.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// So many days up to yesterday. Where they are in the database, only what AWS may have restated: the last
    /// month fetched and the one before.
    Days(u32),
    /// Exactly these days.
    Exactly(Period),
}

#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub span: Span,
    pub detail: Detail,
    /// Asks for all days of the span, whatever the database has.
    pub full_refresh: bool,
    pub today: NaiveDate,
}

/// What a run will ask, and its price: one request for each query, and one more for each further page.
#[derive(Clone, Debug, Serialize)]
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
}

/// Plans without a request; `payer` is the account of the credentials.
///
/// # Errors
/// When the days are ones that Cost Explorer does not keep, or has not yet.
pub fn plan(store: &Store, payer: &str, settings: &Settings, request: &Request) -> Result<Plan> {
    let yesterday = request.today - Days::new(1);
    let oldest = first_of_month(request.today) - Months::new(HISTORY_MONTHS);
    let asked = store.days_asked(DATA_SOURCE, payer)?;
    let period = match request.span {
        Span::Exactly(period) => period,
        Span::Days(days) => {
            let wanted = (request.today - Days::new(u64::from(days.max(1)))).max(oldest);
            let days: BTreeSet<NaiveDate> = asked.keys().copied().collect();
            let start = start(&days, wanted, yesterday, request.full_refresh).max(oldest);
            Period { start, end: yesterday }
        }
    };
    if period.end > request.today || period.start > yesterday {
        return Err(Error::usage(format!("{} to {} is not over yet", period.start, period.end))
            .hint(format!("the last whole day is {yesterday}; days are UTC")));
    }
    if period.start < oldest {
        return Err(Error::usage(format!("Cost Explorer keeps daily costs from {oldest} on, not of {}", period.start))
            .cause(format!("it has the current month and {HISTORY_MONTHS} before"))
            .hint(format!("begin at {oldest} or later; older months are in CUR exports")));
    }
    let months = months(period).len();
    // What has no region of its own is asked for under the name `global`, and as the rest.
    let regions = request.detail.split_region.then(|| store.regions().map(|known| known.len())).transpose()?;
    let regions = regions.map(|known| 1 + if known == 0 { DEFAULT_REGIONS } else { known });
    let queries_per_month = request.detail.queries(regions.unwrap_or(0));
    let requests = months * queries_per_month + usize::from(request.detail.split_region);
    let mut notes = Vec::new();
    let detail = request.detail.name();
    if let Some((day, former)) = asked.iter().rev().find(|(day, former)| **former != detail && !period.contains(**day))
    {
        notes.push(format!(
            "{day} and earlier days were fetched {former}, these {detail}: trends across the two mix them; \
             `cost_explorer.split_region` and `cost_explorer.charge_categories` in the configuration keep it the same"
        ));
    }
    Ok(Plan {
        start: period.start,
        end: period.end,
        months,
        regions,
        queries_per_month,
        requests,
        cost_usd: requests as f64 * REQUEST_PRICE,
        max_requests: settings.max_requests,
        notes,
        detail: request.detail,
    })
}

/// The first day to ask for, of those that were `asked` for before: AWS restates the last month fetched and the
/// one before, and a hole that an earlier run left is filled.
fn start(asked: &BTreeSet<NaiveDate>, wanted: NaiveDate, yesterday: NaiveDate, full_refresh: bool) -> NaiveDate {
    let Some(last) = asked.last() else { return wanted };
    let restated = first_of_month(*last) - Months::new(1);
    let hole = Period { start: wanted, end: yesterday }.iter().find(|day| full_refresh || !asked.contains(day));
    hole.map_or(restated, |hole| hole.min(restated))
}

/// Fetches what `plan` says and replaces the days that came whole, in one transaction.
///
/// # Errors
/// When there are no credentials, or not even the first month came whole. What goes wrong later is in
/// [`Outcome::failures`], and what was complete is kept.
///
/// `month` is any day of the month whose spending is told.
pub fn ingest(
    store: &mut Store,
    aws: &Aws,
    settings: &Settings,
    plan: &Plan,
    month: NaiveDate,
    watcher: &dyn Watcher,
) -> Result<Outcome> {
    let payer = aws.caller()?.account_id.clone();
    let folder = folder_beside(store)?;
    let explorer = CostExplorer::new(aws, settings);
    let period = Period { start: plan.start, end: plan.end };
    let mut outcome = Outcome::default();
    let mut fetched: Vec<Fetched> = Vec::new();
    let mut record = |call: Call| {
        store.record_call(&ApiCall {
            service: DATA_SOURCE,
            operation: call.operation,
            account_id: &payer,
            about: &call.about,
            requests: call.requests,
            cost_usd: f64::from(call.requests) * REQUEST_PRICE,
            outcome: &call.outcome,
        })
    };
    let regions = if plan.detail.split_region { explorer.regions(period, &mut record).map(Some) } else { Ok(None) };
    match regions.and_then(|regions| within_limit(regions.unwrap_or_default(), plan)) {
        Err(error) => outcome.failures.push(error),
        Ok(regions) => {
            let months = months(period);
            watcher.planned(months.len(), 0);
            for month in months {
                match explorer.fetch(month, plan.detail, &regions, folder.path(), &mut record) {
                    Ok(month) => {
                        let name = month.period.start.format("%Y-%m");
                        watcher.fetched(&format!("{name} from Cost Explorer: {} rows", month.rows));
                        fetched.push(month);
                    }
                    Err(error) => {
                        outcome.failures.push(match fetched.last() {
                            None => error,
                            Some(last) => error.hint(format!("what came from {} on is kept", last.period.start)),
                        });
                        break;
                    }
                }
            }
        }
    }
    if !fetched.is_empty() {
        replace(store, &payer, &fetched, plan.detail, watcher, &mut outcome)?;
        outcome.notes.extend(notes(&fetched, plan.detail));
        outcome.notes.extend(plan.notes.iter().cloned());
    }
    let requests = u64::from(explorer.requests());
    let (month_requests, month_cost_usd) = store.spent_in_month(month)?;
    outcome.api_cost =
        Some(ApiCost { requests, cost_usd: requests as f64 * REQUEST_PRICE, month_requests, month_cost_usd });
    Ok(outcome)
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
    let expressions = expressions(payer);
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
            from,
            expressions: &expressions,
            left_out: None,
            rows: Some(month.rows),
            casts: &[],
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
    watcher.loading("Cost Explorer", 0, store.progress());
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
        left_out: None,
        replaced: Vec::new(),
    }));
    Ok(())
}

fn notes(fetched: &[Fetched], detail: Detail) -> Vec<String> {
    let mut notes = Vec::new();
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
        let yesterday = day("2026-10-21");
        let days = asked("2026-05-01", "2026-10-20");
        assert_eq!(start(&BTreeSet::new(), day("2026-09-22"), yesterday, false), day("2026-09-22"));
        assert_eq!(start(&days, day("2026-05-25"), yesterday, false), day("2026-09-01"), "only what is restated");
        assert_eq!(start(&days, day("2026-10-20"), yesterday, false), day("2026-09-01"), "never less");
        assert_eq!(
            start(&days, day("2026-03-01"), yesterday, false),
            day("2026-03-01"),
            "older days are still missing"
        );
        assert_eq!(start(&days, day("2026-05-25"), yesterday, true), day("2026-05-25"));
        let mut holed = asked("2026-05-01", "2026-08-10");
        holed.extend(asked("2026-09-01", "2026-10-20"));
        assert_eq!(start(&holed, day("2026-07-01"), yesterday, false), day("2026-08-11"), "a hole is filled");
    }
}
