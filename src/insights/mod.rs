//! Questions a user has, answered: one file for each verb. The only place where the store meets
//! `analysis`. It never reads the clock or the environment; today arrives as an argument.

pub mod alerts;
pub mod anomalies;
pub mod backtest;
pub mod change;
pub mod compare;
pub mod course;
pub mod drilldown;
pub mod explain;
mod found;
pub mod health;
pub mod incidents;
pub mod levels;
pub mod next_steps;
pub mod overview;
pub mod reconcile;
pub mod sentences;
pub mod trends;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::{
    analysis::calendar::settled_through,
    error::{Error, Result, nearest},
    inert,
    model::{Dimension, Filter, Granularity, GroupBy, Metric, Period, first_of_month},
    store::{
        Store,
        queries::{Segment, Selection},
    },
};

pub use crate::store::queries::Account;

/// The version of every JSON answer. Fields are only ever added to it.
pub const SCHEMA_VERSION: u32 = 1;

/// What every question says about the data it is about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// One data source; without it the most detailed of each month.
    pub source: Option<&'a str>,
    pub metric: Metric,
    pub filters: &'a [Filter],
    /// Today, or the day that the user wants to be today.
    pub as_of: NaiveDate,
    pub settle_days: u32,
}

/// The time frame that the data allows.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The day asked for, or the newest day of the data when that is older.
    pub as_of: NaiveDate,
    /// By how many days the newest data is older than the day asked for.
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    /// The days that each source has.
    days: BTreeMap<String, BTreeSet<NaiveDate>>,
}

impl Frame {
    /// Reads what there is.
    ///
    /// # Errors
    /// When there is nothing, or not of the source asked for.
    pub fn new(store: &Store, question: &Question) -> Result<Self> {
        let mut days: BTreeMap<String, BTreeSet<NaiveDate>> = BTreeMap::new();
        let mut newest_usage: BTreeMap<String, NaiveDate> = BTreeMap::new();
        for source in store.days()? {
            newest_usage.extend(source.usage_days.last().map(|day| (source.data_source.clone(), *day)));
            days.insert(source.data_source, source.days);
        }
        if days.is_empty() {
            return Err(
                Error::input("the database holds no costs").hint("ingest a bill: `aws-cost-anomalies ingest PATH`")
            );
        }
        if let Some(source) = question.source {
            let names: Vec<String> = days.keys().cloned().collect();
            days.retain(|name, _| name == source);
            if days.is_empty() {
                let error = Error::input(format!("there is no data source `{source}`"));
                let near =
                    nearest(source, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
                return Err(error.hint(format!("{}there are: {}", near.unwrap_or_default(), names.join(", "))));
            }
        }
        let newest_of = |name: &str| {
            let all = || days.get(name).and_then(|days| days.last());
            newest_usage.get(name).or_else(all).copied()
        };
        let all_days = || days.values().flatten().copied();
        let (Some(first), Some(last)) = (all_days().min(), all_days().max()) else {
            return Err(Error::bug("data sources without days"));
        };
        // What is newest is said by the source that is read, not by one beside it.
        let period = Period { start: first, end: last };
        let read = segments(&days, period, question.settle_days);
        let newest = read.last().and_then(|segment| newest_of(&segment.data_source)).unwrap_or(last);
        let as_of = question.as_of.min(newest);
        Ok(Self {
            as_of,
            data_age_days: (question.as_of - newest).num_days().max(0),
            settled_through: settled_through(question.as_of, question.settle_days, newest),
            days,
        })
    }

    /// One data source for each month of `period`: see [`segments`].
    pub fn segments(&self, period: Period, settle_days: u32) -> Vec<Segment> {
        segments(&self.days, period, settle_days)
    }

    /// The segments of `span` that some of `periods` need.
    pub fn segments_of(&self, span: Period, periods: &[Period], settle_days: u32) -> Vec<Segment> {
        let mut segments = self.segments(span, settle_days);
        let overlap = |a: Period, b: &Period| a.start <= b.end && b.start <= a.end;
        segments.retain(|segment| periods.iter().any(|period| overlap(segment.period, period)));
        segments
    }

    /// Whether any source of `segments` has the day.
    pub fn has_day(&self, segments: &[Segment], day: NaiveDate) -> bool {
        let mut covering = segments.iter().filter(|segment| segment.period.contains(day));
        covering.any(|segment| self.days.get(&segment.data_source).is_some_and(|days| days.contains(&day)))
    }

    /// The first day of any data.
    pub fn first_day(&self) -> Option<NaiveDate> {
        self.days.values().filter_map(|days| days.first()).min().copied()
    }

    /// What a reader should know before trusting the figures.
    fn notes(&self, question: &Question, segments: &[Segment]) -> Vec<String> {
        let mut notes = Vec::new();
        if self.data_age_days > 0 {
            notes.push(format!(
                "the newest data is of {}, {} days before {}: reading as of that day",
                self.as_of, self.data_age_days, question.as_of
            ));
        }
        let used: BTreeSet<&str> = segments.iter().map(|segment| segment.data_source.as_str()).collect();
        let others: Vec<&str> = self.days.keys().map(String::as_str).filter(|name| !used.contains(name)).collect();
        if used.len() > 1 {
            let parts = segments
                .iter()
                .map(|segment| format!("{} of {}..{}", segment.data_source, segment.period.start, segment.period.end));
            notes.push(format!("from {}; the same money is never added twice", parts.collect::<Vec<_>>().join(", ")));
        }
        if !others.is_empty() && !used.is_empty() {
            let used: Vec<&str> = used.into_iter().collect();
            notes.push(format!(
                "from {}; also in the database: {} (`--source`)",
                used.join(" and "),
                others.join(", ")
            ));
        }
        notes
    }
}

/// One data source for each month of `period`. Among AWS's own formats, which hold the same money, it is the
/// most detailed that has the days which any of them has, but for at most `settle_days` in the newest month; another
/// vendor's bill is read by default only in months that have none of them.
fn segments(days: &BTreeMap<String, BTreeSet<NaiveDate>>, period: Period, settle_days: u32) -> Vec<Segment> {
    let mut months: BTreeMap<NaiveDate, Vec<(&str, usize)>> = BTreeMap::new();
    for (name, days) in days {
        let mut counts: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        for day in days.range(period.start..=period.end) {
            *counts.entry(first_of_month(*day)).or_default() += 1;
        }
        for (month, count) in counts {
            months.entry(month).or_default().push((name, count));
        }
    }
    let newest = days.values().filter_map(|days| days.last()).max().map(|day| first_of_month(*day));
    let mut segments: Vec<Segment> = Vec::new();
    for (month, mut sources) in months {
        if sources.iter().any(|(name, _)| detail_rank(name).is_some()) {
            sources.retain(|(name, _)| detail_rank(name).is_some());
        }
        let most = sources.iter().map(|(_, count)| *count).max().unwrap_or(0);
        // Only the month that is still being delivered may lack its last days; another would show them as 0.
        let slack = if Some(month) == newest { settle_days as usize } else { 0 };
        sources.retain(|(_, count)| count + slack >= most);
        let best = sources.into_iter().min_by_key(|(name, _)| (detail_rank(name).unwrap_or(usize::MAX), *name));
        let Some((name, _)) = best else { continue };
        let whole = Granularity::Monthly.period_of(month);
        let cut = Period { start: whole.start.max(period.start), end: whole.end.min(period.end) };
        match segments.last_mut() {
            Some(last) if last.data_source == name => last.period.end = cut.end,
            _ => segments.push(Segment { data_source: name.into(), period: cut }),
        }
    }
    segments
}

/// How much detail one of AWS's own formats has, 0 for the most.
fn detail_rank(data_source: &str) -> Option<usize> {
    ["cur2", "cur", "focus", "cost-explorer"].iter().position(|name| *name == data_source)
}

/// The one currency of the selection.
///
/// # Errors
/// When there are several: they are never added.
fn single_currency(store: &Store, selection: &Selection) -> Result<String> {
    let mut currencies = store.currencies(selection)?;
    if currencies.len() > 1 {
        return Err(Error::input(format!("the costs are in {} and are not added", currencies.join(" and ")))
            .hint(format!("choose one: `--filter {}`", inert::shell(&format!("currency={}", currencies[0])))));
    }
    Ok(currencies.pop().unwrap_or_else(|| "USD".into()))
}

/// Says which filter value does not exist, when nothing matches.
///
/// # Errors
/// When a positive filter names a value that is not in the data.
fn check_filters(store: &Store, selection: &Selection) -> Result<()> {
    for filter in selection.filters.iter().filter(|filter| !filter.negated) {
        let values = store.values(selection, &filter.dimension)?;
        let is_name = filter.dimension == Dimension::Account && !store.accounts_named(&filter.value)?.is_empty();
        if values.contains(&filter.value) || is_name {
            continue;
        }
        let error = Error::input(format!("there is no {} `{}` in these days", filter.dimension, filter.value));
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

/// The sources of `segments` by name, for the answer.
fn source_names(segments: &[Segment]) -> String {
    let names: BTreeSet<&str> = segments.iter().map(|segment| segment.data_source.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn frame(sources: &[(&str, &str, &str)]) -> Frame {
        let days = sources.iter().map(|(name, start, end)| {
            let period = Period { start: day(start), end: day(end) };
            ((*name).to_owned(), period.iter().collect::<BTreeSet<_>>())
        });
        Frame { as_of: day("2026-12-31"), data_age_days: 0, settled_through: day("2026-12-29"), days: days.collect() }
    }

    #[test]
    fn the_most_detailed_source_that_covers_a_month_is_picked() {
        let frame = frame(&[
            ("cost-explorer", "2026-10-01", "2026-12-31"),
            ("cur", "2026-11-01", "2026-12-30"),
            ("cur2", "2026-12-20", "2026-12-30"),
            ("datadog", "2026-09-01", "2026-12-31"),
        ]);
        let segments = frame.segments(Period { start: day("2026-09-15"), end: day("2026-12-31") }, 2);
        let shown: Vec<String> =
            segments.iter().map(|s| format!("{} {}..{}", s.data_source, s.period.start, s.period.end)).collect();
        let expected =
            ["datadog 2026-09-15..2026-09-30", "cost-explorer 2026-10-01..2026-10-31", "cur 2026-11-01..2026-12-31"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_finished_month_that_lacks_its_end_is_read_from_the_source_that_has_it() {
        let frame = frame(&[("cost-explorer", "2026-01-01", "2026-03-01"), ("cur2", "2026-01-01", "2026-02-26")]);
        let segments = frame.segments(Period { start: day("2026-01-01"), end: day("2026-03-01") }, 2);
        let shown: Vec<String> =
            segments.iter().map(|s| format!("{} {}..{}", s.data_source, s.period.start, s.period.end)).collect();
        assert_eq!(shown, ["cur2 2026-01-01..2026-01-31", "cost-explorer 2026-02-01..2026-03-01"]);
    }
}
