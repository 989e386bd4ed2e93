//! Line items of two sets of days side by side: what made a change. Only the columns, days and values asked for are read.

use chrono::{NaiveDate, NaiveDateTime};
use duckdb::types::Value;

use super::{Store, exact_sum, queries::NONE, quoted};
use crate::{
    error::Result,
    model::{ChargeCategory, Dimension, Metric},
    store::queries::Selection,
};

/// Days that count alike, before or after a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DaySet {
    pub days: Vec<NaiveDate>,
    /// What a dollar of these days counts.
    pub weight: f64,
    pub after: bool,
}

/// What a class of a meter cost in the days of one set, unweighted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassCost {
    pub account: String,
    pub service: String,
    pub region: String,
    pub usage_type: String,
    pub operation: String,
    pub unit: String,
    pub class: String,
    /// The index of the set of days.
    pub set: usize,
    pub cost: f64,
    /// Before the discounts that are part of the metric.
    pub gross: f64,
    pub quantity: Option<f64>,
}

/// What a value of a dimension cost before and after, weighted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueCost {
    pub value: String,
    pub before: f64,
    pub after: f64,
}

/// How lines fall into what [`ClassCost::class`] says; the first that fits. Commitments' fees are what went unused in amortized
/// costs and the fees themselves in others.
fn class_sql(metric: Metric) -> String {
    let commitment = match metric {
        Metric::Amortized | Metric::NetAmortized => "unused_commitment",
        _ => "commitment_fee",
    };
    format!(
        "CASE WHEN charge_category = 'Credit' THEN 'credit' WHEN charge_category = 'Tax' THEN 'tax' \
         WHEN charge_category = 'Adjustment' THEN 'discount' \
         WHEN line_item_type IN ('RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'UnusedCommitment') THEN '{commitment}' \
         WHEN charge_category = 'Purchase' THEN 'fee' \
         WHEN purchase_option = 'Reserved' THEN 'reserved' WHEN purchase_option = 'SavingsPlans' THEN 'savings_plans' \
         WHEN line_item_type = 'SavingsPlanNegation' THEN 'savings_plans' \
         WHEN purchase_option = 'Spot' THEN 'spot' \
         WHEN unblended_cost = 0 AND amortized_cost = 0 AND usage_amount > 0 THEN 'free' ELSE 'on_demand' END"
    )
}

/// The same cost before its discounts.
fn gross_column(metric: Metric) -> &'static str {
    match metric {
        Metric::NetAmortized => Metric::Amortized.column(),
        Metric::NetUnblended => Metric::Unblended.column(),
        other => other.column(),
    }
}

/// `(day, set)` for each day of each set.
fn sets_sql(sets: &[DaySet]) -> String {
    let rows = sets
        .iter()
        .enumerate()
        .flat_map(|(index, set)| set.days.iter().map(move |day| format!("(DATE '{day}', {index})")));
    let rows: Vec<String> = rows.collect();
    format!("(VALUES {}) AS sets(day, day_set)", rows.join(", "))
}

/// The days between the first and the last of the sets: what is outside is not read.
fn span_sql(sets: &[DaySet]) -> String {
    let days = || sets.iter().flat_map(|set| &set.days);
    match (days().min(), days().max()) {
        (Some(first), Some(last)) => format!("usage_date BETWEEN DATE '{first}' AND DATE '{last}'"),
        _ => "false".into(),
    }
}

/// The condition that only these categories count.
fn include_sql(include: &[ChargeCategory]) -> String {
    let names: Vec<String> = include.iter().map(|category| quoted(category.as_str())).collect();
    format!("charge_category IN ({})", names.join(", "))
}

impl Store {
    /// Costs and quantities by meter and class of each set of days, all charge categories.
    ///
    /// # Errors
    /// When a filter's tag key does not exist.
    pub(super) fn class_costs(&self, selection: &Selection, sets: &[DaySet]) -> Result<Vec<ClassCost>> {
        if sets.iter().all(|set| set.days.is_empty()) {
            return Ok(Vec::new());
        }
        let (_, condition) = self.source_and_condition(selection, &[])?;
        let metric = selection.metric;
        let sql = format!(
            "SELECT usage_account_id, product_code, region, COALESCE(usage_type, '{NONE}'), COALESCE(operation, '{NONE}'), \
             COALESCE(usage_unit, ''), {class} AS class, day_set, COALESCE({cost}, 0), COALESCE({gross}, 0), {quantity} \
             FROM {lines} JOIN {sets} ON usage_date = day WHERE {span} AND {condition} GROUP BY ALL ORDER BY ALL",
            class = class_sql(metric),
            cost = exact_sum(metric.column()),
            gross = exact_sum(gross_column(metric)),
            quantity = exact_sum("CASE WHEN line_item_type <> 'SavingsPlanNegation' THEN usage_amount END"),
            lines = self.line_items(),
            sets = sets_sql(sets),
            span = span_sql(sets),
        );
        self.rows(&sql, "cannot compare the days", |row| {
            Ok(ClassCost {
                account: row.get(0)?,
                service: row.get(1)?,
                region: row.get(2)?,
                usage_type: row.get(3)?,
                operation: row.get(4)?,
                unit: row.get(5)?,
                class: row.get(6)?,
                set: usize::try_from(row.get::<_, i64>(7)?).unwrap_or(usize::MAX),
                cost: row.get(8)?,
                gross: row.get(9)?,
                quantity: row.get(10)?,
            })
        })
    }

    /// Costs before and after of the `top` values of a dimension that changed most, and how many values there are.
    ///
    /// # Errors
    /// When a tag key does not exist.
    pub(super) fn value_costs(
        &self,
        selection: &Selection,
        dimension: &Dimension,
        include: &[ChargeCategory],
        sets: &[DaySet],
        top: usize,
    ) -> Result<(Vec<ValueCost>, usize)> {
        if sets.iter().all(|set| set.days.is_empty()) {
            return Ok((Vec::new(), 0));
        }
        let (table, condition) = self.source_and_condition(selection, std::slice::from_ref(dimension))?;
        let column = self.expression(dimension, selection.segments)?;
        let side = |after: bool| {
            let sums = sets.iter().enumerate().filter(|(_, set)| set.after == after).map(|(index, set)| {
                let cost = format!("CASE WHEN day_set = {index} THEN {} END", selection.metric.column());
                format!("{:?} * COALESCE({}, 0)", set.weight, exact_sum(&cost))
            });
            let sums: Vec<String> = sums.collect();
            if sums.is_empty() { "0.0".to_owned() } else { sums.join(" + ") }
        };
        let sql = format!(
            "WITH costs AS (SELECT COALESCE({column}, '{NONE}') AS value, {before} AS before, {after} AS after \
             FROM {table} JOIN {sets} ON usage_date = day WHERE {span} AND {condition} AND {include} GROUP BY 1) \
             SELECT value, before, after, count(*) OVER () FROM costs WHERE before <> 0 OR after <> 0 \
             ORDER BY abs(after - before) DESC, value LIMIT {top}",
            before = side(false),
            after = side(true),
            sets = sets_sql(sets),
            span = span_sql(sets),
            include = include_sql(include),
        );
        let mut count = 0;
        let values = self.rows(&sql, "cannot compare the days", |row| {
            count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
            Ok(ValueCost { value: row.get(0)?, before: row.get(1)?, after: row.get(2)? })
        })?;
        Ok((values, count))
    }

    /// The first day of all history with a charge of each of `values`, where there is one.
    ///
    /// # Errors
    /// When a tag key does not exist.
    pub(super) fn first_days(
        &self,
        selection: &Selection,
        dimension: &Dimension,
        include: &[ChargeCategory],
        values: &[String],
    ) -> Result<Vec<(String, NaiveDate)>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let (table, condition) = self.source_and_condition(selection, std::slice::from_ref(dimension))?;
        let column = self.expression(dimension, selection.segments)?;
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        let sql = format!(
            "SELECT COALESCE({column}, '{NONE}') AS value, min(usage_date) FROM {table} \
             WHERE {condition} AND {} AND COALESCE({column}, '{NONE}') IN ({}) AND {} <> 0 GROUP BY 1 ORDER BY 1",
            include_sql(include),
            values.join(", "),
            selection.metric.column()
        );
        self.rows(&sql, "cannot read the first days", |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The tags of resources as `key=value`, of the newest line from `first` to `last` that has any.
    pub(super) fn resource_tags(
        &self,
        selection: &Selection,
        resources: &[String],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(String, Vec<String>)>> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let (_, condition) = self.source_and_condition(selection, &[])?;
        let values: Vec<String> = resources.iter().map(|value| quoted(value)).collect();
        let sql = format!(
            "SELECT resource_id, list_transform(map_entries(arg_max(tags, usage_date)), lambda e: e.key || '=' || e.value) \
             FROM {} WHERE usage_date BETWEEN DATE '{first}' AND DATE '{last}' AND {condition} \
             AND resource_id IN ({}) AND cardinality(tags) > 0 GROUP BY 1 ORDER BY 1",
            self.line_items(),
            values.join(", ")
        );
        self.rows(&sql, "cannot read the tags", |row| {
            let tags = match row.get::<_, Value>(1)? {
                Value::List(tags) => tags,
                _ => Vec::new(),
            };
            let text = |value: Value| if let Value::Text(text) = value { Some(text) } else { None };
            Ok((row.get(0)?, tags.into_iter().filter_map(text).collect()))
        })
    }

    /// The selection's cost by hour of usage from `first` to `last`; empty when its lines are of whole days.
    pub(super) fn hourly_costs(
        &self,
        selection: &Selection,
        include: &[ChargeCategory],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(NaiveDateTime, f64)>> {
        let (_, condition) = self.source_and_condition(selection, &[])?;
        let sql = format!(
            "SELECT date_trunc('hour', usage_start) AS hour, {} FROM {} \
             WHERE usage_date BETWEEN DATE '{first}' AND DATE '{last}' AND {condition} AND {} \
             AND usage_end <= usage_start + INTERVAL 1 HOUR GROUP BY 1 ORDER BY 1",
            exact_sum(selection.metric.column()),
            self.line_items(),
            include_sql(include)
        );
        self.rows(&sql, "cannot read the hours", |row| Ok((row.get(0)?, row.get::<_, Option<f64>>(1)?.unwrap_or(0.0))))
    }
}
