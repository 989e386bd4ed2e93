//! The cost budgets of AWS Budgets, in this program's words.
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html>

use std::collections::BTreeMap;

use aws_sdk_budgets::{
    Client,
    types::{
        AutoAdjustType, Budget as AwsBudget, BudgetType, ComparisonOperator, CostTypes, Dimension as AwsDimension,
        Expression, Metric as AwsMetric, Notification, NotificationType, ThresholdType, TimeUnit,
    },
};
use chrono::DateTime;

use super::{
    aws::{ApiRequest, Aws},
    cost_explorer::product_code,
};
use crate::{
    error::Result,
    model::{
        Budget, BudgetAmount, BudgetPeriod, ChargeCategory, Day, Dimension, Filter, Limit, Metric, Month, Percent,
        Threshold, first_of_month,
    },
};

/// The one region that AWS Budgets answers in.
const REGION: &str = "us-east-1";
/// Budgets on a page of the answer, the most that the API takes.
const PAGE: i32 = 100;

/// Whether a budget counts something; AWS takes none for yes.
type Counts = fn(&CostTypes) -> Option<bool>;

/// The budgets of an account, and what of them was left out or changed. Pages are asked for one after another.
///
/// # Errors
/// When AWS refuses.
pub(crate) fn of_account(aws: &Aws, account: &str) -> Result<(Vec<Budget>, Vec<String>)> {
    let client = Client::new(&aws.in_region(REGION));
    let mut pages = client.describe_budgets().account_id(account).max_results(PAGE).into_paginator().send();
    let (mut budgets, mut notes) = (Vec::new(), Vec::new());
    while let Some(page) = aws.block_on(pages.next()) {
        let page = page.map_err(|e| aws.explain(&asked("the budgets"), &e))?;
        for budget in page.budgets() {
            let own = notifications(aws, &client, account, budget.budget_name())?;
            let mut import = Import { name: budget.budget_name(), notes: &mut notes };
            budgets.extend(import.budget(budget, &own));
        }
    }
    Ok((budgets, notes))
}

fn asked(about: &str) -> ApiRequest<'_> {
    ApiRequest { service: "AWS Budgets", action: "budgets:ViewBudget", about }
}

fn notifications(aws: &Aws, client: &Client, account: &str, name: &str) -> Result<Vec<Notification>> {
    let request = client.describe_notifications_for_budget().account_id(account).budget_name(name);
    let mut pages = request.into_paginator().send();
    let mut all = Vec::new();
    let about = format!("the notifications of the budget `{name}`");
    while let Some(page) = aws.block_on(pages.next()) {
        let page = page.map_err(|e| aws.explain(&asked(&about), &e))?;
        all.extend(page.notifications().iter().cloned());
    }
    Ok(all)
}

/// One budget on its way.
struct Import<'a> {
    name: &'a str,
    notes: &'a mut Vec<String>,
}

impl Import<'_> {
    fn note(&mut self, what: &str) {
        self.notes.push(format!("the budget `{}`: {what}", self.name));
    }

    #[expect(deprecated, reason = "budgets made before expressions have these fields only")]
    fn budget(&mut self, budget: &AwsBudget, notifications: &[Notification]) -> Option<Budget> {
        if *budget.budget_type() != BudgetType::Cost {
            self.note(&format!("left out, for it is of {}, not of costs", budget.budget_type().as_str()));
            return None;
        }
        let period = match budget.time_unit() {
            TimeUnit::Daily => BudgetPeriod::Daily,
            TimeUnit::Monthly => BudgetPeriod::Monthly,
            TimeUnit::Quarterly => BudgetPeriod::Quarterly,
            TimeUnit::Annually => BudgetPeriod::Yearly,
            other => {
                self.note(&format!("left out, for its period is {}", other.as_str()));
                return None;
            }
        };
        let start = budget.time_period().and_then(|period| period.start()).and_then(|start| month(start.secs()));
        let is_long = matches!(period, BudgetPeriod::Quarterly | BudgetPeriod::Yearly);
        let types = budget.cost_types();
        let counts = |of: Counts| types.and_then(of) != Some(false);
        let mut include = Vec::new();
        if counts(CostTypes::include_tax) {
            include.push(ChargeCategory::Tax);
        }
        if counts(CostTypes::include_credit) || counts(CostTypes::include_refund) {
            include.push(ChargeCategory::Credit);
        }
        let left_out: [(&str, Counts); 6] = [
            ("support", CostTypes::include_support),
            ("discounts", CostTypes::include_discount),
            ("upfront fees", CostTypes::include_upfront),
            ("recurring fees", CostTypes::include_recurring),
            ("subscriptions", CostTypes::include_subscription),
            ("other subscriptions", CostTypes::include_other_subscription),
        ];
        for (what, _) in left_out.iter().filter(|(_, of)| !counts(*of)) {
            self.note(&format!("counts {what} here, which AWS leaves out of it"));
        }
        let amount = self.amount(budget, period)?;
        let mut thresholds: Vec<Threshold> = Vec::new();
        for threshold in notifications.iter().filter_map(|one| self.threshold(one)) {
            if !thresholds.contains(&threshold) {
                thresholds.push(threshold);
            }
        }
        let imported = Budget {
            name: budget.budget_name().to_owned(),
            amount,
            growth: Percent::default(),
            period,
            starts: start.filter(|_| is_long),
            filters: self.filters(budget),
            metric: self.metric(budget),
            include,
            owner: None,
            channels: Vec::new(),
            thresholds,
        };
        if imported.thresholds.is_empty() {
            self.note("has no notification: the usual thresholds count");
        }
        match imported.check() {
            Ok(()) => Some(imported),
            Err(error) => {
                self.note(&format!("left out: {}", error.summary()));
                None
            }
        }
    }

    fn amount(&mut self, budget: &AwsBudget, period: BudgetPeriod) -> Option<BudgetAmount> {
        if let Some(adjusted) = budget.auto_adjust_data() {
            let options = adjusted.historical_options();
            if let (AutoAdjustType::Historical, Some(options)) = (adjusted.auto_adjust_type(), options) {
                let months = match period {
                    BudgetPeriod::Quarterly => 3,
                    BudgetPeriod::Yearly => 12,
                    BudgetPeriod::Daily | BudgetPeriod::Monthly => 1,
                };
                return Some(BudgetAmount::Average(options.budget_adjustment_period().max(1) as u32 * months));
            }
            self.note("AWS sets its amount to its own forecast; here it is what that was");
        }
        if let Some(planned) = budget.planned_budget_limits().filter(|planned| !planned.is_empty()) {
            let of = |(second, spend): (&String, &aws_sdk_budgets::types::Spend)| {
                Some((month(second.parse().ok()?)?, spend.amount().parse().ok()?))
            };
            let months: Option<BTreeMap<Month, f64>> = planned.iter().map(of).collect();
            if let Some(months) = months {
                if period == BudgetPeriod::Quarterly {
                    self.note("its amounts are of quarters; give one to each month");
                }
                return Some(BudgetAmount::ByMonth(months));
            }
        }
        let amount = budget.budget_limit().and_then(|limit| limit.amount().parse().ok());
        if amount.is_none() {
            self.note("left out, for it has no amount");
        }
        amount.map(BudgetAmount::Fixed)
    }

    #[expect(deprecated, reason = "budgets made before expressions have these fields only")]
    fn metric(&mut self, budget: &AwsBudget) -> Metric {
        let types = budget.cost_types();
        let uses = |of: Counts| types.and_then(of) == Some(true);
        match budget.metrics() {
            [AwsMetric::AmortizedCost, ..] => Metric::Amortized,
            [AwsMetric::BlendedCost, ..] => Metric::Blended,
            [AwsMetric::NetAmortizedCost, ..] => Metric::NetAmortized,
            [AwsMetric::NetUnblendedCost, ..] => Metric::NetUnblended,
            _ if uses(CostTypes::use_amortized) => Metric::Amortized,
            _ if uses(CostTypes::use_blended) => Metric::Blended,
            _ => Metric::Unblended,
        }
    }

    fn threshold(&mut self, notification: &Notification) -> Option<Threshold> {
        let forecast = match notification.notification_type() {
            NotificationType::Actual => false,
            NotificationType::Forecasted => true,
            other => {
                self.note(&format!("the notification {} is left out", other.as_str()));
                return None;
            }
        };
        if *notification.comparison_operator() != ComparisonOperator::GreaterThan {
            self.note("a notification of what is below or equal to its threshold is left out");
            return None;
        }
        let is_amount = notification.threshold_type() == Some(&ThresholdType::AbsoluteValue);
        let threshold = notification.threshold();
        Some(Threshold {
            forecast,
            limit: if is_amount { Limit::Amount(threshold) } else { Limit::Percent(threshold) },
        })
    }

    #[expect(deprecated, reason = "budgets made before expressions have these fields only")]
    fn filters(&mut self, budget: &AwsBudget) -> Vec<Filter> {
        let mut filters = Vec::new();
        let given: BTreeMap<&String, &Vec<String>> = budget.cost_filters().into_iter().flatten().collect();
        for (key, values) in given {
            for value in values {
                match cost_filter(key, value) {
                    Some(filter) => filters.push(filter),
                    None => self.note(&format!("the filter {key} = {value} is left out: give one of your own")),
                }
            }
        }
        if let Some(expression) = budget.filter_expression() {
            self.expression(expression, false, &mut filters);
        }
        filters.sort_by_key(ToString::to_string);
        filters
    }

    /// Filters of an expression: values of one dimension are alternatives, dimensions must hold together; what is not of this form is
    /// left out.
    fn expression(&mut self, expression: &Expression, negated: bool, filters: &mut Vec<Filter>) {
        expression.and().iter().for_each(|part| self.expression(part, negated, filters));
        if let Some(not) = expression.not() {
            self.expression(not, !negated, filters);
        }
        if !expression.or().is_empty() {
            self.note("alternatives of several dimensions are left out: give filters of your own");
        }
        let mut add = |dimension: Option<Dimension>, key: &str, values: &[String]| match dimension {
            Some(dimension) => filters.extend(values.iter().map(|value| {
                let value = if dimension == Dimension::Service { service(value) } else { value.clone() };
                Filter { dimension: dimension.clone(), value, negated }
            })),
            None => self.notes.push(format!(
                "the budget `{}`: the filter {key} = {} is left out: give one of your own",
                self.name,
                values.join(", ")
            )),
        };
        if let Some(own) = expression.dimensions() {
            add(dimension(own.key()), own.key().as_str(), own.values());
        }
        if let Some(own) = expression.tags() {
            let key = own.key().unwrap_or_default();
            add(Some(Dimension::Tag(key.to_owned())), key, own.values());
        }
        if let Some(own) = expression.cost_categories() {
            let key = own.key().unwrap_or_default();
            add(Some(Dimension::CostCategory(key.to_owned())), key, own.values());
        }
    }
}

/// The month of a second since 1970.
fn month(second: i64) -> Option<Month> {
    let day = DateTime::from_timestamp(second, 0)?.date_naive();
    Day::new(day)?;
    first_of_month(day).format("%Y-%m").to_string().parse().ok()
}

/// The product code of a service's name, as bills have it.
fn service(name: &str) -> String {
    product_code(name).unwrap_or(name).to_owned()
}

fn dimension(of: &AwsDimension) -> Option<Dimension> {
    match of {
        AwsDimension::Service | AwsDimension::ServiceCode => Some(Dimension::Service),
        AwsDimension::LinkedAccount | AwsDimension::LinkedAccountName => Some(Dimension::Account),
        AwsDimension::Region => Some(Dimension::Region),
        AwsDimension::UsageType => Some(Dimension::UsageType),
        AwsDimension::Operation => Some(Dimension::Operation),
        AwsDimension::ResourceId => Some(Dimension::Resource),
        _ => None,
    }
}

/// A filter as budgets had them before expressions: `TagKeyValue` is `user:team$payments`.
fn cost_filter(key: &str, value: &str) -> Option<Filter> {
    let plain = |dimension| Some(Filter { dimension, value: value.to_owned(), negated: false });
    match key {
        "Service" => Some(Filter { dimension: Dimension::Service, value: service(value), negated: false }),
        "LinkedAccount" => plain(Dimension::Account),
        "Region" => plain(Dimension::Region),
        "UsageType" => plain(Dimension::UsageType),
        "Operation" => plain(Dimension::Operation),
        "TagKeyValue" => {
            let (key, value) = value.split_once('$')?;
            let key = key.strip_prefix("user:").unwrap_or(key).to_owned();
            Some(Filter { dimension: Dimension::Tag(key), value: value.to_owned(), negated: false })
        }
        _ => None,
    }
}
