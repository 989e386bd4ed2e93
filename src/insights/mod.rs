//! Questions a user has, answered: one file for each verb. The only place where the store meets
//! `analysis`. It never reads the clock or the environment; today arrives as an argument.

pub(crate) mod alerts;
pub(crate) mod anomalies;
pub(crate) mod answer;
pub(crate) mod backtest;
mod bills;
pub(crate) mod budgets;
pub(crate) mod change;
pub(crate) mod compare;
pub(crate) mod course;
mod coverage;
pub(crate) mod drilldown;
pub(crate) mod explain;
pub(crate) mod explanation;
pub(crate) mod forecast;
pub(crate) mod frame;
mod group_finding;
pub(crate) mod health;
mod history;
pub(crate) mod incidents;
pub(crate) mod ledger;
pub(crate) mod levels;
mod matching;
pub(crate) mod next_steps;
pub(crate) mod overview;
pub(crate) mod reconcile;
pub(crate) mod request;
pub(crate) mod sentences;
pub(crate) mod status;
pub(crate) mod trends;
pub(crate) mod values;
pub(crate) mod warning;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::{
    error::{Code, Error, Result, nearest},
    inert,
    model::{Dimension, Filter, GroupBy, Metric},
    store::{Facts, queries::Selection},
};

pub(crate) use self::frame::Frame;

/// What every question says about the data it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// One data source; without it the most detailed of each bill and month.
    pub source: Option<&'a str>,
    pub metric: Metric,
    pub filters: &'a [Filter],
    /// Today, or the day that the user wants to be today.
    pub as_of: NaiveDate,
    pub settle_days: u32,
}

/// The one currency of the selection.
///
/// # Errors
/// When there are several: they are never added.
fn single_currency(facts: &dyn Facts, selection: &Selection) -> Result<String> {
    let mut currencies = facts.currencies(selection)?;
    if currencies.len() > 1 {
        let filters: Vec<String> =
            currencies.iter().map(|one| format!("`--filter {}`", inert::shell(&format!("currency={one}")))).collect();
        let error = Error::input(format!("the costs are in {} and are not added", currencies.join(" and ")))
            .hint(format!("choose one: {}", filters.join(" or ")));
        let conversions = facts.conversions(selection)?;
        let lacking: Vec<&str> =
            conversions.iter().filter(|one| one.rates.is_none()).map(|one| one.currency.as_str()).collect();
        return Err(match (conversions.first(), lacking.as_slice()) {
            (Some(one), [_, ..]) => {
                error.hint(format!("or add a rate of {} to {} to `currency.rates`", lacking.join(" and "), one.target))
            }
            _ => error,
        });
    }
    Ok(currencies.pop().unwrap_or_else(|| "USD".into()))
}

/// Says which filter value does not exist, when nothing matches.
///
/// # Errors
/// When a positive filter names a value that is not in the data.
fn check_filters(facts: &dyn Facts, selection: &Selection) -> Result<()> {
    let unfiltered = Selection { filters: &[], ..selection.clone() };
    for filter in selection.filters.iter().filter(|filter| !filter.negated) {
        let values = facts.values(&unfiltered, &filter.dimension)?;
        let is_name = filter.dimension == Dimension::Account && !facts.accounts_named(&filter.value)?.is_empty();
        if values.contains(&filter.value) || is_name {
            continue;
        }
        let error = Error::input(format!("there is no {} `{}` in these days", filter.dimension, filter.value))
            .with_code(Code::NotFound);
        return Err(match nearest(&filter.value, values.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{}`?", inert::shell(near))),
            None if values.is_empty() => error.hint("there is no data in these days"),
            None => {
                let few: Vec<&str> = values.iter().take(8).map(String::as_str).collect();
                error.hint(inert::one_line(&format!("there are: {}", few.join(", "))))
            }
        });
    }
    Ok(())
}

/// Whether the filters leave one value of a dimension.
fn is_fixed(filters: &[Filter], dimension: &Dimension) -> bool {
    filters.iter().filter(|filter| !filter.negated && filter.dimension == *dimension).count() == 1
}

/// The filters of a question with those of one group in it: a group's value stands for all values of its dimension.
fn group_filters(filters: &[Filter], group: impl IntoIterator<Item = (Dimension, String)>) -> Vec<Filter> {
    let mut narrowed = filters.to_vec();
    for (dimension, value) in group {
        narrowed.retain(|filter| filter.negated || filter.dimension != dimension);
        narrowed.push(Filter { dimension, value, negated: false });
    }
    narrowed
}

/// A group as an object from dimension to value.
fn group_object(group_by: &GroupBy, values: &[String]) -> Map<String, Value> {
    group_by.0.iter().zip(values).map(|(dimension, value)| (dimension.to_string(), value.clone().into())).collect()
}

/// The name of the account in a group, when it is grouped by account and the name is known.
fn account_name(group_by: &GroupBy, values: &[String], names: &BTreeMap<String, String>) -> Option<String> {
    let index = group_by.0.iter().position(|dimension| *dimension == Dimension::Account)?;
    names.get(values.get(index)?).cloned()
}

/// The values of a group for people, an account with its name.
pub(crate) fn group_names(group: &Map<String, Value>, account_name: Option<&str>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let named = |(dimension, value): (&String, &Value)| match account_name {
        Some(name) if dimension == "account" => format!("{} ({name})", text(value)),
        _ if value.is_null() => String::new(),
        _ => text(value),
    };
    group.iter().map(|value| inert::one_line(&named(value)).into_owned()).collect()
}
