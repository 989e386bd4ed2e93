//! What AWS says now, past the database: for what has not been ingested yet, or to check it.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session};
use crate::{
    error::{Error, Result},
    ingest::cost_explorer::record_call,
    model::{Day, Metric, Period},
    sources::{
        cloudwatch,
        cost_explorer::{CostExplorer, REQUEST_PRICE},
    },
};

/// Days when no first day is named.
const WEEK: u64 = 7;

/// Ask Cost Explorer for costs as they are there now ($0.01 a request)
///
/// Nothing is kept of it but that it was asked (`api_calls`); `ingest --source cost-explorer` keeps costs.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct AskCostExplorer {
    /// First day, as YYYY-MM-DD [default: a week before the last]
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Last day, as YYYY-MM-DD [default: yesterday]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// What costs are grouped by
    #[arg(long, value_enum, default_value = "service")]
    pub by: LiveDimension,

    /// By the month instead of by the day
    #[arg(long)]
    pub monthly: bool,

    /// Cost to look at
    #[arg(long, value_enum, default_value = "net-amortized")]
    pub metric: Metric,
}

/// What Cost Explorer groups by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LiveDimension {
    /// The service, by its name there
    Service,
    /// The linked account
    Account,
    /// The region
    Region,
    /// The usage type
    UsageType,
}

/// Costs that Cost Explorer has now.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LiveCosts {
    /// First and last day.
    pub period: Period,
    /// What costs are grouped by.
    pub by: LiveDimension,
    /// Of all rows.
    pub total: f64,
    /// What each group costs in each period, the costliest first.
    pub costs: Vec<LiveRow>,
    /// Requests that were made.
    pub requests: u32,
    /// Their price.
    pub cost_usd: f64,
}

/// What a group costs.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LiveRow {
    /// First day.
    pub start: NaiveDate,
    /// Last day.
    pub end: NaiveDate,
    /// The service, account, region or usage type.
    pub group: String,
    /// In the answer's currency.
    pub cost: f64,
    /// Whether it may still change.
    pub estimated: bool,
}

impl Operation for AskCostExplorer {
    const NAME: &'static str = "live_costs";
    const TITLE: &'static str = "Costs as Cost Explorer has them now";
    const EFFECT: Effect = Effect::Spends;
    type Output = LiveCosts;

    fn answer(&self, session: &Session) -> Result<Answer<LiveCosts>> {
        let last = self.to.map_or(session.today() - Days::new(1), Day::date);
        let first = self.from.map_or(last - Days::new(WEEK - 1), Day::date);
        if first > last {
            return Err(Error::usage(format!("`--from {first}` is after `--to {last}`")));
        }
        let period = Period { start: first, end: last };
        let aws = session.aws()?;
        let account = aws.caller()?.account_id.clone();
        let explorer = CostExplorer::new(aws, &session.config().cost_explorer);
        let dimension = match self.by {
            LiveDimension::Service => "SERVICE",
            LiveDimension::Account => "LINKED_ACCOUNT",
            LiveDimension::Region => "REGION",
            LiveDimension::UsageType => "USAGE_TYPE",
        };
        let mut calls = Vec::new();
        let found = explorer.ask(period, self.monthly, dimension, self.metric, &mut |call| {
            calls.push(call);
            Ok(())
        });
        // The money is spent, whether this can be noted or not.
        let store = session.store_for_writing_now();
        let noted = store.and_then(|store| calls.iter().try_for_each(|call| record_call(&store, &account, call)));
        if let Err(error) = noted {
            session.reporter().note(&format!("note: what the requests cost is not noted: {}", error.summary()));
        }
        let mut found = found?;
        let currencies: BTreeSet<String> = found.iter().map(|one| one.currency.clone()).collect();
        if currencies.len() > 1 {
            return Err(Error::input("Cost Explorer answers in several currencies, which are never added")
                .cause(currencies.into_iter().collect::<Vec<_>>().join(", ")));
        }
        found.sort_by(|one, other| other.cost.total_cmp(&one.cost).then_with(|| one.start.cmp(&other.start)));
        let requests = explorer.requests();
        let row = |one: crate::sources::cost_explorer::LiveCost| LiveRow {
            start: one.start,
            end: one.end,
            group: one.group,
            cost: one.cost,
            estimated: one.is_estimated,
        };
        let header = Header {
            metric: Some(self.metric),
            currency: currencies.into_iter().next(),
            sources: vec!["cost-explorer, live".to_owned()],
            ..Header::of(session.today())
        };
        let body = LiveCosts {
            period,
            by: self.by,
            total: found.iter().map(|one| one.cost).sum(),
            costs: found.into_iter().map(row).collect(),
            requests,
            cost_usd: f64::from(requests) * REQUEST_PRICE,
        };
        Ok(Answer { header, body })
    }
}

/// Ask CloudWatch what AWS estimates for the month so far ($0.01 for a thousand metrics)
///
/// The billing metrics of us-east-1, which somebody has to switch on in the billing preferences. They are of the payer's
/// currency US dollars, without tax and credits, and newer than any bill.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct AskCloudWatch {
    /// First day, as YYYY-MM-DD [default: three days before the last]
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Last day, as YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,
}

/// What AWS estimates.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EstimatedCharges {
    /// First and last day.
    pub period: Period,
    /// All services together first, by day.
    pub estimates: Vec<EstimatedCharge>,
}

/// The month so far, as it was estimated on a day.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EstimatedCharge {
    /// The day.
    pub date: NaiveDate,
    /// None for all services together.
    pub service: Option<String>,
    /// The linked account; none for all of them together.
    pub account_id: Option<String>,
    /// US dollars from the first of the month.
    pub month_to_date: f64,
}

impl Operation for AskCloudWatch {
    const NAME: &'static str = "live_charges";
    const TITLE: &'static str = "What AWS estimates for the month so far";
    const EFFECT: Effect = Effect::Spends;
    type Output = EstimatedCharges;

    fn answer(&self, session: &Session) -> Result<Answer<EstimatedCharges>> {
        let last = self.to.map_or(session.today(), Day::date);
        let first = self.from.map_or(last - Days::new(3), Day::date);
        if first > last {
            return Err(Error::usage(format!("`--from {first}` is after `--to {last}`")));
        }
        let period = Period { start: first, end: last };
        let found = cloudwatch::estimated_charges(session.aws()?, period)?;
        if found.is_empty() {
            return Err(Error::input("CloudWatch has no billing metrics of these days")
                .hint("switch on \"CloudWatch billing alerts\" in the billing preferences of the payer, and ask with its credentials"));
        }
        let estimate = |one: cloudwatch::Estimate| EstimatedCharge {
            date: one.date,
            service: one.service,
            account_id: one.account_id,
            month_to_date: one.month_to_date,
        };
        let header = Header {
            currency: Some("USD".to_owned()),
            sources: vec!["cloudwatch, live".to_owned()],
            ..Header::of(session.today())
        };
        Ok(Answer { header, body: EstimatedCharges { period, estimates: found.into_iter().map(estimate).collect() } })
    }
}
