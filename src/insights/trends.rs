//! Where the money goes, period by period.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Frame, Question, account_name,
    answer::{Answer, Header},
    check_filters, group_object, single_currency,
};
use crate::{
    error::{Code, Error, Result},
    model::{ChargeCategory, Granularity, GroupBy, Period},
    store::{
        Facts,
        queries::{Cell, Selection},
    },
};

/// Credits hide spend when they take more than this share of it.
pub(crate) const HIDING_SHARE: f64 = 0.01;

/// Periods of a table, for whoever reads it; ten years by day.
const MOST_PERIODS: usize = 4_000;

/// What to show.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    /// The days asked for; `None` is the last `days` up to the newest.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub days: u32,
    pub granularity: Granularity,
    pub group_by: GroupBy,
    /// Groups to show by name; the rest is one row.
    pub top: usize,
    /// The charge categories that count.
    pub include: &'a [ChargeCategory],
}

/// Costs by period and group.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Trends {
    /// Days or months.
    pub granularity: Granularity,
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The charge categories that the costs count.
    pub include: Vec<&'static str>,
    /// Of all periods.
    pub total: f64,
    /// In order.
    pub periods: Vec<TrendPeriod>,
    /// The groups over the whole range, the costliest first, `other` last.
    pub groups: Vec<GroupTotal>,
    /// Charge categories that the costs do not count, over the whole range.
    pub excluded_charges: Vec<ExcludedCharge>,
    /// Set when credits and refunds make the bill look much smaller than what was spent.
    pub hidden_by_credits: Option<HiddenByCredits>,
}

/// One period.
#[derive(Debug, JsonSchema, Serialize)]
pub struct TrendPeriod {
    pub start: NaiveDate,
    pub end: NaiveDate,
    /// Whether some of its days are not settled.
    pub provisional: bool,
    pub total: f64,
    /// Against the period before.
    pub change: Option<f64>,
    pub change_pct: Option<f64>,
    /// Credits and refunds of the period, counted in `total` or not.
    pub credits: f64,
    pub groups: Vec<GroupCost>,
}

/// One group in one period.
#[derive(Debug, JsonSchema, Serialize)]
pub struct GroupCost {
    pub group: Map<String, Value>,
    pub cost: f64,
    pub change: Option<f64>,
    pub change_pct: Option<f64>,
}

/// One group over the whole range.
#[derive(Debug, JsonSchema, Serialize)]
pub struct GroupTotal {
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    /// Whether this row stands for all groups that are not shown by name.
    pub other: bool,
    pub cost: f64,
    pub share_pct: Option<f64>,
    /// Per day of the range that there is data of.
    pub average: f64,
    /// Of a period.
    pub minimum: f64,
    pub maximum: f64,
    pub costs: Vec<f64>,
}

/// What was spent, what credits and refunds took off, and what remains of both.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HiddenByCredits {
    pub spend: f64,
    pub credits: f64,
    pub net: f64,
}

/// Charges that are shown beside the total.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExcludedCharge {
    pub charge_category: &'static str,
    pub cost: f64,
}

/// Costs of the selection by period and group.
///
/// # Errors
/// When the range is empty, the data is of several currencies, or a filter or key names what is not there.
pub(crate) fn trends(facts: &dyn Facts, request: &Request) -> Result<Answer<Trends>> {
    let question = &request.question;
    let frame = Frame::new(facts, question)?;
    let range = range(&frame, request.from, request.to, request.days)?;
    let periods = periods(range, request.granularity)?;
    let segments = frame.segments(range);
    let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
    let cells = facts.cells(&selection, &request.group_by.0)?;
    if cells.is_empty() {
        check_filters(facts, &selection)?;
    }
    let currency = single_currency(facts, &selection)?;
    let names = facts.account_names()?;

    let days_with_data = range.iter().filter(|day| frame.has_day(*day)).count().max(1) as f64;
    let index_of: BTreeMap<NaiveDate, usize> =
        periods.iter().enumerate().flat_map(|(index, period)| period.iter().map(move |day| (day, index))).collect();
    let included: BTreeSet<&str> = request.include.iter().map(|category| category.as_str()).collect();
    let mut groups: BTreeMap<Vec<String>, BTreeMap<usize, f64>> = BTreeMap::new();
    let mut credits = vec![0.0; periods.len()];
    let mut excluded_charges: BTreeMap<&str, f64> = BTreeMap::new();
    for Cell { group, day, charge_category, cost } in &cells {
        let Some(&index) = index_of.get(day) else { continue };
        if charge_category == ChargeCategory::Credit.as_str() {
            credits[index] += cost;
        }
        if included.contains(charge_category.as_str()) {
            *groups.entry(group.clone()).or_default().entry(index).or_default() += cost;
        } else {
            *excluded_charges.entry(charge_category).or_default() += cost;
        }
    }
    let rows = ranked(groups, request.top, periods.len());
    let totals: Vec<f64> = (0..periods.len()).map(|index| rows.iter().map(|row| row.costs[index]).sum()).collect();
    let total: f64 = totals.iter().sum();

    let object = |row: &Row| match &row.group {
        Some(values) => group_object(&request.group_by, values),
        None => request.group_by.0.iter().map(|dimension| (dimension.to_string(), "other".into())).collect(),
    };
    let is_whole = |period: Period| request.granularity.period_of(period.start) == period;
    let trend_periods = periods.iter().enumerate().map(|(index, period)| {
        // A change between a whole period and a part of one says nothing.
        let before = index.checked_sub(1).filter(|before| is_whole(*period) && is_whole(periods[*before]));
        TrendPeriod {
            start: period.start,
            end: period.end,
            provisional: period.end > frame.settled_through,
            total: totals[index],
            change: before.map(|before| totals[index] - totals[before]),
            change_pct: before.and_then(|before| percent(totals[index] - totals[before], totals[before])),
            credits: credits[index],
            groups: rows
                .iter()
                .map(|row| {
                    let change = before.map(|before| row.costs[index] - row.costs[before]);
                    GroupCost {
                        group: object(row),
                        cost: row.costs[index],
                        change,
                        change_pct: before
                            .and_then(|before| percent(row.costs[index] - row.costs[before], row.costs[before])),
                    }
                })
                .collect(),
        }
    });
    let group_totals = rows.iter().map(|row| {
        let cost: f64 = row.costs.iter().sum();
        GroupTotal {
            group: object(row),
            account_name: row.group.as_ref().and_then(|values| account_name(&request.group_by, values, &names)),
            other: row.group.is_none(),
            cost,
            share_pct: percent(cost, total),
            average: cost / days_with_data,
            minimum: row.costs.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0),
            maximum: row.costs.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0),
            costs: row.costs.clone(),
        }
    });
    let credits_counted = included.contains(ChargeCategory::Credit.as_str());
    let hidden_by_credits = hiding_credits(credits.iter().sum(), total, credits_counted);
    let header = Header { currency: Some(currency), ..frame.header(facts, question, &segments, &[range])? };
    let body = Trends {
        granularity: request.granularity,
        group_by: request.group_by.clone(),
        include: request.include.iter().map(|category| category.as_str()).collect(),
        total,
        periods: trend_periods.collect(),
        groups: group_totals.collect(),
        excluded_charges: ChargeCategory::ALL
            .iter()
            .filter_map(|category| {
                excluded_charges
                    .get(category.as_str())
                    .map(|cost| ExcludedCharge { charge_category: category.as_str(), cost: *cost })
            })
            .collect(),
        hidden_by_credits,
    };
    Ok(Answer { header, body })
}

/// The periods of a table.
///
/// # Errors
/// When they are more than anybody reads.
fn periods(range: Period, granularity: Granularity) -> Result<Vec<Period>> {
    let periods = range.split(granularity);
    if periods.len() <= MOST_PERIODS {
        return Ok(periods);
    }
    let (Period { start, end }, count) = (range, periods.len());
    let coarser = match range.days() / 7 {
        weeks if granularity == Granularity::Daily && weeks < MOST_PERIODS => "--granularity weekly",
        _ => "--granularity monthly",
    };
    Err(Error::input(format!("{start} to {end} are {count} periods, and a table has at most {MOST_PERIODS}"))
        .hint(format!("choose longer ones (`{coarser}`), or fewer days with `--from` and `--to`")))
}

/// The days from `from` to `to`; without `from` the last `days` of the data.
///
/// # Errors
/// When there is no data of them.
pub(super) fn range(frame: &Frame, from: Option<NaiveDate>, to: Option<NaiveDate>, days: u32) -> Result<Period> {
    let end = to.unwrap_or(frame.as_of);
    let days = Days::new(u64::from(days.max(1)) - 1);
    let last_days = end.checked_sub_days(days).unwrap_or(NaiveDate::MIN);
    // The last days do not reach before the data; days asked for by name do.
    let start = from.unwrap_or(frame.first_day().map_or(last_days, |first| last_days.max(first.min(end))));
    if to.is_none() && start > end {
        return Err(Error::input(format!("there is no data from {start} on"))
            .with_code(Code::NoData)
            .hint(format!("the newest data is of {}", frame.as_of)));
    }
    if start > end {
        return Err(Error::usage(format!("the range ends before it starts: {start} to {end}"))
            .hint("`--from` is the first day, `--to` the last"));
    }
    if Some(end) < frame.first_day() || start > frame.as_of {
        let first = frame.first_day().unwrap_or(start);
        return Err(Error::input(format!("there is no data from {start} to {end}"))
            .with_code(Code::NoData)
            .hint(format!("the data is of {first} to {}", frame.as_of)));
    }
    Ok(Period { start, end })
}

/// A group, or all groups that are not shown by name.
struct Row {
    group: Option<Vec<String>>,
    costs: Vec<f64>,
}

/// The costliest groups and one row for the others, so that rows add up to the total.
fn ranked(groups: BTreeMap<Vec<String>, BTreeMap<usize, f64>>, top: usize, periods: usize) -> Vec<Row> {
    let weight = |costs: &BTreeMap<usize, f64>| costs.values().sum::<f64>().abs();
    let add = |sums: &mut Vec<f64>, costs: &BTreeMap<usize, f64>| costs.iter().for_each(|(at, cost)| sums[*at] += cost);
    let mut groups: Vec<(Vec<String>, BTreeMap<usize, f64>)> = groups.into_iter().collect();
    groups.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
    let others = groups.split_off(top.min(groups.len()));
    let row = |(group, costs): (Vec<String>, BTreeMap<usize, f64>)| {
        let mut row = Row { group: Some(group), costs: vec![0.0; periods] };
        add(&mut row.costs, &costs);
        row
    };
    let mut rows: Vec<Row> = groups.into_iter().map(row).collect();
    if !others.is_empty() {
        let mut other = Row { group: None, costs: vec![0.0; periods] };
        others.iter().for_each(|(_, costs)| add(&mut other.costs, costs));
        rows.push(other);
    }
    rows
}

/// `part` in percent of `whole`; nothing to compare with below a cent.
fn percent(part: f64, whole: f64) -> Option<f64> {
    (whole.abs() >= 0.01).then(|| part / whole.abs() * 100.0)
}

fn hiding_credits(credits: f64, total: f64, counted: bool) -> Option<HiddenByCredits> {
    let spend = if counted { total - credits } else { total };
    let hides = credits <= -0.01 && -credits >= HIDING_SHARE * spend;
    hides.then_some(HiddenByCredits { spend, credits, net: spend + credits })
}
