//! Which costs moved, and whether it matters.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Frame, Question, SCHEMA_VERSION, account_name, check_filters, group_object, single_currency, source_names,
};
use crate::{
    analysis::detect::{self, Direction, Kind, Measure, Parameters, Sensitivity, Severity},
    error::{Error, Result},
    model::{ChargeCategory, GroupBy, Metric, Period, Series},
    store::{
        Store,
        queries::{Segment, Selection},
    },
};

/// What to judge.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub question: Question<'a>,
    pub group_by: GroupBy,
    /// The first and last day to judge; `None` is the newest settled day.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub include: &'a [ChargeCategory],
    pub sensitivity: Option<Sensitivity>,
    pub parameters: Parameters,
}

/// The findings, the gravest first.
#[derive(Debug, Serialize)]
pub struct Anomalies {
    pub schema_version: u32,
    pub command: &'static str,
    pub as_of: NaiveDate,
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    pub source: String,
    pub metric: Metric,
    pub currency: String,
    pub group_by: GroupBy,
    /// `null` when the threshold comes from the configuration.
    pub sensitivity: Option<Sensitivity>,
    pub threshold: f64,
    pub window_days: usize,
    /// The days that were judged.
    pub judged: Period,
    pub series: usize,
    pub findings: Vec<Finding>,
    pub notes: Vec<String>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The same whenever the same is found.
    pub id: String,
    pub kind: Kind,
    pub direction: Direction,
    pub severity: Severity,
    pub date: NaiveDate,
    pub start: NaiveDate,
    pub end: Option<NaiveDate>,
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    pub actual: f64,
    pub expected: f64,
    pub impact: f64,
    pub impact_total: f64,
    pub score: f64,
    pub reasons: Vec<String>,
}

/// One judged day of one series.
#[derive(Debug, Serialize)]
pub struct Score {
    pub date: NaiveDate,
    pub group: Map<String, Value>,
    pub cost: f64,
    pub expected: Option<f64>,
    pub score: Option<f64>,
    pub direction: Option<Direction>,
    pub flagged: bool,
    pub kind: Option<Kind>,
}

/// Every judged day of every series.
#[derive(Debug, Serialize)]
pub struct Scores {
    pub schema_version: u32,
    pub command: &'static str,
    pub as_of: NaiveDate,
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    pub source: String,
    pub metric: Metric,
    pub currency: String,
    pub group_by: GroupBy,
    pub threshold: f64,
    pub window_days: usize,
    pub scores: Vec<Score>,
    pub notes: Vec<String>,
}

/// Judges the newest settled day, or each day of a range, as if it were the newest.
///
/// # Errors
/// When there is too little data, several currencies, or a filter or key names what is not there.
pub fn anomalies(store: &Store, request: &Request) -> Result<Anomalies> {
    let data = Data::read(store, request)?;
    let names = store.account_names()?;
    let findings = detect::detect(&data.series, data.judged, &request.parameters);
    let findings = findings.into_iter().map(|found| {
        let values = &data.series[found.series].group;
        Finding {
            id: stable_id(&request.group_by, values, &found),
            kind: found.kind,
            direction: found.direction,
            severity: found.severity,
            date: found.date,
            start: found.start,
            end: found.end,
            group: group_object(&request.group_by, values),
            account_name: account_name(&request.group_by, values, &names),
            actual: found.actual,
            expected: found.expected,
            impact: found.impact,
            impact_total: found.impact_total,
            score: found.score,
            reasons: found.reasons,
        }
    });
    Ok(Anomalies {
        schema_version: SCHEMA_VERSION,
        command: "anomalies",
        as_of: data.frame.as_of,
        data_age_days: data.frame.data_age_days,
        settled_through: data.frame.settled_through,
        source: source_names(&data.segments),
        metric: request.question.metric,
        currency: data.currency,
        group_by: request.group_by.clone(),
        sensitivity: request.sensitivity,
        threshold: request.parameters.threshold,
        window_days: request.parameters.window_days,
        judged: data.judged,
        series: data.series.len(),
        findings: findings.collect(),
        notes: data.notes,
    })
}

/// One row for every series and judged day, for evaluation from outside. Of the two measures the row has
/// the one that is further over its threshold.
///
/// # Errors
/// As [`anomalies`].
pub fn scores(store: &Store, request: &Request) -> Result<Scores> {
    let data = Data::read(store, request)?;
    let mut scores = Vec::new();
    for day in data.judged.iter() {
        for series in &data.series {
            let Some(index) = series.index(day) else { continue };
            let strongest = detect::judge(series, day, &request.parameters).reduce(|a, b| {
                let weight = |measure: &Measure| (measure.flagged, measure.score.abs());
                if weight(&b) > weight(&a) { b } else { a }
            });
            scores.push(Score {
                date: day,
                group: group_object(&request.group_by, &series.group),
                cost: series.values[index],
                expected: strongest.map(|measure| measure.expected),
                score: strongest.map(|measure| measure.score),
                direction: strongest.map(|measure| if measure.score < 0.0 { Direction::Down } else { Direction::Up }),
                flagged: strongest.is_some_and(|measure| measure.flagged),
                kind: strongest.map(|measure| measure.kind),
            });
        }
    }
    Ok(Scores {
        schema_version: SCHEMA_VERSION,
        command: "anomalies",
        as_of: data.frame.as_of,
        data_age_days: data.frame.data_age_days,
        settled_through: data.frame.settled_through,
        source: source_names(&data.segments),
        metric: request.question.metric,
        currency: data.currency,
        group_by: request.group_by.clone(),
        threshold: request.parameters.threshold,
        window_days: request.parameters.window_days,
        scores,
        notes: data.notes,
    })
}

/// The series of a question and the days to judge in them.
struct Data {
    frame: Frame,
    judged: Period,
    segments: Vec<Segment>,
    currency: String,
    series: Vec<Series>,
    notes: Vec<String>,
}

impl Data {
    fn read(store: &Store, request: &Request) -> Result<Self> {
        let question = &request.question;
        let frame = Frame::new(store, question)?;
        let end = request.to.unwrap_or(frame.settled_through).min(frame.settled_through);
        let start = request.from.unwrap_or(end);
        if start > end {
            return Err(match (request.from, request.to) {
                (Some(from), Some(to)) if from > to => {
                    Error::usage(format!("the range ends before it starts: {from} to {to}"))
                        .hint("`--from` is the first day, `--to` the last")
                }
                _ => Error::input(format!("no day from {start} on is settled"))
                    .hint(format!("the newest settled day is {}", frame.settled_through)),
            });
        }
        let judged = Period { start, end };
        if frame.first_day().is_none_or(|first| first > end) {
            return Err(Error::input(format!("there is no data up to {end}, the newest settled day"))
                .hint("ingest more days, or name a later day with `--as-of`"));
        }
        // All history: when a series began must not depend on which days are judged.
        let read = Period { start: frame.first_day().unwrap_or(start).min(start), end };
        let segments = frame.segments(read, question.settle_days);
        let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
        let cells = store.cells(&selection, &request.group_by.0)?;
        if cells.is_empty() {
            check_filters(store, &selection)?;
        }
        let currency = single_currency(store, &selection)?;
        let mut groups: BTreeMap<Vec<String>, BTreeMap<NaiveDate, f64>> = BTreeMap::new();
        for cell in cells {
            if request.include.iter().any(|category| category.as_str() == cell.charge_category) {
                *groups.entry(cell.group).or_default().entry(cell.day).or_default() += cell.cost;
            }
        }
        let series: Vec<Series> =
            groups.into_iter().filter_map(|(group, days)| without_holes(group, &days, end)).collect();
        let mut notes = frame.notes(question, &segments);
        notes.extend(little_history(&frame, judged));
        let too_new = series.iter().filter(|series| !detect::can_judge(series, judged.end)).count();
        if too_new > 0 {
            notes.push(format!(
                "{too_new} of {} series have too few days before {} to be judged by",
                series.len(),
                judged.end
            ));
        }
        if let Some(to) = request.to.filter(|to| *to > end) {
            notes.push(format!("days after {end} are not settled and not judged, though asked for up to {to}"));
        }
        let missing: Vec<String> =
            judged.iter().filter(|day| !frame.has_day(&segments, *day)).map(|day| day.to_string()).collect();
        if !missing.is_empty() {
            notes.push(format!("there is no data at all of {}: these days count as 0", missing.join(", ")));
        }
        Ok(Self { frame, judged, segments, currency, series, notes })
    }
}

/// From the first charge to `end`, days without one counting 0.
fn without_holes(group: Vec<String>, days: &BTreeMap<NaiveDate, f64>, end: NaiveDate) -> Option<Series> {
    let start = *days.first_key_value()?.0;
    let values = Period { start, end }.iter().map(|day| days.get(&day).copied().unwrap_or(0.0)).collect();
    Some(Series { group, start, values })
}

/// Quality depends on history: below 45 days more is missed and more is flagged for nothing.
fn little_history(frame: &Frame, judged: Period) -> Option<String> {
    let days = (judged.start - frame.first_day()?).num_days();
    (days < 45)
        .then(|| format!("only {} days of data before {}: 45 and more give better findings", days.max(0), judged.start))
}

/// The same for the same series, kind, direction and first day, whatever the bill's format says else.
fn stable_id(group_by: &GroupBy, values: &[String], found: &detect::Finding) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}|{}|{}", found.kind.name(), found.direction.name(), found.start));
    for (dimension, value) in group_by.0.iter().zip(values) {
        hash.update(format!("|{dimension}={value}"));
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
