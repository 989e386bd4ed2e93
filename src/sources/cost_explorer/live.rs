//! Costs as Cost Explorer has them now, for a question and not for the database.

use aws_sdk_costexplorer::types::Granularity;
use chrono::NaiveDate;

use super::{Call, CostExplorer, grouping, interval, next_token};
use crate::{
    error::{Error, Result},
    model::{Metric, Period},
};

/// What a group of a period costs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveCost {
    pub start: NaiveDate,
    /// The last day, itself included.
    pub end: NaiveDate,
    pub group: String,
    pub cost: f64,
    pub currency: String,
    /// Whether it may still change.
    pub is_estimated: bool,
}

/// The name of a metric there; there is no list price.
fn metric_name(metric: Metric) -> Result<&'static str> {
    Ok(match metric {
        Metric::Unblended => "UnblendedCost",
        Metric::Blended => "BlendedCost",
        Metric::Amortized => "AmortizedCost",
        Metric::NetUnblended => "NetUnblendedCost",
        Metric::NetAmortized => "NetAmortizedCost",
        Metric::List => return Err(Error::usage("Cost Explorer has no list prices").hint("take another `--metric`")),
    })
}

impl CostExplorer<'_> {
    /// Asks for the costs of `period` by one dimension of Cost Explorer, such as `SERVICE`; by the day, or by the month.
    /// Each page is a request.
    ///
    /// # Errors
    /// As [`CostExplorer::fetch`].
    pub(crate) fn ask(
        &self,
        period: Period,
        by_month: bool,
        dimension: &str,
        metric: Metric,
        record: &mut dyn FnMut(Call) -> Result<()>,
    ) -> Result<Vec<LiveCost>> {
        let name = metric_name(metric)?;
        let about = format!("the costs of {}..{} now", period.start, period.end);
        let granularity = if by_month { Granularity::Monthly } else { Granularity::Daily };
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let before = self.requests();
            let request = self
                .client
                .get_cost_and_usage()
                .time_period(interval(period)?)
                .granularity(granularity.clone())
                .metrics(name)
                .group_by(grouping(dimension))
                .set_next_page_token(token.clone());
            let answer = self.aws.block_on(request.send());
            self.record("GetCostAndUsage", &about, before, &answer, record)?;
            let answer = answer.map_err(|e| self.explain("ce:GetCostAndUsage", &about, &e))?;
            let broken = || Error::remote(format!("cannot read {about}"));
            for result in answer.results_by_time() {
                let days = result.time_period().ok_or_else(broken)?;
                let day =
                    |text: &str| text.get(..10).and_then(|text| text.parse::<NaiveDate>().ok()).ok_or_else(broken);
                let (start, end) = (day(days.start())?, day(days.end())?.pred_opt().ok_or_else(broken)?);
                for group in result.groups() {
                    let value = group.metrics().and_then(|metrics| metrics.get(name)).ok_or_else(broken)?;
                    let cost = value.amount().and_then(|amount| amount.parse().ok()).ok_or_else(broken)?;
                    let currency = value.unit().unwrap_or("USD").to_owned();
                    let group = group.keys().join(" / ");
                    found.push(LiveCost { start, end, group, cost, currency, is_estimated: result.estimated() });
                }
            }
            token = next_token(answer.next_page_token(), token, &about)?;
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}
