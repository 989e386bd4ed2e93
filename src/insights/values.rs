//! The exact values of a dimension, as filters take them, with what they cost.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Frame, Question,
    answer::{Answer, Header},
    check_filters, single_currency,
    trends::range,
};
use crate::{
    error::Result,
    model::{ChargeCategory, Dimension, Period},
    store::{Facts, queries::Selection},
};

/// Which values.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub dimension: &'a Dimension,
    /// A text that the value, or the name of an account, contains, whatever the case.
    pub like: Option<&'a str>,
    /// As in [`super::trends::Request`].
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub days: u32,
    /// The charge categories that count.
    pub include: &'a [ChargeCategory],
    pub top: usize,
}

/// The values of a dimension.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Values {
    /// The dimension whose values these are.
    pub dimension: Dimension,
    /// The days of the costs.
    pub period: Period,
    /// Those that are listed, the costliest first.
    pub values: Vec<ValueCost>,
    /// How many match in all.
    pub count: usize,
}

/// One value.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ValueCost {
    /// As `--filter` takes it.
    pub value: String,
    /// Of an account.
    pub name: Option<String>,
    /// Of these days.
    pub cost: f64,
}

/// Lists values with their costs.
///
/// # Errors
/// When there is no data, it is of several currencies, or a filter or key names what is not there.
pub(crate) fn values(facts: &dyn Facts, request: &Request) -> Result<Answer<Values>> {
    let question = &request.question;
    let frame = Frame::new(facts, question)?;
    let period = range(&frame, request.from, request.to, request.days)?;
    let segments = frame.segments(period);
    let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
    let cells = facts.cells(&selection, std::slice::from_ref(request.dimension))?;
    if cells.is_empty() {
        check_filters(facts, &selection)?;
    }
    let names = facts.account_names()?;
    let mut costs: BTreeMap<String, f64> = BTreeMap::new();
    for cell in cells {
        let counts = request.include.iter().any(|category| category.as_str() == cell.charge_category);
        let Some(value) = cell.group.into_iter().next() else { continue };
        *costs.entry(value).or_default() += if counts { cell.cost } else { 0.0 };
    }
    let is_account = matches!(request.dimension, Dimension::Account | Dimension::Payer);
    let like = request.like.map(str::to_lowercase);
    let named = costs.into_iter().map(|(value, cost)| {
        let name = names.get(&value).filter(|_| is_account).cloned();
        ValueCost { value, name, cost }
    });
    let matches = |one: &ValueCost| {
        let texts = [Some(&one.value), one.name.as_ref()];
        like.as_ref().is_none_or(|like| texts.into_iter().flatten().any(|text| text.to_lowercase().contains(like)))
    };
    let mut values: Vec<ValueCost> = named.filter(matches).collect();
    values.sort_by(|a, b| b.cost.abs().total_cmp(&a.cost.abs()).then_with(|| a.value.cmp(&b.value)));
    let count = values.len();
    values.truncate(request.top);
    let header = Header {
        currency: Some(single_currency(facts, &selection)?),
        ..frame.header(facts, question, &segments, &[period])?
    };
    Ok(Answer { header, body: Values { dimension: request.dimension.clone(), period, values, count } })
}
