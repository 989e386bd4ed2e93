//! Cost Explorer: daily costs by service and linked account, a month for each query.
//!
//! Each request costs $0.01, a page of an answer as much as a query, so nothing is asked twice within a run and
//! every request is counted. The API has no paginator: pages follow `NextPageToken` with the same parameters.
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html>

mod live;
mod rows;
pub(in crate::sources) use rows::product_code;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use aws_sdk_costexplorer::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef, retry::RetryConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    types::{DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType},
};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::aws::{ApiRequest, Aws};
use crate::{
    error::{Error, Result},
    model::{ChargeCategory, Granularity as Step, Period},
};
pub(crate) use live::LiveCost;
pub(crate) use rows::line_item;
use rows::{HEADER, take_page};

/// The `data_source` under which its costs are kept.
pub(crate) use crate::model::source::COST_EXPLORER as DATA_SOURCE;

/// US dollars for each request: <https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/>.
pub(crate) const REQUEST_PRICE: f64 = 0.01;

/// Whole months before the current one that daily costs are kept for.
pub(crate) const HISTORY_MONTHS: u32 = 13;

/// The metrics, in the order of [`COSTS`] and the usage after them.
const METRICS: [&str; 6] =
    ["UnblendedCost", "BlendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost", "UsageQuantity"];

/// RECORD_TYPE values of each charge category but usage, which is all the rest. Cost Explorer ignores values that
/// it does not know, so both its own words and CUR's line item types are named.
const RECORD_TYPES: [(ChargeCategory, &[&str]); 4] = [
    (ChargeCategory::Tax, &["Tax"]),
    (ChargeCategory::Credit, &["Credit", "Refund"]),
    (
        ChargeCategory::Purchase,
        &[
            "Recurring",
            "Upfront",
            "RIFee",
            "Fee",
            "SavingsPlanRecurringFee",
            "SavingsPlanUpfrontFee",
            "FlatRateSubscription",
        ],
    ),
    (
        ChargeCategory::Adjustment,
        &[
            "Discount",
            "BundledDiscount",
            "EdpDiscount",
            "Enterprise Discount Program Discount",
            "PrivateRateDiscount",
            "Private Rate Discount",
            "RiVolumeDiscount",
            "SppDiscount",
            "Solution Provider Program Discount",
            "DistributorDiscount",
        ],
    ),
];

/// The `cost_explorer` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Region of the endpoint; the API answers for all regions from one.
    pub region: String,
    /// Days to fetch where there are none yet.
    pub lookback_days: u32,
    /// Requests, retries included, after which a run stops.
    pub max_requests: u32,
    /// Whether every run splits costs by region.
    pub split_region: bool,
    /// Whether every run sets charge categories apart.
    pub charge_categories: bool,
}

/// How finely to ask. Every refinement multiplies the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    pub split_region: bool,
    pub charge_categories: bool,
}

impl Detail {
    /// The detail in words: `by service and account, region`.
    pub(crate) fn name(self) -> String {
        let region = if self.split_region { ", region" } else { "" };
        let categories = if self.charge_categories { ", charge category" } else { "" };
        format!("by service and account{region}{categories}")
    }

    /// Queries for a month, for so many regions: one for each region and category, and one for what is in none.
    pub(crate) fn queries(self, regions: usize) -> usize {
        let regions = if self.split_region { regions + 1 } else { 1 };
        regions * if self.charge_categories { RECORD_TYPES.len() + 1 } else { 1 }
    }
}

/// A request, or several for one page when some had to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub operation: &'static str,
    /// What it was about, such as `2026-10`.
    pub about: String,
    pub requests: u32,
    /// `ok`, or AWS's error code.
    pub outcome: String,
}

/// The costs of a month, or the part of it that was asked for, in a file.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub period: Period,
    pub path: PathBuf,
    pub rows: u64,
    /// Linked accounts by id.
    pub account_names: BTreeMap<String, String>,
    /// Services that the table of names does not have; they keep their name.
    pub unknown_services: BTreeSet<String>,
}

/// Asks Cost Explorer, and counts.
pub(crate) struct CostExplorer<'a> {
    aws: &'a Aws,
    client: Client,
    meter: Meter,
}

/// Counts attempts and refuses those over the limit before they are sent.
#[derive(Clone, Debug)]
struct Meter {
    sent: Arc<AtomicU32>,
    refused: Arc<AtomicBool>,
    limit: u32,
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "request meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.sent.load(Ordering::SeqCst) >= self.limit {
            self.refused.store(true, Ordering::SeqCst);
            return Err("the limit of requests is reached".into());
        }
        self.sent.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The calendar months of `period`, the newest first, cut to it: a stop in between keeps what matters most.
pub(crate) fn months(period: Period) -> Vec<Period> {
    period.split(Step::Monthly).into_iter().rev().collect()
}

impl<'a> CostExplorer<'a> {
    pub(crate) fn new(aws: &'a Aws, settings: &Settings) -> Self {
        let meter = Meter { sent: Arc::default(), refused: Arc::default(), limit: settings.max_requests };
        let config = aws_sdk_costexplorer::config::Builder::from(&aws.in_region(&settings.region));
        let client = Client::from_conf(config.interceptor(meter.clone()).build());
        Self { aws, client, meter }
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u32 {
        self.meter.sent.load(Ordering::SeqCst)
    }

    /// The regions with costs in `period`: one request for each page.
    ///
    /// # Errors
    /// As [`CostExplorer::fetch`].
    pub(crate) fn regions(&self, period: Period, record: &mut dyn FnMut(Call) -> Result<()>) -> Result<Vec<String>> {
        let about = format!("the regions of {}..{}", period.start, period.end);
        let mut regions = BTreeSet::new();
        let mut token: Option<String> = None;
        loop {
            let before = self.requests();
            let request =
                self.client.get_dimension_values().dimension(Dimension::Region).time_period(interval(period)?);
            let answer = self.aws.block_on(request.set_next_page_token(token.clone()).send());
            self.record("GetDimensionValues", &about, before, &answer, record)?;
            let answer = answer.map_err(|e| self.explain("ce:GetDimensionValues", &about, &e))?;
            // What has no region is asked for as the rest.
            let names = answer.dimension_values().iter().filter_map(|value| value.value());
            regions.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
            token = next_token(answer.next_page_token(), token, &about)?;
            if token.is_none() {
                return Ok(regions.into_iter().collect());
            }
        }
    }

    /// Fetches the costs of `period`, at most a month, into a new file in `folder`. Each page goes to the file as
    /// it comes; `record` is told of each request before the next is made.
    ///
    /// # Errors
    /// When AWS refuses, or the limit of requests is reached; the file is then of no use.
    pub(crate) fn fetch(
        &self,
        period: Period,
        detail: Detail,
        regions: &[String],
        folder: &Path,
        record: &mut dyn FnMut(Call) -> Result<()>,
    ) -> Result<Fetched> {
        let path = folder.join(format!("cost-explorer-{}.csv", period.start));
        let cannot_write = |e: csv::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
        let mut file = csv::Writer::from_path(&path).map_err(cannot_write)?;
        file.write_record(HEADER).map_err(cannot_write)?;
        let mut fetched = Fetched {
            period,
            path: path.clone(),
            rows: 0,
            account_names: BTreeMap::new(),
            unknown_services: BTreeSet::new(),
        };
        for slice in slices(detail, regions) {
            let about = format!("the costs of {}..{}{}", period.start, period.end, slice.label());
            let mut token: Option<String> = None;
            loop {
                let before = self.requests();
                let request = self
                    .client
                    .get_cost_and_usage()
                    .time_period(interval(period)?)
                    .granularity(Granularity::Daily)
                    .set_metrics(Some(METRICS.map(str::to_owned).into()))
                    .group_by(grouping("SERVICE"))
                    .group_by(grouping("LINKED_ACCOUNT"))
                    .set_filter(slice.filter())
                    .set_next_page_token(token.clone());
                let answer = self.aws.block_on(request.send());
                self.record("GetCostAndUsage", &period.start.format("%Y-%m").to_string(), before, &answer, record)?;
                let answer = answer.map_err(|e| self.explain("ce:GetCostAndUsage", &about, &e))?;
                take_page(&answer, &slice, &mut fetched, &mut |row| file.write_record(row).map_err(cannot_write))
                    .map_err(|e| e.context(format!("cannot read {about}")))?;
                token = next_token(answer.next_page_token(), token, &about)?;
                if token.is_none() {
                    break;
                }
            }
        }
        file.flush().map_err(|e| cannot_write(e.into()))?;
        Ok(fetched)
    }

    /// One request, to see whether there is an answer: the number of groups of the day before yesterday.
    ///
    /// # Errors
    /// As [`CostExplorer::fetch`].
    pub(crate) fn probe(&self, today: NaiveDate, record: &mut dyn FnMut(Call) -> Result<()>) -> Result<usize> {
        let day = today - Days::new(2);
        let about = format!("the costs of {day}");
        let before = self.requests();
        let request = self
            .client
            .get_cost_and_usage()
            .time_period(interval(Period { start: day, end: day })?)
            .granularity(Granularity::Daily)
            .metrics(METRICS[0])
            .group_by(grouping("SERVICE"))
            .group_by(grouping("LINKED_ACCOUNT"));
        // A retry would be paid, too.
        let once = aws_sdk_costexplorer::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = self.aws.block_on(request.customize().config_override(once).send());
        self.record("GetCostAndUsage", &about, before, &answer, record)?;
        let answer = answer.map_err(|e| self.explain("ce:GetCostAndUsage", &about, &e))?;
        Ok(answer.results_by_time().iter().map(|result| result.groups().len()).sum())
    }

    fn record<T, E: ProvideErrorMetadata, R>(
        &self,
        operation: &'static str,
        about: &str,
        before: u32,
        answer: &std::result::Result<T, SdkError<E, R>>,
        record: &mut dyn FnMut(Call) -> Result<()>,
    ) -> Result<()> {
        let requests = self.requests() - before;
        let outcome = match answer {
            Ok(_) => "ok".to_owned(),
            Err(SdkError::ServiceError(error)) => error.err().code().unwrap_or("error").to_owned(),
            Err(SdkError::TimeoutError(_)) => "timeout".to_owned(),
            Err(_) => "no answer".to_owned(),
        };
        tracing::debug!(operation, about, requests, outcome, "asked Cost Explorer");
        if requests == 0 { Ok(()) } else { record(Call { operation, about: about.to_owned(), requests, outcome }) }
    }

    fn explain<E, R>(&self, action: &str, about: &str, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        if self.meter.refused.load(Ordering::SeqCst) {
            let limit = self.meter.limit;
            return Error::input(format!("{limit} requests to Cost Explorer are made, and {about} are still to come"))
                .cause(format!(
                    "`cost_explorer.max_requests` is {limit}, which is ${:.2}",
                    f64::from(limit) * REQUEST_PRICE
                ))
                .hint("set `cost_explorer.max_requests` higher, or ask for fewer days or less detail");
        }
        self.aws.explain(&ApiRequest { service: "Cost Explorer", action, about }, error)
    }
}

/// The token of the next page. The same token twice would ask, and pay, for ever.
fn next_token(next: Option<&str>, former: Option<String>, about: &str) -> Result<Option<String>> {
    match next.filter(|token| !token.is_empty()) {
        Some(token) if former.as_deref() == Some(token) => {
            Err(Error::remote(format!("Cost Explorer gives the same page of {about} again"))
                .hint("run the same command again"))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

/// One query's part of a month.
#[derive(Debug, Default, PartialEq)]
struct Slice {
    /// A region, or blank for all that have none of `not_regions`.
    region: Option<String>,
    not_regions: Vec<String>,
    category: Option<ChargeCategory>,
}

/// The queries that make up a month: parts that are complete by construction, since the last of each kind is all
/// that the others are not.
fn slices(detail: Detail, regions: &[String]) -> Vec<Slice> {
    let mut all = vec![Slice::default()];
    if detail.split_region {
        all = regions.iter().map(|region| Slice { region: Some(region.clone()), ..Slice::default() }).collect();
        all.push(Slice { region: Some(String::new()), not_regions: regions.to_vec(), category: None });
    }
    if detail.charge_categories {
        let categories: Vec<ChargeCategory> =
            RECORD_TYPES.iter().map(|(category, _)| *category).chain([ChargeCategory::Usage]).collect();
        let split = |slice: Slice| {
            let of = |category: &ChargeCategory| Slice {
                region: slice.region.clone(),
                not_regions: slice.not_regions.clone(),
                category: Some(*category),
            };
            categories.iter().map(of).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(split).collect();
    }
    all
}

impl Slice {
    fn label(&self) -> String {
        let region = match self.region.as_deref() {
            None => String::new(),
            Some("") => " without a region".into(),
            Some(region) => format!(" in {region}"),
        };
        self.category.map_or(region.clone(), |category| format!("{region} ({})", category.as_str()))
    }

    fn filter(&self) -> Option<Expression> {
        let mut parts = Vec::new();
        match self.region.as_deref() {
            None => {}
            Some("") if self.not_regions.is_empty() => {}
            Some("") => parts.push(not(any_of(Dimension::Region, &self.not_regions))),
            Some(region) => parts.push(any_of(Dimension::Region, &[region.to_owned()])),
        }
        if let Some(category) = self.category {
            let named = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            parts.push(match RECORD_TYPES.iter().find(|(known, _)| *known == category) {
                Some((_, types)) => any_of(Dimension::RecordType, &named(types)),
                None => {
                    let others: Vec<&str> = RECORD_TYPES.iter().flat_map(|(_, types)| types.iter().copied()).collect();
                    not(any_of(Dimension::RecordType, &named(&others)))
                }
            });
        }
        match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Expression::builder().set_and(Some(parts)).build()),
        }
    }
}

fn any_of(dimension: Dimension, values: &[String]) -> Expression {
    let values = DimensionValues::builder().key(dimension).set_values(Some(values.to_vec())).build();
    Expression::builder().dimensions(values).build()
}

fn not(expression: Expression) -> Expression {
    Expression::builder().not(expression).build()
}

fn grouping(dimension: &str) -> GroupDefinition {
    GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key(dimension).build()
}

/// The period as the API takes it: the end is exclusive, days are UTC.
fn interval(period: Period) -> Result<DateInterval> {
    let end = period.end + Days::new(1);
    DateInterval::builder()
        .start(period.start.to_string())
        .end(end.to_string())
        .build()
        .map_err(|e| Error::bug("a date interval without its ends").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_complete_and_as_many_as_announced() {
        let regions = ["eu-west-1".to_owned(), "us-east-1".to_owned()];
        for (split_region, charge_categories) in [(false, false), (true, false), (false, true), (true, true)] {
            let detail = Detail { split_region, charge_categories };
            let slices = slices(detail, &regions);
            assert_eq!(slices.len(), detail.queries(regions.len()), "{detail:?}");
        }
        let rest = slices(Detail { split_region: true, charge_categories: true }, &regions).pop().expect("slices");
        assert_eq!((rest.region.as_deref(), rest.category), (Some(""), Some(ChargeCategory::Usage)));
        let filter = rest.filter().expect("a filter");
        assert!(filter.and().iter().all(|part| part.not().is_some()), "{filter:?}");
    }

    #[test]
    fn months_come_newest_first_and_cut() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let months = months(Period { start: day("2026-09-22"), end: day("2026-11-19") });
        let shown: Vec<String> = months.iter().map(|month| format!("{}..{}", month.start, month.end)).collect();
        assert_eq!(shown, ["2026-11-01..2026-11-19", "2026-10-01..2026-10-31", "2026-09-22..2026-09-30"]);
    }
}
