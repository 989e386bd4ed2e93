//! The billing metrics of CloudWatch: what AWS estimates for the month so far, several times a day.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html>

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, DimensionFilter, Metric, MetricDataQuery, MetricStat},
};
use chrono::{NaiveDate, NaiveTime};

use super::aws::{ApiRequest, Aws};
use crate::{error::Result, model::Period};

/// The one region that has these metrics.
const REGION: &str = "us-east-1";
const NAMESPACE: &str = "AWS/Billing";
const METRIC: &str = "EstimatedCharges";
const DAY_SECONDS: i32 = 86_400;
/// Metrics of a request.
const BATCH: usize = 100;

/// The month so far, as it was estimated on a day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// None for all services together.
    pub service: Option<String>,
    pub account_id: Option<String>,
    pub date: NaiveDate,
    pub month_to_date: f64,
}

/// The newest estimate of each day of `period`, of all services and of each, in US dollars.
///
/// # Errors
/// When AWS refuses.
pub(crate) fn estimated_charges(aws: &Aws, period: Period) -> Result<Vec<Estimate>> {
    let client = Client::new(&aws.in_region(REGION));
    let about = "the billing metrics";
    let listed = ApiRequest { service: "CloudWatch", action: "cloudwatch:ListMetrics", about };
    let currency = DimensionFilter::builder().name("Currency").value("USD").build();
    let mut pages =
        client.list_metrics().namespace(NAMESPACE).metric_name(METRIC).dimensions(currency).into_paginator().send();
    let mut metrics = Vec::new();
    while let Some(page) = aws.block_on(pages.next()) {
        metrics.extend(page.map_err(|e| aws.explain(&listed, &e))?.metrics().to_vec());
    }
    let read = ApiRequest { service: "CloudWatch", action: "cloudwatch:GetMetricData", about };
    let time = |day: NaiveDate| DateTime::from_secs(day.and_time(NaiveTime::MIN).and_utc().timestamp());
    let end = period.end.succ_opt().unwrap_or(period.end);
    let mut found = Vec::new();
    for batch in metrics.chunks(BATCH) {
        let queries = batch.iter().enumerate().map(|(place, metric)| {
            let stat = MetricStat::builder().metric(metric.clone()).period(DAY_SECONDS).stat("Maximum").build();
            MetricDataQuery::builder().id(format!("m{place}")).metric_stat(stat).build()
        });
        let request = client.get_metric_data().start_time(time(period.start)).end_time(time(end));
        let mut pages = request.set_metric_data_queries(Some(queries.collect())).into_paginator().send();
        while let Some(page) = aws.block_on(pages.next()) {
            for result in page.map_err(|e| aws.explain(&read, &e))?.metric_data_results() {
                let place = result.id().and_then(|id| id.strip_prefix('m')).and_then(|id| id.parse::<usize>().ok());
                let Some(metric) = place.and_then(|place| batch.get(place)) else { continue };
                let points = result.timestamps().iter().zip(result.values());
                found.extend(points.filter_map(|(time, value)| {
                    let date = chrono::DateTime::from_timestamp(time.secs(), 0)?.date_naive();
                    let (service, account_id) = (value_of(metric, "ServiceName"), value_of(metric, "LinkedAccount"));
                    Some(Estimate { service, account_id, date, month_to_date: *value })
                }));
            }
        }
    }
    let key = |one: &Estimate| (one.service.clone(), one.account_id.clone(), one.date);
    found.sort_by_key(key);
    Ok(found)
}

fn value_of(metric: &Metric, name: &str) -> Option<String> {
    let is_it = |dimension: &&Dimension| dimension.name() == Some(name);
    metric.dimensions().iter().find(is_it).and_then(Dimension::value).map(str::to_owned)
}
